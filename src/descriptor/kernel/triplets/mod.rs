//! Functions that are summed over neighbours and pairs of neighbours: factors of the distances once for each neighbour
//! (`near`), factors of the angle and of the third side once for each pair (`pairs`, listed in `chunks`), and their products as
//! small matrix products (`products`); going back, derivatives spread from the pairs to the neighbours (`spread`).
//!
//! Vectors run over neighbours: for each neighbour j, the others are met in chunks of [`LANES`].

#![allow(clippy::inline_always)]

mod chunks;
mod near;
mod pairs;
mod products;
mod spread;

use pulp::Simd;

use super::AtomCache;
use super::rows::Fade;
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::plan::{Channel, DEGREE, LANES, TripletPlan};
use crate::linear::{Vec3, add, scale};
use crate::vector::{Lanes, fused};
use near::Near;
use pairs::{BLOCK, GroupCache, block_of, block_of_mut};
use products::{add_powers, contract, evaluate_angles, evaluate_polynomial, multiply_shapes, weigh_angles};
use spread::{Derivatives, Pull, spread};

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
    distances: Lanes,
    /// Products of the shapes of both neighbours and the third side's: channel by channel.
    radials: Lanes,
    /// Factors of the angle, and their slopes: angle by angle.
    angles: Lanes,
    angle_slopes: Lanes,
    /// Sums of factors of the angle, weighted by dE/dG, and of their slopes: channel by channel.
    weights: Lanes,
    weight_slopes: Lanes,
    /// One register per sum over pairs.
    sums: Lanes,
    /// Polynomials in cos θ, weighted by dE/dG: channel by channel.
    polynomials: Vec<[f64; DEGREE + 1]>,
    derivatives: Derivatives,
    pull: Pull,
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
        pairs.list(simd, group, near, reach.fold(0.0, f64::max));
        let sums: usize = group.channels.iter().map(Channel::sums).sum();
        work.sums.clear_to(sums * LANES);
        work.radials.reserve(BLOCK);
        for block in 0..pairs.blocks() {
            if group.third_side {
                pairs.third_sides(simd, group, plan, cutoff, block, (fade, &mut work.distances));
            }
            evaluate_angles(simd, group, &pairs.pairs(group, block), work);
            let mut sums = &mut *work.sums.as_chunks_mut().0;
            for (index, channel) in group.channels.iter().enumerate() {
                multiply_shapes(simd, group, near, pairs, (block, index), &mut work.radials);
                let own;
                (own, sums) = sums.split_at_mut(channel.sums());
                let cosines = block_of(&pairs.cosines, block);
                let own = add_powers(simd, channel.degree, &work.radials, cosines, own);
                contract(simd, &channel.products, &work.radials, &work.angles, own);
            }
        }
        let sums = work.sums.as_chunks::<LANES>().0.iter();
        let mut sums = sums.map(|sum| sum.iter().sum::<f64>());
        for channel in &group.channels {
            let mut powers = [0.0; DEGREE + 1];
            for power in &mut powers[..channel.sums() - channel.products.len()] {
                *power = sums.next().unwrap_or(f64::NAN);
            }
            for polynomial in &channel.polynomials {
                let terms = polynomial.coefficients.iter().zip(powers);
                values[polynomial.feature] = terms.map(|(coefficient, power)| coefficient * power).sum();
            }
            for (product, sum) in channel.products.iter().zip(&mut sums) {
                values[product.feature] = product.factor * sum;
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
        work.weights.reserve(group.channels.len() * BLOCK);
        work.weight_slopes.reserve(group.channels.len() * BLOCK);
        work.polynomials.clear();
        work.polynomials.extend(group.channels.iter().map(|channel| {
            let mut coefficients = [0.0; DEGREE + 1];
            for polynomial in &channel.polynomials {
                for (sum, coefficient) in coefficients.iter_mut().zip(&polynomial.coefficients) {
                    *sum += slopes[polynomial.feature] * coefficient;
                }
            }
            coefficients
        }));
        for block in 0..pairs.blocks() {
            evaluate_angles(simd, group, &pairs.pairs(group, block), work);
            for (index, channel) in group.channels.iter().enumerate() {
                let weights = block_of_mut(&mut work.weights, index);
                let weight_slopes = block_of_mut(&mut work.weight_slopes, index);
                let cosines = block_of(&pairs.cosines, block);
                let degree = channel.degree;
                evaluate_polynomial(
                    simd,
                    degree,
                    &work.polynomials[index],
                    cosines,
                    (&mut *weights, &mut *weight_slopes),
                );
                weigh_angles(
                    simd,
                    (&channel.products, degree == 0),
                    slopes,
                    (&work.angles, &work.angle_slopes),
                    (weights, weight_slopes),
                );
            }
            let weights = (&work.weights[..], &work.weight_slopes[..]);
            let channels = 0..group.channels.len();
            let into = (&mut work.derivatives, &mut pull);
            spread(simd, group, channels, (near, pairs, block), weights, into);
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
        let functions = group
            .channels
            .iter()
            .map(|channel| channel.polynomials.len() + channel.products.len());
        let mut pulls: Vec<Pull> = Vec::new();
        pulls.resize_with(functions.sum(), Pull::default);
        work.weights.reserve(BLOCK);
        work.weight_slopes.reserve(BLOCK);
        for pull in &mut pulls {
            pull.clear(near.lanes);
        }
        for block in 0..pairs.blocks() {
            evaluate_angles(simd, group, &pairs.pairs(group, block), work);
            let cosines = block_of(&pairs.cosines, block);
            let mut rest = pulls.iter_mut();
            for (index, channel) in group.channels.iter().enumerate() {
                for (polynomial, pull) in channel.polynomials.iter().zip(&mut rest) {
                    let weights = block_of_mut(&mut work.weights, 0);
                    let weights = (weights, block_of_mut(&mut work.weight_slopes, 0));
                    let mut coefficients = [0.0; DEGREE + 1];
                    coefficients[..polynomial.coefficients.len()].copy_from_slice(&polynomial.coefficients);
                    evaluate_polynomial(simd, channel.degree, &coefficients, cosines, weights);
                    let weights = (&work.weights[..BLOCK], &work.weight_slopes[..BLOCK]);
                    let into = (&mut work.derivatives, pull);
                    spread(simd, group, index..index + 1, (near, pairs, block), weights, into);
                }
                for (product, pull) in channel.products.iter().zip(&mut rest) {
                    let at = product.angle * BLOCK..(product.angle + 1) * BLOCK;
                    let weights = (&work.angles[at.clone()], &work.angle_slopes[at]);
                    let into = (&mut work.derivatives, pull);
                    spread(simd, group, index..index + 1, (near, pairs, block), weights, into);
                }
            }
        }
        let functions = group.channels.iter().flat_map(|channel| {
            let polynomials = channel.polynomials.iter().map(|polynomial| (polynomial.feature, 1.0));
            let products = channel.products.iter().map(|product| (product.feature, product.factor));
            polynomials.chain(products)
        });
        for ((feature, factor), pull) in functions.zip(&pulls) {
            pull.add_to(near, |place, pull| {
                let gradient = &mut gradients[feature * neighbours + place];
                *gradient = add(*gradient, scale(factor, pull));
            });
        }
    }
}
