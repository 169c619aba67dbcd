//! Sealed parcels: encrypted to an account key alone, without forward secrecy. The last resort, and it says so by its level.

use zeroize::Zeroizing;

use super::Rejected;
use super::id::AccountId;
use super::keys::AccountKey;
use super::random::Stream;
use super::secrecy::Secrecy;
use super::session::PARCEL;

/// Body of a sealed parcel.
pub const BODY: usize = 298;

/// A parcel that whoever gets the receiver's account key can read for ever: always `Secrecy::Sealed`.
pub fn seal(
    _own: &AccountKey,
    _peer: &AccountId,
    _body: &[u8; BODY],
    _random: &mut Stream,
) -> (Box<[u8; PARCEL]>, Secrecy) {
    todo!()
}

/// An opened sealed parcel. The sender is not proven if the receiver's key was stolen.
pub struct Opened {
    pub sender: AccountId,
    pub body: Zeroizing<[u8; BODY]>,
    pub secrecy: Secrecy,
}

pub fn open(_own: &AccountKey, _parcel: &[u8; PARCEL]) -> Result<Opened, Rejected> {
    todo!()
}
