//! The Chebyshev preset: radial and angular distributions expanded in Chebyshev polynomials.
//!
//! Artrith, Urban and Ceder, Phys. Rev. B 96, 014112 (2017). The angular polynomials are taken of cos θ, T_n(cos θ) = cos nθ, which is
//! smooth where three atoms stand in line.

use super::config::DescriptorConfig;
use super::function::{SymmetryFunction, Weighting};
use super::standard::cutoffs;
use crate::structure::{Species, Structure};

/// The preset's functions per central element.
pub(super) fn functions(
    config: &DescriptorConfig,
    elements: &[Species],
    frames: &[&Structure],
) -> Vec<Vec<SymmetryFunction>> {
    let (radial, angular) = cutoffs(config, elements, frames);
    let weightings: &[Weighting] = if elements.len() > 1 {
        &[Weighting::Uniform, Weighting::Spin]
    } else {
        &[Weighting::Uniform]
    };
    let mut list = Vec::new();
    for weighting in weightings.iter().copied() {
        list.extend(
            (0..config.radial_count as u32).map(|order| SymmetryFunction::ChebyshevRadial {
                weighting,
                order,
                cutoff: radial,
            }),
        );
        list.extend(
            (0..=config.angular_degree as u32).map(|order| SymmetryFunction::ChebyshevAngular {
                weighting,
                order,
                cutoff: angular,
            }),
        );
    }
    vec![list; elements.len()]
}

/// T_n(x) and its derivative, by T_n = 2x·T_(n−1) − T_(n−2).
#[inline]
#[cfg(test)]
pub(super) fn polynomial(order: u32, x: f64) -> (f64, f64) {
    let (mut value, mut slope) = (1.0, 0.0);
    let (mut next, mut next_slope) = (x, 1.0);
    for _ in 0..order {
        let after = (2.0 * x * next - value, 2.0 * next + 2.0 * x * next_slope - slope);
        (value, slope) = (next, next_slope);
        (next, next_slope) = after;
    }
    (value, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_cosines_of_multiples() {
        for order in 0..12 {
            for theta in [0.1, 0.7, 1.5, 2.9_f64] {
                let n = f64::from(order);
                let (value, slope) = polynomial(order, theta.cos());
                assert!((value - (n * theta).cos()).abs() < 1e-12);
                assert!((slope - n * (n * theta).sin() / theta.sin()).abs() < 1e-10);
            }
        }
    }
}
