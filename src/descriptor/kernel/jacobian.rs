//! All derivatives dG/dr of one atom's symmetry functions at once, for training.
//!
//! A contraction Σ_a p!/a! A_a B_a of degree p depends on a neighbour through A by g(r)·T(u), where T(u) = Σ_a p!/a! B_a uᵃ is a
//! homogeneous polynomial of the direction; all functions of one pair of moment sets share these polynomials.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use pulp::{Arch, Simd, WithSimd};

use super::{AtomCache, spectrum, tensor, triplets};
use crate::descriptor::plan::{AngularPlan, Contraction, LANES, Plan};
use crate::linear::{Vec3, add, scale};
use crate::vector::fused;

struct Jacobian<'a> {
    plan: &'a Plan,
    numbers: &'a [f64],
    cache: &'a mut AtomCache,
    gradients: &'a mut [Vec3],
}

impl WithSimd for Jacobian<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        radial(self.plan, self.cache, self.gradients);
        if let Some(angular) = &self.plan.angular {
            for contraction in &angular.contractions {
                contracted::<S>(angular, contraction, self.numbers, self.cache, self.gradients);
            }
            for spectrum in &angular.spectra {
                spectrum::jacobian::<S>(angular, spectrum, self.numbers, self.cache, self.gradients);
            }
            if !angular.tensors.is_empty() {
                tensor::jacobian::<S>(angular, self.numbers, self.cache, self.gradients);
            }
        }
        if !self.plan.triplets.is_empty() {
            triplets::jacobian(simd, &self.plan.triplets, self.cache, self.gradients);
        }
    }
}

#[inline(always)]
fn radial(plan: &Plan, cache: &AtomCache, gradients: &mut [Vec3]) {
    let neighbours = cache.around.len();
    let mut starts = Vec::with_capacity(neighbours);
    let mut at = 0;
    for seen in &cache.around {
        starts.push(at);
        at += plan.ladders[seen.element].len();
    }
    for feature in &plan.radial {
        let row = &mut gradients[feature.feature * neighbours..][..neighbours];
        for (slot, weight) in &feature.parts {
            let element = plan.offsets.partition_point(|offset| offset <= slot) - 1;
            let shape = slot - plan.offsets[element];
            for ((seen, start), out) in cache.around.iter().zip(&starts).zip(row.iter_mut()) {
                if seen.element == element {
                    *out = add(*out, scale(weight * cache.pair_slopes[start + shape], seen.direction));
                }
            }
        }
    }
}

/// The weight of a neighbour of an element in a moment set.
#[inline(always)]
pub(super) fn membership(set: usize, element: usize, numbers: &[f64]) -> f64 {
    if set == element {
        1.0
    } else if set == numbers.len() {
        numbers[element]
    } else {
        0.0
    }
}

#[inline(always)]
fn contracted<S: Simd>(
    angular: &AngularPlan,
    contraction: &Contraction,
    numbers: &[f64],
    cache: &AtomCache,
    gradients: &mut [Vec3],
) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let stride = cache.near.len().next_multiple_of(LANES);
    let neighbours = cache.around.len();
    let [left, right] = contraction.sets;
    let directions: &[(usize, usize, f64)] = if left == right {
        &[(left, right, 2.0)]
    } else {
        &[(left, right, 1.0), (right, left, 1.0)]
    };
    let raised = monomials.starts[monomials.degree];
    let mut slopes = vec![0.0; raised * 3 * channels];
    let mut polynomial = vec![0.0; 3 * channels];
    // Derivatives of degree p with respect to the displacement: degree by degree, component by component, shape by shape.
    let mut derivatives = vec![0.0; (monomials.degree + 1) * 3 * channels];
    for (to, from, twice) in directions {
        let moments = &cache.moments[from * set_size..][..set_size];
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
            let weight = membership(*to, seen.element, numbers);
            if weight == 0.0 {
                continue;
            }
            let factor = twice * weight;
            let u = seen.direction;
            let inverse = 1.0 / seen.distance;
            let g = &cache.shapes[place * channels..][..channels];
            let slope = &cache.shape_slopes[place * channels..][..channels];
            for c in 0..channels {
                let radial = factor * slope[c] * moments[c];
                for k in 0..3 {
                    derivatives[k * channels + c] = radial * u[k];
                }
            }
            for p in 1..=monomials.degree {
                polynomial.fill(0.0);
                for b in monomials.starts[p - 1]..monomials.starts[p] {
                    let monomial = cache.monomials[b * stride + place];
                    for (out, x) in polynomial.iter_mut().zip(&slopes[b * 3 * channels..]) {
                        *out = fused::<S>(monomial, *x, *out);
                    }
                }
                let (x, rest) = polynomial.split_at(channels);
                let (y, z) = rest.split_at(channels);
                let out = &mut derivatives[p * 3 * channels..][..3 * channels];
                let (out_x, rest) = out.split_at_mut(channels);
                let (out_y, out_z) = rest.split_at_mut(channels);
                let per_degree = 1.0 / p as f64;
                for c in 0..channels {
                    let euler = u[0] * x[c] + u[1] * y[c] + u[2] * z[c];
                    let turn = factor * g[c] * inverse;
                    let along = factor * slope[c] * euler * per_degree - turn * euler;
                    out_x[c] = fused::<S>(turn, x[c], along * u[0]);
                    out_y[c] = fused::<S>(turn, y[c], along * u[1]);
                    out_z[c] = fused::<S>(turn, z[c], along * u[2]);
                }
            }
            for feature in &contraction.features {
                let c = feature.channel;
                let own = if left == right {
                    2.0 * feature.own * weight * weight * g[c] * slope[c]
                } else {
                    0.0
                };
                let mut total = scale(own, u);
                for (p, degree_weight) in feature.by_degree.iter().enumerate() {
                    for (k, total) in total.iter_mut().enumerate() {
                        *total = fused::<S>(*degree_weight, derivatives[(p * 3 + k) * channels + c], *total);
                    }
                }
                let out = &mut gradients[feature.feature * neighbours + *j as usize];
                *out = add(*out, total);
            }
        }
    }
}

/// dG/dr of all functions with respect to each neighbour's displacement, after `forward` with
/// the same cache; `gradients` is functions × neighbours and must hold zeros.
pub(in crate::descriptor) fn jacobian(plan: &Plan, numbers: &[f64], cache: &mut AtomCache, gradients: &mut [Vec3]) {
    Arch::new().dispatch(Jacobian {
        plan,
        numbers,
        cache,
        gradients,
    });
}
