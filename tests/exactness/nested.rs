//! Inner chains on another surface and trajectories of regions leave the ensemble exact; a fixed order of inner moves does not.

use slmc::analysis::statistics::ess_mean;
use slmc::potential::Workspace;
use slmc::sampling::{Acceptance, Kernel, NestedMoves, Order, State, StepId};
use slmc::structure::Structure;

use crate::canonical::{Proposal, far, swirl};
use crate::harness::{
    Bench, ERRORS, Expected, chain, chains, complaints, control_complaints, deviations, fraction, kernel_step, seeds,
};
use crate::targets::{Target, alloy, asymmetric, einstein, two_fixed};

/// One line of the table.
pub struct Row {
    name: &'static str,
    pub kernel: Kernel,
    target: fn(fn(Structure) -> Structure) -> Target,
    change: fn(Structure) -> Structure,
    proposal: Proposal,
    /// Inner moves, or segments.
    moves: usize,
    steps: usize,
    control: bool,
}

const ALL: NestedMoves = NestedMoves {
    local: 1.0,
    swap: 2.0,
    shift: 1.0,
    turn: 1.0,
    most_shift: 0.1,
    ..NestedMoves::TRAJECTORIES
};

const ROW: Row = Row {
    name: "nested",
    kernel: Kernel::Nested(ALL),
    target: einstein,
    change: alloy,
    proposal: far,
    moves: 4,
    steps: 8_000,
    control: true,
};

pub const ROWS: &[Row] = &[
    Row {
        name: "einstein, nested, trajectories",
        kernel: Kernel::Nested(NestedMoves::TRAJECTORIES),
        ..ROW
    },
    Row {
        name: "einstein alloy, nested, all moves",
        ..ROW
    },
    Row {
        name: "einstein alloy, nested, all moves, colder inside",
        kernel: Kernel::Nested(NestedMoves { scale: 0.7, ..ALL }),
        ..ROW
    },
    Row {
        name: "einstein alloy, nested, non-conservative inside",
        proposal: swirl,
        control: false,
        ..ROW
    },
    Row {
        name: "asymmetric, nested, hotter inside",
        kernel: Kernel::Nested(NestedMoves {
            scale: 1.2,
            swap: 0.0,
            ..ALL
        }),
        target: asymmetric,
        change: |s| s,
        moves: 3,
        steps: 20_000,
        ..ROW
    },
    Row {
        name: "einstein, local",
        kernel: Kernel::Local { whole: 0.2 },
        change: |s| s,
        moves: 1,
        ..ROW
    },
    Row {
        name: "einstein, local, non-conservative, 3 segments, two atoms fixed",
        kernel: Kernel::Local { whole: 0.0 },
        proposal: swirl,
        change: two_fixed,
        moves: 3,
        ..ROW
    },
];

#[test]
fn inner_chains_and_local_trajectories_are_exact() {
    let mut found = String::new();
    for row in ROWS {
        let target = (row.target)(row.change);
        let bench = |acceptance| Bench::new(target.clone(), Some((row.proposal)(&target)), row.moves, acceptance);
        let step = kernel_step(row.kernel);
        let exact = bench(Acceptance::Metropolis);
        let runs = chains(&exact, &step, seeds(2), row.steps);
        let acceptance = fraction(&runs, |series| series.accepted);
        if !(0.03..0.97).contains(&acceptance) {
            found.push_str(&format!(
                "{}: an acceptance of {acceptance:.3} shows nothing\n",
                row.name
            ));
        }
        found.push_str(&complaints(row.name, &exact, &runs, &target.expected()));
        if row.control {
            let runs = chains(&bench(Acceptance::Everything), &step, 2, row.steps / 2);
            found.push_str(&control_complaints(row.name, &runs, &target.expected()));
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

/// Where detailed balance holds, ⟨x_j(n)·x_i(n+1)⟩ = ⟨x_i(n)·x_j(n+1)⟩ for any two atoms in equilibrium. A trajectory of random order with swaps
/// keeps it; a trajectory and then a swap, always in this order, does not: argon forgets faster than krypton, and what comes second is
/// remembered. With the oracle itself inside, every end point is accepted and the inner chain alone is seen.
#[test]
fn a_fixed_order_of_inner_moves_is_seen_to_be_irreversible() {
    let target = einstein(alloy);
    let surface = std::sync::Arc::clone(&target.surface);
    let sites = target.start.positions.clone();
    let bench = Bench::new(target, Some(surface), 2, Acceptance::Metropolis);
    let asymmetry = |order| {
        let kernel = kernel_step(Kernel::Nested(NestedMoves {
            swap: 1.0,
            order,
            ..NestedMoves::TRAJECTORIES
        }));
        let seen = std::sync::Mutex::new(Vec::new());
        let step = |bench: &Bench, state: &State, id: StepId, workspace: &mut Workspace| {
            let (decision, next) = kernel(bench, state, id, workspace);
            let place = |state: &State, i: usize, axis: usize| state.structure.positions[i][axis] - sites[i][axis];
            let mut sum = 0.0;
            // Even atoms are argon, odd ones krypton.
            for (i, j) in (0..8).step_by(2).flat_map(|i| (1..8).step_by(2).map(move |j| (i, j))) {
                for axis in 0..3 {
                    sum +=
                        place(state, j, axis) * place(&next, i, axis) - place(state, i, axis) * place(&next, j, axis);
                }
            }
            seen.lock().expect("no other test panics with it").push(sum);
            (decision, next)
        };
        let mut series = Vec::new();
        for seed in 1..=2 {
            chain(&bench, &step, seed, 120_000);
            series.push(std::mem::take(&mut *seen.lock().expect("no other test panics with it")));
        }
        let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        assert!(ess_mean(&series) > 20_000.0);
        deviations(&series, &Expected::exact(0.0, 1.0)).0
    };
    let (random, fixed) = (asymmetry(Order::RandomScan), asymmetry(Order::FixedCycle));
    println!("asymmetry in standard errors: random order {random:+.1}, fixed order {fixed:+.1}");
    assert!(random.abs() < ERRORS, "random order: {random:+.1} standard errors");
    assert!(
        fixed.abs() > ERRORS,
        "fixed order: {fixed:+.1} standard errors, so the test proves nothing"
    );
}
