//! The promise: sets of structures are made, chosen and divided as asked, and no label is lost on the way.

mod harness;

use std::collections::BTreeSet;
use std::path::Path;

use harness::{expect, repository, text};
use slmc::formats::{Frame, read};

fn energies(frames: &[Frame]) -> Vec<u64> {
    frames
        .iter()
        .map(|frame| frame.labels.as_ref().unwrap().energy.to_bits())
        .collect()
}

/// Fifteen labelled structures: three volumes, five random strains and displacements each.
fn labelled(folder: &Path) -> std::path::PathBuf {
    let (made, out) = (folder.join("made.xyz"), folder.join("labelled.xyz"));
    let start = repository("examples/silicon-dft/silicon.xyz");
    let make = [
        "data",
        "make",
        text(&start),
        "-o",
        text(&made),
        "-n",
        "5",
        "--strain",
        "0.02",
        "--scan",
        "0.05x3",
    ];
    expect(0, &make);
    expect(
        0,
        &[
            "label",
            text(&made),
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
fn strains_supercells_and_scans_are_what_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let start = repository("examples/silicon-dft/silicon.xyz");
    let original = read(&start).unwrap().remove(0).structure;
    let out = folder.path().join("scan.xyz");
    let still = [
        "--displace",
        "0 Å",
        "--scan",
        "0.05x5",
        "--supercell",
        "2x1x1",
        "-n",
        "7",
    ];
    let mut arguments = vec!["data", "make", text(&start), "-o", text(&out)];
    arguments.extend(still);
    expect(0, &arguments);
    let frames = read(&out).unwrap();
    // Nothing random: one of each volume.
    assert_eq!(frames.len(), 5);
    for (frame, scale) in frames.iter().zip([0.95, 0.975, 1.0, 1.025, 1.05_f64]) {
        assert_eq!(frame.structure.len(), 16);
        let volume = 2.0 * scale.powi(3) * original.cell.volume();
        assert!((frame.structure.cell.volume() / volume - 1.0).abs() < 1e-12);
        let fractional =
            |structure: &slmc::structure::Structure, i: usize| structure.cell.fractional(structure.positions[i]);
        let (was, is) = (
            fractional(&original.supercell([2, 1, 1]), 9),
            fractional(&frame.structure, 9),
        );
        assert!((0..3).all(|k| (was[k] - is[k]).abs() < 1e-12));
    }
    // Random ones differ from each other and repeat with the seed.
    let draw = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        expect(
            0,
            &[
                "data",
                "make",
                text(&start),
                "-o",
                text(&out),
                "-n",
                "4",
                "--strain",
                "0.05",
                "--seed",
                seed,
            ],
        );
        std::fs::read(&out).unwrap()
    };
    assert_eq!(draw("a.xyz", "3"), draw("b.xyz", "3"));
    assert_ne!(draw("a.xyz", "3"), draw("b.xyz", "4"));
}

#[test]
fn division_selection_and_duplicates_keep_every_label() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = labelled(folder.path());
    let all = energies(&read(&data).unwrap());
    assert_eq!(all.len(), 15);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 15);

    let (train, test) = (path("train.xyz"), path("test.xyz"));
    let split = [
        "data",
        "split",
        text(&data),
        "--train",
        text(&train),
        "--test",
        text(&test),
        "--fraction",
        "0.8",
    ];
    expect(0, &split);
    let (kept, held) = (energies(&read(&train).unwrap()), energies(&read(&test).unwrap()));
    assert_eq!((kept.len(), held.len()), (12, 3));
    let merged: BTreeSet<u64> = kept.iter().chain(&held).copied().collect();
    assert_eq!(merged, all.iter().copied().collect());

    let sliced = path("slice.xyz");
    expect(0, &["data", "slice", text(&data), "-7::3", "-o", text(&sliced)]);
    assert_eq!(energies(&read(&sliced).unwrap()), [all[8], all[11], all[14]]);

    // Bare copies first: the labelled ones replace them. An atom moved by a lattice vector is where it was.
    let (twice, unique) = (path("made.xyz"), path("unique.xyz"));
    let mut moved = read(&data).unwrap();
    for frame in &mut moved {
        let along = frame.structure.cell.vectors()[1];
        frame.structure.positions[3] = slmc::linear::add(frame.structure.positions[3], along);
    }
    let shifted = path("shifted.xyz");
    slmc::formats::write(&shifted, &moved).unwrap();
    let files = [
        "data",
        "deduplicate",
        text(&twice),
        text(&data),
        text(&shifted),
        "-o",
        text(&unique),
    ];
    let (_, said) = expect(0, &files);
    assert!(said.contains("30 were there already"), "{said}");
    assert_eq!(energies(&read(&unique).unwrap()), all);

    let chosen = path("chosen.xyz");
    expect(0, &["data", "select", text(&unique), "-n", "6", "-o", text(&chosen)]);
    let chosen = energies(&read(&chosen).unwrap());
    assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 6);
    // The volumes differ far more than the displacements: six farthest points see all three.
    let volumes: BTreeSet<usize> = chosen
        .iter()
        .map(|energy| all.iter().position(|known| known == energy).unwrap() / 5)
        .collect();
    assert_eq!(volumes.len(), 3);
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = labelled(folder.path());
    let poscar = folder.path().join("POSCAR");
    let (_, error) = expect(64, &["data", "convert", text(&data), "-o", text(&poscar)]);
    assert!(error.contains("holds one structure, not 15"), "{error}");
    let (_, error) = expect(64, &["data", "select", text(&data), "-n", "16", "-o", text(&poscar)]);
    assert!(error.contains("from 1 to 15"), "{error}");
    let (_, error) = expect(65, &["data", "slice", text(&data), "20:", "-o", text(&poscar)]);
    assert!(error.contains("nothing is left"), "{error}");
    let (_, error) = expect(64, &["data", "slice", text(&data), "1", "-o", text(&poscar)]);
    assert!(error.contains("START:STOP:STEP"), "{error}");
    let molecule = folder.path().join("molecule.xyz");
    std::fs::write(&molecule, "2\n\nH 0 0 0\nH 0 0 0.7\n").unwrap();
    let strain = ["data", "make", text(&molecule), "-o", text(&poscar), "--strain", "0.1"];
    let (_, error) = expect(65, &strain);
    assert!(error.contains("not periodic in all directions"), "{error}");
}
