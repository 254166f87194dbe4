//! The same promise through the program: `slmc run` and `slmc analyze` on the example that proposes wrongly on purpose.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use slmc::units::Temperature;

use crate::harness::ERRORS;

fn slmc(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_slmc"))
        .args(arguments)
        .output()
        .expect("slmc starts");
    assert!(
        output.status.success(),
        "slmc {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn analysis(directory: &Path, settings: &[&str]) -> Value {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/einstein/slmc.toml");
    let (config, out) = (config.display().to_string(), directory.display().to_string());
    let mut arguments = vec!["run", config.as_str(), "--out", out.as_str(), "--quiet"];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    slmc(&arguments);
    serde_json::from_str(&slmc(&["analyze", &out, "--json"])).expect("JSON")
}

/// Mean and standard deviation in standard errors from the exact ones: (3N/2)·kT and √(3N/2)·kT.
fn deviations(analysis: &Value) -> (f64, f64) {
    let energy = &analysis["potential_energy"];
    let value = |key: &str| energy[key].as_f64().expect(key);
    let thermal = Temperature::new(300.0).thermal_energy();
    (
        (value("mean") - 12.0 * thermal) / value("mcse"),
        (value("sd") - 12.0_f64.sqrt() * thermal) / value("mcse_sd"),
    )
}

#[test]
fn the_example_is_exact_and_its_control_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let exact = analysis(&folder.path().join("exact"), &[]);
    let acceptance = exact["acceptance"].as_f64().expect("an acceptance");
    assert!((0.05..0.5).contains(&acceptance), "{acceptance}");
    assert_eq!(exact["exact"], Value::Bool(true));
    assert!(exact["potential_energy"]["ess_bulk"].as_f64().expect("a number") > 400.0);
    let (mean, sd) = deviations(&exact);
    println!("exact: {exact:#}");
    assert!(mean.abs() <= ERRORS && sd.abs() <= ERRORS, "{mean:+.1} {sd:+.1}");
    let kelvin = exact["temperature_kinetic"].as_f64().expect("a temperature");
    let error = exact["temperature_kinetic_mcse"].as_f64().expect("an error");
    assert!((kelvin - 300.0).abs() <= ERRORS * error, "{kelvin} ± {error} K");
    let boltzmann = &exact["exp_minus_beta_delta_h"];
    if boltzmann["reliable"] == Value::Bool(true) {
        let off = (boltzmann["mean"].as_f64().expect("a mean") - 1.0) / boltzmann["mcse"].as_f64().expect("an error");
        assert!(off.abs() <= ERRORS, "{boltzmann}");
    }

    let settings = ["sampling.accept-everything=true", "sampling.steps=1200"];
    let control = analysis(&folder.path().join("control"), &settings);
    println!("control: {control:#}");
    assert_eq!(control["exact"], Value::Bool(false));
    let (mean, _) = deviations(&control);
    assert!(
        mean.abs() > ERRORS,
        "the control is right within {mean:+.1} standard errors"
    );
}
