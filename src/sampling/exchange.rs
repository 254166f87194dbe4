//! Replica exchange: chains at neighbouring temperatures or pressures trade their states by a Metropolis test of their own.
//!
//! Two chains with densities π_a and π_b hold x and y. Trading them has the ratio π_a(y)π_b(x)/[π_a(x)π_b(y)], and accepting with
//! min(1, ratio) leaves the product π_a·π_b exact (Swendsen and Wang, Phys. Rev. Lett. 57, 2607 (1986); Hukushima and Nemoto,
//! J. Phys. Soc. Jpn. 65, 1604 (1996)). The energies are the oracle's and both are known: an exchange costs no label.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::rng::{Purpose, open_uniform, stream};
use crate::sampling::decision::Acceptance;
use crate::sampling::{Environment, State};

/// Which neighbours try to trade after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Pairs (0,1), (2,3)… and (1,2), (3,4)… in turn: walkers keep their direction and travel faster than by diffusion (Syed,
    /// Bouchard-Côté, Deligiannidis and Doucet, J. R. Stat. Soc. B 84, 321 (2022)).
    EvenOdd,
    /// One of both sets, drawn each time.
    Random,
}

/// An attempt to trade states as the journal of each of the two chains keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exchange {
    /// The chain's step after which it came.
    pub step: u64,
    /// The other chain.
    pub partner: u32,
    /// ln of the ratio of densities.
    pub log_ratio: f64,
    /// ln u.
    pub log_uniform: f64,
    /// Whether the states were traded.
    pub accepted: bool,
    /// Oracle energy of the state that the chain goes on from, eV.
    pub energy: f64,
}

impl Pairing {
    /// The rung that `rung` of `count` tries to trade with at its attempt number `attempt`; `draw` gives a uniform in [0, 1) that is
    /// the same for all rungs of the ladder.
    pub fn partner(self, rung: usize, count: usize, attempt: u64, draw: impl FnOnce() -> f64) -> Option<usize> {
        let odd = match self {
            Self::EvenOdd => attempt % 2 == 1,
            Self::Random => draw() < 0.5,
        };
        let partner = if (rung % 2 == 1) == odd {
            rung + 1
        } else {
            rung.checked_sub(1)?
        };
        (partner < count).then_some(partner)
    }
}

/// The uniform in [0, 1) that chooses the pairs of a ladder, whose first chain has just decided `step`.
pub fn pairing_uniform(seed: u64, first_chain: usize, step: u64) -> f64 {
    stream(seed, first_chain as u64, step, Purpose::ExchangePairs).random()
}

/// ln u of an exchange between two chains, the first of which has just decided `step`.
pub fn exchange_uniform(seed: u64, first_chain: usize, step: u64) -> f64 {
    open_uniform(&mut stream(seed, first_chain as u64, step, Purpose::Exchange)).ln()
}

/// ln of π_a(y)π_b(x)/[π_a(x)π_b(y)] = (β_a − β_b)(U_x − U_y) + β_a(W_a(x) − W_a(y)) − β_b(W_b(x) − W_b(y)), with the work W of the
/// load, PV under a pressure. The measure of the cell is the same at both and cancels.
pub fn log_ratio(a: &Environment, x: &State, b: &Environment, y: &State) -> f64 {
    let (beta_a, beta_b) = (1.0 / a.thermal_energy, 1.0 / b.thermal_energy);
    let work = |environment: &Environment| {
        environment.ensemble.barostat().map_or(0.0, |barostat| {
            barostat.load.work(&x.structure.cell) - barostat.load.work(&y.structure.cell)
        })
    };
    (beta_a - beta_b) * (x.labels.energy - y.labels.energy) + (beta_a * work(a) - beta_b * work(b))
}

/// Whether states are traded: ln u < ln ratio; a ratio that is not a number never is.
pub fn trades(acceptance: Acceptance, log_uniform: f64, log_ratio: f64) -> bool {
    match acceptance {
        Acceptance::Metropolis => log_uniform < log_ratio,
        Acceptance::Everything => log_ratio.is_finite(),
    }
}

/// Lets two chains change structures. Momenta are of their rung's temperature and no part of an exchange: the kinetic energy that the
/// next draw looks at stays where it is.
pub fn trade(a: &mut State, b: &mut State) {
    std::mem::swap(a, b);
    std::mem::swap(&mut a.kinetic, &mut b.kinetic);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_agree_and_every_pair_has_its_turn() {
        for count in 2..7 {
            for attempt in 0..2 {
                let mut met = 0;
                for rung in 0..count {
                    let partner = |rung| Pairing::EvenOdd.partner(rung, count, attempt, || 0.0);
                    if let Some(other) = partner(rung) {
                        assert_eq!(partner(other), Some(rung));
                        assert_eq!(rung.abs_diff(other), 1);
                        met += 1;
                    }
                }
                assert_eq!(met / 2, (count - attempt as usize) / 2);
            }
        }
        assert_eq!(Pairing::Random.partner(1, 3, 0, || 0.2), Some(2));
        assert_eq!(Pairing::Random.partner(1, 3, 0, || 0.7), Some(0));
    }
}
