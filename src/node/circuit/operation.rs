//! One look-up or publication, step by step: FINDs until nobody names closer nodes, then GETs or PUTs at the closest.

use std::collections::BTreeSet;

use super::pool::Pool;
use crate::crypto::id::NodeId;
use crate::crypto::random::Stream;
use crate::wire::peer::Peer;
use crate::wire::position::{Distance, Position};
use crate::wire::query::{Answer, Put, Refusal, Request, TTL_HOURS_MAX};
use crate::wire::record::NodeRecord;
use crate::wire::size::{CHUNK, VALUE};
use crate::wire::time::UnixMs;

mod replica;

pub(super) use replica::Half;
use replica::{Part, Replica, VOICES, Verdict, count, newest, revision, to_get, to_put};

/// Nodes that are asked for a value or given it; the ring copies it to eight.
const REPLICAS: usize = 3;
/// FINDs of one operation: two do with a full pool.
const MAX_FINDS: u8 = 8;
/// Stored copies that are reported at once; the operation goes on to the rest in silence.
const ENOUGH_COPIES: u8 = 2;
/// Whole attempts before a look-up or publication is given up.
const ATTEMPTS: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Find,
    Get,
    Put,
}

pub(super) enum Goal {
    /// Only who is closest: somebody will look up or publish there soon.
    Approach,
    Fetch,
    Publish(Box<[u8; VALUE]>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Approached,
    Fetched(Option<Box<[u8; VALUE]>>),
    Published(u8),
}

enum Phase {
    Finding {
        asked: BTreeSet<NodeId>,
        waiting: bool,
        finds: u8,
        best: Option<Distance>,
    },
    Working(Vec<Replica>),
    Over,
}

pub(super) struct Operation {
    key: Position,
    goal: Goal,
    phase: Phase,
    knows_the_way: bool,
    attempts: u8,
    reported: bool,
    outcome: Option<Outcome>,
}

fn finding() -> Phase {
    Phase::Finding {
        asked: BTreeSet::new(),
        waiting: false,
        finds: 0,
        best: None,
    }
}

/// Takes the records of a FIND answer into the pool, verified. Gives who they are and where.
pub(super) fn learn(
    answer: &Answer,
    unix: UnixMs,
    lan: bool,
    pool: &mut Pool,
) -> Vec<(NodeId, Position)> {
    let Answer::Find(find) = answer else {
        return Vec::new();
    };
    let mut places = Vec::new();
    for bytes in &find.straddling {
        let Ok(record) = NodeRecord::decode(bytes) else {
            continue;
        };
        if record.verify(unix, lan).is_ok() {
            pool.insert(record.peer(), record.position());
            places.push((record.node(), record.position()));
        }
    }
    places
}

impl Operation {
    /// With the `way` known, because it was found a moment ago, the first attempt does without FINDs.
    pub fn new(key: Position, goal: Goal, way: bool) -> Operation {
        let phase = if way {
            Phase::Working(Vec::new())
        } else {
            finding()
        };
        Operation {
            key,
            goal,
            phase,
            knows_the_way: way,
            attempts: 1,
            reported: false,
            outcome: None,
        }
    }

    /// The next query, if the operation has one to make now.
    pub fn next(
        &mut self,
        pool: &Pool,
        random: &mut Stream,
    ) -> Option<(Kind, Peer, Request, Half)> {
        self.settle_replicas(pool, random);
        match (&mut self.phase, &self.goal) {
            (
                Phase::Finding {
                    asked,
                    waiting,
                    finds,
                    best,
                },
                _,
            ) if !*waiting => {
                let new = |node: &NodeId| !asked.contains(node);
                let nearest = pool
                    .closest(&self.key, 1, new)
                    .first()
                    .map(|(peer, _)| *peer);
                let Some(peer) = nearest.or_else(|| pool.without_place(new)) else {
                    // Everybody was asked: to work with what is known, or from the start.
                    match (best, asked.is_empty()) {
                        (Some(_), _) => self.found_way(),
                        (None, false) => self.try_again(),
                        (None, true) => {}
                    }
                    return None;
                };
                asked.insert(peer.node);
                *waiting = true;
                *finds += 1;
                Some((
                    Kind::Find,
                    peer,
                    Request::Find {
                        query: random.bytes(),
                        key: self.key.0,
                    },
                    Half::First,
                ))
            }
            (Phase::Working(replicas), Goal::Fetch) => {
                let (replica, half) = to_get(replicas)?;
                replica.parts[usize::from(half.index())] = Part::Asked;
                let request = Request::Get {
                    query: replica.query,
                    key: self.key.0,
                    index: half.index(),
                };
                Some((Kind::Get, replica.peer, request, half))
            }
            (Phase::Working(replicas), Goal::Publish(value)) => {
                let (replica, half) = to_put(replicas)?;
                replica.parts[usize::from(half.index())] = Part::Asked;
                let at = usize::from(half.index()) * CHUNK;
                let mut chunk = [0; CHUNK];
                chunk.copy_from_slice(&value[at..at + CHUNK]);
                let put = Put {
                    query: replica.query,
                    key: self.key.0,
                    index: half.index(),
                    ttl: TTL_HOURS_MAX,
                    revision: revision(value),
                    chunk,
                };
                Some((Kind::Put, replica.peer, Request::Put(put), half))
            }
            _ => None,
        }
    }

    fn replica(&mut self, node: &NodeId) -> Option<&mut Replica> {
        match &mut self.phase {
            Phase::Working(replicas) => replicas
                .iter_mut()
                .find(|replica| replica.peer.node == *node),
            Phase::Finding { .. } | Phase::Over => None,
        }
    }

    /// An answer to a query of this operation; `found` is whom a FIND answer named.
    pub fn answered(
        &mut self,
        kind: Kind,
        node: &NodeId,
        half: Half,
        answer: &Answer,
        found: &[(NodeId, Position)],
    ) {
        if kind == Kind::Find {
            if let Phase::Finding { waiting, best, .. } = &mut self.phase {
                *waiting = false;
                let nearest = found
                    .iter()
                    .map(|(_, place)| place.distance(&self.key))
                    .min();
                let closer = match (nearest, *best) {
                    (Some(near), Some(best)) => near < best,
                    (Some(_), None) => true,
                    (None, _) => false,
                };
                if closer {
                    *best = nearest;
                }
                // Who straddles the key itself knows its neighbours best.
                let arrived = found.iter().any(|(named, _)| named == node);
                self.found(closer && !arrived);
            }
            return;
        }
        let publishing = matches!(self.goal, Goal::Publish(_));
        let Some(replica) = self.replica(node) else {
            return;
        };
        let part = &mut replica.parts[usize::from(half.index())];
        match answer {
            Answer::Chunk {
                query,
                index,
                revision,
                chunk,
                ..
            } if !publishing && *query == replica.query && *index == half.index() => {
                *part = Part::Done(Some((*revision, Box::new(*chunk))));
            }
            Answer::NoValue { query, .. } if !publishing && *query == replica.query => {
                replica.verdict = Verdict::Absent
            }
            Answer::Half { query, .. } if publishing && *query == replica.query => {
                *part = Part::Done(None)
            }
            Answer::Stored { query, .. } if publishing && *query == replica.query => {
                *part = Part::Done(None);
                replica.verdict = Verdict::Stored;
            }
            Answer::Refused {
                why: Refusal::Busy, ..
            } => replica.again(half),
            _ => replica.verdict = Verdict::Failed,
        }
        // Both halves given and yet not stored: the keeper forgot the first. Once more.
        if publishing
            && replica.verdict == Verdict::Open
            && replica
                .parts
                .iter()
                .all(|part| matches!(part, Part::Done(_)))
        {
            replica.again(Half::First);
            replica.again(Half::Second);
        }
        self.judge();
    }

    /// No answer came in time.
    pub fn unanswered(&mut self, kind: Kind, node: &NodeId, half: Half) {
        if kind == Kind::Find {
            if let Phase::Finding { waiting, .. } = &mut self.phase {
                *waiting = false;
                self.found(false);
            }
            return;
        }
        if let Some(replica) = self.replica(node) {
            replica.again(half);
        }
        self.judge();
    }

    /// The circuit broke: the query is made again, at nobody's expense.
    pub fn lost(&mut self, kind: Kind, node: &NodeId, half: Half) {
        if let (
            Kind::Find,
            Phase::Finding {
                asked,
                waiting,
                finds,
                ..
            },
        ) = (kind, &mut self.phase)
        {
            asked.remove(node);
            *waiting = false;
            *finds = finds.saturating_sub(1);
        } else if let Some(replica) = self.replica(node) {
            replica.parts[usize::from(half.index())] = Part::Todo;
        }
    }

    /// After a FIND: on, or to work if the last answer named nobody closer.
    fn found(&mut self, closer: bool) {
        let Phase::Finding { finds, best, .. } = &self.phase else {
            return;
        };
        if best.is_some() && !closer || *finds >= MAX_FINDS {
            if best.is_some() {
                self.found_way();
            } else {
                self.try_again();
            }
        }
    }

    /// The FINDs are done, or somebody else's for this key.
    pub fn found_way(&mut self) {
        if let Phase::Finding { .. } = self.phase {
            self.knows_the_way = true;
            match self.goal {
                Goal::Approach => self.end(Outcome::Approached),
                Goal::Fetch | Goal::Publish(_) => self.phase = Phase::Working(Vec::new()),
            }
        }
    }

    /// Chooses the replicas, when the pool holds the last answer's records.
    fn settle_replicas(&mut self, pool: &Pool, random: &mut Stream) {
        let Phase::Working(replicas) = &mut self.phase else {
            return;
        };
        if replicas.is_empty() {
            let mut closest = pool.closest(&self.key, REPLICAS, |_| true);
            // Not always the same one first: an old or lying replica would win each time.
            random.shuffle(&mut closest);
            *replicas = closest
                .into_iter()
                .map(|(peer, _)| Replica::new(peer, random.bytes()))
                .collect();
        }
    }

    fn try_again(&mut self) {
        if self.attempts >= ATTEMPTS {
            self.end(match self.goal {
                Goal::Approach => Outcome::Approached,
                Goal::Fetch => Outcome::Fetched(None),
                Goal::Publish(_) => Outcome::Published(0),
            });
        } else {
            self.attempts += 1;
            self.phase = finding();
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.report(outcome);
        self.phase = Phase::Over;
    }

    fn report(&mut self, outcome: Outcome) {
        if !self.reported {
            self.reported = true;
            self.outcome = Some(outcome);
        }
    }

    /// Looks at what the replicas said.
    fn judge(&mut self) {
        let key = self.key;
        let Phase::Working(replicas) = &mut self.phase else {
            return;
        };
        match self.goal {
            // It has no replicas.
            Goal::Approach => {}
            Goal::Fetch => {
                for replica in replicas.iter_mut() {
                    replica.join(&key);
                }
                let all = replicas.len();
                let fresh = replicas.iter().filter(|r| r.is_fresh()).count();
                let absent = count(replicas, Verdict::Absent);
                let enough = fresh == 0 || all - fresh >= VOICES;
                let nothing = fresh == 0 && absent >= VOICES.min(all) && all > 0;
                let newest = newest(replicas);
                let found = newest.filter(|_| enough);
                if let Some(value) = found.and_then(|at| replicas[at].whole.take()) {
                    self.end(Outcome::Fetched(Some(value)));
                } else if nothing && newest.is_none() {
                    self.end(Outcome::Fetched(None));
                } else if count(replicas, Verdict::Open) == 0 {
                    self.try_again();
                }
            }
            Goal::Publish(_) => {
                let stored = count(replicas, Verdict::Stored) as u8;
                let open = count(replicas, Verdict::Open);
                if open > 0 {
                    if stored >= ENOUGH_COPIES {
                        self.report(Outcome::Published(stored));
                    }
                } else if stored > 0 {
                    self.end(Outcome::Published(stored));
                } else {
                    self.try_again();
                }
            }
        }
    }

    pub fn key(&self) -> Position {
        self.key
    }

    /// Whether FINDs have led to the nodes closest to the key.
    pub fn knows_the_way(&self) -> bool {
        self.knows_the_way
    }

    pub fn publishes(&self) -> bool {
        matches!(self.goal, Goal::Publish(_))
    }

    /// What to report, once.
    pub fn outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }
}

#[cfg(test)]
mod tests;
