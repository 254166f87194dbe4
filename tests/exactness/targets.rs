//! The surfaces whose averages are known, or are measured once by plain hybrid Monte Carlo.

use std::sync::{Arc, OnceLock};

use slmc::oracle::analytic::{
    AnalyticConfig, Asymmetric, AsymmetricConfig, Einstein, EinsteinConfig, LennardJonesConfig, Truncation, build,
};
use slmc::potential::Potential;
use slmc::sampling::{Acceptance, Kernel};
use slmc::structure::{Cell, Structure};
use slmc::units::{Energy, FEMTOSECOND, ForceConstant, Length, Temperature};

use crate::harness::{Bench, Expected, full, kernel_step};

/// Which surface a target is; what its proposals are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Einstein,
    Asymmetric,
    LennardJones,
}

/// The same number of atoms, argon and krypton in turn, with sites so close that unlike atoms can change places; they do not
/// interact.
pub fn alloy(structure: Structure) -> Structure {
    let species = (0..8).map(|i| if i % 2 == 0 { "Ar" } else { "Kr" }.parse().expect("an element"));
    let positions = structure
        .positions
        .into_iter()
        .map(|p| p.map(|x| 4.0 + 0.15 * (x - 4.0) / 4.0))
        .collect();
    Structure::new(structure.cell, species.collect(), positions).expect("eight atoms")
}

/// A surface at a temperature, with trajectories that suit it.
#[derive(Clone)]
pub struct Target {
    pub form: Form,
    pub start: Structure,
    pub surface: Arc<dyn Potential>,
    pub temperature: Temperature,
    /// Internal unit.
    pub time_step: f64,
    /// Mean number of steps of a segment.
    pub steps: usize,
    /// Steps of plain hybrid Monte Carlo that lead from the start into the ensemble.
    pub settle: usize,
    /// The oracle has no answer above this energy, eV.
    pub ceiling: f64,
}

/// Eight argon atoms on a simple cubic lattice.
fn eight(edge: f64) -> Structure {
    let positions = (0..8_u32)
        .map(|i| [i & 1, (i >> 1) & 1, i >> 2].map(|bit| edge * (0.25 + 0.5 * f64::from(bit))))
        .collect();
    let cell = Cell::cubic(edge).expect("a cube");
    Structure::new(cell, vec!["Ar".parse().expect("argon"); 8], positions).expect("eight atoms")
}

/// The same atoms with atoms 0 and 5 fixed.
pub fn two_fixed(structure: Structure) -> Structure {
    let fixed = (0..8).map(|i| i == 0 || i == 5).collect();
    structure.with_fixed(fixed).expect("eight flags")
}

/// The same atoms with masses from 10 to 80 amu.
pub fn other_masses(structure: Structure) -> Structure {
    let masses = (1..=8).map(|i| 10.0 * f64::from(i)).collect();
    structure.with_masses(masses).expect("eight masses")
}

fn surface(config: &AnalyticConfig, start: &Structure) -> Arc<dyn Potential> {
    Arc::from(build(config, start).expect("good parameters"))
}

pub fn einstein_surface(start: &Structure, force_constant: f64) -> Arc<dyn Potential> {
    let config = EinsteinConfig {
        force_constant: ForceConstant::new(force_constant),
        ..EinsteinConfig::default()
    };
    surface(&AnalyticConfig::Einstein(config), start)
}

pub fn asymmetric_surface(start: &Structure, depth: f64, steepness: f64) -> Arc<dyn Potential> {
    let config = AsymmetricConfig {
        depth: Energy::new(depth),
        steepness,
        sites: None,
    };
    surface(&AnalyticConfig::Asymmetric(config), start)
}

pub fn lennard_jones_surface(start: &Structure, epsilon: f64, sigma: f64) -> Arc<dyn Potential> {
    let config = LennardJonesConfig {
        epsilon: Energy::new(epsilon),
        sigma: Length::new(sigma),
        cutoff: Some(Length::new(6.0)),
        truncation: Truncation::Shifted,
        ..LennardJonesConfig::default()
    };
    surface(&AnalyticConfig::LennardJones(config), start)
}

/// The Einstein crystal: 2 eV/Å², a vibration takes 286 fs.
pub fn einstein(change: fn(Structure) -> Structure) -> Target {
    let start = change(eight(8.0));
    Target {
        form: Form::Einstein,
        surface: einstein_surface(&start, 2.0),
        start,
        temperature: Temperature::new(300.0),
        time_step: 10.0 * FEMTOSECOND,
        steps: 7,
        settle: 40,
        ceiling: f64::INFINITY,
    }
}

/// The skewed wells at kT = 1.3 D.
pub fn asymmetric(change: fn(Structure) -> Structure) -> Target {
    let start = change(eight(8.0));
    let default = AsymmetricConfig::default();
    Target {
        form: Form::Asymmetric,
        surface: asymmetric_surface(&start, default.depth.value(), default.steepness),
        start,
        temperature: Temperature::new(300.0),
        time_step: 15.0 * FEMTOSECOND,
        steps: 10,
        settle: 80,
        ceiling: f64::INFINITY,
    }
}

/// A dense supercritical Lennard-Jones fluid of eight atoms (ρσ³ = 0.43, kT = 1.67 ε), in a cell smaller than twice the cutoff:
/// plain hybrid Monte Carlo forgets where it was within a few trajectories.
pub fn lennard_jones(change: fn(Structure) -> Structure) -> Target {
    let start = change(eight(9.0));
    Target {
        form: Form::LennardJones,
        surface: lennard_jones_surface(&start, 0.0103236, 3.405),
        start,
        temperature: Temperature::new(200.0),
        time_step: 20.0 * FEMTOSECOND,
        steps: 20,
        settle: 100,
        ceiling: f64::INFINITY,
    }
}

impl Target {
    /// What must come out.
    pub fn expected(&self) -> Expected {
        let moments = match self.form {
            Form::Einstein => Einstein::new(&EinsteinConfig::default(), &self.start)
                .expect("good parameters")
                .exact_moments(self.temperature),
            Form::Asymmetric => Asymmetric::new(&AsymmetricConfig::default(), &self.start)
                .expect("good parameters")
                .exact_moments(self.temperature),
            Form::LennardJones => return lennard_jones_reference(),
        };
        Expected::exact(moments.mean, moments.variance)
    }
}

/// A long plain hybrid Monte Carlo run on the fluid, other seeds than the tests', once a process. Masses do not matter.
fn lennard_jones_reference() -> Expected {
    static REFERENCE: OnceLock<Expected> = OnceLock::new();
    *REFERENCE.get_or_init(|| {
        let bench = Bench::new(lennard_jones(|s| s), None, 1, Acceptance::Metropolis);
        let steps = if full() { 30_000 } else { 6_000 };
        let step = kernel_step(Kernel::Hmc);
        let runs: Vec<_> = (0..4)
            .map(|index| crate::harness::chain(&bench, &step, 1_000 + index, steps))
            .collect();
        let expected = Expected::measured(&runs);
        println!("lennard-jones reference: {expected:?}");
        expected
    })
}
