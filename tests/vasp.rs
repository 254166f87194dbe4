//! Promise: VASP labels are converged answers for exactly the structure asked for, or no labels; what a replica is told to do
//! wrong never becomes an accepted wrong energy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::oracle::cold::ColdCheck;
use slmc::oracle::pool::{Answer, OpenOracle, Pool, PoolEvent, PoolRequest, PoolSettings};
use slmc::oracle::vasp::vasprun::Vasprun;
use slmc::oracle::vasp::{VaspConfig, VaspMode, open, outcar::Outcar};
use slmc::oracle::{JobDir, Note, Oracle, OracleError};
use slmc::potential::{Labels, Workspace};
use slmc::structure::{Cell, Species, Structure};

/// The replica, built beside this test.
fn replica() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let here = std::env::current_exe().unwrap();
        let profile = here.parent().unwrap().parent().unwrap();
        let path = profile.join("examples/vasp-replica");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/vasp/replica");
        let changed = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let newest = std::fs::read_dir(sources)
            .unwrap()
            .filter_map(|entry| changed(&entry.unwrap().path()))
            .max();
        if changed(&path) < newest {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--locked", "--quiet", "--example", "vasp-replica"]);
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            if profile.ends_with("release") {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success(), "the replica does not build");
        }
        path
    })
}

/// Not a potential: only the lines that are looked at.
fn fake_potcar(symbols: &[&str]) -> String {
    symbols
        .iter()
        .map(|symbol| {
            format!(
                "  PAW_PBE {symbol} 05Jan2001\n   VRHFIN ={symbol}: s2p2\n   LEXCH  = PE\n   TITEL  = PAW_PBE {symbol} 05Jan2001\n   ENMAX  =  \
                 245.345; ENMIN  =  184.009 eV\n End of Dataset\n"
            )
        })
        .collect::<Vec<String>>()
        .concat()
}

/// A folder with a recipe and a counter of launches.
struct Place {
    folder: tempfile::TempDir,
    config: VaspConfig,
}

impl Place {
    fn new(incar: &str, symbols: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recipe = folder.path().join("recipe");
        std::fs::create_dir(&recipe).unwrap();
        std::fs::write(recipe.join("INCAR"), incar).unwrap();
        std::fs::write(recipe.join("KPOINTS"), "title\n0\nGamma\n1 1 1\n0 0 0\n").unwrap();
        std::fs::write(recipe.join("POTCAR"), fake_potcar(symbols)).unwrap();
        let count = folder.path().join("count").display().to_string();
        let config = VaspConfig {
            recipe: recipe.display().to_string(),
            command: format!("'{}'", replica().display()),
            environment: BTreeMap::from([("VASP_REPLICA_COUNT".to_owned(), count)]),
            timeout: slmc::units::Duration::new(60.0),
            ..VaspConfig::default()
        };
        Self { folder, config }
    }

    fn silicon() -> Self {
        Self::new("ENCUT = 400\nEDIFF = 1E-6\nALGO = Fast\nNELM = 60\n", &["Si"])
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.config.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn open(&self, first: &Structure) -> Box<dyn Oracle> {
        open(
            &self.config,
            first,
            &self.folder.path().join("worker"),
            self.folder.path(),
        )
        .unwrap()
    }

    fn job(&self, name: &str) -> JobDir<'_> {
        JobDir::new(self.folder.path().join("jobs").join(name))
    }

    fn launches(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("count")).map_or(0, |text| text.lines().count())
    }
}

/// Eight atoms of silicon, the k-th of a series of distorted ones.
fn silicon(k: usize) -> Structure {
    let a = 5.43;
    let sites = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let mut positions = Vec::new();
    for (basis, shift) in [0.0, 0.25].into_iter().enumerate() {
        for (number, site) in sites.iter().enumerate() {
            let wiggle = |axis: usize| 0.1 * ((7 * k + 13 * number + 29 * basis + 5 * axis) as f64).sin();
            positions.push([0, 1, 2].map(|axis| a * (site[axis] + shift) + wiggle(axis)));
        }
    }
    let species: Vec<Species> = vec!["Si".parse().unwrap(); 8];
    Structure::new(Cell::cubic(a).unwrap(), species, positions).unwrap()
}

fn truth(structure: &Structure, surface: &str) -> Labels {
    let config = AnalyticConfig::by_name(surface).unwrap();
    build(&config, structure)
        .unwrap()
        .evaluate(structure, &mut Workspace::new())
}

fn assert_same(found: &Labels, expected: &Labels) {
    assert!(
        (found.energy - expected.energy).abs() < 1e-7,
        "{} {}",
        found.energy,
        expected.energy
    );
    for (a, b) in found
        .forces
        .as_ref()
        .unwrap()
        .iter()
        .zip(expected.forces.as_ref().unwrap())
    {
        // The structure went through eight decimals at most in what comes back, but sixteen on the way there.
        assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-7), "{a:?} {b:?}");
    }
    for (a, b) in found
        .stress
        .unwrap()
        .iter()
        .flatten()
        .zip(expected.stress.unwrap().iter().flatten())
    {
        assert!((a - b).abs() < 1e-10, "{a} {b}");
    }
}

#[test]
fn a_label_is_the_surfaces_own_in_the_structures_own_order() {
    let place = Place::silicon();
    let mut oracle = place.open(&silicon(0));
    for k in 0..2 {
        assert_same(
            &oracle.label(&silicon(k), &place.job(&k.to_string())).unwrap(),
            &truth(&silicon(k), "stillinger-weber"),
        );
    }
    let entries = oracle.fingerprint().0;
    assert_eq!(
        (entries["code"].as_str(), entries["version"].as_str()),
        ("vasp", "6.3.0")
    );
    assert!(entries["POTCAR Si"].starts_with("PAW_PBE Si 05Jan2001") && !entries.contains_key("INCAR ALGO"));

    // Mixed species in a left-handed cell, positions far outside it, with a tag for each atom and one for each species.
    let quartz = slmc::formats::read("examples/quartz/quartz.xyz")
        .unwrap()
        .remove(0)
        .structure;
    let n = quartz.len();
    let order: Vec<usize> = (0..n).map(|i| (i * 5 + 1) % n).collect();
    assert_eq!(
        order.iter().collect::<std::collections::BTreeSet<_>>().len(),
        n,
        "5 and {n} have a common factor"
    );
    let [a, b, c] = *quartz.cell.vectors();
    let cell = Cell::new([b, a, c], [true; 3]).unwrap();
    let species: Vec<Species> = order.iter().map(|i| quartz.species[*i]).collect();
    let positions = order
        .iter()
        .map(|i| {
            let [x, y, z] = quartz.positions[*i];
            let shift = cell.cartesian([(i % 3) as f64 - 1.0, 2.0, -((i % 2) as f64)]);
            [x + shift[0] + 0.01 * (*i as f64).sin(), y + shift[1], z + shift[2]]
        })
        .collect();
    let mixed = Structure::new(cell, species, positions).unwrap();
    let moments: Vec<String> = (0..n).map(|i| format!("{i}.5")).collect();
    let incar = format!(
        "ENCUT = 400\nEDIFF = 1E-6\nMAGMOM = {}\nLDAUU = 1.0 2.0\n",
        moments.join(" ")
    );
    let place = Place::new(&incar, &["O", "Si"]).set("VASP_REPLICA_SURFACE", "vashishta");
    let mut oracle = place.open(&mixed);
    assert_same(
        &oracle.label(&mixed, &place.job("mixed")).unwrap(),
        &truth(&mixed, "vashishta"),
    );
    let written = std::fs::read_to_string(place.job("mixed").path().join("INCAR")).unwrap();
    let line = written.lines().find(|line| line.starts_with("MAGMOM")).unwrap();
    let first = mixed.species[0];
    let expected: Vec<String> = (0..n)
        .filter(|i| mixed.species[*i] == first)
        .chain((0..n).filter(|i| mixed.species[*i] != first))
        .map(|i| format!("{i}.5"))
        .collect();
    assert_eq!(line, format!("MAGMOM = {}", expected.join(" ")));
}

#[test]
fn recipes_that_cannot_give_labels_are_refused_with_the_remedy() {
    let refused = |incar: &str, symbols: &[&str]| {
        let place = Place::new(incar, symbols);
        match open(&place.config, &silicon(0), place.folder.path(), place.folder.path()) {
            Err(error @ OracleError::Fatal { .. }) => error.to_string(),
            _ => panic!("{incar} was taken"),
        }
    };
    assert!(refused("NSW = 100\nIBRION = 2", &["Si"]).contains("NSW is 100"));
    assert!(refused("ISYM = 2", &["Si"]).contains("ISYM"));
    assert!(refused("MAGMOM = 4*1", &["Si"]).contains("MAGMOM has 4 values for 8 atoms"));
    assert!(refused("LDAUU = 1 2", &["Si"]).contains("LDAUU"));
    assert!(refused("ENCUT = 400", &["O"]).contains("no potential for Si"));
    // Another cell needs a cutoff that is given.
    let place = Place::new("EDIFF = 1E-6", &["Si"]);
    let mut oracle = place.open(&silicon(0));
    let strained = strained();
    let error = oracle.label(&strained, &place.job("strained")).unwrap_err();
    assert!(
        matches!(error, OracleError::Fatal { .. }) && error.to_string().contains("ENCUT"),
        "{error}"
    );
}

fn strained() -> Structure {
    let structure = silicon(3);
    let cell = Cell::cubic(5.5).unwrap();
    Structure::new(cell, structure.species.to_vec(), structure.positions).unwrap()
}

/// One request through the pool: the answer, what was tried again, what was noted.
fn through_pool(
    place: &Place,
    cold_check: Option<ColdCheck>,
    chain: &[(usize, Option<usize>)],
) -> (Vec<Answer>, Vec<String>, Vec<Note>) {
    let (config, folder) = (place.config.clone(), place.folder.path().to_owned());
    let open: OpenOracle = std::sync::Arc::new(move |_| open(&config, &silicon(0), &folder.join("worker"), &folder));
    let settings = PoolSettings {
        workers: 1,
        retries: 2,
        retry_delay: Duration::from_millis(1),
        retire_after: 2,
        jobs: place.folder.path().join("jobs"),
        cold_check,
    };
    let (tell, events) = crossbeam::channel::unbounded();
    let pool = Pool::start(&open, &settings, move |event: PoolEvent<usize>| {
        let _ = tell.send(event);
    })
    .unwrap();
    let (mut answers, mut retries, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (k, stands_at)) in chain.iter().enumerate() {
        let sent = pool.submit(PoolRequest {
            id: number,
            name: format!("request-{number}"),
            structure: silicon(*k),
            chain: stands_at.map(|_| 0),
            stands_at: stands_at.map(silicon),
        });
        assert!(sent);
        loop {
            match events.recv_timeout(Duration::from_mins(2)).unwrap() {
                PoolEvent::Reply { answer, .. } => {
                    answers.push(answer);
                    break;
                }
                PoolEvent::Retry { message, .. } => retries.push(message),
                PoolEvent::Note { note, .. } => notes.push(note),
                PoolEvent::Opened { .. } => {}
                PoolEvent::Gone { error, .. } => panic!("{error}"),
            }
        }
    }
    (answers, retries, notes)
}

#[test]
fn no_misbehaviour_becomes_an_accepted_wrong_energy() {
    // What is injected; whether the first call alone or every call; what has to come out.
    let table = [
        ("", "always", "label"),
        ("unconverged", "once", "label"),
        ("unconverged", "always", "unphysical"),
        ("unconverged-once", "always", "label"),
        ("unconverged-fast", "always", "label"),
        ("crash", "once", "label"),
        ("crash", "always", "stop"),
        ("edddav", "once", "label"),
        ("edddav", "always", "unphysical"),
        ("exit-code", "once", "label"),
        ("exit-code", "always", "stop"),
        ("out-of-memory", "once", "label"),
        ("out-of-memory", "always", "stop"),
        ("truncated-xml", "once", "label"),
        ("truncated-xml", "always", "stop"),
        ("truncated-end", "always", "stop"),
        ("truncated-outcar", "always", "stop"),
        ("no-xml", "always", "stop"),
        ("stale", "once", "label"),
        ("stale", "always", "stop"),
        ("old-files", "always", "stop"),
        ("other-structure", "once", "label"),
        ("other-structure", "always", "stop"),
        ("other-energy", "always", "stop"),
        ("missing-atom", "always", "stop"),
        ("stars", "once", "label"),
        ("stars", "always", "unphysical"),
        ("nan", "once", "label"),
        ("nan", "always", "unphysical"),
        ("license", "always", "stop"),
        ("hang", "once", "label"),
    ];
    let expected = truth(&silicon(1), "stillinger-weber");
    println!(
        "{:18} {:7} {:10} {:>8}  what was told",
        "injected", "when", "came out", "launches"
    );
    for (fault, when, outcome) in table {
        let mut place = Place::silicon().set("VASP_REPLICA_FAULT", fault);
        if when == "once" {
            place = place.set("VASP_REPLICA_AT", "1");
        }
        if fault == "hang" {
            place.config.timeout = slmc::units::Duration::new(8.0);
        }
        let (mut answers, retries, notes) = through_pool(&place, None, &[(1, None)]);
        let (found, told) = match answers.remove(0) {
            Answer::Labels(labels) => {
                assert_same(&labels, &expected);
                let told = retries.first().cloned().or_else(|| {
                    notes
                        .iter()
                        .find(|note| note.kind == "repair")
                        .map(|note| note.message.clone())
                });
                ("label", told.unwrap_or_default())
            }
            Answer::Unphysical(reason) => ("unphysical", reason),
            Answer::Failed(error) => ("stop", error.to_string()),
            Answer::Left(reason) => ("left", reason),
        };
        let told = told.lines().next().unwrap_or_default();
        println!(
            "{fault:18} {when:7} {found:10} {:8}  {}",
            place.launches(),
            told.chars().take(110).collect::<String>()
        );
        assert_eq!(found, outcome, "{fault} {when}: {told}");
        if fault.starts_with("unconverged-") {
            assert!(notes.iter().any(|note| note.kind == "repair"), "{notes:?}");
        }
        if outcome == "label" && when == "once" {
            assert!(place.launches() > 1);
        }
    }
    // Species in another order are no answer either.
    let place = Place::new("ENCUT = 400\n", &["O", "Si"])
        .set("VASP_REPLICA_SURFACE", "vashishta")
        .set("VASP_REPLICA_FAULT", "wrong-order");
    let quartz = slmc::formats::read("examples/quartz/quartz.xyz")
        .unwrap()
        .remove(0)
        .structure;
    let error = place.open(&quartz).label(&quartz, &place.job("order")).unwrap_err();
    assert!(
        matches!(error, OracleError::Transient { .. }) && error.to_string().contains("another order"),
        "{error}"
    );
    // A program that is not there stops at once and says so.
    let mut place = Place::silicon();
    place.config.command = "no-such-vasp".to_owned();
    let error = place
        .open(&silicon(0))
        .label(&silicon(0), &place.job("none"))
        .unwrap_err();
    assert!(
        matches!(error, OracleError::Fatal { .. }) && error.to_string().contains("no-such-vasp"),
        "{error}"
    );
}

/// Electronic steps of each calculation, from the notes.
fn electronic_steps(notes: &[Note]) -> Vec<usize> {
    let calculations = notes.iter().filter(|note| note.kind == "calculation");
    calculations
        .map(|note| note.message.split(' ').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn wavefunctions_come_from_the_last_accepted_structure() {
    // Structure 1 is accepted, 2 rejected, 3 accepted; then the chain stands at a structure that nobody labelled here.
    let chain = [
        (1, Some(0)),
        (2, Some(1)),
        (3, Some(1)),
        (4, Some(3)),
        (5, Some(9)),
        (6, None),
    ];
    let (answers, retries, notes) = through_pool(&Place::silicon(), None, &chain);
    for (answer, (k, _)) in answers.iter().zip(chain) {
        let Answer::Labels(labels) = answer else {
            panic!("{answer:?}")
        };
        assert_same(labels, &truth(&silicon(k), "stillinger-weber"));
    }
    assert!(retries.is_empty());
    // The replica takes 12 steps from nothing and 5 from wavefunctions.
    assert_eq!(electronic_steps(&notes), [12, 5, 5, 5, 12, 12]);
    let mut place = Place::silicon();
    place.config.reuse = false;
    let (_, _, notes) = through_pool(&place, None, &chain);
    assert_eq!(electronic_steps(&notes), [12; 6]);
    // What does not converge from wavefunctions is tried from nothing.
    let place = Place::silicon().set("VASP_REPLICA_FAULT", "unconverged-warm");
    let (answers, _, notes) = through_pool(&place, None, &chain[..2]);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Labels(_))));
    assert!(
        notes
            .iter()
            .any(|note| note.kind == "repair" && note.message.contains("from nothing")),
        "{notes:?}"
    );
}

#[test]
fn several_solutions_stop_the_run() {
    let check = |every| {
        Some(ColdCheck {
            every,
            warn: 0.00026,
            stop: 0.0026,
        })
    };
    let chain = [(1, Some(0)), (2, Some(1)), (3, Some(2)), (4, Some(3))];
    let run = |above: &str, every| {
        through_pool(
            &Place::silicon().set("VASP_REPLICA_SECOND_SOLUTION", above),
            check(every),
            &chain,
        )
    };
    let (answers, _, _) = run("0.05", 1);
    assert!(matches!(&answers[0], Answer::Labels(_)));
    let Answer::Failed(error @ OracleError::SeveralSolutions { .. }) = &answers[1] else {
        panic!("{answers:?}")
    };
    assert!(error.to_string().contains("50.000 meV"), "{error}");
    let warnings = |notes: &[Note]| notes.iter().filter(|note| note.kind == "warning").count();
    let compared = |notes: &[Note]| notes.iter().filter(|note| note.kind == "cold-check").count();
    let (answers, _, notes) = run("0.001", 1);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Labels(_))));
    assert_eq!((warnings(&notes), compared(&notes)), (3, 0));
    let (_, _, notes) = run("0", 2);
    assert_eq!((warnings(&notes), compared(&notes)), (0, 2));
    // The control: without the check the wrong energy is taken.
    let (answers, _, _) = through_pool(
        &Place::silicon().set("VASP_REPLICA_SECOND_SOLUTION", "0.05"),
        None,
        &chain,
    );
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Labels(_))));
}

#[test]
fn one_interactive_process_answers_all_labels_of_its_cell() {
    let interactive = |fault: &str| {
        let mut place = Place::silicon().set("VASP_REPLICA_FAULT", fault);
        place.config.mode = VaspMode::Interactive;
        place
    };
    let place = interactive("");
    let mut oracle = place.open(&silicon(0));
    for k in 0..4 {
        assert_same(
            &oracle.label(&silicon(k), &place.job(&k.to_string())).unwrap(),
            &truth(&silicon(k), "stillinger-weber"),
        );
    }
    assert_eq!(place.launches(), 1);
    // Another cell is labelled in file mode, and the process goes on.
    let other = strained();
    assert_same(
        &oracle.label(&other, &place.job("cell")).unwrap(),
        &truth(&other, "stillinger-weber"),
    );
    assert_same(
        &oracle.label(&silicon(4), &place.job("4")).unwrap(),
        &truth(&silicon(4), "stillinger-weber"),
    );
    assert_eq!(place.launches(), 2);
    // A cold label does not come from the process's memory.
    assert!(oracle.was_warm());
    oracle.start_cold();
    oracle.label(&silicon(4), &place.job("cold")).unwrap();
    assert!(!oracle.was_warm() && place.launches() == 3);
    let process = place.folder.path().join("worker/interactive-000");
    drop(oracle);
    // The clean stop: VASP wrote the end of its files.
    assert!(
        std::fs::read_to_string(process.join("vasprun.xml"))
            .unwrap()
            .contains("</modeling>")
    );

    let chain = [(1, Some(0)), (2, Some(1))];
    let expected = truth(&silicon(2), "stillinger-weber");
    for (fault, outcome) in [
        ("unconverged-once", "label"),
        ("unconverged", "unphysical"),
        ("crash-second", "label"),
        ("other-structure", "stop"),
        ("stars", "unphysical"),
        ("crash", "stop"),
    ] {
        let (mut answers, _, _) = through_pool(&interactive(fault), None, &chain);
        let found = match answers.pop().unwrap() {
            Answer::Labels(labels) => {
                assert_same(&labels, &expected);
                "label"
            }
            Answer::Unphysical(_) => "unphysical",
            Answer::Failed(_) => "stop",
            Answer::Left(_) => "left",
        };
        println!("interactive {fault:18} {found}");
        assert_eq!(found, outcome, "{fault}");
    }
}

fn slmc(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_slmc"))
        .args(arguments)
        .current_dir(folder)
        .env("VASP_COMMAND", format!("'{}'", replica().display()))
        .env_remove("VASP_PP_PATH")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_user_comes_from_nothing_to_the_same_decisions_as_the_embedded_surface() {
    let folder = tempfile::tempdir().unwrap();
    let poscar = folder.path().join("POSCAR");
    slmc::formats::poscar::write(&poscar, &silicon(0), "silicon").unwrap();
    let (code, _, errors) = slmc(
        folder.path(),
        &["init", "project", "--oracle", "vasp", "--structure", "POSCAR"],
    );
    assert_eq!(code, 0, "{errors}");
    let project = folder.path().join("project");
    let (code, _, errors) = slmc(&project, &["check"]);
    assert_eq!(code, 78);
    assert!(errors.contains("VASP_PP_PATH"), "{errors}");
    std::fs::write(project.join("oracles/vasp/POTCAR"), fake_potcar(&["Si"])).unwrap();
    let (code, _, errors) = slmc(&project, &["check"]);
    assert_eq!(code, 0, "{errors}");
    let text = |oracle: &str| {
        format!(
            "[structure]\nfile = \"POSCAR\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"2 fs\"\nsteps = 10\n\
             [proposal.stillinger-weber]\nlambda = 19.0\n[oracle.{oracle}]\n[sampling]\nsteps = 15\ndiscard = 0\nchains = 2\nseed = 5\n\
             [pool]\nworkers = 2\ncold-check-every = 4\n"
        )
    };
    let mut decisions = Vec::new();
    for oracle in ["stillinger-weber", "vasp"] {
        std::fs::write(project.join("slmc.toml"), text(oracle)).unwrap();
        let (code, _, errors) = slmc(&project, &["run", "slmc.toml", "--out", oracle]);
        assert_eq!(code, 0, "{errors}");
        let journal = std::fs::read_to_string(project.join(oracle).join("chain-1.jsonl")).unwrap();
        let outcomes: Vec<bool> = journal
            .lines()
            .filter(|line| line.contains("outcome"))
            .map(|line| line.contains("accepted\""))
            .collect();
        decisions.push(outcomes);
    }
    assert_eq!(decisions[0].len(), 15);
    assert_eq!(decisions[0], decisions[1]);
    let events = std::fs::read_to_string(project.join("vasp/events.jsonl")).unwrap();
    assert!(
        events.contains("cold-check") && events.contains("electronic steps"),
        "{events}"
    );
    // The replica claims 35064 kB; a process of its own that held more counts more.
    let costs = events.lines().filter(|line| line.contains("\"label\""));
    let memory = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["memory"].as_u64();
    assert!(
        costs.clone().count() >= 30
            && costs
                .clone()
                .all(|line| memory(line).is_some_and(|bytes| bytes >= 35064 * 1024)),
        "{events}"
    );
    let (_, status, _) = slmc(&project, &["status", "vasp"]);
    assert!(
        status.contains("labels took") && status.contains("the largest process held"),
        "{status}"
    );
    // Several solutions stop the run, resumable.
    let config = text("vasp") + "[oracle.vasp.environment]\nVASP_REPLICA_SECOND_SOLUTION = \"0.05\"\n";
    std::fs::write(project.join("slmc.toml"), config).unwrap();
    let (code, _, errors) = slmc(&project, &["run", "slmc.toml", "--out", "several"]);
    assert_eq!(code, 75, "{errors}");
    assert!(errors.contains("no function of the structure"), "{errors}");
    let (code, _, errors) = slmc(&project, &["resume", "several", "--set", "oracle.vasp.reuse=false"]);
    assert_eq!(code, 0, "{errors}");
}

/// Silicon, oxygen or both, on Vashishta's surface.
fn composition(symbols: &[&str], k: usize) -> Structure {
    let places = [[0.0, 0.0, 0.0], [2.6, 0.1, 0.0], [0.0, 2.7, 0.2], [2.5, 2.6, 2.7]];
    let species: Vec<Species> = (0..4)
        .map(|atom| symbols[atom % symbols.len()].parse().unwrap())
        .collect();
    let positions = places.map(|p| [p[0] + 0.01 * k as f64, p[1], p[2]]).to_vec();
    Structure::new(Cell::cubic(5.4).unwrap(), species, positions).unwrap()
}

#[test]
fn a_batch_may_mix_compositions_and_goes_on_where_it_was() {
    let place = Place::new("ENCUT = 400\nEDIFF = 1E-6\nNELM = 60\n", &["O", "Si"]);
    let folder = place.folder.path();
    let kinds: [&[&str]; 7] = [
        &["Si", "O"],
        &["O"],
        &["Si"],
        &["O", "Si"],
        &["Si"],
        &["Si", "O"],
        &["O"],
    ];
    let asked: Vec<Structure> = kinds.iter().enumerate().map(|(k, kind)| composition(kind, k)).collect();
    let frames: Vec<slmc::formats::Frame> = asked.iter().cloned().map(Into::into).collect();
    slmc::formats::write(folder.join("asked.xyz"), &frames).unwrap();
    let config = |more: &str| {
        let text = format!(
            "[structure]\nfile = \"asked.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[pool]\nworkers = 1\nretries = 0\n[oracle.vasp]\nrecipe = \
             \"recipe\"\n[oracle.vasp.environment]\nVASP_REPLICA_SURFACE = \"vashishta\"\nVASP_REPLICA_COUNT = \"{}\"\n{more}",
            folder.join("count").display()
        );
        std::fs::write(folder.join("slmc.toml"), text).unwrap();
    };
    let label = || slmc(folder, &["label", "asked.xyz", "slmc.toml", "-o", "out.xyz"]);
    config("VASP_REPLICA_FAULT = \"crash\"\nVASP_REPLICA_AT = \"5\"\n");
    let (code, _, errors) = label();
    assert_eq!(code, 69, "{errors}");
    assert!(!folder.join("out.xyz").exists() && folder.join("out.xyz.journal").exists());
    config("");
    let (code, _, errors) = label();
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("of 7 structures are labelled already"), "{errors}");
    assert!(
        errors.contains("labels took") && errors.contains("the largest process held"),
        "{errors}"
    );
    assert_eq!(
        place.launches(),
        8,
        "one label was lost in the crash, none was made twice"
    );
    let labelled = slmc::formats::read(folder.join("out.xyz")).unwrap();
    for (frame, structure) in labelled.iter().zip(&asked) {
        let found = frame.labels.as_ref().unwrap();
        assert_same(found, &truth(structure, "vashishta"));
    }
    // What a label was made with depends on its elements alone, whatever was labelled before it.
    let digest = |k: usize| labelled[k].info["slmc_fingerprint"].clone();
    assert!(digest(0) == digest(3) && digest(0) == digest(5) && digest(1) == digest(6) && digest(2) == digest(4));
    assert!(digest(0) != digest(1) && digest(1) != digest(2) && digest(0) != digest(2));
    // Another INCAR is another oracle, for any composition.
    let more: Vec<slmc::formats::Frame> = (0..8)
        .map(|k| asked.get(k).cloned().unwrap_or_else(|| composition(&["O"], k)).into())
        .collect();
    slmc::formats::write(folder.join("asked.xyz"), &more).unwrap();
    std::fs::write(folder.join("recipe/INCAR"), "ENCUT = 500\nEDIFF = 1E-6\nNELM = 60\n").unwrap();
    let (code, _, errors) = label();
    assert!(code == 65 && errors.contains("another oracle"), "{code} {errors}");
    std::fs::write(folder.join("recipe/INCAR"), "ENCUT = 400\nEDIFF = 1E-6\nNELM = 60\n").unwrap();
    let (code, _, errors) = label();
    assert_eq!(code, 0, "{errors}");
    assert_eq!(slmc::formats::read(folder.join("out.xyz")).unwrap().len(), 8);
}

#[test]
fn genuine_files_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/vasp");
    if !data.is_dir() {
        println!("skipped: no genuine files in {}", data.display());
        return;
    }
    let xml = |name: &str| Vasprun::read(std::fs::File::open(data.join(name).join("vasprun.xml")).unwrap());
    let outcar = |name: &str| Outcar::read(&std::fs::read(data.join(name).join("OUTCAR")).unwrap()).unwrap();
    let run = xml("converged").unwrap();
    let [step] = run.steps.as_slice() else { panic!() };
    assert_eq!(
        (step.electronic_steps, run.header.most_electronic_steps),
        (12, Some(20))
    );
    assert!(run.converged(step));
    assert_eq!(step.free_energy, -6.50214658);
    assert!(
        (step.energy_to_zero + 6.50161629).abs() < 1e-8,
        "{}",
        step.energy_to_zero
    );
    assert_eq!(run.header.version, "5.4.4.18Apr17-6-g9f103f2a35");
    let witness = outcar("converged");
    assert!(witness.finished && witness.steps.len() == 1 && witness.memory == Some(35064.0));
    let other = &witness.steps[0];
    assert_eq!((other.free_energy, other.electronic_steps), (Some(-6.50214658), 12));
    let (a, b) = (step.stress.unwrap(), other.stress.unwrap());
    for (x, y) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((x - y).abs() < 1e-4, "{x} {y}");
    }
    for (x, y) in step
        .forces
        .iter()
        .flatten()
        .flatten()
        .zip(other.forces.iter().flatten())
    {
        assert!((x - y).abs() < 1e-5, "{x} {y}");
    }
    let run = xml("elec-unconverged").unwrap();
    assert!(!run.steps.is_empty() && run.steps.iter().all(|step| !run.converged(step)));
    assert!(xml("unfinished").is_err());
    assert!(!outcar("unfinished").finished);
    let run = xml("vasp-6.2.1").unwrap();
    assert_eq!((run.header.version.as_str(), run.steps.len()), ("6.2.1", 1));
    assert!(run.converged(&run.steps[0]) && run.steps[0].free_energy == -8.24094623);
}
