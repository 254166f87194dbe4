//! The cold check: whether an energy depends on where its calculation started.

use super::pool::Answer;
use super::{JobDir, Note, Oracle, OracleError};
use crate::structure::Structure;

/// When and how sharply a warm energy is compared with a cold one. Several self-consistent solutions (spin, magnetic order)
/// make an energy depend on where its calculation started, and then no acceptance decision means anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColdCheck {
    /// Every how many warm labels of a worker; the first is always compared.
    pub every: u64,
    /// The difference above which it is noted as a warning, eV.
    pub warn: f64,
    /// The difference above which the run stops, eV.
    pub stop: f64,
}

impl ColdCheck {
    /// Labels the structure again from nothing in the job's folder. The warm answer stands unless the two are too far apart.
    /// With it comes whether they were compared.
    pub(super) fn compare(
        &self,
        oracle: &mut dyn Oracle,
        structure: &Structure,
        answer: Answer,
        job: &JobDir<'_>,
        note: impl Fn(Note),
    ) -> (Answer, bool) {
        let Answer::Labels(labels) = &answer else {
            return (answer, false);
        };
        oracle.start_cold();
        let said = |message: String| note(Note::new("cold-check", message));
        let cold = match oracle.label(structure, job) {
            Ok(cold) if cold.is_finite() => cold,
            Ok(_) => {
                said(
                    "the calculation from nothing gave numbers that are not finite; compared again at the next label"
                        .to_owned(),
                );
                return (answer, false);
            }
            // The warm answer is there, and who asks has no time for another.
            Err(OracleError::Left { .. }) => return (answer, false),
            Err(error) => {
                said(format!(
                    "the calculation from nothing failed; compared again at the next label: {error}"
                ));
                return (answer, false);
            }
        };
        let difference = (labels.energy - cold.energy).abs();
        let energies = format!(
            "{:.6} eV from earlier wavefunctions, {:.6} eV from nothing: {:.3} meV apart",
            labels.energy,
            cold.energy,
            1e3 * difference
        );
        if difference > self.stop {
            let different = OracleError::SeveralSolutions {
                oracle: "cold check".to_owned(),
                reason: format!(
                    "{energies}, more than the {:.3} meV of `pool.cold-check-stop`; the folder of the calculation from \
                     nothing is {}. Make one solution certain (initial moments, a tighter convergence criterion), or turn the \
                     reuse of wavefunctions off",
                    1e3 * self.stop,
                    job.path().display()
                ),
            };
            return (Answer::Failed(different), true);
        }
        if job.path().exists() {
            let _ = std::fs::remove_dir_all(job.path());
        }
        if difference > self.warn {
            note(Note::new(
                "warning",
                format!(
                    "{energies}, more than the {:.3} meV of `pool.cold-check-warning`",
                    1e3 * self.warn
                ),
            ));
        } else {
            said(energies);
        }
        (answer, true)
    }
}
