//! The frame a client calculates in: the same lattice with its first vector along x, its second in the xy plane and its
//! third upwards, for clients that read only the upper triangle of the cell matrix.

use crate::linear::{Mat3, Vec3, cross, dot, norm, row_times, scale, sub, transpose};
use crate::structure::Cell;

/// A rotation from the user's frame to the client's and the lattice in both.
///
/// The lattice vectors of a left-handed cell cannot be turned into that form by a rotation; there the third vector is
/// replaced by its negative, which spans the same lattice. A cell that has the form already passes through bit for bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// The client's axes as rows, in the user's frame.
    axes: Mat3,
    /// The client's lattice vectors as rows.
    vectors: Mat3,
}

impl Frame {
    /// The user's own frame, for clients that read any cell.
    pub(super) fn same(vectors: &Mat3) -> Self {
        Self {
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            vectors: *vectors,
        }
    }

    /// The frame in which the lattice vectors (rows, spanning a volume) are lower-triangular as rows, that is
    /// upper-triangular as the columns of the wire, with a positive diagonal.
    pub(super) fn triangular(vectors: &Mat3) -> Self {
        let [a, b, mut c] = *vectors;
        if dot(cross(a, b), c) < 0.0 {
            c = scale(-1.0, c);
        }
        let x = scale(1.0 / norm(a), a);
        let across = sub(b, scale(dot(b, x), x));
        let y = scale(1.0 / norm(across), across);
        let z = cross(x, y);
        Self {
            axes: [x, y, z],
            vectors: [
                [norm(a), 0.0, 0.0],
                [dot(b, x), dot(b, y), 0.0],
                [dot(c, x), dot(c, y), dot(c, z)],
            ],
        }
    }

    /// The client's lattice vectors as rows.
    pub(super) fn vectors(&self) -> &Mat3 {
        &self.vectors
    }

    /// A vector of the user's frame as the client sees it.
    pub(super) fn there(&self, vector: Vec3) -> Vec3 {
        row_times(vector, &transpose(&self.axes))
    }

    /// A vector of the client's frame as the user sees it.
    pub(super) fn back(&self, vector: Vec3) -> Vec3 {
        row_times(vector, &self.axes)
    }

    /// A symmetric tensor of the client's frame as the user sees it: Qᵀ·T·Q, with Q the axes as rows.
    pub(super) fn tensor_back(&self, tensor: &Mat3) -> Mat3 {
        let half = crate::linear::product(&transpose(&self.axes), tensor);
        crate::linear::product(&half, &self.axes)
    }
}

/// The symmetric form of a virial. Some clients fill the upper triangle only and leave zeros below; from the others the
/// mean of both triangles is taken.
pub(super) fn symmetric(virial: &Mat3) -> Mat3 {
    if virial[1][0] == 0.0 && virial[2][0] == 0.0 && virial[2][1] == 0.0 {
        let mut mirrored = *virial;
        for (i, j) in [(1, 0), (2, 0), (2, 1)] {
            mirrored[i][j] = virial[j][i];
        }
        return mirrored;
    }
    averaged(virial)
}

/// The mean of a matrix and its transpose.
pub(super) fn averaged(matrix: &Mat3) -> Mat3 {
    let mut out = *matrix;
    for i in 0..3 {
        for j in 0..3 {
            out[i][j] = 0.5 * (matrix[i][j] + matrix[j][i]);
        }
    }
    out
}

/// A point moved by lattice vectors into the cell about the origin. LAMMPS brings an atom back by one period at most, and
/// goes on with a wrong position where more are needed.
pub(super) fn wrapped(cell: &Cell, point: Vec3) -> Vec3 {
    let fractional = cell.fractional(point);
    let mut shift = [0.0; 3];
    for (axis, periodic) in cell.periodic().into_iter().enumerate() {
        if periodic {
            shift[axis] = fractional[axis].round();
        }
    }
    sub(point, cell.cartesian(shift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{add, determinant, product};
    use proptest::prelude::*;

    fn close(a: &Mat3, b: &Mat3, tolerance: f64) -> bool {
        a.iter()
            .flatten()
            .zip(b.iter().flatten())
            .all(|(x, y)| (x - y).abs() < tolerance)
    }

    #[test]
    fn a_triangular_cell_passes_through_unchanged() {
        let vectors = [[5.43, 0.0, 0.0], [0.3, 4.1, 0.0], [-0.7, 1.9, 6.2]];
        let frame = Frame::triangular(&vectors);
        assert_eq!(frame.vectors(), &vectors);
        let point = [0.1, -2.3, 7.7];
        assert_eq!(frame.there(point), point);
        assert_eq!(frame.back(point), point);
        assert_eq!(Frame::same(&vectors).there(point), point);
    }

    #[test]
    fn an_upper_triangle_is_mirrored_and_a_full_tensor_averaged() {
        let upper = [[1.0, 2.0, 3.0], [0.0, 4.0, 5.0], [0.0, 0.0, 6.0]];
        assert_eq!(symmetric(&upper), [[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]);
        let full = [[1.0, 2.0, 3.0], [4.0, 4.0, 5.0], [3.0, 5.0, 6.0]];
        assert_eq!(symmetric(&full), [[1.0, 3.0, 3.0], [3.0, 4.0, 5.0], [3.0, 5.0, 6.0]]);
    }

    proptest! {
        #[test]
        fn any_cell_becomes_triangular_by_a_rotation(
            numbers in proptest::array::uniform9(-6.0f64..6.0),
            point in proptest::array::uniform3(-9.0f64..9.0),
        ) {
            let n = numbers;
            let vectors = [[n[0], n[1], n[2]], [n[3], n[4], n[5]], [n[6], n[7], n[8]]];
            let volume = determinant(&vectors);
            prop_assume!(volume.abs() > 1.0);
            let frame = Frame::triangular(&vectors);
            let v = frame.vectors();
            prop_assert!(v[0][1] == 0.0 && v[0][2] == 0.0 && v[1][2] == 0.0);
            prop_assert!(v[0][0] > 0.0 && v[1][1] > 0.0 && v[2][2] > 0.0);
            prop_assert!((determinant(&frame.axes) - 1.0).abs() < 1e-12);
            prop_assert!((determinant(v) - volume.abs()).abs() < 1e-9);
            // The same lattice: every vector is the rotated one, the third up to its sign.
            let sign = volume.signum();
            for (k, factor) in [(0, 1.0), (1, 1.0), (2, sign)] {
                let turned = frame.there(scale(factor, vectors[k]));
                prop_assert!(norm(sub(turned, v[k])) < 1e-11);
            }
            prop_assert!(norm(sub(frame.back(frame.there(point)), point)) < 1e-12);
            // A tensor turns as the dyad of two vectors does.
            let there = frame.there(point);
            let dyad = |p: Vec3| [scale(p[0], p), scale(p[1], p), scale(p[2], p)];
            prop_assert!(close(&frame.tensor_back(&dyad(there)), &dyad(point), 1e-10));
            let unit = product(&frame.axes, &transpose(&frame.axes));
            prop_assert!(close(&unit, &Frame::same(&vectors).axes, 1e-12));
        }
    }

    #[test]
    fn wrapping_moves_by_lattice_vectors_and_leaves_what_is_near_alone() {
        let cell = Cell::new(
            [[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [-2.0, 1.0, 7.0]],
            [true, true, false],
        )
        .unwrap();
        let near = [1.0, -2.0, 20.0];
        let inside = wrapped(&cell, near);
        assert_eq!(wrapped(&cell, inside), inside);
        let far = add(inside, cell.cartesian([3.0, -2.0, 0.0]));
        let back = wrapped(&cell, far);
        assert!(norm(sub(back, inside)) < 1e-12);
        assert_eq!(back[2], 20.0);
    }
}
