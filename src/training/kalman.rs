//! The global extended Kalman filter with several observations per update.
//!
//! With errors ξ, their derivatives H (observations × parameters) and unit observation noise: K = P Hᵀ (λ + H P Hᵀ)⁻¹,
//! w ← w + K ξ, P ← (P − K H P)/λ + q. Blank and Brown, J. Chemometrics 8, 391 (1994); fading memory and process noise as in
//! Singraber, Morawietz, Behler and Dellago, J. Chem. Theory Comput. 15, 3075 (2019).

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::{Llt, SolveCore};
use faer::{Accum, Conj, Mat, MatRef, Par, Side};

use super::KalmanConfig;

/// The parameters' covariance and the filter's memory.
pub(super) struct Kalman {
    covariance: Mat<f64>,
    forgetting: f64,
    decay: f64,
    /// Process noise over (1 − forgetting).
    noise: f64,
}

impl Kalman {
    /// A filter before its first update.
    pub fn new(count: usize, config: &KalmanConfig) -> Self {
        let gap = (1.0 - config.forgetting).max(0.0);
        Self {
            covariance: Mat::from_fn(count, count, |i, j| if i == j { config.initial_variance } else { 0.0 }),
            forgetting: config.forgetting.min(1.0),
            decay: config.forgetting_decay.min(1.0),
            noise: if gap > 0.0 { config.process_noise / gap } else { 0.0 },
        }
    }

    /// Improves the parameters by observations: `derivatives` holds one row of parameter derivatives per observation,
    /// `errors` what was observed less what was predicted, both divided by the observation's standard deviation.
    /// Returns false, and changes nothing, where the numbers break down.
    pub fn update(&mut self, parameters: &mut [f64], derivatives: &[f64], errors: &[f64]) -> bool {
        let (count, observations) = (parameters.len(), errors.len());
        let h = MatRef::from_row_major_slice(derivatives, observations, count);
        let mut gain = Mat::<f64>::zeros(count, observations);
        matmul(
            gain.as_mut(),
            Accum::Replace,
            self.covariance.as_ref(),
            h.transpose(),
            1.0,
            Par::Seq,
        );
        let mut innovation = Mat::from_fn(
            observations,
            observations,
            |i, j| if i == j { self.forgetting } else { 0.0 },
        );
        matmul(innovation.as_mut(), Accum::Add, h, gain.as_ref(), 1.0, Par::Seq);
        let Ok(factor) = Llt::new(innovation.as_ref(), Side::Lower) else {
            return false;
        };
        // w + P Hᵀ S⁻¹ ξ.
        let mut weighted = Mat::from_fn(observations, 1, |i, _| errors[i]);
        factor.solve_in_place_with_conj(Conj::No, weighted.as_mut());
        let mut step = Mat::<f64>::zeros(count, 1);
        matmul(
            step.as_mut(),
            Accum::Replace,
            gain.as_ref(),
            weighted.as_ref(),
            1.0,
            Par::Seq,
        );
        if (0..count).any(|i| !step[(i, 0)].is_finite()) {
            return false;
        }
        for (i, parameter) in parameters.iter_mut().enumerate() {
            *parameter += step[(i, 0)];
        }
        // P − P Hᵀ S⁻¹ H P as P − A Aᵀ with A = P Hᵀ L⁻ᵀ, so that P stays symmetric.
        let mut root = gain.transpose().to_owned();
        faer::linalg::triangular_solve::solve_lower_triangular_in_place(factor.L(), root.as_mut(), Par::Seq);
        triangular::matmul(
            self.covariance.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            root.transpose(),
            BlockStructure::Rectangular,
            root.as_ref(),
            BlockStructure::Rectangular,
            -1.0,
            Par::Seq,
        );
        let noise = self.noise * (1.0 - self.forgetting);
        for j in 0..count {
            self.covariance[(j, j)] = self.covariance[(j, j)] / self.forgetting + noise;
            for i in j + 1..count {
                let entry = self.covariance[(i, j)] / self.forgetting;
                self.covariance[(i, j)] = entry;
                self.covariance[(j, i)] = entry;
            }
        }
        self.forgetting = 1.0 - (1.0 - self.forgetting) * self.decay;
        true
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::RngExt;

    use super::*;
    use crate::rng::{Purpose, stream};
    use crate::training::algebra::{add_gram, add_transposed_product, solve_regularised};

    /// On a linear model with no forgetting, one pass over the data gives the ridge solution, whose regularisation is the
    /// inverse initial variance; with forgetting it does not.
    #[test]
    fn one_pass_over_a_linear_model_is_ridge_regression() {
        let mut generator = stream(11, 0, 0, Purpose::Training);
        let (rows, columns, block) = (60, 7, 4);
        let a = Array2::from_shape_fn((rows, columns), |_| generator.random::<f64>() - 0.5);
        let t: Vec<f64> = (0..rows).map(|_| generator.random::<f64>()).collect();
        let mut gram = Array2::zeros((columns, columns));
        let mut rhs = vec![0.0; columns];
        add_gram(&mut gram, &a, 1.0);
        add_transposed_product(&mut rhs, &a, &t, 1.0);
        let exact = solve_regularised(&gram, 1.0 / 10.0, &rhs).unwrap();
        let run = |forgetting| {
            let config = KalmanConfig {
                initial_variance: 10.0,
                forgetting,
                process_noise: 0.0,
                ..KalmanConfig::default()
            };
            let mut filter = Kalman::new(columns, &config);
            let mut parameters = vec![0.0; columns];
            for start in (0..rows).step_by(block) {
                let part = a.slice(ndarray::s![start..start + block, ..]);
                let errors: Vec<f64> = part
                    .rows()
                    .into_iter()
                    .zip(&t[start..])
                    .map(|(row, t)| t - row.iter().zip(&parameters).map(|(h, w)| h * w).sum::<f64>())
                    .collect();
                assert!(filter.update(&mut parameters, part.to_slice().unwrap(), &errors));
            }
            parameters
                .iter()
                .zip(&exact)
                .map(|(w, x)| (w - x).abs())
                .fold(0.0, f64::max)
        };
        assert!(run(1.0) < 1e-10, "{}", run(1.0));
        assert!(run(0.9) > 1e-3, "the control must fail: {}", run(0.9));
    }
}
