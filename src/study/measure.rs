//! What one run of a study gives: one row a phase.

use crate::analysis::acceptance::EnergyError;
use crate::run::results::Results;
use crate::sampling::{Outcome, Phase};
use crate::units::BOLTZMANN;

/// The numbers of one run; what does not exist is NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Atoms.
    pub atoms: usize,
    /// Fraction of averaged proposals accepted.
    pub acceptance: f64,
    /// Autocorrelation time of the potential energy in samples.
    pub tau: f64,
    /// Effective samples of the potential energy.
    pub ess: f64,
    /// Of all chains per oracle call of the sampling phase.
    pub ess_per_call: f64,
    /// Per oracle call of all phases.
    pub ess_per_call_total: f64,
    /// Per second of counted cost while sampling.
    pub ess_per_second: f64,
    /// Labels in the training set of the frozen network.
    pub labels_to_freeze: f64,
    /// Standard deviation σ of U_oracle − U_network, meV.
    pub error: f64,
    /// βσ√(1−ρ).
    pub beta_sigma: f64,
    /// Mean potential energy per atom, eV.
    pub energy: f64,
    rows: Vec<Row>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    phase: &'static str,
    cells: Vec<f64>,
}

/// The columns of the tidy table, in order; documented in docs/studies.md.
const COLUMNS: [&str; 23] = [
    "atoms",
    "temperature_k",
    "steps",
    "oracle_calls",
    "network_steps",
    "acceptance",
    "diverged",
    "unphysical",
    "energy_error_mev",
    "energy_error_correlation",
    "beta_sigma_effective",
    "acceptance_predicted",
    "potential_energy_ev",
    "potential_energy_mcse_ev",
    "tau",
    "ess_bulk",
    "ess_sd",
    "rhat",
    "ess_per_oracle_call",
    "ess_per_oracle_call_total",
    "ess_per_second",
    "labels_to_freeze",
    "cost_seconds",
];

/// The head of the tidy table.
pub fn rows_header() -> String {
    format!("variant,group,x,seed,phase,{}\n", COLUMNS.join(","))
}

/// The rows of one run in the tidy table, each beginning with `prefix` (variant, group, x and seed).
pub fn phase_rows(prefix: &str, measured: &Measured) -> String {
    let mut text = String::new();
    for row in &measured.rows {
        let cells: Vec<String> = row
            .cells
            .iter()
            .map(|x| if x.is_finite() { format!("{x}") } else { String::new() })
            .collect();
        text.push_str(&format!("{prefix},{},{}\n", row.phase, cells.join(",")));
    }
    text
}

/// What everything is counted with, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// A call of the oracle.
    pub oracle: f64,
    /// A label of the first of two stages.
    pub first_stage: f64,
    /// A time step on a network.
    pub step: f64,
}

/// Measures a run.
pub fn measure(results: &Results, costs: &Costs) -> Measured {
    let analysis = results.analysis().json;
    let get = |path: &str| {
        analysis
            .pointer(path)
            .and_then(serde_json::Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    // A chain that never moved has as many "effective" samples as steps by ArviZ's convention, and no error of its network:
    // it measures nothing.
    let moved = get("/potential_energy/sd") > 0.0;
    let of_moving = |value: f64| if moved { value } else { f64::NAN };
    let calls = results.oracle_calls();
    let beta = 1.0 / results.thermal_energy;
    let frozen = results.generations.iter().rfind(|generation| generation.frozen);
    let mut rows = Vec::new();
    let mut sampling_cost = f64::NAN;
    let (mut averaged_sigma, mut averaged_effective) = (f64::NAN, f64::NAN);
    for (phase, name, phase_calls) in [
        (Phase::Bootstrap, "bootstrap", calls.bootstrap),
        (Phase::Learning, "learning", calls.learning),
        (Phase::Sampling, "sampling", calls.sampling),
    ] {
        let [mut steps, mut network_steps, mut accepted, mut diverged, mut unphysical] = [0.0_f64; 5];
        let mut first_stage_calls = 0.0;
        // The error is that of the states that are averaged.
        let discard = if phase == Phase::Sampling {
            results.config.sampling.discard
        } else {
            0
        };
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (chain, decisions) in results.decisions.iter().enumerate() {
            let (mut start, mut end) = (Vec::new(), Vec::new());
            let mut of_chain = 0;
            for (decision, before) in decisions.iter().zip(results.before(chain)) {
                if decision.phase == phase {
                    steps += 1.0;
                    of_chain += 1;
                    first_stage_calls += decision.first_stage.map_or(0.0, |stage| f64::from(stage.calls));
                    match decision.outcome {
                        Outcome::Accepted => accepted += 1.0,
                        Outcome::Rejected => {}
                        Outcome::Diverged => diverged += 1.0,
                        Outcome::Unphysical => unphysical += 1.0,
                    }
                    if let Some(network) = decision.network {
                        network_steps += f64::from(decision.steps);
                        if of_chain > discard
                            && let (Some(before), Some(proposed)) = (before, decision.energy_proposed)
                        {
                            start.push(before - network[0]);
                            end.push(proposed - network[1]);
                        }
                    }
                }
            }
            starts.push(start);
            ends.push(end);
        }
        let error = EnergyError::from_proposals(&starts, &ends);
        let known = error.proposals > 2;
        let or = |condition: bool, value: f64| if condition { value } else { f64::NAN };
        let effective = or(known, error.effective(beta));
        let cost =
            phase_calls as f64 * costs.oracle + first_stage_calls * costs.first_stage + network_steps * costs.step;
        let sampling = phase == Phase::Sampling;
        if sampling {
            sampling_cost = cost;
            (averaged_sigma, averaged_effective) = (or(known, 1e3 * error.std), effective);
        }
        if phase_calls == 0 && steps == 0.0 {
            continue;
        }
        let count = steps.max(1.0);
        rows.push(Row {
            phase: name,
            cells: vec![
                results.start.len() as f64,
                results.thermal_energy / BOLTZMANN,
                steps,
                phase_calls as f64,
                network_steps,
                or(steps > 0.0, accepted / count),
                or(steps > 0.0, diverged / count),
                or(steps > 0.0, unphysical / count),
                or(known, 1e3 * error.std),
                or(known, error.correlation),
                effective,
                or(known, error.predicted_acceptance(beta)),
                or(sampling, get("/potential_energy/mean")),
                or(sampling, get("/potential_energy/mcse")),
                or(sampling && moved, get("/potential_energy/tau")),
                or(sampling && moved, get("/potential_energy/ess_bulk")),
                or(sampling && moved, get("/potential_energy/ess_sd")),
                or(sampling, get("/potential_energy/rhat")),
                or(sampling && moved, get("/ess_per_oracle_call")),
                or(sampling && moved, get("/ess_per_oracle_call_total")),
                or(sampling && moved, get("/potential_energy/ess_bulk") / cost),
                or(sampling, frozen.map_or(f64::NAN, |generation| generation.labels as f64)),
                cost,
            ],
        });
    }
    let ess = of_moving(get("/potential_energy/ess_bulk"));
    let samples = get("/samples");
    Measured {
        atoms: results.start.len(),
        acceptance: get("/acceptance"),
        tau: samples / ess,
        ess,
        ess_per_call: of_moving(get("/ess_per_oracle_call")),
        ess_per_call_total: of_moving(get("/ess_per_oracle_call_total")),
        ess_per_second: ess / sampling_cost,
        labels_to_freeze: frozen.map_or(f64::NAN, |generation| generation.labels as f64),
        error: of_moving(averaged_sigma),
        beta_sigma: of_moving(averaged_effective),
        energy: get("/potential_energy/mean") / results.start.len() as f64,
        rows,
    }
}
