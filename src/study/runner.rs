//! Running a study: each variant and seed a child process with a run directory of its own, some at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::specification::Specification;
use crate::run::RunDirectory;
use crate::run::directory::replace;
use crate::run::results::Results;

/// One run of a study.
#[derive(Clone, Debug)]
pub struct Job {
    /// The variant, by index.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
    /// Its run directory.
    pub directory: PathBuf,
    /// The job whose frozen network it needs, by index.
    pub after: Option<usize>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It is complete.
    Done,
    /// It stopped and can go on.
    Stopped,
    /// It failed: its exit code and the last lines it said.
    Failed(i32, String),
}

/// A study that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A file cannot be written or read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was run there is not what is asked for now.
    #[error("{path} holds a run of other settings")]
    Changed {
        /// The run directory.
        path: PathBuf,
    },
}

/// All jobs of a study in the order of its file.
pub fn jobs(study: &Specification, seeds: &[u64], out: &Path) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for (index, variant) in study.variants.iter().enumerate() {
        for seed in seeds {
            let after = variant.after.as_ref().and_then(|name| {
                jobs.iter()
                    .position(|job| study.variants[job.variant].name == *name && job.seed == *seed)
            });
            jobs.push(Job {
                variant: index,
                seed: *seed,
                directory: out.join("runs").join(format!("{}-s{seed}", variant.name)),
                after,
            });
        }
    }
    jobs
}

/// Runs what is not done yet, `at_once` jobs at a time; `told` hears of each job's end. Finished runs are kept, interrupted ones
/// go on.
pub fn run_jobs(
    study: &Specification,
    jobs: &[Job],
    at_once: usize,
    extra: &[String],
    told: &(dyn Fn(&Job, &JobState) + Sync),
) -> Result<Vec<JobState>, RunnerError> {
    let states: Mutex<Vec<Option<JobState>>> = Mutex::new(vec![None; jobs.len()]);
    let taken: Mutex<Vec<bool>> = Mutex::new(vec![false; jobs.len()]);
    let halted: Mutex<Option<RunnerError>> = Mutex::new(None);
    let lock = |states: &Mutex<Vec<Option<JobState>>>| states.lock().map(|states| states.clone()).unwrap_or_default();
    // The next job whose network is there, or none now; the second value says whether any are left.
    let next = || -> (Option<usize>, bool) {
        let states = lock(&states);
        let Ok(mut taken) = taken.lock() else {
            return (None, false);
        };
        let ready = |index: usize| match jobs[index].after {
            None => true,
            Some(after) => states[after].is_some(),
        };
        let found = (0..jobs.len()).find(|index| !taken[*index] && ready(*index));
        if let Some(index) = found {
            taken[index] = true;
        }
        (found, taken.iter().any(|taken| !taken))
    };
    let stop = || {
        halted.lock().is_ok_and(|halted| halted.is_some())
            || lock(&states).iter().flatten().any(|state| *state == JobState::Stopped)
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(jobs.len()) {
            scope.spawn(|| {
                while !stop() {
                    match next() {
                        (Some(index), _) => {
                            let job = &jobs[index];
                            let before = job.after.and_then(|after| lock(&states)[after].clone());
                            let state = match before {
                                Some(JobState::Failed(code, _)) => {
                                    Ok(JobState::Failed(code, "the variant before it failed".to_owned()))
                                }
                                Some(JobState::Stopped) => Ok(JobState::Stopped),
                                _ => run_job(study, jobs, job, at_once, extra),
                            };
                            match state {
                                Ok(state) => {
                                    told(job, &state);
                                    if let Ok(mut states) = states.lock() {
                                        states[index] = Some(state);
                                    }
                                }
                                Err(error) => {
                                    if let Ok(mut halted) = halted.lock() {
                                        halted.get_or_insert(error);
                                    }
                                }
                            }
                        }
                        (None, true) => std::thread::sleep(std::time::Duration::from_millis(50)),
                        (None, false) => break,
                    }
                }
            });
        }
    });
    if let Ok(Some(error)) = halted.into_inner() {
        return Err(error);
    }
    let states = states.into_inner().unwrap_or_default();
    Ok(states
        .into_iter()
        .map(|state| state.unwrap_or(JobState::Stopped))
        .collect())
}

fn run_job(
    study: &Specification,
    jobs: &[Job],
    job: &Job,
    at_once: usize,
    extra: &[String],
) -> Result<JobState, RunnerError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| RunnerError::File { path, source }
    };
    let variant = &study.variants[job.variant];
    let potential = match job.after.map(|after| &jobs[after]) {
        None => String::new(),
        Some(before) => match frozen_network(&before.directory) {
            Some(path) => path,
            None => {
                let message = format!("{} has no frozen network", before.directory.display());
                return Ok(JobState::Failed(65, message));
            }
        },
    };
    let base = std::fs::read_to_string(&study.config).map_err(file(&study.config))?;
    let mut extra = extra.to_vec();
    extra.push(format!("sampling.seed={}", job.seed));
    let text = match study.text(&base, variant, &potential, &extra) {
        Ok(text) => text,
        Err(message) => return Ok(JobState::Failed(78, message)),
    };
    let runs = job.directory.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(runs).map_err(file(runs))?;
    let name = job
        .directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    // The settings lie beside the run, so that a study that was changed is not mistaken for the one that ran. The potential of the
    // variant before is the same network wherever the study lies.
    let settings = runs.join(format!("{name}.settings.toml"));
    let asked = if potential.is_empty() {
        text.clone()
    } else {
        text.replace(&potential, super::specification::POTENTIAL).replace(
            &super::specification::labels_beside(&potential),
            super::specification::LABELS,
        )
    };
    let directory = RunDirectory::new(&job.directory);
    if directory.holds_run() && std::fs::read_to_string(&settings).is_ok_and(|ran| ran != asked) {
        return Err(RunnerError::Changed {
            path: job.directory.clone(),
        });
    }
    replace(&settings, asked.as_bytes()).map_err(file(&settings))?;
    if job.directory.join("report.json").exists() {
        return Ok(JobState::Done);
    }
    let log = runs.join(format!("{name}.log"));
    let said = File::create(&log).map_err(file(&log))?;
    let also = said.try_clone().map_err(file(&log))?;
    let program = std::env::current_exe().map_err(file(Path::new("slmc")))?;
    let mut command = Command::new(&program);
    if directory.holds_run() {
        command.arg("resume").arg(&job.directory);
    } else {
        // Relative paths start from the base configuration's folder, so the variant is given as settings on top of the base.
        command.arg("run").arg(&study.config).arg("--out").arg(&job.directory);
        for setting in study.settings(variant, &potential, &extra) {
            command.arg("--set").arg(setting);
        }
    }
    command.arg("--quiet");
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        command.env("RAYON_NUM_THREADS", (cores / at_once.max(1)).max(1).to_string());
    }
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(said))
        .stderr(Stdio::from(also))
        .status()
        .map_err(file(&program))?;
    Ok(match status.code() {
        Some(0) => JobState::Done,
        Some(75) | None => JobState::Stopped,
        Some(code) => {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = lines[lines.len().saturating_sub(6)..].join("\n  ");
            JobState::Failed(code, last)
        }
    })
}

/// The folder of a finished run's last frozen network, absolute.
fn frozen_network(directory: &Path) -> Option<String> {
    let results = Results::read(directory).ok()?;
    let generation = results.generations.iter().rfind(|generation| generation.frozen)?;
    let folder = RunDirectory::new(directory).potential(generation.generation);
    Some(folder.canonicalize().ok()?.to_string_lossy().into_owned())
}
