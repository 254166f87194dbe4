//! Velocity Verlet trajectories on a cheap potential, with a divergence test that is symmetric in time.
//!
//! Swope, Andersen, Berens and Wilson, J. Chem. Phys. 76, 637 (1982); reversible and volume-preserving for any
//! position-dependent force, conservative or not, as hybrid Monte Carlo needs (Duane et al., Phys. Lett. B 195, 216 (1987)).
//! A cell that moves is strained in the middle of the drift, by the exact flow of its strain rate.

use crate::dynamics::{Barostat, Kinetics, StrainRate};
use crate::linear::Vec3;
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;

/// What moves: the atoms and, at constant pressure, the cell.
#[derive(Clone, Copy, Debug)]
pub struct Mover<'a> {
    /// The atoms' kinetics.
    pub kinetics: &'a Kinetics,
    /// The cell's, where it moves.
    pub barostat: Option<&'a Barostat>,
}

impl Mover<'_> {
    /// Kinetic energy of the cell, eV; zero where it rests.
    pub fn cell_energy(&self, rate: &StrainRate) -> f64 {
        self.barostat.map_or(0.0, |barostat| barostat.kinetic_energy(rate))
    }

    /// What trajectories conserve besides U and the kinetic energies, eV; zero where the cell rests.
    pub fn cell_potential(&self, structure: &Structure) -> f64 {
        self.barostat
            .map_or(0.0, |barostat| barostat.potential(&structure.cell))
    }

    /// The opening half kick: atoms, then cell. False where a force is missing.
    pub fn open(
        &self,
        structure: &Structure,
        momenta: &mut [Vec3],
        rate: &mut StrainRate,
        labels: &Labels,
        half: f64,
    ) -> bool {
        let Some(forces) = labels.forces.as_ref() else {
            return false;
        };
        self.kinetics.kick(momenta, forces, half);
        self.barostat
            .is_none_or(|barostat| barostat.kick(self.kinetics, structure, momenta, labels, rate, half))
    }

    /// Positions and cell over a time step; false where they leave what can be computed, or the cell leaves the target's domain.
    pub fn drift(&self, structure: &mut Structure, momenta: &mut [Vec3], rate: &StrainRate, time: f64) -> bool {
        match self.barostat {
            None => self.kinetics.drift(&mut structure.positions, momenta, time),
            Some(barostat) => {
                self.kinetics.drift(&mut structure.positions, momenta, 0.5 * time);
                if !barostat.drift(structure, momenta, rate, time) || !barostat.domain.contains(&structure.cell) {
                    return false;
                }
                self.kinetics.drift(&mut structure.positions, momenta, 0.5 * time);
            }
        }
        structure.positions.iter().flatten().all(|x| x.is_finite())
    }

    /// The closing half kick: cell, then atoms. Without forces nothing happens.
    pub fn close(
        &self,
        structure: &Structure,
        momenta: &mut [Vec3],
        rate: &mut StrainRate,
        labels: &Labels,
        half: f64,
    ) -> bool {
        let Some(forces) = labels.forces.as_ref() else {
            return false;
        };
        let pushed = self
            .barostat
            .is_none_or(|barostat| barostat.kick(self.kinetics, structure, momenta, labels, rate, half));
        self.kinetics.kick(momenta, forces, half);
        pushed
    }
}

/// Where a trajectory ended.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// The end point.
    pub structure: Structure,
    /// Momenta at the end.
    pub momenta: Vec<Vec3>,
    /// Strain rates at the end; zero where the cell rests.
    pub strain_rate: StrainRate,
    /// The potential's labels at the end.
    pub labels: Labels,
    /// Kinetic energy of the atoms at the start, eV.
    pub kinetic_start: f64,
    /// Kinetic energy of the atoms at the end, eV.
    pub kinetic_end: f64,
    /// The change of the cell's kinetic energy, eV.
    pub cell_kinetic_change: f64,
    /// Whether the potential's Hamiltonian left its band, the cell its domain, or a number was not finite.
    pub diverged: bool,
}

/// Integrates `steps` steps of `time_step` (internal unit) in a cell at rest.
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
    let mover = Mover {
        kinetics,
        barostat: None,
    };
    integrate_with(
        potential,
        mover,
        structure,
        momenta,
        [0.0; 9],
        start,
        time_step,
        steps,
        band,
        workspace,
        &mut |step, structure, labels| {
            let _ = structure;
            each(step, labels);
        },
    )
}

/// The same, atoms and cell moving as `mover` says, the cell with the strain rates `rate` at the start.
///
/// Each step is: half a kick of atoms and cell; half a drift of the atoms, the whole strain, half a drift; half a kick of cell and
/// atoms. Every piece is undone by itself with reversed momenta and strain rates, and the whole is a palindrome.
#[allow(clippy::too_many_arguments)]
pub fn integrate_with(
    potential: &dyn Potential,
    mover: Mover<'_>,
    structure: &Structure,
    momenta: Vec<Vec3>,
    rate: StrainRate,
    start: &Labels,
    time_step: f64,
    steps: usize,
    band: f64,
    workspace: &mut Workspace,
    each: &mut dyn FnMut(usize, &Structure, &Labels),
) -> Trajectory {
    let kinetic_start = mover.kinetics.energy(&momenta);
    let cell_start = mover.cell_energy(&rate);
    let mut here = Trajectory {
        structure: structure.clone(),
        momenta,
        strain_rate: rate,
        labels: start.clone(),
        kinetic_start,
        kinetic_end: kinetic_start,
        cell_kinetic_change: 0.0,
        diverged: false,
    };
    let mut lowest = start.energy + kinetic_start + cell_start + mover.cell_potential(structure);
    let mut highest = lowest;
    let half = 0.5 * time_step;
    for step in 1..=steps {
        let Trajectory {
            structure,
            momenta,
            strain_rate,
            labels,
            ..
        } = &mut here;
        if !mover.open(structure, momenta, strain_rate, labels, half)
            || !mover.drift(structure, momenta, strain_rate, time_step)
        {
            here.diverged = true;
            return here;
        }
        *labels = potential.evaluate(structure, workspace);
        mover.close(structure, momenta, strain_rate, labels, half);
        here.kinetic_end = mover.kinetics.energy(&here.momenta);
        let cell_end = mover.cell_energy(&here.strain_rate);
        here.cell_kinetic_change = cell_end - cell_start;
        let total = here.labels.energy + here.kinetic_end + cell_end + mover.cell_potential(&here.structure);
        lowest = lowest.min(total);
        highest = highest.max(total);
        if !here.labels.is_finite() || !total.is_finite() || highest - lowest > band {
            here.diverged = true;
            return here;
        }
        each(step, &here.structure, &here.labels);
    }
    here
}
