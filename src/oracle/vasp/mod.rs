//! Exact labels from VASP: recipes checked before anything runs, converged answers for exactly the structure asked for, or none.

mod config;
mod file;
mod grouping;
mod harvest;
mod incar;
mod inputs;
mod interactive;
mod kpoints;
pub mod outcar;
mod potcar;
mod repairs;
pub mod vasprun;

use std::path::Path;
use std::sync::Arc;

pub use config::{VaspConfig, VaspEnergy, VaspMode};
pub use file::Vasp;
pub use harvest::stress_from_kilobar;
pub use inputs::RECIPE;
pub use interactive::InteractiveVasp;

use super::file_mode::FileOracle;
use super::slurm::Slurm;
use super::{Oracle, OracleError};
use crate::structure::Structure;

/// The oracle of one worker. `worker_dir` is its own folder, made when needed; `config_dir` is the folder relative paths are
/// also looked for in.
pub fn open(
    config: &VaspConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<Box<dyn Oracle>, OracleError> {
    open_in_batch_jobs(config, first_frame, worker_dir, config_dir, None)
}

/// As [`open`], with the batch jobs that file mode runs in, if there are any.
pub fn open_in_batch_jobs(
    config: &VaspConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
    slurm: Option<Arc<Slurm>>,
) -> Result<Box<dyn Oracle>, OracleError> {
    let file = FileOracle::new(Vasp::new(config, first_frame, config_dir)?, worker_dir.to_owned());
    let file = file.in_batch_jobs(slurm);
    Ok(match config.mode {
        VaspMode::File => Box::new(file),
        VaspMode::Interactive => {
            let vasp = Vasp::new(config, first_frame, config_dir)?;
            Box::new(InteractiveVasp::new(vasp, file, worker_dir.to_owned()))
        }
    })
}

/// Reads an INCAR.
pub(in crate::oracle) fn parse_incar(text: &str) -> Result<incar::Incar, String> {
    incar::Incar::parse(text)
}

/// What can be checked without running: recipe, tags, potentials, and with a cell that varies what its energies need. Returns
/// warnings. `thermal_energy` in eV.
pub fn check(
    config: &VaspConfig,
    first_frame: &Structure,
    config_dir: &Path,
    variable_cell: bool,
    thermal_energy: f64,
) -> Result<Vec<String>, String> {
    let vasp = Vasp::new(config, first_frame, config_dir).map_err(|error| match error {
        OracleError::Fatal { reason, .. } => reason,
        other => other.to_string(),
    })?;
    if variable_cell {
        vasp.inputs.check_variable_cell()?;
    }
    Ok(vasp.inputs.warnings(thermal_energy))
}
