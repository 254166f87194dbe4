//! The promise: labels are paid for once. Workers that fail are retired and their work goes to the others; an interrupted batch
//! goes on where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slmc::formats::Frame;
use slmc::oracle::pool::{Answer, OpenOracle, Pool, PoolEvent, PoolRequest, PoolSettings};
use slmc::oracle::{Fingerprint, JobDir, Oracle, OracleError};
use slmc::potential::Labels;
use slmc::run::batch::{Batch, BatchEnd, BatchError, BatchObserver};
use slmc::run::stop::StopFlag;
use slmc::structure::Structure;

/// An oracle whose energy is the first atom's x, that fails as `broken` says and counts what it answered.
struct Scripted {
    worker: usize,
    broken: fn(usize, usize) -> bool,
    calls: usize,
    answered: Arc<Mutex<Vec<(usize, u64)>>>,
    version: &'static str,
}

impl Oracle for Scripted {
    fn label(&mut self, structure: &Structure, _: &JobDir) -> Result<Labels, OracleError> {
        self.calls += 1;
        std::thread::sleep(Duration::from_millis(2));
        if (self.broken)(self.worker, self.calls) {
            return Err(OracleError::Transient {
                oracle: "scripted".to_owned(),
                reason: "it is broken".to_owned(),
            });
        }
        let energy = structure.positions[0][0];
        self.answered.lock().unwrap().push((self.worker, energy.to_bits()));
        Ok(Labels {
            energy,
            forces: None,
            stress: None,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint(BTreeMap::from([("version".to_owned(), self.version.to_owned())]))
    }
}

type Answered = Arc<Mutex<Vec<(usize, u64)>>>;

fn scripted(broken: fn(usize, usize) -> bool, version: &'static str) -> (OpenOracle, Answered) {
    let answered = Answered::default();
    let log = Arc::clone(&answered);
    let open: OpenOracle = Arc::new(move |worker| {
        Ok(Box::new(Scripted {
            worker,
            broken,
            calls: 0,
            answered: Arc::clone(&log),
            version,
        }))
    });
    (open, answered)
}

fn settings(workers: usize, folder: &Path) -> PoolSettings {
    PoolSettings {
        cold_check: None,
        workers,
        retries: 1,
        retry_delay: Duration::from_millis(1),
        retire_after: 2,
        jobs: folder.to_owned(),
    }
}

/// A structure whose first atom's x is its number.
fn structures(count: usize) -> Vec<Structure> {
    let mut text = String::new();
    for number in 0..count {
        text.push_str("2\nLattice=\"90 0 0 0 90 0 0 0 90\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n");
        text.push_str(&format!("Ar {number} 0 0\nAr 0 5 0\n"));
    }
    let frames = slmc::formats::xyz::parse(&text, "made").unwrap();
    frames.into_iter().map(|frame| frame.structure).collect()
}

/// What a pool came to: energies by request, gone workers with how many were left, and failures.
#[derive(Default)]
struct Outcome {
    energies: BTreeMap<usize, f64>,
    gone: Vec<(usize, usize)>,
    failed: usize,
}

/// Sends every structure, request k for chain k mod `chains`, and waits for all replies.
fn label_all(open: &OpenOracle, settings: &PoolSettings, chains: Option<usize>, count: usize) -> Outcome {
    let (tell, events) = crossbeam::channel::unbounded();
    let pool = Pool::start(open, settings, move |event| tell.send(event).unwrap()).unwrap();
    let mut outcome = Outcome::default();
    let mut refused = 0;
    for (id, structure) in structures(count).into_iter().enumerate() {
        let sent = pool.submit(PoolRequest {
            stands_at: None,
            id,
            name: format!("request-{id}"),
            structure,
            chain: chains.map(|chains| id % chains),
        });
        refused += usize::from(!sent);
    }
    while outcome.energies.len() + outcome.failed + refused < count {
        match events.recv_timeout(Duration::from_mins(1)).unwrap() {
            PoolEvent::Reply { id, answer, .. } => match answer {
                Answer::Labels(labels) => assert!(outcome.energies.insert(id, labels.energy).is_none(), "{id} twice"),
                Answer::Failed(_) => outcome.failed += 1,
                Answer::Left(reason) => panic!("left: {reason}"),
                Answer::Unphysical(reason) => panic!("{reason}"),
            },
            PoolEvent::Gone { worker, left, .. } => outcome.gone.push((worker, left)),
            PoolEvent::Opened { .. } | PoolEvent::Retry { .. } | PoolEvent::Note { .. } => {}
        }
    }
    drop(pool);
    for event in events.try_iter() {
        if let PoolEvent::Gone { worker, left, .. } = event {
            outcome.gone.push((worker, left));
        }
    }
    outcome
}

#[test]
fn a_worker_that_keeps_failing_is_retired_and_the_others_do_its_work() {
    let folder = tempfile::tempdir().unwrap();
    for chains in [None, Some(6)] {
        let (open, answered) = scripted(|worker, _| worker == 1, "1");
        let outcome = label_all(&open, &settings(3, folder.path()), chains, 30);
        assert_eq!(outcome.energies.len(), 30);
        assert!(outcome.energies.iter().all(|(id, energy)| *energy == *id as f64));
        // Without chains the others may have done everything before the bad one has failed twice.
        assert!(
            outcome.gone == [(1, 2)] || (chains.is_none() && outcome.gone.is_empty()),
            "{:?}",
            outcome.gone
        );
        let answered = answered.lock().unwrap();
        assert_eq!(answered.len(), 30, "each label is computed once");
        assert!(answered.iter().all(|(worker, _)| *worker != 1));
    }
}

#[test]
fn a_chain_stays_with_its_worker() {
    let folder = tempfile::tempdir().unwrap();
    let (open, answered) = scripted(|_, _| false, "1");
    let outcome = label_all(&open, &settings(3, folder.path()), Some(6), 60);
    assert!(outcome.gone.is_empty() && outcome.energies.len() == 60);
    for (worker, energy) in answered.lock().unwrap().iter() {
        let request = f64::from_bits(*energy) as usize;
        assert_eq!(request % 6 % 3, *worker);
    }
}

#[test]
fn now_and_then_a_failure_retires_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (open, _) = scripted(|_, call| call % 3 == 1, "1");
    let outcome = label_all(&open, &settings(2, folder.path()), None, 20);
    assert!(outcome.gone.is_empty() && outcome.failed == 0);
}

#[test]
fn with_no_worker_left_every_request_is_answered_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (open, _) = scripted(|_, _| true, "1");
    let outcome = label_all(&open, &settings(3, folder.path()), Some(3), 12);
    assert_eq!(outcome.energies.len(), 0);
    assert!(outcome.failed > 0);
    let open: OpenOracle = Arc::new(|worker| {
        Err(OracleError::Fatal {
            oracle: format!("number {worker}"),
            reason: "not installed".to_owned(),
        })
    });
    let outcome = label_all(&open, &settings(3, folder.path()), None, 12);
    assert_eq!(outcome.energies.len(), 0);
    assert!(outcome.gone.iter().any(|(_, left)| *left == 0));
}

#[test]
fn one_worker_that_cannot_open_leaves_the_work_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (rest, _) = scripted(|_, _| false, "1");
    let open: OpenOracle = Arc::new(move |worker| {
        if worker == 0 {
            return Err(OracleError::Transient {
                oracle: "number 0".to_owned(),
                reason: "its node is down".to_owned(),
            });
        }
        rest(worker)
    });
    let outcome = label_all(&open, &settings(2, folder.path()), Some(2), 10);
    assert_eq!((outcome.energies.len(), outcome.gone), (10, vec![(0, 1)]));
}

/// Hears nothing.
struct Deaf;

impl BatchObserver for Deaf {
    fn progress(&mut self, _: usize) {}
    fn warn(&mut self, _: &str) {}
    fn note(&mut self, _: &str) {}
    fn retry(&mut self, _: usize, _: &str) {}
}

fn batch(open: &OpenOracle, folder: &Path, count: usize) -> Result<BatchEnd, BatchError> {
    let frames: Vec<Frame> = structures(count).into_iter().map(Frame::from).collect();
    Batch::open(frames, &folder.join("out.xyz"))?.run(open, &settings(2, folder), &StopFlag::new(), &mut Deaf)
}

#[test]
fn an_interrupted_batch_pays_for_no_label_twice() {
    let folder = tempfile::tempdir().unwrap();
    // Both workers break for good at their fifth call.
    let (open, first) = scripted(|_, call| call >= 5, "1");
    let error = batch(&open, folder.path(), 40).unwrap_err();
    assert!(matches!(error, BatchError::Oracle(_)), "{error}");
    assert!(!folder.path().join("out.xyz").exists());
    // Another oracle must not finish what this one began.
    let (open, _) = scripted(|_, _| false, "2");
    let error = batch(&open, folder.path(), 40).unwrap_err().to_string();
    assert!(error.contains("version was 1 and is 2"), "{error}");
    // Nor may the journal serve other structures.
    let moved: Vec<Frame> = structures(41).into_iter().skip(1).map(Frame::from).collect();
    let error = Batch::open(moved, &folder.path().join("out.xyz"))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("other structures"), "{error}");
    let (open, second) = scripted(|_, _| false, "1");
    let end = batch(&open, folder.path(), 40).unwrap();
    assert_eq!((end.labelled, end.unphysical, end.missing), (40, 0, 0));
    let bought: Vec<u64> = [first, second]
        .iter()
        .flat_map(|log| log.lock().unwrap().clone())
        .map(|(_, energy)| energy)
        .collect();
    assert_eq!(bought.len(), 40, "each label is computed once");
    let frames = slmc::formats::read(folder.path().join("out.xyz")).unwrap();
    let energies: Vec<f64> = frames
        .iter()
        .map(|frame| frame.labels.as_ref().unwrap().energy)
        .collect();
    assert_eq!(energies, (0..40).map(f64::from).collect::<Vec<_>>());
    assert!(!folder.path().join("out.xyz.journal").exists());
    // Labels of another oracle are not added to a finished file.
    let (open, _) = scripted(|_, _| false, "2");
    let error = batch(&open, folder.path(), 41).unwrap_err().to_string();
    assert!(error.contains("another oracle"), "{error}");
}

#[test]
fn a_stopped_batch_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let stop = StopFlag::new();
    let (cell, counted) = (stop.cell(), Arc::clone(&calls));
    let (rest, _) = scripted(|_, _| false, "1");
    let open: OpenOracle = Arc::new(move |worker| {
        let (cell, counted, inner) = (Arc::clone(&cell), Arc::clone(&counted), rest(worker)?);
        Ok(Box::new(Stopping { cell, counted, inner }))
    });
    let frames: Vec<Frame> = structures(50).into_iter().map(Frame::from).collect();
    let opened = Batch::open(frames, &folder.path().join("out.xyz")).unwrap();
    let end = opened
        .run(&open, &settings(2, folder.path()), &stop, &mut Deaf)
        .unwrap();
    assert!(end.missing > 0 && end.labelled >= 7, "{end:?}");
    let (open, second) = scripted(|_, _| false, "1");
    assert_eq!(batch(&open, folder.path(), 50).unwrap().labelled, 50);
    assert_eq!(second.lock().unwrap().len(), 50 - end.labelled);
}

/// Asks for a stop at its seventh call.
struct Stopping {
    cell: Arc<AtomicUsize>,
    counted: Arc<AtomicUsize>,
    inner: Box<dyn Oracle>,
}

impl Oracle for Stopping {
    fn label(&mut self, structure: &Structure, job: &JobDir) -> Result<Labels, OracleError> {
        if self.counted.fetch_add(1, Ordering::Relaxed) == 6 {
            self.cell.store(2, Ordering::Relaxed);
        }
        self.inner.label(structure, job)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint()
    }
}
