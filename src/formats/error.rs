//! What can be wrong with a file of structures.

use std::path::{Path, PathBuf};

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system refuses.
    #[error("{path}: cannot {action} this file", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "read" or "write".
        action: &'static str,
        /// The reason.
        source: std::io::Error,
    },
    /// A line that is not what the format asks for.
    #[error("{path}:{line}: {message}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What was found, what was expected and what to do.
        message: String,
    },
    /// A file in no known format.
    #[error(
        "{path}: not a format that is read here: expected extended XYZ (.xyz, .extxyz, .gz), POSCAR (POSCAR*, CONTCAR*, .vasp, .poscar) or n2p2's input.data; rename or convert the file",
        path = path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A frame or a potential that the format cannot hold.
    #[error("this cannot be written: {0}")]
    Unwritable(String),
}

impl FormatError {
    pub(super) fn line(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }

    pub(crate) fn reading(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            action: "read",
            source,
        }
    }

    pub(super) fn writing(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            action: "write",
            source,
        }
    }
}

/// A file's words in a message: quoted, and cut where they are long.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        format!("`{cut}...`")
    } else {
        format!("`{cut}`")
    }
}
