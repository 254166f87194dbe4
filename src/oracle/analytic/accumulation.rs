//! Sums over atoms that come out bit-identical at any number of threads.
//!
//! The atoms are cut into chunks whose number depends on the number of atoms alone; each chunk sums into its own
//! arrays, and the chunks are added in order.

use rayon::prelude::*;

use crate::linear::{Mat3, Vec3, ZERO3};
use crate::potential::Labels;
use crate::structure::Structure;

/// The most chunks a sum is cut into; each holds an array of forces of its own.
const MOST_CHUNKS: usize = 16;

/// Energy, forces and the derivative by strain, being summed.
pub(super) struct Sums {
    /// Energy in eV.
    pub energy: f64,
    /// Forces in eV/Å.
    pub forces: Vec<Vec3>,
    /// dE/dε in eV; symmetrised at the end.
    pub strain_derivative: Mat3,
}

impl Sums {
    fn zero(atoms: usize) -> Self {
        Self {
            energy: 0.0,
            forces: vec![[0.0; 3]; atoms],
            strain_derivative: ZERO3,
        }
    }

    /// Adds the gradient `g` of the energy by the vector `d` that leads from atom `i` to an image of atom `j`.
    #[inline]
    pub fn add_gradient(&mut self, i: usize, j: usize, d: Vec3, g: Vec3) {
        for k in 0..3 {
            self.forces[i][k] += g[k];
            self.forces[j][k] -= g[k];
        }
        self.add_strain(d, g);
    }

    /// Adds d⊗g to the derivative by strain.
    #[inline]
    pub fn add_strain(&mut self, d: Vec3, g: Vec3) {
        for k in 0..3 {
            for l in 0..3 {
                self.strain_derivative[k][l] += d[k] * g[l];
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.energy += other.energy;
        for (sum, force) in self.forces.iter_mut().zip(&other.forces) {
            *sum = crate::linear::add(*sum, *force);
        }
        for k in 0..3 {
            self.strain_derivative[k] = crate::linear::add(self.strain_derivative[k], other.strain_derivative[k]);
        }
    }
}

/// The labels of a structure whose energy is a sum of what `contribution` adds for each atom. Goes parallel from two
/// chunks of `grain` atoms on. `Scratch` is reused between the atoms of one chunk.
pub(super) fn sum_over_atoms<Scratch: Default>(
    structure: &Structure,
    grain: usize,
    contribution: impl Fn(usize, &mut Sums, &mut Scratch) + Sync,
) -> Labels {
    let atoms = structure.len();
    let chunks = (atoms / grain).clamp(1, MOST_CHUNKS);
    let sum_chunk = |chunk: usize| {
        let mut sums = Sums::zero(atoms);
        let mut scratch = Scratch::default();
        for atom in chunk * atoms / chunks..(chunk + 1) * atoms / chunks {
            contribution(atom, &mut sums, &mut scratch);
        }
        sums
    };
    if chunks == 1 {
        return finish(structure, sum_chunk(0));
    }
    let parts: Vec<Sums> = (0..chunks).into_par_iter().map(sum_chunk).collect();
    let mut total = Sums::zero(atoms);
    for part in &parts {
        total.add(part);
    }
    finish(structure, total)
}

fn finish(structure: &Structure, sums: Sums) -> Labels {
    let stress = structure.cell.is_bulk().then(|| {
        let volume = structure.cell.volume();
        let w = sums.strain_derivative;
        let mut stress = ZERO3;
        for k in 0..3 {
            for l in 0..3 {
                stress[k][l] = 0.5 * (w[k][l] + w[l][k]) / volume;
            }
        }
        stress
    });
    Labels {
        energy: sums.energy,
        forces: Some(sums.forces),
        stress,
    }
}

/// The labels of a structure outside a surface's domain: nothing but NaN.
pub(super) fn no_labels(structure: &Structure) -> Labels {
    Labels {
        energy: f64::NAN,
        forces: Some(vec![[f64::NAN; 3]; structure.len()]),
        stress: structure.cell.is_bulk().then_some([[f64::NAN; 3]; 3]),
    }
}
