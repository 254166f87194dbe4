//! Symmetry functions: the terms of the list that describes an atom's surroundings.
//!
//! Definitions: Behler, J. Chem. Phys. 134, 074106 (2011) (G2, G4, G5); Gastegger, Schwiedrzik, Bittermann, Berzsenyi and
//! Marquetand, J. Chem. Phys. 148, 241709 (2018) (weighted by atomic number).

use serde::{Deserialize, Serialize};

/// A radial shape g(r) = exp(−η(r − rs)²)·fc(r; rc).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gaussian {
    /// η in 1/Å².
    pub eta: f64,
    /// The centre rs in Å.
    pub shift: f64,
    /// The cutoff radius rc in Å.
    pub cutoff: f64,
}

/// Which neighbours a radial function sums over. Elements are numbered by atomic number within the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Neighbours {
    /// Those of one element, with weight 1.
    Element(usize),
    /// All, each with its atomic number Z as weight.
    Weighted,
}

/// Which pairs of neighbours an angular function sums over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pairs {
    /// One neighbour of each of the two elements (which may be the same), with weight 1.
    Elements(usize, usize),
    /// All, each pair with the product Zj·Zk as weight.
    Weighted,
}

/// One symmetry function of a central atom.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum SymmetryFunction {
    /// G2: Σ_j w_j·g(r_j).
    Radial {
        /// The neighbours summed over.
        neighbours: Neighbours,
        /// g.
        gaussian: Gaussian,
    },
    /// G5 without, G4 with the third side: 2^(1−ζ) Σ_{j<k} w_j·w_k (1 + λ cos θ)^ζ g(r_j) g(r_k) [g(r_jk)]. A term is zero
    /// where 1 + λ cos θ ≤ 0.
    Angular {
        /// The pairs summed over, each pair once.
        pairs: Pairs,
        /// g.
        gaussian: Gaussian,
        /// λ.
        lambda: f64,
        /// ζ, positive; whole numbers up to 6 are fast.
        zeta: f64,
        /// Whether g(r_jk) of the side opposite the central atom is a factor (G4).
        third_side: bool,
    },
}

impl SymmetryFunction {
    /// g.
    pub fn gaussian(&self) -> &Gaussian {
        match self {
            Self::Radial { gaussian, .. } | Self::Angular { gaussian, .. } => gaussian,
        }
    }

    /// Whether every number is in its range and every element below `elements`.
    pub(crate) fn is_valid(&self, elements: usize) -> bool {
        let g = self.gaussian();
        let shape = g.eta.is_finite() && g.eta >= 0.0 && g.shift.is_finite() && g.cutoff.is_finite() && g.cutoff > 0.0;
        let known = |element: usize| element < elements;
        shape
            && match *self {
                Self::Radial { neighbours, .. } => match neighbours {
                    Neighbours::Element(element) => known(element),
                    Neighbours::Weighted => true,
                },
                Self::Angular {
                    pairs, lambda, zeta, ..
                } => {
                    let elements = match pairs {
                        Pairs::Elements(a, b) => known(a) && known(b),
                        Pairs::Weighted => true,
                    };
                    elements && lambda.is_finite() && zeta.is_finite() && zeta > 0.0
                }
            }
    }
}
