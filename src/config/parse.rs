//! Text to configuration: every complaint with line, column and remedy, all of them at once.

use std::fmt;
use std::path::PathBuf;

use super::schema::Config;

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Line and column from 1, where it has a place in the text.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(formatter, "line {line}, column {column}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its content is wrong.
    #[error("{path}: {}", list(.complaints))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong.
        complaints: Vec<Complaint>,
    },
}

fn list(complaints: &[Complaint]) -> String {
    let count = complaints.len();
    let mut text = format!("{count} {}", if count == 1 { "error" } else { "errors" });
    for complaint in complaints {
        text.push_str(&format!("\n  {complaint}"));
    }
    text
}

/// Line and column (in characters) of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

/// Parses a configuration and collects all its errors.
pub fn parse(text: &str) -> Result<Config, Vec<Complaint>> {
    let mut working = text.to_owned();
    let mut complaints: Vec<Complaint> = Vec::new();
    // Serde stops at the first error. The line that holds it is blanked and the text read again, until it parses: so all errors are
    // found, each at its own place. Blanking keeps lines and columns where they are.
    for _ in 0..100 {
        let error = match toml::from_str::<Config>(&working) {
            Ok(config) if complaints.is_empty() => return Ok(config),
            Ok(_) => return Err(complaints),
            Err(error) => error,
        };
        let at = error.span().map(|span| span.start);
        let complaint = explain(text, error.message(), at);
        if complaints.contains(&complaint) {
            return Err(complaints);
        }
        let Some(at) = at else {
            complaints.push(complaint);
            return Err(complaints);
        };
        let start = working[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = |from: usize| {
            working[from..]
                .find('\n')
                .map_or(working.len(), |newline| from + newline)
        };
        let mut end = line_end(at);
        // Without its header, or with a key missing, the whole table is taken out.
        if working[start..end].trim_start().starts_with('[') {
            while end < working.len() && !working[end + 1..].trim_start_matches([' ', '\t']).starts_with('[') {
                end = line_end(end + 1);
            }
        }
        // A key that was complained about is not missing.
        let blanked = missing_key(error.message()).is_some_and(|key| {
            let mut lines = text[start..end.min(text.len())].lines();
            lines.any(|line| {
                line.trim_start()
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start().starts_with('='))
            })
        });
        if !blanked {
            complaints.push(complaint);
        }
        let blank: String = working[start..end]
            .chars()
            .flat_map(|c| std::iter::repeat_n(if c == '\n' { c } else { ' ' }, c.len_utf8()))
            .collect();
        if working[start..end].trim().is_empty() {
            return Err(complaints);
        }
        working.replace_range(start..end, &blank);
    }
    Err(complaints)
}

/// The key that serde misses.
fn missing_key(message: &str) -> Option<&str> {
    let rest = message.trim().strip_prefix("missing field `")?;
    rest.split_once('`').map(|(key, _)| key)
}

fn explain(text: &str, message: &str, at: Option<usize>) -> Complaint {
    let message = message.trim().replace('\n', "; ");
    let hint;
    let mut shown = message.clone();
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((key, expected)) = rest.split_once('`')
    {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        shown = format!("unknown key `{key}`");
        hint = Some(match nearest(key, &known) {
            Some(near) => format!("did you mean `{near}`? The keys here are {}", known.join(", ")),
            None if known.is_empty() => "nothing is expected here".to_owned(),
            None => format!("the keys here are {}", known.join(", ")),
        });
    } else if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((key, expected)) = rest.split_once('`')
    {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        shown = format!("`{key}` is not a choice here");
        hint = Some(format!("choose one of {}", known.join(", ")));
    } else if let Some(key) = missing_key(&message) {
        shown = format!("the key `{key}` is missing");
        hint = Some(format!(
            "add `{key} = ...`; `slmc init` writes a complete example, docs/config.md explains each key"
        ));
    } else if message.contains("invalid type") && message.contains("in quotes with its unit") {
        hint = Some("write the number and its unit in quotes".to_owned());
    } else if message.contains("invalid type") || message.contains("invalid value") || message.contains("is not a") {
        shown = shown.replace(", expected u64", ", expected a whole number from 0 up");
        shown = shown.replace(", expected usize", ", expected a whole number from 0 up");
        hint = Some("docs/config.md (`slmc schema --markdown`) tells what each key takes".to_owned());
    } else {
        hint =
            Some("a section is `[name]`, a line of it `key = value`; texts and quantities stand in quotes".to_owned());
    }
    Complaint {
        place: at.map(|at| place(text, at)),
        message: shown,
        hint,
    }
}

/// The known word within two edits of a word.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (edits(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.len() / 2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The text with `key.path=value` settings applied in place, so that errors keep their lines.
pub fn override_text(text: &str, overrides: &[String]) -> Result<String, Complaint> {
    if overrides.is_empty() {
        return Ok(text.to_owned());
    }
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| Complaint {
        place: error.span().map(|span| place(text, span.start)),
        message: error.message().to_owned(),
        hint: None,
    })?;
    for setting in overrides {
        let complaint = |message: String| Complaint {
            place: None,
            message: format!("--set {setting}: {message}"),
            hint: Some("write it as --set section.key=value, such as --set sampling.steps=100".to_owned()),
        };
        let (path, value) = setting
            .split_once('=')
            .ok_or_else(|| complaint("there is no `=`".to_owned()))?;
        // A bare word or quantity is a string: nobody wants to quote twice in a shell.
        let value: toml_edit::Value = value
            .trim()
            .parse()
            .unwrap_or_else(|_| toml_edit::Value::from(value.trim()));
        let keys: Vec<&str> = path.trim().split('.').map(str::trim).collect();
        let (last, parents) = keys
            .split_last()
            .ok_or_else(|| complaint("there is no key".to_owned()))?;
        let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
        for key in parents {
            if key.is_empty() {
                return Err(complaint("a key is empty".to_owned()));
            }
            let item = table.entry(key).or_insert_with(|| {
                let mut fresh = toml_edit::Table::new();
                fresh.set_implicit(true);
                toml_edit::Item::Table(fresh)
            });
            table = item
                .as_table_like_mut()
                .ok_or_else(|| complaint(format!("`{key}` is no table")))?;
        }
        if last.is_empty() {
            return Err(complaint("a key is empty".to_owned()));
        }
        table.insert(last, toml_edit::value(value));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_come_at_once_with_their_places() {
        let text = "[structure]\nfiel = \"a.xyz\"\n[ensemble.nvt]\ntemperature = 300\n[sampling]\nsteps = \"many\"\n";
        let complaints = parse(text).unwrap_err();
        let shown: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        assert!(
            shown
                .iter()
                .any(|c| c.starts_with("line 2, column 1: unknown key `fiel`") && c.contains("did you mean `file`")),
            "{shown:?}"
        );
        assert!(shown.iter().any(|c| c.starts_with("line 4, column 15")), "{shown:?}");
        assert!(shown.iter().any(|c| c.starts_with("line 6, column 9")), "{shown:?}");
    }

    #[test]
    fn overrides_keep_lines_and_reach_new_sections() {
        let text = "[sampling]\nsteps = 5\n";
        let changed = override_text(
            text,
            &[
                "sampling.steps=7".into(),
                "ensemble.nvt.temperature=300 K".into(),
                "structure.file=a.xyz".into(),
            ],
        )
        .unwrap();
        let config = parse(&changed).unwrap();
        assert_eq!(config.sampling.steps, 7);
        assert_eq!(config.structure.file, "a.xyz");
        assert!(config.ensemble.nvt.is_some());
        assert!(override_text(text, &["sampling".into()]).is_err());
        assert!(override_text(text, &["sampling.steps.x=1".into()]).is_err());
    }
}
