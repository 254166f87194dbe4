//! POSCAR and CONTCAR of VASP 5 and 6: a cell, species by groups, positions, selective dynamics.
//!
//! Format: <https://www.vasp.at/wiki/index.php/POSCAR>. Velocities and everything after them are not read.

mod reader;
mod writer;

use std::path::Path;

pub use reader::parse;

use super::{FormatError, source};
use crate::structure::Structure;

/// The structure of a file.
pub fn read(path: impl AsRef<Path>) -> Result<Structure, FormatError> {
    let path = path.as_ref();
    parse(&source::read_text(path)?, path)
}

/// Writes a structure that is periodic in three directions, in one step, and returns where its atoms went: the k-th atom
/// of the file is the structure's atom `order[k]`, because the file groups atoms by species.
pub fn write(path: impl AsRef<Path>, structure: &Structure, comment: &str) -> Result<Vec<usize>, FormatError> {
    let (text, order) = format(structure, comment)?;
    source::replace(path.as_ref(), &text)?;
    Ok(order)
}

pub use writer::format;
