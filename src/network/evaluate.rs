//! Energies of many atoms and their derivatives with respect to the inputs, as batched matrix products.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::Network;

/// Scratch space that matrices are cut off from.
pub(super) struct Space<'a>(pub(super) &'a mut [f64]);

impl<'a> Space<'a> {
    /// The next `rows × columns` matrix, of unspecified contents.
    pub(super) fn matrix(&mut self, rows: usize, columns: usize) -> ArrayViewMut2<'a, f64> {
        let (head, tail) = std::mem::take(&mut self.0).split_at_mut(rows * columns);
        self.0 = tail;
        ArrayViewMut2::from_shape((rows, columns), head).expect("cut to size")
    }
}

/// The front of a buffer as a matrix.
pub(super) fn matrix(buffer: &mut [f64], rows: usize, columns: usize) -> ArrayViewMut2<'_, f64> {
    ArrayViewMut2::from_shape((rows, columns), &mut buffer[..rows * columns]).expect("cut to size")
}

/// Makes the scratch space at least `length` long.
pub(super) fn reserve(scratch: &mut Vec<f64>, length: usize) -> &mut [f64] {
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    &mut scratch[..length]
}

impl Network {
    /// Energies of `atoms` atoms and their derivatives with respect to the inputs.
    ///
    /// `inputs` is atoms × F; `energies` (atoms) and `gradients` (atoms × F) are overwritten with E and dE/dx, in the
    /// unit of the energies the network was trained on. `scratch` is reused between calls and holds nothing.
    #[allow(clippy::needless_pass_by_value)] // Views are passed by value.
    pub fn evaluate(
        &self,
        inputs: ArrayView2<f64>,
        energies: &mut [f64],
        mut gradients: ArrayViewMut2<f64>,
        scratch: &mut Vec<f64>,
    ) {
        let atoms = inputs.nrows();
        let layers = self.layers();
        let widest = self.widths[1..].iter().copied().max().unwrap_or(1);
        let slopes_length: usize = self.widths[1..].iter().sum::<usize>() * atoms;
        let space = reserve(scratch, slopes_length + 2 * widest * atoms);
        let (slope_space, buffers) = space.split_at_mut(slopes_length);
        let mut slope_space = Space(slope_space);
        let (mut current, mut next) = buffers.split_at_mut(widest * atoms);

        let mut slopes = Vec::with_capacity(layers);
        for layer in 0..layers {
            let width = self.widths[layer + 1];
            let mut sums = matrix(next, atoms, width);
            for mut row in sums.rows_mut() {
                for (sum, bias) in row.iter_mut().zip(self.biases(layer)) {
                    *sum = *bias;
                }
            }
            if layer == 0 {
                general_mat_mul(1.0, &inputs, &self.weights(0), 1.0, &mut sums);
            } else {
                let previous = matrix(current, atoms, self.widths[layer]);
                general_mat_mul(1.0, &previous, &self.weights(layer), 1.0, &mut sums);
            }
            let mut slope = slope_space.matrix(atoms, width);
            let activation = self.activations[layer];
            for (sum, slope) in sums.iter_mut().zip(slope.iter_mut()) {
                let [value, first, _] = activation.derivatives(*sum);
                *sum = value;
                *slope = first;
            }
            slopes.push(slope);
            std::mem::swap(&mut current, &mut next);
        }
        energies.copy_from_slice(&current[..atoms]);

        current[..atoms].fill(1.0);
        for layer in (0..layers).rev() {
            let width = self.widths[layer + 1];
            let mut adjoint = matrix(current, atoms, width);
            for (adjoint, slope) in adjoint.iter_mut().zip(slopes[layer].iter()) {
                *adjoint *= slope;
            }
            let weights = self.weights(layer);
            if layer == 0 {
                general_mat_mul(1.0, &adjoint, &weights.t(), 0.0, &mut gradients);
            } else {
                let mut below = matrix(next, atoms, self.widths[layer]);
                general_mat_mul(1.0, &adjoint, &weights.t(), 0.0, &mut below);
                std::mem::swap(&mut current, &mut next);
            }
        }
    }
}
