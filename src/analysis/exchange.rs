//! How walkers travel on a ladder of replica exchange: where each has been, its round trips, and how many there could be.

/// The rung of each walker after each of `rounds` rounds, from trades (round from 0, lower rung of the pair): `paths[walker][round]`.
/// Walkers are named after the rung they begin on.
pub fn paths(rungs: usize, rounds: usize, trades: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut holds: Vec<usize> = (0..rungs).collect();
    let mut paths = vec![Vec::with_capacity(rounds); rungs];
    let mut sorted = trades.to_vec();
    sorted.sort_unstable();
    let mut next = sorted.into_iter().peekable();
    for round in 0..rounds {
        while let Some((_, lower)) = next.next_if(|(at, _)| *at <= round) {
            if lower + 1 < rungs {
                holds.swap(lower, lower + 1);
            }
        }
        for (rung, walker) in holds.iter().enumerate() {
            paths[*walker].push(rung);
        }
    }
    paths
}

/// How often a walker went from the first rung to the last and back.
pub fn round_trips(path: &[usize], last: usize) -> usize {
    let (mut trips, mut began, mut turned) = (0, false, false);
    for rung in path {
        if *rung == 0 {
            trips += usize::from(turned);
            (began, turned) = (true, false);
        } else if *rung == last {
            turned = began;
        }
    }
    trips
}

/// Round trips of all walkers of a ladder for each attempt to exchange, if between attempts every walker forgot where it was: 1/(2 + 2Σ
/// r/(1−r)) with the rejections r of all pairs, for even and odd pairs in turn (Syed, Bouchard-Côté, Deligiannidis and Doucet, J. R. Stat.
/// Soc. B 84, 321 (2022), theorem 1).
pub fn expected_round_trips(rejections: &[f64]) -> f64 {
    let sum: f64 = rejections.iter().map(|rate| rate / (1.0 - rate)).sum();
    0.5 / (1.0 + sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn a_walker_that_always_trades_goes_straight_up_and_down() {
        // Two rungs that trade every round.
        let trades: Vec<(usize, usize)> = (0..8).map(|round| (round, 0)).collect();
        let walked = paths(2, 8, &trades);
        assert_eq!(walked[0], [1, 0, 1, 0, 1, 0, 1, 0]);
        // It must be seen to start below.
        assert_eq!(round_trips(&walked[0], 1), 3);
        assert_eq!(round_trips(&walked[1], 1), 3);
        assert_eq!(round_trips(&[0, 1, 2, 1, 0, 1, 1, 2, 2, 1, 0, 2], 2), 2);
        assert_eq!(round_trips(&[2, 1, 0, 1, 0], 2), 0);
    }

    #[test]
    fn independent_trades_have_the_rate_of_the_theorem() {
        let rejections = [0.2, 0.5, 0.35, 0.1];
        let rounds = 200_000;
        let mut generator = crate::rng::stream(1, 0, 0, crate::rng::Purpose::Start);
        let mut trades = Vec::new();
        for round in 0..rounds {
            for (lower, rate) in rejections.iter().enumerate() {
                if lower % 2 == round % 2 && generator.random::<f64>() >= *rate {
                    trades.push((round, lower));
                }
            }
        }
        let trips: usize = paths(5, rounds, &trades).iter().map(|path| round_trips(path, 4)).sum();
        let rate = trips as f64 / rounds as f64;
        let expected = expected_round_trips(&rejections);
        assert!((rate / expected - 1.0).abs() < 0.02, "{rate} {expected}");
    }
}
