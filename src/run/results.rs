//! The numbers of a run, read back from its journals: what `slmc analyze` and the report show.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::analysis::acceptance::{EnergyError, exponential_average};
use crate::analysis::advice::{Findings, Line, advise};
use crate::analysis::plot::{LearningCurve, Trace};
use crate::analysis::statistics::{Summary, mcse_sd};
use crate::analysis::thermodynamics::{configurational_pressure, ideal_pressure, kinetic_temperature};
use crate::config::Config;
use crate::dynamics::Kinetics;
use crate::run::directory::RunDirectory;
use crate::run::journal::{Journal, JournalError};
use crate::run::ladder::{LadderPlan, Rung};
use crate::run::records::{ChainRecord, Generation, Header, LabelRecord, LearningRecord};
use crate::run::replicas::Tempering;
use crate::run::stages::Stages;
use crate::sampling::{Decision, Exchange, Outcome, Phase};
use crate::structure::Structure;
use crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

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

    /// Everything `slmc analyze` tells.
    pub fn analysis(&self) -> Analysis {
        let sampled = self.kept();
        let column = |f: &dyn Fn(&Decision) -> f64| -> Vec<Vec<f64>> {
            sampled.iter().map(|(_, chain)| chain.iter().map(f).collect()).collect()
        };
        let energies = column(&|decision| decision.energy);
        let kinetic = column(&|decision| decision.kinetic);
        let energy = Summary::new(&equal_lengths(&energies));
        let temperature = Summary::new(&equal_lengths(&scaled(&kinetic, |k| {
            kinetic_temperature(k, self.degrees_of_freedom)
        })));
        // After an inner chain of moves there are no momenta to tell a temperature from.
        let has_momenta = kinetic.iter().flatten().any(|kinetic| *kinetic != 0.0);
        let kept: Vec<&Decision> = sampled.iter().flat_map(|(_, chain)| chain.iter()).collect();
        let count = kept.len();
        let fraction = |outcome: Outcome| {
            kept.iter().filter(|decision| decision.outcome == outcome).count() as f64 / count.max(1) as f64
        };
        let beta = 1.0 / self.thermal_energy;

        let mut boltzmann = Vec::new();
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        let mut state_errors = Vec::new();
        for (before, chain) in &sampled {
            let (mut factors, mut start, mut end) = (Vec::new(), Vec::new(), Vec::new());
            for (decision, previous) in chain.iter().zip(*before) {
                factors.extend(decision.delta.map(|delta| beta * delta));
                if let (Some([network_start, network_end]), Some(proposed)) =
                    (decision.network, decision.energy_proposed)
                {
                    if let Some(previous) = previous {
                        start.push(*previous - network_start);
                        end.push(proposed - network_end);
                    }
                    let here = if decision.outcome == Outcome::Accepted {
                        network_end
                    } else {
                        network_start
                    };
                    state_errors.push(decision.energy - here);
                }
            }
            boltzmann.push(factors);
            starts.push(start);
            ends.push(end);
        }
        let calls = self.oracle_calls();
        let kept_calls: u64 = kept.iter().map(|decision| u64::from(decision.labels)).sum();
        let exact_kernel = boltzmann.iter().any(|chain| !chain.is_empty());
        let error = (state_errors.len() > 1).then(|| EnergyError {
            std: deviation(&state_errors),
            ..EnergyError::from_proposals(&starts, &ends)
        });
        let effective = error.map_or(0.0, |error| error.effective(beta));
        let exponential = exact_kernel.then(|| exponential_average(&boltzmann, effective));
        let acceptance = (exact_kernel || count > 0).then(|| fraction(Outcome::Accepted));
        let findings = Findings {
            // What the first of two stages rejects wastes no call of the oracle.
            acceptance: acceptance.filter(|_| exact_kernel && Stages::measure(&kept).is_none()),
            energy: (count > 3).then_some(energy),
            energy_error: error,
            beta: Some(beta),
            atoms: Some(self.start.len()),
            exponential_average: exponential,
            diverged: (count > 0).then(|| fraction(Outcome::Diverged)),
            unphysical: (count > 0).then(|| fraction(Outcome::Unphysical)),
        };
        let last = kept.last();
        let trajectory = self.generations.iter().rfind(|generation| generation.frozen).map_or(
            (self.config.trajectory.steps, self.config.trajectory.segments),
            |generation| (generation.trajectory.steps, generation.trajectory.segments),
        );
        let mut json = json!({
            "acceptance": acceptance,
            "oracle_calls": calls,
            "samples": count,
            "chains": self.decisions.len(),
            "potential_energy": {
                "mean": number(energy.mean),
                "mcse": number(energy.mcse),
                "sd": number(energy.sd),
                "mcse_sd": number(mcse_sd(&equal_lengths(&energies))),
                "ess_bulk": number(energy.ess_bulk),
                "ess_tail": number(energy.ess_tail),
                "tau": number(kept_calls as f64 / energy.ess_bulk),
                "rhat": number(energy.rhat),
            },
            "temperature_kinetic": has_momenta.then(|| number(temperature.mean)),
            "temperature_kinetic_mcse": has_momenta.then(|| number(temperature.mcse)),
            "exp_minus_beta_delta_h": exponential.map(|average| json!({
                "mean": number(average.mean),
                "mcse": number(average.mcse),
                "reliable": average.reliable,
            })),
            "energy_error_std": error.and_then(|error| number(error.std).as_f64()),
            "energy_error_correlation": error.and_then(|error| number(error.correlation).as_f64()),
            "acceptance_predicted": error.map(|error| number(error.predicted_acceptance(beta))),
            "ess_per_oracle_call": number(energy.ess_bulk / self.sampling_calls() as f64),
            "ess_per_oracle_call_total": number(energy.ess_bulk / calls.total as f64),
            "trajectory_steps": trajectory.0,
            "segments": trajectory.1,
            "diverged": fraction(Outcome::Diverged),
            "unphysical": fraction(Outcome::Unphysical),
            "generation": last.and_then(|decision| decision.generation),
            "exact": !self.config.sampling.accept_everything && exact_kernel,
        });
        if kept.iter().all(|decision| decision.stress.is_some()) && count > 3 {
            let fixed_volume = self.start.cell.volume();
            let moving = self.start.fixed.iter().filter(|fixed| !**fixed).count();
            let ideal = |decision: &Decision| {
                let volume = decision.cell.as_ref().map_or(fixed_volume, crate::dynamics::volume);
                ideal_pressure(moving, self.thermal_energy / crate::units::BOLTZMANN, volume)
            };
            let pressure = column(&|decision| {
                let s = decision.stress.unwrap_or_default();
                let tensor = [[s[0], s[5], s[4]], [s[5], s[1], s[3]], [s[4], s[3], s[2]]];
                GPA_PER_EV_PER_CUBIC_ANGSTROM * (configurational_pressure(&tensor) + ideal(decision))
            });
            json["pressure_gpa"] = summary_json(&Summary::new(&equal_lengths(&pressure)));
            let names = ["xx", "yy", "zz", "yz", "xz", "xy"];
            let mut stress = serde_json::Map::new();
            for (index, name) in names.iter().enumerate() {
                let component =
                    column(&|decision| GPA_PER_EV_PER_CUBIC_ANGSTROM * decision.stress.unwrap_or_default()[index]);
                stress.insert(
                    (*name).to_owned(),
                    summary_json(&Summary::new(&equal_lengths(&component))),
                );
            }
            json["stress_configurational_gpa"] = Value::Object(stress);
        }
        if self.config.ensemble.npt.is_some() && count > 3 {
            let chains: Vec<Vec<_>> = sampled
                .iter()
                .map(|(_, chain)| chain.iter().filter_map(|decision| decision.cell).collect())
                .collect();
            for (name, value) in super::cell::cell_json(&chains, &self.start) {
                json[name] = value;
            }
            json["pressure_target_gpa"] = number(GPA_PER_EV_PER_CUBIC_ANGSTROM * self.pressure());
        }
        let mut lines = advise(&findings);
        if let Some(stages) = Stages::measure(&kept) {
            json["first_stage"] = stages.json();
            lines.extend(stages.lines());
        }
        json["temperature"] = number(self.thermal_energy / crate::units::BOLTZMANN);
        if let Some(tempering) = &self.tempering {
            let (temperatures, exchange) = tempering.json(self.config.ensemble.npt.is_some());
            json["temperatures"] = temperatures;
            json["exchange"] = exchange;
            lines.extend(tempering.lines());
        }
        let mut moves = crate::sampling::MoveCounts::default();
        for decision in &kept {
            if let Some(counts) = &decision.moves {
                moves.add(counts);
            }
        }
        for (name, [tried, accepted]) in moves.tried() {
            json["inner_moves"][name] = number(f64::from(accepted) / f64::from(tried));
        }
        let frozen = self.generations.iter().rfind(|generation| generation.frozen);
        if let Some(generation) = frozen {
            json["trajectory"] = trajectory_json(generation);
        }
        Analysis {
            json,
            lines,
            reason: frozen.map(|generation| generation.reason.clone()),
        }
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

/// What `slmc analyze` prints.
#[derive(Debug)]
pub struct Analysis {
    /// The numbers, with the keys of the contract.
    pub json: Value,
    /// Name, value, threshold, verdict, advice.
    pub lines: Vec<Line>,
    /// Why the trajectory was tuned as it was.
    pub reason: Option<String>,
}

/// Leaves the chains of a range.
fn pick<T>(list: &mut Vec<T>, own: &std::ops::Range<usize>) {
    list.truncate(own.end);
    list.drain(..own.start.min(list.len()));
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

/// JSON has no NaN: what is not a number is null.
pub(super) fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

pub(super) fn summary_json(summary: &Summary) -> Value {
    json!({
        "mean": number(summary.mean),
        "mcse": number(summary.mcse),
        "ess_bulk": number(summary.ess_bulk),
        "rhat": number(summary.rhat),
    })
}

fn scaled(chains: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains
        .iter()
        .map(|chain| chain.iter().map(|x| f(*x)).collect())
        .collect()
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
