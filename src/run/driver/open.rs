//! A driver made: a new run in its directory, or one that goes on from its journals.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use crossbeam::channel::unbounded;

use super::{Driver, RunError, exchange};
use crate::potential::Workspace;
use crate::run::chain::Chain;
use crate::run::directory::{RunDirectory, RunLock};
use crate::run::journal::{Journal, JournalError};
use crate::run::outputs::Outputs;
use crate::run::plan::Plan;
use crate::run::records::{ChainRecord, Header, LearningRecord};
use crate::run::stop::StopFlag;
use crate::run::store::LabelStore;

impl Driver {
    /// Starts a new run in a directory or continues the one it holds; the caller holds the lock.
    pub fn open(
        mut plan: Plan,
        directory: RunDirectory,
        lock: RunLock,
        stop: StopFlag,
        relearn: bool,
    ) -> Result<Self, RunError> {
        directory.create()?;
        let header = match std::fs::read_to_string(directory.header()) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| RunError::Inconsistent {
                path: directory.header(),
                reason: format!("the header is damaged ({error}); restore it from a copy"),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Header {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                config: plan.config.clone(),
                fingerprint: crate::oracle::Fingerprint::default(),
                first_stage: None,
                momentum_draws: Some(plan.trajectory.momentum_draws),
            },
            Err(source) => {
                return Err(RunError::Directory {
                    path: directory.header(),
                    source,
                });
            }
        };
        // A run keeps the momenta that it was begun with, whatever the default has become.
        plan.trajectory.momentum_draws = header.momentum_draws.unwrap_or(1);
        let durability = plan.durability;
        let (store, dropped_labels) = LabelStore::open(&directory.labels(), durability)?;
        let first = plan.first_stage.as_ref();
        let first = first.map(|_| LabelStore::open(&directory.first_stage_labels(), durability));
        let (first_store, dropped_first) = first
            .transpose()?
            .map_or((None, 0), |(store, dropped)| (Some(store), dropped));
        let learning = Journal::open(&directory.learning(), durability)?;
        // The event log is no part of the truth: a damaged one is set aside.
        let events = match Journal::open(&directory.events(), durability) {
            Ok(opened) => opened.journal,
            Err(JournalError::Damaged { .. }) => {
                let aside = directory.events().with_extension("damaged");
                std::fs::rename(directory.events(), &aside)
                    .map_err(|source| RunError::Directory { path: aside, source })?;
                Journal::open(&directory.events(), durability)?.journal
            }
            Err(error) => return Err(error.into()),
        };
        let mut chains = Vec::new();
        let mut dropped = dropped_labels + dropped_first + learning.dropped;
        for (index, start) in plan.starts.iter().enumerate() {
            let mut opened = Journal::<ChainRecord>::open(&directory.chain(index), durability)?;
            dropped += opened.dropped;
            // A state is journalled before its decision; without that decision the step is done again.
            if let Some(ChainRecord::Anchor { .. }) = opened.records.last() {
                opened.cut_last()?;
            }
            chains.push(Chain::new(index, start.clone(), opened.journal, opened.records));
        }
        let outputs = Outputs::open(&directory, &chains)?;
        let chain_count = chains.len();
        let resumed = directory.holds_run();
        let ladder = plan.ladder.as_ref();
        let rungs = ladder.map(|ladder| (None, ladder.environments(&plan.environment, None)));
        let rungs = rungs.into_iter().collect();
        let mut driver = Self {
            workspaces: (0..chain_count).map(|_| Some(Workspace::new())).collect(),
            base: vec![0; chain_count],
            plan,
            directory,
            _lock: lock,
            header,
            store,
            first_store,
            learning: learning.journal,
            events,
            outputs,
            stop,
            chains,
            block: 0,
            rounds: 0,
            early: BTreeMap::new(),
            frames: Vec::new(),
            settled: Vec::new(),
            recent: Vec::new(),
            disagreements: Vec::new(),
            generations: Vec::new(),
            networks: BTreeMap::new(),
            masses: BTreeMap::new(),
            rungs,
            rung_energies: Vec::new(),
            journalled_generations: Vec::new(),
            pending_training: std::collections::VecDeque::new(),
            bootstrapped: false,
            bootstrap_queue: std::collections::VecDeque::new(),
            bootstrap_waiting: 0,
            bootstrap_replies: BTreeMap::new(),
            labels_before_sampling: 0,
            trainer: None,
            pool: None,
            first_pool: None,
            happenings: unbounded(),
            notices: Vec::new(),
            in_flight: 0,
            computing: 0,
            begun: Instant::now(),
            longest_label: 0.0,
            unphysical: 0,
            last_failure: None,
            ess_reached: None,
            out_of_time: false,
            stopping: false,
        };
        if !resumed {
            driver.write_header()?;
        }
        if dropped > 0 {
            driver.event(
                "repair",
                None,
                format!("dropped {dropped} bytes of half-written records"),
                None,
            )?;
        }
        driver.event(
            if resumed { "resume" } else { "start" },
            None,
            format!("slmc {}", env!("CARGO_PKG_VERSION")),
            None,
        )?;
        driver.compare_bootstrap_data()?;
        let mut relearns = Vec::new();
        for record in learning.records {
            match record {
                LearningRecord::Generation(generation) => driver.journalled_generations.push(generation),
                LearningRecord::Relearn { after_steps } => relearns.push(after_steps),
            }
        }
        if relearn {
            driver.can_thaw(relearns.len())?;
            let after_steps: Vec<u64> = driver.chains.iter().map(Chain::journalled_steps).collect();
            driver.learning.append(&LearningRecord::Relearn {
                after_steps: after_steps.clone(),
            })?;
            relearns.push(after_steps);
        }
        for chain in 0..chain_count {
            let bounds = relearns.iter().filter_map(|steps| steps.get(chain).copied()).collect();
            driver.chains[chain].block_ends = bounds;
            let (every, discard) = (driver.plan.trajectory_every, driver.plan.sampling.discard);
            driver.chains[chain].repeat_missing_frames(driver.outputs.last_frame(chain), every, discard);
        }
        if let Some(ladder) = &driver.plan.ladder {
            exchange::align_anchors(ladder, &mut driver.chains);
        }
        // A request that came when the last driver was ending anyway is not meant for this one.
        let _ = std::fs::remove_file(driver.directory.stop_request());
        Ok(driver)
    }

    /// Whether block number `block` of the run is frozen, so that `--relearn` has something to thaw.
    fn can_thaw(&self, block: usize) -> Result<(), RunError> {
        let reason = if !self.learns() {
            "its proposals do not come from a network that is learned"
        } else if !self
            .journalled_generations
            .iter()
            .any(|generation| generation.frozen && generation.block as usize == block)
        {
            "it is still learning; go on with it by `slmc resume` without --relearn"
        } else {
            return Ok(());
        };
        Err(RunError::NothingToThaw {
            path: self.directory.root().to_owned(),
            reason: reason.to_owned(),
        })
    }
}
