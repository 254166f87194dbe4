//! Lattice reduction: short, nearly orthogonal vectors that span the same periodic lattice.

use crate::linear::{Mat3, Vec3, ZERO3, add, cross, dot, norm, scale};

/// Coefficients beyond this are not followed: the lattice is too skewed for double precision.
const LARGEST_COEFFICIENT: i64 = 1 << 20;
/// A vector must shrink by more than this fraction of its squared length to be replaced, so that the loop ends.
const PROGRESS: f64 = 1e-9;

/// A frame for searching neighbours: reduced lattice vectors where the cell is periodic, unit vectors at right angles to
/// them where it is not.
pub(super) struct ReducedFrame {
    /// The vectors as rows, Å.
    pub vectors: Mat3,
    /// For each periodic row its integer coefficients in the original lattice vectors; zero for the others.
    pub coefficients: [[i64; 3]; 3],
}

/// Reduces the periodic vectors among the rows of `vectors` by repeated size reduction against each other and against the
/// sums and differences of the other two (Semaev, in Cryptography and Lattices, LNCS 2146, 181 (2001)).
pub(super) fn reduce(vectors: &Mat3, periodic: [bool; 3]) -> ReducedFrame {
    let mut coefficients = [[0_i64; 3]; 3];
    for k in 0..3 {
        coefficients[k][k] = i64::from(periodic[k]);
    }
    // Each round shortens a vector of a discrete set; the bound only guards against rounding.
    for _ in 0..1000 {
        if !shorten_one(vectors, periodic, &mut coefficients) {
            break;
        }
    }
    let mut reduced = ZERO3;
    for k in 0..3 {
        reduced[k] = combine(coefficients[k], vectors);
    }
    complete(&mut reduced, periodic);
    ReducedFrame {
        vectors: reduced,
        coefficients,
    }
}

/// Replaces the first vector that can be shortened; false if none can.
fn shorten_one(vectors: &Mat3, periodic: [bool; 3], coefficients: &mut [[i64; 3]; 3]) -> bool {
    for i in (0..3).filter(|k| periodic[*k]) {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        let old = combine(coefficients[i], vectors);
        let rows = [combine(coefficients[j], vectors), combine(coefficients[k], vectors)];
        let mut tries: Vec<(i64, i64)> = Vec::with_capacity(10);
        for (which, row) in rows.iter().enumerate() {
            let length2 = dot(*row, *row);
            if length2 > 0.0 {
                let steps = (dot(old, *row) / length2).round();
                if steps != 0.0 && steps.abs() < LARGEST_COEFFICIENT as f64 {
                    tries.push(if which == 0 {
                        (-steps as i64, 0)
                    } else {
                        (0, -steps as i64)
                    });
                }
            }
        }
        tries.extend([(1, 1), (1, -1), (-1, 1), (-1, -1)]);
        for (p, q) in tries {
            let mut candidate = coefficients[i];
            for c in 0..3 {
                candidate[c] += p * coefficients[j][c] + q * coefficients[k][c];
            }
            let new = combine(candidate, vectors);
            let representable = candidate.iter().all(|c| c.abs() < LARGEST_COEFFICIENT);
            if representable && dot(new, new) < dot(old, old) * (1.0 - PROGRESS) {
                coefficients[i] = candidate;
                return true;
            }
        }
    }
    false
}

fn combine(coefficients: [i64; 3], vectors: &Mat3) -> Vec3 {
    let mut sum = [0.0; 3];
    for k in 0..3 {
        sum = add(sum, scale(coefficients[k] as f64, vectors[k]));
    }
    sum
}

/// Fills the rows marked false with unit vectors at right angles to all other rows.
pub(crate) fn complete(vectors: &mut Mat3, given: [bool; 3]) {
    let mut present = given;
    for k in 0..3 {
        if present[k] {
            continue;
        }
        let (a, b) = ((k + 1) % 3, (k + 2) % 3);
        let normal = match (present[a], present[b]) {
            (true, true) => cross(vectors[a], vectors[b]),
            (true, false) => perpendicular(vectors[a]),
            (false, true) => perpendicular(vectors[b]),
            (false, false) => {
                let mut unit = [0.0; 3];
                unit[k] = 1.0;
                unit
            }
        };
        let length = norm(normal);
        vectors[k] = scale(1.0 / length, normal);
        present[k] = true;
    }
}

/// Some vector at right angles to `v`: its product with the axis it has the smallest component along.
fn perpendicular(v: Vec3) -> Vec3 {
    let mut axis = [0.0; 3];
    let smallest = (0..3).fold(0, |best, k| if v[k].abs() < v[best].abs() { k } else { best });
    axis[smallest] = 1.0;
    cross(axis, v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::determinant;

    #[test]
    fn skewed_cube_is_reduced_to_the_cube() {
        let skewed = [[4.0, 0.0, 0.0], [4.0 * 37.0, 4.0, 0.0], [-4.0 * 11.0, 4.0 * 53.0, 4.0]];
        let frame = reduce(&skewed, [true; 3]);
        for row in frame.vectors {
            assert!((norm(row) - 4.0).abs() < 1e-9, "{:?}", frame.vectors);
        }
        assert!((determinant(&frame.vectors).abs() - 64.0).abs() < 1e-9);
    }

    #[test]
    fn directions_without_period_get_perpendicular_unit_vectors() {
        for periodic in [[true, false, true], [false, false, true], [false; 3]] {
            let frame = reduce(&[[3.0, 1.0, 0.2], [2.9, 1.1, 0.2], [0.5, 0.1, 7.0]], periodic);
            for k in (0..3).filter(|k| !periodic[*k]) {
                assert!((norm(frame.vectors[k]) - 1.0).abs() < 1e-12);
                assert!((0..3).all(|j| j == k || dot(frame.vectors[k], frame.vectors[j]).abs() < 1e-9));
            }
        }
    }
}
