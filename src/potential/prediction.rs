//! A potential's answers for a file of structures, and its errors where labels are present.

use serde::Serialize;

use crate::linear::{Mat3, Vec3};
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;

/// A potential's answers: the JSON of `slmc predict`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// One entry a structure.
    pub frames: Vec<PredictedFrame>,
    /// Errors over all frames that have labels.
    pub summary: PredictionErrors,
}

/// The answer for one structure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictedFrame {
    /// eV.
    pub energy: f64,
    /// eV/Å, one per atom.
    pub forces: Vec<Vec3>,
    /// eV/Å³, tensile positive; null outside bulk cells.
    pub stress: Option<Mat3>,
}

/// Errors against labels; a key is absent where no frame has the label.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PredictionErrors {
    /// Standard deviation of the error of the total energy, eV; needs two frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_error_std: Option<f64>,
    /// Root mean square error of the energy per atom, eV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_rmse_per_atom: Option<f64>,
    /// Root mean square error of the force components, eV/Å.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_rmse: Option<f64>,
    /// Root mean square error of the nine stress components, eV/Å³.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stress_rmse: Option<f64>,
}

/// Evaluates a potential on structures, each with its labels if it has any.
pub fn predict(potential: &dyn Potential, structures: &[(Structure, Option<Labels>)]) -> Prediction {
    let mut workspace = Workspace::new();
    let mut frames = Vec::new();
    let (mut energy, mut per_atom, mut force, mut stress) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (structure, labels) in structures {
        workspace.reset();
        let answer = potential.evaluate(structure, &mut workspace);
        let forces = answer.forces.unwrap_or_default();
        if let Some(labels) = labels {
            let error = answer.energy - labels.energy;
            energy.push(error);
            per_atom.push(error / structure.len() as f64);
            if let Some(wanted) = &labels.forces {
                let pairs = forces.iter().flatten().zip(wanted.iter().flatten());
                force.extend(pairs.map(|(a, b)| a - b));
            }
            if let (Some(a), Some(b)) = (&answer.stress, &labels.stress) {
                stress.extend(a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a - b));
            }
        }
        frames.push(PredictedFrame {
            energy: answer.energy,
            forces,
            stress: answer.stress,
        });
    }
    Prediction {
        frames,
        summary: PredictionErrors {
            energy_error_std: standard_deviation(&energy),
            energy_rmse_per_atom: root_mean_square(&per_atom),
            force_rmse: root_mean_square(&force),
            stress_rmse: root_mean_square(&stress),
        },
    }
}

fn root_mean_square(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt())
}

fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations: Vec<f64> = values.iter().map(|x| x - mean).collect();
    root_mean_square(&deviations).filter(|_| values.len() > 1)
}
