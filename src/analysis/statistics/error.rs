//! Monte Carlo standard errors of means, standard deviations and quantiles.

use super::effective::{ess_mean, ess_quantile};
use super::special::beta_quantile;
use super::{map, mean, valid, variance};

/// Standard error of the mean over all chains: sd/√ESS with the effective sample size of the mean.
pub fn mcse_mean<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| {
        (variance(chains.iter().copied().flatten()) / ess_mean(&chains)).sqrt()
    })
}

/// Standard error of the standard deviation, from that of the mean of the squared deviations.
pub fn mcse_sd<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| {
        let centre = mean(chains.iter().copied().flatten());
        let squares = map(&chains, |x| (x - centre).powi(2));
        let second = mean(squares.iter().flatten());
        let fourth = mean(squares.iter().flatten().map(|x| x * x).collect::<Vec<_>>().iter());
        ((fourth - second * second) / ess_mean(&squares) / second / 4.0).sqrt()
    })
}

/// Standard error of a quantile: half the width of the interval between the order statistics that bound it with the
/// probability of one standard deviation, as the beta distribution of its effective sample size has it.
pub fn mcse_quantile<C: AsRef<[f64]>>(chains: &[C], probability: f64) -> f64 {
    // One standard deviation of a normal distribution, in the digits ArviZ uses.
    const BOUNDS: [f64; 2] = [0.158_655_3, 0.841_344_7];
    valid(chains).map_or(f64::NAN, |chains| {
        let samples = ess_quantile(&chains, probability);
        let mut sorted: Vec<f64> = chains.iter().copied().flatten().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = |bound: f64| {
            let (a, b) = (samples * probability + 1.0, samples * (1.0 - probability) + 1.0);
            beta_quantile(bound, a, b) * sorted.len() as f64 - 1.0
        };
        let low = rank(BOUNDS[0]).floor().max(0.0) as usize;
        let high = (rank(BOUNDS[1]).ceil().max(0.0) as usize).min(sorted.len() - 1);
        (sorted[high] - sorted[low]) / 2.0
    })
}
