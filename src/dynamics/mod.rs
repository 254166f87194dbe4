//! Momenta and the integrators that carry positions along: velocity Verlet and Langevin.

mod langevin;
mod momenta;
mod verlet;

pub use langevin::{Langevin, LangevinState};
pub use momenta::Kinetics;
pub use verlet::{Trajectory, integrate};
