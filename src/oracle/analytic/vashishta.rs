//! The Vashishta potential of silica: Vashishta, Kalia, Rino and Ebbsjö, Phys. Rev. B 41, 12197 (1990).
//!
//! E = Σ_{i<j} [V(r) − V(c) − (r − c) V′(c)] + Σ_i Σ_{j<k} B (cos θ − cos θ₀)² / (1 + C (cos θ − cos θ₀)²)
//! exp(γ/(r_ij − r₀)) exp(γ/(r_ik − r₀)), with the angle θ at atom i and the pair potential
//! V(r) = H/r^η + ZᵢZⱼ e²/(4πε₀ r) exp(−r/λ₁) − D/r⁴ exp(−r/λ₄) − W/r⁶ (steric repulsion, screened Coulomb, screened
//! charge–dipole, van der Waals), truncated at the cutoff c with continuous energy and force; the three-body terms
//! vanish with all derivatives at r₀. The Coulomb interaction is truncated, not summed by Ewald's method, as in the form
//! that the family has had since Phys. Rev. B 75, 184109 (2007); with λ₁ = 999 Å it is practically unscreened.

use std::collections::BTreeMap;

use super::accumulation::{Sums, no_labels, sum_over_atoms};
use super::parameters::{Parameters, SpeciesTable, finite, parse_group, parse_species, positive};
use super::{AnalyticError, Surface};
use crate::linear::{Vec3, add, dot, scale, sub};
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::{NeighbourList, Species, Structure};
use crate::units::{BOHR, Energy, HARTREE, Length};

const NAME: &str = "vashishta";
const GRAIN: usize = 36;
/// e²/(4πε₀) in eV·Å.
const COULOMB: f64 = HARTREE * BOHR;

/// The Vashishta potential, by default of SiO₂ (Phys. Rev. B 41, 12197 (1990)).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct VashishtaConfig {
    /// The distance from which on pairs do not interact; energy and force go to zero there.
    pub cutoff: Length,
    /// The screening length λ₁ of the Coulomb interaction.
    pub coulomb_screening: Length,
    /// The screening length λ₄ of the charge–dipole interaction.
    pub dipole_screening: Length,
    /// The effective charges Z in units of the elementary charge, by element symbol.
    pub charges: BTreeMap<String, f64>,
    /// Parameters of every pair of the species in `charges`, by names such as `Si-O`; either order will do.
    pub pairs: BTreeMap<String, VashishtaPair>,
    /// Three-body terms, by names such as `O-Si-O` with the central species in the middle; those absent are zero.
    pub triplets: BTreeMap<String, VashishtaTriplet>,
}

/// The pair parameters of two species.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VashishtaPair {
    /// The exponent η of the steric repulsion H/r^η.
    pub steric_exponent: u8,
    /// The strength H of the steric repulsion in eV·Å^η.
    pub steric: f64,
    /// The strength D of the charge–dipole attraction in eV·Å⁴.
    pub dipole: f64,
    /// The strength W of the van der Waals attraction in eV·Å⁶.
    pub van_der_waals: f64,
}

/// The parameters of a three-body term.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VashishtaTriplet {
    /// The strength B.
    pub strength: Energy,
    /// The saturation C, without unit.
    pub saturation: f64,
    /// The cosine of the preferred angle, cos θ₀.
    pub cosine: f64,
    /// The range γ.
    pub gamma: Length,
    /// The cutoff r₀ of both legs, at most that of the pairs.
    pub cutoff: Length,
}

impl Default for VashishtaConfig {
    fn default() -> Self {
        let pair = |steric_exponent, steric, dipole| VashishtaPair {
            steric_exponent,
            steric,
            dipole,
            van_der_waals: 0.0,
        };
        let triplet = |strength, cosine| VashishtaTriplet {
            strength: Energy::new(strength),
            saturation: 0.0,
            cosine,
            gamma: Length::new(1.0),
            cutoff: Length::new(2.6),
        };
        Self {
            cutoff: Length::new(10.0),
            coulomb_screening: Length::new(999.0),
            dipole_screening: Length::new(4.43),
            charges: [("Si".to_owned(), 1.6), ("O".to_owned(), -0.8)].into(),
            pairs: [
                ("Si-Si".to_owned(), pair(11, 0.82023, 0.0)),
                ("Si-O".to_owned(), pair(9, 163.859, 44.2357)),
                ("O-O".to_owned(), pair(7, 743.848, 22.1179)),
            ]
            .into(),
            triplets: [
                ("O-Si-O".to_owned(), triplet(5.0365, -1.0 / 3.0)),
                ("Si-O-Si".to_owned(), triplet(20.146, -0.77714596)),
            ]
            .into(),
        }
    }
}

/// The interaction of one pair of species, ready for use.
#[derive(Clone, Copy, Debug)]
struct Pair {
    steric_exponent: i32,
    steric: f64,
    coulomb: f64,
    dipole: f64,
    van_der_waals: f64,
    inverse_coulomb_screening: f64,
    inverse_dipole_screening: f64,
    /// What is added to the energy: `offset + tilt·r`.
    offset: f64,
    tilt: f64,
}

impl Pair {
    /// V(r) and V′(r), shifted.
    #[inline]
    fn at(&self, r: f64) -> (f64, f64) {
        let inverse = 1.0 / r;
        let second = inverse * inverse;
        let fourth = second * second;
        let steric = self.steric * inverse.powi(self.steric_exponent);
        let mut energy = steric + self.offset + self.tilt * r;
        let mut slope = self.tilt - f64::from(self.steric_exponent) * steric * inverse;
        if self.coulomb != 0.0 {
            let coulomb = self.coulomb * inverse * (-r * self.inverse_coulomb_screening).exp();
            energy += coulomb;
            slope -= coulomb * (inverse + self.inverse_coulomb_screening);
        }
        if self.dipole != 0.0 {
            let dipole = self.dipole * fourth * (-r * self.inverse_dipole_screening).exp();
            energy -= dipole;
            slope += dipole * (4.0 * inverse + self.inverse_dipole_screening);
        }
        if self.van_der_waals != 0.0 {
            let attraction = self.van_der_waals * fourth * second;
            energy -= attraction;
            slope += 6.0 * attraction * inverse;
        }
        (energy, slope)
    }
}

#[derive(Clone, Copy, Debug)]
struct Triplet {
    strength: f64,
    saturation: f64,
    cosine: f64,
    gamma: f64,
    cutoff: f64,
}

/// A neighbour within reach of a three-body term, as seen from the central atom.
#[derive(Clone, Copy, Debug)]
struct Bond {
    neighbour: usize,
    kind: usize,
    vector: Vec3,
    direction: Vec3,
    distance: f64,
    /// The gradient of the three-body energy by `vector`.
    gradient: Vec3,
}

/// The Vashishta potential of a set of species.
#[derive(Clone, Debug)]
pub struct Vashishta {
    config: VashishtaConfig,
    species: SpeciesTable,
    cutoff: f64,
    /// By kind and kind.
    pairs: Vec<Pair>,
    /// By central kind and the two outer kinds.
    triplets: Vec<Option<Triplet>>,
    /// The longest leg of any three-body term, by central and outer kind, Å.
    reach: Vec<f64>,
}

impl Vashishta {
    /// The potential of a config; the structure may hold the species in `charges`.
    pub fn new(config: &VashishtaConfig, first_frame: &Structure) -> Result<Self, AnalyticError> {
        let cutoff = positive(NAME, "cutoff", config.cutoff.value())?;
        let mut charges = BTreeMap::new();
        for (symbol, charge) in &config.charges {
            let key = format!("charges.{symbol}");
            charges.insert(parse_species(NAME, &key, symbol)?, finite(NAME, &key, *charge)?);
        }
        let species = SpeciesTable::new(charges.keys().copied());
        species.check(NAME, first_frame)?;
        let pairs = pair_table(config, &species, &charges, cutoff)?;
        let triplets = triplet_table(config, &species, cutoff)?;
        let count = species.kinds().len();
        let mut reach = vec![0.0_f64; count * count];
        for (index, triplet) in triplets.iter().enumerate() {
            if let Some(triplet) = triplet {
                let leg = &mut reach[index / count];
                *leg = leg.max(triplet.cutoff);
            }
        }
        Ok(Self {
            config: config.clone(),
            species,
            cutoff,
            pairs,
            triplets,
            reach,
        })
    }

    /// The distance in Å from which on atoms do not interact.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn add_atom(
        &self,
        i: usize,
        structure: &Structure,
        kinds: &[u8],
        list: &NeighbourList,
        sums: &mut Sums,
        bonds: &mut Vec<Bond>,
    ) {
        bonds.clear();
        let origin = structure.positions[i];
        let count = self.species.kinds().len();
        let row = usize::from(kinds[i]) * count;
        for neighbour in list.of(i) {
            let j = neighbour.index as usize;
            let kind = usize::from(kinds[j]);
            let vector = sub(add(structure.positions[j], neighbour.offset), origin);
            let squared = dot(vector, vector);
            let reach = self.reach[row + kind];
            let counted_here = j > i || (j == i && neighbour.shift > [0; 3]);
            if counted_here && squared < self.cutoff * self.cutoff {
                let distance = squared.sqrt();
                let (energy, slope) = self.pairs[row + kind].at(distance);
                sums.energy += energy;
                sums.add_gradient(i, j, vector, scale(slope / distance, vector));
            }
            if squared < reach * reach {
                let distance = squared.sqrt();
                bonds.push(Bond {
                    neighbour: j,
                    kind,
                    vector,
                    direction: scale(1.0 / distance, vector),
                    distance,
                    gradient: [0.0; 3],
                });
            }
        }
        for second in 1..bonds.len() {
            let (before, after) = bonds.split_at_mut(second);
            let b = &mut after[0];
            for a in before {
                if let Some(triplet) = &self.triplets[(row + a.kind) * count + b.kind] {
                    triplet.add_angle(a, b, sums);
                }
            }
        }
        for bond in bonds.iter() {
            sums.add_gradient(i, bond.neighbour, bond.vector, bond.gradient);
        }
    }
}

impl Triplet {
    fn add_angle(&self, a: &mut Bond, b: &mut Bond, sums: &mut Sums) {
        if a.distance >= self.cutoff || b.distance >= self.cutoff {
            return;
        }
        let (beyond_a, beyond_b) = (1.0 / (a.distance - self.cutoff), 1.0 / (b.distance - self.cutoff));
        let cosine = dot(a.direction, b.direction);
        let deviation = cosine - self.cosine;
        let saturated = 1.0 + self.saturation * deviation * deviation;
        let strength = self.strength * (self.gamma * (beyond_a + beyond_b)).exp() * deviation / saturated;
        let energy = strength * deviation;
        let by_cosine = 2.0 * strength / saturated;
        let slope_a = -energy * self.gamma * beyond_a * beyond_a;
        let slope_b = -energy * self.gamma * beyond_b * beyond_b;
        sums.energy += energy;
        for k in 0..3 {
            a.gradient[k] +=
                by_cosine * (b.direction[k] - cosine * a.direction[k]) / a.distance + slope_a * a.direction[k];
            b.gradient[k] +=
                by_cosine * (a.direction[k] - cosine * b.direction[k]) / b.distance + slope_b * b.direction[k];
        }
    }
}

fn pair_table(
    config: &VashishtaConfig,
    species: &SpeciesTable,
    charges: &BTreeMap<Species, f64>,
    cutoff: f64,
) -> Result<Vec<Pair>, AnalyticError> {
    let inverse_coulomb_screening = 1.0 / positive(NAME, "coulomb-screening", config.coulomb_screening.value())?;
    let inverse_dipole_screening = 1.0 / positive(NAME, "dipole-screening", config.dipole_screening.value())?;
    let count = species.kinds().len();
    let mut table = vec![None; count * count];
    for (name, values) in &config.pairs {
        let [a, b] = parse_group::<2>(NAME, "pairs", name)?;
        let (Some(first), Some(second)) = (species.kind(a), species.kind(b)) else {
            return Err(AnalyticError::parameter(
                NAME,
                format!("pairs.{name}"),
                "names a species that has no charge in `charges`",
            ));
        };
        let key = |field: &str| format!("pairs.{name}.{field}");
        let mut pair = Pair {
            steric_exponent: i32::from(values.steric_exponent),
            steric: finite(NAME, &key("steric"), values.steric)?,
            coulomb: charges[&a] * charges[&b] * COULOMB,
            dipole: finite(NAME, &key("dipole"), values.dipole)?,
            van_der_waals: finite(NAME, &key("van-der-waals"), values.van_der_waals)?,
            inverse_coulomb_screening,
            inverse_dipole_screening,
            offset: 0.0,
            tilt: 0.0,
        };
        let (energy, slope) = pair.at(cutoff);
        pair.tilt = -slope;
        pair.offset = cutoff * slope - energy;
        if table[first * count + second].is_some() {
            return Err(AnalyticError::parameter(
                NAME,
                format!("pairs.{name}"),
                "is given twice, once in either order",
            ));
        }
        table[first * count + second] = Some(pair);
        table[second * count + first] = Some(pair);
    }
    table
        .into_iter()
        .enumerate()
        .map(|(index, pair)| {
            pair.ok_or_else(|| {
                let (a, b) = (species.kinds()[index / count], species.kinds()[index % count]);
                AnalyticError::parameter(
                    NAME,
                    format!("pairs.{a}-{b}"),
                    "is absent; every pair of species needs an entry",
                )
            })
        })
        .collect()
}

fn triplet_table(
    config: &VashishtaConfig,
    species: &SpeciesTable,
    pair_cutoff: f64,
) -> Result<Vec<Option<Triplet>>, AnalyticError> {
    let count = species.kinds().len();
    let mut table = vec![None; count * count * count];
    for (name, values) in &config.triplets {
        let group = parse_group::<3>(NAME, "triplets", name)?;
        let [Some(first), Some(centre), Some(last)] = group.map(|member| species.kind(member)) else {
            return Err(AnalyticError::parameter(
                NAME,
                format!("triplets.{name}"),
                "names a species that has no charge in `charges`",
            ));
        };
        let key = |field: &str| format!("triplets.{name}.{field}");
        let triplet = Triplet {
            strength: finite(NAME, &key("strength"), values.strength.value())?,
            saturation: finite(NAME, &key("saturation"), values.saturation)?,
            cosine: finite(NAME, &key("cosine"), values.cosine)?,
            gamma: positive(NAME, &key("gamma"), values.gamma.value())?,
            cutoff: positive(NAME, &key("cutoff"), values.cutoff.value())?,
        };
        if triplet.cutoff > pair_cutoff {
            return Err(AnalyticError::parameter(
                NAME,
                key("cutoff"),
                "is longer than the cutoff of the pairs",
            ));
        }
        let (one, other) = (
            (centre * count + first) * count + last,
            (centre * count + last) * count + first,
        );
        if table[one].is_some() {
            return Err(AnalyticError::parameter(
                NAME,
                format!("triplets.{name}"),
                "is given twice, once in either order",
            ));
        }
        table[one] = Some(triplet);
        table[other] = Some(triplet);
    }
    Ok(table)
}

impl Potential for Vashishta {
    fn evaluate(&self, structure: &Structure, workspace: &mut Workspace) -> Labels {
        let Some(kinds) = self.species.kinds_of(structure) else {
            return no_labels(structure);
        };
        let list = workspace.verlet(self.cutoff).update(structure);
        if !list.is_complete() {
            return no_labels(structure);
        }
        sum_over_atoms(structure, GRAIN, |i, sums, bonds: &mut Vec<Bond>| {
            self.add_atom(i, structure, &kinds, list, sums, bonds);
        })
    }
}

impl Surface for Vashishta {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        let config = &self.config;
        parameters.number("cutoff", self.cutoff);
        parameters.number("coulomb-screening", config.coulomb_screening.value());
        parameters.number("dipole-screening", config.dipole_screening.value());
        for (symbol, charge) in &config.charges {
            parameters.number(format!("charges.{symbol}"), *charge);
        }
        for (name, pair) in &config.pairs {
            parameters.text(format!("pairs.{name}.steric-exponent"), pair.steric_exponent);
            parameters.number(format!("pairs.{name}.steric"), pair.steric);
            parameters.number(format!("pairs.{name}.dipole"), pair.dipole);
            parameters.number(format!("pairs.{name}.van-der-waals"), pair.van_der_waals);
        }
        for (name, triplet) in &config.triplets {
            parameters.number(format!("triplets.{name}.strength"), triplet.strength.value());
            parameters.number(format!("triplets.{name}.saturation"), triplet.saturation);
            parameters.number(format!("triplets.{name}.cosine"), triplet.cosine);
            parameters.number(format!("triplets.{name}.gamma"), triplet.gamma.value());
            parameters.number(format!("triplets.{name}.cutoff"), triplet.cutoff.value());
        }
        parameters
    }
    fn check(&self, structure: &Structure) -> Result<(), AnalyticError> {
        self.species.check(NAME, structure)
    }
}
