//! The samplers: what a chain's state is, how a step is proposed, and the Metropolis decision.

mod decision;
mod delayed;
mod ensemble;
pub mod exchange;
mod hmc;
mod langevin;
mod local;
mod moves;
mod nested;
mod slhmc;
pub mod tuning;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use decision::{Acceptance, Decision, Outcome, Phase, Proposal, decide};
pub use delayed::{DelayedTask, FirstStage};
pub use ensemble::Ensemble;
pub use exchange::{Exchange, Pairing};
pub use hmc::HmcTask;
pub use langevin::LangevinTask;
pub use local::propose_local;
pub use moves::{Groups, Region, make_whole};
pub use nested::{MoveCounts, NestedMoves, Order, propose_nested};
pub use slhmc::{Segment, proposal_trajectory, propose};

use crate::dynamics::Kinetics;
use crate::linear::Vec3;
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;

/// What the next step of a chain needs.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Where the chain stands.
    pub structure: Structure,
    /// The oracle's labels there.
    pub labels: Labels,
    /// Momenta, for kernels that carry them along (Langevin).
    pub momenta: Option<Vec<Vec3>>,
    /// The energy of the oracle of the first of two stages there, eV, where it is known.
    pub first_stage: Option<f64>,
    /// The kinetic energy of the momenta that the last step left, eV, which the next draw may be over-relaxed against; `None` for
    /// a draw of its own.
    pub kinetic: Option<f64>,
}

/// Which of a run's oracles is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OracleId {
    /// The one whose ensemble is sampled.
    Final,
    /// The cheaper one that decides first.
    First,
}

/// How trajectories are run; fixed during sampling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrajectoryPlan {
    /// Time step, internal unit.
    pub time_step: f64,
    /// Mean number of steps of a segment.
    pub steps: usize,
    /// Number of segments of a proposal, each with momenta of its own.
    pub segments: usize,
    /// Half-width of the uniform spread of the number of steps, as a fraction of `steps`.
    pub jitter: f64,
    /// The band of the Hamiltonian beyond which a trajectory has diverged, eV.
    pub band: f64,
    /// Momenta that the kinetic energy of each segment is chosen among (see [`Segment`]): an odd number, one for momenta that are
    /// independent of those before.
    #[serde(default = "TrajectoryPlan::independent_momenta")]
    pub momentum_draws: usize,
}

impl TrajectoryPlan {
    fn independent_momenta() -> usize {
        1
    }

    /// The number of steps for a uniform draw in [0, 1): round(steps·(1 + jitter·(2u − 1))), at least 1. It depends on the
    /// draw alone, never on the state, as reversibility of non-conservative proposals demands.
    pub fn draw_steps(&self, uniform: f64) -> usize {
        let factor = 1.0 + self.jitter * (2.0 * uniform - 1.0);
        ((self.steps as f64 * factor).round() as usize).max(1)
    }

    /// The largest number of steps [`Self::draw_steps`] can give.
    pub fn most_steps(&self) -> usize {
        self.draw_steps(1.0)
    }
}

/// What does not change along a chain.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Masses, fixed atoms, centre of mass.
    pub kinetics: Kinetics,
    /// kT in eV.
    pub thermal_energy: f64,
    /// What is held constant besides the temperature.
    pub ensemble: Ensemble,
    /// How proposals are decided.
    pub acceptance: Acceptance,
    /// The seed of all streams.
    pub seed: u64,
    /// What moves of single molecules and regions act on.
    pub groups: Arc<Groups>,
}

/// Which sampler advances the chains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// Trajectories on a cheap potential, one label a step.
    Slhmc,
    /// Trajectories on the oracle's own forces, one label a time step.
    Hmc,
    /// Langevin dynamics with the oracle's forces (or, where `on_network`, the network's), nothing rejected.
    Langevin {
        /// Friction, in the inverse internal unit of time.
        friction: f64,
        /// Whether the network's forces drive it, the oracle labelling only the end of each step.
        on_network: bool,
    },
    /// An inner chain of network moves, then one label.
    Nested(NestedMoves),
    /// Network trajectories of one region at a time, one label a step. The momentum of the centre of mass must not be removed.
    Local {
        /// The part of segments that move the whole cell.
        whole: f64,
    },
}

impl Kernel {
    /// Whether the kernel proposes on a cheap potential and asks for the label of the end point alone.
    pub fn proposes(&self) -> bool {
        match self {
            Self::Slhmc | Self::Nested(_) | Self::Local { .. } => true,
            Self::Hmc | Self::Langevin { .. } => false,
        }
    }
}

/// A step on its way: all its random numbers are drawn when it begins.
#[derive(Clone, Debug)]
pub enum Task {
    /// A finished network trajectory, waiting for the label of its end point.
    Slhmc(Box<SlhmcTask>),
    /// A finished network trajectory that two oracles decide.
    Delayed(Box<DelayedTask>),
    /// A trajectory on the oracle.
    Hmc(Box<HmcTask>),
    /// A stretch of Langevin dynamics.
    Langevin(Box<LangevinTask>),
}

/// A self-learning proposal whose end point waits for its label.
#[derive(Clone, Debug)]
pub struct SlhmcTask {
    /// The proposal's numbers.
    pub proposal: Proposal,
    /// Its end point; `None` if it diverged or has not moved.
    pub end: Option<Structure>,
}

/// What a task wants next.
#[derive(Clone, Debug)]
pub enum Advance {
    /// An oracle's label of this structure.
    NeedLabel(OracleId, Box<Structure>),
    /// The step is decided.
    Done(Box<(Decision, State)>),
}

/// The oracle's answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Labels.
    Labels(Labels),
    /// Believed after two cold starts: no answer for this structure.
    Unphysical,
}

/// Identifies a step to the tasks: phase and generation are written to its decision.
#[derive(Clone, Copy, Debug)]
pub struct StepId {
    /// The chain.
    pub chain: usize,
    /// The step, from 1.
    pub step: u64,
    /// Bootstrap, learning or sampling.
    pub phase: Phase,
    /// The network's generation, where one proposes.
    pub generation: Option<u32>,
}

impl Kernel {
    /// Begins a step: draws its random numbers and, for the self-learning kernel, runs the network trajectories.
    pub fn begin(
        &self,
        environment: &Environment,
        plan: &TrajectoryPlan,
        potential: Option<&dyn Potential>,
        state: &State,
        id: StepId,
        workspace: &mut Workspace,
    ) -> Task {
        match (self, potential) {
            (Self::Slhmc, Some(potential)) => {
                let (proposal, end) = propose(environment, plan, potential, state, id, workspace);
                Task::Slhmc(Box::new(SlhmcTask { proposal, end }))
            }
            (Self::Nested(nested), Some(potential)) => {
                let start = &state.structure;
                let (proposal, end) = propose_nested(environment, plan, nested, potential, start, id, workspace);
                Task::Slhmc(Box::new(SlhmcTask { proposal, end }))
            }
            (Self::Local { whole }, Some(potential)) => {
                let start = &state.structure;
                let (proposal, end) = propose_local(environment, plan, *whole, potential, start, id, workspace);
                Task::Slhmc(Box::new(SlhmcTask { proposal, end }))
            }
            (Self::Langevin { friction, on_network }, _) => Task::Langevin(Box::new(LangevinTask::begin(
                environment,
                plan,
                *friction,
                potential.filter(|_| *on_network),
                state,
                id,
                workspace,
            ))),
            _ => Task::Hmc(Box::new(HmcTask::begin(environment, plan, state, id))),
        }
    }
}

impl Task {
    /// Lets two oracles decide a finished trajectory.
    #[must_use]
    pub fn in_two_stages(self, environment: &Environment, id: StepId) -> Self {
        match self {
            Self::Slhmc(task) => Self::Delayed(Box::new(DelayedTask::new(environment, id, *task))),
            other => other,
        }
    }

    /// Goes on, with the reply to the last request if there was one.
    pub fn advance(&mut self, environment: &Environment, state: &State, id: StepId, reply: Option<Reply>) -> Advance {
        match self {
            Self::Slhmc(task) => match (&task.end, reply) {
                (Some(end), None) => Advance::NeedLabel(OracleId::Final, Box::new(end.clone())),
                (Some(end), Some(Reply::Labels(labels))) => Advance::Done(Box::new(decide(
                    environment,
                    state,
                    id,
                    &task.proposal,
                    Some(end),
                    Some(labels),
                ))),
                (end, _) => Advance::Done(Box::new(decide(
                    environment,
                    state,
                    id,
                    &task.proposal,
                    end.as_ref(),
                    None,
                ))),
            },
            Self::Delayed(task) => task.advance(environment, state, id, reply),
            Self::Hmc(task) => task.advance(environment, state, id, reply),
            Self::Langevin(task) => task.advance(environment, state, id, reply),
        }
    }
}
