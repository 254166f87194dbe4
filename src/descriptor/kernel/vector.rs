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
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; eʳ = 1 + r + r²·q(r) with the q of degree 9 that meets eʳ at Chebyshev's nodes (off by less than
/// 2·10⁻¹⁷), and the bits of n make the power of two.
#[inline(always)]
pub(in crate::descriptor) fn exponentials<S: Simd>(xs: &mut [f64]) {
    /// Adding this leaves n + 1023, a biased exponent, in the lowest bits.
    const ROUNDER: f64 = 6755399441055744.0 + 1023.0;
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const Q: [f64; 10] = [
        2.510038549551032e-08,
        2.7620088445409746e-07,
        2.7557268459997064e-06,
        2.4801521295954376e-05,
        0.00019841269863053618,
        0.0013888888917213717,
        0.008333333333330062,
        0.04166666666662413,
        0.16666666666666669,
        0.5000000000000001,
    ];
    for x in xs {
        let clamped = if *x < -708.0 { -708.0 } else { *x };
        let rounded = fused::<S>(clamped, std::f64::consts::LOG2_E, ROUNDER);
        let n = rounded - ROUNDER;
        let r = fused::<S>(n, -LN2_LOW, fused::<S>(n, -LN2_HIGH, clamped));
        let mut q = Q[0];
        for coefficient in &Q[1..] {
            q = fused::<S>(q, r, *coefficient);
        }
        let value = fused::<S>(fused::<S>(q, r, 1.0), r, 1.0);
        *x = value * f64::from_bits(rounded.to_bits() << 52);
    }
}

/// y += x, in whole registers.
#[inline(always)]
pub(in crate::descriptor) fn accumulate<S: Simd>(simd: S, y: &mut [f64], x: &[f64]) {
    for (y, x) in registers_mut::<S>(y).iter_mut().zip(registers::<S>(x)) {
        *y = simd.add_f64s(*y, *x);
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

/// The whole registers of a slice.
#[inline(always)]
pub(in crate::descriptor) fn registers<S: Simd>(row: &[f64]) -> &[S::f64s] {
    S::as_simd_f64s(row).0
}

/// The whole registers of a slice, to be changed.
#[inline(always)]
pub(in crate::descriptor) fn registers_mut<S: Simd>(row: &mut [f64]) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(row).0
}

/// The register that begins at a place of a slice.
#[inline(always)]
pub(in crate::descriptor) fn register<S: Simd>(row: &[f64], place: usize) -> S::f64s {
    S::as_simd_f64s(&row[place..place + S::F64_LANES]).0[0]
}

/// The register that begins at a place of a slice, to be changed.
#[inline(always)]
pub(in crate::descriptor) fn register_mut<S: Simd>(row: &mut [f64], place: usize) -> &mut S::f64s {
    &mut S::as_mut_simd_f64s(&mut row[place..place + S::F64_LANES]).0[0]
}

/// xⁿ for n ≥ 1, by repeated squaring.
#[inline(always)]
pub(in crate::descriptor) fn whole_power<S: Simd>(simd: S, x: S::f64s, n: u32) -> S::f64s {
    let (mut power, mut factor, mut left) = (x, x, n - 1);
    while left > 0 {
        if left & 1 == 1 {
            power = simd.mul_f64s(power, factor);
        }
        left >>= 1;
        factor = simd.mul_f64s(factor, factor);
    }
    power
}

/// u·h.
#[inline(always)]
pub(in crate::descriptor) fn along_direction<S: Simd>(simd: S, u: [S::f64s; 3], h: [S::f64s; 3]) -> S::f64s {
    simd.mul_add_e_f64s(u[0], h[0], simd.mul_add_e_f64s(u[1], h[1], simd.mul_f64s(u[2], h[2])))
}
