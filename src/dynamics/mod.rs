//! Momenta and the integrators that carry positions and cells along: velocity Verlet and Langevin.

mod barostat;
mod cell_motion;
mod langevin;
mod mass_matrix;
mod momenta;
mod verlet;

pub use barostat::{Barostat, Domain, Load, MomentumCoupling, Tension, lattice_parameters, volume};
pub use cell_motion::{CellMotion, StrainRate, exponential};
pub use langevin::{Langevin, LangevinState};
pub use mass_matrix::{MassMatrix, MassMatrixError};
pub use momenta::Kinetics;
pub use verlet::{Mover, Trajectory, integrate, integrate_with};
