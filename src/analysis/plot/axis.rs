//! Where an axis begins and ends, where its ticks stand and what is written there.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// One axis: its range and its ticks, in the coordinate that is drawn (log₁₀ of the value on a logarithmic axis).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
    logarithmic: bool,
    decimals: usize,
    names: Vec<String>,
}

impl Axis {
    /// A linear axis over the values, widened to the ticks around them; about `count` ticks at multiples of 1, 2 or 5.
    pub fn linear(values: impl IntoIterator<Item = f64>, count: usize) -> Self {
        let (low, high) = bounds(values);
        let span = if high > low { high - low } else { low.abs().max(1.0) };
        let raw = span / count.max(1) as f64;
        let power = raw.log10().floor();
        let decade = 10.0_f64.powf(power);
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * decade)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(10.0 * decade);
        let first = (low / step + 1e-9).floor() as i64;
        let last = ((high / step - 1e-9).ceil() as i64).max(first + 1);
        Self {
            low: first as f64 * step,
            high: last as f64 * step,
            ticks: (first..=last).map(|k| k as f64 * step).collect(),
            logarithmic: false,
            decimals: (-(step.log10() + 1e-9).floor()).max(0.0) as usize,
            names: Vec::new(),
        }
    }

    /// A linear axis that ends exactly at the given bounds.
    pub fn fixed(low: f64, high: f64, count: usize) -> Self {
        let wide = Self::linear([low, high], count);
        let ticks = wide
            .ticks
            .iter()
            .copied()
            .filter(|t| *t >= low - 1e-9 && *t <= high + 1e-9);
        Self {
            low,
            high,
            ticks: ticks.collect(),
            ..wide
        }
    }

    /// An axis with a name at each of 0, 1, 2, …; long names are cut where there are many.
    pub fn names(names: &[String]) -> Self {
        let most = (75 / names.len().max(1)).max(3);
        let cut = |name: &String| {
            if name.chars().count() > most {
                name.chars().take(most - 1).chain(['…']).collect()
            } else {
                name.clone()
            }
        };
        Self {
            low: -0.5,
            high: names.len() as f64 - 0.5,
            ticks: (0..names.len()).map(|index| index as f64).collect(),
            logarithmic: false,
            decimals: 0,
            names: names.iter().map(cut).collect(),
        }
    }

    /// A logarithmic axis over the positive ones of the values, with ticks at 1, 2 and 5 of each decade, or at the
    /// decades alone where there are many.
    pub fn logarithmic(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = bounds(values.into_iter().filter(|v| *v > 0.0).map(f64::log10));
        let marks: &[f64] = if high - low > 2.6 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = (low.floor() as i32 - 1)..=(high.ceil() as i32 + 1);
        let all: Vec<f64> = decades
            .flat_map(|d| marks.iter().map(move |m| f64::from(d) + m.log10()))
            .collect();
        let first = all.iter().rposition(|t| *t <= low + 1e-9).unwrap_or(0);
        let last = all
            .iter()
            .position(|t| *t >= high - 1e-9)
            .unwrap_or(all.len() - 1)
            .max(first + 1);
        Self {
            low: all[first],
            high: all[last],
            ticks: all[first..=last].to_vec(),
            logarithmic: true,
            decimals: 0,
            names: Vec::new(),
        }
    }

    /// The pixels that the numbers and the name of a vertical axis need beside it.
    pub fn room(&self) -> i32 {
        let widest = self.ticks.iter().map(|t| self.label(*t).chars().count()).max();
        48 + 10 * widest.unwrap_or(0) as i32
    }

    /// What is written at a tick.
    pub fn label(&self, tick: f64) -> String {
        if let Some(name) = self.names.get(tick.round().max(0.0) as usize) {
            return name.clone();
        }
        if self.logarithmic {
            let value = 10.0_f64.powf(tick);
            let decimals = (-(tick + 1e-9).floor()).max(0.0) as usize;
            return format!("{value:.decimals$}");
        }
        let text = format!("{tick:.*}", self.decimals);
        // A zero has no sign.
        if text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') {
            text.trim_start_matches('-').to_owned()
        } else {
            text.replace('-', "−")
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let fraction = (value - self.low) / (self.high - self.low);
        (f64::from(first) + fraction * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

fn bounds(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|t| axis.label(*t)).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            labels(&Axis::linear([3.0, 97.0], 5)),
            ["0", "20", "40", "60", "80", "100"]
        );
        assert_eq!(labels(&Axis::linear([-0.1, 0.31], 4)), ["−0.2", "0.0", "0.2", "0.4"]);
        assert_eq!(labels(&Axis::fixed(0.0, 1.0, 4)), ["0.0", "0.5", "1.0"]);
        assert_eq!(
            labels(&Axis::logarithmic([1.3, 40.0, -1.0])),
            ["1", "2", "5", "10", "20", "50"]
        );
        assert_eq!(labels(&Axis::logarithmic([0.3])), ["0.2", "0.5"]);
        assert_eq!(
            labels(&Axis::logarithmic([0.02, 900.0])),
            ["0.01", "0.1", "1", "10", "100", "1000"]
        );
        assert_eq!(labels(&Axis::linear([f64::NAN], 2)), ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(&Axis::linear([5.0, 5.0], 2)).len(), 2);
    }
}
