//! The promise: from the files of calculations that were made already, every step that is certain becomes a label in slmc's units and
//! signs, every other one is counted with its reason, and a file that gives nothing says why.

#[path = "../harness/mod.rs"]
mod harness;

mod espresso;
mod use_of_it;
mod vasp;
mod vasp_files;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{expect, repository, run, text};
use slmc::formats::{Frame, read};

/// Imports files; gives exit code, what was said, and the frames.
fn import(files: &[&Path], out: &Path, more: &[&str]) -> (i32, String, Vec<Frame>) {
    let _ = std::fs::remove_file(out);
    let mut arguments = vec!["data", "import"];
    arguments.extend(files.iter().map(|file| text(file)));
    arguments.extend(["-o", text(out)]);
    arguments.extend(more);
    let output = run(&arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    let frames = if out.exists() { read(out).unwrap() } else { Vec::new() };
    (output.status.code().unwrap(), said, frames)
}

/// Eight silicon atoms, displaced in strained cells, labelled by the embedded Stillinger-Weber oracle.
fn labelled(folder: &Path, count: usize) -> (PathBuf, Vec<Frame>) {
    let (made, out) = (folder.join("made.xyz"), folder.join("labelled.xyz"));
    let (start, count) = (repository("examples/silicon-dft/silicon.xyz"), count.to_string());
    expect(
        0,
        &[
            "data",
            "make",
            text(&start),
            "-o",
            text(&made),
            "-n",
            &count,
            "--strain",
            "0.03",
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
            text(&out),
            "-q",
        ],
    );
    let frames = read(&out).unwrap();
    (out, frames)
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The largest differences of energies, positions, forces and stresses.
fn differences(a: &[Frame], b: &[Frame]) -> [f64; 4] {
    assert_eq!(a.len(), b.len());
    let mut worst = [0.0_f64; 4];
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.structure.species, b.structure.species);
        let (x, y) = (a.labels.as_ref().unwrap(), b.labels.as_ref().unwrap());
        worst[0] = worst[0].max((x.energy - y.energy).abs());
        let apart = |a: &[[f64; 3]], b: &[[f64; 3]]| {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        worst[1] = worst[1].max(apart(&a.structure.positions, &b.structure.positions));
        if let (Some(x), Some(y)) = (&x.forces, &y.forces) {
            worst[2] = worst[2].max(apart(x, y));
        }
        if let (Some(x), Some(y)) = (&x.stress, &y.stress) {
            worst[3] = worst[3].max(apart(x, y));
        }
    }
    worst
}

/// What ASE reads in a file, as extended XYZ; `None` where there is no ASE.
fn by_ase(file: &Path, format: &str, out: &Path) -> Option<Vec<Frame>> {
    const SCRIPT: &str = "import sys\nfrom ase.io import read, write\nfrom ase.calculators.singlepoint import SinglePointCalculator as C\nframes = \
                          read(sys.argv[1], index=':', format=sys.argv[2])\nfor a in frames:\n    r = a.calc.results\n    a.calc = C(a, \
                          energy=r.get('free_energy', r['energy']), **{k: r[k] for k in ('forces', 'stress') if k in \
                          r})\n    a.set_constraint()\nwrite(sys.argv[3], frames, format='extxyz')";
    let python = |arguments: &[&str]| Command::new("python3").args(arguments).output();
    if !python(&["-c", "import ase.io"]).is_ok_and(|found| found.status.success()) {
        eprintln!("skipped: no python3 with ase");
        return None;
    }
    let output = python(&["-c", SCRIPT, text(file), format, text(out)]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(read(out).unwrap())
}
