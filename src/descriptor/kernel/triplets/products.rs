//! Products of the factors of pairs: their sums forward, and dE/dG multiplied by the factors of the angle going back.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::super::rows::{Pairs, angle_row};
use super::Work;
use super::near::Near;
use super::pairs::GroupCache;
use crate::descriptor::plan::{Group, LANES, Product};

/// All factors of the angle for a batch of pairs.
#[inline(always)]
pub(super) fn evaluate_angles<S: Simd>(simd: S, group: &Group, pairs: &Pairs, count: usize, work: &mut Work) {
    work.angles.reserve(group.angles.len() * count);
    work.angle_slopes.reserve(group.angles.len() * count);
    let rows = work
        .angles
        .chunks_exact_mut(count)
        .zip(work.angle_slopes.chunks_exact_mut(count));
    for (angle, (values, slopes)) in group.angles.iter().zip(rows) {
        angle_row(simd, angle, pairs, values, slopes);
    }
}

/// g(r_j)·g(r_k)·[g(r_jk)] for the pairs of a batch of rows.
#[inline(always)]
pub(super) fn multiply_shapes(
    group: &Group,
    (index, shape): (usize, usize),
    near: &Near,
    pairs: &GroupCache,
    rows: Range<usize>,
    radials: &mut [f64],
) {
    let shapes = near.shape(shape);
    let start = pairs.rows[rows.start].start;
    for row in &pairs.rows[rows] {
        let own = shapes[row.lane];
        let out = &mut radials[row.start - start..][..row.count];
        let others = &shapes[row.columns()];
        if group.third_side {
            let thirds = &pairs.thirds[index * pairs.length + row.start..][..row.count];
            for ((out, other), third) in out.iter_mut().zip(others).zip(thirds) {
                *out = own * other * third;
            }
        } else {
            for (out, other) in out.iter_mut().zip(others) {
                *out = own * other;
            }
        }
    }
}

/// Adds Σ radial·angle of each product to its register.
#[inline(always)]
pub(super) fn contract<S: Simd>(simd: S, products: &[Product], radials: &[f64], angles: &[f64], sums: &mut [f64]) {
    let count = radials.len();
    let radials = S::as_simd_f64s(radials).0;
    let row = |product: &Product| S::as_simd_f64s(&angles[product.angle * count..][..count]).0;
    for (products, sums) in products.chunks(4).zip(sums.chunks_mut(4 * LANES)) {
        if let [a, b, c, d] = products {
            let zero = simd.splat_f64s(0.0);
            let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (zero, zero, zero, zero);
            let rows = row(a).iter().zip(row(b)).zip(row(c)).zip(row(d));
            for (radial, (((a, b), c), d)) in radials.iter().zip(rows) {
                sum_a = simd.mul_add_e_f64s(*radial, *a, sum_a);
                sum_b = simd.mul_add_e_f64s(*radial, *b, sum_b);
                sum_c = simd.mul_add_e_f64s(*radial, *c, sum_c);
                sum_d = simd.mul_add_e_f64s(*radial, *d, sum_d);
            }
            for (sums, sum) in sums.chunks_exact_mut(LANES).zip([sum_a, sum_b, sum_c, sum_d]) {
                let sums = &mut S::as_mut_simd_f64s(sums).0[0];
                *sums = simd.add_f64s(*sums, sum);
            }
            continue;
        }
        for (product, sums) in products.iter().zip(sums.chunks_exact_mut(LANES)) {
            let mut sum = simd.splat_f64s(0.0);
            for (radial, angle) in radials.iter().zip(row(product)) {
                sum = simd.mul_add_e_f64s(*radial, *angle, sum);
            }
            let sums = &mut S::as_mut_simd_f64s(sums).0[0];
            *sums = simd.add_f64s(*sums, sum);
        }
    }
}

/// Σ dE/dG·factor of the angle, and of its slopes, over the products of a channel.
#[inline(always)]
pub(super) fn weigh_angles<S: Simd>(
    simd: S,
    products: &[Product],
    slopes: &[f64],
    (angles, angle_slopes): (&[f64], &[f64]),
    (weights, weight_slopes): (&mut [f64], &mut [f64]),
) {
    let count = weights.len();
    let weights = S::as_mut_simd_f64s(weights).0;
    let weight_slopes = S::as_mut_simd_f64s(weight_slopes).0;
    for (round, products) in products.chunks(4).enumerate() {
        let (mut factors, mut rows) = ([simd.splat_f64s(0.0); 4], [0; 4]);
        for (place, product) in products.iter().enumerate() {
            factors[place] = simd.splat_f64s(slopes[product.feature] * product.factor);
            rows[place] = product.angle * count;
        }
        let (fresh, terms) = (round == 0, products.len());
        add_rows(simd, weights, angles, fresh, terms, factors, rows);
        add_rows(simd, weight_slopes, angle_slopes, fresh, terms, factors, rows);
    }
}

/// out (+)= Σ factor·row over up to four rows.
#[inline(always)]
fn add_rows<S: Simd>(
    simd: S,
    out: &mut [S::f64s],
    from: &[f64],
    fresh: bool,
    terms: usize,
    factors: [S::f64s; 4],
    rows: [usize; 4],
) {
    let count = out.len() * S::F64_LANES;
    let a = S::as_simd_f64s(&from[rows[0]..rows[0] + count]).0;
    let b = S::as_simd_f64s(&from[rows[1]..rows[1] + count]).0;
    let c = S::as_simd_f64s(&from[rows[2]..rows[2] + count]).0;
    let d = S::as_simd_f64s(&from[rows[3]..rows[3] + count]).0;
    if terms == 4 {
        for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let sum = if fresh { simd.splat_f64s(0.0) } else { *out };
            let left = simd.mul_add_e_f64s(factors[1], *b, simd.mul_add_e_f64s(factors[0], *a, sum));
            let right = simd.mul_add_e_f64s(factors[3], *d, simd.mul_f64s(factors[2], *c));
            *out = simd.add_f64s(left, right);
        }
        return;
    }
    for ((((out, a), b), c), _) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let sum = if fresh { simd.splat_f64s(0.0) } else { *out };
        let mut sum = simd.mul_add_e_f64s(factors[0], *a, sum);
        if terms > 1 {
            sum = simd.mul_add_e_f64s(factors[1], *b, sum);
        }
        if terms > 2 {
            sum = simd.mul_add_e_f64s(factors[2], *c, sum);
        }
        *out = sum;
    }
}
