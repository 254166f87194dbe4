//! Radial functions: vectors run over the shapes that one neighbour is evaluated for.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use pulp::Simd;

use super::AtomCache;
use super::rows::Fade;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::plan::{Ladder, Plan};
use crate::linear::{Vec3, scale};
use crate::vector::elementary::exponentials;
use crate::vector::{accumulate, inner, registers, registers_mut};

/// Writes −η(r − rs)² of every shape.
#[inline(always)]
pub(super) fn exponents<S: Simd>(simd: S, ladder: &Ladder, r: f64, out: &mut [f64]) {
    let r = simd.splat_f64s(r);
    let constants = registers::<S>(&ladder.minus_eta)
        .iter()
        .zip(registers::<S>(&ladder.shift));
    for (out, (minus_eta, shift)) in registers_mut::<S>(out).iter_mut().zip(constants) {
        let from_centre = simd.sub_f64s(r, *shift);
        *out = simd.mul_f64s(simd.mul_f64s(*minus_eta, from_centre), from_centre);
    }
}

/// Turns the exponentials of a neighbour (its place among all) into g and writes g′; zeros beyond each run's cutoff.
#[inline(always)]
pub(super) fn fade<S: Simd>(
    simd: S,
    ladder: &Ladder,
    fades: &[Fade],
    (place, r): (usize, f64),
    shapes: &mut [f64],
    slopes: &mut [f64],
) {
    let r = simd.splat_f64s(r);
    for run in &ladder.runs {
        let (value, derivative) = fades[run.fade].at(place);
        let (value, derivative) = (simd.splat_f64s(value), simd.splat_f64s(derivative));
        let shapes = registers_mut::<S>(&mut shapes[run.first..run.end]);
        let slopes = registers_mut::<S>(&mut slopes[run.first..run.end]);
        let minus_eta = registers::<S>(&ladder.minus_eta[run.first..run.end]);
        let shift = registers::<S>(&ladder.shift[run.first..run.end]);
        let constants = minus_eta.iter().zip(shift);
        for ((shape, slope), (minus_eta, shift)) in shapes.iter_mut().zip(slopes).zip(constants) {
            let exponential = *shape;
            let g = simd.mul_f64s(exponential, value);
            let from_centre = simd.sub_f64s(r, *shift);
            let decline = simd.mul_f64s(simd.add_f64s(*minus_eta, *minus_eta), from_centre);
            *shape = g;
            *slope = simd.mul_add_e_f64s(exponential, derivative, simd.mul_f64s(decline, g));
        }
    }
}

/// Cutoff functions of all neighbours, for all radii of the plan.
#[inline(always)]
pub(super) fn evaluate_fades<S: Simd>(plan: &Plan, cutoff: &CutoffFunction, cache: &mut AtomCache) {
    cache.distances.clear();
    cache.distances.extend(cache.around.iter().map(|seen| seen.distance));
    if cache.fades.len() < plan.radii.len() {
        cache.fades.resize_with(plan.radii.len(), Fade::default);
    }
    for (fade, radius) in cache.fades.iter_mut().zip(&plan.radii) {
        fade.forget();
        fade.update::<S>(cutoff, *radius, &cache.distances);
    }
}

#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, plan: &Plan, cache: &mut AtomCache, values: &mut [f64]) {
    let total: usize = cache.around.iter().map(|seen| plan.ladders[seen.element].len()).sum();
    // All of it is written below: runs leave no gaps.
    cache.work.reserve(total);
    cache.pair_slopes.reserve(total);
    let mut at = 0;
    for seen in &cache.around {
        let ladder = &plan.ladders[seen.element];
        exponents(simd, ladder, seen.distance, &mut cache.work[at..at + ladder.len()]);
        at += ladder.len();
    }
    exponentials::<S>(&mut cache.work[..total]);
    let mut sums = vec![0.0; plan.offsets[plan.ladders.len()]];
    let mut at = 0;
    for (place, seen) in cache.around.iter().enumerate() {
        let ladder = &plan.ladders[seen.element];
        let shapes = &mut cache.work[at..at + ladder.len()];
        let slopes = &mut cache.pair_slopes[at..at + ladder.len()];
        fade(simd, ladder, &cache.fades, (place, seen.distance), shapes, slopes);
        accumulate(simd, &mut sums[plan.offsets[seen.element]..][..ladder.len()], shapes);
        at += ladder.len();
    }
    for radial in &plan.radial {
        values[radial.feature] = radial.parts.iter().map(|(slot, weight)| weight * sums[*slot]).sum();
    }
}

#[inline(always)]
pub(super) fn backward<S: Simd>(simd: S, plan: &Plan, cache: &AtomCache, slopes: &[f64], gradients: &mut [Vec3]) {
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
