//! Power spectra: products of moments of two shapes, Σ_jk g₁(r_j) g₂(r_k) cosᵖθ_jk = Σ_{l+m+n=p} p!/(l!m!n!) A⁽¹⁾_lmn A⁽²⁾_lmn
//! (see `monomials`).

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use pulp::Simd;

use super::AtomCache;
use super::jacobian::membership;
use crate::descriptor::plan::{AngularPlan, LANES, Spectrum};
use crate::linear::Vec3;
use crate::vector::{accumulate_scaled, fused, inner};

/// The values of all coefficients, after the moments.
#[inline(always)]
pub(super) fn contract<S: Simd>(angular: &AngularPlan, cache: &mut AtomCache, values: &mut [f64]) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let square = channels * channels;
    let work = &mut cache.work;
    for spectrum in &angular.spectra {
        let left = &cache.moments[spectrum.sets[0] * set_size..][..set_size];
        let right = &cache.moments[spectrum.sets[1] * set_size..][..set_size];
        work.clear_to((monomials.degree + 1) * square);
        for (p, out) in work.chunks_exact_mut(square).enumerate() {
            for m in monomials.starts[p]..monomials.starts[p + 1] {
                let factor = monomials.multinomials[m];
                let (a, b) = (&left[m * channels..][..channels], &right[m * channels..][..channels]);
                for (row, a) in out.chunks_exact_mut(channels).zip(a) {
                    accumulate_scaled::<S>(row, factor * a, b);
                }
            }
        }
        for feature in &spectrum.features {
            let [first, second] = feature.channels;
            let mut value = 0.0;
            for (p, weight) in spectrum.angles[feature.angle].iter().enumerate() {
                value = fused::<S>(*weight, work[p * square + first * channels + second], value);
            }
            values[feature.feature] = value;
        }
    }
}

/// Adds dE/dA of the moments, from dE/dG.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    simd: S,
    angular: &AngularPlan,
    cache: &AtomCache,
    slopes: &[f64],
    by_moment: &mut [f64],
) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let square = channels * channels;
    let mut by_degree = vec![0.0; (monomials.degree + 1) * square];
    for spectrum in &angular.spectra {
        by_degree.fill(0.0);
        for feature in &spectrum.features {
            let [first, second] = feature.channels;
            for (p, weight) in spectrum.angles[feature.angle].iter().enumerate() {
                by_degree[p * square + first * channels + second] += weight * slopes[feature.feature];
            }
        }
        let [left, right] = spectrum.sets;
        for (p, by_degree) in by_degree.chunks_exact(square).enumerate() {
            for m in monomials.starts[p]..monomials.starts[p + 1] {
                let factor = monomials.multinomials[m];
                let a = &cache.moments[left * set_size + m * channels..][..channels];
                let b = &cache.moments[right * set_size + m * channels..][..channels];
                for (c, row) in by_degree.chunks_exact(channels).enumerate() {
                    by_moment[left * set_size + m * channels + c] += factor * inner(simd, row, b);
                    let out = &mut by_moment[right * set_size + m * channels..][..channels];
                    accumulate_scaled::<S>(out, factor * a[c], row);
                }
            }
        }
    }
}

/// dG/dr of each coefficient with respect to each neighbour's displacement: a neighbour of the first set changes a coefficient by
/// g₁(r)·T(u), where the polynomial T of its direction comes from the second set's moments, and the other way round.
#[inline(always)]
pub(super) fn jacobian<S: Simd>(
    angular: &AngularPlan,
    spectrum: &Spectrum,
    numbers: &[f64],
    cache: &AtomCache,
    gradients: &mut [Vec3],
) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let stride = cache.near.len().next_multiple_of(LANES);
    let neighbours = cache.around.len();
    let raised = monomials.starts[monomials.degree];
    let mut slopes = vec![0.0; raised * 3 * channels];
    let mut polynomial = vec![0.0; 3 * channels];
    // Of each Legendre polynomial: its value and the components of its derivative across the direction, shape by shape.
    let mut angles = vec![0.0; spectrum.angles.len() * 4 * channels];
    for (own, other) in [(0, 1), (1, 0)] {
        let moments = &cache.moments[spectrum.sets[other] * set_size..][..set_size];
        for (b, raised) in monomials.raised.iter().enumerate() {
            for (k, (a, exponent)) in raised.iter().enumerate() {
                let factor = exponent * monomials.multinomials[*a];
                let out = &mut slopes[(b * 3 + k) * channels..][..channels];
                for (out, moment) in out.iter_mut().zip(&moments[a * channels..]) {
                    *out = factor * moment;
                }
            }
        }
        for (place, j) in cache.near.iter().enumerate() {
            let seen = &cache.around[*j as usize];
            let weight = membership(spectrum.sets[own], seen.element, numbers);
            if weight == 0.0 {
                continue;
            }
            let u = seen.direction;
            angles.fill(0.0);
            for (angle, powers) in angles.chunks_exact_mut(4 * channels).zip(&spectrum.angles) {
                accumulate_scaled::<S>(&mut angle[..channels], powers[0], &moments[..channels]);
            }
            for p in 1..=monomials.degree {
                polynomial.fill(0.0);
                for b in monomials.starts[p - 1]..monomials.starts[p] {
                    let monomial = cache.monomials[b * stride + place];
                    accumulate_scaled::<S>(&mut polynomial, monomial, &slopes[b * 3 * channels..][..3 * channels]);
                }
                let (x, rest) = polynomial.split_at(channels);
                let (y, z) = rest.split_at(channels);
                for (angle, powers) in angles.chunks_exact_mut(4 * channels).zip(&spectrum.angles) {
                    let power = powers.get(p).copied().unwrap_or(0.0);
                    if power == 0.0 {
                        continue;
                    }
                    let (value, rest) = angle.split_at_mut(channels);
                    let (out_x, rest) = rest.split_at_mut(channels);
                    let (out_y, out_z) = rest.split_at_mut(channels);
                    let per_degree = 1.0 / p as f64;
                    for c in 0..channels {
                        // Homogeneous of degree p: Euler's theorem.
                        let euler = u[0] * x[c] + u[1] * y[c] + u[2] * z[c];
                        value[c] = fused::<S>(power * per_degree, euler, value[c]);
                        out_x[c] = fused::<S>(power, x[c] - euler * u[0], out_x[c]);
                        out_y[c] = fused::<S>(power, y[c] - euler * u[1], out_y[c]);
                        out_z[c] = fused::<S>(power, z[c] - euler * u[2], out_z[c]);
                    }
                }
            }
            let g = &cache.shapes[place * channels..][..channels];
            let slope = &cache.shape_slopes[place * channels..][..channels];
            let inverse = weight / seen.distance;
            for feature in &spectrum.features {
                let (mine, theirs) = (feature.channels[own], feature.channels[other]);
                let angle = &angles[feature.angle * 4 * channels..][..4 * channels];
                let along = weight * slope[mine] * angle[theirs];
                let turn = inverse * g[mine];
                let out = &mut gradients[feature.feature * neighbours + *j as usize];
                for (k, out) in out.iter_mut().enumerate() {
                    *out += fused::<S>(along, u[k], turn * angle[(1 + k) * channels + theirs]);
                }
            }
        }
    }
}
