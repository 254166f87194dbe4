//! The promise: labels that are batch jobs of Slurm are the labels, each computed once, whatever happens to drivers, jobs and
//! controllers; an answer that is not certain never is a label.

mod harness;
#[path = "harness/slurm.rs"]
mod slurm;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use harness::{assert_same_decisions, full, labels, lines, repository, signal, slmc, text, wait_for};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use slmc::formats::{Frame, read};
use slurm::Cluster;

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
struct Place {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Place {
    /// `before` are lines of shell before the program's own; `table` the content of the slurm table, `None` for none.
    fn new(before: &str, table: Option<&str>) -> Self {
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

    fn on(mut self, cluster: &Cluster) -> Self {
        self.environment
            .push(("SLURM_CONF".to_owned(), text(&cluster.configuration()).to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = slmc(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end; gives exit code and standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!error.contains("panicked"), "{error}");
        (output.status.code().unwrap(), error)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Displaced copies of the start, and the arguments that label them.
    fn asked(&self, count: usize) -> PathBuf {
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

    fn label(&self, out: &str) -> (i32, String, Vec<Frame>) {
        let (asked, out, config) = (self.path("asked.xyz"), self.path(out), self.path("slmc.toml"));
        let (code, error) = self.run(&["label", text(&asked), text(&config), "-o", text(&out), "-q"]);
        (code, error, if out.exists() { read(&out).unwrap() } else { Vec::new() })
    }

    /// The calls of the program: structures, and the jobs they were in.
    fn calls(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        text.lines().map(pair).collect()
    }

    /// Asserts that so many structures were computed, each once.
    fn assert_computed_once(&self, count: usize) {
        let calls = self.calls();
        let different: BTreeSet<&String> = calls.iter().map(|(structure, _)| structure).collect();
        assert_eq!((calls.len(), different.len()), (count, count), "{calls:?}");
    }
}

/// A table for a Slurm that is near and idle.
const QUICK: &str = "poll-interval = \"300 ms\"\nfile-delay = \"1 s\"";

fn same_labels(a: &[Frame], b: &[Frame]) {
    assert!(!a.is_empty() && a.len() == b.len(), "{} and {}", a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.labels, b.labels);
    }
}

#[test]
fn labels_in_batch_jobs_are_the_labels() {
    let Some(cluster) = Cluster::start() else { return };
    let plain = Place::new("", None);
    plain.asked(5);
    let (code, error, expected) = plain.label("out.xyz");
    assert_eq!(code, 0, "{error}");

    let table = format!(
        "{QUICK}\npartition = \"main\"\nntasks = 2\ncpus-per-task = 2\ntime = \"90 s\"\noptions = [\"--comment=a b\"]\n\
                         job-name = \"argon\"\nsetup = \"export SHAPE=$SLURM_NTASKS-$SLURM_CPUS_PER_TASK\"\nmost-jobs = 2"
    );
    let program = "squeue --noheader --jobs=$SLURM_JOB_ID --format='%P %l %j %k' >> $CALLS.shape; echo $SHAPE >> $CALLS.shape; sleep 0.3";
    let place = Place::new(program, Some(&table)).on(&cluster);
    std::fs::copy(plain.path("asked.xyz"), place.path("asked.xyz")).unwrap();
    let (code, error) = place.run(&["check", text(&place.path("slmc.toml"))]);
    assert_eq!(code, 0, "{error}");
    let (code, error, found) = place.label("out.xyz");
    assert_eq!(code, 0, "{error}");
    same_labels(&expected, &found);
    place.assert_computed_once(5);
    let jobs: BTreeSet<String> = place.calls().into_iter().map(|(_, job)| job).collect();
    assert!(jobs.len() == 5 && !jobs.contains("none"), "{jobs:?}");
    let shape = std::fs::read_to_string(place.path("calls.shape")).unwrap();
    assert!(
        shape.contains("main 2:00 argon-frame-000000-0 a b") && shape.contains("2-2"),
        "{shape}"
    );
    assert!(!place.path("out.xyz.jobs").exists(), "folders of answers are removed");

    // The same through a template, in which the users' own lines stand.
    let place = Place::new(
        "echo $SHAPE >> $CALLS.shape",
        Some(&format!("{QUICK}\ntemplate = \"job.sh\"")),
    )
    .on(&cluster);
    let template =
        "#!/bin/bash\n#SBATCH --ntasks=3\n#SBATCH --time=7\nexport SHAPE=mine-$SLURM_NTASKS\n{command}\necho bye\n";
    std::fs::write(place.path("job.sh"), template).unwrap();
    std::fs::copy(plain.path("asked.xyz"), place.path("asked.xyz")).unwrap();
    let (code, error, found) = place.label("out.xyz");
    assert_eq!(code, 0, "{error}");
    same_labels(&expected, &found);
    let shape = std::fs::read_to_string(place.path("calls.shape")).unwrap();
    assert!(shape.lines().all(|line| line == "mine-3"), "{shape}");

    // A real code, where it is there.
    let start = repository("examples/silicon-dft/silicon.xyz");
    let pw =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|at| at.join("pw.x").is_file()));
    if !pw {
        eprintln!("skipped: no pw.x");
        return;
    }
    let mut found = Vec::new();
    for table in [None, Some("{poll-interval=\"300 ms\"}")] {
        let out = place.path(&format!("silicon-{}.xyz", table.is_some()));
        let recipe = format!("oracle.espresso.recipe=\"{}\"", text(&repository("oracles/espresso")));
        let mut arguments = vec!["label", text(&start), "-o", text(&out), "-q", "--oracle", "espresso"];
        let slurm = format!("oracle.espresso.slurm={}", table.unwrap_or_default());
        arguments.extend(["--set", "oracle.espresso.mode=\"file\"", "--set", &recipe]);
        if table.is_some() {
            arguments.extend(["--set", &slurm]);
        }
        let (code, error) = place.run(&arguments);
        assert_eq!(code, 0, "{error}");
        found.push(read(&out).unwrap());
    }
    same_labels(&found[0], &found[1]);
}

#[test]
fn a_driver_killed_at_any_moment_loses_no_job_and_computes_none_twice() {
    let Some(cluster) = Cluster::start() else { return };
    let plain = Place::new("", None);
    let whole = plain.path("run");
    let (code, error) = plain.run(&["run", text(&plain.path("slmc.toml")), "--out", text(&whole), "-q"]);
    assert_eq!(code, 0, "{error}");
    let count = labels(&whole).len();
    for seed in 0..if full() { 12 } else { 2 } {
        let place = Place::new("sleep 0.2", Some(QUICK)).on(&cluster);
        let (config, run) = (place.path("slmc.toml"), place.path("run"));
        let mut generator = Pcg64::seed_from_u64(seed);
        let mut hits = 0;
        for _ in 0..6 {
            let mut child = if run.join("labels/header.json").exists() {
                place.start(&["resume", text(&run), "-q"])
            } else {
                place.start(&["run", text(&config), "--out", text(&run), "-q"])
            };
            std::thread::sleep(Duration::from_secs_f64(0.1 + 0.9 * generator.random::<f64>()));
            hits += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(hits > 2, "{hits} kills hit");
        let (code, error) = place.run(&["resume", text(&run), "-q"]);
        assert_eq!(code, 0, "{error}");
        assert_same_decisions(&whole, &run);
        assert_eq!(labels(&whole), labels(&run));
        place.assert_computed_once(count);
        let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
        let submitted = events.matches("submitted as").count();
        let taken_over =
            events.matches("took over Slurm job").count() + events.matches("whose number was not kept").count();
        eprintln!(
            "seed {seed}: {count} labels, {hits} kills, {submitted} jobs noted at submission, {taken_over} taken over"
        );
        assert!(taken_over > 0 && submitted > 0, "{events}");
    }
}

#[test]
fn what_happens_to_jobs_and_controllers_is_survived() {
    let Some(mut cluster) = Cluster::start() else { return };
    // The first call of all waits; the others answer.
    let place = Place::new("mkdir $CALLS.first 2>/dev/null && sleep 100", Some(QUICK)).on(&cluster);
    place.asked(3);
    let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
    let arguments = ["label", text(&asked), text(&config), "-o", text(&out), "-v"];

    // An interrupt ends the driver at once and leaves the job, which the next driver takes over.
    let mut child = place.start(&arguments);
    wait_for("the others", || lines(&place.path("calls")) == 2);
    wait_for("the end of their jobs", || cluster.jobs().len() == 1);
    let waiting = cluster.jobs();
    let begun = Instant::now();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(begun.elapsed() < Duration::from_secs(50), "it waited for the job");
    assert_eq!(cluster.jobs(), waiting);

    // The controller goes away and comes back; then the job is cancelled under way and computed by another.
    let child = place.start(&arguments);
    std::thread::sleep(Duration::from_millis(500));
    cluster.stop_controller();
    std::thread::sleep(Duration::from_secs(1));
    cluster.start_controller();
    wait_for("the controller", || cluster.jobs() == waiting);
    cluster.ask("scancel", &[&waiting[0]]);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("took over Slurm job {}", waiting[0])), "{said}");
    assert!(said.contains("CANCELLED"), "{said}");
    place.assert_computed_once(3);

    // With keep-jobs = false an interrupt cancels; nothing is left in the queue, and the label is asked for again.
    let table = format!("{QUICK}\nkeep-jobs = false");
    let place = Place::new("mkdir $CALLS.first 2>/dev/null && sleep 100", Some(&table)).on(&cluster);
    place.asked(1);
    let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
    let mut child = place.start(&["label", text(&asked), text(&config), "-o", text(&out), "-q"]);
    wait_for("the job", || place.path("calls.first").exists());
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(75));
    wait_for("an empty queue", || cluster.jobs().is_empty());
    let (code, error, found) = place.label("out.xyz");
    assert!(code == 0 && found.len() == 1, "{error}");
    place.assert_computed_once(1);

    // A partition that does not exist: said by check, and by a run that goes on once it is mended.
    let table = format!("{QUICK}\npartition = \"nowhere\"");
    let place = Place::new("", Some(&table)).on(&cluster);
    let (config, run) = (place.path("slmc.toml"), place.path("run"));
    let (code, error) = place.run(&["check", text(&config)]);
    assert!(code == 78 && error.contains("nowhere"), "{code}: {error}");
    let (code, error) = place.run(&["run", text(&config), "--out", text(&run), "-q"]);
    assert!(
        code == 69 && error.contains("sbatch refuses the job") && error.contains("nowhere"),
        "{code}: {error}"
    );
    let mended = [
        "resume",
        text(&run),
        "-q",
        "--set",
        "oracle.command.slurm.partition=\"main\"",
    ];
    let (code, error) = place.run(&mended);
    assert_eq!(code, 0, "{error}");
}

/// Stands in for Slurm's commands where the real ones are too well-behaved. `$FAKE` is its state; files in it named after a
/// command hold what that command does first, a line for each call.
const FAKE: &str = r#"#!/bin/bash
name=$(basename "$0")
echo "$name $*" >> "$FAKE/asked"
exec 9>"$FAKE/lock"; flock 9
how=$(head -n 1 "$FAKE/$name" 2>/dev/null)
[ -s "$FAKE/$name" ] && sed -i 1d "$FAKE/$name"
case $name in
sbatch)
    for word in "$@"; do case $word in --chdir=*) folder=${word#--chdir=};; esac; script=$word; done
    id=$(( $(cat "$FAKE/last" 2>/dev/null || echo 100) + 1 ))
    case $how in
        refuse:*) echo "sbatch: error: ${how#refuse:}" >&2; exit 1;;
    esac
    echo $id > "$FAKE/last"
    echo "$id|RUNNING|None|$folder" > "$FAKE/job.$id"
    case $how in
        state:*) [ "${how#state:}" = LOST ] && rm "$FAKE/job.$id" || echo "$id|${how#state:}|None|$folder" > "$FAKE/job.$id";;
        *) ( flock -u 9; exec 9>&-; SLURM_JOB_ID=$id setsid bash "$script" >/dev/null 2>&1 </dev/null
             echo "$id|COMPLETED|None|$folder" > "$FAKE/job.$id" ) >/dev/null 2>&1 &
    esac
    case $how in
        hang) flock -u 9; sleep 30;;
        silent:*) echo "sbatch: error: ${how#silent:}" >&2; exit 1;;
        print:*) echo "${how#print:}";;
        *) echo "$id";;
    esac;;
squeue)
    case $how in
        refuse:*) echo "slurm_load_jobs error: ${how#refuse:}" >&2; exit 1;;
        print:*) echo "${how#print:}";;
        *) cat "$FAKE"/job.* 2>/dev/null;;
    esac;;
esac
exit 0
"#;

/// A place whose Slurm is the stand-in, scripted: lines for sbatch and for squeue.
fn scripted(before: &str, table: &str, sbatch: &str, squeue: &str) -> Place {
    let mut place = Place::new(before, Some(table));
    for folder in ["bin", "fake"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    for name in ["sbatch", "squeue", "scancel"] {
        let file = place.path("bin").join(name);
        std::fs::write(&file, FAKE).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(place.path("fake/sbatch"), sbatch).unwrap();
    std::fs::write(place.path("fake/squeue"), squeue).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", text(&place.path("bin")));
    place.environment.push(("PATH".to_owned(), path));
    place
        .environment
        .push(("FAKE".to_owned(), text(&place.path("fake")).to_owned()));
    place
}

/// What is injected; lines of the program before its own; lines for sbatch and squeue; the exit code; what is said; how often the
/// program answered.
type Case<'a> = (&'a str, &'a str, (String, String), i32, &'a str, usize);

#[test]
fn every_misbehaviour_of_slurm_ends_in_a_retried_label_or_a_clean_stop() {
    const SWIFT: &str = "poll-interval = \"40 ms\"\nfile-delay = \"200 ms\"\npatience = \"3 s\"";
    let away = "Unable to contact slurm controller (connect failure)";
    let policy = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)";
    let limit = format!("QOSMaxSubmitJobPerUserLimit: {policy}");
    let state = |word: &str| (format!("state:{word}\n"), String::new());
    let sbatch = |line: &str| (format!("{line}\n"), String::new());
    let squeue = |lines: String| (String::new(), lines);
    let many = |line: &str, count: usize| format!("{line}\n").repeat(count);
    let cases: Vec<Case<'_>> = vec![
        ("nothing", "", sbatch(""), 0, "", 3),
        ("time limit", "", state("TIMEOUT"), 0, "TIMEOUT, its time limit", 3),
        ("node failed", "", state("NODE_FAIL"), 0, "NODE_FAIL", 3),
        ("pre-empted", "", state("PREEMPTED"), 0, "PREEMPTED", 3),
        ("out of memory", "", state("OUT_OF_MEMORY"), 0, "too little memory", 3),
        ("cancelled", "", state("CANCELLED"), 0, "CANCELLED", 3),
        (
            "completed, but no files",
            "",
            state("COMPLETED"),
            0,
            "cannot be seen here",
            3,
        ),
        ("lost", "", state("LOST"), 0, "never began", 3),
        (
            "killed by a signal",
            "mkdir $CALLS.first 2>/dev/null && kill -9 $$",
            sbatch(""),
            0,
            "SIGKILL",
            3,
        ),
        (
            "exit code 3, once",
            "mkdir $CALLS.first 2>/dev/null && exit 3",
            sbatch(""),
            0,
            "exit code 3",
            3,
        ),
        ("exit code 3, always", "exit 3", sbatch(""), 69, "exit code 3", 0),
        ("exit code 65: no answer", "exit 65", sbatch(""), 65, "no label", 0),
        ("program not found", "exit 127", sbatch(""), 69, "cannot be run", 0),
        (
            "sbatch: controller away",
            "",
            sbatch(&many(&format!("refuse:{away}"), 4)),
            0,
            "sbatch gives no answer",
            3,
        ),
        (
            "sbatch: away for good",
            "",
            sbatch(&many(&format!("refuse:{away}"), 900)),
            69,
            "sbatch takes no job",
            0,
        ),
        (
            "sbatch: many others of ours",
            "",
            sbatch(&many(&format!("refuse:{limit}"), 5)),
            0,
            "waiting to submit",
            3,
        ),
        (
            "sbatch: taken, answer lost",
            "",
            sbatch("silent:Socket timed out on send/recv operation"),
            0,
            "",
            3,
        ),
        (
            "sbatch: prints no number",
            "",
            sbatch("print:Submitted batch job twelve"),
            0,
            "is no job number",
            3,
        ),
        (
            "sbatch: too many jobs",
            "sleep 0.3",
            (format!("\nrefuse:{limit}\nrefuse:{limit}\n"), String::new()),
            0,
            "waiting to submit",
            3,
        ),
        (
            "sbatch: too many, none there",
            "",
            sbatch(&many(&format!("refuse:{policy}"), 3)),
            69,
            "no other of this run",
            0,
        ),
        (
            "sbatch: bad account",
            "",
            sbatch(&many("refuse:Invalid account", 3)),
            69,
            "sbatch refuses the job",
            0,
        ),
        (
            "sbatch: something new",
            "",
            sbatch("refuse:Something new"),
            0,
            "Something new",
            3,
        ),
        (
            "squeue: controller away",
            "sleep 0.5",
            squeue(many(&format!("refuse:{away}"), 5)),
            0,
            "squeue gives no answer",
            3,
        ),
        (
            "squeue: away for good",
            "sleep 6",
            squeue(many(&format!("refuse:{away}"), 900)),
            69,
            "the jobs go on",
            0,
        ),
        (
            "squeue: garbage",
            "sleep 0.5",
            squeue(many("print:<html>busy</html>", 5)),
            0,
            "not what it was asked for",
            3,
        ),
        (
            "squeue: empty, jobs at work",
            "sleep 2",
            squeue(many("print:", 4)),
            0,
            "",
            3,
        ),
        (
            "squeue: a state unknown to us",
            "sleep 0.3",
            squeue(many("print:101|DREAMING|None|/", 3)),
            0,
            "",
            3,
        ),
    ];
    println!("{:<31} exit  answers  came out", "injected");
    for (what, before, (sbatch, squeue), code, said, answers) in cases {
        // A queue that says nothing for a while is believed in time; the job must end before.
        let patient = SWIFT.replace("200 ms", "30 s");
        let table = if what.contains("empty") { &patient } else { SWIFT };
        let place = scripted(before, table, &sbatch, &squeue);
        place.asked(3);
        let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
        let (found, error) = place.run(&["label", text(&asked), text(&config), "-o", text(&out), "-v"]);
        let calls = place.calls().len();
        let line = error
            .lines()
            .find(|line| !said.is_empty() && line.contains(said))
            .unwrap_or("labels");
        println!("{what:<31} {found:>4}  {calls:>7}  {line}");
        assert_eq!(found, code, "{what}: {error}");
        assert!(error.contains(said), "{what}: {error}");
        if code == 0 {
            place.assert_computed_once(answers);
            assert_eq!(read(&out).unwrap().len(), 3, "{what}");
        } else {
            assert!(!out.exists() && calls == answers, "{what}: {calls} answers, {error}");
        }
        if what == "squeue: away for good" {
            // What was under way is taken over by the next driver: nothing is computed again.
            std::fs::write(place.path("fake/squeue"), "").unwrap();
            let (code, error, frames) = place.label("out.xyz");
            assert!(code == 0 && frames.len() == 3, "{error}");
            place.assert_computed_once(3);
        }
    }
}

#[test]
fn a_job_whose_number_was_not_kept_is_found_again() {
    let table = "poll-interval = \"100 ms\"\nfile-delay = \"2 s\"";
    for (before, killed_when) in [("sleep 2", "fake/job.101"), ("", "calls")] {
        let place = scripted(before, table, "hang\n", "");
        place.asked(1);
        let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
        let arguments = ["label", text(&asked), text(&config), "-o", text(&out), "-v"];
        let mut child = place.start(&arguments);
        wait_for("the job", || place.path(killed_when).exists());
        child.kill().unwrap();
        child.wait().unwrap();
        let (code, error) = place.run(&arguments);
        assert!(
            code == 0 && error.contains("took over") | error.contains("was not kept"),
            "{error}"
        );
        place.assert_computed_once(1);
    }
    // A driver that died before sbatch: nothing is in the queue, and after a while it is submitted again.
    let place = scripted("", table, "refuse:Unable to contact slurm controller\n", "");
    place.asked(1);
    let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
    let arguments = ["label", text(&asked), text(&config), "-o", text(&out), "-v"];
    let mut child = place.start(&arguments);
    wait_for("sbatch", || place.path("fake/asked").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, error) = place.run(&arguments);
    assert!(code == 0, "{error}");
    place.assert_computed_once(1);
}

/// The first script of the guide, for this machine: its own folder, one node, three tasks, no modules.
fn guide_script(slmc: &str, limit: &str) -> String {
    let guide = std::fs::read_to_string(repository("docs/cluster.md")).unwrap();
    let script = guide.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = script.lines().filter(|line| {
        let elsewhere = [
            "--partition",
            "--account",
            "--nodes",
            "--ntasks-per-node",
            "module load",
        ];
        !elsewhere.iter().any(|word| line.contains(word))
    });
    let script: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(
        script.contains("slmc resume run") && script.contains("sbatch \"$0\""),
        "{script}"
    );
    script
        .replacen("#SBATCH --time", "#SBATCH --ntasks=3\n#SBATCH --time", 1)
        .replace("    slmc ", &format!("    {slmc} "))
        .replace("23.5 h", limit)
}

#[test]
fn the_guides_script_runs_on_nodes_of_one_allocation_and_submits_itself_until_done() {
    let Some(cluster) = Cluster::start() else { return };
    let plain = Place::new("", None);
    let whole = plain.path("run");
    let (code, error) = plain.run(&["run", text(&plain.path("slmc.toml")), "--out", text(&whole), "-q"]);
    assert_eq!(code, 0, "{error}");
    let place = Place::new("echo $SLURM_STEP_ID >> $CALLS.steps; sleep 0.2", None).on(&cluster);
    let config = std::fs::read_to_string(place.path("slmc.toml")).unwrap();
    let launch = "[oracle.command]\nlaunch = \"srun --exclusive --ntasks=1 {command}\"";
    std::fs::write(place.path("slmc.toml"), config.replace("[oracle.command]", launch)).unwrap();
    std::fs::write(place.path("job.sh"), guide_script(env!("CARGO_BIN_EXE_slmc"), "1 h")).unwrap();
    let script = place.path("job.sh");
    let chdir = format!("--chdir={}", text(place.folder.path()));
    let output = cluster.ask("sbatch", &["--parsable", &chdir, text(&script)]);
    let first = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // Slurm's warning, as `--signal=B:TERM@600` gives it.
    wait_for("labels", || lines(&place.path("calls")) >= 4);
    cluster.ask("scancel", &["--batch", "--signal=TERM", &first]);
    wait_for("the report", || {
        place.path("run/report.html").exists() && cluster.jobs().is_empty()
    });
    let log = std::fs::read_to_string(place.path(&format!("slmc-{first}.log"))).unwrap();
    assert!(log.contains("SIGTERM received"), "{log}");
    assert_same_decisions(&whole, &place.path("run"));
    place.assert_computed_once(labels(&whole).len());
    let jobs: BTreeSet<String> = place.calls().into_iter().map(|(_, job)| job).collect();
    assert_eq!(jobs.len(), 2, "two jobs, each with many steps: {jobs:?}");
    let steps = std::fs::read_to_string(place.path("calls.steps")).unwrap();
    assert!(steps.lines().all(|step| step.parse::<u64>().is_ok()), "{steps}");
}

#[test]
fn one_question_serves_all_jobs_and_tables_are_checked() {
    let table = "poll-interval = \"500 ms\"\nfile-delay = \"1 s\"";
    let place = scripted("sleep 2", table, "", "");
    place.asked(12);
    let config = std::fs::read_to_string(place.path("slmc.toml")).unwrap();
    std::fs::write(place.path("slmc.toml"), config.replace("workers = 3", "workers = 12")).unwrap();
    let begun = Instant::now();
    let (code, error, _) = place.label("out.xyz");
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(code, 0, "{error}");
    let asked = std::fs::read_to_string(place.path("fake/asked")).unwrap();
    let count = |name: &str| asked.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(count("sbatch"), 12);
    assert!(
        count("squeue") as f64 <= 2.0 + seconds / 0.5,
        "{} questions in {seconds:.1} s",
        count("squeue")
    );

    // What cannot work is said before anything runs.
    let complaint = |from: &str, to: &str| {
        std::fs::write(place.path("bad.toml"), config.replace(from, to)).unwrap();
        let (code, error) = place.run(&["check", text(&place.path("bad.toml"))]);
        assert_eq!(code, 78, "{error}");
        error
    };
    assert!(complaint(table, "options = [\"--array=1-3\"]").contains("--array"));
    assert!(complaint(table, "template = \"nowhere.sh\"").contains("nowhere.sh"));
    assert!(complaint(table, "poll-interval = \"0 s\"").contains("poll-interval"));
    assert!(complaint(table, "partion = \"x\"").contains("partion"));
    let socket = "[oracle.cp2k]\n[oracle.cp2k.slurm]\n[proposal";
    let error = complaint("[proposal", socket);
    assert!(error.contains("several oracles"), "{error}");
    let own = &config[config.find("[oracle").unwrap()..config.find("[proposal").unwrap()];
    let error = complaint(own, "[oracle.espresso]\n[oracle.espresso.slurm]\n");
    assert!(error.contains("mode = \"file\""), "{error}");
    // Without Slurm's commands.
    let mut place = Place::new("", Some(table));
    place.environment.push(("PATH".to_owned(), "/nowhere".to_owned()));
    let (code, error) = place.run(&["check", text(&place.path("slmc.toml"))]);
    assert!(code == 78 && error.contains("no `sbatch`"), "{error}");
    let path: &Path = &place.path("slmc.toml");
    let (code, error) = place.run(&["run", text(path), "--out", text(&place.path("run")), "-q"]);
    assert!(code == 69 && error.contains("cannot run sbatch"), "{code}: {error}");
}
