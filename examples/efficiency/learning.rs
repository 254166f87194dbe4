//! The self-learning sampler's line of the table, from a finished run or from one that is made here.

use std::path::Path;

use slmc::analysis::statistics::mcse_mean;
use slmc::config::{Surroundings, build_plan, override_text, parse};
use slmc::formats::Frame;
use slmc::formats::xyz::Precision;
use slmc::observe::progress;
use slmc::run::results::Results;
use slmc::run::stop::StopFlag;
use slmc::run::{Driver, Finish, RunDirectory};

use crate::Row;
use crate::estimate::{calls_per_effective_sample, pieces};
use crate::system::Example;

/// Reads the sampling phase of a run directory.
pub fn results(directory: &Path) -> Result<Row, String> {
    let results = Results::read(directory).map_err(|error| error.to_string())?;
    let analysis = results.analysis().json;
    let energies = results.trace().chains;
    let value = |key: &str| {
        let number = analysis.pointer(key).and_then(serde_json::Value::as_f64);
        number.ok_or_else(|| format!("{}: the run has no `{key}` yet; let it finish", directory.display()))
    };
    // τ counts every oracle call of the samples it averages.
    let tau = value("/potential_energy/tau")?;
    let effective = value("/potential_energy/ess_bulk")?;
    let mut estimate = calls_per_effective_sample(&pieces(&energies, 16), tau * effective, 1);
    estimate.error *= tau / estimate.calls;
    estimate.calls = tau;
    estimate.effective = effective;
    let calls = results.oracle_calls();
    Ok(Row {
        name: "SLHMC after the freeze",
        parameters: format!(
            "{} labels before it, {} × {} steps",
            calls.bootstrap + calls.learning,
            value("/segments")?,
            value("/trajectory_steps")?
        ),
        acceptance: Some(value("/acceptance")?),
        estimate,
        energy: (value("/potential_energy/mean")?, mcse_mean(&energies)),
    })
}

/// Runs the configuration from nothing, with `steps` steps of each chain after the freeze, and reads its numbers.
pub fn run(example: &Example, steps: u64) -> Result<Row, String> {
    eprintln!("running {} from nothing", example.path.display());
    let folder = example.path.parent().unwrap_or(Path::new("."));
    let root = tempfile::tempdir().map_err(|error| format!("cannot make a folder for the run: {error}"))?;
    let root = root.path().join("run");
    let text =
        override_text(&example.text, &[format!("sampling.steps={steps}")]).map_err(|complaint| complaint.message)?;
    let config = parse(&text).map_err(|_| "the configuration cannot be read".to_owned())?;
    let around = Surroundings {
        text: &text,
        folder,
        run: &root,
        starts: None,
        oracle: None,
        time_limit: None,
    };
    let (plan, _, _) = build_plan(&config, around).map_err(|complaints| {
        let messages: Vec<String> = complaints.into_iter().map(|complaint| complaint.message).collect();
        messages.join("; ")
    })?;
    let directory = RunDirectory::new(&root);
    directory.create().map_err(|error| error.to_string())?;
    let lock = directory.lock().map_err(|error| error.to_string())?;
    let frames: Vec<Frame> = plan.starts.iter().cloned().map(Frame::new).collect();
    slmc::formats::xyz::write(directory.start(), &frames, Precision::Exact).map_err(|error| error.to_string())?;
    let mut driver = Driver::open(plan, directory, lock, StopFlag::new(), false).map_err(|error| error.to_string())?;
    let finish = driver
        .run(progress(false).as_mut())
        .map_err(|error| error.to_string())?;
    drop(driver);
    match finish {
        Finish::Completed(_) => results(&root),
        Finish::Stopped(reason) => Err(format!("the run stopped: {reason}")),
    }
}
