//! Cookie blocks: what shows an intro point whose a delivery is, and shows the circuit's end nothing.
//!
//! `tag 12 | counter 4 | version 1 | credential 16`, the last 21 bytes masked. The tag is over counter, credential and parcel, and is
//! the mask's starting point: a synthetic nonce. So a block opens whatever was lost before it, looks random, cannot be put in front of
//! another parcel and counts once. Not here: whose a credential is (`intro`).

use crate::crypto::Rejected;
use crate::crypto::aead::{Key, mac_eq, mac16, mask33};
use crate::crypto::curve::Point;
use crate::crypto::keys::{CookieKey, Ephemeral};
use crate::crypto::mqv::{Agreed, Transcript, one_pass_anonymous_from, one_pass_anonymous_to};
use crate::wire::circuit::COOKIE_BLOCK;
use crate::wire::size::PARCEL;

const TAG: usize = 12;
const VERSION: u8 = 1;
/// Cells that may overtake each other on a spur; links deliver late what they have to send again.
const WINDOW: u32 = 64;

struct Keys {
    tag: Key,
    mask: Key,
}

impl Keys {
    fn of(agreed: &Agreed) -> Keys {
        Keys {
            tag: agreed.key("cookie tag"),
            mask: agreed.key("cookie mask"),
        }
    }

    fn tag(&self, inner: &[u8], parcel: &[u8; PARCEL]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac16(&self.tag, &[inner, parcel])[..TAG]);
        tag
    }

    /// XORs the inner bytes under the tag.
    fn mask(&self, tag: &[u8], inner: &mut [u8]) {
        let (mut iv, mut stream) = ([0; 16], [0; 33]);
        iv[..TAG].copy_from_slice(tag);
        mask33(&self.mask, &iv, &mut stream);
        inner
            .iter_mut()
            .zip(stream)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
}

fn transcript() -> Transcript {
    Transcript::new("paratox spur")
}

/// The origin's side of one spur.
pub(super) struct CookieSealer {
    keys: Keys,
    credential: [u8; 16],
    counter: u32,
}

impl CookieSealer {
    pub fn new(
        throwaway: &Ephemeral,
        cookie_key: &Point,
        credential: [u8; 16],
    ) -> Result<CookieSealer, Rejected> {
        let keys = Keys::of(&one_pass_anonymous_to(throwaway, cookie_key, transcript())?);
        Ok(CookieSealer {
            keys,
            credential,
            counter: 0,
        })
    }

    /// Further blocks show this credential.
    pub fn show(&mut self, credential: [u8; 16]) {
        self.credential = credential;
    }

    pub fn seal(&mut self, parcel: &[u8; PARCEL]) -> Box<[u8; COOKIE_BLOCK]> {
        self.counter = self.counter.wrapping_add(1);
        let mut block = Box::new([0; COOKIE_BLOCK]);
        block[TAG..TAG + 4].copy_from_slice(&self.counter.to_be_bytes());
        block[TAG + 4] = VERSION;
        block[TAG + 5..].copy_from_slice(&self.credential);
        let tag = self.keys.tag(&block[TAG..], parcel);
        block[..TAG].copy_from_slice(&tag);
        self.keys.mask(&tag, &mut block[TAG..]);
        block
    }
}

/// The intro point's side.
pub(super) struct CookieOpener {
    keys: Keys,
    /// Highest counter seen, and which of the 64 up to it.
    top: u32,
    seen: u64,
}

impl CookieOpener {
    pub fn new(own: &CookieKey, throwaway: &Point) -> Result<CookieOpener, Rejected> {
        let keys = Keys::of(&one_pass_anonymous_from(own, throwaway, transcript())?);
        Ok(CookieOpener {
            keys,
            top: 0,
            seen: 0,
        })
    }

    /// The credential, once for each block.
    pub fn open(
        &mut self,
        block: &[u8; COOKIE_BLOCK],
        parcel: &[u8; PARCEL],
    ) -> Result<[u8; 16], Rejected> {
        let (tag, masked) = block.split_at(TAG);
        let mut inner = [0; COOKIE_BLOCK - TAG];
        inner.copy_from_slice(masked);
        self.keys.mask(tag, &mut inner);
        if !mac_eq(&self.keys.tag(&inner, parcel), tag) || inner[4] != VERSION {
            return Err(Rejected);
        }
        let counter = u32::from_be_bytes([inner[0], inner[1], inner[2], inner[3]]);
        if counter > self.top {
            let by = counter - self.top;
            self.seen = if by >= WINDOW { 0 } else { self.seen << by };
            self.seen |= 1;
            self.top = counter;
        } else {
            let back = self.top - counter;
            if back >= WINDOW || self.seen >> back & 1 == 1 {
                return Err(Rejected);
            }
            self.seen |= 1 << back;
        }
        let mut credential = [0; 16];
        credential.copy_from_slice(&inner[5..]);
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    fn pair() -> (CookieSealer, CookieOpener) {
        let mut random = Stream::from_seed([6; 32]);
        let key = CookieKey::generate(&mut random);
        let throwaway = Ephemeral::generate(&mut random);
        let sealer = CookieSealer::new(&throwaway, key.public(), [3; 16]).expect("a valid key");
        let opener = CookieOpener::new(&key, throwaway.public()).expect("a valid key");
        (sealer, opener)
    }

    #[test]
    fn a_block_opens_once_in_any_order_and_after_losses() {
        let (mut sealer, mut opener) = pair();
        let parcels: Vec<[u8; PARCEL]> = (0..200u8).map(|n| [n; PARCEL]).collect();
        let blocks: Vec<_> = parcels.iter().map(|parcel| sealer.seal(parcel)).collect();
        for i in [3, 1, 0, 150, 149] {
            assert_eq!(
                opener.open(&blocks[i], &parcels[i]),
                Ok([3; 16]),
                "block {i}"
            );
            assert!(
                opener.open(&blocks[i], &parcels[i]).is_err(),
                "block {i} again"
            );
        }
        assert!(opener.open(&blocks[20], &parcels[20]).is_err(), "too old");
    }

    #[test]
    fn a_block_does_not_serve_another_parcel_and_noise_opens_nothing() {
        let (mut sealer, mut opener) = pair();
        let block = sealer.seal(&[1; PARCEL]);
        assert!(opener.open(&block, &[2; PARCEL]).is_err());
        let mut random = Stream::from_seed([7; 32]);
        assert!(opener.open(&random.bytes(), &random.bytes()).is_err());
        assert!(
            opener.open(&block, &[1; PARCEL]).is_ok(),
            "what failed changed nothing"
        );
    }
}
