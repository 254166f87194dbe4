//! The range of each symmetry function over the training data, by which extrapolation is noticed.

use super::frame::Frame;
use crate::descriptor::Descriptor;
use crate::potential::FeatureRange;

/// One range per element of the descriptor.
pub(super) fn ranges<'a>(descriptor: &Descriptor, frames: impl Iterator<Item = &'a Frame>) -> Vec<FeatureRange> {
    let mut ranges: Vec<FeatureRange> = (0..descriptor.elements().len())
        .map(|element| FeatureRange::empty(descriptor.count(element)))
        .collect();
    for frame in frames {
        for (range, block) in ranges.iter_mut().zip(&frame.blocks) {
            for atom in block.values.rows() {
                range.include(atom);
            }
        }
    }
    ranges
}
