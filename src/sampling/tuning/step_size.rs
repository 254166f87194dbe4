//! The time step, by dual averaging on the network's own Hamiltonian error, and what an error costs in acceptance.
//!
//! Hoffman and Gelman, J. Mach. Learn. Res. 15, 1593 (2014), section 3.2, with their constants. The error of velocity Verlet falls like
//! the square of the time step, so that a step found at a middling acceptance, where the search is well posed, tells all others.

use rayon::prelude::*;

use super::walkers::{Stretch, Walker, generator};
use crate::potential::{Potential, Workspace};
use crate::sampling::{Environment, TrajectoryPlan};

/// The acceptance that the search aims at.
pub const AIM: f64 = 0.8;

/// Iterations, each of one trajectory of every walker.
const ITERATIONS: u32 = 24;

/// No trajectory of the search has more steps.
const MOST_STEPS: usize = 400;

/// What dual averaging found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DualAveraging {
    /// The averaged time step.
    pub time_step: f64,
    /// The acceptance of the trajectories of the second half of the search.
    pub acceptance: f64,
}

/// The state of the search: x = ln ε moves against the mean excess of the aim over the acceptances seen.
struct Search {
    /// What x is drawn to.
    centre: f64,
    excess: f64,
    logarithm: f64,
    averaged: f64,
}

impl Search {
    fn new(time_step: f64) -> Self {
        Self {
            centre: (3.0 * time_step).ln(),
            excess: 0.0,
            logarithm: time_step.ln(),
            averaged: 0.0,
        }
    }

    /// Takes the acceptance seen at exp(x) in iteration t = 1, 2, ….
    fn update(&mut self, t: u32, acceptance: f64) {
        const GAMMA: f64 = 0.05;
        const T0: f64 = 10.0;
        const KAPPA: f64 = 0.75;
        let t = f64::from(t);
        let weight = 1.0 / (t + T0);
        self.excess = (1.0 - weight) * self.excess + weight * (AIM - acceptance);
        self.logarithm = self.centre - t.sqrt() / GAMMA * self.excess;
        let forget = t.powf(-KAPPA);
        self.averaged = forget * self.logarithm + (1.0 - forget) * self.averaged;
    }
}

/// The time step at which [`AIM`] of network trajectories of the duration `time` pass a Metropolis test on the network. The walkers
/// settle on the network's surface meanwhile. `None` where there is no such step.
pub(super) fn dual_averaging(
    environment: &Environment,
    plan: &TrajectoryPlan,
    time: f64,
    potential: &dyn Potential,
    walkers: &mut [Walker],
    salt: u64,
) -> Option<DualAveraging> {
    let mut generators: Vec<_> = (0..walkers.len())
        .map(|walker| generator(environment, walker, salt, Stretch::StepSize))
        .collect();
    let mut search = Search::new(plan.time_step);
    let mut seen = 0.0;
    for t in 1..=ITERATIONS {
        let time_step = search.logarithm.exp();
        let plan = TrajectoryPlan {
            time_step,
            steps: ((time / time_step).round() as usize).clamp(1, MOST_STEPS),
            ..*plan
        };
        let acceptances: Vec<f64> = walkers
            .par_iter_mut()
            .zip(&mut generators)
            .map(|(walker, generator)| {
                let seen = walker.trajectory(environment, &plan, potential, &mut Workspace::new(), generator);
                let acceptance = (-seen.error / environment.thermal_energy).exp().min(1.0);
                if seen.diverged { 0.0 } else { acceptance }
            })
            .collect();
        let mean = acceptances.iter().sum::<f64>() / acceptances.len().max(1) as f64;
        if t > ITERATIONS / 2 {
            seen += mean;
        }
        search.update(t, mean);
    }
    let time_step = search.averaged.exp();
    let acceptance = seen / f64::from(ITERATIONS - ITERATIONS / 2);
    (time_step.is_finite() && time_step > 0.0 && acceptance > 0.1).then_some(DualAveraging { time_step, acceptance })
}

/// The part of proposals that the integrator's error alone lets pass: erfc(s√m/√8) for m segments whose Hamiltonian each changes by a
/// normal number of standard deviation s·kT, whose mean ⟨exp(−βΔH)⟩ = 1 fixes (Gupta, Irbäck, Karsch and Petersson, Phys. Lett. B
/// 242, 437 (1990)).
pub fn integration_acceptance(error: f64, segments: usize) -> f64 {
    libm::erfc(error * (segments as f64 / 8.0).sqrt())
}

/// The factor on the time step at which the integrator alone would let `target` pass, for errors that grow like its square; no more
/// than 1.8 and no less than a tenth.
pub(super) fn widening(error: f64, segments: usize, target: f64) -> f64 {
    let passes = |factor: f64| integration_acceptance(error * factor * factor, segments) >= target;
    let (mut low, mut high) = (0.1, 1.8);
    if passes(high) {
        return high;
    }
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if passes(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_the_step_of_a_known_acceptance() {
        // P = erfc((ε/2)²): 0.8 at (ε/2)² = 0.17914.
        let mut search = Search::new(0.1);
        for t in 1..=200 {
            let step = search.logarithm.exp();
            search.update(t, libm::erfc((0.5 * step).powi(2)));
        }
        let expected = 2.0 * 0.179_143_f64.sqrt();
        assert!(
            (search.averaged.exp() / expected - 1.0).abs() < 0.05,
            "{}",
            search.averaged.exp()
        );
    }

    #[test]
    fn a_step_is_widened_to_the_target_and_no_further() {
        let factor = widening(0.5, 2, 0.95);
        assert!((integration_acceptance(0.5 * factor * factor, 2) - 0.95).abs() < 1e-6);
        assert_eq!(widening(0.0, 1, 0.99), 1.8);
    }
}
