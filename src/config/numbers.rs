//! Numbers of a configuration that must lie in a range, alone or together.

use super::checker::Checker;
use super::schema::{CellFormConfig, Config, KernelConfig, NptConfig, StrainRateConfig};
use crate::descriptor::Descriptor;
use crate::structure::Structure;
use crate::training::Trainer;

/// More chains than this are a slip of the pen.
pub(super) const MOST_CHAINS: usize = 1000;

/// The jitter of lengths where none is given.
pub(super) const DEFAULT_JITTER: f64 = 0.5;

/// Momenta that self-learning proposals choose among where no number is given: the mean of the energy gains most of what there is to
/// gain, and its variance loses little.
const DEFAULT_MOMENTUM_DRAWS: usize = 3;

/// With more draws the energy hardly does more than change its sign.
const MOST_MOMENTUM_DRAWS: usize = 99;

impl Config {
    /// Whether the kernel's momenta know the kinetic energy of those before.
    fn carries_kinetic_energy(&self) -> bool {
        matches!(self.sampling.kernel, KernelConfig::Slhmc | KernelConfig::Hmc)
    }

    /// How many momenta a segment's are chosen among.
    pub(crate) fn momentum_draws(&self) -> usize {
        match self.sampling.kernel {
            KernelConfig::Slhmc => self.trajectory.momentum_draws.unwrap_or(DEFAULT_MOMENTUM_DRAWS),
            // The yardstick is plain unless it is asked to be more.
            KernelConfig::Hmc => self.trajectory.momentum_draws.unwrap_or(1),
            KernelConfig::Nested(_) | KernelConfig::Local(_) | KernelConfig::Langevin(_) => 1,
        }
    }
}

/// Complains about numbers out of range.
pub(super) fn check_numbers(config: &Config, check: &mut Checker<'_>) {
    if let Some(nvt) = &config.ensemble.nvt {
        check.positive("ensemble.nvt.temperature", nvt.temperature.value());
    }
    if let Some(npt) = &config.ensemble.npt {
        check_npt(npt, check);
    }
    check.positive("trajectory.time-step", config.trajectory.time_step.value());
    check.at_least_one("trajectory.steps", config.trajectory.steps);
    check.at_least_one("trajectory.segments", config.trajectory.segments);
    check.at_least_one("trajectory.most-segments", config.trajectory.most_segments);
    if let Some(most) = config.trajectory.most_steps {
        check.at_least_one("trajectory.most-steps", most);
    }
    check_momentum_draws(config, check);
    check.positive("trajectory.label-cost", config.trajectory.label_cost);
    let jitter = config.trajectory.jitter.unwrap_or(DEFAULT_JITTER);
    if !(0.0..1.0).contains(&jitter) {
        check.complain(
            "trajectory.jitter",
            format!("{jitter} is not from 0 to below 1"),
            "0.5 spreads the number of steps by half of it either way",
        );
    }
    if let Some(target) = config.trajectory.integration_acceptance
        && !(target > 0.0 && target < 1.0)
    {
        check.complain(
            "trajectory.integration-acceptance",
            format!("{target} does not lie between 0 and 1"),
            "leave it out for the one that costs least",
        );
    }
    if let Some(band) = config.trajectory.divergence {
        check.positive("trajectory.divergence", band.value());
    }
    check.at_least_one("pool.workers", config.pool.workers);
    check.at_least_one("pool.retire-after", config.pool.retire_after);
    if config.pool.retry_delay.value() < 0.0 {
        check.complain("pool.retry-delay", "is negative", "give a time such as \"1 s\"");
    }
    let sampling = &config.sampling;
    check.at_least_one("sampling.chains", sampling.chains);
    if sampling.chains > MOST_CHAINS {
        check.complain(
            "sampling.chains",
            format!(
                "{} are more than the {MOST_CHAINS} that one run may have",
                sampling.chains
            ),
            "lower it; several runs with other seeds are as good",
        );
    }
    check.at_least_one("output.anchor-every", config.output.anchor_every as usize);
    if sampling.discard >= sampling.steps {
        check.complain(
            "sampling.discard",
            format!("drops all of the {} steps", sampling.steps),
            "raise sampling.steps, or lower sampling.discard below it",
        );
    }
    if let Some(target) = sampling.until_ess {
        check.positive("sampling.until-ess", target);
    }
    if let KernelConfig::Langevin(langevin) = &sampling.kernel {
        check.positive("sampling.kernel.langevin.friction", langevin.friction.value());
    }
    super::exchange::check_exchange(config, check);
    if config.max_labels == Some(0) {
        check.complain("max-labels", "no label may be spent", "raise it, or leave it out");
    }
}

fn check_momentum_draws(config: &Config, check: &mut Checker<'_>) {
    let key = "trajectory.momentum-draws";
    let Some(draws) = config.trajectory.momentum_draws else {
        return;
    };
    if draws % 2 == 0 || draws > MOST_MOMENTUM_DRAWS {
        check.complain(
            key,
            format!("{draws} is not an odd number from 1 to {MOST_MOMENTUM_DRAWS}"),
            "use 3, or 1 for momenta independent of those before",
        );
    } else if draws > 1 && !config.carries_kinetic_energy() {
        check.complain(
            key,
            "the kernel has no use for it: its momenta follow from its own moves",
            "remove it, or use the kernel \"slhmc\" or \"hmc\"",
        );
    }
}

fn check_npt(npt: &NptConfig, check: &mut Checker<'_>) {
    check.positive("ensemble.npt.temperature", npt.temperature.value());
    check.positive("ensemble.npt.cell-mass", npt.cell_mass);
    if !npt.pressure.value().is_finite() {
        check.complain(
            "ensemble.npt.pressure",
            "is not a finite number",
            "give a pressure such as \"0 GPa\"",
        );
    }
    if npt.largest_volume_change.is_nan() || npt.largest_volume_change <= 1.0 {
        check.complain(
            "ensemble.npt.largest-volume-change",
            format!("{} is not more than 1", npt.largest_volume_change),
            "4 lets the volume shrink to a quarter and grow fourfold",
        );
    }
    if !(0.0..1.0).contains(&npt.least_height) {
        check.complain(
            "ensemble.npt.least-height",
            format!("{} is not from 0 to below 1", npt.least_height),
            "0.5 lets a cell become half as thick for its volume as it was",
        );
    }
    let flexible = npt.cell == CellFormConfig::Flexible;
    if !flexible && npt.strain_rate != StrainRateConfig::default() {
        check.complain(
            "ensemble.npt.strain-rate",
            "is for flexible cells alone",
            "remove it, or set cell = \"flexible\"",
        );
    }
    if npt.cell == CellFormConfig::Isotropic && npt.tension.is_some() {
        check.complain(
            "ensemble.npt.tension",
            "cannot act on a cell that keeps its shape",
            "set cell = \"flexible\", or use pressure",
        );
    }
}

/// Complains about what a run that learns could not do.
pub(super) fn check_learning(config: &Config, starts: &[Structure], check: &mut Checker<'_>) {
    let bootstrap = &config.bootstrap;
    if bootstrap.structures == 0 && bootstrap.trajectories == 0 && bootstrap.data.is_empty() {
        check.complain(
            "bootstrap",
            "there is nothing to train the first network on",
            "set bootstrap.structures to 10 or so, or bootstrap.trajectories, or name labelled files in bootstrap.data",
        );
    }
    if bootstrap.structures > 0 {
        check.positive("bootstrap.displacement", bootstrap.displacement.value());
    }
    let strain = bootstrap.strain.unwrap_or(0.0);
    if config.ensemble.npt.is_some() && bootstrap.strain == Some(0.0) && bootstrap.structures > 0 {
        check.complain(
            "bootstrap.strain",
            "0 would leave the networks without a strained cell, which constant pressure leads to",
            "0.02 is a strain of two per cent",
        );
    }
    if !(0.0..0.3).contains(&strain) {
        check.complain(
            "bootstrap.strain",
            "must lie from 0 to below 0.3",
            "0.02 is a strain of two per cent",
        );
    }
    if bootstrap.trajectories > 0 {
        check.at_least_one("bootstrap.steps", bootstrap.steps);
    }
    check.at_least_one("learning.retrain-every", config.learning.retrain_every);
    let first = 1 + bootstrap.structures + starts.len() * bootstrap.trajectories * bootstrap.steps;
    let enough = first + starts.len();
    if config.learning.stop_after < enough {
        check.complain(
            "learning.stop-after",
            format!(
                "{} labels end before learning begins: bootstrap alone needs {first} and a step of all chains {}",
                config.learning.stop_after,
                starts.len()
            ),
            format!("raise it to {enough} or more, or lower bootstrap.structures"),
        );
    }
    if !(0.0..1.0).contains(&config.learning.freeze_acceptance) {
        check.complain(
            "learning.freeze-acceptance",
            "must lie from 0 to below 1",
            "0.97 freezes early once 97 % are expected, 0 spends the whole budget",
        );
    }
    if let Some(most) = config.max_labels
        && (most as usize) < enough
    {
        check.complain(
            "max-labels",
            format!("{most} labels end before learning begins, which needs {enough}"),
            "raise it, or lower bootstrap.structures",
        );
    }
    let trainer = Trainer::new(
        config.descriptor.clone(),
        config.network.clone(),
        config.training.clone(),
    );
    if let Err(error) = trainer {
        check.complain("training", error.to_string(), "see docs/config.md");
    }
    let frames: Vec<&Structure> = starts.iter().collect();
    if let Err(error) = Descriptor::from_config(&config.descriptor, &starts[0].elements(), &frames) {
        check.complain("descriptor", error.to_string(), "see docs/config.md");
    }
}
