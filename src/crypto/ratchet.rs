//! Double Ratchet with header encryption over P-256.

use zeroize::Zeroizing;

use super::Rejected;
use super::random::Stream;
use super::secrecy::Secrecy;
use super::session::PARCEL;

/// Body of a ratchet parcel.
pub const BODY: usize = 299;

/// The peer has not proven yet that it is there: nothing may be sent to it in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is not confirmed yet")]
pub struct Unconfirmed;

/// One session with one peer.
pub struct Ratchet {}

impl Ratchet {
    /// False at the responder until the first parcel of the initiator opened.
    pub fn confirmed(&self) -> bool {
        todo!()
    }
    /// Names the session at both ends; not secret.
    pub fn session_id(&self) -> [u8; 16] {
        todo!()
    }
    /// Store the state before the parcel leaves.
    pub fn encrypt(
        &mut self,
        _body: &[u8; BODY],
        _random: &mut Stream,
    ) -> Result<([u8; PARCEL], Secrecy), Unconfirmed> {
        todo!()
    }
    /// Changes nothing: the step holds the body and the state that follows.
    pub fn decrypt(
        &self,
        _parcel: &[u8; PARCEL],
        _random: &mut Stream,
    ) -> Result<RatchetStep, Rejected> {
        todo!()
    }
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }
    pub fn from_bytes(_bytes: &[u8]) -> Result<Ratchet, Rejected> {
        todo!()
    }
}

/// An opened parcel whose key is not erased yet.
#[must_use]
pub struct RatchetStep {
    pub body: Zeroizing<[u8; BODY]>,
}

impl RatchetStep {
    /// The state that follows, for the transaction that stores the body.
    pub fn next_state(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }
    /// Erases the key from `ratchet`. The level of the message at the receiver.
    pub fn commit(self, _ratchet: &mut Ratchet) -> Secrecy {
        todo!()
    }
}
