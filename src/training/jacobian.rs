//! The descriptors' derivatives of one frame in compact form, and the two products that training needs of them.

use pulp::{Arch, Simd, WithSimd};

use super::frame::each_atom;
use crate::descriptor::{AtomFeatures, Descriptor};
use crate::structure::Structure;

/// A derivative smaller than this beside the largest of its function is below the resolution of single precision.
const NEGLIGIBLE: f64 = 1e-9;
/// How much wider than its own support a function may be stored for the sake of a shared block.
const WASTE: f64 = 1.3;

/// dG/dr and dG/dε of all atoms of a frame in single precision. The functions of an atom are stored in groups of
/// neighbours in the list whose derivatives are with respect to much the same atoms: angular functions see few of the
/// atoms that radial ones see, and functions of one neighbouring element none of another. A group of f functions that
/// depend on n atoms has f rows of 3n + 6 columns: derivatives with respect to positions, then to strain. The atoms come
/// element by element.
pub(super) struct Jacobians {
    values: Vec<f32>,
    atoms: Vec<u32>,
    groups: Vec<Group>,
    /// The first group of each atom; one entry more than there are atoms.
    starts: Vec<u32>,
}

/// Where the numbers of a group of functions are.
struct Group {
    value_start: usize,
    atom_start: usize,
    atoms: u32,
    first_function: u32,
    functions: u32,
}

impl Jacobians {
    /// Of no atom.
    pub fn empty() -> Self {
        Self {
            values: Vec::new(),
            atoms: Vec::new(),
            groups: Vec::new(),
            starts: vec![0],
        }
    }

    /// The derivatives of a frame's atoms, from scratch.
    pub fn compute(descriptor: &Descriptor, structure: &Structure) -> Self {
        let mut compact = Self::empty();
        each_atom(descriptor, structure, |_, atom| compact.append(&atom));
        compact.shrink();
        compact
    }

    /// Gives back memory when all atoms are there.
    pub fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.atoms.shrink_to_fit();
        self.groups.shrink_to_fit();
    }

    /// Appends one atom: groups grow function by function as long as their common support stays tight.
    pub fn append(&mut self, atom: &AtomFeatures) {
        let functions = atom.values.len();
        let mut first = 0;
        while first < functions {
            let mut union = support(atom, first);
            let mut smallest = count(&union);
            let mut end = first + 1;
            while end < functions {
                let next = support(atom, end);
                let own = count(&next);
                let together: Vec<bool> = union.iter().zip(&next).map(|(a, b)| *a || *b).collect();
                if count(&together) as f64 > WASTE * smallest.min(own) as f64 + 4.0 {
                    break;
                }
                smallest = smallest.min(own);
                union = together;
                end += 1;
            }
            let places: Vec<usize> = (0..atom.atoms.len()).filter(|place| union[*place]).collect();
            self.groups.push(Group {
                value_start: self.values.len(),
                atom_start: self.atoms.len(),
                atoms: places.len() as u32,
                first_function: first as u32,
                functions: (end - first) as u32,
            });
            self.atoms.extend(places.iter().map(|place| atom.atoms[*place]));
            for f in first..end {
                let row = atom.jacobian.row(f);
                for place in &places {
                    self.values.extend((0..3).map(|axis| row[3 * place + axis] as f32));
                }
                for component in 0..6 {
                    let strain = atom.strain.as_ref().map_or(0.0, |strain| strain[[f, component]]);
                    self.values.push(strain as f32);
                }
            }
            first = end;
        }
        self.starts.push(self.groups.len() as u32);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * (self.values.len() + self.atoms.len() + self.starts.len())
            + std::mem::size_of::<Group>() * self.groups.len()
    }

    fn groups(&self, atom: usize) -> &[Group] {
        &self.groups[self.starts[atom] as usize..self.starts[atom + 1] as usize]
    }

    /// Adds an atom's share of forces (3N) and virial (6) from its dE/dG.
    pub fn pull(&self, atom: usize, gradient: &[f64], forces: &mut [f64], virial: &mut [f64], buffer: &mut Vec<f64>) {
        for group in self.groups(atom) {
            let (others, values, functions) = self.parts(group);
            let columns = 3 * others.len() + 6;
            buffer.clear();
            buffer.resize(columns, 0.0);
            Arch::new().dispatch(Pull {
                values,
                slopes: &gradient[functions],
                sums: buffer,
            });
            let (positions, strain) = buffer.split_at(3 * others.len());
            for (other, derivative) in others.iter().zip(positions.chunks_exact(3)) {
                for axis in 0..3 {
                    forces[3 * *other as usize + axis] -= derivative[axis];
                }
            }
            for (sum, value) in virial.iter_mut().zip(strain) {
                *sum += value;
            }
        }
    }

    /// The derivative with respect to an atom's dE/dG of Σ r·F + Σ q·W, for adjoints r of the forces (3N) and q of the
    /// virial (6): overwrites `out` (F).
    pub fn push(
        &self,
        atom: usize,
        force_adjoints: &[f64],
        virial_adjoints: &[f64],
        out: &mut [f64],
        buffer: &mut Vec<f64>,
    ) {
        for group in self.groups(atom) {
            let (others, values, functions) = self.parts(group);
            buffer.clear();
            for other in others {
                let start = 3 * *other as usize;
                buffer.extend(force_adjoints[start..start + 3].iter().map(|r| -r));
            }
            buffer.extend_from_slice(virial_adjoints);
            Arch::new().dispatch(Push {
                values,
                adjoints: buffer,
                out: &mut out[functions],
            });
        }
    }

    /// The atoms, the derivatives and the functions of a group.
    fn parts(&self, group: &Group) -> (&[u32], &[f32], std::ops::Range<usize>) {
        let others = &self.atoms[group.atom_start..group.atom_start + group.atoms as usize];
        let length = group.functions as usize * (3 * others.len() + 6);
        let first = group.first_function as usize;
        (
            others,
            &self.values[group.value_start..group.value_start + length],
            first..first + group.functions as usize,
        )
    }
}

/// The atoms whose displacement changes a function; the central one always counts.
fn support(atom: &AtomFeatures, function: usize) -> Vec<bool> {
    let row = atom.jacobian.row(function);
    let largest = row.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    (0..atom.atoms.len())
        .map(|place| place == 0 || (0..3).any(|axis| row[3 * place + axis].abs() > NEGLIGIBLE * largest))
        .collect()
}

fn count(support: &[bool]) -> usize {
    support.iter().filter(|inside| **inside).count()
}

/// Sums rows times slopes.
struct Pull<'a> {
    values: &'a [f32],
    slopes: &'a [f64],
    sums: &'a mut [f64],
}

impl WithSimd for Pull<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Or it is not compiled for the machine's instructions.
    fn with_simd<S: Simd>(self, _: S) {
        for (row, slope) in self.values.chunks_exact(self.sums.len()).zip(self.slopes) {
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += slope * f64::from(*value);
            }
        }
    }
}

/// The product of each row with the adjoints, in sixteen partial sums, which the compiler can keep in vector registers.
struct Push<'a> {
    values: &'a [f32],
    adjoints: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Push<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Or it is not compiled for the machine's instructions.
    fn with_simd<S: Simd>(self, _: S) {
        for (row, out) in self.values.chunks_exact(self.adjoints.len()).zip(self.out) {
            let mut sums = [0.0; 16];
            let (a_chunks, b_chunks) = (row.chunks_exact(16), self.adjoints.chunks_exact(16));
            let mut rest = 0.0;
            for (a, b) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
                rest += f64::from(*a) * b;
            }
            for (a, b) in a_chunks.zip(b_chunks) {
                for lane in 0..16 {
                    sums[lane] += f64::from(a[lane]) * b[lane];
                }
            }
            *out = sums.iter().sum::<f64>() + rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::descriptor::DescriptorConfig;
    use crate::rng::{Purpose, stream};
    use crate::structure::Cell;

    /// Both products against the full derivatives, atom by atom, in a cell of two elements that sees its own images; and
    /// the memory that the zeros would have taken.
    #[test]
    fn compact_products_are_the_full_ones() {
        let mut generator = stream(4, 0, 0, Purpose::Training);
        let species: Vec<_> = (0..27).map(|i| ["Si", "O"][i % 2].parse().unwrap()).collect();
        let positions = (0..27)
            .map(|i| [i % 3, i / 3 % 3, i / 9].map(|k| 2.3 * f64::from(k) + 0.4 * generator.random::<f64>()))
            .collect();
        let structure = Structure::new(Cell::cubic(6.9).unwrap(), species, positions).unwrap();
        let config = DescriptorConfig::default();
        let descriptor = Descriptor::from_config(&config, &structure.elements(), &[&structure]).unwrap();
        let compact = Jacobians::compute(&descriptor, &structure);
        let adjoints: Vec<f64> = (0..81).map(|_| generator.random::<f64>() - 0.5).collect();
        let strain_adjoints: Vec<f64> = (0..6).map(|_| generator.random::<f64>() - 0.5).collect();
        let (mut index, mut dense_bytes, mut buffer) = (0, 0, Vec::new());
        let mut needed_bytes = 0;
        each_atom(&descriptor, &structure, |_, atom| {
            let functions = atom.values.len();
            dense_bytes += 4 * functions * (3 * atom.atoms.len() + 6);
            let nonzero = atom.jacobian.iter().filter(|value| **value != 0.0).count();
            needed_bytes += 4 * (nonzero + 6 * functions);
            let slopes: Vec<f64> = (0..functions).map(|f| (f as f64).sin()).collect();
            let strain = atom.strain.as_ref().unwrap();
            let (mut forces, mut virial) = (vec![0.0; 81], vec![0.0; 6]);
            compact.pull(index, &slopes, &mut forces, &mut virial, &mut buffer);
            let mut out = vec![0.0; functions];
            compact.push(index, &adjoints, &strain_adjoints, &mut out, &mut buffer);
            let (mut full_forces, mut full_virial) = (vec![0.0; 81], vec![0.0; 6]);
            for f in 0..functions {
                let mut full = 0.0;
                for (place, other) in atom.atoms.iter().enumerate() {
                    for axis in 0..3 {
                        let value = atom.jacobian[[f, 3 * place + axis]];
                        full_forces[3 * *other as usize + axis] -= slopes[f] * value;
                        full -= adjoints[3 * *other as usize + axis] * value;
                    }
                }
                for k in 0..6 {
                    full_virial[k] += slopes[f] * strain[[f, k]];
                    full += strain_adjoints[k] * strain[[f, k]];
                }
                let scale = 1.0 + atom.jacobian.row(f).iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                assert!((full - out[f]).abs() < 1e-5 * scale, "{f}: {full} {}", out[f]);
            }
            let largest = full_forces.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            for (a, b) in full_forces.iter().chain(&full_virial).zip(forces.iter().chain(&virial)) {
                assert!((a - b).abs() < 1e-5 * largest, "{a} {b}");
            }
            index += 1;
        });
        // Hardly more than the numbers that are not zero, which are far from all.
        assert!(
            compact.bytes() * 100 < 105 * needed_bytes && compact.bytes() * 3 < 2 * dense_bytes,
            "{} for {needed_bytes} of {dense_bytes}",
            compact.bytes()
        );
    }
}
