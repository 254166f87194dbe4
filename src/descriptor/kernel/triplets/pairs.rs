//! The pairs of neighbours of a group of functions, and what is known of them: cosines, angles, third sides.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::super::rows::{Fade, Pairs, cutoff_row, factor_row, gaussian_row};
use super::near::Near;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::plan::{Group, LANES, TripletPlan};
use crate::vector::elementary::{angle, inverse_root, power};
use crate::vector::{Lanes, along_direction, fused, register, register_mut, registers_mut};

/// Chunks that are worked on together: enough independent numbers to hide how long one instruction takes, few enough that
/// what is known of their pairs stays in the fastest memory.
pub(super) const CHUNKS: usize = 8;
/// The pairs of a block of chunks. As it is known to the compiler, loops over a block have no ends to check.
pub(super) const BLOCK: usize = CHUNKS * LANES;

/// The pairs of one group, in whole blocks: chunk by chunk, lane by lane.
#[derive(Debug, Default)]
pub(super) struct GroupCache {
    pub chunks: Vec<Chunk>,
    pub cosines: Lanes,
    /// r_jk², then 1/r_jk.
    pub sides: Lanes,
    /// Block by block, channel by channel: the third side's factor and slope; where shapes have their cutoff in common, g_j·g_k times
    /// the third side's Gaussian, and no slopes.
    pub terms: Lanes,
    pub term_slopes: Lanes,
    /// fc and fc′ of the third side, where shapes have it in common.
    pub fades: Lanes,
    pub fade_slopes: Lanes,
    pub thetas: Lanes,
    pub inverse_sines: Lanes,
}

/// A neighbour j and [`LANES`] others in a row that it is paired with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// The lane of j.
    pub lane: usize,
    /// The first of the others' lanes.
    pub column: usize,
}

impl Chunk {
    /// The lanes of the others.
    #[inline(always)]
    pub fn columns(&self) -> Range<usize> {
        self.column..self.column + LANES
    }
}

impl GroupCache {
    /// Lists the pairs: for each neighbour j those that it is paired with, their cosines and, where needed, the squares of third
    /// sides or the angles. Chunks whose third sides are all too long are left out.
    #[inline(always)]
    pub fn list<S: Simd>(&mut self, simd: S, group: &Group, near: &Near, reach: f64) {
        self.chunks.clear();
        let [left, right] = group.populations;
        let columns = near.range(right);
        let limit = reach * reach;
        for j in near.range(left) {
            let mut silent = true;
            for channel in &group.channels {
                silent &= near.shape(channel.shape)[j] == 0.0 && near.slope(channel.shape)[j] == 0.0;
            }
            if silent {
                continue;
            }
            let from = if left == right { j + 1 } else { columns.start };
            let most = columns.len().next_multiple_of(LANES) + BLOCK;
            self.reserve(group, self.chunks.len() * LANES + most);
            for column in (from..columns.end).step_by(LANES) {
                self.add(simd, group, near, Chunk { lane: j, column }, limit);
            }
        }
        if let Some(last) = self.chunks.last().copied() {
            // Empty lanes follow each element's: the last block is filled with these.
            let column = near.elements.last().map_or(0, |range| range.end);
            while !self.chunks.len().is_multiple_of(CHUNKS) {
                self.add(simd, group, near, Chunk { column, ..last }, f64::INFINITY);
            }
        }
        if group.needs_theta() {
            self.measure_angles::<S>(near);
        }
        let pairs = self.chunks.len() * LANES;
        if group.common.is_some() {
            self.terms.reserve(group.channels.len() * pairs);
            let sides = if group.third_side { pairs } else { 0 };
            self.fades.reserve(sides);
            self.fade_slopes.reserve(sides);
        } else if group.third_side {
            self.terms.reserve(group.channels.len() * pairs);
            self.term_slopes.reserve(group.channels.len() * pairs);
        }
    }

    fn reserve(&mut self, group: &Group, pairs: usize) {
        self.cosines.reserve(pairs);
        if group.third_side {
            self.sides.reserve(pairs);
        }
    }

    /// Adds a chunk, unless the squares of all its third sides reach the limit.
    // All comparisons at once, not one after another.
    #[allow(clippy::needless_bitwise_bool)]
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, group: &Group, near: &Near, chunk: Chunk, limit: f64) {
        let at = self.chunks.len() * LANES;
        let at = at..at + LANES;
        if group.third_side {
            let sides = &mut self.sides[at.clone()];
            squared_sides(simd, near, chunk, sides);
            // What is not a number is not far, and shows.
            if sides.iter().fold(true, |far, square| far & (*square >= limit)) {
                return;
            }
        }
        cosines(simd, near, chunk, &mut self.cosines[at]);
        self.chunks.push(chunk);
    }

    /// θ and 1/sin θ of every pair, the sine from the cross product, which keeps its digits near 0° and 180°.
    #[inline(always)]
    fn measure_angles<S: Simd>(&mut self, near: &Near) {
        let pairs = self.chunks.len() * LANES;
        self.thetas.reserve(pairs);
        self.inverse_sines.reserve(pairs);
        let [ux, uy, uz] = &near.direction;
        for (place, chunk) in self.chunks.iter().enumerate() {
            let j = chunk.lane;
            let (x, y, z) = (ux[j], uy[j], uz[j]);
            let others = ux[chunk.columns()]
                .iter()
                .zip(&uy[chunk.columns()])
                .zip(&uz[chunk.columns()]);
            let at = place * LANES..(place + 1) * LANES;
            let angles = self.thetas[at.clone()]
                .iter_mut()
                .zip(&mut self.inverse_sines[at.clone()]);
            for ((((ux, uy), uz), cosine), (theta, inverse_sine)) in others.zip(&self.cosines[at]).zip(angles) {
                let a = fused::<S>(y, *uz, -(z * *uy));
                let b = fused::<S>(z, *ux, -(x * *uz));
                let c = fused::<S>(x, *uy, -(y * *ux));
                let square = fused::<S>(a, a, fused::<S>(b, b, c * c));
                let safe = if square > 1e-300 { square } else { 1e-300 };
                let inverse = inverse_root::<S>(safe);
                *theta = angle::<S>(square * inverse, *cosine);
                *inverse_sine = if square > 1e-300 { inverse } else { 0.0 };
            }
        }
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.chunks.len() / CHUNKS
    }

    /// The chunks of a block.
    #[inline(always)]
    pub fn chunks_of(&self, block: usize) -> &[Chunk] {
        &self.chunks[block * CHUNKS..(block + 1) * CHUNKS]
    }

    /// The pairs of a block.
    #[inline(always)]
    pub fn pairs_of(block: usize) -> Range<usize> {
        block * BLOCK..(block + 1) * BLOCK
    }

    /// Where the terms of a block and one channel stand.
    #[inline(always)]
    pub fn terms_of(group: &Group, block: usize, channel: usize) -> Range<usize> {
        let first = (block * group.channels.len() + channel) * BLOCK;
        first..first + BLOCK
    }

    /// 1/r_jk, and the factors of r_jk, of a block.
    #[inline(always)]
    pub fn third_sides<S: Simd>(
        &mut self,
        simd: S,
        group: &Group,
        plan: &TripletPlan,
        cutoff: &CutoffFunction,
        block: usize,
        (fade, distances): (&mut Fade, &mut Lanes),
    ) {
        distances.reserve(BLOCK);
        let distances = &mut distances[..BLOCK];
        for (side, distance) in self.sides[Self::pairs_of(block)].iter_mut().zip(distances.iter_mut()) {
            let square = if *side > 1e-12 { *side } else { 1e-12 };
            *side = inverse_root::<S>(square);
            *distance = square * *side;
        }
        if let Some(common) = &group.common {
            let fades = &mut self.fades[Self::pairs_of(block)];
            let fade_slopes = &mut self.fade_slopes[Self::pairs_of(block)];
            cutoff_row::<S>(cutoff, common.cutoff, distances, fades, fade_slopes);
            for step in &common.steps {
                let at = Self::terms_of(group, block, step.channel);
                if let Some((from, exponent)) = step.power {
                    let from = Self::terms_of(group, block, from).start;
                    for place in 0..BLOCK / S::F64_LANES {
                        let place = place * S::F64_LANES;
                        let root = register::<S>(&self.terms, from + place);
                        *register_mut::<S>(&mut self.terms, at.start + place) = power(simd, root, exponent);
                    }
                } else {
                    let eta = common.etas[step.channel];
                    gaussian_row::<S>(eta, common.shift, distances, &mut self.terms[at]);
                }
            }
            return;
        }
        fade.forget();
        for (index, channel) in group.channels.iter().enumerate() {
            let at = Self::terms_of(group, block, index);
            factor_row(
                simd,
                &plan.shapes[channel.shape].factor,
                cutoff,
                fade,
                distances,
                &mut self.terms[at.clone()],
                &mut self.term_slopes[at],
            );
        }
    }

    /// What angles of a block are evaluated from.
    #[inline(always)]
    pub fn pairs(&self, group: &Group, block: usize) -> Pairs<'_> {
        let at = Self::pairs_of(block);
        let (thetas, inverse_sines) = if group.needs_theta() {
            (&self.thetas[at.clone()], &self.inverse_sines[at.clone()])
        } else {
            (&[][..], &[][..])
        };
        Pairs {
            cosines: &self.cosines[at],
            thetas,
            inverse_sines,
        }
    }
}

/// Squared distances between j and the others of a chunk.
#[inline(always)]
fn squared_sides<S: Simd>(simd: S, near: &Near, chunk: Chunk, out: &mut [f64]) {
    let [x, y, z] = &near.displacement;
    let x_j = simd.splat_f64s(x[chunk.lane]);
    let y_j = simd.splat_f64s(y[chunk.lane]);
    let z_j = simd.splat_f64s(z[chunk.lane]);
    for (part, out) in registers_mut::<S>(out).iter_mut().enumerate() {
        let column = chunk.column + part * S::F64_LANES;
        let a = simd.sub_f64s(register::<S>(x, column), x_j);
        let b = simd.sub_f64s(register::<S>(y, column), y_j);
        let c = simd.sub_f64s(register::<S>(z, column), z_j);
        *out = along_direction(simd, [a, b, c], [a, b, c]);
    }
}

/// Cosines between j and the others of a chunk.
#[inline(always)]
fn cosines<S: Simd>(simd: S, near: &Near, chunk: Chunk, out: &mut [f64]) {
    let [x, y, z] = &near.direction;
    let x_j = simd.splat_f64s(x[chunk.lane]);
    let y_j = simd.splat_f64s(y[chunk.lane]);
    let z_j = simd.splat_f64s(z[chunk.lane]);
    for (part, out) in registers_mut::<S>(out).iter_mut().enumerate() {
        let column = chunk.column + part * S::F64_LANES;
        let own = [x_j, y_j, z_j];
        let other = [
            register::<S>(x, column),
            register::<S>(y, column),
            register::<S>(z, column),
        ];
        *out = along_direction(simd, own, other);
    }
}
