//! `slmc export arviz`: a Zarr store that ArviZ opens.

use std::path::PathBuf;

use clap::Args;

use crate::cli::analyze::results_at;
use crate::cli::{Failure, cannot_write, exit};
use crate::observe::columns::Column;
use crate::observe::export::inference_data;

/// Arguments of `slmc export arviz`.
#[derive(Debug, Args)]
pub struct Arviz {
    /// The run directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The store to write, a new folder such as run.zarr.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// The rung of a ladder of replica exchange, from 0; that of the ensemble's own temperature otherwise.
    #[arg(long, value_name = "K")]
    rung: Option<usize>,
    /// Add a column of your own to the posterior: a CSV file with one column a chain and one row a sampling step.
    #[arg(long, value_name = "NAME=FILE")]
    column: Vec<String>,
}

impl Arviz {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let results = results_at(&self.directory, self.rung)?;
        let mut columns = Vec::new();
        for argument in &self.column {
            let column = Column::from_table(argument, &results);
            columns.push(column.map_err(|error| Failure::from_error(exit::DATA, &error))?);
        }
        inference_data(&results, &columns, &self.out).map_err(|error| cannot_write(&self.out, &error))?;
        Ok(0)
    }
}
