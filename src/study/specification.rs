//! STUDY.toml: a base configuration, variants and seeds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::measure::Costs;
use crate::run::RunDirectory;

/// What stands in a variant's values for the frozen network of the variant it comes after, at the same seed.
pub const POTENTIAL: &str = "{potential}";

/// What stands in a variant's values for the file of all labels of the variant it comes after, at the same seed.
pub const LABELS: &str = "{labels}";

/// The file of labels of the run that a frozen network's folder belongs to.
pub fn labels_beside(potential: &str) -> String {
    // The page shows settings as they are asked for.
    if potential == POTENTIAL {
        return LABELS.to_owned();
    }
    let run = Path::new(potential).parent().and_then(Path::parent);
    run.map_or(String::new(), |run| {
        RunDirectory::new(run).labels_xyz().to_string_lossy().into_owned()
    })
}

/// A value with what stands for the variant before filled in, inside lists too.
fn filled(value: &toml::Value, potential: &str) -> toml::Value {
    match value {
        toml::Value::String(text) => {
            let text = text.replace(POTENTIAL, potential);
            toml::Value::String(text.replace(LABELS, &labels_beside(potential)))
        }
        toml::Value::Array(values) => toml::Value::Array(values.iter().map(|value| filled(value, potential)).collect()),
        other => other.clone(),
    }
}

/// A study as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Specification {
    /// What the study asks, for the page's heading.
    #[serde(default)]
    pub title: String,
    /// What there is to know about it, for the page.
    #[serde(default)]
    pub description: String,
    /// The base configuration, relative to the study's file.
    pub config: PathBuf,
    /// The seeds; each variant runs once with each.
    pub seeds: Vec<u64>,
    /// Runs at a time.
    #[serde(default = "one")]
    pub jobs: usize,
    /// Settings of all variants, before their own.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Value>,
    /// Seconds that an oracle call is counted with; no clock is read.
    #[serde(default = "minute")]
    pub oracle_seconds: f64,
    /// Seconds that a label of the first of two stages is counted with.
    #[serde(default)]
    pub first_stage_seconds: f64,
    /// Seconds that a time step on the network is counted with.
    #[serde(default)]
    pub step_seconds: f64,
    /// What `x` of the variants means, with its unit.
    #[serde(default)]
    pub x_name: String,
    /// Whether x is drawn on a logarithmic axis.
    #[serde(default)]
    pub x_logarithmic: bool,
    /// The variants.
    #[serde(rename = "variant")]
    pub variants: Vec<Variant>,
}

/// One variant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Variant {
    /// Its name: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// The series it belongs to in plots against x.
    #[serde(default)]
    pub group: String,
    /// Where it stands in plots against x.
    #[serde(default)]
    pub x: Option<f64>,
    /// Keys of the configuration, as `slmc run --set` has them: key.path = value.
    #[serde(default)]
    pub set: BTreeMap<String, toml::Value>,
    /// An earlier variant whose frozen network stands for `{potential}` in the values.
    #[serde(default)]
    pub after: Option<String>,
}

fn one() -> usize {
    1
}

fn minute() -> f64 {
    60.0
}

/// A study that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// No file there.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a study.
    #[error("{path}: {message}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        message: String,
    },
    /// A variant whose configuration is wrong.
    #[error("{path}, variant {variant}: {message}")]
    Variant {
        /// The file.
        path: PathBuf,
        /// The variant.
        variant: String,
        /// All that is wrong.
        message: String,
    },
}

impl Specification {
    /// What calls and steps are counted with.
    pub fn costs(&self) -> Costs {
        Costs {
            oracle: self.oracle_seconds,
            first_stage: self.first_stage_seconds,
            step: self.step_seconds,
        }
    }

    /// Reads a study and validates each variant's configuration.
    pub fn read(path: &Path) -> Result<Self, StudyError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| StudyError::Read {
                path: path.to_owned(),
                source,
            })
        };
        let text = read(path)?;
        let form = |message: String| StudyError::Form {
            path: path.to_owned(),
            message,
        };
        let mut study: Self = toml::from_str(&text).map_err(|error| form(error.to_string().trim_end().to_owned()))?;
        study.check().map_err(form)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        study.config = folder.unwrap_or(Path::new(".")).join(&study.config);
        let base = read(&study.config)?;
        for variant in &study.variants {
            study
                .text(&base, variant, "a-potential", &[])
                .map_err(|message| StudyError::Variant {
                    path: path.to_owned(),
                    variant: variant.name.clone(),
                    message,
                })?;
        }
        Ok(study)
    }

    fn check(&self) -> Result<(), String> {
        if self.variants.is_empty() {
            return Err("there is no [[variant]]".to_owned());
        }
        if self.seeds.is_empty() {
            return Err("seeds is empty: give at least one, three or more for error bars".to_owned());
        }
        if self.jobs == 0 {
            return Err("jobs must be at least 1".to_owned());
        }
        let costs = [
            ("oracle-seconds", self.oracle_seconds),
            ("first-stage-seconds", self.first_stage_seconds),
            ("step-seconds", self.step_seconds),
        ];
        if let Some((key, _)) = costs.iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite())) {
            return Err(format!("{key} must be a number of seconds, not negative"));
        }
        let mut seen: Vec<&str> = Vec::new();
        for variant in &self.variants {
            let name = variant.name.as_str();
            let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                return Err(format!(
                    "the variant name {name:?} must hold letters, digits, `.`, `_` or `-`: it becomes a folder's name"
                ));
            }
            if seen.contains(&name) {
                return Err(format!("two variants are named {name}"));
            }
            if let Some(after) = &variant.after
                && !seen.contains(&after.as_str())
            {
                return Err(format!(
                    "variant {name} comes after {after}, but no variant before it has that name"
                ));
            }
            let asks = variant
                .set
                .values()
                .any(|value| [POTENTIAL, LABELS].iter().any(|name| value.to_string().contains(name)));
            if asks && variant.after.is_none() {
                return Err(format!(
                    "variant {name} uses {POTENTIAL} or {LABELS}: say of which variant with after = \"NAME\""
                ));
            }
            seen.push(name);
        }
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() < self.seeds.len() {
            return Err("a seed is there twice".to_owned());
        }
        Ok(())
    }

    /// The settings of a variant as `--set` takes them, `{potential}` filled in.
    pub fn settings(&self, variant: &Variant, potential: &str, extra: &[String]) -> Vec<String> {
        let all = self.set.iter().filter(|(key, _)| !variant.set.contains_key(*key));
        let mut settings = Vec::new();
        for (key, value) in all.chain(&variant.set) {
            settings.push(format!("{key}={}", inline(&filled(value, potential))));
        }
        settings.extend_from_slice(extra);
        settings
    }

    /// The configuration of a variant, from the base configuration's text; all that is wrong with it otherwise.
    pub fn text(&self, base: &str, variant: &Variant, potential: &str, extra: &[String]) -> Result<String, String> {
        let settings = self.settings(variant, potential, extra);
        let text = crate::config::override_text(base, &settings).map_err(|error| error.to_string())?;
        crate::config::parse(&text).map_err(|complaints| {
            let all: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            all.join("\n  ")
        })?;
        Ok(text)
    }
}

/// A value on one line, tables in braces.
fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{} = {}", toml::Value::String(key.clone()), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        toml::Value::Array(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "[structure]\nfile = \"a.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\n\
                        time-step = \"1 fs\"\nsteps = 5\n[oracle.stillinger-weber]\n";

    fn read(study: &str) -> Result<Specification, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("base.toml"), BASE).unwrap();
        let path = folder.path().join("study.toml");
        std::fs::write(&path, study).unwrap();
        Specification::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn variants_override_what_all_share() {
        let study = read(
            "config = \"base.toml\"\nseeds = [1, 2]\nset = { \"sampling.steps\" = 5, \"trajectory.steps\" = 3 }\n[[variant]]\nname = \"a\"\n\
             [[variant]]\nname = \"b\"\nafter = \"a\"\nset = { \"trajectory.steps\" = 7, \"proposal.potential\" = \"{potential}\" }\n",
        )
        .unwrap();
        let settings = study.settings(&study.variants[1], "/p q", &["sampling.seed=4".to_owned()]);
        assert_eq!(
            settings,
            [
                "sampling.steps=5",
                "proposal.potential=\"/p q\"",
                "trajectory.steps=7",
                "sampling.seed=4"
            ]
        );
        let text = study.text(BASE, &study.variants[1], "/p q", &settings).unwrap();
        let config = crate::config::parse(&text).unwrap();
        assert_eq!((config.trajectory.steps, config.sampling.seed), (7, 4));
        assert_eq!(config.proposal.potential.as_deref(), Some("/p q"));
    }

    #[test]
    fn mistakes_are_named() {
        let head = "config = \"base.toml\"\nseeds = [1]\n";
        for (text, part) in [
            (head.to_owned(), "variant"),
            (format!("{head}[[variant]]\nname = \"a/b\"\n"), "folder's name"),
            (
                format!("{head}[[variant]]\nname = \"a\"\n[[variant]]\nname = \"a\"\n"),
                "two variants",
            ),
            (
                format!("{head}[[variant]]\nname = \"a\"\nafter = \"b\"\n"),
                "no variant before it",
            ),
            (format!("{head}jbos = 2\n[[variant]]\nname = \"a\"\n"), "jbos"),
            (
                format!("{head}[[variant]]\nname = \"a\"\nset = {{ \"trajectory.stesp\" = 1 }}\n"),
                "variant a: ",
            ),
            (
                format!("{head}[[variant]]\nname = \"a\"\nset = {{ \"proposal.potential\" = \"{{potential}}\" }}\n"),
                "after =",
            ),
            (
                "config = \"base.toml\"\nseeds = []\n[[variant]]\nname = \"a\"\n".to_owned(),
                "seeds is empty",
            ),
            (
                "config = \"base.toml\"\nseeds = [1, 1]\n[[variant]]\nname = \"a\"\n".to_owned(),
                "twice",
            ),
        ] {
            let message = read(&text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
