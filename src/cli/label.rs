//! `slmc label`: structures in, structures with the oracle's labels out; what is labelled is not labelled again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use crossbeam::channel::{RecvTimeoutError, unbounded};

use super::{Failure, Verbosity, exit, folder_of, load, signals};
use crate::config::{Config, open_oracle, select_oracle};
use crate::formats::Frame;
use crate::formats::xyz::Precision;
use crate::oracle::pool::{Answer, Pool, PoolEvent, PoolRequest, PoolSettings};

/// Arguments of `slmc label`.
#[derive(Debug, Args)]
pub struct Label {
    /// Structures to label, in any format slmc reads.
    file: PathBuf,
    /// A configuration with the oracle's table; without it the shipped recipe or the published parameters.
    config: Option<PathBuf>,
    /// The oracle.
    #[arg(long, value_name = "NAME")]
    oracle: Option<String>,
    /// The extended XYZ file to write; one that holds the first labels already is continued.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Set any key of the configuration.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Label {
    /// Labels what is not yet labelled, in order.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let (config, folder) = match &self.config {
            Some(path) => (load(path, &self.settings)?.config, folder_of(path)),
            None => {
                let path = PathBuf::from("--set");
                let text = crate::config::override_text("", &self.settings)
                    .map_err(|complaint| super::complaints_failure(&path, &[complaint]))?;
                let config: Config =
                    crate::config::parse(&text).map_err(|complaints| super::complaints_failure(&path, &complaints))?;
                (config, PathBuf::from("."))
            }
        };
        let choice = select_oracle(&config.oracle, self.oracle.as_deref()).map_err(|complaint| {
            let failure = Failure::new(exit::USAGE, complaint.message);
            match complaint.hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        let frames = crate::formats::read(&self.file).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let Some(first) = frames.first() else {
            return Err(Failure::new(
                exit::DATA,
                format!("{} holds no structure", self.file.display()),
            ));
        };
        let mut done = self.already_labelled(&frames)?;
        let first_new = done.len();
        if first_new > 0 && !verbosity.quiet {
            eprintln!(
                "{}: the first {first_new} structures are labelled already",
                self.output.display()
            );
        }
        let stop = signals::listen()?;
        let work = folder_of(&self.output).join(format!(".slmc-label-{}", std::process::id()));
        let settings = PoolSettings {
            workers: config.pool.workers,
            retries: config.pool.retries,
            retry_delay: Duration::from_secs_f64(config.pool.retry_delay.value().max(0.0)),
            jobs: work.clone(),
            cold_check: None,
        };
        // A file may mix systems; where the oracle is bound to its first frame's atoms, it says so itself.
        let open = open_oracle(&choice, &first.structure, &folder, &work);
        let (tell, happenings) = unbounded();
        let pool = Pool::start(&open, &settings, move |event: PoolEvent<usize>| {
            let _ = tell.send(event);
        })
        .map_err(|error| Failure::new(exit::BUG, format!("cannot start a thread: {error}")))?;
        let bar = if verbosity.quiet {
            indicatif::ProgressBar::hidden()
        } else {
            indicatif::ProgressBar::new(frames.len() as u64)
        };
        if let Ok(style) = indicatif::ProgressStyle::with_template("labelling {wide_bar} {pos}/{len}  left {eta}") {
            bar.set_style(style);
        }
        bar.set_position(first_new as u64);
        bar.reset_eta();
        let mut waiting = BTreeMap::new();
        let mut next = first_new;
        let mut in_flight = 0;
        let mut failed: Option<Failure> = None;
        let mut skipped = 0;
        while done.len() + skipped < frames.len() {
            let stopping = stop.requested().is_some() || failed.is_some();
            while !stopping && next < frames.len() && in_flight < 2 * settings.workers.max(1) {
                let sent = pool.submit(PoolRequest {
                    id: next,
                    name: format!("frame-{next:06}"),
                    structure: frames[next].structure.clone(),
                    chain: None,
                    stands_at: None,
                });
                if !sent {
                    break;
                }
                in_flight += 1;
                next += 1;
            }
            if stopping && in_flight == 0 {
                break;
            }
            match happenings.recv_timeout(Duration::from_millis(200)) {
                Ok(PoolEvent::Reply { id, answer, .. }) => {
                    in_flight -= 1;
                    match answer {
                        Answer::Labels(labels) => {
                            waiting.insert(id, Some(labels));
                        }
                        Answer::Unphysical(reason) => {
                            eprintln!("warning: frame {id} is left out: {reason}");
                            waiting.insert(id, None);
                        }
                        Answer::Failed(error) => {
                            failed.get_or_insert(Failure::from_error(exit::ORACLE, &error).hint(format!(
                                "mend the oracle and repeat the command: {} keeps what is labelled",
                                self.output.display()
                            )));
                            pool.cancel();
                            in_flight = 0;
                        }
                    }
                    // Written in order, so that a repeated command knows where to go on.
                    while let Some(labels) = waiting.remove(&(done.len() + skipped)) {
                        let at = done.len() + skipped;
                        let Some(labels) = labels else {
                            skipped += 1;
                            continue;
                        };
                        let frame = Frame {
                            labels: Some(labels),
                            free_energy: None,
                            ..frames[at].clone()
                        };
                        crate::formats::xyz::append(&self.output, &frame, Precision::Exact)
                            .map_err(|error| Failure::from_error(exit::CANNOT_WRITE, &error))?;
                        done.push(at);
                    }
                    bar.set_position((done.len() + skipped) as u64);
                }
                Ok(PoolEvent::OpenFailed { error, .. }) => {
                    failed.get_or_insert(Failure::from_error(exit::ORACLE, &error));
                    in_flight = 0;
                }
                Ok(PoolEvent::Retry { id, message }) => {
                    if verbosity.verbose {
                        eprintln!("frame {id} is tried again: {message}");
                    }
                }
                Ok(PoolEvent::Note { id, note }) => {
                    if verbosity.verbose || note.kind == "warning" {
                        bar.suspend(|| eprintln!("frame {id}: {}: {}", note.kind, note.message));
                    }
                }
                Ok(PoolEvent::Opened { .. }) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        bar.finish_and_clear();
        drop(pool);
        // The folder is only there if the oracle needed files; what failed stays for a look.
        if failed.is_none() {
            let _ = std::fs::remove_dir_all(&work);
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        if done.len() + skipped < frames.len() {
            eprintln!(
                "stopped after {} of {}; repeat the command to go on",
                done.len(),
                frames.len()
            );
            return Ok(exit::STOPPED);
        }
        if !verbosity.quiet {
            eprintln!("wrote {} labelled structures to {}", done.len(), self.output.display());
        }
        if skipped > 0 {
            return Err(Failure::new(
                exit::DATA,
                format!("{skipped} structures have no label from this oracle"),
            ));
        }
        Ok(0)
    }

    /// The frames that the output file holds already, if they are the first ones asked for.
    fn already_labelled(&self, frames: &[Frame]) -> Result<Vec<usize>, Failure> {
        if !self.output.exists() {
            return Ok(Vec::new());
        }
        let old = crate::formats::read(&self.output).map_err(|error| {
            Failure::from_error(exit::DATA, &error)
                .hint("move the output file away, or cut its half-written last frame")
        })?;
        let same = old.len() <= frames.len()
            && old.iter().zip(frames).all(|(a, b)| {
                a.labels.is_some()
                    && a.structure.positions == b.structure.positions
                    && a.structure.species == b.structure.species
            });
        if !same {
            return Err(Failure::new(
                exit::DATA,
                format!("{} is already there and holds something else", self.output.display()),
            )
            .hint("give another output file, or move this one away"));
        }
        Ok((0..old.len()).collect())
    }
}
