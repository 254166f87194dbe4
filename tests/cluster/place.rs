//! A folder with a configuration and a program that writes down every call, and what is asserted of both.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command};

use slmc::formats::{Frame, read};

use crate::harness::{self, slmc, text};
use crate::slurm::Cluster;

/// The energy of four argon atoms on springs, in a few lines of awk that write down every call: which structure, in which job.
const PROGRAM: &str = r#"
awk -v k=1.0 'NR==2 { sub("pos:R:3", "pos:R:3:forces:R:3"); head=$0; next }
  NR>2 { split("2 2 2 6 2 2 2 6 2 2 2 6", at, " "); n=3*(NR-3)
         for (i=1; i<=3; i++) { d[i]=$(i+1)-at[n+i]; energy+=0.5*k*d[i]*d[i] }
         body[NR]=sprintf("%s %.17g %.17g %.17g", $0, -k*d[1], -k*d[2], -k*d[3]); next }
  END { print 4; printf "%s energy=%.17g\n", head, energy; for (i=3; i<=NR; i++) print body[i] }' "$1" > "$2"
echo "$(cksum < "$1" | tr ' ' -) ${SLURM_JOB_ID:-none}" >> "$CALLS"
"#;

const START: &str = "4\nLattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\nAr 2 2 2\nAr 6 2 2\nAr 2 6 2\nAr 2 2 6\n";

/// A folder with a configuration, a program and the environment that slmc and the jobs get.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub environment: Vec<(String, String)>,
}

impl Place {
    /// `before` are lines of shell before the program's own; `table` the content of the slurm table, `None` for none.
    pub fn new(before: &str, table: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self {
            folder,
            environment: Vec::new(),
        };
        std::fs::create_dir(place.path("recipe")).unwrap();
        std::fs::write(place.path("recipe/label.sh"), format!("{before}\n{PROGRAM}")).unwrap();
        let slurm = table.map_or(String::new(), |table| format!("[oracle.command.slurm]\n{table}\n"));
        let config = format!(
            "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"20 fs\"\nsteps = 6\n\
             [oracle.command]\ncommand = \"sh label.sh\"\nrecipe = \"recipe\"\ntimeout = \"1 min\"\ntranslation-invariant = false\n\
             environment = {{ CALLS = \"{}\" }}\n{slurm}[proposal.einstein]\nforce-constant = \"1.4 eV/Å²\"\n\
             [pool]\nworkers = 3\nretries = 2\nretry-delay = \"50 ms\"\n[sampling]\nsteps = 8\ndiscard = 1\nchains = 3\nseed = 3\n",
            text(&place.path("calls"))
        );
        harness::write(place.folder.path(), START, &config);
        place
    }

    pub fn on(mut self, cluster: &Cluster) -> Self {
        self.environment
            .push(("SLURM_CONF".to_owned(), text(&cluster.configuration()).to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = slmc(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end; gives exit code and standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!error.contains("panicked"), "{error}");
        (output.status.code().unwrap(), error)
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Displaced copies of the start, and the arguments that label them.
    pub fn asked(&self, count: usize) -> PathBuf {
        let (start, out) = (self.path("start.xyz"), self.path("asked.xyz"));
        harness::expect(
            0,
            &[
                "data",
                "make",
                text(&start),
                "-o",
                text(&out),
                "-n",
                &count.to_string(),
                "-q",
            ],
        );
        out
    }

    pub fn label(&self, out: &str) -> (i32, String, Vec<Frame>) {
        let (asked, out, config) = (self.path("asked.xyz"), self.path(out), self.path("slmc.toml"));
        let (code, error) = self.run(&["label", text(&asked), text(&config), "-o", text(&out), "-q"]);
        (code, error, if out.exists() { read(&out).unwrap() } else { Vec::new() })
    }

    /// The calls of the program: structures, and the jobs they were in.
    pub fn calls(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        text.lines().map(pair).collect()
    }

    /// Asserts that so many structures were computed, each once.
    pub fn assert_computed_once(&self, count: usize) {
        let calls = self.calls();
        let different: BTreeSet<&String> = calls.iter().map(|(structure, _)| structure).collect();
        assert_eq!((calls.len(), different.len()), (count, count), "{calls:?}");
    }
}

/// A table for a Slurm that is near and idle.
pub const QUICK: &str = "poll-interval = \"300 ms\"\nfile-delay = \"1 s\"\npatience = \"1 min\"";

/// Asserts that two files hold the same labels, to the last bit.
pub fn same_labels(a: &[Frame], b: &[Frame]) {
    assert!(!a.is_empty() && a.len() == b.len(), "{} and {}", a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.labels, b.labels);
    }
}
