//! Local trajectories: the atoms of one region move on the network while all others are held, so that the error of a proposal, and
//! with it the acceptance, does not depend on the size of the cell.
//!
//! The region of each segment is drawn before anything is integrated from a list fixed at the start, so a path and its reverse
//! choose their regions with the same odds, and the decision is that of any path (see `decision`). A region made of the present
//! neighbours of an atom would depend on the state and would need their change of odds in the decision.

use rand::RngExt;

use crate::linear::Vec3;
use crate::potential::{Potential, Workspace};
use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::{Environment, Proposal, StepId, TrajectoryPlan};
use crate::structure::Structure;

/// Runs the segments of one proposal from `start`, each in a region of its own drawn uniformly, or with probability `whole` in the
/// whole cell; gives its numbers and, unless it diverged, its end point.
pub fn propose_local(
    environment: &Environment,
    plan: &TrajectoryPlan,
    whole: f64,
    potential: &dyn Potential,
    start: &Structure,
    id: StepId,
    workspace: &mut Workspace,
) -> (Proposal, Option<Structure>) {
    let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::Proposal);
    let log_uniform = open_uniform(&mut generator).ln();
    let regions = &environment.groups.regions;
    // Drawn before anything is integrated: nothing below may depend on the state.
    let segments: Vec<(usize, Option<usize>, Vec<Vec3>)> = (0..plan.segments)
        .map(|_| {
            let steps = plan.draw_steps(generator.random());
            let everywhere = generator.random::<f64>() < whole || regions.is_empty();
            let region = generator.random_range(0..regions.len().max(1));
            let momenta = environment.kinetics.draw(environment.thermal_energy, &mut generator);
            (steps, (!everywhere).then_some(region), momenta)
        })
        .collect();
    workspace.reset();
    let mut labels = potential.evaluate(start, workspace);
    let kinetic_start = segments
        .first()
        .map_or(0.0, |(_, _, momenta)| environment.kinetics.energy(momenta));
    let mut proposal = Proposal {
        generation: id.generation,
        segments: segments.len() as u32,
        steps: segments.iter().map(|(steps, ..)| *steps as u32).sum(),
        log_uniform,
        kinetic_change: 0.0,
        kinetic_start,
        kinetic_end: kinetic_start,
        network_start: labels.energy,
        network_end: labels.energy,
        diverged: false,
        network_weight: 0.0,
        moves: None,
        first_stage: None,
    };
    let mut here = start.clone();
    for (steps, region, mut momenta) in segments {
        let drawn = environment.kinetics.energy(&momenta);
        let kinetics = match region {
            Some(region) => &regions[region].kinetics,
            None => &environment.kinetics,
        };
        // Atoms that are held keep their momenta, which nothing changes.
        kinetics.project(&mut momenta);
        let trajectory = crate::dynamics::integrate(
            potential,
            kinetics,
            &here,
            momenta,
            &labels,
            plan.time_step,
            steps,
            plan.band,
            workspace,
            &mut |_, _| {},
        );
        if trajectory.diverged {
            // JSON knows no NaN; what a diverged trajectory ends with means nothing.
            proposal.diverged = true;
            proposal.network_start = 0.0;
            proposal.network_end = 0.0;
            proposal.kinetic_change = 0.0;
            proposal.kinetic_end = proposal.kinetic_start;
            return (proposal, None);
        }
        let change = trajectory.kinetic_end - trajectory.kinetic_start;
        proposal.kinetic_change += change;
        proposal.kinetic_end = drawn + change;
        here = trajectory.structure;
        labels = trajectory.labels;
    }
    proposal.network_end = labels.energy;
    (proposal, Some(here))
}
