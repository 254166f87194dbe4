//! Columns beside a run's own: observables computed from its trajectories, and tables that the user made.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::analysis::AnalysisError;
use crate::analysis::chains::read_chains;
use crate::analysis::observable::Observable;
use crate::analysis::statistics::Summary;
use crate::formats::{FormatError, xyz};
use crate::run::RunDirectory;
use crate::run::results::Results;

/// One series a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What the user calls it.
    pub name: String,
    /// Its unit, empty where unknown.
    pub unit: String,
    /// Its values, one series a chain.
    pub chains: Vec<Vec<f64>>,
    /// Sampling steps between two of its values.
    pub every: u64,
}

/// A column that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// Not NAME=FILE.
    #[error("`{0}` is no column: write NAME=FILE.csv")]
    Form(String),
    /// The table cannot be opened.
    #[error("column {name}: cannot read {path}: {source}")]
    Open {
        /// The column.
        name: String,
        /// The table.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The table is no table of numbers.
    #[error("column {name}: {path}: {source}")]
    Table {
        /// The column.
        name: String,
        /// The table.
        path: PathBuf,
        /// Why.
        source: AnalysisError,
    },
    /// The table does not go with the run.
    #[error(
        "column {name}: {path} has {chains} columns of {rows} rows; give one column a chain ({expected_chains}) and one row a \
         sampling step: {expected_rows}, or {kept} without the discarded ones"
    )]
    Shape {
        /// The column.
        name: String,
        /// The table.
        path: PathBuf,
        /// Columns found.
        chains: usize,
        /// Rows found.
        rows: usize,
        /// Chains of the run.
        expected_chains: usize,
        /// Sampling steps of a chain.
        expected_rows: usize,
        /// Those that are averaged.
        kept: usize,
    },
    /// Not an observable, or not one of this system.
    #[error("observable {0}")]
    Observable(String),
    /// The trajectory is damaged.
    #[error(transparent)]
    Frames(#[from] FormatError),
    /// There is no trajectory to compute from.
    #[error(
        "observable {name}: {path} holds no frame of the averaged steps; set output.trajectory-every to write a trajectory"
    )]
    NoFrames {
        /// The observable.
        name: String,
        /// The trajectory.
        path: PathBuf,
    },
}

impl Column {
    /// Statistics of the column.
    pub fn summary(&self) -> Summary {
        Summary::new(&self.chains)
    }

    /// The column in `slmc analyze --json`.
    pub fn json(&self) -> Value {
        let summary = self.summary();
        let number = |x: f64| serde_json::Number::from_f64(x).map_or(Value::Null, Value::Number);
        json!({
            "unit": self.unit,
            "mean": number(summary.mean),
            "mcse": number(summary.mcse),
            "sd": number(summary.sd),
            "ess_bulk": number(summary.ess_bulk),
            "ess_tail": number(summary.ess_tail),
            "tau": number(summary.tau),
            "rhat": number(summary.rhat),
            "samples": summary.n_samples,
            "every": self.every,
        })
    }

    /// A table `NAME=FILE.csv`: one column a chain, one row a sampling step, with the discarded steps or without them.
    pub fn from_table(argument: &str, results: &Results) -> Result<Self, ColumnError> {
        let (name, path) = argument
            .split_once('=')
            .filter(|(name, path)| !name.trim().is_empty() && !path.is_empty())
            .ok_or_else(|| ColumnError::Form(argument.to_owned()))?;
        let (name, path) = (name.trim().to_owned(), PathBuf::from(path));
        let file = File::open(&path).map_err(|source| ColumnError::Open {
            name: name.clone(),
            path: path.clone(),
            source,
        })?;
        let mut chains = read_chains(BufReader::new(file)).map_err(|source| ColumnError::Table {
            name: name.clone(),
            path: path.clone(),
            source,
        })?;
        let kept = results.kept().iter().map(|(_, chain)| chain.len()).min().unwrap_or(0);
        let discard = results.config.sampling.discard as usize;
        let rows = chains.first().map_or(0, Vec::len);
        if chains.len() != results.decisions.len() || (rows != kept && rows != kept + discard) {
            return Err(ColumnError::Shape {
                name,
                path,
                chains: chains.len(),
                rows,
                expected_chains: results.decisions.len(),
                expected_rows: kept + discard,
                kept,
            });
        }
        for chain in &mut chains {
            chain.drain(..rows - kept);
        }
        Ok(Self {
            name,
            unit: String::new(),
            chains,
            every: 1,
        })
    }

    /// An observable `[NAME=]KIND:…` over the frames of the averaged steps.
    pub fn from_observable(argument: &str, root: &Path, results: &Results) -> Result<Self, ColumnError> {
        let (name, text) = argument.split_once('=').unwrap_or((argument, argument));
        let observable = Observable::parse(text).map_err(ColumnError::Observable)?;
        observable
            .fits(&results.start)
            .map_err(|why| ColumnError::Observable(format!("`{text}`: {why}")))?;
        let directory = RunDirectory::new(root);
        let mut chains = Vec::new();
        let mut every = 1;
        for (index, (_, kept)) in results.kept().iter().enumerate() {
            let path = directory.trajectory(results.first_chain + index);
            let first = kept.first().map_or(u64::MAX, |decision| decision.step);
            let mut values = Vec::new();
            let mut last = None;
            let reference = results.starts.get(index).unwrap_or(&results.start);
            if path.exists() {
                for frame in xyz::open(&path)? {
                    let frame = match frame {
                        Ok(frame) => frame,
                        // A driver at work may be writing the last frame.
                        Err(_) if directory.is_locked() => break,
                        Err(error) => return Err(error.into()),
                    };
                    let step = frame.info_number("slmc_step").map(|step| step as u64);
                    if let Some(step) = step.filter(|step| *step >= first) {
                        every = last.map_or(every, |last| step.saturating_sub(last));
                        last = Some(step);
                        values.push(observable.value(&frame.structure, reference));
                    }
                }
            }
            if values.is_empty() {
                return Err(ColumnError::NoFrames {
                    name: name.to_owned(),
                    path,
                });
            }
            chains.push(values);
        }
        Ok(Self {
            name: name.trim().to_owned(),
            unit: observable.unit().to_owned(),
            chains,
            every,
        })
    }
}
