//! The error of the total energy and the acceptance against the root of the number of atoms, where a study varies it.

use std::collections::BTreeSet;

use super::summary::VariantSummary;
use crate::analysis::plot::{Chart, Scale, Series, Style, chart};
use crate::analysis::statistics::complementary_error_function;
use crate::observe::report::Figure;

/// Fewer sizes show no law.
const FEWEST_SIZES: usize = 3;

/// For each group of variants βσ√(1−ρ) and the acceptance against √N, one point a run: the first with the straight line of independent
/// atomic errors, the second with what that line makes of erfc((βσ/2)√(1−ρ)).
pub fn size_law(variants: &[VariantSummary]) -> Option<Figure> {
    let mut groups: Vec<(&str, Vec<[f64; 3]>)> = Vec::new();
    for variant in variants {
        let points = variant.runs.iter().map(|run| {
            let root = (run.atoms as f64).sqrt();
            [root, run.beta_sigma, run.acceptance]
        });
        let points = points.filter(|point| point.iter().all(|x| x.is_finite()));
        match groups.iter().position(|(name, _)| *name == variant.group) {
            Some(at) => groups[at].1.extend(points),
            None => groups.push((&variant.group, points.collect())),
        }
    }
    // Sizes are told apart by their roots' bits.
    let sizes = |points: &[[f64; 3]]| {
        points
            .iter()
            .map(|point| point[0].to_bits())
            .collect::<BTreeSet<_>>()
            .len()
    };
    groups.retain(|(_, points)| sizes(points) >= FEWEST_SIZES);
    let most = groups
        .iter()
        .flat_map(|(_, points)| points)
        .map(|point| point[0])
        .fold(0.0, f64::max);
    let mut series = Vec::new();
    for (name, points) in &groups {
        // Through the origin, all points with the same relative weight.
        let slope = points.iter().map(|point| point[1] / point[0]).sum::<f64>() / points.len() as f64;
        let of = |index: usize| points.iter().map(|point| (point[0], point[index])).collect();
        let line = |value: &dyn Fn(f64) -> f64| {
            let xs = (0..=100).map(|i| 1.03 * most * f64::from(i) / 100.0);
            xs.map(|x| (x, value(slope * x))).collect()
        };
        let named = |what: &str| {
            if name.is_empty() {
                what.to_owned()
            } else {
                format!("{what}, {name}")
            }
        };
        series.push(Series::new(named("acceptance"), of(2), Style::Points));
        series.push(Series::new(
            "its law",
            line(&|x| complementary_error_function(0.5 * x)),
            Style::Dashed,
        ));
        series.push(Series::new(named("βσ√(1−ρ)"), of(1), Style::Points));
        series.push(Series::new("∝ √N", line(&|x| x), Style::Line));
    }
    let figure = Chart {
        x: ("√N".to_owned(), Scale::Linear),
        y: ("acceptance, βσ√(1−ρ)".to_owned(), Scale::Linear),
        series,
        ..Chart::default()
    };
    Some(Figure {
        name: "size".to_owned(),
        title: "Acceptance and error against size".to_owned(),
        caption: "One point a run, N atoms. Full, the error of the total energy in kT, less its correlation along a proposal, if atoms err \
                  independently; dashed, the acceptance that this error leaves. Points below it show what the integrator costs."
            .to_owned(),
        svg: chart(&figure).ok()?,
    })
}
