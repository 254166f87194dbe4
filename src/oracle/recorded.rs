//! Labels that were had before: answers from a file of labelled structures, and from nothing else.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ipi::recipe::identity;
use super::{Fingerprint, JobDir, Labels, Oracle, OracleError};
use crate::formats::Frame;
use crate::linear::{norm, sub};
use crate::structure::Structure;
use crate::units::Length;

const NAME: &str = "recorded";

/// Answers from a file of labelled structures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RecordedConfig {
    /// The file of labelled structures, such as a run's labels.xyz; relative to the current folder or to the config file.
    pub file: String,
    /// How far each atom may be from where it was when it was labelled.
    pub tolerance: Length,
    /// Whether shifting all atoms together left the energy of the recorded oracle alone.
    pub translation_invariant: bool,
}

impl Default for RecordedConfig {
    fn default() -> Self {
        Self {
            file: "labels.xyz".to_owned(),
            tolerance: Length::new(1e-6),
            translation_invariant: true,
        }
    }
}

/// The labels of a file, found by structure.
#[derive(Debug)]
pub struct Recorded {
    path: PathBuf,
    tolerance: f64,
    translation_invariant: bool,
    frames: Vec<(Structure, Labels)>,
    /// Frames by the grid cell of their atoms' mean position and the number of atoms.
    places: HashMap<(usize, [i64; 3]), Vec<usize>>,
    fingerprint: Fingerprint,
}

/// The edge of the grid that frames are sorted into, in units of the tolerance.
const GRID: f64 = 4.0;

impl Recorded {
    /// Reads the file. `config_dir` is the folder that a relative path is also looked for in.
    pub fn new(config: &RecordedConfig, config_dir: &Path) -> Result<Self, OracleError> {
        let fatal = |reason: String| OracleError::Fatal {
            oracle: NAME.to_owned(),
            reason,
        };
        let places = [PathBuf::from(&config.file), config_dir.join(&config.file)];
        let path = places.iter().find(|path| path.is_file()).ok_or_else(|| {
            fatal(format!(
                "there is no file `{}`: set `file` to labelled structures, such as a run's labels.xyz",
                config.file
            ))
        })?;
        let bytes = std::fs::read(path).map_err(|error| fatal(format!("{}: {error}", path.display())))?;
        let frames = crate::formats::read(path).map_err(|error| fatal(error.to_string()))?;
        let tolerance = config.tolerance.value();
        if !(tolerance > 0.0 && tolerance.is_finite()) {
            return Err(fatal("`tolerance` must be positive".to_owned()));
        }
        let mut recorded = Self {
            path: path.clone(),
            tolerance,
            translation_invariant: config.translation_invariant,
            frames: Vec::new(),
            places: HashMap::new(),
            fingerprint: surface(&frames, &bytes),
        };
        for frame in frames {
            if let Some(labels) = frame.force_consistent_labels() {
                let place = recorded
                    .places
                    .entry((frame.structure.len(), recorded.cell_of(&frame.structure)));
                place.or_default().push(recorded.frames.len());
                recorded.frames.push((frame.structure, labels));
            }
        }
        if recorded.frames.is_empty() {
            return Err(fatal(format!("{} holds no labelled structure", path.display())));
        }
        Ok(recorded)
    }

    fn cell_of(&self, structure: &Structure) -> [i64; 3] {
        let mut mean = [0.0; 3];
        for position in &structure.positions {
            for (sum, x) in mean.iter_mut().zip(position) {
                *sum += x / structure.len() as f64;
            }
        }
        mean.map(|x| (x / (GRID * self.tolerance)).floor() as i64)
    }

    fn is_same(&self, a: &Structure, b: &Structure) -> bool {
        let near = |a: &[[f64; 3]], b: &[[f64; 3]]| {
            let mut pairs = a.iter().zip(b);
            pairs.all(|(a, b)| norm(sub(*a, *b)) <= self.tolerance)
        };
        a.species == b.species
            && a.cell.periodic() == b.cell.periodic()
            && near(a.cell.vectors(), b.cell.vectors())
            && near(&a.positions, &b.positions)
    }

    /// The labels of a structure, if it is in the file.
    fn find(&self, structure: &Structure) -> Option<&Labels> {
        let [x, y, z] = self.cell_of(structure);
        let neighbours = (0..27).map(|n| [x + n % 3 - 1, y + n / 3 % 3 - 1, z + n / 9 - 1]);
        let candidates = neighbours.filter_map(|cell| self.places.get(&(structure.len(), cell)));
        let found = candidates.flatten().filter_map(|index| self.frames.get(*index));
        let mut found = found.filter(|(known, _)| self.is_same(known, structure));
        found.next().map(|(_, labels)| labels)
    }
}

/// The recorded oracle's own fingerprint where all frames carry the same one, else the file's checksum.
fn surface(frames: &[Frame], bytes: &[u8]) -> Fingerprint {
    let mut entries = BTreeMap::from([("code".to_owned(), "recorded labels".to_owned())]);
    let mut digests = frames.iter().map(|frame| frame.info.get("slmc_fingerprint"));
    match digests.next().flatten() {
        Some(first) if digests.all(|other| other == Some(first)) => {
            entries.insert("recorded fingerprint".to_owned(), first.clone());
        }
        _ => {
            entries.insert("file".to_owned(), identity(bytes));
        }
    }
    Fingerprint(entries)
}

impl Oracle for Recorded {
    /// The recorded labels. A structure that is not in the file has no answer here, which says nothing about the structure: the
    /// run stops.
    fn label(&mut self, structure: &Structure, _: &JobDir) -> Result<Labels, OracleError> {
        self.find(structure).cloned().ok_or_else(|| OracleError::Fatal {
            oracle: NAME.to_owned(),
            reason: format!(
                "none of the {} labelled structures of {} is this one to {} Å; recorded answers serve only what was labelled before",
                self.frames.len(),
                self.path.display(),
                self.tolerance
            ),
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn translation_invariant(&self) -> bool {
        self.translation_invariant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::{Cell, Species};

    fn structure(x: f64) -> Structure {
        let silicon: Species = "Si".parse().unwrap();
        Structure::new(
            Cell::cubic(5.0).unwrap(),
            vec![silicon; 2],
            vec![[0.0; 3], [x, 1.0, 1.0]],
        )
        .unwrap()
    }

    #[test]
    fn what_was_labelled_is_answered_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.xyz");
        let labels = |energy| Labels {
            energy,
            forces: Some(vec![[0.5; 3]; 2]),
            stress: None,
        };
        let frames: Vec<Frame> = (0..50)
            .map(|n| Frame::labelled(structure(1.0 + 0.01 * f64::from(n)), labels(f64::from(n))))
            .collect();
        crate::formats::xyz::write(&path, &frames, crate::formats::xyz::Precision::EightDecimals).unwrap();
        let config = RecordedConfig {
            file: "labels.xyz".to_owned(),
            ..RecordedConfig::default()
        };
        let mut oracle = Recorded::new(&config, folder.path()).unwrap();
        let job = JobDir::new("unused".into());
        for n in 0..50 {
            // As far as the tolerance allows, in either direction.
            for off in [-0.9e-6, 0.0, 0.9e-6] {
                let answer = oracle.label(&structure(1.0 + 0.01 * f64::from(n) + off), &job).unwrap();
                assert_eq!(answer, labels(f64::from(n)));
            }
        }
        for other in [
            structure(1.005),
            structure(1.0 + 2e-6),
            structure(1.0).supercell([2, 1, 1]),
        ] {
            let error = oracle.label(&other, &job).unwrap_err();
            assert_eq!(error.fault(), super::super::Fault::Fatal);
            assert!(error.to_string().contains("none of the 50"), "{error}");
        }
        assert!(oracle.fingerprint().0["file"].contains("crc32"));
        let missing = RecordedConfig {
            file: "nowhere.xyz".to_owned(),
            ..config
        };
        assert!(
            Recorded::new(&missing, folder.path())
                .unwrap_err()
                .to_string()
                .contains("nowhere.xyz")
        );
    }
}
