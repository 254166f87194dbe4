//! Cutoff functions: what makes a neighbour fade out smoothly before it leaves the sphere.
//!
//! With x = (r − α·rc)/(rc − α·rc) each falls from 1 at r = α·rc to 0 at rc. Cosine and tanh³: Behler, J. Chem. Phys.
//! 134, 074106 (2011); the exponential and the polynomials with one to four vanishing derivatives: Singraber, Behler and
//! Dellago, J. Chem. Theory Comput. 15, 1827 (2019).

use serde::{Deserialize, Serialize};

use super::window::Core;

/// The shape of a cutoff function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CutoffKind {
    /// ½(cos πx + 1).
    Cosine,
    /// tanh³(1 − r/rc); 0.44 at r = 0.
    TanhCubed,
    /// coth³(1)·tanh³(1 − r/rc), which is 1 at r = 0.
    TanhCubedNormalised,
    /// exp(1 − 1/(1 − x²)): all derivatives are continuous.
    Exponential,
    /// 1 up to the cutoff radius: functions jump there and forces are not their derivatives.
    Hard,
    /// (2x − 3)x² + 1: one continuous derivative.
    #[serde(rename = "polynomial-1")]
    Polynomial1,
    /// ((15 − 6x)x − 10)x³ + 1: two continuous derivatives.
    #[default]
    #[serde(rename = "polynomial-2")]
    Polynomial2,
    /// (x(x(20x − 70) + 84) − 35)x⁴ + 1: three continuous derivatives.
    #[serde(rename = "polynomial-3")]
    Polynomial3,
    /// (x(x((315 − 70x)x − 540) + 420) − 126)x⁵ + 1: four continuous derivatives.
    #[serde(rename = "polynomial-4")]
    Polynomial4,
}

/// A cutoff function: its shape and the fraction α of the cutoff radius inside which it is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CutoffFunction {
    /// The shape.
    pub kind: CutoffKind,
    /// α, from 0 up to but not including 1. The tanh³ and the hard shapes have no inner radius and ignore it.
    pub inner_fraction: f64,
}

impl CutoffFunction {
    /// The value and the derivative with respect to r (1/Å) at distance r for the cutoff radius rc, both in Å; zero from rc on.
    #[inline]
    pub fn evaluate(&self, r: f64, rc: f64) -> (f64, f64) {
        if r >= rc {
            return (0.0, 0.0);
        }
        let core = match self.kind {
            CutoffKind::Hard => return (1.0, 0.0),
            CutoffKind::TanhCubed => return tanh_cubed(r, rc),
            CutoffKind::TanhCubedNormalised => {
                let norm = 1.0_f64.tanh().powi(-3);
                let (value, derivative) = tanh_cubed(r, rc);
                return (norm * value, norm * derivative);
            }
            CutoffKind::Cosine => None,
            CutoffKind::Exponential => Some(Core::Exponential),
            CutoffKind::Polynomial1 => Some(Core::Polynomial1),
            CutoffKind::Polynomial2 => Some(Core::Polynomial2),
            CutoffKind::Polynomial3 => Some(Core::Polynomial3),
            CutoffKind::Polynomial4 => Some(Core::Polynomial4),
        };
        let inner = self.inner_fraction * rc;
        if r < inner {
            return (1.0, 0.0);
        }
        let slope = 1.0 / (rc - inner);
        let x = (r - inner) * slope;
        let (value, derivative) = core.map_or_else(
            || {
                let (sine, cosine) = (std::f64::consts::PI * x).sin_cos();
                (0.5 * (cosine + 1.0), -0.5 * std::f64::consts::PI * sine)
            },
            |core| core.evaluate(x),
        );
        (value, derivative * slope)
    }
}

fn tanh_cubed(r: f64, rc: f64) -> (f64, f64) {
    let t = (1.0 - r / rc).tanh();
    (t * t * t, -3.0 * t * t * (1.0 - t * t) / rc)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [CutoffKind; 8] = [
        CutoffKind::Cosine,
        CutoffKind::TanhCubed,
        CutoffKind::TanhCubedNormalised,
        CutoffKind::Exponential,
        CutoffKind::Polynomial1,
        CutoffKind::Polynomial2,
        CutoffKind::Polynomial3,
        CutoffKind::Polynomial4,
    ];

    #[test]
    fn derivatives_are_those_of_the_values_and_the_ends_are_right() {
        for kind in KINDS {
            for inner_fraction in [0.0, 0.4] {
                let function = CutoffFunction { kind, inner_fraction };
                for r in [0.3, 1.7, 2.1, 3.3, 4.9] {
                    let h = 1e-4;
                    let rise = |h: f64| (function.evaluate(r + h, 5.0).0 - function.evaluate(r - h, 5.0).0) / (2.0 * h);
                    let slope = (4.0 * rise(h) - rise(2.0 * h)) / 3.0;
                    let (_, derivative) = function.evaluate(r, 5.0);
                    assert!((slope - derivative).abs() < 1e-9, "{kind:?} {r}: {slope} {derivative}");
                }
                let (value, derivative) = function.evaluate(5.0 - 1e-9, 5.0);
                assert!(value.abs() < 1e-12 && derivative.abs() < 1e-7, "{kind:?}");
                assert_eq!(function.evaluate(5.0, 5.0), (0.0, 0.0));
                if kind != CutoffKind::TanhCubed {
                    assert!((function.evaluate(0.0, 5.0).0 - 1.0).abs() < 1e-15);
                }
            }
        }
        let hard = CutoffFunction {
            kind: CutoffKind::Hard,
            inner_fraction: 0.4,
        };
        assert_eq!(hard.evaluate(4.999, 5.0), (1.0, 0.0));
        assert_eq!(hard.evaluate(5.0, 5.0), (0.0, 0.0));
    }
}
