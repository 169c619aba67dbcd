//! Many rings' nodes over a virtual contact plane: delays by a seeded hash, losses by a seeded stream, deaths by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::members::{Health, nearness};
use super::*;
use crate::crypto::random::Stream;
use crate::wire::query::{Answer, Request};

const UNIX: u64 = 1_800_000_000_000;

struct Flight {
    from: usize,
    to: Peer,
    body: Box<[u8; BODY]>,
}

pub(super) struct World {
    pub at: Moment,
    pub nodes: Vec<Dht>,
    pub alive: Vec<bool>,
    peers: Vec<Peer>,
    who: BTreeMap<NodeId, usize>,
    /// Bodies under way, by arrival and number.
    flights: BTreeMap<(Moment, u64), Flight>,
    due: BTreeSet<(Moment, usize)>,
    planned: Vec<Moment>,
    number: u64,
    pub loss: f64,
    dice: Stream,
    delays: Stream,
    seed: u8,
    pub events: Vec<(usize, DhtOutput)>,
    /// Pairs that cannot hear each other.
    pub cut: Option<Box<dyn Fn(usize, usize) -> bool>>,
    pub sent: u64,
    /// Destination and moment of everything that node 0 sent.
    pub trace: Vec<(Moment, NodeId, u8)>,
}

impl World {
    pub fn new(seed: u8) -> World {
        World {
            at: Moment(1_000_000),
            nodes: Vec::new(),
            alive: Vec::new(),
            peers: Vec::new(),
            who: BTreeMap::new(),
            flights: BTreeMap::new(),
            due: BTreeSet::new(),
            planned: Vec::new(),
            number: 0,
            loss: 0.0,
            dice: Stream::from_seed([seed; 32]).fork("losses", b""),
            delays: Stream::from_seed([seed; 32]).fork("delays", b""),
            seed,
            events: Vec::new(),
            cut: None,
            sent: 0,
            trace: Vec::new(),
        }
    }

    pub fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: UnixMs(UNIX + self.at.0 / 1000),
        }
    }

    pub fn peer(&self, node: usize) -> Peer {
        self.peers[node]
    }

    pub fn position(&self, node: usize) -> Position {
        self.nodes[node].members.own()
    }

    pub fn index(&self, node: &NodeId) -> usize {
        self.who[node]
    }

    /// A new node that joins through these.
    pub fn add(&mut self, entries: &[usize]) -> usize {
        let index = self.nodes.len();
        let label = (index as u32).to_be_bytes();
        let seed: [u8; 32] = Stream::from_seed([self.seed; 32])
            .fork("node", &label)
            .bytes();
        let streams = Streams::from_seed(seed);
        let key = Arc::new(NodeKey::generate(&mut Stream::from_seed(seed)));
        let addr: SocketAddr = ([10, 0, label[2], label[3]], 4000).into();
        let peer = Peer {
            node: key.id(),
            addr,
        };
        let config = DhtConfig {
            lan: true,
            timing: Timing::default(),
        };
        let mut dht = Dht::new(config, key, &streams);
        let entries: Vec<Peer> = entries.iter().map(|e| self.peers[*e]).collect();
        dht.set_address(self.now(), addr);
        dht.start(self.now(), &entries);
        self.nodes.push(dht);
        self.alive.push(true);
        self.peers.push(peer);
        self.who.insert(peer.node, index);
        self.planned.push(Moment::NEVER);
        self.drain(index);
        index
    }

    pub fn kill(&mut self, node: usize) {
        self.alive[node] = false;
        self.due.remove(&(self.planned[node], node));
        self.planned[node] = Moment::NEVER;
    }

    /// A killed node goes on with what it knew.
    pub fn thaw(&mut self, node: usize) {
        self.alive[node] = true;
        self.drain(node);
    }

    /// One way from here to there, 5 to 80 ms, always the same.
    pub fn delay(&self, from: usize, to: usize) -> Duration {
        let (a, b) = (from.min(to) as u32, from.max(to) as u32);
        let mut pair = [0; 8];
        pair[..4].copy_from_slice(&a.to_be_bytes());
        pair[4..].copy_from_slice(&b.to_be_bytes());
        let share = self.delays.fork("pair", &pair).unit();
        Duration::from_micros(5_000 + (share * 75_000.0) as u64)
    }

    pub fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].poll_output() {
            match output {
                DhtOutput::Send { to, body } => {
                    self.sent += 1;
                    if node == 0 {
                        self.trace.push((self.at, to.node, body[0]));
                    }
                    let lost = self.dice.unit() < self.loss;
                    let Some(target) = self.who.get(&to.node).copied() else {
                        continue;
                    };
                    let apart = self.cut.as_ref().is_some_and(|cut| cut(node, target));
                    if lost || apart || self.peers[target].addr != to.addr {
                        continue;
                    }
                    self.number += 1;
                    let arrival = self.at + self.delay(node, target);
                    let flight = Flight {
                        from: node,
                        to,
                        body,
                    };
                    self.flights.insert((arrival, self.number), flight);
                }
                event => self.events.push((node, event)),
            }
        }
        let next = self.nodes[node].next_timeout();
        if next != self.planned[node] {
            self.due.remove(&(self.planned[node], node));
            self.planned[node] = next;
            if next != Moment::NEVER {
                self.due.insert((next, node));
            }
        }
    }

    pub fn run(&mut self, seconds: f64) {
        let end = self.at.after_seconds(seconds);
        loop {
            let flight = self
                .flights
                .first_key_value()
                .map_or(Moment::NEVER, |((at, _), _)| *at);
            let timer = self.due.first().map_or(Moment::NEVER, |(at, _)| *at);
            let next = flight.min(timer);
            if next > end {
                self.at = end;
                return;
            }
            self.at = self.at.max(next);
            let now = self.now();
            if flight <= timer {
                let Some((_, flight)) = self.flights.pop_first() else {
                    continue;
                };
                let to = self.who[&flight.to.node];
                if self.alive[to] {
                    self.nodes[to].handle_message(now, self.peers[flight.from], &flight.body);
                    self.drain(to);
                }
            } else if let Some((_, node)) = self.due.pop_first() {
                self.planned[node] = Moment::NEVER;
                self.nodes[node].handle_timeout(now);
                self.drain(node);
            }
        }
    }

    pub fn living(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|n| self.alive[*n]).collect()
    }

    /// The living node nearest to a key.
    pub fn owner(&self, key: &Position) -> usize {
        self.closest(key, 1)[0]
    }

    pub fn closest(&self, key: &Position, count: usize) -> Vec<usize> {
        let mut living = self.living();
        living.sort_by_key(|n| nearness(&self.position(*n), key));
        living.truncate(count);
        living
    }

    pub fn lookup(&mut self, node: usize, key: Position) -> LookupId {
        let now = self.now();
        let id = self.nodes[node].lookup(now, key);
        self.drain(node);
        id
    }

    /// `count` nodes that joined through node 0, one every `pause` seconds.
    pub fn ring_of(seed: u8, count: usize, pause: f64) -> World {
        let mut world = World::new(seed);
        world.add(&[]);
        for _ in 1..count {
            world.run(pause);
            world.add(&[0]);
        }
        world
    }

    /// Whether every living node's leaf set is what it should be.
    pub fn wrong_leaf_sets(&self) -> usize {
        let living = self.living();
        let wrong = |n: &&usize| {
            let own = self.position(**n);
            let mut others: Vec<Position> = living
                .iter()
                .filter(|m| m != n)
                .map(|m| self.position(*m))
                .collect();
            let mut truth = BTreeSet::new();
            others.sort_by_key(|p| own.clockwise_to(p));
            truth.extend(others.iter().take(LEAVES_PER_SIDE).copied());
            others.reverse();
            truth.extend(others.iter().take(LEAVES_PER_SIDE).copied());
            let leaves = self.nodes[**n].members.leaves().into_iter();
            leaves.collect::<BTreeSet<_>>() != truth
        };
        living.iter().filter(wrong).count()
    }

    pub fn health(&self, of: usize, at: usize) -> Option<Health> {
        let position = self.position(of);
        self.nodes[at].members.get(&position).map(|m| m.health)
    }

    /// The node is reached elsewhere from now on.
    pub fn readdress(&mut self, node: usize, addr: SocketAddr) {
        self.peers[node].addr = addr;
        let now = self.now();
        self.nodes[node].set_address(now, addr);
        self.drain(node);
    }

    /// Hands a body to a node as if it had come from this peer.
    pub fn inject(&mut self, node: usize, from: Peer, body: &[u8; BODY]) {
        let now = self.now();
        self.nodes[node].handle_message(now, from, body);
        self.drain(node);
    }

    pub fn ask(&mut self, node: usize, request: &Request) -> Answer {
        let now = self.now();
        let answer = self.nodes[node].answer(now, &request.encode());
        Answer::decode(&answer).expect("our own encoding")
    }
}
