//! Files for people and other programs, written along the way and rebuilt after a crash: labels.xyz and the chains' trajectories.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::formats::Frame;
use crate::formats::xyz::{Precision, format};
use crate::potential::Labels;
use crate::run::RunError;
use crate::run::chain::Chain;
use crate::run::directory::RunDirectory;
use crate::run::records::RequestId;
use crate::sampling::{Decision, Phase, State};
use crate::structure::Structure;

/// The open files.
#[derive(Debug)]
pub struct Outputs {
    labels: (PathBuf, File),
    trajectories: Vec<(PathBuf, File, u64)>,
    /// The digest of the oracle's fingerprint, written beside each label.
    pub digest: Option<String>,
}

impl Outputs {
    /// Opens the files: labels.xyz is written anew (a resumed run passes all its labels again), trajectories go on after
    /// their last whole frame of a journalled step.
    pub fn open(directory: &RunDirectory, chains: &[Chain]) -> Result<Self, RunError> {
        let path = directory.labels_xyz();
        let file = File::create(&path).map_err(|source| RunError::Directory {
            path: path.clone(),
            source,
        })?;
        let mut trajectories = Vec::new();
        for (index, chain) in chains.iter().enumerate() {
            let path = directory.trajectory(index);
            let opened = reopen(&path, chain.journalled_steps());
            let (file, last) = opened.map_err(|source| RunError::Directory {
                path: path.clone(),
                source,
            })?;
            trajectories.push((path, file, last));
        }
        Ok(Self {
            labels: (path, file),
            trajectories,
            digest: None,
        })
    }

    /// The step of the last frame in a chain's trajectory, 0 if there is none.
    pub fn last_frame(&self, chain: usize) -> u64 {
        self.trajectories.get(chain).map_or(0, |(_, _, last)| *last)
    }

    /// A label: a proposal or a start, not a member of the ensemble, and its comment says so.
    pub fn label(
        &mut self,
        structure: &Structure,
        labels: &Labels,
        id: &RequestId,
        phase: Phase,
        accepted: Option<bool>,
        generation: Option<u32>,
    ) -> Result<(), RunError> {
        let mut frame = Frame::labelled(structure.clone(), labels.clone());
        let kind = match accepted {
            Some(_) => "proposal",
            None => "start",
        };
        let phase = match phase {
            Phase::Bootstrap => "bootstrap",
            Phase::Learning => "learning",
            Phase::Sampling => "sampling",
        };
        frame.info.insert("slmc_kind".into(), format!("{kind}-not-an-ensemble"));
        frame.info.insert("slmc_phase".into(), phase.into());
        frame.info.insert("slmc_chain".into(), id.chain.to_string());
        frame.info.insert("slmc_step".into(), id.step.to_string());
        if let Some(accepted) = accepted {
            frame
                .info
                .insert("slmc_accepted".into(), if accepted { "T" } else { "F" }.into());
        }
        if let Some(generation) = generation {
            frame.info.insert("slmc_generation".into(), generation.to_string());
        }
        if let Some(digest) = &self.digest {
            frame.info.insert("slmc_fingerprint".into(), digest.clone());
        }
        let (path, file) = &mut self.labels;
        append(path, file, &frame)
    }

    /// A frame of the ensemble: the state after a sampling step, repeated where a proposal was rejected. `temperature` in K is written where
    /// chains differ in it.
    pub fn frame(
        &mut self,
        chain: usize,
        state: &State,
        decision: &Decision,
        temperature: Option<f64>,
    ) -> Result<(), RunError> {
        let Some((path, file, last)) = self.trajectories.get_mut(chain) else {
            return Ok(());
        };
        if decision.step <= *last {
            return Ok(());
        }
        let mut frame = Frame::labelled(
            state.structure.clone(),
            Labels {
                forces: None,
                ..state.labels.clone()
            },
        );
        frame.info.insert("slmc_step".into(), decision.step.to_string());
        if let Some(generation) = decision.generation {
            frame.info.insert("slmc_generation".into(), generation.to_string());
        }
        if let Some(temperature) = temperature {
            frame.info.insert("slmc_temperature".into(), temperature.to_string());
        }
        append(path, file, &frame)?;
        *last = decision.step;
        Ok(())
    }
}

fn append(path: &Path, file: &mut File, frame: &Frame) -> Result<(), RunError> {
    let text = format(frame, Precision::EightDecimals).map_err(|error| RunError::Directory {
        path: path.to_owned(),
        source: io::Error::other(error),
    })?;
    file.write_all(text.as_bytes()).map_err(|source| RunError::Directory {
        path: path.to_owned(),
        source,
    })
}

/// Cuts a trajectory after its last whole frame of a step up to `journalled`; gives the file and that frame's step.
fn reopen(path: &Path, journalled: u64) -> io::Result<(File, u64)> {
    let mut good = 0;
    let mut last = 0;
    if path.exists() {
        let mut reader = BufReader::new(File::open(path)?);
        let mut at = 0;
        let mut line = String::new();
        'frames: loop {
            line.clear();
            let mut length = reader.read_line(&mut line)?;
            let Ok(atoms) = line.trim().parse::<usize>() else {
                break;
            };
            line.clear();
            length += reader.read_line(&mut line)?;
            let step = line
                .split_whitespace()
                .find_map(|word| word.strip_prefix("slmc_step="))
                .and_then(|value| value.parse::<u64>().ok());
            let Some(step) = step.filter(|step| *step <= journalled) else {
                break;
            };
            for _ in 0..atoms {
                line.clear();
                length += reader.read_line(&mut line)?;
                if !line.ends_with('\n') {
                    break 'frames;
                }
            }
            at += length;
            good = at;
            last = step;
        }
        drop(reader);
        OpenOptions::new().write(true).open(path)?.set_len(good as u64)?;
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    Ok((file, last))
}
