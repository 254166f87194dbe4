//! LAMMPS behind `fix ipi`: the recipe's input script, a data file for the structure, and LAMMPS's own constants.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::config::LammpsConfig;
use super::frame::Frame;
use super::lammps_data;
use super::recipe::{Recipe, RecipeError, RecipeFiles, fill_in, identity, line_with, write};
use super::socket::Listener;
use crate::oracle::launch::command_line;
use crate::structure::Structure;

/// The shipped recipe, Stillinger–Weber silicon: `slmc init` writes these files.
pub const RECIPE: &[(&str, &str)] = &[
    ("in.lammps", include_str!("../../../oracles/lammps/in.lammps")),
    ("Si.sw", include_str!("../../../oracles/lammps/Si.sw")),
    ("README.md", include_str!("../../../oracles/lammps/README.md")),
];
/// The recipe's input script.
const INPUT: &str = "in.lammps";
/// The structure's file in the client's folder.
const DATA: &str = "structure.data";
/// Where LAMMPS is made to write its version, since its output is buffered.
const VERSION: &str = "version.txt";

/// One bohr in Å as `fix ipi` has it.
pub(super) const BOHR: f64 = 0.52917721;
/// One hartree in eV as `fix ipi` has it: Boltzmann's constant of `units metal` over its own in hartree per kelvin.
pub(super) const HARTREE_METAL: f64 = 8.617343e-5 / 3.1668152e-06;
/// One hartree in eV with `units real`, whose energies in kcal/mol pass through Boltzmann's constant in those units.
pub(super) const HARTREE_REAL: f64 = 0.0019872067 / 3.1668152e-06 * 0.043_364_104_241_800_9;

/// The recipe of `[oracle.lammps]`.
pub(super) struct LammpsRecipe {
    config: LammpsConfig,
    files: RecipeFiles,
}

impl LammpsRecipe {
    pub(super) fn new(config: &LammpsConfig, config_dir: &Path) -> Result<Self, RecipeError> {
        let built_in = (LammpsConfig::default().recipe, RECIPE);
        let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1)))?;
        let recipe = Self {
            config: config.clone(),
            files,
        };
        let script = recipe.files.text(INPUT)?;
        // A script with `{socket} 12345 unix` works, too, as long as no TCP is asked for.
        let has_address = script.contains("{address}") || (config.tcp.is_empty() && script.contains("{socket}"));
        if !has_address {
            return Err(RecipeError::content(
                INPUT,
                "must hold the placeholder {address}, as the shipped recipe does",
            ));
        }
        if !script.contains("{data}") && recipe.own_data().is_none() {
            return Err(RecipeError::content(
                INPUT,
                "must take its atoms from {data}, as the shipped recipe does, or from a data file of the recipe: `read_data NAME`",
            ));
        }
        recipe.hartree()?;
        Ok(recipe)
    }

    /// The data file that the recipe brings along, where the script reads one: its name.
    fn own_data(&self) -> Option<&str> {
        let name = lammps_data::file_of(self.files.text(INPUT).ok()?)?;
        self.files.files.contains_key(name).then_some(name)
    }

    /// Refuses a structure whose atoms are not those of the recipe's own data file.
    fn check_own_data(&self, structure: &Structure) -> Result<(), RecipeError> {
        let Some(name) = self.own_data() else { return Ok(()) };
        let script = self.files.text(INPUT)?;
        let style = script.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("atom_style")).then(|| words.next()).flatten()
        });
        lammps_data::elements(self.files.text(name)?, style.unwrap_or("atomic"))
            .and_then(|elements| lammps_data::matches(&elements, structure))
            .map_err(|problem| RecipeError::content(name, problem))
    }

    /// One hartree in eV by the script's units.
    pub(super) fn hartree(&self) -> Result<f64, RecipeError> {
        let script = self.files.text(INPUT)?;
        let mut units = script.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("units")).then(|| words.next().unwrap_or_default())
        });
        match units.next() {
            Some("metal") => Ok(HARTREE_METAL),
            Some("real") => Ok(HARTREE_REAL),
            other => Err(RecipeError::content(
                INPUT,
                format!(
                    "must set `units metal` or `units real`, found {}",
                    other.unwrap_or("none")
                ),
            )),
        }
    }
}

impl Recipe for LammpsRecipe {
    fn prepare(
        &self,
        structure: &Structure,
        folder: &Path,
        listener: &Listener,
        _: usize,
    ) -> Result<Vec<String>, RecipeError> {
        if !structure.cell.is_bulk() {
            return Err(RecipeError::Structure(
                "LAMMPS over a socket needs a cell that is periodic in all three directions: give free directions a vacuum"
                    .to_owned(),
            ));
        }
        self.check_own_data(structure)?;
        let elements: Vec<&str> = structure.elements().iter().map(|species| species.symbol()).collect();
        let elements = elements.join(" ");
        let address = match listener.host_and_port() {
            Some((host, port)) => format!("{host} {port}"),
            None => format!("{} 12345 unix", listener.name()),
        };
        let values = [
            ("address", address.as_str()),
            ("socket", listener.name()),
            ("data", DATA),
            ("elements", elements.as_str()),
        ];
        for (name, bytes) in &self.files.files {
            if name == INPUT {
                let script = fill_in(self.files.text(name)?, &values);
                // The colon and its format keep the number whole.
                let script = format!("print \"LAMMPS $(version:%.0f)\" file {VERSION} screen no\n{script}");
                write(&folder.join(name), script)?;
            } else {
                write(&folder.join(name), bytes)?;
            }
        }
        write(&folder.join(DATA), data_file(structure))?;
        let command = format!("{} -in {INPUT} -log none", self.config.command);
        Ok(command_line(&self.config.launch, &command)?)
    }

    fn version(&self, folder: &Path) -> Option<String> {
        line_with(&folder.join(VERSION), "LAMMPS")
    }

    fn surface(&self, _: &Structure) -> Result<BTreeMap<String, String>, RecipeError> {
        let mut entries = BTreeMap::from([("code".to_owned(), "LAMMPS".to_owned())]);
        for (name, bytes) in &self.files.files {
            let value = if name == INPUT {
                identity(bare_script(self.files.text(name)?).as_bytes())
            } else {
                identity(bytes)
            };
            entries.insert(format!("recipe file {name}"), value);
        }
        entries.remove("recipe file README.md");
        Ok(entries)
    }
}

/// A script without comments, empty lines and the width of blanks: what defines the surface.
fn bare_script(script: &str) -> String {
    let lines = script.lines().map(|line| {
        let code = line.split_once('#').map_or(line, |(code, _)| code);
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The structure as a LAMMPS data file of `atom_style atomic`, in the client's frame, with a type for each element in order
/// of atomic number. The cell always has tilt factors, so that LAMMPS takes any cell later.
fn data_file(structure: &Structure) -> String {
    let frame = Frame::triangular(structure.cell.vectors());
    let elements = structure.elements();
    let [a, b, c] = frame.vectors();
    let mut text = format!(
        "structure\n\n{} atoms\n{} atom types\n\n0.0 {} xlo xhi\n0.0 {} ylo yhi\n0.0 {} zlo zhi\n{} {} {} xy xz yz\n\nMasses\n\n",
        structure.len(),
        elements.len(),
        a[0],
        b[1],
        c[2],
        b[0],
        c[0],
        c[1]
    );
    for (index, species) in elements.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} # {species}", index + 1, species.mass());
    }
    text.push_str("\nAtoms # atomic\n\n");
    for (index, (species, position)) in structure.species.iter().zip(&structure.positions).enumerate() {
        let kind = elements
            .iter()
            .position(|e| e == species)
            .expect("every species is among the elements")
            + 1;
        let [x, y, z] = frame.there(*position);
        let _ = writeln!(text, "{} {kind} {x} {y} {z}", index + 1);
    }
    text
}
