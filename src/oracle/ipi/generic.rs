//! Any i-PI client: launched with a command line and a copied recipe folder, or waited for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::config::IpiConfig;
use super::recipe::{Recipe, RecipeError, RecipeFiles, fill_in, identity, line_with, write};
use super::socket::Listener;
use crate::oracle::launch::command_line;
use crate::structure::Structure;

/// The structure's file in the client's folder.
const STRUCTURE: &str = "structure.xyz";

/// The recipe of `[oracle.ipi]`.
pub(super) struct GenericRecipe {
    config: IpiConfig,
    files: Option<RecipeFiles>,
}

impl GenericRecipe {
    pub(super) fn new(config: &IpiConfig, config_dir: &Path) -> Result<Self, RecipeError> {
        let files = match config.recipe.as_str() {
            "" => None,
            name => Some(RecipeFiles::find(name, config_dir, None)?),
        };
        if let Some(files) = &files
            && !config.input.is_empty()
        {
            files.text(&config.input)?;
        }
        Ok(Self {
            config: config.clone(),
            files,
        })
    }
}

impl Recipe for GenericRecipe {
    fn prepare(
        &self,
        structure: &Structure,
        folder: &Path,
        listener: &Listener,
        _: usize,
    ) -> Result<Vec<String>, RecipeError> {
        if self.config.command.trim().is_empty() {
            return Ok(Vec::new());
        }
        let workdir = folder.display().to_string();
        let (host, port) = listener.host_and_port().unwrap_or(("localhost".to_owned(), 0));
        let port = port.to_string();
        let values = [
            ("socket", listener.name()),
            ("host", host.as_str()),
            ("port", port.as_str()),
            ("input", self.config.input.as_str()),
            ("structure", STRUCTURE),
            ("workdir", workdir.as_str()),
        ];
        write(&folder.join(STRUCTURE), extended_xyz(structure))?;
        if let Some(files) = &self.files {
            for (name, bytes) in &files.files {
                let is_template = name == &self.config.input || name.starts_with("in.") || has_extension_in(name);
                if is_template {
                    write(&folder.join(name), fill_in(files.text(name)?, &values))?;
                } else {
                    write(&folder.join(name), bytes)?;
                }
            }
        }
        let words = command_line(&self.config.launch, &self.config.command)?;
        Ok(words.iter().map(|word| fill_in(word, &values)).collect())
    }

    fn version(&self, folder: &Path) -> Option<String> {
        match self.config.version_pattern.as_str() {
            "" => None,
            pattern => line_with(&folder.join("stdout"), pattern),
        }
    }

    fn surface(&self, _: &Structure) -> Result<BTreeMap<String, String>, RecipeError> {
        let mut entries = BTreeMap::from([("code".to_owned(), "i-PI client".to_owned())]);
        if !self.config.surface.is_empty() {
            entries.insert("surface".to_owned(), self.config.surface.clone());
        }
        for (name, bytes) in self.files.iter().flat_map(|files| &files.files) {
            entries.insert(format!("recipe file {name}"), identity(bytes));
        }
        Ok(entries)
    }
}

/// Whether a file's name marks it as an input script: `*.in`.
fn has_extension_in(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "in")
}

/// The structure for clients that need one to start from: one frame of extended XYZ.
pub(super) fn extended_xyz(structure: &Structure) -> String {
    let lattice: Vec<String> = structure.cell.vectors().iter().flatten().map(f64::to_string).collect();
    let periodic = structure.cell.periodic().map(|p| if p { "T" } else { "F" });
    let mut text = format!(
        "{}\nLattice=\"{}\" Properties=species:S:1:pos:R:3 pbc=\"{}\"\n",
        structure.len(),
        lattice.join(" "),
        periodic.join(" ")
    );
    for (species, [x, y, z]) in structure.species.iter().zip(&structure.positions) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{species} {x} {y} {z}");
    }
    text
}
