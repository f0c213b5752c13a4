//! Randomness as a parameter. The only place that draws from the system's generator.

use aws_lc_rs::rand::SecureRandom;

/// A source of unpredictable bytes, fit for keys and secrets.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Random {
    /// A random array, such as a secret or a salt.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number between 0 and 1, for jitter.
    pub fn fraction(&self) -> f64 {
        let bits = u32::from_be_bytes(self.bytes());
        f64::from(bits) / f64::from(u32::MAX)
    }
}

/// The operating system's generator.
#[derive(Debug, Default)]
pub struct SystemRandom(aws_lc_rs::rand::SystemRandom);

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system's random generator works");
    }
}
