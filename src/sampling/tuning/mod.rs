//! Adaptation on the network alone, before sampling: masses, time step, trajectory length, number of segments, jitter. No oracle
//! call is spent and no clock is read; what is found is journalled and frozen.

mod length;
mod over_relaxation;
mod preconditioner;
mod step_size;
mod walkers;

use std::sync::Arc;

use length::energy_correlation;
use step_size::dual_averaging;

use crate::dynamics::MassMatrix;
use crate::potential::Potential;
use crate::sampling::{Environment, TrajectoryPlan};
use crate::structure::Structure;
use crate::units::FEMTOSECOND;

pub use length::{Choice, choose};
pub use preconditioner::{Constants, Preconditioner, mass_matrix};
pub use step_size::integration_acceptance;

/// What is tuned, and within which range.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// A segment may last as long as so many steps of the time step that is configured.
    pub most_steps: usize,
    /// Segments are chosen from one up to this.
    pub most_segments: usize,
    /// Cost of an oracle call in network steps.
    pub label_cost: f64,
    /// Cost of a label of the first of two stages in network steps; with one the oracle is called for what passes alone.
    pub first_label_cost: Option<f64>,
    /// Network trajectories to measure C(t) with.
    pub trajectories: usize,
    /// Whether length and number of segments are tuned.
    pub lengths: bool,
    /// Whether the time step is tuned.
    pub time_step: bool,
    /// The acceptance that the integrator's error alone may leave of a proposal; `None` for the one that costs least.
    pub integration_acceptance: Option<f64>,
    /// Which masses momenta have.
    pub masses: Masses,
    /// Whether the jitter is left to be chosen with the masses.
    pub jitter: bool,
}

impl Range {
    /// The cost of a proposal's labels in network steps, where so much of the proposals passes.
    fn labels(&self, passing: f64) -> f64 {
        self.first_label_cost
            .map_or(self.label_cost, |first| first + passing * self.label_cost)
    }
}

/// The masses of momenta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masses {
    /// Of the atoms.
    ByElement,
    /// From the network's second derivatives, averaged over structures near equilibrium.
    Hessian {
        /// Modes beside the diagonal; `None` for all.
        modes: Option<usize>,
    },
    /// From the covariance of displacements along network trajectories.
    Covariance {
        /// Modes beside the diagonal.
        modes: Option<usize>,
    },
}

/// The jitter of lengths where all modes vibrate alike: it need not break the resonance of each mode, only that of all together.
const JITTER_OF_LIKE_MODES: f64 = 0.2;

/// What was found.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// How trajectories are run.
    pub plan: TrajectoryPlan,
    /// The masses, where they are not the atoms'.
    pub masses: Option<Arc<MassMatrix>>,
    /// What was tuned, and why, in a sentence.
    pub reason: String,
}

/// Tunes for a network whose error alone would let `acceptance` of proposals pass. `None` where trajectories diverge.
pub fn tune(
    environment: &Environment,
    initial: &TrajectoryPlan,
    potential: &dyn Potential,
    starts: &[Structure],
    range: &Range,
    acceptance: f64,
    salt: u64,
) -> Option<Tuned> {
    let mut environment = environment.clone();
    let mut plan = *initial;
    let mut time = plan.steps as f64 * plan.time_step;
    let mut longest = range.most_steps as f64 * plan.time_step;
    let mut reason = String::new();
    let preconditioner = preconditioner::build(&environment, &plan, potential, starts, range.masses, salt);
    if range.masses != Masses::ByElement {
        let Some(found) = preconditioner else {
            return Some(Tuned {
                plan,
                masses: None,
                reason: "no mass matrix could be made from this network: masses by element, trajectories as configured"
                    .to_owned(),
            });
        };
        // A quarter of the common period exchanges potential and kinetic energy, and turns displacements into momenta.
        time = 0.5 * std::f64::consts::PI / found.frequency;
        longest = 2.5 * time;
        if range.jitter {
            plan.jitter = JITTER_OF_LIKE_MODES;
        }
        reason = format!("{}; ", found.reason);
        let matrix = Arc::new(found.matrix);
        environment.kinetics = environment.kinetics.with_mass_matrix(Some(matrix));
    }
    let masses = environment.kinetics.mass_matrix().cloned();
    let mut here = walkers::start(starts, potential);
    if range.time_step {
        let found = dual_averaging(&environment, &plan, time, potential, &mut here, salt)?;
        reason.push_str(&format!(
            "steps of {:.2} fs let {:.2} of network trajectories pass (dual averaging); ",
            found.time_step / FEMTOSECOND,
            found.acceptance
        ));
        // Where a quarter of the error's standard deviation is left, the choice below starts.
        plan.time_step = 0.5 * found.time_step;
    }
    plan.steps = ((time / plan.time_step).round() as usize).max(1);
    if !range.lengths {
        if range.time_step {
            // Inner trajectories are decided on the network, so that an error costs no oracle call.
            let target = range.integration_acceptance.unwrap_or(0.9);
            let steps = plan.steps;
            let measured = energy_correlation(
                &environment,
                &plan,
                potential,
                &mut here,
                steps,
                range.trajectories / 2,
                salt,
            )?;
            plan.time_step *= step_size::widening(measured.integration_error / environment.thermal_energy, 1, target);
            plan.steps = ((time / plan.time_step).round() as usize).max(1);
            reason.push_str(&format!("{:.2} fs, {target:.2} of them", plan.time_step / FEMTOSECOND));
        } else {
            reason.push_str("length as configured");
        }
        return Some(Tuned { plan, masses, reason });
    }
    let most = ((longest / plan.time_step).round() as usize).max(1);
    let measured = energy_correlation(
        &environment,
        &plan,
        potential,
        &mut here,
        most,
        range.trajectories,
        salt,
    )?;
    let noise = measured.integration_error / environment.thermal_energy;
    let chosen = choose(&measured.correlation, noise, acceptance, &plan, range)?;
    plan.time_step *= chosen.widening;
    plan.steps = chosen.steps;
    plan.segments = chosen.segments;
    reason.push_str(&format!(
        "{} {} of {} steps of {:.2} fs: on the network the potential energy keeps {:.2} of its deviation over a segment{}; \
         with {:.3} accepted of the integrator and {acceptance:.2} of the network's error, tau {:.2} in {} of {} network steps",
        chosen.segments,
        if chosen.segments == 1 { "segment" } else { "segments" },
        chosen.steps,
        plan.time_step / FEMTOSECOND,
        chosen.correlation,
        match plan.momentum_draws {
            0 | 1 => String::new(),
            draws => format!(", momenta of {draws} draws turn kinetic energies back by {:.2}", chosen.reflection),
        },
        chosen.integration,
        chosen.tau,
        range.first_label_cost.map_or("oracle calls".to_owned(), |first| format!(
            "proposals, each a first-stage label of {first} and, where it passes, an oracle call"
        )),
        range.label_cost,
    ));
    Some(Tuned { plan, masses, reason })
}
