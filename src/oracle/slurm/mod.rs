//! Labels as batch jobs of Slurm: one job for each, one question to the queue for all of them, jobs taken over after a restart.
//!
//! What a job is and how it ended is told by its folder ([`folder`]), which outlives drivers and controllers; what squeue says
//! is believed for jobs that left no word, and only after it has said so twice and the shared file system had its time.

mod config;
mod folder;
mod queue;
mod refusal;
mod script;
mod tool;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

pub use config::SlurmConfig;
pub use folder::Record;

use self::folder::{LOG, SCRIPT, claimed_by, ended, take_claim};
use self::refusal::Refusal;
use self::script::Surround;
use self::watch::{Sight, State, Watch};
use super::launch::{Exit, Launch, launched, mark_launch};
use super::process::tail_of;
use super::{JobDir, Note};

/// The longest time for one of Slurm's commands. They give up by themselves after a while where the controller is away.
const LONGEST_COMMAND: Duration = Duration::from_secs(60);

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
                self.give_up(path, record.job, "is of another structure or surface");
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

    /// Submits a launch, whose input files are written, as a batch job. Waits for room where the number of jobs is limited, and
    /// for the controller where it is away.
    pub fn submit(
        &self,
        launch: &Launch,
        name: &str,
        mut record: Record,
        job: &JobDir<'_>,
    ) -> Result<Watch<'_>, SlurmError> {
        let folder = &launch.folder;
        let watch = self.watch_when_room(folder, job)?;
        let cannot =
            |error: io::Error| SlurmError::Transient(format!("cannot write into {}: {error}", folder.display()));
        let script = folder.join(SCRIPT);
        std::fs::write(&script, self.surround.script(launch)).map_err(cannot)?;
        let arguments = self.sbatch_arguments(launch, name, &script);
        record.submitted_by = format!("sbatch {}", super::launch::shell_line(&arguments));
        mark_launch(folder).map_err(cannot)?;
        record.write(folder).map_err(cannot)?;
        let begun = Instant::now();
        let mut told = false;
        loop {
            let said = match tool::run("sbatch", &arguments, LONGEST_COMMAND) {
                Ok(said) => said,
                Err(error) => {
                    folder::close(folder, "sbatch could not be run");
                    let hint = "run slmc where jobs can be submitted";
                    return Err(SlurmError::Fatal(format!("cannot run sbatch: {error}: {hint}")));
                }
            };
            let complaint = said.complaint();
            match refusal::classify(&said) {
                None => {
                    record.job = refusal::job_number(&said.stdout);
                    record.write(folder).map_err(cannot)?;
                    match record.job {
                        Some(id) => job.tell(Note::new("job", format!("Slurm job {id} submitted as {name}"))),
                        None => job.tell(Note::new(
                            "warning",
                            format!(
                                "sbatch took a job and printed \"{}\", which is no job number",
                                said.stdout.trim()
                            ),
                        )),
                    }
                    self.submitted(folder, record.job);
                    return Ok(watch);
                }
                Some(Refusal::Permanent) => {
                    self.give_up(folder, None, "sbatch refused it");
                    return Err(SlurmError::Fatal(format!(
                        "sbatch refuses the job: {complaint}; correct the slurm table of the oracle, then `slmc resume`"
                    )));
                }
                Some(Refusal::Unknown) => {
                    self.give_up(folder, None, "sbatch refused it");
                    return Err(SlurmError::Transient(format!("sbatch refused the job: {complaint}")));
                }
                Some(Refusal::Policy) if self.others(folder) == 0 => {
                    self.give_up(folder, None, "sbatch refused it");
                    return Err(SlurmError::Fatal(format!(
                        "sbatch refuses the job, though no other of this run is in the queue: {complaint}"
                    )));
                }
                Some(refusal) => {
                    // Jobs of this run that are there will end and make room; nothing else is waited for without end.
                    let waits = refusal == Refusal::Away || self.others(folder) == 0;
                    if waits && begun.elapsed() > seconds(self.config.patience) {
                        return Err(SlurmError::Away(format!("sbatch takes no job: {complaint}")));
                    }
                    if !told {
                        job.tell(match refusal {
                            Refusal::Away => {
                                Note::new("warning", format!("sbatch gives no answer, trying again: {complaint}"))
                            }
                            _ => Note::new("job", format!("waiting to submit {name}: {complaint}")),
                        });
                        told = true;
                    }
                }
            }
            // It may have been taken although the answer was lost: then the queue or the job itself tells.
            self.pause(job)?;
            let found = claimed_by(folder).or_else(|| self.number_of(folder));
            if let Some(id) = found {
                record.job = Some(id);
                record.write(folder).map_err(cannot)?;
                job.tell(Note::new("job", format!("Slurm job {id} submitted as {name}")));
                self.submitted(folder, record.job);
                return Ok(watch);
            }
        }
    }

    fn sbatch_arguments(&self, launch: &Launch, name: &str, script: &Path) -> Vec<String> {
        let folder = launch.folder.to_string_lossy();
        let mut arguments = vec![
            "--parsable".to_owned(),
            // A job that is run again would find its own half-written files; slmc submits another instead.
            "--no-requeue".to_owned(),
            format!("--job-name={}-{name}", self.config.job_name),
            format!("--chdir={folder}"),
            // Relative to that folder, whose name may hold signs that Slurm would fill in here.
            format!("--output={LOG}"),
        ];
        arguments.extend(self.config.sbatch_options(launch.timeout.as_secs_f64()));
        arguments.push(script.to_string_lossy().into_owned());
        arguments
    }

    /// Takes over the job of a folder that an earlier driver has submitted.
    pub fn take_over(&self, folder: &Path, record: &Record, job: &JobDir<'_>) -> Watch<'_> {
        let watch = self.watch(folder, record.job);
        let name = folder
            .file_name()
            .map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let what = match claimed_by(folder).or(record.job) {
            Some(id) => format!("took over Slurm job {id}, {name}"),
            None => format!("looking for the Slurm job of {name}, whose number was not kept"),
        };
        job.tell(Note::new("job", what));
        watch
    }

    /// Waits for the end of a job.
    pub fn wait(&self, watch: &Watch<'_>, job: &JobDir<'_>) -> Result<Exit, SlurmError> {
        let folder = watch.folder();
        let launched = launched(folder).map_err(|error| {
            SlurmError::Transient(format!(
                "the mark of the launch in {} is gone: {error}",
                folder.display()
            ))
        })?;
        let patience = seconds(self.config.patience);
        let delay = seconds(self.config.file_delay);
        let mut stuck = String::new();
        loop {
            if let Some((code, seconds)) = ended(folder) {
                let exit = exit(folder, code, seconds, launched);
                let who = claimed_by(folder).map_or("a Slurm job".to_owned(), |id| format!("Slurm job {id}"));
                job.tell(Note::new("job", format!("{who} ended after {seconds:.0} s: {exit}")));
                return Ok(exit);
            }
            let sight = self.look(folder, claimed_by(folder), job);
            let id = self.number_of(folder);
            let who = id.map_or("the Slurm job".to_owned(), |id| format!("Slurm job {id}"));
            if job.is_left() {
                if self.config.keep_jobs && job.may_be_taken_over() {
                    return Err(SlurmError::Left(format!("{who} is left in the queue")));
                }
                self.give_up(folder, id, "the run was stopped");
                return Err(SlurmError::Left(format!("{who} is cancelled")));
            }
            match sight {
                Sight::Unknown | Sight::UnderWay => {}
                Sight::Pending(reason) => {
                    if queue::is_stuck(&reason) && reason != stuck {
                        job.tell(Note::new("warning", format!("{who} does not start: {reason}")));
                        stuck = reason;
                    }
                }
                Sight::Ended { word, since } if since > delay => {
                    // Its files had their time.
                    if ended(folder).is_none() {
                        self.give_up(folder, None, &format!("the job ended: {word}"));
                        return Err(SlurmError::Transient(self.unanswered(folder, &who, &word)));
                    }
                }
                Sight::Missing { since } if since > delay => {
                    if ended(folder).is_none() {
                        let begun = !take_claim(folder);
                        self.give_up(folder, id, "the job is not in the queue");
                        return Err(SlurmError::Transient(if begun {
                            format!("{who} is gone from the queue and left no exit code{}", tail(folder))
                        } else {
                            format!("{who} is gone from the queue and never began")
                        }));
                    }
                }
                Sight::Ended { .. } | Sight::Missing { .. } => {}
                Sight::NoAnswer { since, complaint } => {
                    if since > patience {
                        return Err(SlurmError::Away(format!(
                            "squeue has given no answer for {:.0} s: {complaint}; the jobs go on, and `slmc resume` takes them over",
                            since.as_secs_f64()
                        )));
                    }
                }
            }
        }
    }

    /// What there is to say of a job that ended without leaving the program's exit code.
    fn unanswered(&self, folder: &Path, who: &str, word: &str) -> String {
        let why = match word {
            "TIMEOUT" => ", its time limit: see `time` in the slurm table",
            "OUT_OF_MEMORY" => ", too little memory: see `memory` in the slurm table",
            "PREEMPTED" => ", it had to make room for another",
            "CANCELLED" => ", somebody cancelled it",
            "COMPLETED" => {
                ", but its files cannot be seen here: is the run folder on a file system that the nodes share?"
            }
            _ => "",
        };
        let begun = if claimed_by(folder).is_some() {
            ""
        } else {
            "; the program never began: is the run folder on a file system that the nodes share?"
        };
        let begun = if word == "FAILED" { begun } else { "" };
        format!("{who} ended without an answer ({word}{why}{begun}){}", tail(folder))
    }

    /// Makes sure that no job computes in a folder from now on, as far as that can be, and that nobody looks there again.
    fn give_up(&self, folder: &Path, id: Option<u64>, reason: &str) {
        take_claim(folder);
        if let Some(id) = id {
            // Where it is over already, there is nothing to cancel.
            let _ = tool::run("scancel", &[id.to_string()], LONGEST_COMMAND);
        }
        folder::close(folder, reason);
    }

    /// Closes a folder whose answer was of no use.
    pub fn close(&self, folder: &Path, reason: &str) {
        if folder.exists() {
            folder::close(folder, reason);
        }
    }
}

/// The end of what program and job printed.
fn tail(folder: &Path) -> String {
    tail_of(&[
        ("stdout", &folder.join("stdout")),
        ("stderr", &folder.join("stderr")),
        ("the job's log", &folder.join(LOG)),
    ])
}

fn exit(folder: &Path, code: i32, seconds: f64, launched: SystemTime) -> Exit {
    // A shell tells of a signal by a code above 128.
    let signal = (code > 128 && code < 128 + 65).then_some(code - 128);
    Exit {
        code: signal.is_none().then_some(code),
        signal,
        timed_out: false,
        launched,
        seconds,
        tail: tail(folder),
    }
}
