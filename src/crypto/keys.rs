//! Long-term and throwaway keys. No Debug, Clone or PartialEq of secrets; zeroized on drop.
//!
//! Not here: agreements (`mqv`) and blinded children of an account key (`blind`).

use p256::ecdsa::signature::{Signer, Verifier};
use zeroize::Zeroizing;

use super::Rejected;
use super::curve::Point;
use super::id::{AccountId, EntryId, NodeId};
use super::labels;
use super::random::Stream;

/// What a signature is about; hashed in front of the message so that no signature serves twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    NodeRecord,
    LinkCertificate,
    /// An entry's current NodeId answers a call to its entry key.
    EntryAnswer,
}

impl Domain {
    fn label(self) -> &'static str {
        match self {
            Domain::NodeRecord => labels::NODE_RECORD,
            Domain::LinkCertificate => labels::LINK_CERTIFICATE,
            Domain::EntryAnswer => labels::ENTRY_ANSWER,
        }
    }
}

/// ECDSA r‖s, 64 bytes. Malleable: never an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// A secret key that stays: the static half of an agreement. Sealed: only the key types of this module are static keys.
pub trait Static: sealed::HasSecret {
    fn public_point(&self) -> &Point;
}

pub(super) mod sealed {
    use zeroize::Zeroizing;

    use super::{Point, Rejected, Stream};

    /// A secret scalar from 1 to n-1. Boxed: a value that moves leaves its bytes behind where it was, and nobody erases those.
    pub struct Secret(Box<p256::SecretKey>);

    pub trait HasSecret {
        fn secret(&self) -> &Secret;
    }

    impl Secret {
        /// Uniform, by rejection (one draw in 2^32 is thrown away).
        pub(in crate::crypto) fn random(random: &mut Stream) -> Secret {
            let mut bytes = Zeroizing::new([0; 32]);
            loop {
                random.fill(bytes.as_mut_slice());
                if let Ok(secret) = Secret::from_slice(bytes.as_slice()) {
                    return secret;
                }
            }
        }

        /// 32 bytes; `p256` would fill shorter ones up. Refuses 0 and everything from the group order on.
        pub(in crate::crypto) fn from_slice(bytes: &[u8]) -> Result<Secret, Rejected> {
            let bytes: &[u8; 32] = bytes.try_into().map_err(|_| Rejected)?;
            let secret = p256::SecretKey::from_slice(bytes).map_err(|_| Rejected)?;
            Ok(Secret(Box::new(secret)))
        }

        pub(in crate::crypto) fn public(&self) -> Point {
            Point::from_affine(*self.0.public_key().as_affine())
                .expect("a public key is never the identity")
        }

        pub(in crate::crypto) fn scalar(&self) -> Zeroizing<p256::NonZeroScalar> {
            Zeroizing::new(self.0.to_nonzero_scalar())
        }

        pub(in crate::crypto) fn bytes(&self) -> Zeroizing<[u8; 32]> {
            let scalar = Zeroizing::new(self.0.to_bytes());
            let mut bytes = Zeroizing::new([0; 32]);
            bytes.copy_from_slice(&scalar);
            bytes
        }

        /// For a ratchet that works on a copy of its state.
        pub(in crate::crypto) fn copy(&self) -> Secret {
            Secret(self.0.clone())
        }

        pub(super) fn signing_key(&self) -> p256::ecdsa::SigningKey {
            p256::ecdsa::SigningKey::from(&*self.0)
        }
    }
}
pub(super) use sealed::Secret;

/// Label and signer stand in front of the message, each with its length.
fn signed_bytes(label: &str, signer: &Point, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(label.len() + 34 + message.len());
    bytes.push(u8::try_from(label.len()).expect("labels are shorter than 256 bytes"));
    bytes.extend_from_slice(label.as_bytes());
    bytes.extend_from_slice(signer.bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// ECDSA with SHA-256 and the nonce of RFC 6979. The signer's key is in the digest, so a signature cannot be carried over to a
/// related key.
pub(super) fn sign(secret: &Secret, public: &Point, label: &str, message: &[u8]) -> Signature {
    let signature: p256::ecdsa::Signature = secret
        .signing_key()
        .sign(&signed_bytes(label, public, message));
    Signature(
        signature
            .to_bytes()
            .as_slice()
            .try_into()
            .expect("r and s have 32 bytes each"),
    )
}

pub(super) fn verify(public: &Point, label: &str, message: &[u8], signature: &Signature) -> bool {
    let (Ok(key), Ok(signature)) = (
        p256::ecdsa::VerifyingKey::from_affine(*public.affine()),
        p256::ecdsa::Signature::from_slice(&signature.0),
    ) else {
        return false;
    };
    key.verify(&signed_bytes(label, public, message), &signature)
        .is_ok()
}

macro_rules! static_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name {
            secret: Secret,
            public: Point,
        }

        impl $name {
            pub fn generate(random: &mut Stream) -> $name {
                $name::from_secret(Secret::random(random))
            }

            /// The secret scalar, 32 bytes big-endian, for the store.
            pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
                self.secret.bytes()
            }

            /// Refuses 0 and everything from the group order on.
            pub fn from_bytes(bytes: &[u8; 32]) -> Result<$name, Rejected> {
                Secret::from_slice(bytes).map($name::from_secret)
            }

            fn from_secret(secret: Secret) -> $name {
                $name { public: secret.public(), secret }
            }
        }

        impl sealed::HasSecret for $name {
            fn secret(&self) -> &Secret {
                &self.secret
            }
        }

        impl Static for $name {
            fn public_point(&self) -> &Point {
                &self.public
            }
        }
    };
}

static_key!(/// Secret of a NodeId.
    NodeKey);
static_key!(/// Secret of an entry key.
    EntryKey);
static_key!(/// Secret of an AccountId. It signs nothing: its blinded children do.
    AccountKey);
static_key!(/// Secret of a cookie key: an intro point's key for cookie blocks, fresh at every start.
    CookieKey);

impl NodeKey {
    pub fn id(&self) -> NodeId {
        NodeId::from_point(self.public)
    }

    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        sign(&self.secret, &self.public, domain.label(), message)
    }
}

impl NodeId {
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        verify(self.point(), domain.label(), message, signature)
    }
}

impl EntryKey {
    pub fn id(&self) -> EntryId {
        EntryId::from_point(self.public)
    }
}

impl AccountKey {
    pub fn id(&self) -> AccountId {
        AccountId::from_point(self.public)
    }
}

impl CookieKey {
    pub fn public(&self) -> &Point {
        &self.public
    }
}

/// A throwaway key pair, consumed by the agreement that uses it.
///
/// ```compile_fail,E0382
/// use paratox::crypto::keys::{AccountKey, Ephemeral, Static};
/// use paratox::crypto::mqv::{one_pass_to, Transcript};
/// use paratox::crypto::random::Stream;
///
/// let mut random = Stream::from_seed([0; 32]);
/// let (own, peer) = (AccountKey::generate(&mut random), AccountKey::generate(&mut random));
/// let once = Ephemeral::generate(&mut random);
/// let first = one_pass_to(&own, once, peer.public_point(), Transcript::new("doc"));
/// let second = one_pass_to(&own, once, peer.public_point(), Transcript::new("doc"));
/// ```
pub struct Ephemeral {
    secret: Secret,
    public: Point,
}

impl Ephemeral {
    pub fn generate(random: &mut Stream) -> Ephemeral {
        Ephemeral::from_secret(Secret::random(random))
    }

    pub fn public(&self) -> &Point {
        &self.public
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// For state that outlives the program: a session that waits for its answer, a ratchet.
    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.bytes()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Ephemeral, Rejected> {
        Secret::from_slice(bytes).map(Ephemeral::from_secret)
    }

    /// For a ratchet that works on a copy of its state.
    pub(super) fn copy(&self) -> Ephemeral {
        Ephemeral {
            secret: self.secret.copy(),
            public: self.public,
        }
    }

    fn from_secret(secret: Secret) -> Ephemeral {
        Ephemeral {
            public: secret.public(),
            secret,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_about_one_domain_one_message_and_one_key() {
        let mut random = Stream::from_seed([1; 32]);
        let (key, other) = (
            NodeKey::generate(&mut random),
            NodeKey::generate(&mut random),
        );
        let signature = key.sign(Domain::NodeRecord, b"record");
        assert!(key.id().verify(Domain::NodeRecord, b"record", &signature));
        assert!(
            !key.id()
                .verify(Domain::LinkCertificate, b"record", &signature)
        );
        assert!(!key.id().verify(Domain::NodeRecord, b"recorD", &signature));
        assert!(!other.id().verify(Domain::NodeRecord, b"record", &signature));
        assert!(
            !key.id()
                .verify(Domain::NodeRecord, b"record", &Signature([0; 64]))
        );
        assert!(
            !key.id()
                .verify(Domain::NodeRecord, b"record", &Signature([0xff; 64]))
        );
    }

    #[test]
    fn secrets_come_back_from_their_bytes_and_bad_ones_are_refused() {
        let mut random = Stream::from_seed([2; 32]);
        let key = AccountKey::generate(&mut random);
        assert_eq!(
            AccountKey::from_bytes(&key.to_bytes()).unwrap().id(),
            key.id()
        );
        assert!(
            AccountKey::from_bytes(&[0; 32]).is_err()
                && AccountKey::from_bytes(&[0xff; 32]).is_err()
        );
    }

    /// The parts that all secrets of the room are made of erase themselves; a crate feature gone missing stops this from compiling.
    #[test]
    fn secrets_are_erased_when_they_are_dropped() {
        fn erased<T: zeroize::ZeroizeOnDrop>() -> bool {
            std::mem::needs_drop::<T>()
        }
        assert!(
            erased::<Zeroizing<[u8; 32]>>()
                && erased::<Zeroizing<Vec<u8>>>()
                && erased::<Zeroizing<p256::Scalar>>()
        );
        assert!(
            erased::<p256::SecretKey>()
                && erased::<p256::ecdsa::SigningKey>()
                && erased::<aes::Aes256>()
                && erased::<aes_gcm::Aes256Gcm>()
                && erased::<sha2::Sha256>()
                && erased::<chacha20::ChaCha20Rng>()
        );
        assert!(
            std::mem::needs_drop::<polyval::Polyval>(),
            "it has no marker but erases itself with the feature"
        );
        let mut buffer = Zeroizing::new([7u8; 32]);
        zeroize::Zeroize::zeroize(&mut *buffer);
        assert_eq!(*buffer, [0; 32]);
    }
}
