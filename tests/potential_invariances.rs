//! Promise: the learnt potential sees only what matters: moving, turning, renaming, repeating a structure or adding threads
//! changes nothing, and nonsense gives numbers that are not finite rather than a crash.

use rand::RngExt;
use slmc::descriptor::{CutoffFunction, Descriptor, DescriptorConfig, Gaussian, Neighbours, SymmetryFunction};
use slmc::network::{Activation, Network};
use slmc::potential::{Labels, NeuralPotential, Potential, Scaling, Workspace};
use slmc::rng::{Purpose, stream};
use slmc::structure::{Cell, Species, Structure};

fn species(symbols: &[&str]) -> Vec<Species> {
    symbols.iter().map(|s| s.parse().unwrap()).collect()
}

/// A distorted crystal of `symbols` on a 2×2×2 grid, `edge` Å between atoms.
fn crystal(symbols: [&str; 8], edge: f64) -> Structure {
    let mut generator = stream(5, 0, 0, Purpose::Start);
    let length = 2.0 * edge;
    let cell = Cell::new([[length, 0.2, 0.0], [-0.3, length, 0.4], [0.1, 0.0, length]], [true; 3]).unwrap();
    let positions = (0..8)
        .map(|k| {
            let grid = [k & 1, (k >> 1) & 1, k >> 2].map(|x| 0.5 * f64::from(x));
            cell.cartesian(grid.map(|x| x + 0.08 * (generator.random::<f64>() - 0.5)))
        })
        .collect();
    Structure::new(cell, species(&symbols), positions).unwrap()
}

const SILICA: [&str; 8] = ["O", "Si", "O", "O", "Si", "O", "O", "Si"];

/// The standard descriptor with random coefficients, and as many networks as asked for.
fn potential(structure: &Structure, members: usize) -> NeuralPotential {
    let mut generator = stream(9, 0, 0, Purpose::Training);
    let config = DescriptorConfig::default();
    let descriptor = Descriptor::from_config(&config, &structure.elements(), &[structure]).unwrap();
    let counts: Vec<usize> = (0..descriptor.elements().len()).map(|e| descriptor.count(e)).collect();
    let scaling = counts.iter().map(|count| Scaling::identity(*count)).collect();
    let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| 0.1 * (generator.random::<f64>() - 0.5)).collect() };
    let linear = counts.iter().map(|count| draw(*count)).collect();
    let mut network = |count: &usize| {
        let activations = vec![Activation::Tanh, Activation::Linear];
        Some(Network::from_parts(vec![*count, 5, 1], activations, draw((count + 1) * 5 + 6)).unwrap())
    };
    let members = (0..members)
        .map(|_| counts.iter().map(&mut network).collect())
        .collect();
    let energies = vec![-1.0; counts.len()];
    NeuralPotential::new(descriptor, scaling, energies, Some(linear), members).unwrap()
}

fn labels(potential: &NeuralPotential, structure: &Structure) -> Labels {
    let labels = potential.evaluate(structure, &mut Workspace::new());
    assert!(labels.is_finite());
    labels
}

fn assert_close(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1e-10 * a.abs().max(1.0), "{what}: {a} {b}");
}

#[test]
fn translation_rotation_and_renaming_change_nothing() {
    let structure = crystal(SILICA, 2.2);
    let potential = potential(&structure, 2);
    let before = labels(&potential, &structure);
    let forces = before.forces.unwrap();
    for k in 0..3 {
        let total: f64 = forces.iter().map(|f| f[k]).sum();
        assert!(total.abs() < 1e-10, "total force {total}");
    }
    // Moved, and one atom taken to another image.
    let mut moved = structure
        .positions
        .iter()
        .map(|p| [p[0] + 0.7, p[1] - 9.1, p[2] + 3.3])
        .collect::<Vec<_>>();
    let vector = structure.cell.vectors()[1];
    moved[3] = std::array::from_fn(|k| moved[3][k] - 2.0 * vector[k]);
    let after = labels(&potential, &structure.with_positions(moved));
    assert_close(before.energy, after.energy, "moved");
    // Turned about an axis that is no symmetry.
    let (sine, cosine) = 0.83_f64.sin_cos();
    let turn = |v: [f64; 3]| {
        let w = [cosine * v[0] - sine * v[1], sine * v[0] + cosine * v[1], v[2]];
        [w[0], cosine * w[1] - sine * w[2], sine * w[1] + cosine * w[2]]
    };
    let turned = Structure {
        cell: Cell::new(structure.cell.vectors().map(turn), [true; 3]).unwrap(),
        positions: structure.positions.iter().map(|p| turn(*p)).collect(),
        ..structure.clone()
    };
    let after = labels(&potential, &turned);
    assert_close(before.energy, after.energy, "turned");
    for (a, b) in forces.iter().zip(after.forces.unwrap()) {
        for (a, b) in turn(*a).into_iter().zip(b) {
            assert_close(a, b, "turned force");
        }
    }
    // Atoms in reverse order.
    let mut symbols = SILICA;
    symbols.reverse();
    let reversed = Structure::new(
        structure.cell,
        species(&symbols),
        structure.positions.iter().rev().copied().collect(),
    )
    .unwrap();
    let after = labels(&potential, &reversed);
    assert_close(before.energy, after.energy, "renamed");
    assert_close(forces[0][0], after.forces.unwrap()[7][0], "renamed force");
}

#[test]
fn a_supercell_has_the_energies_and_forces_of_its_cells() {
    let structure = crystal(SILICA, 2.2);
    let potential = potential(&structure, 1);
    let one = labels(&potential, &structure);
    let many = labels(&potential, &structure.supercell([2, 1, 3]));
    assert_close(6.0 * one.energy, many.energy, "supercell energy");
    let (forces, repeated) = (one.forces.unwrap(), many.forces.unwrap());
    for (i, force) in repeated.iter().enumerate() {
        for k in 0..3 {
            assert_close(forces[i % 8][k], force[k], "supercell force");
        }
    }
    for (a, b) in one
        .stress
        .unwrap()
        .iter()
        .flatten()
        .zip(many.stress.unwrap().iter().flatten())
    {
        assert_close(*a, *b, "supercell stress");
    }
}

#[test]
fn the_result_is_the_same_to_the_bit_at_any_number_of_threads() {
    let structure = crystal(SILICA, 2.2);
    let potential = potential(&structure, 1);
    let large = structure.supercell([3, 3, 4]);
    let at = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| potential.evaluate(&large, &mut Workspace::new()))
    };
    assert_eq!(at(1), at(2));
    assert_eq!(at(1), at(5));
}

#[test]
fn a_hundred_thousand_atoms_have_the_energies_and_forces_of_their_cells() {
    let structure = crystal(SILICA, 2.2);
    let neighbours = Neighbours::Weighted;
    let gaussian = Gaussian {
        eta: 0.5,
        shift: 1.0,
        cutoff: 3.0,
    };
    let functions = vec![vec![SymmetryFunction::Radial { neighbours, gaussian }]; 2];
    let descriptor = Descriptor::new(structure.elements(), CutoffFunction::default(), functions).unwrap();
    let scaling = vec![Scaling::identity(1); 2];
    let linear = Some(vec![vec![0.3], vec![-0.2]]);
    let potential = NeuralPotential::new(descriptor, scaling, vec![0.0; 2], linear, Vec::new()).unwrap();
    let one = labels(&potential, &structure);
    let many = labels(&potential, &structure.supercell([24, 24, 25]));
    assert_close(14_400.0 * one.energy, many.energy, "energy of 115 200 atoms");
    let (forces, repeated) = (one.forces.unwrap(), many.forces.unwrap());
    for (i, force) in repeated.iter().enumerate() {
        for k in 0..3 {
            assert!((forces[i % 8][k] - force[k]).abs() < 1e-9, "atom {i}: {force:?}");
        }
    }
}

#[test]
fn four_elements_are_described_at_a_bearable_length() {
    let structure = crystal(["H", "O", "Si", "Ca", "O", "H", "Ca", "Si"], 2.0);
    let one = crystal(["Si"; 8], 2.0);
    let (four, one) = (potential(&structure, 0), potential(&one, 0));
    labels(&four, &structure);
    assert!(four.descriptor.count(0) <= 3 * one.descriptor.count(0));
}

#[test]
fn nonsense_is_not_finite_and_does_not_crash() {
    let structure = crystal(SILICA, 2.2);
    let potential = potential(&structure, 2);
    let mut overlapping = structure.positions.clone();
    overlapping[1] = overlapping[0];
    let mut far = structure.positions.clone();
    far[1] = [1e300, 0.0, -1e300];
    let mut lost = structure.positions.clone();
    lost[2][1] = f64::NAN;
    let tiny = Structure {
        cell: Cell::cubic(1e-3).unwrap(),
        ..structure.clone()
    };
    let strange = crystal(["Ar"; 8], 2.2);
    for nonsense in [
        structure.with_positions(overlapping),
        structure.with_positions(far),
        structure.with_positions(lost),
        tiny,
        strange,
    ] {
        let labels = potential.evaluate(&nonsense, &mut Workspace::new());
        assert!(!labels.is_finite());
        assert_eq!(labels.forces.unwrap().len(), 8);
    }
}

#[test]
fn a_potential_survives_its_file_and_a_damaged_one_is_refused() {
    let structure = crystal(SILICA, 2.2);
    let potential = potential(&structure, 2);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("potentials/gen-003");
    potential.save(&place).unwrap();
    let read = NeuralPotential::load(&place).unwrap();
    assert_eq!(read, potential);
    assert_eq!(labels(&read, &structure), labels(&potential, &structure));
    let spread = potential.committee(&structure, &mut Workspace::new()).unwrap();
    assert!(spread.energy > 0.0 && spread.forces.iter().all(|x| *x > 0.0));
    let file = place.join(NeuralPotential::FILE);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("[-1.0,-1.0]", "[-1.0]", 1)).unwrap();
    let message = NeuralPotential::load(&place).unwrap_err().to_string();
    assert!(message.contains("reference energies"), "{message}");
}
