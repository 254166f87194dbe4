//! The self-learning proposal: m network trajectories in a row, each with momenta of its own, all randomness drawn up front.

use rand::RngExt;

use crate::dynamics::{Kinetics, StrainRate, integrate_with};
use crate::linear::Vec3;
use crate::potential::{Potential, Workspace};
use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::{Environment, Proposal, State, StepId, TrajectoryPlan};
use crate::structure::Structure;

/// A trajectory to be run: its length and momenta.
///
/// Momenta are drawn by ordered over-relaxation (Neal, in Learning in Graphical Models, 205 (1998)): among an odd number n of fresh draws
/// that one is taken whose kinetic energy has, in the order of all n + 1, the place opposite to that of the kinetic energy before. This
/// keeps the Maxwell–Boltzmann distribution whatever n is, for the n + 1 are exchangeable; with n = 1 it is a fresh draw. What a trajectory
/// has turned into kinetic energy comes back with the opposite sign, so that potential energies of neighbouring proposals are
/// anticorrelated where trajectories exchange the two.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Time steps.
    pub steps: usize,
    /// Fresh momenta of the atoms, one or more draws.
    pub draws: Vec<Vec<Vec3>>,
    /// Strain rates of the cell at the start; zero where it rests.
    pub strain_rate: StrainRate,
}

impl Segment {
    /// Draws length, momenta and strain rates, whatever the state.
    pub fn draw(environment: &Environment, plan: &TrajectoryPlan, generator: &mut impl rand::Rng) -> Self {
        let steps = plan.draw_steps(generator.random());
        let draws = (0..plan.momentum_draws.max(1))
            .map(|_| environment.kinetics.draw(environment.thermal_energy, generator))
            .collect();
        let strain_rate = environment.draw_strain_rate(generator);
        Self {
            steps,
            draws,
            strain_rate,
        }
    }

    /// The momenta after others of the kinetic energy `before` (eV); the first draw where there were none. Of an even number of draws the
    /// last does not count: in the middle of an odd number of all there would be no opposite.
    pub fn momenta(&self, kinetics: &Kinetics, before: Option<f64>) -> Vec<Vec3> {
        let Some(before) = before.filter(|_| self.draws.len() > 2) else {
            return self.draws.first().cloned().unwrap_or_default();
        };
        let odd = self.draws.iter().take(self.draws.len() - (self.draws.len() + 1) % 2);
        let mut order: Vec<(f64, &Vec<Vec3>)> = odd.map(|draw| (kinetics.energy(draw), draw)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let below = order.iter().filter(|(energy, _)| *energy < before).count();
        order[opposite(below, order.len())].1.clone()
    }
}

/// Which of an odd number of others, in ascending order, stands opposite to a number that so many of them are below: with the number itself
/// among them they are numbered from 0 to `others`, it has the place `below`, and its opposite the place `others − below`.
pub(super) fn opposite(below: usize, others: usize) -> usize {
    let place = others - below;
    // The number itself is none of the others.
    if place > below { place - 1 } else { place }
}

/// Runs the segments of one proposal from `start`; gives its numbers and, unless it diverged, its end point.
pub fn propose(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    start: &State,
    id: StepId,
    workspace: &mut Workspace,
) -> (Proposal, Option<Structure>) {
    let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::Proposal);
    let log_uniform = open_uniform(&mut generator).ln();
    // Drawn before anything is integrated: nothing below may depend on where the chain stands.
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
    start: &State,
    segments: Vec<Segment>,
    log_uniform: f64,
    generation: Option<u32>,
    workspace: &mut Workspace,
) -> (Proposal, Option<Structure>) {
    // A list carried over from an earlier step would make the last bits depend on history.
    workspace.reset();
    let mut labels = potential.evaluate(&start.structure, workspace);
    let mut kinetic = start.kinetic;
    let mut proposal = Proposal {
        generation,
        segments: segments.len() as u32,
        steps: segments.iter().map(|segment| segment.steps as u32).sum(),
        log_uniform,
        kinetic_change: 0.0,
        kinetic_start: 0.0,
        kinetic_end: 0.0,
        network_start: labels.energy,
        network_end: f64::NAN,
        diverged: false,
        network_weight: 0.0,
        moves: None,
        first_stage: None,
    };
    let mut here = start.structure.clone();
    for (index, segment) in segments.into_iter().enumerate() {
        let momenta = segment.momenta(&environment.kinetics, kinetic);
        if index == 0 {
            proposal.kinetic_start = environment.kinetics.energy(&momenta);
        }
        let trajectory = integrate_with(
            potential,
            environment.mover(),
            &here,
            momenta,
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
        kinetic = Some(trajectory.kinetic_end);
        here = trajectory.structure;
        labels = trajectory.labels;
    }
    proposal.network_end = labels.energy;
    (proposal, Some(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opposite_of_the_opposite_is_the_number_itself() {
        for others in [1, 3, 5, 31] {
            for below in 0..=others {
                let found = opposite(below, others);
                assert!(found < others, "{below} of {others}");
                // The chosen one's own place among all, and how many of those that it leaves, the number included, are below it.
                let place = if found >= below { found + 1 } else { found };
                assert_eq!(place, others - below);
            }
        }
    }

    #[test]
    fn the_kinetic_energy_changes_sides_and_one_draw_or_two_is_no_choice() {
        let kinetics = Kinetics::new(vec![1.0].into(), vec![false].into(), false);
        let draw = |speed: f64| vec![[speed, 0.0, 0.0]];
        let segment = |speeds: &[f64]| Segment {
            steps: 1,
            draws: speeds.iter().map(|speed| draw(*speed)).collect(),
            strain_rate: [0.0; 9],
        };
        let three = segment(&[3.0, 1.0, 2.0]);
        // Speeds of the four in order, and the one across.
        for (before, across) in [(0.5, 3.0), (1.5, 2.0), (2.5, 2.0), (3.5, 1.0)] {
            let momenta = three.momenta(&kinetics, Some(0.5 * before * before));
            assert_eq!(momenta, draw(across), "{before}");
        }
        assert_eq!(three.momenta(&kinetics, None), draw(3.0));
        assert_eq!(segment(&[3.0]).momenta(&kinetics, Some(9.0)), draw(3.0));
        assert_eq!(segment(&[3.0, 1.0]).momenta(&kinetics, Some(9.0)), draw(3.0));
        let four = segment(&[3.0, 1.0, 2.0, 9.0]);
        assert_eq!(four.momenta(&kinetics, Some(0.1)), draw(3.0));
    }
}
