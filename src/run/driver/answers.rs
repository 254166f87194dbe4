//! Asking for labels and taking in what comes back: answers, trainings, failures.

use std::path::PathBuf;

use super::{Driver, Happening, RunError};
use crate::oracle::pool::{Answer, PoolEvent, PoolRequest};
use crate::oracle::{Fingerprint, OracleError};
use crate::run::chain::Activity;
use crate::run::plan::ProposalSource;
use crate::run::records::{Event, RequestId};
use crate::run::store::LabelStore;
use crate::sampling::{OracleId, Phase, Proposal, Reply};
use crate::structure::{Species, Structure};

/// How long a worker that left may take to tell why.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(2);

/// Removes the folder of an answer that is journalled.
fn remove(spent: Option<PathBuf>) {
    if let Some(folder) = spent {
        // A folder that stays costs room and nothing else.
        let _ = std::fs::remove_dir_all(folder);
    }
}

impl Driver {
    fn store(&mut self, oracle: OracleId) -> Option<&mut LabelStore> {
        match oracle {
            OracleId::Final => Some(&mut self.store),
            OracleId::First => self.first_store.as_mut(),
        }
    }

    /// Whether an answer is there that was not used yet.
    pub(super) fn has_reply(&mut self, oracle: OracleId, id: &RequestId) -> bool {
        self.store(oracle).is_some_and(|store| store.has_reply(id))
    }

    /// Asks for a label: from the store if it is there, else from the pool. `Some` is an answer that was there.
    pub(super) fn ask(
        &mut self,
        oracle: OracleId,
        id: RequestId,
        structure: &Structure,
        proposal: Option<Proposal>,
        recorded: bool,
        chain: Option<usize>,
    ) -> Result<Option<Reply>, RunError> {
        if let Some(reply) = self.store(oracle).and_then(|store| store.take_reply(&id)) {
            if reply == Reply::Unphysical {
                self.unphysical += 1;
            }
            return Ok(Some(reply));
        }
        let cell = self.plan.environment.moving_cell(structure);
        if let Some(store) = self.store(oracle)
            && recorded
            && store.request(&id).is_none()
        {
            store.record_request(id, &structure.positions, cell, proposal)?;
        }
        // What an oracle remembers belongs to the state, which an exchange may have brought from another chain.
        let walker = chain.and_then(|chain| self.chains.get(chain)).map(|chain| chain.walker);
        let request = PoolRequest {
            id,
            name: match oracle {
                OracleId::Final => id.to_string(),
                OracleId::First => format!("first-stage-{id}"),
            },
            structure: structure.clone(),
            chain: walker,
            stands_at: chain
                .filter(|_| !self.is_cheap(oracle))
                .and_then(|chain| self.chains.get(chain))
                .map(|chain| chain.state.structure.clone()),
        };
        let pool = match oracle {
            OracleId::Final => &self.pool,
            OracleId::First => &self.first_pool,
        };
        let sent = pool.as_ref().is_some_and(|pool| pool.submit(request));
        if !sent {
            return Err(self.no_oracle());
        }
        self.in_flight += 1;
        Ok(None)
    }

    pub(super) fn no_oracle(&mut self) -> RunError {
        // The workers are gone, but their last words may still lie in the channel, or be about to: a worker leaves the queue
        // before it tells why.
        let mut unread: Vec<Happening> = self.happenings.1.try_iter().collect();
        let told = |happening: &Happening| matches!(happening, Happening::Pool(_, PoolEvent::Gone { .. }));
        while self.last_failure.is_none() && !unread.iter().any(told) {
            match self.happenings.1.recv_timeout(LAST_WORDS) {
                Ok(happening) => unread.push(happening),
                Err(_) => break,
            }
        }
        for happening in unread {
            match happening {
                Happening::Pool(_, PoolEvent::Gone { error, .. }) if self.last_failure.is_none() => {
                    self.last_failure = Some(error);
                }
                other => {
                    let _ = self.happenings.0.send(other);
                }
            }
        }
        let path = self.directory.root().to_owned();
        let source = self.last_failure.take().unwrap_or(OracleError::Fatal {
            oracle: "oracle".to_owned(),
            reason: "all workers have ended".to_owned(),
        });
        match source {
            OracleError::SeveralSolutions { .. } => RunError::SeveralSolutions { path, source },
            source => RunError::Oracle { path, source },
        }
    }

    /// Whether an oracle's labels cost next to nothing.
    fn is_cheap(&self, oracle: OracleId) -> bool {
        match oracle {
            OracleId::Final => self.plan.cheap_oracle,
            OracleId::First => self.plan.first_stage.as_ref().is_some_and(|first| first.cheap),
        }
    }

    /// Whether labels of a phase are journalled with structures and forces.
    pub(super) fn recorded(&self, phase: Phase) -> bool {
        self.recorded_by(OracleId::Final, phase)
    }

    /// The same for either oracle.
    pub(super) fn recorded_by(&self, oracle: OracleId, phase: Phase) -> bool {
        !(self.is_cheap(oracle) && phase == Phase::Sampling)
    }

    pub(super) fn may_begin_label(&mut self) -> bool {
        let Some(limit) = self.plan.time_limit else {
            return true;
        };
        let left = limit.as_secs_f64() - self.begun.elapsed().as_secs_f64();
        if left <= 1.2 * self.longest_label {
            self.out_of_time = true;
        }
        !self.out_of_time
    }

    pub(super) fn happen(&mut self, happening: Happening) -> Result<(), RunError> {
        match happening {
            Happening::Began(chain, begun) => {
                let (task, workspace) = *begun;
                self.computing -= 1;
                self.workspaces[chain] = Some(workspace);
                let Activity::Proposing(id) = self.chains[chain].activity else {
                    return Ok(());
                };
                self.chains[chain].activity = Activity::Idle;
                let task = self.staged(chain, id, task);
                self.advance(chain, id, task, 0, None)
            }
            Happening::Trained(reply) => {
                self.trained(*reply)?;
                self.complete_rounds()
            }
            Happening::Pool(_, PoolEvent::Opened { .. }) => Ok(()),
            Happening::Pool(oracle, PoolEvent::Gone { worker, left, error }) => {
                let worker = match oracle {
                    OracleId::Final => format!("worker {worker}"),
                    OracleId::First => format!("worker {worker} of the first stage"),
                };
                let rest = match left {
                    0 => "none is left".to_owned(),
                    1 => "1 is left".to_owned(),
                    left => format!("{left} are left"),
                };
                let message = format!("{worker} is gone, {rest}: {error}");
                self.event("worker", None, message.clone(), None)?;
                self.notices.push(message);
                self.last_failure = Some(error);
                if left == 0 { Err(self.no_oracle()) } else { Ok(()) }
            }
            Happening::Pool(_, PoolEvent::Retry { id, message }) => {
                self.event("retry", Some(id.to_string()), message, None)
            }
            Happening::Pool(_, PoolEvent::Note { id, note }) => {
                if note.kind == "warning" {
                    self.notices.push(format!("{id}: {}", note.message));
                }
                self.event(note.kind, Some(id.to_string()), note.message, None)
            }
            Happening::Pool(
                oracle,
                PoolEvent::Reply {
                    id,
                    answer,
                    fingerprint,
                    seconds,
                    memory,
                    spent,
                },
            ) => {
                self.in_flight -= 1;
                if let Answer::Left(reason) = answer {
                    return self.event("left", Some(id.to_string()), reason, None);
                }
                self.longest_label = self.longest_label.max(seconds);
                // An oracle that failed may not have learned all of what it is.
                if !matches!(answer, Answer::Failed(_)) {
                    self.check_fingerprint(oracle, fingerprint)?;
                }
                self.replied(oracle, id, answer, (seconds, memory))?;
                remove(spent);
                Ok(())
            }
        }
    }

    /// Journals answers that came while the run was failing: what is labelled is not labelled again.
    pub(super) fn keep_late_answers(&mut self) {
        while let Ok(happening) = self.happenings.1.try_recv() {
            let Happening::Pool(
                oracle,
                PoolEvent::Reply {
                    id,
                    answer,
                    fingerprint,
                    spent,
                    ..
                },
            ) = happening
            else {
                continue;
            };
            let (reply, reason) = match answer {
                Answer::Labels(labels) => (Reply::Labels(labels), String::new()),
                Answer::Unphysical(reason) => (Reply::Unphysical, reason),
                Answer::Failed(_) | Answer::Left(_) => continue,
            };
            let recorded = match self.chains.get(id.chain as usize).map(|chain| &chain.activity) {
                Some(Activity::Waiting { id: step, .. }) if !id.bootstrap => self.recorded_by(oracle, step.phase),
                _ => id.bootstrap,
            };
            let known = match oracle {
                OracleId::Final => self.header.fingerprint == fingerprint,
                OracleId::First => self.header.first_stage.as_ref() == Some(&fingerprint),
            };
            if let Some(store) = self.store(oracle)
                && recorded
                && known
            {
                // The error that ends the run is the one to tell of.
                if store.record_reply(id, &reply, &reason).is_ok() {
                    remove(spent);
                }
            }
        }
    }

    pub(super) fn check_fingerprint(&mut self, oracle: OracleId, fingerprint: Fingerprint) -> Result<(), RunError> {
        if oracle == OracleId::First {
            return match &self.header.first_stage {
                None => {
                    self.header.first_stage = Some(fingerprint);
                    self.write_header()
                }
                Some(known) if *known == fingerprint => Ok(()),
                Some(known) => Err(RunError::Inconsistent {
                    path: self.directory.root().to_owned(),
                    reason: format!(
                        "the oracle of the first stage is not the one the run was started with: {}; restore it, or start a new run",
                        known.difference(&fingerprint)
                    ),
                }),
            };
        }
        let known = &self.header.fingerprint;
        if known.0.is_empty() {
            self.header.fingerprint = fingerprint;
            self.compare_bootstrap_data()?;
            return self.write_header();
        }
        if *known == fingerprint {
            return Ok(());
        }
        Err(RunError::Inconsistent {
            path: self.directory.root().to_owned(),
            reason: format!(
                "the oracle is not the one the run was started with: {}; restore it, or start a new run",
                known.difference(&fingerprint)
            ),
        })
    }

    /// Tells the oracle's digest to the label file, and refuses bootstrap data that another oracle has labelled.
    pub(super) fn compare_bootstrap_data(&mut self) -> Result<(), RunError> {
        if self.header.fingerprint.0.is_empty() {
            return Ok(());
        }
        let fingerprint = &self.header.fingerprint;
        let digest = fingerprint.digest();
        // Labels of a part of the elements were made with their pseudopotentials alone.
        let foreign =
            |(elements, known): &&(Vec<Species>, String)| fingerprint.of_elements(elements).digest() != *known;
        if let ProposalSource::Learned(learning) = &self.plan.proposal
            && let Some((_, other)) = learning.bootstrap.data_digests.iter().find(foreign)
        {
            return Err(RunError::Inconsistent {
                path: self.directory.root().to_owned(),
                reason: format!(
                    "bootstrap.data holds labels of another oracle (slmc_fingerprint {other}, this one's is {digest}): take them out, or \
                     remove slmc_fingerprint from the file if the surfaces are the same"
                ),
            });
        }
        self.outputs.digest = Some(digest);
        Ok(())
    }

    pub(super) fn replied(
        &mut self,
        oracle: OracleId,
        id: RequestId,
        answer: Answer,
        (seconds, memory): (f64, Option<u64>),
    ) -> Result<(), RunError> {
        let (reply, reason) = match answer {
            Answer::Labels(labels) => (Reply::Labels(labels), String::new()),
            Answer::Unphysical(reason) => {
                self.unphysical += 1;
                self.event("unphysical", Some(id.to_string()), reason.clone(), None)?;
                (Reply::Unphysical, reason)
            }
            Answer::Left(_) => return Ok(()),
            Answer::Failed(error) => {
                self.event("failure", Some(id.to_string()), error.to_string(), Some(seconds))?;
                self.last_failure = Some(error);
                return Err(self.no_oracle());
            }
        };
        let chain = id.chain as usize;
        if self.bootstrap_replies.contains_key(&id) {
            self.store.record_reply(id, &reply, &reason)?;
            self.labelled(oracle, id, seconds, memory)?;
            if let Some(entry) = self.bootstrap_replies.get_mut(&id) {
                entry.1 = Some(reply);
            }
            self.bootstrap_waiting -= 1;
            return Ok(());
        }
        let activity = std::mem::replace(&mut self.chains[chain].activity, Activity::Idle);
        let Activity::Waiting {
            oracle: asked,
            id: step,
            index,
            task,
            structure,
        } = activity
        else {
            return Ok(());
        };
        debug_assert_eq!(asked, oracle);
        if self.recorded_by(oracle, step.phase) {
            if let Some(store) = self.store(oracle) {
                store.record_reply(id, &reply, &reason)?;
            }
            self.labelled(oracle, id, seconds, memory)?;
        }
        if step.phase == Phase::Bootstrap {
            self.keep_bootstrap_frame(chain, &structure, &reply);
        }
        let index = match oracle {
            OracleId::Final => index + 1,
            OracleId::First => index,
        };
        self.advance(chain, step, *task, index, Some(reply))
    }

    /// Notes what a label of a dear oracle cost.
    fn labelled(&mut self, oracle: OracleId, id: RequestId, seconds: f64, memory: Option<u64>) -> Result<(), RunError> {
        if self.is_cheap(oracle) {
            return Ok(());
        }
        let kind = match oracle {
            OracleId::Final => "label",
            OracleId::First => "first-stage-label",
        };
        let event = Event {
            memory,
            ..Event::now(kind, Some(id.to_string()), "labelled".to_owned(), Some(seconds))
        };
        Ok(self.events.append(&event)?)
    }
}
