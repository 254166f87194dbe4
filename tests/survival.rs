//! The promise: a run may be killed, stopped or starved at any moment, and goes on as if nothing had happened.

mod harness;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{
    argon_at_constant_pressure, argon_ladder, assert_same_decisions, einstein, einstein_ladder, expect, full, labels,
    lines, silicon, silicon_at_constant_pressure, silicon_ladder, start, text, wait_for,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// A configuration with settings, run without a disturbance; gives the directory and the seconds it took.
fn undisturbed(folder: &Path, config: &Path, settings: &[&str]) -> (PathBuf, f64) {
    let directory = folder.join("whole");
    let begun = Instant::now();
    let mut arguments = vec!["run", text(config), "--out", text(&directory), "--quiet"];
    arguments.extend_from_slice(settings);
    expect(0, &arguments);
    (directory, begun.elapsed().as_secs_f64())
}

/// The same run, killed up to `kills` times at random moments of its first half and resumed; gives the directory and how many
/// kills hit a living process.
fn killed(folder: &Path, config: &Path, settings: &[&str], kills: usize, seconds: f64, seed: u64) -> (PathBuf, usize) {
    let directory = folder.join(format!("killed-{seed}"));
    let mut generator = Pcg64::seed_from_u64(seed);
    let mut hits = 0;
    for _ in 0..kills {
        let arguments = if directory.join("labels/header.json").exists() {
            vec!["resume", text(&directory), "--quiet"]
        } else {
            let mut arguments = vec!["run", text(config), "--out", text(&directory), "--quiet"];
            arguments.extend_from_slice(settings);
            arguments
        };
        let mut child = start(&arguments);
        std::thread::sleep(Duration::from_secs_f64(generator.random::<f64>() * 0.5 * seconds));
        hits += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    if directory.join("labels/header.json").exists() {
        expect(0, &["resume", text(&directory), "--quiet"]);
    } else {
        let mut arguments = vec!["run", text(config), "--out", text(&directory), "--quiet"];
        arguments.extend_from_slice(settings);
        expect(0, &arguments);
    }
    (directory, hits)
}

/// Kills a run again and again and asserts that nothing differs from the run that was left alone.
fn survives(name: &str, config: impl Fn(&Path) -> PathBuf, settings: &[&str], kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (whole, seconds) = undisturbed(folder.path(), &config, settings);
    let seeds = if full() { 3 } else { 1 };
    for seed in 0..seeds {
        let kills = if full() { 50_usize.div_ceil(3) } else { kills };
        let (again, hits) = killed(folder.path(), &config, settings, kills, seconds, seed);
        eprintln!("{name}: {hits} of {kills} kills hit, {seconds:.2} s undisturbed");
        assert_same_decisions(&whole, &again);
        assert_eq!(labels(&whole), labels(&again), "{name}: the labels differ");
    }
}

#[test]
fn killed_on_a_given_surface() {
    survives("einstein", einstein, &[], 4);
}

#[test]
fn killed_at_constant_pressure() {
    let on_a_surface = |folder: &Path| argon_at_constant_pressure(folder);
    survives("npt", on_a_surface, &[], 3);
    let on_the_oracle = ["--set", "sampling.kernel=\"hmc\"", "--set", "sampling.steps=60"];
    survives("npt, hmc", on_a_surface, &on_the_oracle, 2);
    survives("npt, learning", silicon_at_constant_pressure, &[], 3);
}

#[test]
fn killed_in_inner_chains_and_local_moves() {
    let nested = ["--set", "sampling.kernel.nested={inner-moves=4,temperature=\"320 K\"}"];
    survives("einstein, nested", einstein, &nested, 3);
    let local = [
        "--set",
        "sampling.kernel.local={regions={radius=\"3 Å\"},whole-cell=0.2}",
    ];
    survives("einstein, local", einstein, &local, 2);
    let nested = ["--set", "sampling.kernel.nested={inner-moves=3}"];
    survives("silicon, nested", |folder| silicon(folder, 2, 1), &nested, 3);
}

#[test]
fn killed_with_a_mass_matrix() {
    let settings = [
        "--set",
        "trajectory.masses=\"hessian\"",
        "--set",
        "trajectory.mass-modes=5",
    ];
    survives("silicon, masses", |folder| silicon(folder, 2, 1), &settings, 4);
}

#[test]
fn a_lost_mass_matrix_is_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let settings = ["--set", "trajectory.masses=\"hessian\""];
    let (whole, _) = undisturbed(folder.path(), &config, &settings);
    let learning = std::fs::read_to_string(whole.join("learning.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(learning.lines().last().unwrap()).unwrap();
    let made_for = last["generation"]["masses"]
        .as_u64()
        .expect("the frozen generation has a matrix");
    let file = whole.join(format!("potentials/gen-{made_for:03}/masses.json"));
    let text = std::fs::read(&file).unwrap();
    let resume = ["resume", harness::text(&whole), "--quiet", "--set", "sampling.steps=40"];
    std::fs::remove_file(&file).unwrap();
    let (_, said) = expect(65, &resume);
    assert!(
        said.contains("masses.json") && said.contains("restore the file"),
        "{said}"
    );
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert!(expect(65, &resume).1.contains("masses.json"));
    std::fs::write(&file, text).unwrap();
    expect(0, &resume);
}

#[test]
fn killed_between_exchanges() {
    survives("ladder", einstein_ladder, &[], 5);
    survives("ladder, npt", argon_ladder, &[], 4);
    let on_the_oracle = ["--set", "sampling.kernel=\"hmc\"", "--set", "sampling.steps=40"];
    survives("ladder, hmc", einstein_ladder, &on_the_oracle, 3);
    survives("ladder, learning", |folder| silicon_ladder(folder, 1), &[], 4);
}

#[test]
fn killed_between_two_stages() {
    let cheap = [
        "--set",
        "delayed-acceptance.oracle.einstein.force-constant=\"1.15 eV/Å²\"",
    ];
    survives("two stages", einstein, &cheap, 4);
    survives("two stages, ladder", einstein_ladder, &cheap, 3);
    let cheap = [
        "--set",
        "delayed-acceptance.oracle.lennard-jones={cutoff=\"6 Å\",epsilon=\"10.6 meV\"}",
    ];
    survives("two stages, npt", argon_at_constant_pressure, &cheap, 3);
    let cheap = ["--set", "delayed-acceptance.oracle.stillinger-weber.epsilon=\"2.1 eV\""];
    survives("two stages, learning", |folder| silicon(folder, 2, 1), &cheap, 3);
}

/// Both oracles are dear: each label of each is bought once.
#[test]
fn neither_of_two_oracles_is_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    let config = counted(folder.path());
    let text_of = std::fs::read_to_string(&config).unwrap();
    let oracle = text_of
        .split("[oracle.ipi]")
        .nth(1)
        .unwrap()
        .split("[proposal")
        .next()
        .unwrap();
    let (count, first) = (folder.path().join("count"), folder.path().join("first"));
    let cheaper = oracle.replace(text(&count), text(&first));
    std::fs::write(
        &config,
        format!("{text_of}[delayed-acceptance]\nworkers = 2\n[delayed-acceptance.oracle.ipi]{cheaper}"),
    )
    .unwrap();
    let (whole, seconds) = undisturbed(folder.path(), &config, &[]);
    let needed = [lines(&count), lines(&first)];
    assert_eq!(labels(&whole).len(), needed[0], "each label is journalled");
    assert_eq!(
        lines(&whole.join("labels/first-stage.jsonl")),
        2 * needed[1],
        "and those of the first stage"
    );
    // 25 steps of three chains: the first stage sees every proposal and each start, the dear oracle what passed and one start.
    assert_eq!(needed[1], 78);
    assert!(needed[0] < 70, "{needed:?}");
    for file in [&count, &first] {
        std::fs::remove_file(file).unwrap();
    }
    let (again, hits) = killed(folder.path(), &config, &[], if full() { 50 } else { 4 }, seconds, 1);
    assert_same_decisions(&whole, &again);
    assert_eq!(labels(&whole), labels(&again));
    for (file, needed) in [(&count, needed[0]), (&first, needed[1])] {
        let bought = lines(file);
        assert!(
            bought >= needed && bought <= needed + 2 * hits,
            "{bought} labels computed, {needed} needed, {hits} kills"
        );
    }
}

/// A ladder that is thawed has rounds that begin anew, and goes on the same.
#[test]
fn a_ladder_learns_again_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon_ladder(folder.path(), 0);
    let run = |name: &str| folder.path().join(name);
    for name in ["once", "again"] {
        let out = run(name);
        expect(0, &["run", text(&config), "--out", text(&out), "--quiet"]);
        let more = ["--set", "learning.stop-after=180", "--set", "max-labels=190"];
        let mut arguments = vec!["resume", text(&out), "--relearn", "--quiet"];
        arguments.extend(more);
        if name == "again" {
            let mut child = start(&arguments);
            std::thread::sleep(Duration::from_millis(400));
            child.kill().unwrap();
            child.wait().unwrap();
            arguments = vec!["resume", text(&out), "--quiet"];
            let journal = std::fs::read_to_string(out.join("learning.jsonl")).unwrap();
            if !journal.contains("relearn") {
                arguments = vec!["resume", text(&out), "--relearn", "--quiet"];
                arguments.extend(more);
            }
        }
        expect(0, &arguments);
    }
    assert_same_decisions(&run("once"), &run("again"));
}

#[test]
fn killed_while_learning() {
    survives("silicon, lag 0", |folder| silicon(folder, 3, 0), &[], 4);
}

#[test]
fn killed_while_learning_with_overlap() {
    survives("silicon, lag 1", |folder| silicon(folder, 2, 1), &[], 4);
}

#[test]
fn killed_on_the_oracles_forces() {
    let settings = ["--set", "sampling.kernel=\"hmc\"", "--set", "sampling.steps=120"];
    survives("hmc", einstein, &settings, 3);
}

#[test]
fn killed_in_langevin_dynamics() {
    let on_oracle = [
        "--set",
        "sampling.kernel={langevin={friction=\"1 1/ps\"}}",
        "--set",
        "sampling.steps=100",
    ];
    survives("langevin", einstein, &on_oracle, 3);
    if full() {
        let on_surface = [
            "--set",
            "sampling.kernel={langevin={friction=\"1 1/ps\", on-network=true}}",
            "--set",
            "sampling.steps=100",
        ];
        survives("langevin on the surface", einstein, &on_surface, 3);
    }
}

#[test]
fn killed_on_the_way_to_an_effective_sample_size() {
    let settings = ["--set", "sampling.until-ess=120", "--set", "sampling.steps=5000"];
    survives("until-ess", einstein, &settings, 3);
}

#[test]
fn killed_on_the_way_to_a_label_budget() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 1);
    let settings = ["--set", "max-labels=60", "--set", "sampling.steps=5000"];
    let cheap = ["--set", "delayed-acceptance.oracle.stillinger-weber.epsilon=\"1.5 eV\""];
    for (name, settings) in [("one", settings.to_vec()), ("two", [&settings[..], &cheap].concat())] {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let (whole, _) = undisturbed(&folder, &config, &settings);
        let (out, _) = expect(0, &["analyze", text(&whole), "--json"]);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let spent = report["oracle_calls"]["total"].as_u64().unwrap();
        // What the first of two stages rejects spends nothing: only less than a label for each chain may be left.
        assert!(spent <= 60 && spent > 58, "{spent} labels of 60 were spent");
        if name == "two" {
            let stage = &report["first_stage"];
            assert!(stage["oracle_calls_saved"].as_u64().unwrap() > 0, "{stage}");
        }
        survives(
            &format!("max-labels, {name}"),
            |folder| silicon(folder, 2, 1),
            &settings,
            2,
        );
    }
}

/// A client of the i-PI protocol that binds two atoms to sites, counts its labels in a file and takes its time; run by the tests
/// below alone.
#[test]
#[ignore = "a part of the other tests, not one itself"]
fn counting_client() {
    let Ok(count) = std::env::var("SLMC_TEST_COUNT") else {
        eprintln!("skipped: no test started this client");
        return;
    };
    let mut stream = UnixStream::connect(std::env::var("SLMC_TEST_SOCKET").unwrap()).unwrap();
    let header = |name: &str| format!("{name:12}").into_bytes();
    let mut positions: Option<Vec<f64>> = None;
    loop {
        let mut word = [0; 12];
        if stream.read_exact(&mut word).is_err() {
            return;
        }
        let mut reply = Vec::new();
        match std::str::from_utf8(&word).unwrap().trim_end() {
            "STATUS" => reply = header(if positions.is_some() { "HAVEDATA" } else { "READY" }),
            "POSDATA" => {
                let mut head = [0; 148];
                let mut body = [0; 48];
                stream.read_exact(&mut head).unwrap();
                stream.read_exact(&mut body).unwrap();
                let numbers = body.chunks_exact(8);
                positions = Some(numbers.map(|x| f64::from_ne_bytes(x.try_into().unwrap())).collect());
                std::thread::sleep(Duration::from_millis(4));
            }
            "GETFORCE" => {
                let (mut energy, mut forces) = (0.0, Vec::new());
                for (index, x) in positions.take().unwrap().into_iter().enumerate() {
                    // Sites at 3 and 5 Å in each direction, a spring of 0.02 hartree per square bohr.
                    let away = x - if index < 3 { 3.0 } else { 5.0 } / 0.529_177_210_903;
                    energy += 0.01 * away * away;
                    forces.extend((-0.02 * away).to_ne_bytes());
                }
                // One write: lines of several clients never mix.
                let mut file = std::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&count)
                    .unwrap();
                file.write_all(format!("{energy:e}\n").as_bytes()).unwrap();
                reply = header("FORCEREADY");
                reply.extend(energy.to_ne_bytes());
                reply.extend(2_i32.to_ne_bytes());
                reply.extend(forces);
                reply.extend([0; 72]);
                reply.extend(0_i32.to_ne_bytes());
            }
            _ => return,
        }
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

/// A configuration whose labels are dear: the client above, with a count of its labels beside it.
fn counted(folder: &Path) -> PathBuf {
    let client = std::env::current_exe().unwrap();
    let command = format!(
        "sh -c 'SLMC_TEST_SOCKET=/tmp/ipi_$1 exec \"{}\" --ignored --exact counting_client' - {{socket}}",
        client.display()
    );
    harness::write(
        folder,
        "2\nLattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\nAr 3 3 3\nAr 5 5 5\n",
        &format!(
            "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"20 fs\"\nsteps = 5\n\
             [oracle.ipi]\ncommand = {command:?}\ntranslation-invariant = false\nsurface = \"springs\"\n\
             environment = {{ SLMC_TEST_COUNT = {:?} }}\n\
             [proposal.einstein]\nforce-constant = \"2.5 eV/Å²\"\nsites = [[3, 3, 3], [5, 5, 5]]\n\
             [pool]\nworkers = 2\nretry-delay = \"10 ms\"\n\
             [sampling]\nsteps = 25\ndiscard = 2\nchains = 3\nseed = 11\n",
            folder.join("count").display()
        ),
    )
}

#[test]
fn no_dear_label_is_bought_twice() {
    let kernels: &[&[&str]] = &[
        &[],
        &["--set", "sampling.kernel=\"hmc\"", "--set", "sampling.steps=5"],
        &[
            "--set",
            "exchange={temperatures=[\"300 K\",\"400 K\"]}",
            "--set",
            "sampling.steps=10",
        ],
    ];
    for settings in kernels {
        let folder = tempfile::tempdir().unwrap();
        let config = counted(folder.path());
        let count = folder.path().join("count");
        let (whole, seconds) = undisturbed(folder.path(), &config, settings);
        let needed = lines(&count);
        assert_eq!(labels(&whole).len(), needed, "each label is journalled");
        std::fs::remove_file(&count).unwrap();
        let kills = if full() { 50 } else { 4 };
        let (again, hits) = killed(folder.path(), &config, settings, kills, seconds, 1);
        assert_same_decisions(&whole, &again);
        assert_eq!(labels(&whole), labels(&again));
        let bought = lines(&count);
        eprintln!("{needed} labels needed, {bought} computed, {hits} kills");
        // What the two workers were at when the kill came is lost, nothing else.
        assert!(
            bought >= needed && bought <= needed + 2 * hits,
            "{bought} labels computed, {needed} needed, {hits} kills"
        );
    }
}

#[test]
fn stops_at_the_next_safe_point() {
    let folder = tempfile::tempdir().unwrap();
    let config = counted(folder.path());
    let count = folder.path().join("count");
    let settings = ["--set", "sampling.kernel=\"hmc\"", "--set", "sampling.steps=100"];
    let (whole, _) = undisturbed(folder.path(), &config, &settings);
    let needed = lines(&count);
    std::fs::remove_file(&count).unwrap();
    let directory = folder.path().join("stopped");
    let mut arguments = vec!["run", text(&config), "--out", text(&directory)];
    arguments.extend_from_slice(&settings);
    for (turn, how) in ["INT", "TERM", "command"].into_iter().enumerate() {
        let mut child = start(&arguments);
        let goal = lines(&count) + 12;
        wait_for("some labels", || lines(&count) >= goal);
        if how == "command" {
            let (out, _) = expect(0, &["stop", text(&directory)]);
            assert!(out.contains("asked the driver"), "{out}");
        } else {
            harness::signal(&child, how);
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(75), "stopped by {how}");
        let (out, _) = expect(0, &["status", text(&directory), "--json"]);
        let status: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(status["running"], false);
        assert_eq!(status["complete"], false, "turn {turn} came too late");
        arguments = vec!["resume", text(&directory)];
    }
    let (out, _) = expect(0, &["stop", text(&directory)]);
    assert!(out.contains("nothing is running"), "{out}");
    expect(0, &arguments);
    assert_same_decisions(&whole, &directory);
    assert_eq!(lines(&count), needed, "a clean stop loses no label");
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = counted(folder.path());
    let count = folder.path().join("count");
    let directory = folder.path().join("run");
    let mut child = start(&["run", text(&config), "--out", text(&directory)]);
    wait_for("a label", || lines(&count) >= 3);
    harness::signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(5));
    harness::signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(75));
    expect(0, &["resume", text(&directory), "--quiet"]);
}

#[test]
fn two_drivers_never_share_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let config = counted(folder.path());
    let directory = folder.path().join("run");
    let mut child = start(&[
        "run",
        text(&config),
        "--out",
        text(&directory),
        "--set",
        "sampling.steps=150",
    ]);
    wait_for("a decision", || lines(&directory.join("chain-0.jsonl")) >= 1);
    let (_, error) = expect(75, &["resume", text(&directory)]);
    assert!(error.contains("is in use by another slmc (process"), "{error}");
    assert!(
        error.contains(&child.id().to_string()) && error.contains("slmc stop"),
        "{error}"
    );
    let (_, error) = expect(64, &["run", text(&config), "--out", text(&directory)]);
    assert!(
        error.contains("already holds a run") && error.contains("slmc resume"),
        "{error}"
    );
    let (out, _) = expect(0, &["status", text(&directory), "--json"]);
    assert!(out.contains("\"running\": true"), "{out}");
    assert!(child.wait().unwrap().success(), "the first driver goes on undisturbed");
}

#[test]
fn a_read_only_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = einstein(folder.path());
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(closed.join("probe"), "x").is_ok() {
        eprintln!("skipped: no directory is read-only to this user");
        return;
    }
    let (_, error) = expect(73, &["run", text(&config), "--out", text(&closed.join("run"))]);
    assert!(error.contains("cannot write") && error.contains("closed"), "{error}");
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = einstein(folder.path());
    let (whole, _) = undisturbed(folder.path(), &config, &[]);
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        let status = std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", text(&small)]) {
        eprintln!("skipped: no right to mount a small file system");
        return;
    }
    let directory = small.join("run");
    let stopped = expect_any(&["run", text(&config), "--out", text(&directory)]);
    let grown = mount(&["mount", "-o", "remount,size=20m", text(&small)]);
    let resumed = expect_any(&["resume", text(&directory), "--quiet"]);
    let copy = folder.path().join("copy");
    let copied = mount(&["cp", "-r", text(&directory), text(&copy)]);
    assert!(mount(&["umount", text(&small)]) && grown && copied);
    assert_eq!(stopped.0, Some(73), "{}", stopped.1);
    assert!(
        stopped.1.contains("cannot write") && stopped.1.contains("No space left"),
        "{}",
        stopped.1
    );
    assert!(stopped.1.contains("slmc resume"), "{}", stopped.1);
    assert_eq!(resumed.0, Some(0), "{}", resumed.1);
    assert_same_decisions(&whole, &copy);
}

fn expect_any(arguments: &[&str]) -> (Option<i32>, String) {
    let output = harness::run(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code(), error)
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_journal_cut_anywhere_in_its_last_record_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let (whole, _) = undisturbed(folder.path(), &config, &[]);
    for name in ["chain-1.jsonl", "learning.jsonl", "labels/labels.jsonl"] {
        let bytes = std::fs::read(whole.join(name)).unwrap();
        let last = bytes[..bytes.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        let every = if full() { 1 } else { (bytes.len() - last) / 2 };
        for length in (last..bytes.len()).step_by(every.max(1)) {
            let again = folder.path().join("cut");
            copy_tree(&whole, &again);
            std::fs::write(again.join(name), &bytes[..length]).unwrap();
            expect(0, &["resume", text(&again), "--quiet"]);
            assert_same_decisions(&whole, &again);
            assert_eq!(labels(&whole), labels(&again), "{name} cut at byte {length}");
            std::fs::remove_dir_all(&again).unwrap();
        }
    }
    // A trajectory that lost frames is made whole too, and so is labels.xyz.
    let again = folder.path().join("cut");
    copy_tree(&whole, &again);
    let frames = std::fs::read(whole.join("chain-0.xyz")).unwrap();
    std::fs::write(again.join("chain-0.xyz"), &frames[..frames.len() / 3]).unwrap();
    std::fs::remove_file(again.join("labels.xyz")).unwrap();
    expect(0, &["resume", text(&again), "--quiet"]);
    assert_same_decisions(&whole, &again);
    assert!(again.join("labels.xyz").exists());
}

#[test]
fn a_damaged_record_is_named_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let (whole, _) = undisturbed(folder.path(), &config, &[]);
    for name in ["chain-0.jsonl", "learning.jsonl", "labels/labels.jsonl"] {
        let again = folder.path().join("damaged");
        copy_tree(&whole, &again);
        let mut bytes = std::fs::read(whole.join(name)).unwrap();
        let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes[second + 20] ^= 4;
        std::fs::write(again.join(name), &bytes).unwrap();
        for command in ["resume", "analyze", "status"] {
            let (_, error) = expect(65, &[command, text(&again)]);
            assert!(error.contains(name) && error.contains("line 2"), "{command}: {error}");
        }
        assert_eq!(
            std::fs::read(again.join(name)).unwrap(),
            bytes,
            "nothing is lost by looking"
        );
        std::fs::remove_dir_all(&again).unwrap();
    }
}

#[test]
fn what_changed_is_named_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = einstein(folder.path());
    let (whole, _) = undisturbed(folder.path(), &config, &["--set", "sampling.steps=20"]);
    let stored = std::fs::read_to_string(whole.join("config.toml")).unwrap();
    let change = |from: &str, to: &str| {
        assert!(stored.contains(from), "{stored}");
        std::fs::write(whole.join("config.toml"), stored.replace(from, to)).unwrap();
    };
    change("300", "310");
    let (_, error) = expect(78, &["resume", text(&whole)]);
    assert!(
        error.contains("ensemble.nvt.temperature was") && error.contains("310"),
        "{error}"
    );
    std::fs::write(whole.join("config.toml"), &stored).unwrap();
    let (_, error) = expect(78, &["resume", text(&whole), "--set", "trajectory.steps=9"]);
    assert!(error.contains("trajectory.steps was 6 and is 9"), "{error}");
    // Another surface shows in the oracle's fingerprint as soon as a label is asked for.
    let setting = "oracle.einstein.force-constant=1.1 eV/Å²";
    let more = ["resume", text(&whole), "--set", "sampling.steps=30", "--set", setting];
    let (_, error) = expect(65, &more);
    assert!(
        error.contains("the oracle is not the one the run was started with"),
        "{error}"
    );
    assert!(
        error.contains("force") && error.contains("1.1"),
        "names the entry: {error}"
    );
}

#[test]
fn a_finished_run_can_be_extended() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let (whole, _) = undisturbed(folder.path(), &config, &[]);
    let short = folder.path().join("short");
    expect(
        0,
        &[
            "run",
            text(&config),
            "--out",
            text(&short),
            "--quiet",
            "--set",
            "sampling.steps=11",
        ],
    );
    expect(0, &["resume", text(&short), "--quiet", "--set", "sampling.steps=30"]);
    assert_same_decisions(&whole, &short);
    // Asking for less than there is loses nothing.
    expect(0, &["resume", text(&short), "--quiet", "--set", "sampling.steps=20"]);
    assert_same_decisions(&whole, &short);
}

#[test]
fn a_time_limit_stops_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let config = counted(folder.path());
    let (whole, _) = undisturbed(folder.path(), &config, &[]);
    let directory = folder.path().join("limited");
    expect(
        75,
        &[
            "run",
            text(&config),
            "--out",
            text(&directory),
            "--quiet",
            "--time-limit",
            "0.15 s",
        ],
    );
    let mut code = None;
    for _ in 0..100 {
        code = expect_any(&["resume", text(&directory), "--quiet", "--time-limit", "0.6 s"]).0;
        if code != Some(75) {
            break;
        }
    }
    assert_eq!(code, Some(0));
    assert_same_decisions(&whole, &directory);
}

#[test]
fn a_thawed_run_learns_and_samples_anew() {
    let folder = tempfile::tempdir().unwrap();
    let config = silicon(folder.path(), 2, 0);
    let (directory, _) = undisturbed(folder.path(), &config, &[]);
    let before: BTreeMap<String, Vec<u8>> = harness::decisions(&directory);
    let analysis = || -> serde_json::Value {
        let (out, _) = expect(0, &["analyze", text(&directory), "--json"]);
        serde_json::from_str(&out).unwrap()
    };
    let first = analysis();
    let copy = folder.path().join("copy");
    copy_tree(&directory, &copy);
    let arguments = [
        "--relearn",
        "--set",
        "learning.stop-after=110",
        "--set",
        "sampling.steps=20",
        "--quiet",
    ];
    let mut relearn = vec!["resume", text(&directory)];
    relearn.extend_from_slice(&arguments);
    expect(0, &relearn);
    let second = analysis();
    assert_eq!(second["samples"], 2 * (20 - 2), "the old samples are not averaged");
    assert!(second["generation"].as_u64() > first["generation"].as_u64());
    assert!(second["oracle_calls"]["total"].as_u64().unwrap() > 110);
    for (name, bytes) in harness::decisions(&directory) {
        if std::path::Path::new(&name)
            .extension()
            .is_some_and(|end| end == "jsonl")
        {
            assert!(
                bytes.starts_with(&before[&name]) && bytes.len() > before[&name].len(),
                "{name}"
            );
        }
    }
    // Killed on the way, it comes to the same.
    let mut relearn = vec!["resume", text(&copy)];
    relearn.extend_from_slice(&arguments);
    let goal = lines(&copy.join("chain-0.jsonl")) + 5;
    let mut child = start(&relearn);
    wait_for("some steps", || {
        lines(&copy.join("chain-0.jsonl")) >= goal || child.try_wait().unwrap().is_some()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    expect(0, &["resume", text(&copy), "--quiet"]);
    assert_same_decisions(&directory, &copy);
    // Where nothing was learned there is nothing to thaw.
    let config = einstein(&folder.path().join("einstein"));
    let (fixed, _) = undisturbed(
        &folder.path().join("einstein"),
        &config,
        &["--set", "sampling.steps=20"],
    );
    let (_, error) = expect(64, &["resume", text(&fixed), "--relearn"]);
    assert!(error.contains("nothing to thaw"), "{error}");
}
