//! Named random streams.
//!
//! Randomness is an argument everywhere below `net`: a run is a function of its seed. The streams are apart because a
//! user action that takes one number from the stream that draws tick times shifts every later tick, and Eve reads ticks.
//! Not here: the seed itself, which `net` and `main` take from the operating system.
//!
//! A key that was erased must not be drawn a second time: whoever reads the memory of a running program would else draw all of them
//! again from the seed. Streams that keys come from are [`Stream::forgetful`].

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// One deterministic stream of random numbers (ChaCha20). Erases itself.
pub struct Stream {
    /// What forks depend on.
    seed: Zeroizing<[u8; 32]>,
    rng: ChaCha20Rng,
    forgets: bool,
}

impl Stream {
    /// A stream that is a function of `seed` alone.
    pub fn from_seed(seed: [u8; 32]) -> Stream {
        Stream {
            rng: ChaCha20Rng::from_seed(seed),
            seed: Zeroizing::new(seed),
            forgets: false,
        }
    }

    /// The stream goes on, and from now on nothing that was drawn can be drawn again from what it keeps: each draw replaces its key
    /// (fast key erasure, Bernstein 2017). For streams that keys come from. Its forks can be drawn again as long as it lives; what
    /// has to be forgotten is a [`Stream::branch`].
    pub fn forgetful(mut self) -> Stream {
        let mut stream = self.branch();
        stream.forgets = true;
        stream
    }

    /// A stream of its own that depends on what was drawn before, and forgets if this one does.
    pub fn branch(&mut self) -> Stream {
        let mut seed = Zeroizing::new([0; 32]);
        self.fill(seed.as_mut_slice());
        Stream {
            forgets: self.forgets,
            ..Stream::from_seed(*seed)
        }
    }

    /// A stream of its own for `label` and `context`. It depends on the seed of `self`, not on how much was drawn from
    /// it, so that a fork in one place never shifts numbers in another.
    pub fn fork(&self, label: &str, context: &[u8]) -> Stream {
        let mut hash = Sha256::new();
        hash.update(b"paratox stream fork");
        hash.update(self.seed.as_slice());
        hash.update((label.len() as u32).to_be_bytes());
        hash.update(label.as_bytes());
        hash.update(context);
        Stream::from_seed(hash.finalize().into())
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
        if self.forgets {
            let mut key = Zeroizing::new([0; 32]);
            self.rng.fill_bytes(key.as_mut_slice());
            self.rng = ChaCha20Rng::from_seed(*key);
        }
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
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

/// The streams of one node and its person, one per purpose. They last as long as the machines are put together: what is kept of them
/// later is forked, and where keys come from it, it forgets.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody who reads the memory can draw: everything from the key that the generator has now.
    fn read_from_memory(stream: &Stream) -> [u8; 4096] {
        let mut drawn = [0; 4096];
        ChaCha20Rng::from_seed(stream.rng.get_seed()).fill_bytes(&mut drawn);
        drawn
    }

    fn holds(all: &[u8], part: &[u8]) -> bool {
        all.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn what_a_forgetful_stream_gave_cannot_be_drawn_again_from_what_it_keeps() {
        let mut plain = Stream::from_seed([1; 32]);
        let given: [u8; 32] = plain.bytes();
        assert!(
            holds(&read_from_memory(&plain), &given),
            "this way finds what is there to be found"
        );
        let mut forgetful = Stream::from_seed([1; 32]).forgetful();
        let mut branch = forgetful.branch();
        for stream in [&mut forgetful, &mut branch] {
            for _ in 0..40 {
                let given: [u8; 32] = stream.bytes();
                assert!(!holds(&read_from_memory(stream), &given));
                let forked: [u8; 32] = stream.fork("", b"").bytes();
                assert!(given != forked && *stream.seed != given);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_whether_a_stream_forgets_or_not() {
        let run = |forgetful: bool| {
            let mut stream = Stream::from_seed([2; 32]);
            if forgetful {
                stream = stream.forgetful();
            }
            let mut branch = stream.branch();
            let drawn: ([u8; 50], u64, u32) = (stream.bytes(), branch.u64(), stream.u32());
            (drawn, stream.fork("label", b"context").unit())
        };
        assert!(run(true) == run(true) && run(false) == run(false) && run(true) != run(false));
    }

    /// ChaCha20 of RFC 8439, 2.3.1, with a key and nonce of zeros: appendix A.1, test vector 1.
    #[test]
    fn a_stream_is_chacha20_as_published() {
        let drawn: [u8; 16] = Stream::from_seed([0; 32]).bytes();
        assert_eq!(hex::encode(drawn), "76b8e0ada0f13d90405d6ae55386bd28");
    }

    #[test]
    fn forks_depend_on_seed_label_and_context_and_not_on_what_was_drawn() {
        let mut stream = Stream::from_seed([3; 32]);
        let fork = |stream: &Stream, label, context: &[u8]| -> [u8; 32] {
            stream.fork(label, context).bytes()
        };
        let first = fork(&stream, "ab", b"c");
        stream.u64();
        assert_eq!(first, fork(&stream, "ab", b"c"));
        for other in [
            fork(&stream, "a", b"bc"),
            fork(&stream, "ab", b""),
            fork(&Stream::from_seed([4; 32]), "ab", b"c"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_number_below_a_bound_is_each_one_as_often() {
        let mut stream = Stream::from_seed([5; 32]);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        // Five standard deviations of 93.
        assert!(
            counts.iter().all(|n| n.abs_diff(10_000) < 465),
            "{counts:?}"
        );
        assert_eq!(stream.below(0), 0);
    }
}
