//! What over-relaxed momenta do to the autocorrelation time of the potential energy.
//!
//! A segment conserves U + K, and both are distributed as before at its end. With C = corr(U_0, U_t) and equal variances, as in a crystal,
//! this fixes all four coefficients of their regression: U_t = C·U_0 + (1 − C)·K_0, K_t = (1 − C)·U_0 + C·K_0 in deviations from the
//! mean. A draw then leaves −r of the deviation of K. With the product B of those steps over a proposal, rejections included, the energies of
//! proposals k apart have the correlation (Bᵏ)_UU, and τ = 2[(1 − B)⁻¹]_UU − 1. Independent momenta, r = 0, leave the geometric series of C.

use rand_distr::{Distribution, StandardNormal};

use crate::rng::{Purpose, stream};
use crate::sampling::slhmc::opposite;

/// Draws that the coefficient is estimated from.
const TRIALS: usize = 20_000;

/// r = −corr(K, K′) of a draw among so many momenta, for a kinetic energy of many degrees of freedom, which is normally distributed: by
/// simulation with fixed random numbers, within 0.01.
pub(super) fn reflection(draws: usize) -> f64 {
    if draws <= 1 {
        return 0.0;
    }
    let mut generator = stream(0, 0, draws as u64, Purpose::Tuning);
    let mut sum = 0.0;
    for _ in 0..TRIALS {
        let before: f64 = StandardNormal.sample(&mut generator);
        let mut others: Vec<f64> = (0..draws).map(|_| StandardNormal.sample(&mut generator)).collect();
        others.sort_by(f64::total_cmp);
        let below = others.iter().filter(|x| **x < before).count();
        sum -= before * others[opposite(below, draws)];
    }
    sum / TRIALS as f64
}

/// A 2 × 2 matrix on the deviations of U and K.
type Matrix = [[f64; 2]; 2];

fn product(a: Matrix, b: Matrix) -> Matrix {
    let entry = |i: usize, j: usize| a[i][0] * b[0][j] + a[i][1] * b[1][j];
    [[entry(0, 0), entry(0, 1)], [entry(1, 0), entry(1, 1)]]
}

/// The autocorrelation time of the potential energy in proposals of so many segments, each with correlation C, of which the part
/// `accepted` passes, with momenta of a given reflection r.
///
/// It is what Geyer's initial positive sequence shows of it (Statistical Science 7, 473 (1992)), which errors rest on: pairs of
/// lags count until their sum is negative. With an odd number of segments the anticorrelation begins at the second lag, where it ends the
/// sequence.
pub(super) fn autocorrelation_time(correlation: f64, segments: usize, accepted: f64, reflection: f64) -> f64 {
    let (kept, given) = (correlation, 1.0 - correlation);
    let segment = [[kept, given], [-reflection * given, -reflection * kept]];
    let through = (1..segments.max(1)).fold(segment, |matrix, _| product(segment, matrix));
    let rejected = [[1.0, 0.0], [0.0, -reflection]];
    let mut proposal = [[0.0; 2]; 2];
    for i in 0..2 {
        for j in 0..2 {
            proposal[i][j] = accepted * through[i][j] + (1.0 - accepted) * rejected[i][j];
        }
    }
    let (mut power, mut sum) = (proposal, 0.0);
    let mut even = 1.0;
    for _ in 0..PAIRS {
        let odd = power[0][0];
        if even + odd < 0.0 {
            return 2.0 * sum - 1.0;
        }
        sum += even + odd;
        power = product(proposal, power);
        even = power[0][0];
        power = product(proposal, power);
    }
    // No pair is negative: the whole series.
    let [[a, b], [c, d]] = proposal;
    2.0 * (1.0 - d) / ((1.0 - a) * (1.0 - d) - b * c) - 1.0
}

/// Pairs of lags that are looked at one by one; a sequence that turns negative later than that has nothing left to count.
const PAIRS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_momenta_give_the_geometric_series() {
        assert_eq!(reflection(1), 0.0);
        for (correlation, segments, accepted) in [(0.5, 1, 1.0), (0.5, 3, 0.8), (0.0, 1, 0.9), (0.9, 2, 0.02)] {
            let kept: f64 = 1.0 - accepted * (1.0 - f64::powi(correlation, segments));
            let tau = autocorrelation_time(correlation, segments as usize, accepted, 0.0);
            assert!((tau - (1.0 + kept) / (1.0 - kept)).abs() < 1e-9, "{tau}");
        }
    }

    #[test]
    fn an_exchange_of_all_energy_shows_the_reflection_at_every_second_segment() {
        let r = 0.4;
        let two = autocorrelation_time(0.0, 2, 1.0, r);
        assert!((two - (1.0 - r) / (1.0 + r)).abs() < 1e-9, "{two}");
        // The pair of lags 2 and 3 is negative and ends the sequence before it counts.
        let one = autocorrelation_time(0.0, 1, 1.0, r);
        assert!((one - 1.0).abs() < 1e-9, "{one}");
    }

    /// E[x₁x₄] = −0.9550 and E[x₂x₃] = 0.1477 of the order statistics of four normal numbers (covariances tabulated by Sarhan and
    /// Greenberg, Ann. Math. Statist. 27, 427 (1956)): r = (0.9550 − 0.1477)/2.
    #[test]
    fn three_draws_turn_back_two_fifths() {
        assert!((reflection(3) - 0.4036).abs() < 0.02, "{}", reflection(3));
        assert!(reflection(7) > reflection(3));
    }
}
