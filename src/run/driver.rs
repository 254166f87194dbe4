//! The driver: owns states and journals, and turns answers into decisions, in an order that threads cannot change.
//!
//! What a chain does at a step depends on the configuration, the chain's own history and the generations in force, and on
//! nothing else. Live and resumed runs share one path: a step whose request, answer or decision is journalled takes it from
//! there, any other asks for it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::observe::{Observer, Snapshot};
use crate::oracle::OracleError;
use crate::oracle::pool::{Answer, Pool, PoolEvent, PoolRequest, PoolSettings};
use crate::potential::{Potential, Workspace};
use crate::rng::{Purpose, stream};
use crate::run::chain::{Activity, Chain};
use crate::run::directory::{RunDirectory, RunLock, replace};
use crate::run::journal::{Journal, JournalError};
use crate::run::learner::{Action, WINDOW};
use crate::run::outputs::Outputs;
use crate::run::plan::{Plan, ProposalSource};
use crate::run::records::{ChainRecord, Event, Generation, Header, LearningRecord, RequestId};
use crate::run::stop::StopFlag;
use crate::run::store::LabelStore;
use crate::run::trainer::{TrainReply, TrainRequest, Trainer};
use crate::sampling::{
    Advance, Decision, Kernel, Outcome, Phase, Reply, SlhmcTask, State, StepId, Task, TrajectoryPlan,
};
use crate::structure::Structure;
use crate::training::LabelledStructure;

/// What ends a run before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder could not be made.
    #[error("cannot write to {path}; check that the directory exists, is writable and that the disk is not full")]
    Directory {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another driver is at work.
    #[error("{path} is in use by another slmc ({holder}); wait for it, or end it with `slmc stop {path}`")]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// Who holds the lock.
        holder: String,
    },
    /// A journal is damaged or cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journals contradict the configuration or each other.
    #[error("{path}: {reason}")]
    Inconsistent {
        /// The run directory.
        path: PathBuf,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// No oracle worker is left.
    #[error("no oracle is left to label with; mend it and continue with `slmc resume {path}`")]
    Oracle {
        /// The run directory.
        path: PathBuf,
        /// The last failure.
        source: OracleError,
    },
    /// Too many structures without an answer.
    #[error(
        "the oracle gave no answer for {count} structures, more than the {limit} that `limits.max-unphysical` allows; look at the kept \
         folders in jobs/, then raise the limit or mend the oracle and continue with `slmc resume {path}`"
    )]
    Unphysical {
        /// The run directory.
        path: PathBuf,
        /// How many.
        count: u64,
        /// The cap.
        limit: u64,
    },
    /// A network could not be made at all.
    #[error("cannot train a network: {reason}")]
    Training {
        /// Why.
        reason: String,
    },
    /// Not started: the operating system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All steps are done, or the effective sample size or the label budget is reached.
    Completed(String),
    /// Asked to stop; resumable.
    Stopped(String),
}

enum Happening {
    Pool(PoolEvent<RequestId>),
    Began(usize, Box<Task>, Workspace),
    Trained(Box<TrainReply>),
}

/// A training that was asked for.
struct PendingTraining {
    generation: u32,
    block: u32,
    labels: usize,
    after_round: u64,
    from_round: u64,
    freeze: bool,
    /// Read from the learning journal: only the network has to be brought back.
    journalled: Option<Generation>,
}

/// Where a chain stands in its learning block.
enum Block {
    /// Inside it.
    Within,
    /// At its end, waiting for the other chains.
    Waiting,
    /// All chains have just entered the next one.
    Begun,
}

/// What a chain's step brings to its round.
struct Contribution {
    /// New labelled structures.
    frames: Vec<Arc<LabelledStructure>>,
    /// Oracle calls.
    labels: u64,
    /// Whether a network's proposal was accepted; `None` for hybrid Monte Carlo on the oracle.
    accepted: Option<bool>,
    /// Where the chain stood after it.
    settled: Structure,
}

/// What a chain's next step is.
enum Next {
    Blocked,
    Finished,
    Step {
        id: StepId,
        plan: TrajectoryPlan,
        potential: Option<Arc<dyn Potential>>,
    },
}

/// A run in progress.
pub struct Driver {
    plan: Plan,
    directory: RunDirectory,
    _lock: RunLock,
    header: Header,
    store: LabelStore,
    learning: Journal<LearningRecord>,
    events: Journal<Event>,
    outputs: Outputs,
    stop: StopFlag,

    chains: Vec<Chain>,
    workspaces: Vec<Option<Workspace>>,
    /// Last step of each chain before the present block.
    base: Vec<u64>,
    block: u32,
    /// Rounds of the present block that all chains have decided.
    rounds: u64,
    /// What each chain brought to rounds that are not in the data set yet, by (round, chain).
    early: BTreeMap<(u64, usize), Contribution>,
    frames: Vec<Arc<LabelledStructure>>,
    /// Latest accepted structures, to tune from.
    settled: Vec<Structure>,
    recent: Vec<bool>,
    generations: Vec<Generation>,
    networks: BTreeMap<u32, Arc<dyn Potential>>,
    journalled_generations: Vec<Generation>,
    pending_training: std::collections::VecDeque<PendingTraining>,
    bootstrapped: bool,
    bootstrap_queue: std::collections::VecDeque<RequestId>,
    bootstrap_waiting: usize,
    bootstrap_replies: BTreeMap<RequestId, (Structure, Option<Reply>)>,
    labels_before_sampling: u64,

    trainer: Option<Trainer>,
    pool: Option<Pool<RequestId>>,
    happenings: (Sender<Happening>, Receiver<Happening>),
    workers_left: usize,
    in_flight: usize,
    begun: Instant,
    longest_label: f64,
    unphysical: u64,
    last_failure: Option<OracleError>,
    ess_reached: Option<f64>,
    out_of_time: bool,
}

impl Driver {
    /// Starts a new run in a directory or continues the one it holds; the caller holds the lock.
    pub fn open(
        plan: Plan,
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
            },
            Err(source) => {
                return Err(RunError::Directory {
                    path: directory.header(),
                    source,
                });
            }
        };
        let durability = plan.durability;
        let (store, dropped_labels) = LabelStore::open(&directory.labels(), durability)?;
        let learning = Journal::open(&directory.learning(), durability)?;
        // The event log is no part of the truth: a damaged one is set aside.
        let events = match Journal::open(&directory.events(), durability) {
            Ok(opened) => opened.journal,
            Err(JournalError::Damaged { .. }) => {
                let aside = directory.events().with_extension("damaged");
                std::fs::rename(directory.events(), &aside).map_err(|source| RunError::Directory {
                    path: aside,
                    source,
                })?;
                Journal::open(&directory.events(), durability)?.journal
            }
            Err(error) => return Err(error.into()),
        };
        let mut chains = Vec::new();
        let mut dropped = dropped_labels + learning.dropped;
        for (index, start) in plan.starts.iter().enumerate() {
            let opened = Journal::<ChainRecord>::open(&directory.chain(index), durability)?;
            dropped += opened.dropped;
            chains.push(Chain::new(start.clone(), opened.journal, opened.records));
        }
        let outputs = Outputs::open(&directory, &chains)?;
        let chain_count = chains.len();
        let resumed = directory.holds_run();
        let mut driver = Self {
            workspaces: (0..chain_count).map(|_| Some(Workspace::new())).collect(),
            base: vec![0; chain_count],
            plan,
            directory,
            _lock: lock,
            header,
            store,
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
            generations: Vec::new(),
            networks: BTreeMap::new(),
            journalled_generations: Vec::new(),
            pending_training: std::collections::VecDeque::new(),
            bootstrapped: false,
            bootstrap_queue: std::collections::VecDeque::new(),
            bootstrap_waiting: 0,
            bootstrap_replies: BTreeMap::new(),
            labels_before_sampling: 0,
            trainer: None,
            pool: None,
            happenings: unbounded(),
            workers_left: 0,
            in_flight: 0,
            begun: Instant::now(),
            longest_label: 0.0,
            unphysical: 0,
            last_failure: None,
            ess_reached: None,
            out_of_time: false,
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
        let mut relearns = Vec::new();
        for record in learning.records {
            match record {
                LearningRecord::Generation(generation) => driver.journalled_generations.push(generation),
                LearningRecord::Relearn { after_steps } => relearns.push(after_steps),
            }
        }
        if relearn {
            let after_steps: Vec<u64> = driver.chains.iter().map(Chain::journalled_steps).collect();
            driver.learning.append(&LearningRecord::Relearn {
                after_steps: after_steps.clone(),
            })?;
            relearns.push(after_steps);
        }
        for chain in 0..chain_count {
            let bounds = relearns.iter().filter_map(|steps| steps.get(chain).copied()).collect();
            driver.chains[chain].block_ends = bounds;
        }
        Ok(driver)
    }

    /// Works until the run is complete or asked to stop.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Finish, RunError> {
        self.begun = Instant::now();
        self.start_threads()?;
        let result = self.work(observer);
        if result.is_err() {
            if let Some(pool) = &self.pool {
                pool.cancel();
            }
        }
        // The threads end here, so that nothing outlives the lock.
        self.pool = None;
        self.trainer = None;
        self.store.sync()?;
        for chain in &mut self.chains {
            chain.journal.sync()?;
        }
        self.learning.sync()?;
        let message = match &result {
            Ok(Finish::Completed(reason)) => format!("completed: {reason}"),
            Ok(Finish::Stopped(reason)) => format!("stopped: {reason}"),
            Err(error) => format!("failed: {error}"),
        };
        self.event("stop", None, message, None)?;
        self.events.sync()?;
        observer.finish(&self.snapshot());
        result
    }

    fn start_threads(&mut self) -> Result<(), RunError> {
        let settings = PoolSettings {
            workers: self.plan.workers,
            retries: self.plan.retries,
            retry_delay: self.plan.retry_delay,
            jobs: self.directory.jobs(),
        };
        let tell = self.happenings.0.clone();
        self.workers_left = self.plan.workers.max(1);
        let pool = Pool::start(&self.plan.open_oracle, &settings, move |event| {
            // The driver may have stopped listening; then nobody needs the event.
            let _ = tell.send(Happening::Pool(event));
        });
        self.pool = Some(pool.map_err(RunError::Thread)?);
        if let ProposalSource::Learned(learning) = &self.plan.proposal {
            let tell = self.happenings.0.clone();
            let fitter = (learning.fitter)();
            let trainer = Trainer::start(
                move || fitter,
                self.plan.environment.clone(),
                self.plan.trajectory,
                learning.tuning,
                move |reply| {
                    let _ = tell.send(Happening::Trained(Box::new(reply)));
                },
            );
            self.trainer = Some(trainer.map_err(RunError::Thread)?);
        }
        Ok(())
    }

    fn work(&mut self, observer: &mut dyn Observer) -> Result<Finish, RunError> {
        let mut stopping: Option<String> = None;
        let mut last_look = Instant::now();
        self.queue_bootstrap();
        loop {
            if stopping.is_none() {
                stopping = self.stop_reason();
                self.pump(stopping.is_some())?;
            }
            if self.bootstrapped && self.chains.iter().all(|chain| chain.finished) && self.in_flight == 0 {
                return Ok(Finish::Completed(self.completion()));
            }
            if self.out_of_time && stopping.is_none() && self.in_flight == 0 {
                stopping = Some("the time limit leaves no room for another label".to_owned());
            }
            if let Some(reason) = &stopping
                && self.in_flight == 0
            {
                return Ok(Finish::Stopped(reason.clone()));
            }
            match self.happenings.1.recv_timeout(Duration::from_millis(200)) {
                Ok(happening) => self.happen(happening)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {}
            }
            if last_look.elapsed() > Duration::from_millis(100) {
                last_look = Instant::now();
                observer.update(&self.snapshot());
            }
        }
    }

    fn stop_reason(&mut self) -> Option<String> {
        if let Some(signal) = self.stop.requested() {
            return Some(format!("{signal} received"));
        }
        if self.stop.file_due() && self.directory.stop_request().exists() {
            let _ = std::fs::remove_file(self.directory.stop_request());
            return Some("`slmc stop` asked for it".to_owned());
        }
        None
    }

    fn completion(&self) -> String {
        if let Some(ess) = self.ess_reached {
            return format!("effective sample size {ess:.0} reached");
        }
        let short = self
            .chains
            .iter()
            .any(|chain| (chain.energies.len() as u64) < self.plan.sampling.steps);
        match self.plan.sampling.max_labels {
            Some(most) if short => format!("the budget of {most} labels leaves no room for another step"),
            _ => "all steps done".to_owned(),
        }
    }

    /// Oracle calls so far, in all phases.
    fn labels_spent(&self) -> u64 {
        let journalled_in_steps: u64 = self.chains.iter().map(|chain| chain.labels).sum();
        journalled_in_steps + self.bootstrap_replies.values().filter(|(_, reply)| reply.is_some()).count() as u64
    }

    fn write_header(&self) -> Result<(), RunError> {
        let text = serde_json::to_string_pretty(&self.header).unwrap_or_default();
        let path = self.directory.header();
        replace(&path, text.as_bytes()).map_err(|source| RunError::Directory { path, source })
    }

    fn event(
        &mut self,
        kind: &str,
        request: Option<String>,
        message: String,
        seconds: Option<f64>,
    ) -> Result<(), RunError> {
        let time = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |elapsed| elapsed.as_secs_f64());
        self.events.append(&Event {
            time,
            kind: kind.to_owned(),
            request,
            message,
            seconds,
        })?;
        Ok(())
    }

    // ---- asking for labels -------------------------------------------------------------------------------------

    /// Asks for a label: from the store if it is there, else from the pool. `Some` is an answer that was there.
    fn ask(
        &mut self,
        id: RequestId,
        structure: &Structure,
        proposal: Option<crate::sampling::Proposal>,
        recorded: bool,
        chain: Option<usize>,
    ) -> Result<Option<Reply>, RunError> {
        if let Some(reply) = self.store.take_reply(&id) {
            if reply == Reply::Unphysical {
                self.unphysical += 1;
            }
            return Ok(Some(reply));
        }
        if recorded && self.store.request(&id).is_none() {
            self.store.record_request(id, &structure.positions, proposal)?;
        }
        let request = PoolRequest {
            id,
            name: id.to_string(),
            structure: structure.clone(),
            chain,
        };
        let sent = self.pool.as_ref().is_some_and(|pool| pool.submit(request));
        if !sent {
            return Err(self.no_oracle());
        }
        self.in_flight += 1;
        Ok(None)
    }

    fn no_oracle(&mut self) -> RunError {
        RunError::Oracle {
            path: self.directory.root().to_owned(),
            source: self.last_failure.take().unwrap_or(OracleError::Fatal {
                oracle: "oracle".to_owned(),
                reason: "all workers have ended".to_owned(),
            }),
        }
    }

    /// Whether labels of a phase are journalled with structures and forces.
    fn recorded(&self, phase: Phase) -> bool {
        !(self.plan.cheap_oracle && phase == Phase::Sampling)
    }

    fn may_begin_label(&mut self) -> bool {
        let Some(limit) = self.plan.time_limit else {
            return true;
        };
        let left = limit.as_secs_f64() - self.begun.elapsed().as_secs_f64();
        if left <= 1.2 * self.longest_label {
            self.out_of_time = true;
        }
        !self.out_of_time
    }

    // ---- bootstrap ---------------------------------------------------------------------------------------------

    /// Labels of the starts and, where a network is to be learned, of displaced copies.
    fn queue_bootstrap(&mut self) {
        let mut wanted: Vec<(RequestId, Structure)> = Vec::new();
        for chain in 0..self.chains.len() {
            // Chains that start together share one label.
            let first = self.plan.starts.iter().position(|start| *start == self.plan.starts[chain]);
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
    fn pump_bootstrap(&mut self, stopping: bool) -> Result<(), RunError> {
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
            let reply = self.ask(id, &structure, None, true, None)?;
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
    fn end_bootstrap(&mut self) -> Result<(), RunError> {
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
            self.chains[chain].state = State {
                structure: self.plan.starts[chain].clone(),
                labels,
                momenta: None,
            };
        }
        if let ProposalSource::Learned(learning) = &self.plan.proposal {
            self.frames = learning.bootstrap.data.clone();
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
            self.train(0, 1, false)?;
        }
        Ok(())
    }

    fn learns(&self) -> bool {
        matches!(self.plan.proposal, ProposalSource::Learned(_))
    }

    /// Rounds 1 to this of block 0 are hybrid Monte Carlo on the oracle.
    fn bootstrap_trajectories(&self) -> u64 {
        match &self.plan.proposal {
            ProposalSource::Learned(learning) if self.block == 0 => learning.bootstrap.trajectories as u64,
            _ => 0,
        }
    }

    // ---- training ----------------------------------------------------------------------------------------------

    fn train(&mut self, after_round: u64, from_round: u64, freeze: bool) -> Result<(), RunError> {
        let generation = (self.generations.len() + self.pending_training.len()) as u32;
        let journalled = self.journalled_generations.get(generation as usize).cloned();
        let folder = self.directory.potential(generation);
        let restore = journalled.as_ref().map(|_| folder).filter(|folder| folder.exists());
        let current = self
            .generations
            .last()
            .map_or(self.plan.trajectory, |generation| generation.trajectory);
        let request = TrainRequest {
            generation,
            frames: self.frames.clone(),
            seed: self.plan.environment.seed,
            starts: self.settled.clone(),
            current,
            tuned_at: self.generations.last().and_then(|generation| generation.tuned_at),
            freeze,
            restore,
        };
        self.pending_training.push_back(PendingTraining {
            generation,
            block: self.block,
            labels: self.frames.len(),
            after_round,
            from_round,
            freeze,
            journalled,
        });
        match &self.trainer {
            Some(trainer) => trainer.submit(request),
            None => {
                return Err(RunError::Training {
                    reason: "the trainer has ended".to_owned(),
                });
            }
        }
        self.in_flight += 1;
        Ok(())
    }

    fn trained(&mut self, reply: TrainReply) -> Result<(), RunError> {
        self.in_flight -= 1;
        let Some(pending) = self.pending_training.pop_front() else {
            return Ok(());
        };
        debug_assert_eq!(pending.generation, reply.generation);
        let fitted = reply.fitted.map_err(|reason| RunError::Training { reason })?;
        let generation = if let Some(journalled) = pending.journalled {
            journalled
        } else {
            let folder = self.directory.potential(pending.generation);
            std::fs::create_dir_all(&folder).map_err(|source| RunError::Directory {
                path: folder.clone(),
                source,
            })?;
            for (name, content) in &fitted.files {
                let path = folder.join(name);
                replace(&path, content).map_err(|source| RunError::Directory { path, source })?;
            }
            if let Some(why) = &fitted.kept_previous {
                self.event("training", None, format!("kept the previous network: {why}"), None)?;
            }
            let generation = Generation {
                generation: pending.generation,
                block: pending.block,
                labels: pending.labels,
                after_round: pending.after_round,
                from_round: pending.from_round,
                frozen: pending.freeze,
                kept_previous: fitted.kept_previous.is_some(),
                validation_error: fitted.validation_error,
                trajectory: reply.trajectory,
                tuned_at: reply.tuned_at,
                reason: reply.reason,
            };
            self.learning.append(&LearningRecord::Generation(generation.clone()))?;
            generation
        };
        self.networks.insert(generation.generation, fitted.potential);
        // A chain that lags behind may still ask for the last few.
        let keep = generation.generation.saturating_sub(3);
        self.networks.retain(|number, _| *number >= keep);
        self.generations.push(generation);
        Ok(())
    }

    /// Takes complete rounds into the data set, in order, and lets the schedule decide.
    fn complete_rounds(&mut self) -> Result<(), RunError> {
        loop {
            let frozen = self
                .generations
                .last()
                .is_some_and(|generation| generation.frozen && generation.block == self.block)
                || self.pending_training.iter().any(|pending| pending.freeze);
            if !self.learns() || frozen {
                return Ok(());
            }
            let round = self.rounds + 1;
            if !(0..self.chains.len()).all(|chain| self.early.contains_key(&(round, chain))) {
                return Ok(());
            }
            for chain in 0..self.chains.len() {
                if let Some(brought) = self.early.remove(&(round, chain)) {
                    self.settled[chain] = brought.settled;
                    self.recent.extend(brought.accepted);
                    self.frames.extend(brought.frames);
                    self.labels_before_sampling += brought.labels;
                }
            }
            let excess = self.recent.len().saturating_sub(WINDOW.max(self.chains.len()));
            self.recent.drain(..excess);
            self.rounds = round;
            if round < self.bootstrap_trajectories() {
                continue;
            }
            let ProposalSource::Learned(learning) = &self.plan.proposal else {
                return Ok(());
            };
            let newest = match self.pending_training.back() {
                // A training under way counts as done with its labels; its error is not known yet.
                Some(pending) => pending.journalled.clone().or_else(|| {
                    Some(Generation {
                        labels: pending.labels,
                        validation_error: None,
                        ..self.generations.last()?.clone()
                    })
                }),
                None => self.generations.last().cloned(),
            };
            let schedule = learning.schedule;
            let action = schedule.after_round(
                self.labels_before_sampling as usize,
                newest.as_ref(),
                self.plan.environment.thermal_energy,
                &self.recent,
            );
            let from_round = round + schedule.lag + 1;
            match action {
                Action::Keep => {}
                Action::Retrain => self.train(round, from_round, false)?,
                Action::Freeze => self.train(round, from_round, true)?,
            }
        }
    }

    // ---- chains ------------------------------------------------------------------------------------------------

    /// What a chain does next, from the generations in force and its own position.
    fn next(&self, chain: usize) -> Next {
        let this = &self.chains[chain];
        let round = this.step - self.base[chain];
        let id = |phase, generation| StepId {
            chain,
            step: this.step,
            phase,
            generation,
        };
        let sampling = &self.plan.sampling;
        let (first_sampling_round, generation) = match &self.plan.proposal {
            ProposalSource::Learned(learning) => {
                if round <= self.bootstrap_trajectories() {
                    return Next::Step {
                        id: id(Phase::Bootstrap, None),
                        plan: TrajectoryPlan {
                            steps: learning.bootstrap.steps,
                            segments: 1,
                            ..self.plan.trajectory
                        },
                        potential: None,
                    };
                }
                let block = self.block;
                let in_force = |generation: &&Generation| {
                    generation.block == block && generation.from_round <= round
                };
                let coming = self
                    .pending_training
                    .iter()
                    .any(|pending| pending.block == block && pending.from_round <= round);
                if coming {
                    return Next::Blocked;
                }
                let frozen = self
                    .generations
                    .iter()
                    .filter(in_force)
                    .find(|generation| generation.frozen);
                if let Some(generation) = frozen {
                    (generation.from_round, Some(generation))
                } else {
                    // All rounds that could still change the network of this step must be complete.
                    if round > self.rounds + learning.schedule.lag + 1 {
                        return Next::Blocked;
                    }
                    let current = self
                        .generations
                        .iter()
                        .rfind(in_force)
                        // A thawed run goes on with the network it had.
                        .or_else(|| self.generations.last().filter(|_| block > 0));
                    let Some(generation) = current else {
                        return Next::Blocked;
                    };
                    return Next::Step {
                        id: id(Phase::Learning, Some(generation.generation)),
                        plan: generation.trajectory,
                        potential: self.networks.get(&generation.generation).cloned(),
                    };
                }
            }
            ProposalSource::Fixed(_) | ProposalSource::Oracle => (1, None),
        };
        let sampled = round - first_sampling_round;
        let plan = generation.map_or(self.plan.trajectory, |generation| generation.trajectory);
        let labels_a_step = match (self.plan.kernel, &self.plan.proposal) {
            (Kernel::Hmc, _) => (plan.segments * plan.most_steps()) as u64,
            (Kernel::Langevin { on_network: false, .. }, _) => plan.steps as u64,
            _ => 1,
        };
        let affordable = sampling.max_labels.map_or(u64::MAX, |most| {
            most.saturating_sub(self.labels_before_sampling) / (self.chains.len() as u64 * labels_a_step)
        });
        if sampled >= sampling.steps.min(affordable) || self.ess_reached.is_some() {
            return Next::Finished;
        }
        // Chains wait for each other where the effective sample size is looked at, so that it sees the same steps always.
        if sampling.until_ess.is_some()
            && sampled > 0
            && sampled.is_multiple_of(ESS_EVERY)
            && !self.ess_looked_at(sampled)
        {
            return Next::Blocked;
        }
        Next::Step {
            id: id(Phase::Sampling, generation.map(|generation| generation.generation)),
            plan,
            potential: match &self.plan.proposal {
                ProposalSource::Fixed(potential) => Some(Arc::clone(potential)),
                ProposalSource::Learned(_) => {
                    generation.and_then(|generation| self.networks.get(&generation.generation).cloned())
                }
                ProposalSource::Oracle => None,
            },
        }
    }

    fn ess_looked_at(&self, sampled: u64) -> bool {
        self.chains.iter().all(|chain| chain.energies.len() as u64 >= sampled)
    }

    /// Looks at the effective sample size where all chains stand at the same multiple of [`ESS_EVERY`] sampling steps.
    fn look_at_ess(&mut self) {
        let Some(target) = self.plan.sampling.until_ess else {
            return;
        };
        let sampled = self.chains.iter().map(|chain| chain.energies.len()).min().unwrap_or(0);
        let discard = self.plan.sampling.discard as usize;
        let together = self.chains.iter().all(|chain| chain.energies.len() == sampled);
        if !together || sampled == 0 || !(sampled as u64).is_multiple_of(ESS_EVERY) || sampled <= discard + 8 {
            return;
        }
        let kept: Vec<&[f64]> = self.chains.iter().map(|chain| &chain.energies[discard..]).collect();
        let ess = crate::analysis::statistics::ess_bulk(&kept);
        if ess >= target {
            self.ess_reached = Some(ess);
        }
    }

    /// Starts whatever can be started; with `stopping` nothing new, but what is journalled still takes effect.
    fn pump(&mut self, stopping: bool) -> Result<(), RunError> {
        if !self.bootstrapped {
            self.pump_bootstrap(stopping)?;
        }
        if !self.bootstrapped {
            return Ok(());
        }
        loop {
            let mut moved = false;
            for chain in 0..self.chains.len() {
                moved |= self.pump_chain(chain, stopping)?;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// One move of an idle chain; whether anything moved.
    fn pump_chain(&mut self, chain: usize, stopping: bool) -> Result<bool, RunError> {
        if !matches!(self.chains[chain].activity, Activity::Idle) {
            return Ok(false);
        }
        self.look_at_ess();
        match self.begin_block(chain) {
            Block::Begun => return Ok(true),
            Block::Waiting => return Ok(false),
            Block::Within if self.chains[chain].finished => return Ok(false),
            Block::Within => {}
        }
        let (id, plan, potential) = match self.next(chain) {
            Next::Blocked => return Ok(false),
            Next::Finished => {
                self.chains[chain].finished = true;
                return Ok(true);
            }
            Next::Step { id, plan, potential } => (id, plan, potential),
        };
        if let Some(decision) = self.chains[chain].replay.front() {
            if decision.phase != id.phase || decision.generation != id.generation {
                return Err(self.contradiction(chain, decision.step, "its phase or network generation differs"));
            }
            if !self.recorded(id.phase) || decision.outcome == Outcome::Diverged && decision.labels == 0 {
                return self.replay_unrecorded(chain, id, plan, potential);
            }
        } else if stopping || !self.may_begin_label() {
            return Ok(false);
        }
        let request = request_id(&id, 0);
        let kernel = if id.phase == Phase::Bootstrap { Kernel::Hmc } else { self.plan.kernel };
        // A journalled proposal is taken as it is: on another machine the trajectory may differ in its last bits.
        if let Some(stored) = self.store.request(&request)
            && let Some(proposal) = stored.proposal
        {
            let end = self.chains[chain].state.structure.with_positions(stored.positions.clone());
            let task = Task::Slhmc(SlhmcTask {
                proposal,
                end: Some(end),
            });
            self.advance(chain, id, task, 0, None)?;
            return Ok(true);
        }
        let heavy = match kernel {
            Kernel::Slhmc => true,
            Kernel::Hmc => false,
            Kernel::Langevin { on_network, .. } => on_network,
        };
        let state = self.chains[chain].state.clone();
        if heavy {
            let Some(mut workspace) = self.workspaces[chain].take() else {
                return Ok(false);
            };
            self.chains[chain].activity = Activity::Proposing(id);
            self.in_flight += 1;
            let environment = self.plan.environment.clone();
            let tell = self.happenings.0.clone();
            rayon::spawn(move || {
                let task = kernel.begin(&environment, &plan, potential.as_deref(), &state, id, &mut workspace);
                let _ = tell.send(Happening::Began(chain, Box::new(task), workspace));
            });
        } else {
            let task = kernel.begin(
                &self.plan.environment,
                &plan,
                None,
                &state,
                id,
                &mut Workspace::new(),
            );
            self.advance(chain, id, task, 0, None)?;
        }
        Ok(true)
    }

    /// Moves into the next block where the chain has come to the end of the present one.
    fn begin_block(&mut self, chain: usize) -> Block {
        let ends_here = |this: &Chain, block: u32| {
            this.block_ends
                .get(block as usize)
                .is_some_and(|end| this.step == end + 1)
        };
        // A block begins when all chains have come to the end of the last.
        if !ends_here(&self.chains[chain], self.block) {
            return Block::Within;
        }
        let block = self.block;
        if self.chains.iter().any(|this| !ends_here(this, block)) {
            return Block::Waiting;
        }
        self.block += 1;
        for (base, this) in self.base.iter_mut().zip(&mut self.chains) {
            *base = this.step - 1;
            this.finished = false;
            this.energies.clear();
        }
        self.settled = self.chains.iter().map(|this| this.state.structure.clone()).collect();
        // Labels of the sampling phase join the data set, in (round, chain) order.
        let early = std::mem::take(&mut self.early);
        self.frames.extend(early.into_values().flat_map(|brought| brought.frames));
        self.rounds = 0;
        self.recent.clear();
        self.ess_reached = None;
        self.labels_before_sampling = self.labels_spent();
        if let ProposalSource::Learned(learning) = &mut self.plan.proposal {
            learning.schedule.stop_after = learning.schedule.stop_after.max(
                self.labels_before_sampling as usize + learning.schedule.retrain_every.max(4 * learning.schedule.chains),
            );
        }
        Block::Begun
    }

    /// Applies a journalled decision whose label was not stored: a cheap oracle's sampling step, or a divergence.
    fn replay_unrecorded(
        &mut self,
        chain: usize,
        id: StepId,
        plan: TrajectoryPlan,
        potential: Option<Arc<dyn Potential>>,
    ) -> Result<bool, RunError> {
        let Some(decision) = self.chains[chain].replay.pop_front() else {
            return Ok(false);
        };
        let mut state = self.chains[chain].state.clone();
        if self.recorded(id.phase) {
            // Diverged: nothing was labelled and nothing has moved.
            self.settle(chain, decision, state, None, true)?;
            return Ok(true);
        }
        state.labels.energy = decision.energy;
        if let Some(s) = decision.stress {
            state.labels.stress = Some([[s[0], s[5], s[4]], [s[5], s[1], s[3]], [s[4], s[3], s[2]]]);
        }
        if let Some(anchor) = self.chains[chain].anchors.remove(&decision.step) {
            state.structure = state.structure.with_positions(anchor.positions);
            state.momenta = anchor.momenta;
            state.labels.forces = anchor.forces;
        } else if decision.outcome == Outcome::Accepted
            && self.chains[chain].last_anchor.is_none_or(|step| decision.step > step)
        {
            // Since the last anchor the trajectories are run again; their labels are in the journal.
            let Some(workspace) = self.workspaces[chain].as_mut() else {
                return Ok(false);
            };
            let task = self
                .plan
                .kernel
                .begin(&self.plan.environment, &plan, potential.as_deref(), &state, id, workspace);
            if let Task::Slhmc(SlhmcTask { end: Some(end), .. }) = task {
                state.structure = end;
            } else {
                return Err(self.contradiction(chain, decision.step, "its trajectory cannot be repeated"));
            }
        }
        self.settle(chain, decision, state, None, true)?;
        Ok(true)
    }

    fn contradiction(&self, chain: usize, step: u64, what: &str) -> RunError {
        RunError::Inconsistent {
            path: self.directory.chain(chain),
            reason: format!(
                "step {step} in the journal is not what this program and configuration give ({what}); resume with the \
                 program version and machine that started the run, or start a new one"
            ),
        }
    }

    /// Lets a task go on until it waits for the pool or is decided.
    fn advance(
        &mut self,
        chain: usize,
        id: StepId,
        mut task: Task,
        mut index: u32,
        mut reply: Option<Reply>,
    ) -> Result<(), RunError> {
        loop {
            let labelled = match &reply {
                Some(Reply::Labels(labels)) => Some(labels.clone()),
                _ => None,
            };
            let asked_for = match &task {
                Task::Slhmc(task) => task.end.clone(),
                _ => None,
            };
            match task.advance(&self.plan.environment, &self.chains[chain].state, id, reply.take()) {
                Advance::NeedLabel(structure) => {
                    let request = request_id(&id, index);
                    let proposal = match &task {
                        Task::Slhmc(task) => Some(task.proposal),
                        _ => None,
                    };
                    let recorded = self.recorded(id.phase);
                    match self.ask(request, &structure, proposal, recorded, Some(chain))? {
                        Some(answer) => {
                            if id.phase == Phase::Bootstrap {
                                self.keep_bootstrap_frame(chain, &structure, &answer);
                            }
                            index += 1;
                            reply = Some(answer);
                        }
                        None => {
                            self.chains[chain].activity = Activity::Waiting {
                                id,
                                index,
                                task: Box::new(task),
                                structure,
                            };
                            return Ok(());
                        }
                    }
                }
                Advance::Done(done) => {
                    let (decision, state) = *done;
                    let frame = asked_for.zip(labelled).map(|(structure, labels)| {
                        Arc::new(LabelledStructure { structure, labels })
                    });
                    let replayed = match self.chains[chain].replay.pop_front() {
                        None => false,
                        Some(journalled) if same_decision(&journalled, &decision) => true,
                        Some(journalled) => {
                            return Err(self.contradiction(chain, journalled.step, "the decision differs"));
                        }
                    };
                    self.chains[chain].activity = Activity::Idle;
                    return self.settle(chain, decision, state, frame, replayed);
                }
            }
        }
    }

    fn keep_bootstrap_frame(&mut self, chain: usize, structure: &Structure, answer: &Reply) {
        if let Reply::Labels(labels) = answer {
            self.chains[chain].bootstrap_frames.push(Arc::new(LabelledStructure {
                structure: structure.clone(),
                labels: labels.clone(),
            }));
        }
    }

    /// Journals a decision and lets it take effect.
    fn settle(
        &mut self,
        chain: usize,
        decision: Decision,
        state: State,
        frame: Option<Arc<LabelledStructure>>,
        replayed: bool,
    ) -> Result<(), RunError> {
        let round = decision.step - self.base[chain];
        let accepted = decision.outcome == Outcome::Accepted;
        let sampling = decision.phase == Phase::Sampling;
        if decision.outcome == Outcome::Unphysical && self.unphysical > self.plan.sampling.max_unphysical {
            return Err(RunError::Unphysical {
                path: self.directory.root().to_owned(),
                count: self.unphysical,
                limit: self.plan.sampling.max_unphysical,
            });
        }
        let request = RequestId {
            bootstrap: false,
            chain: chain as u32,
            step: decision.step,
            index: 0,
        };
        if let Some(frame) = &frame
            && self.recorded(decision.phase)
        {
            self.outputs.label(
                &frame.structure,
                &frame.labels,
                &request,
                decision.phase,
                Some(accepted),
                decision.generation,
            )?;
        }
        let kernel = self.plan.kernel;
        let contributes = self.learns() && self.recorded(decision.phase);
        let this = &mut self.chains[chain];
        if sampling {
            let sampled = this.energies.len() as u64 + 1;
            let every = self.plan.trajectory_every;
            if every > 0 && sampled > self.plan.sampling.discard && sampled.is_multiple_of(every) {
                self.outputs.frame(chain, &state, &decision)?;
            }
            this.energies.push(decision.energy);
        }
        this.labels += u64::from(decision.labels);
        this.note(&decision);
        if !replayed {
            this.journal.append(&ChainRecord::Decision(decision.clone()))?;
            let carries = !matches!(kernel, Kernel::Slhmc);
            let due = if carries {
                accepted || matches!(kernel, Kernel::Langevin { .. })
            } else {
                decision.step.is_multiple_of(self.plan.anchor_every.max(1))
            };
            if sampling && self.plan.cheap_oracle && due {
                this.journal.append(&ChainRecord::Anchor {
                    step: decision.step,
                    positions: state.structure.positions.clone(),
                    momenta: state.momenta.clone(),
                    forces: state.labels.forces.clone().filter(|_| carries),
                })?;
            }
        }
        this.state = state;
        this.step += 1;
        if contributes {
            let bootstrap = decision.phase == Phase::Bootstrap;
            let mut frames = std::mem::take(&mut this.bootstrap_frames);
            let settled = this.state.structure.clone();
            for frame in &frames {
                self.outputs
                    .label(&frame.structure, &frame.labels, &request, Phase::Bootstrap, None, None)?;
            }
            frames.extend(frame);
            let contribution = Contribution {
                frames,
                labels: u64::from(decision.labels),
                accepted: (!bootstrap).then_some(accepted),
                settled,
            };
            self.early.insert((round, chain), contribution);
        }
        self.complete_rounds()
    }

    // ---- what happens ------------------------------------------------------------------------------------------

    fn happen(&mut self, happening: Happening) -> Result<(), RunError> {
        match happening {
            Happening::Began(chain, task, workspace) => {
                self.in_flight -= 1;
                self.workspaces[chain] = Some(workspace);
                let Activity::Proposing(id) = self.chains[chain].activity else {
                    return Ok(());
                };
                self.chains[chain].activity = Activity::Idle;
                self.advance(chain, id, *task, 0, None)
            }
            Happening::Trained(reply) => {
                self.trained(*reply)?;
                self.complete_rounds()
            }
            Happening::Pool(PoolEvent::Opened { .. }) => Ok(()),
            Happening::Pool(PoolEvent::OpenFailed { worker, error }) => {
                self.event("worker", None, format!("worker {worker} is gone: {error}"), None)?;
                self.workers_left -= 1;
                self.last_failure = Some(error);
                // Requests queued for a worker that never opened would wait for ever.
                Err(self.no_oracle())
            }
            Happening::Pool(PoolEvent::Retry { id, message }) => self.event("retry", Some(id.to_string()), message, None),
            Happening::Pool(PoolEvent::Reply {
                id,
                answer,
                fingerprint,
                seconds,
            }) => {
                self.in_flight -= 1;
                self.longest_label = self.longest_label.max(seconds);
                self.check_fingerprint(fingerprint)?;
                self.replied(id, answer, seconds)
            }
        }
    }

    fn check_fingerprint(&mut self, fingerprint: crate::oracle::Fingerprint) -> Result<(), RunError> {
        let known = &self.header.fingerprint;
        if known.0.is_empty() {
            self.header.fingerprint = fingerprint;
            return self.write_header();
        }
        if *known == fingerprint {
            return Ok(());
        }
        let changed: Vec<String> = known
            .0
            .keys()
            .chain(fingerprint.0.keys())
            .filter(|key| known.0.get(*key) != fingerprint.0.get(*key))
            .map(|key| {
                let show = |value: Option<&String>| value.map_or("absent".to_owned(), Clone::clone);
                format!(
                    "{key} was {} and is {}",
                    show(known.0.get(key)),
                    show(fingerprint.0.get(key))
                )
            })
            .collect();
        Err(RunError::Inconsistent {
            path: self.directory.root().to_owned(),
            reason: format!(
                "the oracle is not the one the run was started with: {}; restore it, or start a new run",
                changed.join("; ")
            ),
        })
    }

    fn replied(&mut self, id: RequestId, answer: Answer, seconds: f64) -> Result<(), RunError> {
        let (reply, reason) = match answer {
            Answer::Labels(labels) => (Reply::Labels(labels), String::new()),
            Answer::Unphysical(reason) => {
                self.unphysical += 1;
                self.event("unphysical", Some(id.to_string()), reason.clone(), None)?;
                (Reply::Unphysical, reason)
            }
            Answer::Failed(error) => {
                self.event("failure", Some(id.to_string()), error.to_string(), Some(seconds))?;
                self.last_failure = Some(error);
                return Err(self.no_oracle());
            }
        };
        let chain = id.chain as usize;
        if self.bootstrap_replies.contains_key(&id) {
            self.store.record_reply(id, &reply, &reason)?;
            if let Some(entry) = self.bootstrap_replies.get_mut(&id) {
                entry.1 = Some(reply);
            }
            self.bootstrap_waiting -= 1;
            return Ok(());
        }
        let activity = std::mem::replace(&mut self.chains[chain].activity, Activity::Idle);
        let Activity::Waiting {
            id: step,
            index,
            task,
            structure,
        } = activity
        else {
            return Ok(());
        };
        if self.recorded(step.phase) {
            self.store.record_reply(id, &reply, &reason)?;
            if !self.plan.cheap_oracle {
                self.event("label", Some(id.to_string()), "labelled".to_owned(), Some(seconds))?;
            }
        }
        if step.phase == Phase::Bootstrap {
            self.keep_bootstrap_frame(chain, &structure, &reply);
        }
        self.advance(chain, step, *task, index + 1, Some(reply))
    }

    /// The numbers a progress display shows.
    pub fn snapshot(&self) -> Snapshot {
        let phase = if !self.bootstrapped {
            Phase::Bootstrap
        } else if self.learns()
            && !self
                .generations
                .last()
                .is_some_and(|generation| generation.frozen && generation.block == self.block)
        {
            if self.generations.is_empty() { Phase::Bootstrap } else { Phase::Learning }
        } else {
            Phase::Sampling
        };
        let (bootstrap_done, bootstrap_total) = (
            self.bootstrap_replies.values().filter(|(_, reply)| reply.is_some()).count() as u64,
            self.bootstrap_replies.len() as u64,
        );
        let (done, total) = match (phase, &self.plan.proposal) {
            (Phase::Bootstrap, _) => (bootstrap_done, bootstrap_total),
            (Phase::Learning, ProposalSource::Learned(learning)) => (self.labels_spent(), learning.schedule.stop_after as u64),
            _ => (
                self.chains.iter().map(|chain| chain.energies.len() as u64).sum(),
                self.plan.sampling.steps * self.chains.len() as u64,
            ),
        };
        let window = |f: &dyn Fn(&Chain) -> Vec<f64>| -> Vec<f64> { self.chains.iter().flat_map(f).collect() };
        let accepted = window(&|chain| chain.recent_accepted.iter().copied().collect());
        let errors = window(&|chain| chain.recent_errors.iter().copied().collect());
        Snapshot {
            phase,
            done,
            total,
            labels: self.labels_spent(),
            generation: self.generations.last().map(|generation| generation.generation),
            acceptance: mean(&accepted),
            error: deviation(&errors),
            segments: self.generations.last().map(|generation| generation.trajectory.segments),
            steps: self.generations.last().map(|generation| generation.trajectory.steps),
            training: !self.pending_training.is_empty(),
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 2)?;
    Some((values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt())
}

/// Every how many sampling steps the effective sample size is looked at.
const ESS_EVERY: u64 = 25;

fn bootstrap_id(chain: usize, step: u64) -> RequestId {
    RequestId {
        bootstrap: true,
        chain: chain as u32,
        step,
        index: 0,
    }
}

fn request_id(id: &StepId, index: u32) -> RequestId {
    RequestId {
        bootstrap: false,
        chain: id.chain as u32,
        step: id.step,
        index,
    }
}

/// Whether a decision made again is the journalled one. Energies come from the store, so they are equal bit for bit.
fn same_decision(journalled: &Decision, again: &Decision) -> bool {
    journalled == again
}
