//! The Einstein crystal: each atom on a spring of its own.
//!
//! E = Σᵢ ½ kᵢ |rᵢ − sᵢ|², with the sites s taken from the first frame or from the config. In the canonical ensemble each
//! of the 3N coordinates of the N atoms that are not fixed is an independent Gaussian of variance kT/k, so that exactly
//! ⟨E⟩ = (3N/2) kT and Var E = (3N/2) (kT)² at constant cell, whatever the force constants (fixed atoms add a constant).
//!
//! The sites are affine in the cell (constant fractional coordinates): under a strain ε of cell and positions the
//! displacement d = r − s goes to (1+ε)d, and the stress is (1/V) Σᵢ kᵢ dᵢ⊗dᵢ. The surface is not invariant under
//! translations, rotations or exchange of atoms, and an atom is bound to its own site, not to the site's images.

use std::collections::BTreeMap;

use super::accumulation::{no_labels, sum_over_atoms};
use super::parameters::{Parameters, parse_species, positive};
use super::sites::{Moments, Sites};
use super::{AnalyticError, Surface};
use crate::linear::{Vec3, dot, scale};
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::{Species, Structure};
use crate::units::{ForceConstant, Temperature};

const NAME: &str = "einstein";
const GRAIN: usize = 4096;

/// An Einstein crystal: each atom on a spring of its own, with exactly known averages.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EinsteinConfig {
    /// The force constant k of the springs, in E = Σ ½ k |r − site|².
    pub force_constant: ForceConstant,
    /// Force constants of particular species, by element symbol, in place of `force-constant`.
    pub force_constants: BTreeMap<String, ForceConstant>,
    /// The sites in Å, Cartesian, one per atom; the positions of the first frame where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<Vec3>>,
}

impl Default for EinsteinConfig {
    fn default() -> Self {
        Self {
            force_constant: ForceConstant::new(2.0),
            force_constants: BTreeMap::new(),
            sites: None,
        }
    }
}

/// An Einstein crystal with its sites.
#[derive(Clone, Debug)]
pub struct Einstein {
    sites: Sites,
    force_constant: f64,
    by_species: BTreeMap<Species, f64>,
}

impl Einstein {
    /// The crystal of a config around the sites of the first frame (or the config's own).
    pub fn new(config: &EinsteinConfig, first_frame: &Structure) -> Result<Self, AnalyticError> {
        let force_constant = positive(NAME, "force-constant", config.force_constant.value())?;
        let mut by_species = BTreeMap::new();
        for (symbol, value) in &config.force_constants {
            let key = format!("force-constants.{symbol}");
            by_species.insert(parse_species(NAME, &key, symbol)?, positive(NAME, &key, value.value())?);
        }
        Ok(Self {
            sites: Sites::new(NAME, config.sites.as_deref(), first_frame)?,
            force_constant,
            by_species,
        })
    }

    /// The force constant of a species in eV/Å².
    pub fn force_constant(&self, species: Species) -> f64 {
        self.by_species.get(&species).copied().unwrap_or(self.force_constant)
    }

    /// Exact canonical mean and variance of the energy of the atoms that are not fixed: (3N/2) kT and (3N/2) (kT)².
    pub fn exact_moments(&self, temperature: Temperature) -> Moments {
        let thermal = temperature.thermal_energy();
        let halves = 1.5 * self.sites.movable() as f64;
        Moments {
            mean: halves * thermal,
            variance: halves * thermal * thermal,
        }
    }
}

impl Potential for Einstein {
    fn evaluate(&self, structure: &Structure, _workspace: &mut Workspace) -> Labels {
        if structure.len() != self.sites.len() {
            return no_labels(structure);
        }
        sum_over_atoms(structure, GRAIN, |i, sums, (): &mut ()| {
            let k = self.force_constant(structure.species[i]);
            let d = self.sites.displacement(structure, i);
            let g = scale(k, d);
            sums.energy += 0.5 * k * dot(d, d);
            sums.forces[i] = scale(-1.0, g);
            sums.add_strain(d, g);
        })
    }

    fn translation_invariant(&self) -> bool {
        false
    }
}

impl Surface for Einstein {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.number("force-constant", self.force_constant);
        for (species, value) in &self.by_species {
            parameters.number(format!("force-constants.{species}"), *value);
        }
        parameters.text("sites", self.sites.digest());
        parameters
    }

    fn check(&self, structure: &Structure) -> Result<(), AnalyticError> {
        self.sites.check(NAME, structure)
    }
}
