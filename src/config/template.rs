//! The commented configurations that `slmc init` writes.

/// A commented configuration that runs, for an oracle and a structure file.
pub fn template(oracle: &str, structure: &str) -> String {
    let (oracle_table, time_step, workers) = match oracle {
        "espresso" => (
            "# Namelists, k-points and pseudopotentials are in the recipe; slmc fills in cell and positions.\n[oracle.espresso]\nrecipe \
             = \"oracles/espresso\"\ncommand = \"pw.x\"\n# mode = \"file\"             # one pw.x for each label instead of one for all\n# launch = \"mpirun -np 4\"    # the template around the command\ntimeout = \"2 h\"\n",
            "1 fs",
            1,
        ),
        "lammps" => (
            "# The force field is in the recipe; slmc adds the structure and the socket.\n[oracle.lammps]\nrecipe = \"oracles/lammps\"\n",
            "1 fs",
            1,
        ),
        "vasp" => (
            "# INCAR and KPOINTS are in the recipe; slmc writes POSCAR and puts POTCAR together.\n[oracle.vasp]\nrecipe = \
             \"oracles/vasp\"\n# command = \"vasp_std\"       # else VASP_COMMAND or ASE_VASP_COMMAND\n# launch = \"srun -n 64 \
             {command}\"\n# potcar = \"POTCAR\"          # a file or folder; else VASP_PP_PATH\ntimeout = \"4 h\"\n",
            "1 fs",
            1,
        ),
        "cp2k" => (
            "# The method is in the recipe; slmc fills in cell and coordinates.\n[oracle.cp2k]\nrecipe = \"oracles/cp2k\"\ncommand = \
             \"cp2k\"\n# mode = \"file\"             # one CP2K for each label instead of one for all\n# launch = \"mpirun -np 4\"    # \
             the template around the command\ntimeout = \"2 h\"\n",
            "1 fs",
            1,
        ),
        "ase" => (
            "# The calculator is in the recipe's calculator.py.\n[oracle.ase]\nrecipe = \"oracles/ase\"\ncommand = \"python3\"          # \
             the Python that has ASE and the calculator\ntimeout = \"2 h\"\n",
            "1 fs",
            1,
        ),
        "command" => (
            "# Any program: structure in, labelled structure out. The contract is in docs/oracles/command.md.\n[oracle.command]\nrecipe = \
             \"oracles/command\"\ncommand = \"python3 label.py {input} {output}\"\ntimeout = \"2 h\"\n",
            "5 fs",
            1,
        ),
        "recorded" => (
            "# Answers from a file of labelled structures, and from nothing else.\n[oracle.recorded]\nfile = \"labels.xyz\"\n",
            "1 fs",
            1,
        ),
        "ipi" => (
            "# Any code that speaks the i-PI protocol.\n[oracle.ipi]\ncommand = \"my-code {socket}\"\ntimeout = \"2 h\"\n",
            "1 fs",
            1,
        ),
        "stillinger-weber" => ("[oracle.stillinger-weber]\n", "2 fs", 2),
        "lennard-jones" => ("[oracle.lennard-jones]\n", "5 fs", 2),
        "einstein" => ("[oracle.einstein]\n", "2 fs", 2),
        "asymmetric" => ("[oracle.asymmetric]\n", "2 fs", 2),
        "double-well" => ("[oracle.double-well]\n", "2 fs", 2),
        _ => ("[oracle.vashishta]\n", "1 fs", 2),
    };
    let proposal = match oracle {
        // No translation-invariant network can represent these; they are here to show exactness.
        "einstein" => {
            "# A network cannot represent fixed sites, so proposals run on a surface that is wrong on purpose.\n\
             [proposal.einstein]\nforce-constant = \"4 eV/Å²\"\n\n"
        }
        "asymmetric" => {
            "# A network cannot represent fixed sites, so proposals run on a surface that is wrong on purpose.\n\
             [proposal.einstein]\nforce-constant = \"1 eV/Å²\"\n\n"
        }
        "double-well" => {
            "# A network cannot represent fixed sites, so proposals run on a surface that is wrong on purpose.\n\
             [proposal.double-well]\nbarrier = \"0.29 eV\"\n\n"
        }
        _ => "",
    };
    format!(
        r#"# A self-learning hybrid Monte Carlo run. Check it with `slmc check`, start it with `slmc run`.
# Every key, with unit and default: docs/config.md.

[structure]
file = "{structure}"          # extended XYZ or POSCAR
# supercell = [2, 2, 2]

[ensemble.nvt]
temperature = "300 K"

# Trajectories run on the network; length and number of segments are tuned while it learns.
[trajectory]
time-step = "{time_step}"
steps = 40
# masses = "hessian"          # for crystals: stiff and soft modes vibrate alike, so that shorter trajectories forget more

{oracle_table}
[pool]
workers = {workers}

{proposal}# Labels before there is a network: randomly displaced copies of the structure.
[bootstrap]
structures = 10
displacement = "0.07 Å"

[learning]
retrain-every = 25            # labels between trainings, at most
stop-after = 150              # labels in all before the network is frozen

[sampling]
steps = 1000                  # of each chain, after the freeze
discard = 50                  # dropped as burn-in
chains = 2
seed = 7
"#
    )
}

/// The same configuration with each label a batch job of Slurm; `None` where the oracle is not run once for each label.
pub fn with_slurm(template: &str, oracle: &str) -> Option<String> {
    let mode = match oracle {
        "espresso" | "cp2k" => "mode = \"file\"               # one process for each label\n",
        "vasp" | "command" => "",
        _ => return None,
    };
    let lines = template
        .lines()
        .filter(|line| !line.starts_with("# mode ") && !line.starts_with("# launch "));
    let mut text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let table = format!(
        r#"{mode}launch = "srun"               # how a job starts the program on all its tasks

# Each label is a batch job of its own; docs/cluster.md.
[oracle.{oracle}.slurm]
# partition = "standard"
# account = "my-project"
time = "2 h"
ntasks = 64
# memory = "64G"
# options = ["--constraint=genoa", "--exclusive"]
setup = """
# module load my-code
"""
poll-interval = "30 s"

# So many jobs are in the queue at once.
[pool]
workers = 4
"#
    );
    text = text.replacen("\n[pool]\nworkers = 1\n", &table, 1);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_with_batch_jobs_are_configurations() {
        for oracle in ["vasp", "espresso", "cp2k", "command"] {
            let text = with_slurm(&template(oracle, "start.xyz"), oracle).unwrap();
            let config =
                crate::config::parse(&text).unwrap_or_else(|complaints| panic!("{oracle}: {complaints:?}\n{text}"));
            let choice = crate::config::select_oracle(&config.oracle, None).unwrap();
            assert!(
                choice.slurm().is_some() && choice.batch_jobs(std::path::Path::new(".")).is_ok(),
                "{text}"
            );
            assert_eq!(config.pool.workers, 4);
        }
        assert!(with_slurm(&template("ase", "start.xyz"), "ase").is_none());
    }
}
