//! Power spectra: which products of moments they are.

use super::{Ladder, insert};
use crate::descriptor::function::{Gaussian, Pairs, SymmetryFunction};

/// One coefficient: a sum over degrees of products of moments of two shapes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct SpectrumFeature {
    pub feature: usize,
    /// The shapes' places in the ladder.
    pub channels: [usize; 2],
    /// The place of its Legendre polynomial in [`Spectrum::angles`].
    pub angle: usize,
}

/// The coefficients made from two moment sets.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Spectrum {
    /// The two sets: element indices, or the number of elements for the weighted set.
    pub sets: [usize; 2],
    pub features: Vec<SpectrumFeature>,
    /// The coefficients of each Legendre polynomial by powers of the cosine.
    pub angles: Vec<Vec<f64>>,
}

/// Adds the shapes of all power spectra to `shapes`; the highest degree, 0 without any.
pub(super) fn gather(functions: &[SymmetryFunction], shapes: &mut Vec<Gaussian>) -> usize {
    let mut highest = 0;
    for function in functions {
        if let SymmetryFunction::PowerSpectrum {
            shapes: pair, degree, ..
        } = function
        {
            for shape in pair {
                insert(shapes, *shape);
            }
            // Moments begin with the directions themselves.
            highest = highest.max(*degree as usize).max(1);
        }
    }
    highest
}

/// The power spectra among some functions, grouped by moment sets; `place` is where a shape stands in the ladder.
pub(super) fn plan(
    functions: &[SymmetryFunction],
    elements: usize,
    ladder: &Ladder,
    place: impl Fn(&Gaussian) -> usize,
) -> Vec<Spectrum> {
    let mut spectra: Vec<Spectrum> = Vec::new();
    for (feature, function) in functions.iter().enumerate() {
        let SymmetryFunction::PowerSpectrum { pairs, shapes, degree } = function else {
            continue;
        };
        let sets = match *pairs {
            Pairs::Elements(a, b) => [a, b],
            Pairs::Weighted => [elements, elements],
        };
        let channels = shapes.map(|shape| place(&shape));
        debug_assert!(channels.iter().all(|channel| *channel < ladder.len()));
        let polynomial = legendre(*degree as usize);
        let index = spectra.iter().position(|spectrum| spectrum.sets == sets);
        let index = index.unwrap_or_else(|| {
            spectra.push(Spectrum {
                sets,
                features: Vec::new(),
                angles: Vec::new(),
            });
            spectra.len() - 1
        });
        let spectrum = &mut spectra[index];
        let angle = spectrum.angles.iter().position(|known| *known == polynomial);
        let angle = angle.unwrap_or_else(|| {
            spectrum.angles.push(polynomial);
            spectrum.angles.len() - 1
        });
        spectrum.features.push(SpectrumFeature {
            feature,
            channels,
            angle,
        });
    }
    spectra
}

/// The coefficients of the Legendre polynomial P_l by powers, by Bonnet's recursion (l + 1)P_(l+1) = (2l + 1)x·P_l − l·P_(l−1).
pub(in crate::descriptor) fn legendre(degree: usize) -> Vec<f64> {
    let (mut before, mut last) = (vec![0.0], vec![1.0]);
    for l in 0..degree {
        let l = l as f64;
        let mut next = vec![0.0; last.len() + 1];
        for (p, c) in last.iter().enumerate() {
            next[p + 1] += (2.0 * l + 1.0) / (l + 1.0) * c;
        }
        for (p, c) in before.iter().enumerate() {
            next[p] -= l / (l + 1.0) * c;
        }
        (before, last) = (last, next);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legendre_polynomials_are_those_of_the_tables() {
        assert_eq!(legendre(0), [1.0]);
        assert_eq!(legendre(1), [0.0, 1.0]);
        let close = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(close(&legendre(2), &[-0.5, 0.0, 1.5]));
        assert!(close(&legendre(4), &[0.375, 0.0, -3.75, 0.0, 4.375]));
    }
}
