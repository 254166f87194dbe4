//! Submitting a label: one sbatch, repeated only where nobody answered or there is no room.

use std::io;
use std::path::Path;
use std::time::Instant;

use super::folder::{self, LOG, Record, SCRIPT, claimed_by};
use super::refusal::{self, Refusal};
use super::wait::give_up;
use super::watch::Watch;
use super::{LONGEST_COMMAND, Slurm, SlurmError, seconds, tool};
use crate::oracle::launch::{Launch, mark_launch, shell_line};
use crate::oracle::{JobDir, Note};

impl Slurm {
    /// Submits a launch, whose input files are written, as a batch job. Waits for room where the number of jobs is limited, and
    /// for the controller where it is away.
    pub fn submit(
        &self,
        launch: &Launch,
        name: &str,
        mut record: Record,
        job: &JobDir<'_>,
    ) -> Result<Watch<'_>, SlurmError> {
        let folder = &launch.folder;
        let watch = self.watch_when_room(folder, job)?;
        let cannot =
            |error: io::Error| SlurmError::Transient(format!("cannot write into {}: {error}", folder.display()));
        let script = folder.join(SCRIPT);
        std::fs::write(&script, self.surround.script(launch)).map_err(cannot)?;
        let arguments = self.sbatch_arguments(launch, name, &script);
        record.submitted_by = format!("sbatch {}", shell_line(&arguments));
        mark_launch(folder).map_err(cannot)?;
        record.write(folder).map_err(cannot)?;
        let begun = Instant::now();
        let mut told = false;
        loop {
            let said = match tool::run("sbatch", &arguments, LONGEST_COMMAND) {
                Ok(said) => said,
                Err(error) => {
                    folder::close(folder, "sbatch could not be run");
                    let hint = "run slmc where jobs can be submitted";
                    return Err(SlurmError::Fatal(format!("cannot run sbatch: {error}: {hint}")));
                }
            };
            let complaint = said.complaint();
            match refusal::classify(&said) {
                None => {
                    record.job = refusal::job_number(&said.stdout);
                    record.write(folder).map_err(cannot)?;
                    match record.job {
                        Some(id) => job.tell(Note::new("job", format!("Slurm job {id} submitted as {name}"))),
                        None => job.tell(Note::new(
                            "warning",
                            format!(
                                "sbatch took a job and printed \"{}\", which is no job number",
                                said.stdout.trim()
                            ),
                        )),
                    }
                    self.submitted(folder, record.job);
                    return Ok(watch);
                }
                Some(Refusal::Permanent) => {
                    give_up(folder, None, "sbatch refused it");
                    return Err(SlurmError::Fatal(format!(
                        "sbatch refuses the job: {complaint}; correct the slurm table of the oracle, then `slmc resume`"
                    )));
                }
                Some(Refusal::Unknown) => {
                    give_up(folder, None, "sbatch refused it");
                    return Err(SlurmError::Transient(format!("sbatch refused the job: {complaint}")));
                }
                Some(Refusal::Policy) if self.others(folder) == 0 => {
                    give_up(folder, None, "sbatch refused it");
                    return Err(SlurmError::Fatal(format!(
                        "sbatch refuses the job, though no other of this run is in the queue: {complaint}"
                    )));
                }
                Some(refusal) => {
                    // Jobs of this run that are there will end and make room; nothing else is waited for without end.
                    let waits = refusal == Refusal::Away || self.others(folder) == 0;
                    if waits && begun.elapsed() > seconds(self.config.patience) {
                        return Err(SlurmError::Away(format!("sbatch takes no job: {complaint}")));
                    }
                    if !told {
                        job.tell(match refusal {
                            Refusal::Away => {
                                Note::new("warning", format!("sbatch gives no answer, trying again: {complaint}"))
                            }
                            _ => Note::new("job", format!("waiting to submit {name}: {complaint}")),
                        });
                        told = true;
                    }
                }
            }
            // It may have been taken although the answer was lost: then the queue or the job itself tells.
            self.pause(job)?;
            let found = claimed_by(folder).or_else(|| self.number_of(folder));
            if let Some(id) = found {
                record.job = Some(id);
                record.write(folder).map_err(cannot)?;
                job.tell(Note::new("job", format!("Slurm job {id} submitted as {name}")));
                self.submitted(folder, record.job);
                return Ok(watch);
            }
        }
    }

    fn sbatch_arguments(&self, launch: &Launch, name: &str, script: &Path) -> Vec<String> {
        let folder = launch.folder.to_string_lossy();
        let mut arguments = vec![
            "--parsable".to_owned(),
            // A job that is run again would find its own half-written files; slmc submits another instead.
            "--no-requeue".to_owned(),
            format!("--job-name={}-{name}", self.config.job_name),
            format!("--chdir={folder}"),
            // Relative to that folder, whose name may hold signs that Slurm would fill in here.
            format!("--output={LOG}"),
        ];
        arguments.extend(self.config.sbatch_options(launch.timeout.as_secs_f64()));
        arguments.push(script.to_string_lossy().into_owned());
        arguments
    }
}
