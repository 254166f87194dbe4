//! The driver's learning with networks that the test makes: an early freeze on trial, and a stop in the middle of a training.

mod harness;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded};
use harness::{assert_same_decisions, expect, text, write};
use slmc::config::{Surroundings, build_plan};
use slmc::formats::Frame;
use slmc::formats::xyz::Precision;
use slmc::observe::Silent;
use slmc::potential::Potential;
use slmc::run::directory::RunDirectory;
use slmc::run::driver::{Driver, Finish};
use slmc::run::plan::{Plan, ProposalSource};
use slmc::run::stop::StopFlag;
use slmc::run::trainer::{Fitted, Fitter};
use slmc::training::LabelledStructure;

const STRUCTURE: &str = "4\nLattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\nAr 2 2 2\nAr 6 2 2\nAr 2 6 2\nAr 2 2 6\n";

/// Four argon atoms on an einstein crystal of 1 eV/Å²; 20 discarded steps of two chains are the trial of a freeze.
const CONFIG: &str = "[structure]\nfile = \"start.xyz\"\n[ensemble.nvt]\ntemperature = \"300 K\"\n[trajectory]\ntime-step = \"20 fs\"\nsteps = 6\n\
    tune = false\n[oracle.einstein]\nforce-constant = \"1 eV/Å²\"\n[bootstrap]\nstructures = 4\ntrajectories = 0\n\
    [learning]\nretrain-every = 10\nstop-after = 150\nlag = 1\n[sampling]\nsteps = 400\ndiscard = 20\nchains = 2\nseed = 3\n";

fn plan(config: &str, folder: &Path, run: &Path) -> Plan {
    let path = write(folder, STRUCTURE, config);
    let text = std::fs::read_to_string(path).unwrap();
    let config = slmc::config::parse(&text).unwrap();
    let around = Surroundings {
        text: &text,
        folder,
        run,
        starts: None,
        oracle: None,
        time_limit: None,
    };
    build_plan(&config, around)
        .map_err(|complaints| format!("{complaints:?}"))
        .unwrap()
        .0
}

/// An einstein crystal with the sites of the oracle's.
fn surface(force_constant: f64, folder: &Path) -> Arc<dyn Potential> {
    let config = format!("{CONFIG}[proposal.einstein]\nforce-constant = \"{force_constant} eV/Å²\"\n");
    match plan(&config, folder, &folder.join("none")).proposal {
        ProposalSource::Fixed(potential) => potential,
        _ => unreachable!("the proposal is given"),
    }
}

/// Claims to have learned the oracle's surface without error; from the numbers of structures that the test names it gives one eight times as
/// stiff.
struct Claims {
    good: Arc<dyn Potential>,
    bad: Arc<dyn Potential>,
    fails: fn(usize) -> bool,
    /// Whether it tells that it fails.
    honest: bool,
    /// Fits in the run so far.
    fits: usize,
    /// Before the fit of this number is done the flag is raised and the release awaited.
    holds: Option<(usize, StopFlag, Receiver<()>)>,
    waited_in_vain: Arc<AtomicBool>,
}

impl Fitter for Claims {
    fn fit(&mut self, frames: &[Arc<LabelledStructure>], _: u64) -> Result<Fitted, String> {
        let fit = self.fits;
        self.fits += 1;
        if let Some((at, flag, release)) = &self.holds
            && *at == fit
        {
            flag.cell()
                .store(signal_hook::consts::SIGTERM as usize, Ordering::SeqCst);
            if release.recv_timeout(Duration::from_mins(1)).is_err() {
                self.waited_in_vain.store(true, Ordering::SeqCst);
            }
            return Err("given up".to_owned());
        }
        let bad = (self.fails)(frames.len());
        Ok(Fitted {
            potential: Arc::clone(if bad { &self.bad } else { &self.good }),
            files: vec![("bad".to_owned(), bad.to_string().into_bytes())],
            // 20 meV are 0.8 kT.
            validation_error: Some(if bad && self.honest { 0.02 } else { 1e-6 }),
            kept_previous: None,
        })
    }

    fn restore(&mut self, folder: &Path, _: Option<f64>) -> Result<Arc<dyn Potential>, String> {
        let bad = std::fs::read(folder.join("bad")).map_err(|error| error.to_string())? == b"true";
        Ok(Arc::clone(if bad { &self.bad } else { &self.good }))
    }
}

/// What a run is made with.
struct Setting {
    folder: tempfile::TempDir,
    config: String,
    fails: fn(usize) -> bool,
    honest: bool,
}

impl Setting {
    fn new(settings: &[(&str, &str)], fails: fn(usize) -> bool) -> Self {
        let mut config = CONFIG.to_owned();
        for (from, to) in settings {
            assert!(config.contains(from));
            config = config.replace(from, to);
        }
        Self {
            folder: tempfile::tempdir().unwrap(),
            config,
            fails,
            honest: false,
        }
    }

    /// Runs or resumes in the named directory, whose number of fits so far is given; gives how it ended.
    fn run(&self, name: &str, fitted: usize, hold: Option<usize>) -> (PathBuf, Finish) {
        let folder = self.folder.path();
        let directory = RunDirectory::new(folder.join(name));
        let mut plan = plan(&self.config, folder, directory.root());
        directory.create().unwrap();
        std::fs::write(directory.config(), &plan.config).unwrap();
        let frames: Vec<Frame> = plan.starts.iter().cloned().map(Frame::new).collect();
        slmc::formats::xyz::write(directory.start(), &frames, Precision::Exact).unwrap();
        let (good, bad) = (surface(1.0, folder), surface(8.0, folder));
        let stop = StopFlag::new();
        let waited_in_vain = Arc::new(AtomicBool::new(false));
        let (release, released) = bounded(1);
        let claims = Claims {
            good,
            bad,
            fails: self.fails,
            honest: self.honest,
            fits: fitted,
            holds: hold.map(|at| (at, stop.clone(), released)),
            waited_in_vain: Arc::clone(&waited_in_vain),
        };
        let ProposalSource::Learned(learning) = &mut plan.proposal else {
            unreachable!("the proposal is learned");
        };
        let claims = Mutex::new(Some(claims));
        learning.fitter = Box::new(move || {
            let claims = claims.lock().unwrap().take().ok_or("asked twice")?;
            Ok(Box::new(claims) as Box<dyn Fitter>)
        });
        let lock = directory.lock().unwrap();
        let root = directory.root().to_owned();
        let mut driver = Driver::open(plan, directory, lock, stop, false).unwrap();
        let finish = driver.run(&mut Silent).unwrap();
        assert!(
            !waited_in_vain.load(Ordering::SeqCst),
            "the stop waited for the training"
        );
        // Whether the training still waits or has not come so far, it may end now.
        let _ = release.send(());
        (root, finish)
    }
}

fn thaws(directory: &Path) -> usize {
    let journal = std::fs::read_to_string(directory.join("learning.jsonl")).unwrap();
    journal.matches("relearn").count()
}

/// Numbers of structures that the frozen networks had.
fn frozen(directory: &Path) -> Vec<u64> {
    let journal = std::fs::read_to_string(directory.join("learning.jsonl")).unwrap();
    let records = journal
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter(|record| record["generation"]["frozen"] == true)
        .map(|record| record["generation"]["labels"].as_u64().unwrap())
        .collect()
}

fn analysis(directory: &Path) -> serde_json::Value {
    let (out, _) = expect(0, &["analyze", text(directory), "--json"]);
    serde_json::from_str(&out).unwrap()
}

/// With four structures of the bootstrap the forecast freezes after 20 decisions, with the network of 24 structures or a few more; yet more mend it.
fn fails_when_frozen(structures: usize) -> bool {
    (24..40).contains(&structures)
}

#[test]
fn an_early_freeze_that_fails_its_trial_is_taken_back() {
    let setting = Setting::new(&[], fails_when_frozen);
    let (directory, finish) = setting.run("run", 0, None);
    assert!(matches!(finish, Finish::Completed(_)), "{finish:?}");
    assert!(thaws(&directory) > 0, "the freeze stood");
    let events = std::fs::read_to_string(directory.join("events.jsonl")).unwrap();
    assert!(events.contains("the freeze is taken back"), "{events}");
    // What is averaged comes from the last block alone, and is right: <U> = 3/2 N kT.
    let result = analysis(&directory);
    assert_eq!(result["samples"], 2 * (400 - 20));
    let energy = &result["potential_energy"];
    let (mean, error) = (energy["mean"].as_f64().unwrap(), energy["mcse"].as_f64().unwrap());
    let exact = 1.5 * 4.0 * slmc::units::BOLTZMANN * 300.0;
    assert!((mean - exact).abs() < 5.0 * error, "{mean} ± {error}, not {exact}");
}

#[test]
fn a_network_that_does_not_bear_out_its_forecast_is_not_frozen() {
    let mut setting = Setting::new(&[], fails_when_frozen);
    setting.honest = true;
    let (directory, finish) = setting.run("run", 0, None);
    assert!(matches!(finish, Finish::Completed(_)), "{finish:?}");
    assert_eq!(thaws(&directory), 0, "nothing was to be taken back");
    let frozen = frozen(&directory);
    assert!(frozen.len() == 1 && frozen[0] >= 40, "{frozen:?}");
    let events = std::fs::read_to_string(directory.join("events.jsonl")).unwrap();
    assert!(events.contains("learning goes on instead of freezing"), "{events}");
    // What the journal says is not asked again.
    for hold in 3..=7 {
        let name = format!("stopped-{hold}");
        let (stopped, finish) = setting.run(&name, 0, Some(hold));
        assert!(matches!(finish, Finish::Stopped(_)), "{hold}: {finish:?}");
        setting.run(&name, hold, None);
        assert_same_decisions(&directory, &stopped);
    }
}

#[test]
fn a_freeze_stands_where_it_is_good_or_nothing_is_left_to_learn_with() {
    let setting = Setting::new(&[], |_| false);
    let good = setting.run("run", 0, None).0;
    assert!(thaws(&good) == 0 && matches!(frozen(&good)[..], [24..40]));
    // Bad ones from the freeze on, but the budget is spent: the same networks in the same order.
    let spent = Setting::new(&[("stop-after = 150", "stop-after = 62")], fails_when_frozen);
    let directory = spent.run("run", 0, None).0;
    assert!(thaws(&directory) == 0 && matches!(frozen(&directory)[..], [24..40]));
    let acceptance = analysis(&directory)["acceptance"].as_f64().unwrap();
    assert!(acceptance < 0.5, "{acceptance}");
    let asked_not_to = Setting::new(&[("lag = 1", "lag = 1\nfreeze-acceptance = 0.0")], fails_when_frozen);
    assert_eq!(thaws(&asked_not_to.run("run", 0, None).0), 0);
}

#[test]
fn a_stop_does_not_wait_for_a_training_and_the_resumed_run_is_the_same() {
    let setting = Setting::new(&[], fails_when_frozen);
    let (whole, _) = setting.run("whole", 0, None);
    let fits = std::fs::read_dir(whole.join("potentials")).unwrap().count();
    assert!(thaws(&whole) > 0 && fits > 6, "{fits} networks");
    for hold in [0, 3, fits - 2] {
        let name = format!("stopped-{hold}");
        let (stopped, finish) = setting.run(&name, 0, Some(hold));
        assert!(matches!(finish, Finish::Stopped(_)), "{hold}: {finish:?}");
        let (_, finish) = setting.run(&name, hold, None);
        assert!(matches!(finish, Finish::Completed(_)), "{hold}: {finish:?}");
        assert_same_decisions(&whole, &stopped);
    }
}
