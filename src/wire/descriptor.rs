//! The 568 bytes an account publishes under its blinded key, as everybody who keeps them sees them.
//!
//! `version 1 | day 4 | blinded key 33 | revision 8 | nonce 12 | ciphertext 430 | tag 16 | signature 64`; the signature is the
//! blinded key's over everything before it. A keeper checks the outside and cannot read the inside.

use super::codec::{Malformed, Reader, malformed};
use super::position::Position;
use super::size::{POINT, SIGNATURE, VALUE};
use crate::crypto::blind::BlindedId;
use crate::crypto::keys::Signature;

/// Layout version of a descriptor.
pub const VERSION: u8 = 1;
/// Where the nonce of the sealed part starts.
pub const SEALED_AT: usize = 1 + 4 + POINT + 8;
/// What the signature covers.
pub const SIGNED: usize = VALUE - SIGNATURE;

/// What a keeper can read of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// The day (since 1970, UTC) whose blinded key signed.
    pub day: u32,
    pub blinded: BlindedId,
    /// Rises with every publication for this day.
    pub revision: u64,
    signature: Signature,
}

/// The place on the ring where a blinded key's descriptor is kept.
pub fn place(blinded: &BlindedId) -> Position {
    Position::hash("paratox place", &[blinded.bytes()])
}

impl Outside {
    /// Parses; says nothing about the signature.
    pub fn read(value: &[u8; VALUE]) -> Result<Outside, Malformed> {
        let mut r = Reader::new(value);
        if r.u8("descriptor version")? != VERSION {
            return malformed("descriptor version");
        }
        let day = r.u32("descriptor day")?;
        let blinded = BlindedId::decode(r.take(POINT, "blinded key")?).map_err(|_| Malformed {
            what: "blinded key",
        })?;
        let revision = r.u64("descriptor revision")?;
        r.take(SIGNED - SEALED_AT, "sealed part")?;
        Ok(Outside {
            day,
            blinded,
            revision,
            signature: Signature(r.array("descriptor signature")?),
        })
    }

    /// Whether the blinded key signed these bytes. `value` is what `self` was read from.
    pub fn verify(&self, value: &[u8; VALUE]) -> bool {
        self.blinded.verify(&value[..SIGNED], &self.signature)
    }

    pub fn place(&self) -> Position {
        place(&self.blinded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::blind::BlindedSigner;
    use crate::crypto::random::Stream;
    use crate::wire::codec::Writer;

    fn value(seed: u8) -> [u8; VALUE] {
        let signer = BlindedSigner::throwaway(&mut Stream::from_seed([seed; 32]));
        let mut value = [seed; VALUE];
        let mut w = Writer::new(&mut value);
        w.u8(VERSION).u32(20_000).put(signer.id().bytes()).u64(7);
        let signature = signer.sign(&value[..SIGNED]);
        value[SIGNED..].copy_from_slice(&signature.0);
        value
    }

    #[test]
    fn a_keeper_checks_the_outside_and_finds_every_changed_byte() {
        let good = value(1);
        let outside = Outside::read(&good).expect("just made");
        assert!(outside.verify(&good));
        assert_eq!((outside.day, outside.revision), (20_000, 7));
        for at in (0..VALUE).step_by(3) {
            let mut bad = good;
            bad[at] ^= 1;
            assert!(
                !Outside::read(&bad).is_ok_and(|o| o.verify(&bad)),
                "byte {at}"
            );
        }
    }

    #[test]
    fn two_blinded_keys_have_two_places() {
        let (a, b) = (value(1), value(2));
        let place_of = |v: &[u8; VALUE]| Outside::read(v).expect("just made").place();
        assert_eq!(place_of(&a), place_of(&a));
        assert_ne!(place_of(&a), place_of(&b));
    }
}
