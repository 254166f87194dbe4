//! The trainer thread: fits a generation, tunes the trajectory on it, and hands both back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam::channel::{Sender, unbounded};

use crate::dynamics::MassMatrix;
use crate::potential::Potential;
use crate::run::learner::expected_acceptance;
use crate::run::records::Generation;
use crate::sampling::{Environment, TrajectoryPlan, tuning};
use crate::structure::Structure;
use crate::training::LabelledStructure;

/// A fitted generation.
pub struct Fitted {
    /// Ready to propose.
    pub potential: Arc<dyn Potential>,
    /// Files of its folder: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Standard deviation of the total-energy error expected from validation, eV.
    pub validation_error: Option<f64>,
    /// Why the previous network was kept, if training failed.
    pub kept_previous: Option<String>,
}

/// What the driver needs of a trainer.
pub trait Fitter: Send {
    /// Fits the frames (the ones seen before are a prefix), starting from the last fit. Deterministic in its arguments and
    /// the fits before.
    fn fit(&mut self, frames: &[Arc<LabelledStructure>], seed: u64) -> Result<Fitted, String>;

    /// Takes a stored generation as the last fit, from its folder and its journalled validation error.
    fn restore(
        &mut self,
        folder: &std::path::Path,
        validation_error: Option<f64>,
    ) -> Result<Arc<dyn Potential>, String>;
}

/// A training to be done.
pub struct TrainRequest {
    /// The generation's number.
    pub generation: u32,
    /// The data set in canonical order.
    pub frames: Vec<Arc<LabelledStructure>>,
    /// Seed of this training.
    pub seed: u64,
    /// Structures near equilibrium to tune from.
    pub starts: Vec<Structure>,
    /// The total-energy error that the latest proposals of earlier networks showed, eV.
    pub observed_error: Option<f64>,
    /// Whether this is the last generation before sampling.
    pub freeze: bool,
    /// What the journal says of it, if it was trained before.
    pub journalled: Option<Generation>,
    /// A stored folder to load instead of fitting.
    pub restore: Option<std::path::PathBuf>,
    /// The file with the mass matrix that the journal says it has.
    pub masses: Option<std::path::PathBuf>,
}

/// A training that is done.
pub struct TrainReply {
    /// The generation's number.
    pub generation: u32,
    /// The fit, or why there is none.
    pub fitted: Result<Fitted, String>,
    /// The trajectory to propose with.
    pub trajectory: TrajectoryPlan,
    /// The masses it is run with, where they are not the atoms', and the generation they were made for.
    pub masses: Option<(u32, Arc<MassMatrix>)>,
    /// Labels in the data set when it was last tuned.
    pub tuned_at: Option<usize>,
    /// Why it is as it is.
    pub reason: String,
}

/// The name of the file of a mass matrix in the folder of the generation it was made for.
pub const MASSES: &str = "masses.json";

/// A running trainer.
#[derive(Debug)]
pub struct Trainer {
    requests: Sender<TrainRequest>,
    /// Whether nobody waits for what is under way.
    abandoned: Arc<AtomicBool>,
}

impl Trainer {
    /// Starts the thread; `tell` is called on it with each reply.
    pub fn start(
        make: impl FnOnce() -> Result<Box<dyn Fitter>, String> + Send + 'static,
        environment: Environment,
        initial: TrajectoryPlan,
        range: Option<tuning::Range>,
        tell: impl Fn(TrainReply) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (requests, queue) = unbounded::<TrainRequest>();
        let abandoned = Arc::new(AtomicBool::new(false));
        let given_up = Arc::clone(&abandoned);
        thread::Builder::new().name("trainer".to_owned()).spawn(move || {
            let mut fitter = make();
            // Trainings are done in order, so what was tuned last does not depend on when the driver heard of it.
            let mut tuning = Tuning {
                trajectory: initial,
                masses: None,
                tuned_at: None,
                reason: String::new(),
            };
            for request in queue {
                if given_up.load(Ordering::Relaxed) {
                    return;
                }
                let mut fitted = match (&mut fitter, &request.restore) {
                    (Err(error), _) => Err(error.clone()),
                    (Ok(fitter), Some(folder)) => {
                        fitter.restore(folder, known_error(&request)).map(|potential| Fitted {
                            potential,
                            files: Vec::new(),
                            validation_error: known_error(&request),
                            kept_previous: None,
                        })
                    }
                    (Ok(fitter), None) => fitter.fit(&request.frames, request.seed),
                };
                if given_up.load(Ordering::Relaxed) {
                    return;
                }
                match (&mut fitted, &request.journalled) {
                    (Ok(_), Some(known)) => {
                        match known_masses(&request, known, &tuning, environment.kinetics.masses().len()) {
                            Ok(masses) => {
                                tuning = Tuning {
                                    trajectory: known.trajectory,
                                    masses,
                                    tuned_at: known.tuned_at,
                                    reason: known.reason.clone(),
                                };
                            }
                            Err(reason) => fitted = Err(reason),
                        }
                    }
                    (Ok(fitted), None) => {
                        tuning.reason = tune(&environment, &initial, range.as_ref(), &request, fitted, &mut tuning);
                        // What a generation proposes with lies in its folder before the journal names it.
                        if let Some((made_for, matrix)) = &tuning.masses
                            && *made_for == request.generation
                        {
                            let text = serde_json::to_vec(matrix.as_ref()).unwrap_or_default();
                            fitted.files.push((MASSES.to_owned(), text));
                        }
                    }
                    (Err(_), _) => {}
                }
                tell(TrainReply {
                    generation: request.generation,
                    fitted,
                    trajectory: tuning.trajectory,
                    masses: tuning.masses.clone(),
                    tuned_at: tuning.tuned_at,
                    reason: tuning.reason.clone(),
                });
            }
        })?;
        Ok(Self { requests, abandoned })
    }

    /// Queues a training; they are done in order.
    pub fn submit(&self, request: TrainRequest) {
        // The thread only ends when this sender is dropped.
        let _ = self.requests.send(request);
    }

    /// Ends the thread without waiting for a training under way: it computes, and writes nothing.
    pub fn end(self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

fn known_error(request: &TrainRequest) -> Option<f64> {
    request.journalled.as_ref().and_then(|known| known.validation_error)
}

/// The mass matrix that the journal says a generation has: from its file, or as it is at hand.
fn known_masses(
    request: &TrainRequest,
    known: &Generation,
    tuning: &Tuning,
    atoms: usize,
) -> Result<Option<(u32, Arc<MassMatrix>)>, String> {
    let Some(made_for) = known.masses else {
        return Ok(None);
    };
    if let Some((at_hand, matrix)) = &tuning.masses
        && *at_hand == made_for
    {
        return Ok(Some((made_for, Arc::clone(matrix))));
    }
    let path = request.masses.clone().unwrap_or_default();
    let read = || -> Result<MassMatrix, String> {
        let text = std::fs::read(&path).map_err(|error| error.to_string())?;
        let matrix: MassMatrix = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if matrix.len() == 3 * atoms {
            Ok(matrix)
        } else {
            Err(format!("it is of {} coordinates, not of {}", matrix.len(), 3 * atoms))
        }
    };
    let matrix = read().map_err(|error| {
        format!(
            "the mass matrix of generation {made_for} cannot be read from {} ({error}); restore the file from a copy, or start a new run",
            path.display()
        )
    })?;
    Ok(Some((made_for, Arc::new(matrix))))
}

/// The trajectory in force and how it came about.
struct Tuning {
    trajectory: TrajectoryPlan,
    /// The masses it is run with, where they are not the atoms', and the generation they were made for.
    masses: Option<(u32, Arc<MassMatrix>)>,
    /// Labels in the data set when it was last measured.
    tuned_at: Option<usize>,
    reason: String,
}

/// Short single trajectories while the network is bad, the configured ones when it is fair, tuned ones when it is good. Gives
/// the reason.
fn tune(
    environment: &Environment,
    initial: &TrajectoryPlan,
    range: Option<&tuning::Range>,
    request: &TrainRequest,
    fitted: &Fitted,
    tuning: &mut Tuning,
) -> String {
    let Some(range) = range else {
        tuning.trajectory = *initial;
        return "as configured".to_owned();
    };
    let acceptance =
        |error: Option<f64>| error.map_or(0.0, |error| expected_acceptance(error, environment.thermal_energy));
    let expected = acceptance(fitted.validation_error);
    // Validation only knows the structures it has seen. Until proposals have shown how the network fares where its own trajectories
    // lead, they stay short: a long one on a bad network may carry the chain out of a metastable basin.
    let trusted = expected.min(acceptance(request.observed_error));
    if trusted < 0.6 && !request.freeze {
        let divisor = if trusted < 0.3 { 4 } else { 1 };
        tuning.trajectory = TrajectoryPlan {
            steps: (initial.steps / divisor).max(1),
            segments: 1,
            ..*initial
        };
        tuning.masses = None;
        return match request.observed_error {
            None => format!(
                "no proposal has been seen yet: single trajectories of {} steps",
                tuning.trajectory.steps
            ),
            Some(_) => format!(
                "acceptance {trusted:.2} to be expected: single trajectories of {} steps",
                tuning.trajectory.steps
            ),
        };
    }
    // Measuring costs network steps; once the data have not doubled, what was measured still holds.
    let still_holds = |labels: usize| request.frames.len() < 2 * labels;
    if !request.freeze && tuning.tuned_at.is_some_and(still_holds) {
        return "as tuned before".to_owned();
    }
    let found = tuning::tune(
        environment,
        initial,
        fitted.potential.as_ref(),
        &request.starts,
        range,
        expected,
        u64::from(request.generation),
    );
    let Some(tuned) = found else {
        tuning.trajectory = TrajectoryPlan {
            steps: (initial.steps / 4).max(1),
            segments: 1,
            ..*initial
        };
        tuning.masses = None;
        return "network trajectories diverge: short ones".to_owned();
    };
    tuning.tuned_at = Some(request.frames.len());
    tuning.trajectory = tuned.plan;
    tuning.masses = tuned.masses.map(|masses| (request.generation, masses));
    tuned.reason
}
