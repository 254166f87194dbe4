//! `pw.x --ipi`: the user's input with the structure filled in, pseudopotentials found, and what defines the surface.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::EspressoConfig;
use super::pw_input::{PwInput, is_true};
use super::recipe::{Recipe, RecipeError, RecipeFiles, identity, line_with, write};
use super::socket::Listener;
use crate::oracle::launch::command_line;
use crate::structure::{Species, Structure};

/// The shipped recipe: `slmc init` writes these files.
pub const RECIPE: &[(&str, &str)] = &[
    ("pw.in", include_str!("../../../oracles/espresso/pw.in")),
    ("README.md", include_str!("../../../oracles/espresso/README.md")),
];
/// The recipe's input.
pub(in crate::oracle) const INPUT: &str = "pw.in";
/// Where Debian puts its pseudopotentials.
const DEBIAN_PSEUDOPOTENTIALS: &str = "/usr/share/espresso/pseudo";
/// The scratch folder of pw.x below the client's folder.
pub(in crate::oracle) const SCRATCH: &str = "scratch";
/// The name that pw.x gives its files there.
pub(in crate::oracle) const PREFIX: &str = "slmc";
/// One rung of the ladder of repairs.
struct Repair {
    /// What is said of it.
    what: &'static str,
    /// What is set in &electrons, on top of the rungs before.
    settings: &'static [(&'static str, &'static str)],
    /// By how much the user's number of iterations grows.
    patience: u64,
}
/// The ladder of repairs for a calculation that did not converge. Nothing of this changes the solution.
const REPAIRS: [Repair; 3] = [
    Repair {
        what: "less mixing (mixing_beta 0.3), three times the iterations",
        settings: &[("mixing_beta", "0.3")],
        patience: 3,
    },
    Repair {
        what: "local Thomas-Fermi mixing, random starting wavefunctions",
        settings: &[
            ("mixing_mode", "'local-TF'"),
            ("mixing_beta", "0.2"),
            ("startingwfc", "'atomic+random'"),
        ],
        patience: 3,
    },
    Repair {
        what: "diagonalisation by conjugate gradients, little plain mixing (mixing_beta 0.1), five times the iterations",
        settings: &[
            ("mixing_mode", "'plain'"),
            ("mixing_beta", "0.1"),
            ("diagonalization", "'cg'"),
        ],
        patience: 5,
    },
];
/// The most iterations of pw.x where the input does not say.
const ITERATIONS: u64 = 100;

/// Entries that choose only what is written, or the path to the solution, or that slmc fills in: not the surface.
const NOT_THE_SURFACE: &[(&str, &[&str])] = &[
    (
        "control",
        &[
            "calculation",
            "title",
            "verbosity",
            "restart_mode",
            "wf_collect",
            "outdir",
            "wfcdir",
            "prefix",
            "max_seconds",
            "disk_io",
            "pseudo_dir",
            "tstress",
            "tprnfor",
            "iprint",
            "nstep",
            "dt",
            "lkpoint_dir",
        ],
    ),
    (
        "system",
        &[
            "nat", "ntyp", "ibrav", "a", "b", "c", "cosab", "cosac", "cosbc", "nosym",
        ],
    ),
    (
        "electrons",
        &[
            "electron_maxstep",
            "mixing_mode",
            "mixing_beta",
            "mixing_ndim",
            "diagonalization",
            "diago_david_ndim",
            "diago_cg_maxiter",
            "diago_ppcg_maxiter",
            "diago_thr_init",
            "diago_full_acc",
            "startingpot",
            "startingwfc",
            "scf_must_converge",
        ],
    ),
];

/// The recipe of `[oracle.espresso]`.
pub(in crate::oracle) struct EspressoRecipe {
    pub(in crate::oracle) config: EspressoConfig,
    files: RecipeFiles,
    input: PwInput,
    folders: Vec<PathBuf>,
}

/// One line of ATOMIC_SPECIES.
struct Kind {
    species: Species,
    mass: String,
    file: String,
}

impl EspressoRecipe {
    pub(in crate::oracle) fn new(config: &EspressoConfig, config_dir: &Path) -> Result<Self, RecipeError> {
        let built_in = (EspressoConfig::default().recipe, RECIPE);
        let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1)))?;
        let input = PwInput::parse(files.text(INPUT)?).map_err(|problem| RecipeError::content(INPUT, problem))?;
        check(&input)?;
        let folders = match &config.pseudopotentials {
            Some(folder) if folder.is_dir() => vec![folder.clone()],
            Some(folder) => vec![config_dir.join(folder)],
            None => files
                .folder
                .iter()
                .cloned()
                .chain(std::env::var_os("ESPRESSO_PSEUDO").map(PathBuf::from))
                .chain([PathBuf::from(DEBIAN_PSEUDOPOTENTIALS)])
                .collect(),
        };
        Ok(Self {
            config: config.clone(),
            files,
            input,
            folders,
        })
    }

    /// The kinds of atoms of a structure and the folder that holds all their pseudopotentials.
    fn kinds(&self, structure: &Structure) -> Result<(Vec<Kind>, PathBuf), RecipeError> {
        let elements = structure.elements();
        let mut kinds = Vec::new();
        let mut left_out = false;
        for line in self.input.card("ATOMIC_SPECIES").iter().flat_map(|card| &card.lines) {
            let mut words = line.split_whitespace();
            let (Some(label), Some(mass), Some(file)) = (words.next(), words.next(), words.next()) else {
                return Err(RecipeError::content(
                    INPUT,
                    format!("the line `{line}` of ATOMIC_SPECIES must hold an element, a mass and a file"),
                ));
            };
            let species: Species = label.parse().map_err(|_| {
                RecipeError::content(INPUT, format!("ATOMIC_SPECIES must name elements, not `{label}`"))
            })?;
            if elements.contains(&species) {
                kinds.push(Kind {
                    species,
                    mass: mass.to_owned(),
                    file: file.to_owned(),
                });
            } else {
                left_out = true;
            }
        }
        if let Some(missing) = elements.iter().find(|e| kinds.iter().all(|kind| kind.species != **e)) {
            return Err(RecipeError::content(
                INPUT,
                format!(
                    "ATOMIC_SPECIES lacks a line for {missing}: add `{missing} {} FILE.UPF`; {}",
                    missing.mass(),
                    self.candidates(*missing)
                ),
            ));
        }
        let indexed = self.input.namelists.iter().flat_map(|list| &list.entries);
        if left_out
            && let Some((key, _)) = indexed
                .into_iter()
                .find(|(key, _)| key.contains('(') && !key.starts_with("celldm"))
        {
            return Err(RecipeError::content(
                INPUT,
                format!("`{key}` counts the species of ATOMIC_SPECIES: leave only those of the structure there"),
            ));
        }
        let holds_all = |folder: &&PathBuf| kinds.iter().all(|kind| folder.join(&kind.file).is_file());
        let folder = self.folders.iter().find(holds_all).ok_or_else(|| {
            let files: Vec<&str> = kinds.iter().map(|kind| kind.file.as_str()).collect();
            RecipeError::content(
                INPUT,
                format!(
                    "no folder holds the pseudopotentials {}: set `pseudopotentials` or ESPRESSO_PSEUDO; looked in {}",
                    files.join(", "),
                    list(&self.folders)
                ),
            )
        })?;
        let folder = std::path::absolute(folder).map_err(|source| RecipeError::Io {
            path: folder.clone(),
            source,
        })?;
        Ok((kinds, folder))
    }

    /// The input for a structure, with the rungs of the ladder up to `repair` applied.
    pub(in crate::oracle) fn fill(&self, structure: &Structure, repair: usize) -> Result<PwInput, RecipeError> {
        if !structure.cell.is_bulk() {
            return Err(RecipeError::Structure(
                "pw.x needs a cell that is periodic in all three directions: give free directions a vacuum and pbc=\"T T T\""
                    .to_owned(),
            ));
        }
        let (kinds, pseudopotentials) = self.kinds(structure)?;
        let mut input = self.input.clone();
        let control = [
            ("calculation", "'scf'".to_owned()),
            ("tprnfor", ".true.".to_owned()),
            ("tstress", ".true.".to_owned()),
            ("outdir", format!("'./{SCRATCH}/'")),
            ("prefix", format!("'{PREFIX}'")),
            ("restart_mode", "'from_scratch'".to_owned()),
            ("pseudo_dir", quoted(&pseudopotentials)),
        ];
        for (key, value) in control {
            input.set("control", key, value);
        }
        input.remove("system", |key| {
            key.starts_with("celldm") || ["a", "b", "c", "cosab", "cosac", "cosbc"].contains(&key)
        });
        input.set("system", "ibrav", "0");
        input.set("system", "nat", structure.len().to_string());
        input.set("system", "ntyp", kinds.len().to_string());
        input.set("system", "nosym", ".true.");
        if self.input.get("electrons", "conv_thr").is_none() && !input.namelists.iter().any(|l| l.name == "electrons") {
            input.namelists.push(super::pw_input::Namelist {
                name: "electrons".to_owned(),
                entries: Vec::new(),
            });
        }
        let line = |kind: &Kind| format!("{} {} {}", kind.species, kind.mass, kind.file);
        input.set_card("ATOMIC_SPECIES", "", kinds.iter().map(line).collect());
        let in_bohr = |v: &[f64; 3]| {
            let [x, y, z] = v.map(|component| component / crate::units::BOHR);
            format!("{x:.15} {y:.15} {z:.15}")
        };
        let vectors = structure.cell.vectors().iter().map(in_bohr).collect();
        input.set_card("CELL_PARAMETERS", "bohr", vectors);
        let atoms = structure.species.iter().zip(&structure.positions);
        let lines = atoms.map(|(species, position)| format!("{species} {}", in_bohr(position)));
        input.set_card("ATOMIC_POSITIONS", "bohr", lines.collect());
        for rung in REPAIRS.iter().take(repair) {
            for (key, value) in rung.settings {
                input.set("electrons", key, *value);
            }
            let iterations = self.input.get("electrons", "electron_maxstep");
            let iterations = iterations.and_then(|text| text.parse().ok()).unwrap_or(ITERATIONS);
            let more = iterations.saturating_mul(rung.patience);
            input.set("electrons", "electron_maxstep", more.to_string());
        }
        Ok(input)
    }

    /// What rung `repair` changes, from 1.
    pub(in crate::oracle) fn repair(repair: usize) -> Option<&'static str> {
        Some(REPAIRS.get(repair.checked_sub(1)?)?.what)
    }

    /// What could be written for an element, for a message.
    fn candidates(&self, species: Species) -> String {
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            let mut names: Vec<String> = entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| {
                    let rest = name.strip_prefix(species.symbol());
                    rest.is_some_and(|rest| rest.starts_with(['.', '_', '-']))
                })
                .collect();
            if !names.is_empty() {
                names.sort();
                return format!("{} holds {}", folder.display(), names.join(", "));
            }
        }
        format!("none was found in {}", list(&self.folders))
    }
}

/// The version in the line `Program PWSCF v.7.2 starts on ...`.
pub(in crate::oracle) fn version_of(line: &str) -> Option<String> {
    let version = line.split_once("Program ")?.1.split(" starts").next()?;
    Some(version.trim().to_owned())
}

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    names.join(", ")
}

/// Refuses what slmc must not change and cannot go along with.
fn check(input: &PwInput) -> Result<(), RecipeError> {
    let refuse = |problem: &str| Err(RecipeError::content(INPUT, problem));
    if let Some(calculation) = input.get("control", "calculation")
        && calculation.trim_matches(['\'', '"']) != "scf"
    {
        return refuse("`calculation` must be 'scf' or left out");
    }
    if input.get("system", "nosym").is_some_and(|value| !is_true(value)) {
        return refuse("`nosym` must be .true. or left out: the atoms of a sample have no symmetry");
    }
    if input
        .get("electrons", "scf_must_converge")
        .is_some_and(|value| !is_true(value))
    {
        return refuse("`scf_must_converge` must be .true. or left out: an unconverged energy is no label");
    }
    if input.get("system", "ecutwfc").is_none() {
        return refuse("`ecutwfc` is missing from &system");
    }
    if input.card("K_POINTS").is_none() {
        return refuse("the card K_POINTS is missing: write `K_POINTS gamma` or a grid");
    }
    Ok(())
}

/// The Fortran literal of a path.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

impl Recipe for EspressoRecipe {
    fn prepare(
        &self,
        structure: &Structure,
        folder: &Path,
        listener: &Listener,
        repair: usize,
    ) -> Result<Vec<String>, RecipeError> {
        let input = self.fill(structure, repair)?;
        write(&folder.join(INPUT), input.write())?;
        let address = match listener.host_and_port() {
            Some((host, port)) => format!("{host}:{port}"),
            None => format!("{}:UNIX", listener.name()),
        };
        let command = format!("{} -in {INPUT} --ipi {address}", self.config.command);
        Ok(command_line(&self.config.launch, &command)?)
    }

    /// The plane waves belong to the cell of the launch, so that another cell needs another launch: else an energy would
    /// depend on what was labelled before.
    fn serves(&self, launched_for: &Structure, structure: &Structure) -> bool {
        launched_for.species == structure.species && launched_for.cell == structure.cell
    }

    fn version(&self, folder: &Path) -> Option<String> {
        let line = line_with(&folder.join("stdout"), "Program PWSCF")?;
        version_of(&line)
    }

    fn repair(&self, repair: usize) -> Option<&'static str> {
        Self::repair(repair)
    }

    fn surface(&self, structure: &Structure) -> Result<BTreeMap<String, String>, RecipeError> {
        self.surface_of(structure)
    }

    fn clean(&self, folder: &Path) {
        // Scratch that cannot be removed harms nobody.
        let _ = std::fs::remove_dir_all(folder.join(SCRATCH));
    }
}

impl EspressoRecipe {
    /// What defines the surface, but for the version.
    pub(in crate::oracle) fn surface_of(&self, structure: &Structure) -> Result<BTreeMap<String, String>, RecipeError> {
        let mut entries = BTreeMap::from([("code".to_owned(), "pw.x".to_owned())]);
        for list in &self.input.namelists {
            let left_out = NOT_THE_SURFACE.iter().find(|(name, _)| *name == list.name);
            for (key, value) in &list.entries {
                let counts = !left_out.is_some_and(|(_, keys)| keys.contains(&key.as_str()));
                if counts && !key.starts_with("celldm") {
                    entries.insert(format!("&{} {key}", list.name), value.clone());
                }
            }
        }
        for card in &self.input.cards {
            if !["ATOMIC_SPECIES", "ATOMIC_POSITIONS", "CELL_PARAMETERS"].contains(&card.name.as_str()) {
                let lines: Vec<String> = std::iter::once(&card.option)
                    .chain(&card.lines)
                    .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                    .collect();
                entries.insert(card.name.clone(), lines.join("; "));
            }
        }
        let (kinds, folder) = self.kinds(structure)?;
        for kind in kinds {
            let path = folder.join(&kind.file);
            let bytes = std::fs::read(&path).map_err(|source| RecipeError::Io { path, source })?;
            let value = format!("{}, {}", kind.file, identity(&bytes));
            entries.insert(format!("pseudopotential {}", kind.species), value);
        }
        Ok(entries)
    }
}

impl std::fmt::Debug for EspressoRecipe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EspressoRecipe")
            .field("source", &self.files.source)
            .finish_non_exhaustive()
    }
}
