//! The sections of the kernels that move more than trajectories of all atoms, and what they become: moves, molecules, regions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checker::Checker;
use super::schema::{Config, KernelConfig};
use crate::sampling::{Groups, Kernel, NestedMoves, Order, Region, make_whole};
use crate::structure::Structure;
use crate::units::{Length, Temperature};

/// Nested Monte Carlo: an inner chain of network moves, then one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NestedConfig {
    /// Moves of the inner chain for each label. A network that is still bad makes fewer.
    pub inner_moves: usize,
    /// The temperature of the inner chain; absent: that of the ensemble. The ensemble is exact at any; a somewhat higher one widens the
    /// proposals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
    /// How often each kind of move is drawn.
    pub weights: MoveWeights,
    /// Molecules that `shift` and `turn` move as rigid bodies, as lists of atoms by index from 0 (in the supercell).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub molecules: Vec<Vec<usize>>,
    /// Instead of lists: the structure consists of molecules of this many atoms, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atoms_per_molecule: Option<usize>,
    /// The largest component of the shift of a molecule.
    pub most_shift: Length,
    /// The largest turn of a molecule, in degrees.
    pub most_turn: f64,
    /// The largest component of a strain of the cell, at constant pressure.
    pub most_strain: f64,
    /// The regions that `local` trajectories move.
    pub regions: RegionsConfig,
}

impl Default for NestedConfig {
    fn default() -> Self {
        Self {
            inner_moves: 20,
            temperature: None,
            weights: MoveWeights::default(),
            molecules: Vec::new(),
            atoms_per_molecule: None,
            most_shift: Length::new(0.2),
            most_turn: 20.0,
            most_strain: 0.005,
            regions: RegionsConfig::default(),
        }
    }
}

/// How often each kind of inner move is drawn, relative to the others; 0 for never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MoveWeights {
    /// Network trajectories of all atoms, with the lengths of `[trajectory]`.
    pub trajectory: f64,
    /// Network trajectories of the atoms of one region.
    pub local: f64,
    /// Swaps of two atoms of different elements.
    pub swap: f64,
    /// Shifts of a molecule.
    pub shift: f64,
    /// Turns of a molecule about its centre.
    pub turn: f64,
    /// Strains of the cell with all its atoms, at constant pressure: of its volume or of its lengths and angles, as `ensemble.npt.cell`
    /// says. Trajectories run at constant cell. Absent: 1 at constant pressure, else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<f64>,
}

impl MoveWeights {
    /// The weight of strains of the cell.
    pub fn of_volume(&self, constant_pressure: bool) -> f64 {
        self.volume.unwrap_or(if constant_pressure { 1.0 } else { 0.0 })
    }
}

impl Default for MoveWeights {
    fn default() -> Self {
        Self {
            trajectory: 1.0,
            local: 0.0,
            swap: 0.0,
            shift: 0.0,
            turn: 0.0,
            volume: None,
        }
    }
}

/// Sets of atoms that move while all others are held. They are fixed at the start: sets that followed the atoms would depend on the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegionsConfig {
    /// One region around each atom that can move: the atoms within this distance of it in the start of the first chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius: Option<Length>,
    /// Or regions as lists of atoms by index from 0 (in the supercell).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub atoms: Vec<Vec<usize>>,
}

/// Local moves: network trajectories of one region at a time, so that the acceptance does not fall with the size of the cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LocalConfig {
    /// The regions.
    pub regions: RegionsConfig,
    /// The part of segments that move the whole cell instead.
    pub whole_cell: f64,
}

/// The kernel of a configuration at the ensemble's temperature.
pub(super) fn kernel(config: &Config, ensemble: Temperature) -> Kernel {
    match &config.sampling.kernel {
        KernelConfig::Slhmc => Kernel::Slhmc,
        KernelConfig::Hmc => Kernel::Hmc,
        KernelConfig::Langevin(langevin) => Kernel::Langevin {
            friction: langevin.friction.value(),
            on_network: langevin.on_network,
        },
        KernelConfig::Nested(nested) => Kernel::Nested(NestedMoves {
            scale: nested
                .temperature
                .map_or(1.0, |inner| inner.thermal_energy() / ensemble.thermal_energy()),
            trajectory: nested.weights.trajectory,
            local: nested.weights.local,
            swap: nested.weights.swap,
            shift: nested.weights.shift,
            turn: nested.weights.turn,
            volume: nested.weights.of_volume(config.ensemble.npt.is_some()),
            most_strain: nested.most_strain,
            most_shift: nested.most_shift.value(),
            most_turn: nested.most_turn.to_radians(),
            order: Order::RandomScan,
        }),
        KernelConfig::Local(local) => Kernel::Local {
            whole: local.whole_cell,
        },
    }
}

/// What the kernel's moves act on, from the starts, whose molecules are made whole; complains about what does not fit them.
pub(super) fn groups(config: &Config, starts: &mut [Structure], check: &mut Checker<'_>) -> Groups {
    match &config.sampling.kernel {
        KernelConfig::Slhmc | KernelConfig::Hmc | KernelConfig::Langevin(_) => Groups::default(),
        KernelConfig::Nested(nested) => nested_groups(config, nested, starts, check),
        KernelConfig::Local(local) => {
            if !(0.0..=1.0).contains(&local.whole_cell) {
                check.complain(
                    "sampling.kernel.local.whole-cell",
                    format!("{} is no part of a whole", local.whole_cell),
                    "0.1 moves the whole cell in a tenth of the segments",
                );
            }
            let key = "sampling.kernel.local.regions";
            let before = check.complaints.len();
            let regions = regions(key, &local.regions, &starts[0], check);
            if local.whole_cell == 0.0 && check.complaints.len() == before {
                all_move(
                    key,
                    &starts[0],
                    |atom| regions.iter().any(|r| r.atoms.contains(&atom)),
                    check,
                );
            }
            Groups {
                molecules: Vec::new(),
                regions,
            }
        }
    }
}

fn nested_groups(config: &Config, nested: &NestedConfig, starts: &mut [Structure], check: &mut Checker<'_>) -> Groups {
    let key = |name: &str| format!("sampling.kernel.nested.{name}");
    check.at_least_one(&key("inner-moves"), nested.inner_moves);
    if let Some(temperature) = nested.temperature {
        check.positive(&key("temperature"), temperature.value());
    }
    if config.trajectory.segments != 1 {
        check.complain(
            "trajectory.segments",
            "the inner chain of the nested kernel draws fresh momenta for each trajectory, so there are no segments",
            "remove it, and set sampling.kernel.nested.inner-moves",
        );
    }
    let weights = &nested.weights;
    let constant_pressure = config.ensemble.npt.is_some();
    let volume = weights.of_volume(constant_pressure);
    if volume > 0.0 && !constant_pressure {
        check.complain(
            &key("weights.volume"),
            "the cell does not move at constant volume",
            "remove it, or use [ensemble.npt]",
        );
    }
    if volume == 0.0 && constant_pressure {
        check.complain(
            &key("weights.volume"),
            "without strains of the cell the volume would never change",
            "give it a weight, or use [ensemble.nvt]",
        );
    }
    if constant_pressure && !(nested.most_strain > 0.0 && nested.most_strain < 0.5) {
        check.complain(
            &key("most-strain"),
            format!("{} does not lie between 0 and 0.5", nested.most_strain),
            "0.005 is a fair start for a solid",
        );
    }
    let all = [
        ("trajectory", weights.trajectory),
        ("local", weights.local),
        ("swap", weights.swap),
        ("shift", weights.shift),
        ("turn", weights.turn),
        ("volume", volume),
    ];
    for (name, weight) in all {
        if !(weight.is_finite() && weight >= 0.0) {
            check.complain(
                &key(&format!("weights.{name}")),
                format!("{weight} is no weight"),
                "give 0 or more",
            );
        }
    }
    if all.iter().all(|(_, weight)| *weight == 0.0) {
        check.complain(&key("weights"), "no move is ever drawn", "give one of them a weight");
    }
    let start = &starts[0];
    let mobile = |atom: &usize| !start.fixed[*atom];
    let species = (0..start.len()).filter(mobile).map(|atom| start.species[atom]);
    let kinds: std::collections::BTreeSet<_> = species.collect();
    if weights.swap > 0.0 && kinds.len() < 2 {
        check.complain(
            &key("weights.swap"),
            "all atoms that can move are of one element: there is nothing to swap",
            "remove it",
        );
    }
    let rigid = weights.shift > 0.0 || weights.turn > 0.0;
    let molecules = molecules(nested, start, check);
    if rigid && molecules.is_empty() {
        check.complain(
            &key("weights"),
            "shift and turn need molecules",
            "list their atoms in molecules, or set atoms-per-molecule",
        );
    }
    if weights.shift > 0.0 {
        check.positive(&key("most-shift"), nested.most_shift.value());
    }
    if weights.turn > 0.0 && !(nested.most_turn > 0.0 && nested.most_turn <= 180.0) {
        check.complain(
            &key("most-turn"),
            format!("{} does not lie between 0 and 180 degrees", nested.most_turn),
            "20.0 is a fair start",
        );
    }
    let regions = if weights.local > 0.0 {
        regions(&key("regions"), &nested.regions, start, check)
    } else {
        Vec::new()
    };
    if weights.trajectory == 0.0 && all.iter().any(|(_, weight)| *weight > 0.0) {
        let moves = |atom: usize| {
            weights.shift > 0.0 && molecules.iter().any(|molecule| molecule.contains(&atom))
                || regions.iter().any(|region| region.atoms.contains(&atom))
        };
        all_move(&key("weights"), start, moves, check);
    }
    for start in starts {
        make_whole(start, &molecules);
    }
    Groups { molecules, regions }
}

/// Complains if an atom that is not fixed would stay where it is for ever.
fn all_move(key: &str, start: &Structure, moves: impl Fn(usize) -> bool, check: &mut Checker<'_>) {
    if let Some(atom) = (0..start.len()).find(|atom| !start.fixed[*atom] && !moves(*atom)) {
        check.complain(
            key,
            format!("atom {atom} never moves though it is not fixed, so its positions would not be sampled"),
            "add trajectories of the whole cell, let the moves cover all atoms, or fix it in structure.fixed",
        );
    }
}

fn molecules(nested: &NestedConfig, start: &Structure, check: &mut Checker<'_>) -> Vec<Vec<usize>> {
    let key = "sampling.kernel.nested.molecules";
    let mut molecules = nested.molecules.clone();
    if let Some(size) = nested.atoms_per_molecule {
        let each = "sampling.kernel.nested.atoms-per-molecule";
        if !molecules.is_empty() {
            check.complain(each, "the molecules are listed too", "keep one of both");
        } else if size == 0 || !start.len().is_multiple_of(size) {
            check.complain(
                each,
                format!("{} atoms are not molecules of {size}", start.len()),
                "list the atoms of each molecule in molecules",
            );
        } else {
            molecules = (0..start.len() / size)
                .map(|molecule| (molecule * size..(molecule + 1) * size).collect())
                .collect();
        }
    }
    let mut owner = vec![false; start.len()];
    for (index, molecule) in molecules.iter().enumerate() {
        if molecule.is_empty() {
            check.complain(key, format!("molecule {index} has no atoms"), "remove it");
        }
        for atom in molecule {
            let fault = match (owner.get_mut(*atom), start.fixed.get(*atom)) {
                (Some(taken), Some(false)) => {
                    let twice = std::mem::replace(taken, true);
                    twice.then(|| format!("atom {atom} is in two molecules, or twice in one"))
                }
                (Some(_), _) => Some(format!("atom {atom} of molecule {index} is fixed")),
                (None, _) => Some(format!(
                    "there is no atom {atom}: the structure has {}, counted from 0",
                    start.len()
                )),
            };
            if let Some(fault) = fault {
                check.complain(key, fault, "see which atoms belong to it");
                return Vec::new();
            }
        }
    }
    molecules
}

fn regions(key: &str, config: &RegionsConfig, start: &Structure, check: &mut Checker<'_>) -> Vec<Region> {
    match (config.radius, config.atoms.as_slice()) {
        (Some(_), [_, ..]) => {
            check.complain(key, "both a radius and lists of atoms are given", "keep one of both");
            Vec::new()
        }
        (None, []) => {
            check.complain(
                key,
                "local trajectories need regions",
                "add radius = \"5 Å\", or lists of atoms",
            );
            Vec::new()
        }
        (Some(radius), []) => {
            check.positive(&format!("{key}.radius"), radius.value());
            if radius.value() > 0.0 && radius.value() < 1e3 {
                Region::around_sites(start, radius.value())
            } else {
                Vec::new()
            }
        }
        (None, lists) => {
            for (index, atoms) in lists.iter().enumerate() {
                if let Some(atom) = atoms.iter().find(|atom| **atom >= start.len()) {
                    check.complain(
                        &format!("{key}.atoms"),
                        format!(
                            "there is no atom {atom}: the structure has {}, counted from 0",
                            start.len()
                        ),
                        "remove it",
                    );
                    return Vec::new();
                }
                if atoms.iter().all(|atom| start.fixed[*atom]) {
                    check.complain(
                        &format!("{key}.atoms"),
                        format!("no atom of region {index} can move"),
                        "remove it",
                    );
                }
            }
            lists.iter().map(|atoms| Region::new(start, atoms)).collect()
        }
    }
}
