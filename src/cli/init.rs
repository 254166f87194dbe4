//! `slmc init`: a commented configuration that runs, with structure and recipe.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, exit, say};
use crate::config::{OracleChoice, template, with_slurm};
use crate::formats::Frame;
use crate::formats::xyz::Precision;
use crate::oracle::command::RECIPE as COMMAND_RECIPE;
use crate::oracle::ipi::{ASE_RECIPE, CP2K_RECIPE, ESPRESSO_RECIPE, LAMMPS_RECIPE};

/// Arguments of `slmc init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder to write into, made if need be.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// The oracle to write for.
    #[arg(long, value_name = "NAME", default_value = "stillinger-weber")]
    oracle: String,
    /// The structure to start from (extended XYZ or POSCAR); without it an example is written.
    #[arg(long, value_name = "FILE")]
    structure: Option<PathBuf>,
    /// Write for a cluster: each label a batch job of Slurm (vasp, espresso, cp2k, command).
    #[arg(long)]
    slurm: bool,
}

impl Init {
    /// Writes the files; an existing file is never overwritten.
    pub fn run(self) -> Result<u8, Failure> {
        let Some(choice) = OracleChoice::by_name(&self.oracle) else {
            return Err(
                Failure::new(exit::USAGE, format!("there is no oracle `{}`", self.oracle))
                    .hint(format!("the oracles are {}", OracleChoice::NAMES.join(", "))),
            );
        };
        let name = choice.name();
        let io = |path: &Path, error: &dyn std::fmt::Display| {
            Failure::new(exit::CANNOT_WRITE, format!("cannot write {}: {error}", path.display()))
        };
        let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        let structure_name = match &self.structure {
            Some(path) => {
                let text = std::fs::read(path)
                    .map_err(|error| Failure::new(exit::DATA, format!("cannot read {}: {error}", path.display())))?;
                crate::formats::read(path).map_err(|error| Failure::from_error(exit::DATA, &error))?;
                let file_name = path
                    .file_name()
                    .map_or("structure".into(), std::ffi::OsStr::to_os_string);
                let inside = self.directory.join(&file_name);
                let same = inside.exists() && path.canonicalize().ok() == inside.canonicalize().ok();
                if !same {
                    files.push((inside, text));
                }
                file_name.to_string_lossy().into_owned()
            }
            None => {
                let (file_name, frame) = example(name);
                let text = crate::formats::xyz::format(&frame, Precision::EightDecimals)
                    .map_err(|error| Failure::from_error(exit::BUG, &error))?;
                files.push((self.directory.join(file_name), text.into_bytes()));
                file_name.to_owned()
            }
        };
        let mut config = template(name, &structure_name);
        if self.slurm {
            config = with_slurm(&config, name).ok_or_else(|| {
                Failure::new(
                    exit::USAGE,
                    format!("the oracle `{name}` does not run once for each label, so its labels cannot be batch jobs"),
                )
                .hint("--slurm goes with vasp, espresso, cp2k or command")
            })?;
        }
        files.push((self.directory.join("slmc.toml"), config.into_bytes()));
        let recipe = match name {
            "espresso" => ESPRESSO_RECIPE,
            "cp2k" => CP2K_RECIPE,
            "lammps" => LAMMPS_RECIPE,
            "vasp" => crate::oracle::vasp::RECIPE,
            "ase" => ASE_RECIPE,
            "command" => COMMAND_RECIPE,
            _ => &[],
        };
        for (file, content) in recipe {
            files.push((
                self.directory.join("oracles").join(name).join(file),
                content.as_bytes().to_vec(),
            ));
        }
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(
                Failure::new(exit::CANNOT_WRITE, format!("{} is already there", path.display()))
                    .hint("nothing was written; choose another folder or move the file away"),
            );
        }
        for (path, content) in &files {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| io(parent, &error))?;
            }
            std::fs::write(path, content).map_err(|error| io(path, &error))?;
            say(&format!("wrote {}", path.display()));
        }
        say(&format!(
            "next: cd {} && slmc check && slmc run",
            self.directory.display()
        ));
        Ok(0)
    }
}

/// A small structure that suits an oracle, from the repository's examples.
fn example(oracle: &str) -> (&'static str, Frame) {
    let (name, text) = match oracle {
        "command" => ("argon.xyz", include_str!("../../oracles/command/argon.xyz")),
        "lennard-jones" => ("argon.xyz", include_str!("../../examples/argon/argon.xyz")),
        "vashishta" => ("quartz.xyz", include_str!("../../examples/quartz/quartz.xyz")),
        "cp2k" | "ase" => ("quartz.xyz", include_str!("../../examples/quartz-dft/quartz.xyz")),
        "einstein" | "asymmetric" | "double-well" => {
            ("crystal.xyz", include_str!("../../examples/einstein/einstein.xyz"))
        }
        "espresso" => ("silicon.xyz", include_str!("../../examples/silicon-dft/silicon.xyz")),
        _ => ("silicon.xyz", include_str!("../../examples/silicon/silicon.xyz")),
    };
    let frames = crate::formats::xyz::parse(text, name).expect("the examples' structures are tested");
    (
        name,
        frames
            .into_iter()
            .next()
            .expect("the examples' structures hold a frame"),
    )
}
