//! VASP with `INTERACTIVE = .TRUE.`: one process, positions over its standard input, wavefunctions in its memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::time::{Duration, Instant};

use super::config::VaspEnergy;
use super::file::{NAME, Vasp, error, fatal};
use super::harvest::{Refusal, label};
use super::inputs::{Written, line};
use super::outcar::{self, Outcar};
use super::vasprun::{self, Header, IonicStep};
use crate::linear::{norm, row_times, sub};
use crate::oracle::file_mode::{Attempt, FileOracle};
use crate::oracle::launch::fresh_folder;
use crate::oracle::memory::largest;
use crate::oracle::process::ProcessGroup;
use crate::oracle::{Fingerprint, JobDir, Labels, Note, Oracle, OracleError};
use crate::structure::{Cell, Species, Structure};

/// VASP's prompt. Some builds write more on the line, some in other capitals.
const PROMPT: &str = "positions: reading from stdin";
/// The prompt of builds that also take a cell.
const CELL_PROMPT: &str = "lattice: reading from stdin";
/// How long the files may lag behind the prompt.
const LATE: Duration = Duration::from_secs(10);
/// How long VASP may take to end after it was asked to.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often the output is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Agreement of the energy that the prompt's line shows with eight digits.
const SHOWN_DIGITS: f64 = 1e-6;

/// A process that waits for positions.
#[derive(Debug)]
struct Running {
    process: ProcessGroup,
    input: ChildStdin,
    folder: PathBuf,
    cell: Cell,
    species: Vec<Species>,
    /// The positions it has last answered for, to be sent once more at the end.
    last: String,
    /// Bytes of standard output that belong to earlier steps.
    printed: u64,
    /// Ionic steps it has answered.
    steps: usize,
    /// Bytes of vasprun.xml up to the end of the last step that was read.
    read: u64,
    header: Header,
    launched: std::time::SystemTime,
}

/// The interactive oracle, with file mode for what it cannot do: other cells, and repairs.
#[derive(Debug)]
pub struct InteractiveVasp {
    vasp: Vasp,
    file: FileOracle<Vasp>,
    worker_folder: PathBuf,
    launches: usize,
    running: Option<Running>,
    /// The largest memory of one process of the last label, bytes.
    memory: Option<u64>,
    was_warm: bool,
    cold: bool,
    told_of_cell: bool,
    notes: Vec<Note>,
}

impl InteractiveVasp {
    /// An oracle that starts its process with the first label; `file` labels what the process cannot.
    pub fn new(vasp: Vasp, file: FileOracle<Vasp>, worker_folder: PathBuf) -> Self {
        Self {
            vasp,
            file,
            worker_folder,
            launches: 0,
            running: None,
            memory: None,
            was_warm: false,
            cold: false,
            told_of_cell: false,
            notes: Vec::new(),
        }
    }

    fn start(&mut self, structure: &Structure, written: &Written) -> Result<Running, OracleError> {
        let folder = fresh_folder(&self.worker_folder, "interactive", &mut self.launches).map_err(fatal)?;
        let attempt = Attempt { warm: false, repair: 0 };
        let incar = self.vasp.inputs.incar(written, attempt, true).map_err(fatal)?;
        self.vasp
            .inputs
            .write(written, structure, &folder, &incar)
            .map_err(fatal)?;
        let launch = self.vasp.launch(&folder);
        let launched = crate::oracle::launch::mark_launch(&folder)
            .map_err(|problem| fatal(format!("cannot write into {}: {problem}", folder.display())))?;
        let started = ProcessGroup::start_with_input(&launch.words, &folder, &launch.environment);
        let (process, input) = started.map_err(|problem| {
            let (oracle, reason) = (NAME.to_owned(), problem.to_string());
            if problem.is_permanent() {
                OracleError::Fatal { oracle, reason }
            } else {
                OracleError::Transient { oracle, reason }
            }
        })?;
        Ok(Running {
            process,
            input,
            folder,
            cell: structure.cell,
            species: written.species(),
            last: String::new(),
            printed: 0,
            steps: 0,
            read: 0,
            header: Header::default(),
            launched,
        })
    }

    fn step(&mut self, structure: &Structure, written: &Written) -> Result<Labels, Refusal> {
        let begun = Instant::now();
        let timeout = Duration::from_secs_f64(self.vasp.config.timeout.value().clamp(0.0, 1e9));
        let Some(running) = &mut self.running else {
            return Err(Refusal::Transient("there is no process".to_owned()));
        };
        let lines: Vec<String> = written.positions.iter().map(|position| line(*position)).collect();
        let positions = lines.join("\n") + "\n";
        if running.steps > 0 {
            running
                .input
                .write_all(positions.as_bytes())
                .and_then(|()| running.input.flush())
                .map_err(|problem| Refusal::Transient(format!("VASP takes no positions: {problem}")))?;
        }
        running.last = positions;
        let printed = running.wait_for_prompt(timeout)?;
        if let Some(line) = outcar::unconverged(&printed) {
            return Err(Refusal::NoSolution(format!(
                "not self-consistent: VASP says \"{line}\""
            )));
        }
        let energy = self.vasp.config.energy;
        let (labels, step) = running.answer(structure, written, &printed, energy)?;
        running.steps += 1;
        let (steps, version) = (running.steps, running.header.version.clone());
        let summary = format!(
            "{} electronic steps in {:.1} s, step {steps} of its process",
            step.electronic_steps,
            begun.elapsed().as_secs_f64()
        );
        self.vasp.heard(&version, step.entropy, structure.len(), summary);
        Ok(labels)
    }

    /// Asks the process to end, and ends it.
    fn dismiss(&mut self, patience: Duration) -> String {
        let Some(mut running) = self.running.take() else {
            return String::new();
        };
        if !patience.is_zero() && !running.process.has_ended() {
            // VASP looks for STOPCAR during the next step, so it is given one more.
            let asked = std::fs::write(running.folder.join("STOPCAR"), "LABORT = .TRUE.\n").is_ok();
            if asked {
                let _ = running.input.write_all(running.last.as_bytes());
                let _ = running.input.flush();
            }
        }
        let Running {
            mut process,
            input,
            folder,
            ..
        } = running;
        // The end of its input moves a VASP that still waits.
        drop(input);
        let end = process.stop(patience);
        let _ = std::fs::remove_file(folder.join("WAVECAR"));
        format!(" ({end}); its folder is {}{}", folder.display(), process.tail())
    }

    fn in_files(&mut self, structure: &Structure, job: &JobDir, cold: bool) -> Result<Labels, OracleError> {
        if cold {
            self.file.start_cold();
        }
        let answer = self.file.label(structure, job);
        self.was_warm = self.file.was_warm();
        self.memory = self.file.memory();
        self.notes.extend(self.file.take_notes());
        if let Some(version) = self.file.fingerprint().0.get("version") {
            self.vasp.known_version(version);
        }
        answer
    }
}

impl Running {
    /// What was printed up to the next prompt.
    fn wait_for_prompt(&mut self, timeout: Duration) -> Result<String, Refusal> {
        let begun = Instant::now();
        let mut cell_sent = false;
        loop {
            let ended = self.process.has_ended();
            let text = self.printed_since();
            let lower = text.to_lowercase();
            let cell_due = lower.contains(CELL_PROMPT) && !cell_sent;
            if let Some(at) = lower.find(PROMPT)
                && !cell_due
            {
                // Some builds ask for the cell after the positions; then the prompt of the next step comes later.
                let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1);
                self.printed += end as u64;
                return Ok(text);
            }
            if cell_due {
                cell_sent = true;
                let rows: Vec<String> = self.cell.vectors().iter().map(|row| line(*row)).collect();
                let _ = self.input.write_all((rows.join("\n") + "\n").as_bytes());
            }
            if let Some(complaint) = outcar::bad_input(&text) {
                return Err(Refusal::Fatal(format!("VASP says \"{complaint}\"")));
            }
            if ended {
                return Err(match outcar::lost_its_way(&text) {
                    Some(complaint) => Refusal::NoSolution(format!("VASP ended with \"{complaint}\"")),
                    None => Refusal::Transient("VASP ended before it asked for positions".to_owned()),
                });
            }
            if begun.elapsed() > timeout {
                return Err(Refusal::Transient(format!(
                    "no answer within {timeout:.0?}, its `timeout`"
                )));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn printed_since(&self) -> String {
        String::from_utf8_lossy(&tail(self.process.stdout(), self.printed)).into_owned()
    }

    /// The answer to the latest positions: from vasprun.xml, or where a build holds that back from OUTCAR.
    fn answer(
        &mut self,
        structure: &Structure,
        written: &Written,
        printed: &str,
        energy: VaspEnergy,
    ) -> Result<(Labels, IonicStep), Refusal> {
        let begun = Instant::now();
        let shown = shown_energy(printed);
        loop {
            let next = self.next_xml_step();
            if let Some(step) = next.map_err(|problem| Refusal::NoSolution(problem.to_string()))? {
                agree(shown, step.free_energy)?;
                let labels = label(&self.header, &step, written, &structure.cell, energy)?;
                return Ok((labels, step));
            }
            if begun.elapsed() > LATE {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let late = || {
            Refusal::Fatal(format!(
                "this build of VASP holds its output files back in interactive mode (looked in {}): set mode = \"file\"",
                self.folder.display()
            ))
        };
        let bytes = std::fs::read(self.folder.join("OUTCAR")).map_err(|_| late())?;
        let outcar = Outcar::read(&bytes).map_err(|problem| Refusal::NoSolution(problem.to_string()))?;
        let found = outcar.steps.get(self.steps).ok_or_else(late)?;
        let step = from_outcar(found, written).ok_or_else(late)?;
        agree(shown, step.free_energy)?;
        if found.unconverged {
            return Err(Refusal::NoSolution("not self-consistent: OUTCAR says so".to_owned()));
        }
        let header = Header {
            version: outcar.version.clone(),
            most_electronic_steps: outcar.most_electronic_steps,
            species: self.species.clone(),
            ..Header::default()
        };
        let labels = label(&header, &step, written, &structure.cell, energy)?;
        self.header = header;
        Ok((labels, step))
    }

    /// The ionic step after the last one that was read, if it is complete in vasprun.xml.
    fn next_xml_step(&mut self) -> Result<Option<IonicStep>, vasprun::VasprunError> {
        let path = self.folder.join("vasprun.xml");
        let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
        if changed.is_ok_and(|changed| changed < self.launched) {
            return Ok(None);
        }
        let bytes = tail(&path, self.read);
        let close = b"</calculation>";
        let Some(start) = bytes.windows(close.len()).position(|window| window == close) else {
            return Ok(None);
        };
        let end = start + close.len();
        let piece = &bytes[..end];
        let steps = if self.read == 0 {
            let (header, steps) = vasprun::read_growing(piece)?;
            self.header = header;
            steps
        } else {
            vasprun::read_piece(piece, &self.header)?
        };
        self.read += end as u64;
        Ok(steps.into_iter().next())
    }
}

/// The bytes of a file from a place on.
fn tail(path: &Path, from: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path)
        && file.seek(SeekFrom::Start(from)).is_ok()
    {
        // What cannot be read is not there yet.
        let _ = file.read_to_end(&mut bytes);
    }
    bytes
}

/// The free energy on the line before the prompt, eight digits.
fn shown_energy(printed: &str) -> Option<f64> {
    let line = printed
        .lines()
        .rev()
        .find(|line| line.contains("F=") && line.contains("E0="))?;
    let value = line.split("F=").nth(1)?.split_whitespace().next()?;
    value.parse().ok()
}

/// Guards against an answer to earlier positions.
fn agree(shown: Option<f64>, free: f64) -> Result<(), Refusal> {
    match shown {
        Some(shown) if (shown - free).abs() > SHOWN_DIGITS * free.abs().max(1.0) => Err(Refusal::Transient(format!(
            "VASP printed the energy {shown} eV and wrote {free:.8} eV: the files are not of this step"
        ))),
        _ => Ok(()),
    }
}

/// A step of OUTCAR with the positions that were asked for, if OUTCAR's five decimals agree with them.
fn from_outcar(found: &outcar::OutcarStep, written: &Written) -> Option<IonicStep> {
    if found.positions.len() != written.positions.len() {
        return None;
    }
    for (cartesian, fraction) in found.positions.iter().zip(&written.positions) {
        let there = row_times(*fraction, &written.basis);
        let inverse = crate::linear::inverse(&written.basis)?;
        let difference = row_times(sub(*cartesian, there), &inverse).map(|x| x - x.round());
        if norm(row_times(difference, &written.basis)) > 1e-4 {
            return None;
        }
    }
    Some(IonicStep {
        basis: written.basis,
        positions: written.positions.clone(),
        forces: Some(found.forces.clone()),
        stress: found.stress,
        free_energy: found.free_energy?,
        energy_to_zero: found.energy_to_zero?,
        entropy: 2.0 * (found.energy_to_zero? - found.free_energy?),
        electronic_steps: found.electronic_steps,
    })
}

impl Oracle for InteractiveVasp {
    fn label(&mut self, structure: &Structure, job: &JobDir) -> Result<Labels, OracleError> {
        let written = Written::of(structure).map_err(fatal)?;
        if std::mem::take(&mut self.cold) {
            return self.in_files(structure, job, true);
        }
        if let Some(running) = &self.running
            && (running.cell != structure.cell || running.species != written.species())
        {
            if !self.told_of_cell {
                self.told_of_cell = true;
                self.notes.push(Note::new(
                    "warning",
                    "the interactive process keeps its first cell and atoms: others are labelled in file mode",
                ));
            }
            return self.in_files(structure, job, false);
        }
        if self.running.is_none() {
            self.running = Some(self.start(structure, &written)?);
        }
        self.was_warm = self.running.as_ref().is_some_and(|running| running.steps > 0);
        match self.step(structure, &written) {
            Ok(labels) => {
                self.memory = self.running.as_ref().and_then(|running| largest(running.process.id()));
                self.notes
                    .extend(crate::oracle::file_mode::FileMode::take_notes(&mut self.vasp));
                Ok(labels)
            }
            Err(Refusal::NoSolution(reason)) => {
                // What is in its memory leads nowhere: the next label meets a new process, this one the ladder of repairs.
                self.dismiss(Duration::ZERO);
                self.notes.push(Note::new(
                    "repair",
                    format!("{reason}; labelled in file mode from nothing"),
                ));
                self.in_files(structure, job, true)
            }
            Err(refusal) => {
                let last_words = self.dismiss(Duration::ZERO);
                Err(error(match refusal {
                    Refusal::Transient(reason) => Refusal::Transient(reason + &last_words),
                    Refusal::NoSolution(reason) => Refusal::NoSolution(reason + &last_words),
                    Refusal::Fatal(reason) => Refusal::Fatal(reason + &last_words),
                }))
            }
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        // Structures of other elements are labelled in file mode.
        let mut fingerprint = crate::oracle::file_mode::FileMode::fingerprint(&self.vasp);
        for (key, value) in self.file.fingerprint().0 {
            fingerprint.0.entry(key).or_insert(value);
        }
        fingerprint
    }

    fn memory(&self) -> Option<u64> {
        self.memory
    }

    fn select_chain(&mut self, chain: Option<usize>, stands_at: Option<&Structure>) {
        self.cold = false;
        self.file.select_chain(chain, stands_at);
    }

    fn was_warm(&self) -> bool {
        self.was_warm
    }

    fn start_cold(&mut self) {
        self.cold = true;
    }

    fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

impl Drop for InteractiveVasp {
    fn drop(&mut self) {
        self.dismiss(FAREWELL);
    }
}
