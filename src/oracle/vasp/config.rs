//! The `[oracle.vasp]` table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::potcar::DEFAULT_SET;
use crate::oracle::slurm::SlurmConfig;
use crate::units::Duration;

/// How VASP is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VaspMode {
    /// One run for each label.
    #[default]
    File,
    /// One process that is given positions over its standard input (`INTERACTIVE = .TRUE.`); file mode for other cells.
    Interactive,
}

/// Which of VASP's energies is sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VaspEnergy {
    /// The free energy E − TS of the electrons, whose derivatives the forces are.
    #[default]
    Free,
    /// The energy extrapolated to no smearing. The forces do not belong to it.
    SigmaToZero,
}

/// VASP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct VaspConfig {
    /// The folder that holds INCAR, KPOINTS and perhaps POTCAR; relative to the current folder or to the config file. The shipped
    /// one is built in.
    pub recipe: String,
    /// The program with its own options. Empty: the environment variable `VASP_COMMAND`, else `ASE_VASP_COMMAND`, else
    /// `vasp_std`. With signs of the shell in it (`>`, `|`, `;`, `$` ...) it is run by `sh -c`.
    pub command: String,
    /// The template around the command, such as "srun --exclusive -n 64 {command}"; without `{command}` it is put before it.
    pub launch: String,
    /// How VASP is run: "file" or "interactive".
    pub mode: VaspMode,
    /// A whole POTCAR (in any order of species) or a folder of potentials. Empty: POTCAR of the recipe if there is one, else
    /// the folder that the environment variable `VASP_PP_PATH` names.
    pub potcar: String,
    /// The set of potentials below that folder.
    pub potential_set: String,
    /// The potential of an element where it is not named as the element, such as `{ Ti = "Ti_pv" }`.
    pub setups: BTreeMap<String, String>,
    /// Which energy is sampled: "free" or "sigma-to-zero".
    pub energy: VaspEnergy,
    /// Start from the wavefunctions of the chain's last accepted structure. Saves electronic steps, costs disk, and is watched by
    /// `pool.cold-check-every`.
    pub reuse: bool,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of VASP.
    pub environment: BTreeMap<String, String>,
    /// With `mode = "file"`: submits each label to Slurm as a batch job of its own; see docs/cluster.md. Not given: programs run on this machine.
    pub slurm: Option<SlurmConfig>,
}

impl Default for VaspConfig {
    fn default() -> Self {
        Self {
            recipe: "oracles/vasp".to_owned(),
            command: String::new(),
            launch: String::new(),
            mode: VaspMode::File,
            potcar: String::new(),
            potential_set: DEFAULT_SET.to_owned(),
            setups: BTreeMap::new(),
            energy: VaspEnergy::Free,
            reuse: true,
            timeout: Duration::new(86_400.0),
            environment: BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "1".to_owned())]),
            slurm: None,
        }
    }
}
