//! R-hat: do the chains, and the halves of each chain, agree?

use super::ranks::{median, normal_scores};
use super::{map, mean, split, valid, variance};

/// Split rank-normalised R-hat, the larger of the one for the bulk and the one for the spread (folded about the median).
/// A single chain compares its halves. NaN for constant chains.
pub fn rhat<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    let Some(chains) = valid(chains) else {
        return f64::NAN;
    };
    let halves = split(&chains);
    let centre = median(&halves);
    let bulk = potential_scale_reduction(&normal_scores(&halves));
    let spread = potential_scale_reduction(&normal_scores(&map(&halves, |x| (x - centre).abs())));
    if bulk.is_nan() { bulk } else { bulk.max(spread) }
}

/// √(((n − 1)/n·W + B/n)/W) with the variances W within and B/n between chains of length n (Gelman and Rubin, Statistical
/// Science 7, 457 (1992)).
fn potential_scale_reduction(chains: &[Vec<f64>]) -> f64 {
    let draws = chains[0].len() as f64;
    let means: Vec<f64> = chains.iter().map(mean).collect();
    let variances: Vec<f64> = chains.iter().map(variance).collect();
    let within = mean(&variances);
    let between = draws * variance(&means);
    ((between / within + draws - 1.0) / draws).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_apart_are_seen() {
        let wave = |shift: f64, scale: f64| -> Vec<f64> {
            (0..100)
                .map(|i| shift + scale * (f64::from(i * i) * 0.731).sin())
                .collect()
        };
        assert!(rhat(&[wave(0.0, 1.0), wave(0.1, 1.0)]) < 1.02);
        assert!(rhat(&[wave(0.0, 1.0), wave(2.0, 1.0)]) > 1.5);
        // Same centre, other width: only the folded ranks can tell.
        assert!(rhat(&[wave(0.0, 1.0), wave(0.0, 5.0)]) > 1.2);
        // One chain that drifts.
        assert!(rhat(&[(0..100).map(f64::from).collect::<Vec<_>>()]) > 1.5);
    }

    #[test]
    fn constant_chains_have_none() {
        assert!(rhat(&[[1.0; 8], [1.0; 8]]).is_nan());
    }
}
