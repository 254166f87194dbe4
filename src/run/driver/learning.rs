//! Rounds, trainings and blocks: the data set grows in canonical order and generations come into force at fixed rounds.

use super::{Driver, Freeze, PendingTraining, RunError};
use crate::run::chain::Chain;
use crate::run::directory::replace;
use crate::run::learner::{Action, WINDOW};
use crate::run::plan::ProposalSource;
use crate::run::records::{Generation, LearningRecord};
use crate::run::trainer::{MASSES, TrainReply, TrainRequest};

/// Where a chain stands in its learning block.
pub(super) enum Block {
    /// Inside it.
    Within,
    /// At its end, waiting for the other chains.
    Waiting,
    /// All chains have just entered the next one.
    Begun,
}

impl Driver {
    pub(super) fn learns(&self) -> bool {
        matches!(self.plan.proposal, ProposalSource::Learned(_))
    }

    /// Rounds 1 to this of block 0 are hybrid Monte Carlo on the oracle.
    pub(super) fn bootstrap_trajectories(&self) -> u64 {
        match &self.plan.proposal {
            ProposalSource::Learned(learning) if self.block == 0 => learning.bootstrap.trajectories as u64,
            _ => 0,
        }
    }

    pub(super) fn train(&mut self, after_round: u64, from_round: u64, freeze: Freeze) -> Result<(), RunError> {
        let generation = (self.generations.len() + self.pending_training.len()) as u32;
        let journalled = self.journalled_generations.get(generation as usize).cloned();
        let folder = self.directory.potential(generation);
        let restore = journalled.as_ref().map(|_| folder).filter(|folder| folder.exists());
        let from_round = journalled.as_ref().map_or(from_round, |known| known.from_round);
        let ladder = match &journalled {
            Some(known) => known.ladder.clone(),
            None => self.place_ladder(after_round),
        };
        // Tuned for the temperature whose averages are asked for.
        let first_rung = self.plan.ladder.as_ref().map_or(usize::MAX, |ladder| ladder.ladders);
        let request = TrainRequest {
            generation,
            frames: self.frames.clone(),
            seed: self.plan.environment.seed,
            starts: self.settled.iter().take(first_rung).cloned().collect(),
            observed_error: self.observed_error(),
            freeze: freeze != Freeze::No,
            masses: journalled
                .as_ref()
                .and_then(|known| known.masses)
                .map(|made_for| self.directory.potential(made_for).join(MASSES)),
            journalled: journalled.clone(),
            restore,
        };
        self.pending_training.push_back(PendingTraining {
            generation,
            block: self.block,
            labels: self.frames.len(),
            after_round,
            from_round,
            freeze,
            ladder,
            journalled,
        });
        match &self.trainer {
            Some(trainer) => trainer.submit(request),
            None => {
                return Err(RunError::Training {
                    reason: "the trainer has ended".to_owned(),
                });
            }
        }
        self.computing += 1;
        Ok(())
    }

    /// The standard deviation of the total-energy error that the latest proposals show, eV: the disagreement between the two ends of
    /// a proposal has twice its variance.
    fn observed_error(&self) -> Option<f64> {
        let count = self.disagreements.len();
        let squares: f64 = self.disagreements.iter().map(|change| change * change).sum();
        (count >= WINDOW / 4).then(|| (0.5 * squares / count as f64).sqrt())
    }

    pub(super) fn trained(&mut self, reply: TrainReply) -> Result<(), RunError> {
        self.computing -= 1;
        let Some(pending) = self.pending_training.pop_front() else {
            return Ok(());
        };
        debug_assert_eq!(pending.generation, reply.generation);
        let fitted = reply.fitted.map_err(|reason| RunError::Training { reason })?;
        let generation = if let Some(journalled) = pending.journalled {
            journalled
        } else {
            let folder = self.directory.potential(pending.generation);
            std::fs::create_dir_all(&folder).map_err(|source| RunError::Directory {
                path: folder.clone(),
                source,
            })?;
            for (name, content) in &fitted.files {
                let path = folder.join(name);
                replace(&path, content).map_err(|source| RunError::Directory { path, source })?;
            }
            if let Some(why) = &fitted.kept_previous {
                self.event("training", None, format!("kept the previous network: {why}"), None)?;
            }
            let frozen = match pending.freeze {
                Freeze::No => false,
                Freeze::Early => self.forecast_holds(fitted.validation_error)?,
                Freeze::Certain => true,
            };
            let generation = Generation {
                generation: pending.generation,
                block: pending.block,
                labels: pending.labels,
                after_round: pending.after_round,
                from_round: pending.from_round,
                frozen,
                kept_previous: fitted.kept_previous.is_some(),
                validation_error: fitted.validation_error,
                trajectory: reply.trajectory,
                masses: reply.masses.as_ref().map(|(made_for, _)| *made_for),
                tuned_at: reply.tuned_at,
                reason: reply.reason,
                ladder: pending.ladder,
            };
            self.learning.append(&LearningRecord::Generation(generation.clone()))?;
            generation
        };
        if let Some((_, masses)) = reply.masses {
            self.masses.insert(generation.generation, masses);
        }
        if let (Some(placed), Some(ladder)) = (&generation.ladder, &self.plan.ladder) {
            let environments = ladder.environments(&self.plan.environment, Some(placed));
            self.rungs.insert(Some(generation.generation), environments);
        }
        self.networks.insert(generation.generation, fitted.potential);
        self.generations.push(generation);
        // A chain that lags behind may still ask for the network of the first round that is not complete.
        let oldest = self.in_force(self.rounds + 1).map_or(0, |oldest| oldest.generation);
        self.networks.retain(|number, _| *number >= oldest);
        self.masses.retain(|number, _| *number >= oldest);
        Ok(())
    }

    /// The trained generation that proposes in a round of the present block; a thawed run goes on with the network it had.
    pub(super) fn in_force(&self, round: u64) -> Option<&Generation> {
        self.generations
            .iter()
            .rfind(|generation| generation.block < self.block || generation.from_round <= round)
    }

    /// The total-energy error expected of the network that proposed in a round, eV, if no newer one was asked for: a forecast of acceptance is the
    /// newest network's. What one that is under way would say depends on the clock.
    fn forecast(&self, round: u64) -> Option<f64> {
        let block = self.block;
        let newer = |in_block: u32, from_round: u64| in_block == block && from_round > round;
        let superseded = self.pending_training.iter().any(|own| newer(own.block, own.from_round))
            || self.generations.iter().any(|own| newer(own.block, own.from_round));
        self.in_force(round)
            .filter(|_| !superseded)
            .and_then(|generation| generation.validation_error)
    }

    /// Whether a network that was to be frozen by forecast is as good as had been expected with fewer labels; where it is not, learning goes on.
    fn forecast_holds(&mut self, error: Option<f64>) -> Result<bool, RunError> {
        let ProposalSource::Learned(learning) = &self.plan.proposal else {
            return Ok(true);
        };
        let thermal_energy = self.plan.environment.thermal_energy;
        if learning.schedule.promises_enough(error, thermal_energy) {
            return Ok(true);
        }
        let message = match error {
            Some(error) => format!(
                "with the latest labels an error of {:.2} meV is expected, more than before: learning goes on instead of freezing",
                1e3 * error
            ),
            None => "with the latest labels no error can be expected: learning goes on instead of freezing".to_owned(),
        };
        self.event("training", None, message, None)?;
        Ok(false)
    }

    /// What the journal says was done after a round, so that a replay does not depend on keys that `--relearn` may change.
    fn journalled_action(&self, round: u64) -> Option<Action> {
        let next = self
            .journalled_generations
            .get(self.generations.len() + self.pending_training.len())?;
        if next.block == self.block && next.after_round == round {
            return Some(if next.frozen { Action::Freeze } else { Action::Retrain });
        }
        (next.block > self.block || next.after_round > round).then_some(Action::Keep)
    }

    /// Takes complete rounds into the data set, in order, and lets the schedule decide.
    pub(super) fn complete_rounds(&mut self) -> Result<(), RunError> {
        loop {
            let frozen = self
                .generations
                .last()
                .is_some_and(|generation| generation.frozen && generation.block == self.block)
                || self.pending_training.iter().any(|pending| pending.freeze != Freeze::No);
            if !self.learns() || frozen {
                return Ok(());
            }
            let round = self.rounds + 1;
            if !(0..self.chains.len()).all(|chain| self.early.contains_key(&(round, chain))) {
                return Ok(());
            }
            let mut energies = Vec::new();
            for chain in 0..self.chains.len() {
                if let Some(brought) = self.early.remove(&(round, chain)) {
                    energies.push(brought.energy);
                    self.settled[chain] = brought.settled;
                    self.recent.extend(brought.accepted);
                    self.disagreements.extend(brought.disagreement);
                    self.frames.extend(brought.frames);
                    self.labels_before_sampling += brought.labels;
                }
            }
            let excess = self.recent.len().saturating_sub(WINDOW.max(self.chains.len()));
            self.recent.drain(..excess);
            let excess = self.disagreements.len().saturating_sub(WINDOW / 2);
            self.disagreements.drain(..excess);
            self.rounds = round;
            if round < self.bootstrap_trajectories() {
                continue;
            }
            if round > self.bootstrap_trajectories() {
                self.note_round(round, &energies);
            }
            let ProposalSource::Learned(learning) = &self.plan.proposal else {
                return Ok(());
            };
            let newest = self.pending_training.back().map(|pending| pending.labels);
            let trained_on = newest.or_else(|| self.generations.last().map(|generation| generation.labels));
            let schedule = learning.schedule;
            let action = self.journalled_action(round);
            let journalled = action.is_some();
            let action = action.unwrap_or_else(|| {
                schedule.after_round(
                    self.labels_before_sampling as usize,
                    self.frames.len(),
                    trained_on,
                    self.forecast(round),
                    self.plan.environment.thermal_energy,
                    &self.recent,
                )
            });
            // Without a network there is nothing to overlap the first training with.
            let lag = if trained_on.is_none() { 0 } else { schedule.lag };
            let from_round = round + lag + 1;
            match action {
                Action::Keep => {}
                Action::Retrain => self.train(round, from_round, Freeze::No)?,
                Action::Freeze if !journalled && schedule.froze_early(self.labels_before_sampling as usize) => {
                    self.train(round, from_round, Freeze::Early)?;
                }
                Action::Freeze => self.train(round, from_round, Freeze::Certain)?,
            }
        }
    }

    /// Moves into the next block where the chain has come to the end of the present one.
    pub(super) fn begin_block(&mut self, chain: usize) -> Block {
        let ends_here = |this: &Chain, block: u32| {
            this.block_ends
                .get(block as usize)
                .is_some_and(|end| this.step == end + 1)
        };
        // A block begins when all chains have come to the end of the last.
        if !ends_here(&self.chains[chain], self.block) {
            return Block::Within;
        }
        let block = self.block;
        if self.chains.iter().any(|this| !ends_here(this, block)) {
            return Block::Waiting;
        }
        self.block += 1;
        for (base, this) in self.base.iter_mut().zip(&mut self.chains) {
            *base = this.step - 1;
            this.meeting = None;
            this.finished = false;
            this.energies.clear();
            this.accepted = 0;
            this.spent.clear();
        }
        self.settled = self.chains.iter().map(|this| this.state.structure.clone()).collect();
        // Labels of the sampling phase join the data set, in (round, chain) order.
        let early = std::mem::take(&mut self.early);
        self.frames
            .extend(early.into_values().flat_map(|brought| brought.frames));
        self.rounds = 0;
        self.recent.clear();
        self.disagreements.clear();
        self.rung_energies.clear();
        self.ess_reached = None;
        self.labels_before_sampling = self.labels_spent();
        if let ProposalSource::Learned(learning) = &mut self.plan.proposal {
            let schedule = &mut learning.schedule;
            let least = self.labels_before_sampling as usize + schedule.worth_learning();
            schedule.stop_after = schedule.stop_after.max(least);
        }
        Block::Begun
    }
}
