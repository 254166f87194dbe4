//! A chain without a driver: any kernel, any oracle surface, any proposal surface, and the comparison with what must come out.

use std::fmt::Write as _;
use std::sync::Arc;

use slmc::analysis::acceptance::{EnergyError, ExponentialAverage, exponential_average};
use slmc::analysis::statistics::{ess_mean, ess_sd, mcse_mean, mcse_sd};
use slmc::dynamics::Kinetics;
use slmc::potential::{Labels, Potential, Workspace};
use slmc::sampling::{
    Acceptance, Advance, Decision, Ensemble, Environment, Groups, Kernel, Outcome, Phase, Region, Reply, State, StepId,
    TrajectoryPlan,
};
use slmc::structure::Structure;

use crate::targets::Target;

/// Standard errors that a result may be away from the truth, and that a control must be.
pub const ERRORS: f64 = 5.0;
/// Fewer effective samples than this in a seed prove nothing.
pub const FEWEST_EFFECTIVE: f64 = 200.0;

/// Seeds: all of the promise with `SLMC_FULL=1`, else a few.
pub fn seeds(quick: usize) -> usize {
    if full() { 20 } else { quick }
}

/// Whether the long matrix is asked for.
pub fn full() -> bool {
    std::env::var("SLMC_FULL").is_ok_and(|value| value == "1")
}

/// One step of a chain, by whatever means.
pub type Step<'a> = dyn Fn(&Bench, &State, StepId, &mut Workspace) -> (Decision, State) + Sync + 'a;

/// A target with all that a chain on it needs.
pub struct Bench {
    pub target: Target,
    pub proposal: Option<Arc<dyn Potential>>,
    pub environment: Environment,
    pub plan: TrajectoryPlan,
}

/// Two molecules and three regions of the eight atoms, for kernels that move them.
fn groups(start: &Structure) -> Groups {
    let regions = [&[0, 1, 2][..], &[2, 3, 4, 5], &[5, 6, 7]];
    Groups {
        molecules: vec![vec![0, 1, 2], vec![4, 6]],
        regions: regions.map(|atoms| Region::new(start, atoms)).to_vec(),
    }
}

impl Bench {
    /// With fixed trajectories of the target's own length and time step, jittered.
    pub fn new(target: Target, proposal: Option<Arc<dyn Potential>>, segments: usize, acceptance: Acceptance) -> Self {
        let start = &target.start;
        let invariant = target.surface.translation_invariant()
            && proposal
                .as_ref()
                .is_none_or(|potential| potential.translation_invariant());
        Self {
            environment: Environment {
                kinetics: Kinetics::new(Arc::clone(&start.masses), Arc::clone(&start.fixed), invariant),
                thermal_energy: target.temperature.thermal_energy(),
                ensemble: Ensemble::Canonical,
                acceptance,
                seed: 0,
                groups: Arc::new(groups(start)),
            },
            plan: TrajectoryPlan {
                time_step: target.time_step,
                steps: target.steps,
                segments,
                jitter: 0.3,
                band: f64::INFINITY,
                momentum_draws: 3,
            },
            target,
            proposal,
        }
    }

    /// The oracle's answer.
    pub fn label(&self, structure: &Structure) -> Option<Labels> {
        let labels = self.target.surface.evaluate(structure, &mut Workspace::new());
        (labels.is_finite() && labels.energy <= self.target.ceiling).then_some(labels)
    }
}

/// A step of one of the library's kernels.
pub fn kernel_step(kernel: Kernel) -> impl Fn(&Bench, &State, StepId, &mut Workspace) -> (Decision, State) + Sync {
    move |bench, state, id, workspace| {
        let environment = &bench.environment;
        let proposal = bench.proposal.as_deref();
        let mut task = kernel.begin(environment, &bench.plan, proposal, state, id, workspace);
        let mut reply = None;
        loop {
            match task.advance(environment, state, id, reply.take()) {
                Advance::Done(done) => return *done,
                Advance::NeedLabel(_, structure) => {
                    reply = Some(bench.label(&structure).map_or(Reply::Unphysical, Reply::Labels));
                }
            }
        }
    }
}

/// What one chain gave.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Oracle energy after each decision, eV.
    pub energy: Vec<f64>,
    /// Kinetic energy after each decision, eV.
    pub kinetic: Vec<f64>,
    /// β times the change of the Hamiltonian, of each proposal that was labelled.
    pub beta_delta: Vec<f64>,
    /// Oracle less proposal surface at the start and at the end of each labelled proposal, eV.
    pub starts: Vec<f64>,
    pub ends: Vec<f64>,
    pub accepted: usize,
    pub diverged: usize,
    pub unphysical: usize,
}

/// One chain: settled on the oracle's own forces, then `steps` steps.
pub fn chain(bench: &Bench, step: &Step, seed: u64, steps: usize) -> Series {
    let mut bench = Bench {
        target: bench.target.clone(),
        proposal: bench.proposal.clone(),
        environment: bench.environment.clone(),
        ..*bench
    };
    bench.environment.seed = seed;
    let mut workspace = Workspace::new();
    let structure = bench.target.start.clone();
    let labels = bench.label(&structure).expect("the start has an answer");
    let mut state = State {
        structure,
        labels,
        momenta: None,
        first_stage: None,
        kinetic: None,
    };
    let mut id = StepId {
        chain: 0,
        step: 0,
        phase: Phase::Sampling,
        generation: None,
    };
    let (settle, asked) = (kernel_step(Kernel::Hmc), bench.environment.acceptance);
    bench.environment.acceptance = Acceptance::Metropolis;
    for _ in 0..bench.target.settle {
        id.step += 1;
        state = settle(&bench, &state, id, &mut workspace).1;
    }
    bench.environment.acceptance = asked;
    let mut series = Series::default();
    for _ in 0..steps {
        id.step += 1;
        let before = state.labels.energy;
        let (decision, next) = step(&bench, &state, id, &mut workspace);
        assert_eq!(decision.energy, next.labels.energy);
        series.energy.push(decision.energy);
        series.kinetic.push(decision.kinetic);
        series.accepted += usize::from(decision.outcome == Outcome::Accepted);
        series.diverged += usize::from(decision.outcome == Outcome::Diverged);
        series.unphysical += usize::from(decision.outcome == Outcome::Unphysical);
        if let Some(delta) = decision.delta {
            series.beta_delta.push(delta / bench.environment.thermal_energy);
            if let (Some([start, end]), Some(proposed)) = (decision.network, decision.energy_proposed) {
                series.starts.push(before - start);
                series.ends.push(proposed - end);
            }
        }
        state = next;
    }
    series
}

/// Chains of the seeds from 1.
pub fn chains(bench: &Bench, step: &Step, seeds: usize, steps: usize) -> Vec<Series> {
    (1..=seeds as u64).map(|seed| chain(bench, step, seed, steps)).collect()
}

/// What must come out: mean and standard deviation of the potential energy, with standard errors where they were measured.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub mean: f64,
    pub mean_error: f64,
    pub sd: f64,
    pub sd_error: f64,
}

impl Expected {
    /// Exact numbers.
    pub fn exact(mean: f64, variance: f64) -> Self {
        Self {
            mean,
            mean_error: 0.0,
            sd: variance.sqrt(),
            sd_error: 0.0,
        }
    }

    /// The numbers of a long run.
    pub fn measured(chains: &[Series]) -> Self {
        let energies = column(chains, |series| &series.energy);
        let (mean, sd) = mean_and_sd(&energies);
        Self {
            mean,
            mean_error: mcse_mean(&energies),
            sd,
            sd_error: mcse_sd(&energies),
        }
    }
}

/// One observable of all chains.
pub fn column(chains: &[Series], of: impl Fn(&Series) -> &Vec<f64>) -> Vec<&[f64]> {
    chains.iter().map(|series| of(series).as_slice()).collect()
}

pub fn mean_and_sd(chains: &[&[f64]]) -> (f64, f64) {
    let count = chains.iter().map(|chain| chain.len()).sum::<usize>() as f64;
    let mean = chains.iter().copied().flatten().sum::<f64>() / count;
    let squares = chains.iter().copied().flatten().map(|x| (x - mean).powi(2));
    (mean, (squares.sum::<f64>() / (count - 1.0)).sqrt())
}

/// Deviations of mean and standard deviation from what is expected, in standard errors.
pub fn deviations(energies: &[&[f64]], expected: &Expected) -> (f64, f64) {
    let (mean, sd) = mean_and_sd(energies);
    (
        (mean - expected.mean) / mcse_mean(energies).hypot(expected.mean_error),
        (sd - expected.sd) / mcse_sd(energies).hypot(expected.sd_error),
    )
}

/// The part of proposals that ended a certain way.
pub fn fraction(chains: &[Series], of: impl Fn(&Series) -> usize) -> f64 {
    let steps: usize = chains.iter().map(|series| series.energy.len()).sum();
    chains.iter().map(of).sum::<usize>() as f64 / steps as f64
}

/// ⟨exp(−βΔH)⟩ as the program reports it, and the βσ√(1−ρ) that its reliability is judged by.
pub fn creutz(chains: &[Series], beta: f64) -> (ExponentialAverage, f64) {
    let (starts, ends) = (
        column(chains, |series| &series.starts),
        column(chains, |series| &series.ends),
    );
    let effective = if starts.iter().all(|series| series.is_empty()) {
        0.0
    } else {
        EnergyError::from_proposals(&starts, &ends).effective(beta)
    };
    let works = column(chains, |series| &series.beta_delta);
    (exponential_average(&works, effective), effective)
}

/// All complaints about chains that must be exact: effective samples, mean and standard deviation of each seed and of all
/// together, kinetic temperature, ⟨exp(−βΔH)⟩ = 1.
pub fn complaints(name: &str, bench: &Bench, chains: &[Series], expected: &Expected) -> String {
    let mut found = String::new();
    let mut complain = |text: String| writeln!(found, "{name}: {text}").expect("a string takes everything");
    let energies = column(chains, |series| &series.energy);
    for (index, energy) in energies.iter().enumerate() {
        let one = [*energy];
        let effective = ess_mean(&one).min(ess_sd(&one));
        if effective.is_nan() || effective < FEWEST_EFFECTIVE {
            complain(format!("seed {}: only {effective:.0} effective samples", index + 1));
        }
        let (mean, sd) = deviations(&one, expected);
        if !(mean.abs() <= ERRORS && sd.abs() <= ERRORS) {
            complain(format!(
                "seed {}: mean {mean:+.1}, sd {sd:+.1} standard errors off",
                index + 1
            ));
        }
    }
    let (mean, sd) = deviations(&energies, expected);
    if !(mean.abs() <= ERRORS && sd.abs() <= ERRORS) {
        complain(format!(
            "all seeds: mean {mean:+.1}, sd {sd:+.1} standard errors off: {:?} instead of {expected:?}",
            mean_and_sd(&energies)
        ));
    }
    let kinetic = column(chains, |series| &series.kinetic);
    let freedom = bench.environment.kinetics.degrees_of_freedom() as f64;
    let kinetic_expected = Expected::exact(
        0.5 * freedom * bench.environment.thermal_energy,
        0.5 * freedom * bench.environment.thermal_energy.powi(2),
    );
    // An inner chain keeps its momenta to itself.
    let none = kinetic.iter().copied().flatten().all(|k| *k == 0.0);
    let (temperature, spread) = if none {
        (0.0, 0.0)
    } else {
        deviations(&kinetic, &kinetic_expected)
    };
    if !(temperature.abs() <= ERRORS && spread.abs() <= ERRORS) {
        complain(format!(
            "kinetic energy: mean {temperature:+.1}, sd {spread:+.1} standard errors off"
        ));
    }
    let (average, effective) = creutz(chains, 1.0 / bench.environment.thermal_energy);
    if average.reliable {
        let off = (average.mean - 1.0) / average.mcse;
        // Proposals on the oracle's own surface with short time steps hardly change H at all: then rounding is what is left.
        if !(off.abs() <= ERRORS || (average.mean - 1.0).abs() < 1e-9) {
            complain(format!(
                "exp(-beta dH) is {off:+.1} standard errors from one: {average:?}"
            ));
        }
    }
    if effective > slmc::analysis::acceptance::RELIABLE_BETA_SIGMA && average.reliable {
        complain(format!("exp(-beta dH) passes for reliable at {effective:.2}"));
    }
    println!(
        "{name}: acceptance {:.3}, diverged {:.3}, unphysical {:.3}, ESS {:.0} and {:.0} of {}, mean {mean:+.1}, sd {sd:+.1}, \
         kinetic {temperature:+.1}, {spread:+.1} standard errors, exp(-beta dH) {:.3} ± {:.3} ({}, {effective:.2})",
        fraction(chains, |series| series.accepted),
        fraction(chains, |series| series.diverged),
        fraction(chains, |series| series.unphysical),
        ess_mean(&energies),
        ess_sd(&energies),
        energies.iter().map(|chain| chain.len()).sum::<usize>(),
        average.mean,
        average.mcse,
        if average.reliable { "reliable" } else { "unreliable" },
    );
    found
}

/// A complaint if a control comes out right: its mean must be off by more than five standard errors.
pub fn control_complaints(name: &str, chains: &[Series], expected: &Expected) -> String {
    let energies = column(chains, |series| &series.energy);
    let (mean, sd) = deviations(&energies, expected);
    println!("{name}: control, mean {mean:+.1}, sd {sd:+.1} standard errors off");
    if mean.abs() > ERRORS {
        String::new()
    } else {
        format!("{name}: the control is right within {mean:+.1} standard errors, so the test proves nothing\n")
    }
}
