//! The server's side of the exchange: launches or awaits a client, asks it for labels, checks what it says and drops it
//! when it misbehaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{self, Frame};
use super::protocol::{
    self, Answer, Connection, Deadline, ProtocolError, Status, encode_init, encode_positions, header,
};
use super::recipe::Recipe;
use super::socket::Listener;
use super::watch::{LogWatch, Verdict};
use super::{Settings, fatal};
use crate::linear::{Vec3, scale, sub};
use crate::oracle::memory::largest;
use crate::oracle::process::{ProcessError, ProcessGroup};
use crate::oracle::{Fingerprint, JobDir, Labels, Note, Oracle, OracleError};
use crate::structure::{Cell, Structure};

/// How long a client may take to leave after EXIT before its process group is ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// A connected client.
#[derive(Debug)]
struct Client {
    connection: Connection,
    launched: Option<Launched>,
    structure: Structure,
}

/// The client's process, where slmc launched it.
#[derive(Debug)]
struct Launched {
    process: ProcessGroup,
    folder: PathBuf,
    log: LogWatch,
}

/// An oracle behind an i-PI socket. Dropping it sends EXIT, waits briefly and ends the client's process group.
pub struct IpiOracle {
    settings: Settings,
    recipe: Box<dyn Recipe>,
    worker_dir: PathBuf,
    client: Option<Client>,
    /// The listener that stays open where slmc waits for clients it did not launch; workers at one address share it.
    standing: Option<Arc<Listener>>,
    launches: usize,
    chain: usize,
    /// Launches in a row that ended before the client called, while none ever had.
    failed_starts: usize,
    fingerprint: Fingerprint,
    /// The rung of the ladder of repairs that the next client is launched with.
    repair: usize,
    /// Whether the running client has answered before.
    answered: bool,
    /// Whether the last label came from such a client.
    was_warm: bool,
    notes: Vec<Note>,
    /// The largest memory of one process of the client, bytes.
    memory: Option<u64>,
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

    fn transient(&self, reason: impl Into<String>) -> OracleError {
        OracleError::Transient {
            oracle: self.settings.name.to_owned(),
            reason: reason.into(),
        }
    }

    fn listener(&self) -> std::io::Result<Listener> {
        let Settings { socket, tcp, .. } = &self.settings;
        match (tcp.as_str(), socket.as_str()) {
            ("", "") => Listener::fresh(),
            ("", name) => Listener::named(name),
            (address, _) => Listener::tcp(address),
        }
    }

    /// A listener for the one client that is about to be launched.
    fn listen(&self) -> Result<Listener, OracleError> {
        self.listener().map_err(|error| self.cannot_listen(&error))
    }

    /// The listener for clients that somebody else starts: one for all workers, where its address is not a fresh one.
    fn wait_for_clients(&self) -> Result<Arc<Listener>, OracleError> {
        let Settings { socket, tcp, .. } = &self.settings;
        let fresh = (tcp.is_empty() && socket.is_empty()) || tcp.ends_with(":0");
        let listener = if fresh {
            self.listener().map(Arc::new)
        } else {
            Listener::shared(&format!("{tcp} {socket}"), || self.listener())
        };
        listener.map_err(|error| self.cannot_listen(&error))
    }

    fn cannot_listen(&self, error: &std::io::Error) -> OracleError {
        let Settings { socket, tcp, .. } = &self.settings;
        OracleError::Fatal {
            oracle: self.settings.name.to_owned(),
            reason: match (tcp.as_str(), socket.as_str()) {
                ("", name) => format!(
                    "cannot open the socket /tmp/ipi_{name}: {error}; if another slmc or worker holds it, leave `socket` empty"
                ),
                (address, _) => format!("cannot listen on {address}: {error}; port 0 takes a free one"),
            },
        }
    }

    /// A folder for one launch that nobody has used.
    fn fresh_folder(&mut self) -> Result<PathBuf, OracleError> {
        let fail = |error: std::io::Error, path: &Path| OracleError::Fatal {
            oracle: self.settings.name.to_owned(),
            reason: format!("cannot make the folder {}: {error}", path.display()),
        };
        let worker_dir = std::path::absolute(&self.worker_dir).map_err(|e| fail(e, &self.worker_dir))?;
        std::fs::create_dir_all(&worker_dir).map_err(|e| fail(e, &worker_dir))?;
        loop {
            let folder = worker_dir.join(format!("launch-{:03}", self.launches));
            self.launches += 1;
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(error, &folder)),
            }
        }
    }

    /// Launches a client for a structure and waits for its call, or waits for somebody else's.
    fn start(&mut self, structure: &Structure) -> Result<Client, OracleError> {
        if let Some(listener) = &self.standing {
            let stream = self.await_call(listener, None)?;
            return Ok(Client {
                connection: Connection::new(stream),
                launched: None,
                structure: structure.clone(),
            });
        }
        let folder = self.fresh_folder()?;
        let listener = self.listen()?;
        let name = self.settings.name;
        let words = self
            .recipe
            .prepare(structure, &folder, &listener, self.repair)
            .map_err(|e| fatal(name, &e))?;
        let process = ProcessGroup::start(&words, &folder, &self.settings.environment).map_err(|e: ProcessError| {
            if e.is_permanent() {
                fatal(name, &e)
            } else {
                self.transient(e.to_string())
            }
        })?;
        let called = self.await_call(&listener, Some(&process));
        let mut launched = Launched {
            log: LogWatch::new(
                process.stdout(),
                &self.settings.unconverged_patterns,
                &self.settings.converged_pattern,
            ),
            process,
            folder,
        };
        match called {
            Ok(stream) => {
                self.failed_starts = 0;
                Ok(Client {
                    connection: Connection::new(stream),
                    launched: Some(launched),
                    structure: structure.clone(),
                })
            }
            Err(error) => {
                let end = launched.process.stop(Duration::ZERO);
                let tail = launched.process.tail();
                self.recipe.clean(&launched.folder);
                // 126 and 127 are what shells and launchers return for a program they cannot run.
                let not_found = end.ends_with(": 127") || end.ends_with(": 126");
                self.failed_starts += 1;
                let reason = format!(
                    "{} ({end}); its folder is {}{tail}",
                    reason(&error),
                    launched.folder.display()
                );
                if not_found || self.failed_starts >= 2 {
                    return Err(OracleError::Fatal {
                        oracle: name.to_owned(),
                        reason,
                    });
                }
                Err(self.transient(reason))
            }
        }
    }

    fn await_call(&self, listener: &Listener, process: Option<&ProcessGroup>) -> Result<protocol::Stream, OracleError> {
        let start = Instant::now();
        loop {
            match listener.accept() {
                Ok(Some(stream)) => return Ok(stream),
                Ok(None) => {}
                Err(error) => return Err(self.transient(format!("cannot accept a client: {error}"))),
            }
            if process.is_some_and(ProcessGroup::has_ended) {
                return Err(self.transient("the client ended before it called"));
            }
            if start.elapsed() > self.settings.start_timeout {
                return Err(self.transient(format!(
                    "no client called at {} within {:.0?}",
                    listener
                        .path()
                        .map_or_else(|| listener.name().to_owned(), |path| path.display().to_string()),
                    self.settings.start_timeout
                )));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Says goodbye to the client and ends its process group. Returns its exit status and last words, where slmc launched
    /// it.
    fn dismiss(&mut self, patience: Duration) -> String {
        self.answered = false;
        let Some(mut client) = self.client.take() else {
            return String::new();
        };
        // A client that is gone cannot be told.
        let _ = client
            .connection
            .send(&header("EXIT"), Deadline::after(Duration::from_millis(200)));
        // Closing the socket moves a client that does not understand EXIT.
        drop(client.connection);
        let Some(mut launched) = client.launched else {
            return String::new();
        };
        let end = launched.process.stop(patience);
        self.recipe.clean(&launched.folder);
        format!(
            " ({end}); its folder is {}{}",
            launched.folder.display(),
            launched.process.tail()
        )
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
                    wrapped(&structure.cell, *p)
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

/// A point moved by lattice vectors into the cell about the origin. LAMMPS brings an atom back by one period at most, and
/// goes on with a wrong position where more are needed.
fn wrapped(cell: &Cell, point: Vec3) -> Vec3 {
    let fractional = cell.fractional(point);
    let mut shift = [0.0; 3];
    for (axis, periodic) in cell.periodic().into_iter().enumerate() {
        if periodic {
            shift[axis] = fractional[axis].round();
        }
    }
    sub(point, cell.cartesian(shift))
}

/// The reason alone, without the oracle's name.
fn reason(error: &OracleError) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_moves_by_lattice_vectors_and_leaves_what_is_near_alone() {
        let cell = Cell::new(
            [[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [-2.0, 1.0, 7.0]],
            [true, true, false],
        )
        .unwrap();
        let near = [1.0, -2.0, 20.0];
        let inside = wrapped(&cell, near);
        assert_eq!(wrapped(&cell, inside), inside);
        let far = crate::linear::add(inside, cell.cartesian([3.0, -2.0, 0.0]));
        let back = wrapped(&cell, far);
        assert!(crate::linear::norm(sub(back, inside)) < 1e-12);
        assert_eq!(back[2], 20.0);
    }
}
