//! Labels that exist already: the output files of first-principles codes turned into frames, each step that is certain, the others
//! counted with the reason. Bytes in, frames out.

mod espresso;
mod frames;
mod recognise;
mod summary;
mod vasp;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

pub use recognise::Source;
pub use summary::{differences, without_repeated};

use crate::formats::n2p2::FileUnits;
use crate::formats::{FormatError, Frame};
use crate::linear::{Mat3, Vec3};
use crate::potential::Labels;
use crate::structure::{Cell, Species, Structure};

/// Which energy of smeared electrons becomes the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnergyKind {
    /// The free energy E − TS: the one whose derivatives the forces are.
    #[default]
    Free,
    /// The energy extrapolated to no smearing.
    SigmaToZero,
}

/// What a file is read with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImportSettings {
    /// The energy to take.
    pub energy: EnergyKind,
    /// The units of n2p2's numbers.
    pub units: FileUnits,
}

/// A file that gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system refused.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file of no known kind.
    #[error(
        "{path}: not recognised: expected vasprun.xml or OUTCAR of VASP, the standard output or data-file-schema.xml of pw.x, extended \
         XYZ or n2p2's input.data"
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A mistake in a file of structures.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A file of a known kind without a usable step.
    #[error("{path}: nothing usable in {source_kind}: {why}")]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it is.
        source_kind: &'static str,
        /// Why nothing can be taken.
        why: String,
    },
}

/// What a file gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub source: Source,
    /// Code and version, where the file tells.
    pub code: String,
    /// The steps that are there.
    pub steps: usize,
    /// The labelled frames that were taken.
    pub frames: Vec<Frame>,
    /// Why steps were left out, and how many each.
    pub left_out: BTreeMap<String, usize>,
    /// What is remarkable about the file: that it is cut short, that its labels have no stress.
    pub notes: Vec<String>,
    /// What makes energies comparable, as far as the file tells: functional, cutoffs, pseudopotentials ...
    pub surface: BTreeMap<String, String>,
}

impl Imported {
    fn new(path: &Path, source: Source) -> Self {
        Self {
            path: path.to_owned(),
            source,
            code: String::new(),
            steps: 0,
            frames: Vec::new(),
            left_out: BTreeMap::new(),
            notes: Vec::new(),
            surface: BTreeMap::new(),
        }
    }

    /// Counts a step that is left out.
    fn leave(&mut self, reason: impl Into<String>) {
        *self.left_out.entry(reason.into()).or_default() += 1;
    }

    /// Leaves out the steps that another file of the same run calls unconverged.
    fn leave_what_is_denied(&mut self, denied: &[Frame]) {
        let before = self.frames.len();
        self.frames
            .retain(|frame| !denied.iter().any(|other| summary::same(other, frame)));
        for _ in self.frames.len()..before {
            self.leave("SCF not converged, says the OUTCAR beside it");
        }
    }

    /// Counts a step, and takes it or leaves it out.
    fn step(&mut self, step: Result<Frame, String>) {
        self.steps += 1;
        match step {
            Ok(mut frame) => {
                if !self.code.is_empty() {
                    frame.info.insert("import_code".to_owned(), self.code.clone());
                }
                let file = self.path.display().to_string();
                frame.info.insert("import_file".to_owned(), file);
                frame.info.insert("import_step".to_owned(), self.steps.to_string());
                self.frames.push(frame);
            }
            Err(reason) => self.leave(reason),
        }
    }
}

/// Reads a file, packed with gzip or not, whatever it is called.
pub fn import(path: &Path, settings: &ImportSettings) -> Result<Imported, ImportError> {
    let fail = |source: std::io::Error| ImportError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = crate::formats::open(path)?;
    // Enough to pass over what a batch system prints before the code's own first line.
    let mut beginning = Vec::new();
    // A packed file that is cut short still gives what comes before the cut.
    if let Err(error) = file.by_ref().take(1 << 17).read_to_end(&mut beginning)
        && beginning.is_empty()
    {
        return Err(fail(error));
    }
    let source = recognise::source(&String::from_utf8_lossy(&beginning));
    let source = source.ok_or_else(|| ImportError::Unknown { path: path.to_owned() })?;
    let mut all = Cursor::new(beginning).chain(file);
    let mut imported = Imported::new(path, source);
    let text = |all: &mut dyn Read| -> Result<(Vec<u8>, Option<std::io::Error>), ImportError> {
        let mut bytes = Vec::new();
        match all.read_to_end(&mut bytes) {
            Ok(_) => Ok((bytes, None)),
            Err(error) if !bytes.is_empty() => Ok((bytes, Some(error))),
            Err(error) => Err(fail(error)),
        }
    };
    if source == Source::Vasprun {
        vasp::vasprun(&mut imported, all, settings);
        imported.leave_what_is_denied(&vasp::denied_beside(path, settings.energy));
    } else {
        let (bytes, cut) = text(&mut all)?;
        if let Some(error) = cut {
            imported.notes.push(format!("cannot be unpacked to its end ({error})"));
        }
        match source {
            Source::Outcar => vasp::outcar(&mut imported, &bytes, settings),
            Source::EspressoOutput => espresso::output(&mut imported, &String::from_utf8_lossy(&bytes), settings),
            Source::EspressoXml => espresso::xml(&mut imported, &String::from_utf8_lossy(&bytes), settings),
            _ => frames::structures(&mut imported, &String::from_utf8_lossy(&bytes), settings)?,
        }
    }
    if imported.frames.is_empty() {
        return Err(ImportError::Nothing {
            path: path.to_owned(),
            source_kind: source.name(),
            why: imported.why_nothing(),
        });
    }
    imported.note_what_is_missing();
    Ok(imported)
}

/// What a step holds, in Å, eV, eV/Å and eV/Å³ tensile positive.
struct Step {
    cell: Mat3,
    species: Vec<Species>,
    positions: Vec<Vec3>,
    energy: f64,
    forces: Option<Vec<Vec3>>,
    stress: Option<Mat3>,
}

impl Step {
    /// The labelled frame, or why it cannot be one.
    fn frame(self) -> Result<Frame, String> {
        let count = self.species.len();
        if self.positions.len() != count {
            return Err(format!("{} positions for {count} atoms", self.positions.len()));
        }
        if let Some(forces) = &self.forces
            && forces.len() != count
        {
            return Err("its table of forces is incomplete".to_owned());
        }
        let symmetric = |m: Mat3| [0, 1, 2].map(|i| [0, 1, 2].map(|j| 0.5 * (m[i][j] + m[j][i])));
        let labels = Labels {
            energy: self.energy,
            forces: self.forces,
            stress: self.stress.map(symmetric),
        };
        let finite = labels.is_finite() && self.positions.iter().flatten().all(|x| x.is_finite());
        if !finite {
            return Err("a number is not finite".to_owned());
        }
        let cell = Cell::new(self.cell, [true; 3]).map_err(|error| error.to_string())?;
        let structure = Structure::new(cell, self.species, self.positions).map_err(|error| error.to_string())?;
        Ok(Frame::labelled(structure, labels))
    }
}
