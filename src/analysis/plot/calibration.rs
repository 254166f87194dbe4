//! The figure of a calibration: true errors against predicted ones, and the line on which they are equal.

use plotters::prelude::*;

use super::axis::Axis;
use super::panel::Panel;
use super::{BLUE_LINE, VERMILION, failed, titled};
use crate::analysis::AnalysisError;
use crate::analysis::calibration::CalibrationBin;

/// True against predicted error of the bins, on equal linear axes with `unit` in their names: an SVG of 620 × 560 pixels.
pub fn calibration_plot(title: &str, unit: &str, bins: &[CalibrationBin]) -> Result<String, AnalysisError> {
    let points: Vec<(f64, f64)> =
        super::finite(&bins.iter().map(|bin| (bin.predicted, bin.actual)).collect::<Vec<_>>());
    let most = points.iter().map(|(x, y)| x.max(*y)).fold(0.0, f64::max);
    if points.is_empty() || most <= 0.0 {
        return Err(AnalysisError::Plot("there are no errors to compare".to_owned()));
    }
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (620, 560)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let area = titled(&root, title)?;
        let x = Axis::linear([0.0, most], 5);
        let y = Axis::linear([0.0, most], 5);
        let names = (format!("predicted error / {unit}"), format!("true error / {unit}"));
        let mut panel = Panel::new(&area, y.room(), (&x, &names.0), (&y, &names.1))?;
        panel.dashed(&[(0.0, 0.0), (most, most)], VERMILION, 2)?;
        panel.series(&points, BLUE_LINE)?;
        panel.key(
            &[("observed", BLUE_LINE, false), ("calibrated", VERMILION, true)],
            0.62,
            0.22,
        )?;
    }
    Ok(svg)
}
