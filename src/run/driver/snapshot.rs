//! The numbers a progress display shows.

use super::Driver;
use crate::observe::Snapshot;
use crate::run::chain::Chain;
use crate::run::plan::ProposalSource;
use crate::sampling::Phase;

impl Driver {
    /// The numbers a progress display shows.
    pub fn snapshot(&self) -> Snapshot {
        let phase = if !self.bootstrapped {
            Phase::Bootstrap
        } else if self.learns()
            && !self
                .generations
                .last()
                .is_some_and(|generation| generation.frozen && generation.block == self.block)
        {
            if self.generations.is_empty() {
                Phase::Bootstrap
            } else {
                Phase::Learning
            }
        } else {
            Phase::Sampling
        };
        let (bootstrap_done, bootstrap_total) = (
            self.bootstrap_replies
                .values()
                .filter(|(_, reply)| reply.is_some())
                .count() as u64,
            self.bootstrap_replies.len() as u64,
        );
        let (done, total) = match (phase, &self.plan.proposal) {
            (Phase::Bootstrap, _) => (bootstrap_done, bootstrap_total),
            (Phase::Learning, ProposalSource::Learned(learning)) => {
                (self.labels_spent(), learning.schedule.stop_after as u64)
            }
            _ => (
                self.chains.iter().map(|chain| chain.energies.len() as u64).sum(),
                self.plan.sampling.steps * self.chains.len() as u64,
            ),
        };
        let window = |f: &dyn Fn(&Chain) -> Vec<f64>| -> Vec<f64> { self.chains.iter().flat_map(f).collect() };
        let accepted = window(&|chain| chain.recent_accepted.iter().copied().collect());
        let errors = window(&|chain| chain.recent_errors.iter().copied().collect());
        Snapshot {
            phase,
            done,
            total,
            labels: self.labels_spent(),
            generation: self.generations.last().map(|generation| generation.generation),
            acceptance: mean(&accepted),
            error: deviation(&errors),
            segments: self.generations.last().map(|generation| generation.trajectory.segments),
            steps: self.generations.last().map(|generation| generation.trajectory.steps),
            training: !self.pending_training.is_empty(),
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 2)?;
    Some((values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt())
}
