//! Atoms of a run outside the range of the training data, counted on structures that are there already: the labelled end points of
//! proposals where they were stored, or else the frames of the ensemble.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::directory::RunDirectory;
use super::results::{Analysis, Results};
use crate::analysis::advice::{Line, Verdict};
use crate::formats::{Frame, xyz};
use crate::potential::{NeuralPotential, Workspace};
use crate::structure::Structure;
use crate::training::Extrapolation;

/// Structures that are looked at, spread evenly over the run, are at most so many and at least half of it.
const MOST: usize = 256;

/// In equilibrium some atom is always a little beyond the most extreme one of a small training set. More than this part of an element's
/// atoms is more than that.
const EXPECTED: f64 = 0.2;

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Beyond {
    /// What was looked at.
    pub source: &'static str,
    /// How many of them.
    pub structures: usize,
    /// By element's symbol.
    pub elements: BTreeMap<String, Extrapolation>,
}

impl Beyond {
    /// Counts atoms of a run for the network that sampling proposes with. `None` where there is no network of this program, it knows no
    /// ranges, or nothing was sampled yet.
    pub fn measure(directory: &RunDirectory, results: &Results) -> Option<Self> {
        let generation = results.generations.iter().rfind(|generation| generation.frozen);
        let generation = generation.map(|generation| generation.generation);
        let place = match generation {
            Some(generation) => directory.potential(generation),
            None => results.config.proposal.potential.clone()?.into(),
        };
        let potential = NeuralPotential::load(&place).ok()?;
        let own = |frame: &Frame| {
            let sampled = frame.info.get("slmc_phase").is_none_or(|phase| phase == "sampling");
            sampled && frame.info_number("slmc_generation") == generation.map(f64::from)
        };
        let mut thinned = Thinned::default();
        let mut source = "labelled end points";
        thinned.read(&directory.labels_xyz(), own);
        if thinned.kept.is_empty() {
            source = "frames of the ensemble";
            for chain in 0..results.decisions.len() {
                thinned.read(&directory.trajectory(results.first_chain + chain), own);
            }
        }
        let elements = potential.descriptor.elements();
        let counts: Option<Vec<Vec<usize>>> = thinned
            .kept
            .par_iter()
            .map_init(Workspace::new, |workspace, structure| {
                potential.extrapolating(structure, workspace)
            })
            .collect();
        let mut found = BTreeMap::<String, Extrapolation>::new();
        for (structure, outside) in thinned.kept.iter().zip(counts?) {
            for (element, outside) in elements.iter().zip(outside) {
                let atoms = structure.species.iter().filter(|species| *species == element).count();
                if atoms > 0 {
                    let total = found.entry(element.symbol().to_owned()).or_default();
                    total.atoms += atoms;
                    total.outside += outside;
                }
            }
        }
        (!found.is_empty()).then_some(Self {
            source,
            structures: thinned.kept.len(),
            elements: found,
        })
    }

    /// `extrapolation` of `slmc analyze --json`.
    pub fn json(&self) -> Value {
        json!({ "of": self.source, "structures": self.structures, "elements": self.elements })
    }

    /// Percentages by element.
    pub fn shares(&self) -> String {
        let share = |(symbol, count): (&String, &Extrapolation)| {
            format!("{symbol} {:.2} %", 100.0 * count.outside as f64 / count.atoms as f64)
        };
        self.elements.iter().map(share).collect::<Vec<_>>().join(", ")
    }

    /// What it means.
    pub fn line(&self) -> Line {
        let part = |count: &Extrapolation| count.outside as f64 / count.atoms as f64;
        let good = self.elements.values().all(|count| part(count) <= EXPECTED);
        Line {
            name: "extrapolation",
            value: format!("{} of atoms, {} {}", self.shares(), self.structures, self.source),
            threshold: format!("≤ {:.0} %", 100.0 * EXPECTED),
            verdict: if good { Verdict::Ok } else { Verdict::Watch },
            advice: if good {
                String::new()
            } else {
                "the network proposes where it was not trained, which costs acceptance, never exactness: `slmc resume --relearn` trains it on \
                 these labels too"
                    .to_owned()
            },
        }
    }
}

impl Analysis {
    /// Adds what a run's network extrapolated to.
    pub fn add_extrapolation(&mut self, directory: &RunDirectory, results: &Results) {
        if let Some(beyond) = Beyond::measure(directory, results) {
            self.json["extrapolation"] = beyond.json();
            self.lines.push(beyond.line());
        }
    }
}

/// Every so manieth of a number of structures that is not known before.
struct Thinned {
    kept: Vec<Structure>,
    every: usize,
    seen: usize,
}

impl Default for Thinned {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            every: 1,
            seen: 0,
        }
    }
}

impl Thinned {
    fn push(&mut self, structure: Structure) {
        if self.seen.is_multiple_of(self.every) {
            self.kept.push(structure);
        }
        self.seen += 1;
        if self.kept.len() > MOST {
            let mut odd = true;
            self.kept.retain(|_| {
                odd = !odd;
                !odd
            });
            self.every *= 2;
        }
    }

    /// Takes what a file has, up to a frame that is being written; a missing file has nothing.
    fn read(&mut self, path: &std::path::Path, own: impl Fn(&Frame) -> bool) {
        let Ok(frames) = xyz::open(path) else { return };
        for frame in frames.map_while(Result::ok).filter(own) {
            self.push(frame.structure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Cell;

    #[test]
    fn structures_are_spread_evenly() {
        let mut thinned = Thinned::default();
        for index in 0..1000 {
            let cell = Cell::new([[10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0]], [true; 3]).unwrap();
            let species = vec!["Si".parse().unwrap()];
            thinned.push(Structure::new(cell, species, vec![[f64::from(index), 0.0, 0.0]]).unwrap());
        }
        let kept: Vec<f64> = thinned.kept.iter().map(|structure| structure.positions[0][0]).collect();
        assert!(kept.len() <= MOST && kept.len() > MOST / 2 - 1, "{}", kept.len());
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == 4.0), "{kept:?}");
    }
}
