//! Labels in batch jobs are the labels, in jobs of the shape that was asked for.

use std::collections::BTreeSet;

use slmc::formats::read;

use crate::harness::{repository, text};
use crate::place::{Place, QUICK, same_labels};
use crate::slurm::Cluster;

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
    let program = "squeue --noheader --jobs=$SLURM_JOB_ID --format='%P %l %j %k' >> $CALLS.shape; echo $SHAPE >> $CALLS.shape\n\
                   echo $(date +%s%N) 1 >> $CALLS.times; trap 'echo $(date +%s%N) -1 >> $CALLS.times' EXIT; sleep 0.3";
    let place = Place::new(program, Some(&table)).on(&cluster);
    std::fs::copy(plain.path("asked.xyz"), place.path("asked.xyz")).unwrap();
    let (code, error) = place.run(&["check", text(&place.path("slmc.toml"))]);
    assert_eq!(code, 0, "{error}");
    let (asked, config, out) = (place.path("asked.xyz"), place.path("slmc.toml"), place.path("out.xyz"));
    let (code, error) = place.run(&["label", text(&asked), text(&config), "-o", text(&out), "-v"]);
    assert_eq!(code, 0, "{error}");
    if cfg!(target_os = "linux") {
        assert_eq!(error.matches("MB a process").count(), 5, "{error}");
    }
    same_labels(&expected, &read(&out).unwrap());
    place.assert_computed_once(5);
    let jobs: BTreeSet<String> = place.calls().into_iter().map(|(_, job)| job).collect();
    assert!(jobs.len() == 5 && !jobs.contains("none"), "{jobs:?}");
    let shape = std::fs::read_to_string(place.path("calls.shape")).unwrap();
    assert!(
        shape.contains("main 2:00 argon-frame-000000-0 a b") && shape.contains("2-2"),
        "{shape}"
    );
    assert!(!place.path("out.xyz.jobs").exists(), "folders of answers are removed");
    // `most-jobs` holds, with more workers.
    let times = std::fs::read_to_string(place.path("calls.times")).unwrap();
    let mut times: Vec<(u64, i32)> = times
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(time, change)| (time.parse().unwrap(), change.parse().unwrap()))
        .collect();
    times.sort_unstable();
    let at_once = times.iter().scan(0, |count, (_, change)| {
        *count += change;
        Some(*count)
    });
    assert_eq!((times.len(), at_once.max()), (10, Some(2)));

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

    // Real codes, where they are there.
    let there = |name: &str| {
        let path = std::env::var_os("PATH").unwrap();
        let there = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
        if !there {
            eprintln!("skipped: no {name}");
        }
        there
    };
    let codes = [
        ("espresso", "pw.x", "examples/silicon-dft/silicon.xyz"),
        ("cp2k", "cp2k", "examples/quartz-dft/quartz.xyz"),
    ];
    for (oracle, _, start) in codes.into_iter().filter(|(_, program, _)| there(program)) {
        let start = repository(start);
        let mut found = Vec::new();
        for table in ["", "{poll-interval=\"300 ms\"}"] {
            let out = place.path(&format!("{oracle}-{}.xyz", table.len()));
            let set = |key: &str, value: &str| ["--set".to_owned(), format!("oracle.{oracle}.{key}={value}")];
            let recipe = repository(&format!("oracles/{oracle}"));
            let mut settings = [
                set("mode", "\"file\""),
                set("recipe", &format!("\"{}\"", text(&recipe))),
            ]
            .concat();
            if !table.is_empty() {
                settings.extend(set("slurm", table));
            }
            let mut arguments = vec!["label", text(&start), "-o", text(&out), "-q", "--oracle", oracle];
            arguments.extend(settings.iter().map(String::as_str));
            let (code, error) = place.run(&arguments);
            assert_eq!(code, 0, "{oracle}: {error}");
            found.push(read(&out).unwrap());
        }
        same_labels(&found[0], &found[1]);
    }
}
