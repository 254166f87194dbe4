//! One fit after another on a growing set of frames, what is expensive computed once.

use std::sync::Arc;

use rayon::prelude::*;

use super::algebra::product;
use super::frame::{Frame, features, offsets};
use super::report::{Errors, Predicted};
use super::ridge::{Gram, Ridge, Solution, Targets};
use super::{Fit, FitReport, LabelledStructure, Progress, Stage, TrainingConfig, TrainingError};
use crate::descriptor::{Descriptor, DescriptorConfig};
use crate::network::NetworkConfig;
use crate::potential::{NeuralPotential, Scaling};
use crate::structure::{Species, Structure};

/// Fits potentials. Between fits it keeps descriptors and Gram matrices of the frames seen; a new trainer gives the same
/// potential, bit for bit.
pub struct Trainer {
    descriptor_config: DescriptorConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    cache: Option<Cache>,
}

/// What is kept of the frames, valid for one descriptor.
struct Cache {
    descriptor: Descriptor,
    frames: Vec<Frame>,
    grams: Vec<Gram>,
}

impl Trainer {
    /// A trainer of the given configuration.
    pub fn new(
        descriptor: DescriptorConfig,
        network: NetworkConfig,
        training: TrainingConfig,
    ) -> Result<Self, TrainingError> {
        training.validate()?;
        network_is_valid(&network, &training)?;
        Ok(Self {
            descriptor_config: descriptor,
            network,
            training,
            cache: None,
        })
    }

    /// Fits a potential to all frames.
    ///
    /// From call to call `frames` may only grow at its end. Where `previous` knows all elements, its descriptor is kept and
    /// its networks are where training starts. `seed` decides weights and batches; together with the arguments it decides
    /// every bit of the result, at any number of threads.
    pub fn fit(
        &mut self,
        frames: &[Arc<LabelledStructure>],
        previous: Option<&NeuralPotential>,
        seed: u64,
        observer: &dyn Fn(Progress),
    ) -> Result<Fit, TrainingError> {
        let _ = (seed, &self.network);
        self.gather(frames, previous, observer)?;
        let cache = self.cache.as_ref().ok_or(TrainingError::NoFrames)?;
        let offsets = offsets(&cache.descriptor);
        let (shift, factor) = scaling(&cache.frames, &offsets);
        let emphasis = [
            self.training.energy_weight,
            self.training.force_weight,
            self.training.stress_weight,
        ];
        let targets = labels(&cache.frames);
        let ridge = Ridge::new(
            &cache.frames,
            &cache.grams,
            (&shift, &factor),
            &offsets,
            &targets,
            emphasis,
        );
        let progress = |done| Progress {
            stage: Stage::Linear,
            done,
            total: 1,
            energy_error_std: None,
        };
        observer(progress(0));
        let choice = self.training.linear.then(|| ridge.choose().0);
        let solve = |held_out| match &choice {
            Some(choice) => ridge.solve(held_out, choice),
            None => ridge.references_only(held_out),
        };
        let solution = solve(None);
        let predict = |frame: &Frame, solution: &Solution| predict_linear(frame, solution, (&shift, &factor), &offsets);
        let train: Vec<Predicted> = cache.frames.par_iter().map(|frame| predict(frame, &solution)).collect();
        let folds = cache.grams.len();
        let held_out: Vec<Solution> = (0..folds.min(cache.frames.len()))
            .into_par_iter()
            .map(|fold| solve(Some(fold)))
            .collect();
        let validation: Vec<Predicted> = cache
            .frames
            .par_iter()
            .enumerate()
            .map(|(index, frame)| predict(frame, &held_out[index % folds]))
            .collect();
        let names: Vec<String> = cache.descriptor.elements().iter().map(ToString::to_string).collect();
        let validation = Errors::measure(cache.frames.iter().zip(&validation), &names);
        observer(Progress {
            energy_error_std: Some(validation.energy_error_std),
            ..progress(1)
        });
        let report = FitReport {
            labels: cache.frames.len(),
            atoms: cache.frames.iter().map(|frame| frame.atoms).sum(),
            functions: names
                .iter()
                .enumerate()
                .map(|(element, name)| (name.clone(), cache.descriptor.count(element)))
                .collect(),
            linear: choice,
            networks: None,
            train: Errors::measure(cache.frames.iter().zip(&train), &names),
            validation,
            notes: Vec::new(),
        };
        let per_element = |values: &[f64]| -> Vec<Vec<f64>> {
            offsets
                .windows(2)
                .map(|pair| values[pair[0]..pair[1]].to_vec())
                .collect()
        };
        let scaling = per_element(&shift)
            .into_iter()
            .zip(per_element(&factor))
            .map(|(shift, factor)| Scaling { shift, factor })
            .collect();
        let potential = NeuralPotential::new(
            cache.descriptor.clone(),
            scaling,
            solution.references.clone(),
            self.training.linear.then(|| per_element(&solution.coefficients)),
            Vec::new(),
        )?;
        Ok(Fit { potential, report })
    }

    /// Brings the cache up to date.
    fn gather(
        &mut self,
        labelled: &[Arc<LabelledStructure>],
        previous: Option<&NeuralPotential>,
        observer: &dyn Fn(Progress),
    ) -> Result<(), TrainingError> {
        if labelled.is_empty() {
            return Err(TrainingError::NoFrames);
        }
        for (index, frame) in labelled.iter().enumerate() {
            check_frame(index, frame)?;
        }
        let mut elements: Vec<Species> = labelled.iter().flat_map(|frame| frame.structure.elements()).collect();
        elements.sort_unstable();
        elements.dedup();
        let kept = previous
            .map(|potential| &potential.descriptor)
            .filter(|descriptor| elements.iter().all(|element| descriptor.elements().contains(element)));
        let descriptor = if let Some(descriptor) = kept {
            descriptor.clone()
        } else {
            let structures: Vec<&Structure> = labelled.iter().map(|frame| &frame.structure).collect();
            Descriptor::from_config(&self.descriptor_config, &elements, &structures)?
        };
        let reusable = self
            .cache
            .as_ref()
            .is_some_and(|cache| cache.descriptor == descriptor && cache.frames.len() <= labelled.len());
        if !reusable {
            self.cache = None;
        }
        let columns = offsets(&descriptor).last().copied().unwrap_or(0);
        let folds = self.training.folds;
        let cache = self.cache.get_or_insert_with(|| Cache {
            descriptor,
            frames: Vec::new(),
            grams: vec![Gram::empty(columns); folds],
        });
        // A few frames at a time, so that not all derivatives are in memory at once.
        let known = cache.frames.len();
        for (chunk_index, chunk) in labelled[known..].chunks(16).enumerate() {
            observer(Progress {
                stage: Stage::Descriptors,
                done: 16 * chunk_index,
                total: labelled.len() - known,
                energy_error_std: None,
            });
            let descriptor = &cache.descriptor;
            let new: Vec<Frame> = chunk
                .par_iter()
                .map(|frame| Frame::new(descriptor, frame, &features(descriptor, &frame.structure)))
                .collect();
            cache.frames.extend(new);
        }
        let frames = &cache.frames;
        cache.grams.par_iter_mut().enumerate().for_each(|(fold, gram)| {
            for (index, frame) in frames.iter().enumerate().skip(known) {
                if index % folds == fold {
                    gram.add(frame);
                }
            }
        });
        Ok(())
    }
}

fn check_frame(index: usize, frame: &LabelledStructure) -> Result<(), TrainingError> {
    let fail = |reason: &str| {
        Err(TrainingError::Frame {
            index,
            reason: reason.to_owned(),
        })
    };
    if !frame.labels.is_finite() {
        return fail("a label is not a finite number");
    }
    if let Some(forces) = &frame.labels.forces
        && forces.len() != frame.structure.len()
    {
        return fail("there is not one force per atom");
    }
    Ok(())
}

fn network_is_valid(network: &NetworkConfig, training: &TrainingConfig) -> Result<(), TrainingError> {
    let fail = |key, value: String, rule| {
        Err(TrainingError::Config {
            section: "[network]",
            key,
            value,
            rule,
        })
    };
    if network.hidden.contains(&0) {
        return fail(
            "hidden",
            format!("{:?}", network.hidden),
            "a layer needs at least one neuron",
        );
    }
    if network.hidden.is_empty() && !training.linear {
        return fail(
            "hidden",
            "[]".to_owned(),
            "nothing is left to train: give hidden layers, or set `linear = true` in [training]",
        );
    }
    if network.committee == 0 {
        return fail("committee", "0".to_owned(), "must be at least 1");
    }
    Ok(())
}

/// The labels as targets.
fn labels(frames: &[Frame]) -> Targets {
    Targets {
        energies: frames.iter().map(|frame| frame.energy).collect(),
        forces: frames.iter().map(|frame| frame.forces.clone()).collect(),
        virials: frames.iter().map(|frame| frame.virial.clone()).collect(),
    }
}

/// Shift and factor that give every function mean 0 and variance 1 over the atoms of its element; a function that does
/// not vary is multiplied by 0.
fn scaling(frames: &[Frame], offsets: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let columns = offsets.last().copied().unwrap_or(0);
    let (mut shift, mut factor) = (vec![0.0; columns], vec![0.0; columns]);
    for (element, pair) in offsets.windows(2).enumerate() {
        let rows = || frames.iter().flat_map(|frame| frame.blocks[element].values.rows());
        let count = rows().count() as f64;
        if count == 0.0 {
            continue;
        }
        let shift = &mut shift[pair[0]..pair[1]];
        for row in rows() {
            for (sum, value) in shift.iter_mut().zip(row) {
                *sum += value / count;
            }
        }
        let mut variance = vec![0.0; shift.len()];
        let mut square = vec![0.0; shift.len()];
        for row in rows() {
            for (f, value) in row.iter().enumerate() {
                variance[f] += (value - shift[f]) * (value - shift[f]) / count;
                square[f] += value * value / count;
            }
        }
        let largest = square.iter().copied().fold(0.0, f64::max);
        for (f, factor) in factor[pair[0]..pair[1]].iter_mut().enumerate() {
            // Below this a function is rounding noise, beside itself or beside the others.
            if variance[f] > 1e-20 * square[f] && variance[f] > 1e-24 * largest {
                *factor = 1.0 / variance[f].sqrt();
            }
        }
    }
    (shift, factor)
}

/// What the linear path says of a frame.
fn predict_linear(
    frame: &Frame,
    solution: &Solution,
    (shift, factor): (&[f64], &[f64]),
    offsets: &[usize],
) -> Predicted {
    let raw: Vec<f64> = solution.coefficients.iter().zip(factor).map(|(c, f)| c * f).collect();
    let mut energy = 0.0;
    for (element, pair) in offsets.windows(2).enumerate() {
        energy += frame.counts[element] * solution.references[element];
        for p in pair[0]..pair[1] {
            energy += (frame.pooled[p] - frame.counts[element] * shift[p]) * raw[p];
        }
    }
    Predicted {
        energy,
        forces: product(&frame.force_rows, &raw),
        virial: product(&frame.virial_rows, &raw),
    }
}
