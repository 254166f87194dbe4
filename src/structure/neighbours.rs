//! Who is near whom: full neighbour lists over all periodic images.

use super::search::Search;
use super::{Cell, Structure};
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

impl Neighbour {
    /// Index and image as one number, in their lexicographic order.
    pub(super) fn rank(&self) -> u128 {
        let [a, b, c] = self.shift.map(|x| u128::from(x.cast_unsigned() ^ 0x8000_0000));
        (u128::from(self.index) << 96) | (a << 64) | (b << 32) | c
    }

    /// The furthest image, in steps along each lattice vector, that a short rank has room for.
    pub(super) const SHORT_STEPS: u64 = 511;

    /// Index and image as a number that adds: the sum of two is that of the summed indices and images. Without meaning, but no error,
    /// where a step has more bits than a number.
    pub(super) fn summand(index: u64, shift: [i64; 3]) -> u64 {
        let image = shift.iter().fold(0_i64, |sum, steps| (sum << 10).wrapping_add(*steps));
        (index << 30).wrapping_add_signed(image)
    }

    /// Half of [`Neighbour::rank`]'s bits, in the same order, for an image no further than [`Neighbour::SHORT_STEPS`]: a
    /// [`Neighbour::summand`] whose steps have been made positive.
    pub(super) fn short_rank(index: u64, shift: [i64; 3]) -> u64 {
        Self::summand(index, shift.map(|steps| steps + 512))
    }

    /// The neighbour of a short rank.
    #[inline]
    pub(super) fn of_short_rank(rank: u64, vectors: &Mat3) -> Self {
        let shift = [20, 10, 0].map(|bits| ((rank >> bits) & 1023) as i32 - 512);
        Self {
            index: (rank >> 30) as u32,
            shift,
            offset: image_offset(shift, vectors),
        }
    }
}

/// For each atom all neighbours within a cutoff, every image counted, an atom's own images included; each pair is listed
/// from both ends, and each atom's neighbours stand in order of index and image, whatever the way they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct NeighbourList {
    starts: Vec<u32>,
    neighbours: Vec<Neighbour>,
    complete: bool,
}

impl NeighbourList {
    /// The largest number of neighbours a list holds: more means that atoms or images have collapsed onto each other.
    pub const LARGEST: usize = 1 << 26;
    /// The largest number of neighbours per atom, on average, in all but the smallest lists.
    const LARGEST_PER_ATOM: usize = 100_000;

    /// All pairs closer than `cutoff` (Å), in time and memory proportional to the number of atoms.
    ///
    /// Atoms whose position is not finite, or further than 10⁸ Å from the origin, get no neighbours, and a list that
    /// would exceed [`NeighbourList::LARGEST`] or hold 10⁵ neighbours per atom is left without any; [`NeighbourList::is_complete`] is then false.
    pub fn build(structure: &Structure, cutoff: f64) -> Self {
        let mut list = Self::without_neighbours(0, true);
        list.rebuild(structure, cutoff);
        list
    }

    /// [`NeighbourList::build`] in the memory of an old list.
    pub(super) fn rebuild(&mut self, structure: &Structure, cutoff: f64) {
        self.starts.clear();
        self.neighbours.clear();
        self.complete = self.append_all(structure, cutoff);
        // A search that was given up part of the way leaves no neighbours.
        if self.starts.len() <= structure.len() {
            *self = Self::without_neighbours(structure.len(), false);
        }
    }

    /// Fills an empty list; false if it is not complete.
    fn append_all(&mut self, structure: &Structure, cutoff: f64) -> bool {
        let most = Self::LARGEST.min(1_000_000 + Self::LARGEST_PER_ATOM * structure.len());
        let Some(search) = Search::new(&structure.cell, &structure.positions, cutoff) else {
            return false;
        };
        search.list(most, &mut self.starts, &mut self.neighbours) && search.all_placed()
    }

    /// The slow reference: every pair of atoms in every image that could matter, O(N²).
    pub fn build_all_images(structure: &Structure, cutoff: f64) -> Self {
        let fractional: Vec<Vec3> = structure
            .positions
            .iter()
            .map(|p| structure.cell.fractional(*p))
            .collect();
        let heights = structure.cell.heights();
        let mut list = Self::without_neighbours(0, true);
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
                            let found = within(&structure.cell, &structure.positions, (i, j), [a, b, c], cutoff);
                            list.neighbours.extend(found);
                        }
                    }
                }
            }
            list.starts.push(list.neighbours.len() as u32);
        }
        list
    }

    /// The neighbours of atom `i`.
    #[inline]
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

    /// Whether every neighbour of every atom is listed. False for structures outside any potential's domain (positions
    /// that are not finite, a collapsed cell): whoever evaluates an energy from such a list reports it as not a number.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// A list for `atoms` atoms that have no neighbours.
    pub(super) fn without_neighbours(atoms: usize, complete: bool) -> Self {
        Self {
            starts: vec![0; atoms + 1],
            neighbours: Vec::new(),
            complete,
        }
    }

    /// Recomputes every image's Cartesian offset for lattice vectors that have changed.
    pub(super) fn refresh_offsets(&mut self, vectors: &Mat3) {
        for neighbour in &mut self.neighbours {
            neighbour.offset = image_offset(neighbour.shift, vectors);
        }
    }
}

/// Atom j's image `shift` as a neighbour of atom i, if it is one: the single definition of being near.
#[inline]
pub(super) fn within(
    cell: &Cell,
    positions: &[Vec3],
    (i, j): (usize, usize),
    shift: [i32; 3],
    cutoff: f64,
) -> Option<Neighbour> {
    if i == j && shift == [0, 0, 0] {
        return None;
    }
    let offset = image_offset(shift, cell.vectors());
    let d = sub(add(positions[j], offset), positions[i]);
    (dot(d, d) < cutoff * cutoff).then_some(Neighbour {
        index: j as u32,
        shift,
        offset,
    })
}

fn image_offset(shift: [i32; 3], vectors: &Mat3) -> Vec3 {
    row_times([f64::from(shift[0]), f64::from(shift[1]), f64::from(shift[2])], vectors)
}
