//! Chains that sample with forces of the oracle at every step: hybrid Monte Carlo and Langevin dynamics.

use rand::RngExt;
use rand_pcg::Pcg64;
use slmc::dynamics::{Kinetics, Langevin, LangevinState, integrate};
use slmc::linear::{Vec3, add, scale};
use slmc::potential::{Labels, Potential, Workspace};
use slmc::rng::{Purpose, open_uniform, stream};
use slmc::sampling::Segment;
use slmc::structure::Structure;
use slmc::units::FEMTOSECOND;

/// What is sampled.
pub struct System {
    /// The oracle.
    pub potential: Box<dyn Potential>,
    /// Masses and the centre of mass.
    pub kinetics: Kinetics,
    /// kT in eV.
    pub thermal_energy: f64,
    /// The first structure.
    pub start: Structure,
}

/// How it is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Hybrid Monte Carlo with trajectories of `steps` steps, give or take a fifth, so that no mode is in tune with them
    /// (Mackenzie, Phys. Lett. B 226, 369 (1989)).
    Hmc {
        /// The time step in fs.
        time_step: f64,
        /// Steps of a trajectory.
        steps: usize,
        /// The share of the kinetic energy drawn anew before each trajectory: 1 is plain hybrid Monte Carlo, less keeps
        /// momenta and reverses them on rejection (Horowitz, Phys. Lett. B 268, 247 (1991)).
        refresh: f64,
        /// Momenta that wholly fresh ones are chosen among, as [`Segment`] does: 1 for independent ones.
        draws: usize,
    },
    /// Langevin dynamics (BAOAB); nothing is rejected.
    Langevin {
        /// The time step in fs.
        time_step: f64,
        /// The friction in ps⁻¹.
        friction: f64,
    },
}

impl Method {
    /// Over how many energies in a row [`crate::estimate::effective_samples`] averages: about a vibration of dynamics.
    pub fn block(self) -> usize {
        match self {
            Self::Hmc { .. } => 1,
            Self::Langevin { .. } => 32,
        }
    }
}

/// One chain.
pub struct Walker {
    structure: Structure,
    momenta: Vec<Vec3>,
    labels: Labels,
    generator: Pcg64,
    workspace: Workspace,
    /// The potential energy after every trajectory (hybrid Monte Carlo) or time step (Langevin), eV.
    pub energies: Vec<f64>,
    /// Force evaluations so far.
    pub calls: u64,
    /// Trajectories accepted.
    pub accepted: u64,
}

impl Walker {
    /// A chain from a structure; `seed` and `chain` fix its random numbers.
    pub fn new(system: &System, structure: &Structure, seed: u64, chain: usize) -> Self {
        let mut generator = stream(seed, chain as u64, 0, Purpose::Langevin);
        let momenta = system.kinetics.draw(system.thermal_energy, &mut generator);
        let mut workspace = Workspace::new();
        let labels = system.potential.evaluate(structure, &mut workspace);
        Self {
            structure: structure.clone(),
            momenta,
            labels,
            generator,
            workspace,
            energies: Vec::new(),
            calls: 0,
            accepted: 0,
        }
    }

    /// Where the chain is.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// Goes on for about `calls` force evaluations.
    pub fn advance(&mut self, system: &System, method: Method, calls: usize) {
        match method {
            Method::Hmc {
                time_step,
                steps,
                refresh,
                draws,
            } => {
                // Too few trajectories have no effective sample size.
                for _ in 0..(calls / steps).max(8) {
                    self.trajectory(system, time_step * FEMTOSECOND, steps, refresh, draws);
                }
            }
            Method::Langevin { time_step, friction } => {
                let integrator = Langevin {
                    time_step: time_step * FEMTOSECOND,
                    friction: friction / (1000.0 * FEMTOSECOND),
                    thermal_energy: system.thermal_energy,
                };
                self.dynamics(system, &integrator, calls);
            }
        }
        // Neighbour lists of thousands of waiting chains would fill the memory.
        self.workspace.reset();
    }

    fn trajectory(&mut self, system: &System, time_step: f64, steps: usize, refresh: f64, draws: usize) {
        let length = steps as f64 * (0.8 + 0.4 * self.generator.random::<f64>());
        let length = (length.round() as usize).max(1);
        let fresh = Segment {
            steps: length,
            draws: (0..draws)
                .map(|_| system.kinetics.draw(system.thermal_energy, &mut self.generator))
                .collect(),
            strain_rate: [0.0; 9],
        };
        let fresh = fresh.momenta(&system.kinetics, Some(system.kinetics.energy(&self.momenta)));
        let (keep, renew) = ((1.0 - refresh).max(0.0).sqrt(), refresh.sqrt());
        for (momentum, new) in self.momenta.iter_mut().zip(&fresh) {
            *momentum = add(scale(keep, *momentum), scale(renew, *new));
        }
        let mut calls = 0;
        let trajectory = integrate(
            system.potential.as_ref(),
            &system.kinetics,
            &self.structure,
            self.momenta.clone(),
            &self.labels,
            time_step,
            length,
            f64::INFINITY,
            &mut self.workspace,
            &mut |_, _| calls += 1,
        );
        self.calls += calls + u64::from(trajectory.diverged);
        let change = trajectory.labels.energy + trajectory.kinetic_end - self.labels.energy - trajectory.kinetic_start;
        let threshold = open_uniform(&mut self.generator).ln();
        if !trajectory.diverged && threshold < -change / system.thermal_energy {
            self.structure = trajectory.structure;
            self.momenta = trajectory.momenta;
            self.labels = trajectory.labels;
            self.accepted += 1;
        } else {
            for momentum in &mut self.momenta {
                *momentum = scale(-1.0, *momentum);
            }
        }
        self.energies.push(self.labels.energy);
    }

    fn dynamics(&mut self, system: &System, integrator: &Langevin, steps: usize) {
        let mut state = LangevinState {
            positions: self.structure.positions.clone(),
            momenta: std::mem::take(&mut self.momenta),
        };
        for _ in 0..steps {
            let forces = self.labels.forces.as_ref().expect("an analytic surface gives forces");
            integrator.to_next_forces(&system.kinetics, &mut state, forces, &mut self.generator);
            self.structure.positions.clone_from(&state.positions);
            self.labels = system.potential.evaluate(&self.structure, &mut self.workspace);
            let forces = self.labels.forces.as_ref().expect("an analytic surface gives forces");
            integrator.finish(&system.kinetics, &mut state, forces);
            self.energies.push(self.labels.energy);
        }
        self.calls += steps as u64;
        self.momenta = state.momenta;
    }
}
