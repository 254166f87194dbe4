//! Promise: the yardstick is straight. Calls per effective sample of harmonic oscillators under hybrid Monte Carlo and
//! Langevin dynamics are the exact ones.

#[allow(dead_code)]
#[path = "../examples/efficiency/estimate.rs"]
mod estimate;
#[allow(dead_code)]
#[path = "../examples/efficiency/walker.rs"]
mod walker;

use estimate::{Estimate, calls_per_effective_sample, pieces};
use slmc::dynamics::Kinetics;
use slmc::linear::{Mat3, product};
use slmc::oracle::analytic::{AnalyticConfig, EinsteinConfig, build};
use slmc::structure::{Cell, Species, Structure};
use slmc::units::{FEMTOSECOND, ForceConstant};
use walker::{Method, System, Walker};

/// Every atom is on a spring of 2 eV/Å² per axis.
const SPRING: f64 = 2.0;
/// Atomic numbers, each four times: the frequencies spread as those of a solid do.
const ELEMENTS: [u8; 4] = [8, 14, 20, 54];

fn oscillators() -> System {
    let species: Vec<Species> = (0..16)
        .map(|i| Species::from_atomic_number(ELEMENTS[i % 4]).expect("an element"))
        .collect();
    let positions = (0..16).map(|i| [f64::from(i), 0.0, 0.0]).collect();
    let start = Structure::new(Cell::cubic(20.0).expect("a cube"), species, positions).expect("sixteen atoms");
    let config = AnalyticConfig::Einstein(EinsteinConfig {
        force_constant: ForceConstant::new(SPRING),
        ..EinsteinConfig::default()
    });
    System {
        potential: build(&config, &start).expect("sites from the start"),
        kinetics: Kinetics::new(start.masses.clone(), start.fixed.clone(), false),
        thermal_energy: 0.0259,
        start,
    }
}

/// The mean over the atoms of a function of the angular frequency in rad/fs.
fn mean(system: &System, function: impl Fn(f64) -> f64) -> f64 {
    let frequencies = system
        .start
        .masses
        .iter()
        .map(|mass| (SPRING / mass).sqrt() * FEMTOSECOND);
    frequencies.map(function).sum::<f64>() / system.start.len() as f64
}

fn measured(system: &System, method: Method, calls: usize) -> Estimate {
    let mut walkers: Vec<Walker> = (0..16)
        .map(|chain| Walker::new(system, &system.start, 11, chain))
        .collect();
    let mut energies = Vec::new();
    let mut spent = 0;
    for walker in &mut walkers {
        walker.advance(system, method, calls / 10);
        walker.energies.clear();
        let before = walker.calls;
        walker.advance(system, method, calls);
        spent += walker.calls - before;
        energies.push(walker.energies.clone());
    }
    calls_per_effective_sample(&energies, spent as f64, method.block())
}

/// Whether an estimate is within five standard errors of the exact value, the error small enough for that to say something.
fn agrees(estimate: Estimate, exact: f64) -> bool {
    assert!(estimate.effective > 3000.0, "{estimate:?}");
    assert!(estimate.error < 0.06 * estimate.calls, "{estimate:?}");
    (estimate.calls - exact).abs() < 5.0 * estimate.error
}

/// A trajectory of n steps turns an oscillator by the angle nθ with cos θ = 1 − (ωΔt)²/2, so that x correlates with its
/// successor as cos nθ and its energy as cos² nθ; momenta are drawn anew, so correlations of successive trajectories
/// multiply: τ = 1 + 2Σcᵏ with c the mean of cos² nθ over the jittered lengths, averaged over the oscillators.
#[test]
fn hybrid_monte_carlo_of_oscillators_has_its_exact_autocorrelation_time() {
    let system = oscillators();
    let time_step = 2.0;
    let exact = |scale: f64| {
        10.0 * mean(&system, |frequency| {
            let angle = (1.0 - 0.5 * (frequency * time_step).powi(2)).acos();
            // The number of steps is the rounded uniform between 8 and 12: half as often 8 and 12 as the others.
            let lengths = [(8.0, 0.125), (9.0, 0.25), (10.0, 0.25), (11.0, 0.25), (12.0, 0.125)];
            let parts = lengths
                .iter()
                .map(|(n, weight)| weight * (scale * n * angle).cos().powi(2));
            let correlation: f64 = parts.sum();
            (1.0 + correlation) / (1.0 - correlation)
        })
    };
    let method = Method::Hmc {
        time_step,
        steps: 10,
        refresh: 1.0,
        draws: 1,
    };
    let estimate = measured(&system, method, 100_000);
    assert!(agrees(estimate, exact(1.0)), "{estimate:?}, exact {}", exact(1.0));
    assert!(!agrees(estimate, exact(0.7)), "the control: shorter trajectories");
}

/// BAOAB is a linear map of (x, p) with noise; x correlates after k steps as ρₖ = (Mᵏ)ₓₓ in the stationary state, where x
/// and p are uncorrelated, and its energy as ρₖ². τ = 1 + 2Σρₖ², averaged over the oscillators.
#[test]
fn langevin_dynamics_of_oscillators_has_its_exact_autocorrelation_time() {
    let system = oscillators();
    let exact = |friction: f64| {
        mean(&system, |frequency| {
            // Units in which mass and spring are 1: time in 1/ω.
            let step = frequency * 2.0;
            let kick: Mat3 = [[1.0, 0.0, 0.0], [-0.5 * step, 1.0, 0.0], [0.0, 0.0, 1.0]];
            let drift: Mat3 = [[1.0, 0.5 * step, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            let rub: Mat3 = [[1.0, 0.0, 0.0], [0.0, (-friction * 0.002).exp(), 0.0], [0.0, 0.0, 1.0]];
            let map = product(&kick, &product(&drift, &product(&rub, &product(&drift, &kick))));
            let (mut power, mut time) = (map, 1.0);
            for _ in 0..20_000 {
                time += 2.0 * power[0][0] * power[0][0];
                power = product(&map, &power);
            }
            time
        })
    };
    for friction in [5.0, 100.0] {
        let method = Method::Langevin {
            time_step: 2.0,
            friction,
        };
        let estimate = measured(&system, method, 80_000);
        assert!(
            agrees(estimate, exact(friction)),
            "{estimate:?}, exact {}",
            exact(friction)
        );
        eprintln!(
            "{friction}: {estimate:?}, {} and {}",
            exact(friction),
            exact(2.0 * friction)
        );
        assert!(
            !agrees(estimate, exact(2.0 * friction)),
            "the control: twice the friction"
        );
    }
}

#[test]
fn pieces_are_equally_long_and_enough() {
    let chains = vec![(0..50).map(f64::from).collect::<Vec<_>>(), vec![1.0; 50]];
    let cut = pieces(&chains, 16);
    assert_eq!(cut.len(), 16);
    assert!(cut.iter().all(|piece| piece.len() == 6));
    assert_eq!(cut[1][0], 6.0);
}
