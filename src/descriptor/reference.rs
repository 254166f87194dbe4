//! The slow, readable evaluation of symmetry functions: plain sums over neighbours and pairs of neighbours.
//!
//! The fast kernels are tested against it.

use super::chebyshev::polynomial;
use super::cutoff::CutoffFunction;
use super::environment::Seen;
use super::function::{Gaussian, Neighbours, Pairs, SymmetryFunction};
use super::plan::legendre;
use super::window::Window;
use crate::linear::{Vec3, add, cross, dot, norm, scale, sub};

/// g(r) and g′(r).
pub(crate) fn shape(gaussian: &Gaussian, cutoff: &CutoffFunction, r: f64) -> (f64, f64) {
    let from_centre = r - gaussian.shift;
    let exponential = (-gaussian.eta * from_centre * from_centre).exp();
    let (fade, fade_derivative) = cutoff.evaluate(r, gaussian.cutoff);
    (
        exponential * fade,
        exponential * (fade_derivative - 2.0 * gaussian.eta * from_centre * fade),
    )
}

/// Calls `term` with the value of each term of the function and the term's derivatives with respect to the displacements of
/// the neighbours it depends on (at most three, given by their place in `around`).
pub(crate) fn visit_terms(
    function: &SymmetryFunction,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    around: &[Seen],
    term: impl FnMut(f64, &[(usize, Vec3)]),
) {
    match *function {
        SymmetryFunction::Radial { neighbours, gaussian } => {
            let sum = RadialSum {
                weights: |element| weight_of(neighbours, element, numbers),
                shape: |r| within(r, f64::NEG_INFINITY, gaussian.cutoff).then(|| shape(&gaussian, cutoff, r)),
            };
            sum.visit(around, term);
        }
        SymmetryFunction::CompactRadial { neighbours, radial } => {
            let sum = RadialSum {
                weights: |element| weight_of(neighbours, element, numbers),
                shape: |r| within(r, radial.from, radial.to).then(|| radial.evaluate(r)),
            };
            sum.visit(around, term);
        }
        SymmetryFunction::ChebyshevRadial {
            weighting,
            order,
            cutoff: radius,
        } => {
            let sum = RadialSum {
                weights: |element| weighting.of(element, numbers.len()),
                shape: |r| {
                    within(r, f64::NEG_INFINITY, radius).then(|| {
                        let (fade, fade_slope) = cutoff.evaluate(r, radius);
                        let (t, slope) = polynomial(order, 2.0 * r / radius - 1.0);
                        (t * fade, t * fade_slope + 2.0 / radius * slope * fade)
                    })
                },
            };
            sum.visit(around, term);
        }
        SymmetryFunction::ChebyshevAngular {
            weighting,
            order,
            cutoff: radius,
        } => {
            let weight = |element| weighting.of(element, numbers.len());
            let sum = AngularSum {
                weights: |a, b| weight(a) * weight(b),
                shape: |r| within(r, f64::NEG_INFINITY, radius).then(|| cutoff.evaluate(r, radius)),
                angle: |cosine: f64, _: &Seen, _: &Seen| Some(polynomial(order, cosine)),
                third_side: false,
            };
            sum.visit(around, term);
        }
        SymmetryFunction::PowerSpectrum { pairs, shapes, degree } => {
            power_spectrum(pairs, shapes, degree, cutoff, numbers, around, term);
        }
        SymmetryFunction::MomentTensor {
            neighbours,
            shapes,
            powers,
        } => moment_tensor(neighbours, shapes, powers, cutoff, numbers, around, term),
        SymmetryFunction::Angular {
            pairs,
            gaussian,
            lambda,
            zeta,
            third_side,
        } => {
            let scale_factor = 2.0_f64.powf(1.0 - zeta);
            let sum = AngularSum {
                weights: |a, b| scale_factor * weight_of_pair(pairs, a, b, numbers),
                shape: |r| within(r, f64::NEG_INFINITY, gaussian.cutoff).then(|| shape(&gaussian, cutoff, r)),
                angle: |cosine: f64, _: &Seen, _: &Seen| {
                    let base = 1.0 + lambda * cosine;
                    if base <= 0.0 {
                        return None;
                    }
                    Some((base.powf(zeta), zeta * lambda * base.powf(zeta - 1.0)))
                },
                third_side,
            };
            sum.visit(around, term);
        }
        SymmetryFunction::CompactAngular {
            pairs,
            radial,
            angular,
            third_side,
        } => {
            let (from, to) = (angular.from.to_radians(), angular.to.to_radians());
            let angular = Window { from, to, ..angular };
            let sum = AngularSum {
                weights: |a, b| weight_of_pair(pairs, a, b, numbers),
                shape: |r| within(r, radial.from, radial.to).then(|| radial.evaluate(r)),
                angle: |cosine: f64, first: &Seen, second: &Seen| {
                    // By the tangent, which keeps its digits near 0° and 180° where the arc cosine loses them.
                    let sine = norm(cross(first.direction, second.direction));
                    let theta = sine.atan2(cosine);
                    // The window is 1, with its slope zero, where it is centred on 0° or 180°; elsewhere it is 0 at its ends.
                    let (value, slope) = angular.evaluate(theta);
                    (value != 0.0).then(|| (value, if sine > 0.0 { -slope / sine } else { 0.0 }))
                },
                third_side,
            };
            sum.visit(around, term);
        }
    }
}

/// Σ_jk w_jk·g₁(r_j) g₂(r_k) P_l(cos θ_jk).
fn power_spectrum(
    pairs: Pairs,
    shapes: [Gaussian; 2],
    degree: u32,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    around: &[Seen],
    mut term: impl FnMut(f64, &[(usize, Vec3)]),
) {
    let powers = legendre(degree as usize);
    for (j, first) in around.iter().enumerate() {
        for (k, second) in around.iter().enumerate() {
            let weight = match pairs {
                Pairs::Elements(a, b) => f64::from((first.element, second.element) == (a, b)),
                Pairs::Weighted => numbers[first.element] * numbers[second.element],
            };
            let near = |seen: &Seen, g: &Gaussian| within(seen.distance, f64::NEG_INFINITY, g.cutoff);
            if weight == 0.0 || !near(first, &shapes[0]) || !near(second, &shapes[1]) {
                continue;
            }
            let (g_j, slope_j) = shape(&shapes[0], cutoff, first.distance);
            let (g_k, slope_k) = shape(&shapes[1], cutoff, second.distance);
            let cosine = dot(first.direction, second.direction);
            let (mut value, mut slope, mut power) = (0.0, 0.0, 1.0);
            for (p, coefficient) in powers.iter().enumerate() {
                value += coefficient * power;
                slope += powers.get(p + 1).map_or(0.0, |c| (p as f64 + 1.0) * c * power);
                power *= cosine;
            }
            let along = |seen: &Seen, other: &Seen, radial: f64| {
                let turn = sub(other.direction, scale(cosine, seen.direction));
                add(
                    scale(weight * radial * value, seen.direction),
                    scale(weight * g_j * g_k * slope / seen.distance, turn),
                )
            };
            term(
                weight * g_j * g_k * value,
                &[
                    (j, along(first, second, slope_j * g_k)),
                    (k, along(second, first, g_j * slope_k)),
                ],
            );
        }
    }
}

/// Σ_jkl w_j·w_k·w_l g₁(r_j) g₂(r_k) g₃(r_l) cosᵃθ_jk cosᵇθ_jl cosᶜθ_kl.
fn moment_tensor(
    neighbours: [Neighbours; 3],
    shapes: [Gaussian; 3],
    powers: [u32; 3],
    cutoff: &CutoffFunction,
    numbers: &[f64],
    around: &[Seen],
    mut term: impl FnMut(f64, &[(usize, Vec3)]),
) {
    /// The pairs that the three cosines belong to.
    const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];
    // Of each slot: the neighbours that count, with w·g and w·g′.
    let near: [Vec<(usize, f64, f64)>; 3] = std::array::from_fn(|slot| {
        let shape_of = |(j, seen): (usize, &Seen)| {
            let weight = weight_of(neighbours[slot], seen.element, numbers);
            let counts = weight != 0.0 && within(seen.distance, f64::NEG_INFINITY, shapes[slot].cutoff);
            let (g, slope) = shape(&shapes[slot], cutoff, seen.distance);
            counts.then_some((j, weight * g, weight * slope))
        };
        around.iter().enumerate().filter_map(shape_of).collect()
    });
    for first in &near[0] {
        for second in &near[1] {
            for third in &near[2] {
                let three = [first, second, third];
                let seen = three.map(|(j, _, _)| &around[*j]);
                let cosines = PAIRS.map(|(a, b)| dot(seen[a].direction, seen[b].direction));
                let power = |pair: usize| cosines[pair].powi(powers[pair] as i32);
                let angles = power(0) * power(1) * power(2);
                let radial = first.1 * second.1 * third.1;
                let mut derivatives: [(usize, Vec3); 3] = std::array::from_fn(|slot| {
                    let along = three[(slot + 1) % 3].1 * three[(slot + 2) % 3].1 * three[slot].2 * angles;
                    (three[slot].0, scale(along, seen[slot].direction))
                });
                for (pair, (a, b)) in PAIRS.into_iter().enumerate() {
                    if powers[pair] == 0 {
                        continue;
                    }
                    let (n, others) = (powers[pair] as i32, power((pair + 1) % 3) * power((pair + 2) % 3));
                    let by_cosine = radial * others * f64::from(n) * cosines[pair].powi(n - 1);
                    for (own, other) in [(a, b), (b, a)] {
                        let turn = sub(seen[other].direction, scale(cosines[pair], seen[own].direction));
                        let turn = scale(by_cosine / seen[own].distance, turn);
                        derivatives[own].1 = add(derivatives[own].1, turn);
                    }
                }
                term(radial * angles, &derivatives);
            }
        }
    }
}

/// Whether a distance counts. One that is not a number does, so that it shows in the result.
fn within(r: f64, from: f64, to: f64) -> bool {
    !(r <= from || r >= to)
}

/// The weight of a neighbour's element in a radial function.
fn weight_of(neighbours: Neighbours, element: usize, numbers: &[f64]) -> f64 {
    match neighbours {
        Neighbours::Element(wanted) => f64::from(wanted == element),
        Neighbours::Weighted => numbers[element],
    }
}

/// The weight of a pair of neighbours' elements in an angular function.
fn weight_of_pair(pairs: Pairs, a: usize, b: usize, numbers: &[f64]) -> f64 {
    match pairs {
        Pairs::Elements(c, d) => f64::from((a, b) == (c, d) || (a, b) == (d, c)),
        Pairs::Weighted => numbers[a] * numbers[b],
    }
}

/// Σ_j w_j·g(r_j).
struct RadialSum<W, G> {
    /// The weight by the neighbour's element.
    weights: W,
    /// g and g′, or nothing where a distance does not count.
    shape: G,
}

impl<W: Fn(usize) -> f64, G: Fn(f64) -> Option<(f64, f64)>> RadialSum<W, G> {
    fn visit(&self, around: &[Seen], mut term: impl FnMut(f64, &[(usize, Vec3)])) {
        for (j, seen) in around.iter().enumerate() {
            let weight = (self.weights)(seen.element);
            if weight == 0.0 {
                continue;
            }
            if let Some((g, slope)) = (self.shape)(seen.distance) {
                term(weight * g, &[(j, scale(weight * slope, seen.direction))]);
            }
        }
    }
}

/// Σ_{j<k} w_jk·g(r_j) g(r_k) [g(r_jk)] a(cos θ).
struct AngularSum<W, G, A> {
    /// The weight by the neighbours' elements.
    weights: W,
    /// g and g′, or nothing where a distance does not count.
    shape: G,
    /// a and da/d(cos θ), or nothing where the angle does not count.
    angle: A,
    /// Whether the factor g(r_jk) is there.
    third_side: bool,
}

impl<W, G, A> AngularSum<W, G, A>
where
    W: Fn(usize, usize) -> f64,
    G: Fn(f64) -> Option<(f64, f64)>,
    A: Fn(f64, &Seen, &Seen) -> Option<(f64, f64)>,
{
    fn visit(&self, around: &[Seen], mut term: impl FnMut(f64, &[(usize, Vec3)])) {
        let near: Vec<(usize, &Seen, f64, f64)> = around
            .iter()
            .enumerate()
            .filter_map(|(j, seen)| (self.shape)(seen.distance).map(|(g, slope)| (j, seen, g, slope)))
            .collect();
        for (place, (j, first, g_j, slope_j)) in near.iter().enumerate() {
            for (k, second, g_k, slope_k) in &near[place + 1..] {
                let weight = (self.weights)(first.element, second.element);
                if weight == 0.0 {
                    continue;
                }
                let cosine = dot(first.direction, second.direction);
                let Some((angular, angular_slope)) = (self.angle)(cosine, first, second) else {
                    continue;
                };
                let (angular, angular_slope) = (weight * angular, weight * angular_slope);
                let (mut side, mut side_slope, mut across) = (1.0, 0.0, [0.0; 3]);
                if self.third_side {
                    let between = sub(second.displacement, first.displacement);
                    let distance = norm(between);
                    let Some(third) = (self.shape)(distance) else {
                        continue;
                    };
                    (side, side_slope) = third;
                    across = scale(1.0 / distance, between);
                }
                let by_cosine = angular_slope * g_j * g_k * side;
                let by_side = scale(angular * g_j * g_k * side_slope, across);
                let along = |seen: &Seen, other: &Seen, slope: f64| {
                    let turn = sub(other.direction, scale(cosine, seen.direction));
                    add(scale(slope, seen.direction), scale(by_cosine / seen.distance, turn))
                };
                term(
                    angular * g_j * g_k * side,
                    &[
                        (*j, sub(along(first, second, angular * slope_j * g_k * side), by_side)),
                        (*k, add(along(second, first, angular * g_j * slope_k * side), by_side)),
                    ],
                );
            }
        }
    }
}

/// The values of the functions and their derivatives with respect to the neighbours' displacements, function by function.
#[cfg(test)]
pub(crate) fn evaluate(
    functions: &[SymmetryFunction],
    cutoff: &CutoffFunction,
    numbers: &[f64],
    around: &[Seen],
) -> (Vec<f64>, Vec<Vec<Vec3>>) {
    let mut values = vec![0.0; functions.len()];
    let mut gradients = vec![vec![[0.0; 3]; around.len()]; functions.len()];
    for (f, function) in functions.iter().enumerate() {
        visit_terms(function, cutoff, numbers, around, |value, derivatives| {
            values[f] += value;
            for (j, derivative) in derivatives {
                gradients[f][*j] = add(gradients[f][*j], *derivative);
            }
        });
    }
    (values, gradients)
}
