//! Cutoff radii of the presets' symmetry functions that the configuration leaves open, chosen by what they do to a linear fit.

use std::sync::Arc;

use rayon::prelude::*;

use super::frame::{Frame, offsets};
use super::problem::Problem;
use super::ridge::Gram;
use super::targets::labels;
use super::trainer::Cache;
use super::{LabelledStructure, TrainingConfig};
use crate::descriptor::{
    ANGULAR_REACH, Descriptor, DescriptorConfig, DescriptorError, Preset, RADIAL_REACH, mean_spacing,
};
use crate::network::NetworkConfig;
use crate::structure::{Species, Structure};
use crate::units::Length;

/// Candidate reaches in units of the mean spacing, the cheaper ones first.
const RADIAL: [f64; 3] = [2.2, RADIAL_REACH, 4.6];
const ANGULAR: [f64; 2] = [ANGULAR_REACH, 2.0];
/// A longer reach is taken if it lowers the cross-validated error to this fraction.
const WORTHWHILE: f64 = 0.7;
/// A linear fit with this cross-validated error (eV, of the total energy over √N and eV/Å of the forces alike) needs no longer
/// reach: it means about 1 meV for 100 atoms, which costs no acceptance.
const ENOUGH: f64 = 1e-4;
/// Frames, and about as many atoms, that the choice looks at.
const FRAMES: usize = 20;
const ATOMS: usize = 1200;
/// Frames with forces without which there is no choice but habit.
const FEWEST: usize = 6;

/// The descriptor of a configuration for labelled frames. A reach that is not given is the shortest one whose linear fit is
/// good enough or as good as any, judged by cross-validation on some of the frames; the radial one first.
pub(super) fn choose_descriptor(
    config: &DescriptorConfig,
    network: &NetworkConfig,
    training: &TrainingConfig,
    elements: &[Species],
    labelled: &[Arc<LabelledStructure>],
) -> Result<Descriptor, DescriptorError> {
    let structures: Vec<&Structure> = labelled.iter().map(|frame| &frame.structure).collect();
    let spacing = mean_spacing(elements, &structures);
    let build = |config: &DescriptorConfig| Descriptor::from_config(config, elements, &structures);
    let sample = sample(labelled);
    let known = sample.iter().filter(|frame| frame.labels.forces.is_some()).count();
    let ranged = matches!(
        config.preset,
        Preset::Standard | Preset::PowerSpectrum | Preset::MomentTensor
    );
    let open = ranged && (config.radial_cutoff.is_none() || config.angular_cutoff.is_none());
    if !open || known < FEWEST || training.force_weight == 0.0 {
        return build(config);
    }
    let mut chosen = config.clone();
    let settle = |chosen: &mut DescriptorConfig,
                  candidates: &[f64],
                  set: fn(&mut DescriptorConfig, Length)|
     -> Result<(), DescriptorError> {
        let mut best: Option<(f64, DescriptorConfig)> = None;
        for reach in candidates {
            let mut candidate = chosen.clone();
            set(&mut candidate, Length::new(reach * spacing));
            let score = score(build(&candidate)?, network, training, &sample);
            if best.as_ref().is_none_or(|(least, _)| score < WORTHWHILE * least) {
                best = Some((score, candidate));
            }
            if best.as_ref().is_some_and(|(least, _)| *least < ENOUGH) {
                break;
            }
        }
        if let Some((_, candidate)) = best {
            *chosen = candidate;
        }
        Ok(())
    };
    if config.radial_cutoff.is_none() {
        settle(&mut chosen, &RADIAL, |config, length| {
            config.radial_cutoff = Some(length);
        })?;
    }
    if config.angular_cutoff.is_none() {
        settle(&mut chosen, &ANGULAR, |config, length| {
            config.angular_cutoff = Some(length);
        })?;
    }
    build(&chosen)
}

/// Some of the frames, evenly taken.
fn sample(labelled: &[Arc<LabelledStructure>]) -> Vec<Arc<LabelledStructure>> {
    let atoms: usize = labelled.iter().map(|frame| frame.structure.len()).sum();
    let affordable = (ATOMS * labelled.len()).div_ceil(atoms.max(1)).clamp(FEWEST, FRAMES);
    let stride = labelled.len().div_ceil(affordable).max(1);
    labelled.iter().step_by(stride).cloned().collect()
}

/// The cross-validated error of the linear path.
fn score(
    descriptor: Descriptor,
    network: &NetworkConfig,
    training: &TrainingConfig,
    sample: &[Arc<LabelledStructure>],
) -> f64 {
    let columns = offsets(&descriptor).last().copied().unwrap_or(0);
    let frames: Vec<Frame> = sample
        .par_iter()
        .map(|frame| Frame::new(&descriptor, frame, |_| {}))
        .collect();
    let grams = (0..training.folds)
        .into_par_iter()
        .map(|fold| {
            let mut gram = Gram::empty(columns);
            for frame in frames.iter().skip(fold).step_by(training.folds) {
                gram.add(frame);
            }
            gram
        })
        .collect();
    let cache = Cache {
        descriptor,
        jacobians: Vec::new(),
        grams,
        frames,
    };
    let problem = Problem::new(training, network, &cache, sample);
    let targets = labels(&cache.frames);
    let ridge = problem.ridge(&targets);
    ridge.score(&ridge.choose())
}
