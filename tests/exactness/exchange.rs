//! Replica exchange leaves every rung exact: harmonic, quartic and double wells at several temperatures, a gas and springs at several pressures,
//! each against quadrature; exchanges that are always accepted, or that forget PV, do not.

use std::sync::Arc;

use slmc::analysis::statistics::ess_mean;
use slmc::dynamics::{Barostat, CellMotion, Domain, Kinetics, Load, MomentumCoupling};
use slmc::linear::sub;
use slmc::potential::{Labels, Potential, Workspace};
use slmc::run::ladder::geometric;
use slmc::sampling::exchange::{exchange_uniform, log_ratio, pairing_uniform, trade, trades};
use slmc::sampling::{
    Acceptance, Advance, Ensemble, Environment, Groups, Kernel, NestedMoves, Pairing, Phase, Reply, State, StepId,
    TrajectoryPlan,
};
use slmc::structure::{Cell, Structure};
use slmc::units::{BOLTZMANN, FEMTOSECOND};

use crate::harness::{ERRORS, Expected, FEWEST_EFFECTIVE, deviations, full};

/// Each Cartesian coordinate x off its site in U = a·x⁴ + b·x² + c·x.
#[derive(Clone)]
struct Wells {
    sites: Vec<[f64; 3]>,
    coefficients: [f64; 3],
}

impl Wells {
    fn energy(&self, x: f64) -> f64 {
        let [a, b, c] = self.coefficients;
        ((a * x * x + b) * x + c) * x
    }
}

impl Potential for Wells {
    fn evaluate(&self, structure: &Structure, _workspace: &mut Workspace) -> Labels {
        let [a, b, c] = self.coefficients;
        let mut energy = 0.0;
        let forces = structure.positions.iter().zip(&self.sites).map(|(r, s)| {
            sub(*r, *s).map(|x| {
                energy += self.energy(x);
                -((4.0 * a * x * x + 2.0 * b) * x + c)
            })
        });
        let forces = forces.collect();
        Labels {
            energy,
            forces: Some(forces),
            stress: None,
        }
    }

    fn translation_invariant(&self) -> bool {
        false
    }
}

const ATOMS: usize = 2;

fn start() -> Structure {
    let cell = Cell::cubic(8.0).expect("a cube");
    let positions = vec![[2.0; 3], [6.0; 3]];
    Structure::new(cell, vec!["Ar".parse().expect("argon"); ATOMS], positions).expect("two atoms")
}

fn wells(coefficients: [f64; 3]) -> Arc<dyn Potential> {
    Arc::new(Wells {
        sites: start().positions,
        coefficients,
    })
}

/// A double well of barrier `depth` between minima near ±`half`, tilted by `tilt` in eV/Å.
fn double(depth: f64, half: f64, tilt: f64) -> [f64; 3] {
    [depth / half.powi(4), -2.0 * depth / half.powi(2), tilt]
}

/// Mean and variance over all coordinates of U, and of how many are positive.
fn exact(coefficients: [f64; 3], kt: f64) -> [Expected; 2] {
    let of = Wells {
        sites: Vec::new(),
        coefficients,
    };
    let (mut sums, step) = ([0.0; 4], 1e-4);
    for index in -30_000..30_000 {
        let x = (f64::from(index) + 0.5) * step;
        let u = of.energy(x);
        let weight = (-u / kt).exp();
        for (sum, value) in sums.iter_mut().zip([1.0, u, u * u, f64::from(u8::from(x > 0.0))]) {
            *sum += weight * value;
        }
    }
    let [z, u, uu, right] = sums;
    let (u, uu, right) = (u / z, uu / z, right / z);
    let count = 3.0 * ATOMS as f64;
    [
        Expected::exact(count * u, count * (uu - u * u)),
        Expected::exact(count * right, count * right * (1.0 - right)),
    ]
}

/// `[observable][rung][step]`, and the part of attempts that traded, for each pair.
type Run = (Vec<Vec<Vec<f64>>>, Vec<f64>);

/// A ladder without a driver.
struct Ladder {
    surface: Arc<dyn Potential>,
    proposal: Option<Arc<dyn Potential>>,
    kernel: Kernel,
    rungs: Vec<Environment>,
    plan: TrajectoryPlan,
    pairing: Pairing,
    start: Structure,
    /// Whether states are traded at all, and what an exchange believes that the rungs sample.
    trading: Option<Trading>,
}

#[derive(Clone, Copy, PartialEq)]
enum Trading {
    Exact,
    Always,
    WithoutPressure,
    /// The kinetic energy before goes along with the structure.
    WithMomenta,
}

impl Ladder {
    fn step(&self, environment: &Environment, state: &State, id: StepId, workspace: &mut Workspace) -> State {
        let proposal = self.proposal.as_deref();
        let mut task = self
            .kernel
            .begin(environment, &self.plan, proposal, state, id, workspace);
        let mut reply = None;
        loop {
            match task.advance(environment, state, id, reply.take()) {
                Advance::Done(done) => return done.1,
                Advance::NeedLabel(_, structure) => {
                    let labels = self.surface.evaluate(&structure, &mut Workspace::new());
                    reply = Some(if labels.is_finite() {
                        Reply::Labels(labels)
                    } else {
                        Reply::Unphysical
                    });
                }
            }
        }
    }

    /// Observables after each step on each rung: `series[observable][rung]`; and the trades of each pair over the attempts.
    fn run(&self, seed: u64, steps: u64, observables: &[&dyn Fn(&State) -> f64]) -> Run {
        let mut workspace = Workspace::new();
        let count = self.rungs.len();
        let labels = self.surface.evaluate(&self.start, &mut workspace);
        let first = State {
            structure: self.start.clone(),
            labels,
            momenta: None,
            first_stage: None,
            kinetic: None,
        };
        let mut states = vec![first; count];
        let mut series = vec![vec![Vec::new(); count]; observables.len()];
        let (mut tried, mut traded) = (vec![0.0_f64; count - 1], vec![0.0; count - 1]);
        let burn_in = steps / 20;
        for step in 1..=steps {
            for (chain, environment) in self.rungs.iter().enumerate() {
                let id = StepId {
                    chain,
                    step,
                    phase: Phase::Sampling,
                    generation: None,
                };
                let environment = Environment {
                    seed,
                    ..environment.clone()
                };
                states[chain] = self.step(&environment, &states[chain], id, &mut workspace);
                if step > burn_in {
                    for (own, observable) in series.iter_mut().zip(observables) {
                        own[chain].push(observable(&states[chain]));
                    }
                }
            }
            let Some(trading) = self.trading else { continue };
            for lower in 0..count - 1 {
                let partner = self
                    .pairing
                    .partner(lower, count, step, || pairing_uniform(seed, 0, step));
                if partner != Some(lower + 1) {
                    continue;
                }
                let believed = [lower, lower + 1].map(|rung| match trading {
                    Trading::WithoutPressure => Environment {
                        ensemble: Ensemble::Canonical,
                        ..self.rungs[rung].clone()
                    },
                    _ => self.rungs[rung].clone(),
                });
                let acceptance = match trading {
                    Trading::Always => Acceptance::Everything,
                    _ => Acceptance::Metropolis,
                };
                let ratio = log_ratio(&believed[0], &states[lower], &believed[1], &states[lower + 1]);
                tried[lower] += 1.0;
                if trades(acceptance, exchange_uniform(seed, lower, step), ratio) {
                    let (left, right) = states.split_at_mut(lower + 1);
                    if trading == Trading::WithMomenta {
                        std::mem::swap(&mut left[lower], &mut right[0]);
                    } else {
                        trade(&mut left[lower], &mut right[0]);
                    }
                    traded[lower] += 1.0;
                }
            }
        }
        let rates = traded.iter().zip(&tried).map(|(traded, tried)| traded / tried.max(1.0));
        (series, rates.collect())
    }
}

fn environment(start: &Structure, kt: f64) -> Environment {
    Environment {
        kinetics: Kinetics::new(Arc::clone(&start.masses), Arc::clone(&start.fixed), false),
        thermal_energy: kt,
        ensemble: Ensemble::Canonical,
        acceptance: Acceptance::Metropolis,
        seed: 0,
        groups: Arc::new(Groups::default()),
    }
}

/// One line of the table.
pub struct Row {
    name: &'static str,
    coefficients: [f64; 3],
    proposal: Option<[f64; 3]>,
    kernel: Kernel,
    pub pairing: Pairing,
    /// First and last temperature and the number of rungs.
    temperatures: (f64, f64, usize),
    time_step: f64,
    steps: u64,
    /// Whether chains alone, without exchange, must fail.
    alone: bool,
}

const ROW: Row = Row {
    name: "",
    coefficients: [0.0, 1.0, 0.0],
    proposal: Some([0.0, 1.3, 0.0]),
    kernel: Kernel::Slhmc,
    pairing: Pairing::EvenOdd,
    temperatures: (300.0, 1200.0, 4),
    time_step: 20.0,
    steps: 20_000,
    alone: false,
};

/// A barrier of 13.5 kT on the first rung.
const DOUBLE: [f64; 3] = [0.35 / 0.0625, -2.0 * 0.35 / 0.25, 0.02];

pub fn rows() -> Vec<Row> {
    assert_eq!(double(0.35, 0.5, 0.02), DOUBLE);
    vec![
        Row {
            name: "harmonic wells",
            ..ROW
        },
        Row {
            name: "harmonic wells, random pairs, plain hybrid Monte Carlo",
            proposal: None,
            kernel: Kernel::Hmc,
            pairing: Pairing::Random,
            ..ROW
        },
        Row {
            name: "quartic wells, inner chains",
            coefficients: [4.0, 0.0, 0.0],
            proposal: Some([3.0, 0.1, 0.01]),
            kernel: Kernel::Nested(NestedMoves::TRAJECTORIES),
            ..ROW
        },
        Row {
            name: "double wells",
            coefficients: DOUBLE,
            proposal: Some(double(0.33, 0.49, 0.0)),
            temperatures: (300.0, 2000.0, 6),
            time_step: 8.0,
            steps: 60_000,
            alone: true,
            ..ROW
        },
    ]
}

impl Row {
    fn ladder(&self, trading: Option<Trading>) -> Ladder {
        let start = start();
        let (first, last, count) = self.temperatures;
        Ladder {
            surface: wells(self.coefficients),
            proposal: self.proposal.map(wells),
            kernel: self.kernel,
            rungs: geometric(BOLTZMANN * first, BOLTZMANN * last, count)
                .into_iter()
                .map(|kt| environment(&start, kt))
                .collect(),
            plan: TrajectoryPlan {
                time_step: self.time_step * FEMTOSECOND,
                steps: 6,
                segments: 2,
                jitter: 0.4,
                momentum_draws: 3,
                band: f64::INFINITY,
            },
            pairing: self.pairing,
            // In the left well of every coordinate, where there are two.
            start: if self.alone {
                let shifted = start.positions.iter().map(|r| r.map(|x| x - 0.5)).collect();
                start.with_cell_and_positions(None, shifted).expect("the same atoms")
            } else {
                start
            },
            trading,
        }
    }
}

fn positive(state: &State) -> f64 {
    let sites = start().positions;
    let off = state.structure.positions.iter().zip(&sites);
    off.flat_map(|(r, s)| sub(*r, *s)).filter(|x| *x > 0.0).count() as f64
}

fn check(found: &mut String, name: &str, series: &[Vec<f64>], expected: &Expected) {
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let (effective, (mean, sd)) = (ess_mean(&series), deviations(&series, expected));
    println!("{name}: {effective:.0} effective, mean {mean:+.1}, sd {sd:+.1} standard errors");
    if effective.is_nan() || effective < FEWEST_EFFECTIVE {
        found.push_str(&format!("{name}: only {effective:.0} effective samples\n"));
    }
    if !(mean.abs() < ERRORS && sd.abs() < ERRORS) {
        found.push_str(&format!("{name}: mean {mean:+.1}, sd {sd:+.1} standard errors off\n"));
    }
}

fn must_fail(found: &mut String, name: &str, series: &[Vec<f64>], expected: &Expected) {
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let (mean, _) = deviations(&series, expected);
    println!("{name}: control, mean {mean:+.1} standard errors off");
    if mean.abs() <= ERRORS {
        found.push_str(&format!("{name}: the control comes out right ({mean:+.1})\n"));
    }
}

#[test]
fn every_rung_is_exact() {
    let mut found = String::new();
    let seeds = if full() { 8 } else { 2 };
    for row in rows() {
        let observables: [&dyn Fn(&State) -> f64; 2] = [&|state| state.labels.energy, &positive];
        let runs = |trading, seeds, steps| -> Vec<_> {
            let ladder = row.ladder(trading);
            (1..=seeds).map(|seed| ladder.run(seed, steps, &observables)).collect()
        };
        let pick = |runs: &[Run], observable: usize, rung: usize| -> Vec<Vec<f64>> {
            runs.iter().map(|run| run.0[observable][rung].clone()).collect()
        };
        let exact_runs = runs(Some(Trading::Exact), seeds, row.steps);
        println!("{}: rates {:.2?}", row.name, exact_runs[0].1);
        for rate in &exact_runs[0].1 {
            if !(0.1..0.95).contains(rate) {
                found.push_str(&format!("{}: a rate of {rate:.2} shows nothing\n", row.name));
            }
        }
        let ladder = row.ladder(None);
        for (rung, own) in ladder.rungs.iter().enumerate() {
            let expected = exact(row.coefficients, own.thermal_energy);
            for (observable, what) in ["U", "coordinates above zero"].into_iter().enumerate() {
                let name = format!("{}, rung {rung}, {what}", row.name);
                check(
                    &mut found,
                    &name,
                    &pick(&exact_runs, observable, rung),
                    &expected[observable],
                );
            }
        }
        let first = exact(row.coefficients, ladder.rungs[0].thermal_energy);
        let control = runs(Some(Trading::Always), 2, row.steps / 2);
        let name = format!("{}, always traded", row.name);
        must_fail(&mut found, &name, &pick(&control, 0, 0), &first[0]);
        if row.alone {
            let alone = runs(None, 2, row.steps);
            let stuck = pick(&alone, 1, 0);
            let seen = stuck.iter().flatten().copied().fold(0.0, f64::max);
            println!(
                "{}: without exchange at most {seen} of {} coordinates crossed; {:.2} should be above zero",
                row.name,
                3 * ATOMS,
                first[1].mean
            );
            if seen > 1.0 {
                found.push_str(&format!("{}: chains alone cross, which proves nothing\n", row.name));
            }
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

/// Single segments, whose kinetic energies come soonest to the potential energy.
#[test]
fn momenta_stay_on_their_rung() {
    let mut found = String::new();
    let all = rows();
    let row = &all[0];
    for (name, trading, wrong) in [
        ("momenta that stay", Trading::Exact, false),
        ("momenta that are traded", Trading::WithMomenta, true),
    ] {
        let mut ladder = row.ladder(Some(trading));
        ladder.plan.segments = 1;
        ladder.plan.momentum_draws = 7;
        let expected = &exact(row.coefficients, ladder.rungs[0].thermal_energy)[0];
        let runs = (1..=2).map(|seed| ladder.run(seed, row.steps, &[&|state| state.labels.energy]));
        let energies: Vec<Vec<f64>> = runs.map(|run| run.0[0][0].clone()).collect();
        if wrong {
            must_fail(&mut found, name, &energies, expected);
        } else {
            check(&mut found, name, &energies, expected);
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

/// A gas of two atoms, or springs to sites that are affine in the cell, at three temperatures and pressures. With the springs the integral over
/// positions does not depend on the cell, so that V ~ Gamma(n, kT/P), n = N + 1 for the gas and 1 for the springs.
#[test]
fn exchange_of_pressures_is_exact_and_needs_the_volume() {
    let mut found = String::new();
    let start = start();
    for (name, springs, power) in [("ideal gas", 0.0, ATOMS as f64 + 1.0), ("einstein crystal", 0.5, 1.0)] {
        let surface = |springs| Arc::new(crate::elastic::Elastic::new(&start, springs, [0.0; 2])) as Arc<dyn Potential>;
        let kinetics = Kinetics::new(Arc::clone(&start.masses), Arc::clone(&start.fixed), false);
        let rung = |temperature: f64, pressure: f64| {
            let kt = BOLTZMANN * temperature;
            let barostat = Barostat {
                motion: CellMotion::Isotropic,
                coupling: MomentumCoupling::Independent,
                mass: Barostat::natural_mass(&start),
                load: Load {
                    pressure,
                    tension: None,
                },
                domain: Domain {
                    volume: [0.0, f64::INFINITY],
                    heights: [0.0; 3],
                },
                thermal_energy: kt,
                atoms: ATOMS,
                degrees_of_freedom: kinetics.degrees_of_freedom(),
                volume_power: ATOMS as f64 + 1.0,
                orientation_power: 2.0,
            };
            Environment {
                ensemble: Ensemble::IsothermalIsobaric(Arc::new(barostat)),
                ..environment(&start, kt)
            }
        };
        let unit = power * BOLTZMANN * 300.0 / start.cell.volume();
        let conditions = [(300.0, unit), (300.0, 2.5 * unit), (700.0, 2.0 * unit), (1000.0, unit)];
        let ladder = |trading| Ladder {
            surface: surface(springs),
            proposal: Some(surface(1.2 * springs)),
            kernel: Kernel::Slhmc,
            rungs: conditions.iter().map(|(t, p)| rung(*t, *p)).collect(),
            plan: TrajectoryPlan {
                time_step: 20.0 * FEMTOSECOND,
                steps: 12,
                segments: 1,
                jitter: 0.4,
                momentum_draws: 3,
                band: f64::INFINITY,
            },
            pairing: Pairing::EvenOdd,
            start: start.clone(),
            trading: Some(trading),
        };
        let volume = |state: &State| state.structure.cell.volume();
        let observables: [&dyn Fn(&State) -> f64; 2] = [&volume, &|state| state.labels.energy];
        let run = |trading, seed| ladder(trading).run(seed, if full() { 60_000 } else { 16_000 }, &observables);
        let exact_runs = [run(Trading::Exact, 1), run(Trading::Exact, 2)];
        println!("{name}: rates {:.2?}", exact_runs[0].1);
        let mut worst = String::new();
        let wrong = [run(Trading::WithoutPressure, 1), run(Trading::WithoutPressure, 2)];
        for (rung, (temperature, pressure)) in conditions.iter().enumerate() {
            let scale = BOLTZMANN * temperature / pressure;
            let expected = Expected::exact(power * scale, power * scale * scale);
            let pick = |runs: &[Run], observable: usize| -> Vec<Vec<f64>> {
                runs.iter().map(|run| run.0[observable][rung].clone()).collect()
            };
            check(
                &mut found,
                &format!("{name}, rung {rung}, V"),
                &pick(&exact_runs, 0),
                &expected,
            );
            if springs > 0.0 {
                let kt = BOLTZMANN * temperature;
                let count = 1.5 * ATOMS as f64;
                let energy = Expected::exact(count * kt, count * kt * kt);
                check(
                    &mut found,
                    &format!("{name}, rung {rung}, U"),
                    &pick(&exact_runs, 1),
                    &energy,
                );
            }
            if rung == 1 {
                must_fail(&mut worst, &format!("{name}, PV left out"), &pick(&wrong, 0), &expected);
            }
        }
        found.push_str(&worst);
    }
    assert!(found.is_empty(), "\n{found}");
}
