//! The input of `pw.x`: read into namelists and cards, changed where slmc must, written back with the rest as it was.

use std::fmt::Write as _;

/// The cards of pw.x.
const CARDS: [&str; 11] = [
    "ATOMIC_SPECIES",
    "ATOMIC_POSITIONS",
    "K_POINTS",
    "ADDITIONAL_K_POINTS",
    "CELL_PARAMETERS",
    "CONSTRAINTS",
    "OCCUPATIONS",
    "ATOMIC_VELOCITIES",
    "ATOMIC_FORCES",
    "SOLVENTS",
    "HUBBARD",
];

/// The order in which pw.x wants its namelists.
const NAMELISTS: [&str; 8] = [
    "control",
    "system",
    "electrons",
    "ions",
    "cell",
    "fcp",
    "rism",
    "press_ai",
];

/// A namelist: its name and its assignments, keys in lower case without blanks, values as written.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::oracle) struct Namelist {
    pub(in crate::oracle) name: String,
    pub(in crate::oracle) entries: Vec<(String, String)>,
}

/// A card: its name, what follows it on the line, and its lines without comments.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::oracle) struct Card {
    pub(in crate::oracle) name: String,
    pub(in crate::oracle) option: String,
    pub(in crate::oracle) lines: Vec<String>,
}

/// A whole input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::oracle) struct PwInput {
    pub(in crate::oracle) namelists: Vec<Namelist>,
    pub(in crate::oracle) cards: Vec<Card>,
}

impl PwInput {
    /// Reads an input; the error says what cannot be read.
    pub(in crate::oracle) fn parse(text: &str) -> Result<Self, String> {
        let mut input = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let line = without_comment(line, "!#").trim();
            if let Some(rest) = line.strip_prefix('&') {
                let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let mut body = String::new();
                let mut line = rest;
                loop {
                    let code = without_comment(line, "!");
                    if let Some(end) = unquoted(code, |c| c == '/') {
                        body.push_str(&code[..end]);
                        break;
                    }
                    body.push_str(code);
                    body.push('\n');
                    line = lines
                        .next()
                        .ok_or_else(|| format!("the namelist &{name} is not closed by a line with `/`"))?;
                }
                input.namelists.push(Namelist {
                    name: name.to_lowercase(),
                    entries: assignments(&body).map_err(|problem| format!("in &{name}: {problem}"))?,
                });
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            let name = first.split(['{', '(']).next().unwrap_or_default().to_uppercase();
            if CARDS.contains(&name.as_str()) {
                input.cards.push(Card {
                    option: line[name.len()..]
                        .trim_matches(|c: char| c.is_whitespace() || "{}()".contains(c))
                        .to_owned(),
                    name,
                    lines: Vec::new(),
                });
            } else if let Some(card) = input.cards.last_mut() {
                card.lines.push(line.to_owned());
            } else {
                return Err(format!("`{line}` is neither a namelist nor a card of pw.x"));
            }
        }
        Ok(input)
    }

    /// A value of a namelist, as written.
    pub(in crate::oracle) fn get(&self, namelist: &str, key: &str) -> Option<&str> {
        let list = self.namelists.iter().find(|list| list.name == namelist)?;
        let entry = list.entries.iter().rev().find(|(name, _)| name == key)?;
        Some(&entry.1)
    }

    /// Sets a value, making the namelist where there is none.
    pub(in crate::oracle) fn set(&mut self, namelist: &str, key: &str, value: impl Into<String>) {
        self.remove(namelist, |name| name == key);
        let index = self.namelists.iter().position(|list| list.name == namelist);
        let index = index.unwrap_or_else(|| {
            self.namelists.push(Namelist {
                name: namelist.to_owned(),
                entries: Vec::new(),
            });
            self.namelists.len() - 1
        });
        self.namelists[index].entries.push((key.to_owned(), value.into()));
    }

    /// Removes the entries of a namelist whose key `matches`.
    pub(in crate::oracle) fn remove(&mut self, namelist: &str, matches: impl Fn(&str) -> bool) {
        for list in self.namelists.iter_mut().filter(|list| list.name == namelist) {
            list.entries.retain(|(key, _)| !matches(key));
        }
    }

    /// A card by name.
    pub(in crate::oracle) fn card(&self, name: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.name == name)
    }

    /// Puts a card in the place of any of the same name.
    pub(in crate::oracle) fn set_card(&mut self, name: &str, option: &str, lines: Vec<String>) {
        self.cards.retain(|card| card.name != name);
        self.cards.push(Card {
            name: name.to_owned(),
            option: option.to_owned(),
            lines,
        });
    }

    /// The input as pw.x reads it.
    pub(in crate::oracle) fn write(&self) -> String {
        let mut text = String::new();
        let mut lists: Vec<&Namelist> = self.namelists.iter().collect();
        lists.sort_by_key(|list| NAMELISTS.iter().position(|name| *name == list.name));
        // Writing to a string cannot fail.
        for list in lists {
            let _ = writeln!(text, "&{}", list.name);
            for (key, value) in &list.entries {
                let _ = writeln!(text, "  {key} = {value}");
            }
            text.push_str("/\n");
        }
        for card in &self.cards {
            let _ = writeln!(text, "{} {}", card.name, card.option);
            for line in &card.lines {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

/// A Fortran logical: `.true.`, `.T.`, `T`, ...
pub(in crate::oracle) fn is_true(value: &str) -> bool {
    value.trim_start_matches('.').to_lowercase().starts_with('t')
}

/// The position of the first character outside quotes that `matches`.
fn unquoted(text: &str, matches: impl Fn(char) -> bool) -> Option<usize> {
    let mut quote = None;
    text.char_indices()
        .find(|&(_, character)| {
            match quote {
                None if matches(character) => return true,
                None => quote = Some(character).filter(|c| "'\"".contains(*c)),
                Some(open) => quote = Some(open).filter(|c| *c != character),
            }
            false
        })
        .map(|(position, _)| position)
}

fn without_comment<'a>(line: &'a str, marks: &str) -> &'a str {
    unquoted(line, |c| marks.contains(c)).map_or(line, |position| &line[..position])
}

/// The assignments of a namelist's body: a key is the word before each `=` outside quotes, its value all that follows up to
/// the next key.
fn assignments(body: &str) -> Result<Vec<(String, String)>, String> {
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut rest = body;
    while let Some(position) = unquoted(rest, |c| c == '=') {
        let before = rest[..position].trim_end();
        // An index may hold blanks: `celldm ( 1 )`.
        let name_end = match before.strip_suffix(')') {
            Some(inside) => {
                let open = inside.rfind('(').ok_or("a `)` without `(`")?;
                before[..open].trim_end().len()
            }
            None => before.len(),
        };
        let start = before[..name_end]
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |p| p + before[p..].chars().next().map_or(1, char::len_utf8));
        let key: String = before[start..].split_whitespace().collect();
        if key.is_empty() || key.starts_with('(') {
            return Err("an `=` without a name before it".to_owned());
        }
        close_value(&mut entries, &before[..start])?;
        entries.push((key.to_lowercase(), String::new()));
        rest = &rest[position + 1..];
    }
    close_value(&mut entries, rest)?;
    Ok(entries)
}

/// Gives the last key its value.
fn close_value(entries: &mut [(String, String)], text: &str) -> Result<(), String> {
    let value = text.trim_matches(|c: char| c.is_whitespace() || c == ',');
    match entries.last_mut() {
        Some((_, last)) => value.clone_into(last),
        None if value.is_empty() => {}
        None => return Err(format!("`{value}` stands before the first name")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = "! a comment, with = and /
&CONTROL
  calculation = 'scf', title='a = b / c ! d' ! = comment
/
&system ibrav=2, celldm ( 1 ) = 10.2,
  nat = 2 starting_magnetization(1)= 0.5
  occupations='smearing' /
&electrons
/
K_POINTS {automatic}
 2 2 2 0 0 0
ATOMIC_SPECIES ! c
Si 28.085 Si.pbe-rrkj.UPF
";

    #[test]
    fn an_input_is_read_as_pw_x_reads_it() {
        let input = PwInput::parse(INPUT).unwrap();
        assert_eq!(input.get("control", "calculation"), Some("'scf'"));
        assert_eq!(input.get("control", "title"), Some("'a = b / c ! d'"));
        assert_eq!(input.get("system", "celldm(1)"), Some("10.2"));
        assert_eq!(input.get("system", "nat"), Some("2"));
        assert_eq!(input.get("system", "starting_magnetization(1)"), Some("0.5"));
        assert_eq!(input.get("system", "occupations"), Some("'smearing'"));
        assert_eq!(input.card("K_POINTS").unwrap().option, "automatic");
        assert_eq!(
            input.card("ATOMIC_SPECIES").unwrap().lines,
            ["Si 28.085 Si.pbe-rrkj.UPF"]
        );
        assert_eq!(PwInput::parse(&input.write()).unwrap(), input);
    }

    #[test]
    fn entries_are_set_and_removed() {
        let mut input = PwInput::parse(INPUT).unwrap();
        input.set("system", "nat", "8");
        input.remove("system", |key| key.starts_with("celldm"));
        input.set("ions", "x", "1");
        input.set_card("K_POINTS", "gamma", Vec::new());
        let text = input.write();
        assert!(text.contains("nat = 8") && !text.contains("nat = 2") && !text.contains("celldm"));
        assert!(text.contains("K_POINTS gamma\n") && !text.contains("automatic"));
        assert!(is_true(".true.") && is_true("T") && !is_true(".FALSE."));
    }

    #[test]
    fn broken_inputs_are_named() {
        assert!(
            PwInput::parse("&control\n a = 1\n")
                .unwrap_err()
                .contains("&control is not closed")
        );
        assert!(PwInput::parse("hello\n").unwrap_err().contains("`hello`"));
        assert!(
            PwInput::parse("&system\n = 3 /\n")
                .unwrap_err()
                .contains("without a name")
        );
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in "[&a-c=/'\"(){}! ,\n0-9ÅK_POINTS]{0,80}") {
            if let Ok(input) = PwInput::parse(&text) {
                let _ = input.write();
            }
        }
    }
}
