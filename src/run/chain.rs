//! One chain as the driver holds it: where it stands, what its journal still has to replay, what it is doing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::linear::{Mat3, Vec3};
use crate::potential::Labels;
use crate::run::journal::Journal;
use crate::run::records::ChainRecord;
use crate::sampling::{Decision, Outcome, Phase, State, StepId, Task};
use crate::structure::Structure;
use crate::training::LabelledStructure;

/// How many recent steps the progress display looks at, per chain.
const RECENT: usize = 50;

/// What a chain is doing.
#[derive(Debug)]
pub enum Activity {
    /// Nothing: its next step can begin.
    Idle,
    /// A network trajectory is being run.
    Proposing(StepId),
    /// A label is under way.
    Waiting {
        /// The step.
        id: StepId,
        /// The number of the label within the step.
        index: u32,
        /// The step's task.
        task: Box<Task>,
        /// The structure being labelled.
        structure: Box<Structure>,
    },
}

/// A journalled state.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// Positions, Å.
    pub positions: Vec<Vec3>,
    /// Lattice vectors, Å, where the cell moves.
    pub cell: Option<Mat3>,
    /// Momenta, where the kernel carries them.
    pub momenta: Option<Vec<Vec3>>,
    /// The oracle's forces, where the kernel needs them.
    pub forces: Option<Vec<Vec3>>,
}

/// A chain.
#[derive(Debug)]
pub struct Chain {
    /// Where it stands; meaningless labels until bootstrap is done.
    pub state: State,
    /// Its next step, from 1.
    pub step: u64,
    /// Its decisions on disk.
    pub journal: Journal<ChainRecord>,
    /// Journalled decisions that have not yet taken effect in this process.
    pub replay: VecDeque<Decision>,
    /// Journalled states by step.
    pub anchors: HashMap<u64, Anchor>,
    /// The last of them.
    pub last_anchor: Option<u64>,
    /// What it is doing.
    pub activity: Activity,
    /// Whether it has nothing left to do.
    pub finished: bool,
    /// Labels its steps used.
    pub labels: u64,
    /// Oracle energies after each sampling step of the present block, eV.
    pub energies: Vec<f64>,
    /// Labelled structures of the bootstrap trajectory at hand.
    pub bootstrap_frames: Vec<Arc<LabelledStructure>>,
    /// The last step of each block that has ended.
    pub block_ends: Vec<u64>,
    /// 1 for accepted, 0 for not, of the latest steps.
    pub recent_accepted: VecDeque<f64>,
    /// U_oracle − U_network at the latest proposals, eV.
    pub recent_errors: VecDeque<f64>,
    journalled: u64,
}

impl Chain {
    /// A chain at its start, with what its journal holds.
    pub fn new(start: Structure, journal: Journal<ChainRecord>, records: Vec<ChainRecord>) -> Self {
        let mut replay = VecDeque::new();
        let mut anchors = HashMap::new();
        let mut last_anchor = None;
        for record in records {
            match record {
                ChainRecord::Decision(decision) => replay.push_back(decision),
                ChainRecord::Anchor {
                    step,
                    positions,
                    cell,
                    momenta,
                    forces,
                } => {
                    last_anchor = Some(step);
                    anchors.insert(
                        step,
                        Anchor {
                            positions,
                            cell,
                            momenta,
                            forces,
                        },
                    );
                }
            }
        }
        let journalled = replay.back().map_or(0, |decision| decision.step);
        Self {
            state: State {
                structure: start,
                labels: Labels {
                    energy: 0.0,
                    forces: None,
                    stress: None,
                },
                momenta: None,
            },
            step: 1,
            journal,
            replay,
            anchors,
            last_anchor,
            activity: Activity::Idle,
            finished: false,
            labels: 0,
            energies: Vec::new(),
            bootstrap_frames: Vec::new(),
            block_ends: Vec::new(),
            recent_accepted: VecDeque::new(),
            recent_errors: VecDeque::new(),
            journalled,
        }
    }

    /// The last step its journal held when it was opened.
    pub fn journalled_steps(&self) -> u64 {
        self.journalled
    }

    /// Where the trajectory file, whose last frame is of step `written`, lacks a frame (a power cut may take some), the replay
    /// repeats trajectories from the last anchor before that frame.
    pub fn repeat_missing_frames(&mut self, written: u64, every: u64, discard: u64) {
        let mut sampled = 0;
        let missing = self.replay.iter().find(|decision| {
            sampled = if decision.phase == Phase::Sampling {
                sampled + 1
            } else {
                0
            };
            every > 0 && sampled > discard && sampled.is_multiple_of(every) && decision.step > written
        });
        if let Some(missing) = missing {
            let before = self.anchors.keys().filter(|step| **step <= missing.step);
            self.last_anchor = before.max().copied();
        }
    }

    /// Keeps a decision for the progress display.
    pub fn note(&mut self, decision: &Decision) {
        self.recent_accepted
            .push_back(f64::from(u8::from(decision.outcome == Outcome::Accepted)));
        if let (Some([_, network]), Some(oracle)) = (decision.network, decision.energy_proposed) {
            self.recent_errors.push_back(oracle - network);
        }
        for recent in [&mut self.recent_accepted, &mut self.recent_errors] {
            while recent.len() > RECENT {
                recent.pop_front();
            }
        }
    }
}
