//! What a potential says of structures, set beside their labels where there are any.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::LabelledStructure;
use super::frame::voigt;
use super::report::Moments;
use crate::linear::{Mat3, Vec3};
use crate::potential::{Labels, NeuralPotential, Potential, Spread, Workspace};
use crate::structure::Structure;

/// A structure with whatever labels are known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PartlyLabelled {
    /// The structure.
    pub structure: Structure,
    /// Energy in eV.
    pub energy: Option<f64>,
    /// Forces in eV/Å.
    pub forces: Option<Vec<Vec3>>,
    /// Stress in eV/Å³, tensile positive.
    pub stress: Option<Mat3>,
}

impl PartlyLabelled {
    /// A structure of which nothing is known.
    pub fn unlabelled(structure: Structure) -> Self {
        Self {
            structure,
            energy: None,
            forces: None,
            stress: None,
        }
    }
}

impl From<LabelledStructure> for PartlyLabelled {
    fn from(labelled: LabelledStructure) -> Self {
        let Labels { energy, forces, stress } = labelled.labels;
        Self {
            structure: labelled.structure,
            energy: Some(energy),
            forces,
            stress,
        }
    }
}

/// The prediction for one frame; its JSON is part of `slmc predict --json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FramePrediction {
    /// Energy in eV.
    pub energy: f64,
    /// Forces in eV/Å.
    pub forces: Vec<Vec3>,
    /// Stress in eV/Å³, tensile positive; null where the cell is not periodic in all directions.
    pub stress: Option<Mat3>,
    /// How far the members of a committee disagree; absent without a committee.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disagreement: Option<Disagreement>,
    /// The number of atoms of each element with a symmetry function outside its range in training; absent where there are none or
    /// the ranges are not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extrapolating: Option<BTreeMap<String, usize>>,
}

/// The disagreement of a committee about a structure: standard deviations over its members.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Disagreement {
    /// Of the total energy, eV.
    pub energy: f64,
    /// Of each atom's force, eV/Å.
    pub forces: Vec<f64>,
}

/// Atoms of one element in all frames, and those among them that a potential extrapolates to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Extrapolation {
    /// All atoms of the element.
    pub atoms: usize,
    /// Those with a symmetry function outside its range in training.
    pub outside: usize,
}

/// Errors where labels are present.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PredictionSummary {
    /// Standard deviation of the error of the total energy, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub energy_error_std: Option<f64>,
    /// Root mean square error of the energy per atom, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub energy_rmse_per_atom: Option<f64>,
    /// Root mean square error of the force components, eV/Å.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub force_rmse: Option<f64>,
    /// Root mean square error of the six stress components, eV/Å³.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stress_rmse: Option<f64>,
    /// By element, the atoms outside the range of the training data; absent where there are none or the range is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extrapolation: Option<BTreeMap<String, Extrapolation>>,
}

/// The outcome of [`predict`], in the layout of `slmc predict --json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Prediction {
    /// One per frame, in order.
    pub frames: Vec<FramePrediction>,
    /// Errors over all frames.
    pub summary: PredictionSummary,
}

/// Evaluates a potential on frames and compares with their labels.
pub fn predict(potential: &dyn Potential, frames: &[PartlyLabelled]) -> Prediction {
    let predictions: Vec<FramePrediction> = frames
        .par_iter()
        .map(|frame| {
            let labels = potential.evaluate(&frame.structure, &mut Workspace::new());
            FramePrediction {
                energy: labels.energy,
                forces: labels.forces.unwrap_or_default(),
                stress: labels.stress,
                disagreement: None,
                extrapolating: None,
            }
        })
        .collect();
    let (mut total, mut per_atom) = (Moments::default(), Moments::default());
    let (mut force, mut stress) = (Moments::default(), Moments::default());
    for (frame, prediction) in frames.iter().zip(&predictions) {
        if let Some(energy) = frame.energy {
            total.add(prediction.energy - energy);
            per_atom.add((prediction.energy - energy) / frame.structure.len() as f64);
        }
        let labelled = frame.forces.iter().flatten().flatten();
        for (value, target) in prediction.forces.iter().flatten().zip(labelled) {
            force.add(value - target);
        }
        if let (Some(predicted), Some(target)) = (&prediction.stress, &frame.stress) {
            for (value, target) in voigt(predicted).iter().zip(voigt(target)) {
                stress.add(value - target);
            }
        }
    }
    Prediction {
        frames: predictions,
        summary: PredictionSummary {
            energy_error_std: total.deviation(),
            energy_rmse_per_atom: per_atom.rms(),
            force_rmse: force.rms(),
            stress_rmse: stress.rms(),
            extrapolation: None,
        },
    }
}

/// The committee's disagreement about the force on each atom beside the true error's length, eV/Å, wherever both are known.
pub fn force_doubts(frames: &[PartlyLabelled], prediction: &Prediction) -> Vec<(f64, f64)> {
    let mut pairs = Vec::new();
    for (frame, answer) in frames.iter().zip(&prediction.frames) {
        let (Some(forces), Some(disagreement)) = (&frame.forces, &answer.disagreement) else {
            continue;
        };
        for ((label, force), doubt) in forces.iter().zip(&answer.forces).zip(&disagreement.forces) {
            pairs.push((*doubt, crate::linear::norm(crate::linear::sub(*force, *label))));
        }
    }
    pairs
}

/// The same of a learnt potential, with the disagreement of its committee and the atoms it extrapolates to.
pub fn predict_with_uncertainty(potential: &NeuralPotential, frames: &[PartlyLabelled]) -> Prediction {
    let mut prediction = predict(potential, frames);
    let elements = potential.descriptor.elements();
    let doubts: Vec<(Option<Spread>, Option<Vec<usize>>)> = frames
        .par_iter()
        .map(|frame| {
            let workspace = &mut Workspace::new();
            (
                potential.committee(&frame.structure, workspace),
                potential.extrapolating(&frame.structure, workspace),
            )
        })
        .collect();
    let mut totals: BTreeMap<String, Extrapolation> = BTreeMap::new();
    for ((frame, answer), (spread, outside)) in frames.iter().zip(&mut prediction.frames).zip(doubts) {
        answer.disagreement = spread.map(|Spread { energy, forces }| Disagreement { energy, forces });
        let Some(outside) = outside else {
            continue;
        };
        let mut counts = BTreeMap::new();
        for (element, outside) in elements.iter().zip(outside) {
            let atoms = frame
                .structure
                .species
                .iter()
                .filter(|species| *species == element)
                .count();
            if atoms > 0 {
                counts.insert(element.symbol().to_owned(), outside);
                let total = totals.entry(element.symbol().to_owned()).or_default();
                total.atoms += atoms;
                total.outside += outside;
            }
        }
        answer.extrapolating = counts.values().any(|outside| *outside > 0).then_some(counts);
    }
    let any = totals.values().any(|total| total.outside > 0);
    prediction.summary.extrapolation = any.then_some(totals);
    prediction
}
