//! What a run is to do, validated: everything the driver needs and nothing it has to look up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::oracle::cold::ColdCheck;
use crate::oracle::pool::OpenOracle;
use crate::potential::Potential;
use crate::run::journal::Durability;
use crate::run::ladder::LadderPlan;
use crate::run::learner::Schedule;
use crate::run::trainer::Fitter;
use crate::sampling::{Environment, Kernel, TrajectoryPlan, tuning};
use crate::structure::{Species, Structure};

/// Where proposals come from.
pub enum ProposalSource {
    /// Networks trained on the way.
    Learned(Box<LearningPlan>),
    /// A given potential, never retrained.
    Fixed(Arc<dyn Potential>),
    /// None: the kernel runs on the oracle.
    Oracle,
}

/// How networks are learned.
pub struct LearningPlan {
    /// Makes a trainer, on the trainer's own thread and again after a resume.
    pub fitter: Box<dyn Fn() -> Result<Box<dyn Fitter>, String> + Send>,
    /// When to retrain and freeze.
    pub schedule: Schedule,
    /// Whether trajectory length and segments adapt, and within which range.
    pub tuning: Option<tuning::Range>,
    /// Labels before there is a network.
    pub bootstrap: BootstrapPlan,
}

/// Sets of elements with a digest of the oracle that labelled structures of them.
pub type LabelDigests = BTreeSet<(Vec<Species>, String)>;

/// Labels before there is a network.
#[derive(Clone, Debug)]
pub struct BootstrapPlan {
    /// Randomly displaced copies of the starting structures.
    pub displaced: usize,
    /// Standard deviation of each Cartesian displacement, Å.
    pub displacement: f64,
    /// Largest homogeneous strain of displaced copies in bulk cells.
    pub strain: f64,
    /// Short hybrid Monte Carlo trajectories on the oracle, per chain.
    pub trajectories: usize,
    /// Their number of steps.
    pub steps: usize,
    /// Structures labelled elsewhere, with the oracle's labels.
    pub data: Vec<Arc<crate::training::LabelledStructure>>,
    /// Digests of the oracles that labelled them, where the files tell.
    pub data_digests: LabelDigests,
}

/// The cheaper oracle that decides first while sampling.
pub struct FirstStagePlan {
    /// Makes the oracle of a worker.
    pub open_oracle: OpenOracle,
    /// Number of workers.
    pub workers: usize,
    /// Whether a label is so cheap that it is not stored.
    pub cheap: bool,
}

/// When sampling ends.
#[derive(Clone, Copy, Debug)]
pub struct SamplingPlan {
    /// Steps of each chain after the freeze.
    pub steps: u64,
    /// The first of them that are not averaged.
    pub discard: u64,
    /// Stop once the potential energy has this bulk effective sample size.
    pub until_ess: Option<f64>,
    /// Oracle calls in all.
    pub max_labels: Option<u64>,
    /// How many unphysical answers are counted as rejections before the run stops.
    pub max_unphysical: u64,
}

/// A validated run.
pub struct Plan {
    /// The normalised configuration, as stored.
    pub config: String,
    /// Starting structure of each chain.
    pub starts: Vec<Structure>,
    /// Temperature, masses, seed; with replica exchange those of the first rung.
    pub environment: Environment,
    /// Replica exchange: the temperatures and pressures that stand in place of the environment's.
    pub ladder: Option<LadderPlan>,
    /// The sampler.
    pub kernel: Kernel,
    /// Trajectories before anything is tuned.
    pub trajectory: TrajectoryPlan,
    /// Where proposals come from.
    pub proposal: ProposalSource,
    /// When sampling ends.
    pub sampling: SamplingPlan,
    /// Makes the oracle of a worker.
    pub open_oracle: OpenOracle,
    /// The oracle of a first stage, where decisions have two.
    pub first_stage: Option<FirstStagePlan>,
    /// Number of workers.
    pub workers: usize,
    /// How often a transient failure is tried again.
    pub retries: usize,
    /// The wait before the first retry.
    pub retry_delay: Duration,
    /// After how many requests in a row without an answer a worker is retired.
    pub retire_after: usize,
    /// How labels that started from earlier ones are compared with labels from nothing.
    pub cold_check: Option<ColdCheck>,
    /// Whether a label is so cheap that sampling journals energies only and recomputes trajectories on resume.
    pub cheap_oracle: bool,
    /// When journals are forced to the disk.
    pub durability: Durability,
    /// Every how many steps a frame of the ensemble is written; 0 writes none.
    pub trajectory_every: u64,
    /// Every how many sampling steps of a cheap oracle's chain the full state is journalled.
    pub anchor_every: u64,
    /// No label is begun that cannot end within this time of the start.
    pub time_limit: Option<Duration>,
}
