//! `slmc data import`: labels of calculations that were made already.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::data::write;
use super::{Failure, Verbosity, exit};
use crate::data::import::{EnergyKind, ImportSettings, Imported, differences, import, without_repeated};
use crate::formats::Frame;
use crate::formats::n2p2::FileUnits;

/// Arguments of `slmc data import`.
#[derive(Debug, Args)]
pub struct Import {
    /// vasprun.xml or OUTCAR of VASP, standard output or data-file-schema.xml of pw.x, extended XYZ, n2p2's input.data; under any
    /// name, packed with gzip or not.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The energy of smeared electrons that becomes the label: the free one, which the forces belong to, or the one extrapolated to no
    /// smearing.
    #[arg(long, value_enum, default_value_t = Energy::Free)]
    energy: Energy,
    /// The units of the numbers in a file of n2p2, which names none: bohr,hartree for example [default: angstrom,eV].
    #[arg(
        long,
        value_name = "LENGTH,ENERGY",
        default_value = "angstrom,eV",
        hide_default_value = true
    )]
    units: FileUnits,
}

/// The energy that becomes the label.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Energy {
    /// E − TS.
    Free,
    /// Extrapolated to no smearing.
    SigmaToZero,
}

impl Import {
    /// Reads each file, says what it gave, and writes what can be used.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let settings = ImportSettings {
            energy: match self.energy {
                Energy::Free => EnergyKind::Free,
                Energy::SigmaToZero => EnergyKind::SigmaToZero,
            },
            units: self.units,
        };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for path in &self.files {
            match import(path, &settings) {
                Ok(imported) => good.push(imported),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
                    bad.push(format!("{error}{cause}"));
                }
            }
        }
        without_repeated(&mut good);
        for imported in good.iter().filter(|_| !verbosity.quiet) {
            eprintln!("{imported}");
        }
        for difference in differences(&good) {
            eprintln!("warning: the files may be of different surfaces, which do not mix: {difference}");
        }
        let frames: Vec<Frame> = good
            .into_iter()
            .flat_map(|imported: Imported| imported.frames)
            .collect();
        if !frames.is_empty() {
            let said = write(&self.output, &frames)?;
            if !verbosity.quiet {
                eprintln!("{said}");
            }
        }
        if bad.is_empty() {
            return Ok(0);
        }
        let written = if frames.is_empty() {
            "nothing was written"
        } else {
            "the others were written"
        };
        let message = format!("{} of {} files gave no label; {written}", bad.len(), self.files.len());
        Err(Failure {
            causes: bad,
            ..Failure::new(exit::DATA, message)
        })
    }
}
