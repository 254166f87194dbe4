//! A neighbour list with a skin, rebuilt only when motion or strain could have brought a new pair within the cutoff.

use super::{Cell, NeighbourList, Structure};
use crate::linear::{self, Mat3, Vec3, add, dot, norm, row_times, scale, sub};

/// A neighbour list that stays valid along a trajectory.
///
/// It lists all pairs within `cutoff + skin` as of the last rebuild: users test the distance against their own cutoff. It
/// is complete within the cutoff for the structure it was last updated for, under any deformation of the cell.
///
/// The list has a skin from the second structure of a trajectory on: structures that have nothing to do with each other are
/// listed without.
#[derive(Clone, Debug)]
pub struct VerletList {
    cutoff: f64,
    skin: f64,
    /// The skin that the list was built with: none or `skin`.
    built_skin: f64,
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
            built_skin: 0.0,
            positions: Vec::new(),
            cells: None,
            list: NeighbourList::without_neighbours(0, true),
        }
    }

    /// The cutoff in Å, without the skin.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Forgets the list, but not the memory it had.
    pub fn forget(&mut self) {
        self.cells = None;
    }

    /// A list that is complete within the cutoff for this structure.
    pub fn update(&mut self, structure: &Structure) -> &NeighbourList {
        let needed = self.needed_skin(structure);
        if needed.is_some_and(|needed| needed <= self.built_skin) {
            if let Some((_, current)) = &mut self.cells
                && *current != structure.cell
            {
                self.list.refresh_offsets(structure.cell.vectors());
                *current = structure.cell;
            }
        } else {
            // Twice the skin: the last list of a trajectory may have had one, and the new structure be a step further.
            let near = needed.is_some_and(|needed| needed < 2.0 * self.skin);
            self.built_skin = if near { self.skin } else { 0.0 };
            self.list.rebuild(structure, self.cutoff + self.built_skin);
            self.positions.clone_from(&structure.positions);
            self.cells = Some((structure.cell, structure.cell));
        }
        &self.list
    }

    /// The skin with which no pair now within the cutoff was beyond cutoff + skin when the list was built, if any will do.
    ///
    /// With F the deformation of the cell since then and uᵢ what atom i has moved beyond it, a pair now at d stood at
    /// (d − uⱼ + uᵢ)·F⁻¹, so that |d| < cutoff was listed if ‖F⁻¹‖ (cutoff + |uᵢ| + |uⱼ|) ≤ cutoff + skin. Only differences
    /// of the u enter, so their mean is taken off.
    fn needed_skin(&self, structure: &Structure) -> Option<f64> {
        let (built, _) = self.cells.as_ref()?;
        let atoms = self.positions.len();
        if atoms != structure.len() || built.periodic() != structure.cell.periodic() || !self.list.is_complete() {
            return None;
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
                return None;
            }
            if squared > largest {
                (largest, second) = (squared, largest);
            } else if squared > second {
                second = squared;
            }
        }
        Some(stretch * (self.cutoff + largest.sqrt() + second.sqrt()) - self.cutoff)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Species;

    fn lattice() -> Structure {
        let cell = Cell::cubic(2.6).expect("a cube");
        let one = Structure::new(
            cell,
            vec![Species::from_atomic_number(18).expect("argon")],
            vec![[0.1; 3]],
        );
        one.expect("one atom").supercell([4, 4, 4])
    }

    #[test]
    fn small_motion_and_strain_keep_the_list_and_large_ones_do_not() {
        let start = lattice();
        let mut list = VerletList::new(4.0, 0.6);
        let nudged = start.with_positions(start.positions.iter().map(|p| scale(1.001, *p)).collect());
        list.update(&nudged);
        list.update(&start);
        let rebuilt = |list: &mut VerletList, structure: &Structure| {
            list.update(structure);
            let rebuilt = list.positions == structure.positions;
            list.update(&start);
            rebuilt
        };
        let moved = |by: f64| {
            let shifted = start.positions.iter().enumerate();
            let positions = shifted.map(|(i, p)| [p[0] + if i % 2 == 0 { by } else { -by }, p[1], p[2]]);
            start.with_positions(positions.collect())
        };
        let strained = |factor: f64| {
            let mut structure = start.with_positions(start.positions.iter().map(|p| scale(factor, *p)).collect());
            structure.cell = start.cell.scaled_vectors([factor; 3]);
            structure
        };
        assert!(!rebuilt(&mut list, &moved(0.29)));
        assert!(rebuilt(&mut list, &moved(0.31)));
        list.update(&start);
        // All atoms together may go anywhere.
        let drifted = start.with_positions(start.positions.iter().map(|p| add(*p, [0.0, 7.0, 0.0])).collect());
        assert!(!rebuilt(&mut list, &drifted));
        assert!(!rebuilt(&mut list, &strained(1.04)));
        assert!(!rebuilt(&mut list, &strained(0.95)));
        assert!(rebuilt(&mut list, &strained(0.85)));
    }

    #[test]
    fn only_a_trajectory_is_listed_with_a_skin() {
        let start = lattice();
        let moved = |by: f64| start.with_positions(start.positions.iter().map(|p| scale(1.0 + by, *p)).collect());
        let mut list = VerletList::new(4.0, 0.6);
        let mut listed = |structure: &Structure| list.update(structure).len();
        let bare = NeighbourList::build(&start, 4.0).len();
        let with_skin = |structure: &Structure| NeighbourList::build(structure, 4.6).len();
        assert!(with_skin(&start) > bare);
        assert_eq!(listed(&start), bare);
        assert_eq!(listed(&start), bare);
        let step = moved(1e-3);
        assert_eq!(listed(&step), with_skin(&step));
        let far = moved(0.5);
        assert_eq!(listed(&far), NeighbourList::build(&far, 4.0).len());
        assert_eq!(listed(&start), bare);
        assert_eq!(listed(&step), with_skin(&step));
        list.forget();
        assert_eq!(list.update(&start).len(), bare);
    }

    #[test]
    fn a_kept_list_has_the_offsets_of_the_new_cell() {
        let start = lattice();
        let mut list = VerletList::new(4.0, 0.6);
        list.update(&start);
        let mut strained = start.with_positions(start.positions.iter().map(|p| scale(1.01, *p)).collect());
        strained.cell = start.cell.scaled_vectors([1.01; 3]);
        let vectors = *strained.cell.vectors();
        let kept = list.update(&strained);
        for neighbour in (0..strained.len()).flat_map(|i| kept.of(i)) {
            assert_eq!(neighbour.offset, row_times(neighbour.shift.map(f64::from), &vectors));
        }
    }
}
