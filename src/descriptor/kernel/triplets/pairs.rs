//! The pairs of neighbours of a group of functions, and what is known of them: cosines, angles, third sides.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::super::rows::{Fade, Pairs, angle, factor_row, inverse_root};
use super::super::vector::{Lanes, fused};
use super::near::Near;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::plan::{Group, LANES, TripletPlan};

/// Pairs of neighbours that are worked on together, so that what is known of them stays in the fastest memory.
const BATCH: usize = 16 * LANES;

/// The pairs of one group.
#[derive(Debug, Default)]
pub(super) struct GroupCache {
    pub rows: Vec<Row>,
    /// How many pairs there are, empty ones included; the rows below may be longer.
    pub length: usize,
    pub cosines: Lanes,
    /// r_jk², then 1/r_jk.
    pub sides: Lanes,
    /// The third side's factor and slope: channel by channel.
    pub thirds: Lanes,
    pub third_slopes: Lanes,
    pub thetas: Lanes,
    pub inverse_sines: Lanes,
}

/// A neighbour j and others in a row that it is paired with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The lane of j.
    pub lane: usize,
    /// The first of the others' lanes.
    pub column: usize,
    /// The place of the first pair.
    pub start: usize,
    /// The number of pairs, whole chunks.
    pub count: usize,
}

impl Row {
    /// The places of its pairs.
    pub fn pairs(&self) -> Range<usize> {
        self.start..self.start + self.count
    }

    /// The lanes of the others.
    pub fn columns(&self) -> Range<usize> {
        self.column..self.column + self.count
    }
}

impl GroupCache {
    /// Lists the pairs: for each neighbour j those that it is paired with, their cosines and, where needed, the squares of third
    /// sides or the angles. Chunks whose third sides are all too long are left out.
    #[inline(always)]
    pub fn list<S: Simd>(&mut self, group: &Group, near: &Near, reach: f64) {
        self.rows.clear();
        self.length = 0;
        let [left, right] = group.populations;
        let columns = near.range(right);
        for j in near.range(left) {
            let mut silent = true;
            for channel in &group.channels {
                silent &= near.shape(channel.shape)[j] == 0.0 && near.slope(channel.shape)[j] == 0.0;
            }
            if silent {
                continue;
            }
            let from = if left == right { j + 1 } else { columns.start };
            if from >= columns.end {
                continue;
            }
            let count = (columns.end - from).next_multiple_of(LANES);
            let row = Row {
                lane: j,
                column: from,
                start: self.length,
                count,
            };
            self.cosines.reserve(self.length + count);
            cosines::<S>(near, &row, &mut self.cosines[row.pairs()]);
            if group.third_side {
                self.sides.reserve(self.length + count);
                squared_sides::<S>(near, &row, &mut self.sides[row.pairs()]);
                self.keep_near(row, reach * reach);
            } else {
                self.rows.push(row);
                self.length += count;
            }
        }
        if group.needs_theta() {
            self.measure_angles::<S>(near);
        }
        let length = if group.third_side { self.length } else { 0 };
        self.thirds.reserve(group.channels.len() * length);
        self.third_slopes.reserve(group.channels.len() * length);
    }

    /// Keeps the chunks of a row of which at least one square is below the limit, as rows of neighbouring chunks.
    #[inline(always)]
    fn keep_near(&mut self, row: Row, limit: f64) {
        let mut open = false;
        for offset in (0..row.count).step_by(LANES) {
            let from = row.start + offset;
            let mut near = false;
            for square in &self.sides[from..from + LANES] {
                // Whatever is not a number is kept, to show.
                near |= !matches!(
                    square.partial_cmp(&limit),
                    Some(std::cmp::Ordering::Greater | std::cmp::Ordering::Equal)
                );
            }
            if !near {
                open = false;
                continue;
            }
            let to = self.length;
            if to < from {
                self.sides.copy_within(from..from + LANES, to);
                self.cosines.copy_within(from..from + LANES, to);
            }
            match self.rows.last_mut() {
                Some(last) if open => last.count += LANES,
                _ => self.rows.push(Row {
                    lane: row.lane,
                    column: row.column + offset,
                    start: to,
                    count: LANES,
                }),
            }
            open = true;
            self.length += LANES;
        }
    }

    /// θ and 1/sin θ of every pair, the sine from the cross product, which keeps its digits near 0° and 180°.
    #[inline(always)]
    fn measure_angles<S: Simd>(&mut self, near: &Near) {
        self.thetas.reserve(self.length);
        self.inverse_sines.reserve(self.length);
        let [ux, uy, uz] = &near.direction;
        for row in &self.rows {
            let j = row.lane;
            let (x, y, z) = (ux[j], uy[j], uz[j]);
            let others = ux[row.columns()].iter().zip(&uy[row.columns()]).zip(&uz[row.columns()]);
            let angles = self.thetas[row.pairs()]
                .iter_mut()
                .zip(&mut self.inverse_sines[row.pairs()]);
            for ((((ux, uy), uz), cosine), (theta, inverse_sine)) in others.zip(&self.cosines[row.pairs()]).zip(angles)
            {
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

    /// The rows from `row` on that make a batch.
    pub fn batch(&self, row: usize) -> Range<usize> {
        let start = self.rows[row].start;
        let mut end = row + 1;
        while end < self.rows.len() && self.rows[end].pairs().end - start <= BATCH {
            end += 1;
        }
        row..end
    }

    /// The pairs of a batch of rows.
    pub fn pairs_of(&self, rows: &Range<usize>) -> Range<usize> {
        self.rows[rows.start].start..self.rows[rows.end - 1].pairs().end
    }

    /// 1/r_jk, and the factors of r_jk, of a batch.
    #[inline(always)]
    pub fn third_sides<S: Simd>(
        &mut self,
        simd: S,
        group: &Group,
        plan: &TripletPlan,
        cutoff: &CutoffFunction,
        lanes: &Range<usize>,
        (fade, distances): (&mut Fade, &mut Lanes),
    ) {
        let total = self.length;
        distances.reserve(lanes.len());
        let distances = &mut distances[..lanes.len()];
        for (side, distance) in self.sides[lanes.clone()].iter_mut().zip(distances.iter_mut()) {
            let square = if *side > 1e-12 { *side } else { 1e-12 };
            *side = inverse_root::<S>(square);
            *distance = square * *side;
        }
        fade.forget();
        for (index, channel) in group.channels.iter().enumerate() {
            let at = index * total + lanes.start..index * total + lanes.end;
            let (values, slopes) = (&mut self.thirds[at.clone()], &mut self.third_slopes[at]);
            factor_row(
                simd,
                &plan.shapes[channel.shape].factor,
                cutoff,
                fade,
                distances,
                values,
                slopes,
            );
        }
    }

    pub fn pairs(&self, group: &Group, lanes: &Range<usize>) -> Pairs<'_> {
        let theta = if group.needs_theta() { lanes.clone() } else { 0..0 };
        Pairs {
            cosines: &self.cosines[lanes.clone()],
            thetas: &self.thetas[theta.clone()],
            inverse_sines: &self.inverse_sines[theta],
        }
    }
}

/// Squared distances between j and the others of a row.
#[inline(always)]
fn squared_sides<S: Simd>(near: &Near, row: &Row, out: &mut [f64]) {
    let [x, y, z] = &near.displacement;
    let (x_j, y_j, z_j) = (x[row.lane], y[row.lane], z[row.lane]);
    let others = x[row.columns()].iter().zip(&y[row.columns()]).zip(&z[row.columns()]);
    for (out, ((x, y), z)) in out.iter_mut().zip(others) {
        let (a, b, c) = (x - x_j, y - y_j, z - z_j);
        *out = fused::<S>(a, a, fused::<S>(b, b, c * c));
    }
}

/// Cosines between j and the others of a row.
#[inline(always)]
fn cosines<S: Simd>(near: &Near, row: &Row, out: &mut [f64]) {
    let [x, y, z] = &near.direction;
    let (x_j, y_j, z_j) = (x[row.lane], y[row.lane], z[row.lane]);
    let others = x[row.columns()].iter().zip(&y[row.columns()]).zip(&z[row.columns()]);
    for (out, ((x, y), z)) in out.iter_mut().zip(others) {
        *out = fused::<S>(x_j, *x, fused::<S>(y_j, *y, z_j * *z));
    }
}
