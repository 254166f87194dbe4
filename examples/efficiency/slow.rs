//! Effective samples of observables that are slower than the potential energy in a crystal: the amplitude of its lowest phonon and the
//! mean squared displacement from its lattice, beside the energy's, from the frames of a finished run.

use std::path::Path;

use faer::linalg::solvers::SelfAdjointEigen;
use faer::{Mat, Side};
use rayon::prelude::*;
use slmc::analysis::statistics::ess_bulk;
use slmc::potential::{Potential, Workspace};
use slmc::run::RunDirectory;
use slmc::run::results::Results;
use slmc::structure::Structure;

use crate::estimate::{calls_per_effective_sample, pieces};
use crate::system::Example;

/// Prints the table of a run whose every sampling step left a frame.
pub fn print(example: &Example, directory: &Path) -> Result<(), String> {
    let results = Results::read(directory).map_err(|error| error.to_string())?;
    let lattice = &example.system.start;
    let mode = lowest_mode(example.system.potential.as_ref(), lattice)?;
    let chains = results.decisions.len();
    let (mut energies, mut amplitudes, mut displacements) = (Vec::new(), Vec::new(), Vec::new());
    for (chain, energy) in results.trace().chains.iter().enumerate() {
        let path = RunDirectory::new(directory).trajectory(chain);
        let frames = slmc::formats::read(&path).map_err(|error| error.to_string())?;
        if frames.len() != energy.len() {
            return Err(format!(
                "{} has {} frames of {} samples: run with --set output.trajectory-every=1",
                path.display(),
                frames.len(),
                energy.len()
            ));
        }
        let seen: Vec<(f64, f64)> = frames
            .iter()
            .map(|frame| look(&frame.structure, lattice, &mode))
            .collect();
        energies.push(energy.clone());
        amplitudes.push(seen.iter().map(|(amplitude, _)| *amplitude).collect::<Vec<f64>>());
        displacements.push(seen.iter().map(|(_, displacement)| *displacement).collect::<Vec<f64>>());
    }
    println!("| observable | effective samples | of samples | per oracle call |\n|---|---|---|---|");
    for (name, series) in [
        ("potential energy", &energies),
        ("amplitude of the lowest phonon", &amplitudes),
        ("mean squared displacement", &displacements),
    ] {
        let samples: usize = series.iter().map(Vec::len).sum();
        let estimate = calls_per_effective_sample(&pieces(series, 16.max(chains)), samples as f64, 1);
        let effective = ess_bulk(series);
        let per_call = effective / samples as f64;
        println!(
            "| {name} | {effective:.0} | {samples} | {per_call:.3} ± {:.3} |",
            per_call * estimate.error / estimate.calls
        );
    }
    Ok(())
}

/// Amplitude and mean squared displacement of one structure.
fn look(structure: &Structure, lattice: &Structure, mode: &[f64]) -> (f64, f64) {
    let displacements = structure.positions.iter().zip(&lattice.positions);
    let flat: Vec<f64> = displacements
        .flat_map(|(here, site)| [0, 1, 2].map(|k| here[k] - site[k]))
        .collect();
    let masses = lattice.masses.iter().flat_map(|mass| [mass.sqrt(); 3]);
    let amplitude = flat
        .iter()
        .zip(mode)
        .zip(masses)
        .map(|((u, e), root)| u * e * root)
        .sum();
    (
        amplitude,
        flat.iter().map(|u| u * u).sum::<f64>() / lattice.len() as f64,
    )
}

/// The eigenvector of the mass-weighted second derivatives with the lowest frequency above those of the translations.
fn lowest_mode(potential: &dyn Potential, lattice: &Structure) -> Result<Vec<f64>, String> {
    let size = 3 * lattice.len();
    let step = 0.005;
    let rows: Vec<Vec<f64>> = (0..size)
        .into_par_iter()
        .map(|k| {
            let force = |by: f64| {
                let mut displaced = lattice.clone();
                displaced.positions[k / 3][k % 3] += by;
                let labels = potential.evaluate(&displaced, &mut Workspace::new());
                labels.forces.unwrap_or_default().concat()
            };
            let (plus, minus) = (force(step), force(-step));
            plus.iter()
                .zip(minus)
                .map(|(plus, minus)| (minus - plus) / (2.0 * step))
                .collect()
        })
        .collect();
    if rows.iter().any(|row| row.len() != size) {
        return Err("the oracle gives no forces".to_owned());
    }
    let root = |k: usize| lattice.masses[k / 3].sqrt();
    let weighted = Mat::from_fn(size, size, |i, j| 0.5 * (rows[i][j] + rows[j][i]) / (root(i) * root(j)));
    let decomposition = SelfAdjointEigen::new(weighted.as_ref(), Side::Lower)
        .map_err(|_| "the second derivatives have no eigenvectors".to_owned())?;
    let total: f64 = lattice.masses.iter().sum();
    let translation = |vector: &[f64]| -> f64 {
        (0..3)
            .map(|axis| {
                let along: f64 = (axis..size).step_by(3).map(|k| vector[k] * root(k)).sum();
                along * along / total
            })
            .sum()
    };
    (0..size)
        .map(|index| (0..size).map(|k| decomposition.U()[(k, index)]).collect::<Vec<f64>>())
        .find(|vector| translation(vector) < 0.5)
        .ok_or_else(|| "there is nothing but translations".to_owned())
}
