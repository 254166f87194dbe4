//! The Metropolis decision on path space, and what is recorded of it.
//!
//! A proposal is m trajectories in a row, each with momenta of its own. With independent momenta p_i drawn for each segment the path
//! (q₀; p₁…p_m) has density π(q₀)·Πφ(p_i) (over-relaxed ones change that of the path and of its reverse alike: docs/theory.md);
//! running it backwards with reversed end momenta maps it onto itself with unit Jacobian, so accepting with
//! min(1, exp(−β[U(q_m) − U(q₀) + ΣᵢΔKᵢ])) leaves π exact, whatever the proposal's forces
//! (Duane et al., Phys. Lett. B 195, 216 (1987); Nagai et al., Phys. Rev. B 102, 041124(R) (2020) for one segment).

use serde::{Deserialize, Serialize};

use crate::linear::Mat3;
use crate::potential::Labels;
use crate::sampling::{Environment, FirstStage, MoveCounts, State, StepId};
use crate::structure::Structure;

/// A stretch of a run; only sampling is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Labels before there is a network.
    Bootstrap,
    /// The network is retrained on what the chains label.
    Learning,
    /// Network and tuned parameters are frozen.
    Sampling,
}

/// How proposals are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// By the Metropolis test: exact.
    Metropolis,
    /// Everything is accepted: a control that must fail, for tests of the tests.
    Everything,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The end point is the new state.
    Accepted,
    /// The state stays.
    Rejected,
    /// The trajectory diverged: the state stays, no label was spent.
    Diverged,
    /// The oracle has no answer at the end point: the state stays; the target is truncated there.
    Unphysical,
}

/// What a self-learning proposal must remember until its label comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proposal {
    /// The network generation it ran on.
    pub generation: Option<u32>,
    /// Number of segments.
    pub segments: u32,
    /// Time steps in all.
    pub steps: u32,
    /// ln u of the acceptance uniform.
    pub log_uniform: f64,
    /// Σᵢ ΔKᵢ over the segments, the cell's kinetic energy included, eV.
    pub kinetic_change: f64,
    /// Kinetic energy of the first segment's initial momenta, eV.
    pub kinetic_start: f64,
    /// Kinetic energy of the last segment's final momenta, eV.
    pub kinetic_end: f64,
    /// The network's energy at the start, eV.
    pub network_start: f64,
    /// The network's energy at the end, eV.
    pub network_end: f64,
    /// Whether a segment diverged.
    pub diverged: bool,
    /// β⁰/β: what the network's energy change weighs in the decision, 0 unless the proposal is an inner chain on the network.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub network_weight: f64,
    /// Inner moves of a nested chain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub moves: Option<MoveCounts>,
    /// The first of two stages, where there are two.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_stage: Option<FirstStage>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Proposal {
    /// What the decision adds to the oracle's energy change, eV: ΣΔK, less (β⁰/β)ΔÛ of an inner chain (see `nested`).
    pub fn correction(&self) -> f64 {
        self.kinetic_change - self.network_weight * (self.network_end - self.network_start)
    }

    /// What the decision adds for the cell, eV: of a trajectory the change of W − kT ln m; of an inner chain, whose own density has the same
    /// measure, ΔW − (β⁰/β)ΔW.
    pub(super) fn cell_change(&self, environment: &Environment, from: &Structure, to: &Structure) -> f64 {
        if self.moves.is_some() {
            let ensemble = &environment.ensemble;
            (1.0 - self.network_weight) * (ensemble.work(to) - ensemble.work(from))
        } else {
            environment.cell_change(from, to)
        }
    }
}

/// A decided step as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// The step, from 1.
    pub step: u64,
    /// Its phase.
    pub phase: Phase,
    /// The network generation, where one proposed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
    /// Oracle energy of the state after the decision, eV.
    pub energy: f64,
    /// Oracle stress of the state after the decision: xx yy zz yz xz xy, eV/Å³.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stress: Option<[f64; 6]>,
    /// Lattice vectors of the state after the decision, Å, where the cell moves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cell: Option<Mat3>,
    /// Kinetic energy of the atoms after the decision (the final momenta if accepted, else the initial ones), eV.
    pub kinetic: f64,
    /// Oracle energy of the proposed state, where the oracle was asked and answered, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub energy_proposed: Option<f64>,
    /// What the Metropolis test compared: ΔU_oracle + ΣΔK, at constant pressure with the change of W − kT ln m (load and measure of the
    /// cell), or Δ(U_oracle + W) − (β⁰/β)Δ(U_network + W) after an inner chain, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delta: Option<f64>,
    /// ln u.
    pub log_uniform: f64,
    /// The network's energy at start and end, where a network proposed, eV.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub network: Option<[f64; 2]>,
    /// Segments.
    pub segments: u32,
    /// Time steps in all.
    pub steps: u32,
    /// Oracle calls the step used.
    pub labels: u32,
    /// Inner moves of a nested chain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub moves: Option<MoveCounts>,
    /// The first of two stages, where there are two; `delta` and `log_uniform` are the second's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_stage: Option<FirstStage>,
}

/// Six components xx yy zz yz xz xy of a symmetric tensor.
pub fn voigt(tensor: &Mat3) -> [f64; 6] {
    [
        tensor[0][0],
        tensor[1][1],
        tensor[2][2],
        0.5 * (tensor[1][2] + tensor[2][1]),
        0.5 * (tensor[0][2] + tensor[2][0]),
        0.5 * (tensor[0][1] + tensor[1][0]),
    ]
}

/// Whether a proposal is accepted: ln u < −β·ΔH; a ΔH that is not a number never is.
pub fn metropolis(acceptance: Acceptance, log_uniform: f64, delta: f64, thermal_energy: f64) -> bool {
    match acceptance {
        Acceptance::Metropolis => log_uniform < -delta / thermal_energy,
        Acceptance::Everything => delta.is_finite(),
    }
}

/// Decides a self-learning proposal once its label is there. `end` is `None` where there was nothing to label: the trajectory
/// diverged, or an inner chain has not moved. `labels` is `None` there and where the oracle has no answer.
pub fn decide(
    environment: &Environment,
    state: &State,
    id: StepId,
    proposal: &Proposal,
    end: Option<&Structure>,
    labels: Option<Labels>,
) -> (Decision, State) {
    let delta = labels
        .as_ref()
        .map(|labels| labels.energy - state.labels.energy + proposal.correction())
        .map(|delta| delta + end.map_or(0.0, |end| proposal.cell_change(environment, &state.structure, end)));
    let accepted = delta.is_some_and(|delta| {
        metropolis(
            environment.acceptance,
            proposal.log_uniform,
            delta,
            environment.thermal_energy,
        )
    });
    let outcome = match (&labels, accepted) {
        _ if proposal.diverged => Outcome::Diverged,
        _ if end.is_none() => Outcome::Rejected,
        (None, _) => Outcome::Unphysical,
        (Some(_), true) => Outcome::Accepted,
        (Some(_), false) => Outcome::Rejected,
    };
    let energy_proposed = labels.as_ref().map(|labels| labels.energy);
    let asked = u32::from(!proposal.diverged && end.is_some());
    let kinetic = if accepted {
        proposal.kinetic_end
    } else {
        proposal.kinetic_start
    };
    let next = match (labels, end) {
        (Some(labels), Some(end)) if accepted => State {
            structure: end.clone(),
            labels,
            momenta: None,
            first_stage: None,
            kinetic: Some(kinetic),
        },
        _ => State {
            kinetic: Some(kinetic),
            ..state.clone()
        },
    };
    let decision = Decision {
        step: id.step,
        phase: id.phase,
        generation: proposal.generation,
        outcome,
        energy: next.labels.energy,
        stress: next.labels.stress.as_ref().map(voigt),
        cell: environment.moving_cell(&next.structure),
        kinetic,
        energy_proposed,
        delta,
        log_uniform: proposal.log_uniform,
        network: (!proposal.diverged).then_some([proposal.network_start, proposal.network_end]),
        segments: proposal.segments,
        steps: proposal.steps,
        labels: asked,
        moves: proposal.moves,
        first_stage: None,
    };
    (decision, next)
}
