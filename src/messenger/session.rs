//! The secret states of one contact: the confirmed session, one being started, those offered to us, and what they opened already.
//!
//! A start is not kept on disk: after a restart a new one is made, and one secret less lies around. An answered offer is kept,
//! because the other side takes its session as confirmed and would speak to nobody.
//! Not here: when to start, what a parcel says.

use std::collections::VecDeque;
use std::time::Duration;

use crate::crypto::Rejected;
use crate::crypto::aead;
use crate::crypto::random::Stream;
use crate::crypto::ratchet::{Ratchet, RatchetStep};
use crate::crypto::session::SessionStart;
use crate::messenger::persistence::{AccountBytes, Change, SecretBytes, SessionRow};
use crate::wire::size::PARCEL;
use crate::wire::time::Moment;

/// What left before an answer came may arrive so long after it was given.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// Slot of the confirmed session in the store.
const CURRENT: u8 = 0;
/// First slot of the offered sessions.
const OFFERED: u8 = 1;
/// Offered sessions kept at once: the newest is meant, the one before may still be on its way.
pub const OFFERS: usize = 2;
/// Opened parcels remembered, so that a second copy is told from a lost session: four windows of those in the sequence, and as many that
/// stand outside it, which come again by chance only.
pub const SEEN: usize = 64;

/// Names a parcel; the lowest bit of the first byte says whether it had a place in the sequence.
pub type ParcelId = [u8; 16];

/// The name of a parcel, lowest bit clear.
pub fn parcel_id(parcel: &[u8; PARCEL]) -> ParcelId {
    let digest = aead::hash(&[b"paratox parcel id", parcel]);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[0] &= 0xfe;
    id
}

/// A first parcel of ours that waits for its answer.
pub struct Start {
    pub state: SessionStart,
    pub parcel: Box<[u8; PARCEL]>,
    pub made: Moment,
    pub tries: u32,
    pub due: Moment,
    /// Those that left along the cookie of strangers.
    pub copies: Copies,
}

/// Copies of a first parcel that an intro point counts as a stranger's. It lets all strangers of an account pass four parcels at once, then
/// one in 30 s: a start takes three of the four, so that a place is left for what comes after it, and then no more than flows on.
pub struct Copies {
    /// How much of the allowance was spent at `at`.
    spent: f64,
    at: Moment,
}

impl Copies {
    const AT_ONCE: f64 = 3.0;
    const SECONDS: f64 = 30.0;

    pub fn new(now: Moment) -> Copies {
        Copies {
            spent: 0.0,
            at: now,
        }
    }

    /// When the next may leave.
    pub fn ready(&self) -> Moment {
        let over = (self.spent + 1.0 - Copies::AT_ONCE).max(0.0);
        self.at.after_seconds(over * Copies::SECONDS)
    }

    /// One leaves.
    pub fn take(&mut self, now: Moment) {
        let earned = now.since(self.at).as_secs_f64() / Copies::SECONDS;
        self.spent = (self.spent - earned).max(0.0) + 1.0;
        self.at = now;
    }
}

/// A session we answered to, until its initiator proves that it is there.
pub struct Offered {
    pub ratchet: Ratchet,
    /// Name of the first parcel, so that a second copy gets the same answer.
    pub offer: ParcelId,
    pub answer: Box<[u8; PARCEL]>,
    pub made: Moment,
}

/// Which session opened a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Current,
    Offered(usize),
}

/// All sessions of a contact.
#[derive(Default)]
pub struct Sessions {
    pub current: Option<Ratchet>,
    pub start: Option<Start>,
    /// Newest last.
    pub offered: Vec<Offered>,
    /// Newest last.
    pub seen: VecDeque<ParcelId>,
    /// When something opened under the confirmed session last, in this run.
    pub heard: Option<Moment>,
}

impl Sessions {
    /// The parcel opened under one of the sessions; nothing has changed yet.
    pub fn open(&self, parcel: &[u8; PARCEL], random: &mut Stream) -> Option<(Place, RatchetStep)> {
        if let Some(current) = &self.current
            && let Ok(step) = current.decrypt(parcel, random)
        {
            return Some((Place::Current, step));
        }
        for (i, offered) in self.offered.iter().enumerate().rev() {
            if let Ok(step) = offered.ratchet.decrypt(parcel, random) {
                return Some((Place::Offered(i), step));
            }
        }
        None
    }

    /// Whether a parcel was opened before: `Some(true)` if it had a place in the sequence.
    pub fn opened_before(&self, id: &ParcelId) -> Option<bool> {
        let mut in_sequence = *id;
        in_sequence[0] |= 1;
        self.seen.iter().rev().find_map(|seen| {
            if *seen == in_sequence {
                Some(true)
            } else if seen == id {
                Some(false)
            } else {
                None
            }
        })
    }

    /// Adds an answered offer; the oldest goes if there is no place.
    pub fn offer(&mut self, offered: Offered) {
        if self.offered.len() >= OFFERS {
            self.offered.remove(0);
        }
        self.offered.push(offered);
    }

    /// An offered session whose initiator proved itself takes the place of the confirmed one; all others and their keys are gone.
    pub fn promote(&mut self, place: usize) {
        if place < self.offered.len() {
            self.current = Some(self.offered.swap_remove(place).ratchet);
        }
        self.offered.clear();
        self.start = None;
        self.heard = None;
    }

    /// A session that we started and whose answer came.
    pub fn begin(&mut self, ratchet: Ratchet) {
        self.current = Some(ratchet);
        self.offered.clear();
        self.start = None;
        self.heard = None;
    }

    /// Whether the other side knows the confirmed session and no newer one: no offer of theirs was answered, or they went on with the confirmed
    /// session after the answer. Whose answer came knows the tokens of that session alone.
    pub fn is_settled(&self) -> bool {
        let since = self.offered.iter().map(|offered| offered.made).max();
        since.is_none_or(|made| self.heard > Some(made + UNDER_WAY))
    }

    /// All keys are gone.
    pub fn end(&mut self) {
        *self = Sessions::default();
    }

    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.start.is_none() && self.offered.is_empty()
    }

    /// Rows of the offered sessions as they stand.
    pub fn offered_changes(&self, contact: AccountBytes) -> Vec<Change> {
        (0..OFFERS)
            .map(|i| {
                let slot = OFFERED + i as u8;
                match self.offered.get(i) {
                    Some(offered) => {
                        let mut state = Vec::with_capacity(16 + PARCEL + 256);
                        state.extend_from_slice(&offered.offer);
                        state.extend_from_slice(&offered.answer[..]);
                        state.extend_from_slice(&offered.ratchet.to_bytes());
                        Change::PutSession(SessionRow {
                            contact,
                            slot,
                            state: SecretBytes::new(state),
                        })
                    }
                    None => Change::RemoveSession { contact, slot },
                }
            })
            .collect()
    }

    /// A session found in the store.
    ///
    /// # Errors
    /// If the row is not one of ours: the session is lost and a new one will be made.
    pub fn restore(&mut self, slot: u8, state: &[u8], now: Moment) -> Result<(), Rejected> {
        if slot == CURRENT {
            self.current = Some(Ratchet::from_bytes(state)?);
            return Ok(());
        }
        let (offer, rest) = state.split_first_chunk::<16>().ok_or(Rejected)?;
        let (answer, ratchet) = rest.split_first_chunk::<PARCEL>().ok_or(Rejected)?;
        self.offer(Offered {
            ratchet: Ratchet::from_bytes(ratchet)?,
            offer: *offer,
            answer: Box::new(*answer),
            made: now,
        });
        Ok(())
    }
}

/// The confirmed session's row.
pub fn current_row(contact: AccountBytes, state: impl Into<SecretBytes>) -> Change {
    Change::PutSession(SessionRow {
        contact,
        slot: CURRENT,
        state: state.into(),
    })
}

/// Every session row of a contact is removed.
pub fn remove_all(contact: AccountBytes) -> Vec<Change> {
    (CURRENT..OFFERED + OFFERS as u8)
        .map(|slot| Change::RemoveSession { contact, slot })
        .collect()
}

/// The rows of the offered sessions are removed.
pub fn remove_offered(contact: AccountBytes) -> Vec<Change> {
    (OFFERED..OFFERED + OFFERS as u8)
        .map(|slot| Change::RemoveSession { contact, slot })
        .collect()
}
