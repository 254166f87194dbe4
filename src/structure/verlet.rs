//! A neighbour list with a skin, rebuilt only when motion or strain could have brought a new pair within the cutoff.

use super::{Cell, NeighbourList, Structure};
use crate::linear::{self, Mat3, Vec3, add, dot, norm, row_times, scale, sub};

/// A neighbour list that stays valid along a trajectory.
///
/// It lists all pairs within `cutoff + skin` as of the last rebuild: users test the distance against their own cutoff. It
/// is complete within the cutoff for the structure it was last updated for, under any deformation of the cell.
#[derive(Clone, Debug)]
pub struct VerletList {
    cutoff: f64,
    skin: f64,
    positions: Vec<Vec3>,
    /// The cell of the last rebuild and the cell that the offsets are for.
    cells: Option<(Cell, Cell)>,
    list: NeighbourList,
}

impl VerletList {
    /// An empty list for a cutoff and a skin, both in Å.
    pub fn new(cutoff: f64, skin: f64) -> Self {
        Self {
            cutoff,
            skin,
            positions: Vec::new(),
            cells: None,
            list: NeighbourList::without_neighbours(0, true),
        }
    }

    /// The cutoff in Å, without the skin.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// A list that is complete within the cutoff for this structure.
    pub fn update(&mut self, structure: &Structure) -> &NeighbourList {
        if self.covers(structure) {
            if let Some((_, current)) = &mut self.cells
                && *current != structure.cell
            {
                self.list.refresh_offsets(structure.cell.vectors());
                *current = structure.cell;
            }
        } else {
            self.list = NeighbourList::build(structure, self.cutoff + self.skin);
            self.positions.clone_from(&structure.positions);
            self.cells = Some((structure.cell, structure.cell));
        }
        &self.list
    }

    /// Whether no pair now within the cutoff was beyond cutoff + skin when the list was built.
    ///
    /// With F the deformation of the cell since then and uᵢ what atom i has moved beyond it, a pair now at d stood at
    /// (d − uⱼ + uᵢ)·F⁻¹, so that |d| < cutoff was listed if ‖F⁻¹‖ (cutoff + |uᵢ| + |uⱼ|) < cutoff + skin. Only differences
    /// of the u enter, so their mean is taken off.
    fn covers(&self, structure: &Structure) -> bool {
        let Some((built, _)) = &self.cells else { return false };
        let atoms = self.positions.len();
        if atoms != structure.len() || built.periodic() != structure.cell.periodic() || !self.list.is_complete() {
            return false;
        }
        let strain = (*built != structure.cell).then(|| deformation(built, &structure.cell));
        let residual = |old: &Vec3, new: &Vec3| match &strain {
            Some((forward, _)) => sub(*new, row_times(*old, forward)),
            None => sub(*new, *old),
        };
        let stretch = strain.as_ref().map_or(1.0, |(_, stretch)| *stretch);
        let pairs = || self.positions.iter().zip(&structure.positions);
        let total = pairs().fold([0.0; 3], |sum, (old, new)| add(sum, residual(old, new)));
        let mean = scale(1.0 / atoms as f64, total);
        let (mut largest, mut second) = (0.0_f64, 0.0_f64);
        for (old, new) in pairs() {
            let u = sub(residual(old, new), mean);
            let squared = dot(u, u);
            if squared.is_nan() {
                return false;
            }
            if squared > largest {
                (largest, second) = (squared, largest);
            } else if squared > second {
                second = squared;
            }
        }
        stretch * (self.cutoff + largest.sqrt() + second.sqrt()) < self.cutoff + self.skin
    }
}

/// The matrix F that takes old Cartesian rows to new ones, and an upper bound of the norm of its inverse.
fn deformation(old: &Cell, new: &Cell) -> (Mat3, f64) {
    let take = |from: &Cell, to: &Cell| -> Mat3 {
        let unit = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        unit.map(|axis| to.cartesian(from.fractional(axis)))
    };
    let mut backward = take(new, old);
    for k in 0..3 {
        backward[k][k] -= 1.0;
    }
    let excess = linear::dot(backward.map(norm), backward.map(norm)).sqrt();
    (take(old, new), 1.0 + excess)
}
