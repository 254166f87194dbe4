//! The section `[ensemble]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Pressure, Temperature};

/// What is sampled: one table, named after the ensemble.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EnsembleConfig {
    /// Constant number of atoms, volume and temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvt: Option<NvtConfig>,
    /// Constant number of atoms, pressure and temperature: the cell is sampled too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub npt: Option<NptConfig>,
}

impl EnsembleConfig {
    /// The temperature of the chosen ensemble.
    pub fn temperature(&self) -> Option<Temperature> {
        let npt = self.npt.as_ref().map(|npt| npt.temperature);
        self.nvt.as_ref().map(|nvt| nvt.temperature).or(npt)
    }
}

/// The canonical ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NvtConfig {
    /// The temperature.
    pub temperature: Temperature,
}

/// The isothermal–isobaric ensemble. Its measure is Vᴺ, whatever is chosen below: `docs/theory.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NptConfig {
    /// The temperature.
    pub temperature: Temperature,
    /// The pressure; negative values pull.
    pub pressure: Pressure,
    /// How the cell may change.
    pub cell: CellFormConfig,
    /// A thermodynamic tension added to the pressure, tensile positive: xx, yy, zz, yz, xz, xy, in the frame of the starting cell, which is
    /// its reference of strain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tension: Option<[Pressure; 6]>,
    /// Which strain rates a flexible cell has. Averages of lengths and angles do not depend on it.
    #[serde(default)]
    pub strain_rate: StrainRateConfig,
    /// What strains do to the atoms' momenta. Averages do not depend on it.
    #[serde(default)]
    pub coupling: CouplingConfig,
    /// The mass of the strain rates, as a multiple of total mass × V^(2/3)/4π², which makes a strain about as slow as a sound
    /// wave that crosses the cell. Averages do not depend on it.
    #[serde(default = "one")]
    pub cell_mass: f64,
    /// Whether the momentum of the centre of mass is removed where oracle and proposals allow it. Averages do not depend on it.
    #[serde(default)]
    pub centre_of_mass: CentreOfMassConfig,
    /// The target ends where the volume is larger or smaller than the start's by more than this factor.
    #[serde(default = "four")]
    pub largest_volume_change: f64,
    /// The target ends where a distance between opposite faces, over the cube root of the volume, is less than this fraction of what
    /// it is at the start: cells too flat or too skewed.
    #[serde(default = "half")]
    pub least_height: f64,
}

fn one() -> f64 {
    1.0
}

fn four() -> f64 {
    4.0
}

fn half() -> f64 {
    0.5
}

/// How a cell may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CellFormConfig {
    /// Its size at constant shape: fluids, cubic crystals.
    Isotropic,
    /// Its three edges at right angles.
    Orthorhombic,
    /// Its lengths and angles: crystals.
    Flexible,
}

/// Which strain rates a flexible cell has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrainRateConfig {
    /// Symmetric ones: no direction is special, nothing drives a rotation.
    #[default]
    Symmetric,
    /// Lower-triangular ones in the frame of the cell: its orientation stays.
    Triangular,
    /// All nine: the orientation diffuses.
    Full,
}

/// What strains do to the atoms' momenta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CouplingConfig {
    /// Nothing: the cell feels the mean kinetic pressure.
    #[default]
    Independent,
    /// They are strained inversely to the positions, as in Andersen's and Parrinello and Rahman's equations of motion.
    Contravariant,
    /// As in the equations of motion of Martyna, Tobias and Klein.
    MartynaTobiasKlein,
}

/// What becomes of the centre of mass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CentreOfMassConfig {
    /// Its momentum is removed where oracle and proposals are translation-invariant.
    #[default]
    Automatic,
    /// It moves.
    Kept,
}
