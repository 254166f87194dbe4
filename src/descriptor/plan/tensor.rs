//! Moment-tensor functions: which products of three moments they are.

use super::{LANES, insert};
use crate::descriptor::function::{Gaussian, Neighbours, SymmetryFunction};
use crate::descriptor::monomials::Monomials;

/// One product of three moments.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Term {
    /// The three monomials, each counted from the first one of its degree.
    pub monomials: [usize; 3],
    pub weight: f64,
}

/// Where a moment of a function is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) struct Place {
    /// The element index, or the number of elements for the weighted set.
    pub set: usize,
    /// The shape's place in the ladder.
    pub channel: usize,
}

/// The functions of the same three powers, side by side.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Tensors {
    /// The degrees of the three moments.
    pub degrees: [usize; 3],
    pub terms: Vec<Term>,
    pub features: Vec<usize>,
    /// The places of the three moments, function by function.
    pub places: [Vec<Place>; 3],
}

impl Tensors {
    /// The number of functions, padded to whole registers.
    pub fn width(&self) -> usize {
        self.features.len().next_multiple_of(LANES)
    }
}

/// The degrees of the moments that the powers of cos θ_jk, cos θ_jl and cos θ_kl belong to.
fn degrees([jk, jl, kl]: [u32; 3]) -> [usize; 3] {
    [jk + jl, jk + kl, jl + kl].map(|degree| degree as usize)
}

/// Adds the shapes of all moment-tensor functions to `shapes`; the highest degree, 0 without any.
pub(super) fn gather(functions: &[SymmetryFunction], shapes: &mut Vec<Gaussian>) -> usize {
    let mut highest = 0;
    for function in functions {
        if let SymmetryFunction::MomentTensor {
            shapes: three, powers, ..
        } = function
        {
            for shape in three {
                insert(shapes, *shape);
            }
            // Moments begin with the directions themselves.
            highest = degrees(*powers).into_iter().fold(highest.max(1), usize::max);
        }
    }
    highest
}

/// The moment-tensor functions among some functions, grouped by powers; `place` is where a shape stands in the ladder.
pub(super) fn plan(
    functions: &[SymmetryFunction],
    elements: usize,
    monomials: &Monomials,
    place: impl Fn(&Gaussian) -> usize,
) -> Vec<Tensors> {
    let mut groups: Vec<([u32; 3], Tensors)> = Vec::new();
    for (feature, function) in functions.iter().enumerate() {
        let SymmetryFunction::MomentTensor {
            neighbours,
            shapes,
            powers,
        } = function
        else {
            continue;
        };
        let index = groups.iter().position(|(known, _)| known == powers).unwrap_or_else(|| {
            let group = Tensors {
                degrees: degrees(*powers),
                terms: terms(*powers, monomials),
                features: Vec::new(),
                places: [const { Vec::new() }; 3],
            };
            groups.push((*powers, group));
            groups.len() - 1
        });
        let group = &mut groups[index].1;
        group.features.push(feature);
        for (places, (neighbours, shape)) in group.places.iter_mut().zip(neighbours.iter().zip(shapes)) {
            places.push(Place {
                set: match neighbours {
                    Neighbours::Element(element) => *element,
                    Neighbours::Weighted => elements,
                },
                channel: place(shape),
            });
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// (u_j·u_k)ᵃ (u_j·u_l)ᵇ (u_k·u_l)ᶜ as a sum of products of monomials of the three directions, by the multinomial theorem.
fn terms([jk, jl, kl]: [u32; 3], monomials: &Monomials) -> Vec<Term> {
    let of_degree = |degree: u32| monomials.starts[degree as usize]..monomials.starts[degree as usize + 1];
    let mut terms: Vec<Term> = Vec::new();
    for a in of_degree(jk) {
        for b in of_degree(jl) {
            for c in of_degree(kl) {
                let product = |x: usize, y: usize| {
                    let exponents: [usize; 3] =
                        std::array::from_fn(|k| monomials.exponents[x][k] + monomials.exponents[y][k]);
                    let degree: usize = exponents.iter().sum();
                    let range = monomials.starts[degree]..monomials.starts[degree + 1];
                    monomials.exponents[range]
                        .iter()
                        .position(|other| *other == exponents)
                        .expect("every monomial up to the degree is listed")
                };
                let product = [product(a, b), product(a, c), product(b, c)];
                let weight = [a, b, c].map(|m| monomials.multinomials[m]).iter().product::<f64>();
                match terms.iter_mut().find(|term| term.monomials == product) {
                    Some(term) => term.weight += weight,
                    None => terms.push(Term {
                        monomials: product,
                        weight,
                    }),
                }
            }
        }
    }
    terms
}
