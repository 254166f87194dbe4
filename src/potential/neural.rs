//! The learnt potential: atomic energies from symmetry functions by a linear path, networks beside it, or both.
//!
//! E = Σ_i [E_ref(e_i) + c_e·x_i + mean_m NN_m,e(x_i)] with x = (G − shift)·factor. Behler and Parrinello, Phys. Rev. Lett.
//! 98, 146401 (2007). Forces and stress are the derivatives of this energy: dE/dG of each atom by one backward pass,
//! contracted with dG/dr while the neighbours are at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::scratch::{self, Scratch};
use super::{FeatureRange, Labels, Potential, Scaling, Workspace};
use crate::descriptor::{AtomCache, Descriptor};
use crate::linear::{Vec3, ZERO3, add, scale};
use crate::network::Network;
use crate::structure::{NeighbourList, Structure};

/// Systems of at least this many atoms are shared among threads.
const PARALLEL: usize = 200;

/// A potential that cannot be built, read or written.
#[derive(Debug, thiserror::Error)]
pub enum NeuralError {
    /// Parts that do not fit each other.
    #[error("{part} of the potential has {found} entries where the descriptor needs {expected}")]
    Shape {
        /// The part.
        part: String,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A number that is not finite.
    #[error("{0} of the potential holds a number that is not finite")]
    NotFinite(String),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is not a potential.
    #[error("{path}: not a potential written by slmc: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}

/// One member of a committee: a network per element, or none for an element that needs no correction.
pub type Member = Vec<Option<Network>>;

/// How much the members of a committee disagree about a structure: standard deviations over the members (divided by their
/// number less one).
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Of the total energy, eV.
    pub energy: f64,
    /// Of each atom's force: the root of the summed variances of its three components, eV/Å.
    pub forces: Vec<f64>,
}

/// The variance of at least two values, divided by their number less one.
fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)
}

/// Energy (eV), forces (eV/Å) and virial dE/dε (eV).
struct Totals {
    energy: f64,
    forces: Vec<Vec3>,
    virial: [Vec3; 3],
}

impl Totals {
    fn add(&mut self, block: &Block) {
        self.energy += block.energy;
        for (atom, force) in &block.pushes {
            let total = &mut self.forces[*atom as usize];
            *total = add(*total, *force);
        }
        for (total, row) in self.virial.iter_mut().zip(&block.virial) {
            *total = add(*total, *row);
        }
    }
}

/// The contributions of a block of atoms: its energy, forces on any atoms in the order they were found, and its virial.
#[derive(Default)]
struct Block {
    energy: f64,
    pushes: Vec<(u32, Vec3)>,
    virial: [Vec3; 3],
}

/// A learnt potential. Its parts are public for training to fill; [`NeuralPotential::new`] checks that they fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeuralPotential {
    /// The symmetry functions.
    pub descriptor: Descriptor,
    /// Scaling per element.
    pub scaling: Vec<Scaling>,
    /// The energy of an atom of each element before its surroundings count, eV.
    pub reference_energies: Vec<f64>,
    /// The linear path: per element the coefficients of the scaled functions, eV.
    pub linear: Option<Vec<Vec<f64>>>,
    /// Zero or more members that share the descriptor and the linear path; their mean is added.
    pub members: Vec<Member>,
    /// The range of each element's functions in the training data, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<FeatureRange>>,
    /// Which training this is, counted from 0.
    pub generation: u64,
    /// Anything worth keeping with the potential, such as the number of labels it was fitted to.
    pub metadata: BTreeMap<String, String>,
}

impl NeuralPotential {
    /// The name of the file inside a potential's folder.
    pub const FILE: &'static str = "potential.json";

    /// A potential from its parts, generation 0.
    pub fn new(
        descriptor: Descriptor,
        scaling: Vec<Scaling>,
        reference_energies: Vec<f64>,
        linear: Option<Vec<Vec<f64>>>,
        members: Vec<Member>,
    ) -> Result<Self, NeuralError> {
        let potential = Self {
            descriptor,
            scaling,
            reference_energies,
            linear,
            members,
            ranges: None,
            generation: 0,
            metadata: BTreeMap::new(),
        };
        potential.check()?;
        Ok(potential)
    }

    /// Whether all parts have the lengths that the descriptor demands and hold finite numbers.
    pub fn check(&self) -> Result<(), NeuralError> {
        let elements = self.descriptor.elements().len();
        let fits = |part: &str, found: usize, expected: usize| {
            if found == expected {
                return Ok(());
            }
            Err(NeuralError::Shape {
                part: part.to_owned(),
                found,
                expected,
            })
        };
        let finite = |part: &str, values: &[f64]| {
            if values.iter().all(|x| x.is_finite()) {
                return Ok(());
            }
            Err(NeuralError::NotFinite(part.to_owned()))
        };
        fits("the scaling", self.scaling.len(), elements)?;
        fits(
            "the list of reference energies",
            self.reference_energies.len(),
            elements,
        )?;
        finite("the list of reference energies", &self.reference_energies)?;
        if let Some(linear) = &self.linear {
            fits("the linear path", linear.len(), elements)?;
        }
        for member in &self.members {
            fits("a committee member", member.len(), elements)?;
        }
        if let Some(ranges) = &self.ranges {
            fits("the list of ranges", ranges.len(), elements)?;
        }
        for (element, species) in self.descriptor.elements().iter().enumerate() {
            let count = self.descriptor.count(element);
            for values in [&self.scaling[element].shift, &self.scaling[element].factor] {
                fits(&format!("the scaling of {species}"), values.len(), count)?;
                finite(&format!("the scaling of {species}"), values)?;
            }
            if let Some(range) = self.ranges.as_ref().map(|ranges| &ranges[element]) {
                fits(&format!("the range of {species}"), range.minimum.len(), count)?;
                fits(&format!("the range of {species}"), range.maximum.len(), count)?;
            }
            if let Some(linear) = &self.linear {
                fits(&format!("the linear path of {species}"), linear[element].len(), count)?;
                finite(&format!("the linear path of {species}"), &linear[element])?;
            }
            for network in self.members.iter().filter_map(|member| member[element].as_ref()) {
                fits(&format!("the input layer of {species}"), network.inputs(), count)?;
            }
        }
        Ok(())
    }

    /// Writes `potential.json` into a folder, which is made if need be; an older file is replaced in one step.
    pub fn save(&self, folder: &Path) -> Result<(), NeuralError> {
        let path = folder.join(Self::FILE);
        let temporary = folder.join(format!("{}.tmp", Self::FILE));
        let text = serde_json::to_vec(self).map_err(|source| NeuralError::Format {
            path: path.clone(),
            source,
        })?;
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&temporary, text))
            .and_then(|()| std::fs::File::open(&temporary)?.sync_all())
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(|source| NeuralError::File { path, source })
    }

    /// Reads what [`NeuralPotential::save`] wrote: a folder, or the file itself.
    pub fn load(place: &Path) -> Result<Self, NeuralError> {
        let path = if place.is_dir() {
            place.join(Self::FILE)
        } else {
            place.to_owned()
        };
        let text = std::fs::read(&path).map_err(|source| NeuralError::File {
            path: path.clone(),
            source,
        })?;
        let potential: Self = serde_json::from_slice(&text).map_err(|source| NeuralError::Format { path, source })?;
        potential.check()?;
        Ok(potential)
    }

    /// Energies of atoms of one element from their scaled functions (atoms × F) and dE/dx (atoms × F, overwritten).
    fn atomic_energies(
        &self,
        element: usize,
        members: &[Member],
        inputs: &ArrayView2<f64>,
        energies: &mut [f64],
        mut gradients: ArrayViewMut2<f64>,
        scratch: &mut Vec<f64>,
    ) {
        energies.fill(self.reference_energies[element]);
        gradients.fill(0.0);
        if let Some(linear) = &self.linear {
            for (atom, energy) in energies.iter_mut().enumerate() {
                for (f, coefficient) in linear[element].iter().enumerate() {
                    *energy += coefficient * inputs[[atom, f]];
                    gradients[[atom, f]] += coefficient;
                }
            }
        }
        if members.is_empty() {
            return;
        }
        let share = 1.0 / members.len() as f64;
        let mut own_energies = vec![0.0; energies.len()];
        let mut own_gradients = Array2::zeros(gradients.raw_dim());
        for network in members.iter().filter_map(|member| member[element].as_ref()) {
            network.evaluate(*inputs, &mut own_energies, own_gradients.view_mut(), scratch);
            for (energy, own) in energies.iter_mut().zip(&own_energies) {
                *energy += share * own;
            }
            gradients.scaled_add(share, &own_gradients);
        }
    }

    /// Energy, forces and virial (Σ dE/dε) with some of the members. Large systems are shared among threads block by block, and
    /// what the blocks find is added in their order: the result does not depend on the number of threads.
    fn total(&self, members: &[Member], structure: &Structure, elements: &[usize], list: &NeighbourList) -> Totals {
        let mut totals = Totals {
            energy: 0.0,
            forces: vec![[0.0; 3]; structure.len()],
            virial: ZERO3,
        };
        // Atoms of one element stand together, so that their networks are evaluated together.
        let mut order: Vec<usize> = (0..structure.len()).collect();
        order.sort_by_key(|i| elements[*i]);
        let blocks: Vec<&[usize]> = order.chunks(self.descriptor.block()).collect();
        let work =
            |atoms: &&[usize]| scratch::with(|scratch| self.block(members, structure, elements, list, atoms, scratch));
        // A batch of blocks at a time bounds the memory of pending contributions.
        for batch in blocks.chunks(64) {
            if structure.len() < PARALLEL {
                for atoms in batch {
                    totals.add(&work(atoms));
                }
            } else {
                let blocks: Vec<Block> = batch.par_iter().map(work).collect();
                for block in &blocks {
                    totals.add(block);
                }
            }
        }
        totals
    }

    /// What some atoms contribute.
    fn block(
        &self,
        members: &[Member],
        structure: &Structure,
        elements: &[usize],
        list: &NeighbourList,
        atoms: &[usize],
        scratch: &mut Scratch,
    ) -> Block {
        let mut block = Block::default();
        let neighbours: usize = atoms.iter().map(|i| list.of(*i).len()).sum();
        block.pushes.reserve(neighbours + atoms.len());
        if scratch.caches.len() < atoms.len() {
            scratch.caches.resize_with(atoms.len(), AtomCache::default);
        }
        // Elements stand in order.
        let mut rest = atoms;
        for element in 0..self.descriptor.elements().len() {
            let count = self.descriptor.count(element);
            let (atoms, others) = rest.split_at(rest.partition_point(|i| elements[*i] <= element));
            rest = others;
            if atoms.is_empty() {
                continue;
            }
            let mut inputs = Array2::zeros((atoms.len(), count));
            for ((i, mut row), cache) in atoms.iter().zip(inputs.rows_mut()).zip(&mut scratch.caches) {
                let row = row.as_slice_mut().expect("rows of a fresh array are contiguous");
                self.descriptor.forward(structure, list, elements, *i, cache, row);
                self.scaling[element].apply(row);
            }
            let mut atomic = vec![0.0; atoms.len()];
            let mut slopes = Array2::zeros(inputs.raw_dim());
            self.atomic_energies(
                element,
                members,
                &inputs.view(),
                &mut atomic,
                slopes.view_mut(),
                &mut scratch.network,
            );
            block.energy += atomic.iter().sum::<f64>();
            for ((i, mut row), cache) in atoms.iter().zip(slopes.rows_mut()).zip(&mut scratch.caches) {
                let row = row.as_slice_mut().expect("rows of a fresh array are contiguous");
                for (slope, factor) in row.iter_mut().zip(&self.scaling[element].factor) {
                    *slope *= factor;
                }
                self.descriptor.backward(element, cache, row, &mut scratch.gradients);
                let mut own = [0.0; 3];
                for (seen, gradient) in cache.around.iter().zip(&scratch.gradients) {
                    own = add(own, *gradient);
                    block.pushes.push((seen.atom, scale(-1.0, *gradient)));
                    for (row, g) in block.virial.iter_mut().zip(gradient) {
                        *row = add(*row, scale(*g, seen.displacement));
                    }
                }
                block.pushes.push((*i as u32, own));
            }
        }
        block
    }

    /// The element indices of a structure that this potential can evaluate at all, its neighbour list included.
    fn admissible(&self, structure: &Structure) -> Option<Vec<usize>> {
        /// More pairs than this are a collapsed or exploded structure, not a material.
        const MOST_PAIRS: f64 = 3e8;
        let elements = self.descriptor.element_indices(structure)?;
        let bounded = |x: &f64| x.abs() < 1e6;
        let placed = structure.positions.iter().flatten().all(bounded)
            && structure.cell.vectors().iter().flatten().all(bounded)
            && structure
                .positions
                .iter()
                .all(|p| structure.cell.fractional(*p).iter().all(bounded));
        let heights = structure.cell.heights();
        let reach = self.descriptor.cutoff() + Workspace::SKIN;
        let images: f64 = (0..3)
            .filter(|k| structure.cell.periodic()[*k])
            .map(|k| 2.0 * reach / heights[k] + 1.0)
            .product();
        let count = structure.len() as f64;
        // The expected number of pairs is at most atoms × atoms × images, and far fewer in a cell larger than the cutoff.
        let pairs = count * (count * images).min(1e5_f64.max(images));
        (placed && pairs.is_finite() && pairs <= MOST_PAIRS.max(1e5 * count)).then_some(elements)
    }

    /// For each element the number of atoms with a symmetry function outside its range in the training data; `None` where the
    /// ranges are not known or the structure is outside the potential's domain.
    pub fn extrapolating(&self, structure: &Structure, workspace: &mut Workspace) -> Option<Vec<usize>> {
        let ranges = self.ranges.as_ref()?;
        let elements = self.admissible(structure)?;
        let list = workspace.verlet(self.descriptor.cutoff()).update(structure);
        let mut outside = vec![0; ranges.len()];
        let mut cache = AtomCache::default();
        for (i, element) in elements.iter().enumerate() {
            let mut values = vec![0.0; self.descriptor.count(*element)];
            self.descriptor
                .forward(structure, list, &elements, i, &mut cache, &mut values);
            outside[*element] += usize::from(!ranges[*element].holds(&values));
        }
        Some(outside)
    }

    /// How far the members disagree, or `None` with fewer than two of them or outside the potential's domain.
    pub fn committee(&self, structure: &Structure, workspace: &mut Workspace) -> Option<Spread> {
        if self.members.len() < 2 {
            return None;
        }
        let elements = self.admissible(structure)?;
        let list = workspace.verlet(self.descriptor.cutoff()).update(structure);
        let mut energies = Vec::new();
        let mut forces = Vec::new();
        for member in &self.members {
            let only = std::slice::from_ref(member);
            let totals = self.total(only, structure, &elements, list);
            energies.push(totals.energy);
            forces.push(totals.forces);
        }
        Some(Spread {
            energy: variance(energies.iter().copied()).sqrt(),
            forces: (0..structure.len())
                .map(|i| {
                    let component = |k: usize| variance(forces.iter().map(|own| own[i][k]));
                    (0..3).map(component).sum::<f64>().sqrt()
                })
                .collect(),
        })
    }
}

impl Potential for NeuralPotential {
    fn evaluate(&self, structure: &Structure, workspace: &mut Workspace) -> Labels {
        let Some(elements) = self.admissible(structure) else {
            return Labels {
                energy: f64::NAN,
                forces: Some(vec![[f64::NAN; 3]; structure.len()]),
                stress: structure.cell.is_bulk().then_some([[f64::NAN; 3]; 3]),
            };
        };
        let list = workspace.verlet(self.descriptor.cutoff()).update(structure);
        let Totals { energy, forces, virial } = self.total(&self.members, structure, &elements, list);
        let stress = structure.cell.is_bulk().then(|| {
            let per_volume = 1.0 / structure.cell.volume();
            let mut stress = ZERO3;
            for a in 0..3 {
                for b in 0..3 {
                    stress[a][b] = 0.5 * per_volume * (virial[a][b] + virial[b][a]);
                }
            }
            stress
        });
        Labels {
            energy,
            forces: Some(forces),
            stress,
        }
    }
}
