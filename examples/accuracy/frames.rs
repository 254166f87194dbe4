//! Labelled frames of the canonical ensemble of an embedded surface: hybrid Monte Carlo on the surface itself, kept in a file.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use slmc::dynamics::{Kinetics, integrate};
use slmc::formats::Frame;
use slmc::formats::xyz::Precision;
use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::{Potential, Workspace};
use slmc::rng::{Purpose, open_uniform, stream};
use slmc::structure::Structure;
use slmc::training::LabelledStructure;
use slmc::units::{BOLTZMANN, FEMTOSECOND};

/// An example on an embedded surface and how to draw independent structures of it.
pub struct System {
    /// Its name on the command line.
    pub name: &'static str,
    surface: &'static str,
    temperature: f64,
    time_step: f64,
    /// Time steps of a trajectory.
    steps: usize,
}

/// The systems with an embedded surface.
pub const SYSTEMS: [System; 3] = [
    System {
        name: "silicon",
        surface: "stillinger-weber",
        temperature: 300.0,
        time_step: 2.0,
        steps: 30,
    },
    System {
        name: "quartz",
        surface: "vashishta",
        temperature: 300.0,
        time_step: 1.0,
        steps: 40,
    },
    System {
        name: "argon",
        surface: "lennard-jones",
        temperature: 94.0,
        time_step: 15.0,
        steps: 40,
    },
];

/// Labelled frames.
pub type Frames = Vec<Arc<LabelledStructure>>;

/// Frames to learn from; they come first.
pub const TRAIN: usize = 300;
/// Frames to test on.
pub const TEST: usize = 400;
/// Chains, half of them for learning, half for testing: the two sets share no history.
const CHAINS: usize = 8;
/// Trajectories between frames.
const APART: usize = 2;
/// Trajectories of each chain before its first frame.
const DISCARD: usize = 25;

/// Reads a file of labelled frames.
pub fn read(path: &Path) -> Result<Frames, String> {
    let frames = slmc::formats::read(path).map_err(|error| error.to_string())?;
    Ok(frames
        .into_iter()
        .filter_map(|frame| {
            let labels = frame.force_consistent_labels()?;
            let structure = frame.structure;
            Some(Arc::new(LabelledStructure { structure, labels }))
        })
        .collect())
}

/// Frames to learn from and frames to test on, from the file in `folder` or drawn now and written there.
pub fn thermal(system: &System, folder: &Path) -> Result<(Frames, Frames), String> {
    let path = folder.join(format!("{}.xyz", system.name));
    if !path.exists() {
        eprintln!("drawing {} frames of {}", TRAIN + TEST, system.name);
        let frames = draw(system)?;
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        slmc::formats::xyz::write(&path, &frames, Precision::Exact).map_err(|error| error.to_string())?;
    }
    let mut train = read(&path)?;
    if train.len() != TRAIN + TEST {
        return Err(format!("{} holds {} frames: remove it", path.display(), train.len()));
    }
    let test = train.split_off(TRAIN);
    Ok((train, test))
}

fn draw(system: &System) -> Result<Vec<Frame>, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(system.name)
        .join(format!("{}.xyz", system.name));
    let start = slmc::formats::read(&file).map_err(|error| error.to_string())?;
    let start = start.into_iter().next().ok_or("no structure to start from")?.structure;
    let surface = AnalyticConfig::by_name(system.surface).ok_or("no such surface")?;
    let surface = build(&surface, &start).map_err(|error| error.to_string())?;
    let chains: Vec<Vec<Frame>> = (0..CHAINS)
        .into_par_iter()
        .map(|chain| {
            let wanted = if chain < CHAINS / 2 { TRAIN } else { TEST } / (CHAINS / 2);
            walk(system, surface.as_ref(), &start, chain as u64, wanted)
        })
        .collect();
    // Frames of different chains alternate, so that any first few of them are a fair sample.
    let weave = |chains: &[Vec<Frame>]| -> Vec<Frame> {
        let length = chains.iter().map(Vec::len).max().unwrap_or(0);
        (0..length)
            .flat_map(|place| chains.iter().filter_map(move |chain| chain.get(place).cloned()))
            .collect()
    };
    let (train, test) = chains.split_at(CHAINS / 2);
    let mut frames = weave(train);
    frames.extend(weave(test));
    Ok(frames)
}

/// One chain of hybrid Monte Carlo with trajectories of uncertain length.
fn walk(system: &System, surface: &dyn Potential, start: &Structure, chain: u64, wanted: usize) -> Vec<Frame> {
    let thermal_energy = BOLTZMANN * system.temperature;
    let kinetics = Kinetics::new(start.masses.clone(), start.fixed.clone(), true);
    let mut workspace = Workspace::new();
    let mut structure = start.clone();
    let mut labels = surface.evaluate(&structure, &mut workspace);
    let mut frames = Vec::new();
    for trajectory in 0..DISCARD + wanted * APART {
        let mut generator = stream(11, chain, trajectory as u64, Purpose::Langevin);
        let momenta = kinetics.draw(thermal_energy, &mut generator);
        let length = system.steps as f64 * (0.7 + 0.6 * open_uniform(&mut generator));
        let end = integrate(
            surface,
            &kinetics,
            &structure,
            momenta,
            &labels,
            system.time_step * FEMTOSECOND,
            length.round() as usize,
            f64::INFINITY,
            &mut workspace,
            &mut |_, _| {},
        );
        let change = end.labels.energy + end.kinetic_end - labels.energy - end.kinetic_start;
        if !end.diverged && open_uniform(&mut generator).ln() < -change / thermal_energy {
            structure = end.structure;
            labels = end.labels;
        }
        if trajectory >= DISCARD && (trajectory - DISCARD) % APART == APART - 1 {
            frames.push(Frame::labelled(structure.clone(), labels.clone()));
        }
    }
    frames
}
