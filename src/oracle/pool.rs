//! Worker threads, one oracle each: requests in over bounded channels, replies out, retries in between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, never, select, unbounded};

use super::{Fault, Fingerprint, JobDir, Labels, Note, Oracle, OracleError};
use crate::structure::Structure;

/// Makes the oracle of one worker; called on the worker's own thread.
pub type OpenOracle = Arc<dyn Fn(usize) -> Result<Box<dyn Oracle>, OracleError> + Send + Sync>;

/// How the pool works.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Number of workers.
    pub workers: usize,
    /// How often a transient failure is tried again.
    pub retries: usize,
    /// The wait before the first retry; it doubles with each.
    pub retry_delay: Duration,
    /// Where each request gets a folder of its own.
    pub jobs: PathBuf,
    /// How labels that started from earlier ones are compared with labels from nothing; `None`: never.
    pub cold_check: Option<ColdCheck>,
}

/// When and how sharply a warm energy is compared with a cold one. Several self-consistent solutions (spin, magnetic order)
/// make an energy depend on where its calculation started, and then no acceptance decision means anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColdCheck {
    /// Every how many warm labels of a worker; the first is always compared.
    pub every: u64,
    /// The difference above which it is noted, eV.
    pub warn: f64,
    /// The difference above which the run stops, eV.
    pub stop: f64,
}

/// A structure to be labelled.
#[derive(Clone, Debug)]
pub struct PoolRequest<Id> {
    /// Comes back with the reply.
    pub id: Id,
    /// The name of the request's folder, unique in the run.
    pub name: String,
    /// What to label.
    pub structure: Structure,
    /// The chain it belongs to: its requests go to the same worker. `None`: any worker.
    pub chain: Option<usize>,
    /// The structure that chain stands at, its last accepted one.
    pub stands_at: Option<Structure>,
}

/// What a request came to.
#[derive(Debug)]
pub enum Answer {
    /// Finite labels.
    Labels(Labels),
    /// Two cold starts agreed that there is no answer.
    Unphysical(String),
    /// Retries are used up, or the oracle cannot work at all.
    Failed(OracleError),
}

/// What the pool tells.
#[derive(Debug)]
pub enum PoolEvent<Id> {
    /// A worker has its oracle.
    Opened {
        /// The worker.
        worker: usize,
    },
    /// A worker could not open its oracle, and is gone.
    OpenFailed {
        /// The worker.
        worker: usize,
        /// Why.
        error: OracleError,
    },
    /// A request failed for now and is tried again.
    Retry {
        /// Which.
        id: Id,
        /// Why.
        message: String,
    },
    /// The oracle did or noticed something worth keeping.
    Note {
        /// At which request.
        id: Id,
        /// What.
        note: Note,
    },
    /// A request is answered.
    Reply {
        /// Which.
        id: Id,
        /// The answer.
        answer: Answer,
        /// The oracle's fingerprint at the time of the answer.
        fingerprint: Fingerprint,
        /// Wall-clock seconds, retries included.
        seconds: f64,
    },
}

/// Running workers. Dropping the pool closes the queues and waits for the workers to finish the request at hand.
#[derive(Debug)]
pub struct Pool<Id> {
    own: Vec<Sender<PoolRequest<Id>>>,
    shared: Option<Sender<PoolRequest<Id>>>,
    threads: Vec<JoinHandle<()>>,
    cancelled: Arc<AtomicBool>,
}

impl<Id: Send + Clone + 'static> Pool<Id> {
    /// Starts the workers; `tell` is called on their threads with what happens.
    pub fn start(
        open: &OpenOracle,
        settings: &PoolSettings,
        tell: impl Fn(PoolEvent<Id>) + Send + Clone + 'static,
    ) -> std::io::Result<Self> {
        let (shared, shared_queue) = bounded(4 * settings.workers.max(1));
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut own = Vec::new();
        let mut threads = Vec::new();
        for worker in 0..settings.workers.max(1) {
            // A chain has at most one request under way, but bootstrap may queue several.
            let (sender, queue) = unbounded();
            own.push(sender);
            let (open, settings, tell) = (Arc::clone(open), settings.clone(), tell.clone());
            let (shared_queue, cancelled) = (shared_queue.clone(), Arc::clone(&cancelled));
            threads.push(
                thread::Builder::new()
                    .name(format!("oracle-{worker}"))
                    .spawn(move || work(worker, &open, &settings, &tell, queue, shared_queue, &cancelled))?,
            );
        }
        Ok(Self {
            own,
            shared: Some(shared),
            threads,
            cancelled,
        })
    }

    /// Queues a request. `false` if no worker is left to take it.
    pub fn submit(&self, request: PoolRequest<Id>) -> bool {
        match request.chain {
            Some(chain) => self.own[chain % self.own.len()].send(request).is_ok(),
            None => self.shared.as_ref().is_some_and(|shared| shared.send(request).is_ok()),
        }
    }

    /// Drops what is queued but not begun, and gives up retries.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl<Id> Drop for Pool<Id> {
    fn drop(&mut self) {
        self.own.clear();
        self.shared = None;
        for thread in self.threads.drain(..) {
            // A worker that panicked has nothing more to say; the driver saw its silence already.
            let _ = thread.join();
        }
    }
}

fn work<Id: Clone>(
    worker: usize,
    open: &OpenOracle,
    settings: &PoolSettings,
    tell: &impl Fn(PoolEvent<Id>),
    own: Receiver<PoolRequest<Id>>,
    shared: Receiver<PoolRequest<Id>>,
    cancelled: &AtomicBool,
) {
    let mut oracle = match open(worker) {
        Ok(oracle) => oracle,
        Err(error) => {
            tell(PoolEvent::OpenFailed { worker, error });
            return;
        }
    };
    tell(PoolEvent::Opened { worker });
    let (mut own, mut shared) = (own, shared);
    let (mut own_open, mut shared_open) = (true, true);
    let mut warm_labels = 0;
    while own_open || shared_open {
        let request = select! {
            recv(own) -> message => match message {
                Ok(request) => request,
                Err(_) => { own = never(); own_open = false; continue; }
            },
            recv(shared) -> message => match message {
                Ok(request) => request,
                Err(_) => { shared = never(); shared_open = false; continue; }
            },
        };
        if cancelled.load(Ordering::Relaxed) {
            continue;
        }
        let begun = Instant::now();
        oracle.select_chain(request.chain, request.stands_at.as_ref());
        // A fault of an adaptor must not leave the driver waiting for an answer that never comes.
        let labelled = catch_unwind(AssertUnwindSafe(|| {
            let answer = label(oracle.as_mut(), settings, tell, &request, cancelled);
            compare_cold(oracle.as_mut(), settings, tell, &request, &mut warm_labels, answer)
        }));
        let answer = labelled.unwrap_or_else(|_| {
            Answer::Failed(OracleError::Fatal {
                oracle: format!("worker {worker}"),
                reason: "the adaptor has a fault and ended; please report it".to_owned(),
            })
        });
        tell_notes(oracle.as_mut(), tell, &request.id);
        tell(PoolEvent::Reply {
            id: request.id,
            answer,
            fingerprint: oracle.fingerprint(),
            seconds: begun.elapsed().as_secs_f64(),
        });
    }
}

/// Hands over what the oracle noted.
fn tell_notes<Id: Clone>(oracle: &mut dyn Oracle, tell: &impl Fn(PoolEvent<Id>), id: &Id) {
    for note in oracle.take_notes() {
        tell(PoolEvent::Note { id: id.clone(), note });
    }
}

/// Where a comparison is due and the label started from an earlier one, labels the structure again from nothing.
fn compare_cold<Id: Clone>(
    oracle: &mut dyn Oracle,
    settings: &PoolSettings,
    tell: &impl Fn(PoolEvent<Id>),
    request: &PoolRequest<Id>,
    warm_labels: &mut u64,
    answer: Answer,
) -> Answer {
    let (Some(check), Answer::Labels(labels)) = (settings.cold_check, &answer) else {
        return answer;
    };
    if !oracle.was_warm() {
        return answer;
    }
    if !warm_labels.is_multiple_of(check.every.max(1)) {
        *warm_labels += 1;
        return answer;
    }
    oracle.start_cold();
    let note = |message: String| {
        let note = Note::new("cold-check", message);
        tell(PoolEvent::Note {
            id: request.id.clone(),
            note,
        });
    };
    let job = JobDir::new(fresh_folder(&settings.jobs, &format!("{}-cold", request.name)));
    let cold = match oracle.label(&request.structure, &job) {
        Ok(cold) if cold.is_finite() => cold,
        Ok(_) => {
            note(
                "the calculation from nothing gave numbers that are not finite; compared again at the next label"
                    .to_owned(),
            );
            return answer;
        }
        Err(error) => {
            note(format!(
                "the calculation from nothing failed, compared again at the next label: {error}"
            ));
            return answer;
        }
    };
    *warm_labels += 1;
    let difference = labels.energy - cold.energy;
    let energies = format!(
        "{:.6} eV from earlier wavefunctions, {:.6} eV from nothing: {:.3} meV apart",
        labels.energy,
        cold.energy,
        1e3 * difference.abs()
    );
    if difference.abs() > check.stop {
        return Answer::Failed(OracleError::SeveralSolutions {
            oracle: "cold check".to_owned(),
            reason: format!(
                "{energies}, more than the {:.3} meV that are allowed; the folder of the calculation from nothing is {}. Make one \
                 solution certain (initial moments, a tighter convergence criterion) or turn reuse off, then start a new run",
                1e3 * check.stop,
                job.path().display()
            ),
        });
    }
    if job.path().exists() {
        let _ = std::fs::remove_dir_all(job.path());
    }
    if difference.abs() > check.warn {
        note(format!("warning: {energies}, more than {:.3} meV", 1e3 * check.warn));
    } else {
        note(energies);
    }
    answer
}

/// A folder of this name that no earlier process has used: kept failures are never written over.
fn fresh_folder(jobs: &Path, name: &str) -> PathBuf {
    let mut folder = jobs.join(name);
    let mut again = 1;
    while folder.exists() {
        again += 1;
        folder = jobs.join(format!("{name}-again-{again}"));
    }
    folder
}

/// One request with its retries: transient faults up to `retries` times, unphysical ones believed when two attempts in a row agree.
fn label<Id: Clone>(
    oracle: &mut dyn Oracle,
    settings: &PoolSettings,
    tell: &impl Fn(PoolEvent<Id>),
    request: &PoolRequest<Id>,
    cancelled: &AtomicBool,
) -> Answer {
    let mut delay = settings.retry_delay;
    let mut transient = 0;
    let mut unphysical = 0;
    for attempt in 0.. {
        let job = JobDir::new(fresh_folder(&settings.jobs, &format!("{}-{attempt}", request.name)));
        let error = match oracle.label(&request.structure, &job) {
            Ok(labels) if labels.is_finite() => {
                if job.path().exists() {
                    let _ = std::fs::remove_dir_all(job.path());
                }
                return Answer::Labels(labels);
            }
            Ok(_) => OracleError::Unphysical {
                oracle: "oracle".to_owned(),
                reason: "its answer holds a number that is not finite".to_owned(),
            },
            Err(error) => error,
        };
        match error.fault() {
            Fault::Fatal => return Answer::Failed(error),
            Fault::Unphysical => {
                unphysical += 1;
                if unphysical == 2 {
                    return Answer::Unphysical(error.to_string());
                }
            }
            Fault::Transient => {
                transient += 1;
                unphysical = 0;
                if transient > settings.retries || cancelled.load(Ordering::Relaxed) {
                    return Answer::Failed(error);
                }
            }
        }
        tell(PoolEvent::Retry {
            id: request.id.clone(),
            message: error.to_string(),
        });
        if error.fault() == Fault::Transient {
            thread::sleep(delay);
            delay = (2 * delay).min(Duration::from_mins(5));
        }
    }
    unreachable!("the loop over attempts only ends by returning")
}
