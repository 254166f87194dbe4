//! Jobs whose numbers were not kept, jobs of another surface, and the questions that are asked.

use std::path::Path;
use std::time::Instant;

use slmc::formats::read;

use crate::harness::{text, wait_for};
use crate::place::Place;
use crate::stand_in::scripted;

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
    // A job of another surface is not taken over: its answer would carry the fingerprint of this one.
    let place = scripted("sleep 2", table, "", "");
    place.asked(1);
    let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
    let arguments = ["label", text(&asked), text(&config), "-o", text(&out), "-v"];
    let mut child = place.start(&arguments);
    wait_for("the job", || {
        let record = std::fs::read_to_string(place.path("out.xyz.jobs/frame-000000-0/slurm.json"));
        record.is_ok_and(|record| record.contains("101"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let program = std::fs::read_to_string(place.path("recipe/label.sh")).unwrap();
    std::fs::write(place.path("recipe/label.sh"), program.replace("k=1.0", "k=3.0")).unwrap();
    let (code, error) = place.run(&arguments);
    assert!(code == 0 && !error.contains("took over"), "{error}");
    let cancelled = std::fs::read_to_string(place.path("fake/asked")).unwrap();
    assert!(cancelled.lines().any(|line| line == "scancel 101"), "{cancelled}");
    let frame = &read(&out).unwrap()[0];
    let at = [[2.0, 2.0, 2.0], [6.0, 2.0, 2.0], [2.0, 6.0, 2.0], [2.0, 2.0, 6.0]];
    let pairs = frame.structure.positions.iter().flatten().zip(at.iter().flatten());
    let expected: f64 = pairs.map(|(x, at)| 1.5 * (x - at) * (x - at)).sum();
    let energy = frame.labels.as_ref().unwrap().energy;
    assert!((energy - expected).abs() < 1e-9, "{energy} is not {expected}");

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
