//! The cheap side: potentials that give energy, forces and stress and can be differentiated, evaluated along trajectories.

mod load;
mod neural;
mod scaling;
mod scratch;
mod swirl;

pub use load::{LoadError, load};
pub use neural::{Member, NeuralError, NeuralPotential, Spread};
pub use scaling::{FeatureRange, Scaling};
pub use swirl::Swirl;

use crate::linear::{Mat3, Vec3};
use crate::structure::{Structure, VerletList};

/// What an oracle or a potential says of one structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Potential energy in eV.
    pub energy: f64,
    /// Forces in eV/Å, one per atom.
    pub forces: Option<Vec<Vec3>>,
    /// Stress in eV/Å³, tensile positive (as ASE): (1/V) dE/dε, symmetric; only where all directions are periodic.
    pub stress: Option<Mat3>,
}

impl Labels {
    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        self.energy.is_finite()
            && self.forces.iter().flatten().flatten().all(|x| x.is_finite())
            && self.stress.iter().flatten().flatten().all(|x| x.is_finite())
    }
}

/// Scratch space that one thread reuses between evaluations of one potential: the neighbour list above all.
///
/// Results may differ in the last bits between a fresh list and one carried along a trajectory, so whoever needs a
/// reproducible trajectory starts it with [`Workspace::reset`].
#[derive(Debug, Default)]
pub struct Workspace {
    neighbours: Option<VerletList>,
}

impl Workspace {
    /// The skin in Å that the lists of trajectories are built with.
    pub const SKIN: f64 = 0.6;

    /// An empty workspace.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the neighbour list.
    pub fn reset(&mut self) {
        if let Some(list) = &mut self.neighbours {
            list.forget();
        }
    }

    /// The Verlet list for a cutoff in Å, made anew where the cutoff differs from the last one's.
    pub fn verlet(&mut self, cutoff: f64) -> &mut VerletList {
        if self.neighbours.as_ref().is_some_and(|list| list.cutoff() != cutoff) {
            self.neighbours = None;
        }
        self.neighbours
            .get_or_insert_with(|| VerletList::new(cutoff, Self::SKIN))
    }
}

/// A differentiable potential-energy surface that costs far less than an oracle call. Frozen: evaluating changes nothing
/// but the workspace, and the same structure and workspace state give the same bits at any number of threads.
pub trait Potential: Send + Sync {
    /// Energy (eV), forces (eV/Å) and, in a bulk cell, stress (eV/Å³) of a structure. Outside the surface's domain the
    /// result holds non-finite numbers; it never panics.
    fn evaluate(&self, structure: &Structure, workspace: &mut Workspace) -> Labels;

    /// Whether shifting all atoms together leaves the energy alone.
    fn translation_invariant(&self) -> bool {
        true
    }
}
