//! The batch script of one label: the user's lines, then the program in the label's own folder, once.

use std::fmt::Write as _;

use super::config::SlurmConfig;
use super::folder::{CLAIM, CLAIM_JOB, EXIT, MEMORY};
use crate::oracle::launch::{Launch, shell_line};

/// The line of a template that the program takes the place of.
const COMMAND: &str = "{command}";

/// Shell that looks at the processes of the job on its first node, ever less often, and writes down the largest memory that one
/// of them has held: they are those whose environment names the job, whoever started them. Nothing waits for it and nothing
/// depends on it; where there is no `/proc` it finds nothing.
const LOOK_AT_MEMORY: &str = r#"slmc_look_at_memory() {
    largest=0
    for pause in 0.05 0.1 0.2 0.5 1 1 2 5; do
        while
            found=0
            for folder in $(grep -lszxF "SLURM_JOB_ID=$SLURM_JOB_ID" /proc/[0-9]*/environ); do
                while read -r key value unit; do
                    [ "$key" = VmHWM: ] && [ "$value" -gt "$found" ] && found=$value
                done <"${folder%environ}status"
            done
            [ "$found" -gt "$largest" ] && largest=$found && echo "$largest" >MEMORY.part && mv MEMORY.part MEMORY
            sleep "$pause"
            [ "$pause" = 5 ]
        do :; done
    done
}
slmc_look_at_memory >/dev/null 2>&1 </dev/null &
slmc_looks=$!
"#;

/// The text around the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Surround {
    before: String,
    after: String,
}

impl Surround {
    /// From a template's text, or slmc's own with the configured lines of shell.
    pub fn new(config: &SlurmConfig, template: Option<&str>) -> Result<Self, String> {
        let setup = config.setup.trim_end();
        let Some(template) = template else {
            return Ok(Self {
                before: format!("#!/bin/bash\n{setup}\n"),
                after: String::new(),
            });
        };
        if !template.starts_with("#!") {
            return Err("must begin with `#!` and a shell, such as `#!/bin/bash`".to_owned());
        }
        let is_place = |line: &str| line.trim() == COMMAND;
        if template.lines().filter(|line| is_place(line)).count() != 1 || template.matches(COMMAND).count() != 1 {
            return Err(format!(
                "must have one line `{COMMAND}`, by itself, where the program runs"
            ));
        }
        let mut before: Vec<&str> = template.lines().take_while(|line| !is_place(line)).collect();
        before.push(setup);
        let after: Vec<&str> = template.lines().skip_while(|line| !is_place(line)).skip(1).collect();
        Ok(Self {
            before: format!("{}\n", before.join("\n")),
            after: format!("{}\n", after.join("\n")),
        })
    }

    /// The script for a launch.
    pub fn script(&self, launch: &Launch) -> String {
        let quoted = |text: &str| shell_line(&[text.to_owned()]);
        let mut text = self.before.clone();
        let folder = quoted(&launch.folder.to_string_lossy());
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n# Written by slmc: one label, computed in its own folder, by one job alone.\n\
             cd {folder} || exit 74\n\
             mkdir {CLAIM} || {{ echo 'slmc: this label was given up, or is computed by another job' >&2; exit 75; }}\n\
             echo \"$SLURM_JOB_ID\" >{CLAIM}/{CLAIM_JOB}.part && mv {CLAIM}/{CLAIM_JOB}.part {CLAIM}/{CLAIM_JOB}\n"
        );
        for (name, value) in &launch.environment {
            let _ = writeln!(text, "export {name}={}", quoted(value));
        }
        text.push_str(&LOOK_AT_MEMORY.replace("MEMORY", MEMORY));
        let _ = write!(
            text,
            "slmc_begun=$(date +%s)\n\
             {} >stdout 2>stderr </dev/null\n\
             slmc_code=$?\n\
             kill \"$slmc_looks\" 2>/dev/null; wait \"$slmc_looks\" 2>/dev/null || true\n\
             slmc_memory=$(cat {MEMORY} 2>/dev/null || echo 0)\n\
             echo \"$slmc_code $(( $(date +%s) - slmc_begun )) $slmc_memory ${{SLURM_JOB_NUM_NODES:-1}}\" >{EXIT}.part && mv {EXIT}.part {EXIT}\n",
            shell_line(&launch.words)
        );
        text.push_str(&self.after);
        if self.after.trim().is_empty() {
            text.push_str("exit \"$slmc_code\"\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;
    use std::time::Duration;

    use super::super::folder::{claimed_by, ended, take_claim};
    use super::*;

    fn run(script: &str) -> i32 {
        let output = Command::new("bash")
            .args(["-c", script])
            .env("SLURM_JOB_ID", "17")
            .output();
        output.unwrap().status.code().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_largest_process_of_the_job_is_seen_and_no_other() {
        let other = Command::new("sh")
            .args(["-c", "head -c 60000000 /dev/zero | tail | (sleep 1; cat) >/dev/null"])
            .env("SLURM_JOB_ID", "7301")
            .spawn();
        let folder = tempfile::tempdir().unwrap();
        let launch = |line: &str| Launch {
            words: ["sh", "-c", line].map(str::to_owned).to_vec(),
            folder: folder.path().to_owned(),
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(1),
        };
        // Whoever starts it: here a process that is no child of the job any more. `tail` holds a line without end.
        let line = "setsid sh -c 'head -c 20000000 /dev/zero | tail | (sleep 0.5; cat) >/dev/null; echo done >done' & \
                    until [ -f done ]; do sleep 0.05; done";
        let config = SlurmConfig {
            setup: "set -eu; export SLURM_JOB_ID=730 SLURM_JOB_NUM_NODES=2; exec 2>log".to_owned(),
            ..SlurmConfig::default()
        };
        let script = Surround::new(&config, None).unwrap().script(&launch(line));
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("SLURM_JOB_ID", "730")
            .output();
        assert_eq!(output.unwrap().status.code(), Some(0));
        let found = ended(folder.path()).unwrap();
        assert!(found.code == 0 && found.has_other_nodes, "{found:?}");
        let memory = found.memory.unwrap();
        assert!((20_000_000..45_000_000).contains(&memory), "{memory}");
        let _ = other.unwrap().wait();
    }

    #[test]
    fn the_program_runs_once_in_its_folder_with_the_users_lines_before_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a folder's name");
        std::fs::create_dir(&folder).unwrap();
        let launch = Launch {
            words: ["sh", "-c", "echo $GREETING $MODULE; echo x >>count; exit 3"]
                .map(str::to_owned)
                .to_vec(),
            folder: folder.clone(),
            environment: BTreeMap::from([("GREETING".to_owned(), "it's me".to_owned())]),
            timeout: Duration::from_secs(1),
        };
        let config = SlurmConfig {
            setup: "export MODULE=loaded".to_owned(),
            ..SlurmConfig::default()
        };
        let template = "#!/bin/bash\n#SBATCH --mem=1G\n  {command}\necho after >after";
        for template in [None, Some(template)] {
            let script = Surround::new(&config, template).unwrap().script(&launch);
            assert!(script.starts_with("#!/bin/bash\n"));
            let code = run(&script);
            assert_eq!(code, if template.is_some() { 0 } else { 3 }, "{script}");
            assert_eq!(ended(&folder).map(|ended| ended.code), Some(3));
            assert_eq!(claimed_by(&folder), Some(17));
            assert_eq!(
                std::fs::read_to_string(folder.join("stdout")).unwrap(),
                "it's me loaded\n"
            );
            // A second job in the folder leaves it alone.
            assert_eq!(run(&script), 75);
            assert_eq!(std::fs::read_to_string(folder.join("count")).unwrap(), "x\n");
            assert_eq!(folder.join("after").exists(), template.is_some());
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::create_dir(&folder).unwrap();
        }
        let script = Surround::new(&config, None).unwrap().script(&launch);
        assert!(take_claim(&folder));
        assert_eq!(run(&script), 75);
        assert!(ended(&folder).is_none() && !folder.join("count").exists());
        for bad in [
            "{command}\n",
            "#!/bin/sh\nsrun {command}\n",
            "#!/bin/sh\n",
            "#!/bin/sh\n{command}\n{command}\n",
        ] {
            assert!(Surround::new(&config, Some(bad)).is_err(), "{bad}");
        }
    }
}
