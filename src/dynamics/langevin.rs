//! Langevin dynamics by the BAOAB splitting, a yardstick and an explorer: it samples only up to its time-step error.
//!
//! Leimkuhler and Matthews, Appl. Math. Res. eXpress 2013, 34 (2013).

use rand::Rng;

use crate::dynamics::Kinetics;
use crate::linear::{Vec3, add, scale};

/// Positions and momenta of a Langevin trajectory.
#[derive(Clone, Debug, PartialEq)]
pub struct LangevinState {
    /// Positions, Å.
    pub positions: Vec<Vec3>,
    /// Momenta, amu·Å per internal time.
    pub momenta: Vec<Vec3>,
}

/// A BAOAB integrator: half a step before the force evaluation, half after it.
#[derive(Clone, Debug)]
pub struct Langevin {
    /// Time step in the internal unit.
    pub time_step: f64,
    /// Friction in the inverse internal unit of time.
    pub friction: f64,
    /// kT in eV.
    pub thermal_energy: f64,
}

impl Langevin {
    /// B A O A with the forces at the present positions: leaves the state where the next forces are needed.
    pub fn to_next_forces(
        &self,
        kinetics: &Kinetics,
        state: &mut LangevinState,
        forces: &[Vec3],
        generator: &mut impl Rng,
    ) {
        let half = 0.5 * self.time_step;
        kinetics.kick(&mut state.momenta, forces, half);
        kinetics.drift(&mut state.positions, &state.momenta, half);
        let keep = (-self.friction * self.time_step).exp();
        let fresh = kinetics.draw(self.thermal_energy, generator);
        let noise = (1.0 - keep * keep).max(0.0).sqrt();
        for (momentum, new) in state.momenta.iter_mut().zip(&fresh) {
            *momentum = add(scale(keep, *momentum), scale(noise, *new));
        }
        kinetics.drift(&mut state.positions, &state.momenta, half);
    }

    /// The closing B with the forces at the new positions.
    pub fn finish(&self, kinetics: &Kinetics, state: &mut LangevinState, forces: &[Vec3]) {
        kinetics.kick(&mut state.momenta, forces, 0.5 * self.time_step);
    }
}
