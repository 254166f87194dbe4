//! Delayed acceptance samples the dear oracle exactly, whatever the cheap one says; a second stage that forgets the cheap oracle's change does not.

use std::sync::Arc;

use slmc::dynamics::{Barostat, CellMotion, Domain, Kinetics, Load, MomentumCoupling};
use slmc::potential::{Labels, Potential, Workspace};
use slmc::sampling::{
    Acceptance, Advance, Decision, Ensemble, Environment, Kernel, NestedMoves, OracleId, Reply, State, StepId,
};
use slmc::structure::Structure;
use slmc::units::{BOLTZMANN, FEMTOSECOND, Temperature};

use crate::canonical::{Proposal, far, nearly, swirl};
use crate::elastic::Elastic;
use crate::harness::{
    Bench, ERRORS, Expected, FEWEST_EFFECTIVE, chain, chains, complaints, control_complaints, deviations, fraction,
    seeds,
};
use crate::targets::{
    Form, Target, alloy, asymmetric, asymmetric_surface, einstein, einstein_surface, lennard_jones,
    lennard_jones_surface,
};

/// The second stage as it must be, or without the cheap oracle's change of energy.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    Exact,
    WithoutCheap,
}

/// A step of a kernel in two stages.
fn two_stages(
    kernel: Kernel,
    cheap: Arc<dyn Potential>,
    second: Second,
) -> impl Fn(&Bench, &State, StepId, &mut Workspace) -> (Decision, State) + Sync {
    move |bench, state, id, workspace| {
        let environment = &bench.environment;
        let proposal = bench.proposal.as_deref();
        let cheap_energy = |structure: &Structure| cheap.evaluate(structure, &mut Workspace::new()).energy;
        let mut task = kernel
            .begin(environment, &bench.plan, proposal, state, id, workspace)
            .in_two_stages(environment, id);
        let mut reply = None;
        loop {
            match task.advance(environment, state, id, reply.take()) {
                Advance::Done(done) => {
                    let (mut decision, mut next) = *done;
                    if second == Second::WithoutCheap {
                        next.labels.energy = bench.label(&next.structure).map_or(f64::NAN, |labels| labels.energy);
                        decision.energy = next.labels.energy;
                    }
                    return (decision, next);
                }
                Advance::NeedLabel(OracleId::First, structure) => {
                    reply = Some(Reply::Labels(Labels {
                        energy: cheap_energy(&structure),
                        forces: None,
                        stress: None,
                    }));
                }
                Advance::NeedLabel(OracleId::Final, structure) => {
                    let mut labels = bench.label(&structure);
                    if let (Second::WithoutCheap, Some(labels)) = (second, &mut labels) {
                        labels.energy += cheap_energy(&structure) - cheap_energy(&state.structure);
                    }
                    reply = Some(labels.map_or(Reply::Unphysical, Reply::Labels));
                }
            }
        }
    }
}

/// One line of the table.
pub struct Row {
    name: &'static str,
    pub kernel: Kernel,
    target: fn(fn(Structure) -> Structure) -> Target,
    change: fn(Structure) -> Structure,
    proposal: Proposal,
    cheap: Proposal,
    segments: usize,
    steps: usize,
    control: bool,
}

/// A cheap oracle between the proposals' surface and the dear one.
fn between(target: &Target) -> Arc<dyn Potential> {
    let start = &target.start;
    match target.form {
        Form::Einstein => einstein_surface(start, 2.2),
        Form::Asymmetric => asymmetric_surface(start, 0.0185, 4.1),
        Form::LennardJones => lennard_jones_surface(start, 0.0094, 3.38),
    }
}

const ROW: Row = Row {
    name: "",
    kernel: Kernel::Slhmc,
    target: einstein,
    change: |s| s,
    proposal: far,
    cheap: between,
    segments: 1,
    steps: 10_000,
    control: true,
};

pub const ROWS: &[Row] = &[
    Row {
        name: "einstein, delayed",
        ..ROW
    },
    Row {
        name: "einstein, delayed, non-conservative, 3 segments",
        proposal: swirl,
        segments: 3,
        ..ROW
    },
    Row {
        name: "einstein, delayed, the first stage worse than the proposals",
        proposal: nearly,
        cheap: far,
        control: false,
        steps: 16_000,
        ..ROW
    },
    Row {
        name: "einstein alloy, delayed, nested",
        kernel: Kernel::Nested(NestedMoves {
            local: 1.0,
            swap: 2.0,
            ..NestedMoves::TRAJECTORIES
        }),
        change: alloy,
        segments: 3,
        ..ROW
    },
    Row {
        name: "asymmetric, delayed, local",
        kernel: Kernel::Local { whole: 0.3 },
        target: asymmetric,
        ..ROW
    },
    Row {
        name: "lennard-jones, delayed, 3 segments",
        target: lennard_jones,
        segments: 3,
        steps: 5_000,
        ..ROW
    },
];

#[test]
fn two_stages_are_exact() {
    let mut found = String::new();
    for row in ROWS {
        let target = (row.target)(row.change);
        let bench = Bench::new(
            target.clone(),
            Some((row.proposal)(&target)),
            row.segments,
            Acceptance::Metropolis,
        );
        let passed = std::sync::atomic::AtomicUsize::new(0);
        let exact = two_stages(row.kernel, (row.cheap)(&target), Second::Exact);
        let counted = |bench: &Bench, state: &State, id: StepId, workspace: &mut Workspace| {
            let (decision, next) = exact(bench, state, id, workspace);
            let stage = decision.first_stage.expect("a first stage");
            assert_eq!(
                decision.labels,
                u32::from(stage.passed),
                "what is rejected early costs no label"
            );
            passed.fetch_add(decision.labels as usize, std::sync::atomic::Ordering::Relaxed);
            (decision, next)
        };
        let count = seeds(2);
        let runs = chains(&bench, &counted, count, row.steps);
        let passing = passed.into_inner() as f64 / (count * row.steps) as f64;
        let acceptance = fraction(&runs, |series| series.accepted);
        println!(
            "{}: {passing:.3} pass the first stage, {acceptance:.3} are accepted",
            row.name
        );
        if !(0.05..0.97).contains(&passing) || acceptance > 0.97 * passing {
            found.push_str(&format!("{}: one of the stages shows nothing\n", row.name));
        }
        found.push_str(&complaints(row.name, &bench, &runs, &target.expected()));
        if row.control {
            let wrong = two_stages(row.kernel, (row.cheap)(&target), Second::WithoutCheap);
            let runs = chains(&bench, &wrong, 2, row.steps);
            found.push_str(&control_complaints(row.name, &runs, &target.expected()));
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

/// Kernels whose two stages are tested at constant pressure: name, kernel, segments (of an inner chain: moves), steps.
pub const CONSTANT_PRESSURE: &[(&str, Kernel, usize, usize)] = &[
    ("trajectories of atoms and cell", Kernel::Slhmc, 3, 30_000),
    (
        "inner chain with strains of the cell",
        Kernel::Nested(NestedMoves {
            scale: 1.1,
            volume: 3.0,
            most_strain: 0.12,
            ..NestedMoves::TRAJECTORIES
        }),
        24,
        16_000,
    ),
];

/// Springs to sites that are affine in the cell, under a pressure: V ~ Gamma(1, kT/P). What belongs to the cell, and after an inner chain
/// its β⁰, is weighed in the first stage alone.
#[test]
fn two_stages_are_exact_at_constant_pressure() {
    let target = einstein(|s| s);
    let start = target.start.clone();
    let kt = BOLTZMANN * 300.0;
    let pressure = kt / start.cell.volume();
    let springs = |force_constant, lame| Arc::new(Elastic::new(&start, force_constant, lame)) as Arc<dyn Potential>;
    let target = Target {
        surface: springs(1.0, [0.0; 2]),
        temperature: Temperature::new(300.0),
        time_step: 20.0 * FEMTOSECOND,
        steps: 12,
        settle: 0,
        ..target
    };
    let kinetics = Kinetics::new(Arc::clone(&start.masses), Arc::clone(&start.fixed), false);
    let barostat = Arc::new(Barostat {
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
        atoms: start.len(),
        degrees_of_freedom: kinetics.degrees_of_freedom(),
        volume_power: start.len() as f64 + 1.0,
        orientation_power: 2.0,
    });
    let volume = Expected::exact(kt / pressure, (kt / pressure).powi(2));
    // The springs' energy does not feel the cell.
    let modes = 1.5 * start.len() as f64;
    let energy = Expected::exact(modes * kt, modes * kt * kt);
    for (name, kernel, segments, steps) in CONSTANT_PRESSURE {
        let proposal = Some(springs(1.05, [0.0; 2]));
        let mut bench = Bench::new(target.clone(), proposal, *segments, Acceptance::Metropolis);
        bench.environment = Environment {
            ensemble: Ensemble::IsothermalIsobaric(Arc::clone(&barostat)),
            kinetics: kinetics.clone(),
            ..bench.environment
        };
        let run = |second| {
            // What is left out of the control must be large enough to be seen.
            let elastic = if second == Second::Exact { 1e-4 } else { 4e-4 };
            let step = two_stages(*kernel, springs(1.03, [elastic, 0.0]), second);
            let seen = std::sync::Mutex::new(Vec::new());
            let watched = |bench: &Bench, state: &State, id: StepId, workspace: &mut Workspace| {
                let (decision, next) = step(bench, state, id, workspace);
                seen.lock()
                    .expect("no other test panics with it")
                    .push(next.structure.cell.volume());
                (decision, next)
            };
            let (mut volumes, mut energies) = (Vec::new(), Vec::new());
            for seed in 1..=2 {
                energies.push(chain(&bench, &watched, seed, *steps).energy.split_off(1_000));
                let mut own = std::mem::take(&mut *seen.lock().expect("no other test panics with it"));
                volumes.push(own.split_off(1_000));
            }
            let of = |series: &[Vec<f64>], expected: &Expected| {
                let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
                let effective = slmc::analysis::statistics::ess_mean(&series);
                (effective, deviations(&series, expected))
            };
            [("volume", of(&volumes, &volume)), ("energy", of(&energies, &energy))]
        };
        for (what, (effective, (mean, sd))) in run(Second::Exact) {
            println!("{name}: {what}: {effective:.0} effective, mean {mean:+.1}, sd {sd:+.1} standard errors off");
            assert!(effective > FEWEST_EFFECTIVE, "{name}: {what}: {effective}");
            assert!(
                mean.abs() < ERRORS && sd.abs() < ERRORS,
                "{name}: {what}: mean {mean:+.1}, sd {sd:+.1}"
            );
        }
        let off = run(Second::WithoutCheap).map(|(what, (_, (mean, _)))| (what, mean));
        println!("{name}: control: {off:?} standard errors off");
        assert!(
            off.iter().any(|(_, mean)| mean.abs() > ERRORS),
            "{name}: the control comes out right: {off:?}"
        );
    }
}
