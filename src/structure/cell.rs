//! The simulation cell: three lattice vectors, each direction periodic or not.

use super::StructureError;
use crate::linear::{self, Mat3, Vec3};

/// A triclinic cell. Directions that are not periodic still need a vector; it bounds nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    vectors: Mat3,
    inverse: Mat3,
    periodic: [bool; 3],
}

impl Cell {
    /// A cell from its lattice vectors as rows (Å) and the directions that are periodic.
    pub fn new(vectors: Mat3, periodic: [bool; 3]) -> Result<Self, StructureError> {
        let finite = vectors.iter().flatten().all(|x| x.is_finite());
        let inverse = linear::inverse(&vectors)
            .filter(|_| finite)
            .ok_or(StructureError::SingularCell(vectors))?;
        Ok(Self {
            vectors,
            inverse,
            periodic,
        })
    }

    /// A cell of no periodic direction: atoms in free space, with a unit frame for fractional coordinates.
    pub fn free() -> Self {
        let unit = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Self {
            vectors: unit,
            inverse: unit,
            periodic: [false; 3],
        }
    }

    /// A periodic cube of the given edge (Å), which must be positive and finite.
    pub fn cubic(edge: f64) -> Result<Self, StructureError> {
        Self::new([[edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]], [true; 3])
    }

    /// Lattice vectors as rows, Å.
    pub fn vectors(&self) -> &Mat3 {
        &self.vectors
    }

    /// The periodic directions.
    pub fn periodic(&self) -> [bool; 3] {
        self.periodic
    }

    /// Volume in Å³, positive for either handedness. Meaningful where all directions are periodic.
    pub fn volume(&self) -> f64 {
        linear::determinant(&self.vectors).abs()
    }

    /// Whether stress is defined: all three directions periodic.
    pub fn is_bulk(&self) -> bool {
        self.periodic == [true; 3]
    }

    /// Fractional coordinates of a Cartesian point.
    pub fn fractional(&self, point: Vec3) -> Vec3 {
        linear::row_times(point, &self.inverse)
    }

    /// Cartesian coordinates (Å) of a fractional point.
    pub fn cartesian(&self, fractional: Vec3) -> Vec3 {
        linear::row_times(fractional, &self.vectors)
    }

    /// The distances (Å) between opposite faces: volume over the area of the other two vectors.
    pub fn heights(&self) -> Vec3 {
        let v = &self.vectors;
        let volume = self.volume();
        [
            volume / linear::norm(linear::cross(v[1], v[2])),
            volume / linear::norm(linear::cross(v[2], v[0])),
            volume / linear::norm(linear::cross(v[0], v[1])),
        ]
    }

    /// The cell with vector k multiplied by `factors[k]`, which must be positive and finite.
    #[must_use]
    pub fn scaled_vectors(&self, factors: Vec3) -> Self {
        let mut scaled = *self;
        for k in 0..3 {
            for j in 0..3 {
                scaled.vectors[k][j] *= factors[k];
                scaled.inverse[j][k] /= factors[k];
            }
        }
        scaled
    }
}
