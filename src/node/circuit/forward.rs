//! The far end of utility circuits: sealed requests go to the node they name, answers come back into the right circuit.
//!
//! And the other side: sealed requests that reach this node are opened, answered from the value store, sealed and sent back. Not here:
//! the store (`node::dht`), which sees only what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::seal::Question;
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
/// Addresses remembered, of those heard and those only sent to; the oldest is forgotten, and counts as never heard again.
const MAX_ADDRESSES: usize = 2048;
/// Requests held back until an address was heard for the first time; one more is dropped.
const MAX_HELD: usize = 4;
/// Addresses that requests are held back for; one more is not waited for.
const MAX_HELD_ADDRESSES: usize = 64;
/// Seconds between two cells to an address that never answered: a circuit's end is not a weapon against a third party.
const STRANGER_SECONDS: f64 = 60.0;

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
    /// When each address was last sent to, if it was never heard; `None` once it was heard.
    addresses: BTreeMap<SocketAddr, Option<Moment>>,
    address_order: VecDeque<SocketAddr>,
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
            addresses: BTreeMap::new(),
            address_order: VecDeque::new(),
            held: BTreeMap::new(),
            random,
        }
    }

    /// This address sent something that opened. What was held back for it may go now.
    pub fn heard(&mut self, addr: SocketAddr) -> Vec<Outgoing> {
        self.remember(addr, None);
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

    fn remember(&mut self, addr: SocketAddr, state: Option<Moment>) {
        if self.addresses.insert(addr, state).is_none() {
            self.address_order.push_back(addr);
            if self.address_order.len() > MAX_ADDRESSES
                && let Some(oldest) = self.address_order.pop_front()
            {
                self.addresses.remove(&oldest);
            }
        }
    }

    fn may_send(&mut self, now: Moment, addr: SocketAddr) -> bool {
        match self.addresses.get(&addr) {
            Some(None) => true,
            Some(Some(last)) if now < last.after_seconds(STRANGER_SECONDS) => false,
            _ => {
                // What was held for it since its last silence is stale by now.
                self.held.remove(&addr);
                self.remember(addr, Some(now));
                true
            }
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

    /// A query came out of a circuit that ends here. The body to send to `to`, if it may go.
    pub fn query(
        &mut self,
        now: Moment,
        circuit: u64,
        to: Peer,
        sealed: &[u8; SEALED],
    ) -> Option<Box<[u8; BODY]>> {
        let now_or_held = self.may_send(now, to.addr);
        let id = self.note(now, circuit, to, name(sealed))?;
        let body = body(REQUEST, id, sealed);
        if now_or_held {
            return Some(body);
        }
        self.hold(to, body);
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
        let id = self.note(now, circuit, to, name(sealed))?;
        self.ask(own, AnswerTo::Own(id), sealed)
    }

    /// A sealed request came over a contact session: to be asked of the store.
    pub fn request(
        &mut self,
        own: &NodeKey,
        from: Peer,
        bytes: &[u8; BODY],
    ) -> Option<(u64, Box<[u8; QUERY]>)> {
        let (id, sealed) = split(bytes);
        self.ask(own, AnswerTo::Peer(from, id), &sealed)
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
mod tests {
    use super::super::seal::Asked;
    use super::*;

    fn peer(random: &mut Stream, port: u16) -> (NodeKey, Peer) {
        let key = NodeKey::generate(random);
        let peer = Peer {
            node: key.id(),
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        (key, peer)
    }

    #[test]
    fn an_answer_finds_the_circuit_and_only_from_the_node_that_was_asked() {
        let mut random = Stream::from_seed([1; 32]);
        let (end, end_peer) = peer(&mut random, 1);
        let (keeper, keeper_peer) = peer(&mut random, 2);
        let (_, other) = peer(&mut random, 3);
        let mut at_end = Forwarder::new(random.fork("end", b""));
        let mut at_keeper = Forwarder::new(random.fork("keeper", b""));
        let (asked, sealed) =
            Asked::new(keeper.id(), &[1; QUERY], &mut random).expect("a valid key");
        let request = at_end
            .query(Moment(0), 5, keeper_peer, &sealed)
            .expect("the first cell to it");
        assert!(
            at_end.request(&end, keeper_peer, &request).is_none(),
            "not sealed to the end"
        );
        let (token, body) = at_keeper
            .request(&keeper, end_peer, &request)
            .expect("sealed to it");
        assert_eq!(*body, [1; QUERY]);
        let Some(Answered::Send { to, body }) = at_keeper.answered(&keeper, token, &[2; QUERY])
        else {
            panic!("no answer")
        };
        assert_eq!(to, end_peer);
        assert!(at_end.answer(other, &body).is_none());
        let Some(Answered::Circuit {
            circuit,
            asked: name,
            sealed,
        }) = at_end.answer(keeper_peer, &body)
        else {
            panic!("no way back")
        };
        assert_eq!((circuit, name), (5, asked.name()));
        assert_eq!(*asked.open(&sealed).expect("the answer"), [2; QUERY]);
        assert!(at_end.answer(keeper_peer, &body).is_none(), "once");
    }

    #[test]
    fn an_address_that_never_answered_gets_one_cell_a_minute() {
        let mut random = Stream::from_seed([2; 32]);
        let (_, silent) = peer(&mut random, 1);
        let mut forwarder = Forwarder::new(random.fork("end", b""));
        let sealed = Box::new([3; SEALED]);
        let sent: Vec<u64> = (0..180u64)
            .filter(|second| {
                forwarder
                    .query(Moment(second * 1_000_000), 1, silent, &sealed)
                    .is_some()
            })
            .collect();
        assert_eq!(sent, [0, 60, 120]);
        let held = forwarder.heard(silent.addr);
        assert_eq!(held.len(), MAX_HELD, "what waited since the last cell");
        assert!(
            forwarder
                .query(Moment(180_000_001), 1, silent, &sealed)
                .is_some()
        );
        assert!(
            forwarder
                .query(Moment(180_000_002), 1, silent, &sealed)
                .is_some()
        );
    }
}
