//! Long-term and throwaway keys. No Debug, Clone or PartialEq of secrets; zeroized on drop.

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

/// Secret of a NodeId.
pub struct NodeKey { secret: p256::SecretKey, id: NodeId }
/// Secret of an entry key.
pub struct EntryKey { secret: p256::SecretKey, id: EntryId }
/// Secret of an AccountId. It signs nothing: its blinded children do.
pub struct AccountKey { secret: p256::SecretKey, id: AccountId }
/// Secret of a cookie key: an intro point's key for cookie blocks, fresh at every start.
pub struct CookieKey { secret: p256::SecretKey, public: Point }
/// A throwaway key pair, consumed by the agreement that uses it.
pub struct Ephemeral { secret: p256::SecretKey, public: Point }

// generate(&mut Stream) and id()/public() for each; to_bytes() -> Zeroizing<[u8; 32]> and from_bytes(&[u8; 32]) -> Result<_, Rejected>
// for NodeKey, EntryKey and AccountKey; NodeKey::sign(Domain, &[u8]) -> Signature; NodeId::verify(Domain, &[u8], &Signature) -> bool
