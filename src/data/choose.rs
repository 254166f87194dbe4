//! The structures that differ most from each other, as the descriptor sees them.
//!
//! Farthest-point sampling: Imbalzano, Anelli, Giofré, Klees, Behler and Ceriotti, J. Chem. Phys. 148, 241730 (2018).

use rayon::prelude::*;

use crate::descriptor::{Descriptor, DescriptorConfig, DescriptorError};
use crate::formats::Frame;
use crate::structure::{NeighbourList, Species, Structure};

/// A choice that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChooseError {
    /// The descriptor.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
}

/// The indices of `count` frames (all, if there are fewer) in the order of their choice: first the one nearest to the mean, then
/// always the one farthest from all chosen. A structure is the mean and the standard deviation of its atoms' symmetry functions, element
/// by element, each scaled by its spread over the set.
pub fn farthest_points(
    frames: &[Frame],
    count: usize,
    descriptor: &DescriptorConfig,
) -> Result<Vec<usize>, ChooseError> {
    let mut elements: Vec<Species> = frames.iter().flat_map(|frame| frame.structure.elements()).collect();
    elements.sort_unstable();
    elements.dedup();
    let some: Vec<&Structure> = frames.iter().take(20).map(|frame| &frame.structure).collect();
    let descriptor = Descriptor::from_config(descriptor, &elements, &some)?;
    let mut points: Vec<Vec<f64>> = frames
        .par_iter()
        .map(|frame| fingerprint(&descriptor, &frame.structure))
        .collect();
    standardise(&mut points);
    let Some(first) = nearest_to_origin(&points) else {
        return Ok(Vec::new());
    };
    let mut chosen = vec![first];
    let mut distances: Vec<f64> = points
        .iter()
        .map(|point| square_distance(point, &points[first]))
        .collect();
    while chosen.len() < count.min(points.len()) {
        // Ties go to the earlier frame, so that the choice is the same everywhere.
        let next = (0..points.len()).fold(0, |best, i| if distances[i] > distances[best] { i } else { best });
        let next = if chosen.contains(&next) {
            // Only copies are left: take them in order.
            match (0..points.len()).find(|index| !chosen.contains(index)) {
                Some(index) => index,
                None => break,
            }
        } else {
            next
        };
        chosen.push(next);
        for (distance, point) in distances.iter_mut().zip(&points) {
            *distance = distance.min(square_distance(point, &points[next]));
        }
    }
    chosen.truncate(count);
    Ok(chosen)
}

fn fingerprint(descriptor: &Descriptor, structure: &Structure) -> Vec<f64> {
    let list = NeighbourList::build(structure, descriptor.cutoff());
    let values = descriptor.atom_values(structure, &list);
    let elements: Vec<_> = structure.species.iter().map(|s| descriptor.element_index(*s)).collect();
    let mut point = Vec::new();
    for element in 0..descriptor.elements().len() {
        let atoms: Vec<&[f64]> = values
            .iter()
            .zip(&elements)
            .filter(|(_, of)| **of == Some(element))
            .map(|(values, _)| values.as_slice())
            .collect();
        let number = atoms.len().max(1) as f64;
        for f in 0..descriptor.count(element) {
            let mean = atoms.iter().map(|values| values[f]).sum::<f64>() / number;
            let variance = atoms.iter().map(|values| (values[f] - mean).powi(2)).sum::<f64>() / number;
            point.extend([mean, variance.sqrt()]);
        }
    }
    point
}

/// Shifts each component to mean 0 and scales it to standard deviation 1; one that does not vary becomes 0.
fn standardise(points: &mut [Vec<f64>]) {
    let number = points.len() as f64;
    for component in 0..points.first().map_or(0, Vec::len) {
        let mean = points.iter().map(|point| point[component]).sum::<f64>() / number;
        let variance = points
            .iter()
            .map(|point| (point[component] - mean).powi(2))
            .sum::<f64>()
            / number;
        let scale = if variance > 1e-24 { variance.sqrt().recip() } else { 0.0 };
        for point in points.iter_mut() {
            point[component] = (point[component] - mean) * scale;
        }
    }
}

fn nearest_to_origin(points: &[Vec<f64>]) -> Option<usize> {
    let square = |point: &[f64]| point.iter().map(|x| x * x).sum::<f64>();
    (0..points.len()).min_by(|a, b| square(&points[*a]).total_cmp(&square(&points[*b])))
}

fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
