//! Symmetric keys and everything made of them: one-time and counted seals, short MACs, masks, hashes, HKDF.
//!
//! No function takes a nonce. Not here: link packets and onion layers, which have layouts of their own.

use zeroize::Zeroizing;

use super::Rejected;
use super::random::Stream;

/// A sealing key that has done its work: it must be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this key has sealed all it may seal")]
pub struct Spent;

/// 32 secret bytes.
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub fn random(_random: &mut Stream) -> Key {
        todo!()
    }
    pub fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(Zeroizing::new(bytes))
    }
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }
    /// A key for one purpose (HKDF-Expand; `label` and `context` are length-prefixed in the info).
    pub fn derive(&self, _label: &str, _context: &[u8]) -> Key {
        todo!()
    }
}

/// A key that seals or opens exactly once.
pub struct OneTimeKey(#[allow(dead_code)] Key);

impl From<Key> for OneTimeKey {
    fn from(key: Key) -> OneTimeKey {
        OneTimeKey(key)
    }
}

impl OneTimeKey {
    /// Encrypts in place and appends the 16-byte tag.
    pub fn seal(self, _aad: &[u8], _bytes: &mut Vec<u8>) {
        todo!()
    }
    pub fn open(self, _aad: &[u8], _sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Rejected> {
        todo!()
    }
}

/// Seals many messages; the nonce is its own counter and travels nowhere.
pub struct CountedSealer {}

impl CountedSealer {
    pub fn new(_key: Key) -> CountedSealer {
        todo!()
    }
    /// Encrypts in place and appends the 16-byte tag.
    pub fn seal(&mut self, _aad: &[u8], _bytes: &mut Vec<u8>) -> Result<(), Spent> {
        todo!()
    }
}

/// Opens what a [`CountedSealer`] sealed, each message once; tolerates losses and reordering of up to 32 messages.
pub struct CountedOpener {}

impl CountedOpener {
    pub fn new(_key: Key) -> CountedOpener {
        todo!()
    }
    pub fn open(&mut self, _aad: &[u8], _sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Rejected> {
        todo!()
    }
}

/// HMAC-SHA-256 over the parts as they stand one after the other, first 16 bytes.
pub fn mac16(_key: &[u8; 32], _parts: &[&[u8]]) -> [u8; 16] {
    todo!()
}

/// Comparison in constant time; false if the length is not 16.
pub fn mac16_eq(_mac: &[u8; 16], _claimed: &[u8]) -> bool {
    todo!()
}

/// XORs 33 bytes with AES-256-CTR under `key` from counter block `iv`: hides that they are a point. Its own inverse.
pub fn mask33(_key: &Key, _iv: &[u8; 16], _bytes: &mut [u8; 33]) {
    todo!()
}

/// SHA-256 over the parts, each behind its length (u32 big-endian), so that no two lists of parts collide.
pub fn hash(_parts: &[&[u8]]) -> [u8; 32] {
    todo!()
}

/// HKDF-SHA-256, extract and expand to one key (RFC 5869).
pub fn hkdf(_salt: &[u8], _ikm: &[u8], _label: &str) -> Key {
    todo!()
}
