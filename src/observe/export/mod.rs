//! A run's numbers for other programs: ArviZ's groups and tables of comma-separated values.

mod inference;
mod table;

pub use inference::inference_data;
pub use table::{means_table, networks_table, quoted, steps_table};

use crate::run::results::Results;
use crate::sampling::Decision;

/// β·ΔH of a decision's proposal, infinite where it diverged, NaN where none was decided by it.
fn scaled_change(results: &Results, chain: usize, decision: &Decision) -> f64 {
    match decision.delta {
        Some(delta) => delta / results.thermal_energy_at(chain, decision),
        None if decision.outcome == crate::sampling::Outcome::Diverged => f64::INFINITY,
        None => f64::NAN,
    }
}

/// The time step in force at a decision, fs.
fn time_step(results: &Results, decision: &Decision) -> f64 {
    let own = decision.generation.and_then(|generation| {
        let found = results.generations.iter().find(|own| own.generation == generation)?;
        Some(found.trajectory.time_step)
    });
    own.unwrap_or(results.config.trajectory.time_step.value()) / crate::units::FEMTOSECOND
}
