//! Symmetry functions that the configuration lists one by one.

use super::DescriptorError;
use super::config::FunctionConfig;
use super::function::{Gaussian, Neighbours, Pairs, SymmetryFunction};
use super::window::{Core, Window};
use crate::structure::Species;
use crate::units::Length;

/// A listed function and its central element.
pub(super) fn function(
    listed: &FunctionConfig,
    index: usize,
    elements: &[Species],
) -> Result<(usize, SymmetryFunction), DescriptorError> {
    let place = |symbol: &str| {
        symbol
            .parse::<Species>()
            .ok()
            .and_then(|species| elements.iter().position(|known| *known == species))
            .ok_or_else(|| DescriptorError::UnknownElement {
                function: index + 1,
                element: symbol.to_owned(),
                known: elements.iter().map(|e| e.symbol()).collect::<Vec<_>>().join(", "),
            })
    };
    let gaussian = |eta: f64, rs: Option<Length>, cutoff: Length| Gaussian {
        eta,
        shift: rs.map_or(0.0, Length::value),
        cutoff: cutoff.value(),
    };
    let radial = |core: Core, asymmetric: bool, inner: Option<Length>, cutoff: Length| Window {
        core,
        asymmetric,
        from: inner.map_or(0.0, Length::value),
        to: cutoff.value(),
    };
    let angular = |core: Core, angles: [f64; 2]| Window {
        core,
        asymmetric: false,
        from: angles[0],
        to: angles[1],
    };
    Ok(match listed {
        FunctionConfig::G2(c) => (
            place(&c.central)?,
            SymmetryFunction::Radial {
                neighbours: Neighbours::Element(place(&c.neighbour)?),
                gaussian: gaussian(c.eta, c.rs, c.cutoff),
            },
        ),
        FunctionConfig::WeightedG2(c) => (
            place(&c.central)?,
            SymmetryFunction::Radial {
                neighbours: Neighbours::Weighted,
                gaussian: gaussian(c.eta, c.rs, c.cutoff),
            },
        ),
        FunctionConfig::G4(c) | FunctionConfig::G5(c) => (
            place(&c.central)?,
            SymmetryFunction::Angular {
                pairs: Pairs::Elements(place(&c.neighbours[0])?, place(&c.neighbours[1])?),
                gaussian: gaussian(c.eta, c.rs, c.cutoff),
                lambda: c.lambda,
                zeta: c.zeta,
                third_side: matches!(listed, FunctionConfig::G4(_)),
            },
        ),
        FunctionConfig::WeightedG4(c) | FunctionConfig::WeightedG5(c) => (
            place(&c.central)?,
            SymmetryFunction::Angular {
                pairs: Pairs::Weighted,
                gaussian: gaussian(c.eta, c.rs, c.cutoff),
                lambda: c.lambda,
                zeta: c.zeta,
                third_side: matches!(listed, FunctionConfig::WeightedG4(_)),
            },
        ),
        FunctionConfig::CompactG2(c) => (
            place(&c.central)?,
            SymmetryFunction::CompactRadial {
                neighbours: Neighbours::Element(place(&c.neighbour)?),
                radial: radial(c.core, c.asymmetric, c.inner, c.cutoff),
            },
        ),
        FunctionConfig::WeightedCompactG2(c) => (
            place(&c.central)?,
            SymmetryFunction::CompactRadial {
                neighbours: Neighbours::Weighted,
                radial: radial(c.core, c.asymmetric, c.inner, c.cutoff),
            },
        ),
        FunctionConfig::CompactG4(c) | FunctionConfig::CompactG5(c) => (
            place(&c.central)?,
            SymmetryFunction::CompactAngular {
                pairs: Pairs::Elements(place(&c.neighbours[0])?, place(&c.neighbours[1])?),
                radial: radial(c.core, c.asymmetric, c.inner, c.cutoff),
                angular: angular(c.core, c.angles),
                third_side: matches!(listed, FunctionConfig::CompactG4(_)),
            },
        ),
        FunctionConfig::WeightedCompactG4(c) | FunctionConfig::WeightedCompactG5(c) => (
            place(&c.central)?,
            SymmetryFunction::CompactAngular {
                pairs: Pairs::Weighted,
                radial: radial(c.core, c.asymmetric, c.inner, c.cutoff),
                angular: angular(c.core, c.angles),
                third_side: matches!(listed, FunctionConfig::WeightedCompactG4(_)),
            },
        ),
    })
}
