//! Launching a program for one label: the template around its command, its folder, its time, its output files, its end.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

use super::process::{ProcessError, ProcessGroup, split_words};

/// The placeholder of a launch template that stands for the adaptor's own command.
const COMMAND: &str = "{command}";
/// The file whose time of change marks the launch: outputs must not be older. The file system's own clock writes both.
const MARK: &str = ".launched";
/// Signs that only a shell understands.
const SHELL_SIGNS: [char; 7] = [';', '|', '&', '<', '>', '$', '`'];

/// A folder `NAME-NNN` in `place` that nobody has used, counted by `count`; says what cannot be made.
pub fn fresh_folder(place: &Path, name: &str, count: &mut usize) -> Result<PathBuf, String> {
    let fail = |error: std::io::Error, path: &Path| format!("cannot make the folder {}: {error}", path.display());
    let place = std::path::absolute(place).map_err(|error| fail(error, place))?;
    std::fs::create_dir_all(&place).map_err(|error| fail(error, &place))?;
    loop {
        let folder = place.join(format!("{name}-{count:03}"));
        *count += 1;
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fail(error, &folder)),
        }
    }
}

/// The words to start for a command and the launch template around it.
///
/// Both are split into words as a shell would split them, and no shell runs. A command that holds one of the shell's own
/// signs (`;`, `|`, `&`, `<`, `>`, `$` or a backquote, outside single quotes) is handed to `sh -c` as it is. In the template
/// the word `{command}` becomes the command's words; inside a longer word it becomes the command as one line of shell;
/// a template without it is put before the command; an empty one changes nothing.
pub fn command_line(template: &str, command: &str) -> Result<Vec<String>, ProcessError> {
    let command = command.trim();
    let words = if needs_shell(command) {
        ["sh", "-c", command].map(str::to_owned).to_vec()
    } else {
        split_words(command)?
    };
    if words.is_empty() {
        return Err(ProcessError::Empty);
    }
    let template = split_words(template)?;
    if !template.iter().any(|word| word.contains(COMMAND)) {
        return Ok(template.into_iter().chain(words).collect());
    }
    let mut line = Vec::new();
    for word in template {
        if word == COMMAND {
            line.extend(words.iter().cloned());
        } else {
            line.push(word.replace(COMMAND, &shell_line(&words)));
        }
    }
    Ok(line)
}

/// Whether a command uses the shell's own signs outside single quotes.
fn needs_shell(command: &str) -> bool {
    let mut quoted = false;
    command.chars().any(|character| {
        quoted ^= character == '\'';
        !quoted && SHELL_SIGNS.contains(&character)
    })
}

/// Words as one line that a shell splits into them again.
pub fn shell_line(words: &[String]) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-./=:,+@%".contains(character);
    let quoted: Vec<String> = words
        .iter()
        .map(|word| {
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect();
    quoted.join(" ")
}

/// What to run for one label, once its input files are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The program and its arguments, the template applied.
    pub words: Vec<String>,
    /// The working folder, which also receives `stdout` and `stderr`.
    pub folder: PathBuf,
    /// Environment variables beside the inherited ones.
    pub environment: BTreeMap<String, String>,
    /// The longest time it may take.
    pub timeout: Duration,
}

/// How a launched program ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was stopped because its time was over.
    pub timed_out: bool,
    /// The file system's time of the launch.
    pub launched: SystemTime,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// The largest memory of one of its processes, bytes.
    pub memory: Option<u64>,
    /// The last lines it printed, for messages.
    pub tail: String,
}

impl Exit {
    /// Whether it ended by itself with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0) && !self.timed_out
    }

    /// Whether a shell or launcher said that the program cannot be run at all.
    pub fn is_not_found(&self) -> bool {
        matches!(self.code, Some(126 | 127))
    }

    /// Whether a file was written after the launch: an older one is another calculation's.
    pub fn wrote(&self, file: &Path) -> bool {
        let changed = std::fs::metadata(file).and_then(|metadata| metadata.modified());
        changed.is_ok_and(|changed| changed >= self.launched)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.timed_out, self.code, self.signal) {
            (true, ..) => write!(formatter, "stopped after {:.0} s, its `timeout`", self.seconds),
            (_, Some(code), _) => write!(formatter, "exit code {code}"),
            (_, _, Some(signal)) => write!(formatter, "ended by signal {signal} ({})", signal_name(signal)),
            _ => write!(formatter, "ended in an unknown way"),
        }
    }
}

/// The names of the signals that end programs.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP, its terminal is gone",
        2 => "SIGINT, interrupted",
        4 => "SIGILL, built for another processor",
        6 => "SIGABRT, it gave up",
        7 => "SIGBUS, memory that is not there",
        8 => "SIGFPE, arithmetic",
        9 => "SIGKILL, often the sign of too little memory",
        11 => "SIGSEGV, memory it may not touch",
        15 => "SIGTERM, asked to end",
        24 => "SIGXCPU, out of processor time",
        _ => "see `kill -l`",
    }
}

/// Marks the moment of a launch in its folder and returns it by the file system's clock.
pub fn mark_launch(folder: &Path) -> std::io::Result<SystemTime> {
    let mark = folder.join(MARK);
    std::fs::write(&mark, b"")?;
    std::fs::metadata(&mark)?.modified()
}

/// When the launch in a folder was marked.
pub fn launched(folder: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(folder.join(MARK))?.modified()
}

/// Runs a program to its end, or to the end of its time, in a process group of its own that is gone afterwards.
pub fn run(launch: &Launch) -> Result<Exit, ProcessError> {
    let launched = mark_launch(&launch.folder).map_err(|source| ProcessError::Start {
        program: launch.words.first().cloned().unwrap_or_default(),
        folder: launch.folder.clone(),
        source,
    })?;
    let begun = Instant::now();
    let mut process = ProcessGroup::start(&launch.words, &launch.folder, &launch.environment)?;
    let memory = process.wait_for_end(launch.timeout);
    let timed_out = !process.has_ended();
    let status: Option<ExitStatus> = process.stop_with_status(Duration::ZERO);
    Ok(Exit {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        timed_out,
        launched,
        seconds: begun.elapsed().as_secs_f64(),
        memory,
        tail: process.tail(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(template: &str, command: &str) -> Vec<String> {
        command_line(template, command).unwrap()
    }

    #[test]
    fn the_template_goes_around_the_command() {
        assert_eq!(line("", "vasp_std"), ["vasp_std"]);
        assert_eq!(
            line("mpirun -np 4", "vasp_std -x 'a b'"),
            ["mpirun", "-np", "4", "vasp_std", "-x", "a b"]
        );
        assert_eq!(
            line("srun -n 64 {command} --last", "pw.x -nk 2"),
            ["srun", "-n", "64", "pw.x", "-nk", "2", "--last"]
        );
        assert_eq!(
            line("sh -c 'module load vasp; exec {command}'", "vasp_std 'a b'"),
            ["sh", "-c", "module load vasp; exec vasp_std 'a b'"]
        );
        assert!(command_line("mpirun", "  ").is_err());
        assert!(command_line("mpirun '", "vasp").is_err());
    }

    #[test]
    fn a_command_in_shell_language_goes_to_a_shell() {
        assert_eq!(
            line("nice", "vasp_std > vasp.out"),
            ["nice", "sh", "-c", "vasp_std > vasp.out"]
        );
        assert_eq!(line("", "echo '$HOME'"), ["echo", "$HOME"]);
        let words = ["a b", "it's", ""].map(str::to_owned);
        assert_eq!(split_words(&shell_line(&words)).unwrap(), words);
    }

    #[test]
    fn ends_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let launch = |command: &str, timeout| Launch {
            words: line("", command),
            folder: folder.path().to_owned(),
            environment: BTreeMap::new(),
            timeout,
        };
        let old = folder.path().join("old");
        std::fs::write(&old, "").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let long = Duration::from_mins(1);
        let exit = run(&launch("echo hello > new", long)).unwrap();
        assert!(exit.is_success() && exit.wrote(&folder.path().join("new")) && !exit.wrote(&old));
        assert!(!exit.wrote(&folder.path().join("absent")));
        let exit = run(&launch("echo oops; exit 3", long)).unwrap();
        assert!(!exit.is_success() && exit.to_string() == "exit code 3" && exit.tail.contains("oops"));
        assert!(
            run(&launch("kill -9 $$", long))
                .unwrap()
                .to_string()
                .contains("SIGKILL")
        );
        assert!(run(&launch("no-such-program; exit $?", long)).unwrap().is_not_found());
        let exit = run(&launch("sleep 1000", Duration::from_millis(50))).unwrap();
        assert!(exit.timed_out && exit.to_string().contains("timeout"), "{exit}");
    }
}
