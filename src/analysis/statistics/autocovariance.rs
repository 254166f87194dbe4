//! Autocovariance of series by fast Fourier transform, O(n log n) for any length.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::{common_length, mean};

/// The autocovariance at lags 0 to n − 1, averaged over chains of equal length n: each chain is centred on its own mean
/// and its sums are divided by n at every lag (the biased estimator, whose Fourier transform is not negative).
///
/// Two chains share one complex transform: the real part of the autocovariance of a + ib is that of a plus that of b.
pub fn mean_autocovariance<C: AsRef<[f64]>>(chains: &[C]) -> Vec<f64> {
    let chains = common_length(chains);
    let Some(length) = chains.first().map(|chain| chain.len()).filter(|n| *n > 0) else {
        return Vec::new();
    };
    let padded = (2 * length).next_power_of_two();
    let mut planner = FftPlanner::new();
    let forward = planner.plan_fft_forward(padded);
    let inverse = planner.plan_fft_inverse(padded);
    let mut scratch =
        vec![Complex::default(); forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len())];
    let mut power = vec![Complex::default(); padded];
    let mut buffer = vec![Complex::default(); padded];
    for pair in chains.chunks(2) {
        buffer.fill(Complex::default());
        let centre = mean(pair[0]);
        for (z, x) in buffer.iter_mut().zip(pair[0]) {
            z.re = x - centre;
        }
        if let Some(second) = pair.get(1) {
            let centre = mean(*second);
            for (z, x) in buffer.iter_mut().zip(*second) {
                z.im = x - centre;
            }
        }
        forward.process_with_scratch(&mut buffer, &mut scratch);
        for (sum, z) in power.iter_mut().zip(&buffer) {
            sum.re += z.norm_sqr();
        }
    }
    inverse.process_with_scratch(&mut power, &mut scratch);
    let divisor = padded as f64 * length as f64 * chains.len() as f64;
    power[..length].iter().map(|z| z.re / divisor).collect()
}

/// The normalised autocorrelation ρ(0) = 1, ρ(1), … up to `lags` entries, averaged over chains. Empty for a constant
/// series, which has none.
pub fn autocorrelation<C: AsRef<[f64]>>(chains: &[C], lags: usize) -> Vec<f64> {
    let covariance = mean_autocovariance(chains);
    match covariance.first() {
        Some(zero) if *zero > 0.0 => covariance.iter().take(lags).map(|c| c / zero).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(chain: &[f64]) -> Vec<f64> {
        let centre = mean(chain);
        (0..chain.len())
            .map(|lag| {
                let products = chain[lag..].iter().zip(chain).map(|(a, b)| (a - centre) * (b - centre));
                products.sum::<f64>() / chain.len() as f64
            })
            .collect()
    }

    #[test]
    fn transform_agrees_with_the_direct_sum() {
        let chains: Vec<Vec<f64>> = (0..3)
            .map(|k| {
                (0..37)
                    .map(|i| (f64::from(i * i + 5 * k) * 0.37).sin() + f64::from(k))
                    .collect()
            })
            .collect();
        let sums: Vec<Vec<f64>> = chains.iter().map(|c| direct(c)).collect();
        for (lag, value) in mean_autocovariance(&chains).iter().enumerate() {
            let expected = sums.iter().map(|s| s[lag]).sum::<f64>() / 3.0;
            assert!((value - expected).abs() < 1e-14, "lag {lag}: {value} {expected}");
        }
        assert!(mean_autocovariance::<Vec<f64>>(&[]).is_empty());
        assert!(autocorrelation(&[[2.0; 8]], 4).is_empty());
    }
}
