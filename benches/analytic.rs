//! Time of one evaluation of each interatomic surface along a trajectory-like sequence of structures.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use slmc::linear::Vec3;
use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::Workspace;
use slmc::structure::Structure;

fn evaluate(criterion: &mut Criterion, name: &str, file: &str) {
    let frame = slmc::formats::read(file).expect("the example's structure");
    let first: Structure = frame[0].structure.clone();
    let potential = build(&AnalyticConfig::by_name(name).expect("a surface"), &first).expect("its species");
    // Two structures within the skin of each other, as neighbours along a trajectory are.
    let nudge = |p: &Vec3| [p[0] + 0.02 * (7.0 * p[1]).sin(), p[1] + 0.02 * (7.0 * p[2]).sin(), p[2]];
    let moved = first.with_positions(first.positions.iter().map(nudge).collect());
    let mut workspace = Workspace::new();
    criterion.bench_function(&format!("{name}, {} atoms", first.len()), |bencher| {
        bencher.iter(|| {
            black_box(potential.evaluate(&first, &mut workspace).energy)
                + black_box(potential.evaluate(&moved, &mut workspace).energy)
        });
    });
}

fn surfaces(criterion: &mut Criterion) {
    evaluate(criterion, "stillinger-weber", "examples/silicon/silicon.xyz");
    evaluate(criterion, "vashishta", "examples/quartz/quartz.xyz");
    evaluate(criterion, "lennard-jones", "examples/argon/argon.xyz");
}

criterion_group!(benches, surfaces);
criterion_main!(benches);
