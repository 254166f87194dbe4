//! The fast evaluation of one atom's symmetry functions: forward to the values, backward from dE/dG to the derivatives with
//! respect to the neighbours' displacements.
//!
//! The widest vector instructions of the machine are chosen when the program runs.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

mod jacobian;
mod moments;
mod radial;
mod rows;
mod spectrum;
mod tensor;
mod triplets;

use pulp::{Arch, Simd, WithSimd};

use super::cutoff::CutoffFunction;
use super::environment::Seen;
use super::plan::Plan;
use crate::linear::Vec3;
use crate::vector::Lanes;
pub(super) use jacobian::jacobian;

/// What the forward pass of one atom leaves for the backward pass; reused from atom to atom.
#[derive(Debug, Default)]
pub(crate) struct AtomCache {
    /// The neighbours within the descriptor's cutoff.
    pub around: Vec<Seen>,
    /// Their distances, and cutoff functions at these.
    distances: Vec<f64>,
    fades: Vec<rows::Fade>,
    /// g′ of every pair shape, neighbour by neighbour.
    pub(super) pair_slopes: Lanes,
    /// The neighbours (places in `around`) within reach of the angular functions.
    pub(super) near: Vec<u32>,
    /// Monomials of the directions to those: monomial by monomial, `near` padded to whole registers.
    pub(super) monomials: Lanes,
    /// g and g′ of every angular shape, neighbour by neighbour.
    pub(super) shapes: Lanes,
    pub(super) shape_slopes: Lanes,
    /// Moments: set by set, monomial by monomial, shape by shape.
    pub(super) moments: Lanes,
    /// Σ w²·g²: set by set, shape by shape.
    own: Lanes,
    work: Lanes,
    /// dE/dA of what each monomial becomes when one more component multiplies it: element by element, monomial by monomial, component by
    /// component.
    rising: Lanes,
    tensors: tensor::Work,
    triplets: triplets::TripletCache,
}

struct Forward<'a> {
    plan: &'a Plan,
    cutoff: &'a CutoffFunction,
    numbers: &'a [f64],
    cache: &'a mut AtomCache,
    values: &'a mut [f64],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            plan,
            cutoff,
            numbers,
            cache,
            values,
        } = self;
        radial::evaluate_fades::<S>(plan, cutoff, cache);
        radial::forward(simd, plan, cache, values);
        if let Some(angular) = &plan.angular {
            moments::forward(simd, angular, numbers, cache);
            moments::contract::<S>(angular, cache, values);
            spectrum::contract::<S>(angular, cache, values);
            tensor::contract::<S>(angular, cache, values);
        }
        if !plan.triplets.is_empty() {
            triplets::forward(simd, &plan.triplets, cutoff, numbers, cache, values);
        }
    }
}

struct Backward<'a> {
    plan: &'a Plan,
    numbers: &'a [f64],
    cache: &'a mut AtomCache,
    slopes: &'a [f64],
    gradients: &'a mut [Vec3],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        radial::backward(simd, self.plan, self.cache, self.slopes, self.gradients);
        if let Some(angular) = &self.plan.angular {
            moments::backward(simd, angular, self.numbers, self.cache, self.slopes, self.gradients);
        }
        if !self.plan.triplets.is_empty() {
            triplets::backward(simd, &self.plan.triplets, self.cache, self.slopes, self.gradients);
        }
    }
}

/// The values of all functions of the plan, for the neighbours in `cache.around`.
pub(super) fn forward(
    plan: &Plan,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    cache: &mut AtomCache,
    values: &mut [f64],
) {
    Arch::new().dispatch(Forward {
        plan,
        cutoff,
        numbers,
        cache,
        values,
    });
}

/// Σ dE/dG·dG/dr with respect to the displacement of each neighbour, after `forward` with the same cache; overwrites `gradients`.
pub(super) fn backward(plan: &Plan, numbers: &[f64], cache: &mut AtomCache, slopes: &[f64], gradients: &mut [Vec3]) {
    Arch::new().dispatch(Backward {
        plan,
        numbers,
        cache,
        slopes,
        gradients,
    });
}
