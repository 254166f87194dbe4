//! The sites that one-body surfaces bind their atoms to: fixed fractional points of the cell.

use super::AnalyticError;
use super::accumulation::{no_labels, sum_over_atoms};
use crate::linear::{Vec3, scale, sub};
use crate::potential::Labels;
use crate::structure::Structure;

/// Atoms that one thread sums over.
const GRAIN: usize = 2048;

/// One site per atom. Sites are affine in the cell: their fractional coordinates never change, so a strain of cell and
/// positions strains the displacements with them and a stress is defined.
#[derive(Clone, Debug)]
pub(super) struct Sites {
    fractional: Vec<Vec3>,
    movable: usize,
}

impl Sites {
    /// The sites given in Å, or the positions of the first frame.
    pub fn new(surface: &'static str, given: Option<&[Vec3]>, first_frame: &Structure) -> Result<Self, AnalyticError> {
        let points = given.unwrap_or(&first_frame.positions);
        if points.len() != first_frame.len() {
            return Err(AnalyticError::SiteCount {
                surface,
                found: points.len(),
                atoms: first_frame.len(),
            });
        }
        if let Some(site) = points.iter().position(|p| p.iter().any(|x| !x.is_finite())) {
            return Err(AnalyticError::parameter(
                surface,
                format!("sites[{site}]"),
                "has a coordinate that is not a finite number",
            ));
        }
        Ok(Self {
            fractional: points.iter().map(|p| first_frame.cell.fractional(*p)).collect(),
            movable: first_frame.fixed.iter().filter(|fixed| !**fixed).count(),
        })
    }

    /// The labels of wells that act on each Cartesian displacement from the sites by itself: `coordinate` gives energy and derivative of one.
    /// Such wells are tied to the Cartesian axes, so that the stress is the symmetric part of the derivative by strains.
    pub fn labels(&self, structure: &Structure, coordinate: impl Fn(f64) -> (f64, f64) + Sync) -> Labels {
        if structure.len() != self.len() {
            return no_labels(structure);
        }
        sum_over_atoms(structure, GRAIN, |i, sums, (): &mut ()| {
            let d = self.displacement(structure, i);
            let mut g: Vec3 = [0.0; 3];
            for k in 0..3 {
                let (energy, derivative) = coordinate(d[k]);
                sums.energy += energy;
                g[k] = derivative;
            }
            sums.forces[i] = scale(-1.0, g);
            sums.add_strain(d, g);
        })
    }

    /// Refuses a structure of another number of atoms.
    pub fn check(&self, surface: &'static str, structure: &Structure) -> Result<(), AnalyticError> {
        if structure.len() == self.len() {
            return Ok(());
        }
        Err(AnalyticError::SiteCount {
            surface,
            found: self.len(),
            atoms: structure.len(),
        })
    }

    /// The number of sites.
    pub fn len(&self) -> usize {
        self.fractional.len()
    }

    /// The number of atoms of the first frame that are not fixed.
    pub fn movable(&self) -> usize {
        self.movable
    }

    /// The displacement of an atom from its own site in Å; periodic images are not considered.
    #[inline]
    pub fn displacement(&self, structure: &Structure, atom: usize) -> Vec3 {
        sub(
            structure.positions[atom],
            structure.cell.cartesian(self.fractional[atom]),
        )
    }

    /// Number and checksum of the sites, for a fingerprint.
    pub fn digest(&self) -> String {
        let mut hasher = crc32fast::Hasher::new();
        for x in self.fractional.iter().flatten() {
            hasher.update(&x.to_bits().to_le_bytes());
        }
        format!(
            "{} fractional points, crc32 {:08x}",
            self.fractional.len(),
            hasher.finalize()
        )
    }
}

/// Mean and variance of a potential energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The mean in eV.
    pub mean: f64,
    /// The variance in eV².
    pub variance: f64,
}
