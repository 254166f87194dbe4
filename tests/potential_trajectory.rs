//! Promise: trajectories on a learnt potential are those of a Hamiltonian. Energy is conserved over 10 ps, the better the shorter the time
//! step, and the way back leads home; forces that belong to no energy are caught.

use std::sync::Arc;

use rand::RngExt;
use slmc::descriptor::DescriptorConfig;
use slmc::dynamics::{Kinetics, integrate};
use slmc::linear::Vec3;
use slmc::network::NetworkConfig;
use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::{NeuralPotential, Potential, Swirl, Workspace};
use slmc::rng::{Purpose, stream};
use slmc::structure::{Cell, Structure};
use slmc::training::{AdamwConfig, LabelledStructure, OptimiserConfig, Trainer, TrainingConfig};
use slmc::units::{BOLTZMANN, FEMTOSECOND};

/// Eight silicon atoms, and a potential with a network learnt from 60 displaced copies on Stillinger and Weber's surface.
fn learnt() -> (Structure, NeuralPotential) {
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
    let frames: Vec<_> = (0..60)
        .map(|_| {
            let mut structure = crystal.clone();
            for x in structure.positions.iter_mut().flatten() {
                *x += 0.2 * (2.0 * generator.random::<f64>() - 1.0);
            }
            let labels = surface.evaluate(&structure, &mut Workspace::new());
            Arc::new(LabelledStructure { structure, labels })
        })
        .collect();
    let network = NetworkConfig {
        hidden: vec![8, 8],
        ..NetworkConfig::default()
    };
    let training = TrainingConfig {
        networks_after: 0,
        optimiser: OptimiserConfig::Adamw(AdamwConfig {
            epochs: 60,
            ..AdamwConfig::default()
        }),
        ..TrainingConfig::default()
    };
    let mut trainer = Trainer::new(DescriptorConfig::default(), network, training).unwrap();
    (crystal, trainer.fit(&frames, None, 3, &|_| {}).unwrap().potential)
}

fn at_300_kelvin(crystal: &Structure) -> (Kinetics, Vec<Vec3>) {
    let kinetics = Kinetics::new(Arc::clone(&crystal.masses), Arc::clone(&crystal.fixed), true);
    let momenta = kinetics.draw(300.0 * BOLTZMANN, &mut stream(3, 0, 0, Purpose::Start));
    (kinetics, momenta)
}

/// The total energy every 10 fs of 10 ps, eV.
fn energies(potential: &dyn Potential, crystal: &Structure, femtoseconds: f64) -> Vec<f64> {
    let (kinetics, mut momenta) = at_300_kelvin(crystal);
    let mut workspace = Workspace::new();
    let mut structure = crystal.clone();
    let mut labels = potential.evaluate(&structure, &mut workspace);
    let steps = (10.0 / femtoseconds).round() as usize;
    (0..1000)
        .map(|_| {
            let leg = integrate(
                potential,
                &kinetics,
                &structure,
                std::mem::take(&mut momenta),
                &labels,
                femtoseconds * FEMTOSECOND,
                steps,
                f64::INFINITY,
                &mut workspace,
                &mut |_, _| {},
            );
            assert!(!leg.diverged);
            (structure, momenta, labels) = (leg.structure, leg.momenta, leg.labels);
            labels.energy + leg.kinetic_end
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation, and the change of the mean from the first to the last fifth.
fn spread_and_drift(energies: &[f64]) -> [f64; 2] {
    let centre = mean(energies);
    let squares: Vec<f64> = energies.iter().map(|energy| (energy - centre).powi(2)).collect();
    let fifth = energies.len() / 5;
    let drift = mean(&energies[4 * fifth..]) - mean(&energies[..fifth]);
    [mean(&squares).sqrt(), drift]
}

#[test]
fn ten_picoseconds_conserve_the_energy() {
    let (crystal, potential) = learnt();
    let kt = 300.0 * BOLTZMANN;
    let [coarse, coarse_drift] = spread_and_drift(&energies(&potential, &crystal, 2.0));
    let [fine, fine_drift] = spread_and_drift(&energies(&potential, &crystal, 1.0));
    println!("2 fs: {coarse:.2e}, drift {coarse_drift:.2e}; 1 fs: {fine:.2e}, drift {fine_drift:.2e} eV");
    // Verlet's energy wanders by the square of the time step, and goes nowhere.
    assert!(fine < 0.02 * kt, "{fine} eV");
    assert!((2.5..6.0).contains(&(coarse / fine)), "{coarse} and {fine} eV");
    for (drift, spread) in [(coarse_drift, coarse), (fine_drift, fine)] {
        assert!(drift.abs() < spread, "{drift} eV of {spread}");
    }
    // Forces with a part that is no gradient must be seen.
    let swirl = Swirl::new(Arc::new(potential), 0.02);
    let [_, drift] = spread_and_drift(&energies(&swirl, &crystal, 1.0));
    println!("swirl: drift {drift:.2e} eV");
    assert!(drift.abs() > 10.0 * fine, "{drift} eV of {fine}");
}

#[test]
fn a_trajectory_leads_back_to_its_start() {
    let (crystal, potential) = learnt();
    let (kinetics, momenta) = at_300_kelvin(&crystal);
    let mut workspace = Workspace::new();
    let mut run = |structure: &Structure, momenta: Vec<Vec3>| {
        let labels = potential.evaluate(structure, &mut workspace);
        integrate(
            &potential,
            &kinetics,
            structure,
            momenta,
            &labels,
            FEMTOSECOND,
            500,
            f64::INFINITY,
            &mut workspace,
            &mut |_, _| {},
        )
    };
    let there = run(&crystal, momenta.clone());
    let apart = |a: &[Vec3], b: &[Vec3]| {
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(apart(&there.structure.positions, &crystal.positions) > 0.01);
    let back = run(&there.structure, there.momenta.iter().map(|p| p.map(|x| -x)).collect());
    let found = apart(&back.structure.positions, &crystal.positions);
    assert!(found < 1e-9, "{found} Å");
    // With the momenta not turned round it goes elsewhere.
    let away = run(&there.structure, there.momenta);
    assert!(apart(&away.structure.positions, &crystal.positions) > 0.01);
}
