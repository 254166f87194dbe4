//! The `[oracle.NAME.slurm]` table: each label a batch job of its own.

use serde::{Deserialize, Serialize};

use crate::units::Duration;

/// Each label is submitted to Slurm as a batch job of its own; see docs/cluster.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SlurmConfig {
    /// The partition, or several with commas. Empty: the cluster's default.
    pub partition: String,
    /// The account that is charged. Empty: the user's default.
    pub account: String,
    /// The quality of service. Empty: the account's default.
    pub qos: String,
    /// The longest time of a job (`--time`), rounded up to minutes. Not given: the oracle's `timeout`.
    pub time: Option<Duration>,
    /// Nodes of a job. Not given: as many as the tasks need.
    pub nodes: Option<usize>,
    /// Tasks of a job, the processes that `launch = "srun"` or mpirun starts. Not given: Slurm's own, one.
    pub ntasks: Option<usize>,
    /// Tasks on each node of a job.
    pub ntasks_per_node: Option<usize>,
    /// Processors of each task, for programs with threads.
    pub cpus_per_task: Option<usize>,
    /// Memory of each node of a job, as `--mem` has it, such as "64G". Empty: the cluster's default.
    pub memory: String,
    /// Any other options of sbatch, one string each, such as `["--constraint=genoa", "--gres=gpu:1", "--exclusive"]`.
    pub options: Vec<String>,
    /// Lines of shell that run in the job before the program: modules, environment variables, limits.
    pub setup: String,
    /// A batch script to use instead of slmc's own, with one line `{command}` where the program runs; relative to the current
    /// folder or to the config file. Its `#SBATCH` lines hold, unless a key of this table says otherwise.
    pub template: String,
    /// The beginning of the jobs' names; the label's name follows.
    pub job_name: String,
    /// How often squeue is asked, once for all jobs of the run. The end of a job is usually seen earlier, by the file it leaves.
    pub poll_interval: Duration,
    /// The largest number of jobs in the queue at once, however many workers there are. 0: as many as workers.
    pub most_jobs: usize,
    /// Whether jobs are left in the queue when the run is stopped; `slmc resume` takes them over. `false`: they are cancelled,
    /// and submitted again on resume.
    pub keep_jobs: bool,
    /// How long the files of a job may take to be seen here once it has ended, and a job to be seen in the queue once it is
    /// submitted: the patience with the file system that nodes share.
    pub file_delay: Duration,
    /// How long Slurm's controller may give no answer before the run stops. Jobs go on, and `slmc resume` takes them over.
    pub patience: Duration,
}

impl Default for SlurmConfig {
    fn default() -> Self {
        Self {
            partition: String::new(),
            account: String::new(),
            qos: String::new(),
            time: None,
            nodes: None,
            ntasks: None,
            ntasks_per_node: None,
            cpus_per_task: None,
            memory: String::new(),
            options: Vec::new(),
            setup: String::new(),
            template: String::new(),
            job_name: "slmc".to_owned(),
            poll_interval: Duration::new(30.0),
            most_jobs: 0,
            keep_jobs: true,
            file_delay: Duration::new(60.0),
            patience: Duration::new(7200.0),
        }
    }
}

/// Options of sbatch that slmc sets itself, long and short: another value would break the way jobs are followed.
const OWN_OPTIONS: [(&str, &str); 8] = [
    ("--wait", "-W"),
    ("--array", "-a"),
    ("--chdir", "-D"),
    ("--output", "-o"),
    ("--error", "-e"),
    ("--requeue", "--requeue"),
    ("--parsable", "--parsable"),
    ("--wrap", "--wrap"),
];

impl SlurmConfig {
    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        for option in &self.options {
            if !option.starts_with('-') {
                return Some(format!(
                    "`options` holds \"{option}\", which is no option of sbatch: write each as one string, such as \"--constraint=genoa\""
                ));
            }
            let taken = OWN_OPTIONS.iter().find(|(long, short)| {
                let long_form = option.split('=').next().is_some_and(|name| name == *long);
                long_form || (!option.starts_with("--") && option.starts_with(short))
            });
            if let Some((long, _)) = taken {
                return Some(format!("`options` holds {long}, which slmc sets itself: take it out"));
            }
        }
        let counts = [self.nodes, self.ntasks, self.ntasks_per_node, self.cpus_per_task];
        if counts.contains(&Some(0)) {
            return Some("`nodes`, `ntasks`, `ntasks-per-node` and `cpus-per-task` must be at least 1".to_owned());
        }
        let positive = |name: &str, value: Duration| {
            (!(value.value() > 0.0 && value.value().is_finite())).then(|| format!("`{name}` must be more than zero"))
        };
        self.time
            .and_then(|time| positive("time", time))
            .or_else(|| positive("poll-interval", self.poll_interval))
            .or_else(|| positive("file-delay", self.file_delay))
            .or_else(|| positive("patience", self.patience))
    }

    /// The options of sbatch for a job whose program may take `timeout_seconds`.
    pub(super) fn sbatch_options(&self, timeout_seconds: f64) -> Vec<String> {
        let seconds = self.time.map_or(timeout_seconds, Duration::value);
        let mut options = Vec::new();
        let texts = [
            ("--partition", &self.partition),
            ("--account", &self.account),
            ("--qos", &self.qos),
            ("--mem", &self.memory),
        ];
        for (name, value) in texts {
            if !value.trim().is_empty() {
                options.push(format!("{name}={}", value.trim()));
            }
        }
        let numbers = [
            ("--nodes", self.nodes),
            ("--ntasks", self.ntasks),
            ("--ntasks-per-node", self.ntasks_per_node),
            ("--cpus-per-task", self.cpus_per_task),
        ];
        for (name, value) in numbers {
            options.extend(value.map(|value| format!("{name}={value}")));
        }
        // Slurm counts in minutes. A template may have its own limit.
        if self.time.is_some() || self.template.is_empty() {
            options.push(format!("--time={}", (seconds / 60.0).ceil().max(1.0)));
        }
        options.extend(self.options.iter().cloned());
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_sbatch() {
        let config = SlurmConfig {
            partition: "short".to_owned(),
            ntasks: Some(64),
            time: Some(Duration::new(5400.0)),
            options: vec!["--exclusive".to_owned()],
            ..SlurmConfig::default()
        };
        let options = config.sbatch_options(1e6);
        assert_eq!(
            options,
            ["--partition=short", "--ntasks=64", "--time=90", "--exclusive"]
        );
        assert_eq!(SlurmConfig::default().sbatch_options(61.0), ["--time=2"]);
        let with = |option: &str| SlurmConfig {
            options: vec![option.to_owned()],
            ..SlurmConfig::default()
        };
        for taken in ["--wait", "-W", "--array=1-4", "-a1-4", "--chdir=/tmp", "nonsense"] {
            assert!(with(taken).problem().is_some(), "{taken}");
        }
        for free in [
            "--exclusive",
            "-C genoa",
            "--mail-type=FAIL",
            "--gres=gpu:1",
            "--wckey=x",
        ] {
            assert_eq!(with(free).problem(), None, "{free}");
        }
    }
}
