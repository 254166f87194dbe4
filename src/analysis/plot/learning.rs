//! The figure of a run's learning: acceptance and total-energy error against labels spent.

use plotters::prelude::*;

use super::axis::Axis;
use super::panel::Panel;
use super::{BLUE_LINE, VERMILION, failed, finite, titled};
use crate::analysis::AnalysisError;

/// The series of [`learning_curve`]; points with a coordinate that is not finite are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearningCurve {
    /// The title, empty for none.
    pub title: String,
    /// (labels spent, acceptance over a window that ends there), in order.
    pub acceptance: Vec<(f64, f64)>,
    /// (labels spent, acceptance the error predicts), drawn dashed; may be empty.
    pub predicted: Vec<(f64, f64)>,
    /// (labels spent, standard deviation of the total-energy error in meV), in order.
    pub error: Vec<(f64, f64)>,
    /// The thermal energy kT in meV, drawn as a guide.
    pub thermal_energy: Option<f64>,
    /// The number of labels at which the network was frozen, drawn as a guide.
    pub frozen_at: Option<f64>,
}

/// Acceptance above, the error on a logarithmic axis below, labels spent along both: an SVG of 880 × 600 pixels.
pub fn learning_curve(curve: &LearningCurve) -> Result<String, AnalysisError> {
    let (acceptance, predicted) = (finite(&curve.acceptance), finite(&curve.predicted));
    let error: Vec<(f64, f64)> = finite(&curve.error).into_iter().filter(|(_, e)| *e > 0.0).collect();
    if acceptance.is_empty() && error.is_empty() {
        return Err(AnalysisError::Plot(
            "there is neither an acceptance nor an error".to_owned(),
        ));
    }
    let labels = acceptance.iter().chain(&predicted).chain(&error).map(|p| p.0);
    let x = Axis::linear(labels.chain(curve.frozen_at).chain([0.0]), 7);

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (880, 600)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let area = titled(&root, &curve.title)?;
        let (upper, lower) = area.split_vertically((f64::from(area.dim_in_pixel().1) * 0.45) as i32);

        let y = Axis::fixed(0.0, 1.0, 5);
        let errors = Axis::logarithmic(error.iter().map(|p| p.1).chain(curve.thermal_energy));
        let room = y.room().max(errors.room());
        let mut panel = Panel::new(&upper, room, (&x, ""), (&y, "acceptance"))?;
        if let Some(labels) = curve.frozen_at {
            panel.vertical_guide(labels, "network frozen")?;
        }
        panel.dashed(&predicted, VERMILION, 2)?;
        panel.series(&acceptance, BLUE_LINE)?;
        if !predicted.is_empty() {
            let entries = [
                ("observed", BLUE_LINE, false),
                ("predicted from the error", VERMILION, true),
            ];
            panel.key(&entries, 0.69, 0.36)?;
        }

        let mut panel = Panel::new(&lower, room, (&x, "labels spent"), (&errors, "energy error / meV"))?;
        if let Some(labels) = curve.frozen_at {
            panel.vertical_guide(labels, "")?;
        }
        if let Some(thermal) = curve.thermal_energy.filter(|t| *t > 0.0) {
            panel.horizontal_guide(thermal.log10(), "kT")?;
        }
        let error: Vec<(f64, f64)> = error.iter().map(|(x, e)| (*x, e.log10())).collect();
        panel.series(&error, BLUE_LINE)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> LearningCurve {
        let labels: Vec<f64> = (1..=12).map(|k| 5.0 * f64::from(k)).collect();
        let error = |n: f64| 60.0 * (-n / 9.0).exp() + 0.8;
        let acceptance = |n: f64| super::super::super::acceptance::predicted_acceptance(error(n) / 25.9, 0.2);
        LearningCurve {
            title: "Silicon, 64 atoms, 300 K".to_owned(),
            acceptance: labels
                .iter()
                .map(|n| (*n, acceptance(*n) * (1.0 - 0.03 * (n * 3.0).sin().abs())))
                .collect(),
            predicted: labels.iter().map(|n| (*n, acceptance(*n))).collect(),
            error: labels.iter().map(|n| (*n, error(*n))).collect(),
            thermal_energy: Some(25.9),
            frozen_at: Some(60.0),
        }
    }

    #[test]
    fn the_figure_holds_its_series_and_names() {
        let svg = learning_curve(&curve()).unwrap();
        for text in [
            "labels spent",
            "acceptance",
            "energy error / meV",
            "network frozen",
            "kT",
            "Silicon, 64 atoms",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        // One disc for each of the twelve points of either series.
        assert_eq!(svg.matches("<circle").count(), 24);
        assert!(!svg.contains("NaN"));
        if let Ok(folder) = std::env::var("SLMC_FIGURES") {
            std::fs::write(std::path::Path::new(&folder).join("learning.svg"), svg).unwrap();
        }
    }

    #[test]
    fn gaps_are_left_out_and_nothing_is_an_error() {
        let mut gaps = curve();
        gaps.error[3].1 = f64::NAN;
        gaps.error[4].1 = 0.0;
        gaps.predicted.clear();
        assert_eq!(learning_curve(&gaps).unwrap().matches("<circle").count(), 22);
        assert!(matches!(
            learning_curve(&LearningCurve::default()),
            Err(AnalysisError::Plot(_))
        ));
    }
}
