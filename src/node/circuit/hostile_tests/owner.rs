//! One owner of all nodes that another node's circuits go through: guards and hops, ends and intro points, and keepers. It lies as often as it likes.

use std::collections::BTreeMap;

use super::super::hop;
use super::super::seal::Question;
use super::*;
use crate::crypto::onion::{END, HopKeys};
use crate::wire::circuit::{
    BuildBack, BuildForward, CREATE_HEAD, CREATED_HEAD, Channel, InboundBack, InboundForward,
    OutboundBack, OutboundForward, UtilityBack, UtilityForward, spur_name,
};
use crate::wire::position::Position;
use crate::wire::query::{Answer, FindAnswer, POSITION_PREFIX, Refusal, Request};
use crate::wire::record::NodeRecord;
use crate::wire::size::{CHUNK, NEIGHBOUR, RECORD, SEALED};

/// One circuit of the node, as the owner of all its hops sees it.
#[derive(Default)]
pub(super) struct Chain {
    hops: Vec<(usize, HopKeys)>,
    channel: Option<Channel>,
}

/// Kinds of wrong certificates.
pub(super) const FAULTS: u64 = 7;

pub(super) struct Owner {
    pub random: Stream,
    pub keys: Vec<NodeKey>,
    pub victim: NodeId,
    /// A record that the victim signed for the ring.
    pub record: [u8; RECORD],
    pub chains: BTreeMap<(AssocId, u32), Chain>,
    /// How often it lies, 0 to 1.
    pub lies: f64,
    /// What is wrong with each certificate.
    pub fault: Option<u64>,
    /// Certificates made before: of whom, for whom, with what fault, until when.
    pub made: BTreeMap<(usize, usize, Option<u64>, u32), [u8; NEIGHBOUR]>,
    pub unix: UnixMs,
    pub begun: usize,
    /// Its words that a circuit has begun are lost, and what its clock sends arrives.
    pub loses_begun: bool,
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
    pub fn block(&mut self, at: (AssocId, u32), block: [u8; BLOCK]) -> Vec<[u8; BLOCK]> {
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
                let word = if self.loses_begun {
                    OutboundBack::Dummy.encode()
                } else {
                    BuildBack::Begun { channel: said }.encode()
                };
                self.say(chain, word, back);
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
