//! Labels by running a program once for each: files in, program, files out, with repairs and wavefunctions kept by chain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::launch::{self, Exit, Launch};
use super::slurm::{Record, Slurm, SlurmError};
use super::{Fingerprint, JobDir, Labels, Note, Oracle, OracleError};
use crate::linear::Vec3;
use crate::structure::{Cell, Structure};

/// One way to run the program for a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the files named by [`FileMode::memory_files`] lie in the folder, left behind by an earlier calculation.
    pub warm: bool,
    /// The rung of the ladder of repairs, from 0: no repair.
    pub repair: usize,
}

/// An adaptor that labels by running a program once in a folder. The three parts are apart so that the middle one may be
/// done elsewhere: on this machine, or as a batch job.
pub trait FileMode: Send {
    /// The oracle's name, for messages.
    fn name(&self) -> &'static str;

    /// Writes all input files into the folder, which exists and is fresh, and says what to run there.
    fn prepare(&mut self, structure: &Structure, folder: &Path, attempt: Attempt) -> Result<Launch, OracleError>;

    /// Reads what the program left in the folder. [`OracleError::Unphysical`] means that it found no solution: the ladder of
    /// repairs goes on. Everything that is not certain is an error.
    fn harvest(&mut self, structure: &Structure, folder: &Path, exit: &Exit) -> Result<Labels, OracleError>;

    /// What rung `repair` of the ladder changes, from 1; `None` past its end. A repair may change the path to the solution
    /// and never the surface.
    fn repair(&self, _repair: usize) -> Option<String> {
        None
    }

    /// Files from which a later calculation may start, such as wavefunctions. None: every label starts from nothing.
    fn memory_files(&self) -> &[&'static str] {
        &[]
    }

    /// The largest memory of one process of the last calculation, where the program itself tells, bytes.
    fn told_memory(&self) -> Option<u64> {
        None
    }

    /// What defines the surface.
    fn fingerprint(&self) -> Fingerprint;

    /// Whether shifting all atoms together leaves the energy alone.
    fn translation_invariant(&self) -> bool {
        true
    }

    /// What it noticed, handed over once.
    fn take_notes(&mut self) -> Vec<Note> {
        Vec::new()
    }
}

/// Files that a calculation of a structure left behind.
#[derive(Debug)]
struct Memory {
    cell: Cell,
    positions: Vec<Vec3>,
    folder: PathBuf,
}

impl Memory {
    fn is_of(&self, structure: &Structure) -> bool {
        self.cell == structure.cell && self.positions == structure.positions
    }
}

/// What is kept for one chain.
#[derive(Debug, Default)]
struct ChainMemory {
    accepted: Option<Memory>,
    /// Of the last label, which may or may not have been accepted.
    latest: Option<Memory>,
}

/// An oracle made of a [`FileMode`] adaptor.
#[derive(Debug)]
pub struct FileOracle<Adaptor: FileMode> {
    adaptor: Adaptor,
    /// This worker's own folder, for what outlives a label.
    worker_folder: PathBuf,
    chains: BTreeMap<usize, ChainMemory>,
    chain: Option<usize>,
    cold: bool,
    was_warm: bool,
    notes: Vec<Note>,
    /// The largest memory of one process of the last label, bytes.
    memory: Option<u64>,
    /// Where programs run: as batch jobs, or on this machine.
    slurm: Option<Arc<Slurm>>,
    /// Whether what lies in the present request's folder is for a later driver to take over.
    left: bool,
}

/// One request on its way down the ladder.
#[derive(Clone, Copy)]
struct Request<'a> {
    structure: &'a Structure,
    job: &'a JobDir<'a>,
}

impl<Adaptor: FileMode> FileOracle<Adaptor> {
    /// An oracle that keeps its memory below `worker_folder`, made when needed.
    pub fn new(adaptor: Adaptor, worker_folder: PathBuf) -> Self {
        Self {
            adaptor,
            worker_folder,
            chains: BTreeMap::new(),
            chain: None,
            cold: false,
            was_warm: false,
            notes: Vec::new(),
            memory: None,
            slurm: None,
            left: false,
        }
    }

    /// Runs the programs as batch jobs, if jobs are given.
    #[must_use]
    pub fn in_batch_jobs(mut self, slurm: Option<Arc<Slurm>>) -> Self {
        self.slurm = slurm;
        self
    }

    /// The adaptor.
    pub fn adaptor(&self) -> &Adaptor {
        &self.adaptor
    }

    fn error(&self, what: &str, folder: &Path, error: &dyn std::fmt::Display) -> OracleError {
        OracleError::Transient {
            oracle: self.adaptor.name().to_owned(),
            reason: format!("{what} {}: {error}", folder.display()),
        }
    }

    /// The folder with the files of the structure this chain stands at.
    fn warm_start(&self) -> Option<PathBuf> {
        let memory = self.chains.get(&self.chain?)?.accepted.as_ref()?;
        Some(memory.folder.clone())
    }

    /// One run of the program, in `folder` or, where that has been used, in one beside it. Gives the folder too.
    fn attempt(
        &mut self,
        request: Request<'_>,
        folder: &Path,
        warm: Option<&Path>,
        repair: usize,
    ) -> Result<(Labels, PathBuf), OracleError> {
        // Absolute: the program runs inside the folder.
        let folder =
            std::path::absolute(folder).map_err(|error| self.error("cannot find the folder", folder, &error))?;
        let (exit, folder) = match self.slurm.clone() {
            Some(slurm) => self.in_batch_job(&slurm, request, &folder, warm, repair)?,
            None => {
                let launch = self.prepare(request.structure, &folder, warm, repair)?;
                let exit = launch::run(&launch).map_err(|error| {
                    let (oracle, reason) = (self.adaptor.name().to_owned(), error.to_string());
                    if error.is_permanent() {
                        OracleError::Fatal { oracle, reason }
                    } else {
                        OracleError::Transient { oracle, reason }
                    }
                })?;
                if exit.is_not_found() {
                    let line = launch::shell_line(&launch.words);
                    return Err(self.not_found(&exit, &format!("; `{line}`")));
                }
                (exit, folder)
            }
        };
        self.memory = self.memory.max(exit.memory);
        let labels = self.adaptor.harvest(request.structure, &folder, &exit)?;
        // The program knows of its processes on other machines, too.
        self.memory = self.memory.max(self.adaptor.told_memory());
        Ok((labels, folder))
    }

    fn not_found(&self, exit: &Exit, line: &str) -> OracleError {
        OracleError::Fatal {
            oracle: self.adaptor.name().to_owned(),
            reason: format!(
                "the program cannot be run: check `command` and `launch` ({exit}{line}){}",
                exit.tail
            ),
        }
    }

    /// Makes the folder and writes what the program needs.
    fn prepare(
        &mut self,
        structure: &Structure,
        folder: &Path,
        warm: Option<&Path>,
        repair: usize,
    ) -> Result<Launch, OracleError> {
        std::fs::create_dir_all(folder).map_err(|error| self.error("cannot make the folder", folder, &error))?;
        for file in warm.iter().flat_map(|_| self.adaptor.memory_files()) {
            let from = warm.unwrap_or(folder).join(file);
            if from.is_file() {
                // Copied, since the program writes over it and a rejected label must not change what was accepted.
                std::fs::copy(&from, folder.join(file)).map_err(|error| self.error("cannot copy", &from, &error))?;
            }
        }
        let attempt = Attempt {
            warm: warm.is_some(),
            repair,
        };
        self.adaptor.prepare(structure, folder, attempt)
    }

    /// One run of the program as a batch job: one that an earlier driver has submitted, or a new one.
    fn in_batch_job(
        &mut self,
        slurm: &Slurm,
        request: Request<'_>,
        wanted: &Path,
        warm: Option<&Path>,
        repair: usize,
    ) -> Result<(Exit, PathBuf), OracleError> {
        let structure = request.structure.checksum();
        let fingerprint = self.adaptor.fingerprint().0;
        let (folder, known) = slurm.settle(wanted, |record| record.is_of(structure, &fingerprint));
        let watch = if let Some(record) = known {
            Ok(slurm.take_over(&folder, &record, request.job))
        } else {
            let launch = self.prepare(request.structure, &folder, warm, repair)?;
            let jobs = request
                .job
                .path()
                .parent()
                .and_then(|jobs| std::path::absolute(jobs).ok());
            let name = jobs.and_then(|jobs| folder.strip_prefix(jobs).ok().map(Path::to_owned));
            let name = name.unwrap_or_default().to_string_lossy().replace('/', "-");
            let record = Record {
                job: None,
                structure,
                fingerprint,
                warm: warm.is_some(),
                submitted_by: String::new(),
            };
            slurm.submit(&launch, &name, record, request.job)
        };
        let exit = watch.and_then(|watch| slurm.wait(&watch, request.job));
        let oracle = self.adaptor.name().to_owned();
        let exit = exit.map_err(|error| {
            self.left = matches!(error, SlurmError::Left(_) | SlurmError::Away(_));
            let reason = error.to_string();
            match error {
                SlurmError::Transient(_) => OracleError::Transient { oracle, reason },
                SlurmError::Fatal(_) | SlurmError::Away(_) => OracleError::Fatal { oracle, reason },
                SlurmError::Left(_) => OracleError::Left { oracle, reason },
            }
        })?;
        if exit.is_not_found() {
            return Err(self.not_found(&exit, " in the job"));
        }
        Ok((exit, folder))
    }

    /// Goes down the ladder: as configured, then from nothing, then with one repair after the other.
    fn ladder(&mut self, request: Request<'_>, warm: Option<&Path>) -> Result<(Labels, PathBuf), OracleError> {
        let root = request.job.path().to_owned();
        let mut error = match self.attempt(request, &root, warm, 0) {
            Ok(answer) => return Ok(answer),
            Err(error @ OracleError::Unphysical { .. }) => error,
            Err(error) => return Err(error),
        };
        let cold_first = usize::from(!self.was_warm);
        for rung in cold_first.. {
            let what = match rung {
                0 => "starting from nothing, without earlier wavefunctions".to_owned(),
                _ => match self.adaptor.repair(rung) {
                    Some(what) => what,
                    None => break,
                },
            };
            self.was_warm = false;
            self.notes
                .push(Note::new("repair", format!("{error}; repair {rung}: {what}")));
            let folder = root.join(format!("repair-{rung}"));
            error = match self.attempt(request, &folder, None, rung) {
                Ok(answer) => {
                    self.notes
                        .push(Note::new("repair", format!("repair {rung} reached the solution")));
                    return Ok(answer);
                }
                Err(error @ OracleError::Unphysical { .. }) => error,
                Err(error) => return Err(error),
            };
        }
        Err(error)
    }

    /// Keeps the files of a label for its chain.
    fn remember(&mut self, structure: &Structure, folder: &Path) {
        let Some(chain) = self.chain else { return };
        let files = self.adaptor.memory_files();
        if files.is_empty() {
            return;
        }
        let keep = self.worker_folder.join(format!("chain-{chain}"));
        let kept = keep.join("latest");
        let _ = std::fs::remove_dir_all(&kept);
        let memory = self.chains.entry(chain).or_default();
        memory.latest = None;
        if std::fs::create_dir_all(&kept).is_err() {
            return;
        }
        let mut moved = false;
        for file in files {
            let from = folder.join(file);
            // An empty file is one that the program was told not to fill.
            if std::fs::metadata(&from).is_ok_and(|metadata| metadata.len() > 0) {
                moved |= std::fs::rename(&from, kept.join(file)).is_ok();
            }
        }
        if moved {
            memory.latest = Some(Memory {
                cell: structure.cell,
                positions: structure.positions.clone(),
                folder: kept,
            });
        }
    }

    /// What was the last label's becomes the accepted one's if that is where the chain stands; what fits neither is dropped.
    fn settle(&mut self, chain: usize, stands_at: Option<&Structure>) {
        let Some(memory) = self.chains.get_mut(&chain) else {
            return;
        };
        let latest = memory.latest.take();
        let of_here = |memory: &Memory| stands_at.is_some_and(|structure| memory.is_of(structure));
        if let Some(mut latest) = latest.filter(of_here) {
            let accepted = latest.folder.with_file_name("accepted");
            let _ = std::fs::remove_dir_all(&accepted);
            if std::fs::rename(&latest.folder, &accepted).is_ok() {
                latest.folder = accepted;
                memory.accepted = Some(latest);
                return;
            }
        }
        memory.accepted = memory.accepted.take().filter(of_here);
    }
}

impl<Adaptor: FileMode> Oracle for FileOracle<Adaptor> {
    fn label(&mut self, structure: &Structure, job: &JobDir<'_>) -> Result<Labels, OracleError> {
        let warm = if std::mem::take(&mut self.cold) {
            None
        } else {
            self.warm_start()
        };
        // A calculation that is taken over began as it was submitted.
        let taken_over = self.slurm.as_ref().and_then(|_| Record::read(job.path()));
        self.was_warm = taken_over.map_or(warm.is_some(), |record| record.warm);
        self.left = false;
        self.memory = None;
        let answer = self.ladder(Request { structure, job }, warm.as_deref());
        self.notes.extend(self.adaptor.take_notes());
        match answer {
            Ok((labels, folder)) => {
                self.remember(structure, &folder);
                Ok(labels)
            }
            Err(error) => {
                // No solution is a finding that stays true; any other failure is not looked at again.
                if let (Some(slurm), false) = (&self.slurm, self.left)
                    && !matches!(error, OracleError::Unphysical { .. })
                {
                    slurm.close(job.path(), &error.to_string());
                }
                // Whatever went wrong, the next attempt starts from nothing.
                self.cold = true;
                self.was_warm = false;
                Err(error)
            }
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.adaptor.fingerprint()
    }

    fn translation_invariant(&self) -> bool {
        self.adaptor.translation_invariant()
    }

    fn select_chain(&mut self, chain: Option<usize>, stands_at: Option<&Structure>) {
        self.cold = false;
        self.chain = chain;
        if let Some(chain) = chain {
            self.settle(chain, stands_at);
        }
    }

    fn was_warm(&self) -> bool {
        self.was_warm
    }

    fn start_cold(&mut self) {
        self.cold = true;
    }

    fn memory(&self) -> Option<u64> {
        self.memory
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn left_behind(&mut self, jobs: &Path, name: &str, structure: &Structure) -> Vec<PathBuf> {
        let Some(slurm) = &self.slurm else {
            return Vec::new();
        };
        let (checksum, fingerprint) = (structure.checksum(), self.adaptor.fingerprint().0);
        slurm.left_behind(jobs, name, |record| record.is_of(checksum, &fingerprint))
    }

    fn abandon(&mut self, folder: &Path, reason: &str) {
        if let Some(slurm) = &self.slurm {
            slurm.abandon(folder, reason);
        }
    }
}

impl<Adaptor: FileMode> Drop for FileOracle<Adaptor> {
    fn drop(&mut self) {
        // Wavefunctions are large and of no use to anybody else.
        for chain in self.chains.keys() {
            let _ = std::fs::remove_dir_all(self.worker_folder.join(format!("chain-{chain}")));
        }
        // Goes only if nothing else is in it.
        let _ = std::fs::remove_dir(&self.worker_folder);
    }
}
