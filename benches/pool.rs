//! What a label costs beside the oracle's own time: labels per second of `slmc label`'s machinery over the number of workers, with
//! oracles that sleep, and the round trip of the socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use slmc::formats::Frame;
use slmc::oracle::ipi::{Elements, IpiConfig, ServerAddress, open, serve};
use slmc::oracle::pool::{OpenOracle, PoolSettings};
use slmc::oracle::{Fingerprint, JobDir, Oracle, OracleError};
use slmc::potential::{Labels, Potential, Workspace};
use slmc::run::batch::{Batch, BatchObserver};
use slmc::run::stop::StopFlag;
use slmc::structure::{Cell, Species, Structure};

/// A first-principles label takes seconds to hours; one of this length is already hard on whoever hands out the work.
const SLEEP: Duration = Duration::from_millis(50);
/// Labels for each worker and batch: the last of each wave is waited for once.
const EACH: usize = 8;

/// Sixty-four atoms.
fn atoms(shift: f64) -> Structure {
    let argon: Species = "Ar".parse().expect("an element");
    let place = |k: usize| {
        [
            (k % 4) as f64 * 4.0 + shift,
            ((k / 4) % 4) as f64 * 4.0,
            (k / 16) as f64 * 4.0,
        ]
    };
    let cell = Cell::cubic(16.0).expect("a cell");
    Structure::new(cell, vec![argon; 64], (0..64).map(place).collect()).expect("a structure")
}

fn nothing(structure: &Structure) -> Labels {
    Labels {
        energy: 0.0,
        forces: Some(vec![[0.0; 3]; structure.len()]),
        stress: Some([[0.0; 3]; 3]),
    }
}

/// Answers at once.
struct Flat;

impl Potential for Flat {
    fn evaluate(&self, structure: &Structure, _: &mut Workspace) -> Labels {
        nothing(structure)
    }
}

/// Answers after a while.
struct Asleep;

impl Oracle for Asleep {
    fn label(&mut self, structure: &Structure, _: &JobDir) -> Result<Labels, OracleError> {
        std::thread::sleep(SLEEP);
        Ok(nothing(structure))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint(BTreeMap::new())
    }
}

struct Quiet;

impl BatchObserver for Quiet {
    fn progress(&mut self, _: usize) {}
    fn warn(&mut self, _: &str) {}
    fn note(&mut self, _: &str) {}
    fn retry(&mut self, _: usize, _: &str) {}
}

/// Labels a file of structures as `slmc label` does: journal forced to disk at each answer, output written at the end.
fn label(workers: usize, count: usize) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let frames = (0..count).map(|k| Frame::new(atoms(1e-3 * k as f64))).collect();
    let settings = PoolSettings {
        workers,
        retries: 0,
        retry_delay: Duration::ZERO,
        retire_after: 1,
        jobs: folder.path().join("jobs"),
        cold_check: None,
    };
    let oracle: OpenOracle = Arc::new(|_| Ok(Box::new(Asleep)));
    let begun = Instant::now();
    let batch = Batch::open(frames, &folder.path().join("out.xyz")).expect("a batch");
    let end = batch
        .run(&oracle, &settings, &StopFlag::default(), &mut Quiet)
        .expect("labels");
    assert_eq!(end.labelled, count);
    begun.elapsed()
}

fn workers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("labels of oracles that sleep 50 ms");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_secs(5));
    let mut least = BTreeMap::new();
    for workers in [1, 2, 4, 8, 16] {
        let count = EACH * workers;
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{workers} workers"), |bencher| {
            bencher.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        let took = label(workers, count);
                        let known = least.entry(workers).or_insert(took);
                        *known = took.min(*known);
                        took
                    })
                    .sum()
            });
        });
    }
    group.finish();
    // The least of many repeats: what others do on the machine only adds.
    let rate = |workers: usize| (EACH * workers) as f64 / least.get(&workers).map_or(f64::NAN, Duration::as_secs_f64);
    println!("workers  labels/s  of W times one worker");
    for workers in least.keys() {
        println!(
            "{workers:7}  {:8.1}  {:.3}",
            rate(*workers),
            rate(*workers) / (*workers as f64 * rate(1))
        );
    }
}

fn round_trip(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = IpiConfig {
        command: String::new(),
        socket: format!("bench-{}", std::process::id()),
        ..IpiConfig::default()
    };
    let structure = atoms(0.0);
    let mut oracle = open(&config, &structure, folder.path(), folder.path()).expect("a server");
    let name = oracle.waits_at().expect("a name").to_owned();
    let elements = Elements::Of(Box::new(structure.clone()));
    let client = std::thread::spawn(move || {
        let mut connection = ServerAddress::parse(&name)
            .connect(Duration::from_secs(10))
            .expect("a server");
        serve(&mut connection, &Flat, &elements)
    });
    let job = JobDir::new(folder.path().join("job"));
    criterion.bench_function("socket round trip, 64 atoms", |bencher| {
        bencher.iter(|| oracle.label(&structure, &job).expect("an answer"));
    });
    drop(oracle);
    // It ends with the server.
    let _ = client.join();
}

criterion_group!(benches, workers, round_trip);
criterion_main!(benches);
