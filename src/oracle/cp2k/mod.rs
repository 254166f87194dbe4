//! CP2K once for each structure: the user's input filled in, its output read, what is not certain refused.

mod output;

use std::path::Path;

use super::file_mode::{Attempt, FileMode, FileOracle};
use super::ipi::cp2k::{Cp2kRecipe, Purpose};
use super::ipi::{Cp2kConfig, fatal, wait};
use super::launch::{Exit, Launch};
use super::{Fingerprint, Labels, OracleError};
use crate::structure::Structure;

pub use output::{Output, parse as parse_output};

const NAME: &str = "cp2k";

/// The file-mode adaptor of CP2K.
#[derive(Debug)]
pub struct Cp2kFile {
    recipe: Cp2kRecipe,
    fingerprint: Fingerprint,
}

/// CP2K in file mode (`[oracle.cp2k]` with `mode = "file"`). `worker_dir` is this worker's own folder, made when needed;
/// `config_dir` is the folder that relative recipe paths are also looked for in.
pub fn open(config: &Cp2kConfig, worker_dir: &Path, config_dir: &Path) -> Result<FileOracle<Cp2kFile>, OracleError> {
    let recipe = Cp2kRecipe::new(config, config_dir).map_err(|error| fatal(NAME, &error))?;
    let adaptor = Cp2kFile {
        fingerprint: Fingerprint(recipe.surface_of()),
        recipe,
    };
    Ok(FileOracle::new(adaptor, worker_dir.to_owned()))
}

impl FileMode for Cp2kFile {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&mut self, structure: &Structure, folder: &Path, attempt: Attempt) -> Result<Launch, OracleError> {
        let words = self.recipe.write_into(structure, folder, Purpose::Once, attempt.repair);
        Ok(Launch {
            words: words.map_err(|error| fatal(NAME, &error))?,
            folder: folder.to_owned(),
            environment: self.recipe.environment(),
            timeout: wait(self.recipe.config.timeout),
        })
    }

    fn harvest(&mut self, structure: &Structure, folder: &Path, exit: &Exit) -> Result<Labels, OracleError> {
        let printed = folder.join("stdout");
        let text = std::fs::read(&printed).unwrap_or_default();
        let output = parse_output(&String::from_utf8_lossy(&text));
        if let Some(version) = &output.version {
            self.fingerprint.0.insert("version".to_owned(), version.clone());
        }
        if let Some(line) = &output.unconverged {
            return Err(OracleError::Unphysical {
                oracle: NAME.to_owned(),
                reason: format!("not converged: \"{line}\""),
            });
        }
        let told = |what: &str| {
            let error = output
                .error
                .as_ref()
                .map_or(String::new(), |error| format!("; {error}"));
            OracleError::Transient {
                oracle: NAME.to_owned(),
                reason: format!("{what} ({exit}){error}{}", exit.tail),
            }
        };
        if !exit.is_success() {
            return Err(told("CP2K failed"));
        }
        if !exit.wrote(&printed) {
            return Err(told("CP2K printed nothing"));
        }
        if !output.done {
            return Err(told("the output of CP2K ends early"));
        }
        if !output.converged && !self.recipe.converged_pattern().is_empty() {
            return Err(told("CP2K never said that the self-consistent field converged"));
        }
        let (Some(energy), Some(forces)) = (output.energy, output.forces.clone()) else {
            return Err(told(
                "the output of CP2K lacks the energy or the forces, or they are no numbers",
            ));
        };
        if forces.len() != structure.len() {
            return Err(told(&format!(
                "CP2K gave {} forces for {} atoms",
                forces.len(),
                structure.len()
            )));
        }
        let pairs = output.elements.iter().zip(structure.species.iter());
        if let Some((found, asked)) = pairs.into_iter().find(|(found, asked)| *found != asked.symbol()) {
            return Err(told(&format!(
                "CP2K has {found} where {asked} was asked for: another structure's output"
            )));
        }
        Ok(Labels {
            energy,
            forces: Some(forces),
            stress: output.stress,
        })
    }

    fn repair(&self, repair: usize) -> Option<String> {
        self.recipe.repair_of(repair).map(str::to_owned)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }
}
