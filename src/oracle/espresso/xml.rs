//! The XML file of `pw.x` (`data-file-schema.xml`, versions 6 and 7): the same as its output, to all digits.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::linear::{Mat3, Vec3};

/// One calculation as read from the XML file, in hartree and bohr.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// Whether the electrons converged. `pw.x` says so of every calculation where `scf_must_converge` is false.
    pub converged: Option<bool>,
    /// The estimated error of the energy, hartree.
    pub accuracy: Option<f64>,
    /// The elements and positions in bohr.
    pub atoms: Vec<(String, Vec3)>,
    /// The lattice vectors as rows, in bohr.
    pub cell: Vec<Vec3>,
    /// The energy that the forces belong to, in hartree.
    pub energy: Option<f64>,
    /// The contribution −TS of the smearing, in hartree.
    pub smearing: Option<f64>,
    /// Forces in hartree/bohr.
    pub forces: Option<Vec<Vec3>>,
    /// Stress in hartree/bohr³, compressive positive.
    pub stress: Option<Mat3>,
    /// What of it is no number.
    pub broken: Option<String>,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaFile {
    /// The version of the code, such as "6.7MaX".
    pub version: Option<String>,
    /// The calculation asked for: scf, relax, vc-relax, md ...
    pub calculation: Option<String>,
    /// What makes energies comparable.
    pub surface: BTreeMap<String, String>,
    /// The kind of smearing.
    pub smearing: Option<String>,
    /// The threshold of the estimated error, hartree.
    pub threshold: Option<f64>,
    /// The steps of the atoms, each complete.
    pub steps: Vec<Schema>,
    /// The end of the run. After a relaxation or dynamics its atoms may have been moved once more, without another calculation.
    pub output: Option<Schema>,
    /// Whether the file is complete; else why not.
    pub damage: Option<String>,
}

/// Reads a complete file of one calculation; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Schema, String> {
    let file = parse_all(text);
    if let Some(damage) = file.damage {
        return Err(damage);
    }
    let schema = file.output.unwrap_or_default();
    match schema.broken {
        Some(broken) => Err(broken),
        None => Ok(schema),
    }
}

/// Reads all steps of a file as far as it goes.
pub fn parse_all(text: &str) -> SchemaFile {
    let mut file = SchemaFile::default();
    let damage = read(text, &mut file).err();
    file.damage = damage;
    file
}

fn read(text: &str, file: &mut SchemaFile) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let mut open = Schema::default();
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut name = String::new();
    let mut closed = false;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_owned());
                content.clear();
                if let Ok(Some(attribute)) = start.try_get_attribute("name") {
                    name = attribute.value.into_owned();
                }
                if path.last().is_some_and(|tag| tag == "creator")
                    && let Ok(Some(attribute)) = start.try_get_attribute("VERSION")
                {
                    file.version = Some(attribute.value.into_owned());
                }
            }
            Event::Text(text) => content.push_str(&text.xml10_content()),
            Event::End(_) => {
                let place = path.get(1..).unwrap_or_default().join("/");
                if place == "step" {
                    file.steps.push(std::mem::take(&mut open));
                } else if place == "output" {
                    file.output = Some(std::mem::take(&mut open));
                } else if let Some(inner) = place.strip_prefix("step/").or_else(|| place.strip_prefix("output/"))
                    && let Err(broken) = take(&mut open, inner, &content, &name)
                {
                    open.broken.get_or_insert(broken);
                } else if let Some(inner) = place.strip_prefix("input/") {
                    input(file, inner, content.trim(), &name);
                }
                content.clear();
                path.pop();
                closed = path.is_empty();
            }
            Event::Eof if closed => return Ok(()),
            Event::Eof => return Err("the file ends early".to_owned()),
            _ => {}
        }
    }
}

/// Keeps the content of one element of `input`.
fn input(file: &mut SchemaFile, place: &str, content: &str, name: &str) {
    let key = match place {
        "control_variables/calculation" => {
            file.calculation = Some(content.to_owned());
            return;
        }
        "electron_control/conv_thr" => {
            file.threshold = content.parse().ok();
            return;
        }
        "bands/smearing" => {
            file.smearing = Some(content.to_owned());
            "smearing".to_owned()
        }
        "dft/functional" => "functional".to_owned(),
        "basis/ecutwfc" => "ecutwfc".to_owned(),
        "basis/ecutrho" => "ecutrho".to_owned(),
        "atomic_species/species/pseudo_file" => format!("pseudopotential of {name}"),
        _ => return,
    };
    file.surface.insert(key, content.to_owned());
}

/// Keeps the content of one element of a calculation.
fn take(schema: &mut Schema, place: &str, content: &str, name: &str) -> Result<(), String> {
    let bad = || {
        format!(
            "<{place}> holds `{}`",
            content.trim().chars().take(40).collect::<String>()
        )
    };
    let number = || {
        let value = content.trim().parse::<f64>().ok();
        value.filter(|value| value.is_finite()).ok_or_else(bad)
    };
    match place {
        "convergence_info/scf_conv/convergence_achieved" | "scf_conv/convergence_achieved" => {
            schema.converged = Some(content.trim().eq_ignore_ascii_case("true"));
        }
        "convergence_info/scf_conv/scf_error" | "scf_conv/scf_error" => schema.accuracy = Some(number()?),
        "atomic_structure/atomic_positions/atom" => {
            let position = vectors(content).and_then(|v| v.first().copied()).ok_or_else(bad)?;
            schema.atoms.push((name.to_owned(), position));
        }
        "atomic_structure/cell/a1" | "atomic_structure/cell/a2" | "atomic_structure/cell/a3" => {
            schema.cell.extend(vectors(content).ok_or_else(bad)?);
        }
        "total_energy/etot" => schema.energy = Some(number()?),
        "total_energy/demet" => schema.smearing = Some(number()?),
        "forces" => schema.forces = Some(vectors(content).ok_or_else(bad)?),
        "stress" => {
            let rows = vectors(content).ok_or_else(bad)?;
            schema.stress = Some(rows.try_into().map_err(|_| bad())?);
        }
        _ => {}
    }
    Ok(())
}

/// Numbers in threes, all finite.
fn vectors(text: &str) -> Option<Vec<Vec3>> {
    let numbers: Option<Vec<f64>> = text
        .split_whitespace()
        .map(|word| word.parse().ok().filter(|x: &f64| x.is_finite()))
        .collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty() && numbers.len().is_multiple_of(3))?;
    Some(numbers.chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../../../oracles/espresso/recorded/converged.xml");

    #[test]
    fn a_recorded_file_is_read() {
        let schema = parse(FILE).unwrap();
        assert_eq!(schema.converged, Some(true));
        assert!((schema.energy.unwrap() + 0.5 * 62.13229012).abs() < 1e-8);
        assert_eq!((schema.atoms.len(), schema.cell.len()), (8, 3));
        assert!((schema.forces.unwrap()[0][0] + 0.5 * 0.01749264).abs() < 1e-7);
        assert!((schema.stress.unwrap()[0][0] - 0.5 * 0.00064615).abs() < 1e-8);
    }

    #[test]
    fn a_cut_file_is_refused() {
        for cut in [0, 100, 1000, FILE.len() / 2, FILE.trim_end().len() - 1] {
            assert!(parse(&FILE[..cut]).is_err(), "{cut}");
        }
        let wrong = FILE.replace("<etot>", "<etot>*");
        assert!(parse(&wrong).unwrap_err().contains("etot"));
    }
}
