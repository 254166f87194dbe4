//! Training: from labelled structures to a potential, the linear path in closed form and the networks on what it leaves.

mod adamw;
mod algebra;
mod config;
mod cross_validation;
mod frame;
mod jacobian;
mod kalman;
mod loss;
mod networks;
mod prediction;
mod problem;
mod ranges;
mod reaches;
mod report;
mod ridge;
mod scaling;
mod targets;
mod trainer;
mod whitening;

pub use config::{AdamwConfig, KalmanConfig, OptimiserConfig, TrainingConfig};
pub use prediction::{
    Disagreement, Extrapolation, FramePrediction, PartlyLabelled, Prediction, PredictionSummary, force_doubts, predict,
    predict_with_uncertainty,
};
pub use report::{Errors, FitReport, MemberReport, NetworkReport};
pub use ridge::RidgeChoice;
pub use trainer::Trainer;

use std::sync::Arc;

use crate::descriptor::{DescriptorConfig, DescriptorError};
use crate::network::NetworkConfig;
use crate::potential::{Labels, NeuralError, NeuralPotential};
use crate::structure::Structure;

/// A structure with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledStructure {
    /// The structure.
    pub structure: Structure,
    /// The oracle's answer; forces and stress count where they are present.
    pub labels: Labels,
}

/// What a fit is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Computing descriptors of new frames.
    Descriptors,
    /// Fitting the linear path.
    Linear,
    /// Training the networks of a member of the committee.
    Networks {
        /// The member, from 0.
        member: usize,
    },
}

/// How far a fit has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Steps (frames, epochs) done.
    pub done: usize,
    /// Steps in all, at most.
    pub total: usize,
    /// The standard deviation of the total-energy error on held-out frames so far, eV.
    pub energy_error_std: Option<f64>,
}

/// A fitted potential and how well it does.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The potential.
    pub potential: NeuralPotential,
    /// Its errors.
    pub report: FitReport,
}

/// A fit that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A key whose value makes no sense.
    #[error("{section} {key} = {value}: {rule}")]
    Config {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// Training broke down and there is no previous potential to keep.
    #[error(
        "training diverged and there is no previous potential to keep: lower the learning rate in [training.optimiser]"
    )]
    Diverged,
    /// Nothing to learn from.
    #[error("there is no labelled frame to train on")]
    NoFrames,
    /// A label that is not finite, or forces that do not fit the atoms.
    #[error("frame {index} cannot be trained on: {reason}")]
    Frame {
        /// The frame, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The descriptor cannot be built.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The fit gave numbers that are no potential.
    #[error("the fit gave no potential: {0}")]
    Potential(#[from] NeuralError),
}

/// Fits a potential to labelled frames from nothing, as `slmc train` does.
pub fn offline(
    frames: &[Arc<LabelledStructure>],
    descriptor: DescriptorConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    seed: u64,
    observer: &dyn Fn(Progress),
) -> Result<Fit, TrainingError> {
    Trainer::new(descriptor, network, training)?.fit(frames, None, seed, observer)
}
