//! Steps of vasprun.xml and OUTCAR.

use std::io::Read;
use std::path::Path;

use super::{EnergyKind, ImportSettings, Imported, Step};
use crate::formats::Frame;
use crate::linear::{Mat3, row_times};
use crate::oracle::vasp::outcar::{Outcar, OutcarStep};
use crate::oracle::vasp::stress_from_kilobar;
use crate::oracle::vasp::vasprun::{DEFAULT_ELECTRONIC_STEPS, Header, IonicStep, VasprunError, read_steps};

/// Tags that make energies comparable, as they stand among the parameters.
const SURFACE: [&str; 15] = [
    "PREC", "ENMAX", "ISPIN", "ISMEAR", "SIGMA", "GGA", "METAGGA", "LHFCALC", "AEXX", "HFSCREEN", "LDAU", "LDAUU",
    "IVDW", "LREAL", "LASPH",
];

const FORCE_FIELD: &str = "answered by VASP's own force field, not by the electrons";
const PRESSURE: &str = "with PSTRESS energies and stresses may hold a pressure: take it from a run without";

/// Takes the steps of a vasprun.xml that is read as a stream.
pub(super) fn vasprun(imported: &mut Imported, file: impl Read, settings: &ImportSettings) {
    let mut header = Header::default();
    let mut said_of_head = None;
    let end = read_steps(file, |head, step| {
        if imported.steps == 0 {
            header.clone_from(head);
            said_of_head = refusal(head);
            imported.code = code(&head.version);
        }
        let frame = match &said_of_head {
            Some(reason) => Err(reason.clone()),
            None => step
                .map_err(|error| match error {
                    VasprunError::Number { .. } => "a number is none, such as ******".to_owned(),
                    VasprunError::Incomplete(what) => format!("without {what}"),
                    other => other.to_string(),
                })
                .and_then(|step| ionic(head, step, settings.energy)?.frame()),
        };
        imported.step(frame);
    });
    match end {
        Ok(head) => header = head,
        Err(VasprunError::Damaged(_)) => imported
            .notes
            .push("cut short: the complete steps were taken".to_owned()),
        Err(error) => imported.notes.push(error.to_string()),
    }
    imported.surface = SURFACE
        .iter()
        .filter_map(|tag| Some(((*tag).to_owned(), header.parameters.get(*tag)?.clone())))
        .collect();
    let mesh = header.kpoints.clone();
    imported.surface.insert("k-points".to_owned(), mesh);
    for title in &header.pseudopotentials {
        potential(imported, title);
    }
}

/// Why no step of a run can be a label.
fn refusal(header: &Header) -> Option<String> {
    let tag = |name: &str| header.incar.get(name).map(|text| text.trim().to_lowercase());
    let number = |name: &str| tag(name).and_then(|text| text.parse::<f64>().ok());
    if number("ICHARG").is_some_and(|value| value >= 10.0) {
        return Some("ICHARG keeps the density: no self-consistent energy".to_owned());
    }
    if number("PSTRESS").is_some_and(|value| value != 0.0) {
        return Some(PRESSURE.to_owned());
    }
    // Ways of asking that seek no ground state.
    let algorithm = tag("ALGO").unwrap_or_default();
    let one_shot = [
        "none", "nothing", "eigen", "subrot", "exact", "chi", "acfdt", "rpa", "bse", "timeev", "2e4w", "cc4",
    ];
    (one_shot.iter().any(|name| algorithm.starts_with(name)) || algorithm.contains("gw"))
        .then(|| format!("ALGO = {algorithm} seeks no self-consistent ground state"))
}

fn ionic(header: &Header, step: IonicStep, energy: EnergyKind) -> Result<Step, String> {
    if step.electronic_steps == 0 {
        return Err(FORCE_FIELD.to_owned());
    }
    let most = header.most_electronic_steps.unwrap_or(DEFAULT_ELECTRONIC_STEPS);
    if !step.converged(most) {
        return Err(unconverged(most));
    }
    let forces = step.forces.filter(|forces| !forces.is_empty());
    Ok(Step {
        cell: step.basis,
        species: header.species.clone(),
        positions: step.positions.iter().map(|p| row_times(*p, &step.basis)).collect(),
        energy: match energy {
            EnergyKind::Free => step.free_energy,
            EnergyKind::SigmaToZero => step.energy_to_zero,
        },
        forces,
        stress: step.stress.map(|stress| stress_from_kilobar(&stress)),
    })
}

/// The steps that the OUTCAR beside a vasprun.xml calls unconverged: it knows of loops that were stopped early.
pub(super) fn denied_beside(path: &Path, energy: EnergyKind) -> Vec<Frame> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let bytes = ["OUTCAR", "OUTCAR.gz"].iter().find_map(|name| {
        let mut bytes = Vec::new();
        // As far as it can be read.
        let _ = crate::formats::open(&folder.join(name)).ok()?.read_to_end(&mut bytes);
        Some(bytes)
    });
    let Some(outcar) = bytes.map(|bytes| Outcar::read_all(&bytes)) else {
        return Vec::new();
    };
    let mut basis = None;
    let mut denied = Vec::new();
    for step in &outcar.steps {
        basis = step.basis.or(basis);
        if step.unconverged {
            let frame = content(&outcar, step, basis, energy).and_then(Step::frame);
            denied.extend(frame);
        }
    }
    denied
}

fn unconverged(most: usize) -> String {
    format!("SCF not converged within NELM = {most}")
}

fn code(version: &str) -> String {
    format!("VASP {}", version.trim().trim_start_matches("vasp."))
}

/// Keeps the title of a pseudopotential under its element.
fn potential(imported: &mut Imported, title: &str) {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = title.split_whitespace().nth(1).unwrap_or_default();
    let element: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    imported.surface.insert(format!("POTCAR of {element}"), title);
}

/// Takes the steps of an OUTCAR.
pub(super) fn outcar(imported: &mut Imported, bytes: &[u8], settings: &ImportSettings) {
    let outcar = Outcar::read_all(bytes);
    imported.code = code(&outcar.version);
    for _ in 0..outcar.force_field_steps {
        imported.step(Err(FORCE_FIELD.to_owned()));
    }
    let number = |tag: &str| outcar.tags.get(tag).and_then(|text| text.parse::<f64>().ok());
    let head = if outcar.species().is_none() {
        Some("the head of the file does not tell the species of its atoms".to_owned())
    } else if number("ICHARG").is_some_and(|value| value >= 10.0) {
        Some("ICHARG keeps the density: no self-consistent energy".to_owned())
    } else {
        None
    };
    let mut basis = None;
    let last = outcar.steps.len().saturating_sub(1);
    for (index, step) in outcar.steps.iter().enumerate() {
        basis = step.basis.or(basis);
        let cut = index == last && !outcar.finished && step.energy_to_zero.is_none();
        let frame = match &head {
            Some(reason) => Err(reason.clone()),
            None if cut => Err("cut short in the middle of the step".to_owned()),
            None => witness(&outcar, step, basis, settings.energy).and_then(Step::frame),
        };
        imported.step(frame);
    }
    if outcar.begun {
        imported.step(Err("cut short in the middle of the step".to_owned()));
    }
    if !outcar.finished {
        imported
            .notes
            .push("cut short: the complete steps were taken".to_owned());
    }
    imported
        .notes
        .push("positions have five decimals here: vasprun.xml has more".to_owned());
    for (tag, value) in &outcar.tags {
        if !["ICHARG", "PSTRESS"].contains(&tag.as_str()) {
            // The parameters of vasprun.xml have another name for it.
            let name = if tag == "ENCUT" { "ENMAX" } else { tag };
            imported.surface.insert(name.to_owned(), value.clone());
        }
    }
    for title in &outcar.titles {
        potential(imported, title);
    }
}

fn witness(outcar: &Outcar, step: &OutcarStep, basis: Option<Mat3>, energy: EnergyKind) -> Result<Step, String> {
    if step.broken.is_some() {
        return Err("a number is none, such as ******".to_owned());
    }
    if step.electronic_steps == 0 {
        return Err(FORCE_FIELD.to_owned());
    }
    let most = outcar.most_electronic_steps.unwrap_or(DEFAULT_ELECTRONIC_STEPS);
    if step.unconverged || step.electronic_steps >= most {
        return Err(unconverged(most));
    }
    content(outcar, step, basis, energy)
}

/// What a step says, whether it is to be believed or not.
fn content(outcar: &Outcar, step: &OutcarStep, basis: Option<Mat3>, energy: EnergyKind) -> Result<Step, String> {
    let species = outcar.species().unwrap_or_default();
    let label = match energy {
        EnergyKind::Free => step.free_energy,
        EnergyKind::SigmaToZero => step.energy_to_zero,
    };
    Ok(Step {
        cell: basis.ok_or("without lattice vectors")?,
        positions: step.positions.clone(),
        energy: label.ok_or("without an energy")?,
        forces: Some(step.forces.clone()),
        stress: step.stress.map(|stress| stress_from_kilobar(&stress)),
        species,
    })
}
