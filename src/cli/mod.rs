//! The command line: one file per subcommand, each thin; errors become messages, hints and exit codes here.

mod analyze;
mod check;
mod data;
mod drive;
mod export;
mod import;
mod init;
mod label;
mod predict;
mod resume;
mod run;
mod schema;
mod signals;
mod status;
mod stop;
mod study;
mod train;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Exit codes, after BSD's sysexits.h where it has one.
pub mod exit {
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// Input data are wrong.
    pub const DATA: u8 = 65;
    /// The oracle cannot be had.
    pub const ORACLE: u8 = 69;
    /// A fault of slmc itself.
    pub const BUG: u8 = 70;
    /// Files cannot be written.
    pub const CANNOT_WRITE: u8 = 73;
    /// Stopped, but `slmc resume` goes on.
    pub const STOPPED: u8 = 75;
    /// The configuration is wrong.
    pub const CONFIG: u8 = 78;
}

/// Self-learning hybrid Monte Carlo: sample exactly, propose cheaply, learn as you go.
///
/// Exit codes: 0 done; 64 wrong usage; 65 wrong data; 69 oracle unavailable; 70 a fault of slmc; 73 cannot write; 75 stopped but
/// resumable; 78 wrong configuration.
#[derive(Debug, Parser)]
#[command(name = "slmc", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    command: Command,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Args)]
pub struct Verbosity {
    /// Show no progress; only errors and results.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Say more: each network with its error and trajectory after a run, each retry while labelling.
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented configuration that runs, and the oracle's recipe.
    Init(init::Init),
    /// Validate everything that can be validated without running.
    Check(check::Check),
    /// Run: bootstrap, learn, freeze, sample, report.
    Run(run::Run),
    /// Go on with a run that was stopped or killed.
    Resume(resume::Resume),
    /// Show how far a run has come.
    Status(status::Status),
    /// Ask a running driver to stop at the next safe point.
    Stop(stop::Stop),
    /// Label structures with an oracle.
    Label(label::Label),
    /// Make, choose, divide and convert sets of structures.
    Data(data::Data),
    /// Fit a potential to labelled structures.
    Train(train::Train),
    /// Energies, forces and stresses of a potential, with errors where labels are present.
    Predict(predict::Predict),
    /// Serve a potential over an i-PI socket, to ASE, i-PI or any other server.
    Drive(drive::Drive),
    /// Acceptance, autocorrelation, effective samples, means with errors, advice.
    Analyze(analyze::Analyze),
    /// Compare variants of a configuration, each run with several seeds.
    Study(study::Study),
    /// A run, a potential or structures for other programs: ArviZ, tables, trajectories, n2p2.
    Export(export::Export),
    /// The configuration's JSON schema (for editors), or docs/config.md.
    Schema(schema::Schema),
}

/// A failed command: what to say and how to exit.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// A failure from an error and its causes.
    pub fn from_error(code: u8, error: &dyn std::error::Error) -> Self {
        let mut failure = Self::new(code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            failure.causes.push(cause.to_string());
            source = cause.source();
        }
        failure
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn print(&self) {
        eprintln!("error: {}", self.message);
        for cause in &self.causes {
            eprintln!("caused by: {cause}");
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
    }
}

/// Parses the command line, runs the command and gives its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nobody's fault.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    let verbosity = cli.verbosity;
    let result = match cli.command {
        Command::Init(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Run(command) => command.run(verbosity),
        Command::Resume(command) => command.run(verbosity),
        Command::Status(command) => command.run(),
        Command::Stop(command) => command.run(),
        Command::Label(command) => command.run(verbosity),
        Command::Data(command) => command.run(verbosity),
        Command::Train(command) => command.run(verbosity),
        Command::Predict(command) => command.run(),
        Command::Drive(command) => command.run(verbosity),
        Command::Analyze(command) => command.run(),
        Command::Study(command) => command.run(verbosity),
        Command::Export(command) => command.run(),
        Command::Schema(command) => {
            command.run();
            Ok(0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}

/// Prints to standard output; a reader that has gone away ends the command quietly.
fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
}

/// The configuration of a command: a file and settings on top of it.
#[derive(Clone, Debug, Args)]
pub struct ConfigArguments {
    /// The configuration [default: slmc.toml].
    config: Option<PathBuf>,
    /// The oracle to use: a table [oracle.NAME] of the configuration, or the shipped one of that name.
    #[arg(long, value_name = "NAME")]
    oracle: Option<String>,
    /// Set any key: --set sampling.steps=500 --set 'ensemble.nvt.temperature=400 K'.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// A configuration as read: its path, text with settings applied, and content.
struct Loaded {
    path: PathBuf,
    text: String,
    config: crate::config::Config,
}

impl ConfigArguments {
    fn path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| PathBuf::from("slmc.toml"))
    }

    fn load(&self, extra: &[String]) -> Result<Loaded, Failure> {
        let mut settings = self.settings.clone();
        settings.extend_from_slice(extra);
        load(&self.path(), &settings)
    }
}

fn load(path: &std::path::Path, settings: &[String]) -> Result<Loaded, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::new(
            exit::CONFIG,
            format!("cannot read the configuration {}: {error}", path.display()),
        );
        if path.is_dir() {
            failure.hint("give the configuration file, not its folder")
        } else {
            failure.hint("`slmc init` writes one; `slmc run FILE` reads another")
        }
    })?;
    let invalid = |complaints: Vec<crate::config::Complaint>| complaints_failure(path, &complaints);
    let text = crate::config::override_text(&text, settings).map_err(|complaint| invalid(vec![complaint]))?;
    let config = crate::config::parse(&text).map_err(invalid)?;
    Ok(Loaded {
        path: path.to_owned(),
        text,
        config,
    })
}

/// All complaints about a configuration as one failure.
fn complaints_failure(path: &std::path::Path, complaints: &[crate::config::Complaint]) -> Failure {
    let count = complaints.len();
    let mut message = format!(
        "{} has {count} {}",
        path.display(),
        if count == 1 { "error" } else { "errors" }
    );
    for complaint in complaints {
        message.push_str("\n  ");
        message.push_str(&complaint.to_string());
    }
    Failure::new(exit::CONFIG, message)
}

/// A file that cannot be written.
fn cannot_write(path: &std::path::Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(exit::CANNOT_WRITE, format!("cannot write {}: {error}", path.display()))
}

/// The folder that a configuration's relative paths start from.
fn folder_of(path: &std::path::Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
