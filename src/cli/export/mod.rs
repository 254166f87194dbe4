//! `slmc export`: potentials and structures for other programs, one file per format.

mod input_data;
mod n2p2;

use clap::{Args, Subcommand};

use super::Failure;

/// Arguments of `slmc export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Format {
    /// A potential as a folder that LAMMPS' pair_style hdnnp and nnp-predict read.
    N2p2(n2p2::ExportN2p2),
    /// Structures as n2p2's input.data.
    InputData(input_data::ExportInputData),
}

impl Export {
    /// Writes.
    pub fn run(self) -> Result<u8, Failure> {
        match self.format {
            Format::N2p2(command) => command.run(),
            Format::InputData(command) => command.run(),
        }
    }
}
