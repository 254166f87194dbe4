//! Plain hybrid Monte Carlo on the oracle's own forces (Duane et al., Phys. Lett. B 195, 216 (1987)): every time step costs a label.

use crate::dynamics::StrainRate;
use crate::linear::Vec3;
use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::{
    Advance, Decision, Environment, OracleId, Outcome, Reply, Segment, State, StepId, TrajectoryPlan,
    decision::{metropolis, voigt},
};
use crate::structure::Structure;

/// A trajectory on the oracle between two force evaluations.
#[derive(Clone, Debug)]
pub struct HmcTask {
    plan: TrajectoryPlan,
    log_uniform: f64,
    /// Segments not yet begun, last first.
    waiting: Vec<Segment>,
    structure: Structure,
    momenta: Vec<Vec3>,
    strain_rate: StrainRate,
    steps_left: usize,
    kinetic_first: f64,
    kinetic_segment: f64,
    kinetic_change: f64,
    lowest: f64,
    highest: f64,
    labels_used: u32,
    segments: u32,
    steps: u32,
}

impl HmcTask {
    /// Draws the segments of a step.
    pub fn begin(environment: &Environment, plan: &TrajectoryPlan, state: &State, id: StepId) -> Self {
        let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::Proposal);
        let log_uniform = open_uniform(&mut generator).ln();
        let mut waiting: Vec<Segment> = (0..plan.segments.max(1))
            .map(|_| Segment::draw(environment, plan, &mut generator))
            .collect();
        waiting.reverse();
        let steps = waiting.iter().map(|segment| segment.steps as u32).sum();
        let kinetic_first = waiting.last().map_or(0.0, |segment| {
            let momenta = segment.momenta(&environment.kinetics, state.kinetic);
            environment.kinetics.energy(&momenta)
        });
        Self {
            plan: *plan,
            log_uniform,
            segments: waiting.len() as u32,
            waiting,
            structure: state.structure.clone(),
            momenta: Vec::new(),
            strain_rate: [0.0; 9],
            steps_left: 0,
            kinetic_first,
            kinetic_segment: 0.0,
            kinetic_change: 0.0,
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
            labels_used: 0,
            steps,
        }
    }

    /// Goes on to the next force evaluation or to the decision.
    pub fn advance(&mut self, environment: &Environment, state: &State, id: StepId, reply: Option<Reply>) -> Advance {
        let mover = environment.mover();
        let half = 0.5 * self.plan.time_step;
        let labels = match reply {
            None => state.labels.clone(),
            Some(Reply::Unphysical) => {
                self.labels_used += 1;
                return self.done(environment, state, id, None, Outcome::Unphysical);
            }
            Some(Reply::Labels(labels)) => {
                self.labels_used += 1;
                mover.close(&self.structure, &mut self.momenta, &mut self.strain_rate, &labels, half);
                self.steps_left -= 1;
                labels
            }
        };
        if self.labels_used > 0 {
            let total = labels.energy + self.kinetic(environment) + mover.cell_potential(&self.structure);
            self.lowest = self.lowest.min(total);
            self.highest = self.highest.max(total);
            if !labels.is_finite() || !total.is_finite() || self.highest - self.lowest > self.plan.band {
                return self.done(environment, state, id, None, Outcome::Diverged);
            }
        }
        if self.steps_left == 0 {
            if self.labels_used > 0 {
                self.kinetic_change += self.kinetic(environment) - self.kinetic_segment;
            }
            let Some(segment) = self.waiting.pop() else {
                return self.done(environment, state, id, Some(labels), Outcome::Accepted);
            };
            let before = if self.labels_used > 0 {
                Some(environment.kinetics.energy(&self.momenta))
            } else {
                state.kinetic
            };
            self.momenta = segment.momenta(&environment.kinetics, before);
            self.strain_rate = segment.strain_rate;
            self.kinetic_segment = self.kinetic(environment);
            self.steps_left = segment.steps;
            self.lowest = labels.energy + self.kinetic_segment + mover.cell_potential(&self.structure);
            self.highest = self.lowest;
        }
        let (momenta, rate) = (&mut self.momenta, &mut self.strain_rate);
        if !mover.open(&self.structure, momenta, rate, &labels, half)
            || !mover.drift(&mut self.structure, momenta, rate, self.plan.time_step)
        {
            return self.done(environment, state, id, None, Outcome::Diverged);
        }
        Advance::NeedLabel(OracleId::Final, Box::new(self.structure.clone()))
    }

    /// Kinetic energy of atoms and cell, eV.
    fn kinetic(&self, environment: &Environment) -> f64 {
        environment.kinetics.energy(&self.momenta) + environment.mover().cell_energy(&self.strain_rate)
    }

    fn done(
        &self,
        environment: &Environment,
        state: &State,
        id: StepId,
        labels: Option<crate::potential::Labels>,
        ended: Outcome,
    ) -> Advance {
        let delta = labels
            .as_ref()
            .map(|labels| labels.energy - state.labels.energy + self.kinetic_change)
            .map(|delta| delta + environment.cell_change(&state.structure, &self.structure));
        let accepted = delta.is_some_and(|delta| {
            metropolis(
                environment.acceptance,
                self.log_uniform,
                delta,
                environment.thermal_energy,
            )
        });
        let outcome = match ended {
            Outcome::Accepted if !accepted => Outcome::Rejected,
            other => other,
        };
        let energy_proposed = labels.as_ref().map(|labels| labels.energy);
        let kinetic = if accepted {
            environment.kinetics.energy(&self.momenta)
        } else {
            self.kinetic_first
        };
        let next = match labels {
            Some(labels) if accepted => State {
                structure: self.structure.clone(),
                labels,
                momenta: None,
                first_stage: None,
                kinetic: Some(kinetic),
            },
            _ => State {
                kinetic: Some(kinetic),
                ..state.clone()
            },
        };
        let decision = Decision {
            step: id.step,
            phase: id.phase,
            generation: None,
            outcome,
            energy: next.labels.energy,
            stress: next.labels.stress.as_ref().map(voigt),
            cell: environment.moving_cell(&next.structure),
            kinetic,
            energy_proposed,
            delta,
            log_uniform: self.log_uniform,
            network: None,
            segments: self.segments,
            steps: self.steps,
            labels: self.labels_used,
            moves: None,
            first_stage: None,
        };
        Advance::Done(Box::new((decision, next)))
    }
}
