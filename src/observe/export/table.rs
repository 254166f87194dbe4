//! A run as tables of comma-separated values (RFC 4180); an empty cell is a number that does not exist.

use super::{scaled_change, time_step};
use crate::linear::determinant;
use crate::run::results::{Analysis, Results};
use crate::sampling::{Outcome, Phase};
use crate::units::{BOLTZMANN, FEMTOSECOND, GPA_PER_EV_PER_CUBIC_ANGSTROM};

/// One row a step of each chain, all phases: what the columns mean is in docs/exports.md.
pub fn steps_table(results: &Results) -> String {
    let mut text = String::from(
        "chain,step,phase,averaged,generation,outcome,potential_energy_ev,energy_proposed_ev,network_start_ev,network_end_ev,\
         kinetic_energy_ev,kinetic_temperature_k,beta_delta_h,log_uniform,segments,steps,time_step_fs,oracle_calls,\
         stress_xx_gpa,stress_yy_gpa,stress_zz_gpa,stress_yz_gpa,stress_xz_gpa,stress_xy_gpa,\
         volume_a3,cell_ax_a,cell_ay_a,cell_az_a,cell_bx_a,cell_by_a,cell_bz_a,cell_cx_a,cell_cy_a,cell_cz_a,\
         temperature_k\n",
    );
    let kept = results.kept();
    for (chain, decisions) in results.decisions.iter().enumerate() {
        let first = decisions.len() - kept.get(chain).map_or(0, |(_, own)| own.len());
        for (index, decision) in decisions.iter().enumerate() {
            let phase = match decision.phase {
                Phase::Bootstrap => "bootstrap",
                Phase::Learning => "learning",
                Phase::Sampling => "sampling",
            };
            let outcome = match decision.outcome {
                Outcome::Accepted => "accepted",
                Outcome::Rejected => "rejected",
                Outcome::Diverged => "diverged",
                Outcome::Unphysical => "unphysical",
            };
            let temperature = 2.0 * decision.kinetic / (results.degrees_of_freedom as f64 * BOLTZMANN);
            let mut cells = vec![
                chain.to_string(),
                decision.step.to_string(),
                phase.to_owned(),
                (index >= first).to_string(),
                decision
                    .generation
                    .map_or(String::new(), |generation| generation.to_string()),
                outcome.to_owned(),
                number(Some(decision.energy)),
                number(decision.energy_proposed),
                number(decision.network.map(|network| network[0])),
                number(decision.network.map(|network| network[1])),
                number(Some(decision.kinetic)),
                number(Some(temperature)),
                number(Some(scaled_change(results, chain, decision))),
                number(Some(decision.log_uniform)),
                decision.segments.to_string(),
                decision.steps.to_string(),
                number(Some((1e9 * time_step(results, decision)).round() / 1e9)),
                decision.labels.to_string(),
            ];
            for component in 0..6 {
                let stress = decision
                    .stress
                    .map(|stress| GPA_PER_EV_PER_CUBIC_ANGSTROM * stress[component]);
                cells.push(number(stress));
            }
            cells.push(number(decision.cell.map(|cell| determinant(&cell).abs())));
            for component in 0..9 {
                cells.push(number(decision.cell.map(|cell| cell[component / 3][component % 3])));
            }
            cells.push(number(Some(results.thermal_energy_at(chain, decision) / BOLTZMANN)));
            text.push_str(&cells.join(","));
            text.push('\n');
        }
    }
    text
}

/// One row a network generation.
pub fn networks_table(results: &Results) -> String {
    let mut text = String::from(
        "generation,block,labels,after_round,from_round,frozen,kept_previous,validation_error_mev,time_step_fs,steps,segments,\
         jitter,reason\n",
    );
    for own in &results.generations {
        let cells = [
            own.generation.to_string(),
            own.block.to_string(),
            own.labels.to_string(),
            own.after_round.to_string(),
            own.from_round.to_string(),
            own.frozen.to_string(),
            own.kept_previous.to_string(),
            number(own.validation_error.map(|error| 1e3 * error)),
            number(Some((1e9 * own.trajectory.time_step / FEMTOSECOND).round() / 1e9)),
            own.trajectory.steps.to_string(),
            own.trajectory.segments.to_string(),
            number(Some(own.trajectory.jitter)),
            quoted(&own.reason),
        ];
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// One row an observable: every object of `slmc analyze --json` that holds a mean and its error.
pub fn means_table(analysis: &Analysis) -> String {
    let mut text = String::from("observable,mean,mcse,ess_bulk,tau,rhat\n");
    let mut add = |name: &str, numbers: &serde_json::Value| {
        if numbers.get("mean").is_some() {
            let cell = |key: &str| number(numbers.get(key).and_then(serde_json::Value::as_f64));
            let cells = ["mean", "mcse", "ess_bulk", "tau", "rhat"].map(cell);
            text.push_str(&format!("{},{}\n", quoted(name), cells.join(",")));
        }
    };
    if let Some(all) = analysis.json.as_object() {
        for (name, numbers) in all {
            add(name, numbers);
            for (part, numbers) in numbers.as_object().into_iter().flatten() {
                add(&format!("{name}.{part}"), numbers);
            }
        }
    }
    text
}

/// A number with all its digits; empty where there is none.
fn number(value: Option<f64>) -> String {
    match value {
        Some(x) if x == f64::INFINITY => "inf".to_owned(),
        Some(x) if x.is_finite() => format!("{x:?}"),
        _ => String::new(),
    }
}

/// A cell in quotes where it needs them.
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must() {
        assert_eq!(quoted("plain words"), "plain words");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(number(None), "");
        assert_eq!(number(Some(f64::INFINITY)), "inf");
        assert_eq!(number(Some(0.1)), "0.1");
    }
}
