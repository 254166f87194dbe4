//! `slmc export`: runs, potentials and structures for other programs, one file per target.

mod arviz;
mod csv;
mod input_data;
mod n2p2;
mod trajectory;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{Failure, exit};
use crate::run::results::Results;

/// Arguments of `slmc export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Format {
    /// A run as a Zarr store for ArviZ: posterior, sample_stats, and both of the warm-up.
    Arviz(arviz::Arviz),
    /// A run as tables: one row a step; in a folder also networks and means.
    Csv(csv::Csv),
    /// The sampled trajectory of a run as extended XYZ.
    Xyz(trajectory::Trajectory),
    /// The sampled trajectory of a run as VASP's XDATCAR.
    Xdatcar(trajectory::Trajectory),
    /// The sampled trajectory of a run as a LAMMPS text dump.
    LammpsDump(trajectory::Trajectory),
    /// A potential as a folder that LAMMPS' pair_style hdnnp and nnp-predict read.
    N2p2(n2p2::ExportN2p2),
    /// Structures as n2p2's input.data.
    InputData(input_data::ExportInputData),
}

impl Export {
    /// Writes what was asked for.
    pub fn run(self) -> Result<u8, Failure> {
        match self.format {
            Format::Arviz(command) => command.run(),
            Format::Csv(command) => command.run(),
            Format::Xyz(command) => command.run(trajectory::Format::Xyz),
            Format::Xdatcar(command) => command.run(trajectory::Format::Xdatcar),
            Format::LammpsDump(command) => command.run(trajectory::Format::LammpsDump),
            Format::N2p2(command) => command.run(),
            Format::InputData(command) => command.run(),
        }
    }
}

/// All chains of a run.
fn results(directory: &Path) -> Result<Results, Failure> {
    Results::read(directory).map_err(|error| Failure::from_error(exit::DATA, &error))
}
