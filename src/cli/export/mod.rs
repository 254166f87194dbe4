//! `slmc export`: a run for other programs, one file per target.

mod arviz;
mod csv;
mod trajectory;

use std::path::Path;

use clap::Subcommand;

use super::{Failure, exit};
use crate::run::results::Results;

/// Where to.
#[derive(Debug, Subcommand)]
pub enum Export {
    /// A Zarr store for ArviZ: posterior, sample_stats, and both of the warm-up.
    Arviz(arviz::Arviz),
    /// Tables: one row a step; in a folder also networks and means.
    Csv(csv::Csv),
    /// The sampled trajectory as extended XYZ.
    Xyz(trajectory::Trajectory),
    /// The sampled trajectory as VASP's XDATCAR.
    Xdatcar(trajectory::Trajectory),
    /// The sampled trajectory as a LAMMPS text dump.
    LammpsDump(trajectory::Trajectory),
}

impl Export {
    /// Writes what was asked for.
    pub fn run(self) -> Result<u8, Failure> {
        match self {
            Self::Arviz(arguments) => arguments.run(),
            Self::Csv(arguments) => arguments.run(),
            Self::Xyz(arguments) => arguments.run(trajectory::Format::Xyz),
            Self::Xdatcar(arguments) => arguments.run(trajectory::Format::Xdatcar),
            Self::LammpsDump(arguments) => arguments.run(trajectory::Format::LammpsDump),
        }
    }
}

fn results(directory: &Path) -> Result<Results, Failure> {
    Results::read(directory).map_err(|error| Failure::from_error(exit::DATA, &error))
}
