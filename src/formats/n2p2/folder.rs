//! A folder of n2p2 as a potential: input.nn, scaling.data and one weights.ZZZ.data per element.

use std::path::Path;

use super::export::UNKNOWN_BOUND;
use super::settings::{ScalingMode, Settings};
use super::text::wanted_number;
use super::units::FileUnits;
use crate::descriptor::Descriptor;
use crate::formats::FormatError;
use crate::formats::error::quote;
use crate::formats::source::read_text;
use crate::network::{Activation, Network};
use crate::potential::{FeatureRange, NeuralPotential, Scaling};

/// The name of the settings in a folder of n2p2.
pub(super) const SETTINGS: &str = "input.nn";
/// The name of the scaling data.
pub(super) const SCALING: &str = "scaling.data";

/// The name of the weights of an element.
pub(super) fn weights_name(atomic_number: u8) -> String {
    format!("weights.{atomic_number:03}.data")
}

/// Whether a folder holds a potential of n2p2.
pub fn is_folder(place: &Path) -> bool {
    place.join(SETTINGS).is_file()
}

/// The potential in a folder of n2p2, in eV and Å, where the files hold numbers in the given units.
pub fn read_potential(folder: &Path, units: FileUnits) -> Result<NeuralPotential, FormatError> {
    let path = folder.join(SETTINGS);
    let settings = Settings::parse(&read_text(&path)?, &path)?;
    let functions = settings
        .functions
        .iter()
        .map(|list| list.iter().map(|listed| listed.in_angstrom(units.length)).collect())
        .collect();
    let fail = |message: String| FormatError::line(&path, 1, message);
    let descriptor = Descriptor::new(settings.elements.clone(), settings.cutoff, functions)
        .map_err(|error| fail(error.to_string()))?;
    let (scaling, ranges) = read_scaling(&folder.join(SCALING), &settings)?;
    let mut member = Vec::new();
    for (index, element) in settings.elements.iter().enumerate() {
        let path = folder.join(weights_name(element.atomic_number()));
        let network = read_network(&path, &settings, index, units.energy / settings.conv_energy)?;
        member.push(Some(network));
    }
    let reference_energies = settings
        .atom_energies
        .iter()
        .map(|energy| (energy + settings.mean_energy) * units.energy)
        .collect();
    let mut potential = NeuralPotential::new(descriptor, scaling, reference_energies, None, vec![member])
        .map_err(|error| fail(error.to_string()))?;
    potential.ranges = ranges;
    Ok(potential)
}

/// Column 1 of a file, with the line of each number.
fn first_column(path: &Path, what: &str) -> Result<Vec<f64>, FormatError> {
    let text = read_text(path)?;
    let mut numbers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("");
        if let Some(word) = line.split_whitespace().next() {
            numbers.push(wanted_number(path, index + 1, what, word)?);
        }
    }
    Ok(numbers)
}

/// The rows of scaling.data that have as many columns as a function's row, with their lines.
fn rows(path: &Path) -> Result<Vec<(usize, Vec<f64>)>, FormatError> {
    let text = read_text(path)?;
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("");
        let words: Vec<&str> = line.split_whitespace().collect();
        // The files of RuNNer end with a line of two energies, which means nothing here.
        if words.is_empty() || words.len() == 2 {
            continue;
        }
        let numbered = words.iter().take(2).all(|word| word.parse::<usize>().is_ok());
        if words.len() < 5 || !numbered {
            let message = format!(
                "expected element, function, minimum, maximum, mean, sigma, found {}",
                quote(line.trim())
            );
            return Err(FormatError::line(path, index + 1, message));
        }
        let row = words
            .iter()
            .take(6)
            .map(|word| wanted_number(path, index + 1, "an entry of the scaling data", word))
            .collect::<Result<Vec<f64>, _>>()?;
        rows.push((index + 1, row));
    }
    Ok(rows)
}

/// The scaling of each element's functions, and their ranges where the file knows them.
fn read_scaling(path: &Path, settings: &Settings) -> Result<(Vec<Scaling>, Option<Vec<FeatureRange>>), FormatError> {
    let rows = rows(path)?;
    let needed: usize = settings.functions.iter().map(Vec::len).sum();
    if rows.len() != needed {
        let line = rows.last().map_or(1, |(line, _)| *line);
        let message = format!(
            "{} rows for the {needed} symmetry functions of {}: the two files do not belong together",
            rows.len(),
            settings.path.display()
        );
        return Err(FormatError::line(path, line, message));
    }
    let span = settings.scale_max - settings.scale_min;
    let known = rows
        .iter()
        .all(|(_, row)| row[2].abs() < UNKNOWN_BOUND && row[3].abs() < UNKNOWN_BOUND);
    let mut rows = rows.into_iter();
    let mut ranges = Vec::new();
    let scaling = settings
        .functions
        .iter()
        .map(|list| {
            let mut scaling = Scaling::identity(0);
            let mut range = FeatureRange::default();
            for (line, row) in rows.by_ref().take(list.len()) {
                let [minimum, maximum, mean] = [row[2], row[3], row[4]];
                let width = match settings.scaling {
                    ScalingMode::None | ScalingMode::Center => 1.0,
                    ScalingMode::Scale | ScalingMode::ScaleCenter => maximum - minimum,
                    ScalingMode::Sigma => match row.get(5) {
                        Some(sigma) => *sigma,
                        None => return Err(FormatError::line(path, line, "scaling by sigma needs a sixth column, sigma")),
                    },
                };
                if width <= 0.0 {
                    let message = "this symmetry function has no range to scale by: the width is not positive; remove the function";
                    return Err(FormatError::line(path, line, message));
                }
                let (shift, factor) = match settings.scaling {
                    ScalingMode::None => (0.0, 1.0),
                    ScalingMode::Center => (mean, 1.0),
                    ScalingMode::Scale => (minimum - settings.scale_min * width / span, span / width),
                    ScalingMode::ScaleCenter | ScalingMode::Sigma => {
                        (mean - settings.scale_min * width / span, span / width)
                    }
                };
                scaling.shift.push(shift);
                scaling.factor.push(factor);
                range.minimum.push(minimum);
                range.maximum.push(maximum);
            }
            ranges.push(range);
            Ok(scaling)
        })
        .collect::<Result<Vec<Scaling>, FormatError>>()?;
    Ok((scaling, known.then_some(ranges)))
}

/// The network of an element; its energy is multiplied by `factor`.
fn read_network(path: &Path, settings: &Settings, element: usize, factor: f64) -> Result<Network, FormatError> {
    let mut parameters = first_column(path, "a weight")?;
    let widths_with = |hidden: &[usize]| -> Vec<usize> {
        let inputs = settings.functions[element].len();
        std::iter::once(inputs)
            .chain(hidden.iter().copied())
            .chain([1])
            .collect()
    };
    let count = |widths: &[usize]| -> usize { widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum() };
    let [wanted, left] = &settings.hidden[element];
    let (wanted, left) = (widths_with(wanted), widths_with(left));
    let mut widths = if parameters.len() == count(&left) { left } else { wanted };
    if parameters.len() != count(&widths) {
        let message = format!(
            "{} weights where the network of {} in {}, {widths:?}, has {}: the files do not belong together",
            parameters.len(),
            settings.elements[element],
            settings.path.display(),
            count(&widths)
        );
        return Err(FormatError::line(path, 1, message));
    }
    if settings.normalize_nodes {
        let mut start = 0;
        for pair in widths.windows(2) {
            let layer = (pair[0] + 1) * pair[1];
            for parameter in &mut parameters[start..start + layer] {
                *parameter /= pair[0] as f64;
            }
            start += layer;
        }
    }
    let mut activations = settings.activations.clone();
    let linear = activations.last() == Some(&Activation::Linear);
    if !linear && factor != 1.0 {
        // What follows the output's activation needs a layer of its own.
        widths.push(1);
        activations.push(Activation::Linear);
        parameters.extend([factor, 0.0]);
    }
    let mut network = Network::from_parts(widths, activations, parameters)
        .map_err(|error| FormatError::line(path, 1, error.to_string()))?;
    if linear && factor != 1.0 {
        network.scale_output(factor);
    }
    Ok(network)
}
