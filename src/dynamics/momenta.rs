//! Maxwell–Boltzmann momenta, kinetic energy and degrees of freedom, with fixed atoms and without the centre of mass.

use std::sync::Arc;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::linear::{Vec3, add, dot, scale, sub};

/// The kinetic side of a structure: which masses move, and whether the centre of mass does.
#[derive(Clone, Debug)]
pub struct Kinetics {
    masses: Arc<[f64]>,
    fixed: Arc<[bool]>,
    remove_centre_of_mass: bool,
}

impl Kinetics {
    /// For masses (amu) and fixed atoms of N entries each. The momentum of the centre of mass may be removed only where
    /// the target and the proposal are translation-invariant; with a fixed atom it never is.
    pub fn new(masses: Arc<[f64]>, fixed: Arc<[bool]>, translation_invariant: bool) -> Self {
        let remove_centre_of_mass = translation_invariant && !fixed.iter().any(|f| *f);
        Self {
            masses,
            fixed,
            remove_centre_of_mass,
        }
    }

    /// The number of momentum degrees of freedom.
    pub fn degrees_of_freedom(&self) -> usize {
        let mobile = 3 * self.fixed.iter().filter(|f| !**f).count();
        mobile.saturating_sub(if self.remove_centre_of_mass { 3 } else { 0 })
    }

    /// Momenta (amu·Å per internal time) drawn at thermal energy `kt` (eV): p ~ exp(−p²/2mkT), projected onto zero total
    /// momentum in the mass metric where the centre of mass is removed. Draws 3N normals whatever is fixed.
    pub fn draw(&self, kt: f64, generator: &mut impl Rng) -> Vec<Vec3> {
        let mut momenta: Vec<Vec3> = self
            .masses
            .iter()
            .zip(self.fixed.iter())
            .map(|(mass, fixed)| {
                let width = if *fixed { 0.0 } else { (mass * kt).sqrt() };
                [0; 3].map(|_: i32| {
                    let normal: f64 = StandardNormal.sample(generator);
                    width * normal
                })
            })
            .collect();
        self.project(&mut momenta);
        momenta
    }

    /// Removes what must not move: p_i ← p_i − m_i·(Σp)/(Σm), the orthogonal projection in the metric Σ p²/m.
    pub fn project(&self, momenta: &mut [Vec3]) {
        for (momentum, fixed) in momenta.iter_mut().zip(self.fixed.iter()) {
            if *fixed {
                *momentum = [0.0; 3];
            }
        }
        if self.remove_centre_of_mass {
            let total_mass: f64 = self.masses.iter().sum();
            let total = momenta.iter().fold([0.0; 3], |sum, p| add(sum, *p));
            let velocity = scale(1.0 / total_mass, total);
            for (momentum, mass) in momenta.iter_mut().zip(self.masses.iter()) {
                *momentum = sub(*momentum, scale(*mass, velocity));
            }
        }
    }

    /// Kinetic energy Σ p²/2m in eV.
    pub fn energy(&self, momenta: &[Vec3]) -> f64 {
        momenta
            .iter()
            .zip(self.masses.iter())
            .map(|(p, mass)| dot(*p, *p) / (2.0 * mass))
            .sum()
    }

    /// p ← p + F·Δt for forces in eV/Å and a time in the internal unit, then removes what must not move.
    pub fn kick(&self, momenta: &mut [Vec3], forces: &[Vec3], time: f64) {
        for (momentum, force) in momenta.iter_mut().zip(forces) {
            *momentum = add(*momentum, scale(time, *force));
        }
        self.project(momenta);
    }

    /// r ← r + p/m·Δt.
    pub fn drift(&self, positions: &mut [Vec3], momenta: &[Vec3], time: f64) {
        for ((position, momentum), mass) in positions.iter_mut().zip(momenta).zip(self.masses.iter()) {
            *position = add(*position, scale(time / mass, *momentum));
        }
    }

    /// The masses in amu.
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    fn kinetics(fixed: Vec<bool>, invariant: bool) -> Kinetics {
        let masses: Vec<f64> = (0..fixed.len()).map(|i| 1.0 + i as f64).collect();
        Kinetics::new(masses.into(), fixed.into(), invariant)
    }

    #[test]
    fn equipartition_counts_the_right_degrees_of_freedom() {
        for (kinetics, expected) in [
            (kinetics(vec![false; 5], true), 12),
            (kinetics(vec![false; 5], false), 15),
            (kinetics(vec![true, false, false, false, true], true), 9),
        ] {
            assert_eq!(kinetics.degrees_of_freedom(), expected);
            let mut generator = stream(1, 0, 0, Purpose::Proposal);
            let draws = 20_000;
            let mean = (0..draws)
                .map(|_| kinetics.energy(&kinetics.draw(0.5, &mut generator)))
                .sum::<f64>()
                / f64::from(draws);
            let exact = 0.25 * expected as f64;
            // Var K = f/2·(kT)²; five standard errors.
            let error = 0.5 * (expected as f64 / 2.0).sqrt() / f64::from(draws).sqrt();
            assert!((mean - exact).abs() < 5.0 * error, "{mean} against {exact}");
        }
    }

    #[test]
    fn projection_is_idempotent_and_removes_the_total() {
        let kinetics = kinetics(vec![false; 4], true);
        let mut generator = stream(2, 0, 0, Purpose::Proposal);
        let mut momenta = kinetics.draw(1.0, &mut generator);
        let total = momenta.iter().fold([0.0; 3], |sum, p| add(sum, *p));
        assert!(total.iter().all(|x| x.abs() < 1e-13));
        let before = momenta.clone();
        kinetics.project(&mut momenta);
        for (a, b) in before.iter().zip(&momenta) {
            assert!(sub(*a, *b).iter().all(|x| x.abs() < 1e-14));
        }
    }
}
