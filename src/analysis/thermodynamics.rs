//! Kinetic temperature and pressure from a sampler's raw numbers.

use crate::linear::Mat3;
use crate::units::BOLTZMANN;

/// The kinetic temperature 2K/(N_f·k) in K, from a kinetic energy in eV and the degrees of freedom N_f that the momenta
/// were drawn in: 3 per atom that moves, less 3 where the momentum of the centre of mass is removed. NaN without any.
///
/// For its average to be the temperature, the states after the decision must enter: the end of an accepted proposal,
/// and the initial momenta of a rejected one.
pub fn kinetic_temperature(kinetic_energy: f64, degrees_of_freedom: usize) -> f64 {
    if degrees_of_freedom == 0 {
        return f64::NAN;
    }
    2.0 * kinetic_energy / (degrees_of_freedom as f64 * BOLTZMANN)
}

/// The configurational pressure −tr(σ)/3 in eV/Å³ from a stress in eV/Å³ (tensile positive), the kinetic part not
/// included: see [`ideal_pressure`].
pub fn configurational_pressure(stress: &Mat3) -> f64 {
    -(stress[0][0] + stress[1][1] + stress[2][2]) / 3.0
}

/// The ideal-gas part N·k·T/V of the pressure in eV/Å³, at a temperature in K and a volume in Å³. N counts the atoms that
/// move; removing the momentum of the centre of mass changes the proposals, not the distribution of the positions, and
/// takes nothing off N.
pub fn ideal_pressure(moving_atoms: usize, temperature: f64, volume: f64) -> f64 {
    moving_atoms as f64 * BOLTZMANN * temperature / volume
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

    #[test]
    fn equipartition() {
        let kinetic = 0.5 * 189.0 * BOLTZMANN * 300.0;
        assert!((kinetic_temperature(kinetic, 189) - 300.0).abs() < 1e-12);
        assert!(kinetic_temperature(1.0, 0).is_nan());
    }

    #[test]
    fn compression_is_positive_pressure() {
        let stress = [[-0.01, 0.5, 0.0], [0.5, -0.02, 0.0], [0.0, 0.0, -0.03]];
        assert!((configurational_pressure(&stress) - 0.02).abs() < 1e-15);
        // An ideal gas of one mole in 22.711 litres at 273.15 K is at 1 bar.
        let volume_per_atom = 22.710_954_64e-3 * 1e30 / 6.022_140_76e23;
        let bar = ideal_pressure(1, 273.15, volume_per_atom) * GPA_PER_EV_PER_CUBIC_ANGSTROM * 1e4;
        assert!((bar - 1.0).abs() < 1e-8, "{bar}");
    }
}
