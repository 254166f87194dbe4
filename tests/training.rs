//! The promises of training, on a small analytic system: the linear path alone is already good, networks help or are left
//! out, the bits depend on nothing but the arguments, and what is held out stays unseen.

use std::sync::Arc;

use rand::RngExt;
use slmc::descriptor::DescriptorConfig;
use slmc::network::NetworkConfig;
use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::Workspace;
use slmc::rng::{Purpose, stream};
use slmc::structure::{Cell, Structure};
use slmc::training::{
    AdamwConfig, Fit, KalmanConfig, LabelledStructure, OptimiserConfig, PartlyLabelled, Trainer, TrainingConfig,
    predict,
};

/// Eight silicon atoms of Stillinger and Weber's potential, displaced at random.
fn frames(count: usize, amplitude: f64) -> Vec<Arc<LabelledStructure>> {
    let edge = 5.431;
    let mut positions = Vec::new();
    for corner in [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]] {
        for offset in [0.0, 0.25] {
            positions.push(corner.map(|x: f64| (x + offset) * edge));
        }
    }
    let crystal = Structure::new(Cell::cubic(edge).unwrap(), vec!["Si".parse().unwrap(); 8], positions).unwrap();
    let surface = build(&AnalyticConfig::by_name("stillinger-weber").unwrap(), &crystal).unwrap();
    let mut generator = stream(5, 0, 0, Purpose::Bootstrap);
    (0..count)
        .map(|_| {
            let mut structure = crystal.clone();
            for x in structure.positions.iter_mut().flatten() {
                *x += amplitude * (2.0 * generator.random::<f64>() - 1.0);
            }
            let labels = surface.evaluate(&structure, &mut Workspace::new());
            Arc::new(LabelledStructure { structure, labels })
        })
        .collect()
}

fn descriptor() -> DescriptorConfig {
    DescriptorConfig {
        radial_count: 8,
        angular_count: 3,
        angular_degree: 2,
        radial_cutoff: Some("4.5 Å".parse().unwrap()),
        angular_cutoff: Some("4.5 Å".parse().unwrap()),
        ..DescriptorConfig::default()
    }
}

fn network(hidden: &[usize]) -> NetworkConfig {
    NetworkConfig {
        hidden: hidden.to_vec(),
        ..NetworkConfig::default()
    }
}

fn adamw(config: AdamwConfig) -> TrainingConfig {
    TrainingConfig {
        networks_after: 0,
        optimiser: OptimiserConfig::Adamw(config),
        ..TrainingConfig::default()
    }
}

fn fit(trainer: &mut Trainer, frames: &[Arc<LabelledStructure>], previous: Option<&Fit>) -> Fit {
    trainer
        .fit(frames, previous.map(|fit| &fit.potential), 3, &|_| {})
        .unwrap()
}

fn trainer(network: NetworkConfig, training: TrainingConfig) -> Trainer {
    Trainer::new(descriptor(), network, training).unwrap()
}

fn energy_error(fit: &Fit, frames: &[Arc<LabelledStructure>]) -> f64 {
    let frames: Vec<PartlyLabelled> = frames
        .iter()
        .map(|frame| PartlyLabelled::from((**frame).clone()))
        .collect();
    predict(&fit.potential, &frames).summary.energy_error_std.unwrap()
}

fn bits(fit: &Fit) -> String {
    format!(
        "{}{}",
        serde_json::to_string(&fit.potential).unwrap(),
        serde_json::to_string(&fit.report).unwrap()
    )
}

#[test]
fn the_linear_path_predicts_new_frames_and_its_report_is_honest() {
    let all = frames(60, 0.1);
    let (train, test) = all.split_at(20);
    let fit = fit(&mut trainer(network(&[]), TrainingConfig::default()), train, None);
    let spread = {
        let mean = test.iter().map(|f| f.labels.energy).sum::<f64>() / 40.0;
        (test.iter().map(|f| (f.labels.energy - mean).powi(2)).sum::<f64>() / 39.0).sqrt()
    };
    let error = energy_error(&fit, test);
    assert!(error < 0.05 * spread, "{error} of {spread}");
    let claimed = fit.report.validation.energy_error_std;
    assert!(
        error < 2.0 * claimed && claimed < 2.0 * error,
        "{error}, claimed {claimed}"
    );
    assert!(fit.report.validation.stress_rmse.is_some());
    assert!(fit.potential.members.is_empty());
}

/// What the method lives on: the error of the total energy of 64 atoms after 20 labels, by defaults alone.
#[test]
fn twenty_labels_of_silicon_are_enough_by_default() {
    let edge = 5.431;
    let mut positions = Vec::new();
    for corner in [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]] {
        for offset in [0.0, 0.25] {
            positions.push(corner.map(|x: f64| (x + offset) * edge));
        }
    }
    let crystal = Structure::new(Cell::cubic(edge).unwrap(), vec!["Si".parse().unwrap(); 8], positions).unwrap();
    let crystal = crystal.supercell([2, 2, 2]);
    let surface = build(&AnalyticConfig::by_name("stillinger-weber").unwrap(), &crystal).unwrap();
    let mut generator = stream(6, 0, 0, Purpose::Bootstrap);
    let all: Vec<_> = (0..40)
        .map(|_| {
            let mut structure = crystal.clone();
            for x in structure.positions.iter_mut().flatten() {
                *x += 0.1 * (2.0 * generator.random::<f64>() - 1.0);
            }
            let labels = surface.evaluate(&structure, &mut Workspace::new());
            Arc::new(LabelledStructure { structure, labels })
        })
        .collect();
    let (train, test) = all.split_at(20);
    let defaults = DescriptorConfig::default();
    let mut trainer = Trainer::new(defaults, NetworkConfig::default(), TrainingConfig::default()).unwrap();
    let fit = fit(&mut trainer, train, None);
    let error = energy_error(&fit, test);
    assert!(error < 0.5e-3, "{error}\n{}", fit.report);
    // A cutoff that is given is kept, a cutoff that is not is one of the candidates.
    let spacing = edge / 2.0;
    let reach = fit.report.cutoff / spacing;
    assert!([2.2, 3.4, 4.6].iter().any(|r| (r - reach).abs() < 1e-9), "{reach}");
    let given = DescriptorConfig {
        radial_cutoff: Some("5 Å".parse().unwrap()),
        angular_cutoff: Some("4 Å".parse().unwrap()),
        ..DescriptorConfig::default()
    };
    let mut trainer = Trainer::new(given, network(&[]), TrainingConfig::default()).unwrap();
    assert_eq!(trainer.fit(train, None, 3, &|_| {}).unwrap().report.cutoff, 5.0);
}

#[test]
fn both_optimisers_learn_what_the_linear_path_leaves() {
    let all = frames(180, 0.15);
    let (train, test) = all.split_at(120);
    let linear = fit(&mut trainer(network(&[]), TrainingConfig::default()), train, None);
    let kalman = TrainingConfig {
        optimiser: OptimiserConfig::Kalman(KalmanConfig {
            epochs: 8,
            ..KalmanConfig::default()
        }),
        ..adamw(AdamwConfig::default())
    };
    let first = AdamwConfig {
        epochs: 60,
        ..AdamwConfig::default()
    };
    for training in [adamw(first), kalman] {
        let fit = fit(&mut trainer(network(&[8, 8]), training), train, None);
        assert!(fit.report.networks.as_ref().unwrap().kept, "{}", fit.report);
        let (with, without) = (energy_error(&fit, test), energy_error(&linear, test));
        assert!(with < 0.9 * without, "{with} with, {without} without: {}", fit.report);
    }
}

#[test]
fn a_network_alone_learns_energies_and_forces() {
    let train = frames(40, 0.15);
    let training = TrainingConfig {
        linear: false,
        ..adamw(AdamwConfig::default())
    };
    let fit = fit(&mut trainer(network(&[8, 8]), training), &train, None);
    assert!(fit.potential.linear.is_none());
    let before = &fit.report.networks.as_ref().unwrap().members[0].without;
    assert!(fit.report.validation.energy_error_std < 0.3 * before.energy_error_std);
    assert!(fit.report.validation.force_rmse.unwrap() < 0.3 * before.force_rmse.unwrap());
}

#[test]
fn a_warm_start_is_not_worse_than_the_start_and_old_frames_are_not_needed_again() {
    let all = frames(100, 0.25);
    let config = AdamwConfig {
        epochs: 60,
        warm_epochs: 10,
        ..AdamwConfig::default()
    };
    let mut growing = trainer(network(&[6]), adamw(config.clone()));
    let first = fit(&mut growing, &all[..80], None);
    assert!(first.report.networks.as_ref().unwrap().kept, "{}", first.report);
    let second = fit(&mut growing, &all, Some(&first));
    let member = &second.report.networks.as_ref().unwrap().members[0];
    assert!(member.warm && member.epochs <= 10, "{}", second.report);
    assert!(second.report.validation.energy_error_std < 1.2 * first.report.validation.energy_error_std);
    // A trainer that has never seen the first fit gives the same bits.
    let fresh = fit(&mut trainer(network(&[6]), adamw(config)), &all, Some(&first));
    assert!(bits(&fresh) == bits(&second));
}

#[test]
fn bits_do_not_depend_on_threads_or_on_the_memory_budget() {
    let all = frames(24, 0.2);
    let config = AdamwConfig {
        epochs: 3,
        ..AdamwConfig::default()
    };
    let run = |threads, memory_budget| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let training = TrainingConfig {
            memory_budget,
            ..adamw(config.clone())
        };
        let network = NetworkConfig {
            committee: 2,
            ..network(&[5])
        };
        pool.install(|| bits(&fit(&mut trainer(network, training), &all, None)))
    };
    let one = run(1, 1536);
    assert!(one == run(2, 1536));
    assert!(one == run(2, 0));
}

#[test]
fn divergence_keeps_what_was_good() {
    let all = frames(30, 0.2);
    let wild = AdamwConfig {
        learning_rate: 1e200,
        epochs: 5,
        ..AdamwConfig::default()
    };
    let diverged = fit(&mut trainer(network(&[5]), adamw(wild.clone())), &all, None);
    assert!(!diverged.report.networks.as_ref().unwrap().kept);
    assert!(diverged.potential.members.is_empty() && diverged.potential.linear.is_some());
    assert!(
        diverged.report.notes.iter().any(|note| note.contains("diverged")),
        "{}",
        diverged.report
    );

    // Without a linear path the previous potential stays.
    let alone = |config| TrainingConfig {
        linear: false,
        ..adamw(config)
    };
    let error = trainer(network(&[5]), alone(wild.clone()))
        .fit(&all, None, 3, &|_| {})
        .unwrap_err();
    assert!(error.to_string().contains("diverged"), "{error}");
}

#[test]
fn the_held_out_fold_never_teaches() {
    // Poisoned labels on the validation fold change what is reported of it and the final linear refit, not the networks.
    let clean = frames(30, 0.2);
    let mut poisoned = clean.clone();
    for index in (0..poisoned.len()).step_by(5) {
        let mut frame = (*poisoned[index]).clone();
        frame.labels.energy += 0.1 * (index as f64 - 12.0);
        poisoned[index] = Arc::new(frame);
    }
    // One epoch without early stop, and the linear path off: networks depend on the training folds alone.
    let training = TrainingConfig {
        linear: false,
        energy_weight: 1.0,
        ..adamw(AdamwConfig {
            epochs: 1,
            ..AdamwConfig::default()
        })
    };
    let networks = |frames: &[Arc<LabelledStructure>]| {
        let fit = fit(&mut trainer(network(&[5]), training.clone()), frames, None);
        (fit.potential.members, fit.report.validation.energy_error_std)
    };
    let (clean_members, clean_error) = networks(&clean);
    let (poisoned_members, poisoned_error) = networks(&poisoned);
    assert!(poisoned_error > clean_error);
    assert_eq!(clean_members, poisoned_members);
}

#[test]
fn frames_that_cannot_be_learnt_are_named() {
    let mut all = frames(3, 0.1);
    let mut frame = (*all[1]).clone();
    frame.labels.energy = f64::NAN;
    all[1] = Arc::new(frame);
    let error = trainer(network(&[]), TrainingConfig::default())
        .fit(&all, None, 0, &|_| {})
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "frame 1 cannot be trained on: a label is not a finite number"
    );
    let error = trainer(network(&[]), TrainingConfig::default())
        .fit(&[], None, 0, &|_| {})
        .unwrap_err();
    assert!(error.to_string().contains("no labelled frame"));
}

#[test]
fn one_frame_and_frames_without_forces_are_fitted() {
    let all = frames(12, 0.1);
    let fit_one = fit(&mut trainer(network(&[]), TrainingConfig::default()), &all[..1], None);
    assert!(fit_one.report.train.energy_rmse_per_atom < 1e-6);
    let bare: Vec<_> = all
        .iter()
        .map(|frame| {
            let mut frame = (**frame).clone();
            frame.labels.forces = None;
            frame.labels.stress = None;
            Arc::new(frame)
        })
        .collect();
    let fit = fit(&mut trainer(network(&[]), TrainingConfig::default()), &bare, None);
    assert_eq!(fit.report.train.force_rmse, None);
    assert!(fit.report.train.energy_error_std.is_finite());
}

/// Silicon by density-functional theory (PBE): crystals, strained cells, slabs, liquids, vacancies, of 2 to 64 atoms.
#[test]
fn first_principles_silicon_is_fitted() {
    let data = std::env::var_os("SLMC_REFERENCE_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        std::path::PathBuf::from,
    );
    let read = |name: &str, stride: usize| -> Option<Vec<Arc<LabelledStructure>>> {
        let path = data.join("mlearn").join(name);
        if !path.exists() {
            return None;
        }
        let frames = slmc::formats::read(path).unwrap();
        let labelled = frames.into_iter().step_by(stride).map(|frame| {
            let (structure, labels) = (frame.structure, frame.labels.unwrap());
            Arc::new(LabelledStructure { structure, labels })
        });
        Some(labelled.collect())
    };
    let (Some(train), Some(test)) = (read("Si.training.extxyz", 4), read("Si.test.extxyz", 2)) else {
        eprintln!("skipped: no mlearn reference data");
        return;
    };
    let descriptor = DescriptorConfig {
        radial_cutoff: Some("5.5 Å".parse().unwrap()),
        ..descriptor()
    };
    let mut trainer = Trainer::new(descriptor, network(&[]), TrainingConfig::default()).unwrap();
    let fit = fit(&mut trainer, &train, None);
    let test: Vec<PartlyLabelled> = test
        .iter()
        .map(|frame| PartlyLabelled::from((**frame).clone()))
        .collect();
    let summary = predict(&fit.potential, &test).summary;
    // Seventeen functions and a linear path: far from what the data allow, and far from wrong.
    assert!(
        summary.energy_rmse_per_atom.unwrap() < 0.05,
        "{summary:?}\n{}",
        fit.report
    );
    assert!(summary.force_rmse.unwrap() < 0.4, "{summary:?}\n{}", fit.report);
}
