//! When to retrain and when to freeze: a pure function of what the chains have labelled, so that a resumed run decides the same.

use libm::erfc;

/// The learning schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Labels between trainings, at most.
    pub retrain_every: usize,
    /// Labels in all before the freeze.
    pub stop_after: usize,
    /// Rounds between the last label a network saw and its first use: training overlaps with them.
    pub lag: u64,
    /// Freeze early once this acceptance is expected and observed.
    pub freeze_acceptance: Option<f64>,
    /// Chains, that is labels a round costs at most.
    pub chains: usize,
}

/// What a completed round leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on with the present network.
    Keep,
    /// Train a new generation.
    Retrain,
    /// Train the last generation and freeze it.
    Freeze,
}

/// How many of the latest learning decisions the early freeze looks at.
pub const WINDOW: usize = 20;

impl Schedule {
    /// What to do after a round, given the labels in the data set, the labels the newest training saw or sees (`None` before
    /// the first), the expected total-energy error (eV) of the network that made the round's proposals, and whether the last
    /// [`WINDOW`] proposals were accepted. A training under way must not be asked for its error: when it ends is the clock's.
    pub fn after_round(
        &self,
        labels: usize,
        trained_on: Option<usize>,
        error: Option<f64>,
        thermal_energy: f64,
        recent: &[bool],
    ) -> Action {
        let next_round = self.chains * (1 + self.lag as usize);
        if labels + next_round > self.stop_after {
            return Action::Freeze;
        }
        let Some(trained_on) = trained_on else {
            return Action::Retrain;
        };
        if let (Some(target), Some(error)) = (self.freeze_acceptance, error)
            && recent.len() >= WINDOW
        {
            let observed = recent.iter().filter(|accepted| **accepted).count() as f64 / recent.len() as f64;
            let margin = 2.0 * (target * (1.0 - target) / recent.len() as f64).sqrt();
            if expected_acceptance(error, thermal_energy) >= target && observed >= target - margin {
                return Action::Freeze;
            }
        }
        // While data are few each label counts: a quarter more data is worth a training.
        let due = trained_on + self.retrain_every.min(trained_on.div_ceil(4));
        if labels >= due { Action::Retrain } else { Action::Keep }
    }
}

/// Acceptance of proposals whose error of the total energy (standard deviation, eV) is not correlated between start and end:
/// erfc(βσ/2) (Gupta, Irbäck, Karsch and Petersson, Phys. Lett. B 242, 437 (1990), with Var ΔH = 2σ²).
pub fn expected_acceptance(error: f64, thermal_energy: f64) -> f64 {
    erfc(0.5 * error / thermal_energy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_overdrawn() {
        let schedule = Schedule {
            retrain_every: 25,
            stop_after: 60,
            lag: 1,
            freeze_acceptance: None,
            chains: 4,
        };
        let mut labels = 12;
        while schedule.after_round(labels, Some(labels), Some(1.0), 0.025, &[]) != Action::Freeze {
            labels += 4;
        }
        // One more round may be under way when the freeze is decided.
        assert!(labels + 4 <= 60 && labels + 8 > 60, "{labels}");
    }

    #[test]
    fn a_good_network_freezes_early_only_when_seen_to_work() {
        let schedule = Schedule {
            retrain_every: 25,
            stop_after: 1000,
            lag: 0,
            freeze_acceptance: Some(0.9),
            chains: 1,
        };
        let good = Some(0.001);
        assert_eq!(
            schedule.after_round(101, Some(100), good, 0.025, &[true; WINDOW]),
            Action::Freeze
        );
        assert_eq!(
            schedule.after_round(101, Some(100), good, 0.025, &[false; WINDOW]),
            Action::Keep
        );
        assert_eq!(
            schedule.after_round(101, Some(100), good, 0.025, &[true; 3]),
            Action::Keep
        );
        assert_eq!(
            schedule.after_round(125, Some(100), good, 0.025, &[false; WINDOW]),
            Action::Retrain
        );
        assert_eq!(
            schedule.after_round(101, Some(100), Some(0.1), 0.025, &[true; WINDOW]),
            Action::Keep
        );
    }
}
