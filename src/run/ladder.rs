//! The ladder of replica exchange: which chain stands on which rung, and where the rungs are placed.

use crate::sampling::{Environment, Pairing};

/// Temperature and pressure of a rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// kT in eV.
    pub thermal_energy: f64,
    /// eV/Å³; without meaning at constant volume.
    pub pressure: f64,
}

/// Replica exchange as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct LadderPlan {
    /// The rungs, the ensemble's own first.
    pub rungs: Vec<Rung>,
    /// Independent ladders.
    pub ladders: usize,
    /// Rounds between attempts.
    pub every: u64,
    /// Which neighbours try.
    pub pairing: Pairing,
    /// Whether learning places the rungs between the first and the last.
    pub place: bool,
}

impl LadderPlan {
    /// The rung of a chain.
    pub fn rung(&self, chain: usize) -> usize {
        chain / self.ladders
    }

    /// The ladder of a chain.
    pub fn ladder(&self, chain: usize) -> usize {
        chain % self.ladders
    }

    /// The chain of a ladder on a rung.
    pub fn chain(&self, ladder: usize, rung: usize) -> usize {
        rung * self.ladders + ladder
    }

    /// What each rung samples, with kT from `placed` where it is given.
    pub fn environments(&self, base: &Environment, placed: Option<&[f64]>) -> Vec<Environment> {
        let at = |(index, rung): (usize, &Rung)| {
            let placed = placed.and_then(|placed| placed.get(index));
            base.at(placed.copied().unwrap_or(rung.thermal_energy), rung.pressure)
        };
        self.rungs.iter().enumerate().map(at).collect()
    }
}

/// kT of `count` rungs in equal ratios: equal rates of exchange where the heat capacity is constant (Kofke, J. Chem. Phys. 117, 6911
/// (2002)).
pub fn geometric(first: f64, last: f64, count: usize) -> Vec<f64> {
    let steps = count.saturating_sub(1).max(1) as f64;
    (0..count)
        .map(|rung| match rung {
            0 => first,
            rung if rung + 1 == count => last,
            rung => first * (last / first).powf(rung as f64 / steps),
        })
        .collect()
}

/// The part of exchanges between neighbours that would be rejected, from energies seen on each rung: the average of 1 − min(1, e^Δ),
/// Δ = (β_i − β_j)(U_i − U_j), over all pairs of values, which is less noisy than counting.
pub fn rejections(thermal_energies: &[f64], energies: &[Vec<f64>]) -> Vec<f64> {
    thermal_energies
        .windows(2)
        .zip(energies.windows(2))
        .map(|(kt, energies)| {
            let beta = 1.0 / kt[0] - 1.0 / kt[1];
            let mut sum = 0.0;
            for x in &energies[0] {
                for y in &energies[1] {
                    sum += 1.0 - (beta * (x - y)).exp().min(1.0);
                }
            }
            sum / (energies[0].len() * energies[1].len()).max(1) as f64
        })
        .collect()
}

/// How many values of each rung weigh as much as the belief that all rates are equal.
const PRIOR: f64 = 8.0;

/// New rungs between the same ends, at equal steps of the cumulated rejection Λ(β) (Syed, Bouchard-Côté, Deligiannidis and Doucet, J. R.
/// Stat. Soc. B 84, 321 (2022)), which is interpolated linearly in ln β. `values` energies of each rung gave the rates; few of them
/// move the rungs little.
pub fn placed(thermal_energies: &[f64], rejections: &[f64], values: usize) -> Vec<f64> {
    let count = thermal_energies.len();
    let mean = rejections.iter().sum::<f64>() / rejections.len().max(1) as f64;
    let weight = values as f64;
    let mut cumulated = vec![0.0];
    let mut sum = 0.0;
    for rate in rejections {
        // A rate of zero would pull rungs out of an interval altogether.
        sum += ((weight * rate + PRIOR * mean) / (weight + PRIOR)).max(1e-3);
        cumulated.push(sum);
    }
    (0..count)
        .map(|rung| {
            if rung == 0 || rung + 1 == count {
                return thermal_energies[rung];
            }
            let target = sum * rung as f64 / (count - 1) as f64;
            let interval = cumulated
                .windows(2)
                .position(|ends| target <= ends[1])
                .unwrap_or(count - 2);
            let part = (target - cumulated[interval]) / (cumulated[interval + 1] - cumulated[interval]);
            let (a, b) = (thermal_energies[interval], thermal_energies[interval + 1]);
            a * (b / a).powf(part)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, Gamma};

    /// Energies of n harmonic coordinates below 2 and of 4n above it: U/kT ~ Gamma.
    fn energies(kt: f64, seed: u64) -> Vec<f64> {
        let mut generator = crate::rng::stream(seed, 0, 0, crate::rng::Purpose::Start);
        let gamma = Gamma::new(if kt < 2.0 { 10.0 } else { 40.0 }, 1.0).unwrap();
        let shift = if kt < 2.0 { 0.0 } else { -60.0 };
        (0..60).map(|_| shift + kt * gamma.sample(&mut generator)).collect()
    }

    #[test]
    fn rungs_move_to_where_exchanges_are_rejected() {
        let mut ladder = geometric(1.0, 4.0, 7);
        let spread = |ladder: &[f64], seed: u64| {
            let energies: Vec<Vec<f64>> = ladder
                .iter()
                .enumerate()
                .map(|(rung, kt)| energies(*kt, seed + rung as u64))
                .collect();
            let rates = rejections(ladder, &energies);
            let ends = rates
                .iter()
                .copied()
                .fold((1.0_f64, 0.0_f64), |(a, b), r| (a.min(r), b.max(r)));
            (rates, ends.1 - ends.0)
        };
        let (_, before) = spread(&ladder, 100);
        for turn in 0..6 {
            let (rates, _) = spread(&ladder, 10 * turn);
            ladder = placed(&ladder, &rates, 60);
            assert_eq!((ladder[0], ladder[6]), (1.0, 4.0));
            assert!(ladder.windows(2).all(|pair| pair[0] < pair[1]), "{ladder:?}");
        }
        let (rates, after) = spread(&ladder, 100);
        assert!(after < 0.6 * before, "{before} {after} {rates:?} {ladder:?}");
    }

    #[test]
    fn equal_rates_leave_the_ladder_alone() {
        let ladder = geometric(0.02, 0.08, 5);
        let again = placed(&ladder, &[0.4; 4], 50);
        for (a, b) in ladder.iter().zip(again) {
            assert!((a - b).abs() < 1e-12);
        }
    }
}
