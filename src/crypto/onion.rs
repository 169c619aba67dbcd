//! Onion layers of circuits and the end-to-end seal inside.
//!
//! A layer is HCTR2 over the whole block, per hop and direction, without a tweak: blocks never repeat because the seal inside numbers
//! them, and nothing is chained because datagrams get lost. Not here: circuit ids, commands, who is which hop.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::AeadInOut;
use zeroize::Zeroizing;

use super::Rejected;
use super::aead::{Key, SEAL_LIMIT, Spent, TAG};
use super::hctr2::{Hctr2, Tweak};
use super::labels;
use super::mqv::Agreed;
use super::window::Window;

/// Onion block.
pub const BLOCK: usize = 460;
/// What the end-to-end seal carries: command 1, length 2, data 433.
pub const END: usize = 436;
const SEQUENCE: usize = 8;

const _: () = assert!(TAG + SEQUENCE + END == BLOCK);

/// One hop, one direction. Encrypt at the side that adds the layer, decrypt where it is taken off.
pub struct Layer {
    cipher: Hctr2,
    tweak: Tweak,
}

impl Layer {
    fn new(key: &Key) -> Layer {
        let cipher = Hctr2::new(key);
        Layer {
            tweak: cipher.tweak(b"", BLOCK),
            cipher,
        }
    }

    pub fn encrypt(&self, block: &mut [u8; BLOCK]) {
        self.cipher.encrypt(&self.tweak, block);
    }

    pub fn decrypt(&self, block: &mut [u8; BLOCK]) {
        self.cipher.decrypt(&self.tweak, block);
    }
}

struct EndKey {
    cipher: Aes256Gcm,
    iv: Zeroizing<[u8; 12]>,
}

impl EndKey {
    fn new(secret: &Key) -> EndKey {
        let mut iv = Zeroizing::new([0; 12]);
        secret.derive_into(labels::END_IV, b"", iv.as_mut_slice());
        EndKey {
            cipher: secret.derive(labels::END_KEY, b"").gcm(),
            iv,
        }
    }

    fn nonce(&self, sequence: u64) -> [u8; 12] {
        let mut nonce = *self.iv;
        for (byte, n) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
            *byte ^= n;
        }
        nonce
    }
}

/// Seals end cells: `16 tag | 8 sequence | 436 sealed`. Sequence numbers start at 0.
pub struct EndSealer {
    key: EndKey,
    next: u64,
}

impl EndSealer {
    fn new(secret: &Key) -> EndSealer {
        EndSealer {
            key: EndKey::new(secret),
            next: 0,
        }
    }

    pub fn seal(&mut self, end: &[u8; END]) -> Result<[u8; BLOCK], Spent> {
        if self.next >= SEAL_LIMIT {
            return Err(Spent);
        }
        let sequence = self.next;
        self.next += 1;
        let mut block = [0; BLOCK];
        block[TAG..TAG + SEQUENCE].copy_from_slice(&sequence.to_be_bytes());
        block[TAG + SEQUENCE..].copy_from_slice(end);
        let tag = self
            .key
            .cipher
            .encrypt_inout_detached(
                &self.key.nonce(sequence).into(),
                b"",
                (&mut block[TAG + SEQUENCE..]).into(),
            )
            .expect("an end cell is shorter than AES-GCM's 64 GiB");
        block[..TAG].copy_from_slice(&tag);
        Ok(block)
    }
}

/// Opens end cells, each once, in any order within 1024.
pub struct EndOpener {
    key: EndKey,
    window: Window,
}

impl EndOpener {
    fn new(secret: &Key) -> EndOpener {
        EndOpener {
            key: EndKey::new(secret),
            window: Window::new(),
        }
    }

    /// Cheap for a block that is not for this end: the sequence number alone refuses all but one in 2^51.
    pub fn open(&mut self, block: &[u8; BLOCK]) -> Result<(u64, [u8; END]), Rejected> {
        let (tag, rest) = block.split_first_chunk::<TAG>().ok_or(Rejected)?;
        let (sequence, sealed) = rest.split_first_chunk::<SEQUENCE>().ok_or(Rejected)?;
        let sequence = u64::from_be_bytes(*sequence);
        if !self.window.fresh(sequence) || sequence >= SEAL_LIMIT {
            return Err(Rejected);
        }
        let mut end: [u8; END] = sealed.try_into().map_err(|_| Rejected)?;
        self.key
            .cipher
            .decrypt_inout_detached(
                &self.key.nonce(sequence).into(),
                b"",
                end.as_mut_slice().into(),
                &(*tag).into(),
            )
            .map_err(|_| Rejected)?;
        self.window.record(sequence);
        Ok((sequence, end))
    }
}

/// Everything one hop of a circuit needs, at either side.
pub struct HopKeys {
    /// Away from the circuit's initiator, who encrypts; the hop decrypts.
    pub forward: Layer,
    /// Towards the circuit's initiator, who decrypts; the hop encrypts.
    pub backward: Layer,
    /// What this side sends.
    pub sealer: EndSealer,
    /// What this side receives.
    pub opener: EndOpener,
}

impl HopKeys {
    /// The side that builds the circuit.
    pub fn initiator(agreed: Agreed) -> HopKeys {
        HopKeys::new(&agreed, labels::END_FORWARD, labels::END_BACKWARD)
    }

    /// The hop.
    pub fn relay(agreed: Agreed) -> HopKeys {
        HopKeys::new(&agreed, labels::END_BACKWARD, labels::END_FORWARD)
    }

    fn new(agreed: &Agreed, send: &str, receive: &str) -> HopKeys {
        HopKeys {
            forward: Layer::new(&agreed.own_key(labels::LAYER_FORWARD)),
            backward: Layer::new(&agreed.own_key(labels::LAYER_BACKWARD)),
            sealer: EndSealer::new(&agreed.own_key(send)),
            opener: EndOpener::new(&agreed.own_key(receive)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::{Ephemeral, NodeKey, Static};
    use crate::crypto::mqv::{Transcript, anonymous_from, anonymous_to};
    use crate::crypto::random::Stream;

    fn hop(random: &mut Stream) -> (HopKeys, HopKeys) {
        let relay = NodeKey::generate(random);
        let (throwaway, fresh) = (Ephemeral::generate(random), Ephemeral::generate(random));
        let fresh_public = *fresh.public();
        let t = Transcript::new("circuit");
        let near =
            anonymous_to(&throwaway, relay.public_point(), &fresh_public, t.clone()).unwrap();
        let far = anonymous_from(&relay, fresh, throwaway.public(), t).unwrap();
        (HopKeys::initiator(near), HopKeys::relay(far))
    }

    #[test]
    fn three_hops_carry_blocks_both_ways_through_loss_and_reordering() {
        let mut random = Stream::from_seed([1; 32]);
        let (mut own, mut hops): (Vec<_>, Vec<_>) = (0..3).map(|_| hop(&mut random)).unzip();
        for _ in 0..30 {
            let mut there = Vec::new();
            for _ in 0..10 {
                let end: [u8; END] = random.bytes();
                let mut block = own[2].sealer.seal(&end).unwrap();
                own.iter()
                    .rev()
                    .for_each(|keys| keys.forward.encrypt(&mut block));
                there.push((end, block));
            }
            random.shuffle(&mut there);
            for (end, block) in there.iter().skip(2) {
                let mut block = *block;
                for (i, keys) in hops.iter_mut().enumerate() {
                    keys.forward.decrypt(&mut block);
                    assert_eq!(
                        keys.opener.open(&block).is_ok(),
                        i == 2,
                        "only the end opens it"
                    );
                    assert!(i < 2 || keys.opener.open(&block).is_err(), "and only once");
                }
                let mut back = hops[2].sealer.seal(end).unwrap();
                hops.iter()
                    .rev()
                    .for_each(|keys| keys.backward.encrypt(&mut back));
                own.iter().for_each(|keys| keys.backward.decrypt(&mut back));
                assert_eq!(own[2].opener.open(&back).unwrap().1, *end);
            }
        }
    }

    #[test]
    fn a_bit_flipped_at_any_hop_destroys_the_block() {
        let mut random = Stream::from_seed([2; 32]);
        let (mut own, mut hops): (Vec<_>, Vec<_>) = (0..3).map(|_| hop(&mut random)).unzip();
        for flipped_at in 0..3 {
            let mut block = own[2].sealer.seal(&[7; END]).unwrap();
            own.iter()
                .rev()
                .for_each(|keys| keys.forward.encrypt(&mut block));
            for (i, keys) in hops.iter().enumerate() {
                if i == flipped_at {
                    block[random.below(BLOCK as u64) as usize] ^= 1;
                }
                keys.forward.decrypt(&mut block);
            }
            assert_eq!(hops[2].opener.open(&block), Err(Rejected));
            assert!(
                !block.windows(16).any(|run| run == [7; 16]),
                "no part of the plaintext is left"
            );
        }
    }

    #[test]
    fn equal_cells_are_never_equal_blocks() {
        let mut random = Stream::from_seed([3; 32]);
        let (mut own, _) = hop(&mut random);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let mut block = own.sealer.seal(&[0; END]).unwrap();
            own.forward.encrypt(&mut block);
            assert!(seen.insert(block[..16].to_vec()));
        }
    }

    #[test]
    fn an_end_opens_and_seals_nothing_beyond_its_counter() {
        let mut random = Stream::from_seed([4; 32]);
        let (mut own, mut hop) = hop(&mut random);
        own.sealer.next = SEAL_LIMIT - 1;
        hop.opener.window.record(SEAL_LIMIT - 2);
        let last = own.sealer.seal(&[1; END]).unwrap();
        assert_eq!(own.sealer.seal(&[1; END]), Err(Spent));
        assert_eq!(hop.opener.open(&last), Ok((SEAL_LIMIT - 1, [1; END])));
        let mut block = [0; BLOCK];
        block[TAG..TAG + SEQUENCE].copy_from_slice(&SEAL_LIMIT.to_be_bytes());
        let nonce = own.sealer.key.nonce(SEAL_LIMIT).into();
        let end = &mut block[TAG + SEQUENCE..];
        let cipher = &own.sealer.key.cipher;
        let tag = cipher
            .encrypt_inout_detached(&nonce, b"", end.into())
            .unwrap();
        block[..TAG].copy_from_slice(&tag);
        assert!(hop.opener.window.fresh(SEAL_LIMIT));
        assert_eq!(hop.opener.open(&block), Err(Rejected));
    }
}
