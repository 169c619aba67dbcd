//! The circuits this node keeps for its person, whether the person chats or not.
//!
//! One outbound, one inbound, one standby inbound through the backup guard, one utility. They are built, replaced and rebuilt on the
//! circuit clock, through the guards that are heard; their cells leave on their own clocks. What the person wants only fills queues that those clocks empty. Not here:
//! how one circuit is built (`origin`) and what the queues hold (`spur`, `inbound`, `utility`).

use std::collections::{BTreeMap, BTreeSet};

use super::base::Base;
use super::guards::Pins;
use super::inbound::{Inbound, Tokens};
use super::origin::{Origin, Progress};
use super::path;
use super::pool::Pool;
use super::queues::{Queues, Room};
use super::spur::{Served, Spurs};
use super::timers::Timer;
use super::utility::Utility;
use crate::crypto::id::NodeId;
use crate::crypto::random::Stream;
use crate::node::link::AssocId;
use crate::node::person::{
    CircuitFailure, CircuitRow, ContactTag, IntroPoint, PersonEvent, ReplyHandle, SpurTarget, Way,
    WhyFailed,
};
use crate::wire::circuit::{InboundBack, OutboundBack, UtilityBack, UtilityForward};
use crate::wire::peer::Peer;
use crate::wire::size::{BLOCK, END, PARCEL};
use crate::wire::time::{Moment, Now};

mod duty;
mod report;
mod upkeep;

pub(super) use duty::Duty;

/// Mean seconds from the first link, of a run or after a time without any, to the next tick.
const START_SECONDS: f64 = 0.2;
/// Mean life of a circuit in seconds, and its least.
const LIFE_SECONDS: f64 = 7200.0;
const SHORTEST_LIFE: f64 = 300.0;
/// A circuit is dead when its end was not heard for so many seconds and so many mean gaps: of 12 in a row without a cell there is one in 160 000.
const SILENCE_SECONDS: f64 = 8.0;
const SILENCE_GAPS: f64 = 12.0;
/// Where this is noticed so many seconds late the node was held up, and what came meanwhile was not looked at yet.
const HELD_UP_SECONDS: f64 = 2.0;
/// Contacts that may want a spur; the rest is cut.
const MAX_WANTED: usize = 64;
/// Parcels that wait for the outbound clock, by contact; one more is refused and the messenger told.
const OUTBOX: Room = Room {
    queues: MAX_WANTED,
    a_queue: 16,
    all: MAX_WANTED * 16,
};

enum Load {
    Outbound(Box<Spurs>),
    Inbound(Box<Inbound>),
    Utility,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Serving,
    /// Its life is over; a successor is to be built.
    Expired,
    /// The successor serves; kept for what is still on its way.
    Retiring,
}

struct Circuit {
    origin: Origin,
    duty: Duty,
    load: Load,
    age: Age,
    /// Fills dummies.
    chaff: Stream,
}

impl Circuit {
    fn serves(&self) -> bool {
        self.origin.is_ready()
            && match &self.load {
                Load::Inbound(inbound) => inbound.established.is_some(),
                Load::Outbound(_) | Load::Utility => true,
            }
    }

    /// Whether it has lower rates than the link to its guard would bear.
    fn is_slow(&self, base: &Base) -> bool {
        let usual = self.duty.rates(base.class.circuit_factor());
        let link = base.links.get(&self.origin.assoc());
        self.origin.rates().back_rate() < usual.back_rate()
            && link.is_some_and(|link| link.rate >= base.class.link_rate())
    }
}

/// Circuits of one duty that died young, one after the other. Both pinned second hops of both guards take turns then: all are pinned, so it gives
/// nothing away, and no hop that drops cells can keep a person from being reached.
#[derive(Clone, Copy, Default)]
struct Deaths {
    young: u32,
    /// Second hop of the last one.
    behind: Option<NodeId>,
}

pub(super) struct Own {
    circuits: BTreeMap<u64, Circuit>,
    next_number: u64,
    pins: Pins,
    pub pool: Pool,
    clock: Stream,
    lives: Stream,
    ticks: u32,
    /// In a row at which a circuit was missing.
    missing_ticks: u32,
    /// How many in a row were poor when they began to serve.
    poor: BTreeMap<Duty, u32>,
    /// The first attempt of the run.
    building_since: Option<Moment>,
    ever: BTreeSet<Duty>,
    /// Failed attempts in a row, and how many of them got no further than the guard.
    failures: BTreeMap<Duty, u32>,
    at_guard: BTreeMap<Duty, u32>,
    deaths: BTreeMap<Duty, Deaths>,
    rebuilt: BTreeMap<Duty, u32>,
    /// The last one. For the screen.
    failure: Option<(Moment, Duty, WhyFailed)>,
    wanted: Vec<SpurTarget>,
    outbox: Queues<ContactTag, ()>,
    /// As the person was told: the rate of the outbound circuit, what is served by spurs that are up, the intro points.
    outbound: f64,
    up: BTreeSet<Served>,
    points: Vec<IntroPoint>,
    tokens: Tokens,
    filling: Stream,
    utility: Utility,
}

impl Own {
    pub fn new(base: &mut Base) -> Own {
        Own {
            circuits: BTreeMap::new(),
            next_number: 1,
            pins: Pins::default(),
            pool: Pool::new(base.id),
            clock: base.schedule.fork("circuit clock", b""),
            lives: base.schedule.fork("circuit lives", b""),
            ticks: 0,
            missing_ticks: 0,
            poor: BTreeMap::new(),
            building_since: None,
            ever: BTreeSet::new(),
            failures: BTreeMap::new(),
            at_guard: BTreeMap::new(),
            deaths: BTreeMap::new(),
            rebuilt: BTreeMap::new(),
            failure: None,
            wanted: Vec::new(),
            outbox: Queues::new(OUTBOX),
            outbound: 0.0,
            up: BTreeSet::new(),
            points: Vec::new(),
            tokens: Tokens::none(),
            filling: base.own_random.fork("tokens", b""),
            utility: Utility::new(base.topology.fork("cover", b""), base.own_random.branch()),
        }
    }

    /// The first shaped link starts the circuit clock; the first after a time without any is waited for as eagerly.
    pub fn link_up(&mut self, base: &mut Base, now: Now) {
        let starts = self.ticks == 0 && !base.timers.is_set(Timer::CircuitClock);
        if !starts && base.links.len() > 1 {
            return;
        }
        let first = now.at.after_seconds(self.clock.exponential(START_SECONDS));
        if starts {
            base.timers.set(Timer::CircuitClock, first);
        } else {
            base.timers.hasten(Timer::CircuitClock, first);
        }
    }

    pub fn link_down(&mut self, base: &mut Base, now: Now, assoc: AssocId) {
        let over: Vec<u64> = self
            .circuits
            .iter()
            .filter(|(_, c)| c.origin.assoc() == assoc)
            .map(|(number, _)| *number)
            .collect();
        over.into_iter()
            .for_each(|number| self.dead(base, now, number, WhyFailed::LinkDown));
    }

    fn remove(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.remove(&number) else {
            return;
        };
        circuit.origin.close(base);
        if let Load::Outbound(_) = circuit.load {
            (0..crate::wire::circuit::SPUR_SLOTS)
                .for_each(|slot| base.timers.clear(Timer::SpurBirth(number, slot)));
        }
        if circuit.duty == Duty::Utility && circuit.origin.is_ready() {
            self.utility.circuit_gone();
        }
        self.changed(base, now);
    }

    /// Where circuits of this duty end, or are about to; without those that have a successor.
    fn ends(&self, duty: Duty) -> Vec<NodeId> {
        let circuits = self.circuits.values();
        let circuits = circuits.filter(|c| c.duty == duty && c.age != Age::Retiring);
        circuits
            .filter_map(|circuit| circuit.origin.end_in_sight())
            .collect()
    }

    /// Where a circuit shall not end: of the two by which the person is reached one dead node shall not take both.
    fn other_ends(&self, number: u64) -> Vec<NodeId> {
        match self.circuits.get(&number).map(|circuit| circuit.duty) {
            Some(Duty::Inbound) => self.ends(Duty::Standby),
            Some(Duty::Standby) => self.ends(Duty::Inbound),
            _ => Vec::new(),
        }
    }

    /// Whether a circuit is less than it should be for want of hops or of their room: short, slow, or a standby that one death takes with the inbound one.
    fn is_poor(&self, base: &Base, circuit: &Circuit) -> bool {
        let origin = &circuit.origin;
        let shares_end = || {
            let end = origin.end().map(|peer| peer.node);
            circuit.duty == Duty::Standby
                && end.is_some_and(|end| self.ends(Duty::Inbound).contains(&end))
        };
        origin.hops() < origin.target().min(path::length_here(base))
            || circuit.is_slow(base)
            || shares_end()
    }

    /// A block from a guard on an own circuit.
    pub fn block(&mut self, base: &mut Base, now: Now, number: u64, block: &[u8; BLOCK]) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        if circuit.origin.is_ready() {
            if let Some(command) = circuit.origin.open(now, block) {
                self.command(base, now, number, &command);
            }
            return;
        }
        let other_ends = self.other_ends(number);
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let (pool, pins) = (&mut self.pool, &mut self.pins);
        let progress = circuit
            .origin
            .building(base, now, pool, pins, other_ends, block);
        self.progress(base, now, number, progress);
    }

    pub fn step_overdue(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let progress = circuit.origin.step_overdue(base, now, &mut self.pins);
        self.progress(base, now, number, progress);
    }

    fn progress(&mut self, base: &mut Base, now: Now, number: u64, progress: Progress) {
        match progress {
            Progress::Going => {}
            Progress::Failed => self.failed(base, now, number),
            Progress::Ready => self.ready(base, now, number),
        }
    }

    fn ready(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let silence = silence(&circuit.origin);
        if let Some(pace) = &circuit.origin.pace {
            base.timers.set(Timer::OriginTick(number), pace.next());
        }
        base.timers
            .set(Timer::OriginSilence(number), now.at.after_seconds(silence));
        let life = self.lives.exponential(LIFE_SECONDS).max(SHORTEST_LIFE);
        base.timers
            .set(Timer::OriginLife(number), now.at.after_seconds(life));
        if let Load::Outbound(spurs) = &mut circuit.load {
            for (slot, birth) in (0..).zip(spurs.births(now.at)) {
                base.timers.set(Timer::SpurBirth(number, slot), birth);
            }
        }
        let duty = circuit.duty;
        if self
            .circuits
            .get(&number)
            .is_some_and(|circuit| self.is_poor(base, circuit))
        {
            let times = self.poor.entry(duty).or_default();
            *times = times.saturating_add(1);
        } else {
            self.poor.remove(&duty);
        }
        self.failures.remove(&duty);
        self.at_guard.remove(&duty);
        self.changed(base, now);
    }

    fn command(&mut self, base: &mut Base, now: Now, number: u64, command: &[u8; END]) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        match &mut circuit.load {
            Load::Outbound(spurs) => match OutboundBack::decode(command) {
                Ok(OutboundBack::Returned { slot, spur, parcel }) => {
                    if let Some(contact) = spurs.contact(slot, &spur) {
                        base.person(PersonEvent::FromSpur { contact, parcel });
                    }
                }
                Ok(OutboundBack::SpurState { slot, key, up }) => {
                    spurs.state(slot, &key, up);
                    self.tell_spurs(base);
                }
                Ok(OutboundBack::Dummy) | Err(_) => {}
            },
            Load::Inbound(inbound) => match InboundBack::decode(command) {
                Ok(InboundBack::Established { cookie_key }) => {
                    if inbound.established.is_none() {
                        inbound.established = Some(cookie_key);
                        self.changed(base, now);
                    }
                }
                Ok(InboundBack::Arrived { spur, parcel }) => {
                    base.person(PersonEvent::Arrived {
                        handle: ReplyHandle {
                            circuit: number,
                            spur,
                        },
                        parcel,
                    });
                }
                Ok(InboundBack::Gone { spur }) => {
                    base.person(PersonEvent::HandleGone {
                        handle: ReplyHandle {
                            circuit: number,
                            spur,
                        },
                    });
                }
                Ok(InboundBack::Dummy) | Err(_) => {}
            },
            Load::Utility => {
                if let Ok(UtilityBack::QueryAnswer { asked, sealed }) = UtilityBack::decode(command)
                {
                    self.utility
                        .answer(now, base.lan, &mut self.pool, &asked, &sealed);
                    self.tell_utility(base);
                }
            }
        }
    }

    /// The hops of the own circuits are known, at least.
    fn fill_pool(&mut self) {
        let hops: Vec<Peer> = self
            .circuits
            .values()
            .filter(|c| c.serves())
            .flat_map(|c| c.origin.path())
            .collect();
        for peer in hops {
            self.pool.name(peer, peer.node);
        }
    }

    /// An own circuit's clock.
    pub fn tick(&mut self, base: &mut Base, now: Now, number: u64) {
        if self.pool.len() == 0 {
            self.fill_pool();
        }
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let Some(pace) = circuit.origin.pace.as_mut() else {
            return;
        };
        let due = pace.tick(now.at);
        let factor = pace.factor(now.at);
        base.timers.set(Timer::OriginTick(number), pace.next());
        if !due {
            return;
        }
        let gap = 1.0 / (circuit.origin.rates().back_rate() * factor);
        let cell = match &mut circuit.load {
            Load::Outbound(spurs) => {
                let dummy = spurs.dummy(&mut circuit.chaff);
                let real = spurs
                    .tell(now.at)
                    .or_else(|| spurs.next(&mut self.outbox, &self.wanted));
                real.unwrap_or(dummy).encode()
            }
            Load::Inbound(inbound) => inbound.next(&self.tokens).encode(),
            Load::Utility if circuit.age == Age::Retiring => UtilityForward::Dummy.encode(),
            Load::Utility => self
                .utility
                .next(now, base.lan, &mut self.pool, gap)
                .encode(),
        };
        let sent = circuit.origin.send(base, &cell);
        self.tell_utility(base);
        if !sent {
            self.dead(base, now, number, WhyFailed::Spent);
        }
    }

    pub fn spur_birth(&mut self, base: &mut Base, now: Now, number: u64, slot: u8) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        let Load::Outbound(spurs) = &mut circuit.load else {
            return;
        };
        let end = spurs.birth(now.at, slot, &self.pool, &self.wanted);
        base.timers.set(Timer::SpurBirth(number, slot), end);
        self.tell_spurs(base);
    }

    /// The guard says that an own circuit is gone.
    pub fn closed(&mut self, base: &mut Base, now: Now, number: u64) {
        let circuit = self.circuits.get(&number);
        if circuit.is_some_and(|circuit| circuit.origin.is_ready()) {
            self.dead(base, now, number, WhyFailed::Closed);
        } else {
            self.failed(base, now, number);
        }
    }

    pub fn want_spurs(&mut self, mut wanted: Vec<SpurTarget>) {
        wanted.truncate(MAX_WANTED);
        for circuit in self.circuits.values_mut() {
            if let Load::Outbound(spurs) = &mut circuit.load {
                spurs.show(&wanted);
            }
        }
        self.wanted = wanted;
    }

    /// False if the contact has no spur or its queue is full.
    pub fn send_spur(&mut self, contact: ContactTag, parcel: Box<[u8; PARCEL]>) -> bool {
        self.up.iter().any(|(of, _)| *of == contact) && self.outbox.push(contact, (), parcel)
    }

    /// False if the circuit is gone or the queue full.
    pub fn send_reply(&mut self, handle: ReplyHandle, parcel: Box<[u8; PARCEL]>) -> bool {
        match self
            .circuits
            .get_mut(&handle.circuit)
            .map(|circuit| &mut circuit.load)
        {
            Some(Load::Inbound(inbound)) => inbound.answer(handle.spur, parcel),
            _ => false,
        }
    }

    pub fn set_tokens(&mut self, tokens: &[[u8; 16]]) {
        self.tokens.replace(tokens, &mut self.filling);
    }

    pub fn approach(&mut self, now: Now, id: u64, key: [u8; 32]) {
        self.utility.approach(now, id, key);
    }

    pub fn fetch(&mut self, base: &mut Base, now: Now, id: u64, key: [u8; 32]) {
        self.utility.fetch(now, id, key);
        self.tell_utility(base);
    }

    pub fn publish(
        &mut self,
        base: &mut Base,
        now: Now,
        id: u64,
        key: [u8; 32],
        value: Box<[u8; crate::wire::size::VALUE]>,
    ) {
        self.utility.publish(now, id, key, value);
        self.tell_utility(base);
    }
}

fn silence(origin: &Origin) -> f64 {
    SILENCE_SECONDS.max(SILENCE_GAPS / origin.rates().back_rate())
}
