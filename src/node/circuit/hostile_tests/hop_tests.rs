//! The nodes that a node's own circuits go through: its guards and hops, its ends and intro points, and the keepers it asks. One owner has them
//! all here, and lies as often as it likes.

use std::collections::BTreeMap;

use super::super::hop;
use super::super::seal::Question;
use super::*;
use crate::crypto::onion::{END, HopKeys};
use crate::wire::circuit::{
    BuildBack, BuildForward, CREATE_HEAD, CREATED_HEAD, Channel, InboundBack, InboundForward,
    OutboundBack, OutboundForward, UtilityBack, UtilityForward, closed, spur_name,
};
use crate::wire::position::Position;
use crate::wire::query::{Answer, FindAnswer, POSITION_PREFIX, Refusal, Request};
use crate::wire::record::NodeRecord;
use crate::wire::size::{CHUNK, NEIGHBOUR, RECORD, SEALED};

/// One circuit of the node, as the owner of all its hops sees it.
#[derive(Default)]
struct Chain {
    hops: Vec<(usize, HopKeys)>,
    channel: Option<Channel>,
}

/// Kinds of wrong certificates.
const FAULTS: u64 = 7;

struct Owner {
    random: Stream,
    keys: Vec<NodeKey>,
    victim: NodeId,
    /// A record that the victim signed for the ring.
    record: [u8; RECORD],
    chains: BTreeMap<(AssocId, u32), Chain>,
    /// How often it lies, 0 to 1.
    lies: f64,
    /// What is wrong with each certificate.
    fault: Option<u64>,
    /// Certificates made before: of whom, for whom, with what fault, until when.
    made: BTreeMap<(usize, usize, Option<u64>, u32), [u8; NEIGHBOUR]>,
    unix: UnixMs,
    begun: usize,
}

impl Owner {
    fn lies(&mut self) -> bool {
        self.random.unit() < self.lies
    }

    fn index(&self, node: &NodeId) -> Option<usize> {
        self.keys.iter().position(|key| key.id() == *node)
    }

    fn record(&self, index: usize) -> NodeRecord {
        let key = &self.keys[index];
        NodeRecord::make(key, peer(key, index as u8 + 1).addr, self.unix, 120, 0)
    }

    /// A cell of the node arrives at the guard; what comes back.
    fn block(&mut self, at: (AssocId, u32), block: [u8; BLOCK]) -> Vec<[u8; BLOCK]> {
        let Some(mut chain) = self.chains.remove(&at) else {
            return self.create(at, &block);
        };
        let mut block = block;
        for (_, keys) in &chain.hops {
            keys.forward.decrypt(&mut block);
        }
        let (_, last) = chain.hops.last_mut().expect("it was created");
        let mut back = Vec::new();
        if let Ok((_, cell)) = last.opener.open(&block) {
            assert!(
                !names(&cell, &self.victim),
                "the node named itself inside its circuit: {cell:?}"
            );
            self.answer(&mut chain, &cell, &mut back);
        }
        if self.lies() && self.random.below(4) == 0 {
            back.push(self.random.bytes());
        }
        self.chains.insert(at, chain);
        back
    }

    fn create(&mut self, at: (AssocId, u32), block: &[u8; BLOCK]) -> Vec<[u8; BLOCK]> {
        let guard = at.0.0 as usize - 1;
        let head: [u8; CREATE_HEAD] = hop::head(block);
        if !hop::is_create(&self.keys[guard].id(), &head) {
            return Vec::new();
        }
        let accepted = hop::accept(&self.keys[guard], &head, &mut self.random);
        let (keys, created) = accepted.expect("the node is honest");
        let mut answer = hop::fill(&created, &mut self.random);
        if self.lies() && self.random.below(3) == 0 {
            mutate(&mut self.random, &mut answer);
        }
        let chain = Chain {
            hops: vec![(guard, keys)],
            channel: None,
        };
        self.chains.insert(at, chain);
        vec![answer]
    }

    /// Seals a cell at the last hop and carries it back to the guard.
    fn say(&mut self, chain: &mut Chain, mut cell: [u8; END], back: &mut Vec<[u8; BLOCK]>) {
        if self.lies() && self.random.below(3) == 0 {
            mutate(&mut self.random, &mut cell);
        }
        let (_, last) = chain.hops.last_mut().expect("it was created");
        let mut block = last.sealer.seal(&cell).expect("a fresh sealer");
        for (_, keys) in chain.hops.iter().rev() {
            keys.backward.encrypt(&mut block);
        }
        back.push(block);
    }

    fn answer(&mut self, chain: &mut Chain, cell: &[u8; END], back: &mut Vec<[u8; BLOCK]>) {
        match chain.channel {
            // Begin comes again as long as Begun was not heard.
            _ if BuildForward::decode(cell).is_ok() => self.build(chain, cell, back),
            None => {}
            Some(Channel::Outbound) => self.outbound(chain, cell, back),
            Some(Channel::Inbound) => self.inbound(chain, cell, back),
            Some(Channel::Utility) => self.utility(chain, cell, back),
        }
        if self.lies() {
            let any = self.anything();
            self.say(chain, any, back);
        }
    }

    fn build(&mut self, chain: &mut Chain, cell: &[u8; END], back: &mut Vec<[u8; BLOCK]>) {
        let last = chain.hops.last().expect("it was created").0;
        match BuildForward::decode(cell).expect("the node is honest") {
            BuildForward::Neighbours { ask } => {
                let named = ask
                    .iter()
                    .map(|index| (*index, Box::new(self.certificate(last, *index))))
                    .collect();
                let total = if self.lies() {
                    self.random.u32() as u8
                } else {
                    self.keys.len() as u8 - 1
                };
                self.say(chain, BuildBack::Neighbours { total, named }.encode(), back);
            }
            BuildForward::Extend { node, create } => {
                let refused = self.lies() && self.random.below(3) == 0;
                let accepted = self.index(&node).filter(|_| !refused).and_then(|n| {
                    Some((
                        n,
                        hop::accept(&self.keys[n], &create, &mut self.random).ok()?,
                    ))
                });
                let Some((n, (keys, mut created))) = accepted else {
                    self.say(chain, BuildBack::Refused.encode(), back);
                    return;
                };
                if self.lies() && self.random.below(3) == 0 {
                    created[self.random.below(CREATED_HEAD as u64) as usize] ^= 1;
                }
                let created = Box::new(created);
                self.say(chain, BuildBack::Extended { created }.encode(), back);
                chain.hops.push((n, keys));
                self.check(chain);
            }
            BuildForward::Begin { channel } => {
                let said = if self.lies() && self.random.below(3) == 0 {
                    Channel::Utility
                } else {
                    channel
                };
                self.say(chain, BuildBack::Begun { channel: said }.encode(), back);
                self.begun += usize::from(chain.channel.is_none());
                chain.channel = Some(channel);
                assert_eq!(
                    chain.hops.len(),
                    3,
                    "no circuit is shorter than it should be"
                );
            }
        }
    }

    /// No node is twice on a path, whatever was said of its neighbours.
    fn check(&self, chain: &Chain) {
        let mut nodes: Vec<usize> = chain.hops.iter().map(|(n, _)| *n).collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), chain.hops.len());
    }

    /// The certificate of a neighbour, true or not.
    fn certificate(&mut self, owner: usize, index: u8) -> [u8; NEIGHBOUR] {
        let mut other = usize::from(index) % self.keys.len();
        if other == owner {
            other = (other + 1) % self.keys.len();
        }
        let mut edge = Edge {
            owner: self.keys[owner].id(),
            neighbour: self.keys[other].id(),
            address: Address::from(peer(&self.keys[other], other as u8 + 1).addr),
            expires: (self.unix.seconds() / 3600 + 2) * 3600,
        };
        let mut signer = &self.keys[other];
        let lie = (self.random.unit() < self.lies).then(|| self.random.below(FAULTS));
        let fault = self.fault.or(lie);
        if fault == Some(0) {
            edge.expires = self.unix.seconds();
        }
        let what = (owner, other, fault, edge.expires);
        if let Some(before) = self.made.get(&what) {
            return *before;
        }
        if let Some(fault) = fault {
            match fault {
                0 => {}
                1 => edge.expires = u32::MAX,
                // The victim is everybody's neighbour.
                2 => edge.neighbour = self.victim,
                3 => signer = &self.keys[owner],
                4 => edge.address = Address::from(SocketAddr::from(([127, 0, 0, 1], 1))),
                // In the hop's own network.
                5 => {
                    let there = [9, owner as u8 + 1, 3, 3];
                    edge.address = Address::from(SocketAddr::from((there, 3)));
                }
                _ => edge.neighbour = self.keys[owner].id(),
            }
        }
        let certificate = LinkCertificate {
            neighbour: edge.neighbour,
            address: edge.address,
            expires: edge.expires,
            by_owner: edge.sign(&self.keys[owner]),
            by_neighbour: edge.sign(signer),
        }
        .bytes();
        self.made.insert(what, certificate);
        certificate
    }

    fn outbound(&mut self, chain: &mut Chain, cell: &[u8; END], back: &mut Vec<[u8; BLOCK]>) {
        let said = match OutboundForward::decode(cell).expect("the node is honest") {
            OutboundForward::Dummy => OutboundBack::Dummy,
            OutboundForward::SpurOpen { slot, key, .. } => OutboundBack::SpurState {
                slot,
                up: !self.lies(),
                key: *key,
            },
            OutboundForward::Deliver { slot, parcel, .. } => {
                let key = CookieKey::generate(&mut self.random);
                OutboundBack::Returned {
                    slot,
                    spur: spur_name(key.public()),
                    parcel,
                }
            }
        };
        self.say(chain, said.encode(), back);
    }

    fn inbound(&mut self, chain: &mut Chain, cell: &[u8; END], back: &mut Vec<[u8; BLOCK]>) {
        let said = match InboundForward::decode(cell).expect("the node is honest") {
            InboundForward::Establish { .. } => InboundBack::Established {
                cookie_key: *CookieKey::generate(&mut self.random).public(),
            },
            InboundForward::Answer { spur, parcel } => InboundBack::Arrived { spur, parcel },
            _ if self.lies() => InboundBack::Arrived {
                spur: self.random.u32(),
                parcel: Box::new(self.random.bytes()),
            },
            _ => InboundBack::Dummy,
        };
        self.say(chain, said.encode(), back);
    }

    /// The asked node's own answer, since it is the same owner's.
    fn utility(&mut self, chain: &mut Chain, cell: &[u8; END], back: &mut Vec<[u8; BLOCK]>) {
        let UtilityForward::Query { node, sealed, .. } =
            UtilityForward::decode(cell).expect("the node is honest")
        else {
            return self.say(chain, UtilityBack::Dummy.encode(), back);
        };
        let mut asked = [0; 33];
        asked.copy_from_slice(&sealed[..33]);
        let sealed = self.keeper(&node, &sealed);
        if self.lies() && self.random.below(2) == 0 {
            return;
        }
        self.say(
            chain,
            UtilityBack::QueryAnswer { asked, sealed }.encode(),
            back,
        );
    }

    fn keeper(&mut self, node: &NodeId, sealed: &[u8; SEALED]) -> Box<[u8; SEALED]> {
        let Some(index) = self.index(node) else {
            return Box::new(self.random.bytes());
        };
        let opened = Question::open(&self.keys[index], sealed);
        let (question, body) = opened.expect("the node is honest");
        let request = Request::decode(&body).expect("the node is honest");
        let mut answer = self.store(&request).encode();
        if self.lies() && self.random.below(3) == 0 {
            mutate(&mut self.random, &mut answer);
        }
        question
            .answer(&self.keys[index], &answer, &mut self.random)
            .expect("a valid key")
    }

    fn store(&mut self, request: &Request) -> Answer {
        let (query, key) = match request {
            Request::Find { query, key } | Request::Get { query, key, .. } => (*query, *key),
            Request::Put(put) => (put.query, put.key),
        };
        if self.lies() {
            return match self.random.below(6) {
                0 => Answer::Unreadable,
                1 => Answer::NoValue { query, key },
                2 => Answer::Refused {
                    query,
                    key,
                    why: Refusal::Busy,
                },
                3 => Answer::Stored { query, key },
                4 => Answer::Half { query, key },
                _ => Answer::Chunk {
                    query,
                    key,
                    index: self.random.below(2) as u8,
                    ttl: self.random.u32() as u16,
                    revision: self.random.u32(),
                    chunk: self.random.bytes::<CHUNK>(),
                },
            };
        }
        match request {
            Request::Find { .. } => {
                let mut records: Vec<NodeRecord> =
                    (0..self.keys.len()).map(|n| self.record(n)).collect();
                records.sort_by_key(|record| record.position().distance(&Position(key)));
                let mut straddling: Vec<[u8; RECORD]> =
                    records[..2].iter().map(NodeRecord::bytes).collect();
                if self.random.unit() < self.lies {
                    straddling[0] = self.record;
                }
                Answer::Find(FindAnswer {
                    straddling,
                    positions: vec![[0; POSITION_PREFIX]; 3],
                })
            }
            Request::Get { .. } => Answer::NoValue { query, key },
            Request::Put(put) if put.index == 0 => Answer::Half { query, key },
            Request::Put(_) => Answer::Stored { query, key },
        }
    }

    /// A cell that no honest hop sends.
    fn anything(&mut self) -> [u8; END] {
        let mut cell: [u8; END] = self.random.bytes();
        cell[0] = self.random.below(0x40) as u8;
        let length = self.random.below(440) as u16;
        cell[1..3].copy_from_slice(&length.to_be_bytes());
        cell
    }
}

type Answered = ((AssocId, u32), [u8; BLOCK]);

/// Bodies under way to the node, and what its person was told.
struct Play {
    node: Node,
    owner: Owner,
    /// When and in which order they arrive; on which circuit.
    back: BTreeMap<(Moment, u64), Answered>,
    sequence: u64,
    told: Vec<PersonEvent>,
    sent: usize,
    most: usize,
}

impl Play {
    fn new(seed: u8) -> Play {
        let mut random = Stream::from_seed([seed; 32]);
        let keys = keys(&mut random, 14);
        let mut node = Node::new(seed, 24);
        for (key, n) in keys.iter().zip(1..=2) {
            node.link(n.into(), key, peer(key, n), true);
        }
        let own = SocketAddr::from(([9, 200, 0, 1], 4000));
        let record = NodeRecord::make(&node.key, own, UnixMs(UNIX), 120, 0).bytes();
        let owner = Owner {
            random: random.fork("owner", b""),
            keys,
            victim: node.key.id(),
            record,
            chains: BTreeMap::new(),
            lies: 0.0,
            fault: None,
            made: BTreeMap::new(),
            unix: UnixMs(UNIX),
            begun: 0,
        };
        Play {
            node,
            owner,
            back: BTreeMap::new(),
            sequence: 0,
            told: Vec::new(),
            sent: 0,
            most: 0,
        }
    }

    fn run(&mut self, seconds: f64) {
        let until = self.node.at.after_seconds(seconds);
        loop {
            let arrival = self.back.keys().next().map_or(Moment::NEVER, |(at, _)| *at);
            let next = arrival.min(self.node.next_timeout());
            if next > until {
                self.node.at = until;
                return;
            }
            if arrival <= self.node.next_timeout() {
                let ((at, _), (to, block)) = self.back.pop_first().expect("just seen");
                self.node.at = self.node.at.max(at);
                self.node.block(to, &block);
            } else {
                self.node.step();
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.owner.unix = self.node.now().unix;
        let outputs = self.node.outputs();
        self.most = self.most.max(outputs.len());
        for output in outputs {
            match output {
                CircuitOutput::Send {
                    assoc,
                    kind: BodyKind::Circuit,
                    body,
                    ..
                } => {
                    self.sent += 1;
                    let (id, block) = split(&body);
                    for block in self.owner.block((assoc, id), block) {
                        self.sequence += 1;
                        let at = self.node.at.after_seconds(0.05);
                        self.back.insert((at, self.sequence), ((assoc, id), block));
                    }
                }
                CircuitOutput::Send { .. } => {}
                CircuitOutput::Person(event) => self.told.push(event),
                other => panic!("{other:?}: only for others' circuits"),
            }
        }
    }

    /// A guard says that a circuit is gone, or goes on without saying that it is.
    fn tear_down(&mut self) {
        let chains: Vec<(AssocId, u32)> = self.owner.chains.keys().copied().collect();
        let at = self.owner.random.below(4 * chains.len() as u64) as usize;
        if let Some((assoc, id)) = chains.get(at) {
            self.owner.chains.remove(&(*assoc, *id));
            if self.owner.random.below(2) == 0 {
                self.node.body(*assoc, BodyKind::Control, &closed(*id));
            }
            self.settle();
        }
    }

    /// The person does all a person can.
    fn person(&mut self, n: u64) {
        let now = self.node.now();
        let random = &mut Stream::from_seed([n as u8; 32]).fork("person", b"");
        let circuits = &mut self.node.circuits;
        let target = |contact: u64, random: &mut Stream| SpurTarget {
            contact: ContactTag(contact),
            node: NodeKey::generate(random).id(),
            addr: SocketAddr::from(([9, 99, 0, 1], 4000)),
            cookie_key: *CookieKey::generate(random).public(),
            point: random.bytes(),
            credential: random.bytes(),
        };
        circuits.want_spurs((0..3).map(|contact| target(contact, random)).collect());
        circuits.send_spur(ContactTag(n % 3), Box::new([1; PARCEL]));
        circuits.set_tokens(&[random.bytes(), random.bytes()]);
        circuits.fetch(now, n, random.bytes());
        circuits.publish(now, 1_000_000 + n, random.bytes(), Box::new([2; VALUE]));
        let handle = self.told.iter().rev().find_map(|event| match event {
            PersonEvent::Arrived { handle, .. } => Some(*handle),
            _ => None,
        });
        if let Some(handle) = handle {
            circuits.send_reply(handle, Box::new([3; PARCEL]));
        }
        self.settle();
    }
}

#[test]
fn hops_ends_and_keepers_that_lie_break_nothing_and_the_node_is_served_once_they_stop() {
    let mut play = Play::new(5);
    play.run(60.0);
    assert!(play.node.circuits.online(), "honest hops serve");
    play.owner.lies = 0.4;
    let minutes = if std::env::var_os("PARATOX_LONG").is_some() {
        240
    } else {
        20
    };
    for n in 0..minutes * 6 {
        play.person(n);
        play.tear_down();
        play.run(10.0);
        let rows = play.node.circuits.rows(play.node.at).len();
        assert!(rows <= 12, "{rows} circuits at once");
    }
    let counters = play.node.circuits.counters();
    println!(
        "{} cells sent, {} circuits begun by liars, {} things told, {} at once; {counters:?}",
        play.sent,
        play.owner.begun,
        play.told.len(),
        play.most
    );
    assert!(play.owner.begun > 20, "they were believed often enough");
    assert!(counters.pool_records <= 14, "no more records than nodes");
    assert_eq!((counters.relayed, counters.lost), (0, 0));
    assert!(play.node.circuits.base.routes.len() <= 12);
    // Nothing that a liar says makes the node send beyond its clocks, but for the next step of a circuit that it builds: 2.35 cells a second at
    // most in the mean, and the steps.
    let seconds = play.node.at.since(Moment(0)).as_secs_f64();
    assert!(
        (play.sent as f64) < 6.0 * seconds,
        "{} in {seconds} s",
        play.sent
    );
    play.owner.lies = 0.0;
    play.run(300.0);
    assert!(
        play.node.circuits.online(),
        "{:?}",
        play.node.circuits.rows(play.node.at)
    );
    play.told.clear();
    play.person(7777);
    // What she asked before comes first.
    play.run(900.0);
    let answered = |event: &PersonEvent| {
        matches!(
            event,
            PersonEvent::Fetched {
                id: 7777,
                value: None
            }
        )
    };
    assert!(play.told.iter().any(answered), "{:?}", play.told);
}

#[test]
fn a_hop_with_two_neighbours_to_choose_among_is_no_hop() {
    let mut play = Play::new(6);
    // Each hop has two to name.
    play.owner.keys.truncate(3);
    play.run(200.0);
    assert!(play.sent > 10, "it was tried: {} cells", play.sent);
    assert_eq!(play.owner.begun, 0);
    let mut play = Play::new(6);
    play.owner.keys.truncate(5);
    play.run(200.0);
    assert!(
        play.owner.begun > 0,
        "four, with the guard among them, leave three"
    );
}

#[test]
fn no_circuit_goes_on_over_a_certificate_that_does_not_hold() {
    let long = std::env::var_os("PARATOX_LONG").is_some();
    for fault in 0..FAULTS {
        let mut play = Play::new(8);
        play.owner.fault = Some(fault);
        play.run(if long { 120.0 } else { 30.0 });
        assert_eq!(play.owner.begun, 0, "fault {fault}");
        assert!(play.sent > 10, "it was tried: {} cells", play.sent);
        play.owner.fault = None;
        let until = play.node.at.after_seconds(300.0);
        while play.owner.begun == 0 && play.node.at < until {
            play.run(5.0);
        }
        assert!(play.owner.begun > 0, "without the fault it does");
    }
}
