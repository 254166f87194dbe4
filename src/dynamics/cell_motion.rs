//! Which deformations a cell may undergo, as directions of strain rate, and the flow they generate.
//!
//! Lattice vectors are the rows of h and positions are r = s·h. A strain rate ξ carries h to h·exp(ξt) at constant s. Each
//! form is a linear space of matrices ξ with an orthonormal basis in the Frobenius metric.

use crate::linear::{Mat3, ZERO3, cross, dot, norm, product, scale, sub, transpose};
use crate::structure::Cell;

/// How a cell may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellMotion {
    /// Its size alone: ξ is a multiple of the unit matrix.
    Isotropic,
    /// Three independent stretches along the Cartesian axes: ξ is diagonal.
    Orthorhombic,
    /// All lengths and angles, by symmetric ξ: nothing drives a rotation.
    Symmetric,
    /// All lengths and angles and the orientation: any ξ.
    Full,
    /// All lengths and angles at constant orientation, the first vector along an axis and the second in a plane: ξ is lower
    /// triangular in the frame of the cell, so that h keeps that form.
    Triangular,
}

/// Coefficients of a strain rate in the basis of its [`CellMotion`], inverse internal time; those beyond the dimension
/// are zero.
pub type StrainRate = [f64; 9];

/// Entries (row, column) of the basis matrices of the triangular form.
const LOWER: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (2, 1), (2, 0), (1, 0)];

impl CellMotion {
    /// The number of independent strain rates.
    pub fn dimension(self) -> usize {
        match self {
            Self::Isotropic => 1,
            Self::Orthorhombic => 3,
            Self::Symmetric | Self::Triangular => 6,
            Self::Full => 9,
        }
    }

    /// The matrix ξ of some coefficients, in the Cartesian frame of the cell.
    pub fn matrix(self, rate: &StrainRate, cell: &Cell) -> Mat3 {
        let mut xi = ZERO3;
        match self {
            Self::Isotropic => (0..3).for_each(|k| xi[k][k] = rate[0] / 3.0_f64.sqrt()),
            Self::Orthorhombic => (0..3).for_each(|k| xi[k][k] = rate[k]),
            Self::Full => (0..9).for_each(|k| xi[k / 3][k % 3] = rate[k]),
            Self::Symmetric => {
                for (c, (i, j)) in rate.iter().zip(LOWER) {
                    let entry = if i == j { *c } else { c / 2.0_f64.sqrt() };
                    xi[i][j] = entry;
                    xi[j][i] = entry;
                }
            }
            Self::Triangular => {
                for (c, (i, j)) in rate.iter().zip(LOWER) {
                    xi[i][j] = *c;
                }
                let frame = frame(cell);
                xi = product(&product(&transpose(&frame), &xi), &frame);
            }
        }
        xi
    }

    /// The components of a Cartesian matrix along the basis: what a generalised force on ξ does to the coefficients.
    pub fn components(self, force: &Mat3, cell: &Cell) -> StrainRate {
        let mut out = [0.0; 9];
        match self {
            Self::Isotropic => out[0] = (force[0][0] + force[1][1] + force[2][2]) / 3.0_f64.sqrt(),
            Self::Orthorhombic => (0..3).for_each(|k| out[k] = force[k][k]),
            Self::Full => (0..9).for_each(|k| out[k] = force[k / 3][k % 3]),
            Self::Symmetric => {
                for (c, (i, j)) in out.iter_mut().zip(LOWER) {
                    *c = if i == j {
                        force[i][i]
                    } else {
                        (force[i][j] + force[j][i]) / 2.0_f64.sqrt()
                    };
                }
            }
            Self::Triangular => {
                let frame = frame(cell);
                let force = product(&product(&frame, force), &transpose(&frame));
                for (c, (i, j)) in out.iter_mut().zip(LOWER) {
                    *c = force[i][j];
                }
            }
        }
        out
    }
}

/// The rotation Q (rows) of h = L·Q with L lower triangular of positive diagonal but for a left-handed cell's last entry.
pub(super) fn frame(cell: &Cell) -> Mat3 {
    let [a, b, _] = *cell.vectors();
    let x = scale(1.0 / norm(a), a);
    let off = sub(b, scale(dot(b, x), x));
    let y = scale(1.0 / norm(off), off);
    [x, y, cross(x, y)]
}

/// exp(A) by its Taylor series after halving A until it is small (Higham, Functions of Matrices, SIAM (2008), section 10.3).
pub fn exponential(a: &Mat3) -> Mat3 {
    let size = a.iter().flatten().fold(0.0_f64, |most, x| most.max(x.abs()));
    if !size.is_finite() {
        return [[f64::NAN; 3]; 3];
    }
    let mut halvings = 0;
    let mut factor = 1.0;
    while size * factor > 0.05 && halvings < 60 {
        factor *= 0.5;
        halvings += 1;
    }
    let small = a.map(|row| scale(factor, row));
    // Ten terms of a norm below 0.15 leave less than one part in 10¹⁶.
    let mut sum = ZERO3;
    let mut power = ZERO3;
    for k in 0..3 {
        sum[k][k] = 1.0;
        power[k][k] = 1.0;
    }
    for n in 1..=10 {
        power = product(&power, &small).map(|row| scale(1.0 / f64::from(n), row));
        for i in 0..3 {
            for j in 0..3 {
                sum[i][j] += power[i][j];
            }
        }
    }
    for _ in 0..halvings {
        sum = product(&sum, &sum);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::determinant;

    const ALL: [CellMotion; 5] = [
        CellMotion::Isotropic,
        CellMotion::Orthorhombic,
        CellMotion::Symmetric,
        CellMotion::Full,
        CellMotion::Triangular,
    ];

    fn cell() -> Cell {
        Cell::new([[4.0, 0.3, -0.2], [1.0, 5.0, 0.4], [-0.6, 0.7, 6.0]], [true; 3]).unwrap()
    }

    #[test]
    fn bases_are_orthonormal_and_components_invert_matrices() {
        for motion in ALL {
            for k in 0..motion.dimension() {
                let mut rate = [0.0; 9];
                rate[k] = 1.0;
                let again = motion.components(&motion.matrix(&rate, &cell()), &cell());
                for (found, expected) in again.iter().zip(rate) {
                    assert!((found - expected).abs() < 1e-14, "{motion:?}: {again:?}");
                }
            }
        }
    }

    #[test]
    fn exponentials_invert_and_have_the_determinant_of_the_trace() {
        for size in [1e-3, 0.3, 4.0] {
            let a = [[0.3, -0.7, 0.2], [0.1, 0.4, -0.5], [0.9, 0.2, -0.1]].map(|row| scale(size, row));
            let e = exponential(&a);
            let trace = a[0][0] + a[1][1] + a[2][2];
            assert!((determinant(&e) / trace.exp() - 1.0).abs() < 1e-12);
            let unit = product(&e, &exponential(&a.map(|row| scale(-1.0, row))));
            for i in 0..3 {
                for j in 0..3 {
                    assert!((unit[i][j] - f64::from(u8::from(i == j))).abs() < 1e-11);
                }
            }
        }
    }

    #[test]
    fn triangular_motion_keeps_the_orientation() {
        let mut rate = [0.0; 9];
        rate[..6].copy_from_slice(&[0.1, -0.2, 0.05, 0.3, -0.1, 0.2]);
        let flow = exponential(&CellMotion::Triangular.matrix(&rate, &cell()));
        let moved = Cell::new(product(cell().vectors(), &flow), [true; 3]).unwrap();
        for (before, after) in frame(&cell()).iter().flatten().zip(frame(&moved).iter().flatten()) {
            assert!((before - after).abs() < 1e-14);
        }
    }
}
