//! A world of nodes, some with a person behind them, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::crypto::id::AccountId;
use crate::crypto::keys::EntryKey;
use crate::crypto::random::Stream;
use crate::messenger::memory::Memory;
use crate::messenger::view::ChatEvent;
use crate::messenger::{Messenger, MessengerOutput};
use crate::node::{Cause, Node, NodeConfig, NodeOutput, Shaping};
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use crate::wire::size::DATAGRAM;
use crate::wire::ticket::{EntrySecret, Ticket};
use crate::wire::time::{Moment, Now, UnixMs};

use super::diary::Diary;
use super::eve::{Eve, Sighting};
use super::replay::Inputs;
use super::wires::{WireConfig, Wires};

mod faults;
mod people;

/// Unix time at which every world begins: 2026-01-05 12:00:00 UTC, far from a change of day.
const BEGINNING: u64 = 1_767_614_400_000;
/// Events of a person kept for the test to read; the oldest go first.
const EVENTS: usize = 10_000;
/// Datagrams that a computer holds for a program that stands still, half a megabyte; the newest is lost.
const HELD: usize = 1024;

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    pub seed: u64,
    pub nodes: usize,
    /// Entry nodes: the first few.
    pub entries: usize,
    pub class: Class,
    /// All nodes have addresses of one home network, as on one computer.
    pub lan: bool,
    pub wires: WireConfig,
    /// Between one node's start and the next one's.
    pub stagger: Duration,
    /// Between the last entry node's start and the others'.
    pub head_start: Duration,
    pub shaping: Shaping,
    /// Sightings that Eve keeps.
    pub log: usize,
}

impl WorldConfig {
    pub fn new(seed: u64, nodes: usize) -> WorldConfig {
        WorldConfig {
            seed,
            nodes,
            entries: nodes.min(3),
            class: Class::Normal,
            lan: false,
            wires: WireConfig::default(),
            stagger: Duration::from_millis(100),
            head_start: Duration::ZERO,
            shaping: Shaping::On,
            log: 0,
        }
    }
}

enum Event {
    Start(u32),
    Datagram {
        source: SocketAddr,
        target: u32,
        cell: Box<[u8; DATAGRAM]>,
    },
    Wake(u32),
}

/// A node, and the person behind it if there is one.
struct Inhabitant {
    addr: SocketAddr,
    node: Option<Node>,
    person: Option<Person>,
    /// The earliest wake that is already in the queue.
    wake: Moment,
    /// Cells of this node vanish at the sender (a fault that a test plays).
    mute: bool,
    /// Nothing comes to this node or from it (another).
    cut: bool,
    /// Kept for a replay, if one was asked for.
    inputs: Option<Inputs>,
    /// The program stands still until then, and so many datagrams wait for it.
    stands_until: Moment,
    held: usize,
    /// How long it stood still: its clock did as well.
    stood: Duration,
    /// It goes on with the next thing that happens, and has not been told.
    resumes: bool,
}

struct Person {
    id: AccountId,
    /// None while the program does not run; then `disk` has what it left.
    messenger: Option<Messenger<Memory>>,
    disk: Option<Memory>,
    events: VecDeque<ChatEvent>,
    diary: Diary,
}

impl Inhabitant {
    fn messenger(&mut self) -> Option<&mut Messenger<Memory>> {
        self.person.as_mut()?.messenger.as_mut()
    }
}

impl Person {
    fn new(messenger: Messenger<Memory>) -> Person {
        Person {
            id: messenger.id(),
            messenger: Some(messenger),
            disk: None,
            events: VecDeque::new(),
            diary: Diary::default(),
        }
    }
}

/// The world. It ends when it is dropped.
pub struct World {
    config: WorldConfig,
    root: Stream,
    now: Moment,
    order: u64,
    queue: BinaryHeap<Reverse<(Moment, u64, usize)>>,
    slots: Vec<Option<Event>>,
    free: Vec<usize>,
    inhabitants: Vec<Inhabitant>,
    by_addr: BTreeMap<SocketAddr, u32>,
    wires: Wires,
    tickets: Vec<Ticket>,
    pub eve: Eve,
    pub lost: u64,
}

fn address_of(index: usize, lan: bool) -> SocketAddr {
    if lan {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9000 + index as u16);
    }
    // Public looking, one /16 each, so that every rule about networks is in force.
    let (a, b) = (20 + (index / 200) as u8, 1 + (index % 200) as u8);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, 7, 9)), 9000)
}

impl World {
    pub fn new(config: WorldConfig) -> World {
        let root = Stream::from_seed({
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&config.seed.to_be_bytes());
            seed
        });
        let mut world = World {
            config,
            now: Moment(0),
            order: 0,
            queue: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            inhabitants: Vec::new(),
            by_addr: BTreeMap::new(),
            wires: Wires::new(config.wires, root.fork("wires", b"")),
            tickets: Vec::new(),
            eve: Eve::new(config.log),
            lost: 0,
            root,
        };
        for index in 0..config.nodes {
            let addr = address_of(index, config.lan);
            world.by_addr.insert(addr, index as u32);
            world.inhabitants.push(Inhabitant {
                addr,
                node: None,
                person: None,
                wake: Moment::NEVER,
                mute: false,
                cut: false,
                inputs: None,
                stands_until: Moment(0),
                held: 0,
                stood: Duration::ZERO,
                resumes: false,
            });
            if index < config.entries {
                let key = world.entry_key(index);
                world
                    .tickets
                    .extend(Ticket::new(key.id(), EntrySecret::NONE, vec![addr]));
            }
            world.push(world.starts(index), Event::Start(index as u32));
        }
        world
    }

    /// When a node starts.
    pub fn starts(&self, index: usize) -> Moment {
        let late = index >= self.config.entries;
        let head_start = if late {
            self.config.head_start
        } else {
            Duration::ZERO
        };
        Moment(0) + self.config.stagger * index as u32 + head_start
    }

    fn entry_key(&self, index: usize) -> EntryKey {
        EntryKey::generate(&mut self.root.fork("entry", &(index as u32).to_be_bytes()))
    }

    pub fn now(&self) -> Now {
        self.moment(self.now)
    }

    /// The clocks of a node, which stand still while it does.
    pub fn now_at(&self, index: usize) -> Now {
        Now {
            at: self.now - self.inhabitants[index].stood,
            ..self.now()
        }
    }

    /// A moment as everybody in this world has it.
    pub(super) fn moment(&self, at: Moment) -> Now {
        Now {
            at,
            unix: UnixMs(BEGINNING + at.0 / 1000),
        }
    }

    /// Keeps what comes in at a node from its start on, for [`World::replay`].
    pub fn record(&mut self, index: usize) {
        self.inhabitants[index].inputs = Some(Inputs::default());
    }

    pub(super) fn recorded(&self, index: usize) -> &Inputs {
        let inputs = self.inhabitants[index].inputs.as_ref();
        inputs.expect("the test asked for it")
    }

    pub fn len(&self) -> usize {
        self.inhabitants.len()
    }

    pub fn is_empty(&self) -> bool {
        self.inhabitants.is_empty()
    }

    pub fn node(&self, index: usize) -> Option<&Node> {
        self.inhabitants[index].node.as_ref()
    }

    /// Which node of this world a peer is.
    pub fn index_of(&self, peer: Peer) -> Option<usize> {
        self.by_addr.get(&peer.addr).map(|i| *i as usize)
    }

    pub(super) fn index_at(&self, addr: SocketAddr) -> Option<u32> {
        self.by_addr.get(&addr).copied()
    }

    pub fn addr(&self, index: usize) -> SocketAddr {
        self.inhabitants[index].addr
    }

    fn push(&mut self, at: Moment, event: Event) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                self.slots.len() - 1
            }
        };
        self.order += 1;
        self.queue.push(Reverse((at, self.order, slot)));
    }

    /// Runs the world for `span` of its own time.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(Reverse((at, _, _))) = self.queue.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, slot))) = self.queue.pop() else {
                break;
            };
            self.now = self.now.max(at);
            let Some(event) = self.slots[slot].take() else {
                continue;
            };
            self.free.push(slot);
            self.happen(event);
        }
        self.now = end;
    }

    /// Runs until `done` says so, looking every `step`, for `limit` at most. Whether it was said.
    pub fn run_until(
        &mut self,
        limit: Duration,
        step: Duration,
        mut done: impl FnMut(&mut World) -> bool,
    ) -> bool {
        let end = self.now + limit;
        while self.now < end {
            if done(self) {
                return true;
            }
            self.run_for(step);
        }
        done(self)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(index) => {
                self.start_node(index);
                self.settle(index);
            }
            Event::Datagram {
                source,
                target,
                cell,
            } => {
                let inhabitant = &mut self.inhabitants[target as usize];
                if inhabitant.stands_until > self.now {
                    if inhabitant.held >= HELD {
                        self.lost += 1;
                        return;
                    }
                    inhabitant.held += 1;
                    let until = inhabitant.stands_until;
                    self.push(
                        until,
                        Event::Datagram {
                            source,
                            target,
                            cell,
                        },
                    );
                    return;
                }
                inhabitant.held = 0;
                self.resume(target);
                let now = self.now_at(target as usize);
                let inhabitant = &mut self.inhabitants[target as usize];
                if let Some(node) = &mut inhabitant.node {
                    if let Some(inputs) = &mut inhabitant.inputs {
                        inputs.takes(now.at, source, &cell);
                    }
                    node.handle_datagram(now, source, &cell[..]);
                    self.settle(target);
                }
            }
            Event::Wake(index) => {
                let inhabitant = &mut self.inhabitants[index as usize];
                if inhabitant.wake > self.now {
                    return; // An earlier wake has taken its place.
                }
                if inhabitant.stands_until > self.now {
                    let until = inhabitant.stands_until;
                    inhabitant.wake = until;
                    self.push(until, Event::Wake(index));
                    return;
                }
                inhabitant.wake = Moment::NEVER;
                self.resume(index);
                let now = self.now_at(index as usize);
                let inhabitant = &mut self.inhabitants[index as usize];
                if let Some(node) = &mut inhabitant.node
                    && node.next_timeout() <= now.at
                {
                    if let Some(inputs) = &mut inhabitant.inputs {
                        inputs.wakes(now.at);
                    }
                    node.handle_timeout(now);
                }
                if let Some(messenger) = inhabitant.messenger()
                    && messenger.next_timeout(now) <= now.at
                {
                    messenger.handle_timeout(now);
                }
                self.settle(index);
            }
        }
    }

    fn resume(&mut self, index: u32) {
        let now = self.now_at(index as usize);
        let inhabitant = &mut self.inhabitants[index as usize];
        if std::mem::take(&mut inhabitant.resumes)
            && let Some(node) = &mut inhabitant.node
        {
            node.stood_still(now);
        }
    }

    fn start_node(&mut self, index: u32) {
        let now = self.now;
        let node = self.make_node(index as usize, now);
        let inhabitant = &mut self.inhabitants[index as usize];
        inhabitant.node = Some(node);
        if let Some(inputs) = &mut inhabitant.inputs {
            inputs.starts(now);
        }
    }

    /// The node of this place as it is born at `at`.
    pub(super) fn make_node(&self, index: usize, at: Moment) -> Node {
        let config = NodeConfig {
            class: self.config.class,
            lan: self.config.lan,
            address: Some(self.inhabitants[index].addr),
            // The first node founds the ring; the others know the entry nodes that started before them.
            entries: self.tickets.iter().take(index).cloned().collect(),
            entry_key: (index < self.config.entries)
                .then(|| (self.entry_key(index), EntrySecret::NONE)),
            shaping: self.config.shaping,
        };
        let context = [(index as u32).to_be_bytes(), (at.0 as u32).to_be_bytes()].concat();
        let mut seed = [0; 32];
        self.root.fork("node", &context).fill(&mut seed);
        Node::new(config, &seed, self.moment(at))
    }

    /// Drains a node and its person until both are quiet, then books their next wake.
    fn settle(&mut self, index: u32) {
        let i = index as usize;
        let now = self.now_at(i);
        let stood = self.inhabitants[i].stood;
        loop {
            let mut quiet = true;
            while let Some(output) = self.inhabitants[i]
                .node
                .as_mut()
                .and_then(|n| n.poll_output())
            {
                quiet = false;
                match output {
                    NodeOutput::Transmit {
                        at,
                        to,
                        cell,
                        cause,
                    } => self.transmit(index, at.max(now.at) + stood, to, cell, cause),
                    NodeOutput::Person(event) => {
                        if let Some(person) = &mut self.inhabitants[i].person
                            && let Some(messenger) = &mut person.messenger
                        {
                            person.diary.event(now.at + stood, &event);
                            messenger.handle_node(now, event);
                        }
                    }
                }
            }
            let inhabitant = &mut self.inhabitants[i];
            if let Some(person) = &mut inhabitant.person {
                while let Some(output) = person.messenger.as_mut().and_then(Messenger::poll_output)
                {
                    quiet = false;
                    match output {
                        MessengerOutput::Node(command) => {
                            person.diary.command(now.at + stood, &command);
                            if let Some(node) = &mut inhabitant.node {
                                node.command(now, command);
                            }
                        }
                        MessengerOutput::Event(event) => {
                            if person.events.len() >= EVENTS {
                                person.events.pop_front();
                            }
                            person.events.push_back(event);
                        }
                    }
                }
            }
            if quiet {
                break;
            }
        }
        let inhabitant = &mut self.inhabitants[i];
        let node = inhabitant
            .node
            .as_ref()
            .map_or(Moment::NEVER, |n| n.next_timeout());
        let person = inhabitant
            .messenger()
            .map_or(Moment::NEVER, |messenger| messenger.next_timeout(now));
        let wake = node.min(person).max(now.at) + stood;
        if wake != Moment::NEVER && wake < inhabitant.wake {
            inhabitant.wake = wake;
            self.push(wake, Event::Wake(index));
        }
    }

    fn transmit(
        &mut self,
        source: u32,
        at: Moment,
        to: SocketAddr,
        cell: Box<[u8; DATAGRAM]>,
        cause: Cause,
    ) {
        let from = self.inhabitants[source as usize].addr;
        if self.inhabitants[source as usize].mute {
            return;
        }
        let Some(&target) = self.by_addr.get(&to) else {
            self.lost += 1;
            return;
        };
        if self.inhabitants[source as usize].cut || self.inhabitants[target as usize].cut {
            self.lost += 1;
            return;
        }
        self.eve.see(
            Sighting {
                at: at.0,
                source,
                target,
                length: cell.len() as u16,
                cause,
            },
            &cell[..],
        );
        match self.wires.carry(source, target, cause as u8) {
            Some(delay) => self.push(
                at + delay,
                Event::Datagram {
                    source: from,
                    target,
                    cell,
                },
            ),
            None => self.lost += 1,
        }
    }
}
