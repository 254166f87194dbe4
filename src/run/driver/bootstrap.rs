//! Labels before there is a network: starts and displaced copies, and what the chains and the data set get from them.

use std::sync::Arc;

use super::{Driver, Freeze, RunError};
use crate::rng::{Purpose, stream};
use crate::run::plan::ProposalSource;
use crate::run::records::RequestId;
use crate::sampling::{Kernel, OracleId, Phase, Reply, State};
use crate::structure::Structure;
use crate::training::LabelledStructure;

impl Driver {
    /// Labels of the starts and, where a network is to be learned, of displaced copies.
    pub(super) fn queue_bootstrap(&mut self) {
        let mut wanted: Vec<(RequestId, Structure)> = Vec::new();
        for chain in 0..self.chains.len() {
            // Chains that start together share one label.
            let first = self
                .plan
                .starts
                .iter()
                .position(|start| *start == self.plan.starts[chain]);
            if first == Some(chain) {
                wanted.push((bootstrap_id(chain, 0), self.plan.starts[chain].clone()));
            }
        }
        if let ProposalSource::Learned(learning) = &self.plan.proposal {
            let bootstrap = &learning.bootstrap;
            for copy in 0..bootstrap.displaced {
                let chain = copy % self.chains.len();
                let step = 1 + (copy / self.chains.len()) as u64;
                let mut generator = stream(self.plan.environment.seed, chain as u64, step, Purpose::Bootstrap);
                let structure = crate::run::bootstrap::displaced(
                    &self.plan.starts[chain],
                    bootstrap.displacement,
                    bootstrap.strain,
                    &mut generator,
                );
                wanted.push((bootstrap_id(chain, step), structure));
            }
        }
        for (id, structure) in wanted {
            self.bootstrap_queue.push_back(id);
            self.bootstrap_replies.insert(id, (structure, None));
        }
    }

    /// Sends what the workers can take of the bootstrap structures.
    pub(super) fn pump_bootstrap(&mut self, stopping: bool) -> Result<(), RunError> {
        while self.bootstrap_waiting < 2 * self.plan.workers.max(1) {
            let Some(id) = self.bootstrap_queue.front().copied() else {
                break;
            };
            if stopping || !self.may_begin_label() {
                return Ok(());
            }
            self.bootstrap_queue.pop_front();
            let Some(structure) = self.bootstrap_replies.get(&id).map(|(structure, _)| structure.clone()) else {
                continue;
            };
            let reply = self.ask(OracleId::Final, id, &structure, None, true, None)?;
            if reply.is_none() {
                self.bootstrap_waiting += 1;
            } else if let Some(entry) = self.bootstrap_replies.get_mut(&id) {
                entry.1 = reply;
            }
        }
        if self.bootstrap_waiting == 0 && self.bootstrap_queue.is_empty() {
            self.end_bootstrap()?;
        }
        Ok(())
    }

    /// All bootstrap labels are there: chains get their starting states, the data set its first frames.
    pub(super) fn end_bootstrap(&mut self) -> Result<(), RunError> {
        for chain in 0..self.chains.len() {
            let first = self
                .plan
                .starts
                .iter()
                .position(|start| *start == self.plan.starts[chain])
                .unwrap_or(chain);
            let labels = match self.bootstrap_replies.get(&bootstrap_id(first, 0)) {
                Some((_, Some(Reply::Labels(labels)))) => labels.clone(),
                _ => {
                    return Err(RunError::Inconsistent {
                        path: self.directory.start(),
                        reason: format!(
                            "the oracle has no answer for the starting structure of chain {chain}; start from another one"
                        ),
                    });
                }
            };
            let on_oracle = self.plan.kernel == Kernel::Hmc || self.bootstrap_trajectories() > 0;
            if on_oracle && labels.stress.is_none() && self.plan.environment.ensemble.barostat().is_some() {
                return Err(RunError::Inconsistent {
                    path: self.directory.start(),
                    reason: "the oracle gave no stress, and trajectories on it at constant pressure need one; use the kernel \
                             slhmc with bootstrap.trajectories = 0, or let the oracle compute its stress"
                        .to_owned(),
                });
            }
            self.chains[chain].state = State {
                structure: self.plan.starts[chain].clone(),
                labels,
                momenta: None,
                first_stage: None,
                kinetic: None,
            };
        }
        if let ProposalSource::Learned(learning) = &self.plan.proposal {
            self.frames.clone_from(&learning.bootstrap.data);
            for (structure, reply) in self.bootstrap_replies.values() {
                if let Some(Reply::Labels(labels)) = reply {
                    self.frames.push(Arc::new(LabelledStructure {
                        structure: structure.clone(),
                        labels: labels.clone(),
                    }));
                }
            }
        }
        let structures: Vec<_> = self
            .bootstrap_replies
            .iter()
            .filter_map(|(id, (structure, reply))| match reply {
                Some(Reply::Labels(labels)) => Some((*id, structure.clone(), labels.clone())),
                _ => None,
            })
            .collect();
        for (id, structure, labels) in structures {
            self.outputs
                .label(&structure, &labels, &id, Phase::Bootstrap, None, None)?;
        }
        self.settled = self.plan.starts.clone();
        self.bootstrapped = true;
        self.labels_before_sampling = self.labels_spent();
        if self.learns() && self.bootstrap_trajectories() == 0 {
            self.train(0, 1, Freeze::No)?;
        }
        Ok(())
    }
}

fn bootstrap_id(chain: usize, step: u64) -> RequestId {
    RequestId {
        bootstrap: true,
        chain: chain as u32,
        step,
        index: 0,
    }
}
