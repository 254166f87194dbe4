//! The elements of vasprun.xml, one after the other: what is kept of each.

use std::io::BufRead;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::numbers::{number, vector};
use super::{Header, IonicStep, VasprunError};
use crate::linear::{Mat3, Vec3};
use crate::oracle::vasp::potcar;

/// The energies of one electronic or ionic step.
#[derive(Clone, Copy, Debug, Default)]
struct Energies {
    free: Option<f64>,
    without_entropy: Option<f64>,
    to_zero: Option<f64>,
}

/// What is known of the ionic step that is open.
#[derive(Debug, Default)]
struct Step {
    basis: Vec<Vec3>,
    positions: Vec<Vec3>,
    forces: Option<Vec<Vec3>>,
    stress: Option<Vec<Vec3>>,
    energies: Energies,
    electronic: Energies,
    electronic_steps: usize,
    /// The first of its numbers that is none; the rest of the file may still be good.
    broken: Option<VasprunError>,
}

/// An open element: its tag and its `name` attribute.
#[derive(Debug)]
struct Open {
    tag: String,
    name: String,
}

/// Where the reading stands.
#[derive(Debug, Default)]
pub(super) struct Parser {
    pub header: Header,
    stack: Vec<Open>,
    text: String,
    cells: Vec<String>,
    atoms: Vec<(String, usize)>,
    step: Option<Step>,
    from_incar: bool,
    listed_kpoints: usize,
}

/// Elements that may be large and hold nothing that is needed.
const SKIPPED: &[&str] = &[
    "eigenvalues",
    "dos",
    "projected",
    "primitive_cell",
    "dielectricfunction",
    "dynmat",
    "partial",
    "dipole",
    "orbitals",
    "calculation_procrun",
];

impl Parser {
    /// Reads elements to the end of the input; `whole` where it must be one complete file.
    pub fn read(
        &mut self,
        input: impl BufRead,
        mut each: impl FnMut(&Header, Result<IonicStep, VasprunError>),
        whole: bool,
    ) -> Result<(), VasprunError> {
        let mut reader = Reader::from_reader(input);
        reader.config_mut().allow_dangling_amp = true;
        let damaged = |error: quick_xml::Error| VasprunError::Damaged(error.to_string());
        let (mut buffer, mut skipped) = (Vec::new(), Vec::new());
        let mut closed = false;
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(damaged)? {
                Event::Start(start) => {
                    let tag: &str = start.name().into_inner();
                    if self.stack.is_empty() && whole && tag != "modeling" {
                        return Err(VasprunError::Foreign(format!("its first element is <{tag}>")));
                    }
                    if SKIPPED.contains(&tag) {
                        let end = start.to_end().into_owned();
                        skipped.clear();
                        reader.read_to_end_into(end.name(), &mut skipped).map_err(damaged)?;
                        continue;
                    }
                    let mut name = String::new();
                    for attribute in start.attributes().with_checks(false).flatten() {
                        if attribute.key.into_inner() == "name" {
                            attribute.value.trim().clone_into(&mut name);
                        }
                    }
                    let tag = tag.to_owned();
                    self.open(Open { tag, name });
                }
                Event::Text(text) => self.text.push_str(&text),
                Event::End(_) => {
                    if let Some(step) = self.close()? {
                        each(&self.header, step);
                    }
                    closed = self.stack.is_empty();
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if whole && !closed {
            return Err(VasprunError::Damaged("it ends in the middle".to_owned()));
        }
        Ok(())
    }

    fn open(&mut self, open: Open) {
        self.text.clear();
        match open.tag.as_str() {
            "calculation" => self.step = Some(Step::default()),
            "rc" => self.cells.clear(),
            "scstep" => {
                if let Some(step) = &mut self.step {
                    step.electronic_steps += 1;
                    step.electronic = Energies::default();
                }
            }
            "varray" => {
                if let Some(step) = &mut self.step {
                    match open.name.as_str() {
                        "forces" => step.forces = Some(Vec::new()),
                        "stress" => step.stress = Some(Vec::new()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        self.stack.push(open);
    }

    /// The tag of the element that is `above` levels above the innermost.
    fn tag(&self, above: usize) -> &str {
        self.level(above).map_or("", |open| open.tag.as_str())
    }

    fn name(&self, above: usize) -> &str {
        self.level(above).map_or("", |open| open.name.as_str())
    }

    fn level(&self, above: usize) -> Option<&Open> {
        self.stack
            .len()
            .checked_sub(above + 1)
            .and_then(|index| self.stack.get(index))
    }

    /// Closes the innermost element; gives the ionic step, or what is wrong with it, where it was one.
    fn close(&mut self) -> Result<Option<Result<IonicStep, VasprunError>>, VasprunError> {
        let text = std::mem::take(&mut self.text);
        let mut done = None;
        match self.tag(0) {
            "i" => {
                let value = self.value(text.trim());
                self.or_broken(value)?;
            }
            "v" => {
                let row = self.row(text.trim());
                self.or_broken(row)?;
            }
            "c" => self.cells.push(text.trim().to_owned()),
            "rc" => self.record(),
            "atominfo" => self.resolve_species()?,
            "kpoints" if self.header.kpoints.is_empty() => {
                self.header.kpoints = format!("{} listed", self.listed_kpoints);
            }
            "calculation" => done = self.step.take().map(|step| step.finish(&self.header)),
            _ => {}
        }
        self.stack.pop();
        Ok(done)
    }

    /// A number that is none spoils the ionic step it stands in, and the whole file where it stands outside.
    fn or_broken(&mut self, result: Result<(), VasprunError>) -> Result<(), VasprunError> {
        match (result, &mut self.step) {
            (Err(error), Some(step)) => {
                step.broken.get_or_insert(error);
                Ok(())
            }
            (result, _) => result,
        }
    }

    /// Keeps a tag of the INCAR or of the parameters, whether it has one value or several.
    fn keep_tag(&mut self, text: &str) {
        let name = self.name(0).to_uppercase();
        if name.is_empty() {
            return;
        }
        let words = || text.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.tag(1) == "incar" {
            self.header.incar.insert(name, words());
        } else if self.stack.iter().any(|open| open.tag == "parameters") && self.name(1) != "response functions" {
            self.header.parameters.insert(name, words());
        }
    }

    fn value(&mut self, text: &str) -> Result<(), VasprunError> {
        if self.step.is_none() {
            self.keep_tag(text);
        }
        let name = self.name(0).to_owned();
        match (self.tag(1), name.as_str()) {
            ("generator", "version") => text.clone_into(&mut self.header.version),
            ("incar", "NELM") => {
                self.header.most_electronic_steps = text.parse().ok();
                self.from_incar = self.header.most_electronic_steps.is_some();
            }
            // The same name stands once more among the response functions, with another meaning.
            ("separator", "NELM") if self.name(1) == "electronic convergence" && !self.from_incar => {
                self.header.most_electronic_steps = text.parse().ok();
            }
            ("energy", _) => {
                let electronic = self.tag(2) == "scstep";
                let ionic = self.tag(2) == "calculation";
                if !electronic && !ionic {
                    return Ok(());
                }
                let Some(step) = &mut self.step else { return Ok(()) };
                let energies = if electronic {
                    &mut step.electronic
                } else {
                    &mut step.energies
                };
                let slot = match name.as_str() {
                    "e_fr_energy" => &mut energies.free,
                    "e_wo_entrp" => &mut energies.without_entropy,
                    "e_0_energy" => &mut energies.to_zero,
                    _ => return Ok(()),
                };
                // Intermediate energies may overflow their fields in a calculation that then converges.
                *slot = match number(text, "an energy") {
                    Ok(value) => Some(value),
                    Err(_) if electronic => None,
                    Err(error) => return Err(error),
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn row(&mut self, text: &str) -> Result<(), VasprunError> {
        let (array, parent) = (self.name(1).to_owned(), self.tag(2).to_owned());
        let (array, parent) = (array.as_str(), parent.as_str());
        if self.tag(1) == "generation" && self.name(0) == "divisions" {
            self.header.kpoints = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        if self.tag(1) != "varray" {
            if self.step.is_none() {
                self.keep_tag(text);
            }
            return Ok(());
        }
        if array == "kpointlist" && self.step.is_none() {
            self.listed_kpoints += 1;
        }
        let Some(step) = &mut self.step else {
            let initial = self.stack.iter().any(|open| open.name == "initialpos");
            match array {
                "basis" if initial => self.header.initial_basis.push(vector(text, "a lattice vector")?),
                "positions" if initial && parent == "structure" => {
                    self.header.initial_positions.push(vector(text, "a position")?);
                }
                _ => {}
            }
            return Ok(());
        };
        match (array, parent) {
            ("basis", "crystal") => step.basis.push(vector(text, "a lattice vector")?),
            ("positions", "structure") => step.positions.push(vector(text, "a position")?),
            ("forces", "calculation") => {
                let row = vector(text, "a force")?;
                step.forces.get_or_insert_default().push(row);
            }
            ("stress", "calculation") => {
                let row = vector(text, "a stress")?;
                step.stress.get_or_insert_default().push(row);
            }
            _ => {}
        }
        Ok(())
    }

    /// A row of a table of `<atominfo>`.
    fn record(&mut self) {
        let table = self.stack.iter().rev().find(|open| open.tag == "array");
        let table = table.map_or("", |open| open.name.as_str());
        let cells = std::mem::take(&mut self.cells);
        match table {
            "atoms" => {
                if let Some(label) = cells.first() {
                    let group = cells.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
                    self.atoms.push((label.clone(), group));
                }
            }
            "atomtypes" => self
                .header
                .pseudopotentials
                .push(cells.get(4).cloned().unwrap_or_default()),
            _ => {}
        }
    }

    fn resolve_species(&mut self) -> Result<(), VasprunError> {
        let mut species = Vec::with_capacity(self.atoms.len());
        for (label, group) in &self.atoms {
            let title = group
                .checked_sub(1)
                .and_then(|index| self.header.pseudopotentials.get(index));
            let from_title = || potcar::species_of_title(title?);
            // Old versions cut labels to two characters, such as `r` for Zr.
            let found = label.parse().ok().or_else(from_title);
            species.push(found.ok_or_else(|| VasprunError::Foreign(format!("`{label}` is no element")))?);
        }
        self.header.species = species;
        Ok(())
    }
}

impl Step {
    /// The step, if it is complete.
    fn finish(self, header: &Header) -> Result<IonicStep, VasprunError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let free = self.energies.free.ok_or(VasprunError::Incomplete("an energy"))?;
        let or_initial = |own: Vec<Vec3>, initial: &Vec<Vec3>| if own.is_empty() { initial.clone() } else { own };
        let basis = or_initial(self.basis, &header.initial_basis);
        let positions = or_initial(self.positions, &header.initial_positions);
        let basis: Option<Mat3> = basis.get(..3).and_then(|rows| rows.try_into().ok());
        let basis = basis.ok_or(VasprunError::Incomplete("lattice vectors"))?;
        // Of the ionic step's own energies only the free one means the same in all versions; the other two differ from it by what
        // the last electronic step says (corrections such as van der Waals terms are only in the former).
        let difference = |energy: Option<f64>| Some(energy? - self.electronic.free?);
        let to_zero = difference(self.electronic.to_zero);
        let entropy = difference(self.electronic.without_entropy);
        Ok(IonicStep {
            basis,
            positions,
            forces: self.forces,
            stress: self.stress.and_then(|rows| rows.get(..3)?.try_into().ok()),
            free_energy: free,
            energy_to_zero: to_zero
                .map_or_else(|| self.energies.to_zero.unwrap_or(free), |difference| free + difference),
            entropy: entropy.unwrap_or(0.0),
            electronic_steps: self.electronic_steps,
        })
    }
}
