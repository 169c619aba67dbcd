//! The far end of utility circuits: sealed requests go to the node they name, answers come back into the right circuit.
//!
//! And the other side: sealed requests that reach this node are opened, answered from the value store, sealed and sent back. Not here:
//! the store (`node::dht`), which sees only what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::allowance::Allowance;
use super::seal::Question;
use super::strangers::Call;
use crate::crypto::id::NodeId;
use crate::crypto::keys::NodeKey;
use crate::crypto::random::Stream;
use crate::wire::peer::Peer;
use crate::wire::size::{BODY, POINT, QUERY, SEALED};
use crate::wire::time::Moment;

/// First byte of a body on a contact session: a sealed request, a sealed answer.
pub const REQUEST: u8 = 0x40;
pub const ANSWER: u8 = 0x41;

/// Requests on their way for all circuits; the oldest is forgotten, its origin asks again.
const MAX_ASKED: usize = 512;
/// Requests of one circuit on their way; one more is dropped.
const MAX_A_CIRCUIT: usize = 32;
/// Seconds after which an answer is no longer waited for.
const PATIENCE: f64 = 30.0;
/// Requests waiting for the store: it answers at once, so this is only a guard.
const MAX_OPEN: usize = 64;
/// Requests held back until an address was heard for the first time; one more is dropped.
const MAX_HELD: usize = 4;
/// Addresses that requests are held back for; one more is not waited for.
const MAX_HELD_ADDRESSES: usize = 64;
/// Sealed requests opened a second, and saved up to: each costs about a millisecond of curve work, so this is a tenth of a core. A node is asked
/// as often as it asks, once or twice a second. More are not looked at, and whoever asked asks another replica.
const QUESTIONS: f64 = 100.0;
const QUESTIONS_AT_ONCE: f64 = 200.0;
/// The same for one node that asks: one flood does not stop the others.
const QUESTIONS_OF_ONE: f64 = 20.0;
const QUESTIONS_OF_ONE_AT_ONCE: f64 = 60.0;
/// Nodes counted at once: as many as have sessions. One more is not answered.
const MAX_ASKERS: usize = crate::node::link::CONTACTS;

/// A body and whom it goes to.
pub(super) type Outgoing = (Peer, Box<[u8; BODY]>);

struct OnItsWay {
    circuit: u64,
    asked: [u8; POINT],
    to: Peer,
    until: Moment,
}

enum AnswerTo {
    Peer(Peer, u32),
    /// The target of a query is the circuit's end itself.
    Own(u32),
}

struct Open {
    question: Question,
    to: AnswerTo,
}

/// Where a sealed answer has to go.
pub(super) enum Answered {
    Send {
        to: Peer,
        body: Box<[u8; BODY]>,
    },
    Circuit {
        circuit: u64,
        asked: [u8; POINT],
        sealed: Box<[u8; SEALED]>,
    },
}

pub(super) struct Forwarder {
    on_their_way: BTreeMap<u32, OnItsWay>,
    order: VecDeque<u32>,
    open: BTreeMap<u64, Open>,
    next_token: u64,
    questions: Allowance,
    askers: BTreeMap<NodeId, Allowance>,
    held: BTreeMap<SocketAddr, Vec<Outgoing>>,
    random: Stream,
}

fn body(kind: u8, id: u32, sealed: &[u8; SEALED]) -> Box<[u8; BODY]> {
    let mut body = Box::new([0; BODY]);
    body[0] = kind;
    body[1..5].copy_from_slice(&id.to_be_bytes());
    body[5..5 + SEALED].copy_from_slice(sealed);
    body
}

impl Forwarder {
    pub fn new(random: Stream) -> Forwarder {
        Forwarder {
            on_their_way: BTreeMap::new(),
            order: VecDeque::new(),
            open: BTreeMap::new(),
            next_token: 0,
            questions: Allowance::new(QUESTIONS, QUESTIONS_AT_ONCE, Moment(0)),
            askers: BTreeMap::new(),
            held: BTreeMap::new(),
            random,
        }
    }

    /// This address sent something that opened: what was held back for it may go now.
    pub fn heard(&mut self, addr: SocketAddr) -> Vec<Outgoing> {
        self.held.remove(&addr).unwrap_or_default()
    }

    fn hold(&mut self, to: Peer, body: Box<[u8; BODY]>) {
        if !self.held.contains_key(&to.addr) && self.held.len() >= MAX_HELD_ADDRESSES {
            return;
        }
        let held = self.held.entry(to.addr).or_default();
        if held.len() < MAX_HELD {
            held.push((to, body));
        }
    }

    fn note(&mut self, now: Moment, circuit: u64, to: Peer, asked: [u8; POINT]) -> Option<u32> {
        while let Some(oldest) = self.order.front() {
            let over = self
                .on_their_way
                .get(oldest)
                .is_none_or(|way| way.until <= now);
            if !over && self.on_their_way.len() < MAX_ASKED {
                break;
            }
            self.on_their_way.remove(oldest);
            self.order.pop_front();
        }
        if self
            .on_their_way
            .values()
            .filter(|way| way.circuit == circuit)
            .count()
            >= MAX_A_CIRCUIT
        {
            return None;
        }
        let id = loop {
            let id = self.random.u32();
            if !self.on_their_way.contains_key(&id) {
                break id;
            }
        };
        let way = OnItsWay {
            circuit,
            asked,
            to,
            until: now.after_seconds(PATIENCE),
        };
        self.on_their_way.insert(id, way);
        self.order.push_back(id);
        Some(id)
    }

    /// A query came out of a circuit that ends here. The body to send to `to`, if it may go now.
    pub fn query(
        &mut self,
        now: Moment,
        circuit: u64,
        to: Peer,
        sealed: &[u8; SEALED],
        call: Call,
    ) -> Option<Box<[u8; BODY]>> {
        let id = self.note(now, circuit, to, name(sealed))?;
        let body = body(REQUEST, id, sealed);
        match call {
            Call::Known => return Some(body),
            Call::First => {
                // What was held for it since its last silence is stale by now.
                self.held.remove(&to.addr);
                return Some(body);
            }
            Call::NotNow => self.hold(to, body),
        }
        None
    }

    /// A query for this very node came out of a circuit that ends here: to be asked of the store.
    pub fn query_own(
        &mut self,
        now: Moment,
        own: &NodeKey,
        circuit: u64,
        sealed: &[u8; SEALED],
    ) -> Option<(u64, Box<[u8; QUERY]>)> {
        let to = Peer {
            node: own.id(),
            addr: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        if !self.questions.take(now) {
            return None;
        }
        let id = self.note(now, circuit, to, name(sealed))?;
        self.ask(own, AnswerTo::Own(id), sealed)
    }

    /// A sealed request came over a contact session: to be asked of the store.
    pub fn request(
        &mut self,
        now: Moment,
        own: &NodeKey,
        from: Peer,
        bytes: &[u8; BODY],
    ) -> Option<(u64, Box<[u8; QUERY]>)> {
        if !self.may_ask(now, &from.node) || !self.questions.take(now) {
            return None;
        }
        let (id, sealed) = split(bytes);
        self.ask(own, AnswerTo::Peer(from, id), &sealed)
    }

    /// Whether this node's questions are not too many.
    fn may_ask(&mut self, now: Moment, node: &NodeId) -> bool {
        if !self.askers.contains_key(node) {
            if self.askers.len() >= MAX_ASKERS {
                self.askers.retain(|_, allowance| !allowance.is_whole(now));
            }
            if self.askers.len() >= MAX_ASKERS {
                return false;
            }
        }
        let of_one = || Allowance::new(QUESTIONS_OF_ONE, QUESTIONS_OF_ONE_AT_ONCE, now);
        self.askers.entry(*node).or_insert_with(of_one).take(now)
    }

    fn ask(
        &mut self,
        own: &NodeKey,
        to: AnswerTo,
        sealed: &[u8; SEALED],
    ) -> Option<(u64, Box<[u8; QUERY]>)> {
        let (question, body) = Question::open(own, sealed).ok()?;
        if self.open.len() >= MAX_OPEN {
            self.open.pop_first();
        }
        self.next_token += 1;
        self.open.insert(self.next_token, Open { question, to });
        Some((self.next_token, body))
    }

    /// The store answered.
    pub fn answered(
        &mut self,
        own: &NodeKey,
        token: u64,
        answer: &[u8; QUERY],
    ) -> Option<Answered> {
        let open = self.open.remove(&token)?;
        let sealed = open.question.answer(own, answer, &mut self.random).ok()?;
        match open.to {
            AnswerTo::Peer(to, id) => Some(Answered::Send {
                to,
                body: body(ANSWER, id, &sealed),
            }),
            AnswerTo::Own(id) => self.back(id, None, sealed),
        }
    }

    /// A sealed answer came over a contact session.
    pub fn answer(&mut self, from: Peer, bytes: &[u8; BODY]) -> Option<Answered> {
        let (id, sealed) = split(bytes);
        self.back(id, Some(from), sealed)
    }

    /// Only the node that was asked may answer, once.
    fn back(&mut self, id: u32, from: Option<Peer>, sealed: Box<[u8; SEALED]>) -> Option<Answered> {
        if from.is_some_and(|from| {
            self.on_their_way
                .get(&id)
                .is_none_or(|way| way.to.node != from.node)
        }) {
            return None;
        }
        let way = self.on_their_way.remove(&id)?;
        Some(Answered::Circuit {
            circuit: way.circuit,
            asked: way.asked,
            sealed,
        })
    }

    pub fn circuit_gone(&mut self, circuit: u64) {
        self.on_their_way.retain(|_, way| way.circuit != circuit);
    }

    /// Addresses in this part of the node's state.
    pub fn addresses_of(&self, circuit: u64) -> Vec<SocketAddr> {
        self.on_their_way
            .values()
            .filter(|way| way.circuit == circuit)
            .map(|way| way.to.addr)
            .collect()
    }
}

fn name(sealed: &[u8; SEALED]) -> [u8; POINT] {
    let mut name = [0; POINT];
    name.copy_from_slice(&sealed[..POINT]);
    name
}

fn split(bytes: &[u8; BODY]) -> (u32, Box<[u8; SEALED]>) {
    let mut sealed = Box::new([0; SEALED]);
    sealed.copy_from_slice(&bytes[5..5 + SEALED]);
    (
        u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]),
        sealed,
    )
}

#[cfg(test)]
mod tests;
