//! vasprun.xml of VASP 5.3 to 6.4, read as a stream: ionic steps one after the other, however long the file is.

use std::io::{BufRead, BufReader, Read};

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::linear::{Mat3, Vec3};
use crate::structure::Species;

/// A file that cannot be read to its end. Ionic steps that were complete before have been handed over.
#[derive(Debug, thiserror::Error)]
pub enum VasprunError {
    /// The file ends before its last element is closed, or is no XML.
    #[error("vasprun.xml is cut short or damaged: {0}")]
    Damaged(String),
    /// A number that is none, such as `********` where a value was too wide for its field.
    #[error("vasprun.xml holds `{text}` where {what} should be")]
    Number {
        /// What stands there.
        text: String,
        /// What should.
        what: String,
    },
    /// A file that VASP did not write.
    #[error("this is no vasprun.xml: {0}")]
    Foreign(String),
}

/// What stands at the head of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The version, such as `6.3.0`.
    pub version: String,
    /// The largest number of electronic steps, from the INCAR or else from the parameters.
    pub most_electronic_steps: Option<usize>,
    /// The species of each atom, in POSCAR order; labels that are no element are resolved by the pseudopotential's title.
    pub species: Vec<Species>,
    /// The title of the pseudopotential of each group of atoms.
    pub pseudopotentials: Vec<String>,
    /// The positions before the first ionic step, fractional.
    pub(super) initial_positions: Vec<Vec3>,
    /// The lattice vectors before the first ionic step, Å.
    pub(super) initial_basis: Vec<Vec3>,
}

/// One ionic step.
#[derive(Clone, Debug, PartialEq)]
pub struct IonicStep {
    /// Lattice vectors in rows, Å.
    pub basis: Mat3,
    /// Fractional positions, N entries in POSCAR order.
    pub positions: Vec<Vec3>,
    /// Forces, eV/Å; absent where the file has none.
    pub forces: Option<Vec<Vec3>>,
    /// Stress in kB, compressive positive; absent with ISIF = 0.
    pub stress: Option<Mat3>,
    /// The free energy E − TS with all corrections, eV: the surface the forces belong to.
    pub free_energy: f64,
    /// The energy extrapolated to no smearing, eV.
    pub energy_to_zero: f64,
    /// The energy of the electronic entropy TS, eV.
    pub entropy: f64,
    /// The number of electronic steps; 0 where a force field answered.
    pub electronic_steps: usize,
}

impl IonicStep {
    /// Whether the electronic loop ended before its last permitted step. Only this tells in all versions: VASP 5 prints "EDIFF is
    /// reached" when the steps ran out, too.
    pub fn converged(&self, most_electronic_steps: usize) -> bool {
        self.electronic_steps > 0 && self.electronic_steps < most_electronic_steps
    }
}

/// What a whole file held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vasprun {
    /// Its head.
    pub header: Header,
    /// Its ionic steps.
    pub steps: Vec<IonicStep>,
}

/// Default of NELM.
pub const DEFAULT_ELECTRONIC_STEPS: usize = 60;

impl Vasprun {
    /// Reads a file that must be complete.
    pub fn read(file: impl Read) -> Result<Self, VasprunError> {
        let mut steps = Vec::new();
        let header = read_steps(file, |_, step| steps.push(step))?;
        Ok(Self { header, steps })
    }

    /// Whether a step's electronic loop ended before its last permitted step.
    pub fn converged(&self, step: &IonicStep) -> bool {
        step.converged(self.header.most_electronic_steps.unwrap_or(DEFAULT_ELECTRONIC_STEPS))
    }
}

/// Reads a file and hands over each complete ionic step with what is known of the head. An error tells that the file is not
/// complete; the steps before it are good.
pub fn read_steps(file: impl Read, each: impl FnMut(&Header, IonicStep)) -> Result<Header, VasprunError> {
    let mut parser = Parser::default();
    parser.read(BufReader::new(SevenBit(file)), each, true)?;
    if parser.header.species.is_empty() {
        return Err(VasprunError::Foreign("it names no atoms".to_owned()));
    }
    Ok(parser.header)
}

/// Reads the head and the complete ionic steps of a file that is still being written; what is not there yet is no error.
pub fn read_growing(bytes: &[u8]) -> Result<(Header, Vec<IonicStep>), VasprunError> {
    let mut parser = Parser::default();
    let mut steps = Vec::new();
    match parser.read(SevenBit(bytes).buffered(), |_, step| steps.push(step), true) {
        Ok(()) | Err(VasprunError::Damaged(_)) => Ok((parser.header, steps)),
        Err(error) => Err(error),
    }
}

/// Reads `<calculation>` elements out of a piece of a file that begins between two of them.
pub fn read_piece(bytes: &[u8], header: &Header) -> Result<Vec<IonicStep>, VasprunError> {
    let mut parser = Parser {
        header: header.clone(),
        ..Parser::default()
    };
    let mut steps = Vec::new();
    match parser.read(SevenBit(bytes).buffered(), |_, step| steps.push(step), false) {
        Ok(()) | Err(VasprunError::Damaged(_)) => Ok(steps),
        Err(error) => Err(error),
    }
}

/// Bytes beyond ASCII become question marks: titles may be in any encoding, numbers are not.
struct SevenBit<R>(R);

impl<R: Read> SevenBit<R> {
    fn buffered(self) -> BufReader<Self> {
        BufReader::new(self)
    }
}

impl<R: Read> Read for SevenBit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        for byte in &mut buffer[..count] {
            if !byte.is_ascii() || *byte == 0 {
                *byte = b'?';
            }
        }
        Ok(count)
    }
}

/// The energies of one electronic or ionic step.
#[derive(Clone, Copy, Debug, Default)]
struct Energies {
    free: Option<f64>,
    without_entropy: Option<f64>,
    to_zero: Option<f64>,
}

#[derive(Debug, Default)]
struct Step {
    basis: Vec<Vec3>,
    positions: Vec<Vec3>,
    forces: Option<Vec<Vec3>>,
    stress: Option<Vec<Vec3>>,
    energies: Energies,
    electronic: Energies,
    electronic_steps: usize,
}

/// An open element: its tag and its `name` attribute.
#[derive(Debug)]
struct Open {
    tag: String,
    name: String,
}

#[derive(Debug, Default)]
struct Parser {
    header: Header,
    stack: Vec<Open>,
    text: String,
    cells: Vec<String>,
    atoms: Vec<(String, usize)>,
    step: Option<Step>,
    from_incar: bool,
}

/// Elements that may be large and hold nothing that is needed.
const SKIPPED: &[&str] = &[
    "eigenvalues",
    "dos",
    "projected",
    "kpoints",
    "primitive_cell",
    "dielectricfunction",
    "dynmat",
    "partial",
    "dipole",
    "orbitals",
    "calculation_procrun",
];

impl Parser {
    fn read(
        &mut self,
        input: impl BufRead,
        mut each: impl FnMut(&Header, IonicStep),
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

    fn close(&mut self) -> Result<Option<IonicStep>, VasprunError> {
        let text = std::mem::take(&mut self.text);
        let mut done = None;
        match self.tag(0) {
            "i" => self.value(text.trim())?,
            "v" => self.row(text.trim())?,
            "c" => self.cells.push(text.trim().to_owned()),
            "rc" => self.record(),
            "atominfo" => self.resolve_species()?,
            "calculation" => done = self.step.take().and_then(|step| step.finish(&self.header)),
            _ => {}
        }
        self.stack.pop();
        Ok(done)
    }

    fn value(&mut self, text: &str) -> Result<(), VasprunError> {
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
        if self.tag(1) != "varray" {
            return Ok(());
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
            let from_title = || super::potcar::species_of_title(title?);
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
    fn finish(self, header: &Header) -> Option<IonicStep> {
        let free = self.energies.free?;
        let or_initial = |own: Vec<Vec3>, initial: &Vec<Vec3>| if own.is_empty() { initial.clone() } else { own };
        let basis = or_initial(self.basis, &header.initial_basis);
        let positions = or_initial(self.positions, &header.initial_positions);
        let basis: Mat3 = basis.get(..3)?.try_into().ok()?;
        // Of the ionic step's own energies only the free one means the same in all versions; the other two differ from it by what
        // the last electronic step says (corrections such as van der Waals terms are only in the former).
        let difference = |energy: Option<f64>| Some(energy? - self.electronic.free?);
        let to_zero = difference(self.electronic.to_zero);
        let entropy = difference(self.electronic.without_entropy);
        Some(IonicStep {
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

/// A number as Fortran writes it; it must be finite.
pub(super) fn number(text: &str, what: &str) -> Result<f64, VasprunError> {
    let parsed = text
        .parse::<f64>()
        .or_else(|_| text.replace(['d', 'D'], "E").parse::<f64>());
    match parsed {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(VasprunError::Number {
            text: text.to_owned(),
            what: what.to_owned(),
        }),
    }
}

/// Three numbers, apart by blanks; fields that were filled to the last character stand without a blank between them.
pub(super) fn vector(text: &str, what: &str) -> Result<Vec3, VasprunError> {
    let mut values = [0.0; 3];
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() != 3 {
        return Err(VasprunError::Number {
            text: text.to_owned(),
            what: what.to_owned(),
        });
    }
    for (value, word) in values.iter_mut().zip(words) {
        *value = number(word, what)?;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(calculation: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\r\n<modeling>\r\n <generator>\n<i name=\"program\" type=\"string\">vasp \
             </i><i name=\"version\" type=\"string\">6.3.0  </i></generator>\n<incar><i type=\"string\" name=\"SYSTEM\">a & b</i>\
             </incar><kpoints><varray name=\"kpointlist\"><v> 0 0 </v></varray></kpoints>\
             <parameters><separator name=\"electronic convergence\" ><i type=\"int\" name=\"NELM\">    40</i></separator>\
             <separator name=\"response functions\" ><i type=\"int\" name=\"NELM\">     1</i></separator></parameters>\
             <atominfo><atoms> 2 </atoms><array name=\"atoms\" ><dimension dim=\"1\">ion</dimension><set><rc><c>r </c><c>   1</c></rc>\
             <rc><c>Si</c><c>   2</c></rc></set></array><array name=\"atomtypes\" ><set><rc><c>   1</c><c>r </c><c> 91.2</c><c> 4</c>\
             <c>  PAW_PBE Zr_sv 04Jan2005</c></rc><rc><c>   1</c><c>Si</c><c> 28.1</c><c> 4</c><c>  PAW_PBE Si 05Jan2001</c></rc></set>\
             </array></atominfo><structure name=\"initialpos\" ><crystal><varray name=\"basis\" ><v> 5 0 0 </v><v> 0 5 0 </v>\
             <v> 0 0 5 </v></varray></crystal><varray name=\"positions\" ><v> 0 0 0 </v><v> 0.5 0.5 0.5 </v></varray></structure>\
             {calculation}</modeling>\n"
        )
    }

    const CALCULATION: &str = "<calculation><scstep><energy><i name=\"e_fr_energy\"> **************** </i></energy></scstep>\
        <scstep><energy><i name=\"e_fr_energy\"> -10.0 </i><i name=\"e_wo_entrp\"> -9.8 </i><i name=\"e_0_energy\"> -9.9 </i></energy>\
        </scstep><structure><crystal><varray name=\"basis\" ><v> 5 0 0 </v><v> 0 5 0 </v><v> 0 0 6 </v></varray></crystal>\
        <varray name=\"positions\" ><v> 0 0 0.1 </v><v> 0.5 0.5 0.5 </v></varray></structure><varray name=\"forces\" ><v> 0 0 1 </v>\
        <v> 0 0 -1 </v></varray><energy><i name=\"e_fr_energy\"> -11.0 </i><i name=\"e_wo_entrp\"> -0.1 </i>\
        <i name=\"e_0_energy\"> 77 </i></energy><eigenvalues><array><set><r> 1 *** </r></set></array></eigenvalues></calculation>";

    #[test]
    fn a_step_is_read_with_its_traps() {
        let run = Vasprun::read(file(CALCULATION).as_bytes()).unwrap();
        assert_eq!(run.header.version, "6.3.0");
        assert_eq!(run.header.most_electronic_steps, Some(40));
        let symbols: Vec<&str> = run.header.species.iter().map(|species| species.symbol()).collect();
        assert_eq!(symbols, ["Zr", "Si"]);
        let [step] = run.steps.as_slice() else {
            panic!("{}", run.steps.len())
        };
        assert_eq!(step.basis[2], [0.0, 0.0, 6.0]);
        assert_eq!(step.positions[0], [0.0, 0.0, 0.1]);
        assert_eq!((step.electronic_steps, step.free_energy), (2, -11.0));
        assert!((step.energy_to_zero + 10.9).abs() < 1e-12 && (step.entropy - 0.2).abs() < 1e-12);
        assert!(step.stress.is_none() && step.forces.as_ref().unwrap()[1] == [0.0, 0.0, -1.0]);
        assert!(run.converged(step) && !step.converged(2));
    }

    #[test]
    fn every_truncation_is_told_and_none_is_a_step() {
        let whole = file(CALCULATION);
        let whole = whole.trim_end();
        for end in 0..whole.len() {
            let mut steps = 0;
            assert!(
                read_steps(&whole.as_bytes()[..end], |_, _| steps += 1).is_err(),
                "{end}"
            );
            assert!(steps == 0 || whole[..end].contains("</calculation>"), "{end}");
        }
    }

    #[test]
    fn fields_that_hold_no_number_are_errors() {
        for bad in ["**********", "NaN", "Infinity"] {
            for place in ["-11.0", " 0 0 -1 ", "0.5 0.5 0.5"] {
                let bad = if place.len() > 6 {
                    format!(" 0 0 {bad} ")
                } else {
                    bad.to_owned()
                };
                let text = file(&CALCULATION.replacen(place, &bad, 1));
                assert!(Vasprun::read(text.as_bytes()).is_err(), "{place} {bad}");
            }
        }
        assert!(Vasprun::read(&b"<svg></svg>"[..]).is_err());
        assert!(Vasprun::read(&b""[..]).is_err());
    }

    #[test]
    fn bytes_of_other_encodings_do_no_harm() {
        let mut bytes = file(CALCULATION).into_bytes();
        let at = bytes.windows(5).position(|window| window == b"a & b").unwrap();
        bytes[at] = 0xE9;
        assert_eq!(Vasprun::read(bytes.as_slice()).unwrap().steps.len(), 1);
    }

    #[test]
    fn a_growing_file_gives_its_complete_steps() {
        let text = file(&[CALCULATION, CALCULATION].concat());
        let second = text.rfind("<calculation>").unwrap();
        let (header, steps) = read_growing(&text.as_bytes()[..second + 40]).unwrap();
        assert_eq!((header.species.len(), steps.len()), (2, 1));
        assert_eq!(read_piece(&text.as_bytes()[second..], &header).unwrap().len(), 1);
        assert_eq!(
            read_piece(&text.as_bytes()[second..second + 90], &header)
                .unwrap()
                .len(),
            0
        );
    }
}
