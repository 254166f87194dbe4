//! The summary of one observable: what a report prints in one line.

use serde::{Deserialize, Deserializer, Serialize};

use super::{common_length, ess_bulk, ess_mean, ess_tail, mcse_mean, mean, rhat, variance};

/// Mean, spread and convergence of one observable over chains; numbers that are undefined are NaN (null in JSON).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean over all chains, in the observable's unit.
    #[serde(deserialize_with = "deserialize_nan")]
    pub mean: f64,
    /// Standard deviation over all chains (divisor n − 1), in the observable's unit.
    #[serde(deserialize_with = "deserialize_nan")]
    pub sd: f64,
    /// Monte Carlo standard error of the mean, sd/√(ESS of the mean).
    #[serde(deserialize_with = "deserialize_nan")]
    pub mcse: f64,
    /// Effective sample size of the bulk.
    #[serde(deserialize_with = "deserialize_nan")]
    pub ess_bulk: f64,
    /// Effective sample size of the tails.
    #[serde(deserialize_with = "deserialize_nan")]
    pub ess_tail: f64,
    /// Effective sample size of the mean, the one in `mcse`.
    #[serde(deserialize_with = "deserialize_nan")]
    pub ess_mean: f64,
    /// Integrated autocorrelation time 1 + 2Σρ in samples: samples/`ess_bulk`.
    #[serde(deserialize_with = "deserialize_nan")]
    pub tau: f64,
    /// Split rank-normalised R-hat.
    #[serde(deserialize_with = "deserialize_nan")]
    pub rhat: f64,
    /// Number of chains.
    pub n_chains: usize,
    /// Number of samples over all chains, each chain at the length of the shortest.
    pub n_samples: usize,
}

impl Summary {
    /// Summarises chains; longer ones are cut at the length of the shortest.
    pub fn new<C: AsRef<[f64]>>(chains: &[C]) -> Self {
        let chains = common_length(chains);
        let n_samples = chains.iter().map(|chain| chain.len()).sum();
        let bulk = ess_bulk(&chains);
        Self {
            mean: mean(chains.iter().copied().flatten()),
            sd: variance(chains.iter().copied().flatten()).sqrt(),
            mcse: mcse_mean(&chains),
            ess_bulk: bulk,
            ess_tail: ess_tail(&chains),
            ess_mean: ess_mean(&chains),
            tau: n_samples as f64 / bulk,
            rhat: rhat(&chains),
            n_chains: chains.len(),
            n_samples,
        }
    }
}

/// Reads a number that JSON holds as null where it is not finite.
pub fn deserialize_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_chains_have_a_mean_and_survive_json() {
        let summary = Summary::new(&[vec![1.0, 2.0, 4.0], vec![3.0, 3.0]]);
        assert_eq!((summary.mean, summary.n_samples, summary.n_chains), (2.25, 4, 2));
        assert!(summary.tau.is_nan() && summary.rhat.is_nan());
        let text = serde_json::to_string(&summary).unwrap();
        let back: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(back.mean, 2.25);
        assert!(back.mcse.is_nan());
    }

    #[test]
    fn tau_is_samples_over_effective_samples() {
        let chain: Vec<f64> = (0..200)
            .map(|i| (f64::from(i) * 0.05).sin() + (f64::from(i * i) * 0.37).sin())
            .collect();
        let summary = Summary::new(&[chain]);
        assert!(summary.tau > 1.0);
        assert_eq!(summary.tau * summary.ess_bulk, 200.0);
    }
}
