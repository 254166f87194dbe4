//! Derivatives with respect to the parameters of any weighted sum of energies and input gradients, by double
//! back-propagation in batched matrix products.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::{Network, parameter_count};

/// What a forward pass of atoms through a network leaves for the passes after it: per layer the values φ(z) and the slopes
/// φ′(z), φ″(z), each atoms × neurons.
pub(crate) struct Tape {
    layers: Vec<[Array2<f64>; 3]>,
}

impl Tape {
    /// The sum of the atoms' energies.
    pub fn energy(&self) -> f64 {
        self.layers.last().map_or(0.0, |[values, ..]| values.sum())
    }
}

impl Network {
    /// The forward pass of atoms (inputs: atoms × F).
    pub(crate) fn record(&self, inputs: &ArrayView2<f64>) -> Tape {
        let mut layers: Vec<[Array2<f64>; 3]> = Vec::with_capacity(self.layers());
        for layer in 0..self.layers() {
            let shape = (inputs.nrows(), self.widths[layer + 1]);
            let mut values = Array2::zeros(shape);
            for mut row in values.rows_mut() {
                for (value, bias) in row.iter_mut().zip(self.biases(layer)) {
                    *value = *bias;
                }
            }
            match layers.last() {
                None => general_mat_mul(1.0, inputs, &self.weights(layer), 1.0, &mut values),
                Some([below, ..]) => general_mat_mul(1.0, below, &self.weights(layer), 1.0, &mut values),
            }
            let (mut first, mut second) = (Array2::zeros(shape), Array2::zeros(shape));
            let activation = self.activations[layer];
            for ((value, first), second) in values.iter_mut().zip(first.iter_mut()).zip(second.iter_mut()) {
                [*value, *first, *second] = activation.derivatives(*value);
            }
            layers.push([values, first, second]);
        }
        Tape { layers }
    }

    /// dE/dx of the recorded atoms: atoms × F.
    pub(crate) fn input_gradients(&self, tape: &Tape) -> Array2<f64> {
        let mut adjoint = Array2::zeros((0, 0));
        for layer in (0..self.layers()).rev() {
            let [_, first, _] = &tape.layers[layer];
            if layer + 1 == self.layers() {
                adjoint.clone_from(first);
            } else {
                adjoint *= first;
            }
            let mut below = Array2::zeros((adjoint.nrows(), self.widths[layer]));
            general_mat_mul(1.0, &adjoint, &self.weights(layer).t(), 0.0, &mut below);
            adjoint = below;
        }
        adjoint
    }

    /// Adds to `gradient` the derivative with respect to the parameters of Σ_i a_i E_i + Σ_i b_i·(dE_i/dx_i).
    ///
    /// `inputs` is atoms × F, a is `energy_weights` (atoms), b is `gradient_weights` (atoms × F). The second sum is the
    /// derivative of the energies along b, so one forward pass carries values and tangents, and one backward pass
    /// through both gives the answer at about four times the cost of the energies.
    #[allow(clippy::needless_pass_by_value)] // Views are passed by value.
    pub fn add_parameter_gradients(
        &self,
        inputs: ArrayView2<f64>,
        energy_weights: &[f64],
        gradient_weights: ArrayView2<f64>,
        gradient: &mut [f64],
    ) {
        let tape = self.record(&inputs);
        self.add_recorded_gradients(&tape, &inputs, energy_weights, &gradient_weights, gradient);
    }

    /// [`Network::add_parameter_gradients`] after a forward pass that is already recorded.
    pub(crate) fn add_recorded_gradients(
        &self,
        tape: &Tape,
        inputs: &ArrayView2<f64>,
        energy_weights: &[f64],
        gradient_weights: &ArrayView2<f64>,
        gradient: &mut [f64],
    ) {
        let atoms = inputs.nrows();
        let layers = self.layers();
        // Forward: tangents Ẋ of each layer and Ż of its sum, along b.
        let mut kept: Vec<[Array2<f64>; 2]> = Vec::with_capacity(layers);
        for layer in 0..layers {
            let width = self.widths[layer + 1];
            let mut sum_tangents = Array2::zeros((atoms, width));
            let weights = self.weights(layer);
            match kept.last() {
                None => general_mat_mul(1.0, gradient_weights, &weights, 0.0, &mut sum_tangents),
                Some([below, _]) => general_mat_mul(1.0, below, &weights, 0.0, &mut sum_tangents),
            }
            let [_, first, _] = &tape.layers[layer];
            kept.push([first * &sum_tangents, sum_tangents]);
        }

        // Backward: adjoints of X and Ẋ become adjoints of Z and Ż, layer by layer.
        let mut adjoints = Array2::from_shape_fn((atoms, 1), |(atom, _)| energy_weights[atom]);
        let mut tangent_adjoints = Array2::from_elem((atoms, 1), 1.0);
        for layer in (0..layers).rev() {
            let width = self.widths[layer + 1];
            let below_width = self.widths[layer];
            let [_, first, second] = &tape.layers[layer];
            let [_, sum_tangents] = &kept[layer];
            for ((adjoint, tangent_adjoint), ((first, second), sum_tangent)) in adjoints
                .iter_mut()
                .zip(tangent_adjoints.iter_mut())
                .zip(first.iter().zip(second).zip(sum_tangents.iter()))
            {
                *adjoint = *adjoint * first + *tangent_adjoint * second * sum_tangent;
                *tangent_adjoint *= first;
            }
            let start = parameter_count(&self.widths[..=layer]);
            let (weight_part, bias_part) =
                gradient[start..start + (below_width + 1) * width].split_at_mut(below_width * width);
            let mut weight_gradient =
                ArrayViewMut2::from_shape((below_width, width), weight_part).expect("counted at construction");
            let (values, tangents) = if layer == 0 {
                (inputs.view(), gradient_weights.view())
            } else {
                (tape.layers[layer - 1][0].view(), kept[layer - 1][0].view())
            };
            general_mat_mul(1.0, &values.t(), &adjoints, 1.0, &mut weight_gradient);
            general_mat_mul(1.0, &tangents.t(), &tangent_adjoints, 1.0, &mut weight_gradient);
            for row in adjoints.rows() {
                for (bias, adjoint) in bias_part.iter_mut().zip(row) {
                    *bias += adjoint;
                }
            }
            if layer > 0 {
                let weights = self.weights(layer);
                let mut below = Array2::zeros((atoms, below_width));
                general_mat_mul(1.0, &adjoints, &weights.t(), 0.0, &mut below);
                adjoints = below;
                let mut below = Array2::zeros((atoms, below_width));
                general_mat_mul(1.0, &tangent_adjoints, &weights.t(), 0.0, &mut below);
                tangent_adjoints = below;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::network::Activation;
    use crate::rng::{Purpose, stream};

    /// Every parameter of networks of one to three layers, against central differences of the sum itself; energies
    /// against input gradients on the way.
    #[test]
    fn parameter_gradients_match_finite_differences() {
        let mut generator = stream(3, 0, 0, Purpose::Training);
        let mut scratch = Vec::new();
        for (hidden, activation) in [
            (vec![], Activation::Tanh),
            (vec![5], Activation::Softplus),
            (vec![4, 6], Activation::Tanh),
            (vec![3, 2, 4], Activation::Gaussian),
        ] {
            let (atoms, inputs) = (7, 3);
            let mut network = Network::random(inputs, &hidden, activation, &mut generator).unwrap();
            for parameter in network.parameters_mut() {
                *parameter += generator.random::<f64>() - 0.5;
            }
            let mut random =
                |rows, columns| Array2::from_shape_fn((rows, columns), |_| generator.random::<f64>() - 0.5);
            let (x, b, a) = (random(atoms, inputs), random(atoms, inputs), random(1, atoms));
            let a: Vec<f64> = a.into_iter().collect();
            let sum = |network: &Network, x: &Array2<f64>, scratch: &mut Vec<f64>| {
                let mut energies = vec![0.0; atoms];
                let mut gradients = Array2::zeros((atoms, inputs));
                network.evaluate(x.view(), &mut energies, gradients.view_mut(), scratch);
                let energy: f64 = a.iter().zip(&energies).map(|(a, e)| a * e).sum();
                (energy, energy + (&b * &gradients).sum(), gradients)
            };
            let step = 1e-5;

            let (_, _, input_gradients) = sum(&network, &x, &mut scratch);
            for atom in 0..atoms {
                for input in 0..inputs {
                    let (mut above, mut below) = (x.clone(), x.clone());
                    above[[atom, input]] += step;
                    below[[atom, input]] -= step;
                    let slope =
                        (sum(&network, &above, &mut scratch).0 - sum(&network, &below, &mut scratch).0) / (2.0 * step);
                    assert!((slope - a[atom] * input_gradients[[atom, input]]).abs() < 1e-8);
                }
            }

            let mut gradient = vec![0.0; network.parameters().len()];
            network.add_parameter_gradients(x.view(), &a, b.view(), &mut gradient);
            for index in 0..gradient.len() {
                let (mut above, mut below) = (network.clone(), network.clone());
                above.parameters_mut()[index] += step;
                below.parameters_mut()[index] -= step;
                let slope = (sum(&above, &x, &mut scratch).1 - sum(&below, &x, &mut scratch).1) / (2.0 * step);
                assert!(
                    (slope - gradient[index]).abs() < 1e-8,
                    "{hidden:?} {index}: {slope} {}",
                    gradient[index]
                );
            }
        }
    }
}
