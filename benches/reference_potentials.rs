//! Benches of n2p2's own potentials, energy and forces per atom: carried along (the neighbour list is kept) and afresh
//! (the list is built each time). They need the reference data, which are not part of the project, and are skipped without.

use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use slmc::formats::n2p2::{FileUnits, read_data, read_potential};
use slmc::potential::{Potential, Workspace};

/// Folders of the reference data and what they show.
const CASES: [&str; 5] = ["h2o_1080", "cu2s_144", "mlearn_Si", "ethylbenzene_288", "si_g9"];

fn benches(criterion: &mut Criterion) {
    let place = std::env::var_os("SLMC_REFERENCE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let mut group = criterion.benchmark_group("n2p2");
    group.sample_size(10);
    for case in CASES {
        let folder = place.join("n2p2").join(case);
        let (Ok(potential), Ok(frames)) = (
            read_potential(&folder, FileUnits::default()),
            read_data(folder.join("input.data"), FileUnits::default()),
        ) else {
            eprintln!("skipped: no {}", folder.display());
            continue;
        };
        let structure = &frames[0].structure;
        group.throughput(Throughput::Elements(structure.len() as u64));
        let mut workspace = Workspace::new();
        group.bench_function(BenchmarkId::new("carried", case), |bencher| {
            bencher.iter(|| potential.evaluate(structure, &mut workspace));
        });
        group.bench_function(BenchmarkId::new("afresh", case), |bencher| {
            bencher.iter(|| {
                workspace.reset();
                potential.evaluate(structure, &mut workspace)
            });
        });
    }
}

criterion_group!(potentials, benches);
criterion_main!(potentials);
