//! Links: associations with other nodes over one UDP socket, and everything that is in a datagram.
//!
//! A *link* and a *spur* are shaped: a clock of their own sends, whatever there is to say. A *contact session* is not: it carries the
//! messages of the ring, or in a session apart forwarded requests, at once. All begin with the same two cells, all cells have the same size, and no byte is plain. What arrives
//! and opens nothing is counted and answered with silence.
//!
//! Sans-IO: [`Links::handle_datagram`] and [`Links::handle_timeout`] take in, [`Links::poll_output`] gives out until it is empty,
//! [`Links::next_timeout`] says when to come again. Not here: which nodes to link to, and what bodies mean.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::crypto::keys::{EntryKey, NodeKey};
use crate::crypto::random::Stream;
use crate::node::Shaping;
use crate::wire::address::Address;
use crate::wire::cell::CellKind;
use crate::wire::certificate::LinkCertificate;
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BODY, DATAGRAM};
use crate::wire::ticket::EntrySecret;
use crate::wire::time::{Moment, Now, UnixMs};

mod accept;
mod accepted;
mod assoc;
mod calls;
mod certificate;
mod dial;
mod flights;
mod gate;
mod handshake;
mod keys;
mod lanes;
mod meter;
mod output;
mod purpose;
mod receive;
mod schedule;
mod shaped;
mod table;
mod target;
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
pub use output::{BodyKind, DialFailure, DownReason, LinkInfo, LinkOutput, LinkState, Refusal};
pub use purpose::Purpose;
pub use schedule::LEAD;
pub use shaped::Counts;
use table::{Addresses, Timers};
pub use target::{DialKey, DialTarget};

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
/// The same of one /16 (IPv6: /32), outside LAN mode: ids cost nothing, so whoever holds an address could push everybody else's out.
pub const CONTACTS_A_NETWORK: usize = 32;
/// Associations whose caller has not yet proved itself; the oldest goes first.
pub const HALF_OPEN: usize = 256;
/// The same of one IPv4 address or IPv6 /64 (in LAN mode: of one address and port).
pub const HALF_OPEN_PER_SOURCE: usize = 8;
/// Calls for links under way, and calls for spurs; more fail at once.
pub const DIALS: usize = 32;
/// Calls for contact sessions of each plane under way; more are refused.
pub const CONTACT_DIALS: usize = 64;
/// Links that say good-bye; the oldest is cut short.
pub const CLOSING: usize = 64;
/// Bodies handed up and not taken yet. When they are so many, cells with bodies are not accepted and their senders send them again.
pub const UNTAKEN: usize = 1024;
/// Looks a second at cells from unknown sources, of which each is tried on all associations and calls: about a hundredth of a core. What is
/// above it is dropped.
const TRIALS: f64 = 200_000.0;
/// Looks that a call costs, which needs a MAC over the whole cell; an association needs a block of AES for each of its keys.
const CALL_TRIAL: f64 = 16.0;
/// An association that its caller has not confirmed is forgotten.
const CONFIRM: Duration = Duration::from_secs(15);
/// A closing link goes on sending for this long, so that its end says nothing about the moment it was decided.
const DRAIN: Duration = Duration::from_secs(10);
/// A contact session that nobody uses.
const IDLE: Duration = Duration::from_secs(120);

/// Names a call and the association that comes of it; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssocId(pub u64);

pub struct LinkConfig {
    pub class: Class,
    /// Private addresses are talked to, and the rules about networks are off.
    pub lan: bool,
    /// The entry key this node is called by besides its NodeId.
    pub entry: Option<EntryDoor>,
    pub shaping: Shaping,
}

/// A key that outlives the run.
pub struct EntryDoor {
    pub key: EntryKey,
    /// Of an unlisted entry.
    pub secret: EntrySecret,
    /// When this run began: calls from before it were for an earlier one, and whoever recorded them may play them again.
    pub since: UnixMs,
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
    /// Cells of links and spurs that are gone.
    gone: Counts,
    dropped: u64,
    /// Calls that cost curve work, for good or not.
    calls_opened: u64,
}

impl Links {
    /// `schedule` and `random` are forked; what is drawn from them elsewhere changes nothing here. Whoever keeps `random` can draw this
    /// node's keys again.
    pub fn new(config: LinkConfig, key: Arc<NodeKey>, schedule: &Stream, random: &Stream) -> Links {
        let own = key.id();
        let mut listening = vec![Listening::node(key.clone())];
        listening.extend(config.entry.map(Listening::entry));
        Links {
            class: config.class,
            lan: config.lan,
            shaping: config.shaping,
            key,
            own,
            listening,
            schedule: schedule.fork("links", own.bytes()),
            random: random.fork("links", own.bytes()).forgetful(),
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
            gone: Counts::default(),
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

    /// The program stood still until now. The other ends did not, or did as well: nobody knows until something comes.
    pub fn stood_still(&mut self, now: Moment) {
        for assoc in self.assocs.values_mut() {
            if let Role::Shaped(link) = &mut assoc.role {
                link.shaped.stood_still(now);
            }
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
                waiting: 0,
                displaced: 0,
                loss: 0.0,
                round_trip: None,
                rate: 0.0,
                steady_rate: 0.0,
                rate_in: 0.0,
                silence: now.since(dial.started()),
            });
        up.chain(calls).collect()
    }

    /// Cells of all links and spurs that there were since the start.
    pub fn counts(&self) -> Counts {
        let present = self.assocs.values().filter_map(Assoc::counts);
        present.fold(self.gone, |sum, counts| sum + counts)
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
