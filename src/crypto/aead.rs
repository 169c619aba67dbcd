//! Symmetric keys and everything made of them: one-time seals, short MACs, masks, hashes, HKDF.
//!
//! No function takes a nonce. Not here: link packets and onion layers, which have layouts of their own.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::AeadInOut;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::Rejected;
use super::labels;
use super::random::Stream;

/// AES-GCM tag.
pub const TAG: usize = 16;

/// Messages under one key: far below what AES-GCM bears with a 96-bit counter, and a reason to re-key in good time.
pub const SEAL_LIMIT: u64 = 1 << 23;

/// A sealing key that has done its work: it must be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this key has sealed all it may seal")]
pub struct Spent;

/// 32 secret bytes. Boxed: a value that moves leaves its bytes behind where it was, and nobody erases those.
pub struct Key(Box<Zeroizing<[u8; 32]>>);

impl Key {
    fn zeros() -> Key {
        Key(Box::new(Zeroizing::new([0; 32])))
    }

    pub fn random(random: &mut Stream) -> Key {
        let mut key = Key::zeros();
        random.fill(key.0.as_mut_slice());
        key
    }

    /// A copy; erasing `bytes` is the caller's.
    pub fn from_bytes(bytes: &[u8; 32]) -> Key {
        let mut key = Key::zeros();
        key.0.copy_from_slice(bytes);
        key
    }

    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::clone(&self.0)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// For a ratchet that works on a copy of its state. Not `Clone`: whoever copies a key should have to say so.
    pub(super) fn copy(&self) -> Key {
        Key::from_bytes(self.bytes())
    }

    /// HKDF-Extract (RFC 5869).
    pub(super) fn extract(salt: &[u8], ikm: &[u8]) -> Key {
        let (mut secret, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        let mut key = Key::zeros();
        key.0.copy_from_slice(&secret);
        secret.as_mut_slice().zeroize();
        key
    }

    /// A key for one purpose: HKDF-Expand (RFC 5869) with label and context, each behind its length, as info.
    pub fn derive(&self, label: &str, context: &[u8]) -> Key {
        let mut key = Key::zeros();
        self.derive_into(label, context, key.0.as_mut_slice());
        key
    }

    /// Like [`Key::derive`], for up to 255 x 32 bytes.
    pub(super) fn derive_into(&self, label: &str, context: &[u8], out: &mut [u8]) {
        let lengths = [label.len(), context.len()].map(|n| {
            u32::try_from(n)
                .expect("labels and contexts are short")
                .to_be_bytes()
        });
        let info: [&[u8]; 5] = [
            labels::DERIVE.as_bytes(),
            &lengths[0],
            label.as_bytes(),
            &lengths[1],
            context,
        ];
        Hkdf::<Sha256>::from_prk(self.bytes())
            .expect("32 bytes are a pseudo-random key of SHA-256")
            .expand_multi_info(&info, out)
            .expect("callers ask for less than 255 blocks");
    }

    pub(super) fn gcm(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(self.bytes()).expect("the key has 32 bytes")
    }

    pub(super) fn aes(&self) -> Aes256 {
        Aes256::new_from_slice(self.bytes()).expect("the key has 32 bytes")
    }
}

/// Encrypts in place and appends the tag.
fn seal_vec(cipher: &Aes256Gcm, nonce: [u8; 12], aad: &[u8], bytes: &mut Vec<u8>) {
    let tag = cipher
        .encrypt_inout_detached(&nonce.into(), aad, bytes.as_mut_slice().into())
        .expect("messages are shorter than AES-GCM's 64 GiB");
    bytes.extend_from_slice(&tag);
}

fn open_vec(
    cipher: &Aes256Gcm,
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Rejected> {
    let (bytes, tag) = sealed.split_last_chunk::<TAG>().ok_or(Rejected)?;
    let mut bytes = Zeroizing::new(bytes.to_vec());
    cipher
        .decrypt_inout_detached(
            &nonce.into(),
            aad,
            bytes.as_mut_slice().into(),
            &(*tag).into(),
        )
        .map_err(|_| Rejected)?;
    Ok(bytes)
}

/// Random nonces in front of what they sealed.
pub(super) const NONCE: usize = 12;

/// Seals under a key that many parcels share, with a random nonce in front: `12 nonce | sealed | 16 tag`. A header key of a ratchet
/// lives for one chain, far below the 2^32 messages that random nonces bear.
pub(super) fn seal_random(key: &Key, aad: &[u8], plain: &[u8], random: &mut Stream) -> Vec<u8> {
    let nonce: [u8; NONCE] = random.bytes();
    let mut bytes = plain.to_vec();
    seal_vec(&key.gcm(), nonce, aad, &mut bytes);
    [nonce.as_slice(), &bytes].concat()
}

pub(super) fn open_random(
    key: &Key,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Rejected> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Rejected)?;
    open_vec(&key.gcm(), *nonce, aad, sealed)
}

/// A key that seals or opens exactly once.
pub struct OneTimeKey(Key);

impl From<Key> for OneTimeKey {
    fn from(key: Key) -> OneTimeKey {
        OneTimeKey(key)
    }
}

impl OneTimeKey {
    /// Encrypts in place and appends the 16-byte tag.
    pub fn seal(self, aad: &[u8], bytes: &mut Vec<u8>) {
        seal_vec(&self.0.gcm(), [0; 12], aad, bytes);
    }

    pub fn open(self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Rejected> {
        open_vec(&self.0.gcm(), [0; 12], aad, sealed)
    }
}

/// HMAC-SHA-256 over the parts as they stand one after the other, first 16 bytes.
pub fn mac16(key: &Key, parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.bytes())
        .expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    *mac.finalize()
        .into_bytes()
        .first_chunk()
        .expect("SHA-256 gives 32 bytes")
}

/// Comparison of a MAC, a tag or a confirmation, in constant time; false if the lengths differ.
pub fn mac_eq(mac: &[u8], claimed: &[u8]) -> bool {
    mac.ct_eq(claimed).into()
}

/// XORs 33 bytes with AES-256-CTR (SP 800-38A) under `key` from counter block `iv`: hides that they are a point. Its own inverse.
pub fn mask33(key: &Key, iv: &[u8; 16], bytes: &mut [u8; 33]) {
    mask(key, iv, bytes);
}

/// [`mask33`] for any short length.
pub(super) fn mask(key: &Key, iv: &[u8; 16], bytes: &mut [u8]) {
    let cipher = key.aes();
    let start = u128::from_be_bytes(*iv);
    for (i, chunk) in (0u128..).zip(bytes.chunks_mut(16)) {
        let mut block = aes::Block::from(start.wrapping_add(i).to_be_bytes());
        cipher.encrypt_block(&mut block);
        for (byte, mask) in chunk.iter_mut().zip(block) {
            *byte ^= mask;
        }
    }
}

/// SHA-256 over the parts, each behind its length (u32 big-endian), so that no two lists of parts collide.
pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(
            u32::try_from(part.len())
                .expect("parts are shorter than 4 GiB")
                .to_be_bytes(),
        );
        hash.update(part);
    }
    hash.finalize().into()
}

/// HKDF-SHA-256 (RFC 5869): extract with `salt`, then [`Key::derive`] for `label`.
pub fn hkdf(salt: &[u8], ikm: &[u8], label: &str) -> Key {
    Key::extract(salt, ikm).derive(label, b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_time_seal_opens_only_as_it_was_sealed() {
        let mut random = Stream::from_seed([1; 32]);
        let key: [u8; 32] = random.bytes();
        let mut sealed = b"hello".to_vec();
        OneTimeKey::from(Key::from_bytes(&key)).seal(b"aad", &mut sealed);
        let open =
            |aad: &[u8], bytes: &[u8]| OneTimeKey::from(Key::from_bytes(&key)).open(aad, bytes);
        assert_eq!(open(b"aad", &sealed).unwrap().as_slice(), b"hello");
        assert!(
            open(b"aae", &sealed).is_err()
                && open(b"aad", &sealed[1..]).is_err()
                && open(b"aad", &[]).is_err()
        );
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"aad", &changed).is_err());
        }
    }

    /// SP 800-38A, F.5.5: CTR-AES256, all four blocks.
    #[test]
    fn the_mask_is_ctr_mode_as_published() {
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
            .unwrap();
        let iv = hex::decode("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").unwrap();
        let mut bytes = hex::decode("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710").unwrap();
        mask(
            &Key::from_bytes(&key.try_into().unwrap()),
            &iv.try_into().unwrap(),
            &mut bytes,
        );
        assert_eq!(
            hex::encode(bytes),
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"
        );
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_short_mac_is_the_head_of_hmac() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = mac16(
            &Key::from_bytes(&key),
            &[b"what do ya want ", b"for nothing?"],
        );
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c7");
        assert!(mac_eq(&mac, &mac) && !mac_eq(&mac, &mac[..15]) && !mac_eq(&mac, &[0; 16]));
    }

    #[test]
    fn hashes_and_derived_keys_know_where_a_part_ends() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        let key = Key::from_bytes(&[1; 32]);
        assert_ne!(
            key.derive("ab", b"c").to_bytes(),
            key.derive("a", b"bc").to_bytes()
        );
        assert_eq!(
            key.derive("ab", b"c").to_bytes(),
            key.derive("ab", b"c").to_bytes()
        );
    }
}
