//! Circuits: how a node's person talks through others, and how others talk through this node.
//!
//! ```text
//!  own side     own      which circuits there are, and their queues
//!               origin   building one, and its seals          path, guards, hop, pace
//!               spur + births, inbound, utility + operation   what each carries
//!               pool     records learnt through circuits
//!  others' side relay    circuits that pass through           seen, allowance
//!               end, channel   those that end here            intro, cookie, forward, seal, strangers
//! ```
//!
//! Cells leave on clocks that nothing a person does can move: commands only fill queues. Sans-IO: inputs by `handle_*` and the person's
//! commands, one way out by `poll_output`. Not here: links and their schedule (`node::link`), the ring and the store (`node::dht`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::keys::{CookieKey, NodeKey};
use crate::crypto::random::{Stream, Streams};
use crate::node::link::{AssocId, BodyKind, Purpose};
use crate::node::person::{
    CircuitFailure, CircuitRow, ContactTag, PersonEvent, ReplyHandle, SpurTarget, Way,
};
use crate::wire::certificate::LinkCertificate;
use crate::wire::circuit::read_closed;
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BLOCK, BODY, CIRCUIT_ID, PARCEL, QUERY, VALUE};
use crate::wire::time::{Moment, Now};

mod allowance;
mod base;
mod births;
mod channel;
mod cookie;
mod end;
mod forward;
mod guards;
mod hop;
#[cfg(test)]
mod hostile_tests;
mod inbound;
mod intro;
mod operation;
mod origin;
mod own;
mod pace;
mod path;
mod pool;
mod queues;
mod relay;
mod seal;
mod seen;
mod spur;
mod strangers;
mod timers;
mod utility;

pub use forward::{ANSWER, REQUEST};
pub use path::length;

use base::{Base, Route, Shaped};
use own::Own;
use relay::Relays;
use timers::Timer;

/// How a node's circuits are set up.
#[derive(Clone, Copy, Debug)]
pub struct CircuitConfig {
    pub class: Class,
    /// Private addresses are used and no /16 rule holds.
    pub lan: bool,
}

/// The random streams of this room, apart from everybody else's.
pub struct CircuitStreams {
    pub schedule: Stream,
    pub topology: Stream,
    pub crypto: Stream,
}

impl CircuitStreams {
    pub fn of(streams: &Streams) -> CircuitStreams {
        CircuitStreams {
            schedule: streams.schedule.fork("circuits", b""),
            topology: streams.topology.fork("circuits", b""),
            crypto: streams.crypto.fork("circuits", b""),
        }
    }
}

/// A shaped link that is up, as the node lists it.
#[derive(Clone, Debug)]
pub struct Guard {
    pub assoc: AssocId,
    pub peer: Peer,
    /// What this node shows to those who ask for its neighbours. Without one the link carries circuits and is not named.
    pub certificate: Option<LinkCertificate>,
    /// Cells per second each way.
    pub rate: f64,
    /// Chosen by this node under the link rule. Links that others called say nothing about their honesty.
    pub chosen: bool,
    /// Time since the last cell came over it.
    pub silence: Duration,
}

/// What the node's topology clock gives to circuits.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Shaped links that are up, best guard first.
    pub guards: Vec<Guard>,
    /// Nodes there are by the ring's estimate, this one included.
    pub nodes: usize,
}

#[derive(Debug)]
pub enum CircuitOutput {
    /// A body for a shaped link or a spur.
    Send {
        assoc: AssocId,
        kind: BodyKind,
        lane: u32,
        body: Box<[u8; BODY]>,
    },
    /// A body for a contact session.
    Contact {
        to: Peer,
        body: Box<[u8; BODY]>,
    },
    /// Dial a spur; the association is told back by [`Circuits::spur_dialling`].
    DialSpur {
        handle: u64,
        peer: Peer,
    },
    CloseSpur {
        assoc: AssocId,
    },
    /// Ask the value store; the answer comes back by [`Circuits::answered`].
    Ask {
        token: u64,
        request: Box<[u8; QUERY]>,
    },
    Person(PersonEvent),
}

/// A link is silent when nothing came over it for so many seconds and so many of its mean gaps. By chance a gap of a Poisson clock is so long
/// once in 10^13 times, at 30 % loss once in 10^9. The link goes down later; circuits need not wait for that.
const SILENT_SECONDS: f64 = 5.0;
const SILENT_GAPS: f64 = 30.0;

/// Counters for the network screen and the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub relayed: usize,
    pub registrations: usize,
    pub incoming_spurs: usize,
    pub pool_records: usize,
    /// Blocks that came twice and were replaced.
    pub duplicates: u64,
    /// Commands that did not belong to their channel.
    pub refused: u64,
    /// Blocks of relayed circuits over the rates they named.
    pub excess: u64,
    /// Outputs lost because nobody fetched them.
    pub lost: u64,
}

pub struct Circuits {
    base: Base,
    own: Own,
    relays: Relays,
    spurs: std::collections::BTreeSet<AssocId>,
}

impl Circuits {
    pub fn new(
        config: CircuitConfig,
        key: Arc<NodeKey>,
        cookie: CookieKey,
        streams: CircuitStreams,
    ) -> Circuits {
        let mut base = Base::new(config.class, config.lan, key, streams);
        let own = Own::new(&mut base);
        let relays = Relays::new(&base, cookie);
        Circuits {
            base,
            own,
            relays,
            spurs: Default::default(),
        }
    }

    pub fn handle_link_up(
        &mut self,
        now: Now,
        assoc: AssocId,
        peer: Peer,
        purpose: Purpose,
        dialled: bool,
    ) {
        match purpose {
            Purpose::Link => {
                let rate = self.base.class.link_rate();
                self.base.links.insert(
                    assoc,
                    Shaped {
                        peer,
                        dialled,
                        rate,
                        silent: false,
                    },
                );
                self.relays.heard(&mut self.base, peer.addr);
                self.own.link_up(&mut self.base, now);
            }
            Purpose::Spur => {
                self.spurs.insert(assoc);
                self.relays
                    .spur_up(&mut self.base, now, assoc, peer, dialled);
            }
            Purpose::Contact | Purpose::Errand => {}
        }
    }

    /// An association went down, or a dial failed.
    pub fn handle_link_down(&mut self, now: Now, assoc: AssocId) {
        if self.base.links.remove(&assoc).is_some() {
            self.own.link_down(&mut self.base, now, assoc);
            self.relays.link_down(&mut self.base, assoc);
            self.base.guards.retain(|guard| guard.assoc != assoc);
        } else {
            self.spurs.remove(&assoc);
            self.relays.spur_down(&mut self.base, assoc);
        }
    }

    /// The association that a [`CircuitOutput::DialSpur`] became. To be told before the association's own news.
    pub fn spur_dialling(&mut self, handle: u64, assoc: AssocId) {
        self.relays.spur_dialling(&mut self.base, handle, assoc);
    }

    /// A body from a shaped link or a spur.
    pub fn handle_body(&mut self, now: Now, assoc: AssocId, kind: BodyKind, body: &[u8; BODY]) {
        if self.spurs.contains(&assoc) {
            if kind == BodyKind::Circuit {
                self.relays.spur_body(&mut self.base, assoc, body);
            }
            return;
        }
        if kind == BodyKind::Control {
            if let Some(id) = read_closed(body) {
                self.handle_closed(now, (assoc, id));
            }
            return;
        }
        let at = (
            assoc,
            u32::from_be_bytes([body[0], body[1], body[2], body[3]]),
        );
        let mut block: Box<[u8; BLOCK]> = Box::new([0; BLOCK]);
        block.copy_from_slice(&body[CIRCUIT_ID..]);
        match self.base.routes.get(&at).copied() {
            Some(Route::Origin(number)) => self.own.block(&mut self.base, now, number, &block),
            Some(Route::Prev(number)) => self.relays.forward(&mut self.base, now, number, block),
            Some(Route::Next(number)) => self.relays.back(&mut self.base, now, number, block),
            None if self.base.is_theirs(at) => self.relays.create(&mut self.base, now, at, &block),
            None => {}
        }
    }

    fn handle_closed(&mut self, now: Now, at: (AssocId, u32)) {
        match self.base.routes.get(&at).copied() {
            Some(Route::Origin(number)) => self.own.closed(&mut self.base, now, number),
            Some(Route::Prev(number) | Route::Next(number)) => {
                self.relays.closed(&mut self.base, number, at)
            }
            None => {}
        }
    }

    /// A body of kind 0x40 or above from a contact session.
    pub fn handle_contact(&mut self, now: Now, peer: Peer, body: &[u8; BODY]) {
        self.relays.contact(&mut self.base, now, peer, body);
    }

    /// The value store's answer to an [`CircuitOutput::Ask`].
    pub fn answered(&mut self, token: u64, answer: &[u8; QUERY]) {
        self.relays.answered(&mut self.base, token, answer);
    }

    /// Links, certificates and size of the network. From the node's topology clock only.
    pub fn set_view(&mut self, view: View) {
        self.base.nodes = view.nodes.max(1);
        for (assoc, link) in &mut self.base.links {
            let Some(guard) = view.guards.iter().find(|guard| guard.assoc == *assoc) else {
                link.silent = true;
                continue;
            };
            // A link is faster while it is young; what is admitted has to fit when it is not.
            link.rate = guard.rate.min(self.base.class.link_rate());
            let limit = SILENT_SECONDS.max(SILENT_GAPS / link.rate);
            link.silent = guard.silence.as_secs_f64() > limit;
        }
        self.base.guards = view.guards;
    }

    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.base.timers.pop(now.at) {
            let base = &mut self.base;
            match timer {
                Timer::CircuitClock => self.own.clock_tick(base, now),
                Timer::OriginTick(number) => self.own.tick(base, now, number),
                Timer::OriginStep(number) => self.own.step_overdue(base, now, number),
                Timer::OriginSilence(number) => self.own.silence(base, now, number),
                Timer::OriginLife(number) => self.own.life_over(base, now, number),
                Timer::SpurBirth(number, slot) => self.own.spur_birth(base, now, number, slot),
                Timer::EndTick(number) => self.relays.tick(base, now, number),
                Timer::RelaySilence(number) => self.relays.silence(base, now, number),
                Timer::RelayExtend(number) => self.relays.extend_failed(base, number),
                Timer::Refill(number, direction) => {
                    self.relays.refill(base, now, number, direction)
                }
                Timer::SpurOpen(number, slot) => self.relays.spur_open(base, now, number, slot),
            }
        }
    }

    pub fn next_timeout(&self) -> Moment {
        self.base.timers.next()
    }

    pub fn poll_output(&mut self) -> Option<CircuitOutput> {
        self.base.poll()
    }

    /// Contacts that want a spur, most urgent first; replaces the list given before (64 at most).
    pub fn want_spurs(&mut self, wanted: Vec<SpurTarget>) {
        self.own.want_spurs(wanted);
    }

    /// A parcel to a contact with a spur. [`PersonEvent::NotSent`] if there is none, or 16 wait already.
    pub fn send_spur(&mut self, contact: ContactTag, parcel: Box<[u8; PARCEL]>) {
        if !self.own.send_spur(contact, parcel.clone()) {
            let way = Way::Spur(contact);
            self.base.person(PersonEvent::NotSent { way, parcel });
        }
    }

    /// A parcel back along the way one came. [`PersonEvent::NotSent`] if the way is gone, or 16 wait already.
    pub fn send_reply(&mut self, handle: ReplyHandle, parcel: Box<[u8; PARCEL]>) {
        if !self.own.send_reply(handle, parcel.clone()) {
            let way = Way::Handle(handle);
            self.base.person(PersonEvent::NotSent { way, parcel });
        }
    }

    /// Finds out who is closest to a key, on the utility clock: a publication or look-up there follows. Nothing is reported.
    pub fn approach(&mut self, now: Now, id: u64, key: [u8; 32]) {
        self.own.approach(now, id, key);
    }

    /// Looks a value up, on the utility clock.
    pub fn fetch(&mut self, now: Now, id: u64, key: [u8; 32]) {
        self.own.fetch(&mut self.base, now, id, key);
    }

    /// Stores a value at the nodes closest to its key, on the utility clock.
    pub fn publish(&mut self, now: Now, id: u64, key: [u8; 32], value: Box<[u8; VALUE]>) {
        self.own.publish(&mut self.base, now, id, key, value);
    }

    /// Tokens that the own intro points take for contacts'; replaces the list given before (`wire::circuit::TOKENS` at most).
    pub fn set_tokens(&mut self, tokens: &[[u8; 16]]) {
        self.own.set_tokens(tokens);
    }

    /// Whether outbound, inbound and utility circuits serve.
    pub fn online(&self) -> bool {
        self.own.online()
    }

    pub fn rows(&self, now: Moment) -> Vec<CircuitRow> {
        self.own.rows(&self.base, now)
    }

    /// The last own circuit that failed.
    pub fn failure(&self, now: Moment) -> Option<CircuitFailure> {
        self.own.failure(now)
    }

    pub fn counters(&self) -> Counters {
        Counters {
            relayed: self.relays.count(),
            registrations: self.relays.intro.registrations(),
            incoming_spurs: self.relays.intro.spurs(),
            pool_records: self.own.pool.len(),
            duplicates: self.relays.duplicates,
            refused: self.relays.refused,
            excess: self.relays.excess,
            lost: self.base.lost,
        }
    }

    /// Own circuits that serve, with their hops: for the simulator, which knows everything anyway.
    pub fn paths(&self) -> Vec<(&'static str, Vec<Peer>)> {
        self.own.paths()
    }

    /// For each relayed circuit, every address that this node ties to it.
    pub fn relayed_addresses(&self) -> Vec<Vec<SocketAddr>> {
        self.relays.addresses(&self.base)
    }
}
