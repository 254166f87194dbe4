//! A run as ArviZ's inference data: posterior and sample_stats, and what came before the averaged steps apart as warm-up.
//!
//! Names after the InferenceData schema (python.arviz.org): `lp` is −βU, the logarithm of the density up to a constant;
//! `energy` is β(U + K); `acceptance_rate` is min(1, exp(−βΔH)).

use std::io;
use std::path::Path;

use super::{scaled_change, time_step};
use crate::formats::zarr::{Array, Store, Values};
use crate::linear::determinant;
use crate::observe::columns::Column;
use crate::run::results::Results;
use crate::sampling::{Decision, Outcome};
use crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

/// Writes a Zarr store with the groups `posterior`, `sample_stats`, `warmup_posterior` and `warmup_sample_stats`, each with
/// the dimensions chain and draw; chains are cut at the shortest. Columns with one value a step join the posterior.
pub fn inference_data(results: &Results, columns: &[Column], out: &Path) -> io::Result<()> {
    let temperature = results.thermal_energy / crate::units::BOLTZMANN;
    let mut store = Store::create(
        out,
        &[
            ("inference_library", "slmc".to_owned()),
            ("inference_library_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("temperature", format!("{temperature} K")),
        ],
    )?;
    let kept = results.kept();
    let averaged: Vec<&[Decision]> = kept.iter().map(|(_, chain)| *chain).collect();
    let before: Vec<&[Decision]> = results
        .decisions
        .iter()
        .zip(&averaged)
        .map(|(all, kept)| &all[..all.len() - kept.len()])
        .collect();
    for (prefix, chains) in [("", averaged), ("warmup_", before)] {
        let draws = chains.iter().map(|chain| chain.len()).min().unwrap_or(0);
        let shape = Shape { chains, draws };
        let posterior = format!("{prefix}posterior");
        store.group(&posterior, &[])?;
        shape.coordinates(&mut store, &posterior)?;
        let energy = shape.real("eV", "potential energy of the oracle", |decision| decision.energy);
        store.array(&posterior, "potential_energy", &energy)?;
        if shape.every(|decision| decision.stress.is_some()) {
            for (index, name) in ["xx", "yy", "zz", "yz", "xz", "xy"].into_iter().enumerate() {
                let stress = shape.real("GPa", "configurational stress, tensile positive", |decision| {
                    GPA_PER_EV_PER_CUBIC_ANGSTROM * decision.stress.map_or(f64::NAN, |stress| stress[index])
                });
                store.array(&posterior, &format!("stress_{name}"), &stress)?;
            }
        }
        if shape.every(|decision| decision.cell.is_some()) {
            let volume = shape.real("Å³", "volume of the cell", |decision| {
                decision.cell.map_or(f64::NAN, |cell| determinant(&cell).abs())
            });
            store.array(&posterior, "volume", &volume)?;
            let mut cell = shape.real("Å", "lattice vectors as rows", |_| 0.0);
            cell.dimensions.extend([("vector", 3), ("component", 3)]);
            let vectors = shape
                .decisions()
                .flat_map(|decision| decision.cell.unwrap_or_default().into_iter().flatten());
            cell.values = Values::Real(vectors.collect());
            store.array(&posterior, "cell", &cell)?;
        }
        if prefix.is_empty() {
            for column in columns.iter().filter(|column| column.every == 1) {
                let numbers = column
                    .chains
                    .iter()
                    .flat_map(|chain| (0..draws).map(|draw| chain.get(draw).copied().unwrap_or(f64::NAN)));
                let mut array = shape.real("", "", |_| 0.0);
                array.attributes = vec![("units", column.unit.clone())];
                array.values = Values::Real(numbers.collect());
                store.array(&posterior, &column.name, &array)?;
            }
        }
        let stats = format!("{prefix}sample_stats");
        store.group(&stats, &[])?;
        shape.coordinates(&mut store, &stats)?;
        let beta = 1.0 / results.thermal_energy;
        let mut add = |name: &str, array: Array| store.array(&stats, name, &array);
        add("lp", shape.real("", "−βU", |decision| -beta * decision.energy))?;
        add(
            "energy",
            shape.real("", "β(U + K)", |decision| beta * (decision.energy + decision.kinetic)),
        )?;
        add(
            "acceptance_rate",
            shape.real("", "min(1, exp(−βΔH))", |decision| match decision.outcome {
                // An answer that the oracle does not have is a rejection.
                Outcome::Diverged | Outcome::Unphysical => 0.0,
                _ => (-scaled_change(results, 0, decision)).exp().min(1.0),
            }),
        )?;
        add(
            "energy_error",
            shape.real("", "βΔH", |decision| scaled_change(results, 0, decision)),
        )?;
        add(
            "step_size",
            shape.real("fs", "time step", |decision| time_step(results, decision)),
        )?;
        add(
            "diverging",
            shape.logical("the trajectory diverged", |decision| {
                decision.outcome == Outcome::Diverged
            }),
        )?;
        add(
            "accepted",
            shape.logical("the proposal was accepted", |decision| {
                decision.outcome == Outcome::Accepted
            }),
        )?;
        add(
            "unphysical",
            shape.logical("the oracle had no answer", |decision| {
                decision.outcome == Outcome::Unphysical
            }),
        )?;
        add(
            "n_steps",
            shape.integer("time steps of the trajectory", |decision| i64::from(decision.steps)),
        )?;
        add(
            "n_segments",
            shape.integer("segments, each with momenta of its own", |decision| {
                i64::from(decision.segments)
            }),
        )?;
        add(
            "n_oracle_calls",
            shape.integer("oracle calls of the step", |decision| i64::from(decision.labels)),
        )?;
        add(
            "generation",
            shape.integer("network generation, −1 for none", |decision| {
                decision.generation.map_or(-1, i64::from)
            }),
        )?;
        add(
            "step",
            shape.integer("step of the chain", |decision| decision.step as i64),
        )?;
    }
    store.finish()
}

/// Chains cut at one length.
struct Shape<'a> {
    chains: Vec<&'a [Decision]>,
    draws: usize,
}

impl Shape<'_> {
    fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.chains.iter().flat_map(|chain| chain.iter().take(self.draws))
    }

    fn every(&self, f: impl Fn(&Decision) -> bool) -> bool {
        self.draws > 0 && self.decisions().all(f)
    }

    fn array(&self, values: Values, attributes: Vec<(&'static str, String)>) -> Array {
        Array {
            dimensions: vec![("chain", self.chains.len()), ("draw", self.draws)],
            values,
            attributes,
        }
    }

    fn real(&self, unit: &str, meaning: &str, f: impl Fn(&Decision) -> f64) -> Array {
        let attributes = vec![("units", unit.to_owned()), ("long_name", meaning.to_owned())];
        self.array(Values::Real(self.decisions().map(f).collect()), attributes)
    }

    fn integer(&self, meaning: &str, f: impl Fn(&Decision) -> i64) -> Array {
        let attributes = vec![("long_name", meaning.to_owned())];
        self.array(Values::Integer(self.decisions().map(f).collect()), attributes)
    }

    fn logical(&self, meaning: &str, f: impl Fn(&Decision) -> bool) -> Array {
        let attributes = vec![("long_name", meaning.to_owned())];
        self.array(Values::Logical(self.decisions().map(f).collect()), attributes)
    }

    fn coordinates(&self, store: &mut Store, group: &str) -> io::Result<()> {
        for (name, length) in [("chain", self.chains.len()), ("draw", self.draws)] {
            let array = Array {
                dimensions: vec![(name, length)],
                values: Values::Integer((0..length as i64).collect()),
                attributes: Vec::new(),
            };
            store.array(group, name, &array)?;
        }
        Ok(())
    }
}
