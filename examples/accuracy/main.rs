//! Accuracy per label: the standard deviation of the total-energy error on frames that a fit has not seen, over the number of
//! labels and over the choices of training.
//!
//! `cargo run --release --example accuracy -- silicon quartz argon`; what is measured and what it gave: docs/accuracy.md.

mod frames;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use slmc::config::{Config, override_text, parse};
use slmc::training::{PartlyLabelled, Trainer, predict};
use slmc::units::BOLTZMANN;

use frames::Frames;

/// Measures the error of fits to a growing number of labels on frames of the same ensemble.
#[derive(Parser)]
struct Arguments {
    /// silicon, quartz, argon: thermal frames of an embedded surface.
    systems: Vec<String>,
    /// A file of labelled frames to learn from, instead of a system.
    #[arg(long, requires = "test")]
    train: Option<PathBuf>,
    /// The file of labelled frames to test on.
    #[arg(long, requires = "train")]
    test: Option<PathBuf>,
    /// Numbers of labels.
    #[arg(long, value_delimiter = ',', default_value = "20,50,100,300")]
    labels: Vec<usize>,
    /// Set any key of [descriptor], [network] or [training]: --set training.linear=false.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Compare the choices of training instead of one configuration.
    #[arg(long)]
    ablation: bool,
    /// The temperature in kelvin that turns errors into acceptance.
    #[arg(long, default_value_t = 300.0)]
    temperature: f64,
    /// Where frames are kept.
    #[arg(long, default_value = "target/accuracy")]
    data: PathBuf,
    /// Print each fit's report.
    #[arg(long)]
    verbose: bool,
}

/// Ways to train, each with the keys that make it.
const CHOICES: [(&str, &[&str]); 7] = [
    (
        "energies only, network",
        &[
            "training.linear=false",
            "training.force-weight=0",
            "training.stress-weight=0",
        ],
    ),
    (
        "energies only, linear path",
        &[
            "network.hidden=[]",
            "training.force-weight=0",
            "training.stress-weight=0",
        ],
    ),
    (
        "forces only, network",
        &["training.linear=false", "training.energy-weight=0"],
    ),
    (
        "forces only, linear path",
        &["network.hidden=[]", "training.energy-weight=0"],
    ),
    ("both, network", &["training.linear=false"]),
    ("both, linear path", &["network.hidden=[]"]),
    ("both, linear path and network (default)", &[]),
];

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let mut sets: Vec<(String, Frames, Frames)> = Vec::new();
    for name in &arguments.systems {
        let system = frames::SYSTEMS.iter().find(|system| system.name == name);
        let system = system.ok_or_else(|| format!("no system `{name}`: give silicon, quartz or argon"))?;
        let (train, test) = frames::thermal(system, &arguments.data)?;
        sets.push((name.clone(), train, test));
    }
    if let (Some(train), Some(test)) = (&arguments.train, &arguments.test) {
        sets.push((train.display().to_string(), frames::read(train)?, frames::read(test)?));
    }
    if sets.is_empty() {
        return Err("give a system (silicon, quartz, argon), or --train and --test".to_owned());
    }
    println!(
        "| system | training | labels | σ of the total energy, meV | claimed | acceptance erfc(βσ/2) | energy RMSE, meV/atom \
         | force RMSE, meV/Å | fit, s |\n|---|---|---|---|---|---|---|---|---|"
    );
    for (name, train, test) in &sets {
        let choices: &[(&str, &[&str])] = if arguments.ablation {
            &CHOICES
        } else {
            &[("as configured", &[])]
        };
        for (choice, keys) in choices {
            let mut settings = arguments.settings.clone();
            settings.extend(keys.iter().map(ToString::to_string));
            measure(arguments, name, choice, &settings, train, test)?;
        }
    }
    Ok(())
}

fn measure(
    arguments: &Arguments,
    name: &str,
    choice: &str,
    settings: &[String],
    train: &Frames,
    test: &Frames,
) -> Result<(), String> {
    let text = override_text("", settings).map_err(|complaint| complaint.message)?;
    let config: Config = parse(&text).map_err(|complaints| {
        let messages: Vec<String> = complaints.into_iter().map(|complaint| complaint.message).collect();
        messages.join("; ")
    })?;
    let test: Vec<PartlyLabelled> = test.iter().map(|frame| (**frame).clone().into()).collect();
    for labels in &arguments.labels {
        let labels = (*labels).min(train.len());
        let mut trainer = Trainer::new(
            config.descriptor.clone(),
            config.network.clone(),
            config.training.clone(),
        )
        .map_err(|error| error.to_string())?;
        let begun = Instant::now();
        let fit = trainer
            .fit(&train[..labels], None, 1, &|_| {})
            .map_err(|error| error.to_string())?;
        let seconds = begun.elapsed().as_secs_f64();
        let errors = predict(&fit.potential, &test).summary;
        let sigma = errors.energy_error_std.unwrap_or(f64::NAN);
        let acceptance = libm::erfc(0.5 * sigma / (BOLTZMANN * arguments.temperature));
        println!(
            "| {name} | {choice} | {labels} | {:.3} | {:.3} | {acceptance:.3} | {:.4} | {:.3} | {seconds:.1} |",
            1e3 * sigma,
            1e3 * fit.report.validation.energy_error_std,
            1e3 * errors.energy_rmse_per_atom.unwrap_or(f64::NAN),
            1e3 * errors.force_rmse.unwrap_or(f64::NAN),
        );
        if arguments.verbose {
            println!("\n{}", fit.report);
        }
        if labels == train.len() {
            break;
        }
    }
    Ok(())
}
