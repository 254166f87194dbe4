//! Statistics of any numbers in a table, one column a chain: what `slmc analyze --chains` prints.

use std::io::BufRead;

use serde::{Deserialize, Serialize};

use super::AnalysisError;
use super::statistics::{Summary, deserialize_nan};

/// Statistics of the chains of one table; undefined numbers are NaN (null in JSON).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainsReport {
    /// Number of chains (columns).
    pub chains: usize,
    /// Number of samples over all chains.
    pub samples: usize,
    /// Mean over all chains.
    #[serde(deserialize_with = "deserialize_nan")]
    pub mean: f64,
    /// Standard deviation over all chains (divisor n − 1).
    #[serde(deserialize_with = "deserialize_nan")]
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    #[serde(deserialize_with = "deserialize_nan")]
    pub mcse_mean: f64,
    /// Effective sample size of the bulk.
    #[serde(deserialize_with = "deserialize_nan")]
    pub ess_bulk: f64,
    /// Effective sample size of the tails.
    #[serde(deserialize_with = "deserialize_nan")]
    pub ess_tail: f64,
    /// Effective sample size of the mean.
    #[serde(deserialize_with = "deserialize_nan")]
    pub ess_mean: f64,
    /// Integrated autocorrelation time, samples/`ess_bulk`.
    #[serde(deserialize_with = "deserialize_nan")]
    pub tau: f64,
    /// Split rank-normalised R-hat.
    #[serde(deserialize_with = "deserialize_nan")]
    pub rhat: f64,
}

impl From<Summary> for ChainsReport {
    fn from(summary: Summary) -> Self {
        Self {
            chains: summary.n_chains,
            samples: summary.n_samples,
            mean: summary.mean,
            sd: summary.sd,
            mcse_mean: summary.mcse,
            ess_bulk: summary.ess_bulk,
            ess_tail: summary.ess_tail,
            ess_mean: summary.ess_mean,
            tau: summary.tau,
            rhat: summary.rhat,
        }
    }
}

impl std::fmt::Display for ChainsReport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{} chains of {} samples", self.chains, self.samples)?;
        writeln!(formatter, "mean      {} ± {}", self.mean, self.mcse_mean)?;
        writeln!(formatter, "sd        {}", self.sd)?;
        writeln!(formatter, "ess_bulk  {:.1}", self.ess_bulk)?;
        writeln!(formatter, "ess_tail  {:.1}", self.ess_tail)?;
        writeln!(formatter, "tau       {:.3}", self.tau)?;
        writeln!(formatter, "rhat      {:.4}", self.rhat)
    }
}

/// Reads a table and summarises its columns, see [`read_chains`].
pub fn chains_csv(reader: impl BufRead) -> Result<ChainsReport, AnalysisError> {
    Ok(Summary::new(&read_chains(reader)?).into())
}

/// Reads a table of numbers, one column a chain, one line a step.
///
/// Cells stand between commas, semicolons, tabs or blanks, whichever of these the first line has (in this order of
/// preference: tab, semicolon, comma). The first line may be a header (no cell a number), lines that start with `#` are
/// comments, blank lines may end the file. `nan` and `inf` are numbers.
pub fn read_chains(reader: impl BufRead) -> Result<Vec<Vec<f64>>, AnalysisError> {
    let mut chains: Vec<Vec<f64>> = Vec::new();
    let mut separator = None;
    let mut header = None;
    let mut blank = None;
    for (index, text) in reader.lines().enumerate() {
        let line = index + 1;
        let text = text.map_err(|source| AnalysisError::Read { line, source })?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if text.trim_start().starts_with('#') {
            continue;
        }
        if text.trim().is_empty() {
            blank = blank.or(Some(line));
            continue;
        }
        let first = separator.is_none();
        let separator = *separator.get_or_insert_with(|| Separator::of(text));
        if let Some(line) = blank.filter(|_| !first) {
            return Err(AnalysisError::Blank { line });
        }
        blank = None;
        let cells = separator.cells(text);
        if first && cells.iter().all(|cell| cell.parse::<f64>().is_err()) {
            header = Some(cells.len());
            continue;
        }
        let expected = header.unwrap_or(if chains.is_empty() { cells.len() } else { chains.len() });
        if cells.len() != expected {
            return Err(AnalysisError::Ragged {
                line,
                found: cells.len(),
                expected,
                column: cells.len().min(expected) + 1,
                problem: if cells.len() < expected { "missing" } else { "extra" },
            });
        }
        chains.resize(cells.len(), Vec::new());
        for (column, (cell, chain)) in cells.iter().zip(&mut chains).enumerate() {
            chain.push(cell.parse().map_err(|_| AnalysisError::NotANumber {
                line,
                column: column + 1,
                text: quoted(cell),
                remedy: if first {
                    "write a number, or a header line without any number"
                } else {
                    "write a number, or start the line with # to leave it out"
                },
            })?);
        }
    }
    if chains.is_empty() {
        Err(AnalysisError::NoNumbers)
    } else {
        Ok(chains)
    }
}

/// What stands between the cells of a line.
#[derive(Clone, Copy)]
enum Separator {
    Character(char),
    Blanks,
}

impl Separator {
    fn of(line: &str) -> Self {
        ['\t', ';', ',']
            .into_iter()
            .find(|c| line.trim().contains(*c))
            .map_or(Self::Blanks, Self::Character)
    }

    fn cells(self, line: &str) -> Vec<&str> {
        match self {
            Self::Character(c) => line.split(c).map(|cell| cell.trim().trim_matches('"')).collect(),
            Self::Blanks => line.split_whitespace().map(|cell| cell.trim_matches('"')).collect(),
        }
    }
}

/// A cell as it appears in a message: in quotes, on one line, not too long.
fn quoted(cell: &str) -> String {
    if cell.is_empty() {
        return "an empty cell".to_owned();
    }
    let shown: String = cell.chars().take(40).flat_map(char::escape_debug).collect();
    let rest = if cell.chars().count() > 40 { "…" } else { "" };
    format!("`{shown}{rest}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<f64>>, String> {
        read_chains(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_headers_comments_and_separators() {
        let expected = Ok(vec![vec![1.0, 3.0], vec![-2e-3, 4.0]]);
        for text in [
            "1,-2e-3\n3,4\n",
            "\u{feff}a,b\r\n1, -0.002\r\n3,4\r\n\r\n\r\n",
            "# made by hand\n\"chain 1\",\"chain 2\"\n1,-2e-3\n# half way\n3,4",
            "1;-2e-3\n3;4\n",
            "a\tb\n1\t-2e-3\n3\t4\n",
            "\n  1   -2e-3\n  3   4\n",
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert_eq!(read("energy\n1\n2\n").unwrap(), vec![vec![1.0, 2.0]]);
        assert!(read("nan\ninf\n").unwrap()[0][0].is_nan());
    }

    #[test]
    fn errors_name_line_column_and_remedy() {
        for (text, start, remedy) in [
            ("", "there are no numbers", "at least one line"),
            ("# nothing\na,b\n\n", "there are no numbers", "at least one line"),
            (
                "a,b\n1,2\n3\n",
                "line 3 has 1 columns where the lines before have 2: column 2 is missing",
                "cut them",
            ),
            (
                "1,2\n3,4,5\n",
                "line 2 has 3 columns where the lines before have 2: column 3 is extra",
                "cut them",
            ),
            ("a,b\n1,2,3\n", "line 2 has 3 columns", "cut them"),
            (
                "1,2\n3,x\ty\n",
                "line 2, column 2: `x\\ty` is not a number",
                "write a number",
            ),
            (
                "1,2\n3,\n",
                "line 2, column 2: an empty cell is not a number",
                "write a number",
            ),
            ("1,two\n3,4\n", "line 1, column 2: `two` is not a number", "header line"),
            ("1\n\n\n2\n", "line 2, column 1: blank", "remove the line"),
        ] {
            let message = read(text).unwrap_err();
            assert!(
                message.starts_with(start) && message.contains(remedy),
                "{text:?}: {message}"
            );
            assert!(!message.contains('\n'), "{message}");
        }
        let binary = read_chains(&b"1\n\xff\xfe\n"[..]).unwrap_err().to_string();
        assert!(binary.starts_with("line 2 cannot be read"), "{binary}");
    }

    #[test]
    fn the_report_is_one_flat_object() {
        let lines: Vec<String> = (0..40).map(|i| format!("{},{}", (i * 7) % 11, (i * 5) % 13)).collect();
        let text = lines.join(
            "
",
        );
        let report = chains_csv(text.as_bytes()).unwrap();
        assert_eq!((report.chains, report.samples), (2, 80));
        let json = serde_json::to_value(report).unwrap();
        for key in ["ess_bulk", "ess_tail", "rhat", "mcse_mean", "mean", "sd", "tau"] {
            assert!(json[key].is_f64(), "{key} in {json}");
        }
    }
}
