//! Who is near whom: full neighbour lists over all periodic images, and a list with a skin for trajectories.

use super::Structure;
use crate::linear::{Mat3, Vec3, add, dot, row_times, sub};

/// One neighbour of an atom: which atom, in which periodic image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The neighbouring atom.
    pub index: u32,
    /// The image, in lattice vectors.
    pub shift: [i32; 3],
    /// The image's Cartesian offset `shift·cell` in Å: the neighbour stands at `positions[index] + offset`.
    pub offset: Vec3,
}

/// For each atom all neighbours within a cutoff, every image counted, an atom's own images included; each pair is listed
/// from both ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NeighbourList {
    starts: Vec<u32>,
    neighbours: Vec<Neighbour>,
}

impl NeighbourList {
    /// All pairs closer than `cutoff` (Å).
    pub fn build(structure: &Structure, cutoff: f64) -> Self {
        Self::build_all_images(structure, cutoff)
    }

    /// The slow reference: every pair of atoms in every image that could matter, O(N²).
    pub fn build_all_images(structure: &Structure, cutoff: f64) -> Self {
        let fractional: Vec<Vec3> = structure
            .positions
            .iter()
            .map(|p| structure.cell.fractional(*p))
            .collect();
        let heights = structure.cell.heights();
        let mut list = Self {
            starts: vec![0],
            neighbours: Vec::new(),
        };
        for i in 0..structure.len() {
            for j in 0..structure.len() {
                let mut ranges = [(0, 0); 3];
                for k in 0..3 {
                    if structure.cell.periodic()[k] {
                        let separation = fractional[j][k] - fractional[i][k];
                        let reach = cutoff / heights[k];
                        ranges[k] = ((-reach - separation).floor() as i32, (reach - separation).ceil() as i32);
                    }
                }
                for a in ranges[0].0..=ranges[0].1 {
                    for b in ranges[1].0..=ranges[1].1 {
                        for c in ranges[2].0..=ranges[2].1 {
                            if i == j && [a, b, c] == [0, 0, 0] {
                                continue;
                            }
                            let offset = image_offset([a, b, c], structure.cell.vectors());
                            let d = sub(add(structure.positions[j], offset), structure.positions[i]);
                            if dot(d, d) < cutoff * cutoff {
                                list.neighbours.push(Neighbour {
                                    index: j as u32,
                                    shift: [a, b, c],
                                    offset,
                                });
                            }
                        }
                    }
                }
            }
            list.starts.push(list.neighbours.len() as u32);
        }
        list
    }

    /// The neighbours of atom `i`.
    pub fn of(&self, i: usize) -> &[Neighbour] {
        &self.neighbours[self.starts[i] as usize..self.starts[i + 1] as usize]
    }

    /// The number of listed neighbours over all atoms; each pair counts twice.
    pub fn len(&self) -> usize {
        self.neighbours.len()
    }

    /// Whether no atom has a neighbour.
    pub fn is_empty(&self) -> bool {
        self.neighbours.is_empty()
    }
}

fn image_offset(shift: [i32; 3], vectors: &Mat3) -> Vec3 {
    row_times([f64::from(shift[0]), f64::from(shift[1]), f64::from(shift[2])], vectors)
}

/// A neighbour list that is rebuilt only when an atom has moved half the skin, or the cell has changed.
///
/// It lists all pairs within `cutoff + skin` as of the last rebuild: users test the distance against their own cutoff.
#[derive(Clone, Debug)]
pub struct VerletList {
    cutoff: f64,
    skin: f64,
    built_for: Option<Structure>,
    list: NeighbourList,
}

impl VerletList {
    /// An empty list for a cutoff and a skin, both in Å.
    pub fn new(cutoff: f64, skin: f64) -> Self {
        Self {
            cutoff,
            skin,
            built_for: None,
            list: NeighbourList::default(),
        }
    }

    /// The cutoff in Å, without the skin.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// A list that is complete within the cutoff for this structure.
    pub fn update(&mut self, structure: &Structure) -> &NeighbourList {
        let fresh = self.built_for.as_ref().is_some_and(|old| {
            old.cell == structure.cell
                && old.positions.len() == structure.positions.len()
                && old
                    .positions
                    .iter()
                    .zip(&structure.positions)
                    .all(|(a, b)| dot(sub(*a, *b), sub(*a, *b)) < 0.25 * self.skin * self.skin)
        });
        if !fresh {
            self.list = NeighbourList::build(structure, self.cutoff + self.skin);
            self.built_for = Some(structure.clone());
        }
        &self.list
    }
}
