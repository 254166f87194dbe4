//! One fit after another on a growing set of frames, what is expensive computed once.

use std::sync::Arc;

use rayon::prelude::*;

use super::frame::{Frame, offsets};
use super::jacobian::Jacobians;
use super::problem::{Problem, solve};
use super::reaches::choose_descriptor;
use super::report::Predicted;
use super::ridge::Gram;
use super::targets::{labels, less};
use super::{Fit, FitReport, LabelledStructure, Progress, Stage, TrainingConfig, TrainingError};
use crate::descriptor::{Descriptor, DescriptorConfig};
use crate::network::NetworkConfig;
use crate::potential::NeuralPotential;
use crate::structure::Species;

/// Fits potentials. Between fits it keeps descriptors and Gram matrices of the frames seen; a new trainer gives the same
/// potential, bit for bit.
pub struct Trainer {
    descriptor_config: DescriptorConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    cache: Option<Cache>,
}

/// What is kept of the frames, valid for one descriptor.
pub(super) struct Cache {
    pub descriptor: Descriptor,
    pub frames: Vec<Frame>,
    /// The first frames' derivatives, as many as the memory budget holds; only where networks need them.
    pub jacobians: Vec<Option<Jacobians>>,
    pub grams: Vec<Gram>,
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
        let with_networks = !self.network.hidden.is_empty()
            && frames.len() > self.training.folds
            && (!self.training.linear || frames.len() >= self.training.networks_after);
        self.gather(frames, previous, with_networks, observer)?;
        let cache = self.cache.as_ref().ok_or(TrainingError::NoFrames)?;
        let mut notes = Vec::new();
        if let Some(previous) = previous
            && previous.descriptor != cache.descriptor
        {
            notes.push("the previous potential does not know all elements: started anew".to_owned());
        }
        let previous = previous.filter(|previous| previous.descriptor == cache.descriptor);
        let problem = Problem::new(&self.training, &self.network, cache, frames);
        let linear_progress = |done| Progress {
            stage: Stage::Linear,
            done,
            total: 1,
            energy_error_std: None,
        };
        observer(linear_progress(0));
        let targets = labels(&cache.frames);
        let ridge = problem.ridge(&targets);
        let choice = self.training.linear.then(|| ridge.choose());
        let held_out = problem.held_out(&ridge, choice.as_ref());
        let without = problem.errors(held_out.iter().enumerate());
        observer(Progress {
            energy_error_std: Some(without.energy_error_std),
            ..linear_progress(1)
        });

        let mut outcome = None;
        if with_networks {
            outcome = Some(problem.train_networks(&held_out, choice.as_ref(), previous, seed, observer, &mut notes)?);
        } else if !self.network.hidden.is_empty() {
            notes.push(format!(
                "no networks yet: {} labels, networks are trained from {} on",
                frames.len(),
                self.training.networks_after.max(self.training.folds + 1)
            ));
        }
        let members = match &mut outcome {
            Some(outcome) if outcome.report.kept => std::mem::take(&mut outcome.members),
            _ => Vec::new(),
        };
        if members.is_empty() && !self.training.linear {
            return problem.keep_previous(previous, notes);
        }

        // The linear path once more, on all frames, given the networks.
        let corrections = problem.mean_prediction(&members);
        let rest = less(&targets, &corrections);
        let solution = solve(&problem.ridge(&rest), None, choice.as_ref());
        let fitted: Vec<Predicted> = (0..cache.frames.len())
            .into_par_iter()
            .map(|index| problem.predict(index, &solution, &corrections[index]))
            .collect();
        let per_element = |values: &[f64]| problem.per_element(values);
        let mut potential = NeuralPotential::new(
            cache.descriptor.clone(),
            problem.scaling.clone(),
            solution.references.clone(),
            self.training.linear.then(|| per_element(&solution.coefficients)),
            members,
        )?;
        potential.ranges = Some(super::ranges::ranges(&cache.descriptor, cache.frames.iter()));
        let validation = match outcome.as_ref().map(|outcome| &outcome.report) {
            Some(networks) if networks.kept => networks.members[0].with.clone(),
            _ => without,
        };
        let report = FitReport {
            labels: cache.frames.len(),
            atoms: cache.frames.iter().map(|frame| frame.atoms).sum(),
            functions: problem.functions(),
            cutoff: cache.descriptor.cutoff(),
            linear: choice,
            networks: outcome.map(|outcome| outcome.report),
            train: problem.errors(fitted.iter().enumerate()),
            validation,
            notes,
        };
        Ok(Fit { potential, report })
    }

    /// Brings the cache up to date.
    fn gather(
        &mut self,
        labelled: &[Arc<LabelledStructure>],
        previous: Option<&NeuralPotential>,
        with_networks: bool,
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
            let (network, training) = (&self.network, &self.training);
            choose_descriptor(&self.descriptor_config, network, training, &elements, labelled)?
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
            jacobians: Vec::new(),
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
            let new: Vec<(Frame, Option<Jacobians>)> = chunk
                .par_iter()
                .map(|frame| {
                    let mut jacobians = with_networks.then(Jacobians::empty);
                    let frame = Frame::new(descriptor, frame, |atom| {
                        if let Some(jacobians) = &mut jacobians {
                            jacobians.append(atom);
                        }
                    });
                    if let Some(jacobians) = &mut jacobians {
                        jacobians.shrink();
                    }
                    (frame, jacobians)
                })
                .collect();
            for (frame, jacobians) in new {
                cache.frames.push(frame);
                cache.jacobians.push(jacobians);
            }
            cache.keep_within(self.training.memory_budget << 20);
        }
        if with_networks {
            cache.complete(&labelled[..known], self.training.memory_budget << 20);
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

impl Cache {
    /// Drops derivatives from the first frame on that does not fit into the budget in bytes.
    fn keep_within(&mut self, budget: usize) {
        let mut used: usize = self.frames.iter().map(Frame::bytes).sum();
        for jacobians in &mut self.jacobians {
            used += jacobians.as_ref().map_or(0, Jacobians::bytes);
            if used > budget {
                *jacobians = None;
            }
        }
    }

    /// Computes the derivatives of earlier frames that were not needed so far, while the budget lasts.
    fn complete(&mut self, labelled: &[Arc<LabelledStructure>], budget: usize) {
        let frames: usize = self.frames.iter().map(Frame::bytes).sum();
        for start in (0..labelled.len()).step_by(16) {
            let held: usize = self.jacobians.iter().flatten().map(Jacobians::bytes).sum();
            if frames + held > budget {
                break;
            }
            let missing: Vec<usize> = (start..labelled.len().min(start + 16))
                .filter(|index| self.jacobians[*index].is_none())
                .collect();
            let descriptor = &self.descriptor;
            let new: Vec<Jacobians> = missing
                .par_iter()
                .map(|index| Jacobians::compute(descriptor, &labelled[*index].structure))
                .collect();
            for (index, jacobians) in missing.into_iter().zip(new) {
                self.jacobians[index] = Some(jacobians);
            }
        }
        self.keep_within(budget);
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
