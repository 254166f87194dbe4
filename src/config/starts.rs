//! The starting structures of a configuration: read, repeated, with fixed atoms and masses.

use std::path::Path;
use std::sync::Arc;

use super::checker::Checker;
use super::schema::Config;
use crate::structure::{Species, Structure};

/// More atoms than this are a slip of the pen.
const MOST_ATOMS: usize = 1_000_000;

/// The start of each chain; `None` after a complaint.
pub(super) fn read_starts(config: &Config, folder: &Path, check: &mut Checker<'_>) -> Option<Vec<Structure>> {
    if config.structure.file.is_empty() {
        check.complain(
            "structure.file",
            "no structure is given",
            "add file = \"POSCAR\" (or an extended XYZ file) to [structure]",
        );
        return None;
    }
    let path = folder.join(&config.structure.file);
    let frames = match crate::formats::read(&path) {
        Ok(frames) => frames,
        Err(error) => {
            check.complain(
                "structure.file",
                error.to_string(),
                "the path is relative to the configuration file",
            );
            return None;
        }
    };
    let before = check.complaints.len();
    let mut structures: Vec<Structure> = Vec::new();
    let chains = config.chain_count().clamp(1, super::numbers::MOST_CHAINS);
    for chain in 0..chains {
        let frame = if config.structure.start_from_frames {
            chain % frames.len()
        } else {
            0
        };
        let mut structure = frames[frame].structure.clone();
        if let Some(repeats) = config.structure.supercell {
            if repeats.contains(&0) {
                check.complain(
                    "structure.supercell",
                    "a zero makes no cell",
                    "give three numbers from 1 up",
                );
                return None;
            }
            let atoms = repeats
                .iter()
                .try_fold(structure.len(), |atoms, repeat| atoms.checked_mul(*repeat));
            if atoms.is_none_or(|atoms| atoms > MOST_ATOMS) {
                check.complain(
                    "structure.supercell",
                    format!("makes more than {MOST_ATOMS} atoms of {}", structure.len()),
                    "give smaller numbers",
                );
                return None;
            }
            structure = structure.supercell(repeats);
        }
        structures.push(structure);
    }
    let species = Arc::clone(&structures[0].species);
    if let Some(chain) = structures.iter().position(|structure| structure.species != species) {
        check.complain(
            "structure.start-from-frames",
            format!("frame {chain} of {} holds other atoms than the first", path.display()),
            "all chains sample the same atoms in the same order",
        );
    }
    let atoms = structures[0].len();
    let mut fixed = structures[0].fixed.to_vec();
    for index in &config.structure.fixed {
        match fixed.get_mut(*index) {
            Some(flag) => *flag = true,
            None => check.complain(
                "structure.fixed",
                format!("there is no atom {index}: the structure has {atoms}, counted from 0"),
                "remove it",
            ),
        }
    }
    if fixed.iter().all(|flag| *flag) {
        check.complain("structure.fixed", "no atom is left to move", "free at least one");
    }
    let mut masses = structures[0].masses.to_vec();
    for (symbol, mass) in &config.structure.masses {
        let key = format!("structure.masses.{symbol}");
        check.positive(&key, mass.value());
        match symbol.parse::<Species>() {
            Ok(element) if species.contains(&element) => {
                for (entry, atom) in masses.iter_mut().zip(species.iter()) {
                    if *atom == element {
                        *entry = mass.value();
                    }
                }
            }
            Ok(_) => check.complain(&key, "the structure holds no such atom", "remove it"),
            Err(error) => check.complain(&key, error.to_string(), "write the element's symbol"),
        }
    }
    if check.complaints.len() > before {
        return None;
    }
    for structure in &mut structures {
        structure.fixed = fixed.clone().into();
        structure.masses = masses.clone().into();
    }
    Some(structures)
}
