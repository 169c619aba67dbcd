//! Links: associations with other nodes over one UDP socket, and everything that is in a datagram.
//!
//! A *link* and a *spur* are shaped: a clock of their own sends, whatever there is to say. A *contact session* is not: it carries the
//! messages of the ring, or in a session apart forwarded requests, at once. All begin with the same two cells, all cells have the same size, and no byte is plain. What arrives
//! and opens nothing is counted and answered with silence.
//!
//! Sans-IO: [`Links::handle_datagram`] and [`Links::handle_timeout`] take in, [`Links::poll_output`] gives out until it is empty,
//! [`Links::next_timeout`] says when to come again. Not here: which nodes to link to, and what bodies mean.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::curve::Point;
use crate::crypto::id::{EntryId, NodeId};
use crate::crypto::keys::{EntryKey, NodeKey};
use crate::crypto::random::Stream;
use crate::node::{Cause, Shaping};
use crate::wire::address::Address;
use crate::wire::cell::CellKind;
use crate::wire::certificate::LinkCertificate;
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BODY, DATAGRAM};
use crate::wire::ticket::EntrySecret;
use crate::wire::time::{Moment, Now};

mod accept;
mod assoc;
mod calls;
mod certificate;
mod dial;
mod flights;
mod gate;
mod handshake;
mod keys;
mod lanes;
mod receive;
mod schedule;
mod shaped;
mod table;
#[cfg(test)]
mod tests;
mod ticks;
#[cfg(test)]
mod world;

use assoc::{Assoc, Role};
use certificate::Vouching;
use dial::{Dial, Waiting};
use gate::{Allowance, Gate};
use handshake::Listening;
pub use lanes::{DEPTH, Full, LANES, SPUR_DEPTH};
pub use schedule::LEAD;
use table::{Addresses, Timers};

/// One datagram.
pub type Cell = [u8; DATAGRAM];

/// Links this node called: four chosen, and two to spare.
pub const CALLED_LINKS: usize = 6;
/// Links others called.
pub const ACCEPTED_LINKS: usize = 8;
/// Spurs this node holds as the end of others' outbound circuits: six circuits with as many spurs kept for answers, where one circuit is
/// the mean.
pub const CALLED_SPURS: usize = 48;
/// Spurs others hold to this node; four are the mean.
pub const ACCEPTED_SPURS: usize = 48;
/// Contact sessions of each plane; the least recently used goes first.
pub const CONTACTS: usize = 256;
/// Associations whose caller has not yet proved itself; the oldest goes first.
pub const HALF_OPEN: usize = 256;
/// The same of one IPv4 address or IPv6 /64 (in LAN mode: of one address and port).
pub const HALF_OPEN_PER_SOURCE: usize = 8;
/// Calls for links and spurs under way; more fail at once.
pub const DIALS: usize = 32;
/// Calls for contact sessions of each plane under way; more are refused.
pub const CONTACT_DIALS: usize = 64;
/// Links that say good-bye; the oldest is cut short.
pub const CLOSING: usize = 64;
/// Bodies handed up and not taken yet. When they are so many, cells with bodies are not accepted and their senders send them again.
pub const UNTAKEN: usize = 1024;
/// Cells a second from unknown sources that are tried on all associations: about a hundredth of a core.
const TRIALS: f64 = 2000.0;
/// An association that its caller has not confirmed is forgotten.
const CONFIRM: Duration = Duration::from_secs(15);
/// A closing link goes on sending for this long, so that its end says nothing about the moment it was decided.
const DRAIN: Duration = Duration::from_secs(10);
/// A contact session that nobody uses.
const IDLE: Duration = Duration::from_secs(120);

/// What an association is for. It travels in INIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Shaped, long-lived, carries circuits.
    Link,
    /// Shaped, temporary, from a circuit's end to a chosen node.
    Spur,
    /// Unshaped, for the ring's own messages.
    Contact,
    /// Unshaped, for requests forwarded from the end of somebody's utility circuit. Apart from `Contact`, so that what others ask never decides
    /// whether the ring's next message needs a handshake.
    Errand,
}

impl Purpose {
    fn code(self) -> u8 {
        match self {
            Purpose::Link => 1,
            Purpose::Spur => 2,
            Purpose::Contact => 3,
            Purpose::Errand => 4,
        }
    }

    /// Contact sessions of either plane: unshaped.
    pub fn is_contact(self) -> bool {
        matches!(self, Purpose::Contact | Purpose::Errand)
    }

    /// Why a call for it is made.
    fn dial_cause(self) -> Cause {
        match self {
            Purpose::Link => Cause::Dial,
            Purpose::Spur => Cause::Spur,
            Purpose::Contact => Cause::Ring,
            Purpose::Errand => Cause::Forward,
        }
    }

    /// Why its cells are sent.
    fn cause(self) -> Cause {
        match self {
            Purpose::Link => Cause::Shaped,
            _ => self.dial_cause(),
        }
    }

    fn from_code(code: u8) -> Option<Purpose> {
        match code {
            1 => Some(Purpose::Link),
            2 => Some(Purpose::Spur),
            3 => Some(Purpose::Contact),
            4 => Some(Purpose::Errand),
            _ => None,
        }
    }
}

/// Names a call and the association that comes of it; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssocId(pub u64);

/// Under which key the other is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialKey {
    Node(NodeId),
    /// Its answer says, and proves, which NodeId it has now.
    Entry(EntryId, EntrySecret),
}

impl DialKey {
    fn parts(&self) -> (Point, EntrySecret) {
        match self {
            DialKey::Node(node) => (*node.point(), EntrySecret::NONE),
            DialKey::Entry(entry, secret) => (*entry.point(), *secret),
        }
    }
}

/// Whom to call, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialTarget {
    pub key: DialKey,
    pub addr: SocketAddr,
}

impl From<Peer> for DialTarget {
    fn from(peer: Peer) -> DialTarget {
        DialTarget {
            key: DialKey::Node(peer.node),
            addr: peer.addr,
        }
    }
}

/// Why a call was answered with no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No place left.
    Full,
    /// It has a link into the caller's network already.
    Network,
    /// Of a later version.
    Other,
}

impl Refusal {
    fn code(self) -> u8 {
        match self {
            Refusal::Full => 1,
            Refusal::Network => 2,
            Refusal::Other => 255,
        }
    }

    fn from_code(code: u8) -> Option<Refusal> {
        match code {
            0 => None,
            1 => Some(Refusal::Full),
            2 => Some(Refusal::Network),
            _ => Some(Refusal::Other),
        }
    }
}

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// Silence: nobody there, a wrong key, a wrong clock.
    NoAnswer,
    Refused(Refusal),
    /// Too many calls or associations of this node's own.
    TooMany,
    /// An address or key that is never called: this node itself, or one outside its reach.
    NotAllowed,
    /// There is a link to this node already.
    Linked,
}

/// Why an association ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// [`Links::close`].
    Closed,
    /// The other end said so.
    ClosedByPeer,
    /// Nothing came any more.
    Silent,
    /// A newer link with the same node.
    Replaced,
    /// Its keys were used up and could not be replaced.
    KeysSpent,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    Circuit,
    /// Between the two ends of the link; the first byte is 0x40 or more.
    Control,
}

#[derive(Debug)]
pub enum LinkOutput {
    /// Send at this moment, which lies up to [`LEAD`] ahead; if it is over, at once.
    Transmit {
        at: Moment,
        to: SocketAddr,
        cell: Box<Cell>,
        /// Has no part in the cell: the simulator's tests compare worlds by it.
        cause: Cause,
    },
    /// Of every link and spur, and of contact sessions that [`Links::dial`] asked for. `dialled`: this end called. `observed`: this node's address as the other end sees it, or claims to have reached it.
    Up {
        assoc: AssocId,
        peer: Peer,
        purpose: Purpose,
        dialled: bool,
        observed: Option<SocketAddr>,
    },
    /// Of an association that was up; nothing can be sent on it any more.
    Down {
        assoc: AssocId,
        purpose: Purpose,
        why: DownReason,
    },
    /// From a link or spur. Bodies arrive once, in any order.
    Body {
        assoc: AssocId,
        kind: BodyKind,
        body: [u8; BODY],
    },
    /// From a contact session; the NodeId is authentic.
    Contact {
        plane: Purpose,
        peer: Peer,
        body: [u8; BODY],
    },
    DialFailed {
        assoc: AssocId,
        target: DialTarget,
        why: DialFailure,
    },
}

/// For the network screen.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkInfo {
    pub assoc: AssocId,
    pub peer: Option<Peer>,
    pub purpose: Purpose,
    pub state: LinkState,
    /// Since when it is up, or called.
    pub since: Moment,
    pub cells_in: u64,
    pub cells_out: u64,
    pub chaff_out: u64,
    /// Bodies given up after all their sends.
    pub bodies_lost: u64,
    /// Share of our cells not acknowledged, 0 to 1.
    pub loss: f64,
    pub round_trip: Option<Duration>,
    /// Cells per second and direction, now.
    pub rate: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Dialling,
    Up,
    Suspect,
    Draining,
}

impl LinkState {
    pub fn word(self) -> &'static str {
        match self {
            LinkState::Dialling => "dialling",
            LinkState::Up => "up",
            LinkState::Suspect => "suspect",
            LinkState::Draining => "draining",
        }
    }
}

pub struct LinkConfig {
    pub class: Class,
    /// Private addresses are talked to, and the rules about networks are off.
    pub lan: bool,
    /// The entry key this node is called by besides its NodeId, and its secret if it is unlisted.
    pub entry: Option<(EntryKey, EntrySecret)>,
    pub shaping: Shaping,
}

/// What both ends know of an association that is proven.
struct Proven {
    class: Class,
    /// Where the other end reaches us, as it says.
    reached: Address,
    /// Where we reach it, as it knows.
    at: Address,
    waiting: Waiting,
    /// Its being up is told, whatever it is for.
    asked: bool,
}

pub struct Links {
    class: Class,
    lan: bool,
    shaping: Shaping,
    key: Arc<NodeKey>,
    own: NodeId,
    listening: Vec<Listening>,
    /// Only forked, never drawn from: each link's ticks are a function of the link.
    schedule: Stream,
    /// Ephemerals, salts.
    random: Stream,
    last_id: u64,
    assocs: BTreeMap<AssocId, Assoc>,
    dials: BTreeMap<AssocId, Dial>,
    addresses: Addresses,
    dial_addresses: Addresses,
    timers: Timers,
    /// Contact sessions that are up, and calls for them.
    contacts: BTreeMap<(Purpose, NodeId), AssocId>,
    contact_dials: BTreeMap<(Purpose, NodeId), AssocId>,
    gate: Gate,
    trials: Allowance,
    output: VecDeque<LinkOutput>,
    untaken: usize,
    dropped: u64,
    /// Calls that cost curve work, for good or not.
    calls_opened: u64,
}

impl Links {
    /// `schedule` and `random` are forked; what is drawn from them elsewhere changes nothing here.
    pub fn new(config: LinkConfig, key: Arc<NodeKey>, schedule: &Stream, random: &Stream) -> Links {
        let own = key.id();
        let mut listening = vec![Listening::node(key.clone())];
        if let Some((entry, secret)) = config.entry {
            listening.push(Listening::entry(entry, secret));
        }
        Links {
            class: config.class,
            lan: config.lan,
            shaping: config.shaping,
            key,
            own,
            listening,
            schedule: schedule.fork("links", own.bytes()),
            random: random.fork("links", own.bytes()),
            last_id: 0,
            assocs: BTreeMap::new(),
            dials: BTreeMap::new(),
            addresses: Addresses::default(),
            dial_addresses: Addresses::default(),
            timers: Timers::default(),
            contacts: BTreeMap::new(),
            contact_dials: BTreeMap::new(),
            gate: Gate::new(config.lan),
            trials: Allowance::new(TRIALS, Moment(0)),
            output: VecDeque::new(),
            untaken: 0,
            dropped: 0,
            calls_opened: 0,
        }
    }

    /// Calls a node. The result comes as `Up` or `DialFailed` with the returned id.
    pub fn dial(&mut self, now: Now, target: DialTarget, purpose: Purpose) -> AssocId {
        let id = self.new_id();
        if let Err(why) = self.may_dial(&target, purpose) {
            self.output.push_back(LinkOutput::DialFailed {
                assoc: id,
                target,
                why,
            });
            return id;
        }
        let target = DialTarget {
            addr: Address::from(target.addr).socket(),
            ..target
        };
        self.start_dial(now, id, target, purpose, true);
        id
    }

    /// Ends a link or spur, or gives a call up. `Down` comes at once; the other end is told in later slots.
    pub fn close(&mut self, now: Now, id: AssocId) {
        if self.drop_dial(id).is_some() {
            return;
        }
        if let Some(Assoc {
            role: Role::Shaped(_),
            ..
        }) = self.assocs.get(&id)
        {
            self.drain(now, id, DownReason::Closed);
        }
    }

    /// Queues a circuit body on a link or spur, in a lane that takes turns with the others.
    pub fn send(&mut self, id: AssocId, lane: u32, body: &[u8; BODY]) -> Result<(), Full> {
        match self.assocs.get_mut(&id) {
            Some(Assoc {
                role: Role::Shaped(link),
                closing: None,
                ..
            }) => link.shaped.send(lane, body),
            _ => Err(Full),
        }
    }

    /// Queues a body between the two ends of a link; it goes before circuit bodies. Its first byte is 0x40 or more.
    pub fn send_control(&mut self, id: AssocId, body: &[u8; BODY]) -> Result<(), Full> {
        match self.assocs.get_mut(&id) {
            Some(Assoc {
                role: Role::Shaped(link),
                closing: None,
                ..
            }) => link.shaped.send_control(body),
            _ => Err(Full),
        }
    }

    /// Sends a body to a node in a contact session, at once if there is one, else when it is up. Nothing is sent again here.
    /// The two planes have sessions of their own.
    pub fn send_contact(
        &mut self,
        now: Now,
        plane: Purpose,
        peer: Peer,
        body: &[u8; BODY],
    ) -> Result<(), Full> {
        if !plane.is_contact() {
            return Err(Full);
        }
        let session = (plane, peer.node);
        if let Some(id) = self.contacts.get(&session).copied() {
            let stale = match self.assocs.get(&id) {
                Some(Assoc {
                    role: Role::Contact(contact),
                    peer: at,
                    ..
                }) => contact.is_stale(now.at) || at.addr != peer.addr,
                _ => true,
            };
            if !stale {
                self.contact_cell(now, id, CellKind::Body, Some(body));
                return Ok(());
            }
        }
        let id = match self.contact_dials.get(&session) {
            Some(id) => *id,
            None => {
                let target = DialTarget {
                    addr: Address::from(peer.addr).socket(),
                    ..DialTarget::from(peer)
                };
                let id = self.new_id();
                self.may_dial(&target, plane).map_err(|_| Full)?;
                self.start_dial(now, id, target, plane, false);
                id
            }
        };
        self.dials
            .get_mut(&id)
            .map_or(Err(Full), |dial| dial.waiting.push(body))
    }

    pub fn poll_output(&mut self) -> Option<LinkOutput> {
        let output = self.output.pop_front();
        if let Some(LinkOutput::Body { .. } | LinkOutput::Contact { .. }) = output {
            self.untaken -= 1;
        }
        output
    }

    pub fn next_timeout(&self) -> Moment {
        self.timers.next()
    }

    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(id) = self.timers.pop(now.at) {
            if self.dials.contains_key(&id) {
                self.redial(now, id);
                continue;
            }
            match self.assocs.get(&id).map(|assoc| &assoc.role) {
                Some(Role::HalfOpen(_)) => {
                    self.forget(id);
                }
                Some(Role::Shaped(_)) => self.tick(now, id),
                Some(Role::Contact(_)) => self.contact_due(now, id),
                None => {}
            }
        }
    }

    /// The certificate with the peer of a link, once both have signed.
    pub fn certificate(&self, id: AssocId) -> Option<LinkCertificate> {
        match self.assocs.get(&id) {
            Some(Assoc {
                role: Role::Shaped(link),
                closing: None,
                ..
            }) => link.vouching.as_ref().and_then(Vouching::certificate),
            _ => None,
        }
    }

    /// Links, spurs and calls for them; not contact sessions.
    pub fn info(&self, now: Moment) -> Vec<LinkInfo> {
        let up = self
            .assocs
            .iter()
            .filter_map(|(id, assoc)| assoc.info(*id, now));
        let calls = self
            .dials
            .iter()
            .filter(|(_, d)| !d.purpose.is_contact())
            .map(|(id, dial)| LinkInfo {
                assoc: *id,
                peer: match dial.target.key {
                    DialKey::Node(node) => Some(Peer {
                        node,
                        addr: dial.target.addr,
                    }),
                    DialKey::Entry(..) => None,
                },
                purpose: dial.purpose,
                state: LinkState::Dialling,
                since: dial.started(),
                cells_in: 0,
                cells_out: 0,
                chaff_out: 0,
                bodies_lost: 0,
                loss: 0.0,
                round_trip: None,
                rate: 0.0,
            });
        up.chain(calls).collect()
    }

    pub fn contact_sessions(&self) -> usize {
        self.contacts.len()
    }

    /// Datagrams that opened nothing.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Calls of others that cost curve work, whether anything came of them or not.
    pub fn calls_opened(&self) -> u64 {
        self.calls_opened
    }

    fn new_id(&mut self) -> AssocId {
        self.last_id += 1;
        AssocId(self.last_id)
    }

    /// A stream that is a function of the link alone.
    fn fork(&self, label: &str, peer: &Point, purpose: Purpose, created: Moment) -> Stream {
        let mut context = Vec::with_capacity(64);
        context.extend_from_slice(peer.bytes());
        context.push(purpose.code());
        context.extend_from_slice(&created.0.to_be_bytes());
        self.schedule.fork(label, &context)
    }
}
