//! Files of structures: extended XYZ, POSCAR and n2p2's input.data, recognised by name and content; n2p2's potentials.

pub mod error;
pub mod frame;
pub mod n2p2;
pub mod poscar;
pub mod trajectory;
pub mod xyz;
pub mod zarr;

mod source;

pub(crate) use source::open;

use std::path::Path;

pub use error::FormatError;
pub use frame::{Column, ColumnValues, Frame, LabelKeys};

/// All frames of a file in any format that is read: extended or plain XYZ (also gzipped), POSCAR and CONTCAR, n2p2's
/// input.data with numbers in Å and eV.
///
/// Names that begin with POSCAR or CONTCAR or end in `.poscar` or `.vasp` are POSCAR, names that end in `.xyz` or
/// `.extxyz` are XYZ, `input.data` and names that end in `.input.data` are n2p2's, each with or without `.gz`; any other file is
/// judged by its first lines.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Frame>, FormatError> {
    read_with_units(path, n2p2::FileUnits::default())
}

/// The same, with the units of the numbers in a file of n2p2, which has none of its own. They mean nothing to other formats.
pub fn read_with_units(path: impl AsRef<Path>, units: n2p2::FileUnits) -> Result<Vec<Frame>, FormatError> {
    let path = path.as_ref();
    match format_by_name(path) {
        Some(Format::N2p2) => n2p2::read_data(path, units),
        Some(Format::Xyz) => xyz::read(path),
        Some(Format::Poscar) => Ok(vec![Frame::new(poscar::read(path)?)]),
        None => {
            let text = source::read_text(path)?;
            match format_by_content(&text) {
                Some(Format::N2p2) => n2p2::parse_data(&text, path, units),
                Some(Format::Xyz) => xyz::parse(&text, path),
                Some(Format::Poscar) => Ok(vec![Frame::new(poscar::parse(&text, path)?)]),
                None => Err(FormatError::Unknown { path: path.to_owned() }),
            }
        }
    }
}

/// Writes frames in the format that the file's name asks for, replacing it: extended XYZ (`.xyz`, `.extxyz`, also `.gz`), n2p2's
/// input.data in Å and eV or, for a single frame, POSCAR.
pub fn write(path: impl AsRef<Path>, frames: &[Frame]) -> Result<(), FormatError> {
    let path = path.as_ref();
    match (format_by_name(path), frames) {
        (Some(Format::N2p2), _) => n2p2::write_data_file(path, frames, n2p2::FileUnits::default()),
        (Some(Format::Xyz), _) => xyz::write(path, frames, xyz::Precision::Exact),
        (Some(Format::Poscar), [frame]) => poscar::write(path, &frame.structure, "").map(|_| ()),
        (Some(Format::Poscar), _) => Err(FormatError::Unwritable(format!(
            "{} is a POSCAR and holds one structure, not {}; write .xyz",
            path.display(),
            frames.len()
        ))),
        (None, _) => Err(FormatError::Unknown { path: path.to_owned() }),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    N2p2,
    Xyz,
    Poscar,
}

fn format_by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let ends = |endings: [&str; 2]| endings.iter().any(|ending| name.ends_with(ending));
    if name == "input.data" || name.ends_with(".input.data") {
        Some(Format::N2p2)
    } else if ends([".xyz", ".extxyz"]) {
        Some(Format::Xyz)
    } else if name.starts_with("poscar") || name.starts_with("contcar") || ends([".poscar", ".vasp"]) {
        Some(Format::Poscar)
    } else {
        None
    }
}

fn format_by_content(text: &str) -> Option<Format> {
    let lines: Vec<&str> = text.lines().take(5).collect();
    let numbers = |line: &str| line.split_whitespace().map_while(|w| w.parse::<f64>().ok()).count();
    let first = lines.iter().map(|line| line.trim()).find(|line| !line.is_empty());
    if first.is_some_and(|line| line == "begin" || line.starts_with("begin set=")) {
        Some(Format::N2p2)
    } else if lines.len() == 5 && numbers(lines[1]) >= 1 && lines[2..].iter().all(|line| numbers(line) >= 3) {
        Some(Format::Poscar)
    } else if lines
        .iter()
        .find(|l| !l.trim().is_empty())?
        .trim()
        .parse::<usize>()
        .is_ok()
    {
        Some(Format::Xyz)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let by_name = |name: &str| format_by_name(Path::new(name));
        assert_eq!(by_name("a/POSCAR"), Some(Format::Poscar));
        assert_eq!(by_name("CONTCAR.gz"), Some(Format::Poscar));
        assert_eq!(by_name("POSCAR.xyz"), Some(Format::Xyz));
        assert_eq!(by_name("labels.extxyz.gz"), Some(Format::Xyz));
        assert_eq!(by_name("si.vasp"), Some(Format::Poscar));
        assert_eq!(by_name("a/input.data"), Some(Format::N2p2));
        assert_eq!(by_name("start"), None);
        assert_eq!(format_by_content("begin set=train\nend\n"), Some(Format::N2p2));
        assert_eq!(format_by_content("\n2\ncomment\nH 0 0 0\nH 0 0 1\n"), Some(Format::Xyz));
        assert_eq!(
            format_by_content("8\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi\n"),
            Some(Format::Poscar)
        );
        assert_eq!(format_by_content("hello"), None);
        assert_eq!(format_by_content(""), None);
    }
}
