//! Everything `pw.x` printed of a run of several steps (scf, relax, vc-relax, md): each self-consistent calculation with its
//! structure.

use std::collections::BTreeMap;
use std::str::Lines;

use super::element::element_of_label;
use super::output::{atom, finite, forces, stress, three, value_before};
use crate::linear::{Mat3, Vec3, norm, row_times, scale, sub};
use crate::structure::Species;
use crate::units::BOHR;

/// How the electrons' wavefunctions are occupied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Smearing {
    /// No line tells.
    #[default]
    Untold,
    /// Gaussian or Fermi-Dirac: the energy at no smearing is half-way between E − TS and E.
    Halfway,
    /// Methfessel-Paxton or Marzari-Vanderbilt.
    Other,
}

/// What `pw.x` said of the convergence of one calculation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Convergence {
    /// Nothing.
    #[default]
    Untold,
    /// "convergence has been achieved"; it says so of every calculation where `scf_must_converge` is false.
    Achieved,
    /// The line that says the opposite.
    Failed(String),
}

/// One self-consistent calculation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrajectoryStep {
    /// Lattice vectors in rows, Å.
    pub cell: Mat3,
    /// The elements.
    pub species: Vec<Species>,
    /// Cartesian positions, Å.
    pub positions: Vec<Vec3>,
    /// The energy that the forces belong to, Ry: with smearing F = E − TS. Absent where the calculation ended without one.
    pub energy: Option<f64>,
    /// The contribution −TS of the smearing, Ry.
    pub smearing: Option<f64>,
    /// What the estimated accuracy of the last iteration was at least, as far as its digits tell, Ry.
    pub accuracy: Option<f64>,
    /// What was said of convergence.
    pub convergence: Convergence,
    /// Whether exact exchange was refined in an outer loop that never said that it is self-consistent.
    pub exchange_open: bool,
    /// Forces, Ry/bohr.
    pub forces: Option<Vec<Vec3>>,
    /// Stress as printed, Ry/bohr³, compressive positive.
    pub stress: Option<Mat3>,
}

/// A whole output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trajectory {
    /// Code and version, such as "PWSCF v.7.2".
    pub version: Option<String>,
    /// What makes energies comparable: cutoffs, functional, pseudopotentials, k-points.
    pub surface: BTreeMap<String, String>,
    /// How states are occupied.
    pub smearing: Smearing,
    /// The threshold of the estimated accuracy, Ry.
    pub threshold: Option<f64>,
    /// The calculations in order.
    pub steps: Vec<TrajectoryStep>,
    /// The last error message.
    pub error: Option<String>,
    /// Whether the output came to its regular end.
    pub done: bool,
}

/// Reads an output as far as it goes; a last line without its end is not believed.
pub fn parse_trajectory(text: &str) -> Trajectory {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut reader = Reader::default();
    let mut lines = text.get(..whole).unwrap_or_default().lines();
    while let Some(line) = lines.next() {
        reader.line(line, &mut lines);
    }
    reader.flush();
    reader.trajectory
}

/// A printed position further than this from the known one, in Å, is of another structure; less is the header's rounding.
const ROUNDING: f64 = 1e-4;

/// Where the reading stands.
#[derive(Debug, Default)]
struct Reader {
    trajectory: Trajectory,
    /// The lattice parameter, bohr.
    alat: Option<f64>,
    /// The elements of the labels, by the pseudopotentials that the header lists.
    kinds: BTreeMap<String, Species>,
    /// The label whose pseudopotential was named last.
    pseudopotential: String,
    atoms: Option<usize>,
    cell: Option<Mat3>,
    species: Vec<Species>,
    positions: Vec<Vec3>,
    step: Option<TrajectoryStep>,
    accuracy: Option<f64>,
    exchange: bool,
    exchange_done: bool,
}

impl Reader {
    fn line(&mut self, line: &str, lines: &mut Lines<'_>) {
        let bare = line.trim();
        if bare.starts_with('!') && bare.contains("total energy") {
            self.energy(value_before(bare, "Ry"));
        } else if bare.starts_with("estimated scf accuracy") {
            self.accuracy = bare
                .split_once('<')
                .and_then(|(_, rest)| at_least(rest.trim().strip_suffix("Ry")?.trim()));
            let accuracy = self.accuracy;
            if let Some(step) = &mut self.step {
                step.accuracy = accuracy;
            }
        } else if bare.starts_with("smearing contrib.") {
            if let Some(step) = &mut self.step {
                step.smearing = value_before(bare, "Ry");
            }
        } else if bare.contains("convergence has been achieved") {
            if let Some(step) = &mut self.step {
                step.convergence = Convergence::Achieved;
            }
        } else if bare.contains("convergence NOT achieved") {
            self.failed(bare);
        } else if bare.contains("est. exchange err") || bare.contains("EXX: now go back") {
            self.exchange = true;
        } else if bare.contains("EXX self-consistency reached") {
            self.exchange_done = true;
        } else if bare.starts_with("Forces acting on atoms") {
            let forces = forces(lines);
            if let Some(step) = &mut self.step {
                step.forces = forces;
            }
        } else if bare.starts_with("total") && bare.contains("stress") && bare.contains("(Ry/bohr**3)") {
            let stress = stress(lines);
            if let Some(step) = &mut self.step {
                step.stress = stress;
            }
        } else if bare.starts_with("CELL_PARAMETERS") {
            self.cell_card(bare, lines);
        } else if bare.starts_with("ATOMIC_POSITIONS") {
            self.positions_card(bare, lines);
        } else if bare.starts_with("Error in routine") {
            let reason = lines.next().map(str::trim).unwrap_or_default();
            self.trajectory.error = Some(format!("{bare} {reason}"));
        } else if bare == "JOB DONE." {
            self.trajectory.done = true;
        } else {
            self.head(line, bare, lines);
        }
    }

    /// What stands at the head of a run, and again before the last calculation of a vc-relax.
    fn head(&mut self, line: &str, bare: &str, lines: &mut Lines<'_>) {
        if bare.starts_with("Program ") && bare.contains("PWSCF") {
            // Another run in the same file.
            self.flush();
            let version = crate::oracle::ipi::espresso::version_of(line);
            self.trajectory.version = version.or(self.trajectory.version.take());
            self.trajectory.done = false;
            (self.cell, self.alat, self.atoms) = (None, None, None);
            self.species.clear();
            self.positions.clear();
            self.kinds.clear();
        } else if let Some(rest) = bare.strip_prefix("lattice parameter (alat)") {
            let value = rest.trim_start_matches([' ', '=']).split_whitespace().next();
            self.alat = value.and_then(finite).or(self.alat);
        } else if let Some(rest) = bare.strip_prefix("celldm(1)=") {
            // The same with two more digits.
            let value = rest.split_whitespace().next();
            self.alat = value.and_then(finite).filter(|value| *value > 0.0).or(self.alat);
        } else if bare.starts_with("number of atoms/cell") {
            self.atoms = value(bare).and_then(|text| text.parse().ok());
        } else if bare.starts_with("crystal axes:") {
            self.axes(lines);
        } else if bare.starts_with("atomic species") && bare.contains("pseudopotential") {
            for row in lines.by_ref().take_while(|row| !row.trim().is_empty()) {
                self.kind(row);
            }
        } else if bare.contains("positions (alat units)") || bare.contains("positions (a_0 units)") {
            let listed: Vec<(String, Vec3)> = lines.by_ref().map_while(atom).collect();
            self.listed(&listed);
        } else if bare.starts_with("scf convergence threshold") || bare.starts_with("convergence threshold") {
            self.trajectory.threshold = value(bare).and_then(finite).or(self.trajectory.threshold);
        } else if bare.contains("smearing, width") {
            let halfway = ["gaussian", "fermi-dirac"];
            let lower = bare.to_lowercase();
            self.trajectory.smearing = if halfway.iter().any(|name| lower.contains(name)) {
                Smearing::Halfway
            } else {
                Smearing::Other
            };
            self.surface(
                "smearing",
                lower
                    .split_once("k points=")
                    .map(|(_, rest)| rest.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")),
            );
            self.surface("k-points", kpoints(bare));
        } else if bare.starts_with("number of k points=") {
            self.surface("k-points", kpoints(bare));
        } else if bare.starts_with("kinetic-energy cutoff") {
            self.surface("ecutwfc", value(bare).map(str::to_owned));
        } else if bare.starts_with("charge density cutoff") {
            self.surface("ecutrho", value(bare).map(str::to_owned));
        } else if let Some(name) = bare
            .strip_prefix("Exchange-correlation")
            .and_then(|rest| rest.split_once('='))
        {
            let words = name.1.split('(').next().unwrap_or_default().split_whitespace();
            self.surface("functional", Some(words.collect::<Vec<_>>().join(" ")));
        } else if bare.starts_with("PseudoPot. #") {
            let label = bare
                .split_once(" for ")
                .and_then(|(_, rest)| rest.split_whitespace().next());
            label.unwrap_or_default().clone_into(&mut self.pseudopotential);
        } else if let Some(sum) = bare.strip_prefix("MD5 check sum:") {
            let key = format!("pseudopotential of {}", self.pseudopotential);
            self.surface(&key, Some(sum.trim().to_owned()));
        }
    }

    fn surface(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.trajectory.surface.insert(key.to_owned(), value);
        }
    }

    /// An energy with `!`: a new calculation, or a better energy of the same where exact exchange is refined.
    fn energy(&mut self, energy: Option<f64>) {
        let refined = self.exchange && self.step.as_ref().is_some_and(|step| step.forces.is_none());
        if !refined {
            self.flush();
            self.step = Some(self.begin());
        }
        if let Some(step) = &mut self.step {
            step.energy = energy;
        }
    }

    /// "convergence NOT achieved": without an energy before it, it is all that is known of a calculation.
    fn failed(&mut self, line: &str) {
        if self
            .step
            .as_ref()
            .is_none_or(|step| step.convergence != Convergence::Untold)
        {
            self.flush();
            self.step = Some(self.begin());
        }
        if let Some(step) = &mut self.step {
            step.convergence = Convergence::Failed(line.to_owned());
        }
    }

    fn begin(&self) -> TrajectoryStep {
        TrajectoryStep {
            cell: self.cell.unwrap_or_default(),
            species: self.species.clone(),
            positions: self.positions.clone(),
            accuracy: self.accuracy,
            ..TrajectoryStep::default()
        }
    }

    /// Ends the calculation that is open.
    fn flush(&mut self) {
        if let Some(mut step) = self.step.take() {
            step.exchange_open = self.exchange && !self.exchange_done;
            self.trajectory.steps.push(step);
        }
        self.accuracy = None;
        self.exchange = false;
        self.exchange_done = false;
    }

    /// `a(1) = (   1.000000   0.000000   0.000000 )` three times, in units of the lattice parameter.
    fn axes(&mut self, lines: &mut Lines<'_>) {
        let mut rows = [[0.0; 3]; 3];
        for row in &mut rows {
            let inside = lines.next().and_then(|line| {
                let (_, rest) = line.split_once("= (")?;
                three(rest.trim_end().strip_suffix(')')?)
            });
            let (Some(vector), Some(alat)) = (inside, self.alat) else {
                return;
            };
            *row = scale(alat * BOHR, vector);
        }
        let same = |known: &Mat3| (0..3).all(|k| norm(sub(known[k], rows[k])) < ROUNDING);
        if !self.cell.as_ref().is_some_and(same) {
            self.flush();
            self.cell = Some(rows);
        }
    }

    /// `Si   4.00   28.08500   Si( 1.00)`.
    fn kind(&mut self, row: &str) {
        let mut words = row.split_whitespace();
        let (Some(label), Some(potential)) = (words.next(), words.nth(2)) else {
            return;
        };
        if let Some(element) = element_of_label(potential).or_else(|| element_of_label(label)) {
            self.kinds.insert(label.to_owned(), element);
        }
    }

    fn element(&self, label: &str) -> Option<Species> {
        self.kinds.get(label).copied().or_else(|| element_of_label(label))
    }

    /// The header's list of atoms, in units of the lattice parameter.
    fn listed(&mut self, listed: &[(String, Vec3)]) {
        let Some(alat) = self.alat else { return };
        let species: Option<Vec<Species>> = listed.iter().map(|(label, _)| self.element(label)).collect();
        let positions: Vec<Vec3> = listed.iter().map(|(_, p)| scale(alat * BOHR, *p)).collect();
        let Some(species) = species.filter(|species| !species.is_empty()) else {
            return;
        };
        let known = self.positions.iter().zip(&positions);
        let same =
            self.positions.len() == positions.len() && known.into_iter().all(|(a, b)| norm(sub(*a, *b)) < ROUNDING);
        if !same || species != self.species {
            self.flush();
            (self.species, self.positions) = (species, positions);
        }
    }

    /// `CELL_PARAMETERS (alat= 10.26310000)` or `(bohr)` or `(angstrom)`, and three vectors.
    fn cell_card(&mut self, card: &str, lines: &mut Lines<'_>) {
        let unit = card.to_lowercase();
        let factor = if unit.contains("angstrom") {
            Some(1.0)
        } else if unit.contains("bohr") {
            Some(BOHR)
        } else {
            let told = unit
                .split_once('=')
                .and_then(|(_, rest)| finite(rest.trim().trim_end_matches([')', '}']).trim()));
            told.or(self.alat).map(|alat| alat * BOHR)
        };
        let mut rows = [[0.0; 3]; 3];
        for row in &mut rows {
            let (Some(vector), Some(factor)) = (lines.next().and_then(three), factor) else {
                return;
            };
            *row = scale(factor, vector);
        }
        self.flush();
        self.cell = Some(rows);
    }

    /// `ATOMIC_POSITIONS (angstrom)`, `(bohr)`, `(crystal)` or `(alat)`, and as many atoms as there are.
    fn positions_card(&mut self, card: &str, lines: &mut Lines<'_>) {
        self.flush();
        let unit = card.to_lowercase();
        let count = self.atoms.unwrap_or(self.species.len());
        let (mut species, mut positions) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let read = lines.next().and_then(|line| {
                let (label, rest) = line.trim().split_once(char::is_whitespace)?;
                Some((self.element(label)?, three(rest)?))
            });
            let placed = read.and_then(|(element, p)| {
                let position = if unit.contains("angstrom") {
                    p
                } else if unit.contains("bohr") {
                    scale(BOHR, p)
                } else if unit.contains("crystal") {
                    row_times(p, &self.cell?)
                } else {
                    scale(self.alat? * BOHR, p)
                };
                Some((element, position))
            });
            // Without its structure the next calculation is of no use; it must not get the old one.
            let Some((element, position)) = placed else {
                self.species.clear();
                self.positions.clear();
                return;
            };
            species.push(element);
            positions.push(position);
        }
        (self.species, self.positions) = (species, positions);
    }
}

/// The first word after the equals sign.
fn value(line: &str) -> Option<&str> {
    line.split_once('=')?.1.split_whitespace().next()
}

/// The least value that is printed so. Eight decimals stand only where it is above 10⁻⁸, an exponent below.
fn at_least(printed: &str) -> Option<f64> {
    let value = finite(printed)?;
    Some(match printed.contains(['E', 'e']) {
        true => 0.95 * value,
        false if value == 0.0 => 0.0,
        false => (value - 0.5e-8).max(1e-8),
    })
}

/// The number in `number of k points=     4  Marzari-Vanderbilt smearing ...`.
fn kpoints(line: &str) -> Option<String> {
    let rest = line.split_once("number of k points=")?.1;
    rest.split_whitespace().next().map(str::to_owned)
}
