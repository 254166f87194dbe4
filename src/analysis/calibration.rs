//! Whether predicted errors are true ones: pairs of both, sorted by the prediction and averaged in bins.
//!
//! Levi, Gispan, Giladi and Fetaya, Sensors 22, 5540 (2022): in a calibrated model the root mean square of the errors in a bin equals
//! the root mean square of the predictions.

/// One bin: root mean squares over its pairs.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CalibrationBin {
    /// Of the predicted errors.
    pub predicted: f64,
    /// Of the true errors.
    pub actual: f64,
    /// The number of pairs.
    pub count: usize,
}

/// At most `bins` bins of equally many (predicted, true) errors, in order of the prediction. Pairs that are not finite are left
/// out.
pub fn calibration(pairs: &[(f64, f64)], bins: usize) -> Vec<CalibrationBin> {
    let mut pairs: Vec<(f64, f64)> = pairs
        .iter()
        .copied()
        .filter(|(predicted, actual)| predicted.is_finite() && actual.is_finite())
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bins = bins.min(pairs.len());
    (0..bins)
        .map(|bin| {
            let part = &pairs[bin * pairs.len() / bins..(bin + 1) * pairs.len() / bins];
            let rms = |values: &dyn Fn(&(f64, f64)) -> f64| {
                (part.iter().map(|pair| values(pair).powi(2)).sum::<f64>() / part.len() as f64).sqrt()
            };
            CalibrationBin {
                predicted: rms(&|pair| pair.0),
                actual: rms(&|pair| pair.1),
                count: part.len(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equally_many_pairs_in_order() {
        let pairs: Vec<(f64, f64)> = (0..100).rev().map(|k| (f64::from(k), 2.0 * f64::from(k))).collect();
        let bins = calibration(&pairs, 10);
        assert_eq!(bins.len(), 10);
        for (k, bin) in bins.iter().enumerate() {
            assert_eq!(bin.count, 10);
            assert!((bin.actual - 2.0 * bin.predicted).abs() < 1e-12);
            assert!(bin.predicted >= 10.0 * k as f64 && bin.predicted <= 10.0 * k as f64 + 9.0);
        }
        assert_eq!(calibration(&[(f64::NAN, 1.0)], 10), []);
        assert_eq!(calibration(&[(1.0, 3.0)], 10).len(), 1);
    }
}
