//! Statistics of one observable over several chains: effective sample sizes, R-hat, standard errors, autocorrelation time.
//!
//! Definitions: Vehtari, Gelman, Simpson, Carpenter and Bürkner, Bayesian Analysis 16, 667 (2021), in the form ArviZ
//! computes them, so that the numbers agree with `az.ess`, `az.rhat` and `az.mcse` to rounding. Two choices differ on
//! purpose: R-hat of a single chain compares its two halves (ArviZ gives nan), and a series counts as constant only
//! where all its numbers are equal, not where they differ by less than 1e-15, so that a change of units changes nothing.
//!
//! Everywhere τ = 1 + 2Σρ = samples/ESS: independent samples have τ = 1, antithetic ones τ < 1.
//!
//! A function takes the chains as a slice of slices, one per chain. Chains longer than the shortest are cut at its
//! length. NaN among the numbers, or fewer than four numbers per chain, give NaN.

mod autocovariance;
mod convergence;
mod effective;
mod error;
mod ranks;
mod special;
mod summary;

pub use autocovariance::{autocorrelation, mean_autocovariance};
pub use convergence::rhat;
pub use effective::{ess_bulk, ess_mean, ess_quantile, ess_sd, ess_tail};
pub use error::{mcse_mean, mcse_quantile, mcse_sd};
pub use ranks::{median, quantile};
pub use special::{complementary_error_function, normal_quantile, regularized_incomplete_beta};
pub use summary::{Summary, deserialize_nan};

/// Fewer numbers per chain than this have no effective sample size.
pub const FEWEST_DRAWS: usize = 4;

/// The chains at their common length, or `None` where statistics are undefined: no chain, too short, or NaN inside.
fn valid<C: AsRef<[f64]>>(chains: &[C]) -> Option<Vec<&[f64]>> {
    let common = common_length(chains);
    (common.first()?.len() >= FEWEST_DRAWS && !common.iter().any(|chain| chain.iter().any(|x| x.is_nan())))
        .then_some(common)
}

/// The chains cut at the length of the shortest.
fn common_length<C: AsRef<[f64]>>(chains: &[C]) -> Vec<&[f64]> {
    let shortest = chains.iter().map(|chain| chain.as_ref().len()).min().unwrap_or(0);
    chains.iter().map(|chain| &chain.as_ref()[..shortest]).collect()
}

/// First and second halves of all chains; the middle number of an odd chain is left out.
fn split<C: AsRef<[f64]>>(chains: &[C]) -> Vec<&[f64]> {
    let halves = |chain: &'_ C| chain.as_ref().len() / 2;
    let first = chains.iter().map(|chain| &chain.as_ref()[..halves(chain)]);
    let second = chains
        .iter()
        .map(|chain| &chain.as_ref()[chain.as_ref().len() - halves(chain)..]);
    first.chain(second).collect()
}

/// Applies a function to every number, keeping the chains apart.
fn map(chains: &[&[f64]], function: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains
        .iter()
        .map(|chain| chain.iter().map(|x| function(*x)).collect())
        .collect()
}

/// The arithmetic mean, summed in order as differences from the first number: a constant's mean is the constant.
pub(super) fn mean<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    let mut numbers = numbers.into_iter();
    let Some(first) = numbers.next() else {
        return f64::NAN;
    };
    // An infinite number makes differences meaningless; then the sum itself says what the mean is.
    let origin = if first.is_finite() { *first } else { 0.0 };
    let start = (first - origin, 1_usize);
    let (sum, count) = numbers.fold(start, |(sum, count), x| (sum + (x - origin), count + 1));
    origin + sum / count as f64
}

/// The unbiased variance (divisor n − 1).
pub(super) fn variance<'a>(numbers: impl IntoIterator<Item = &'a f64> + Clone) -> f64 {
    let centre = mean(numbers.clone());
    let (sum, count) = numbers.into_iter().fold((0.0, 0_usize), |(sum, count), x| {
        (sum + (x - centre).powi(2), count + 1)
    });
    sum / (count as f64 - 1.0)
}
