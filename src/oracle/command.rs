//! Any program as an oracle: a structure in extended XYZ in, the same structure with its labels out, an exit code.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file_mode::{Attempt, FileMode, FileOracle};
use super::ipi::recipe::{RecipeFiles, fill_in, identity, write};
use super::ipi::{fatal, wait};
use super::launch::{Exit, Launch, command_line};
use super::slurm::SlurmConfig;
use super::{Fingerprint, Labels, OracleError};
use crate::formats::Frame;
use crate::formats::xyz::Precision;
use crate::linear::{norm, sub};
use crate::structure::Structure;
use crate::units::Duration;

/// The shipped recipe, Lennard-Jones argon in a few lines of Python: `slmc init` writes these files.
pub const RECIPE: &[(&str, &str)] = &[
    ("label.py", include_str!("../../oracles/command/label.py")),
    ("README.md", include_str!("../../oracles/command/README.md")),
];
const NAME: &str = "command";
/// What the program reads.
const INPUT: &str = "structure.xyz";
/// What it writes.
const OUTPUT: &str = "labelled.xyz";
/// The exit code that says that this structure has no answer.
const NO_ANSWER: i32 = 65;
/// The exit codes that say that the program cannot work at all.
const CANNOT_WORK: [i32; 2] = [69, 78];
/// How far positions and cell may be from what was asked for, in Å: a program may print eight decimals.
const SAME_PLACE: f64 = 1e-6;

/// Any program that labels one structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CommandConfig {
    /// The command line, started in a fresh folder with a copy of the recipe in it. `{input}` is the structure's file and `{output}`
    /// the file to write, both extended XYZ; a command without placeholders gets the two names as its last arguments. A command
    /// with the shell's own signs goes to `sh`.
    pub command: String,
    /// The template around the command, such as "mpirun -np 4" or "srun --exclusive -n 64 {command}"; see docs/oracles/launch.md.
    pub launch: String,
    /// A folder whose files are copied into the folder of each label; relative to the current folder or to the config file. The
    /// shipped one, Lennard-Jones argon, is built in. Empty: none.
    pub recipe: String,
    /// What the energies come from (code, functional, version). It goes into the labels' fingerprint, since slmc cannot see it.
    pub surface: String,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of the program.
    pub environment: BTreeMap<String, String>,
    /// Whether shifting all atoms together leaves the energy alone.
    pub translation_invariant: bool,
    /// Submits each label to Slurm as a batch job of its own; see docs/cluster.md. Not given: programs run on this machine.
    pub slurm: Option<SlurmConfig>,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            command: "python3 label.py".to_owned(),
            launch: String::new(),
            recipe: "oracles/command".to_owned(),
            surface: String::new(),
            timeout: Duration::new(3600.0),
            environment: BTreeMap::new(),
            translation_invariant: true,
            slurm: None,
        }
    }
}

/// The file-mode adaptor of a program.
#[derive(Debug)]
pub struct CommandFile {
    config: CommandConfig,
    files: BTreeMap<String, Vec<u8>>,
}

/// A program as an oracle (`[oracle.command]`). `worker_dir` is this worker's own folder, made when needed; `config_dir` is the
/// folder that relative recipe paths are also looked for in.
pub fn open(
    config: &CommandConfig,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<FileOracle<CommandFile>, OracleError> {
    let built_in = (CommandConfig::default().recipe, RECIPE);
    let files = match config.recipe.as_str() {
        "" => BTreeMap::new(),
        name => {
            let found = RecipeFiles::find(name, config_dir, Some((&built_in.0, built_in.1)));
            found.map_err(|error| fatal(NAME, &error))?.files
        }
    };
    if let Some(taken) = [INPUT, OUTPUT].into_iter().find(|name| files.contains_key(*name)) {
        return Err(OracleError::Fatal {
            oracle: NAME.to_owned(),
            reason: format!(
                "the recipe holds a file `{taken}`, which slmc or the program writes for each label: rename it"
            ),
        });
    }
    let adaptor = CommandFile {
        config: config.clone(),
        files,
    };
    // A command that cannot be split is better known now than at the first label.
    adaptor.words()?;
    Ok(FileOracle::new(adaptor, worker_dir.to_owned()))
}

fn transient(reason: impl Into<String>) -> OracleError {
    OracleError::Transient {
        oracle: NAME.to_owned(),
        reason: reason.into(),
    }
}

impl CommandFile {
    fn words(&self) -> Result<Vec<String>, OracleError> {
        let has = |name: &str| self.config.command.contains(name);
        let command = if has("{input}") || has("{output}") {
            fill_in(&self.config.command, &[("input", INPUT), ("output", OUTPUT)])
        } else if self.config.command.trim().is_empty() {
            String::new()
        } else {
            format!("{} {INPUT} {OUTPUT}", self.config.command)
        };
        command_line(&self.config.launch, &command).map_err(|error| fatal(NAME, &error))
    }
}

impl FileMode for CommandFile {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&mut self, structure: &Structure, folder: &Path, _: Attempt) -> Result<Launch, OracleError> {
        let cannot = |error: &dyn std::error::Error| transient(error.to_string());
        for (name, bytes) in &self.files {
            write(&folder.join(name), bytes).map_err(|error| cannot(&error))?;
        }
        let frame = Frame::new(structure.clone());
        crate::formats::xyz::write(folder.join(INPUT), &[frame], Precision::Exact).map_err(|error| cannot(&error))?;
        Ok(Launch {
            words: self.words()?,
            folder: folder.to_owned(),
            environment: self.config.environment.clone(),
            timeout: wait(self.config.timeout),
        })
    }

    fn harvest(&mut self, structure: &Structure, folder: &Path, exit: &Exit) -> Result<Labels, OracleError> {
        let (oracle, reason) = (NAME.to_owned(), format!("{exit}{}", exit.tail));
        match exit.code {
            Some(NO_ANSWER) => return Err(OracleError::Unphysical { oracle, reason }),
            Some(code) if CANNOT_WORK.contains(&code) => return Err(OracleError::Fatal { oracle, reason }),
            _ if !exit.is_success() => return Err(OracleError::Transient { oracle, reason }),
            _ => {}
        }
        let path = folder.join(OUTPUT);
        let told = |what: &str| transient(format!("{OUTPUT}: {what}{}", exit.tail));
        if !path.exists() {
            return Err(told("the program wrote no such file"));
        }
        if !exit.wrote(&path) {
            return Err(told("is older than the program's start: another calculation's"));
        }
        let frames = crate::formats::xyz::read(&path).map_err(|error| told(&error.to_string()))?;
        let [frame] = frames.as_slice() else {
            return Err(told(&format!("holds {} structures, not one", frames.len())));
        };
        check_same(&frame.structure, structure).map_err(|what| told(&what))?;
        let converged = frame.info.iter().find(|(key, _)| key.eq_ignore_ascii_case("converged"));
        if let Some((_, value)) = converged
            && ["f", "false", "0", "no"].contains(&value.to_lowercase().as_str())
        {
            return Err(OracleError::Unphysical {
                oracle,
                reason: format!("{OUTPUT} says converged={value}"),
            });
        }
        let labels = frame.force_consistent_labels();
        let labels = labels.ok_or_else(|| told("has no `energy` in its comment line"))?;
        if !labels.is_finite() {
            return Err(told("holds a label that is not a finite number"));
        }
        if labels.forces.is_none() {
            return Err(told("has no column `forces:R:3`"));
        }
        Ok(labels)
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut entries = BTreeMap::from([("code".to_owned(), "command".to_owned())]);
        entries.insert("command".to_owned(), self.config.command.clone());
        if !self.config.surface.is_empty() {
            entries.insert("surface".to_owned(), self.config.surface.clone());
        }
        for (name, bytes) in self.files.iter().filter(|(name, _)| *name != "README.md") {
            entries.insert(format!("recipe file {name}"), identity(bytes));
        }
        Fingerprint(entries)
    }

    fn translation_invariant(&self) -> bool {
        self.config.translation_invariant
    }
}

/// That a program answered for the structure that was asked for: elements in order, cell and positions.
fn check_same(found: &Structure, asked: &Structure) -> Result<(), String> {
    if found.len() != asked.len() {
        return Err(format!("holds {} atoms, not {}", found.len(), asked.len()));
    }
    let pairs = found.species.iter().zip(asked.species.iter());
    if let Some((index, (is, was))) = pairs.enumerate().find(|(_, (is, was))| is != was) {
        return Err(format!("atom {index} is {is}, not {was}: keep the order of {INPUT}"));
    }
    let far = |a: &[[f64; 3]], b: &[[f64; 3]]| a.iter().zip(b).any(|(a, b)| norm(sub(*a, *b)) > SAME_PLACE);
    if found.cell.periodic() != asked.cell.periodic() || far(found.cell.vectors(), asked.cell.vectors()) {
        return Err(format!("has another cell than {INPUT}"));
    }
    if far(&found.positions, &asked.positions) {
        return Err(format!(
            "has other positions than {INPUT}: an old file, or atoms that were moved"
        ));
    }
    Ok(())
}
