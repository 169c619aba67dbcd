//! Which shaped links a node has, and when it dials them.
//!
//! Links are not a free choice. Chosen link `i` of node X goes to the owner of the ring position H(rule, X's position, i, day), or to one
//! of the owner's two ring neighbours if that one is X itself, in the network of a neighbour or unreachable. X's key is not in the hash, so nobody can grind keys for friendly
//! neighbours (Tarzan's mimics). A link lives until it fails. One that fell silent is called again before its place is given to another, for a
//! suspended machine or a network that was away for a minute makes all links silent at once. All this happens on the topology clock only: it reads
//! nothing but its own stream of random numbers, the ring records and the links, never what the person does.
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
/// The same for a while where links are missing altogether: at a node's start, from the moment on at which the last chosen link is lost, and
/// again from that at which the first is back. Not for ever: a node whose network is away does not knock four times a second.
const QUICK_TICK: f64 = 0.25;
/// How long that while is, seconds.
const QUICK: f64 = 20.0;
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
    /// Its link fell silent: the same node is called again.
    Lost {
        peer: Peer,
    },
    /// A look-up for its owner is under way.
    Seeking {
        since: Moment,
    },
    Dialling {
        assoc: AssocId,
        peer: Peer,
        again: bool,
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
    /// Call this node, which was a neighbour.
    CallAgain { slot: usize, peer: Peer },
}

/// How the link or call of a slot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was up, and nothing came any more.
    FellSilent,
    /// The call was not answered.
    NoAnswer,
    /// The other end said no or good-bye, or this one did.
    Said,
}

/// The chosen links of one node and their clock.
pub struct Topology {
    clock: Stream,
    /// Since when the clock is quick, or was.
    quick_since: Moment,
    next: Moment,
    slots: [Slot; CHOSEN],
    /// Where the next look for a slot without a link begins.
    turn: usize,
    shunned: BTreeMap<Peer, Moment>,
}

impl Topology {
    pub fn new(clock: Stream, now: Moment) -> Topology {
        let mut topology = Topology {
            clock,
            quick_since: now,
            next: now,
            slots: [Slot::Empty; CHOSEN],
            turn: 0,
            shunned: BTreeMap::new(),
        };
        topology.next = topology.draw(now);
        topology
    }

    fn draw(&mut self, now: Moment) -> Moment {
        let quick = now.since(self.quick_since).as_secs_f64() < QUICK;
        let mean = if quick { QUICK_TICK } else { TICK };
        now.after_seconds(self.clock.exponential(mean))
    }

    /// From now on for a while.
    fn quicken(&mut self, now: Moment) {
        self.quick_since = now;
        self.next = self.draw(now).min(self.next);
    }

    pub fn next_timeout(&self) -> Moment {
        self.next
    }

    /// One tick: one slot without a link is worked on, one after the other. At most one dial a tick. `own`: the own position, once the ring is
    /// joined; `fits`: whether a node may be linked beside the links there are.
    pub fn handle_timeout(
        &mut self,
        now: Moment,
        own: Option<Position>,
        day: u32,
        fits: impl Fn(&Peer) -> bool,
    ) -> Option<Wish> {
        if now < self.next {
            return None;
        }
        self.next = self.draw(now);
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
        let free = |at: &usize| match self.slots[*at] {
            Slot::Empty => own.is_some(),
            Slot::Lost { .. } => true,
            Slot::Seeking { .. } | Slot::Dialling { .. } | Slot::Up { .. } => false,
        };
        let slot = (0..CHOSEN).map(|n| (self.turn + n) % CHOSEN).find(free)?;
        self.turn = slot + 1;
        if let Slot::Lost { peer } = self.slots[slot] {
            if fits(&peer) {
                return Some(Wish::CallAgain { slot, peer });
            }
            self.slots[slot] = Slot::Empty;
        }
        let own = own?;
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
        let again = matches!(self.slots[slot], Slot::Lost { .. });
        self.slots[slot] = Slot::Dialling { assoc, peer, again };
    }

    pub fn handle_up(&mut self, now: Moment, up: AssocId) {
        let was_alone = self.chosen().next().is_none();
        for slot in &mut self.slots {
            if let Slot::Dialling { assoc, peer, .. } = *slot
                && assoc == up
            {
                *slot = Slot::Up { assoc, peer };
            }
        }
        if was_alone && self.chosen().next().is_some() {
            self.quicken(now);
        }
    }

    /// A link died or could not be dialled. Its slot waits for the next tick: for the same node, if it was a neighbour and might be still, else
    /// for another, and this one is left alone for a while. `alone`: nothing is heard over any link, so that silence says nothing about a node.
    pub fn handle_down(&mut self, now: Moment, down: AssocId, ending: Ending, alone: bool) {
        let had_links = self.chosen().next().is_some();
        for slot in &mut self.slots {
            let (assoc, peer, linked) = match *slot {
                Slot::Dialling { assoc, peer, again } => (assoc, peer, again),
                Slot::Up { assoc, peer } => (assoc, peer, true),
                Slot::Empty | Slot::Lost { .. } | Slot::Seeking { .. } => continue,
            };
            if assoc != down {
                continue;
            }
            let excused = ending == Ending::NoAnswer && alone;
            if linked && (excused || ending == Ending::FellSilent) {
                *slot = Slot::Lost { peer };
                continue;
            }
            *slot = Slot::Empty;
            if !excused {
                shun(&mut self.shunned, peer, now);
            }
        }
        if had_links && self.chosen().next().is_none() {
            self.quicken(now);
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

fn shun(shunned: &mut BTreeMap<Peer, Moment>, peer: Peer, now: Moment) {
    if shunned.len() >= SHUNNED
        && let Some(oldest) = shunned
            .iter()
            .min_by_key(|(_, since)| **since)
            .map(|(peer, _)| *peer)
    {
        shunned.remove(&oldest);
    }
    shunned.insert(peer, now);
}

/// Where chosen link `slot` of the node at `own` goes on `day`.
pub fn link_position(own: &Position, slot: usize, day: u32) -> Position {
    Position::hash(LINK_RULE, &[&own.0, &[slot as u8], &day.to_be_bytes()])
}

#[cfg(test)]
mod tests;
