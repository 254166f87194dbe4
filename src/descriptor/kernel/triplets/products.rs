//! Products of the factors of pairs: their sums forward, and dE/dG multiplied by the factors of the angle going back.

#![allow(clippy::inline_always)]

use pulp::Simd;

use super::super::rows::{Pairs, angle_row};
use super::Work;
use super::near::Near;
use super::pairs::{BLOCK, CHUNKS, GroupCache, Row, block_of, block_of_mut};
use crate::descriptor::plan::{DEGREE, Group, LANES, Product};
use crate::vector::{register, registers, registers_mut};

/// All factors of the angle for a block of pairs.
#[inline(always)]
pub(super) fn evaluate_angles<S: Simd>(simd: S, group: &Group, pairs: &Pairs, work: &mut Work) {
    work.angles.reserve(group.angles.len() * BLOCK);
    work.angle_slopes.reserve(group.angles.len() * BLOCK);
    let values = work.angles.as_chunks_mut::<BLOCK>().0;
    let slopes = work.angle_slopes.as_chunks_mut::<BLOCK>().0;
    for (angle, (values, slopes)) in group.angles.iter().zip(values.iter_mut().zip(slopes)) {
        angle_row(simd, angle, pairs, values, slopes);
    }
}

/// g(r_j)·g(r_k)·[g(r_jk)] for the pairs of a block and one channel.
#[inline(always)]
pub(super) fn multiply_shapes<S: Simd>(
    simd: S,
    group: &Group,
    near: &Near,
    pairs: &mut GroupCache,
    (block, channel): (usize, usize),
    radials: &mut [f64],
) {
    match (group.common.is_some(), group.third_side) {
        (true, true) => multiply::<S, true, true>(simd, group, near, pairs, (block, channel), radials),
        (true, false) => multiply::<S, true, false>(simd, group, near, pairs, (block, channel), radials),
        (false, true) => multiply::<S, false, true>(simd, group, near, pairs, (block, channel), radials),
        (false, false) => multiply::<S, false, false>(simd, group, near, pairs, (block, channel), radials),
    }
}

/// The loop of [`multiply_shapes`]. Where shapes have their cutoff in common, the terms without the third side's cutoff function are kept.
#[inline(always)]
fn multiply<S: Simd, const COMMON: bool, const THIRD: bool>(
    simd: S,
    group: &Group,
    near: &Near,
    pairs: &mut GroupCache,
    (block, channel): (usize, usize),
    radials: &mut [f64],
) {
    let shapes = near.shape(group.channels[channel].shape);
    let chunks = pairs.chunks.as_chunks::<CHUNKS>().0[block].iter();
    let radials = registers_mut::<S>(block_of_mut(radials, 0));
    let parts = LANES / S::F64_LANES;
    // Which rows there are is known when this is compiled.
    let none = &mut [0.0; BLOCK];
    let terms = if COMMON || THIRD {
        block_of_mut(&mut pairs.terms, GroupCache::terms_of(group, block, channel))
    } else {
        none
    };
    let terms = registers_mut::<S>(terms);
    let fades = if COMMON && THIRD {
        block_of(&pairs.fades, block)
    } else {
        &[0.0; BLOCK]
    };
    let fades = registers::<S>(fades);
    for (place, chunk) in chunks.enumerate() {
        let own = simd.splat_f64s(shapes[chunk.lane]);
        for part in 0..parts {
            let v = place * parts + part;
            let both = simd.mul_f64s(own, register::<S>(shapes, chunk.column + part * S::F64_LANES));
            radials[v] = match (COMMON, THIRD) {
                (true, true) => {
                    terms[v] = simd.mul_f64s(both, terms[v]);
                    simd.mul_f64s(terms[v], fades[v])
                }
                (true, false) => {
                    terms[v] = both;
                    both
                }
                (false, true) => simd.mul_f64s(both, terms[v]),
                (false, false) => both,
            };
        }
    }
}

/// Adds Σ radial·angle of each product to its register.
#[inline(always)]
pub(super) fn contract<S: Simd>(
    simd: S,
    products: &[Product],
    radials: &[f64],
    angles: &[f64],
    sums: &mut [[f64; LANES]],
) {
    let radials = registers::<S>(block_of(radials, 0));
    let row = |product: &Product| registers::<S>(block_of(angles, product.angle));
    let (fours, rest) = products.as_chunks::<4>();
    let (sums_of_fours, sums_of_rest) = sums.split_at_mut(4 * fours.len());
    for ([a, b, c, d], sums) in fours.iter().zip(sums_of_fours.as_chunks_mut::<4>().0) {
        let zero = simd.splat_f64s(0.0);
        let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (zero, zero, zero, zero);
        let rows = row(a).iter().zip(row(b)).zip(row(c)).zip(row(d));
        for (radial, (((a, b), c), d)) in radials.iter().zip(rows) {
            sum_a = simd.mul_add_e_f64s(*radial, *a, sum_a);
            sum_b = simd.mul_add_e_f64s(*radial, *b, sum_b);
            sum_c = simd.mul_add_e_f64s(*radial, *c, sum_c);
            sum_d = simd.mul_add_e_f64s(*radial, *d, sum_d);
        }
        for (sum, found) in sums.iter_mut().zip([sum_a, sum_b, sum_c, sum_d]) {
            let sum = &mut registers_mut::<S>(sum)[0];
            *sum = simd.add_f64s(*sum, found);
        }
    }
    for (product, sum) in rest.iter().zip(sums_of_rest) {
        let mut found = simd.splat_f64s(0.0);
        for (radial, angle) in radials.iter().zip(row(product)) {
            found = simd.mul_add_e_f64s(*radial, *angle, found);
        }
        let sum = &mut registers_mut::<S>(sum)[0];
        *sum = simd.add_f64s(*sum, found);
    }
}

/// Adds Σ radial·cosⁿ θ to the register of each n up to the degree of a channel's polynomials, and returns the registers of the others.
#[inline(always)]
pub(super) fn add_powers<'a, S: Simd>(
    simd: S,
    degree: usize,
    radials: &[f64],
    cosines: &Row,
    sums: &'a mut [[f64; LANES]],
) -> &'a mut [[f64; LANES]] {
    match degree {
        0 => return sums,
        1 => add_powers_to::<S, 2>(simd, radials, cosines, sums),
        2 => add_powers_to::<S, 3>(simd, radials, cosines, sums),
        3 => add_powers_to::<S, 4>(simd, radials, cosines, sums),
        _ => add_powers_to::<S, { DEGREE + 1 }>(simd, radials, cosines, sums),
    }
    &mut sums[degree + 1..]
}

/// [`add_powers`] for N − 1 = degree.
#[inline(always)]
fn add_powers_to<S: Simd, const N: usize>(simd: S, radials: &[f64], cosines: &Row, sums: &mut [[f64; LANES]]) {
    let radials = registers::<S>(block_of(radials, 0));
    let cosines = registers::<S>(cosines);
    let mut totals = [simd.splat_f64s(0.0); N];
    for (radial, cosine) in radials.iter().zip(cosines) {
        let mut term = *radial;
        totals[0] = simd.add_f64s(totals[0], term);
        for n in 1..N {
            term = simd.mul_f64s(term, *cosine);
            totals[n] = simd.add_f64s(totals[n], term);
        }
    }
    for (total, sum) in totals.iter().zip(sums) {
        let sum = &mut registers_mut::<S>(sum)[0];
        *sum = simd.add_f64s(*sum, *total);
    }
}

/// A polynomial in cos θ and its derivative for the pairs of a block, by Horner's rule; nothing where the degree is 0.
#[inline(always)]
pub(super) fn evaluate_polynomial<S: Simd>(
    simd: S,
    degree: usize,
    coefficients: &[f64; DEGREE + 1],
    cosines: &Row,
    results: (&mut Row, &mut Row),
) {
    match degree {
        0 => {}
        1 => horner::<S, 1>(simd, coefficients, cosines, results),
        2 => horner::<S, 2>(simd, coefficients, cosines, results),
        3 => horner::<S, 3>(simd, coefficients, cosines, results),
        _ => horner::<S, DEGREE>(simd, coefficients, cosines, results),
    }
}

/// [`evaluate_polynomial`] for one degree.
#[inline(always)]
fn horner<S: Simd, const N: usize>(
    simd: S,
    coefficients: &[f64; DEGREE + 1],
    cosines: &Row,
    (values, slopes): (&mut Row, &mut Row),
) {
    let (values, slopes) = (registers_mut::<S>(values), registers_mut::<S>(slopes));
    let cosines = registers::<S>(cosines);
    for ((value, slope), cosine) in values.iter_mut().zip(slopes).zip(cosines) {
        let mut sum = simd.splat_f64s(coefficients[N]);
        let mut derivative = sum;
        sum = simd.mul_add_e_f64s(sum, *cosine, simd.splat_f64s(coefficients[N - 1]));
        for n in (0..N - 1).rev() {
            derivative = simd.mul_add_e_f64s(derivative, *cosine, sum);
            sum = simd.mul_add_e_f64s(sum, *cosine, simd.splat_f64s(coefficients[n]));
        }
        *value = sum;
        *slope = derivative;
    }
}

/// Σ dE/dG·factor of the angle, and of its slopes, over the products of a channel; added to what is there unless that is stale.
#[inline(always)]
pub(super) fn weigh_angles<S: Simd>(
    simd: S,
    (products, stale): (&[Product], bool),
    slopes: &[f64],
    (angles, angle_slopes): (&[f64], &[f64]),
    (weights, weight_slopes): (&mut Row, &mut Row),
) {
    let (weights, weight_slopes) = (registers_mut::<S>(weights), registers_mut::<S>(weight_slopes));
    for (round, products) in products.chunks(4).enumerate() {
        let (mut factors, mut rows) = ([simd.splat_f64s(0.0); 4], [0; 4]);
        for (place, product) in products.iter().enumerate() {
            factors[place] = simd.splat_f64s(slopes[product.feature] * product.factor);
            rows[place] = product.angle;
        }
        let (fresh, terms) = (stale && round == 0, products.len());
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
    let [a, b, c, d] = rows;
    let (a, b) = (registers::<S>(block_of(from, a)), registers::<S>(block_of(from, b)));
    let (c, d) = (registers::<S>(block_of(from, c)), registers::<S>(block_of(from, d)));
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
