//! `slmc train`: a potential from labelled structures, offline.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failure, Verbosity, exit, load, say};
use crate::config::Config;
use crate::run::fitter::REPORT;
use crate::training::{LabelledStructure, Progress, Stage, Trainer};

/// Arguments of `slmc train`.
#[derive(Debug, Args)]
pub struct Train {
    /// Labelled structures, as extended XYZ.
    data: PathBuf,
    /// A configuration whose [descriptor], [network] and [training] apply; without it the defaults.
    config: Option<PathBuf>,
    /// The folder to write the potential to.
    #[arg(short, long, value_name = "POTENTIAL")]
    output: PathBuf,
    /// The seed of weights and batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Set any key: --set 'network.hidden=[20, 20]'.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Train {
    /// Fits, saves and reports.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let config = match &self.config {
            Some(path) => load(path, &self.settings)?.config,
            None => {
                let path = PathBuf::from("--set");
                let text = crate::config::override_text("", &self.settings)
                    .map_err(|complaint| super::complaints_failure(&path, &[complaint]))?;
                crate::config::parse(&text).map_err(|complaints| super::complaints_failure(&path, &complaints))?
            }
        };
        let Config {
            descriptor,
            network,
            training,
            ..
        } = config;
        let frames = crate::formats::read(&self.data).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let total = frames.len();
        let labelled: Vec<Arc<LabelledStructure>> = frames
            .into_iter()
            .filter_map(|frame| {
                let labels = frame.force_consistent_labels()?;
                Some(Arc::new(LabelledStructure {
                    structure: frame.structure,
                    labels,
                }))
            })
            .collect();
        if labelled.is_empty() {
            return Err(Failure::new(
                exit::DATA,
                format!("none of the {total} frames of {} has an energy", self.data.display()),
            )
            .hint("label them with `slmc label`"));
        }
        if labelled.len() < total {
            eprintln!(
                "warning: {} of {total} frames have no energy and are left out",
                total - labelled.len()
            );
        }
        let mut trainer =
            Trainer::new(descriptor, network, training).map_err(|error| Failure::from_error(exit::CONFIG, &error))?;
        let bar = if verbosity.quiet {
            indicatif::ProgressBar::hidden()
        } else {
            indicatif::ProgressBar::new(0)
        };
        if let Ok(style) =
            indicatif::ProgressStyle::with_template("{prefix:<12} {wide_bar} {pos}/{len}  {msg}  left {eta}")
        {
            bar.set_style(style);
        }
        let fit = trainer
            .fit(&labelled, None, self.seed, &|progress: Progress| {
                bar.set_prefix(match progress.stage {
                    Stage::Descriptors => "descriptors".to_owned(),
                    Stage::Linear => "linear path".to_owned(),
                    Stage::Networks { member } => format!("network {member}"),
                });
                bar.set_length(progress.total as u64);
                bar.set_position(progress.done as u64);
                if let Some(error) = progress.energy_error_std {
                    bar.set_message(format!("error {:.2} meV", 1e3 * error));
                }
            })
            .map_err(|error| Failure::from_error(exit::DATA, &error))?;
        bar.finish_and_clear();
        fit.potential
            .save(&self.output)
            .map_err(|error| Failure::from_error(exit::CANNOT_WRITE, &error))?;
        let path = self.output.join(REPORT);
        let text = serde_json::to_vec_pretty(&fit.report).unwrap_or_default();
        crate::run::directory::replace(&path, &text)
            .map_err(|error| Failure::new(exit::CANNOT_WRITE, format!("cannot write {}: {error}", path.display())))?;
        say(&fit.report.to_string());
        if !verbosity.quiet {
            eprintln!("wrote {}", self.output.display());
        }
        Ok(0)
    }
}
