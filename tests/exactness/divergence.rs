//! A divergence test that refuses both directions of a path alike leaves the ensemble exact, however tight it is.

use std::sync::Arc;

use slmc::potential::{Swirl, Workspace};
use slmc::sampling::{Acceptance, Decision, Kernel, State, StepId, decide, propose};
use slmc::units::FEMTOSECOND;

use crate::canonical::{Proposal, far, swirl};
use crate::harness::{Bench, chains, complaints, control_complaints, fraction, kernel_step, seeds};
use crate::targets::{Target, asymmetric, einstein};

struct Row {
    name: &'static str,
    target: Target,
    kernel: Kernel,
    proposal: Option<Proposal>,
    segments: usize,
    /// The band in kT.
    band: f64,
    /// Time step in fs and steps, where they differ from the target's.
    trajectory: Option<(f64, usize)>,
}

#[test]
fn tight_bands_leave_the_ensemble_exact() {
    let rows = [
        Row {
            name: "einstein, non-conservative, band of 2 kT",
            target: einstein(|s| s),
            kernel: Kernel::Slhmc,
            proposal: Some(swirl),
            segments: 1,
            band: 2.0,
            trajectory: None,
        },
        Row {
            name: "asymmetric, bad, long time step, 3 segments, band of 0.3 kT",
            target: asymmetric(|s| s),
            kernel: Kernel::Slhmc,
            proposal: Some(far),
            segments: 3,
            band: 0.3,
            trajectory: Some((40.0, 4)),
        },
        Row {
            name: "einstein, plain, long time step, band of 1 kT",
            target: einstein(|s| s),
            kernel: Kernel::Hmc,
            proposal: None,
            segments: 1,
            band: 1.0,
            trajectory: Some((30.0, 3)),
        },
    ];
    let mut found = String::new();
    for row in &rows {
        let proposal = row.proposal.map(|make| make(&row.target));
        let mut bench = Bench::new(row.target.clone(), proposal, row.segments, Acceptance::Metropolis);
        bench.plan.band = row.band * bench.environment.thermal_energy;
        if let Some((time_step, steps)) = row.trajectory {
            bench.plan.time_step = time_step * FEMTOSECOND;
            bench.plan.steps = steps;
        }
        let runs = chains(&bench, &kernel_step(row.kernel), seeds(3), 30_000);
        let diverged = fraction(&runs, |series| series.diverged);
        if !(0.1..0.95).contains(&diverged) {
            found.push_str(&format!("{}: {diverged:.3} diverged\n", row.name));
        }
        found.push_str(&complaints(row.name, &bench, &runs, &row.target.expected()));
    }
    assert!(found.is_empty(), "\n{found}");
}

/// The control: refuses paths whose Hamiltonian has risen by more than 0.3 kT, and not those on which it has fallen.
fn one_sided(bench: &Bench, state: &State, id: StepId, workspace: &mut Workspace) -> (Decision, State) {
    let potential = bench.proposal.as_deref().expect("a proposal surface");
    let (mut proposal, end) = propose(&bench.environment, &bench.plan, potential, state, id, workspace);
    let rise = proposal.network_end - proposal.network_start + proposal.kinetic_change;
    proposal.diverged |= rise > 0.3 * bench.environment.thermal_energy;
    let end = end.unwrap_or_else(|| state.structure.clone());
    let labels = if proposal.diverged { None } else { bench.label(&end) };
    decide(&bench.environment, state, id, &proposal, Some(&end), labels)
}

#[test]
fn a_one_sided_test_is_seen_to_be_wrong() {
    let target = einstein(|s| s);
    let gentle = Arc::new(Swirl::new(Arc::clone(&target.surface), 0.1));
    let bench = Bench::new(target.clone(), Some(gentle), 1, Acceptance::Metropolis);
    let runs = chains(&bench, &one_sided, 3, 8_000);
    let found = control_complaints("one-sided", &runs, &target.expected());
    assert!(found.is_empty(), "{found}");
}
