//! Circuits over real links and a real ring, in virtual time: what a person sends arrives, and what nobody may learn stays unlearnt.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use paratox::crypto::blind::BlindedSigner;
use paratox::crypto::id::NodeId;
use paratox::crypto::keys::{CookieKey, NodeKey};
use paratox::crypto::random::{Stream, Streams};
use paratox::node::circuit::{CircuitConfig, CircuitOutput, CircuitStreams, Circuits, Guard, View};
use paratox::node::dht::{Dht, DhtConfig, DhtOutput, Timing};
use paratox::node::link::{AssocId, BodyKind, LinkConfig, LinkOutput, Links, Purpose};
use paratox::node::person::{ContactTag, IntroPoint, PersonEvent, ReplyHandle, SpurTarget};
use paratox::wire::class::Class;
use paratox::wire::descriptor;
use paratox::wire::peer::Peer;
use paratox::wire::size::{BODY, PARCEL, VALUE};
use paratox::wire::time::{Moment, Now, UnixMs};

const ONE_WAY: Duration = Duration::from_millis(20);
const RING_SECONDS: f64 = 10.0;
const START_UNIX: u64 = 1_800_000_000_000;

struct Node {
    peer: Peer,
    links: Links,
    dht: Dht,
    circuits: Circuits,
    up: BTreeMap<AssocId, Peer>,
    events: Vec<(Moment, PersonEvent)>,
    alive: bool,
    /// Circuit bodies this node gave to its links, if they are kept.
    sent: Vec<[u8; BODY]>,
    keep: bool,
    /// Gives each circuit body to its circuits twice, as a hostile node before it could.
    doubled: bool,
    /// Has links, but is no member of the ring and is named by nobody: only a person's node.
    leaf: bool,
    /// Its datagrams: when, where to.
    log: Vec<(Moment, SocketAddr)>,
}

/// To, from, bytes.
type Datagram = (SocketAddr, SocketAddr, Box<[u8; 512]>);

struct World {
    nodes: Vec<Node>,
    /// Datagrams under way, by arrival.
    wire: BTreeMap<(Moment, u64), Datagram>,
    sequence: u64,
    at: Moment,
    view_at: Moment,
}

fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + n as u16))
}

impl World {
    /// `count` nodes in a ring with chords: node n dials n+1, n+2 and n+5.
    fn new(count: usize, class: Class, seed: u8, leaves: &[usize]) -> World {
        let mut nodes = Vec::new();
        for n in 0..count {
            let mut bytes = [seed; 32];
            bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let streams = Streams::from_seed(bytes);
            let key = Arc::new(NodeKey::generate(&mut streams.crypto.fork("node", b"")));
            let cookie = CookieKey::generate(&mut streams.crypto.fork("cookie", b""));
            let links = Links::new(
                LinkConfig {
                    class,
                    lan: true,
                    entry: None,
                    shaping: paratox::node::Shaping::On,
                },
                key.clone(),
                &streams.schedule,
                &streams.crypto,
            );
            let dht = Dht::new(
                DhtConfig {
                    lan: true,
                    timing: Timing::default(),
                },
                key.clone(),
                &streams,
            );
            let circuits = Circuits::new(
                CircuitConfig { class, lan: true },
                key.clone(),
                cookie,
                CircuitStreams::of(&streams),
            );
            nodes.push(Node {
                peer: Peer {
                    node: key.id(),
                    addr: addr(n),
                },
                links,
                dht,
                circuits,
                up: BTreeMap::new(),
                events: Vec::new(),
                alive: true,
                sent: Vec::new(),
                keep: false,
                doubled: false,
                leaf: leaves.contains(&n),
                log: Vec::new(),
            });
        }
        let mut world = World {
            nodes,
            wire: BTreeMap::new(),
            sequence: 0,
            at: Moment(0),
            view_at: Moment(0),
        };
        let now = world.now();
        let first = (0..count)
            .find(|n| !leaves.contains(n))
            .expect("a node of the ring");
        for n in (first..count).filter(|n| !leaves.contains(n)) {
            let entries = if n == first {
                vec![]
            } else {
                vec![world.nodes[first].peer]
            };
            world.nodes[n].dht.set_address(now, addr(n));
            world.nodes[n].dht.start(now, &entries);
            world.pump(n);
        }
        // Links are chosen by the ring, so the ring comes first.
        world.run(RING_SECONDS);
        let now = world.now();
        for n in 0..count {
            let mut targets = BTreeSet::new();
            for step in [1, 2, 5] {
                let other = (n + step) % count;
                let far = (other + count - n) % count;
                // Each pair once.
                if other != n && far * 2 <= count && !(far * 2 == count && n > other) {
                    targets.insert(other);
                }
            }
            for other in targets {
                let target = world.nodes[other].peer;
                world.nodes[n].links.dial(now, target.into(), Purpose::Link);
            }
            world.pump(n);
        }
        world
    }

    fn now(&self) -> Now {
        Now {
            at: self.at,
            unix: UnixMs(START_UNIX + self.at.0 / 1000),
        }
    }

    fn view(&mut self) {
        let nodes = self
            .nodes
            .iter()
            .map(|node| node.dht.estimate())
            .max()
            .unwrap_or(1);
        let leaves: BTreeSet<NodeId> = self
            .nodes
            .iter()
            .filter(|n| n.leaf)
            .map(|n| n.peer.node)
            .collect();
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            let guards = node
                .up
                .iter()
                // A person's node is nobody's guard.
                .filter(|(_, peer)| !leaves.contains(&peer.node))
                .map(|(assoc, peer)| Guard {
                    assoc: *assoc,
                    peer: *peer,
                    certificate: node.links.certificate(*assoc),
                    rate: node
                        .links
                        .info(self.at)
                        .iter()
                        .find(|i| i.assoc == *assoc)
                        .map_or(0.0, |i| i.rate),
                })
                .collect();
            node.circuits.set_view(View {
                guards,
                nodes: if node.leaf {
                    nodes
                } else {
                    node.dht.estimate()
                },
            });
        }
    }

    /// Takes everything out of a node and to where it belongs.
    fn pump(&mut self, n: usize) {
        let now = self.now();
        let node = &mut self.nodes[n];
        loop {
            let mut idle = true;
            while let Some(output) = node.links.poll_output() {
                idle = false;
                match output {
                    LinkOutput::Transmit { at, to, cell, .. } => {
                        if node.alive {
                            self.sequence += 1;
                            node.log.push((at.max(now.at), to));
                            self.wire.insert(
                                (at.max(now.at) + ONE_WAY, self.sequence),
                                (to, node.peer.addr, cell),
                            );
                        }
                    }
                    LinkOutput::Up {
                        assoc,
                        peer,
                        purpose,
                        dialled,
                        ..
                    } => {
                        if purpose == Purpose::Link {
                            node.up.insert(assoc, peer);
                        }
                        node.circuits
                            .handle_link_up(now, assoc, peer, purpose, dialled);
                    }
                    LinkOutput::Down { assoc, .. } => {
                        node.up.remove(&assoc);
                        node.circuits.handle_link_down(now, assoc);
                    }
                    LinkOutput::DialFailed { assoc, .. } => {
                        node.circuits.handle_link_down(now, assoc)
                    }
                    LinkOutput::Body { assoc, kind, body } => {
                        for _ in 0..if node.doubled { 2 } else { 1 } {
                            node.circuits.handle_body(now, assoc, kind, &body);
                        }
                    }
                    LinkOutput::Contact { peer, body, .. } => {
                        if body[0] >= 0x40 {
                            node.circuits.handle_contact(peer, &body);
                        } else {
                            node.dht.handle_message(now, peer, &body);
                        }
                    }
                }
            }
            while let Some(output) = node.circuits.poll_output() {
                idle = false;
                match output {
                    CircuitOutput::Send {
                        assoc,
                        kind,
                        lane,
                        body,
                    } => {
                        if node.keep && kind == BodyKind::Circuit {
                            node.sent.push(*body);
                        }
                        let _ = match kind {
                            BodyKind::Circuit => node.links.send(assoc, lane, &body),
                            BodyKind::Control => node.links.send_control(assoc, &body),
                        };
                    }
                    CircuitOutput::Contact { to, body } => {
                        let _ = node.links.send_contact(now, Purpose::Errand, to, &body);
                    }
                    CircuitOutput::DialSpur { handle, peer } => {
                        let assoc = node.links.dial(now, peer.into(), Purpose::Spur);
                        node.circuits.spur_dialling(handle, assoc);
                    }
                    CircuitOutput::CloseSpur { assoc } => node.links.close(now, assoc),
                    CircuitOutput::Ask { token, request } => {
                        let answer = node.dht.answer(now, &request);
                        node.circuits.answered(token, &answer);
                    }
                    CircuitOutput::Person(event) => node.events.push((now.at, event)),
                }
            }
            while let Some(output) = node.dht.poll_output() {
                idle = false;
                if let DhtOutput::Send { to, body } = output {
                    let _ = node.links.send_contact(now, Purpose::Contact, to, &body);
                }
            }
            if idle {
                break;
            }
        }
    }

    fn next(&self) -> Moment {
        let timers = self.nodes.iter().filter(|node| node.alive).map(|node| {
            node.links
                .next_timeout()
                .min(node.dht.next_timeout())
                .min(node.circuits.next_timeout())
        });
        timers
            .chain(self.wire.keys().next().map(|(at, _)| *at))
            .min()
            .unwrap_or(Moment::NEVER)
    }

    fn step(&mut self) {
        self.at = self.next().max(self.at);
        if self.at >= self.view_at {
            self.view_at = self.at.after_seconds(0.2);
            self.view();
        }
        let now = self.now();
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.at
        {
            let (to, from, cell) = entry.remove();
            let Some(n) = self
                .nodes
                .iter()
                .position(|node| node.peer.addr == to && node.alive)
            else {
                continue;
            };
            self.nodes[n].links.handle_datagram(now, from, &cell[..]);
            self.pump(n);
        }
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            if !node.alive {
                continue;
            }
            let mut due = false;
            if node.links.next_timeout() <= now.at {
                node.links.handle_timeout(now);
                due = true;
            }
            if node.dht.next_timeout() <= now.at {
                node.dht.handle_timeout(now);
                due = true;
            }
            if node.circuits.next_timeout() <= now.at {
                node.circuits.handle_timeout(now);
                due = true;
            }
            if due {
                self.pump(n);
            }
        }
    }

    fn run(&mut self, seconds: f64) {
        let until = self.at.after_seconds(seconds);
        while self.next() < until {
            self.step();
        }
        self.at = until;
    }

    /// Runs until `done`, at most so many seconds. Gives the seconds it took.
    fn until(&mut self, seconds: f64, what: &str, done: impl Fn(&World) -> bool) -> f64 {
        let (start, until) = (self.at, self.at.after_seconds(seconds));
        while !done(self) {
            assert!(
                self.next() < until,
                "{what}: not within {seconds} s\n{}",
                self.report()
            );
            self.step();
        }
        self.at.since(start).as_secs_f64()
    }

    fn report(&self) -> String {
        let rows = self.nodes.iter().enumerate().map(|(n, node)| {
            format!(
                "{n}: est {} {:?} {:?}",
                node.dht.estimate(),
                node.circuits
                    .rows(self.at)
                    .iter()
                    .map(|r| (r.role, r.state, r.hops))
                    .collect::<Vec<_>>(),
                node.circuits.counters()
            )
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    fn points(&self, n: usize) -> Vec<IntroPoint> {
        self.nodes[n]
            .events
            .iter()
            .rev()
            .find_map(|(_, event)| match event {
                PersonEvent::Intro { points } => Some(points.clone()),
                _ => None,
            })
            .unwrap_or_default()
    }

    fn arrived(&self, n: usize) -> Vec<(ReplyHandle, Box<[u8; PARCEL]>)> {
        let arrived = |(_, event): &(Moment, PersonEvent)| match event {
            PersonEvent::Arrived { handle, parcel } => Some((*handle, parcel.clone())),
            _ => None,
        };
        self.nodes[n].events.iter().filter_map(arrived).collect()
    }

    fn path(&self, n: usize, role: &str) -> Option<Vec<Peer>> {
        self.nodes[n]
            .circuits
            .paths()
            .into_iter()
            .find(|(r, _)| *r == role)
            .map(|(_, path)| path)
    }

    fn index(&self, node: &NodeId) -> usize {
        self.nodes
            .iter()
            .position(|n| n.peer.node == *node)
            .expect("a node of this world")
    }

    fn target(&self, contact: u64, n: usize, point: usize) -> SpurTarget {
        let point = self.points(n)[point];
        SpurTarget {
            contact: ContactTag(contact),
            node: point.node,
            addr: point.addr,
            cookie_key: point.cookie_key,
            credential: point.cookie,
        }
    }

    fn has_spur(&self, n: usize, contact: u64) -> bool {
        let last = self.nodes[n]
            .events
            .iter()
            .rev()
            .find_map(|(_, event)| match event {
                PersonEvent::SpurUp { contact: c } if c.0 == contact => Some(true),
                PersonEvent::SpurDown { contact: c } if c.0 == contact => Some(false),
                _ => None,
            });
        last.unwrap_or(false)
    }

    fn online(&self) -> bool {
        self.nodes
            .iter()
            .filter(|node| node.alive)
            .all(|node| node.circuits.online())
    }
}

fn value(seed: u8) -> ([u8; 32], Box<[u8; VALUE]>) {
    let mut random = Stream::from_seed([seed; 32]);
    let signer = BlindedSigner::throwaway(&mut random);
    let mut value: Box<[u8; VALUE]> = Box::new(random.bytes());
    value[0] = descriptor::VERSION;
    value[1..5].copy_from_slice(&UnixMs(START_UNIX).day().to_be_bytes());
    value[5..38].copy_from_slice(signer.id().bytes());
    value[38..46].copy_from_slice(&7u64.to_be_bytes());
    let signature = signer.sign(&value[..descriptor::SIGNED]);
    value[descriptor::SIGNED..].copy_from_slice(&signature.0);
    (descriptor::place(&signer.id()).0, value)
}

const ALICE: usize = 0;
const BOB: usize = 7;

/// Alice reaches Bob by a spur; he answers by its handle.
fn parcels_both_ways(world: &mut World) -> (f64, f64) {
    let target = world.target(1, BOB, 0);
    world.nodes[ALICE].circuits.want_spurs(vec![target]);
    let reached = world.until(120.0, "a spur to Bob", |w| w.has_spur(ALICE, 1));
    eprintln!("spur after {reached:.1} s");
    // A circuit may lose a parcel with a spur that ends; whoever misses an answer sends another one.
    let begin = world.at;
    let answered = |w: &World| {
        w.nodes[ALICE].events.iter().any(|(_, event)| {
            matches!(
                event,
                PersonEvent::FromSpur {
                    contact: ContactTag(1),
                    ..
                }
            )
        })
    };
    let mut there = None;
    for round in 0..8 {
        let had = world.arrived(BOB).len();
        let sent = Box::new([0xa0 + round; PARCEL]);
        world.nodes[ALICE].circuits.send_spur(ContactTag(1), sent);
        let until = world.at.after_seconds(8.0);
        while world.next() < until && world.arrived(BOB).len() == had {
            world.step();
        }
        if let Some((handle, _)) = world.arrived(BOB).get(had) {
            there.get_or_insert(world.at.since(begin).as_secs_f64());
            world.nodes[BOB]
                .circuits
                .send_reply(*handle, Box::new([0xb0 + round; PARCEL]));
        }
        while world.next() < until.after_seconds(4.0) && !answered(world) {
            world.step();
        }
        if answered(world) {
            break;
        }
    }
    assert!(answered(world), "one of eight answers");
    (
        there.expect("it was answered"),
        world.at.since(begin).as_secs_f64(),
    )
}

#[test]
fn parcels_go_both_ways_and_no_hop_ties_alice_to_bob() {
    let mut world = World::new(14, Class::Fast, 1, &[ALICE, BOB]);
    world.nodes[ALICE].keep = true;
    let online = world.until(60.0, "everybody online", World::online);
    eprintln!("online after {online:.1} s");
    for n in 0..world.nodes.len() {
        let path = world.path(n, "outbound").expect("online");
        assert_eq!(path.len(), 3, "{}", world.report());
        let mut distinct: BTreeSet<NodeId> = path.iter().map(|hop| hop.node).collect();
        distinct.insert(world.nodes[n].peer.node);
        assert_eq!(distinct.len(), 4, "no node twice, never oneself");
    }
    let (there, back) = parcels_both_ways(&mut world);
    eprintln!("there {there:.2} s, there and back {back:.2} s");

    // Alice and Bob relay for nobody here, so every trace of them in a relay's state is of their own circuits.
    let (alice, bob) = (world.nodes[ALICE].peer.addr, world.nodes[BOB].peer.addr);
    let mut knows = [BTreeSet::new(), BTreeSet::new()];
    for (n, node) in world.nodes.iter().enumerate() {
        for addresses in node.circuits.relayed_addresses() {
            for (person, address) in [alice, bob].iter().enumerate() {
                if addresses.contains(address) {
                    knows[person].insert(n);
                    assert!(
                        addresses.len() <= 2,
                        "node {n} knows a person and more than the hop after"
                    );
                }
            }
            assert!(
                !(addresses.contains(&alice) && addresses.contains(&bob)),
                "node {n} ties Alice to Bob"
            );
        }
    }
    for (person, n) in [(0, ALICE), (1, BOB)] {
        let guards: BTreeSet<usize> = world.nodes[n]
            .up
            .values()
            .map(|peer| world.index(&peer.node))
            .collect();
        assert!(
            knows[person].is_subset(&guards),
            "only neighbours see a person's address"
        );
        let end = world.path(n, "outbound").expect("online")[2];
        let seen = world.nodes[world.index(&end.node)]
            .circuits
            .relayed_addresses();
        let before = world.path(n, "outbound").expect("online")[1].addr;
        assert!(
            seen.iter().any(|addresses| addresses.contains(&before)),
            "the end sees the hop before it"
        );
    }

    // What leaves Alice for her guards looks like nothing, whatever hop it is for.
    let sent = &world.nodes[ALICE].sent;
    let starts: BTreeSet<&[u8]> = sent.iter().map(|body| &body[4..12]).collect();
    assert_eq!(starts.len(), sent.len(), "no two blocks begin alike");
    let ones: u32 = sent
        .iter()
        .flat_map(|body| &body[4..])
        .map(|byte| byte.count_ones())
        .sum();
    let bits = (sent.len() * 460 * 8) as f64;
    assert!(
        (f64::from(ones) / bits - 0.5).abs() < 4.0 * 0.5 / bits.sqrt(),
        "{ones} of {bits}"
    );
}

#[test]
fn a_fetched_value_equals_the_published_one_and_what_nobody_published_is_not_there() {
    let mut world = World::new(10, Class::Fast, 2, &[]);
    world.until(60.0, "everybody online", World::online);
    let (key, sent) = value(5);
    let now = world.now();
    world.nodes[ALICE]
        .circuits
        .publish(now, 1, key, sent.clone());
    let published = |w: &World| {
        w.nodes[ALICE]
            .events
            .iter()
            .find_map(|(_, event)| match event {
                PersonEvent::Published { id: 1, copies } => Some(*copies),
                _ => None,
            })
    };
    let took = world.until(90.0, "publishing", |w| published(w).is_some());
    eprintln!("published in {took:.1} s");
    assert!(published(&world).is_some_and(|copies| copies >= 2));
    let now = world.now();
    world.nodes[BOB].circuits.fetch(now, 2, key);
    world.nodes[BOB].circuits.fetch(now, 3, value(6).0);
    let fetched = |w: &World, wanted: u64| {
        w.nodes[BOB]
            .events
            .iter()
            .find_map(|(_, event)| match event {
                PersonEvent::Fetched { id, value } if *id == wanted => Some(value.clone()),
                _ => None,
            })
    };
    let took = world.until(90.0, "fetching", |w| {
        fetched(w, 2).is_some() && fetched(w, 3).is_some()
    });
    eprintln!("fetched in {took:.1} s");
    assert_eq!(fetched(&world, 2).flatten(), Some(sent));
    assert_eq!(fetched(&world, 3), Some(None));
}

#[test]
fn circuits_are_rebuilt_around_a_dead_node_and_around_a_dead_guard() {
    let mut world = World::new(12, Class::Fast, 3, &[ALICE, BOB]);
    world.until(60.0, "everybody online", World::online);
    for hop in [2, 0] {
        let before = world.path(ALICE, "outbound").expect("online");
        let dead = world.index(&before[hop].node);
        if dead == BOB {
            continue;
        }
        world.nodes[dead].alive = false;
        let gone = before[hop].node;
        let took = world.until(180.0, "a new circuit", |w| {
            w.path(ALICE, "outbound")
                .is_some_and(|path| path.iter().all(|p| p.node != gone))
                && w.nodes[ALICE].circuits.online()
        });
        eprintln!("rebuilt around hop {} in {took:.1} s", hop + 1);
        if hop == 2 {
            let after = world.path(ALICE, "outbound").expect("rebuilt");
            assert_eq!(before[0], after[0], "the guard stays");
        }
    }
}

#[test]
fn doubled_blocks_are_replaced_and_count_once() {
    let mut world = World::new(12, Class::Fast, 4, &[ALICE, BOB]);
    world.until(60.0, "everybody online", World::online);
    let middle = world.path(ALICE, "outbound").expect("online")[1];
    let middle = world.index(&middle.node);
    world.nodes[middle].doubled = true;
    parcels_both_ways(&mut world);
    world.run(20.0);
    assert!(world.nodes[middle].circuits.counters().duplicates > 0);
    let came: Vec<u8> = world
        .arrived(BOB)
        .iter()
        .map(|(_, parcel)| parcel[0])
        .collect();
    let distinct: BTreeSet<u8> = came.iter().copied().collect();
    assert_eq!(came.len(), distinct.len(), "a parcel came twice: {came:?}");
    for (n, node) in world.nodes.iter().enumerate() {
        assert!(
            n == middle || node.circuits.counters().duplicates == 0,
            "node {n} was given a duplicate"
        );
    }
}

#[test]
fn two_three_and_five_nodes_are_enough_to_talk() {
    for (count, bob) in [(2, 1), (3, 2), (5, 4)] {
        let mut world = World::new(count, Class::Fast, 5, &[]);
        world.until(90.0, "everybody online", World::online);
        let target = world.target(1, bob, 0);
        world.nodes[ALICE].circuits.want_spurs(vec![target]);
        world.until(120.0, "a spur", |w| w.has_spur(ALICE, 1));
        world.nodes[ALICE]
            .circuits
            .send_spur(ContactTag(1), Box::new([1; PARCEL]));
        world.until(60.0, "a parcel", |w| !w.arrived(bob).is_empty());
    }
}

#[test]
fn what_alice_does_moves_none_of_her_datagrams() {
    let run = |chats: bool| {
        let mut world = World::new(10, Class::Fast, 6, &[ALICE, BOB]);
        world.run(40.0);
        if chats {
            let target = world.target(1, BOB, 0);
            world.nodes[ALICE].circuits.want_spurs(vec![target]);
            let (key, sent) = value(9);
            let now = world.now();
            world.nodes[ALICE].circuits.publish(now, 1, key, sent);
            world.nodes[ALICE].circuits.set_tokens(&[[3; 16]; 40]);
        }
        world.run(30.0);
        if chats {
            assert!(world.has_spur(ALICE, 1));
            for fill in 0..10 {
                world.nodes[ALICE]
                    .circuits
                    .send_spur(ContactTag(1), Box::new([fill; PARCEL]));
            }
        }
        world.run(20.0);
        if chats {
            assert!(!world.arrived(BOB).is_empty());
            let (handle, _) = world.arrived(BOB)[0];
            world.nodes[BOB]
                .circuits
                .send_reply(handle, Box::new([7; PARCEL]));
        }
        world.run(20.0);
        (world.nodes[ALICE].log.clone(), world.nodes[BOB].log.clone())
    };
    let (idle, busy) = (run(false), run(true));
    for (person, idle, busy) in [("Alice", &idle.0, &busy.0), ("Bob", &idle.1, &busy.1)] {
        let differs = idle.iter().zip(busy).find(|(a, b)| a != b);
        assert!(
            differs.is_none() && idle.len() == busy.len(),
            "{person}: {differs:?}"
        );
    }
}
