//! Steps of the chains: begun, replayed, advanced label by label, decided, journalled.

use std::sync::Arc;

use super::learning::Block;
use super::schedule::Next;
use super::{Contribution, Driver, Happening, RunError};
use crate::potential::{Potential, Workspace};
use crate::run::chain::Activity;
use crate::run::records::{ChainRecord, RequestId};
use crate::sampling::{
    Advance, Decision, Environment, Kernel, OracleId, Outcome, Phase, Reply, SlhmcTask, State, StepId, Task,
    TrajectoryPlan,
};
use crate::structure::Structure;
use crate::training::LabelledStructure;
use crate::units::BOLTZMANN;

impl Driver {
    /// Starts whatever can be started; with `stopping` nothing new, but what is journalled still takes effect.
    pub(super) fn pump(&mut self, stopping: bool) -> Result<(), RunError> {
        if !self.bootstrapped {
            self.pump_bootstrap(stopping)?;
        }
        if !self.bootstrapped {
            return Ok(());
        }
        loop {
            let mut moved = false;
            for chain in 0..self.chains.len() {
                moved |= self.pump_chain(chain, stopping)?;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// One move of an idle chain; whether anything moved.
    pub(super) fn pump_chain(&mut self, chain: usize, stopping: bool) -> Result<bool, RunError> {
        if !matches!(self.chains[chain].activity, Activity::Idle) {
            return Ok(false);
        }
        self.look_at_ess();
        self.judge_freeze()?;
        match self.begin_block(chain) {
            Block::Begun => return Ok(true),
            Block::Waiting => return Ok(false),
            Block::Within if self.chains[chain].finished => return Ok(false),
            Block::Within => {}
        }
        let next = self.next(chain);
        // Whoever waits for an exchange goes on after it; a run that ends here needs it no more.
        if self.chains[chain].meeting.is_some() && !matches!(next, Next::Finished) {
            return Ok(false);
        }
        let (id, plan, potential) = match next {
            Next::Blocked => return Ok(false),
            Next::Finished => {
                self.chains[chain].finished = true;
                return Ok(true);
            }
            Next::Step { id, plan, potential } => (id, plan, potential),
        };
        if let Some(decision) = self.chains[chain].replay.front() {
            if decision.phase != id.phase || decision.generation != id.generation {
                return Err(self.contradiction(chain, decision.step, "its phase or network generation differs"));
            }
            if !self.recorded(id.phase) || decision.labels == 0 {
                return self.replay_unrecorded(chain, id, plan, potential.as_deref());
            }
        } else if stopping || !self.may_begin_label() {
            return Ok(false);
        }
        let request = request_id(&id, 0);
        let kernel = if id.phase == Phase::Bootstrap {
            Kernel::Hmc
        } else {
            self.plan.kernel
        };
        // A journalled proposal is taken as it is: on another machine the trajectory may differ in its last bits.
        let stored = self.store.request(&request).or_else(|| {
            let first = self.first_store.as_ref()?;
            first.request(&request_id(&id, FIRST_STAGE_END))
        });
        if let Some(stored) = stored
            && let Some(proposal) = stored.proposal
        {
            let here = &self.chains[chain].state.structure;
            let end = here.with_cell_and_positions(stored.cell, stored.positions.clone());
            let Some(end) = end else {
                return Err(self.contradiction(chain, id.step, "its proposal has a cell without volume"));
            };
            let task = Task::Slhmc(Box::new(SlhmcTask {
                proposal,
                end: Some(end),
            }));
            let task = self.staged(chain, id, task);
            return self.advance_moves(chain, id, task);
        }
        let heavy = kernel.proposes() || matches!(kernel, Kernel::Langevin { on_network: true, .. });
        let state = self.chains[chain].state.clone();
        if heavy {
            let Some(mut workspace) = self.workspaces[chain].take() else {
                return Ok(false);
            };
            self.chains[chain].activity = Activity::Proposing(id);
            self.computing += 1;
            let environment = self.proposing(chain, &id);
            let tell = self.happenings.0.clone();
            rayon::spawn(move || {
                let task = kernel.begin(&environment, &plan, potential.as_deref(), &state, id, &mut workspace);
                let _ = tell.send(Happening::Began(chain, Box::new((task, workspace))));
            });
        } else {
            let environment = self.environment(chain, id.generation);
            let task = kernel.begin(environment, &plan, None, &state, id, &mut Workspace::new());
            return self.advance_moves(chain, id, task);
        }
        Ok(true)
    }

    /// The environment of a chain's step: its rung's, with the mass matrix of its generation where that has one.
    fn proposing(&self, chain: usize, id: &StepId) -> Environment {
        let mut environment = self.environment(chain, id.generation).clone();
        let masses = id.generation.and_then(|generation| self.masses.get(&generation));
        environment.kinetics = environment.kinetics.with_mass_matrix(masses.cloned());
        environment
    }

    /// While sampling with two oracles, a finished trajectory is decided in two stages. While networks are learned the dear oracle labels every
    /// proposal: what is rejected teaches too.
    pub(super) fn staged(&self, chain: usize, id: StepId, task: Task) -> Task {
        if self.plan.first_stage.is_some() && id.phase == Phase::Sampling {
            task.in_two_stages(self.environment(chain, id.generation), id)
        } else {
            task
        }
    }

    /// Lets a fresh task go on; whether it came anywhere before the run had to stop.
    fn advance_moves(&mut self, chain: usize, id: StepId, task: Task) -> Result<bool, RunError> {
        self.advance(chain, id, task, 0, None)?;
        let this = &self.chains[chain];
        Ok(this.step != id.step || !matches!(this.activity, Activity::Idle))
    }

    /// Applies a journalled decision whose label was not stored: a cheap oracle's sampling step, or one that asked for no label.
    pub(super) fn replay_unrecorded(
        &mut self,
        chain: usize,
        id: StepId,
        plan: TrajectoryPlan,
        potential: Option<&dyn Potential>,
    ) -> Result<bool, RunError> {
        let Some(decision) = self.chains[chain].replay.pop_front() else {
            return Ok(false);
        };
        let mut state = self.chains[chain].state.clone();
        // What a trajectory that is run again begins with is set below, once it has run.
        let kinetic = Some(decision.kinetic);
        if self.recorded(id.phase) {
            if decision.outcome == Outcome::Unphysical {
                // The oracle of the first stage had no answer.
                self.unphysical += 1;
            }
            // Nothing was labelled and nothing has moved.
            state.momenta = None;
            state.first_stage = first_stage_energy(&decision).or(state.first_stage);
            state.kinetic = kinetic;
            self.settle(chain, &decision, state, None, true)?;
            return Ok(true);
        }
        if decision.outcome == Outcome::Unphysical {
            self.unphysical += 1;
        }
        state.labels.energy = decision.energy;
        state.first_stage = first_stage_energy(&decision).or(state.first_stage);
        if let Some(s) = decision.stress {
            state.labels.stress = Some([[s[0], s[5], s[4]], [s[5], s[1], s[3]], [s[4], s[3], s[2]]]);
        }
        if let Some(anchor) = self.chains[chain].anchors.remove(&decision.step) {
            let structure = state.structure.with_cell_and_positions(anchor.cell, anchor.positions);
            let Some(structure) = structure else {
                return Err(self.contradiction(chain, decision.step, "its state has a cell without volume"));
            };
            state.structure = structure;
            state.momenta = anchor.momenta;
            state.labels.forces = anchor.forces;
        } else if decision.outcome == Outcome::Accepted
            && self.chains[chain].last_anchor.is_none_or(|step| decision.step > step)
        {
            // Since the last anchor the trajectories are run again; their labels are in the journal.
            let Some(mut workspace) = self.workspaces[chain].take() else {
                return Ok(false);
            };
            let environment = self.proposing(chain, &id);
            let kernel = self.plan.kernel;
            let task = kernel.begin(&environment, &plan, potential, &state, id, &mut workspace);
            self.workspaces[chain] = Some(workspace);
            let end = match task {
                Task::Slhmc(task) => task.end,
                _ => None,
            };
            if let Some(end) = end {
                state.structure = end;
            } else {
                return Err(self.contradiction(chain, decision.step, "its trajectory cannot be repeated"));
            }
        } else if decision.cell.is_some() {
            // An exchange at another pressure needs the volume, whatever else is known of the state.
            let positions = state.structure.positions.clone();
            if let Some(structure) = state.structure.with_cell_and_positions(decision.cell, positions) {
                state.structure = structure;
            }
        }
        state.kinetic = kinetic;
        self.settle(chain, &decision, state, None, true)?;
        Ok(true)
    }

    pub(super) fn contradiction(&self, chain: usize, step: u64, what: &str) -> RunError {
        RunError::Inconsistent {
            path: self.directory.chain(chain),
            reason: format!(
                "step {step} in the journal is not what this program and configuration give ({what}); resume with the \
                 program version and machine that started the run, or start a new one"
            ),
        }
    }

    /// Lets a task go on until it waits for the pool or is decided.
    pub(super) fn advance(
        &mut self,
        chain: usize,
        id: StepId,
        mut task: Task,
        mut index: u32,
        mut reply: Option<Reply>,
    ) -> Result<(), RunError> {
        loop {
            let labelled = match &reply {
                Some(Reply::Labels(labels)) => Some(labels.clone()),
                _ => None,
            };
            // A label of the first stage is none of the surface that is learned.
            let asked_for = match &task {
                Task::Slhmc(task) => task.end.clone(),
                Task::Delayed(task) if task.proposal.first_stage.is_some_and(|stage| stage.passed) => task.end.clone(),
                _ => None,
            };
            let environment = self.environment(chain, id.generation);
            match task.advance(environment, &self.chains[chain].state, id, reply.take()) {
                Advance::NeedLabel(oracle, structure) => {
                    let proposal = match &task {
                        Task::Slhmc(task) => Some(task.proposal),
                        Task::Delayed(task) => Some(task.proposal),
                        _ => None,
                    };
                    let (request, proposal) = match oracle {
                        OracleId::Final => (request_id(&id, index), proposal),
                        OracleId::First => {
                            let at_end = proposal.and_then(|own| own.first_stage?.start).is_some();
                            let index = if at_end { FIRST_STAGE_END } else { FIRST_STAGE_START };
                            (request_id(&id, index), proposal.filter(|_| at_end))
                        }
                    };
                    if !self.has_reply(oracle, &request) && (self.stopping || !self.may_begin_label()) {
                        // Nothing new is asked for. A resume begins the step again, with the labels it has.
                        self.chains[chain].activity = Activity::Idle;
                        self.chains[chain].bootstrap_frames.clear();
                        return Ok(());
                    }
                    let recorded = self.recorded_by(oracle, id.phase);
                    match self.ask(oracle, request, &structure, proposal, recorded, Some(chain))? {
                        Some(answer) => {
                            if id.phase == Phase::Bootstrap {
                                self.keep_bootstrap_frame(chain, &structure, &answer);
                            }
                            index += u32::from(oracle == OracleId::Final);
                            reply = Some(answer);
                        }
                        None => {
                            self.chains[chain].activity = Activity::Waiting {
                                oracle,
                                id,
                                index,
                                task: Box::new(task),
                                structure,
                            };
                            return Ok(());
                        }
                    }
                }
                Advance::Done(done) => {
                    let (decision, state) = *done;
                    let frame = asked_for
                        .zip(labelled)
                        .map(|(structure, labels)| Arc::new(LabelledStructure { structure, labels }));
                    let replayed = match self.chains[chain].replay.pop_front() {
                        None => false,
                        Some(journalled) if same_decision(&journalled, &decision) => true,
                        Some(journalled) => {
                            return Err(self.contradiction(chain, journalled.step, "the decision differs"));
                        }
                    };
                    self.chains[chain].activity = Activity::Idle;
                    return self.settle(chain, &decision, state, frame, replayed);
                }
            }
        }
    }

    pub(super) fn keep_bootstrap_frame(&mut self, chain: usize, structure: &Structure, answer: &Reply) {
        if let Reply::Labels(labels) = answer {
            self.chains[chain].bootstrap_frames.push(Arc::new(LabelledStructure {
                structure: structure.clone(),
                labels: labels.clone(),
            }));
        }
    }

    /// Journals a decision and lets it take effect.
    pub(super) fn settle(
        &mut self,
        chain: usize,
        decision: &Decision,
        state: State,
        frame: Option<Arc<LabelledStructure>>,
        replayed: bool,
    ) -> Result<(), RunError> {
        let round = decision.step - self.base[chain];
        let accepted = decision.outcome == Outcome::Accepted;
        let sampling = decision.phase == Phase::Sampling;
        if decision.outcome == Outcome::Unphysical && self.unphysical > self.plan.sampling.max_unphysical {
            return Err(RunError::Unphysical {
                path: self.directory.root().to_owned(),
                count: self.unphysical,
                limit: self.plan.sampling.max_unphysical,
            });
        }
        let request = RequestId {
            bootstrap: false,
            chain: chain as u32,
            step: decision.step,
            index: 0,
        };
        if let Some(frame) = &frame
            && self.recorded(decision.phase)
        {
            self.outputs.label(
                &frame.structure,
                &frame.labels,
                &request,
                decision.phase,
                Some(accepted),
                decision.generation,
            )?;
        }
        let kernel = self.plan.kernel;
        let before = self.chains[chain].state.labels.energy;
        let disagreement = match (decision.energy_proposed, decision.network) {
            (Some(proposed), Some([start, end])) => Some((proposed - before) - (end - start)),
            _ => None,
        };
        let contributes = self.learns() && self.recorded(decision.phase);
        let environment = self.environment(chain, decision.generation);
        let temperature = environment.thermal_energy / BOLTZMANN;
        let temperature = self.plan.ladder.as_ref().map(|_| temperature);
        let load = environment.ensemble.barostat();
        let work = load.map_or(0.0, |barostat| barostat.load.work(&state.structure.cell));
        let this = &mut self.chains[chain];
        if sampling {
            let sampled = this.energies.len() as u64 + 1;
            let every = self.plan.trajectory_every;
            if every > 0 && sampled > self.plan.sampling.discard && sampled.is_multiple_of(every) {
                self.outputs.frame(chain, &state, decision, temperature)?;
            }
            this.energies.push(decision.energy);
            this.accepted += usize::from(accepted);
            let spent = this.spent.last().copied().unwrap_or(0) + u64::from(decision.labels);
            this.spent.push(spent);
        }
        this.labels += u64::from(decision.labels);
        this.note(decision);
        if !replayed {
            let carries = !kernel.proposes();
            let due = if carries {
                accepted || matches!(kernel, Kernel::Langevin { .. })
            } else {
                // By round, so that all chains of a ladder have them together.
                round.is_multiple_of(self.plan.anchor_every.max(1))
            };
            if sampling && self.plan.cheap_oracle && due {
                this.journal.append(&ChainRecord::Anchor {
                    step: decision.step,
                    positions: state.structure.positions.clone(),
                    cell: self.plan.environment.moving_cell(&state.structure),
                    momenta: state.momenta.clone(),
                    forces: state.labels.forces.clone().filter(|_| carries),
                })?;
            }
            this.journal.append(&ChainRecord::Decision(decision.clone()))?;
        }
        this.state = state;
        this.step += 1;
        if contributes {
            let bootstrap = decision.phase == Phase::Bootstrap;
            let mut frames = std::mem::take(&mut this.bootstrap_frames);
            let settled = this.state.structure.clone();
            let energy = this.state.labels.energy + work;
            for frame in &frames {
                self.outputs
                    .label(&frame.structure, &frame.labels, &request, Phase::Bootstrap, None, None)?;
            }
            frames.extend(frame);
            let contribution = Contribution {
                frames,
                labels: u64::from(decision.labels),
                accepted: (!bootstrap).then_some(accepted),
                disagreement,
                settled,
                energy,
            };
            self.early.insert((round, chain), contribution);
        }
        if decision.phase != Phase::Bootstrap {
            self.meet(chain, round, decision.generation)?;
        }
        self.complete_rounds()
    }
}

/// Numbers of the first stage's labels within a step: of the state, where it has none yet, and of the proposal.
const FIRST_STAGE_START: u32 = 0;
const FIRST_STAGE_END: u32 = 1;

/// The first stage's energy of the state after a decision, eV.
fn first_stage_energy(decision: &Decision) -> Option<f64> {
    let stage = decision.first_stage?;
    if decision.outcome == Outcome::Accepted {
        stage.end
    } else {
        stage.start
    }
}

fn request_id(id: &StepId, index: u32) -> RequestId {
    RequestId {
        bootstrap: false,
        chain: id.chain as u32,
        step: id.step,
        index,
    }
}

/// Whether a decision made again is the journalled one. Energies come from the store, so they are equal bit for bit.
fn same_decision(journalled: &Decision, again: &Decision) -> bool {
    journalled == again
}
