//! The fast evaluation of one atom's symmetry functions: forward to the values, backward from dE/dG to the derivatives with
//! respect to the neighbours' displacements.
//!
//! Vectors run over radial shapes; the widest instructions of the machine are chosen when the program runs. The angular
//! functions come from moments, in a time that grows with the number of neighbours, not of pairs (see `monomials`).

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use pulp::{Arch, Simd, WithSimd};

use super::cutoff::CutoffFunction;
use super::environment::Seen;
use super::plan::{AngularPlan, Ladder, Plan};
use crate::linear::{Vec3, add, dot, scale, sub};

/// What the forward pass of one atom leaves for the backward pass; reused from atom to atom.
#[derive(Debug, Default)]
pub(crate) struct AtomCache {
    /// The neighbours within the descriptor's cutoff.
    pub around: Vec<Seen>,
    /// g′ of every pair shape, neighbour by neighbour.
    pub(super) pair_slopes: Vec<f64>,
    /// The neighbours (places in `around`) within reach of the angular functions.
    pub(super) near: Vec<u32>,
    /// Monomials of the directions to those: monomial by monomial, `near` padded to whole registers.
    pub(super) monomials: Vec<f64>,
    /// g and g′ of every angular shape, neighbour by neighbour.
    pub(super) shapes: Vec<f64>,
    pub(super) shape_slopes: Vec<f64>,
    /// Moments: set by set, monomial by monomial, shape by shape.
    pub(super) moments: Vec<f64>,
    /// Σ w²·g²: set by set, shape by shape.
    own: Vec<f64>,
    work: Vec<f64>,
}

/// a·b + c, in one rounding where the machine has the instruction.
#[inline(always)]
pub(super) fn fused<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// Replaces each x ≤ 0 by eˣ, to about one unit in the last place; below −708 it is 10⁻³⁰⁸.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; the Taylor polynomial of degree 13 gives eʳ, the bits of n the power of two.
#[inline(always)]
fn exponentials<S: Simd>(xs: &mut [f64]) {
    /// Adding this leaves n + 1023, a biased exponent, in the lowest bits.
    const ROUNDER: f64 = 6755399441055744.0 + 1023.0;
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const INVERSE_FACTORIALS: [f64; 12] = [
        1.0 / 479001600.0,
        1.0 / 39916800.0,
        1.0 / 3628800.0,
        1.0 / 362880.0,
        1.0 / 40320.0,
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    for x in xs {
        let clamped = if *x < -708.0 { -708.0 } else { *x };
        let rounded = fused::<S>(clamped, std::f64::consts::LOG2_E, ROUNDER);
        let n = rounded - ROUNDER;
        let r = fused::<S>(n, -LN2_LOW, fused::<S>(n, -LN2_HIGH, clamped));
        let mut polynomial = 1.0 / 6227020800.0;
        for coefficient in INVERSE_FACTORIALS {
            polynomial = fused::<S>(polynomial, r, coefficient);
        }
        polynomial = fused::<S>(polynomial, r, 1.0);
        *x = polynomial * f64::from_bits(rounded.to_bits() << 52);
    }
}

/// Writes −η(r − rs)² of every shape.
#[inline(always)]
fn exponents(ladder: &Ladder, r: f64, out: &mut [f64]) {
    for ((out, minus_eta), shift) in out.iter_mut().zip(&ladder.minus_eta).zip(&ladder.shift) {
        let from_centre = r - shift;
        *out = minus_eta * from_centre * from_centre;
    }
}

/// Turns exponentials into g and writes g′; zeros beyond each run's cutoff.
#[inline(always)]
fn fade<S: Simd>(ladder: &Ladder, cutoff: &CutoffFunction, r: f64, shapes: &mut [f64], slopes: &mut [f64]) {
    for (radius, first, end) in &ladder.runs {
        let (value, derivative) = cutoff.evaluate(r, *radius);
        let constants = ladder.minus_eta[*first..*end].iter().zip(&ladder.shift[*first..*end]);
        let results = shapes[*first..*end].iter_mut().zip(&mut slopes[*first..*end]);
        for ((shape, slope), (minus_eta, shift)) in results.zip(constants) {
            let exponential = *shape;
            let g = exponential * value;
            *shape = g;
            *slope = fused::<S>(exponential, derivative, 2.0 * minus_eta * (r - shift) * g);
        }
    }
}

/// y += x.
#[inline(always)]
fn accumulate(y: &mut [f64], x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// y += a·x.
#[inline(always)]
fn accumulate_scaled<S: Simd>(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = fused::<S>(a, *x, *y);
    }
}

/// Σ x·y over whole registers.
#[inline(always)]
fn inner<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let mut sum = simd.splat_f64s(0.0);
    for (x, y) in S::as_simd_f64s(x).0.iter().zip(S::as_simd_f64s(y).0) {
        sum = simd.mul_add_e_f64s(*x, *y, sum);
    }
    simd.reduce_sum_f64s(sum)
}

struct Forward<'a> {
    plan: &'a Plan,
    cutoff: &'a CutoffFunction,
    numbers: &'a [f64],
    cache: &'a mut AtomCache,
    values: &'a mut [f64],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            plan,
            cutoff,
            numbers,
            cache,
            values,
        } = self;
        radial_forward::<S>(plan, cutoff, cache, values);
        if let Some(angular) = &plan.angular {
            moments_forward(simd, angular, cutoff, numbers, cache);
            contract::<S>(angular, cache, values);
        }
    }
}

#[inline(always)]
fn radial_forward<S: Simd>(plan: &Plan, cutoff: &CutoffFunction, cache: &mut AtomCache, values: &mut [f64]) {
    let total: usize = cache.around.iter().map(|seen| plan.ladders[seen.element].len()).sum();
    cache.work.clear();
    cache.work.resize(total, 0.0);
    cache.pair_slopes.clear();
    cache.pair_slopes.resize(total, 0.0);
    let mut at = 0;
    for seen in &cache.around {
        let ladder = &plan.ladders[seen.element];
        exponents(ladder, seen.distance, &mut cache.work[at..at + ladder.len()]);
        at += ladder.len();
    }
    exponentials::<S>(&mut cache.work);
    let mut sums = vec![0.0; plan.offsets[plan.ladders.len()]];
    let mut at = 0;
    for seen in &cache.around {
        let ladder = &plan.ladders[seen.element];
        let shapes = &mut cache.work[at..at + ladder.len()];
        let slopes = &mut cache.pair_slopes[at..at + ladder.len()];
        fade::<S>(ladder, cutoff, seen.distance, shapes, slopes);
        accumulate(&mut sums[plan.offsets[seen.element]..][..ladder.len()], shapes);
        at += ladder.len();
    }
    for radial in &plan.radial {
        values[radial.feature] = radial.parts.iter().map(|(slot, weight)| weight * sums[*slot]).sum();
    }
}

#[inline(always)]
fn moments_forward<S: Simd>(
    _simd: S,
    angular: &AngularPlan,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    cache: &mut AtomCache,
) {
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
    let stride = near.next_multiple_of(super::plan::LANES);
    cache.shapes.clear();
    cache.shapes.resize(near * channels, 0.0);
    cache.shape_slopes.clear();
    cache.shape_slopes.resize(near * channels, 0.0);
    for (j, shapes) in cache.near.iter().zip(cache.shapes.chunks_exact_mut(channels)) {
        exponents(&angular.ladder, cache.around[*j as usize].distance, shapes);
    }
    exponentials::<S>(&mut cache.shapes);
    for ((j, shapes), slopes) in cache
        .near
        .iter()
        .zip(cache.shapes.chunks_exact_mut(channels))
        .zip(cache.shape_slopes.chunks_exact_mut(channels))
    {
        fade::<S>(
            &angular.ladder,
            cutoff,
            cache.around[*j as usize].distance,
            shapes,
            slopes,
        );
    }
    // Monomials of the directions; those of degree 0 and 1 directly, the others from their parents.
    cache.monomials.clear();
    cache.monomials.resize(count * stride, 0.0);
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
    cache.moments.clear();
    cache.moments.resize(sets * count * channels, 0.0);
    cache.own.clear();
    cache.own.resize(sets * channels, 0.0);
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
                accumulate(out, &upper[(square - m - 1) * channels..][..channels]);
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
fn contract<S: Simd>(angular: &AngularPlan, cache: &mut AtomCache, values: &mut [f64]) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let work = &mut cache.work;
    for contraction in &angular.contractions {
        let left = &cache.moments[contraction.sets[0] * set_size..][..set_size];
        let right = &cache.moments[contraction.sets[1] * set_size..][..set_size];
        work.clear();
        work.resize((monomials.degree + 1) * channels, 0.0);
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

struct Backward<'a> {
    plan: &'a Plan,
    numbers: &'a [f64],
    cache: &'a mut AtomCache,
    slopes: &'a [f64],
    gradients: &'a mut [Vec3],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        radial_backward(simd, self.plan, self.cache, self.slopes, self.gradients);
        if let Some(angular) = &self.plan.angular {
            angular_backward(simd, angular, self.numbers, self.cache, self.slopes, self.gradients);
        }
    }
}

#[inline(always)]
fn radial_backward<S: Simd>(simd: S, plan: &Plan, cache: &AtomCache, slopes: &[f64], gradients: &mut [Vec3]) {
    let mut sums = vec![0.0; plan.offsets[plan.ladders.len()]];
    for radial in &plan.radial {
        for (slot, weight) in &radial.parts {
            sums[*slot] += weight * slopes[radial.feature];
        }
    }
    let mut at = 0;
    for (seen, gradient) in cache.around.iter().zip(gradients) {
        let width = plan.ladders[seen.element].len();
        let sums = &sums[plan.offsets[seen.element]..][..width];
        let slope = inner(simd, sums, &cache.pair_slopes[at..at + width]);
        *gradient = scale(slope, seen.direction);
        at += width;
    }
}

/// dE/dA of all moments, and dE/dΣg², from dE/dG.
#[inline(always)]
fn moments_backward<S: Simd>(
    angular: &AngularPlan,
    numbers: &[f64],
    cache: &AtomCache,
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
        x = simd.mul_add_e_f64s(monomial, first::<S>(row), x);
        y = simd.mul_add_e_f64s(monomial, first::<S>(&row[channels..]), y);
        z = simd.mul_add_e_f64s(monomial, first::<S>(&row[2 * channels..]), z);
    }
    [x, y, z]
}

/// The first register of a slice.
#[inline(always)]
fn first<S: Simd>(row: &[f64]) -> S::f64s {
    S::as_simd_f64s(row).0[0]
}

/// u·h.
#[inline(always)]
fn along_direction<S: Simd>(simd: S, u: [S::f64s; 3], h: [S::f64s; 3]) -> S::f64s {
    simd.mul_add_e_f64s(u[0], h[0], simd.mul_add_e_f64s(u[1], h[1], simd.mul_f64s(u[2], h[2])))
}

#[inline(always)]
fn angular_backward<S: Simd>(
    simd: S,
    angular: &AngularPlan,
    numbers: &[f64],
    cache: &AtomCache,
    slopes: &[f64],
    gradients: &mut [Vec3],
) {
    let channels = angular.ladder.len();
    let monomials = &angular.monomials;
    let set_size = monomials.count() * channels;
    let stride = cache.near.len().next_multiple_of(super::plan::LANES);
    let (by_moment, by_own) = moments_backward::<S>(angular, numbers, cache, slopes);
    // The polynomials Σ_a dE/dA_a uᵃ of the two highest degrees are homogeneous: their gradients give them, by Euler.
    let degree = monomials.degree;
    let lowest = monomials.starts[degree.saturating_sub(2)];
    let lower = monomials.starts[degree - 1];
    let upper = monomials.starts[degree];
    let mut rising = vec![0.0; numbers.len() * upper * 3 * channels];
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
        let shapes = S::as_simd_f64s(&cache.shapes[place * channels..][..channels]).0;
        let shape_slopes = S::as_simd_f64s(&cache.shape_slopes[place * channels..][..channels]).0;
        let x = simd.splat_f64s(seen.direction[0]);
        let y = simd.splat_f64s(seen.direction[1]);
        let z = simd.splat_f64s(seen.direction[2]);
        let (mut along, mut turn) = (zero, [zero; 3]);
        let lanes = channels / shapes.len().max(1);
        for (register, (g, slope)) in shapes.iter().zip(shape_slopes).enumerate() {
            let top = ascend(
                simd,
                &cache.monomials[place..],
                stride,
                rising,
                channels,
                register * lanes,
                lower..upper,
            );
            let next = ascend(
                simd,
                &cache.monomials[place..],
                stride,
                rising,
                channels,
                register * lanes,
                lowest..lower,
            );
            let mut value = simd.mul_add_e_f64s(
                high,
                along_direction(simd, [x, y, z], top),
                simd.mul_f64s(low, along_direction(simd, [x, y, z], next)),
            );
            if degree == 1 {
                value = simd.add_f64s(value, first::<S>(&constant[register * lanes..]));
            }
            let own = first::<S>(&own[register * lanes..]);
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
}

/// The values of the functions that the plan computes fast, for the neighbours in `cache.around`; others are left alone.
pub(super) fn forward(
    plan: &Plan,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    cache: &mut AtomCache,
    values: &mut [f64],
) {
    Arch::new().dispatch(Forward {
        plan,
        cutoff,
        numbers,
        cache,
        values,
    });
}

/// Σ dE/dG·dG/dr with respect to the displacement of each neighbour, of the functions that the plan computes fast, after
/// `forward` with the same cache; overwrites `gradients`.
pub(super) fn backward(plan: &Plan, numbers: &[f64], cache: &mut AtomCache, slopes: &[f64], gradients: &mut [Vec3]) {
    Arch::new().dispatch(Backward {
        plan,
        numbers,
        cache,
        slopes,
        gradients,
    });
}
