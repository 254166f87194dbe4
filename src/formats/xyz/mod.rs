//! Extended XYZ as ASE reads and writes it: the number of atoms, a comment line of `key=value`, one line per atom.
//!
//! Labels are `energy`, `forces` and `stress` (9 numbers or 6 in the order xx yy zz yz xz xy; eV/Å³, tensile positive);
//! `virial` gives the stress −virial/V where there is none. A frame that has `REF_energy` takes all its labels from the
//! names beginning with `REF_` and carries the plain ones, so that two levels of theory never mix. `masses` and
//! `move_mask` set the structure's masses and fixed atoms. Format: <https://github.com/libAtoms/extxyz>.

mod comment;
mod interpret;
mod reader;
mod table;
mod writer;

use std::fmt::Write as _;
use std::path::Path;

pub use reader::Reader;
pub use writer::Precision;

use super::{FormatError, Frame, source};

/// All frames of a file, which holds at least one.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Frame>, FormatError> {
    let path = path.as_ref();
    some_frames(open(path)?.collect::<Result<_, _>>()?, path)
}

/// The frames of a file one after the other, for files that should not be in memory at once.
pub fn open(path: impl AsRef<Path>) -> Result<Reader, FormatError> {
    let path = path.as_ref();
    Ok(Reader::new(source::open(path)?, path))
}

/// All frames of a text; the path is for messages.
pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Vec<Frame>, FormatError> {
    let path = path.as_ref();
    let lines = std::io::Cursor::new(text.as_bytes().to_vec());
    some_frames(Reader::new(Box::new(lines), path).collect::<Result<_, _>>()?, path)
}

/// Writes frames to a file in one step, replacing it; gzipped if its name ends in `.gz`.
pub fn write(path: impl AsRef<Path>, frames: &[Frame], precision: Precision) -> Result<(), FormatError> {
    let mut text = String::new();
    for frame in frames {
        text.push_str(&format(frame, precision)?);
    }
    source::replace(path.as_ref(), &text)
}

/// Adds a frame to the end of a file, in one write; the file is made if it does not exist.
pub fn append(path: impl AsRef<Path>, frame: &Frame, precision: Precision) -> Result<(), FormatError> {
    source::append(path.as_ref(), &format(frame, precision)?)
}

/// A frame as text, ending with a line break.
pub fn format(frame: &Frame, precision: Precision) -> Result<String, FormatError> {
    let mut text = String::new();
    let _ = writeln!(text, "{}", frame.structure.len());
    writer::format_frame(frame, precision, &mut text)?;
    Ok(text)
}

fn some_frames(frames: Vec<Frame>, path: &Path) -> Result<Vec<Frame>, FormatError> {
    if frames.is_empty() {
        let message = "the file holds no frames: expected the number of atoms on its first line";
        return Err(FormatError::line(path, 1, message));
    }
    Ok(frames)
}
