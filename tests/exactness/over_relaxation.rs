//! Momenta that are over-relaxed against those before leave the ensemble exact; those that look at the wrong kinetic energy do not.

use std::sync::Arc;

use slmc::potential::Workspace;
use slmc::sampling::{Acceptance, Decision, Kernel, State, StepId, decide, propose};

use crate::canonical::{Proposal, far, nearly};
use crate::harness::{Bench, ERRORS, chains, complaints, control_complaints, kernel_step, seeds};
use crate::targets::{Target, asymmetric, einstein, lennard_jones};

struct Row {
    name: &'static str,
    target: Target,
    kernel: Kernel,
    proposal: Option<Proposal>,
    segments: usize,
    draws: usize,
    steps: usize,
}

#[test]
fn any_number_of_draws_is_exact() {
    let rows = [
        Row {
            name: "einstein, bad, 7 draws",
            target: einstein(|s| s),
            kernel: Kernel::Slhmc,
            proposal: Some(far),
            segments: 1,
            draws: 7,
            steps: 20_000,
        },
        Row {
            name: "asymmetric, bad, 2 segments, 31 draws",
            target: asymmetric(|s| s),
            kernel: Kernel::Slhmc,
            proposal: Some(far),
            segments: 2,
            draws: 31,
            steps: 20_000,
        },
        Row {
            name: "asymmetric, plain hybrid Monte Carlo, 2 segments, 9 draws",
            target: asymmetric(|s| s),
            kernel: Kernel::Hmc,
            proposal: None,
            segments: 2,
            draws: 9,
            steps: 4_000,
        },
        Row {
            name: "lennard-jones, good, 2 segments, 5 draws",
            target: lennard_jones(|s| s),
            kernel: Kernel::Slhmc,
            proposal: Some(nearly),
            segments: 2,
            draws: 5,
            steps: 4_000,
        },
    ];
    let mut found = String::new();
    for row in &rows {
        let expected = row.target.expected();
        let bench = |acceptance| {
            let proposal = row.proposal.map(|make| make(&row.target));
            let mut bench = Bench::new(row.target.clone(), proposal, row.segments, acceptance);
            bench.plan.momentum_draws = row.draws;
            bench
        };
        let step = kernel_step(row.kernel);
        let exact = bench(Acceptance::Metropolis);
        let runs = chains(&exact, &step, seeds(2), row.steps);
        found.push_str(&complaints(row.name, &exact, &runs, &expected));
    }
    assert!(found.is_empty(), "\n{found}");
}

/// The kinetic energy that a wrong step lets momenta look at.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// As high above its mean as the potential energy is: momenta that know where the chain stands.
    OfThePosition,
    /// That at the end of a proposal, whether it was accepted or not.
    OfTheRejected,
}

fn wrong_step(wrong: Wrong) -> impl Fn(&Bench, &State, StepId, &mut Workspace) -> (Decision, State) + Sync {
    move |bench, state, id, workspace| {
        let environment = &bench.environment;
        let potential = bench.proposal.as_deref().expect("a surface to propose with");
        let mut state = state.clone();
        if matches!(wrong, Wrong::OfThePosition) {
            let mean = 0.5 * environment.kinetics.degrees_of_freedom() as f64 * environment.thermal_energy;
            state.kinetic = Some(mean + state.labels.energy - bench.target.expected().mean);
        }
        let (proposal, end) = propose(environment, &bench.plan, potential, &state, id, workspace);
        let labels = end.as_ref().and_then(|end| bench.label(end));
        let (decision, mut next) = decide(environment, &state, id, &proposal, end.as_ref(), labels);
        if matches!(wrong, Wrong::OfTheRejected) {
            next.kinetic = Some(proposal.kinetic_end);
        }
        (decision, next)
    }
}

#[test]
fn momenta_that_look_at_another_kinetic_energy_are_caught() {
    let target = einstein(|s| s);
    let expected = target.expected();
    let mut found = String::new();
    for (wrong, proposal) in [(Wrong::OfThePosition, nearly as Proposal), (Wrong::OfTheRejected, far)] {
        let mut bench = Bench::new(target.clone(), Some(proposal(&target)), 1, Acceptance::Metropolis);
        bench.plan.momentum_draws = 15;
        let runs = chains(&bench, &wrong_step(wrong), 3, 60_000);
        found.push_str(&control_complaints(&format!("{wrong:?}"), &runs, &expected));
    }
    assert!(found.is_empty(), "\n{found}");
}

/// The variance of the means of many chains is what counts, whatever an estimate of one chain says. In an Einstein crystal quarters of the
/// period exchange all energy: two segments of three draws, whose kinetic energies have the correlation −r = −0.404, leave
/// τ = (1 − r)/(1 + r) but for what the discrete length misses.
#[test]
fn over_relaxed_means_scatter_less_than_those_of_independent_samples() {
    const CHAINS: usize = 1000;
    const STEPS: usize = 150;
    let target = einstein(|s| s);
    let variance = target.expected().sd.powi(2);
    let tau = |draws: usize| {
        let surface = Arc::clone(&target.surface);
        let mut bench = Bench::new(target.clone(), Some(surface), 2, Acceptance::Metropolis);
        bench.plan.momentum_draws = draws;
        bench.plan.jitter = 0.0;
        // So fine that nearly everything is accepted.
        bench.plan.time_step *= 0.25;
        bench.plan.steps *= 4;
        let runs = chains(&bench, &kernel_step(Kernel::Slhmc), CHAINS, STEPS);
        let means = runs
            .iter()
            .map(|series| series.energy.iter().sum::<f64>() / STEPS as f64);
        let squares = means.map(|mean| (mean - target.expected().mean).powi(2));
        squares.sum::<f64>() / CHAINS as f64 * STEPS as f64 / variance
    };
    // The relative standard error of a variance of so many independent means.
    let error = (2.0 / CHAINS as f64).sqrt();
    let (independent, over_relaxed) = (tau(1), tau(3));
    println!("tau of the means: {independent:.3} with independent momenta, {over_relaxed:.3} of three draws");
    let expected = (1.0 - 0.404) / (1.0 + 0.404);
    assert!((independent - 1.0).abs() < ERRORS * error, "{independent}");
    assert!((over_relaxed / expected - 1.0).abs() < ERRORS * error, "{over_relaxed}");
    assert!(over_relaxed * (1.0 + ERRORS * error) < independent);
}
