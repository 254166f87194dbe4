//! Oracle calls per effective sample, with an error bar.

use slmc::analysis::statistics::{ess_bulk, ess_mean};

/// A number of oracle calls per effective sample of the potential energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Calls per effective sample.
    pub calls: f64,
    /// One standard error of it.
    pub error: f64,
    /// The effective samples it rests on.
    pub effective: f64,
}

/// Effective samples of the potential energy.
///
/// With `block` = 1 those of the bulk, as `slmc analyze` counts them. Dynamics makes the autocorrelation of the energy ring
/// with the vibrations, where a sum over it that ends at the first pair of lags below zero ends too early; so a series of
/// every time step is averaged over blocks of about a vibration first, which leaves the variance of its mean alone:
/// ESS = Var(U)/Var(mean), with the mean's variance from the blocks.
pub fn effective_samples<C: AsRef<[f64]>>(energies: &[C], block: usize) -> f64 {
    if block <= 1 {
        return ess_bulk(energies);
    }
    let blocks: Vec<Vec<f64>> = energies
        .iter()
        .map(|chain| {
            let blocks = chain.as_ref().chunks_exact(block);
            blocks
                .map(|numbers| numbers.iter().sum::<f64>() / block as f64)
                .collect()
        })
        .collect();
    let steps: Vec<f64> = energies.iter().flat_map(AsRef::as_ref).copied().collect();
    let blocked: Vec<f64> = blocks.iter().flatten().copied().collect();
    ess_mean(&blocks) * variance(&steps) / variance(&blocked)
}

fn variance(numbers: &[f64]) -> f64 {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (numbers.len() as f64 - 1.0)
}

/// Calls per effective sample from the series of the potential energy of several chains and the calls they cost in all;
/// `block` as in [`effective_samples`].
///
/// The error is the delete-one-chain jackknife's (Efron and Stein, Annals of Statistics 9, 586 (1981)), so there must be
/// several chains, each much longer than its autocorrelation time; [`pieces`] makes more chains of few.
pub fn calls_per_effective_sample(energies: &[Vec<f64>], calls: f64, block: usize) -> Estimate {
    let chains = energies.len() as f64;
    let effective = effective_samples(energies, block);
    let without: Vec<f64> = (0..energies.len())
        .map(|left_out| {
            let others: Vec<&[f64]> = energies
                .iter()
                .enumerate()
                .filter(|(chain, _)| *chain != left_out)
                .map(|(_, chain)| chain.as_slice())
                .collect();
            calls * (1.0 - 1.0 / chains) / effective_samples(&others, block)
        })
        .collect();
    let mean = without.iter().sum::<f64>() / chains;
    let scatter: f64 = without.iter().map(|x| (x - mean).powi(2)).sum();
    Estimate {
        calls: calls / effective,
        error: ((chains - 1.0) / chains * scatter).sqrt(),
        effective,
    }
}

/// Chains cut into equally long pieces, at least `wanted` in all; what is left over at their ends is dropped.
pub fn pieces(chains: &[Vec<f64>], wanted: usize) -> Vec<Vec<f64>> {
    let each = wanted.div_ceil(chains.len().max(1));
    chains
        .iter()
        .flat_map(|chain| {
            let length = (chain.len() / each).max(1);
            chain.chunks_exact(length).take(each).map(<[f64]>::to_vec)
        })
        .collect()
}
