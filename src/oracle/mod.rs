//! The exact side: oracles that label structures, and what can go wrong with them.

pub mod analytic;
pub mod cold;
pub mod command;
pub mod cp2k;
pub mod electrons;
pub mod espresso;
pub mod file_mode;
pub mod ipi;
pub mod launch;
pub mod memory;
pub mod process;
pub mod recorded;
pub mod slurm;
pub mod vasp;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use crate::potential::Labels;
use crate::structure::{Species, Structure};

pub mod pool;
mod queue;

/// What the driver does about an oracle's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Tried again; never counted as a rejection.
    Transient,
    /// A property of the structure itself, believed only after two cold starts agree: rejects, is counted and capped.
    Unphysical,
    /// Stops the run, resumable.
    Fatal,
    /// Nothing: the driver is ending, and a later one asks again.
    Left,
}

/// A label that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// The oracle process ended, hung past its time, or gave no answer; another try may succeed.
    #[error("{oracle}: {reason}")]
    Transient {
        /// The oracle's name.
        oracle: String,
        /// What happened.
        reason: String,
    },
    /// The oracle has no answer for this structure (not converged, atoms on top of each other, not finite).
    #[error("{oracle}: no answer for this structure: {reason}")]
    Unphysical {
        /// The oracle's name.
        oracle: String,
        /// What happened.
        reason: String,
    },
    /// The oracle cannot work as configured.
    #[error("{oracle}: {reason}")]
    Fatal {
        /// The oracle's name.
        oracle: String,
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// The driver ends before the label is there, which is no failure of anything: a later driver asks again, and where the
    /// calculation goes on elsewhere it is taken over.
    #[error("{oracle}: {reason}")]
    Left {
        /// The oracle's name.
        oracle: String,
        /// What became of the calculation.
        reason: String,
    },
    /// The energy depends on what was calculated before: it is no function of the structure.
    #[error("{oracle}: the energy is no function of the structure: {reason}")]
    SeveralSolutions {
        /// The oracle's name.
        oracle: String,
        /// The energies, and what to do about it.
        reason: String,
    },
}

impl OracleError {
    /// What the driver does about it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Transient { .. } => Fault::Transient,
            Self::Unphysical { .. } => Fault::Unphysical,
            Self::Fatal { .. } | Self::SeveralSolutions { .. } => Fault::Fatal,
            Self::Left { .. } => Fault::Left,
        }
    }
}

/// Something an oracle did or noticed on its way to a label that people should be able to read later: a repair, a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The kind of event in the log: "repair", "warning", "cold-check", "job".
    pub kind: &'static str,
    /// What happened.
    pub message: String,
}

impl Note {
    /// A note of a kind.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// The folder one request may use, created on first use and never reused; removed after success, kept on failure. It also is
/// the request's line to whoever asks.
#[derive(Clone)]
pub struct JobDir<'a> {
    path: PathBuf,
    left: Option<&'a AtomicBool>,
    tell: Option<&'a dyn Fn(Note)>,
    may_be_taken_over: bool,
}

impl std::fmt::Debug for JobDir<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JobDir").field("path", &self.path).finish()
    }
}

impl<'a> JobDir<'a> {
    /// The longest time between two looks at whether the driver is ending.
    pub const LOOK: Duration = Duration::from_millis(200);

    /// A folder that is made when first asked for.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            left: None,
            tell: None,
            may_be_taken_over: false,
        }
    }

    /// With an asker that sets `left` when it ends, and that hears notes at once.
    #[must_use]
    pub fn with_asker(mut self, left: &'a AtomicBool, tell: &'a dyn Fn(Note)) -> Self {
        self.left = Some(left);
        self.tell = Some(tell);
        self
    }

    /// With an asker that will ask for the same label again should it end before it is there.
    #[must_use]
    pub fn asked_again(mut self) -> Self {
        self.may_be_taken_over = true;
        self
    }

    /// Whether whoever asks is ending and cannot wait for what may take hours.
    pub fn is_left(&self) -> bool {
        self.left.is_some_and(|left| left.load(Ordering::Relaxed))
    }

    /// Tells what happens while it happens, for what must be known before the label is there.
    pub fn tell(&self, note: Note) {
        if let Some(tell) = self.tell {
            tell(note);
        }
    }

    /// Whether the same label will be asked for again should whoever asks end before it is there.
    pub fn may_be_taken_over(&self) -> bool {
        self.may_be_taken_over
    }

    /// The folder's path, created if it does not exist.
    pub fn create(&self) -> std::io::Result<&Path> {
        std::fs::create_dir_all(&self.path)?;
        Ok(&self.path)
    }

    /// The folder's path, whether or not it exists.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What defines an oracle's potential-energy surface: code, version and every input that matters.
///
/// Stored with each label; a resume whose fingerprint differs is refused, naming the entry that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint(pub std::collections::BTreeMap<String, String>);

impl Fingerprint {
    /// Eight hexadecimal digits that differ where fingerprints do: written beside labels, so that labels of two surfaces do not mix.
    pub fn digest(&self) -> String {
        let mut hasher = crc32fast::Hasher::new();
        for (key, value) in &self.0 {
            for text in [key, value] {
                hasher.update(text.as_bytes());
                hasher.update(&[0]);
            }
        }
        format!("{:08x}", hasher.finalize())
    }

    /// What of it concerns structures of these elements: entries of other elements' pseudopotentials are left out.
    #[must_use]
    pub fn of_elements(&self, elements: &[Species]) -> Self {
        let concerns = |key: &str| match element_of_entry(key) {
            Some(element) => elements.contains(&element),
            None => true,
        };
        Self(
            self.0
                .iter()
                .filter(|(key, _)| concerns(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// Whether one oracle may answer for structures of different elements with this and the other: only entries of elements that one of
    /// them has not differ.
    pub fn is_of_the_same_oracle(&self, other: &Self) -> bool {
        let agree = |one: &Self, other: &Self| {
            one.0.iter().all(|(key, value)| match other.0.get(key) {
                Some(known) => known == value,
                None => element_of_entry(key).is_some(),
            })
        };
        agree(self, other) && agree(other, self)
    }

    /// What differs from another, in words: "key was this and is that".
    pub fn difference(&self, now: &Self) -> String {
        let show = |value: Option<&String>| value.map_or("absent".to_owned(), Clone::clone);
        let keys: std::collections::BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
        let changed: Vec<String> = keys
            .into_iter()
            .filter(|key| self.0.get(*key) != now.0.get(*key))
            .map(|key| format!("{key} was {} and is {}", show(self.0.get(key)), show(now.0.get(key))))
            .collect();
        changed.join("; ")
    }
}

/// The element of an entry that concerns only structures that hold it.
fn element_of_entry(key: &str) -> Option<Species> {
    ["POTCAR ", "pseudopotential "]
        .iter()
        .find_map(|kind| key.strip_prefix(kind)?.parse().ok())
}

/// An exact potential-energy surface, one instance per worker thread. A call may take hours and may fail.
pub trait Oracle: Send {
    /// The exact labels of a structure. `job` is this request's own folder; oracles that need no files leave it alone.
    /// The energy is finite; forces are present unless the oracle has none.
    fn label(&mut self, structure: &Structure, job: &JobDir) -> Result<Labels, OracleError>;

    /// What defines the surface.
    fn fingerprint(&self) -> Fingerprint;

    /// Whether shifting all atoms together leaves the energy alone.
    fn translation_invariant(&self) -> bool {
        true
    }

    /// Told which chain the next request belongs to, if any, and the structure that chain stands at, so that an oracle with
    /// memory (wavefunctions) keeps chains apart and starts from what was accepted.
    fn select_chain(&mut self, _chain: Option<usize>, _stands_at: Option<&Structure>) {}

    /// Whether the last label started from what an earlier one left behind.
    fn was_warm(&self) -> bool {
        false
    }

    /// Makes the next label start from nothing.
    fn start_cold(&mut self) {}

    /// The largest memory of one process that worked on the last answer, bytes; `None` where no process did or nothing is known.
    fn memory(&self) -> Option<u64> {
        None
    }

    /// Folders in `jobs` in which a label of this name for this structure is under way or done since an earlier driver, in the
    /// order of its attempts: [`Self::label`] takes them over.
    fn left_behind(&mut self, _jobs: &Path, _name: &str, _structure: &Structure) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Gives up such a folder, whose label nobody wants any more, and cancels what computes in it.
    fn abandon(&mut self, _folder: &Path, _reason: &str) {}

    /// What happened on the way to the last answers; each note is handed over once.
    fn take_notes(&mut self) -> Vec<Note> {
        Vec::new()
    }
}
