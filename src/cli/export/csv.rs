//! `slmc export csv`: tables.

use std::path::PathBuf;

use clap::Args;

use super::results;
use crate::cli::analyze::results_at;
use crate::cli::{Failure, cannot_write};
use crate::observe::export::{means_table, networks_table, steps_table};
use crate::run::directory::replace;

/// Arguments of `slmc export csv`.
#[derive(Debug, Args)]
pub struct Csv {
    /// The run directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A file that ends in .csv for the table of steps of all chains, or a folder for steps.csv, networks.csv and means.csv.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// The rung of a ladder of replica exchange that means.csv is about, from 0.
    #[arg(long, value_name = "K")]
    rung: Option<usize>,
}

impl Csv {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let results = results(&self.directory)?;
        let steps = steps_table(&results);
        if self.out.extension().is_some_and(|ending| ending == "csv") {
            replace(&self.out, steps.as_bytes()).map_err(|error| cannot_write(&self.out, &error))?;
            return Ok(0);
        }
        std::fs::create_dir_all(&self.out).map_err(|error| cannot_write(&self.out, &error))?;
        let means = means_table(&results_at(&self.directory, self.rung)?.analysis());
        for (name, text) in [
            ("steps.csv", steps),
            ("networks.csv", networks_table(&results)),
            ("means.csv", means),
        ] {
            let path = self.out.join(name);
            replace(&path, text.as_bytes()).map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(0)
    }
}
