//! The utility clock: each tick of the utility circuit carries one query of a fixed mix, look-up and publication in turn.
//!
//! There is always one of each under way. Where the person has none, a look-up of a random key or a publication of nobody's descriptor
//! goes on, step by step through the same code and at the same pace; answers to both fill the pool. The circuit's end sees neither kind
//! nor key, and whoever keeps values cannot tell by the pace of the questions which of the two kinds of people asks. Not here: the seals (`seal`), the far end (`forward`), and the store that answers (`node::dht`).

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

/// Whose turn it is, for ever. A tick that its own kind has nothing for (its question is on its way) goes to the other. The mix is one of
/// operations and not of single queries: with FIND, GET and PUT in turn each operation waited most of its time for ticks of the other kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    LookUp,
    Publication,
}

impl Turn {
    fn other(self) -> Turn {
        match self {
            Turn::LookUp => Turn::Publication,
            Turn::Publication => Turn::LookUp,
        }
    }

    fn is_for(self, operation: &Operation) -> bool {
        operation.publishes() == (self == Turn::Publication)
    }
}

/// A person's operations that wait or run; one more is refused and answered as failed.
const MAX_OPERATIONS: usize = 64;
/// Seconds for which the way to a key counts as known, so that who looks again because a friend has just started, or publishes where she
/// looked, needs no FINDs. Not longer, because nodes come and go.
const WAY_SECONDS: f64 = 20.0;
/// Keys whose way is remembered; the oldest is forgotten.
const MAX_WAYS: usize = 32;
/// Seconds to wait for an answer, besides so many mean gaps of the circuit's way back: before one was measured, and at least. A question that
/// was lost holds its operation up for as long as this.
const PATIENCE: f64 = 3.0;
const LEAST_PATIENCE: f64 = 0.6;
const PATIENCE_GAPS: f64 = 6.0;
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

type Chosen = (Owner, Kind, Peer, Request, Half);

struct OnItsWay {
    asked: Asked,
    owner: Owner,
    to: Peer,
    kind: Kind,
    half: Half,
    since: Moment,
    until: Moment,
}

/// How long answers take: mean and deviation in seconds.
#[derive(Clone, Copy)]
struct RoundTrip {
    mean: f64,
    deviation: f64,
}

impl RoundTrip {
    fn measured(before: Option<RoundTrip>, seconds: f64) -> RoundTrip {
        match before {
            None => RoundTrip {
                mean: seconds,
                deviation: seconds / 2.0,
            },
            Some(RoundTrip { mean, deviation }) => RoundTrip {
                mean: mean + (seconds - mean) / 8.0,
                deviation: deviation + ((seconds - mean).abs() - deviation) / 4.0,
            },
        }
    }

    /// Nothing came in time: perhaps it takes longer now.
    fn missed(&mut self) {
        self.deviation = (self.deviation * 2.0).min(PATIENCE);
    }
}

pub(super) struct Utility {
    turn: Turn,
    real: BTreeMap<u64, Operation>,
    /// In the order they came.
    order: VecDeque<u64>,
    cover_fetch: Option<(u64, Operation)>,
    cover_publish: Option<(u64, Operation)>,
    covers: u64,
    on_their_way: BTreeMap<[u8; POINT], OnItsWay>,
    round_trip: Option<RoundTrip>,
    /// Keys of real operations whose closest nodes are in the pool, and until when that is believed.
    ways: VecDeque<(Position, Moment)>,
    /// Keys and targets of covers.
    cover: Stream,
    crypto: Stream,
    events: VecDeque<PersonEvent>,
}

impl Utility {
    pub fn new(cover: Stream, crypto: Stream) -> Utility {
        Utility {
            turn: Turn::LookUp,
            real: BTreeMap::new(),
            order: VecDeque::new(),
            cover_fetch: None,
            cover_publish: None,
            covers: 0,
            on_their_way: BTreeMap::new(),
            round_trip: None,
            ways: VecDeque::new(),
            cover,
            crypto,
            events: VecDeque::new(),
        }
    }

    /// Finds out who is closest to a key that will be of use soon.
    pub fn approach(&mut self, now: Now, id: u64, key: [u8; 32]) {
        let key = Position(key);
        // One more than there may be is not missed: whoever publishes there finds the way itself.
        if !self.knows_the_way(now.at, key) && self.has_room(id) {
            self.real
                .insert(id, Operation::new(key, Goal::Approach, false));
            self.order.push_back(id);
        }
    }

    pub fn fetch(&mut self, now: Now, id: u64, key: [u8; 32]) {
        let way = self.knows_the_way(now.at, Position(key));
        let operation = Operation::new(Position(key), Goal::Fetch, way);
        self.add(id, operation, PersonEvent::Fetched { id, value: None });
    }

    pub fn publish(&mut self, now: Now, id: u64, key: [u8; 32], value: Box<[u8; VALUE]>) {
        // What is published takes the place of what was to be there: its sender has the answer to the newer one only.
        let older = self
            .real
            .iter()
            .find(|(_, operation)| operation.publishes() && operation.key() == Position(key));
        if let Some(older) = older.map(|(id, _)| *id) {
            self.real.remove(&older);
            self.order.retain(|other| *other != older);
        }
        let way = self.knows_the_way(now.at, Position(key));
        let operation = Operation::new(Position(key), Goal::Publish(value), way);
        self.add(id, operation, PersonEvent::Published { id, copies: 0 });
    }

    fn knows_the_way(&self, now: Moment, key: Position) -> bool {
        self.ways
            .iter()
            .any(|(to, until)| *to == key && now < *until)
    }

    fn remember_the_way(&mut self, now: Moment, key: Position) {
        self.ways.retain(|(to, until)| *to != key && now < *until);
        if self.ways.len() >= MAX_WAYS {
            self.ways.pop_front();
        }
        self.ways.push_back((key, now.after_seconds(WAY_SECONDS)));
        for operation in self.real.values_mut().filter(|other| other.key() == key) {
            operation.found_way();
        }
    }

    fn add(&mut self, id: u64, operation: Operation, refused: PersonEvent) {
        if !self.has_room(id) {
            self.events.push_back(refused);
            return;
        }
        self.real.insert(id, operation);
        self.order.push_back(id);
    }

    fn has_room(&self, id: u64) -> bool {
        self.real.len() < MAX_OPERATIONS && !self.real.contains_key(&id)
    }

    pub fn poll(&mut self) -> Option<PersonEvent> {
        self.events.pop_front()
    }

    /// The cell of this tick. `gap`: mean seconds between two cells back on this circuit.
    pub fn next(&mut self, now: Now, lan: bool, pool: &mut Pool, gap: f64) -> UtilityForward {
        self.overdue(now, pool);
        self.keep_cover(now.unix);
        let turn = self.turn;
        self.turn = turn.other();
        // Drawn in any case, so that a waiting operation shifts nothing.
        let random_key = Position(self.cover.bytes());
        let random_query: [u8; 8] = self.cover.bytes();
        let chosen = self
            .choose(turn, pool)
            .or_else(|| self.choose(turn.other(), pool))
            .or_else(|| anybody(turn, pool, random_key, random_query));
        let Some((owner, kind, to, request, half)) = chosen else {
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
        let way = OnItsWay {
            owner,
            to,
            kind,
            half,
            since: now.at,
            until: now.at.after_seconds(self.patience(gap)),
            asked,
        };
        self.on_their_way.insert(way.asked.name(), way);
        UtilityForward::Query {
            node: to.node,
            addr,
            sealed,
        }
    }

    fn patience(&self, gap: f64) -> f64 {
        let longest = PATIENCE + PATIENCE_GAPS * gap;
        self.round_trip.map_or(longest, |trip| {
            let usual = trip.mean + 4.0 * trip.deviation;
            usual.clamp(LEAST_PATIENCE + PATIENCE_GAPS * gap, longest)
        })
    }

    /// What the person's operations of this turn, or else its cover, want to ask next.
    fn choose(&mut self, turn: Turn, pool: &Pool) -> Option<Chosen> {
        for id in &self.order {
            if let Some(operation) = self.real.get_mut(id)
                && turn.is_for(operation)
                && let Some((kind, to, request, half)) = operation.next(pool, &mut self.crypto)
            {
                return Some((Owner::Real(*id), kind, to, request, half));
            }
        }
        let cover = match turn {
            Turn::LookUp => &mut self.cover_fetch,
            Turn::Publication => &mut self.cover_publish,
        };
        let (id, operation) = cover.as_mut()?;
        let (kind, to, request, half) = operation.next(pool, &mut self.crypto)?;
        Some((Owner::Cover(*id), kind, to, request, half))
    }

    fn keep_cover(&mut self, unix: UnixMs) {
        if self.cover_fetch.is_none() {
            self.covers += 1;
            self.cover_fetch = Some((
                self.covers,
                Operation::new(Position(self.cover.bytes()), Goal::Fetch, false),
            ));
        }
        if self.cover_publish.is_none() {
            self.covers += 1;
            let (key, value) = nobodys_descriptor(&mut self.cover, unix);
            self.cover_publish = Some((
                self.covers,
                Operation::new(key, Goal::Publish(value), false),
            ));
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
                if let Some(trip) = &mut self.round_trip {
                    trip.missed();
                }
                if let Some(operation) = self.operation(way.owner) {
                    operation.unanswered(way.kind, &way.to.node, way.half);
                }
                self.settle(way.owner);
            }
        }
    }

    /// The circuit is gone, and with it every answer.
    pub fn circuit_gone(&mut self) {
        self.round_trip = None;
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
        let seconds = now.at.since(way.since).as_secs_f64();
        self.round_trip = Some(RoundTrip::measured(self.round_trip, seconds));
        let answer = Answer::decode(&body).unwrap_or(Answer::Unreadable);
        let found = super::operation::learn(&answer, now.unix, lan, pool);
        if let Some(operation) = self.operation(way.owner) {
            operation.answered(way.kind, &way.to.node, way.half, &answer, &found);
            if way.kind == Kind::Find && operation.knows_the_way() {
                let key = operation.key();
                if let Owner::Real(_) = way.owner {
                    self.remember_the_way(now.at, key);
                }
            }
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
            match outcome {
                Outcome::Approached => {}
                Outcome::Fetched(value) => {
                    self.events.push_back(PersonEvent::Fetched { id, value })
                }
                Outcome::Published(copies) => {
                    self.events.push_back(PersonEvent::Published { id, copies })
                }
            }
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

/// A question about a random key, where neither operation has one to ask.
fn anybody(turn: Turn, pool: &Pool, random_key: Position, random_query: [u8; 8]) -> Option<Chosen> {
    let nearest = pool.closest(&random_key, 1, |_| true);
    let nearest = nearest.first().map(|(peer, _)| *peer);
    let to = nearest.or_else(|| pool.without_place(|_| true))?;
    let (kind, request) = match turn {
        Turn::LookUp => (
            Kind::Find,
            Request::Find {
                query: random_query,
                key: random_key.0,
            },
        ),
        Turn::Publication => (
            Kind::Get,
            Request::Get {
                query: random_query,
                key: random_key.0,
                index: random_query[0] & 1,
            },
        ),
    };
    Some((Owner::Nobody, kind, to, request, Half::First))
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
