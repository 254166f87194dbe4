//! From a parsed configuration to a plan that can run: everything that can be checked is checked here, all complaints at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::parse::{Complaint, nearest};
use super::schema::{Config, KernelConfig, OracleConfig};
use crate::descriptor::Descriptor;
use crate::dynamics::Kinetics;
use crate::oracle::analytic::{AnalyticConfig, AnalyticOracle, build};
use crate::oracle::ipi::{EspressoConfig, IpiConfig, LammpsConfig, open, open_espresso, open_lammps};
use crate::oracle::pool::OpenOracle;
use crate::oracle::{Oracle, OracleError};
use crate::potential::{NeuralPotential, Potential, Swirl};
use crate::run::fitter::NetworkFitter;
use crate::run::journal::Durability;
use crate::run::learner::Schedule;
use crate::run::plan::{BootstrapPlan, LearningPlan, Plan, ProposalSource, SamplingPlan};
use crate::run::trainer::Fitter;
use crate::sampling::{Acceptance, Environment, Kernel, TrajectoryPlan, tuning};
use crate::structure::{Species, Structure};
use crate::training::{LabelledStructure, Trainer};

/// One chosen oracle.
#[derive(Clone, Debug, PartialEq)]
pub enum OracleChoice {
    /// Embedded.
    Analytic(AnalyticConfig),
    /// pw.x behind a socket.
    Espresso(EspressoConfig),
    /// LAMMPS behind a socket.
    Lammps(LammpsConfig),
    /// Any client behind a socket.
    Ipi(IpiConfig),
}

impl OracleChoice {
    /// All names, as `[oracle.NAME]` and `--oracle NAME` have them.
    pub const NAMES: [&str; 8] = [
        "einstein",
        "lennard-jones",
        "stillinger-weber",
        "vashishta",
        "asymmetric",
        "espresso",
        "lammps",
        "ipi",
    ];

    /// An oracle with its shipped recipe or published parameters.
    pub fn by_name(name: &str) -> Option<Self> {
        AnalyticConfig::by_name(name).map(Self::Analytic).or(match name {
            "espresso" => Some(Self::Espresso(EspressoConfig::default())),
            "lammps" => Some(Self::Lammps(LammpsConfig::default())),
            "ipi" => Some(Self::Ipi(IpiConfig::default())),
            _ => None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Analytic(config) => config.name(),
            Self::Espresso(_) => "espresso",
            Self::Lammps(_) => "lammps",
            Self::Ipi(_) => "ipi",
        }
    }

    /// Whether a label costs no more than a few network steps.
    pub fn is_cheap(&self) -> bool {
        matches!(self, Self::Analytic(_))
    }

    /// The configuration section that holds this choice alone.
    pub fn section(&self) -> OracleConfig {
        let mut section = OracleConfig::default();
        match self.clone() {
            Self::Analytic(AnalyticConfig::Einstein(config)) => section.einstein = Some(config),
            Self::Analytic(AnalyticConfig::LennardJones(config)) => section.lennard_jones = Some(config),
            Self::Analytic(AnalyticConfig::StillingerWeber(config)) => section.stillinger_weber = Some(config),
            Self::Analytic(AnalyticConfig::Vashishta(config)) => section.vashishta = Some(config),
            Self::Analytic(AnalyticConfig::Asymmetric(config)) => section.asymmetric = Some(config),
            Self::Espresso(config) => section.espresso = Some(config),
            Self::Lammps(config) => section.lammps = Some(config),
            Self::Ipi(config) => section.ipi = Some(config),
        }
        section
    }

    fn translation_invariant(&self, first_frame: &Structure) -> bool {
        match self {
            Self::Analytic(config) => build(config, first_frame).is_ok_and(|surface| surface.translation_invariant()),
            Self::Espresso(_) => true,
            Self::Lammps(config) => config.translation_invariant,
            Self::Ipi(config) => config.translation_invariant,
        }
    }
}

/// The oracle tables of a configuration.
fn tables(section: &OracleConfig) -> Vec<OracleChoice> {
    let section = section.clone();
    let analytic = [
        section.einstein.map(AnalyticConfig::Einstein),
        section.lennard_jones.map(AnalyticConfig::LennardJones),
        section.stillinger_weber.map(AnalyticConfig::StillingerWeber),
        section.vashishta.map(AnalyticConfig::Vashishta),
        section.asymmetric.map(AnalyticConfig::Asymmetric),
    ];
    analytic
        .into_iter()
        .flatten()
        .map(OracleChoice::Analytic)
        .chain(section.espresso.map(OracleChoice::Espresso))
        .chain(section.lammps.map(OracleChoice::Lammps))
        .chain(section.ipi.map(OracleChoice::Ipi))
        .collect()
}

/// The oracle that `--oracle` names, or the only one the configuration has.
pub fn select_oracle(section: &OracleConfig, name: Option<&str>) -> Result<OracleChoice, Complaint> {
    let complaint = |message: String, hint: String| Complaint {
        place: None,
        message,
        hint: Some(hint),
    };
    let mut present = tables(section);
    match name {
        Some(name) => present
            .into_iter()
            .find(|choice| choice.name() == name)
            .or_else(|| OracleChoice::by_name(name))
            .ok_or_else(|| {
                let hint = match nearest(name, &OracleChoice::NAMES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the oracles are {}", OracleChoice::NAMES.join(", ")),
                };
                complaint(format!("there is no oracle `{name}`"), hint)
            }),
        None if present.len() == 1 => Ok(present.remove(0)),
        None if present.is_empty() => Err(complaint(
            "no oracle is chosen".to_owned(),
            format!(
                "add a table such as [oracle.stillinger-weber], or use --oracle with one of {}",
                OracleChoice::NAMES.join(", ")
            ),
        )),
        None => Err(complaint(
            format!(
                "the configuration has several oracles: {}",
                present.iter().map(OracleChoice::name).collect::<Vec<_>>().join(", ")
            ),
            "choose one with --oracle NAME".to_owned(),
        )),
    }
}

/// What makes the oracle of each worker. `folder` is where relative recipe paths are looked for, `work` where workers get folders.
pub fn open_oracle(choice: &OracleChoice, first_frame: &Structure, folder: &Path, work: &Path) -> OpenOracle {
    let (choice, first_frame) = (choice.clone(), first_frame.clone());
    let (folder, work) = (folder.to_owned(), work.to_owned());
    Arc::new(move |worker| {
        let own = work.join(format!("worker-{worker}-{}", std::process::id()));
        Ok(match &choice {
            OracleChoice::Analytic(config) => {
                let oracle = AnalyticOracle::new(config.name(), config, &first_frame);
                Box::new(oracle.map_err(|error| OracleError::Fatal {
                    oracle: config.name().to_owned(),
                    reason: error.to_string(),
                })?) as Box<dyn Oracle>
            }
            OracleChoice::Espresso(config) => Box::new(open_espresso(config, &first_frame, &own, &folder)?),
            OracleChoice::Lammps(config) => Box::new(open_lammps(config, &first_frame, &own, &folder)?),
            OracleChoice::Ipi(config) => Box::new(open(config, &first_frame, &own, &folder)?),
        })
    })
}

/// Whether the momentum of the centre of mass is removed: oracle and proposal are translation-invariant and no atom is fixed.
pub fn momentum_is_removed(config: &Config, first_frame: &Structure) -> bool {
    let oracle = select_oracle(&config.oracle, None);
    let mut unheard = Checker {
        text: "",
        complaints: Vec::new(),
    };
    let given = given_proposal(config, Path::new("/"), first_frame, &mut unheard);
    oracle.is_ok_and(|choice| choice.translation_invariant(first_frame))
        && given.is_none_or(|potential| potential.translation_invariant())
        && !first_frame.fixed.contains(&true)
}

/// Collects complaints about keys, each at the key's place in the text.
struct Checker<'a> {
    text: &'a str,
    complaints: Vec<Complaint>,
}

impl Checker<'_> {
    fn complain(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.complaints.push(Complaint {
            place: locate(self.text, key),
            message: format!("{key}: {}", message.into()),
            hint: Some(hint.into()),
        });
    }

    fn positive(&mut self, key: &str, value: f64) {
        if value.is_nan() || value <= 0.0 {
            self.complain(key, "must be more than zero", "give a positive number");
        }
    }

    fn at_least_one(&mut self, key: &str, value: usize) {
        if value == 0 {
            self.complain(
                key,
                "must be at least 1",
                "give a number from 1 up, or leave the key out",
            );
        }
    }
}

/// Line and column of a key path in the text, or of the innermost table that is there.
fn locate(text: &str, key: &str) -> Option<(usize, usize)> {
    let document: toml_edit::Document<&str> = toml_edit::Document::parse(text).ok()?;
    let mut span = None;
    let mut table: &dyn toml_edit::TableLike = document.as_table();
    for part in key.split('.') {
        let Some((found, item)) = table.get_key_value(part) else {
            break;
        };
        span = found.span().or_else(|| item.span()).or(span);
        match item.as_table_like() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    let start = span?.start;
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    Some((
        line,
        before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1,
    ))
}

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
    let temperature = match &config.ensemble.nvt {
        Some(nvt) => Some(nvt.temperature),
        None => {
            check.complain(
                "ensemble",
                "no ensemble is chosen",
                "add [ensemble.nvt] with temperature = \"300 K\"",
            );
            None
        }
    };
    let (Some(choice), Some(starts), Some(temperature)) = (choice, starts, temperature) else {
        return Err(check.complaints);
    };
    let first = &starts[0];
    if let OracleChoice::Analytic(analytic) = &choice
        && let Err(error) = build(analytic, first)
    {
        check.complain(
            &format!("oracle.{}", choice.name()),
            error.to_string(),
            "see docs/config.md",
        );
    }

    let oracle_invariant = choice.translation_invariant(first);
    let kernel = match &config.sampling.kernel {
        KernelConfig::Slhmc => Kernel::Slhmc,
        KernelConfig::Hmc => Kernel::Hmc,
        KernelConfig::Langevin(langevin) => Kernel::Langevin {
            friction: langevin.friction.value(),
            on_network: langevin.on_network,
        },
    };
    let needs_proposal = matches!(kernel, Kernel::Slhmc | Kernel::Langevin { on_network: true, .. });
    let given = given_proposal(&config, around.folder, first, &mut check);
    let bootstrap_data = read_data(&config, around.folder, first, &mut check);
    let time_step = config.trajectory.time_step.value();
    let thermal_energy = temperature.thermal_energy();
    let learned = needs_proposal && given.is_none();
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
    let invariant = oracle_invariant && given.as_ref().is_none_or(|potential| potential.translation_invariant());
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
    if let Some(espresso) = &mut config.oracle.espresso
        && around.folder.join(&espresso.recipe).exists()
    {
        espresso.recipe = absolute(&espresso.recipe);
    }
    if let Some(lammps) = &mut config.oracle.lammps
        && around.folder.join(&lammps.recipe).exists()
    {
        lammps.recipe = absolute(&lammps.recipe);
    }
    if let Some(ipi) = &mut config.oracle.ipi
        && !ipi.recipe.is_empty()
        && around.folder.join(&ipi.recipe).exists()
    {
        ipi.recipe = absolute(&ipi.recipe);
    }

    let plan = assemble(
        &config,
        &choice,
        starts,
        &Settings {
            thermal_energy,
            time_step,
            kernel,
            invariant,
            learned,
            folder: around.folder.to_owned(),
            run: around.run.to_owned(),
            time_limit: around.time_limit,
        },
        given,
        bootstrap_data,
    );
    Ok((plan, config, warnings))
}

struct Settings {
    thermal_energy: f64,
    time_step: f64,
    kernel: Kernel,
    invariant: bool,
    learned: bool,
    folder: PathBuf,
    run: PathBuf,
    time_limit: Option<Duration>,
}

fn assemble(
    config: &Config,
    choice: &OracleChoice,
    starts: Vec<Structure>,
    settings: &Settings,
    given: Option<Arc<dyn Potential>>,
    data: Vec<Arc<LabelledStructure>>,
) -> Plan {
    let first = &starts[0];
    let trajectory = TrajectoryPlan {
        time_step: settings.time_step,
        steps: config.trajectory.steps,
        segments: config.trajectory.segments,
        jitter: config.trajectory.jitter,
        band: config
            .trajectory
            .divergence
            .map_or((100.0 * settings.thermal_energy).max(1.0), crate::units::Energy::value),
    };
    let chains = config.sampling.chains;
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
                tuning: config.trajectory.tune.then(|| tuning::Range {
                    most_steps: config.trajectory.most_steps.unwrap_or(2 * config.trajectory.steps),
                    most_segments: config.trajectory.most_segments,
                    label_cost: config.trajectory.label_cost,
                    trajectories: 48,
                }),
                bootstrap: BootstrapPlan {
                    displaced: config.bootstrap.structures,
                    displacement: config.bootstrap.displacement.value(),
                    strain: config.bootstrap.strain,
                    trajectories: config.bootstrap.trajectories,
                    steps: config.bootstrap.steps,
                    data,
                },
            }))
        }
        None => ProposalSource::Oracle,
    };
    let cheap = choice.is_cheap();
    Plan {
        config: toml::to_string(config).unwrap_or_default(),
        environment: Environment {
            kinetics: Kinetics::new(Arc::clone(&first.masses), Arc::clone(&first.fixed), settings.invariant),
            thermal_energy: settings.thermal_energy,
            acceptance: if config.sampling.accept_everything {
                Acceptance::Everything
            } else {
                Acceptance::Metropolis
            },
            seed: config.sampling.seed,
        },
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
        workers: config.pool.workers,
        retries: config.pool.retries,
        retry_delay: Duration::from_secs_f64(config.pool.retry_delay.value().max(0.0)),
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

/// More chains than this are a slip of the pen.
const MOST_CHAINS: usize = 1000;

/// More atoms than this are a slip of the pen.
const MOST_ATOMS: usize = 1_000_000;

fn check_numbers(config: &Config, check: &mut Checker<'_>) {
    if let Some(nvt) = &config.ensemble.nvt {
        check.positive("ensemble.nvt.temperature", nvt.temperature.value());
    }
    check.positive("trajectory.time-step", config.trajectory.time_step.value());
    check.at_least_one("trajectory.steps", config.trajectory.steps);
    check.at_least_one("trajectory.segments", config.trajectory.segments);
    check.at_least_one("trajectory.most-segments", config.trajectory.most_segments);
    if let Some(most) = config.trajectory.most_steps {
        check.at_least_one("trajectory.most-steps", most);
    }
    check.positive("trajectory.label-cost", config.trajectory.label_cost);
    if !(0.0..1.0).contains(&config.trajectory.jitter) {
        check.complain(
            "trajectory.jitter",
            format!("{} is not from 0 to below 1", config.trajectory.jitter),
            "0.5 spreads the number of steps by half of it either way",
        );
    }
    if let Some(band) = config.trajectory.divergence {
        check.positive("trajectory.divergence", band.value());
    }
    check.at_least_one("pool.workers", config.pool.workers);
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
    if config.max_labels == Some(0) {
        check.complain("max-labels", "no label may be spent", "raise it, or leave it out");
    }
}

fn check_learning(config: &Config, starts: &[Structure], check: &mut Checker<'_>) {
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
    if !(0.0..0.3).contains(&bootstrap.strain) {
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

fn read_starts(config: &Config, folder: &Path, check: &mut Checker<'_>) -> Option<Vec<Structure>> {
    if config.structure.file.is_empty() {
        check.complain(
            "structure.file",
            "no structure is given",
            "add file = \"POSCAR\" (or an extended XYZ file) to [structure]",
        );
        return None;
    }
    let path = folder.join(&config.structure.file);
    let frames = match crate::formats::read(&path) {
        Ok(frames) => frames,
        Err(error) => {
            check.complain(
                "structure.file",
                error.to_string(),
                "the path is relative to the configuration file",
            );
            return None;
        }
    };
    let before = check.complaints.len();
    let mut structures: Vec<Structure> = Vec::new();
    let chains = config.sampling.chains.clamp(1, MOST_CHAINS);
    for chain in 0..chains {
        let frame = if config.structure.start_from_frames {
            chain % frames.len()
        } else {
            0
        };
        let mut structure = frames[frame].structure.clone();
        if let Some(repeats) = config.structure.supercell {
            if repeats.contains(&0) {
                check.complain(
                    "structure.supercell",
                    "a zero makes no cell",
                    "give three numbers from 1 up",
                );
                return None;
            }
            let atoms = repeats
                .iter()
                .try_fold(structure.len(), |atoms, repeat| atoms.checked_mul(*repeat));
            if atoms.is_none_or(|atoms| atoms > MOST_ATOMS) {
                check.complain(
                    "structure.supercell",
                    format!("makes more than {MOST_ATOMS} atoms of {}", structure.len()),
                    "give smaller numbers",
                );
                return None;
            }
            structure = structure.supercell(repeats);
        }
        structures.push(structure);
    }
    let species = Arc::clone(&structures[0].species);
    if let Some(chain) = structures.iter().position(|structure| structure.species != species) {
        check.complain(
            "structure.start-from-frames",
            format!("frame {chain} of {} holds other atoms than the first", path.display()),
            "all chains sample the same atoms in the same order",
        );
    }
    let atoms = structures[0].len();
    let mut fixed = structures[0].fixed.to_vec();
    for index in &config.structure.fixed {
        match fixed.get_mut(*index) {
            Some(flag) => *flag = true,
            None => check.complain(
                "structure.fixed",
                format!("there is no atom {index}: the structure has {atoms}, counted from 0"),
                "remove it",
            ),
        }
    }
    if fixed.iter().all(|flag| *flag) {
        check.complain("structure.fixed", "no atom is left to move", "free at least one");
    }
    let mut masses = structures[0].masses.to_vec();
    for (symbol, mass) in &config.structure.masses {
        let key = format!("structure.masses.{symbol}");
        check.positive(&key, mass.value());
        match symbol.parse::<Species>() {
            Ok(element) if species.contains(&element) => {
                for (entry, atom) in masses.iter_mut().zip(species.iter()) {
                    if *atom == element {
                        *entry = mass.value();
                    }
                }
            }
            Ok(_) => check.complain(&key, "the structure holds no such atom", "remove it"),
            Err(error) => check.complain(&key, error.to_string(), "write the element's symbol"),
        }
    }
    if check.complaints.len() > before {
        return None;
    }
    for structure in &mut structures {
        structure.fixed = fixed.clone().into();
        structure.masses = masses.clone().into();
    }
    Some(structures)
}

fn given_proposal(
    config: &Config,
    folder: &Path,
    first: &Structure,
    check: &mut Checker<'_>,
) -> Option<Arc<dyn Potential>> {
    let section = config.proposal.clone();
    let analytic: Vec<AnalyticConfig> = [
        section.einstein.map(AnalyticConfig::Einstein),
        section.lennard_jones.map(AnalyticConfig::LennardJones),
        section.stillinger_weber.map(AnalyticConfig::StillingerWeber),
        section.vashishta.map(AnalyticConfig::Vashishta),
        section.asymmetric.map(AnalyticConfig::Asymmetric),
    ]
    .into_iter()
    .flatten()
    .collect();
    if analytic.len() + usize::from(section.potential.is_some()) > 1 {
        check.complain(
            "proposal",
            "more than one surface is given to propose with",
            "keep one of `potential` and the tables",
        );
        return None;
    }
    let potential: Arc<dyn Potential> = if let Some(surface) = analytic.first() {
        match build(surface, first) {
            Ok(surface) => Arc::from(surface),
            Err(error) => {
                check.complain(
                    &format!("proposal.{}", surface.name()),
                    error.to_string(),
                    "see docs/config.md",
                );
                return None;
            }
        }
    } else if let Some(name) = &section.potential {
        let potential = match NeuralPotential::load(&folder.join(name)) {
            Ok(potential) => potential,
            Err(error) => {
                check.complain(
                    "proposal.potential",
                    error.to_string(),
                    "name the folder that `slmc train` wrote, or a potentials/gen-NNN folder of a run",
                );
                return None;
            }
        };
        let unknown = first
            .elements()
            .into_iter()
            .find(|element| !potential.descriptor.elements().contains(element));
        if let Some(element) = unknown {
            check.complain(
                "proposal.potential",
                format!("the potential does not know {element}, which the structure holds"),
                "give a potential trained on all its elements",
            );
            return None;
        }
        Arc::new(potential)
    } else {
        if section.swirl != 0.0 {
            check.complain(
                "proposal.swirl",
                "there is no given surface to swirl",
                "add a table such as [proposal.lennard-jones], or remove it",
            );
        }
        return None;
    };
    Some(if section.swirl == 0.0 {
        potential
    } else {
        Arc::new(Swirl::new(potential, section.swirl))
    })
}

fn read_data(
    config: &Config,
    folder: &Path,
    first: &Structure,
    check: &mut Checker<'_>,
) -> Vec<Arc<LabelledStructure>> {
    let mut data = Vec::new();
    for name in &config.bootstrap.data {
        let frames = match crate::formats::read(folder.join(name)) {
            Ok(frames) => frames,
            Err(error) => {
                check.complain(
                    "bootstrap.data",
                    error.to_string(),
                    "the path is relative to the configuration file",
                );
                continue;
            }
        };
        let elements = first.elements();
        for (index, frame) in frames.into_iter().enumerate() {
            let Some(labels) = frame.force_consistent_labels() else {
                check.complain(
                    "bootstrap.data",
                    format!("frame {index} of {name} has no energy"),
                    "label it with `slmc label`, or take it out",
                );
                break;
            };
            if frame
                .structure
                .species
                .iter()
                .any(|species| !elements.contains(species))
            {
                check.complain(
                    "bootstrap.data",
                    format!("frame {index} of {name} holds an element that the structure has not"),
                    "take it out",
                );
                break;
            }
            data.push(Arc::new(LabelledStructure {
                structure: frame.structure,
                labels,
            }));
        }
    }
    data
}
