//! Numbers as VASP's Fortran writes them.

use super::VasprunError;
use crate::linear::Vec3;

/// A number as Fortran writes it; it must be finite.
pub(in crate::oracle::vasp) fn number(text: &str, what: &str) -> Result<f64, VasprunError> {
    let parsed = text
        .parse::<f64>()
        .or_else(|_| text.replace(['d', 'D'], "E").parse::<f64>());
    match parsed {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(VasprunError::Number {
            text: text.to_owned(),
            what: what.to_owned(),
        }),
    }
}

/// Three numbers, apart by blanks; fields that were filled to the last character stand without a blank between them.
pub(super) fn vector(text: &str, what: &str) -> Result<Vec3, VasprunError> {
    let mut values = [0.0; 3];
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() != 3 {
        return Err(VasprunError::Number {
            text: text.to_owned(),
            what: what.to_owned(),
        });
    }
    for (value, word) in values.iter_mut().zip(words) {
        *value = number(word, what)?;
    }
    Ok(values)
}
