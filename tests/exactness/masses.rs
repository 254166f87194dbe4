//! Mass matrices and all that adaptation finds leave the ensemble exact; momenta drawn with other masses than they are weighed
//! with, and lengths that look at the state, do not.

use std::sync::Arc;

use rand::RngExt;
use slmc::dynamics::MassMatrix;
use slmc::potential::Workspace;
use slmc::rng::{Purpose, open_uniform, stream};
use slmc::sampling::tuning::{Masses, Range, tune};
use slmc::sampling::{
    Acceptance, Decision, Kernel, NestedMoves, Segment, State, StepId, TrajectoryPlan, decide, proposal_trajectory,
};
use slmc::structure::Structure;

use crate::canonical::{Proposal, far, nearly, swirl};
use crate::harness::{Bench, chains, complaints, control_complaints, fraction, kernel_step, seeds};
use crate::targets::{Target, asymmetric, einstein, lennard_jones, two_fixed};

/// Where the masses come from.
#[derive(Clone, Copy)]
enum Source {
    /// Each coordinate with a mass of its own, and so many modes in directions of chance.
    Chance(usize),
    /// What adaptation finds on the proposal surface, time step, length and segments with it.
    Adapted(Masses),
}

struct Row {
    name: &'static str,
    kernel: Kernel,
    target: fn(fn(Structure) -> Structure) -> Target,
    change: fn(Structure) -> Structure,
    proposal: Proposal,
    source: Source,
    segments: usize,
    steps: usize,
    control: bool,
}

const ROW: Row = Row {
    name: "einstein, a mass for each coordinate",
    kernel: Kernel::Slhmc,
    target: einstein,
    change: |structure| structure,
    proposal: far,
    source: Source::Chance(0),
    segments: 1,
    steps: 8_000,
    control: true,
};

const ROWS: &[Row] = &[
    ROW,
    Row {
        name: "einstein, 7 modes, 3 segments, two atoms fixed, non-conservative",
        change: two_fixed,
        proposal: swirl,
        source: Source::Chance(7),
        segments: 3,
        ..ROW
    },
    Row {
        name: "einstein, 7 modes, plain hybrid Monte Carlo",
        kernel: Kernel::Hmc,
        source: Source::Chance(7),
        steps: 3_000,
        control: false,
        ..ROW
    },
    Row {
        name: "asymmetric, 5 modes, nested",
        kernel: Kernel::Nested(NestedMoves::TRAJECTORIES),
        target: asymmetric,
        source: Source::Chance(5),
        segments: 3,
        steps: 12_000,
        ..ROW
    },
    Row {
        name: "asymmetric, adapted, second derivatives",
        target: asymmetric,
        source: Source::Adapted(Masses::Hessian { modes: None }),
        ..ROW
    },
    Row {
        name: "einstein, adapted, covariance",
        source: Source::Adapted(Masses::Covariance { modes: Some(4) }),
        ..ROW
    },
    Row {
        name: "lennard-jones, adapted, 6 modes of second derivatives, centre of mass at rest",
        target: lennard_jones,
        proposal: nearly,
        source: Source::Adapted(Masses::Hessian { modes: Some(6) }),
        steps: 4_000,
        control: false,
        ..ROW
    },
    Row {
        name: "lennard-jones, adapted, masses by element",
        target: lennard_jones,
        proposal: nearly,
        source: Source::Adapted(Masses::ByElement),
        steps: 2_500,
        control: false,
        ..ROW
    },
];

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Masses from a third to three times those of the atoms, and modes of chance with factors from a ninth to nine.
fn chance(start: &Structure, modes: usize) -> MassMatrix {
    let mut generator = stream(11, 0, 0, Purpose::Start);
    let mut uniform = || 2.0 * generator.random::<f64>() - 1.0;
    let size = 3 * start.len();
    let diagonal: Vec<f64> = (0..size)
        .map(|k| start.masses[k / 3] * 3.0_f64.powf(uniform()))
        .collect();
    let mut found: Vec<(f64, Vec<f64>)> = Vec::new();
    while found.len() < modes {
        let mut vector: Vec<f64> = (0..size)
            .map(|k| if start.fixed[k / 3] { 0.0 } else { uniform() })
            .collect();
        for (_, other) in &found {
            let amount = dot(other, &vector);
            vector.iter_mut().zip(other).for_each(|(v, o)| *v -= amount * o);
        }
        let length = dot(&vector, &vector).sqrt();
        let unit = vector.into_iter().map(|v| v / length).collect();
        found.push((9.0_f64.powf(uniform()), unit));
    }
    MassMatrix::new(diagonal, found).expect("masses")
}

fn bench(row: &Row, acceptance: Acceptance) -> Bench {
    let target = (row.target)(row.change);
    let proposal = (row.proposal)(&target);
    let mut bench = Bench::new(target, Some(Arc::clone(&proposal)), row.segments, acceptance);
    let matrix = match row.source {
        Source::Chance(modes) => Some(Arc::new(chance(&bench.target.start, modes))),
        Source::Adapted(masses) => {
            let range = Range {
                most_steps: 4 * bench.plan.steps,
                most_segments: 3,
                label_cost: 100.0,
                first_label_cost: None,
                trajectories: 32,
                lengths: true,
                time_step: true,
                integration_acceptance: None,
                masses,
                jitter: true,
            };
            let starts = [bench.target.start.clone()];
            let tuned = tune(
                &bench.environment,
                &bench.plan,
                proposal.as_ref(),
                &starts,
                &range,
                0.8,
                0,
            );
            let tuned = tuned.expect("nothing diverges");
            println!("{}: {}", row.name, tuned.reason);
            assert_ne!(tuned.plan, bench.plan);
            bench.plan = tuned.plan;
            assert_eq!(tuned.masses.is_some(), masses != Masses::ByElement);
            tuned.masses
        }
    };
    bench.environment.kinetics = bench.environment.kinetics.with_mass_matrix(matrix);
    bench
}

#[test]
fn any_masses_and_what_adaptation_finds_are_exact() {
    let mut found = String::new();
    for row in ROWS {
        let exact = bench(row, Acceptance::Metropolis);
        let expected = exact.target.expected();
        let step = kernel_step(row.kernel);
        let runs = chains(&exact, &step, seeds(2), row.steps);
        let acceptance = fraction(&runs, |series| series.accepted);
        if !(0.03..=1.0).contains(&acceptance) {
            found.push_str(&format!(
                "{}: an acceptance of {acceptance:.3} shows nothing\n",
                row.name
            ));
        }
        found.push_str(&complaints(row.name, &exact, &runs, &expected));
        if row.control {
            let runs = chains(&bench(row, Acceptance::Everything), &step, 2, row.steps / 2);
            found.push_str(&control_complaints(row.name, &runs, &expected));
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

/// A self-learning step whose momenta may be drawn with the atoms' masses though the matrix weighs them, and whose lengths may look at
/// where it starts.
fn wrong_step(
    drawn_by_element: bool,
    longer_uphill: bool,
) -> impl Fn(&Bench, &State, StepId, &mut Workspace) -> (Decision, State) + Sync {
    move |bench, state, id, workspace| {
        let environment = &bench.environment;
        let potential = bench.proposal.as_deref().expect("a surface to propose with");
        let mut generator = stream(environment.seed, 0, id.step, Purpose::Proposal);
        let log_uniform = open_uniform(&mut generator).ln();
        let mut drawn = environment.clone();
        if drawn_by_element {
            drawn.kinetics = drawn.kinetics.with_mass_matrix(None);
        }
        let middle = bench.target.expected().mean;
        let plan = TrajectoryPlan {
            steps: if longer_uphill && state.labels.energy > middle {
                1
            } else {
                bench.plan.steps
            },
            jitter: 0.0,
            ..bench.plan
        };
        let segments = vec![Segment::draw(&drawn, &plan, &mut generator)];
        let (proposal, end) = proposal_trajectory(
            environment,
            &plan,
            potential,
            state,
            segments,
            log_uniform,
            None,
            workspace,
        );
        let labels = end.as_ref().and_then(|end| bench.label(end));
        decide(environment, state, id, &proposal, end.as_ref(), labels)
    }
}

#[test]
fn other_masses_for_the_draw_and_lengths_that_look_at_the_state_are_caught() {
    let row = Row {
        proposal: nearly,
        ..ROW
    };
    let exact = bench(&row, Acceptance::Metropolis);
    let expected = exact.target.expected();
    // The same step without its faults is exact, so that the faults are what is caught.
    let right = chains(&exact, &wrong_step(false, false), 2, 8_000);
    let mut found = complaints("the step of the controls without a fault", &exact, &right, &expected);
    for (name, step) in [
        ("momenta drawn by element", wrong_step(true, false)),
        ("lengths that look at the state", wrong_step(false, true)),
    ] {
        found.push_str(&control_complaints(name, &chains(&exact, &step, 2, 8_000), &expected));
    }
    assert!(found.is_empty(), "\n{found}");
}
