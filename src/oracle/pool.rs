//! Worker threads, one oracle each: requests in over a queue, replies out, retries and changes of worker in between.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::cold::ColdCheck;
use super::queue::{Queue, Queued};
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
    /// A worker that could not answer so many requests in a row is retired, if others are left.
    pub retire_after: usize,
    /// Where each request gets a folder of its own.
    pub jobs: PathBuf,
    /// How labels that started from earlier ones are compared with labels from nothing; `None`: never.
    pub cold_check: Option<ColdCheck>,
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
    /// The pool was told to leave before there was an answer; asked again later, the label may be there.
    Left(String),
}

/// What the pool tells.
#[derive(Debug)]
pub enum PoolEvent<Id> {
    /// A worker has its oracle.
    Opened {
        /// The worker.
        worker: usize,
    },
    /// A worker could not open its oracle, or failed too often, and is gone.
    Gone {
        /// The worker.
        worker: usize,
        /// How many are left.
        left: usize,
        /// Why.
        error: OracleError,
    },
    /// A request failed for now and is tried again, by this worker or by another.
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
        /// The largest memory of one process that worked on it, bytes.
        memory: Option<u64>,
        /// The folder of the answer, to be removed once the answer is safe: until then it is all there is of a label.
        spent: Option<PathBuf>,
    },
}

/// Running workers. Dropping the pool closes the queue and waits for the workers to finish what is in it.
#[derive(Debug)]
pub struct Pool<Id> {
    queue: Arc<Queue<PoolRequest<Id>>>,
    left: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl<Id: Send + Clone + 'static> Pool<Id> {
    /// Starts the workers; `tell` is called on their threads with what happens.
    pub fn start(
        open: &OpenOracle,
        settings: &PoolSettings,
        tell: impl Fn(PoolEvent<Id>) + Send + Clone + 'static,
    ) -> std::io::Result<Self> {
        let workers = settings.workers.max(1);
        let mut pool = Self {
            queue: Arc::new(Queue::new(workers)),
            left: Arc::default(),
            threads: Vec::new(),
        };
        for worker in 0..workers {
            let (open, queue) = (Arc::clone(open), Arc::clone(&pool.queue));
            let hands = Hands {
                worker,
                settings: settings.clone(),
                tell: tell.clone(),
                queue,
                left: Arc::clone(&pool.left),
            };
            let builder = thread::Builder::new().name(format!("oracle-{worker}"));
            pool.threads.push(builder.spawn(move || hands.work(&open))?);
        }
        Ok(pool)
    }

    /// Queues a request. `false` if no worker is left to take it.
    pub fn submit(&self, request: PoolRequest<Id>) -> bool {
        let queued = Queued {
            chain: request.chain,
            tried: BTreeSet::new(),
            request,
        };
        self.queue.push(queued).is_ok()
    }

    /// Drops what is queued but not begun, gives up retries, and leaves what goes on elsewhere.
    pub fn cancel(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.queue.cancel();
    }

    /// Ends soon: what has begun on this machine is finished, what goes on elsewhere or has not begun is answered with
    /// [`Answer::Left`], and nothing is tried again.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.queue.wake();
    }
}

impl<Id> Drop for Pool<Id> {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A worker that panicked has nothing more to say; the driver saw its silence already.
            let _ = thread.join();
        }
    }
}

/// What a worker's thread has at hand beside its oracle.
struct Hands<Id, Tell> {
    worker: usize,
    settings: PoolSettings,
    tell: Tell,
    queue: Arc<Queue<PoolRequest<Id>>>,
    left: Arc<AtomicBool>,
}

impl<Id: Clone, Tell: Fn(PoolEvent<Id>)> Hands<Id, Tell> {
    fn work(&self, open: &OpenOracle) {
        let worker = self.worker;
        let mut oracle = match open(worker) {
            Ok(oracle) => oracle,
            Err(error) => return self.leave(error, &Fingerprint::default()),
        };
        (self.tell)(PoolEvent::Opened { worker });
        let mut failures = 0;
        let mut warm_labels = 0;
        while let Some(mut queued) = self.queue.pop(worker) {
            let begun = Instant::now();
            if self.is_left() {
                let left = Answer::Left("it had not begun".to_owned());
                self.reply(&queued.request, (left, None), oracle.as_ref(), begun);
                continue;
            }
            oracle.select_chain(queued.chain, queued.request.stands_at.as_ref());
            // A fault of an adaptor must not leave the driver waiting for an answer that never comes.
            let labelled = catch_unwind(AssertUnwindSafe(|| {
                let (answer, spent) = self.label(oracle.as_mut(), &queued.request);
                let answer = self.compare_cold(oracle.as_mut(), &queued.request, answer, &mut warm_labels);
                (answer, spent)
            }));
            let (answer, spent) = labelled.unwrap_or_else(|_| {
                let fault = OracleError::Fatal {
                    oracle: format!("worker {worker}"),
                    reason: "the adaptor has a fault and ended; please report it".to_owned(),
                };
                (Answer::Failed(fault), None)
            });
            for note in oracle.take_notes() {
                self.note(&queued.request, note);
            }
            let Answer::Failed(error) = answer else {
                failures = 0;
                self.reply(&queued.request, (answer, spent), oracle.as_ref(), begun);
                continue;
            };
            failures += 1;
            queued.tried.insert(worker);
            let hopeless = error.fault() == Fault::Fatal || self.queue.is_cancelled();
            if hopeless || !self.queue.another(worker, &queued.tried) {
                self.reply(&queued.request, (Answer::Failed(error), None), oracle.as_ref(), begun);
                continue;
            }
            (self.tell)(PoolEvent::Retry {
                id: queued.request.id.clone(),
                message: format!("worker {worker} gives it to another: {error}"),
            });
            let reason = error.to_string();
            if let Err(queued) = self.queue.push(queued) {
                self.reply(&queued.request, (Answer::Failed(error), None), oracle.as_ref(), begun);
            }
            if failures >= self.settings.retire_after {
                let error = OracleError::Transient {
                    oracle: format!("worker {worker}"),
                    reason: format!("retired after {failures} requests in a row without an answer; the last: {reason}"),
                };
                return self.leave(error, &oracle.fingerprint());
            }
        }
    }

    fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    fn note(&self, request: &PoolRequest<Id>, note: Note) {
        let id = request.id.clone();
        (self.tell)(PoolEvent::Note { id, note });
    }

    fn compare_cold(
        &self,
        oracle: &mut dyn Oracle,
        request: &PoolRequest<Id>,
        answer: Answer,
        warm_labels: &mut u64,
    ) -> Answer {
        let tell = |note| self.note(request, note);
        // A driver that was killed while it compared has left the calculation from nothing: due or not, it is compared now.
        let name = format!("{}-cold", request.name);
        let left_behind = oracle.left_behind(&self.settings.jobs, &name, &request.structure);
        let mut left_behind = left_behind.into_iter();
        let comparable = matches!(answer, Answer::Labels(_)) && oracle.was_warm();
        let answer = match self.settings.cold_check {
            Some(check) if comparable => {
                let begun = left_behind.next();
                if begun.is_some() || warm_labels.is_multiple_of(check.every.max(1)) {
                    let fresh = || fresh_folder(&self.settings.jobs, &format!("{name}-0"));
                    let job = JobDir::new(begun.unwrap_or_else(fresh)).with_asker(&self.left, &tell);
                    let (answer, compared) = check.compare(oracle, &request.structure, answer, &job, tell);
                    // Where it failed, the next label is compared in its place.
                    *warm_labels += u64::from(compared);
                    answer
                } else {
                    *warm_labels += 1;
                    answer
                }
            }
            _ => answer,
        };
        for folder in left_behind {
            oracle.abandon(&folder, "nothing is compared with it any more");
        }
        answer
    }

    fn reply(
        &self,
        request: &PoolRequest<Id>,
        (answer, spent): (Answer, Option<PathBuf>),
        oracle: &dyn Oracle,
        begun: Instant,
    ) {
        let fingerprint = oracle.fingerprint().of_elements(&request.structure.elements());
        (self.tell)(PoolEvent::Reply {
            id: request.id.clone(),
            answer,
            fingerprint,
            seconds: begun.elapsed().as_secs_f64(),
            memory: oracle.memory(),
            spent,
        });
    }

    /// Ends this worker; requests that nobody is left for are answered with its error.
    fn leave(&self, error: OracleError, fingerprint: &Fingerprint) {
        let (left, orphaned) = self.queue.retire(self.worker);
        for queued in orphaned {
            let failed = Answer::Failed(OracleError::Transient {
                oracle: format!("worker {}", self.worker),
                reason: error.to_string(),
            });
            (self.tell)(PoolEvent::Reply {
                id: queued.request.id.clone(),
                answer: failed,
                fingerprint: fingerprint.of_elements(&queued.request.structure.elements()),
                seconds: 0.0,
                memory: None,
                spent: None,
            });
        }
        let worker = self.worker;
        (self.tell)(PoolEvent::Gone { worker, left, error });
    }

    /// One request with its retries: transient faults up to `retries` times, unphysical ones believed when two attempts in a
    /// row agree. What an earlier driver left behind comes first. With the answer comes the folder it was found in.
    fn label(&self, oracle: &mut dyn Oracle, request: &PoolRequest<Id>) -> (Answer, Option<PathBuf>) {
        let settings = &self.settings;
        let mut delay = settings.retry_delay;
        let mut transient = 0;
        let mut unphysical = 0;
        let tell = |note| self.note(request, note);
        let left_behind = oracle.left_behind(&settings.jobs, &request.name, &request.structure);
        let mut left_behind = left_behind.into_iter();
        for attempt in 0.. {
            let fresh = || fresh_folder(&settings.jobs, &format!("{}-{attempt}", request.name));
            let job = JobDir::new(left_behind.next().unwrap_or_else(fresh));
            let job = job.with_asker(&self.left, &tell).asked_again();
            let error = match oracle.label(&request.structure, &job) {
                Ok(labels) if labels.is_finite() => {
                    let spent = job.path().exists().then(|| job.path().to_owned());
                    return (Answer::Labels(labels), spent);
                }
                Ok(_) => OracleError::Unphysical {
                    oracle: "oracle".to_owned(),
                    reason: "its answer holds a number that is not finite".to_owned(),
                },
                Err(error) => error,
            };
            match error.fault() {
                Fault::Fatal => return (Answer::Failed(error), None),
                Fault::Left => return (Answer::Left(error.to_string()), None),
                Fault::Unphysical => {
                    unphysical += 1;
                    if unphysical == 2 {
                        return (Answer::Unphysical(error.to_string()), None);
                    }
                }
                Fault::Transient => {
                    transient += 1;
                    unphysical = 0;
                    if transient > settings.retries || self.queue.is_cancelled() {
                        return (Answer::Failed(error), None);
                    }
                }
            }
            if self.is_left() {
                return (Answer::Left(error.to_string()), None);
            }
            (self.tell)(PoolEvent::Retry {
                id: request.id.clone(),
                message: error.to_string(),
            });
            if error.fault() == Fault::Transient {
                self.queue.sleep(delay, || self.is_left());
                delay = (2 * delay).min(Duration::from_mins(5));
            }
        }
        unreachable!("the loop over attempts only ends by returning")
    }
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
