//! Structures to label before there is a network: displaced and strained copies of a start.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use crate::linear::{add, product, row_times};
use crate::structure::{Cell, Structure};

/// A copy with each free atom displaced by a normal of the given width (Å) in each direction and, in bulk cells, a random
/// symmetric strain of components up to `strain`.
pub fn displaced(start: &Structure, width: f64, strain: f64, generator: &mut impl Rng) -> Structure {
    let mut copy = start.clone();
    if strain > 0.0 && start.cell.is_bulk() {
        let mut deformation = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in i..3 {
                let component = strain * (2.0 * generator.random::<f64>() - 1.0);
                deformation[i][j] = component;
                deformation[j][i] = component;
            }
            deformation[i][i] += 1.0;
        }
        if let Ok(cell) = Cell::new(product(start.cell.vectors(), &deformation), start.cell.periodic()) {
            copy.cell = cell;
            for position in &mut copy.positions {
                *position = row_times(*position, &deformation);
            }
        }
    }
    for (position, fixed) in copy.positions.iter_mut().zip(start.fixed.iter()) {
        let step = [0; 3].map(|_: i32| {
            let normal: f64 = StandardNormal.sample(generator);
            width * normal
        });
        if !fixed {
            *position = add(*position, step);
        }
    }
    copy
}
