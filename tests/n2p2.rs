//! Promise: n2p2's files mean here what they mean there, both ways, and nothing of them is misread in silence.

#[path = "harness/mod.rs"]
mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;

use rand::{Rng, RngExt};
use serde_json::Value;
use slmc::descriptor::{
    Core, CutoffFunction, CutoffKind, Descriptor, Gaussian, Neighbours, Pairs, SymmetryFunction, Window,
};
use slmc::formats::Frame;
use slmc::formats::n2p2::{
    ExportedPotential, FileUnits, export_potential, parse_data, read_data, read_potential, write_data,
};
use slmc::network::{Activation, Network};
use slmc::potential::{FeatureRange, Labels, NeuralPotential, Potential, Scaling, Workspace};
use slmc::rng::{Purpose, stream};
use slmc::structure::{Species, Structure};
use slmc::units::{BOHR, HARTREE};

use harness::expect;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/n2p2")
}

fn temporary(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("n2p2").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn evaluate(potential: &NeuralPotential, structure: &Structure) -> Labels {
    potential.evaluate(structure, &mut Workspace::new())
}

/// Energy and forces within a fraction of the energy and of the largest force.
fn assert_close(what: &str, found: &Labels, energy: f64, forces: &[[f64; 3]], tolerance: f64) {
    let largest = forces.iter().flatten().fold(0.0, |a: f64, b| a.max(b.abs()));
    assert!(
        (found.energy - energy).abs() <= tolerance * energy.abs(),
        "{what}: energy {} expected {energy}",
        found.energy
    );
    for (i, (own, expected)) in found.forces.as_ref().unwrap().iter().zip(forces).enumerate() {
        for k in 0..3 {
            assert!(
                (own[k] - expected[k]).abs() <= tolerance * largest,
                "{what}: force {k} on atom {i}: {} expected {} (largest {largest})",
                own[k],
                expected[k]
            );
        }
    }
}

fn table(path: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.split_whitespace().map(|word| word.parse().unwrap()).collect())
        .collect()
}

#[test]
fn reference_cases_agree_with_n2p2() {
    let place = std::env::var_os("SLMC_REFERENCE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let Ok(cases) = std::fs::read_dir(place.join("n2p2")) else {
        eprintln!("skipped: no n2p2 reference data");
        return;
    };
    let mut compared = 0;
    for case in cases {
        let case = case.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let potential = read_potential(&case, FileUnits::default()).unwrap();
        let frames = read_data(case.join("input.data"), FileUnits::default()).unwrap();
        let energy = table(&case.join("energy.out"))[0][3];
        let forces: Vec<[f64; 3]> = table(&case.join("nnforces.out"))
            .iter()
            .map(|row| [row[5], row[6], row[7]])
            .collect();
        let labels = evaluate(&potential, &frames[0].structure);
        assert_close(&name, &labels, energy, &forces, 1e-9);
        compared += 1;
    }
    eprintln!("compared {compared} cases");
    assert!(compared >= 20);
}

/// What `evaluate.py` finds for the structures of a folder.
struct Expected {
    energy: f64,
    forces: Vec<[f64; 3]>,
}

fn expected(text: &str) -> Vec<Expected> {
    let all: Value = serde_json::from_str(text).unwrap();
    all.as_array()
        .unwrap()
        .iter()
        .map(|one| Expected {
            energy: one["energy"].as_f64().unwrap(),
            forces: serde_json::from_value(one["forces"].clone()).unwrap(),
        })
        .collect()
}

#[test]
fn every_function_agrees_with_the_definitions() {
    let folder = fixtures().join("two-elements");
    let expected = expected(&std::fs::read_to_string(folder.join("expected.json")).unwrap());
    let potential = read_potential(&folder, FileUnits::default()).unwrap();
    let frames = read_data(folder.join("input.data"), FileUnits::default()).unwrap();
    assert_eq!(frames.len(), expected.len());
    for (frame, one) in frames.iter().zip(&expected) {
        let what = &frame.info["comment"];
        assert_close(
            what,
            &evaluate(&potential, &frame.structure),
            one.energy,
            &one.forces,
            1e-9,
        );
    }
    // The first cell is smaller than the cutoff: its forces are those of the same atoms in a supercell.
    let large = evaluate(&potential, &frames[0].structure.supercell([3, 2, 2]));
    let forces: Vec<[f64; 3]> = (0..12).flat_map(|_| expected[0].forces.clone()).collect();
    assert_close("supercell", &large, 12.0 * expected[0].energy, &forces, 1e-9);

    // The same files in other units.
    let potential = read_potential(&folder, FileUnits::ATOMIC).unwrap();
    let frames = read_data(folder.join("input.data"), FileUnits::ATOMIC).unwrap();
    for (frame, one) in frames.iter().zip(&expected) {
        let forces: Vec<_> = one.forces.iter().map(|f| f.map(|x| x * HARTREE / BOHR)).collect();
        let labels = evaluate(&potential, &frame.structure);
        assert_close("atomic units", &labels, one.energy * HARTREE, &forces, 1e-9);
    }
}

#[test]
fn the_command_line_takes_folders_and_units() {
    let folder = fixtures().join("two-elements");
    let place = folder.to_str().unwrap();
    let data = folder.join("input.data");
    let expected = expected(&std::fs::read_to_string(folder.join("expected.json")).unwrap());
    for (units, energy) in [("angstrom,eV", 1.0), ("bohr,hartree", HARTREE)] {
        let (out, _) = expect(
            0,
            &["predict", place, data.to_str().unwrap(), "--units", units, "--json"],
        );
        let answer: Value = serde_json::from_str(&out).unwrap();
        for (frame, one) in answer["frames"].as_array().unwrap().iter().zip(&expected) {
            let found = frame["energy"].as_f64().unwrap();
            assert!((found - one.energy * energy).abs() < 1e-9 * found.abs());
        }
        assert_eq!(answer["summary"]["extrapolation"]["Si"]["atoms"], 5);
    }
    let (_, err) = expect(64, &["predict", place, data.to_str().unwrap(), "--units", "bohr"]);
    assert!(err.contains("write a length and an energy"), "{err}");

    // Out again, for LAMMPS, and in again.
    let folder = temporary("command-line");
    let target = folder.join("exported");
    let (out, _) = expect(0, &["export", "n2p2", place, target.to_str().unwrap()]);
    assert!(out.contains("pair_style hdnnp 3.8 dir"), "{out}");
    assert!(
        out.contains("cflength 1 cfenergy 1") && out.contains("pair_coeff * * O Si"),
        "{out}"
    );
    let (_, err) = expect(64, &["export", "n2p2", place, target.to_str().unwrap()]);
    assert!(err.contains("already"), "{err}");
    let atomic = folder.join("atomic");
    let both = ["--units", "bohr,hartree"];
    let (out, _) = expect(
        0,
        &["export", "n2p2", place, atomic.to_str().unwrap(), both[0], both[1]],
    );
    assert!(out.contains("cflength 1.88972612"), "{out}");
    let structures = folder.join("out.data");
    let (out, _) = expect(
        0,
        &[
            "export",
            "input-data",
            data.to_str().unwrap(),
            structures.to_str().unwrap(),
        ],
    );
    assert!(
        out.contains("3 structures") && out.contains("3 of them have no labels"),
        "{out}"
    );

    // A run proposes on such a folder.
    let config = format!(
        "[structure]\nfile = 'cluster.xyz'\n[ensemble.nvt]\ntemperature = '100 K'\n[trajectory]\ntime-step = '0.5 fs'\n\
         [oracle.lennard-jones]\nepsilon = '0.01 eV'\nsigma = '2 Å'\n[proposal]\npotential = '{place}'\n"
    );
    let cluster = "2\n\nSi 0 0 0\nO 1.7 0 0\n";
    std::fs::write(folder.join("cluster.xyz"), cluster).unwrap();
    let path = folder.join("slmc.toml");
    for (more, code, message) in [
        ("", 0, ""),
        ("units = 'bohr,hartree'\n", 0, ""),
        ("units = 'bohr'\n", 78, "write a length and an energy"),
    ] {
        std::fs::write(&path, format!("{config}{more}")).unwrap();
        let (_, err) = expect(code, &["check", path.to_str().unwrap()]);
        assert!(err.contains(message), "{err}");
    }
}

fn species(symbols: &[&str]) -> Vec<Species> {
    symbols.iter().map(|s| s.parse().unwrap()).collect()
}

/// A few functions of each kind that n2p2 has.
fn descriptor() -> Descriptor {
    let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
    let window = |core, asymmetric, from, to| Window {
        core,
        asymmetric,
        from,
        to,
    };
    let list: Vec<SymmetryFunction> = vec![
        SymmetryFunction::CompactAngular {
            pairs: Pairs::Weighted,
            radial: window(Core::Polynomial3, true, 0.5, 3.5),
            angular: window(Core::Polynomial3, false, 60.0, 180.0),
            third_side: false,
        },
        SymmetryFunction::CompactRadial {
            neighbours: Neighbours::Element(1),
            radial: window(Core::Exponential, false, 0.0, 3.3),
        },
        SymmetryFunction::Angular {
            pairs: Pairs::Elements(1, 0),
            gaussian: gaussian(0.21, 0.3, 3.1),
            lambda: -1.0,
            zeta: 3.0,
            third_side: false,
        },
        SymmetryFunction::Angular {
            pairs: Pairs::Weighted,
            gaussian: gaussian(0.1, 0.3, 3.1),
            lambda: 1.0,
            zeta: 2.0,
            third_side: true,
        },
        SymmetryFunction::Radial {
            neighbours: Neighbours::Element(0),
            gaussian: gaussian(1.0 / 3.0, 1.1, 3.4),
        },
        SymmetryFunction::Radial {
            neighbours: Neighbours::Weighted,
            gaussian: gaussian(0.7, 0.0, 3.4),
        },
    ];
    let mut reversed = list.clone();
    reversed.reverse();
    let cutoff = CutoffFunction {
        kind: CutoffKind::Polynomial2,
        inner_fraction: 0.1,
    };
    Descriptor::new(species(&["O", "Si"]), cutoff, vec![list, reversed]).unwrap()
}

fn random_potential(
    hidden: &[usize],
    activation: Activation,
    members: usize,
    linear: bool,
    generator: &mut impl Rng,
) -> NeuralPotential {
    let descriptor = descriptor();
    let counts: Vec<usize> = (0..2).map(|e| descriptor.count(e)).collect();
    let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| generator.random::<f64>() - 0.5).collect() };
    let scaling = counts.iter().map(|count| Scaling {
        shift: draw(*count),
        factor: draw(*count).iter().map(|x| 0.06 + 0.1 * x).collect(),
    });
    let scaling = scaling.collect();
    let linear = linear.then(|| counts.iter().map(|count| draw(*count)).collect());
    let members = (0..members)
        .map(|member| {
            let mut network = |element: usize| {
                // One element of one member needs no correction.
                if member == 1 && element == 0 {
                    return None;
                }
                let widths: Vec<usize> = std::iter::once(counts[element])
                    .chain(hidden.iter().map(|width| width + member))
                    .chain([1])
                    .collect();
                let total = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
                let mut activations = vec![activation; hidden.len()];
                activations.push(Activation::Linear);
                Some(Network::from_parts(widths, activations, draw(total)).unwrap())
            };
            vec![network(0), network(1)]
        })
        .collect();
    let mut potential = NeuralPotential::new(descriptor, scaling, vec![-1.5, 0.7], linear, members).unwrap();
    potential.ranges = Some(
        counts
            .iter()
            .map(|count| FeatureRange {
                minimum: vec![0.1 / 3.0; *count],
                maximum: vec![2.0 / 3.0; *count],
            })
            .collect(),
    );
    potential
}

fn read_back(exported: &ExportedPotential, folder: &Path, units: FileUnits) -> NeuralPotential {
    exported.write(folder).unwrap();
    read_potential(folder, units).unwrap()
}

#[test]
fn exported_potentials_are_the_same_potentials() {
    use Activation::{
        Cosine, Exponential, Gaussian, Harmonic, Linear, Logistic, Relu, ReverseLogistic, Softplus, Tanh,
    };
    let mut generator = stream(5, 0, 0, Purpose::Training);
    let frames = read_data(fixtures().join("two-elements/input.data"), FileUnits::default()).unwrap();
    let mut cases: Vec<(Vec<usize>, Activation, usize, bool)> = vec![
        (vec![4, 3], Tanh, 1, false),
        (vec![4, 3], Tanh, 3, true),
        (vec![4, 3], Tanh, 0, true),
        (vec![], Linear, 2, true),
    ];
    let others = [
        Logistic,
        ReverseLogistic,
        Softplus,
        Relu,
        Gaussian,
        Cosine,
        Exponential,
        Harmonic,
        Linear,
    ];
    cases.extend(others.map(|activation| (vec![3, 4], activation, 2, true)));
    for (hidden, activation, members, linear) in cases {
        let name = format!("{hidden:?} {activation:?} {members} {linear}");
        let potential = random_potential(&hidden, activation, members, linear, &mut generator);
        for units in [FileUnits::default(), FileUnits::ATOMIC] {
            let exported = export_potential(&potential, units).unwrap();
            let embedded = linear && members > 0 && !hidden.is_empty();
            assert_eq!(exported.deviation.is_some(), embedded, "{name}");
            assert!(
                exported.deviation.is_none_or(|deviation| deviation < 1e-8),
                "{name}: {:?}",
                exported.deviation
            );
            let folder = temporary(&name);
            let again = read_back(&exported, &folder, units);
            assert_eq!(export_potential(&again, units).unwrap().files, exported.files, "{name}");
            for frame in &frames {
                let wanted = evaluate(&potential, &frame.structure);
                let found = evaluate(&again, &frame.structure);
                let what = format!("{name}: {}", frame.info["comment"]);
                assert_close(&what, &found, wanted.energy, wanted.forces.as_ref().unwrap(), 1e-8);
            }
            let ranges = |potential: &NeuralPotential| -> Vec<f64> {
                let ranges = potential.ranges.as_ref().unwrap();
                ranges.iter().flat_map(|range| range.maximum.clone()).collect()
            };
            for (found, wanted) in ranges(&again).iter().zip(ranges(&potential)) {
                assert!((found - wanted).abs() < 1e-14);
            }
        }
    }
}

#[test]
fn exported_folders_mean_the_same_to_an_independent_reader() {
    let python = std::env::var("SLMC_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let numpy = Command::new(&python).args(["-c", "import numpy"]).output();
    if !numpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no numpy");
        return;
    }
    let mut generator = stream(6, 0, 0, Purpose::Training);
    let data = fixtures().join("two-elements/input.data");
    let frames = read_data(&data, FileUnits::default()).unwrap();
    for activation in [Activation::Tanh, Activation::Softplus] {
        let potential = random_potential(&[4, 3], activation, 2, true, &mut generator);
        let folder = temporary(&format!("independent {activation:?}"));
        export_potential(&potential, FileUnits::default())
            .unwrap()
            .write(&folder)
            .unwrap();
        let script = fixtures().join("evaluate.py");
        let output = Command::new(&python)
            .arg(script)
            .arg(&folder)
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (frame, one) in frames.iter().zip(expected(&String::from_utf8_lossy(&output.stdout))) {
            let labels = evaluate(&potential, &frame.structure);
            assert_close(&frame.info["comment"], &labels, one.energy, &one.forces, 1e-8);
        }
    }
}

#[test]
fn what_n2p2_cannot_hold_is_refused_by_name() {
    let mut generator = stream(7, 0, 0, Purpose::Training);
    let refusal = |potential: &NeuralPotential| {
        export_potential(potential, FileUnits::default())
            .unwrap_err()
            .to_string()
    };
    let silu = random_potential(&[3], Activation::Silu, 1, false, &mut generator);
    assert!(refusal(&silu).contains("the activation Silu"));
    let mut mixed = random_potential(&[3], Activation::Tanh, 1, false, &mut generator);
    mixed
        .members
        .extend(random_potential(&[3, 3], Activation::Tanh, 1, false, &mut generator).members);
    assert!(refusal(&mixed).contains("different depth or activation"));
    let weighted = SymmetryFunction::Angular {
        pairs: Pairs::Weighted,
        gaussian: Gaussian {
            eta: 0.1,
            shift: 0.0,
            cutoff: 3.0,
        },
        lambda: 1.0,
        zeta: 1.0,
        third_side: false,
    };
    let asymmetric = SymmetryFunction::CompactRadial {
        neighbours: Neighbours::Weighted,
        radial: Window {
            core: Core::Exponential,
            asymmetric: true,
            from: 0.0,
            to: 3.0,
        },
    };
    for (function, message) in [(weighted, "weighted-g5"), (asymmetric, "asymmetric exponential")] {
        let descriptor = Descriptor::new(species(&["Si"]), CutoffFunction::default(), vec![vec![function]]).unwrap();
        let linear = Some(vec![vec![1.0]]);
        let potential =
            NeuralPotential::new(descriptor, vec![Scaling::identity(1)], vec![0.0], linear, vec![]).unwrap();
        assert!(refusal(&potential).contains(message), "{}", refusal(&potential));
    }
}

#[test]
fn faults_are_named_with_file_and_line() {
    let source = fixtures().join("two-elements");
    let original = |name: &str| std::fs::read_to_string(source.join(name)).unwrap();
    let names = ["input.nn", "scaling.data", "weights.008.data", "weights.014.data"];
    // File, what is replaced, by what, the message.
    let cases = [
        (
            "input.nn",
            "epochs 3",
            "epoch 3",
            "input.nn:17: `epoch` is no keyword of n2p2",
        ),
        ("input.nn", "epochs 3", "Epochs 3", "write `epochs`"),
        (
            "input.nn",
            "epochs 3",
            "use_electrostatics",
            "`use_electrostatics` is not supported",
        ),
        ("input.nn", "epochs 3", "nnp_type 4", "only short-range potentials"),
        (
            "input.nn",
            "epochs 3",
            "cutoff_type 1",
            "input.nn:17: `cutoff_type` stands here a second time, first in line 9",
        ),
        (
            "input.nn",
            "cutoff_type 6 0.2",
            "cutoff_type 9",
            "input.nn:9: cutoff_type is `9`",
        ),
        ("input.nn", "cutoff_type 6 0.2", "cutoff_type 6 1.0", "below 1"),
        (
            "input.nn",
            "cutoff_type 6 0.2",
            "",
            "ends without the keyword `cutoff_type`",
        ),
        (
            "input.nn",
            "elements Si O",
            "elements Si Xx",
            "input.nn:3: `Xx` is not a chemical element",
        ),
        ("input.nn", "elements Si O", "elements Si", "number_of_elements is 2"),
        (
            "input.nn",
            "atom_energy Si -1.25",
            "atom_energy Ca 1",
            "input.nn:4: Ca is not among the elements",
        ),
        (
            "input.nn",
            "atom_energy Si -1.25",
            "atom_energy Si one",
            "`one`: expected a finite number",
        ),
        ("input.nn", "mean_energy -2.5", "", "must be given together"),
        (
            "input.nn",
            "global_activation_short s p l",
            "global_activation_short s q l",
            "input.nn:15: the activation `q`",
        ),
        (
            "input.nn",
            "global_nodes_short 6 5",
            "global_nodes_short 6",
            "1 widths for 2 hidden layers",
        ),
        (
            "input.nn",
            "global_nodes_short 6 5",
            "global_nodes_short 6 4",
            "the files do not belong together",
        ),
        ("input.nn", "Si 2 O 0.8 1.1 3.4", "Si 2 O 0.8 1.1", "needs 4 arguments"),
        (
            "input.nn",
            "Si 2 O 0.8 1.1 3.4",
            "Si 4 O 0.8 1.1 3.4",
            "type `4` are not known",
        ),
        ("input.nn", "Si 2 O 0.8 1.1 3.4", "Si 2 O -0.8 1.1 3.4", "out of range"),
        (
            "input.nn",
            "Si 2 O 0.8 1.1 3.4",
            "Si 20 O 0.8 3.4 q",
            "the shape `q` is not known",
        ),
        (
            "scaling.data",
            "   1    1 ",
            "   1 ",
            "scaling.data:2: expected element, function",
        ),
        (
            "weights.014.data",
            " a 5\n",
            " a 5\n1.0\n",
            "weights where the network of Si",
        ),
        (
            "weights.008.data",
            " a 5\n",
            " a 5\nnan\n",
            "weights.008.data:7: a weight is `nan`",
        ),
    ];
    for (index, (file, from, to, message)) in cases.into_iter().enumerate() {
        let folder = temporary(&format!("fault {index}"));
        for name in names {
            let text = original(name);
            let text = if name == file {
                assert!(text.contains(from), "{from}");
                text.replacen(from, to, 1)
            } else {
                text
            };
            std::fs::write(folder.join(name), text).unwrap();
        }
        match read_potential(&folder, FileUnits::default()) {
            Ok(_) => panic!("{message}: read without complaint"),
            Err(error) => assert!(error.to_string().contains(message), "{error}\nexpected {message}"),
        }
    }
    let folder = temporary("missing weights");
    for name in &names[..3] {
        std::fs::write(folder.join(name), original(name)).unwrap();
    }
    let place = folder.to_str().unwrap();
    let data = source.join("input.data");
    let (_, err) = expect(65, &["predict", place, data.to_str().unwrap()]);
    assert!(err.contains("weights.014.data: cannot read"), "{err}");
}

#[test]
fn structures_come_back_from_input_data() {
    let text = "begin set=test\ncomment two atoms\nlattice 4 0 0\nlattice 0 5 0\nlattice 0.5 0 6\n\
                atom 0 0 0 Si 0.5 0 0.25 0 -1\natom 1 1 1 O -0.5 0 -0.25 0 1\nenergy -3.5\ncharge 1\nend\n\
                begin\natom 0 0 0 H 0 0 0 0 0\nenergy 0\ncharge 0\nend\n";
    let frames = parse_data(text, Path::new("x"), FileUnits::default()).unwrap();
    assert_eq!(frames[0].labels.as_ref().unwrap().energy, -3.5);
    assert_eq!(
        frames[0].labels.as_ref().unwrap().forces.as_ref().unwrap()[1],
        [-0.25, 0.0, 1.0]
    );
    assert_eq!(frames[0].info["set"], "test");
    assert!(frames[0].structure.cell.is_bulk() && !frames[1].structure.cell.is_bulk());
    assert_eq!(frames[1].labels, None);
    for units in [FileUnits::default(), FileUnits::ATOMIC] {
        let written = write_data(&frames, units).unwrap();
        let again: Vec<Frame> = parse_data(&written, Path::new("x"), units).unwrap();
        assert_eq!(write_data(&again, units).unwrap(), written);
        let pairs = again
            .iter()
            .zip(&frames)
            .flat_map(|(a, b)| a.structure.positions.iter().zip(&b.structure.positions));
        for (a, b) in pairs {
            assert!((0..3).all(|k| (a[k] - b[k]).abs() < 1e-13));
        }
        assert_eq!(again[0].columns, frames[0].columns);
    }
    let atomic = parse_data(text, Path::new("x"), FileUnits::ATOMIC).unwrap();
    assert_eq!(atomic[0].structure.positions[1], [BOHR; 3]);
    assert_eq!(atomic[0].labels.as_ref().unwrap().energy, -3.5 * HARTREE);
    for (from, to, message) in [
        ("comment two atoms", "remark two atoms", "x:2: `remark` is not known"),
        ("lattice 0.5 0 6\n", "", "2 lattice vectors"),
        ("Si 0.5 0 0.25 0 -1", "Si 0.5 0", "x:6: expected `atom"),
        ("Si 0.5", "Sx 0.5", "`Sx` is not a chemical element"),
        ("energy -3.5", "energy", "x:8: the energy is"),
        (
            "charge 1\nend\n",
            "charge 1\n",
            "x:10: the structure of line 1 has no `end`",
        ),
        ("charge 0\nend\n", "charge 0\n", "x:11: this structure has no `end`"),
        ("begin set=test", "start", "x:1: expected `begin`"),
    ] {
        let broken = text.replacen(from, to, 1);
        let error = parse_data(&broken, Path::new("x"), FileUnits::default()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}\nexpected {message}");
    }
}
