//! What a chain's next step is: its phase, generation and trajectory, or that it must wait or is done.

use std::sync::Arc;

use super::Driver;
use super::budget::{Affordable, affordable};
use crate::potential::Potential;
use crate::run::plan::ProposalSource;
use crate::run::records::Generation;
use crate::sampling::{Kernel, Phase, StepId, TrajectoryPlan};

/// Every how many sampling steps the effective sample size is looked at.
const ESS_EVERY: u64 = 25;

/// What a chain's next step is.
pub(super) enum Next {
    Blocked,
    Finished,
    Step {
        id: StepId,
        plan: TrajectoryPlan,
        potential: Option<Arc<dyn Potential>>,
    },
}

impl Driver {
    /// What a chain does next, from the generations in force and its own position.
    pub(super) fn next(&self, chain: usize) -> Next {
        let this = &self.chains[chain];
        let round = this.step - self.base[chain];
        let id = |phase, generation| StepId {
            chain,
            step: this.step,
            phase,
            generation,
        };
        let sampling = &self.plan.sampling;
        // Labels of rounds that went on with the old network while the last one was trained.
        let mut overlap = 0;
        let (first_sampling_round, generation) = match &self.plan.proposal {
            ProposalSource::Learned(learning) => {
                if round <= self.bootstrap_trajectories() {
                    return Next::Step {
                        id: id(Phase::Bootstrap, None),
                        plan: TrajectoryPlan {
                            steps: learning.bootstrap.steps,
                            segments: 1,
                            ..self.plan.trajectory
                        },
                        potential: None,
                    };
                }
                let block = self.block;
                let in_force = |generation: &&Generation| generation.block == block && generation.from_round <= round;
                let coming = self
                    .pending_training
                    .iter()
                    .any(|pending| pending.block == block && pending.from_round <= round);
                if coming {
                    return Next::Blocked;
                }
                let frozen = self
                    .generations
                    .iter()
                    .filter(in_force)
                    .find(|generation| generation.frozen);
                if let Some(generation) = frozen {
                    let rounds = (generation.from_round - 1).saturating_sub(generation.after_round);
                    overlap = rounds * self.chains.len() as u64;
                    (generation.from_round, Some(generation))
                } else {
                    // All rounds that could still change the network of this step must be complete.
                    if round > self.rounds + learning.schedule.lag + 1 {
                        return Next::Blocked;
                    }
                    let Some(generation) = self.in_force(round) else {
                        return Next::Blocked;
                    };
                    return Next::Step {
                        id: id(Phase::Learning, Some(generation.generation)),
                        plan: generation.trajectory,
                        potential: self.networks.get(&generation.generation).cloned(),
                    };
                }
            }
            ProposalSource::Fixed(_) | ProposalSource::Oracle => (1, None),
        };
        let sampled = round - first_sampling_round;
        let plan = generation.map_or(self.plan.trajectory, |generation| generation.trajectory);
        let labels_a_step = match (self.plan.kernel, &self.plan.proposal) {
            (Kernel::Hmc, _) => (plan.segments * plan.most_steps()) as u64,
            (Kernel::Langevin { on_network: false, .. }, _) => plan.steps as u64,
            _ => 1,
        };
        // What is journalled was paid for and counts, even where the configuration now asks for less.
        let journalled = !this.replay.is_empty();
        if !journalled && (sampled >= sampling.steps || self.ess_reached.is_some()) {
            return Next::Finished;
        }
        if !journalled && let Some(most) = sampling.max_labels {
            let spent: Vec<&[u64]> = self.chains.iter().map(|own| own.spent.as_slice()).collect();
            let budget = most.saturating_sub(self.labels_before_sampling + overlap);
            match affordable(budget, labels_a_step, &spent) {
                Affordable::Steps(steps) if sampled >= steps => return Next::Finished,
                Affordable::AtLeast(steps) if sampled >= steps => return Next::Blocked,
                _ => {}
            }
        }
        if !journalled && self.waits_for_trial(sampled) {
            return Next::Blocked;
        }
        // Chains wait for each other where the effective sample size is looked at, so that it sees the same steps always.
        if !journalled
            && sampling.until_ess.is_some()
            && sampled > 0
            && sampled.is_multiple_of(ESS_EVERY)
            && !self.have_sampled(sampled)
        {
            return Next::Blocked;
        }
        Next::Step {
            id: id(Phase::Sampling, generation.map(|generation| generation.generation)),
            plan,
            potential: match &self.plan.proposal {
                ProposalSource::Fixed(potential) => Some(Arc::clone(potential)),
                ProposalSource::Learned(_) => {
                    generation.and_then(|generation| self.networks.get(&generation.generation).cloned())
                }
                ProposalSource::Oracle => None,
            },
        }
    }

    /// Whether all chains have come so far in sampling.
    pub(super) fn have_sampled(&self, sampled: u64) -> bool {
        self.chains.iter().all(|chain| chain.energies.len() as u64 >= sampled)
    }

    /// Looks at the effective sample size where all chains stand at the same multiple of [`ESS_EVERY`] sampling steps.
    pub(super) fn look_at_ess(&mut self) {
        let Some(target) = self.plan.sampling.until_ess else {
            return;
        };
        let sampled = self.chains.iter().map(|chain| chain.energies.len()).min().unwrap_or(0);
        let discard = self.plan.sampling.discard as usize;
        let together = self.chains.iter().all(|chain| chain.energies.len() == sampled);
        if !together || sampled == 0 || !(sampled as u64).is_multiple_of(ESS_EVERY) || sampled <= discard + 8 {
            return;
        }
        let kept: Vec<&[f64]> = self.chains.iter().map(|chain| &chain.energies[discard..]).collect();
        // Every rung is an ensemble of its own, and each must have enough.
        let ladders = self.plan.ladder.as_ref().map_or(kept.len(), |ladder| ladder.ladders);
        let ess = kept
            .chunks(ladders.max(1))
            .map(crate::analysis::statistics::ess_bulk)
            .fold(f64::INFINITY, f64::min);
        if ess >= target {
            self.ess_reached = Some(ess);
        }
    }
}
