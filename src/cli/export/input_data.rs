//! `slmc export input-data`: structures for n2p2.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Failure, exit, say};
use crate::formats::n2p2::{FileUnits, write_data_file};

/// Arguments of `slmc export input-data`.
#[derive(Debug, Args)]
pub struct ExportInputData {
    /// Structures, in any format slmc reads.
    file: PathBuf,
    /// Where to write.
    output: PathBuf,
    /// The units to write in: bohr,hartree for example [default: angstrom,eV].
    #[arg(
        long,
        value_name = "LENGTH,ENERGY",
        default_value = "angstrom,eV",
        hide_default_value = true
    )]
    units: FileUnits,
}

impl ExportInputData {
    /// Reads and writes.
    pub fn run(self) -> Result<u8, Failure> {
        let frames = crate::formats::read(&self.file).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        write_data_file(&self.output, &frames, self.units).map_err(|error| match error {
            crate::formats::FormatError::Unwritable(_) => Failure::from_error(exit::DATA, &error),
            _ => Failure::from_error(exit::CANNOT_WRITE, &error),
        })?;
        let unlabelled = frames.iter().filter(|frame| frame.labels.is_none()).count();
        let mut text = format!("{} structures written to {}", frames.len(), self.output.display());
        if unlabelled > 0 {
            text.push_str(&format!(
                "; {unlabelled} of them have no labels, their energies and forces are zero there"
            ));
        }
        say(&text);
        Ok(0)
    }
}
