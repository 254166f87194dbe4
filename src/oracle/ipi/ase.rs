//! An ASE calculator behind the socket: the recipe's `calculator.py` and the driver that speaks for it.

use std::collections::BTreeMap;
use std::path::Path;

use super::config::AseConfig;
use super::generic::extended_xyz;
use super::recipe::{Recipe, RecipeError, RecipeFiles, identity, line_with, write};
use super::socket::Listener;
use crate::oracle::launch::command_line;
use crate::structure::Structure;

/// The shipped recipe, GFN1-xTB by tblite: `slmc init` writes these files.
pub const RECIPE: &[(&str, &str)] = &[
    (CALCULATOR, include_str!("../../../oracles/ase/calculator.py")),
    (DRIVER, include_str!("../../../oracles/ase/driver.py")),
    ("README.md", include_str!("../../../oracles/ase/README.md")),
];
/// The user's file.
const CALCULATOR: &str = "calculator.py";
/// The program that speaks i-PI for it.
const DRIVER: &str = "driver.py";
/// The structure's file in the client's folder.
const STRUCTURE: &str = "structure.xyz";
/// What the driver prints where the calculator's iterations do not converge.
pub(super) const UNCONVERGED: &str = "calculation did NOT converge";

/// The recipe of `[oracle.ase]`.
pub(super) struct AseRecipe {
    config: AseConfig,
    files: RecipeFiles,
}

impl AseRecipe {
    pub(super) fn new(config: &AseConfig, config_dir: &Path) -> Result<Self, RecipeError> {
        let built_in = (AseConfig::default().recipe, RECIPE);
        let mut files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1)))?;
        if !files.text(CALCULATOR)?.contains("def calculator(") {
            return Err(RecipeError::content(
                CALCULATOR,
                "must define `def calculator():`, which returns the ASE calculator",
            ));
        }
        let driver = files.files.entry(DRIVER.to_owned());
        driver.or_insert_with(|| include_bytes!("../../../oracles/ase/driver.py").to_vec());
        Ok(Self {
            config: config.clone(),
            files,
        })
    }
}

impl Recipe for AseRecipe {
    fn prepare(
        &self,
        structure: &Structure,
        folder: &Path,
        listener: &Listener,
        _: usize,
    ) -> Result<Vec<String>, RecipeError> {
        for (name, bytes) in &self.files.files {
            write(&folder.join(name), bytes)?;
        }
        write(&folder.join(STRUCTURE), extended_xyz(structure))?;
        let address = match listener.host_and_port() {
            Some((host, port)) => format!("{host}:{port}"),
            None => listener.name().to_owned(),
        };
        // A Python named by a relative path is not looked for in the client's folder.
        let mut command = self.config.command.trim().to_owned();
        if let Some(program) = command.split_whitespace().next()
            && program.contains('/')
            && !program.starts_with('/')
            && let Ok(absolute) = std::path::absolute(program)
            && absolute.is_file()
        {
            command = command.replacen(program, &absolute.display().to_string(), 1);
        }
        Ok(command_line(
            &self.config.launch,
            &format!("{command} {DRIVER} {address} {STRUCTURE}"),
        )?)
    }

    fn version(&self, folder: &Path) -> Option<String> {
        let line = line_with(&folder.join("stdout"), "slmc-ase: ")?;
        Some(line.split_once("slmc-ase: ")?.1.to_owned())
    }

    fn surface(&self, _: &Structure) -> Result<BTreeMap<String, String>, RecipeError> {
        let mut entries = BTreeMap::from([("code".to_owned(), "ASE calculator".to_owned())]);
        for (name, bytes) in self.files.files.iter().filter(|(name, _)| *name != DRIVER) {
            entries.insert(format!("recipe file {name}"), identity(bytes));
        }
        entries.remove("recipe file README.md");
        Ok(entries)
    }
}
