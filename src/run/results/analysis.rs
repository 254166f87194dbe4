//! The numbers of the averaged steps and what they are worth.

use serde_json::{Value, json};

use super::{Results, deviation, equal_lengths, number, trajectory_json};
use crate::analysis::acceptance::{EnergyError, exponential_average};
use crate::analysis::advice::{Findings, Line, advise};
use crate::analysis::statistics::{Summary, ess_sd, mcse_sd};
use crate::analysis::thermodynamics::{configurational_pressure, ideal_pressure, kinetic_temperature};
use crate::run::cell::cell_json;
use crate::run::stages::Stages;
use crate::sampling::{Decision, Outcome};
use crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

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

/// Below this autocorrelation time in samples neighbours are told to be anticorrelated, where their momenta are over-relaxed.
const ANTICORRELATED: f64 = 0.8;

impl Analysis {
    /// What more effective samples than samples mean, where there are.
    pub fn anticorrelation(&self) -> Option<String> {
        let value = |key: &str| self.json.pointer(key).and_then(Value::as_f64);
        value("/momentum_draws").filter(|draws| *draws > 1.0)?;
        let samples = value("/samples")?;
        let (mean, sd) = (value("/potential_energy/ess_bulk")?, value("/potential_energy/ess_sd")?);
        (samples / mean < ANTICORRELATED).then(|| {
            format!(
                "{samples} energies, anticorrelated from one to the next: their mean is as good as that of {mean:.0} independent ones, \
                 their fluctuation as that of {sd:.0} (trajectory.momentum-draws)"
            )
        })
    }
}

impl Results {
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
            (
                self.config.trajectory.steps,
                self.config.trajectory.segments,
                self.config.momentum_draws(),
            ),
            |generation| {
                let plan = generation.trajectory;
                (plan.steps, plan.segments, plan.momentum_draws)
            },
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
                "ess_sd": number(ess_sd(&equal_lengths(&energies))),
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
            "momentum_draws": trajectory.2,
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
            for (name, value) in cell_json(&chains, &self.start) {
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
}

pub(in crate::run) fn summary_json(summary: &Summary) -> Value {
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
