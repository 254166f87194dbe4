//! The radial distribution function g(r) of bulk cells, total and for each pair of species.

use std::borrow::Borrow;
use std::f64::consts::PI;

use serde::Serialize;

use super::AnalysisError;
use crate::linear::{add, norm, sub};
use crate::structure::{NeighbourList, Species, Structure};

/// g(r) on a grid of equal bins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RadialDistribution {
    /// Centres of the bins, Å.
    pub radii: Vec<f64>,
    /// g(r) over all atoms, one entry per bin.
    pub total: Vec<f64>,
    /// g(r) of each pair of species, in order of atomic number.
    pub pairs: Vec<PairDistribution>,
}

/// g(r) of one pair of species.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairDistribution {
    /// The symbols of the two species, such as `["O", "Si"]`.
    pub species: [&'static str; 2],
    /// g(r), one entry per bin.
    pub values: Vec<f64>,
}

/// The radial distribution function averaged over frames, up to `range` (Å) in `bins` equal bins.
///
/// All periodic images count, an atom's own images included, so the range may exceed the cell; a frame's counts are
/// compared with the density N/V of that frame, and g(r) → 1 far away. Frames must hold the same species in bulk cells.
/// Allen and Tildesley, Computer Simulation of Liquids (2nd edition, 2017), section 8.2.
pub fn radial_distribution<F: Borrow<Structure>>(
    frames: impl IntoIterator<Item = F>,
    range: f64,
    bins: usize,
) -> Result<RadialDistribution, AnalysisError> {
    if !(range > 0.0 && range.is_finite()) || bins == 0 {
        return Err(AnalysisError::Histogram { range, bins });
    }
    let width = range / bins as f64;
    let mut species: Option<Vec<Species>> = None;
    let mut histograms: Vec<Vec<f64>> = Vec::new();
    let mut atoms = Vec::new();
    let mut elements = Vec::new();
    let mut count = 0;
    for (index, frame) in frames.into_iter().enumerate() {
        let frame: &Structure = frame.borrow();
        if !frame.cell.is_bulk() {
            return Err(AnalysisError::NotBulk { frame: index });
        }
        if species.is_none() {
            elements = frame.elements();
            atoms = elements
                .iter()
                .map(|element| frame.species.iter().filter(|s| *s == element).count() as f64)
                .collect();
            histograms = vec![vec![0.0; bins]; elements.len() * elements.len()];
        }
        if species.get_or_insert_with(|| frame.species.to_vec())[..] != frame.species[..] {
            return Err(AnalysisError::OtherAtoms { frame: index });
        }
        let kinds: Vec<usize> = frame
            .species
            .iter()
            .map(|s| {
                elements
                    .binary_search(s)
                    .expect("elements() lists every species in order")
            })
            .collect();
        let list = NeighbourList::build(frame, range);
        let volume = frame.cell.volume();
        for i in 0..frame.len() {
            for neighbour in list.of(i) {
                let j = neighbour.index as usize;
                let distance = norm(sub(add(frame.positions[j], neighbour.offset), frame.positions[i]));
                let bin = (distance / width) as usize;
                if bin < bins {
                    histograms[kinds[i] * elements.len() + kinds[j]][bin] += volume;
                }
            }
        }
        count += 1;
    }
    if count == 0 {
        return Err(AnalysisError::NoFrames);
    }
    let shell = |bin: usize| 4.0 / 3.0 * PI * width.powi(3) * ((bin as f64 + 1.0).powi(3) - (bin as f64).powi(3));
    let normalised = |sums: &[&Vec<f64>], centres: f64, others: f64| -> Vec<f64> {
        (0..bins)
            .map(|bin| {
                let sum: f64 = sums.iter().map(|h| h[bin]).sum();
                sum / (f64::from(count) * centres * others * shell(bin))
            })
            .collect()
    };
    let all: f64 = atoms.iter().sum();
    let mut pairs = Vec::new();
    for a in 0..elements.len() {
        for b in a..elements.len() {
            pairs.push(PairDistribution {
                species: [elements[a].symbol(), elements[b].symbol()],
                values: normalised(&[&histograms[a * elements.len() + b]], atoms[a], atoms[b]),
            });
        }
    }
    Ok(RadialDistribution {
        radii: (0..bins).map(|bin| (bin as f64 + 0.5) * width).collect(),
        total: normalised(&histograms.iter().collect::<Vec<_>>(), all, all),
        pairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Cell;

    fn rock_salt(edge: f64) -> Structure {
        let sites = [[0., 0., 0.], [0., 1., 1.], [1., 0., 1.], [1., 1., 0.]];
        let (mut species, mut positions) = (Vec::new(), Vec::new());
        for (symbol, shift) in [("Na", 0.0), ("Cl", 1.0)] {
            for site in sites {
                species.push(symbol.parse().unwrap());
                positions.push([
                    (site[0] + shift) * edge / 2.0,
                    site[1] * edge / 2.0,
                    site[2] * edge / 2.0,
                ]);
            }
        }
        Structure::new(Cell::cubic(edge).unwrap(), species, positions).unwrap()
    }

    #[test]
    fn rock_salt_shells_are_counted_beyond_the_cell() {
        let edge = 5.64;
        let crystal = rock_salt(edge);
        let (range, bins) = (1.2 * edge, 300);
        let g = radial_distribution([&crystal, &crystal], range, bins).unwrap();
        let names: Vec<_> = g.pairs.iter().map(|p| p.species).collect();
        assert_eq!(names, [["Na", "Na"], ["Na", "Cl"], ["Cl", "Cl"]]);
        let width = range / bins as f64;
        // Neighbours of one atom between two radii: the integral of 4πr²·g·ρ.
        let coordination = |values: &[f64], density: f64, from: f64, to: f64| -> f64 {
            let shell = |r: f64| 4.0 * PI / 3.0 * ((r + width / 2.0).powi(3) - (r - width / 2.0).powi(3));
            let inside = g.radii.iter().zip(values).filter(|(r, _)| **r > from && **r < to);
            inside.map(|(r, v)| v * density * shell(*r)).sum()
        };
        let density = 4.0 / edge.powi(3);
        // (pair, distance in edges, neighbours): an atom's own images at one edge are among the six.
        for (pair, distance, neighbours) in [
            (1, 0.5, 6.0),
            (1, 0.866, 8.0),
            (0, 0.71, 12.0),
            (0, 1.0, 6.0),
            (2, 1.0, 6.0),
        ] {
            let found = coordination(
                &g.pairs[pair].values,
                density,
                (distance - 0.04) * edge,
                (distance + 0.04) * edge,
            );
            assert!((found - neighbours).abs() < 1e-9, "{pair} {distance}: {found}");
        }
        let all = coordination(&g.total, 2.0 * density, 0.0, 0.75 * edge);
        assert!((all - 18.0).abs() < 1e-9, "{all}");
    }

    #[test]
    fn what_cannot_be_averaged_is_an_error() {
        let crystal = rock_salt(5.64);
        assert!(matches!(
            radial_distribution([&crystal], 0.0, 10),
            Err(AnalysisError::Histogram { .. })
        ));
        let none: [Structure; 0] = [];
        assert!(matches!(
            radial_distribution(none, 5.0, 10),
            Err(AnalysisError::NoFrames)
        ));
        let mut free = crystal.clone();
        free.cell = Cell::free();
        assert!(matches!(
            radial_distribution([&crystal, &free], 5.0, 10),
            Err(AnalysisError::NotBulk { frame: 1 })
        ));
        let larger = crystal.supercell([2, 1, 1]);
        assert!(matches!(
            radial_distribution([&crystal, &larger], 5.0, 10),
            Err(AnalysisError::OtherAtoms { frame: 1 })
        ));
    }
}
