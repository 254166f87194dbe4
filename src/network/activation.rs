//! Activation functions with their first and second derivatives.

/// What a neuron does to its weighted sum z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// tanh z.
    #[default]
    Tanh,
    /// 1/(1 + exp(−z)).
    Logistic,
    /// 1 − 1/(1 + exp(−z)).
    ReverseLogistic,
    /// ln(1 + exp z).
    Softplus,
    /// z/(1 + exp(−z)), also called swish.
    Silu,
    /// exp(−z²/2).
    Gaussian,
    /// cos z.
    Cosine,
    /// exp(−z).
    Exponential,
    /// z².
    Harmonic,
    /// max(0, z): forces jump where a neuron switches.
    Relu,
    /// z.
    Linear,
}

impl Activation {
    /// The value, the first and the second derivative at z.
    #[inline]
    pub fn derivatives(self, z: f64) -> [f64; 3] {
        match self {
            Self::Tanh => {
                let value = z.tanh();
                let first = 1.0 - value * value;
                [value, first, -2.0 * value * first]
            }
            Self::Logistic => {
                let value = logistic(z);
                let first = value * (1.0 - value);
                [value, first, first * (1.0 - 2.0 * value)]
            }
            Self::ReverseLogistic => {
                let value = logistic(z);
                let first = value * (1.0 - value);
                [1.0 - value, -first, -first * (1.0 - 2.0 * value)]
            }
            Self::Softplus => {
                let first = logistic(z);
                [z.max(0.0) + (-z.abs()).exp().ln_1p(), first, first * (1.0 - first)]
            }
            Self::Silu => {
                let sigma = logistic(z);
                let slope = sigma * (1.0 - sigma);
                [z * sigma, sigma + z * slope, slope * (2.0 + z * (1.0 - 2.0 * sigma))]
            }
            Self::Gaussian => {
                let value = (-0.5 * z * z).exp();
                [value, -z * value, (z * z - 1.0) * value]
            }
            Self::Cosine => {
                let (sine, cosine) = z.sin_cos();
                [cosine, -sine, -cosine]
            }
            Self::Exponential => {
                let value = (-z).exp();
                [value, -value, value]
            }
            Self::Harmonic => [z * z, 2.0 * z, 2.0],
            Self::Relu => {
                if z > 0.0 {
                    [z, 1.0, 0.0]
                } else {
                    [0.0; 3]
                }
            }
            Self::Linear => [z, 1.0, 0.0],
        }
    }
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_match_finite_differences() {
        use Activation::{
            Cosine, Exponential, Gaussian, Harmonic, Linear, Logistic, Relu, ReverseLogistic, Silu, Softplus, Tanh,
        };
        let step = 1e-5;
        for activation in [
            Tanh,
            Logistic,
            ReverseLogistic,
            Softplus,
            Silu,
            Gaussian,
            Cosine,
            Exponential,
            Harmonic,
            Relu,
            Linear,
        ] {
            for z in [-2.3, -0.4, 0.7, 3.1] {
                let [_, first, second] = activation.derivatives(z);
                let [above, first_above, _] = activation.derivatives(z + step);
                let [below, first_below, _] = activation.derivatives(z - step);
                assert!(((above - below) / (2.0 * step) - first).abs() < 1e-8, "{activation:?}");
                assert!(
                    ((first_above - first_below) / (2.0 * step) - second).abs() < 1e-8,
                    "{activation:?}"
                );
            }
        }
    }
}
