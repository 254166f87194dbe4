//! A throw-away Slurm: its own munge, controller and node in a temporary folder on free ports, without systemd and without root.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running cluster of one node that says it has sixteen processors. Dropping it ends what it started, by process.
pub struct Cluster {
    folder: tempfile::TempDir,
    munged: Child,
    controller: Option<Child>,
    node: Child,
}

fn on_path(name: &str) -> Option<PathBuf> {
    // Daemons of distributions lie where only root looks.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Starts a daemon that ends with the thread that started it, whatever becomes of that.
fn daemon(program: &str, arguments: &[&str], log: &Path) -> Child {
    let program = on_path(program).unwrap();
    let mut command = match on_path("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "SIGTERM"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    let log = std::fs::File::create(log).unwrap();
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Cluster {
    /// Starts one. `None`, after saying so, where Slurm is not installed or does not start; a failure where it is required.
    pub fn start() -> Option<Self> {
        let required = std::env::var("SLMC_REQUIRE_ORACLES").unwrap_or_default();
        let required = required.split(',').any(|name| name.trim() == "slurm");
        let programs = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel"];
        if let Some(missing) = programs.into_iter().find(|name| on_path(name).is_none()) {
            assert!(
                !required,
                "SLMC_REQUIRE_ORACLES asks for slurm, but there is no {missing}"
            );
            eprintln!("skipped: no {missing}");
            return None;
        }
        let mut why = String::new();
        // A port that was free may be taken by the time it is needed.
        for _ in 0..3 {
            match Self::try_start() {
                Ok(cluster) => return Some(cluster),
                Err(problem) => why = problem,
            }
        }
        assert!(
            !required,
            "SLMC_REQUIRE_ORACLES asks for slurm, but it does not start: {why}"
        );
        eprintln!("skipped: Slurm does not start here: {why}");
        None
    }

    fn try_start() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("slurm-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["state", "spool"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        // Any key will do, and nobody else's.
        let mut key = vec![0; 1024];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut key).unwrap();
        std::fs::write(at("munge.key"), key).unwrap();
        std::fs::set_permissions(at("munge.key"), std::fs::Permissions::from_mode(0o400)).unwrap();
        Self::write_configuration(folder.path());

        let option = |name: &str, file: &str| format!("--{name}={}", at(file).display());
        let options = [
            option("socket", "munge.socket"),
            option("key-file", "munge.key"),
            option("pid-file", "munge.pid"),
            option("log-file", "munged.log"),
            option("seed-file", "munge.seed"),
        ];
        let mut arguments = vec!["--foreground", "--force"];
        arguments.extend(options.iter().map(String::as_str));
        let munged = daemon("munged", &arguments, &at("munged.out"));
        let begun = Instant::now();
        while !at("munge.socket").exists() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let configuration = at("slurm.conf").display().to_string();
        let node = daemon(
            "slurmd",
            &["-D", "-N", "node0", "-f", &configuration],
            &at("slurmd.out"),
        );
        let mut cluster = Self {
            folder,
            munged,
            controller: None,
            node,
        };
        cluster.start_controller();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            if said(&cluster.ask("sinfo", &["--noheader", "--format=%T"])) == "idle" {
                return Ok(cluster);
            }
            if cluster.has_lost_one() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let end = |name: &str| {
            let text = std::fs::read_to_string(cluster.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(4).collect();
            format!("\n{name}: {}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        Err(["munged.out", "slurmctld.out", "slurmd.out"].map(end).concat())
    }

    fn has_lost_one(&mut self) -> bool {
        let ended = |child: &mut Child| child.try_wait().unwrap().is_some();
        ended(&mut self.munged) || ended(&mut self.node) || self.controller.as_mut().is_some_and(ended)
    }

    fn write_configuration(folder: &Path) {
        let listeners = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [controller, node] = listeners.map(|listener| listener.local_addr().unwrap().port());
        let words = |program: &str, argument: &str| said(&Command::new(program).arg(argument).output().unwrap());
        let (host, user) = (words("uname", "-n"), words("id", "-un"));
        let host = host.split('.').next().unwrap().to_owned();
        // No plugin of control groups is used; the first of these is only there in newer versions, the second only in older ones.
        let version = said(&Command::new(on_path("slurmd").unwrap()).arg("-V").output().unwrap());
        let old = version.contains(" 2") && version.split(' ').nth(1).is_some_and(|number| number < "23");
        let control_groups = if old { "cgroup/v1" } else { "disabled" };
        std::fs::write(folder.join("cgroup.conf"), format!("CgroupPlugin={control_groups}\n")).unwrap();
        let folder_name = folder.display();
        let text = format!(
            "ClusterName=throwaway\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
             AuthType=auth/munge\nAuthInfo=socket={folder_name}/munge.socket\nCredType=cred/munge\n\
             SlurmUser={user}\nSlurmdUser={user}\nStateSaveLocation={folder_name}/state\nSlurmdSpoolDir={folder_name}/spool\n\
             SlurmctldPidFile={folder_name}/slurmctld.pid\nSlurmdPidFile={folder_name}/slurmd.pid\n\
             SlurmctldLogFile={folder_name}/slurmctld.log\nSlurmdLogFile={folder_name}/slurmd.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nMpiDefault=none\nSwitchType=switch/none\n\
             SchedulerType=sched/builtin\nSchedulerParameters=batch_sched_delay=0,sched_interval=1\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nSlurmdParameters=config_overrides\n\
             ReturnToService=2\nMinJobAge=300\nInactiveLimit=0\nKillWait=1\nSlurmctldTimeout=60\nSlurmdTimeout=120\n\
             NodeName=node0 NodeHostname={host} NodeAddr=127.0.0.1 Port={node} CPUs=16 State=UNKNOWN\n\
             PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        );
        std::fs::write(folder.join("slurm.conf"), text).unwrap();
    }

    /// Where Slurm's commands find this cluster.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// Runs one of Slurm's commands.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(on_path(program).unwrap());
        command.args(arguments).env("SLURM_CONF", self.configuration());
        command.output().unwrap()
    }

    /// The numbers of the jobs that wait or run.
    pub fn jobs(&self) -> Vec<String> {
        let output = self.ask("squeue", &["--noheader", "--format=%i"]);
        said(&output).lines().map(str::to_owned).collect()
    }

    /// Starts the controller, anew or again.
    pub fn start_controller(&mut self) {
        let log = self.folder.path().join("slurmctld.out");
        let configuration = self.configuration().display().to_string();
        self.controller = Some(daemon("slurmctld", &["-D", "-f", &configuration], &log));
    }

    /// Ends the controller; jobs go on.
    pub fn stop_controller(&mut self) {
        if let Some(mut controller) = self.controller.take() {
            end(&mut controller);
        }
    }
}

/// Ends a process: politely, then for good.
fn end(child: &mut Child) {
    let _ = Command::new("kill")
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What runs in jobs belongs to no daemon once these are gone.
        let jobs = self.jobs();
        if self.controller.is_some() && !jobs.is_empty() {
            let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
            self.ask("scancel", &jobs);
            let begun = Instant::now();
            while !self.jobs().is_empty() && begun.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        self.stop_controller();
        end(&mut self.node);
        end(&mut self.munged);
    }
}
