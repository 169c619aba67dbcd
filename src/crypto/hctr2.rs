//! HCTR2-AES-256 (Crowley, Huckleberry, Biggers 2021): a length-preserving tweakable cipher over whole blocks of bytes, in which
//! each bit of the output depends on each bit of the input.
//!
//! Onion layers need exactly that: no room for a tag per hop, and a bit flipped by one hop must not come out as a bit flipped at
//! another. Not here: what is encrypted with it (`onion`).

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt};
use aes::{Aes256, Block};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use zeroize::Zeroizing;

use super::aead::Key;

/// The shortest message: one block of AES.
pub const SHORTEST: usize = 16;

/// Blocks of key stream made at once: enough for AES's parallel units, small enough for the stack.
const STREAM: usize = 32;

/// A key schedule.
pub struct Hctr2 {
    aes: Aes256,
    /// Keyed with E(0), nothing hashed yet.
    hash: Polyval,
    /// E(1).
    whitening: Zeroizing<u128>,
}

/// A tweak, hashed once for messages of one length modulo 16 being zero or not.
pub struct Tweak(Polyval);

impl Hctr2 {
    pub fn new(key: &Key) -> Hctr2 {
        let aes = key.aes();
        let constant = |n: u128| {
            let mut block = Zeroizing::new(Block::from(n.to_le_bytes()));
            aes.encrypt_block(&mut block);
            block
        };
        let (hash_key, whitening) = (constant(0), constant(1));
        Hctr2 {
            hash: Polyval::new(&hash_key),
            whitening: Zeroizing::new(u128::from_le_bytes((*whitening).into())),
            aes,
        }
    }

    /// Hashes a tweak for messages of `length` bytes. Such messages may then share it; it must fit the length modulo 16.
    pub fn tweak(&self, tweak: &[u8], length: usize) -> Tweak {
        let bits = (tweak.len() as u128) * 8;
        let head = if length.is_multiple_of(16) {
            2 * bits + 2
        } else {
            2 * bits + 3
        };
        let mut hash = self.hash.clone();
        hash.update(&[Block::from(head.to_le_bytes())]);
        hash.update_padded(tweak);
        Tweak(hash)
    }

    /// In place. `message` has at least [`SHORTEST`] bytes, as the fixed sizes of all callers do.
    pub fn encrypt(&self, tweak: &Tweak, message: &mut [u8]) {
        let (head, tail) = message
            .split_first_chunk_mut::<16>()
            .expect("callers pass whole onion blocks");
        let mixed = u128::from_le_bytes(*head) ^ hash(tweak, tail);
        let mut block = Block::from(mixed.to_le_bytes());
        self.aes.encrypt_block(&mut block);
        let encrypted = u128::from_le_bytes(block.into());
        self.stream(mixed ^ encrypted ^ *self.whitening, tail);
        *head = (encrypted ^ hash(tweak, tail)).to_le_bytes();
    }

    /// The inverse of [`Hctr2::encrypt`].
    pub fn decrypt(&self, tweak: &Tweak, message: &mut [u8]) {
        let (head, tail) = message
            .split_first_chunk_mut::<16>()
            .expect("callers pass whole onion blocks");
        let encrypted = u128::from_le_bytes(*head) ^ hash(tweak, tail);
        let mut block = Block::from(encrypted.to_le_bytes());
        self.aes.decrypt_block(&mut block);
        let mixed = u128::from_le_bytes(block.into());
        self.stream(mixed ^ encrypted ^ *self.whitening, tail);
        *head = (mixed ^ hash(tweak, tail)).to_le_bytes();
    }

    /// XCTR: block i of the key stream, from 1, is E(seed XOR i).
    fn stream(&self, seed: u128, bytes: &mut [u8]) {
        let mut stream = [Block::default(); STREAM];
        let mut counter = 1u128;
        for chunk in bytes.chunks_mut(STREAM * 16) {
            let blocks = &mut stream[..chunk.len().div_ceil(16)];
            for block in blocks.iter_mut() {
                *block = Block::from((seed ^ counter).to_le_bytes());
                counter += 1;
            }
            self.aes.encrypt_blocks(blocks);
            for (byte, mask) in chunk.iter_mut().zip(Block::slice_as_flattened(blocks)) {
                *byte ^= mask;
            }
        }
    }
}

/// POLYVAL over head and tweak (already in `tweak`) and the message; a part of a block is filled with 1 and zeros.
fn hash(tweak: &Tweak, message: &[u8]) -> u128 {
    let mut hash = tweak.0.clone();
    let (blocks, rest) = Block::slice_as_chunks(message);
    hash.update(blocks);
    if !rest.is_empty() {
        let mut last = Block::default();
        last[..rest.len()].copy_from_slice(rest);
        last[rest.len()] = 1;
        hash.update(&[last]);
    }
    u128::from_le_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    fn both_ways(key: [u8; 32], tweak: &[u8], message: &[u8]) -> Vec<u8> {
        let cipher = Hctr2::new(&Key::from_bytes(&key));
        let tweak = cipher.tweak(tweak, message.len());
        let mut bytes = message.to_vec();
        cipher.encrypt(&tweak, &mut bytes);
        let encrypted = bytes.clone();
        cipher.decrypt(&tweak, &mut bytes);
        assert_eq!(bytes, message);
        encrypted
    }

    #[test]
    fn every_length_and_tweak_agrees_with_another_implementation() {
        let mut random = Stream::from_seed([1; 32]);
        for round in 0..400 {
            let length = 16 + random.below(if round < 300 { 100 } else { 1500 }) as usize;
            let key: [u8; 32] = random.bytes();
            let mut message = vec![0; length];
            random.fill(&mut message);
            let mut tweak = vec![0; random.below(40) as usize];
            random.fill(&mut tweak);
            let mut expected = vec![0; length];
            hctr2_rs::Hctr2_256::new(&key)
                .encrypt(&message, &tweak, &mut expected)
                .unwrap();
            assert_eq!(
                both_ways(key, &tweak, &message),
                expected,
                "length {length}, tweak of {}",
                tweak.len()
            );
        }
    }

    #[test]
    fn one_flipped_bit_changes_half_of_all_bits() {
        let mut random = Stream::from_seed([2; 32]);
        let cipher = Hctr2::new(&Key::random(&mut random));
        let tweak = cipher.tweak(b"", 460);
        let (mut forth, mut back) = (0u32, 0u32);
        const ROUNDS: u32 = 200;
        let difference = |a: &[u8], b: &[u8]| {
            a.iter()
                .zip(b)
                .map(|(a, b)| (a ^ b).count_ones())
                .sum::<u32>()
        };
        for _ in 0..ROUNDS {
            let message: [u8; 460] = random.bytes();
            let at = random.below(460 * 8) as usize;
            let run = |go: &dyn Fn(&mut [u8])| {
                let (mut one, mut other) = (message, message);
                other[at / 8] ^= 1 << (at % 8);
                go(&mut one);
                go(&mut other);
                difference(&one, &other)
            };
            forth += run(&|bytes| cipher.encrypt(&tweak, bytes));
            back += run(&|bytes| cipher.decrypt(&tweak, bytes));
        }
        for changed in [forth, back] {
            let share = f64::from(changed) / f64::from(ROUNDS * 460 * 8);
            assert!((0.49..0.51).contains(&share), "{share}");
        }
    }
}
