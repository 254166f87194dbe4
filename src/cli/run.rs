//! `slmc run`: a new run from a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{ConfigArguments, Failure, Verbosity, cannot_write, complaints_failure, exit, folder_of, say, signals};
use crate::config::{Surroundings, build_plan};
use crate::formats::Frame;
use crate::formats::xyz::Precision;
use crate::observe::progress;
use crate::run::plan::Plan;
use crate::run::{Driver, Finish, RunDirectory, RunError, RunLock};
use crate::units;

/// Arguments of `slmc run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    arguments: ConfigArguments,
    /// The seed; overrides sampling.seed.
    #[arg(long)]
    seed: Option<u64>,
    /// The run directory, made if need be [default: run].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start no label that cannot end within this time, such as "23 h"; stops with exit code 75.
    #[arg(long, value_name = "TIME")]
    time_limit: Option<units::Duration>,
}

/// A wall-clock limit from the command line.
pub(super) fn limit(time: Option<units::Duration>) -> Result<Option<Duration>, Failure> {
    match time {
        Some(time) if time.value() <= 0.0 => {
            Err(Failure::new(exit::USAGE, "--time-limit must be more than zero")
                .hint("write it as --time-limit \"23 h\""))
        }
        Some(time) => Ok(Some(Duration::from_secs_f64(time.value()))),
        None => Ok(None),
    }
}

impl Run {
    /// Runs from nothing to the report.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let extra: Vec<String> = self.seed.iter().map(|seed| format!("sampling.seed={seed}")).collect();
        let loaded = self.arguments.load(&extra)?;
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from("run"));
        let directory = RunDirectory::new(&out);
        if directory.holds_run() {
            return Err(already_there(&out));
        }
        let folder = folder_of(&loaded.path);
        let around = Surroundings {
            text: &loaded.text,
            folder: &folder,
            run: &out,
            starts: None,
            oracle: self.arguments.oracle.as_deref(),
            time_limit: limit(self.time_limit)?,
        };
        let (plan, _, warnings) =
            build_plan(&loaded.config, around).map_err(|complaints| complaints_failure(&loaded.path, &complaints))?;
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
        directory.create().map_err(|error| failure(&error))?;
        let lock = directory.lock().map_err(|error| failure(&error))?;
        if directory.holds_run() {
            return Err(already_there(&out));
        }
        let frames: Vec<Frame> = plan.starts.iter().cloned().map(Frame::new).collect();
        crate::formats::xyz::write(directory.start(), &frames, Precision::Exact)
            .map_err(|error| Failure::from_error(exit::CANNOT_WRITE, &error))?;
        std::fs::write(directory.config(), &plan.config).map_err(|error| {
            Failure::new(
                exit::CANNOT_WRITE,
                format!("cannot write {}: {error}", directory.config().display()),
            )
        })?;
        drive(plan, directory, lock, false, verbosity)
    }
}

fn already_there(out: &Path) -> Failure {
    Failure::new(exit::USAGE, format!("{} already holds a run", out.display())).hint(format!(
        "go on with it by `slmc resume {0}`, or choose another directory with --out",
        out.display()
    ))
}

/// Drives a plan to its end and writes the report.
pub(super) fn drive(
    plan: Plan,
    directory: RunDirectory,
    lock: RunLock,
    relearn: bool,
    verbosity: Verbosity,
) -> Result<u8, Failure> {
    let stop = signals::listen()?;
    let root = directory.root().to_owned();
    let mut driver = Driver::open(plan, directory, lock, stop, relearn).map_err(|error| failure(&error))?;
    let mut observer = progress(verbosity.quiet);
    let finish = driver.run(observer.as_mut()).map_err(|error| failure(&error))?;
    drop(driver);
    match finish {
        Finish::Completed(reason) => {
            report(&root, verbosity, &reason)?;
            Ok(0)
        }
        Finish::Stopped(reason) => {
            eprintln!("stopped: {reason}; go on with `slmc resume {}`", root.display());
            Ok(exit::STOPPED)
        }
    }
}

/// Writes report.json, report.html and the figures, and prints the table.
fn report(root: &Path, verbosity: Verbosity, reason: &str) -> Result<(), Failure> {
    let results = super::analyze::results_at(root, None)?;
    let mut analysis = results.analysis();
    analysis.add_extrapolation(&RunDirectory::new(root), &results);
    let report = crate::observe::report::report(root, &results, &analysis, &[]);
    let text = serde_json::to_string_pretty(&analysis.json).unwrap_or_default();
    for (name, content) in [("report.json", &text), ("report.html", &report.html)] {
        let path = root.join(name);
        crate::run::directory::replace(&path, content.as_bytes()).map_err(|error| cannot_write(&path, &error))?;
    }
    let plots = root.join("plots");
    report
        .write_figures(&plots)
        .map_err(|error| cannot_write(&plots, &error))?;
    if verbosity.verbose {
        for generation in &results.generations {
            eprintln!(
                "network {}: {} labels, validation error {}; {}",
                generation.generation,
                generation.labels,
                generation
                    .validation_error
                    .map_or("unknown".to_owned(), |error| format!("{:.2} meV", 1e3 * error)),
                generation.reason
            );
        }
    }
    if !verbosity.quiet {
        eprintln!(
            "done: {reason}; everything is in {}, the report in {}",
            root.display(),
            root.join("report.html").display()
        );
        say(&super::analyze::table(&results, &analysis));
    }
    Ok(())
}

/// Exit code and hint of a run that failed.
pub(super) fn failure(error: &RunError) -> Failure {
    let code = match error {
        RunError::Directory { .. } => exit::CANNOT_WRITE,
        RunError::Journal(journal) if journal.is_io() => exit::CANNOT_WRITE,
        RunError::Journal(_) | RunError::Inconsistent { .. } => exit::DATA,
        RunError::Locked { .. } | RunError::SeveralSolutions { .. } => exit::STOPPED,
        RunError::NothingToThaw { .. } => exit::USAGE,
        RunError::Oracle { .. } | RunError::Unphysical { .. } => exit::ORACLE,
        RunError::Training { .. } => exit::DATA,
        RunError::Thread(_) => exit::BUG,
    };
    let failure = Failure::from_error(code, error);
    match error {
        RunError::Journal(journal) if journal.is_io() => failure.hint(
            "free space or mend the permissions, then `slmc resume` goes on: nothing that was journalled is lost",
        ),
        _ => failure,
    }
}
