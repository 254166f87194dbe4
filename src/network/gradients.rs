//! Derivatives with respect to the parameters of any weighted sum of energies and input gradients, by double
//! back-propagation in batched matrix products.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::evaluate::{Space, matrix, reserve};
use super::{Network, parameter_count};

impl Network {
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
        scratch: &mut Vec<f64>,
    ) {
        let atoms = inputs.nrows();
        let layers = self.layers();
        let widest = self.widths[1..].iter().copied().max().unwrap_or(1);
        let neurons: usize = self.widths[1..].iter().sum();
        let mut space = Space(reserve(scratch, (5 * neurons + 4 * widest) * atoms));

        // Forward: values X and tangents Ẋ of each layer, with φ′, φ″ and the tangent of the sum Ż kept for the way back.
        let mut kept: Vec<Layer> = Vec::with_capacity(layers);
        for layer in 0..layers {
            let width = self.widths[layer + 1];
            let mut here = Layer {
                values: space.matrix(atoms, width),
                tangents: space.matrix(atoms, width),
                sum_tangents: space.matrix(atoms, width),
                first: space.matrix(atoms, width),
                second: space.matrix(atoms, width),
            };
            for mut row in here.values.rows_mut() {
                for (value, bias) in row.iter_mut().zip(self.biases(layer)) {
                    *value = *bias;
                }
            }
            let weights = self.weights(layer);
            match kept.last() {
                None => {
                    general_mat_mul(1.0, &inputs, &weights, 1.0, &mut here.values);
                    general_mat_mul(1.0, &gradient_weights, &weights, 0.0, &mut here.sum_tangents);
                }
                Some(below) => {
                    general_mat_mul(1.0, &below.values, &weights, 1.0, &mut here.values);
                    general_mat_mul(1.0, &below.tangents, &weights, 0.0, &mut here.sum_tangents);
                }
            }
            let activation = self.activations[layer];
            let derivatives = here.first.iter_mut().zip(here.second.iter_mut());
            let tangents = here.tangents.iter_mut().zip(here.sum_tangents.iter());
            for ((value, (first, second)), (tangent, sum_tangent)) in
                here.values.iter_mut().zip(derivatives).zip(tangents)
            {
                [*value, *first, *second] = activation.derivatives(*value);
                *tangent = *first * sum_tangent;
            }
            kept.push(here);
        }

        // Backward: adjoints of X and Ẋ become adjoints of Z and Ż, layer by layer.
        let (mut adjoints, rest) = space.0.split_at_mut(widest * atoms);
        let (mut tangent_adjoints, rest) = rest.split_at_mut(widest * atoms);
        let (mut next_adjoints, rest) = rest.split_at_mut(widest * atoms);
        let (mut next_tangent_adjoints, _) = rest.split_at_mut(widest * atoms);
        adjoints[..atoms].copy_from_slice(energy_weights);
        tangent_adjoints[..atoms].fill(1.0);
        for layer in (0..layers).rev() {
            let width = self.widths[layer + 1];
            let below_width = self.widths[layer];
            let mut adjoint = matrix(adjoints, atoms, width);
            let mut tangent_adjoint = matrix(tangent_adjoints, atoms, width);
            let here = &kept[layer];
            for ((adjoint, tangent_adjoint), ((first, second), sum_tangent)) in adjoint
                .iter_mut()
                .zip(tangent_adjoint.iter_mut())
                .zip(here.first.iter().zip(here.second.iter()).zip(here.sum_tangents.iter()))
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
                (inputs, gradient_weights)
            } else {
                (kept[layer - 1].values.view(), kept[layer - 1].tangents.view())
            };
            general_mat_mul(1.0, &values.t(), &adjoint, 1.0, &mut weight_gradient);
            general_mat_mul(1.0, &tangents.t(), &tangent_adjoint, 1.0, &mut weight_gradient);
            for row in adjoint.rows() {
                for (bias, adjoint) in bias_part.iter_mut().zip(row) {
                    *bias += adjoint;
                }
            }
            if layer > 0 {
                let weights = self.weights(layer);
                let mut below = matrix(next_adjoints, atoms, below_width);
                general_mat_mul(1.0, &adjoint, &weights.t(), 0.0, &mut below);
                let mut below = matrix(next_tangent_adjoints, atoms, below_width);
                general_mat_mul(1.0, &tangent_adjoint, &weights.t(), 0.0, &mut below);
                std::mem::swap(&mut adjoints, &mut next_adjoints);
                std::mem::swap(&mut tangent_adjoints, &mut next_tangent_adjoints);
            }
        }
    }
}

/// What the forward pass keeps of one layer, each atoms × neurons.
struct Layer<'a> {
    values: ArrayViewMut2<'a, f64>,
    tangents: ArrayViewMut2<'a, f64>,
    sum_tangents: ArrayViewMut2<'a, f64>,
    first: ArrayViewMut2<'a, f64>,
    second: ArrayViewMut2<'a, f64>,
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
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
            network.add_parameter_gradients(x.view(), &a, b.view(), &mut gradient, &mut scratch);
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
