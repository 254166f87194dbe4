//! The oracles a configuration may choose: their names, tables, choice and opening.

use std::path::Path;
use std::sync::Arc;

use super::parse::{Complaint, nearest};
use super::schema::OracleConfig;
use crate::oracle::analytic::{AnalyticConfig, AnalyticOracle, build};
use crate::oracle::command::{self, CommandConfig};
use crate::oracle::electrons::{self, FermiDirac};
use crate::oracle::ipi::{
    self, AseConfig, Cp2kConfig, EspressoConfig, IpiConfig, LammpsConfig, Mode, open, open_ase, open_cp2k,
    open_espresso, open_lammps,
};
use crate::oracle::pool::OpenOracle;
use crate::oracle::recorded::{Recorded, RecordedConfig};
use crate::oracle::slurm::{Slurm, SlurmConfig};
use crate::oracle::vasp::{self, VaspConfig, VaspMode};
use crate::oracle::{Oracle, OracleError, cp2k, espresso};
use crate::structure::Structure;

/// One chosen oracle.
#[derive(Clone, Debug, PartialEq)]
pub enum OracleChoice {
    /// Embedded.
    Analytic(AnalyticConfig),
    /// pw.x.
    Espresso(EspressoConfig),
    /// CP2K.
    Cp2k(Cp2kConfig),
    /// LAMMPS behind a socket.
    Lammps(LammpsConfig),
    /// An ASE calculator behind a socket.
    Ase(AseConfig),
    /// Any client behind a socket.
    Ipi(IpiConfig),
    /// VASP, run for each label or kept running.
    Vasp(VaspConfig),
    /// Any program.
    Command(CommandConfig),
    /// A file of labels.
    Recorded(RecordedConfig),
}

impl OracleChoice {
    /// All names, as `[oracle.NAME]` and `--oracle NAME` have them.
    pub const NAMES: [&str; 14] = [
        "einstein",
        "lennard-jones",
        "stillinger-weber",
        "vashishta",
        "asymmetric",
        "double-well",
        "espresso",
        "cp2k",
        "lammps",
        "ase",
        "ipi",
        "vasp",
        "command",
        "recorded",
    ];

    /// An oracle with its shipped recipe or published parameters.
    pub fn by_name(name: &str) -> Option<Self> {
        AnalyticConfig::by_name(name).map(Self::Analytic).or(match name {
            "espresso" => Some(Self::Espresso(EspressoConfig::default())),
            "cp2k" => Some(Self::Cp2k(Cp2kConfig::default())),
            "lammps" => Some(Self::Lammps(LammpsConfig::default())),
            "ase" => Some(Self::Ase(AseConfig::default())),
            "command" => Some(Self::Command(CommandConfig::default())),
            "recorded" => Some(Self::Recorded(RecordedConfig::default())),
            "ipi" => Some(Self::Ipi(IpiConfig::default())),
            "vasp" => Some(Self::Vasp(VaspConfig::default())),
            _ => None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Analytic(config) => config.name(),
            Self::Espresso(_) => "espresso",
            Self::Cp2k(_) => "cp2k",
            Self::Lammps(_) => "lammps",
            Self::Ase(_) => "ase",
            Self::Command(_) => "command",
            Self::Recorded(_) => "recorded",
            Self::Ipi(_) => "ipi",
            Self::Vasp(_) => "vasp",
        }
    }

    /// Whether a label costs no more than a few network steps.
    pub fn is_cheap(&self) -> bool {
        matches!(self, Self::Analytic(_))
    }

    /// Its slurm table, and the longest time for one label.
    pub fn slurm(&self) -> Option<(&SlurmConfig, std::time::Duration)> {
        let (slurm, timeout) = match self {
            Self::Espresso(config) => (config.slurm.as_ref(), config.timeout),
            Self::Cp2k(config) => (config.slurm.as_ref(), config.timeout),
            Self::Command(config) => (config.slurm.as_ref(), config.timeout),
            Self::Vasp(config) => (config.slurm.as_ref(), config.timeout),
            Self::Analytic(_) | Self::Lammps(_) | Self::Ase(_) | Self::Recorded(_) | Self::Ipi(_) => return None,
        };
        let timeout = std::time::Duration::from_secs_f64(timeout.value().clamp(0.0, 1e9));
        slurm.map(|slurm| (slurm, timeout))
    }

    /// Whether it runs its program once for each label.
    fn is_file_mode(&self) -> bool {
        match self {
            Self::Espresso(config) => config.mode == Mode::File,
            Self::Cp2k(config) => config.mode == Mode::File,
            Self::Vasp(config) => config.mode == VaspMode::File,
            Self::Command(_) => true,
            Self::Analytic(_) | Self::Lammps(_) | Self::Ase(_) | Self::Recorded(_) | Self::Ipi(_) => false,
        }
    }

    /// The batch jobs that its labels run in, if it has a slurm table; what is wrong with the table otherwise.
    pub fn batch_jobs(&self, folder: &Path) -> Result<Option<Slurm>, String> {
        let Some((slurm, _)) = self.slurm() else {
            return Ok(None);
        };
        if !self.is_file_mode() {
            return Err(
                "batch jobs are for `mode = \"file\"`: set it, or take the slurm table out and submit slmc itself"
                    .to_owned(),
            );
        }
        Slurm::new(slurm, folder).map(Some)
    }

    /// Why the program cannot be started for a structure as things are here, as far as its recipe and its files tell.
    pub fn recipe_problem(&self, structure: &Structure, folder: &Path) -> Option<String> {
        let found = match self {
            Self::Espresso(config) => ipi::examine_espresso(config, structure, folder),
            Self::Lammps(config) => ipi::examine_lammps(config, structure, folder),
            Self::Cp2k(config) => ipi::examine_cp2k(config, structure, folder),
            Self::Ase(config) => ipi::examine_ase(config, structure, folder),
            _ => return None,
        };
        found.err().map(|problem| problem.to_string())
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
            Self::Analytic(AnalyticConfig::DoubleWell(config)) => section.double_well = Some(config),
            Self::Espresso(config) => section.espresso = Some(config),
            Self::Cp2k(config) => section.cp2k = Some(config),
            Self::Lammps(config) => section.lammps = Some(config),
            Self::Ase(config) => section.ase = Some(config),
            Self::Command(config) => section.command = Some(config),
            Self::Recorded(config) => section.recorded = Some(config),
            Self::Ipi(config) => section.ipi = Some(config),
            Self::Vasp(config) => section.vasp = Some(config),
        }
        section
    }

    /// The temperature of its electrons, where its recipe occupies their states by it.
    pub(super) fn electrons(&self, folder: &Path) -> Option<FermiDirac> {
        match self {
            Self::Vasp(config) => electrons::of_vasp(config, folder),
            Self::Espresso(config) => electrons::of_espresso(config, folder),
            Self::Cp2k(config) => electrons::of_cp2k(config, folder),
            _ => None,
        }
    }

    /// Whether shifting all atoms together leaves its energy alone.
    pub(super) fn translation_invariant(&self, first_frame: &Structure) -> bool {
        match self {
            Self::Analytic(config) => build(config, first_frame).is_ok_and(|surface| surface.translation_invariant()),
            Self::Espresso(_) | Self::Cp2k(_) | Self::Vasp(_) => true,
            Self::Lammps(config) => config.translation_invariant,
            Self::Ase(config) => config.translation_invariant,
            Self::Command(config) => config.translation_invariant,
            Self::Recorded(config) => config.translation_invariant,
            Self::Ipi(config) => config.translation_invariant,
        }
    }
}

/// Makes the recipe of the chosen oracle absolute where it exists, so that what is stored can be resumed from any folder.
pub(super) fn anchor_recipe(section: &mut OracleConfig, folder: &Path, absolute: impl Fn(&str) -> String) {
    let recipes = [
        section.espresso.as_mut().map(|espresso| &mut espresso.recipe),
        section.lammps.as_mut().map(|lammps| &mut lammps.recipe),
        section.cp2k.as_mut().map(|cp2k| &mut cp2k.recipe),
        section.ase.as_mut().map(|ase| &mut ase.recipe),
        section.ipi.as_mut().map(|ipi| &mut ipi.recipe),
        section.vasp.as_mut().map(|vasp| &mut vasp.recipe),
        section.command.as_mut().map(|command| &mut command.recipe),
        section.recorded.as_mut().map(|recorded| &mut recorded.file),
    ];
    for recipe in recipes.into_iter().flatten() {
        if !recipe.is_empty() && folder.join(&*recipe).exists() {
            *recipe = absolute(recipe);
        }
    }
    let slurm_tables = [
        section.espresso.as_mut().and_then(|espresso| espresso.slurm.as_mut()),
        section.cp2k.as_mut().and_then(|cp2k| cp2k.slurm.as_mut()),
        section.vasp.as_mut().and_then(|vasp| vasp.slurm.as_mut()),
        section.command.as_mut().and_then(|command| command.slurm.as_mut()),
    ];
    for slurm in slurm_tables.into_iter().flatten() {
        if !slurm.template.is_empty() && folder.join(&slurm.template).exists() {
            slurm.template = absolute(&slurm.template);
        }
    }
    if let Some(vasp) = &mut section.vasp
        && !vasp.potcar.is_empty()
        && folder.join(&vasp.potcar).exists()
    {
        vasp.potcar = absolute(&vasp.potcar);
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
        section.double_well.map(AnalyticConfig::DoubleWell),
    ];
    analytic
        .into_iter()
        .flatten()
        .map(OracleChoice::Analytic)
        .chain(section.espresso.map(OracleChoice::Espresso))
        .chain(section.cp2k.map(OracleChoice::Cp2k))
        .chain(section.lammps.map(OracleChoice::Lammps))
        .chain(section.ase.map(OracleChoice::Ase))
        .chain(section.ipi.map(OracleChoice::Ipi))
        .chain(section.vasp.map(OracleChoice::Vasp))
        .chain(section.command.map(OracleChoice::Command))
        .chain(section.recorded.map(OracleChoice::Recorded))
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
    // One for all workers: they share one look at the queue.
    let slurm = choice.batch_jobs(&folder).map(|slurm| slurm.map(Arc::new));
    Arc::new(move |worker| {
        let slurm = slurm.clone().map_err(|reason| OracleError::Fatal {
            oracle: choice.name().to_owned(),
            reason: format!("slurm: {reason}"),
        })?;
        let own = work.join(format!("worker-{worker}-{}", std::process::id()));
        Ok(match &choice {
            OracleChoice::Analytic(config) => {
                let oracle = AnalyticOracle::new(config.name(), config, &first_frame);
                Box::new(oracle.map_err(|error| OracleError::Fatal {
                    oracle: config.name().to_owned(),
                    reason: error.to_string(),
                })?) as Box<dyn Oracle>
            }
            OracleChoice::Espresso(config) if config.mode == Mode::File => {
                Box::new(espresso::open(config, &first_frame, &own, &folder)?.in_batch_jobs(slurm))
            }
            OracleChoice::Espresso(config) => Box::new(open_espresso(config, &first_frame, &own, &folder)?),
            OracleChoice::Cp2k(config) if config.mode == Mode::File => {
                Box::new(cp2k::open(config, &own, &folder)?.in_batch_jobs(slurm))
            }
            OracleChoice::Cp2k(config) => Box::new(open_cp2k(config, &first_frame, &own, &folder)?),
            OracleChoice::Lammps(config) => Box::new(open_lammps(config, &first_frame, &own, &folder)?),
            OracleChoice::Ase(config) => Box::new(open_ase(config, &first_frame, &own, &folder)?),
            OracleChoice::Command(config) => Box::new(command::open(config, &own, &folder)?.in_batch_jobs(slurm)),
            OracleChoice::Recorded(config) => Box::new(Recorded::new(config, &folder)?),
            OracleChoice::Ipi(config) => Box::new(open(config, &first_frame, &own, &folder)?),
            OracleChoice::Vasp(config) => vasp::open_in_batch_jobs(config, &first_frame, &own, &folder, slurm)?,
        })
    })
}
