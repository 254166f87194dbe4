//! What the driver itself costs per step: journal, decision and channels, at 64 atoms, with an oracle and a proposal surface that
//! answer at once. The limit is one millisecond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use slmc::dynamics::Kinetics;
use slmc::observe::Silent;
use slmc::oracle::{Fingerprint, JobDir, Oracle, OracleError};
use slmc::potential::{Labels, Potential, Workspace};
use slmc::run::journal::Durability;
use slmc::run::plan::{Plan, ProposalSource, SamplingPlan};
use slmc::run::stop::StopFlag;
use slmc::run::{Driver, RunDirectory};
use slmc::sampling::{Acceptance, Ensemble, Environment, Kernel, TrajectoryPlan};
use slmc::structure::Structure;

/// Steps of a measured run: enough that its start and its last write to the disk weigh little.
const STEPS: u64 = 2_000;

/// A flat surface: no energy, no forces, no stress, no time.
struct Flat;

fn nothing(structure: &Structure) -> Labels {
    Labels {
        energy: 0.0,
        forces: Some(vec![[0.0; 3]; structure.len()]),
        stress: Some([[0.0; 3]; 3]),
    }
}

impl Potential for Flat {
    fn evaluate(&self, structure: &Structure, _: &mut Workspace) -> Labels {
        nothing(structure)
    }
}

impl Oracle for Flat {
    fn label(&mut self, structure: &Structure, _: &JobDir) -> Result<Labels, OracleError> {
        Ok(nothing(structure))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }
}

fn plan(start: &Structure, chains: usize, steps: u64, cheap_oracle: bool) -> Plan {
    Plan {
        config: String::new(),
        starts: vec![start.clone(); chains],
        environment: Environment {
            kinetics: Kinetics::new(Arc::clone(&start.masses), Arc::clone(&start.fixed), true),
            thermal_energy: 0.025,
            ensemble: Ensemble::Canonical,
            acceptance: Acceptance::Metropolis,
            groups: Arc::default(),
            seed: 1,
        },
        ladder: None,
        first_stage: None,
        kernel: Kernel::Slhmc,
        trajectory: TrajectoryPlan {
            time_step: 1e-3,
            steps: 1,
            segments: 1,
            jitter: 0.0,
            momentum_draws: 3,
            band: 1.0,
        },
        proposal: ProposalSource::Fixed(Arc::new(Flat)),
        sampling: SamplingPlan {
            steps,
            discard: 0,
            until_ess: None,
            max_labels: None,
            max_unphysical: 0,
        },
        open_oracle: Arc::new(|_| Ok(Box::new(Flat))),
        workers: chains,
        retries: 0,
        retry_delay: Duration::ZERO,
        cold_check: None,
        retire_after: 2,
        cheap_oracle,
        durability: Durability::Periodic(Duration::from_secs(2)),
        trajectory_every: if cheap_oracle { 10 } else { 1 },
        anchor_every: 20,
        time_limit: None,
    }
}

/// The time that so many steps of all chains together take, from opening the run directory to the last journal.
fn run(start: &Structure, chains: usize, steps: u64, cheap_oracle: bool) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = RunDirectory::new(folder.path().join("run"));
    directory.create().expect("a run directory");
    let lock = directory.lock().expect("nobody else");
    let each = steps.div_ceil(chains as u64);
    let plan = plan(start, chains, each, cheap_oracle);
    let begun = Instant::now();
    let mut driver = Driver::open(plan, directory, lock, StopFlag::new(), false).expect("a run");
    driver.run(&mut Silent).expect("it ends");
    begun.elapsed()
}

fn overhead(criterion: &mut Criterion) {
    let frames = slmc::formats::read("examples/silicon/silicon.xyz").expect("the example's structure");
    let start = &frames[0].structure;
    let mut group = criterion.benchmark_group("driver, 64 atoms, per step");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    group
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_millis(1));
    for (name, chains, cheap) in [
        ("1 chain, cheap oracle", 1, true),
        ("2 chains, cheap oracle", 2, true),
        ("1 chain, every label stored", 1, false),
    ] {
        group.bench_function(name, |bencher| {
            // A run is always as long; what is asked for is scaled from it.
            bencher.iter_custom(|steps| run(start, chains, STEPS, cheap).mul_f64(steps as f64 / STEPS as f64));
        });
    }
    group.finish();
}

criterion_group!(benches, overhead);
criterion_main!(benches);
