//! The promise: the same configuration and seed give the same decisions at any number of threads and oracle workers.

mod harness;

use std::path::Path;

use harness::{assert_same_decisions, einstein, einstein_ladder, full, silicon, silicon_ladder, slmc, text};

fn at(config: &Path, out: &Path, threads: usize, workers: usize) {
    let workers = format!("pool.workers={workers}");
    let status = slmc(&["run", text(config), "--out", text(out), "--quiet", "--set", &workers])
        .env("RAYON_NUM_THREADS", threads.to_string())
        .status()
        .unwrap();
    assert!(status.success(), "{threads} threads, {workers}");
}

fn same_everywhere(config: &Path, folder: &Path) {
    let reference = folder.join("reference");
    at(config, &reference, 1, 1);
    let settings: &[(usize, usize)] = if full() {
        &[(1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3), (2, 4), (3, 2)]
    } else {
        &[(2, 1), (1, 2), (2, 3), (2, 4)]
    };
    for (threads, workers) in settings {
        let other = folder.join(format!("{threads}-{workers}"));
        at(config, &other, *threads, *workers);
        assert_same_decisions(&reference, &other);
    }
}

#[test]
fn learning_is_the_same_at_any_number_of_threads_and_workers() {
    let folder = tempfile::tempdir().unwrap();
    same_everywhere(&silicon(folder.path(), 3, 0), folder.path());
}

#[test]
fn learning_that_overlaps_with_labelling_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    same_everywhere(&silicon(folder.path(), 2, 1), folder.path());
}

#[test]
fn adaptation_with_a_mass_matrix_is_the_same() {
    for masses in ["hessian", "covariance"] {
        let folder = tempfile::tempdir().unwrap();
        let config = silicon(folder.path(), 2, 0);
        let text = std::fs::read_to_string(&config).unwrap();
        let masses = format!("[trajectory]\nmasses = \"{masses}\"\n");
        std::fs::write(&config, text.replace("[trajectory]\n", &masses)).unwrap();
        same_everywhere(&config, folder.path());
        let learning = std::fs::read_to_string(folder.path().join("reference/learning.jsonl")).unwrap();
        assert!(learning.contains("\"masses\":"), "no generation has a mass matrix");
    }
}

#[test]
fn a_given_surface_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    same_everywhere(&einstein(folder.path()), folder.path());
}

#[test]
fn a_ladder_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    same_everywhere(&einstein_ladder(folder.path()), folder.path());
    let folder = tempfile::tempdir().unwrap();
    same_everywhere(&silicon_ladder(folder.path(), 1), folder.path());
}

#[test]
fn two_stages_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = einstein(folder.path());
    let cheap =
        "[delayed-acceptance]\nworkers = 2\n[delayed-acceptance.oracle.einstein]\nforce-constant = \"1.15 eV/Å²\"\n";
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + cheap).unwrap();
    same_everywhere(&config, folder.path());
}

#[test]
fn another_seed_is_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let config = einstein(folder.path());
    let run = |seed: &str| {
        let out = folder.path().join(seed);
        harness::expect(
            0,
            &["run", text(&config), "--seed", seed, "--out", text(&out), "--quiet"],
        );
        std::fs::read(out.join("chain-0.jsonl")).unwrap()
    };
    assert_ne!(run("1"), run("2"));
    assert!(run("3") == std::fs::read(folder.path().join("3/chain-0.jsonl")).unwrap());
}
