//! The descriptors' derivatives of one frame in compact form, and the two products that training needs of them.

use crate::descriptor::AtomFeatures;

/// dG/dr and dG/dε of all atoms of a frame in single precision. An atom whose functions depend on n atoms has F rows of
/// 3n + 6 columns: derivatives with respect to positions, then to strain. The atoms come element by element.
pub(super) struct Jacobians {
    values: Vec<f32>,
    atoms: Vec<u32>,
    blocks: Vec<Block>,
}

/// Where an atom's numbers are.
struct Block {
    value_start: usize,
    atom_start: usize,
    atoms: usize,
    functions: usize,
}

impl Jacobians {
    /// Compacts the derivatives of a frame's atoms.
    pub fn new(features: &[AtomFeatures], elements: usize) -> Self {
        let mut compact = Self {
            values: Vec::new(),
            atoms: Vec::new(),
            blocks: Vec::new(),
        };
        for element in 0..elements {
            for atom in features.iter().filter(|atom| atom.element == element) {
                compact.blocks.push(Block {
                    value_start: compact.values.len(),
                    atom_start: compact.atoms.len(),
                    atoms: atom.atoms.len(),
                    functions: atom.values.len(),
                });
                compact.atoms.extend_from_slice(&atom.atoms);
                for (f, row) in atom.jacobian.rows().into_iter().enumerate() {
                    compact.values.extend(row.iter().map(|x| *x as f32));
                    for component in 0..6 {
                        let strain = atom.strain.as_ref().map_or(0.0, |strain| strain[[f, component]]);
                        compact.values.push(strain as f32);
                    }
                }
            }
        }
        compact.values.shrink_to_fit();
        compact.atoms.shrink_to_fit();
        compact
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * (self.values.len() + self.atoms.len()) + std::mem::size_of::<Block>() * self.blocks.len()
    }

    /// Adds an atom's share of forces (3N) and virial (6) from its dE/dG.
    pub fn pull(&self, atom: usize, gradient: &[f64], forces: &mut [f64], virial: &mut [f64], buffer: &mut Vec<f64>) {
        let block = &self.blocks[atom];
        let columns = 3 * block.atoms + 6;
        buffer.clear();
        buffer.resize(columns, 0.0);
        let values = &self.values[block.value_start..block.value_start + block.functions * columns];
        for (row, slope) in values.chunks_exact(columns).zip(gradient) {
            for (sum, value) in buffer.iter_mut().zip(row) {
                *sum += slope * f64::from(*value);
            }
        }
        let (positions, strain) = buffer.split_at(3 * block.atoms);
        for (other, derivative) in self.others(block).iter().zip(positions.chunks_exact(3)) {
            for axis in 0..3 {
                forces[3 * *other as usize + axis] -= derivative[axis];
            }
        }
        for (sum, value) in virial.iter_mut().zip(strain) {
            *sum += value;
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
        let block = &self.blocks[atom];
        let columns = 3 * block.atoms + 6;
        buffer.clear();
        for other in self.others(block) {
            let start = 3 * *other as usize;
            buffer.extend(force_adjoints[start..start + 3].iter().map(|r| -r));
        }
        buffer.extend_from_slice(virial_adjoints);
        let values = &self.values[block.value_start..block.value_start + block.functions * columns];
        for (row, out) in values.chunks_exact(columns).zip(out) {
            *out = dot(row, buffer);
        }
    }

    fn others(&self, block: &Block) -> &[u32] {
        &self.atoms[block.atom_start..block.atom_start + block.atoms]
    }
}

/// A dot product in eight partial sums, which the compiler can keep in vector registers.
fn dot(a: &[f32], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(a, b)| f64::from(*a) * b)
        .sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += f64::from(a[lane]) * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
