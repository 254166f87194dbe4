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

/// The part of the forecast acceptance that a freeze must show to stand. With less a sample costs so much more that learning anew pays:
/// proposals that move everything give a/(2 − a) effective samples a call at acceptance a, 0.70 where a = 0.82 and 0.94 where a = 0.97.
pub const TOLERATED: f64 = 0.85;

impl Schedule {
    /// What to do after a round, given the oracle calls spent, the labelled structures in the data set, how many of them the newest
    /// training saw or sees (`None` before the first), the expected total-energy error (eV) of the network that made the round's
    /// proposals, and whether the last [`WINDOW`] proposals were accepted. Calls and structures differ: labels may come from files, and
    /// those of a cheap oracle's sampling are not kept. A training under way must not be asked for its error: when it ends is the clock's.
    pub fn after_round(
        &self,
        spent: usize,
        structures: usize,
        trained_on: Option<usize>,
        error: Option<f64>,
        thermal_energy: f64,
        recent: &[bool],
    ) -> Action {
        if !self.affords(spent, 1) {
            return Action::Freeze;
        }
        let Some(trained_on) = trained_on else {
            return Action::Retrain;
        };
        if let Some(target) = self.freeze_acceptance
            && recent.len() >= WINDOW
            && self.promises_enough(error, thermal_energy)
        {
            let observed = recent.iter().filter(|accepted| **accepted).count() as f64 / recent.len() as f64;
            let margin = 2.0 * (target * (1.0 - target) / recent.len() as f64).sqrt();
            if observed >= target - margin {
                return Action::Freeze;
            }
        }
        // While data are few each label counts: a quarter more data is worth a training.
        let due = trained_on + self.retrain_every.min(trained_on.div_ceil(4));
        if structures >= due {
            Action::Retrain
        } else {
            Action::Keep
        }
    }

    /// Whether the error that is expected of a network's total energies (eV) promises the acceptance that an early freeze is for.
    pub fn promises_enough(&self, error: Option<f64>, thermal_energy: f64) -> bool {
        matches!((self.freeze_acceptance, error), (Some(target), Some(error)) if expected_acceptance(error, thermal_energy) >= target)
    }

    /// Whether the budget allows so many more rounds, with those that overlap with a training.
    fn affords(&self, spent: usize, rounds: usize) -> bool {
        spent + self.chains * (rounds + self.lag as usize) <= self.stop_after
    }

    /// Whether a freeze can have come early, by forecast, with so many oracle calls spent before it.
    pub fn froze_early(&self, spent: usize) -> bool {
        self.freeze_acceptance.is_some() && self.affords(spent, 1)
    }

    /// Labels that a block of learning which begins in the middle of a run is worth.
    pub fn worth_learning(&self) -> usize {
        self.retrain_every.max(4 * self.chains)
    }

    /// Whether an early freeze is taken back after `decided` proposals of which `accepted` were accepted: by two standard errors fewer than
    /// [`TOLERATED`] of what was forecast, of which the integrator may take its part `integration`, while the budget leaves enough to learn from.
    pub fn takes_back(&self, spent: usize, accepted: usize, decided: usize, integration: f64) -> bool {
        let Some(target) = self.freeze_acceptance else {
            return false;
        };
        if decided < WINDOW || spent + self.worth_learning() > self.stop_after {
            return false;
        }
        let observed = accepted as f64 / decided as f64;
        let error = (observed * (1.0 - observed) / decided as f64).sqrt();
        observed + 2.0 * error < TOLERATED * target * integration
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
        while schedule.after_round(labels, labels, Some(labels), Some(1.0), 0.025, &[]) != Action::Freeze {
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
            schedule.after_round(101, 101, Some(100), good, 0.025, &[true; WINDOW]),
            Action::Freeze
        );
        assert_eq!(
            schedule.after_round(101, 101, Some(100), good, 0.025, &[false; WINDOW]),
            Action::Keep
        );
        assert_eq!(
            schedule.after_round(101, 101, Some(100), good, 0.025, &[true; 3]),
            Action::Keep
        );
        assert_eq!(
            schedule.after_round(125, 125, Some(100), good, 0.025, &[false; WINDOW]),
            Action::Retrain
        );
        assert_eq!(
            schedule.after_round(101, 101, Some(100), Some(0.1), 0.025, &[true; WINDOW]),
            Action::Keep
        );
    }

    #[test]
    fn labels_from_files_do_not_put_off_trainings() {
        let schedule = Schedule {
            retrain_every: 25,
            stop_after: 100,
            lag: 0,
            freeze_acceptance: None,
            chains: 2,
        };
        // 239 structures came from files; what counts is how many more there are.
        assert_eq!(schedule.after_round(24, 263, Some(239), None, 0.025, &[]), Action::Keep);
        assert_eq!(
            schedule.after_round(26, 265, Some(239), None, 0.025, &[]),
            Action::Retrain
        );
        // The budget is one of calls.
        assert_eq!(
            schedule.after_round(99, 338, Some(330), None, 0.025, &[]),
            Action::Freeze
        );
    }

    #[test]
    fn an_early_freeze_is_taken_back_where_it_fails_and_labels_are_left() {
        let schedule = Schedule {
            retrain_every: 25,
            stop_after: 200,
            lag: 0,
            freeze_acceptance: Some(0.97),
            chains: 2,
        };
        assert!(schedule.takes_back(125, 26, 40, 1.0));
        // Few proposals, much luck: 0.75 of 40 may be 0.85.
        assert!(!schedule.takes_back(125, 30, 40, 1.0));
        assert!(schedule.takes_back(125, 300, 400, 1.0));
        // What the integrator was allowed is not the network's fault.
        assert!(!schedule.takes_back(125, 26, 40, 0.8));
        assert!(!schedule.takes_back(125, 0, 10, 1.0), "too few to judge");
        assert!(!schedule.takes_back(180, 26, 40, 1.0), "too few labels left");
        let never = Schedule {
            freeze_acceptance: None,
            ..schedule
        };
        assert!(!never.takes_back(125, 26, 40, 1.0) && !never.froze_early(100));
        assert!(schedule.froze_early(198) && !schedule.froze_early(199));
    }
}
