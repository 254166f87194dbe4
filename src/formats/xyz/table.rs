//! The per-atom table of extended XYZ: what `Properties` declares, filled row by row.

use super::comment;
use crate::formats::error::quote;
use crate::formats::{Column, ColumnValues};

/// What a file without `Properties` holds.
const PLAIN: &str = "species:S:1:pos:R:3";
/// More values of one property per atom than this is taken for a damaged line.
const LARGEST_WIDTH: usize = 100_000;

/// The columns of a frame while they are read.
pub(super) struct Table {
    pub columns: Vec<Column>,
    width: usize,
    /// Plain XYZ files may have further columns that nothing explains.
    ignore_further: bool,
}

impl Table {
    /// Empty columns as declared by `NAME:TYPE:NUMBER:...`; species and positions where nothing is declared.
    pub fn new(properties: Option<&str>) -> Result<Self, String> {
        let declared = properties.unwrap_or(PLAIN);
        let parts: Vec<&str> = declared.split(':').collect();
        let fail = |what: &str| format!("Properties={} {what}", quote(declared));
        if !parts.len().is_multiple_of(3) {
            return Err(fail("is not a list of NAME:TYPE:NUMBER, such as species:S:1:pos:R:3"));
        }
        let mut columns: Vec<Column> = Vec::new();
        for part in parts.chunks_exact(3) {
            let [name, kind, number] = [part[0], part[1], part[2]];
            let values = match kind {
                "R" => ColumnValues::Real(Vec::new()),
                "I" => ColumnValues::Integer(Vec::new()),
                "L" => ColumnValues::Logical(Vec::new()),
                "S" => ColumnValues::Text(Vec::new()),
                _ => return Err(fail(&format!("has the type {}: expected R, I, S or L", quote(kind)))),
            };
            let width = number.parse().ok().filter(|n| (1..=LARGEST_WIDTH).contains(n));
            let width = width.ok_or_else(|| {
                let number = quote(number);
                fail(&format!(
                    "has {number} for a number of columns: expected 1 to {LARGEST_WIDTH}"
                ))
            })?;
            if columns.iter().any(|column| column.name == name) {
                return Err(fail(&format!("names {} twice: remove one of them", quote(name))));
            }
            columns.push(Column {
                name: name.to_owned(),
                width,
                values,
            });
        }
        Ok(Self {
            width: columns.iter().map(|column| column.width).sum(),
            columns,
            ignore_further: properties.is_none(),
        })
    }

    /// Adds one atom's line.
    pub fn push(&mut self, line: &str) -> Result<(), String> {
        let found = line.split_whitespace().count();
        if found < self.width || (found > self.width && !self.ignore_further) {
            return Err(format!(
                "expected {} values for an atom ({}), found {found} in {}: mend the line, Properties or the number of atoms",
                self.width,
                self.columns.iter().map(describe).collect::<Vec<_>>().join(", "),
                quote(line)
            ));
        }
        let mut words = line.split_whitespace();
        for column in &mut self.columns {
            for word in words.by_ref().take(column.width) {
                let expected = match &mut column.values {
                    ColumnValues::Real(values) => word.parse().map(|x| values.push(x)).err().map(|_| "a number"),
                    ColumnValues::Integer(values) => {
                        word.parse().map(|x| values.push(x)).err().map(|_| "a whole number")
                    }
                    ColumnValues::Logical(values) => match comment::logical(word) {
                        Some(value) => {
                            values.push(value);
                            None
                        }
                        None => Some("T or F"),
                    },
                    ColumnValues::Text(values) => {
                        values.push(word.to_owned());
                        None
                    }
                };
                if let Some(expected) = expected {
                    return Err(format!(
                        "{} is {}, expected {expected}: mend the line or the type in Properties",
                        column.name,
                        quote(word)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes out the first column that is named so and is of a kind that `wanted` turns into what is needed.
    pub fn take<T>(&mut self, names: &[&str], wanted: impl Fn(&Column) -> Option<T>) -> Option<T> {
        for name in names {
            let found = self.columns.iter().position(|column| column.name == *name);
            if let Some((index, value)) = found.and_then(|index| Some((index, wanted(&self.columns[index])?))) {
                self.columns.remove(index);
                return Some(value);
            }
        }
        None
    }
}

fn describe(column: &Column) -> String {
    if column.width == 1 {
        column.name.clone()
    } else {
        format!("{}×{}", column.name, column.width)
    }
}
