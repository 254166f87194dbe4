//! A frame: one structure of a file with its labels and everything else the file says about it.

use std::collections::BTreeMap;

use crate::potential::Labels;
use crate::structure::Structure;

/// A structure as a file holds it. What the program has no use for is carried, so that reading and writing loses nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The atoms.
    pub structure: Structure,
    /// The labels, where the file has an energy. The energy is the one that ASE's `get_potential_energy()` gives: `energy`,
    /// and `free_energy` only where there is no other.
    pub labels: Option<Labels>,
    /// The free energy of smeared electrons in eV, where the file tells it apart: the one whose derivatives the forces
    /// are. See [`Frame::force_consistent_labels`].
    pub free_energy: Option<f64>,
    /// Under which names the labels stand in the file.
    pub label_keys: LabelKeys,
    /// The other entries of the comment line, as text without its quotes.
    pub info: BTreeMap<String, String>,
    /// The other per-atom columns, in the file's order.
    pub columns: Vec<Column>,
}

/// The names of the labels in extended XYZ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelKeys {
    /// `energy`, `free_energy`, `forces`, `stress`: what ASE reads as a calculator's results.
    #[default]
    Plain,
    /// The same with `REF_` before each: reference labels, told apart from a model's results.
    Reference,
}

impl LabelKeys {
    /// What stands before each name.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Reference => "REF_",
        }
    }
}

/// A per-atom column that is carried along: `width` values for each atom, atom by atom.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name in `Properties`.
    pub name: String,
    /// Values per atom, at least 1.
    pub width: usize,
    /// N·width values.
    pub values: ColumnValues,
}

/// The values of a column by the type `Properties` gives.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// Type R.
    Real(Vec<f64>),
    /// Type I.
    Integer(Vec<i64>),
    /// Type L.
    Logical(Vec<bool>),
    /// Type S: words without spaces.
    Text(Vec<String>),
}

impl ColumnValues {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Logical(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Frame {
    /// A structure without labels.
    pub fn new(structure: Structure) -> Self {
        Self {
            structure,
            labels: None,
            free_energy: None,
            label_keys: LabelKeys::default(),
            info: BTreeMap::new(),
            columns: Vec::new(),
        }
    }

    /// A structure with its labels, under the plain names.
    pub fn labelled(structure: Structure, labels: Labels) -> Self {
        Self {
            labels: Some(labels),
            ..Self::new(structure)
        }
    }

    /// The labels with the energy whose derivatives the forces are: the free energy where the file has one. This is what
    /// a potential is fitted to.
    pub fn force_consistent_labels(&self) -> Option<Labels> {
        let mut labels = self.labels.clone()?;
        labels.energy = self.free_energy.unwrap_or(labels.energy);
        Some(labels)
    }

    /// An entry of `info` as a number.
    pub fn info_number(&self, key: &str) -> Option<f64> {
        self.info.get(key)?.trim().parse().ok()
    }
}

impl From<Structure> for Frame {
    fn from(structure: Structure) -> Self {
        Self::new(structure)
    }
}
