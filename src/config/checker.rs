//! Complaints about keys, collected with each key's place in the text.

use super::parse::Complaint;

/// Collects complaints about keys, each at the key's place in the text.
pub(super) struct Checker<'a> {
    /// The configuration's text.
    pub(super) text: &'a str,
    /// What was complained about so far.
    pub(super) complaints: Vec<Complaint>,
}

impl Checker<'_> {
    pub(super) fn complain(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.complaints.push(Complaint {
            place: locate(self.text, key),
            message: format!("{key}: {}", message.into()),
            hint: Some(hint.into()),
        });
    }

    pub(super) fn positive(&mut self, key: &str, value: f64) {
        if value.is_nan() || value <= 0.0 {
            self.complain(key, "must be more than zero", "give a positive number");
        }
    }

    pub(super) fn at_least_one(&mut self, key: &str, value: usize) {
        if value == 0 {
            self.complain(
                key,
                "must be at least 1",
                "give a number from 1 up, or leave the key out",
            );
        }
    }
}

/// Line and column of a key path in the text, or of the innermost table that is there.
pub(super) fn locate(text: &str, key: &str) -> Option<(usize, usize)> {
    let document: toml_edit::Document<&str> = toml_edit::Document::parse(text).ok()?;
    let mut span = None;
    let mut table: &dyn toml_edit::TableLike = document.as_table();
    for part in key.split('.') {
        let Some((found, item)) = table.get_key_value(part) else {
            break;
        };
        span = found.span().or_else(|| item.span()).or(span);
        match item.as_table_like() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    let start = span?.start;
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    Some((
        line,
        before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1,
    ))
}
