//! Hybrid Monte Carlo walkers on the network, which all tuning is measured with.

use rand_pcg::Pcg64;
use rayon::prelude::*;

use crate::potential::{Labels, Potential, Workspace};
use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::{Environment, Segment, TrajectoryPlan};
use crate::structure::Structure;

/// How many walkers there are, whatever the number of threads.
pub(super) const WALKERS: usize = 4;

/// Where a walker stands.
#[derive(Clone)]
pub(super) struct Walker {
    pub(super) structure: Structure,
    pub(super) labels: Labels,
}

/// What a trajectory of a walker showed.
pub(super) struct Seen {
    /// The potential energy at its start and after every step, eV.
    pub(super) energies: Vec<f64>,
    /// The change of what is conserved but for the integrator's error, from start to end, eV.
    pub(super) error: f64,
    /// Whether it diverged.
    pub(super) diverged: bool,
}

/// The walkers at the starts, counted round.
pub(super) fn start(starts: &[Structure], potential: &dyn Potential) -> Vec<Walker> {
    let count = if starts.is_empty() { 0 } else { WALKERS };
    (0..count)
        .into_par_iter()
        .map(|walker| {
            let structure = starts[walker % starts.len()].clone();
            let labels = potential.evaluate(&structure, &mut Workspace::new());
            Walker { structure, labels }
        })
        .collect()
}

/// Which random numbers a stretch of tuning draws; each its own.
#[derive(Clone, Copy)]
pub(super) enum Stretch {
    Settle = 1,
    StepSize = 2,
    Correlation = 3,
    Covariance = 4,
}

/// The generator of one walker in one stretch.
pub(super) fn generator(environment: &Environment, walker: usize, salt: u64, stretch: Stretch) -> Pcg64 {
    let step = 16 * salt + stretch as u64;
    stream(environment.seed, walker as u64, step, Purpose::Tuning)
}

impl Walker {
    /// One trajectory with fresh momenta, decided on the network: the walker samples the network's own ensemble.
    pub(super) fn trajectory(
        &mut self,
        environment: &Environment,
        plan: &TrajectoryPlan,
        potential: &dyn Potential,
        workspace: &mut Workspace,
        generator: &mut Pcg64,
    ) -> Seen {
        let segment = Segment::draw(environment, plan, generator);
        let momenta = segment.momenta(&environment.kinetics, None);
        let log_uniform = open_uniform(generator).ln();
        let mut energies = vec![self.labels.energy];
        let trajectory = crate::dynamics::integrate_with(
            potential,
            environment.mover(),
            &self.structure,
            momenta,
            segment.strain_rate,
            &self.labels,
            plan.time_step,
            segment.steps,
            plan.band,
            workspace,
            &mut |_, _, labels| energies.push(labels.energy),
        );
        let end = &trajectory;
        let error = end.labels.energy - self.labels.energy
            + (end.kinetic_end - end.kinetic_start)
            + end.cell_kinetic_change
            + environment.cell_change(&self.structure, &end.structure);
        let diverged = end.diverged;
        if !diverged && log_uniform < -error / environment.thermal_energy {
            self.structure = trajectory.structure;
            self.labels = trajectory.labels;
        }
        Seen {
            energies,
            error,
            diverged,
        }
    }
}
