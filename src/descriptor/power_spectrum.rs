//! The power-spectrum preset: radial functions as the standard preset has them, and the power spectrum of the neighbours' density.
//!
//! Products of two different shapes tell where one neighbour is given where the other one is, which functions of one shape say
//! only by their sum and difference. Bartók, Kondor and Csányi, Phys. Rev. B 87, 184115 (2013).

use super::config::DescriptorConfig;
use super::function::{Pairs, SymmetryFunction};
use super::standard::{Ladders, radial};
use crate::structure::{Species, Structure};

/// The width of the Gaussians in units of the step to the next centre.
pub(super) const WIDTH: f64 = 1.2;

/// The preset's functions per central element.
pub(super) fn functions(
    config: &DescriptorConfig,
    elements: &[Species],
    frames: &[&Structure],
) -> Vec<Vec<SymmetryFunction>> {
    let ladders = Ladders::new(config, elements, frames);
    let kinds = elements.len();
    let pairs: Vec<Pairs> = if kinds <= 2 {
        (0..kinds)
            .flat_map(|a| (a..kinds).map(move |b| Pairs::Elements(a, b)))
            .collect()
    } else {
        vec![Pairs::Weighted]
    };
    (0..kinds)
        .map(|central| {
            let mut list = radial(config, &ladders, central);
            let shapes = ladders.angular(central, config.angular_count.div_ceil(2), WIDTH);
            for pairs in &pairs {
                let alike = !matches!(pairs, Pairs::Elements(a, b) if a != b);
                for (index, first) in shapes.iter().enumerate() {
                    for second in &shapes[if alike { index } else { 0 }..] {
                        for degree in 0..=config.angular_degree as u32 {
                            list.push(SymmetryFunction::PowerSpectrum {
                                pairs: *pairs,
                                shapes: [*first, *second],
                                degree,
                            });
                        }
                    }
                }
            }
            list
        })
        .collect()
}
