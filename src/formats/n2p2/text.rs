//! Numbers as n2p2's files hold them.

use std::path::Path;

use crate::formats::FormatError;
use crate::formats::error::quote;

/// A finite number.
pub(super) fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|x: &f64| x.is_finite())
}

/// A finite number or an error that names what it should be.
pub(super) fn wanted_number(path: &Path, line: usize, what: &str, word: &str) -> Result<f64, FormatError> {
    number(word).ok_or_else(|| {
        FormatError::line(
            path,
            line,
            format!("{what} is {}: expected a finite number", quote(word)),
        )
    })
}

/// A number with 17 significant digits as C's `%24.16E` prints it.
pub(super) fn exact(x: f64) -> String {
    scientific(x, 16)
}

/// A number with 15 significant digits: what survives a change of units unchanged.
pub(super) fn rounded(x: f64) -> String {
    scientific(x, 14)
}

fn scientific(x: f64, digits: usize) -> String {
    // Minus zero would come back as zero from a sum.
    let text = format!("{:.*E}", digits, if x == 0.0 { 0.0 } else { x });
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{mantissa}E{sign}{size:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_c_prints_them() {
        assert_eq!(exact(1.0), "1.0000000000000000E+00");
        assert_eq!(exact(-0.012), "-1.2000000000000000E-02");
        assert_eq!(exact(1e100), "1.0000000000000000E+100");
        assert_eq!(exact(0.1).parse::<f64>().unwrap(), 0.1);
        assert_eq!(rounded(0.1 + 0.2), "3.00000000000000E-01");
        assert_eq!(number("nan"), None);
        assert_eq!(number("1e400"), None);
    }
}
