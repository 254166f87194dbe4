//! The best of many settings by successive halving, and an independent measurement of the winner.

use rayon::prelude::*;
use slmc::analysis::statistics::mcse_mean;
use slmc::structure::Structure;

use crate::estimate::{Estimate, calls_per_effective_sample, effective_samples};
use crate::walker::{Method, System, Walker};

/// A method with its chains.
struct Candidate {
    method: Method,
    walkers: Vec<Walker>,
}

impl Candidate {
    fn new(system: &System, starts: &[Structure], method: Method, seed: u64) -> Self {
        let walkers = starts.par_iter().enumerate();
        Self {
            method,
            walkers: walkers
                .map(|(chain, start)| Walker::new(system, start, seed, chain))
                .collect(),
        }
    }

    fn advance(&mut self, system: &System, calls: usize) {
        let each = calls.div_ceil(self.walkers.len());
        let method = self.method;
        self.walkers
            .par_iter_mut()
            .for_each(|walker| walker.advance(system, method, each));
    }

    fn energies(&self) -> Vec<Vec<f64>> {
        self.walkers.iter().map(|walker| walker.energies.clone()).collect()
    }

    fn calls(&self) -> f64 {
        self.walkers.iter().map(|walker| walker.calls).sum::<u64>() as f64
    }

    fn effective(&self) -> f64 {
        effective_samples(&self.energies(), self.method.block())
    }

    fn acceptance(&self) -> f64 {
        let accepted: u64 = self.walkers.iter().map(|walker| walker.accepted).sum();
        let all: usize = self.walkers.iter().map(|walker| walker.energies.len()).sum();
        accepted as f64 / all as f64
    }
}

/// A method's measured efficiency.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The method.
    pub method: Method,
    /// Calls per effective sample.
    pub estimate: Estimate,
    /// The share of trajectories accepted; `None` for Langevin dynamics, which rejects nothing.
    pub acceptance: Option<f64>,
    /// The mean potential energy and its standard error, eV.
    pub energy: (f64, f64),
}

/// Equilibrated structures, one for each chain: Langevin dynamics from the start.
pub fn equilibrate(system: &System, chains: usize, steps: usize, seed: u64) -> Vec<Structure> {
    let method = Method::Langevin {
        time_step: 1.0,
        friction: 10.0,
    };
    let starts = vec![system.start.clone(); chains];
    let mut candidate = Candidate::new(system, &starts, method, seed);
    candidate.advance(system, steps * chains);
    candidate
        .walkers
        .iter()
        .map(|walker| walker.structure().clone())
        .collect()
}

/// Acceptance of a method in a short run.
pub fn acceptance(system: &System, starts: &[Structure], method: Method, calls: usize, seed: u64) -> f64 {
    let mut candidate = Candidate::new(system, starts, method, seed);
    candidate.advance(system, calls);
    candidate.acceptance()
}

/// The method with the fewest calls per effective sample: all run for `calls` calls, the worse half is dropped, the rest
/// go on for as long again, until one is left or the best have `enough` effective samples.
pub fn best(
    system: &System,
    starts: &[Structure],
    methods: &[Method],
    calls: usize,
    enough: f64,
    seed: u64,
) -> Option<Method> {
    let mut candidates: Vec<Candidate> = methods
        .iter()
        .map(|method| Candidate::new(system, starts, *method, seed))
        .collect();
    let mut budget = calls;
    loop {
        candidates
            .par_iter_mut()
            .for_each(|candidate| candidate.advance(system, budget));
        let mut ranked: Vec<(f64, f64, Candidate)> = candidates
            .into_par_iter()
            .map(|candidate| {
                let effective = candidate.effective();
                (candidate.calls() / effective, effective, candidate)
            })
            .filter(|(cost, _, _)| cost.is_finite())
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (cost, effective, first) = ranked.first()?;
        eprintln!(
            "  {:3} settings, {:8.0} calls each: best {cost:.1} by {:?}",
            ranked.len(),
            first.calls(),
            first.method
        );
        if ranked.len() == 1 || (*effective >= enough && ranked.len() <= 4) {
            return Some(first.method);
        }
        budget = first.calls() as usize;
        let keep = ranked.len().div_ceil(2);
        candidates = ranked
            .into_iter()
            .take(keep)
            .map(|(_, _, candidate)| candidate)
            .collect();
    }
}

/// Measures a method with random numbers of its own until it has `enough` effective samples or has spent `most` calls.
pub fn measure(system: &System, starts: &[Structure], method: Method, enough: f64, most: f64, seed: u64) -> Measured {
    let mut candidate = Candidate::new(system, starts, method, seed);
    // The starting structures come from another method's chains; a tenth of the first stretch forgets them.
    candidate.advance(system, 2000 * starts.len());
    for walker in &mut candidate.walkers {
        walker.energies.clear();
        (walker.calls, walker.accepted) = (0, 0);
    }
    candidate.advance(system, 2000 * starts.len());
    loop {
        let effective = candidate.effective();
        if effective >= enough || candidate.calls() >= most {
            break;
        }
        let missing = (enough / effective - 1.0).clamp(0.1, 4.0);
        candidate.advance(system, (missing * candidate.calls()) as usize);
    }
    let energies = candidate.energies();
    let samples: Vec<f64> = energies.iter().flatten().copied().collect();
    Measured {
        method,
        estimate: calls_per_effective_sample(&energies, candidate.calls(), method.block()),
        acceptance: matches!(method, Method::Hmc { .. }).then(|| candidate.acceptance()),
        energy: (samples.iter().sum::<f64>() / samples.len() as f64, mcse_mean(&energies)),
    }
}
