//! Promise: symmetry functions have n2p2's values, to the digits that n2p2 printed.

use std::path::{Path, PathBuf};

use slmc::descriptor::{CutoffFunction, CutoffKind, Descriptor, Gaussian, Neighbours, Pairs, SymmetryFunction};
use slmc::structure::{Cell, NeighbourList, Species, Structure};

fn reference_data() -> Option<PathBuf> {
    let place = std::env::var_os("SLMC_REFERENCE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let place = place.join("n2p2");
    place.is_dir().then_some(place)
}

fn numbers(words: &[&str]) -> Vec<f64> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

/// The first structure of an input.data file, lengths as they stand there.
fn first_structure(text: &str) -> Structure {
    let (mut vectors, mut positions, mut species) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let vector = |words: &[&str]| -> [f64; 3] { numbers(words).try_into().unwrap() };
        match words.first() {
            Some(&"lattice") => vectors.push(vector(&words[1..4])),
            Some(&"atom") => {
                positions.push(vector(&words[1..4]));
                species.push(words[4].parse().unwrap());
            }
            Some(&"end") => break,
            _ => {}
        }
    }
    let cell = match vectors.try_into() {
        Ok(vectors) => Cell::new(vectors, [true; 3]).unwrap(),
        Err(_) => Cell::free(),
    };
    Structure::new(cell, species, positions).unwrap()
}

/// The descriptor of an input.nn file in n2p2's own order, or `None` if it uses what is not built yet.
fn descriptor(text: &str) -> Option<Descriptor> {
    let mut elements: Vec<Species> = Vec::new();
    let mut cutoff = CutoffFunction::default();
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.split(['#', '!']).next().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first() {
            Some(&"elements") => elements = words[1..].iter().map(|w| w.parse().unwrap()).collect(),
            Some(&"cutoff_type") => {
                cutoff.inner_fraction = words.get(2).map_or(0.0, |w| w.parse().unwrap());
                cutoff.kind = match words[1] {
                    "0" => CutoffKind::Hard,
                    "1" => CutoffKind::Cosine,
                    "2" => CutoffKind::TanhCubed,
                    "3" => CutoffKind::TanhCubedNormalised,
                    "4" => CutoffKind::Exponential,
                    "5" => CutoffKind::Polynomial1,
                    "6" => CutoffKind::Polynomial2,
                    "7" => CutoffKind::Polynomial3,
                    "8" => CutoffKind::Polynomial4,
                    _ => return None,
                };
            }
            Some(&("symfunction_short" | "symfunction")) => lines.push(words[1..].join(" ")),
            _ => {}
        }
    }
    elements.sort_unstable();
    let place = |word: &str| elements.iter().position(|e| e.symbol() == word).unwrap();
    let mut lists = vec![Vec::new(); elements.len()];
    for line in &lines {
        let words: Vec<&str> = line.split(' ').collect();
        let central = place(words[0]);
        let kind: u32 = words[1].parse().unwrap();
        let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
        // The function and what n2p2 sorts by.
        let (function, key) = match kind {
            2 | 12 => {
                let named = usize::from(kind == 2);
                let x = numbers(&words[2 + named..]);
                let neighbours = if kind == 2 {
                    Neighbours::Element(place(words[2]))
                } else {
                    Neighbours::Weighted
                };
                let last = if kind == 2 { place(words[2]) as f64 } else { 0.0 };
                let gaussian = gaussian(x[0], x[1], x[2]);
                (
                    SymmetryFunction::Radial { neighbours, gaussian },
                    vec![x[2], x[0], x[1], last],
                )
            }
            3 | 9 => {
                let (a, b) = (place(words[2]), place(words[3]));
                let (a, b) = (a.min(b), a.max(b));
                let x = numbers(&words[4..]);
                let shift = x.get(4).copied().unwrap_or(0.0);
                let function = SymmetryFunction::Angular {
                    pairs: Pairs::Elements(a, b),
                    gaussian: gaussian(x[0], shift, x[3]),
                    lambda: x[1],
                    zeta: x[2],
                    third_side: kind == 3,
                };
                (function, vec![x[3], x[0], shift, x[2], x[1], a as f64, b as f64])
            }
            13 => {
                let x = numbers(&words[2..]);
                let function = SymmetryFunction::Angular {
                    pairs: Pairs::Weighted,
                    gaussian: gaussian(x[0], x[1], x[4]),
                    lambda: x[2],
                    zeta: x[3],
                    third_side: true,
                };
                (function, vec![x[4], x[0], x[1], x[3], x[2]])
            }
            _ => return None,
        };
        lists[central].push((kind, key, function));
    }
    for list in &mut lists {
        list.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.partial_cmp(&b.1).unwrap()));
    }
    let functions = lists
        .into_iter()
        .map(|list| list.into_iter().map(|x| x.2).collect())
        .collect();
    Some(Descriptor::new(elements, cutoff, functions).unwrap())
}

#[test]
fn values_agree_with_n2p2() {
    let Some(place) = reference_data() else {
        eprintln!("skipped: no n2p2 reference data");
        return;
    };
    let mut compared = Vec::new();
    for case in std::fs::read_dir(place).unwrap() {
        let case = case.unwrap().path();
        let Ok(values) = std::fs::read_to_string(case.join("function.data")) else {
            continue;
        };
        let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap();
        let Some(descriptor) = descriptor(&read("input.nn")) else {
            continue;
        };
        let structure = first_structure(&read("input.data"));
        let list = NeighbourList::build(&structure, descriptor.cutoff());
        let features = descriptor.atom_features(&structure, &list);
        let rows = values.lines().skip(1);
        for (i, (atom, row)) in features.iter().zip(rows).enumerate() {
            let words: Vec<&str> = row.split_whitespace().collect();
            let expected = numbers(&words[1..]);
            assert_eq!(expected.len(), atom.values.len(), "{}", case.display());
            for (f, (g, expected)) in atom.values.iter().zip(expected).enumerate() {
                assert!(
                    (g - expected).abs() < 1e-9,
                    "{} atom {i} function {f}: {g} {expected}",
                    case.display()
                );
            }
        }
        compared.push(case.file_name().unwrap().to_owned());
    }
    eprintln!("compared {compared:?}");
    assert!(compared.len() >= 5, "only {compared:?} could be compared");
}
