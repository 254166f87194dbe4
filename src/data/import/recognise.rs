//! Which code wrote a file, by what stands at its beginning.

/// The files that labels are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// vasprun.xml of VASP.
    Vasprun,
    /// OUTCAR of VASP.
    Outcar,
    /// The standard output of `pw.x`.
    EspressoOutput,
    /// The XML file of `pw.x`.
    EspressoXml,
    /// Extended XYZ.
    Xyz,
    /// n2p2's input.data.
    N2p2,
}

impl Source {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vasprun => "vasprun.xml",
            Self::Outcar => "OUTCAR",
            Self::EspressoOutput => "pw.x output",
            Self::EspressoXml => "pw.x XML",
            Self::Xyz => "extended XYZ",
            Self::N2p2 => "input.data",
        }
    }
}

/// The kind of a file that begins so.
pub(super) fn source(beginning: &str) -> Option<Source> {
    let start = beginning.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if start.starts_with('<') {
        return xml(start);
    }
    if beginning
        .lines()
        .any(|line| line.trim_start().starts_with("Program PWSCF"))
    {
        return Some(Source::EspressoOutput);
    }
    let version = |line: &str| {
        let line = line.trim_start();
        line.starts_with("vasp.") && line.as_bytes().get(5).is_some_and(u8::is_ascii_digit)
    };
    if beginning.lines().take(40).any(version) {
        return Some(Source::Outcar);
    }
    let first = start.lines().next()?.trim();
    if first == "begin" || first.starts_with("begin ") {
        return Some(Source::N2p2);
    }
    first.parse::<usize>().is_ok().then_some(Source::Xyz)
}

/// By the first element.
fn xml(start: &str) -> Option<Source> {
    let mut rest = start;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..)?;
        if rest.starts_with(['?', '!']) {
            continue;
        }
        let name = rest.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next()?;
        return match name {
            "modeling" => Some(Source::Vasprun),
            "espresso" | "qes:espresso" => Some(Source::EspressoXml),
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_content() {
        assert_eq!(source("<?xml version=\"1.0\"?>\n<modeling>\n"), Some(Source::Vasprun));
        assert_eq!(
            source("<?xml version=\"1.0\"?>\n<!-- a -->\n<qes:espresso xmlns:qes=\"x\">"),
            Some(Source::EspressoXml)
        );
        assert_eq!(source("<svg>"), None);
        assert_eq!(source(" vasp.6.3.0 20Jan22 (build) complex\n"), Some(Source::Outcar));
        assert_eq!(source("vasp.gamma notes"), None);
        assert_eq!(
            source("module loaded\n\n     Program PWSCF v.7.2 starts on\n"),
            Some(Source::EspressoOutput)
        );
        assert_eq!(source("begin\ncomment x\n"), Some(Source::N2p2));
        assert_eq!(source("\n 8\nLattice=\n"), Some(Source::Xyz));
        assert_eq!(source("Si8\n1.0\n"), None);
        assert_eq!(source(""), None);
    }
}
