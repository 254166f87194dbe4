//! The neighbours that count, as vectors see them: element by element, with their shapes.

#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::Simd;

use super::super::rows::{Fade, factor_row};
use super::super::vector::Lanes;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::environment::Seen;
use crate::descriptor::plan::{LANES, Population, TripletPlan};

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
    /// The lanes of each element's neighbours, without the empty ones.
    pub elements: Vec<Range<usize>>,
    pub displacement: [Lanes; 3],
    pub direction: [Lanes; 3],
    pub distance: Lanes,
    pub inverse: Lanes,
    /// Shape by shape.
    pub shapes: Lanes,
    pub slopes: Lanes,
}

impl Near {
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

    pub fn shape(&self, shape: usize) -> &[f64] {
        &self.shapes[shape * self.lanes..][..self.lanes]
    }

    pub fn slope(&self, shape: usize) -> &[f64] {
        &self.slopes[shape * self.lanes..][..self.lanes]
    }
}
