//! Chunks of pairs: one neighbour and [`LANES`] others in a row, and what their places tell of the pairs.

#![allow(clippy::inline_always)]

use pulp::Simd;

use super::near::Places;
use super::pairs::Row;
use crate::descriptor::plan::LANES;
use crate::vector::elementary::{angle, inverse_root};
use crate::vector::{along_direction, register, registers_mut};

/// A neighbour j and [`LANES`] others in a row that it is paired with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunk {
    /// The lane of j.
    pub lane: usize,
    /// The first of the others' lanes.
    pub column: usize,
}

/// Where chunks are written one after the other, all rows of one length.
pub(super) struct Page<'a, const THIRD: bool> {
    pub places: Places<'a>,
    pub chunks: &'a mut [Chunk],
    pub cosines: &'a mut [[f64; LANES]],
    /// Squares of third sides; empty where there are none.
    pub sides: &'a mut [[f64; LANES]],
    pub count: usize,
}

impl<const THIRD: bool> Page<'_, THIRD> {
    /// Writes a chunk, which counts unless the squares of all its third sides reach the limit: then the next one is written over it, which
    /// costs less than a branch that is often foretold wrongly.
    // All comparisons at once, not one after another.
    #[allow(clippy::needless_bitwise_bool)]
    #[inline(always)]
    pub fn write<S: Simd>(&mut self, simd: S, chunk: Chunk, limit: f64) {
        self.chunks[self.count] = chunk;
        cosines(simd, &self.places, chunk, &mut self.cosines[self.count]);
        if !THIRD {
            self.count += 1;
            return;
        }
        let sides = &mut self.sides[self.count];
        squared_sides(simd, &self.places, chunk, sides);
        // What is not a number is not far, and shows.
        let far = sides.iter().fold(true, |far, square| far & (*square >= limit));
        self.count += usize::from(!far);
    }
}

/// The three components of j, each in a register of its own.
#[inline(always)]
fn splat<S: Simd>(simd: S, [x, y, z]: [&[f64]; 3], lane: usize) -> [S::f64s; 3] {
    [
        simd.splat_f64s(x[lane]),
        simd.splat_f64s(y[lane]),
        simd.splat_f64s(z[lane]),
    ]
}

/// Squared distances between j and the others of a chunk.
#[inline(always)]
fn squared_sides<S: Simd>(simd: S, places: &Places, chunk: Chunk, out: &mut [f64; LANES]) {
    let [x, y, z] = places.displacement;
    let [x_j, y_j, z_j] = splat(simd, places.displacement, chunk.lane);
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
fn cosines<S: Simd>(simd: S, places: &Places, chunk: Chunk, out: &mut [f64; LANES]) {
    let [x, y, z] = places.direction;
    let [x_j, y_j, z_j] = splat(simd, places.direction, chunk.lane);
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

/// Squared lengths of u_j × u_k between j and the others of a chunk.
#[inline(always)]
pub(super) fn squared_sines<S: Simd>(simd: S, places: &Places, chunk: Chunk, out: &mut [f64; LANES]) {
    let [x, y, z] = places.direction;
    let [x_j, y_j, z_j] = splat(simd, places.direction, chunk.lane);
    for (part, out) in registers_mut::<S>(out).iter_mut().enumerate() {
        let column = chunk.column + part * S::F64_LANES;
        let (x, y, z) = (
            register::<S>(x, column),
            register::<S>(y, column),
            register::<S>(z, column),
        );
        let a = simd.negate_mul_add_e_f64s(z_j, y, simd.mul_f64s(y_j, z));
        let b = simd.negate_mul_add_e_f64s(x_j, z, simd.mul_f64s(z_j, x));
        let c = simd.negate_mul_add_e_f64s(y_j, x, simd.mul_f64s(x_j, y));
        *out = along_direction(simd, [a, b, c], [a, b, c]);
    }
}

/// θ and 1/sin θ from sin² θ and cos θ.
#[inline(always)]
pub(super) fn angles<S: Simd>(squares: &Row, cosines: &Row, thetas: &mut Row, inverse_sines: &mut Row) {
    let results = thetas.iter_mut().zip(inverse_sines);
    for ((square, cosine), (theta, inverse_sine)) in squares.iter().zip(cosines).zip(results) {
        let safe = if *square > 1e-300 { *square } else { 1e-300 };
        let inverse = inverse_root::<S>(safe);
        *theta = angle::<S>(square * inverse, *cosine);
        *inverse_sine = if *square > 1e-300 { inverse } else { 0.0 };
    }
}
