//! One fit: the linear path and the networks of a set of frames, held-out errors, and what is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::algebra::product;
use super::frame::offsets;
use super::loss::{Data, Weights};
use super::networks::{Task, Trained, carry_over, random_member, scaled_inputs};
use super::report::{Errors, MemberReport, NetworkReport, Predicted};
use super::ridge::{Ridge, RidgeChoice, Solution};
use super::scaling::scaling;
use super::targets::{Targets, labels, less, normalise};
use super::trainer::Cache;
use super::{Fit, FitReport, LabelledStructure, Progress, Stage, TrainingConfig, TrainingError};
use crate::network::NetworkConfig;
use crate::potential::{Member, NeuralPotential, Potential, Scaling, Workspace};
use crate::rng::{Purpose, stream};

/// The share of the energies in the networks' loss at the start, that of the forces being 1.
const ENERGY_SHARE: f64 = 0.2;
/// The share of the virials.
const VIRIAL_SHARE: f64 = 0.05;

/// The frames of one fit in scaled descriptors.
pub(super) struct Problem<'a> {
    training: &'a TrainingConfig,
    network: &'a NetworkConfig,
    cache: &'a Cache,
    data: Data<'a>,
    offsets: Vec<usize>,
    shift: Vec<f64>,
    factor: Vec<f64>,
    pub scaling: Vec<Scaling>,
    elements: Vec<String>,
}

/// Trained networks and what they achieved.
pub(super) struct Outcome {
    pub members: Vec<Member>,
    pub report: NetworkReport,
}

impl<'a> Problem<'a> {
    /// Scales the descriptors of all frames.
    pub fn new(
        training: &'a TrainingConfig,
        network: &'a NetworkConfig,
        cache: &'a Cache,
        labelled: &'a [Arc<LabelledStructure>],
    ) -> Self {
        let offsets = offsets(&cache.descriptor);
        let (shift, factor) = scaling(&cache.frames, &cache.descriptor, &offsets);
        let scaling: Vec<Scaling> = offsets
            .windows(2)
            .map(|pair| Scaling {
                shift: shift[pair[0]..pair[1]].to_vec(),
                factor: factor[pair[0]..pair[1]].to_vec(),
            })
            .collect();
        let data = Data {
            descriptor: &cache.descriptor,
            labelled,
            frames: &cache.frames,
            inputs: scaled_inputs(&cache.frames, &scaling),
            jacobians: &cache.jacobians,
            factors: scaling.iter().map(|scaling| scaling.factor.clone()).collect(),
        };
        Self {
            training,
            network,
            cache,
            data,
            offsets,
            shift,
            factor,
            scaling,
            elements: cache.descriptor.elements().iter().map(ToString::to_string).collect(),
        }
    }

    /// Symmetry functions per element.
    pub fn functions(&self) -> BTreeMap<String, usize> {
        let counts = self.offsets.windows(2).map(|pair| pair[1] - pair[0]);
        self.elements.iter().cloned().zip(counts).collect()
    }

    /// Numbers of all functions, element by element.
    pub fn per_element(&self, values: &[f64]) -> Vec<Vec<f64>> {
        self.offsets
            .windows(2)
            .map(|pair| values[pair[0]..pair[1]].to_vec())
            .collect()
    }

    /// The linear fit to targets.
    pub fn ridge(&self, targets: &Targets) -> Ridge<'_> {
        let emphasis = [
            self.training.energy_weight,
            self.training.force_weight,
            self.training.stress_weight,
        ];
        let scaling = (&self.shift[..], &self.factor[..]);
        Ridge::new(
            &self.cache.frames,
            &self.cache.grams,
            scaling,
            &self.offsets,
            targets,
            emphasis,
        )
    }

    /// What the linear path, plus a correction, says of a frame.
    pub fn predict(&self, index: usize, solution: &Solution, correction: &Predicted) -> Predicted {
        let frame = &self.cache.frames[index];
        let raw: Vec<f64> = solution
            .coefficients
            .iter()
            .zip(&self.factor)
            .map(|(c, f)| c * f)
            .collect();
        let mut energy = correction.energy;
        for (element, pair) in self.offsets.windows(2).enumerate() {
            energy += frame.counts[element] * solution.references[element];
            for p in pair[0]..pair[1] {
                energy += (frame.pooled[p] - frame.counts[element] * self.shift[p]) * raw[p];
            }
        }
        let add = |mut sums: Vec<f64>, corrections: &[f64]| {
            for (sum, correction) in sums.iter_mut().zip(corrections) {
                *sum += correction;
            }
            sums
        };
        Predicted {
            energy,
            forces: add(product(&frame.force_rows, &raw), &correction.forces),
            virial: add(product(&frame.virial_rows, &raw), &correction.virial),
        }
    }

    /// The prediction of every frame by the linear path fitted without its fold.
    pub fn held_out(&self, ridge: &Ridge, choice: Option<&RidgeChoice>) -> Vec<Predicted> {
        let folds = self.cache.grams.len();
        let frames = self.cache.frames.len();
        let solutions: Vec<Solution> = (0..folds.min(frames))
            .into_par_iter()
            .map(|fold| solve(ridge, Some(fold), choice))
            .collect();
        (0..frames)
            .into_par_iter()
            .map(|index| self.predict(index, &solutions[index % folds], &Predicted::default()))
            .collect()
    }

    /// Errors of predictions of some frames.
    pub fn errors<'b>(&self, predicted: impl Iterator<Item = (usize, &'b Predicted)>) -> Errors {
        let frames = &self.cache.frames;
        Errors::measure(
            predicted.map(|(index, predicted)| (&frames[index], predicted)),
            &self.elements,
        )
    }

    /// What the mean of members says of every frame; zero without members.
    pub fn mean_prediction(&self, members: &[Member]) -> Vec<Predicted> {
        let share = 1.0 / members.len().max(1) as f64;
        (0..self.cache.frames.len())
            .into_par_iter()
            .map(|index| {
                let mut sum = Predicted::default();
                for member in members {
                    let own = self.data.predict(index, member);
                    sum.energy += share * own.energy;
                    sum.forces.resize(own.forces.len(), 0.0);
                    sum.virial.resize(own.virial.len(), 0.0);
                    let numbers = sum.forces.iter_mut().chain(&mut sum.virial);
                    for (sum, value) in numbers.zip(own.forces.iter().chain(&own.virial)) {
                        *sum += share * value;
                    }
                }
                sum
            })
            .collect()
    }

    /// Trains every member of the committee on what the linear path leaves, each with a fold of its own held out.
    pub fn train_networks(
        &self,
        linear: &[Predicted],
        choice: Option<&RidgeChoice>,
        previous: Option<&NeuralPotential>,
        seed: u64,
        observer: &dyn Fn(Progress),
        notes: &mut Vec<String>,
    ) -> Result<Outcome, TrainingError> {
        let folds = self.cache.grams.len();
        let labels = labels(&self.cache.frames);
        let counts: Vec<usize> = self.offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mut members = Vec::new();
        let mut reports = Vec::new();
        for index in 0..self.network.committee {
            let mut generator = stream(seed, index as u64, labels.energies.len() as u64, Purpose::Training);
            let fold = index % folds;
            // Members differ by the fold they do not see and by their first parameters, not by a bootstrap: a third of the frames
            // left out costs each member more than it tells of its error (Lakshminarayanan, Pritzel & Blundell, NIPS 2017).
            let (validation, train): (Vec<usize>, Vec<usize>) =
                (0..self.cache.frames.len()).partition(|frame| frame % folds == fold);
            let start = previous
                .and_then(|potential| Some((potential.members.get(index)?, &potential.scaling)))
                .and_then(|(member, scaling)| carry_over(member, scaling, &self.scaling, self.network));
            let warm = start.is_some();

            // The linear path given the start, without the held-out fold; what it leaves is what networks learn.
            let before = match &start {
                Some(start) => self.mean_prediction(std::slice::from_ref(start)),
                None => vec![Predicted::default(); self.cache.frames.len()],
            };
            let rest = less(&labels, &before);
            let solution = solve(&self.ridge(&rest), Some(fold), choice);
            let base: Vec<Predicted> = (0..self.cache.frames.len())
                .into_par_iter()
                .map(|frame| self.predict(frame, &solution, &Predicted::default()))
                .collect();
            let mut targets = less(&labels, &base);
            let scale = normalise(&mut targets, &self.cache.frames, &train);
            let mut start = match start {
                Some(start) => start,
                None => random_member(&counts, self.network, &mut generator).map_err(|_| TrainingError::Config {
                    section: "[network]",
                    key: "hidden",
                    value: format!("{:?}", self.network.hidden),
                    rule: "must make a network",
                })?,
            };
            rescale(&mut start, 1.0 / scale);
            let task = Task {
                data: &self.data,
                weights: self.weights(&targets, &train),
                targets: &targets,
                train,
                validation: validation.clone(),
                warm,
            };
            let atoms = self.cache.frames.iter().map(|frame| frame.atoms as f64).sum::<f64>();
            let typical = scale * (atoms / self.cache.frames.len() as f64).sqrt();
            let report_epoch = |done, total, spread: f64| {
                observer(Progress {
                    stage: Stage::Networks { member: index },
                    done,
                    total,
                    energy_error_std: Some(typical * spread),
                });
            };
            let mut trained: Trained = task.train(start, &self.training.optimiser, &mut generator, &report_epoch);
            rescale(&mut trained.member, scale);
            if trained.diverged {
                notes.push(format!(
                    "training of member {index} diverged in epoch {}: the parameters of epoch {} were kept",
                    trained.epochs, trained.best_epoch
                ));
            }

            let after = self.mean_prediction(std::slice::from_ref(&trained.member));
            let solution = solve(&self.ridge(&less(&labels, &after)), Some(fold), choice);
            let with: Vec<Predicted> = validation
                .par_iter()
                .map(|frame| self.predict(*frame, &solution, &after[*frame]))
                .collect();
            reports.push(MemberReport {
                fold,
                warm,
                epochs: trained.epochs,
                best_epoch: trained.best_epoch,
                without: self.errors(validation.iter().map(|frame| (*frame, &linear[*frame]))),
                with: self.errors(validation.iter().copied().zip(&with)),
            });
            members.push(trained.member);
        }
        let learnt = reports.iter().all(|report| report.best_epoch > 0 || report.warm);
        let kept = learnt && self.is_gain(&reports);
        if !kept {
            notes.push(
                "the networks did not lower the held-out errors of total energy and forces and were left out"
                    .to_owned(),
            );
        }
        Ok(Outcome {
            members,
            report: NetworkReport { kept, members: reports },
        })
    }

    /// Whether the networks lower the held-out errors: that of the total energy, or that of the forces by more, as a ratio, than they
    /// raise the energy's, which they may by a tenth. Where frames are of many phases the few energies of a fold tell little alone.
    fn is_gain(&self, reports: &[MemberReport]) -> bool {
        let ratio = |of: fn(&Errors) -> f64| {
            let sum = |errors: fn(&MemberReport) -> &Errors| -> f64 {
                reports.iter().map(|report| of(errors(report)).powi(2)).sum()
            };
            let (with, without) = (sum(|report| &report.with), sum(|report| &report.without));
            // Nothing to compare, as where no forces are labelled, speaks for neither.
            if without > 0.0 { (with / without).sqrt() } else { 1.0 }
        };
        let energy = ratio(|errors| errors.energy_error_std);
        let force = ratio(|errors| errors.force_rmse.unwrap_or(0.0));
        let gain = energy < 1.0 || (energy * force < 1.0 && energy < 1.1);
        energy.is_finite() && (gain || !self.training.linear)
    }

    /// Weights that give energies, forces and virials their shares of the loss at its start.
    fn weights(&self, targets: &Targets, train: &[usize]) -> Weights {
        let frames = &self.cache.frames;
        let share = |emphasis: f64, share: f64, mean: f64| if mean > 0.0 { emphasis * share / mean } else { 0.0 };
        let mut spread = (0.0, 0.0);
        let (mut virial, mut virials) = (0.0, 0.0);
        let (mut force, mut forces) = (0.0, 0.0);
        for frame in train {
            let atoms = frames[*frame].atoms as f64;
            spread.0 += targets.energies[*frame] * targets.energies[*frame] / atoms;
            spread.1 += 1.0;
            virial += targets.virials[*frame].iter().map(|w| w * w).sum::<f64>() / atoms;
            virials += targets.virials[*frame].len() as f64;
            force += targets.forces[*frame].iter().map(|f| f * f).sum::<f64>();
            forces += targets.forces[*frame].len() as f64;
        }
        Weights {
            energy: share(
                self.training.energy_weight,
                ENERGY_SHARE,
                spread.0 / f64::max(spread.1, 1.0),
            ),
            force: share(self.training.force_weight, 1.0, force / f64::max(forces, 1.0)),
            virial: share(
                self.training.stress_weight,
                VIRIAL_SHARE,
                virial / f64::max(virials, 1.0),
            ),
        }
    }

    /// The end of a fit that learnt nothing: the previous potential, or an error where there is none.
    pub fn keep_previous(
        &self,
        previous: Option<&NeuralPotential>,
        mut notes: Vec<String>,
    ) -> Result<Fit, TrainingError> {
        let Some(previous) = previous else {
            return Err(TrainingError::Diverged);
        };
        notes.push("the previous potential was kept".to_owned());
        let predicted: Vec<Predicted> = self
            .data
            .labelled
            .par_iter()
            .map(|frame| {
                Predicted::new(
                    previous.evaluate(&frame.structure, &mut Workspace::new()),
                    &frame.structure,
                )
            })
            .collect();
        let train = self.errors(predicted.iter().enumerate());
        let report = FitReport {
            labels: self.cache.frames.len(),
            atoms: self.cache.frames.iter().map(|frame| frame.atoms).sum(),
            functions: self.functions(),
            cutoff: self.cache.descriptor.cutoff(),
            train,
            notes,
            ..FitReport::default()
        };
        Ok(Fit {
            potential: previous.clone(),
            report,
        })
    }
}

/// The linear path, or reference energies alone where there is none.
pub(super) fn solve(ridge: &Ridge, held_out: Option<usize>, choice: Option<&RidgeChoice>) -> Solution {
    match choice {
        Some(choice) => ridge.solve(held_out, choice),
        None => ridge.references_only(held_out),
    }
}

/// Multiplies the energies of all networks.
fn rescale(member: &mut Member, factor: f64) {
    for network in member.iter_mut().flatten() {
        network.scale_output(factor);
    }
}
