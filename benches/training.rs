//! Time of the linear fit and of one epoch of the networks, on 100 labels of 64 silicon atoms: one epoch is the gradient of energies
//! and all forces over 80 of them and the validation on the others.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use slmc::descriptor::{DescriptorConfig, Preset};
use slmc::network::NetworkConfig;
use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::Workspace;
use slmc::training::{AdamwConfig, LabelledStructure, OptimiserConfig, Stage, Trainer, TrainingConfig};

/// Displaced copies of the example's crystal, labelled by Stillinger–Weber.
fn labels() -> Vec<Arc<LabelledStructure>> {
    let frames = slmc::formats::read("examples/silicon/silicon.xyz").expect("the example's structure");
    let start = &frames[0].structure;
    let config = AnalyticConfig::by_name("stillinger-weber").expect("a surface");
    let surface = build(&config, start).expect("silicon");
    let mut workspace = Workspace::new();
    (0..100)
        .map(|label| {
            let wave = |i: usize, k: usize| 0.15 * ((7 * i + 3 * k + 11 * label * (i + 1)) as f64).sin();
            let positions = start.positions.iter().enumerate();
            let structure = start.with_positions(
                positions
                    .map(|(i, p)| std::array::from_fn(|k| p[k] + wave(i, k)))
                    .collect(),
            );
            let labels = surface.evaluate(&structure, &mut workspace);
            Arc::new(LabelledStructure { structure, labels })
        })
        .collect()
}

fn trainer(preset: Preset, hidden: Vec<usize>, epochs: usize) -> Trainer {
    let descriptor = DescriptorConfig {
        preset,
        radial_cutoff: Some("6 Å".parse().expect("a length")),
        angular_cutoff: Some("4.5 Å".parse().expect("a length")),
        ..DescriptorConfig::default()
    };
    let network = NetworkConfig {
        hidden,
        ..NetworkConfig::default()
    };
    let training = TrainingConfig {
        memory_budget: 8192,
        optimiser: OptimiserConfig::Adamw(AdamwConfig {
            epochs,
            patience: epochs + 1,
            ..AdamwConfig::default()
        }),
        ..TrainingConfig::default()
    };
    Trainer::new(descriptor, network, training).expect("a valid configuration")
}

fn benches(criterion: &mut Criterion) {
    let labels = labels();
    for (name, preset) in [("standard", Preset::Standard), ("moment-tensor", Preset::MomentTensor)] {
        let mut group = criterion.benchmark_group(format!("100 labels of 64 atoms, {name}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        group.bench_function("descriptors and linear fit", |bencher| {
            bencher.iter(|| {
                let mut trainer = trainer(preset, Vec::new(), 1);
                trainer.fit(&labels, None, 1, &|_| {}).expect("a fit")
            });
        });
        group.bench_function("one epoch of 20-20", |bencher| {
            bencher.iter_custom(|epochs| {
                let epochs = epochs as usize;
                let seen: RefCell<Vec<Instant>> = RefCell::default();
                let mut trainer = trainer(preset, vec![20, 20], epochs + 1);
                let fit = trainer.fit(&labels, None, 1, &|progress| {
                    if matches!(progress.stage, Stage::Networks { .. }) {
                        seen.borrow_mut().push(Instant::now());
                    }
                });
                fit.expect("a fit");
                let seen = seen.into_inner();
                assert_eq!(seen.len(), epochs + 1, "training stopped early");
                seen.last().map_or(Duration::ZERO, |last| *last - seen[0])
            });
        });
        group.finish();
    }
}

criterion_group!(training, benches);
criterion_main!(training);
