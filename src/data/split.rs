//! Dividing frames at random into a training and a test set.

use rand::seq::SliceRandom;

use crate::formats::Frame;
use crate::rng::{Purpose, stream};

/// The training set, a fraction of the frames drawn at random (rounded to a whole number), and the rest; both in the order of the
/// input. The same seed gives the same division.
pub fn split(frames: Vec<Frame>, fraction: f64, seed: u64) -> (Vec<Frame>, Vec<Frame>) {
    let mut order: Vec<usize> = (0..frames.len()).collect();
    order.shuffle(&mut stream(seed, 0, 0, Purpose::Training));
    let count = (fraction * frames.len() as f64).round() as usize;
    let mut chosen = vec![false; frames.len()];
    for index in order.into_iter().take(count) {
        chosen[index] = true;
    }
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for (frame, chosen) in frames.into_iter().zip(chosen) {
        if chosen { &mut training } else { &mut test }.push(frame);
    }
    (training, test)
}
