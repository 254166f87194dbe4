//! Moves that need no gradient, each symmetric (as likely as its reverse): swaps of unlike atoms, rigid shifts and turns of
//! molecules. What may move, and how far, is fixed before the chain begins, so that no draw depends on the state.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use crate::dynamics::Kinetics;
use crate::linear::{Vec3, add, cross, dot, norm, scale, sub};
use crate::structure::{Species, Structure};

/// Which groups of atoms a run's moves act on; indices refer to the whole structure and never change.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Atoms that move as rigid bodies, one list a molecule. Positions are never wrapped, so a molecule that is whole at the start
    /// stays whole.
    pub molecules: Vec<Vec<usize>>,
    /// The sets of atoms that local trajectories move, each with the kinetics of its atoms alone; all others are held.
    pub regions: Vec<Region>,
}

/// A set of atoms that moves while all others are held.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its atoms.
    pub atoms: Vec<usize>,
    /// Kinetics in which every other atom is fixed.
    pub kinetics: Kinetics,
}

impl Region {
    /// A region of a structure: the given atoms less those the structure fixes.
    pub fn new(structure: &Structure, atoms: &[usize]) -> Self {
        let mut held = vec![true; structure.len()];
        for atom in atoms {
            if let Some(entry) = held.get_mut(*atom) {
                *entry = structure.fixed[*atom];
            }
        }
        let atoms = (0..held.len()).filter(|atom| !held[*atom]).collect();
        Self {
            atoms,
            // Something is held, so the centre of mass is free.
            kinetics: Kinetics::new(structure.masses.clone(), held.into(), false),
        }
    }

    /// One region around each mobile atom of a reference structure: the atoms within `radius` (Å) of it *there*. Where atoms go
    /// later does not matter: regions that followed them would depend on the state.
    pub fn around_sites(reference: &Structure, radius: f64) -> Vec<Self> {
        let neighbours = crate::structure::NeighbourList::build(reference, radius);
        (0..reference.len())
            .filter(|centre| !reference.fixed[*centre])
            .map(|centre| {
                let mut atoms: Vec<usize> = neighbours.of(centre).iter().map(|n| n.index as usize).collect();
                atoms.push(centre);
                atoms.sort_unstable();
                atoms.dedup();
                Self::new(reference, &atoms)
            })
            .collect()
    }
}

/// Two mobile atoms of different species, drawn so that the pair is as likely before as after they have changed places; `None`
/// where there are none. The draw looks at species and fixed atoms alone.
pub fn draw_unlike_pair(structure: &Structure, generator: &mut impl Rng) -> Option<(usize, usize)> {
    let mobile: Vec<usize> = (0..structure.len()).filter(|atom| !structure.fixed[*atom]).collect();
    let first = *mobile.get(generator.random_range(0..mobile.len().max(1)))?;
    let species: Species = structure.species[first];
    let others: Vec<usize> = mobile
        .into_iter()
        .filter(|atom| structure.species[*atom] != species)
        .collect();
    let second = *others.get(generator.random_range(0..others.len().max(1)))?;
    Some((first, second))
}

/// A vector with each component uniform in [−most, most].
pub fn draw_shift(most: f64, generator: &mut impl Rng) -> Vec3 {
    [0; 3].map(|_: i32| most * (2.0 * generator.random::<f64>() - 1.0))
}

/// A turn by an angle uniform in [−most, most] (radians) about an axis uniform on the sphere: axis and angle.
pub fn draw_turn(most: f64, generator: &mut impl Rng) -> (Vec3, f64) {
    let axis = loop {
        let axis: Vec3 = [0; 3].map(|_: i32| StandardNormal.sample(generator));
        let length = norm(axis);
        if length > 1e-6 {
            break scale(1.0 / length, axis);
        }
    };
    (axis, most * (2.0 * generator.random::<f64>() - 1.0))
}

/// Shifts a molecule.
pub fn shift(positions: &mut [Vec3], molecule: &[usize], by: Vec3) {
    for atom in molecule {
        positions[*atom] = add(positions[*atom], by);
    }
}

/// Turns a molecule about the mean of its atoms' positions, by Rodrigues' formula.
pub fn turn(positions: &mut [Vec3], molecule: &[usize], axis: Vec3, angle: f64) {
    let sum = molecule.iter().fold([0.0; 3], |sum, atom| add(sum, positions[*atom]));
    let centre = scale(1.0 / molecule.len().max(1) as f64, sum);
    let (sine, cosine) = angle.sin_cos();
    for atom in molecule {
        let arm = sub(positions[*atom], centre);
        let along = scale(dot(axis, arm) * (1.0 - cosine), axis);
        let turned = add(add(scale(cosine, arm), scale(sine, cross(axis, arm))), along);
        positions[*atom] = add(centre, turned);
    }
}

/// Moves each molecule that the cell's boundary cuts together again: every atom to its image nearest to the molecule's first
/// atom. An equivalent structure; done once, before a chain begins.
pub fn make_whole(structure: &mut Structure, molecules: &[Vec<usize>]) {
    let cell = structure.cell;
    for molecule in molecules {
        let Some(first) = molecule.first().map(|atom| structure.positions[*atom]) else {
            continue;
        };
        for atom in molecule {
            let mut arm = cell.fractional(sub(structure.positions[*atom], first));
            let before = arm;
            for (x, periodic) in arm.iter_mut().zip(cell.periodic()) {
                if periodic {
                    *x -= x.round();
                }
            }
            if arm != before {
                structure.positions[*atom] = add(first, cell.cartesian(arm));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use crate::structure::Cell;

    fn water() -> Structure {
        let species = ["O", "H", "H", "Ar"].map(|s| s.parse().unwrap()).to_vec();
        let positions = vec![[0.1, 5.0, 5.0], [0.9, 5.5, 5.0], [9.3, 5.6, 5.1], [5.0, 5.0, 5.0]];
        Structure::new(Cell::cubic(10.0).unwrap(), species, positions).unwrap()
    }

    #[test]
    fn a_turn_keeps_distances_and_centre_and_is_undone_by_its_reverse() {
        let mut structure = water();
        let molecule = vec![0, 1, 2];
        make_whole(&mut structure, std::slice::from_ref(&molecule));
        assert!(
            (structure.positions[2][0] + 0.7).abs() < 1e-12,
            "{:?}",
            structure.positions
        );
        let before = structure.positions.clone();
        let distance = |p: &[Vec3], i: usize, j: usize| norm(sub(p[i], p[j]));
        let mut generator = stream(1, 0, 0, Purpose::Proposal);
        for _ in 0..20 {
            let (axis, angle) = draw_turn(1.0, &mut generator);
            let mut after = before.clone();
            turn(&mut after, &molecule, axis, angle);
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                assert!((distance(&before, i, j) - distance(&after, i, j)).abs() < 1e-12);
            }
            assert_eq!(after[3], before[3]);
            turn(&mut after, &molecule, axis, -angle);
            for (a, b) in after.iter().zip(&before) {
                assert!(norm(sub(*a, *b)) < 1e-12);
            }
        }
    }

    #[test]
    fn pairs_are_unlike_mobile_and_all_are_drawn() {
        let structure = water().with_fixed(vec![false, true, false, false]).unwrap();
        let mut generator = stream(2, 0, 0, Purpose::Proposal);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let (i, j) = draw_unlike_pair(&structure, &mut generator).unwrap();
            assert_ne!(structure.species[i], structure.species[j]);
            assert!(i != 1 && j != 1);
            seen.insert((i.min(j), i.max(j)));
        }
        assert_eq!(seen.len(), 3);
        let alike = Structure::new(
            Cell::free(),
            vec!["Ar".parse().unwrap(); 2],
            vec![[0.0; 3], [3.0, 0.0, 0.0]],
        )
        .unwrap();
        assert_eq!(draw_unlike_pair(&alike, &mut generator), None);
    }

    #[test]
    fn regions_are_those_of_the_reference() {
        let structure = water();
        let regions = Region::around_sites(&structure, 2.0);
        assert_eq!(regions.len(), 4);
        assert_eq!(regions[0].atoms, [0, 1, 2]);
        assert_eq!(regions[3].atoms, [3]);
        assert_eq!(regions[0].kinetics.degrees_of_freedom(), 9);
    }
}
