//! Functions that are summed over neighbours and pairs of neighbours: factors of the distances once for each neighbour,
//! factors of the angle and of the third side once for each pair, and their products as small matrix products.
//!
//! Vectors run over neighbours: for each neighbour j, the others are met in chunks of [`LANES`].

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::AtomCache;
use super::rows::{Fade, Pairs, angle, angle_row, factor_row, inverse_root};
use super::vector::fused;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::environment::Seen;
use crate::descriptor::plan::{Group, LANES, Population, Product, TripletPlan};
use crate::linear::{Vec3, add, scale};

/// Pairs of neighbours that are worked on together, so that what is known of them stays in the fastest memory.
const BATCH: usize = 16 * LANES;

/// No neighbour stands here.
const NOBODY: u32 = u32::MAX;

/// What the forward pass leaves for the backward pass.
#[derive(Debug, Default)]
pub(super) struct TripletCache {
    near: Near,
    groups: Vec<GroupCache>,
    fade: Fade,
    work: Work,
}

/// Numbers that live as long as a batch.
#[derive(Debug, Default)]
struct Work {
    distances: Vec<f64>,
    /// Products of the shapes of both neighbours and the third side's: channel by channel.
    radials: Vec<f64>,
    /// Factors of the angle, and their slopes: angle by angle.
    angles: Vec<f64>,
    angle_slopes: Vec<f64>,
    /// Sums of factors of the angle, weighted by dE/dG, and of their slopes: channel by channel.
    weights: Vec<f64>,
    weight_slopes: Vec<f64>,
    /// One register per product.
    sums: Vec<f64>,
    pull: Pull,
    tally: Tally,
}

/// The neighbours that count, by element, each element's followed by at least [`LANES`] empty lanes whose shapes are zero: a
/// chunk that begins with a neighbour may end in them.
#[derive(Debug, Default)]
struct Near {
    /// How many lanes there are; the rows may be longer.
    lanes: usize,
    /// The place of each lane's neighbour in the atom's surroundings.
    places: Vec<u32>,
    /// The element and the octant of each neighbour in the atom's surroundings.
    octants: Vec<usize>,
    /// The lanes of each element's neighbours, without the empty ones.
    elements: Vec<Range<usize>>,
    displacement: [Vec<f64>; 3],
    direction: [Vec<f64>; 3],
    distance: Vec<f64>,
    inverse: Vec<f64>,
    /// Shape by shape.
    shapes: Vec<f64>,
    slopes: Vec<f64>,
}

/// The pairs of one group.
#[derive(Debug, Default)]
struct GroupCache {
    rows: Vec<Row>,
    /// How many pairs there are, empty ones included; the rows below may be longer.
    length: usize,
    cosines: Vec<f64>,
    /// r_jk², then 1/r_jk.
    sides: Vec<f64>,
    /// The third side's factor and slope: channel by channel.
    thirds: Vec<f64>,
    third_slopes: Vec<f64>,
    thetas: Vec<f64>,
    inverse_sines: Vec<f64>,
}

/// A neighbour j and others in a row that it is paired with.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The lane of j.
    lane: usize,
    /// The first of the others' lanes.
    column: usize,
    /// The place of the first pair.
    start: usize,
    /// The number of pairs, whole chunks.
    count: usize,
}

impl Row {
    /// The places of its pairs.
    fn pairs(&self) -> Range<usize> {
        self.start..self.start + self.count
    }

    /// The lanes of the others.
    fn columns(&self) -> Range<usize> {
        self.column..self.column + self.count
    }
}

impl Near {
    /// The lanes of a population, which may include empty ones in between.
    fn range(&self, population: Population) -> Range<usize> {
        match population {
            Population::Element(element) => self.elements[element].clone(),
            Population::All => 0..self.elements.last().map_or(0, |range| range.end),
        }
    }

    fn fill(&mut self, around: &[Seen], elements: usize, reach: f64) {
        self.places.clear();
        self.elements.clear();
        // Neighbours of one octant stand together, so that whole chunks are out of reach of the opposite one.
        self.octants.clear();
        self.octants.extend(around.iter().map(|seen| {
            let [x, y, z] = seen.direction.map(|u| usize::from(u < 0.0));
            // In this order neighbouring octants follow each other.
            let code = 4 * x + 2 * (x ^ y) + (x ^ y ^ z);
            if seen.distance >= reach {
                usize::MAX
            } else {
                8 * seen.element + code
            }
        }));
        for element in 0..elements {
            let first = self.places.len();
            let count = self.octants.iter().filter(|octant| **octant / 8 == element).count();
            if count > 0 {
                for octant in 8 * element..8 * (element + 1) {
                    let places = self.octants.iter().enumerate();
                    self.places
                        .extend(places.filter(|(_, own)| **own == octant).map(|(place, _)| place as u32));
                }
            }
            self.elements.push(first..self.places.len());
            let padded = (self.places.len() + LANES).next_multiple_of(LANES);
            self.places.resize(padded, NOBODY);
        }
        let lanes = self.places.len();
        self.lanes = lanes;
        // Empty lanes stand far away, where nothing is singular.
        let far = 4.0 * reach + 1.0;
        let [x, y, z] = &mut self.displacement;
        let [ux, uy, uz] = &mut self.direction;
        let at_rest = [
            (x, far),
            (y, 0.0),
            (z, 0.0),
            (ux, 1.0),
            (uy, 0.0),
            (uz, 0.0),
            (&mut self.distance, far),
            (&mut self.inverse, 1.0 / far),
        ];
        for (row, rest) in at_rest {
            reserve(row, lanes);
            row[..lanes].fill(rest);
        }
        for (lane, place) in self.places.iter().enumerate() {
            let Some(seen) = around.get(*place as usize) else {
                continue;
            };
            self.distance[lane] = seen.distance;
            self.inverse[lane] = 1.0 / seen.distance;
            for k in 0..3 {
                self.displacement[k][lane] = seen.displacement[k];
                self.direction[k][lane] = seen.direction[k];
            }
        }
    }

    #[inline(always)]
    fn evaluate<S: Simd>(
        &mut self,
        simd: S,
        plan: &TripletPlan,
        cutoff: &CutoffFunction,
        numbers: &[f64],
        fade: &mut Fade,
    ) {
        let lanes = self.lanes;
        reserve(&mut self.shapes, plan.shapes.len() * lanes);
        reserve(&mut self.slopes, plan.shapes.len() * lanes);
        fade.forget();
        let rows = self
            .shapes
            .chunks_exact_mut(lanes)
            .zip(self.slopes.chunks_exact_mut(lanes));
        for (shape, (values, slopes)) in plan.shapes.iter().zip(rows) {
            factor_row(
                simd,
                &shape.factor,
                cutoff,
                fade,
                &self.distance[..lanes],
                values,
                slopes,
            );
            let mut end = 0;
            for (element, range) in self.elements.iter().enumerate() {
                let weight = shape.weight.of(element, numbers);
                for row in [&mut *values, &mut *slopes] {
                    row[end..range.start].fill(0.0);
                    for value in &mut row[range.clone()] {
                        *value *= weight;
                    }
                }
                end = range.end;
            }
            values[end..].fill(0.0);
            slopes[end..].fill(0.0);
        }
    }

    fn shape(&self, shape: usize) -> &[f64] {
        &self.shapes[shape * self.lanes..][..self.lanes]
    }

    fn slope(&self, shape: usize) -> &[f64] {
        &self.slopes[shape * self.lanes..][..self.lanes]
    }
}

impl GroupCache {
    /// Lists the pairs: for each neighbour j those that it is paired with, their cosines and, where needed, the squares of third
    /// sides or the angles. Chunks whose third sides are all too long are left out.
    #[inline(always)]
    fn list<S: Simd>(&mut self, group: &Group, near: &Near, reach: f64) {
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
            reserve(&mut self.cosines, self.length + count);
            products::<S>(near, &row, &near.direction, &mut self.cosines[row.pairs()]);
            if group.third_side {
                reserve(&mut self.sides, self.length + count);
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
        reserve(&mut self.thirds, group.channels.len() * length);
        reserve(&mut self.third_slopes, group.channels.len() * length);
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
        reserve(&mut self.thetas, self.length);
        reserve(&mut self.inverse_sines, self.length);
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
    fn batch(&self, row: usize) -> Range<usize> {
        let start = self.rows[row].start;
        let mut end = row + 1;
        while end < self.rows.len() && self.rows[end].pairs().end - start <= BATCH {
            end += 1;
        }
        row..end
    }

    /// The pairs of a batch of rows.
    fn pairs_of(&self, rows: &Range<usize>) -> Range<usize> {
        self.rows[rows.start].start..self.rows[rows.end - 1].pairs().end
    }

    /// 1/r_jk, and the factors of r_jk, of a batch.
    #[inline(always)]
    fn third_sides<S: Simd>(
        &mut self,
        simd: S,
        group: &Group,
        plan: &TripletPlan,
        cutoff: &CutoffFunction,
        lanes: &Range<usize>,
        (fade, distances): (&mut Fade, &mut Vec<f64>),
    ) {
        let total = self.length;
        reserve(distances, lanes.len());
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

    fn pairs(&self, group: &Group, lanes: &Range<usize>) -> Pairs<'_> {
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

/// Scalar products of the vectors of j and the others of a row.
#[inline(always)]
fn products<S: Simd>(near: &Near, row: &Row, vectors: &[Vec<f64>; 3], out: &mut [f64]) {
    debug_assert!(row.columns().end <= near.lanes);
    let [x, y, z] = vectors;
    let (x_j, y_j, z_j) = (x[row.lane], y[row.lane], z[row.lane]);
    let others = x[row.columns()].iter().zip(&y[row.columns()]).zip(&z[row.columns()]);
    for (out, ((x, y), z)) in out.iter_mut().zip(others) {
        *out = fused::<S>(x_j, *x, fused::<S>(y_j, *y, z_j * *z));
    }
}

/// Makes a buffer at least so long; what it holds is unspecified.
fn reserve(buffer: &mut Vec<f64>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}

/// Values of the plan's functions.
#[inline(always)]
pub(super) fn forward<S: Simd>(
    simd: S,
    plan: &TripletPlan,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    cache: &mut AtomCache,
    values: &mut [f64],
) {
    let TripletCache {
        near,
        groups,
        fade,
        work,
    } = &mut cache.triplets;
    near.fill(&cache.around, numbers.len(), plan.reach);
    near.evaluate(simd, plan, cutoff, numbers, fade);
    for sum in &plan.pair_sums {
        values[sum.feature] = near.shape(sum.shape)[near.range(sum.population)].iter().sum();
    }
    groups.resize_with(plan.groups.len(), GroupCache::default);
    for (group, pairs) in plan.groups.iter().zip(groups) {
        let reach = group
            .channels
            .iter()
            .map(|channel| plan.shapes[channel.shape].factor.reach());
        pairs.list::<S>(group, near, reach.fold(0.0, f64::max));
        let products: usize = group.channels.iter().map(|channel| channel.products.len()).sum();
        work.sums.clear();
        work.sums.resize(products * LANES, 0.0);
        let mut row = 0;
        while row < pairs.rows.len() {
            let rows = pairs.batch(row);
            row = rows.end;
            let lanes = pairs.pairs_of(&rows);
            if group.third_side {
                pairs.third_sides(simd, group, plan, cutoff, &lanes, (fade, &mut work.distances));
            }
            evaluate_angles(simd, group, &pairs.pairs(group, &lanes), lanes.len(), work);
            let count = lanes.len();
            reserve(&mut work.radials, count);
            let mut sums = &mut work.sums[..];
            for (index, channel) in group.channels.iter().enumerate() {
                multiply_shapes(
                    group,
                    (index, channel.shape),
                    near,
                    pairs,
                    rows.clone(),
                    &mut work.radials[..count],
                );
                let own;
                (own, sums) = sums.split_at_mut(channel.products.len() * LANES);
                contract(simd, &channel.products, &work.radials[..count], &work.angles, own);
            }
        }
        let products = group.channels.iter().flat_map(|channel| &channel.products);
        for (product, sum) in products.zip(work.sums.chunks_exact(LANES)) {
            values[product.feature] = product.factor * sum.iter().sum::<f64>();
        }
    }
}

/// All factors of the angle for a batch of pairs.
#[inline(always)]
fn evaluate_angles<S: Simd>(simd: S, group: &Group, pairs: &Pairs, count: usize, work: &mut Work) {
    reserve(&mut work.angles, group.angles.len() * count);
    reserve(&mut work.angle_slopes, group.angles.len() * count);
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
fn multiply_shapes(
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
fn contract<S: Simd>(simd: S, products: &[Product], radials: &[f64], angles: &[f64], sums: &mut [f64]) {
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

/// dE/dr as it is gathered: along each neighbour's direction, and the rest; lane by lane.
#[derive(Debug, Default)]
struct Pull {
    along: Vec<f64>,
    free: [Vec<f64>; 3],
}

impl Pull {
    fn clear(&mut self, lanes: usize) {
        for row in std::iter::once(&mut self.along).chain(&mut self.free) {
            row.clear();
            row.resize(lanes, 0.0);
        }
    }

    /// Adds what was gathered to the derivatives with respect to the neighbours' displacements.
    fn add_to(&self, near: &Near, mut gradient: impl FnMut(usize, Vec3)) {
        for (lane, place) in near.places.iter().enumerate() {
            if *place != NOBODY {
                let at = |rows: &[Vec<f64>; 3]| -> Vec3 { std::array::from_fn(|k| rows[k][lane]) };
                let pull = add(scale(self.along[lane], at(&near.direction)), at(&self.free));
                gradient(*place as usize, pull);
            }
        }
    }
}

/// Adds Σ dE/dG·dG/dr with respect to the displacement of each neighbour.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    simd: S,
    plan: &TripletPlan,
    cache: &mut AtomCache,
    slopes: &[f64],
    gradients: &mut [Vec3],
) {
    let TripletCache { near, groups, work, .. } = &mut cache.triplets;
    let mut pull = std::mem::take(&mut work.pull);
    pull.clear(near.lanes);
    for sum in &plan.pair_sums {
        let range = near.range(sum.population);
        let rows = pull.along[range.clone()].iter_mut().zip(&near.slope(sum.shape)[range]);
        for (along, slope) in rows {
            *along = fused::<S>(slopes[sum.feature], *slope, *along);
        }
    }
    for (group, pairs) in plan.groups.iter().zip(groups.iter()) {
        let mut row = 0;
        while row < pairs.rows.len() {
            let rows = pairs.batch(row);
            row = rows.end;
            let lanes = pairs.pairs_of(&rows);
            let count = lanes.len();
            evaluate_angles(simd, group, &pairs.pairs(group, &lanes), count, work);
            reserve(&mut work.weights, group.channels.len() * count);
            reserve(&mut work.weight_slopes, group.channels.len() * count);
            for (index, channel) in group.channels.iter().enumerate() {
                let at = index * count..(index + 1) * count;
                weigh_angles(
                    simd,
                    &channel.products,
                    slopes,
                    (&work.angles, &work.angle_slopes),
                    (&mut work.weights[at.clone()], &mut work.weight_slopes[at]),
                );
            }
            let weights = (&work.weights[..], &work.weight_slopes[..]);
            let channels = 0..group.channels.len();
            if group.third_side {
                spread::<S, true>(
                    simd,
                    group,
                    channels,
                    near,
                    pairs,
                    rows,
                    weights,
                    (&mut work.tally, &mut pull),
                );
            } else {
                spread::<S, false>(
                    simd,
                    group,
                    channels,
                    near,
                    pairs,
                    rows,
                    weights,
                    (&mut work.tally, &mut pull),
                );
            }
        }
    }
    pull.add_to(near, |place, pull| gradients[place] = add(gradients[place], pull));
    work.pull = pull;
}

/// Adds the derivatives of every function with respect to each neighbour's displacement; `gradients` is functions × neighbours.
#[inline(always)]
pub(super) fn jacobian<S: Simd>(simd: S, plan: &TripletPlan, cache: &mut AtomCache, gradients: &mut [Vec3]) {
    let neighbours = cache.around.len();
    let TripletCache { near, groups, work, .. } = &mut cache.triplets;
    for sum in &plan.pair_sums {
        let slopes = near.slope(sum.shape);
        for lane in near.range(sum.population) {
            let Some(seen) = cache.around.get(near.places[lane] as usize) else {
                continue;
            };
            let gradient = &mut gradients[sum.feature * neighbours + near.places[lane] as usize];
            *gradient = add(*gradient, scale(slopes[lane], seen.direction));
        }
    }
    for (group, pairs) in plan.groups.iter().zip(groups.iter()) {
        let products: usize = group.channels.iter().map(|channel| channel.products.len()).sum();
        let mut pulls: Vec<Pull> = Vec::new();
        pulls.resize_with(products, Pull::default);
        for pull in &mut pulls {
            pull.clear(near.lanes);
        }
        let mut row = 0;
        while row < pairs.rows.len() {
            let rows = pairs.batch(row);
            row = rows.end;
            let lanes = pairs.pairs_of(&rows);
            let count = lanes.len();
            evaluate_angles(simd, group, &pairs.pairs(group, &lanes), count, work);
            let mut rest = pulls.iter_mut();
            for (index, channel) in group.channels.iter().enumerate() {
                for (product, pull) in channel.products.iter().zip(&mut rest) {
                    let at = product.angle * count..(product.angle + 1) * count;
                    let weights = (&work.angles[at.clone()], &work.angle_slopes[at]);
                    let (channels, rows) = (index..index + 1, rows.clone());
                    if group.third_side {
                        spread::<S, true>(
                            simd,
                            group,
                            channels,
                            near,
                            pairs,
                            rows,
                            weights,
                            (&mut work.tally, pull),
                        );
                    } else {
                        spread::<S, false>(
                            simd,
                            group,
                            channels,
                            near,
                            pairs,
                            rows,
                            weights,
                            (&mut work.tally, pull),
                        );
                    }
                }
            }
        }
        let products = group.channels.iter().flat_map(|channel| &channel.products);
        for (product, pull) in products.zip(&pulls) {
            pull.add_to(near, |place, pull| {
                let gradient = &mut gradients[product.feature * neighbours + place];
                *gradient = add(*gradient, scale(product.factor, pull));
            });
        }
    }
}

/// Σ dE/dG·factor of the angle, and of its slopes, over the products of a channel.
#[inline(always)]
fn weigh_angles<S: Simd>(
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

/// What the channels add up for a row of pairs before it is turned into derivatives: those with respect to r_k, cos θ and r_jk.
#[derive(Debug, Default)]
struct Tally {
    along: Vec<f64>,
    turn: Vec<f64>,
    stretch: Vec<f64>,
}

/// From the derivatives of the weighted angles to those with respect to displacements, for a batch of rows.
///
/// With c = u_j·u_k and d = r_jk, of a term g_j·g_k·h(d)·W(c):
/// ∂/∂x_k = [g_j g_k′ h W − (∂c) c/r_k + (∂d) r_k/d]·u_k + B·x_j with B = (∂c)/(r_j r_k) − (∂d)/d, and likewise for j.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // One loop over everything that the pairs have.
fn spread<S: Simd, const THIRD: bool>(
    simd: S,
    group: &Group,
    channels: Range<usize>,
    near: &Near,
    pairs: &GroupCache,
    rows: Range<usize>,
    (weights, weight_slopes): (&[f64], &[f64]),
    (tally, pull): (&mut Tally, &mut Pull),
) {
    let batch = pairs.pairs_of(&rows);
    for row in &pairs.rows[rows] {
        reserve(&mut tally.along, row.count);
        reserve(&mut tally.turn, row.count);
        reserve(&mut tally.stretch, row.count);
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
