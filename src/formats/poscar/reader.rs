//! Reading POSCAR line by line, every error with its line.

use std::path::Path;

use crate::formats::FormatError;
use crate::formats::error::quote;
use crate::linear::{Vec3, ZERO3, determinant};
use crate::structure::{Cell, Species, Structure};

/// The structure of a text; the path is for messages.
pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Structure, FormatError> {
    let mut lines = Lines {
        rest: text.lines(),
        path: path.as_ref(),
        line: 0,
    };
    lines.next("a comment")?;
    let (scale, volume) = scale(&mut lines)?;
    let mut vectors = ZERO3;
    for (k, vector) in vectors.iter_mut().enumerate() {
        *vector = lines.triple(&format!("lattice vector {}", k + 1))?.0;
    }
    let factors = match volume {
        None => scale,
        Some(volume) => [(volume / determinant(&vectors).abs()).cbrt(); 3],
    };
    let scaled = |v: Vec3| [v[0] * factors[0], v[1] * factors[1], v[2] * factors[2]];
    let cell = Cell::new(vectors.map(scaled), [true; 3]).map_err(|error| lines.fail(error.to_string()))?;

    let species = species(&mut lines)?;
    let mut mode = lines.next("Direct or Cartesian")?;
    let selective = mode.trim_start().starts_with(['s', 'S']);
    if selective {
        mode = lines.next("Direct or Cartesian")?;
    }
    let cartesian = match mode.trim_start().chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('c' | 'k') => true,
        Some('d') => false,
        _ => {
            return Err(lines.fail(format!(
                "expected Direct or Cartesian before the positions, found {}",
                quote(mode)
            )));
        }
    };
    let (mut positions, mut fixed) = (Vec::new(), Vec::new());
    for atom in 0..species.len() {
        let what = format!("the position of atom {} of {}", atom + 1, species.len());
        let (numbers, rest) = lines.triple(&what)?;
        positions.push(if cartesian {
            scaled(numbers)
        } else {
            cell.cartesian(numbers)
        });
        fixed.push(selective && is_fixed(rest, atom, &lines)?);
    }
    let structure = Structure::new(cell, species, positions).and_then(|s| s.with_fixed(fixed));
    structure.map_err(|error| lines.fail(error.to_string()))
}

struct Lines<'a> {
    rest: std::str::Lines<'a>,
    path: &'a Path,
    line: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self, expected: &str) -> Result<&'a str, FormatError> {
        match self.rest.next() {
            Some(line) => {
                self.line += 1;
                Ok(line)
            }
            None => Err(self.fail(format!(
                "the file ends here, expected {expected}: the file is cut off, restore it"
            ))),
        }
    }

    /// Three finite numbers at the beginning of the next line, and the words after them.
    fn triple(&mut self, what: &str) -> Result<(Vec3, std::str::SplitWhitespace<'a>), FormatError> {
        let line = self.next(what)?;
        let mut words = line.split_whitespace();
        let mut numbers = [0.0; 3];
        for number in &mut numbers {
            let parsed = words.next().and_then(real).filter(|x| x.is_finite());
            *number =
                parsed.ok_or_else(|| self.fail(format!("expected {what} as three numbers, found {}", quote(line))))?;
        }
        Ok((numbers, words))
    }

    fn fail(&self, message: impl Into<String>) -> FormatError {
        FormatError::line(self.path, self.line.max(1), message)
    }
}

/// A number as Fortran writes it, with D for the exponent if it likes.
fn real(word: &str) -> Option<f64> {
    word.parse().ok().or_else(|| word.replace(['d', 'D'], "e").parse().ok())
}

/// The factors on x, y and z, and the volume (Å³) where the scale is negative and means that.
fn scale(lines: &mut Lines) -> Result<(Vec3, Option<f64>), FormatError> {
    let line = lines.next("the scale")?;
    let numbers: Vec<f64> = line.split_whitespace().take(3).map_while(real).collect();
    let fail = |advice: &str| lines.fail(format!("the scale is {}: {advice}", quote(line)));
    if numbers.iter().any(|x| !x.is_finite()) {
        return Err(fail("expected finite numbers"));
    }
    match numbers[..] {
        [s] if s > 0.0 => Ok(([s; 3], None)),
        [s] if s < 0.0 => Ok(([1.0; 3], Some(-s))),
        [x, y, z] if x > 0.0 && y > 0.0 && z > 0.0 => Ok(([x, y, z], None)),
        [_] => Err(fail("expected a positive factor or minus the volume in Å³")),
        [_, _, _] => Err(fail("three factors must all be positive")),
        _ => Err(fail("expected one number, or three for x, y and z")),
    }
}

/// One entry per atom, from the line of species and the line of their numbers.
fn species(lines: &mut Lines) -> Result<Vec<Species>, FormatError> {
    let line = lines.next("the species")?;
    let names: Vec<&str> = words_before_comment(line).collect();
    if names.is_empty() {
        return Err(lines.fail("expected the species, such as `Si O`, found an empty line"));
    }
    if names.iter().all(|name| name.parse::<u64>().is_ok()) {
        let message = format!(
            "expected the species, found the numbers {}: this is the format of VASP 4, which does not name the \
             elements; add a line such as `Si O` above this one",
            quote(line.trim())
        );
        return Err(lines.fail(message));
    }
    let mut kinds: Vec<Species> = Vec::new();
    for name in &names {
        kinds.push(element(name).ok_or_else(|| {
            lines.fail(format!(
                "{} names no chemical element: expected symbols such as Si, with or without what follows in Si_pv or \
                 Si/5eb9",
                quote(name)
            ))
        })?);
    }
    let line = lines.next("the number of atoms of each species")?;
    let numbers: Option<Vec<usize>> = words_before_comment(line).map(|word| word.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.len() == kinds.len()).ok_or_else(|| {
        lines.fail(format!(
            "expected {} whole numbers, one for each species above, found {}",
            kinds.len(),
            quote(line.trim())
        ))
    })?;
    // A file cannot have more atoms than lines: a larger number is an error, and no reason to allocate.
    let left = lines.rest.clone().count();
    let total = numbers.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n));
    match total {
        Some(0) => Err(lines.fail("the structure holds no atoms")),
        Some(total) if total <= left => Ok((kinds.iter().zip(numbers))
            .flat_map(|(kind, number)| std::iter::repeat_n(*kind, number))
            .collect()),
        _ => Err(lines.fail(format!(
            "{} atoms are announced but only {left} lines follow: the file is cut off, or the numbers are wrong",
            quote(line.trim())
        ))),
    }
}

fn words_before_comment(line: &str) -> impl Iterator<Item = &str> {
    line.split(['!', '#']).next().unwrap_or("").split_whitespace()
}

/// The element of a POTCAR-like name: `Si`, `Si_pv`, `Si/5eb9`.
fn element(name: &str) -> Option<Species> {
    name.split(['/', '_', '.']).next()?.parse().ok()
}

/// Whether an atom's flags of selective dynamics fix it altogether.
fn is_fixed(words: std::str::SplitWhitespace, atom: usize, lines: &Lines) -> Result<bool, FormatError> {
    let moves: Option<Vec<bool>> = words.take(3).map(flag).collect();
    match moves.as_deref() {
        Some([true, true, true]) => Ok(false),
        Some([false, false, false]) => Ok(true),
        Some([_, _, _]) => Err(lines.fail(format!(
            "atom {} is fixed along some directions only, which is not supported: write F F F or T T T",
            atom + 1
        ))),
        _ => Err(lines.fail(format!(
            "expected three flags T or F after the position of atom {} because of Selective dynamics",
            atom + 1
        ))),
    }
}

/// A logical value as Fortran reads it: T, F, .TRUE., .false. and the like.
fn flag(word: &str) -> Option<bool> {
    match word.trim_start_matches('.').chars().next()? {
        't' | 'T' => Some(true),
        'f' | 'F' => Some(false),
        _ => None,
    }
}
