//! The sans-IO state machines of the network.
//!
//! [`Node`] owns them and carries messages between them; none calls another. It reads no clock, draws no randomness from the system and opens no
//! socket: `handle_*` takes an input with the time, then [`Node::poll_output`] is drained, then [`Node::next_timeout`] says when to come again.
//!
//! ```text
//!            datagrams                      commands of the person
//!                │                                   │
//!            ┌───▼───┐  bodies of shaped links ┌─────▼────┐  random keys, real ones if they wait
//!            │ links ├────────────────────────►│ circuits ├──────────────┐
//!            │       │◄────────────────────────┤          │              │ requests sealed to a node
//!            └─┬───▲─┘                         └──────────┘              │
//!   contact    │   │ contact bodies                                  ┌───▼──┐
//!   bodies     └───┴────────────────────────────────────────────────►│ dht  │── ring records ──► topology ── dials ──► links
//!                                                                     └──────┘
//! ```
//!
//! Two planes meet here and must not mix: what the node does for itself (links, ring, clocks) and what anybody, its own person included, asks of it.
//! The first decides every datagram the node starts; the second only fills cells that leave anyway.

pub mod circuit;
pub mod dht;
mod entry;
pub mod link;
mod neighbours;
pub mod person;
mod report;
pub mod topology;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::id::NodeId;
use crate::crypto::keys::{CookieKey, EntryKey, NodeKey};
use crate::crypto::random::{Stream, Streams};
use crate::wire::address::Reach;
use crate::wire::class::Class;
use crate::wire::dht::FIRST_FOREIGN_KIND;
use crate::wire::peer::Peer;
use crate::wire::size::DATAGRAM;
use crate::wire::ticket::{EntrySecret, Ticket};
use crate::wire::time::{Moment, Now};

use circuit::{CircuitConfig, CircuitOutput, CircuitStreams, Circuits};
use dht::{Dht, DhtConfig, DhtOutput, LookupId, Timing};
use link::{
    AssocId, BodyKind, DialFailure, DialKey, DialTarget, DownReason, EntryDoor, LinkConfig,
    LinkOutput, LinkState, Links, Purpose,
};
use person::{NodeCommand, PersonEvent};
use topology::{Ending, Topology};

/// Outputs waiting to be polled. Reached only if the owner never drains; then the oldest datagram is dropped, as a wire would.
const OUTPUTS: usize = 4096;
/// Mean seconds between two attempts to reach the entry nodes while the ring is not joined.
const ENTRY_RETRY: f64 = 5.0;
/// The same in a node's first seconds, so that joining is quick.
const YOUNG_ENTRY_RETRY: f64 = 0.5;
/// How long those last.
const YOUNG_ENTRIES: f64 = 10.0;
/// Entry nodes joined through at most.
const ENTRIES: usize = 8;
/// Peers whose last word about the own address is remembered; the oldest is forgotten.
const REPORTS: usize = 16;
/// Seconds between two looks at the links for the circuits' sake.
const VIEW: f64 = 1.0;
/// The same while links are few and each second counts, and how long that is.
const YOUNG_VIEW: f64 = 0.2;
const YOUNG_VIEWS: f64 = 15.0;

/// A link over which something came in this time shows that the network is there.
const HEARD: Duration = Duration::from_secs(10);

/// Why a datagram leaves. It never reaches the wire: the simulator's tests compare worlds by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A tick of a shaped link.
    Shaped,
    /// A handshake the topology clock started.
    Dial,
    /// Ring maintenance on the ring's own clocks, its handshakes included.
    Ring,
    /// A spur held for a circuit that ends here, or one that somebody opened to here.
    Spur,
    /// An answer to a handshake that somebody's own clocks started, for a link or of the ring.
    Response,
    /// An answer to somebody's request.
    Answer,
    /// A request forwarded from the end of somebody's utility circuit, its handshake included.
    Forward,
    /// An answer to the handshake of a spur or of a forwarded request.
    Welcome,
}

/// What a node is told at its birth.
pub struct NodeConfig {
    pub class: Class,
    /// Private addresses allowed, no rule of one node per /16, ring positions from keys alone.
    pub lan: bool,
    /// Where others reach it, if known beforehand; otherwise it believes what its peers observe.
    pub address: Option<SocketAddr>,
    pub entries: Vec<Ticket>,
    /// The key it is called by as an entry node, with the secret of an unlisted one.
    pub entry_key: Option<(EntryKey, EntrySecret)>,
    pub shaping: Shaping,
}

/// Links send on their clock, always. The other value exists so that the test which compares two worlds can be seen to fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shaping {
    #[default]
    On,
    /// What a person sends makes links send at once, besides their clocks. For the positive control of the twin-world test only.
    OffForPositiveControl,
}

/// What a node hands out.
#[derive(Debug)]
pub enum NodeOutput {
    /// Send `cell` to `to` at the moment `at`, which may lie a few milliseconds ahead.
    Transmit {
        at: Moment,
        to: SocketAddr,
        cell: Box<[u8; DATAGRAM]>,
        cause: Cause,
    },
    Person(PersonEvent),
}

/// A running node: the sum of its machines.
pub struct Node {
    id: NodeId,
    links: Links,
    dht: Dht,
    circuits: Circuits,
    topology: Topology,
    entries: Vec<Ticket>,
    entry_clock: Stream,
    next_entry: Moment,
    entry_peers: Vec<Peer>,
    address: Option<SocketAddr>,
    /// By the owner: what peers report is not believed.
    address_given: bool,
    /// Which peer says where this node is, newest last.
    reports: VecDeque<(NodeId, SocketAddr)>,
    seeking: BTreeMap<LookupId, usize>,
    joined: bool,
    started: Moment,
    next_view: Moment,
    class: Class,
    lan: bool,
    outputs: VecDeque<NodeOutput>,
}

impl Node {
    /// A node that starts now. `seed` decides everything it will ever draw: its keys, its clocks, its choices.
    pub fn new(config: NodeConfig, seed: &[u8; 32], now: Now) -> Node {
        let streams = Streams::from_seed(*seed);
        let mut keys = streams.crypto.fork("node keys", b"");
        let key = Arc::new(NodeKey::generate(&mut keys));
        let cookie = CookieKey::generate(&mut keys);
        let links = Links::new(
            LinkConfig {
                class: config.class,
                lan: config.lan,
                entry: config.entry_key.map(|(key, secret)| EntryDoor {
                    key,
                    secret,
                    since: now.unix,
                }),
                shaping: config.shaping,
            },
            key.clone(),
            &streams.schedule,
            &streams.crypto,
        );
        let mut dht = Dht::new(
            DhtConfig {
                lan: config.lan,
                timing: Timing::default(),
            },
            key.clone(),
            &streams,
        );
        if let Some(addr) = config.address {
            dht.set_address(now, addr);
        }
        let mut entries = config.entries;
        // Everybody has the same list: nobody takes it from the top.
        streams.topology.fork("entries", b"").shuffle(&mut entries);
        let next_entry = if entries.is_empty() {
            Moment::NEVER
        } else {
            now.at
        };
        if entries.is_empty() {
            // The first node of a network has nobody to join.
            dht.start(now, &[]);
        }
        Node {
            id: key.id(),
            links,
            dht,
            circuits: Circuits::new(
                CircuitConfig {
                    class: config.class,
                    lan: config.lan,
                },
                key,
                cookie,
                CircuitStreams::of(&streams),
            ),
            topology: Topology::new(streams.schedule.fork("topology", b""), now.at),
            entries,
            entry_clock: streams.schedule.fork("entries", b""),
            next_entry,
            entry_peers: Vec::new(),
            address: config.address,
            address_given: config.address.is_some(),
            reports: VecDeque::new(),
            seeking: BTreeMap::new(),
            joined: false,
            started: now.at,
            next_view: now.at,
            class: config.class,
            lan: config.lan,
            outputs: VecDeque::new(),
        }
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    /// A datagram came in. Whatever it is, nothing is said to whoever sent it unless it is a valid first cell.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        self.links.handle_datagram(now, from, bytes);
        self.carry(now);
    }

    /// The moment of `next_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.links.next_timeout() <= now.at {
            self.links.handle_timeout(now);
        }
        if self.dht.next_timeout() <= now.at {
            self.dht.handle_timeout(now);
        }
        if self.circuits.next_timeout() <= now.at {
            self.circuits.handle_timeout(now);
        }
        if self.topology.next_timeout() <= now.at {
            self.seek_link(now);
        }
        if self.next_entry <= now.at {
            self.call_entry(now);
        }
        if self.next_view <= now.at {
            self.show_circuits(now);
        }
        self.carry(now);
    }

    /// The program stood still until now: a link over which nothing comes soon is gone, whatever the clock of this node says.
    pub fn stood_still(&mut self, now: Now) {
        self.links.stood_still(now.at);
    }

    /// What the person asks. It fills queues that clocks empty, and moves no clock.
    pub fn command(&mut self, now: Now, command: NodeCommand) {
        if let NodeCommand::SendSpur { .. } | NodeCommand::SendReply { .. } = command {
            self.links.hurry(now);
        }
        match command {
            NodeCommand::WantSpurs(wanted) => self.circuits.want_spurs(wanted),
            NodeCommand::SendSpur { contact, parcel } => self.circuits.send_spur(contact, parcel),
            NodeCommand::SendReply { handle, parcel } => self.circuits.send_reply(handle, parcel),
            NodeCommand::Approach { id, key } => self.circuits.approach(now, id, key),
            NodeCommand::Fetch { id, key } => self.circuits.fetch(now, id, key),
            NodeCommand::Publish { id, key, value } => self.circuits.publish(now, id, key, value),
            NodeCommand::Tokens(tokens) => self.circuits.set_tokens(&tokens),
        }
        self.carry(now);
    }

    pub fn poll_output(&mut self) -> Option<NodeOutput> {
        self.outputs.pop_front()
    }

    pub fn next_timeout(&self) -> Moment {
        self.links
            .next_timeout()
            .min(self.dht.next_timeout())
            .min(self.circuits.next_timeout())
            .min(self.topology.next_timeout())
            .min(self.next_entry)
            .min(self.next_view)
    }

    /// Carries messages between the machines until all are quiet.
    fn carry(&mut self, now: Now) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.links.poll_output() {
                quiet = false;
                self.on_link(now, output);
            }
            while let Some(output) = self.dht.poll_output() {
                quiet = false;
                self.on_dht(now, output);
            }
            while let Some(output) = self.circuits.poll_output() {
                quiet = false;
                self.on_circuit(now, output);
            }
            if quiet {
                break;
            }
        }
    }

    fn output(&mut self, output: NodeOutput) {
        if self.outputs.len() >= OUTPUTS {
            self.outputs.pop_front();
        }
        self.outputs.push_back(output);
    }

    fn on_link(&mut self, now: Now, output: LinkOutput) {
        match output {
            LinkOutput::Transmit {
                at,
                to,
                cell,
                cause,
            } => self.output(NodeOutput::Transmit {
                at,
                to,
                cell,
                cause,
            }),
            LinkOutput::Up {
                assoc,
                peer,
                purpose,
                dialled,
                observed,
            } => {
                if dialled && let Some(seen) = observed {
                    self.on_observed(now, peer.node, seen);
                }
                match purpose {
                    Purpose::Link => {
                        self.topology.handle_up(now.at, assoc);
                        self.circuits
                            .handle_link_up(now, assoc, peer, purpose, dialled);
                        self.show_circuits(now);
                    }
                    Purpose::Spur => self
                        .circuits
                        .handle_link_up(now, assoc, peer, purpose, dialled),
                    Purpose::Contact => self.on_entry(now, peer, dialled),
                    Purpose::Errand => {}
                }
            }
            LinkOutput::Down {
                assoc,
                purpose,
                why,
            } => self.on_link_down(now, assoc, purpose, why),
            LinkOutput::DialFailed { assoc, why, .. } => {
                let ending = match why {
                    DialFailure::NoAnswer => Ending::NoAnswer,
                    _ => Ending::Said,
                };
                let alone = self.is_alone(now);
                self.topology.handle_down(now.at, assoc, ending, alone);
                self.circuits.handle_link_down(now, assoc);
            }
            LinkOutput::Body { assoc, kind, body } => {
                self.circuits.handle_body(now, assoc, kind, &body)
            }
            // A body that does not belong to its plane is dropped: neither plane may move the other.
            LinkOutput::Contact { plane, peer, body } => {
                match (plane, body[0] < FIRST_FOREIGN_KIND) {
                    (Purpose::Contact, true) => self.dht.handle_message(now, peer, &body),
                    (Purpose::Errand, false) => self.circuits.handle_contact(now, peer, &body),
                    _ => {}
                }
            }
        }
    }

    /// Whether nothing is heard over any link: it is this node's own network that is away.
    fn is_alone(&self, now: Now) -> bool {
        let links = self.links.info(now.at);
        !links.iter().any(|link| {
            link.purpose == Purpose::Link && link.state == LinkState::Up && link.silence < HEARD
        })
    }

    fn on_link_down(&mut self, now: Now, assoc: AssocId, purpose: Purpose, why: DownReason) {
        if purpose == Purpose::Link {
            let ending = match why {
                DownReason::Silent => Ending::FellSilent,
                _ => Ending::Said,
            };
            let alone = self.is_alone(now);
            self.topology.handle_down(now.at, assoc, ending, alone);
        }
        if !purpose.is_contact() {
            self.circuits.handle_link_down(now, assoc);
        }
        if purpose == Purpose::Link {
            self.show_circuits(now);
        }
    }

    fn on_dht(&mut self, now: Now, output: DhtOutput) {
        match output {
            DhtOutput::Send { to, body } => {
                // A session with a full queue is a lost datagram: the ring asks again by itself.
                let _ = self.links.send_contact(now, Purpose::Contact, to, &body);
            }
            DhtOutput::Joined => {
                self.joined = true;
                self.next_entry = Moment::NEVER;
                self.show_circuits(now);
            }
            DhtOutput::Found {
                lookup,
                owner,
                neighbours,
                doubtful,
                ..
            } => {
                if let Some(slot) = self.seeking.remove(&lookup) {
                    // An owner that the density of the ring does not bear out is nobody's neighbour: the slot asks again at its next tick.
                    let candidates: Vec<Peer> = std::iter::once(owner)
                        .chain(neighbours)
                        .filter(|_| !doubtful)
                        .map(|record| record.peer())
                        .collect();
                    self.dial_link(now, slot, &candidates);
                }
            }
            DhtOutput::Lost { lookup } => {
                if let Some(slot) = self.seeking.remove(&lookup) {
                    self.dial_link(now, slot, &[]);
                }
            }
        }
    }

    fn on_circuit(&mut self, now: Now, output: CircuitOutput) {
        match output {
            // A full lane or a link that is gone loses the cell; parcels and queries are sent again end to end.
            CircuitOutput::Send {
                assoc,
                kind: BodyKind::Circuit,
                lane,
                body,
            } => {
                let _ = self.links.send(assoc, lane, &body);
            }
            CircuitOutput::Send {
                assoc,
                kind: BodyKind::Control,
                body,
                ..
            } => {
                let _ = self.links.send_control(assoc, &body);
            }
            CircuitOutput::Contact { to, body } => {
                let _ = self.links.send_contact(now, Purpose::Errand, to, &body);
            }
            CircuitOutput::DialSpur { handle, peer } => {
                let assoc = self.links.dial(now, DialTarget::from(peer), Purpose::Spur);
                self.circuits.spur_dialling(handle, assoc);
            }
            CircuitOutput::CloseSpur { assoc } => self.links.close(now, assoc),
            CircuitOutput::Ask { token, request } => {
                let answer = self.dht.answer(now, &request);
                self.circuits.answered(token, &answer);
            }
            CircuitOutput::Person(event) => self.output(NodeOutput::Person(event)),
        }
    }
}
