//! `slmc label`: structures in, structures with the oracle's labels out; what is labelled is not labelled again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Failure, Verbosity, exit, folder_of, load, signals};
use crate::config::{Config, open_oracle, select_oracle};
use crate::formats::FormatError;
use crate::oracle::pool::PoolSettings;
use crate::run::batch::{Batch, BatchError, BatchObserver};
use crate::run::journal::JournalError;

/// Arguments of `slmc label`.
#[derive(Debug, Args)]
pub struct Label {
    /// Structures to label, in any format slmc reads.
    file: PathBuf,
    /// A configuration with the oracle's table; without it the shipped recipe or the published parameters.
    config: Option<PathBuf>,
    /// The oracle.
    #[arg(long, value_name = "NAME")]
    oracle: Option<String>,
    /// The extended XYZ file to write; one that holds the first labels already is continued.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Set any key of the configuration.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Label {
    /// Labels what is not yet labelled, in order.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let (config, folder) = match &self.config {
            Some(path) => (load(path, &self.settings)?.config, folder_of(path)),
            None => {
                let path = PathBuf::from("--set");
                let text = crate::config::override_text("", &self.settings)
                    .map_err(|complaint| super::complaints_failure(&path, &[complaint]))?;
                let config: Config =
                    crate::config::parse(&text).map_err(|complaints| super::complaints_failure(&path, &complaints))?;
                (config, PathBuf::from("."))
            }
        };
        let choice = select_oracle(&config.oracle, self.oracle.as_deref()).map_err(|complaint| {
            let failure = Failure::new(exit::USAGE, complaint.message);
            match complaint.hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        let frames = crate::formats::read(&self.file).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let Some(first) = frames.first() else {
            return Err(Failure::new(
                exit::DATA,
                format!("{} holds no structure", self.file.display()),
            ));
        };
        let total = frames.len();
        let first = first.structure.clone();
        let batch = Batch::open(frames, &self.output).map_err(|error| self.failure(&error))?;
        let answered = batch.answered();
        if answered > 0 && !verbosity.quiet {
            eprintln!(
                "{}: {answered} of {total} structures are labelled already",
                self.output.display()
            );
        }
        let stop = signals::listen()?;
        let work = self.work(choice.slurm().is_some());
        let settings = PoolSettings {
            workers: config.pool.workers,
            retries: config.pool.retries,
            retry_delay: Duration::from_secs_f64(config.pool.retry_delay.value().max(0.0)),
            retire_after: config.pool.retire_after,
            jobs: work.clone(),
            cold_check: None,
        };
        // A file may mix systems; where the oracle is bound to its first frame's atoms, it says so itself.
        let open = open_oracle(&choice, &first, &folder, &work);
        let mut bar = Bar::new(total, answered, verbosity);
        let journal = batch.journal().to_owned();
        let end = batch.run(&open, &settings, &stop, &mut bar);
        bar.bar.finish_and_clear();
        let end = end.map_err(|error| self.failure(&error))?;
        // The folder is only there if the oracle needed files; what failed stays for a look, and jobs may still be at work in it.
        if end.missing == 0 || choice.slurm().is_none() {
            let _ = std::fs::remove_dir_all(&work);
        }
        if end.missing > 0 {
            eprintln!(
                "stopped with {} of {total} labelled, kept in {}; repeat the command to go on",
                end.labelled,
                journal.display()
            );
            return Ok(exit::STOPPED);
        }
        if !verbosity.quiet {
            eprintln!(
                "wrote {} labelled structures to {}",
                end.labelled,
                self.output.display()
            );
            // Of embedded oracles nobody asks what they cost.
            if end.cost.memory.is_some() {
                eprintln!("{}", end.cost);
            }
        }
        if end.unphysical > 0 {
            return Err(Failure::new(
                exit::DATA,
                format!("{} structures have no label from this oracle", end.unphysical),
            ));
        }
        Ok(0)
    }

    /// The folder of the label's files. Batch jobs outlive this process, and the next one has to find them.
    fn work(&self, batch_jobs: bool) -> PathBuf {
        let name = self
            .output
            .file_name()
            .map_or("out".into(), std::ffi::OsStr::to_string_lossy);
        folder_of(&self.output).join(if batch_jobs {
            format!("{name}.jobs")
        } else {
            format!(".slmc-label-{}", std::process::id())
        })
    }

    fn failure(&self, error: &BatchError) -> Failure {
        let code = match error {
            BatchError::Journal(JournalError::Io { .. }) | BatchError::Output(FormatError::Io { .. }) => {
                exit::CANNOT_WRITE
            }
            BatchError::Journal(_) | BatchError::Output(_) | BatchError::Mismatch { .. } => exit::DATA,
            BatchError::Oracle(_) => exit::ORACLE,
            BatchError::Thread(_) => exit::BUG,
        };
        let failure = Failure::from_error(code, error);
        match error {
            BatchError::Oracle(_) => failure.hint(format!(
                "mend the oracle and repeat the command: what is labelled is kept beside {}",
                self.output.display()
            )),
            BatchError::Output(_) => failure.hint("move the output file away, or cut its half-written last frame"),
            _ => failure,
        }
    }
}

/// The progress of a batch: a bar on a terminal, nothing elsewhere; warnings as lines.
struct Bar {
    bar: indicatif::ProgressBar,
    verbose: bool,
}

impl Bar {
    fn new(total: usize, answered: usize, verbosity: Verbosity) -> Self {
        let bar = if verbosity.quiet {
            indicatif::ProgressBar::hidden()
        } else {
            indicatif::ProgressBar::new(total as u64)
        };
        if let Ok(style) = indicatif::ProgressStyle::with_template("labelling {wide_bar} {pos}/{len}  left {eta}") {
            bar.set_style(style);
        }
        bar.set_position(answered as u64);
        bar.reset_eta();
        Self {
            bar,
            verbose: verbosity.verbose,
        }
    }
}

impl BatchObserver for Bar {
    fn progress(&mut self, answered: usize) {
        self.bar.set_position(answered as u64);
    }

    fn warn(&mut self, message: &str) {
        self.bar.suspend(|| eprintln!("warning: {message}"));
    }

    fn note(&mut self, message: &str) {
        if self.verbose {
            self.bar.suspend(|| eprintln!("{message}"));
        }
    }

    fn retry(&mut self, frame: usize, message: &str) {
        if self.verbose {
            self.bar
                .suspend(|| eprintln!("structure {frame} is tried again: {message}"));
        }
    }
}
