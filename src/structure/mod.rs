//! Atoms in a cell: species, positions, fixed atoms, and the neighbours of each atom.

mod cell;
mod neighbours;
pub(crate) mod reduction;
mod search;
mod species;
mod verlet;

use std::sync::Arc;

pub use cell::Cell;
pub use neighbours::{Neighbour, NeighbourList};
pub use species::Species;
pub use verlet::VerletList;

use crate::linear::{Mat3, Vec3};

/// A structure that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StructureError {
    /// Lattice vectors that span no volume, or are not finite.
    #[error("the lattice vectors {0:?} span no volume")]
    SingularCell(Mat3),
    /// An element symbol that is not in the periodic table.
    #[error("`{0}` is not a chemical element")]
    UnknownElement(String),
    /// Arrays of different lengths.
    #[error("{what} has {found} entries for {expected} atoms")]
    Length {
        /// The array.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The number of atoms.
        expected: usize,
    },
    /// A coordinate that is not a finite number.
    #[error("atom {0} has a coordinate that is not a finite number")]
    NotFinite(usize),
    /// A mass that is not a positive finite number.
    #[error("atom {atom} has the mass {mass} amu: masses are positive finite numbers")]
    Mass {
        /// The atom, counted from 0.
        atom: usize,
        /// The mass in amu.
        mass: f64,
    },
    /// No atoms.
    #[error("the structure holds no atoms")]
    Empty,
}

/// N atoms in a cell. What never changes along a chain (species, masses, fixed atoms) is shared between copies.
#[derive(Clone, Debug, PartialEq)]
pub struct Structure {
    /// The cell; positions need not lie inside it.
    pub cell: Cell,
    /// The chemical species of each atom, N entries.
    pub species: Arc<[Species]>,
    /// Positions in Å, N entries, never wrapped by the samplers.
    pub positions: Vec<Vec3>,
    /// Masses in amu, N entries.
    pub masses: Arc<[f64]>,
    /// Atoms that never move, N entries.
    pub fixed: Arc<[bool]>,
}

impl Structure {
    /// A checksum of what defines a potential energy: cell, periodic directions, species and positions, bit for bit.
    pub fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for number in self.cell.vectors().iter().flatten() {
            hasher.update(&number.to_le_bytes());
        }
        for species in self.species.iter() {
            hasher.update(&[species.atomic_number()]);
        }
        for number in self.positions.iter().flatten() {
            hasher.update(&number.to_le_bytes());
        }
        hasher.finalize()
    }

    /// A structure with the species' standard masses and no fixed atom.
    pub fn new(cell: Cell, species: Vec<Species>, positions: Vec<Vec3>) -> Result<Self, StructureError> {
        if species.is_empty() {
            return Err(StructureError::Empty);
        }
        check_length("the list of positions", positions.len(), species.len())?;
        if let Some(atom) = positions.iter().position(|p| p.iter().any(|x| !x.is_finite())) {
            return Err(StructureError::NotFinite(atom));
        }
        let masses = species.iter().map(|s| s.mass()).collect();
        let fixed = vec![false; species.len()].into();
        Ok(Self {
            cell,
            species: species.into(),
            positions,
            masses,
            fixed,
        })
    }

    /// The number of atoms N.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are no atoms; a constructed structure has at least one.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The same atoms at other positions (N entries).
    #[must_use]
    pub fn with_positions(&self, positions: Vec<Vec3>) -> Self {
        Self {
            positions,
            ..self.clone()
        }
    }

    /// The same atoms at other positions (N entries) and, where given, in other lattice vectors (rows, Å); `None` where these span no
    /// volume.
    #[must_use]
    pub fn with_cell_and_positions(&self, vectors: Option<Mat3>, positions: Vec<Vec3>) -> Option<Self> {
        let mut moved = self.with_positions(positions);
        if let Some(vectors) = vectors {
            moved.cell = Cell::new(vectors, self.cell.periodic()).ok()?;
        }
        Some(moved)
    }

    /// The same atoms with other masses (amu, N entries, positive and finite).
    pub fn with_masses(self, masses: Vec<f64>) -> Result<Self, StructureError> {
        check_length("the list of masses", masses.len(), self.len())?;
        if let Some(atom) = masses.iter().position(|m| !(m.is_finite() && *m > 0.0)) {
            return Err(StructureError::Mass {
                atom,
                mass: masses[atom],
            });
        }
        Ok(Self {
            masses: masses.into(),
            ..self
        })
    }

    /// The same atoms, those marked `true` never moving (N entries).
    pub fn with_fixed(self, fixed: Vec<bool>) -> Result<Self, StructureError> {
        check_length("the list of fixed atoms", fixed.len(), self.len())?;
        Ok(Self {
            fixed: fixed.into(),
            ..self
        })
    }

    /// Whether no atom is fixed.
    pub fn all_free(&self) -> bool {
        !self.fixed.contains(&true)
    }

    /// The distinct species in order of atomic number.
    pub fn elements(&self) -> Vec<Species> {
        let mut elements = self.species.to_vec();
        elements.sort_unstable();
        elements.dedup();
        elements
    }

    /// `repeats` copies along each lattice vector, image by image with the last vector fastest. A repeat of 0
    /// counts as 1.
    #[must_use]
    pub fn supercell(&self, repeats: [usize; 3]) -> Self {
        let repeats = repeats.map(|r| r.max(1));
        let vectors = self.cell.vectors();
        let mut positions = Vec::new();
        let (mut species, mut masses, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
        for a in 0..repeats[0] {
            for b in 0..repeats[1] {
                for c in 0..repeats[2] {
                    let shift = crate::linear::row_times([a as f64, b as f64, c as f64], vectors);
                    positions.extend(self.positions.iter().map(|p| crate::linear::add(*p, shift)));
                    species.extend_from_slice(&self.species);
                    masses.extend_from_slice(&self.masses);
                    fixed.extend_from_slice(&self.fixed);
                }
            }
        }
        Self {
            cell: self
                .cell
                .scaled_vectors([repeats[0] as f64, repeats[1] as f64, repeats[2] as f64]),
            species: species.into(),
            positions,
            masses: masses.into(),
            fixed: fixed.into(),
        }
    }
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), StructureError> {
    if found == expected {
        Ok(())
    } else {
        Err(StructureError::Length { what, found, expected })
    }
}
