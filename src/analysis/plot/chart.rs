//! One panel with any series: lines, points with error bars, steps of a histogram, and a key above it.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::panel::Panel;
use super::{GUIDE, INK, NUMBER, PALETTE, anchored, failed, titled};
use crate::analysis::AnalysisError;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line through the points.
    #[default]
    Line,
    /// A dashed line.
    Dashed,
    /// Discs.
    Points,
    /// Discs joined by a line.
    Joined,
}

/// Points of one colour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the key; empty for none.
    pub name: String,
    /// The points; those with a coordinate that is not finite (or not positive on a logarithmic axis) are left out.
    pub points: Vec<(f64, f64)>,
    /// Half the length of each point's error bar; empty for none.
    pub errors: Vec<f64>,
    /// How it is drawn.
    pub style: Style,
}

impl Series {
    /// A series without error bars.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>, style: Style) -> Self {
        Self {
            name: name.into(),
            points,
            errors: Vec::new(),
            style,
        }
    }
}

/// How an axis is scaled.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scale {
    /// Linear, widened to round numbers.
    #[default]
    Linear,
    /// Linear between two ends.
    Fixed(f64, f64),
    /// Logarithmic.
    Logarithmic,
    /// A name at each of 0, 1, 2, …
    Names(Vec<String>),
}

/// What [`chart`] draws.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The title, empty for none.
    pub title: String,
    /// Name with unit and scale of the horizontal axis.
    pub x: (String, Scale),
    /// Name with unit and scale of the vertical axis.
    pub y: (String, Scale),
    /// What is drawn, in order.
    pub series: Vec<Series>,
    /// Horizontal guides with their names.
    pub guides: Vec<(f64, String)>,
    /// Whether the line y = x is drawn as a guide.
    pub diagonal: bool,
}

const WIDTH: i32 = 880;
const HEIGHT: i32 = 420;
/// Height of a row of the key, and the width that a letter of it takes.
const ROW: i32 = 28;
const LETTER: i32 = 10;

/// An SVG of 880 × 420 pixels.
pub fn chart(chart: &Chart) -> Result<String, AnalysisError> {
    let mut series = Vec::new();
    for own in &chart.series {
        let mut points = Vec::new();
        let mut bars = Vec::new();
        for (index, (x, y)) in own.points.iter().enumerate() {
            let (Some(x), Some(height)) = (placed(*x, &chart.x.1), placed(*y, &chart.y.1)) else {
                continue;
            };
            points.push((x, height));
            if let Some(error) = own.errors.get(index).filter(|error| error.is_finite() && **error > 0.0) {
                let low = placed(y - error, &chart.y.1).unwrap_or(height);
                if let Some(high) = placed(y + error, &chart.y.1) {
                    bars.push((x, low, high));
                }
            }
        }
        series.push((points, bars));
    }
    if series.iter().all(|(points, _)| points.is_empty()) {
        return Err(AnalysisError::Plot(format!("{} has no finite point", chart.title)));
    }
    let of = |axis: usize| {
        let mut values = Vec::new();
        for (points, bars) in &series {
            values.extend(points.iter().map(|p| if axis == 0 { p.0 } else { p.1 }));
            if axis == 1 {
                values.extend(bars.iter().flat_map(|bar| [bar.1, bar.2]));
            }
        }
        values
    };
    let x = scaled(&chart.x.1, of(0), 7);
    let guides = chart.guides.iter().filter_map(|guide| placed(guide.0, &chart.y.1));
    let y = scaled(&chart.y.1, of(1).into_iter().chain(guides).collect(), 5);

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH as u32, HEIGHT as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let area = titled(&root, &chart.title)?;
        let named: Vec<(usize, &Series)> = chart
            .series
            .iter()
            .enumerate()
            .filter(|(_, own)| !own.name.is_empty())
            .collect();
        let rows = rows(&named, WIDTH - y.room());
        let (key, area) = area.split_vertically(if rows.is_empty() {
            0
        } else {
            ROW * rows.len() as i32 + 6
        });
        for (row, entries) in rows.iter().enumerate() {
            let height = ROW * row as i32 + ROW / 2 + 6;
            for (index, left) in entries {
                let left = left + y.room() + 6;
                let color = PALETTE[index % PALETTE.len()];
                let middle = left + 14;
                match chart.series[*index].style {
                    Style::Points | Style::Joined => key.draw(&Circle::new((middle, height), 5, color.filled())),
                    Style::Line => key.draw(&PathElement::new(
                        vec![(left, height), (left + 28, height)],
                        color.stroke_width(3),
                    )),
                    Style::Dashed => key
                        .draw(&PathElement::new(
                            vec![(left, height), (left + 11, height)],
                            color.stroke_width(3),
                        ))
                        .and_then(|()| {
                            key.draw(&PathElement::new(
                                vec![(left + 17, height), (left + 28, height)],
                                color.stroke_width(3),
                            ))
                        }),
                }
                .map_err(failed)?;
                let place = (left + 36, height);
                let style = anchored(NUMBER, INK, HPos::Left, VPos::Center);
                key.draw(&Text::new(chart.series[*index].name.clone(), place, style))
                    .map_err(failed)?;
            }
        }
        let mut panel = Panel::new(&area, y.room(), (&x, &chart.x.0), (&y, &chart.y.0))?;
        if chart.diagonal {
            let low = x.low.max(y.low);
            let high = x.high.min(y.high);
            panel.dashed(&[(low, low), (high, high)], GUIDE, 1)?;
        }
        for (at, name) in &chart.guides {
            if let Some(at) = placed(*at, &chart.y.1) {
                panel.horizontal_guide(at, name)?;
            }
        }
        for (index, ((points, bars), own)) in series.iter().zip(&chart.series).enumerate() {
            let color = PALETTE[index % PALETTE.len()];
            for (x, low, high) in bars {
                panel.line(&[(*x, *low), (*x, *high)], color, 2)?;
            }
            match own.style {
                Style::Line => panel.line(points, color, 2)?,
                Style::Dashed => panel.dashed(points, color, 2)?,
                Style::Points => panel.discs(points, color)?,
                Style::Joined => {
                    panel.line(points, color, 2)?;
                    panel.discs(points, color)?;
                }
            }
        }
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// A coordinate as it is drawn.
fn placed(value: f64, scale: &Scale) -> Option<f64> {
    let value = match scale {
        Scale::Logarithmic if value <= 0.0 => return None,
        Scale::Logarithmic => value.log10(),
        _ => value,
    };
    value.is_finite().then_some(value)
}

fn scaled(scale: &Scale, values: Vec<f64>, count: usize) -> Axis {
    match scale {
        Scale::Linear => Axis::linear(values, count),
        Scale::Fixed(low, high) => Axis::fixed(*low, *high, count),
        Scale::Names(names) => Axis::names(names),
        Scale::Logarithmic => Axis::logarithmic(values.into_iter().map(|v| 10.0_f64.powf(v))),
    }
}

/// Entries of the key in rows, each with the pixel it begins at.
fn rows(named: &[(usize, &Series)], width: i32) -> Vec<Vec<(usize, i32)>> {
    let mut rows: Vec<Vec<(usize, i32)>> = Vec::new();
    let mut left = width;
    for (index, own) in named {
        let wide = 36 + LETTER * own.name.chars().count() as i32 + 20;
        if rows.is_empty() || left + wide > width {
            rows.push(Vec::new());
            left = 0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((*index, left));
        }
        left += wide;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_guides_and_key_are_drawn() {
        let points: Vec<(f64, f64)> = (1..20).map(|i| (f64::from(i), f64::from(i * i))).collect();
        let mut with_errors = Series::new("measured", points.clone(), Style::Points);
        with_errors.errors = vec![0.5; 19];
        let figure = Chart {
            title: "squares".to_owned(),
            x: ("n".to_owned(), Scale::Linear),
            y: ("n²".to_owned(), Scale::Logarithmic),
            series: vec![
                with_errors,
                Series::new(
                    "a very long name that takes most of a row",
                    points.clone(),
                    Style::Dashed,
                ),
                Series::new("another name that does not fit beside it", points, Style::Line),
            ],
            guides: vec![(100.0, "a hundred".to_owned())],
            diagonal: false,
        };
        let svg = chart(&figure).unwrap();
        for text in ["measured", "does not fit", "a hundred", "squares"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<circle").count(), 20);
        assert!(!svg.contains("NaN"));
        assert!(chart(&Chart::default()).is_err());
    }
}
