//! A data file that a recipe of LAMMPS brings along, with charges and bonds: which element each of its atoms is.

use std::collections::BTreeMap;

use crate::structure::{Species, Structure};

/// A standard mass may be rounded by this much, amu.
const ROUNDING: f64 = 0.1;

/// The file that a script reads its atoms from: the word after `read_data`, `#` beginning comments.
pub(super) fn file_of(script: &str) -> Option<&str> {
    script.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        (words.next() == Some("read_data")).then(|| words.next()).flatten()
    })
}

/// The elements by the atoms' numbers, from the masses of their types.
///
/// The header says how many atoms there are; `Atoms` may name its style (`# full`), else `style` counts, the script's `atom_style`.
pub(super) fn elements(text: &str, style: &str) -> Result<BTreeMap<usize, Species>, String> {
    let mut masses: BTreeMap<usize, Species> = BTreeMap::new();
    let mut types: BTreeMap<usize, usize> = BTreeMap::new();
    let mut section = "";
    let mut column = type_column(style);
    // The first line is a title.
    for line in text.lines().skip(1) {
        let (code, comment) = line.split_once('#').unwrap_or((line, ""));
        let words: Vec<&str> = code.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        if first.starts_with(|character: char| character.is_ascii_alphabetic()) {
            section = *first;
            if section == "Atoms" && !comment.trim().is_empty() {
                column = type_column(comment.trim());
            }
            continue;
        }
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<usize>().ok());
        match section {
            "Masses" => {
                let kind = number(0).zip(words.get(1).and_then(|word| word.parse::<f64>().ok()));
                let (kind, mass) = kind.ok_or_else(|| format!("the line `{}` of Masses", line.trim()))?;
                masses.insert(
                    kind,
                    element_of(mass).ok_or_else(|| format!("the mass {mass} is of no element"))?,
                );
            }
            "Atoms" => {
                let column = column.ok_or_else(|| {
                    format!("atom_style {style} is not known: atomic, charge, bond, angle, molecular or full")
                })?;
                let atom = number(0).zip(number(column));
                let (atom, kind) = atom.ok_or_else(|| format!("the line `{}` of Atoms", line.trim()))?;
                types.insert(atom, kind);
            }
            _ => {}
        }
    }
    types
        .into_iter()
        .map(|(atom, kind)| {
            let element = masses
                .get(&kind)
                .ok_or_else(|| format!("Masses lacks the type {kind}"))?;
            Ok((atom, *element))
        })
        .collect()
}

/// Where the type stands in a line of `Atoms`.
fn type_column(style: &str) -> Option<usize> {
    match style {
        "atomic" | "charge" => Some(1),
        "bond" | "angle" | "molecular" | "full" => Some(2),
        _ => None,
    }
}

/// The element whose standard mass is nearest.
fn element_of(mass: f64) -> Option<Species> {
    let all = (1..=103).filter_map(|number| Species::from_atomic_number(number).ok());
    let off = |species: &Species| (species.mass() - mass).abs();
    all.min_by(|a, b| off(a).total_cmp(&off(b)))
        .filter(|species| off(species) < ROUNDING)
}

/// Whether the file's atoms are the structure's: the same number, numbered from 1 in its order.
pub(super) fn matches(elements: &BTreeMap<usize, Species>, structure: &Structure) -> Result<(), String> {
    if elements.len() != structure.len() {
        return Err(format!(
            "it has {} atoms, and the structure {}",
            elements.len(),
            structure.len()
        ));
    }
    for (index, species) in structure.species.iter().enumerate() {
        match elements.get(&(index + 1)) {
            Some(found) if found == species => {}
            Some(found) => {
                return Err(format!(
                    "its atom {} is {found} by its mass, and the structure's atom {index} (from 0) is {species}: number them in the \
                     structure's order",
                    index + 1
                ));
            }
            None => return Err(format!("it has no atom {}: number them from 1", index + 1)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Cell;

    const DATA: &str = "hydroxide\n\n 2 atoms\n 1 bonds\n 2 atom types\n\n0.0 9.0 xlo xhi\n\nMasses\n\n1 1.008 # H\n2 16.0\n\nAtoms # full\n\n2 1 1 0.425 1 0 \
                        0\n1 1 2 -0.425 0 0 0\n\nBonds\n\n1 1 1 2\n";

    #[test]
    fn atoms_are_known_by_their_masses() {
        let found = elements(DATA, "atomic").unwrap();
        let symbols: Vec<&str> = found.values().map(|species| species.symbol()).collect();
        assert_eq!(symbols, ["O", "H"]);
        let structure = |symbols: [&str; 2]| {
            let species = symbols
                .iter()
                .map(|symbol| symbol.parse().unwrap())
                .collect::<Vec<Species>>();
            Structure::new(Cell::cubic(9.0).unwrap(), species, vec![[0.0; 3], [1.0, 0.0, 0.0]]).unwrap()
        };
        assert!(matches(&found, &structure(["O", "H"])).is_ok());
        assert!(
            matches(&found, &structure(["H", "O"]))
                .unwrap_err()
                .contains("atom 1 is O")
        );
        assert!(
            elements(&DATA.replace("16.0", "300.0"), "full")
                .unwrap_err()
                .contains("300")
        );
        assert!(elements(&DATA.replace(" # full", ""), "dipole").is_err());
        assert_eq!(elements(&DATA.replace(" # full", ""), "full").unwrap(), found);
    }

    #[test]
    fn the_file_stands_after_its_command() {
        assert_eq!(
            file_of("# read_data no\nread_data  a.data extra/x 1 # b"),
            Some("a.data")
        );
        assert_eq!(file_of("read_restart x"), None);
    }
}
