//! The pairs of neighbours of a group of functions, and what is known of them: cosines, angles, third sides.

#![allow(clippy::inline_always)]

use pulp::Simd;

use super::super::rows::{Fade, Pairs, cutoff_row, factor_row, gaussian_row};
use super::chunks::{Chunk, Page, angles, squared_sines};
use super::near::Near;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::plan::{Group, LANES, TripletPlan};
use crate::vector::elementary::{inverse_root, power};
use crate::vector::{Lanes, registers, registers_mut};

/// Chunks that are worked on together: enough independent numbers to hide how long one instruction takes, few enough that
/// what is known of their pairs stays in the fastest memory.
pub(super) const CHUNKS: usize = 8;
/// The pairs of a block of chunks. As it is known to the compiler, loops over a block have no ends to check.
pub(super) const BLOCK: usize = CHUNKS * LANES;

/// A number for each pair of a block.
pub(super) type Row = [f64; BLOCK];

/// The pairs of one group, in whole blocks: chunk by chunk, lane by lane.
#[derive(Debug, Default)]
pub(super) struct GroupCache {
    /// How many chunks there are; the rows may be longer.
    count: usize,
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

/// One of the blocks of a row.
#[inline(always)]
pub(super) fn block_of(row: &[f64], block: usize) -> &Row {
    &row.as_chunks().0[block]
}

/// One of the blocks of a row, to be changed.
#[inline(always)]
pub(super) fn block_of_mut(row: &mut [f64], block: usize) -> &mut Row {
    &mut row.as_chunks_mut().0[block]
}

impl GroupCache {
    /// Lists the pairs: for each neighbour j those that it is paired with, their cosines and, where needed, the squares of third
    /// sides or the angles. Chunks whose third sides are all too long are left out.
    #[inline(always)]
    pub fn list<S: Simd>(&mut self, simd: S, group: &Group, near: &Near, reach: f64) {
        if group.third_side {
            self.write_chunks::<S, true>(simd, group, near, reach);
        } else {
            self.write_chunks::<S, false>(simd, group, near, reach);
        }
        if group.needs_theta() {
            self.measure_angles(simd, near);
        }
        let pairs = self.count * LANES;
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

    /// The loops of [`GroupCache::list`].
    #[inline(always)]
    fn write_chunks<S: Simd, const THIRD: bool>(&mut self, simd: S, group: &Group, near: &Near, reach: f64) {
        let [left, right] = group.populations;
        let columns = near.range(right);
        let most: usize = if left == right {
            (0..columns.len()).map(|others| others.div_ceil(LANES)).sum()
        } else {
            near.range(left).len() * columns.len().div_ceil(LANES)
        };
        let room = most + CHUNKS;
        if self.chunks.len() < room {
            self.chunks.resize(room, Chunk::default());
        }
        self.cosines.reserve(room * LANES);
        self.sides.reserve(if THIRD { room * LANES } else { 0 });
        let mut page = Page::<THIRD> {
            places: near.placed(),
            chunks: &mut self.chunks[..room],
            cosines: &mut self.cosines.as_chunks_mut().0[..room],
            sides: &mut self.sides.as_chunks_mut().0[..if THIRD { room } else { 0 }],
            count: 0,
        };
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
            for column in (from..columns.end).step_by(LANES) {
                page.write(simd, Chunk { lane: j, column }, limit);
            }
        }
        if let Some(last) = page.count.checked_sub(1) {
            // Empty lanes follow each element's: the last block is filled with these.
            let column = near.elements.last().map_or(0, |range| range.end);
            let filler = Chunk {
                column,
                ..page.chunks[last]
            };
            while !page.count.is_multiple_of(CHUNKS) {
                // No limit: even distances that overflow count.
                page.write(simd, filler, f64::NAN);
            }
        }
        self.count = page.count;
    }

    /// θ and 1/sin θ of every pair, the sine from the cross product, which keeps its digits near 0° and 180°.
    #[inline(always)]
    fn measure_angles<S: Simd>(&mut self, simd: S, near: &Near) {
        self.thetas.reserve(self.count * LANES);
        self.inverse_sines.reserve(self.count * LANES);
        let places = &near.placed();
        let mut squares = [0.0; BLOCK];
        for block in 0..self.blocks() {
            for (chunk, squares) in self.chunks_of(block).iter().zip(squares.as_chunks_mut().0) {
                squared_sines(simd, places, *chunk, squares);
            }
            let cosines = block_of(&self.cosines, block);
            let thetas = block_of_mut(&mut self.thetas, block);
            angles::<S>(&squares, cosines, thetas, block_of_mut(&mut self.inverse_sines, block));
        }
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.count / CHUNKS
    }

    /// The chunks of a block.
    #[inline(always)]
    pub fn chunks_of(&self, block: usize) -> &[Chunk; CHUNKS] {
        &self.chunks.as_chunks().0[block]
    }

    /// Where the terms of a block and one channel stand among the blocks of terms.
    #[inline(always)]
    pub fn terms_of(group: &Group, block: usize, channel: usize) -> usize {
        block * group.channels.len() + channel
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
        let distances = block_of_mut(distances, 0);
        for (side, distance) in block_of_mut(&mut self.sides, block)
            .iter_mut()
            .zip(distances.iter_mut())
        {
            let square = if *side > 1e-12 { *side } else { 1e-12 };
            *side = inverse_root::<S>(square);
            *distance = square * *side;
        }
        let channels = group.channels.len();
        let terms = &mut self.terms.as_chunks_mut().0[block * channels..][..channels];
        if let Some(common) = &group.common {
            let fades = block_of_mut(&mut self.fades, block);
            let fade_slopes = block_of_mut(&mut self.fade_slopes, block);
            cutoff_row::<S>(cutoff, common.cutoff, distances, fades, fade_slopes);
            for step in &common.steps {
                if let Some((root, exponent)) = step.power {
                    let root: Row = terms[root];
                    let roots = registers::<S>(&root).iter();
                    for (root, term) in roots.zip(registers_mut::<S>(&mut terms[step.channel])) {
                        *term = power(simd, *root, exponent);
                    }
                } else {
                    let eta = common.etas[step.channel];
                    gaussian_row::<S>(eta, common.shift, distances, &mut terms[step.channel]);
                }
            }
            return;
        }
        fade.forget();
        let term_slopes = &mut self.term_slopes.as_chunks_mut::<BLOCK>().0[block * channels..][..channels];
        for (channel, (term, slope)) in group.channels.iter().zip(terms.iter_mut().zip(term_slopes)) {
            let factor = &plan.shapes[channel.shape].factor;
            factor_row(simd, factor, cutoff, fade, distances, term, slope);
        }
    }

    /// What angles of a block are evaluated from.
    #[inline(always)]
    pub fn pairs(&self, group: &Group, block: usize) -> Pairs<'_> {
        let (thetas, inverse_sines) = if group.needs_theta() {
            (
                &block_of(&self.thetas, block)[..],
                &block_of(&self.inverse_sines, block)[..],
            )
        } else {
            (&[][..], &[][..])
        };
        Pairs {
            cosines: block_of(&self.cosines, block),
            thetas,
            inverse_sines,
        }
    }
}
