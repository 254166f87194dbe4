//! Reading extended XYZ frame by frame, every error with its line.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::table::Table;
use super::{comment, interpret};
use crate::formats::error::quote;
use crate::formats::{FormatError, Frame};

/// The frames of an extended XYZ file, one at a time; it ends after the first error.
pub struct Reader {
    lines: Box<dyn BufRead>,
    path: PathBuf,
    /// The number of lines read so far.
    line: usize,
    failed: bool,
}

impl Reader {
    pub(super) fn new(lines: Box<dyn BufRead>, path: &Path) -> Self {
        Self {
            lines,
            path: path.to_owned(),
            line: 0,
            failed: false,
        }
    }

    fn next_line(&mut self) -> Result<Option<String>, FormatError> {
        let mut bytes = Vec::new();
        let read = self.lines.read_until(b'\n', &mut bytes);
        if read.map_err(FormatError::reading(&self.path))? == 0 {
            return Ok(None);
        }
        self.line += 1;
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FormatError> {
        let header = loop {
            match self.next_line()? {
                None => return Ok(None),
                Some(line) if line.trim().is_empty() => {}
                Some(line) => break line,
            }
        };
        let begin = self.line;
        let atoms: usize = header.trim().parse().map_err(|_| {
            let message = format!(
                "expected the number of atoms of the next frame, found {}: a frame has one line for the number, \
                 one comment line and one line per atom",
                quote(header.trim())
            );
            FormatError::line(&self.path, begin, message)
        })?;
        let Some(comment) = self.next_line()? else {
            return Err(self.truncated(begin, 0, atoms));
        };
        let in_frame =
            |path: &Path, (line, message): interpret::Problem| FormatError::line(path, begin + 1 + line, message);
        let mut info = entries(&comment).map_err(|message| in_frame(&self.path, (0, message)))?;
        let properties = info.remove("Properties");
        let mut table = Table::new(properties.as_deref()).map_err(|message| in_frame(&self.path, (0, message)))?;
        for atom in 0..atoms {
            let Some(line) = self.next_line()? else {
                return Err(self.truncated(begin, atom, atoms));
            };
            table
                .push(&line)
                .map_err(|message| in_frame(&self.path, (atom + 1, message)))?;
        }
        let frame = interpret::frame(info, table).map_err(|problem| in_frame(&self.path, problem))?;
        Ok(Some(frame))
    }

    fn truncated(&self, begin: usize, found: usize, atoms: usize) -> FormatError {
        let message = format!(
            "the file ends after {found} of the {atoms} atoms of the frame that begins at line {begin}: \
             the file is cut off; restore it or remove its last frame"
        );
        FormatError::line(&self.path, self.line, message)
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.next_frame().transpose();
        self.failed = !matches!(result, Some(Ok(_)));
        result
    }
}

/// The comment's entries; a comment that is free text becomes the entry `comment`.
fn entries(comment: &str) -> Result<BTreeMap<String, String>, String> {
    let free_text = || {
        let text = comment.trim();
        let entry = (!text.is_empty()).then(|| ("comment".to_owned(), text.to_owned()));
        entry.into_iter().collect()
    };
    if !comment.contains('=') {
        return Ok(free_text());
    }
    match comment::parse(comment) {
        Some(entries) => Ok(entries),
        None if ["Lattice=", "Properties="].iter().any(|key| comment.contains(key)) => {
            Err("a quote or bracket in the comment line is not closed: close it".to_owned())
        }
        None => Ok(free_text()),
    }
}
