//! vasprun.xml of VASP 5.3 to 6.x, read as a stream: ionic steps one after the other, however long the file is.

mod numbers;
mod parser;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

pub(super) use numbers::number;
use parser::Parser;

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
    /// An ionic step without what every step has.
    #[error("vasprun.xml has an ionic step without {0}")]
    Incomplete(&'static str),
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
    /// What the INCAR said, names in capitals; several values with blanks between them.
    pub incar: BTreeMap<String, String>,
    /// What VASP made of it, defaults included: the values of all `<parameters>`, names in capitals.
    pub parameters: BTreeMap<String, String>,
    /// The divisions of the mesh of k-points, or their number.
    pub kpoints: String,
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
    /// Reads a file that must be complete, in each of its steps and as a whole.
    pub fn read(file: impl Read) -> Result<Self, VasprunError> {
        let (mut steps, mut broken) = (Vec::new(), None);
        let header = read_steps(file, |_, step| match step {
            Ok(step) => steps.push(step),
            Err(error) => {
                broken.get_or_insert(error);
            }
        })?;
        match broken {
            Some(error) => Err(error),
            None => Ok(Self { header, steps }),
        }
    }

    /// Whether a step's electronic loop ended before its last permitted step.
    pub fn converged(&self, step: &IonicStep) -> bool {
        step.converged(self.header.most_electronic_steps.unwrap_or(DEFAULT_ELECTRONIC_STEPS))
    }
}

/// Reads a file and hands over each ionic step that was closed, or what is wrong with it, with what is known of the head. An
/// error tells that the file is not complete; the steps before it are good.
pub fn read_steps(
    file: impl Read,
    mut each: impl FnMut(&Header, Result<IonicStep, VasprunError>),
) -> Result<Header, VasprunError> {
    let mut parser = Parser::default();
    parser.read(BufReader::new(SevenBit(file)), |header, step| each(header, step), true)?;
    if parser.header.species.is_empty() {
        return Err(VasprunError::Foreign("it names no atoms".to_owned()));
    }
    Ok(parser.header)
}

/// Reads the head and the complete ionic steps of a file that is still being written; what is not there yet is no error.
pub fn read_growing(bytes: &[u8]) -> Result<(Header, Vec<IonicStep>), VasprunError> {
    read_open_end(bytes, Parser::default(), true)
}

/// Reads `<calculation>` elements out of a piece of a file that begins between two of them.
pub fn read_piece(bytes: &[u8], header: &Header) -> Result<Vec<IonicStep>, VasprunError> {
    let mut parser = Parser::default();
    parser.header.clone_from(header);
    Ok(read_open_end(bytes, parser, false)?.1)
}

fn read_open_end(bytes: &[u8], mut parser: Parser, whole: bool) -> Result<(Header, Vec<IonicStep>), VasprunError> {
    let mut steps = Vec::new();
    match parser.read(SevenBit(bytes).buffered(), |_, step| steps.push(step), whole) {
        Ok(()) | Err(VasprunError::Damaged(_)) => {}
        Err(error) => return Err(error),
    }
    Ok((parser.header, steps.into_iter().collect::<Result<_, _>>()?))
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
