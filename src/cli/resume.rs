//! `slmc resume`: goes on with a run from its journals.

use std::path::PathBuf;

use clap::Args;

use super::run::{drive, failure, limit};
use super::{Failure, Verbosity, complaints_failure, exit};
use crate::config::{Config, Surroundings, build_plan};
use crate::run::RunDirectory;
use crate::run::records::Header;
use crate::structure::Structure;
use crate::units;

/// Arguments of `slmc resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The run directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Thaw a run whose acceptance has collapsed: learn and sample anew, with a generation and a discard of its own.
    #[arg(long)]
    relearn: bool,
    /// Change a key that does not change what was sampled: sampling.steps, sampling.until-ess, max-labels, learning.stop-after
    /// (with --relearn), pool.*, output.*.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Start no label that cannot end within this time, such as "23 h"; stops with exit code 75.
    #[arg(long, value_name = "TIME")]
    time_limit: Option<units::Duration>,
}

/// Keys that may change between the stops of one run: they say how much is run and how, not what is sampled.
const FREE: [&str; 6] = [
    "sampling.steps",
    "sampling.until-ess",
    "max-labels",
    "pool",
    "output",
    "oracle",
];

impl Resume {
    /// Replays the journals and goes on.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let directory = RunDirectory::new(&self.directory);
        if !directory.holds_run() {
            return Err(
                Failure::new(exit::USAGE, format!("{} holds no run", self.directory.display()))
                    .hint("give the directory that `slmc run --out` wrote"),
            );
        }
        let lock = directory.lock().map_err(|error| failure(&error))?;
        let header_path = directory.header();
        let header: Header = std::fs::read_to_string(&header_path)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .map_err(|error| Failure::new(exit::DATA, format!("{} is damaged: {error}", header_path.display())))?;
        let stored =
            crate::config::parse(&header.config).map_err(|complaints| complaints_failure(&header_path, &complaints))?;
        let loaded = super::load(&directory.config(), &self.settings)?;
        self.refuse_changes(&stored, &loaded.config)?;
        let starts: Vec<Structure> = crate::formats::read(directory.start())
            .map_err(|error| Failure::from_error(exit::DATA, &error))?
            .into_iter()
            .map(|frame| frame.structure)
            .collect();
        let root = directory.root().to_owned();
        let around = Surroundings {
            text: &loaded.text,
            folder: &root,
            run: &root,
            starts: Some(starts),
            oracle: None,
            time_limit: limit(self.time_limit)?,
        };
        let (plan, _, _) =
            build_plan(&loaded.config, around).map_err(|complaints| complaints_failure(&loaded.path, &complaints))?;
        if !self.settings.is_empty() {
            crate::run::directory::replace(&directory.config(), plan.config.as_bytes()).map_err(|error| {
                Failure::new(
                    exit::CANNOT_WRITE,
                    format!("cannot write {}: {error}", directory.config().display()),
                )
            })?;
            let header = Header {
                config: plan.config.clone(),
                ..header
            };
            let text = serde_json::to_string_pretty(&header).unwrap_or_default();
            crate::run::directory::replace(&header_path, text.as_bytes()).map_err(|error| {
                Failure::new(
                    exit::CANNOT_WRITE,
                    format!("cannot write {}: {error}", header_path.display()),
                )
            })?;
        }
        drive(plan, directory, lock, self.relearn, verbosity)
    }

    fn refuse_changes(&self, stored: &Config, now: &Config) -> Result<(), Failure> {
        let flat = |config: &Config| {
            let mut entries = std::collections::BTreeMap::new();
            flatten("", &serde_json::to_value(config).unwrap_or_default(), &mut entries);
            entries
        };
        let (before, after) = (flat(stored), flat(now));
        let changed: Vec<String> = before
            .keys()
            .chain(after.keys().filter(|key| !before.contains_key(*key)))
            .filter(|key| before.get(*key) != after.get(*key))
            .filter(|key| {
                let free = FREE
                    .iter()
                    .any(|free| key.as_str() == *free || key.starts_with(&format!("{free}.")));
                // The lag decides which networks the journalled steps used.
                let relearned = self.relearn && key.starts_with("learning.") && key.as_str() != "learning.lag";
                !(free || relearned)
            })
            .map(|key| {
                let show = |value: Option<&String>| value.map_or("absent".to_owned(), Clone::clone);
                format!("{key} was {} and is {}", show(before.get(key)), show(after.get(key)))
            })
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            exit::CONFIG,
            format!("the configuration has changed since the run was started: {}", changed.join("; ")),
        )
        .hint("put it back, or start a new run; sampling.steps, sampling.until-ess, max-labels, pool and output may change"))
    }
}

fn flatten(prefix: &str, value: &serde_json::Value, entries: &mut std::collections::BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let path = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&path, value, entries);
            }
        }
        serde_json::Value::Null => {}
        other => {
            entries.insert(prefix.to_owned(), other.to_string());
        }
    }
}
