//! What both sides of the room share: links, routes, timers and the way out.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::timers::Timers;
use super::{CircuitOutput, Guard};
use crate::crypto::id::NodeId;
use crate::crypto::keys::NodeKey;
use crate::crypto::random::Stream;
use crate::node::link::{AssocId, BodyKind};
use crate::node::person::PersonEvent;
use crate::wire::circuit::closed;
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BLOCK, BODY, CIRCUIT_ID, NEIGHBOUR};

/// Outputs that wait to be fetched; the node drains them after each input, so this only guards. The newest is dropped.
const MAX_OUT: usize = 4096;
/// Circuit ids that one association may carry, own and others'.
const MAX_ROUTES: usize = 2048;
/// Marks ids chosen by the side that dialled the link, so that the two sides never choose the same.
const DIALLER: u32 = 1 << 31;

/// A shaped link that is up.
pub(super) struct Shaped {
    pub peer: Peer,
    /// By us.
    pub dialled: bool,
    /// Cells per second each way.
    pub rate: f64,
    /// Nothing came over it for so long that its other end is probably gone; it is not down yet.
    pub silent: bool,
}

/// Whose a circuit id on an association is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A relayed circuit; the association leads to its origin.
    Prev(u64),
    /// A relayed circuit; the association leads to its end.
    Next(u64),
    /// An own circuit.
    Origin(u64),
}

pub(super) struct Base {
    pub class: Class,
    pub lan: bool,
    pub key: Arc<NodeKey>,
    pub id: NodeId,
    pub links: BTreeMap<AssocId, Shaped>,
    /// As last given by the node, in its order.
    pub guards: Vec<Guard>,
    /// Nodes there are, by the node's estimate, this one included.
    pub nodes: usize,
    pub routes: BTreeMap<(AssocId, u32), Route>,
    pub timers: Timers,
    /// For what others' circuits need. Own circuits have a stream apart: what they draw would decide keys and numbers of others' otherwise, and
    /// nothing that a node does for others may follow from its own circuits.
    pub relay_random: Stream,
    pub own_random: Stream,
    pub schedule: Stream,
    pub topology: Stream,
    out: VecDeque<CircuitOutput>,
    forks: u64,
    /// Outputs lost because nobody fetched them.
    pub lost: u64,
}

impl Base {
    pub fn new(class: Class, lan: bool, key: Arc<NodeKey>, streams: super::CircuitStreams) -> Base {
        let id = key.id();
        Base {
            class,
            lan,
            key,
            id,
            links: BTreeMap::new(),
            guards: Vec::new(),
            nodes: 1,
            routes: BTreeMap::new(),
            timers: Timers::default(),
            own_random: streams.crypto.fork("own circuits", b"").forgetful(),
            relay_random: streams.crypto.forgetful(),
            schedule: streams.schedule,
            topology: streams.topology,
            out: VecDeque::new(),
            forks: 0,
            lost: 0,
        }
    }

    /// A context that no other fork of this run has, for own circuits.
    pub fn fork_context(&mut self) -> [u8; 8] {
        self.forks += 1;
        self.forks.to_be_bytes()
    }

    pub fn out(&mut self, output: CircuitOutput) {
        if self.out.len() < MAX_OUT {
            self.out.push_back(output);
        } else {
            self.lost += 1;
        }
    }

    pub fn person(&mut self, event: PersonEvent) {
        self.out(CircuitOutput::Person(event));
    }

    pub fn poll(&mut self) -> Option<CircuitOutput> {
        self.out.pop_front()
    }

    /// A block on a circuit. The circuit's id is its lane, so that circuits take turns on the link.
    pub fn send(&mut self, to: (AssocId, u32), block: &[u8; BLOCK]) {
        let mut body = Box::new([0; BODY]);
        body[..CIRCUIT_ID].copy_from_slice(&to.1.to_be_bytes());
        body[CIRCUIT_ID..].copy_from_slice(block);
        self.out(CircuitOutput::Send {
            assoc: to.0,
            kind: BodyKind::Circuit,
            lane: to.1,
            body,
        });
    }

    /// A body on a spur.
    pub fn raw(&mut self, assoc: AssocId, body: [u8; BODY]) {
        self.out(CircuitOutput::Send {
            assoc,
            kind: BodyKind::Circuit,
            lane: 0,
            body: Box::new(body),
        });
    }

    /// Tells the neighbour that a circuit is gone, if the link is there.
    pub fn close(&mut self, at: (AssocId, u32)) {
        if self.links.contains_key(&at.0) {
            let body = Box::new(closed(at.1));
            self.out(CircuitOutput::Send {
                assoc: at.0,
                kind: BodyKind::Control,
                lane: at.1,
                body,
            });
        }
    }

    /// A fresh circuit id on a link. `None` if the link is gone or full.
    pub fn new_circuit(&mut self, assoc: AssocId, route: Route) -> Option<(AssocId, u32)> {
        let mine = if self.links.get(&assoc)?.dialled {
            DIALLER
        } else {
            0
        };
        if self.routes.range((assoc, 0)..=(assoc, u32::MAX)).count() >= MAX_ROUTES {
            return None;
        }
        let random = match route {
            Route::Origin(_) => &mut self.own_random,
            Route::Prev(_) | Route::Next(_) => &mut self.relay_random,
        };
        loop {
            let at = (assoc, random.u32() & !DIALLER | mine);
            if let Entry::Vacant(free) = self.routes.entry(at) {
                free.insert(route);
                return Some(at);
            }
        }
    }

    /// Whether the other side of a link may have chosen this id.
    pub fn is_theirs(&self, at: (AssocId, u32)) -> bool {
        self.links
            .get(&at.0)
            .is_some_and(|link| link.dialled == (at.1 & DIALLER == 0))
    }

    /// Whether there is this link and its other end is heard.
    pub fn is_heard(&self, assoc: AssocId) -> bool {
        self.links.get(&assoc).is_some_and(|link| !link.silent)
    }

    /// Neighbours that can be named: with a link that is heard and a certificate.
    fn nameable(&self) -> impl Iterator<Item = &Guard> {
        self.guards
            .iter()
            .filter(|guard| guard.certificate.is_some() && self.is_heard(guard.assoc))
    }

    pub fn certified(&self) -> usize {
        self.nameable().count()
    }

    /// The neighbours at these places of the list, modulo its length; each once.
    pub fn neighbours(&self, ask: &[u8]) -> Vec<(u8, Box<[u8; NEIGHBOUR]>)> {
        let all: Vec<[u8; NEIGHBOUR]> = self
            .nameable()
            .filter_map(|guard| guard.certificate.as_ref().map(|c| c.bytes()))
            .take(usize::from(u8::MAX))
            .collect();
        let mut named: Vec<(u8, Box<[u8; NEIGHBOUR]>)> = Vec::new();
        for index in ask {
            let Some(at) = usize::from(*index).checked_rem(all.len()) else {
                break;
            };
            if named.iter().all(|(known, _)| usize::from(*known) != at) {
                named.push((at as u8, Box::new(all[at])));
            }
        }
        named
    }
}
