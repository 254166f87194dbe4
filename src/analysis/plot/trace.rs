//! The figure of an observable: its trace in each chain, and its autocorrelation.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::panel::Panel;
use super::{BLUE_LINE, PALETTE, failed, titled};
use crate::analysis::AnalysisError;
use crate::analysis::statistics::{Summary, autocorrelation};

/// What [`trace_and_autocorrelation`] draws.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The title, empty for none.
    pub title: String,
    /// The observable with its unit, such as "potential energy / eV".
    pub name: String,
    /// Its values, one series per chain.
    pub chains: Vec<Vec<f64>>,
}

/// At most this many points of a chain are drawn: the lowest and the highest of each stretch.
const MOST_POINTS: usize = 1000;

/// The trace of each chain on the left, the autocorrelation averaged over chains on the right, τ written in it: an SVG of
/// 1000 × 360 pixels.
pub fn trace_and_autocorrelation(trace: &Trace) -> Result<String, AnalysisError> {
    let longest = trace.chains.iter().map(Vec::len).max().unwrap_or(0);
    if !trace.chains.iter().flatten().any(|x| x.is_finite()) {
        return Err(AnalysisError::Plot("the trace is empty".to_owned()));
    }
    let tau = Summary::new(&trace.chains).tau;
    let lags = if tau.is_finite() { (6.0 * tau) as usize } else { 0 };
    let correlation = autocorrelation(&trace.chains, lags.clamp(20, 500) + 1);

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (1000, 360)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let area = titled(&root, &trace.title)?;
        let (left, right) = area.split_horizontally(620);

        let x = Axis::fixed(0.0, longest as f64, 5);
        let y = Axis::linear(trace.chains.iter().flatten().copied(), 4);
        let mut panel = Panel::new(&left, y.room(), (&x, "sample"), (&y, &trace.name))?;
        for (chain, color) in trace.chains.iter().zip(PALETTE.iter().cycle()) {
            panel.line(&thinned(chain), *color, 1)?;
        }

        let x = Axis::fixed(0.0, (correlation.len().max(2) - 1) as f64, 4);
        let lowest = correlation.iter().copied().fold(0.0, f64::min);
        let y = Axis::fixed((10.0 * lowest).floor().min(-1.0) / 10.0, 1.0, 5);
        let mut panel = Panel::new(&right, y.room(), (&x, "lag"), (&y, "autocorrelation"))?;
        let points: Vec<(f64, f64)> = correlation
            .iter()
            .enumerate()
            .map(|(lag, c)| (lag as f64, *c))
            .collect();
        panel.line(&[(x.low, 0.0), (x.high, 0.0)], super::INK, 1)?;
        panel.stems(&points, BLUE_LINE, if points.len() > 60 { 1 } else { 3 })?;
        if tau.is_finite() {
            let place = (x.low + 0.96 * (x.high - x.low), y.low + 0.94 * (y.high - y.low));
            panel.write(&format!("τ = {tau:.1} samples"), place, HPos::Right, VPos::Top)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// The finite points of a chain; of a long one, the lowest and the highest of each stretch.
fn thinned(chain: &[f64]) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = chain
        .iter()
        .enumerate()
        .map(|(i, x)| (i as f64, *x))
        .filter(|p| p.1.is_finite())
        .collect();
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = (2 * points.len()).div_ceil(MOST_POINTS);
    let extremes = points.chunks(stretch).flat_map(|chunk| {
        let first = chunk[0];
        let (low, high) = chunk.iter().fold((first, first), |(low, high), p| {
            (if p.1 < low.1 { *p } else { low }, if p.1 > high.1 { *p } else { high })
        });
        if low.0 <= high.0 { [low, high] } else { [high, low] }
    });
    extremes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_holds_traces_and_autocorrelation() {
        let chain = |c: u32| -> Vec<f64> {
            let mut value = 0.0;
            let step = |i: u32| (f64::from(i * i + 31 * c) * 0.731).sin();
            (0..3000)
                .map(|i| {
                    value = 0.8 * value + 0.05 * step(i);
                    -277.5 + value
                })
                .collect()
        };
        let trace = Trace {
            title: "Silicon, 64 atoms, 300 K".to_owned(),
            name: "potential energy / eV".to_owned(),
            chains: (0..3).map(chain).collect(),
        };
        let svg = trace_and_autocorrelation(&trace).unwrap();
        for text in ["potential energy / eV", "autocorrelation", "lag", "τ = "] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.len() < 100_000, "{} bytes", svg.len());
        if let Ok(folder) = std::env::var("SLMC_FIGURES") {
            std::fs::write(std::path::Path::new(&folder).join("trace.svg"), svg).unwrap();
        }
        assert!(trace_and_autocorrelation(&Trace::default()).is_err());
    }

    #[test]
    fn a_constant_or_a_single_sample_can_be_drawn() {
        for chain in [vec![1.0; 10], vec![2.0]] {
            let trace = Trace {
                chains: vec![chain],
                ..Trace::default()
            };
            assert!(!trace_and_autocorrelation(&trace).unwrap().contains("NaN"));
        }
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let mut chain = vec![0.0; 100_000];
        chain[77_777] = 5.0;
        chain[3] = -4.0;
        let kept = thinned(&chain);
        assert!(kept.len() <= MOST_POINTS + 2);
        assert!(kept.contains(&(77_777.0, 5.0)) && kept.contains(&(3.0, -4.0)));
    }
}
