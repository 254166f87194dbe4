//! The label store: requests and answers, durable before they have an effect, each answer bought once.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::linear::Mat3;
use crate::linear::Vec3;
use crate::potential::Labels;
use crate::run::journal::{Durability, Journal, JournalError};
use crate::run::records::{LabelRecord, RequestId};
use crate::sampling::{Proposal, Reply};

/// A journalled request.
#[derive(Clone, Debug)]
pub struct StoredRequest {
    /// Positions sent to the oracle.
    pub positions: Vec<Vec3>,
    /// Lattice vectors sent with them, where the cell moves.
    pub cell: Option<Mat3>,
    /// The proposal waiting for the answer.
    pub proposal: Option<Proposal>,
}

/// Requests and answers, on disk and, until they are used, in memory.
#[derive(Debug)]
pub struct LabelStore {
    journal: Journal<LabelRecord>,
    requests: HashMap<RequestId, StoredRequest>,
    replies: BTreeMap<RequestId, Reply>,
    /// Answers in the store, used or not.
    pub answered: u64,
}

impl LabelStore {
    /// Opens the store; the second value is the number of bytes of a half-written record that were dropped.
    pub fn open(path: &Path, durability: Durability) -> Result<(Self, usize), JournalError> {
        let opened = Journal::open(path, durability)?;
        let mut store = Self {
            journal: opened.journal,
            requests: HashMap::new(),
            replies: BTreeMap::new(),
            answered: 0,
        };
        for record in opened.records {
            match record {
                LabelRecord::Request {
                    id,
                    positions,
                    cell,
                    proposal,
                } => {
                    let request = StoredRequest {
                        positions,
                        cell,
                        proposal,
                    };
                    store.requests.insert(id, request);
                }
                LabelRecord::Label {
                    id,
                    energy,
                    forces,
                    stress,
                } => {
                    let labels = Labels { energy, forces, stress };
                    store.replies.insert(id, Reply::Labels(labels));
                    store.answered += 1;
                }
                LabelRecord::Unphysical { id, .. } => {
                    store.replies.insert(id, Reply::Unphysical);
                    store.answered += 1;
                }
            }
        }
        Ok((store, opened.dropped))
    }

    /// The journalled request, if there is one.
    pub fn request(&self, id: &RequestId) -> Option<&StoredRequest> {
        self.requests.get(id)
    }

    /// Whether an unused answer is there.
    pub fn has_reply(&self, id: &RequestId) -> bool {
        self.replies.contains_key(id)
    }

    /// Takes the answer out of memory, if it is there.
    pub fn take_reply(&mut self, id: &RequestId) -> Option<Reply> {
        let reply = self.replies.remove(id)?;
        self.requests.remove(id);
        Some(reply)
    }

    /// Journals a request before it is sent.
    pub fn record_request(
        &mut self,
        id: RequestId,
        positions: &[Vec3],
        cell: Option<Mat3>,
        proposal: Option<Proposal>,
    ) -> Result<(), JournalError> {
        self.journal.append(&LabelRecord::Request {
            id,
            positions: positions.to_vec(),
            cell,
            proposal,
        })
    }

    /// Journals an answer before it has an effect.
    pub fn record_reply(&mut self, id: RequestId, reply: &Reply, reason: &str) -> Result<(), JournalError> {
        self.answered += 1;
        self.journal.append(&match reply {
            Reply::Labels(labels) => LabelRecord::label(id, labels),
            Reply::Unphysical => LabelRecord::Unphysical {
                id,
                reason: reason.to_owned(),
            },
        })
    }

    /// Forces what was written to the disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.journal.sync()
    }
}
