//! The ring: Bamboo, sans-IO.
//!
//! Who is a neighbour, where a key is kept, and the values themselves. Repair is periodic and never an answer to a failure, so
//! that congestion cannot feed on itself. What this machine starts, when, to whom and how often depends on its own clocks, its
//! own random streams and the ring's own messages; what people look up reaches it through [`Dht::answer`] alone, which starts
//! nothing.
//!
//! Parts: `members` (leaf set, prefix table, next hop), `admission` (which records are believed), `requests` (what was asked and
//! is not answered), `routing` (look-ups carried for us and for others), `join`, `upkeep` (the clocks), `shelf` (values).
//! Not here: who dials whom (`link`), sealed requests (`circuit`), records learnt through circuits.

mod admission;
mod join;
mod members;
mod requests;
mod routing;
mod rto;
mod shelf;
mod timers;
mod upkeep;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod value_tests;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::crypto::id::NodeId;
use crate::crypto::keys::NodeKey;
use crate::crypto::random::{Stream, Streams};
use crate::wire::address::Address;
use crate::wire::dht::{FIRST_FOREIGN_KIND, Message, RecordBytes, Tag, Verdict};
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::record::{LIFETIME_MINUTES, NodeRecord, SLOTS};
use crate::wire::size::{BODY, QUERY};
use crate::wire::time::{Moment, Now, UnixMs};

use admission::Admission;
use join::Joining;
use members::{Health, Members};
use requests::{Request, Why};
use routing::Carriage;
use shelf::Shelf;
use timers::Timers;

pub use members::{LEAVES_PER_SIDE, MEMBERS_MAX};
pub use shelf::VALUES_MAX;
pub use upkeep::Timing;

/// Nodes that may be asked for the first time at once; more are dropped and come again with the next exchange.
const CANDIDATES_MAX: usize = 64;
/// Removed members that are asked again now and then, so that two halves of a ring find each other; the oldest falls out.
const DOWN_MAX: usize = 20;
/// Outputs waiting to be taken; more are dropped as if lost on the wire. Taken after every call, they are a few dozen.
const OUTPUTS_MAX: usize = 4096;

#[derive(Clone, Debug)]
pub struct DhtConfig {
    /// Private addresses are fine and subnets are not counted.
    pub lan: bool,
    pub timing: Timing,
}

/// Names a look-up of this node for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookupId(pub u64);

#[derive(Debug)]
pub enum DhtOutput {
    /// Over a contact session, at once.
    Send { to: Peer, body: Box<[u8; BODY]> },
    /// This node is a member of the ring now (again, after an address change).
    Joined,
    /// A look-up ended. `doubtful`: the answer is further from the key than the density of the own neighbourhood explains.
    Found {
        lookup: LookupId,
        owner: NodeRecord,
        neighbours: Vec<NodeRecord>,
        hops: u8,
        doubtful: bool,
    },
    /// Nobody answered, after all tries.
    Lost { lookup: LookupId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Join,
    Leaves,
    Near,
    Far,
    Partition,
    Record,
    Sweep,
    Ping(Position),
    Request(u64),
    Carriage(u64),
}

/// One node's part in the ring.
pub struct Dht {
    config: DhtConfig,
    key: Arc<NodeKey>,
    /// Which of the address's eight places this node takes.
    slot: u8,
    addr: Option<SocketAddr>,
    record: Option<NodeRecord>,
    born: Moment,
    joining: Joining,
    members: Members,
    admission: Admission,
    candidates: BTreeMap<NodeId, NodeRecord>,
    down: VecDeque<Peer>,
    requests: BTreeMap<u64, Request>,
    carriages: BTreeMap<u64, Carriage>,
    carried: BTreeMap<(NodeId, u64), u64>,
    next_carriage: u64,
    next_lookup: u64,
    shelf: Shelf,
    timers: Timers<Timer>,
    schedule: Stream,
    topology: Stream,
    nonces: Stream,
    /// Nonces of what is carried for others, apart from our own, which their number must not shift.
    relay_nonces: Stream,
    outputs: VecDeque<DhtOutput>,
}

impl Dht {
    pub fn new(config: DhtConfig, key: Arc<NodeKey>, streams: &Streams) -> Dht {
        let mut topology = streams.topology.fork("ring", b"");
        let slot = topology.below(u64::from(SLOTS)) as u8;
        Dht {
            slot,
            addr: None,
            record: None,
            born: Moment(0),
            joining: Joining::new(),
            members: Members::new(Position([0; 32]), config.lan),
            admission: Admission::new(config.lan),
            candidates: BTreeMap::new(),
            down: VecDeque::new(),
            requests: BTreeMap::new(),
            carriages: BTreeMap::new(),
            carried: BTreeMap::new(),
            next_carriage: 1,
            next_lookup: 1,
            shelf: Shelf::new(),
            timers: Timers::new(),
            schedule: streams.schedule.fork("ring", b""),
            topology,
            nonces: streams.crypto.fork("ring nonces", b""),
            relay_nonces: streams.crypto.fork("ring relay nonces", b""),
            outputs: VecDeque::new(),
            config,
            key,
        }
    }

    /// Where this node is reached, as others observe it. Another address is another place on the ring: the node joins again there.
    pub fn set_address(&mut self, now: Now, addr: SocketAddr) {
        let same = self
            .addr
            .is_some_and(|old| Address::from(old) == Address::from(addr));
        if same {
            return;
        }
        self.addr = Some(addr);
        self.renew_record(now);
        let own = self.record.map(|record| record.position());
        if let Some(own) = own
            && own != self.members.own()
        {
            self.move_to(now, own);
        }
    }

    fn renew_record(&mut self, now: Now) {
        if let Some(addr) = self.addr {
            // Two records with one time would make this node a liar.
            let after = self
                .record
                .map_or(0, |old| (u64::from(old.created()) + 1) * 1000);
            let unix = UnixMs(now.unix.0.max(after));
            let record = NodeRecord::make(&self.key, addr, unix, LIFETIME_MINUTES, self.slot);
            self.record = Some(record);
            let wait = self.draw(self.config.timing.record);
            self.timers.set(Timer::Record, now.at + wait);
        }
    }

    /// Joins the ring through these nodes; without any, this node is a ring of its own. May be called again with more entries.
    /// Nothing starts before the address is known.
    pub fn start(&mut self, now: Now, entries: &[Peer]) {
        self.begin(now, entries);
    }

    /// A body of a contact session. `from` is authenticated by the session.
    pub fn handle_message(&mut self, now: Now, from: Peer, body: &[u8; BODY]) {
        if from.node == self.key.id() || body[0] >= FIRST_FOREIGN_KIND {
            return;
        }
        let Ok(message) = Message::decode(body) else {
            return;
        };
        match message {
            Message::Ping { tag, ready, record } => self.on_ping(now, from, tag, ready, &record),
            Message::Pong { tag, ready, record } => {
                let asked = |why: &Why| matches!(why, Why::Candidate | Why::Check(_));
                if let Some(rtt) = self.settle(now, &from, tag, asked) {
                    self.admit(now, &from, ready, &record, rtt);
                    self.joined_if_gathered(now);
                }
            }
            Message::Route { tag, ttl, key } => {
                self.on_route(now, from, tag, ttl, Position(key));
            }
            Message::RouteAck { tag } => self.on_route_ack(now, &from, tag),
            Message::Found {
                tag,
                back,
                verdict,
                hops,
                records,
            } => {
                if back != 0 {
                    let tag = Tag {
                        nonce: back,
                        attempt: 0,
                    };
                    self.send(from, &Message::FoundAck { tag });
                }
                self.on_found(now, from, tag, verdict, hops, records);
            }
            Message::FoundAck { tag } => {
                self.settle(now, &from, tag, |why| *why == Why::Back);
            }
            Message::Leaves {
                tag,
                ready,
                record,
                digests,
            } => self.on_leaves(now, from, tag, ready, &record, &digests),
            Message::LeavesAnswer {
                tag,
                ready,
                record,
                digests,
            } => self.on_leaves_answer(now, from, tag, ready, &record, &digests),
            Message::Row { tag, row } => self.on_row(now, from, tag, row),
            Message::RowAnswer { tag, digests } => self.on_row_answer(now, from, tag, &digests),
            Message::Want { tag, prefixes } => self.on_want(now, from, tag, &prefixes),
            Message::Records { tag, records } => self.on_records(now, from, tag, &records),
            Message::Store(cell) => {
                if self.members.find(&from.node).is_some() {
                    self.shelf.take_half(now, from.node, &cell, &self.members);
                }
            }
        }
    }

    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.due(now.at) {
            match timer {
                Timer::Join => self.on_join_timer(now),
                Timer::Leaves => self.on_leaves_timer(now),
                Timer::Near => self.on_near_timer(now),
                Timer::Far => self.on_far_timer(now),
                Timer::Partition => self.on_partition_timer(now),
                Timer::Record => self.renew_record(now),
                Timer::Sweep => self.on_sweep_timer(now),
                Timer::Ping(position) => self.on_ping_timer(now, position),
                Timer::Request(nonce) => self.on_request_timer(now, nonce),
                Timer::Carriage(id) => self.on_carriage_timer(now, id),
            }
        }
    }

    pub fn next_timeout(&self) -> Moment {
        self.timers.next()
    }

    pub fn poll_output(&mut self) -> Option<DhtOutput> {
        self.outputs.pop_front()
    }

    /// Answers one question out of a sealed request. It reads the ring and may put a value on the shelf; it starts nothing and
    /// moves no clock, table or stream.
    pub fn answer(&mut self, now: Now, request: &[u8; QUERY]) -> [u8; QUERY] {
        let own = self.record.filter(|_| self.is_ready());
        shelf::answer(&mut self.shelf, now, request, &self.members, own.as_ref())
    }

    /// A member of the ring: it answers for its keys.
    pub fn is_ready(&self) -> bool {
        self.joining.is_ready()
    }

    /// This node's own signed record, once its address is known.
    pub fn own_record(&self) -> Option<&NodeRecord> {
        self.record.as_ref()
    }

    /// Records of the nodes this one has talked to and does not suspect: the only source for links, guards and path length.
    pub fn ring(&self) -> impl Iterator<Item = &NodeRecord> {
        self.members
            .iter()
            .filter(|(_, m)| m.health == Health::Good)
            .map(|(_, m)| &m.record)
    }

    /// The owner of a key as far as this node's own tables tell.
    pub fn owner_of(&self, key: &Position) -> Option<&NodeRecord> {
        let nearest = self
            .members
            .iter()
            .filter(|(_, m)| !matches!(m.health, Health::Suspect { .. }))
            .min_by_key(|(p, _)| members::nearness(p, key));
        match nearest {
            Some((p, m))
                if members::nearness(p, key) < members::nearness(&self.members.own(), key) =>
            {
                Some(&m.record)
            }
            _ => self.record.as_ref(),
        }
    }

    /// Estimated number of nodes in the ring, this one included.
    pub fn estimate(&self) -> usize {
        self.members.estimate()
    }

    /// How many nodes stand in the tables.
    pub fn known(&self) -> usize {
        self.members.len()
    }

    /// How many values this node keeps.
    pub fn stored(&self) -> usize {
        self.shelf.len()
    }

    fn push(&mut self, output: DhtOutput) {
        if self.outputs.len() < OUTPUTS_MAX {
            self.outputs.push_back(output);
        }
    }

    fn send(&mut self, to: Peer, message: &Message) {
        self.push(DhtOutput::Send {
            to,
            body: Box::new(message.encode()),
        });
    }

    fn own_bytes(&self) -> Option<RecordBytes> {
        self.record.as_ref().map(NodeRecord::bytes)
    }

    fn on_ping(&mut self, now: Now, from: Peer, tag: Tag, ready: bool, record: &RecordBytes) {
        let Some(own) = self.own_bytes() else {
            return;
        };
        let answer = Message::Pong {
            tag,
            ready: self.is_ready(),
            record: own,
        };
        self.send(from, &answer);
        if ready {
            self.gateway_ready(now, &from);
            if !self.has(&from.node, record) {
                self.offer(now, record);
            }
        }
    }

    /// The common case at no cost: a member repeats the record we have.
    fn has(&self, node: &NodeId, bytes: &RecordBytes) -> bool {
        let at = self.members.find(node);
        at.and_then(|at| self.members.get(&at))
            .is_some_and(|member| member.record.bytes() == *bytes)
    }

    /// A record from hearsay: if its node would be of use, it is asked; only its own answer makes it a member.
    fn offer(&mut self, now: Now, bytes: &RecordBytes) {
        let Ok(claimed) = NodeRecord::decode(bytes) else {
            return;
        };
        let node = claimed.node();
        if node == self.key.id() {
            return;
        }
        let position = claimed.position();
        if let Some(at) = self.members.find(&node)
            && at == position
        {
            self.refresh(now, &at, &claimed, bytes);
            return;
        }
        let prefix = members::prefix_of(&position);
        if !self.members.is_promising(&position)
            || self.candidates.contains_key(&node)
            || self.candidates.len() >= CANDIDATES_MAX
            || !self
                .admission
                .may_probe(&claimed.address(), &prefix, now.at)
        {
            return;
        }
        let Ok(record) = self.admission.check(now, bytes) else {
            return;
        };
        if self.ping(now, record.peer(), Why::Candidate) {
            self.candidates.insert(node, record);
        }
    }

    /// A newer record of a member at the same address needs no round trip of its own.
    fn refresh(&mut self, now: Now, at: &Position, claimed: &NodeRecord, bytes: &RecordBytes) {
        let newer = self.members.get(at).is_some_and(|m| {
            m.record.created() < claimed.created() && m.record.address() == claimed.address()
        });
        if newer {
            match self.admission.check(now, bytes) {
                Ok(record) => {
                    if let Some(member) = self.members.get_mut(at) {
                        member.record = record;
                    }
                }
                Err(_) if self.admission.is_liar(&claimed.node(), now) => {
                    self.drop_member(at);
                }
                Err(_) => {}
            }
        }
    }

    /// An answer to our own request: its sender becomes a member if its record is true, names the address that answered, and
    /// there is a place for it.
    fn admit(
        &mut self,
        now: Now,
        from: &Peer,
        ready: bool,
        bytes: &RecordBytes,
        rtt: Option<std::time::Duration>,
    ) {
        self.candidates.remove(&from.node);
        if !ready || self.has(&from.node, bytes) {
            return;
        }
        let Ok(claimed) = NodeRecord::decode(bytes) else {
            return;
        };
        if claimed.node() != from.node || claimed.address() != Address::from(from.addr) {
            return;
        }
        let position = claimed.position();
        if self.members.find(&from.node) == Some(position) {
            self.refresh(now, &position, &claimed, bytes);
            return;
        }
        let Ok(record) = self.admission.check(now, bytes) else {
            if self.admission.is_liar(&from.node, now)
                && let Some(at) = self.members.find(&from.node)
            {
                self.drop_member(&at);
            }
            return;
        };
        let mut rto = rto::Rto::new();
        if let Some(rtt) = rtt {
            rto.sample(rtt);
        }
        let (member, gone) = self.members.insert(record, rto, now.at);
        for position in gone {
            self.timers.clear(&Timer::Ping(position));
        }
        if member {
            self.down.retain(|peer| peer.node != from.node);
            let wait = self.draw(self.config.timing.ping);
            self.timers.set(Timer::Ping(position), now.at + wait);
        }
    }

    /// A dead or lying member leaves the tables.
    fn drop_member(&mut self, position: &Position) {
        self.timers.clear(&Timer::Ping(*position));
        if let Some(member) = self.members.remove(position) {
            let peer = member.record.peer();
            self.down.retain(|old| old.node != peer.node);
            if self.down.len() >= DOWN_MAX {
                self.down.pop_front();
            }
            self.down.push_back(peer);
        }
    }
}

/// Which verdict a node gives that owns a key in its own view.
fn verdict(ready: bool) -> Verdict {
    if ready {
        Verdict::Owner
    } else {
        Verdict::NotReady
    }
}
