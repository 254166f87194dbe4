//! Mass matrices of the momenta that are no physical masses: a diagonal by coordinate with a correction of low rank.
//!
//! M = D^½ [1 + V(Λ − 1)Vᵀ] D^½ with D diagonal and positive, V of orthonormal columns, Λ > 0. Static averages do not depend on the
//! masses (Bennett, J. Comput. Phys. 19, 267 (1975)); M near the Hessian lets all modes vibrate alike.

use serde::{Deserialize, Serialize};

use crate::linear::Vec3;

/// A constant, symmetric, positive definite matrix of masses for the 3N coordinates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "Stored", into = "Stored")]
pub struct MassMatrix {
    diagonal: Vec<f64>,
    factors: Vec<f64>,
    /// One row of 3N after the other.
    vectors: Vec<f64>,
}

/// The form of the file `masses.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Stored {
    /// D in amu.
    diagonal: Vec<f64>,
    /// Λ.
    factors: Vec<f64>,
    /// The columns of V.
    vectors: Vec<Vec<f64>>,
}

impl TryFrom<Stored> for MassMatrix {
    type Error = MassMatrixError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        Self::new(
            stored.diagonal,
            stored.factors.into_iter().zip(stored.vectors).collect(),
        )
    }
}

impl From<MassMatrix> for Stored {
    fn from(matrix: MassMatrix) -> Self {
        let size = matrix.diagonal.len().max(1);
        Self {
            vectors: matrix.vectors.chunks(size).map(<[f64]>::to_vec).collect(),
            diagonal: matrix.diagonal,
            factors: matrix.factors,
        }
    }
}

/// A matrix that is none of masses.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MassMatrixError {
    /// A number that is not positive.
    #[error("mass {value} of {what} is not positive")]
    NotPositive {
        /// Which.
        what: String,
        /// Its value.
        value: f64,
    },
    /// Vectors that are not orthonormal, or of another length.
    #[error("the modes of a mass matrix are not orthonormal")]
    NotOrthonormal,
}

impl MassMatrix {
    /// From D (amu, 3N entries) and pairs of Λ and a column of V.
    pub fn new(diagonal: Vec<f64>, modes: Vec<(f64, Vec<f64>)>) -> Result<Self, MassMatrixError> {
        let positive = |value: &f64| value.is_finite() && *value > 0.0;
        let complain = |what: String, value: f64| Err(MassMatrixError::NotPositive { what, value });
        if let Some(k) = diagonal.iter().position(|value| !positive(value)) {
            return complain(format!("coordinate {k}"), diagonal[k]);
        }
        if let Some(k) = modes.iter().position(|(factor, _)| !positive(factor)) {
            return complain(format!("mode {k}"), modes[k].0);
        }
        if modes.iter().any(|(_, vector)| vector.len() != diagonal.len()) {
            return Err(MassMatrixError::NotOrthonormal);
        }
        for (i, (_, a)) in modes.iter().enumerate() {
            for (j, (_, b)) in modes[..=i].iter().enumerate() {
                let overlap: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                let off = (overlap - expected).abs();
                if off.is_nan() || off > 1e-6 {
                    return Err(MassMatrixError::NotOrthonormal);
                }
            }
        }
        Ok(Self {
            diagonal,
            factors: modes.iter().map(|(factor, _)| *factor).collect(),
            vectors: modes.into_iter().flat_map(|(_, vector)| vector).collect(),
        })
    }

    /// The number of coordinates, 3N.
    pub fn len(&self) -> usize {
        self.diagonal.len()
    }

    /// Whether there is no coordinate.
    pub fn is_empty(&self) -> bool {
        self.diagonal.is_empty()
    }

    /// The number of modes beside the diagonal.
    pub fn rank(&self) -> usize {
        self.factors.len()
    }

    /// D of one atom, amu.
    pub fn of_atom(&self, atom: usize) -> Vec3 {
        [0, 1, 2].map(|k| self.diagonal[3 * atom + k])
    }

    /// y ← y + Σ (f(Λ) − 1) v (v·y).
    fn stretch(&self, y: &mut [f64], function: impl Fn(f64) -> f64) {
        let amounts: Vec<f64> = self
            .modes()
            .map(|(factor, vector)| (function(factor) - 1.0) * inner(vector, y))
            .collect();
        for ((_, vector), amount) in self.modes().zip(amounts) {
            for (y, v) in y.iter_mut().zip(vector) {
                *y += amount * v;
            }
        }
    }

    fn modes(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let size = self.diagonal.len().max(1);
        self.factors.iter().copied().zip(self.vectors.chunks_exact(size))
    }

    /// Momenta p = M^½ ξ in the sense p ~ N(0, M) for ξ of independent unit normals (3N).
    pub fn momenta(&self, mut normals: Vec<f64>) -> Vec<Vec3> {
        self.stretch(&mut normals, f64::sqrt);
        let roots = normals.iter().zip(&self.diagonal).map(|(y, d)| y * d.sqrt());
        vectors(&roots.collect::<Vec<f64>>())
    }

    fn reduced(&self, momenta: &[Vec3]) -> Vec<f64> {
        let flat = momenta.iter().flatten();
        flat.zip(&self.diagonal).map(|(p, d)| p / d.sqrt()).collect()
    }

    /// ½ p·M⁻¹p, eV.
    pub fn kinetic_energy(&self, momenta: &[Vec3]) -> f64 {
        let y = self.reduced(momenta);
        let modes: f64 = self
            .modes()
            .map(|(factor, vector)| (1.0 / factor - 1.0) * inner(vector, &y).powi(2))
            .sum();
        0.5 * (inner(&y, &y) + modes)
    }

    /// M⁻¹p, Å per internal time.
    pub fn velocities(&self, momenta: &[Vec3]) -> Vec<Vec3> {
        let mut y = self.reduced(momenta);
        self.stretch(&mut y, f64::recip);
        for (y, d) in y.iter_mut().zip(&self.diagonal) {
            *y /= d.sqrt();
        }
        vectors(&y)
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    // Four sums side by side, always in the same order.
    let mut sums = [0.0_f64; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a4.zip(b4) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    sums[0] + sums[1] + sums[2] + sums[3] + rest
}

fn vectors(flat: &[f64]) -> Vec<Vec3> {
    flat.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> MassMatrix {
        let (c, s) = (0.6, 0.8);
        let first = vec![c, 0.0, s, 0.0, 0.0, 0.0];
        let second = vec![0.0, c, 0.0, 0.0, -s, 0.0];
        MassMatrix::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![(4.0, first), (0.25, second)]).unwrap()
    }

    #[test]
    fn velocities_are_the_derivative_of_the_kinetic_energy() {
        let matrix = example();
        let p = vec![[0.3, -0.2, 0.5], [0.1, 0.9, -0.4]];
        let velocities = matrix.velocities(&p);
        for (atom, k) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            let at = |h: f64| {
                let mut q = p.clone();
                q[atom][k] += h;
                matrix.kinetic_energy(&q)
            };
            let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
            assert!((slope - velocities[atom][k]).abs() < 1e-9, "{slope}");
        }
    }

    #[test]
    fn drawn_momenta_have_the_energy_of_their_normals() {
        let matrix = example();
        let normals = vec![0.7, -1.1, 0.4, 0.2, -0.6, 1.3];
        let expected: f64 = 0.5 * normals.iter().map(|x| x * x).sum::<f64>();
        let energy = matrix.kinetic_energy(&matrix.momenta(normals));
        assert!((energy - expected).abs() < 1e-12, "{energy} {expected}");
    }

    #[test]
    fn what_is_no_mass_matrix_is_refused_and_files_come_back() {
        assert!(MassMatrix::new(vec![1.0, -1.0, 1.0], vec![]).is_err());
        assert!(MassMatrix::new(vec![1.0; 3], vec![(0.0, vec![1.0, 0.0, 0.0])]).is_err());
        assert!(MassMatrix::new(vec![1.0; 3], vec![(2.0, vec![1.0, 1.0, 0.0])]).is_err());
        assert!(MassMatrix::new(vec![1.0; 3], vec![(2.0, vec![f64::NAN, 1.0, 0.0])]).is_err());
        let text = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<MassMatrix>(&text).unwrap(), example());
    }
}
