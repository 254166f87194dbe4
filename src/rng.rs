//! Derived random streams: each (seed, chain, step, purpose) has a generator of its own, so nothing has to be saved.
//!
//! Neighbouring seeds of one PCG family may be correlated, so the four numbers are mixed by SplitMix64 finalisers
//! (Steele, Lea and Flood, OOPSLA 2014) before they seed PCG-64 (O'Neill, HMC-CS-2014-0905).

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// What a stream is used for; distinct purposes of one step are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Displacements and strains of the bootstrap structures.
    Bootstrap = 1,
    /// Number, lengths and momenta of a proposal's segments and the acceptance uniform.
    Proposal = 2,
    /// Initial weights, batches and validation split of a training.
    Training = 3,
    /// Runs on the network alone that tune the trajectory.
    Tuning = 4,
    /// Langevin noise.
    Langevin = 5,
    /// Starting structures and velocities.
    Start = 6,
    /// The acceptance uniform of a replica exchange.
    Exchange = 7,
    /// Which neighbours try to exchange.
    ExchangePairs = 8,
    /// The acceptance uniform of the first of two stages.
    FirstStage = 9,
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The generator of one (seed, chain, step, purpose).
pub fn stream(seed: u64, chain: u64, step: u64, purpose: Purpose) -> Pcg64 {
    let mut state = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    for word in [chain, step, purpose as u64] {
        state = mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ mix(word.wrapping_add(0xd1b5_4a32_d192_ed03)));
    }
    let mut bytes = [0_u8; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&mix(state).to_le_bytes());
    }
    Pcg64::from_seed(bytes)
}

/// A uniform in (0, 1], so that its logarithm is finite.
pub fn open_uniform(generator: &mut impl Rng) -> f64 {
    1.0 - generator.random::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |chain, step, purpose| stream(7, chain, step, purpose).random::<u64>();
        assert_eq!(draw(0, 1, Purpose::Proposal), draw(0, 1, Purpose::Proposal));
        let all = [
            draw(0, 1, Purpose::Proposal),
            draw(1, 0, Purpose::Proposal),
            draw(0, 1, Purpose::Training),
            draw(0, 2, Purpose::Proposal),
            stream(8, 0, 1, Purpose::Proposal).random::<u64>(),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b));
        }
    }
}
