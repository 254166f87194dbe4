//! Promise: every shipped study runs, goes on where it stopped, and never mistakes another study's runs for its own.

mod harness;

use std::path::Path;

use harness::{expect, full, lines, repository, text};

/// Small enough for a test: few labels and steps, a small descriptor.
const SMALL: [&str; 8] = [
    "structure.supercell=[1, 1, 1]",
    "learning.stop-after=16",
    "sampling.steps=14",
    "sampling.discard=2",
    "descriptor.radial-count=4",
    "descriptor.angular-count=1",
    "network.hidden=[]",
    "trajectory.most-segments=1",
];

fn study(name: &str, out: &Path, seeds: &str, code: i32, settings: &[&str]) -> (String, String) {
    let path = repository(&format!("studies/{name}.toml"));
    let mut arguments = vec![
        "study",
        text(&path),
        "--out",
        text(out),
        "--seeds",
        seeds,
        "--jobs",
        "2",
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    expect(code, &arguments)
}

fn rows(out: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let text = std::fs::read_to_string(out.join("study.csv")).unwrap();
    let mut all = text
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let head = all.next().unwrap();
    all.map(|row| {
        assert_eq!(row.len(), head.len());
        head.iter().cloned().zip(row).collect()
    })
    .collect()
}

#[test]
fn every_study_runs_reduced() {
    let mut seen = 0;
    for entry in std::fs::read_dir(repository("studies")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_study = path.extension().is_some_and(|ending| ending == "toml")
            && std::fs::read_to_string(&path).unwrap().contains("[[variant]]");
        if !is_study {
            continue;
        }
        seen += 1;
        let folder = tempfile::tempdir().unwrap();
        let (out, _) = study(&name, folder.path(), "1", 0, &SMALL);
        assert!(out.contains("acceptance") && out.lines().count() > 3, "{out}");
        let page = std::fs::read_to_string(folder.path().join("study.html")).unwrap();
        assert!(
            page.contains("<figure") && !page.contains("<script") && !page.contains("NaN"),
            "{name}"
        );
        assert!(folder.path().join("plots/tau.svg").exists() && folder.path().join("plots/tau.png").exists());
        for row in rows(folder.path()) {
            if row["phase"] == "sampling" {
                let acceptance: f64 = row["acceptance"].parse().unwrap();
                assert!((0.0..=1.0).contains(&acceptance) && row["steps"] == "28", "{row:?}");
            }
        }
    }
    assert!(seen >= 4, "{seen} studies");
}

#[test]
fn a_study_goes_on_and_knows_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("size");
    let seeds = if full() { "3" } else { "2" };
    study("size", &out, seeds, 0, &SMALL);
    let first = std::fs::read(out.join("study.csv")).unwrap();
    let variants = rows(&out).iter().filter(|row| row["phase"] == "sampling").count();
    let file = std::fs::read_to_string(repository("studies/size.toml")).unwrap();
    let wanted = file.matches("[[variant]]").count();
    assert!(wanted >= 10);
    assert_eq!(variants, wanted * seeds.parse::<usize>().unwrap());
    assert!(std::fs::read_to_string(out.join("table.txt")).unwrap().contains(" ± "));
    // The law is drawn through the points.
    let law = std::fs::read_to_string(out.join("plots/law.svg")).unwrap();
    assert!(law.contains("erfc") && law.contains("<circle"));

    // An interrupted run: its report is not there, its journal ends early. It goes on, the others are not touched.
    let run = out.join("runs/size-8-s1");
    std::fs::remove_file(run.join("report.json")).unwrap();
    let journal = run.join("chain-0.jsonl");
    let kept = std::fs::read_to_string(&journal).unwrap();
    let cut: Vec<&str> = kept.split_inclusive('\n').take(5).collect();
    std::fs::write(&journal, cut.concat()).unwrap();
    let untouched = out.join("runs/size-64-s1/report.json");
    let before = std::fs::metadata(&untouched).unwrap().modified().unwrap();
    study("size", &out, seeds, 0, &SMALL);
    assert_eq!(std::fs::metadata(&untouched).unwrap().modified().unwrap(), before);
    assert_eq!(lines(&journal), kept.lines().count());
    assert_eq!(std::fs::read(out.join("study.csv")).unwrap(), first);

    // Other settings are another study.
    let mut other = SMALL.to_vec();
    other.push("sampling.steps=15");
    let (_, error) = study("size", &out, seeds, 64, &other);
    assert!(
        error.contains("holds a run of other settings") && error.contains("--out"),
        "{error}"
    );
    let (_, error) = study("size", &out, seeds, 78, &["sampling.setps=15"]);
    assert!(error.contains("setps"), "{error}");
}

#[test]
fn a_failed_run_is_told_and_the_others_count() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.toml");
    let structure = repository("studies/silicon.xyz");
    std::fs::write(
        &base,
        format!(
            "[structure]\nfile = {:?}\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"3 fs\"\nsteps = 4\n\
             [oracle.stillinger-weber]\n[proposal.stillinger-weber]\nepsilon = \"2 eV\"\n[sampling]\nsteps = 20\ndiscard = 2\nchains = 2\n",
            text(&structure)
        ),
    )
    .unwrap();
    let file = folder.path().join("study.toml");
    std::fs::write(
        &file,
        "config = \"base.toml\"\nseeds = [1]\n[[variant]]\nname = \"works\"\n\
         [[variant]]\nname = \"fails\"\nset = { \"structure.file\" = \"nowhere.xyz\" }\n\
         [[variant]]\nname = \"waits\"\nafter = \"fails\"\n",
    )
    .unwrap();
    let out = folder.path().join("out");
    let (said, error) = expect(78, &["study", text(&file), "--out", text(&out)]);
    assert!(
        error.contains("works, seed 1: done") && error.contains("fails, seed 1: failed"),
        "{error}"
    );
    assert!(
        error.contains("nowhere.xyz") && error.contains("the variant before it failed"),
        "{error}"
    );
    assert!(said.contains("works"), "{said}");
    assert!(rows(&out).iter().all(|row| row["variant"] == "works"));
    let page = std::fs::read_to_string(out.join("study.html")).unwrap();
    assert!(page.contains("nowhere.xyz"));
}
