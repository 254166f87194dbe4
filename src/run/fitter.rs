//! The trainer behind the driver's learning: network fits with warm starts, and what is kept when one fails.

use std::path::Path;
use std::sync::Arc;

use crate::potential::{NeuralPotential, Potential};
use crate::run::trainer::{Fitted, Fitter};
use crate::training::{LabelledStructure, Trainer};

/// Fits neural potentials, each from the one before.
pub struct NetworkFitter {
    trainer: Trainer,
    previous: Option<(NeuralPotential, Option<f64>)>,
}

impl NetworkFitter {
    /// Around a configured trainer.
    pub fn new(trainer: Trainer) -> Self {
        Self {
            trainer,
            previous: None,
        }
    }
}

/// The name of the fit report in a generation's folder.
pub const REPORT: &str = "fit.json";

impl Fitter for NetworkFitter {
    fn fit(&mut self, frames: &[Arc<LabelledStructure>], seed: u64) -> Result<Fitted, String> {
        let previous = self.previous.as_ref().map(|(potential, _)| potential);
        let (potential, validation_error, report, kept_previous) =
            match self.trainer.fit(frames, previous, seed, &|_| {}) {
                Ok(fit) => {
                    let error = fit.report.validation.energy_error_std;
                    let error = Some(error).filter(|error| error.is_finite());
                    let report = serde_json::to_vec_pretty(&fit.report).unwrap_or_default();
                    (fit.potential, error, report, None)
                }
                Err(error) => match &self.previous {
                    // A failed training costs nothing but its time: the network before it goes on.
                    Some((potential, validation)) => {
                        let why = error.to_string();
                        (potential.clone(), *validation, Vec::new(), Some(why))
                    }
                    None => return Err(error.to_string()),
                },
            };
        let text = serde_json::to_vec(&potential).map_err(|error| error.to_string())?;
        let mut files = vec![(NeuralPotential::FILE.to_owned(), text)];
        if !report.is_empty() {
            files.push((REPORT.to_owned(), report));
        }
        self.previous = Some((potential.clone(), validation_error));
        Ok(Fitted {
            potential: Arc::new(potential),
            files,
            validation_error,
            kept_previous,
        })
    }

    fn restore(&mut self, folder: &Path, validation_error: Option<f64>) -> Result<Arc<dyn Potential>, String> {
        let potential = NeuralPotential::load(folder).map_err(|error| error.to_string())?;
        self.previous = Some((potential.clone(), validation_error));
        Ok(Arc::new(potential))
    }
}
