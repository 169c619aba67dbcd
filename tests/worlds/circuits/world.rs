//! A small network in virtual time, put together from links, ring and circuits, so that a test can reach between them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use paratox::crypto::id::NodeId;
use paratox::crypto::keys::{CookieKey, NodeKey};
use paratox::crypto::random::Streams;
use paratox::node::circuit::{CircuitConfig, CircuitOutput, CircuitStreams, Circuits, Guard, View};
use paratox::node::dht::{Dht, DhtConfig, DhtOutput, Timing};
use paratox::node::link::{AssocId, BodyKind, LinkConfig, LinkInfo, LinkOutput, Links, Purpose};
use paratox::node::person::{ContactTag, IntroPoint, PersonEvent, ReplyHandle, SpurTarget};
use paratox::wire::class::Class;
use paratox::wire::peer::Peer;
use paratox::wire::size::{BODY, PARCEL};
use paratox::wire::time::{Moment, Now, UnixMs};

thread_local! {
    /// Which node is at work on this thread, for a test that wants to know whose memory is whose.
    pub static AT_WORK: Cell<usize> = const { Cell::new(NOBODY) };
}

/// The world itself.
pub const NOBODY: usize = usize::MAX;
/// What is on the stack below is the last node's, and unused bytes of what the next one stores would be copies of it.
const STACK: usize = 128 * 1024;

/// From here on this node works, with a stack on which nobody else has left anything.
fn at_work(node: usize) {
    clean_stack();
    AT_WORK.set(node);
}

#[inline(never)]
fn clean_stack() {
    std::hint::black_box(&mut [0u8; STACK]);
}

/// Blocks of one circuit that a node which drops lets through: enough to build it.
const LET_THROUGH: u32 = 20;

pub const ONE_WAY: Duration = Duration::from_millis(20);
pub const RING_SECONDS: f64 = 10.0;
pub const START_UNIX: u64 = 1_800_000_000_000;

pub struct Node {
    pub peer: Peer,
    pub links: Links,
    pub dht: Dht,
    pub circuits: Circuits,
    pub up: BTreeMap<AssocId, Peer>,
    pub events: Vec<(Moment, PersonEvent)>,
    pub alive: bool,
    /// Circuit bodies this node gave to its links, if they are kept.
    pub sent: Vec<[u8; BODY]>,
    pub keep: bool,
    /// Gives each circuit body to its circuits twice, as a hostile node before it could.
    pub doubled: bool,
    /// Lets circuits be built, and then drops their blocks.
    pub drops: bool,
    /// Blocks that came over each circuit.
    pub carried: BTreeMap<(AssocId, [u8; 4]), u32>,
    /// Has links, but is no member of the ring and is named by nobody: only a person's node.
    pub leaf: bool,
    /// Its datagrams: when, where to.
    pub log: Vec<(Moment, SocketAddr)>,
}

/// To, from, bytes.
pub type Datagram = (SocketAddr, SocketAddr, Box<[u8; 512]>);

pub struct World {
    pub nodes: Vec<Node>,
    /// Datagrams under way, by arrival.
    pub wire: BTreeMap<(Moment, u64), Datagram>,
    pub sequence: u64,
    pub at: Moment,
    pub view_at: Moment,
}

impl World {
    /// `count` nodes in a ring with chords: node n dials n+1, n+2 and n+5.
    pub fn new(
        count: usize,
        class: Class,
        seed: u8,
        leaves: &[usize],
        addr: fn(usize) -> SocketAddr,
    ) -> World {
        let mut nodes = Vec::new();
        for n in 0..count {
            at_work(n);
            let mut bytes = [seed; 32];
            bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let streams = Streams::from_seed(bytes);
            let key = Arc::new(NodeKey::generate(&mut streams.crypto.fork("node", b"")));
            let cookie = CookieKey::generate(&mut streams.crypto.fork("cookie", b""));
            let links = Links::new(
                LinkConfig {
                    class,
                    lan: true,
                    entry: None,
                    shaping: paratox::node::Shaping::On,
                },
                key.clone(),
                &streams.schedule,
                &streams.crypto,
            );
            let dht = Dht::new(
                DhtConfig {
                    lan: true,
                    timing: Timing::default(),
                },
                key.clone(),
                &streams,
            );
            let circuits = Circuits::new(
                CircuitConfig { class, lan: true },
                key.clone(),
                cookie,
                CircuitStreams::of(&streams),
            );
            AT_WORK.set(NOBODY);
            nodes.push(Node {
                peer: Peer {
                    node: key.id(),
                    addr: addr(n),
                },
                links,
                dht,
                circuits,
                up: BTreeMap::new(),
                events: Vec::new(),
                alive: true,
                sent: Vec::new(),
                keep: false,
                doubled: false,
                drops: false,
                carried: BTreeMap::new(),
                leaf: leaves.contains(&n),
                log: Vec::new(),
            });
        }
        let mut world = World {
            nodes,
            wire: BTreeMap::new(),
            sequence: 0,
            at: Moment(0),
            view_at: Moment(0),
        };
        let now = world.now();
        let first = (0..count)
            .find(|n| !leaves.contains(n))
            .expect("a node of the ring");
        for n in (first..count).filter(|n| !leaves.contains(n)) {
            let entries = if n == first {
                vec![]
            } else {
                vec![world.nodes[first].peer]
            };
            at_work(n);
            world.nodes[n].dht.set_address(now, addr(n));
            world.nodes[n].dht.start(now, &entries);
            world.pump(n);
        }
        // Links are chosen by the ring, so the ring comes first.
        world.run(RING_SECONDS);
        let now = world.now();
        for n in 0..count {
            let mut targets = BTreeSet::new();
            for step in [1, 2, 5] {
                let other = (n + step) % count;
                let far = (other + count - n) % count;
                // Each pair once.
                if other != n && far * 2 <= count && !(far * 2 == count && n > other) {
                    targets.insert(other);
                }
            }
            for other in targets {
                let target = world.nodes[other].peer;
                at_work(n);
                world.nodes[n].links.dial(now, target.into(), Purpose::Link);
            }
            world.pump(n);
        }
        world
    }

    pub fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: UnixMs(START_UNIX + self.at.0 / 1000),
        }
    }

    pub fn view(&mut self) {
        let nodes = self
            .nodes
            .iter()
            .map(|node| node.dht.estimate())
            .max()
            .unwrap_or(1);
        let leaves: BTreeSet<NodeId> = self
            .nodes
            .iter()
            .filter(|n| n.leaf)
            .map(|n| n.peer.node)
            .collect();
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            at_work(n);
            let info = node.links.info(self.at).into_iter();
            let info: BTreeMap<AssocId, LinkInfo> = info.map(|i| (i.assoc, i)).collect();
            let guards = node
                .up
                .iter()
                // A person's node is nobody's guard.
                .filter(|(_, peer)| !leaves.contains(&peer.node))
                .map(|(assoc, peer)| Guard {
                    assoc: *assoc,
                    peer: *peer,
                    certificate: node.links.certificate(*assoc),
                    rate: info.get(assoc).map_or(0.0, |i| i.rate),
                    chosen: true,
                    silence: info.get(assoc).map_or(Duration::ZERO, |i| i.silence),
                })
                .collect();
            node.circuits.set_view(View {
                guards,
                nodes: if node.leaf {
                    nodes
                } else {
                    node.dht.estimate()
                },
            });
            AT_WORK.set(NOBODY);
        }
    }

    /// Takes everything out of a node and to where it belongs.
    pub fn pump(&mut self, n: usize) {
        let now = self.now();
        let node = &mut self.nodes[n];
        at_work(n);
        loop {
            let mut idle = true;
            while let Some(output) = node.links.poll_output() {
                idle = false;
                match output {
                    LinkOutput::Transmit { at, to, cell, .. } => {
                        if node.alive {
                            AT_WORK.set(NOBODY);
                            self.sequence += 1;
                            node.log.push((at.max(now.at), to));
                            self.wire.insert(
                                (at.max(now.at) + ONE_WAY, self.sequence),
                                (to, node.peer.addr, cell),
                            );
                            AT_WORK.set(n);
                        }
                    }
                    LinkOutput::Up {
                        assoc,
                        peer,
                        purpose,
                        dialled,
                        ..
                    } => {
                        if purpose == Purpose::Link {
                            AT_WORK.set(NOBODY);
                            node.up.insert(assoc, peer);
                            AT_WORK.set(n);
                        }
                        node.circuits
                            .handle_link_up(now, assoc, peer, purpose, dialled);
                    }
                    LinkOutput::Down { assoc, .. } => {
                        node.up.remove(&assoc);
                        node.circuits.handle_link_down(now, assoc);
                    }
                    LinkOutput::DialFailed { assoc, .. } => {
                        node.circuits.handle_link_down(now, assoc)
                    }
                    LinkOutput::Body { assoc, kind, body } => {
                        let id = [body[0], body[1], body[2], body[3]];
                        let carried = node.carried.entry((assoc, id)).or_default();
                        *carried += 1;
                        if node.drops && kind == BodyKind::Circuit && *carried > LET_THROUGH {
                            continue;
                        }
                        for _ in 0..if node.doubled { 2 } else { 1 } {
                            node.circuits.handle_body(now, assoc, kind, &body);
                        }
                    }
                    LinkOutput::Contact { peer, body, .. } => {
                        if body[0] >= 0x40 {
                            node.circuits.handle_contact(now, peer, &body);
                        } else {
                            node.dht.handle_message(now, peer, &body);
                        }
                    }
                }
            }
            while let Some(output) = node.circuits.poll_output() {
                idle = false;
                match output {
                    CircuitOutput::Send {
                        assoc,
                        kind,
                        lane,
                        body,
                    } => {
                        if node.keep && kind == BodyKind::Circuit {
                            node.sent.push(*body);
                        }
                        let _ = match kind {
                            BodyKind::Circuit => node.links.send(assoc, lane, &body),
                            BodyKind::Control => node.links.send_control(assoc, &body),
                        };
                    }
                    CircuitOutput::Contact { to, body } => {
                        let _ = node.links.send_contact(now, Purpose::Errand, to, &body);
                    }
                    CircuitOutput::DialSpur { handle, peer } => {
                        let assoc = node.links.dial(now, peer.into(), Purpose::Spur);
                        node.circuits.spur_dialling(handle, assoc);
                    }
                    CircuitOutput::CloseSpur { assoc } => node.links.close(now, assoc),
                    CircuitOutput::Ask { token, request } => {
                        let answer = node.dht.answer(now, &request);
                        node.circuits.answered(token, &answer);
                    }
                    CircuitOutput::Person(event) => {
                        AT_WORK.set(NOBODY);
                        node.events.push((now.at, event));
                        AT_WORK.set(n);
                    }
                }
            }
            while let Some(output) = node.dht.poll_output() {
                idle = false;
                if let DhtOutput::Send { to, body } = output {
                    let _ = node.links.send_contact(now, Purpose::Contact, to, &body);
                }
            }
            if idle {
                break;
            }
        }
        AT_WORK.set(NOBODY);
    }

    pub fn next(&self) -> Moment {
        let timers = self.nodes.iter().filter(|node| node.alive).map(|node| {
            node.links
                .next_timeout()
                .min(node.dht.next_timeout())
                .min(node.circuits.next_timeout())
        });
        timers
            .chain(self.wire.keys().next().map(|(at, _)| *at))
            .min()
            .unwrap_or(Moment::NEVER)
    }

    pub fn step(&mut self) {
        self.at = self.next().max(self.at);
        if self.at >= self.view_at {
            self.view_at = self.at.after_seconds(0.2);
            self.view();
        }
        let now = self.now();
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.at
        {
            let (to, from, cell) = entry.remove();
            let Some(n) = self
                .nodes
                .iter()
                .position(|node| node.peer.addr == to && node.alive)
            else {
                continue;
            };
            at_work(n);
            self.nodes[n].links.handle_datagram(now, from, &cell[..]);
            self.pump(n);
        }
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            if !node.alive {
                continue;
            }
            let (links, dht) = (node.links.next_timeout(), node.dht.next_timeout());
            let circuits = node.circuits.next_timeout();
            if links.min(dht).min(circuits) > now.at {
                continue;
            }
            at_work(n);
            if links <= now.at {
                node.links.handle_timeout(now);
            }
            if dht <= now.at {
                node.dht.handle_timeout(now);
            }
            if circuits <= now.at {
                node.circuits.handle_timeout(now);
            }
            self.pump(n);
            AT_WORK.set(NOBODY);
        }
    }

    pub fn run(&mut self, seconds: f64) {
        let until = self.at.after_seconds(seconds);
        while self.next() < until {
            self.step();
        }
        self.at = until;
    }

    /// Runs until `done`, at most so many seconds. Gives the seconds it took.
    pub fn until(&mut self, seconds: f64, what: &str, done: impl Fn(&World) -> bool) -> f64 {
        let (start, until) = (self.at, self.at.after_seconds(seconds));
        while !done(self) {
            assert!(
                self.next() < until,
                "{what}: not within {seconds} s\n{}",
                self.report()
            );
            self.step();
        }
        self.at.since(start).as_secs_f64()
    }

    pub fn report(&self) -> String {
        let rows = self.nodes.iter().enumerate().map(|(n, node)| {
            format!(
                "{n}: est {} {:?} {:?}",
                node.dht.estimate(),
                node.circuits
                    .rows(self.at)
                    .iter()
                    .map(|r| (r.role, r.state, r.hops))
                    .collect::<Vec<_>>(),
                node.circuits.counters()
            )
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    pub fn points(&self, n: usize) -> Vec<IntroPoint> {
        self.nodes[n]
            .events
            .iter()
            .rev()
            .find_map(|(_, event)| match event {
                PersonEvent::Intro { points } => Some(points.clone()),
                _ => None,
            })
            .unwrap_or_default()
    }

    pub fn arrived(&self, n: usize) -> Vec<(ReplyHandle, Box<[u8; PARCEL]>)> {
        let arrived = |(_, event): &(Moment, PersonEvent)| match event {
            PersonEvent::Arrived { handle, parcel } => Some((*handle, parcel.clone())),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(arrived).collect()
    }

    pub fn path(&self, n: usize, role: &str) -> Option<Vec<Peer>> {
        self.nodes[n]
            .circuits
            .paths()
            .into_iter()
            .find(|(r, _)| *r == role)
            .map(|(_, path)| path)
    }

    pub fn index(&self, node: &NodeId) -> usize {
        self.nodes
            .iter()
            .position(|n| n.peer.node == *node)
            .expect("a node of this world")
    }

    pub fn target(&self, contact: u64, n: usize, point: usize) -> SpurTarget {
        let point = self.points(n)[point];
        SpurTarget {
            contact: ContactTag(contact),
            node: point.node,
            addr: point.addr,
            cookie_key: point.cookie_key,
            point: point.cookie,
            credential: point.cookie,
        }
    }

    pub fn has_spur(&self, n: usize, contact: u64) -> bool {
        let last = self.nodes[n]
            .events
            .iter()
            .rev()
            .find_map(|(_, event)| match event {
                PersonEvent::SpurUp { contact: c } if c.0 == contact => Some(true),
                PersonEvent::SpurDown { contact: c } if c.0 == contact => Some(false),
                _ => None,
            });
        last.unwrap_or(false)
    }

    pub fn online(&self) -> bool {
        self.nodes
            .iter()
            .filter(|node| node.alive)
            .all(|node| node.circuits.online())
    }
}
