//! VASP, run once for each label.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::config::VaspConfig;
use super::harvest::{Refusal, harvest};
use super::inputs::{Inputs, Written};
use crate::oracle::file_mode::{Attempt, FileMode};
use crate::oracle::launch::{Exit, Launch, command_line};
use crate::oracle::{Fingerprint, Labels, Note, OracleError};
use crate::structure::Structure;

pub(super) const NAME: &str = "vasp";
/// The electronic entropy for each atom above which it is told, eV.
const LARGE_ENTROPY: f64 = 1e-3;

/// The file-mode adaptor.
#[derive(Debug)]
pub struct Vasp {
    pub(super) inputs: Inputs,
    pub(super) config: VaspConfig,
    words: Vec<String>,
    version: Option<String>,
    notes: Vec<Note>,
    entropy_told: bool,
    /// The largest memory of one process of the last calculation, bytes.
    told_memory: Option<u64>,
}

pub(super) fn fatal(reason: impl Into<String>) -> OracleError {
    OracleError::Fatal {
        oracle: NAME.to_owned(),
        reason: reason.into(),
    }
}

pub(super) fn error(refusal: Refusal) -> OracleError {
    let oracle = NAME.to_owned();
    match refusal {
        Refusal::Transient(reason) => OracleError::Transient { oracle, reason },
        Refusal::NoSolution(reason) => OracleError::Unphysical { oracle, reason },
        Refusal::Fatal(reason) => OracleError::Fatal { oracle, reason },
    }
}

/// The command: from the configuration, else from the environment.
pub(super) fn command(config: &VaspConfig) -> String {
    if !config.command.trim().is_empty() {
        return config.command.clone();
    }
    ["VASP_COMMAND", "ASE_VASP_COMMAND"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|command| !command.trim().is_empty())
        .unwrap_or_else(|| "vasp_std".to_owned())
}

impl Vasp {
    /// Reads and checks recipe and potentials for a first structure.
    pub fn new(config: &VaspConfig, first: &Structure, config_dir: &Path) -> Result<Self, OracleError> {
        let inputs = Inputs::read(config, first, config_dir).map_err(fatal)?;
        let words = command_line(&config.launch, &command(config)).map_err(|problem| fatal(problem.to_string()))?;
        Ok(Self {
            inputs,
            config: config.clone(),
            words,
            version: None,
            notes: Vec::new(),
            entropy_told: false,
            told_memory: None,
        })
    }

    /// What to run in a folder.
    pub(super) fn launch(&self, folder: &Path) -> Launch {
        Launch {
            words: self.words.clone(),
            folder: folder.to_owned(),
            environment: self.environment(),
            timeout: Duration::from_secs_f64(self.config.timeout.value().clamp(0.0, 1e9)),
        }
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.config.environment.clone();
        // What VASP prints must be in the file when it is looked for.
        environment
            .entry("GFORTRAN_UNBUFFERED_PRECONNECTED".to_owned())
            .or_insert("y".to_owned());
        environment
    }

    /// The version, as another adaptor of the same program has heard it.
    pub(super) fn known_version(&mut self, version: &str) {
        self.version = Some(version.to_owned());
    }

    /// Takes note of the version and of what one calculation told.
    pub(super) fn heard(&mut self, version: &str, entropy: f64, atoms: usize, summary: String) {
        self.version = Some(if version.is_empty() {
            "unknown".to_owned()
        } else {
            version.to_owned()
        });
        self.notes.push(Note::new("calculation", summary));
        let each = entropy.abs() / atoms.max(1) as f64;
        if each > LARGE_ENTROPY && !self.entropy_told {
            self.entropy_told = true;
            self.notes.push(Note::new(
                "warning",
                format!(
                    "the electronic entropy is {:.1} meV for each atom: the smearing is wide (SIGMA), and free energy and energy \
                     differ by it",
                    1e3 * each
                ),
            ));
        }
    }
}

impl FileMode for Vasp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&mut self, structure: &Structure, folder: &Path, attempt: Attempt) -> Result<Launch, OracleError> {
        let written = Written::of(structure).map_err(fatal)?;
        let incar = self.inputs.incar(&written, attempt, false).map_err(fatal)?;
        self.inputs.write(&written, structure, folder, &incar).map_err(fatal)?;
        Ok(self.launch(folder))
    }

    fn harvest(&mut self, structure: &Structure, folder: &Path, exit: &Exit) -> Result<Labels, OracleError> {
        let written = Written::of(structure).map_err(fatal)?;
        let found = harvest(folder, exit, &written, &structure.cell, self.config.energy).map_err(error)?;
        // kB, as VASP says.
        self.told_memory = found.memory.map(|memory| (1024.0 * memory) as u64);
        let summary = format!("{} electronic steps in {:.1} s", found.electronic_steps, exit.seconds);
        self.heard(&found.version, found.entropy, structure.len(), summary);
        Ok(found.labels)
    }

    fn repair(&self, repair: usize) -> Option<String> {
        self.inputs.repair(repair).map(|repair| repair.describe())
    }

    fn told_memory(&self) -> Option<u64> {
        self.told_memory
    }

    fn memory_files(&self) -> &[&'static str] {
        if self.config.reuse { &["WAVECAR"] } else { &[] }
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut entries = self.inputs.surface();
        entries.insert("code".to_owned(), "vasp".to_owned());
        let energy = match self.config.energy {
            super::config::VaspEnergy::Free => "free",
            super::config::VaspEnergy::SigmaToZero => "sigma-to-zero",
        };
        entries.insert("energy".to_owned(), energy.to_owned());
        if let Some(version) = &self.version {
            entries.insert("version".to_owned(), version.clone());
        }
        Fingerprint(entries)
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}
