//! Windows: functions that are 1 in the middle of an interval and reach 0 smoothly at its ends, the parts of compact
//! symmetry functions and of cutoff functions.
//!
//! Bircher, Singraber and Dellago, Mach. Learn.: Sci. Technol. 2, 035026 (2021).

use serde::{Deserialize, Serialize};

/// How a window falls from 1 at x = 0 to 0 at x = 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Core {
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
    /// exp(1 − 1/(1 − x²)): all derivatives are continuous.
    Exponential,
}

impl Core {
    /// The value and the derivative at x from 0 to 1.
    #[inline]
    pub fn evaluate(self, x: f64) -> (f64, f64) {
        // The polynomials are odd about x = ½: the fall from the nearer end keeps the small values' digits.
        let y = x.min(1.0 - x);
        let y2 = y * y;
        let polynomial = |fall: f64, derivative: f64| {
            let value = if x > 0.5 { -fall } else { 1.0 + fall };
            (value, derivative)
        };
        let z = x * (x - 1.0);
        match self {
            Self::Polynomial1 => polynomial((2.0 * y - 3.0) * y2, 6.0 * z),
            Self::Polynomial2 => polynomial(((15.0 - 6.0 * y) * y - 10.0) * y2 * y, -30.0 * z * z),
            Self::Polynomial3 => polynomial((y * (y * (20.0 * y - 70.0) + 84.0) - 35.0) * y2 * y2, 140.0 * z * z * z),
            Self::Polynomial4 => polynomial(
                (y * (y * ((315.0 - 70.0 * y) * y - 540.0) + 420.0) - 126.0) * y2 * y2 * y,
                -630.0 * z * z * z * z,
            ),
            Self::Exponential => {
                let inverse = 1.0 / (1.0 - x * x);
                let value = (1.0 - inverse).exp();
                // Towards the edge the value vanishes faster than the square of the inverse grows.
                if value == 0.0 || x >= 1.0 {
                    return (0.0, 0.0);
                }
                (value, -2.0 * x * inverse * inverse * value)
            }
        }
    }
}

/// C(a) = core(|a − centre|/half width) inside an interval, 0 outside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The shape.
    pub core: Core,
    /// Whether the core's argument x is replaced by (2 − x)x, which makes the window narrower at equal ends.
    pub asymmetric: bool,
    /// The lower end; it may be negative, so that the window is centred on 0.
    pub from: f64,
    /// The upper end.
    pub to: f64,
}

impl Window {
    /// The value and the derivative.
    #[inline]
    pub fn evaluate(&self, a: f64) -> (f64, f64) {
        if a <= self.from || a >= self.to {
            return (0.0, 0.0);
        }
        let per_width = 2.0 / (self.to - self.from);
        let x = (a - 0.5 * (self.from + self.to)) * per_width;
        let slope = if x < 0.0 { -per_width } else { per_width };
        let x = x.abs();
        if self.asymmetric {
            let (value, derivative) = self.core.evaluate((2.0 - x) * x);
            return (value, derivative * (2.0 - 2.0 * x) * slope);
        }
        let (value, derivative) = self.core.evaluate(x);
        (value, derivative * slope)
    }

    /// Whether both ends are finite and in order.
    pub(super) fn is_valid(&self) -> bool {
        self.from.is_finite() && self.to.is_finite() && self.from < self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORES: [Core; 5] = [
        Core::Polynomial1,
        Core::Polynomial2,
        Core::Polynomial3,
        Core::Polynomial4,
        Core::Exponential,
    ];

    #[test]
    fn derivatives_are_those_of_the_values_and_the_ends_are_right() {
        for core in CORES {
            for asymmetric in [false, true] {
                for (from, to) in [(1.0, 4.0), (-3.0, 3.0)] {
                    let window = Window {
                        core,
                        asymmetric,
                        from,
                        to,
                    };
                    for part in [0.02, 0.1, 0.3, 0.45, 0.55, 0.7, 0.93, 0.99] {
                        let a = from + part * (to - from);
                        let h = 1e-4;
                        let rise = |h: f64| (window.evaluate(a + h).0 - window.evaluate(a - h).0) / (2.0 * h);
                        let slope = (4.0 * rise(h) - rise(2.0 * h)) / 3.0;
                        let (_, derivative) = window.evaluate(a);
                        assert!(
                            (slope - derivative).abs() < 1e-8,
                            "{window:?} {a}: {slope} {derivative}"
                        );
                    }
                    assert_eq!(window.evaluate(0.5 * (from + to)).0, 1.0);
                    for end in [from, to, from - 1.0, to + 1.0] {
                        assert_eq!(window.evaluate(end), (0.0, 0.0));
                    }
                    for inside in [from.next_up(), from + 1e-9, to - 1e-9, to.next_down()] {
                        let (value, derivative) = window.evaluate(inside);
                        assert!(
                            value.abs() < 1e-12 && derivative.abs() < 1e-7,
                            "{window:?}: {value} {derivative}"
                        );
                    }
                }
            }
        }
    }
}
