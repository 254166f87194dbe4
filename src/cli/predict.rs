//! `slmc predict`: energies, forces and stresses of a potential, with errors where labels are present.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, exit, say};
use crate::formats::Frame;
use crate::formats::xyz::Precision;
use crate::potential::{Labels, NeuralPotential};
use crate::training::{LabelledStructure, PartlyLabelled, predict};

/// Arguments of `slmc predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// The folder of a potential, as `slmc train` or a run wrote it.
    potential: PathBuf,
    /// Structures, in any format slmc reads.
    file: PathBuf,
    /// Write extended XYZ with the predicted labels.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Predict {
    /// Evaluates, writes and prints.
    pub fn run(self) -> Result<u8, Failure> {
        let potential =
            NeuralPotential::load(&self.potential).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let frames = crate::formats::read(&self.file).map_err(|error| Failure::from_error(exit::DATA, &error))?;
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
        let prediction = predict(&potential, &structures);
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
        say(&text);
        Ok(0)
    }
}
