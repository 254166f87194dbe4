//! VASP: versions 5.3 to 6.x, modes of running, steps that did not converge, force fields, files that are cut.

use slmc::formats::read;

use crate::harness::{repository, text};
use crate::vasp_files::{ENTROPY, Layout, Step, good, outcar, vasprun};
use crate::{by_ase, differences, import, labelled, pack};

const DIELECTRIC: &str = "  <dielectricfunction comment=\"HEAD OF MICROSCOPIC DIELECTRIC TENSOR (INDEPENDENT PARTICLE)\">\n   <imag>\n    <array \
                          name=\"x\">\n     <set>\n      <r>   0.0   ****** NaN </r>\n     </set>\n    </array>\n   </imag>\n  \
                          </dielectricfunction>\n  <varray name=\"epsilon\" >\n   <v> 1.0 0.0 **** </v>\n  </varray>\n";
const SPINS: &str = "  <eigenvalues>\n   <array>\n    <set>\n     <set comment=\"spin 1\">\n      <set comment=\"kpoint 1\">\n       <r>   -6.0    \
                     1.0 </r>\n      </set>\n     </set>\n     <set comment=\"spin 2\">\n      <set comment=\"kpoint 1\">\n       <r>   -6.0    \
                     1.0 </r>\n      </set>\n     </set>\n    </set>\n   </array>\n  </eigenvalues>\n  <dos>\n   <i name=\"efermi\">      6.0 \
                     </i>\n  </dos>\n";

/// Every layout gives the same labels, and ASE reads the same.
#[test]
fn every_step_of_every_version_is_the_label_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (_, frames) = labelled(folder.path(), 3);
    let layouts = [
        Layout {
            version: "5.3.5",
            ..Layout::default()
        },
        Layout {
            version: "5.4.4.18Apr17-6-g9f103f2a35",
            incar: "  <i type=\"int\" name=\"ISPIN\">     2</i>\n  <i type=\"logical\" name=\"LDAU\"> T  </i>\n  <v type=\"int\" name=\"LDAUL\">     2</v>\n  \
                    <v name=\"LDAUU\">      4.00000000</v>\n  <v name=\"MAGMOM\">      1.0      1.0      1.0</v>",
            after: SPINS,
            ..Layout::default()
        },
        Layout {
            version: "6.2.1",
            incar: "  <i type=\"logical\" name=\"LHFCALC\"> T  </i>\n  <i name=\"HFSCREEN\">      0.20000000</i>",
            before: DIELECTRIC,
            after: DIELECTRIC,
            ..Layout::default()
        },
        Layout {
            version: "6.4.2",
            energies: "   <i name=\"kinetic\">      0.3 </i>\n   <i name=\"lattice kinetic\">      0.0 </i>\n   <i name=\"nosepot\">      0.1 </i>\n   <i \
                       name=\"nosekinetic\">      0.0 </i>\n   <i name=\"total\">   -100.0 </i>\n",
            ..Layout::default()
        },
    ];
    for layout in layouts {
        let steps: Vec<Step<'_>> = frames.iter().map(good).collect();
        // Neither the name nor the packing tells what it is.
        let file = folder.path().join("old-run.dat");
        std::fs::write(&file, pack(vasprun(layout, &steps).as_bytes())).unwrap();
        let out = folder.path().join("out.xyz");
        let (code, said, found) = import(&[&file], &out, &[]);
        assert!(
            code == 0 && said.contains("3 steps, 3 taken") && said.contains(layout.version),
            "{said}"
        );
        let [energy, position, force, stress] = differences(&found, &frames);
        assert!(
            energy < 1e-8 && position < 1e-7 && force < 1e-8 && stress < 1e-11,
            "{energy} {position} {force} {stress}"
        );
        let plain = folder.path().join("vasprun.xml");
        std::fs::write(&plain, vasprun(layout, &steps)).unwrap();
        if let Some(other) = by_ase(&plain, "vasp-xml", &folder.path().join("ase.xyz")) {
            let [energy, position, force, stress] = differences(&found, &other);
            assert!(
                energy < 1e-8 && position < 1e-8 && force < 1e-8 && stress < 1e-8,
                "{energy} {position} {force} {stress}"
            );
        }
        let (_, _, extrapolated) = import(&[&file], &out, &["--energy", "sigma-to-zero"]);
        let gap = extrapolated[1].labels.as_ref().unwrap().energy - found[1].labels.as_ref().unwrap().energy;
        assert!((gap - 0.5 * ENTROPY).abs() < 2e-8, "{gap}");
        assert!(found[0].info["import_code"].contains("VASP") && found[2].info["import_step"] == "3");
    }
}

#[test]
fn what_is_no_answer_of_the_electrons_is_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (_, frames) = labelled(folder.path(), 6);
    let layout = Layout {
        version: "6.3.0",
        incar: "  <i type=\"int\" name=\"NELM\">    20</i>\n  <i type=\"logical\" name=\"ML_LMLFF\"> T  </i>",
        ..Layout::default()
    };
    let steps = [9, 20, 0, 0, 19, 9]
        .into_iter()
        .zip(&frames)
        .map(|(electronic, frame)| Step {
            electronic,
            stress: frame.structure.positions != frames[4].structure.positions,
            ..good(frame)
        });
    let mut text = vasprun(layout, &steps.collect::<Vec<_>>());
    // A force of the last step that was too large for its field.
    let at = text.rfind("<varray name=\"forces\" >").unwrap() + 35;
    text.replace_range(at..at + 12, "************");
    let (file, out) = (folder.path().join("vasprun.xml"), folder.path().join("out.xyz"));
    std::fs::write(&file, text).unwrap();
    let (code, said, found) = import(&[&file], &out, &[]);
    assert_eq!(code, 0, "{said}");
    let [energy, ..] = differences(&found, &[frames[0].clone(), frames[4].clone()]);
    assert!(energy < 1e-8);
    assert!(found[0].labels.as_ref().unwrap().stress.is_some() && found[1].labels.as_ref().unwrap().stress.is_none());
    for words in [
        "6 steps, 2 taken, 4 left out",
        "1 × SCF not converged within NELM = 20",
        "2 × answered by VASP's own force field",
        "1 × a number is none",
        "1 without stress",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    // Runs whose energies are none of a self-consistent ground state.
    for (tag, word) in [
        ("<i type=\"int\" name=\"ICHARG\">    11</i>", "ICHARG"),
        ("<i type=\"string\" name=\"ALGO\"> GW0</i>", "ALGO"),
        ("<i name=\"PSTRESS\">     10.00000000</i>", "PSTRESS"),
    ] {
        let incar: &'static str = Box::leak(tag.to_owned().into_boxed_str());
        let text = vasprun(
            Layout {
                version: "6.3.0",
                incar,
                ..Layout::default()
            },
            &[good(&frames[0])],
        );
        std::fs::write(&file, text).unwrap();
        let (code, said, found) = import(&[&file], &out, &[]);
        assert!(
            code == 65 && found.is_empty() && said.contains(word) && said.contains("vasprun.xml"),
            "{said}"
        );
    }
}

#[test]
fn a_cut_file_gives_its_complete_steps_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (_, frames) = labelled(folder.path(), 3);
    let steps: Vec<Step<'_>> = frames.iter().map(good).collect();
    let out = folder.path().join("out.xyz");
    let layout = Layout {
        version: "6.3.0",
        ..Layout::default()
    };
    let whole = [vasprun(layout, &steps), outcar(&steps, |_| String::new())];
    let file = folder.path().join("cut");
    for (text, complete) in whole.iter().zip(["</calculation>", "energy  without entropy"]) {
        // Close to each end of a step every place, elsewhere some.
        let ends: Vec<usize> = text.match_indices(complete).map(|(at, _)| at).collect();
        let near = ends
            .iter()
            .flat_map(|end| [end - 1, end + 5, end + 13, end + 80, end + 90]);
        for cut in near
            .chain((1..text.len()).step_by(text.len() / 12))
            .filter(|cut| *cut + 20 < text.len())
        {
            std::fs::write(&file, &text[..cut]).unwrap();
            let (code, said, found) = import(&[&file], &out, &[]);
            // The line of OUTCAR that ends a step must be whole.
            let ended = |end: &usize| {
                if complete.starts_with('<') {
                    end + complete.len() <= cut
                } else {
                    text[*end..].find('\n').is_some_and(|length| end + length < cut)
                }
            };
            let expected = ends.iter().filter(|end| ended(end)).count();
            assert_eq!(found.len(), expected, "{cut} of {}: {said}", text.len());
            assert_eq!(code, if expected == 0 { 65 } else { 0 }, "{said}");
            assert!(said.contains("cut short") || code == 65, "{said}");
        }
    }
    // Packed, and cut in the packed form.
    let packed = pack(whole[0].as_bytes());
    std::fs::write(&file, &packed[..packed.len() * 2 / 3]).unwrap();
    let (code, said, found) = import(&[&file], &out, &[]);
    assert!(
        code == 0 && (1..3).contains(&found.len()) && said.contains("cut short"),
        "{said}"
    );
}

#[test]
fn an_outcar_gives_what_its_vasprun_gives() {
    let folder = tempfile::tempdir().unwrap();
    let (_, frames) = labelled(folder.path(), 4);
    let steps: Vec<Step<'_>> = [9, 40, 9, 9]
        .into_iter()
        .zip(&frames)
        .map(|(electronic, frame)| Step {
            electronic,
            ..good(frame)
        })
        .collect();
    // The third was stopped by a STOPCAR, which only OUTCAR tells.
    let text_of = outcar(&steps, |index| match index {
        2 => " aborting loop because hard stop was set\n".to_owned(),
        _ => " aborting loop because EDIFF is reached\n".to_owned(),
    });
    let (file, out) = (folder.path().join("OUTCAR.old"), folder.path().join("out.xyz"));
    std::fs::write(&file, &text_of).unwrap();
    let (code, said, found) = import(&[&file], &out, &[]);
    assert!(code == 0 && said.contains("4 steps, 2 taken, 2 left out"), "{said}");
    let [energy, position, force, stress] = differences(&found, &[frames[0].clone(), frames[3].clone()]);
    assert!(
        energy < 1e-8 && position < 6e-6 && force < 6e-7 && stress < 1e-8,
        "{energy} {position} {force} {stress}"
    );
    if let Some(all) = by_ase(&file, "vasp-out", &folder.path().join("ase.xyz")) {
        let [energy, position, force, stress] = differences(&found, &[all[0].clone(), all[3].clone()]);
        assert!(
            energy < 1e-8 && position < 1e-8 && force < 1e-8 && stress < 1e-8,
            "{energy} {position} {force} {stress}"
        );
    }
    let (_, _, extrapolated) = import(&[&file], &out, &["--energy", "sigma-to-zero"]);
    assert!(
        (extrapolated[0].labels.as_ref().unwrap().energy - frames[0].labels.as_ref().unwrap().energy - 0.5 * ENTROPY)
            .abs()
            < 2e-8
    );
    // Beside its vasprun.xml it adds nothing but what it knows of the third step.
    let xml = folder.path().join("vasprun.xml");
    let layout = Layout {
        version: "6.3.0",
        ..Layout::default()
    };
    std::fs::write(&xml, vasprun(layout, &steps)).unwrap();
    let (_, said, found) = import(&[&xml], &out, &[]);
    assert_eq!(found.len(), 3, "{said}");
    let beside = folder.path().join("OUTCAR");
    std::fs::write(&beside, &text_of).unwrap();
    let (code, said, found) = import(&[&xml, &beside], &out, &[]);
    assert!(code == 0 && said.contains("2 × in an earlier file already"), "{said}");
    assert!(
        found.len() == 2 && said.contains("1 × SCF not converged, says the OUTCAR beside it"),
        "{said}"
    );
}

/// Genuine files, where they are.
#[test]
fn genuine_files_are_read() {
    let data = repository("../shared/data/vasp");
    if !data.exists() {
        eprintln!("skipped: no ../shared/data/vasp");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.xyz");
    for (name, taken) in [
        ("converged/vasprun.xml", 1),
        ("converged/OUTCAR", 1),
        ("elec-unconverged/vasprun.xml", 0),
        ("elec-unconverged/OUTCAR", 0),
        ("unfinished/vasprun.xml", 0),
        ("unfinished/OUTCAR", 0),
        ("vasp-6.2.1/vasprun.xml", 1),
    ] {
        let (code, said, found) = import(&[&data.join(name)], &out, &[]);
        assert_eq!(
            (code, found.len()),
            (if taken == 0 { 65 } else { 0 }, taken),
            "{name}: {said}"
        );
        assert!(
            taken > 0 || said.contains("nothing usable") && said.contains(name),
            "{said}"
        );
    }
    let (code, said, found) = import(
        &[&data.join("unfinished/OUTCAR"), &data.join("converged/vasprun.xml")],
        &out,
        &[],
    );
    assert!(
        code == 65 && found.len() == 1 && said.contains("1 of 2 files gave no label; the others were written"),
        "{said}"
    );
    assert_eq!(read(&out).unwrap().len(), 1, "{}", text(&out));
}
