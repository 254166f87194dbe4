//! `slmc export n2p2`: a potential for LAMMPS and n2p2.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Failure, exit, say};
use crate::formats::n2p2::{FileUnits, export_potential};
use crate::potential::load;

/// Arguments of `slmc export n2p2`.
#[derive(Debug, Args)]
pub struct ExportN2p2 {
    /// The folder of a potential, as `slmc train` or a run wrote it.
    potential: PathBuf,
    /// The folder to write: a new or an empty one.
    folder: PathBuf,
    /// The units to write in: bohr,hartree for example [default: angstrom,eV]. They are those of POTENTIAL, too, where that is a
    /// folder of n2p2.
    #[arg(
        long,
        value_name = "LENGTH,ENERGY",
        default_value = "angstrom,eV",
        hide_default_value = true
    )]
    units: FileUnits,
}

impl ExportN2p2 {
    /// Reads and writes.
    pub fn run(self) -> Result<u8, Failure> {
        let potential = load(&self.potential, self.units).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let occupied = std::fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some());
        if occupied || self.folder.is_file() {
            let message = format!("{} is there already and not empty", self.folder.display());
            return Err(Failure::new(exit::USAGE, message).hint("name a new folder"));
        }
        let exported =
            export_potential(&potential, self.units).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        exported
            .write(&self.folder)
            .map_err(|error| Failure::from_error(exit::CANNOT_WRITE, &error))?;
        let mut text = format!(
            "{}: {} files in the format of n2p2\n",
            self.folder.display(),
            exported.files.len()
        );
        if potential.members.len() > 1 {
            text.push_str(&format!(
                "the {} members of the committee are one network, whose output is their mean\n",
                potential.members.len()
            ));
        }
        if let Some(deviation) = exported.deviation {
            text.push_str(&format!(
                "the linear path is embedded in the network: while its energy of an atom is below 10 eV, it deviates by at most {deviation:.1e} eV\n"
            ));
        }
        let cutoff = potential.descriptor.cutoff();
        // LAMMPS wants no less than the largest cutoff radius; rounding up to 1e-6 Å adds nothing else.
        let cutoff = (cutoff * 1e6).ceil() / 1e6;
        text.push_str(&format!(
            "LAMMPS (units metal):\n  pair_style hdnnp {cutoff} dir \"{}\" showew no cflength {} cfenergy {}\n  pair_coeff * * {}\n",
            self.folder.display(),
            1.0 / self.units.length,
            1.0 / self.units.energy,
            exported.elements.join(" ")
        ));
        say(&text);
        Ok(0)
    }
}
