//! Running Slurm's own commands: what they print, never for longer than a given time, with an environment they cannot misread.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often a command is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Its exit code; `None` where a signal or its time ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// What it complained of, on one line.
    pub fn complaint(&self) -> String {
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        match (lines.is_empty(), self.code) {
            (false, _) => lines.join("; "),
            (true, Some(code)) => format!("it ended with exit code {code} and said nothing"),
            (true, None) => "it gave no answer in time".to_owned(),
        }
    }
}

/// Variables that say how Slurm's commands print and select: they are for people at a terminal.
fn is_misleading(name: &str) -> bool {
    // A driver that runs in a job of its own must not hand that job's shape on to the jobs it submits.
    (name.starts_with("SLURM_") && !["SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT"].contains(&name))
        || name.starts_with("SQUEUE_")
        || ["SBATCH_WAIT", "SBATCH_ARRAY_INX", "SBATCH_REQUEUE"].contains(&name)
}

/// Runs a command; an error is one of starting it. Past its time it is killed with its group and has no exit code.
pub(super) fn run(program: &str, arguments: &[String], longest: Duration) -> std::io::Result<Said> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // An interrupt from the terminal is for the driver, which ends what it has begun.
        .process_group(0);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_misleading)) {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    // Whoever fills a pipe that nobody reads waits for ever.
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() > longest {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
            break None;
        }
        thread::sleep(LOOK);
    };
    Ok(Said {
        code: status.and_then(|status| status.code().or(status.signal().map(|signal| 128 + signal))),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_heard_and_never_waited_for_too_long() {
        let words = |line: &str| ["-c", line].map(str::to_owned);
        let said = run("sh", &words("echo out; echo bad >&2; exit 3"), Duration::from_mins(1)).unwrap();
        assert_eq!(
            (said.code, said.stdout.as_str(), said.complaint().as_str()),
            (Some(3), "out\n", "bad")
        );
        let begun = Instant::now();
        let said = run("sh", &words("sleep 100; sleep 100"), Duration::from_millis(50)).unwrap();
        assert!(said.code.is_none() && begun.elapsed() < Duration::from_secs(50));
        assert!(run("no-such-command-here", &[], Duration::from_secs(1)).is_err());
        assert!(is_misleading("SLURM_NTASKS") && is_misleading("SQUEUE_FORMAT") && !is_misleading("SLURM_CONF"));
    }
}
