//! The utility clock: each tick of the utility circuit carries one query of a fixed mix of FIND, GET and PUT.
//!
//! A person's look-up or publication waits for ticks of its kind. Where none waits, a look-up of a random key or a publication of
//! nobody's descriptor goes on, step by step through the same code; answers to both fill the pool. The circuit's end sees neither kind
//! nor key. Not here: the seals (`seal`), the far end (`forward`), and the store that answers (`node::dht`).

use std::collections::{BTreeMap, VecDeque};

use super::operation::{Goal, Half, Kind, Operation, Outcome};
use super::pool::Pool;
use super::seal::Asked;
use crate::crypto::blind::BlindedSigner;
use crate::crypto::random::Stream;
use crate::node::person::PersonEvent;
use crate::wire::address::Address;
use crate::wire::circuit::UtilityForward;
use crate::wire::descriptor;
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::query::{Answer, Request};
use crate::wire::size::{POINT, SEALED, VALUE};
use crate::wire::time::{Moment, Now, UnixMs};

/// The mix, in order, for ever. Publishing needs six PUTs, looking up two or three FINDs and two to six GETs: equal shares serve both.
const MIX: [Kind; 3] = [Kind::Find, Kind::Get, Kind::Put];
/// A person's operations that wait or run; one more is refused and answered as failed.
const MAX_OPERATIONS: usize = 64;
/// Queries on their way; at 6/s and 16 s patience a hundred. One more is not sent, the tick carries a dummy.
const MAX_ON_THEIR_WAY: usize = 128;

/// Which operation a query belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Real(u64),
    Cover(u64),
    /// Fills a tick for which even the cover had nothing.
    Nobody,
}

struct OnItsWay {
    asked: Asked,
    owner: Owner,
    to: Peer,
    kind: Kind,
    half: Half,
    until: Moment,
}

pub(super) struct Utility {
    turn: usize,
    real: BTreeMap<u64, Operation>,
    /// In the order they came.
    order: VecDeque<u64>,
    cover_fetch: Option<(u64, Operation)>,
    cover_publish: Option<(u64, Operation)>,
    covers: u64,
    on_their_way: BTreeMap<[u8; POINT], OnItsWay>,
    /// Keys and targets of covers.
    cover: Stream,
    crypto: Stream,
    events: VecDeque<PersonEvent>,
}

impl Utility {
    pub fn new(cover: Stream, crypto: Stream) -> Utility {
        Utility {
            turn: 0,
            real: BTreeMap::new(),
            order: VecDeque::new(),
            cover_fetch: None,
            cover_publish: None,
            covers: 0,
            on_their_way: BTreeMap::new(),
            cover,
            crypto,
            events: VecDeque::new(),
        }
    }

    pub fn fetch(&mut self, id: u64, key: [u8; 32]) {
        self.add(
            id,
            Operation::new(Position(key), Goal::Fetch),
            PersonEvent::Fetched { id, value: None },
        );
    }

    pub fn publish(&mut self, id: u64, key: [u8; 32], value: Box<[u8; VALUE]>) {
        let operation = Operation::new(Position(key), Goal::Publish(value));
        self.add(id, operation, PersonEvent::Published { id, copies: 0 });
    }

    fn add(&mut self, id: u64, operation: Operation, refused: PersonEvent) {
        if self.real.len() >= MAX_OPERATIONS || self.real.contains_key(&id) {
            self.events.push_back(refused);
            return;
        }
        self.real.insert(id, operation);
        self.order.push_back(id);
    }

    pub fn poll(&mut self) -> Option<PersonEvent> {
        self.events.pop_front()
    }

    /// The cell of this tick. `patience`: seconds to wait for an answer on this circuit.
    pub fn next(&mut self, now: Now, lan: bool, pool: &mut Pool, patience: f64) -> UtilityForward {
        self.overdue(now, pool);
        self.keep_cover(now.unix);
        let kind = MIX[self.turn % MIX.len()];
        self.turn = (self.turn + 1) % MIX.len();
        // Drawn in any case, so that a waiting operation shifts nothing.
        let random_key = Position(self.cover.bytes());
        let random_query: [u8; 8] = self.cover.bytes();
        let Some((owner, to, request, half)) = self.choose(kind, pool, random_key, random_query)
        else {
            return UtilityForward::Dummy;
        };
        if self.on_their_way.len() >= MAX_ON_THEIR_WAY {
            return UtilityForward::Dummy;
        }
        let addr = Address::from(to.addr);
        if !addr.is_allowed(crate::wire::address::Reach::of(lan)) {
            pool.remove(&to.node);
            return UtilityForward::Dummy;
        }
        let Ok((asked, sealed)) = Asked::new(to.node, &request.encode(), &mut self.crypto) else {
            return UtilityForward::Dummy;
        };
        let until = now.at.after_seconds(patience);
        let way = OnItsWay {
            owner,
            to,
            kind,
            half,
            until,
            asked,
        };
        self.on_their_way.insert(way.asked.name(), way);
        UtilityForward::Query {
            node: to.node,
            addr,
            sealed,
        }
    }

    /// A real query of this kind if one waits, else the cover's, else a question about a random key.
    fn choose(
        &mut self,
        kind: Kind,
        pool: &Pool,
        random_key: Position,
        random_query: [u8; 8],
    ) -> Option<(Owner, Peer, Request, Half)> {
        for id in &self.order {
            if let Some((to, request, half)) = self
                .real
                .get_mut(id)
                .and_then(|op| op.next(kind, pool, &mut self.crypto))
            {
                return Some((Owner::Real(*id), to, request, half));
            }
        }
        for (id, cover) in [&mut self.cover_fetch, &mut self.cover_publish]
            .into_iter()
            .flatten()
        {
            if let Some((to, request, half)) = cover.next(kind, pool, &mut self.crypto) {
                return Some((Owner::Cover(*id), to, request, half));
            }
        }
        let (to, _) = *pool.closest(&random_key, 1, |_| true).first()?;
        let request = match kind {
            Kind::Find => Request::Find {
                query: random_query,
                key: random_key.0,
            },
            Kind::Get | Kind::Put => Request::Get {
                query: random_query,
                key: random_key.0,
                index: random_query[0] & 1,
            },
        };
        Some((Owner::Nobody, to, request, Half::First))
    }

    fn keep_cover(&mut self, unix: UnixMs) {
        if self.cover_fetch.is_none() {
            self.covers += 1;
            self.cover_fetch = Some((
                self.covers,
                Operation::new(Position(self.cover.bytes()), Goal::Fetch),
            ));
        }
        if self.cover_publish.is_none() {
            self.covers += 1;
            let (key, value) = nobodys_descriptor(&mut self.cover, unix);
            self.cover_publish = Some((self.covers, Operation::new(key, Goal::Publish(value))));
        }
    }

    fn operation(&mut self, owner: Owner) -> Option<&mut Operation> {
        match owner {
            Owner::Real(id) => self.real.get_mut(&id),
            Owner::Cover(id) => [&mut self.cover_fetch, &mut self.cover_publish]
                .into_iter()
                .flatten()
                .find(|(cover, _)| *cover == id)
                .map(|(_, operation)| operation),
            Owner::Nobody => None,
        }
    }

    /// Queries that were not answered in time.
    fn overdue(&mut self, now: Now, pool: &mut Pool) {
        let late: Vec<[u8; POINT]> = self
            .on_their_way
            .iter()
            .filter(|(_, way)| way.until <= now.at)
            .map(|(name, _)| *name)
            .collect();
        for name in late {
            if let Some(way) = self.on_their_way.remove(&name) {
                pool.silent(&way.to.node);
                if let Some(operation) = self.operation(way.owner) {
                    operation.unanswered(way.kind, &way.to.node, way.half);
                }
                self.settle(way.owner);
            }
        }
    }

    /// The circuit is gone, and with it every answer.
    pub fn circuit_gone(&mut self) {
        for (_, way) in std::mem::take(&mut self.on_their_way) {
            if let Some(operation) = self.operation(way.owner) {
                operation.lost(way.kind, &way.to.node, way.half);
            }
        }
    }

    pub fn answer(
        &mut self,
        now: Now,
        lan: bool,
        pool: &mut Pool,
        asked: &[u8; POINT],
        sealed: &[u8; SEALED],
    ) {
        let Some(way) = self.on_their_way.get(asked) else {
            return;
        };
        // A forged answer leaves the question open for the true one.
        let Ok(body) = way.asked.open(sealed) else {
            return;
        };
        let Some(way) = self.on_their_way.remove(asked) else {
            return;
        };
        pool.answered(&way.to.node);
        let answer = Answer::decode(&body).unwrap_or(Answer::Unreadable);
        let found = super::operation::learn(&answer, now.unix, lan, pool);
        if let Some(operation) = self.operation(way.owner) {
            operation.answered(way.kind, &way.to.node, way.half, &answer, &found);
        }
        self.settle(way.owner);
    }

    /// Reports what an operation came to, and ends it when nothing is left to do.
    fn settle(&mut self, owner: Owner) {
        let Some(operation) = self.operation(owner) else {
            return;
        };
        let outcome = operation.outcome();
        let over = operation.is_over();
        if let (Owner::Real(id), Some(outcome)) = (owner, outcome) {
            self.events.push_back(match outcome {
                Outcome::Fetched(value) => PersonEvent::Fetched { id, value },
                Outcome::Published(copies) => PersonEvent::Published { id, copies },
            });
        }
        if over {
            match owner {
                Owner::Real(id) => {
                    self.real.remove(&id);
                    self.order.retain(|other| *other != id);
                }
                Owner::Cover(id) => {
                    for cover in [&mut self.cover_fetch, &mut self.cover_publish] {
                        if cover.as_ref().is_some_and(|(other, _)| *other == id) {
                            *cover = None;
                        }
                    }
                }
                Owner::Nobody => {}
            }
        }
    }
}

/// A descriptor of an account that does not exist: valid to every keeper, empty to everybody.
fn nobodys_descriptor(random: &mut Stream, unix: UnixMs) -> (Position, Box<[u8; VALUE]>) {
    let signer = BlindedSigner::throwaway(random);
    let mut value: Box<[u8; VALUE]> = Box::new(random.bytes());
    value[0] = descriptor::VERSION;
    value[1..5].copy_from_slice(&unix.day().to_be_bytes());
    value[5..5 + POINT].copy_from_slice(signer.id().bytes());
    // Revisions of real descriptors are Unix milliseconds.
    value[5 + POINT..descriptor::SEALED_AT].copy_from_slice(&unix.0.to_be_bytes());
    let signature = signer.sign(&value[..descriptor::SIGNED]);
    value[descriptor::SIGNED..].copy_from_slice(&signature.0);
    (descriptor::place(&signer.id()), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_descriptor_is_valid_to_every_keeper() {
        let unix = UnixMs(1_800_000_000_000);
        let (key, value) = nobodys_descriptor(&mut Stream::from_seed([1; 32]), unix);
        let outside = descriptor::Outside::read(&value).expect("well formed");
        assert!(outside.verify(&value));
        assert_eq!((outside.place(), outside.day), (key, unix.day()));
    }
}
