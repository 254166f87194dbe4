//! `slmc analyze`: what a run, or a table of numbers, says.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, cannot_write, exit, say};
use crate::analysis::advice;
use crate::analysis::chains::chains_csv;
use crate::observe::columns::{Column, ColumnError};
use crate::observe::report::{report, with_error};
use crate::run::RunDirectory;
use crate::run::replicas::{Tempering, name};
use crate::run::results::{Analysis, Results};

/// What `--html` without a file stands for.
const BESIDE: &str = "DIR/report.html";

/// Arguments of `slmc analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// The run directory.
    #[arg(value_name = "DIR", required_unless_present = "chains")]
    directory: Option<PathBuf>,
    /// Analyse any numbers instead: a CSV file with one column a chain.
    #[arg(long, value_name = "FILE", conflicts_with = "directory")]
    chains: Option<PathBuf>,
    /// The rung of a ladder of replica exchange, from 0; that of the ensemble's own temperature otherwise.
    #[arg(long, value_name = "K", conflicts_with = "chains")]
    rung: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the report as one HTML page; without FILE into the run directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE, conflicts_with = "chains")]
    html: Option<PathBuf>,
    /// Write each figure of the report as SVG and PNG into a folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "chains")]
    plots: Option<PathBuf>,
    /// Add a column of your own: a CSV file with one column a chain and one row a sampling step.
    #[arg(long, value_name = "NAME=FILE", conflicts_with = "chains")]
    column: Vec<String>,
    /// Add an observable of the sampled trajectory: distance:I,J, angle:I,J,K, coordination:A-B,R, msd, msd:A, volume, length:a
    /// (atoms counted from 0, lengths in Å); NAME= before it names it.
    #[arg(long, value_name = "[NAME=]KIND:…", conflicts_with = "chains")]
    observable: Vec<String>,
}

impl Analyze {
    /// Prints value, threshold and advice, or JSON.
    pub fn run(self) -> Result<u8, Failure> {
        if let Some(path) = &self.chains {
            let file = File::open(path)
                .map_err(|error| Failure::new(exit::DATA, format!("cannot read {}: {error}", path.display())))?;
            let report = chains_csv(BufReader::new(file))
                .map_err(|error| Failure::new(exit::DATA, format!("{}: {error}", path.display())))?;
            if self.json {
                say(&serde_json::to_string_pretty(&report).unwrap_or_default());
            } else {
                say(&report.to_string());
            }
            return Ok(0);
        }
        let Some(directory) = &self.directory else {
            return Err(Failure::new(exit::USAGE, "give a run directory, or --chains FILE"));
        };
        let results = results_at(directory, self.rung)?;
        let mut columns = Vec::new();
        for argument in &self.column {
            columns.push(Column::from_table(argument, &results).map_err(|error| column_failure(&error))?);
        }
        for argument in &self.observable {
            let column = Column::from_observable(argument, directory, &results);
            columns.push(column.map_err(|error| column_failure(&error))?);
        }
        let mut analysis = results.analysis();
        analysis.add_extrapolation(&RunDirectory::new(directory), &results);
        if !columns.is_empty() {
            let named = columns.iter().map(|column| (column.name.clone(), column.json()));
            analysis.json["columns"] = serde_json::Value::Object(named.collect());
        }
        if self.html.is_some() || self.plots.is_some() {
            let report = report(directory, &results, &analysis, &columns);
            if let Some(path) = &self.html {
                let path = if path.as_os_str() == BESIDE {
                    directory.join("report.html")
                } else {
                    path.clone()
                };
                crate::run::directory::replace(&path, report.html.as_bytes())
                    .map_err(|error| cannot_write(&path, &error))?;
            }
            if let Some(folder) = &self.plots {
                report
                    .write_figures(folder)
                    .map_err(|error| cannot_write(folder, &error))?;
            }
        }
        if self.json {
            say(&serde_json::to_string_pretty(&analysis.json).unwrap_or_default());
        } else {
            let mut text = table(&results, &analysis);
            text.push_str(&column_table(&columns));
            say(&text);
        }
        Ok(0)
    }
}

/// The results of one rung of a run; the first one if none is asked for.
pub(super) fn results_at(directory: &Path, rung: Option<usize>) -> Result<Results, Failure> {
    let results = Results::read(directory).map_err(|error| Failure::from_error(exit::DATA, &error))?;
    let rungs = results.rungs.len();
    match rung.filter(|rung| *rung >= rungs) {
        Some(rung) => Err(Failure::new(
            exit::USAGE,
            format!("there is no rung {rung}: the run has {rungs}, counted from 0"),
        )),
        None => Ok(results.at_rung(rung.unwrap_or(0))),
    }
}

/// Wrong arguments are wrong usage, wrong files wrong data.
fn column_failure(error: &ColumnError) -> Failure {
    let code = match error {
        ColumnError::Form(_) | ColumnError::Observable(_) => exit::USAGE,
        _ => exit::DATA,
    };
    Failure::from_error(code, error)
}

/// The user's columns, one line each.
fn column_table(columns: &[Column]) -> String {
    let mut text = String::new();
    let width = columns
        .iter()
        .map(|column| column.name.chars().count())
        .max()
        .unwrap_or(0);
    for column in columns {
        let summary = column.summary();
        let mean = format!("{} {}", with_error(summary.mean, summary.mcse), column.unit);
        text.push_str(&format!(
            "\n{:width$}  {}, {:.0} effective samples, τ {:.2}, R-hat {:.3}",
            column.name,
            mean.trim_end(),
            summary.ess_bulk,
            summary.tau,
            summary.rhat
        ));
    }
    text
}

/// The table for people.
pub(super) fn table(results: &Results, analysis: &Analysis) -> String {
    let calls = results.oracle_calls();
    let value = |key: &str| analysis.json.pointer(key).and_then(serde_json::Value::as_f64);
    let show = |x: Option<f64>, digits: usize| x.map_or("–".to_owned(), |x| format!("{x:.digits$}"));
    let mut text = format!(
        "oracle calls       {} (bootstrap {}, learning {}, sampling {})\n",
        calls.total, calls.bootstrap, calls.learning, calls.sampling
    );
    text.push_str(&format!(
        "potential energy   {} ± {} eV, {} effective samples\n",
        show(value("/potential_energy/mean"), 5),
        show(value("/potential_energy/mcse"), 5),
        show(value("/potential_energy/ess_bulk"), 0)
    ));
    // A nested chain has none.
    if value("/temperature_kinetic").is_some() {
        text.push_str(&format!(
            "temperature        {} ± {} K (kinetic)\n",
            show(value("/temperature_kinetic"), 1),
            show(value("/temperature_kinetic_mcse"), 1)
        ));
    }
    if value("/pressure_gpa/mean").is_some() {
        text.push_str(&format!(
            "pressure           {} ± {} GPa\n",
            show(value("/pressure_gpa/mean"), 4),
            show(value("/pressure_gpa/mcse"), 4)
        ));
    }
    if value("/volume/mean").is_some() {
        text.push_str(&cell_table(&analysis.json));
    }
    text.push_str(&format!(
        "per oracle call    {} effective samples while sampling, {} over all phases\n",
        show(value("/ess_per_oracle_call"), 3),
        show(value("/ess_per_oracle_call_total"), 3)
    ));
    if let Some(remark) = analysis.anticorrelation() {
        text.push_str(&format!("                   {remark}\n"));
    }
    if let Some(moves) = analysis.json["inner_moves"].as_object() {
        let moves = moves
            .iter()
            .map(|(name, accepted)| format!("{name} {}", show(accepted.as_f64(), 2)));
        let moves: Vec<String> = moves.collect();
        text.push_str(&format!("inner moves        accepted: {}\n", moves.join(", ")));
    }
    if let Some(tempering) = &results.tempering {
        text.push_str(&ladder_table(tempering, results.config.ensemble.npt.is_some()));
    }
    if let Some(reason) = &analysis.reason {
        text.push_str(&format!("trajectory         {reason}\n"));
    }
    if analysis.json["exact"] == serde_json::Value::Bool(false) {
        text.push_str("NOT EXACT: these averages are not the oracle's ensemble (nothing was rejected)\n");
    }
    text.push('\n');
    text.push_str(&advice::table(&analysis.lines));
    text
}

/// Averages on each rung and what passes between them.
fn ladder_table(tempering: &Tempering, with_pressure: bool) -> String {
    let mut text = String::from("replica exchange\n");
    let names: Vec<String> = tempering
        .rungs
        .iter()
        .map(|own| name(&own.rung, with_pressure))
        .collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (index, (own, name)) in tempering.rungs.iter().zip(&names).enumerate() {
        let pair = tempering.pairs.get(index).filter(|pair| pair.attempts > 0);
        let rate = pair.map_or(String::new(), |pair| {
            format!(", traded with the next at a rate of {:.2}", pair.rate)
        });
        text.push_str(&format!(
            "  {name:>width$}  U {} eV, {:.0} effective samples, acceptance {:.2}{rate}\n",
            with_error(own.energy.mean, own.energy.mcse),
            own.energy.ess_bulk,
            own.acceptance,
        ));
    }
    let time = tempering
        .round_trip_time
        .map_or(String::new(), |time| format!(", one each {time:.0} steps of a walker"));
    let expected = if tempering.expected_round_trips.is_finite() {
        format!("; {:.0} to be expected from the rates", tempering.expected_round_trips)
    } else {
        "; no exchange was tried".to_owned()
    };
    text.push_str(&format!(
        "  round trips        {}{time}{expected}\n",
        tempering.round_trips
    ));
    text
}

/// Volume, density and lattice parameters for people.
fn cell_table(json: &serde_json::Value) -> String {
    let show = |key: &str, digits: usize| {
        let value = |part: &str| {
            json.pointer(&format!("{key}/{part}"))
                .and_then(serde_json::Value::as_f64)
        };
        match (value("mean"), value("mcse")) {
            (Some(mean), Some(error)) => format!("{mean:.digits$} ± {error:.digits$}"),
            (Some(mean), None) => format!("{mean:.digits$}"),
            _ => "–".to_owned(),
        }
    };
    format!(
        "volume             {} Å³, {} effective samples\ndensity            {} g/cm³\n\
         lattice lengths    {}, {}, {} Å\nlattice angles     {}, {}, {} degrees\n",
        show("/volume", 3),
        json.pointer("/volume/ess_bulk")
            .and_then(serde_json::Value::as_f64)
            .map_or("–".to_owned(), |ess| format!("{ess:.0}")),
        show("/density", 5),
        show("/cell/a", 4),
        show("/cell/b", 4),
        show("/cell/c", 4),
        show("/cell/alpha", 3),
        show("/cell/beta", 3),
        show("/cell/gamma", 3),
    )
}
