//! From the derivatives with respect to the factors of pairs to those with respect to the neighbours' displacements.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::near::{NOBODY, Near, Places};
use super::pairs::{BLOCK, GroupCache, Row, block_of};
use crate::descriptor::plan::{Common, Group, LANES};
use crate::linear::{Vec3, add, scale};
use crate::vector::{Lanes, register, register_mut, registers, registers_mut};

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

/// Sums over the channels, for each pair of a block.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Derivatives {
    /// Two sums that the derivatives with respect to r_j and r_k are made of.
    radial: [Row; 2],
    /// With respect to cos θ.
    cosine: Row,
    /// With respect to r_jk, divided by r_jk.
    per_side: Row,
}

impl Default for Derivatives {
    fn default() -> Self {
        Self {
            radial: [[0.0; BLOCK]; 2],
            cosine: [0.0; BLOCK],
            per_side: [0.0; BLOCK],
        }
    }
}

/// From the derivatives of the weighted angles to those with respect to displacements, for a block of pairs. The weights and their
/// slopes are those of the channels, one block after the other.
#[inline(always)]
pub(super) fn spread<S: Simd>(
    simd: S,
    group: &Group,
    channels: Range<usize>,
    (near, cache, place): (&Near, &GroupCache, usize),
    (weights, weight_slopes): (&[f64], &[f64]),
    into: (&mut Derivatives, &mut Pull),
) {
    let pairs = &Block {
        group,
        channels,
        near,
        cache,
        place,
        weights: weights.as_chunks().0,
        weight_slopes: weight_slopes.as_chunks().0,
    };
    match (&group.common, group.third_side) {
        (Some(common), true) => CommonTally::<true>::new(common, near).spread(simd, pairs, into),
        (Some(common), false) => CommonTally::<false>::new(common, near).spread(simd, pairs, into),
        (None, true) => SeparateTally::<true>.spread(simd, pairs, into),
        (None, false) => SeparateTally::<false>.spread(simd, pairs, into),
    }
}

/// A block of pairs, and the channels that are summed for them.
struct Block<'a> {
    group: &'a Group,
    channels: Range<usize>,
    near: &'a Near,
    cache: &'a GroupCache,
    /// Which of the group's blocks.
    place: usize,
    weights: &'a [Row],
    weight_slopes: &'a [Row],
}

impl Block<'_> {
    /// The channels, with their weights and the weights' slopes.
    #[inline(always)]
    fn channels(&self) -> impl Iterator<Item = (usize, (&Row, &Row))> {
        self.channels.clone().zip(self.weights.iter().zip(self.weight_slopes))
    }
}

/// How the channels of a block of pairs are summed. Parameter: whether there is a third side.
trait Tally<const THIRD: bool>: Sized {
    fn sum<S: Simd>(&self, simd: S, pairs: &Block, sums: &mut Derivatives);

    /// The derivatives with respect to r_k and r_j, from the two sums, the lane of j and the first of the others'.
    fn radial<S: Simd>(&self, simd: S, places: &Places, sums: [S::f64s; 2], lane: usize, column: usize)
    -> [S::f64s; 2];

    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, pairs: &Block, (sums, pull): (&mut Derivatives, &mut Pull)) {
        self.sum(simd, pairs, sums);
        turn::<S, _, THIRD>(simd, self, pairs, sums, pull);
    }
}

/// Each channel's shapes have slopes of their own.
struct SeparateTally<const THIRD: bool>;

impl<const THIRD: bool> Tally<THIRD> for SeparateTally<THIRD> {
    #[inline(always)]
    fn sum<S: Simd>(&self, simd: S, pairs: &Block, sums: &mut Derivatives) {
        let (group, near, cache, block) = (pairs.group, pairs.near, pairs.cache, pairs.place);
        let [alongs, owns] = &mut sums.radial;
        let (alongs, owns) = (registers_mut::<S>(alongs), registers_mut::<S>(owns));
        let cosines = registers_mut::<S>(&mut sums.cosine);
        let per_sides = registers_mut::<S>(&mut sums.per_side);
        let inverses = if THIRD {
            block_of(&cache.sides, block)
        } else {
            &[0.0; BLOCK]
        };
        let inverses = registers::<S>(inverses);
        let parts = LANES / S::F64_LANES;
        let zero = simd.splat_f64s(0.0);
        for (place, chunk) in cache.chunks_of(block).iter().enumerate() {
            for part in 0..parts {
                let v = place * parts + part;
                let column = chunk.column + part * S::F64_LANES;
                let (mut along, mut own, mut turn, mut stretch) = (zero, zero, zero, zero);
                for (index, (weight, weight_slope)) in pairs.channels() {
                    let shape = group.channels[index].shape;
                    let (shapes, slopes) = (near.shape(shape), near.slope(shape));
                    let own_shape = simd.splat_f64s(shapes[chunk.lane]);
                    let own_slope = simd.splat_f64s(slopes[chunk.lane]);
                    let other = register::<S>(shapes, column);
                    let other_slope = register::<S>(slopes, column);
                    let mut weight = registers::<S>(weight)[v];
                    let weight_slope = registers::<S>(weight_slope)[v];
                    let mut both = simd.mul_f64s(own_shape, other);
                    if THIRD {
                        let at = GroupCache::terms_of(group, block, index);
                        let third = registers::<S>(block_of(&cache.terms, at))[v];
                        let third_slope = registers::<S>(block_of(&cache.term_slopes, at))[v];
                        stretch = simd.mul_add_e_f64s(simd.mul_f64s(both, third_slope), weight, stretch);
                        both = simd.mul_f64s(both, third);
                        weight = simd.mul_f64s(third, weight);
                    }
                    turn = simd.mul_add_e_f64s(both, weight_slope, turn);
                    along = simd.mul_add_e_f64s(simd.mul_f64s(own_shape, other_slope), weight, along);
                    own = simd.mul_add_e_f64s(simd.mul_f64s(own_slope, other), weight, own);
                }
                (alongs[v], owns[v], cosines[v]) = (along, own, turn);
                if THIRD {
                    per_sides[v] = simd.mul_f64s(stretch, inverses[v]);
                }
            }
        }
    }

    #[inline(always)]
    fn radial<S: Simd>(&self, _: S, _: &Places, sums: [S::f64s; 2], _: usize, _: usize) -> [S::f64s; 2] {
        sums
    }
}

/// The channels' shapes are Gaussians exp(−η(r − rs)²)·fc(r) that differ in η alone: g′/g = fc′/fc − 2η(r − rs), so that two sums over the
/// channels, Σ t·W and 2Σ η·t·W, give all derivatives with respect to distances. Parameter: whether there is a third side.
struct CommonTally<'a, const THIRD: bool> {
    common: &'a Common,
    /// fc′/fc, lane by lane.
    declines: &'a [f64],
}

impl<'a, const THIRD: bool> CommonTally<'a, THIRD> {
    #[inline(always)]
    fn new(common: &'a Common, near: &'a Near) -> Self {
        Self {
            common,
            declines: near.decline(common.radius),
        }
    }
}

impl<const THIRD: bool> Tally<THIRD> for CommonTally<'_, THIRD> {
    #[inline(always)]
    fn sum<S: Simd>(&self, simd: S, pairs: &Block, sums: &mut Derivatives) {
        let (cache, block) = (pairs.cache, pairs.place);
        let channels = pairs.group.channels.len();
        let first = GroupCache::terms_of(pairs.group, block, 0);
        let terms = &cache.terms.as_chunks::<BLOCK>().0[first..][..channels];
        let [plains, by_etas] = &mut sums.radial;
        let (plains, by_etas) = (registers_mut::<S>(plains), registers_mut::<S>(by_etas));
        let cosines = registers_mut::<S>(&mut sums.cosine);
        let per_sides = registers_mut::<S>(&mut sums.per_side);
        let none = &[0.0; BLOCK];
        let (mut fades, mut fade_slopes, mut inverses) = (none, none, none);
        if THIRD {
            fades = block_of(&cache.fades, block);
            fade_slopes = block_of(&cache.fade_slopes, block);
            inverses = block_of(&cache.sides, block);
        }
        let (fades, fade_slopes) = (registers::<S>(fades), registers::<S>(fade_slopes));
        let inverses = registers::<S>(inverses);
        let zero = simd.splat_f64s(0.0);
        let shift = simd.splat_f64s(self.common.shift);
        for v in 0..BLOCK / S::F64_LANES {
            let (mut plain, mut by_eta, mut turn) = (zero, zero, zero);
            for (index, (weight, weight_slope)) in pairs.channels() {
                let term = registers::<S>(&terms[index])[v];
                let weighted = simd.mul_f64s(term, registers::<S>(weight)[v]);
                plain = simd.add_f64s(plain, weighted);
                by_eta = simd.mul_add_e_f64s(simd.splat_f64s(self.common.etas[index]), weighted, by_eta);
                turn = simd.mul_add_e_f64s(term, registers::<S>(weight_slope)[v], turn);
            }
            by_eta = simd.add_f64s(by_eta, by_eta);
            if THIRD {
                let fade = fades[v];
                by_eta = simd.mul_f64s(by_eta, fade);
                turn = simd.mul_f64s(turn, fade);
                // (Σ t·W·fc′ − 2Σ η·t·W·fc·(d − rs))/d.
                let slope = fade_slopes[v];
                let fixed = simd.mul_add_e_f64s(plain, slope, simd.mul_f64s(by_eta, shift));
                per_sides[v] = simd.sub_f64s(simd.mul_f64s(fixed, inverses[v]), by_eta);
                plain = simd.mul_f64s(plain, fade);
            }
            (plains[v], by_etas[v], cosines[v]) = (plain, by_eta, turn);
        }
    }

    #[inline(always)]
    fn radial<S: Simd>(
        &self,
        simd: S,
        places: &Places,
        [plain, by_eta]: [S::f64s; 2],
        lane: usize,
        column: usize,
    ) -> [S::f64s; 2] {
        let from_centre = simd.splat_f64s(places.distance[lane] - self.common.shift);
        let decline = simd.splat_f64s(self.declines[lane]);
        let own = simd.negate_mul_add_e_f64s(by_eta, from_centre, simd.mul_f64s(plain, decline));
        let distance = register::<S>(places.distance, column);
        let from_centre = simd.sub_f64s(distance, simd.splat_f64s(self.common.shift));
        let decline = register::<S>(self.declines, column);
        let along = simd.negate_mul_add_e_f64s(by_eta, from_centre, simd.mul_f64s(plain, decline));
        [along, own]
    }
}

/// Turns the derivatives for a block of pairs into pulls on the neighbours, with or without third sides.
///
/// With c = u_j·u_k and d = r_jk, of a term g_j·g_k·h(d)·W(c):
/// ∂/∂x_k = [g_j g_k′ h W − (∂c) c/r_k + (∂d) r_k/d]·u_k + B·x_j with B = (∂c)/(r_j r_k) − (∂d)/d, and likewise for j.
#[inline(always)]
fn turn<S: Simd, T: Tally<THIRD>, const THIRD: bool>(
    simd: S,
    tally: &T,
    pairs: &Block,
    sums: &Derivatives,
    pull: &mut Pull,
) {
    let near = pairs.near;
    let [first, second] = &sums.radial;
    let (first, second) = (registers::<S>(first), registers::<S>(second));
    let (turns, per_sides) = (registers::<S>(&sums.cosine), registers::<S>(&sums.per_side));
    let cosines = registers::<S>(block_of(&pairs.cache.cosines, pairs.place));
    let places = &near.placed();
    let along_row = &mut pull.along[..near.lanes];
    let [x, y, z] = &mut pull.free;
    let mut free_rows = [&mut x[..near.lanes], &mut y[..near.lanes], &mut z[..near.lanes]];
    let chunks = pairs.cache.chunks_of(pairs.place);
    let parts = LANES / S::F64_LANES;
    let mut own = OwnPull::new(simd, chunks[0].lane);
    for (place, chunk) in chunks.iter().enumerate() {
        let lane = chunk.lane;
        if lane != own.lane {
            own.add_to(simd, places, along_row, &mut free_rows);
            own = OwnPull::new(simd, lane);
        }
        for part in 0..parts {
            let v = place * parts + part;
            let column = chunk.column + part * S::F64_LANES;
            let inverse = register::<S>(places.inverse, column);
            let [along, by_shape] = tally.radial(simd, places, [first[v], second[v]], lane, column);
            let turned = simd.mul_f64s(turns[v], cosines[v]);
            let per_own = simd.mul_f64s(turns[v], simd.splat_f64s(places.inverse[lane]));
            let mut free = simd.mul_f64s(per_own, inverse);
            let mut along = simd.negate_mul_add_e_f64s(turned, inverse, along);
            own.by_cosine = simd.add_f64s(own.by_cosine, turned);
            own.by_shape = simd.add_f64s(own.by_shape, by_shape);
            if THIRD {
                free = simd.sub_f64s(free, per_sides[v]);
                along = simd.mul_add_e_f64s(per_sides[v], register::<S>(places.distance, column), along);
                own.by_side = simd.add_f64s(own.by_side, per_sides[v]);
            }
            let pulled = register_mut::<S>(along_row, column);
            *pulled = simd.add_f64s(*pulled, along);
            for ((row, pulled), own) in places.displacement.iter().zip(&mut free_rows).zip(&mut own.free) {
                let pulled = register_mut::<S>(pulled, column);
                *pulled = simd.mul_add_e_f64s(free, simd.splat_f64s(row[lane]), *pulled);
                *own = simd.mul_add_e_f64s(free, register::<S>(row, column), *own);
            }
        }
    }
    own.add_to(simd, places, along_row, &mut free_rows);
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
    fn add_to(&self, simd: S, places: &Places, along_row: &mut [f64], free_rows: &mut [&mut [f64]; 3]) {
        let j = self.lane;
        let by_cosine = simd.mul_f64s(self.by_cosine, simd.splat_f64s(places.inverse[j]));
        let along = simd.mul_add_e_f64s(
            self.by_side,
            simd.splat_f64s(places.distance[j]),
            simd.sub_f64s(self.by_shape, by_cosine),
        );
        along_row[j] += simd.reduce_sum_f64s(along);
        for (row, free) in free_rows.iter_mut().zip(self.free) {
            row[j] += simd.reduce_sum_f64s(free);
        }
    }
}
