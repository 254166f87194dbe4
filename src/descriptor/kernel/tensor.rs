//! Moment-tensor functions: products of three moments, Σ_jkl g₁(r_j) g₂(r_k) g₃(r_l) cosᵃθ_jk cosᵇθ_jl cosᶜθ_kl (see `monomials`);
//! vectors run over the functions of the same powers.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use pulp::Simd;

use super::AtomCache;
use super::jacobian::membership;
use crate::descriptor::plan::{AngularPlan, LANES, Tensors};
use crate::linear::Vec3;
use crate::vector::{Lanes, accumulate_scaled, fused};

/// What is reused from atom to atom: of the three moments of each function, monomial by monomial, function by function.
#[derive(Debug, Default)]
pub(super) struct Work {
    moments: [Lanes; 3],
    /// `slopes`·dG/dA.
    by_moments: [Lanes; 3],
    sums: Lanes,
}

impl Work {
    /// Fetches the moments.
    #[inline(always)]
    fn gather(&mut self, angular: &AngularPlan, tensors: &Tensors, moments: &[f64]) {
        let channels = angular.ladder.len();
        let set_size = angular.monomials.count() * channels;
        let width = tensors.width();
        for ((gathered, places), degree) in self.moments.iter_mut().zip(&tensors.places).zip(tensors.degrees) {
            let first = angular.monomials.starts[degree];
            let count = angular.monomials.starts[degree + 1] - first;
            gathered.clear_to(count * width);
            for (m, row) in gathered.chunks_exact_mut(width).enumerate() {
                for (out, place) in row.iter_mut().zip(places) {
                    *out = moments[place.set * set_size + (first + m) * channels + place.channel];
                }
            }
        }
    }

    /// Fetches the moments and turns `slopes` into `by_moments`.
    #[inline(always)]
    fn differentiate<S: Simd>(&mut self, angular: &AngularPlan, tensors: &Tensors, moments: &[f64], slopes: &[f64]) {
        let width = tensors.width();
        self.gather(angular, tensors, moments);
        for (by_moment, gathered) in self.by_moments.iter_mut().zip(&self.moments) {
            by_moment.clear_to(gathered.len());
        }
        let ([first, second, third], [by_first, by_second, by_third]) = (&self.moments, &mut self.by_moments);
        for term in &tensors.terms {
            let [a, b, c] = term.monomials.map(|m| m * width);
            let (x, y, z) = (&first[a..a + width], &second[b..b + width], &third[c..c + width]);
            let (out_x, out_y, out_z) = (
                &mut by_first[a..a + width],
                &mut by_second[b..b + width],
                &mut by_third[c..c + width],
            );
            for f in 0..width {
                let weight = term.weight * slopes[f];
                out_x[f] = fused::<S>(weight * y[f], z[f], out_x[f]);
                out_y[f] = fused::<S>(weight * x[f], z[f], out_y[f]);
                out_z[f] = fused::<S>(weight * x[f], y[f], out_z[f]);
            }
        }
    }
}

/// The values of all functions, after the moments.
#[inline(always)]
pub(super) fn contract<S: Simd>(angular: &AngularPlan, cache: &mut AtomCache, values: &mut [f64]) {
    let AtomCache {
        moments, tensors: work, ..
    } = cache;
    for tensors in &angular.tensors {
        let width = tensors.width();
        work.gather(angular, tensors, moments);
        work.sums.clear_to(width);
        let [first, second, third] = &work.moments;
        for term in &tensors.terms {
            let [a, b, c] = term.monomials;
            let (a, b, c) = (&first[a * width..], &second[b * width..], &third[c * width..]);
            for (((out, a), b), c) in work.sums.iter_mut().zip(a).zip(b).zip(c) {
                *out = fused::<S>(term.weight * a * b, *c, *out);
            }
        }
        for (feature, sum) in tensors.features.iter().zip(work.sums.iter()) {
            values[*feature] = *sum;
        }
    }
}

/// Adds dE/dA of the moments, from dE/dG.
#[inline(always)]
pub(super) fn backward<S: Simd>(angular: &AngularPlan, cache: &mut AtomCache, slopes: &[f64], by_moment: &mut [f64]) {
    let channels = angular.ladder.len();
    let set_size = angular.monomials.count() * channels;
    let AtomCache {
        moments, tensors: work, ..
    } = cache;
    let mut sums = std::mem::take(&mut work.sums);
    for tensors in &angular.tensors {
        let width = tensors.width();
        sums.clear_to(width);
        for (own, feature) in sums.iter_mut().zip(&tensors.features) {
            *own = slopes[*feature];
        }
        work.differentiate::<S>(angular, tensors, moments, &sums);
        for ((gathered, places), degree) in work.by_moments.iter().zip(&tensors.places).zip(tensors.degrees) {
            let first = angular.monomials.starts[degree];
            for (m, row) in gathered.chunks_exact(width).enumerate() {
                for (slope, place) in row.iter().zip(places) {
                    by_moment[place.set * set_size + (first + m) * channels + place.channel] += slope;
                }
            }
        }
    }
    work.sums = sums;
}

/// dG/dr of each function with respect to each neighbour's displacement: dG/dA times the derivatives of the neighbour's own
/// contribution g(r)·uᵐ to each moment.
#[inline(always)]
pub(super) fn jacobian<S: Simd>(angular: &AngularPlan, numbers: &[f64], cache: &mut AtomCache, gradients: &mut [Vec3]) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let stride = cache.near.len().next_multiple_of(LANES);
    let neighbours = cache.around.len();
    let used = |set: usize| {
        let mut places = angular
            .tensors
            .iter()
            .flat_map(|tensors| tensors.places.iter().flatten());
        places.any(|place| place.set == set)
    };
    let row_length = 3 * neighbours;
    let mut contributions = vec![0.0; monomials.count() * channels * row_length];
    for set in (0..=numbers.len()).filter(|set| used(*set)) {
        for (place, j) in cache.near.iter().enumerate() {
            let seen = &cache.around[*j as usize];
            let weight = membership(set, seen.element, numbers);
            let u = seen.direction;
            let g = &cache.shapes[place * channels..][..channels];
            let slope = &cache.shape_slopes[place * channels..][..channels];
            for (m, exponents) in monomials.exponents.iter().enumerate() {
                let value = cache.monomials[m * stride + place];
                let degree: usize = exponents.iter().sum();
                let lowered = monomials.lowered[m];
                // ∇u^m across the direction, over r.
                let turn: Vec3 = std::array::from_fn(|k| {
                    let partial = if exponents[k] == 0 {
                        0.0
                    } else {
                        exponents[k] as f64 * cache.monomials[lowered[k] * stride + place]
                    };
                    (partial - degree as f64 * value * u[k]) / seen.distance
                });
                for c in 0..channels {
                    let out = &mut contributions[(m * channels + c) * row_length + 3 * *j as usize..][..3];
                    for (k, out) in out.iter_mut().enumerate() {
                        *out = weight * fused::<S>(slope[c] * value, u[k], g[c] * turn[k]);
                    }
                }
            }
        }
        for tensors in &angular.tensors {
            let width = tensors.width();
            let ones = vec![1.0; width];
            cache
                .tensors
                .differentiate::<S>(angular, tensors, &cache.moments, &ones);
            for ((gathered, places), degree) in cache
                .tensors
                .by_moments
                .iter()
                .zip(&tensors.places)
                .zip(tensors.degrees)
            {
                let first = monomials.starts[degree];
                for (m, row) in gathered.chunks_exact(width).enumerate() {
                    for ((slope, place), feature) in row.iter().zip(places).zip(&tensors.features) {
                        if place.set == set {
                            let at = ((first + m) * channels + place.channel) * row_length;
                            let out = gradients[feature * neighbours..][..neighbours].as_flattened_mut();
                            accumulate_scaled::<S>(out, *slope, &contributions[at..at + row_length]);
                        }
                    }
                }
            }
        }
    }
}
