//! Oracle calls per effective sample of the potential energy, side by side: self-learning hybrid Monte Carlo after the
//! freeze, plain hybrid Monte Carlo and Langevin dynamics on the oracle, both tuned as well as they can be.
//!
//! `cargo run --release --example efficiency -- silicon [--run DIR]`; what is measured and how: docs/efficiency.md.

mod estimate;
mod learning;
mod slow;
mod system;
mod tuning;
mod walker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use slmc::structure::Structure;

use estimate::Estimate;
use tuning::{Measured, acceptance, best, equilibrate, measure};
use walker::{Method, System};

/// Compares oracle calls per effective sample of the potential energy.
#[derive(Parser)]
struct Arguments {
    /// An example on an embedded oracle (silicon, quartz, argon), or a configuration file.
    system: String,
    /// A finished run of the same configuration, whose numbers stand for the self-learning sampler; without it one is made.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Steps of each chain after the freeze in the run that is made.
    #[arg(long, default_value_t = 1000, conflicts_with = "run")]
    steps: u64,
    /// Measure only the baselines.
    #[arg(long, conflicts_with = "run")]
    baselines_only: bool,
    /// Instead of the comparison: effective samples of the lowest phonon's amplitude and of the mean squared displacement in this run
    /// of the same crystal, which wrote a frame at every step.
    #[arg(long, value_name = "DIR", conflicts_with = "run")]
    slow: Option<PathBuf>,
    /// Effective samples each baseline is measured with.
    #[arg(long, default_value_t = 12000.0)]
    effective: f64,
    /// The seed of the baselines.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One line of the table.
struct Row {
    name: &'static str,
    parameters: String,
    acceptance: Option<f64>,
    estimate: Estimate,
    energy: (f64, f64),
}

const CHAINS: usize = 16;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match compare(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    let example = system::load(&arguments.system)?;
    if let Some(directory) = &arguments.slow {
        return slow::print(&example, directory);
    }
    let mut rows = baselines(&example.system, arguments)?;
    if !arguments.baselines_only {
        let learned = match &arguments.run {
            Some(directory) => learning::results(directory)?,
            None => learning::run(&example, arguments.steps)?,
        };
        rows.insert(0, learned);
    }
    print_table(&arguments.system, &example.system, &rows, !arguments.baselines_only);
    Ok(())
}

/// Tunes and measures everything that calls the oracle at every step.
fn baselines(system: &System, arguments: &Arguments) -> Result<Vec<Row>, String> {
    let seed = arguments.seed;
    eprintln!("equilibrating {CHAINS} chains");
    let starts = equilibrate(system, CHAINS, 4000, seed);
    let failed = || "no setting gave a finite number of calls per effective sample".to_owned();
    let confirm = |method: Method, share: f64, seed: u64| {
        eprintln!("measuring {method:?}");
        let measured = measure(system, &starts, method, share * arguments.effective, 1.5e6, seed);
        let Estimate { calls, error, .. } = measured.estimate;
        eprintln!("  {calls:.2} ± {error:.2} calls per effective sample");
        measured
    };

    eprintln!("tuning hybrid Monte Carlo");
    let plain = tune_hmc(system, &starts, seed + 1).ok_or_else(failed)?;
    let plain = confirm(plain, 1.0, seed + 2);
    eprintln!("tuning hybrid Monte Carlo with kept momenta");
    let kept = tune_kept(system, &starts, plain.method, seed + 3).ok_or_else(failed)?;
    let kept = confirm(kept, 1.0, seed + 4);
    eprintln!("tuning hybrid Monte Carlo with over-relaxed momenta");
    let over_relaxed = tune_over_relaxed(system, &starts, plain.method, seed + 8).ok_or_else(failed)?;
    let over_relaxed = confirm(over_relaxed, 1.0, seed + 9);
    eprintln!("tuning Langevin dynamics");
    let langevin = tune_langevin(system, &starts, seed + 5).ok_or_else(failed)?;
    let langevin = confirm(langevin, 1.0, seed + 6);
    let customary = Method::Langevin {
        time_step: 1.0,
        friction: 1.0,
    };
    let customary = confirm(customary, 0.2, seed + 7);
    Ok(vec![
        row("plain HMC, tuned", &plain),
        row("HMC with kept momenta, tuned", &kept),
        row("HMC with over-relaxed momenta, tuned", &over_relaxed),
        row("Langevin, tuned", &langevin),
        row("Langevin, customary", &customary),
    ])
}

fn row(name: &'static str, measured: &Measured) -> Row {
    let parameters = match measured.method {
        Method::Hmc {
            time_step,
            steps,
            refresh,
            draws,
        } => {
            let kept = if refresh < 1.0 {
                format!(", {:.0} % fresh", 100.0 * refresh)
            } else if draws > 1 {
                format!(", {draws} draws")
            } else {
                String::new()
            };
            format!("{steps} steps of {time_step:.2} fs{kept}")
        }
        Method::Langevin { time_step, friction } => format!("{time_step} fs, {friction:.3} ps⁻¹"),
    };
    Row {
        name,
        parameters,
        acceptance: measured.acceptance,
        estimate: measured.estimate,
        energy: measured.energy,
    }
}

/// Time step and length of plain hybrid Monte Carlo: a coarse grid, then a fine one around its best.
fn tune_hmc(system: &System, starts: &[Structure], seed: u64) -> Option<Method> {
    let plain = |time_step: f64, steps: usize| Method::Hmc {
        time_step,
        steps,
        refresh: 1.0,
        draws: 1,
    };
    let mut coarse = Vec::new();
    for k in 0..16 {
        let time_step = 1.0 * 2.0_f64.powf(f64::from(k) / 2.0);
        let accepted = acceptance(system, starts, plain(time_step, 8), 100 * 8, seed);
        if accepted < 0.4 {
            break;
        }
        if accepted < 0.98 {
            let lengths = [3, 5, 8, 13, 21, 34, 55, 90];
            coarse.extend(lengths.map(|steps| plain(time_step, steps)));
        }
    }
    let rough = best(system, starts, &coarse, 4000, 800.0, seed)?;
    let Method::Hmc { time_step, steps, .. } = rough else {
        return None;
    };
    let mut fine = Vec::new();
    for shorter in [0.78, 0.88, 1.0, 1.13] {
        for longer in [0.65, 0.8, 1.0, 1.25] {
            let method = plain(time_step * shorter, ((steps as f64 * longer).round() as usize).max(2));
            if !fine.contains(&method) {
                fine.push(method);
            }
        }
    }
    best(system, starts, &fine, 8000, 2000.0, seed)
}

/// Length and share of fresh momenta of generalised hybrid Monte Carlo, around the time steps of the plain one.
fn tune_kept(system: &System, starts: &[Structure], plain: Method, seed: u64) -> Option<Method> {
    let momenta = [0.3, 0.5, 0.7].map(|refresh| (refresh, 1));
    let methods = around(plain, [0.7, 0.9], [0.25, 0.5, 0.75], momenta);
    best(system, starts, &methods, 8000, 2000.0, seed)
}

/// Length and draws of momenta of over-relaxed hybrid Monte Carlo, around the time step of the plain one.
fn tune_over_relaxed(system: &System, starts: &[Structure], plain: Method, seed: u64) -> Option<Method> {
    let momenta = [3, 7, 15].map(|draws| (1.0, draws));
    let methods = around(plain, [0.8, 1.0], [0.75, 1.0, 1.5], momenta);
    best(system, starts, &methods, 8000, 2000.0, seed)
}

/// Time steps and lengths around those of plain hybrid Monte Carlo, with shares of fresh momenta and numbers of draws.
fn around(plain: Method, shorter: [f64; 2], parts: [f64; 3], momenta: [(f64, usize); 3]) -> Vec<Method> {
    let Method::Hmc { time_step, steps, .. } = plain else {
        return Vec::new();
    };
    let mut methods = Vec::new();
    for shorter in shorter {
        for part in parts {
            for (refresh, draws) in momenta {
                let method = Method::Hmc {
                    time_step: time_step * shorter,
                    steps: ((steps as f64 * part).round() as usize).max(1),
                    refresh,
                    draws,
                };
                if !methods.contains(&method) {
                    methods.push(method);
                }
            }
        }
    }
    methods
}

/// The friction of Langevin dynamics at 1 fs: a coarse grid, then a fine one around its best.
fn tune_langevin(system: &System, starts: &[Structure], seed: u64) -> Option<Method> {
    let at = |friction: f64| Method::Langevin {
        time_step: 1.0,
        friction,
    };
    let coarse: Vec<Method> = (0..8).map(|k| at(2.0 * 2.0_f64.powi(k))).collect();
    let Method::Langevin { friction, .. } = best(system, starts, &coarse, 16_000, 1500.0, seed)? else {
        return None;
    };
    let fine: Vec<Method> = [0.7, 0.84, 1.0, 1.2, 1.42].map(|factor| at(factor * friction)).into();
    best(system, starts, &fine, 32_000, 3000.0, seed)
}

fn print_table(name: &str, system: &System, rows: &[Row], learned: bool) {
    println!(
        "{name}: {} atoms, {:.0} K; oracle calls per effective sample of the potential energy (every force evaluation is a call)\n",
        system.start.len(),
        system.thermal_energy / slmc::units::BOLTZMANN
    );
    println!("| method | parameters | acceptance | calls per effective sample | times SLHMC | mean energy, eV |");
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let Estimate { calls, error, .. } = row.estimate;
        let ratio = if learned {
            let Estimate {
                calls: least,
                error: uncertainty,
                ..
            } = rows[0].estimate;
            let ratio = calls / least;
            let relative = (error / calls).hypot(uncertainty / least);
            if std::ptr::eq(row, &raw const rows[0]) {
                "1".to_owned()
            } else {
                format!("{ratio:.1} ± {:.1}", ratio * relative)
            }
        } else {
            "–".to_owned()
        };
        println!(
            "| {} | {} | {} | {calls:.2} ± {error:.2} | {ratio} | {:.4} ± {:.4} |",
            row.name,
            row.parameters,
            row.acceptance.map_or("–".to_owned(), |p| format!("{p:.3}")),
            row.energy.0,
            row.energy.1
        );
    }
}
