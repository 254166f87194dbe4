//! The trial of an early freeze. A forecast of acceptance knows the structures that were labelled; a liquid, say, may wander on and
//! leave them behind. The steps that are discarded at the beginning of sampling show it. They are never averaged, so that what is averaged is not
//! chosen by how it came out.

use super::{Driver, RunError};
use crate::run::chain::Chain;
use crate::run::learner::{Schedule, WINDOW};
use crate::run::plan::ProposalSource;
use crate::run::records::LearningRecord;

impl Driver {
    /// The schedule, and the sampling step of each chain after which the freeze of this block is judged; `None` where it stands whatever comes.
    fn trial(&self) -> Option<(Schedule, u64)> {
        let ProposalSource::Learned(learning) = &self.plan.proposal else {
            return None;
        };
        let steps = self.plan.sampling.discard;
        let decided = steps as usize * self.chains.len();
        // With two stages a proposal may also be rejected for what the oracles disagree on.
        let judged = learning.schedule.froze_early(self.labels_before_sampling as usize)
            && decided >= WINDOW
            && self.plan.first_stage.is_none();
        judged.then_some((learning.schedule, steps))
    }

    /// Chains wait for each other at the end of the trial, so that it sees the same steps always.
    pub(super) fn waits_for_trial(&self, sampled: u64) -> bool {
        self.trial().is_some_and(|(_, steps)| sampled == steps) && !self.have_sampled(sampled)
    }

    /// Takes the freeze back once all chains stand at the end of a trial that it has failed: a new block of learning begins.
    pub(super) fn judge_freeze(&mut self) -> Result<(), RunError> {
        let Some((schedule, steps)) = self.trial() else {
            return Ok(());
        };
        let there = |chain: &Chain| chain.energies.len() as u64 == steps && chain.replay.is_empty();
        let ends_anyway = self
            .chains
            .iter()
            .any(|chain| chain.block_ends.len() > self.block as usize);
        if ends_anyway || !self.chains.iter().all(there) {
            return Ok(());
        }
        let integration = match &self.plan.proposal {
            ProposalSource::Learned(learning) => learning.tuning.and_then(|range| range.integration_acceptance),
            _ => None,
        };
        let accepted: usize = self.chains.iter().map(|chain| chain.accepted).sum();
        let decided = steps as usize * self.chains.len();
        let spent = self.labels_spent() as usize;
        if !schedule.takes_back(spent, accepted, decided, integration.unwrap_or(1.0)) {
            return Ok(());
        }
        let after_steps: Vec<u64> = self.chains.iter().map(|chain| chain.step - 1).collect();
        self.learning.append(&LearningRecord::Relearn {
            after_steps: after_steps.clone(),
        })?;
        for (chain, end) in self.chains.iter_mut().zip(after_steps) {
            chain.block_ends.push(end);
        }
        let message = format!(
            "{accepted} of the first {decided} proposals after the freeze were accepted, fewer than had been forecast: the freeze is taken back, and \
             learning goes on with the {} labels that learning.stop-after leaves",
            schedule.stop_after - spent
        );
        self.notices.push(message.clone());
        self.event("thaw", None, message, None)
    }
}
