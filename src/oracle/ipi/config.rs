//! The tables of the oracles behind a socket: `[oracle.ipi]`, `[oracle.espresso]`, `[oracle.cp2k]`, `[oracle.lammps]`, `[oracle.ase]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::oracle::slurm::SlurmConfig;
use crate::units::{Duration, Energy, Length};

/// Any code that speaks the i-PI protocol, behind a socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of a client by itself")]
pub struct IpiConfig {
    /// The client's command line, started in its own folder with a copy of the recipe in it. Placeholders: `{socket}` (the
    /// name after `/tmp/ipi_`), `{host}` and `{port}` (with `tcp`), `{input}` (the file named by `input`), `{structure}`
    /// (the structure as extended XYZ), `{workdir}`. Empty: slmc starts nothing and waits for a client.
    pub command: String,
    /// The template around the command, such as "mpirun -np 4" or "nice {command}"; see docs/oracles/launch.md.
    pub launch: String,
    /// A folder whose files are copied into the client's folder; relative to the current folder or to the config file.
    /// In each of its text files named `*.in` or `in.*` the placeholders are filled in. Empty: none.
    pub recipe: String,
    /// The name of the recipe's file that `{input}` stands for.
    pub input: String,
    /// What the energies come from (code, functional, version). It goes into the labels' fingerprint, since slmc cannot
    /// see it.
    pub surface: String,
    /// A text in the client's standard output whose line names the code's version, for the fingerprint. Empty: none.
    pub version_pattern: String,
    /// The UNIX socket's name after `/tmp/ipi_`. Empty: a fresh one for each launch. Workers that wait for clients started by
    /// somebody else share one name; each keeps the client that called it.
    pub socket: String,
    /// Listen on this TCP address instead of a UNIX socket, such as "127.0.0.1:31415"; port 0 takes a free one. Empty: no.
    pub tcp: String,
    /// Texts in the client's standard output that say that a calculation did not converge. A label during which one
    /// appears is refused, for over the socket many codes hand back unconverged energies as if nothing had happened.
    pub unconverged_patterns: Vec<String>,
    /// A text that must appear in the client's standard output for each label, such as "convergence has been achieved".
    /// Empty: none is asked for.
    pub converged_pattern: String,
    /// The longest time from the client's launch to its call.
    pub start_timeout: Duration,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of the client.
    pub environment: BTreeMap<String, String>,
    /// Whether shifting all atoms together leaves the energy alone.
    pub translation_invariant: bool,
    /// Turn the cell so that its first vector lies along x and its second in the xy plane, as i-PI itself does; forces and
    /// stress are turned back. Many clients read nothing else.
    pub triangular_cell: bool,
    /// Send every atom's image nearest to the origin, along periodic directions. Some clients bring atoms back by one period
    /// at most.
    pub wrap_positions: bool,
    /// Whether the client starts a calculation from what its last one left behind (wavefunctions): then energies are now and then
    /// compared with those of a client just launched, see `pool.cold-check-every`. Only for clients that slmc launches.
    pub keeps_memory: bool,
    /// What the client takes one bohr to be.
    pub bohr: Length,
    /// What the client takes one hartree to be.
    pub hartree: Energy,
}

impl Default for IpiConfig {
    fn default() -> Self {
        Self {
            command: String::new(),
            launch: String::new(),
            recipe: String::new(),
            input: String::new(),
            surface: String::new(),
            version_pattern: String::new(),
            socket: String::new(),
            tcp: String::new(),
            unconverged_patterns: vec![
                "convergence NOT achieved".to_owned(),
                "SCF run NOT converged".to_owned(),
            ],
            converged_pattern: String::new(),
            start_timeout: Duration::new(120.0),
            timeout: Duration::new(3600.0),
            environment: BTreeMap::new(),
            translation_invariant: true,
            triangular_cell: true,
            wrap_positions: true,
            keeps_memory: false,
            bohr: Length::new(crate::units::BOHR),
            hartree: Energy::new(crate::units::HARTREE),
        }
    }
}

/// How a code is spoken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One process for many structures, over an i-PI socket: start-up is paid once, and each calculation starts from the last one.
    #[default]
    Socket,
    /// One process for each structure: input files in, output files out.
    File,
}

/// Quantum ESPRESSO's `pw.x`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EspressoConfig {
    /// The folder that holds `pw.in` and perhaps pseudopotentials; relative to the current folder or to the config file.
    /// The shipped one is built in.
    pub recipe: String,
    /// "socket": one pw.x for many structures; "file": one for each.
    pub mode: Mode,
    /// The program with its own options, such as "pw.x -nk 4"; slmc adds `-in` and, for a socket, `--ipi`.
    pub command: String,
    /// The template around the command, such as "mpirun -np 4" or "srun --exclusive -n 64 {command}"; see docs/oracles/launch.md.
    pub launch: String,
    /// The folder of the pseudopotentials. Not given: the recipe's folder if it holds them, else the environment variable
    /// `ESPRESSO_PSEUDO`, else `/usr/share/espresso/pseudo`.
    pub pseudopotentials: Option<PathBuf>,
    /// Listen on this TCP address instead of a UNIX socket, for a launcher that may put pw.x on another node: "0.0.0.0:0" takes a
    /// free port of this machine. Empty: a UNIX socket.
    pub tcp: String,
    /// The longest time from the launch of pw.x to its call.
    pub start_timeout: Duration,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of pw.x.
    pub environment: BTreeMap<String, String>,
    /// With `mode = "file"`: submits each label to Slurm as a batch job of its own; see docs/cluster.md. Not given: programs run on this machine.
    pub slurm: Option<SlurmConfig>,
}

impl Default for EspressoConfig {
    fn default() -> Self {
        Self {
            recipe: "oracles/espresso".to_owned(),
            mode: Mode::Socket,
            command: "pw.x".to_owned(),
            launch: String::new(),
            pseudopotentials: None,
            tcp: String::new(),
            start_timeout: Duration::new(120.0),
            timeout: Duration::new(3600.0),
            environment: BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "1".to_owned())]),
            slurm: None,
        }
    }
}

/// Any LAMMPS force field over a socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LammpsConfig {
    /// The folder that holds `in.lammps` and the force field's files; relative to the current folder or to the config file.
    /// The shipped one, Stillinger–Weber silicon, is built in.
    pub recipe: String,
    /// The program with its own options; slmc adds `-in`, `-log` and `-screen`.
    pub command: String,
    /// The template around the command, such as "mpirun -np 4" or "nice {command}"; see docs/oracles/launch.md.
    pub launch: String,
    /// Listen on this TCP address instead of a UNIX socket, for a launcher that may put LAMMPS on another node: "0.0.0.0:0" takes a
    /// free port of this machine. Empty: a UNIX socket.
    pub tcp: String,
    /// The longest time from the launch of LAMMPS to its call.
    pub start_timeout: Duration,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of LAMMPS.
    pub environment: BTreeMap<String, String>,
    /// Whether shifting all atoms together leaves the energy alone.
    pub translation_invariant: bool,
}

impl Default for LammpsConfig {
    fn default() -> Self {
        Self {
            recipe: "oracles/lammps".to_owned(),
            command: "lmp".to_owned(),
            launch: String::new(),
            tcp: String::new(),
            start_timeout: Duration::new(60.0),
            timeout: Duration::new(600.0),
            environment: BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "1".to_owned())]),
            translation_invariant: true,
        }
    }
}

/// CP2K.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Cp2kConfig {
    /// The folder that holds `cp2k.inp` and the files it names; relative to the current folder or to the config file. The shipped
    /// one, GFN1-xTB, is built in.
    pub recipe: String,
    /// "socket": one CP2K for many structures; "file": one for each.
    pub mode: Mode,
    /// The program with its own options, such as "cp2k.psmp"; slmc adds `-i`.
    pub command: String,
    /// The template around the command, such as "mpirun -np 4" or "srun --exclusive -n 64 {command}"; see docs/oracles/launch.md.
    pub launch: String,
    /// The folder of basis sets, potentials and parameters, `CP2K_DATA_DIR`. Empty: as CP2K was built.
    pub data: String,
    /// Listen on this TCP address instead of a UNIX socket, for a launcher that may put CP2K on another node: "0.0.0.0:0" takes a
    /// free port of this machine. Empty: a UNIX socket.
    pub tcp: String,
    /// The longest time from the launch of CP2K to its call.
    pub start_timeout: Duration,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of CP2K.
    pub environment: BTreeMap<String, String>,
    /// With `mode = "file"`: submits each label to Slurm as a batch job of its own; see docs/cluster.md. Not given: programs run on this machine.
    pub slurm: Option<SlurmConfig>,
}

impl Default for Cp2kConfig {
    fn default() -> Self {
        Self {
            recipe: "oracles/cp2k".to_owned(),
            mode: Mode::Socket,
            command: "cp2k".to_owned(),
            launch: String::new(),
            data: String::new(),
            tcp: String::new(),
            start_timeout: Duration::new(120.0),
            timeout: Duration::new(3600.0),
            environment: BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "1".to_owned())]),
            slurm: None,
        }
    }
}

/// Any calculator of the Atomic Simulation Environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AseConfig {
    /// The folder that holds `calculator.py`, which makes the calculator; relative to the current folder or to the config file. The
    /// shipped one, GFN1-xTB by tblite, is built in.
    pub recipe: String,
    /// The Python that has ASE and the calculator, such as "venv/bin/python"; slmc adds the driver.
    pub command: String,
    /// The template around the command, such as "srun -n 1 {command}"; see docs/oracles/launch.md.
    pub launch: String,
    /// Listen on this TCP address instead of a UNIX socket, for a launcher that may put Python on another node: "0.0.0.0:0" takes a
    /// free port of this machine. Empty: a UNIX socket.
    pub tcp: String,
    /// The longest time from the launch of Python to its call.
    pub start_timeout: Duration,
    /// The longest time for one label.
    pub timeout: Duration,
    /// Environment variables of Python.
    pub environment: BTreeMap<String, String>,
    /// Whether shifting all atoms together leaves the energy alone.
    pub translation_invariant: bool,
    /// Whether the calculator starts from what its last calculation left behind (wavefunctions): then energies are now and then
    /// compared with those of a calculator just made, see `pool.cold-check-every`.
    pub keeps_memory: bool,
}

impl Default for AseConfig {
    fn default() -> Self {
        Self {
            recipe: "oracles/ase".to_owned(),
            command: "python3".to_owned(),
            launch: String::new(),
            tcp: String::new(),
            start_timeout: Duration::new(120.0),
            timeout: Duration::new(3600.0),
            environment: BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "1".to_owned())]),
            translation_invariant: true,
            keeps_memory: true,
        }
    }
}
