//! The standard preset: ladders of shifted Gaussians whose ranges follow from the density and the shortest distances.
//!
//! Centres stand in geometric progression, as forces change fastest at short distance. The angular shapes come in two widths
//! at equal reach: products g(r_j)·g(r_k) of narrow and of wide Gaussians together resolve r_j − r_k as well as r_j + r_k, which
//! took the error of a linear fit to Stillinger–Weber silicon from 0.9 to 0.1 meV.

use super::config::DescriptorConfig;
use super::function::{Gaussian, Neighbours, Pairs, SymmetryFunction};
use crate::linear::{add, norm, sub};
use crate::structure::{NeighbourList, Species, Structure};

/// The radial cutoff in units of the mean spacing (volume per atom)^⅓ before there are data to choose it: about 165
/// neighbours in any dense system.
pub(crate) const RADIAL_REACH: f64 = 3.4;
/// The angular cutoff in the same unit: about 17 neighbours.
pub(crate) const ANGULAR_REACH: f64 = 1.6;
/// The standard deviation of the radial Gaussians in units of the step to the next centre.
const RADIAL_WIDTH: f64 = 1.2;
/// The same of the two sets of angular Gaussians.
const ANGULAR_WIDTHS: [f64; 2] = [1.0, 2.5];

/// The lengths that the preset's ranges are chosen from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranges {
    /// The mean spacing of atoms in Å.
    pub spacing: f64,
    /// The shortest distance seen between two elements, elements × elements, in Å.
    pub shortest: Vec<Vec<f64>>,
}

impl Ranges {
    /// Measures the frames. Without frames, or where atoms are alone, a spacing of 2.5 Å is assumed.
    pub fn measure(elements: &[Species], frames: &[&Structure]) -> Self {
        let mut spacings = Vec::new();
        let mut shortest = vec![vec![f64::INFINITY; elements.len()]; elements.len()];
        // Many frames of one run look alike: a few of them, evenly taken, tell the ranges.
        let stride = frames.len().div_ceil(20).max(1);
        for frame in frames.iter().step_by(stride) {
            let spacing = spacing(frame);
            spacings.push(spacing);
            let list = NeighbourList::build(frame, 2.0 * spacing);
            for i in 0..frame.len() {
                for neighbour in list.of(i) {
                    let j = neighbour.index as usize;
                    let distance = norm(sub(add(frame.positions[j], neighbour.offset), frame.positions[i]));
                    let place = |species: &Species| elements.iter().position(|known| known == species);
                    if let (Some(a), Some(b)) = (place(&frame.species[i]), place(&frame.species[j]))
                        && distance < shortest[a][b]
                    {
                        shortest[a][b] = distance;
                        shortest[b][a] = distance;
                    }
                }
            }
        }
        let spacing = if spacings.is_empty() {
            2.5
        } else {
            spacings.iter().sum::<f64>() / spacings.len() as f64
        };
        for row in &mut shortest {
            for distance in row {
                if !distance.is_finite() || *distance < 0.2 * spacing {
                    *distance = 0.8 * spacing;
                }
            }
        }
        Self { spacing, shortest }
    }
}

/// The mean spacing of atoms in Å that reaches are multiplied by.
pub(crate) fn mean_spacing(elements: &[Species], frames: &[&Structure]) -> f64 {
    Ranges::measure(elements, frames).spacing
}

/// (volume per atom)^⅓ in bulk; elsewhere from the distance within which an atom has twelve others (or all).
fn spacing(structure: &Structure) -> f64 {
    if structure.cell.is_bulk() {
        return (structure.cell.volume() / structure.len() as f64).cbrt();
    }
    let mut radii = Vec::new();
    for i in 0..structure.len() {
        let mut distances: Vec<f64> = (0..structure.len())
            .filter(|j| *j != i)
            .map(|j| norm(sub(structure.positions[j], structure.positions[i])))
            .collect();
        distances.sort_by(f64::total_cmp);
        if let Some(distance) = distances.get(11).or(distances.last()) {
            let count = distances.len().min(12) as f64;
            radii.push(distance * (4.0 / 3.0 * std::f64::consts::PI / count).cbrt());
        }
    }
    if radii.is_empty() {
        return 2.5;
    }
    radii.iter().sum::<f64>() / radii.len() as f64
}

/// The radial and the angular cutoff radius in Å: as configured, else from the density.
pub(super) fn cutoffs(config: &DescriptorConfig, elements: &[Species], frames: &[&Structure]) -> (f64, f64) {
    cutoffs_of(config, &Ranges::measure(elements, frames))
}

fn cutoffs_of(config: &DescriptorConfig, ranges: &Ranges) -> (f64, f64) {
    let radial = config
        .radial_cutoff
        .map_or(RADIAL_REACH * ranges.spacing, crate::units::Quantity::value);
    let angular = config
        .angular_cutoff
        .map_or(ANGULAR_REACH * ranges.spacing, crate::units::Quantity::value);
    (radial, angular)
}

/// The preset's functions per central element.
pub(crate) fn functions(
    config: &DescriptorConfig,
    elements: &[Species],
    frames: &[&Structure],
) -> Vec<Vec<SymmetryFunction>> {
    let ladders = Ladders::new(config, elements, frames);
    let kinds = elements.len();
    (0..kinds)
        .map(|central| {
            let mut list = radial(config, &ladders, central);
            let pairs: Vec<Pairs> = if kinds <= 2 {
                (0..kinds)
                    .flat_map(|a| (a..kinds).map(move |b| Pairs::Elements(a, b)))
                    .collect()
            } else {
                vec![Pairs::Weighted]
            };
            let wide = config.angular_count / 2;
            let shapes = [config.angular_count - wide, wide]
                .into_iter()
                .zip(ANGULAR_WIDTHS)
                .flat_map(|(count, width)| ladders.angular(central, count, width));
            for gaussian in shapes {
                for pairs in &pairs {
                    for (lambda, zeta) in angles(config.angular_degree) {
                        list.push(SymmetryFunction::Angular {
                            pairs: *pairs,
                            gaussian,
                            lambda,
                            zeta,
                            third_side: false,
                        });
                    }
                }
            }
            list
        })
        .collect()
}

/// Where the preset's Gaussians begin and end.
pub(super) struct Ladders {
    ranges: Ranges,
    radial_cutoff: f64,
    angular_cutoff: f64,
}

impl Ladders {
    /// From the configuration and the frames.
    pub fn new(config: &DescriptorConfig, elements: &[Species], frames: &[&Structure]) -> Self {
        let ranges = Ranges::measure(elements, frames);
        let (radial_cutoff, angular_cutoff) = cutoffs_of(config, &ranges);
        Self {
            ranges,
            radial_cutoff,
            angular_cutoff,
        }
    }

    /// A number of shapes of the angular functions of a central element, `width` steps wide.
    pub fn angular(&self, central: usize, count: usize, width: f64) -> Vec<Gaussian> {
        let nearest = self.ranges.shortest[central]
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min);
        ladder(nearest, self.angular_cutoff, count, width)
    }
}

/// The radial functions of a central element.
pub(super) fn radial(config: &DescriptorConfig, ladders: &Ladders, central: usize) -> Vec<SymmetryFunction> {
    let shortest = ladders.ranges.shortest[central].iter().enumerate();
    shortest
        .flat_map(|(neighbour, shortest)| {
            let shapes = ladder(*shortest, ladders.radial_cutoff, config.radial_count, RADIAL_WIDTH);
            shapes.into_iter().map(move |gaussian| SymmetryFunction::Radial {
                neighbours: Neighbours::Element(neighbour),
                gaussian,
            })
        })
        .collect()
}

/// `count` Gaussians with centres in geometric progression from just inside the shortest distance towards the cutoff, `width`
/// steps wide.
fn ladder(shortest: f64, cutoff: f64, count: usize, width: f64) -> Vec<Gaussian> {
    let first = (0.9 * shortest).min(0.5 * cutoff);
    let ratio = (cutoff / first).powf(1.0 / count.max(1) as f64);
    (0..count)
        .map(|k| {
            let shift = first * ratio.powi(k as i32);
            let deviation = width * shift * (ratio - 1.0);
            Gaussian {
                eta: 0.5 / (deviation * deviation),
                shift,
                cutoff,
            }
        })
        .collect()
}

/// Pairs (λ, ζ) that span all polynomials in cos θ up to a degree.
fn angles(degree: usize) -> Vec<(f64, f64)> {
    let mut list = vec![(1.0, 1.0), (-1.0, 1.0)];
    for power in 2..=degree {
        list.push((if power == 3 { -1.0 } else { 1.0 }, power as f64));
    }
    if degree == 4 {
        // (1 − cos θ)⁴ beside (1 + cos θ)⁴ gives the odd powers; the cube is then not needed.
        list[3] = (1.0, 4.0);
        list[4] = (-1.0, 4.0);
    }
    list
}
