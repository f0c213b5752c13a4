//! What people read to each other: the order's code, short and without letters that are mistaken for
//! others, and the secret that goes with it, long enough that nobody guesses it.

use runtime::Random;

/// Without 0 and O, 1, I and L, 5 and S, 2 and Z, 8 and B, U and V.
const ALPHABET: &[u8; 23] = b"34679ACDEFGHJKMNPQRTWXY";
const CODE_LENGTH: usize = 8;
/// About 127 bits of chance.
const SECRET_LENGTH: usize = 28;

/// A new code; about 36 bits of chance, so that two orders hardly ever draw the same. Unique for
/// each organizer, which the database sees to, and guessable: no proof of anything.
pub(crate) fn code(random: &dyn Random) -> String {
    draw(random, CODE_LENGTH)
}

/// A new secret, which together with the code opens a guest's order.
pub(crate) fn secret(random: &dyn Random) -> String {
    draw(random, SECRET_LENGTH)
}

/// A code as it is stored, however it was typed in.
pub(crate) fn normalise(typed: &str) -> String {
    let letters = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(stored: &str, given: &str) -> bool {
    let difference = stored.bytes().zip(given.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    stored.len() == given.len() && difference == 0
}

fn draw(random: &dyn Random, length: usize) -> String {
    let mut drawn = String::with_capacity(length);
    // Bytes at and above the largest multiple of the alphabet's length would favour its beginning.
    let fair = u8::MAX - u8::MAX % 23;
    while drawn.len() < length {
        let bytes: [u8; 32] = random.bytes();
        let letters = bytes.iter().filter(|byte| **byte < fair);
        let letters = letters.filter_map(|byte| ALPHABET.get(usize::from(byte % 23)));
        drawn.extend(letters.take(length - drawn.len()).map(|letter| char::from(*letter)));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use runtime::SystemRandom;

    use super::*;

    #[test]
    fn a_code_has_eight_letters_that_nobody_mistakes() {
        for _ in 0..1_000 {
            let code = code(&SystemRandom::default());
            assert_eq!(code.len(), CODE_LENGTH);
            assert!(code.bytes().all(|letter| ALPHABET.contains(&letter)), "{code}");
        }
    }

    #[test]
    fn a_code_is_the_same_however_it_is_typed_in() {
        assert_eq!(normalise(" k7mp-x3qa "), "K7MPX3QA");
    }

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let secret = secret(&SystemRandom::default());
        assert_eq!(secret.len(), SECRET_LENGTH);
        assert!(is_same(&secret, &secret.clone()));
        assert!(!is_same(&secret, secret.trim_start_matches(|_| true)));
        assert!(!is_same(&secret, &format!("{secret}A")));
        assert!(!is_same("", &secret));
    }
}
