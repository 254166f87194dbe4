//! The comment line of extended XYZ: `key=value` entries, their quoting and escaping.

use std::collections::BTreeMap;

/// What an empty value is written as: ASE would take the next entry for the value of `key=""`.
const EMPTY: &str = "_JSON \"\"";

/// The entries of a comment line, or `None` if a quote is not closed.
///
/// Values may be quoted by `"`, `'`, `{}` or `[]`, a backslash takes the next character as it is, a key without a value is
/// true (`T`), and of a repeated key the last counts: all as in ASE.
pub(super) fn parse(line: &str) -> Option<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    let mut rest = tokens(line)?.into_iter().peekable();
    while let Some(token) = rest.next() {
        let Token::Word(key) = token else { continue };
        let mut value = None;
        while rest.next_if_eq(&Token::Equals).is_some() {
            // In `a=b=c` the value is `b=c`.
            let part = rest
                .next_if(|t| matches!(t, Token::Word(_)))
                .map_or_else(String::new, |t| match t {
                    Token::Word(word) => word,
                    Token::Equals => String::new(),
                });
            value = Some(match value {
                None => part,
                Some(before) => format!("{before}={part}"),
            });
        }
        let value = value.unwrap_or_else(|| "T".to_owned());
        entries.insert(key, if value == EMPTY { String::new() } else { value });
    }
    Some(entries)
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Equals,
}

fn tokens(line: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut closing: Option<char> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            word.get_or_insert_default().extend(characters.next());
        } else if let Some(quote) = closing {
            if character == quote {
                closing = None;
            } else {
                word.get_or_insert_default().push(character);
            }
        } else if let Some(quote) = closing_quote(character) {
            closing = Some(quote);
            word.get_or_insert_default();
        } else if character == '=' || character.is_whitespace() {
            tokens.extend(word.take().map(Token::Word));
            if character == '=' {
                tokens.push(Token::Equals);
            }
        } else {
            word.get_or_insert_default().push(character);
        }
    }
    tokens.extend(word.map(Token::Word));
    closing.is_none().then_some(tokens)
}

fn closing_quote(opening: char) -> Option<char> {
    match opening {
        '"' | '\'' => Some(opening),
        '{' => Some('}'),
        '[' => Some(']'),
        _ => None,
    }
}

/// A key or value as it is written: quoted and escaped where it needs to be.
pub(super) fn quoted(text: &str) -> String {
    let text = if text.is_empty() { EMPTY } else { text };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+.:/".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The numbers of a value: separated by spaces or commas, brackets of JSON ignored.
pub(super) fn numbers(value: &str) -> Option<Vec<f64>> {
    words(value).map(|word| word.parse().ok()).collect()
}

/// The truth values of a value, written T, F, true, false, 1 or 0.
pub(super) fn logicals(value: &str) -> Option<Vec<bool>> {
    words(value).map(logical).collect()
}

/// One truth value.
pub(super) fn logical(word: &str) -> Option<bool> {
    match word {
        "T" | "true" | "True" | "TRUE" | "1" => Some(true),
        "F" | "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    let value = value.strip_prefix("_JSON ").unwrap_or(value);
    value
        .split(|c: char| c.is_whitespace() || ",[]".contains(c))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(line: &str) -> Vec<(String, String)> {
        parse(line).unwrap().into_iter().collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn quotes_brackets_escapes_and_bare_keys_are_read_as_by_ase() {
        assert_eq!(
            entries(r#"a=1 b="2 3" c='x y' d={4 5} e=[6, 7] flag f = 8 g="say \"hi\"" h=i=j "k l"=m n="" o=p"#),
            pairs(&[
                ("a", "1"),
                ("b", "2 3"),
                ("c", "x y"),
                ("d", "4 5"),
                ("e", "6, 7"),
                ("f", "8"),
                ("flag", "T"),
                ("g", "say \"hi\""),
                ("h", "i=j"),
                ("k l", "m"),
                ("n", ""),
                ("o", "p"),
            ])
        );
        assert_eq!(parse("a=\"open"), None);
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for text in [
            "",
            "plain",
            "two words",
            "q\"q",
            "back\\slash",
            "{[()]}",
            "a=b",
            "Å",
            "T",
            "it's",
            "\\",
        ] {
            let line = format!("{}={} z=1", quoted("the key"), quoted(text));
            assert_eq!(entries(&line), pairs(&[("the key", text), ("z", "1")]), "{line}");
        }
    }

    #[test]
    fn numbers_and_truth_values() {
        assert_eq!(numbers("1 2,3"), Some(vec![1.0, 2.0, 3.0]));
        assert_eq!(numbers("_JSON [[1, 2], [3, 4]]"), Some(vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(numbers("1 x"), None);
        assert_eq!(logicals("T F true"), Some(vec![true, false, true]));
    }
}
