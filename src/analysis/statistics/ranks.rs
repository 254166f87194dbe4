//! Order statistics: quantiles, and ranks turned into normal scores.

use super::special::normal_quantile;

/// The median over all chains.
pub fn median<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    quantile(chains, 0.5)
}

/// The quantile of a probability in [0, 1] over all chains, linear between order statistics (type 7 of Hyndman and Fan,
/// The American Statistician 50, 361 (1996)). NaN without numbers, or with NaN among them.
pub fn quantile<C: AsRef<[f64]>>(chains: &[C], probability: f64) -> f64 {
    let mut sorted: Vec<f64> = chains.iter().flat_map(AsRef::as_ref).copied().collect();
    if sorted.is_empty() || sorted.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let position = probability * (sorted.len() - 1) as f64;
    let below = (position.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    let weight = position - below as f64;
    if weight == 0.0 || sorted[below] == sorted[above] {
        return sorted[below];
    }
    (1.0 - weight) * sorted[below] + weight * sorted[above]
}

/// Each number's rank over all chains as a quantile of the normal distribution, Φ⁻¹((r − 3/8)/(S + 1/4)) for S numbers;
/// equal numbers share their average rank (Blom, Statistical Estimates and Transformed Beta-Variables, Wiley (1958)).
pub(super) fn normal_scores<C: AsRef<[f64]>>(chains: &[C]) -> Vec<Vec<f64>> {
    let mut scores: Vec<Vec<f64>> = chains.iter().map(|chain| vec![0.0; chain.as_ref().len()]).collect();
    let mut order: Vec<(f64, u32, u32)> = Vec::new();
    for (c, chain) in chains.iter().enumerate() {
        order.extend(chain.as_ref().iter().enumerate().map(|(i, x)| (*x, c as u32, i as u32)));
    }
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let count = order.len() as f64;
    let mut start = 0;
    while start < order.len() {
        let ties = order[start..]
            .iter()
            .take_while(|entry| entry.0 == order[start].0)
            .count()
            .max(1);
        let rank = start as f64 + 0.5 * (ties as f64 + 1.0);
        let score = normal_quantile((rank - 0.375) / (count + 0.25));
        for (_, c, i) in &order[start..start + ties] {
            scores[*c as usize][*i as usize] = score;
        }
        start += ties;
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(median(&[[3.0, 1.0], [2.0, 4.0]]), 2.5);
        assert_eq!(quantile(&[[0.0, 10.0, 20.0]], 0.05), 1.0);
        assert_eq!(quantile(&[[0.0, 10.0, 20.0]], 1.0), 20.0);
        assert!(median::<Vec<f64>>(&[]).is_nan());
    }

    #[test]
    fn equal_numbers_share_their_rank() {
        let scores = normal_scores(&[vec![1.0, -0.0], vec![0.0, 2.0]]);
        assert_eq!(scores[0][1], scores[1][0]);
        assert_eq!(scores[0][1], normal_quantile((1.5 - 0.375) / 4.25));
        assert_eq!(scores[1][1], normal_quantile((4.0 - 0.375) / 4.25));
    }
}
