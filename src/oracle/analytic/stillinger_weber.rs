//! The Stillinger–Weber potential of condensed silicon: Phys. Rev. B 31, 5262 (1985).
//!
//! E = Σ_{i<j} ε A [B (σ/r)^p − (σ/r)^q] exp(σ/(r − bσ)) + Σ_i Σ_{j<k} ε λ (cos θ − cos θ₀)² exp(γσ/(r_ij − bσ))
//! exp(γσ/(r_ik − bσ)), with θ the angle at atom i; both parts vanish with all derivatives at r = bσ (b is the paper's a).
//! The energy scale is the one that gives diamond silicon its cohesive energy, 2ε = 4.3366 eV per atom.

use super::accumulation::{Sums, no_labels, sum_over_atoms};
use super::parameters::{Parameters, SpeciesTable, finite, parse_species, positive};
use super::{AnalyticError, Surface};
use crate::linear::{Vec3, add, dot, scale, sub};
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::{NeighbourList, Structure};
use crate::units::{Energy, Length};

const NAME: &str = "stillinger-weber";
const GRAIN: usize = 96;

/// The Stillinger–Weber potential of one element, by default silicon (Phys. Rev. B 31, 5262 (1985)).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StillingerWeberConfig {
    /// The element the parameters are for.
    pub element: String,
    /// The energy scale ε.
    pub epsilon: Energy,
    /// The length scale σ.
    pub sigma: Length,
    /// The cutoff in units of σ (the paper's a).
    pub reduced_cutoff: f64,
    /// The strength λ of the three-body part in units of ε.
    pub lambda: f64,
    /// The range γ of the three-body part in units of σ.
    pub gamma: f64,
    /// The cosine of the preferred angle, cos θ₀.
    pub cosine: f64,
    /// The strength A of the two-body part in units of ε.
    pub pair_strength: f64,
    /// The weight B of the repulsion in the two-body part.
    pub repulsion: f64,
    /// The exponent p of the repulsion.
    pub repulsive_exponent: u8,
    /// The exponent q of the attraction.
    pub attractive_exponent: u8,
}

impl Default for StillingerWeberConfig {
    fn default() -> Self {
        Self {
            element: "Si".to_owned(),
            epsilon: Energy::new(2.1683),
            sigma: Length::new(2.0951),
            reduced_cutoff: 1.8,
            lambda: 21.0,
            gamma: 1.2,
            cosine: -1.0 / 3.0,
            pair_strength: 7.049556277,
            repulsion: 0.6022245584,
            repulsive_exponent: 4,
            attractive_exponent: 0,
        }
    }
}

/// The potential with its parameters in eV and Å.
#[derive(Clone, Debug)]
pub struct StillingerWeber {
    species: SpeciesTable,
    config: StillingerWeberConfig,
    sigma: f64,
    cutoff: f64,
    pair_energy: f64,
    three_body_energy: f64,
    range: f64,
}

/// A neighbour within the cutoff, as seen from the central atom.
#[derive(Clone, Copy, Debug)]
struct Bond {
    neighbour: usize,
    vector: Vec3,
    direction: Vec3,
    inverse_distance: f64,
    /// exp(γσ/(r − bσ)) and its logarithmic derivative by r.
    screening: f64,
    screening_slope: f64,
    /// The gradient of the energy by `vector`.
    gradient: Vec3,
}

impl StillingerWeber {
    /// The potential of a config, for structures of its element alone.
    pub fn new(config: &StillingerWeberConfig, first_frame: &Structure) -> Result<Self, AnalyticError> {
        let species = SpeciesTable::new([parse_species(NAME, "element", &config.element)?]);
        species.check(NAME, first_frame)?;
        let epsilon = positive(NAME, "epsilon", config.epsilon.value())?;
        let sigma = positive(NAME, "sigma", config.sigma.value())?;
        let reduced_cutoff = positive(NAME, "reduced-cutoff", config.reduced_cutoff)?;
        let gamma = positive(NAME, "gamma", config.gamma)?;
        finite(NAME, "cosine", config.cosine)?;
        finite(NAME, "repulsion", config.repulsion)?;
        Ok(Self {
            species,
            sigma,
            cutoff: reduced_cutoff * sigma,
            pair_energy: epsilon * finite(NAME, "pair-strength", config.pair_strength)?,
            three_body_energy: epsilon * finite(NAME, "lambda", config.lambda)?,
            range: gamma * sigma,
            config: config.clone(),
        })
    }

    /// The distance in Å from which on atoms do not interact.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Energy and derivative by r of the two-body part.
    fn pair(&self, inverse_distance: f64, beyond: f64) -> (f64, f64) {
        let (p, q) = (self.config.repulsive_exponent, self.config.attractive_exponent);
        let reduced = self.sigma * inverse_distance;
        let repulsion = self.config.repulsion * reduced.powi(i32::from(p));
        let attraction = reduced.powi(i32::from(q));
        let screening = self.pair_energy * (self.sigma * beyond).exp();
        let energy = screening * (repulsion - attraction);
        let slope = -screening * (f64::from(p) * repulsion - f64::from(q) * attraction) * inverse_distance
            - energy * self.sigma * beyond * beyond;
        (energy, slope)
    }

    fn add_atom(&self, i: usize, structure: &Structure, list: &NeighbourList, sums: &mut Sums, bonds: &mut Vec<Bond>) {
        bonds.clear();
        let origin = structure.positions[i];
        for neighbour in list.of(i) {
            let j = neighbour.index as usize;
            let vector = sub(add(structure.positions[j], neighbour.offset), origin);
            let squared = dot(vector, vector);
            if squared >= self.cutoff * self.cutoff {
                continue;
            }
            let distance = squared.sqrt();
            if distance >= self.cutoff {
                continue;
            }
            let inverse_distance = 1.0 / distance;
            let beyond = 1.0 / (distance - self.cutoff);
            let direction = scale(inverse_distance, vector);
            let mut gradient = [0.0; 3];
            if j > i || (j == i && neighbour.shift > [0; 3]) {
                let (energy, slope) = self.pair(inverse_distance, beyond);
                sums.energy += energy;
                gradient = scale(slope, direction);
            }
            bonds.push(Bond {
                neighbour: j,
                vector,
                direction,
                inverse_distance,
                screening: (self.range * beyond).exp(),
                screening_slope: -self.range * beyond * beyond,
                gradient,
            });
        }
        for second in 1..bonds.len() {
            let (before, after) = bonds.split_at_mut(second);
            let b = &mut after[0];
            for a in before {
                self.add_angle(a, b, sums);
            }
        }
        for bond in bonds.iter() {
            sums.add_gradient(i, bond.neighbour, bond.vector, bond.gradient);
        }
    }

    #[inline]
    fn add_angle(&self, a: &mut Bond, b: &mut Bond, sums: &mut Sums) {
        let cosine = dot(a.direction, b.direction);
        let deviation = cosine - self.config.cosine;
        let strength = self.three_body_energy * a.screening * b.screening * deviation;
        let energy = strength * deviation;
        sums.energy += energy;
        let by_cosine = 2.0 * strength;
        for k in 0..3 {
            a.gradient[k] += by_cosine * (b.direction[k] - cosine * a.direction[k]) * a.inverse_distance
                + energy * a.screening_slope * a.direction[k];
            b.gradient[k] += by_cosine * (a.direction[k] - cosine * b.direction[k]) * b.inverse_distance
                + energy * b.screening_slope * b.direction[k];
        }
    }
}

impl Potential for StillingerWeber {
    fn evaluate(&self, structure: &Structure, workspace: &mut Workspace) -> Labels {
        if self.species.kinds_of(structure).is_none() {
            return no_labels(structure);
        }
        let list = workspace.verlet(self.cutoff).update(structure);
        if !list.is_complete() {
            return no_labels(structure);
        }
        sum_over_atoms(structure, GRAIN, |i, sums, bonds: &mut Vec<Bond>| {
            self.add_atom(i, structure, list, sums, bonds);
        })
    }
}

impl Surface for StillingerWeber {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        let config = &self.config;
        parameters.text("element", &config.element);
        parameters.number("epsilon", config.epsilon.value());
        parameters.number("sigma", self.sigma);
        parameters.number("reduced-cutoff", config.reduced_cutoff);
        parameters.number("lambda", config.lambda);
        parameters.number("gamma", config.gamma);
        parameters.number("cosine", config.cosine);
        parameters.number("pair-strength", config.pair_strength);
        parameters.number("repulsion", config.repulsion);
        parameters.text("repulsive-exponent", config.repulsive_exponent);
        parameters.text("attractive-exponent", config.attractive_exponent);
        parameters
    }
    fn check(&self, structure: &Structure) -> Result<(), AnalyticError> {
        self.species.check(NAME, structure)
    }
}
