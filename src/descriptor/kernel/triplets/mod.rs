//! Functions that are summed over neighbours and pairs of neighbours: factors of the distances once for each neighbour
//! (`near`), factors of the angle and of the third side once for each pair (`pairs`), and their products as small matrix
//! products (`products`); going back, derivatives spread from the pairs to the neighbours (`spread`).
//!
//! Vectors run over neighbours: for each neighbour j, the others are met in chunks of [`LANES`].

#![allow(clippy::inline_always)]

mod near;
mod pairs;
mod products;
mod spread;

use pulp::Simd;

use super::AtomCache;
use super::rows::Fade;
use super::vector::{Lanes, fused};
use crate::descriptor::cutoff::CutoffFunction;
use crate::descriptor::plan::{LANES, TripletPlan};
use crate::linear::{Vec3, add, scale};
use near::Near;
use pairs::GroupCache;
use products::{contract, evaluate_angles, multiply_shapes, weigh_angles};
use spread::{Pull, Tally, spread};

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
    /// One register per product.
    sums: Lanes,
    pull: Pull,
    tally: Tally,
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
        work.sums.clear_to(products * LANES);
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
            work.radials.reserve(count);
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
            work.weights.reserve(group.channels.len() * count);
            work.weight_slopes.reserve(group.channels.len() * count);
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
            spread(
                simd,
                group,
                channels,
                (near, pairs, rows),
                weights,
                (&mut work.tally, &mut pull),
            );
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
                    spread(
                        simd,
                        group,
                        channels,
                        (near, pairs, rows),
                        weights,
                        (&mut work.tally, pull),
                    );
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
