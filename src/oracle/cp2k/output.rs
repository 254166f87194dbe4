//! What CP2K prints of one calculation: convergence, energy, forces, stress.

use crate::linear::{Mat3, Vec3, ZERO3};
use crate::units::{BOHR, GPA_PER_EV_PER_CUBIC_ANGSTROM, HARTREE};

use super::super::ipi::cp2k::{CONVERGED, UNCONVERGED, version_of};

/// One calculation as read from standard output, in eV and Å.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Such as "CP2K version 2023.1".
    pub version: Option<String>,
    /// The energy that the forces belong to, in eV.
    pub energy: Option<f64>,
    /// The element of each force, where the version prints it.
    pub elements: Vec<String>,
    /// Forces in eV/Å.
    pub forces: Option<Vec<Vec3>>,
    /// Stress in eV/Å³, tensile positive.
    pub stress: Option<Mat3>,
    /// Whether it said that the self-consistent field converged.
    pub converged: bool,
    /// The line that says that it did not.
    pub unconverged: Option<String>,
    /// The message of an abort.
    pub error: Option<String>,
    /// Whether it came to its regular end.
    pub done: bool,
}

/// Reads an output, complete or not; versions from 7 to 2025 print forces and stress in two ways.
pub fn parse(text: &str) -> Output {
    let mut output = Output::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim();
        if bare.starts_with("CP2K| version string:") {
            output.version = version_of(line);
        } else if bare.contains(CONVERGED) {
            output.converged = true;
        } else if UNCONVERGED.iter().any(|text| bare.contains(text)) {
            output.unconverged.get_or_insert(bare.to_owned());
        } else if bare.starts_with("ENERGY| Total FORCE_EVAL") {
            output.energy = bare
                .split_whitespace()
                .next_back()
                .and_then(finite)
                .map(|e| e * HARTREE);
        } else if bare.starts_with("ATOMIC FORCES in [a.u.]") {
            let rows = lines
                .by_ref()
                .map(str::trim)
                .skip_while(|row| row.is_empty() || row.starts_with('#'));
            let rows = rows.take_while(|row| !row.starts_with("SUM OF ATOMIC FORCES"));
            // Number, kind, element, three components.
            (output.elements, output.forces) = forces(rows, 3);
        } else if bare.starts_with("FORCES| Atomic forces [hartree/bohr]") {
            let rows = std::iter::from_fn(|| lines.next_if(|row| row.trim().starts_with("FORCES|")));
            let rows = rows.map(|row| row.trim().trim_start_matches("FORCES|").trim());
            let rows = rows.filter(|row| row.starts_with(|c: char| c.is_ascii_digit()));
            output.forces = forces(rows, 1).1;
        } else if bare.starts_with("STRESS| Analytical stress tensor")
            || bare.starts_with("STRESS| Numerical stress tensor")
        {
            let unit = bare
                .rsplit_once('[')
                .and_then(|(_, unit)| pressure(unit.trim_end_matches(']')));
            let rows: Vec<&str> = lines.by_ref().take(4).collect();
            output.stress = unit.and_then(|unit| stress(rows.get(1..)?, unit));
        } else if bare.starts_with("*  \\___/") {
            let message = bare.trim_start_matches("*  \\___/").trim_end_matches('*').trim();
            output.error.get_or_insert(message.to_owned());
        } else if bare.contains("PROGRAM ENDED AT") {
            output.done = true;
        }
    }
    output
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The rows of a table of forces: after `before` words come three components, in hartree per bohr.
fn forces<'a>(rows: impl Iterator<Item = &'a str>, before: usize) -> (Vec<String>, Option<Vec<Vec3>>) {
    let mut elements = Vec::new();
    let mut forces = Vec::new();
    for row in rows {
        let words: Vec<&str> = row.split_whitespace().collect();
        let numbers: Option<Vec<f64>> = words.iter().skip(before).take(3).map(|word| finite(word)).collect();
        let Some(&[x, y, z]) = numbers.as_deref() else {
            return (Vec::new(), None);
        };
        if before == 3 {
            elements.push(words[2].to_owned());
        }
        forces.push([x, y, z].map(|f: f64| f * HARTREE / BOHR));
    }
    (elements, Some(forces).filter(|forces| !forces.is_empty()))
}

/// Rows `STRESS|  x  xx xy xz`; CP2K counts compression as positive.
fn stress(rows: &[&str], unit: f64) -> Option<Mat3> {
    let mut stress = ZERO3;
    for ((row, line), name) in stress.iter_mut().zip(rows).zip(["x", "y", "z"]) {
        let mut words = line.split_whitespace().skip_while(|word| *word == "STRESS|");
        if words.next() != Some(name) {
            return None;
        }
        for component in row {
            *component = -unit * finite(words.next()?)?;
        }
    }
    (rows.len() == 3).then_some(stress)
}

/// A unit of pressure in eV/Å³.
fn pressure(unit: &str) -> Option<f64> {
    let pascal = match unit {
        "GPa" => 1e9,
        "kbar" => 1e8,
        "MPa" => 1e6,
        "bar" => 1e5,
        "Pa" => 1.0,
        "atm" => 101_325.0,
        _ => return None,
    };
    Some(pascal * 1e-9 / GPA_PER_EV_PER_CUBIC_ANGSTROM)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = include_str!("../../../oracles/cp2k/recorded/converged.out");

    #[test]
    fn a_recorded_output_is_read() {
        let output = parse(OUTPUT);
        assert_eq!(output.version.as_deref(), Some("CP2K version 2023.1"));
        assert!(output.converged && output.done && output.unconverged.is_none());
        assert!((output.energy.unwrap() / HARTREE + 34.11532463622).abs() < 1e-9);
        assert_eq!(output.elements, ["Si", "Si", "Si", "O", "O", "O", "O", "O", "O"]);
        let forces = output.forces.unwrap();
        assert_eq!(forces.len(), 9);
        assert!((forces[8][2] * BOHR / HARTREE - 0.0297673).abs() < 1e-6);
        let xy = output.stress.unwrap()[0][1] * GPA_PER_EV_PER_CUBIC_ANGSTROM;
        assert!((xy - 2.675_411).abs() < 1e-5, "{xy}");
    }

    #[test]
    fn the_newer_tables_are_read() {
        let text = " ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]              -1.5\n\
             FORCES| Atomic forces [hartree/bohr]\n FORCES|   Atom     x               y               z              |f|\n\
             FORCES|      1 -1.0E-01  2.0E-01  0.0 2.2E-01\n FORCES|      2  1.0E-01 -2.0E-01  0.0 2.2E-01\n\
             FORCES|    Sum  0.0 0.0 0.0\n STRESS| Analytical stress tensor [bar]\n\
             STRESS|                        x                   y                   z\n\
             STRESS|      x        1.0E+04   0.0 0.0\n STRESS|      y        0.0 1.0 0.0\n STRESS|      z        0.0 0.0 1.0\n";
        let output = parse(text);
        assert!((output.energy.unwrap() + 1.5 * HARTREE).abs() < 1e-12);
        assert_eq!(output.forces.unwrap()[0][1], 0.2 * HARTREE / BOHR);
        assert!((output.stress.unwrap()[0][0] + 1.0 / GPA_PER_EV_PER_CUBIC_ANGSTROM).abs() < 1e-12);
    }

    #[test]
    fn failures_are_seen() {
        let output = parse(include_str!("../../../oracles/cp2k/recorded/unconverged.out"));
        assert!(output.unconverged.is_some() && !output.converged);
        let stars = OUTPUT.replace("-0.0153269283670826", "*******************");
        assert_eq!(parse(&stars).forces.is_some(), stars == OUTPUT);
        let lines: Vec<&str> = OUTPUT.lines().collect();
        for count in 0..lines.len() {
            let ended = lines[..count].iter().any(|line| line.contains("PROGRAM ENDED AT"));
            assert_eq!(parse(&lines[..count].join("\n")).done, ended, "{count} lines");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(cut in 0usize..40_000, text in "[STRE|ENGY a-z\n*0-9.\\[\\]]{0,60}") {
            let start: String = OUTPUT.chars().take(cut).collect();
            parse(&(start + &text));
        }
    }
}
