//! Mass matrices that let stiff and soft modes vibrate alike: from the network's second derivatives, or from the covariance of
//! displacements along network trajectories.
//!
//! With M = T/ω² for the matrix of force constants T every mode of a harmonic crystal has the frequency ω (Bennett, J. Comput. Phys. 19,
//! 267 (1975)); a quarter of its period carries all displacements into momenta, which are drawn anew.

use faer::linalg::solvers::SelfAdjointEigen;
use faer::{Mat, Side};
use rayon::prelude::*;

use super::Masses;
use super::walkers::{self, Stretch, Walker, generator};
use crate::dynamics::MassMatrix;
use crate::linear::sub;
use crate::potential::{Potential, Workspace};
use crate::sampling::{Environment, TrajectoryPlan};
use crate::structure::Structure;
use crate::units::FEMTOSECOND;

/// Half the displacement of the central differences, Å.
const STEP: f64 = 0.01;

/// No force constant counts for less than this part of the largest, in the diagonal's own scale: soft or unstable modes.
const SOFTEST: f64 = 1e-3;

/// Numbers that the modes of a matrix may have in all: they are written to the run's directory.
const MOST_NUMBERS: usize = 1 << 20;

/// Modes from a covariance where no number is given; more are not known well enough from the trajectories of a tuning.
const COVARIANCE_MODES: usize = 16;

/// Trajectories of each walker that a covariance is taken from.
const COVARIANCE_TRAJECTORIES: usize = 64;

/// A mass matrix and what it does.
#[derive(Clone, Debug)]
pub struct Preconditioner {
    /// The matrix.
    pub matrix: MassMatrix,
    /// The angular frequency that modes are brought to, inverse internal time.
    pub frequency: f64,
    /// What it is made of, for the report.
    pub reason: String,
}

/// Makes the matrix that is asked for; `None` for masses by element, or where forces are missing or not finite.
pub(super) fn build(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    starts: &[Structure],
    masses: Masses,
    salt: u64,
) -> Option<Preconditioner> {
    let mut walkers = walkers::start(starts, potential);
    let first = starts.first()?;
    let (constants, modes, source) = match masses {
        Masses::ByElement => return None,
        Masses::Hessian { modes } => {
            settle(environment, plan, potential, &mut walkers, salt);
            let snapshots = (256 / first.len().max(1)).clamp(1, walkers::WALKERS);
            let hessians: Option<Vec<Vec<f64>>> = walkers
                .iter()
                .take(snapshots)
                .map(|walker| hessian(potential, &walker.structure))
                .collect();
            let mut sum = vec![0.0; 9 * first.len() * first.len()];
            for hessian in hessians? {
                for (sum, entry) in sum.iter_mut().zip(hessian) {
                    *sum += entry / snapshots as f64;
                }
            }
            (Constants::Stiffness(sum), modes, "the network's second derivatives")
        }
        Masses::Covariance { modes } => {
            settle(environment, plan, potential, &mut walkers, salt);
            let mut covariance = covariance(environment, plan, potential, &mut walkers, salt)?;
            shrink(&mut covariance, walkers.len() * COVARIANCE_TRAJECTORIES);
            (
                Constants::Compliance(covariance),
                Some(modes.unwrap_or(COVARIANCE_MODES)),
                "the covariance of displacements on the network",
            )
        }
    };
    mass_matrix(
        &constants,
        environment.kinetics.masses(),
        environment.kinetics.fixed(),
        modes,
        source,
    )
}

/// What a mass matrix is made from, 3N × 3N, row by row.
#[derive(Clone, Debug)]
pub enum Constants {
    /// Force constants T.
    Stiffness(Vec<f64>),
    /// Their inverse, such as covariances over kT.
    Compliance(Vec<f64>),
}

/// A few trajectories that bring the walkers to the network's own equilibrium.
fn settle(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    walkers: &mut [Walker],
    salt: u64,
) {
    walkers.par_iter_mut().enumerate().for_each(|(index, walker)| {
        let mut generator = generator(environment, index, salt, Stretch::Settle);
        for _ in 0..3 {
            walker.trajectory(environment, plan, potential, &mut Workspace::new(), &mut generator);
        }
    });
}

/// Second derivatives of the potential energy, eV/Å², by central differences of the forces, made symmetric.
fn hessian(potential: &dyn Potential, structure: &Structure) -> Option<Vec<f64>> {
    let size = 3 * structure.len();
    let rows: Option<Vec<Vec<f64>>> = (0..structure.len())
        .into_par_iter()
        .map(|atom| {
            let mut workspace = Workspace::new();
            let mut displaced = structure.clone();
            let mut rows = Vec::with_capacity(3 * size);
            for k in 0..3 {
                let mut force = |by: f64| {
                    displaced.positions[atom][k] = structure.positions[atom][k] + by;
                    let labels = potential.evaluate(&displaced, &mut workspace);
                    labels.forces.filter(|_| labels.energy.is_finite())
                };
                let (plus, minus) = (force(STEP)?, force(-STEP)?);
                displaced.positions[atom][k] = structure.positions[atom][k];
                let differences = plus.iter().flatten().zip(minus.iter().flatten());
                rows.extend(differences.map(|(plus, minus)| (minus - plus) / (2.0 * STEP)));
            }
            Some(rows)
        })
        .collect();
    let mut flat = rows?.concat();
    for i in 0..size {
        for j in 0..i {
            let mean = 0.5 * (flat[i * size + j] + flat[j * size + i]);
            flat[i * size + j] = mean;
            flat[j * size + i] = mean;
        }
    }
    flat.iter().all(|x| x.is_finite()).then_some(flat)
}

/// The covariance of the coordinates along network trajectories over kT, Å²/eV, each walker about its own mean.
fn covariance(
    environment: &Environment,
    plan: &TrajectoryPlan,
    potential: &dyn Potential,
    walkers: &mut [Walker],
    salt: u64,
) -> Option<Vec<f64>> {
    let size = 3 * walkers.first()?.structure.len();
    let sums: Vec<Vec<f64>> = walkers
        .par_iter_mut()
        .enumerate()
        .map(|(index, walker)| {
            let mut generator = generator(environment, index, salt, Stretch::Covariance);
            let reference = walker.structure.positions.clone();
            let samples: Vec<Vec<f64>> = (0..COVARIANCE_TRAJECTORIES)
                .map(|_| {
                    walker.trajectory(environment, plan, potential, &mut Workspace::new(), &mut generator);
                    let here = walker.structure.positions.iter().zip(&reference);
                    here.flat_map(|(here, reference)| sub(*here, *reference)).collect()
                })
                .collect();
            let count = samples.len() as f64;
            let mean: Vec<f64> = (0..size)
                .map(|k| samples.iter().map(|s| s[k]).sum::<f64>() / count)
                .collect();
            let mut sum = vec![0.0; size * size];
            for sample in &samples {
                for i in 0..size {
                    let scaled = (sample[i] - mean[i]) / (count * environment.thermal_energy);
                    for j in 0..size {
                        sum[i * size + j] += scaled * (sample[j] - mean[j]);
                    }
                }
            }
            sum
        })
        .collect();
    let mut mean = vec![0.0; size * size];
    for sum in &sums {
        for (mean, entry) in mean.iter_mut().zip(sum) {
            *mean += entry / sums.len() as f64;
        }
    }
    mean.iter().all(|x| x.is_finite()).then_some(mean)
}

/// Shrinks a sample covariance of P coordinates towards its diagonal, by P/(n + P) for n samples: what so few samples show of
/// correlations is mostly noise (Ledoit and Wolf, J. Multivariate Anal. 88, 365 (2004), for the principle).
fn shrink(covariance: &mut [f64], samples: usize) {
    let size = (covariance.len() as f64).sqrt().round() as usize;
    let keep = samples as f64 / (samples + size) as f64;
    for (index, entry) in covariance.iter_mut().enumerate() {
        if index / size != index % size {
            *entry *= keep;
        }
    }
}

/// The mass matrix of some constants: the diagonal, and those `modes` of what the diagonal leaves that differ most from the rest.
///
/// Translations, where no atom is fixed, keep the masses of the diagonal, so that the centre of mass can be held. The scale is such
/// that the diagonal's masses add up to those of the atoms, which the frequency follows from.
pub fn mass_matrix(
    constants: &Constants,
    masses: &[f64],
    fixed: &[bool],
    modes: Option<usize>,
    source: &str,
) -> Option<Preconditioner> {
    let size = 3 * masses.len();
    let flat = match constants {
        Constants::Stiffness(flat) | Constants::Compliance(flat) => flat,
    };
    let mobile: Vec<usize> = (0..size).filter(|k| !fixed[k / 3]).collect();
    if flat.len() != size * size || mobile.is_empty() {
        return None;
    }
    let stiffness = |k: usize| match constants {
        Constants::Stiffness(flat) => flat[k * size + k],
        Constants::Compliance(flat) => flat[k * size + k].recip(),
    };
    let mean = mobile.iter().map(|k| stiffness(*k)).sum::<f64>() / mobile.len() as f64;
    if !(mean.is_finite() && mean > 0.0) {
        return None;
    }
    // A coordinate that hardly feels a force must not become too light.
    let stiffnesses: Vec<f64> = mobile.iter().map(|k| stiffness(*k).max(0.02 * mean)).collect();
    let total_mass: f64 = mobile.iter().map(|k| masses[k / 3]).sum();
    let square = stiffnesses.iter().sum::<f64>() / total_mass;
    let diagonal: Vec<f64> = stiffnesses.iter().map(|stiffness| stiffness / square).collect();
    // What the diagonal leaves: dimensionless, one on its diagonal.
    let translations = if fixed.contains(&true) {
        Vec::new()
    } else {
        translations(&mobile, &diagonal)
    };
    let count = mobile.len();
    let mut scaled = Mat::from_fn(count, count, |i, j| {
        let entry = flat[mobile[i] * size + mobile[j]];
        let scale = (diagonal[i] * diagonal[j]).sqrt();
        match constants {
            Constants::Stiffness(_) => entry / (square * scale),
            Constants::Compliance(_) => entry * square * scale,
        }
    });
    for translation in &translations {
        project(&mut scaled, translation);
    }
    let decomposition = SelfAdjointEigen::new(scaled.as_ref(), Side::Lower).ok()?;
    let values: Vec<f64> = (0..count).map(|i| decomposition.S()[i]).collect();
    let largest = values.iter().copied().fold(0.0, f64::max);
    let mut found: Vec<(f64, Vec<f64>)> = (0..count)
        .filter_map(|index| {
            let mut vector: Vec<f64> = (0..count).map(|i| decomposition.U()[(i, index)]).collect();
            let along: f64 = translations.iter().map(|t| inner(t, &vector).powi(2)).sum();
            if along > 0.5 {
                return None;
            }
            for translation in &translations {
                let amount = inner(translation, &vector);
                vector.iter_mut().zip(translation).for_each(|(v, t)| *v -= amount * t);
            }
            let value = values[index].max(SOFTEST * largest);
            let factor = match constants {
                Constants::Stiffness(_) => value,
                Constants::Compliance(_) => value.recip(),
            };
            Some((factor, vector))
        })
        .collect();
    // The modes that differ most from the typical one are corrected, the others share one mass.
    let most = modes.unwrap_or(usize::MAX).min(MOST_NUMBERS / size);
    let logarithms: f64 = found.iter().map(|(factor, _)| factor.ln()).sum();
    let typical = logarithms / found.len().max(1) as f64;
    match constants {
        Constants::Stiffness(_) => {
            found.sort_by(|a, b| (b.0.ln() - typical).abs().total_cmp(&(a.0.ln() - typical).abs()));
        }
        // Samples show the large variances of soft modes before the small ones of stiff modes.
        Constants::Compliance(_) => found.sort_by(|a, b| a.0.total_cmp(&b.0)),
    }
    let rest = found.split_off(most.min(found.len()));
    let shared = if rest.is_empty() {
        1.0
    } else {
        (rest.iter().map(|(factor, _)| factor.ln()).sum::<f64>() / rest.len() as f64).exp()
    };
    let mut full: Vec<f64> = (0..size).map(|k| masses[k / 3]).collect();
    for (k, mass) in mobile.iter().zip(&diagonal) {
        full[*k] = shared * mass;
    }
    let kept = found.len();
    let softest = found.iter().map(|(factor, _)| *factor).fold(shared, f64::min);
    let stiffest = found.iter().map(|(factor, _)| *factor).fold(shared, f64::max);
    let modes = found
        .into_iter()
        .map(|(factor, vector)| {
            let mut wide = vec![0.0; size];
            for (k, v) in mobile.iter().zip(vector) {
                wide[*k] = v;
            }
            (factor / shared, wide)
        })
        .collect();
    let frequency = square.sqrt();
    Some(Preconditioner {
        matrix: MassMatrix::new(full, modes).ok()?,
        frequency,
        reason: format!(
            "masses from {source}: a diagonal and {kept} modes, force constants apart by up to a factor of {:.0} in its scale brought to a period near \
             {:.0} fs",
            stiffest / softest,
            2.0 * std::f64::consts::PI / frequency / FEMTOSECOND
        ),
    })
}

/// D^½t for the three translations t, normalised.
fn translations(mobile: &[usize], diagonal: &[f64]) -> Vec<Vec<f64>> {
    (0..3)
        .map(|direction| {
            let along = mobile.iter().zip(diagonal);
            let vector: Vec<f64> = along
                .map(|(k, d)| if k % 3 == direction { d.sqrt() } else { 0.0 })
                .collect();
            let length = inner(&vector, &vector).sqrt();
            vector.into_iter().map(|v| v / length).collect()
        })
        .collect()
}

/// A ← (1 − ttᵀ)A(1 − ttᵀ).
fn project(matrix: &mut Mat<f64>, t: &[f64]) {
    let size = t.len();
    let image: Vec<f64> = (0..size)
        .map(|i| (0..size).map(|j| matrix[(i, j)] * t[j]).sum())
        .collect();
    let both = inner(&image, t);
    for j in 0..size {
        for i in 0..size {
            matrix[(i, j)] += both * t[i] * t[j] - image[i] * t[j] - t[i] * image[j];
        }
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Vec3;

    /// A chain of unequal springs and masses between free ends, and weak springs across.
    fn chain(atoms: usize) -> (Vec<f64>, Vec<f64>) {
        let size = 3 * atoms;
        let mut constants = vec![0.0; size * size];
        for i in 0..atoms {
            for j in 0..i {
                for k in 0..3 {
                    let spring = (1.0 + i as f64 + 3.0 * k as f64) / ((i - j) as f64).powi(3);
                    let (a, b) = (3 * i + k, 3 * j + k);
                    constants[a * size + a] += spring;
                    constants[b * size + b] += spring;
                    constants[a * size + b] -= spring;
                    constants[b * size + a] -= spring;
                }
            }
        }
        (constants, (0..atoms).map(|i| 10.0 + 20.0 * i as f64).collect())
    }

    /// M⁻¹T u for a displacement.
    fn acceleration(constants: &[f64], matrix: &MassMatrix, u: &[f64]) -> Vec<f64> {
        let size = u.len();
        let force: Vec<f64> = constants.chunks(size).map(|row| inner(row, u)).collect();
        let force: Vec<Vec3> = force.chunks(3).map(|f| [f[0], f[1], f[2]]).collect();
        matrix.velocities(&force).into_iter().flatten().collect()
    }

    #[test]
    fn all_modes_get_one_frequency() {
        let (constants, masses) = chain(5);
        let found = mass_matrix(&Constants::Stiffness(constants.clone()), &masses, &[false; 5], None, "").unwrap();
        assert_eq!(found.matrix.rank(), 12);
        // A displacement that no translation is part of, in the metric of the masses.
        let mut u: Vec<f64> = (0..15).map(|k| f64::from((7 * k) % 5) - 2.0).collect();
        for k in 0..3 {
            let weight: f64 = (0..5).map(|atom| found.matrix.of_atom(atom)[k]).sum();
            let mean: f64 = (0..5)
                .map(|atom| found.matrix.of_atom(atom)[k] * u[3 * atom + k])
                .sum::<f64>()
                / weight;
            (0..5).for_each(|atom| u[3 * atom + k] -= mean);
        }
        let image = acceleration(&constants, &found.matrix, &u);
        for (image, u) in image.iter().zip(&u) {
            assert!((image - found.frequency.powi(2) * u).abs() < 1e-9, "{image} {u}");
        }
    }

    #[test]
    fn fewer_modes_narrow_the_spectrum_and_the_inverse_gives_the_same() {
        let (mut constants, masses) = chain(6);
        (0..18).for_each(|k| constants[k * 18 + k] += 0.5);
        let fixed = [true, false, false, false, false, false];
        let spread = |modes: Option<usize>| {
            let found = mass_matrix(&Constants::Stiffness(constants.clone()), &masses, &fixed, modes, "").unwrap();
            // The spectrum of M⁻¹T on the mobile coordinates, symmetrised by its square root is the same as by power traces.
            let columns: Vec<Vec<f64>> = (3..18)
                .map(|k| {
                    let mut u = vec![0.0; 18];
                    u[k] = 1.0;
                    acceleration(&constants, &found.matrix, &u)
                })
                .collect();
            let trace: f64 = (0..15).map(|k| columns[k][k + 3]).sum::<f64>() / 15.0;
            let square: f64 = (0..15)
                .map(|k| (0..15).map(|l| columns[k][l + 3] * columns[l][k + 3]).sum::<f64>())
                .sum::<f64>()
                / 15.0;
            square / trace.powi(2) - 1.0
        };
        let (none, some, all) = (spread(Some(0)), spread(Some(6)), spread(None));
        assert!(all.abs() < 1e-9 && some < 0.5 * none, "{none} {some} {all}");
        let count = 15;
        let inverse = {
            use faer::linalg::solvers::DenseSolveCore;
            let block = Mat::from_fn(count, count, |i, j| constants[(i + 3) * 18 + j + 3]);
            let inverse = block.partial_piv_lu().inverse();
            let mut wide = vec![0.0; 18 * 18];
            (0..count).for_each(|i| (0..count).for_each(|j| wide[(i + 3) * 18 + j + 3] = inverse[(i, j)]));
            wide
        };
        let found = mass_matrix(&Constants::Compliance(inverse), &masses, &fixed, None, "").unwrap();
        let mut u = vec![0.0; 18];
        u[7] = 1.0;
        let image = acceleration(&constants, &found.matrix, &u);
        assert!((image[7] - found.frequency.powi(2)).abs() < 1e-9);
        assert!(image.iter().enumerate().skip(3).all(|(k, x)| k == 7 || x.abs() < 1e-9));
    }
}
