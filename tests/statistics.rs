//! Promise: the statistics of recorded chains are ArviZ's numbers, and no input breaks them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use slmc::analysis::chains::read_chains;
use slmc::analysis::statistics::{
    Summary, ess_bulk, ess_mean, ess_quantile, ess_sd, ess_tail, mcse_mean, mcse_quantile, mcse_sd, rhat,
};

/// Name of the chains → name of the number → value, `None` where undefined.
type Numbers = BTreeMap<String, BTreeMap<String, Option<f64>>>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/statistics")
}

/// One column a chain.
fn chains(name: &str) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.csv"))).unwrap();
    let mut chains = Vec::new();
    for line in text.lines() {
        let row: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        chains.resize(row.len(), Vec::new());
        for (chain, number) in chains.iter_mut().zip(row) {
            chain.push(number);
        }
    }
    chains
}

fn ours(chains: &[Vec<f64>]) -> Vec<(&'static str, f64)> {
    let summary = Summary::new(chains);
    assert!(summary.ess_bulk == ess_bulk(chains) || summary.ess_bulk.is_nan());
    assert!(summary.mcse == mcse_mean(chains) || summary.mcse.is_nan());
    vec![
        ("mean", summary.mean),
        ("sd", summary.sd),
        ("ess_bulk", ess_bulk(chains)),
        ("ess_tail", ess_tail(chains)),
        ("ess_mean", ess_mean(chains)),
        ("ess_sd", ess_sd(chains)),
        ("ess_quantile_30", ess_quantile(chains, 0.3)),
        ("rhat", rhat(chains)),
        ("mcse_mean", mcse_mean(chains)),
        ("mcse_sd", mcse_sd(chains)),
        ("mcse_quantile_90", mcse_quantile(chains, 0.9)),
    ]
}

fn compare(numbers: &Numbers) {
    assert!(numbers.len() >= 30, "only {} recorded chains", numbers.len());
    let mut wrong = Vec::new();
    for (name, expected) in numbers {
        let found = ours(&chains(name));
        assert_eq!(found.len(), expected.len());
        for (quantity, value) in found {
            let agrees = match expected[quantity] {
                // The absolute part is the rounding of a constant chain's mean.
                Some(reference) => (value - reference).abs() <= 1e-10 * reference.abs() + 1e-15,
                None => !value.is_finite(),
            };
            if !agrees {
                wrong.push(format!(
                    "{name}: {quantity} is {value}, ArviZ has {:?}",
                    expected[quantity]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn agrees_with_stored_numbers() {
    let text = std::fs::read_to_string(fixtures().join("arviz.json")).unwrap();
    compare(&serde_json::from_str(&text).unwrap());
}

#[test]
fn agrees_with_arviz_where_it_is_installed() {
    let installed = Command::new("python3").args(["-c", "import arviz"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no ArviZ for python3");
        return;
    }
    let script = fixtures().join("reference.py");
    let output = Command::new("python3").arg(script).arg("evaluate").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    compare(&serde_json::from_slice(&output.stdout).unwrap());
}

/// Any number that a chain may hold, the awkward ones often.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -3.0..3.0_f64,
        2 => (-2..3_i32).prop_map(f64::from),
        1 => prop::num::f64::ANY,
    ]
}

proptest! {
    #[test]
    fn any_chains_give_numbers_within_bounds(chains in prop::collection::vec(prop::collection::vec(number(), 0..40), 0..5)) {
        let all = ours(&chains);
        let summary = Summary::new(&chains);
        let samples = summary.n_samples as f64;
        for (name, value) in all.iter().filter(|(name, value)| name.starts_with("ess") && !value.is_nan()) {
            // Antithetic chains may bring more than they have samples, by a factor that is bounded.
            prop_assert!(*value > 0.0 && *value <= samples * samples.log10().max(1.0) * (1.0 + 1e-12), "{} {}", name, value);
        }
        let undefined = chains.iter().any(|chain| chain.len() < 4) || chains.is_empty();
        prop_assert!(!undefined || summary.ess_bulk.is_nan());
    }

    #[test]
    fn ranks_ignore_any_increasing_change(chains in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 24), 1..4)) {
        let changed: Vec<Vec<f64>> = chains.iter().map(|chain| chain.iter().map(|x| x.cbrt()).collect()).collect();
        prop_assert_eq!(ess_bulk(&chains), ess_bulk(&changed));
    }

    #[test]
    fn any_text_is_read_or_refused_in_one_line(text in "[0-9a-z,;\t \"#.\n-]{0,60}") {
        match read_chains(text.as_bytes()) {
            Ok(chains) => prop_assert!(chains.iter().all(|chain| !chain.is_empty() && chain.len() == chains[0].len())),
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}
