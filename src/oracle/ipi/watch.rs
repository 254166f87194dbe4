//! Reads what a client prints during one label: over the socket alone an unconverged energy looks like any other.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A log longer than this is emptied between labels.
const LONGEST_LOG: u64 = 16 << 20;
/// How long the word of convergence may come after the forces.
const LATE: Duration = Duration::from_secs(5);

/// The client's standard output, from the last label's end on.
#[derive(Debug)]
pub(super) struct LogWatch {
    path: PathBuf,
    offset: u64,
    unconverged: Vec<String>,
    converged: String,
}

/// What the log says of the label.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing against it.
    Good,
    /// The line that says that it did not converge.
    Unconverged(String),
    /// The text that had to appear did not.
    Silent,
}

impl LogWatch {
    pub(super) fn new(path: &Path, unconverged: &[String], converged: &str) -> Self {
        Self {
            path: path.to_owned(),
            offset: 0,
            unconverged: unconverged.iter().filter(|text| !text.is_empty()).cloned().collect(),
            converged: converged.to_owned(),
        }
    }

    /// Starts a label: what was printed before no longer counts. A long log is emptied (the client appends).
    pub(super) fn begin(&mut self) {
        self.offset = std::fs::metadata(&self.path).map_or(0, |m| m.len());
        if self.offset > LONGEST_LOG
            && let Ok(file) = OpenOptions::new().write(true).open(&self.path)
            && file.set_len(0).is_ok()
        {
            self.offset = 0;
        }
    }

    /// What was printed since [`Self::begin`].
    fn text(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
        {
            // What cannot be read does not count as a word of convergence.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The line that says that the calculation failed, if there is one.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.unconverged.is_empty() {
            return None;
        }
        let text = self.text();
        let mut lines = text.lines();
        lines
            .find(|line| self.unconverged.iter().any(|pattern| line.contains(pattern)))
            .map(|line| line.trim().to_owned())
    }

    /// The verdict on the label whose forces have arrived.
    pub(super) fn verdict(&self) -> Verdict {
        let start = Instant::now();
        loop {
            if let Some(line) = self.complaint() {
                return Verdict::Unconverged(line);
            }
            if self.converged.is_empty() || self.text().contains(&self.converged) {
                return Verdict::Good;
            }
            if start.elapsed() > LATE {
                return Verdict::Silent;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_the_present_label_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout");
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut watch = LogWatch::new(&path, &["NOT achieved".to_owned()], "has been achieved");
        writeln!(file, "  convergence NOT achieved after 2 iterations").unwrap();
        assert_eq!(
            watch.verdict(),
            Verdict::Unconverged("convergence NOT achieved after 2 iterations".to_owned())
        );
        watch.begin();
        writeln!(file, "  convergence has been achieved in 7 iterations").unwrap();
        assert_eq!(watch.verdict(), Verdict::Good);
        file.set_len(LONGEST_LOG + 1).unwrap();
        watch.begin();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        writeln!(file, "convergence has been achieved").unwrap();
        assert_eq!(watch.verdict(), Verdict::Good);
    }
}
