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

#[test]
fn kernels_agree_with_plain_sums() {
    for highest in [1, 2, 3, 4, 6] {
        let elements: Vec<Species> = ["O", "Si", "Ca"].iter().map(|s| s.parse().unwrap()).collect();
        let functions = many_functions(highest);
        let descriptor = Descriptor::new(elements, CutoffFunction::default(), vec![functions.clone(); 3]).unwrap();
        for structure in [scattered(30, 8.0, 1), scattered(3, 3.0, 2)] {
            let list = NeighbourList::build(&structure, descriptor.cutoff() + 0.5);
            let indices = descriptor.element_indices(&structure).unwrap();
            let mut cache = AtomCache::default();
            let mut gradients = Vec::new();
            for i in 0..structure.len().min(6) {
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
}
