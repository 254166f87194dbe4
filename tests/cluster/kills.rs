//! Drivers killed at random moments: no label is lost, none computed twice, and the decisions are the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::harness::{self, assert_same_decisions, full, labels, repository, text, wait_for};
use crate::place::{Place, QUICK};
use crate::slurm::Cluster;

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

/// The replica of VASP, where it is built.
fn replica() -> Option<PathBuf> {
    let here = std::env::current_exe().unwrap();
    let path = here.ancestors().nth(2).unwrap().join("examples/vasp-replica");
    if !path.is_file() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

/// Eight silicon atoms on a replica of VASP with this fault, from wavefunctions of the accepted structure.
fn vasp(replica: &Path, fault: &str, table: &str) -> Place {
    let place = Place::new("", None);
    let recipe = place.path("recipe");
    std::fs::write(
        recipe.join("INCAR"),
        "ENCUT = 400\nEDIFF = 1E-6\nALGO = Fast\nNELM = 60\n",
    )
    .unwrap();
    std::fs::write(recipe.join("KPOINTS"), "title\n0\nGamma\n1 1 1\n0 0 0\n").unwrap();
    // Not a potential: only the lines that are looked at.
    let potcar = "  PAW_PBE Si 05Jan2001\n   VRHFIN =Si: s2p2\n   LEXCH  = PE\n   TITEL  = PAW_PBE Si 05Jan2001\n   ENMAX  =  245.345; ENMIN  =  \
                  184.009 eV\n End of Dataset\n";
    std::fs::write(recipe.join("POTCAR"), potcar).unwrap();
    let config = format!(
        "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"3 fs\"\nsteps = 8\n\
         [oracle.vasp]\nrecipe = \"recipe\"\ncommand = \"'{}'\"\n\
         environment = {{ VASP_REPLICA_COUNT = \"{}\", VASP_REPLICA_FAULT = \"{fault}\" }}\n{table}\n\
         [proposal.stillinger-weber]\nepsilon = \"2.3 eV\"\n[pool]\nworkers = 2\ncold-check-every = 0\n\
         [sampling]\nsteps = 5\ndiscard = 1\nchains = 2\nseed = 3\n",
        text(replica),
        text(&place.path("count"))
    );
    let start = std::fs::read_to_string(repository("examples/silicon-dft/silicon.xyz")).unwrap();
    harness::write(place.folder.path(), &start, &config);
    place
}

#[test]
fn repairs_and_wavefunctions_go_on_in_batch_jobs_after_kills() {
    let (Some(replica), Some(cluster)) = (replica(), Cluster::start()) else {
        return;
    };
    // It converges only after repairs.
    let plain = vasp(&replica, "unconverged-fast", "");
    let whole = plain.path("run");
    let (code, error) = plain.run(&["run", text(&plain.path("slmc.toml")), "--out", text(&whole), "-q"]);
    assert_eq!(code, 0, "{error}");
    let place = vasp(
        &replica,
        "unconverged-fast",
        &format!("[oracle.vasp.slurm]\n{QUICK}\nsetup = \"sleep 0.15\""),
    )
    .on(&cluster);
    let (config, run) = (place.path("slmc.toml"), place.path("run"));
    let mut generator = Pcg64::seed_from_u64(11);
    for _ in 0..5 {
        let mut child = if run.join("labels/header.json").exists() {
            place.start(&["resume", text(&run), "-q"])
        } else {
            place.start(&["run", text(&config), "--out", text(&run), "-q"])
        };
        std::thread::sleep(Duration::from_secs_f64(0.1 + 1.1 * generator.random::<f64>()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (code, error) = place.run(&["resume", text(&run), "-q"]);
    assert_eq!(code, 0, "{error}");
    assert_same_decisions(&whole, &run);
    // Each calculation, repairs included, has a folder of its own and was done there once.
    let count = std::fs::read_to_string(place.path("count")).unwrap();
    let folders: BTreeSet<&str> = count.lines().collect();
    assert_eq!(folders.len(), count.lines().count(), "{count}");
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(
        events.contains("took over") && events.contains("reached the solution"),
        "{events}"
    );
    let in_repair = events
        .lines()
        .filter(|line| line.contains("took over") && line.contains("repair-"))
        .count();
    let labelled = labels(&run).len();
    eprintln!(
        "{labelled} labels in {} calculations; {in_repair} taken over in the middle of a repair",
        folders.len()
    );
}

/// Makes each calculation from nothing that is to be compared last `seconds`.
fn compare_slowly(place: &Place, seconds: u32) {
    let config = std::fs::read_to_string(place.path("slmc.toml")).unwrap();
    let config = config
        .replace("cold-check-every = 0", "cold-check-every = 2")
        .replace("sleep 0.15", &format!("case $PWD in *-cold-*) sleep {seconds};; esac"));
    std::fs::write(place.path("slmc.toml"), config).unwrap();
}

/// The folders of calculations from nothing that are to be compared, of a run.
fn to_compare(run: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(run.join("jobs")).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path());
    let of_cold = |path: &PathBuf| path.to_string_lossy().contains("-cold-") && !path.join("slurm.closed").exists();
    folders.filter(of_cold).collect()
}

#[test]
fn a_driver_killed_while_it_compares_leaves_no_job_behind() {
    let (Some(replica), Some(cluster)) = (replica(), Cluster::start()) else {
        return;
    };
    let table = format!("[oracle.vasp.slurm]\n{QUICK}\nsetup = \"sleep 0.15\"");
    let plain = vasp(&replica, "", "");
    let whole = plain.path("run");
    let (code, error) = plain.run(&["run", text(&plain.path("slmc.toml")), "--out", text(&whole), "-q"]);
    assert_eq!(code, 0, "{error}");
    // With one worker the chain that was being compared need not be the first to ask again.
    for (workers, compares) in [(1, true), (2, true), (1, false)] {
        let place = vasp(&replica, "", &table).on(&cluster);
        compare_slowly(&place, if compares { 2 } else { 60 });
        let (config, run) = (place.path("slmc.toml"), place.path("run"));
        let set = format!("pool.workers={workers}");
        let mut child = place.start(&["run", text(&config), "--out", text(&run), "-q", "--set", &set]);
        wait_for("a comparison", || {
            // What Slurm opens when the job begins: it sleeps before it takes the right to compute.
            to_compare(&run).iter().any(|folder| folder.join("slurm.log").exists())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let left = to_compare(&run);
        assert!(!left.is_empty() && !cluster.jobs().is_empty());
        let mut arguments = vec!["resume", text(&run), "-q"];
        if !compares {
            arguments.extend(["--set", "pool.cold-check-every=0"]);
        }
        let (code, error) = place.run(&arguments);
        assert_eq!(code, 0, "{error}");
        assert_same_decisions(&whole, &run);
        wait_for("an empty queue", || cluster.jobs().is_empty());
        let count = std::fs::read_to_string(place.path("count")).unwrap_or_default();
        let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
        for folder in left {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let taken_over = events
                .lines()
                .filter(|line| line.contains("took over") && line.contains(&name))
                .count();
            let computed = count.lines().filter(|line| line.contains(&name)).count();
            assert_eq!(
                (taken_over, computed),
                if compares { (1, 1) } else { (0, 0) },
                "{events}{count}"
            );
        }
        assert!(to_compare(&run).is_empty());
    }
}
