//! What a contact sends us, put in order: sequence, hash chain, parts, gaps.
//!
//! Pure: a step works on a copy, and the copy takes the place of the original once the store has it. A parcel counts as received when
//! it is next in the sequence and fits the chain; one that came early is kept as a part and asked for no more.
//! Not here: keys, acknowledgements, what a text or a request means.

use std::collections::{BTreeMap, VecDeque};

use zeroize::Zeroizing;

use crate::wire::parcel::{Body, Kind, Link, Meaning, RECEIPT_AHEAD, RECEIPT_LINKS, START};

/// Parts of one unit: 4000 bytes of text in pieces of at least 277 bytes (a cut may fall up to 3 bytes early).
const UNIT_PARTS: usize = 15;
/// Parts kept for a contact: one unit in progress and everything a receipt can name.
pub const PARTS: usize = 64;

const _: () = assert!(UNIT_PARTS + (RECEIPT_AHEAD as usize) < PARTS);
const _: () = assert!(UNIT_PARTS * 277 >= 4000);

/// One direction of a conversation, theirs to us.
#[derive(Clone)]
pub struct Inbox {
    /// Everything up to this sequence number is here.
    pub received: u32,
    /// Links of `received` and those before it, newest first.
    links: VecDeque<Link>,
    /// Parcels that will never come, not shown before a message yet.
    pub missing: u32,
    /// Those up to `received` belong to the unit in progress, those above came early.
    parts: BTreeMap<u32, Body>,
}

/// A whole unit, in its order.
pub struct Unit {
    pub kind: Kind,
    pub bytes: Zeroizing<Vec<u8>>,
    /// Sequence number of its last parcel.
    pub sequence: u32,
    /// What stood before its last parcel.
    pub previous: Link,
    /// Parcels missing before it.
    pub gap: u32,
}

/// A change of the kept parts.
#[derive(Debug, PartialEq, Eq)]
pub enum PartChange {
    Keep(u32),
    Drop { from: u32, to: u32 },
}

/// What taking a parcel led to.
#[derive(Default)]
pub struct Taken {
    pub units: Vec<Unit>,
    pub changes: Vec<PartChange>,
    /// Parcels of this step that could not be read and were put aside.
    pub aside: u32,
}

pub enum Step {
    /// Too far ahead, or no place to keep it: as if it had never come.
    Refused,
    /// We had it (or another one with its number): the sender needs a receipt.
    Known,
    Took(Taken),
}

impl Inbox {
    /// So many parcels will never be shown: the conversation says so before its next message.
    pub fn miss(&mut self, parcels: u32) {
        self.missing = self.missing.saturating_add(parcels);
    }

    pub fn new() -> Inbox {
        Inbox {
            received: 0,
            links: VecDeque::new(),
            missing: 0,
            parts: BTreeMap::new(),
        }
    }

    pub fn restore(received: u32, links: Vec<Link>, missing: u32) -> Inbox {
        Inbox {
            received,
            links: links.into_iter().take(RECEIPT_LINKS).collect(),
            missing,
            parts: BTreeMap::new(),
        }
    }

    /// A part found in the store.
    pub fn restore_part(&mut self, body: Body) {
        if self.parts.len() < PARTS {
            self.parts.insert(body.sequence(), body);
        }
    }

    /// Link of the last parcel received.
    pub fn link(&self) -> Link {
        self.links.front().copied().unwrap_or(START)
    }

    /// Newest first.
    pub fn links(&self) -> Vec<Link> {
        self.links.iter().copied().collect()
    }

    pub fn part(&self, sequence: u32) -> Option<&Body> {
        self.parts.get(&sequence)
    }

    /// Bit i: the parcel `received + 2 + i` came early.
    pub fn ahead(&self) -> u32 {
        let mut map = 0;
        let first = self.received.saturating_add(2);
        for (sequence, _) in self.parts.range(first..) {
            let bit = sequence - first;
            if bit < RECEIPT_AHEAD {
                map |= 1 << bit;
            }
        }
        map
    }

    /// The unit in progress and everything that came early is gone.
    pub fn forget_parts(&mut self) {
        self.parts.clear();
    }

    /// Takes a parcel of the sequence. `in_order_only`: a stranger's parcels are not kept before their turn.
    pub fn take(&mut self, body: Body, in_order_only: bool) -> Step {
        let sequence = body.sequence();
        let next = self.received.saturating_add(1);
        if sequence == 0 || sequence <= self.received {
            return Step::Known;
        }
        let allowed = if in_order_only { 0 } else { RECEIPT_AHEAD };
        if sequence - next > allowed {
            return Step::Refused;
        }
        if let Some(held) = self.parts.get(&sequence)
            && held.link() == body.link()
        {
            return Step::Known;
        }
        self.parts.insert(sequence, body);
        let mut taken = Taken::default();
        taken.changes.push(PartChange::Keep(sequence));
        self.advance(&mut taken);
        Step::Took(taken)
    }

    /// The sender has nothing any more up to `up_to`, whose link is `link`.
    pub fn skip(&mut self, up_to: u32, link: Link) -> Option<Taken> {
        if up_to <= self.received {
            return None;
        }
        // Before the first parcel there is no conversation that could have a hole.
        if self.received > 0 {
            self.missing = self.missing.saturating_add(up_to - self.received);
        }
        self.received = up_to;
        self.links = VecDeque::from([link]);
        let mut taken = Taken::default();
        self.drop_parts(0, up_to, &mut taken);
        self.advance(&mut taken);
        Some(taken)
    }

    fn drop_parts(&mut self, from: u32, to: u32, taken: &mut Taken) {
        let before = self.parts.len();
        self.parts
            .retain(|sequence, _| *sequence < from || *sequence > to);
        if self.parts.len() != before {
            taken.changes.push(PartChange::Drop { from, to });
        }
    }

    fn advance(&mut self, taken: &mut Taken) {
        while let Some(next) = self.received.checked_add(1) {
            let Some(body) = self.parts.get(&next) else {
                return;
            };
            if body.previous() != self.link() {
                // Another past than ours: the sender lost its state. Nothing of that past is kept; our receipt shows where we stand.
                self.drop_parts(next, u32::MAX, taken);
                return;
            }
            let (link, previous) = (body.link(), body.previous());
            self.received = next;
            self.links.push_front(link);
            self.links.truncate(RECEIPT_LINKS);
            self.settle(next, previous, taken);
        }
    }

    /// `sequence` was just received: closes the unit it belongs to, or leaves it in progress.
    fn settle(&mut self, sequence: u32, previous: Link, taken: &mut Taken) {
        let started = self.parts.range(..sequence).next().is_some();
        let piece = match self.parts.get(&sequence).map(Body::meaning) {
            Some(Ok(Meaning::Piece { piece, .. })) => piece,
            _ => {
                self.put_aside(sequence, taken);
                return;
            }
        };
        if piece.first && started {
            self.drop_parts(0, sequence - 1, taken);
            self.missing = self.missing.saturating_add(1);
            taken.aside += 1;
        } else if !piece.first && !started {
            self.put_aside(sequence, taken);
            return;
        }
        let parts = self.parts.range(..=sequence).count();
        if piece.last {
            let mut bytes = Zeroizing::new(Vec::with_capacity(parts * crate::wire::size::TEXT));
            for (_, body) in self.parts.range(..=sequence) {
                if let Ok(Meaning::Piece { text, .. }) = body.meaning() {
                    bytes.extend_from_slice(text);
                }
            }
            self.drop_parts(0, sequence, taken);
            taken.units.push(Unit {
                kind: piece.kind,
                bytes,
                sequence,
                previous,
                gap: std::mem::take(&mut self.missing),
            });
        } else if parts >= UNIT_PARTS {
            self.put_aside(sequence, taken);
        }
    }

    /// What stands up to `sequence` cannot be read: it has had its place and is gone.
    fn put_aside(&mut self, sequence: u32, taken: &mut Taken) {
        self.drop_parts(0, sequence, taken);
        self.missing = self.missing.saturating_add(1);
        taken.aside += 1;
    }
}

#[cfg(test)]
mod tests;
