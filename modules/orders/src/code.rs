//! The order's code: short, and readable aloud without mistakes.

use runtime::Random;

/// Without 0 and O, 1, I and L, 5 and S, 2 and Z, 8 and B, U and V.
const ALPHABET: &[u8; 23] = b"34679ACDEFGHJKMNPQRTWXY";
const LENGTH: usize = 8;

/// A new code; about 36 bits of chance, so that two orders hardly ever draw the same.
pub(crate) fn draw(random: &dyn Random) -> String {
    let mut code = String::with_capacity(LENGTH);
    // Bytes at and above the largest multiple of the alphabet's length would favour its beginning.
    let fair = u8::MAX - u8::MAX % 23;
    while code.len() < LENGTH {
        let drawn: [u8; LENGTH] = random.bytes();
        let letters = drawn.iter().filter(|byte| **byte < fair);
        let letters = letters.filter_map(|byte| ALPHABET.get(usize::from(byte % 23)));
        code.extend(letters.take(LENGTH - code.len()).map(|letter| char::from(*letter)));
    }
    code
}

#[cfg(test)]
mod tests {
    use runtime::SystemRandom;

    use super::*;

    #[test]
    fn a_code_has_eight_letters_that_nobody_mistakes() {
        for _ in 0..1_000 {
            let code = draw(&SystemRandom::default());
            assert_eq!(code.len(), LENGTH);
            assert!(code.bytes().all(|letter| ALPHABET.contains(&letter)), "{code}");
        }
    }
}
