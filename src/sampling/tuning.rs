//! Trajectory length and number of segments for the most independent samples per cost, tuned on the network alone.
//!
//! The potential energy is what decorrelates slowest in crystals: with one momentum draw a trajectory exchanges it with the
//! kinetic energy only half way, so ⟨U_t|U_0⟩ keeps about half of its deviation however long the trajectory. Network
//! trajectories from fresh momenta give C(t) = corr(U_0, U_t); m segments leave C(t)^m, an acceptance a turns that into
//! λ = 1 − a(1 − C^m), and a geometric series gives τ = (1+λ)/(1−λ). The choice is the (t, m) with the least
//! τ·(cost of a label + m·t·cost of a network step).

use rayon::prelude::*;

use crate::potential::{Potential, Workspace};
use crate::rng::{Purpose, stream};
use crate::sampling::{Environment, TrajectoryPlan};
use crate::structure::Structure;

/// What is tuned within.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Steps of a segment are chosen up to this.
    pub most_steps: usize,
    /// Segments are chosen from one up to this.
    pub most_segments: usize,
    /// Cost of an oracle call in network steps.
    pub label_cost: f64,
    /// Network trajectories to measure C(t) with.
    pub trajectories: usize,
    /// Whether lengths are measured at all; otherwise those of the configuration serve once the network is trusted.
    pub measure: bool,
}

/// A choice and what it is expected to give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuned {
    /// Steps of a segment.
    pub steps: usize,
    /// Segments of a proposal.
    pub segments: usize,
    /// Expected autocorrelation time of the potential energy in proposals.
    pub tau: f64,
    /// C(t) at the chosen length.
    pub correlation: f64,
}

/// The correlation corr(U_0, U_t) for t = 1…`most_steps` along network trajectories, each started with fresh momenta where
/// the one before it ended; independent walkers from each start. `None` where trajectories diverge.
pub fn energy_correlation(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    starts: &[Structure],
    range: &Range,
    salt: u64,
) -> Option<Vec<f64>> {
    if starts.is_empty() {
        return None;
    }
    let walkers = 4;
    let each = range.trajectories.div_ceil(walkers).max(4);
    // The first trajectories of each walker only settle it on the network's own surface.
    let settle = 2;
    let series: Vec<Option<Vec<Vec<f64>>>> = (0..walkers)
        .into_par_iter()
        .map(|walker| {
            let mut workspace = Workspace::new();
            let mut generator = stream(environment.seed, walker as u64, salt, Purpose::Tuning);
            let mut here = starts[walker % starts.len()].clone();
            let mut labels = potential.evaluate(&here, &mut workspace);
            let mut all = Vec::new();
            for trajectory in 0..settle + each {
                let momenta = environment.kinetics.draw(environment.thermal_energy, &mut generator);
                let strain_rate = environment.draw_strain_rate(&mut generator);
                let mut energies = vec![labels.energy];
                let end = crate::dynamics::integrate_with(
                    potential,
                    environment.mover(),
                    &here,
                    momenta,
                    strain_rate,
                    &labels,
                    plan.time_step,
                    range.most_steps,
                    plan.band,
                    &mut workspace,
                    &mut |_, _, labels| energies.push(labels.energy),
                );
                if end.diverged {
                    return None;
                }
                here = end.structure;
                labels = end.labels;
                if trajectory >= settle {
                    all.push(energies);
                }
            }
            Some(all)
        })
        .collect();
    let series: Vec<Vec<f64>> = series.into_iter().collect::<Option<Vec<_>>>()?.concat();
    // The mean is the same at all times; the variance too, so both ends share them.
    let count = series.len() as f64;
    let length = range.most_steps + 1;
    let mean = series.iter().flatten().sum::<f64>() / (count * length as f64);
    let variance = series.iter().flatten().map(|u| (u - mean).powi(2)).sum::<f64>() / (count * length as f64);
    if variance.is_nan() || variance <= 0.0 {
        return None;
    }
    Some(
        (1..length)
            .map(|t| series.iter().map(|u| (u[0] - mean) * (u[t] - mean)).sum::<f64>() / (count * variance))
            .collect(),
    )
}

/// How much more than the cheapest choice a longer trajectory may cost. The potential energy alone decides little between lengths;
/// slower observables, such as long-wavelength displacements, gain from the longer one.
const WORTH: f64 = 1.1;

/// The best (steps, segments) for a measured correlation and an expected acceptance: the longest trajectories that cost at most a
/// tenth more than the cheapest.
pub fn choose(correlation: &[f64], acceptance: f64, jitter: f64, range: &Range) -> Option<Tuned> {
    let smallest = (range.most_steps / 16).max(1);
    let candidates: Vec<(f64, Tuned)> = (smallest..=range.most_steps)
        .step_by(smallest)
        .filter_map(|steps| {
            // Average over the jitter of the length, and at least a tenth of it, to smooth what few trajectories measured.
            let half = ((jitter.max(0.1) * steps as f64) as usize).max(1);
            let window = &correlation[steps.saturating_sub(half + 1)..(steps + half).min(correlation.len())];
            let smoothed = (window.iter().sum::<f64>() / window.len().max(1) as f64).clamp(0.0, 0.99);
            cheapest_segments(steps, smoothed, acceptance, range)
        })
        .collect();
    let least = candidates.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min);
    candidates
        .into_iter()
        .rfind(|(cost, _)| *cost <= WORTH * least)
        .map(|(_, tuned)| tuned)
}

/// The number of segments of a given length with the least cost per independent sample, and that cost.
fn cheapest_segments(steps: usize, correlation: f64, acceptance: f64, range: &Range) -> Option<(f64, Tuned)> {
    (1..=range.most_segments.max(1))
        .map(|segments| {
            let left = 1.0 - acceptance * (1.0 - correlation.powi(segments as i32));
            let tau = (1.0 + left) / (1.0 - left);
            let cost = tau * (range.label_cost + (segments * steps) as f64);
            let tuned = Tuned {
                steps,
                segments,
                tau,
                correlation,
            };
            (cost, tuned)
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
            trajectories: 32,
            measure: true,
        }
    }

    #[test]
    fn dear_labels_buy_more_segments_than_cheap_ones() {
        // C(t) falls to a plateau of one half, as in a crystal.
        let correlation: Vec<f64> = (1..=64).map(|t| 0.5 + 0.5 * (-(f64::from(t)) / 8.0).exp()).collect();
        let dear = choose(&correlation, 0.95, 0.1, &range(1e6)).unwrap();
        let cheap = choose(&correlation, 0.95, 0.1, &range(1.0)).unwrap();
        assert_eq!(dear.segments, 5);
        assert!(cheap.segments < dear.segments);
        assert!(dear.tau < 1.25, "{dear:?}");
        assert!(cheap.steps < 40, "{cheap:?}");
        // Between lengths that serve equally well the longer one is taken.
        assert!(dear.steps > cheap.steps, "{dear:?} {cheap:?}");
    }
}
