//! Velocity Verlet trajectories on a cheap potential, with a divergence test that is symmetric in time.
//!
//! Swope, Andersen, Berens and Wilson, J. Chem. Phys. 76, 637 (1982); reversible and volume-preserving for any
//! position-dependent force, conservative or not, as hybrid Monte Carlo needs (Duane et al., Phys. Lett. B 195, 216 (1987)).

use crate::dynamics::Kinetics;
use crate::linear::Vec3;
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;

/// Where a trajectory ended.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// The end point.
    pub structure: Structure,
    /// Momenta at the end.
    pub momenta: Vec<Vec3>,
    /// The potential's labels at the end.
    pub labels: Labels,
    /// Kinetic energy at the start, eV.
    pub kinetic_start: f64,
    /// Kinetic energy at the end, eV.
    pub kinetic_end: f64,
    /// Whether the potential's Hamiltonian left its band or a number was not finite.
    pub diverged: bool,
}

/// Integrates `steps` steps of `time_step` (internal unit).
///
/// `start` are the potential's labels at `structure`. A trajectory diverges when the largest and the smallest value of
/// U_potential + K seen at its steps differ by more than `band` (eV): the reversed trajectory sees the same values, so
/// the test accepts or refuses both directions alike, as detailed balance needs. `each` sees every full step.
#[allow(clippy::too_many_arguments)]
pub fn integrate(
    potential: &dyn Potential,
    kinetics: &Kinetics,
    structure: &Structure,
    momenta: Vec<Vec3>,
    start: &Labels,
    time_step: f64,
    steps: usize,
    band: f64,
    workspace: &mut Workspace,
    each: &mut dyn FnMut(usize, &Labels),
) -> Trajectory {
    let kinetic_start = kinetics.energy(&momenta);
    let mut here = Trajectory {
        structure: structure.clone(),
        momenta,
        labels: start.clone(),
        kinetic_start,
        kinetic_end: kinetic_start,
        diverged: false,
    };
    let mut lowest = start.energy + kinetic_start;
    let mut highest = lowest;
    for step in 1..=steps {
        let Some(forces) = here.labels.forces.as_ref() else {
            here.diverged = true;
            return here;
        };
        kinetics.kick(&mut here.momenta, forces, 0.5 * time_step);
        kinetics.drift(&mut here.structure.positions, &here.momenta, time_step);
        if !here.structure.positions.iter().flatten().all(|x| x.is_finite()) {
            here.diverged = true;
            return here;
        }
        here.labels = potential.evaluate(&here.structure, workspace);
        if let Some(forces) = here.labels.forces.as_ref() {
            kinetics.kick(&mut here.momenta, forces, 0.5 * time_step);
        }
        here.kinetic_end = kinetics.energy(&here.momenta);
        let total = here.labels.energy + here.kinetic_end;
        lowest = lowest.min(total);
        highest = highest.max(total);
        if !here.labels.is_finite() || !total.is_finite() || highest - lowest > band {
            here.diverged = true;
            return here;
        }
        each(step, &here.labels);
    }
    here
}
