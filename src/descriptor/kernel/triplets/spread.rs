//! From the derivatives with respect to the factors of pairs to those with respect to the neighbours' displacements.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::super::vector::Lanes;
use super::near::{NOBODY, Near};
use super::pairs::{GroupCache, Row};
use crate::descriptor::plan::Group;
use crate::linear::{Vec3, add, scale};

/// dE/dr as it is gathered: along each neighbour's direction, and the rest; lane by lane.
#[derive(Debug, Default)]
pub(super) struct Pull {
    pub along: Lanes,
    pub free: [Lanes; 3],
}

impl Pull {
    pub fn clear(&mut self, lanes: usize) {
        for row in std::iter::once(&mut self.along).chain(&mut self.free) {
            row.clear_to(lanes);
        }
    }

    /// Adds what was gathered to the derivatives with respect to the neighbours' displacements.
    pub fn add_to(&self, near: &Near, mut gradient: impl FnMut(usize, Vec3)) {
        for (lane, place) in near.places.iter().enumerate() {
            if *place != NOBODY {
                let at = |rows: &[Lanes; 3]| -> Vec3 { std::array::from_fn(|k| rows[k][lane]) };
                let pull = add(scale(self.along[lane], at(&near.direction)), at(&self.free));
                gradient(*place as usize, pull);
            }
        }
    }
}

/// What the channels add up for a row of pairs before it is turned into derivatives: those with respect to r_k, cos θ and r_jk.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub along: Lanes,
    pub turn: Lanes,
    pub stretch: Lanes,
}

/// From the derivatives of the weighted angles to those with respect to displacements, for a batch of rows.
#[inline(always)]
pub(super) fn spread<S: Simd>(
    simd: S,
    group: &Group,
    channels: Range<usize>,
    pairs: (&Near, &GroupCache, Range<usize>),
    weights: (&[f64], &[f64]),
    targets: (&mut Tally, &mut Pull),
) {
    if group.third_side {
        spread_rows::<S, true>(simd, group, channels, pairs, weights, targets);
    } else {
        spread_rows::<S, false>(simd, group, channels, pairs, weights, targets);
    }
}

/// The loop of [`spread`], with or without third sides.
///
/// With c = u_j·u_k and d = r_jk, of a term g_j·g_k·h(d)·W(c):
/// ∂/∂x_k = [g_j g_k′ h W − (∂c) c/r_k + (∂d) r_k/d]·u_k + B·x_j with B = (∂c)/(r_j r_k) − (∂d)/d, and likewise for j.
#[inline(always)]
fn spread_rows<S: Simd, const THIRD: bool>(
    simd: S,
    group: &Group,
    channels: Range<usize>,
    (near, pairs, rows): (&Near, &GroupCache, Range<usize>),
    (weights, weight_slopes): (&[f64], &[f64]),
    (tally, pull): (&mut Tally, &mut Pull),
) {
    let batch = pairs.pairs_of(&rows);
    for row in &pairs.rows[rows] {
        tally.along.reserve(row.count);
        tally.turn.reserve(row.count);
        tally.stretch.reserve(row.count);
        let mut by_shape = simd.splat_f64s(0.0);
        for (place, index) in channels.clone().enumerate() {
            let shape = group.channels[index].shape;
            let at = place * batch.len() + row.start - batch.start;
            let third = index * pairs.length + row.start;
            let third = if THIRD { third..third + row.count } else { 0..0 };
            let factors = Factors {
                own: near.shape(shape)[row.lane],
                own_slope: near.slope(shape)[row.lane],
                others: &near.shape(shape)[row.columns()],
                other_slopes: &near.slope(shape)[row.columns()],
                weights: &weights[at..at + row.count],
                weight_slopes: &weight_slopes[at..at + row.count],
                thirds: &pairs.thirds[third.clone()],
                third_slopes: &pairs.third_slopes[third],
            };
            by_shape = tally_channel::<S, THIRD>(simd, &factors, place == 0, tally, by_shape);
        }
        turn_row::<S, THIRD>(simd, row, near, pairs, tally, by_shape, pull);
    }
}

/// The factors of one channel's terms for a row of pairs.
struct Factors<'a> {
    own: f64,
    own_slope: f64,
    others: &'a [f64],
    other_slopes: &'a [f64],
    weights: &'a [f64],
    weight_slopes: &'a [f64],
    thirds: &'a [f64],
    third_slopes: &'a [f64],
}

/// Adds one channel to the tally of a row; returns `by_shape`, which grows by the derivative with respect to r_j.
#[inline(always)]
fn tally_channel<S: Simd, const THIRD: bool>(
    simd: S,
    factors: &Factors,
    fresh: bool,
    tally: &mut Tally,
    mut by_shape: S::f64s,
) -> S::f64s {
    let zero = simd.splat_f64s(0.0);
    let own = simd.splat_f64s(factors.own);
    let own_slope = simd.splat_f64s(factors.own_slope);
    let count = factors.others.len() / S::F64_LANES;
    let others = &S::as_simd_f64s(factors.others).0[..count];
    let other_slopes = &S::as_simd_f64s(factors.other_slopes).0[..count];
    let weights = &S::as_simd_f64s(factors.weights).0[..count];
    let weight_slopes = &S::as_simd_f64s(factors.weight_slopes).0[..count];
    let along = &mut S::as_mut_simd_f64s(&mut tally.along).0[..count];
    let turn = &mut S::as_mut_simd_f64s(&mut tally.turn).0[..count];
    if THIRD {
        let thirds = &S::as_simd_f64s(factors.thirds).0[..count];
        let third_slopes = &S::as_simd_f64s(factors.third_slopes).0[..count];
        let stretch = &mut S::as_mut_simd_f64s(&mut tally.stretch).0[..count];
        for v in 0..count {
            let (before_along, before_turn, before_stretch) = if fresh {
                (zero, zero, zero)
            } else {
                (along[v], turn[v], stretch[v])
            };
            let both = simd.mul_f64s(own, others[v]);
            let weighted = simd.mul_f64s(thirds[v], weights[v]);
            turn[v] = simd.mul_add_e_f64s(simd.mul_f64s(both, thirds[v]), weight_slopes[v], before_turn);
            stretch[v] = simd.mul_add_e_f64s(simd.mul_f64s(both, third_slopes[v]), weights[v], before_stretch);
            along[v] = simd.mul_add_e_f64s(simd.mul_f64s(own, other_slopes[v]), weighted, before_along);
            by_shape = simd.mul_add_e_f64s(simd.mul_f64s(own_slope, others[v]), weighted, by_shape);
        }
    } else {
        for v in 0..count {
            let (before_along, before_turn) = if fresh { (zero, zero) } else { (along[v], turn[v]) };
            turn[v] = simd.mul_add_e_f64s(simd.mul_f64s(own, others[v]), weight_slopes[v], before_turn);
            along[v] = simd.mul_add_e_f64s(simd.mul_f64s(own, other_slopes[v]), weights[v], before_along);
            by_shape = simd.mul_add_e_f64s(simd.mul_f64s(own_slope, others[v]), weights[v], by_shape);
        }
    }
    by_shape
}

/// Turns the tally of a row into pulls on j and on the others.
#[inline(always)]
fn turn_row<S: Simd, const THIRD: bool>(
    simd: S,
    row: &Row,
    near: &Near,
    pairs: &GroupCache,
    tally: &Tally,
    by_shape: S::f64s,
    pull: &mut Pull,
) {
    let j = row.lane;
    let zero = simd.splat_f64s(0.0);
    let inverse_j = simd.splat_f64s(near.inverse[j]);
    let x_j = simd.splat_f64s(near.displacement[0][j]);
    let y_j = simd.splat_f64s(near.displacement[1][j]);
    let z_j = simd.splat_f64s(near.displacement[2][j]);
    let count = row.count / S::F64_LANES;
    let along = &S::as_simd_f64s(&tally.along).0[..count];
    let turn = &S::as_simd_f64s(&tally.turn).0[..count];
    let stretch = &S::as_simd_f64s(&tally.stretch).0[..count];
    let cosines = &S::as_simd_f64s(&pairs.cosines[row.pairs()]).0[..count];
    let side = if THIRD { row.pairs() } else { 0..0 };
    let sides = S::as_simd_f64s(&pairs.sides[side]).0;
    let inverses = &S::as_simd_f64s(&near.inverse[row.columns()]).0[..count];
    let distances = &S::as_simd_f64s(&near.distance[row.columns()]).0[..count];
    let xs = &S::as_simd_f64s(&near.displacement[0][row.columns()]).0[..count];
    let ys = &S::as_simd_f64s(&near.displacement[1][row.columns()]).0[..count];
    let zs = &S::as_simd_f64s(&near.displacement[2][row.columns()]).0[..count];
    let [free_x, free_y, free_z] = &mut pull.free;
    let pull_along = &mut S::as_mut_simd_f64s(&mut pull.along[row.columns()]).0[..count];
    let pull_x = &mut S::as_mut_simd_f64s(&mut free_x[row.columns()]).0[..count];
    let pull_y = &mut S::as_mut_simd_f64s(&mut free_y[row.columns()]).0[..count];
    let pull_z = &mut S::as_mut_simd_f64s(&mut free_z[row.columns()]).0[..count];
    // Of j: along its own direction by the cosine and by the third side; and the rest.
    let (mut by_cosine, mut by_side) = (zero, zero);
    let (mut x, mut y, mut z) = (zero, zero, zero);
    for v in 0..count {
        let turned = simd.mul_f64s(turn[v], cosines[v]);
        let mut free = simd.mul_f64s(simd.mul_f64s(turn[v], inverse_j), inverses[v]);
        let mut along = simd.negate_mul_add_e_f64s(turned, inverses[v], along[v]);
        by_cosine = simd.add_f64s(by_cosine, turned);
        if THIRD {
            let per_side = simd.mul_f64s(stretch[v], sides[v]);
            free = simd.sub_f64s(free, per_side);
            along = simd.mul_add_e_f64s(per_side, distances[v], along);
            by_side = simd.add_f64s(by_side, per_side);
        }
        pull_along[v] = simd.add_f64s(pull_along[v], along);
        pull_x[v] = simd.mul_add_e_f64s(free, x_j, pull_x[v]);
        pull_y[v] = simd.mul_add_e_f64s(free, y_j, pull_y[v]);
        pull_z[v] = simd.mul_add_e_f64s(free, z_j, pull_z[v]);
        x = simd.mul_add_e_f64s(free, xs[v], x);
        y = simd.mul_add_e_f64s(free, ys[v], y);
        z = simd.mul_add_e_f64s(free, zs[v], z);
    }
    let along = simd.mul_add_e_f64s(
        by_side,
        simd.splat_f64s(near.distance[j]),
        simd.negate_mul_add_e_f64s(by_cosine, inverse_j, by_shape),
    );
    pull.along[j] += simd.reduce_sum_f64s(along);
    free_x[j] += simd.reduce_sum_f64s(x);
    free_y[j] += simd.reduce_sum_f64s(y);
    free_z[j] += simd.reduce_sum_f64s(z);
}
