//! A stretch of Langevin dynamics as a step of a chain: nothing is rejected, so it samples only up to its time-step error.

use rand_pcg::Pcg64;

use crate::dynamics::{Langevin, LangevinState};
use crate::potential::{Labels, Potential, Workspace};
use crate::rng::{Purpose, stream};
use crate::sampling::{
    Advance, Decision, Environment, OracleId, Outcome, Reply, State, StepId, TrajectoryPlan, decision::voigt,
};
use crate::structure::Structure;

/// Langevin dynamics between two force evaluations.
#[derive(Clone, Debug)]
pub struct LangevinTask {
    integrator: Langevin,
    generator: Pcg64,
    structure: Structure,
    moving: LangevinState,
    steps: usize,
    steps_left: usize,
    labels_used: u32,
    /// The network did the steps; only the end point needs a label.
    on_network: bool,
    diverged: bool,
}

impl LangevinTask {
    /// Begins a stretch of `plan.steps` time steps; with a potential all of it is integrated here.
    pub fn begin(
        environment: &Environment,
        plan: &TrajectoryPlan,
        friction: f64,
        potential: Option<&dyn Potential>,
        state: &State,
        id: StepId,
        workspace: &mut Workspace,
    ) -> Self {
        let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::Langevin);
        let momenta = state
            .momenta
            .clone()
            .unwrap_or_else(|| environment.kinetics.draw(environment.thermal_energy, &mut generator));
        let mut task = Self {
            integrator: Langevin {
                time_step: plan.time_step,
                friction,
                thermal_energy: environment.thermal_energy,
            },
            generator,
            structure: state.structure.clone(),
            moving: LangevinState {
                positions: state.structure.positions.clone(),
                momenta,
            },
            steps: plan.steps,
            steps_left: plan.steps,
            labels_used: 0,
            on_network: potential.is_some(),
            diverged: false,
        };
        if let Some(potential) = potential {
            task.run_on(environment, potential, workspace);
        }
        task
    }

    fn run_on(&mut self, environment: &Environment, potential: &dyn Potential, workspace: &mut Workspace) {
        workspace.reset();
        let mut labels = potential.evaluate(&self.structure, workspace);
        while self.steps_left > 0 {
            let Some(forces) = labels.forces.as_ref().filter(|_| labels.is_finite()) else {
                self.diverged = true;
                return;
            };
            self.integrator
                .to_next_forces(&environment.kinetics, &mut self.moving, forces, &mut self.generator);
            self.structure.positions.clone_from(&self.moving.positions);
            if !self.structure.positions.iter().flatten().all(|x| x.is_finite()) {
                self.diverged = true;
                return;
            }
            labels = potential.evaluate(&self.structure, workspace);
            if let Some(forces) = labels.forces.as_ref() {
                self.integrator.finish(&environment.kinetics, &mut self.moving, forces);
            }
            self.steps_left -= 1;
        }
    }

    /// Goes on to the next force evaluation or the end of the stretch.
    pub fn advance(&mut self, environment: &Environment, state: &State, id: StepId, reply: Option<Reply>) -> Advance {
        let labels = match reply {
            None if self.diverged => return self.done(environment, state, id, None, Outcome::Diverged),
            None if self.on_network => return Advance::NeedLabel(OracleId::Final, Box::new(self.structure.clone())),
            None => state.labels.clone(),
            Some(Reply::Unphysical) => {
                self.labels_used += 1;
                return self.done(environment, state, id, None, Outcome::Unphysical);
            }
            Some(Reply::Labels(labels)) => {
                self.labels_used += 1;
                if !self.on_network {
                    if let Some(forces) = labels.forces.as_ref() {
                        self.integrator.finish(&environment.kinetics, &mut self.moving, forces);
                    }
                    self.steps_left -= 1;
                }
                labels
            }
        };
        if self.steps_left == 0 {
            return self.done(environment, state, id, Some(labels), Outcome::Accepted);
        }
        let Some(forces) = labels.forces.as_ref().filter(|_| labels.is_finite()) else {
            return self.done(environment, state, id, None, Outcome::Diverged);
        };
        self.integrator
            .to_next_forces(&environment.kinetics, &mut self.moving, forces, &mut self.generator);
        self.structure.positions.clone_from(&self.moving.positions);
        if !self.structure.positions.iter().flatten().all(|x| x.is_finite()) {
            return self.done(environment, state, id, None, Outcome::Diverged);
        }
        Advance::NeedLabel(OracleId::Final, Box::new(self.structure.clone()))
    }

    fn done(
        &self,
        environment: &Environment,
        state: &State,
        id: StepId,
        labels: Option<Labels>,
        outcome: Outcome,
    ) -> Advance {
        let energy_proposed = labels.as_ref().map(|labels| labels.energy);
        let next = match labels {
            Some(labels) => State {
                structure: self.structure.clone(),
                labels,
                momenta: Some(self.moving.momenta.clone()),
                first_stage: None,
                kinetic: None,
            },
            // A fresh draw of momenta leads away from where the dynamics broke down.
            None => State {
                momenta: None,
                first_stage: None,
                kinetic: None,
                ..state.clone()
            },
        };
        let kinetic = environment.kinetics.energy(&self.moving.momenta);
        let decision = Decision {
            step: id.step,
            phase: id.phase,
            generation: id.generation,
            outcome,
            energy: next.labels.energy,
            stress: next.labels.stress.as_ref().map(voigt),
            cell: None,
            kinetic: if kinetic.is_finite() { kinetic } else { 0.0 },
            energy_proposed,
            delta: None,
            log_uniform: 0.0,
            network: None,
            segments: 1,
            steps: self.steps as u32,
            labels: self.labels_used,
            moves: None,
            first_stage: None,
        };
        Advance::Done(Box::new((decision, next)))
    }
}
