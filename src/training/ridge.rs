//! The linear path: ridge regression of energies, forces and virials on the pooled descriptors, in closed form.
//!
//! With x the scaled descriptors of all elements side by side, E = C·E_ref + X c, F = −dX/dr c and V·σ = dX/dε c are all linear
//! in the coefficients c. The reference energies are projected out of the energies; what is left is solved through normal
//! equations, (Σ_groups w AᵀA + λ) c = Σ_groups w Aᵀt. Hoerl and Kennard, Technometrics 12, 55 (1970). The weight of the
//! energies and λ are those with the smallest cross-validated error of the total energy, the quantity on which acceptance
//! depends.

use ndarray::Array2;
use rayon::prelude::*;

use super::algebra::{
    add_gram, add_transposed_product, mean_diagonal, minimum_norm, product, project_out, solve_regularised,
};
use super::frame::Frame;
use super::targets::Targets;

/// AᵀA of the force rows and of the virial rows (each divided by √N) of one fold, in unscaled descriptors; lower
/// triangles. Grows frame by frame, so that old frames are never visited again.
#[derive(Clone)]
pub(super) struct Gram {
    pub forces: Array2<f64>,
    virials: Array2<f64>,
}

impl Gram {
    /// The sum over no frame of P descriptors.
    pub fn empty(columns: usize) -> Self {
        Self {
            forces: Array2::zeros((columns, columns)),
            virials: Array2::zeros((columns, columns)),
        }
    }

    /// Adds a frame.
    pub fn add(&mut self, frame: &Frame) {
        add_gram(&mut self.forces, &frame.force_rows, 1.0);
        add_gram(&mut self.virials, &frame.virial_rows, 1.0 / frame.atoms as f64);
    }
}

/// Weights and regularisation of one fit.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RidgeChoice {
    /// Weight of the mean squared energy error per atom (of total energies divided by √N, eV²), that of the mean
    /// squared force component (eV²/Å²) being 1.
    pub energy_weight: f64,
    /// Weight of the mean squared virial component per atom (of V·σ divided by √N, eV²).
    pub stress_weight: f64,
    /// λ over the mean diagonal of the weighted AᵀA in scaled descriptors.
    pub regularisation: f64,
}

/// A fitted linear path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Solution {
    /// Coefficients of the scaled descriptors, P entries, eV.
    pub coefficients: Vec<f64>,
    /// Energy of an atom of each element, eV.
    pub references: Vec<f64>,
}

/// The rows whose normal equations grow with the frames.
#[derive(Clone, Copy)]
enum Group {
    Forces,
    Virials,
}

/// The sums of one group of rows of one fold.
#[derive(Clone)]
pub(super) struct Sums {
    pub rhs: Vec<f64>,
    pub square: f64,
    pub count: f64,
}

/// A linear fit to be made: frame i belongs to fold i mod K.
pub(super) struct Ridge<'a> {
    pub frames: &'a [Frame],
    pub grams: &'a [Gram],
    pub factor: &'a [f64],
    /// Factors on the weights of energies, forces and stresses.
    pub emphasis: [f64; 3],
    pub forces: Vec<Sums>,
    virials: Vec<Sums>,
    /// Scaled pooled descriptors over √N, frames × P; the target; composition over √N, frames × elements.
    pub energy_rows: Array2<f64>,
    pub energy_targets: Vec<f64>,
    pub compositions: Array2<f64>,
}

impl<'a> Ridge<'a> {
    /// Gathers right-hand sides. `shift` and `factor` scale the P descriptors, `offsets` says where each element's start.
    pub fn new(
        frames: &'a [Frame],
        grams: &'a [Gram],
        (shift, factor): (&[f64], &'a [f64]),
        offsets: &[usize],
        targets: &Targets,
        emphasis: [f64; 3],
    ) -> Self {
        let columns = factor.len();
        let folds = grams.len();
        let gather = |rows: fn(&Frame) -> &Array2<f64>, values: &[Vec<f64>], per_atom: bool| -> Vec<Sums> {
            (0..folds)
                .into_par_iter()
                .map(|fold| {
                    let mut sums = Sums {
                        rhs: vec![0.0; columns],
                        square: 0.0,
                        count: 0.0,
                    };
                    for (frame, values) in frames.iter().zip(values).skip(fold).step_by(folds) {
                        let weight = if per_atom { 1.0 / frame.atoms as f64 } else { 1.0 };
                        add_transposed_product(&mut sums.rhs, rows(frame), values, weight);
                        sums.square += weight * values.iter().map(|t| t * t).sum::<f64>();
                        sums.count += values.len() as f64;
                    }
                    for (rhs, factor) in sums.rhs.iter_mut().zip(factor) {
                        *rhs *= factor;
                    }
                    sums
                })
                .collect()
        };
        let forces = gather(|frame| &frame.force_rows, &targets.forces, false);
        let virials = gather(|frame| &frame.virial_rows, &targets.virials, true);
        let elements = offsets.len() - 1;
        let mut energy_rows = Array2::zeros((frames.len(), columns));
        let mut compositions = Array2::zeros((frames.len(), elements));
        let mut energy_targets = Vec::with_capacity(frames.len());
        for (index, frame) in frames.iter().enumerate() {
            let scale = 1.0 / (frame.atoms as f64).sqrt();
            for element in 0..elements {
                compositions[[index, element]] = scale * frame.counts[element];
                for p in offsets[element]..offsets[element + 1] {
                    energy_rows[[index, p]] = scale * (frame.pooled[p] - frame.counts[element] * shift[p]) * factor[p];
                }
            }
            energy_targets.push(scale * targets.energies[index]);
        }
        Self {
            frames,
            grams,
            factor,
            emphasis,
            forces,
            virials,
            energy_rows,
            energy_targets,
            compositions,
        }
    }

    fn is_held_out(&self, frame: usize, held_out: Option<usize>) -> bool {
        held_out == Some(frame % self.grams.len())
    }

    /// The weighted normal equations of all folds but one: the lower triangle and the right-hand side.
    pub fn normal_equations(
        &self,
        held_out: Option<usize>,
        energy_weight: f64,
        stress_weight: f64,
    ) -> (Array2<f64>, Vec<f64>) {
        let columns = self.factor.len();
        let mut matrix = Array2::zeros((columns, columns));
        let mut rhs = vec![0.0; columns];
        let kept: Vec<usize> = (0..self.grams.len()).filter(|fold| held_out != Some(*fold)).collect();
        for group in [Group::Forces, Group::Virials] {
            let (sums, weight) = match group {
                Group::Forces => (&self.forces, self.emphasis[1]),
                Group::Virials => (&self.virials, self.emphasis[2] * stress_weight),
            };
            let count: f64 = kept.iter().map(|fold| sums[*fold].count).sum();
            if count == 0.0 || weight == 0.0 {
                continue;
            }
            for fold in &kept {
                let gram = &self.grams[*fold];
                let gram = match group {
                    Group::Forces => &gram.forces,
                    Group::Virials => &gram.virials,
                };
                matrix.scaled_add(weight / count, gram);
                for (sum, value) in rhs.iter_mut().zip(&sums[*fold].rhs) {
                    *sum += weight / count * value;
                }
            }
        }
        for ((i, j), entry) in matrix.indexed_iter_mut() {
            *entry *= self.factor[i] * self.factor[j];
        }

        let rows: Vec<usize> = (0..self.frames.len())
            .filter(|frame| !self.is_held_out(*frame, held_out))
            .collect();
        let weight = self.emphasis[0] * energy_weight / rows.len().max(1) as f64;
        if weight > 0.0 && !rows.is_empty() {
            let mut energies = self.energy_rows.select(ndarray::Axis(0), &rows);
            let mut targets: Vec<f64> = rows.iter().map(|row| self.energy_targets[*row]).collect();
            let compositions = self.compositions.select(ndarray::Axis(0), &rows);
            project_out(&compositions, &mut energies, &mut targets);
            add_gram(&mut matrix, &energies, weight);
            add_transposed_product(&mut rhs, &energies, &targets, weight);
        }
        (matrix, rhs)
    }

    /// The reference energies that go with coefficients, from the frames of all folds but one.
    pub fn references(&self, held_out: Option<usize>, coefficients: &[f64]) -> Vec<f64> {
        let rows: Vec<usize> = (0..self.frames.len())
            .filter(|frame| !self.is_held_out(*frame, held_out))
            .collect();
        let predicted = product(&self.energy_rows, coefficients);
        let rest: Vec<f64> = rows
            .iter()
            .map(|row| self.energy_targets[*row] - predicted[*row])
            .collect();
        minimum_norm(&self.compositions.select(ndarray::Axis(0), &rows), &rest)
    }

    /// The fit to all folds but one, with more regularisation than chosen where rounding demands it.
    pub fn solve(&self, held_out: Option<usize>, choice: &RidgeChoice) -> Solution {
        let (matrix, rhs) = self.normal_equations(held_out, choice.energy_weight, choice.stress_weight);
        let scale = mean_diagonal(&matrix);
        let mut lambda = choice.regularisation;
        let coefficients = loop {
            if scale == 0.0 || lambda > 1.0 {
                break vec![0.0; rhs.len()];
            }
            match solve_regularised(&matrix, lambda * scale, &rhs) {
                Some(coefficients) => break coefficients,
                None => lambda *= 10.0,
            }
        };
        let references = self.references(held_out, &coefficients);
        Solution {
            coefficients,
            references,
        }
    }

    /// Reference energies alone: no linear path.
    pub fn references_only(&self, held_out: Option<usize>) -> Solution {
        let coefficients = vec![0.0; self.factor.len()];
        let references = self.references(held_out, &coefficients);
        Solution {
            coefficients,
            references,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::rng::{Purpose, stream};

    /// Random frames of two elements and five descriptors, of changing composition.
    fn frames(generator: &mut impl rand::Rng) -> Vec<Frame> {
        (0..11)
            .map(|index| {
                let counts = vec![2.0 + f64::from(index % 3), 1.0];
                let atoms = (counts[0] + counts[1]) as usize;
                let mut random = |rows| Array2::from_shape_fn((rows, 5), |_| generator.random::<f64>() - 0.5);
                let (force_rows, virial_rows) = (random(3 * atoms), random(6));
                let pooled = random(1).into_raw_vec_and_offset().0;
                let mut number = || generator.random::<f64>() - 0.5;
                Frame {
                    atoms,
                    volume: Some(10.0),
                    element_of: Vec::new(),
                    blocks: Vec::new(),
                    pooled,
                    energy: -1e5 + number(),
                    forces: (0..3 * atoms).map(|_| number()).collect(),
                    virial: (0..6).map(|_| number()).collect(),
                    counts,
                    force_rows,
                    virial_rows,
                }
            })
            .collect()
    }

    /// The objective written out row by row, held-out frames excluded.
    fn objective(
        frames: &[&Frame],
        (shift, factor): (&[f64], &[f64]),
        choice: &RidgeChoice,
        lambda: f64,
        coefficients: &[f64],
        references: &[f64],
    ) -> f64 {
        let (mut energy, mut force, mut forces, mut virial, mut virials) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for frame in frames {
            let mut error = frame.energy - references[0] * frame.counts[0] - references[1] * frame.counts[1];
            for p in 0..5 {
                let count = frame.counts[usize::from(p >= 3)];
                error -= coefficients[p] * factor[p] * (frame.pooled[p] - count * shift[p]);
            }
            energy += error * error / frame.atoms as f64;
            let residual = |rows: &Array2<f64>, targets: &[f64]| -> f64 {
                let error = |(row, t): (usize, &f64)| {
                    let value: f64 = (0..5).map(|p| rows[[row, p]] * factor[p] * coefficients[p]).sum();
                    (t - value) * (t - value)
                };
                targets.iter().enumerate().map(error).sum()
            };
            force += residual(&frame.force_rows, &frame.forces);
            forces += frame.forces.len() as f64;
            virial += residual(&frame.virial_rows, &frame.virial) / frame.atoms as f64;
            virials += 6.0;
        }
        let penalty: f64 = coefficients.iter().map(|c| c * c).sum();
        choice.energy_weight * energy / frames.len() as f64
            + force / forces
            + choice.stress_weight * virial / virials
            + lambda * penalty
    }

    #[test]
    fn the_solution_minimises_the_objective_written_out() {
        let mut generator = stream(2, 0, 0, Purpose::Training);
        let frames = frames(&mut generator);
        let folds = 3;
        let mut grams = vec![Gram::empty(5); folds];
        for (index, frame) in frames.iter().enumerate() {
            grams[index % folds].add(frame);
        }
        let shift = [0.1, -0.2, 0.3, 0.0, 0.5];
        let factor = [1.0, 2.0, 0.5, 3.0, 0.7];
        let targets = Targets {
            energies: frames.iter().map(|frame| frame.energy).collect(),
            forces: frames.iter().map(|frame| frame.forces.clone()).collect(),
            virials: frames.iter().map(|frame| frame.virial.clone()).collect(),
        };
        let ridge = Ridge::new(&frames, &grams, (&shift, &factor), &[0, 3, 5], &targets, [1.0; 3]);
        let choice = RidgeChoice {
            energy_weight: 3.0,
            stress_weight: 0.2,
            regularisation: 1e-2,
        };
        for held_out in [None, Some(1)] {
            let solution = ridge.solve(held_out, &choice);
            let kept: Vec<&Frame> = (0..frames.len())
                .filter(|index| held_out != Some(index % folds))
                .map(|index| &frames[index])
                .collect();
            let (matrix, _) = ridge.normal_equations(held_out, choice.energy_weight, choice.stress_weight);
            let lambda = choice.regularisation * mean_diagonal(&matrix);
            let value = |coefficients: &[f64], references: &[f64]| {
                objective(&kept, (&shift, &factor), &choice, lambda, coefficients, references)
            };
            let least = value(&solution.coefficients, &solution.references);
            for index in 0..7 {
                for step in [1e-3, -1e-3] {
                    let (mut coefficients, mut references) =
                        (solution.coefficients.clone(), solution.references.clone());
                    if index < 5 {
                        coefficients[index] += step;
                    } else {
                        references[index - 5] += step;
                    }
                    // A parabola's minimum: both neighbours are higher, by the same amount.
                    let rise = value(&coefficients, &references) - least;
                    let mut mirrored = (solution.coefficients.clone(), solution.references.clone());
                    if index < 5 {
                        mirrored.0[index] -= step;
                    } else {
                        mirrored.1[index - 5] -= step;
                    }
                    let other = value(&mirrored.0, &mirrored.1) - least;
                    assert!(
                        rise > 0.0 && (rise - other).abs() < 1e-3 * rise,
                        "{index}: {rise} {other}"
                    );
                }
            }
            // The control: a fit with other weights is no minimum of this objective.
            let wrong = ridge.solve(
                held_out,
                &RidgeChoice {
                    energy_weight: 30.0,
                    ..choice
                },
            );
            assert!(value(&wrong.coefficients, &wrong.references) > least + 1e-9);
        }
    }

    #[test]
    fn constant_composition_gives_the_shortest_reference_energies() {
        let compositions = Array2::from_shape_fn((4, 2), |(_, element)| if element == 0 { 1.0 } else { 2.0 });
        let references = minimum_norm(&compositions, &[-10.0; 4]);
        assert!(
            (references[0] + 2.0).abs() < 1e-12 && (references[1] + 4.0).abs() < 1e-12,
            "{references:?}"
        );
    }
}
