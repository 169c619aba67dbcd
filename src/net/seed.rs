//! The one source of true randomness: the operating system, asked once for each seed.

use zeroize::Zeroizing;

/// The system gave no randomness. Nothing can start without it.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "the operating system gave no randomness; restart it, or start paratox where /dev/urandom exists"
)]
pub struct NoRandomness;

/// A fresh seed for `crypto::random::Streams`. All keys of a run follow from it, so it is dropped as soon as the streams are made.
pub fn fresh() -> Result<Zeroizing<[u8; 32]>, NoRandomness> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|_| NoRandomness)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_seeds_differ() {
        assert_ne!(
            super::fresh().expect("tests run on a system"),
            super::fresh().expect("tests run on a system")
        );
    }
}
