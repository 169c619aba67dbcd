//! Epoch prekeys: one key a day that an account publishes, so that a first message can be forward secret although its reader is away.
//!
//! The parcel is sealed by full ECMQV with the prekey as the receiver's ephemeral. It is exposed while the receiver's device keeps the
//! prekey, and forward secret once that is erased. The prekey must come out of a descriptor signed by the blinded account key, else
//! whoever stores descriptors could plant one. Not here: when prekeys are made and erased.

use zeroize::Zeroizing;

use super::Rejected;
use super::curve::Point;
use super::envelope;
use super::id::AccountId;
use super::keys::{AccountKey, Ephemeral};
use super::labels;
use super::mqv::{Side, full_kept};
use super::random::Stream;
use super::secrecy::Secrecy;
use super::session::PARCEL;

/// Body of a parcel to a prekey.
pub const BODY: usize = envelope::BODY;

/// What a descriptor says of a prekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prekey {
    pub point: Point,
    /// Chosen by the owner; neither 0 nor the highest number, which mean other kinds of parcels.
    pub id: u32,
    /// The earliest day on which the owner's device erases it.
    pub erase_day: u32,
}

/// The owner's half.
pub struct EpochPrekey {
    secret: Ephemeral,
    id: u32,
    erase_day: u32,
}

impl EpochPrekey {
    const BYTES: usize = 32 + 4 + 4;

    pub fn generate(erase_day: u32, random: &mut Stream) -> EpochPrekey {
        let id = 1 + random.below(u64::from(u32::MAX) - 1) as u32;
        EpochPrekey {
            secret: Ephemeral::generate(random),
            id,
            erase_day,
        }
    }

    pub fn public(&self) -> Prekey {
        Prekey {
            point: *self.secret.public(),
            id: self.id,
            erase_day: self.erase_day,
        }
    }

    /// For the store.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 40]> {
        let mut bytes = Zeroizing::new([0; EpochPrekey::BYTES]);
        bytes[..32].copy_from_slice(self.secret.to_bytes().as_slice());
        bytes[32..36].copy_from_slice(&self.id.to_be_bytes());
        bytes[36..].copy_from_slice(&self.erase_day.to_be_bytes());
        bytes
    }

    pub fn from_bytes(bytes: &[u8; 40]) -> Result<EpochPrekey, Rejected> {
        let number = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let id = number(32);
        if id == envelope::OFFER || id == envelope::SEALED {
            return Err(Rejected);
        }
        Ok(EpochPrekey {
            secret: Ephemeral::from_bytes(&bytes[..32])?,
            id,
            erase_day: number(36),
        })
    }

    /// Opening it twice gives the same twice: the caller remembers what it has seen.
    pub fn open(&self, own: &AccountKey, parcel: &[u8; PARCEL]) -> Result<Opened, Rejected> {
        let (head, body, _) = envelope::open(labels::PREKEY, self.id, own, parcel, |head, t| {
            full_kept(
                Side::Responder,
                own,
                &self.secret,
                head.sender.point(),
                &head.ephemeral,
                t,
            )
        })?;
        Ok(Opened {
            sender: head.sender,
            body,
            secrecy: Secrecy::EpochPrekey {
                erase_day: self.erase_day,
            },
        })
    }
}

/// A parcel that only the prekey's holder can read. Refuses a prekey whose id means another kind of parcel.
pub fn seal(
    own: &AccountKey,
    peer: &AccountId,
    prekey: &Prekey,
    body: &[u8; BODY],
    random: &mut Stream,
) -> Result<([u8; PARCEL], Secrecy), Rejected> {
    if prekey.id == envelope::OFFER || prekey.id == envelope::SEALED {
        return Err(Rejected);
    }
    let (_, (parcel, _)) = envelope::with_ephemeral(random, |ephemeral| {
        let agree = |t| {
            full_kept(
                Side::Initiator,
                own,
                ephemeral,
                peer.point(),
                &prekey.point,
                t,
            )
        };
        envelope::seal(labels::PREKEY, prekey.id, own, ephemeral, peer, body, agree)
    });
    Ok((
        parcel,
        Secrecy::EpochPrekey {
            erase_day: prekey.erase_day,
        },
    ))
}

/// An opened parcel.
pub struct Opened {
    pub sender: AccountId,
    pub body: Zeroizing<[u8; BODY]>,
    pub secrecy: Secrecy,
}

/// Which prekey a parcel is for, if it is a first parcel to this account at all; decides what to open it with before any curve work.
pub fn id_of(own: &AccountKey, parcel: &[u8; PARCEL]) -> Option<u32> {
    envelope::kind(own, parcel).filter(|&kind| kind != envelope::OFFER && kind != envelope::SEALED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_opens_with_its_prekey_alone_and_tells_its_id_to_its_receiver_alone() {
        let mut random = Stream::from_seed([1; 32]);
        let (alice, bob) = (
            AccountKey::generate(&mut random),
            AccountKey::generate(&mut random),
        );
        let prekey = EpochPrekey::generate(20_016, &mut random);
        let (parcel, secrecy) =
            seal(&alice, &bob.id(), &prekey.public(), &[1; BODY], &mut random).unwrap();
        assert_eq!(secrecy, Secrecy::EpochPrekey { erase_day: 20_016 });
        assert_eq!(id_of(&bob, &parcel), Some(prekey.public().id));
        assert_ne!(id_of(&alice, &parcel), Some(prekey.public().id));
        let opened = prekey.open(&bob, &parcel).unwrap();
        assert_eq!((opened.sender, *opened.body), (alice.id(), [1; BODY]));
        assert_eq!(opened.secrecy, secrecy);
        let mut same_id = EpochPrekey::generate(20_016, &mut random);
        same_id.id = prekey.id;
        assert!(same_id.open(&bob, &parcel).is_err() && prekey.open(&alice, &parcel).is_err());
    }

    #[test]
    fn ids_that_mean_other_kinds_of_parcels_are_no_prekeys() {
        let mut random = Stream::from_seed([2; 32]);
        let (alice, bob) = (
            AccountKey::generate(&mut random),
            AccountKey::generate(&mut random),
        );
        let prekey = EpochPrekey::generate(1, &mut random);
        for id in [envelope::OFFER, envelope::SEALED] {
            let public = Prekey {
                id,
                ..prekey.public()
            };
            assert!(seal(&alice, &bob.id(), &public, &[1; BODY], &mut random).is_err());
            let mut stored = *prekey.to_bytes();
            stored[32..36].copy_from_slice(&id.to_be_bytes());
            assert!(EpochPrekey::from_bytes(&stored).is_err());
        }
        let (offer, _) = crate::crypto::sealed::seal(&alice, &bob.id(), &[1; BODY], &mut random);
        assert_eq!(id_of(&bob, &offer), None);
    }
}
