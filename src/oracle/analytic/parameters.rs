//! Reading and naming the parameters of analytic surfaces: checks, species of a pair, fingerprint entries.

use std::collections::BTreeMap;
use std::fmt;

use super::AnalyticError;
use crate::structure::{Species, Structure};

/// A parameter that must be a positive finite number.
pub(super) fn positive(surface: &'static str, key: &str, value: f64) -> Result<f64, AnalyticError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(AnalyticError::parameter(
            surface,
            key,
            format!("is {value}; it must be positive"),
        ))
    }
}

/// A parameter that must be a finite number.
pub(super) fn finite(surface: &'static str, key: &str, value: f64) -> Result<f64, AnalyticError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(AnalyticError::parameter(
            surface,
            key,
            format!("is {value}; it must be a finite number"),
        ))
    }
}

/// The species of an element symbol in a key.
pub(super) fn parse_species(surface: &'static str, key: &str, symbol: &str) -> Result<Species, AnalyticError> {
    symbol
        .parse()
        .map_err(|_| AnalyticError::parameter(surface, key, format!("`{symbol}` is not a chemical element")))
}

/// The `COUNT` species of a key's last part, written with dashes, such as "Si-O".
pub(super) fn parse_group<const COUNT: usize>(
    surface: &'static str,
    table: &str,
    group: &str,
) -> Result<[Species; COUNT], AnalyticError> {
    let key = format!("{table}.{group}");
    let species: Vec<Species> = group
        .split('-')
        .map(|symbol| parse_species(surface, &key, symbol))
        .collect::<Result<_, _>>()?;
    species
        .try_into()
        .map_err(|_| AnalyticError::parameter(surface, &key, format!("must name {COUNT} elements joined by dashes")))
}

/// The parameters of a built surface with every digit, for its fingerprint.
#[derive(Debug, Default)]
pub(super) struct Parameters(pub(super) BTreeMap<String, String>);

impl Parameters {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Records a number in the shortest form that reads back exactly.
    pub(super) fn number(&mut self, key: impl Into<String>, value: f64) {
        self.0.insert(key.into(), format!("{value:?}"));
    }

    /// Records anything else.
    pub(super) fn text(&mut self, key: impl Into<String>, value: impl fmt::Display) {
        self.0.insert(key.into(), value.to_string());
    }
}

/// A dense numbering of the species a surface knows.
#[derive(Clone, Debug)]
pub(super) struct SpeciesTable {
    kinds: Vec<Species>,
    kind_of_number: [u8; 128],
}

impl SpeciesTable {
    const UNKNOWN: u8 = u8::MAX;

    /// A table of the given species, in order of atomic number.
    pub fn new(species: impl IntoIterator<Item = Species>) -> Self {
        let mut kinds: Vec<Species> = species.into_iter().collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut kind_of_number = [Self::UNKNOWN; 128];
        for (kind, species) in kinds.iter().enumerate() {
            kind_of_number[usize::from(species.atomic_number())] = kind as u8;
        }
        Self { kinds, kind_of_number }
    }

    /// The species in order of their number.
    pub fn kinds(&self) -> &[Species] {
        &self.kinds
    }

    /// The number of a species, if the surface knows it.
    pub fn kind(&self, species: Species) -> Option<usize> {
        let kind = self.kind_of_number[usize::from(species.atomic_number())];
        (kind != Self::UNKNOWN).then_some(usize::from(kind))
    }

    /// The numbers of a structure's species, one per atom, or `None` where one is unknown or a position is not finite.
    pub fn kinds_of(&self, structure: &Structure) -> Option<Vec<u8>> {
        if !structure.positions.iter().flatten().all(|x| x.is_finite()) {
            return None;
        }
        structure
            .species
            .iter()
            .map(|species| self.kind(*species).map(|kind| kind as u8))
            .collect()
    }

    /// Refuses a structure with a species the surface does not know.
    pub fn check(&self, surface: &'static str, structure: &Structure) -> Result<(), AnalyticError> {
        match structure
            .species
            .iter()
            .position(|species| self.kind(*species).is_none())
        {
            None => Ok(()),
            Some(atom) => Err(AnalyticError::UnknownSpecies {
                surface,
                species: structure.species[atom],
                atom,
                known: self
                    .kinds
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}
