//! Every section and key of a configuration, with unit, default and meaning in the doc comments that docs/config.md is made from.

mod ensemble;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::delayed::DelayedAcceptanceConfig;
use crate::config::exchange::ExchangeConfig;
use crate::config::kernels::{LocalConfig, NestedConfig};
use crate::descriptor::DescriptorConfig;
use crate::network::NetworkConfig;
use crate::oracle::analytic::{
    AsymmetricConfig, DoubleWellConfig, EinsteinConfig, LennardJonesConfig, StillingerWeberConfig, VashishtaConfig,
};
use crate::oracle::command::CommandConfig;
use crate::oracle::ipi::{AseConfig, Cp2kConfig, EspressoConfig, IpiConfig, LammpsConfig};
use crate::oracle::recorded::RecordedConfig;
use crate::oracle::vasp::VaspConfig;
use crate::training::TrainingConfig;
use crate::units::{Duration, Energy, Frequency, Length, Mass, Time};

pub use ensemble::{
    CellFormConfig, CentreOfMassConfig, CouplingConfig, EnsembleConfig, NptConfig, NvtConfig, StrainRateConfig,
};

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Oracle calls in all phases; the run ends before it would need more. With delayed acceptance calls of the dear oracle: what the first
    /// stage rejects spends none of them, and its own labels are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_labels: Option<u64>,
    /// The atoms.
    pub structure: StructureConfig,
    /// What is sampled.
    pub ensemble: EnsembleConfig,
    /// Chains at several temperatures or pressures that trade their states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeConfig>,
    /// How trajectories are run.
    pub trajectory: TrajectoryConfig,
    /// The exact surfaces that may be chosen with `--oracle`; with one table it is chosen.
    pub oracle: OracleConfig,
    /// A cheaper oracle that decides first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delayed_acceptance: Option<DelayedAcceptanceConfig>,
    /// The workers that label.
    pub pool: PoolConfig,
    /// Labels before there is a network.
    pub bootstrap: BootstrapConfig,
    /// A given surface to propose with, instead of learning one.
    pub proposal: ProposalConfig,
    /// How surroundings of atoms are described to the network.
    pub descriptor: DescriptorConfig,
    /// The shape of the networks.
    pub network: NetworkConfig,
    /// How networks are fitted.
    pub training: TrainingConfig,
    /// When networks are retrained and frozen.
    pub learning: LearningConfig,
    /// What is run after the freeze.
    pub sampling: SamplingConfig,
    /// What is written.
    pub output: OutputConfig,
}

/// The atoms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StructureConfig {
    /// A file with the structure: extended XYZ or POSCAR; the path is relative to the configuration. The first frame is the
    /// start of all chains, unless `start-from-frames` is set.
    pub file: String,
    /// Copies of the structure along each lattice vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supercell: Option<[usize; 3]>,
    /// Chain k starts from frame k of the file (counted round if there are fewer frames).
    pub start_from_frames: bool,
    /// Atoms that never move, by index from 0 (in the supercell), beside those the file fixes.
    pub fixed: Vec<usize>,
    /// Masses that replace the standard ones, by element, such as `{ H = "2.014 amu" }`. Static averages do not depend on them.
    pub masses: BTreeMap<String, Mass>,
}

/// How trajectories are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrajectoryConfig {
    /// The time step of velocity Verlet.
    pub time_step: Time,
    /// Time steps of a segment, before anything is tuned.
    pub steps: usize,
    /// Segments of a proposal, each with momenta of its own, before anything is tuned.
    pub segments: usize,
    /// Whether learning adapts `steps`, `segments` and `time-step` for the most independent samples per cost. What is found is frozen
    /// with the network.
    pub tune: bool,
    /// Whether the time step is among what is adapted: by dual averaging on the network's own energy error, which costs no label.
    pub tune_time_step: bool,
    /// The acceptance that the integrator's error alone may leave of a proposal; absent: the one that costs least (of an inner
    /// trajectory of the nested kernel: 0.9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration_acceptance: Option<f64>,
    /// The masses of momenta. Averages do not depend on them.
    pub masses: MassesConfig,
    /// Modes that a mass matrix corrects beside its diagonal, those first that differ most; 0 for the diagonal alone. Absent: all with
    /// `"hessian"`, as far as a million numbers go, and 16 with `"covariance"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mass_modes: Option<usize>,
    /// The longest that a tuned segment may last, in time steps as configured; absent: twice `steps`. With a mass matrix the length follows
    /// from the common period instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_steps: Option<usize>,
    /// The most segments a tuned proposal may have.
    pub most_segments: usize,
    /// The cost of an oracle call in network time steps, for tuning. A clock never steers a chain, so it is given here.
    pub label_cost: f64,
    /// Half-width of the random spread of the number of steps, as a fraction; 0 for none. Lengths that vary by half avoid resonance: a
    /// vibration whose half period fits the length hardly forgets its energy. Absent: 0.5, or 0.2 with a mass matrix, under which
    /// all modes vibrate alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Ordered over-relaxation: momenta are drawn so many at a time, and that draw is taken whose kinetic energy stands, in the order of the
    /// draws and of the kinetic energy that the trajectory before left, opposite to the latter. The potential energies of neighbouring samples
    /// become anticorrelated, so that their mean needs fewer samples; with a mass matrix their variance needs somewhat more (for a heat
    /// capacity set 1). 1 draws momenta that are independent of those before; an even number would have no opposite in the middle. Absent: 3
    /// for the kernel `"slhmc"`, 1 for the yardstick `"hmc"`; the other kernels have independent momenta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum_draws: Option<usize>,
    /// A trajectory whose network energy strays by more than this has diverged and is rejected without a label; absent: 100 kT
    /// and at least 1 eV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Energy>,
}

/// The masses of momenta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MassesConfig {
    /// The atoms' own, or those of `structure.masses`.
    #[default]
    ByElement,
    /// A matrix from the network's second derivatives: stiff and soft modes vibrate alike. For solids at constant volume.
    Hessian,
    /// A matrix from the covariance of displacements along network trajectories. For solids at constant volume.
    Covariance,
}

impl Default for TrajectoryConfig {
    fn default() -> Self {
        Self {
            time_step: Time::new(crate::units::FEMTOSECOND),
            steps: 50,
            segments: 1,
            tune: true,
            tune_time_step: true,
            integration_acceptance: None,
            masses: MassesConfig::default(),
            mass_modes: None,
            most_steps: None,
            most_segments: 5,
            label_cost: 10_000.0,
            jitter: None,
            momentum_draws: None,
            divergence: None,
        }
    }
}

/// The exact surfaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OracleConfig {
    /// Independent harmonic wells around given sites: exactly known answers, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub einstein: Option<EinsteinConfig>,
    /// The Lennard-Jones potential, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lennard_jones: Option<LennardJonesConfig>,
    /// The Stillinger–Weber potential of silicon, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stillinger_weber: Option<StillingerWeberConfig>,
    /// The Vashishta potential of silica, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vashishta: Option<VashishtaConfig>,
    /// Independent skewed wells: exactly known answers, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asymmetric: Option<AsymmetricConfig>,
    /// Independent double wells: exactly known answers behind barriers, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub double_well: Option<DoubleWellConfig>,
    /// Quantum ESPRESSO's pw.x, behind an i-PI socket or run once for each label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub espresso: Option<EspressoConfig>,
    /// CP2K, behind an i-PI socket or run once for each label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cp2k: Option<Cp2kConfig>,
    /// LAMMPS behind an i-PI socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lammps: Option<LammpsConfig>,
    /// Any calculator of ASE behind an i-PI socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ase: Option<AseConfig>,
    /// Any i-PI client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipi: Option<IpiConfig>,
    /// VASP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vasp: Option<VaspConfig>,
    /// Any program: extended XYZ in, extended XYZ out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandConfig>,
    /// Answers from a file of labelled structures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<RecordedConfig>,
}

/// The workers that label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PoolConfig {
    /// Oracle workers side by side.
    pub workers: usize,
    /// How often a label that failed for a passing reason is tried again.
    pub retries: usize,
    /// The wait before the first retry; it doubles with each.
    pub retry_delay: Duration,
    /// A worker that could not answer so many requests in a row, retries included, is retired: its requests go to the others. With
    /// no worker left the run stops, resumable.
    pub retire_after: usize,
    /// How many structures without an answer are counted as rejections before the run stops.
    pub max_unphysical: u64,
    /// Every how many labels that started from earlier wavefunctions a worker labels the structure again from nothing and
    /// compares; its first such label is always compared. 0: never.
    pub cold_check_every: u64,
    /// The difference between the two energies above which it is logged as a warning; absent: kT/100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_check_warning: Option<Energy>,
    /// The difference above which the run stops, resumable: several self-consistent solutions make the energy no function of
    /// the structure. Absent: kT/10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_check_stop: Option<Energy>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            retries: 3,
            retry_delay: Duration::new(1.0),
            retire_after: 2,
            max_unphysical: 20,
            cold_check_every: 50,
            cold_check_warning: None,
            cold_check_stop: None,
        }
    }
}

/// Labels before there is a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BootstrapConfig {
    /// Randomly displaced copies of the starting structures to label, in all chains together.
    pub structures: usize,
    /// The standard deviation of each Cartesian displacement of the copies.
    pub displacement: Length,
    /// The largest homogeneous strain of the copies, a fraction; 0 leaves the cell alone. Absent: 0 at constant volume, 0.02 at constant
    /// pressure, where networks must know strained cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strain: Option<f64>,
    /// Short hybrid Monte Carlo trajectories on the oracle's own forces, per chain; each of their time steps is a label.
    pub trajectories: usize,
    /// Time steps of each of them.
    pub steps: usize,
    /// Files of structures already labelled by this oracle, as extended XYZ, relative to the configuration.
    pub data: Vec<String>,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self {
            structures: 10,
            displacement: Length::new(0.07),
            strain: None,
            trajectories: 0,
            steps: 5,
            data: Vec::new(),
        }
    }
}

/// A given surface to propose with: at most one of `potential` and the tables. With none, networks are learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProposalConfig {
    /// The folder of a trained potential, relative to the configuration: what `slmc train` or a run wrote, or a folder of
    /// n2p2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub potential: Option<String>,
    /// The units of the numbers in a folder of n2p2, which names none, such as `"bohr,hartree"`; Å and eV when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// Propose on an einstein crystal with its own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub einstein: Option<EinsteinConfig>,
    /// Propose on a Lennard-Jones potential with its own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lennard_jones: Option<LennardJonesConfig>,
    /// Propose on a Stillinger–Weber potential with its own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stillinger_weber: Option<StillingerWeberConfig>,
    /// Propose on a Vashishta potential with its own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vashishta: Option<VashishtaConfig>,
    /// Propose on skewed wells with their own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asymmetric: Option<AsymmetricConfig>,
    /// Propose on double wells with their own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub double_well: Option<DoubleWellConfig>,
    /// Adds this fraction of ẑ × F to the given surface's forces, so that they derive from no energy. The ensemble stays exact;
    /// a demonstration and a test. 0 for none.
    pub swirl: f64,
}

/// When networks are retrained and frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LearningConfig {
    /// New labels after which a network is trained again, at most; while labels are few a quarter more of them suffices.
    pub retrain_every: usize,
    /// Labels in all, bootstrap included, before the last network is trained and frozen.
    pub stop_after: usize,
    /// Steps of every chain that go on with the old network while the new one is trained.
    pub lag: u64,
    /// Freeze before `stop-after` once this acceptance is both expected from validation and seen over the latest 20 proposals; 0
    /// spends the whole budget. Such a freeze is on trial while steps are discarded: where clearly less than 0.85 of this acceptance is seen, it
    /// is taken back, and learning goes on with the labels that are left.
    pub freeze_acceptance: f64,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self {
            retrain_every: 25,
            stop_after: 150,
            lag: 0,
            freeze_acceptance: 0.97,
        }
    }
}

/// What is run after the freeze.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SamplingConfig {
    /// Steps of each chain after the freeze.
    pub steps: u64,
    /// The first of them that are dropped as burn-in.
    pub discard: u64,
    /// Independent chains.
    pub chains: usize,
    /// The seed of all random numbers; the same configuration and seed give the same run.
    pub seed: u64,
    /// Ends sampling once the potential energy has this bulk effective sample size, all chains together. With `trajectory.momentum-draws`
    /// above 1 that may be more than the samples; other observables have fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ess: Option<f64>,
    /// What advances the chains.
    pub kernel: KernelConfig,
    /// Accepts every proposal. The averages are wrong then: a control for tests of the tests, never for results.
    pub accept_everything: bool,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            discard: 50,
            chains: 2,
            seed: 1,
            until_ess: None,
            kernel: KernelConfig::default(),
            accept_everything: false,
        }
    }
}

/// What advances the chains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum KernelConfig {
    /// Self-learning hybrid Monte Carlo: network trajectories, one label a step. Exact.
    #[default]
    Slhmc,
    /// Plain hybrid Monte Carlo on the oracle's forces: one label a time step. Exact; a yardstick.
    Hmc,
    /// Langevin dynamics (BAOAB): `trajectory.steps` time steps a step. Not exact: nothing is rejected.
    Langevin(LangevinConfig),
    /// Nested Monte Carlo: many moves decided on the network, swaps of atoms and rigid moves of molecules among them, then one label.
    /// Exact.
    Nested(NestedConfig),
    /// Network trajectories of one region of a large cell at a time, one label a step. Exact.
    Local(LocalConfig),
}

/// Langevin dynamics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LangevinConfig {
    /// The friction.
    pub friction: Frequency,
    /// Whether the given or learned potential drives it, the oracle labelling only the end of each step.
    pub on_network: bool,
}

impl Default for LangevinConfig {
    fn default() -> Self {
        Self {
            friction: Frequency::new(1e-3 / crate::units::FEMTOSECOND),
            on_network: false,
        }
    }
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OutputConfig {
    /// Every how many sampling steps a chain's state is written to its trajectory; 0 writes none. Absent: every step, or every tenth
    /// with an embedded oracle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trajectory_every: Option<u64>,
    /// Every how many sampling steps with an embedded oracle the full state is journalled; between them a resume repeats
    /// trajectories (never labels).
    pub anchor_every: u64,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            trajectory_every: None,
            anchor_every: 20,
        }
    }
}
