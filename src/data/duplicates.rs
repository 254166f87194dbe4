//! Frames that say the same twice.

use std::collections::HashMap;

use crate::formats::Frame;
use crate::structure::{Species, Structure};

/// The frames whose structures differ from every earlier kept one, and the number dropped. Two structures are the same if they have
/// the same atoms in the same order, the same periodic directions, and cells and positions that differ nowhere by more than
/// `tolerance` (Å), lattice vectors apart: an atom and its periodic image are the same place. Of duplicates the first with labels is kept.
pub fn without_duplicates(frames: Vec<Frame>, tolerance: f64) -> (Vec<Frame>, usize) {
    let mut kept: Vec<Frame> = Vec::new();
    // Equal structures have equal atoms and nearly equal volume, so only few need be compared.
    let mut groups: HashMap<(Vec<Species>, i64), Vec<usize>> = HashMap::new();
    let mut dropped = 0;
    for frame in frames {
        let structure = &frame.structure;
        // The longest lattice vector changes by no more than √3 times the tolerance, so equal ones lie in neighbouring bins.
        let bin = bin(structure, tolerance);
        let species = structure.species.to_vec();
        let twin = (bin - 1..=bin + 1)
            .filter_map(|bin| groups.get(&(species.clone(), bin)))
            .flatten()
            .copied()
            .find(|index| same(&kept[*index].structure, structure, tolerance));
        match twin {
            Some(index) => {
                dropped += 1;
                if kept[index].labels.is_none() && frame.labels.is_some() {
                    kept[index] = frame;
                }
            }
            None => {
                groups.entry((species, bin)).or_default().push(kept.len());
                kept.push(frame);
            }
        }
    }
    (kept, dropped)
}

fn bin(structure: &Structure, tolerance: f64) -> i64 {
    let longest = structure
        .cell
        .vectors()
        .iter()
        .map(|v| crate::linear::norm(*v))
        .fold(0.0, f64::max);
    (longest / (2.0 * tolerance).max(1e-6)).floor() as i64
}

pub(super) fn same(a: &Structure, b: &Structure, tolerance: f64) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= tolerance;
    let periodic = a.cell.periodic();
    if periodic != b.cell.periodic() || a.species != b.species {
        return false;
    }
    let cells = a.cell.vectors().iter().flatten().zip(b.cell.vectors().iter().flatten());
    if !cells.into_iter().all(|(a, b)| near(*a, *b)) {
        return false;
    }
    a.positions.iter().zip(&b.positions).all(|(a_position, b_position)| {
        let difference = crate::linear::sub(*b_position, *a_position);
        let mut fractional = a.cell.fractional(difference);
        for (component, periodic) in fractional.iter_mut().zip(periodic) {
            if periodic {
                *component -= component.round();
            }
        }
        a.cell
            .cartesian(fractional)
            .iter()
            .all(|component| component.abs() <= tolerance)
    })
}
