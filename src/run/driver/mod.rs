//! The driver: owns states and journals, and turns answers into decisions, in an order that threads cannot change.
//!
//! What a chain does at a step depends on the configuration, the chain's own history and the generations in force, and on
//! nothing else. Live and resumed runs share one path: a step whose request, answer or decision is journalled takes it from
//! there, any other asks for it.

mod answers;
mod bootstrap;
mod budget;
mod error;
mod exchange;
mod learning;
mod open;
mod schedule;
mod snapshot;
mod steps;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use crate::dynamics::MassMatrix;
use crate::observe::Observer;
use crate::oracle::OracleError;
use crate::oracle::pool::{Pool, PoolEvent, PoolSettings};
use crate::potential::{Potential, Workspace};
use crate::run::chain::Chain;
use crate::run::directory::{RunDirectory, RunLock, replace};
use crate::run::journal::Journal;
use crate::run::outputs::Outputs;
use crate::run::plan::{Plan, ProposalSource};
use crate::run::records::{Event, Generation, Header, LearningRecord, RequestId};
use crate::run::stop::StopFlag;
use crate::run::store::LabelStore;
use crate::run::trainer::{TrainReply, Trainer};
use crate::sampling::{Ensemble, Environment, Kernel, OracleId, Reply, Task};
use crate::structure::Structure;
use crate::training::LabelledStructure;

pub use error::RunError;

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All steps are done, or the effective sample size or the label budget is reached.
    Completed(String),
    /// Asked to stop; resumable.
    Stopped(String),
}

enum Happening {
    Pool(OracleId, PoolEvent<RequestId>),
    Began(usize, Box<(Task, Workspace)>),
    Trained(Box<TrainReply>),
}

/// Whether a training is the last before sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freeze {
    /// It is one of several.
    No,
    /// By forecast, which the network must bear out.
    Early,
    /// The budget is spent, or the journal says so.
    Certain,
}

/// A training that was asked for.
struct PendingTraining {
    generation: u32,
    block: u32,
    labels: usize,
    after_round: u64,
    from_round: u64,
    freeze: Freeze,
    /// kT of each rung from then on, where a ladder is placed, eV.
    ladder: Option<Vec<f64>>,
    /// Read from the learning journal: only the network has to be brought back.
    journalled: Option<Generation>,
}

/// What a chain's step brings to its round.
struct Contribution {
    /// New labelled structures.
    frames: Vec<Arc<LabelledStructure>>,
    /// Oracle calls.
    labels: u64,
    /// Whether a network's proposal was accepted; `None` for hybrid Monte Carlo on the oracle.
    accepted: Option<bool>,
    /// How far oracle and network disagree on the energy change of the proposal, eV.
    disagreement: Option<f64>,
    /// Where the chain stood after it.
    settled: Structure,
    /// U + W there, eV.
    energy: f64,
}

/// A run in progress.
pub struct Driver {
    plan: Plan,
    directory: RunDirectory,
    _lock: RunLock,
    header: Header,
    store: LabelStore,
    /// Labels of the oracle of the first of two stages.
    first_store: Option<LabelStore>,
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
    /// Disagreements of the latest proposals, eV.
    disagreements: Vec<f64>,
    generations: Vec<Generation>,
    networks: BTreeMap<u32, Arc<dyn Potential>>,
    /// The mass matrices of generations that have one.
    masses: BTreeMap<u32, Arc<MassMatrix>>,
    /// What each rung samples from a generation on (`None`: from the beginning).
    rungs: BTreeMap<Option<u32>, Vec<Environment>>,
    /// U + W of the latest complete rounds by rung, to place the ladder from, eV.
    rung_energies: Vec<Vec<f64>>,
    journalled_generations: Vec<Generation>,
    pending_training: std::collections::VecDeque<PendingTraining>,
    bootstrapped: bool,
    bootstrap_queue: std::collections::VecDeque<RequestId>,
    bootstrap_waiting: usize,
    bootstrap_replies: BTreeMap<RequestId, (Structure, Option<Reply>)>,
    labels_before_sampling: u64,

    trainer: Option<Trainer>,
    pool: Option<Pool<RequestId>>,
    first_pool: Option<Pool<RequestId>>,
    happenings: (Sender<Happening>, Receiver<Happening>),
    /// What whoever watches should be told.
    notices: Vec<String>,
    /// Labels under way.
    in_flight: usize,
    /// Trajectories and trainings under way, which a stop does not wait for: a resume does them again.
    computing: usize,
    begun: Instant,
    longest_label: f64,
    unphysical: u64,
    last_failure: Option<OracleError>,
    ess_reached: Option<f64>,
    out_of_time: bool,
    stopping: bool,
}

impl Driver {
    /// Works until the run is complete or asked to stop.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Finish, RunError> {
        self.begun = Instant::now();
        self.start_threads()?;
        let result = self.work(observer);
        if result.is_err() {
            for pool in self.pool.iter().chain(&self.first_pool) {
                pool.cancel();
            }
        }
        // Whatever may write ends here, so that nothing of it outlives the lock.
        self.pool = None;
        self.first_pool = None;
        if let Some(trainer) = self.trainer.take() {
            trainer.end();
        }
        if result.is_err() {
            self.keep_late_answers();
        }
        let synced = self.sync();
        let result = result.and_then(|finish| synced.map(|()| finish));
        let message = match &result {
            Ok(Finish::Completed(reason)) => format!("completed: {reason}"),
            Ok(Finish::Stopped(reason)) => format!("stopped: {reason}"),
            Err(error) => format!("failed: {error}"),
        };
        let told = self.event("stop", None, message, None);
        observer.finish(&self.snapshot());
        // What went wrong first is what has to be mended.
        result.and_then(|finish| told.map(|()| finish))
    }

    fn sync(&mut self) -> Result<(), RunError> {
        self.store.sync()?;
        if let Some(store) = &mut self.first_store {
            store.sync()?;
        }
        for chain in &mut self.chains {
            chain.journal.sync()?;
        }
        self.learning.sync()?;
        self.events.sync()?;
        Ok(())
    }

    fn start_threads(&mut self) -> Result<(), RunError> {
        let settings = PoolSettings {
            workers: self.plan.workers,
            retries: self.plan.retries,
            retry_delay: self.plan.retry_delay,
            retire_after: self.plan.retire_after,
            jobs: self.directory.jobs(),
            cold_check: self.plan.cold_check,
        };
        let tell = self.happenings.0.clone();
        let pool = Pool::start(&self.plan.open_oracle, &settings, move |event| {
            // The driver may have stopped listening; then nobody needs the event.
            let _ = tell.send(Happening::Pool(OracleId::Final, event));
        });
        self.pool = Some(pool.map_err(RunError::Thread)?);
        if let Some(first) = &self.plan.first_stage {
            let settings = PoolSettings {
                workers: first.workers,
                jobs: self.directory.jobs().join("first-stage"),
                ..settings
            };
            let tell = self.happenings.0.clone();
            let pool = Pool::start(&first.open_oracle, &settings, move |event| {
                let _ = tell.send(Happening::Pool(OracleId::First, event));
            });
            self.first_pool = Some(pool.map_err(RunError::Thread)?);
        }
        if let ProposalSource::Learned(learning) = &self.plan.proposal {
            let tell = self.happenings.0.clone();
            let fitter = (learning.fitter)();
            let trainer = Trainer::start(
                move || fitter,
                self.tuning_environment(),
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

    /// The environment of the trajectories that are tuned: those of an inner chain run at constant cell.
    fn tuning_environment(&self) -> Environment {
        let mut environment = self.plan.environment.clone();
        if matches!(self.plan.kernel, Kernel::Nested(_)) {
            environment.ensemble = Ensemble::Canonical;
        }
        environment
    }

    fn work(&mut self, observer: &mut dyn Observer) -> Result<Finish, RunError> {
        let mut stopping: Option<String> = None;
        let mut last_look = Instant::now();
        self.queue_bootstrap();
        loop {
            if stopping.is_none() {
                stopping = self.stop_reason();
                self.stopping = stopping.is_some();
                if self.stopping {
                    for pool in self.pool.iter().chain(&self.first_pool) {
                        pool.leave();
                    }
                }
                self.pump(stopping.is_some())?;
            }
            let at_work = self.in_flight + self.computing > 0;
            if self.bootstrapped && self.chains.iter().all(|chain| chain.finished) && !at_work {
                return Ok(Finish::Completed(self.completion()));
            }
            // A training may end within the time that is left.
            if self.out_of_time && stopping.is_none() && !at_work {
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
            for notice in self.notices.drain(..) {
                observer.tell(&notice);
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
        // Labels that no worker can have begun in vain were not begun; what is still under way now may take much longer.
        if self.plan.time_limit.is_some_and(|limit| self.begun.elapsed() >= limit) {
            return Some("the time limit is over".to_owned());
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
        journalled_in_steps
            + self
                .bootstrap_replies
                .values()
                .filter(|(_, reply)| reply.is_some())
                .count() as u64
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
        self.events.append(&Event::now(kind, request, message, seconds))?;
        Ok(())
    }
}
