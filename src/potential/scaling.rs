//! What is known of the symmetry functions of an element in the training data: shift, factor and range.

use serde::{Deserialize, Serialize};

/// Shift and factor of each symmetry function of an element: x = (G − shift)·factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// What is subtracted, F entries.
    pub shift: Vec<f64>,
    /// What the difference is multiplied by, F entries.
    pub factor: Vec<f64>,
}

impl Scaling {
    /// x = G for `count` functions.
    pub fn identity(count: usize) -> Self {
        Self {
            shift: vec![0.0; count],
            factor: vec![1.0; count],
        }
    }

    /// Scales G in place.
    pub fn apply(&self, values: &mut [f64]) {
        for ((value, shift), factor) in values.iter_mut().zip(&self.shift).zip(&self.factor) {
            *value = (*value - shift) * factor;
        }
    }
}

/// The smallest and the largest value of each symmetry function of an element in the training data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureRange {
    /// F entries.
    pub minimum: Vec<f64>,
    /// F entries.
    pub maximum: Vec<f64>,
}

impl FeatureRange {
    /// The range of no data: it holds nothing.
    pub fn empty(count: usize) -> Self {
        Self {
            minimum: vec![f64::MAX; count],
            maximum: vec![f64::MIN; count],
        }
    }

    /// Widens the range to hold an atom's functions (F entries).
    pub fn include<'a>(&mut self, values: impl IntoIterator<Item = &'a f64>) {
        for ((minimum, maximum), value) in self.minimum.iter_mut().zip(&mut self.maximum).zip(values) {
            *minimum = minimum.min(*value);
            *maximum = maximum.max(*value);
        }
    }

    /// Whether an atom's functions (F entries) lie within the range. Rounding of the ends is forgiven.
    pub fn holds(&self, values: &[f64]) -> bool {
        let ends = self.minimum.iter().zip(&self.maximum);
        ends.zip(values).all(|((minimum, maximum), value)| {
            if minimum > maximum {
                return false;
            }
            let slack = 1e-9 * (maximum - minimum).abs().max(1e-6 * maximum.abs());
            *value >= minimum - slack && *value <= maximum + slack
        })
    }
}
