//! Benches of the standard descriptor and of forces along a trajectory: 64 atoms of silicon, 72 of quartz-like silica density.

use criterion::{Criterion, criterion_group, criterion_main};
use slmc::descriptor::{Descriptor, DescriptorConfig, Preset};
use slmc::potential::{NeuralPotential, Potential, Scaling, Workspace};
use slmc::structure::{Cell, NeighbourList, Species, Structure};

/// Diamond-structure silicon, 64 atoms, each moved a little off its site.
fn silicon() -> Structure {
    let edge = 5.431;
    let sites = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let positions = sites
        .iter()
        .flat_map(|site| [0.0, 0.25].map(|shift| site.map(|x| edge * (x + shift))))
        .collect();
    let species: Species = "Si".parse().expect("an element");
    let cell = Cell::cubic(edge).expect("a cube");
    rattled(
        &Structure::new(cell, vec![species; 8], positions)
            .expect("eight atoms")
            .supercell([2, 2, 2]),
    )
}

/// α-quartz, 72 atoms, each moved a little off its site.
fn quartz() -> Structure {
    let (a, c) = (4.9134, 5.4052);
    let cell = Cell::new(
        [[a, 0.0, 0.0], [-0.5 * a, 0.75_f64.sqrt() * a, 0.0], [0.0, 0.0, c]],
        [true; 3],
    )
    .expect("hexagonal");
    let third = 1.0 / 3.0;
    let (u, x, y, z) = (0.4697, 0.4135, 0.2669, 0.1191 + 2.0 * third);
    let sites = [
        [u, 0.0, 2.0 * third],
        [0.0, u, third],
        [-u, -u, 0.0],
        [x, y, z],
        [-y, x - y, z + 2.0 * third],
        [y - x, -x, z + third],
        [y, x, -z],
        [x - y, -y, third - z],
        [-x, y - x, 2.0 * third - z],
    ];
    let symbols = ["Si", "Si", "Si", "O", "O", "O", "O", "O", "O"];
    let species = symbols.map(|s| s.parse().expect("an element")).to_vec();
    let positions = sites.iter().map(|s| cell.cartesian(*s)).collect();
    rattled(
        &Structure::new(cell, species, positions)
            .expect("nine atoms")
            .supercell([2, 2, 2]),
    )
}

fn rattled(structure: &Structure) -> Structure {
    let wave = |i: usize, k: usize| 0.1 * ((7 * i + 3 * k) as f64).sin();
    let positions = structure.positions.iter().enumerate();
    structure.with_positions(
        positions
            .map(|(i, p)| std::array::from_fn(|k| p[k] + wave(i, k)))
            .collect(),
    )
}

fn benches(criterion: &mut Criterion) {
    let presets = [("", Preset::Standard), (", moment-tensor", Preset::MomentTensor)];
    for (name, structure, (kind, preset)) in [("silicon 64", silicon()), ("quartz 72", quartz())]
        .into_iter()
        .flat_map(|(name, structure)| presets.map(|preset| (name, structure.clone(), preset)))
    {
        let name = format!("{name}{kind}");
        let config = DescriptorConfig {
            preset,
            ..DescriptorConfig::default()
        };
        let descriptor = Descriptor::from_config(&config, &structure.elements(), &[&structure]).expect("standard");
        let list = NeighbourList::build(&structure, descriptor.cutoff());
        criterion.bench_function(&format!("features and derivatives, {name}"), |bencher| {
            bencher.iter(|| descriptor.atom_features(&structure, &list));
        });
        let counts: Vec<usize> = (0..descriptor.elements().len()).map(|e| descriptor.count(e)).collect();
        let linear = counts
            .iter()
            .map(|n| (0..*n).map(|k| 0.01 * (k as f64).sin()).collect())
            .collect();
        let scaling = counts.iter().map(|n| Scaling::identity(*n)).collect();
        let energies = vec![0.0; counts.len()];
        let potential =
            NeuralPotential::new(descriptor, scaling, energies, Some(linear), Vec::new()).expect("parts fit");
        let mut workspace = Workspace::new();
        criterion.bench_function(&format!("energy, forces and stress, linear, {name}"), |bencher| {
            bencher.iter(|| potential.evaluate(&structure, &mut workspace));
        });
    }
}

criterion_group!(potential, benches);
criterion_main!(potential);
