//! `slmc check`: everything that can be validated without running.

use clap::Args;

use super::{ConfigArguments, Failure, complaints_failure, exit, folder_of, say};
use crate::config::{OracleChoice, Surroundings, build_plan};
use crate::run::plan::ProposalSource;

/// Arguments of `slmc check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    arguments: ConfigArguments,
}

impl Check {
    /// Reads, validates and tells what a run would do.
    pub fn run(self) -> Result<u8, Failure> {
        let loaded = self.arguments.load(&[])?;
        let folder = folder_of(&loaded.path);
        let around = Surroundings {
            text: &loaded.text,
            folder: &folder,
            run: &folder,
            starts: None,
            oracle: self.arguments.oracle.as_deref(),
            time_limit: None,
        };
        let (plan, config, warnings) =
            build_plan(&loaded.config, around).map_err(|complaints| complaints_failure(&loaded.path, &complaints))?;
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
        let start = &plan.starts[0];
        let elements: Vec<String> = start
            .elements()
            .iter()
            .map(|element| {
                let count = start.species.iter().filter(|species| *species == element).count();
                format!("{element}{count}")
            })
            .collect();
        let choice = crate::config::select_oracle(&config.oracle, None).ok();
        let oracle = choice.as_ref().map_or("none", OracleChoice::name);
        let batch_jobs = choice.as_ref().map_or(Ok(false), check_batch_jobs)?;
        let mut text = format!(
            "{} is good\n  atoms       {} ({}), {} momentum degrees of freedom\n  ensemble    {:.1} K{}\n  oracle      {oracle}, {} workers{}\n",
            loaded.path.display(),
            start.len(),
            elements.join(" "),
            plan.environment.kinetics.degrees_of_freedom(),
            plan.environment.thermal_energy / crate::units::BOLTZMANN,
            pressure(&plan.environment),
            plan.workers,
            if batch_jobs {
                ", each label a batch job of Slurm, which would take it"
            } else {
                ""
            },
        );
        match &plan.proposal {
            ProposalSource::Learned(learning) => text.push_str(&format!(
                "  learning    {} bootstrap structures, at most {} labels before the freeze\n",
                learning.bootstrap.displaced, learning.schedule.stop_after
            )),
            ProposalSource::Fixed(_) => text.push_str("  proposals   on the given surface, nothing is learned\n"),
            ProposalSource::Oracle => {
                text.push_str("  proposals   on the oracle's own forces, each time step a label\n");
            }
        }
        text.push_str(&format!(
            "  sampling    {} chains of {} steps, the first {} dropped\n",
            plan.starts.len(),
            plan.sampling.steps,
            plan.sampling.discard
        ));
        say(&text);
        Ok(0)
    }
}

/// That Slurm is there and would take the oracle's jobs. Whether the oracle has such jobs.
fn check_batch_jobs(choice: &OracleChoice) -> Result<bool, Failure> {
    let Some((_, timeout)) = choice.slurm() else {
        return Ok(false);
    };
    let place = format!("[oracle.{}.slurm]", choice.name());
    let problem =
        |problem: String| Failure::new(exit::CONFIG, format!("{place}: {problem}")).hint("see docs/cluster.md");
    // The template's path is absolute by now.
    let slurm = choice.batch_jobs(std::path::Path::new(".")).map_err(problem)?;
    if let Some(slurm) = slurm {
        slurm.check(timeout).map_err(problem)?;
    }
    Ok(true)
}

/// What is held constant besides the temperature.
fn pressure(environment: &crate::sampling::Environment) -> String {
    environment
        .ensemble
        .barostat()
        .map_or(", constant cell".to_owned(), |barostat| {
            format!(
                ", {} GPa{}, cell {}",
                barostat.load.pressure * crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM,
                if barostat.load.tension.is_some() {
                    " and a tension"
                } else {
                    ""
                },
                match barostat.motion.dimension() {
                    1 => "isotropic",
                    3 => "orthorhombic",
                    _ => "flexible",
                }
            )
        })
}
