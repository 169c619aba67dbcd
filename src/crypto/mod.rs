//! Primitives and keys: the only room that names `p256`, `aes`, `aes-gcm`, `polyval`, `hkdf`, `hmac`.
//!
//! It knows bytes; no time, no sockets, no state of the network. Raw agreement secrets never leave it, no function takes a nonce, and
//! an ephemeral key is consumed by its one use.

pub mod aead;
pub mod blind;
pub mod curve;
mod envelope;
pub mod hctr2;
pub mod id;
pub mod keys;
mod labels;
pub mod mqv;
pub mod onion;
pub mod packet;
pub mod pairing;
pub mod prekey;
pub mod random;
pub mod ratchet;
pub mod sealed;
pub mod secrecy;
pub mod session;
pub mod text;
pub mod window;

#[cfg(test)]
pub(crate) mod protocol_tests;

/// The one answer to every cryptographic failure that a stranger can cause. It carries no detail on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not open under this key")]
pub struct Rejected;
