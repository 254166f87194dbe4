//! Acceptance and its theory: ⟨exp(−βΔH)⟩, the error of the network along proposals, and the acceptance it predicts.

use serde::{Deserialize, Serialize};

use super::statistics::{self, complementary_error_function, deserialize_nan};

/// Beyond this βσ√(1−ρ) an average of exp(−βΔH) is dominated by draws too rare to be seen.
pub const RELIABLE_BETA_SIGMA: f64 = 1.5;

/// ⟨exp(−βΔH)⟩ over proposals; in equilibrium it is one, whatever the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExponentialAverage {
    /// The average.
    #[serde(deserialize_with = "deserialize_nan")]
    pub mean: f64,
    /// Its Monte Carlo standard error, autocorrelation included.
    #[serde(deserialize_with = "deserialize_nan")]
    pub mcse: f64,
    /// Whether the average means anything: neither βσ√(1−ρ) nor √⟨βΔH⟩ exceeds [`RELIABLE_BETA_SIGMA`], a standard error
    /// exists, and no more than that of the average is due to draws too rare to be seen.
    pub reliable: bool,
}

/// The average of exp(−βΔH) over the proposals of several chains, accepted or not.
///
/// `beta_delta_h` holds β times the change of the oracle's energy plus the kinetic energies' changes for each proposal of
/// each chain. Proposals that diverged carry +∞ and are left out: the divergence test gives the same answer for the
/// reversed path, so the average over the remaining paths is one all the same. `beta_sigma_effective` is βσ√(1−ρ), see
/// [`EnergyError::effective`].
///
/// σ does not know of everything that changes H: hard cores, forces that derive from no energy, long time steps. Where the
/// energy error alone changes H, ⟨βΔH⟩ is (βσ)²(1−ρ), so the same limit holds for its root. And the reversed path has −ΔH and exp(−βΔH) times the weight, so what draws with βΔH < −x contribute to the average is the part
/// of draws with βΔH > x. Among n proposals none below −ln n is to be expected: the part of them above ln n is missing
/// from the average, and where it exceeds the standard error the average is not reliable.
///
/// Creutz, Phys. Rev. D 38, 1228 (1988); for the symmetry Crooks, Phys. Rev. E 60, 2721 (1999).
pub fn exponential_average<C: AsRef<[f64]>>(beta_delta_h: &[C], beta_sigma_effective: f64) -> ExponentialAverage {
    let mut works: Vec<Vec<f64>> = Vec::new();
    for chain in beta_delta_h {
        works.push(chain.as_ref().iter().copied().filter(|x| *x != f64::INFINITY).collect());
    }
    let weights: Vec<Vec<f64>> = works
        .iter()
        .map(|chain| chain.iter().map(|x| (-x).exp()).collect())
        .collect();
    let mean_work = statistics::mean(works.iter().flatten());
    let summary = statistics::Summary::new(&weights);
    ExponentialAverage {
        mean: summary.mean,
        mcse: summary.mcse,
        reliable: summary.mcse.is_finite()
            && beta_sigma_effective <= RELIABLE_BETA_SIGMA
            && mean_work <= RELIABLE_BETA_SIGMA * RELIABLE_BETA_SIGMA
            && missing_part(&weights) <= summary.mcse,
    }
}

/// The part of n weights exp(−βΔH) below 1/n: what their average lacks because its counterparts are too rare to be seen.
fn missing_part(weights: &[Vec<f64>]) -> f64 {
    let count = weights.iter().map(Vec::len).sum::<usize>() as f64;
    let tiny = weights.iter().flatten().filter(|weight| **weight * count < 1.0);
    tiny.count() as f64 / count
}

/// The acceptance that a Gaussian error of the total energy predicts: erfc((βσ/2)·√(1−ρ)).
///
/// `beta_sigma` is β times the standard deviation σ of U_oracle − U_network over the ensemble, ρ its correlation between
/// the two ends of a proposal. Gupta, Irbäck, Karsch and Petersson, Phys. Lett. B 242, 437 (1990), with
/// ⟨βΔH⟩ = (βσ)²(1−ρ).
pub fn predicted_acceptance(beta_sigma: f64, correlation: f64) -> f64 {
    complementary_error_function(0.5 * effective_beta_sigma(beta_sigma, correlation))
}

/// βσ√(1−ρ), the part of the error that a proposal feels; a correlation above one counts as one.
pub fn effective_beta_sigma(beta_sigma: f64, correlation: f64) -> f64 {
    beta_sigma * (1.0 - correlation).max(0.0).sqrt()
}

/// How far the network's total energy is from the oracle's, up to a constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnergyError {
    /// Standard deviation of U_oracle − U_network over the chain's states, eV.
    #[serde(deserialize_with = "deserialize_nan")]
    pub std: f64,
    /// Correlation ρ of the error at the start of a proposal with that at its end. NaN where the error does not vary.
    #[serde(deserialize_with = "deserialize_nan")]
    pub correlation: f64,
    /// Number of proposals with both ends known.
    pub proposals: usize,
}

impl EnergyError {
    /// From the errors U_oracle − U_network (eV) at the start and at the end of each proposal, chain by chain. Starts are
    /// the chain's states, repeated where proposals were rejected. A proposal without a finite end counts for the
    /// standard deviation only. Series are cut at the shorter of the two.
    pub fn from_proposals<C: AsRef<[f64]>>(starts: &[C], ends: &[C]) -> Self {
        let pairs: Vec<(f64, f64)> = starts
            .iter()
            .zip(ends)
            .flat_map(|(start, end)| start.as_ref().iter().copied().zip(end.as_ref().iter().copied()))
            .filter(|(start, _)| start.is_finite())
            .collect();
        let states: Vec<f64> = pairs.iter().map(|(start, _)| *start).collect();
        let (start, end): (Vec<f64>, Vec<f64>) = pairs.into_iter().filter(|(_, end)| end.is_finite()).unzip();
        Self {
            std: statistics::variance(&states).sqrt(),
            correlation: correlation(&start, &end),
            proposals: start.len(),
        }
    }

    /// βσ√(1−ρ) at the inverse temperature β (1/eV); an undefined correlation counts as none.
    pub fn effective(&self, beta: f64) -> f64 {
        effective_beta_sigma(beta * self.std, self.correlation_or_none())
    }

    /// The acceptance this error predicts at the inverse temperature β (1/eV).
    pub fn predicted_acceptance(&self, beta: f64) -> f64 {
        predicted_acceptance(beta * self.std, self.correlation_or_none())
    }

    fn correlation_or_none(&self) -> f64 {
        if self.correlation.is_nan() {
            0.0
        } else {
            self.correlation
        }
    }
}

/// Pearson's correlation of two series of one length; NaN where either does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (centre_a, centre_b) = (statistics::mean(a), statistics::mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - centre_a, y - centre_b);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    fn normal(count: usize, chain: u64) -> Vec<f64> {
        let mut generator = stream(11, chain, 0, Purpose::Start);
        (0..count).map(|_| StandardNormal.sample(&mut generator)).collect()
    }

    #[test]
    fn gaussian_work_averages_to_one() {
        // βΔH normal with mean v/2 and variance v: the exact average of exp(−βΔH) is one.
        for effective in [0.2_f64, 0.7] {
            let v = 2.0 * effective * effective;
            let chains: Vec<Vec<f64>> = (0..4)
                .map(|c| normal(20_000, c).iter().map(|z| v / 2.0 + v.sqrt() * z).collect())
                .collect();
            let average = exponential_average(&chains, effective);
            assert!(average.reliable);
            assert!((average.mean - 1.0).abs() < 5.0 * average.mcse, "{average:?}");
            // The lognormal's own standard error is √((e^v − 1)/n).
            let exact = ((v.exp() - 1.0) / 80_000.0).sqrt();
            assert!((average.mcse / exact - 1.0).abs() < 0.2, "{average:?} {exact}");
            // The accepted fraction follows the law.
            let accepted: f64 = chains.iter().flatten().map(|x| (-x).exp().min(1.0)).sum::<f64>() / 80_000.0;
            assert!((accepted - predicted_acceptance(effective, 0.0)).abs() < 0.01);
        }
        assert!(!exponential_average(&[normal(100, 9)], 1.6).reliable);
        assert!(!exponential_average(&[normal(3, 9)], 0.1).reliable);
    }

    #[test]
    fn what_the_energy_error_does_not_know_of_makes_unreliable() {
        // One proposal in ten runs into a hard core; the draws that would make up for it are never seen.
        let works: Vec<f64> = (0..10_000).map(|i| if i % 10 == 0 { 1e4 } else { 0.0 }).collect();
        let average = exponential_average(&[works], 0.1);
        assert!((average.mean - 0.9).abs() < 1e-12 && !average.reliable, "{average:?}");
        // Softer cores: the part that is missing is seen now and then, but not often enough.
        let works: Vec<f64> = (0..10_000).map(|i| if i % 3 == 0 { 8.0 } else { 0.0 }).collect();
        assert!(!exponential_average(&[works], 0.1).reliable);
    }

    #[test]
    fn diverged_proposals_are_left_out() {
        let average = exponential_average(&[[0.0, f64::INFINITY, 0.0, 0.0, 0.0]], 0.0);
        assert_eq!((average.mean, average.mcse), (1.0, 0.0));
    }

    #[test]
    fn published_acceptances() {
        // 72 atoms at 300 K: 0.2, 0.5 and 1 meV per atom of uncorrelated error.
        let beta = 1.0 / (crate::units::BOLTZMANN * 300.0);
        for (error, acceptance) in [(0.2e-3, 0.69), (0.5e-3, 0.33), (1.0e-3, 0.05)] {
            assert!((predicted_acceptance(beta * 72.0 * error, 0.0) - acceptance).abs() < 0.006);
        }
        assert_eq!(predicted_acceptance(3.0, 1.0), 1.0);
    }

    #[test]
    fn correlation_along_proposals_is_found() {
        let (a, b) = (normal(40_000, 1), normal(40_000, 2));
        let ends: Vec<f64> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| 0.02 * (0.6 * a + 0.8 * b) + 5.0)
            .collect();
        let starts: Vec<f64> = a.iter().map(|a| 0.02 * a + 5.0).collect();
        let error = EnergyError::from_proposals(&[starts], &[ends]);
        assert!(
            (error.std - 0.02).abs() < 4e-4 && (error.correlation - 0.6).abs() < 0.02,
            "{error:?}"
        );
        let flat = EnergyError::from_proposals(&[[1.0, 1.0, f64::NAN]], &[[1.0, f64::INFINITY, 1.0]]);
        assert_eq!((flat.std, flat.proposals), (0.0, 1));
        assert_eq!(flat.predicted_acceptance(40.0), 1.0);
    }
}
