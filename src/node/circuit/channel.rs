//! What commands do at the end of a circuit, by channel: spurs and deliveries, registrations and answers, queries.
//!
//! The other half of `relay`, which brings the commands here. Not here: what an intro point keeps (`intro`) and who waits for which
//! answer (`forward`).

use std::net::SocketAddr;

use super::CircuitOutput;
use super::base::Base;
use super::end::{Delivery, MAX_EARLY, OutboundEnd, Role, SpurSlot, SpurState};
use super::forward::{ANSWER, Answered, REQUEST};
use super::intro::{MAX_SPURS, SpurKey};
use super::relay::Relays;
use super::strangers::Call;
use super::timers::Timer;
use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::node::link::AssocId;
use crate::wire::address::{Address, Reach};
use crate::wire::circuit::{
    InboundForward, OutboundForward, SPUR_SLOTS, SpurBody, UtilityBack, UtilityForward, spur_name,
};
use crate::wire::peer::Peer;
use crate::wire::size::{BODY, QUERY};
use crate::wire::time::{Moment, Now};

/// Spurs that one network (in LAN mode: one address) may hold to here: one alone cannot take all places.
const MAX_SPURS_OF_ONE: usize = MAX_SPURS / 2;
/// Seconds between two attempts to open a spur at its intro point.
const SPUR_OPEN_SECONDS: f64 = 3.0;

impl Relays {
    pub fn outbound(&mut self, base: &mut Base, now: Now, number: u64, command: OutboundForward) {
        match command {
            OutboundForward::Dummy => {}
            OutboundForward::Deliver {
                slot,
                block,
                parcel,
            } => self.deliver(base, number, slot, (block, parcel)),
            OutboundForward::SpurOpen {
                slot,
                node,
                addr,
                key,
            } => {
                let key = *key;
                let Some(end) = self.outbound_end(number) else {
                    return;
                };
                if let Some(spur) = end.slot(slot)
                    && spur.key == key
                {
                    if matches!(spur.state, SpurState::Up(_) | SpurState::Local) {
                        end.say(slot, key, true);
                    }
                    return;
                }
                let allowed = end.may_open(now.at);
                if let Some(assoc) = end.retire(now.at, base.class, slot) {
                    self.outgoing.remove(&assoc);
                    base.out(CircuitOutput::CloseSpur { assoc });
                }
                self.close_spur(base, number, slot);
                if !allowed || node != base.id && !self.may_call(base, now.at, &addr) {
                    self.say(number, slot, key, false);
                    return;
                }
                self.open_spur(base, number, slot, node, addr, key);
            }
        }
    }

    fn open_spur(
        &mut self,
        base: &mut Base,
        number: u64,
        slot: u8,
        node: NodeId,
        addr: Address,
        key: Point,
    ) {
        let peer = Peer {
            node,
            addr: addr.socket(),
        };
        let state = if node == base.id {
            if !self.intro.spur_open(SpurKey::Local(number, slot), &key) {
                self.say(number, slot, key, false);
                return;
            }
            SpurState::Local
        } else {
            self.next_dial += 1;
            self.dials.insert(self.next_dial, (number, slot));
            base.out(CircuitOutput::DialSpur {
                handle: self.next_dial,
                peer,
            });
            SpurState::Dialling(self.next_dial)
        };
        let Some(end) = self.outbound_end(number) else {
            return;
        };
        end.slots[usize::from(slot % SPUR_SLOTS)] = Some(SpurSlot {
            key,
            peer,
            state,
            early: Default::default(),
        });
        if state == SpurState::Local {
            end.say(slot, key, true);
        }
    }

    /// Whether a spur may be opened to this address, which only the origin vouches for.
    fn may_call(&mut self, base: &Base, now: Moment, addr: &Address) -> bool {
        addr.is_allowed(Reach::of(base.lan))
            && self.strangers.call(now, addr.socket()) != Call::NotNow
    }

    fn outbound_end(&mut self, number: u64) -> Option<&mut OutboundEnd> {
        match &mut self.circuits.get_mut(&number)?.end.as_mut()?.role {
            Role::Outbound(end) => Some(end),
            Role::Inbound(_) | Role::Utility(_) => None,
        }
    }

    fn say(&mut self, number: u64, slot: u8, key: Point, up: bool) {
        if let Some(end) = self.outbound_end(number) {
            end.say(slot, key, up);
        }
    }

    fn deliver(&mut self, base: &mut Base, number: u64, slot: u8, delivery: Delivery) {
        let Some(spur) = self.outbound_end(number).and_then(|end| end.slot(slot)) else {
            return;
        };
        match spur.state {
            SpurState::Local => {
                self.intro
                    .deliver(SpurKey::Local(number, slot), &delivery.0, delivery.1)
            }
            SpurState::Up(assoc) => {
                base.raw(
                    assoc,
                    SpurBody::Deliver {
                        block: delivery.0,
                        parcel: delivery.1,
                    }
                    .encode(),
                );
            }
            SpurState::Dialling(_) | SpurState::Opening(_) => {
                if spur.early.len() < MAX_EARLY {
                    spur.early.push_back(delivery);
                }
            }
        }
    }

    /// Ends retired spurs, those whose time is over or all of them.
    pub fn close_retired(&mut self, base: &mut Base, now: Moment, number: u64) {
        while let Some(assoc) = self
            .outbound_end(number)
            .and_then(|end| end.retired_over(now))
        {
            self.outgoing.remove(&assoc);
            base.out(CircuitOutput::CloseSpur { assoc });
        }
    }

    /// Ends the spur in a slot. Nothing is said to the origin.
    pub fn close_spur(&mut self, base: &mut Base, number: u64, slot: u8) {
        let Some(end) = self.outbound_end(number) else {
            return;
        };
        let Some(spur) = end.slots.get_mut(usize::from(slot)).and_then(Option::take) else {
            return;
        };
        base.timers.clear(Timer::SpurOpen(number, slot));
        match spur.state {
            SpurState::Local => self.intro.spur_gone(SpurKey::Local(number, slot)),
            SpurState::Dialling(handle) => {
                self.dials.remove(&handle);
            }
            SpurState::Opening(assoc) | SpurState::Up(assoc) => {
                self.outgoing.remove(&assoc);
                base.out(CircuitOutput::CloseSpur { assoc });
            }
        }
    }

    /// The association that a `DialSpur` became.
    pub fn spur_dialling(&mut self, base: &mut Base, handle: u64, assoc: AssocId) {
        let Some((number, slot)) = self.dials.remove(&handle) else {
            base.out(CircuitOutput::CloseSpur { assoc });
            return;
        };
        if let Some(spur) = self.outbound_end(number).and_then(|end| end.slot(slot)) {
            spur.state = SpurState::Opening(assoc);
            self.outgoing.insert(assoc, (number, slot));
        }
    }

    pub fn spur_up(
        &mut self,
        base: &mut Base,
        now: Now,
        assoc: AssocId,
        peer: Peer,
        dialled: bool,
    ) {
        self.heard(base, peer.addr);
        if !dialled {
            let network = |addr: &SocketAddr| Address::from(*addr).network();
            let beside = |addr: &&SocketAddr| match base.lan {
                true => **addr == peer.addr,
                false => network(addr) == network(&peer.addr),
            };
            let of_one = self.incoming.values().filter(beside).count();
            if self.incoming.len() >= MAX_SPURS || of_one >= MAX_SPURS_OF_ONE {
                base.out(CircuitOutput::CloseSpur { assoc });
            } else {
                self.incoming.insert(assoc, peer.addr);
            }
            return;
        }
        match self.outgoing.get(&assoc) {
            Some((number, slot)) => self.spur_open(base, now, *number, *slot),
            None => base.out(CircuitOutput::CloseSpur { assoc }),
        }
    }

    /// Says, and says again until answered, which key the spur's cookie blocks are sealed under.
    pub fn spur_open(&mut self, base: &mut Base, now: Now, number: u64, slot: u8) {
        let Some(spur) = self.outbound_end(number).and_then(|end| end.slot(slot)) else {
            return;
        };
        if let SpurState::Opening(assoc) = spur.state {
            base.raw(assoc, SpurBody::Open { key: spur.key }.encode());
            base.timers.set(
                Timer::SpurOpen(number, slot),
                now.at.after_seconds(SPUR_OPEN_SECONDS),
            );
        }
    }

    /// A spur's association is gone or was never made.
    pub fn spur_down(&mut self, base: &mut Base, assoc: AssocId) {
        if self.incoming.remove(&assoc).is_some() {
            self.intro.spur_gone(SpurKey::Link(assoc));
        }
        if let Some((number, slot)) = self.outgoing.remove(&assoc) {
            base.timers.clear(Timer::SpurOpen(number, slot));
            let Some(end) = self.outbound_end(number) else {
                return;
            };
            let retired = end.retired.len();
            end.retired.retain(|retired| retired.assoc != assoc);
            if end.retired.len() == retired
                && let Some(spur) = end.slots.get_mut(usize::from(slot)).and_then(Option::take)
            {
                end.say(slot, spur.key, false);
            }
        }
    }

    pub fn spur_body(&mut self, base: &mut Base, assoc: AssocId, body: &[u8; BODY]) {
        let Ok(body) = SpurBody::decode(body) else {
            self.refused += 1;
            return;
        };
        if let Some((number, slot)) = self.outgoing.get(&assoc).copied() {
            let Some(end) = self.outbound_end(number) else {
                return;
            };
            match body {
                SpurBody::Opened => {
                    let Some(spur) = end.slot(slot) else { return };
                    if spur.state == SpurState::Opening(assoc) {
                        spur.state = SpurState::Up(assoc);
                        let (key, early) = (spur.key, std::mem::take(&mut spur.early));
                        end.say(slot, key, true);
                        base.timers.clear(Timer::SpurOpen(number, slot));
                        early
                            .into_iter()
                            .for_each(|delivery| self.deliver(base, number, slot, delivery));
                    }
                }
                SpurBody::Return { parcel } => {
                    if let Some((slot, spur)) = end.spur_of(assoc) {
                        end.returned(slot, spur, parcel);
                    }
                }
                SpurBody::Open { .. } | SpurBody::Deliver { .. } => self.refused += 1,
            }
        } else if self.incoming.contains_key(&assoc) {
            match body {
                SpurBody::Open { key } => {
                    if self.intro.spur_open(SpurKey::Link(assoc), &key) {
                        base.raw(assoc, SpurBody::Opened.encode());
                    }
                }
                SpurBody::Deliver { block, parcel } => {
                    self.intro.deliver(SpurKey::Link(assoc), &block, parcel)
                }
                SpurBody::Opened | SpurBody::Return { .. } => self.refused += 1,
            }
        }
    }

    pub fn inbound(&mut self, base: &mut Base, now: Now, number: u64, command: InboundForward) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let Some(Role::Inbound(end)) = circuit.end.as_mut().map(|end| &mut end.role) else {
            return;
        };
        match (command, end.cookie) {
            (InboundForward::Dummy, _) => {}
            (InboundForward::Establish { cookie }, old) => {
                if old.is_none_or(|old| old == cookie)
                    && self.intro.establish(now.at, number, cookie)
                {
                    end.cookie = Some(cookie);
                    end.confirm = true;
                }
            }
            (
                InboundForward::Tokens {
                    generation,
                    index,
                    cells,
                    tokens,
                },
                Some(cookie),
            ) => {
                self.intro.tokens(&cookie, generation, index, cells, tokens);
            }
            (InboundForward::Answer { spur, parcel }, Some(cookie)) => match self
                .intro
                .answer(&cookie, spur)
            {
                Some(SpurKey::Link(assoc)) => base.raw(assoc, SpurBody::Return { parcel }.encode()),
                Some(SpurKey::Local(at, slot)) => {
                    if let Some(end) = self.outbound_end(at)
                        && let Some(spur) = end.slot(slot).map(|held| spur_name(&held.key))
                    {
                        end.returned(slot, spur, parcel);
                    }
                }
                None => {}
            },
            (InboundForward::Tokens { .. } | InboundForward::Answer { .. }, None) => {
                self.refused += 1
            }
        }
    }

    pub fn utility(&mut self, base: &mut Base, now: Now, number: u64, command: UtilityForward) {
        let UtilityForward::Query { node, addr, sealed } = command else {
            return;
        };
        if node == base.id {
            let key = base.key.clone();
            if let Some((token, request)) = self.forwarder.query_own(now.at, &key, number, &sealed)
            {
                base.out(CircuitOutput::Ask { token, request });
            }
            return;
        }
        if !addr.is_allowed(Reach::of(base.lan)) {
            return;
        }
        let to = Peer {
            node,
            addr: addr.socket(),
        };
        let call = self.strangers.call(now.at, to.addr);
        if let Some(body) = self.forwarder.query(now.at, number, to, &sealed, call) {
            base.out(CircuitOutput::Contact { to, body });
        }
    }

    /// Something that opened came from this address: it is no stranger, and what was held back for it may go.
    pub fn heard(&mut self, base: &mut Base, addr: SocketAddr) {
        self.strangers.heard(addr);
        for (to, body) in self.forwarder.heard(addr) {
            base.out(CircuitOutput::Contact { to, body });
        }
    }

    /// A body of kind 0x40 or above came over a contact session.
    pub fn contact(&mut self, base: &mut Base, now: Now, from: Peer, body: &[u8; BODY]) {
        self.heard(base, from.addr);
        match body[0] {
            REQUEST => {
                let key = base.key.clone();
                if let Some((token, request)) = self.forwarder.request(now.at, &key, from, body) {
                    base.out(CircuitOutput::Ask { token, request });
                }
            }
            ANSWER => {
                let answered = self.forwarder.answer(from, body);
                self.bring(base, answered);
            }
            _ => self.refused += 1,
        }
    }

    /// The store's answer to an `Ask`.
    pub fn answered(&mut self, base: &mut Base, token: u64, answer: &[u8; QUERY]) {
        let key = base.key.clone();
        let answered = self.forwarder.answered(&key, token, answer);
        self.bring(base, answered);
    }

    fn bring(&mut self, base: &mut Base, answered: Option<Answered>) {
        match answered {
            Some(Answered::Send { to, body }) => base.out(CircuitOutput::Contact { to, body }),
            Some(Answered::Circuit {
                circuit,
                asked,
                sealed,
            }) => {
                if let Some(Role::Utility(end)) = self
                    .circuits
                    .get_mut(&circuit)
                    .and_then(|circuit| circuit.end.as_mut())
                    .map(|end| &mut end.role)
                {
                    end.push(UtilityBack::QueryAnswer { asked, sealed });
                }
            }
            None => {}
        }
    }
}
