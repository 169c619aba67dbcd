//! Blinded keys: each day and purpose an account has another public key, which only those who know the AccountId can link to it.

use super::curve::{BadPoint, Point};
use super::id::AccountId;
use super::keys::{AccountKey, Signature};
use super::random::Stream;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Descriptor,
    Mailbox,
}

/// Signs for one account, period and purpose.
pub struct BlindedSigner {}

/// The public half of a [`BlindedSigner`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlindedId(Point);

impl AccountKey {
    pub fn blind(&self, _period: u32, _purpose: Purpose) -> BlindedSigner {
        todo!()
    }
}

impl AccountId {
    pub fn blind(&self, _period: u32, _purpose: Purpose) -> BlindedId {
        todo!()
    }
}

impl BlindedSigner {
    /// A signer of nobody, for cover publications.
    pub fn throwaway(_random: &mut Stream) -> BlindedSigner {
        todo!()
    }
    pub fn id(&self) -> BlindedId {
        todo!()
    }
    /// The digest holds the blinded key: a signature does not carry over to a related key.
    pub fn sign(&self, _message: &[u8]) -> Signature {
        todo!()
    }
}

impl BlindedId {
    pub fn decode(bytes: &[u8]) -> Result<BlindedId, BadPoint> {
        Point::decode(bytes).map(BlindedId)
    }
    pub fn bytes(&self) -> &[u8; 33] {
        self.0.bytes()
    }
    pub fn verify(&self, _message: &[u8], _signature: &Signature) -> bool {
        todo!()
    }
}
