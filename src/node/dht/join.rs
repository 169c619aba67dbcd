//! Coming into the ring.
//!
//! A look-up for the own position goes in through a gateway; the owner's leaf set, each member of it asked by an own round
//! trip, becomes the own one. Until then this node answers for no key. A node without entries is a ring of its own. Two nodes
//! that wait for each other end the wait by the order of their names.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crypto::id::NodeId;
use crate::wire::dht::{Message, RecordBytes};
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::time::{Moment, Now};

use super::requests::Why;
use super::routing::Origin;
use super::{Dht, DhtOutput, Members, Timer};

/// Gateways tried in turn; the newest are kept.
const GATEWAYS_MAX: usize = 16;
/// Seconds until the next gateway is tried. The first three are short because a lost cell must not cost a newcomer ten seconds;
/// from then on ten, doubling to sixty.
const RETRIES: [f64; 7] = [0.6, 1.2, 2.4, 10.0, 20.0, 40.0, 60.0];
/// How long the leaf set is gathered at most: a stranger's first timeout and half as long again. Whoever is missing then comes with the first
/// exchanges; where many start at once, some candidate is always still to answer.
const GATHER: Duration = Duration::from_millis(1500);
/// Tries after which two nodes that wait for each other end the wait.
const TRIES_BEFORE_ALONE: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not started, or the address is not known.
    Idle,
    Seeking,
    /// Asking the members of the owner's leaf set.
    Gathering {
        owner_answered: bool,
    },
    Ready,
}

pub(super) struct Joining {
    phase: Phase,
    started: bool,
    gateways: Vec<Peer>,
    next: usize,
    tries: usize,
    /// Gateways that wait themselves.
    waiting: BTreeSet<NodeId>,
}

impl Joining {
    pub fn new() -> Joining {
        Joining {
            phase: Phase::Idle,
            started: false,
            gateways: Vec::new(),
            next: 0,
            tries: 0,
            waiting: BTreeSet::new(),
        }
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub fn gateways(&self) -> &[Peer] {
        &self.gateways
    }

    fn add(&mut self, peer: Peer) {
        self.gateways.retain(|known| known.node != peer.node);
        if self.gateways.len() >= GATEWAYS_MAX {
            self.gateways.remove(0);
        }
        self.gateways.push(peer);
    }
}

impl Dht {
    pub(super) fn begin(&mut self, now: Now, entries: &[Peer]) {
        let own = self.key.id();
        for entry in entries.iter().filter(|entry| entry.node != own) {
            self.joining.add(*entry);
        }
        self.joining.started = true;
        if self.record.is_none() {
            return;
        }
        if self.joining.phase == Phase::Idle {
            self.born = now.at;
            self.seek(now);
        } else if self.joining.phase == Phase::Ready && self.members.is_empty() {
            // A ring of one that hears of others.
            self.timers.set(Timer::Partition, now.at);
        }
    }

    /// The address became known or changed: the old place and its neighbourhood are left.
    pub(super) fn move_to(&mut self, now: Now, own: Position) {
        let old: Vec<Peer> = self.members.iter().map(|(_, m)| m.record.peer()).collect();
        for peer in old.iter().take(GATEWAYS_MAX) {
            self.joining.add(*peer);
        }
        let positions: Vec<Position> = self.members.iter().map(|(p, _)| *p).collect();
        for position in positions {
            self.timers.clear(&Timer::Ping(position));
        }
        self.members = Members::new(own, self.config.lan);
        self.candidates.clear();
        for timer in [Timer::Leaves, Timer::Near, Timer::Far, Timer::Partition] {
            self.timers.clear(&timer);
        }
        if self.joining.started {
            self.born = now.at;
            self.seek(now);
        }
    }

    fn seek(&mut self, now: Now) {
        self.abandon(Origin::Join);
        if self.joining.gateways.is_empty() {
            self.become_ready(now);
            return;
        }
        self.joining.phase = Phase::Seeking;
        self.joining.tries = 0;
        self.joining.waiting.clear();
        self.timers.set(Timer::Join, now.at);
    }

    pub(super) fn on_join_timer(&mut self, now: Now) {
        match self.joining.phase {
            Phase::Idle | Phase::Ready => {}
            Phase::Gathering { .. } if !self.members.is_empty() => self.become_ready(now),
            Phase::Gathering { .. } | Phase::Seeking => self.try_next_gateway(now),
        }
    }

    fn try_next_gateway(&mut self, now: Now) {
        self.joining.phase = Phase::Seeking;
        self.abandon(Origin::Join);
        let count = self.joining.gateways.len();
        if count == 0 {
            self.become_ready(now);
            return;
        }
        let gateway = self.joining.gateways[self.joining.next % count];
        self.joining.next = (self.joining.next + 1) % count;
        let tries = self.joining.tries;
        self.joining.tries += 1;
        let wait = RETRIES[tries.min(RETRIES.len() - 1)];
        let wait = Duration::from_secs_f64(wait * (0.75 + 0.5 * self.schedule.unit()));
        self.timers.set(Timer::Join, now.at + wait);
        // After three tries the owner itself may be what is broken: any place on the ring will do to begin with.
        let own = self.members.own();
        let key = if tries < 3 {
            own
        } else {
            Position(self.topology.bytes())
        };
        self.launch(now, key, Origin::Join, Some(gateway));
        self.ping(now, gateway, Why::Candidate);
    }

    /// Somebody wants to join through this node, which has not joined itself.
    pub(super) fn joiner_seen(&mut self, now: Now, from: Peer) {
        if self.joining.phase != Phase::Seeking {
            return;
        }
        let known = self.joining.gateways.iter().any(|g| g.node == from.node);
        // Strangers do not push out the entries this node was given.
        if !known && self.joining.gateways.len() < GATEWAYS_MAX {
            self.joining.add(from);
            let soon = now.at + Duration::from_secs(1);
            if self
                .timers
                .get(&Timer::Join)
                .is_none_or(|planned| planned > soon)
            {
                self.timers.set(Timer::Join, soon);
            }
        }
    }

    /// A gateway says that it is in the ring now: no need to wait for the clock.
    pub(super) fn gateway_ready(&mut self, now: Now, from: &Peer) {
        if self.joining.phase != Phase::Seeking {
            return;
        }
        let waited_for = self.joining.waiting.remove(&from.node);
        let mut known = self.joining.gateways.iter();
        if let Some(at) = known.position(|g| g.node == from.node)
            && waited_for
        {
            self.joining.next = at;
            self.timers.set(Timer::Join, now.at);
        }
    }

    pub(super) fn gateway_not_ready(&mut self, now: Now, from: Peer) {
        if self.joining.phase != Phase::Seeking {
            return;
        }
        self.joining.waiting.insert(from.node);
        let own = self.key.id();
        let first = self.joining.waiting.iter().all(|other| own < *other);
        if first && self.joining.tries >= TRIES_BEFORE_ALONE {
            self.become_ready(now);
        }
    }

    /// The owner of the own position is known: its leaf set is asked for, and its neighbours are asked themselves.
    pub(super) fn place_found(&mut self, now: Now, records: &[RecordBytes]) {
        if self.joining.phase != Phase::Seeking {
            return;
        }
        let mut asked = false;
        for bytes in records {
            let Ok(record) = self.admission.check(now, bytes) else {
                continue;
            };
            if record.node() == self.key.id() {
                continue;
            }
            if asked {
                self.offer(now, bytes);
            } else {
                asked = self.ask_leaves(now, record.peer());
            }
        }
        if asked {
            self.joining.phase = Phase::Gathering {
                owner_answered: false,
            };
            self.timers.set(Timer::Join, now.at + GATHER);
        }
    }

    pub(super) fn ask_leaves(&mut self, now: Now, to: Peer) -> bool {
        let Some(record) = self.own_bytes() else {
            return false;
        };
        let ready = self.is_ready();
        let digests = self.leaf_digests(now.at);
        self.ask(now, to, Why::Exchange, false, |tag| Message::Leaves {
            tag,
            ready,
            record,
            digests,
        })
        .is_some()
    }

    pub(super) fn owner_answered(&mut self) {
        if let Phase::Gathering { owner_answered } = &mut self.joining.phase {
            *owner_answered = true;
        }
    }

    /// Joined as soon as every member of the leaf set has answered or given up.
    pub(super) fn joined_if_gathered(&mut self, now: Now) {
        if self.joining.phase
            == (Phase::Gathering {
                owner_answered: true,
            })
            && !self.members.is_empty()
            && !self.waits_for(|why| matches!(why, Why::Candidate | Why::Exchange))
        {
            self.become_ready(now);
        }
    }

    fn become_ready(&mut self, now: Now) {
        self.joining.phase = Phase::Ready;
        self.abandon(Origin::Join);
        self.timers.clear(&Timer::Join);
        self.start_clocks(now);
        // The neighbours learn of this node at once, not by and by: until they do, they answer for its keys.
        for position in self.members.leaves() {
            self.timers.set(Timer::Ping(position), now.at);
        }
        // Nor need those wait that this node waited with.
        let waiting = std::mem::take(&mut self.joining.waiting);
        for peer in self.strangers() {
            if waiting.contains(&peer.node) {
                self.ping(now, peer, Why::Candidate);
            }
        }
        self.push(DhtOutput::Joined);
    }

    /// Nodes that may belong to another ring: gateways and lost members that are no members now.
    pub(super) fn strangers(&self) -> Vec<Peer> {
        let known = self.joining.gateways().iter().chain(self.down.iter());
        let mut peers: Vec<Peer> = known
            .filter(|peer| self.members.find(&peer.node).is_none())
            .copied()
            .collect();
        peers.sort();
        peers.dedup();
        peers
    }

    /// For `upkeep`: when this node began, for the quick first half minute.
    pub(super) fn age(&self, now: Moment) -> Duration {
        now.since(self.born)
    }
}
