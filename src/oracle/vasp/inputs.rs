//! The input files of one label: POSCAR, INCAR, KPOINTS and POTCAR, made from the recipe and checked before anything runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::config::VaspConfig;
use super::grouping::Grouping;
use super::incar::{Finding, Incar};
use super::kpoints::Kpoints;
use super::potcar::{Potcar, Sources};
use super::repairs::{Repair, ladder};
use super::vasprun::DEFAULT_ELECTRONIC_STEPS;
use crate::linear::{Mat3, Vec3, determinant, scale};
use crate::oracle::file_mode::Attempt;
use crate::oracle::ipi::recipe::RecipeFiles;
use crate::structure::{Cell, Species, Structure};

/// The shipped recipe: `slmc init` writes these files.
pub const RECIPE: &[(&str, &str)] = &[
    ("INCAR", include_str!("../../../oracles/vasp/INCAR")),
    ("KPOINTS", include_str!("../../../oracles/vasp/KPOINTS")),
    ("README.md", include_str!("../../../oracles/vasp/README.md")),
];

/// A recipe that was read and checked against the first structure.
#[derive(Clone, Debug)]
pub struct Inputs {
    incar: Incar,
    kpoints: Option<(Kpoints, String)>,
    sources: Sources,
    setups: BTreeMap<String, String>,
    first_cell: Cell,
    reuse: bool,
    potcars: BTreeMap<Vec<Species>, Potcar>,
}

/// Lattice vectors and fractional positions as POSCAR has them: a right-handed cell, positions inside it, grouped.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Lattice vectors in rows, Å.
    pub basis: Mat3,
    /// Fractional positions in POSCAR order.
    pub positions: Vec<Vec3>,
    /// The grouping.
    pub grouping: Grouping,
}

impl Written {
    /// A structure as POSCAR has it.
    pub fn of(structure: &Structure) -> Result<Self, String> {
        if !structure.cell.is_bulk() {
            return Err(
                "VASP needs a cell that is periodic in all three directions: give free directions a vacuum and pbc=\"T T T\""
                    .to_owned(),
            );
        }
        // VASP refuses left-handed cells; the same lattice with all vectors turned round is right-handed.
        let turn = if determinant(structure.cell.vectors()) < 0.0 {
            -1.0
        } else {
            1.0
        };
        let grouping = Grouping::of(structure);
        let inside = |position: Vec3| {
            scale(turn, structure.cell.fractional(position)).map(|x| {
                let fraction = x - x.floor();
                // Rounding may bring a tiny negative number to one.
                if fraction < 1.0 { fraction } else { 0.0 }
            })
        };
        Ok(Self {
            basis: structure.cell.vectors().map(|vector| scale(turn, vector)),
            positions: grouping
                .order
                .iter()
                .map(|atom| inside(structure.positions[*atom]))
                .collect(),
            grouping,
        })
    }

    /// The text of POSCAR.
    pub fn poscar(&self) -> String {
        // Writing to a string cannot fail.
        let mut text = String::from("slmc\n1.0\n");
        for [x, y, z] in &self.basis {
            let _ = writeln!(text, " {x:21.16} {y:21.16} {z:21.16}");
        }
        let symbols: Vec<&str> = self
            .grouping
            .species
            .iter()
            .map(|(species, _)| species.symbol())
            .collect();
        let counts: Vec<String> = self
            .grouping
            .species
            .iter()
            .map(|(_, count)| count.to_string())
            .collect();
        let _ = writeln!(text, "{}\n{}\nDirect", symbols.join(" "), counts.join(" "));
        for position in &self.positions {
            let _ = writeln!(text, "{}", line(*position));
        }
        text
    }

    /// The species of each atom in POSCAR order.
    pub fn species(&self) -> Vec<Species> {
        let groups = self.grouping.species.iter();
        groups
            .flat_map(|(species, count)| std::iter::repeat_n(*species, *count))
            .collect()
    }
}

/// One line of fractional coordinates.
pub fn line([x, y, z]: Vec3) -> String {
    format!(" {x:19.16} {y:19.16} {z:19.16}")
}

fn join(file: &str, findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{file}: {} {}", finding.tag, finding.message))
        .collect();
    lines.join("; ")
}

impl Inputs {
    /// Reads and checks the recipe for a first structure. `config_dir` is the folder relative paths are also looked for in.
    pub fn read(config: &VaspConfig, first: &Structure, config_dir: &Path) -> Result<Self, String> {
        let built_in = (VaspConfig::default().recipe, RECIPE);
        let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1)))
            .map_err(|error| error.to_string())?;
        let incar = Incar::parse(files.text("INCAR").map_err(|error| error.to_string())?)
            .map_err(|problem| format!("INCAR: {problem}"))?;
        let refusals = incar.refusals(false);
        if !refusals.is_empty() {
            return Err(join("INCAR", &refusals));
        }
        let kpoints = match files.files.get("KPOINTS") {
            None if incar.get("KSPACING").is_some() => None,
            None => return Err("the recipe holds no KPOINTS, and INCAR no KSPACING: write KPOINTS".to_owned()),
            Some(_) => {
                let text = files.text("KPOINTS").map_err(|error| error.to_string())?;
                let kpoints = Kpoints::parse(text).map_err(|problem| format!("KPOINTS: {problem}"))?;
                Some((kpoints, text.to_owned()))
            }
        };
        let given = match config.potcar.as_str() {
            "" => files
                .folder
                .map(|folder| folder.join("POTCAR"))
                .filter(|path| path.is_file()),
            name => {
                let places = [PathBuf::from(name), config_dir.join(name)];
                let found = places.iter().find(|path| path.exists());
                Some(
                    found
                        .cloned()
                        .ok_or_else(|| format!("potcar: there is no file or folder {name}"))?,
                )
            }
        };
        let sources = Sources {
            given,
            environment: std::env::var_os("VASP_PP_PATH").map(PathBuf::from),
            set: config.potential_set.clone(),
        };
        let mut inputs = Self {
            incar,
            kpoints,
            sources,
            setups: config.setups.clone(),
            first_cell: first.cell,
            reuse: config.reuse,
            potcars: BTreeMap::new(),
        };
        let written = Written::of(first)?;
        let mut incar = inputs.incar.clone();
        written
            .grouping
            .apply(&mut incar)
            .map_err(|finding| join("INCAR", &[finding]))?;
        inputs.potcar(&written.grouping)?;
        Ok(inputs)
    }

    /// What is worth a warning before a run. `thermal_energy` in eV.
    pub fn warnings(&self, thermal_energy: f64) -> Vec<String> {
        let found = self.incar.warnings(thermal_energy);
        let mut warnings: Vec<String> = found
            .iter()
            .map(|finding| join("INCAR", std::slice::from_ref(finding)))
            .collect();
        let cutoff = self.incar.number("ENCUT").ok().flatten();
        let recommended = self
            .potcars
            .values()
            .filter_map(Potcar::largest_cutoff)
            .reduce(f64::max);
        if let (Some(cutoff), Some(recommended)) = (cutoff, recommended)
            && cutoff < recommended
        {
            warnings.push(format!(
                "INCAR: ENCUT = {cutoff} is less than the {recommended} eV that the potentials ask for"
            ));
        }
        warnings
    }

    /// Refuses what makes energies of different cells incomparable.
    pub fn check_variable_cell(&self) -> Result<(), String> {
        let mut refusals = self.incar.refusals(true);
        let follows = match &self.kpoints {
            None => Some("is used without KPOINTS"),
            Some((kpoints, _)) if kpoints.follows_cell => Some("is automatic"),
            Some(_) => None,
        };
        if let Some(how) = follows {
            refusals.push(Finding {
                tag: "k-point spacing".to_owned(),
                message: format!(
                    "{how}: with a cell that varies the mesh must be given in KPOINTS, or energies jump with it"
                ),
            });
        }
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(join("INCAR and KPOINTS", &refusals))
        }
    }

    fn potcar(&mut self, grouping: &Grouping) -> Result<&Potcar, String> {
        let species: Vec<Species> = grouping.species.iter().map(|(species, _)| *species).collect();
        if !self.potcars.contains_key(&species) {
            let found =
                Potcar::find(&species, &self.sources, &self.setups).map_err(|problem| format!("POTCAR: {problem}"))?;
            self.potcars.insert(species.clone(), found);
        }
        self.potcars.get(&species).ok_or_else(|| "POTCAR: not found".to_owned())
    }

    /// The largest number of electronic steps the recipe allows.
    pub fn most_electronic_steps(&self) -> usize {
        let given = self.incar.integer("NELM").ok().flatten();
        given
            .and_then(|steps| usize::try_from(steps).ok())
            .unwrap_or(DEFAULT_ELECTRONIC_STEPS)
    }

    /// A rung of the ladder of repairs, from 1.
    pub fn repair(&self, rung: usize) -> Option<Repair> {
        ladder(&self.incar, self.most_electronic_steps())
            .into_iter()
            .nth(rung.checked_sub(1)?)
    }

    /// The INCAR of an attempt.
    pub fn incar(&self, written: &Written, attempt: Attempt, interactive: bool) -> Result<Incar, String> {
        let mut incar = self.incar.clone();
        written
            .grouping
            .apply(&mut incar)
            .map_err(|finding| join("INCAR", &[finding]))?;
        // A title may hold signs that VASP writes into its XML as they are.
        incar.set("SYSTEM", "slmc");
        for (tag, value) in [("ISIF", "2"), ("ISYM", "0")] {
            if incar.get(tag).is_none() {
                incar.set(tag, value);
            }
        }
        incar.set("NELM", self.most_electronic_steps().to_string());
        incar.set("ISTART", if attempt.warm { "1" } else { "0" });
        incar.set("ICHARG", if attempt.warm { "0" } else { "2" });
        incar.set("LCHARG", ".FALSE.");
        incar.set("IBRION", "-1");
        if interactive {
            incar.set("LWAVE", ".FALSE.");
            incar.set("INTERACTIVE", ".TRUE.");
            incar.set("NSW", "100000");
            incar.set("POTIM", "0");
            incar.set("IWAVPR", "11");
            // Its default is a change of energy at which VASP ends by itself.
            incar.set("EDIFFG", "-1E-10");
        } else {
            incar.set("LWAVE", if self.reuse { ".TRUE." } else { ".FALSE." });
            incar.remove("INTERACTIVE");
            incar.set("NSW", "0");
        }
        if let Some(repair) = self.repair(attempt.repair) {
            repair.apply(&mut incar);
        }
        Ok(incar)
    }

    /// Writes all files for a structure.
    pub fn write(
        &mut self,
        written: &Written,
        structure: &Structure,
        folder: &Path,
        incar: &Incar,
    ) -> Result<(), String> {
        if structure.cell != self.first_cell {
            self.check_variable_cell()?;
        }
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        write("POSCAR", written.poscar().as_bytes())?;
        write("INCAR", incar.write().as_bytes())?;
        if let Some((_, text)) = &self.kpoints {
            write("KPOINTS", text.as_bytes())?;
        }
        let potcar = self.potcar(&written.grouping)?;
        write("POTCAR", &potcar.bytes())
    }

    /// What defines the surface, but for the version.
    pub fn surface(&self) -> BTreeMap<String, String> {
        let mut entries = self.incar.surface();
        if let Some((kpoints, _)) = &self.kpoints {
            entries.insert("KPOINTS".to_owned(), kpoints.normal.clone());
        }
        for dataset in self.potcars.values().flat_map(|potcar| &potcar.datasets) {
            entries.insert(format!("POTCAR {}", dataset.species), dataset.identity());
        }
        entries
    }
}
