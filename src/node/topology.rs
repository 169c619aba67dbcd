//! Which shaped links a node has, and when it dials them.
//!
//! Links are not a free choice. Chosen link `i` of node X goes to the owner of the ring position H(rule, X's position, i, day), or to one
//! of the owner's two ring neighbours if that one is X itself, in the network of a neighbour or unreachable. X's key is not in the hash, so nobody can grind keys for friendly
//! neighbours (Tarzan's mimics). A link lives until it fails, and it is replaced on the topology clock only: that clock reads nothing but its own
//! stream of random numbers, the ring records and the links, never what the person does.
//!
//! Not here: the links themselves (`link`), the ring (`dht`), what runs over them (`circuit`).

use std::collections::BTreeMap;

use crate::crypto::random::Stream;
use crate::node::link::AssocId;
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::time::Moment;

/// Links a node chooses. With as many accepted on average, a walk of three to five hops mixes over the whole graph (end-point entropy after
/// 5 steps on an 8-link graph of 1 000 nodes: 9.9 of 9.97 bits).
pub const CHOSEN: usize = 4;
/// How many nodes may take the owner's place: its neighbours on the ring, as its answer names them.
pub const SUBSTITUTES: usize = 2;
/// Mean seconds between two ticks of the topology clock: a lost link is replaced soon enough, and a burst of failures does not become a burst of
/// handshakes.
const TICK: f64 = 10.0;
/// The same while the node is young, so that joining is quick; always, so that it says nothing.
const YOUNG_TICK: f64 = 0.25;
/// How long a node is young, seconds.
const YOUNG: f64 = 20.0;
/// A candidate that could not be reached is left alone for this long, seconds.
const SHUN: f64 = 120.0;
/// Candidates remembered as unreachable; when full the oldest is forgotten.
const SHUNNED: usize = 64;
/// Names the places of chosen links.
const LINK_RULE: &str = "paratox link rule v1";

/// What a slot of the chosen links is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Empty,
    /// A look-up for its owner is under way.
    Seeking {
        since: Moment,
    },
    Dialling {
        assoc: AssocId,
        peer: Peer,
    },
    Up {
        assoc: AssocId,
        peer: Peer,
    },
}

/// What the topology wants done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wish {
    /// Find the owner of this ring position; tell the answer to `handle_owner`.
    Seek { slot: usize, position: Position },
}

/// The chosen links of one node and their clock.
pub struct Topology {
    clock: Stream,
    started: Moment,
    next: Moment,
    slots: [Slot; CHOSEN],
    shunned: BTreeMap<Peer, Moment>,
}

impl Topology {
    pub fn new(clock: Stream, now: Moment) -> Topology {
        let mut topology = Topology {
            clock,
            started: now,
            next: now,
            slots: [Slot::Empty; CHOSEN],
            shunned: BTreeMap::new(),
        };
        topology.next = topology.draw(now);
        topology
    }

    fn draw(&mut self, now: Moment) -> Moment {
        let young = now.since(self.started).as_secs_f64() < YOUNG;
        now.after_seconds(
            self.clock
                .exponential(if young { YOUNG_TICK } else { TICK }),
        )
    }

    pub fn next_timeout(&self) -> Moment {
        self.next
    }

    /// One tick: the first slot without a link, in order, is worked on. At most one dial a tick.
    pub fn handle_timeout(
        &mut self,
        now: Moment,
        own: Option<Position>,
        day: u32,
        joined: bool,
    ) -> Option<Wish> {
        if now < self.next {
            return None;
        }
        self.next = self.draw(now);
        let own = own.filter(|_| joined)?;
        self.shunned
            .retain(|_, since| now.since(*since).as_secs_f64() < SHUN);
        for slot in &mut self.slots {
            // A look-up that was never answered does not block its slot for ever.
            if let Slot::Seeking { since } = slot
                && now.since(*since).as_secs_f64() > 5.0
            {
                *slot = Slot::Empty;
            }
        }
        let slot = self.slots.iter().position(|s| matches!(s, Slot::Empty))?;
        self.slots[slot] = Slot::Seeking { since: now };
        Some(Wish::Seek {
            slot,
            position: link_position(&own, slot, day),
        })
    }

    /// The owner of a slot's position and its successors, nearest first. Returns whom to dial, if anybody fits.
    pub fn handle_owner(
        &mut self,
        slot: usize,
        candidates: &[Peer],
        fits: impl Fn(&Peer) -> bool,
    ) -> Option<Peer> {
        if !matches!(self.slots.get(slot), Some(Slot::Seeking { .. })) {
            return None;
        }
        self.slots[slot] = Slot::Empty;
        candidates
            .iter()
            .take(1 + SUBSTITUTES)
            .find(|peer| {
                !self.shunned.contains_key(peer)
                    && fits(peer)
                    && !self.slots.iter().any(|s| matches!(s, Slot::Dialling { peer: p, .. } | Slot::Up { peer: p, .. } if p.node == peer.node))
            })
            .copied()
    }

    pub fn handle_dialling(&mut self, slot: usize, assoc: AssocId, peer: Peer) {
        self.slots[slot] = Slot::Dialling { assoc, peer };
    }

    pub fn handle_up(&mut self, up: AssocId) {
        for slot in &mut self.slots {
            if let Slot::Dialling { assoc, peer } = *slot
                && assoc == up
            {
                *slot = Slot::Up { assoc, peer };
            }
        }
    }

    /// A link died or could not be dialled: its slot is free for the next tick, its peer is left alone for a while.
    pub fn handle_down(&mut self, now: Moment, down: AssocId) {
        for slot in &mut self.slots {
            if let Slot::Dialling { assoc, peer } | Slot::Up { assoc, peer } = *slot
                && assoc == down
            {
                *slot = Slot::Empty;
                if self.shunned.len() >= SHUNNED
                    && let Some(oldest) = self
                        .shunned
                        .iter()
                        .min_by_key(|(_, since)| **since)
                        .map(|(p, _)| *p)
                {
                    self.shunned.remove(&oldest);
                }
                self.shunned.insert(peer, now);
            }
        }
    }

    /// Chosen links that are up, in the order of their slots.
    pub fn chosen(&self) -> impl Iterator<Item = AssocId> + '_ {
        self.slots.iter().filter_map(|s| match s {
            Slot::Up { assoc, .. } => Some(*assoc),
            _ => None,
        })
    }
}

/// Where chosen link `slot` of the node at `own` goes on `day`.
pub fn link_position(own: &Position, slot: usize, day: u32) -> Position {
    Position::hash(LINK_RULE, &[&own.0, &[slot as u8], &day.to_be_bytes()])
}
