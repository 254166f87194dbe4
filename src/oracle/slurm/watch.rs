//! The jobs that are waited for, and the one question to squeue that serves all who wait.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{FORMAT, JobState, QueuedJob, parse};
use super::{LONGEST_COMMAND, Slurm, SlurmError, seconds, tool};
use crate::oracle::{JobDir, Note};

/// How often squeue must have missed a job before that is believed.
const MISSES: usize = 2;

/// What is known of one job.
#[derive(Debug)]
struct Watched {
    /// Whether it is in the queue, as far as is known; else it is about to be submitted.
    submitted: bool,
    id: Option<u64>,
    /// Answers to questions asked before are about a queue it was not in yet.
    since: Instant,
    state: Option<JobState>,
    /// When it was first seen to have ended.
    ended: Option<Instant>,
    /// How often it was missed in a row, and when first and last.
    misses: usize,
    missed: Option<(Instant, Instant)>,
}

/// What the workers of a run share.
#[derive(Debug, Default)]
pub(super) struct State {
    watched: BTreeMap<PathBuf, Watched>,
    asked: Option<Instant>,
    asking: bool,
    failing: Option<(Instant, String)>,
}

/// Where a job was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing is known yet.
    Unknown,
    Pending(String),
    UnderWay,
    /// Over for so long.
    Ended {
        word: String,
        since: Duration,
    },
    /// Not in the queue, though it should be, for so long.
    Missing {
        since: Duration,
    },
    /// Nobody answers, for so long.
    NoAnswer {
        since: Duration,
        complaint: String,
    },
}

/// A job that is waited for; dropped when it is not any more.
#[derive(Debug)]
pub struct Watch<'a> {
    slurm: &'a Slurm,
    folder: PathBuf,
}

impl Watch<'_> {
    /// The label's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.slurm.lock().watched.remove(&self.folder);
        self.slurm.changed.notify_all();
    }
}

impl Watched {
    fn new(id: Option<u64>) -> Self {
        Self {
            submitted: true,
            id,
            since: Instant::now(),
            state: None,
            ended: None,
            misses: 0,
            missed: None,
        }
    }

    fn sight(&self) -> Sight {
        match &self.state {
            Some(JobState::Ended(word)) => Sight::Ended {
                word: word.clone(),
                since: self.ended.map_or(Duration::ZERO, |ended| ended.elapsed()),
            },
            // From question to question: nothing is known of the time since the last one.
            _ if self.misses >= MISSES => Sight::Missing {
                since: self
                    .missed
                    .map_or(Duration::ZERO, |(first, last)| last.duration_since(first)),
            },
            Some(JobState::Pending(reason)) => Sight::Pending(reason.clone()),
            Some(JobState::UnderWay) => Sight::UnderWay,
            None => Sight::Unknown,
        }
    }

    /// Takes in where squeue, asked at `asked`, has seen it.
    fn see(&mut self, state: Option<&JobState>, asked: Instant) {
        if asked < self.since {
            return;
        }
        match state {
            Some(state) => {
                self.ended = match state {
                    JobState::Ended(_) => self.ended.or(Some(asked)),
                    JobState::Pending(_) | JobState::UnderWay => None,
                };
                (self.misses, self.missed) = (0, None);
                self.state = Some(state.clone());
            }
            // Slurm forgets jobs some minutes after their end: what was seen to have ended stays so.
            None if matches!(self.state, Some(JobState::Ended(_))) => {}
            None => {
                self.misses += 1;
                let first = self.missed.map_or(asked, |(first, _)| first);
                self.missed = Some((first, asked));
            }
        }
    }
}

impl Slurm {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under this lock, so a panic elsewhere has not spoilt it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the files of a job are looked for: each look is a question to the file system, not to Slurm.
    fn look_every(&self) -> Duration {
        (seconds(self.config.poll_interval) / 10).clamp(Duration::from_millis(20), Duration::from_secs(2))
    }

    /// Waits for a job from now on.
    pub(super) fn watch(&self, folder: &Path, id: Option<u64>) -> Watch<'_> {
        self.lock().watched.insert(folder.to_owned(), Watched::new(id));
        Watch {
            slurm: self,
            folder: folder.to_owned(),
        }
    }

    /// Waits for a job that is about to be submitted, once there is room for it.
    pub(super) fn watch_when_room(&self, folder: &Path, job: &JobDir<'_>) -> Result<Watch<'_>, SlurmError> {
        let mut state = self.lock();
        loop {
            if job.is_left() {
                return Err(SlurmError::Left("the job was not submitted yet".to_owned()));
            }
            if self.config.most_jobs == 0 || state.watched.len() < self.config.most_jobs {
                let mut watched = Watched::new(None);
                watched.submitted = false;
                state.watched.insert(folder.to_owned(), watched);
                return Ok(Watch {
                    slurm: self,
                    folder: folder.to_owned(),
                });
            }
            let waited = self.changed.wait_timeout(state, self.look_every().min(JobDir::LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A job is in the queue from now on.
    pub(super) fn submitted(&self, folder: &Path, id: Option<u64>) {
        if let Some(watched) = self.lock().watched.get_mut(folder) {
            *watched = Watched::new(id);
        }
    }

    /// How many other jobs of this run are in the queue.
    pub(super) fn others(&self, folder: &Path) -> usize {
        let state = self.lock();
        let others = state.watched.iter().filter(|(path, _)| *path != folder);
        others.filter(|(_, watched)| watched.submitted).count()
    }

    /// A job's number, as far as it is known.
    pub(super) fn number_of(&self, folder: &Path) -> Option<u64> {
        self.lock().watched.get(folder).and_then(|watched| watched.id)
    }

    /// Waits for one interval of questions, asking squeue when it is time; an error if the driver ends meanwhile.
    pub(super) fn pause(&self, job: &JobDir<'_>) -> Result<(), SlurmError> {
        let begun = Instant::now();
        while begun.elapsed() < seconds(self.config.poll_interval) {
            if job.is_left() {
                return Err(SlurmError::Left(
                    "it is not known whether the job was submitted".to_owned(),
                ));
            }
            drop(self.ask_or_wait(job));
        }
        Ok(())
    }

    /// Where a job is seen, after a short wait. `claimed` is the job that its folder names, if any.
    pub(super) fn look(&self, folder: &Path, claimed: Option<u64>, job: &JobDir<'_>) -> Sight {
        if claimed.is_some()
            && let Some(watched) = self.lock().watched.get_mut(folder)
            && watched.id != claimed
        {
            *watched = Watched::new(claimed);
        }
        let begun = Instant::now();
        loop {
            let state = self.ask_or_wait(job);
            if begun.elapsed() >= self.look_every() || job.is_left() {
                return match (&state.failing, state.watched.get(folder)) {
                    (Some((since, complaint)), _) => Sight::NoAnswer {
                        since: since.elapsed(),
                        complaint: complaint.clone(),
                    },
                    (None, Some(watched)) => watched.sight(),
                    (None, None) => Sight::Unknown,
                };
            }
        }
    }

    /// Asks squeue if that is due and nobody else does, else waits a moment for whoever does.
    fn ask_or_wait(&self, job: &JobDir<'_>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let every = seconds(self.config.poll_interval);
        let due = state.asked.is_none_or(|asked| asked.elapsed() >= every);
        if state.asking || !due {
            let moment = self.look_every().min(JobDir::LOOK);
            let waited = self.changed.wait_timeout(state, moment);
            return waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.asking = true;
        drop(state);
        let asked = Instant::now();
        let answer = ask();
        let mut state = self.lock();
        state.asking = false;
        state.asked = Some(asked);
        match answer {
            Ok(jobs) => {
                if state.failing.take().is_some() {
                    job.tell(Note::new("job", "squeue answers again"));
                }
                for (folder, watched) in &mut state.watched {
                    let by_number = jobs.iter().find(|job| Some(job.id) == watched.id);
                    // A job whose number was not kept is known by its folder.
                    let job = by_number.or_else(|| jobs.iter().rev().find(|job| job.folder == *folder));
                    if watched.id.is_none() && asked >= watched.since {
                        watched.id = job.map(|job| job.id);
                    }
                    watched.see(job.map(|job| &job.state), asked);
                }
            }
            Err(complaint) => {
                if state.failing.is_none() {
                    let told = format!("squeue gives no answer, asking again: {complaint}");
                    job.tell(Note::new("warning", told));
                }
                let since = state.failing.as_ref().map_or(asked, |(since, _)| *since);
                state.failing = Some((since, complaint));
            }
        }
        self.changed.notify_all();
        state
    }
}

/// One question for all jobs of the user: the cheapest one that also finds jobs whose numbers are not known, and that is not
/// refused as a whole for a number that Slurm has forgotten.
fn ask() -> Result<Vec<QueuedJob>, String> {
    let user = rustix::process::getuid().as_raw();
    let arguments = [
        "--noheader".to_owned(),
        "--states=all".to_owned(),
        format!("--user={user}"),
        format!("--format={FORMAT}"),
    ];
    let said =
        tool::run("squeue", &arguments, LONGEST_COMMAND).map_err(|error| format!("cannot run squeue: {error}"))?;
    if said.code != Some(0) {
        return Err(said.complaint());
    }
    parse(&said.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_missed_twice_before_that_is_believed_and_an_end_is_remembered() {
        let mut watched = Watched::new(Some(1));
        let before = watched
            .since
            .checked_sub(Duration::from_millis(1))
            .unwrap_or(watched.since);
        let now = Instant::now();
        if before < watched.since {
            watched.see(None, before);
            watched.see(None, before);
            assert_eq!(
                watched.sight(),
                Sight::Unknown,
                "questions asked before it was submitted say nothing"
            );
        }
        watched.see(None, now);
        assert_eq!(watched.sight(), Sight::Unknown);
        watched.see(Some(&JobState::UnderWay), now);
        watched.see(None, now);
        assert_eq!(watched.sight(), Sight::UnderWay);
        watched.see(None, now + Duration::from_secs(7));
        assert_eq!(
            watched.sight(),
            Sight::Missing {
                since: Duration::from_secs(7)
            }
        );
        watched.see(Some(&JobState::Ended("TIMEOUT".to_owned())), now);
        watched.see(None, now);
        watched.see(None, now);
        assert!(matches!(watched.sight(), Sight::Ended { word, .. } if word == "TIMEOUT"));
    }
}
