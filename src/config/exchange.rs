//! The section `[exchange]` and what it becomes: the ladder of replicas, or complaints about what cannot be one.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checker::Checker;
use super::numbers::MOST_CHAINS;
use super::oracle::OracleChoice;
use super::schema::{Config, KernelConfig};
use crate::run::ladder::{LadderPlan, Rung, geometric};
use crate::sampling::Pairing;
use crate::units::{BOLTZMANN, Pressure, Temperature};

/// Replica exchange: chains at several temperatures (and pressures) share one network and one pool of workers, and neighbours trade their
/// states. `sampling.chains` is then the number of independent ladders. Give either the rungs as lists, or `highest-temperature` and
/// `rungs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ExchangeConfig {
    /// The temperature of each rung, such as `["300 K", "400 K", "550 K"]`; the first is that of the ensemble.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub temperatures: Vec<Temperature>,
    /// The pressure of each rung in the isothermal–isobaric ensemble, the first that of the ensemble; absent: the same on all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pressures: Vec<Pressure>,
    /// Instead of a list: the temperature of the last rung. The rungs between are placed for equal rates of exchange while networks are
    /// learned, starting from a geometric ladder, and frozen before sampling; where nothing is learned the ladder stays geometric, and
    /// `slmc analyze` names the temperatures that its rates of exchange ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_temperature: Option<Temperature>,
    /// The number of rungs up to `highest-temperature`, both ends counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rungs: Option<usize>,
    /// Steps of every chain between two attempts; an attempt costs no label.
    pub every: u64,
    /// Which neighbours try.
    pub pairs: PairsConfig,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            temperatures: Vec::new(),
            pressures: Vec::new(),
            highest_temperature: None,
            rungs: None,
            every: 1,
            pairs: PairsConfig::default(),
        }
    }
}

/// Which neighbours try to trade their states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairsConfig {
    /// Even and odd pairs in turn: the shortest round trips.
    #[default]
    EvenOdd,
    /// Even or odd pairs at random.
    Random,
}

impl ExchangeConfig {
    /// The number of rungs, as far as it is given.
    pub fn count(&self) -> usize {
        let listed = self.temperatures.len().max(self.pressures.len());
        if listed > 0 { listed } else { self.rungs.unwrap_or(1) }.max(1)
    }
}

impl Config {
    /// The rungs of the ladder of replica exchange; 1 without it.
    pub fn rungs(&self) -> usize {
        self.exchange.as_ref().map_or(1, ExchangeConfig::count)
    }

    /// All chains: those of `sampling.chains`, on each rung. Chain number k belongs to ladder k mod `sampling.chains` and to rung k div
    /// `sampling.chains`, so that the first chains are those of the ensemble's own temperature.
    pub fn chain_count(&self) -> usize {
        self.sampling.chains.saturating_mul(self.rungs())
    }

    /// The ladder where nothing has placed it otherwise; `None` without replica exchange.
    pub fn ladder(&self) -> Option<LadderPlan> {
        let exchange = self.exchange.as_ref()?;
        let own = self.ensemble.temperature()?.thermal_energy();
        let count = exchange.count();
        let thermal_energies = match exchange.highest_temperature {
            Some(highest) if exchange.temperatures.is_empty() => geometric(own, highest.thermal_energy(), count),
            _ if exchange.temperatures.is_empty() => vec![own; count],
            _ => exchange.temperatures.iter().map(|t| t.thermal_energy()).collect(),
        };
        let pressure = self.ensemble.npt.as_ref().map_or(0.0, |npt| npt.pressure.value());
        let rungs = thermal_energies
            .into_iter()
            .enumerate()
            .map(|(rung, thermal_energy)| Rung {
                thermal_energy,
                pressure: exchange
                    .pressures
                    .get(rung)
                    .map_or(pressure, |pressure| pressure.value()),
            });
        Some(LadderPlan {
            rungs: rungs.collect(),
            ladders: self.sampling.chains,
            every: exchange.every.max(1),
            pairing: match exchange.pairs {
                PairsConfig::EvenOdd => Pairing::EvenOdd,
                PairsConfig::Random => Pairing::Random,
            },
            place: exchange.highest_temperature.is_some() && count > 2,
        })
    }
}

/// Complains about what makes no ladder.
pub(super) fn check_exchange(config: &Config, check: &mut Checker<'_>) {
    let Some(exchange) = &config.exchange else {
        return;
    };
    let before = check.complaints.len();
    let listed = !exchange.temperatures.is_empty();
    match (listed, exchange.highest_temperature, exchange.rungs) {
        (true, Some(_), _) => check.complain(
            "exchange.highest-temperature",
            "the temperatures are listed too",
            "keep the list, or highest-temperature and rungs",
        ),
        (true, None, Some(_)) => check.complain(
            "exchange.rungs",
            "the temperatures are listed, which says how many there are",
            "remove it",
        ),
        (false, Some(_), None) => check.complain(
            "exchange",
            "highest-temperature needs the number of rungs",
            "add rungs = 4; more where the report finds low rates of exchange",
        ),
        (false, None, Some(_)) => check.complain(
            "exchange.rungs",
            "there is no temperature for the last rung",
            "add highest-temperature = \"900 K\", or list temperatures",
        ),
        (false, None, None) if exchange.pressures.is_empty() => check.complain(
            "exchange",
            "there is no ladder",
            "add temperatures = [\"300 K\", \"400 K\"], or highest-temperature and rungs",
        ),
        _ => {}
    }
    if exchange.every == 0 {
        check.complain("exchange.every", "must be at least 1", "1 tries after every step");
    }
    if !exchange.pressures.is_empty() {
        if config.ensemble.npt.is_none() {
            check.complain(
                "exchange.pressures",
                "there is no pressure in this ensemble",
                "use [ensemble.npt], or remove it",
            );
        }
        if exchange.highest_temperature.is_some() {
            check.complain(
                "exchange.pressures",
                "rungs that are placed on the way have no pressures of their own",
                "list the temperatures, or remove the pressures",
            );
        }
        if listed && exchange.pressures.len() != exchange.temperatures.len() {
            check.complain(
                "exchange.pressures",
                format!(
                    "{} pressures for {} temperatures",
                    exchange.pressures.len(),
                    exchange.temperatures.len()
                ),
                "give one for each rung",
            );
        }
    }
    for temperature in exchange.temperatures.iter().chain(&exchange.highest_temperature) {
        let key = if listed {
            "exchange.temperatures"
        } else {
            "exchange.highest-temperature"
        };
        check.positive(key, temperature.value());
    }
    if exchange.pressures.iter().any(|pressure| !pressure.value().is_finite()) {
        check.complain("exchange.pressures", "one is not a finite number", "such as \"1 GPa\"");
    }
    if matches!(config.sampling.kernel, KernelConfig::Langevin(_)) {
        check.complain(
            "sampling.kernel.langevin",
            "Langevin dynamics rejects nothing, so its states do not have the densities that an exchange weighs",
            "use the kernel \"slhmc\" or \"hmc\", or remove [exchange]",
        );
    }
    if config.chain_count() > MOST_CHAINS {
        check.complain(
            "exchange",
            format!(
                "{} ladders of {} rungs are more than the {MOST_CHAINS} chains that one run may have",
                config.sampling.chains,
                exchange.count()
            ),
            "lower sampling.chains or the number of rungs",
        );
    }
    if check.complaints.len() > before {
        return;
    }
    let Some(ladder) = config.ladder() else {
        return;
    };
    if ladder.rungs.len() < 2 {
        check.complain(
            "exchange",
            "one rung has nobody to exchange with",
            "give two or more temperatures, or remove [exchange]",
        );
        return;
    }
    let key = if listed {
        "exchange.temperatures"
    } else if exchange.highest_temperature.is_some() {
        "exchange.highest-temperature"
    } else {
        "exchange.pressures"
    };
    let own = config.ensemble.temperature().map_or(0.0, Temperature::thermal_energy);
    if listed && (ladder.rungs[0].thermal_energy - own).abs() > 1e-9 * own {
        check.complain(
            key,
            "the first is not the temperature of the ensemble, whose averages the report gives",
            "begin the list with it",
        );
    }
    if let (Some(npt), Some(first)) = (&config.ensemble.npt, exchange.pressures.first())
        && (first.value() - npt.pressure.value()).abs() > 1e-9 * npt.pressure.value().abs()
    {
        check.complain(
            "exchange.pressures",
            "the first is not the pressure of the ensemble, whose averages the report gives",
            "begin the list with it",
        );
    }
    let same = |pair: &[Rung]| pair[0] == pair[1];
    if ladder.rungs.windows(2).any(same) {
        check.complain(key, "two neighbours are the same", "give each rung its own");
    }
    let rising = ladder
        .rungs
        .windows(2)
        .all(|pair| pair[1].thermal_energy >= pair[0].thermal_energy);
    let falling = ladder
        .rungs
        .windows(2)
        .all(|pair| pair[1].thermal_energy <= pair[0].thermal_energy);
    if !rising && !falling {
        check.complain(
            key,
            "the temperatures neither rise nor fall along the ladder, and only neighbours exchange",
            "sort them",
        );
    }
}

/// Warns of rungs that nothing will place: a ladder that moved while samples are averaged would be no ensemble, and only learning comes before.
pub(super) fn check_placement(config: &Config, learned: bool, warnings: &mut Vec<String>) {
    if !learned && config.ladder().is_some_and(|ladder| ladder.place) {
        warnings.push(
            "nothing is learned here, so that the rungs up to exchange.highest-temperature stay in equal ratios; where their rates of \
             exchange differ, `slmc analyze` names temperatures for exchange.temperatures, such as after a short run"
                .to_owned(),
        );
    }
}

/// Electrons within this fraction of the atoms' temperature were meant to have it.
const TIED: f64 = 0.05;

/// Complains about an oracle whose electrons have the temperature of the atoms: each rung would be another surface, and an exchange needs
/// energies of the same one. Electrons of a temperature of their own are one surface, worth a warning.
pub(super) fn check_electrons(
    config: &Config,
    choice: &OracleChoice,
    folder: &Path,
    check: &mut Checker<'_>,
    warnings: &mut Vec<String>,
) {
    let (Some(ladder), Some(electrons)) = (config.ladder(), choice.electrons(folder)) else {
        return;
    };
    let hottest = ladder.rungs.iter().map(|rung| rung.thermal_energy).fold(0.0, f64::max);
    let coldest = ladder
        .rungs
        .iter()
        .map(|rung| rung.thermal_energy)
        .fold(f64::INFINITY, f64::min);
    if hottest <= coldest * (1.0 + TIED) {
        return;
    }
    let tied = |rung: &crate::run::ladder::Rung| {
        (electrons.thermal_energy - rung.thermal_energy).abs() <= TIED * rung.thermal_energy
    };
    let kelvin = electrons.thermal_energy / BOLTZMANN;
    if ladder.rungs.iter().any(tied) {
        check.complain(
            "exchange",
            format!(
                "the oracle `{}` occupies electrons by the temperature of the atoms ({}, {kelvin:.0} K): its energy surface would differ \
                 between rungs, and states can only be traded on one surface",
                choice.name(),
                electrons.setting
            ),
            "use a smearing that is no temperature (Gaussian, Methfessel–Paxton, cold), or remove [exchange]",
        );
    } else {
        warnings.push(format!(
            "the electrons of the oracle `{}` are at {kelvin:.0} K on every rung ({})",
            choice.name(),
            electrons.setting
        ));
    }
}
