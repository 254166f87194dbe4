//! Nested Monte Carlo: many moves decided on the network alone, then one decision by the oracle.
//!
//! With the inner density π₀ ∝ exp(−β⁰Û) of the network Û, at constant pressure m·exp(−β⁰(Û + W)) with the same measure m of the cell
//! and the same load W as the ensemble, each inner move is reversible with respect to π₀ by a Metropolis test
//! of its own. Which move comes next is drawn anew each time with fixed odds (random scan), so the inner kernel P is a mixture of
//! reversible kernels and reversible itself, and so is Pⁿ: π₀(q) Pⁿ(q→q′) = π₀(q′) Pⁿ(q′→q). Accepting its end point with
//! min(1, π(q′)π₀(q) / [π(q)π₀(q′)]) = min(1, exp(−βΔ(U + W) + β⁰Δ(Û + W))) leaves π exact (Gelb, J. Chem. Phys. 118, 7747 (2003);
//! Iftimie et al., J. Chem. Phys. 113, 4852 (2000)). A cycle through the moves in a fixed order also keeps π₀ but is not
//! reversible, and with it this decision is wrong.

use rand::{Rng, RngExt};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::dynamics::StrainRate;
use crate::potential::{Labels, Potential, Workspace};
use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::{Environment, Proposal, StepId, TrajectoryPlan, moves};
use crate::structure::Structure;

/// The moves of the inner chain: their weights and sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NestedMoves {
    /// β/β⁰: the inner chain's temperature over that of the ensemble.
    pub scale: f64,
    /// Weight of a network trajectory of all atoms.
    pub trajectory: f64,
    /// Weight of a network trajectory of the atoms of one region.
    pub local: f64,
    /// Weight of a swap of two unlike atoms.
    pub swap: f64,
    /// Weight of a shift of a molecule.
    pub shift: f64,
    /// Weight of a turn of a molecule.
    pub turn: f64,
    /// Weight of a strain of the cell, at constant scaled positions.
    pub volume: f64,
    /// The largest component of such a strain.
    pub most_strain: f64,
    /// The largest component of a shift, Å.
    pub most_shift: f64,
    /// The largest angle of a turn, radians.
    pub most_turn: f64,
    /// How moves follow each other.
    pub order: Order,
}

/// How the moves of an inner chain follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each is drawn with the weights: reversible.
    RandomScan,
    /// The kinds with a weight follow in a fixed cycle: stationary but not reversible, so the ensemble is wrong. A control that must
    /// fail, for tests of the tests.
    FixedCycle,
}

/// A kind of inner move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Trajectory,
    Local,
    Swap,
    Shift,
    Turn,
    Volume,
}

/// How many inner moves of each kind were tried and accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct MoveCounts {
    /// Trajectories of all atoms: tried, accepted.
    #[serde(skip_serializing_if = "untried")]
    pub trajectory: [u32; 2],
    /// Trajectories of a region.
    #[serde(skip_serializing_if = "untried")]
    pub local: [u32; 2],
    /// Swaps of unlike atoms.
    #[serde(skip_serializing_if = "untried")]
    pub swap: [u32; 2],
    /// Shifts of molecules.
    #[serde(skip_serializing_if = "untried")]
    pub shift: [u32; 2],
    /// Turns of molecules.
    #[serde(skip_serializing_if = "untried")]
    pub turn: [u32; 2],
    /// Strains of the cell.
    #[serde(skip_serializing_if = "untried")]
    pub volume: [u32; 2],
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn untried(counts: &[u32; 2]) -> bool {
    counts[0] == 0
}

impl MoveCounts {
    /// Name, tried and accepted of each kind that was tried.
    pub fn tried(&self) -> impl Iterator<Item = (&'static str, [u32; 2])> {
        [
            ("trajectory", self.trajectory),
            ("local", self.local),
            ("swap", self.swap),
            ("shift", self.shift),
            ("turn", self.turn),
            ("volume", self.volume),
        ]
        .into_iter()
        .filter(|(_, counts)| counts[0] > 0)
    }

    /// Inner moves that were accepted.
    pub fn accepted(&self) -> u32 {
        self.tried().map(|(_, [_, accepted])| accepted).sum()
    }

    /// Adds the counts of another step.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.trajectory, other.trajectory),
            (&mut self.local, other.local),
            (&mut self.swap, other.swap),
            (&mut self.shift, other.shift),
            (&mut self.turn, other.turn),
            (&mut self.volume, other.volume),
        ];
        for (mine, theirs) in pairs {
            mine[0] += theirs[0];
            mine[1] += theirs[1];
        }
    }

    fn of(&mut self, kind: Move) -> &mut [u32; 2] {
        match kind {
            Move::Trajectory => &mut self.trajectory,
            Move::Local => &mut self.local,
            Move::Swap => &mut self.swap,
            Move::Shift => &mut self.shift,
            Move::Turn => &mut self.turn,
            Move::Volume => &mut self.volume,
        }
    }
}

impl NestedMoves {
    /// Trajectories of all atoms alone, at the ensemble's temperature.
    pub const TRAJECTORIES: Self = Self {
        scale: 1.0,
        trajectory: 1.0,
        local: 0.0,
        swap: 0.0,
        shift: 0.0,
        turn: 0.0,
        volume: 0.0,
        most_strain: 0.005,
        most_shift: 0.2,
        most_turn: 0.3,
        order: Order::RandomScan,
    };

    fn weights(&self) -> [(Move, f64); 6] {
        [
            (Move::Trajectory, self.trajectory),
            (Move::Local, self.local),
            (Move::Swap, self.swap),
            (Move::Shift, self.shift),
            (Move::Turn, self.turn),
            (Move::Volume, self.volume),
        ]
    }

    fn draw(&self, index: usize, generator: &mut impl Rng) -> Move {
        let weights = self.weights();
        let uniform: f64 = generator.random();
        match self.order {
            Order::RandomScan => {
                let mut left = uniform * weights.iter().map(|(_, weight)| weight).sum::<f64>();
                for (kind, weight) in weights {
                    if weight > 0.0 && left < weight {
                        return kind;
                    }
                    left -= weight;
                }
                Move::Trajectory
            }
            Order::FixedCycle => {
                let kinds: Vec<Move> = weights
                    .into_iter()
                    .filter(|(_, weight)| *weight > 0.0)
                    .map(|(kind, _)| kind)
                    .collect();
                kinds[index % kinds.len().max(1)]
            }
        }
    }
}

/// Where an inner chain stands.
struct Inner<'a> {
    environment: &'a Environment,
    plan: &'a TrajectoryPlan,
    potential: &'a dyn Potential,
    workspace: &'a mut Workspace,
    structure: Structure,
    labels: Labels,
    /// kT⁰ in eV.
    thermal_energy: f64,
    steps: u32,
}

impl Inner<'_> {
    /// Takes a candidate or leaves it; `further` is what changes beside the network's energy: kinetic energy of a trajectory, load and measure
    /// of a strain.
    fn decide(&mut self, candidate: Structure, labels: Labels, further: f64, log_uniform: f64) -> bool {
        let delta = labels.energy - self.labels.energy + further;
        // The forces must be finite too: a later trajectory starts from them.
        let accepted = labels.is_finite() && log_uniform < -delta / self.thermal_energy;
        if accepted {
            self.structure = candidate;
            self.labels = labels;
        }
        accepted
    }

    /// A strain of the cell at constant scaled positions: h → h·exp(ξ) with ξ as likely as −ξ preserves the measure that the ensemble's
    /// density is written over, V^(N+1) beside it (McDonald, Mol. Phys. 23, 41 (1972), for ln V).
    fn strain(&mut self, strain: &StrainRate, log_uniform: f64) -> bool {
        let Some(barostat) = self.environment.ensemble.barostat() else {
            return false;
        };
        let mut candidate = self.structure.clone();
        if !barostat.strain(&mut candidate, strain) {
            return false;
        }
        let (from, to) = (&self.structure.cell, &candidate.cell);
        let work = barostat.load.work(to) - barostat.load.work(from);
        let measure = barostat.log_measure_of_strains(to) - barostat.log_measure_of_strains(from);
        let labels = self.potential.evaluate(&candidate, self.workspace);
        self.decide(candidate, labels, work - self.thermal_energy * measure, log_uniform)
    }

    fn without_momenta(&mut self, change: impl FnOnce(&mut Structure), log_uniform: f64) -> bool {
        let mut candidate = self.structure.clone();
        change(&mut candidate);
        let labels = self.potential.evaluate(&candidate, self.workspace);
        self.decide(candidate, labels, 0.0, log_uniform)
    }

    fn trajectory(&mut self, region: Option<usize>, steps: usize, generator: &mut Pcg64, log_uniform: f64) -> bool {
        let kinetics = match region {
            Some(region) => &self.environment.groups.regions[region].kinetics,
            None => &self.environment.kinetics,
        };
        let momenta = kinetics.draw(self.thermal_energy, generator);
        self.steps += steps as u32;
        let trajectory = crate::dynamics::integrate(
            self.potential,
            kinetics,
            &self.structure,
            momenta,
            &self.labels,
            self.plan.time_step,
            steps,
            self.plan.band,
            self.workspace,
            &mut |_, _| {},
        );
        if trajectory.diverged {
            return false;
        }
        let kinetic_change = trajectory.kinetic_end - trajectory.kinetic_start;
        self.decide(trajectory.structure, trajectory.labels, kinetic_change, log_uniform)
    }
}

/// Runs the inner chain of one proposal from `start`: `plan.segments` moves, trajectories with the plan's steps. Gives its numbers
/// and its end point, `None` where the chain has not moved: then there is nothing to ask the oracle.
pub fn propose_nested(
    environment: &Environment,
    plan: &TrajectoryPlan,
    nested: &NestedMoves,
    potential: &dyn Potential,
    start: &Structure,
    id: StepId,
    workspace: &mut Workspace,
) -> (Proposal, Option<Structure>) {
    let mut generator = stream(environment.seed, id.chain as u64, id.step, Purpose::Proposal);
    let log_uniform = open_uniform(&mut generator).ln();
    // A list carried over from an earlier step would make the last bits depend on history.
    workspace.reset();
    let labels = potential.evaluate(start, workspace);
    let network_start = labels.energy;
    let mut proposal = Proposal {
        generation: id.generation,
        segments: plan.segments as u32,
        steps: 0,
        log_uniform,
        kinetic_change: 0.0,
        // The chain's momenta live inside the proposal: none is left after it.
        kinetic_start: 0.0,
        kinetic_end: 0.0,
        network_start,
        network_end: network_start,
        diverged: false,
        network_weight: 1.0 / nested.scale,
        moves: Some(MoveCounts::default()),
        first_stage: None,
    };
    if !labels.is_finite() {
        // The network cannot stand where the oracle put the chain: no move begins here, and none arrives.
        proposal.diverged = true;
        proposal.network_start = 0.0;
        proposal.network_end = 0.0;
        return (proposal, None);
    }
    let mut counts = MoveCounts::default();
    let mut inner = Inner {
        environment,
        plan,
        potential,
        workspace,
        structure: start.clone(),
        labels,
        thermal_energy: environment.thermal_energy * nested.scale,
        steps: 0,
    };
    let groups = &environment.groups;
    for index in 0..plan.segments {
        let kind = nested.draw(index, &mut generator);
        let steps = plan.draw_steps(generator.random());
        let log_uniform = open_uniform(&mut generator).ln();
        let accepted = match kind {
            Move::Trajectory => inner.trajectory(None, steps, &mut generator, log_uniform),
            Move::Local => match draw_index(groups.regions.len(), &mut generator) {
                Some(region) => inner.trajectory(Some(region), steps, &mut generator, log_uniform),
                None => false,
            },
            Move::Swap => match moves::draw_unlike_pair(start, &mut generator) {
                Some((i, j)) => inner.without_momenta(|structure| structure.positions.swap(i, j), log_uniform),
                None => false,
            },
            Move::Volume => match environment.ensemble.barostat() {
                Some(barostat) => {
                    let strain = barostat.draw_strain(nested.most_strain, &mut generator);
                    inner.strain(&strain, log_uniform)
                }
                None => false,
            },
            Move::Shift | Move::Turn => match draw_index(groups.molecules.len(), &mut generator) {
                Some(molecule) => {
                    let molecule = &groups.molecules[molecule];
                    if kind == Move::Shift {
                        let by = moves::draw_shift(nested.most_shift, &mut generator);
                        inner.without_momenta(|s| moves::shift(&mut s.positions, molecule, by), log_uniform)
                    } else {
                        let (axis, angle) = moves::draw_turn(nested.most_turn, &mut generator);
                        inner.without_momenta(|s| moves::turn(&mut s.positions, molecule, axis, angle), log_uniform)
                    }
                }
                None => false,
            },
        };
        let count = counts.of(kind);
        count[0] += 1;
        count[1] += u32::from(accepted);
    }
    proposal.steps = inner.steps;
    proposal.network_end = inner.labels.energy;
    let end = inner.structure;
    proposal.moves = Some(counts);
    // A swap and its reverse lead back to the start, whose label is there.
    let moved = end.positions != start.positions;
    (proposal, moved.then_some(end))
}

/// A uniform index below `count`, if there is one.
fn draw_index(count: usize, generator: &mut impl Rng) -> Option<usize> {
    (count > 0).then(|| generator.random_range(0..count))
}
