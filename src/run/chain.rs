//! One chain as the driver holds it: where it stands, what its journal still has to replay, what it is doing.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::linear::{Mat3, Vec3};
use crate::potential::Labels;
use crate::run::journal::Journal;
use crate::run::records::ChainRecord;
use crate::sampling::{Decision, Exchange, OracleId, Outcome, Phase, State, StepId, Task};
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
        /// Which oracle was asked.
        oracle: OracleId,
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

/// An exchange that a chain waits for before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The round of the block that both must have decided.
    pub round: u64,
    /// The other chain.
    pub partner: usize,
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
    /// Journalled exchanges that have not yet taken effect in this process.
    pub exchanges: VecDeque<Exchange>,
    /// The exchange it waits for.
    pub meeting: Option<Meeting>,
    /// Which walker it holds: the number of the chain that this one's state started in. Oracles with memory follow it.
    pub walker: usize,
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
    /// How many of those steps were accepted.
    pub accepted: usize,
    /// Labels of the sampling steps of the present block up to each.
    pub spent: Vec<u64>,
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
    pub fn new(index: usize, start: Structure, journal: Journal<ChainRecord>, records: Vec<ChainRecord>) -> Self {
        let mut replay = VecDeque::new();
        let mut exchanges = VecDeque::new();
        let mut anchors = HashMap::new();
        let mut last_anchor = None;
        for record in records {
            match record {
                ChainRecord::Decision(decision) => replay.push_back(decision),
                ChainRecord::Exchange(exchange) => exchanges.push_back(exchange),
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
                first_stage: None,
                kinetic: None,
            },
            step: 1,
            journal,
            replay,
            exchanges,
            meeting: None,
            walker: index,
            anchors,
            last_anchor,
            activity: Activity::Idle,
            finished: false,
            labels: 0,
            energies: Vec::new(),
            accepted: 0,
            spent: Vec::new(),
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

    /// Block and round of each journalled state up to the last one that may be started from.
    pub fn anchored_rounds(&self) -> BTreeSet<(usize, u64)> {
        let last = self.last_anchor.unwrap_or(0);
        let steps = self.anchors.keys().filter(|step| **step <= last);
        steps
            .map(|step| {
                let block = self.block_ends.iter().filter(|end| *end < step).count();
                (block, step - self.begin_of(block))
            })
            .collect()
    }

    /// The step of a round of a block.
    pub fn step_of(&self, (block, round): (usize, u64)) -> u64 {
        self.begin_of(block) + round
    }

    /// The last step before a block.
    fn begin_of(&self, block: usize) -> u64 {
        block
            .checked_sub(1)
            .and_then(|before| self.block_ends.get(before))
            .copied()
            .unwrap_or(0)
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
