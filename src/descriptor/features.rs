//! What training needs of an atom: its symmetry functions and their derivatives.

use ndarray::Array2;

use super::environment::Seen;
use crate::linear::Vec3;

/// The symmetry functions of one atom and their derivatives with respect to all atoms and to strain.
#[derive(Clone, Debug, PartialEq)]
pub struct AtomFeatures {
    /// The index of the central atom's element within the descriptor.
    pub element: usize,
    /// The F unscaled symmetry functions G.
    pub values: Vec<f64>,
    /// The distinct atoms that G depends on: the central one first, then its neighbours in ascending order. Images count
    /// as the atom itself.
    pub atoms: Vec<u32>,
    /// dG/dr in 1/Å: F × (3·atoms), the three components of an atom side by side.
    pub jacobian: Array2<f64>,
    /// dG/dε: F × 6 in the order xx yy zz yz xz xy, in bulk cells only. The columns are the components of a symmetric
    /// tensor W: under r → (1 + ε)r with symmetric ε, G changes by Σ_ab W_ab ε_ab over all nine entries, so that the stress of
    /// an energy Σ c·G is (1/V) Σ c·W, component by component.
    pub strain: Option<Array2<f64>>,
}

/// Gathers derivatives with respect to neighbours' displacements, `gradient(function, neighbour)`, into derivatives with
/// respect to atoms and to strain.
pub(super) fn assemble(
    centre: usize,
    element: usize,
    values: Vec<f64>,
    bulk: bool,
    around: &[Seen],
    gradient: impl Fn(usize, usize) -> Vec3,
) -> AtomFeatures {
    let mut others: Vec<u32> = around.iter().map(|seen| seen.atom).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|atom| *atom != centre as u32);
    let mut atoms = vec![centre as u32];
    atoms.extend(others);
    // An atom's place: 0 for the centre, else one more than its rank among the others, which are sorted.
    let places: Vec<usize> = around
        .iter()
        .map(|seen| {
            if seen.atom == centre as u32 {
                0
            } else {
                1 + atoms[1..].partition_point(|atom| *atom < seen.atom)
            }
        })
        .collect();
    let count = values.len();
    let mut jacobian = Array2::zeros((count, 3 * atoms.len()));
    let mut strain = bulk.then(|| Array2::zeros((count, 6)));
    for f in 0..count {
        let mut row = jacobian.row_mut(f);
        let row = row.as_slice_mut().expect("rows of a fresh array are contiguous");
        let mut virial = [0.0; 6];
        for (j, seen) in around.iter().enumerate() {
            let g = gradient(f, j);
            let d = seen.displacement;
            if g == [0.0; 3] {
                continue;
            }
            let other = 3 * places[j];
            for (out, g) in row[other..other + 3].iter_mut().zip(g) {
                *out += g;
            }
            for k in 0..3 {
                row[k] -= g[k];
                virial[k] += g[k] * d[k];
            }
            virial[3] += 0.5 * (g[1] * d[2] + g[2] * d[1]);
            virial[4] += 0.5 * (g[0] * d[2] + g[2] * d[0]);
            virial[5] += 0.5 * (g[0] * d[1] + g[1] * d[0]);
        }
        if let Some(strain) = &mut strain {
            for (k, value) in virial.iter().enumerate() {
                strain[[f, k]] = *value;
            }
        }
    }
    AtomFeatures {
        element,
        values,
        atoms,
        jacobian,
        strain,
    }
}
