//! Coordinates in which the networks' inputs are uncorrelated.
//!
//! Symmetry functions are much alike: a few combinations hold nearly all of their variance, and an optimiser that treats all
//! weights of the first layer alike hardly moves along the others. In whitened coordinates x′ = Tᵀx with C = ⟨x xᵀ⟩ = VΛVᵀ and
//! T = V(Λ + ε)^(−½) all combinations count alike, down to a floor ε below which they are noise. LeCun, Bottou, Orr and Müller,
//! Efficient BackProp (1998), section 4.3. The network itself stays as it is: only the weights W of its first layer are seen as
//! W = TW′, and W′ is what is trained.

use faer::{Mat, MatRef};
use ndarray::Array2;

use super::algebra::{add_gram, eigen};
use crate::potential::Member;

/// ε beside the largest variance. On thermal silicon and quartz and on mlearn's silicon both a hundred times more and a hundred times
/// less left a larger error on unseen frames.
const FLOOR: f64 = 1e-4;

/// The transformation of each network's first layer.
pub(super) struct Coordinates {
    layers: Vec<Layer>,
}

struct Layer {
    /// Where the weights start in the parameter vector of all networks.
    start: usize,
    /// T and its inverse, F × F.
    to_weights: Mat<f64>,
    to_coordinates: Mat<f64>,
    /// Neurons of the first layer.
    width: usize,
}

impl Coordinates {
    /// From the scaled inputs of some frames, each a block of atoms × F for every element.
    pub fn new<'a>(member: &Member, inputs: &(impl Iterator<Item = &'a Vec<Array2<f64>>> + Clone)) -> Self {
        let mut layers = Vec::new();
        let mut start = 0;
        for (element, network) in member.iter().enumerate() {
            let Some(network) = network else { continue };
            let count = network.inputs();
            let mut covariance = Array2::zeros((count, count));
            let mut atoms = 0;
            for blocks in inputs.clone() {
                add_gram(&mut covariance, &blocks[element], 1.0);
                atoms += blocks[element].nrows();
            }
            let pairs = eigen(&covariance);
            let largest = pairs.first().map_or(0.0, |pair| pair.0);
            let n = atoms.max(1) as f64;
            let scale = |value: f64| ((value.max(0.0) + FLOOR * largest) / n).sqrt();
            if largest > 0.0 {
                layers.push(Layer {
                    start,
                    to_weights: Mat::from_fn(count, count, |i, k| pairs[k].1[i] / scale(pairs[k].0)),
                    to_coordinates: Mat::from_fn(count, count, |k, i| pairs[k].1[i] * scale(pairs[k].0)),
                    width: network.widths()[1],
                });
            }
            start += network.parameters().len();
        }
        Self { layers }
    }

    fn apply(&self, vector: &mut [f64], matrix: impl Fn(&Layer) -> MatRef<'_, f64>) {
        for layer in &self.layers {
            let matrix = matrix(layer);
            let count = matrix.ncols();
            let part = &mut vector[layer.start..layer.start + count * layer.width];
            let product = matrix * MatRef::from_row_major_slice(&*part, count, layer.width);
            for (i, row) in part.chunks_exact_mut(layer.width).enumerate() {
                for (k, weight) in row.iter_mut().enumerate() {
                    *weight = product[(i, k)];
                }
            }
        }
    }

    /// Parameters of the networks from coordinates, in place.
    pub fn to_parameters(&self, vector: &mut [f64]) {
        self.apply(vector, |layer| layer.to_weights.as_ref());
    }

    /// Coordinates from parameters of the networks, in place.
    pub fn to_coordinates(&self, vector: &mut [f64]) {
        self.apply(vector, |layer| layer.to_coordinates.as_ref());
    }

    /// The derivative with respect to coordinates from that with respect to parameters, in place.
    pub fn pull_back(&self, gradient: &mut [f64]) {
        self.apply(gradient, |layer| layer.to_weights.transpose());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Network};
    use crate::rng::{Purpose, stream};
    use rand::RngExt;

    /// Inputs that are nearly the same become uncorrelated ones of variance 1, and gradients follow the chain rule.
    #[test]
    fn inputs_are_uncorrelated_in_the_new_coordinates() {
        let mut generator = stream(17, 0, 0, Purpose::Training);
        let inputs = Array2::from_shape_fn((400, 3), |_| generator.random::<f64>() - 0.5);
        // The second column is the first but for a tenth.
        let inputs = Array2::from_shape_fn((400, 3), |(i, k)| match k {
            1 => inputs[[i, 0]] + 0.1 * inputs[[i, 1]],
            _ => inputs[[i, k]],
        });
        let network = Network::random(3, &[2], Activation::Tanh, &mut generator).unwrap();
        let start = network.parameters().to_vec();
        let member: Member = vec![Some(network)];
        let blocks = vec![inputs.clone()];
        let coordinates = Coordinates::new(&member, &std::iter::once(&blocks));

        let mut vector = start.clone();
        coordinates.to_coordinates(&mut vector);
        assert!(vector.iter().zip(&start).any(|(a, b)| (a - b).abs() > 1e-2));
        coordinates.to_parameters(&mut vector);
        assert!(vector.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-12));

        let sums = |to: &[f64]| -> [f64; 2] {
            let out = |i: usize, o: usize| (0..3).map(|k| inputs[[i, k]] * to[k * 2 + o]).sum::<f64>();
            let mean = |f: &dyn Fn(usize) -> f64| (0..400).map(f).sum::<f64>() / 400.0;
            [mean(&|i| out(i, 0) * out(i, 0)), mean(&|i| out(i, 0) * out(i, 1))]
        };
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            // Unit vectors of two coordinates, one for each neuron.
            let mut unit = vec![0.0; start.len()];
            unit[first * 2] = 1.0;
            unit[second * 2 + 1] = 1.0;
            coordinates.to_parameters(&mut unit);
            let [square, product] = sums(&unit);
            assert!(
                (square - 1.0).abs() < 0.1 && product.abs() < 1e-10,
                "{square} {product}"
            );
        }

        // A linear function of the parameters has the same slope along any direction in both.
        let slope: Vec<f64> = start.iter().map(|_| generator.random::<f64>()).collect();
        let along: Vec<f64> = start.iter().map(|_| generator.random::<f64>()).collect();
        let (mut moved, mut pulled) = (along.clone(), slope.clone());
        coordinates.to_parameters(&mut moved);
        coordinates.pull_back(&mut pulled);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&slope, &moved) - dot(&pulled, &along)).abs() < 1e-10);
    }
}
