//! How two accounts that are both awake open a session: two parcels, then the ratchet.

use zeroize::Zeroizing;

use super::Rejected;
use super::id::AccountId;
use super::keys::AccountKey;
use super::random::Stream;
use super::ratchet::Ratchet;

/// One end-to-end encrypted unit.
pub const PARCEL: usize = 400;
/// Payload of the first parcel. Protected by static keys only: a version and padding, never text.
pub const OFFER: usize = 298;
/// Payload of the second parcel, protected by the full agreement.
pub const ANSWER: usize = 302;

/// The initiator between its first parcel and the answer.
pub struct SessionStart {}

impl SessionStart {
    pub fn new(
        _own: &AccountKey,
        _peer: &AccountId,
        _payload: &[u8; OFFER],
        _random: &mut Stream,
    ) -> (SessionStart, [u8; PARCEL]) {
        todo!()
    }
    pub fn peer(&self) -> &AccountId {
        todo!()
    }
    /// A parcel that is not the answer leaves the start as it was. On success throw the start away.
    pub fn finish(
        &self,
        _own: &AccountKey,
        _parcel: &[u8; PARCEL],
        _random: &mut Stream,
    ) -> Result<(Ratchet, Zeroizing<[u8; ANSWER]>), Rejected> {
        todo!()
    }
    /// For the store: a start may outlive the program.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }
    pub fn from_bytes(_bytes: &[u8]) -> Result<SessionStart, Rejected> {
        todo!()
    }
}

/// A first parcel that opened.
pub struct SessionOffer {
    pub peer: AccountId,
    pub payload: [u8; OFFER],
}

impl SessionOffer {
    pub fn read(_own: &AccountKey, _parcel: &[u8; PARCEL]) -> Result<SessionOffer, Rejected> {
        todo!()
    }
    /// The ratchet is unconfirmed: it sends nothing until it opened a parcel of the initiator.
    pub fn answer(
        self,
        _own: &AccountKey,
        _payload: &[u8; ANSWER],
        _random: &mut Stream,
    ) -> Result<(Ratchet, [u8; PARCEL]), Rejected> {
        todo!()
    }
}
