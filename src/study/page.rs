//! The plots and the page of a study.

use maud::html;

use super::size::size_law;
use super::specification::Specification;
use super::summary::{METRICS, VariantSummary, summarise};
use crate::analysis::plot::{Chart, Scale, Series, Style, chart};
use crate::analysis::statistics::complementary_error_function;
use crate::observe::report::{Figure, Section, document, drawn};

/// Each number against x, or variant by variant where there is no x; and acceptance against error with its law.
pub fn plots(study: &Specification, variants: &[VariantSummary]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = law(variants).into_iter().chain(size_law(variants)).collect();
    let against_x = !variants.is_empty() && variants.iter().all(|variant| variant.x.is_some());
    for metric in &METRICS {
        let mut series: Vec<Series> = Vec::new();
        for (index, variant) in variants.iter().enumerate() {
            let estimate = variant.estimate(metric);
            if !estimate.mean.is_finite() {
                continue;
            }
            let name = if against_x {
                variant.group.clone()
            } else {
                String::new()
            };
            let at = match series.iter().position(|own| own.name == name) {
                Some(at) => at,
                None => {
                    series.push(Series::new(name, Vec::new(), Style::Joined));
                    series.len() - 1
                }
            };
            if !against_x {
                series[at].style = Style::Points;
            }
            let x = variant.x.filter(|_| against_x).unwrap_or(index as f64);
            series[at].points.push((x, estimate.mean));
            series[at].errors.push(estimate.error);
        }
        let scale = if study.x_logarithmic {
            Scale::Logarithmic
        } else {
            Scale::Linear
        };
        let x = if against_x {
            (study.x_name.clone(), scale)
        } else {
            let names = variants.iter().map(|variant| variant.name.clone()).collect();
            (String::from("variant"), Scale::Names(names))
        };
        let figure = Chart {
            x,
            y: (metric.name.to_owned(), Scale::Linear),
            series,
            ..Chart::default()
        };
        if let Ok(svg) = chart(&figure) {
            figures.push(Figure {
                name: metric.key.to_owned(),
                title: metric.name.to_owned(),
                caption: "Means over seeds; bars are standard errors from the scatter over seeds.".to_owned(),
                svg,
            });
        }
    }
    figures
}

/// Acceptance against βσ√(1−ρ), one point a run, with erfc(x/2) through them.
///
/// Gupta, Irbäck, Karsch and Petersson, Phys. Lett. B 242, 437 (1990).
fn law(variants: &[VariantSummary]) -> Option<Figure> {
    let mut groups: Vec<Series> = Vec::new();
    for variant in variants {
        for run in &variant.runs {
            if !(run.beta_sigma.is_finite() && run.acceptance.is_finite()) {
                continue;
            }
            let name = if variant.group.is_empty() {
                "runs"
            } else {
                &variant.group
            };
            let at = match groups.iter().position(|own| own.name == name) {
                Some(at) => at,
                None => {
                    groups.push(Series::new(name, Vec::new(), Style::Points));
                    groups.len() - 1
                }
            };
            groups[at].points.push((run.beta_sigma, run.acceptance));
        }
    }
    if groups.is_empty() {
        return None;
    }
    let most = groups
        .iter()
        .flat_map(|own| &own.points)
        .map(|point| point.0)
        .fold(1.0, f64::max);
    let curve = (0..=100).map(|i| 1.05 * most * f64::from(i) / 100.0);
    let curve = curve.map(|x| (x, complementary_error_function(0.5 * x))).collect();
    groups.push(Series::new("erfc((βσ/2)√(1−ρ))", curve, Style::Dashed));
    let figure = Chart {
        x: ("βσ√(1−ρ)".to_owned(), Scale::Linear),
        y: ("acceptance".to_owned(), Scale::Fixed(0.0, 1.0)),
        series: groups,
        ..Chart::default()
    };
    Some(Figure {
        name: "law".to_owned(),
        title: "Acceptance against error".to_owned(),
        caption: "One point a run: acceptance against the measured error of the total energy in kT, less its correlation along a \
                  proposal; dashed, the law of a Gaussian error."
            .to_owned(),
        svg: chart(&figure).ok()?,
    })
}

/// The page, in the look of a run's report.
pub fn page(study: &Specification, variants: &[VariantSummary], figures: &[Figure], failures: &[String]) -> String {
    let rows = summarise(variants);
    let comparison = html! {
        div.scroll { table {
            thead { tr {
                th { "variant" } th.number { "seeds" }
                @for metric in &METRICS { th.number { (metric.name) } }
            } }
            tbody {
                @for row in &rows { tr {
                    @for (index, cell) in row.iter().enumerate() {
                        td class=(if index == 0 { "name" } else { "number" }) { (cell) }
                    }
                } }
            }
        } }
        p.quiet {
            "Mean ± standard error over seeds. A second of counted cost: " (study.oracle_seconds) " s an oracle call, "
            (study.first_stage_seconds) " s a label of a first stage and " (study.step_seconds)
            " s a time step on the network, given by the study; no clock was read."
        }
    };
    let settings = html! {
        div.scroll { table {
            thead { tr { th { "variant" } th { "settings on top of the base configuration" } } }
            tbody {
                @for variant in &study.variants { tr {
                    td.name { (variant.name) }
                    td { @for setting in study.settings(variant, super::specification::POTENTIAL, &[]) { code { (setting) } br; } }
                } }
            }
        } }
    };
    let mut sections = vec![Section {
        title: "Comparison".to_owned(),
        body: comparison,
    }];
    for figure in figures {
        sections.push(Section {
            title: figure.title.clone(),
            body: drawn(figure),
        });
    }
    sections.push(Section {
        title: "Variants".to_owned(),
        body: settings,
    });
    let head = html! {
        @if !study.description.is_empty() { p { (study.description) } }
        @for failure in failures { div.alarm { (failure) } }
    };
    let title = if study.title.is_empty() { "Study" } else { &study.title };
    let runs: usize = variants.iter().map(|variant| variant.runs.len()).sum();
    let subtitle = format!("{} variants, {runs} complete runs", variants.len());
    document(title, &subtitle, &head, &sections)
}
