//! What `pw.x` prints of one calculation: convergence, energy, forces, stress, and the structure as it understood it.

use crate::linear::{Mat3, Vec3, ZERO3};

/// One calculation as read from standard output; energies in Ry, lengths in bohr.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Code and version, such as "PWSCF v.7.2".
    pub version: Option<String>,
    /// Element labels and positions in units of the lattice parameter, in the input's order.
    pub atoms: Vec<(String, Vec3)>,
    /// The energy that the forces belong to, in Ry: with smearing the free energy.
    pub energy: Option<f64>,
    /// Forces in Ry/bohr.
    pub forces: Option<Vec<Vec3>>,
    /// Stress in Ry/bohr³ as printed, compressive positive.
    pub stress: Option<Mat3>,
    /// Whether it said that convergence has been achieved.
    pub converged: bool,
    /// The line that says that convergence was not achieved.
    pub unconverged: Option<String>,
    /// The first line of the last error message.
    pub error: Option<String>,
    /// Whether it came to its regular end.
    pub done: bool,
}

/// Reads an output, complete or not. What cannot be read as a number is left out.
pub fn parse(text: &str) -> Output {
    let mut output = Output::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim();
        if bare.starts_with("Program ") && bare.contains("PWSCF") {
            output.version = super::super::ipi::espresso::version_of(line);
        } else if bare.contains("positions (alat units)") {
            output.atoms = lines.by_ref().map_while(atom).collect();
        } else if bare.starts_with('!') && bare.contains("total energy") {
            // Of several (exact exchange in an outer loop) the last counts.
            output.energy = value_before(bare, "Ry");
        } else if bare.contains("convergence has been achieved") {
            output.converged = true;
        } else if bare.contains("convergence NOT achieved") {
            output.unconverged.get_or_insert(bare.to_owned());
        } else if bare.starts_with("Forces acting on atoms") {
            output.forces = forces(&mut lines);
        } else if bare.starts_with("total") && bare.contains("stress") && bare.contains("(Ry/bohr**3)") {
            output.stress = stress(&mut lines);
        } else if bare.starts_with("Error in routine") {
            let reason = lines.next().map(str::trim).unwrap_or_default();
            output.error = Some(format!("{bare} {reason}"));
        } else if bare == "JOB DONE." {
            output.done = true;
        }
    }
    output
}

/// The number that ends before a unit: `... = -62.13 Ry`.
pub(super) fn value_before(line: &str, unit: &str) -> Option<f64> {
    let value = line.rsplit_once('=')?.1.trim().strip_suffix(unit)?;
    finite(value.trim())
}

/// A finite number; asterisks, where a field was too narrow, are none.
pub(super) fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `1  Si  tau(   1) = (   0.0184   0.0000   0.0000  )`.
pub(super) fn atom(line: &str) -> Option<(String, Vec3)> {
    let (before, after) = line.split_once("tau(")?;
    let label = before.split_whitespace().nth(1)?;
    let numbers = after.split_once('(')?.1.trim_end().strip_suffix(')')?;
    Some((label.to_owned(), three(numbers)?))
}

pub(super) fn three(text: &str) -> Option<Vec3> {
    let mut words = text.split_whitespace();
    let mut vector = [0.0; 3];
    for component in &mut vector {
        *component = finite(words.next()?)?;
    }
    Some(vector)
}

/// The block of total forces: a blank line, then `atom 1 type 1 force = x y z` for each atom.
pub(super) fn forces<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Vec<Vec3>> {
    let mut forces = Vec::new();
    for line in lines {
        let bare = line.trim();
        if bare.is_empty() && forces.is_empty() {
            continue;
        }
        // Messages about negative charge densities may stand before the block.
        let Some((before, after)) = bare.split_once("force =") else {
            if forces.is_empty() {
                continue;
            }
            break;
        };
        if !before.starts_with("atom") {
            return None;
        }
        forces.push(three(after)?);
    }
    (!forces.is_empty()).then_some(forces)
}

/// Three lines whose first three numbers are in Ry/bohr³.
pub(super) fn stress<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Mat3> {
    let mut stress = ZERO3;
    for row in &mut stress {
        *row = three(lines.next()?)?;
    }
    Some(stress)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = include_str!("../../../oracles/espresso/recorded/converged.out");

    #[test]
    fn a_recorded_output_is_read() {
        let output = parse(OUTPUT);
        assert_eq!(output.version.as_deref(), Some("PWSCF v.6.7MaX"));
        assert_eq!(output.energy, Some(-62.13229012));
        assert!(output.converged && output.done && output.unconverged.is_none());
        assert_eq!(output.atoms.len(), 8);
        assert_eq!(output.atoms[0].0, "Si");
        let forces = output.forces.unwrap();
        assert_eq!(forces.len(), 8);
        assert_eq!(forces[4], [-0.00107974, 0.01491263, 0.01491169]);
        assert_eq!(output.stress.unwrap()[1], [0.0, 0.00057693, 0.00010962]);
    }

    #[test]
    fn an_unconverged_output_says_so() {
        let output = parse(include_str!("../../../oracles/espresso/recorded/unconverged.out"));
        assert!(!output.converged && output.unconverged.unwrap().contains("after   3 iterations"));
    }

    #[test]
    fn no_part_of_an_output_looks_whole() {
        let lines: Vec<&str> = OUTPUT.lines().collect();
        for count in 0..lines.len() {
            let output = parse(&lines[..count].join("\n"));
            let past_the_end = lines[..count].iter().any(|line| line.contains("JOB DONE."));
            assert_eq!(output.done, past_the_end, "{count} lines");
        }
        let stars = OUTPUT.replace("-0.00107974", "***********");
        assert_eq!(parse(&stars).forces, None);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(cut in 0usize..20_000, text in "[!=a-z ()\n*0-9.]{0,60}") {
            let start: String = OUTPUT.chars().take(cut).collect();
            parse(&(start + &text));
        }
    }
}
