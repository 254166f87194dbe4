//! Replica exchange in the driver: who meets whom after a round, and the trade once both are there.

use std::collections::BTreeSet;

use super::{Driver, RunError};
use crate::run::chain::{Chain, Meeting};
use crate::run::ladder::{LadderPlan, placed, rejections};
use crate::run::records::ChainRecord;
use crate::sampling::exchange::{exchange_uniform, log_ratio, pairing_uniform, trade, trades};
use crate::sampling::{Environment, Exchange};

/// Fewer energies of each rung do not move the ladder.
const FEWEST_VALUES: usize = 6;

impl Driver {
    /// What a chain samples while a generation is in force.
    pub(super) fn environment(&self, chain: usize, generation: Option<u32>) -> &Environment {
        let Some(ladder) = &self.plan.ladder else {
            return &self.plan.environment;
        };
        // A ladder that was placed stays in force until the next one.
        let rungs = self.rungs.range(..=generation).next_back();
        rungs
            .and_then(|(_, environments)| environments.get(ladder.rung(chain)))
            .unwrap_or(&self.plan.environment)
    }

    /// Keeps the energies of a complete round to place the ladder from; those seen on other rungs no longer count.
    pub(super) fn note_round(&mut self, round: u64, energies: &[f64]) {
        let Some(ladder) = &self.plan.ladder else {
            return;
        };
        let newly_placed = self
            .in_force(round)
            .is_some_and(|own| own.ladder.is_some() && own.block == self.block && own.from_round == round);
        if newly_placed || self.rung_energies.len() != ladder.rungs.len() {
            self.rung_energies = vec![Vec::new(); ladder.rungs.len()];
        }
        for (chain, energy) in energies.iter().enumerate() {
            self.rung_energies[ladder.rung(chain)].push(*energy);
        }
    }

    /// New rungs for the next generation, kT in eV; `None` keeps those there are: the ladder is given, too little has been seen on it, or it
    /// changes anyway.
    pub(super) fn place_ladder(&self, after_round: u64) -> Option<Vec<f64>> {
        self.plan.ladder.as_ref().filter(|ladder| ladder.place)?;
        let coming = self.pending_training.iter().any(|pending| pending.ladder.is_some())
            || self.generations.iter().any(|generation| {
                generation.ladder.is_some() && generation.block == self.block && generation.from_round > after_round
            });
        // Chains begin at one structure: what came first is not yet of its temperature.
        let settled: Vec<Vec<f64>> = self
            .rung_energies
            .iter()
            .map(|energies| energies[energies.len() / 2..].to_vec())
            .collect();
        let values = settled.iter().map(Vec::len).min().unwrap_or(0);
        if coming || values < FEWEST_VALUES {
            return None;
        }
        let (_, environments) = self.rungs.iter().next_back()?;
        let present: Vec<f64> = environments.iter().map(|own| own.thermal_energy).collect();
        Some(placed(&present, &rejections(&present, &settled), values))
    }

    /// Called when a chain has decided a round: it waits for the partner that it has after it, and trades when both are there.
    pub(super) fn meet(&mut self, chain: usize, round: u64, generation: Option<u32>) -> Result<(), RunError> {
        let Some(ladder) = &self.plan.ladder else {
            return Ok(());
        };
        if !round.is_multiple_of(ladder.every) {
            return Ok(());
        }
        let (own, attempt) = (ladder.ladder(chain), round / ladder.every);
        let first = ladder.chain(own, 0);
        let seed = self.plan.environment.seed;
        let draw = || pairing_uniform(seed, first, self.base[first] + round);
        let partner = ladder
            .pairing
            .partner(ladder.rung(chain), ladder.rungs.len(), attempt, draw)
            .map(|rung| ladder.chain(own, rung));
        let Some(partner) = partner else {
            return Ok(());
        };
        self.chains[chain].meeting = Some(Meeting { round, partner });
        let waits = Some(Meeting { round, partner: chain });
        if self.chains[partner].meeting == waits {
            self.exchange(chain.min(partner), chain.max(partner), generation)?;
        }
        Ok(())
    }

    /// Decides an exchange between two chains that have decided the same round, journals it with both and lets it take effect.
    fn exchange(&mut self, a: usize, b: usize, generation: Option<u32>) -> Result<(), RunError> {
        let environments = [a, b].map(|chain| self.environment(chain, generation));
        let steps = [a, b].map(|chain| self.chains[chain].step - 1);
        let (x, y) = (&self.chains[a].state, &self.chains[b].state);
        let log_ratio = log_ratio(environments[0], x, environments[1], y);
        let log_uniform = exchange_uniform(self.plan.environment.seed, a, steps[0]);
        let accepted = trades(self.plan.environment.acceptance, log_uniform, log_ratio);
        let energies = [x.labels.energy, y.labels.energy];
        for (own, other) in [(0, 1), (1, 0)] {
            let chain = [a, b][own];
            let record = Exchange {
                step: steps[own],
                partner: [a, b][other] as u32,
                log_ratio,
                log_uniform,
                accepted,
                energy: energies[if accepted { other } else { own }],
            };
            let this = &mut self.chains[chain];
            match this.exchanges.pop_front() {
                None => this.journal.append(&ChainRecord::Exchange(record))?,
                Some(journalled) if journalled == record => {}
                Some(journalled) => {
                    return Err(self.contradiction(chain, journalled.step, "its exchange differs"));
                }
            }
            this.meeting = None;
        }
        if accepted {
            let (left, right) = self.chains.split_at_mut(b);
            trade(&mut left[a].state, &mut right[0].state);
            std::mem::swap(&mut left[a].walker, &mut right[0].walker);
        }
        Ok(())
    }
}

/// Replays the trajectories of all chains of a ladder from the same round on: a chain that went on from an older state than the others
/// would hand it over in an exchange.
pub(super) fn align_anchors(ladder: &LadderPlan, chains: &mut [Chain]) {
    for own in 0..ladder.ladders {
        let members: Vec<usize> = (0..ladder.rungs.len()).map(|rung| ladder.chain(own, rung)).collect();
        let common = members
            .iter()
            .map(|chain| chains[*chain].anchored_rounds())
            .reduce(|a, b| a.intersection(&b).copied().collect::<BTreeSet<_>>())
            .and_then(|common| common.last().copied());
        for chain in members {
            let this = &mut chains[chain];
            this.last_anchor = common.map(|place| this.step_of(place));
        }
    }
}
