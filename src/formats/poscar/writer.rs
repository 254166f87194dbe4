//! Writing POSCAR: Cartesian positions with all their digits, atoms grouped by species.

use std::fmt::Write as _;

use crate::formats::FormatError;
use crate::structure::{Species, Structure};

/// A structure as text, and the order of its atoms there: the k-th atom of the text is the structure's atom `order[k]`.
/// Species come in the order in which the structure first shows them, atoms of one species in their own order.
pub fn format(structure: &Structure, comment: &str) -> Result<(String, Vec<usize>), FormatError> {
    if !structure.cell.is_bulk() {
        let message = "POSCAR is periodic in all three directions and this cell is not: give it vacuum and \
                       pbc=\"T T T\", or write extended XYZ";
        return Err(FormatError::Unwritable(message.to_owned()));
    }
    let mut groups: Vec<(Species, Vec<usize>)> = Vec::new();
    for (atom, species) in structure.species.iter().enumerate() {
        match groups.iter_mut().find(|(known, _)| known == species) {
            Some((_, atoms)) => atoms.push(atom),
            None => groups.push((*species, vec![atom])),
        }
    }
    let symbols: Vec<&str> = groups.iter().map(|(species, _)| species.symbol()).collect();
    let counts: Vec<String> = groups.iter().map(|(_, atoms)| atoms.len().to_string()).collect();
    // Writing to a string cannot fail.
    let mut text = String::new();
    let _ = writeln!(text, "{}\n1.0", comment.replace(['\n', '\r'], " "));
    for v in structure.cell.vectors() {
        let _ = writeln!(text, "  {:>22?} {:>22?} {:>22?}", v[0], v[1], v[2]);
    }
    let _ = writeln!(text, "{}\n{}", symbols.join(" "), counts.join(" "));
    let selective = !structure.all_free();
    if selective {
        text.push_str("Selective dynamics\n");
    }
    text.push_str("Cartesian\n");
    let order: Vec<usize> = groups.into_iter().flat_map(|(_, atoms)| atoms).collect();
    for atom in &order {
        let p = structure.positions[*atom];
        let flags = match (selective, structure.fixed[*atom]) {
            (false, _) => "",
            (true, true) => " F F F",
            (true, false) => " T T T",
        };
        let _ = writeln!(text, "  {:>22?} {:>22?} {:>22?}{flags}", p[0], p[1], p[2]);
    }
    Ok((text, order))
}
