//! Replica exchange in the report: averages on each rung, rates between them, and how walkers travelled.

use maud::{Markup, html};

use super::Figure;
use super::page::with_error;
use crate::analysis::plot::{Chart, Scale, Series, Style, chart};
use crate::run::replicas::{Tempering, name};
use crate::units::BOLTZMANN;

/// More curves than this cannot be told apart.
const MOST_CURVES: usize = 6;
/// A path is drawn with at most this many points.
const MOST_POINTS: usize = 400;
const BINS: usize = 40;

/// One row a rung.
pub(super) fn table(tempering: &Tempering, with_pressure: bool) -> Markup {
    let time = tempering.round_trip_time;
    html! {
        div.scroll { table {
            thead { tr {
                th { "rung" } th.number { "potential energy / eV" } th.number { "effective samples" } th.number { "R-hat" }
                th.number { "acceptance" } th.number { "rate of exchange with the next" }
            } }
            tbody {
                @for (index, own) in tempering.rungs.iter().enumerate() {
                    tr {
                        td { (name(&own.rung, with_pressure)) }
                        td.number { (with_error(own.energy.mean, own.energy.mcse)) }
                        td.number { (format!("{:.0}", own.energy.ess_bulk)) }
                        td.number { (format!("{:.3}", own.energy.rhat)) }
                        td.number { (format!("{:.3}", own.acceptance)) }
                        td.number { @if let Some(pair) = tempering.pairs.get(index).filter(|pair| pair.attempts > 0) {
                            (format!("{:.3} of {} attempts", pair.rate, pair.attempts))
                        } @else { "–" } }
                    }
                }
            }
        } }
        p {
            (tempering.round_trips) " round trips of walkers from the first rung to the last and back"
            @if let Some(time) = time { ", one each " (format!("{time:.0}")) " steps of a walker" }
            @if tempering.expected_round_trips.is_finite() {
                "; the rates alone let " (format!("{:.0}", tempering.expected_round_trips)) " be expected"
            }
            ". All other numbers and figures of this page belong to one \
             rung; the file of each chain is an ensemble at one temperature."
        }
    }
}

/// The figures of a ladder.
pub(super) fn figures(tempering: &Tempering) -> Vec<Option<Figure>> {
    vec![overlap(tempering), rates(tempering), paths(tempering)]
}

/// At most [`MOST_CURVES`] indices, the first and the last among them.
fn some_of(count: usize) -> Vec<usize> {
    if count <= MOST_CURVES {
        return (0..count).collect();
    }
    let mut chosen: Vec<usize> = (0..MOST_CURVES).map(|k| k * (count - 1) / (MOST_CURVES - 1)).collect();
    chosen.dedup();
    chosen
}

/// Distributions of the potential energy.
fn overlap(tempering: &Tempering) -> Option<Figure> {
    let chosen = some_of(tempering.rungs.len());
    let all = || {
        let rungs = chosen.iter().map(|rung| &tempering.rungs[*rung]);
        rungs.flat_map(|own| own.energies.iter().flatten().copied())
    };
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), u| {
        (low.min(u), high.max(u))
    });
    if all().count() < 20 * chosen.len() || high <= low {
        return None;
    }
    let width = (high - low) / BINS as f64;
    let series = chosen.iter().map(|rung| {
        let own = &tempering.rungs[*rung];
        let mut counts = vec![0.0_f64; BINS];
        let energies: Vec<f64> = own.energies.iter().flatten().copied().collect();
        for energy in &energies {
            counts[(((energy - low) / width) as usize).min(BINS - 1)] += 1.0;
        }
        let points = counts.iter().enumerate().map(|(bin, count)| {
            (
                low + (bin as f64 + 0.5) * width,
                count / (energies.len() as f64 * width),
            )
        });
        let label = format!("{:.0} K", own.rung.thermal_energy / BOLTZMANN);
        Series::new(label, points.collect(), Style::Line)
    });
    let figure = Chart {
        x: ("potential energy / eV".to_owned(), Scale::Linear),
        y: ("density / (1/eV)".to_owned(), Scale::Linear),
        series: series.collect(),
        ..Chart::default()
    };
    Figure::new(
        "ladder",
        "Energies on the ladder",
        "How the potential energy is distributed on the rungs. States are traded where neighbours overlap.",
        chart(&figure),
    )
}

/// Rates of exchange along the ladder.
fn rates(tempering: &Tempering) -> Option<Figure> {
    let points: Vec<(f64, f64)> = tempering
        .pairs
        .iter()
        .enumerate()
        .filter(|(_, pair)| pair.attempts > 0)
        .map(|(lower, pair)| (lower as f64, pair.rate))
        .collect();
    let errors = tempering.pairs.iter().filter(|pair| pair.attempts > 0).map(|pair| {
        let count = pair.attempts as f64;
        (pair.rate * (1.0 - pair.rate) / count).sqrt()
    });
    let mut series = Series::new("", points, Style::Joined);
    series.errors = errors.collect();
    if series.points.is_empty() {
        return None;
    }
    let kelvin = |rung: usize| format!("{:.0}", tempering.rungs[rung].rung.thermal_energy / BOLTZMANN);
    let names = (0..tempering.pairs.len()).map(|lower| format!("{}–{}", kelvin(lower), kelvin(lower + 1)));
    let figure = Chart {
        x: ("between temperatures / K".to_owned(), Scale::Names(names.collect())),
        y: ("rate of exchange".to_owned(), Scale::Fixed(0.0, 1.0)),
        series: vec![series],
        ..Chart::default()
    };
    Figure::new(
        "exchange",
        "Rates of exchange",
        "The part of attempts that trade states, for each pair of neighbours. A ladder is well placed where they are equal; the lowest holds all walkers up.",
        chart(&figure),
    )
}

/// Where walkers of the first ladder were.
fn paths(tempering: &Tempering) -> Option<Figure> {
    let rounds = tempering.paths.first().map_or(0, Vec::len);
    if rounds < 10 {
        return None;
    }
    let shown = rounds.min(MOST_POINTS);
    let series = some_of(tempering.paths.len()).into_iter().take(3).map(|walker| {
        let points = tempering.paths[walker].iter().take(shown).enumerate();
        let points = points.map(|(round, rung)| (round as f64, *rung as f64)).collect();
        Series::new(format!("walker {walker}"), points, Style::Line)
    });
    let figure = Chart {
        x: ("averaged step".to_owned(), Scale::Fixed(0.0, shown as f64)),
        y: ("rung".to_owned(), Scale::Linear),
        series: series.collect(),
        ..Chart::default()
    };
    Figure::new(
        "walkers",
        "Walkers on the ladder",
        "The rungs that some walkers of the first ladder visited. What is found on hot rungs reaches the cold ones by walkers that go up and come back.",
        chart(&figure),
    )
}
