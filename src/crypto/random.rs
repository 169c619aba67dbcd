//! Named random streams.
//!
//! Randomness is an argument everywhere below `net`: a run is a function of its seed. The streams are apart because a
//! user action that takes one number from the stream that draws tick times shifts every later tick, and Eve reads ticks.
//! Not here: the seed itself, which `net` and `main` take from the operating system.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// One deterministic stream of random numbers (ChaCha20).
pub struct Stream {
    seed: [u8; 32],
    rng: ChaCha20Rng,
}

impl Stream {
    /// A stream that is a function of `seed` alone.
    pub fn from_seed(seed: [u8; 32]) -> Stream {
        Stream {
            seed,
            rng: ChaCha20Rng::from_seed(seed),
        }
    }

    /// A stream of its own for `label` and `context`. It depends on the seed of `self`, not on how much was drawn from
    /// it, so that a fork in one place never shifts numbers in another.
    pub fn fork(&self, label: &str, context: &[u8]) -> Stream {
        let mut hash = Sha256::new();
        hash.update(b"paratox stream fork");
        hash.update(self.seed);
        hash.update((label.len() as u32).to_be_bytes());
        hash.update(label.as_bytes());
        hash.update(context);
        Stream::from_seed(hash.finalize().into())
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub fn u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    pub fn u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number in `0..n`; 0 if `n` is 0. Bias below 2^-64 x n: for choices, not for keys.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An exponentially distributed number with the given mean: the gaps of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// The streams of one node and its person, one per purpose.
pub struct Streams {
    /// Tick times and every other time at which the node itself starts something.
    pub schedule: Stream,
    /// Which nodes to link to, look up, build circuits through.
    pub topology: Stream,
    /// Keys, salts, masks, filling bytes.
    pub crypto: Stream,
    /// Whatever a user action needs.
    pub user: Stream,
}

impl Streams {
    pub fn from_seed(seed: [u8; 32]) -> Streams {
        let root = Stream::from_seed(seed);
        Streams {
            schedule: root.fork("schedule", b""),
            topology: root.fork("topology", b""),
            crypto: root.fork("crypto", b""),
            user: root.fork("user", b""),
        }
    }
}
