//! Double Ratchet with header encryption (Perrin and Marlinspike 2016, section 4) over P-256.
//!
//! ```text
//! parcel 400   nonce 12 | sealed (ratchet key 33 | length of the chain before 4 | number 4) 41 + 16 | commitment 16 | sealed body 299 + 16
//! ```
//!
//! The commitment is there because AES-GCM commits to no key. Body key and commitment depend on the nonce as well as on the message key:
//! a state that was restored from a copy walks through message keys again that have sealed other bodies. Limits are the same for everyone and work by events, never by time, so
//! that they tell nobody anything. Not here: what a body says, and when a state is stored.

use std::collections::{BTreeMap, VecDeque};

use zeroize::Zeroizing;

use super::Rejected;
use super::aead::{Key, NONCE, OneTimeKey, TAG, mac_eq, open_random, seal_random};
use super::curve::Point;
use super::keys::Ephemeral;
use super::labels;
use super::mqv::ratchet_dh;
use super::random::Stream;
use super::secrecy::Secrecy;
use super::session::PARCEL;

/// Body of a ratchet parcel.
pub const BODY: usize = 299;
/// Parcels of one chain that may be missing before one that opens: above it the parcel is refused.
pub const SKIP: u32 = 1000;
/// Keys of missing parcels that a session keeps: above it the oldest go, and their parcels never open.
pub const STORED: usize = 2000;
/// Chains before the current one whose missing parcels are waited for; chains that miss nothing are forgotten at once. Two who answer each
/// other turn once in a round trip, and a parcel that is lost again and again is sent for up to 45 of them before its session counts as lost.
pub const OLD_CHAINS: usize = 64;

const HEADER_PLAIN: usize = Point::LEN + 4 + 4;
const HEADER: usize = NONCE + HEADER_PLAIN + TAG;
const COMMITMENT: usize = 16;

const _: () = assert!(HEADER + COMMITMENT + BODY + TAG == PARCEL);

/// The peer has not proven yet that it is there: nothing may be sent to it in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is not confirmed yet")]
pub struct Unconfirmed;

struct Sending {
    chain: Key,
    header: Key,
    number: u32,
}

struct Receiving {
    chain: Key,
    header: Key,
    number: u32,
    skipped: BTreeMap<u32, Key>,
}

struct OldChain {
    header: Key,
    skipped: BTreeMap<u32, Key>,
}

/// One session with one peer.
pub struct Ratchet {
    name: [u8; 16],
    root: Key,
    own: Ephemeral,
    sending: Option<Sending>,
    next_sending_header: Key,
    receiving: Option<Receiving>,
    next_receiving_header: Key,
    /// Length of the sending chain before this one.
    previous: u32,
    /// Oldest first, at most [`OLD_CHAINS`], each with keys.
    old: VecDeque<OldChain>,
    /// Counts changes since this value was made, so that a step never overwrites a newer state.
    changes: u64,
}

struct Header {
    peer: Point,
    previous: u32,
    number: u32,
}

/// Message key and the chain key that follows.
fn step_chain(chain: &Key) -> (Key, Key) {
    (
        chain.derive(labels::RATCHET_MESSAGE, b""),
        chain.derive(labels::RATCHET_CHAIN, b""),
    )
}

/// Body key of a parcel that begins with `header`, and the commitment to it.
fn body_key(
    message: &Key,
    name: &[u8; 16],
    header: &[u8; HEADER],
) -> (OneTimeKey, [u8; COMMITMENT]) {
    let mut context = [0; 16 + NONCE];
    context[..16].copy_from_slice(name);
    context[16..].copy_from_slice(&header[..NONCE]);
    let mut commitment = [0; COMMITMENT];
    let derived = message.derive(labels::RATCHET_COMMITMENT, &context);
    commitment.copy_from_slice(&derived.bytes()[..COMMITMENT]);
    let key = OneTimeKey::from(message.derive(labels::RATCHET_BODY, &context));
    (key, commitment)
}

fn copy_skipped(skipped: &BTreeMap<u32, Key>) -> BTreeMap<u32, Key> {
    skipped
        .iter()
        .map(|(number, key)| (*number, key.copy()))
        .collect()
}

impl Ratchet {
    pub(super) fn initiator(
        root: Key,
        name: [u8; 16],
        peer: &Point,
        random: &mut Stream,
    ) -> Result<Ratchet, Rejected> {
        let header = root.derive(labels::RATCHET_INITIATOR, b"");
        let next_receiving_header = root.derive(labels::RATCHET_RESPONDER, b"");
        let own = Ephemeral::generate(random);
        let (root, chain, next_sending_header) = step_root(&root, &own, peer)?;
        Ok(Ratchet {
            name,
            root,
            own,
            sending: Some(Sending {
                chain,
                header,
                number: 0,
            }),
            next_sending_header,
            receiving: None,
            next_receiving_header,
            previous: 0,
            old: VecDeque::new(),
            changes: 0,
        })
    }

    pub(super) fn responder(root: Key, name: [u8; 16], own: Ephemeral) -> Ratchet {
        Ratchet {
            name,
            own,
            sending: None,
            next_sending_header: root.derive(labels::RATCHET_RESPONDER, b""),
            receiving: None,
            next_receiving_header: root.derive(labels::RATCHET_INITIATOR, b""),
            root,
            previous: 0,
            old: VecDeque::new(),
            changes: 0,
        }
    }

    /// False at the responder until the first parcel of the initiator opened.
    pub fn confirmed(&self) -> bool {
        self.sending.is_some()
    }

    /// Names the session at both ends; not secret.
    pub fn session_id(&self) -> [u8; 16] {
        self.name
    }

    /// Store the state before the parcel leaves: the same state must not encrypt twice.
    pub fn encrypt(
        &mut self,
        body: &[u8; BODY],
        random: &mut Stream,
    ) -> Result<([u8; PARCEL], Secrecy), Unconfirmed> {
        let sending = self.sending.as_mut().ok_or(Unconfirmed)?;
        let (message, chain) = step_chain(&sending.chain);
        let mut plain = Zeroizing::new([0; HEADER_PLAIN]);
        plain[..Point::LEN].copy_from_slice(self.own.public().bytes());
        plain[Point::LEN..Point::LEN + 4].copy_from_slice(&self.previous.to_be_bytes());
        plain[Point::LEN + 4..].copy_from_slice(&sending.number.to_be_bytes());

        let mut header = [0; HEADER];
        header.copy_from_slice(&seal_random(
            &sending.header,
            &self.name,
            plain.as_slice(),
            random,
        ));
        let (key, commitment) = body_key(&message, &self.name, &header);
        let mut parcel = [0; PARCEL];
        parcel[..HEADER].copy_from_slice(&header);
        parcel[HEADER..HEADER + COMMITMENT].copy_from_slice(&commitment);
        let mut sealed = body.to_vec();
        key.seal(&parcel[..HEADER + COMMITMENT], &mut sealed);
        parcel[HEADER + COMMITMENT..].copy_from_slice(&sealed);

        sending.chain = chain;
        sending.number = sending
            .number
            .checked_add(1)
            .expect("2^32 parcels in one chain at 20 a second take six years");
        self.changes += 1;
        Ok((parcel, Secrecy::OnceOpened))
    }

    /// Changes nothing: the step holds the body and the state that follows. A parcel of another session is refused after at most
    /// `OLD_CHAINS` + 2 trials of its header.
    pub fn decrypt(
        &self,
        parcel: &[u8; PARCEL],
        random: &mut Stream,
    ) -> Result<RatchetStep, Rejected> {
        if let Some(header) = self
            .receiving
            .as_ref()
            .and_then(|chain| self.open_header(&chain.header, parcel))
        {
            let mut next = self.copy();
            let message = next.key_of_current(header.number)?;
            return self.step(next, &message, parcel);
        }
        if let Some(header) = self.open_header(&self.next_receiving_header, parcel) {
            let mut next = self.copy();
            next.turn(&header, random)?;
            let message = next.key_of_current(header.number)?;
            return self.step(next, &message, parcel);
        }
        for (i, chain) in self.old.iter().enumerate() {
            if let Some(header) = self.open_header(&chain.header, parcel) {
                let mut next = self.copy();
                let old = next.old.get_mut(i).ok_or(Rejected)?;
                let message = old.skipped.remove(&header.number).ok_or(Rejected)?;
                return self.step(next, &message, parcel);
            }
        }
        Err(Rejected)
    }

    fn open_header(&self, key: &Key, parcel: &[u8; PARCEL]) -> Option<Header> {
        let plain = open_random(key, &self.name, &parcel[..HEADER]).ok()?;
        let (point, rest) = plain.split_first_chunk::<{ Point::LEN }>()?;
        let (previous, number) = rest.split_first_chunk::<4>()?;
        Some(Header {
            peer: Point::decode(point).ok()?,
            previous: u32::from_be_bytes(*previous),
            number: u32::from_be_bytes(number.try_into().ok()?),
        })
    }

    fn step(
        &self,
        mut next: Ratchet,
        message: &Key,
        parcel: &[u8; PARCEL],
    ) -> Result<RatchetStep, Rejected> {
        let (head, sealed) = parcel.split_at(HEADER + COMMITMENT);
        let (header, committed) = head.split_first_chunk::<HEADER>().ok_or(Rejected)?;
        let (key, commitment) = body_key(message, &self.name, header);
        if !mac_eq(&commitment, committed) {
            return Err(Rejected);
        }
        let plain = key.open(head, sealed)?;
        let mut body = Zeroizing::new([0; BODY]);
        body.copy_from_slice(&plain);
        next.limit_stored();
        next.changes = self.changes + 1;
        Ok(RatchetStep {
            body,
            next,
            from: self.changes,
        })
    }

    /// The key of a number in the current receiving chain; keys before it that were not used yet are put aside.
    fn key_of_current(&mut self, number: u32) -> Result<Key, Rejected> {
        let chain = self.receiving.as_mut().ok_or(Rejected)?;
        if number < chain.number {
            return chain.skipped.remove(&number).ok_or(Rejected);
        }
        chain.skip_to(number)?;
        let (message, next) = step_chain(&chain.chain);
        chain.chain = next;
        chain.number = number.checked_add(1).ok_or(Rejected)?;
        Ok(message)
    }

    /// A Diffie-Hellman step: the peer shows a new key, and gets a new one of ours.
    fn turn(&mut self, header: &Header, random: &mut Stream) -> Result<(), Rejected> {
        if let Some(mut chain) = self.receiving.take() {
            chain.skip_to(header.previous)?;
            self.old.push_back(OldChain {
                header: chain.header,
                skipped: chain.skipped,
            });
            self.old.retain(|chain| !chain.skipped.is_empty());
            if self.old.len() > OLD_CHAINS {
                self.old.pop_front();
            }
        }
        self.previous = self.sending.as_ref().map_or(0, |sending| sending.number);
        let (root, chain, next_header) = step_root(&self.root, &self.own, &header.peer)?;
        let header_key = std::mem::replace(&mut self.next_receiving_header, next_header);
        self.receiving = Some(Receiving {
            chain,
            header: header_key,
            number: 0,
            skipped: BTreeMap::new(),
        });
        self.own = Ephemeral::generate(random);
        let (root, chain, next_header) = step_root(&root, &self.own, &header.peer)?;
        let header_key = std::mem::replace(&mut self.next_sending_header, next_header);
        self.sending = Some(Sending {
            chain,
            header: header_key,
            number: 0,
        });
        self.root = root;
        Ok(())
    }

    /// The oldest keys go first.
    fn limit_stored(&mut self) {
        let current = self.receiving.as_mut().map(|chain| &mut chain.skipped);
        let mut chains: Vec<&mut BTreeMap<u32, Key>> = self
            .old
            .iter_mut()
            .map(|chain| &mut chain.skipped)
            .chain(current)
            .collect();
        let mut stored: usize = chains.iter().map(|skipped| skipped.len()).sum();
        for skipped in &mut chains {
            while stored > STORED && skipped.pop_first().is_some() {
                stored -= 1;
            }
        }
        self.old.retain(|chain| !chain.skipped.is_empty());
    }

    fn copy(&self) -> Ratchet {
        Ratchet {
            name: self.name,
            root: self.root.copy(),
            own: self.own.copy(),
            sending: self.sending.as_ref().map(|s| Sending {
                chain: s.chain.copy(),
                header: s.header.copy(),
                number: s.number,
            }),
            next_sending_header: self.next_sending_header.copy(),
            receiving: self.receiving.as_ref().map(|r| Receiving {
                chain: r.chain.copy(),
                header: r.header.copy(),
                number: r.number,
                skipped: copy_skipped(&r.skipped),
            }),
            next_receiving_header: self.next_receiving_header.copy(),
            previous: self.previous,
            old: self
                .old
                .iter()
                .map(|o| OldChain {
                    header: o.header.copy(),
                    skipped: copy_skipped(&o.skipped),
                })
                .collect(),
            changes: self.changes,
        }
    }
}

impl Receiving {
    fn skip_to(&mut self, number: u32) -> Result<(), Rejected> {
        if number.saturating_sub(self.number) > SKIP {
            return Err(Rejected);
        }
        while self.number < number {
            let (message, next) = step_chain(&self.chain);
            self.skipped.insert(self.number, message);
            self.chain = next;
            self.number += 1;
        }
        Ok(())
    }
}

/// Root key, chain key and next header key.
fn step_root(root: &Key, own: &Ephemeral, peer: &Point) -> Result<(Key, Key, Key), Rejected> {
    let secret = ratchet_dh(root, own, peer)?;
    Ok((
        secret.derive(labels::RATCHET_ROOT, b""),
        secret.derive(labels::RATCHET_CHAIN, b""),
        secret.derive(labels::RATCHET_HEADER, b""),
    ))
}

/// An opened parcel whose key is not erased yet. Dropping it leaves the ratchet as it was.
#[must_use]
pub struct RatchetStep {
    pub body: Zeroizing<[u8; BODY]>,
    next: Ratchet,
    from: u64,
}

impl RatchetStep {
    /// The state that follows, for the transaction that stores the body.
    pub fn next_state(&self) -> Zeroizing<Vec<u8>> {
        self.next.to_bytes()
    }

    /// Erases the key from `ratchet`. Gives the level of the message at its receiver: both devices have erased its key.
    ///
    /// # Panics
    ///
    /// If `ratchet` is not the one that decrypted, or was used in between: committing would bring back keys that are spent.
    pub fn commit(self, ratchet: &mut Ratchet) -> Secrecy {
        assert!(
            ratchet.name == self.next.name && ratchet.changes == self.from,
            "a step belongs to the state it was made from"
        );
        *ratchet = self.next;
        Secrecy::ForwardSecret
    }
}

// The stored form: every field in order, integers big-endian.
impl Ratchet {
    const VERSION: u8 = 1;
    const HAS_SENDING: u8 = 1;
    const HAS_RECEIVING: u8 = 2;

    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let stored: usize = self.old.iter().map(|o| o.skipped.len()).sum::<usize>()
            + self.receiving.as_ref().map_or(0, |r| r.skipped.len());
        // Room for everything at once: a vector that grows leaves copies of secrets behind.
        let mut out = Zeroizing::new(Vec::with_capacity(512 + OLD_CHAINS * 40 + stored * 36));
        let flag = |there: bool, flag: u8| if there { flag } else { 0 };
        out.push(Ratchet::VERSION);
        out.push(
            flag(self.sending.is_some(), Ratchet::HAS_SENDING)
                | flag(self.receiving.is_some(), Ratchet::HAS_RECEIVING),
        );
        out.extend_from_slice(&self.name);
        out.extend_from_slice(self.own.to_bytes().as_slice());
        out.extend_from_slice(&self.previous.to_be_bytes());
        for key in [
            &self.root,
            &self.next_sending_header,
            &self.next_receiving_header,
        ] {
            out.extend_from_slice(key.bytes());
        }
        if let Some(sending) = &self.sending {
            out.extend_from_slice(sending.chain.bytes());
            out.extend_from_slice(sending.header.bytes());
            out.extend_from_slice(&sending.number.to_be_bytes());
        }
        if let Some(receiving) = &self.receiving {
            out.extend_from_slice(receiving.chain.bytes());
            out.extend_from_slice(receiving.header.bytes());
            out.extend_from_slice(&receiving.number.to_be_bytes());
            put_skipped(&mut out, &receiving.skipped);
        }
        out.push(u8::try_from(self.old.len()).expect("64 old chains at most"));
        for chain in &self.old {
            out.extend_from_slice(chain.header.bytes());
            put_skipped(&mut out, &chain.skipped);
        }
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Ratchet, Rejected> {
        let mut input = Input(bytes);
        if input.byte()? != Ratchet::VERSION {
            return Err(Rejected);
        }
        let flags = input.byte()?;
        if flags & !(Ratchet::HAS_SENDING | Ratchet::HAS_RECEIVING) != 0 {
            return Err(Rejected);
        }
        let name = *input.take::<16>()?;
        let own = Ephemeral::from_bytes(input.take::<32>()?)?;
        let previous = input.number()?;
        let (root, next_sending_header, next_receiving_header) =
            (input.key()?, input.key()?, input.key()?);
        let sending = match flags & Ratchet::HAS_SENDING {
            0 => None,
            _ => Some(Sending {
                chain: input.key()?,
                header: input.key()?,
                number: input.number()?,
            }),
        };
        let receiving = match flags & Ratchet::HAS_RECEIVING {
            0 => None,
            _ => Some(Receiving {
                chain: input.key()?,
                header: input.key()?,
                number: input.number()?,
                skipped: input.skipped()?,
            }),
        };
        let chains = usize::from(input.byte()?);
        if chains > OLD_CHAINS {
            return Err(Rejected);
        }
        let mut old = VecDeque::with_capacity(chains);
        for _ in 0..chains {
            old.push_back(OldChain {
                header: input.key()?,
                skipped: input.skipped()?,
            });
        }
        if !input.0.is_empty() {
            return Err(Rejected);
        }
        Ok(Ratchet {
            name,
            root,
            own,
            sending,
            next_sending_header,
            receiving,
            next_receiving_header,
            previous,
            old,
            changes: 0,
        })
    }
}

fn put_skipped(out: &mut Vec<u8>, skipped: &BTreeMap<u32, Key>) {
    out.extend_from_slice(
        &u32::try_from(skipped.len())
            .expect("stored keys are bounded")
            .to_be_bytes(),
    );
    for (number, key) in skipped {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(key.bytes());
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Rejected> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Rejected)?;
        self.0 = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Rejected> {
        self.take::<1>().map(|[byte]| *byte)
    }

    fn number(&mut self) -> Result<u32, Rejected> {
        self.take().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn key(&mut self) -> Result<Key, Rejected> {
        self.take().map(Key::from_bytes)
    }

    fn skipped(&mut self) -> Result<BTreeMap<u32, Key>, Rejected> {
        let count = self.number()?;
        if count as usize > STORED + SKIP as usize {
            return Err(Rejected);
        }
        (0..count)
            .map(|_| Ok((self.number()?, self.key()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
