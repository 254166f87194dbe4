//! `slmc train`: a potential from labelled structures, offline.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::predict::{BINS, draw_calibration};
use super::{Failure, Verbosity, exit, load, say};
use crate::analysis::calibration::calibration;
use crate::config::Config;
use crate::formats::n2p2::FileUnits;
use crate::potential::NeuralPotential;
use crate::run::fitter::REPORT;
use crate::training::{
    LabelledStructure, PartlyLabelled, Progress, Stage, Trainer, force_doubts, predict_with_uncertainty,
};

/// The name of the calibration figure in a potential's folder.
const CALIBRATION: &str = "calibration.svg";

/// Arguments of `slmc train`.
#[derive(Debug, Args)]
pub struct Train {
    /// Labelled structures, in any format slmc reads.
    data: PathBuf,
    /// A configuration whose [descriptor], [network] and [training] apply; without it the defaults.
    config: Option<PathBuf>,
    /// The folder to write the potential to.
    #[arg(short, long, value_name = "POTENTIAL")]
    output: PathBuf,
    /// The seed of weights and batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The units of the numbers in a file of n2p2, which names none: bohr,hartree for example [default: angstrom,eV].
    #[arg(
        long,
        value_name = "LENGTH,ENERGY",
        default_value = "angstrom,eV",
        hide_default_value = true
    )]
    units: FileUnits,
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
        let frames = crate::formats::read_with_units(&self.data, self.units)
            .map_err(|error| Failure::from_error(exit::DATA, &error))?;
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
        if let Some(text) = self.calibrate(&fit.potential, &labelled)? {
            say(&text);
        }
        if !verbosity.quiet {
            eprintln!("wrote {}", self.output.display());
        }
        Ok(0)
    }

    /// Draws the errors of the forces against the disagreement of the committee and says what it found; nothing without a
    /// committee.
    fn calibrate(
        &self,
        potential: &NeuralPotential,
        labelled: &[Arc<LabelledStructure>],
    ) -> Result<Option<String>, Failure> {
        /// Frames that are compared, taken evenly.
        const MOST_FRAMES: usize = 200;
        if potential.members.len() < 2 {
            return Ok(None);
        }
        let stride = labelled.len().div_ceil(MOST_FRAMES).max(1);
        let frames: Vec<PartlyLabelled> = labelled
            .iter()
            .step_by(stride)
            .map(|frame| PartlyLabelled::from(LabelledStructure::clone(frame)))
            .collect();
        let bins = calibration(
            &force_doubts(&frames, &predict_with_uncertainty(potential, &frames)),
            BINS,
        );
        let (Some(first), Some(last)) = (bins.first(), bins.last()) else {
            return Ok(None);
        };
        draw_calibration(
            &self.output.join(CALIBRATION),
            "Force errors on the training data",
            &bins,
        )?;
        Ok(Some(format!(
            "committee: where it disagrees about a force by {:.3} meV/Å the error is {:.3}, where by {:.3} it is {:.3} (on the \
             training data; {CALIBRATION}; for other data: slmc predict --calibration)",
            1e3 * first.predicted,
            1e3 * first.actual,
            1e3 * last.predicted,
            1e3 * last.actual
        )))
    }
}
