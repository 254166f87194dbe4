//! The self-learning proposal: m network trajectories in a row, each with fresh momenta, all randomness drawn up front.

use rand::RngExt;

use crate::dynamics::{StrainRate, integrate_with};
use crate::linear::Vec3;
use crate::potential::{Potential, Workspace};
use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::{Environment, Proposal, StepId, TrajectoryPlan};
use crate::structure::Structure;

/// A trajectory to be run: its length and fresh momenta.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Time steps.
    pub steps: usize,
    /// Momenta of the atoms at the start.
    pub momenta: Vec<Vec3>,
    /// Strain rates of the cell at the start; zero where it rests.
    pub strain_rate: StrainRate,
}

impl Segment {
    /// Draws length, momenta and strain rates, whatever the state.
    pub fn draw(environment: &Environment, plan: &TrajectoryPlan, generator: &mut impl rand::Rng) -> Self {
        let steps = plan.draw_steps(generator.random());
        let momenta = environment.kinetics.draw(environment.thermal_energy, generator);
        let strain_rate = environment.draw_strain_rate(generator);
        Self {
            steps,
            momenta,
            strain_rate,
        }
    }
}

/// Runs the segments of one proposal from `start`; gives its numbers and, unless it diverged, its end point.
pub fn propose(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    start: &Structure,
    id: StepId,
    workspace: &mut Workspace,
) -> (Proposal, Option<Structure>) {
    let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::Proposal);
    let log_uniform = open_uniform(&mut generator).ln();
    // Drawn before anything is integrated: nothing below may depend on the state.
    let segments = (0..plan.segments)
        .map(|_| Segment::draw(environment, plan, &mut generator))
        .collect();
    proposal_trajectory(
        environment,
        plan,
        potential,
        start,
        segments,
        log_uniform,
        id.generation,
        workspace,
    )
}

/// The deterministic part of a proposal: the given segments integrated from `start`.
#[allow(clippy::too_many_arguments)]
pub fn proposal_trajectory(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    start: &Structure,
    segments: Vec<Segment>,
    log_uniform: f64,
    generation: Option<u32>,
    workspace: &mut Workspace,
) -> (Proposal, Option<Structure>) {
    // A list carried over from an earlier step would make the last bits depend on history.
    workspace.reset();
    let mut labels = potential.evaluate(start, workspace);
    let mut proposal = Proposal {
        generation,
        segments: segments.len() as u32,
        steps: segments.iter().map(|segment| segment.steps as u32).sum(),
        log_uniform,
        kinetic_change: 0.0,
        kinetic_start: segments
            .first()
            .map_or(0.0, |segment| environment.kinetics.energy(&segment.momenta)),
        kinetic_end: 0.0,
        network_start: labels.energy,
        network_end: f64::NAN,
        diverged: false,
        network_weight: 0.0,
        moves: None,
        first_stage: None,
    };
    let mut here = start.clone();
    for segment in segments {
        let trajectory = integrate_with(
            potential,
            environment.mover(),
            &here,
            segment.momenta,
            segment.strain_rate,
            &labels,
            plan.time_step,
            segment.steps,
            plan.band,
            workspace,
            &mut |_, _, _| {},
        );
        if trajectory.diverged {
            proposal.diverged = true;
            // JSON knows no NaN; what a diverged trajectory ends with means nothing.
            proposal.network_start = 0.0;
            proposal.network_end = 0.0;
            proposal.kinetic_change = 0.0;
            proposal.kinetic_end = proposal.kinetic_start;
            return (proposal, None);
        }
        proposal.kinetic_change += trajectory.kinetic_end - trajectory.kinetic_start;
        proposal.kinetic_change += trajectory.cell_kinetic_change;
        proposal.kinetic_end = trajectory.kinetic_end;
        here = trajectory.structure;
        labels = trajectory.labels;
    }
    proposal.network_end = labels.energy;
    (proposal, Some(here))
}
