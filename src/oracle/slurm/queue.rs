//! What squeue says: one line for each job, its state in words that are trusted only as far as they are understood.

use std::path::PathBuf;

/// The fields that squeue is asked for: job, state, reason, working folder. The folder comes last, since it may hold anything.
pub(super) const FORMAT: &str = "%i|%T|%r|%Z";

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    /// Waiting for its turn, with Slurm's word for why.
    Pending(String),
    /// Running, or on the way into or out of it.
    UnderWay,
    /// Over, with Slurm's word for how.
    Ended(String),
}

/// One job in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuedJob {
    pub id: u64,
    pub state: JobState,
    /// Its working folder: the label's own.
    pub folder: PathBuf,
}

/// Words for jobs that will not run again.
const ENDED: [&str; 10] = [
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
    "REVOKED",
];

/// Reads squeue's answer. An answer with a line that does not look as asked for is not trusted at all: a job missing from a
/// garbled list is not a lost job.
pub(super) fn parse(text: &str) -> Result<Vec<QueuedJob>, String> {
    let mut jobs = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.splitn(4, '|').collect();
        let [id, word, reason, folder] = fields.as_slice() else {
            return Err(format!("squeue printed \"{line}\", which is not what it was asked for"));
        };
        let is_word = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        let is_id = id.starts_with(|digit: char| digit.is_ascii_digit());
        if !is_word || !is_id {
            return Err(format!("squeue printed \"{line}\", which is not what it was asked for"));
        }
        // Tasks of arrays and parts of heterogeneous jobs are somebody else's.
        let Ok(id) = id.parse() else { continue };
        let state = if ENDED.contains(word) {
            JobState::Ended((*word).to_owned())
        } else if *word == "PENDING" || word.starts_with("REQUEUE") {
            JobState::Pending((*reason).to_owned())
        } else {
            JobState::UnderWay
        };
        jobs.push(QueuedJob {
            id,
            state,
            folder: PathBuf::from(folder),
        });
    }
    Ok(jobs)
}

/// Whether a job that waits for this reason may wait for ever unless somebody does something.
pub(super) fn is_stuck(reason: &str) -> bool {
    let words = [
        "Partition",
        "Invalid",
        "BadConstraints",
        "JobHeld",
        "MaxWall",
        "held",
        "DependencyNeverSatisfied",
    ];
    words.iter().any(|word| reason.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_nothing_is_trusted() {
        let text = "12|RUNNING|None|/a/b|c\n13|PENDING|Priority|/d\n14_3|RUNNING|None|/e\n\n15|TIMEOUT|TimeLimit|/f\n16|SPECIAL_NEW|None|/g\n";
        let jobs = parse(text).unwrap();
        assert_eq!(jobs.len(), 4);
        assert_eq!((jobs[0].id, jobs[0].folder.to_str()), (12, Some("/a/b|c")));
        assert_eq!(jobs[1].state, JobState::Pending("Priority".to_owned()));
        assert_eq!(jobs[2].state, JobState::Ended("TIMEOUT".to_owned()));
        assert_eq!(jobs[3].state, JobState::UnderWay);
        assert!(parse("").unwrap().is_empty());
        for garbage in [
            "12|RUNNING",
            "<html>",
            "12|RUNNING|None|/a\n13|",
            "x|RUNNING|None|/a",
            "12|What?|None|/a",
        ] {
            assert!(parse(garbage).is_err(), "{garbage}");
        }
        assert!(is_stuck("PartitionTimeLimit") && !is_stuck("Resources"));
    }
}
