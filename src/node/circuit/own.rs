//! The circuits this node keeps for its person, whether the person chats or not.
//!
//! One outbound, one inbound, one standby inbound through the backup guard, one utility. They are built, replaced and rebuilt on the
//! circuit clock, through the guards that are heard; their cells leave on their own clocks. What the person wants only fills queues that those clocks empty. Not here:
//! how one circuit is built (`origin`) and what the queues hold (`spur`, `inbound`, `utility`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::base::Base;
use super::guards::Pins;
use super::inbound::{Inbound, Tokens};
use super::origin::{Leeway, Origin, Progress};
use super::path::{self, TINY};
use super::pool::Pool;
use super::spur::{Served, Spurs, parcel};
use super::timers::Timer;
use super::utility::Utility;
use crate::crypto::id::NodeId;
use crate::crypto::random::Stream;
use crate::node::link::AssocId;
use crate::node::person::{
    CircuitRow, ContactTag, IntroPoint, PersonEvent, ReplyHandle, SpurTarget, Way,
};
use crate::wire::circuit::{InboundBack, OutboundBack, UtilityBack, UtilityForward};
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::{BLOCK, END, PARCEL};
use crate::wire::time::{Moment, Now};

mod duty;
mod report;

pub(super) use duty::Duty;

/// Mean seconds between ticks of the circuit clock.
const CLOCK_SECONDS: f64 = 10.0;
/// While a circuit has never been up, so that a fresh start takes seconds; but not for ever.
const FIRST_CLOCK_SECONDS: f64 = 0.4;
const FIRST_TICKS: u32 = 150;
/// Mean seconds from the first link to the first tick.
const START_SECONDS: f64 = 0.2;
/// A circuit that is shorter than the network now asks for is replaced when it is so old, one at a tick: in a network that starts all at
/// once everybody's first circuits are short, and to build all of them twice in those seconds would take every guard's room.
const OUTGROWN_SECONDS: f64 = 60.0;
/// Mean life of a circuit in seconds, and its least.
const LIFE_SECONDS: f64 = 7200.0;
const SHORTEST_LIFE: f64 = 300.0;
/// A circuit is dead when its end was not heard for so many seconds and so many mean gaps.
const SILENCE_SECONDS: f64 = 15.0;
const SILENCE_GAPS: f64 = 12.0;
/// A circuit that dies sooner died young: a hop of it may let circuits be built and then drop their cells.
const YOUNG_SECONDS: f64 = 300.0;
/// Failed attempts in a row after which a circuit in a tiny network may be shorter than it should.
const SHORT_AFTER: u32 = 3;
/// And not in this node's first seconds: links and their certificates are only coming then, and attempts follow each other quickly.
const SHORT_SECONDS: f64 = 15.0;
/// Contacts that may want a spur; the rest is cut.
const MAX_WANTED: usize = 64;
/// Parcels that wait for the outbound clock, by contact; one more is refused.
const MAX_OUTBOX: usize = 16;

enum Load {
    Outbound(Box<Spurs>),
    Inbound(Inbound),
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
    /// The first attempt of the run.
    building_since: Option<Moment>,
    ever: BTreeSet<Duty>,
    /// Failed attempts in a row, and how many of them got no further than the guard.
    failures: BTreeMap<Duty, u32>,
    at_guard: BTreeMap<Duty, u32>,
    deaths: BTreeMap<Duty, Deaths>,
    rebuilt: BTreeMap<Duty, u32>,
    wanted: Vec<SpurTarget>,
    outbox: BTreeMap<ContactTag, VecDeque<Box<[u8; PARCEL]>>>,
    turn: ContactTag,
    /// What is served by spurs that are up.
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
            building_since: None,
            ever: BTreeSet::new(),
            failures: BTreeMap::new(),
            at_guard: BTreeMap::new(),
            deaths: BTreeMap::new(),
            rebuilt: BTreeMap::new(),
            wanted: Vec::new(),
            outbox: BTreeMap::new(),
            turn: ContactTag(0),
            up: BTreeSet::new(),
            points: Vec::new(),
            tokens: Tokens::none(),
            filling: base.own_random.fork("tokens", b""),
            utility: Utility::new(base.topology.fork("cover", b""), base.own_random.branch()),
        }
    }

    /// The first shaped link starts the circuit clock.
    pub fn link_up(&mut self, base: &mut Base, now: Now) {
        if self.ticks == 0 && !base.timers.is_set(Timer::CircuitClock) {
            let first = now.at.after_seconds(self.clock.exponential(START_SECONDS));
            base.timers.set(Timer::CircuitClock, first);
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
            .for_each(|number| self.dead(base, now, number));
    }

    /// A tick of the circuit clock: builds what is missing.
    pub fn clock_tick(&mut self, base: &mut Base, now: Now) {
        self.ticks = self.ticks.saturating_add(1);
        self.pins.refresh(base, now.at);
        self.leave_silent_guards(base, now);
        // A network that has grown since: the first nodes of one begin with circuits of one hop, and with whoever called them for a guard.
        let wanted = path::length_here(base);
        let pins = &self.pins;
        let outgrown = self.circuits.values_mut().find(|circuit| {
            let origin = &circuit.origin;
            circuit.serves()
                && circuit.age == Age::Serving
                && (origin.target() < wanted || !pins.holds(&origin.guard().node))
                && origin.born.after_seconds(OUTGROWN_SECONDS) <= now.at
        });
        if let Some(circuit) = outgrown {
            circuit.age = Age::Expired;
        }
        for duty in Duty::ALL {
            let has = |wanted: &dyn Fn(&Circuit) -> bool| {
                self.circuits.values().any(|c| c.duty == duty && wanted(c))
            };
            let building = has(&|c| !c.serves() && c.age == Age::Serving);
            if !building && !has(&|c| c.serves() && c.age == Age::Serving) {
                self.build(base, now, duty);
            }
        }
        let fresh = self.ticks < FIRST_TICKS
            && Duty::ALL.iter().any(|duty| {
                !self.ever.contains(duty)
                    && (*duty != Duty::Standby || self.pins.backup(base).is_some())
            });
        let mean = if fresh {
            FIRST_CLOCK_SECONDS
        } else {
            CLOCK_SECONDS
        };
        base.timers.set(
            Timer::CircuitClock,
            now.at.after_seconds(self.clock.exponential(mean)),
        );
    }

    /// Circuits over a guard that is silent, while another is heard: what is being built there has failed, what serves gets a successor and goes on
    /// if the guard comes back.
    fn leave_silent_guards(&mut self, base: &mut Base, now: Now) {
        let mut failed = Vec::new();
        for (number, circuit) in &mut self.circuits {
            if !self.pins.has_left(base, circuit.origin.assoc()) {
                continue;
            }
            if !circuit.serves() {
                failed.push(*number);
            } else if circuit.age == Age::Serving {
                circuit.age = Age::Expired;
            }
        }
        failed
            .into_iter()
            .for_each(|number| self.dead(base, now, number));
    }

    fn build(&mut self, base: &mut Base, now: Now, duty: Duty) {
        let count = |counts: &BTreeMap<Duty, u32>| counts.get(&duty).copied().unwrap_or(0);
        let failures = count(&self.failures);
        let at_guard = count(&self.at_guard);
        let deaths = self.deaths.get(&duty).copied().unwrap_or_default();
        let guard = match duty {
            Duty::Standby => self.pins.backup(base),
            _ if deaths.young % 4 >= 2 => self.pins.backup(base).or_else(|| self.pins.guard(base)),
            // The guard may have no room, or nobody behind it; both guards are pinned, so to take turns gives nothing away.
            _ if at_guard % 4 >= 2 || (failures - at_guard) % 6 >= 4 => {
                self.pins.backup(base).or_else(|| self.pins.guard(base))
            }
            Duty::Outbound | Duty::Inbound | Duty::Utility => self.pins.guard(base),
        };
        let Some(guard) = guard else { return };
        // Where later hops are slower than we are, every third try is at the rates that all of them have room for.
        let slow = failures % 3 == 2
            || base
                .links
                .get(&guard.0)
                .is_some_and(|link| link.rate < base.class.link_rate());
        let since = *self.building_since.get_or_insert(now.at);
        let patient = now.at >= since.after_seconds(SHORT_SECONDS);
        let may_be_short = base.nodes < TINY && failures >= SHORT_AFTER && patient;
        let factor = if slow {
            Class::Normal.circuit_factor()
        } else {
            base.class.circuit_factor()
        };
        // Unless there is no other.
        let avoids = deaths.young % 2 == 1 && failures < SHORT_AFTER;
        let number = self.next_number;
        let Some(origin) = Origin::start(
            base,
            now,
            number,
            guard,
            duty.channel(),
            duty.rates(factor),
            Leeway {
                may_be_short,
                avoided: deaths.behind.filter(|_| avoids),
            },
        ) else {
            return;
        };
        self.next_number += 1;
        let context = base.fork_context();
        let load = match duty {
            Duty::Outbound => {
                let clock = base.schedule.fork("spurs", &context);
                let crypto = base.own_random.branch();
                let back_rate = origin.rates().back_rate();
                Load::Outbound(Box::new(Spurs::new(base.class, &clock, back_rate, crypto)))
            }
            Duty::Inbound | Duty::Standby => Load::Inbound(Inbound::new(base.own_random.bytes())),
            Duty::Utility => Load::Utility,
        };
        let chaff = base.own_random.branch();
        self.circuits.insert(
            number,
            Circuit {
                origin,
                duty,
                load,
                age: Age::Serving,
                chaff,
            },
        );
    }

    /// A circuit failed or was found dead. The circuit clock builds another.
    fn dead(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        let duty = circuit.duty;
        if circuit.origin.is_ready() {
            if circuit.age != Age::Retiring {
                *self.rebuilt.entry(duty).or_default() += 1;
                let deaths = self.deaths.entry(duty).or_default();
                let young = now.at < circuit.origin.born.after_seconds(YOUNG_SECONDS);
                // A guard that is gone is left anyway, whatever lies behind it.
                if base.is_heard(circuit.origin.assoc()) {
                    deaths.young = if young { deaths.young + 1 } else { 0 };
                    deaths.behind = circuit.origin.path().get(1).map(|hop| hop.node);
                }
            }
        } else {
            *self.failures.entry(duty).or_default() += 1;
            *self.at_guard.entry(duty).or_default() += u32::from(circuit.origin.hops() == 0);
        }
        self.remove(base, now, number);
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
        let progress = circuit
            .origin
            .building(base, now, &mut self.pool, &mut self.pins, block);
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
            Progress::Failed => self.dead(base, now, number),
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
        self.failures.remove(&circuit.duty);
        self.at_guard.remove(&circuit.duty);
        self.changed(base, now);
    }

    /// Something about which circuits serve changed: successors take over, and the person hears of intro points and spurs.
    fn changed(&mut self, base: &mut Base, now: Now) {
        for duty in Duty::ALL {
            let newest = self
                .circuits
                .iter()
                .rev()
                .find(|(_, c)| c.duty == duty && c.serves())
                .map(|(number, _)| *number);
            let Some(newest) = newest else { continue };
            self.ever.insert(duty);
            for (number, circuit) in self.circuits.range_mut(..newest) {
                if circuit.duty == duty && circuit.age != Age::Retiring {
                    circuit.age = Age::Retiring;
                    base.timers.set(
                        Timer::OriginLife(*number),
                        now.at.after_seconds(duty.overlap()),
                    );
                }
            }
        }
        self.tell_spurs(base);
        self.tell_points(base);
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
    fn fill_pool(&mut self, base: &Base) {
        let hops: Vec<Peer> = self
            .circuits
            .values()
            .filter(|c| c.serves())
            .flat_map(|c| c.origin.path())
            .collect();
        for peer in hops {
            self.pool.name(peer, peer.node, base.lan);
        }
    }

    /// An own circuit's clock.
    pub fn tick(&mut self, base: &mut Base, now: Now, number: u64) {
        if self.pool.len() == 0 {
            self.fill_pool(base);
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
                    .or_else(|| parcel(&mut self.outbox, &mut self.turn, &self.wanted, spurs));
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
            self.dead(base, now, number);
        }
    }

    pub fn silence(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get(&number) else {
            return;
        };
        let until = circuit.origin.heard.after_seconds(silence(&circuit.origin));
        if until <= now.at {
            self.dead(base, now, number);
        } else {
            base.timers.set(Timer::OriginSilence(number), until);
        }
    }

    /// A circuit's life is over, or the time beside its successor.
    pub fn life_over(&mut self, base: &mut Base, now: Now, number: u64) {
        let Some(circuit) = self.circuits.get_mut(&number) else {
            return;
        };
        match circuit.age {
            Age::Serving => circuit.age = Age::Expired,
            Age::Expired => {}
            Age::Retiring => self.remove(base, now, number),
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
        self.dead(base, now, number);
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
        if !self.up.iter().any(|(of, _)| *of == contact) {
            return false;
        }
        let queue = self.outbox.entry(contact).or_default();
        let room = queue.len() < MAX_OUTBOX;
        if room {
            queue.push_back(parcel);
        }
        room
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
