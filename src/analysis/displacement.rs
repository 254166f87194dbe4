//! Mean squared displacement from a reference structure: how far a crystal's atoms stray, how fast a liquid's leave.

use std::borrow::Borrow;

use serde::Serialize;

use super::AnalysisError;
use crate::linear::{dot, sub};
use crate::structure::{Species, Structure};

/// Mean squared displacements, one entry per frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Displacements {
    /// Over all atoms, Å².
    pub total: Vec<f64>,
    /// Over the atoms of each species, in order of atomic number.
    pub species: Vec<SpeciesDisplacements>,
}

/// Mean squared displacements of one species.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpeciesDisplacements {
    /// The symbol.
    pub species: &'static str,
    /// Mean squared displacement in Å², one entry per frame.
    pub values: Vec<f64>,
}

/// The mean squared displacement of each frame from a reference (the lattice, or the first frame).
///
/// Positions are compared as they stand, so they must not have been wrapped into the cell; the samplers never wrap them.
pub fn mean_squared_displacement<F: Borrow<Structure>>(
    reference: &Structure,
    frames: impl IntoIterator<Item = F>,
) -> Result<Displacements, AnalysisError> {
    let elements: Vec<Species> = reference.elements();
    let mut total = Vec::new();
    let mut values = vec![Vec::new(); elements.len()];
    for (index, frame) in frames.into_iter().enumerate() {
        let frame: &Structure = frame.borrow();
        if frame.species != reference.species {
            return Err(AnalysisError::OtherAtoms { frame: index });
        }
        let mut sums = vec![(0.0, 0.0); elements.len()];
        for (i, (a, b)) in frame.positions.iter().zip(&reference.positions).enumerate() {
            let d = sub(*a, *b);
            let kind = elements
                .binary_search(&reference.species[i])
                .expect("elements() lists every species in order");
            sums[kind] = (sums[kind].0 + dot(d, d), sums[kind].1 + 1.0);
        }
        let (sum, count) = sums.iter().fold((0.0, 0.0), |all, s| (all.0 + s.0, all.1 + s.1));
        total.push(sum / count);
        for (series, (sum, count)) in values.iter_mut().zip(sums) {
            series.push(sum / count);
        }
    }
    if total.is_empty() {
        return Err(AnalysisError::NoFrames);
    }
    let species = elements
        .iter()
        .zip(values)
        .map(|(element, values)| SpeciesDisplacements {
            species: element.symbol(),
            values,
        });
    Ok(Displacements {
        total,
        species: species.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Cell;

    #[test]
    fn displacements_beyond_the_cell_count_in_full() {
        let species = vec!["O".parse().unwrap(), "H".parse().unwrap(), "H".parse().unwrap()];
        let start = Structure::new(Cell::cubic(3.0).unwrap(), species, vec![[0.0; 3]; 3]).unwrap();
        let moved = start.with_positions(vec![[4.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -2.0]]);
        let msd = mean_squared_displacement(&start, [&start, &moved]).unwrap();
        assert_eq!(msd.total, [0.0, 7.0]);
        assert_eq!(
            (msd.species[0].species, &msd.species[0].values[..]),
            ("H", &[0.0, 2.5][..])
        );
        assert_eq!(
            (msd.species[1].species, &msd.species[1].values[..]),
            ("O", &[0.0, 16.0][..])
        );
        let other = start.supercell([2, 1, 1]);
        assert!(mean_squared_displacement(&start, [&other]).is_err());
    }
}
