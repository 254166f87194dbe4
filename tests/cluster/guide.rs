//! The guide's submission scripts, taken from the guide.

use std::collections::BTreeSet;

use crate::harness::{assert_same_decisions, labels, lines, repository, text, wait_for};
use crate::place::{Place, QUICK};
use crate::slurm::Cluster;

/// A script of the guide, for this machine: its own folder, one node, no modules, so many tasks.
fn guide_script(number: usize, tasks: usize) -> String {
    let guide = std::fs::read_to_string(repository("docs/cluster.md")).unwrap();
    let script = guide
        .split("```bash\n")
        .nth(number)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let lines = script.lines().filter(|line| {
        let elsewhere = ["--partition", "--account", "--nodes", "--ntasks", "module load"];
        !elsewhere.iter().any(|word| line.contains(word))
    });
    let script: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(
        script.contains("slmc resume run") && script.contains("sbatch \"$0\""),
        "{script}"
    );
    let slmc = env!("CARGO_BIN_EXE_slmc");
    script
        .replacen(
            "#SBATCH --time",
            &format!("#SBATCH --ntasks={tasks}\n#SBATCH --time"),
            1,
        )
        .replace("slmc run ", &format!("{slmc} run "))
        .replace("slmc resume ", &format!("{slmc} resume "))
}

/// Submits a script of the guide, warns it as `--signal=B:TERM@...` does once some labels are there, and waits for the end of the
/// run, to which the script has to submit itself again. Gives the first job's output.
fn follow_the_guide(cluster: &Cluster, place: &Place, script: &str, log: &str) -> String {
    std::fs::write(place.path("job.sh"), script).unwrap();
    let chdir = format!("--chdir={}", text(place.folder.path()));
    let output = cluster.ask("sbatch", &["--parsable", &chdir, text(&place.path("job.sh"))]);
    let first = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // In the middle of a calculation.
    wait_for("labels", || {
        let calls = lines(&place.path("calls"));
        calls >= 3 && lines(&place.path("calls.begun")) > calls
    });
    cluster.ask("scancel", &["--batch", "--signal=TERM", &first]);
    wait_for("the report", || {
        place.path("run/report.html").exists() && cluster.jobs().is_empty()
    });
    let log = std::fs::read_to_string(place.path(&format!("{log}-{first}.log"))).unwrap();
    assert!(log.contains("SIGTERM received"), "{log}");
    log
}

#[test]
fn the_guides_scripts_submit_themselves_until_the_run_is_done() {
    let Some(cluster) = Cluster::start() else { return };
    let plain = Place::new("", None);
    let whole = plain.path("run");
    let (code, error) = plain.run(&["run", text(&plain.path("slmc.toml")), "--out", text(&whole), "-q"]);
    assert_eq!(code, 0, "{error}");
    let count = labels(&whole).len();
    let jobs = |place: &Place| -> usize {
        let jobs: BTreeSet<String> = place.calls().into_iter().map(|(_, job)| job).collect();
        jobs.len()
    };

    // Inside one allocation: labels are steps of the job.
    let place = Place::new(
        "echo >> $CALLS.begun; echo $SLURM_STEP_ID >> $CALLS.steps; sleep 0.2",
        None,
    )
    .on(&cluster);
    let config = std::fs::read_to_string(place.path("slmc.toml")).unwrap();
    let launch = "[oracle.command]\nlaunch = \"srun --exclusive --ntasks=1 {command}\"";
    std::fs::write(place.path("slmc.toml"), config.replace("[oracle.command]", launch)).unwrap();
    follow_the_guide(&cluster, &place, &guide_script(1, 3), "slmc");
    assert_same_decisions(&whole, &place.path("run"));
    place.assert_computed_once(count);
    assert_eq!(jobs(&place), 2, "two jobs, each with many steps");
    let steps = std::fs::read_to_string(place.path("calls.steps")).unwrap();
    assert!(steps.lines().all(|step| step.parse::<u64>().is_ok()), "{steps}");

    // The driver in a small job of its own: its labels are jobs of another shape, and are left and taken over.
    let table = format!("{QUICK}\nntasks = 2\nsetup = \"echo $SLURM_NTASKS >> $PWD/../../../tasks\"");
    // The labels around the warning are long, so that it comes while they are under way on any machine.
    let calculation =
        "echo >> $CALLS.begun; n=$(wc -l < $CALLS.begun); [ $n -gt 3 ] && [ $n -le 7 ] && sleep 4; sleep 0.2";
    let place = Place::new(calculation, Some(&table)).on(&cluster);
    let log = follow_the_guide(&cluster, &place, &guide_script(2, 1), "driver");
    assert_same_decisions(&whole, &place.path("run"));
    place.assert_computed_once(count);
    assert_eq!(jobs(&place), count);
    let tasks = std::fs::read_to_string(place.path("tasks")).unwrap();
    assert!(tasks.lines().all(|line| line == "2"), "{tasks}");
    let events = std::fs::read_to_string(place.path("run/events.jsonl")).unwrap();
    assert!(
        events.contains("is left in the queue") && events.contains("took over"),
        "{log}\n{events}"
    );
}
