//! The first parcel to a person, before there is any session: `37 masked (X 33 | kind 4) | sealed sender 49 | sealed body 314`.
//!
//! Nothing of it is plain: X and kind are masked under a key from the receiver's AccountID, the sender is sealed under X·B. Whether it
//! is meant for this account at all shows in the masked 37 bytes, before any curve work. Which agreement seals the body is the
//! caller's choice (`session`, `sealed`, `prekey`), and with it the secrecy.

use zeroize::Zeroizing;

use super::Rejected;
use super::aead::{Key, OneTimeKey, TAG, hkdf, mask};
use super::curve::Point;
use super::id::AccountId;
use super::keys::{AccountKey, Ephemeral, Static};
use super::labels;
use super::mqv::{Agreed, Transcript, es_from, es_to};
use super::random::Stream;
use super::session::PARCEL;

/// What a first parcel carries.
pub(super) const BODY: usize = 298;
const KIND: usize = 4;
const MASKED: usize = Point::LEN + KIND;
const SENDER: usize = MASKED + Point::LEN + TAG;

const _: () = assert!(SENDER + BODY + TAG == PARCEL);

/// Kinds that are no prekey's id.
pub(super) const OFFER: u32 = 0;
pub(super) const SEALED: u32 = u32::MAX;

/// The head of an opened parcel.
pub(super) struct Head {
    pub(super) sender: AccountId,
    pub(super) ephemeral: Point,
}

fn mask_key(receiver: &Point) -> Key {
    hkdf(
        labels::PARCEL_MASK.as_bytes(),
        receiver.bytes(),
        labels::PARCEL_MASK,
    )
}

/// The 16 bytes behind the masked part are ciphertext, different in each parcel: they serve as the mask's counter block.
fn unmask(receiver: &Point, parcel: &[u8; PARCEL]) -> [u8; MASKED] {
    let mut head = [0; MASKED];
    head.copy_from_slice(&parcel[..MASKED]);
    let mut iv = [0; 16];
    iv.copy_from_slice(&parcel[MASKED..MASKED + 16]);
    mask(&mask_key(receiver), &iv, &mut head);
    head
}

/// The kind of a parcel, if it is a first parcel to `own`. Something else passes with the kind of its chance and a probability of
/// 2^-8 or so; opening it then fails.
pub(super) fn kind(own: &AccountKey, parcel: &[u8; PARCEL]) -> Option<u32> {
    let head = unmask(own.public_point(), parcel);
    let (point, kind) = head.split_first_chunk::<{ Point::LEN }>()?;
    Point::decode(point).ok()?;
    kind.try_into().ok().map(u32::from_be_bytes)
}

/// Runs `make` with a fresh ephemeral. An agreement fails on sending only if it hits the identity, for one ephemeral in 2^256; another
/// one is drawn then.
pub(super) fn with_ephemeral<T>(
    random: &mut Stream,
    make: impl Fn(&Ephemeral) -> Result<T, Rejected>,
) -> (Ephemeral, T) {
    loop {
        let ephemeral = Ephemeral::generate(random);
        if let Ok(made) = make(&ephemeral) {
            return (ephemeral, made);
        }
    }
}

/// `agree` gets the transcript so far and gives the secret that seals the body.
pub(super) fn seal(
    label: &'static str,
    kind: u32,
    own: &AccountKey,
    ephemeral: &Ephemeral,
    peer: &AccountId,
    body: &[u8; BODY],
    agree: impl FnOnce(Transcript) -> Result<Agreed, Rejected>,
) -> Result<([u8; PARCEL], Agreed), Rejected> {
    let mut head = [0; MASKED];
    head[..Point::LEN].copy_from_slice(ephemeral.public().bytes());
    head[Point::LEN..].copy_from_slice(&kind.to_be_bytes());

    let hidden = es_to(ephemeral, peer.point(), Transcript::new(label))?;
    let mut sender = own.public_point().bytes().to_vec();
    OneTimeKey::from(hidden.own_key(labels::PARCEL_SENDER)).seal(&head, &mut sender);

    let agreed = agree(transcript(label, &head, &sender))?;
    let mut sealed = body.to_vec();
    OneTimeKey::from(agreed.own_key(labels::PARCEL_BODY)).seal(b"", &mut sealed);

    let mut parcel = [0; PARCEL];
    parcel[MASKED..SENDER].copy_from_slice(&sender);
    parcel[SENDER..].copy_from_slice(&sealed);
    parcel[..MASKED].copy_from_slice(&head);
    let masked = unmask(peer.point(), &parcel);
    parcel[..MASKED].copy_from_slice(&masked);
    Ok((parcel, agreed))
}

fn transcript(label: &'static str, head: &[u8], sender: &[u8]) -> Transcript {
    let mut transcript = Transcript::new(label);
    transcript.absorb(head);
    transcript.absorb(sender);
    transcript
}

/// The inverse of [`seal`]. A parcel from the own account is refused: nobody writes to herself, so it came out of a mirror.
pub(super) fn open(
    label: &'static str,
    kind: u32,
    own: &AccountKey,
    parcel: &[u8; PARCEL],
    agree: impl FnOnce(&Head, Transcript) -> Result<Agreed, Rejected>,
) -> Result<(Head, Zeroizing<[u8; BODY]>, Agreed), Rejected> {
    let head = unmask(own.public_point(), parcel);
    if head[Point::LEN..] != kind.to_be_bytes() {
        return Err(Rejected);
    }
    let ephemeral = Point::decode(&head[..Point::LEN]).map_err(|_| Rejected)?;
    let hidden = es_from(own, &ephemeral, Transcript::new(label))?;
    let sender = OneTimeKey::from(hidden.own_key(labels::PARCEL_SENDER))
        .open(&head, &parcel[MASKED..SENDER])?;
    let sender = AccountId::decode(&sender).map_err(|_| Rejected)?;
    if sender.point() == own.public_point() {
        return Err(Rejected);
    }
    let opened = Head { sender, ephemeral };
    let agreed = agree(&opened, transcript(label, &head, &parcel[MASKED..SENDER]))?;
    let plain =
        OneTimeKey::from(agreed.own_key(labels::PARCEL_BODY)).open(b"", &parcel[SENDER..])?;
    let mut body = Zeroizing::new([0; BODY]);
    body.copy_from_slice(&plain);
    Ok((opened, body, agreed))
}
