//! Promise: every derivative of the descriptor and of the learnt potential is the derivative of its value, in any cell.

use ndarray::Array2;
use rand::{Rng, RngExt};
use slmc::descriptor::{
    Core, CutoffFunction, CutoffKind, Descriptor, DescriptorConfig, Gaussian, Neighbours, Pairs, Preset,
    SymmetryFunction, Weighting, Window,
};
use slmc::network::{Activation, Network};
use slmc::potential::{NeuralPotential, Potential, Scaling, Workspace};
use slmc::rng::{Purpose, stream};
use slmc::structure::{Cell, NeighbourList, Species, Structure};

fn species(symbols: &[&str]) -> Vec<Species> {
    symbols.iter().map(|s| s.parse().unwrap()).collect()
}

/// Atoms thrown into a cell, none closer than 1.3 Å to another (images included).
fn scattered(cell: Cell, symbols: &[&str], generator: &mut impl Rng) -> Structure {
    let mut positions: Vec<[f64; 3]> = Vec::new();
    while positions.len() < symbols.len() {
        let trial = cell.cartesian([generator.random(), generator.random(), generator.random()]);
        positions.push(trial);
        let so_far = Structure::new(cell, species(&symbols[..positions.len()]), positions.clone()).unwrap();
        if !NeighbourList::build(&so_far, 1.3).is_empty() {
            positions.pop();
        }
    }
    Structure::new(cell, species(symbols), positions).unwrap()
}

/// A straight line, a small triclinic cell (several images within the cutoff), a slab, a large cell and a free cluster.
fn cases() -> Vec<(&'static str, Structure)> {
    let mut generator = stream(11, 0, 0, Purpose::Start);
    let small = Cell::new([[3.1, 0.2, 0.0], [-0.7, 2.9, 0.4], [0.3, 0.5, 3.6]], [true; 3]).unwrap();
    let slab = Cell::new([[4.1, 0.0, 0.3], [0.9, 3.7, 0.0], [0.2, 0.0, 9.0]], [true, true, false]).unwrap();
    let large = Cell::new([[9.5, 0.0, 0.0], [1.0, 9.0, 0.0], [0.0, -1.0, 9.8]], [true; 3]).unwrap();
    let four = ["O", "Si", "O", "Si"];
    let mut many = vec!["Si"; 12];
    many.extend(["O"; 20]);
    let straight = [0.0, 1.6, -1.75, 3.05].map(|x| [x, 0.0, 0.0]).to_vec();
    let straight = Structure::new(Cell::free(), species(&["Si", "O", "O", "Si"]), straight).unwrap();
    vec![
        ("straight line", straight),
        ("one atom", scattered(small, &["Si"], &mut generator)),
        ("small cell", scattered(small, &["Si", "O"], &mut generator)),
        ("slab", scattered(slab, &four, &mut generator)),
        ("large cell", scattered(large, &many, &mut generator)),
        (
            "cluster",
            Structure {
                cell: Cell::free(),
                ..scattered(slab, &["Si", "O", "O", "Si", "O"], &mut generator)
            },
        ),
    ]
}

/// Every kind of function, on both elements.
fn every_kind(kind: CutoffKind) -> Descriptor {
    let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
    let mut list = Vec::new();
    for neighbours in [Neighbours::Element(0), Neighbours::Element(1), Neighbours::Weighted] {
        for g in [
            gaussian(0.3, 0.0, 4.0),
            gaussian(2.0, 2.1, 4.0),
            gaussian(1.0, 1.5, 3.4),
        ] {
            list.push(SymmetryFunction::Radial {
                neighbours,
                gaussian: g,
            });
        }
    }
    for pairs in [
        Pairs::Elements(0, 0),
        Pairs::Elements(0, 1),
        Pairs::Elements(1, 0),
        Pairs::Elements(1, 1),
        Pairs::Weighted,
    ] {
        for (lambda, zeta, third_side, g) in [
            (1.0, 1.0, false, gaussian(0.1, 0.0, 3.4)),
            (-1.0, 1.0, false, gaussian(0.1, 0.0, 3.4)),
            (1.0, 2.0, false, gaussian(0.1, 0.0, 3.4)),
            (-1.0, 4.0, false, gaussian(1.3, 1.9, 3.2)),
            (1.0, 3.0, false, gaussian(1.3, 1.9, 3.2)),
            (0.5, 6.0, false, gaussian(1.3, 1.9, 3.2)),
            (1.0, 2.5, false, gaussian(0.4, 1.0, 3.4)),
            (1.7, 2.0, false, gaussian(0.4, 1.0, 3.4)),
            (1.0, 16.0, false, gaussian(0.4, 1.0, 3.4)),
            (1.0, 1.0, true, gaussian(0.05, 0.0, 3.4)),
            (-1.0, 4.0, true, gaussian(0.5, 1.8, 3.4)),
        ] {
            list.push(SymmetryFunction::Angular {
                pairs,
                gaussian: g,
                lambda,
                zeta,
                third_side,
            });
        }
    }
    list.extend(every_compact_kind());
    for weighting in [Weighting::Uniform, Weighting::Spin] {
        for order in [0, 1, 2, 5] {
            let cutoff = 3.4;
            list.push(SymmetryFunction::ChebyshevRadial {
                weighting,
                order,
                cutoff,
            });
            list.push(SymmetryFunction::ChebyshevAngular {
                weighting,
                order,
                cutoff,
            });
        }
    }
    let shapes = [
        gaussian(1.0, 1.5, 3.4),
        gaussian(2.0, 2.1, 3.2),
        gaussian(0.3, 0.0, 3.4),
    ];
    for (pairs, degree) in [
        (Pairs::Elements(0, 1), 3),
        (Pairs::Elements(0, 0), 0),
        (Pairs::Weighted, 5),
    ] {
        list.push(SymmetryFunction::PowerSpectrum {
            pairs,
            shapes: [shapes[0], shapes[1]],
            degree,
        });
    }
    let (oxygen, silicon) = (Neighbours::Element(0), Neighbours::Element(1));
    for (neighbours, powers) in [
        ([oxygen, oxygen, silicon], [1, 1, 1]),
        ([silicon, oxygen, oxygen], [2, 0, 1]),
        ([Neighbours::Weighted; 3], [2, 1, 1]),
    ] {
        list.push(SymmetryFunction::MomentTensor {
            neighbours,
            shapes,
            powers,
        });
    }
    let cutoff = CutoffFunction {
        kind,
        inner_fraction: 0.1,
    };
    let mut reversed = list.clone();
    reversed.reverse();
    reversed.truncate(76);
    Descriptor::new(species(&["O", "Si"]), cutoff, vec![list, reversed]).unwrap()
}

/// Compact functions of all shapes and sums, their windows of angles inside and at both ends of the half circle.
fn every_compact_kind() -> Vec<SymmetryFunction> {
    let cores = [
        Core::Polynomial1,
        Core::Polynomial2,
        Core::Polynomial3,
        Core::Polynomial4,
        Core::Exponential,
    ];
    let windows = [(0.0, 3.4), (1.0, 3.2), (-3.4, 3.4)];
    let angles = [
        (30.0, 150.0),
        (0.0, 180.0),
        (-60.0, 60.0),
        (120.0, 240.0),
        (-180.0, 180.0),
    ];
    let neighbours = [Neighbours::Element(0), Neighbours::Element(1), Neighbours::Weighted];
    let pairs = [
        Pairs::Elements(0, 0),
        Pairs::Elements(0, 1),
        Pairs::Elements(1, 1),
        Pairs::Weighted,
    ];
    let mut list = Vec::new();
    for (c, core) in cores.into_iter().enumerate() {
        for (w, (from, to)) in windows.into_iter().enumerate() {
            let radial = Window {
                core,
                asymmetric: (c + w) % 2 == 0,
                from,
                to,
            };
            list.push(SymmetryFunction::CompactRadial {
                neighbours: neighbours[(c + w) % 3],
                radial,
            });
            for (a, (from, to)) in angles.into_iter().enumerate() {
                list.push(SymmetryFunction::CompactAngular {
                    pairs: pairs[(c + w + a) % 4],
                    radial,
                    angular: Window {
                        core,
                        asymmetric: false,
                        from,
                        to,
                    },
                    third_side: (w + a) % 2 == 0,
                });
            }
        }
    }
    list
}

/// A potential of random coefficients with the wanted parts.
fn random_potential(descriptor: Descriptor, linear: bool, members: usize, generator: &mut impl Rng) -> NeuralPotential {
    let elements = descriptor.elements().len();
    let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| 0.2 * (generator.random::<f64>() - 0.5)).collect() };
    let counts: Vec<usize> = (0..elements).map(|e| descriptor.count(e)).collect();
    let scaling = counts
        .iter()
        .map(|count| Scaling {
            shift: draw(*count),
            factor: draw(*count).iter().map(|x| 0.3 + x).collect(),
        })
        .collect();
    let linear = linear.then(|| counts.iter().map(|count| draw(*count)).collect());
    let members = (0..members)
        .map(|_| {
            counts
                .iter()
                .map(|count| {
                    let total = (count + 1) * 7 + 8;
                    let activations = vec![Activation::Tanh, Activation::Linear];
                    Some(Network::from_parts(vec![*count, 7, 1], activations, draw(total)).unwrap())
                })
                .collect()
        })
        .collect();
    NeuralPotential::new(descriptor, scaling, vec![-1.5, 0.7], linear, members).unwrap()
}

/// The structure under the strain (1 + ε).
fn strained(structure: &Structure, strain: [[f64; 3]; 3]) -> Structure {
    let apply =
        |v: [f64; 3]| -> [f64; 3] { std::array::from_fn(|a| v[a] + (0..3).map(|b| strain[a][b] * v[b]).sum::<f64>()) };
    let vectors = structure.cell.vectors().map(apply);
    Structure {
        cell: Cell::new(vectors, structure.cell.periodic()).unwrap(),
        positions: structure.positions.iter().map(|p| apply(*p)).collect(),
        ..structure.clone()
    }
}

fn moved(structure: &Structure, atom: usize, component: usize, step: f64) -> Structure {
    let mut positions = structure.positions.clone();
    positions[atom][component] += step;
    structure.with_positions(positions)
}

const VOIGT: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)];

fn strain_of(voigt: usize, step: f64) -> [[f64; 3]; 3] {
    let (a, b) = VOIGT[voigt];
    let mut strain = [[0.0; 3]; 3];
    strain[a][b] += 0.5 * step;
    strain[b][a] += 0.5 * step;
    strain
}

/// The sums over atoms of random multiples of G, whose derivatives test the Jacobian and strain of all functions at once;
/// per function where `only` names one.
fn weighted_values(descriptor: &Descriptor, structure: &Structure, weight: impl Fn(usize, usize) -> f64) -> f64 {
    let list = NeighbourList::build(structure, descriptor.cutoff());
    let features = descriptor.atom_features(structure, &list);
    let of_atom = |(i, atom): (usize, &slmc::descriptor::AtomFeatures)| {
        atom.values
            .iter()
            .enumerate()
            .map(|(f, g)| weight(i, f) * g)
            .sum::<f64>()
    };
    features.iter().enumerate().map(of_atom).sum()
}

#[test]
fn jacobian_and_strain_are_the_derivatives_of_the_functions() {
    for kind in [CutoffKind::Polynomial2, CutoffKind::Cosine, CutoffKind::TanhCubed] {
        let descriptor = every_kind(kind);
        for (name, structure) in cases() {
            let list = NeighbourList::build(&structure, descriptor.cutoff());
            let features = descriptor.atom_features(&structure, &list);
            let most = features.iter().map(|atom| atom.values.len()).max().unwrap();
            for f in (0..most).step_by(3) {
                let sign = |i: usize| 1.0 + 0.3 * (i as f64 * 1.7).sin();
                let weight = |i: usize, g: usize| if g == f { sign(i) } else { 0.0 };
                let mut gradient = Array2::<f64>::zeros((structure.len(), 3));
                let mut strain = [0.0; 6];
                for (i, atom) in features.iter().enumerate() {
                    if f >= atom.values.len() {
                        continue;
                    }
                    for (place, other) in atom.atoms.iter().enumerate() {
                        for k in 0..3 {
                            gradient[[*other as usize, k]] += sign(i) * atom.jacobian[[f, 3 * place + k]];
                        }
                    }
                    if let Some(own) = &atom.strain {
                        for v in 0..6 {
                            strain[v] += sign(i) * own[[f, v]];
                        }
                    }
                }
                let h = 5e-6;
                let slope = |plus: &Structure, minus: &Structure| {
                    (weighted_values(&descriptor, plus, weight) - weighted_values(&descriptor, minus, weight))
                        / (2.0 * h)
                };
                let size = weighted_values(&descriptor, &structure, weight).abs().max(1.0);
                for atom in 0..structure.len().min(2) {
                    for k in 0..3 {
                        let expected = slope(&moved(&structure, atom, k, h), &moved(&structure, atom, k, -h));
                        let found = gradient[[atom, k]];
                        assert!(
                            (expected - found).abs() < 1e-7 * size,
                            "{name} {kind:?} function {f}: {found} {expected}"
                        );
                    }
                }
                assert_eq!(features[0].strain.is_some(), structure.cell.is_bulk());
                if structure.cell.is_bulk() {
                    for v in 0..6 {
                        let plus = strained(&structure, strain_of(v, h));
                        let minus = strained(&structure, strain_of(v, -h));
                        let expected = slope(&plus, &minus);
                        assert!(
                            (expected - strain[v]).abs() < 1e-6 * size,
                            "{name} strain {v}: {} {expected}",
                            strain[v]
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn forces_and_stress_are_the_derivatives_of_the_energy() {
    let mut generator = stream(3, 0, 0, Purpose::Training);
    let frames = cases();
    let frame_list: Vec<&Structure> = frames.iter().map(|(_, s)| s).collect();
    let standard = Descriptor::from_config(&DescriptorConfig::default(), &species(&["Si", "O"]), &frame_list).unwrap();
    let finest = DescriptorConfig {
        preset: Preset::MomentTensor,
        tensor_count: 2,
        tensor_degree: 3,
        ..DescriptorConfig::default()
    };
    let finest = Descriptor::from_config(&finest, &species(&["Si", "O"]), &frame_list).unwrap();
    for descriptor in [every_kind(CutoffKind::Polynomial2), standard, finest] {
        for (linear, members) in [(true, 0), (false, 1), (true, 2)] {
            let potential = random_potential(descriptor.clone(), linear, members, &mut generator);
            let energy = |s: &Structure| potential.evaluate(s, &mut Workspace::new()).energy;
            for (name, structure) in cases() {
                let labels = potential.evaluate(&structure, &mut Workspace::new());
                assert!(labels.is_finite(), "{name}");
                let forces = labels.forces.unwrap();
                let h = 2e-5;
                let size = labels.energy.abs().max(1.0);
                for atom in 0..structure.len().min(3) {
                    for k in 0..3 {
                        let rise = energy(&moved(&structure, atom, k, h)) - energy(&moved(&structure, atom, k, -h));
                        let expected = -rise / (2.0 * h);
                        let found = forces[atom][k];
                        assert!((expected - found).abs() < 1e-7 * size, "{name}: {found} {expected}");
                    }
                }
                assert_eq!(labels.stress.is_some(), structure.cell.is_bulk());
                if let Some(stress) = labels.stress {
                    for (v, (a, b)) in VOIGT.into_iter().enumerate() {
                        let rise = energy(&strained(&structure, strain_of(v, h)))
                            - energy(&strained(&structure, strain_of(v, -h)));
                        let expected = rise / (2.0 * h * structure.cell.volume());
                        let found = stress[a][b];
                        assert_eq!(found, stress[b][a]);
                        assert!(
                            (expected - found).abs() < 1e-7 * size,
                            "{name} stress {v}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}
