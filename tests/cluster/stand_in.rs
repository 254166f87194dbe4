//! A stand-in for Slurm that misbehaves as told: each misbehaviour ends in a retried label or a clean stop.

use std::os::unix::fs::PermissionsExt;

use slmc::formats::read;

use crate::harness::text;
use crate::place::Place;

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
        *) case $how in nodes:*) export SLURM_JOB_NUM_NODES=${how#nodes:};; esac
           ( flock -u 9; exec 9>&-; SLURM_JOB_ID=$id setsid bash "$script" >/dev/null 2>&1 </dev/null
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
sacct)
    case $how in
        refuse:*) echo "sacct: error: ${how#refuse:}" >&2; exit 1;;
        *) printf '%b' "$how";;
    esac;;
esac
exit 0
"#;

/// A place whose Slurm is the stand-in, scripted: lines for sbatch and for squeue.
pub fn scripted(before: &str, table: &str, sbatch: &str, squeue: &str) -> Place {
    let mut place = Place::new(before, Some(table));
    for folder in ["bin", "fake"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    for name in ["sbatch", "squeue", "scancel", "sacct"] {
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
fn memory_is_what_the_job_saw_or_what_accounting_knows_and_costs_no_label() {
    let table = "poll-interval = \"40 ms\"\nfile-delay = \"200 ms\"";
    // The job looks meanwhile: its figure may come between the two commands.
    let blind = "until mkdir slurm.memory 2>/dev/null; do rm -f slurm.memory; done";
    let cases = [
        // The job's own look suffices.
        ("sleep 0.4", "", "900G\\n", "MB a process", 0),
        // Jobs on several nodes: accounting may know of larger ones elsewhere, in its own time.
        (
            "sleep 0.4",
            "nodes:2\n",
            "\\n35064K\\n5.5G\\n\n\n",
            "at most 5906 MB a process",
            3,
        ),
        ("sleep 0.4", "nodes:2\n", "\\n12K\\n", "MB a process", 3),
        // Nothing is known from either: accounting is asked once, and the labels are there.
        (
            blind,
            "",
            "refuse:Slurm accounting storage is disabled",
            "labelled in",
            1,
        ),
        (blind, "", "50M\\n", "at most 52 MB a process", 3),
    ];
    for (before, sbatch, sacct, said, asked_sacct) in cases {
        let place = scripted(before, table, &sbatch.repeat(3), "");
        std::fs::write(place.path("fake/sacct"), sacct).unwrap();
        let config = std::fs::read_to_string(place.path("slmc.toml")).unwrap();
        std::fs::write(place.path("slmc.toml"), config.replace("workers = 3", "workers = 1")).unwrap();
        place.asked(3);
        let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
        let (code, error) = place.run(&["label", text(&asked), text(&config), "-o", text(&out), "-v"]);
        assert!(code == 0 && error.contains(said), "{error}");
        assert_eq!(error.contains("MB a process"), said.contains("MB"), "{error}");
        place.assert_computed_once(3);
        let questions = std::fs::read_to_string(place.path("fake/asked")).unwrap();
        let count = questions.lines().filter(|line| line.starts_with("sacct")).count();
        assert_eq!(count, asked_sacct, "{questions}");
    }
}
