//! The promise: every configuration under fixtures/config/good is accepted, and every one under bad is refused with the lines in
//! the `.expected` file beside it.

mod harness;

use std::path::PathBuf;

use harness::{expect, repository, text};

fn configurations(kind: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(repository("tests/fixtures/config").join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn good_configurations_pass() {
    let good = configurations("good");
    assert!(good.len() >= 5);
    for path in good {
        let (out, _) = expect(0, &["check", text(&path)]);
        assert!(out.contains("is good"), "{out}");
    }
}

#[test]
fn bad_configurations_are_refused_with_their_messages() {
    let bad = configurations("bad");
    assert!(bad.len() >= 25);
    let mut wrong = Vec::new();
    for path in bad {
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap();
        let output = harness::run(&["check", text(&path)]);
        let error = String::from_utf8_lossy(&output.stderr);
        let missing: Vec<&str> = expected.lines().filter(|line| !error.contains(line)).collect();
        let code = output.status.code();
        if code != Some(78) || !missing.is_empty() || !error.contains("hint:") || error.contains("panicked") {
            wrong.push(format!(
                "{}: exit {code:?}, without {missing:?}\n{error}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
