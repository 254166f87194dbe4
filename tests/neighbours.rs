//! Promise: neighbour lists are complete and free of duplicates for any cell, any periodicity and any positions.

use proptest::prelude::*;
use slmc::linear::{Mat3, Vec3, add, determinant, dot, row_times, sub};
use slmc::structure::{Cell, NeighbourList, Species, Structure, VerletList};

fn structure(cell: Cell, positions: Vec<Vec3>) -> Structure {
    let silicon = Species::from_atomic_number(14).unwrap();
    Structure::new(cell, vec![silicon; positions.len()], positions).unwrap()
}

/// Triclinic vectors of 2 to 30 Å, of either handedness, with a volume of at least a tenth of the product of lengths.
fn vectors() -> impl Strategy<Value = Mat3> {
    let direction = || prop::array::uniform3(-1.0..1.0_f64);
    (
        prop::array::uniform3(direction()),
        prop::array::uniform3(2.0..30.0_f64),
        prop::array::uniform3(-4_i32..=4),
    )
        .prop_filter_map("flat", |(directions, lengths, skew)| {
            let mut vectors = directions;
            for k in 0..3 {
                let length = dot(directions[k], directions[k]).sqrt();
                vectors[k] = directions[k].map(|x| x / length);
            }
            // A direction of length zero leaves no number.
            let volume = determinant(&vectors).abs();
            if volume.is_nan() || volume < 0.1 {
                return None;
            }
            for k in 0..3 {
                vectors[k] = vectors[k].map(|x| x * lengths[k]);
            }
            // Unimodular shears: the same lattice from very skewed vectors.
            for k in 0..3 {
                let other = vectors[(k + 1) % 3];
                vectors[k] = add(vectors[k], other.map(|x| x * f64::from(skew[k])));
            }
            Some(vectors)
        })
}

fn any_structure(atoms: usize) -> impl Strategy<Value = Structure> {
    (
        vectors(),
        prop::array::uniform3(any::<bool>()),
        prop::collection::vec(prop::array::uniform3(-2.5..2.5_f64), 1..=atoms),
    )
        .prop_map(|(vectors, periodic, fractional)| {
            let cell = Cell::new(vectors, periodic).unwrap();
            let positions = fractional.iter().map(|f| cell.cartesian(*f)).collect();
            structure(cell, positions)
        })
}

/// The reference costs O(images·N²): keep it affordable.
fn affordable(structure: &Structure, cutoff: f64) -> bool {
    let heights = structure.cell.heights();
    let images: f64 = (0..3)
        .filter(|k| structure.cell.periodic()[*k])
        .map(|k| 2.0 * cutoff / heights[k] + 2.0)
        .product();
    images * (structure.len() as f64).powi(2) < 2e6
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn binned_search_equals_the_search_over_all_images(structure in any_structure(60), cutoff in 1.0..9.0_f64) {
        prop_assume!(affordable(&structure, cutoff));
        let reference = NeighbourList::build_all_images(&structure, cutoff);
        prop_assert!(NeighbourList::build(&structure, cutoff) == reference);
    }

    #[test]
    fn verlet_list_holds_every_pair_along_a_deforming_walk(
        start in any_structure(24),
        steps in prop::collection::vec((any::<u32>(), 0.0..0.15_f64, 0.0..0.02_f64), 1..8),
        cutoff in 2.0..5.0_f64,
    ) {
        prop_assume!(affordable(&start, cutoff + 1.0));
        let mut list = VerletList::new(cutoff, 0.8);
        let mut current = start;
        for (seed, motion, strain) in steps {
            let noise = |k: usize| (f64::from(seed) * 1e-6 + 1.7 * k as f64).sin();
            let mut deformation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            for k in 0..9 {
                deformation[k / 3][k % 3] += strain * noise(k);
            }
            let vectors = current.cell.vectors().map(|v| row_times(v, &deformation));
            let positions = current.positions.iter().enumerate().map(|(i, p)| {
                let kick = [0, 1, 2].map(|k| motion * noise(3 * i + k + 9));
                add(row_times(*p, &deformation), kick)
            }).collect();
            current = current.with_positions(positions);
            current.cell = Cell::new(vectors, current.cell.periodic()).unwrap();
            let carried = list.update(&current);
            let fresh = NeighbourList::build(&current, cutoff);
            for i in 0..current.len() {
                let near: Vec<_> = carried.of(i).iter().filter(|n| {
                    let d = sub(add(current.positions[n.index as usize], n.offset), current.positions[i]);
                    dot(d, d) < cutoff * cutoff
                }).copied().collect();
                prop_assert_eq!(near.as_slice(), fresh.of(i));
            }
        }
    }

    #[test]
    fn any_positions_and_any_cutoff_end(
        numbers in prop::collection::vec(prop::array::uniform3(any::<f64>()), 1..20),
        edge in 0.01..10.0_f64,
        periodic in prop::array::uniform3(any::<bool>()),
        cutoff in prop_oneof![any::<f64>(), 0.0..6.0_f64],
    ) {
        let cell = Cell::new([[edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]], periodic).unwrap();
        let plain = structure(cell, vec![[0.0; 3]; numbers.len()]).with_positions(numbers);
        let list = NeighbourList::build(&plain, cutoff);
        let listed: usize = (0..plain.len()).map(|i| list.of(i).len()).sum();
        prop_assert_eq!(listed, list.len());
    }
}

#[test]
fn an_atom_without_a_place_has_no_neighbours_and_the_list_says_so() {
    let cell = Cell::cubic(5.0).unwrap();
    let three = structure(cell, vec![[0.0; 3], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]);
    let broken = three.with_positions(vec![[0.0; 3], [f64::NAN, 0.0, 0.0], [2.0, 0.0, 0.0]]);
    let list = NeighbourList::build(&broken, 2.5);
    assert!(!list.is_complete());
    assert!(list.of(1).is_empty());
    assert_eq!(list.of(0).iter().map(|n| n.index).collect::<Vec<_>>(), [2]);
    assert!(NeighbourList::build(&three, 2.5).is_complete());
}

#[test]
fn a_collapsed_cell_is_refused_rather_than_listed() {
    let collapsed = structure(Cell::cubic(1e-4).unwrap(), vec![[0.0; 3]; 8]);
    let list = NeighbourList::build(&collapsed, 6.0);
    assert!(list.is_empty() && !list.is_complete());
    let flat = Cell::new([[1e-7, 0.0, 0.0], [0.0, 50.0, 0.0], [0.0, 0.0, 50.0]], [true; 3]).unwrap();
    assert!(!NeighbourList::build(&structure(flat, vec![[0.0; 3]; 8]), 6.0).is_complete());
    let collapsed = structure(Cell::cubic(0.02).unwrap(), vec![[0.0; 3]; 8]);
    assert!(!NeighbourList::build(&collapsed, 6.0).is_complete());
}

#[test]
fn atoms_far_outside_their_cell_have_the_neighbours_of_those_inside() {
    let cell = Cell::new([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, -1.0, 6.0]], [true; 3]).unwrap();
    let fractional = [[0.1, 0.2, 0.3], [0.6, 0.7, 0.1], [0.4, 0.1, 0.8]];
    for away in [0.0, 511.0, -700.0, 3000.0] {
        let moved = |i: usize, f: &Vec3| cell.cartesian([f[0] + away * i as f64, f[1], f[2] - away]);
        let positions = fractional.iter().enumerate().map(|(i, f)| moved(i, f)).collect();
        let structure = structure(cell, positions);
        assert!(NeighbourList::build(&structure, 5.5) == NeighbourList::build_all_images(&structure, 5.5));
    }
}

#[test]
fn a_small_cell_lists_the_shells_of_the_simple_cubic_lattice() {
    let one = structure(Cell::cubic(2.0).unwrap(), vec![[7.3, -5.1, 0.2]]);
    // Shells of the simple cubic lattice: 6, 12, 8, 6, 24, 24 at squared distances 1, 2, 3, 4, 5, 6.
    for (squared, count) in [(1.0, 6), (2.0, 18), (3.0, 26), (4.0, 32), (5.0, 56), (6.0, 80_usize)] {
        let list = NeighbourList::build(&one, 2.0 * f64::sqrt(squared) + 1e-6);
        assert_eq!(list.len(), count);
    }
}

#[test]
fn four_thousand_atoms_have_the_neighbours_an_independent_count_finds() {
    let unit = structure(
        Cell::cubic(5.431).unwrap(),
        [
            [0.0, 0.0, 0.0],
            [0.0, 0.5, 0.5],
            [0.5, 0.0, 0.5],
            [0.5, 0.5, 0.0],
            [0.25, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.75, 0.25, 0.75],
            [0.75, 0.75, 0.25],
        ]
        .map(|f: Vec3| f.map(|x| x * 5.431))
        .to_vec(),
    );
    let mut large = unit.supercell([8, 8, 8]);
    assert_eq!(large.len(), 4096);
    for (i, p) in large.positions.iter_mut().enumerate() {
        for (k, x) in p.iter_mut().enumerate() {
            *x += 0.3 * (1.3 * i as f64 + 2.1 * k as f64).sin();
        }
    }
    let cutoff = 5.0;
    let edge = 8.0 * 5.431;
    // Minimum image by rounding, right here because the cutoff is far below half the edge.
    let mut counted = 0;
    for i in 0..large.len() {
        for j in 0..large.len() {
            let d = sub(large.positions[j], large.positions[i]).map(|x| x - edge * (x / edge).round());
            counted += usize::from(i != j && dot(d, d) < cutoff * cutoff);
        }
    }
    assert_eq!(NeighbourList::build(&large, cutoff).len(), counted);
}

#[test]
fn threads_that_share_a_large_system_find_what_one_finds() {
    let cell = Cell::new(
        [[13.0, 0.0, 0.0], [4.0, 15.0, 0.0], [-2.0, 1.0, 11.0]],
        [true, true, false],
    )
    .unwrap();
    let chance = |i: usize, k: usize| 1.7 * (12.9898 * i as f64 + 78.233 * k as f64).sin();
    let positions = (0..300)
        .map(|i| cell.cartesian(std::array::from_fn(|k| chance(i, k))))
        .collect();
    let whole = structure(cell, positions);
    let mut lost = whole.positions.clone();
    lost[123] = [f64::NAN, 0.0, 0.0];
    let lost = whole.with_positions(lost);
    let collapsed = structure(Cell::cubic(0.05).unwrap(), vec![[0.0; 3]; 256]);
    let lists = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| [&whole, &lost, &collapsed].map(|structure| NeighbourList::build(structure, 4.0)))
    };
    let one = lists(1);
    assert!(one[0] == NeighbourList::build_all_images(&whole, 4.0) && one[0].is_complete());
    assert!(one[1].of(123).is_empty() && !one[1].is_complete() && !one[1].is_empty());
    assert!(one[2].is_empty() && !one[2].is_complete());
    for threads in [2, 3, 7] {
        assert!(lists(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_supercell_repeats_every_environment() {
    let cell = Cell::new([[3.1, 0.2, 0.0], [0.4, 2.8, -0.3], [-0.5, 0.6, 3.5]], [true; 3]).unwrap();
    let unit = structure(cell, vec![[0.1, 0.2, 0.3], [1.4, 1.3, 1.9]])
        .with_masses(vec![28.0, 30.0])
        .unwrap()
        .with_fixed(vec![true, false])
        .unwrap();
    let large = unit.supercell([2, 1, 3]);
    assert_eq!(large.len(), 12);
    assert!((large.cell.volume() - 6.0 * unit.cell.volume()).abs() < 1e-9);
    assert_eq!(large.masses[..4], [28.0, 30.0, 28.0, 30.0]);
    assert_eq!(large.fixed[..4], [true, false, true, false]);
    // The last vector runs fastest.
    assert!(dot(sub(large.positions[2], unit.positions[0]), cell.vectors()[2]) > 0.0);
    let (small, big) = (NeighbourList::build(&unit, 6.3), NeighbourList::build(&large, 6.3));
    let distances = |s: &Structure, list: &NeighbourList, i: usize| {
        let mut squared: Vec<f64> = list
            .of(i)
            .iter()
            .map(|n| sub(add(s.positions[n.index as usize], n.offset), s.positions[i]))
            .map(|d| dot(d, d))
            .collect();
        squared.sort_by(f64::total_cmp);
        squared
    };
    for i in 0..large.len() {
        let (here, there) = (distances(&large, &big, i), distances(&unit, &small, i % 2));
        assert_eq!(here.len(), there.len());
        assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-9));
    }
    assert_eq!(unit.supercell([1, 1, 1]), unit);
}

#[test]
fn masses_and_fixed_atoms_are_checked() {
    let one = structure(Cell::free(), vec![[0.0; 3]]);
    assert!(one.clone().with_masses(vec![0.0]).is_err());
    assert!(one.clone().with_masses(vec![1.0, 2.0]).is_err());
    assert!(one.clone().with_fixed(vec![]).is_err());
    assert!(!one.with_fixed(vec![true]).unwrap().all_free());
}
