//! Others' calls: which are answered, and when an association is up.

use std::net::SocketAddr;

use super::assoc::{Assoc, Contact, HalfOpen, Link, Role};
use super::certificate::Vouching;
use super::dial::Waiting;
use super::handshake::{Reply, salt_of};
use super::keys::Keys;
use super::schedule::Clock;
use super::shaped::Shaped;
use super::{
    ACCEPTED_LINKS, ACCEPTED_SPURS, AssocId, CONFIRM, CONTACTS, CONTACTS_A_NETWORK, Cell, DEPTH,
    DRAIN, DialFailure, DialKey, DownReason, HALF_OPEN, HALF_OPEN_PER_SOURCE, IDLE, LinkOutput,
    Links, Proven, Purpose, Refusal, SPUR_DEPTH, gate,
};
use crate::crypto::id::NodeId;
use crate::crypto::mqv::Side;
use crate::wire::address::{Address, Reach};
use crate::wire::cell::CellKind;
use crate::wire::peer::Peer;
use crate::wire::time::Now;

impl Links {
    /// An INIT whose MAC fits.
    pub(super) fn called(&mut self, now: Now, which: usize, from: SocketAddr, cell: &Cell) -> bool {
        let salt = salt_of(cell);
        if !Address::from(from).is_allowed(Reach::of(self.lan))
            || !self.gate.admits(now.at, from, &salt)
        {
            return false;
        }
        self.calls_opened += 1;
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
            cause: call.purpose.answer_cause(),
        });
        if refused.is_some() {
            return true;
        }

        self.make_room(from);
        let id = self.new_id();
        let jitter = self.fork("keys", call.caller.point(), call.purpose, now.at);
        let observed = Address::from(from);
        let half = HalfOpen {
            class,
            reached: call.dialled,
            observed,
            own_call: crossing,
        };
        let assoc = Assoc {
            peer: Peer {
                node: call.caller,
                addr: from,
            },
            purpose: call.purpose,
            dialled: false,
            since: now.at,
            keys: Box::new(Keys::new(&agreed, Side::Responder, now.at, jitter)),
            closing: None,
            role: Role::HalfOpen(Box::new(half)),
        };
        self.addresses.add(from, id);
        self.timers.set(id, now.at + CONFIRM);
        self.assocs.insert(id, assoc);
        true
    }

    /// Our own call to whoever calls us now.
    pub(super) fn crossing(
        &self,
        caller: &NodeId,
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

    pub(super) fn refusal(
        &self,
        caller: &NodeId,
        purpose: Purpose,
        from: SocketAddr,
    ) -> Option<Refusal> {
        if purpose.is_contact() {
            return None;
        }
        if !self.has_place(caller, purpose) {
            return Some(Refusal::Full);
        }
        (purpose == Purpose::Link && self.shares_network(caller, from)).then_some(Refusal::Network)
    }

    /// Whether there is a link with another node in the network of this address, where that counts.
    pub(super) fn shares_network(&self, node: &NodeId, addr: SocketAddr) -> bool {
        let network = Address::from(addr).network();
        let neighbour = |a: &Assoc| {
            a.purpose == Purpose::Link
                && a.closing.is_none()
                && a.is_shaped()
                && a.peer.node != *node
                && Address::from(a.peer.addr).network() == network
        };
        !self.lan && self.assocs.values().any(neighbour)
    }

    /// Whether another association called by others fits. Half-open ones take no place, or a flood of calls would take all.
    fn has_place(&self, caller: &NodeId, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Contact | Purpose::Errand => true,
            Purpose::Spur => self.count(purpose, false) < ACCEPTED_SPURS,
            Purpose::Link => {
                self.link_with(caller).is_some() || self.count(purpose, false) < ACCEPTED_LINKS
            }
        }
    }

    /// Keeps the half-open associations within their bounds: few for a source, and the oldest goes first. Whom a caller says to be counts
    /// for nothing: who calls in another's name must not end the other's call.
    pub(super) fn make_room(&mut self, from: SocketAddr) {
        let source = gate::source(from, self.lan);
        let mut gone = Vec::new();
        let (mut all, mut of_source) = (0, 0);
        // Newest first: ids grow.
        for (id, assoc) in self.assocs.iter().rev() {
            if !matches!(assoc.role, Role::HalfOpen(_)) {
                continue;
            }
            let near = gate::source(assoc.peer.addr, self.lan) == source;
            if all + 1 >= HALF_OPEN || (near && of_source + 1 >= HALF_OPEN_PER_SOURCE) {
                gone.push(*id);
            } else {
                all += 1;
                of_source += usize::from(near);
            }
        }
        for id in gone {
            self.forget(id);
        }
    }

    /// The caller's first data cell opened: it is who it says, where it says. Returns the id under which it is up: that of our own call
    /// to it, if there is one still.
    pub(super) fn confirmed(&mut self, now: Now, id: AssocId) -> AssocId {
        let Some(mut assoc) = self.forget(id) else {
            return id;
        };
        let role = std::mem::replace(&mut assoc.role, Role::Contact(Contact::new(now.at)));
        let Role::HalfOpen(half) = role else {
            return id;
        };
        assoc.since = now.at;
        let own_call = half
            .own_call
            .and_then(|id| self.drop_dial(id).map(|dial| (id, dial)));
        let mut proven = Proven {
            class: half.class,
            reached: half.reached,
            at: half.observed,
            waiting: Waiting::default(),
            asked: false,
        };
        let mut up_id = id;
        let (node, purpose, addr) = (assoc.peer.node, assoc.purpose, assoc.peer.addr);
        if let Some((id, dial)) = own_call {
            up_id = id;
            if purpose == Purpose::Link && self.shares_network(&node, addr) {
                let why = DialFailure::Refused(Refusal::Network);
                self.dial_failed(id, dial.target, dial.asked, why);
                assoc.closing = Some(now.at + DRAIN);
            }
            proven.waiting = dial.waiting;
            proven.asked = dial.asked;
        } else if self.refusal(&node, purpose, addr).is_some() {
            // Its place, or that of its network, was taken since we answered: good-bye is all it hears.
            assoc.closing = Some(now.at + DRAIN);
        }
        self.up(now, up_id, assoc, proven);
        up_id
    }

    /// Both ends are proven.
    pub(super) fn up(&mut self, now: Now, id: AssocId, mut assoc: Assoc, proven: Proven) {
        let Proven {
            class,
            reached,
            at,
            waiting,
            asked,
        } = proven;
        let (peer, purpose, dialled) = (assoc.peer, assoc.purpose, assoc.dialled);
        let observed = reached.is_allowed(Reach::Lan).then(|| reached.socket());
        let up = LinkOutput::Up {
            assoc: id,
            peer,
            purpose,
            dialled,
            observed,
        };
        self.addresses.add(peer.addr, id);
        if purpose != Purpose::Spur {
            self.forget_half_open(&peer.node, purpose);
        }
        if purpose.is_contact() {
            if let Some(old) = self.contacts.insert((purpose, peer.node), id) {
                self.forget(old);
                self.contacts.insert((purpose, peer.node), id);
            }
            self.keep_to_bounds(now, purpose, id, peer.addr);
            self.timers.set(id, now.at + IDLE);
            self.assocs.insert(id, assoc);
            if asked {
                self.output.push_back(up);
            }
            if dialled && waiting.0.is_empty() {
                // It proves to the callee who calls.
                self.contact_cell(now, id, CellKind::Chaff, None);
            }
            for body in waiting.0 {
                self.contact_cell(now, id, CellKind::Body, Some(&body));
            }
            return;
        }
        let closing = assoc.closing.is_some();
        if purpose == Purpose::Link
            && let Some(old) = self.link_with(&peer.node)
        {
            self.forget(old);
            self.down(old, purpose, DownReason::Replaced);
        }
        // Spurs to one node that are born in one moment still tick apart.
        let twins = self.assocs.values().filter(|a| {
            a.peer.node == peer.node && a.purpose == purpose && a.since == now.at && a.is_shaped()
        });
        let label = ["clock", "clock 2", "clock 3", "clock 4"][twins.count().min(3)];
        let stream = self.fork(label, peer.node.point(), purpose, now.at);
        let (rate, clock, depth) = match purpose {
            Purpose::Link => {
                let rate = class.link_rate();
                (rate, Clock::of_link(stream, now.at, rate), DEPTH)
            }
            _ => {
                let rate = class.spur_rate();
                (rate, Clock::of_spur(stream, now.at, rate), SPUR_DEPTH)
            }
        };
        self.timers.set(id, clock.due());
        let vouching = (purpose == Purpose::Link)
            .then(|| Vouching::new(self.own, reached, peer.node, at, dialled, now.at));
        assoc.role = Role::Shaped(Box::new(Link {
            shaped: Shaped::new(clock, rate, depth, now.at),
            vouching,
        }));
        self.assocs.insert(id, assoc);
        if !closing {
            self.output.push_back(up);
        }
    }

    /// One of this node and purpose is up: what is half open is of an older call.
    fn forget_half_open(&mut self, node: &NodeId, purpose: Purpose) {
        let same = |a: &Assoc| {
            a.peer.node == *node && a.purpose == purpose && matches!(a.role, Role::HalfOpen(_))
        };
        let old: Vec<_> = self
            .assocs
            .iter()
            .filter(|(_, a)| same(a))
            .map(|(id, _)| *id)
            .collect();
        for id in old {
            self.forget(id);
        }
    }

    pub(super) fn sessions(&self, plane: Purpose) -> impl Iterator<Item = AssocId> + '_ {
        let of_plane = self.contacts.iter().filter(move |((p, _), _)| *p == plane);
        of_plane.map(|(_, id)| *id)
    }

    /// The contact session `new` has come: where there are too many now, of all or of its network, the one of those that was not used for longest
    /// goes, and its other end is told.
    fn keep_to_bounds(&mut self, now: Now, plane: Purpose, new: AssocId, addr: SocketAddr) {
        let network = Address::from(addr).network();
        let others = self.sessions(plane).filter(|id| *id != new);
        let others = others.filter_map(|id| {
            let assoc = self.assocs.get(&id)?;
            let Role::Contact(contact) = &assoc.role else {
                return None;
            };
            let near = Address::from(assoc.peer.addr).network() == network;
            Some((contact.used(), id, near))
        });
        let (near, far): (Vec<_>, Vec<_>) = others.partition(|(_, _, near)| *near);
        let oldest = if !self.lan && near.len() >= CONTACTS_A_NETWORK {
            near.into_iter().min()
        } else if near.len() + far.len() >= CONTACTS {
            near.into_iter().chain(far).min()
        } else {
            None
        };
        if let Some((_, id, _)) = oldest {
            self.contact_cell(now, id, CellKind::Close, None);
            self.forget(id);
        }
    }
}
