//! `slmc export xyz | xdatcar | lammps-dump`: the sampled trajectory in the formats of other programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::results;
use crate::cli::analyze::results_at;
use crate::cli::{Failure, cannot_write, exit};
use crate::formats::trajectory::{Xdatcar, lammps_frame};
use crate::formats::xyz::{self, Precision};
use crate::formats::{FormatError, Frame};
use crate::run::RunDirectory;

/// Arguments of the three.
#[derive(Debug, Args)]
pub struct Trajectory {
    /// The run directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The file to write.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Only this chain, from 0; all chains follow each other otherwise, with replica exchange all of one rung.
    #[arg(long, value_name = "N")]
    chain: Option<usize>,
    /// The rung of a ladder of replica exchange, from 0; that of the ensemble's own temperature otherwise.
    #[arg(long, value_name = "K", conflicts_with = "chain")]
    rung: Option<usize>,
    /// The discarded steps of the sampling phase too.
    #[arg(long)]
    all: bool,
    /// Every N-th frame.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    Xyz,
    Xdatcar,
    LammpsDump,
}

impl Trajectory {
    pub(super) fn run(self, format: Format) -> Result<u8, Failure> {
        let results = results(&self.directory)?;
        let chains = results.decisions.len();
        if let Some(chain) = self.chain.filter(|chain| *chain >= chains) {
            return Err(Failure::new(
                exit::USAGE,
                format!("there is no chain {chain}: the {chains} chains are counted from 0"),
            ));
        }
        // Averages belong to one temperature.
        let results = match self.chain {
            Some(_) => results,
            None => results_at(&self.directory, self.rung)?,
        };
        let directory = RunDirectory::new(&self.directory);
        let file = File::create(&self.out).map_err(|error| cannot_write(&self.out, &error))?;
        let mut writer = Writer::new(format, BufWriter::new(file));
        let mut written = 0;
        for (index, (_, kept)) in results.kept().iter().enumerate() {
            let chain = results.first_chain + index;
            let path = directory.trajectory(chain);
            if self.chain.is_some_and(|own| own != chain) || !path.exists() {
                continue;
            }
            let first = match (self.all, kept.first()) {
                (true, _) => 0,
                (false, Some(decision)) => decision.step,
                (false, None) => u64::MAX,
            };
            let data = |error: FormatError| Failure::from_error(exit::DATA, &error);
            let mut count = 0;
            for frame in xyz::open(&path).map_err(data)? {
                let mut frame = match frame {
                    Ok(frame) => frame,
                    // A driver at work may be writing the last frame.
                    Err(_) if directory.is_locked() => break,
                    Err(error) => return Err(data(error)),
                };
                let step = frame.info_number("slmc_step").map_or(0, |step| step as u64);
                if step < first {
                    continue;
                }
                if count % self.every == 0 {
                    frame.info.insert("slmc_chain".into(), chain.to_string());
                    writer
                        .frame(&frame, step)
                        .map_err(|error| cannot_write(&self.out, &error))?;
                    written += 1;
                }
                count += 1;
            }
        }
        writer.finish().map_err(|error| cannot_write(&self.out, &error))?;
        if written == 0 {
            return Err(Failure::new(
                exit::DATA,
                format!("{} holds no sampled frame", self.directory.display()),
            )
            .hint("set output.trajectory-every to write a trajectory; --all also takes the discarded steps"));
        }
        Ok(0)
    }
}

enum Writer {
    Xyz(BufWriter<File>),
    Xdatcar(Xdatcar<BufWriter<File>>),
    LammpsDump(BufWriter<File>),
}

impl Writer {
    fn new(format: Format, out: BufWriter<File>) -> Self {
        match format {
            Format::Xyz => Self::Xyz(out),
            Format::Xdatcar => Self::Xdatcar(Xdatcar::new(out)),
            Format::LammpsDump => Self::LammpsDump(out),
        }
    }

    fn frame(&mut self, frame: &Frame, step: u64) -> Result<(), FormatError> {
        match self {
            Self::Xyz(out) => {
                let text = xyz::format(frame, Precision::EightDecimals)?;
                out.write_all(text.as_bytes())
                    .map_err(|error| FormatError::Unwritable(error.to_string()))
            }
            Self::Xdatcar(file) => file.frame(&frame.structure),
            Self::LammpsDump(out) => lammps_frame(&frame.structure, step, out),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Xyz(mut out) | Self::LammpsDump(mut out) => out.flush(),
            Self::Xdatcar(file) => file.finish(),
        }
    }
}
