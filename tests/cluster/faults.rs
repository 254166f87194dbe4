//! What happens to jobs, nodes and controllers of a real Slurm, and what of it is told.

use std::time::{Duration, Instant};

use crate::harness::{full, lines, signal, text, wait_for};
use crate::place::{Place, QUICK};
use crate::slurm::Cluster;

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

    // The node fails under a job and comes back; and in the long matrix a job runs into its time limit.
    let mut limits = vec![("NODE_FAIL", "10 min")];
    if full() {
        limits.push(("TIMEOUT", "1 min"));
    }
    for (word, time) in limits {
        let table = format!("{QUICK}\ntime = \"{time}\"");
        let place = Place::new("mkdir $CALLS.first 2>/dev/null && sleep 600", Some(&table)).on(&cluster);
        place.asked(2);
        let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
        let child = place.start(&["label", text(&asked), text(&config), "-o", text(&out), "-v"]);
        wait_for("the job", || {
            place.path("calls.first").exists() && lines(&place.path("calls")) == 1
        });
        if word == "NODE_FAIL" {
            let update = ["update", "nodename=node0", "reason=test"];
            cluster.ask("scontrol", &[&update[..], &["state=down"]].concat());
            std::thread::sleep(Duration::from_secs(1));
            cluster.ask("scontrol", &[&update[..], &["state=resume"]].concat());
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(word), "{said}");
        place.assert_computed_once(2);
    }

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
