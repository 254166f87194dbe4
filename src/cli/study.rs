//! `slmc study`: variants of a configuration times seeds, compared.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, Verbosity, cannot_write, exit, say};
use crate::observe::export::quoted;
use crate::run::directory::replace;
use crate::study::{
    Job, JobState, Specification, StudyError, VariantSummary, jobs, measure, page, phase_rows, plots, rows_header,
    run_jobs, table,
};

/// Arguments of `slmc study`.
#[derive(Debug, Args)]
pub struct Study {
    /// The study: base configuration, variants, seeds.
    #[arg(value_name = "STUDY.toml")]
    file: PathBuf,
    /// The folder of the study's runs and results; run it again to go on.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Runs at a time, in place of the study's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Only the study's first N seeds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seeds: Option<u32>,
    /// Set any key in all variants, after their own settings.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Study {
    /// Runs what is missing and writes table, plots and page.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let study = Specification::read(&self.file).map_err(|error| failure(&error))?;
        let count = self.seeds.map_or(study.seeds.len(), |count| count as usize);
        let seeds = &study.seeds[..count.min(study.seeds.len())];
        let base = std::fs::read_to_string(&study.config)
            .map_err(|error| Failure::new(exit::CONFIG, format!("cannot read {}: {error}", study.config.display())))?;
        for variant in &study.variants {
            study
                .text(&base, variant, "a-potential", &self.settings)
                .map_err(|message| {
                    Failure::new(exit::CONFIG, format!("variant {} with --set: {message}", variant.name))
                })?;
        }
        let all = jobs(&study, seeds, &self.out);
        let told = |job: &Job, state: &JobState| {
            if !verbosity.quiet {
                let name = &study.variants[job.variant].name;
                let what = match state {
                    JobState::Done => "done".to_owned(),
                    JobState::Stopped => "stopped".to_owned(),
                    JobState::Failed(code, said) => format!("failed with exit code {code}: {said}"),
                };
                eprintln!("{name}, seed {}: {what}", job.seed);
            }
        };
        let at_once = self.jobs.map_or(study.jobs, |count| count as usize);
        let states = run_jobs(&study, &all, at_once, &self.settings, &told).map_err(|error| match error {
            crate::study::RunnerError::Changed { .. } => Failure::from_error(exit::USAGE, &error)
                .hint("the study or --set has changed since: choose another --out, or remove that run"),
            crate::study::RunnerError::File { .. } => Failure::from_error(exit::CANNOT_WRITE, &error),
        })?;
        self.write(&study, &all, &states)?;
        if states.contains(&JobState::Stopped) {
            eprintln!("stopped: the same command goes on");
            return Ok(exit::STOPPED);
        }
        Ok(states
            .iter()
            .find_map(|state| match state {
                JobState::Failed(code, _) => Some(u8::try_from(*code).unwrap_or(exit::BUG)),
                _ => None,
            })
            .unwrap_or(0))
    }

    fn write(&self, study: &Specification, all: &[Job], states: &[JobState]) -> Result<(), Failure> {
        let mut variants: Vec<VariantSummary> = study
            .variants
            .iter()
            .map(|variant| VariantSummary {
                name: variant.name.clone(),
                group: variant.group.clone(),
                x: variant.x,
                runs: Vec::new(),
            })
            .collect();
        let mut rows = rows_header();
        let mut failures = Vec::new();
        for (job, state) in all.iter().zip(states) {
            let variant = &study.variants[job.variant];
            match state {
                JobState::Done => {
                    let results = crate::cli::analyze::results_at(&job.directory, None)?;
                    let measured = measure(&results, &study.costs());
                    let x = variant.x.map_or(String::new(), |x| x.to_string());
                    let prefix = format!("{},{},{x},{}", variant.name, quoted(&variant.group), job.seed);
                    rows.push_str(&phase_rows(&prefix, &measured));
                    variants[job.variant].runs.push(measured);
                }
                JobState::Stopped => failures.push(format!("{}, seed {}: not complete", variant.name, job.seed)),
                JobState::Failed(_, said) => failures.push(format!("{}, seed {}: {said}", variant.name, job.seed)),
            }
        }
        std::fs::create_dir_all(&self.out).map_err(|error| cannot_write(&self.out, &error))?;
        let figures = plots(study, &variants);
        let text = table(&variants);
        let save =
            |path: &Path, content: &str| replace(path, content.as_bytes()).map_err(|error| cannot_write(path, &error));
        save(&self.out.join("study.csv"), &rows)?;
        save(&self.out.join("table.txt"), &text)?;
        save(
            &self.out.join("study.html"),
            &page(study, &variants, &figures, &failures),
        )?;
        let folder = self.out.join("plots");
        std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
        for figure in &figures {
            figure.write(&folder).map_err(|error| cannot_write(&folder, &error))?;
        }
        say(&text);
        Ok(())
    }
}

fn failure(error: &StudyError) -> Failure {
    Failure::from_error(exit::CONFIG, error)
}
