//! Labels as batch jobs of Slurm: one job for each, one question to the queue for all of them, jobs taken over after a restart.
//!
//! What a job is and how it ended is told by its folder (`folder`), which outlives drivers and controllers; what squeue says
//! is believed for jobs that left no word, and only after it has said so twice and the shared file system had its time.

mod accounting;
mod config;
mod folder;
mod queue;
mod refusal;
mod script;
mod submit;
mod tool;
mod wait;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

pub use config::SlurmConfig;
pub use folder::Record;

use self::refusal::Refusal;
use self::script::Surround;
use self::wait::give_up;
use self::watch::State;
use super::launch::Launch;

/// The longest time for one of Slurm's commands. They give up by themselves after a while where the controller is away.
const LONGEST_COMMAND: Duration = Duration::from_mins(1);

/// A label that a batch job could not give.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// The job ended without an answer; another may succeed.
    #[error("{0}")]
    Transient(String),
    /// Slurm will not take such jobs.
    #[error("{0}")]
    Fatal(String),
    /// Nothing is known of the job, which may well be running: a later driver takes it over.
    #[error("{0}")]
    Away(String),
    /// The driver ends; the job is left, or was cancelled.
    #[error("{0}")]
    Left(String),
}

/// The batch jobs of one run, shared by its workers.
#[derive(Debug)]
pub struct Slurm {
    config: SlurmConfig,
    surround: Surround,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether sacct has given no answer: it is not asked again.
    no_accounting: AtomicBool,
}

fn seconds(duration: crate::units::Duration) -> Duration {
    Duration::from_secs_f64(duration.value().clamp(0.0, 1e9))
}

/// A file named in the configuration: relative to the current folder or to the config file's.
fn find(name: &str, config_dir: &Path) -> Option<PathBuf> {
    [PathBuf::from(name), config_dir.join(name)]
        .into_iter()
        .find(|path| path.is_file())
}

impl Slurm {
    /// Checks the table and reads the template. `config_dir` is the folder that a relative path is also looked for in.
    pub fn new(config: &SlurmConfig, config_dir: &Path) -> Result<Self, String> {
        if let Some(problem) = config.problem() {
            return Err(problem);
        }
        let surround = if config.template.is_empty() {
            Surround::new(config, None)?
        } else {
            let path = find(&config.template, config_dir)
                .ok_or_else(|| format!("there is no file `{}`, which `template` names", config.template))?;
            let told = |problem: &dyn std::fmt::Display| format!("the template {} {problem}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|error| told(&format!("cannot be read: {error}")))?;
            Surround::new(config, Some(&text)).map_err(|problem| told(&problem))?
        };
        Ok(Self {
            config: config.clone(),
            surround,
            state: Mutex::default(),
            changed: Condvar::new(),
            no_accounting: AtomicBool::new(false),
        })
    }

    /// That Slurm's commands are there, and that a job of this shape would be taken. What the controller cannot say now is no error.
    pub fn check(&self, timeout: Duration) -> Result<(), String> {
        let on_path = |name: &str| {
            std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
        };
        if let Some(missing) = ["sbatch", "squeue", "scancel"].into_iter().find(|name| !on_path(name)) {
            return Err(format!(
                "there is no `{missing}` on the PATH: run slmc where jobs can be submitted"
            ));
        }
        let mut arguments = self.config.sbatch_options(timeout.as_secs_f64());
        arguments.push("--test-only".to_owned());
        let script = std::env::temp_dir().join(format!("slmc-check-{}.sh", std::process::id()));
        let launch = Launch {
            words: vec!["true".to_owned()],
            folder: std::env::temp_dir(),
            environment: std::collections::BTreeMap::new(),
            timeout,
        };
        std::fs::write(&script, self.surround.script(&launch))
            .map_err(|error| format!("cannot write {}: {error}", script.display()))?;
        arguments.push(script.to_string_lossy().into_owned());
        let said = tool::run("sbatch", &arguments, LONGEST_COMMAND);
        let _ = std::fs::remove_file(&script);
        let said = said.map_err(|error| format!("cannot run sbatch: {error}"))?;
        match refusal::classify(&said) {
            Some(Refusal::Permanent) => Err(format!("sbatch refuses such a job: {}", said.complaint())),
            _ => Ok(()),
        }
    }

    /// The open label folders of a request, from earlier drivers; those of another calculation are closed and their jobs cancelled.
    pub fn left_behind(&self, jobs: &Path, name: &str, is_same: impl Fn(&Record) -> bool) -> Vec<PathBuf> {
        let mut folders = folder::open_folders(jobs, name);
        folders.retain(|path| match Record::read(path) {
            Some(record) if is_same(&record) => true,
            Some(record) => {
                give_up(path, record.job, "is of another structure or surface");
                false
            }
            None => false,
        });
        folders
    }

    /// The folder to go on in: an open one of this calculation, with its record, or one that nobody has used.
    pub fn settle(&self, wanted: &Path, is_same: impl Fn(&Record) -> bool) -> (PathBuf, Option<Record>) {
        let mut path = wanted.to_owned();
        let mut again = 1;
        while path.exists() {
            if let Some(record) = folder::open_record(&path).filter(&is_same) {
                return (path, Some(record));
            }
            again += 1;
            let mut name = wanted.as_os_str().to_owned();
            name.push(format!("-again-{again}"));
            path = PathBuf::from(name);
        }
        (path, None)
    }

    /// Cancels the job of a folder whose answer nobody waits for any more, and closes the folder.
    pub fn abandon(&self, folder: &Path, reason: &str) {
        give_up(folder, Record::read(folder).and_then(|record| record.job), reason);
    }

    /// Closes a folder whose answer was of no use.
    pub fn close(&self, folder: &Path, reason: &str) {
        if folder.exists() {
            folder::close(folder, reason);
        }
    }
}
