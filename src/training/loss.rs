//! The loss of the networks over frames and its gradient: energies, all forces and virials.
//!
//! Networks are trained in normalised units: energies and forces are divided by the root mean square of the residual
//! forces (eV/Å), lengths stay in Å.

use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::LabelledStructure;
use super::frame::Frame;
use super::jacobian::Jacobians;
use super::report::Predicted;
use super::targets::Targets;
use crate::descriptor::Descriptor;
use crate::network::Tape;
use crate::potential::Member;

/// The frames as networks see them.
pub(super) struct Data<'a> {
    pub descriptor: &'a Descriptor,
    pub labelled: &'a [Arc<LabelledStructure>],
    pub frames: &'a [Frame],
    /// Scaled descriptors, frame by frame and element by element, n × F.
    pub inputs: Vec<Vec<Array2<f64>>>,
    /// Derivatives, where the memory budget allows to keep them.
    pub jacobians: &'a [Option<Jacobians>],
    /// The factors of the scaling, element by element.
    pub factors: Vec<Vec<f64>>,
}

/// Weights of the loss per frame: of (ΔE)²/N, of the mean (ΔF)², of the mean (ΔW)²/N.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    pub energy: f64,
    pub force: f64,
    pub virial: f64,
}

/// Derivatives of the loss with respect to what the networks say of a frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Adjoints {
    pub energy: f64,
    pub forces: Vec<f64>,
    pub virial: Vec<f64>,
}

impl Data<'_> {
    /// Calls a function with the derivatives of a frame, computed again where they are not kept.
    pub fn with_jacobians<R>(&self, frame: usize, use_them: impl FnOnce(&Jacobians) -> R) -> R {
        if let Some(Some(jacobians)) = self.jacobians.get(frame) {
            return use_them(jacobians);
        }
        use_them(&Jacobians::compute(self.descriptor, &self.labelled[frame].structure))
    }

    /// What networks say of a frame: energy, forces and virial as far as they are labelled.
    pub fn predict(&self, frame: usize, member: &Member) -> Predicted {
        let (mut scratch, mut buffer) = (Vec::new(), Vec::new());
        let atoms = self.frames[frame].atoms;
        let mut energy = 0.0;
        let mut forces = vec![0.0; 3 * atoms];
        let mut virial = vec![0.0; 6];
        self.with_jacobians(frame, |jacobians| {
            let mut first = 0;
            for (element, inputs) in self.inputs[frame].iter().enumerate() {
                let count = inputs.nrows();
                if let (Some(network), true) = (&member[element], count > 0) {
                    let mut energies = vec![0.0; count];
                    let mut gradients = Array2::zeros(inputs.raw_dim());
                    network.evaluate(inputs.view(), &mut energies, gradients.view_mut(), &mut scratch);
                    energy += energies.iter().sum::<f64>();
                    for (atom, mut gradient) in gradients.rows_mut().into_iter().enumerate() {
                        for (slope, factor) in gradient.iter_mut().zip(&self.factors[element]) {
                            *slope *= factor;
                        }
                        let gradient = gradient.as_slice().expect("rows are contiguous");
                        jacobians.pull(first + atom, gradient, &mut forces, &mut virial, &mut buffer);
                    }
                }
                first += count;
            }
        });
        if self.frames[frame].forces.is_empty() {
            forces.clear();
        }
        if self.frames[frame].virial.is_empty() {
            virial.clear();
        }
        Predicted { energy, forces, virial }
    }

    /// Adds to `gradient` the derivative with respect to the networks' parameters (one after another, element by element)
    /// of a loss whose derivatives with respect to the frame's energy, forces and virial are given.
    pub fn add_gradient(&self, frame: usize, member: &Member, adjoints: &Adjoints, gradient: &mut [f64]) {
        let mut buffer = Vec::new();
        let zero_forces = vec![0.0; 3 * self.frames[frame].atoms];
        let forces = if adjoints.forces.is_empty() {
            &zero_forces
        } else {
            &adjoints.forces
        };
        let virial = if adjoints.virial.is_empty() {
            &[0.0; 6][..]
        } else {
            &adjoints.virial
        };
        self.with_jacobians(frame, |jacobians| {
            let (mut first, mut start) = (0, 0);
            for (element, inputs) in self.inputs[frame].iter().enumerate() {
                let count = inputs.nrows();
                let Some(network) = &member[element] else {
                    first += count;
                    continue;
                };
                let end = start + network.parameters().len();
                if count > 0 {
                    let mut weights = Array2::zeros(inputs.raw_dim());
                    for (atom, mut weight) in weights.rows_mut().into_iter().enumerate() {
                        let row = weight.as_slice_mut().expect("rows are contiguous");
                        jacobians.push(first + atom, forces, virial, row, &mut buffer);
                        for (weight, factor) in row.iter_mut().zip(&self.factors[element]) {
                            *weight *= factor;
                        }
                    }
                    network.add_parameter_gradients(
                        inputs.view(),
                        &vec![adjoints.energy; count],
                        weights.view(),
                        &mut gradient[start..end],
                    );
                }
                first += count;
                start = end;
            }
        });
    }

    /// The sum of the networks' atomic energies of a frame.
    fn energy(&self, frame: usize, member: &Member) -> f64 {
        let inputs = self.inputs[frame].iter().zip(member);
        inputs
            .filter_map(|(inputs, network)| Some(network.as_ref()?.record(&inputs.view()).energy()))
            .sum()
    }

    /// Loss and gradient of a batch of frames. Energies count by their differences from the batch's mean error per atom,
    /// because a common offset is the reference energies' business.
    pub fn loss_and_gradient(
        &self,
        batch: &[usize],
        member: &Member,
        targets: &Targets,
        weights: &Weights,
    ) -> (f64, Vec<f64>) {
        let share = 1.0 / batch.len() as f64;
        let mut loss = 0.0;
        let mut adjoints = vec![0.0; batch.len()];
        if weights.energy > 0.0 {
            let predicted: Vec<f64> = batch.par_iter().map(|frame| self.energy(*frame, member)).collect();
            let errors = batch.iter().zip(&predicted);
            let errors: Vec<f64> = errors
                .map(|(frame, energy)| energy - targets.energies[*frame])
                .collect();
            let atoms: f64 = batch.iter().map(|frame| self.frames[*frame].atoms as f64).sum();
            let mean = if batch.len() > 1 {
                errors.iter().sum::<f64>() / atoms
            } else {
                0.0
            };
            for ((frame, error), adjoint) in batch.iter().zip(&errors).zip(&mut adjoints) {
                let atoms = self.frames[*frame].atoms as f64;
                let error = error - mean * atoms;
                loss += share * weights.energy * error * error / atoms;
                // The mean's own derivative drops out: Σ (error − mean·N) = 0.
                *adjoint = 2.0 * share * weights.energy * error / atoms;
            }
        }
        let weights = Weights {
            energy: 0.0,
            force: share * weights.force,
            virial: share * weights.virial,
        };
        let parts: Vec<(f64, Vec<f64>)> = batch
            .par_iter()
            .zip(&adjoints)
            .map(|(frame, adjoint)| self.frame_gradient(*frame, member, *adjoint, targets, &weights))
            .collect();
        let mut gradient = vec![0.0; parameter_count(member)];
        for (own, part) in &parts {
            loss += own;
            for (sum, value) in gradient.iter_mut().zip(part) {
                *sum += value;
            }
        }
        (loss, gradient)
    }

    /// Loss of a frame's forces and virial, and the gradient of that plus `energy_adjoint` times its energy: one pass over
    /// the derivatives of the descriptors while they are in the processor's cache.
    fn frame_gradient(
        &self,
        frame: usize,
        member: &Member,
        energy_adjoint: f64,
        targets: &Targets,
        weights: &Weights,
    ) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; parameter_count(member)];
        let atoms = self.frames[frame].atoms;
        let mut loss = 0.0;
        let mut buffer = Vec::new();
        let inputs = &self.inputs[frame];
        let active = |element: usize| member[element].as_ref().filter(|_| inputs[element].nrows() > 0);
        let tapes: Vec<Option<Tape>> = (0..inputs.len())
            .map(|element| Some(active(element)?.record(&inputs[element].view())))
            .collect();
        self.with_jacobians(frame, |jacobians| {
            let mut forces = vec![0.0; 3 * atoms];
            let mut virial = vec![0.0; 6];
            let mut first = 0;
            for (element, tape) in tapes.iter().enumerate() {
                if let (Some(network), Some(tape)) = (active(element), tape) {
                    let mut slopes = network.input_gradients(tape);
                    for (atom, mut slopes) in slopes.rows_mut().into_iter().enumerate() {
                        for (slope, factor) in slopes.iter_mut().zip(&self.factors[element]) {
                            *slope *= factor;
                        }
                        let slopes = slopes.as_slice().expect("rows are contiguous");
                        jacobians.pull(first + atom, slopes, &mut forces, &mut virial, &mut buffer);
                    }
                }
                first += inputs[element].nrows();
            }
            // The predictions become the derivatives of the loss with respect to them.
            for (predicted, targets, weight) in [
                (&mut forces, &targets.forces[frame], weights.force),
                (&mut virial, &targets.virials[frame], weights.virial / atoms as f64),
            ] {
                let factor = weight / targets.len().max(1) as f64;
                if targets.is_empty() {
                    predicted.fill(0.0);
                }
                for (value, target) in predicted.iter_mut().zip(targets) {
                    let error = *value - target;
                    loss += factor * error * error;
                    *value = 2.0 * factor * error;
                }
            }
            let (mut first, mut start) = (0, 0);
            for (element, tape) in tapes.iter().enumerate() {
                let end = start + member[element].as_ref().map_or(0, |network| network.parameters().len());
                if let (Some(network), Some(tape)) = (active(element), tape) {
                    let mut along = Array2::zeros(inputs[element].raw_dim());
                    for (atom, mut along) in along.rows_mut().into_iter().enumerate() {
                        let along = along.as_slice_mut().expect("rows are contiguous");
                        jacobians.push(first + atom, &forces, &virial, along, &mut buffer);
                        for (along, factor) in along.iter_mut().zip(&self.factors[element]) {
                            *along *= factor;
                        }
                    }
                    network.add_recorded_gradients(
                        tape,
                        &inputs[element].view(),
                        &vec![energy_adjoint; inputs[element].nrows()],
                        &along.view(),
                        &mut gradient[start..end],
                    );
                }
                first += inputs[element].nrows();
                start = end;
            }
        });
        (loss, gradient)
    }
}

/// The parameters of all networks of a member.
pub(super) fn parameter_count(member: &Member) -> usize {
    member.iter().flatten().map(|network| network.parameters().len()).sum()
}

/// The parameters of all networks of a member, element by element.
pub(super) fn parameters(member: &Member) -> Vec<f64> {
    member
        .iter()
        .flatten()
        .flat_map(|network| network.parameters().iter().copied())
        .collect()
}

/// Sets the parameters of all networks of a member.
pub(super) fn set_parameters(member: &mut Member, parameters: &[f64]) {
    let mut start = 0;
    for network in member.iter_mut().flatten() {
        let end = start + network.parameters().len();
        network.parameters_mut().copy_from_slice(&parameters[start..end]);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::descriptor::DescriptorConfig;
    use crate::network::{Activation, Network};
    use crate::potential::{Labels, Scaling};
    use crate::rng::{Purpose, stream};
    use crate::structure::{Cell, Structure};
    use crate::training::networks::scaled_inputs;

    /// Energy, force and stress losses one by one and together, on cells smaller than the cutoff with two elements.
    #[test]
    fn loss_gradients_match_finite_differences() {
        let mut generator = stream(9, 0, 0, Purpose::Training);
        let species: Vec<_> = ["Si", "O", "O", "Si"]
            .iter()
            .map(|symbol| symbol.parse().unwrap())
            .collect();
        let labelled: Vec<Arc<LabelledStructure>> = (0..3)
            .map(|_| {
                let positions = (0..4)
                    .map(|i| [0.0, 1.0, 2.0].map(|x| x * f64::from(i) + generator.random::<f64>()))
                    .collect();
                let cell = Cell::new([[4.0, 0.2, 0.0], [0.1, 3.8, 0.3], [0.0, -0.4, 4.3]], [true; 3]).unwrap();
                let labels = Labels {
                    energy: -3.0 + generator.random::<f64>(),
                    forces: Some(vec![[0.1, -0.2, 0.3]; 4]),
                    stress: Some([[0.01, 0.002, 0.0], [0.002, -0.02, 0.003], [0.0, 0.003, 0.01]]),
                };
                let structure = Structure::new(cell, species.clone(), positions).unwrap();
                Arc::new(LabelledStructure { structure, labels })
            })
            .collect();
        let config = DescriptorConfig {
            radial_count: 3,
            angular_count: 1,
            angular_degree: 1,
            ..DescriptorConfig::default()
        };
        let structures: Vec<&Structure> = labelled.iter().map(|frame| &frame.structure).collect();
        let descriptor = Descriptor::from_config(&config, &structures[0].elements(), &structures).unwrap();
        let frames: Vec<Frame> = labelled
            .iter()
            .map(|frame| Frame::new(&descriptor, frame, |_| {}))
            .collect();
        let scaling: Vec<Scaling> = (0..2)
            .map(|element| Scaling {
                shift: vec![0.3; descriptor.count(element)],
                factor: vec![0.8; descriptor.count(element)],
            })
            .collect();
        // One frame's derivatives are kept, the others are computed again.
        let jacobians = [Some(Jacobians::compute(&descriptor, structures[0])), None, None];
        let data = Data {
            descriptor: &descriptor,
            labelled: &labelled,
            frames: &frames,
            inputs: scaled_inputs(&frames, &scaling),
            jacobians: &jacobians,
            factors: scaling.iter().map(|scaling| scaling.factor.clone()).collect(),
        };
        let mut member: Member = (0..2)
            .map(|element| Network::random(descriptor.count(element), &[4, 3], Activation::Tanh, &mut generator).ok())
            .collect();
        let start: Vec<f64> = parameters(&member)
            .iter()
            .map(|w| w + generator.random::<f64>() - 0.5)
            .collect();
        set_parameters(&mut member, &start);
        let targets = crate::training::targets::labels(&frames);
        for (energy, force, virial) in [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.7, 1.3, 0.4)] {
            let weights = Weights { energy, force, virial };
            let loss = |parameters: &[f64]| {
                let mut member = member.clone();
                set_parameters(&mut member, parameters);
                data.loss_and_gradient(&[0, 1, 2], &member, &targets, &weights)
            };
            let (_, gradient) = loss(&start);
            let largest = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            assert!(largest > 1e-6);
            for index in 0..start.len() {
                let step = 1e-5;
                let (mut above, mut below) = (start.clone(), start.clone());
                above[index] += step;
                below[index] -= step;
                let slope = (loss(&above).0 - loss(&below).0) / (2.0 * step);
                assert!(
                    (slope - gradient[index]).abs() < 1e-7 * largest.max(1.0),
                    "{index}: {slope} {}",
                    gradient[index]
                );
            }
        }
    }
}
