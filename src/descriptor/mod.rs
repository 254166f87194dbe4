//! Descriptors: symmetry functions that turn an atom's surroundings into numbers which do not change when the structure is
//! moved, turned, or its like atoms renamed (Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007)).

mod chebyshev;
mod config;
mod cutoff;
mod environment;
mod explicit;
mod features;
mod function;
mod kernel;
mod moment_tensor;
mod monomials;
mod plan;
mod power_spectrum;
#[cfg(test)]
mod reference;
mod standard;
mod window;

use serde::{Deserialize, Serialize};

pub use config::{
    AngularConfig, CompactAngularConfig, CompactRadialConfig, DescriptorConfig, FunctionConfig, Preset, RadialConfig,
    WeightedAngularConfig, WeightedCompactAngularConfig, WeightedCompactRadialConfig, WeightedRadialConfig,
};
pub use cutoff::{CutoffFunction, CutoffKind};
pub use features::AtomFeatures;
pub use function::{Gaussian, Neighbours, Pairs, SymmetryFunction, Weighting};
pub use window::{Core, Window};

pub(crate) use kernel::AtomCache;
pub(crate) use standard::{ANGULAR_REACH, RADIAL_REACH, mean_spacing};

use crate::linear::Vec3;
use crate::structure::{NeighbourList, Species, Structure};

/// A descriptor that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DescriptorError {
    /// A listed function names an element that the system does not hold.
    #[error("[descriptor] function {function}: the element `{element}` is not among those of the system ({known})")]
    UnknownElement {
        /// The function's place in the list, from 1.
        function: usize,
        /// The symbol.
        element: String,
        /// The known symbols.
        known: String,
    },
    /// A number out of range.
    #[error("[descriptor] {key} is {value}: {rule}")]
    OutOfRange {
        /// The key.
        key: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        rule: &'static str,
    },
    /// An element without any symmetry function.
    #[error(
        "[descriptor] no symmetry function has `{0}` as its central element: list some, or set preset = \"standard\""
    )]
    NoFunctions(Species),
    /// No elements.
    #[error("a descriptor needs at least one element")]
    NoElements,
}

/// A list of symmetry functions per central element, with one cutoff function for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Descriptor {
    elements: Vec<Species>,
    cutoff_function: CutoffFunction,
    functions: Vec<Vec<SymmetryFunction>>,
    /// Atomic numbers as weights, one per element.
    numbers: Vec<f64>,
    cutoff: f64,
    /// How the functions of each element are computed fast.
    plans: Vec<plan::Plan>,
}

/// What is written to files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    elements: Vec<String>,
    cutoff_function: CutoffFunction,
    functions: Vec<Vec<SymmetryFunction>>,
}

impl From<Descriptor> for Stored {
    fn from(descriptor: Descriptor) -> Self {
        Self {
            elements: descriptor.elements.iter().map(ToString::to_string).collect(),
            cutoff_function: descriptor.cutoff_function,
            functions: descriptor.functions,
        }
    }
}

impl TryFrom<Stored> for Descriptor {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let elements = stored
            .elements
            .iter()
            .map(|symbol| symbol.parse())
            .collect::<Result<Vec<Species>, _>>()
            .map_err(|error| error.to_string())?;
        Self::new(elements, stored.cutoff_function, stored.functions).map_err(|error| error.to_string())
    }
}

impl Descriptor {
    /// A descriptor from its parts: elements in order of atomic number and one list of functions for each.
    pub fn new(
        elements: Vec<Species>,
        cutoff_function: CutoffFunction,
        functions: Vec<Vec<SymmetryFunction>>,
    ) -> Result<Self, DescriptorError> {
        if elements.is_empty() || functions.len() != elements.len() {
            return Err(DescriptorError::NoElements);
        }
        if !elements.is_sorted_by(|a, b| a < b) {
            return Err(DescriptorError::OutOfRange {
                key: "elements".to_owned(),
                value: format!("{elements:?}"),
                rule: "they must differ and stand in order of atomic number",
            });
        }
        if !(0.0..1.0).contains(&cutoff_function.inner_fraction) {
            return Err(DescriptorError::OutOfRange {
                key: "cutoff-inner-fraction".to_owned(),
                value: cutoff_function.inner_fraction.to_string(),
                rule: "it must be at least 0 and below 1",
            });
        }
        for (element, list) in elements.iter().zip(&functions) {
            if list.is_empty() {
                return Err(DescriptorError::NoFunctions(*element));
            }
            if let Some(function) = list.iter().find(|function| !function.is_valid(elements.len())) {
                return Err(DescriptorError::OutOfRange {
                    key: format!("a symmetry function of {element}"),
                    value: format!("{function:?}"),
                    rule: "η must be at least 0, ζ and the cutoff positive, a window's ends in order and its angles within 0° and 180° or \
                           centred there, all numbers finite and all elements known",
                });
            }
        }
        let cutoff = functions
            .iter()
            .flatten()
            .map(SymmetryFunction::cutoff)
            .fold(0.0, f64::max);
        let numbers: Vec<f64> = elements.iter().map(|e| f64::from(e.atomic_number())).collect();
        Ok(Self {
            plans: functions.iter().map(|list| plan::Plan::new(list, &numbers)).collect(),
            numbers,
            elements,
            cutoff_function,
            functions,
            cutoff,
        })
    }

    /// The descriptor that a configuration asks for. `frames` are what ranges are chosen from: nearest-neighbour distances
    /// and densities of some of the data, or the starting structures; they may be empty where the configuration gives all
    /// cutoffs.
    pub fn from_config(
        config: &DescriptorConfig,
        elements: &[Species],
        frames: &[&Structure],
    ) -> Result<Self, DescriptorError> {
        let mut elements = elements.to_vec();
        elements.sort_unstable();
        elements.dedup();
        if elements.is_empty() {
            return Err(DescriptorError::NoElements);
        }
        check_ranges(config)?;
        let mut functions = match config.preset {
            Preset::Standard => standard::functions(config, &elements, frames),
            Preset::PowerSpectrum => power_spectrum::functions(config, &elements, frames),
            Preset::MomentTensor => moment_tensor::functions(config, &elements, frames),
            Preset::Chebyshev => chebyshev::functions(config, &elements, frames),
            Preset::None => vec![Vec::new(); elements.len()],
        };
        for (index, listed) in config.functions.iter().enumerate() {
            let (central, function) = explicit::function(listed, index, &elements)?;
            functions[central].push(function);
        }
        let cutoff_function = CutoffFunction {
            kind: config.cutoff_function,
            inner_fraction: config.cutoff_inner_fraction,
        };
        Self::new(elements, cutoff_function, functions)
    }

    /// The elements in order of atomic number; an element's index refers to this.
    pub fn elements(&self) -> &[Species] {
        &self.elements
    }

    /// The index of a species, if the descriptor knows it.
    pub fn element_index(&self, species: Species) -> Option<usize> {
        self.elements.binary_search(&species).ok()
    }

    /// The element index of each atom, or `None` if one of them is unknown.
    pub fn element_indices(&self, structure: &Structure) -> Option<Vec<usize>> {
        structure.species.iter().map(|s| self.element_index(*s)).collect()
    }

    /// The largest cutoff radius in Å.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// The cutoff function.
    pub fn cutoff_function(&self) -> CutoffFunction {
        self.cutoff_function
    }

    /// The number F of symmetry functions of a central element.
    pub fn count(&self, element: usize) -> usize {
        self.functions[element].len()
    }

    /// The symmetry functions of a central element, in the order of its features.
    pub fn functions(&self, element: usize) -> &[SymmetryFunction] {
        &self.functions[element]
    }

    /// The symmetry functions of every atom with their derivatives, in atom order. `list` must be complete within the cutoff;
    /// it may hold farther neighbours. An atom of an unknown element has element index `elements().len()`, no function, and
    /// is nobody's neighbour.
    pub fn atom_features(&self, structure: &Structure, list: &NeighbourList) -> Vec<AtomFeatures> {
        let mut all = Vec::with_capacity(structure.len());
        self.visit_atom_features(structure, list, 0..structure.len(), |_, features| all.push(features));
        all
    }

    /// [`Descriptor::atom_features`] of some atoms, one at a time, so that the derivatives of a large structure need not be in
    /// memory at once.
    pub(crate) fn visit_atom_features(
        &self,
        structure: &Structure,
        list: &NeighbourList,
        atoms: impl Iterator<Item = usize>,
        mut visit: impl FnMut(usize, AtomFeatures),
    ) {
        let unknown = self.elements.len();
        let elements: Vec<usize> = structure
            .species
            .iter()
            .map(|s| self.element_index(*s).unwrap_or(unknown))
            .collect();
        let mut cache = AtomCache::default();
        for i in atoms {
            visit(i, self.features_of(structure, list, &elements, i, &mut cache));
        }
    }

    /// The values of every atom's symmetry functions, in atom order; arguments as for [`Descriptor::atom_features`].
    pub fn atom_values(&self, structure: &Structure, list: &NeighbourList) -> Vec<Vec<f64>> {
        let unknown = self.elements.len();
        let elements: Vec<usize> = structure
            .species
            .iter()
            .map(|s| self.element_index(*s).unwrap_or(unknown))
            .collect();
        let mut cache = AtomCache::default();
        (0..structure.len())
            .map(|i| {
                let mut values = vec![0.0; self.functions.get(elements[i]).map_or(0, Vec::len)];
                self.forward(structure, list, &elements, i, &mut cache, &mut values);
                values
            })
            .collect()
    }

    fn features_of(
        &self,
        structure: &Structure,
        list: &NeighbourList,
        elements: &[usize],
        i: usize,
        cache: &mut AtomCache,
    ) -> AtomFeatures {
        let element = elements[i];
        let count = self.functions.get(element).map_or(0, Vec::len);
        let mut values = vec![0.0; count];
        self.forward(structure, list, elements, i, cache, &mut values);
        let neighbours = cache.around.len();
        let mut gradients = vec![[0.0; 3]; count * neighbours];
        if let Some(plan) = self.plans.get(element) {
            kernel::jacobian(plan, &self.numbers, cache, &mut gradients);
        }
        features::assemble(i, element, values, structure.cell.is_bulk(), &cache.around, |f, j| {
            gradients[f * neighbours + j]
        })
    }

    /// How many atoms' intermediate results to keep at a time: few where they hold something of every pair of neighbours, so
    /// that they stay in a core's own memory.
    pub(crate) fn block(&self) -> usize {
        let pairs = |plan: &plan::Plan| !plan.triplets.groups.is_empty();
        if self.plans.iter().any(pairs) { 4 } else { 16 }
    }

    /// The values of atom `i`'s functions (F entries, overwritten). `elements` holds the element index of each atom; atoms
    /// whose index is out of range are left out. The cache then serves [`Descriptor::backward`].
    pub(crate) fn forward(
        &self,
        structure: &Structure,
        list: &NeighbourList,
        elements: &[usize],
        i: usize,
        cache: &mut AtomCache,
        values: &mut [f64],
    ) {
        environment::surroundings(structure, list, elements, i, self.cutoff, &mut cache.around);
        cache.around.retain(|seen| seen.element < self.elements.len());
        let Some(plan) = self.plans.get(elements[i]) else {
            return;
        };
        kernel::forward(plan, &self.cutoff_function, &self.numbers, cache, values);
    }

    /// After [`Descriptor::forward`]: the derivatives of Σ slopes·G with respect to the displacement of each neighbour in
    /// `cache.around`, overwriting `gradients`.
    pub(crate) fn backward(&self, element: usize, cache: &mut AtomCache, slopes: &[f64], gradients: &mut Vec<Vec3>) {
        gradients.clear();
        gradients.resize(cache.around.len(), [0.0; 3]);
        kernel::backward(&self.plans[element], &self.numbers, cache, slopes, gradients);
    }
}

fn check_ranges(config: &DescriptorConfig) -> Result<(), DescriptorError> {
    let fail = |key: &str, value: String, rule| {
        Err(DescriptorError::OutOfRange {
            key: key.to_owned(),
            value,
            rule,
        })
    };
    for (key, length) in [
        ("radial-cutoff", config.radial_cutoff),
        ("angular-cutoff", config.angular_cutoff),
    ] {
        if let Some(length) = length
            && !(0.5..=30.0).contains(&length.value())
        {
            return fail(key, length.to_string(), "it must lie between 0.5 Å and 30 Å");
        }
    }
    if !(1..=200).contains(&config.radial_count) {
        return fail(
            "radial-count",
            config.radial_count.to_string(),
            "it must lie between 1 and 200",
        );
    }
    if config.angular_count > 50 {
        return fail(
            "angular-count",
            config.angular_count.to_string(),
            "it must be at most 50",
        );
    }
    if !(1..=6).contains(&config.angular_degree) {
        return fail(
            "angular-degree",
            config.angular_degree.to_string(),
            "it must lie between 1 and 6",
        );
    }
    if config.tensor_count > 12 {
        return fail("tensor-count", config.tensor_count.to_string(), "it must be at most 12");
    }
    if config.tensor_degree > 6 {
        return fail(
            "tensor-degree",
            config.tensor_degree.to_string(),
            "it must be at most 6",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
