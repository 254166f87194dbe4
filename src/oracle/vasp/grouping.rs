//! Atoms grouped by species for POSCAR: the permutation, and INCAR tags that count atoms or species and must follow it.

use super::incar::{Finding, Incar};
use crate::structure::{Species, Structure};

/// Tags with one value (or with non-collinear spins three) for each atom.
const PER_ATOM: &[&str] = &["MAGMOM", "M_CONSTR"];
/// Tags with one value for each species, in POSCAR order.
const PER_SPECIES: &[&str] = &[
    "LDAUL",
    "LDAUU",
    "LDAUJ",
    "RWIGS",
    "ROPT",
    "POMASS",
    "ZVAL",
    "DARWINR",
    "DARWINV",
    "QUAD_EFG",
    "NGYROMAG",
    "VCA",
    "VDW_C6",
    "VDW_R0",
    "VDW_ALPHA",
    "LATTICE_SITES",
];

/// The order of atoms in POSCAR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// Species in the order in which the structure first shows them, with their numbers of atoms.
    pub species: Vec<(Species, usize)>,
    /// The k-th atom of POSCAR is the structure's atom `order[k]`.
    pub order: Vec<usize>,
}

impl Grouping {
    /// The grouping of a structure: atoms of one species keep their own order.
    pub fn of(structure: &Structure) -> Self {
        let mut groups: Vec<(Species, Vec<usize>)> = Vec::new();
        for (atom, species) in structure.species.iter().enumerate() {
            match groups.iter_mut().find(|(known, _)| known == species) {
                Some((_, atoms)) => atoms.push(atom),
                None => groups.push((*species, vec![atom])),
            }
        }
        Self {
            species: groups.iter().map(|(species, atoms)| (*species, atoms.len())).collect(),
            order: groups.into_iter().flat_map(|(_, atoms)| atoms).collect(),
        }
    }

    /// Values in POSCAR order, back in the structure's order.
    pub fn undo<T: Copy>(&self, values: &[T]) -> Option<Vec<T>> {
        let mut back = vec![*values.first()?; self.order.len()];
        if values.len() != self.order.len() {
            return None;
        }
        for (value, atom) in values.iter().zip(&self.order) {
            *back.get_mut(*atom)? = *value;
        }
        Some(back)
    }

    /// Brings per-atom tags, which the recipe has in the structure's order, into POSCAR order, and checks the number of values
    /// of per-species tags, which are in the order of first appearance and stay.
    pub fn apply(&self, incar: &mut Incar) -> Result<(), Finding> {
        let vectors = incar.logical("LNONCOLLINEAR") == Some(true) || incar.logical("LSORBIT") == Some(true);
        let atoms = self.order.len();
        for tag in PER_ATOM {
            let Some(value) = incar.get(tag) else { continue };
            let values = repeated(value).map_err(|message| Finding {
                tag: (*tag).to_owned(),
                message,
            })?;
            let each = if vectors || *tag == "M_CONSTR" { 3 } else { 1 };
            if values.len() != each * atoms {
                return Err(Finding {
                    tag: (*tag).to_owned(),
                    message: format!(
                        "has {} values for {atoms} atoms{}: give them in the order of the structure file",
                        values.len(),
                        if each == 3 { " with three components each" } else { "" }
                    ),
                });
            }
            let ordered: Vec<&str> = self
                .order
                .iter()
                .flat_map(|atom| &values[each * atom..each * (atom + 1)])
                .map(String::as_str)
                .collect();
            incar.set(tag, condensed(&ordered));
        }
        for tag in PER_SPECIES {
            let Some(value) = incar.get(tag) else { continue };
            let values = repeated(value).map_err(|message| Finding {
                tag: (*tag).to_owned(),
                message,
            })?;
            if values.len() != self.species.len() {
                let names: Vec<&str> = self.species.iter().map(|(species, _)| species.symbol()).collect();
                return Err(Finding {
                    tag: (*tag).to_owned(),
                    message: format!(
                        "has {} values for {} species: give one for each of {}, in this order",
                        values.len(),
                        names.len(),
                        names.join(" ")
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Values with Fortran's repeat counts (`3*1.0`) written out.
fn repeated(text: &str) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    for word in text.split_whitespace() {
        match word.split_once('*') {
            Some((count, value)) => {
                let count: usize = count.parse().map_err(|_| format!("`{word}` is no repeated value"))?;
                if count > 1_000_000 || value.is_empty() {
                    return Err(format!("`{word}` is no repeated value"));
                }
                values.extend(std::iter::repeat_n(value.to_owned(), count));
            }
            None => values.push(word.to_owned()),
        }
    }
    Ok(values)
}

/// Equal neighbours with a repeat count: VASP reads lines of limited length.
fn condensed(values: &[&str]) -> String {
    let mut words: Vec<String> = Vec::new();
    for run in values.chunk_by(|a, b| a == b) {
        if run.len() > 1 {
            words.push(format!("{}*{}", run.len(), run[0]));
        } else {
            words.push(run[0].to_owned());
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Cell;

    fn grouping(symbols: &str) -> Grouping {
        let species: Vec<Species> = symbols.split_whitespace().map(|s| s.parse().unwrap()).collect();
        let positions = (0..species.len()).map(|k| [k as f64, 0.0, 0.0]).collect();
        Grouping::of(&Structure::new(Cell::cubic(20.0).unwrap(), species, positions).unwrap())
    }

    #[test]
    fn species_are_grouped_and_the_permutation_undone() {
        let grouping = grouping("O Si O Si H");
        assert_eq!(grouping.order, [0, 2, 1, 3, 4]);
        let counts: Vec<(String, usize)> = grouping.species.iter().map(|(s, n)| (s.to_string(), *n)).collect();
        assert_eq!(counts, [("O".to_owned(), 2), ("Si".to_owned(), 2), ("H".to_owned(), 1)]);
        assert_eq!(grouping.undo(&[0, 2, 1, 3, 4]).unwrap(), [0, 1, 2, 3, 4]);
        assert!(grouping.undo(&[1, 2]).is_none());
    }

    #[test]
    fn tags_follow_the_grouping_or_are_refused_by_name() {
        let grouping = grouping("Fe O Fe O");
        let mut incar = Incar::parse("MAGMOM = 4 0.1 -4 0.2\nLDAUU = 4.0 0.0").unwrap();
        grouping.apply(&mut incar).unwrap();
        assert_eq!(incar.get("MAGMOM"), Some("4 -4 0.1 0.2"));
        let mut incar = Incar::parse("LSORBIT = T\nMAGMOM = 0 0 1 3*0 0 0 -1 3*0").unwrap();
        grouping.apply(&mut incar).unwrap();
        assert_eq!(incar.get("MAGMOM"), Some("2*0 1 2*0 -1 6*0"));
        for (text, tag) in [
            ("MAGMOM = 3*1.0", "MAGMOM"),
            ("MAGMOM = x*1.0", "MAGMOM"),
            ("LDAUL = 2 -1 -1", "LDAUL"),
            ("LDAUJ = 1", "LDAUJ"),
        ] {
            let error = grouping.apply(&mut Incar::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.tag, tag);
        }
    }
}
