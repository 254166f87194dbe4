//! Exact labels from any code behind an i-PI socket: launches the client, speaks with it, watches its output, drops it
//! when it misbehaves and launches it anew.

mod ase;
mod client;
mod config;
pub(in crate::oracle) mod cp2k;
pub(in crate::oracle) mod cp2k_input;
pub(in crate::oracle) mod espresso;
mod frame;
mod generic;
mod lammps;
mod lammps_data;
mod launch;
mod protocol;
pub(in crate::oracle) mod pw_input;
pub(in crate::oracle) mod recipe;
mod server;
mod socket;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use ase::RECIPE as ASE_RECIPE;
pub use client::{ClientError, Elements, ServerAddress, ServerConnection, serve};
pub use config::{AseConfig, Cp2kConfig, EspressoConfig, IpiConfig, LammpsConfig, Mode};
pub use cp2k::RECIPE as CP2K_RECIPE;
pub use espresso::RECIPE as ESPRESSO_RECIPE;
pub use lammps::RECIPE as LAMMPS_RECIPE;
use recipe::Recipe;
pub use recipe::RecipeError;
pub use server::IpiOracle;

use crate::oracle::OracleError;
use crate::structure::Structure;

/// The longest wait any timeout can mean, so that sums with the clock stay finite.
const LONGEST_WAIT: f64 = 1e9;

/// What the exchange needs to know, whatever the client.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of a client by itself")]
struct Settings {
    name: &'static str,
    start_timeout: Duration,
    timeout: Duration,
    environment: BTreeMap<String, String>,
    unconverged_patterns: Vec<String>,
    converged_pattern: String,
    translation_invariant: bool,
    triangular_cell: bool,
    wrap_positions: bool,
    bohr: f64,
    hartree: f64,
    socket: String,
    tcp: String,
    /// Whether a calculation starts from what the client's last one left behind.
    keeps_memory: bool,
}

/// Any i-PI client (`[oracle.ipi]`). `worker_dir` is this worker's own folder, made when needed; `config_dir` is the folder
/// relative recipe paths are also looked for in. Where a command is given the client is launched at once, since only the
/// running client knows its version; the first label uses it.
pub fn open(
    config: &IpiConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<IpiOracle, OracleError> {
    let name = "ipi";
    let recipe = generic::GenericRecipe::new(config, config_dir).map_err(|e| fatal(name, &e))?;
    let settings = Settings {
        name,
        start_timeout: wait(config.start_timeout),
        timeout: wait(config.timeout),
        environment: config.environment.clone(),
        unconverged_patterns: config.unconverged_patterns.clone(),
        converged_pattern: config.converged_pattern.clone(),
        translation_invariant: config.translation_invariant,
        triangular_cell: config.triangular_cell,
        wrap_positions: config.wrap_positions,
        bohr: config.bohr.value(),
        hartree: config.hartree.value(),
        socket: config.socket.clone(),
        tcp: config.tcp.clone(),
        keeps_memory: config.keeps_memory && !config.command.trim().is_empty(),
    };
    let launch = !config.command.trim().is_empty();
    IpiOracle::new(settings, Box::new(recipe), first_frame, worker_dir, launch)
}

/// Quantum ESPRESSO's `pw.x` (`[oracle.espresso]`); arguments as for [`open`].
pub fn open_espresso(
    config: &EspressoConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<IpiOracle, OracleError> {
    let name = "espresso";
    let recipe = espresso::EspressoRecipe::new(config, config_dir).map_err(|e| fatal(name, &e))?;
    let mut environment = config.environment.clone();
    // What pw.x prints must be in the file when its forces arrive.
    environment.insert("GFORTRAN_UNBUFFERED_PRECONNECTED".to_owned(), "y".to_owned());
    let settings = Settings {
        name,
        start_timeout: wait(config.start_timeout),
        timeout: wait(config.timeout),
        environment,
        unconverged_patterns: vec!["convergence NOT achieved".to_owned()],
        converged_pattern: "convergence has been achieved".to_owned(),
        translation_invariant: true,
        triangular_cell: false,
        wrap_positions: false,
        bohr: crate::units::BOHR,
        hartree: crate::units::HARTREE,
        socket: String::new(),
        tcp: config.tcp.clone(),
        keeps_memory: true,
    };
    IpiOracle::new(settings, Box::new(recipe), first_frame, worker_dir, true)
}

/// LAMMPS (`[oracle.lammps]`); arguments as for [`open`].
pub fn open_lammps(
    config: &LammpsConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<IpiOracle, OracleError> {
    let name = "lammps";
    let recipe = lammps::LammpsRecipe::new(config, config_dir).map_err(|e| fatal(name, &e))?;
    let settings = Settings {
        name,
        start_timeout: wait(config.start_timeout),
        timeout: wait(config.timeout),
        environment: config.environment.clone(),
        unconverged_patterns: Vec::new(),
        converged_pattern: String::new(),
        translation_invariant: config.translation_invariant,
        triangular_cell: true,
        wrap_positions: true,
        bohr: lammps::BOHR,
        hartree: recipe.hartree().map_err(|e| fatal(name, &e))?,
        socket: String::new(),
        tcp: config.tcp.clone(),
        keeps_memory: false,
    };
    IpiOracle::new(settings, Box::new(recipe), first_frame, worker_dir, true)
}

/// CP2K (`[oracle.cp2k]` with `mode = "socket"`); arguments as for [`open`].
pub fn open_cp2k(
    config: &Cp2kConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<IpiOracle, OracleError> {
    let name = "cp2k";
    let recipe = cp2k::Cp2kRecipe::new(config, config_dir).map_err(|e| fatal(name, &e))?;
    let settings = Settings {
        name,
        start_timeout: wait(config.start_timeout),
        timeout: wait(config.timeout),
        environment: recipe.environment(),
        // Over the socket CP2K hands back unconverged energies as if nothing had happened.
        unconverged_patterns: cp2k::UNCONVERGED.map(str::to_owned).to_vec(),
        converged_pattern: recipe.converged_pattern().to_owned(),
        translation_invariant: true,
        triangular_cell: false,
        wrap_positions: false,
        bohr: crate::units::BOHR,
        hartree: crate::units::HARTREE,
        socket: String::new(),
        tcp: config.tcp.clone(),
        keeps_memory: true,
    };
    IpiOracle::new(settings, Box::new(recipe), first_frame, worker_dir, true)
}

/// An ASE calculator (`[oracle.ase]`); arguments as for [`open`].
pub fn open_ase(
    config: &AseConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<IpiOracle, OracleError> {
    let name = "ase";
    let recipe = ase::AseRecipe::new(config, config_dir).map_err(|e| fatal(name, &e))?;
    let settings = Settings {
        name,
        start_timeout: wait(config.start_timeout),
        timeout: wait(config.timeout),
        environment: config.environment.clone(),
        unconverged_patterns: vec![ase::UNCONVERGED.to_owned()],
        converged_pattern: String::new(),
        translation_invariant: config.translation_invariant,
        triangular_cell: false,
        wrap_positions: false,
        bohr: crate::units::BOHR,
        hartree: crate::units::HARTREE,
        socket: String::new(),
        tcp: config.tcp.clone(),
        keeps_memory: config.keeps_memory,
    };
    IpiOracle::new(settings, Box::new(recipe), first_frame, worker_dir, true)
}

/// What can be said of a client before it is launched: that its recipe is there, makes sense for a structure and finds its files.
fn examine(recipe: Result<impl Recipe, RecipeError>, structure: &Structure) -> Result<(), RecipeError> {
    recipe?.surface(structure).map(|_| ())
}

/// Examines the recipe of `pw.x` and looks for its pseudopotentials; arguments as for [`open`].
pub fn examine_espresso(config: &EspressoConfig, first: &Structure, config_dir: &Path) -> Result<(), RecipeError> {
    examine(espresso::EspressoRecipe::new(config, config_dir), first)
}

/// Examines the recipe of LAMMPS; arguments as for [`open`].
pub fn examine_lammps(config: &LammpsConfig, first: &Structure, config_dir: &Path) -> Result<(), RecipeError> {
    examine(lammps::LammpsRecipe::new(config, config_dir), first)
}

/// Examines the recipe of CP2K; arguments as for [`open`].
pub fn examine_cp2k(config: &Cp2kConfig, first: &Structure, config_dir: &Path) -> Result<(), RecipeError> {
    examine(cp2k::Cp2kRecipe::new(config, config_dir), first)
}

/// Examines the recipe of an ASE calculator; arguments as for [`open`].
pub fn examine_ase(config: &AseConfig, first: &Structure, config_dir: &Path) -> Result<(), RecipeError> {
    examine(ase::AseRecipe::new(config, config_dir), first)
}

pub(in crate::oracle) fn wait(duration: crate::units::Duration) -> Duration {
    Duration::from_secs_f64(duration.value().clamp(0.0, LONGEST_WAIT))
}

pub(in crate::oracle) fn fatal(oracle: &str, reason: &dyn std::error::Error) -> OracleError {
    OracleError::Fatal {
        oracle: oracle.to_owned(),
        reason: reason.to_string(),
    }
}
