//! What a datagram does: the order in which it is tried, and what follows when it opens.
//!
//! 1. associations at its source address, 2. calls to that address, 3. the first MAC of an INIT, 4. all associations and calls, within a
//! budget, 5. silence.

use crate::node::Cause;
use std::net::SocketAddr;

use super::assoc::{Assoc, Contact, HalfOpen, Link, Role};
use super::certificate::{self, Vouching};
use super::dial::Waiting;
use super::handshake::{Answer, Reply, salt_of};
use super::keys::{self, Keys, Under};
use super::schedule::Clock;
use super::shaped::{Brought, Shaped};
use super::{
    ACCEPTED_LINKS, ACCEPTED_SPURS, AssocId, BodyKind, CONFIRM, CONTACTS, Cell, DialFailure,
    DialKey, DownReason, HALF_OPEN, HALF_OPEN_PER_SOURCE, LinkOutput, Links, Purpose, Refusal,
    UNTAKEN, gate,
};
use crate::crypto::mqv::Side;
use crate::wire::address::{Address, Reach};
use crate::wire::cell::{CellKind, InnerHeader};
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BODY, DATAGRAM, INNER};
use crate::wire::time::Now;

/// Control bodies from here on are handed up.
const HANDED_UP: u8 = 0x40;

impl Links {
    /// Takes a datagram in. Whatever does not open is counted and forgotten.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        let from = Address::from(from).socket();
        let taken = match <&Cell>::try_from(bytes) {
            Ok(cell) => self.take(now, from, cell),
            Err(_) => false,
        };
        if !taken {
            self.dropped += 1;
        }
    }

    fn take(&mut self, now: Now, from: SocketAddr, cell: &Cell) -> bool {
        let mut here = [AssocId(0); super::table::AT_ONE_ADDRESS];
        let mut count = 0;
        for (place, id) in here.iter_mut().zip(self.addresses.at(from)) {
            *place = id;
            count += 1;
        }
        if here[..count]
            .iter()
            .any(|id| self.open(now, *id, from, cell))
        {
            return true;
        }
        let answered = self.dial_addresses.at(from).find(|id| {
            self.dials
                .get(id)
                .is_some_and(|d| d.calling.is_answer(cell))
        });
        if let Some(id) = answered {
            return self.answered(now, id, from, cell);
        }
        if let Some(which) = self.listening.iter().position(|l| l.is_called(cell)) {
            return self.called(now, which, from, cell);
        }
        if !self.trials.take(now.at) {
            return false;
        }
        let all: Vec<AssocId> = self.assocs.keys().copied().collect();
        if all.into_iter().any(|id| self.open(now, id, from, cell)) {
            return true;
        }
        let answered = self
            .dials
            .iter()
            .find(|(_, d)| d.calling.is_answer(cell))
            .map(|(id, _)| *id);
        answered.is_some_and(|id| self.answered(now, id, from, cell))
    }

    /// Tries the cell on one association.
    fn open(&mut self, now: Now, id: AssocId, from: SocketAddr, cell: &Cell) -> bool {
        let Some(assoc) = self.assocs.get_mut(&id) else {
            return false;
        };
        let Some((under, number, inner, newest)) = assoc.keys.open(now.at, cell) else {
            return false;
        };
        if newest && from != assoc.peer.addr && assoc.may_move(from) {
            self.addresses.remove(assoc.peer.addr, id);
            assoc.peer.addr = from;
            self.addresses.add(from, id);
        }
        if let Role::HalfOpen(_) = assoc.role {
            self.confirmed(now, id);
        }
        self.opened(now, id, under, number, &inner);
        true
    }

    fn opened(&mut self, now: Now, id: AssocId, under: Under, number: u64, inner: &[u8; INNER]) {
        let room = self.untaken < UNTAKEN;
        let Ok((header, body)) = InnerHeader::split(inner) else {
            return;
        };
        let Some(assoc) = self.assocs.get_mut(&id) else {
            return;
        };
        match &mut assoc.role {
            Role::HalfOpen(_) => {}
            Role::Contact(contact) => {
                contact.heard(now.at);
                match header.kind {
                    CellKind::Body if room => {
                        self.untaken += 1;
                        self.output.push_back(LinkOutput::Contact {
                            peer: assoc.peer,
                            body: *body,
                        });
                    }
                    CellKind::Close => {
                        self.forget(id);
                    }
                    _ => {}
                }
            }
            Role::Shaped(link) => {
                if under == Under::New {
                    link.shaped.rekeyed();
                }
                let brought = match under {
                    Under::Old => link.shaped.arrived_under_old_keys(now.at, &header, room),
                    Under::Present | Under::New => {
                        link.shaped.arrived(now.at, number, &header, room)
                    }
                };
                if assoc.closing.is_some() {
                    return;
                }
                match brought {
                    Brought::Nothing => {}
                    Brought::Body => self.hand_up(id, BodyKind::Circuit, body),
                    Brought::Control => self.control(now, id, body),
                    Brought::Close => self.drain(now, id, DownReason::ClosedByPeer),
                }
            }
        }
    }

    fn hand_up(&mut self, assoc: AssocId, kind: BodyKind, body: &[u8; BODY]) {
        self.untaken += 1;
        self.output.push_back(LinkOutput::Body {
            assoc,
            kind,
            body: *body,
        });
    }

    fn control(&mut self, now: Now, id: AssocId, body: &[u8; BODY]) {
        if body[0] >= HANDED_UP {
            return self.hand_up(id, BodyKind::Control, body);
        }
        let Some(Assoc {
            role: Role::Shaped(link),
            keys,
            peer,
            ..
        }) = self.assocs.get_mut(&id)
        else {
            return;
        };
        let answer = match (body[0], &mut link.vouching) {
            (certificate::OFFER, Some(vouching)) => vouching.offered(now, &self.key, body),
            (certificate::ANSWER, Some(vouching)) => {
                vouching.answered(now, &self.key, body);
                None
            }
            (keys::REKEY, _) => keys.asked(now.at, &self.key, &peer.node, body, &mut self.random),
            (keys::REKEYED, _) => {
                if keys.answered(now.at, &self.key, &peer.node, body) {
                    link.shaped.rekeyed();
                }
                None
            }
            _ => None,
        };
        if let Some(answer) = answer {
            // Full: the other end asks again.
            let _ = link.shaped.send_control(&answer);
        }
    }

    /// A RESP to one of our calls.
    fn answered(&mut self, now: Now, id: AssocId, from: SocketAddr, cell: &Cell) -> bool {
        let Some(dial) = self.drop_dial(id) else {
            return false;
        };
        let (target, purpose, waiting) = (dial.target, dial.purpose, dial.waiting);
        let answer = match dial.calling.finish(&self.key, cell) {
            Ok(answer) => answer,
            Err(_) => {
                self.dial_failed(id, target, purpose, DialFailure::NoAnswer);
                return true;
            }
        };
        if let Some(refusal) = answer.refused {
            self.dial_failed(id, target, purpose, DialFailure::Refused(refusal));
            return true;
        }
        let Answer {
            agreed,
            node,
            observed,
            class,
            ..
        } = answer;
        let peer = Peer { node, addr: from };
        let jitter = self.fork("keys", node.point(), purpose, now.at);
        let assoc = Assoc {
            peer,
            purpose,
            dialled: true,
            since: now.at,
            keys: Keys::new(&agreed, Side::Initiator, now.at, jitter),
            closing: None,
            role: Role::Contact(Contact::new(now.at)),
        };
        let reached = Address::from(target.addr);
        self.up(
            now,
            id,
            assoc,
            class.min(self.class),
            observed,
            reached,
            waiting,
        );
        true
    }

    /// An INIT whose MAC fits.
    fn called(&mut self, now: Now, which: usize, from: SocketAddr, cell: &Cell) -> bool {
        let salt = salt_of(cell);
        if !Address::from(from).is_allowed(Reach::of(self.lan))
            || !self.gate.admits(now.at, from, &salt)
        {
            return false;
        }
        let Ok(called) = self.listening[which].open(cell, now.unix) else {
            return false;
        };
        let call = called.call;
        if call.caller == self.own {
            return false;
        }
        self.gate.remember(now.at, salt);

        // Both called each other: the smaller NodeId stays the caller.
        let crossing = self.crossing(&call.caller, call.purpose, from);
        if crossing.is_some() && self.own < call.caller {
            return true;
        }
        let refused = if crossing.is_some() {
            None
        } else {
            self.refusal(&call.caller, call.purpose, from)
        };
        let class = call.class.min(self.class);
        let reply = Reply {
            observed: Address::from(from),
            class,
            refused,
            unix: now.unix,
        };
        let answer =
            self.listening[which].answer(&self.key, called, cell, &reply, &mut self.random);
        let Ok((agreed, answer)) = answer else {
            return false;
        };
        self.output.push_back(LinkOutput::Transmit {
            at: now.at,
            to: from,
            cell: answer,
            cause: Cause::Response,
        });
        if refused.is_some() {
            return true;
        }

        self.make_room(from, &call.caller, call.purpose);
        let own_call = crossing.and_then(|id| self.drop_dial(id).map(|dial| (id, dial)));
        let (id, own_call, waiting) = match own_call {
            Some((id, dial)) => (id, Some(dial.target), dial.waiting),
            None => (self.new_id(), None, Waiting::default()),
        };
        let jitter = self.fork("keys", call.caller.point(), call.purpose, now.at);
        let half = HalfOpen {
            class,
            reached: call.dialled,
            observed: Address::from(from),
            own_call,
            waiting,
        };
        let assoc = Assoc {
            peer: Peer {
                node: call.caller,
                addr: from,
            },
            purpose: call.purpose,
            dialled: false,
            since: now.at,
            keys: Keys::new(&agreed, Side::Responder, now.at, jitter),
            closing: None,
            role: Role::HalfOpen(Box::new(half)),
        };
        if call.purpose == Purpose::Contact && own_call.is_some() {
            self.contact_dials.insert(call.caller, id);
        }
        self.addresses.add(from, id);
        self.timers.set(id, now.at + CONFIRM);
        self.assocs.insert(id, assoc);
        true
    }

    /// Our own call to whoever calls us now.
    fn crossing(
        &self,
        caller: &crate::crypto::id::NodeId,
        purpose: Purpose,
        from: SocketAddr,
    ) -> Option<AssocId> {
        if purpose == Purpose::Spur {
            return None;
        }
        let mut calls = self.dial_addresses.at(from);
        calls.find(|id| {
            self.dials
                .get(id)
                .is_some_and(|d| d.purpose == purpose && d.target.key == DialKey::Node(*caller))
        })
    }

    fn refusal(
        &self,
        caller: &crate::crypto::id::NodeId,
        purpose: Purpose,
        from: SocketAddr,
    ) -> Option<Refusal> {
        let waiting = self
            .assocs
            .values()
            .filter(|a| {
                a.purpose == purpose
                    && matches!(a.role, Role::HalfOpen(_))
                    && a.peer.node != *caller
            })
            .count();
        let places = match purpose {
            Purpose::Contact => return None,
            Purpose::Spur => ACCEPTED_SPURS,
            Purpose::Link => ACCEPTED_LINKS,
        };
        let again = purpose == Purpose::Link && self.link_with(caller).is_some();
        if !again && self.count(purpose, false) + waiting >= places {
            return Some(Refusal::Full);
        }
        let network = Address::from(from).network();
        let neighbour = |a: &Assoc| {
            a.purpose == Purpose::Link
                && a.closing.is_none()
                && a.is_shaped()
                && a.peer.node != *caller
                && Address::from(a.peer.addr).network() == network
        };
        (purpose == Purpose::Link && !self.lan && self.assocs.values().any(neighbour))
            .then_some(Refusal::Network)
    }

    /// Keeps the half-open associations within their bounds: one for a caller and purpose (spurs: several), few for a source, and the
    /// oldest goes first.
    fn make_room(
        &mut self,
        from: SocketAddr,
        caller: &crate::crypto::id::NodeId,
        purpose: Purpose,
    ) {
        let source = gate::source(from, self.lan);
        let mut gone = Vec::new();
        let (mut all, mut of_source) = (0, 0);
        // Newest first: ids grow.
        for (id, assoc) in self.assocs.iter().rev() {
            if !matches!(assoc.role, Role::HalfOpen(_)) {
                continue;
            }
            let same =
                purpose != Purpose::Spur && assoc.peer.node == *caller && assoc.purpose == purpose;
            let near = gate::source(assoc.peer.addr, self.lan) == source;
            if same || all + 1 >= HALF_OPEN || (near && of_source + 1 >= HALF_OPEN_PER_SOURCE) {
                gone.push(*id);
            } else {
                all += 1;
                of_source += usize::from(near);
            }
        }
        for id in gone {
            self.unconfirmed(id);
        }
    }

    /// The caller's first data cell opened: it is who it says, where it says.
    fn confirmed(&mut self, now: Now, id: AssocId) {
        let Some(mut assoc) = self.forget(id) else {
            return;
        };
        let role = std::mem::replace(&mut assoc.role, Role::Contact(Contact::new(now.at)));
        let Role::HalfOpen(half) = role else { return };
        assoc.since = now.at;
        let HalfOpen {
            class,
            reached,
            observed,
            waiting,
            ..
        } = *half;
        self.up(now, id, assoc, class, reached, observed, waiting);
    }

    /// Both ends are proven. `reached` is where the other end reaches us, `at` where we reach it, as both know.
    #[allow(clippy::too_many_arguments)]
    fn up(
        &mut self,
        now: Now,
        id: AssocId,
        mut assoc: Assoc,
        class: Class,
        reached: Address,
        at: Address,
        waiting: Waiting,
    ) {
        let (peer, purpose, dialled) = (assoc.peer, assoc.purpose, assoc.dialled);
        self.addresses.add(peer.addr, id);
        if purpose == Purpose::Contact {
            if let Some(old) = self.contacts.insert(peer.node, id) {
                self.forget(old);
                self.contacts.insert(peer.node, id);
            }
            if self.contacts.len() > CONTACTS {
                self.evict(now, id);
            }
            self.timers.set(id, now.at + super::IDLE);
            self.assocs.insert(id, assoc);
            for body in waiting.0 {
                self.contact_cell(now, id, Some(&body));
            }
            return;
        }
        if purpose == Purpose::Link
            && let Some(old) = self.link_with(&peer.node)
        {
            self.forget(old);
            self.down(old, purpose, DownReason::Replaced);
        }
        let (rate, warm_up) = match purpose {
            Purpose::Link => (class.link_rate(), true),
            _ => (class.spur_rate(), false),
        };
        let clock = Clock::new(
            self.fork("clock", peer.node.point(), purpose, now.at),
            now.at,
            rate,
            warm_up,
        );
        self.timers.set(id, clock.due());
        let vouching = (purpose == Purpose::Link)
            .then(|| Vouching::new(self.own, reached, peer.node, at, dialled, now.at));
        assoc.role = Role::Shaped(Box::new(Link {
            shaped: Shaped::new(clock, rate, now.at),
            vouching,
        }));
        self.assocs.insert(id, assoc);
        let observed = reached.is_allowed(Reach::Lan).then(|| reached.socket());
        self.output.push_back(LinkOutput::Up {
            assoc: id,
            peer,
            purpose,
            dialled,
            observed,
        });
    }

    /// Makes room for the contact session `new`: the least recently used goes, and the other end is told.
    fn evict(&mut self, now: Now, new: AssocId) {
        let used = |id: &AssocId| match self.assocs.get(id) {
            Some(Assoc {
                role: Role::Contact(contact),
                ..
            }) => Some((contact.used(), *id)),
            _ => None,
        };
        let oldest = self
            .contacts
            .values()
            .filter(|id| **id != new)
            .filter_map(used)
            .min();
        if let Some((_, id)) = oldest {
            self.contact_cell(now, id, None);
            self.forget(id);
        }
    }
}

const _: () = assert!(DATAGRAM == 512);
