//! Trajectory length, number of segments and time step for the most independent samples per cost, measured on the network alone.
//!
//! The potential energy is what decorrelates slowest in crystals: with one momentum draw a trajectory exchanges it with the
//! kinetic energy only half way, so ⟨U_t|U_0⟩ keeps about half of its deviation however long the trajectory. Network
//! trajectories from fresh momenta give C(t) = corr(U_0, U_t), that is, an expected squared jump of 2(1 − C)Var U (Pasarica and
//! Gelman, Statistica Sinica 20, 343 (2010)). With independent momenta m segments leave C(t)^m, an acceptance a turns that into
//! λ = 1 − a(1 − C^m), and a geometric series gives τ = (1+λ)/(1−λ); over-relaxed ones do more
//! ([`super::over_relaxation`]). The choice is the (t, m, time step) with the least
//! τ·(cost of a label + steps·cost of a network step), with a the product of what the integrator and the network's error accept. With two
//! stages a proposal costs a label of the first, and one of the oracle for the part a that passes.

use rayon::prelude::*;

use super::over_relaxation::{autocorrelation_time, reflection};
use super::step_size::{integration_acceptance, widening};
use super::walkers::{Stretch, Walker, generator};
use super::{Masses, Range};
use crate::potential::{Potential, Workspace};
use crate::sampling::{Environment, TrajectoryPlan};

/// A choice and what it is expected to give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The factor on the time step of the measurement.
    pub widening: f64,
    /// Steps of a segment, of the new time step.
    pub steps: usize,
    /// Segments of a proposal.
    pub segments: usize,
    /// Expected autocorrelation time of the potential energy in proposals.
    pub tau: f64,
    /// C(t) at the chosen length.
    pub correlation: f64,
    /// The part of a kinetic energy's deviation that the next draw of momenta turns back; 0 for independent momenta.
    pub reflection: f64,
    /// What the integrator's error alone lets pass.
    pub integration: f64,
}

/// What network trajectories of a fixed number of steps showed.
pub(super) struct Measured {
    /// corr(U_0, U_t) for t = 1…
    pub(super) correlation: Vec<f64>,
    /// Root mean square of the change of the conserved energy between start and end, eV.
    pub(super) integration_error: f64,
}

/// Energies along each trajectory, and its error.
type Series = Vec<(Vec<f64>, f64)>;

/// Runs `trajectories` of `steps` steps of the plan's time step on the network. `None` where one diverges.
pub(super) fn energy_correlation(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    walkers: &mut [Walker],
    steps: usize,
    trajectories: usize,
    salt: u64,
) -> Option<Measured> {
    let plan = TrajectoryPlan {
        steps,
        jitter: 0.0,
        ..*plan
    };
    let each = trajectories.div_ceil(walkers.len().max(1)).max(4);
    // The first trajectories of each walker only settle it on the network's own surface.
    let settle = 2;
    let series: Vec<Option<Series>> = walkers
        .par_iter_mut()
        .enumerate()
        .map(|(index, walker)| {
            let mut workspace = Workspace::new();
            let mut generator = generator(environment, index, salt, Stretch::Correlation);
            let mut all = Vec::new();
            for trajectory in 0..settle + each {
                let seen = walker.trajectory(environment, &plan, potential, &mut workspace, &mut generator);
                if seen.diverged {
                    return None;
                }
                if trajectory >= settle {
                    all.push((seen.energies, seen.error));
                }
            }
            Some(all)
        })
        .collect();
    let series: Series = series.into_iter().collect::<Option<Vec<_>>>()?.concat();
    // The mean is the same at all times; the variance too, so both ends share them.
    let count = series.len() as f64;
    let length = steps + 1;
    let energies = || series.iter().flat_map(|(energies, _)| energies);
    let mean = energies().sum::<f64>() / (count * length as f64);
    let variance = energies().map(|u| (u - mean).powi(2)).sum::<f64>() / (count * length as f64);
    if variance.is_nan() || variance <= 0.0 {
        return None;
    }
    let correlation = (1..length).map(|t| {
        let products = series.iter().map(|(u, _)| (u[0] - mean) * (u[t] - mean));
        products.sum::<f64>() / (count * variance)
    });
    Some(Measured {
        correlation: correlation.collect(),
        integration_error: (series.iter().map(|(_, error)| error * error).sum::<f64>() / count).sqrt(),
    })
}

/// How much more than the cheapest choice a longer trajectory may cost. The potential energy alone decides little between lengths;
/// slower observables, such as long-wavelength displacements, gain from the longer one. Where all modes vibrate alike none is slower.
const WORTH: f64 = 1.1;

/// The best choice for a measured correlation, a standard deviation of the integrator's error in kT and an expected acceptance of the
/// network's error: the longest trajectories that cost at most a tenth more than the cheapest.
pub fn choose(
    correlation: &[f64],
    error: f64,
    acceptance: f64,
    plan: &TrajectoryPlan,
    range: &Range,
) -> Option<Choice> {
    let most = correlation.len();
    let smallest = (most / 16).max(1);
    let reflection = reflection(plan.momentum_draws);
    let candidates: Vec<(f64, Choice)> = (smallest..=most)
        .step_by(smallest)
        .filter_map(|steps| {
            // Average over the jitter of the length, and at least a tenth of it, to smooth what few trajectories measured.
            let half = ((plan.jitter.max(0.1) * steps as f64) as usize).max(1);
            let window = &correlation[steps.saturating_sub(half + 1)..(steps + half).min(most)];
            let mean = (window.iter().sum::<f64>() / window.len().max(1) as f64).clamp(0.0, 0.99);
            // A standard error on top, so that the luck of few trajectories does not choose.
            let smoothed = (mean + (1.0 - mean * mean) / (range.trajectories as f64).sqrt()).min(0.99);
            cheapest(steps, smoothed, error, acceptance, reflection, range)
        })
        .collect();
    let least = candidates.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min);
    let worth = if range.masses == Masses::ByElement { WORTH } else { 1.0 };
    candidates
        .into_iter()
        .rfind(|(cost, _)| *cost <= worth * least)
        .map(|(_, choice)| choice)
}

/// The number of segments and the time step for a given duration with the least cost per independent sample, and that cost.
fn cheapest(
    steps: usize,
    correlation: f64,
    error: f64,
    acceptance: f64,
    reflection: f64,
    range: &Range,
) -> Option<(f64, Choice)> {
    let factors = |segments: usize| -> Vec<f64> {
        match (range.time_step, range.integration_acceptance) {
            (false, _) => vec![1.0],
            (true, Some(target)) => vec![widening(error, segments, target)],
            (true, None) => (3..=18).map(|tenths| 0.1 * f64::from(tenths)).collect(),
        }
    };
    (1..=range.most_segments.max(1))
        .flat_map(|segments| factors(segments).into_iter().map(move |factor| (segments, factor)))
        .map(|(segments, factor)| {
            let integration = integration_acceptance(error * factor * factor, segments);
            let accepted = acceptance * integration;
            let tau = autocorrelation_time(correlation, segments, accepted, reflection);
            let steps = ((steps as f64 / factor).round() as usize).max(1);
            let cost = tau * (range.labels(accepted) + (segments * steps) as f64);
            let choice = Choice {
                widening: factor,
                steps,
                segments,
                tau,
                correlation,
                reflection,
                integration,
            };
            (cost, choice)
        })
        .filter(|(cost, _)| cost.is_finite())
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(label_cost: f64) -> Range {
        Range {
            most_steps: 64,
            most_segments: 5,
            label_cost,
            first_label_cost: None,
            // So many that the standard error, which is added to C(t), counts little.
            trajectories: 3200,
            lengths: true,
            time_step: true,
            integration_acceptance: None,
            masses: Masses::ByElement,
            jitter: false,
        }
    }

    const PLAN: TrajectoryPlan = TrajectoryPlan {
        time_step: 1.0,
        steps: 64,
        segments: 1,
        jitter: 0.1,
        band: f64::INFINITY,
        momentum_draws: 1,
    };

    /// C(t) falls to a plateau of one half, as in a crystal.
    fn crystal() -> Vec<f64> {
        (1..=64).map(|t| 0.5 + 0.5 * (-(f64::from(t)) / 8.0).exp()).collect()
    }

    #[test]
    fn dear_labels_buy_more_segments_and_shorter_steps_than_cheap_ones() {
        let dear = choose(&crystal(), 0.1, 0.95, &PLAN, &range(1e6)).unwrap();
        let cheap = choose(&crystal(), 0.1, 0.95, &PLAN, &range(1.0)).unwrap();
        assert_eq!(dear.segments, 5);
        assert!(cheap.segments < dear.segments);
        assert!(dear.tau < 1.25, "{dear:?}");
        assert!(dear.widening < cheap.widening, "{dear:?} {cheap:?}");
        assert!(dear.integration > 0.98, "{dear:?}");
        // Between lengths that serve equally well the longer one is taken.
        let duration = |choice: &Choice| choice.steps as f64 * choice.widening;
        assert!(duration(&dear) > duration(&cheap), "{dear:?} {cheap:?}");
    }

    #[test]
    fn rejections_that_cost_no_dear_label_are_worth_longer_steps() {
        let one = choose(&crystal(), 0.1, 0.95, &PLAN, &range(3000.0)).unwrap();
        let two = |first| Range {
            first_label_cost: Some(first),
            ..range(3000.0)
        };
        let cheap = choose(&crystal(), 0.1, 0.95, &PLAN, &two(1.0)).unwrap();
        assert!(cheap.integration < one.integration, "{cheap:?} {one:?}");
        // A first stage that is dear itself must not be asked in vain.
        let dear = choose(&crystal(), 0.1, 0.95, &PLAN, &two(10_000.0)).unwrap();
        assert!(dear.integration > one.integration, "{dear:?} {one:?}");
    }

    #[test]
    fn over_relaxed_momenta_need_fewer_segments_and_less_than_independent_samples() {
        let over_relaxed = TrajectoryPlan {
            momentum_draws: 3,
            ..PLAN
        };
        let chosen = |correlation: &[f64], plan| choose(correlation, 0.05, 1.0, plan, &range(1e6)).unwrap();
        let (independent, crystal) = (chosen(&crystal(), &PLAN), chosen(&crystal(), &over_relaxed));
        assert!(crystal.tau <= independent.tau, "{crystal:?} {independent:?}");
        // All energy is exchanged: two segments let neighbours differ most.
        let exchanged = chosen(&[0.0; 64], &over_relaxed);
        assert_eq!(exchanged.segments, 2);
        assert!(exchanged.tau < 0.5, "{exchanged:?}");
    }

    #[test]
    fn a_target_or_a_given_time_step_is_kept() {
        let target = Range {
            integration_acceptance: Some(0.9),
            ..range(1e4)
        };
        let chosen = choose(&crystal(), 0.5, 0.95, &PLAN, &target).unwrap();
        assert!((chosen.integration - 0.9).abs() < 1e-6, "{chosen:?}");
        let given = Range {
            time_step: false,
            ..range(1e4)
        };
        assert_eq!(choose(&crystal(), 0.5, 0.95, &PLAN, &given).unwrap().widening, 1.0);
    }
}
