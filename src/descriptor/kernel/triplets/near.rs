//! The neighbours that count, as vectors see them: element by element, with their shapes.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::super::rows::{Fade, factor_row};
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::environment::Seen;
use crate::descriptor::plan::{LANES, Population, TripletPlan};
use crate::vector::Lanes;

/// No neighbour stands here.
pub(super) const NOBODY: u32 = u32::MAX;

/// The neighbours that count, by element, each element's followed by at least [`LANES`] empty lanes whose shapes are zero: a
/// chunk that begins with a neighbour may end in them.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// How many lanes there are; the rows may be longer.
    pub lanes: usize,
    /// The place of each lane's neighbour in the atom's surroundings.
    pub places: Vec<u32>,
    /// The element and the octant of each neighbour in the atom's surroundings.
    pub octants: Vec<usize>,
    /// How many stand in each octant of each element; then, where the next one goes.
    counts: Vec<usize>,
    /// The lanes of each element's neighbours, without the empty ones.
    pub elements: Vec<Range<usize>>,
    pub displacement: [Lanes; 3],
    pub direction: [Lanes; 3],
    pub distance: Lanes,
    pub inverse: Lanes,
    /// Shape by shape.
    pub shapes: Lanes,
    pub slopes: Lanes,
    /// fc′/fc, for one of the plan's radii after the other; 0 where fc vanishes.
    pub declines: Lanes,
}

/// What is known of the neighbours' places, lane by lane. All rows have one length: one check of a place serves them all.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub displacement: [&'a [f64]; 3],
    pub direction: [&'a [f64]; 3],
    pub distance: &'a [f64],
    pub inverse: &'a [f64],
}

impl Near {
    #[inline(always)]
    pub fn placed(&self) -> Places<'_> {
        let lanes = self.lanes;
        let ([x, y, z], [ux, uy, uz]) = (&self.displacement, &self.direction);
        Places {
            displacement: [&x[..lanes], &y[..lanes], &z[..lanes]],
            direction: [&ux[..lanes], &uy[..lanes], &uz[..lanes]],
            distance: &self.distance[..lanes],
            inverse: &self.inverse[..lanes],
        }
    }

    /// The lanes of a population, which may include empty ones in between.
    pub fn range(&self, population: Population) -> Range<usize> {
        match population {
            Population::Element(element) => self.elements[element].clone(),
            Population::All => 0..self.elements.last().map_or(0, |range| range.end),
        }
    }

    pub fn fill(&mut self, around: &[Seen], elements: usize, reach: f64) {
        self.places.clear();
        self.elements.clear();
        // Neighbours of one octant stand together, so that whole chunks are out of reach of the opposite one.
        self.octants.clear();
        self.counts.clear();
        self.counts.resize(8 * elements, 0);
        for seen in around {
            let [x, y, z] = seen.direction.map(|u| usize::from(u < 0.0));
            // In this order neighbouring octants follow each other.
            let code = 8 * seen.element + 4 * x + 2 * (x ^ y) + (x ^ y ^ z);
            if seen.distance >= reach {
                self.octants.push(usize::MAX);
            } else {
                self.octants.push(code);
                self.counts[code] += 1;
            }
        }
        // Where each octant begins.
        let mut end = 0;
        for counts in self.counts.chunks_exact_mut(8) {
            let first = end;
            for count in counts {
                end += *count;
                *count = end - *count;
            }
            self.elements.push(first..end);
            end = (end + LANES).next_multiple_of(LANES);
        }
        self.places.resize(end, NOBODY);
        for (place, octant) in self.octants.iter().enumerate() {
            if *octant != usize::MAX {
                self.places[self.counts[*octant]] = place as u32;
                self.counts[*octant] += 1;
            }
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
            row.reserve(lanes);
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
    pub fn evaluate<S: Simd>(
        &mut self,
        simd: S,
        plan: &TripletPlan,
        cutoff: &CutoffFunction,
        numbers: &[f64],
        fade: &mut Fade,
    ) {
        let lanes = self.lanes;
        self.shapes.reserve(plan.shapes.len() * lanes);
        self.slopes.reserve(plan.shapes.len() * lanes);
        self.declines.reserve(plan.radii.len() * lanes);
        fade.forget();
        for (radius, declines) in plan.radii.iter().zip(self.declines.chunks_exact_mut(lanes)) {
            fade.update::<S>(cutoff, *radius, &self.distance[..lanes]);
            let (values, slopes) = fade.rows(lanes);
            for ((value, slope), decline) in values.iter().zip(slopes).zip(declines) {
                *decline = if *value > 1e-290 { slope / value } else { 0.0 };
            }
        }
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

    #[inline(always)]
    pub fn shape(&self, shape: usize) -> &[f64] {
        &self.shapes[shape * self.lanes..][..self.lanes]
    }

    /// fc′/fc of a radius.
    #[inline(always)]
    pub fn decline(&self, radius: usize) -> &[f64] {
        &self.declines[radius * self.lanes..][..self.lanes]
    }

    #[inline(always)]
    pub fn slope(&self, shape: usize) -> &[f64] {
        &self.slopes[shape * self.lanes..][..self.lanes]
    }
}
