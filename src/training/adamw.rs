//! Adam with decoupled weight decay: Loshchilov and Hutter, ICLR 2019.

/// Running means of the gradient and of its square.
pub(super) struct Adamw {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
    weight_decay: f64,
}

impl Adamw {
    /// For a number of parameters.
    pub fn new(count: usize, weight_decay: f64) -> Self {
        Self {
            mean: vec![0.0; count],
            square: vec![0.0; count],
            steps: 0,
            weight_decay,
        }
    }

    /// One step against the gradient; no parameter moves by much more than `learning_rate`.
    pub fn step(&mut self, parameters: &mut [f64], gradient: &[f64], learning_rate: f64) {
        const MEAN: f64 = 0.9;
        const SQUARE: f64 = 0.99;
        self.steps += 1;
        let mean_correction = 1.0 - MEAN.powi(self.steps);
        let square_correction = 1.0 - SQUARE.powi(self.steps);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *mean = MEAN * *mean + (1.0 - MEAN) * slope;
            *square = SQUARE * *square + (1.0 - SQUARE) * slope * slope;
            let step = (*mean / mean_correction) / ((*square / square_correction).sqrt() + 1e-12);
            *parameter -= learning_rate * (step + self.weight_decay * *parameter);
        }
    }
}

/// A step size that falls from 1 to 0.01 along half a cosine as `fraction` goes from 0 to 1.
pub(super) fn cosine_schedule(fraction: f64) -> f64 {
    0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * fraction.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_a_badly_scaled_parabola() {
        let mut x = vec![1.0, -2.0];
        let mut adamw = Adamw::new(2, 0.0);
        for step in 0..2000 {
            let gradient = [2.0 * (x[0] - 0.3), 2e4 * (x[1] - 0.7)];
            adamw.step(&mut x, &gradient, 0.02 * cosine_schedule(f64::from(step) / 2000.0));
        }
        assert!((x[0] - 0.3).abs() < 1e-3 && (x[1] - 0.7).abs() < 1e-3, "{x:?}");
    }
}
