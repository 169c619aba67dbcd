//! A switch in the place of the network: it knows who has which intro point, carries parcels with loss, copies, delay and reordering,
//! keeps published values, and lets time jump. People have simulated stores and can be killed.
#![allow(dead_code)]

mod carry;
pub mod faults;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use paratox::crypto::id::NodeId;

use paratox::crypto::id::AccountId;
use paratox::crypto::keys::{AccountKey, CookieKey, NodeKey};
use paratox::crypto::random::Stream;
use paratox::messenger::Messenger;
use paratox::messenger::memory::Memory;
use paratox::messenger::persistence::{Batch, Change, Persistence};
use paratox::messenger::view::ChatEvent;
use paratox::node::person::{ContactTag, IntroPoint, PersonEvent, ReplyHandle, SpurTarget, Way};
use paratox::wire::time::{Moment, Now, UnixMs};

/// Some afternoon.
pub const START: u64 = 1_790_000_000_000;

#[derive(Clone, Copy)]
pub struct Network {
    pub loss: f64,
    pub copies: f64,
    /// Seconds a parcel takes: least, and mean of what is added.
    pub delay: (f64, f64),
    /// Cells a second that everybody's node says to send along its outbound circuit, by which people reckon how long an answer takes.
    pub rate: f64,
}

/// Of class `fast`.
pub const FAST: f64 = 3.0;

pub const CALM: Network = Network {
    loss: 0.0,
    copies: 0.0,
    delay: (0.3, 0.0),
    rate: FAST,
};
pub const ROUGH: Network = Network {
    loss: 0.3,
    copies: 0.5,
    delay: (0.2, 0.6),
    rate: FAST,
};

struct Spur {
    target: SpurTarget,
    /// None until it is up.
    up: Option<(usize, ReplyHandle)>,
    /// What takes its place at the next birth: the contact is to be found elsewhere now.
    next: Option<SpurTarget>,
    /// A birth is to come.
    awaited: bool,
    /// It looks open, and nothing passes: the circuit behind it is gone.
    dead: bool,
}

pub struct Person {
    pub messenger: Option<Messenger<Memory>>,
    pub id: AccountId,
    pub events: Vec<ChatEvent>,
    intro: IntroPoint,
    tokens: Vec<[u8; 16]>,
    spurs: BTreeMap<ContactTag, Spur>,
    /// Events of an earlier run are not for this one.
    run: u64,
    /// The program stands still until then: nothing reaches it, nothing wakes it, and what comes waits for it.
    stands_until: Moment,
    /// What it sends along its spurs vanishes; what it sends back along those of others.
    mute_spurs: bool,
    mute_handles: bool,
}

enum Due {
    Event {
        person: usize,
        run: u64,
        event: PersonEvent,
    },
    SpurUp {
        person: usize,
        run: u64,
        contact: ContactTag,
    },
    /// A spur that led nowhere has reached the end of its life.
    SpurOver {
        person: usize,
        run: u64,
        contact: ContactTag,
        handle: ReplyHandle,
    },
}

pub struct World {
    pub at: Moment,
    pub unix_start: u64,
    pub network: Network,
    pub people: Vec<Person>,
    /// Every parcel that was sent, lost or not.
    pub recorded: Vec<(usize, Box<[u8; 400]>)>,
    /// When each of them was.
    pub recorded_at: Vec<Moment>,
    /// Those among them that carried a text, if `watch_texts`: the sender's outbox knew them.
    pub texts: Vec<[u8; 400]>,
    pub watch_texts: bool,
    pub fetches: Vec<[u8; 32]>,
    /// Intro points know no token and no cookie.
    pub refuse_credentials: bool,
    /// Queues of spurs take nothing.
    pub full_spurs: bool,
    /// Own circuits that handles belong to are gone.
    pub dead_handles: bool,
    /// Parcels that were not sent.
    pub refused: u32,
    /// So many of the next parcels are lost.
    pub lose_next: u32,
    /// Mean seconds until a spur that is wanted is born, after the second that it needs to open.
    pub births: f64,
    /// Mean seconds that a spur whose other end is gone looks open; without, its end is told after a second.
    pub lingering: Option<f64>,
    /// Share of look-ups that find nothing although there is something.
    pub lost_fetches: f64,
    /// Intro points of circuits that are gone.
    abandoned: BTreeSet<NodeId>,
    values: BTreeMap<[u8; 32], Box<[u8; 568]>>,
    queue: BTreeMap<(u64, u64), Due>,
    count: u64,
    random: Stream,
}

impl World {
    pub fn new(seed: u8, people: usize, network: Network) -> World {
        let mut world = World::of(Stream::from_seed([seed; 32]), network);
        for i in 0..people {
            world.join(
                Memory::new(),
                Some(["alice", "bob", "carol", "dave"][i % 4]),
            );
        }
        world
    }

    /// A world without people whose chances are drawn from this stream.
    pub fn of(random: Stream, network: Network) -> World {
        World {
            at: Moment(1_000_000),
            unix_start: START,
            network,
            people: Vec::new(),
            recorded: Vec::new(),
            recorded_at: Vec::new(),
            texts: Vec::new(),
            watch_texts: false,
            fetches: Vec::new(),
            refuse_credentials: false,
            full_spurs: false,
            dead_handles: false,
            refused: 0,
            lose_next: 0,
            births: 0.0,
            lingering: None,
            lost_fetches: 0.0,
            abandoned: BTreeSet::new(),
            values: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
            random,
        }
    }

    pub fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: UnixMs(self.unix_start + self.at.0 / 1000),
        }
    }

    fn intro(&mut self) -> IntroPoint {
        self.count += 1;
        IntroPoint {
            node: NodeKey::generate(&mut self.random).id(),
            addr: ([10, 0, (self.count >> 8) as u8, self.count as u8], 4000).into(),
            cookie_key: *CookieKey::generate(&mut self.random).public(),
            cookie: self.random.bytes(),
        }
    }

    /// A new person, or (with a store that has one) an old one.
    pub fn join(&mut self, store: Memory, name: Option<&str>) -> usize {
        self.count += 1;
        let stream = self.random.fork("person", &self.count.to_be_bytes());
        let now = self.now();
        let messenger = match name {
            Some(name) => Messenger::create(store, name, stream, now),
            None => Messenger::open(store, stream, now),
        }
        .expect("a profile");
        self.place(messenger)
    }

    /// New people, all of whom have each other as accepted contacts from the start.
    pub fn join_knowing(&mut self, names: &[&str]) {
        let mut random = self.random.fork("keys", b"");
        let keys: Vec<AccountKey> = names
            .iter()
            .map(|_| AccountKey::generate(&mut random))
            .collect();
        let contacts: Vec<(AccountId, &str)> = keys
            .iter()
            .map(AccountKey::id)
            .zip(names.iter().copied())
            .collect();
        for (key, name) in keys.into_iter().zip(names) {
            self.join_with(key, name, &contacts);
        }
    }

    /// A new person whose key is known before, with accepted contacts.
    pub fn join_with(
        &mut self,
        key: AccountKey,
        name: &str,
        contacts: &[(AccountId, &str)],
    ) -> usize {
        self.count += 1;
        let stream = self.random.fork("person", &self.count.to_be_bytes());
        let now = self.now();
        let messenger = Messenger::create_knowing(Memory::new(), key, name, contacts, stream, now)
            .expect("a profile");
        self.place(messenger)
    }

    fn place(&mut self, messenger: Messenger<Memory>) -> usize {
        let intro = self.intro();
        let id = messenger.id();
        self.people.push(Person {
            messenger: Some(messenger),
            id,
            events: Vec::new(),
            intro,
            tokens: Vec::new(),
            spurs: BTreeMap::new(),
            run: self.count,
            stands_until: Moment(0),
            mute_spurs: false,
            mute_handles: false,
        });
        let person = self.people.len() - 1;
        self.announce(person);
        person
    }

    fn announce(&mut self, person: usize) {
        let event = PersonEvent::Intro {
            points: vec![self.people[person].intro],
        };
        let rate = self.network.rate;
        self.later(0.5, person, PersonEvent::Outbound { rate });
        self.later(1.0, person, event);
        self.drain(person);
    }

    /// The program of `person` dies; what it had in memory is gone, and its spurs and intro point with it.
    pub fn kill(&mut self, person: usize) -> Memory {
        let messenger = self.people[person].messenger.take().expect("alive");
        self.people[person].spurs.clear();
        self.people[person].stands_until = Moment(0);
        self.abandon_intro(person);
        messenger.into_store()
    }

    pub fn start(&mut self, person: usize, store: Memory) {
        self.count += 1;
        let stream = self.random.fork("person", &self.count.to_be_bytes());
        let messenger = Messenger::open(store, stream, self.now()).expect("a profile");
        let intro = self.intro();
        let place = &mut self.people[person];
        place.messenger = Some(messenger);
        place.intro = intro;
        place.tokens.clear();
        place.run = self.count;
        self.announce(person);
    }

    pub fn restart(&mut self, person: usize, survived: bool) {
        let store = self.kill(person).crash(survived);
        self.start(person, store);
    }

    fn later(&mut self, seconds: f64, person: usize, event: PersonEvent) {
        let run = self.people[person].run;
        self.put(seconds, Due::Event { person, run, event });
    }

    fn put(&mut self, seconds: f64, due: Due) {
        self.count += 1;
        self.queue
            .insert((self.at.after_seconds(seconds).0, self.count), due);
    }

    fn refuse(&mut self, person: usize, way: Way, parcel: Box<[u8; 400]>) {
        self.refused += 1;
        self.later(0.0, person, PersonEvent::NotSent { way, parcel });
    }

    fn record(&mut self, from: usize, parcel: Box<[u8; 400]>) {
        self.recorded.push((from, parcel));
        self.recorded_at.push(self.at);
    }

    fn next_timeout(&self) -> Option<(Moment, usize)> {
        self.people
            .iter()
            .enumerate()
            .filter_map(|(i, p)| {
                p.messenger
                    .as_ref()
                    .map(|m| (m.next_timeout(self.now()).max(p.stands_until), i))
            })
            .min()
    }

    /// One thing happens; false if nothing does before `until`.
    pub fn step(&mut self, until: Moment) -> bool {
        let queued = self
            .queue
            .keys()
            .next()
            .map_or(Moment::NEVER, |(at, _)| Moment(*at));
        let (timer, person) = self.next_timeout().unwrap_or((Moment::NEVER, 0));
        let next = queued.min(timer);
        if next > until {
            self.at = until;
            return false;
        }
        self.at = self.at.max(next);
        let now = self.now();
        if timer < queued {
            if let Some(messenger) = &mut self.people[person].messenger {
                messenger.handle_timeout(now);
            }
            self.drain(person);
            return true;
        }
        let Some(((_, order), due)) = self.queue.pop_first() else {
            return false;
        };
        let (Due::Event { person, .. } | Due::SpurUp { person, .. } | Due::SpurOver { person, .. }) =
            &due;
        let until = self.people[*person].stands_until;
        if until > self.at {
            self.queue.insert((until.0, order), due);
            return true;
        }
        match due {
            Due::Event { person, run, event } => {
                if self.people[person].run == run
                    && !self.is_overtaken(person, &event)
                    && let Some(messenger) = &mut self.people[person].messenger
                {
                    messenger.handle_node(now, event);
                    self.drain(person);
                }
            }
            Due::SpurUp {
                person,
                run,
                contact,
            } => {
                if self.people[person].run != run || self.people[person].messenger.is_none() {
                    return true;
                }
                let Some(spur) = self.people[person].spurs.get_mut(&contact) else {
                    return true;
                };
                spur.awaited = false;
                if let Some(next) = spur.next.take() {
                    spur.target = next;
                    spur.up = None;
                }
                if spur.up.is_some() {
                    return true;
                }
                let node = spur.target.node;
                let owner = self.owner(&node);
                if owner.is_none() && !self.abandoned.contains(&node) {
                    if let Some(spur) = self.people[person].spurs.get_mut(&contact) {
                        spur.awaited = true;
                    }
                    self.put(
                        5.0,
                        Due::SpurUp {
                            person,
                            run,
                            contact,
                        },
                    );
                    return true;
                }
                self.count += 1;
                let handle = ReplyHandle {
                    circuit: owner.map_or(0, |owner| self.people[owner].run),
                    spur: self.count as u32,
                };
                if let Some(spur) = self.people[person].spurs.get_mut(&contact) {
                    spur.up = Some((owner.unwrap_or(usize::MAX), handle));
                    spur.dead = owner.is_none();
                }
                if owner.is_none() {
                    self.linger(person, contact, handle);
                }
                if let Some(messenger) = &mut self.people[person].messenger {
                    messenger.handle_node(now, PersonEvent::SpurUp { contact });
                }
                self.drain(person);
            }
            Due::SpurOver {
                person,
                run,
                contact,
                handle,
            } => self.spur_over(person, run, contact, handle),
        }
        true
    }

    /// Word of an intro point that was lost again before it was told: a node tells of those that it has.
    fn is_overtaken(&self, person: usize, event: &PersonEvent) -> bool {
        let present = self.people[person].intro.node;
        matches!(event, PersonEvent::Intro { points } if points.iter().all(|p| p.node != present))
    }

    pub fn run(&mut self, seconds: f64) {
        let until = self.at.after_seconds(seconds);
        let mut steps = 0u64;
        while self.step(until) {
            steps += 1;
            assert!(steps < 2_000_000, "the clock does not advance");
        }
    }

    /// Runs until `done`, at most `seconds`; whether it came to that.
    pub fn run_until(&mut self, seconds: f64, mut done: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.at.after_seconds(seconds);
        let mut steps = 0u64;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                return done(self);
            }
            steps += 1;
            assert!(steps < 2_000_000, "the clock does not advance");
        }
    }
}

/// A second disk with the same contents, as a backup would have them.
pub fn copy(store: &mut Memory) -> Memory {
    let snapshot = store.load().expect("readable");
    let mut batch = Batch::new();
    batch
        .changes
        .extend(snapshot.profile.map(Change::PutProfile));
    for row in &snapshot.contacts {
        batch.push(Change::PutContact(row.clone()));
        for message in store.messages(&row.account, None, 1000).expect("readable") {
            batch.push(Change::PutMessage(message));
        }
    }
    batch
        .changes
        .extend(snapshot.sessions.into_iter().map(Change::PutSession));
    batch
        .changes
        .extend(snapshot.outgoing.into_iter().map(Change::PutOutgoing));
    batch
        .changes
        .extend(snapshot.incoming.into_iter().map(Change::PutIncomingPart));
    batch.changes.extend(
        snapshot
            .meta
            .into_iter()
            .map(|(key, value)| Change::PutMeta { key, value }),
    );
    let mut copy = Memory::new();
    copy.commit(batch).expect("an empty disk takes it");
    copy
}
