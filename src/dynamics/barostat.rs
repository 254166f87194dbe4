//! The cell as a dynamical variable at constant pressure: its load, its strain rates, and the measure its motion preserves.
//!
//! The target is the isothermal–isobaric density of scaled positions s and cell h,
//!
//! ```text
//! π(s, h) ∝ Vᴺ⁺¹ exp(−β[U(s·h) + W(h)]) d³ᴺs dμ(h),
//! ```
//!
//! with the work W of the external load (PV under a pressure P) and dμ the measure of h that is invariant under h → h·g:
//! d ln V for an isotropic cell, d³ ln L for an orthorhombic one, d⁹h/V³ for a flexible one. Those are the usual Vᴺ dV,
//! Vᴺ d³L and Vᴺ·V⁻² d⁹h (Martyna, Tobias and Klein, J. Chem. Phys. 101, 4177 (1994)). `docs/theory.md` derives what each
//! motion preserves.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::Kinetics;
use super::cell_motion::{CellMotion, StrainRate, exponential};
use crate::linear::{Mat3, Vec3, ZERO3, cross, determinant, dot, inverse, norm, product, row_times, scale, transpose};
use crate::potential::Labels;
use crate::structure::{Cell, Structure};

/// What happens to the atoms' momenta while the cell is strained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentumCoupling {
    /// They stay: the cell feels the mean kinetic pressure N·kT/V in place of the fluctuating one.
    Independent,
    /// p → p·exp(−ξᵀt), canonical with r → r·exp(ξt) (Andersen, J. Chem. Phys. 72, 2384 (1980); Parrinello and Rahman,
    /// J. Appl. Phys. 52, 7182 (1981)).
    Contravariant,
    /// The same with a further exp(−tr ξ·t/N_f), the factor 1 + 3/N_f of isotropic motion (Martyna, Tobias and Klein, J. Chem.
    /// Phys. 101, 4177 (1994)).
    MartynaTobiasKlein,
}

/// What presses on the cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The pressure in eV/Å³.
    pub pressure: f64,
    /// A thermodynamic tension added to it, eV/Å³, tensile positive, symmetric.
    pub tension: Option<Tension>,
}

/// A thermodynamic tension τ: the work −V₀ τ:η of the Lagrangian strain η = ½(F·Fᵀ − 1), F = h₀⁻¹·h, of a reference cell h₀
/// (Parrinello and Rahman, J. Appl. Phys. 52, 7182 (1981)).
#[derive(Clone, Debug, PartialEq)]
pub struct Tension {
    /// τ, eV/Å³.
    pub tension: Mat3,
    /// h₀.
    pub reference: Cell,
}

impl Tension {
    fn gradient(&self, cell: &Cell) -> Option<Mat3> {
        Some(product(&inverse(self.reference.vectors())?, cell.vectors()))
    }
}

impl Load {
    /// The work W of a cell in eV: PV − V₀ τ:η.
    pub fn work(&self, cell: &Cell) -> f64 {
        let mut work = self.pressure * cell.volume();
        if let Some(tension) = &self.tension {
            let Some(f) = tension.gradient(cell) else {
                return f64::NAN;
            };
            let metric = product(&f, &transpose(&f));
            let mut strain = 0.0;
            for i in 0..3 {
                for j in 0..3 {
                    strain += 0.5 * tension.tension[i][j] * (metric[i][j] - f64::from(u8::from(i == j)));
                }
            }
            work -= tension.reference.volume() * strain;
        }
        work
    }

    /// dW/dξ for h → h·(1 + ξ), in eV.
    fn derivative(&self, cell: &Cell) -> Mat3 {
        let mut out = diagonal(self.pressure * cell.volume());
        if let Some(tension) = &self.tension
            && let Some(f) = tension.gradient(cell)
        {
            let pulled = product(&product(&transpose(&f), &tension.tension), &f);
            accumulate(&mut out, -tension.reference.volume(), &pulled);
        }
        out
    }
}

/// The cells that belong to the target. Both limits are functions of h alone that do not depend on its orientation, so a
/// trajectory and its reverse are refused together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Domain {
    /// Smallest and largest volume, Å³.
    pub volume: [f64; 2],
    /// The least that the distance of opposite faces over the cube root of the volume may be, for each pair of faces.
    pub heights: Vec3,
}

impl Domain {
    /// Volumes within a factor of the start's, heights no less than a fraction of what they are there.
    pub fn around(start: &Cell, volume_factor: f64, least_height: f64) -> Self {
        let volume = start.volume();
        Self {
            volume: [volume / volume_factor, volume * volume_factor],
            heights: scale(least_height / volume.cbrt(), start.heights()),
        }
    }

    /// Whether a cell belongs to it.
    pub fn contains(&self, cell: &Cell) -> bool {
        let volume = cell.volume();
        let heights = cell.heights();
        volume >= self.volume[0]
            && volume <= self.volume[1]
            && (0..3).all(|k| heights[k] >= self.heights[k] * volume.cbrt())
    }
}

/// Everything that moves a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Barostat {
    /// Which deformations it undergoes.
    pub motion: CellMotion,
    /// What they do to momenta.
    pub coupling: MomentumCoupling,
    /// The mass M of the strain rates, amu·Å²: their kinetic energy is ½ M tr(ξᵀξ).
    pub mass: f64,
    /// What presses on it.
    pub load: Load,
    /// Where the target ends.
    pub domain: Domain,
    /// kT in eV.
    pub thermal_energy: f64,
    /// The number of atoms N.
    pub atoms: usize,
    /// Momentum degrees of freedom N_f of the atoms.
    pub degrees_of_freedom: usize,
    /// The power of V in the target's density with respect to the invariant measure: N + 1. Anything else samples another
    /// ensemble: a control for tests.
    pub volume_power: f64,
    /// The power of l₁₁/l₃₃ by which triangular motion's measure misses the invariant one: 2. Anything else is a control for tests.
    pub orientation_power: f64,
}

impl Barostat {
    /// The mass that gives a strain of the whole cell about the period that a sound wave takes to cross it: total mass times
    /// V^(2/3)/4π². Averages do not depend on it.
    pub fn natural_mass(structure: &Structure) -> f64 {
        let total: f64 = structure.masses.iter().sum();
        total * structure.cell.volume().powf(2.0 / 3.0) / (4.0 * std::f64::consts::PI.powi(2))
    }

    /// Strain rates drawn from exp(−β½M tr ξᵀξ).
    pub fn draw(&self, generator: &mut impl Rng) -> StrainRate {
        let width = (self.thermal_energy / self.mass).sqrt();
        let mut rate = [0.0; 9];
        for c in rate.iter_mut().take(self.motion.dimension()) {
            let normal: f64 = StandardNormal.sample(generator);
            *c = width * normal;
        }
        rate
    }

    /// ½ M tr(ξᵀξ) in eV.
    pub fn kinetic_energy(&self, rate: &StrainRate) -> f64 {
        0.5 * self.mass * rate.iter().map(|c| c * c).sum::<f64>()
    }

    /// The power of V that is left of the target's once the momenta's Jacobian under a strain is taken off.
    fn remaining_power(&self) -> f64 {
        let vectors = self.degrees_of_freedom as f64 / 3.0;
        self.volume_power
            - match self.coupling {
                MomentumCoupling::Independent => 0.0,
                MomentumCoupling::Contravariant => vectors,
                MomentumCoupling::MartynaTobiasKlein => vectors + 1.0,
            }
    }

    /// The logarithm of the target's density, exp(−β[U + W]) apart, over the measure that trajectories preserve, as a
    /// function of the cell. What enters a decision is its difference between the two ends.
    ///
    /// Full and symmetric motion preserve d⁹h/V³ (and d³ᴺs d³ᴺp, up to the coupling's own power of V). Triangular motion
    /// preserves Π dlᵢⱼ/(l₁₁³ l₂₂² l₃₃), while d⁹h/V³ without orientations is Π dlᵢⱼ/(l₁₁ l₂₂² l₃₃³): the factor l₁₁²/l₃₃²
    /// is the difference.
    pub fn log_measure(&self, cell: &Cell) -> f64 {
        self.log_density(cell, self.remaining_power())
    }

    /// The same over what a strain of the cell alone preserves, at constant scaled positions and without momenta.
    pub fn log_measure_of_strains(&self, cell: &Cell) -> f64 {
        self.log_density(cell, self.volume_power)
    }

    fn log_density(&self, cell: &Cell, power: f64) -> f64 {
        let volume = cell.volume();
        let mut log = power * volume.ln();
        if self.motion == CellMotion::Triangular {
            let [a, b, _] = *cell.vectors();
            log += self.orientation_power * (norm(a) * norm(cross(a, b)) / volume).ln();
        }
        log
    }

    /// The energy that a trajectory conserves besides U and the kinetic energies: W − kT·log_measure, eV.
    pub fn potential(&self, cell: &Cell) -> f64 {
        self.load.work(cell) - self.thermal_energy * self.log_measure(cell)
    }

    /// M·dξ/dt: what keeps U + K + ½M tr ξᵀξ + potential constant. `None` without a stress.
    fn force(&self, kinetics: &Kinetics, structure: &Structure, momenta: &[Vec3], labels: &Labels) -> Option<Mat3> {
        let cell = &structure.cell;
        let mut force = diagonal(self.thermal_energy * self.remaining_power());
        accumulate(&mut force, -cell.volume(), labels.stress.as_ref()?);
        accumulate(&mut force, -1.0, &self.load.derivative(cell));
        if self.motion == CellMotion::Triangular {
            let frame = super::cell_motion::frame(cell);
            let mut extra = ZERO3;
            let push = self.orientation_power * self.thermal_energy;
            (extra[0][0], extra[2][2]) = (push, -push);
            accumulate(&mut force, 1.0, &product(&product(&transpose(&frame), &extra), &frame));
        }
        if self.coupling != MomentumCoupling::Independent {
            for (p, mass) in momenta.iter().zip(kinetics.masses()) {
                accumulate(&mut force, 1.0 / mass, &p.map(|component| scale(component, *p)));
            }
        }
        if self.coupling == MomentumCoupling::MartynaTobiasKlein {
            let each = 2.0 * kinetics.energy(momenta) / self.degrees_of_freedom.max(1) as f64;
            accumulate(&mut force, 1.0, &diagonal(each));
        }
        Some(force)
    }

    /// Strains with all components of the motion's basis uniform in [−most, most]: as likely as their reverse, whatever the cell.
    pub fn draw_strain(&self, most: f64, generator: &mut impl Rng) -> StrainRate {
        let mut strain = [0.0; 9];
        for c in strain.iter_mut().take(self.motion.dimension()) {
            *c = most * (2.0 * generator.random::<f64>() - 1.0);
        }
        strain
    }

    /// Strains cell and positions, h → h·exp(ξ) and r → r·exp(ξ); false where the cell leaves the domain.
    pub fn strain(&self, structure: &mut Structure, strain: &StrainRate) -> bool {
        self.drift(structure, &mut [], strain, 1.0) && self.domain.contains(&structure.cell)
    }

    /// ξ ← ξ + t·(force on the cell)/M; false without a stress.
    pub fn kick(
        &self,
        kinetics: &Kinetics,
        structure: &Structure,
        momenta: &[Vec3],
        labels: &Labels,
        rate: &mut StrainRate,
        time: f64,
    ) -> bool {
        let Some(force) = self.force(kinetics, structure, momenta, labels) else {
            return false;
        };
        let push = self.motion.components(&force, &structure.cell);
        for (c, f) in rate.iter_mut().zip(push) {
            *c += time / self.mass * f;
        }
        true
    }

    /// The exact flow of a constant strain rate: h → h·exp(ξt), r → r·exp(ξt), momenta as the coupling says; false where the
    /// cell collapses.
    pub fn drift(&self, structure: &mut Structure, momenta: &mut [Vec3], rate: &StrainRate, time: f64) -> bool {
        let xi = self.motion.matrix(rate, &structure.cell);
        let flow = exponential(&xi.map(|row| scale(time, row)));
        let Ok(cell) = Cell::new(product(structure.cell.vectors(), &flow), structure.cell.periodic()) else {
            return false;
        };
        structure.cell = cell;
        for position in &mut structure.positions {
            *position = row_times(*position, &flow);
        }
        if self.coupling != MomentumCoupling::Independent {
            let mut back = transpose(&xi);
            if self.coupling == MomentumCoupling::MartynaTobiasKlein {
                let each = (xi[0][0] + xi[1][1] + xi[2][2]) / self.degrees_of_freedom.max(1) as f64;
                accumulate(&mut back, 1.0, &diagonal(each));
            }
            let back = exponential(&back.map(|row| scale(-time, row)));
            for momentum in momenta {
                *momentum = row_times(*momentum, &back);
            }
        }
        true
    }
}

fn diagonal(value: f64) -> Mat3 {
    [[value, 0.0, 0.0], [0.0, value, 0.0], [0.0, 0.0, value]]
}

fn accumulate(sum: &mut Mat3, factor: f64, term: &Mat3) {
    for (row, other) in sum.iter_mut().zip(term) {
        for (x, y) in row.iter_mut().zip(other) {
            *x += factor * y;
        }
    }
}

/// Lengths a, b, c in Å and angles α (between b and c), β, γ in degrees.
pub fn lattice_parameters(vectors: &Mat3) -> [f64; 6] {
    let [a, b, c] = vectors.map(norm);
    let angle = |i: usize, j: usize, product: f64| (dot(vectors[i], vectors[j]) / product).clamp(-1.0, 1.0).acos();
    [
        a,
        b,
        c,
        angle(1, 2, b * c).to_degrees(),
        angle(0, 2, a * c).to_degrees(),
        angle(0, 1, a * b).to_degrees(),
    ]
}

/// |det h|.
pub fn volume(vectors: &Mat3) -> f64 {
    determinant(vectors).abs()
}
