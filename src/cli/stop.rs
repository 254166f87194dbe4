//! `slmc stop`: asks a running driver to stop at the next safe point.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, exit, say};
use crate::run::RunDirectory;

/// Arguments of `slmc stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// The run directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Stop {
    /// Leaves the request; the driver sees it within a second and ends when the labels under way are there.
    pub fn run(self) -> Result<u8, Failure> {
        let directory = RunDirectory::new(&self.directory);
        if !directory.holds_run() {
            return Err(
                Failure::new(exit::USAGE, format!("{} holds no run", self.directory.display()))
                    .hint("give the directory that `slmc run --out` wrote"),
            );
        }
        if !directory.is_locked() {
            say(&format!("nothing is running in {}", self.directory.display()));
            return Ok(0);
        }
        let path = directory.stop_request();
        std::fs::write(&path, b"stop\n")
            .map_err(|error| Failure::new(exit::CANNOT_WRITE, format!("cannot write {}: {error}", path.display())))?;
        say(&format!(
            "asked the driver of {} to stop; it ends when the labels under way are there (batch jobs are not waited for)",
            self.directory.display()
        ));
        Ok(0)
    }
}
