//! `slmc status`: how far a run has come, read from its journals without disturbing it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Failure, exit, say};
use crate::run::RunDirectory;
use crate::run::cost::Cost;
use crate::run::extrapolation::Beyond;
use crate::run::journal::Journal;
use crate::run::records::Event;
use crate::run::replicas::Tempering;
use crate::run::results::Results;
use crate::sampling::{Outcome, Phase};

/// Arguments of `slmc status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The run directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Prints phase, labels, steps, acceptance and whether a driver is at work.
    pub fn run(self) -> Result<u8, Failure> {
        let running = RunDirectory::new(&self.directory).is_locked();
        let results = Results::read(&self.directory).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let calls = results.oracle_calls();
        let sampled: Vec<u64> = results
            .decisions
            .iter()
            .map(|chain| {
                chain
                    .iter()
                    .filter(|decision| decision.phase == Phase::Sampling)
                    .count() as u64
            })
            .collect();
        let phase = match results
            .decisions
            .iter()
            .filter_map(|chain| chain.last())
            .map(|d| d.phase)
            .max_by_key(|p| *p as u8)
        {
            None => "bootstrap",
            Some(Phase::Bootstrap) => "bootstrap",
            Some(Phase::Learning) => "learning",
            Some(Phase::Sampling) => "sampling",
        };
        let wanted = results.config.sampling.steps * results.decisions.len() as u64;
        let recent: Vec<&crate::sampling::Decision> = results
            .decisions
            .iter()
            .flat_map(|chain| chain.iter().rev().take(100))
            .collect();
        let acceptance = (!recent.is_empty()).then(|| {
            recent
                .iter()
                .filter(|decision| decision.outcome == Outcome::Accepted)
                .count() as f64
                / recent.len() as f64
        });
        let newest = results.generations.last();
        let cost = Cost::of(&Journal::<Event>::read(&RunDirectory::new(&self.directory).events()).unwrap_or_default());
        let complete = !running && sampled.iter().sum::<u64>() >= wanted;
        let tempering = Tempering::measure(&results);
        let beyond = Beyond::measure(&RunDirectory::new(&self.directory), &results);
        if self.json {
            let mut value = json!({
                "running": running,
                "complete": complete,
                "phase": phase,
                "oracle_calls": calls,
                "sampling_steps": sampled,
                "sampling_steps_wanted": results.config.sampling.steps,
                "acceptance_recent": acceptance,
                "generation": newest.map(|generation| generation.generation),
                "frozen": newest.is_some_and(|generation| generation.frozen),
                "oracle_seconds": cost.map(|cost| cost.seconds),
                "longest_label_seconds": cost.map(|cost| cost.longest),
                "largest_process_bytes": cost.and_then(|cost| cost.memory),
                "validation_error": newest.and_then(|generation| generation.validation_error),
                "trajectory": newest.map(crate::run::results::trajectory_json),
            });
            if let Some(beyond) = &beyond {
                value["extrapolation"] = beyond.json();
            }
            if let Some(tempering) = &tempering {
                value["exchange"] = tempering.json(results.config.ensemble.npt.is_some()).1;
            }
            say(&serde_json::to_string_pretty(&value).unwrap_or_default());
            return Ok(0);
        }
        let state = if running {
            "running"
        } else if complete {
            "complete"
        } else {
            "stopped; `slmc resume` goes on"
        };
        let mut text = format!(
            "{}: {state}\n  phase         {phase}\n  oracle calls  {} (bootstrap {}, learning {}, sampling {})\n  sampling      {} of {wanted} steps\n",
            self.directory.display(),
            calls.total,
            calls.bootstrap,
            calls.learning,
            calls.sampling,
            sampled.iter().sum::<u64>(),
        );
        if let Some(cost) = cost {
            text.push_str(&format!("  cost          {cost}\n"));
        }
        if let Some(acceptance) = acceptance {
            text.push_str(&format!(
                "  acceptance    {acceptance:.2} over the latest {} steps\n",
                recent.len()
            ));
        }
        if let Some(tempering) = &tempering {
            let rates = tempering.pairs.iter().filter(|pair| pair.attempts > 0);
            let rates: Vec<String> = rates.map(|pair| format!("{:.2}", pair.rate)).collect();
            text.push_str(&format!(
                "  exchange      {} round trips, rates {}\n",
                tempering.round_trips,
                rates.join(" ")
            ));
        }
        if let Some(generation) = newest {
            text.push_str(&format!(
                "  network       generation {}, {} labels{}{}\n",
                generation.generation,
                generation.labels,
                generation.validation_error.map_or(String::new(), |error| format!(
                    ", validation error {:.2} meV",
                    1e3 * error
                )),
                if generation.frozen { ", frozen" } else { "" }
            ));
            text.push_str(&format!("  trajectory    {}\n", generation.reason));
        }
        if let Some(beyond) = &beyond {
            text.push_str(&format!(
                "  extrapolation {} of atoms outside the training range, {} {}\n",
                beyond.shares(),
                beyond.structures,
                beyond.source
            ));
        }
        say(&text);
        Ok(0)
    }
}
