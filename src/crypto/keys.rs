//! Long-term and throwaway keys. No Debug, Clone or PartialEq of secrets; zeroized on drop.

use zeroize::Zeroizing;

use super::Rejected;
use super::curve::Point;
use super::id::{AccountId, EntryId, NodeId};
use super::random::Stream;

/// What a signature is about; hashed in front of the message so that no signature serves twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    NodeRecord,
    LinkCertificate,
}

/// ECDSA r‖s, 64 bytes. Malleable: never an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// A secret key that stays: the static half of an agreement. Sealed: only the key types of this module are static keys.
pub trait Static: sealed::Secret {
    fn public_point(&self) -> &Point;
}

pub(super) mod sealed {
    pub trait Secret {
        fn scalar(&self) -> p256::NonZeroScalar;
    }
}

macro_rules! static_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name {
            secret: p256::SecretKey,
            public: Point,
        }

        impl $name {
            pub fn generate(_random: &mut Stream) -> $name {
                todo!()
            }

            /// The secret scalar, 32 bytes big-endian, for the store.
            pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
                todo!()
            }

            /// Refuses 0 and everything from the group order on.
            pub fn from_bytes(_bytes: &[u8; 32]) -> Result<$name, Rejected> {
                todo!()
            }
        }

        impl sealed::Secret for $name {
            fn scalar(&self) -> p256::NonZeroScalar {
                self.secret.to_nonzero_scalar()
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
    pub fn sign(&self, _domain: Domain, _message: &[u8]) -> Signature {
        todo!()
    }
}

impl NodeId {
    pub fn verify(&self, _domain: Domain, _message: &[u8], _signature: &Signature) -> bool {
        todo!()
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
pub struct Ephemeral {
    secret: p256::SecretKey,
    public: Point,
}

impl Ephemeral {
    pub fn generate(_random: &mut Stream) -> Ephemeral {
        todo!()
    }
    pub fn public(&self) -> &Point {
        &self.public
    }
    #[allow(dead_code)]
    pub(super) fn scalar(&self) -> p256::NonZeroScalar {
        self.secret.to_nonzero_scalar()
    }
}
