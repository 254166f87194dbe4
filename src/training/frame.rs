//! A labelled structure as training sees it: descriptors, their derivatives in compact form, and targets, computed once.

use ndarray::Array2;

use super::LabelledStructure;
use crate::descriptor::{AtomFeatures, Descriptor};
use crate::linear::Mat3;
use crate::structure::{NeighbourList, Structure};

/// The tensor components in the order of [`AtomFeatures::strain`]: xx yy zz yz xz xy.
pub(super) const VOIGT: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)];

/// The six components of a symmetric tensor.
pub(super) fn voigt(tensor: &Mat3) -> [f64; 6] {
    VOIGT.map(|(a, b)| 0.5 * (tensor[a][b] + tensor[b][a]))
}

/// The unscaled symmetry functions of the atoms of one element.
pub(super) struct ElementBlock {
    /// n × F.
    pub values: Array2<f64>,
}

/// One labelled frame. P = Σ_e F_e counts the descriptors of all elements side by side.
pub(super) struct Frame {
    /// The number N of atoms.
    pub atoms: usize,
    /// The cell's volume in Å³ where stress is defined.
    pub volume: Option<f64>,
    /// Atoms of each element of the descriptor.
    pub counts: Vec<f64>,
    /// The element of each atom.
    pub element_of: Vec<usize>,
    /// The symmetry functions, element by element.
    pub blocks: Vec<ElementBlock>,
    /// Σ G over the atoms of each element: P entries.
    pub pooled: Vec<f64>,
    /// −d(pooled)/dr where forces are labelled, else without rows: 3N × P.
    pub force_rows: Array2<f64>,
    /// d(pooled)/dε where stress is labelled, else without rows: 6 × P.
    pub virial_rows: Array2<f64>,
    /// The labelled energy in eV.
    pub energy: f64,
    /// The labelled forces in eV/Å: 3N entries, or none.
    pub forces: Vec<f64>,
    /// The labelled virial V·σ in eV: 6 entries, or none.
    pub virial: Vec<f64>,
}

/// Calls `visit` with the descriptors of a frame's atoms one after another, element by element.
pub(super) fn each_atom(descriptor: &Descriptor, structure: &Structure, visit: impl FnMut(usize, AtomFeatures)) {
    let list = NeighbourList::build(structure, descriptor.cutoff());
    let mut order: Vec<(usize, usize)> = structure
        .species
        .iter()
        .enumerate()
        .filter_map(|(i, species)| Some((descriptor.element_index(*species)?, i)))
        .collect();
    order.sort_unstable();
    descriptor.visit_atom_features(structure, &list, order.into_iter().map(|(_, i)| i), visit);
}

impl Frame {
    /// What training keeps of a labelled structure; `also` is called with each atom's descriptors, element by element, as
    /// they pass.
    pub fn new(descriptor: &Descriptor, labelled: &LabelledStructure, mut also: impl FnMut(&AtomFeatures)) -> Self {
        let structure = &labelled.structure;
        let atoms = structure.len();
        let offsets = offsets(descriptor);
        let columns = offsets.last().copied().unwrap_or(0);
        let bulk = structure.cell.is_bulk();
        let forces: Vec<f64> = labelled.labels.forces.iter().flatten().flatten().copied().collect();
        let volume = bulk.then(|| structure.cell.volume());
        let virial: Vec<f64> = match (&labelled.labels.stress, volume) {
            (Some(stress), Some(volume)) => voigt(stress).iter().map(|s| s * volume).collect(),
            _ => Vec::new(),
        };
        let mut pooled = vec![0.0; columns];
        let mut force_rows = Array2::zeros((forces.len(), columns));
        let mut virial_rows = Array2::zeros((virial.len(), columns));
        let mut values = vec![Vec::new(); descriptor.elements().len()];
        let mut counts = vec![0.0; values.len()];
        let mut element_of = vec![descriptor.elements().len(); atoms];
        let mut turned = Vec::new();
        each_atom(descriptor, structure, |index, atom| {
            let offset = offsets[atom.element];
            let functions = atom.values.len();
            element_of[index] = atom.element;
            counts[atom.element] += 1.0;
            values[atom.element].extend_from_slice(&atom.values);
            for (sum, value) in pooled[offset..].iter_mut().zip(&atom.values) {
                *sum += value;
            }
            if !forces.is_empty() {
                // Turned about first, so that both sides of the sum are read in order.
                turned.clear();
                turned.resize(functions * 3 * atom.atoms.len(), 0.0);
                for (f, row) in atom.jacobian.rows().into_iter().enumerate() {
                    for (column, value) in row.iter().enumerate() {
                        turned[column * functions + f] = *value;
                    }
                }
                for (column, source) in turned.chunks_exact(functions.max(1)).enumerate() {
                    let mut row = force_rows.row_mut(3 * atom.atoms[column / 3] as usize + column % 3);
                    let row = row.as_slice_mut().expect("rows are contiguous");
                    for (sum, value) in row[offset..offset + functions].iter_mut().zip(source) {
                        *sum -= value;
                    }
                }
            }
            if let (false, Some(strain)) = (virial.is_empty(), &atom.strain) {
                for component in 0..6 {
                    let mut row = virial_rows.row_mut(component);
                    for (sum, value) in row.iter_mut().skip(offset).zip(strain.column(component)) {
                        *sum += value;
                    }
                }
            }
            also(&atom);
        });
        let blocks = values
            .into_iter()
            .enumerate()
            .map(|(element, values)| ElementBlock {
                values: Array2::from_shape_vec((counts[element] as usize, descriptor.count(element)), values)
                    .expect("as many values as functions"),
            })
            .collect();
        Self {
            atoms,
            volume,
            counts,
            element_of,
            blocks,
            pooled,
            force_rows,
            virial_rows,
            energy: labelled.labels.energy,
            forces,
            virial,
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let numbers = self.pooled.len() + self.force_rows.len() + self.virial_rows.len() + self.forces.len();
        8 * (numbers + self.blocks.iter().map(|block| block.values.len()).sum::<usize>())
    }
}

/// Where each element's descriptors start among all P, with P itself last.
pub(super) fn offsets(descriptor: &Descriptor) -> Vec<usize> {
    let mut offsets = vec![0];
    for element in 0..descriptor.elements().len() {
        offsets.push(offsets[element] + descriptor.count(element));
    }
    offsets
}
