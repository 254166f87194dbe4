//! `slmc data`: sets of structures made, chosen, divided and converted.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::{Failure, Verbosity, exit, load};
use crate::data::{Recipe, farthest_points, make, split, without_duplicates};
use crate::descriptor::DescriptorConfig;
use crate::formats::{self, FormatError, Frame};
use crate::units::Length;

/// Arguments of `slmc data`.
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make structures: supercells, random displacements and strains, scans of the volume.
    Make(Make),
    /// Take the labels of calculations that were made already: VASP, pw.x, extended XYZ, n2p2.
    Import(super::import::Import),
    /// Convert to another format, or put several files into one; labels are kept.
    #[command(visible_alias = "merge")]
    Convert(Convert),
    /// Take a slice of a trajectory: START:STOP:STEP as in Python.
    Slice(Slice),
    /// Divide at random into a training and a test set.
    Split(Split),
    /// Leave out structures that are there already.
    Deduplicate(Deduplicate),
    /// Choose the structures that differ most, by farthest points in descriptor space.
    Select(Select),
}

#[derive(Debug, Args)]
struct Make {
    /// Structures to start from, in any format slmc reads.
    file: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Structures made of each one.
    #[arg(short = 'n', long, default_value_t = 10)]
    count: usize,
    /// Standard deviation of each Cartesian displacement.
    #[arg(long, value_name = "LENGTH", default_value = "0.05 Å")]
    displace: Length,
    /// Largest component of a random symmetric strain of the cell, such as 0.05.
    #[arg(long, value_name = "STRAIN", default_value_t = 0.0)]
    strain: f64,
    /// Scale the cell by 1−S … 1+S in K steps before displacing: 0.05x11.
    #[arg(long, value_name = "SxK")]
    scan: Option<Scan>,
    /// Copies along each lattice vector: 2x2x2.
    #[arg(long, value_name = "AxBxC", default_value = "1x1x1")]
    supercell: Supercell,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Convert {
    /// Files in any format slmc reads.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The file to write; its name tells the format.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

#[derive(Debug, Args)]
struct Slice {
    /// The trajectory.
    file: PathBuf,
    /// START:STOP:STEP from 0, STOP left out; each may be missing, negative ones count from the end.
    #[arg(value_name = "SLICE", allow_hyphen_values = true)]
    range: Range,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

#[derive(Debug, Args)]
struct Split {
    /// Structures.
    file: PathBuf,
    /// The file to write the training set to.
    #[arg(long, value_name = "OUT")]
    train: PathBuf,
    /// The file to write the test set to.
    #[arg(long, value_name = "OUT")]
    test: PathBuf,
    /// The fraction that is for training.
    #[arg(long, default_value_t = 0.9)]
    fraction: f64,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Deduplicate {
    /// Files, taken together.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The same within this.
    #[arg(long, value_name = "LENGTH", default_value = "0.001 Å")]
    tolerance: Length,
}

#[derive(Debug, Args)]
struct Select {
    /// Structures.
    file: PathBuf,
    /// How many to choose.
    #[arg(short = 'n', long)]
    count: usize,
    /// The file to write, in the order of choice.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// A configuration whose [descriptor] is used [default: the standard descriptor].
    #[arg(long)]
    config: Option<PathBuf>,
}

/// A strain and a number of points.
#[derive(Clone, Copy, Debug)]
struct Scan(f64, usize);

impl FromStr for Scan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('x')
            .and_then(|(strain, points)| Some((strain.trim().parse().ok()?, points.trim().parse().ok()?)));
        match parsed {
            Some((strain, points)) if (0.0..1.0).contains(&strain) && points > 0 => Ok(Self(strain, points)),
            _ => Err("expected a strain below 1 and a number of points, such as 0.05x11".to_owned()),
        }
    }
}

/// Copies along each lattice vector.
#[derive(Clone, Copy, Debug)]
struct Supercell([usize; 3]);

impl FromStr for Supercell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<usize> = text.split('x').filter_map(|word| word.trim().parse().ok()).collect();
        match numbers[..] {
            [a, b, c] if a * b * c > 0 && text.matches('x').count() == 2 => Ok(Self([a, b, c])),
            _ => Err("expected three numbers from 1 up, such as 2x2x2".to_owned()),
        }
    }
}

/// START:STOP:STEP.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: Option<i64>,
    stop: Option<i64>,
    step: usize,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(':').collect();
        let number = |word: Option<&&str>| -> Result<Option<i64>, String> {
            match word.map(|word| word.trim()).filter(|word| !word.is_empty()) {
                None => Ok(None),
                Some(word) => word
                    .parse()
                    .map(Some)
                    .map_err(|_| format!("`{word}` is no whole number; expected START:STOP:STEP, such as 100::10")),
            }
        };
        if !(2..=3).contains(&words.len()) {
            return Err("expected START:STOP:STEP, such as 100::10".to_owned());
        }
        let step = number(words.get(2))?.unwrap_or(1);
        if step < 1 {
            return Err("the step must be at least 1".to_owned());
        }
        Ok(Self {
            start: number(words.first())?,
            stop: number(words.get(1))?,
            step: step as usize,
        })
    }
}

impl Range {
    fn of(self, frames: Vec<Frame>) -> Vec<Frame> {
        let length = frames.len() as i64;
        let place = |bound: i64| (if bound < 0 { bound + length } else { bound }).clamp(0, length) as usize;
        let start = self.start.map_or(0, place);
        let stop = self.stop.map_or(length as usize, place);
        frames.into_iter().take(stop).skip(start).step_by(self.step).collect()
    }
}

impl Data {
    /// Does what is asked and says what was written.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let said = match self.command {
            Command::Import(command) => return command.run(verbosity),
            Command::Make(command) => command.run()?,
            Command::Convert(command) => write(&command.output, &read_all(&command.files)?)?,
            Command::Slice(command) => write(&command.output, &command.range.of(read(&command.file)?))?,
            Command::Split(command) => command.run()?,
            Command::Deduplicate(command) => {
                let (kept, dropped) = without_duplicates(read_all(&command.files)?, command.tolerance.value());
                format!("{}; {dropped} were there already", write(&command.output, &kept)?)
            }
            Command::Select(command) => command.run()?,
        };
        if !verbosity.quiet {
            eprintln!("{said}");
        }
        Ok(0)
    }
}

impl Make {
    fn run(self) -> Result<String, Failure> {
        let out_of_range = |message: &str| Err(Failure::new(exit::USAGE, message));
        if self.displace.value() < 0.0 || !self.displace.value().is_finite() {
            return out_of_range("--displace must be a length from 0 up");
        }
        if !(0.0..0.5).contains(&self.strain) {
            return out_of_range("--strain must lie from 0 to below 0.5; 0.05 is five per cent");
        }
        if self.count == 0 {
            return out_of_range("--count must be at least 1");
        }
        let recipe = Recipe {
            supercell: self.supercell.0,
            displacement: self.displace.value(),
            strain: self.strain,
            scan: self.scan.map(|Scan(strain, points)| (strain, points)),
            count: self.count,
            seed: self.seed,
        };
        let made = make(&read(&self.file)?, &recipe).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        write(&self.output, &made)
    }
}

impl Split {
    fn run(self) -> Result<String, Failure> {
        if !(0.0..=1.0).contains(&self.fraction) {
            return Err(Failure::new(exit::USAGE, "--fraction must lie from 0 to 1"));
        }
        let frames = read(&self.file)?;
        let total = frames.len();
        let (training, test) = split(frames, self.fraction, self.seed);
        if training.is_empty() || test.is_empty() {
            let message = format!(
                "{total} structures at --fraction {} leave one of the sets empty",
                self.fraction
            );
            return Err(Failure::new(exit::DATA, message));
        }
        Ok(format!(
            "{}\n{}",
            write(&self.train, &training)?,
            write(&self.test, &test)?
        ))
    }
}

impl Select {
    fn run(self) -> Result<String, Failure> {
        let descriptor = match &self.config {
            Some(path) => load(path, &[])?.config.descriptor,
            None => DescriptorConfig::default(),
        };
        let frames = read(&self.file)?;
        if self.count == 0 || self.count > frames.len() {
            let message = format!("--count must lie from 1 to {}, the structures there are", frames.len());
            return Err(Failure::new(exit::USAGE, message));
        }
        let chosen = farthest_points(&frames, self.count, &descriptor)
            .map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let frames: Vec<Frame> = chosen.into_iter().map(|index| frames[index].clone()).collect();
        write(&self.output, &frames)
    }
}

fn read(path: &Path) -> Result<Vec<Frame>, Failure> {
    formats::read(path).map_err(|error| Failure::from_error(exit::DATA, &error))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Frame>, Failure> {
    let mut frames = Vec::new();
    for path in paths {
        frames.append(&mut read(path)?);
    }
    Ok(frames)
}

pub(super) fn write(path: &Path, frames: &[Frame]) -> Result<String, Failure> {
    if frames.is_empty() {
        return Err(Failure::new(exit::DATA, "nothing is left to write"));
    }
    formats::write(path, frames).map_err(|error| {
        let code = match error {
            FormatError::Io { .. } => exit::CANNOT_WRITE,
            _ => exit::USAGE,
        };
        Failure::from_error(code, &error)
    })?;
    let labelled = frames.iter().filter(|frame| frame.labels.is_some()).count();
    Ok(match labelled {
        0 => format!("wrote {} structures to {}", frames.len(), path.display()),
        labelled => format!(
            "wrote {} structures, {labelled} labelled, to {}",
            frames.len(),
            path.display()
        ),
    })
}
