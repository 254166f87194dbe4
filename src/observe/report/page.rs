//! The page: summary with verdicts and what to do next, numbers, figures, what was tuned and why, events.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::Figure;
use crate::analysis::advice::{Line, Verdict};
use crate::analysis::plot::for_page;
use crate::observe::columns::Column;
use crate::run::cost::{Cost, duration};
use crate::run::records::Event;
use crate::run::results::{Analysis, Results};
use crate::units::{BOLTZMANN, FEMTOSECOND};

/// A part of a page with a place in its contents.
pub struct Section {
    /// The heading.
    pub title: String,
    /// What stands below it.
    pub body: Markup,
}

/// One line of the table of means: name, mean ± error with unit, effective samples, τ, R-hat.
type Row = [String; 5];

/// The whole document, style and all: no script, no request.
pub fn document(title: &str, subtitle: &str, head: &Markup, sections: &[Section]) -> String {
    let anchor = |index: usize| format!("part-{index}");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Whatever went wrong, the page can ask for nothing.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                meta name="color-scheme" content="light dark";
                title { (title) }
                // Without an icon of its own a page makes browsers ask for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    h1 { (title) }
                    p.quiet { (subtitle) }
                    nav aria-label="contents" {
                        @for (index, section) in sections.iter().enumerate() {
                            a href={ "#" (anchor(index)) } { (section.title) }
                        }
                    }
                    (head)
                    @for (index, section) in sections.iter().enumerate() {
                        section id=(anchor(index)) {
                            h2 { (section.title) }
                            (section.body)
                        }
                    }
                    footer { "slmc " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    };
    markup.into_string()
}

/// A value with its error, the error with two digits: 12.345 ± 0.067.
pub fn with_error(value: f64, error: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if !(error.is_finite() && error > 0.0) {
        return format!("{value:.6}");
    }
    let decimals = (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{value:.decimals$} ± {error:.decimals$}")
}

/// A line of the table of means, from an object with the keys of `slmc analyze --json`.
fn summary_row(name: &str, unit: &str, numbers: &Value) -> Option<Row> {
    let get = |key: &str| numbers.get(key).and_then(Value::as_f64);
    let mean = with_error(get("mean")?, get("mcse").unwrap_or(f64::NAN));
    let show = |key: &str, digits: usize| get(key).map_or("–".to_owned(), |x| format!("{x:.digits$}"));
    Some([
        name.to_owned(),
        format!("{mean} {unit}").trim().to_owned(),
        show("ess_bulk", 0),
        show("tau", 2),
        show("rhat", 3),
    ])
}

pub(super) fn page(
    results: &Results,
    analysis: &Analysis,
    columns: &[Column],
    figures: &[Figure],
    events: &[Event],
) -> String {
    let temperature = results.thermal_energy / BOLTZMANN;
    let title = format!("{} at {temperature:.0} K", formula(results));
    let calls = results.oracle_calls();
    let subtitle = format!(
        "{} atoms, {} chains, {} averaged samples, {} oracle calls",
        results.start.len(),
        results.decisions.len(),
        analysis.json["samples"],
        calls.total
    );
    let mut sections = vec![
        Section {
            title: "Verdicts".to_owned(),
            body: verdicts(&analysis.lines),
        },
        Section {
            title: "Means".to_owned(),
            body: means(analysis, columns),
        },
    ];
    if let Some(tempering) = &results.tempering {
        sections.push(Section {
            title: "Replica exchange".to_owned(),
            body: super::replicas::table(tempering, results.config.ensemble.npt.is_some()),
        });
    }
    for figure in figures {
        sections.push(Section {
            title: figure.title.clone(),
            body: drawn(figure),
        });
    }
    if !results.generations.is_empty() {
        sections.push(Section {
            title: "Networks and tuning".to_owned(),
            body: tuning(results),
        });
    }
    sections.push(Section {
        title: "Events".to_owned(),
        body: history(events),
    });
    let configuration = toml::to_string_pretty(&results.config).unwrap_or_default();
    sections.push(Section {
        title: "Configuration".to_owned(),
        body: html! { details { summary { "as it was run" } pre { (configuration) } } },
    });
    document(&title, &subtitle, &overview(results, analysis), &sections)
}

/// The figure with its caption.
pub fn drawn(figure: &Figure) -> Markup {
    html! {
        figure role="img" aria-label=(figure.title) {
            (PreEscaped(for_page(&figure.svg)))
            figcaption { (figure.caption) }
        }
    }
}

/// Si64, or O48Si24: the elements by symbol with their numbers.
fn formula(results: &Results) -> String {
    let mut text = String::new();
    for element in results.start.elements() {
        let count = results.start.species.iter().filter(|own| **own == element).count();
        text.push_str(element.symbol());
        if count > 1 {
            text.push_str(&count.to_string());
        }
    }
    text
}

fn overview(results: &Results, analysis: &Analysis) -> Markup {
    let value = |path: &str| analysis.json.pointer(path).and_then(Value::as_f64);
    let show = |x: Option<f64>, digits: usize| x.map_or("–".to_owned(), |x| format!("{x:.digits$}"));
    let calls = results.oracle_calls();
    let energy = with_error(
        value("/potential_energy/mean").unwrap_or(f64::NAN),
        value("/potential_energy/mcse").unwrap_or(f64::NAN),
    );
    let tiles = [
        (format!("{energy} eV"), "potential energy".to_owned()),
        (
            show(value("/potential_energy/ess_bulk"), 0),
            "effective samples".to_owned(),
        ),
        (show(value("/acceptance"), 3), "acceptance while sampling".to_owned()),
        (
            show(value("/ess_per_oracle_call"), 3),
            "effective samples per oracle call after the freeze".to_owned(),
        ),
        (
            calls.total.to_string(),
            format!(
                "oracle calls: {} bootstrap, {} learning, {} sampling",
                calls.bootstrap, calls.learning, calls.sampling
            ),
        ),
        (
            with_error(
                value("/exp_minus_beta_delta_h/mean").unwrap_or(f64::NAN),
                value("/exp_minus_beta_delta_h/mcse").unwrap_or(f64::NAN),
            ),
            "⟨exp(−βΔH)⟩, one in equilibrium".to_owned(),
        ),
    ];
    let wanting: Vec<&Line> = analysis.lines.iter().filter(|line| !line.advice.is_empty()).collect();
    html! {
        @if analysis.json["exact"] == Value::Bool(false) {
            div.alarm { "Not exact: these averages are not the oracle's ensemble, for nothing was rejected." }
        }
        @if value("/unphysical").is_some_and(|fraction| fraction > 0.0) {
            div.alarm { "The oracle had no answer for some proposals: the ensemble is truncated there." }
        }
        div.tiles {
            @for (number, name) in &tiles {
                div.tile { b { (number) } span { (name) } }
            }
        }
        @if let Some(remark) = analysis.anticorrelation() {
            p { (remark) "." }
        }
        h2 { "What to do next" }
        @if analysis.lines.is_empty() {
            p { "Nothing has been sampled yet: let the run go on." }
        } @else if wanting.is_empty() {
            p { "Nothing: every check is fine." }
        } @else {
            ul {
                @for line in wanting {
                    li { span class={ "verdict " (class(line.verdict)) } { (line.name) ": " } (line.advice) "." }
                }
            }
        }
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Watch => "watch",
        Verdict::Bad => "bad",
    }
}

fn verdicts(lines: &[Line]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "" } th { "check" } th { "value" } th { "should be" } } }
            tbody {
                @for line in lines {
                    tr {
                        td class={ "verdict " (class(line.verdict)) } { (line.verdict.to_string()) }
                        td { (line.name) }
                        td { (line.value) }
                        td { (line.threshold) }
                    }
                }
            }
        } }
    }
}

fn means(analysis: &Analysis, columns: &[Column]) -> Markup {
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(summary_row(
        "potential energy",
        "eV",
        &analysis.json["potential_energy"],
    ));
    let temperature = serde_json::json!({
        "mean": analysis.json["temperature_kinetic"],
        "mcse": analysis.json["temperature_kinetic_mcse"],
    });
    rows.extend(summary_row("kinetic temperature", "K", &temperature));
    rows.extend(summary_row("pressure", "GPa", &analysis.json["pressure_gpa"]));
    for (key, name, unit) in [("volume", "volume", "Å³"), ("density", "density", "g/cm³")] {
        rows.extend(summary_row(name, unit, &analysis.json[key]));
    }
    if let Some(stress) = analysis.json["stress_configurational_gpa"].as_object() {
        for (component, numbers) in stress {
            rows.extend(summary_row(
                &format!("stress {component}, configurational"),
                "GPa",
                numbers,
            ));
        }
    }
    for column in columns {
        rows.extend(summary_row(&column.name, &column.unit, &column.json()));
    }
    html! {
        div.scroll { table {
            thead { tr {
                th { "observable" } th { "mean ± standard error" }
                th.number { "effective samples" } th.number { "τ in samples" } th.number { "R-hat" }
            } }
            tbody {
                @for [name, mean, effective, tau, rhat] in &rows {
                    tr { td { (name) } td { (mean) } td.number { (effective) } td.number { (tau) } td.number { (rhat) } }
                }
            }
        } }
    }
}

fn tuning(results: &Results) -> Markup {
    html! {
        p { "Everything below was decided from numbers, never by a clock, and is frozen before sampling." }
        div.scroll { table {
            thead { tr {
                th.number { "network" } th.number { "labels" } th.number { "expected error / meV" }
                th.number { "time step / fs" } th.number { "steps" } th.number { "segments" } th.number { "jitter" } th { "masses" } th { "why" }
            } }
            tbody {
                @for generation in &results.generations {
                    tr {
                        td.number { (generation.generation) @if generation.frozen { " (frozen)" } }
                        td.number { (generation.labels) }
                        td.number { (generation.validation_error.map_or("–".to_owned(), |error| format!("{:.2}", 1e3 * error))) }
                        td.number { (format!("{:.2}", generation.trajectory.time_step / FEMTOSECOND)) }
                        td.number { (generation.trajectory.steps) }
                        td.number { (generation.trajectory.segments) }
                        td.number { (format!("{:.2}", generation.trajectory.jitter)) }
                        td {
                            @match generation.masses {
                                None => { "by element" }
                                Some(made_for) => { "matrix of network " (made_for) }
                            }
                        }
                        td {
                            @if generation.kept_previous { "training failed, the network before it was kept; " }
                            (generation.reason)
                        }
                    }
                }
            }
        } }
    }
}

/// Retries, repairs, stops: what happened besides labels.
fn history(events: &[Event]) -> Markup {
    const MOST: usize = 60;
    let begun = events.first().map_or(0.0, |event| event.time);
    let cost = Cost::of(events);
    let others: Vec<&Event> = events.iter().filter(|event| event.kind != "label").collect();
    let left_out = others.len().saturating_sub(MOST);
    html! {
        @if let Some(cost) = cost { p { (cost) "." } }
        @if left_out > 0 { p.quiet { "The latest " (MOST) " of " (others.len()) "." } }
        div.scroll { table {
            thead { tr { th.number { "after" } th { "event" } th { "what happened" } } }
            tbody {
                @for event in &others[left_out..] {
                    tr {
                        td.number { (duration(event.time - begun)) }
                        td { (event.kind) }
                        td { @if let Some(request) = &event.request { (request) ": " } (event.message) }
                    }
                }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_two_digits() {
        assert_eq!(with_error(-277.123_456, 0.012_34), "-277.123 ± 0.012");
        assert_eq!(with_error(300.4, 12.3), "300 ± 12");
        assert_eq!(with_error(1.5, f64::NAN), "1.500000");
        assert_eq!(with_error(f64::NAN, 1.0), "–");
    }

    #[test]
    fn what_users_write_is_escaped() {
        let section = Section {
            title: "a <b> & \"c\"".to_owned(),
            body: html! { p { "<script>alert(1)</script>" } },
        };
        let text = document("</title><script>", "&", &html! {}, &[section]);
        assert!(!text.contains("<script"), "{text}");
        assert!(text.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    }
}
