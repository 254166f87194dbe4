//! What ends a run before its time, with what to do about it.

use std::io;
use std::path::PathBuf;

use crate::oracle::OracleError;
use crate::run::journal::JournalError;

/// What ends a run before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder could not be made.
    #[error("cannot write to {path}; check that the directory exists, is writable and that the disk is not full")]
    Directory {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another driver is at work.
    #[error("{path} is in use by another slmc ({holder}); wait for it, or end it with `slmc stop {path}`")]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// Who holds the lock.
        holder: String,
    },
    /// A journal is damaged or cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journals contradict the configuration or each other.
    #[error("{path}: {reason}")]
    Inconsistent {
        /// The run directory.
        path: PathBuf,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// `--relearn` where there is nothing to thaw.
    #[error("there is nothing to thaw in {path}: {reason}")]
    NothingToThaw {
        /// The run directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No oracle worker is left.
    #[error("no oracle is left to label with; mend it and continue with `slmc resume {path}`")]
    Oracle {
        /// The run directory.
        path: PathBuf,
        /// The last failure.
        source: OracleError,
    },
    /// Warm and cold energies of one structure differ.
    #[error(
        "stopped: an acceptance decision on such energies would mean nothing; nothing that was journalled is lost, and `slmc resume \
         {path}` goes on once the cause is removed (raise the limit with `--set pool.cold-check-stop=...` only if you know why)"
    )]
    SeveralSolutions {
        /// The run directory.
        path: PathBuf,
        /// The energies.
        source: OracleError,
    },
    /// Too many structures without an answer.
    #[error(
        "the oracle gave no answer for {count} structures, more than the {limit} that `pool.max-unphysical` allows; look at the kept \
         folders in jobs/, then mend the oracle and continue with `slmc resume {path}`, or \
         raise the limit by `slmc resume {path} --set pool.max-unphysical=N`"
    )]
    Unphysical {
        /// The run directory.
        path: PathBuf,
        /// How many.
        count: u64,
        /// The cap.
        limit: u64,
    },
    /// A network could not be made at all.
    #[error("cannot train a network: {reason}")]
    Training {
        /// Why.
        reason: String,
    },
    /// Not started: the operating system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}
