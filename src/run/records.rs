//! What the journals hold: requests and labels, decisions, generations, events.

use serde::{Deserialize, Serialize};

use crate::linear::{Mat3, Vec3};
use crate::oracle::Fingerprint;
use crate::potential::Labels;
use crate::sampling::{Decision, Exchange, Proposal, TrajectoryPlan};

/// Which label is meant: never reused, the same in every repetition of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// Bootstrap labels come before any step.
    pub bootstrap: bool,
    /// The chain that asks.
    pub chain: u32,
    /// Its step (or the number of the bootstrap structure).
    pub step: u64,
    /// The number of the label within the step.
    pub index: u32,
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.bootstrap { "bootstrap" } else { "step" };
        write!(
            formatter,
            "chain-{}-{kind}-{:06}-{:02}",
            self.chain, self.step, self.index
        )
    }
}

/// One line of the label store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelRecord {
    /// A structure is about to be sent to the oracle.
    Request {
        /// Which label.
        id: RequestId,
        /// Positions in Å.
        positions: Vec<Vec3>,
        /// Lattice vectors in Å, where the cell moves.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cell: Option<Mat3>,
        /// What the kernel needs to decide when the answer comes.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<Proposal>,
    },
    /// The oracle's answer.
    Label {
        /// Which label.
        id: RequestId,
        /// eV.
        energy: f64,
        /// eV/Å.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        forces: Option<Vec<Vec3>>,
        /// eV/Å³, tensile positive.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stress: Option<Mat3>,
    },
    /// Two cold starts agreed that the oracle has no answer here.
    Unphysical {
        /// Which label.
        id: RequestId,
        /// What the oracle said.
        reason: String,
    },
}

impl LabelRecord {
    /// The record of an answer.
    pub fn label(id: RequestId, labels: &Labels) -> Self {
        Self::Label {
            id,
            energy: labels.energy,
            forces: labels.forces.clone(),
            stress: labels.stress,
        }
    }
}

/// One line of a chain's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainRecord {
    /// A decided step.
    Decision(Decision),
    /// An attempt to trade states with another chain after the step before.
    Exchange(Exchange),
    /// The full state after the step whose decision follows, so that a resume need not go back further.
    Anchor {
        /// The step.
        step: u64,
        /// Positions in Å.
        positions: Vec<Vec3>,
        /// Lattice vectors in Å, where the cell moves.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cell: Option<Mat3>,
        /// Momenta, for kernels that carry them along.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        momenta: Option<Vec<Vec3>>,
        /// The oracle's forces there, for kernels that run on them.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        forces: Option<Vec<Vec3>>,
    },
}

/// One line of the learning journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRecord {
    /// A network was trained.
    Generation(Generation),
    /// The run thawed: a new learning block begins.
    Relearn {
        /// The last step of each chain before it.
        after_steps: Vec<u64>,
    },
}

/// A trained network and how proposals are made with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Generation {
    /// Its number, from 0.
    pub generation: u32,
    /// The learning block it belongs to, from 0; `slmc resume --relearn` opens the next.
    pub block: u32,
    /// Labels in the training set.
    pub labels: usize,
    /// The last round of the block whose labels it saw; a round is one step of every chain.
    pub after_round: u64,
    /// The first round of the block that uses it.
    pub from_round: u64,
    /// Whether it is frozen: sampling starts at `from_round`.
    pub frozen: bool,
    /// Whether training failed and this is the network before it.
    pub kept_previous: bool,
    /// Standard deviation of the total-energy error expected from validation, eV.
    pub validation_error: Option<f64>,
    /// Segments, steps and time step of proposals.
    pub trajectory: TrajectoryPlan,
    /// The generation in whose folder the mass matrix of proposals lies; absent where the masses are the atoms' own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub masses: Option<u32>,
    /// Labels in the data set when the trajectory was last tuned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tuned_at: Option<usize>,
    /// Why the trajectory is as it is, for the report.
    pub reason: String,
    /// kT of each rung of a placed ladder of replica exchange while the generation is in force, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ladder: Option<Vec<f64>>,
}

/// What was started: written once, compared on resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// The version of slmc that started the run.
    pub version: String,
    /// The normalised configuration.
    pub config: String,
    /// The oracle's fingerprint; absent until the oracle has told it.
    pub fingerprint: Fingerprint,
    /// The fingerprint of the oracle of the first of two stages.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_stage: Option<Fingerprint>,
    /// Momenta that those of a segment are chosen among; absent in runs that were begun when there was no choice.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub momentum_draws: Option<usize>,
}

/// One line of the event log: for people, outside the identity contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// Seconds since 1970.
    pub time: f64,
    /// What kind of event, such as "start", "resume", "retry", "label", "stop".
    pub kind: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// What happened.
    pub message: String,
    /// Wall-clock seconds it took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<f64>,
    /// The largest memory of one of the oracle's processes, bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory: Option<u64>,
}

impl Event {
    /// An event of this moment.
    pub fn now(kind: &str, request: Option<String>, message: String, seconds: Option<f64>) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            time: since.map_or(0.0, |elapsed| elapsed.as_secs_f64()),
            kind: kind.to_owned(),
            request,
            message,
            seconds,
            memory: None,
        }
    }
}
