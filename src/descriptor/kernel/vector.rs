//! Arithmetic on slices and registers that the kernels share.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use std::ops::{Deref, DerefMut};

use aligned_vec::AVec;
use pulp::Simd;

/// The bytes of a cache line, and of the widest register.
const LINE: usize = 64;

/// A row of numbers that begins on a cache line, so that no register of it straddles two.
#[derive(Debug)]
pub(in crate::descriptor) struct Lanes(AVec<f64>);

impl Default for Lanes {
    fn default() -> Self {
        Self(AVec::new(LINE))
    }
}

impl Deref for Lanes {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl DerefMut for Lanes {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.0
    }
}

impl Lanes {
    /// Makes it at least so long; what it holds there is unspecified.
    pub fn reserve(&mut self, length: usize) {
        if self.len() < length {
            self.0.resize(length, 0.0);
        }
    }

    /// Makes it so many zeros.
    pub fn clear_to(&mut self, length: usize) {
        self.0.clear();
        self.0.resize(length, 0.0);
    }
}

/// a·b + c, in one rounding where the machine has the instruction.
#[inline(always)]
pub(in crate::descriptor) fn fused<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// Replaces each x ≤ 0 by eˣ, to about one unit in the last place; below −708 it is 10⁻³⁰⁸.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; the Taylor polynomial of degree 13 gives eʳ, the bits of n the power of two.
#[inline(always)]
pub(in crate::descriptor) fn exponentials<S: Simd>(xs: &mut [f64]) {
    /// Adding this leaves n + 1023, a biased exponent, in the lowest bits.
    const ROUNDER: f64 = 6755399441055744.0 + 1023.0;
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const INVERSE_FACTORIALS: [f64; 12] = [
        1.0 / 479001600.0,
        1.0 / 39916800.0,
        1.0 / 3628800.0,
        1.0 / 362880.0,
        1.0 / 40320.0,
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    for x in xs {
        let clamped = if *x < -708.0 { -708.0 } else { *x };
        let rounded = fused::<S>(clamped, std::f64::consts::LOG2_E, ROUNDER);
        let n = rounded - ROUNDER;
        let r = fused::<S>(n, -LN2_LOW, fused::<S>(n, -LN2_HIGH, clamped));
        let mut polynomial = 1.0 / 6227020800.0;
        for coefficient in INVERSE_FACTORIALS {
            polynomial = fused::<S>(polynomial, r, coefficient);
        }
        polynomial = fused::<S>(polynomial, r, 1.0);
        *x = polynomial * f64::from_bits(rounded.to_bits() << 52);
    }
}

/// y += x.
#[inline(always)]
pub(in crate::descriptor) fn accumulate(y: &mut [f64], x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// y += a·x.
#[inline(always)]
pub(in crate::descriptor) fn accumulate_scaled<S: Simd>(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = fused::<S>(a, *x, *y);
    }
}

/// Σ x·y over whole registers.
#[inline(always)]
pub(in crate::descriptor) fn inner<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let mut sum = simd.splat_f64s(0.0);
    for (x, y) in S::as_simd_f64s(x).0.iter().zip(S::as_simd_f64s(y).0) {
        sum = simd.mul_add_e_f64s(*x, *y, sum);
    }
    simd.reduce_sum_f64s(sum)
}

/// The first register of a slice.
#[inline(always)]
pub(in crate::descriptor) fn first<S: Simd>(row: &[f64]) -> S::f64s {
    S::as_simd_f64s(row).0[0]
}

/// u·h.
#[inline(always)]
pub(in crate::descriptor) fn along_direction<S: Simd>(simd: S, u: [S::f64s; 3], h: [S::f64s; 3]) -> S::f64s {
    simd.mul_add_e_f64s(u[0], h[0], simd.mul_add_e_f64s(u[1], h[1], simd.mul_f64s(u[2], h[2])))
}
