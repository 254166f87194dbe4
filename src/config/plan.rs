//! From a parsed configuration to a plan that can run: everything that can be checked is checked here, all complaints at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::checker::{Checker, locate};
use super::ensemble::{bootstrap_strain, check_cell, chosen_temperature, ensemble, keeps_centre_of_mass};
use super::given::{given_proposal, read_data};
use super::kernels::{groups, kernel};
use super::masses::{check_masses, tuning_range};
use super::numbers::{DEFAULT_JITTER, check_learning, check_numbers};
use super::oracle::{OracleChoice, anchor_recipe, open_oracle, select_oracle};
use super::oracle_check::{Purpose, check_oracle};
use super::parse::Complaint;
use super::schema::{Config, KernelConfig};
use super::starts::read_starts;
use crate::dynamics::Kinetics;
use crate::oracle::cold::ColdCheck;
use crate::potential::Potential;
use crate::run::fitter::NetworkFitter;
use crate::run::journal::Durability;
use crate::run::learner::Schedule;
use crate::run::plan::{BootstrapPlan, LabelDigests, LearningPlan, Plan, ProposalSource, SamplingPlan};
use crate::run::trainer::Fitter;
use crate::sampling::{Acceptance, Environment, Groups, Kernel, TrajectoryPlan};
use crate::structure::Structure;
use crate::training::{LabelledStructure, Trainer};

/// Where a configuration comes from and goes to.
pub struct Surroundings<'a> {
    /// The text, for places in complaints.
    pub text: &'a str,
    /// The folder that relative paths start from.
    pub folder: &'a Path,
    /// The run directory.
    pub run: &'a Path,
    /// Starting structures of a run that is resumed; otherwise the structure file is read.
    pub starts: Option<Vec<Structure>>,
    /// The oracle's name from the command line.
    pub oracle: Option<&'a str>,
    /// The time limit from the command line.
    pub time_limit: Option<Duration>,
}

/// Validates a configuration and builds its plan. The configuration that comes back is normalised: one oracle, absolute paths.
pub fn build_plan(config: &Config, around: Surroundings<'_>) -> Result<(Plan, Config, Vec<String>), Vec<Complaint>> {
    let mut check = Checker {
        text: around.text,
        complaints: Vec::new(),
    };
    let mut warnings = Vec::new();
    let mut config = config.clone();
    check_numbers(&config, &mut check);

    let choice = select_oracle(&config.oracle, around.oracle).map_err(|mut complaint| {
        complaint.place = locate(around.text, "oracle");
        complaint
    });
    let choice = match choice {
        Ok(choice) => Some(choice),
        Err(complaint) => {
            check.complaints.push(complaint);
            None
        }
    };
    let starts = match around.starts {
        Some(starts) => Some(starts),
        None => read_starts(&config, around.folder, &mut check),
    };
    let temperature = chosen_temperature(&config, &mut check);
    let (Some(choice), Some(mut starts), Some(temperature)) = (choice, starts, temperature) else {
        return Err(check.complaints);
    };
    let first = &starts[0];
    let purpose = Purpose {
        table: "oracle",
        first,
        folder: around.folder,
        variable_cell: config.ensemble.npt.is_some() || config.bootstrap.strain.is_some_and(|strain| strain > 0.0),
        thermal_energy: temperature.thermal_energy(),
    };
    check_oracle(&choice, &purpose, &mut check, &mut warnings);
    super::exchange::check_electrons(&config, &choice, around.folder, &mut check, &mut warnings);
    let cheaper = super::delayed::first_stage(&config, &choice, first, around.folder, &mut check, &mut warnings);
    let oracle_invariant = choice.translation_invariant(first);
    let groups = groups(&config, &mut starts, &mut check);
    let first = &starts[0];
    let kernel = kernel(&config, temperature);
    let needs_proposal = kernel.proposes() || matches!(kernel, Kernel::Langevin { on_network: true, .. });
    let given = given_proposal(&config, around.folder, first, &mut check);
    let learned = needs_proposal && given.is_none();
    super::exchange::check_placement(&config, learned, &mut warnings);
    check_cell(&config, &choice, &starts, given.as_deref(), &mut check);
    check_masses(&config, learned, &mut check);
    let bootstrap_data = read_data(&config, around.folder, first, &mut check);
    let time_step = config.trajectory.time_step.value();
    let thermal_energy = temperature.thermal_energy();
    if learned {
        check_learning(&config, &starts, &mut check);
        if !oracle_invariant {
            warnings.push(format!(
                "the oracle `{}` changes when all atoms are shifted together, which no network of this kind can represent: expect poor \
                 acceptance, or give a surface in [proposal]",
                choice.name()
            ));
        }
    }
    let invariant = oracle_invariant
        && given.as_ref().is_none_or(|potential| potential.translation_invariant())
        // Regions exchange no momentum with what is held.
        && !matches!(kernel, Kernel::Local { .. })
        && !keeps_centre_of_mass(&config.ensemble);
    if !check.complaints.is_empty() {
        return Err(check.complaints);
    }

    // Normalise: what is stored can be resumed from any folder.
    config.oracle = choice.section();
    let absolute = |name: &str| {
        let path = around.folder.join(name);
        path.canonicalize().unwrap_or(path).to_string_lossy().into_owned()
    };
    if !config.structure.file.is_empty() {
        config.structure.file = absolute(&config.structure.file);
    }
    config.proposal.potential = config.proposal.potential.as_deref().map(absolute);
    config.bootstrap.data = config.bootstrap.data.iter().map(|name| absolute(name)).collect();
    anchor_recipe(&mut config.oracle, around.folder, absolute);
    if let (Some(section), Some(cheaper)) = (&mut config.delayed_acceptance, &cheaper) {
        section.oracle = cheaper.section();
        anchor_recipe(&mut section.oracle, around.folder, absolute);
    }
    let cheaper = config
        .delayed_acceptance
        .as_ref()
        .and_then(|section| select_oracle(&section.oracle, None).ok());

    let plan = assemble(
        &config,
        &choice,
        starts,
        Settings {
            thermal_energy,
            time_step,
            kernel,
            groups,
            invariant,
            learned,
            cheaper,
            folder: around.folder.to_owned(),
            run: around.run.to_owned(),
            time_limit: around.time_limit,
        },
        given,
        bootstrap_data,
    );
    Ok((plan, config, warnings))
}

fn energy_or(given: Option<crate::units::Energy>, default: f64) -> f64 {
    given.map_or(default, crate::units::Energy::value)
}

struct Settings {
    thermal_energy: f64,
    time_step: f64,
    kernel: Kernel,
    groups: Groups,
    invariant: bool,
    learned: bool,
    cheaper: Option<OracleChoice>,
    folder: PathBuf,
    run: PathBuf,
    time_limit: Option<Duration>,
}

fn assemble(
    config: &Config,
    choice: &OracleChoice,
    starts: Vec<Structure>,
    settings: Settings,
    given: Option<Arc<dyn Potential>>,
    (data, data_digests): (Vec<Arc<LabelledStructure>>, LabelDigests),
) -> Plan {
    let first = &starts[0];
    let ladder = config.ladder();
    let hottest = ladder
        .iter()
        .flat_map(|ladder| &ladder.rungs)
        .map(|rung| rung.thermal_energy)
        .fold(settings.thermal_energy, f64::max);
    let trajectory = TrajectoryPlan {
        time_step: settings.time_step,
        steps: config.trajectory.steps,
        // The number of inner moves takes the place of that of segments.
        segments: match &config.sampling.kernel {
            KernelConfig::Nested(nested) => nested.inner_moves,
            _ => config.trajectory.segments,
        },
        jitter: config.trajectory.jitter.unwrap_or(DEFAULT_JITTER),
        band: config
            .trajectory
            .divergence
            .map_or((100.0 * hottest).max(1.0), crate::units::Energy::value),
        momentum_draws: config.momentum_draws(),
    };
    let chains = config.chain_count();
    let proposal = match given {
        Some(potential) => ProposalSource::Fixed(potential),
        None if settings.learned => {
            let (descriptor, network, training) = (
                config.descriptor.clone(),
                config.network.clone(),
                config.training.clone(),
            );
            let stop_after = config.max_labels.map_or(config.learning.stop_after, |most| {
                config.learning.stop_after.min(most as usize)
            });
            ProposalSource::Learned(Box::new(LearningPlan {
                fitter: Box::new(move || {
                    let trainer = Trainer::new(descriptor.clone(), network.clone(), training.clone());
                    let trainer = trainer.map_err(|error| error.to_string())?;
                    Ok(Box::new(NetworkFitter::new(trainer)) as Box<dyn Fitter>)
                }),
                schedule: Schedule {
                    retrain_every: config.learning.retrain_every,
                    stop_after,
                    lag: config.learning.lag,
                    freeze_acceptance: Some(config.learning.freeze_acceptance).filter(|target| *target > 0.0),
                    chains,
                },
                tuning: tuning_range(config, settings.kernel),
                bootstrap: BootstrapPlan {
                    displaced: config.bootstrap.structures,
                    displacement: config.bootstrap.displacement.value(),
                    strain: bootstrap_strain(config),
                    trajectories: config.bootstrap.trajectories,
                    steps: config.bootstrap.steps,
                    data,
                    data_digests,
                },
            }))
        }
        None => ProposalSource::Oracle,
    };
    let cheap = choice.is_cheap();
    let kinetics = Kinetics::new(Arc::clone(&first.masses), Arc::clone(&first.fixed), settings.invariant);
    Plan {
        config: toml::to_string(config).unwrap_or_default(),
        environment: Environment {
            ensemble: ensemble(&config.ensemble, first, &kinetics),
            kinetics,
            thermal_energy: settings.thermal_energy,
            acceptance: if config.sampling.accept_everything {
                Acceptance::Everything
            } else {
                Acceptance::Metropolis
            },
            seed: config.sampling.seed,
            groups: Arc::new(settings.groups),
        },
        ladder,
        kernel: settings.kernel,
        trajectory,
        proposal,
        sampling: SamplingPlan {
            steps: config.sampling.steps,
            discard: config.sampling.discard,
            until_ess: config.sampling.until_ess,
            max_labels: config.max_labels,
            max_unphysical: config.pool.max_unphysical,
        },
        open_oracle: open_oracle(choice, first, &settings.folder, &settings.run.join("jobs")),
        first_stage: settings
            .cheaper
            .and_then(|cheaper| super::delayed::plan(config, &cheaper, first, &settings.folder, &settings.run)),
        workers: config.pool.workers,
        retries: config.pool.retries,
        retire_after: config.pool.retire_after,
        retry_delay: Duration::from_secs_f64(config.pool.retry_delay.value().max(0.0)),
        cold_check: (config.pool.cold_check_every > 0).then(|| ColdCheck {
            every: config.pool.cold_check_every,
            warn: energy_or(config.pool.cold_check_warning, 0.01 * settings.thermal_energy),
            stop: energy_or(config.pool.cold_check_stop, 0.1 * settings.thermal_energy),
        }),
        cheap_oracle: cheap,
        durability: if cheap {
            Durability::Periodic(Duration::from_secs(2))
        } else {
            Durability::EachRecord
        },
        trajectory_every: config.output.trajectory_every.unwrap_or(if cheap { 10 } else { 1 }),
        anchor_every: config.output.anchor_every,
        time_limit: settings.time_limit,
        starts,
    }
}
