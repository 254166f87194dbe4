//! The lines of an OUTCAR, one after the other: what is kept of each.

use std::str::Lines;

use super::complaints::UNCONVERGED;
use super::{Outcar, OutcarStep};
use crate::linear::{Mat3, Vec3};
use crate::oracle::vasp::potcar::species_of_title;
use crate::oracle::vasp::vasprun::number;
use crate::structure::Species;

/// Tags that make energies comparable, and some that make them no energies of a self-consistent ground state at this pressure.
const TAGS: [&str; 12] = [
    "PREC", "ENCUT", "ISPIN", "ISMEAR", "SIGMA", "GGA", "METAGGA", "LHFCALC", "LDAU", "IVDW", "ICHARG", "PSTRESS",
];

/// Where the reading stands.
#[derive(Debug, Default)]
pub(super) struct Reader {
    outcar: Outcar,
    step: OutcarStep,
    /// Inside what VASP's own force field answered.
    in_force_field: bool,
    /// Whether electrons were asked since the force field last answered.
    electrons_since: bool,
}

impl Reader {
    pub fn read(mut self, text: &str) -> Outcar {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            self.line(line, &mut lines);
        }
        self.outcar.begun = self.step.electronic_steps > 0 && self.step.energy_to_zero.is_none();
        self.push();
        self.outcar
    }

    /// Keeps the step that is open, if its energy is there.
    fn push(&mut self) {
        let step = std::mem::take(&mut self.step);
        if step.free_energy.is_some() || step.broken.is_some() {
            self.outcar.steps.push(step);
        }
    }

    fn line(&mut self, line: &str, lines: &mut Lines<'_>) {
        if line.contains("Iteration") && line.contains('(') && line.contains("---") {
            self.iteration(line);
        } else if line.contains("ML FORCE on cell") {
            self.in_force_field = true;
        } else if line.contains("FORCE on cell") {
            self.in_force_field = false;
        } else if line.contains("energy ML TOTEN") {
            if !std::mem::take(&mut self.electrons_since) {
                self.outcar.force_field_steps += 1;
            }
            self.in_force_field = true;
        } else if self.in_force_field {
            self.closing(line);
        } else if UNCONVERGED.iter().any(|words| line.contains(words)) {
            self.step.unconverged = true;
        } else if line.contains("free  energy   TOTEN") {
            let value = line.split('=').nth(1).unwrap_or_default();
            let value = value.trim().trim_end_matches("eV").trim();
            self.step.free_energy = self.number(value);
        } else if line.contains("energy  without entropy") {
            let word = line.rsplit('=').next().unwrap_or_default();
            self.step.energy_to_zero = self.number(word.trim());
        } else if line.trim_start().starts_with("in kB") {
            self.stress(line);
        } else if line.contains("direct lattice vectors") {
            self.step.basis = self.basis(lines);
        } else if line.contains("TOTAL-FORCE") {
            self.forces(lines);
        } else {
            self.head(line);
            self.closing(line);
        }
    }

    /// `---- Iteration  ionic( electronic)  ----`
    fn iteration(&mut self, line: &str) {
        let inside = line.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        self.in_force_field = false;
        self.electrons_since = true;
        if let Some(electronic) = inside.and_then(|(count, _)| count.trim().parse().ok()) {
            if electronic == 1 {
                self.push();
            }
            self.step.electronic_steps = electronic;
        }
    }

    fn head(&mut self, line: &str) {
        let bare = line.trim_start();
        let outcar = &mut self.outcar;
        if outcar.version.is_empty() && bare.starts_with("vasp.") {
            bare.split_whitespace()
                .next()
                .unwrap_or_default()
                .clone_into(&mut outcar.version);
        } else if bare.starts_with("TITEL") {
            let title = bare.split_once('=').map_or("", |(_, title)| title.trim());
            outcar
                .titles
                .push(title.split_whitespace().collect::<Vec<_>>().join(" "));
            if outcar.elements.len() < outcar.titles.len() {
                outcar.elements.extend(species_of_title(title));
            }
        } else if let Some((_, described)) = bare.strip_prefix("VRHFIN").and_then(|rest| rest.split_once('=')) {
            // Stands before the title of the same potential.
            let symbol: String = described
                .trim_start()
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect();
            outcar.elements.extend(symbol.parse::<Species>());
        } else if line.contains("ions per type") {
            let counts = line.split_once('=').map_or("", |(_, counts)| counts);
            outcar.groups = counts.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        } else if line.contains("NIONS =") {
            outcar.atoms = line.rsplit('=').next().and_then(|word| word.trim().parse().ok());
        } else if let Some(value) = tag(bare, "NELM") {
            outcar.most_electronic_steps = value.parse().ok().or(outcar.most_electronic_steps);
        } else {
            // Two tags may share a line.
            for part in bare.split(';') {
                let part = part.trim_start();
                if let Some((name, value)) = TAGS.iter().find_map(|name| Some((*name, tag(part, name)?))) {
                    outcar.tags.entry(name.to_owned()).or_insert_with(|| value.to_owned());
                }
            }
        }
    }

    fn closing(&mut self, line: &str) {
        if line.contains("General timing and accounting") {
            self.outcar.finished = true;
        } else if line.contains("Maximum memory used (kb):") {
            self.outcar.memory = line.rsplit(':').next().and_then(|word| word.trim().parse().ok());
        }
    }

    /// A number, or the note that there is none.
    fn number(&mut self, text: &str) -> Option<f64> {
        let value = number(text, "").ok();
        if value.is_none() {
            self.step.broken.get_or_insert_with(|| text.to_owned());
        }
        value
    }

    /// Numbers with blanks between them, or in fields of known width that are full to the last character.
    fn fields<const N: usize>(&mut self, text: &str, columns: [(usize, usize); N]) -> Option<[f64; N]> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let good = |text: &str| number(text.trim(), "").ok();
        let parsed: Option<Vec<f64>> = if words.len() >= N && words.iter().take(N).all(|word| good(word).is_some()) {
            words.iter().take(N).map(|word| good(word)).collect()
        } else {
            let field = |(from, to): &(usize, usize)| good(text.get(*from..*to)?);
            columns.iter().map(field).collect()
        };
        let values = parsed.and_then(|values| values.try_into().ok());
        if values.is_none() {
            self.step.broken.get_or_insert_with(|| text.trim().to_owned());
        }
        values
    }

    /// `  in kB  ` and six fields of twelve characters: xx yy zz xy yz zx.
    fn stress(&mut self, line: &str) {
        let Some((_, rest)) = line.split_once("in kB") else {
            return;
        };
        let rest = rest.strip_prefix("  ").unwrap_or(rest);
        let columns = [0, 1, 2, 3, 4, 5].map(|k| (12 * k, 12 * k + 12));
        if let Some([xx, yy, zz, xy, yz, zx]) = self.fields(rest, columns) {
            self.step.stress = Some([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]);
        }
    }

    /// Three lines of a direct and a reciprocal vector each, in fields of thirteen characters.
    fn basis(&mut self, lines: &mut Lines<'_>) -> Option<Mat3> {
        let mut rows = [[0.0; 3]; 3];
        for row in &mut rows {
            *row = self.fields(lines.next()?, [(3, 16), (16, 29), (29, 42)])?;
        }
        Some(rows)
    }

    /// A line of dashes, then positions and forces, to the next line of dashes.
    fn forces(&mut self, lines: &mut Lines<'_>) {
        self.step.positions.clear();
        self.step.forces.clear();
        lines.next();
        let columns = [(0, 13), (13, 26), (26, 39), (42, 56), (56, 70), (70, 84)];
        for row in lines.by_ref() {
            if row.trim().is_empty() || row.trim_start().starts_with("--") {
                break;
            }
            let Some([x, y, z, a, b, c]) = self.fields(row, columns) else {
                break;
            };
            let (position, force): (Vec3, Vec3) = ([x, y, z], [a, b, c]);
            self.step.positions.push(position);
            self.step.forces.push(force);
        }
    }
}

/// The first word after `NAME =`.
fn tag<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
    value.split([';', ' ']).find(|word| !word.is_empty())
}
