//! What is imported trains a potential and starts a run; files of several surfaces are told apart.

use std::fs::write;

use slmc::formats::n2p2::{FileUnits, write_data_file};

use crate::harness::{expect, repository, text};
use crate::vasp_files::{Layout, Step, good, vasprun};
use crate::{differences, import, labelled};

#[test]
fn imported_labels_start_a_run_without_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_, frames) = labelled(folder.path(), 24);
    let steps: Vec<Step<'_>> = frames.iter().map(good).collect();
    let (file, out) = (folder.path().join("vasprun.xml"), folder.path().join("old.xyz"));
    let layout = Layout {
        version: "6.3.0",
        ..Layout::default()
    };
    write(&file, vasprun(layout, &steps)).unwrap();
    let (code, said, _) = import(&[&file], &out, &[]);
    assert_eq!(code, 0, "{said}");
    let potential = folder.path().join("potential.json");
    expect(0, &["train", text(&out), "-o", text(&potential), "-q"]);
    let start = std::fs::read_to_string(repository("examples/silicon-dft/silicon.xyz")).unwrap();
    let config = "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"3 fs\"\nsteps = 8\n\
                  [oracle.stillinger-weber]\n[bootstrap]\nstructures = 0\ndata = [\"old.xyz\"]\n[learning]\nretrain-every = 10\nstop-after = \
                  11\n[sampling]\nsteps = 20\ndiscard = 2\nchains = 1\nseed = 5\n";
    let path = crate::harness::write(folder.path(), &start, config);
    let directory = folder.path().join("run");
    expect(0, &["run", text(&path), "--out", text(&directory), "-q"]);
    let (report, _) = expect(0, &["analyze", text(&directory), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    // The start alone is labelled anew before the network proposes.
    assert_eq!(report["oracle_calls"]["bootstrap"], 1, "{report}");
    assert!(report["acceptance"].as_f64().unwrap() > 0.5, "{report}");
}

#[test]
fn structure_files_give_their_labelled_frames() {
    let folder = tempfile::tempdir().unwrap();
    let (labels, frames) = labelled(folder.path(), 3);
    let out = folder.path().join("out.xyz");
    // With what the frames say of themselves: their oracle's fingerprint.
    let mixed = folder.path().join("mixed");
    let bare = std::fs::read_to_string(repository("examples/silicon-dft/silicon.xyz")).unwrap();
    write(&mixed, std::fs::read_to_string(&labels).unwrap() + &bare).unwrap();
    let (code, said, found) = import(&[&mixed], &out, &[]);
    assert!(
        code == 0 && said.contains("4 steps, 3 taken, 1 left out (1 × without an energy)"),
        "{said}"
    );
    assert!(differences(&found, &frames).iter().all(|x| *x == 0.0));
    assert_eq!(found[0].info["slmc_fingerprint"], frames[0].info["slmc_fingerprint"]);
    let atomic: FileUnits = "bohr,hartree".parse().unwrap();
    let (data, renamed) = (folder.path().join("input.data"), folder.path().join("set-1"));
    write_data_file(&data, &frames, atomic).unwrap();
    std::fs::rename(&data, &renamed).unwrap();
    let (code, said, found) = import(&[&renamed], &out, &["--units", "bohr,hartree"]);
    assert!(code == 0 && said.contains("input.data, 3 steps, 3 taken"), "{said}");
    let [energy, position, force, _] = differences(&found, &frames);
    assert!(
        energy < 1e-9 && position < 1e-9 && force < 1e-9,
        "{energy} {position} {force}"
    );
}

#[test]
fn mistakes_are_named_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.xyz");
    let (absent, empty, poscar) = (
        folder.path().join("absent"),
        folder.path().join("empty"),
        folder.path().join("POSCAR"),
    );
    write(&empty, "").unwrap();
    write(&poscar, "Si\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi\n1\nDirect\n0 0 0\n").unwrap();
    let (code, said, _) = import(&[&absent, &empty, &poscar, folder.path()], &out, &[]);
    assert_eq!(code, 65, "{said}");
    assert!(
        said.contains("4 of 4 files gave no label; nothing was written") && !out.exists(),
        "{said}"
    );
    for file in [&absent, &empty, &poscar] {
        assert!(said.contains(text(file)), "{said}");
    }
    expect(64, &["data", "import", "-o", text(&out)]);
}

#[test]
fn files_of_two_surfaces_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (_, frames) = labelled(folder.path(), 2);
    let layout = Layout {
        version: "6.3.0",
        ..Layout::default()
    };
    let (a, b) = (folder.path().join("a.xml"), folder.path().join("b.xml"));
    write(&a, vasprun(layout, &[good(&frames[0])])).unwrap();
    write(
        &b,
        vasprun(layout, &[good(&frames[1])]).replace("    300.00000000", "    400.00000000"),
    )
    .unwrap();
    let out = folder.path().join("out.xyz");
    let (code, said, found) = import(&[&a, &b], &out, &[]);
    assert!(code == 0 && found.len() == 2, "{said}");
    assert!(
        said.contains("warning") && said.contains("ENMAX: 300.00000000 in") && said.contains("400.00000000 in"),
        "{said}"
    );
    let (_, said, _) = import(&[&a, &a], &out, &[]);
    assert!(
        !said.contains("warning") && said.contains("1 × in an earlier file already"),
        "{said}"
    );
}
