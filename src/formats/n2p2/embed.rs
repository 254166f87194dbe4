//! One dense network per element that equals a potential's linear path and committee together.
//!
//! Members become blocks of the hidden layers, their mean a weighted output. The linear path becomes a few neurons whose
//! activation is linear where they work: tanh(εx)/ε, or pairs such as softplus(x) − softplus(−x) = x, which is exact.

use ndarray::Array2;

use crate::network::{Activation, Network};
use crate::potential::NeuralPotential;

/// The networks and how they deviate.
pub(super) struct Embedded {
    /// The widths of the hidden layers, the same for all elements.
    pub hidden: Vec<usize>,
    /// Of the hidden layers and the output.
    pub activations: Vec<Activation>,
    /// Per element: layer by layer the weights (inputs × outputs) and the biases.
    pub parameters: Vec<Vec<f64>>,
    /// How far the embedded linear path may deviate while its energy is below 10 eV, in eV per atom; nothing without one.
    pub deviation: Option<f64>,
}

/// Neurons that hand a number z on through an activation: z ≈ Σ_k out_k·φ(in_k·z + bias_k).
struct Relay {
    neurons: Vec<[f64; 3]>,
}

impl Relay {
    /// The relay of an activation. Where the activation is curved, ε balances the curvature against rounding.
    fn new(activation: Activation) -> Self {
        let antisymmetric = |inward: f64, bias: f64, slope: f64| {
            let out = 1.0 / (2.0 * slope * inward);
            vec![[inward, bias, out], [-inward, bias, -out]]
        };
        let neurons = match activation {
            Activation::Linear => vec![[1.0, 0.0, 1.0]],
            // tanh keeps its relative precision at 0, so that ε may be small.
            Activation::Tanh => vec![[1e-8, 0.0, 1e8]],
            // φ(x) − φ(−x) = x.
            Activation::Softplus | Activation::Relu | Activation::Silu => vec![[1.0, 0.0, 1.0], [-1.0, 0.0, -1.0]],
            Activation::Logistic => antisymmetric(2e-6, 0.0, 0.25),
            Activation::ReverseLogistic => antisymmetric(2e-6, 0.0, -0.25),
            // The third derivative vanishes at √3.
            Activation::Gaussian => antisymmetric(1e-4, 3.0_f64.sqrt(), -(3.0_f64.sqrt()) * (-1.5_f64).exp()),
            Activation::Cosine => antisymmetric(1e-6, std::f64::consts::FRAC_PI_2, -1.0),
            Activation::Exponential => antisymmetric(1e-6, 0.0, -1.0),
            // (x + 1)² − (x − 1)² = 4x; the second neuron squares 1 − x.
            Activation::Harmonic => antisymmetric(1.0, 1.0, 2.0),
        };
        Self { neurons }
    }

    fn width(&self) -> usize {
        self.neurons.len()
    }
}

/// Weights and biases of one layer.
struct Layer {
    weights: Array2<f64>,
    biases: Vec<f64>,
}

/// The networks of a potential, or what it has that one network cannot hold. `inputs` gives for each element the order of the
/// symmetry functions in the network (places in the potential's own order, each with a factor on its weights); energies are multiplied
/// by `energy`.
pub(super) fn embed(
    potential: &NeuralPotential,
    inputs: &[Vec<(usize, f64)>],
    energy: f64,
) -> Result<Embedded, String> {
    let networks = || potential.members.iter().flatten().flatten();
    let (hidden_activations, output) = match networks().next() {
        None => (vec![Activation::Linear], Activation::Linear),
        Some(first) => {
            if let Some(other) = networks().find(|network| network.activations() != first.activations()) {
                return Err(format!(
                    "networks of different depth or activation ({:?} and {:?}): n2p2 has the same for all elements",
                    first.activations(),
                    other.activations()
                ));
            }
            let (output, hidden) = first.activations().split_last().unwrap_or((&Activation::Linear, &[]));
            (hidden.to_vec(), *output)
        }
    };
    let alone = potential.members.len() == 1 && potential.linear.is_none() && energy == 1.0;
    if output != Activation::Linear && !alone {
        return Err(format!(
            "an output layer with the activation {output:?} beside a linear path, other members or a change of units"
        ));
    }
    if let Some(activation) = hidden_activations
        .iter()
        .find(|a| super::settings::letter(**a).is_none())
    {
        return Err(format!("the activation {activation:?}: n2p2 does not have it"));
    }
    if hidden_activations.is_empty() {
        // Networks without hidden layers are linear: they join the linear path.
        return Ok(all_linear(potential, inputs, energy));
    }
    if networks().next().is_none() {
        return Ok(all_linear(potential, inputs, energy));
    }
    let relays: Option<Vec<Relay>> = potential
        .linear
        .as_ref()
        .map(|_| hidden_activations.iter().map(|a| Relay::new(*a)).collect());
    let depth = hidden_activations.len();
    // Where each member's block starts in each hidden layer; the relay comes last.
    let mut starts = vec![vec![0; depth]; potential.members.len() + 1];
    for layer in 0..depth {
        for (m, member) in potential.members.iter().enumerate() {
            let width = member
                .iter()
                .flatten()
                .map(|n| n.widths()[layer + 1])
                .max()
                .unwrap_or(0);
            starts[m + 1][layer] = starts[m][layer] + width;
        }
    }
    let relay_starts = starts.pop().unwrap_or_default();
    let hidden: Vec<usize> = (0..depth)
        .map(|layer| relay_starts[layer] + relays.as_ref().map_or(0, |relays| relays[layer].width()))
        .collect();
    let mut parameters = Vec::new();
    for (element, order) in inputs.iter().enumerate() {
        let widths: Vec<usize> = std::iter::once(order.len())
            .chain(hidden.iter().copied())
            .chain([1])
            .collect();
        let mut layers: Vec<Layer> = widths
            .windows(2)
            .map(|pair| Layer {
                weights: Array2::zeros((pair[0], pair[1])),
                biases: vec![0.0; pair[1]],
            })
            .collect();
        let share = 1.0 / potential.members.len() as f64;
        for (member, start) in potential.members.iter().zip(&starts) {
            if let Some(network) = &member[element] {
                place_block(&mut layers, network, start, order, share * energy);
            }
        }
        if let (Some(relays), Some(linear)) = (&relays, &potential.linear) {
            place_relay(&mut layers, relays, &relay_starts, &linear[element], order, energy);
        }
        parameters.push(flatten(&layers));
    }
    let mut activations = hidden_activations;
    activations.push(output);
    let deviation = relays.map(|relays| worst_deviation(&relays, &activations));
    Ok(Embedded {
        hidden,
        activations,
        parameters,
        deviation,
    })
}

/// A committee member's network as a block.
fn place_block(layers: &mut [Layer], network: &Network, start: &[usize], order: &[(usize, f64)], share: f64) {
    let last = layers.len() - 1;
    for (l, layer) in layers.iter_mut().enumerate() {
        let weights = network.weights(l);
        let factor = if l == last { share } else { 1.0 };
        let column = if l == last { 0 } else { start[l] };
        for out in 0..weights.ncols() {
            if l == 0 {
                for (row, (place, sign)) in order.iter().enumerate() {
                    layer.weights[[row, column + out]] = factor * sign * weights[[*place, out]];
                }
            } else {
                for row in 0..weights.nrows() {
                    layer.weights[[start[l - 1] + row, column + out]] = factor * weights[[row, out]];
                }
            }
            layer.biases[column + out] += factor * network.biases(l)[out];
        }
    }
}

/// The linear path as neurons that hand it on.
fn place_relay(
    layers: &mut [Layer],
    relays: &[Relay],
    starts: &[usize],
    coefficients: &[f64],
    order: &[(usize, f64)],
    energy: f64,
) {
    for (l, relay) in relays.iter().enumerate() {
        for (k, [inward, bias, _]) in relay.neurons.iter().enumerate() {
            let column = starts[l] + k;
            layers[l].biases[column] = *bias;
            if l == 0 {
                for (row, (place, sign)) in order.iter().enumerate() {
                    layers[l].weights[[row, column]] = inward * sign * coefficients[*place];
                }
            } else {
                for (j, [_, _, out]) in relays[l - 1].neurons.iter().enumerate() {
                    layers[l].weights[[starts[l - 1] + j, column]] = inward * out;
                }
            }
        }
    }
    let last = relays.len();
    for (j, [_, _, out]) in relays[last - 1].neurons.iter().enumerate() {
        layers[last].weights[[starts[last - 1] + j, 0]] = out * energy;
    }
}

/// A potential without hidden layers: one linear neuron, which is exact.
fn all_linear(potential: &NeuralPotential, inputs: &[Vec<(usize, f64)>], energy: f64) -> Embedded {
    let share = 1.0 / potential.members.len().max(1) as f64;
    let parameters = inputs
        .iter()
        .enumerate()
        .map(|(element, order)| {
            let networks = || potential.members.iter().filter_map(|member| member[element].as_ref());
            let mut weights: Vec<f64> = order
                .iter()
                .map(|(place, sign)| {
                    let linear = potential.linear.as_ref().map_or(0.0, |linear| linear[element][*place]);
                    sign * networks().fold(linear, |sum, network| sum + share * network.weights(0)[[*place, 0]])
                })
                .collect();
            let bias = networks().fold(0.0, |sum, network| sum + share * network.biases(0)[0]);
            weights.extend([0.0, energy, energy * bias]);
            weights
        })
        .collect();
    Embedded {
        hidden: vec![1],
        activations: vec![Activation::Linear; 2],
        parameters,
        deviation: None,
    }
}

fn flatten(layers: &[Layer]) -> Vec<f64> {
    let mut parameters = Vec::new();
    for layer in layers {
        parameters.extend(layer.weights.iter());
        parameters.extend(&layer.biases);
    }
    parameters
}

/// The largest deviation that the relays alone make for z within ±10 eV.
fn worst_deviation(relays: &[Relay], activations: &[Activation]) -> f64 {
    let widths: Vec<usize> = std::iter::once(1)
        .chain(relays.iter().map(Relay::width))
        .chain([1])
        .collect();
    let mut layers: Vec<Layer> = widths
        .windows(2)
        .map(|pair| Layer {
            weights: Array2::zeros((pair[0], pair[1])),
            biases: vec![0.0; pair[1]],
        })
        .collect();
    place_relay(&mut layers, relays, &vec![0; relays.len()], &[1.0], &[(0, 1.0)], 1.0);
    let Ok(network) = Network::from_parts(widths, activations.to_vec(), flatten(&layers)) else {
        return f64::NAN;
    };
    let inputs = Array2::from_shape_fn((401, 1), |(k, _)| (k as f64 - 200.0) / 20.0);
    let mut energies = vec![0.0; inputs.nrows()];
    let mut slopes = Array2::zeros(inputs.raw_dim());
    network.evaluate(inputs.view(), &mut energies, slopes.view_mut(), &mut Vec::new());
    inputs
        .iter()
        .zip(&energies)
        .map(|(z, e)| (e - z).abs())
        .fold(0.0, f64::max)
}
