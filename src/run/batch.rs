//! A batch of structures to be labelled: every answer durable when it arrives, in any order; the file written when all are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};
use serde::{Deserialize, Serialize};

use crate::formats::xyz::{self, Precision};
use crate::formats::{FormatError, Frame};
use crate::linear::{Mat3, Vec3};
use crate::oracle::pool::{Answer, OpenOracle, Pool, PoolEvent, PoolRequest, PoolSettings};
use crate::oracle::{Fingerprint, OracleError};
use crate::potential::Labels;
use crate::run::cost::Cost;
use crate::run::journal::{Durability, Journal, JournalError};
use crate::run::stop::StopFlag;

/// A batch that cannot go on; what is labelled is kept.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The journal beside the output.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The output.
    #[error(transparent)]
    Output(#[from] FormatError),
    /// The oracle.
    #[error("the oracle has no answers")]
    Oracle(#[source] OracleError),
    /// The journal or the output belongs to other structures or another oracle.
    #[error("{path} {reason}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchEnd {
    /// Structures with labels.
    pub labelled: usize,
    /// Structures that the oracle has no answer for.
    pub unphysical: usize,
    /// Structures still without an answer; the output is not written.
    pub missing: usize,
    /// What this call's labels cost.
    pub cost: Cost,
}

/// What whoever watches is told.
pub trait BatchObserver {
    /// So many structures are answered.
    fn progress(&mut self, answered: usize);
    /// Something that is no failure of the batch.
    fn warn(&mut self, message: &str);
    /// Something the oracle did on its way, for whoever wants to know all.
    fn note(&mut self, message: &str);
    /// A label is tried again.
    fn retry(&mut self, frame: usize, message: &str);
}

/// One line of the journal beside the output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    /// Who answers; before the first answer.
    Oracle { fingerprint: Fingerprint },
    /// Labels of a structure, with the digest of the fingerprint they were made under.
    Label {
        frame: usize,
        structure: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        oracle: Option<String>,
        energy: f64,
        forces: Option<Vec<Vec3>>,
        stress: Option<Mat3>,
    },
    /// The oracle has no answer for it.
    Unphysical {
        frame: usize,
        structure: u32,
        reason: String,
    },
}

/// What is known of one structure.
enum Known {
    /// Labels, with the digest of the fingerprint they were made under, where it is told.
    Labels(Labels, Option<String>),
    Unphysical,
}

/// Structures, where their labels go, and what is known so far.
pub struct Batch {
    frames: Vec<Frame>,
    output: PathBuf,
    journal_path: PathBuf,
    journal: Journal<Record>,
    /// What the oracle has said that it is: once for each set of elements, since pseudopotentials differ.
    fingerprints: Vec<Fingerprint>,
    /// Whether the journal was begun by this call, so that what stands in the output alone must be compared with.
    begun: bool,
    known: BTreeMap<usize, Known>,
    cost: Cost,
}

impl Batch {
    /// Opens a batch, going on with what an earlier, interrupted call has labelled. An output that holds the labels of the first
    /// structures already is gone on with too.
    pub fn open(frames: Vec<Frame>, output: &Path) -> Result<Self, BatchError> {
        let mut name = output.as_os_str().to_owned();
        name.push(".journal");
        let journal_path = PathBuf::from(name);
        let begun = journal_path.exists();
        let mut known = BTreeMap::new();
        if output.exists() && !begun {
            known = first_labels(&frames, output)?;
        }
        let opened = Journal::open(&journal_path, Durability::EachRecord)?;
        let mismatch = |frame: usize| BatchError::Mismatch {
            path: journal_path.clone(),
            reason: format!(
                "was begun with other structures (number {frame} differs): remove it, or give another output file"
            ),
        };
        let mut fingerprints: Vec<Fingerprint> = Vec::new();
        for record in opened.records {
            let (frame, structure, answer) = match record {
                Record::Oracle { fingerprint: of } => {
                    fingerprints.push(of);
                    continue;
                }
                Record::Label {
                    frame,
                    structure,
                    oracle,
                    energy,
                    forces,
                    stress,
                } => {
                    let digest = oracle.or_else(|| fingerprints.last().map(Fingerprint::digest));
                    (
                        frame,
                        structure,
                        Known::Labels(Labels { energy, forces, stress }, digest),
                    )
                }
                Record::Unphysical { frame, structure, .. } => (frame, structure, Known::Unphysical),
            };
            let asked = frames.get(frame).ok_or_else(|| mismatch(frame))?;
            if asked.structure.checksum() != structure {
                return Err(mismatch(frame));
            }
            known.insert(frame, answer);
        }
        Ok(Self {
            frames,
            output: output.to_owned(),
            journal_path,
            journal: opened.journal,
            fingerprints,
            begun: !begun,
            known,
            cost: Cost::default(),
        })
    }

    /// Structures that are answered.
    pub fn answered(&self) -> usize {
        self.known.len()
    }

    /// The journal beside the output, there until the output is complete.
    pub fn journal(&self) -> &Path {
        &self.journal_path
    }

    /// Labels what is not yet labelled and writes the output when nothing is missing. Stops early when asked to or when the oracle
    /// fails; the journal then keeps every answer.
    pub fn run(
        mut self,
        open: &OpenOracle,
        settings: &PoolSettings,
        stop: &StopFlag,
        observer: &mut dyn BatchObserver,
    ) -> Result<BatchEnd, BatchError> {
        let missing: Vec<usize> = (0..self.frames.len())
            .filter(|frame| !self.known.contains_key(frame))
            .collect();
        if !missing.is_empty() {
            let (tell, events) = unbounded();
            let pool = Pool::start(open, settings, move |event: PoolEvent<usize>| {
                // Nobody listens once the batch has failed.
                let _ = tell.send(event);
            })
            .map_err(BatchError::Thread)?;
            let result = self.ask(&pool, &events, missing, settings.workers.max(1), stop, observer);
            if result.is_err() {
                pool.cancel();
            }
            drop(pool);
            // Answers that came while the batch was failing are paid for.
            if result.is_err() {
                for event in events.try_iter() {
                    if let PoolEvent::Reply {
                        id,
                        answer,
                        fingerprint,
                        spent,
                        ..
                    } = event
                    {
                        // The first error is the one to tell of.
                        let _ = self.answer(id, answer, &fingerprint, spent, observer);
                    }
                }
            }
            result?;
        }
        let unphysical = self.known.values().filter(|known| matches!(known, Known::Unphysical));
        let unphysical = unphysical.count();
        let end = BatchEnd {
            labelled: self.known.len() - unphysical,
            unphysical,
            missing: self.frames.len() - self.known.len(),
            cost: self.cost,
        };
        if end.missing == 0 {
            self.write()?;
        }
        Ok(end)
    }

    fn ask(
        &mut self,
        pool: &Pool<usize>,
        events: &Receiver<PoolEvent<usize>>,
        missing: Vec<usize>,
        workers: usize,
        stop: &StopFlag,
        observer: &mut dyn BatchObserver,
    ) -> Result<(), BatchError> {
        let mut missing = missing.into_iter().peekable();
        let mut in_flight = 0;
        loop {
            let stopping = stop.requested().is_some();
            if stopping {
                pool.leave();
            }
            while !stopping && in_flight < 2 * workers {
                let Some(frame) = missing.next() else { break };
                let sent = pool.submit(PoolRequest {
                    id: frame,
                    name: format!("frame-{frame:06}"),
                    structure: self.frames[frame].structure.clone(),
                    chain: None,
                    stands_at: None,
                });
                if !sent {
                    break;
                }
                in_flight += 1;
            }
            if in_flight == 0 && (stopping || missing.peek().is_none()) {
                return Ok(());
            }
            match events.recv_timeout(Duration::from_millis(200)) {
                Ok(PoolEvent::Reply {
                    id,
                    answer,
                    fingerprint,
                    seconds,
                    memory,
                    spent,
                }) => {
                    in_flight -= 1;
                    if matches!(answer, Answer::Labels(_)) {
                        self.cost.add(seconds, memory);
                        observer.note(&told_cost(id, seconds, memory));
                    }
                    self.answer(id, answer, &fingerprint, spent, observer)?;
                    observer.progress(self.known.len());
                }
                Ok(PoolEvent::Gone { worker, left, error }) => {
                    if left == 0 {
                        return Err(BatchError::Oracle(error));
                    }
                    observer.warn(&format!("worker {worker} is gone, {left} left: {error}"));
                }
                Ok(PoolEvent::Retry { id, message }) => observer.retry(id, &message),
                Ok(PoolEvent::Note { id, note }) => {
                    let message = format!("frame {id}: {}: {}", note.kind, note.message);
                    if note.kind == "warning" {
                        observer.warn(&message);
                    } else {
                        observer.note(&message);
                    }
                }
                Ok(PoolEvent::Opened { .. }) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn answer(
        &mut self,
        frame: usize,
        answer: Answer,
        fingerprint: &Fingerprint,
        spent: Option<PathBuf>,
        observer: &mut dyn BatchObserver,
    ) -> Result<(), BatchError> {
        let structure = self.frames[frame].structure.checksum();
        let digest = fingerprint.digest();
        let (record, known) = match answer {
            Answer::Failed(error) => return Err(BatchError::Oracle(error)),
            Answer::Left(_) => return Ok(()),
            Answer::Labels(labels) => (
                Record::Label {
                    frame,
                    structure,
                    oracle: Some(digest.clone()),
                    energy: labels.energy,
                    forces: labels.forces.clone(),
                    stress: labels.stress,
                },
                Known::Labels(labels, Some(digest.clone())),
            ),
            Answer::Unphysical(reason) => {
                observer.warn(&format!("structure {frame} has no label: {reason}"));
                let record = Record::Unphysical {
                    frame,
                    structure,
                    reason,
                };
                (record, Known::Unphysical)
            }
        };
        self.check_fingerprint(frame, fingerprint)?;
        self.journal.append(&record)?;
        if let Some(folder) = spent {
            // A folder that stays costs room and nothing else.
            let _ = std::fs::remove_dir_all(folder);
        }
        self.known.insert(frame, known);
        Ok(())
    }

    /// Refuses an answer of another oracle than the one that gave the others, and journals a fingerprint that is new: the same oracle is
    /// something else for each set of elements.
    fn check_fingerprint(&mut self, frame: usize, fingerprint: &Fingerprint) -> Result<(), BatchError> {
        if self.fingerprints.contains(fingerprint) {
            return Ok(());
        }
        if let Some(other) = self
            .fingerprints
            .iter()
            .find(|known| !known.is_of_the_same_oracle(fingerprint))
        {
            return Err(BatchError::Mismatch {
                path: self.journal_path.clone(),
                reason: format!(
                    "was begun with another oracle ({}): remove it, or restore the oracle",
                    other.difference(fingerprint)
                ),
            });
        }
        let elements = self.frames[frame].structure.elements();
        let differs = |(index, known): (&usize, &Known)| {
            let Known::Labels(_, Some(before)) = known else {
                return false;
            };
            self.frames[*index].structure.elements() == elements && *before != fingerprint.digest()
        };
        if self.begun && self.known.iter().any(differs) {
            return Err(BatchError::Mismatch {
                path: self.output.clone(),
                reason: "holds labels of another oracle: give another output file, or restore the oracle".to_owned(),
            });
        }
        self.journal.append(&Record::Oracle {
            fingerprint: fingerprint.clone(),
        })?;
        self.fingerprints.push(fingerprint.clone());
        Ok(())
    }

    /// Writes the labelled structures in order, and takes the journal away where all have labels.
    fn write(&mut self) -> Result<(), BatchError> {
        let mut labelled = Vec::new();
        for (frame, known) in self.frames.iter().zip(self.known.values()) {
            let Known::Labels(labels, digest) = known else { continue };
            let mut frame = Frame {
                labels: Some(labels.clone()),
                free_energy: None,
                ..frame.clone()
            };
            if let Some(digest) = digest {
                frame.info.insert("slmc_fingerprint".to_owned(), digest.clone());
            }
            labelled.push(frame);
        }
        if !labelled.is_empty() {
            xyz::write(&self.output, &labelled, Precision::Exact)?;
        }
        if labelled.len() < self.known.len() {
            // Which structures have no label stands in the journal alone.
            return Ok(());
        }
        // The labels are in the output now; a journal that stays is read again and does no harm.
        let _ = std::fs::remove_file(&self.journal_path);
        Ok(())
    }
}

/// The labels of the first structures, where the output holds them.
fn first_labels(frames: &[Frame], output: &Path) -> Result<BTreeMap<usize, Known>, BatchError> {
    let old = crate::formats::read(output)?;
    let same = old.len() <= frames.len()
        && old.iter().zip(frames).all(|(a, b)| {
            a.labels.is_some()
                && a.structure.positions == b.structure.positions
                && a.structure.species == b.structure.species
        });
    if !same {
        return Err(BatchError::Mismatch {
            path: output.to_owned(),
            reason: "is already there and holds something else: give another output file, or move this one away"
                .to_owned(),
        });
    }
    let labels = old.into_iter().filter_map(|mut frame| {
        let digest = frame.info.remove("slmc_fingerprint");
        Some(Known::Labels(frame.labels?, digest))
    });
    Ok(labels.enumerate().collect())
}

/// One line for whoever wants to know all.
fn told_cost(frame: usize, seconds: f64, memory: Option<u64>) -> String {
    let memory = memory.map_or(String::new(), |bytes| {
        format!(", at most {:.0} MB a process", bytes as f64 / 1e6)
    });
    format!("frame {frame}: labelled in {seconds:.3} s{memory}")
}
