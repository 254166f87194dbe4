//! Feed-forward networks: from the scaled descriptors of an atom to its energy, with every derivative training needs.
//!
//! Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007).

mod activation;
mod evaluate;
mod gradients;

use ndarray::ArrayView2;
use rand::{Rng, RngExt};

pub use activation::Activation;
pub(crate) use gradients::Tape;

/// The shape of the atomic networks: the `[network]` section.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NetworkConfig {
    /// Neurons of each hidden layer, first to last, the same for every element. An empty list means no network: the
    /// linear path alone.
    pub hidden: Vec<usize>,
    /// What the hidden neurons do to their weighted sum.
    pub activation: Activation,
    /// Networks per element in the committee; they share descriptors and the linear path, and their mean is the
    /// potential's network part.
    pub committee: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            hidden: vec![15, 15],
            activation: Activation::Tanh,
            committee: 1,
        }
    }
}

/// A network that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Widths that are no network.
    #[error(
        "layer widths {0:?} are no atomic network: give at least an input and an output of width 1, none of width 0"
    )]
    Widths(Vec<usize>),
    /// A count that does not fit the widths.
    #[error("a network of widths {widths:?} has {expected} {what}, not {found}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The layer widths.
        widths: Vec<usize>,
        /// The number that fits.
        expected: usize,
        /// The number given.
        found: usize,
    },
    /// A parameter that is not a finite number.
    #[error("parameter {0} of a network is not a finite number")]
    NotFinite(usize),
}

/// One atom's energy as a function of its F scaled descriptors: affine maps with an activation after each.
///
/// The parameters are one vector: layer by layer the weights (inputs × outputs, row-major), then the biases.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Network {
    widths: Vec<usize>,
    activations: Vec<Activation>,
    parameters: Vec<f64>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    widths: Vec<usize>,
    activations: Vec<Activation>,
    parameters: Vec<f64>,
}

impl TryFrom<Parts> for Network {
    type Error = NetworkError;

    fn try_from(parts: Parts) -> Result<Self, NetworkError> {
        Self::from_parts(parts.widths, parts.activations, parts.parameters)
    }
}

impl From<Network> for Parts {
    fn from(network: Network) -> Self {
        Self {
            widths: network.widths,
            activations: network.activations,
            parameters: network.parameters,
        }
    }
}

fn parameter_count(widths: &[usize]) -> usize {
    widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
}

impl Network {
    /// A network from the widths of its layers (inputs first, the last one 1), one activation per layer after the
    /// first, and its parameter vector.
    pub fn from_parts(
        widths: Vec<usize>,
        activations: Vec<Activation>,
        parameters: Vec<f64>,
    ) -> Result<Self, NetworkError> {
        if widths.len() < 2 || widths.contains(&0) || widths.last() != Some(&1) {
            return Err(NetworkError::Widths(widths));
        }
        let count = |what, expected, found| {
            if expected == found {
                return Ok(());
            }
            Err(NetworkError::Count {
                what,
                widths: widths.clone(),
                expected,
                found,
            })
        };
        count("activations", widths.len() - 1, activations.len())?;
        count("parameters", parameter_count(&widths), parameters.len())?;
        if let Some(index) = parameters.iter().position(|x| !x.is_finite()) {
            return Err(NetworkError::NotFinite(index));
        }
        Ok(Self {
            widths,
            activations,
            parameters,
        })
    }

    /// A network with a linear output whose hidden weights are normal with variance 1/inputs, biases too small to
    /// matter for the sum's scale, and an output of exactly zero (its last layer is zero), so that it starts as no
    /// correction at all. LeCun, Bottou, Orr and Müller, Efficient BackProp (1998).
    pub fn random(
        inputs: usize,
        hidden: &[usize],
        activation: Activation,
        generator: &mut impl Rng,
    ) -> Result<Self, NetworkError> {
        let widths: Vec<usize> = std::iter::once(inputs)
            .chain(hidden.iter().copied())
            .chain([1])
            .collect();
        let mut activations = vec![activation; hidden.len()];
        activations.push(Activation::Linear);
        let mut parameters = Vec::with_capacity(parameter_count(&widths));
        for (layer, pair) in widths.windows(2).enumerate() {
            let last = layer + 2 == widths.len();
            let (weight_scale, bias_scale) = if last {
                (0.0, 0.0)
            } else {
                (1.0 / (pair[0] as f64).sqrt(), 0.1)
            };
            for index in 0..(pair[0] + 1) * pair[1] {
                let scale = if index < pair[0] * pair[1] {
                    weight_scale
                } else {
                    bias_scale
                };
                parameters.push(scale * standard_normal(generator));
            }
        }
        Self::from_parts(widths, activations, parameters)
    }

    /// The widths of the layers, inputs first, 1 last.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// The number F of inputs.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// The activation of each layer after the inputs.
    pub fn activations(&self) -> &[Activation] {
        &self.activations
    }

    /// The parameter vector.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// The parameter vector, to be changed in place.
    pub fn parameters_mut(&mut self) -> &mut [f64] {
        &mut self.parameters
    }

    /// The number of layers after the inputs.
    pub fn layers(&self) -> usize {
        self.activations.len()
    }

    /// The weights of a layer, inputs × outputs.
    pub fn weights(&self, layer: usize) -> ArrayView2<'_, f64> {
        let start = parameter_count(&self.widths[..=layer]);
        let shape = (self.widths[layer], self.widths[layer + 1]);
        ArrayView2::from_shape(shape, &self.parameters[start..start + shape.0 * shape.1])
            .expect("counted at construction")
    }

    /// The biases of a layer.
    pub fn biases(&self, layer: usize) -> &[f64] {
        let end = parameter_count(&self.widths[..layer + 2]);
        &self.parameters[end - self.widths[layer + 1]..end]
    }

    /// Multiplies the network's energy by a factor: weights and biases of a linear output layer.
    pub fn scale_output(&mut self, factor: f64) {
        let start = parameter_count(&self.widths[..self.widths.len() - 1]);
        for parameter in &mut self.parameters[start..] {
            *parameter *= factor;
        }
    }

    /// Adds a constant to the network's energy: the bias of a linear output layer.
    pub fn shift_output(&mut self, shift: f64) {
        if let Some(bias) = self.parameters.last_mut() {
            *bias += shift;
        }
    }
}

/// A standard normal number (Box and Muller, 1958).
fn standard_normal(generator: &mut impl Rng) -> f64 {
    let radius = (-2.0 * crate::rng::open_uniform(generator).ln()).sqrt();
    radius * (std::f64::consts::TAU * generator.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    #[test]
    fn a_network_survives_json_and_refuses_wrong_counts() {
        let mut generator = stream(1, 0, 0, Purpose::Training);
        let network = Network::random(3, &[4, 2], Activation::Tanh, &mut generator).unwrap();
        let text = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
        let broken = text.replacen("[3,4,2,1]", "[3,5,2,1]", 1);
        let message = serde_json::from_str::<Network>(&broken).unwrap_err().to_string();
        assert!(message.contains("has 35 parameters, not 29"), "{message}");
        assert!(Network::from_parts(vec![3], vec![], vec![]).is_err());
    }
}
