//! Randomness that a seed repeats.

use std::sync::{Mutex, PoisonError};

use runtime::Random;

/// A source of bytes that gives the same bytes for the same seed. Fit for tests, never for secrets.
#[derive(Debug)]
pub struct SeededRandom {
    state: Mutex<u64>,
}

impl SeededRandom {
    /// A source that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let word = next_word(&mut state).to_le_bytes();
            for (byte, source) in chunk.iter_mut().zip(word) {
                *byte = source;
            }
        }
    }
}

/// The `SplitMix64` generator: a counter stepped by the golden ratio, then mixed.
fn next_word(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let first = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let second = (first ^ (first >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    second ^ (second >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(random: &dyn Random) -> [u8; 20] {
        random.bytes()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(bytes_of(&SeededRandom::new(7)), bytes_of(&SeededRandom::new(7)));
    }

    #[test]
    fn another_seed_gives_other_bytes() {
        assert_ne!(bytes_of(&SeededRandom::new(7)), bytes_of(&SeededRandom::new(8)));
    }

    #[test]
    fn one_source_does_not_repeat_itself() {
        let random = SeededRandom::new(7);
        assert_ne!(bytes_of(&random), bytes_of(&random));
    }
}
