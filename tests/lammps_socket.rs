//! The promise: a run on LAMMPS behind its socket decides as the same run on the embedded surface does.

mod harness;

use std::path::Path;

use harness::{expect, repository, text};

/// Whether LAMMPS is here. Where it is not, says so; where it is required, fails.
fn available() -> bool {
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("lmp").is_file()));
    let required = std::env::var("SLMC_REQUIRE_ORACLES").unwrap_or_default();
    assert!(
        there || !required.split(',').any(|name| name.trim() == "lammps"),
        "SLMC_REQUIRE_ORACLES asks for lammps, but there is no lmp"
    );
    if !there {
        eprintln!("skipped: no lmp");
    }
    there
}

/// The outcome of each step of a chain and the energy it led to, eV.
fn decisions(directory: &Path, chain: usize) -> Vec<(String, f64)> {
    let journal = std::fs::read_to_string(directory.join(format!("chain-{chain}.jsonl"))).unwrap();
    let records = journal
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter_map(|record| {
            let decision = record.get("decision")?;
            Some((decision["outcome"].to_string(), decision["energy"].as_f64().unwrap()))
        })
        .collect()
}

/// Silicon of `examples/silicon`, a given network, one seed, a hundred steps: the same on both.
#[test]
fn a_frozen_potential_meets_the_same_decisions_through_the_socket() {
    if !available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = repository("examples/silicon/silicon.xyz");
    let (made, labels) = (folder.path().join("made.xyz"), folder.path().join("labels.xyz"));
    let potential = folder.path().join("potential");
    expect(
        0,
        &[
            "data",
            "make",
            text(&start),
            "-o",
            text(&made),
            "-n",
            "16",
            "--displace",
            "0.1 Å",
            "-q",
        ],
    );
    expect(
        0,
        &[
            "label",
            text(&made),
            "--oracle",
            "stillinger-weber",
            "-o",
            text(&labels),
            "-q",
        ],
    );
    expect(
        0,
        &[
            "train",
            text(&labels),
            "-o",
            text(&potential),
            "-q",
            "--set",
            "descriptor.radial-cutoff=\"4.2 Å\"",
            "--set",
            "descriptor.angular-cutoff=\"4.2 Å\"",
        ],
    );
    let mut runs = Vec::new();
    for oracle in ["stillinger-weber", "lammps"] {
        let config = format!(
            "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"4 fs\"\nsteps = 12\n\
             [proposal]\npotential = \"potential\"\n[oracle.{oracle}]\n[sampling]\nsteps = 100\ndiscard = 0\nchains = 1\nseed = 11\n"
        );
        let path = harness::write(folder.path(), &std::fs::read_to_string(&start).unwrap(), &config);
        let directory = folder.path().join(oracle);
        expect(0, &["run", text(&path), "--out", text(&directory), "-q"]);
        runs.push(decisions(&directory, 0));
    }
    let (embedded, socket) = (&runs[0], &runs[1]);
    assert_eq!((embedded.len(), socket.len()), (100, 100));
    let accepted = embedded
        .iter()
        .filter(|(outcome, _)| outcome.contains("accepted"))
        .count();
    assert!((40..100).contains(&accepted), "neither all nor none: {accepted}");
    for (step, (a, b)) in embedded.iter().zip(socket).enumerate() {
        assert_eq!(a.0, b.0, "step {step}");
        assert!((a.1 - b.1).abs() < 1e-6, "step {step}: {} and {} eV", a.1, b.1);
    }
    let worst = embedded
        .iter()
        .zip(socket)
        .map(|(a, b)| (a.1 - b.1).abs())
        .fold(0.0, f64::max);
    eprintln!("{accepted} of 100 accepted; energies agree to {worst:.1e} eV");
}
