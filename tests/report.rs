//! Promise: a run's report opens in a real browser without asking for anything, and its exports in the programs they are for.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{expect, repository, silicon, text};

/// Whether a program that a check needs must be there: `SLMC_REQUIRE_ORACLES` names it.
fn required(name: &str) -> bool {
    std::env::var("SLMC_REQUIRE_ORACLES").is_ok_and(|names| names.split([',', ' ']).any(|own| own == name))
}

/// Two columns of small numbers.
fn table_rows(count: u32) -> String {
    let rows: Vec<String> = (0..count).map(|i| format!("{},{}", i % 7, i % 5)).collect();
    rows.join("\n")
}

/// Says what is left out; panics where it must not be.
fn skip(name: &str) {
    assert!(!required(name), "{name} is required and not there");
    eprintln!("skipped: {name} is not installed");
}

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser"].into_iter().find(|name| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

fn python_has(modules: &str) -> bool {
    Command::new("python3")
        .args(["-c", &format!("import {modules}")])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn browse(browser: &str, page: &Path, folder: &Path, extra: &[&str]) -> (String, String) {
    let output = Command::new("timeout")
        .args([
            "120",
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--enable-logging=stderr", "--window-size=1280,800"])
        .arg(format!("--user-data-dir={}", folder.join("browser").display()))
        .args(extra)
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Measures the page from inside: its figures, whether it is too wide, its colours, what it asked for.
const PROBE: &str = r#"<script>addEventListener("load",()=>{
const letters=[...document.querySelectorAll("svg text")].filter(t=>t.textContent.trim());
document.body.setAttribute("data-probe",[
"figures="+document.querySelectorAll("figure svg").length,
"wide="+(document.documentElement.scrollWidth>document.documentElement.clientWidth),
"dark="+matchMedia("(prefers-color-scheme: dark)").matches,
"page="+getComputedStyle(document.body).backgroundColor.replaceAll(" ",""),
"letters="+getComputedStyle(letters[0]).fill.replaceAll(" ",""),
"tall="+letters.every(t=>Math.max(t.getBoundingClientRect().height,t.getBoundingClientRect().width)>=9),
"requests="+performance.getEntriesByType("resource").length].join(" "));});</script></body>"#;

fn open_in_a_browser(html: &Path, figures: usize) {
    let page = std::fs::read_to_string(html).unwrap();
    for forbidden in ["<script", "src=", "@import", "url(", "<link rel=\"stylesheet\"", "NaN"] {
        assert!(!page.contains(forbidden), "the page holds {forbidden}");
    }
    for address in page.split("href=\"").skip(1) {
        assert!(address.starts_with(['#', 'd']), "{}", &address[..20]);
    }
    assert_eq!(page.matches("<figure").count(), figures);
    let Some(browser) = chromium() else {
        return skip("chromium");
    };
    let folder = tempfile::tempdir().unwrap();
    let (_, log) = browse(browser, html, folder.path(), &[]);
    assert!(!log.contains("CONSOLE"), "{log}");
    let probed = folder.path().join("probed.html");
    // The page forbids scripts and requests; without that it would still have none of its own.
    let open = page
        .replace("Content-Security-Policy", "x-nothing")
        .replace("</body>", PROBE);
    std::fs::write(&probed, open).unwrap();
    for (flags, dark, background, ink) in [
        (&[][..], false, "rgb(255,255,255)", "rgb(34,37,42)"),
        (
            &["--blink-settings=preferredColorScheme=0"][..],
            true,
            "rgb(20,23,27)",
            "rgb(230,232,235)",
        ),
    ] {
        let (dom, log) = browse(browser, &probed, folder.path(), flags);
        let found = dom
            .split("data-probe=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let expected =
            format!("figures={figures} wide=false dark={dark} page={background} letters={ink} tall=true requests=0");
        assert_eq!(found, Some(expected.as_str()), "{log}");
    }
}

/// The figures of a folder: each is there as SVG and as a PNG of twice its size, of more than one colour.
fn figures_in(folder: &Path) -> Vec<PathBuf> {
    let all = || std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |ending: &str| {
        all()
            .filter(|path| path.extension().is_some_and(|own| own == ending))
            .collect()
    };
    let drawn: Vec<PathBuf> = of("svg");
    assert_eq!(all().count(), 2 * drawn.len());
    for svg in &drawn {
        let text = std::fs::read_to_string(svg).unwrap();
        let number = |name: &str| -> u32 {
            let rest = text.split(&format!("{name}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let picture = resvg::tiny_skia::Pixmap::load_png(svg.with_extension("png")).unwrap();
        let size = (2 * number("width"), 2 * number("height"));
        assert_eq!((picture.width(), picture.height()), size, "{}", svg.display());
        let colours: std::collections::BTreeSet<_> = picture
            .pixels()
            .iter()
            .map(|pixel| (pixel.red(), pixel.green(), pixel.blue()))
            .collect();
        assert!(colours.len() > 10, "{}: {} colours", svg.display(), colours.len());
    }
    drawn
}

#[test]
fn the_report_opens_and_the_exports_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let run = folder.path().join("run");
    expect(
        0,
        &[
            "run",
            text(&config),
            "--set",
            "sampling.steps=150",
            "-q",
            "--out",
            text(&run),
        ],
    );
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for part in [
        "What to do next",
        "Networks and tuning",
        "Events",
        "Radial distribution",
        "Ranks",
        "as it was run",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let plots = figures_in(&run.join("plots"));
    assert!(plots.len() >= 6, "{plots:?}");
    assert_eq!(page.matches("<figure").count(), plots.len());
    open_in_a_browser(&run.join("report.html"), plots.len());

    // Columns of the user: in text, JSON and page; the name is shown as written, not run.
    let table = folder.path().join("mine.csv");
    let rows = table_rows(148);
    std::fs::write(&table, rows).unwrap();
    let column = format!("mine={}", text(&table));
    let html = folder.path().join("again.html");
    let observables = [
        "--observable",
        "<b>bond</b>=distance:0,1",
        "--observable",
        "angle:0,1,2",
        "--observable",
        "msd:Si",
    ];
    let mut arguments = vec!["analyze", text(&run), "--column", &column, "--html", text(&html)];
    arguments.extend(observables);
    let (out, _) = expect(0, &arguments);
    assert!(
        out.contains("\nmine ") && out.contains("Å², ") && out.contains("R-hat"),
        "{out}"
    );
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("&lt;b&gt;bond&lt;/b&gt;") && !page.contains("<b>bond"));
    open_in_a_browser(&html, plots.len() + 4);
    arguments.truncate(4);
    arguments.extend(observables);
    arguments.push("--json");
    let (json, _) = expect(0, &arguments);
    let analysis: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mean = (0..148).map(|i| f64::from(i % 7 + i % 5)).sum::<f64>() / 296.0;
    let mine = &analysis["columns"]["mine"];
    assert!((mine["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    for key in ["mcse", "ess_bulk", "tau", "rhat"] {
        assert!(mine[key].is_f64(), "{key}");
    }
    assert_eq!(analysis["columns"]["msd:Si"]["unit"], "Å²");

    // What does not fit is named, with the remedy.
    std::fs::write(&table, "1,2\n3,4\n").unwrap();
    let (_, error) = expect(65, &["analyze", text(&run), "--column", &column]);
    assert!(
        error.contains("2 columns of 2 rows") && error.contains("150, or 148"),
        "{error}"
    );
    let (_, error) = expect(64, &["analyze", text(&run), "--observable", "distance:0,99"]);
    assert!(error.contains("there is no atom 99"), "{error}");

    exports(folder.path(), &run, &json);
}

fn exports(folder: &Path, run: &Path, json: &str) {
    std::fs::write(folder.join("analysis.json"), json).unwrap();
    let rows = table_rows(148);
    std::fs::write(folder.join("mine.csv"), rows).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let run = text(run);
    let column = format!("mine={}", path("mine.csv"));
    expect(0, &["export", "arviz", run, &path("run.zarr"), "--column", &column]);
    let (_, error) = expect(73, &["export", "arviz", run, &path("run.zarr")]);
    assert!(error.contains("not empty"), "{error}");
    expect(0, &["export", "csv", run, &path("tables")]);
    expect(0, &["export", "csv", run, &path("steps.csv")]);
    assert_eq!(
        std::fs::read(folder.join("steps.csv")).unwrap(),
        std::fs::read(folder.join("tables/steps.csv")).unwrap()
    );
    expect(0, &["export", "xyz", run, &path("out.xyz")]);
    expect(0, &["export", "xdatcar", run, &path("XDATCAR")]);
    expect(0, &["export", "lammps-dump", run, &path("out.dump")]);
    let frames = |name: &str, mark: &str| {
        std::fs::read_to_string(folder.join(name))
            .unwrap()
            .matches(mark)
            .count()
    };
    let count = frames("out.xyz", "slmc_chain");
    assert!(count > 90, "{count}");
    assert_eq!(frames("XDATCAR", "Direct configuration="), count);
    assert_eq!(frames("out.dump", "ITEM: TIMESTEP"), count);
    let (_, error) = expect(64, &["export", "xyz", run, &path("no.xyz"), "--chain", "2"]);
    assert!(error.contains("there is no chain 2"), "{error}");

    let mut wanted = vec!["csv"];
    for (name, modules) in [("arviz", "arviz, zarr"), ("ase", "ase")] {
        if python_has(modules) {
            wanted.push(name);
        } else {
            skip(name);
        }
    }
    if !python_has("numpy") {
        return skip("numpy");
    }
    let output = Command::new("python3")
        .arg(repository("tests/fixtures/exports.py"))
        .arg(folder)
        .args(&wanted)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for name in wanted {
        assert!(said.contains(name), "{said}");
    }
}

/// The schema accepts what the program accepts and refuses what it refuses.
#[test]
fn the_schema_validates_the_examples() {
    let (schema, _) = expect(0, &["schema"]);
    if !python_has("jsonschema, tomllib") {
        return skip("jsonschema");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schema.json"), schema).unwrap();
    let script = r#"
import glob, json, sys, tomllib
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
configs = glob.glob(sys.argv[2] + "/*/slmc.toml")
assert len(configs) >= 5, configs
for path in configs:
    config = tomllib.load(open(path, "rb"))
    errors = [error.message for error in validator.iter_errors(config)]
    assert not errors, (path, errors)
    config["smapling"] = {}
    assert list(validator.iter_errors(config)), path
    del config["smapling"]
    config.setdefault("sampling", {})["setps"] = 3
    assert list(validator.iter_errors(config)), path
print(len(configs))
"#;
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(folder.path().join("schema.json"))
        .arg(repository("examples"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
