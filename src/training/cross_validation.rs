//! The weight of the energies and the regularisation of the linear path, by what they do to frames that a fit has not seen.

use rayon::prelude::*;

use super::algebra::{mean_diagonal, product, quadratic_form, solve_regularised};
use super::ridge::{Ridge, RidgeChoice, Solution};

/// Candidate weights of the mean squared energy error.
const ENERGY_WEIGHTS: [f64; 5] = [1.0, 10.0, 100.0, 1000.0, 10000.0];
/// The weight of the mean squared virial error.
const STRESS_WEIGHT: f64 = 0.1;

/// Candidate regularisations, the strongest first.
fn regularisations() -> impl Iterator<Item = f64> {
    (3..=15).step_by(2).map(|power| 10.0_f64.powi(-power))
}

/// Mean squared errors on frames that a fit has not seen.
#[derive(Clone, Copy, Debug, Default)]
struct HeldOut {
    energy: f64,
    energies: f64,
    force: f64,
    forces: f64,
}

impl HeldOut {
    fn add(&mut self, other: &Self) {
        self.energy += other.energy;
        self.energies += other.energies;
        self.force += other.force;
        self.forces += other.forces;
    }

    /// The geometric mean of the root mean squares of (total-energy error)/√N and of the force error, or the one
    /// that is fitted.
    fn score(&self, energies_count: bool) -> f64 {
        let energy = (self.energy / self.energies.max(1.0)).sqrt();
        if self.forces == 0.0 {
            return energy;
        }
        if !energies_count {
            return (self.force / self.forces).sqrt();
        }
        (energy * (self.force / self.forces).sqrt()).sqrt()
    }
}

impl Ridge<'_> {
    /// The errors of a solution on one fold.
    fn test(&self, fold: usize, solution: &Solution) -> HeldOut {
        let mut errors = HeldOut::default();
        let predicted = product(&self.energy_rows, &solution.coefficients);
        let references = product(&self.compositions, &solution.references);
        for frame in (fold..self.frames.len()).step_by(self.grams.len()) {
            let error = self.energy_targets[frame] - predicted[frame] - references[frame];
            errors.energy += error * error;
            errors.energies += 1.0;
        }
        if self.emphasis[1] == 0.0 {
            return errors;
        }
        let sums = &self.forces[fold];
        let cross: f64 = sums.rhs.iter().zip(&solution.coefficients).map(|(r, c)| r * c).sum();
        let raw: Vec<f64> = solution
            .coefficients
            .iter()
            .zip(self.factor)
            .map(|(c, f)| c * f)
            .collect();
        let square = quadratic_form(&self.grams[fold].forces, &raw);
        errors.force = (sums.square - 2.0 * cross + square).max(0.0);
        errors.forces = sums.count;
        errors
    }

    /// The choice with the smallest cross-validated errors.
    pub fn choose(&self) -> RidgeChoice {
        let folds = self.grams.len().min(self.frames.len());
        let labelled_forces = self.emphasis[1] > 0.0 && self.forces.iter().any(|sums| sums.count > 0.0);
        let energy_ladder: &[f64] = if labelled_forces && self.emphasis[0] > 0.0 {
            &ENERGY_WEIGHTS
        } else {
            &[1.0]
        };
        let fallback = RidgeChoice {
            energy_weight: energy_ladder[energy_ladder.len() / 2],
            stress_weight: STRESS_WEIGHT,
            regularisation: 1e-6,
        };
        if folds < 2 {
            return fallback;
        }
        // First the regularisation at a middling weight of the energies, then the weight at that regularisation, then the
        // regularisation once more: the two hardly depend on each other, and a grid would cost thrice as much.
        let all: Vec<f64> = regularisations().collect();
        let mut best = (f64::INFINITY, fallback);
        let mut weight = fallback.energy_weight;
        for _ in 0..2 {
            self.search(folds, &[weight], &all, &mut best);
            let near = [
                10.0 * best.1.regularisation,
                best.1.regularisation,
                0.1 * best.1.regularisation,
            ];
            let others: Vec<f64> = energy_ladder.iter().copied().filter(|other| *other != weight).collect();
            self.search(folds, &others, &near, &mut best);
            if best.1.energy_weight == weight || !best.0.is_finite() {
                break;
            }
            weight = best.1.energy_weight;
        }
        best.1
    }

    /// Improves the best score and choice by candidates. The score is the geometric mean of the cross-validated errors of the
    /// total energy and of the forces: energies are what counts, forces make the judgement certain where frames are few.
    fn search(&self, folds: usize, weights: &[f64], regularisations: &[f64], best: &mut (f64, RidgeChoice)) {
        let tasks: Vec<(f64, usize)> = weights
            .iter()
            .flat_map(|weight| (0..folds).map(move |fold| (*weight, fold)))
            .collect();
        let results: Vec<Vec<Option<HeldOut>>> = tasks
            .into_par_iter()
            .map(|(energy_weight, fold)| {
                let (matrix, rhs) = self.normal_equations(Some(fold), energy_weight, STRESS_WEIGHT);
                let scale = mean_diagonal(&matrix);
                regularisations
                    .iter()
                    .map(|lambda| {
                        let coefficients = solve_regularised(&matrix, lambda * scale, &rhs)?;
                        let references = self.references(Some(fold), &coefficients);
                        let solution = Solution {
                            coefficients,
                            references,
                        };
                        Some(self.test(fold, &solution))
                    })
                    .collect()
            })
            .collect();
        for (index, energy_weight) in weights.iter().enumerate() {
            for (rung, regularisation) in regularisations.iter().enumerate() {
                let mut sum = HeldOut::default();
                let mut complete = true;
                for result in &results[index * folds..(index + 1) * folds] {
                    match result[rung] {
                        Some(errors) => sum.add(&errors),
                        None => complete = false,
                    }
                }
                let score = sum.score(self.emphasis[0] > 0.0);
                if complete && score.is_finite() && score < best.0 {
                    let choice = RidgeChoice {
                        energy_weight: *energy_weight,
                        stress_weight: STRESS_WEIGHT,
                        regularisation: *regularisation,
                    };
                    *best = (score, choice);
                }
            }
        }
    }

    /// The cross-validated score of a choice, as in the search: eV and eV/Å, geometric mean.
    pub fn score(&self, choice: &RidgeChoice) -> f64 {
        let mut best = (f64::INFINITY, *choice);
        let folds = self.grams.len().min(self.frames.len());
        self.search(folds, &[choice.energy_weight], &[choice.regularisation], &mut best);
        best.0
    }
}
