//! A switch in the place of the network: it knows who has which intro point, carries parcels with loss, copies, delay and reordering,
//! keeps published values, and lets time jump. People have simulated stores and can be killed.
#![allow(dead_code)]

use std::collections::BTreeMap;

use paratox::crypto::id::{AccountId, NodeId};
use paratox::crypto::keys::{AccountKey, CookieKey, NodeKey};
use paratox::crypto::random::Stream;
use paratox::messenger::memory::Memory;
use paratox::messenger::persistence::{Batch, Change, Persistence};
use paratox::messenger::view::{ChatEvent, ContactState, ContactView, Delivery, MessageView};
use paratox::messenger::{Command, CommandError, Messenger, MessengerOutput, Reply};
use paratox::node::person::{
    ContactTag, IntroPoint, NodeCommand, PersonEvent, ReplyHandle, SpurTarget,
};
use paratox::wire::time::{Moment, Now, UnixMs};

/// Some afternoon.
pub const START: u64 = 1_790_000_000_000;

pub struct Network {
    pub loss: f64,
    pub copies: f64,
    /// Seconds a parcel takes: least, and mean of what is added.
    pub delay: (f64, f64),
}

pub const CALM: Network = Network {
    loss: 0.0,
    copies: 0.0,
    delay: (0.3, 0.0),
};
pub const ROUGH: Network = Network {
    loss: 0.3,
    copies: 0.5,
    delay: (0.2, 0.6),
};

struct Spur {
    target: SpurTarget,
    /// None until it is up.
    up: Option<(usize, ReplyHandle)>,
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
    /// So many of the next parcels are lost.
    pub lose_next: u32,
    values: BTreeMap<[u8; 32], Box<[u8; 568]>>,
    queue: BTreeMap<(u64, u64), Due>,
    count: u64,
    random: Stream,
}

impl World {
    pub fn new(seed: u8, people: usize, network: Network) -> World {
        let mut world = World {
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
            lose_next: 0,
            values: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
            random: Stream::from_seed([seed; 32]),
        };
        for i in 0..people {
            world.join(
                Memory::new(),
                Some(["alice", "bob", "carol", "dave"][i % 4]),
            );
        }
        world
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
        });
        let person = self.people.len() - 1;
        self.announce(person);
        person
    }

    fn announce(&mut self, person: usize) {
        let event = PersonEvent::Intro {
            points: vec![self.people[person].intro],
        };
        self.later(1.0, person, event);
        self.drain(person);
    }

    /// The program of `person` dies; what it had in memory is gone, and its spurs and intro point with it.
    pub fn kill(&mut self, person: usize) -> Memory {
        let messenger = self.people[person].messenger.take().expect("alive");
        let node = self.people[person].intro.node;
        self.people[person].spurs.clear();
        for other in 0..self.people.len() {
            let gone: Vec<ContactTag> = self.people[other]
                .spurs
                .iter()
                .filter(|(_, spur)| spur.target.node == node && spur.up.is_some())
                .map(|(tag, _)| *tag)
                .collect();
            for contact in gone {
                if let Some(spur) = self.people[other].spurs.get_mut(&contact) {
                    spur.up = None;
                }
                self.later(1.0, other, PersonEvent::SpurDown { contact });
            }
        }
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

    fn record(&mut self, from: usize, parcel: Box<[u8; 400]>) {
        self.recorded.push((from, parcel));
        self.recorded_at.push(self.at);
    }

    fn owner(&self, node: &NodeId) -> Option<usize> {
        self.people
            .iter()
            .position(|p| p.messenger.is_some() && p.intro.node == *node)
    }

    fn carry(
        &mut self,
        from: usize,
        person: usize,
        event: impl Fn(Box<[u8; 400]>) -> PersonEvent,
        parcel: Box<[u8; 400]>,
    ) {
        self.record(from, parcel.clone());
        if self.watch_texts {
            let snapshot = self.store(from).load().expect("alive");
            let is_text = snapshot
                .outgoing
                .iter()
                .any(|row| row.parcel.as_slice() == &parcel[..]);
            if is_text && !self.texts.contains(&*parcel) {
                self.texts.push(*parcel);
            }
        }
        if self.lose_next > 0 {
            self.lose_next -= 1;
            return;
        }
        let copies = 1 + u32::from(self.random.unit() < self.network.copies);
        for _ in 0..copies {
            if self.random.unit() >= self.network.loss {
                let delay = self.network.delay.0 + self.random.exponential(self.network.delay.1);
                self.later(delay, person, event(parcel.clone()));
            }
        }
    }

    /// Carries out what the messenger of `person` wants.
    fn drain(&mut self, person: usize) {
        while let Some(output) = self.people[person]
            .messenger
            .as_mut()
            .and_then(Messenger::poll_output)
        {
            match output {
                MessengerOutput::Event(event) => self.people[person].events.push(event),
                MessengerOutput::Node(command) => self.node(person, command),
            }
        }
    }

    fn node(&mut self, person: usize, command: NodeCommand) {
        match command {
            NodeCommand::WantSpurs(targets) => {
                let mut spurs = std::mem::take(&mut self.people[person].spurs);
                let mut kept = BTreeMap::new();
                for target in targets.into_iter().take(4) {
                    match spurs.remove(&target.contact) {
                        Some(mut spur) if spur.target.node == target.node => {
                            spur.target = target;
                            kept.insert(target.contact, spur);
                        }
                        old => {
                            if old.is_some_and(|spur| spur.up.is_some()) {
                                self.later(
                                    0.1,
                                    person,
                                    PersonEvent::SpurDown {
                                        contact: target.contact,
                                    },
                                );
                            }
                            kept.insert(target.contact, Spur { target, up: None });
                            let run = self.people[person].run;
                            let contact = target.contact;
                            self.put(
                                1.0,
                                Due::SpurUp {
                                    person,
                                    run,
                                    contact,
                                },
                            );
                        }
                    }
                }
                for (contact, spur) in spurs {
                    if spur.up.is_some() {
                        self.later(0.1, person, PersonEvent::SpurDown { contact });
                    }
                }
                self.people[person].spurs = kept;
            }
            NodeCommand::SendSpur { contact, parcel } => {
                let Some(spur) = self.people[person].spurs.get(&contact) else {
                    self.later(0.0, person, PersonEvent::NotSent);
                    return;
                };
                let Some((owner, handle)) = spur.up else {
                    self.later(0.0, person, PersonEvent::NotSent);
                    return;
                };
                let credential = spur.target.credential;
                let known = credential == self.people[owner].intro.cookie
                    || self.people[owner].tokens.contains(&credential);
                if known && !self.refuse_credentials {
                    self.carry(
                        person,
                        owner,
                        |parcel| PersonEvent::Arrived { handle, parcel },
                        parcel,
                    );
                } else {
                    self.record(person, parcel);
                }
            }
            NodeCommand::SendReply { handle, parcel } => {
                let back = self.people.iter().enumerate().find_map(|(i, p)| {
                    p.spurs
                        .iter()
                        .find(|(_, spur)| spur.up == Some((person, handle)))
                        .map(|(tag, _)| (i, *tag))
                });
                match back {
                    Some((other, contact)) => self.carry(
                        person,
                        other,
                        |parcel| PersonEvent::FromSpur { contact, parcel },
                        parcel,
                    ),
                    None => self.record(person, parcel),
                }
            }
            NodeCommand::Fetch { id, key } => {
                self.fetches.push(key);
                let value = self.values.get(&key).cloned();
                self.later(2.0, person, PersonEvent::Fetched { id, value });
            }
            NodeCommand::Publish { id, key, value } => {
                self.values.insert(key, value);
                self.later(1.0, person, PersonEvent::Published { id, copies: 8 });
            }
            NodeCommand::Tokens(tokens) => self.people[person].tokens = tokens,
        }
    }

    fn next_timeout(&self) -> Option<(Moment, usize)> {
        self.people
            .iter()
            .enumerate()
            .filter_map(|(i, p)| {
                p.messenger
                    .as_ref()
                    .map(|m| (m.next_timeout(self.now()), i))
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
        let Some((_, due)) = self.queue.pop_first() else {
            return false;
        };
        match due {
            Due::Event { person, run, event } => {
                if self.people[person].run == run
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
                let Some(spur) = self.people[person].spurs.get(&contact) else {
                    return true;
                };
                if spur.up.is_some() {
                    return true;
                }
                let node = spur.target.node;
                let Some(owner) = self.owner(&node) else {
                    self.put(
                        5.0,
                        Due::SpurUp {
                            person,
                            run,
                            contact,
                        },
                    );
                    return true;
                };
                self.count += 1;
                let handle = ReplyHandle {
                    circuit: self.people[owner].run,
                    spur: self.count as u32,
                };
                if let Some(spur) = self.people[person].spurs.get_mut(&contact) {
                    spur.up = Some((owner, handle));
                }
                if let Some(messenger) = &mut self.people[person].messenger {
                    messenger.handle_node(now, PersonEvent::SpurUp { contact });
                }
                self.drain(person);
            }
        }
        true
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

    pub fn command(&mut self, person: usize, command: Command) -> Result<Reply, CommandError> {
        let now = self.now();
        let reply = self.people[person]
            .messenger
            .as_mut()
            .expect("alive")
            .command(now, command);
        self.drain(person);
        reply
    }

    pub fn id(&self, person: usize) -> String {
        self.people[person].id.to_string()
    }

    pub fn add(&mut self, person: usize, other: usize, text: &str) {
        let command = Command::Add {
            id: self.id(other),
            name: format!("friend {other}"),
            text: text.to_owned(),
        };
        self.command(person, command).expect("added");
    }

    pub fn accept(&mut self, person: usize, other: usize) {
        let id = self.id(other);
        self.command(person, Command::Accept { id })
            .expect("accepted");
    }

    pub fn send(&mut self, person: usize, other: usize, text: &str) -> u64 {
        let command = Command::Send {
            to: self.id(other),
            text: text.to_owned(),
            allow_no_fs: false,
        };
        match self.command(person, command) {
            Ok(Reply::Saved(number)) => number,
            other => panic!("not saved: {other:?}"),
        }
    }

    pub fn history(&mut self, person: usize, other: usize) -> Vec<MessageView> {
        let command = Command::Messages {
            with: self.id(other),
            before: None,
            limit: 1000,
        };
        match self.command(person, command) {
            Ok(Reply::Messages { messages, .. }) => messages,
            _ => Vec::new(),
        }
    }

    pub fn said(&mut self, person: usize, other: usize, mine: bool) -> Vec<String> {
        self.history(person, other)
            .into_iter()
            .filter(|m| m.mine == mine)
            .map(|m| m.text)
            .collect()
    }

    pub fn state(&mut self, person: usize, other: usize) -> Option<ContactState> {
        self.view(person, other).map(|view| view.state)
    }

    /// What the screen of `person` shows of `other`.
    pub fn view(&mut self, person: usize, other: usize) -> Option<ContactView> {
        let id = self.people[other].id;
        match self.command(person, Command::List) {
            Ok(Reply::Contacts(contacts)) => contacts.into_iter().find(|c| c.id == id),
            _ => None,
        }
    }

    /// Both know and have accepted each other; `a` asked.
    pub fn befriend(&mut self, a: usize, b: usize) {
        self.run(3.0);
        self.add(a, b, "");
        assert!(
            self.run_until(300.0, |w| w.state(b, a) == Some(ContactState::Asking)),
            "no request came"
        );
        self.accept(b, a);
        assert!(
            self.run_until(300.0, |w| w.state(a, b) == Some(ContactState::Accepted)),
            "no acceptance came"
        );
    }

    /// Whether every own message of `person` to `other` is delivered.
    pub fn all_delivered(&mut self, person: usize, other: usize) -> bool {
        self.history(person, other)
            .iter()
            .all(|m| !m.mine || m.delivery == Delivery::Delivered)
    }

    pub fn store(&mut self, person: usize) -> &mut Memory {
        self.people[person]
            .messenger
            .as_mut()
            .expect("alive")
            .store()
    }

    /// Whether the program of `person` runs: a store that died in a commit ends it.
    pub fn is_alive(&mut self, person: usize) -> bool {
        self.store(person).load().is_ok()
    }

    /// Every spur of `person` ends and is open again at once.
    pub fn renew_spurs(&mut self, person: usize) {
        let now = self.now();
        let place = &mut self.people[person];
        let up = place.spurs.iter().filter(|(_, spur)| spur.up.is_some());
        let contacts: Vec<ContactTag> = up.map(|(contact, _)| *contact).collect();
        for contact in contacts {
            if let Some(messenger) = &mut place.messenger {
                messenger.handle_node(now, PersonEvent::SpurDown { contact });
                messenger.handle_node(now, PersonEvent::SpurUp { contact });
            }
        }
        self.drain(person);
    }

    /// A parcel arrives at `person` along a spur of nobody.
    pub fn deliver(&mut self, person: usize, parcel: Box<[u8; 400]>) {
        let now = self.now();
        self.count += 1;
        let handle = ReplyHandle {
            circuit: 0,
            spur: self.count as u32,
        };
        if let Some(messenger) = &mut self.people[person].messenger {
            messenger.handle_node(now, PersonEvent::Arrived { handle, parcel });
        }
        self.drain(person);
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
