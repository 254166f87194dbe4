//! `pw.x` once for each structure: the user's input filled in, its output and XML file read, what is not certain refused.

mod element;
mod output;
mod trajectory;
mod xml;

use std::collections::BTreeSet;
use std::path::Path;

use super::file_mode::{Attempt, FileMode, FileOracle};
use super::ipi::espresso::{EspressoRecipe, INPUT, PREFIX, SCRATCH};
use super::ipi::recipe::{RecipeError, write};
use super::ipi::{EspressoConfig, fatal, wait};
use super::launch::{Exit, Launch, command_line};
use super::{Fingerprint, Labels, OracleError};
use crate::linear::{Mat3, Vec3, norm, scale, sub};
use crate::structure::{Species, Structure};
use crate::units::{BOHR, HARTREE, RYDBERG};

pub use element::element_of_label;
pub use output::{Output, parse as parse_output};
pub use trajectory::{Convergence, Smearing, Trajectory, TrajectoryStep, parse_trajectory};
pub use xml::{Schema, SchemaFile, parse as parse_schema, parse_all as parse_schema_steps};

const NAME: &str = "espresso";
/// How far a position may be from the one asked for, in Å: the output has seven decimals of the lattice parameter.
const SAME_PLACE: f64 = 1e-4;
/// How far the energies of output and XML file may differ, in eV: the output has eight decimals of a Ry.
const SAME_ENERGY: f64 = 1e-6;

/// The file-mode adaptor of `pw.x`.
#[derive(Debug)]
pub struct EspressoFile {
    recipe: EspressoRecipe,
    fingerprint: Fingerprint,
    /// The elements whose pseudopotentials are in the fingerprint.
    known: BTreeSet<Species>,
}

/// `pw.x` in file mode (`[oracle.espresso]` with `mode = "file"`). `worker_dir` is this worker's own folder, made when needed;
/// `config_dir` is the folder that relative recipe paths are also looked for in.
pub fn open(
    config: &EspressoConfig,
    first_frame: &Structure,
    worker_dir: &Path,
    config_dir: &Path,
) -> Result<FileOracle<EspressoFile>, OracleError> {
    let fail = |error: RecipeError| fatal(NAME, &error);
    let recipe = EspressoRecipe::new(config, config_dir).map_err(fail)?;
    let surface = recipe.surface_of(first_frame).map_err(fail)?;
    let adaptor = EspressoFile {
        recipe,
        fingerprint: Fingerprint(surface),
        known: first_frame.species.iter().copied().collect(),
    };
    Ok(FileOracle::new(adaptor, worker_dir.to_owned()))
}

fn transient(reason: impl Into<String>) -> OracleError {
    OracleError::Transient {
        oracle: NAME.to_owned(),
        reason: reason.into(),
    }
}

impl FileMode for EspressoFile {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&mut self, structure: &Structure, folder: &Path, attempt: Attempt) -> Result<Launch, OracleError> {
        let fail = |error: RecipeError| fatal(NAME, &error);
        let input = self.recipe.fill(structure, attempt.repair).map_err(fail)?;
        if structure.species.iter().any(|species| !self.known.contains(species)) {
            // Its pseudopotentials are part of the surface, too.
            self.fingerprint
                .0
                .extend(self.recipe.surface_of(structure).map_err(fail)?);
            self.known.extend(structure.species.iter());
        }
        write(&folder.join(INPUT), input.write()).map_err(fail)?;
        let config = &self.recipe.config;
        let command = format!("{} -in {INPUT}", config.command);
        Ok(Launch {
            words: command_line(&config.launch, &command).map_err(|error| fatal(NAME, &error))?,
            folder: folder.to_owned(),
            environment: config.environment.clone(),
            timeout: wait(config.timeout),
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
            transient(format!("{what} ({exit}){error}{}", exit.tail))
        };
        if !exit.is_success() {
            return Err(told("pw.x failed"));
        }
        if !exit.wrote(&printed) {
            return Err(told("pw.x printed nothing"));
        }
        if !output.done {
            return Err(told("the output of pw.x ends early"));
        }
        if !output.converged {
            return Err(told("pw.x never said that convergence has been achieved"));
        }
        check_printed_structure(&output, structure).map_err(|what| told(&what))?;
        let (Some(energy), Some(forces)) = (output.energy, output.forces.as_ref()) else {
            return Err(told(
                "the output of pw.x lacks the energy or the forces, or they are no numbers",
            ));
        };
        if forces.len() != structure.len() {
            return Err(told(&format!(
                "pw.x gave {} forces for {} atoms",
                forces.len(),
                structure.len()
            )));
        }
        let pressure_to_stress = |stress: &Mat3, unit: f64| stress.map(|row| scale(-unit / BOHR.powi(3), row));
        let from_output = Labels {
            energy: energy * RYDBERG,
            forces: Some(forces.iter().map(|f| scale(RYDBERG / BOHR, *f)).collect()),
            stress: output.stress.as_ref().map(|stress| pressure_to_stress(stress, RYDBERG)),
        };
        let file = folder
            .join(SCRATCH)
            .join(format!("{PREFIX}.save"))
            .join("data-file-schema.xml");
        let labels = if exit.wrote(&file) {
            let text = std::fs::read_to_string(&file).map_err(|error| told(&format!("{}: {error}", file.display())))?;
            let schema = parse_schema(&text).map_err(|what| told(&format!("{}: {what}", file.display())))?;
            check_schema(&schema, structure, from_output.energy)
                .map_err(|what| told(&format!("{}: {what}", file.display())))?;
            Labels {
                energy: schema.energy.map_or(from_output.energy, |energy| energy * HARTREE),
                forces: schema.forces.map_or(from_output.forces, |forces| {
                    Some(forces.iter().map(|f| scale(HARTREE / BOHR, *f)).collect())
                }),
                stress: match &schema.stress {
                    Some(stress) => Some(pressure_to_stress(stress, HARTREE)),
                    None => from_output.stress,
                },
            }
        } else {
            from_output
        };
        Ok(labels)
    }

    fn repair(&self, repair: usize) -> Option<String> {
        EspressoRecipe::repair(repair).map(str::to_owned)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }
}

/// Whether two points are the same but for lattice vectors.
fn same_place(structure: &Structure, a: Vec3, b: Vec3) -> bool {
    let fractional = structure.cell.fractional(sub(a, b));
    norm(structure.cell.cartesian(fractional.map(|x| x - x.round()))) < SAME_PLACE
}

fn check_atoms<'a>(
    atoms: impl ExactSizeIterator<Item = (&'a String, Vec3)>,
    structure: &Structure,
) -> Result<(), String> {
    if atoms.len() != structure.len() {
        return Err(format!("pw.x read {} atoms, not {}", atoms.len(), structure.len()));
    }
    for (index, (label, position)) in atoms.enumerate() {
        if structure.species[index].symbol() != label {
            return Err(format!(
                "atom {index} of pw.x is {label}, not {}",
                structure.species[index]
            ));
        }
        if !same_place(structure, position, structure.positions[index]) {
            return Err(format!(
                "atom {index} of pw.x is somewhere else: another structure's output"
            ));
        }
    }
    Ok(())
}

/// That the output is of the structure that was asked for.
fn check_printed_structure(output: &Output, structure: &Structure) -> Result<(), String> {
    let parameter = norm(structure.cell.vectors()[0]);
    check_atoms(
        output.atoms.iter().map(|(label, p)| (label, scale(parameter, *p))),
        structure,
    )
}

fn check_schema(schema: &Schema, structure: &Structure, printed: f64) -> Result<(), String> {
    if schema.converged == Some(false) {
        return Err("says that the electrons did not converge".to_owned());
    }
    check_atoms(
        schema.atoms.iter().map(|(label, p)| (label, scale(BOHR, *p))),
        structure,
    )?;
    let pairs = schema.cell.iter().zip(structure.cell.vectors());
    let same_cell = schema.cell.len() == 3
        && pairs
            .into_iter()
            .all(|(a, b)| norm(sub(scale(BOHR, *a), *b)) < SAME_PLACE);
    if !same_cell {
        return Err("has another cell".to_owned());
    }
    if schema
        .forces
        .as_ref()
        .is_some_and(|forces| forces.len() != structure.len())
    {
        return Err("has forces for another number of atoms".to_owned());
    }
    match schema.energy {
        Some(energy) if (energy * HARTREE - printed).abs() > SAME_ENERGY => Err(format!(
            "has the energy {} eV, and the output {printed} eV",
            energy * HARTREE
        )),
        _ => Ok(()),
    }
}
