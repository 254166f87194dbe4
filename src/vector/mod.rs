//! Arithmetic for loops that become vector instructions: on slices and registers here, elementary functions beside it. The widest
//! instructions of the machine are chosen when the program runs, by whoever dispatches a loop.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

pub(crate) mod elementary;

use std::ops::{Deref, DerefMut};

use aligned_vec::AVec;
use pulp::Simd;

/// The bytes of a cache line, and of the widest register.
const LINE: usize = 64;

/// A row of numbers that begins on a cache line, so that no register of it straddles two.
#[derive(Debug)]
pub(crate) struct Lanes(AVec<f64>);

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
    #[inline(always)]
    pub fn reserve(&mut self, length: usize) {
        if self.len() < length {
            self.0.resize(length, 0.0);
        }
    }

    /// Makes it so many zeros.
    #[inline(always)]
    pub fn clear_to(&mut self, length: usize) {
        self.0.clear();
        self.0.resize(length, 0.0);
    }
}

/// a·b + c, in one rounding where the machine has the instruction.
#[inline(always)]
pub(crate) fn fused<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// y += x, in whole registers.
#[inline(always)]
pub(crate) fn accumulate<S: Simd>(simd: S, y: &mut [f64], x: &[f64]) {
    for (y, x) in registers_mut::<S>(y).iter_mut().zip(registers::<S>(x)) {
        *y = simd.add_f64s(*y, *x);
    }
}

/// y += a·x.
#[inline(always)]
pub(crate) fn accumulate_scaled<S: Simd>(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = fused::<S>(a, *x, *y);
    }
}

/// Σ x·y over whole registers.
#[inline(always)]
pub(crate) fn inner<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let mut sum = simd.splat_f64s(0.0);
    for (x, y) in registers::<S>(x).iter().zip(registers::<S>(y)) {
        sum = simd.mul_add_e_f64s(*x, *y, sum);
    }
    simd.reduce_sum_f64s(sum)
}

/// The whole registers of a slice.
#[inline(always)]
pub(crate) fn registers<S: Simd>(row: &[f64]) -> &[S::f64s] {
    S::as_simd_f64s(row).0
}

/// The whole registers of a slice, to be changed.
#[inline(always)]
pub(crate) fn registers_mut<S: Simd>(row: &mut [f64]) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(row).0
}

/// The register that begins at a place of a slice.
#[inline(always)]
pub(crate) fn register<S: Simd>(row: &[f64], place: usize) -> S::f64s {
    S::as_simd_f64s(&row[place..place + S::F64_LANES]).0[0]
}

/// The register that begins at a place of a slice, to be changed.
#[inline(always)]
pub(crate) fn register_mut<S: Simd>(row: &mut [f64], place: usize) -> &mut S::f64s {
    &mut S::as_mut_simd_f64s(&mut row[place..place + S::F64_LANES]).0[0]
}

/// u·h.
#[inline(always)]
pub(crate) fn along_direction<S: Simd>(simd: S, u: [S::f64s; 3], h: [S::f64s; 3]) -> S::f64s {
    simd.mul_add_e_f64s(u[0], h[0], simd.mul_add_e_f64s(u[1], h[1], simd.mul_f64s(u[2], h[2])))
}
