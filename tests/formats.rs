//! Promise: extended XYZ and POSCAR are read as ASE and VASP write them, written so that they read back, and every
//! mistake in a file is named with its line.

use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use slmc::formats::xyz::{self, Precision};
use slmc::formats::{self, Column, ColumnValues, Frame, LabelKeys, poscar};
use slmc::linear::Vec3;
use slmc::potential::Labels;
use slmc::structure::{Cell, Species, Structure};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/formats")
        .join(name)
}

fn parse(text: &str) -> Result<Vec<Frame>, String> {
    xyz::parse(text, "a.xyz").map_err(|error| error.to_string())
}

fn only(text: &str) -> Frame {
    let mut frames = parse(text).unwrap();
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

// What ASE writes

#[test]
fn files_of_ase_are_read_with_everything_in_them() {
    let frames = formats::read(fixture("ase.extxyz")).unwrap();
    assert_eq!(frames, formats::read(fixture("ase.extxyz.gz")).unwrap());
    let expected = std::fs::read_to_string(fixture("ase.expected")).unwrap();
    assert_eq!(frames.len(), expected.lines().count());
    for (frame, line) in frames.iter().zip(expected.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(frame.structure.len(), words[0].parse::<usize>().unwrap());
        let periodic: String = frame
            .structure
            .cell
            .periodic()
            .map(|p| if p { 'T' } else { 'F' })
            .iter()
            .collect();
        assert_eq!(periodic, words[1]);
        if frame.structure.cell.is_bulk() {
            assert!((frame.structure.cell.volume() - words[2].parse::<f64>().unwrap()).abs() < 1e-9);
        }
        let energy = frame.labels.as_ref().map(|labels| labels.energy);
        assert_eq!(energy, words[3].parse().ok());
        let stress = frame.labels.as_ref().and_then(|labels| labels.stress);
        let numbers: Vec<f64> = words[4..].iter().filter_map(|w| w.parse().ok()).collect();
        assert_eq!(stress.map(|s| s.as_flattened().to_vec()).unwrap_or_default(), numbers);
    }
    let silicon = &frames[0];
    assert_eq!(silicon.free_energy, Some(-11.25));
    assert_eq!(silicon.force_consistent_labels().unwrap().energy, -11.25);
    assert_eq!(
        silicon.labels.as_ref().unwrap().forces.as_ref().unwrap()[1][2],
        -2.01998613
    );
    assert_eq!(silicon.info["config_type"], "bulk, rattled");
    assert_eq!(silicon.info_number("step"), Some(7.0));
    assert_eq!(silicon.info["nested"], "_JSON {\"a\": [1, 2], \"b\": \"two words\"}");
    let names: Vec<&str> = silicon.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["tags", "site", "chosen", "momenta"]);
    assert_eq!(silicon.columns[0].values, ColumnValues::Integer(vec![3, -1]));
    let quartz = &frames[1].structure;
    assert_eq!(*quartz.fixed, [true, false, false, true]);
    assert_eq!(*quartz.masses, [28.0, 18.0, 16.0, 40.0]);
    assert_eq!(quartz.cell.vectors()[1], [-2.4, 4.3, 0.3]);
    let water = formats::read(fixture("plain.xyz")).unwrap().remove(0);
    assert_eq!(water.info["comment"], "a water molecule");
    assert_eq!(water.structure, frames[3].structure);
}

#[test]
fn frames_of_ase_survive_being_written_and_read() {
    let frames = formats::read(fixture("ase.extxyz")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, precision) in [
        ("a.xyz", Precision::Exact),
        ("b.xyz", Precision::EightDecimals),
        ("c.xyz.gz", Precision::Exact),
    ] {
        let path = folder.path().join(name);
        xyz::write(&path, &frames[..2], precision).unwrap();
        for frame in &frames[2..] {
            xyz::append(&path, frame, precision).unwrap();
        }
        assert_eq!(formats::read(&path).unwrap(), frames, "{name}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "a temporary file was left behind: {left:?}");
}

#[test]
fn poscar_files_of_ase_are_the_structures_they_were_made_from() {
    let frames = formats::read(fixture("ase.extxyz")).unwrap();
    for (name, frame) in [("direct.vasp", &frames[1]), ("cartesian.vasp", &frames[0])] {
        let read = formats::read(fixture(name)).unwrap().remove(0).structure;
        assert_eq!(read.species, frame.structure.species);
        assert_eq!(read.fixed, frame.structure.fixed);
        assert_eq!(read.cell, frame.structure.cell);
        for (a, b) in read.positions.iter().zip(&frame.structure.positions) {
            assert!((0..3).all(|k| (a[k] - b[k]).abs() < 1e-8), "{name}: {a:?} {b:?}");
        }
    }
}

/// ASE reads the file named first and prints, for each frame, what it sees in it.
const LOOK: &str = r#"
import sys
from ase.io import read
for atoms in read(sys.argv[1], ":"):
    calc = atoms.calc
    words = [repr(float(atoms.get_potential_energy())) if calc else "none"]
    words += [repr(float(x)) for x in atoms.positions.ravel()]
    words += [repr(float(x)) for x in atoms.cell.array.ravel()]
    words += ["TF"[not p] for p in atoms.pbc]
    words += [repr(float(x)) for x in atoms.get_masses()] if atoms.has("masses") else []
    if calc and "forces" in calc.results:
        words += [repr(float(x)) for x in atoms.get_forces(apply_constraint=False).ravel()]
    if calc and "stress" in calc.results:
        words += [repr(float(x)) for x in atoms.get_stress(voigt=False).ravel()]
    for constraint in atoms.constraints:
        words += [str(i) for i in constraint.index]
    print(" ".join(words))
    print(repr(sorted(atoms.info.items(), key=str)))
"#;

#[test]
fn ase_reads_what_is_written() {
    let has_ase = Command::new("python3").args(["-c", "import ase.io"]).output();
    if !has_ase.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no python3 with ase");
        return;
    }
    let mut frames = formats::read(fixture("ase.extxyz")).unwrap();
    frames.remove(2); // Its missing lattice vector is completed on reading.
    for text in ["", "a \"quoted\" word", "back\\slash", "x = y", "{1, 2]", "it's"] {
        let key = format!("odd{}", frames[0].info.len());
        frames[0].info.insert(key, text.to_owned());
    }
    let cell = *frames[0].structure.cell.vectors();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.xyz");
    xyz::write(&path, &frames, Precision::Exact).unwrap();
    let output = Command::new("python3").arg("-c").arg(LOOK).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = seen.lines().collect();
    for (k, frame) in frames.iter().enumerate() {
        let mut words: Vec<String> = Vec::new();
        let mut add = |numbers: &[f64]| words.extend(numbers.iter().map(|x| format!("{x:?}")));
        let labels = frame.labels.as_ref();
        if let Some(labels) = labels {
            add(&[labels.energy]);
        }
        add(frame.structure.positions.as_flattened());
        let free = frame.structure.cell == Cell::free();
        add(if free {
            &[0.0; 9]
        } else {
            frame.structure.cell.vectors().as_flattened()
        });
        let mut words_after: Vec<String> = Vec::new();
        let mut add = |numbers: &[f64]| words_after.extend(numbers.iter().map(|x| format!("{x:?}")));
        if k == 1 {
            add(&frame.structure.masses);
        }
        if let Some(labels) = labels {
            add(labels.forces.as_ref().unwrap().as_flattened());
            add(labels.stress.unwrap().as_flattened());
        }
        let fixed = &frame.structure.fixed;
        words_after.extend((0..fixed.len()).filter(|i| fixed[*i]).map(|i| i.to_string()));
        let pbc = if free { "F" } else { "T" };
        words.extend([pbc; 3].map(str::to_owned));
        words.extend(words_after);
        let expected: Vec<&str> = words.iter().map(String::as_str).collect();
        let got: Vec<&str> = seen[2 * k].split(' ').filter(|w| *w != "none").collect();
        assert_eq!(got.len(), expected.len(), "{got:?} {expected:?}");
        for (a, b) in got.iter().zip(expected) {
            let same = *a == b || a.parse::<f64>().ok() == b.parse().ok();
            assert!(same, "{a} {b}");
        }
    }
    assert_eq!(cell, *frames[0].structure.cell.vectors());
    let info = seen[1];
    for odd in [
        "''",
        "'a \"quoted\" word'",
        "'back\\\\slash'",
        "'x = y'",
        "'{1, 2]'",
        "\"it's\"",
    ] {
        assert!(info.contains(odd), "{odd} is not in {info}");
    }
}

// Labels

const SILICON: &str = "Si 0 0 0 0.1 0.2 0.3\n";
const CUBE: &str = "Lattice=\"5 0 0 0 5 0 0 0 5\"";

fn with_comment(comment: &str) -> String {
    format!("1\n{CUBE} Properties=species:S:1:pos:R:3:forces:R:3 {comment}\n{SILICON}")
}

#[test]
fn stress_is_nine_numbers_or_six_or_the_negative_virial_over_the_volume() {
    let expected = [[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]];
    for stress in [
        "stress=\"1 6 5 6 2 4 5 4 3\"",
        "stress=\"1 2 3 4 5 6\"",
        "stress=[1, 2, 3, 4, 5, 6]",
        "virial=\"-125 -750 -625 -750 -250 -500 -625 -500 -375\"",
        "stress=\"1 2 3 4 5 6\" virial=\"9 9 9 9 9 9 9 9 9\"",
    ] {
        let frame = only(&with_comment(&format!("energy=-1 {stress}")));
        assert_eq!(frame.labels.unwrap().stress, Some(expected), "{stress}");
    }
    let error = parse(&with_comment("energy=-1 stress=\"1 2 3\"")).unwrap_err();
    assert!(error.contains("a.xyz:2: stress is `1 2 3`: expected nine"), "{error}");
    // Without three periodic directions stress means nothing: it is carried, not interpreted.
    let slab = only(&with_comment("energy=-1 stress=\"1 2 3 4 5 6\" pbc=\"T T F\""));
    assert_eq!(slab.labels.unwrap().stress, None);
    assert_eq!(slab.info["stress"], "1 2 3 4 5 6");
}

#[test]
fn energy_wins_over_free_energy_and_the_latter_is_kept() {
    let both = only(&with_comment("energy=-1 free_energy=-2"));
    assert_eq!(both.labels.as_ref().unwrap().energy, -1.0);
    assert_eq!(both.force_consistent_labels().unwrap().energy, -2.0);
    let free = only(&with_comment("free_energy=-2"));
    assert_eq!(free.labels.unwrap().energy, -2.0);
    let neither = only(&with_comment("step=4"));
    assert_eq!(neither.labels, None);
    assert_eq!(neither.columns[0].name, "forces");
}

#[test]
fn reference_labels_win_and_levels_of_theory_do_not_mix() {
    let text = format!(
        "1\n{CUBE} Properties=species:S:1:pos:R:3:forces:R:3:REF_forces:R:3 energy=-1 REF_energy=-3 \
         stress=\"1 2 3 4 5 6\" pbc=\"T T T\"\nSi 0 0 0 0.1 0.2 0.3 1 2 3\n"
    );
    let frame = only(&text);
    assert_eq!(frame.label_keys, LabelKeys::Reference);
    let labels = frame.labels.as_ref().unwrap();
    assert_eq!(labels.energy, -3.0);
    assert_eq!(labels.forces, Some(vec![[1.0, 2.0, 3.0]]));
    assert_eq!(labels.stress, None);
    assert_eq!(frame.info["energy"], "-1");
    let written = xyz::format(&frame, Precision::Exact).unwrap();
    assert!(
        written.contains("REF_energy=-3.0") && written.contains(" energy=-1 "),
        "{written}"
    );
    assert_eq!(only(&written), frame);
}

#[test]
fn columns_come_in_any_order_and_atoms_may_be_numbers() {
    let text =
        format!("2\nProperties=force:R:3:pos:R:3:tags:I:1:Z:I:1 energy=1 {CUBE}\n1 2 3 4 5 6 7 14\n1 2 3 0 0 0 7 8\n");
    let frame = only(&text);
    assert_eq!(frame.structure.positions[0], [4.0, 5.0, 6.0]);
    assert_eq!(frame.structure.species[1].symbol(), "O");
    assert_eq!(frame.labels.unwrap().forces.unwrap()[0], [1.0, 2.0, 3.0]);
    assert!(frame.structure.cell.is_bulk());
}

#[test]
fn plain_xyz_is_a_free_molecule_and_lines_may_hold_more() {
    let frames = parse("1\n it's free text\nhe 0 0 1 0.7 extra\n\n1\n\nAR 0 0 0\n\n").unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].structure.cell, Cell::free());
    assert_eq!(frames[0].info["comment"], "it's free text");
    assert_eq!(frames[1].structure.species[0].symbol(), "Ar");
    assert!(frames[1].info.is_empty());
}

// Mistakes

#[test]
fn each_mistake_in_xyz_is_named_with_its_line() {
    let good = with_comment("energy=1");
    for (text, expected) in [
        (String::new(), "a.xyz:1: the file holds no frames"),
        (
            "two\n".into(),
            "a.xyz:1: expected the number of atoms of the next frame, found `two`",
        ),
        ("0\n\n".into(), "a.xyz:2: the structure holds no atoms"),
        (
            format!("{good}2\n\nSi 0 0 0\n"),
            "a.xyz:6: the file ends after 1 of the 2 atoms of the frame that begins at line 4",
        ),
        (
            format!("{good}99999999999\n"),
            "a.xyz:4: the file ends after 0 of the 99999999999 atoms",
        ),
        (
            good.replace("0.3", ""),
            "a.xyz:3: expected 7 values for an atom (species, pos×3, forces×3), found 6",
        ),
        (good.replace("0.3", "0.3 4"), "found 8"),
        (
            good.replace("0.3", "0,3"),
            "a.xyz:3: forces is `0,3`, expected a number",
        ),
        (good.replace("0.3", "nan"), "a.xyz:3: a force is not a finite number"),
        (
            good.replace("Si 0", "Si inf"),
            "a.xyz:3: a coordinate is not a finite number",
        ),
        (good.replace("Si", "Sx"), "a.xyz:3: `Sx` is not a chemical element"),
        (
            good.replace("energy=1", "energy=low"),
            "a.xyz:2: energy is `low`: expected a finite number in eV",
        ),
        (
            good.replace("5 0 0 0 5", "5 0 0 0"),
            "a.xyz:2: Lattice is `5 0 0 0 0 0 0 5`: expected nine numbers",
        ),
        (
            good.replace("5 0 0 0 5", "0 0 0 0 5"),
            "a.xyz:2: lattice vector 1 is zero although pbc says it repeats",
        ),
        (good.replace("5 0 0 0 5 0", "5 0 0 5 0 0"), "span no volume"),
        (
            good.replace("0 5\"", "0 5"),
            "a.xyz:2: a quote or bracket in the comment line is not closed",
        ),
        (
            good.replace("pos:R:3", "pos:R"),
            "a.xyz:2: Properties=`species:S:1:pos:R:forces:R:3` is not a list",
        ),
        (good.replace("pos:R:3", "pos:Q:3"), "has the type `Q`"),
        (good.replace("pos:R:3", "pos:R:0"), "has `0` for a number of columns"),
        (
            good.replace("pos:R:3", "pos:R:99999999999"),
            "has `99999999999` for a number of columns",
        ),
        (
            good.replace("pos:R:3", "xyz:R:3"),
            "Properties has no positions: expected pos:R:3",
        ),
        (good.replace("species", "kind"), "Properties has no species"),
        (good.replace("forces", "pos"), "names `pos` twice"),
        (with_comment("pbc=\"T T\""), "pbc is `T T`: expected three of T or F"),
        ("1\npbc=\"T T T\"\nSi 0 0 0\n".into(), "there is no Lattice"),
        (
            good.replace("forces:R:3", "move_mask:L:3")
                .replace("0.1 0.2 0.3", "T F T"),
            "a.xyz:3: the atom is fixed along some directions only",
        ),
        (
            good.replace("forces:R:3", "masses:R:1:a:S:2")
                .replace("0.1 0.2", "-1 0.2"),
            "a.xyz:3: the mass is -1",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(expected), "{text}\n{error}\nexpected: {expected}");
    }
    let missing = formats::read("no/such/file.xyz").unwrap_err();
    assert!(
        missing.to_string().contains("no/such/file.xyz: cannot read"),
        "{missing}"
    );
}

#[test]
fn damaged_gzip_and_what_is_no_file_are_errors_and_a_device_is_written_to_directly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.xyz.gz");
    let whole = std::fs::read(fixture("ase.extxyz.gz")).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(formats::read(&path).is_err());
    assert!(formats::read(folder.path()).is_err());
    let unknown = folder.path().join("notes");
    std::fs::write(&unknown, "hello").unwrap();
    let error = formats::read(&unknown).unwrap_err().to_string();
    assert!(error.contains("notes: not a format that is read here"), "{error}");
    let frame = only(&with_comment("energy=1"));
    let frames = std::slice::from_ref(&frame);
    let error = xyz::write(folder.path().join("no/such.xyz"), frames, Precision::Exact).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    if Path::new("/dev/null").exists() {
        xyz::write("/dev/null", frames, Precision::Exact).unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
    #[cfg(unix)]
    {
        let (file, link) = (folder.path().join("file.xyz"), folder.path().join("link.xyz"));
        xyz::write(&file, frames, Precision::Exact).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        xyz::write(&link, &[frame.clone(), frame], Precision::Exact).unwrap();
        assert_eq!(formats::read(&file).unwrap().len(), 2);
    }
}

#[test]
fn what_would_break_the_file_is_refused_on_writing() {
    let mut frame = only(&with_comment("energy=1"));
    frame.info.insert("note".into(), "two\nlines".into());
    assert!(
        xyz::format(&frame, Precision::Exact)
            .unwrap_err()
            .to_string()
            .contains("line break")
    );
    frame.info.clear();
    for (name, values) in [
        ("a:b", ColumnValues::Integer(vec![1])),
        ("short", ColumnValues::Integer(vec![])),
        ("words", ColumnValues::Text(vec!["two words".into()])),
        ("empty", ColumnValues::Text(vec![String::new()])),
    ] {
        frame.columns = vec![Column {
            name: name.into(),
            width: 1,
            values,
        }];
        assert!(xyz::format(&frame, Precision::Exact).is_err(), "{name}");
    }
}

const POSCAR: &str =
    "comment\n1.0\n2 0 0\n0 4 0\n0 0 8\nSi_pv O/5eb9\n1 1\nDirect\n0 0 0\n0.5 0.5 0.25 O\n\n0 0 0\n0 0 0\n";

fn read_poscar(text: &str) -> Result<Structure, String> {
    poscar::parse(text, "POSCAR").map_err(|error| error.to_string())
}

#[test]
fn poscar_scales_modes_and_selective_dynamics() {
    let plain = read_poscar(POSCAR).unwrap();
    assert_eq!(plain.cell.heights(), [2.0, 4.0, 8.0]);
    assert_eq!(plain.positions[1], [1.0, 2.0, 2.0]);
    let symbols: Vec<&str> = plain.species.iter().map(|s| s.symbol()).collect();
    assert_eq!(symbols, ["Si", "O"]);
    let volume = read_poscar(&POSCAR.replace("1.0", "-512")).unwrap();
    assert!((volume.cell.volume() - 512.0).abs() < 1e-9);
    assert!((volume.positions[1][2] - 4.0).abs() < 1e-12);
    // A left-handed cell keeps its handedness under a scale by volume.
    let left = read_poscar(&POSCAR.replace("1.0", "-512").replace("2 0 0", "-2 0 0")).unwrap();
    assert!(left.cell.vectors()[0][0] < 0.0);
    for mode in ["Cartesian", "k", "  CART"] {
        let three = read_poscar(&POSCAR.replace("1.0", "2 3 0.5").replace("Direct", mode)).unwrap();
        assert_eq!(three.cell.heights(), [4.0, 12.0, 4.0]);
        assert_eq!(three.positions[1], [1.0, 1.5, 0.125]);
    }
    let fixed = POSCAR
        .replace("Direct", "selective\ndirect")
        .replace("0 0 0\n0.5 0.5 0.25 O", "0 0 0 F F F\n.5 .5 .25 T .TRUE. t");
    assert_eq!(*read_poscar(&fixed).unwrap().fixed, [true, false]);
}

#[test]
fn each_mistake_in_poscar_is_named_with_its_line() {
    for (text, expected) in [
        (
            POSCAR.replace("Si_pv O/5eb9\n", ""),
            "POSCAR:6: expected the species, found the numbers `1 1`: this is the format of VASP 4",
        ),
        (
            POSCAR.replace("Si_pv", "Sx"),
            "POSCAR:6: `Sx` names no chemical element",
        ),
        (
            POSCAR.replace("1 1\n", "1\n"),
            "POSCAR:7: expected 2 whole numbers, one for each species above, found `1`",
        ),
        (
            POSCAR.replace("1 1\n", "1 99999999999999\n"),
            "POSCAR:7: `1 99999999999999` atoms are announced but only",
        ),
        (
            POSCAR.replace("1 1\n", "0 0\n"),
            "POSCAR:7: the structure holds no atoms",
        ),
        (POSCAR.replace("1.0", "0"), "POSCAR:2: the scale is `0`"),
        (
            POSCAR.replace("1.0", "1 2"),
            "POSCAR:2: the scale is `1 2`: expected one number, or three",
        ),
        (POSCAR.replace("1.0", "1 -2 1"), "three factors must all be positive"),
        (
            POSCAR.replace("0 4 0", "0 four 0"),
            "POSCAR:4: expected lattice vector 2 as three numbers, found `0 four 0`",
        ),
        (POSCAR.replace("0 4 0", "2 0 0"), "span no volume"),
        (
            POSCAR.replace("Direct", "fractional"),
            "POSCAR:8: expected Direct or Cartesian before the positions, found `fractional`",
        ),
        (
            POSCAR.replace("0.25 O", "O"),
            "POSCAR:10: expected the position of atom 2 of 2 as three numbers",
        ),
        (
            POSCAR.replace("Direct", "Selective\nDirect"),
            "POSCAR:10: expected three flags T or F after the position of atom 1",
        ),
        (
            POSCAR
                .replace("Direct", "S\nDirect")
                .replace("0 0 0\n0.5", "0 0 0 T T F\n0.5"),
            "POSCAR:10: atom 1 is fixed along some directions only",
        ),
        (
            "comment\n1.0\n".into(),
            "POSCAR:2: the file ends here, expected lattice vector 1",
        ),
        (String::new(), "POSCAR:1: the file ends here, expected a comment"),
    ] {
        let error = read_poscar(&text).unwrap_err();
        assert!(error.contains(expected), "{text}\n{error}\nexpected: {expected}");
    }
}

#[test]
fn poscar_groups_species_and_tells_where_atoms_went() {
    let frames = formats::read(fixture("ase.extxyz")).unwrap();
    let mut structure = frames[1].structure.clone();
    let [si, o, ca] = [14, 8, 20].map(|z| Species::from_atomic_number(z).unwrap());
    structure.species = vec![o, si, o, ca].into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("POSCAR");
    let order = poscar::write(&path, &structure, "two\nlines").unwrap();
    assert_eq!(order, [0, 2, 1, 3]);
    let read = formats::read(&path).unwrap().remove(0).structure;
    assert_eq!(read.cell, structure.cell);
    for (k, atom) in order.iter().enumerate() {
        assert_eq!(read.positions[k], structure.positions[*atom]);
        assert_eq!(read.species[k], structure.species[*atom]);
        assert_eq!(read.fixed[k], structure.fixed[*atom]);
    }
    let error = poscar::write(&path, &frames[3].structure, "").unwrap_err().to_string();
    assert!(error.contains("periodic in all three directions"), "{error}");
}

// Properties

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-50.0..50.0_f64, -1e-9..1e-9_f64, -1e9..1e9_f64]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[a-zA-Z0-9 =\"'\\\\{}\\[\\]äÅ]{0,12}"]
}

fn frame() -> impl Strategy<Value = Frame> {
    (1..6_usize).prop_flat_map(|atoms| {
        let triples = move || prop::collection::vec(prop::array::uniform3(number()), atoms);
        (
            (
                prop::array::uniform3(1.0..20.0_f64),
                prop::array::uniform3(any::<bool>()),
                prop::array::uniform3(-3.0..3.0_f64),
                any::<bool>(),
            ),
            prop::collection::vec(1..=103_u8, atoms),
            triples(),
            (
                prop::option::of(1.0..200.0_f64),
                prop::collection::vec(any::<bool>(), atoms),
            ),
            prop::option::of((
                number(),
                prop::option::of(triples()),
                prop::option::of(prop::array::uniform6(number())),
                prop::option::of(number()),
                any::<bool>(),
            )),
            prop::collection::btree_map("[a-z][a-z0-9_]{0,5}x", text(), 0..4),
            prop::collection::vec(any::<i64>(), 2 * atoms),
        )
            .prop_map(
                move |((edges, periodic, off, free), numbers, positions, (mass, fixed), labels, info, integers)| {
                    let vectors = [
                        [edges[0], 0.0, off[0]],
                        [off[1], edges[1], 0.0],
                        [0.0, off[2], edges[2]],
                    ];
                    let cell = if free {
                        Cell::free()
                    } else {
                        Cell::new(vectors, periodic).unwrap()
                    };
                    let species = numbers
                        .iter()
                        .map(|z| Species::from_atomic_number(*z).unwrap())
                        .collect();
                    let mut structure = Structure::new(cell, species, positions)
                        .unwrap()
                        .with_fixed(fixed)
                        .unwrap();
                    if let Some(mass) = mass {
                        structure = structure.with_masses(vec![mass; atoms]).unwrap();
                    }
                    let mut frame = Frame::new(structure);
                    if let Some((energy, forces, s, free_energy, reference)) = labels {
                        let stress = s.filter(|_| frame.structure.cell.is_bulk());
                        let stress = stress.map(|s| [[s[0], s[5], s[4]], [s[5], s[1], s[3]], [s[4], s[3], s[2]]]);
                        frame.labels = Some(Labels { energy, forces, stress });
                        frame.free_energy = free_energy;
                        frame.label_keys = if reference {
                            LabelKeys::Reference
                        } else {
                            LabelKeys::Plain
                        };
                    }
                    frame.info = info;
                    frame.columns.push(Column {
                        name: "extra".into(),
                        width: 2,
                        values: ColumnValues::Integer(integers),
                    });
                    frame
                },
            )
    })
}

fn positions_agree(a: &[Vec3], b: &[Vec3]) -> bool {
    a.iter()
        .flatten()
        .zip(b.iter().flatten())
        .all(|(x, y)| (x - y).abs() <= 5.1e-9 + 1e-15 * x.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn exact_frames_read_back_bit_by_bit(frames in prop::collection::vec(frame(), 1..4)) {
        let text: String = frames.iter().map(|f| xyz::format(f, Precision::Exact).unwrap()).collect();
        prop_assert_eq!(parse(&text).unwrap(), frames);
    }

    #[test]
    fn eight_decimals_change_positions_and_forces_alone(original in frame()) {
        let mut read = only(&xyz::format(&original, Precision::EightDecimals).unwrap());
        prop_assert!(positions_agree(&read.structure.positions, &original.structure.positions));
        read.structure.positions.clone_from(&original.structure.positions);
        read.structure.masses = original.structure.masses.clone();
        if let (Some(a), Some(b)) = (&mut read.labels, &original.labels)
            && let (Some(x), Some(y)) = (&a.forces, &b.forces)
        {
            prop_assert!(positions_agree(x, y));
            a.forces.clone_from(&b.forces);
        }
        prop_assert_eq!(read, original);
    }

    #[test]
    fn a_cut_off_file_is_an_error_or_ends_between_frames(frames in prop::collection::vec(frame(), 1..3), at in 0.0..1.0_f64) {
        let texts: Vec<String> = frames.iter().map(|f| xyz::format(f, Precision::Exact).unwrap()).collect();
        let whole = texts.concat();
        let mut cut = (whole.len() as f64 * at) as usize;
        while !whole.is_char_boundary(cut) {
            cut -= 1;
        }
        if let Ok(read) = parse(&whole[..cut]) {
            // Only a last number that lost its last digits can pass unseen.
            prop_assert!(read.len() <= frames.len());
            let lines = whole[..cut].lines().count();
            let complete: Vec<usize> = (1..=texts.len()).map(|n| texts[..n].concat().lines().count()).collect();
            prop_assert!(complete.contains(&lines));
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(
        text in prop_oneof![".*", "[0-9]{1,2}\n[ -~\n]{0,200}", "1\n[A-Za-z=\":0-9 ]{0,80}\n[A-Z][a-z]?( [0-9.eE-]{1,6}){3,9}\n"],
        mutation in (0..POSCAR.len(), any::<char>()),
    ) {
        let _ = parse(&text);
        let _ = read_poscar(&text);
        let mut damaged = POSCAR.to_owned();
        damaged.replace_range(mutation.0..=mutation.0, &mutation.1.to_string());
        let _ = read_poscar(&damaged);
        let mut damaged = with_comment("energy=1 stress=\"1 2 3 4 5 6\"");
        let at = mutation.0.min(damaged.len() - 1);
        damaged.replace_range(at..=at, &mutation.1.to_string());
        let _ = parse(&damaged);
    }

    #[test]
    fn poscar_reads_back_bit_by_bit(mut frame in frame()) {
        frame.structure.cell = Cell::new(*frame.structure.cell.vectors(), [true; 3]).unwrap();
        let (text, order) = poscar::format(&frame.structure, "test").unwrap();
        let read = read_poscar(&text).unwrap();
        prop_assert_eq!(read.cell, frame.structure.cell);
        for (k, atom) in order.iter().enumerate() {
            prop_assert_eq!(read.positions[k], frame.structure.positions[*atom]);
            prop_assert_eq!(read.species[k], frame.structure.species[*atom]);
            prop_assert_eq!(read.fixed[k], frame.structure.fixed[*atom]);
        }
    }
}

// Reference data

#[test]
fn reference_data_are_read() {
    let folder = std::env::var_os("SLMC_REFERENCE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if !folder.join("mlearn").is_dir() {
        eprintln!("skipped: no reference data");
        return;
    }
    for (name, frames) in [
        ("Si.training", 214),
        ("Si.test", 25),
        ("Li.training", 241),
        ("Li.test", 29),
    ] {
        let read = formats::read(folder.join(format!("mlearn/{name}.extxyz"))).unwrap();
        assert_eq!(read.len(), frames, "{name}");
        for frame in &read {
            let labels = frame.labels.as_ref().unwrap();
            assert_eq!(labels.forces.as_ref().map(Vec::len), Some(frame.structure.len()));
            assert!(labels.is_finite() && frame.structure.cell.is_bulk());
        }
    }
    for name in ["converged", "elec-unconverged", "unfinished"] {
        let structure = &formats::read(folder.join(format!("vasp/{name}/POSCAR"))).unwrap()[0].structure;
        assert!(structure.cell.is_bulk());
    }
}
