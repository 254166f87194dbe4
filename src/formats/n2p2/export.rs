//! A potential as the files of n2p2: what LAMMPS' pair_style hdnnp and nnp-predict read.

use std::path::Path;

use super::embed::{Embedded, embed};
use super::folder::{SCALING, SETTINGS, weights_name};
use super::functions::{self, Listed};
use super::settings::letter;
use super::text::{exact, rounded};
use super::units::FileUnits;
use crate::descriptor::CutoffKind;
use crate::formats::FormatError;
use crate::formats::source::replace;
use crate::potential::{FeatureRange, NeuralPotential};

/// A potential in n2p2's format.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedPotential {
    /// Name and text of each file.
    pub files: Vec<(String, String)>,
    /// How far the linear path, embedded in the network, may deviate while its energy is below 10 eV, in eV per atom;
    /// nothing where there is none or where it is exact.
    pub deviation: Option<f64>,
    /// The symbols of the elements, in order of atomic number.
    pub elements: Vec<String>,
}

/// What training with nnp-train would need besides; nothing of it touches a prediction.
const TRAINING: &str = "\
# For nnp-train only:
use_short_forces
random_seed 1234567
epochs 10
updater_type 1
parallel_mode 0
jacobian_mode 1
update_strategy 0
selection_mode 2
task_batch_size_energy 1
task_batch_size_force 1
memorize_symfunc_results
test_fraction 0.1
force_weight 10.0
short_energy_fraction 1.0
short_force_fraction 0.05
short_energy_error_threshold 0.0
short_force_error_threshold 1.0
rmse_threshold_trials 3
use_old_weights_short
weights_min -1.0
weights_max 1.0
write_trainpoints 1
write_trainforces 1
write_weights_epoch 1
write_neuronstats 1
write_trainlog
kalman_type 0
kalman_epsilon 0.01
kalman_q0 0.01
kalman_qtau 2.302
kalman_qmin 1.0E-06
kalman_eta 0.01
kalman_etatau 2.302
kalman_etamax 1.0
";

/// The bound of a symmetry function's range that is not known.
pub(super) const UNKNOWN_BOUND: f64 = 1e300;

/// The files of a potential in some units, or what of it n2p2 cannot hold.
pub fn export_potential(potential: &NeuralPotential, units: FileUnits) -> Result<ExportedPotential, FormatError> {
    let refused = |what: String| FormatError::Unwritable(format!("n2p2 has no place for {what}"));
    let write = |x: f64| if units.is_default() { exact(x) } else { rounded(x) };
    let descriptor = &potential.descriptor;
    let symbol = |element: usize| {
        let species = descriptor.elements().get(element);
        species.map_or("?", |species| species.symbol()).to_owned()
    };
    let elements: Vec<String> = (0..descriptor.elements().len()).map(symbol).collect();

    let mut lines = String::new();
    let mut scaling = String::from(SCALING_HEADER);
    let mut orders = Vec::new();
    for (element, own) in elements.iter().enumerate() {
        let mut listed = Vec::new();
        for (place, function) in descriptor.functions(element).iter().enumerate() {
            listed.push((Listed::new(*function).map_err(refused)?, place));
        }
        functions::sort_by(&mut listed, |(function, _)| function);
        let numbers = &potential.scaling[element];
        let range = potential.ranges.as_ref().map(|ranges| &ranges[element]);
        let mut order = Vec::new();
        for (row, (function, place)) in listed.iter().enumerate() {
            lines.push_str(&function.line(own, &symbol, units.length, &write));
            let (shift, factor) = (numbers.shift[*place], numbers.factor[*place]);
            // A factor of 0 makes the function count for nothing.
            let (width, sign) = if factor == 0.0 {
                (1.0, 0.0)
            } else {
                (1.0 / factor.abs(), factor.signum())
            };
            order.push((*place, sign));
            let [minimum, maximum] = bounds(range, *place);
            scaling.push_str(&format!(
                "{:>10} {:>10} {:>24} {:>24} {:>24} {:>24}\n",
                element + 1,
                row + 1,
                write(minimum),
                write(maximum),
                write(shift),
                write(width)
            ));
        }
        orders.push(order);
    }
    let embedded = embed(potential, &orders, 1.0 / units.energy).map_err(refused)?;
    let settings = settings_text(potential, &elements, &embedded, units, &lines)?;
    let mut files = vec![(SETTINGS.to_owned(), settings), (SCALING.to_owned(), scaling)];
    for (element, species) in descriptor.elements().iter().enumerate() {
        let inputs = descriptor.count(element);
        let widths: Vec<usize> = std::iter::once(inputs)
            .chain(embedded.hidden.iter().copied())
            .chain([1])
            .collect();
        let text = weights_text(&widths, &embedded.parameters[element], &write);
        files.push((weights_name(species.atomic_number()), text));
    }
    Ok(ExportedPotential {
        files,
        deviation: embedded.deviation,
        elements,
    })
}

impl ExportedPotential {
    /// Writes the files into a folder, which is made if need be.
    pub fn write(&self, folder: &Path) -> Result<(), FormatError> {
        std::fs::create_dir_all(folder).map_err(FormatError::writing(folder))?;
        for (name, text) in &self.files {
            replace(&folder.join(name), text)?;
        }
        Ok(())
    }
}

/// The smallest and the largest value that a function took in training.
fn bounds(range: Option<&FeatureRange>, place: usize) -> [f64; 2] {
    range.map_or([-UNKNOWN_BOUND, UNKNOWN_BOUND], |range| {
        [range.minimum[place], range.maximum[place]]
    })
}

fn settings_text(
    potential: &NeuralPotential,
    elements: &[String],
    embedded: &Embedded,
    units: FileUnits,
    functions: &str,
) -> Result<String, FormatError> {
    let write = |x: f64| if units.is_default() { exact(x) } else { rounded(x) };
    let joined = |words: Vec<String>| words.join(" ");
    let mut text = format!(
        "# A Behler-Parrinello potential written by slmc; units: {}.\n",
        units.names()
    );
    text.push_str(&format!("number_of_elements {}\n", elements.len()));
    text.push_str(&format!("elements {}\n", elements.join(" ")));
    for (element, energy) in elements.iter().zip(&potential.reference_energies) {
        text.push_str(&format!("atom_energy {element} {}\n", write(energy / units.energy)));
    }
    let cutoff = potential.descriptor.cutoff_function();
    let kind = match cutoff.kind {
        CutoffKind::Hard => 0,
        CutoffKind::Cosine => 1,
        CutoffKind::TanhCubed => 2,
        CutoffKind::TanhCubedNormalised => 3,
        CutoffKind::Exponential => 4,
        CutoffKind::Polynomial1 => 5,
        CutoffKind::Polynomial2 => 6,
        CutoffKind::Polynomial3 => 7,
        CutoffKind::Polynomial4 => 8,
    };
    text.push_str(&format!("cutoff_type {kind} {}\n", exact(cutoff.inner_fraction)));
    text.push_str("scale_symmetry_functions_sigma\nscale_min_short 0.0\nscale_max_short 1.0\n");
    text.push_str(&format!("global_hidden_layers_short {}\n", embedded.hidden.len()));
    let widths = embedded.hidden.iter().map(ToString::to_string).collect();
    text.push_str(&format!("global_nodes_short {}\n", joined(widths)));
    let letters = embedded.activations.iter().map(|activation| {
        letter(*activation)
            .map(str::to_owned)
            .ok_or_else(|| FormatError::Unwritable(format!("n2p2 has no place for the activation {activation:?}")))
    });
    let letters = letters.collect::<Result<Vec<String>, _>>()?;
    text.push_str(&format!("global_activation_short {}\n", joined(letters)));
    text.push_str(TRAINING);
    text.push_str("# Symmetry functions, in n2p2's own order:\n");
    text.push_str(functions);
    Ok(text)
}

const SCALING_HEADER: &str = "\
# Symmetry function scaling data: element, function, minimum, maximum, mean, sigma.
";

fn weights_text(widths: &[usize], parameters: &[f64], write: &dyn Fn(f64) -> String) -> String {
    let mut text = String::from(
        "# Weights: value, a, number, layer and node they start from, layer and node they end at; biases: value, b, number, layer, node.\n",
    );
    let mut values = parameters.iter().copied();
    let mut count = 0;
    for (layer, pair) in widths.windows(2).enumerate() {
        for from in 1..=pair[0] {
            for to in 1..=pair[1] {
                count += 1;
                let value = write(values.next().unwrap_or_default());
                text.push_str(&format!(
                    "{value:>24} a {count:>9} {layer:>5} {from:>5} {:>5} {to:>5}\n",
                    layer + 1
                ));
            }
        }
        for node in 1..=pair[1] {
            count += 1;
            let value = write(values.next().unwrap_or_default());
            text.push_str(&format!("{value:>24} b {count:>9} {:>5} {node:>5}\n", layer + 1));
        }
    }
    text
}
