//! Delayed acceptance: a cheaper oracle decides first, and the dear one corrects what it let pass.
//!
//! A proposal's path x is mapped to Rx by an involution of unit Jacobian (see `decision`). With the cheap oracle's energies U* the first
//! stage accepts with a*(x) = min(1, ρ*(Rx)/ρ*(x)), ρ*(x) = exp(−βU*)·Πφ(p) (for over-relaxed momenta
//! the density of theirs, in which the ratio is the same): a kernel that is reversible for ρ*. The second accepts what
//! passed with min(1, ρ(Rx)a*(Rx)/[ρ(x)a*(x)]) = min(1, ρ(Rx)ρ*(x)/[ρ(x)ρ*(Rx)]) (Christen and Fox, J. Comput. Graph. Stat. 14, 795
//! (2005)), in which kinetic energies and the measure of the cell cancel: exp(−β[Δ(U − U*)]). What the first stage rejects costs no dear
//! label, and the ensemble is the dear oracle's, whatever U* is, as long as it is finite wherever the target is.

use serde::{Deserialize, Serialize};

use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::decision::{Outcome, metropolis};
use crate::sampling::{Advance, Decision, Environment, OracleId, Proposal, Reply, SlhmcTask, State, StepId, decide};
use crate::structure::Structure;

/// The first stage of a proposal, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FirstStage {
    /// ln u of its own acceptance uniform.
    pub log_uniform: f64,
    /// The cheap oracle's energy at the start, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<f64>,
    /// The cheap oracle's energy at the end, eV; absent where it was not asked or has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<f64>,
    /// Whether the proposal went on to the dear oracle.
    pub passed: bool,
    /// Labels of the cheap oracle that the step used.
    pub calls: u32,
}

impl FirstStage {
    /// What the dear oracle's energy change is compared with: ΔU*, eV.
    pub fn change(&self) -> Option<f64> {
        Some(self.end? - self.start?)
    }
}

/// A proposal that two oracles decide.
#[derive(Clone, Debug)]
pub struct DelayedTask {
    /// The proposal's numbers; its `first_stage` fills as labels come.
    pub proposal: Proposal,
    /// Its end point; `None` if it diverged or has not moved.
    pub end: Option<Structure>,
}

impl DelayedTask {
    /// A finished trajectory about to be decided in two stages. The first stage's uniform is drawn here, from a stream of its own.
    pub fn new(environment: &Environment, id: StepId, task: SlhmcTask) -> Self {
        let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::FirstStage);
        let mut proposal = task.proposal;
        proposal.first_stage.get_or_insert_with(|| FirstStage {
            log_uniform: open_uniform(&mut generator).ln(),
            start: None,
            end: None,
            passed: false,
            calls: 0,
        });
        Self {
            proposal,
            end: task.end,
        }
    }

    /// Goes on to the next label or to the decision.
    pub fn advance(&mut self, environment: &Environment, state: &State, id: StepId, reply: Option<Reply>) -> Advance {
        let Some(end) = self.end.clone() else {
            return Advance::Done(Box::new(self.decided(environment, state, id, None)));
        };
        let Some(mut stage) = self.proposal.first_stage else {
            // `new` has put one there.
            return Advance::Done(Box::new(self.decided(environment, state, id, None)));
        };
        if stage.passed {
            return match reply {
                None => Advance::NeedLabel(OracleId::Final, Box::new(end)),
                Some(reply) => Advance::Done(Box::new(self.decided(environment, state, id, Some(reply)))),
            };
        }
        stage.start = stage.start.or(state.first_stage);
        match (stage.start, reply) {
            (None, None) => return Advance::NeedLabel(OracleId::First, Box::new(state.structure.clone())),
            (None, Some(Reply::Labels(labels))) => {
                stage.calls += 1;
                stage.start = Some(labels.energy);
                self.proposal.first_stage = Some(stage);
                return Advance::NeedLabel(OracleId::First, Box::new(end));
            }
            (Some(_), None) => {
                self.proposal.first_stage = Some(stage);
                return Advance::NeedLabel(OracleId::First, Box::new(end));
            }
            (Some(start), Some(Reply::Labels(labels))) => {
                stage.calls += 1;
                stage.end = Some(labels.energy);
                let delta = labels.energy - start + self.proposal.correction();
                let delta = delta + self.proposal.cell_change(environment, &state.structure, &end);
                let (log_uniform, kt) = (stage.log_uniform, environment.thermal_energy);
                stage.passed = metropolis(environment.acceptance, log_uniform, delta, kt);
            }
            (_, Some(Reply::Unphysical)) => stage.calls += 1,
        }
        self.proposal.first_stage = Some(stage);
        if stage.passed {
            Advance::NeedLabel(OracleId::Final, Box::new(end))
        } else {
            Advance::Done(Box::new(self.decided(environment, state, id, None)))
        }
    }

    /// The decision, with the dear oracle's reply where it was asked.
    fn decided(&self, environment: &Environment, state: &State, id: StepId, reply: Option<Reply>) -> (Decision, State) {
        let stage = self.proposal.first_stage;
        let passed = stage.is_some_and(|stage| stage.passed);
        let labels = match reply {
            Some(Reply::Labels(labels)) => Some(labels),
            _ => None,
        };
        // The second stage weighs the change of U − U* alone: what belongs to momenta and cell was weighed in the first.
        let cheap = stage.and_then(|stage| stage.change()).unwrap_or(f64::NAN);
        let asked = self.end.as_ref().filter(|_| passed);
        let second = Proposal {
            kinetic_change: -cheap,
            network_weight: 0.0,
            ..self.proposal
        };
        let still = Environment {
            ensemble: crate::sampling::Ensemble::Canonical,
            ..environment.clone()
        };
        let (mut decision, mut next) = decide(&still, state, id, &second, asked, labels);
        if self.end.is_some() && !passed {
            let without_answer = stage.is_some_and(|stage| stage.calls > 0 && stage.end.is_none());
            decision.outcome = if without_answer {
                Outcome::Unphysical
            } else {
                Outcome::Rejected
            };
        }
        let accepted = decision.outcome == Outcome::Accepted;
        let energy = stage.and_then(|stage| if accepted { stage.end } else { stage.start });
        next.first_stage = energy.or(state.first_stage);
        decision.cell = environment.moving_cell(&next.structure);
        // The networks' error would be that of what passed alone.
        decision.network = None;
        decision.first_stage = stage;
        (decision, next)
    }
}
