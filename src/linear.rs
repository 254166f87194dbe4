//! Three-vectors and three-by-three matrices as plain arrays: the vocabulary of positions and cells.

/// A Cartesian vector.
pub type Vec3 = [f64; 3];
/// A three-by-three matrix; for a cell the rows are the lattice vectors.
pub type Mat3 = [[f64; 3]; 3];

/// The zero matrix.
pub const ZERO3: Mat3 = [[0.0; 3]; 3];

/// a + b.
#[inline]
pub fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// a − b.
#[inline]
pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// s·a.
#[inline]
pub fn scale(s: f64, a: Vec3) -> Vec3 {
    [s * a[0], s * a[1], s * a[2]]
}

/// a·b.
#[inline]
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// a×b.
#[inline]
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// |a|.
#[inline]
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// The row vector times the matrix, v·M: takes fractional coordinates to Cartesian ones when M holds lattice
/// vectors as rows.
#[inline]
pub fn row_times(v: Vec3, m: &Mat3) -> Vec3 {
    let mut out = [0.0; 3];
    for (k, component) in out.iter_mut().enumerate() {
        *component = v[0] * m[0][k] + v[1] * m[1][k] + v[2] * m[2][k];
    }
    out
}

/// The matrix product A·B.
pub fn product(a: &Mat3, b: &Mat3) -> Mat3 {
    [row_times(a[0], b), row_times(a[1], b), row_times(a[2], b)]
}

/// The transpose.
pub fn transpose(m: &Mat3) -> Mat3 {
    let mut out = ZERO3;
    for (i, row) in m.iter().enumerate() {
        for (j, value) in row.iter().enumerate() {
            out[j][i] = *value;
        }
    }
    out
}

/// The determinant.
pub fn determinant(m: &Mat3) -> f64 {
    dot(m[0], cross(m[1], m[2]))
}

/// The inverse, or `None` for a singular matrix.
pub fn inverse(m: &Mat3) -> Option<Mat3> {
    let det = determinant(m);
    if !det.is_finite() || det == 0.0 {
        return None;
    }
    let columns = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    let mut out = ZERO3;
    for i in 0..3 {
        for j in 0..3 {
            out[i][j] = columns[j][i] / det;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_times_matrix_is_identity() {
        let m = [[4.0, 0.1, -0.3], [1.2, 3.0, 0.5], [-0.7, 0.2, 5.0]];
        let identity = product(&inverse(&m).unwrap(), &m);
        for i in 0..3 {
            for j in 0..3 {
                assert!((identity[i][j] - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        assert!(inverse(&[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]]).is_none());
    }
}
