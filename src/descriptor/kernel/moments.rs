//! Angular functions without a third side from moments, in a time that grows with the number of neighbours, not of pairs (see
//! `monomials`); vectors run over radial shapes.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use pulp::Simd;

use super::AtomCache;
use super::radial::{exponents, fade};
use super::{spectrum, tensor};
use crate::descriptor::plan::{AngularPlan, LANES};
use crate::linear::{Vec3, add, dot, scale, sub};
use crate::vector::elementary::exponentials;
use crate::vector::{accumulate, accumulate_scaled, along_direction, fused, register, registers};

#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, angular: &AngularPlan, numbers: &[f64], cache: &mut AtomCache) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let count = monomials.count();
    let sets = numbers.len() + 1;
    let reach = angular.ladder.reach();
    cache.near.clear();
    for (j, seen) in cache.around.iter().enumerate() {
        if seen.distance < reach || seen.distance.is_nan() {
            cache.near.push(j as u32);
        }
    }
    let near = cache.near.len();
    let stride = near.next_multiple_of(LANES);
    // All of it is written below: runs leave no gaps.
    cache.shapes.reserve(near * channels);
    cache.shape_slopes.reserve(near * channels);
    for (j, shapes) in cache.near.iter().zip(cache.shapes.chunks_exact_mut(channels)) {
        exponents(simd, &angular.ladder, cache.around[*j as usize].distance, shapes);
    }
    exponentials::<S>(&mut cache.shapes[..near * channels]);
    for ((j, shapes), slopes) in cache
        .near
        .iter()
        .zip(cache.shapes.chunks_exact_mut(channels))
        .zip(cache.shape_slopes.chunks_exact_mut(channels))
    {
        let place = *j as usize;
        fade(
            simd,
            &angular.ladder,
            &cache.fades,
            (place, cache.around[place].distance),
            shapes,
            slopes,
        );
    }
    // Monomials of the directions; those of degree 0 and 1 directly, the others from their parents.
    cache.monomials.clear_to(count * stride);
    for (place, j) in cache.near.iter().enumerate() {
        let direction = cache.around[*j as usize].direction;
        cache.monomials[place] = 1.0;
        for k in 0..3 {
            cache.monomials[(1 + k) * stride + place] = direction[k];
        }
    }
    for (m, (parent, k)) in monomials.parents.iter().enumerate().skip(4) {
        let (lower, upper) = cache.monomials.split_at_mut(m * stride);
        let (parent, component) = (
            &lower[parent * stride..][..stride],
            &lower[(1 + k) * stride..][..stride],
        );
        for ((out, a), b) in upper[..stride].iter_mut().zip(parent).zip(component) {
            *out = a * b;
        }
    }
    cache.moments.clear_to(sets * count * channels);
    cache.own.clear_to(sets * channels);
    for (place, j) in cache.near.iter().enumerate() {
        let element = cache.around[*j as usize].element;
        let shapes = &cache.shapes[place * channels..][..channels];
        let set = &mut cache.moments[element * count * channels..][..count * channels];
        for (m, moment) in set.chunks_exact_mut(channels).enumerate().skip(monomials.top()) {
            accumulate_scaled::<S>(moment, cache.monomials[m * stride + place], shapes);
        }
        let own = &mut cache.own[element * channels..][..channels];
        for (own, g) in own.iter_mut().zip(shapes) {
            *own = fused::<S>(*g, *g, *own);
        }
    }
    for (element, set) in cache
        .moments
        .chunks_exact_mut(count * channels)
        .take(sets - 1)
        .enumerate()
    {
        if cache.own[element * channels..][..channels].iter().all(|x| *x == 0.0) {
            continue;
        }
        for (m, squares) in monomials.squares.iter().enumerate().rev() {
            let (lower, upper) = set.split_at_mut((m + 1) * channels);
            let out = &mut lower[m * channels..];
            for square in squares {
                accumulate(simd, out, &upper[(square - m - 1) * channels..][..channels]);
            }
        }
    }
    if angular.weighted {
        let (elements, weighted) = cache.moments.split_at_mut((sets - 1) * count * channels);
        let (own, weighted_own) = cache.own.split_at_mut((sets - 1) * channels);
        for (element, number) in numbers.iter().enumerate() {
            accumulate_scaled::<S>(
                weighted,
                *number,
                &elements[element * count * channels..][..count * channels],
            );
            accumulate_scaled::<S>(weighted_own, number * number, &own[element * channels..][..channels]);
        }
    }
}

#[inline(always)]
pub(super) fn contract<S: Simd>(angular: &AngularPlan, cache: &mut AtomCache, values: &mut [f64]) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let work = &mut cache.work;
    for contraction in &angular.contractions {
        let left = &cache.moments[contraction.sets[0] * set_size..][..set_size];
        let right = &cache.moments[contraction.sets[1] * set_size..][..set_size];
        work.clear_to((monomials.degree + 1) * channels);
        for (p, out) in work.chunks_exact_mut(channels).enumerate() {
            for m in monomials.starts[p]..monomials.starts[p + 1] {
                let factor = monomials.multinomials[m];
                let pairs = left[m * channels..].iter().zip(&right[m * channels..]);
                for (out, (a, b)) in out.iter_mut().zip(pairs) {
                    *out = fused::<S>(factor * a, *b, *out);
                }
            }
        }
        let own = &cache.own[contraction.sets[0] * channels..][..channels];
        for feature in &contraction.features {
            let mut value = feature.own * own[feature.channel];
            for (p, weight) in feature.by_degree.iter().enumerate() {
                value = fused::<S>(*weight, work[p * channels + feature.channel], value);
            }
            values[feature.feature] = value;
        }
    }
}

/// dE/dA of all moments, and dE/dΣg², from dE/dG.
#[inline(always)]
fn moments_backward<S: Simd>(
    simd: S,
    angular: &AngularPlan,
    numbers: &[f64],
    cache: &mut AtomCache,
    slopes: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let sets = numbers.len() + 1;
    let mut by_moment = vec![0.0; sets * set_size];
    let mut by_own = vec![0.0; sets * channels];
    let mut by_degree = vec![0.0; (monomials.degree + 1) * channels];
    for contraction in &angular.contractions {
        by_degree.fill(0.0);
        let [left, right] = contraction.sets;
        for feature in &contraction.features {
            let slope = slopes[feature.feature];
            by_own[left * channels + feature.channel] += feature.own * slope;
            for (p, weight) in feature.by_degree.iter().enumerate() {
                by_degree[p * channels + feature.channel] += weight * slope;
            }
        }
        for (to, from) in [(left, right), (right, left)] {
            let from = &cache.moments[from * set_size..][..set_size];
            let to = &mut by_moment[to * set_size..][..set_size];
            for (p, by_degree) in by_degree.chunks_exact(channels).enumerate() {
                for m in monomials.starts[p]..monomials.starts[p + 1] {
                    let factor = monomials.multinomials[m];
                    let out = &mut to[m * channels..][..channels];
                    for ((out, a), slope) in out.iter_mut().zip(&from[m * channels..]).zip(by_degree) {
                        *out = fused::<S>(factor * slope, *a, *out);
                    }
                }
            }
        }
    }
    spectrum::backward(simd, angular, cache, slopes, &mut by_moment);
    tensor::backward::<S>(angular, cache, slopes, &mut by_moment);
    if angular.weighted {
        let (elements, weighted) = by_moment.split_at_mut((sets - 1) * set_size);
        let (own, weighted_own) = by_own.split_at_mut((sets - 1) * channels);
        for (element, number) in numbers.iter().enumerate() {
            accumulate_scaled::<S>(&mut elements[element * set_size..][..set_size], *number, weighted);
            accumulate_scaled::<S>(
                &mut own[element * channels..][..channels],
                number * number,
                weighted_own,
            );
        }
    }
    // The lower degrees are sums of the top two.
    for set in by_moment.chunks_exact_mut(set_size).take(sets - 1) {
        for (m, squares) in monomials.squares.iter().enumerate() {
            let (lower, upper) = set.split_at_mut((m + 1) * channels);
            for square in squares {
                accumulate(
                    simd,
                    &mut upper[(square - m - 1) * channels..][..channels],
                    &lower[m * channels..],
                );
            }
        }
    }
    (by_moment, by_own)
}

/// The gradient Σ_b uᵇ·slopes_b of a homogeneous polynomial, for one register of shapes.
#[inline(always)]
fn ascend<S: Simd>(
    simd: S,
    monomials: &[f64],
    stride: usize,
    slopes: &[f64],
    channels: usize,
    at: usize,
    lower: std::ops::Range<usize>,
) -> [S::f64s; 3] {
    let zero = simd.splat_f64s(0.0);
    let (mut x, mut y, mut z) = (zero, zero, zero);
    for b in lower {
        let monomial = simd.splat_f64s(monomials[b * stride]);
        let row = &slopes[b * 3 * channels + at..];
        x = simd.mul_add_e_f64s(monomial, register::<S>(row, 0), x);
        y = simd.mul_add_e_f64s(monomial, register::<S>(row, channels), y);
        z = simd.mul_add_e_f64s(monomial, register::<S>(row, 2 * channels), z);
    }
    [x, y, z]
}

#[inline(always)]
pub(super) fn backward<S: Simd>(
    simd: S,
    angular: &AngularPlan,
    numbers: &[f64],
    cache: &mut AtomCache,
    slopes: &[f64],
    gradients: &mut [Vec3],
) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let stride = cache.near.len().next_multiple_of(LANES);
    let (by_moment, by_own) = moments_backward(simd, angular, numbers, cache, slopes);
    // The polynomials Σ_a dE/dA_a uᵃ of the two highest degrees are homogeneous: their gradients give them, by Euler.
    let degree = monomials.degree;
    let lowest = monomials.starts[degree.saturating_sub(2)];
    let lower = monomials.starts[degree - 1];
    let upper = monomials.starts[degree];
    let mut rising = std::mem::take(&mut cache.rising);
    // What is read of it is written below.
    rising.reserve(numbers.len() * upper * 3 * channels);
    for (element, set) in by_moment.chunks_exact(set_size).take(numbers.len()).enumerate() {
        for b in lowest..upper {
            for (k, (a, exponent)) in monomials.raised[b].iter().enumerate() {
                let out = &mut rising[((element * upper + b) * 3 + k) * channels..][..channels];
                for (out, slope) in out.iter_mut().zip(&set[a * channels..]) {
                    *out = exponent * slope;
                }
            }
        }
    }
    let zero = simd.splat_f64s(0.0);
    let high = simd.splat_f64s(1.0 / degree as f64);
    let low = simd.splat_f64s(1.0 / (degree as f64 - 1.0).max(1.0));
    for (place, j) in cache.near.iter().enumerate() {
        let seen = &cache.around[*j as usize];
        let rising = &rising[seen.element * upper * 3 * channels..][..upper * 3 * channels];
        let constant = &by_moment[seen.element * set_size..][..channels];
        let own = &by_own[seen.element * channels..][..channels];
        let shapes = registers::<S>(&cache.shapes[place * channels..][..channels]);
        let shape_slopes = registers::<S>(&cache.shape_slopes[place * channels..][..channels]);
        let x = simd.splat_f64s(seen.direction[0]);
        let y = simd.splat_f64s(seen.direction[1]);
        let z = simd.splat_f64s(seen.direction[2]);
        let (mut along, mut turn) = (zero, [zero; 3]);
        for (number, (g, slope)) in shapes.iter().zip(shape_slopes).enumerate() {
            let channel = number * S::F64_LANES;
            let top = ascend(
                simd,
                &cache.monomials[place..],
                stride,
                rising,
                channels,
                channel,
                lower..upper,
            );
            let next = ascend(
                simd,
                &cache.monomials[place..],
                stride,
                rising,
                channels,
                channel,
                lowest..lower,
            );
            let mut value = simd.mul_add_e_f64s(
                high,
                along_direction(simd, [x, y, z], top),
                simd.mul_f64s(low, along_direction(simd, [x, y, z], next)),
            );
            if degree == 1 {
                value = simd.add_f64s(value, register::<S>(constant, channel));
            }
            let own = register::<S>(own, channel);
            let doubled = simd.mul_f64s(simd.add_f64s(own, own), *g);
            along = simd.mul_add_e_f64s(simd.add_f64s(value, doubled), *slope, along);
            for k in 0..3 {
                turn[k] = simd.mul_add_e_f64s(*g, simd.add_f64s(top[k], next[k]), turn[k]);
            }
        }
        let along = simd.reduce_sum_f64s(along);
        let turn = [
            simd.reduce_sum_f64s(turn[0]),
            simd.reduce_sum_f64s(turn[1]),
            simd.reduce_sum_f64s(turn[2]),
        ];
        let u = seen.direction;
        let across = scale(1.0 / seen.distance, sub(turn, scale(dot(u, turn), u)));
        let gradient = &mut gradients[*j as usize];
        *gradient = add(*gradient, add(scale(along, u), across));
    }
    cache.rising = rising;
}
