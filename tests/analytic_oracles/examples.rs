//! The example structures are what they are said to be; an ignored test makes them anew.

use std::path::PathBuf;

use slmc::dynamics::{Kinetics, Langevin, LangevinState};
use slmc::formats::{Frame, xyz};
use slmc::linear::{Mat3, add, product, row_times, scale};
use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::{Potential, Workspace};
use slmc::rng::{Purpose, stream};
use slmc::structure::{Cell, Structure};
use slmc::units::{BOLTZMANN, FEMTOSECOND};

use crate::systems::{assert_close, fresh, quartz, structure};

fn path(example: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    folder.join(format!("{example}.xyz"))
}

fn example(name: &str) -> Structure {
    let frames = slmc::formats::read(path(name)).unwrap();
    assert_eq!(frames.len(), 1);
    frames[0].structure.clone()
}

fn surface(name: &str, first: &Structure) -> Box<dyn Potential> {
    build(&AnalyticConfig::by_name(name).unwrap(), first).unwrap()
}

/// The root of the mean square of the forces, eV/Å.
fn force(potential: &dyn Potential, structure: &Structure) -> f64 {
    let forces = fresh(potential, structure).forces.unwrap();
    let sum: f64 = forces.iter().flatten().map(|f| f * f).sum();
    (sum / (3 * forces.len()) as f64).sqrt()
}

#[test]
fn silicon_is_a_perfect_crystal() {
    let silicon = example("silicon");
    let potential = surface("stillinger-weber", &silicon);
    assert_eq!(silicon.len(), 64);
    assert!(force(potential.as_ref(), &silicon) < 1e-8);
    assert_close(
        "energy",
        fresh(potential.as_ref(), &silicon).energy,
        -64.0 * 4.3366,
        1e-3,
    );
}

#[test]
fn quartz_is_at_rest() {
    let quartz = example("quartz");
    let potential = surface("vashishta", &quartz);
    let elements: Vec<_> = quartz.species.iter().map(|s| s.symbol()).collect();
    assert_eq!(elements.iter().filter(|s| **s == "Si").count(), 24);
    assert_eq!(elements.iter().filter(|s| **s == "O").count(), 48);
    assert!(force(potential.as_ref(), &quartz) < 1e-6);
    let stress = fresh(potential.as_ref(), &quartz).stress.unwrap();
    assert!(stress.iter().flatten().all(|s| s.abs() < 1e-7), "{stress:?}");
}

#[test]
fn argon_is_a_liquid_at_its_density() {
    let argon = example("argon");
    assert_eq!(argon.len(), 108);
    let grams = argon.masses.iter().sum::<f64>() * 1.660_539_066_60e-24;
    assert_close("density", grams / (argon.cell.volume() * 1e-24), 1.374, 1e-4);
    // Liquid, not crystal: the structure factor at the crystal's Bragg vectors is small.
    let edge = argon.cell.vectors()[0][0];
    for bragg in [
        [3.0, 3.0, 3.0],
        [3.0, 3.0, -3.0],
        [3.0, -3.0, 3.0],
        [-3.0, 3.0, 3.0],
        [6.0, 0.0, 0.0],
    ] {
        let wave = scale(2.0 * std::f64::consts::PI / edge, bragg);
        let phases = argon.positions.iter().map(|p| slmc::linear::dot(wave, *p).sin_cos());
        let (sine, cosine) = phases.fold((0.0, 0.0), |(s, c), (x, y)| (s + x, c + y));
        let factor = (sine * sine + cosine * cosine) / 108.0;
        assert!(factor < 10.0, "{factor} at {bragg:?}; a crystal has 108");
    }
    let energy = fresh(surface("lennard-jones", &argon).as_ref(), &argon).energy / 108.0;
    assert!((-0.058..-0.045).contains(&energy), "{energy} eV per atom");
}

#[test]
fn einstein_has_eight_sites() {
    let crystal = example("einstein");
    assert_eq!(crystal.len(), 8);
    assert_eq!(fresh(surface("einstein", &crystal).as_ref(), &crystal).energy, 0.0);
}

#[test]
#[ignore = "writes the files in examples/"]
fn write_example_structures() {
    write("silicon", &perfect_silicon(), 6);
    write("quartz", &relaxed_quartz().supercell([2, 2, 2]), 9);
    write("argon", &liquid_argon(), 6);
    let half = [0.25, 0.75];
    let mut sites = Vec::new();
    for x in half {
        for y in half {
            sites.extend(half.map(|z| [x, y, z]));
        }
    }
    let edge = [[8.0, 0.0, 0.0], [0.0, 8.0, 0.0], [0.0, 0.0, 8.0]];
    write("einstein", &structure(edge, &["Ar"; 8], &sites), 6);
}

/// Writes a structure with its atoms inside the cell, rounded to a number of decimals.
fn write(name: &str, structure: &Structure, decimals: i32) {
    let unit = 10.0_f64.powi(decimals);
    let round = |x: f64| (x * unit).round() / unit + 0.0;
    let vectors = structure.cell.vectors().map(|v| v.map(round));
    let cell = Cell::new(vectors, [true; 3]).unwrap();
    let mut rounded = structure.clone();
    for position in &mut rounded.positions {
        // A little slack, so that rounding errors leave an atom at the origin at the origin.
        let inside = structure.cell.fractional(*position).map(|x| x - (x + 1e-9).floor());
        *position = cell.cartesian(inside).map(round);
    }
    rounded.cell = cell;
    std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
    xyz::write(path(name), &[Frame::new(rounded)], xyz::Precision::Exact).unwrap();
}

fn perfect_silicon() -> Structure {
    let a = 5.431;
    let corners = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let sites: Vec<_> = corners.iter().flat_map(|c| [*c, add(*c, [0.25; 3])]).collect();
    structure([[a, 0.0, 0.0], [0.0, a, 0.0], [0.0, 0.0, a]], &["Si"; 8], &sites).supercell([2, 2, 2])
}

/// Quartz at rest and free of stress, by steepest descent on positions and cell.
fn relaxed_quartz() -> Structure {
    let mut state = quartz();
    let potential = surface("vashishta", &state);
    for _ in 0..60_000 {
        let labels = fresh(potential.as_ref(), &state);
        let stress = labels.stress.unwrap();
        let mut deformation: Mat3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        for k in 0..3 {
            for l in 0..3 {
                deformation[k][l] -= 0.2 * stress[k][l];
            }
        }
        for (position, force) in state.positions.iter_mut().zip(labels.forces.unwrap()) {
            *position = add(row_times(*position, &deformation), scale(0.01, force));
        }
        state.cell = Cell::new(product(state.cell.vectors(), &deformation), [true; 3]).unwrap();
    }
    eprintln!(
        "quartz: cell {:?}, force {}",
        state.cell.vectors(),
        force(potential.as_ref(), &state)
    );
    eprintln!("{:?}", fresh(potential.as_ref(), &state).stress);
    // Turn the first vector back onto the x axis, the second into the xy plane.
    let lengths = state.cell.vectors().map(slmc::linear::norm);
    let hexagonal = [
        [lengths[0], 0.0, 0.0],
        [-0.5 * lengths[0], 0.75_f64.sqrt() * lengths[0], 0.0],
        [0.0, 0.0, lengths[2]],
    ];
    let mut turned = state.clone();
    turned.cell = Cell::new(hexagonal, [true; 3]).unwrap();
    turned.positions = state
        .positions
        .iter()
        .map(|p| turned.cell.cartesian(state.cell.fractional(*p)))
        .collect();
    turned
}

/// Liquid argon in Rahman's state (94 K, 1.374 g/cm³; Phys. Rev. 136, A405 (1964)): a crystal molten at 300 K and cooled.
fn liquid_argon() -> Structure {
    let edge = (108.0 * 39.948 * 1.660_539_066_60 / 1.374_f64).cbrt();
    let h = edge / 6.0;
    let corners = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let a = 2.0 * h;
    let crystal = structure([[a, 0.0, 0.0], [0.0, a, 0.0], [0.0, 0.0, a]], &["Ar"; 4], &corners).supercell([3, 3, 3]);
    let potential = surface("lennard-jones", &crystal);
    let kinetics = Kinetics::new(crystal.masses.clone(), crystal.fixed.clone(), true);
    let mut generator = stream(94, 0, 0, Purpose::Start);
    let mut workspace = Workspace::new();
    let mut state = LangevinState {
        momenta: kinetics.draw(300.0 * BOLTZMANN, &mut generator),
        positions: crystal.positions.clone(),
    };
    let mut forces = potential.evaluate(&crystal, &mut workspace).forces.unwrap();
    for (temperature, steps) in [(300.0, 3000), (94.0, 20_000)] {
        let langevin = Langevin {
            time_step: 5.0 * FEMTOSECOND,
            friction: 1e-3 / FEMTOSECOND,
            thermal_energy: temperature * BOLTZMANN,
        };
        let mut mean = 0.0;
        for step in 0..steps {
            langevin.to_next_forces(&kinetics, &mut state, &forces, &mut generator);
            let labels = potential.evaluate(&crystal.with_positions(state.positions.clone()), &mut workspace);
            forces = labels.forces.unwrap();
            langevin.finish(&kinetics, &mut state, &forces);
            if step >= steps / 2 {
                mean += labels.energy / (108.0 * f64::from(steps / 2));
            }
        }
        eprintln!("argon: mean energy {mean} eV per atom at {temperature} K");
    }
    crystal.with_positions(state.positions)
}
