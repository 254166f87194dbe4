//! input.data: structures with energies and forces, read and written.

use std::path::Path;

use super::text::{exact, rounded, wanted_number};
use super::units::FileUnits;
use crate::formats::error::quote;
use crate::formats::frame::{Column, ColumnValues};
use crate::formats::{FormatError, Frame};
use crate::linear::Vec3;
use crate::potential::Labels;
use crate::structure::{Cell, Species, Structure};

/// A structure that is being read.
#[derive(Default)]
struct Open {
    begun: usize,
    lattice: Vec<Vec3>,
    species: Vec<Species>,
    positions: Vec<Vec3>,
    forces: Vec<Vec3>,
    charges: Vec<f64>,
    energy: Option<f64>,
    info: std::collections::BTreeMap<String, String>,
}

/// All structures of a text; the path is for messages.
///
/// A structure whose energy and forces are all exactly zero has no labels: that is how the format says so.
pub fn parse_data(text: &str, path: &Path, units: FileUnits) -> Result<Vec<Frame>, FormatError> {
    let mut frames = Vec::new();
    let mut open: Option<Open> = None;
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        let fail = |message: String| FormatError::line(path, line, message);
        let words: Vec<&str> = content.split_whitespace().collect();
        let Some(keyword) = words.first().copied() else {
            continue;
        };
        if keyword.starts_with('#') {
            continue;
        }
        let Some(structure) = &mut open else {
            if keyword != "begin" {
                return Err(fail(format!("expected `begin`, found {}", quote(keyword))));
            }
            let mut begun = Open {
                begun: line,
                ..Open::default()
            };
            if let Some(set) = words.get(1).and_then(|word| word.strip_prefix("set=")) {
                begun.info.insert("set".to_owned(), set.to_owned());
            }
            open = Some(begun);
            continue;
        };
        let number = |what: &str, place: usize| {
            let word = words.get(place).copied().unwrap_or("");
            wanted_number(path, line, what, word)
        };
        let triple = |what: &str, place: usize| -> Result<Vec3, FormatError> {
            Ok([number(what, place)?, number(what, place + 1)?, number(what, place + 2)?])
        };
        match keyword {
            "comment" => {
                let comment = content.trim().strip_prefix("comment").unwrap_or("").trim();
                structure.info.insert("comment".to_owned(), comment.to_owned());
            }
            "lattice" => structure.lattice.push(triple("a lattice vector", 1)?),
            "atom" => {
                if words.len() < 10 {
                    let message = "expected `atom x y z element charge unused fx fy fz`, ";
                    return Err(fail(format!("{message}found {} words", words.len())));
                }
                structure.positions.push(triple("a position", 1)?);
                let species = words[4].parse();
                structure
                    .species
                    .push(species.map_err(|error| fail(format!("{error}")))?);
                structure.charges.push(number("a charge", 5)?);
                structure.forces.push(triple("a force", 7)?);
            }
            "energy" => structure.energy = Some(number("the energy", 1)?),
            "charge" => {
                let charge = number("the charge", 1)?;
                if charge != 0.0 {
                    structure.info.insert("charge".to_owned(), charge.to_string());
                }
            }
            "end" => {
                let done = open.take().unwrap_or_default();
                frames.push(close(done, units).map_err(fail)?);
            }
            "begin" => return Err(fail(format!("the structure of line {} has no `end`", structure.begun))),
            other => {
                let message = "expected comment, lattice, atom, energy, charge or end";
                return Err(fail(format!("{} is not known: {message}", quote(other))));
            }
        }
    }
    match open {
        Some(open) => {
            let message = "this structure has no `end`: the file is cut off, restore it";
            Err(FormatError::line(path, open.begun, message))
        }
        None => Ok(frames),
    }
}

fn close(open: Open, units: FileUnits) -> Result<Frame, String> {
    let long = |v: Vec3| v.map(|x| x * units.length);
    let cell = match open.lattice[..] {
        [] => Cell::free(),
        [a, b, c] => Cell::new([long(a), long(b), long(c)], [true; 3]).map_err(|error| error.to_string())?,
        _ => {
            let count = open.lattice.len();
            return Err(format!(
                "the structure has {count} lattice vectors: expected none or three"
            ));
        }
    };
    let positions = open.positions.iter().map(|p| long(*p)).collect();
    let structure = Structure::new(cell, open.species, positions).map_err(|error| error.to_string())?;
    let mut frame = Frame::new(structure);
    let labelled = open.energy.is_some_and(|energy| energy != 0.0) || open.forces.iter().flatten().any(|x| *x != 0.0);
    if labelled && let Some(energy) = open.energy {
        let per_length = units.energy / units.length;
        frame.labels = Some(Labels {
            energy: energy * units.energy,
            forces: Some(open.forces.iter().map(|f| f.map(|x| x * per_length)).collect()),
            stress: None,
        });
    }
    frame.info = open.info;
    if open.charges.iter().any(|charge| *charge != 0.0) {
        frame.columns.push(Column {
            name: "charge".to_owned(),
            width: 1,
            values: ColumnValues::Real(open.charges),
        });
    }
    Ok(frame)
}

/// The text of input.data for some frames. What has no labels gets zeros, as the format wants; a stress has no place. A cell
/// that is periodic in one or two directions cannot be written.
pub fn write_data(frames: &[Frame], units: FileUnits) -> Result<String, FormatError> {
    let mut text = String::new();
    let write = |x: f64| if units.is_default() { exact(x) } else { rounded(x) };
    let triple = |v: Vec3, unit: f64| format!("{} {} {}", write(v[0] / unit), write(v[1] / unit), write(v[2] / unit));
    for frame in frames {
        let structure = &frame.structure;
        match frame.info.get("set") {
            Some(set) if set == "train" || set == "test" => text.push_str(&format!("begin set={set}\n")),
            _ => text.push_str("begin\n"),
        }
        if let Some(comment) = frame.info.get("comment") {
            text.push_str(&format!("comment {}\n", comment.replace('\n', " ")));
        }
        match structure.cell.periodic() {
            [false, false, false] => {}
            [true, true, true] => {
                for vector in structure.cell.vectors() {
                    text.push_str(&format!("lattice {}\n", triple(*vector, units.length)));
                }
            }
            _ => {
                let message = "input.data knows no cell that is periodic in one or two directions: give it vacuum and make it \
                               periodic in all three";
                return Err(FormatError::Unwritable(message.to_owned()));
            }
        }
        let charges = frame.columns.iter().find_map(|column| match &column.values {
            ColumnValues::Real(values) if column.name == "charge" && column.width == 1 => Some(values),
            _ => None,
        });
        let labels = frame.force_consistent_labels();
        let forces = labels.as_ref().and_then(|labels| labels.forces.as_ref());
        for i in 0..structure.len() {
            let force = forces.map_or([0.0; 3], |forces| forces[i]);
            let charge = charges.and_then(|charges| charges.get(i)).copied().unwrap_or(0.0);
            text.push_str(&format!(
                "atom {} {} {} {} {}\n",
                triple(structure.positions[i], units.length),
                structure.species[i].symbol(),
                write(charge),
                write(0.0),
                triple(force, units.energy / units.length)
            ));
        }
        let energy = labels.map_or(0.0, |labels| labels.energy);
        text.push_str(&format!("energy {}\n", write(energy / units.energy)));
        text.push_str(&format!(
            "charge {}\nend\n",
            write(frame.info_number("charge").unwrap_or(0.0))
        ));
    }
    Ok(text)
}
