//! The moment-tensor preset: the power spectrum, and functions of four bodies beside it.
//!
//! A potential that is a sum over neighbours and pairs of neighbours, or a function of a few such sums, does not tell all environments
//! apart. Shapeev, Multiscale Model. Simul. 14, 1153 (2016).

use super::config::DescriptorConfig;
use super::function::{Gaussian, Neighbours, SymmetryFunction};
use super::power_spectrum;
use super::standard::Ladders;
use crate::structure::{Species, Structure};

/// The preset's functions per central element.
pub(super) fn functions(
    config: &DescriptorConfig,
    elements: &[Species],
    frames: &[&Structure],
) -> Vec<Vec<SymmetryFunction>> {
    let ladders = Ladders::new(config, elements, frames);
    let neighbours = if elements.len() == 1 {
        Neighbours::Element(0)
    } else {
        Neighbours::Weighted
    };
    let mut lists = power_spectrum::functions(config, elements, frames);
    for (central, list) in lists.iter_mut().enumerate() {
        let shapes: Vec<Gaussian> = ladders.angular(central, config.tensor_count, power_spectrum::WIDTH);
        for (places, powers) in distinct(shapes.len(), config.tensor_degree as u32) {
            list.push(SymmetryFunction::MomentTensor {
                neighbours: [neighbours; 3],
                shapes: places.map(|place| shapes[place]),
                powers,
            });
        }
    }
    lists
}

/// Three of `count` shapes and the powers of cos θ_jk, cos θ_jl, cos θ_kl up to a sum, one of all that differ only by the names of j, k and l.
fn distinct(count: usize, degree: u32) -> Vec<([usize; 3], [u32; 3])> {
    let mut list = Vec::new();
    for total in 0..=degree {
        for jk in 0..=total {
            for jl in 0..=total - jk {
                let powers = [jk, jl, total - jk - jl];
                for places in 0..count.pow(3) {
                    let places = [places / count.pow(2), places / count % count, places % count];
                    if renamed(places, powers).all(|other| other >= (places, powers)) {
                        list.push((places, powers));
                    }
                }
            }
        }
    }
    list
}

/// The same function under all names of its three neighbours.
fn renamed(places: [usize; 3], powers: [u32; 3]) -> impl Iterator<Item = ([usize; 3], [u32; 3])> {
    const NAMES: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    // The power of the pair that lacks a neighbour belongs to the two others.
    let without = [powers[2], powers[1], powers[0]];
    NAMES.into_iter().map(move |names| {
        let lacking = names.map(|name| without[name]);
        (names.map(|name| places[name]), [lacking[2], lacking[1], lacking[0]])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_same_three_neighbours_are_listed_once() {
        assert_eq!(distinct(1, 2).len(), 1 + 1 + 2);
        // Products of three of two shapes: 000, 001, 011, 111.
        assert_eq!(distinct(2, 0).len(), 4);
        let list = distinct(3, 3);
        for (index, (places, powers)) in list.iter().enumerate() {
            for other in renamed(*places, *powers) {
                assert!(list[..index].iter().all(|known| *known != other));
            }
        }
        let total: usize = list
            .iter()
            .map(|(places, powers)| {
                let mut same: Vec<_> = renamed(*places, *powers).collect();
                same.sort_unstable();
                same.dedup();
                same.len()
            })
            .sum();
        assert_eq!(total, 27 * (1 + 3 + 6 + 10));
    }
}
