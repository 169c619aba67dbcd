//! Whoever uses this node as a hop, an end, an intro point or a keeper.

use std::collections::BTreeMap;

use super::super::cookie::CookieSealer;
use super::super::seal::Asked;
use super::super::{hop, intro};
use super::*;
use crate::crypto::keys::Ephemeral;
use crate::crypto::onion::{END, HopKeys};
use crate::wire::circuit::{
    BuildBack, BuildForward, CREATE_HEAD, CREATED_HEAD, Channel, InboundBack, InboundForward,
    NEIGHBOURS_AN_ANSWER, OutboundBack, OutboundForward, Rates, SpurBody, TOKENS_A_CELL,
    UtilityForward, closed,
};
use crate::wire::query::{Put, Request};
use crate::wire::size::{CHUNK, SEALED};

/// A circuit whose origin the test is; this node is its first hop.
struct Circuit {
    at: (AssocId, u32),
    keys: HopKeys,
}

impl Circuit {
    fn create(
        node: &mut Node,
        random: &mut Stream,
        at: (AssocId, u32),
        rates: Rates,
    ) -> Option<Circuit> {
        let asked = hop::Asked::new(node.key.id(), rates, random);
        node.block(at, &hop::fill(asked.head(), random));
        let created = node
            .outputs()
            .into_iter()
            .find_map(|output| sent(at, output))?;
        let head: [u8; CREATED_HEAD] = hop::head(&created);
        let keys = asked.finish(&head).ok()?;
        Some(Circuit { at, keys })
    }

    fn say(&mut self, node: &mut Node, cell: &[u8; END]) {
        let mut block = self.keys.sealer.seal(cell).expect("a fresh sealer");
        self.keys.forward.encrypt(&mut block);
        node.block(self.at, &block);
    }

    /// What this node answers by itself or on its clock, if it does in so many seconds.
    fn hear<T>(
        &mut self,
        node: &mut Node,
        seconds: f64,
        wanted: impl Fn(&[u8; END]) -> Option<T>,
    ) -> Option<T> {
        let until = node.at.after_seconds(seconds);
        loop {
            for output in node.outputs() {
                let Some(mut block) = sent(self.at, output) else {
                    continue;
                };
                self.keys.backward.decrypt(&mut block);
                if let Ok((_, cell)) = self.keys.opener.open(&block)
                    && let Some(found) = wanted(&cell)
                {
                    return Some(found);
                }
            }
            if node.next_timeout() > until {
                return None;
            }
            node.step();
        }
    }

    fn begin(
        node: &mut Node,
        random: &mut Stream,
        at: (AssocId, u32),
        channel: Channel,
    ) -> Circuit {
        let rates = Rates::new(1.0, 0.5);
        let mut circuit = Circuit::create(node, random, at, rates).expect("there is room");
        circuit.say(node, &BuildForward::Begin { channel }.encode());
        let begun = circuit.hear(node, 1.0, |cell| BuildBack::decode(cell).ok());
        assert_eq!(begun, Some(BuildBack::Begun { channel }));
        circuit
    }
}

fn sent(at: (AssocId, u32), output: CircuitOutput) -> Option<[u8; BLOCK]> {
    match output {
        CircuitOutput::Send {
            assoc,
            kind: BodyKind::Circuit,
            body,
            ..
        } if assoc == at.0 => {
            let (id, block) = split(&body);
            (id == at.1).then_some(block)
        }
        _ => None,
    }
}

/// A command of any kind, with random contents.
fn command(random: &mut Stream, node: &NodeId, others: &[NodeKey]) -> [u8; END] {
    let other = others[random.below(others.len() as u64) as usize].id();
    let target = if random.below(4) == 0 { *node } else { other };
    let addr = SocketAddr::from((random.bytes::<4>(), random.u32() as u16)).into();
    let key = *CookieKey::generate(random).public();
    let channels = [Channel::Outbound, Channel::Inbound, Channel::Utility];
    let parcel = Box::new(random.bytes());
    let slot = random.below(4) as u8;
    match random.below(10) {
        0 => BuildForward::Neighbours {
            ask: random.bytes::<NEIGHBOURS_AN_ANSWER>(),
        }
        .encode(),
        1 => BuildForward::Extend {
            node: target,
            create: Box::new(random.bytes::<CREATE_HEAD>()),
        }
        .encode(),
        2 => BuildForward::Begin {
            channel: channels[random.below(3) as usize],
        }
        .encode(),
        3 => OutboundForward::Deliver {
            slot,
            block: Box::new(random.bytes()),
            parcel,
        }
        .encode(),
        4 | 5 => OutboundForward::SpurOpen {
            slot,
            node: target,
            addr,
            key: Box::new(key),
        }
        .encode(),
        6 => InboundForward::Establish {
            cookie: [random.below(8) as u8; 16],
        }
        .encode(),
        7 => InboundForward::Tokens {
            generation: random.u32() as u16,
            index: random.u32() as u8,
            cells: random.u32() as u8,
            tokens: vec![random.bytes(); TOKENS_A_CELL],
        }
        .encode(),
        8 => InboundForward::Answer {
            spur: random.u32(),
            parcel,
        }
        .encode(),
        _ => UtilityForward::Query {
            node: target,
            addr,
            sealed: question(random, &target),
        }
        .encode(),
    }
}

/// A sealed question of any kind.
fn question(random: &mut Stream, to: &NodeId) -> Box<[u8; SEALED]> {
    let (query, key) = (random.bytes(), random.bytes());
    let request = match random.below(3) {
        0 => Request::Find { query, key },
        1 => Request::Get {
            query,
            key,
            index: random.below(2) as u8,
        },
        _ => Request::Put(Put {
            query,
            key,
            index: random.below(2) as u8,
            ttl: random.u32() as u16,
            revision: random.u32(),
            chunk: random.bytes::<CHUNK>(),
        }),
    };
    let mut body = request.encode();
    mutate(random, &mut body);
    let (_, mut sealed) = Asked::new(*to, &body, random).expect("a valid key");
    if random.below(4) == 0 {
        mutate(random, &mut sealed[..]);
    }
    sealed
}

/// A neighbour that may do what it likes: circuits of all kinds, spurs, questions.
struct Attacker {
    random: Stream,
    keys: Vec<NodeKey>,
    link: AssocId,
    circuits: BTreeMap<u32, Circuit>,
    spurs: Vec<AssocId>,
    next_assoc: u64,
    /// Requests that this node forwarded, to be answered.
    forwarded: Vec<(Peer, Box<[u8; BODY]>)>,
}

impl Attacker {
    fn act(&mut self, node: &mut Node) {
        let random = &mut self.random;
        let known: Vec<u32> = self.circuits.keys().copied().collect();
        let one = known
            .get(random.below(known.len() as u64) as usize)
            .copied();
        match random.below(16) {
            0 => {
                // Ids of the caller's half.
                let at = (self.link, random.u32() | 1 << 31);
                let rates = Rates::new(50.0 * random.unit(), 0.2 * random.unit());
                if let Some(circuit) = Circuit::create(node, random, at, rates) {
                    self.circuits.insert(at.1, circuit);
                }
                if self.circuits.len() > 12
                    && let Some(gone) = one.and_then(|id| self.circuits.remove(&id))
                {
                    node.body(gone.at.0, BodyKind::Control, &closed(gone.at.1));
                }
            }
            1 => {
                let id = one.unwrap_or_else(|| random.u32());
                node.block((self.link, id), &random.bytes());
            }
            2 if random.below(6) == 0 => {
                let mut body = closed(one.unwrap_or_else(|| random.u32()));
                mutate(random, &mut body);
                node.body(self.link, BodyKind::Control, &body);
            }
            3 => {
                self.next_assoc += 1;
                let assoc = AssocId(self.next_assoc);
                let caller = peer(&self.keys[0], random.u32() as u8);
                let now = node.now();
                node.circuits
                    .handle_link_up(now, assoc, caller, Purpose::Spur, false);
                self.spurs.push(assoc);
            }
            4 if !self.spurs.is_empty() && random.below(3) == 0 => {
                let at = random.below(self.spurs.len() as u64) as usize;
                let assoc = self.spurs.swap_remove(at);
                let now = node.now();
                node.circuits.handle_link_down(now, assoc);
            }
            4..=6 => {
                let body = match random.below(4) {
                    0 => SpurBody::Open {
                        key: *CookieKey::generate(random).public(),
                    },
                    1 => SpurBody::Opened,
                    2 => SpurBody::Deliver {
                        block: Box::new(random.bytes()),
                        parcel: Box::new(random.bytes()),
                    },
                    _ => SpurBody::Return {
                        parcel: Box::new(random.bytes()),
                    },
                };
                let mut body = body.encode();
                if random.below(2) == 0 {
                    mutate(random, &mut body);
                }
                if let Some(assoc) = self
                    .spurs
                    .get(random.below(self.spurs.len() as u64) as usize)
                {
                    node.body(*assoc, BodyKind::Circuit, &body);
                }
            }
            7 | 8 => {
                let (from, mut body) = match self.forwarded.pop() {
                    Some((to, request)) if random.below(2) == 0 => {
                        let mut answer = request;
                        answer[0] = ANSWER;
                        (to, answer)
                    }
                    _ => {
                        let mut body = Box::new([0; BODY]);
                        body[0] = [REQUEST, ANSWER, 0x42, 0xff][random.below(4) as usize];
                        let sealed = question(random, &node.key.id());
                        body[5..5 + SEALED].copy_from_slice(&sealed[..]);
                        let asker = &self.keys[random.below(self.keys.len() as u64) as usize];
                        (peer(asker, 1), body)
                    }
                };
                if random.below(3) == 0 {
                    mutate(random, &mut body[..]);
                }
                let now = node.now();
                node.circuits.handle_contact(now, from, &body);
            }
            _ => {
                let Some(circuit) = one.and_then(|id| self.circuits.get_mut(&id)) else {
                    return;
                };
                let mut cell = command(random, &node.key.id(), &self.keys);
                if random.below(3) == 0 {
                    mutate(random, &mut cell);
                }
                circuit.say(node, &cell);
            }
        }
    }

    /// What the world does with what came out. Gives how many cells that were.
    fn answer(&mut self, node: &mut Node, outputs: Vec<CircuitOutput>) -> usize {
        let mut cells = 0;
        for output in outputs {
            match output {
                CircuitOutput::Send { kind, body, .. } => {
                    cells += 1;
                    if let (BodyKind::Control, Some(id)) = (kind, read_closed(&body)) {
                        self.circuits.remove(&id);
                    }
                }
                CircuitOutput::Contact { to, body } => {
                    cells += 1;
                    self.forwarded.push((to, body));
                    if self.forwarded.len() > 50 {
                        self.forwarded.remove(0);
                    }
                }
                CircuitOutput::DialSpur { handle, peer } => {
                    cells += 1;
                    self.next_assoc += 1;
                    let assoc = AssocId(self.next_assoc);
                    let now = node.now();
                    node.circuits.spur_dialling(handle, assoc);
                    match self.random.below(3) {
                        0 => node
                            .circuits
                            .handle_link_up(now, assoc, peer, Purpose::Spur, true),
                        1 => node.circuits.handle_link_down(now, assoc),
                        _ => {}
                    }
                    self.spurs.push(assoc);
                }
                CircuitOutput::CloseSpur { assoc } => {
                    let now = node.now();
                    node.circuits.handle_link_down(now, assoc);
                    self.spurs.retain(|known| *known != assoc);
                }
                CircuitOutput::Ask { token, .. } => {
                    let answer = self.random.bytes();
                    node.circuits.answered(token, &answer);
                }
                CircuitOutput::Person(event) => panic!("{event:?}: nobody lives here"),
            }
        }
        cells
    }
}

#[test]
fn whatever_a_neighbour_sends_nothing_breaks_grows_or_answers_more_than_it_was_asked() {
    let mut random = Stream::from_seed([1; 32]);
    let mut node = Node::new(2, 24);
    let keys = keys(&mut random, 6);
    node.link(1, &keys[0], peer(&keys[0], 1), false);
    node.link(2, &keys[1], peer(&keys[1], 2), false);
    let mut attacker = Attacker {
        random: random.fork("attacker", b""),
        link: AssocId(1),
        circuits: BTreeMap::new(),
        spurs: Vec::new(),
        next_assoc: 100,
        forwarded: Vec::new(),
        keys,
    };
    let (mut own, mut caused, mut rounds) = (0, 0, 0);
    while rounds < 30_000 {
        // What this node sends on its own clocks is apart from what it is made to send.
        while node.next_timeout() <= node.at {
            node.step();
            let outputs = node.outputs();
            own += attacker.answer(&mut node, outputs);
        }
        attacker.act(&mut node);
        let mut at_once = 0;
        loop {
            let outputs = node.outputs();
            if outputs.is_empty() {
                break;
            }
            at_once += attacker.answer(&mut node, outputs);
        }
        // Four deliveries wait for a spur, and four requests for an address that is heard; an opened spur says so to its origin later.
        assert!(at_once <= 6, "round {rounds}: {at_once} cells at once");
        caused += at_once;
        rounds += 1;
        node.at = node.at.after_seconds(0.02);
    }
    let counters = node.circuits.counters();
    println!("{rounds} inputs made {caused} cells, {own} left on clocks; {counters:?}");
    assert!(caused < rounds, "{caused} cells for {rounds}");
    assert!(
        caused > 3000 && counters.relayed > 3,
        "too little of it was of this node's business: {caused} cells, {counters:?}"
    );
    assert!(counters.relayed < 40, "{counters:?}");
    assert!(counters.incoming_spurs <= 2 * intro::MAX_SPURS);
    assert!(counters.registrations <= 12, "{counters:?}");
    assert_eq!((counters.pool_records, counters.lost), (0, 0));
    assert!(node.circuits.base.routes.len() < 100);
    assert!(
        counters.refused > 1000,
        "most of it made no sense: {counters:?}"
    );
    node.outputs();

    // It still is an intro point and an end for whoever keeps to the rules.
    let honest = AssocId(2);
    let mut inbound = Circuit::begin(
        &mut node,
        &mut random,
        (honest, 1 | 1 << 31),
        Channel::Inbound,
    );
    let cookie = [99; 16];
    inbound.say(&mut node, &InboundForward::Establish { cookie }.encode());
    let key = inbound.hear(&mut node, 30.0, |cell| match InboundBack::decode(cell) {
        Ok(InboundBack::Established { cookie_key }) => Some(cookie_key),
        _ => None,
    });
    let key = key.expect("it is registered");
    // The attacker's circuits have taken what places there were for spurs from this node to itself.
    let now = node.now();
    node.circuits.handle_link_down(now, attacker.link);
    let mut outbound = Circuit::begin(
        &mut node,
        &mut random,
        (honest, 2 | 1 << 31),
        Channel::Outbound,
    );
    let throwaway = Ephemeral::generate(&mut random);
    let open = OutboundForward::SpurOpen {
        slot: 0,
        node: node.key.id(),
        addr: SocketAddr::from(([9, 9, 9, 9], 9)).into(),
        key: Box::new(*throwaway.public()),
    };
    outbound.say(&mut node, &open.encode());
    let up = outbound.hear(&mut node, 30.0, |cell| match OutboundBack::decode(cell) {
        Ok(OutboundBack::SpurState { up, .. }) => Some(up),
        _ => None,
    });
    assert_eq!(up, Some(true));
    let mut sealer = CookieSealer::new(&throwaway, &key, cookie).expect("a valid key");
    let parcel = Box::new([7; PARCEL]);
    let deliver = OutboundForward::Deliver {
        slot: 0,
        block: sealer.seal(&parcel),
        parcel: parcel.clone(),
    };
    outbound.say(&mut node, &deliver.encode());
    let arrived = inbound.hear(&mut node, 30.0, |cell| match InboundBack::decode(cell) {
        Ok(InboundBack::Arrived { parcel, .. }) => Some(parcel),
        _ => None,
    });
    assert_eq!(arrived, Some(parcel));
}

#[test]
fn what_others_ask_of_a_node_shifts_nothing_that_its_own_circuits_do() {
    let play = |busy: bool| {
        let mut random = Stream::from_seed([3; 32]);
        let mut node = Node::new(4, 24);
        let keys = keys(&mut random, 6);
        node.link(1, &keys[0], peer(&keys[0], 1), true);
        node.link(2, &keys[1], peer(&keys[1], 2), false);
        let mut attacker = Attacker {
            random: random.fork("attacker", b""),
            link: AssocId(2),
            circuits: BTreeMap::new(),
            spurs: Vec::new(),
            next_assoc: 100,
            forwarded: Vec::new(),
            keys,
        };
        let mut own = Vec::new();
        let mut asked = Moment(0);
        while node.at < Moment(0).after_seconds(120.0) {
            let next = node.next_timeout();
            if busy && asked < next {
                node.at = node.at.max(asked);
                asked = asked.after_seconds(0.05);
                attacker.act(&mut node);
            } else {
                node.step();
            }
            loop {
                let outputs = node.outputs();
                if outputs.is_empty() {
                    break;
                }
                // The own circuits go over the chosen link, everything else over the other.
                for output in &outputs {
                    if let CircuitOutput::Send { assoc, body, .. } = output
                        && *assoc == AssocId(1)
                    {
                        own.push((node.at, *body.clone()));
                    }
                }
                attacker.answer(&mut node, outputs);
            }
        }
        own
    };
    let (quiet, busy) = (play(false), play(true));
    assert!(quiet.len() > 20, "{} blocks", quiet.len());
    assert!(quiet == busy, "others' requests show in the own circuits");
}
