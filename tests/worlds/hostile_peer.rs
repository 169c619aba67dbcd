//! A member of the ring, a neighbour on a link and a caller of spurs that is hostile: whatever it says in its sessions, a node does not panic, does
//! not grow, sends nobody more than it got, and goes on serving.
//!
//! The attacker has keys, handshakes and records like everybody; what it says is real messages of every kind, damaged or in the wrong place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use paratox::crypto::keys::NodeKey;
use paratox::crypto::random::{Stream, Streams};
use paratox::node::dht::{Dht, DhtConfig, DhtOutput, MEMBERS_MAX, Timing, VALUES_MAX};
use paratox::node::link::{
    ACCEPTED_SPURS, AssocId, CONTACTS, LinkConfig, LinkOutput, Links, Purpose,
};
use paratox::node::{Node, NodeConfig, NodeOutput, Shaping};
use paratox::wire::circuit::{SpurBody, closed};
use paratox::wire::class::Class;
use paratox::wire::dht::{Digest, Message, StoreCell, Tag, Verdict};
use paratox::wire::peer::Peer;
use paratox::wire::record::NodeRecord;
use paratox::wire::size::{BODY, DATAGRAM, RECORD};
use paratox::wire::time::{Moment, Now, UnixMs};

const UNIX: u64 = 1_800_000_000_000;
const NODES: usize = 5;
/// The node that is attacked.
const NODE: usize = 2;

fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 1, n as u8 + 1], 4000))
}

/// Nobody is there.
fn ghost(n: u16) -> SocketAddr {
    SocketAddr::from(([127, 9, (n >> 8) as u8, n as u8], 5000))
}

struct Attacker {
    links: Links,
    dht: Dht,
    key: Arc<NodeKey>,
    random: Stream,
    up: Vec<(AssocId, Purpose)>,
    /// Bodies that were said to it, to be said again, damaged.
    heard: Vec<[u8; BODY]>,
    /// Tags of requests that it was asked: an answer to them is looked at.
    tags: Vec<Tag>,
}

type Flying = (SocketAddr, SocketAddr, Box<[u8; DATAGRAM]>);

struct World {
    nodes: Vec<Node>,
    attacker: Attacker,
    /// When and in which order they arrive; where to, where from.
    wire: BTreeMap<(Moment, u64), Flying>,
    sequence: u64,
    at: Moment,
    /// Datagrams of the attacked node to addresses where nobody is, and of the attacker to the node.
    to_ghosts: BTreeMap<SocketAddr, u32>,
    to_attacker: u64,
    from_attacker: u64,
}

impl World {
    fn new() -> World {
        let now = Now {
            at: Moment(0),
            unix: UnixMs(UNIX),
        };
        let mut world = World {
            nodes: Vec::new(),
            attacker: Attacker::new(now),
            wire: BTreeMap::new(),
            sequence: 0,
            at: Moment(0),
            to_ghosts: BTreeMap::new(),
            to_attacker: 0,
            from_attacker: 0,
        };
        let mut entries = Vec::new();
        for n in 0..NODES {
            let mut random = Stream::from_seed([n as u8; 32]);
            let key = paratox::crypto::keys::EntryKey::generate(&mut random);
            let secret = paratox::wire::ticket::EntrySecret::NONE;
            let ticket = paratox::wire::ticket::Ticket::new(key.id(), secret, vec![addr(n)]);
            let config = NodeConfig {
                class: Class::Fast,
                lan: true,
                address: Some(addr(n)),
                entries: entries.clone(),
                entry_key: Some((key, secret)),
                shaping: Shaping::On,
            };
            if n == 0 {
                entries.extend(ticket);
            }
            world.nodes.push(Node::new(config, &[n as u8 + 1; 32], now));
            world.run(1.0);
        }
        let now = world.now();
        let first = Peer {
            node: world.nodes[0].id(),
            addr: addr(0),
        };
        world.attacker.dht.start(now, &[first]);
        world
    }

    fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: UnixMs(UNIX + self.at.0 / 1000),
        }
    }

    fn send(&mut self, at: Moment, to: SocketAddr, from: SocketAddr, cell: Box<[u8; DATAGRAM]>) {
        self.sequence += 1;
        let arrival = at.max(self.at).after_seconds(0.01);
        self.wire.insert((arrival, self.sequence), (to, from, cell));
    }

    fn settle(&mut self) {
        for n in 0..self.nodes.len() {
            while let Some(output) = self.nodes[n].poll_output() {
                if let NodeOutput::Transmit { at, to, cell, .. } = output {
                    if n == NODE && to == addr(NODES) {
                        self.to_attacker += 1;
                    } else if n == NODE && !(0..NODES).any(|m| addr(m) == to) {
                        *self.to_ghosts.entry(to).or_default() += 1;
                    }
                    self.send(at, to, addr(n), cell);
                }
            }
        }
        let now = self.now();
        for (at, to, cell) in self.attacker.outputs(now) {
            self.from_attacker += u64::from(to == addr(NODE));
            self.send(at, to, addr(NODES), cell);
        }
    }

    fn run(&mut self, seconds: f64) {
        let until = self.at.after_seconds(seconds);
        loop {
            self.settle();
            let timers = self.nodes.iter().map(Node::next_timeout);
            let attacker = self.attacker.links.next_timeout();
            let next = timers
                .chain([attacker, self.attacker.dht.next_timeout()])
                .chain(self.wire.keys().next().map(|(at, _)| *at))
                .min()
                .expect("there are nodes");
            if next > until {
                self.at = until;
                return;
            }
            self.at = self.at.max(next);
            let now = self.now();
            while let Some(entry) = self.wire.first_entry()
                && entry.key().0 <= self.at
            {
                let (to, from, cell) = entry.remove();
                if to == addr(NODES) {
                    self.attacker.links.handle_datagram(now, from, &cell[..]);
                } else if let Some(n) = (0..self.nodes.len()).find(|n| addr(*n) == to) {
                    self.nodes[n].handle_datagram(now, from, &cell[..]);
                }
            }
            for node in &mut self.nodes {
                if node.next_timeout() <= now.at {
                    node.handle_timeout(now);
                }
            }
            if self.attacker.links.next_timeout() <= now.at {
                self.attacker.links.handle_timeout(now);
            }
            if self.attacker.dht.next_timeout() <= now.at {
                self.attacker.dht.handle_timeout(now);
            }
        }
    }
}

fn mutate(random: &mut Stream, bytes: &mut [u8]) {
    for _ in 0..random.below(4) {
        let at = match random.below(2) {
            0 => random.below(16),
            _ => random.below(bytes.len() as u64),
        };
        bytes[at as usize] = match random.below(3) {
            0 => bytes[at as usize] ^ 1 << random.below(8),
            1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
            _ => random.u32() as u8,
        };
    }
}

impl Attacker {
    fn new(now: Now) -> Attacker {
        let streams = Streams::from_seed([99; 32]);
        let key = Arc::new(NodeKey::generate(&mut streams.crypto.fork("key", b"")));
        let config = LinkConfig {
            class: Class::Fast,
            lan: true,
            entry: None,
            shaping: Shaping::On,
        };
        let links = Links::new(config, key.clone(), &streams.schedule, &streams.crypto);
        let timing = Timing::default();
        let mut dht = Dht::new(DhtConfig { lan: true, timing }, key.clone(), &streams);
        dht.set_address(now, addr(NODES));
        Attacker {
            links,
            dht,
            key,
            random: Stream::from_seed([98; 32]),
            up: Vec::new(),
            heard: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// What its links and its honest half have to say and to hear.
    fn outputs(&mut self, now: Now) -> Vec<(Moment, SocketAddr, Box<[u8; DATAGRAM]>)> {
        let mut sent = Vec::new();
        loop {
            let mut idle = true;
            while let Some(output) = self.links.poll_output() {
                idle = false;
                match output {
                    LinkOutput::Transmit { at, to, cell, .. } => sent.push((at, to, cell)),
                    LinkOutput::Up { assoc, purpose, .. } => self.up.push((assoc, purpose)),
                    LinkOutput::Down { assoc, .. } => self.up.retain(|(up, _)| *up != assoc),
                    LinkOutput::Contact { peer, body, .. } => {
                        if let Ok(message) = Message::decode(&body) {
                            self.remember(&message);
                        }
                        self.keep(body);
                        self.dht.handle_message(now, peer, &body);
                    }
                    LinkOutput::Body { body, .. } => self.keep(body),
                    LinkOutput::DialFailed { .. } => {}
                }
            }
            while let Some(output) = self.dht.poll_output() {
                idle = false;
                if let DhtOutput::Send { to, body } = output {
                    let _ = self.links.send_contact(now, Purpose::Contact, to, &body);
                }
            }
            if idle {
                return sent;
            }
        }
    }

    fn keep(&mut self, body: [u8; BODY]) {
        if self.heard.len() >= 200 {
            self.heard.remove(0);
        }
        self.heard.push(body);
    }

    fn remember(&mut self, message: &Message) {
        let (Message::Ping { tag, .. }
        | Message::Route { tag, .. }
        | Message::Leaves { tag, .. }
        | Message::Row { tag, .. }
        | Message::Want { tag, .. }) = message
        else {
            return;
        };
        if self.tags.len() >= 50 {
            self.tags.remove(0);
        }
        self.tags.push(*tag);
    }

    /// Its own record, or that of somebody who does not exist, at an address where nobody is.
    fn record(&mut self, now: Now) -> [u8; RECORD] {
        let random = &mut self.random;
        match random.below(3) {
            0 => NodeRecord::make(&self.key, addr(NODES), now.unix, 120, 0).bytes(),
            1 => {
                let nobody = NodeKey::generate(random);
                let there = ghost(random.below(400) as u16);
                NodeRecord::make(&nobody, there, now.unix, 120, random.u32() as u8).bytes()
            }
            _ => random.bytes(),
        }
    }

    fn tag(&mut self) -> Tag {
        let known = self.random.below(2 * self.tags.len() as u64 + 1) as usize;
        let fresh = Tag {
            nonce: self.random.u64(),
            attempt: self.random.u32() as u8,
        };
        self.tags.get(known).copied().unwrap_or(fresh)
    }

    /// A message of the ring of any kind.
    fn message(&mut self, now: Now) -> Message {
        let (tag, record) = (self.tag(), self.record(now));
        let records: Vec<[u8; RECORD]> = (0..self.random.below(4))
            .map(|_| self.record(now))
            .collect();
        let random = &mut self.random;
        let ready = random.below(4) != 0;
        let digests: Vec<Digest> = (0..random.below(25))
            .map(|_| Digest {
                prefix: random.bytes(),
                created: random.u32(),
            })
            .collect();
        match random.below(14) {
            0 => Message::Ping { tag, ready, record },
            1 => Message::Pong { tag, ready, record },
            2 | 3 => Message::Route {
                tag,
                ttl: random.u32() as u8,
                key: random.bytes(),
            },
            4 => Message::RouteAck { tag },
            5 => Message::Found {
                tag,
                back: random.u64(),
                verdict: [Verdict::Owner, Verdict::NotReady][random.below(2) as usize],
                hops: random.u32() as u8,
                records,
            },
            6 => Message::FoundAck { tag },
            7 => Message::Leaves {
                tag,
                ready,
                record,
                digests,
            },
            8 => Message::LeavesAnswer {
                tag,
                ready,
                record,
                digests,
            },
            9 => Message::Row {
                tag,
                row: random.u32() as u8,
            },
            10 => Message::RowAnswer { tag, digests },
            11 => Message::Want {
                tag,
                prefixes: vec![random.bytes(); 3],
            },
            12 => Message::Records { tag, records },
            _ => Message::Store(StoreCell {
                real: random.below(2) == 0,
                train: tag.nonce,
                index: random.below(2) as u8,
                ttl: random.u32(),
                chunk: random.bytes(),
            }),
        }
    }

    /// One hostile act against this node.
    fn act(&mut self, now: Now, node: Peer) {
        match self.random.below(20) {
            0 => {
                let purpose = [Purpose::Link, Purpose::Spur][self.random.below(2) as usize];
                self.links.dial(now, node.into(), purpose);
            }
            1..=4 => {
                let Some((assoc, purpose)) = self.one_up() else {
                    return;
                };
                let mut body = match self.random.below(4) {
                    0 => self.random.bytes(),
                    1 => SpurBody::Open {
                        key: *self.key.id().point(),
                    }
                    .encode(),
                    2 => SpurBody::Deliver {
                        block: Box::new(self.random.bytes()),
                        parcel: Box::new(self.random.bytes()),
                    }
                    .encode(),
                    _ => self.said_before(),
                };
                mutate(&mut self.random, &mut body);
                let _ = match purpose {
                    Purpose::Link | Purpose::Spur => {
                        self.links.send(assoc, self.random.below(8) as u32, &body)
                    }
                    Purpose::Contact | Purpose::Errand => Ok(()),
                };
            }
            5 | 6 => {
                let Some((assoc, _)) = self.one_up() else {
                    return;
                };
                let mut body = match self.random.below(3) {
                    0 => closed(self.random.u32()),
                    1 => self.random.bytes(),
                    _ => self.said_before(),
                };
                // Certificates, new keys, and kinds that there are not.
                body[0] = self.random.below(0x48) as u8;
                let _ = self.links.send_control(assoc, &body);
            }
            7 => {
                if let Some((assoc, _)) = self.one_up()
                    && self.random.below(10) == 0
                {
                    self.links.close(now, assoc);
                }
            }
            8..=11 => {
                let mut body = self.said_before();
                body[0] = [0x40, 0x41, 0x42, 0xff][self.random.below(4) as usize];
                mutate(&mut self.random, &mut body);
                let plane = [Purpose::Errand, Purpose::Contact][self.random.below(2) as usize];
                let _ = self.links.send_contact(now, plane, node, &body);
            }
            _ => {
                let mut body = self.message(now).encode();
                if self.random.below(3) == 0 {
                    mutate(&mut self.random, &mut body);
                }
                let plane = if self.random.below(10) == 0 {
                    Purpose::Errand
                } else {
                    Purpose::Contact
                };
                let _ = self.links.send_contact(now, plane, node, &body);
            }
        }
    }

    fn one_up(&mut self) -> Option<(AssocId, Purpose)> {
        let at = self.random.below(self.up.len() as u64) as usize;
        self.up.get(at).copied()
    }

    fn said_before(&mut self) -> [u8; BODY] {
        let at = self.random.below(self.heard.len() as u64) as usize;
        let before = self.heard.get(at).copied();
        before.unwrap_or_else(|| self.random.bytes())
    }
}

#[test]
fn a_hostile_peer_breaks_nothing_and_moves_the_node_to_send_no_more_than_it_got() {
    let mut world = World::new();
    world.run(40.0);
    let online = |world: &World| world.nodes.iter().all(|n| n.info(world.now()).online);
    assert!(online(&world), "the network stands before the attack");
    let node = Peer {
        node: world.nodes[NODE].id(),
        addr: addr(NODE),
    };
    let started = world.at;
    let (sent, got) = (world.to_attacker, world.from_attacker);
    let acts = if std::env::var_os("PARATOX_LONG").is_some() {
        200_000
    } else {
        12_000
    };
    let mut bounds = BTreeSet::new();
    for _ in 0..acts {
        let now = world.now();
        world.attacker.act(now, node);
        world.run(0.01);
        let info = world.nodes[NODE].info(world.now());
        bounds.insert((info.known_nodes, info.contact_sessions, info.links.len()));
    }
    let seconds = world.at.since(started).as_secs_f64();
    let (sent, got) = (world.to_attacker - sent, world.from_attacker - got);
    let ghosts: u32 = world.to_ghosts.values().sum();
    let most = world.to_ghosts.values().max();
    println!(
        "{acts} acts in {seconds:.0} s: {got} datagrams came, {sent} went back, {ghosts} went to {} addresses of nobody, {most:?} to one",
        world.to_ghosts.len()
    );
    let info = world.nodes[NODE].info(world.now());
    assert!(bounds.iter().all(|(known, ..)| *known <= MEMBERS_MAX));
    assert!(
        bounds
            .iter()
            .all(|(_, sessions, _)| *sessions <= 2 * CONTACTS)
    );
    assert!(
        bounds
            .iter()
            .all(|(.., links)| *links <= 16 + 2 * ACCEPTED_SPURS),
        "{:?}",
        bounds.last()
    );
    assert!(info.stored_values <= VALUES_MAX);
    // Shaped links and spurs send on their clocks, whoever is at the other end; the rest is one for one.
    let shaped: f64 = 60.0 * 2.0 * seconds;
    assert!((sent as f64) < got as f64 + shaped, "{sent} for {got}");
    // An address that a record names is called once a minute, with its repetitions, by each of two planes.
    let each = 2.0 * 5.0 * (1.0 + seconds / 60.0);
    assert!(
        f64::from(most.copied().unwrap_or(0)) <= each,
        "{most:?} to one"
    );
    assert!(f64::from(ghosts) < 0.5 * got as f64, "{ghosts} for {got}");
    // The attacker is silent; everything is as before.
    world.run(90.0);
    assert!(online(&world), "the network stands after it");
    let info = world.nodes[NODE].info(world.now());
    assert!(info.known_nodes >= NODES - 1, "{}", info.known_nodes);
}
