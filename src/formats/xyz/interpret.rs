//! From the entries and columns of a frame to a structure, its labels and what is left over.

use std::collections::BTreeMap;

use super::comment;
use super::table::Table;
use crate::formats::error::quote;
use crate::formats::{Column, ColumnValues, Frame, LabelKeys};
use crate::linear::{Mat3, Vec3, ZERO3};
use crate::potential::Labels;
use crate::structure::{Cell, Species, Structure, reduction};

/// What is wrong with a frame: the line in it (the comment is 0, the atoms count from 1) and the message.
pub(super) type Problem = (usize, String);

/// Builds a frame from its comment's entries and its filled table.
pub(super) fn frame(mut info: BTreeMap<String, String>, mut table: Table) -> Result<Frame, Problem> {
    let cell = cell(&mut info).map_err(|message| (0, message))?;
    let structure = structure(cell, &mut table)?;
    let mut frame = Frame::new(structure);
    frame.label_keys = if info.contains_key("REF_energy") {
        LabelKeys::Reference
    } else {
        LabelKeys::Plain
    };
    let bulk_volume = cell.is_bulk().then(|| cell.volume());
    if let Some((energy, free_energy)) = energies(&mut info, frame.label_keys).map_err(|message| (0, message))? {
        frame.free_energy = free_energy;
        frame.labels = Some(Labels {
            energy,
            forces: forces(&mut table, frame.label_keys)?,
            stress: stress(&mut info, frame.label_keys, bulk_volume).map_err(|message| (0, message))?,
        });
    }
    frame.info = info;
    frame.columns = table.columns;
    Ok(frame)
}

fn cell(info: &mut BTreeMap<String, String>) -> Result<Cell, String> {
    let periodic = match info.remove("pbc") {
        None => None,
        Some(text) => match comment::logicals(&text).as_deref() {
            Some([all]) => Some([*all; 3]),
            Some([a, b, c]) => Some([*a, *b, *c]),
            _ => return Err(format!("pbc is {}: expected three of T or F", quote(&text))),
        },
    };
    let Some(text) = info.remove("Lattice") else {
        return match periodic {
            Some(periodic) if periodic != [false; 3] => {
                Err("pbc says that the cell is periodic, but there is no Lattice: add Lattice=\"...\"".to_owned())
            }
            _ => Ok(Cell::free()),
        };
    };
    let numbers = comment::numbers(&text).filter(|n| n.len() == 9);
    let numbers = numbers.ok_or_else(|| format!("Lattice is {}: expected nine numbers", quote(&text)))?;
    let mut vectors = ZERO3;
    for (k, number) in numbers.iter().enumerate() {
        vectors[k / 3][k % 3] = *number;
    }
    let periodic = periodic.unwrap_or([true; 3]);
    let given = vectors.map(|v| v != [0.0; 3]);
    if let Some(k) = (0..3).find(|k| periodic[*k] && !given[*k]) {
        return Err(format!("lattice vector {} is zero although pbc says it repeats", k + 1));
    }
    // ASE leaves a vector zero where nothing repeats; any vector at right angles serves.
    reduction::complete(&mut vectors, given);
    Cell::new(vectors, periodic).map_err(|error| error.to_string())
}

fn structure(cell: Cell, table: &mut Table) -> Result<Structure, Problem> {
    let positions = table
        .take(&["pos", "positions"], real_triples)
        .ok_or((0, "Properties has no positions: expected pos:R:3".to_owned()))?;
    let species = species(table)?;
    if let Some(atom) = positions.iter().position(|p| p.iter().any(|x| !x.is_finite())) {
        return Err((atom + 1, "a coordinate is not a finite number".to_owned()));
    }
    let mut structure = Structure::new(cell, species, positions).map_err(|error| (0, error.to_string()))?;
    if let Some(masses) = table.take(&["masses"], real_scalars) {
        if let Some(atom) = masses.iter().position(|m| !(m.is_finite() && *m > 0.0)) {
            return Err((
                atom + 1,
                format!("the mass is {}: expected a positive number", masses[atom]),
            ));
        }
        structure = structure.with_masses(masses).map_err(|error| (0, error.to_string()))?;
    }
    let moves = table.take(&["move_mask"], |column| match &column.values {
        ColumnValues::Logical(values) => Some((column.width, values.clone())),
        _ => None,
    });
    if let Some((width, moves)) = moves {
        let mut fixed = Vec::with_capacity(structure.len());
        for (atom, flags) in moves.chunks(width).enumerate() {
            if flags.iter().any(|f| *f != flags[0]) {
                let message = "the atom is fixed along some directions only (move_mask), which is not supported: \
                               fix it altogether (F F F) or not at all (T T T)";
                return Err((atom + 1, message.to_owned()));
            }
            fixed.push(!flags[0]);
        }
        structure = structure.with_fixed(fixed).map_err(|error| (0, error.to_string()))?;
    }
    Ok(structure)
}

fn species(table: &mut Table) -> Result<Vec<Species>, Problem> {
    let symbols = table.take(&["species", "symbols"], |column| match &column.values {
        ColumnValues::Text(values) if column.width == 1 => Some(values.clone()),
        _ => None,
    });
    if let Some(symbols) = symbols {
        return (symbols.iter().enumerate())
            .map(|(atom, symbol)| {
                capitalised(symbol).parse().map_err(|_| {
                    let symbol = quote(symbol);
                    (
                        atom + 1,
                        format!("{symbol} is not a chemical element: expected a symbol such as Si"),
                    )
                })
            })
            .collect();
    }
    let numbers = table.take(&["Z", "numbers"], |column| match &column.values {
        ColumnValues::Integer(values) if column.width == 1 => Some(values.clone()),
        _ => None,
    });
    let numbers = numbers.ok_or((0, "Properties has no species: expected species:S:1 or Z:I:1".to_owned()))?;
    (numbers.iter().enumerate())
        .map(|(atom, number)| {
            let element = u8::try_from(*number).ok().map(Species::from_atomic_number);
            element
                .and_then(Result::ok)
                .ok_or_else(|| (atom + 1, format!("{number} is not an atomic number: expected 1 to 103")))
        })
        .collect()
}

/// The symbol as ASE reads it: the first letter in upper case, the rest in lower case.
fn capitalised(symbol: &str) -> String {
    let mut characters = symbol.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.flat_map(char::to_lowercase)).collect()
}

/// The energy of the labels and, where it is told apart, the free energy.
fn energies(info: &mut BTreeMap<String, String>, keys: LabelKeys) -> Result<Option<(f64, Option<f64>)>, String> {
    let mut number = |name: &str| -> Result<Option<f64>, String> {
        let key = format!("{}{name}", keys.prefix());
        let Some(text) = info.remove(&key) else { return Ok(None) };
        match text.trim().parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(format!("{key} is {}: expected a finite number in eV", quote(&text))),
        }
    };
    let (energy, free_energy) = (number("energy")?, number("free_energy")?);
    Ok(energy.or(free_energy).map(|energy| (energy, free_energy)))
}

fn forces(table: &mut Table, keys: LabelKeys) -> Result<Option<Vec<Vec3>>, Problem> {
    let names = ["forces", "force"].map(|name| format!("{}{name}", keys.prefix()));
    let forces = table.take(&[&names[0], &names[1]], real_triples);
    let broken = (forces.iter().flatten()).position(|f: &Vec3| f.iter().any(|x| !x.is_finite()));
    match broken {
        Some(atom) => Err((
            atom + 1,
            "a force is not a finite number: remove the frame or its forces".to_owned(),
        )),
        None => Ok(forces),
    }
}

/// The stress, from `stress` or else from `virial`; where the cell is not periodic throughout it stays where it is.
fn stress(
    info: &mut BTreeMap<String, String>,
    keys: LabelKeys,
    bulk_volume: Option<f64>,
) -> Result<Option<Mat3>, String> {
    let Some(volume) = bulk_volume else { return Ok(None) };
    for (name, factor) in [("stress", 1.0), ("virial", -1.0 / volume)] {
        let key = format!("{}{name}", keys.prefix());
        if let Some(text) = info.get(&key) {
            let matrix = comment::numbers(text)
                .and_then(|numbers| symmetric(&numbers))
                .ok_or_else(|| {
                    format!(
                        "{key} is {}: expected nine finite numbers, or six in the order xx yy zz yz xz xy",
                        quote(text)
                    )
                })?;
            info.remove(&key);
            return Ok(Some(matrix.map(|row| row.map(|x| factor * x))));
        }
    }
    Ok(None)
}

/// A symmetric matrix from nine numbers (their symmetric part, so that rows and columns are the same) or from six.
fn symmetric(n: &[f64]) -> Option<Mat3> {
    if n.iter().any(|x| !x.is_finite()) {
        return None;
    }
    match n {
        [xx, yy, zz, yz, xz, xy] => Some([[*xx, *xy, *xz], [*xy, *yy, *yz], [*xz, *yz, *zz]]),
        [_, _, _, _, _, _, _, _, _] => {
            let mut matrix = ZERO3;
            for i in 0..3 {
                for j in 0..3 {
                    matrix[i][j] = f64::midpoint(n[3 * i + j], n[3 * j + i]);
                }
            }
            Some(matrix)
        }
        _ => None,
    }
}

fn real_triples(column: &Column) -> Option<Vec<Vec3>> {
    match &column.values {
        ColumnValues::Real(values) if column.width == 3 => {
            Some(values.chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect())
        }
        _ => None,
    }
}

fn real_scalars(column: &Column) -> Option<Vec<f64>> {
    match &column.values {
        ColumnValues::Real(values) if column.width == 1 => Some(values.clone()),
        ColumnValues::Integer(values) if column.width == 1 => Some(values.iter().map(|x| *x as f64).collect()),
        _ => None,
    }
}
