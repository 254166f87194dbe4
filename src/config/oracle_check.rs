//! What can be said of a chosen oracle before anything runs: its parameters, recipe, potentials and batch jobs.

use std::path::Path;

use super::checker::Checker;
use super::oracle::OracleChoice;
use crate::oracle::analytic::build;
use crate::oracle::vasp;
use crate::structure::Structure;

/// What an oracle is chosen for.
pub(super) struct Purpose<'a> {
    /// The table that chooses, such as `oracle`.
    pub table: &'a str,
    /// The first structure.
    pub first: &'a Structure,
    /// The configuration's folder.
    pub folder: &'a Path,
    /// Whether cells will vary.
    pub variable_cell: bool,
    /// kT in eV.
    pub thermal_energy: f64,
}

/// Checks a chosen oracle for its purpose.
pub(super) fn check_oracle(
    choice: &OracleChoice,
    purpose: &Purpose<'_>,
    check: &mut Checker<'_>,
    warnings: &mut Vec<String>,
) {
    let Purpose { first, folder, .. } = *purpose;
    let key = format!("{}.{}", purpose.table, choice.name());
    if let OracleChoice::Analytic(analytic) = choice
        && let Err(error) = build(analytic, first)
    {
        check.complain(&key, error.to_string(), "see docs/config.md");
    }
    if let OracleChoice::Vasp(config) = choice {
        match vasp::check(config, first, folder, purpose.variable_cell, purpose.thermal_energy) {
            Ok(found) => warnings.extend(found),
            Err(problem) => check.complain(&key, problem, "see docs/oracles/vasp.md"),
        }
    }
    // Whoever checks a run elsewhere than where it will be, without its potentials, has no mistake in it.
    if let Some(problem) = choice.recipe_problem(first, folder) {
        warnings.push(format!("{key}: no label can be had as things are here: {problem}"));
    }
    if let Err(problem) = choice.batch_jobs(folder) {
        check.complain(&format!("{key}.slurm"), problem, "see docs/cluster.md");
    }
}
