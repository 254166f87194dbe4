//! Waiting for the end of a job, whoever submitted it: the program's answer, or why there is none.

use std::path::Path;
use std::time::SystemTime;

use super::folder::{self, Ended, LOG, Record, claimed_by, ended, take_claim};
use super::watch::{Sight, Watch};
use super::{LONGEST_COMMAND, Slurm, SlurmError, queue, seconds, tool};
use crate::oracle::launch::{Exit, launched};
use crate::oracle::process::tail_of;
use crate::oracle::{JobDir, Note};

impl Slurm {
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
            if let Some(ended) = ended(folder) {
                let id = claimed_by(folder);
                // What the job saw is what ran on its first node.
                let accounted = if ended.memory.is_none() || ended.has_other_nodes {
                    id.and_then(|id| self.accounted_memory(id))
                } else {
                    None
                };
                let exit = exit(folder, &ended, accounted, launched);
                let who = id.map_or("a Slurm job".to_owned(), |id| format!("Slurm job {id}"));
                job.tell(Note::new(
                    "job",
                    format!("{who} ended after {:.0} s: {exit}", ended.seconds),
                ));
                return Ok(exit);
            }
            let sight = self.look(folder, claimed_by(folder), job);
            let id = self.number_of(folder);
            let who = id.map_or("the Slurm job".to_owned(), |id| format!("Slurm job {id}"));
            if job.is_left() {
                if self.config.keep_jobs && job.may_be_taken_over() {
                    job.tell(Note::new(
                        "warning",
                        format!("{who} is left in the queue, to be taken over"),
                    ));
                    return Err(SlurmError::Left(format!("{who} is left in the queue")));
                }
                give_up(folder, id, "the run was stopped");
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
                Sight::Ended { word, since } if since > if leaves_word(&word) { delay } else { delay / 10 } => {
                    // Its files had their time.
                    if ended(folder).is_none() {
                        give_up(folder, None, &format!("the job ended: {word}"));
                        return Err(SlurmError::Transient(unanswered(folder, &who, &word)));
                    }
                }
                Sight::Missing { since } if since >= delay => {
                    if ended(folder).is_none() {
                        let begun = !take_claim(folder);
                        give_up(folder, id, "the job is not in the queue");
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
}

/// Whether a job that ended so came to its own end, and left the program's exit code.
fn leaves_word(word: &str) -> bool {
    ["COMPLETED", "FAILED"].contains(&word)
}

/// What there is to say of a job that ended without leaving the program's exit code.
fn unanswered(folder: &Path, who: &str, word: &str) -> String {
    let why = match word {
        "TIMEOUT" => ", its time limit: see `time` in the slurm table",
        "OUT_OF_MEMORY" => ", too little memory: see `memory` in the slurm table",
        "PREEMPTED" => ", it had to make room for another",
        "CANCELLED" => ", somebody cancelled it",
        "COMPLETED" => ", but its files cannot be seen here: is the run folder on a file system that the nodes share?",
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
pub(super) fn give_up(folder: &Path, id: Option<u64>, reason: &str) {
    take_claim(folder);
    if let Some(id) = id.or_else(|| claimed_by(folder)) {
        // Where it is over already, there is nothing to cancel.
        let _ = tool::run("scancel", &[id.to_string()], LONGEST_COMMAND);
    }
    folder::close(folder, reason);
}

/// The end of what program and job printed.
fn tail(folder: &Path) -> String {
    tail_of(&[
        ("stdout", &folder.join("stdout")),
        ("stderr", &folder.join("stderr")),
        ("the job's log", &folder.join(LOG)),
    ])
}

fn exit(folder: &Path, ended: &Ended, accounted: Option<u64>, launched: SystemTime) -> Exit {
    let code = ended.code;
    // A shell tells of a signal by a code above 128.
    let signal = (code > 128 && code < 128 + 65).then_some(code - 128);
    Exit {
        code: signal.is_none().then_some(code),
        signal,
        timed_out: false,
        launched,
        seconds: ended.seconds,
        memory: ended.memory.max(accounted),
        tail: tail(folder),
    }
}
