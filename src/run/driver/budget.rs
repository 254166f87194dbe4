//! The budget of oracle calls: how many sampling steps of each chain it pays for.

/// How far a budget reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affordable {
    /// So many steps of each chain, and no more.
    Steps(u64),
    /// So many steps for certain; what they leave over is known once every chain has made them.
    AtLeast(u64),
}

/// Steps of each chain that `budget` labels pay for where a step costs `most_a_step` at most. A step may cost less: the first of two stages
/// rejects, a trajectory diverges, a random length is short. `spent[chain][k]` are the labels of the chain's first k + 1 steps.
///
/// What is left is shared out anew only where all chains stand at the same step, so that they make the same number of steps, however fast
/// each of them is.
pub(super) fn affordable(budget: u64, most_a_step: u64, spent: &[&[u64]]) -> Affordable {
    let round = (spent.len() as u64 * most_a_step).max(1);
    let mut steps = 0;
    loop {
        let paid: Option<u64> = match steps {
            0 => Some(0),
            _ => spent.iter().map(|own| own.get(steps as usize - 1).copied()).sum(),
        };
        let Some(paid) = paid else {
            return Affordable::AtLeast(steps);
        };
        match budget.saturating_sub(paid) / round {
            0 => return Affordable::Steps(steps),
            more => steps += more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels after each of the steps that cost so much.
    fn sums(costs: &[u64]) -> Vec<u64> {
        costs
            .iter()
            .scan(0, |sum, cost| {
                *sum += cost;
                Some(*sum)
            })
            .collect()
    }

    #[test]
    fn steps_that_cost_what_they_may_share_the_budget() {
        assert_eq!(affordable(11, 1, &[&[], &[]]), Affordable::AtLeast(5));
        let five = sums(&[1; 5]);
        assert_eq!(affordable(11, 1, &[&five, &five[..4]]), Affordable::AtLeast(5));
        assert_eq!(affordable(11, 1, &[&five, &five]), Affordable::Steps(5));
        assert_eq!(affordable(1, 1, &[&[], &[]]), Affordable::Steps(0));
        assert_eq!(affordable(30, 8, &[&[], &[]]), Affordable::AtLeast(1));
    }

    #[test]
    fn labels_that_were_spared_pay_for_more_steps() {
        let a = sums(&[1, 0, 0, 1, 0, 1, 1, 1]);
        let b = sums(&[0, 0, 1, 1, 0, 1, 0, 1]);
        // 4 steps cost 4 labels of 8: 2 more steps each, and those cost 2: 1 more, that costs 1.
        assert_eq!(affordable(8, 1, &[&a[..4], &b[..3]]), Affordable::AtLeast(4));
        assert_eq!(affordable(8, 1, &[&a[..4], &b[..4]]), Affordable::AtLeast(6));
        assert_eq!(affordable(8, 1, &[&a[..7], &b[..7]]), Affordable::Steps(7));
        assert_eq!(affordable(9, 1, &[&a, &b]), Affordable::Steps(8));
    }
}
