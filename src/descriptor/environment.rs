//! An atom's surroundings: its neighbours within the cutoff as displacements, distances and elements.

use crate::linear::{Vec3, add, dot, scale, sub};
use crate::structure::{NeighbourList, Structure};

/// One neighbour as seen from the central atom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Which atom.
    pub atom: u32,
    /// The index of its element within the descriptor.
    pub element: usize,
    /// Displacement from the central atom in Å.
    pub displacement: Vec3,
    /// Distance in Å.
    pub distance: f64,
    /// Unit vector towards it.
    pub direction: Vec3,
}

/// Fills `around` with the neighbours of atom `i` closer than `cutoff` (Å), in the list's order. Distances that are not numbers are kept, so
/// that they show in the result.
pub(crate) fn surroundings(
    structure: &Structure,
    list: &NeighbourList,
    elements: &[usize],
    i: usize,
    cutoff: f64,
    around: &mut Vec<Seen>,
) {
    let centre = structure.positions[i];
    around.clear();
    around.extend(list.of(i).iter().filter_map(|neighbour| {
        let displacement = sub(
            add(structure.positions[neighbour.index as usize], neighbour.offset),
            centre,
        );
        let distance = dot(displacement, displacement).sqrt();
        (distance < cutoff || distance.is_nan()).then(|| Seen {
            atom: neighbour.index,
            element: elements[neighbour.index as usize],
            displacement,
            distance,
            direction: scale(1.0 / distance, displacement),
        })
    }));
}
