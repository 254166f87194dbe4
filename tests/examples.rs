//! Every example runs: at reduced size from nothing to its report, and `slmc check` finds its full size good.

use std::path::Path;
use std::process::Command;

fn slmc(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_slmc"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary starts")
}

/// Runs an example with a few labels and steps; gives the analysis.
fn run(name: &str, settings: &[&str]) -> serde_json::Value {
    let config = match name.strip_suffix(".toml") {
        Some(_) => format!("examples/{name}"),
        None => format!("examples/{name}/slmc.toml"),
    };
    let checked = slmc(&["check", &config]);
    assert!(
        checked.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&checked.stderr)
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    let out_text = out.to_str().expect("a plain path");
    let mut arguments = vec!["run", &config, "--out", out_text, "--quiet"];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let finished = slmc(&arguments);
    assert!(
        finished.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&finished.stderr)
    );
    // Quartz on density-functional theory learns from too few labels here to draw how it learnt.
    let figure = if ["quartz-dft", "multi-fidelity/dft.toml"].contains(&name) {
        "trace"
    } else {
        "learning"
    };
    assert!(out.join("report.json").exists() && out.join(format!("plots/{figure}.svg")).exists());
    let analysis = slmc(&["analyze", out_text, "--json"]);
    serde_json::from_slice(&analysis.stdout).expect("the analysis is JSON")
}

/// What every learning example must show, however short.
fn learned(name: &str, stop_after: u64, acceptance: f64) {
    let settings = [
        format!("learning.stop-after={stop_after}"),
        "sampling.steps=12".to_owned(),
        "sampling.discard=2".to_owned(),
        "trajectory.most-segments=1".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let analysis = run(name, &settings);
    let number = |key: &str| {
        analysis
            .pointer(key)
            .and_then(serde_json::Value::as_f64)
            .unwrap_or_else(|| panic!("{name}: {key} in {analysis}"))
    };
    assert_eq!(number("/samples"), 20.0);
    assert!(number("/extrapolation/structures") > 0.0, "{analysis}");
    assert!(number("/oracle_calls/bootstrap") + number("/oracle_calls/learning") <= stop_after as f64);
    assert!(
        number("/acceptance") >= acceptance,
        "{name}: acceptance {}",
        number("/acceptance")
    );
}

#[test]
fn silicon_learns_from_a_handful_of_labels() {
    learned("silicon", 25, 0.6);
}

#[test]
fn quartz_learns_from_a_handful_of_labels() {
    learned("quartz", 25, 0.3);
}

#[test]
fn quartz_at_constant_pressure_learns_its_cell_too() {
    let settings = [
        "bootstrap.structures=15",
        "learning.stop-after=24",
        "trajectory.steps=15",
        "trajectory.tune=false",
        "sampling.steps=6",
        "sampling.discard=1",
    ];
    let analysis = run("npt-quartz", &settings);
    let mean = |key: &str| {
        analysis
            .pointer(&format!("{key}/mean"))
            .and_then(serde_json::Value::as_f64)
    };
    assert!(analysis["acceptance"].as_f64().unwrap() > 0.2, "{analysis}");
    assert!((800.0..920.0).contains(&mean("/volume").unwrap()), "{analysis}");
    assert!((118.0..122.0).contains(&mean("/cell/gamma").unwrap()), "{analysis}");
}

#[test]
fn argon_learns_from_a_handful_of_labels() {
    learned("argon", 40, 0.3);
}

#[test]
fn a_nested_alloy_swaps_its_atoms() {
    let settings = [
        "bootstrap.structures=6",
        "learning.stop-after=30",
        "descriptor.radial-count=5",
        "descriptor.angular-count=1",
        "descriptor.angular-degree=1",
        "trajectory.tune=false",
        "sampling.kernel.nested.inner-moves=9",
        "sampling.steps=15",
        "sampling.discard=1",
    ];
    let analysis = run("nested-alloy", &settings);
    let number = |key: &str| {
        analysis
            .pointer(key)
            .and_then(serde_json::Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    assert!(number("/acceptance") > 0.1, "{analysis}");
    assert!(number("/inner_moves/swap") > 0.05, "{analysis}");
}

#[test]
fn einstein_is_exact_with_wrong_proposals() {
    let analysis = run("einstein", &["sampling.steps=2000"]);
    let energy = &analysis["potential_energy"];
    let (mean, error) = (energy["mean"].as_f64().unwrap(), energy["mcse"].as_f64().unwrap());
    assert!(energy["ess_bulk"].as_f64().unwrap() > 100.0, "{analysis}");
    // 24 coordinates at kT/2 each, whatever the springs; the temperature is the example's.
    let config =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/einstein/slmc.toml")).unwrap();
    assert!(config.contains("\"300 K\""));
    let exact = 12.0 * 8.617_333_262e-5 * 300.0;
    assert!((mean - exact).abs() < 5.0 * error, "{mean} ± {error} against {exact}");
}

#[test]
fn tempering_finds_the_populations_that_a_chain_alone_does_not() {
    let exact = {
        let frames = slmc::formats::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tempering/wells.xyz"));
        let start = frames.expect("the example's structure").remove(0).structure;
        let wells =
            slmc::oracle::analytic::DoubleWell::new(&slmc::oracle::analytic::DoubleWellConfig::default(), &start);
        let temperature = slmc::units::Temperature::new(300.0);
        wells.expect("good parameters").exact_averages(temperature).0.mean
    };
    let energy = |name: &str, settings: &[&str]| {
        let analysis = run(name, settings);
        let of = |key: &str| analysis.pointer(key).and_then(serde_json::Value::as_f64);
        let found = of("/potential_energy/mean").unwrap();
        let off = (found - exact) / of("/potential_energy/mcse").unwrap();
        // Where rates differ, the report names temperatures for the next run, between the same ends.
        let pairs = analysis["exchange"]["pairs"].as_array().unwrap();
        let rates: Vec<f64> = pairs.iter().filter_map(|pair| pair["rate"].as_f64()).collect();
        let spread = rates.iter().copied().fold(0.0, f64::max) - rates.iter().copied().fold(1.0, f64::min);
        let placed = analysis["exchange"]["temperatures_for_equal_rates"].as_array();
        assert_eq!(
            placed.is_some(),
            rates.len() == pairs.len() && spread >= 0.15,
            "{analysis}"
        );
        if let Some(placed) = placed {
            let kelvin: Vec<f64> = placed.iter().filter_map(serde_json::Value::as_f64).collect();
            assert!((kelvin[0] - 300.0).abs() < 1e-6, "{kelvin:?}");
            assert!(kelvin.windows(2).all(|pair| pair[0] < pair[1]), "{kelvin:?}");
        }
        (
            off,
            of("/exchange/round_trips"),
            of("/potential_energy/ess_bulk").unwrap(),
        )
    };
    let (off, trips, effective) = energy("tempering", &["sampling.steps=4000", "sampling.discard=500"]);
    println!("ladder: {off:+.1} standard errors off, {trips:?} round trips, {effective:.0} effective samples");
    assert!(off.abs() < 5.0 && effective > 200.0, "{off:+.1}, {effective}");
    assert!(trips.is_some_and(|trips| trips >= 10.0), "{trips:?}");
    let alone = ["sampling.steps=4000", "sampling.discard=500", "exchange.every=1000000"];
    let (off, _, _) = energy("tempering", &alone);
    println!("chains alone: {off:+.1} standard errors off");
    assert!(off.abs() > 5.0, "chains alone come out right: {off:+.1}");
}

#[test]
fn a_ladder_that_nothing_will_place_is_said_to_stay() {
    let ladder = "exchange={highest-temperature=\"900 K\",rungs=4}";
    let checked = |name: &str| {
        let config = format!("examples/{name}/slmc.toml");
        let output = slmc(&["check", &config, "--set", ladder]);
        assert!(output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = "nothing is learned here";
    assert!(checked("einstein").contains(said), "{}", checked("einstein"));
    assert!(!checked("silicon").contains(said), "{}", checked("silicon"));
}

#[test]
fn two_oracles_spare_dear_labels() {
    let analysis = run("multi-fidelity", &["sampling.steps=150", "sampling.discard=10"]);
    let of = |key: &str| analysis.pointer(key).and_then(serde_json::Value::as_f64);
    assert_eq!(of("/samples"), Some(280.0));
    assert_eq!(of("/first_stage/proposals"), Some(280.0));
    assert!(of("/first_stage/oracle_calls_saved").unwrap() > 40.0, "{analysis}");
    assert!(of("/first_stage/second_stage_acceptance").unwrap() > 0.9, "{analysis}");
    assert!(of("/oracle_calls/sampling").unwrap() < 260.0, "{analysis}");
}

/// Whether pw.x is there. Where it is not, says so; where it is required, fails.
fn pw_x() -> bool {
    // Looked for, not started: it leaves files where it runs.
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("pw.x").is_file()));
    if !there {
        let required = std::env::var("SLMC_REQUIRE_ORACLES").unwrap_or_default();
        assert!(!required.contains("espresso"), "pw.x is required and not installed");
        eprintln!("skipped: no pw.x");
    }
    there
}

/// Both stages are density-functional theory; a surface is given in place of a network that would have to be learned first.
#[test]
fn two_settings_of_pw_x_decide_in_two_stages() {
    if !pw_x() {
        return;
    }
    let settings = [
        "proposal.stillinger-weber={}",
        "trajectory.tune=false",
        "sampling.steps=3",
        "sampling.discard=0",
        "sampling.chains=1",
    ];
    let analysis = run("multi-fidelity/dft.toml", &settings);
    let of = |key: &str| analysis.pointer(key).and_then(serde_json::Value::as_u64);
    assert_eq!(of("/samples"), Some(3));
    // One label of the first stage at the start, then one for each proposal.
    assert_eq!(
        (of("/first_stage/proposals"), of("/first_stage/calls")),
        (Some(3), Some(4))
    );
    // The dear oracle labels the start and what passed.
    let passed = of("/first_stage/passed").expect("a number");
    assert_eq!(of("/oracle_calls/total"), Some(1 + passed), "{analysis}");
    assert!(passed > 0, "{analysis}");
    let energy = analysis["potential_energy"]["mean"].as_f64().expect("an energy");
    assert!(
        (-856.6..-855.5).contains(&energy),
        "the tight settings have -856.5 eV: {energy}"
    );
}

#[test]
fn silicon_and_quartz_on_density_functional_theory_run_where_pw_x_is() {
    if !pw_x() {
        return;
    }
    let settings = [
        "bootstrap.structures=6",
        "learning.stop-after=13",
        "sampling.steps=6",
        "sampling.discard=2",
    ];
    let analysis = run("silicon-dft", &settings);
    assert_eq!(analysis["samples"], 8);
    // 7 bootstrap labels, at most 6 while learning, 12 while sampling; a diverged trajectory costs none.
    let total = analysis["oracle_calls"]["total"].as_u64().unwrap();
    assert!((8..=25).contains(&total), "{total}");
    // A label of quartz takes twice as long.
    let settings = [
        "bootstrap.structures=5",
        "learning.stop-after=8",
        "trajectory.tune=false",
        "trajectory.steps=6",
        "sampling.steps=3",
        "sampling.discard=1",
        "sampling.chains=1",
    ];
    let analysis = run("quartz-dft", &settings);
    assert_eq!(analysis["samples"], 2);
    assert!(analysis["acceptance"].as_f64().unwrap() > 0.0, "{analysis}");
}

#[test]
fn kaolinite_on_clayff_runs_where_lammps_is() {
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("lmp").is_file()));
    if !there {
        let required = std::env::var("SLMC_REQUIRE_ORACLES").unwrap_or_default();
        assert!(!required.contains("lammps"), "lmp is required and not installed");
        eprintln!("skipped: no lmp");
        return;
    }
    let settings = [
        "bootstrap.structures=10",
        "descriptor.radial-count=6",
        "descriptor.angular-count=2",
        "descriptor.angular-degree=2",
        "learning.stop-after=15",
        "trajectory.steps=8",
        "trajectory.tune=false",
        "trajectory.most-segments=1",
        "sampling.steps=6",
        "sampling.discard=1",
    ];
    let analysis = run("kaolinite", &settings);
    assert_eq!(analysis["samples"], 10);
    assert!(analysis["acceptance"].as_f64().unwrap() > 0.1, "{analysis}");
    // The relaxed crystal has -250.78 eV; 34 atoms at 300 K hold some 1.3 eV more.
    let energy = analysis["potential_energy"]["mean"].as_f64().unwrap();
    assert!((-250.8..-248.0).contains(&energy), "{energy}");
}
