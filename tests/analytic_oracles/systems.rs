//! The structures that the analytic oracles are tested on.

use rand::RngExt;
use slmc::linear::{Mat3, Vec3, add, product, row_times};
use slmc::potential::{Labels, Potential, Workspace};
use slmc::rng::{Purpose, stream};
use slmc::structure::{Cell, Structure};

pub fn structure(vectors: Mat3, symbols: &[&str], fractional: &[Vec3]) -> Structure {
    let cell = Cell::new(vectors, [true; 3]).unwrap();
    let species = symbols.iter().map(|s| s.parse().unwrap()).collect();
    let positions = fractional.iter().map(|f| cell.cartesian(*f)).collect();
    Structure::new(cell, species, positions).unwrap()
}

/// Uniform displacements of up to `amplitude` (Å) in each coordinate.
pub fn rattled(structure: &Structure, amplitude: f64, seed: u64) -> Structure {
    let mut random = stream(seed, 0, 0, Purpose::Start);
    let mut shift = || amplitude * (2.0 * random.random::<f64>() - 1.0);
    let positions = structure
        .positions
        .iter()
        .map(|p| add(*p, [shift(), shift(), shift()]))
        .collect();
    structure.with_positions(positions)
}

/// The structure with cell and positions multiplied from the right by `deformation`.
pub fn deformed(structure: &Structure, deformation: &Mat3) -> Structure {
    let mut changed = structure.clone();
    let vectors = product(structure.cell.vectors(), deformation);
    changed.cell = Cell::new(vectors, structure.cell.periodic()).unwrap();
    for position in &mut changed.positions {
        *position = row_times(*position, deformation);
    }
    changed
}

pub fn strain(k: usize, l: usize, size: f64) -> Mat3 {
    let mut deformation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    deformation[k][l] += 0.5 * size;
    deformation[l][k] += 0.5 * size;
    deformation
}

pub fn fresh(potential: &dyn Potential, structure: &Structure) -> Labels {
    potential.evaluate(structure, &mut Workspace::new())
}

/// Diamond silicon: the primitive cell.
pub fn diamond(lattice_constant: f64) -> Structure {
    let h = 0.5 * lattice_constant;
    structure(
        [[0.0, h, h], [h, 0.0, h], [h, h, 0.0]],
        &["Si", "Si"],
        &[[0.0; 3], [0.25; 3]],
    )
}

/// α-quartz near the experimental structure: hexagonal, nine atoms (Levien, Prewitt and Weidner 1980).
pub fn quartz() -> Structure {
    let (a, c) = (4.916, 5.405);
    let (u, x, y, z) = (0.4697, 0.4135, 0.2669, 0.1191);
    let third = 1.0 / 3.0;
    structure(
        [[a, 0.0, 0.0], [-0.5 * a, 0.75_f64.sqrt() * a, 0.0], [0.0, 0.0, c]],
        &["Si", "Si", "Si", "O", "O", "O", "O", "O", "O"],
        &[
            [u, 0.0, 0.0],
            [0.0, u, 2.0 * third],
            [-u, -u, third],
            [x, y, z],
            [-y, x - y, z + 2.0 * third],
            [y - x, -x, z + third],
            [y, x, -z],
            [x - y, -y, third - z],
            [-x, y - x, 2.0 * third - z],
        ],
    )
}

/// The absolute difference must not exceed the tolerance.
pub fn assert_close(name: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{name}: {found} instead of {expected} ± {tolerance}"
    );
}
