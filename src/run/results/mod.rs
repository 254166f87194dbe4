//! The numbers of a run, read back from its journals: what `slmc analyze` and the report show.

mod analysis;
mod read;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::analysis::plot::{LearningCurve, Trace};
use crate::config::Config;
use crate::run::journal::JournalError;
use crate::run::ladder::{LadderPlan, Rung};
use crate::run::records::Generation;
use crate::run::replicas::Tempering;
use crate::sampling::{Decision, Exchange, Outcome, Phase};
use crate::structure::Structure;

pub use analysis::Analysis;
pub(super) use analysis::summary_json;

/// A run that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// No run there.
    #[error("{0} holds no run; give the directory that `slmc run --out` wrote")]
    NoRun(std::path::PathBuf),
    /// A damaged file.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file that does not fit.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Oracle calls by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OracleCalls {
    /// Before there was a network.
    pub bootstrap: u64,
    /// While it was retrained.
    pub learning: u64,
    /// After the freeze.
    pub sampling: u64,
    /// All.
    pub total: u64,
}

/// What a run directory holds.
#[derive(Debug)]
pub struct Results {
    /// The configuration that was run.
    pub config: Config,
    /// The start of the first chain.
    pub start: Structure,
    /// The start of each chain.
    pub starts: Vec<Structure>,
    /// kT in eV.
    pub thermal_energy: f64,
    /// Momentum degrees of freedom.
    pub degrees_of_freedom: usize,
    /// Decisions of each chain, all phases.
    pub decisions: Vec<Vec<Decision>>,
    /// Network generations.
    pub generations: Vec<Generation>,
    /// Bootstrap labels.
    pub bootstrap_labels: u64,
    /// Potential energy of each chain's start, eV, where it is known.
    pub start_energies: Vec<Option<f64>>,
    /// Steps of each chain after which a new learning block began.
    pub blocks: Vec<Vec<u64>>,
    /// Replica exchange as configured.
    pub ladder: Option<LadderPlan>,
    /// Temperature and pressure of each rung while sampling; one without replica exchange.
    pub rungs: Vec<Rung>,
    /// Attempts of each chain to exchange.
    pub exchanges: Vec<Vec<Exchange>>,
    /// What the ladder did, once the results are those of one rung.
    pub tempering: Option<Tempering>,
    /// The number of the first chain, as its files have it.
    pub first_chain: usize,
    /// Energy of the state that each decision started from, eV.
    before: Vec<Vec<Option<f64>>>,
    /// Oracle calls of chains on other rungs, in all and since the last learning block while sampling.
    elsewhere: (OracleCalls, u64),
}

/// How a generation's proposals are made, and why.
pub fn trajectory_json(generation: &Generation) -> Value {
    let plan = &generation.trajectory;
    serde_json::json!({
        "time_step_fs": plan.time_step / crate::units::FEMTOSECOND,
        "steps": plan.steps,
        "segments": plan.segments,
        "jitter": plan.jitter,
        "masses": generation.masses.map_or("by-element".to_owned(), |made_for| format!("potentials/gen-{made_for:03}/masses.json")),
        "reason": generation.reason,
    })
}

impl Results {
    /// The results of one rung, the first being that of the ensemble's own temperature: averages belong to one temperature. Oracle calls
    /// stay those of the whole run. Without replica exchange nothing changes.
    #[must_use]
    pub fn at_rung(mut self, rung: usize) -> Self {
        let Some(ladder) = &self.ladder else {
            return self;
        };
        self.tempering = Tempering::measure(&self);
        let own = rung * ladder.ladders..(rung + 1) * ladder.ladders;
        let (all, sampling) = (self.oracle_calls(), self.sampling_calls());
        self.thermal_energy = self
            .rungs
            .get(rung)
            .map_or(self.thermal_energy, |own| own.thermal_energy);
        self.first_chain = own.start;
        pick(&mut self.decisions, &own);
        pick(&mut self.exchanges, &own);
        pick(&mut self.before, &own);
        pick(&mut self.start_energies, &own);
        pick(&mut self.starts, &own);
        for steps in &mut self.blocks {
            pick(steps, &own);
        }
        let (here, here_sampling) = (self.oracle_calls(), self.sampling_calls());
        self.elsewhere = (
            OracleCalls {
                bootstrap: all.bootstrap - here.bootstrap,
                learning: all.learning - here.learning,
                sampling: all.sampling - here.sampling,
                total: 0,
            },
            sampling - here_sampling,
        );
        self
    }

    /// kT at which a chain decided a step, eV.
    pub fn thermal_energy_at(&self, chain: usize, decision: &Decision) -> f64 {
        let Some(ladder) = &self.ladder else {
            return self.thermal_energy;
        };
        let rung = ladder.rung(self.first_chain + chain);
        let placed = decision.generation.and_then(|generation| {
            let mut earlier = self.generations.iter().filter(|own| own.generation <= generation);
            earlier.rfind(|own| own.ladder.is_some())?.ladder.as_ref()
        });
        placed
            .and_then(|placed| placed.get(rung).copied())
            .or_else(|| ladder.rungs.get(rung).map(|own| own.thermal_energy))
            .unwrap_or(self.thermal_energy)
    }

    /// The pressure set, eV/Å³; 0 at constant volume.
    fn pressure(&self) -> f64 {
        let rung = self.ladder.as_ref().map_or(0, |ladder| ladder.rung(self.first_chain));
        self.rungs.get(rung).map_or(0.0, |own| own.pressure)
    }

    /// Energies of the states that a chain's decisions started from, eV.
    pub fn before(&self, chain: usize) -> &[Option<f64>] {
        &self.before[chain]
    }

    /// Oracle calls of each phase so far.
    pub fn oracle_calls(&self) -> OracleCalls {
        let mut calls = OracleCalls {
            bootstrap: self.bootstrap_labels,
            ..self.elsewhere.0
        };
        for decision in self.decisions.iter().flatten() {
            let labels = u64::from(decision.labels);
            match decision.phase {
                Phase::Bootstrap => calls.bootstrap += labels,
                Phase::Learning => calls.learning += labels,
                Phase::Sampling => calls.sampling += labels,
            }
        }
        calls.total = calls.bootstrap + calls.learning + calls.sampling;
        calls
    }

    /// The sampling decisions that are averaged: those of the last block, without its burn-in, and the energy of the state that each of
    /// them started from.
    pub fn kept(&self) -> Vec<(&[Option<f64>], &[Decision])> {
        let discard = self.config.sampling.discard as usize;
        self.decisions
            .iter()
            .enumerate()
            .map(|(chain, decisions)| {
                let since = self.last_block(chain) as usize;
                let first = decisions
                    .iter()
                    .position(|decision| decision.phase == Phase::Sampling && decision.step as usize > since)
                    .map_or(decisions.len(), |at| (at + discard).min(decisions.len()));
                (&self.before[chain][first..], &decisions[first..])
            })
            .collect()
    }

    /// The last step of a chain before the last learning block.
    fn last_block(&self, chain: usize) -> u64 {
        self.blocks
            .last()
            .and_then(|steps| steps.get(chain))
            .map_or(0, |step| *step)
    }

    /// Oracle calls of the sampling phase that is averaged, its burn-in included.
    fn sampling_calls(&self) -> u64 {
        let chains = self.decisions.iter().enumerate();
        chains
            .flat_map(|(chain, decisions)| {
                let since = self.last_block(chain);
                decisions.iter().filter(move |decision| decision.step > since)
            })
            .filter(|decision| decision.phase == Phase::Sampling)
            .map(|decision| u64::from(decision.labels))
            .sum::<u64>()
            + self.elsewhere.1
    }

    /// Acceptance and error against labels spent, in windows of proposals.
    pub fn learning_curve(&self) -> LearningCurve {
        let mut rows: Vec<(u64, usize, &Decision)> = Vec::new();
        for (chain, decisions) in self.decisions.iter().enumerate() {
            rows.extend(decisions.iter().map(|decision| (decision.step, chain, decision)));
        }
        rows.sort_by_key(|(step, chain, _)| (*step, *chain));
        let mut labels = self.bootstrap_labels as f64;
        let mut frozen_at = None;
        let window = 12;
        let (mut acceptance, mut error, mut predicted) = (Vec::new(), Vec::new(), Vec::new());
        let (mut recent, mut errors): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut sampling_shown = 0;
        for (_, _, decision) in rows {
            labels += f64::from(decision.labels);
            if decision.phase == Phase::Sampling {
                frozen_at.get_or_insert(labels);
                sampling_shown += 1;
                // The plateau after the freeze needs no more room than the learning before it.
                if sampling_shown > 10 * window {
                    break;
                }
            }
            recent.push(f64::from(u8::from(decision.outcome == Outcome::Accepted)));
            if let (Some([_, network]), Some(proposed)) = (decision.network, decision.energy_proposed) {
                errors.push(proposed - network);
            }
            if recent.len() == window {
                acceptance.push((labels, recent.iter().sum::<f64>() / window as f64));
                if errors.len() > 2 {
                    let spread = deviation(&errors);
                    error.push((labels, 1e3 * spread));
                    predicted.push((labels, libm::erfc(0.5 * spread / self.thermal_energy)));
                }
                recent.clear();
                errors.clear();
            }
        }
        LearningCurve {
            title: format!(
                "{} atoms, {:.0} K",
                self.start.len(),
                self.thermal_energy / crate::units::BOLTZMANN
            ),
            acceptance,
            predicted,
            error,
            thermal_energy: Some(1e3 * self.thermal_energy),
            frozen_at,
        }
    }

    /// The potential energy of the sampling phase, by chain.
    pub fn trace(&self) -> Trace {
        Trace {
            title: "Potential energy".to_owned(),
            name: "U (eV)".to_owned(),
            chains: self
                .kept()
                .iter()
                .map(|(_, chain)| chain.iter().map(|decision| decision.energy).collect())
                .collect(),
        }
    }
}

/// Leaves the chains of a range.
fn pick<T>(list: &mut Vec<T>, own: &std::ops::Range<usize>) {
    list.truncate(own.end);
    list.drain(..own.start.min(list.len()));
}

/// JSON has no NaN: what is not a number is null.
pub(super) fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Chains cut at the shortest: a run in progress has chains of different lengths.
pub(super) fn equal_lengths(chains: &[Vec<f64>]) -> Vec<&[f64]> {
    let shortest = chains.iter().map(Vec::len).min().unwrap_or(0);
    chains.iter().map(|chain| &chain[..shortest]).collect()
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt()
}
