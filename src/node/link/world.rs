//! A few nodes, a virtual clock and a network that delays, loses, doubles and swaps, for the tests of this room.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{
    AssocId, BodyKind, Cell, DialFailure, DialTarget, DownReason, EntryDoor, LinkConfig,
    LinkOutput, Links, Purpose,
};
use crate::crypto::id::NodeId;
use crate::crypto::keys::{EntryKey, NodeKey};
use crate::crypto::random::Stream;
use crate::node::Shaping;
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::BODY;
use crate::wire::ticket::EntrySecret;
use crate::wire::time::{Moment, Now, UnixMs};

/// Unix time at the world's start.
pub const EPOCH: u64 = 1_800_000_000_000;

pub struct Node {
    pub links: Links,
    pub addr: SocketAddr,
    pub id: NodeId,
    pub ups: Vec<(AssocId, Peer, Purpose, bool, Option<SocketAddr>)>,
    pub downs: Vec<(AssocId, DownReason)>,
    pub failures: Vec<(AssocId, DialFailure)>,
    pub bodies: Vec<(AssocId, BodyKind, [u8; BODY])>,
    pub contacts: Vec<(Peer, [u8; BODY])>,
    /// Outputs are left where they are as long as this is set.
    pub stuck: bool,
}

impl Node {
    pub fn up(&self) -> AssocId {
        self.ups.last().expect("the link is up").0
    }
}

/// One datagram as Eve sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub at: Moment,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub size: usize,
}

pub struct World {
    pub now: Moment,
    pub nodes: Vec<Node>,
    pub seen: Vec<Seen>,
    /// Every cell sent, as long as `keep_cells` is set.
    pub cells: Vec<(Seen, Box<Cell>)>,
    pub keep_cells: bool,
    pub loss: f64,
    pub doubled: f64,
    /// Seconds: the least delay, and the mean of what chance adds.
    pub delay: (f64, f64),
    /// Nothing passes while this is set.
    pub cut: bool,
    /// Nodes that are added run in LAN mode.
    pub lan: bool,
    network: Stream,
    flying: BTreeMap<(Moment, u64), (SocketAddr, SocketAddr, Box<Cell>)>,
    count: u64,
}

impl World {
    pub fn new(seed: u8) -> World {
        World {
            now: Moment(0),
            nodes: Vec::new(),
            seen: Vec::new(),
            cells: Vec::new(),
            keep_cells: false,
            loss: 0.0,
            doubled: 0.0,
            delay: (0.02, 0.0),
            cut: false,
            lan: false,
            network: Stream::from_seed([seed; 32]).fork("network", b""),
            flying: BTreeMap::new(),
            count: 0,
        }
    }

    /// A world of so many `normal` nodes.
    pub fn of(seed: u8, nodes: u8) -> World {
        let mut world = World::new(seed);
        for n in 0..nodes {
            world.add(seed, n, Class::Normal, None);
        }
        world
    }

    pub fn add(
        &mut self,
        seed: u8,
        n: u8,
        class: Class,
        entry: Option<(EntryKey, EntrySecret)>,
    ) -> usize {
        let root = Stream::from_seed([seed; 32]).fork("node", &[n]);
        let key = Arc::new(NodeKey::generate(&mut root.fork("key", b"")));
        let id = key.id();
        let addr = SocketAddr::from(([9, n + 1, 0, 1], 4000));
        let config = LinkConfig {
            class,
            lan: self.lan,
            entry: entry.map(|(key, secret)| EntryDoor {
                key,
                secret,
                since: self.time().unix,
            }),
            shaping: Shaping::On,
        };
        let links = Links::new(
            config,
            key,
            &root.fork("schedule", b""),
            &root.fork("crypto", b""),
        );
        self.nodes.push(Node {
            links,
            addr,
            id,
            ups: Vec::new(),
            downs: Vec::new(),
            failures: Vec::new(),
            bodies: Vec::new(),
            contacts: Vec::new(),
            stuck: false,
        });
        self.nodes.len() - 1
    }

    pub fn time(&self) -> Now {
        Now {
            at: self.now,
            unix: UnixMs(EPOCH + self.now.0 / 1000),
        }
    }

    pub fn peer(&self, n: usize) -> Peer {
        Peer {
            node: self.nodes[n].id,
            addr: self.nodes[n].addr,
        }
    }

    pub fn dial(&mut self, from: usize, to: usize, purpose: Purpose) -> AssocId {
        let target = DialTarget::from(self.peer(to));
        let now = self.time();
        let id = self.nodes[from].links.dial(now, target, purpose);
        self.drain(from);
        id
    }

    /// Dials and runs until both ends are up; returns both ends' ids.
    pub fn link(&mut self, from: usize, to: usize, purpose: Purpose) -> (AssocId, AssocId) {
        let (ups_from, ups_to) = (self.nodes[from].ups.len(), self.nodes[to].ups.len());
        self.dial(from, to, purpose);
        for _ in 0..200 {
            self.run(0.1);
            if self.nodes[from].ups.len() > ups_from && self.nodes[to].ups.len() > ups_to {
                break;
            }
        }
        (self.nodes[from].up(), self.nodes[to].up())
    }

    pub fn send_contact(&mut self, from: usize, to: usize, body: u8) -> Result<(), super::Full> {
        let (now, peer) = (self.time(), self.peer(to));
        let result =
            self.nodes[from]
                .links
                .send_contact(now, Purpose::Contact, peer, &[body; BODY]);
        self.drain(from);
        result
    }

    /// Moves a node to the network of another one.
    pub fn move_beside(&mut self, n: usize, other: usize) {
        let std::net::IpAddr::V4(ip) = self.nodes[other].addr.ip() else {
            return;
        };
        let [a, b, c, d] = ip.octets();
        self.nodes[n].addr = SocketAddr::from(([a, b, c + 77, d], 4000));
    }

    pub fn close(&mut self, n: usize, id: AssocId) {
        let now = self.time();
        self.nodes[n].links.close(now, id);
        self.drain(n);
    }

    /// Hands a datagram to a node now; returns how many datagrams it sent at once because of it.
    pub fn inject(&mut self, n: usize, from: SocketAddr, bytes: &[u8]) -> usize {
        let now = self.time();
        let before = self.seen.len();
        self.nodes[n].links.handle_datagram(now, from, bytes);
        self.drain(n);
        self.seen.len() - before
    }

    pub fn drain(&mut self, n: usize) {
        if self.nodes[n].stuck {
            return;
        }
        while let Some(output) = self.nodes[n].links.poll_output() {
            let node = &mut self.nodes[n];
            match output {
                LinkOutput::Transmit { at, to, cell, .. } => self.transmit(at, n, to, cell),
                LinkOutput::Up {
                    assoc,
                    peer,
                    purpose,
                    dialled,
                    observed,
                } => {
                    node.ups.push((assoc, peer, purpose, dialled, observed));
                }
                LinkOutput::Down { assoc, why, .. } => node.downs.push((assoc, why)),
                LinkOutput::Body { assoc, kind, body } => node.bodies.push((assoc, kind, body)),
                LinkOutput::Contact { peer, body, .. } => node.contacts.push((peer, body)),
                LinkOutput::DialFailed { assoc, why, .. } => node.failures.push((assoc, why)),
            }
        }
    }

    fn transmit(&mut self, at: Moment, n: usize, to: SocketAddr, cell: Box<Cell>) {
        let from = self.nodes[n].addr;
        let at = at.max(self.now);
        let seen = Seen {
            at,
            from,
            to,
            size: cell.len(),
        };
        if self.keep_cells {
            self.cells.push((seen.clone(), cell.clone()));
        }
        self.seen.push(seen);
        let copies = 1 + usize::from(self.network.unit() < self.doubled);
        for _ in 0..copies {
            let lost = self.network.unit() < self.loss || self.cut;
            let arrives = at.after_seconds(self.delay.0 + self.network.exponential(self.delay.1));
            if !lost {
                self.count += 1;
                self.flying
                    .insert((arrives, self.count), (from, to, cell.clone()));
            }
        }
    }

    /// Runs for so many seconds.
    pub fn run(&mut self, seconds: f64) {
        let end = self.now.after_seconds(seconds);
        loop {
            let timeout = self
                .nodes
                .iter()
                .filter(|n| !n.stuck)
                .map(|n| n.links.next_timeout())
                .min()
                .unwrap_or(Moment::NEVER);
            let arrival = self
                .flying
                .keys()
                .next()
                .map_or(Moment::NEVER, |(at, _)| *at);
            let next = timeout.min(arrival);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            let now = self.time();
            if arrival <= timeout {
                if let Some((_, (from, to, cell))) = self.flying.pop_first()
                    && let Some(n) = self.nodes.iter().position(|node| node.addr == to)
                {
                    self.nodes[n].links.handle_datagram(now, from, &cell[..]);
                    self.drain(n);
                }
            } else {
                for n in 0..self.nodes.len() {
                    if self.nodes[n].links.next_timeout() <= now.at && !self.nodes[n].stuck {
                        self.nodes[n].links.handle_timeout(now);
                        self.drain(n);
                    }
                }
            }
        }
        self.now = end;
    }
}
