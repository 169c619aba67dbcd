//! Look-ups carried through the ring, for this node and for others.
//!
//! Recursive: each hop hands the look-up to a node nearer to the key, and the answer comes back hop by hop by the nonces of the
//! way there. The owner never talks to whoever asked: a look-up that names an address would let strangers aim the ring at it,
//! and a contact session with each asker would cost a handshake, where the hops on the way have theirs already.
//!
//! Two speeds: an intermediate hop is passed over when its first retransmission timeout runs out, while its late answer still
//! counts; the hop that decides ownership is asked again until patience is over, because passing over a living owner is a wrong
//! answer.

use std::time::Duration;

use crate::crypto::id::NodeId;
use crate::wire::dht::{Message, RecordBytes, Tag, Verdict};
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::record::NodeRecord;
use crate::wire::time::{Moment, Now};

use super::members::{Health, Next};
use super::requests::Why;
use super::{Dht, DhtOutput, LookupId, Timer, verdict};

/// Hops before a look-up is dropped. Every hop is nearer to the key; 16 is five times the expected number at 10 000 nodes.
const TTL: u8 = 16;
/// Look-ups carried at once for others; more are not taken, and whoever sent one goes round this node.
const CARRIED_MAX: usize = 1024;
/// The same for one node that asks: one flood does not stop the others.
const CARRIED_FOR_ONE: usize = 128;
/// Own look-ups at once; more are lost at once.
const OWN_MAX: usize = 64;
/// Nodes passed over for one look-up.
const PASSED_MAX: usize = 8;
/// How long a look-up carried for others is remembered.
const CARRIED_FOR: Duration = Duration::from_secs(10);
/// An own look-up without an answer starts again by another first hop: some hop died with it.
const RETRY: Duration = Duration::from_secs(2);
/// Starts of one own look-up.
const STARTS_MAX: u8 = 3;
/// An owner further from the key than so many mean gaps is not believed at once. Among honest nodes one answer in 9 million is.
const IMPLAUSIBLE_GAPS: f64 = 8.0;
/// Below this estimate the density of the ring says nothing.
const DENSITY_FROM: usize = 17;

/// For whom a look-up is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// For the node it came from; its nonce, and the try that came last.
    Asked {
        peer: Peer,
        tag: Tag,
    },
    Lookup(LookupId),
    /// Far tuning: the owner may become a member.
    Far,
    /// The place to join at.
    Join,
    /// Is there another ring?
    Heal,
}

pub(super) struct Carriage {
    key: Position,
    ttl: u8,
    origin: Origin,
    /// The first hop, where it is not for the tables to choose.
    forced: Option<Peer>,
    passed: Vec<NodeId>,
    attempts: Vec<u64>,
    starts: u8,
    done: bool,
    /// The best answer so far that the density did not bear out.
    doubtful: Option<(u8, Vec<NodeRecord>)>,
}

impl Dht {
    /// Looks for the owner of a key, through the ring. Ends with [`DhtOutput::Found`] or [`DhtOutput::Lost`].
    pub fn lookup(&mut self, now: Now, key: Position) -> LookupId {
        let id = LookupId(self.next_lookup);
        self.next_lookup += 1;
        if !self.is_ready() || !self.launch(now, key, Origin::Lookup(id), None) {
            self.push(DhtOutput::Lost { lookup: id });
        }
        id
    }

    /// Starts an own look-up. Returns whether there was room.
    pub(super) fn launch(
        &mut self,
        now: Now,
        key: Position,
        origin: Origin,
        forced: Option<Peer>,
    ) -> bool {
        let own = self
            .carriages
            .values()
            .filter(|c| !matches!(c.origin, Origin::Asked { .. }))
            .count();
        if own >= OWN_MAX {
            return false;
        }
        let id = self.add_carriage(key, TTL, origin, forced);
        let wait = match origin {
            Origin::Lookup(_) => RETRY,
            _ => CARRIED_FOR,
        };
        self.timers.set(Timer::Carriage(id), now.at + wait);
        self.forward(now, id);
        true
    }

    fn add_carriage(
        &mut self,
        key: Position,
        ttl: u8,
        origin: Origin,
        forced: Option<Peer>,
    ) -> u64 {
        let id = self.next_carriage;
        self.next_carriage += 1;
        let carriage = Carriage {
            key,
            ttl,
            origin,
            forced,
            passed: Vec::new(),
            attempts: Vec::new(),
            starts: 1,
            done: false,
            doubtful: None,
        };
        self.carriages.insert(id, carriage);
        id
    }

    /// Ends every own look-up with this origin without an answer.
    pub(super) fn abandon(&mut self, origin: Origin) {
        let ids: Vec<u64> = self
            .carriages
            .iter()
            .filter(|(_, c)| c.origin == origin)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.remove_carriage(id);
        }
    }

    fn remove_carriage(&mut self, id: u64) {
        self.timers.clear(&Timer::Carriage(id));
        if let Some(carriage) = self.carriages.remove(&id) {
            for nonce in carriage.attempts {
                self.forget_request(nonce);
            }
            if let Origin::Asked { peer, tag } = carriage.origin {
                self.carried.remove(&(peer.node, tag.nonce));
            }
        }
    }

    pub(super) fn on_route(&mut self, now: Now, from: Peer, tag: Tag, ttl: u8, key: Position) {
        if !self.is_ready() {
            self.joiner_seen(now, from);
            self.answer_here(now, from, tag, 0);
            return;
        }
        if let Some(id) = self.carried.get(&(from.node, tag.nonce)) {
            if self.carriages.contains_key(id) {
                self.send(from, &Message::RouteAck { tag });
            }
            return;
        }
        if self.members.next(&key, &[], Some(now.at)) == Next::Here {
            self.answer_here(now, from, tag, 0);
            return;
        }
        let of_one = self
            .carried
            .range((from.node, 0)..=(from.node, u64::MAX))
            .count();
        if ttl == 0 || self.carried.len() >= CARRIED_MAX || of_one >= CARRIED_FOR_ONE {
            return;
        }
        self.send(from, &Message::RouteAck { tag });
        let id = self.add_carriage(key, ttl - 1, Origin::Asked { peer: from, tag }, None);
        self.carried.insert((from.node, tag.nonce), id);
        self.timers.set(Timer::Carriage(id), now.at + CARRIED_FOR);
        self.forward(now, id);
    }

    /// This node owns the key in its own view, or has not joined yet: it answers itself, and statelessly, since whoever asks
    /// asks again.
    fn answer_here(&mut self, now: Now, to: Peer, tag: Tag, back: u64) {
        let ready = self.is_ready();
        let records = self.own_and_neighbours(now);
        let answer = Message::Found {
            tag,
            back,
            verdict: verdict(ready),
            hops: 0,
            records,
        };
        self.send(to, &answer);
    }

    fn own_and_neighbours(&self, now: Now) -> Vec<RecordBytes> {
        let mut records: Vec<RecordBytes> = self.own_bytes().into_iter().collect();
        if self.is_ready() {
            let neighbours = self.members.neighbours(&self.members.own(), now.at);
            for record in neighbours {
                let bytes = record.bytes();
                if !records.contains(&bytes) {
                    records.push(bytes);
                }
            }
        }
        records
    }

    /// Hands a look-up to the next hop, or ends it here.
    fn forward(&mut self, now: Now, id: u64) {
        let Some(carriage) = self.carriages.get(&id) else {
            return;
        };
        if carriage.done {
            return;
        }
        let (key, ttl) = (carriage.key, carriage.ttl);
        let foreign = matches!(carriage.origin, Origin::Asked { .. });
        let (to, deciding) = if let Some(gateway) = carriage.forced {
            (gateway, true)
        } else {
            match self
                .members
                .next(&key, &carriage.passed, foreign.then_some(now.at))
            {
                Next::Here => {
                    self.end_here(now, id);
                    return;
                }
                Next::Hop { position, deciding } => {
                    let Some(member) = self.members.get(&position) else {
                        return;
                    };
                    (member.record.peer(), deciding)
                }
            }
        };
        let why = Why::Hop {
            carriage: id,
            deciding,
        };
        let nonce = self.ask(now, to, why, foreign, |tag| Message::Route {
            tag,
            ttl,
            key: key.0,
        });
        if let Some(nonce) = nonce
            && let Some(carriage) = self.carriages.get_mut(&id)
        {
            carriage.attempts.push(nonce);
        }
    }

    /// Nobody nearer is left: this node is the owner.
    fn end_here(&mut self, now: Now, id: u64) {
        let Some(carriage) = self.carriages.get_mut(&id) else {
            return;
        };
        match carriage.origin {
            Origin::Asked { .. } => {
                let records = self.own_and_neighbours(now);
                self.bring_back(now, id, verdict(true), 0, records);
            }
            Origin::Lookup(lookup) => {
                let neighbours = self.members.neighbours(&self.members.own(), now.at);
                if let Some(owner) = self.record {
                    self.remove_carriage(id);
                    self.push(DhtOutput::Found {
                        lookup,
                        owner,
                        neighbours,
                        hops: 0,
                        doubtful: false,
                    });
                }
            }
            Origin::Far | Origin::Join | Origin::Heal => self.remove_carriage(id),
        }
    }

    /// An intermediate hop let its first timeout pass. Returns whether another was asked.
    pub(super) fn reroute(&mut self, now: Now, id: u64, nonce: u64, slow: Peer) -> bool {
        let Some(carriage) = self.carriages.get_mut(&id) else {
            self.forget_request(nonce);
            return true;
        };
        if carriage.done || carriage.passed.len() >= PASSED_MAX {
            return false;
        }
        let mut passed = carriage.passed.clone();
        passed.push(slow.node);
        let key = carriage.key;
        let foreign = matches!(carriage.origin, Origin::Asked { .. });
        if self.members.next(&key, &passed, foreign.then_some(now.at)) == Next::Here {
            return false;
        }
        if let Some(carriage) = self.carriages.get_mut(&id) {
            carriage.passed = passed;
        }
        if foreign {
            self.shun(now, &slow, false);
        } else {
            self.doubt(now, &slow);
        }
        self.forward(now, id);
        true
    }

    /// A hop stayed silent until patience was over.
    pub(super) fn pass_over(&mut self, now: Now, id: u64, silent: NodeId) {
        let Some(carriage) = self.carriages.get_mut(&id) else {
            return;
        };
        if carriage.forced.is_some() {
            return;
        }
        if carriage.passed.len() >= PASSED_MAX {
            return;
        }
        carriage.passed.push(silent);
        self.forward(now, id);
    }

    pub(super) fn on_route_ack(&mut self, now: Now, from: &Peer, tag: Tag) {
        let hop = self.requests.get(&tag.nonce);
        if hop.is_some_and(|r| matches!(r.why, Why::Hop { .. }))
            && self.heard(now, from, tag).is_some()
        {
            self.timers.clear(&Timer::Request(tag.nonce));
        }
    }

    pub(super) fn on_found(
        &mut self,
        now: Now,
        from: Peer,
        tag: Tag,
        verdict: Verdict,
        hops: u8,
        records: Vec<RecordBytes>,
    ) {
        let Some(request) = self.requests.get(&tag.nonce) else {
            return;
        };
        let Why::Hop { carriage: id, .. } = request.why else {
            return;
        };
        if self.heard(now, &from, tag).is_none() {
            return;
        }
        self.timers.clear(&Timer::Request(tag.nonce));
        let Some(carriage) = self.carriages.get(&id) else {
            return;
        };
        if carriage.done {
            return;
        }
        let hops = hops.saturating_add(1);
        let origin = carriage.origin;
        if verdict == Verdict::NotReady {
            match origin {
                Origin::Join => {
                    self.remove_carriage(id);
                    self.gateway_not_ready(now, from);
                }
                Origin::Heal => self.remove_carriage(id),
                _ => self.pass_over(now, id, from.node),
            }
            return;
        }
        match origin {
            Origin::Asked { .. } => self.bring_back(now, id, verdict, hops, records),
            Origin::Lookup(lookup) => self.conclude(now, id, lookup, hops, &records),
            Origin::Far => {
                self.remove_carriage(id);
                if let Some(owner) = records.first() {
                    self.offer(now, owner);
                }
            }
            Origin::Heal => {
                self.remove_carriage(id);
                for record in &records {
                    self.offer(now, record);
                }
            }
            Origin::Join => {
                self.remove_carriage(id);
                self.place_found(now, &records);
            }
        }
    }

    /// One hop back. It is sent again until acknowledged, since the hop behind no longer asks.
    fn bring_back(
        &mut self,
        now: Now,
        id: u64,
        verdict: Verdict,
        hops: u8,
        records: Vec<RecordBytes>,
    ) {
        let Some(carriage) = self.carriages.get_mut(&id) else {
            return;
        };
        let Origin::Asked { peer, tag } = carriage.origin else {
            return;
        };
        carriage.done = true;
        for nonce in std::mem::take(&mut carriage.attempts) {
            self.forget_request(nonce);
        }
        self.ask(now, peer, Why::Back, true, |own| Message::Found {
            tag,
            back: own.nonce,
            verdict,
            hops,
            records,
        });
    }

    /// The end of an own look-up: the records must be true, the first one's node the nearest of them to the key, and not
    /// further than the density of the ring explains.
    fn conclude(&mut self, now: Now, id: u64, lookup: LookupId, hops: u8, records: &[RecordBytes]) {
        let Some(key) = self.carriages.get(&id).map(|c| c.key) else {
            return;
        };
        let own = self.own_bytes();
        let mut good: Vec<NodeRecord> = Vec::new();
        for bytes in records {
            if Some(*bytes) == own {
                good.extend(self.record);
            } else if let Ok(record) = self.admission.check(now, bytes) {
                good.push(record);
            } else if good.is_empty() {
                break;
            }
        }
        let nearest = good
            .iter()
            .min_by_key(|r| super::members::nearness(&r.position(), &key));
        let owner_is_nearest = matches!((good.first(), nearest), (Some(a), Some(b)) if a == b);
        if !owner_is_nearest {
            self.timers.set(Timer::Carriage(id), now.at);
            return;
        }
        let estimate = self.members.estimate();
        let gaps = good[0].position().distance(&key).share() * estimate as f64;
        let nearer_known = self.members.nearer_than(&good[0].position(), &key);
        if (estimate >= DENSITY_FROM && gaps > IMPLAUSIBLE_GAPS) || nearer_known {
            if let Some(carriage) = self.carriages.get_mut(&id) {
                carriage.doubtful = Some((hops, good));
            }
            self.timers.set(Timer::Carriage(id), now.at);
            return;
        }
        self.remove_carriage(id);
        self.found(lookup, hops, good, false);
    }

    fn found(&mut self, lookup: LookupId, hops: u8, mut records: Vec<NodeRecord>, doubtful: bool) {
        if records.is_empty() {
            return;
        }
        let owner = records.remove(0);
        self.push(DhtOutput::Found {
            lookup,
            owner,
            neighbours: records,
            hops,
            doubtful,
        });
    }

    pub(super) fn on_carriage_timer(&mut self, now: Now, id: u64) {
        let Some(carriage) = self.carriages.get_mut(&id) else {
            return;
        };
        match carriage.origin {
            Origin::Lookup(lookup) if carriage.starts >= STARTS_MAX => {
                let last = carriage.doubtful.take();
                self.remove_carriage(id);
                match last {
                    Some((hops, records)) => self.found(lookup, hops, records, true),
                    None => self.push(DhtOutput::Lost { lookup }),
                }
            }
            Origin::Lookup(_) => {
                carriage.starts += 1;
                self.pass_first_hop(id);
                self.timers.set(Timer::Carriage(id), now.at + RETRY);
                self.forward(now, id);
            }
            // A gateway is asked for as long as the join clock lets it be.
            Origin::Join => self.timers.set(Timer::Carriage(id), now.at + CARRIED_FOR),
            Origin::Asked { .. } | Origin::Far | Origin::Heal => self.remove_carriage(id),
        }
    }

    /// The next start goes by another first hop, unless that hop was the owner itself.
    fn pass_first_hop(&mut self, id: u64) {
        let Some(carriage) = self.carriages.get_mut(&id) else {
            return;
        };
        let last = carriage
            .attempts
            .last()
            .and_then(|nonce| self.requests.get(nonce));
        if let Some(request) = last
            && let Why::Hop {
                deciding: false, ..
            } = request.why
            && carriage.passed.len() < PASSED_MAX
        {
            let mut passed = carriage.passed.clone();
            passed.push(request.to.node);
            if self.members.next(&carriage.key, &passed, None) != Next::Here {
                carriage.passed = passed;
            }
        }
    }
}

impl super::members::Members {
    /// Records of the nodes in use on both sides of a position, before it and after it; one if both are the same.
    /// One that was silent for others is left out: its record would belie the owner's answer.
    pub(super) fn neighbours(&self, position: &Position, now: Moment) -> Vec<NodeRecord> {
        let in_use = || {
            self.iter()
                .filter(|(_, m)| m.health == Health::Good && m.shunned.as_owner <= now)
        };
        let before = in_use()
            .filter(|(p, _)| *p != position)
            .min_by_key(|(p, _)| p.clockwise_to(position));
        let after = in_use()
            .filter(|(p, _)| *p != position)
            .min_by_key(|(p, _)| position.clockwise_to(p));
        let mut records = Vec::new();
        for (_, member) in before.into_iter().chain(after) {
            if !records.contains(&member.record) {
                records.push(member.record);
            }
        }
        records
    }

    /// Whether a member in good health lies nearer to the key than `owner`.
    fn nearer_than(&self, owner: &Position, key: &Position) -> bool {
        let limit = super::members::nearness(owner, key);
        self.iter()
            .any(|(p, m)| m.health == Health::Good && super::members::nearness(p, key) < limit)
    }
}
