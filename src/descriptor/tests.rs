//! The fast kernels against the plain sums.

use rand::RngExt;

use super::*;
use crate::rng::{Purpose, stream};
use crate::structure::Cell;

fn scattered(count: usize, edge: f64, seed: u64) -> Structure {
    let mut generator = stream(seed, 0, 0, Purpose::Start);
    let cell = Cell::new([[edge, 0.3, 0.0], [-0.2, edge, 0.5], [0.4, 0.1, edge]], [true; 3]).unwrap();
    let symbols = ["O", "Si", "Ca"];
    let species = (0..count).map(|i| symbols[i % 3].parse().unwrap()).collect();
    let mut positions: Vec<Vec3> = Vec::new();
    while positions.len() < count {
        let trial = cell.cartesian([generator.random(), generator.random(), generator.random()]);
        let apart = |other: &Vec3| {
            let d = crate::linear::sub(cell.fractional(*other), cell.fractional(trial)).map(|x| x - x.round());
            crate::linear::norm(cell.cartesian(d)) > 1.2
        };
        if positions.iter().all(apart) {
            positions.push(trial);
        }
    }
    Structure::new(cell, species, positions).unwrap()
}

/// All functions that moments serve, with shared and separate shapes and several cutoffs, up to a power.
fn many_functions(highest: usize) -> Vec<SymmetryFunction> {
    let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
    let shapes = [
        gaussian(0.1, 0.0, 4.5),
        gaussian(2.0, 2.2, 4.5),
        gaussian(1.5, 3.0, 5.5),
        gaussian(6.0, 1.7, 3.0),
    ];
    let mut list = Vec::new();
    for neighbours in [Neighbours::Element(2), Neighbours::Element(0), Neighbours::Weighted] {
        for shape in shapes {
            list.push(SymmetryFunction::Radial {
                neighbours,
                gaussian: shape,
            });
        }
    }
    for pairs in [
        Pairs::Elements(0, 0),
        Pairs::Elements(2, 0),
        Pairs::Elements(1, 1),
        Pairs::Elements(1, 2),
        Pairs::Weighted,
    ] {
        for (k, shape) in shapes.into_iter().enumerate() {
            for power in 1..=highest {
                let lambda = [1.0, -1.0, 0.4][(power + k) % 3];
                let zeta = power as f64;
                list.push(SymmetryFunction::Angular {
                    pairs,
                    gaussian: shape,
                    lambda,
                    zeta,
                    third_side: false,
                });
            }
        }
    }
    list
}

/// The functions of moments' kind that moments do not serve, and all other kinds.
fn summed_functions() -> Vec<SymmetryFunction> {
    let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
    let window = |core, asymmetric, from, to| Window {
        core,
        asymmetric,
        from,
        to,
    };
    let shapes = [
        gaussian(0.1, 0.0, 4.5),
        gaussian(2.0, 2.2, 4.5),
        gaussian(1.5, 3.0, 5.5),
        gaussian(6.0, 1.7, 3.0),
    ];
    let windows = [
        window(Core::Polynomial1, false, -4.0, 4.0),
        window(Core::Polynomial2, true, 1.0, 5.5),
        window(Core::Polynomial3, false, 0.5, 4.5),
        window(Core::Polynomial4, true, -3.0, 3.0),
        window(Core::Exponential, false, 1.0, 5.0),
        window(Core::Exponential, true, 0.0, 4.0),
    ];
    let angles = [
        window(Core::Polynomial1, true, 20.0, 130.0),
        window(Core::Polynomial2, false, -70.0, 70.0),
        window(Core::Polynomial3, true, 60.0, 300.0),
        window(Core::Polynomial4, false, 0.0, 180.0),
        window(Core::Exponential, true, -90.0, 90.0),
        window(Core::Exponential, false, 90.0, 270.0),
    ];
    let mut list = Vec::new();
    for neighbours in [Neighbours::Element(2), Neighbours::Weighted] {
        for radial in windows {
            list.push(SymmetryFunction::CompactRadial { neighbours, radial });
        }
    }
    for weighting in [Weighting::Uniform, Weighting::Spin] {
        for order in [0, 1, 2, 5, 8] {
            for cutoff in [3.5, 5.0] {
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
    }
    for pairs in [
        Pairs::Elements(0, 0),
        Pairs::Elements(2, 0),
        Pairs::Elements(1, 2),
        Pairs::Weighted,
    ] {
        for (k, (shape, radial)) in shapes.into_iter().cycle().zip(windows).enumerate() {
            for third_side in [false, true] {
                for zeta in [1.0, 2.0, 4.0, 16.0, 2.5] {
                    list.push(SymmetryFunction::Angular {
                        pairs,
                        gaussian: shape,
                        lambda: [1.0, -1.0, 0.4, 1.5][k % 4],
                        zeta,
                        third_side,
                    });
                }
                for angular in angles {
                    list.push(SymmetryFunction::CompactAngular {
                        pairs,
                        radial,
                        angular,
                        third_side,
                    });
                }
            }
        }
    }
    list
}

/// Power spectra of one and of two elements and weighted, of shapes of two cutoffs.
fn power_spectra(highest: u32) -> Vec<SymmetryFunction> {
    let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
    let shapes = [
        gaussian(2.0, 2.2, 4.5),
        gaussian(1.5, 3.0, 5.5),
        gaussian(6.0, 1.7, 3.0),
    ];
    let mut list = Vec::new();
    for pairs in [
        Pairs::Elements(0, 0),
        Pairs::Elements(2, 0),
        Pairs::Elements(1, 2),
        Pairs::Weighted,
    ] {
        for (k, first) in shapes.iter().enumerate() {
            for second in &shapes[k..] {
                for degree in 0..=highest {
                    list.push(SymmetryFunction::PowerSpectrum {
                        pairs,
                        shapes: [*first, *second],
                        degree,
                    });
                }
            }
        }
    }
    list
}

/// Moment tensors of one element, of several and weighted, of shapes of two cutoffs, with every way to share out a total power.
fn moment_tensors(highest: u32) -> Vec<SymmetryFunction> {
    let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
    let shapes = [
        gaussian(2.0, 2.2, 3.6),
        gaussian(1.5, 2.8, 4.2),
        gaussian(6.0, 1.7, 3.0),
    ];
    let one = Neighbours::Element(0);
    let mut list = Vec::new();
    for (index, neighbours) in [
        [one; 3],
        [one, Neighbours::Element(2), one],
        [Neighbours::Element(1), Neighbours::Element(2), Neighbours::Weighted],
        [Neighbours::Weighted; 3],
    ]
    .into_iter()
    .enumerate()
    {
        for jk in 0..=highest {
            for jl in 0..=highest - jk {
                let places = [index % 3, jk as usize % 3, jl as usize % 3];
                list.push(SymmetryFunction::MomentTensor {
                    neighbours,
                    shapes: places.map(|place| shapes[place]),
                    powers: [jk, jl, highest - jk - jl],
                });
            }
        }
    }
    list
}

/// Sums over pairs whose Gaussians differ in η alone, some in whole ratios; angles of low and of high powers.
fn gaussians_of_one_cutoff() -> Vec<SymmetryFunction> {
    let mut list = Vec::new();
    for (pairs, shift, cutoff) in [
        (Pairs::Elements(0, 0), 0.0, 5.0),
        (Pairs::Elements(2, 0), 1.1, 5.0),
        (Pairs::Elements(1, 2), 0.0, 4.2),
        (Pairs::Weighted, 0.7, 5.5),
    ] {
        for (k, eta) in [0.14, 0.02, 0.06, 0.33, 0.4].into_iter().enumerate() {
            for third_side in [false, true] {
                for zeta in [1.0, 2.0, 3.0, 4.0, 5.0, 16.0, 2.5] {
                    // Channels with polynomials of several degrees, with none, and with nothing else.
                    if (k == 2 && zeta < 5.0) || (k == 3 && zeta > 3.0) {
                        continue;
                    }
                    for lambda in [1.0, -1.0, 0.4] {
                        list.push(SymmetryFunction::Angular {
                            pairs,
                            gaussian: Gaussian { eta, shift, cutoff },
                            lambda,
                            zeta,
                            third_side,
                        });
                    }
                }
            }
        }
    }
    list
}

#[test]
fn kernels_agree_with_plain_sums() {
    for highest in [0, 1, 3, 4] {
        assert_kernels_agree(&moment_tensors(highest), CutoffFunction::default(), 2);
    }
    for highest in [0, 1, 2, 3, 5, 8] {
        assert_kernels_agree(&power_spectra(highest), CutoffFunction::default(), 6);
    }
    // Beside functions that share their moments.
    let mut both = power_spectra(3);
    both.extend(many_functions(4));
    both.extend(moment_tensors(2));
    assert_kernels_agree(&both, CutoffFunction::default(), 6);
    for highest in [1, 2, 3, 4, 6] {
        assert_kernels_agree(&many_functions(highest), CutoffFunction::default(), 6);
    }
    let kinds = [
        CutoffKind::Cosine,
        CutoffKind::TanhCubed,
        CutoffKind::TanhCubedNormalised,
        CutoffKind::Exponential,
        CutoffKind::Hard,
        CutoffKind::Polynomial1,
        CutoffKind::Polynomial2,
        CutoffKind::Polynomial3,
        CutoffKind::Polynomial4,
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let inner_fraction = [0.0, 0.35][index % 2];
        assert_kernels_agree(&summed_functions(), CutoffFunction { kind, inner_fraction }, 1);
        assert_kernels_agree(&gaussians_of_one_cutoff(), CutoffFunction { kind, inner_fraction }, 1);
    }
}

/// Values and derivatives of the functions of some atoms of two structures, one of them smaller than the cutoff.
fn assert_kernels_agree(functions: &[SymmetryFunction], cutoff: CutoffFunction, atoms: usize) {
    let elements: Vec<Species> = ["O", "Si", "Ca"].iter().map(|s| s.parse().unwrap()).collect();
    let functions = functions.to_vec();
    let descriptor = Descriptor::new(elements, cutoff, vec![functions.clone(); 3]).unwrap();
    for structure in [scattered(30, 8.0, 1), scattered(3, 3.0, 2)] {
        let list = NeighbourList::build(&structure, descriptor.cutoff() + 0.5);
        let indices = descriptor.element_indices(&structure).unwrap();
        let mut cache = AtomCache::default();
        let mut gradients = Vec::new();
        for i in 0..structure.len().min(atoms) {
            let mut values = vec![0.0; functions.len()];
            descriptor.forward(&structure, &list, &indices, i, &mut cache, &mut values);
            let (plain, plain_gradients) = reference::evaluate(
                &functions,
                &descriptor.cutoff_function,
                &descriptor.numbers,
                &cache.around,
            );
            for (f, (fast, slow)) in values.iter().zip(&plain).enumerate() {
                let size = plain
                    .iter()
                    .fold(1e-3, |a: f64, b| a.max(b.abs()))
                    .min(slow.abs().max(1.0));
                assert!((fast - slow).abs() < 1e-10 * size, "{:?}: {fast} {slow}", functions[f]);
            }
            for f in 0..functions.len() {
                let mut slopes = vec![0.0; functions.len()];
                slopes[f] = 1.0;
                descriptor.backward(indices[i], &mut cache, &slopes, &mut gradients);
                let size = plain[f].abs().max(1.0);
                for (fast, slow) in gradients.iter().zip(&plain_gradients[f]) {
                    for k in 0..3 {
                        assert!(
                            (fast[k] - slow[k]).abs() < 1e-10 * size,
                            "{:?}: {fast:?} {slow:?}",
                            functions[f]
                        );
                    }
                }
            }
            let features = descriptor.features_of(&structure, &list, &indices, i, &mut AtomCache::default());
            assert_eq!(features.values, values);
            let slow = features::assemble(i, indices[i], values, true, &cache.around, |f, j| plain_gradients[f][j]);
            let differ = |a: &ndarray::Array2<f64>, b: &ndarray::Array2<f64>| {
                a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-10 * b.abs().max(1.0))
            };
            assert!(!differ(&features.jacobian, &slow.jacobian));
            assert!(!differ(&features.strain.unwrap(), &slow.strain.unwrap()));
        }
    }
}
