//! What hostile neighbours, origins, hops, ends, intro points and keepers can do to a node, and what not: no panic, no bound passed, and the
//! node works afterwards.

use super::*;
use crate::crypto::id::NodeId;
use crate::wire::address::Address;
use crate::wire::certificate::Edge;
use crate::wire::time::UnixMs;

mod hop_tests;
mod origin_tests;
mod owner;

const UNIX: u64 = 1_800_000_000_000;

/// A node's circuits, and its links to nodes that the test plays.
struct Node {
    circuits: Circuits,
    key: Arc<NodeKey>,
    guards: Vec<Guard>,
    nodes: usize,
    at: Moment,
    next_view: Moment,
}

impl Node {
    fn new(seed: u8, nodes: usize) -> Node {
        let mut random = Stream::from_seed([seed; 32]);
        let key = Arc::new(NodeKey::generate(&mut random));
        let config = CircuitConfig {
            class: Class::Normal,
            lan: false,
        };
        let streams = CircuitStreams::of(&Streams::from_seed([seed; 32]));
        let cookie = CookieKey::generate(&mut random);
        Node {
            circuits: Circuits::new(config, key.clone(), cookie, streams),
            key,
            guards: Vec::new(),
            nodes,
            at: Moment(0),
            next_view: Moment(0),
        }
    }

    fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: UnixMs(UNIX + self.at.0 / 1000),
        }
    }

    /// A shaped link to this node comes up, with its certificate.
    fn link(&mut self, assoc: u64, key: &NodeKey, peer: Peer, dialled: bool) {
        let edge = Edge {
            owner: self.key.id(),
            neighbour: peer.node,
            address: Address::from(peer.addr),
            expires: UnixMs(UNIX).seconds() + 24 * 3600,
        };
        let certificate = LinkCertificate {
            neighbour: edge.neighbour,
            address: edge.address,
            expires: edge.expires,
            by_owner: edge.sign(&self.key),
            by_neighbour: edge.sign(key),
        };
        let assoc = AssocId(assoc);
        let now = self.now();
        self.circuits
            .handle_link_up(now, assoc, peer, Purpose::Link, dialled);
        self.guards.push(Guard {
            assoc,
            peer,
            certificate: Some(certificate),
            rate: 6.0,
            chosen: dialled,
            silence: Duration::ZERO,
        });
        self.view();
    }

    fn view(&mut self) {
        self.next_view = self.at.after_seconds(1.0);
        self.circuits.set_view(View {
            guards: self.guards.clone(),
            nodes: self.nodes,
        });
    }

    fn next_timeout(&self) -> Moment {
        self.circuits.next_timeout().min(self.next_view)
    }

    /// The next moment at which something is due.
    fn step(&mut self) {
        self.at = self.next_timeout().max(self.at);
        if self.next_view <= self.at {
            self.view();
        }
        let now = self.now();
        self.circuits.handle_timeout(now);
    }

    /// A block of a circuit comes over a link.
    fn block(&mut self, (assoc, id): (AssocId, u32), block: &[u8; BLOCK]) {
        let mut body = [0; BODY];
        body[..CIRCUIT_ID].copy_from_slice(&id.to_be_bytes());
        body[CIRCUIT_ID..].copy_from_slice(block);
        self.body(assoc, BodyKind::Circuit, &body);
    }

    fn body(&mut self, assoc: AssocId, kind: BodyKind, body: &[u8; BODY]) {
        let now = self.now();
        self.circuits.handle_body(now, assoc, kind, body);
    }

    fn outputs(&mut self) -> Vec<CircuitOutput> {
        std::iter::from_fn(|| self.circuits.poll_output()).collect()
    }
}

/// Circuit id and block of a body.
fn split(body: &[u8; BODY]) -> (u32, [u8; BLOCK]) {
    let mut block = [0; BLOCK];
    block.copy_from_slice(&body[CIRCUIT_ID..]);
    let id = u32::from_be_bytes([body[0], body[1], body[2], body[3]]);
    (id, block)
}

/// Changes up to four bytes, those that say what it is more often than the others.
fn mutate(random: &mut Stream, bytes: &mut [u8]) {
    for _ in 0..random.below(5) {
        let at = match random.below(3) {
            0 => random.below(4),
            1 => random.below(80),
            _ => random.below(bytes.len() as u64),
        };
        let byte = &mut bytes[at as usize];
        *byte = match random.below(4) {
            0 => *byte ^ 1 << random.below(8),
            1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
            2 => random.below(0x40) as u8,
            _ => random.u32() as u8,
        };
    }
}

fn peer(key: &NodeKey, network: u8) -> Peer {
    Peer {
        node: key.id(),
        addr: SocketAddr::from(([9, network, 0, 1], 4000)),
    }
}

fn keys(random: &mut Stream, count: usize) -> Vec<NodeKey> {
    (0..count).map(|_| NodeKey::generate(random)).collect()
}

/// Whether these bytes name the node.
fn names(bytes: &[u8], node: &NodeId) -> bool {
    bytes.windows(NodeId::LEN).any(|w| w == node.bytes())
}
