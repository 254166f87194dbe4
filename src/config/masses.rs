//! What the trajectory's section wants adapted, and complaints about masses that a run cannot have.

use super::checker::Checker;
use super::schema::{Config, KernelConfig, MassesConfig};
use crate::sampling::{Kernel, tuning};

/// Complains about mass matrices where the network, the kernel or the ensemble has no place for them.
pub(super) fn check_masses(config: &Config, learned: bool, check: &mut Checker<'_>) {
    let trajectory = &config.trajectory;
    let name = match trajectory.masses {
        MassesConfig::ByElement => {
            if trajectory.mass_modes.is_some() {
                check.complain(
                    "trajectory.mass-modes",
                    "masses by element have no modes",
                    "remove it, or set trajectory.masses to \"hessian\" or \"covariance\"",
                );
            }
            return;
        }
        MassesConfig::Hessian => "hessian",
        MassesConfig::Covariance => "covariance",
    };
    let key = "trajectory.masses";
    if config.ensemble.npt.is_some() {
        check.complain(
            key,
            format!(
                "masses of \"{name}\" couple coordinates and depend on directions, which a cell that moves under [ensemble.npt] strains \
                 and turns"
            ),
            "use \"by-element\" at constant pressure, or [ensemble.nvt]",
        );
    }
    let kernel = match &config.sampling.kernel {
        KernelConfig::Slhmc | KernelConfig::Nested(_) => None,
        KernelConfig::Hmc => Some("hmc"),
        KernelConfig::Langevin(_) => Some("langevin"),
        KernelConfig::Local(_) => Some("local"),
    };
    if let Some(kernel) = kernel {
        check.complain(
            key,
            format!("masses of \"{name}\" are made from a network for trajectories of the whole cell, and the kernel is \"{kernel}\""),
            "use \"by-element\", or the kernel \"slhmc\"",
        );
    } else if !learned {
        check.complain(
            key,
            format!("masses of \"{name}\" are made while networks are learned, and [proposal] gives a surface"),
            "use \"by-element\", or remove [proposal]",
        );
    }
    if !trajectory.tune {
        check.complain(
            key,
            format!(
                "masses of \"{name}\" change the frequencies that time step and lengths must suit, and nothing is tuned"
            ),
            "remove trajectory.tune = false",
        );
    }
}

/// What is adapted, if anything.
pub(super) fn tuning_range(config: &Config, kernel: Kernel) -> Option<tuning::Range> {
    let trajectory = &config.trajectory;
    let modes = trajectory.mass_modes;
    // Regions are smaller than the cell whose trajectories would be measured, and Langevin dynamics means its time step.
    let adapts_time_step = matches!(kernel, Kernel::Slhmc | Kernel::Nested(_));
    trajectory.tune.then(|| tuning::Range {
        most_steps: trajectory.most_steps.unwrap_or(2 * trajectory.steps),
        most_segments: trajectory.most_segments,
        label_cost: trajectory.label_cost,
        first_label_cost: config.first_label_cost(),
        // Where all modes vibrate alike trajectories are short, and what is left of a correlation is small.
        trajectories: if trajectory.masses == MassesConfig::ByElement {
            48
        } else {
            96
        },
        lengths: kernel == Kernel::Slhmc,
        time_step: trajectory.tune_time_step && adapts_time_step,
        integration_acceptance: trajectory.integration_acceptance,
        masses: match trajectory.masses {
            MassesConfig::ByElement => tuning::Masses::ByElement,
            MassesConfig::Hessian => tuning::Masses::Hessian { modes },
            MassesConfig::Covariance => tuning::Masses::Covariance { modes },
        },
        jitter: trajectory.jitter.is_none(),
    })
}
