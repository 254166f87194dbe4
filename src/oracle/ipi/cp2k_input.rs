//! The input of CP2K: read into nested sections, changed where slmc must, written back with the rest as it was.

use std::fmt::Write as _;

/// A section, or the whole input, which is a section without a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::oracle) struct Section {
    /// In upper case.
    pub(in crate::oracle) name: String,
    /// What follows the name on its line.
    parameter: String,
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    /// A keyword with its value, without comments; or a directive of the preprocessor.
    Line(String),
    Section(Section),
}

impl Section {
    /// Reads an input; the error says what cannot be read.
    pub(in crate::oracle) fn parse(text: &str) -> Result<Self, String> {
        let mut open = vec![Self::default()];
        for line in text.lines() {
            let line = line.split(['!', '#']).next().unwrap_or_default().trim();
            let Some(rest) = line.strip_prefix('&') else {
                if let (false, Some(section)) = (line.is_empty(), open.last_mut()) {
                    section.items.push(Item::Line(line.to_owned()));
                }
                continue;
            };
            let (name, parameter) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let name = name.to_uppercase();
            if name != "END" {
                open.push(Self {
                    name,
                    parameter: parameter.trim().to_owned(),
                    items: Vec::new(),
                });
                continue;
            }
            let closed = open.pop().filter(|_| !open.is_empty());
            let (Some(closed), Some(parent)) = (closed, open.last_mut()) else {
                return Err(format!("`{line}` closes no section"));
            };
            let named = parameter.trim().to_uppercase();
            if !named.is_empty() && named != closed.name {
                return Err(format!("`{line}` stands where &END {} was due", closed.name));
            }
            parent.items.push(Item::Section(closed));
        }
        match (open.pop(), open.is_empty()) {
            (Some(root), true) => Ok(root),
            (Some(section), false) => Err(format!("the section &{} is not closed by &END", section.name)),
            (None, _) => Err("the input is empty".to_owned()),
        }
    }

    fn sections(&self) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(|item| match item {
            Item::Section(section) => Some(section),
            Item::Line(_) => None,
        })
    }

    /// How many subsections of this name there are.
    pub(in crate::oracle) fn count(&self, name: &str) -> usize {
        self.sections().filter(|section| section.name == name).count()
    }

    /// The section at a path of names, the first of each.
    pub(in crate::oracle) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |section, name| {
            section.sections().find(|inner| inner.name == *name)
        })
    }

    /// The section at a path of names, made where there is none.
    pub(in crate::oracle) fn make(&mut self, path: &[&str]) -> &mut Self {
        let Some((name, rest)) = path.split_first() else {
            return self;
        };
        let found = |item: &Item| matches!(item, Item::Section(section) if section.name == *name);
        let index = self.items.iter().position(found).unwrap_or_else(|| {
            self.items.push(Item::Section(Self {
                name: (*name).to_owned(),
                ..Self::default()
            }));
            self.items.len() - 1
        });
        match &mut self.items[index] {
            Item::Section(section) => section.make(rest),
            Item::Line(_) => unreachable!("the position is a section's"),
        }
    }

    /// The value of a keyword of this section, as written.
    pub(in crate::oracle) fn get(&self, keyword: &str) -> Option<&str> {
        self.items.iter().find_map(|item| match item {
            Item::Line(line) if is_keyword(line, keyword) => Some(line[keyword.len()..].trim()),
            _ => None,
        })
    }

    /// Sets a keyword of this section.
    pub(in crate::oracle) fn set(&mut self, keyword: &str, value: &str) {
        self.unset(keyword);
        self.items.insert(0, Item::Line(format!("{keyword} {value}")));
    }

    /// Removes a keyword of this section.
    pub(in crate::oracle) fn unset(&mut self, keyword: &str) {
        self.items
            .retain(|item| !matches!(item, Item::Line(line) if is_keyword(line, keyword)));
    }

    /// Sets what follows the section's name on its line, such as ON.
    pub(in crate::oracle) fn set_parameter(&mut self, parameter: &str) {
        parameter.clone_into(&mut self.parameter);
    }

    /// Removes the subsections of this name.
    pub(in crate::oracle) fn remove(&mut self, name: &str) {
        self.items
            .retain(|item| !matches!(item, Item::Section(section) if section.name == name));
    }

    /// Replaces this section's lines, keeping its subsections.
    pub(in crate::oracle) fn set_lines(&mut self, lines: impl IntoIterator<Item = String>) {
        self.items.retain(|item| matches!(item, Item::Section(_)));
        let sections = std::mem::take(&mut self.items);
        self.items = lines.into_iter().map(Item::Line).chain(sections).collect();
    }

    /// Every keyword line with the path of its section before it, for the fingerprint.
    pub(in crate::oracle) fn flat(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.flatten("", &mut lines);
        lines
    }

    fn flatten(&self, path: &str, lines: &mut Vec<String>) {
        let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let path = match (self.name.as_str(), self.parameter.as_str()) {
            ("", _) => String::new(),
            (name, "") => format!("{path}{name}/"),
            (name, parameter) => format!("{path}{name} {}/", tidy(parameter)),
        };
        for item in &self.items {
            match item {
                Item::Line(line) => lines.push(format!("{path}{}", tidy(line))),
                Item::Section(section) => section.flatten(&path, lines),
            }
        }
        if self.items.is_empty() {
            lines.push(path);
        }
    }

    /// The input as CP2K reads it.
    pub(in crate::oracle) fn write(&self) -> String {
        let mut text = String::new();
        self.write_items(0, &mut text);
        text
    }

    fn write_items(&self, depth: usize, text: &mut String) {
        let margin = "  ".repeat(depth);
        // Writing to a string cannot fail.
        for item in &self.items {
            match item {
                Item::Line(line) => {
                    let _ = writeln!(text, "{margin}{line}");
                }
                Item::Section(section) => {
                    let _ = writeln!(text, "{margin}&{} {}", section.name, section.parameter);
                    section.write_items(depth + 1, text);
                    let _ = writeln!(text, "{margin}&END {}", section.name);
                }
            }
        }
    }
}

/// Whether a line sets a keyword; keywords know no case.
fn is_keyword(line: &str, keyword: &str) -> bool {
    line.split_whitespace()
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case(keyword))
}

/// A logical value: T, TRUE, ON, YES or nothing at all.
pub(in crate::oracle) fn is_true(value: &str) -> bool {
    let value = value.trim_matches('.').to_uppercase();
    value.is_empty() || ["T", "TRUE", "ON", "YES"].contains(&value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = "! a comment
&global
  project x   # another
&END
&FORCE_EVAL
  &DFT
    &SCF
      Max_Scf  20
    &END SCF
    &PRINT
      &MULLIKEN OFF
      &END
    &END
  &END DFT
&END FORCE_EVAL
";

    #[test]
    fn an_input_is_read_changed_and_written() {
        let mut input = Section::parse(INPUT).unwrap();
        assert_eq!(
            input.at(&["FORCE_EVAL", "DFT", "SCF"]).unwrap().get("MAX_SCF"),
            Some("20")
        );
        assert_eq!(Section::parse(&input.write()).unwrap(), input);
        input.make(&["FORCE_EVAL", "DFT", "SCF"]).set("MAX_SCF", "60");
        input.make(&["MOTION", "DRIVER"]).set("HOST", "name");
        input.make(&["FORCE_EVAL", "DFT"]).remove("PRINT");
        let text = input.write();
        assert!(
            text.contains("MAX_SCF 60") && !text.contains("20") && !text.contains("MULLIKEN"),
            "{text}"
        );
        assert!(
            text.contains("&MOTION \n  &DRIVER \n    HOST name\n  &END DRIVER\n&END MOTION"),
            "{text}"
        );
        let flat = input.flat();
        assert!(flat.contains(&"FORCE_EVAL/DFT/SCF/MAX_SCF 60".to_owned()), "{flat:?}");
        assert!(flat.contains(&"GLOBAL/project x".to_owned()));
    }

    #[test]
    fn broken_inputs_are_named() {
        assert!(Section::parse("&DFT\n").unwrap_err().contains("&DFT is not closed"));
        assert!(Section::parse("&END\n").unwrap_err().contains("closes no section"));
        assert!(
            Section::parse("&DFT\n&END SCF\n")
                .unwrap_err()
                .contains("&END DFT was due")
        );
        assert!(is_true("") && is_true(".TRUE.") && is_true("on") && !is_true("F"));
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in "(&?[A-D]{0,3}( [a-c])?\n|&END\n|[!#@ $Å]{0,3}\n){0,12}") {
            if let Ok(input) = Section::parse(&text) {
                proptest::prop_assert_eq!(Section::parse(&input.write()).unwrap(), input);
            }
        }
    }
}
