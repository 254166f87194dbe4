//! Inner chains on another surface and trajectories of regions leave the ensemble exact; a fixed order of inner moves does not.

use slmc::sampling::{Acceptance, Kernel, NestedMoves, Order};
use slmc::structure::Structure;

use crate::canonical::{Proposal, far, swirl};
use crate::harness::{Bench, chains, complaints, control_complaints, fraction, full, kernel_step, seeds};
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

/// A trajectory and then a swap, always in this order: each is reversible, their product is not.
#[test]
fn a_fixed_order_of_inner_moves_is_seen_to_be_wrong() {
    let target = einstein(alloy);
    let kernel = |order| {
        Kernel::Nested(NestedMoves {
            scale: 0.5,
            swap: 1.0,
            order,
            ..NestedMoves::TRAJECTORIES
        })
    };
    let bench = Bench::new(target.clone(), Some(far(&target)), 2, Acceptance::Metropolis);
    let steps = if full() { 60_000 } else { 20_000 };
    let runs = chains(&bench, &kernel_step(kernel(Order::FixedCycle)), 2, steps);
    let found = control_complaints("fixed order", &runs, &target.expected());
    assert!(found.is_empty(), "{found}");
    let runs = chains(&bench, &kernel_step(kernel(Order::RandomScan)), 2, steps);
    let found = complaints("random order", &bench, &runs, &target.expected());
    assert!(found.is_empty(), "{found}");
}
