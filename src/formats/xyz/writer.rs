//! Writing extended XYZ as ASE does.

use std::fmt::Write as _;

use super::comment::quoted;
use crate::formats::{Column, ColumnValues, FormatError, Frame};
use crate::structure::Cell;

/// How many digits per-atom numbers get. Lattice, energies and stress are always exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As many as it takes to read the same number back.
    #[default]
    Exact,
    /// Eight decimals, as ASE.
    EightDecimals,
}

/// Appends the comment line and the atoms' lines of a frame.
pub(super) fn format_frame(frame: &Frame, precision: Precision, text: &mut String) -> Result<(), FormatError> {
    let columns = columns(frame)?;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", comment_line(frame, &columns)?);
    for atom in 0..frame.structure.len() {
        let _ = write!(text, "{:<2}", frame.structure.species[atom].symbol());
        real(&frame.structure.positions[atom], precision, text);
        for column in &columns {
            let range = atom * column.width..(atom + 1) * column.width;
            match &column.values {
                ColumnValues::Real(values) => real(&values[range], precision, text),
                ColumnValues::Integer(values) => values[range].iter().for_each(|x| {
                    let _ = write!(text, " {x:8}");
                }),
                ColumnValues::Logical(values) => values[range].iter().for_each(|x| {
                    let _ = write!(text, "  {}", letter(*x));
                }),
                ColumnValues::Text(values) => values[range].iter().for_each(|x| {
                    let _ = write!(text, " {x:<2}");
                }),
            }
        }
        text.push('\n');
    }
    Ok(())
}

/// All columns after species and positions.
fn columns(frame: &Frame) -> Result<Vec<Column>, FormatError> {
    let structure = &frame.structure;
    let atoms = structure.len();
    let mut columns = Vec::new();
    let mut add = |name: String, width, values: ColumnValues| columns.push(Column { name, width, values });
    if !structure.all_free() {
        let moves = structure.fixed.iter().map(|fixed| !fixed).collect();
        add("move_mask".to_owned(), 1, ColumnValues::Logical(moves));
    }
    if (structure.masses.iter().zip(structure.species.iter())).any(|(mass, species)| *mass != species.mass()) {
        add("masses".to_owned(), 1, ColumnValues::Real(structure.masses.to_vec()));
    }
    if let Some(forces) = frame.labels.as_ref().and_then(|labels| labels.forces.as_ref()) {
        let name = format!("{}forces", frame.label_keys.prefix());
        add(name, 3, ColumnValues::Real(forces.as_flattened().to_vec()));
    }
    let taken = |columns: &[Column], name: &str| {
        ["species", "pos"].contains(&name) || columns.iter().any(|column| column.name == name)
    };
    for column in &frame.columns {
        // What the structure or the labels say wins over a column of the same name.
        if !taken(&columns, &column.name) {
            columns.push(column.clone());
        }
    }
    for column in &columns {
        let name = &column.name;
        if name.is_empty() || name.contains(|c: char| c == ':' || c == '"' || c == '\\' || breaks(c)) {
            let message = format!("the column name {name:?} has a colon, a quote, a space or nothing in it: rename it");
            return Err(FormatError::Unwritable(message));
        }
        if column.width == 0 || column.values.len() != atoms * column.width {
            return Err(FormatError::Unwritable(format!(
                "the column {name} has {} values for {atoms} atoms of {} each",
                column.values.len(),
                column.width
            )));
        }
        if let ColumnValues::Text(values) = &column.values
            && let Some(word) = values.iter().find(|word| word.is_empty() || word.contains(breaks))
        {
            return Err(FormatError::Unwritable(format!(
                "the column {name} holds {word:?}: words of a column have no spaces and are not empty"
            )));
        }
    }
    Ok(columns)
}

/// Whether a character would end a word of a table for any reader.
fn breaks(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

fn comment_line(frame: &Frame, columns: &[Column]) -> Result<String, FormatError> {
    let cell = &frame.structure.cell;
    let mut line = String::new();
    if *cell != Cell::free() {
        let _ = write!(line, "Lattice=\"{}\" ", spaced(cell.vectors().as_flattened()));
    }
    line.push_str("Properties=species:S:1:pos:R:3");
    for column in columns {
        let kind = match column.values {
            ColumnValues::Real(_) => 'R',
            ColumnValues::Integer(_) => 'I',
            ColumnValues::Logical(_) => 'L',
            ColumnValues::Text(_) => 'S',
        };
        let _ = write!(line, ":{}:{kind}:{}", column.name, column.width);
    }
    let mut written = vec!["Lattice".to_owned(), "Properties".to_owned(), "pbc".to_owned()];
    if let Some(labels) = &frame.labels {
        let mut add = |name: &str, value: String| {
            let key = format!("{}{name}", frame.label_keys.prefix());
            let _ = write!(line, " {key}={value}");
            written.push(key);
        };
        add("energy", format!("{:?}", labels.energy));
        if let Some(free_energy) = frame.free_energy {
            add("free_energy", format!("{free_energy:?}"));
        }
        if let Some(stress) = &labels.stress {
            add("stress", format!("\"{}\"", spaced(stress.as_flattened())));
        }
    }
    for (key, value) in frame.info.iter().filter(|(key, _)| !written.contains(key)) {
        if [key, value].iter().any(|text| text.contains(['\n', '\r'])) {
            let message = format!("the entry {key:?} holds a line break: a comment is one line");
            return Err(FormatError::Unwritable(message));
        }
        let _ = write!(line, " {}={}", quoted(key), quoted(value));
    }
    let [a, b, c] = cell.periodic().map(letter);
    let _ = write!(line, " pbc=\"{a} {b} {c}\"");
    Ok(line)
}

fn letter(value: bool) -> char {
    if value { 'T' } else { 'F' }
}

fn spaced(numbers: &[f64]) -> String {
    numbers.iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(" ")
}

fn real(numbers: &[f64], precision: Precision, text: &mut String) {
    for x in numbers {
        let _ = match precision {
            Precision::Exact => write!(text, " {x:>22?}"),
            Precision::EightDecimals => write!(text, " {x:16.8}"),
        };
    }
}
