//! From the derivatives with respect to the factors of pairs to those with respect to the neighbours' displacements.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::near::{NOBODY, Near};
use super::pairs::{BLOCK, GroupCache};
use crate::descriptor::plan::{Common, Group, LANES};
use crate::linear::{Vec3, add, scale};
use crate::vector::{Lanes, register, register_mut};

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

/// From the derivatives of the weighted angles to those with respect to displacements, for a block of pairs.
#[inline(always)]
pub(super) fn spread<S: Simd>(
    simd: S,
    group: &Group,
    channels: Range<usize>,
    pairs: (&Near, &GroupCache, usize),
    weights: (&[f64], &[f64]),
    pull: &mut Pull,
) {
    match (&group.common, group.third_side) {
        (Some(common), true) => {
            let tally = CommonTally::<true>(common);
            spread_block::<S, _, true>(simd, &tally, group, channels, pairs, weights, pull);
        }
        (Some(common), false) => {
            let tally = CommonTally::<false>(common);
            spread_block::<S, _, false>(simd, &tally, group, channels, pairs, weights, pull);
        }
        (None, true) => {
            let tally = SeparateTally::<true>;
            spread_block::<S, _, true>(simd, &tally, group, channels, pairs, weights, pull);
        }
        (None, false) => {
            let tally = SeparateTally::<false>;
            spread_block::<S, _, false>(simd, &tally, group, channels, pairs, weights, pull);
        }
    }
}

/// The loop of [`spread`], with or without third sides.
///
/// With c = u_j·u_k and d = r_jk, of a term g_j·g_k·h(d)·W(c):
/// ∂/∂x_k = [g_j g_k′ h W − (∂c) c/r_k + (∂d) r_k/d]·u_k + B·x_j with B = (∂c)/(r_j r_k) − (∂d)/d, and likewise for j.
#[inline(always)]
fn spread_block<S: Simd, T: Tally, const THIRD: bool>(
    simd: S,
    tally: &T,
    group: &Group,
    channels: Range<usize>,
    (near, pairs, block): (&Near, &GroupCache, usize),
    weights: (&[f64], &[f64]),
    pull: &mut Pull,
) {
    let chunks = pairs.chunks_of(block);
    let mut own = OwnPull::new(simd, chunks[0].lane);
    for (place, chunk) in chunks.iter().enumerate() {
        if chunk.lane != own.lane {
            own.add_to(simd, near, pull);
            own = OwnPull::new(simd, chunk.lane);
        }
        for part in (0..LANES).step_by(S::F64_LANES) {
            let place = Place {
                lane: chunk.lane,
                column: chunk.column + part,
                block,
                within: place * LANES + part,
            };
            let slopes = tally.sum(simd, group, channels.clone(), (near, pairs), weights, place);
            turn::<S, THIRD>(simd, near, pairs, &slopes, place, &mut own, pull);
        }
    }
    own.add_to(simd, near, pull);
}

/// Where a register of pairs stands.
#[derive(Clone, Copy)]
struct Place {
    /// The lane of j.
    lane: usize,
    /// The first of the others' lanes.
    column: usize,
    block: usize,
    /// The first pair within the block.
    within: usize,
}

/// Derivatives of the channels' sum with respect to r_k, r_j, cos θ and r_jk, the last divided by r_jk.
struct Slopes<S: Simd> {
    along: S::f64s,
    own: S::f64s,
    turn: S::f64s,
    per_side: S::f64s,
}

/// How the channels of a register of pairs are summed.
trait Tally {
    fn sum<S: Simd>(
        &self,
        simd: S,
        group: &Group,
        channels: Range<usize>,
        pairs: (&Near, &GroupCache),
        weights: (&[f64], &[f64]),
        place: Place,
    ) -> Slopes<S>;
}

/// Each channel's shapes have slopes of their own. Parameter: whether there is a third side.
struct SeparateTally<const THIRD: bool>;

impl<const THIRD: bool> Tally for SeparateTally<THIRD> {
    #[inline(always)]
    fn sum<S: Simd>(
        &self,
        simd: S,
        group: &Group,
        channels: Range<usize>,
        (near, pairs): (&Near, &GroupCache),
        (weights, weight_slopes): (&[f64], &[f64]),
        place: Place,
    ) -> Slopes<S> {
        let zero = simd.splat_f64s(0.0);
        let (mut along, mut own, mut turn, mut stretch) = (zero, zero, zero, zero);
        for (row, index) in channels.enumerate() {
            let shape = group.channels[index].shape;
            let (shapes, slopes) = (near.shape(shape), near.slope(shape));
            let own_shape = simd.splat_f64s(shapes[place.lane]);
            let own_slope = simd.splat_f64s(slopes[place.lane]);
            let other = register::<S>(shapes, place.column);
            let other_slope = register::<S>(slopes, place.column);
            let mut weight = register::<S>(weights, row * BLOCK + place.within);
            let weight_slope = register::<S>(weight_slopes, row * BLOCK + place.within);
            let mut both = simd.mul_f64s(own_shape, other);
            if THIRD {
                let at = GroupCache::terms_of(group, place.block, index).start + place.within;
                let third = register::<S>(&pairs.terms, at);
                let third_slope = register::<S>(&pairs.term_slopes, at);
                stretch = simd.mul_add_e_f64s(simd.mul_f64s(both, third_slope), weight, stretch);
                both = simd.mul_f64s(both, third);
                weight = simd.mul_f64s(third, weight);
            }
            turn = simd.mul_add_e_f64s(both, weight_slope, turn);
            along = simd.mul_add_e_f64s(simd.mul_f64s(own_shape, other_slope), weight, along);
            own = simd.mul_add_e_f64s(simd.mul_f64s(own_slope, other), weight, own);
        }
        let mut per_side = stretch;
        if THIRD {
            let inverse = register::<S>(&pairs.sides, place.block * BLOCK + place.within);
            per_side = simd.mul_f64s(stretch, inverse);
        }
        Slopes {
            along,
            own,
            turn,
            per_side,
        }
    }
}

/// The channels' shapes are Gaussians exp(−η(r − rs)²)·fc(r) that differ in η alone: g′/g = fc′/fc − 2η(r − rs), so that two sums over the
/// channels, Σ t·W and Σ η·t·W, give all derivatives with respect to distances. Parameter: whether there is a third side.
struct CommonTally<'a, const THIRD: bool>(&'a Common);

impl<const THIRD: bool> Tally for CommonTally<'_, THIRD> {
    #[inline(always)]
    fn sum<S: Simd>(
        &self,
        simd: S,
        group: &Group,
        channels: Range<usize>,
        (near, pairs): (&Near, &GroupCache),
        (weights, weight_slopes): (&[f64], &[f64]),
        place: Place,
    ) -> Slopes<S> {
        let zero = simd.splat_f64s(0.0);
        let (mut plain, mut by_eta, mut turn) = (zero, zero, zero);
        let terms = &pairs.terms[GroupCache::terms_of(group, place.block, channels.start).start..];
        for (row, index) in channels.enumerate() {
            let at = row * BLOCK + place.within;
            let term = register::<S>(terms, at);
            let weighted = simd.mul_f64s(term, register::<S>(weights, at));
            plain = simd.add_f64s(plain, weighted);
            by_eta = simd.mul_add_e_f64s(simd.splat_f64s(self.0.etas[index]), weighted, by_eta);
            turn = simd.mul_add_e_f64s(term, register::<S>(weight_slopes, at), turn);
        }
        by_eta = simd.add_f64s(by_eta, by_eta);
        let mut per_side = zero;
        if THIRD {
            let at = place.block * BLOCK + place.within;
            let fade = register::<S>(&pairs.fades, at);
            let fade_slope = register::<S>(&pairs.fade_slopes, at);
            by_eta = simd.mul_f64s(by_eta, fade);
            turn = simd.mul_f64s(turn, fade);
            // (Σ t·W·fc′ − 2Σ η·t·W·fc·(d − rs))/d.
            let shift = simd.splat_f64s(self.0.shift);
            let fixed = simd.mul_add_e_f64s(plain, fade_slope, simd.mul_f64s(by_eta, shift));
            let inverse = register::<S>(&pairs.sides, at);
            per_side = simd.sub_f64s(simd.mul_f64s(fixed, inverse), by_eta);
            plain = simd.mul_f64s(plain, fade);
        }
        let declines = near.decline(self.0.radius);
        let from_centre = simd.splat_f64s(near.distance[place.lane] - self.0.shift);
        let decline = simd.splat_f64s(declines[place.lane]);
        let own = simd.negate_mul_add_e_f64s(by_eta, from_centre, simd.mul_f64s(plain, decline));
        let from_centre = simd.sub_f64s(
            register::<S>(&near.distance, place.column),
            simd.splat_f64s(self.0.shift),
        );
        let decline = register::<S>(declines, place.column);
        let along = simd.negate_mul_add_e_f64s(by_eta, from_centre, simd.mul_f64s(plain, decline));
        Slopes {
            along,
            own,
            turn,
            per_side,
        }
    }
}

/// Turns the derivatives for a register of pairs into pulls on j and on the others.
#[inline(always)]
fn turn<S: Simd, const THIRD: bool>(
    simd: S,
    near: &Near,
    pairs: &GroupCache,
    slopes: &Slopes<S>,
    place: Place,
    own: &mut OwnPull<S>,
    pull: &mut Pull,
) {
    let (lane, column) = (place.lane, place.column);
    let inverse = register::<S>(&near.inverse, column);
    let cosine = register::<S>(&pairs.cosines, place.block * BLOCK + place.within);
    let turned = simd.mul_f64s(slopes.turn, cosine);
    let per_own = simd.mul_f64s(slopes.turn, simd.splat_f64s(near.inverse[lane]));
    let mut free = simd.mul_f64s(per_own, inverse);
    let mut along = simd.negate_mul_add_e_f64s(turned, inverse, slopes.along);
    own.by_cosine = simd.add_f64s(own.by_cosine, turned);
    own.by_shape = simd.add_f64s(own.by_shape, slopes.own);
    if THIRD {
        free = simd.sub_f64s(free, slopes.per_side);
        along = simd.mul_add_e_f64s(slopes.per_side, register::<S>(&near.distance, column), along);
        own.by_side = simd.add_f64s(own.by_side, slopes.per_side);
    }
    let pulled = register_mut::<S>(&mut pull.along, column);
    *pulled = simd.add_f64s(*pulled, along);
    for k in 0..3 {
        let row = &near.displacement[k];
        let pulled = register_mut::<S>(&mut pull.free[k], column);
        *pulled = simd.mul_add_e_f64s(free, simd.splat_f64s(row[lane]), *pulled);
        own.free[k] = simd.mul_add_e_f64s(free, register::<S>(row, column), own.free[k]);
    }
}

/// What pulls on one neighbour j, while its pairs are met one after another.
struct OwnPull<S: Simd> {
    lane: usize,
    /// Along its direction, by its shape, by the cosine and by the third side.
    by_shape: S::f64s,
    by_cosine: S::f64s,
    by_side: S::f64s,
    /// The rest.
    free: [S::f64s; 3],
}

impl<S: Simd> OwnPull<S> {
    #[inline(always)]
    fn new(simd: S, lane: usize) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self {
            lane,
            by_shape: zero,
            by_cosine: zero,
            by_side: zero,
            free: [zero; 3],
        }
    }

    #[inline(always)]
    fn add_to(&self, simd: S, near: &Near, pull: &mut Pull) {
        let j = self.lane;
        let by_cosine = simd.mul_f64s(self.by_cosine, simd.splat_f64s(near.inverse[j]));
        let along = simd.mul_add_e_f64s(
            self.by_side,
            simd.splat_f64s(near.distance[j]),
            simd.sub_f64s(self.by_shape, by_cosine),
        );
        pull.along[j] += simd.reduce_sum_f64s(along);
        for (row, free) in pull.free.iter_mut().zip(self.free) {
            row[j] += simd.reduce_sum_f64s(free);
        }
    }
}
