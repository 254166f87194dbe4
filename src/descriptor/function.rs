//! Symmetry functions: the terms of the list that describes an atom's surroundings.
//!
//! Definitions: Behler, J. Chem. Phys. 134, 074106 (2011) (G2, G4, G5); Gastegger, Schwiedrzik, Bittermann, Berzsenyi and
//! Marquetand, J. Chem. Phys. 148, 241709 (2018) (weighted by atomic number); Bircher, Singraber and Dellago, Mach. Learn.:
//! Sci. Technol. 2, 035026 (2021) (compact); Artrith, Urban and Ceder, Phys. Rev. B 96, 014112 (2017) (Chebyshev); Bartók, Kondor and
//! Csányi, Phys. Rev. B 87, 184115 (2013) (power spectrum); Shapeev, Multiscale Model. Simul. 14, 1153 (2016) (moment tensors).

use serde::{Deserialize, Serialize};

use super::window::Window;

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

/// How neighbours count in a Chebyshev function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weighting {
    /// Each with 1: the structure alone.
    Uniform,
    /// Each with its element's pseudo-spin (..., −2, −1, (0,) 1, 2, ... in order of atomic number, 0 only where the number of elements
    /// is odd): the composition.
    Spin,
}

impl Weighting {
    /// The weight of a neighbour of an element, among a number of elements.
    pub(super) fn of(self, element: usize, elements: usize) -> f64 {
        match self {
            Self::Uniform => 1.0,
            Self::Spin => {
                let spin = element as f64 - (elements / 2) as f64;
                if elements.is_multiple_of(2) && spin >= 0.0 {
                    spin + 1.0
                } else {
                    spin
                }
            }
        }
    }
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
    /// The compact radial function Σ_j w_j·C(r_j), over neighbours inside the window. It has no cutoff function.
    CompactRadial {
        /// The neighbours summed over.
        neighbours: Neighbours,
        /// C, its ends in Å; the upper one is the cutoff radius.
        radial: Window,
    },
    /// The compact angular function Σ_{j<k} w_j·w_k C(r_j) C(r_k) [C(r_jk)] A(θ). It has no cutoff function.
    CompactAngular {
        /// The pairs summed over, each pair once.
        pairs: Pairs,
        /// C, its ends in Å; the upper one is the cutoff radius.
        radial: Window,
        /// A, its ends in degrees.
        angular: Window,
        /// Whether C(r_jk) of the side opposite the central atom is a factor.
        third_side: bool,
    },
    /// A coefficient of the power spectrum, Σ_jk w_j·w_k g₁(r_j) g₂(r_k) P_l(cos θ_jk) with the Legendre polynomial P_l. The sum is a
    /// double one, j = k included; of two different elements, the first has g₁ and the second g₂.
    PowerSpectrum {
        /// The pairs summed over.
        pairs: Pairs,
        /// g₁ and g₂.
        shapes: [Gaussian; 2],
        /// l, at most 12.
        degree: u32,
    },
    /// A contraction of three moment tensors, Σ_jkl w_j·w_k·w_l g₁(r_j) g₂(r_k) g₃(r_l) cosᵃθ_jk cosᵇθ_jl cosᶜθ_kl: a function of four
    /// bodies. The sum is a threefold one, equal neighbours included.
    MomentTensor {
        /// The neighbours that j, k and l run over.
        neighbours: [Neighbours; 3],
        /// g₁, g₂ and g₃.
        shapes: [Gaussian; 3],
        /// a, b and c, each at most 6.
        powers: [u32; 3],
    },
    /// A coefficient of the radial distribution in Chebyshev polynomials, Σ_j w_j T_n(2r_j/rc − 1) fc(r_j; rc).
    ChebyshevRadial {
        /// w.
        weighting: Weighting,
        /// n.
        order: u32,
        /// rc in Å.
        cutoff: f64,
    },
    /// A coefficient of the angular distribution, Σ_{j<k} w_j·w_k T_n(cos θ) fc(r_j; rc) fc(r_k; rc).
    ChebyshevAngular {
        /// w.
        weighting: Weighting,
        /// n.
        order: u32,
        /// rc in Å.
        cutoff: f64,
    },
}

impl SymmetryFunction {
    /// The cutoff radius in Å: farther neighbours do not count.
    pub fn cutoff(&self) -> f64 {
        match self {
            Self::Radial { gaussian, .. } | Self::Angular { gaussian, .. } => gaussian.cutoff,
            Self::CompactRadial { radial, .. } | Self::CompactAngular { radial, .. } => radial.to,
            Self::PowerSpectrum { shapes, .. } => f64::max(shapes[0].cutoff, shapes[1].cutoff),
            Self::MomentTensor { shapes, .. } => shapes.iter().map(|shape| shape.cutoff).fold(0.0, f64::max),
            Self::ChebyshevRadial { cutoff, .. } | Self::ChebyshevAngular { cutoff, .. } => *cutoff,
        }
    }

    /// Whether every number is in its range and every element below `elements`.
    pub(crate) fn is_valid(&self, elements: usize) -> bool {
        let cutoff = self.cutoff();
        let shape = |g: &Gaussian| g.eta.is_finite() && g.eta >= 0.0 && g.shift.is_finite();
        let reaches = |g: &Gaussian| g.cutoff.is_finite() && g.cutoff > 0.0;
        let summed = |neighbours: Neighbours| match neighbours {
            Neighbours::Element(element) => element < elements,
            Neighbours::Weighted => true,
        };
        let paired = |pairs: Pairs| match pairs {
            Pairs::Elements(a, b) => a < elements && b < elements,
            Pairs::Weighted => true,
        };
        let ranges = match self {
            Self::Radial { neighbours, gaussian } => shape(gaussian) && summed(*neighbours),
            Self::Angular {
                pairs,
                gaussian,
                lambda,
                zeta,
                ..
            } => shape(gaussian) && paired(*pairs) && lambda.is_finite() && zeta.is_finite() && *zeta > 0.0,
            Self::CompactRadial { neighbours, radial } => radial.is_valid() && summed(*neighbours),
            Self::CompactAngular {
                pairs, radial, angular, ..
            } => radial.is_valid() && paired(*pairs) && is_window_of_angles(angular),
            Self::PowerSpectrum { pairs, shapes, degree } => {
                shapes.iter().all(|g| shape(g) && reaches(g)) && paired(*pairs) && *degree <= 12
            }
            Self::MomentTensor {
                neighbours,
                shapes,
                powers,
            } => {
                shapes.iter().all(|g| shape(g) && reaches(g))
                    && neighbours.iter().all(|neighbours| summed(*neighbours))
                    && powers.iter().all(|power| *power <= 6)
            }
            Self::ChebyshevRadial { order, .. } | Self::ChebyshevAngular { order, .. } => *order <= 1000,
        };
        ranges && cutoff.is_finite() && cutoff > 0.0
    }
}

/// Whether a window of angles, in degrees, is smooth on the circle: inside [0°, 180°], or centred on one of its ends.
fn is_window_of_angles(window: &Window) -> bool {
    let centre = 0.5 * (window.from + window.to);
    window.is_valid()
        && (window.from >= 0.0 || centre == 0.0)
        && (window.to <= 180.0 || centre == 180.0)
        && window.to - window.from <= 360.0
}
