//! The Lennard-Jones potential, V(r) = 4ε [(σ/r)¹² − (σ/r)⁶], truncated at a cutoff c in one of three ways.
//!
//! - `cut`: V(r) for r < c, which leaves a step of energy at the cutoff that the forces do not know of;
//! - `shifted`: V(r) − V(c), continuous energy;
//! - `force-shifted`: V(r) − V(c) − (r − c) V′(c), continuous energy and forces.
//!
//! With `cut`, the mean-field correction for a uniform fluid beyond the cutoff can be added (Allen and Tildesley, Computer Simulation
//! of Liquids, Oxford (1987), section 2.8): (2π/V) Σ_ab N_a N_b ∫_c^∞ V_ab r² dr, which depends on the volume alone. The default parameters are those of argon, ε = 0.0103236 eV (119.8 K) and σ = 3.405 Å
//! (Rahman, Phys. Rev. 136, A405 (1964), rounds to 120 K and 3.4 Å).

use std::collections::BTreeMap;

use super::accumulation::{Sums, no_labels, sum_over_atoms};
use super::parameters::{Parameters, SpeciesTable, parse_group, positive};
use super::{AnalyticError, Surface};
use crate::linear::{add, dot, scale, sub};
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::{NeighbourList, Structure};
use crate::units::{Energy, Length};

const NAME: &str = "lennard-jones";
const GRAIN: usize = 96;

/// How the Lennard-Jones potential ends at its cutoff c.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Truncation {
    /// V(r) for r < c: the energy jumps at the cutoff.
    Cut,
    /// V(r) − V(c): the energy is continuous.
    Shifted,
    /// V(r) − V(c) − (r − c) V′(c): energy and forces are continuous.
    ForceShifted,
}

impl Truncation {
    fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Shifted => "shifted",
            Self::ForceShifted => "force-shifted",
        }
    }
}

/// The Lennard-Jones potential, by default of argon.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LennardJonesConfig {
    /// The depth ε of the well of every pair that `pairs` does not list.
    pub epsilon: Energy,
    /// The diameter σ of every pair that `pairs` does not list.
    pub sigma: Length,
    /// The distance from which on atoms do not interact; where absent 2.5 times the largest σ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<Length>,
    /// How the potential ends at the cutoff: "cut", "shifted" (energy) or "force-shifted" (energy and force).
    pub truncation: Truncation,
    /// Whether the energy and pressure of a uniform fluid beyond the cutoff are added; with truncation "cut" in bulk cells alone.
    pub long_range_correction: bool,
    /// Parameters of particular pairs of species, by names such as `Ar-Kr`; either order will do.
    pub pairs: BTreeMap<String, LennardJonesPair>,
}

/// Lennard-Jones parameters of one pair of species.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LennardJonesPair {
    /// The depth ε of the well.
    pub epsilon: Energy,
    /// The diameter σ.
    pub sigma: Length,
}

impl Default for LennardJonesConfig {
    fn default() -> Self {
        Self {
            epsilon: Energy::new(0.0103236),
            sigma: Length::new(3.405),
            cutoff: None,
            truncation: Truncation::Shifted,
            long_range_correction: false,
            pairs: BTreeMap::new(),
        }
    }
}

/// The interaction of one pair of species, ready for use.
#[derive(Clone, Copy, Debug)]
struct Pair {
    epsilon: f64,
    sigma: f64,
    /// 4ε σ¹² and 4ε σ⁶.
    repulsion: f64,
    attraction: f64,
    /// What is added to the energy: `offset + tilt·r`.
    offset: f64,
    tilt: f64,
}

impl Pair {
    fn new(epsilon: f64, sigma: f64, cutoff: f64, truncation: Truncation) -> Self {
        let attraction = 4.0 * epsilon * sigma.powi(6);
        let mut pair = Self {
            epsilon,
            sigma,
            repulsion: attraction * sigma.powi(6),
            attraction,
            offset: 0.0,
            tilt: 0.0,
        };
        let (energy, slope_over_distance) = pair.at(cutoff * cutoff);
        let slope = slope_over_distance * cutoff;
        match truncation {
            Truncation::Cut => {}
            Truncation::Shifted => pair.offset = -energy,
            Truncation::ForceShifted => {
                pair.tilt = -slope;
                pair.offset = cutoff * slope - energy;
            }
        }
        pair
    }

    /// V(r) and V′(r)/r from r².
    #[inline]
    fn at(&self, squared: f64) -> (f64, f64) {
        let inverse = 1.0 / squared;
        let sixth = inverse * inverse * inverse;
        let (repulsion, attraction) = (self.repulsion * sixth * sixth, self.attraction * sixth);
        let mut energy = repulsion - attraction + self.offset;
        let mut slope_over_distance = (6.0 * attraction - 12.0 * repulsion) * inverse;
        if self.tilt != 0.0 {
            let distance = squared.sqrt();
            energy += self.tilt * distance;
            slope_over_distance += self.tilt / distance;
        }
        (energy, slope_over_distance)
    }
}

/// The Lennard-Jones potential of a set of species.
#[derive(Clone, Debug)]
pub struct LennardJones {
    species: SpeciesTable,
    /// By kind and kind.
    pairs: Vec<Pair>,
    cutoff: f64,
    truncation: Truncation,
    long_range_correction: bool,
}

impl LennardJones {
    /// The potential of a config for the species of the first frame and of the config's pairs.
    pub fn new(config: &LennardJonesConfig, first_frame: &Structure) -> Result<Self, AnalyticError> {
        let epsilon = positive(NAME, "epsilon", config.epsilon.value())?;
        let sigma = positive(NAME, "sigma", config.sigma.value())?;
        let mut special = BTreeMap::new();
        for (name, pair) in &config.pairs {
            let mut group = parse_group::<2>(NAME, "pairs", name)?;
            group.sort_unstable();
            let key = |field: &str| format!("pairs.{name}.{field}");
            let values = (
                positive(NAME, &key("epsilon"), pair.epsilon.value())?,
                positive(NAME, &key("sigma"), pair.sigma.value())?,
            );
            if special.insert(group, values).is_some() {
                return Err(AnalyticError::parameter(
                    NAME,
                    format!("pairs.{name}"),
                    "is given twice, once in either order",
                ));
            }
        }
        if config.long_range_correction && (config.truncation != Truncation::Cut || !first_frame.cell.is_bulk()) {
            return Err(AnalyticError::parameter(
                NAME,
                "long-range-correction",
                "goes with truncation = \"cut\" in a cell that is periodic in all directions",
            ));
        }
        let listed = special.keys().flatten().copied();
        let species = SpeciesTable::new(first_frame.species.iter().copied().chain(listed));
        let kinds = species.kinds();
        let mut values = Vec::new();
        for &a in kinds {
            for &b in kinds {
                let pair = special.get(&[a.min(b), a.max(b)]).copied().unwrap_or((epsilon, sigma));
                values.push(pair);
            }
        }
        let largest = values.iter().map(|(_, sigma)| *sigma).fold(0.0, f64::max);
        let cutoff = positive(NAME, "cutoff", config.cutoff.map_or(2.5 * largest, Length::value))?;
        Ok(Self {
            pairs: values
                .into_iter()
                .map(|(epsilon, sigma)| Pair::new(epsilon, sigma, cutoff, config.truncation))
                .collect(),
            species,
            cutoff,
            truncation: config.truncation,
            long_range_correction: config.long_range_correction,
        })
    }

    /// The distance in Å from which on atoms do not interact.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// V times the energy of all pairs beyond the cutoff at uniform density, eV·Å³.
    fn tail(&self, kinds: &[u8]) -> f64 {
        let count = self.species.kinds().len();
        let mut numbers = vec![0.0; count];
        for kind in kinds {
            numbers[usize::from(*kind)] += 1.0;
        }
        let beyond =
            |pair: &Pair| pair.repulsion / (9.0 * self.cutoff.powi(9)) - pair.attraction / (3.0 * self.cutoff.powi(3));
        let pairs = (0..count * count).map(|k| numbers[k / count] * numbers[k % count] * beyond(&self.pairs[k]));
        2.0 * std::f64::consts::PI * pairs.sum::<f64>()
    }

    fn add_atom(&self, i: usize, structure: &Structure, kinds: &[u8], list: &NeighbourList, sums: &mut Sums) {
        let origin = structure.positions[i];
        let row = usize::from(kinds[i]) * self.species.kinds().len();
        for neighbour in list.of(i) {
            let j = neighbour.index as usize;
            if j < i || (j == i && neighbour.shift < [0; 3]) {
                continue;
            }
            let vector = sub(add(structure.positions[j], neighbour.offset), origin);
            let squared = dot(vector, vector);
            if squared >= self.cutoff * self.cutoff {
                continue;
            }
            let (energy, slope_over_distance) = self.pairs[row + usize::from(kinds[j])].at(squared);
            sums.energy += energy;
            sums.add_gradient(i, j, vector, scale(slope_over_distance, vector));
        }
    }
}

impl Potential for LennardJones {
    fn evaluate(&self, structure: &Structure, workspace: &mut Workspace) -> Labels {
        let Some(kinds) = self.species.kinds_of(structure) else {
            return no_labels(structure);
        };
        let list = workspace.verlet(self.cutoff).update(structure);
        if !list.is_complete() {
            return no_labels(structure);
        }
        let mut labels = sum_over_atoms(structure, GRAIN, |i, sums, (): &mut ()| {
            self.add_atom(i, structure, &kinds, list, sums);
        });
        if self.long_range_correction {
            let volume = structure.cell.volume();
            let energy = self.tail(&kinds) / volume;
            labels.energy += energy;
            // E ∝ 1/V: dE/dε = −E for each stretch.
            for (k, row) in labels.stress.iter_mut().flatten().enumerate() {
                row[k] -= energy / volume;
            }
        }
        labels
    }
}

impl Surface for LennardJones {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.number("cutoff", self.cutoff);
        parameters.text("truncation", self.truncation.name());
        if self.long_range_correction {
            parameters.text("long-range-correction", true);
        }
        let kinds = self.species.kinds();
        for (a, first) in kinds.iter().enumerate() {
            for (b, second) in kinds.iter().enumerate().skip(a) {
                let pair = &self.pairs[a * kinds.len() + b];
                parameters.number(format!("pairs.{first}-{second}.epsilon"), pair.epsilon);
                parameters.number(format!("pairs.{first}-{second}.sigma"), pair.sigma);
            }
        }
        parameters
    }
    fn check(&self, structure: &Structure) -> Result<(), AnalyticError> {
        self.species.check(NAME, structure)
    }
}
