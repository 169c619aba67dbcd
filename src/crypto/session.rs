//! How two accounts that are both awake open a session: two parcels, then the ratchet.
//!
//! S1 is an envelope sealed by one-pass ECMQV: it hides and authenticates its sender, but whoever has the receiver's account key can
//! read it and write others. Therefore it never carries text. S2 is sealed by full ECMQV of both accounts and both ephemerals, which
//! gives forward secrecy and confirms the responder; the first ratchet parcel confirms the initiator.
//!
//! ```text
//! S1 400   37 masked (X 33 | 0 4) | sealed A 49 | sealed payload 314
//! S2 400   Y 33 masked | confirm 16 | sealed (R 33 | payload 302) 335 + 16
//! ```

use zeroize::Zeroizing;

use super::Rejected;
use super::aead::{Key, OneTimeKey, TAG, hash, mask33};
use super::curve::Point;
use super::envelope;
use super::id::AccountId;
use super::keys::{AccountKey, Ephemeral};
use super::labels;
use super::mqv::{Agreed, Side, Transcript, full, full_kept, one_pass_from, one_pass_kept};
use super::random::Stream;
use super::ratchet::Ratchet;

/// One end-to-end encrypted unit.
pub const PARCEL: usize = 400;
/// Payload of the first parcel. Protected by static keys only: a version and padding, never text.
pub const OFFER: usize = envelope::BODY;
/// Payload of the second parcel, protected by the full agreement. Its reader has not proven yet that it is the initiator: what a
/// person wrote waits for the ratchet, which gives every body its level.
pub const ANSWER: usize = 302;

const CONFIRM: usize = 16;
const SEALED: usize = Point::LEN + CONFIRM;

const _: () = assert!(SEALED + Point::LEN + ANSWER + TAG == PARCEL);

/// The initiator between its first parcel and the answer.
pub struct SessionStart {
    peer: AccountId,
    ephemeral: Ephemeral,
    /// Hides the answer's ephemeral.
    mask: Key,
    /// Hash of the first parcel.
    first: [u8; 32],
}

fn first_hash(parcel: &[u8; PARCEL]) -> [u8; 32] {
    hash(&[labels::SESSION_OFFER.as_bytes(), parcel])
}

fn transcript(first: &[u8; 32]) -> Transcript {
    let mut transcript = Transcript::new(labels::SESSION);
    transcript.absorb(first);
    transcript
}

/// What both sides take from the full agreement.
fn root(agreed: &Agreed) -> (Key, [u8; 16]) {
    let mut name = [0; 16];
    name.copy_from_slice(&agreed.name()[..16]);
    (agreed.own_key(labels::SESSION_ROOT), name)
}

impl SessionStart {
    const VERSION: u8 = 1;
    const BYTES: usize = 1 + 33 + 32 + 32 + 32;

    /// The start and the parcel to send.
    pub fn new(
        own: &AccountKey,
        peer: &AccountId,
        payload: &[u8; OFFER],
        random: &mut Stream,
    ) -> (SessionStart, [u8; PARCEL]) {
        let (ephemeral, (parcel, agreed)) = envelope::with_ephemeral(random, |ephemeral| {
            let agree = |t| one_pass_kept(own, ephemeral, peer.point(), t);
            envelope::seal(
                labels::SESSION_OFFER,
                envelope::OFFER,
                own,
                ephemeral,
                peer,
                payload,
                agree,
            )
        });
        let start = SessionStart {
            peer: *peer,
            mask: agreed.own_key(labels::SESSION_MASK),
            first: first_hash(&parcel),
            ephemeral,
        };
        (start, parcel)
    }

    pub fn peer(&self) -> &AccountId {
        &self.peer
    }

    /// A parcel that is not the answer leaves the start as it was. On success throw the start away.
    pub fn finish(
        &self,
        own: &AccountKey,
        parcel: &[u8; PARCEL],
        random: &mut Stream,
    ) -> Result<(Ratchet, Zeroizing<[u8; ANSWER]>), Rejected> {
        let (masked, rest) = parcel
            .split_first_chunk::<{ Point::LEN }>()
            .ok_or(Rejected)?;
        let (confirm, sealed) = rest.split_first_chunk::<CONFIRM>().ok_or(Rejected)?;
        let mut point = *masked;
        mask33(&self.mask, confirm, &mut point);
        let peer_ephemeral = Point::decode(&point).map_err(|_| Rejected)?;
        let agreed = full_kept(
            Side::Initiator,
            own,
            &self.ephemeral,
            self.peer.point(),
            &peer_ephemeral,
            transcript(&self.first),
        )?;
        if !agreed.confirms(Side::Responder, confirm) {
            return Err(Rejected);
        }
        let plain = OneTimeKey::from(agreed.own_key(labels::SESSION_ANSWER)).open(b"", sealed)?;
        let (ratchet_key, payload) = plain
            .split_first_chunk::<{ Point::LEN }>()
            .ok_or(Rejected)?;
        let ratchet_key = Point::decode(ratchet_key).map_err(|_| Rejected)?;
        let mut answer = Zeroizing::new([0; ANSWER]);
        answer.copy_from_slice(payload);
        let (root, name) = root(&agreed);
        Ok((
            Ratchet::initiator(root, name, &ratchet_key, random)?,
            answer,
        ))
    }

    /// For the store: a start may outlive the program. 130 bytes.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SessionStart::BYTES));
        bytes.push(SessionStart::VERSION);
        bytes.extend_from_slice(self.peer.bytes());
        bytes.extend_from_slice(self.ephemeral.to_bytes().as_slice());
        bytes.extend_from_slice(self.mask.bytes());
        bytes.extend_from_slice(&self.first);
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<SessionStart, Rejected> {
        let bytes: &[u8; SessionStart::BYTES] = bytes.try_into().map_err(|_| Rejected)?;
        if bytes[0] != SessionStart::VERSION {
            return Err(Rejected);
        }
        let (rest, first) = bytes.split_last_chunk::<32>().ok_or(Rejected)?;
        let (rest, mask) = rest.split_last_chunk::<32>().ok_or(Rejected)?;
        let (peer, ephemeral) = rest[1..].split_at(Point::LEN);
        Ok(SessionStart {
            peer: AccountId::decode(peer).map_err(|_| Rejected)?,
            ephemeral: Ephemeral::from_bytes(ephemeral)?,
            mask: Key::from_bytes(mask),
            first: *first,
        })
    }
}

/// A first parcel that opened. Its sender is authenticated unless the own account key was stolen.
pub struct SessionOffer {
    pub peer: AccountId,
    pub payload: [u8; OFFER],
    ephemeral: Point,
    mask: Key,
    first: [u8; 32],
}

impl SessionOffer {
    /// Parcels that are something else are refused before any curve work, all but one in 2^32.
    pub fn read(own: &AccountKey, parcel: &[u8; PARCEL]) -> Result<SessionOffer, Rejected> {
        let (head, payload, agreed) = envelope::open(
            labels::SESSION_OFFER,
            envelope::OFFER,
            own,
            parcel,
            |head, t| one_pass_from(own, head.sender.point(), &head.ephemeral, t),
        )?;
        Ok(SessionOffer {
            peer: head.sender,
            payload: *payload,
            ephemeral: head.ephemeral,
            mask: agreed.own_key(labels::SESSION_MASK),
            first: first_hash(parcel),
        })
    }

    /// The session and the parcel to send back. The ratchet is unconfirmed: it sends nothing until it opened a parcel of the
    /// initiator, for this offer may be an old one played again.
    pub fn answer(
        self,
        own: &AccountKey,
        payload: &[u8; ANSWER],
        random: &mut Stream,
    ) -> Result<(Ratchet, [u8; PARCEL]), Rejected> {
        let ephemeral = Ephemeral::generate(random);
        let mut point = *ephemeral.public().bytes();
        let agreed = full(
            Side::Responder,
            own,
            ephemeral,
            self.peer.point(),
            &self.ephemeral,
            transcript(&self.first),
        )?;
        let confirm = agreed.confirm(Side::Responder);
        mask33(&self.mask, &confirm, &mut point);

        let ratchet_key = Ephemeral::generate(random);
        let mut sealed = ratchet_key.public().bytes().to_vec();
        sealed.extend_from_slice(payload);
        OneTimeKey::from(agreed.own_key(labels::SESSION_ANSWER)).seal(b"", &mut sealed);

        let mut parcel = [0; PARCEL];
        parcel[..Point::LEN].copy_from_slice(&point);
        parcel[Point::LEN..SEALED].copy_from_slice(&confirm);
        parcel[SEALED..].copy_from_slice(&sealed);
        let (root, name) = root(&agreed);
        Ok((Ratchet::responder(root, name, ratchet_key), parcel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ratchet::BODY;

    fn two(seed: u8) -> (AccountKey, AccountKey, Stream) {
        let mut random = Stream::from_seed([seed; 32]);
        let alice = AccountKey::generate(&mut random);
        (alice, AccountKey::generate(&mut random), random)
    }

    #[test]
    fn two_parcels_open_a_session_and_the_third_confirms_it() {
        let (alice, bob, mut random) = two(1);
        let (start, first) = SessionStart::new(&alice, &bob.id(), &[1; OFFER], &mut random);
        let start = SessionStart::from_bytes(&start.to_bytes()).unwrap();
        assert_eq!(*start.peer(), bob.id());
        let offer = SessionOffer::read(&bob, &first).unwrap();
        assert_eq!((offer.peer, offer.payload), (alice.id(), [1; OFFER]));
        let (mut theirs, second) = offer.answer(&bob, &[2; ANSWER], &mut random).unwrap();
        let (mut ours, payload) = start.finish(&alice, &second, &mut random).unwrap();
        assert_eq!(*payload, [2; ANSWER]);
        assert_eq!(ours.session_id(), theirs.session_id());
        assert!(ours.confirmed() && !theirs.confirmed());
        let (third, _) = ours.encrypt(&[3; BODY], &mut random).unwrap();
        let step = theirs.decrypt(&third, &mut random).unwrap();
        assert_eq!(*step.body, [3; BODY]);
        let _ = step.commit(&mut theirs);
        assert!(theirs.confirmed());
    }

    #[test]
    fn one_changed_bit_of_either_parcel_ends_the_attempt_and_the_true_answer_still_works() {
        let (alice, bob, mut random) = two(2);
        let (start, first) = SessionStart::new(&alice, &bob.id(), &[0; OFFER], &mut random);
        let (_, second) = SessionOffer::read(&bob, &first)
            .unwrap()
            .answer(&bob, &[0; ANSWER], &mut random)
            .unwrap();
        for byte in 0..PARCEL {
            let mut changed = first;
            changed[byte] ^= 1 << random.below(8);
            assert!(
                SessionOffer::read(&bob, &changed).is_err(),
                "byte {byte} of the first"
            );
            let mut changed = second;
            changed[byte] ^= 1 << random.below(8);
            assert!(
                start.finish(&alice, &changed, &mut random).is_err(),
                "byte {byte} of the second"
            );
        }
        assert!(start.finish(&alice, &second, &mut random).is_ok());
    }

    #[test]
    fn only_the_two_take_part() {
        let mut random = Stream::from_seed([3; 32]);
        let keys: Vec<AccountKey> = (0..3).map(|_| AccountKey::generate(&mut random)).collect();
        let (start, first) = SessionStart::new(&keys[0], &keys[1].id(), &[0; OFFER], &mut random);
        assert!(SessionOffer::read(&keys[2], &first).is_err());
        assert!(SessionOffer::read(&keys[0], &first).is_err());
        let (_, second) = SessionOffer::read(&keys[1], &first)
            .unwrap()
            .answer(&keys[1], &[0; ANSWER], &mut random)
            .unwrap();
        assert!(start.finish(&keys[2], &second, &mut random).is_err());
        let (other, _) = SessionStart::new(&keys[0], &keys[1].id(), &[0; OFFER], &mut random);
        assert!(
            other.finish(&keys[0], &second, &mut random).is_err(),
            "an answer to another start"
        );
        let (_, mirrored) = SessionStart::new(&keys[0], &keys[0].id(), &[0; OFFER], &mut random);
        assert!(
            SessionOffer::read(&keys[0], &mirrored).is_err(),
            "nobody talks to herself"
        );
    }

    #[test]
    fn parcels_look_random_and_never_repeat() {
        let (alice, bob, mut random) = two(4);
        let mut counts = vec![[0u32; 8]; PARCEL];
        const ROUNDS: u32 = 160;
        for _ in 0..ROUNDS / 2 {
            let (_, first) = SessionStart::new(&alice, &bob.id(), &[0; OFFER], &mut random);
            let (_, second) = SessionOffer::read(&bob, &first)
                .unwrap()
                .answer(&bob, &[0; ANSWER], &mut random)
                .unwrap();
            for parcel in [first, second] {
                for (count, byte) in counts.iter_mut().zip(parcel) {
                    (0..8).for_each(|bit| count[bit] += u32::from(byte >> bit & 1));
                }
            }
        }
        // Six standard deviations of a fair coin: a fixed or mostly fixed bit (a point's tag) lies far outside.
        let far = 6.0 * f64::from(ROUNDS).sqrt() / 2.0;
        assert!(
            counts
                .iter()
                .flatten()
                .all(|&n| (f64::from(n) - f64::from(ROUNDS) / 2.0).abs() < far)
        );
    }
}
