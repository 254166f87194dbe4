//! The files of n2p2, both ways: a folder of input.nn, scaling.data and weights.ZZZ.data is a potential; input.data holds
//! structures.
//!
//! Singraber, Behler and Dellago, J. Chem. Theory Comput. 15, 1827 (2019); Singraber, Morawietz, Behler and Dellago, J. Chem.
//! Theory Comput. 15, 3075 (2019). Where an atom lies within the cutoff of its own periodic image, forces are the derivative of the
//! energy here, which n2p2's are not; and its functions 21 and 22 drop straight triplets, which count here.

mod data;
mod embed;
mod export;
mod folder;
mod functions;
mod keywords;
mod settings;
mod text;
mod units;

use std::path::Path;

pub use export::{ExportedPotential, export_potential};
pub use folder::{is_folder, read_potential};
pub use units::{FileUnits, UnitsError};

use super::{FormatError, Frame};

pub use data::{parse_data, write_data};

/// All structures of an input.data file.
pub fn read_data(path: impl AsRef<Path>, units: FileUnits) -> Result<Vec<Frame>, FormatError> {
    let path = path.as_ref();
    parse_data(&super::source::read_text(path)?, path, units)
}

/// Writes structures as input.data; an older file is replaced in one step.
pub fn write_data_file(path: &Path, frames: &[Frame], units: FileUnits) -> Result<(), FormatError> {
    super::source::replace(path, &write_data(frames, units)?)
}
