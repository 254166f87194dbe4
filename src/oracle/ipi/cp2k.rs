//! CP2K: the user's input with the structure filled in, for a socket or for one calculation, and what defines the surface.

use std::collections::BTreeMap;
use std::path::Path;

use super::config::Cp2kConfig;
use super::cp2k_input::{Section, is_true};
use super::recipe::{Recipe, RecipeError, RecipeFiles, identity, line_with, write};
use super::socket::Listener;
use crate::oracle::launch::command_line;
use crate::structure::Structure;

/// The shipped recipe, GFN1-xTB: `slmc init` writes these files.
pub const RECIPE: &[(&str, &str)] = &[
    (INPUT, include_str!("../../../oracles/cp2k/cp2k.inp")),
    ("README.md", include_str!("../../../oracles/cp2k/README.md")),
];
/// The recipe's input.
pub(in crate::oracle) const INPUT: &str = "cp2k.inp";
/// What CP2K prints where the self-consistent field did not converge; it goes on with the energy it has.
pub(in crate::oracle) const UNCONVERGED: [&str; 3] = [
    "SCF run NOT converged",
    "SCF loop FAILED to converge",
    "SCF run failed to converge",
];
/// What CP2K prints where it did.
pub(in crate::oracle) const CONVERGED: &str = "SCF run converged";

/// The ladder of repairs for a calculation that did not converge: what is said of each, by how much the iterations grow, and the
/// part of the density that is mixed in (of no effect with orbital transformation). Nothing of this changes the solution.
const REPAIRS: [(&str, u64, &str); 2] = [
    ("three times the iterations, less mixing (ALPHA 0.1)", 3, "0.1"),
    ("six times the iterations, little mixing (ALPHA 0.03)", 6, "0.03"),
];
/// The most iterations of CP2K where the input does not say.
const ITERATIONS: u64 = 50;
/// Entries that choose only what is written, or the path to the solution, or that slmc fills in: not the surface.
const NOT_THE_SURFACE: [&str; 14] = [
    "GLOBAL/",
    "MOTION/",
    "EXT_RESTART",
    "FORCE_EVAL/PRINT/",
    "FORCE_EVAL/STRESS_TENSOR",
    "FORCE_EVAL/DFT/PRINT/",
    "FORCE_EVAL/DFT/SCF/PRINT/",
    "FORCE_EVAL/DFT/SCF/MAX_SCF",
    "FORCE_EVAL/DFT/SCF/SCF_GUESS",
    "FORCE_EVAL/DFT/SCF/MIXING/",
    "FORCE_EVAL/DFT/SCF/OUTER_SCF/MAX_SCF",
    "FORCE_EVAL/SUBSYS/CELL/",
    "FORCE_EVAL/SUBSYS/COORD/",
    "FORCE_EVAL/SUBSYS/TOPOLOGY/COORD_FILE",
];

/// What the input is filled in for.
#[derive(Clone, Copy, Debug)]
pub(in crate::oracle) enum Purpose<'a> {
    /// One calculation, its results in the output.
    Once,
    /// The driver mode: a UNIX socket's name or a host, and the port for TCP.
    Driver(&'a str, Option<u16>),
}

/// The recipe of `[oracle.cp2k]`.
pub(in crate::oracle) struct Cp2kRecipe {
    pub(in crate::oracle) config: Cp2kConfig,
    files: RecipeFiles,
    input: Section,
}

impl Cp2kRecipe {
    pub(in crate::oracle) fn new(config: &Cp2kConfig, config_dir: &Path) -> Result<Self, RecipeError> {
        let built_in = (Cp2kConfig::default().recipe, RECIPE);
        let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1)))?;
        let input = Section::parse(files.text(INPUT)?).map_err(|problem| RecipeError::content(INPUT, problem))?;
        check(&input)?;
        Ok(Self {
            config: config.clone(),
            files,
            input,
        })
    }

    /// Whether the electrons are iterated to self-consistency.
    fn iterates(&self) -> bool {
        let dft = self.input.at(&["FORCE_EVAL", "DFT"]);
        dft.is_some_and(|dft| dft.at(&["LS_SCF"]).is_none())
    }

    /// The text that a converged calculation prints, empty where none can be asked for.
    pub(in crate::oracle) fn converged_pattern(&self) -> &'static str {
        if self.iterates() { CONVERGED } else { "" }
    }

    pub(in crate::oracle) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.config.environment.clone();
        // What CP2K prints must be in the file when its forces arrive.
        environment.insert("GFORTRAN_UNBUFFERED_PRECONNECTED".to_owned(), "y".to_owned());
        if !self.config.data.is_empty() {
            environment.insert("CP2K_DATA_DIR".to_owned(), self.config.data.clone());
        }
        environment
    }

    /// Writes the recipe's files into a folder, with the input filled in, and returns the command line.
    pub(in crate::oracle) fn write_into(
        &self,
        structure: &Structure,
        folder: &Path,
        purpose: Purpose<'_>,
        repair: usize,
    ) -> Result<Vec<String>, RecipeError> {
        for (name, bytes) in self.files.files.iter().filter(|(name, _)| *name != INPUT) {
            write(&folder.join(name), bytes)?;
        }
        write(&folder.join(INPUT), self.fill(structure, purpose, repair)?.write())?;
        let command = format!("{} -i {INPUT}", self.config.command);
        Ok(command_line(&self.config.launch, &command)?)
    }

    fn fill(&self, structure: &Structure, purpose: Purpose<'_>, repair: usize) -> Result<Section, RecipeError> {
        if !structure.cell.is_bulk() {
            return Err(RecipeError::Structure(
                "CP2K is given a cell that is periodic in all three directions: give free directions a vacuum and pbc=\"T T T\""
                    .to_owned(),
            ));
        }
        let mut input = self.input.clone();
        let global = input.make(&["GLOBAL"]);
        global.set("PROJECT", "slmc");
        global.unset("PROJECT_NAME");
        global.set(
            "RUN_TYPE",
            match purpose {
                Purpose::Once => "ENERGY_FORCE",
                Purpose::Driver(..) => "DRIVER",
            },
        );
        if global
            .get("PRINT_LEVEL")
            .is_none_or(|level| level.eq_ignore_ascii_case("SILENT"))
        {
            global.set("PRINT_LEVEL", "LOW");
        }
        input.remove("MOTION");
        input.remove("EXT_RESTART");
        let evaluation = input.make(&["FORCE_EVAL"]);
        if evaluation.get("STRESS_TENSOR").is_none() {
            evaluation.set("STRESS_TENSOR", "ANALYTICAL");
        }
        match purpose {
            Purpose::Once => {
                let forces = evaluation.make(&["PRINT", "FORCES"]);
                forces.set_parameter("ON");
                forces.unset("FILENAME");
                forces.set("NDIGITS", "16");
                let stress = evaluation.make(&["PRINT", "STRESS_TENSOR"]);
                stress.set_parameter("ON");
                stress.unset("FILENAME");
            }
            Purpose::Driver(host, port) => {
                let driver = input.make(&["MOTION", "DRIVER"]);
                driver.set("HOST", host);
                driver.set("PORT", &port.unwrap_or(12345).to_string());
                driver.set("UNIX", if port.is_none() { "T" } else { "F" });
            }
        }
        let in_bohr = |v: &[f64; 3]| {
            let [x, y, z] = v.map(|component| component / crate::units::BOHR);
            format!("{x:.15} {y:.15} {z:.15}")
        };
        let subsystem = input.make(&["FORCE_EVAL", "SUBSYS"]);
        let vectors = structure.cell.vectors().iter().zip(["A", "B", "C"]);
        let mut lines: Vec<String> = vectors
            .map(|(vector, name)| format!("{name} [bohr] {}", in_bohr(vector)))
            .collect();
        lines.push("PERIODIC XYZ".to_owned());
        subsystem.make(&["CELL"]).set_lines(lines);
        let atoms = structure.species.iter().zip(&structure.positions);
        let atoms = atoms.map(|(species, position)| format!("{species} {}", in_bohr(position)));
        let lines = std::iter::once("UNIT bohr".to_owned()).chain(atoms);
        subsystem.make(&["COORD"]).set_lines(lines);
        if subsystem.at(&["TOPOLOGY"]).is_some() {
            let topology = subsystem.make(&["TOPOLOGY"]);
            for keyword in ["COORD_FILE_NAME", "COORDINATE", "COORD_FILE_FORMAT", "COORDINATES"] {
                topology.unset(keyword);
            }
        }
        if let Some((_, factor, alpha)) = repair.checked_sub(1).and_then(|index| REPAIRS.get(index)) {
            let field = input.make(&["FORCE_EVAL", "DFT", "SCF"]);
            let more = |section: &mut Section, otherwise: u64| {
                let iterations = section.get("MAX_SCF").and_then(|text| text.parse().ok());
                let iterations = iterations.unwrap_or(otherwise).saturating_mul(*factor);
                section.set("MAX_SCF", &iterations.to_string());
            };
            more(field, ITERATIONS);
            if field.at(&["OUTER_SCF"]).is_some() {
                more(field.make(&["OUTER_SCF"]), ITERATIONS);
            }
            if field.at(&["OT"]).is_none() {
                field.make(&["MIXING"]).set("ALPHA", alpha);
            }
        }
        Ok(input)
    }

    /// What rung `repair` changes, from 1.
    pub(in crate::oracle) fn repair_of(&self, repair: usize) -> Option<&'static str> {
        let rung = REPAIRS.get(repair.checked_sub(1)?)?;
        self.iterates().then_some(rung.0)
    }

    /// What defines the surface, but for the version.
    pub(in crate::oracle) fn surface_of(&self) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::from([("code".to_owned(), "CP2K".to_owned())]);
        let counts = |line: &&String| {
            !NOT_THE_SURFACE
                .iter()
                .any(|start| line.to_uppercase().starts_with(start))
        };
        let lines: Vec<String> = self.input.flat().iter().filter(counts).cloned().collect();
        for line in lines {
            let (key, value) = line.split_once(' ').unwrap_or((&line, ""));
            // A keyword may come again, as basis sets by kind do.
            let entry: &mut String = entries.entry(key.to_owned()).or_default();
            if !entry.is_empty() {
                entry.push_str("; ");
            }
            entry.push_str(value);
        }
        for (name, bytes) in &self.files.files {
            if name != INPUT && name != "README.md" {
                entries.insert(format!("recipe file {name}"), identity(bytes));
            }
        }
        entries
    }
}

/// The version in the line ` CP2K| version string:   CP2K version 2023.1`.
pub(in crate::oracle) fn version_of(line: &str) -> Option<String> {
    Some(line.split_once("version string:")?.1.trim().to_owned())
}

/// Refuses what slmc must not change and cannot go along with.
fn check(input: &Section) -> Result<(), RecipeError> {
    let refuse = |problem: &str| Err(RecipeError::content(INPUT, problem));
    match input.count("FORCE_EVAL") {
        0 => return refuse("the section &FORCE_EVAL is missing"),
        1 => {}
        _ => return refuse("several &FORCE_EVAL sections: leave the one whose energy is to be sampled"),
    }
    let run_type = input.at(&["GLOBAL"]).and_then(|global| global.get("RUN_TYPE"));
    if let Some(run_type) = run_type
        && !["ENERGY", "ENERGY_FORCE", "DRIVER"].contains(&run_type.to_uppercase().as_str())
    {
        return refuse("`RUN_TYPE` must be ENERGY_FORCE or left out");
    }
    let field = input.at(&["FORCE_EVAL", "DFT", "SCF"]);
    if field
        .and_then(|field| field.get("IGNORE_CONVERGENCE_FAILURE"))
        .is_some_and(is_true)
    {
        return refuse("`IGNORE_CONVERGENCE_FAILURE` must be F or left out: an unconverged energy is no label");
    }
    Ok(())
}

impl Recipe for Cp2kRecipe {
    fn prepare(
        &self,
        structure: &Structure,
        folder: &Path,
        listener: &Listener,
        repair: usize,
    ) -> Result<Vec<String>, RecipeError> {
        match listener.host_and_port() {
            Some((host, port)) => self.write_into(structure, folder, Purpose::Driver(&host, Some(port)), repair),
            None => self.write_into(structure, folder, Purpose::Driver(listener.name(), None), repair),
        }
    }

    fn repair(&self, repair: usize) -> Option<&'static str> {
        self.repair_of(repair)
    }

    /// Grids belong to the cell of the launch, so that another cell needs another launch: else an energy would depend on what was
    /// labelled before.
    fn serves(&self, launched_for: &Structure, structure: &Structure) -> bool {
        launched_for.species == structure.species && launched_for.cell == structure.cell
    }

    fn version(&self, folder: &Path) -> Option<String> {
        version_of(&line_with(&folder.join("stdout"), "CP2K| version string:")?)
    }

    fn surface(&self, _: &Structure) -> Result<BTreeMap<String, String>, RecipeError> {
        Ok(self.surface_of())
    }

    fn clean(&self, folder: &Path) {
        // Wavefunctions that cannot be removed harm nobody.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("slmc-RESTART") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

impl std::fmt::Debug for Cp2kRecipe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Cp2kRecipe")
            .field("source", &self.files.source)
            .finish_non_exhaustive()
    }
}
