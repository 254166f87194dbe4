//! The slow, readable evaluation of symmetry functions: plain sums over neighbours and pairs of neighbours.
//!
//! The fast kernels are tested against it, and it evaluates the functions they do not cover.

use super::cutoff::CutoffFunction;
use super::environment::Seen;
use super::function::{Gaussian, Neighbours, Pairs, SymmetryFunction};
use crate::linear::{Vec3, add, dot, norm, scale, sub};

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
/// the neighbours it depends on (at most two, given by their place in `around`).
pub(crate) fn visit_terms(
    function: &SymmetryFunction,
    cutoff: &CutoffFunction,
    numbers: &[f64],
    around: &[Seen],
    mut term: impl FnMut(f64, [(usize, Vec3); 2]),
) {
    match *function {
        SymmetryFunction::Radial { neighbours, gaussian } => {
            for (j, seen) in around.iter().enumerate() {
                let weight = match neighbours {
                    Neighbours::Element(element) if element == seen.element => 1.0,
                    Neighbours::Element(_) => continue,
                    Neighbours::Weighted => numbers[seen.element],
                };
                let (g, slope) = shape(&gaussian, cutoff, seen.distance);
                term(weight * g, [(j, scale(weight * slope, seen.direction)), (j, [0.0; 3])]);
            }
        }
        SymmetryFunction::Angular {
            pairs,
            gaussian,
            lambda,
            zeta,
            third_side,
        } => {
            let shapes: Vec<(f64, f64)> = around
                .iter()
                .map(|seen| shape(&gaussian, cutoff, seen.distance))
                .collect();
            let scale_factor = 2.0_f64.powf(1.0 - zeta);
            for (j, first) in around.iter().enumerate() {
                if first.distance >= gaussian.cutoff {
                    continue;
                }
                for (k, second) in around.iter().enumerate().skip(j + 1) {
                    if second.distance >= gaussian.cutoff {
                        continue;
                    }
                    let weight = match pairs {
                        Pairs::Elements(a, b) => {
                            let found = (first.element, second.element);
                            if found != (a, b) && found != (b, a) {
                                continue;
                            }
                            scale_factor
                        }
                        Pairs::Weighted => scale_factor * numbers[first.element] * numbers[second.element],
                    };
                    let cosine = dot(first.direction, second.direction);
                    let base = 1.0 + lambda * cosine;
                    if base <= 0.0 {
                        continue;
                    }
                    let (mut side, mut side_slope, mut across) = (1.0, 0.0, [0.0; 3]);
                    if third_side {
                        let between = sub(second.displacement, first.displacement);
                        let distance = norm(between);
                        if distance >= gaussian.cutoff {
                            continue;
                        }
                        (side, side_slope) = shape(&gaussian, cutoff, distance);
                        across = scale(1.0 / distance, between);
                    }
                    let angular = weight * base.powf(zeta);
                    let angular_slope = weight * zeta * lambda * base.powf(zeta - 1.0);
                    let ((g_j, slope_j), (g_k, slope_k)) = (shapes[j], shapes[k]);
                    let by_cosine = angular_slope * g_j * g_k * side;
                    let by_side = scale(angular * g_j * g_k * side_slope, across);
                    let along = |seen: &Seen, other: &Seen, slope: f64| {
                        let turn = sub(other.direction, scale(cosine, seen.direction));
                        add(scale(slope, seen.direction), scale(by_cosine / seen.distance, turn))
                    };
                    term(
                        angular * g_j * g_k * side,
                        [
                            (j, sub(along(first, second, angular * slope_j * g_k * side), by_side)),
                            (k, add(along(second, first, angular * g_j * slope_k * side), by_side)),
                        ],
                    );
                }
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
                gradients[f][j] = add(gradients[f][j], derivative);
            }
        });
    }
    (values, gradients)
}
