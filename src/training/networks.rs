//! Training the networks of one committee member: batches, early stop on held-out frames, divergence.

use ndarray::Array2;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::adamw::{Adamw, cosine_schedule};
use super::kalman::Kalman;
use super::loss::{Adjoints, Data, Weights, parameter_count, parameters, set_parameters};
use super::targets::Targets;
use super::whitening::Coordinates;
use super::{AdamwConfig, KalmanConfig, OptimiserConfig};
use crate::network::{Network, NetworkConfig, NetworkError};
use crate::potential::{Member, Scaling};

/// What one member is trained on.
pub(super) struct Task<'a> {
    pub data: &'a Data<'a>,
    /// The residual in normalised units.
    pub targets: &'a Targets,
    pub weights: Weights,
    /// Frames to learn from, as often as listed.
    pub train: Vec<usize>,
    /// Frames to validate on.
    pub validation: Vec<usize>,
    pub warm: bool,
}

/// What became of a member.
pub(super) struct Trained {
    pub member: Member,
    pub epochs: usize,
    pub best_epoch: usize,
    pub diverged: bool,
}

/// Networks of fresh random weights for elements with the given numbers of functions.
pub(super) fn random_member(
    counts: &[usize],
    config: &NetworkConfig,
    generator: &mut impl Rng,
) -> Result<Member, NetworkError> {
    counts
        .iter()
        .map(|count| {
            if *count == 0 {
                return Ok(None);
            }
            Network::random(*count, &config.hidden, config.activation, generator).map(Some)
        })
        .collect()
}

/// The previous generation's networks for newly scaled inputs, exactly the same functions of the unscaled ones; `None`
/// where the shapes differ from what the configuration asks for.
pub(super) fn carry_over(
    previous: &Member,
    old: &[Scaling],
    new: &[Scaling],
    config: &NetworkConfig,
) -> Option<Member> {
    let mut member = Vec::with_capacity(previous.len());
    for ((network, old), new) in previous.iter().zip(old).zip(new) {
        let Some(network) = network else {
            member.push(None);
            continue;
        };
        let (layers, widths) = (network.layers(), network.widths());
        let fits = widths[1..layers] == config.hidden[..]
            && network.activations()[..layers - 1]
                .iter()
                .all(|a| *a == config.activation)
            && widths[0] == new.factor.len();
        if !fits {
            return None;
        }
        // x_old = x_new·(f_old/f_new) + (s_new − s_old)·f_old.
        let width = widths[1];
        let mut network = network.clone();
        let weights: Array2<f64> = network.weights(0).to_owned();
        let mut biases = network.biases(0).to_vec();
        let parameters = network.parameters_mut();
        for (f, row) in weights.rows().into_iter().enumerate() {
            let ratio = if new.factor[f] == 0.0 {
                0.0
            } else {
                old.factor[f] / new.factor[f]
            };
            let shift = (new.shift[f] - old.shift[f]) * old.factor[f];
            for (o, weight) in row.iter().enumerate() {
                parameters[f * width + o] = ratio * weight;
                biases[o] += shift * weight;
            }
        }
        let start = new.factor.len() * width;
        parameters[start..start + width].copy_from_slice(&biases);
        member.push(Some(network));
    }
    Some(member)
}

/// The weight of an epoch in the running mean of held-out errors. Held-out frames are few and the first epochs' steps large: single errors
/// scatter, and the least of them would choose a lucky early epoch.
const FRESH: f64 = 0.3;

impl Task<'_> {
    /// The geometric mean of the spread of energy errors (over √N) and of the force errors on the held-out frames: the
    /// energies are what counts, the forces make the judgement certain where frames are few. Also the energy spread alone.
    fn judge(&self, member: &Member) -> (f64, f64) {
        let results: Vec<(f64, f64, f64, f64)> = self
            .validation
            .par_iter()
            .map(|frame| {
                let predicted = self.data.predict(*frame, member);
                let error = predicted.energy - self.targets.energies[*frame];
                let targets = &self.targets.forces[*frame];
                let square: f64 = predicted
                    .forces
                    .iter()
                    .zip(targets)
                    .map(|(p, t)| (p - t) * (p - t))
                    .sum();
                (
                    error,
                    self.data.frames[*frame].atoms as f64,
                    square,
                    targets.len() as f64,
                )
            })
            .collect();
        let atoms: f64 = results.iter().map(|r| r.1).sum();
        let mean = results.iter().map(|r| r.0).sum::<f64>() / atoms;
        let energy: f64 = results.iter().map(|r| (r.0 - mean * r.1).powi(2) / r.1).sum();
        let energy = (energy / (results.len() as f64 - 1.0).max(1.0)).sqrt();
        let components: f64 = results.iter().map(|r| r.3).sum();
        if components == 0.0 || self.weights.force == 0.0 {
            return (energy, energy);
        }
        let force = (results.iter().map(|r| r.2).sum::<f64>() / components).sqrt();
        if self.weights.energy == 0.0 || results.len() < 2 {
            return (force, energy);
        }
        ((energy * force).sqrt(), energy)
    }

    /// Trains from a start. `observer` is told the epochs done, the epochs in all and the energy spread (eV in normalised
    /// units, over √N).
    pub fn train(
        &self,
        start: Member,
        optimiser: &OptimiserConfig,
        generator: &mut impl Rng,
        observer: &dyn Fn(usize, usize, f64),
    ) -> Trained {
        let (epochs, patience) = match optimiser {
            OptimiserConfig::Adamw(c) => (if self.warm { c.warm_epochs } else { c.epochs }, c.patience),
            OptimiserConfig::Kalman(c) => (if self.warm { c.warm_epochs } else { c.epochs }, c.patience),
        };
        let mut stepper = match optimiser {
            OptimiserConfig::Adamw(config) => {
                Stepper::Adamw(Adamw::new(parameter_count(&start), config.weight_decay), config)
            }
            OptimiserConfig::Kalman(config) => Stepper::Kalman(Kalman::new(parameter_count(&start), config), config),
        };
        let coordinates = Coordinates::new(&start, &self.train.iter().map(|frame| &self.data.inputs[*frame]));
        let mut start = start;
        if !self.warm {
            // Random weights are meant for inputs that are alike in size and independent.
            let mut vector = parameters(&start);
            coordinates.to_parameters(&mut vector);
            set_parameters(&mut start, &vector);
        }
        let mut least = self.judge(&start).0;
        let mut running = least;
        let mut best = start.clone();
        let mut trained = Trained {
            member: start.clone(),
            epochs: 0,
            best_epoch: 0,
            diverged: !least.is_finite(),
        };
        let mut member = start;
        let mut order = self.train.clone();
        while trained.epochs < epochs && !trained.diverged && trained.epochs - trained.best_epoch < patience {
            shuffle(&mut order, generator);
            trained.diverged = !self.epoch(
                &mut member,
                &order,
                &mut stepper,
                &coordinates,
                (trained.epochs, epochs),
                generator,
            );
            let (score, energy) = self.judge(&member);
            trained.epochs += 1;
            // From random weights the start says nothing of what follows.
            let fresh = if trained.epochs == 1 && !self.warm { 1.0 } else { FRESH };
            running = (1.0 - fresh) * running + fresh * score;
            if !score.is_finite() {
                trained.diverged = true;
            } else if running < least {
                least = running;
                best.clone_from(&member);
                trained.best_epoch = trained.epochs;
            }
            observer(trained.epochs, epochs, energy);
        }
        trained.member = best;
        trained
    }

    /// One pass over the frames; false where the numbers break down.
    fn epoch(
        &self,
        member: &mut Member,
        order: &[usize],
        stepper: &mut Stepper,
        coordinates: &Coordinates,
        (epoch, epochs): (usize, usize),
        generator: &mut impl Rng,
    ) -> bool {
        let size = match stepper {
            Stepper::Adamw(_, config) => config.batch,
            Stepper::Kalman(_, config) => config.streams,
        };
        let batches = order.len().div_ceil(size);
        let mut vector = parameters(member);
        coordinates.to_coordinates(&mut vector);
        for (index, batch) in order.chunks(size).enumerate() {
            match stepper {
                Stepper::Adamw(adamw, config) => {
                    let (loss, mut gradient) = self.data.loss_and_gradient(batch, member, self.targets, &self.weights);
                    if !loss.is_finite() || gradient.iter().any(|x| !x.is_finite()) {
                        return false;
                    }
                    coordinates.pull_back(&mut gradient);
                    let fraction = (epoch as f64 + index as f64 / batches as f64) / epochs as f64;
                    let start = if self.warm { 0.3 } else { 1.0 };
                    let rate = config.learning_rate * start * cosine_schedule(fraction);
                    adamw.step(&mut vector, &gradient, rate);
                }
                Stepper::Kalman(kalman, config) => {
                    let (mut derivatives, errors) =
                        self.observations(batch, member, config.forces_per_frame, generator);
                    for row in derivatives.chunks_exact_mut(vector.len()) {
                        coordinates.pull_back(row);
                    }
                    if !kalman.update(&mut vector, &derivatives, &errors) {
                        return false;
                    }
                }
            }
            let mut weights = vector.clone();
            coordinates.to_parameters(&mut weights);
            set_parameters(member, &weights);
        }
        true
    }

    /// The energy and some force components of each frame: parameter derivatives and errors, divided by the standard
    /// deviation that their weight in the loss implies.
    fn observations(
        &self,
        batch: &[usize],
        member: &Member,
        forces_per_frame: usize,
        generator: &mut impl Rng,
    ) -> (Vec<f64>, Vec<f64>) {
        let mut wanted: Vec<(usize, Option<usize>)> = Vec::new();
        for frame in batch {
            if self.weights.energy > 0.0 {
                wanted.push((*frame, None));
            }
            let components = self.targets.forces[*frame].len();
            if self.weights.force > 0.0 && components > 0 {
                for _ in 0..forces_per_frame {
                    wanted.push((*frame, Some(generator.random_range(0..components))));
                }
            }
        }
        let predicted: Vec<_> = batch
            .par_iter()
            .map(|frame| self.data.predict(*frame, member))
            .collect();
        let count = parameter_count(member);
        let rows: Vec<(Vec<f64>, f64)> = wanted
            .par_iter()
            .map(|(frame, component)| {
                let place = batch.iter().position(|other| other == frame).unwrap_or(0);
                let mut adjoints = Adjoints::default();
                let error = if let Some(component) = component {
                    let scale = self.weights.force.sqrt();
                    adjoints.forces = vec![0.0; 3 * self.data.frames[*frame].atoms];
                    adjoints.forces[*component] = scale;
                    scale * (self.targets.forces[*frame][*component] - predicted[place].forces[*component])
                } else {
                    adjoints.energy = (self.weights.energy / self.data.frames[*frame].atoms as f64).sqrt();
                    adjoints.energy * (self.targets.energies[*frame] - predicted[place].energy)
                };
                let mut row = vec![0.0; count];
                self.data.add_gradient(*frame, member, &adjoints, &mut row);
                (row, error)
            })
            .collect();
        let errors = rows.iter().map(|(_, error)| *error).collect();
        (rows.into_iter().flat_map(|(row, _)| row).collect(), errors)
    }
}

/// An optimiser at work.
enum Stepper<'a> {
    Adamw(Adamw, &'a AdamwConfig),
    Kalman(Kalman, &'a KalmanConfig),
}

/// Fisher and Yates.
fn shuffle(order: &mut [usize], generator: &mut impl Rng) {
    for i in (1..order.len()).rev() {
        order.swap(i, generator.random_range(0..=i));
    }
}

/// Inputs of the networks: scaled descriptors of every frame.
pub(super) fn scaled_inputs(frames: &[super::frame::Frame], scaling: &[Scaling]) -> Vec<Vec<Array2<f64>>> {
    frames
        .par_iter()
        .map(|frame| {
            let scale = |(block, scaling): (&super::frame::ElementBlock, &Scaling)| {
                let mut values = block.values.clone();
                for mut row in values.rows_mut() {
                    scaling.apply(row.as_slice_mut().expect("rows are contiguous"));
                }
                values
            };
            frame.blocks.iter().zip(scaling).map(scale).collect()
        })
        .collect()
}
