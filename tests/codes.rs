//! The promise: whatever code answers, through a file or a socket, the label is its converged answer for exactly that structure; a
//! failed, stale or foreign answer never is one.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{expect, repository, run, text};
use slmc::formats::{Frame, read};
use slmc::linear::{norm, sub};

/// Whether a condition for an oracle's tests holds. Where it does not, says so; where the oracle is required, fails.
fn available(oracle: &str, what: &str, there: bool) -> bool {
    let required = std::env::var("SLMC_REQUIRE_ORACLES").unwrap_or_default();
    assert!(
        there || !required.split(',').any(|name| name.trim() == oracle),
        "SLMC_REQUIRE_ORACLES asks for {oracle}, but there is no {what}"
    );
    if !there {
        eprintln!("skipped: no {what}");
    }
    there
}

fn program(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Displaced copies of a structure of the repository.
fn displaced(folder: &Path, start: &str, count: usize) -> PathBuf {
    let out = folder.join("asked.xyz");
    let (start, count) = (repository(start), count.to_string());
    expect(0, &["data", "make", text(&start), "-o", text(&out), "-n", &count, "-q"]);
    out
}

/// Labels a file; gives exit code, standard error and what was labelled.
fn label(asked: &Path, out: &Path, more: &[&str]) -> (i32, String, Vec<Frame>) {
    let mut arguments = vec!["label", text(asked), "-o", text(out), "-q", "--set", "pool.retries=1"];
    arguments.extend(["--set", "pool.retry-delay=\"10 ms\""]);
    arguments.extend(more);
    let output = run(&arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked"), "{error}");
    let frames = if out.exists() { read(out).unwrap() } else { Vec::new() };
    (output.status.code().unwrap(), error, frames)
}

/// Asserts that two files of labels agree: energies to `energy` (eV), forces to `force` (eV/Å).
fn assert_agree(a: &[Frame], b: &[Frame], energy: f64, force: f64) {
    assert!(!a.is_empty() && a.len() == b.len());
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a.labels.as_ref().unwrap(), b.labels.as_ref().unwrap());
        assert!((a.energy - b.energy).abs() < energy, "{} and {}", a.energy, b.energy);
        let (a, b) = (a.forces.as_ref().unwrap(), b.forces.as_ref().unwrap());
        let worst = a.iter().zip(b).map(|(a, b)| norm(sub(*a, *b))).fold(0.0, f64::max);
        assert!(worst < force, "forces differ by {worst} eV/Å");
    }
}

/// A program of a few lines of shell and awk that labels with energy −1.5 eV and no force, after `edit` has had its way with the
/// awk rules and `before` and `after` with the shell.
fn script(before: &str, edit: &str, after: &str) -> String {
    format!(
        "#!/bin/sh\n{before}\nawk '{edit}\n\
         NR==2 {{ sub(\"pos:R:3\", \"pos:R:3:forces:R:3\"); print $0 \" energy=\" energy; next }}\n\
         NR>2 {{ print $0, force, 0, 0; next }}\n{{ print }}' energy=-1.5 force=0 \"$1\" > \"$2\"\n{after}\n"
    )
}

#[test]
fn a_program_that_misbehaves_gives_no_label() {
    let cases: [(&str, String, i32, &str); 14] = [
        ("nothing", script("", "", ""), 0, ""),
        ("exit code 3", script("", "", "exit 3"), 69, "exit"),
        ("killed by a signal", script("", "", "kill -9 $$"), 69, "signal"),
        ("exit code 65: no answer", script("", "", "exit 65"), 65, "no label"),
        ("exit code 78: cannot work", script("", "", "exit 78"), 69, ""),
        ("no output file", script("", "", "rm \"$2\""), 69, "no such file"),
        ("output cut short", script("", "NR==6 { exit }", ""), 69, "labelled.xyz"),
        (
            "stale output",
            script("", "", "touch -d '2 days ago' \"$2\""),
            69,
            "older",
        ),
        (
            "energy not a number",
            script("", "BEGIN { }", "sed -i 's/energy=-1.5/energy=nan/' \"$2\""),
            69,
            "",
        ),
        (
            "force of ******",
            script("", "", "sed -i '3s/ 0 0 0$/ 0 ****** 0/' \"$2\""),
            69,
            "labelled.xyz",
        ),
        (
            "no forces",
            script("", "", "sed -i 's/:forces:R:3/:else:R:3/' \"$2\""),
            69,
            "forces",
        ),
        (
            "atoms in another order",
            script("", "NR==4 { kept=$0; next } NR==5 { print $0, 0, 0, 0; $0=kept }", ""),
            69,
            "",
        ),
        (
            "said not to be converged",
            script("", "", "sed -i '2s/$/ converged=F/' \"$2\""),
            65,
            "converged",
        ),
        ("hangs", script("sleep 600", "", ""), 69, ""),
    ];
    println!("{:<28} exit  came out", "injected");
    for (what, script, code, said) in cases {
        let folder = tempfile::tempdir().unwrap();
        let asked = displaced(folder.path(), "examples/quartz/quartz.xyz", 1);
        let recipe = folder.path().join("recipe");
        std::fs::create_dir(&recipe).unwrap();
        std::fs::write(recipe.join("label.sh"), script).unwrap();
        let recipe = format!("oracle.command.recipe=\"{}\"", text(&recipe));
        let out = folder.path().join("out.xyz");
        let settings = [
            "oracle.command.command=\"sh label.sh\"",
            "oracle.command.timeout=\"2 s\"",
        ];
        let more = [
            "--oracle",
            "command",
            "--set",
            &recipe,
            "--set",
            settings[0],
            "--set",
            settings[1],
        ];
        let (found, error, frames) = label(&asked, &out, &more);
        let came = error
            .lines()
            .find(|line| line.starts_with("caused by"))
            .or(error.lines().next());
        println!("{what:<28} {found:>4}  {}", came.unwrap_or("a label"));
        assert_eq!(found, code, "{what}: {error}");
        assert!(error.contains(said), "{what}: {error}");
        assert_eq!(frames.len(), usize::from(code == 0), "{what}");
    }
}

#[test]
fn recorded_answers_serve_what_was_labelled_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let asked = displaced(folder.path(), "examples/silicon-dft/silicon.xyz", 4);
    let (code, error, labelled) = label(&asked, &path("labelled.xyz"), &["--oracle", "stillinger-weber"]);
    assert_eq!(code, 0, "{error}");
    let file = format!("oracle.recorded.file=\"{}\"", text(&path("labelled.xyz")));
    let more = ["--oracle", "recorded", "--set", &file];
    let (code, error, replayed) = label(&asked, &path("replayed.xyz"), &more);
    assert_eq!(code, 0, "{error}");
    for (a, b) in labelled.iter().zip(&replayed) {
        assert_eq!(a.labels, b.labels);
    }
    let start = repository("examples/silicon-dft/silicon.xyz");
    let (code, error, none) = label(&start, &path("none.xyz"), &more);
    assert_eq!((code, none.len()), (69, 0));
    assert!(error.contains("none of the 4 labelled structures"), "{error}");
}

#[test]
fn a_potential_behind_a_socket_is_the_potential() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let asked = displaced(folder.path(), "examples/silicon-dft/silicon.xyz", 12);
    let (code, error, _) = label(&asked, &path("labelled.xyz"), &["--oracle", "stillinger-weber"]);
    assert_eq!(code, 0, "{error}");
    let (data, potential) = (path("labelled.xyz"), path("potential"));
    let train = [
        "train",
        text(&data),
        "-o",
        text(&potential),
        "-q",
        "--set",
        "network.hidden=[]",
    ];
    expect(0, &train);
    let predicted = path("predicted.xyz");
    expect(0, &["predict", text(&potential), text(&asked), "-o", text(&predicted)]);
    let drive = format!(
        "oracle.ipi.command=\"{} drive {} --socket {{socket}}\"",
        env!("CARGO_BIN_EXE_slmc"),
        text(&potential)
    );
    let (code, error, served) = label(&asked, &path("served.xyz"), &["--oracle", "ipi", "--set", &drive]);
    assert_eq!(code, 0, "{error}");
    assert_agree(&served, &read(&predicted).unwrap(), 1e-9, 1e-9);
    for (a, b) in served.iter().zip(&read(&predicted).unwrap()) {
        let stress = |frame: &Frame| frame.labels.as_ref().unwrap().stress.unwrap();
        let (a, b) = (stress(a), stress(b));
        assert!(
            a.iter()
                .flatten()
                .zip(b.iter().flatten())
                .all(|(a, b)| (a - b).abs() < 1e-10)
        );
    }
    let (_, error) = expect(
        69,
        &[
            "drive",
            text(&potential),
            "--socket",
            "nobody-is-there",
            "--patience",
            "100 ms",
        ],
    );
    assert!(error.contains("start the server first"), "{error}");
}

#[test]
fn quantum_espresso_answers_alike_through_file_and_socket() {
    if !available("espresso", "pw.x", program("pw.x")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let asked = displaced(folder.path(), "examples/silicon-dft/silicon.xyz", 2);
    let mode = |mode: &str| format!("oracle.espresso.mode=\"{mode}\"");
    let (code, error, file) = label(
        &asked,
        &path("file.xyz"),
        &["--oracle", "espresso", "--set", &mode("file")],
    );
    assert_eq!(code, 0, "{error}");
    let (code, error, socket) = label(
        &asked,
        &path("socket.xyz"),
        &["--oracle", "espresso", "--set", &mode("socket")],
    );
    assert_eq!(code, 0, "{error}");
    // Two paths to one solution, each converged to the recipe's conv_thr: the energy errs in second order, the forces in first.
    assert_agree(&file, &socket, 1e-6, 2e-3);

    // Two iterations do not converge: no label, whichever way it is asked.
    let own = path("own");
    expect(0, &["init", text(&own), "--oracle", "espresso"]);
    let input = own.join("oracles/espresso/pw.in");
    let namelists = std::fs::read_to_string(&input).unwrap();
    let limited = namelists.replacen("&electrons", "&electrons\n electron_maxstep = 2", 1);
    let limited = limited.replacen("&ELECTRONS", "&ELECTRONS\n electron_maxstep = 2", 1);
    assert_ne!(limited, namelists);
    std::fs::write(&input, limited).unwrap();
    let recipe = format!("oracle.espresso.recipe=\"{}\"", text(&own.join("oracles/espresso")));
    for name in ["file", "socket"] {
        let out = path(&format!("unconverged-{name}.xyz"));
        let more = ["--oracle", "espresso", "--set", &recipe, "--set", &mode(name)];
        let (code, error, none) = label(&asked, &out, &more);
        assert!(code == 65 || code == 69, "{name}: {code} {error}");
        assert!(none.is_empty() && error.contains("onverge"), "{name}: {error}");
    }
}

#[test]
fn cp2k_answers_alike_through_file_and_socket() {
    if !available("cp2k", "cp2k", program("cp2k")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let own = path("own");
    expect(0, &["init", text(&own), "--oracle", "cp2k"]);
    let asked = path("asked.xyz");
    expect(
        0,
        &[
            "data",
            "make",
            text(&own.join("quartz.xyz")),
            "-o",
            text(&asked),
            "-n",
            "2",
            "-q",
        ],
    );
    let mode = |mode: &str| format!("oracle.cp2k.mode=\"{mode}\"");
    let (code, error, file) = label(&asked, &path("file.xyz"), &["--oracle", "cp2k", "--set", &mode("file")]);
    assert_eq!(code, 0, "{error}");
    let (code, error, socket) = label(
        &asked,
        &path("socket.xyz"),
        &["--oracle", "cp2k", "--set", &mode("socket")],
    );
    assert_eq!(code, 0, "{error}");
    assert_agree(&file, &socket, 1e-6, 2e-3);

    let input = own.join("oracles/cp2k/cp2k.inp");
    let recipe = std::fs::read_to_string(&input).unwrap();
    let limited: Vec<String> = recipe
        .lines()
        .filter(|line| !line.to_uppercase().contains("MAX_SCF"))
        .map(|line| {
            if line.trim().eq_ignore_ascii_case("&SCF") {
                format!("{line}\n MAX_SCF 2")
            } else {
                line.to_owned()
            }
        })
        .collect();
    std::fs::write(&input, limited.join("\n") + "\n").unwrap();
    let recipe = format!("oracle.cp2k.recipe=\"{}\"", text(&own.join("oracles/cp2k")));
    for name in ["file", "socket"] {
        let out = path(&format!("unconverged-{name}.xyz"));
        let more = ["--oracle", "cp2k", "--set", &recipe, "--set", &mode(name)];
        let (code, error, none) = label(&asked, &out, &more);
        assert!(code == 65 || code == 69, "{name}: {code} {error}");
        assert!(none.is_empty() && error.contains("onverge"), "{name}: {error}");
    }
}

#[test]
fn an_ase_calculator_answers_with_energy_and_forces_that_belong_together() {
    let there = Command::new("python3").args(["-c", "import ase, tblite"]).output();
    if !available(
        "ase",
        "ase with tblite",
        there.is_ok_and(|output| output.status.success()),
    ) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    expect(0, &["init", text(&own), "--oracle", "ase"]);
    let start = read(own.join("quartz.xyz")).unwrap().remove(0);
    // One atom moved along x: the energy's slope is minus the force in the middle.
    let step = 0.01;
    let frames: Vec<Frame> = [-step, 0.0, step]
        .into_iter()
        .map(|shift| {
            let mut structure = start.structure.clone();
            structure.positions[4][0] += 0.1 + shift;
            Frame::new(structure)
        })
        .collect();
    let asked = folder.path().join("asked.xyz");
    slmc::formats::write(&asked, &frames).unwrap();
    let (code, error, labelled) = label(&asked, &folder.path().join("out.xyz"), &["--oracle", "ase"]);
    assert_eq!(code, 0, "{error}");
    let labels = |index: usize| labelled[index].labels.as_ref().unwrap();
    let slope = (labels(2).energy - labels(0).energy) / (2.0 * step);
    let force = labels(1).forces.as_ref().unwrap()[4][0];
    assert!(
        (slope + force).abs() < 5e-3 && force.abs() > 0.1,
        "slope {slope}, force {force}"
    );
    assert!(labels(1).stress.is_some());
}
