//! One panel of a figure: axes, grid, series, guides and the key to the colours.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::{GRID, GUIDE, INK, NAME, NUMBER, anchored, failed, letters};
use crate::analysis::AnalysisError;

/// A rectangle that series are drawn in.
pub(super) struct Panel<'a> {
    chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>,
    x: Axis,
    y: Axis,
}

/// One entry of the key: the name, the colour, and whether the line is dashed.
pub(super) type KeyEntry<'a> = (&'a str, RGBColor, bool);

impl<'a> Panel<'a> {
    /// Axes and grid, with `room` pixels left of the y axis (see [`Axis::room`]); an empty name of the x axis leaves its
    /// numbers out too (for a panel above another).
    pub fn new(
        area: &DrawingArea<SVGBackend<'a>, Shift>,
        room: i32,
        (x, x_name): (&Axis, &str),
        (y, y_name): (&Axis, &str),
    ) -> Result<Self, AnalysisError> {
        let mut chart = ChartBuilder::on(area)
            .margin_left(6)
            .margin_right(26)
            .margin_top(14)
            .margin_bottom(if x_name.is_empty() { 4 } else { 8 })
            .set_label_area_size(LabelAreaPosition::Left, room)
            .set_label_area_size(LabelAreaPosition::Bottom, if x_name.is_empty() { 6 } else { 58 })
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(failed)?;
        let write_x = |tick: &f64| {
            if x_name.is_empty() {
                String::new()
            } else {
                x.label(*tick)
            }
        };
        chart
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID.stroke_width(1))
            .axis_style(INK.stroke_width(1))
            .label_style(letters(NUMBER, INK))
            .axis_desc_style(letters(NAME, INK))
            .x_labels(x.ticks.len())
            .y_labels(y.ticks.len())
            .x_label_formatter(&write_x)
            .x_desc(x_name)
            .y_desc(y_name)
            .draw()
            .map_err(failed)?;
        Ok(Self {
            chart,
            x: x.clone(),
            y: y.clone(),
        })
    }

    /// A line through the points, with a disc at each where they are few enough to be told apart.
    pub fn series(&mut self, points: &[(f64, f64)], color: RGBColor) -> Result<(), AnalysisError> {
        self.line(points, color, 2)?;
        if points.len() <= 80 {
            let discs = points.iter().map(|point| Circle::new(*point, 4, color.filled()));
            self.chart.draw_series(discs).map_err(failed)?;
        }
        Ok(())
    }

    /// A line through the points.
    pub fn line(&mut self, points: &[(f64, f64)], color: RGBColor, width: u32) -> Result<(), AnalysisError> {
        let line = LineSeries::new(points.iter().copied(), color.stroke_width(width));
        self.chart.draw_series(line).map_err(failed)?;
        Ok(())
    }

    /// A disc at each point.
    pub fn discs(&mut self, points: &[(f64, f64)], color: RGBColor) -> Result<(), AnalysisError> {
        let discs = points.iter().map(|point| Circle::new(*point, 5, color.filled()));
        self.chart.draw_series(discs).map_err(failed)?;
        Ok(())
    }

    /// A dashed line through the points.
    pub fn dashed(&mut self, points: &[(f64, f64)], color: RGBColor, width: u32) -> Result<(), AnalysisError> {
        let line = DashedLineSeries::new(points.iter().copied(), 7, 5, color.stroke_width(width));
        self.chart.draw_series(line).map_err(failed)?;
        Ok(())
    }

    /// A vertical line from the foot to the point, for each point.
    pub fn stems(&mut self, points: &[(f64, f64)], color: RGBColor, width: u32) -> Result<(), AnalysisError> {
        let stems = points
            .iter()
            .map(|(x, y)| PathElement::new(vec![(*x, 0.0), (*x, *y)], color.stroke_width(width)));
        self.chart.draw_series(stems).map_err(failed)?;
        Ok(())
    }

    /// A vertical guide, named at its foot on the side with more room.
    pub fn vertical_guide(&mut self, at: f64, name: &str) -> Result<(), AnalysisError> {
        self.dashed(&[(at, self.y.low), (at, self.y.high)], GUIDE, 1)?;
        let right = at < 0.5 * (self.x.low + self.x.high);
        let gap = 0.01 * (self.x.high - self.x.low) * if right { 1.0 } else { -1.0 };
        let side = if right { HPos::Left } else { HPos::Right };
        self.write(
            name,
            (at + gap, self.y.low + 0.04 * (self.y.high - self.y.low)),
            side,
            VPos::Bottom,
        )
    }

    /// A horizontal guide, named below its right end.
    pub fn horizontal_guide(&mut self, at: f64, name: &str) -> Result<(), AnalysisError> {
        self.dashed(&[(self.x.low, at), (self.x.high, at)], GUIDE, 1)?;
        let place = (
            self.x.high - 0.01 * (self.x.high - self.x.low),
            at - 0.02 * (self.y.high - self.y.low),
        );
        self.write(name, place, HPos::Right, VPos::Top)
    }

    /// Grey letters at a point.
    pub fn write(&mut self, text: &str, at: (f64, f64), side: HPos, height: VPos) -> Result<(), AnalysisError> {
        let text = Text::new(text.to_owned(), at, anchored(NUMBER, GUIDE, side, height));
        self.chart.draw_series([text]).map_err(failed)?;
        Ok(())
    }

    /// The key to the colours, one row per entry, its upper right corner at a fraction of the panel's width and height.
    pub fn key(&mut self, entries: &[KeyEntry], across: f64, up: f64) -> Result<(), AnalysisError> {
        let (width, height) = (self.x.high - self.x.low, self.y.high - self.y.low);
        for (row, (name, color, dashed)) in entries.iter().enumerate() {
            let y = self.y.low + (up - 0.115 * row as f64) * height;
            let line = [
                (self.x.low + (across - 0.06) * width, y),
                (self.x.low + across * width, y),
            ];
            if *dashed {
                self.dashed(&line, *color, 2)?;
            } else {
                self.line(&line, *color, 2)?;
            }
            let place = (self.x.low + (across + 0.012) * width, y);
            let text = Text::new(
                (*name).to_owned(),
                place,
                anchored(NUMBER, INK, HPos::Left, VPos::Center),
            );
            self.chart.draw_series([text]).map_err(failed)?;
        }
        Ok(())
    }
}
