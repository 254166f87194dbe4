//! Child processes of an oracle: each in its own process group, output to files, stopped as a group and never by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::memory::PeakMemory;

/// How often a process is looked at while waiting for its end.
const LOOK: Duration = Duration::from_millis(5);
/// How long a group may take between the polite signal and the final one: a launcher such as mpirun, whose ranks are in
/// groups of their own, passes the first on to them and could not pass on the second.
const POLITE: Duration = Duration::from_secs(3);

/// A command line that cannot be split into words, or a process that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A command line with an open quote.
    #[error("the command `{0}` has a quote that is never closed")]
    OpenQuote(String),
    /// A command line without words.
    #[error("the command is empty")]
    Empty,
    /// No such program.
    #[error("the program `{0}` was not found: install it, or give its full path in the command")]
    NotFound(String),
    /// The operating system refused.
    #[error("cannot start `{program}` in {folder}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Its working folder.
        folder: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

impl ProcessError {
    /// Whether trying again cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::OpenQuote(_) | Self::Empty | Self::NotFound(_) => true,
            Self::Start { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }
}

/// Splits a command line into words as a shell would: blanks separate, `'...'` and `"..."` group, a backslash takes the
/// next character as it is. Nothing is expanded and no shell runs.
pub fn split_words(line: &str) -> Result<Vec<String>, ProcessError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(ProcessError::OpenQuote(line.to_owned()));
    }
    words.extend(word);
    Ok(words)
}

/// Groups that run at this moment, for [`stop_all`].
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    // Nothing is ever left half done under this lock, so a panic elsewhere has not spoilt the set.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every process group that this process has started and not yet stopped: for the moment before an exit in haste.
pub fn stop_all() {
    for group in running().iter().filter_map(|id| Pid::from_raw(*id)) {
        // An error means that the group is gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// A running process and everything it started that stayed in its process group. Dropping it kills the group.
#[derive(Debug)]
pub struct ProcessGroup {
    child: Child,
    group: Pid,
    reaped: bool,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl ProcessGroup {
    /// Starts `words` in `folder` with extra environment variables; standard output and error go to the files `stdout`
    /// and `stderr` there, standard input is empty.
    pub fn start(
        words: &[String],
        folder: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ProcessError> {
        Self::start_with(words, folder, environment, Stdio::null())
    }

    /// As [`Self::start`], with a pipe to the program's standard input.
    pub fn start_with_input(
        words: &[String],
        folder: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<(Self, ChildStdin), ProcessError> {
        let mut group = Self::start_with(words, folder, environment, Stdio::piped())?;
        let input = group.child.stdin.take().ok_or(ProcessError::Empty)?;
        Ok((group, input))
    }

    fn start_with(
        words: &[String],
        folder: &Path,
        environment: &BTreeMap<String, String>,
        input: Stdio,
    ) -> Result<Self, ProcessError> {
        let (program, arguments) = words.split_first().ok_or(ProcessError::Empty)?;
        let fail = |source: std::io::Error| ProcessError::Start {
            program: program.clone(),
            folder: folder.to_owned(),
            source,
        };
        let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
        // Appending, so that the reader may empty a long file behind the writer's back.
        let open = |path: &Path| {
            let options = OpenOptions::new().create(true).append(true).open(path);
            options.map_err(fail)
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .envs(environment)
            .stdin(input)
            .stdout(open(&stdout)?)
            .stderr(open(&stderr)?)
            .process_group(0)
            .spawn()
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound if folder.is_dir() => ProcessError::NotFound(program.clone()),
                _ => fail(source),
            })?;
        let group = Pid::from_child(&child);
        running().insert(group.as_raw_nonzero().get());
        Ok(Self {
            child,
            group,
            reaped: false,
            stdout,
            stderr,
        })
    }

    /// The process's identifier, which is also its group's.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that receives standard output.
    pub fn stdout(&self) -> &Path {
        &self.stdout
    }

    /// Whether the process has ended. It stays a zombie until [`Self::stop`], so that its identifier, and with it its
    /// group's, cannot pass to a stranger before the group is killed.
    pub fn has_ended(&self) -> bool {
        if self.reaped {
            return true;
        }
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.group), look), Ok(None))
    }

    /// Waits up to `patience` for the process to end by itself, then ends its whole group: politely, then for good.
    /// Returns the exit status in words.
    pub fn stop(&mut self, patience: Duration) -> String {
        match self.stop_with_status(patience) {
            Some(status) => status.to_string(),
            None => "already stopped".to_owned(),
        }
    }

    /// As [`Self::stop`], with the status itself; `None` where it was stopped before or its end cannot be known.
    pub fn stop_with_status(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.reaped {
            return None;
        }
        self.wait_for_end(patience);
        if !self.has_ended() {
            // An error means that the group is gone already.
            let _ = kill_process_group(self.group, Signal::TERM);
            self.wait_for_end(POLITE);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        running().remove(&self.group.as_raw_nonzero().get());
        self.reaped = true;
        self.child.wait().ok()
    }

    /// Waits up to `patience` for the process to end by itself, looking every few milliseconds; gives the largest memory of one of
    /// its processes, bytes.
    pub fn wait_for_end(&self, patience: Duration) -> Option<u64> {
        let start = Instant::now();
        let mut memory = PeakMemory::of(self.id());
        while !self.has_ended() && start.elapsed() < patience {
            memory.look();
            std::thread::sleep(LOOK.min(patience.saturating_sub(start.elapsed())));
        }
        memory.bytes()
    }

    /// The last lines of standard output and error, for messages.
    pub fn tail(&self) -> String {
        tail_of(&[("stdout", &self.stdout), ("stderr", &self.stderr)])
    }
}

/// The last lines of files that a program printed to, for messages.
pub fn tail_of(files: &[(&str, &Path)]) -> String {
    let mut text = String::new();
    for (name, path) in files {
        let lines = last_lines(path, 8);
        if !lines.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n--- end of {name} ({})\n{lines}", path.display());
        }
    }
    match files.first() {
        Some((_, path)) if text.is_empty() => format!("\n(it printed nothing to {})", path.display()),
        _ => text,
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// The last `count` non-empty lines of a file, of its last 4 kB at most; empty where there is no file.
fn last_lines(path: &Path, count: usize) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let length = file.metadata().map_or(0, |m| m.len());
        if file.seek(SeekFrom::Start(length.saturating_sub(4096))).is_ok() {
            // A file that cannot be read has no tail.
            let _ = file.read_to_end(&mut bytes);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split_words(line).unwrap()
    }

    #[test]
    fn words_follow_shell_quoting() {
        assert_eq!(
            words("mpirun -np 4 'a b'\"c\" d\\ e ''"),
            ["mpirun", "-np", "4", "a bc", "d e", ""]
        );
        assert!(words("  ").is_empty());
        assert!(split_words("pw.x 'oops").is_err());
    }

    #[test]
    fn stopping_ends_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let line = words("sh -c 'sleep 1000 & echo $!; wait'");
        let mut process = ProcessGroup::start(&line, folder.path(), &BTreeMap::new()).unwrap();
        let start = Instant::now();
        let grandchild = loop {
            let text = std::fs::read_to_string(process.stdout()).unwrap();
            if let Some(line) = text.lines().next() {
                break line.to_owned();
            }
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(LOOK);
        };
        assert!(!process.has_ended());
        process.stop(Duration::ZERO);
        assert!(process.has_ended());
        let start = Instant::now();
        // Gone, or a zombie that its new parent has yet to reap.
        let gone = || {
            std::fs::read_to_string(format!("/proc/{grandchild}/stat")).map_or(true, |stat| {
                stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
            })
        };
        while !gone() {
            assert!(start.elapsed() < Duration::from_secs(10), "{grandchild} lives on");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn output_is_kept_and_a_missing_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let line = words("sh -c 'echo one; echo two >&2; echo $SLMC_TEST; exit 3'");
        let environment = BTreeMap::from([("SLMC_TEST".to_owned(), "three".to_owned())]);
        let mut process = ProcessGroup::start(&line, folder.path(), &environment).unwrap();
        assert!(process.stop(Duration::from_secs(10)).contains('3'));
        let tail = process.tail();
        assert!(
            tail.contains("one\nthree") && tail.contains("two") && tail.contains("stderr"),
            "{tail}"
        );
        let error = ProcessGroup::start(&words("no-such-program-here"), folder.path(), &environment).unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("no-such-program-here"));
    }
}
