//! The server's side of the exchange: launches or awaits a client, asks it for labels, checks what it says and drops it
//! when it misbehaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::frame::{self, Frame};
use super::protocol::{Answer, Connection, Deadline, ProtocolError, Status, encode_init, encode_positions};
use super::recipe::Recipe;
use super::socket::Listener;
use super::watch::{LogWatch, Verdict};
use super::{Settings, fatal};
use crate::linear::scale;
use crate::oracle::memory::largest;
use crate::oracle::process::ProcessGroup;
use crate::oracle::{Fingerprint, JobDir, Labels, Note, Oracle, OracleError};
use crate::structure::Structure;

/// How long a client may take to leave after EXIT before its process group is ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// A connected client.
#[derive(Debug)]
pub(super) struct Client {
    pub connection: Connection,
    pub launched: Option<Launched>,
    pub structure: Structure,
}

/// The client's process, where slmc launched it.
#[derive(Debug)]
pub(super) struct Launched {
    pub process: ProcessGroup,
    pub folder: PathBuf,
    pub log: LogWatch,
}

/// An oracle behind an i-PI socket. Dropping it sends EXIT, waits briefly and ends the client's process group.
pub struct IpiOracle {
    pub(super) settings: Settings,
    pub(super) recipe: Box<dyn Recipe>,
    pub(super) worker_dir: PathBuf,
    pub(super) client: Option<Client>,
    /// The listener that stays open where slmc waits for clients it did not launch; workers at one address share it.
    pub(super) standing: Option<Arc<Listener>>,
    pub(super) launches: usize,
    pub(super) chain: usize,
    /// Launches in a row that ended before the client called, while none ever had.
    pub(super) failed_starts: usize,
    pub(super) fingerprint: Fingerprint,
    /// The rung of the ladder of repairs that the next client is launched with.
    pub(super) repair: usize,
    /// Whether the running client has answered before.
    pub(super) answered: bool,
    /// Whether the last label came from such a client.
    pub(super) was_warm: bool,
    pub(super) notes: Vec<Note>,
    /// The largest memory of one process of the client, bytes.
    pub(super) memory: Option<u64>,
}

impl std::fmt::Debug for IpiOracle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("IpiOracle")
            .field("settings", &self.settings)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl IpiOracle {
    /// Launches the first client for a structure, or opens the socket that clients call.
    pub(super) fn new(
        settings: Settings,
        recipe: Box<dyn Recipe>,
        first_frame: &Structure,
        worker_dir: &Path,
        launch: bool,
    ) -> Result<Self, OracleError> {
        let mut oracle = Self {
            settings,
            recipe,
            worker_dir: worker_dir.to_owned(),
            client: None,
            standing: None,
            launches: 0,
            chain: 0,
            failed_starts: 0,
            fingerprint: Fingerprint::default(),
            repair: 0,
            answered: false,
            was_warm: false,
            notes: Vec::new(),
            memory: None,
        };
        if launch {
            oracle.client = Some(oracle.start(first_frame)?);
        } else {
            oracle.standing = Some(oracle.wait_for_clients()?);
        }
        oracle.update_fingerprint(first_frame)?;
        Ok(oracle)
    }

    /// Takes the fingerprint of the client that now runs, for a structure's species.
    fn update_fingerprint(&mut self, structure: &Structure) -> Result<(), OracleError> {
        let mut entries = self
            .recipe
            .surface(structure)
            .map_err(|e| fatal(self.settings.name, &e))?;
        let launched = self.client.as_ref().and_then(|client| client.launched.as_ref());
        if let Some(version) = launched.and_then(|launched| self.recipe.version(&launched.folder)) {
            entries.insert("version".to_owned(), version);
        }
        self.fingerprint = Fingerprint(entries);
        Ok(())
    }

    /// The name clients call: the part of the UNIX socket's file name after `/tmp/ipi_`, or host:port; only where slmc
    /// waits for clients that somebody else starts.
    pub fn waits_at(&self) -> Option<&str> {
        self.standing.as_ref().map(|listener| listener.name())
    }

    /// The process identifier of the launched client, if one runs.
    pub fn client_id(&self) -> Option<u32> {
        let launched = self.client.as_ref()?.launched.as_ref()?;
        Some(launched.process.id())
    }

    pub(super) fn transient(&self, reason: impl Into<String>) -> OracleError {
        OracleError::Transient {
            oracle: self.settings.name.to_owned(),
            reason: reason.into(),
        }
    }

    /// One structure out, one answer back.
    fn exchange(
        settings: &Settings,
        connection: &mut Connection,
        chain: usize,
        frame: &Frame,
        structure: &Structure,
    ) -> Result<Answer, ProtocolError> {
        let deadline = Deadline::after(settings.timeout);
        loop {
            match connection.status(deadline)? {
                Status::Ready => break,
                Status::NeedInit => {
                    connection.send(&encode_init(chain as i32), deadline)?;
                }
                Status::Busy => std::thread::sleep(Duration::from_millis(1)),
                Status::HaveData => {
                    return Err(ProtocolError::Unexpected {
                        found: "HAVEDATA".to_owned(),
                        expected: "READY or NEEDINIT",
                    });
                }
            }
        }
        let to_bohr = 1.0 / settings.bohr;
        let vectors = frame.vectors().map(|vector| scale(to_bohr, vector));
        let inverse = crate::linear::inverse(&vectors).expect("a cell spans a volume");
        let positions: Vec<_> = structure
            .positions
            .iter()
            .map(|p| {
                if settings.wrap_positions {
                    frame::wrapped(&structure.cell, *p)
                } else {
                    *p
                }
            })
            .map(|p| scale(to_bohr, frame.there(p)))
            .collect();
        connection.send(&encode_positions(&vectors, &inverse, &positions), deadline)?;
        loop {
            match connection.status(deadline)? {
                Status::HaveData => break,
                Status::Busy => std::thread::sleep(Duration::from_millis(1)),
                Status::Ready | Status::NeedInit => {
                    return Err(ProtocolError::Unexpected {
                        found: "READY or NEEDINIT".to_owned(),
                        expected: "HAVEDATA",
                    });
                }
            }
        }
        connection.forces(structure.len(), deadline)
    }

    /// The answer in slmc's units and frame. The virial is −dE/dε, so that the stress is −virial/V. A virial of nothing but zeros
    /// comes from a client that calculates none.
    fn labels(&self, answer: &Answer, frame: &Frame, structure: &Structure) -> Labels {
        let Settings { bohr, hartree, .. } = self.settings;
        let forces = answer.forces.iter().map(|f| scale(hartree / bohr, frame.back(*f)));
        let has_stress = structure.cell.is_bulk() && answer.virial.iter().flatten().any(|x| *x != 0.0);
        let stress = has_stress.then(|| {
            let virial = frame::symmetric(&answer.virial);
            let factor = -hartree / structure.cell.volume();
            frame.tensor_back(&virial).map(|row| scale(factor, row))
        });
        Labels {
            energy: answer.energy * hartree,
            forces: Some(forces.collect()),
            stress: stress.map(|s| frame::averaged(&s)),
        }
    }

    fn label_once(&mut self, structure: &Structure) -> Result<Labels, OracleError> {
        if let Some(client) = &self.client
            && !self.recipe.serves(&client.structure, structure)
        {
            self.dismiss(FAREWELL);
        }
        if self.client.is_none() {
            self.client = Some(self.start(structure)?);
            self.update_fingerprint(structure)?;
        }
        let client = self.client.as_mut().expect("a client was just started");
        let frame = if self.settings.triangular_cell {
            Frame::triangular(structure.cell.vectors())
        } else {
            Frame::same(structure.cell.vectors())
        };
        if let Some(launched) = &mut client.launched {
            launched.log.begin();
        }
        let outcome = Self::exchange(&self.settings, &mut client.connection, self.chain, &frame, structure);
        let log = client.launched.as_ref().map(|launched| &launched.log);
        match outcome {
            Ok(answer) => {
                match log.map_or(Verdict::Good, LogWatch::verdict) {
                    Verdict::Good => {}
                    Verdict::Unconverged(line) => return Err(self.unphysical(&format!("not converged: \"{line}\""))),
                    Verdict::Silent => {
                        return Err(self.transient(format!(
                            "the client sent forces but never printed \"{}\"",
                            self.settings.converged_pattern
                        )));
                    }
                }
                let labels = self.labels(&answer, &frame, structure);
                if !labels.is_finite() {
                    return Err(self.transient("the client answered with numbers that are not finite"));
                }
                self.memory = self.client_id().and_then(largest);
                self.was_warm = self.settings.keeps_memory && self.answered;
                self.answered = true;
                Ok(labels)
            }
            Err(error) => match log.and_then(LogWatch::complaint) {
                Some(line) => Err(self.unphysical(&format!("not converged: \"{line}\""))),
                None => Err(self.transient(error.to_string())),
            },
        }
    }

    fn unphysical(&self, reason: &str) -> OracleError {
        OracleError::Unphysical {
            oracle: self.settings.name.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// The reason alone, without the oracle's name.
pub(super) fn reason(error: &OracleError) -> &str {
    match error {
        OracleError::Transient { reason, .. }
        | OracleError::Unphysical { reason, .. }
        | OracleError::Fatal { reason, .. }
        | OracleError::Left { reason, .. }
        | OracleError::SeveralSolutions { reason, .. } => reason,
    }
}

impl IpiOracle {
    /// One label; whatever goes wrong, the next attempt meets a new client: nothing of this one is believed.
    fn attempt(&mut self, structure: &Structure) -> Result<Labels, OracleError> {
        self.label_once(structure).map_err(|mut error| {
            let last_words = self.dismiss(Duration::ZERO);
            match &mut error {
                OracleError::Transient { reason, .. }
                | OracleError::Unphysical { reason, .. }
                | OracleError::Fatal { reason, .. }
                | OracleError::Left { reason, .. }
                | OracleError::SeveralSolutions { reason, .. } => reason.push_str(&last_words),
            }
            error
        })
    }
}

impl Oracle for IpiOracle {
    /// Goes down the ladder of repairs where a calculation does not converge, each rung with a client of its own.
    fn label(&mut self, structure: &Structure, _: &JobDir) -> Result<Labels, OracleError> {
        self.was_warm = false;
        self.memory = None;
        self.repair = 0;
        let mut answer = self.attempt(structure);
        // A client that somebody else started cannot be given another input.
        while let (Err(OracleError::Unphysical { reason, .. }), None) = (&answer, &self.standing) {
            let Some(what) = self.recipe.repair(self.repair + 1) else {
                break;
            };
            self.repair += 1;
            let why = reason.lines().next().unwrap_or_default();
            let message = format!("{why}; repair {}: {what}", self.repair);
            self.notes.push(Note::new("repair", message));
            answer = self.attempt(structure);
        }
        if self.repair > 0 {
            if answer.is_ok() {
                let message = format!("repair {} reached the solution", self.repair);
                self.notes.push(Note::new("repair", message));
            }
            // The next structure is first tried as configured.
            self.dismiss(FAREWELL);
            self.repair = 0;
        }
        answer
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn translation_invariant(&self) -> bool {
        self.settings.translation_invariant
    }

    fn select_chain(&mut self, chain: Option<usize>, _: Option<&Structure>) {
        self.chain = chain.unwrap_or(self.chain);
    }

    fn was_warm(&self) -> bool {
        self.was_warm
    }

    fn start_cold(&mut self) {
        self.dismiss(FAREWELL);
    }

    fn memory(&self) -> Option<u64> {
        self.memory
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

impl Drop for IpiOracle {
    fn drop(&mut self) {
        self.dismiss(FAREWELL);
    }
}
