//! What a ladder of replica exchange did, read back from the journals: rates of each pair, round trips, averages on each rung.

use serde_json::{Value, json};

use super::results::{Results, equal_lengths, number};
use crate::analysis::advice::{Line, Verdict};
use crate::analysis::exchange::{expected_round_trips, paths, round_trips};
use crate::analysis::statistics::Summary;
use crate::run::ladder::{Rung, placed};
use crate::sampling::Outcome;
use crate::units::{BOLTZMANN, GPA_PER_EV_PER_CUBIC_ANGSTROM};

/// Fewer trades than this part of the attempts slow walkers down; much less stops them.
const LEAST_RATE: f64 = 0.2;
const POOR_RATE: f64 = 0.05;
/// Fewer round trips in all do not show that the rungs share what they find.
const FEWEST_TRIPS: usize = 10;
/// Fewer attempts of a pair do not move rungs, nor do rates that differ by less.
const FEWEST_ATTEMPTS: usize = 40;
const UNEQUAL: f64 = 0.15;

/// Averages on one rung.
#[derive(Clone, Debug)]
pub struct OnRung {
    /// Temperature and pressure.
    pub rung: Rung,
    /// Averaged samples of all ladders.
    pub samples: usize,
    /// The part of proposals accepted.
    pub acceptance: f64,
    /// The potential energy, eV.
    pub energy: Summary,
    /// The potential energies, by ladder.
    pub energies: Vec<Vec<f64>>,
}

/// Two neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Attempts of all ladders.
    pub attempts: usize,
    /// Trades.
    pub trades: usize,
    /// The mean of min(1, ratio): the rate, with less noise than counting.
    pub rate: f64,
}

/// What a ladder did while samples were averaged.
#[derive(Clone, Debug)]
pub struct Tempering {
    /// Each rung.
    pub rungs: Vec<OnRung>,
    /// Each pair of neighbours.
    pub pairs: Vec<Pair>,
    /// The rungs that the walkers of the first ladder visited.
    pub paths: Vec<Vec<usize>>,
    /// Round trips of all walkers of all ladders.
    pub round_trips: usize,
    /// Round trips to be expected from the rates alone.
    pub expected_round_trips: f64,
    /// Steps that a walker needs for a round trip on average.
    pub round_trip_time: Option<f64>,
}

/// A rung in words: its temperature, and the pressure where there is one.
pub fn name(rung: &Rung, with_pressure: bool) -> String {
    let temperature = rung.thermal_energy / BOLTZMANN;
    if with_pressure {
        let pressure = rung.pressure * GPA_PER_EV_PER_CUBIC_ANGSTROM;
        format!("{temperature:.1} K, {pressure:.4} GPa")
    } else {
        format!("{temperature:.1} K")
    }
}

impl Tempering {
    /// Measures a run whose chains of all rungs are there; `None` without replica exchange.
    pub fn measure(results: &Results) -> Option<Self> {
        let ladder = results.ladder.as_ref()?;
        let count = ladder.rungs.len();
        let kept = results.kept();
        let firsts: Vec<Option<u64>> = kept.iter().map(|(_, own)| own.first().map(|own| own.step)).collect();
        let rungs = (0..count).map(|rung| {
            let own: Vec<_> = (0..ladder.ladders)
                .map(|own| &kept[ladder.chain(own, rung)].1)
                .collect();
            let energies: Vec<Vec<f64>> = own
                .iter()
                .map(|decisions| decisions.iter().map(|decision| decision.energy).collect())
                .collect();
            let samples = own.iter().map(|decisions| decisions.len()).sum();
            let accepted = own.iter().flat_map(|decisions| decisions.iter());
            let accepted = accepted
                .filter(|decision| decision.outcome == Outcome::Accepted)
                .count();
            OnRung {
                rung: results.rungs[rung],
                samples,
                acceptance: accepted as f64 / samples.max(1) as f64,
                energy: Summary::new(&equal_lengths(&energies)),
                energies,
            }
        });
        let rungs: Vec<OnRung> = rungs.collect();
        let mut pairs = vec![(0, 0, 0.0); count - 1];
        let (mut all_paths, mut trips, mut attempts, mut walked) = (Vec::new(), 0, 0, 0);
        for own in 0..ladder.ladders {
            let chains: Vec<usize> = (0..count).map(|rung| ladder.chain(own, rung)).collect();
            let rounds = chains.iter().map(|chain| kept[*chain].1.len()).min().unwrap_or(0);
            let mut trades = Vec::new();
            for (lower, chain) in chains.iter().enumerate().take(count - 1) {
                let Some(first) = firsts[*chain] else { continue };
                for exchange in &results.exchanges[*chain] {
                    let up = exchange.partner as usize == chains[lower + 1];
                    let round = exchange.step.checked_sub(first).map(|round| round as usize);
                    let Some(round) = round.filter(|round| up && *round < rounds) else {
                        continue;
                    };
                    pairs[lower].0 += 1;
                    pairs[lower].1 += usize::from(exchange.accepted);
                    pairs[lower].2 += exchange.log_ratio.exp().min(1.0);
                    if exchange.accepted {
                        trades.push((round, lower));
                    }
                }
            }
            let paths = paths(count, rounds, &trades);
            trips += paths.iter().map(|path| round_trips(path, count - 1)).sum::<usize>();
            attempts += rounds / ladder.every as usize;
            walked += rounds * count;
            if own == 0 {
                all_paths = paths;
            }
        }
        let pairs: Vec<Pair> = pairs
            .into_iter()
            .map(|(attempts, trades, sum)| Pair {
                attempts,
                trades,
                rate: sum / attempts as f64,
            })
            .collect();
        let rejections: Vec<f64> = pairs.iter().map(|pair| 1.0 - pair.rate).collect();
        Some(Self {
            rungs,
            pairs,
            paths: all_paths,
            round_trips: trips,
            expected_round_trips: attempts as f64 * expected_round_trips(&rejections),
            round_trip_time: (trips > 0).then(|| walked as f64 / trips as f64),
        })
    }

    /// The sum of the rejections: with that many rungs and one more, walkers travel about as fast as they can (Syed et al. 2022).
    pub fn barrier(&self) -> f64 {
        self.pairs.iter().map(|pair| 1.0 - pair.rate).sum()
    }

    /// Temperatures between the same ends, K, that the rates would have equal rates at; `None` where they are about equal already, too little
    /// is known, or rungs differ in pressure.
    pub fn placed(&self) -> Option<Vec<f64>> {
        let rates = || self.pairs.iter().map(|pair| pair.rate);
        let (least, most) = rates().fold((1.0_f64, 0.0_f64), |(a, b), rate| (a.min(rate), b.max(rate)));
        let attempts = self.pairs.iter().map(|pair| pair.attempts).min().unwrap_or(0);
        let known = attempts >= FEWEST_ATTEMPTS && self.pairs.len() > 1;
        let one_pressure = self
            .rungs
            .windows(2)
            .all(|pair| pair[0].rung.pressure == pair[1].rung.pressure);
        if !known || !one_pressure || most - least < UNEQUAL {
            return None;
        }
        let present: Vec<f64> = self.rungs.iter().map(|own| own.rung.thermal_energy).collect();
        let rejections: Vec<f64> = rates().map(|rate| 1.0 - rate).collect();
        let placed = placed(&present, &rejections, attempts);
        Some(placed.into_iter().map(|kt| kt / BOLTZMANN).collect())
    }

    /// `temperatures` and `exchange` of `slmc analyze --json`.
    pub fn json(&self, with_pressure: bool) -> (Value, Value) {
        let rungs: Vec<Value> = self
            .rungs
            .iter()
            .map(|own| {
                let mut value = json!({
                    "temperature": number(own.rung.thermal_energy / BOLTZMANN),
                    "samples": own.samples,
                    "acceptance": number(own.acceptance),
                    "potential_energy": {
                        "mean": number(own.energy.mean),
                        "mcse": number(own.energy.mcse),
                        "sd": number(own.energy.sd),
                        "ess_bulk": number(own.energy.ess_bulk),
                        "rhat": number(own.energy.rhat),
                    },
                });
                if with_pressure {
                    value["pressure_gpa"] = number(own.rung.pressure * GPA_PER_EV_PER_CUBIC_ANGSTROM);
                }
                value
            })
            .collect();
        let pairs: Vec<Value> = self
            .pairs
            .iter()
            .map(|pair| json!({"attempts": pair.attempts, "trades": pair.trades, "rate": number(pair.rate)}))
            .collect();
        let exchange = json!({
            "pairs": pairs,
            "round_trips": self.round_trips,
            "round_trips_expected": number(self.expected_round_trips),
            "round_trip_time": self.round_trip_time.map(number),
            "barrier": number(self.barrier()),
            "temperatures_for_equal_rates": self.placed(),
        });
        (Value::Array(rungs), exchange)
    }

    /// What the rates and the round trips are worth, with advice.
    pub fn lines(&self) -> Vec<Line> {
        if self.pairs.iter().all(|pair| pair.attempts < 5) {
            return Vec::new();
        }
        let worst = self
            .pairs
            .iter()
            .enumerate()
            .min_by(|a, b| a.1.rate.total_cmp(&b.1.rate));
        let (lower, rate) = worst.map_or((0, 0.0), |(lower, pair)| (lower, pair.rate));
        let between = format!(
            "{} and {}",
            name(&self.rungs[lower].rung, false),
            name(&self.rungs[lower + 1].rung, false)
        );
        let rate_verdict = match rate {
            rate if rate >= LEAST_RATE => Verdict::Ok,
            rate if rate >= POOR_RATE => Verdict::Watch,
            _ => Verdict::Bad,
        };
        let more = (2.0 * self.barrier()).ceil() as usize + 1;
        let enough = self.round_trips >= FEWEST_TRIPS;
        // Rates that promise many more trips than there were: walkers do not forget between attempts where they came from.
        let held_back = self.expected_round_trips > 4.0 * FEWEST_TRIPS as f64 && !enough;
        let mut lines = vec![
            Line {
                name: "exchange rate",
                value: format!("{rate:.2} at least"),
                threshold: format!("at least {LEAST_RATE}"),
                verdict: rate_verdict,
                advice: if rate_verdict == Verdict::Ok {
                    String::new()
                } else {
                    format!(
                        "states are seldom traded between {between}: use about {more} rungs, or a lower last temperature"
                    )
                },
            },
            Line {
                name: "round trips",
                value: format!("{} ({:.0} expected)", self.round_trips, self.expected_round_trips),
                threshold: format!("at least {FEWEST_TRIPS}"),
                verdict: if enough { Verdict::Ok } else { Verdict::Watch },
                advice: match (enough, held_back) {
                    (true, _) => String::new(),
                    (false, true) => {
                        "walkers stay in what they were in although states are traded: longer trajectories or a higher \
                                      last temperature let them change"
                            .to_owned()
                    }
                    (false, false) => {
                        "run longer: no more than these walkers went up the ladder and came back".to_owned()
                    }
                },
            },
        ];
        if let Some(placed) = self.placed() {
            let listed: Vec<String> = placed.iter().map(|kelvin| format!("\"{kelvin:.1} K\"")).collect();
            lines.push(Line {
                name: "rungs",
                value: "rates differ".to_owned(),
                threshold: format!("by less than {UNEQUAL}"),
                verdict: Verdict::Note,
                advice: format!("for equal rates: exchange.temperatures = [{}]", listed.join(", ")),
            });
        }
        lines
    }
}
