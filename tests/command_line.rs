//! The promise: the command line's names, JSON keys and exit codes, and a message without a panic for every bad input.

mod harness;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use harness::{einstein, expect, repository, run, silicon, slmc, text};
use serde_json::Value;

const EMBEDDED: [(&str, &str); 6] = [
    ("einstein", "examples/einstein/einstein.xyz"),
    ("lennard-jones", "examples/argon/argon.xyz"),
    ("stillinger-weber", "examples/silicon/silicon.xyz"),
    ("vashishta", "examples/quartz/quartz.xyz"),
    ("asymmetric", "examples/einstein/einstein.xyz"),
    ("double-well", "examples/einstein/einstein.xyz"),
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

#[test]
fn init_writes_what_check_accepts() {
    let folder = tempfile::tempdir().unwrap();
    for name in EMBEDDED
        .iter()
        .map(|(name, _)| *name)
        .chain(["espresso", "lammps", "ipi"])
    {
        let here = folder.path().join(name);
        expect(0, &["init", text(&here), "--oracle", name]);
        let (out, _) = expect(0, &["check", text(&here.join("slmc.toml"))]);
        assert!(out.contains("is good") && out.contains(name), "{out}");
        let (_, error) = expect(73, &["init", text(&here), "--oracle", name]);
        assert!(
            error.contains("already there") && error.contains("nothing was written"),
            "{error}"
        );
    }
    let own = folder.path().join("own");
    let structure = repository("examples/quartz/quartz.xyz");
    expect(
        0,
        &[
            "init",
            text(&own),
            "--oracle",
            "vashishta",
            "--structure",
            text(&structure),
        ],
    );
    expect(0, &["check", text(&own.join("slmc.toml"))]);
    let (_, error) = expect(64, &["init", text(&own), "--oracle", "vasp6"]);
    assert!(
        error.contains("no oracle `vasp6`") && error.contains("stillinger-weber"),
        "{error}"
    );
}

#[test]
fn run_reads_slmc_toml_and_takes_seed_out_and_set() {
    let folder = tempfile::tempdir().unwrap();
    einstein(folder.path());
    let here = |arguments: &[&str]| {
        let output = slmc(arguments).current_dir(folder.path()).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    here(&["run", "--set", "sampling.steps=10"]);
    here(&["run", "--seed", "99", "--out", "other", "--set", "sampling.steps=10"]);
    let config = std::fs::read_to_string(folder.path().join("other/config.toml")).unwrap();
    assert!(
        config.contains("seed = 99") && config.contains("steps = 10"),
        "{config}"
    );
    assert!(folder.path().join("run/report.json").exists());
}

#[test]
fn label_needs_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for (name, structure) in EMBEDDED {
        let out = folder.path().join(format!("{name}.xyz"));
        expect(
            0,
            &[
                "label",
                text(&repository(structure)),
                "--oracle",
                name,
                "-o",
                text(&out),
            ],
        );
        let header = std::fs::read_to_string(&out).unwrap();
        let header = header.lines().nth(1).unwrap();
        for word in ["energy=", "stress=", "forces:R:3", "pbc="] {
            assert!(header.contains(word), "{name}: {header}");
        }
    }
    let program = "import sys, ase.io\nfor f in sys.argv[1:]:\n a = ase.io.read(f)\n a.get_potential_energy(); \
                   assert a.get_forces().shape == (len(a), 3); assert a.get_stress().shape == (6,)";
    let ase = Command::new("python3").args(["-c", "import ase"]).output();
    if !ase.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no ase");
        return;
    }
    let files: Vec<_> = EMBEDDED
        .iter()
        .map(|(name, _)| folder.path().join(format!("{name}.xyz")))
        .collect();
    let read = Command::new("python3")
        .args(["-c", program])
        .args(&files)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

/// Twelve disturbed copies of the eight-atom silicon cell, labelled.
fn labelled(folder: &Path) -> std::path::PathBuf {
    let start = std::fs::read_to_string(repository("examples/silicon-dft/silicon.xyz")).unwrap();
    let mut frames = String::new();
    for frame in 0..12_u64 {
        for (index, line) in start.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if index < 2 {
                frames.push_str(line);
            } else {
                frames.push_str(words[0]);
                for (axis, word) in words[1..4].iter().enumerate() {
                    let phase = (frame * 24 + index as u64 * 3 + axis as u64) as f64;
                    let moved = word.parse::<f64>().unwrap() + 0.08 * (12.9898 * phase).sin();
                    frames.push_str(&format!(" {moved}"));
                }
            }
            frames.push('\n');
        }
    }
    let (bare, out) = (folder.join("bare.xyz"), folder.join("labelled.xyz"));
    std::fs::write(&bare, frames).unwrap();
    expect(
        0,
        &[
            "label",
            text(&bare),
            "--oracle",
            "stillinger-weber",
            "-o",
            text(&out),
            "--quiet",
        ],
    );
    out
}

#[test]
fn train_and_predict_have_the_promised_shape() {
    let folder = tempfile::tempdir().unwrap();
    let data = labelled(folder.path());
    let potential = folder.path().join("potential");
    let small = [
        "--set",
        "descriptor.radial-count=4",
        "--set",
        "network.hidden=[]",
        "--quiet",
    ];
    let mut arguments = vec!["train", text(&data), "-o", text(&potential)];
    arguments.extend_from_slice(&small);
    expect(0, &arguments);
    let (out, _) = expect(0, &["predict", text(&potential), text(&data), "--json"]);
    let value = json(&out);
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!(keys(&value), set(&["frames", "summary"]));
    let frames = value["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 12);
    for frame in frames {
        assert_eq!(keys(frame), set(&["energy", "forces", "stress"]));
        assert!(frame["energy"].is_f64());
        assert_eq!(frame["forces"].as_array().unwrap().len(), 8);
        assert_eq!(frame["forces"][0].as_array().unwrap().len(), 3);
        assert_eq!(frame["stress"].as_array().unwrap().len(), 3);
    }
    let summary = ["energy_error_std", "energy_rmse_per_atom", "force_rmse", "stress_rmse"];
    assert_eq!(keys(&value["summary"]), set(&summary));
    assert!(
        summary.iter().all(|key| value["summary"][key].is_f64()),
        "{}",
        value["summary"]
    );
    let answers = folder.path().join("answers.xyz");
    expect(0, &["predict", text(&potential), text(&data), "-o", text(&answers)]);
    let (_, error) = expect(
        65,
        &[
            "predict",
            text(&potential),
            text(&repository("examples/argon/argon.xyz")),
        ],
    );
    assert!(error.contains("the potential does not know Ar"), "{error}");
    let (_, error) = expect(
        65,
        &["train", text(&folder.path().join("bare.xyz")), "-o", text(&potential)],
    );
    assert!(
        error.contains("has an energy") && error.contains("slmc label"),
        "{error}"
    );
}

#[test]
fn analyze_and_status_have_all_keys() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let directory = folder.path().join("run");
    expect(0, &["run", text(&config), "--out", text(&directory), "--quiet"]);
    let (out, _) = expect(0, &["analyze", text(&directory), "--json"]);
    let value = json(&out);
    for pointer in [
        "/acceptance",
        "/potential_energy/mean",
        "/potential_energy/mcse",
        "/potential_energy/ess_bulk",
        "/potential_energy/tau",
        "/potential_energy/rhat",
        "/temperature_kinetic",
        "/exp_minus_beta_delta_h/mean",
        "/exp_minus_beta_delta_h/mcse",
        "/energy_error_std",
        "/ess_per_oracle_call",
        "/ess_per_oracle_call_total",
    ] {
        assert!(value.pointer(pointer).is_some_and(Value::is_f64), "{pointer} in {out}");
    }
    for pointer in [
        "/oracle_calls/bootstrap",
        "/oracle_calls/learning",
        "/oracle_calls/sampling",
        "/oracle_calls/total",
        "/samples",
        "/trajectory_steps",
        "/segments",
    ] {
        assert!(value.pointer(pointer).is_some_and(Value::is_u64), "{pointer} in {out}");
    }
    assert!(value["exp_minus_beta_delta_h"]["reliable"].is_boolean());
    let calls = &value["oracle_calls"];
    let count = |key: &str| calls[key].as_u64().unwrap();
    assert_eq!(
        count("bootstrap") + count("learning") + count("sampling"),
        count("total")
    );
    assert_eq!(value["samples"], 2 * (30 - 2));
    let (table, _) = expect(0, &["analyze", text(&directory)]);
    assert!(
        table.contains("acceptance") && table.contains("oracle calls"),
        "{table}"
    );
    let (out, _) = expect(0, &["status", text(&directory), "--json"]);
    let status = json(&out);
    assert_eq!(
        (&status["running"], &status["complete"]),
        (&Value::from(false), &Value::from(true))
    );
    assert_eq!(status["phase"], "sampling");
    assert_eq!(status["oracle_calls"]["total"], calls["total"]);
    expect(0, &["status", text(&directory)]);
}

#[test]
fn analyze_takes_any_chains() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chains.csv");
    let rows: Vec<String> = (0..200)
        .map(|i| {
            let draw = |k: f64| (12.9898 * (f64::from(i) + k)).sin() * 43_758.545 % 1.0;
            format!("{},{}", draw(0.1), draw(1000.7))
        })
        .collect();
    std::fs::write(&file, rows.join("\n")).unwrap();
    let (out, _) = expect(0, &["analyze", "--chains", text(&file), "--json"]);
    let value = json(&out);
    for key in ["ess_bulk", "ess_tail", "rhat", "mcse_mean"] {
        assert!(value[key].is_f64(), "{key} in {out}");
    }
    expect(0, &["analyze", "--chains", text(&file)]);
}

#[test]
fn the_configuration_is_documented() {
    let (out, _) = expect(0, &["schema", "--markdown"]);
    let stored = std::fs::read_to_string(repository("docs/config.md")).unwrap();
    assert_eq!(
        stored.trim_end(),
        out.trim_end(),
        "run `slmc schema --markdown > docs/config.md`"
    );
    json(&expect(0, &["schema"]).0);
}

#[test]
fn exit_codes_tell_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let argon = einstein(folder.path());
    std::fs::write(at("garbage.toml"), [0xff, 0xfe, 0, 1, b'=']).unwrap();
    std::fs::write(at("garbage.xyz"), [0xff, 0xfe, 0, 1, b'=']).unwrap();
    std::fs::write(at("empty.xyz"), "").unwrap();
    std::fs::write(at("none.xyz"), "0\nLattice=\"8 0 0 0 8 0 0 0 8\"\n").unwrap();
    std::fs::write(at("nan.xyz"), "1\nLattice=\"8 0 0 0 8 0 0 0 8\"\nAr nan 0 0\n").unwrap();
    std::fs::write(at("huge.xyz"), "99999999999999999999\n\nAr 0 0 0\n").unwrap();
    std::fs::write(at("many.xyz"), "9999999999\n\nAr 0 0 0\n").unwrap();
    std::fs::write(at("file"), "x").unwrap();
    let (garbage, out) = (at("garbage.toml"), at("out.xyz"));
    let (garbage, out, argon, folder_text) = (text(&garbage), text(&out), text(&argon), text(folder.path()));
    let nowhere = at("nowhere");
    let nowhere = text(&nowhere);
    let file = at("file");
    let file = text(&file);
    let cases: &[(i32, &[&str], &str)] = &[
        (64, &[], "Usage"),
        (64, &["frobnicate"], "frobnicate"),
        (64, &["run", "--frob"], "--frob"),
        (64, &["run", argon, "--time-limit", "3"], "wall-clock time"),
        (64, &["run", argon, "--seed", "x"], "--seed"),
        (64, &["resume", folder_text], "holds no run"),
        (64, &["stop", nowhere], "holds no run"),
        (64, &["analyze"], "DIR"),
        (
            64,
            &["label", "x.xyz", "--oracle", "splendid", "-o", out],
            "no oracle `splendid`",
        ),
        (65, &["analyze", nowhere], "holds no run"),
        (65, &["status", nowhere], "holds no run"),
        (65, &["analyze", "--chains", garbage], "garbage.toml"),
        (65, &["analyze", "--chains", folder_text], folder_text),
        (65, &["analyze", "--chains", nowhere], nowhere),
        (65, &["predict", garbage, garbage], "garbage.toml"),
        (65, &["predict", nowhere, garbage], nowhere),
        (65, &["init", nowhere, "--structure", garbage], "garbage.toml"),
        (73, &["run", argon, "--out", file], "cannot write"),
        (73, &["init", file], "cannot write"),
        (78, &["check", nowhere], "slmc init"),
        (78, &["check", folder_text], "not its folder"),
        (78, &["check", garbage], "garbage.toml"),
        (78, &["run", garbage], "garbage.toml"),
        (78, &["check", argon, "--set", "sampling"], "--set sampling"),
        (
            78,
            &["check", argon, "--set", "sampling.stepz=4"],
            "unknown key `stepz`",
        ),
        (
            78,
            &["check", argon, "--set", "sampling.chains=100000000000"],
            "sampling.chains",
        ),
        (78, &["check", argon, "--oracle", "splendid"], "no oracle `splendid`"),
    ];
    for (code, arguments, message) in cases {
        let (_, error) = expect(*code, arguments);
        assert!(
            error.contains(message),
            "slmc {arguments:?} does not say {message:?}:\n{error}"
        );
    }
    for name in ["garbage", "empty", "none", "nan", "huge", "many", "absent"] {
        let path = at(&format!("{name}.xyz"));
        let (_, error) = expect(65, &["label", text(&path), "--oracle", "lennard-jones", "-o", out]);
        assert!(error.contains(name), "{error}");
        let (_, error) = expect(65, &["train", text(&path), "-o", nowhere]);
        assert!(error.contains(name), "{error}");
        let setting = format!("structure.file={}", path.display());
        let (_, error) = expect(78, &["check", argon, "--set", &setting]);
        assert!(error.contains(name) && error.contains("structure.file"), "{error}");
    }
    assert!(!Path::new(out).exists());
}

#[test]
fn an_oracle_that_cannot_be_had_is_69() {
    let folder = tempfile::tempdir().unwrap();
    for (oracle, command) in [
        ("espresso", "no-such-pw.x"),
        ("lammps", "no-such-lmp"),
        ("ipi", "no-such-client"),
    ] {
        let here = folder.path().join(oracle);
        expect(0, &["init", text(&here), "--oracle", oracle]);
        let out = here.join("run");
        let setting = format!("oracle.{oracle}.command={command}");
        let config = here.join("slmc.toml");
        let quick = ["--set", "pool.retries=0", "--quiet"];
        let mut arguments = vec!["run", text(&config), "--out", text(&out), "--set", &setting];
        arguments.extend_from_slice(&quick);
        let (_, error) = expect(69, &arguments);
        assert!(error.contains(command) || error.contains("pseudo"), "{oracle}: {error}");
        assert!(error.contains("slmc resume"), "{error}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = slmc(&["schema"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() != Some(101) && !error.contains("panicked"),
        "{error}"
    );
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn labels_of_another_oracle_are_no_bootstrap_data() {
    let folder = tempfile::tempdir().unwrap();
    let config = harness::silicon(&folder.path().join("first"), 1, 0);
    let out = folder.path().join("first/run");
    expect(0, &["run", text(&config), "--out", text(&out), "--quiet"]);
    let labels = out.join("labels.xyz");
    assert!(std::fs::read_to_string(&labels).unwrap().contains("slmc_fingerprint="));
    let data = format!("bootstrap.data=[\"{}\"]", text(&labels));
    let again = |oracle: &str, code: i32| {
        let out = folder.path().join(oracle);
        let oracle = format!("oracle.stillinger-weber.epsilon=\"{oracle}\"");
        let arguments = [
            "run",
            text(&config),
            "--out",
            text(&out),
            "--quiet",
            "--set",
            &data,
            "--set",
            &oracle,
        ];
        expect(code, &arguments).1
    };
    again("2.1683 eV", 0);
    let error = again("2.2 eV", 65);
    assert!(
        error.contains("bootstrap.data holds labels of another oracle"),
        "{error}"
    );
}

#[test]
fn a_recipe_whose_files_are_not_here_is_told_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    expect(0, &["init", text(&own), "--oracle", "espresso"]);
    let (input, config) = (own.join("oracles/espresso/pw.in"), own.join("slmc.toml"));
    let recipe = std::fs::read_to_string(&input).unwrap();
    std::fs::write(&input, recipe.replace(".UPF", ".nowhere")).unwrap();
    let said = slmc(&["check", text(&config)]).current_dir(&own).output().unwrap();
    let error = String::from_utf8_lossy(&said.stderr);
    // The configuration itself is good: where it will run the files may well be there.
    assert_eq!(said.status.code(), Some(0), "{error}");
    assert!(error.contains("no folder holds the pseudopotentials"), "{error}");
}
