//! Variants compared: each number over the seeds, with its standard error.

use super::measure::Measured;

/// A mean over seeds and its standard error (NaN with one seed).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error, from the scatter over seeds.
    pub error: f64,
}

impl Estimate {
    /// Over the values that are finite.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let square: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Self {
            mean,
            error: (square / (count - 1.0) / count).sqrt(),
        }
    }
}

/// One of the numbers compared.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name in files.
    pub key: &'static str,
    /// Its name with unit.
    pub name: &'static str,
    /// Digits after the point in tables.
    pub digits: usize,
    /// The number of a run.
    pub value: fn(&Measured) -> f64,
}

/// What is compared, in order.
pub const METRICS: [Metric; 9] = [
    Metric {
        key: "acceptance",
        name: "acceptance",
        digits: 3,
        value: |m| m.acceptance,
    },
    Metric {
        key: "tau",
        name: "τ / samples",
        digits: 2,
        value: |m| m.tau,
    },
    Metric {
        key: "ess",
        name: "ESS",
        digits: 0,
        value: |m| m.ess,
    },
    Metric {
        key: "ess-per-call",
        name: "ESS / call, sampling",
        digits: 3,
        value: |m| m.ess_per_call,
    },
    Metric {
        key: "ess-per-call-total",
        name: "ESS / call, all phases",
        digits: 3,
        value: |m| m.ess_per_call_total,
    },
    Metric {
        key: "ess-per-second",
        name: "ESS / s of counted cost",
        digits: 5,
        value: |m| m.ess_per_second,
    },
    Metric {
        key: "labels-to-freeze",
        name: "labels to freeze",
        digits: 0,
        value: |m| m.labels_to_freeze,
    },
    Metric {
        key: "error",
        name: "energy error σ / meV",
        digits: 2,
        value: |m| m.error,
    },
    Metric {
        key: "energy",
        name: "U per atom / eV",
        digits: 5,
        value: |m| m.energy,
    },
];

/// A variant over its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantSummary {
    /// The variant's name.
    pub name: String,
    /// Its series in plots.
    pub group: String,
    /// Where it stands in plots.
    pub x: Option<f64>,
    /// Its runs that are complete.
    pub runs: Vec<Measured>,
}

impl VariantSummary {
    /// A number over the seeds.
    pub fn estimate(&self, metric: &Metric) -> Estimate {
        Estimate::new(self.runs.iter().map(metric.value))
    }
}

/// The numbers of each variant as they are written: mean ± standard error.
pub fn summarise(variants: &[VariantSummary]) -> Vec<Vec<String>> {
    let cell = |variant: &VariantSummary, metric: &Metric| {
        let estimate = variant.estimate(metric);
        let digits = metric.digits;
        match (estimate.mean.is_finite(), estimate.error.is_finite()) {
            (false, _) => "–".to_owned(),
            (true, false) => format!("{:.digits$}", estimate.mean),
            (true, true) => format!("{:.digits$} ± {:.digits$}", estimate.mean, estimate.error),
        }
    };
    variants
        .iter()
        .map(|variant| {
            let mut row = vec![variant.name.clone(), variant.runs.len().to_string()];
            row.extend(METRICS.iter().map(|metric| cell(variant, metric)));
            row
        })
        .collect()
}

/// The table for people.
pub fn table(variants: &[VariantSummary]) -> String {
    let mut rows = vec![vec!["variant".to_owned(), "seeds".to_owned()]];
    rows[0].extend(METRICS.iter().map(|metric| metric.name.to_owned()));
    rows.extend(summarise(variants));
    let columns = rows[0].len();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_from_the_scatter_over_seeds() {
        let estimate = Estimate::new([1.0, 3.0, f64::NAN]);
        assert_eq!((estimate.mean, estimate.error), (2.0, 1.0));
        let single = Estimate::new([4.0]);
        assert!(single.mean == 4.0 && single.error.is_nan());
        assert!(Estimate::new([]).mean.is_nan());
    }
}
