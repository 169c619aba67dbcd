//! Sealed parcels: encrypted to an account key alone, without forward secrecy. The last resort, and its level says so.

use zeroize::Zeroizing;

use super::Rejected;
use super::envelope;
use super::id::AccountId;
use super::keys::AccountKey;
use super::labels;
use super::mqv::{one_pass_from, one_pass_kept};
use super::random::Stream;
use super::secrecy::Secrecy;
use super::session::PARCEL;

/// Body of a sealed parcel.
pub const BODY: usize = envelope::BODY;

/// A parcel that whoever gets the receiver's account key can read for ever: always [`Secrecy::Sealed`].
pub fn seal(
    own: &AccountKey,
    peer: &AccountId,
    body: &[u8; BODY],
    random: &mut Stream,
) -> ([u8; PARCEL], Secrecy) {
    let (_, (parcel, _)) = envelope::with_ephemeral(random, |ephemeral| {
        let agree = |t| one_pass_kept(own, ephemeral, peer.point(), t);
        envelope::seal(
            labels::SEALED,
            envelope::SEALED,
            own,
            ephemeral,
            peer,
            body,
            agree,
        )
    });
    (parcel, Secrecy::Sealed)
}

/// An opened sealed parcel. The sender is not proven if the receiver's key was stolen: the thief can write such parcels too.
pub struct Opened {
    pub sender: AccountId,
    pub body: Zeroizing<[u8; BODY]>,
    pub secrecy: Secrecy,
}

/// Opening it twice gives the same twice: the caller remembers what it has seen.
pub fn open(own: &AccountKey, parcel: &[u8; PARCEL]) -> Result<Opened, Rejected> {
    let (head, body, _) =
        envelope::open(labels::SEALED, envelope::SEALED, own, parcel, |head, t| {
            one_pass_from(own, head.sender.point(), &head.ephemeral, t)
        })?;
    Ok(Opened {
        sender: head.sender,
        body,
        secrecy: Secrecy::Sealed,
    })
}
