//! From what VASP left in a folder to a label, or to the reason why there is none: nothing is believed that is not certain.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::config::VaspEnergy;
use super::inputs::Written;
use super::outcar::{self, Outcar};
use super::vasprun::{Header, IonicStep, Vasprun, VasprunError};
use crate::linear::{Mat3, Vec3, norm, row_times, sub};
use crate::oracle::launch::Exit;
use crate::potential::Labels;
use crate::structure::Cell;
use crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

/// How far a position may lie from where it was asked, Å: vasprun.xml has eight decimals of the lattice vectors.
pub const POSITION_TOLERANCE: f64 = 1e-5;
/// How far the energies of vasprun.xml and OUTCAR may be apart, eV: both have eight decimals.
const ENERGY_TOLERANCE: f64 = 1e-6;
/// The most of standard output that is looked at.
const LONGEST_OUTPUT: u64 = 4 << 20;

/// Why there is no label.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Another try may succeed.
    Transient(String),
    /// No self-consistent solution was found on this path.
    NoSolution(String),
    /// The input is wrong.
    Fatal(String),
}

/// A label and what was seen on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Harvest {
    /// The label, in the structure's order of atoms.
    pub labels: Labels,
    /// VASP's version.
    pub version: String,
    /// The energy of the electronic entropy, eV.
    pub entropy: f64,
    /// The number of electronic steps.
    pub electronic_steps: usize,
    /// The largest memory of one process, kB.
    pub memory: Option<f64>,
}

/// Reads a finished run of VASP.
pub fn harvest(
    folder: &Path,
    exit: &Exit,
    written: &Written,
    cell: &Cell,
    energy: VaspEnergy,
) -> Result<Harvest, Refusal> {
    let printed = printed(folder);
    if let Some(line) = outcar::bad_input(&printed) {
        return Err(Refusal::Fatal(format!(
            "VASP says \"{line}\" ({exit}); its folder is {}",
            folder.display()
        )));
    }
    let blame = |reason: String| {
        let reason = format!("{reason} ({exit}){}", exit.tail);
        match outcar::lost_its_way(&printed) {
            // A run that was killed or timed out may have printed warnings before.
            Some(line) if exit.code.is_some() && !exit.timed_out => {
                Refusal::NoSolution(format!("\"{line}\": {reason}"))
            }
            _ => Refusal::Transient(reason),
        }
    };
    if !exit.is_success() {
        return Err(blame("VASP did not end well".to_owned()));
    }
    let (xml, text) = (folder.join("vasprun.xml"), folder.join("OUTCAR"));
    for path in [&xml, &text] {
        if !exit.wrote(path) {
            return Err(blame(format!("{} was not written by this run", path.display())));
        }
    }
    let file = File::open(&xml).map_err(|error| blame(format!("cannot read {}: {error}", xml.display())))?;
    let run = Vasprun::read(file).map_err(|error| match error {
        // A number too wide for its field, or none: a property of the structure if it comes again.
        VasprunError::Number { .. } => Refusal::NoSolution(error.to_string()),
        _ => blame(error.to_string()),
    })?;
    let [step] = run.steps.as_slice() else {
        return Err(blame(format!(
            "vasprun.xml holds {} ionic steps where one was asked for",
            run.steps.len()
        )));
    };
    let bytes = std::fs::read(&text).map_err(|error| blame(format!("cannot read {}: {error}", text.display())))?;
    let outcar = Outcar::read(&bytes).map_err(|error| Refusal::NoSolution(error.to_string()))?;
    if !outcar.finished {
        return Err(blame("OUTCAR ends before its closing table".to_owned()));
    }
    let Some(witness) = outcar.steps.last() else {
        return Err(blame("OUTCAR holds no energy".to_owned()));
    };
    if let Some(line) = outcar::unconverged(&printed) {
        return Err(Refusal::NoSolution(format!(
            "not self-consistent: VASP says \"{line}\""
        )));
    }
    if witness.unconverged {
        return Err(Refusal::NoSolution("not self-consistent: OUTCAR says so".to_owned()));
    }
    if witness
        .free_energy
        .is_none_or(|other| (other - step.free_energy).abs() > ENERGY_TOLERANCE)
    {
        return Err(Refusal::Transient(format!(
            "vasprun.xml has the energy {:.8} eV and OUTCAR {:.8} eV: they are not of the same run",
            step.free_energy,
            witness.free_energy.unwrap_or(f64::NAN)
        )));
    }
    let labels = label(&run.header, step, written, cell, energy)?;
    Ok(Harvest {
        labels,
        version: run.header.version.clone(),
        entropy: step.entropy,
        electronic_steps: step.electronic_steps,
        memory: outcar.memory,
    })
}

/// The label of an ionic step, if it is converged and of the structure that was asked for.
pub fn label(
    header: &Header,
    step: &IonicStep,
    written: &Written,
    cell: &Cell,
    energy: VaspEnergy,
) -> Result<Labels, Refusal> {
    let most = header
        .most_electronic_steps
        .unwrap_or(super::vasprun::DEFAULT_ELECTRONIC_STEPS);
    if !step.converged(most) {
        return Err(Refusal::NoSolution(format!(
            "not self-consistent after {} of {most} electronic steps",
            step.electronic_steps
        )));
    }
    let expected = written.species();
    if header.species != expected {
        return Err(Refusal::Transient(format!(
            "vasprun.xml has {} atoms in another order or of other species than the {} that were asked for",
            header.species.len(),
            expected.len()
        )));
    }
    matches(&step.basis, &step.positions, written)?;
    let Some(forces) = step.forces.as_ref().filter(|forces| forces.len() == expected.len()) else {
        return Err(Refusal::Transient(format!(
            "vasprun.xml has {} forces for {} atoms",
            step.forces.as_ref().map_or(0, Vec::len),
            expected.len()
        )));
    };
    let stress = step.stress.map(|stress| stress_from_kilobar(&stress));
    let labels = Labels {
        energy: match energy {
            VaspEnergy::Free => step.free_energy,
            VaspEnergy::SigmaToZero => step.energy_to_zero,
        },
        forces: written.grouping.undo(forces),
        stress: stress.filter(|_| cell.is_bulk()),
    };
    if !labels.is_finite() || labels.forces.is_none() {
        return Err(Refusal::NoSolution(
            "the answer holds a number that is not finite".to_owned(),
        ));
    }
    Ok(labels)
}

/// Whether cell and positions are the ones that were asked for.
fn matches(basis: &Mat3, positions: &[Vec3], written: &Written) -> Result<(), Refusal> {
    for (found, asked) in basis.iter().zip(&written.basis) {
        if norm(sub(*found, *asked)) > POSITION_TOLERANCE {
            return Err(Refusal::Transient(format!(
                "the answer is for the lattice vector {found:?}, not {asked:?}"
            )));
        }
    }
    if positions.len() != written.positions.len() {
        return Err(Refusal::Transient(format!(
            "the answer has {} positions for {} atoms",
            positions.len(),
            written.positions.len()
        )));
    }
    for (atom, (found, asked)) in positions.iter().zip(&written.positions).enumerate() {
        // Images are the same place.
        let difference = sub(*found, *asked).map(|x| x - x.round());
        let distance = norm(row_times(difference, &written.basis));
        if distance > POSITION_TOLERANCE {
            return Err(Refusal::Transient(format!(
                "the answer is for another structure: atom {atom} of POSCAR is {distance:.6} Å from where it was asked"
            )));
        }
    }
    Ok(())
}

/// VASP's stress, in kB and compressive positive, in eV/Å³ and tensile positive, symmetric.
pub fn stress_from_kilobar(stress: &Mat3) -> Mat3 {
    let factor = -0.1 / GPA_PER_EV_PER_CUBIC_ANGSTROM;
    let mut result = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            result[i][j] = 0.5 * factor * (stress[i][j] + stress[j][i]);
        }
    }
    result
}

/// The end of what VASP printed.
fn printed(folder: &Path) -> String {
    let mut bytes = Vec::new();
    for name in ["stdout", "stderr"] {
        if let Ok(mut file) = File::open(folder.join(name)) {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            if file
                .seek(SeekFrom::Start(length.saturating_sub(LONGEST_OUTPUT)))
                .is_ok()
            {
                // What cannot be read says nothing.
                let _ = file.read_to_end(&mut bytes);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
