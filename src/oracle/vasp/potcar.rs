//! POTCAR: found, put together in POSCAR order, and every title checked against its species.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::structure::Species;

/// The folder of a set of potentials below `VASP_PP_PATH`, unless the configuration names another.
pub const DEFAULT_SET: &str = "potpaw_PBE";

/// The potential of one species.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// What its title says, such as `PAW_PBE Si 05Jan2001`.
    pub title: String,
    /// The element of its title.
    pub species: Species,
    /// The recommended cutoff, eV.
    pub largest_cutoff: Option<f64>,
    /// The exchange-correlation functional it was made with.
    functional: Option<String>,
    text: Vec<u8>,
}

/// The potentials of all species, in POSCAR order.
#[derive(Clone, Debug, PartialEq)]
pub struct Potcar {
    /// One for each species.
    pub datasets: Vec<Dataset>,
}

/// Where potentials may come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    /// A whole POTCAR, or a folder of potentials; from the configuration or the recipe.
    pub given: Option<PathBuf>,
    /// The folder that `VASP_PP_PATH` names.
    pub environment: Option<PathBuf>,
    /// The set's folder below it.
    pub set: String,
}

/// The element of a pseudopotential's title: its second word up to `_`, `.` or a digit.
pub fn species_of_title(title: &str) -> Option<Species> {
    let name = title.split_whitespace().nth(1)?;
    let letters: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    letters.parse().ok()
}

impl Potcar {
    /// Finds the potentials of the species and puts them in order. `setups` names the potential of an element where it is not the
    /// element's own name, such as `Ti_pv`.
    pub fn find(
        species: &[Species],
        sources: &Sources,
        setups: &std::collections::BTreeMap<String, String>,
    ) -> Result<Self, String> {
        for element in setups.keys() {
            element
                .parse::<Species>()
                .map_err(|_| format!("setups: `{element}` is not a chemical element"))?;
        }
        if let Some(given) = &sources.given
            && given.is_file()
        {
            let all = split(&read(given)?).map_err(|problem| format!("{}: {problem}", given.display()))?;
            return Self::choose(species, &all, given, setups);
        }
        let root = match (&sources.given, &sources.environment) {
            (Some(given), _) if given.is_dir() => given,
            (Some(given), _) => return Err(format!("there is no POTCAR file or folder {}", given.display())),
            (None, Some(root)) if root.is_dir() => root,
            (None, Some(root)) => return Err(format!("VASP_PP_PATH names {}, which is no folder", root.display())),
            (None, None) => {
                return Err(
                    "no potentials are given: set VASP_PP_PATH to the folder that holds potpaw_PBE, or `potcar` in \
                     [oracle.vasp] to a POTCAR file or a folder, or put POTCAR into the recipe"
                        .to_owned(),
                );
            }
        };
        let mut datasets = Vec::new();
        for element in species {
            let name = setups.get(element.symbol()).map_or(element.symbol(), String::as_str);
            let path = locate(root, &sources.set, name).ok_or_else(|| {
                format!(
                    "no potential `{name}` in {}; {}",
                    root.display(),
                    beside(root, &sources.set, *element)
                )
            })?;
            let mut found = split(&read(&path)?).map_err(|problem| format!("{}: {problem}", path.display()))?;
            if found.len() != 1 {
                return Err(format!(
                    "{} holds {} potentials where one is expected",
                    path.display(),
                    found.len()
                ));
            }
            let dataset = found.remove(0);
            if dataset.species != *element {
                return Err(format!(
                    "{} is a potential of {} (`{}`), not of {element}",
                    path.display(),
                    dataset.species,
                    dataset.title
                ));
            }
            datasets.push(dataset);
        }
        Self { datasets }.consistent()
    }

    fn choose(
        species: &[Species],
        all: &[Dataset],
        path: &Path,
        setups: &std::collections::BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let mut datasets = Vec::new();
        for element in species {
            let mut of_it: Vec<&Dataset> = all.iter().filter(|dataset| dataset.species == *element).collect();
            if let Some(setup) = setups.get(element.symbol()) {
                of_it.retain(|dataset| dataset.title.split_whitespace().nth(1) == Some(setup));
            }
            of_it.dedup();
            match of_it.as_slice() {
                [one] => datasets.push((*one).clone()),
                [] => {
                    let titles: Vec<&str> = all.iter().map(|dataset| dataset.title.as_str()).collect();
                    return Err(format!(
                        "{} has no potential for {element}; it holds {}",
                        path.display(),
                        titles.join(", ")
                    ));
                }
                several => {
                    return Err(format!(
                        "{} has {} potentials for {element}; keep one, or choose by `setups`",
                        path.display(),
                        several.len()
                    ));
                }
            }
        }
        Self { datasets }.consistent()
    }

    /// Potentials of one functional only.
    fn consistent(self) -> Result<Self, String> {
        let mut known: Option<&Dataset> = None;
        for dataset in &self.datasets {
            match known {
                Some(first) if first.functional != dataset.functional => {
                    return Err(format!(
                        "the potentials `{}` and `{}` were made with different functionals ({} and {})",
                        first.title,
                        dataset.title,
                        first.functional.as_deref().unwrap_or("unknown"),
                        dataset.functional.as_deref().unwrap_or("unknown")
                    ));
                }
                Some(_) => {}
                None => known = Some(dataset),
            }
        }
        Ok(self)
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        self.datasets
            .iter()
            .flat_map(|dataset| dataset.text.iter().copied())
            .collect()
    }

    /// The largest of the recommended cutoffs, eV.
    pub fn largest_cutoff(&self) -> Option<f64> {
        self.datasets
            .iter()
            .filter_map(|dataset| dataset.largest_cutoff)
            .reduce(f64::max)
    }
}

impl Dataset {
    /// Title and checksum, for the fingerprint.
    pub fn identity(&self) -> String {
        format!("{}, crc32 {:08x}", self.title, crc32fast::hash(&self.text))
    }
}

/// Reads a file, unpacking gzip.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let fail = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(fail)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut text)
            .map_err(fail)?;
        return Ok(text);
    }
    Ok(bytes)
}

/// Splits a POTCAR into its potentials, each to its `End of Dataset`.
fn split(bytes: &[u8]) -> Result<Vec<Dataset>, String> {
    let mut datasets = Vec::new();
    let mut text: Vec<u8> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        text.extend_from_slice(line);
        if String::from_utf8_lossy(line).trim() == "End of Dataset" {
            if !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            datasets.push(dataset(std::mem::take(&mut text))?);
        }
    }
    if !String::from_utf8_lossy(&text).trim().is_empty() {
        return Err("the last potential is cut short: it has no `End of Dataset`".to_owned());
    }
    if datasets.is_empty() {
        return Err("this is no POTCAR: it holds no `End of Dataset`".to_owned());
    }
    Ok(datasets)
}

fn dataset(bytes: Vec<u8>) -> Result<Dataset, String> {
    let text = String::from_utf8_lossy(&bytes);
    let entry = |key: &str| {
        text.lines().find_map(|line| {
            // Several entries may stand on one line, each ended by a semicolon.
            line.split(';').find_map(|part| {
                let (name, value) = part.split_once('=')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            })
        })
    };
    let title = entry("TITEL").ok_or("a potential has no TITEL")?;
    let species = species_of_title(&title).ok_or_else(|| format!("the TITEL `{title}` names no element"))?;
    if let Some(described) = entry("VRHFIN") {
        let symbol: String = described.chars().take_while(char::is_ascii_alphabetic).collect();
        if symbol.parse::<Species>().is_ok_and(|element| element != species) {
            return Err(format!(
                "its TITEL `{title}` and its VRHFIN `{described}` name different elements"
            ));
        }
    }
    let largest_cutoff = entry("ENMAX").and_then(|value| value.split_whitespace().next()?.parse().ok());
    let functional = entry("LEXCH").map(|value| value.split_whitespace().next().unwrap_or_default().to_owned());
    Ok(Dataset {
        title: title.split_whitespace().collect::<Vec<_>>().join(" "),
        species,
        largest_cutoff,
        functional,
        text: bytes,
    })
}

/// The file of a potential: `ROOT/SET/NAME/POTCAR` or `ROOT/NAME/POTCAR`, packed or not, or `POTCAR.NAME` beside.
fn locate(root: &Path, set: &str, name: &str) -> Option<PathBuf> {
    let folders = [root.join(set), root.to_owned()];
    let files = [
        format!("{name}/POTCAR"),
        format!("{name}/POTCAR.gz"),
        format!("POTCAR.{name}"),
        format!("POTCAR.{name}.gz"),
    ];
    folders
        .iter()
        .flat_map(|folder| files.iter().map(move |file| folder.join(file)))
        .find(|path| path.is_file())
}

/// What could be meant instead, for a message.
fn beside(root: &Path, set: &str, element: Species) -> String {
    let mut names = Vec::new();
    let mut sets = Vec::new();
    for folder in [root.join(set), root.to_owned()] {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bare = name.strip_prefix("POTCAR.").unwrap_or(&name);
            let symbol: String = bare.chars().take_while(char::is_ascii_alphabetic).collect();
            if symbol == element.symbol() {
                names.push(bare.trim_end_matches(".gz").to_owned());
            } else if folder == root && name.to_lowercase().contains("pot") && entry.path().is_dir() {
                sets.push(name);
            }
        }
    }
    names.sort();
    names.dedup();
    sets.sort();
    if !names.is_empty() {
        return format!(
            "there are {}: choose by [oracle.vasp.setups] {element} = \"...\"",
            names.join(", ")
        );
    }
    if !sets.is_empty() {
        return format!("there are the sets {}: choose by `potential-set`", sets.join(", "));
    }
    format!("nothing of {element} is there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Not a potential: only the lines that are looked at.
    fn fake(title: &str, vrhfin: &str, functional: &str) -> String {
        format!(
            "  {title}\n 4.0\n parameters\n   VRHFIN ={vrhfin}: s2p2\n   LEXCH  = {functional}\n   TITEL  = {title}\n   ENMAX  =  245.345; ENMIN  =  184.009 eV\n End of Dataset\n"
        )
    }

    fn species(symbols: &str) -> Vec<Species> {
        symbols
            .split_whitespace()
            .map(|symbol| symbol.parse().unwrap())
            .collect()
    }

    #[test]
    fn a_whole_file_is_put_in_order_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("POTCAR");
        let text = [
            fake("PAW_PBE O 08Apr2002", "O", "PE"),
            fake("PAW_PBE Si 05Jan2001", "Si", "PE"),
        ]
        .concat();
        std::fs::write(&path, &text).unwrap();
        let sources = Sources {
            given: Some(path.clone()),
            ..Sources::default()
        };
        let found = Potcar::find(&species("Si O"), &sources, &BTreeMap::new()).unwrap();
        let titles: Vec<&str> = found.datasets.iter().map(|dataset| dataset.title.as_str()).collect();
        assert_eq!(titles, ["PAW_PBE Si 05Jan2001", "PAW_PBE O 08Apr2002"]);
        assert!(String::from_utf8(found.bytes()).unwrap().starts_with("  PAW_PBE Si"));
        assert_eq!(found.largest_cutoff(), Some(245.345));
        let error = Potcar::find(&species("Si H"), &sources, &BTreeMap::new()).unwrap_err();
        assert!(
            error.contains("no potential for H") && error.contains("PAW_PBE O"),
            "{error}"
        );
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        assert!(
            Potcar::find(&species("Si"), &sources, &BTreeMap::new())
                .unwrap_err()
                .contains("cut short")
        );
        std::fs::write(
            &path,
            [fake("PAW_PBE O 08Apr2002", "O", "PE"), fake("PAW Si", "Si", "CA")].concat(),
        )
        .unwrap();
        assert!(
            Potcar::find(&species("Si O"), &sources, &BTreeMap::new())
                .unwrap_err()
                .contains("different functionals")
        );
        std::fs::write(&path, fake("PAW_PBE Si 05Jan2001", "O", "PE")).unwrap();
        assert!(
            Potcar::find(&species("Si"), &sources, &BTreeMap::new())
                .unwrap_err()
                .contains("VRHFIN")
        );
    }

    #[test]
    fn potentials_are_found_below_the_environments_folder() {
        let root = tempfile::tempdir().unwrap();
        for (name, title) in [
            ("Ti_pv", "PAW_PBE Ti_pv 07Sep2000"),
            ("O", "PAW_PBE O 08Apr2002"),
            ("Si", "PAW_PBE C 08Apr2002"),
        ] {
            let folder = root.path().join("potpaw_PBE").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(
                folder.join("POTCAR"),
                fake(title, title.split(' ').nth(1).unwrap(), "PE"),
            )
            .unwrap();
        }
        let sources = Sources {
            given: None,
            environment: Some(root.path().to_owned()),
            set: DEFAULT_SET.to_owned(),
        };
        let none = BTreeMap::new();
        let setups = BTreeMap::from([("Ti".to_owned(), "Ti_pv".to_owned())]);
        assert_eq!(
            Potcar::find(&species("Ti O"), &sources, &setups)
                .unwrap()
                .datasets
                .len(),
            2
        );
        let error = Potcar::find(&species("Ti"), &sources, &none).unwrap_err();
        assert!(error.contains("Ti_pv") && error.contains("setups"), "{error}");
        let error = Potcar::find(&species("Si"), &sources, &none).unwrap_err();
        assert!(error.contains("not of Si"), "{error}");
        assert!(
            Potcar::find(&species("O"), &Sources::default(), &none)
                .unwrap_err()
                .contains("VASP_PP_PATH")
        );
    }

    #[test]
    fn titles_name_elements() {
        let element = |title: &str| species_of_title(title).map(Species::symbol);
        assert_eq!(element("PAW_PBE Ti_sv_new 05Jan2001"), Some("Ti"));
        assert_eq!(element("PAW_PBE H1.25 01Jan2001"), Some("H"));
        assert_eq!(element("US Si"), Some("Si"));
        assert_eq!(element("PAW_PBE"), None);
    }
}
