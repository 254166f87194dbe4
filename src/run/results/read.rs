//! A run directory read back from its journals.

use std::path::Path;

use super::{OracleCalls, Results, ResultsError};
use crate::config::Config;
use crate::dynamics::Kinetics;
use crate::run::directory::RunDirectory;
use crate::run::journal::Journal;
use crate::run::ladder::Rung;
use crate::run::records::{ChainRecord, Generation, Header, LabelRecord, LearningRecord};
use crate::sampling::{Decision, Exchange};
use crate::structure::Structure;

impl Results {
    /// Reads a run directory; a run in progress is read as far as it has come.
    pub fn read(root: &Path) -> Result<Self, ResultsError> {
        let directory = RunDirectory::new(root);
        if !directory.holds_run() {
            return Err(ResultsError::NoRun(root.to_owned()));
        }
        let damaged = |path: &Path, reason: String| ResultsError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let header = std::fs::read_to_string(directory.header())
            .map_err(|error| damaged(&directory.header(), error.to_string()))?;
        let header: Header =
            serde_json::from_str(&header).map_err(|error| damaged(&directory.header(), error.to_string()))?;
        let config = crate::config::parse(&header.config)
            .map_err(|_| damaged(&directory.header(), "its configuration cannot be read".to_owned()))?;
        let starts =
            crate::formats::read(directory.start()).map_err(|error| damaged(&directory.start(), error.to_string()))?;
        let chains = config.chain_count();
        let start = starts
            .first()
            .map(|frame| frame.structure.clone())
            .ok_or_else(|| damaged(&directory.start(), "it is empty".to_owned()))?;
        let mut decisions = Vec::new();
        let mut exchanges = Vec::new();
        for chain in 0..chains {
            let (mut own, mut traded) = (Vec::new(), Vec::new());
            for record in Journal::<ChainRecord>::read(&directory.chain(chain))? {
                match record {
                    ChainRecord::Decision(decision) => own.push(decision),
                    ChainRecord::Exchange(exchange) => traded.push(exchange),
                    ChainRecord::Anchor { .. } => {}
                }
            }
            decisions.push(own);
            exchanges.push(traded);
        }
        let mut generations = Vec::new();
        let mut blocks = Vec::new();
        for record in Journal::<LearningRecord>::read(&directory.learning())? {
            match record {
                LearningRecord::Generation(generation) => generations.push(generation),
                LearningRecord::Relearn { after_steps } => blocks.push(after_steps),
            }
        }
        let mut bootstrap_labels = 0;
        let mut start_energies = vec![None; chains];
        for record in Journal::<LabelRecord>::read(&directory.labels())? {
            match record {
                LabelRecord::Label { id, energy, .. } if id.bootstrap => {
                    bootstrap_labels += 1;
                    if id.step == 0
                        && let Some(entry) = start_energies.get_mut(id.chain as usize)
                    {
                        *entry = Some(energy);
                    }
                }
                LabelRecord::Unphysical { id, .. } if id.bootstrap => bootstrap_labels += 1,
                _ => {}
            }
        }
        let temperature = config.ensemble.temperature();
        let thermal_energy = temperature.map_or(0.0, crate::units::Temperature::thermal_energy);
        let (plan_invariant, fixed) = (invariant(&config, &start), start.fixed.clone());
        let kinetics = Kinetics::new(start.masses.clone(), fixed, plan_invariant);
        let ladder = config.ladder();
        let pressure = config.ensemble.npt.as_ref().map_or(0.0, |npt| npt.pressure.value());
        let mut rungs = ladder.as_ref().map_or_else(
            || {
                vec![Rung {
                    thermal_energy,
                    pressure,
                }]
            },
            |ladder| ladder.rungs.clone(),
        );
        if let Some(placed) = generations
            .iter()
            .rev()
            .find_map(|own: &Generation| own.ladder.as_ref())
        {
            for (rung, kt) in rungs.iter_mut().zip(placed) {
                rung.thermal_energy = *kt;
            }
        }
        let before = decisions
            .iter()
            .zip(&exchanges)
            .zip(&start_energies)
            .map(|((own, traded), start)| energies_before(own, traded, start.or(start_energies[0])))
            .collect();
        Ok(Self {
            ladder,
            rungs,
            exchanges,
            tempering: None,
            first_chain: 0,
            before,
            elsewhere: (OracleCalls::default(), 0),
            degrees_of_freedom: kinetics.degrees_of_freedom(),
            config,
            start,
            starts: starts.into_iter().map(|frame| frame.structure).collect(),
            thermal_energy,
            decisions,
            generations,
            bootstrap_labels,
            start_energies,
            blocks,
        })
    }
}

/// Energies of the states that decisions started from: what the decision before left, or an exchange after it.
fn energies_before(decisions: &[Decision], exchanges: &[Exchange], start: Option<f64>) -> Vec<Option<f64>> {
    let mut traded = exchanges.iter().peekable();
    let mut here = start;
    decisions
        .iter()
        .map(|decision| {
            let before = here;
            here = Some(decision.energy);
            while let Some(exchange) = traded.next_if(|exchange| exchange.step <= decision.step) {
                here = Some(exchange.energy);
            }
            before
        })
        .collect()
}

fn invariant(config: &Config, start: &Structure) -> bool {
    crate::config::momentum_is_removed(config, start)
}
