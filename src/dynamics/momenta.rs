//! Maxwell–Boltzmann momenta, kinetic energy and degrees of freedom, with fixed atoms and without the centre of mass.

use std::sync::Arc;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::MassMatrix;
use crate::linear::{Vec3, add, dot, scale, sub};

/// The kinetic side of a structure: which masses move, and whether the centre of mass does.
#[derive(Clone, Debug)]
pub struct Kinetics {
    masses: Arc<[f64]>,
    fixed: Arc<[bool]>,
    remove_centre_of_mass: bool,
    matrix: Option<Arc<MassMatrix>>,
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
            matrix: None,
        }
    }

    /// The same with a mass matrix in place of the atoms' masses, which averages do not depend on; `None` goes back to them. At a
    /// cell that moves the matrix must not take part in what strains do to momenta.
    ///
    /// A matrix whose modes are not orthogonal to the translations D^½t of its own diagonal cannot keep the centre at rest.
    #[must_use]
    pub fn with_mass_matrix(&self, matrix: Option<Arc<MassMatrix>>) -> Self {
        debug_assert!(
            matrix
                .as_ref()
                .is_none_or(|matrix| matrix.len() == 3 * self.masses.len())
        );
        Self { matrix, ..self.clone() }
    }

    /// The mass matrix, where there is one.
    pub fn mass_matrix(&self) -> Option<&Arc<MassMatrix>> {
        self.matrix.as_ref()
    }

    /// The masses of an atom's three momenta as the projection weighs them: D of the matrix, or the atom's own.
    fn weights(&self, atom: usize) -> Vec3 {
        self.matrix
            .as_ref()
            .map_or([self.masses[atom]; 3], |matrix| matrix.of_atom(atom))
    }

    /// Whether atoms never move, one flag an atom.
    pub fn fixed(&self) -> &[bool] {
        &self.fixed
    }

    /// Whether the centre of mass rests.
    pub fn removes_centre_of_mass(&self) -> bool {
        self.remove_centre_of_mass
    }

    /// The number of momentum degrees of freedom.
    pub fn degrees_of_freedom(&self) -> usize {
        let mobile = 3 * self.fixed.iter().filter(|f| !**f).count();
        mobile.saturating_sub(if self.remove_centre_of_mass { 3 } else { 0 })
    }

    /// Momenta (amu·Å per internal time) drawn at thermal energy `kt` (eV): p ~ exp(−p²/2mkT), projected onto zero total
    /// momentum in the mass metric where the centre of mass is removed. Draws 3N normals whatever is fixed.
    pub fn draw(&self, kt: f64, generator: &mut impl Rng) -> Vec<Vec3> {
        if let Some(matrix) = &self.matrix {
            let fixed = self.fixed.iter().flat_map(|fixed| [*fixed; 3]);
            let normals = fixed.map(|fixed| {
                let normal: f64 = StandardNormal.sample(generator);
                if fixed { 0.0 } else { kt.sqrt() * normal }
            });
            let mut momenta = matrix.momenta(normals.collect());
            self.project(&mut momenta);
            return momenta;
        }
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
        if self.remove_centre_of_mass && self.matrix.is_some() {
            // With Mt = Dt for translations t the projection is that of D, direction by direction.
            let (mut total, mut weight) = ([0.0; 3], [0.0; 3]);
            for (atom, momentum) in momenta.iter().enumerate() {
                total = add(total, *momentum);
                weight = add(weight, self.weights(atom));
            }
            for (atom, momentum) in momenta.iter_mut().enumerate() {
                let weights = self.weights(atom);
                for k in 0..3 {
                    momentum[k] -= weights[k] * total[k] / weight[k];
                }
            }
        } else if self.remove_centre_of_mass {
            let total_mass: f64 = self.masses.iter().sum();
            let total = momenta.iter().fold([0.0; 3], |sum, p| add(sum, *p));
            let velocity = scale(1.0 / total_mass, total);
            for (momentum, mass) in momenta.iter_mut().zip(self.masses.iter()) {
                *momentum = sub(*momentum, scale(*mass, velocity));
            }
        }
    }

    /// Kinetic energy Σ p²/2m (or ½ p·M⁻¹p) in eV.
    pub fn energy(&self, momenta: &[Vec3]) -> f64 {
        if let Some(matrix) = &self.matrix {
            return matrix.kinetic_energy(momenta);
        }
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

    /// r ← r + p/m·Δt (or M⁻¹p·Δt).
    pub fn drift(&self, positions: &mut [Vec3], momenta: &[Vec3], time: f64) {
        if let Some(matrix) = &self.matrix {
            for (position, velocity) in positions.iter_mut().zip(matrix.velocities(momenta)) {
                *position = add(*position, scale(time, velocity));
            }
            return;
        }
        for ((position, momentum), mass) in positions.iter_mut().zip(momenta).zip(self.masses.iter()) {
            *position = add(*position, scale(time / mass, *momentum));
        }
    }

    /// The atoms' own masses in amu, whatever the mass matrix.
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
