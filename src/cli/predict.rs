//! `slmc predict`: energies, forces and stresses of a potential, with errors where labels are present.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, exit, say};
use crate::analysis::calibration::{CalibrationBin, calibration};
use crate::analysis::plot::{calibration_plot, png};
use crate::formats::Frame;
use crate::formats::n2p2::FileUnits;
use crate::formats::xyz::Precision;
use crate::potential::{Labels, load};
use crate::training::{LabelledStructure, PartlyLabelled, force_doubts, predict_with_uncertainty};

/// Bins of a calibration figure.
pub(super) const BINS: usize = 12;

/// Draws a calibration of force errors (eV/Å) in meV/Å, as a PNG where the file is called so, else as an SVG.
pub(super) fn draw_calibration(path: &Path, title: &str, bins: &[CalibrationBin]) -> Result<(), Failure> {
    let scaled: Vec<CalibrationBin> = bins
        .iter()
        .map(|bin| CalibrationBin {
            predicted: 1e3 * bin.predicted,
            actual: 1e3 * bin.actual,
            count: bin.count,
        })
        .collect();
    let svg = calibration_plot(title, "meV/Å", &scaled).map_err(|error| Failure::from_error(exit::DATA, &error))?;
    let bytes = if path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
    {
        png(&svg).map_err(|error| Failure::from_error(exit::DATA, &error))?
    } else {
        svg.into_bytes()
    };
    crate::run::directory::replace(path, &bytes)
        .map_err(|error| Failure::new(exit::CANNOT_WRITE, format!("cannot write {}: {error}", path.display())))
}

/// Arguments of `slmc predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// The folder of a potential, as `slmc train` or a run wrote it, or a folder of n2p2.
    potential: PathBuf,
    /// Structures, in any format slmc reads.
    file: PathBuf,
    /// The units of the numbers in files of n2p2, which name none: bohr,hartree for example [default: angstrom,eV]. What is
    /// printed and written is always in Å and eV.
    #[arg(
        long,
        value_name = "LENGTH,ENERGY",
        default_value = "angstrom,eV",
        hide_default_value = true
    )]
    units: FileUnits,
    /// Write extended XYZ with the predicted labels.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Draw the true errors of the forces against the committee's disagreement: a PNG where the file is called so, else an SVG.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Predict {
    /// Evaluates, writes and prints.
    pub fn run(self) -> Result<u8, Failure> {
        let potential = load(&self.potential, self.units).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let frames = crate::formats::read_with_units(&self.file, self.units)
            .map_err(|error| Failure::from_error(exit::DATA, &error))?;
        for (index, frame) in frames.iter().enumerate() {
            let unknown = frame
                .structure
                .elements()
                .into_iter()
                .find(|element| !potential.descriptor.elements().contains(element));
            if let Some(element) = unknown {
                let message = format!(
                    "{}, frame {index}: the potential does not know {element}",
                    self.file.display()
                );
                return Err(Failure::new(exit::DATA, message).hint("use a potential trained on all its elements"));
            }
        }
        let structures: Vec<_> = frames
            .iter()
            .map(|frame| {
                let structure = frame.structure.clone();
                match frame.force_consistent_labels() {
                    Some(labels) => PartlyLabelled::from(LabelledStructure { structure, labels }),
                    None => PartlyLabelled::unlabelled(structure),
                }
            })
            .collect();
        let prediction = predict_with_uncertainty(&potential, &structures);
        if let Some(path) = &self.output {
            let labelled: Vec<Frame> = frames
                .iter()
                .zip(&prediction.frames)
                .map(|(frame, answer)| {
                    let labels = Labels {
                        energy: answer.energy,
                        forces: Some(answer.forces.clone()),
                        stress: answer.stress,
                    };
                    Frame::labelled(frame.structure.clone(), labels)
                })
                .collect();
            crate::formats::xyz::write(path, &labelled, Precision::Exact)
                .map_err(|error| Failure::from_error(exit::CANNOT_WRITE, &error))?;
        }
        if let Some(path) = &self.calibration {
            let bins = calibration(&force_doubts(&structures, &prediction), BINS);
            if bins.is_empty() {
                let message =
                    "there is nothing to calibrate: the potential needs a committee and the structures forces";
                return Err(Failure::new(exit::DATA, message).hint("train with network.committee of at least 2"));
            }
            draw_calibration(path, "Force errors", &bins)?;
        }
        if self.json {
            say(&serde_json::to_string(&prediction).unwrap_or_default());
            return Ok(0);
        }
        let mut text = String::new();
        for (index, (frame, answer)) in frames.iter().zip(&prediction.frames).enumerate() {
            text.push_str(&format!(
                "frame {index}: {} atoms, {:.6} eV",
                frame.structure.len(),
                answer.energy
            ));
            if let Some(labels) = &frame.labels {
                text.push_str(&format!(
                    " (label {:.6}, error {:+.6})",
                    labels.energy,
                    answer.energy - labels.energy
                ));
            }
            text.push('\n');
        }
        let errors = &prediction.summary;
        let rows = [
            (
                "standard deviation of the total-energy error",
                errors.energy_error_std,
                "meV",
            ),
            (
                "energy, root mean square error per atom",
                errors.energy_rmse_per_atom,
                "meV",
            ),
            ("forces, root mean square error", errors.force_rmse, "meV/Å"),
            ("stress, root mean square error", errors.stress_rmse, "meV/Å³"),
        ];
        for (name, value, unit) in rows {
            if let Some(value) = value {
                text.push_str(&format!("{name}: {:.4} {unit}\n", 1e3 * value));
            }
        }
        for (element, count) in errors.extrapolation.iter().flatten() {
            text.push_str(&format!(
                "{element}: {} of {} atoms outside the range of the training data\n",
                count.outside, count.atoms
            ));
        }
        let spreads = prediction.frames.iter().filter_map(|frame| frame.disagreement.as_ref());
        let largest = spreads.flat_map(|spread| &spread.forces).copied().reduce(f64::max);
        if let Some(largest) = largest {
            text.push_str(&format!(
                "largest disagreement of the committee about a force: {:.4} meV/Å\n",
                1e3 * largest
            ));
        }
        say(&text);
        Ok(0)
    }
}
