//! Effective sample sizes: of the mean, of the bulk and of the tails.

use super::autocovariance::mean_autocovariance;
use super::ranks::{normal_scores, quantile};
use super::{map, mean, split, valid, variance};

/// Effective sample size of the bulk: of the rank-normalised halves of the chains.
pub fn ess_bulk<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| {
        effective_sample_size(&normal_scores(&split(&chains)))
    })
}

/// Effective sample size of the tails: the smaller of those of the 5 % and the 95 % quantile.
pub fn ess_tail<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    let (low, high) = (ess_quantile(chains, 0.05), ess_quantile(chains, 0.95));
    if low.is_nan() || high.is_nan() {
        f64::NAN
    } else {
        low.min(high)
    }
}

/// Effective sample size of the mean: of the halves of the chains as they are. Standard errors of means rest on it.
pub fn ess_mean<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| effective_sample_size(&split(&chains)))
}

/// Effective sample size of the standard deviation: of the squared deviations from the overall mean.
pub fn ess_sd<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| {
        let centre = mean(chains.iter().copied().flatten());
        effective_sample_size(&split(&map(&chains, |x| (x - centre).powi(2))))
    })
}

/// Effective sample size of a quantile, 0 ≤ probability ≤ 1: of the indicator that a number does not exceed it.
pub fn ess_quantile<C: AsRef<[f64]>>(chains: &[C], probability: f64) -> f64 {
    valid(chains).map_or(f64::NAN, |chains| {
        let threshold = quantile(&chains, probability);
        effective_sample_size(&split(&map(&chains, |x| f64::from(u8::from(x <= threshold)))))
    })
}

/// Effective sample size of chains of equal length, as they are: variance within and between chains combined, the sum
/// over autocorrelations ended by Geyer's initial positive and monotone sequences (Geyer, Statistical Science 7, 473
/// (1992)), at most samples·log₁₀(samples) for antithetic chains (equations 10 to 14 of Vehtari et al.). Constant chains
/// count in full.
fn effective_sample_size<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    let draws = chains[0].as_ref().len();
    let samples = (chains.len() * draws) as f64;
    let first = chains[0].as_ref()[0];
    if chains.iter().all(|chain| chain.as_ref().iter().all(|x| *x == first)) {
        return samples;
    }
    let covariance = mean_autocovariance(chains);
    let means: Vec<f64> = chains.iter().map(|chain| mean(chain.as_ref())).collect();
    let within = covariance[0] * draws as f64 / (draws as f64 - 1.0);
    let total = covariance[0] + if chains.len() > 1 { variance(&means) } else { 0.0 };
    let correlation = |lag: usize| 1.0 - (within - covariance[lag]) / total;

    let mut sequence = vec![0.0; draws];
    (sequence[0], sequence[1]) = (1.0, correlation(1));
    if sequence[1].is_nan() {
        return f64::NAN;
    }

    // Pairs of lags (2k, 2k + 1), as long as their sums stay positive; `even` ends as the last even lag looked at.
    let (mut even, mut odd) = (1.0, sequence[1]);
    let mut lag = 1;
    while lag + 3 < draws && even + odd > 0.0 {
        (even, odd) = (correlation(lag + 1), correlation(lag + 2));
        if even + odd >= 0.0 {
            (sequence[lag + 1], sequence[lag + 2]) = (even, odd);
        }
        lag += 2;
    }
    // Lags below `end` count twice, the one at `end` once: it halves the variance of an alternating remainder.
    let end = lag - 1;
    if even > 0.0 {
        sequence[end] = even;
    }

    // Monotone: no pair sum may exceed the one before.
    for k in (1..end.saturating_sub(2)).step_by(2) {
        let before = sequence[k - 1] + sequence[k];
        if sequence[k + 1] + sequence[k + 2] > before {
            (sequence[k + 1], sequence[k + 2]) = (before / 2.0, before / 2.0);
        }
    }

    let time = -1.0 + 2.0 * sequence[..end].iter().sum::<f64>() + sequence[end];
    samples / time.max(1.0 / samples.log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_where_there_is_too_little() {
        assert!(ess_bulk::<Vec<f64>>(&[]).is_nan());
        assert!(ess_mean(&[vec![1.0, 2.0, 3.0]]).is_nan());
        assert!(ess_tail(&[vec![1.0, 2.0, f64::NAN, 3.0, 4.0]]).is_nan());
    }

    #[test]
    fn constant_chains_count_in_full_and_units_do_not_matter() {
        assert_eq!(ess_mean(&[[3.0; 10], [3.0; 10]]), 20.0);
        let chain: Vec<f64> = (0..50).map(|i| (f64::from(i * i) * 0.37).sin()).collect();
        let scaled: Vec<f64> = chain.iter().map(|x| x * 2.0_f64.powi(-80)).collect();
        assert_eq!(ess_mean(&[chain]), ess_mean(&[scaled]));
    }
}
