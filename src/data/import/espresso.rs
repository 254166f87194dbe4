//! Steps of `pw.x`: of its standard output and of its XML file.

use super::{EnergyKind, ImportSettings, Imported, Step};
use crate::linear::{Mat3, Vec3, ZERO3, norm, scale, sub};
use crate::oracle::espresso::{
    Convergence, Schema, Smearing, TrajectoryStep, element_of_label, parse_schema_steps, parse_trajectory,
};
use crate::structure::Species;
use crate::units::{BOHR, HARTREE, RYDBERG};

/// Room for the digits a threshold is printed with.
const PRINTED: f64 = 1.05;
/// Structures closer than this, in Å, are the same one calculated again.
const SAME: f64 = 1e-6;

const CUT: &str = "cut short in the middle of the step";

/// Takes the steps of a standard output.
pub(super) fn output(imported: &mut Imported, text: &str, settings: &ImportSettings) {
    let trajectory = parse_trajectory(text);
    imported.code = trajectory.version.clone().unwrap_or_else(|| "PWSCF".to_owned());
    imported.surface.clone_from(&trajectory.surface);
    let last = trajectory.steps.len().saturating_sub(1);
    let have_forces = trajectory.steps.iter().any(|step| step.forces.is_some());
    let have_stress = trajectory.steps.iter().any(|step| step.stress.is_some());
    for (index, step) in trajectory.steps.iter().enumerate() {
        // What other steps have and the last one lacks was still to come.
        let lacks = (have_forces && step.forces.is_none()) || (have_stress && step.stress.is_none());
        let cut = !trajectory.done && index == last && (lacks || !have_forces);
        let frame = if cut && step.convergence == Convergence::Achieved {
            Err(CUT.to_owned())
        } else {
            calculation(step, trajectory.threshold, trajectory.smearing, settings.energy).and_then(Step::frame)
        };
        imported.step(frame);
    }
    if !trajectory.done {
        let error = trajectory
            .error
            .as_ref()
            .map_or(String::new(), |error| format!(" ({error})"));
        imported
            .notes
            .push(format!("cut short{error}: the complete steps were taken"));
    }
    note_plane_waves(imported);
}

fn calculation(
    step: &TrajectoryStep,
    threshold: Option<f64>,
    smearing: Smearing,
    energy: EnergyKind,
) -> Result<Step, String> {
    match &step.convergence {
        Convergence::Failed(line) => return Err(format!("SCF not converged: \"{line}\"")),
        Convergence::Untold => return Err("without the word that convergence has been achieved".to_owned()),
        Convergence::Achieved if step.exchange_open => {
            return Err("exact exchange is not self-consistent".to_owned());
        }
        Convergence::Achieved => {}
    }
    // With scf_must_converge = .false. the word is printed whatever was reached.
    if let (Some(accuracy), Some(threshold)) = (step.accuracy, threshold)
        && accuracy >= threshold
    {
        return Err(format!(
            "SCF not converged: its accuracy never came below conv_thr = {threshold:e} Ry"
        ));
    }
    if step.cell == ZERO3 || step.species.is_empty() {
        return Err("without its cell or its positions".to_owned());
    }
    let free = step.energy.ok_or("without an energy")?;
    Ok(Step {
        cell: step.cell,
        species: step.species.clone(),
        positions: step.positions.clone(),
        energy: RYDBERG * chosen(free, step.smearing, smearing == Smearing::Halfway, energy)?,
        forces: step
            .forces
            .as_ref()
            .map(|forces| forces.iter().map(|f| scale(RYDBERG / BOHR, *f)).collect()),
        stress: step.stress.as_ref().map(|stress| tensile(stress, RYDBERG)),
    })
}

/// The free energy, or where it is known the one at no smearing: F + TS/2 to second order in the width for Gaussian and Fermi-Dirac
/// smearing (Gillan, J. Phys.: Condens. Matter 1, 689 (1989)).
fn chosen(free: f64, smearing: Option<f64>, halfway: bool, energy: EnergyKind) -> Result<f64, String> {
    match (energy, smearing) {
        (EnergyKind::Free, _) | (_, None) => Ok(free),
        (EnergyKind::SigmaToZero, Some(contribution)) if halfway => Ok(free - 0.5 * contribution),
        _ => Err("--energy sigma-to-zero is not known for this smearing: take the free energy".to_owned()),
    }
}

fn tensile(stress: &Mat3, unit: f64) -> Mat3 {
    stress.map(|row| scale(-unit / BOHR.powi(3), row))
}

/// Takes the steps of a data-file-schema.xml.
pub(super) fn xml(imported: &mut Imported, text: &str, settings: &ImportSettings) {
    let file = parse_schema_steps(text);
    imported.code = format!("PWSCF v.{}", file.version.as_deref().unwrap_or("?"));
    imported.surface.clone_from(&file.surface);
    let halfway = file.smearing.as_ref().is_some_and(|kind| {
        let kind = kind.to_lowercase();
        ["gauss", "fermi", "f-d", "fd"]
            .iter()
            .any(|name| kind.starts_with(name))
    });
    let mut steps = file.steps;
    // Of the steps the accuracy is in Ry, of the end of the run in hartree.
    let mut limits = vec![2.0; steps.len()];
    if let Some(end) = file.output {
        match steps.last_mut() {
            // The last calculation once more; the atoms that stand with it may have been moved since. The stress is the calculation's.
            Some(last) if last.energy == end.energy => last.stress = last.stress.or(end.stress),
            _ => {
                steps.push(end);
                limits.push(1.0);
            }
        }
    }
    for (step, limit) in steps.into_iter().zip(limits) {
        let threshold = file.threshold.map(|threshold| limit * threshold);
        imported.step(schema(step, threshold, halfway, settings.energy).and_then(Step::frame));
    }
    if file.damage.is_some() {
        imported
            .notes
            .push("cut short: the complete steps were taken".to_owned());
    }
    note_plane_waves(imported);
}

fn schema(step: Schema, threshold: Option<f64>, halfway: bool, energy: EnergyKind) -> Result<Step, String> {
    if let Some(broken) = step.broken {
        return Err(broken);
    }
    if step.converged != Some(true) {
        return Err("SCF not converged".to_owned());
    }
    if let (Some(accuracy), Some(threshold)) = (step.accuracy, threshold)
        && accuracy > threshold * PRINTED
    {
        return Err("SCF not converged: its accuracy never came below conv_thr".to_owned());
    }
    let in_angstrom = |v: &Vec3| scale(BOHR, *v);
    let cell: Vec<Vec3> = step.cell.iter().map(in_angstrom).collect();
    let species = step
        .atoms
        .iter()
        .map(|(label, _)| element_of_label(label).ok_or_else(|| format!("`{label}` names no element")));
    let free = step.energy.ok_or("without an energy")?;
    Ok(Step {
        cell: cell.try_into().map_err(|_| "without its cell")?,
        species: species.collect::<Result<Vec<Species>, String>>()?,
        positions: step.atoms.iter().map(|(_, position)| in_angstrom(position)).collect(),
        energy: HARTREE * chosen(free, step.smearing.filter(|ts| *ts != 0.0), halfway, energy)?,
        forces: step
            .forces
            .map(|forces| forces.iter().map(|f| scale(HARTREE / BOHR, *f)).collect()),
        stress: step.stress.map(|stress| tensile(&stress, HARTREE)),
    })
}

/// `pw.x` keeps the plane waves of its first cell while the cell changes, and calculates the last structure of a vc-relax once more
/// with its own: the two energies of one structure tell how far the others are off.
fn note_plane_waves(imported: &mut Imported) {
    let cells: Vec<Mat3> = imported
        .frames
        .iter()
        .map(|frame| *frame.structure.cell.vectors())
        .collect();
    let far = |a: &Mat3, b: &Mat3| (0..3).any(|k| norm(sub(a[k], b[k])) > SAME);
    if !cells.iter().any(|cell| far(cell, &cells[0])) {
        return;
    }
    let mut note = "the cell changes, and pw.x keeps the plane waves of the first one".to_owned();
    if let [.., before, last] = imported.frames.as_slice() {
        let pairs = before.structure.positions.iter().zip(&last.structure.positions);
        let same = before.structure.len() == last.structure.len()
            && !far(before.structure.cell.vectors(), last.structure.cell.vectors())
            && pairs.into_iter().all(|(a, b)| norm(sub(*a, *b)) < SAME);
        if let (true, Some(first), Some(second)) = (same, &before.labels, &last.labels) {
            let gap = second.energy - first.energy;
            note += &format!(": the last structure, calculated once more with its own, is {gap:+.6} eV from there");
        }
    }
    imported.notes.push(note);
}
