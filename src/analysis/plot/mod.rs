//! Figures as SVG text and, drawn from it, as PNG: what a run learned for its labels, and what its samples look like.
//!
//! White background, the colours of Okabe and Ito (distinct to colour-blind eyes), letters legible at a page's width.

mod axis;
mod calibration;
mod chart;
mod learning;
mod panel;
mod raster;
mod trace;

pub use calibration::calibration_plot;
pub use chart::{Chart, Scale, Series, Style, chart};
pub use learning::{LearningCurve, learning_curve};
pub use raster::png;
pub use trace::{Trace, trace_and_autocorrelation};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::AnalysisError;

const BLUE_LINE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREEN_LINE: RGBColor = RGBColor(0, 158, 115);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
/// Letters and axes.
const INK: RGBColor = RGBColor(45, 45, 45);
/// Grid lines.
const GRID: RGBColor = RGBColor(228, 228, 228);
/// What stands in the background: guides and their names.
const GUIDE: RGBColor = RGBColor(120, 120, 120);
/// The order in which series take their colours.
const PALETTE: [RGBColor; 6] = [BLUE_LINE, VERMILION, GREEN_LINE, PURPLE, ORANGE, SKY];

const FONT: &str = "Helvetica, Arial, sans-serif";
/// Sizes of letters in pixels of the figure: title, axis names, numbers.
const TITLE: i32 = 23;
const NAME: i32 = 20;
const NUMBER: i32 = 18;

fn letters(size: i32, color: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&color)
}

/// Letters whose given corner stands at the point they are drawn at.
fn anchored(size: i32, color: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    letters(size, color).pos(Pos::new(horizontal, vertical))
}

fn failed(error: impl std::fmt::Display) -> AnalysisError {
    AnalysisError::Plot(error.to_string())
}

/// The points with two finite coordinates.
fn finite(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let kept = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    kept.copied().collect()
}

/// The area below a title; all of it where the title is empty.
fn titled<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    title: &str,
) -> Result<DrawingArea<SVGBackend<'a>, Shift>, AnalysisError> {
    if title.is_empty() {
        return Ok(area.clone());
    }
    area.titled(title, letters(TITLE, INK)).map_err(failed)
}

/// A figure for the inside of a page: as wide as its place, without background, its colours those of the page's style
/// (`--ink`, `--grid`, `--guide`, `--series-1` … `--series-6`) and, without one, those it was drawn in.
pub fn for_page(svg: &str) -> String {
    let mut themed = svg.to_owned();
    // The first rectangle is the background; the page has its own.
    if let Some(at) = themed.find("<rect")
        && let Some(length) = themed[at..].find("/>")
        && themed[at..at + length].contains("#FFFFFF")
    {
        themed.replace_range(at..at + length + 2, "");
    }
    let names = ["ink", "grid", "guide"].into_iter().map(str::to_owned);
    let series = (1..=PALETTE.len()).map(|n| format!("series-{n}"));
    for (name, color) in names.chain(series).zip([INK, GRID, GUIDE].iter().chain(&PALETTE)) {
        let RGBColor(r, g, b) = color;
        let hexadecimal = format!("#{r:02X}{g:02X}{b:02X}");
        themed = themed.replace(
            &format!("\"{hexadecimal}\""),
            &format!("\"var(--{name}, {hexadecimal})\""),
        );
    }
    themed
}
