//! An example's configuration as a surface to sample.

use std::path::{Path, PathBuf};

use slmc::config::{Config, OracleChoice, momentum_is_removed, parse, select_oracle};
use slmc::dynamics::Kinetics;
use slmc::oracle::analytic::build;

use crate::walker::System;

/// A configuration and what it samples.
pub struct Example {
    /// Where the configuration is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it samples.
    pub system: System,
}

/// Reads the configuration of an example's name or of a path.
pub fn load(name: &str) -> Result<Example, String> {
    let given = PathBuf::from(name);
    let path = if given.extension().is_some() {
        given
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name)
            .join("slmc.toml")
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        format!(
            "cannot read {}: {error}; give silicon, quartz, argon or a configuration file",
            path.display()
        )
    })?;
    let config = parse(&text).map_err(|complaints| {
        let messages: Vec<String> = complaints.into_iter().map(|complaint| complaint.message).collect();
        format!("{}: {}; `slmc check` says more", path.display(), messages.join("; "))
    })?;
    let system = system(&config, path.parent().unwrap_or(Path::new(".")))?;
    Ok(Example { path, text, system })
}

fn system(config: &Config, folder: &Path) -> Result<System, String> {
    let file = folder.join(&config.structure.file);
    let frames = slmc::formats::read(&file).map_err(|error| error.to_string())?;
    let first = frames
        .first()
        .ok_or_else(|| format!("{} holds no structure", file.display()))?;
    let mut start = first.structure.clone();
    if let Some(repeats) = config.structure.supercell {
        start = start.supercell(repeats);
    }
    let choice = select_oracle(&config.oracle, None).map_err(|complaint| complaint.message)?;
    let OracleChoice::Analytic(surface) = choice else {
        return Err(format!(
            "`{}` would be called some million times: give a configuration with an embedded oracle",
            choice.name()
        ));
    };
    let nvt = config
        .ensemble
        .nvt
        .as_ref()
        .ok_or("the configuration has no [ensemble.nvt]: add it with a temperature")?;
    Ok(System {
        potential: build(&surface, &start).map_err(|error| error.to_string())?,
        kinetics: Kinetics::new(
            start.masses.clone(),
            start.fixed.clone(),
            momentum_is_removed(config, &start),
        ),
        thermal_energy: nvt.temperature.thermal_energy(),
        start,
    })
}
