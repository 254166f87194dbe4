//! The units of a folder that names none: n2p2 takes numbers as they come.

use std::str::FromStr;

use crate::units::{BOHR, HARTREE, RYDBERG};

/// What one unit of length and one of energy in the files is in Å and eV.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FileUnits {
    /// In Å.
    pub length: f64,
    /// In eV.
    pub energy: f64,
}

impl Default for FileUnits {
    fn default() -> Self {
        Self {
            length: 1.0,
            energy: 1.0,
        }
    }
}

impl FileUnits {
    /// bohr and hartree.
    pub const ATOMIC: Self = Self {
        length: BOHR,
        energy: HARTREE,
    };

    /// Their names, such as "bohr, hartree".
    pub(super) fn names(&self) -> String {
        let length = if self.length == BOHR { "bohr" } else { "angstrom" };
        let energy = if self.energy == HARTREE {
            "hartree"
        } else if self.energy == RYDBERG {
            "rydberg"
        } else {
            "eV"
        };
        format!("{length}, {energy}")
    }

    /// Whether they are Å and eV.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Units that are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the units `{0}` are not known: write a length and an energy, such as bohr,hartree or angstrom,eV")]
pub struct UnitsError(String);

impl FromStr for FileUnits {
    type Err = UnitsError;

    /// Reads `LENGTH,ENERGY`: bohr, angstrom, Å or A; hartree, Ha, rydberg, Ry or eV, in any case.
    fn from_str(text: &str) -> Result<Self, UnitsError> {
        let unknown = || UnitsError(text.to_owned());
        let (length, energy) = text.split_once(',').ok_or_else(unknown)?;
        let length = match length.trim().to_lowercase().as_str() {
            "bohr" => BOHR,
            "angstrom" | "å" | "a" => 1.0,
            _ => return Err(unknown()),
        };
        let energy = match energy.trim().to_lowercase().as_str() {
            "hartree" | "ha" => HARTREE,
            "rydberg" | "ry" => RYDBERG,
            "ev" => 1.0,
            _ => return Err(unknown()),
        };
        Ok(Self { length, energy })
    }
}
