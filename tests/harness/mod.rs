//! What the tests of the real binary share: small configurations, running it, and comparing run directories.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Whether the long matrices are wanted.
pub fn full() -> bool {
    std::env::var("SLMC_FULL").is_ok_and(|value| value == "1")
}

/// The `slmc` binary with arguments.
pub fn slmc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slmc"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs to the end.
pub fn run(arguments: &[&str]) -> Output {
    slmc(arguments).output().unwrap()
}

/// Runs to the end and asserts the exit code; gives standard output and error. Nothing may ever panic.
pub fn expect(code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "slmc {arguments:?} panicked:\n{err}");
    assert_eq!(
        output.status.code(),
        Some(code),
        "slmc {arguments:?}\nstdout:\n{out}\nstderr:\n{err}"
    );
    (out, err)
}

/// Starts and returns at once.
pub fn start(arguments: &[&str]) -> Child {
    slmc(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A signal by name, as `kill` has it.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let _ = sent;
}

/// Waits until a condition holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_mins(2), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The number of whole lines of a file, 0 without one.
pub fn lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |bytes| String::from_utf8_lossy(&bytes).matches('\n').count())
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Four argon atoms on an einstein crystal, proposals on a softer one: no learning, energies only.
pub fn einstein(folder: &Path) -> PathBuf {
    write(
        folder,
        "4\nLattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\nAr 2 2 2\nAr 6 2 2\nAr 2 6 2\nAr 2 2 6\n",
        "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"20 fs\"\nsteps = 6\n\
         [oracle.einstein]\nforce-constant = \"1 eV/Å²\"\n[proposal.einstein]\nforce-constant = \"1.4 eV/Å²\"\n\
         [sampling]\nsteps = 300\ndiscard = 7\nchains = 2\nseed = 3\n[output]\nanchor-every = 9\ntrajectory-every = 4\n",
    )
}

/// Eight silicon atoms on the Stillinger-Weber surface, learned with a tiny descriptor.
pub fn silicon(folder: &Path, chains: usize, lag: usize) -> PathBuf {
    let structure = std::fs::read_to_string(repository("examples/silicon-dft/silicon.xyz")).unwrap();
    write(
        folder,
        &structure,
        &format!(
            "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"3 fs\"\nsteps = 8\n\
             most-segments = 2\n[oracle.stillinger-weber]\n[bootstrap]\nstructures = 4\ntrajectories = 1\nsteps = 2\n\
             [descriptor]\nradial-count = 4\nangular-count = 1\nangular-degree = 2\n[network]\nhidden = [4]\n\
             [learning]\nretrain-every = 6\nstop-after = 34\nlag = {lag}\n\
             [sampling]\nsteps = 30\ndiscard = 2\nchains = {chains}\nseed = 5\n[output]\nanchor-every = 7\ntrajectory-every = 3\n"
        ),
    )
}

/// Eight argon atoms at constant pressure, proposals on a wrong surface.
pub fn argon_at_constant_pressure(folder: &Path) -> PathBuf {
    write(
        folder,
        "8\nLattice=\"9 0 0 0 9 0 0 0 9\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\nAr 2 2 2\nAr 6.5 2 2\nAr 2 6.5 2\nAr 2 2 6.5\n\
         Ar 6.5 6.5 2\nAr 6.5 2 6.5\nAr 2 6.5 6.5\nAr 6.5 6.5 6.5\n",
        "[structure]\nfile = \"start.xyz\"\n[ensemble.npt]\ntemperature = \"200 K\"\npressure = \"80 MPa\"\ncell = \"flexible\"\n\
         [trajectory]\ntime-step = \"20 fs\"\nsteps = 6\n[oracle.lennard-jones]\ncutoff = \"6 Å\"\n\
         [proposal.lennard-jones]\ncutoff = \"6 Å\"\nepsilon = \"11 meV\"\n\
         [sampling]\nsteps = 300\ndiscard = 7\nchains = 2\nseed = 3\n[output]\nanchor-every = 9\ntrajectory-every = 4\n",
    )
}

/// The einstein crystal of [`einstein`] on three rungs of two ladders.
pub fn einstein_ladder(folder: &Path) -> PathBuf {
    let path = einstein(folder);
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("steps = 300", "steps = 120");
    std::fs::write(
        &path,
        config + "[exchange]\ntemperatures = [\"300 K\", \"420 K\", \"600 K\"]\n",
    )
    .unwrap();
    path
}

/// The argon of [`argon_at_constant_pressure`] at three temperatures and pressures.
pub fn argon_ladder(folder: &Path) -> PathBuf {
    let path = argon_at_constant_pressure(folder);
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config
        .replace("steps = 300", "steps = 80")
        .replace("chains = 2", "chains = 1");
    let ladder = "[exchange]\ntemperatures = [\"200 K\", \"230 K\", \"230 K\"]\npressures = [\"80 MPa\", \"80 MPa\", \"100 MPa\"]\npairs = \"random\"\n";
    std::fs::write(&path, config + ladder).unwrap();
    path
}

/// The learning run of [`silicon`] on a ladder of three rungs that is placed on the way.
pub fn silicon_ladder(folder: &Path, lag: usize) -> PathBuf {
    let path = silicon(folder, 1, lag);
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config
        .replace("stop-after = 34", "stop-after = 90")
        .replace("steps = 30", "steps = 20");
    std::fs::write(
        &path,
        config + "[exchange]\nhighest-temperature = \"600 K\"\nrungs = 3\n",
    )
    .unwrap();
    path
}

/// The learning run of [`silicon`] at constant pressure.
pub fn silicon_at_constant_pressure(folder: &Path) -> PathBuf {
    let path = silicon(folder, 2, 0);
    let config = std::fs::read_to_string(&path).unwrap();
    let npt = "[ensemble.npt]\npressure = \"1 GPa\"\ncell = \"flexible\"\nstrain-rate = \"triangular\"";
    std::fs::write(&path, config.replace("[ensemble.nvt]", npt)).unwrap();
    path
}

/// Writes a structure and a configuration; gives the configuration's path.
pub fn write(folder: &Path, structure: &str, config: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("start.xyz"), structure).unwrap();
    let path = folder.join("slmc.toml");
    std::fs::write(&path, config).unwrap();
    path
}

/// The files that hold a run's decisions and ensemble, by name.
pub fn decisions(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.to_owned();
            let wanted = name.starts_with("chain-") || name == "learning.jsonl";
            wanted.then(|| (name, std::fs::read(&path).unwrap()))
        })
        .collect()
}

/// Asserts that two runs made the same decisions and the same ensemble, byte for byte.
pub fn assert_same_decisions(expected: &Path, found: &Path) {
    let (expected, found) = (decisions(expected), decisions(found));
    assert!(expected.len() > 2 && expected.contains_key("chain-0.jsonl"));
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>(),
        "the files differ"
    );
    for (name, bytes) in &expected {
        let other = &found[name];
        if bytes != other {
            let (a, b) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(other));
            let at = a.lines().zip(b.lines()).position(|(a, b)| a != b);
            let line = |text: &str| at.and_then(|at| text.lines().nth(at).map(str::to_owned));
            panic!(
                "{name} differs ({} and {} lines), first at line {at:?}:\n{:?}\n{:?}",
                a.lines().count(),
                b.lines().count(),
                line(&a),
                line(&b)
            );
        }
    }
}

/// The labels in a run's store, by request; panics if one was bought twice.
pub fn labels(directory: &Path) -> BTreeMap<String, serde_json::Value> {
    let mut labels = BTreeMap::new();
    let store = std::fs::read_to_string(directory.join("labels/labels.jsonl")).unwrap();
    for line in store.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(label) = record.get("label") {
            let known = labels.insert(label["id"].to_string(), label.clone());
            assert!(known.is_none(), "label {} is there twice", label["id"]);
        }
    }
    labels
}
