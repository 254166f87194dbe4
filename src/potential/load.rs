//! A potential from wherever one stands: what slmc wrote, or a folder of n2p2.

use std::path::Path;

use super::{NeuralError, NeuralPotential};
use crate::formats::FormatError;
use crate::formats::n2p2::{self, FileUnits};

/// A potential that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// One that slmc wrote.
    #[error(transparent)]
    Own(#[from] NeuralError),
    /// One that n2p2 wrote.
    #[error(transparent)]
    N2p2(#[from] FormatError),
}

/// The potential at a place: the folder or file that slmc wrote, or a folder of n2p2, whose numbers are in the given units.
pub fn load(place: &Path, units: FileUnits) -> Result<NeuralPotential, LoadError> {
    if n2p2::is_folder(place) && !place.join(NeuralPotential::FILE).is_file() {
        return Ok(n2p2::read_potential(place, units)?);
    }
    Ok(NeuralPotential::load(place)?)
}
