//! `pw.x`: outputs and XML files recorded from runs of version 6.7: relax in crystal, vc-relax in bohr, md in lattice units, and a
//! relaxation that was let go on without convergence.

use std::io::Read as _;
use std::path::PathBuf;

use crate::harness::repository;
use crate::{by_ase, differences, import, pack};

fn recorded(name: &str) -> PathBuf {
    repository(&format!("oracles/espresso/recorded/{name}"))
}

fn unpacked(name: &str) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(recorded(name)).unwrap();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn output_and_xml_of_a_run_are_the_same_labels_and_ase_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.xyz");
    for (name, steps) in [("relax", 3), ("vc-relax", 3), ("md", 4)] {
        let (code, said, printed) = import(&[&recorded(&format!("{name}.out.gz"))], &out, &[]);
        assert!(
            code == 0 && said.contains(&format!("{steps} steps, {steps} taken")),
            "{said}"
        );
        assert!(!said.contains("cut short"), "{said}");
        let (code, said, stored) = import(&[&recorded(&format!("{name}.xml.gz"))], &out, &[]);
        assert!(code == 0, "{said}");
        let [energy, position, force, stress] = differences(&printed, &stored);
        assert!(
            energy < 2e-7 && position < 2e-6 && force < 5e-7 && stress < 1e-6,
            "{name}: {energy} {position} {force} {stress}"
        );
        // Stress of the last calculation stands in the XML file, too.
        assert!(stored[steps - 1].labels.as_ref().unwrap().stress.is_some());
        let plain = folder.path().join("pw.out");
        std::fs::write(&plain, unpacked(&format!("{name}.out.gz"))).unwrap();
        if let Some(other) = by_ase(&plain, "espresso-out", &folder.path().join("ase.xyz")) {
            // ASE converts with the constants of 2006.
            let [energy, position, force, stress] = differences(&printed, &other);
            assert!(
                energy < 2e-4 && position < 1e-6 && force < 1e-6 && stress < 1e-7,
                "{name}: {energy} {position} {force} {stress}"
            );
        }
    }
}

#[test]
fn energies_of_other_plane_waves_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_, said, _) = import(&[&recorded("vc-relax.out.gz")], &folder.path().join("out.xyz"), &[]);
    assert!(said.contains("calculated once more with its own, is -0.1387"), "{said}");
}

#[test]
fn a_run_that_need_not_converge_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.xyz");
    // pw.x says "convergence has been achieved" four times.
    assert_eq!(
        unpacked("loose.out.gz")
            .matches("convergence has been achieved")
            .count(),
        4
    );
    for name in ["loose.out.gz", "loose.xml.gz"] {
        let (code, said, found) = import(&[&recorded(name)], &out, &[]);
        assert!(
            code == 0 && said.contains("4 steps, 1 taken, 3 left out (3 × SCF not converged"),
            "{said}"
        );
        let energy = found[0].labels.as_ref().unwrap().energy;
        assert!((energy + 62.13742123 * 13.605693122994).abs() < 1e-6);
    }
    let (code, said, _) = import(&[&recorded("unconverged.out")], &out, &[]);
    assert!(
        code == 65 && said.contains("convergence NOT achieved") && !out.exists(),
        "{said}"
    );
}

#[test]
fn the_energy_without_smearing_is_half_way_for_gaussians_and_unknown_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.xyz");
    let (_, _, free) = import(&[&recorded("md.out.gz")], &out, &[]);
    for name in ["md.out.gz", "md.xml.gz"] {
        let (code, said, zero) = import(&[&recorded(name)], &out, &["--energy", "sigma-to-zero"]);
        assert_eq!(code, 0, "{said}");
        let gap = zero[0].labels.as_ref().unwrap().energy - free[0].labels.as_ref().unwrap().energy;
        let contribution: f64 = unpacked("md.out.gz")
            .lines()
            .find_map(|line| {
                line.split_once("smearing contrib. (-TS)")?
                    .1
                    .trim_matches(['=', ' '])
                    .strip_suffix("Ry")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap();
        assert!(
            contribution < 0.0 && (gap + 0.5 * contribution * 13.605693122994).abs() < 1e-6,
            "{name} {gap}"
        );
    }
    let (code, said, _) = import(&[&recorded("relax.out.gz")], &out, &["--energy", "sigma-to-zero"]);
    assert!(code == 65 && said.contains("not known for this smearing"), "{said}");
}

#[test]
fn a_cut_file_gives_its_complete_calculations() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("cut"), folder.path().join("out.xyz"));
    let (_, _, whole) = import(&[&recorded("relax.out.gz")], &out, &[]);
    for (name, ends) in [
        ("relax.out.gz", "     BFGS Geometry Optimization"),
        ("relax.xml.gz", "</step>"),
    ] {
        let text = unpacked(name);
        let ends: Vec<usize> = match name {
            // A calculation is complete with its stress: three lines after its title.
            "relax.out.gz" => {
                let titles = text.match_indices("total   stress").map(|(at, _)| at);
                titles
                    .map(|at| at + text[at..].match_indices('\n').nth(3).unwrap().0 + 1)
                    .collect()
            }
            _ => text.match_indices(ends).map(|(at, _)| at + ends.len()).collect(),
        };
        let near = ends.iter().flat_map(|end| [end - 2, *end, end + 40]);
        for cut in near.chain((2000..text.len() - 4000).step_by(2500)) {
            // Before any stress was printed nobody can know that one was to come.
            let untold = name == "relax.out.gz" && cut < ends[0] && text[..cut].contains("Total force");
            std::fs::write(&file, &text[..cut]).unwrap();
            let (code, said, found) = import(&[&file], &out, &[]);
            let expected = ends.iter().filter(|end| **end <= cut).count();
            if untold {
                assert!(found.len() <= 1, "{said}");
            } else {
                assert_eq!(found.len(), expected, "{name} {cut} of {}: {said}", text.len());
                assert_eq!(code, if expected == 0 { 65 } else { 0 });
            }
            let count = found.len();
            if count > 0 {
                let [energy, position, ..] = differences(&found, &whole[..count]);
                assert!(energy < 2e-7 && position < 2e-6 && said.contains("cut short"), "{said}");
            }
        }
    }
}

#[test]
fn any_name_and_packing_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("slurm-123.log"), folder.path().join("out.xyz"));
    let noise = "Loading module qe/6.7\nhost node17\n".repeat(50);
    std::fs::write(&file, pack((noise + &unpacked("md.out.gz")).as_bytes())).unwrap();
    let (code, said, found) = import(&[&file], &out, &[]);
    assert!(code == 0 && found.len() == 4 && said.contains("pw.x output"), "{said}");
}
