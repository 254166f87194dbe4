//! What the folder of a label tells of its job, to a driver that knows nothing else: who submitted it, who runs it, how it ended.
//!
//! A label is computed at most once. The right to compute it is the folder `slurm.claim`, which can be made once: the job
//! makes it before it runs the program, and slmc makes it when it gives a job up, after which that job, wherever it is, will not run the
//! program any more.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What was submitted, written before sbatch is run and again with the job's number.
pub(super) const RECORD: &str = "slurm.json";
/// The batch script.
pub(super) const SCRIPT: &str = "slurm.sh";
/// What the job itself printed, beside the program.
pub(super) const LOG: &str = "slurm.log";
/// The right to compute this label, a folder.
pub(super) const CLAIM: &str = "slurm.claim";
/// The number of the job that has the right, in that folder.
pub(super) const CLAIM_JOB: &str = "job";
/// The program's exit code and seconds, its memory and the job's nodes, written by the job at its end.
pub(super) const EXIT: &str = "slurm.exit";
/// The largest memory of one process so far, kilobytes, written by the job on its way.
pub(super) const MEMORY: &str = "slurm.memory";
/// Why slmc is done with this folder: nothing in it is looked at again.
const CLOSED: &str = "slurm.closed";

/// A submitted label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The job's number; absent until sbatch has told it.
    pub job: Option<u64>,
    /// The checksum of the structure, as [`crate::structure::Structure::checksum`] has it.
    pub structure: u32,
    /// What defined the surface when the input files were written.
    pub fingerprint: BTreeMap<String, String>,
    /// Whether the calculation starts from what an earlier one left behind.
    pub warm: bool,
    /// The sbatch command.
    pub submitted_by: String,
}

/// Writes a file so that it is whole or absent.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

impl Record {
    /// The record of a folder; `None` where nothing was ever submitted.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()
    }

    /// Writes it into its folder.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        replace(&folder.join(RECORD), &serde_json::to_vec(self)?)
    }

    /// Whether it is of a structure on a surface, as far as that is known: a version may be heard of only in a first answer.
    pub fn is_of(&self, structure: u32, fingerprint: &BTreeMap<String, String>) -> bool {
        let without_version = |entries: &BTreeMap<String, String>| {
            let mut entries = entries.clone();
            entries.remove("version");
            entries
        };
        self.structure == structure && without_version(&self.fingerprint) == without_version(fingerprint)
    }
}

/// What a job has left at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ended {
    /// The program's exit code, as a shell tells it.
    pub code: i32,
    /// Its wall-clock seconds.
    pub seconds: f64,
    /// The largest memory of one process on the job's first node, bytes, where the job could see it.
    pub memory: Option<u64>,
    /// Whether processes may have run on other nodes, too.
    pub has_other_nodes: bool,
}

/// What the job of a folder has left, once it has ended.
pub(super) fn ended(folder: &Path) -> Option<Ended> {
    let text = std::fs::read_to_string(folder.join(EXIT)).ok()?;
    let mut words = text.split_whitespace();
    let code = words.next()?.parse().ok()?;
    // A clock that was set meanwhile costs the seconds, not the label; nothing else is worth a label either.
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
    Some(Ended {
        code,
        seconds,
        memory: number()
            .filter(|kilobytes| *kilobytes > 0)
            .map(|kilobytes| kilobytes.saturating_mul(1024)),
        has_other_nodes: number().is_some_and(|nodes| nodes > 1),
    })
}

/// The number of the job that has the right to compute the label here.
pub(super) fn claimed_by(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join(CLAIM).join(CLAIM_JOB)).ok()?;
    text.trim().parse().ok()
}

/// Takes the right to compute the label away from whatever job has not begun. `false`: one has begun, or the right was taken before.
pub(super) fn take_claim(folder: &Path) -> bool {
    std::fs::create_dir(folder.join(CLAIM)).is_ok()
}

/// Marks a folder that slmc is done with.
pub(super) fn close(folder: &Path, reason: &str) {
    // Where it cannot be written the label may be looked at again, which costs time and nothing else.
    let _ = std::fs::write(folder.join(CLOSED), format!("{reason}\n"));
}

/// Whether a label is under way or done in a folder, and not yet taken in.
fn is_open(folder: &Path) -> bool {
    folder.join(RECORD).is_file() && !folder.join(CLOSED).exists()
}

/// The record of a folder that is open.
pub(super) fn open_record(folder: &Path) -> Option<Record> {
    if is_open(folder) { Record::read(folder) } else { None }
}

/// The folders of a request that are open, by attempt: `NAME-0`, `NAME-0-again-2`, `NAME-1` ...
pub(super) fn open_folders(jobs: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(jobs) else {
        return Vec::new();
    };
    let mut found: Vec<((u64, u64), PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let attempt = path
                .file_name()?
                .to_str()?
                .strip_prefix(name)?
                .strip_prefix('-')?
                .to_owned();
            let order = match attempt.split_once("-again-") {
                Some((attempt, again)) => (attempt.parse().ok()?, again.parse().ok()?),
                None => (attempt.parse().ok()?, 0),
            };
            is_open(&path).then_some((order, path))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            job: None,
            structure: 7,
            fingerprint: BTreeMap::from([("code".to_owned(), "test".to_owned())]),
            warm: false,
            submitted_by: "sbatch".to_owned(),
        }
    }

    #[test]
    fn open_folders_are_found_in_order_and_closed_ones_are_not() {
        let jobs = tempfile::tempdir().unwrap();
        for name in [
            "a-1",
            "a-0",
            "a-0-again-10",
            "a-0-again-2",
            "a-2",
            "a-cold",
            "ab-0",
            "a-3",
        ] {
            let folder = jobs.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            if name != "a-3" {
                record().write(&folder).unwrap();
            }
        }
        close(&jobs.path().join("a-2"), "done with");
        let names: Vec<String> = open_folders(jobs.path(), "a")
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a-0", "a-0-again-2", "a-0-again-10", "a-1"]);
        assert!(open_folders(&jobs.path().join("nowhere"), "a").is_empty());
    }

    #[test]
    fn a_label_is_claimed_once_and_its_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!((claimed_by(folder), ended(folder)), (None, None));
        assert!(take_claim(folder) && !take_claim(folder));
        std::fs::write(folder.join(CLAIM).join(CLAIM_JOB), "41\n").unwrap();
        assert_eq!(claimed_by(folder), Some(41));
        let left = |text: &str| {
            std::fs::write(folder.join(EXIT), text).unwrap();
            ended(folder)
        };
        let mut expected = Ended {
            code: 137,
            seconds: 12.0,
            memory: None,
            has_other_nodes: false,
        };
        assert_eq!(left("137 12\n"), Some(expected));
        assert_eq!(left("137 12 0 1\n"), Some(expected));
        expected.memory = Some(2048);
        assert_eq!(left("137 12 2 1\n"), Some(expected));
        expected.has_other_nodes = true;
        assert_eq!(left("137 12 2 3\n"), Some(expected));
        assert_eq!(left("nonsense"), None);
        let record = record();
        record.write(folder).unwrap();
        assert_eq!(Record::read(folder), Some(record.clone()));
        let mut later = record.fingerprint.clone();
        later.insert("version".to_owned(), "7.2".to_owned());
        assert!(record.is_of(7, &later) && !record.is_of(8, &later));
        later.insert("input".to_owned(), "other".to_owned());
        assert!(!record.is_of(7, &later));
    }
}
