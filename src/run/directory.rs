//! The run directory: where each thing lies, and the lock that keeps a second driver out.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::run::RunError;

/// The paths of a run directory.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    /// The directory at a path, whether or not it exists.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The normalised configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The run's header: what was started, with which oracle.
    pub fn header(&self) -> PathBuf {
        self.root.join("labels").join("header.json")
    }

    /// The label store: requests and answers.
    pub fn labels(&self) -> PathBuf {
        self.root.join("labels").join("labels.jsonl")
    }

    /// The label store of the oracle of the first of two stages.
    pub fn first_stage_labels(&self) -> PathBuf {
        self.root.join("labels").join("first-stage.jsonl")
    }

    /// The journal of a chain's decisions.
    pub fn chain(&self, chain: usize) -> PathBuf {
        self.root.join(format!("chain-{chain}.jsonl"))
    }

    /// The journal of generations and freezes.
    pub fn learning(&self) -> PathBuf {
        self.root.join("learning.jsonl")
    }

    /// Retries, timings and resumes: outside the identity contract.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// Every label as extended XYZ.
    pub fn labels_xyz(&self) -> PathBuf {
        self.root.join("labels.xyz")
    }

    /// The sampled ensemble of a chain as extended XYZ.
    pub fn trajectory(&self, chain: usize) -> PathBuf {
        self.root.join(format!("chain-{chain}.xyz"))
    }

    /// A network generation's folder.
    pub fn potential(&self, generation: u32) -> PathBuf {
        self.root.join("potentials").join(format!("gen-{generation:03}"))
    }

    /// The folder of oracle requests.
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// The file whose presence asks the driver to stop.
    pub fn stop_request(&self) -> PathBuf {
        self.root.join("stop")
    }

    /// The starting structures, one frame a chain.
    pub fn start(&self) -> PathBuf {
        self.root.join("start.xyz")
    }

    /// Whether a run was started here.
    pub fn holds_run(&self) -> bool {
        self.header().exists()
    }

    /// Makes the directories.
    pub fn create(&self) -> Result<(), RunError> {
        for folder in [
            self.root.clone(),
            self.root.join("labels"),
            self.root.join("potentials"),
        ] {
            fs::create_dir_all(&folder).map_err(|source| RunError::Directory { path: folder, source })?;
        }
        Ok(())
    }

    /// Whether a driver is at work here, as far as can be seen from outside.
    pub fn is_locked(&self) -> bool {
        // A directory that cannot be written to can still be looked at.
        File::open(self.root.join("lock"))
            .is_ok_and(|file| rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared).is_err())
    }

    /// Takes the lock, or tells who holds it.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        let path = self.root.join("lock");
        let fail = |source| RunError::Directory {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(fail)?;
        // The operating system drops the lock with the process, so a killed driver never leaves a stale one.
        let mut free = false;
        for attempt in 0..5 {
            if attempt > 0 {
                // `slmc status` and `slmc stop` hold the lock for a moment to see whether it is free.
                std::thread::sleep(std::time::Duration::from_millis(40));
            }
            free = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok();
            if free {
                break;
            }
        }
        if !free {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(RunError::Locked {
                path: self.root.clone(),
                holder: holder.trim().to_owned(),
            });
        }
        file.set_len(0).map_err(fail)?;
        writeln!(file, "process {}", std::process::id()).map_err(fail)?;
        Ok(RunLock { _file: file })
    }
}

/// Writes a file under a temporary name and renames it, so that readers see the old or the new content.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Held while a driver works in a run directory.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}
