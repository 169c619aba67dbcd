//! Values kept for others: signed descriptors, each on the eight nodes closest to its key.
//!
//! A value is taken only if its blinded key signed it and its place is the key. The newest revision wins; of two values of one
//! revision the first stays. What this node sends on, and to whom, is one value or chaff in each leaf exchange: what lies on the
//! shelf never shows. Not here: who may ask (`circuit` opens sealed requests), what is inside a value (`messenger`).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::crypto::id::NodeId;
use crate::wire::descriptor::Outside;
use crate::wire::dht::StoreCell;
use crate::wire::position::Position;
use crate::wire::query::{
    Answer, FindAnswer, POSITION_PREFIX, POSITIONS_MAX, Put, Refusal, Request, TTL_HOURS_MAX,
};
use crate::wire::record::NodeRecord;
use crate::wire::size::{CHUNK, QUERY, VALUE};
use crate::wire::time::{Moment, Now};

use super::admission::make_room;
use super::members::{Health, LEAVES_PER_SIDE, Members, nearness};

/// Values on one node: 2.3 MB. When the shelf is full the value furthest from this node goes, never the newest.
pub const VALUES_MAX: usize = 4096;
/// Copies of a value.
const REPLICAS: usize = 8;
/// A value is refused where so many nodes are known to lie nearer to its key: twice the replicas, since tables differ.
const NEARER_MAX: usize = 2 * LEAVES_PER_SIDE;
/// Values of which one half has come; the oldest falls out.
const HALVES_MAX: usize = 256;
/// How long half a value waits for the other. A person's utility circuit sends a cell every two seconds, and not all are hers.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// Signature checks of values per second, apart from those of records: strangers' questions must not slow the ring's own.
const CHECKS_PER_SECOND: f64 = 20.0;
const CHECKS_AT_ONCE: f64 = 60.0;
/// Nodes remembered as told of a value: the replicas, and as many that came and went; the oldest falls out.
const TOLD_MAX: usize = 24;
/// Values looked at for one leaf exchange, so that a full shelf costs no more time than this.
const SCAN_MAX: usize = 512;
/// Descriptors are published for today and up to 15 days ahead; one more for clocks that differ, and two back.
const DAYS_AHEAD: u32 = 17;
const DAYS_BACK: u32 = 2;

struct Held {
    value: Box<[u8; VALUE]>,
    revision: u64,
    expires: Moment,
    /// Nodes this value was sent to.
    told: Vec<NodeId>,
}

/// What a look along the shelf found.
struct Chosen {
    chosen: Option<[u8; 32]>,
    /// Where the look ended, if not at its beginning.
    scanned: Option<[u8; 32]>,
}

/// Who sends the halves of one value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sender {
    /// A sealed request: key and query id.
    Query([u8; 32], [u8; 8]),
    /// A member: its name and the train's number.
    Member(NodeId, u64),
}

struct Half {
    index: u8,
    chunk: [u8; CHUNK],
    since: Moment,
}

pub(super) struct Shelf {
    values: BTreeMap<[u8; 32], Held>,
    halves: BTreeMap<Sender, Half>,
    /// Where the round over the values stands.
    cursor: [u8; 32],
    checks: f64,
    refilled: Moment,
}

impl Shelf {
    pub fn new() -> Shelf {
        Shelf {
            values: BTreeMap::new(),
            halves: BTreeMap::new(),
            cursor: [0; 32],
            checks: CHECKS_AT_ONCE,
            refilled: Moment(0),
        }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn sweep(&mut self, now: Now) {
        self.values.retain(|_, held| held.expires > now.at);
        self.halves
            .retain(|_, half| now.at.since(half.since) < HALF_LIFE);
    }

    fn get(&self, key: &[u8; 32], now: Moment) -> Option<&Held> {
        self.values.get(key).filter(|held| held.expires > now)
    }

    /// Both halves in order, once the second has come.
    fn join(
        &mut self,
        now: Now,
        sender: Sender,
        index: u8,
        chunk: &[u8; CHUNK],
    ) -> Option<Box<[u8; VALUE]>> {
        if let Some(other) = self.halves.get(&sender)
            && other.index != index
            && now.at.since(other.since) < HALF_LIFE
        {
            let mut value = Box::new([0; VALUE]);
            let (own_at, other_at) = (usize::from(index) * CHUNK, usize::from(other.index) * CHUNK);
            value[own_at..own_at + CHUNK].copy_from_slice(chunk);
            value[other_at..other_at + CHUNK].copy_from_slice(&other.chunk);
            self.halves.remove(&sender);
            return Some(value);
        }
        if !self.halves.contains_key(&sender) {
            make_room(&mut self.halves, HALVES_MAX, |half| half.since);
        }
        let half = Half {
            index,
            chunk: *chunk,
            since: now.at,
        };
        self.halves.insert(sender, half);
        None
    }

    fn spend(&mut self, now: Moment) -> bool {
        let passed = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.checks = (self.checks + passed * CHECKS_PER_SECOND).min(CHECKS_AT_ONCE);
        if self.checks < 1.0 {
            return false;
        }
        self.checks -= 1.0;
        true
    }

    /// The one way onto the shelf.
    fn put(
        &mut self,
        now: Now,
        value: Box<[u8; VALUE]>,
        life: Duration,
        members: &Members,
        from: Option<NodeId>,
    ) -> Result<Position, Refusal> {
        let outside = Outside::read(&value).map_err(|_| Refusal::Invalid)?;
        let key = outside.place();
        let today = now.unix.day();
        let in_time = outside.day.saturating_add(DAYS_BACK) >= today
            && outside.day <= today.saturating_add(DAYS_AHEAD);
        let longest = Duration::from_secs(u64::from(TTL_HOURS_MAX) * 3600);
        if !in_time || life.is_zero() || life > longest {
            return Err(Refusal::Invalid);
        }
        if members.count_nearer(&key, &members.own(), NEARER_MAX) >= NEARER_MAX {
            return Err(Refusal::NotClose);
        }
        let expires = now.at + life;
        if let Some(held) = self.values.get_mut(&key.0) {
            if held.value == value {
                held.expires = held.expires.max(expires);
                if let Some(node) = from {
                    tell(&mut held.told, node);
                }
                return Ok(key);
            }
            if outside.revision <= held.revision {
                return Err(Refusal::Older);
            }
        }
        if !self.spend(now.at) {
            return Err(Refusal::Busy);
        }
        if !outside.verify(&value) {
            return Err(Refusal::Invalid);
        }
        if !self.values.contains_key(&key.0) && self.values.len() >= VALUES_MAX {
            let own = members.own();
            let furthest = self
                .values
                .keys()
                .max_by_key(|k| nearness(&Position(**k), &own))
                .copied();
            match furthest {
                Some(far) if nearness(&Position(far), &own) > nearness(&key, &own) => {
                    self.values.remove(&far);
                }
                _ => return Err(Refusal::Busy),
            }
        }
        let held = Held {
            value,
            revision: outside.revision,
            expires,
            told: from.into_iter().collect(),
        };
        self.values.insert(key.0, held);
        Ok(key)
    }

    /// Half a value from a member.
    pub fn take_half(&mut self, now: Now, from: NodeId, cell: &StoreCell, members: &Members) {
        if !cell.real {
            return;
        }
        let sender = Sender::Member(from, cell.train);
        if let Some(value) = self.join(now, sender, cell.index, &cell.chunk) {
            let life = Duration::from_secs(u64::from(cell.ttl));
            // A refusal tells the sender nothing: it would be a question about this shelf.
            let _ = self.put(now, value, life, members, Some(from));
        }
    }

    /// The two cells of a leaf exchange: a value that belongs with this member, or chaff. Values it was never sent go first, then
    /// all in turn, since nothing says that a cell arrived.
    pub fn due_for(
        &mut self,
        now: Now,
        member: &NodeId,
        train: u64,
        members: &Members,
    ) -> [StoreCell; 2] {
        let place = members.find(member);
        let key = place.and_then(|place| {
            let choice = self.choose(now.at, member, &place, members);
            // The round goes on even if nothing belongs with this member.
            if let (None, Some(scanned)) = (choice.chosen, choice.scanned) {
                self.cursor = scanned;
            }
            choice.chosen
        });
        let mut cells = [0, 1].map(|index| StoreCell {
            real: false,
            train,
            index,
            ttl: 0,
            chunk: [0; CHUNK],
        });
        if let Some(key) = key
            && let Some(held) = self.values.get_mut(&key)
        {
            tell(&mut held.told, *member);
            self.cursor = key;
            let life = held.expires.since(now.at).as_secs();
            for (cell, chunk) in cells.iter_mut().zip(held.value.chunks_exact(CHUNK)) {
                cell.real = true;
                cell.ttl = u32::try_from(life).unwrap_or(u32::MAX);
                cell.chunk.copy_from_slice(chunk);
            }
        }
        cells
    }

    fn choose(&self, now: Moment, member: &NodeId, place: &Position, members: &Members) -> Chosen {
        let belongs = |(key, held): &(&[u8; 32], &Held)| {
            held.expires > now + Duration::from_secs(1)
                && members.count_nearer(&Position(**key), place, REPLICAS) < REPLICAS
        };
        let behind = (
            std::ops::Bound::Excluded(self.cursor),
            std::ops::Bound::Unbounded,
        );
        let round = || {
            self.values
                .range(behind)
                .chain(self.values.range(..=self.cursor))
                .take(SCAN_MAX)
                .filter(belongs)
        };
        let new = round().find(|(_, held)| !held.told.contains(member));
        let chosen = new.or_else(|| round().next()).map(|(key, _)| *key);
        let scanned = self
            .values
            .range(behind)
            .chain(self.values.range(..=self.cursor))
            .nth(SCAN_MAX - 1)
            .map(|(key, _)| *key);
        Chosen { chosen, scanned }
    }
}

fn tell(told: &mut Vec<NodeId>, node: NodeId) {
    if !told.contains(&node) {
        if told.len() >= TOLD_MAX {
            told.remove(0);
        }
        told.push(node);
    }
}

/// Answers FIND, GET and PUT. `own` is this node's record once it is a member of the ring.
pub(super) fn answer(
    shelf: &mut Shelf,
    now: Now,
    request: &[u8; QUERY],
    members: &Members,
    own: Option<&NodeRecord>,
) -> [u8; QUERY] {
    let answer = match Request::decode(request) {
        Err(_) => Answer::Unreadable,
        Ok(Request::Find { key, .. }) => Answer::Find(find(&Position(key), members, own)),
        Ok(Request::Get { query, key, index }) => match shelf.get(&key, now.at) {
            None => Answer::NoValue { query, key },
            Some(held) => {
                let mut chunk = [0; CHUNK];
                chunk.copy_from_slice(&held.value[usize::from(index) * CHUNK..][..CHUNK]);
                let hours = held.expires.since(now.at).as_secs().div_ceil(3600);
                Answer::Chunk {
                    query,
                    key,
                    index,
                    ttl: u16::try_from(hours).unwrap_or(TTL_HOURS_MAX),
                    revision: held.revision as u32,
                    chunk,
                }
            }
        },
        Ok(Request::Put(put)) => take(shelf, now, &put, members, own.is_some()),
    };
    answer.encode()
}

fn take(shelf: &mut Shelf, now: Now, put: &Put, members: &Members, ready: bool) -> Answer {
    let (query, key) = (put.query, put.key);
    let refused = |why| Answer::Refused { query, key, why };
    if !ready {
        return refused(Refusal::NotClose);
    }
    if put.ttl == 0 || put.ttl > TTL_HOURS_MAX {
        return refused(Refusal::Invalid);
    }
    let Some(value) = shelf.join(now, Sender::Query(key, query), put.index, &put.chunk) else {
        return Answer::Half { query, key };
    };
    let claims_hold = Outside::read(&value)
        .is_ok_and(|outside| outside.place().0 == key && outside.revision as u32 == put.revision);
    if !claims_hold {
        return refused(Refusal::Invalid);
    }
    let life = Duration::from_secs(u64::from(put.ttl) * 3600);
    match shelf.put(now, value, life, members, None) {
        Ok(_) => Answer::Stored { query, key },
        Err(why) => refused(why),
    }
}

/// The nodes on both sides of the key, and positions around it.
fn find(key: &Position, members: &Members, own: Option<&NodeRecord>) -> FindAnswer {
    let mut around: BTreeMap<Position, &NodeRecord> = members
        .iter()
        .filter(|(_, m)| m.health == Health::Good)
        .map(|(p, m)| (*p, &m.record))
        .collect();
    if let Some(own) = own {
        around.insert(own.position(), own);
    }
    // At or before the key, then after it, round the ring.
    let before = around
        .range(..=key)
        .next_back()
        .or_else(|| around.last_key_value());
    let after = around
        .range((std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded))
        .next()
        .or_else(|| around.first_key_value());
    let mut straddling: Vec<_> = before.iter().map(|(_, r)| r.bytes()).collect();
    if let (Some((first, _)), Some((second, record))) = (before, after)
        && first != second
    {
        straddling.push(record.bytes());
    }
    let mut nearest: Vec<Position> = around.keys().copied().collect();
    nearest.sort_by_key(|p| nearness(p, key));
    nearest.truncate(POSITIONS_MAX);
    nearest.sort();
    let positions = nearest
        .iter()
        .map(|p| {
            let mut prefix = [0; POSITION_PREFIX];
            prefix.copy_from_slice(&p.0[..POSITION_PREFIX]);
            prefix
        })
        .collect();
    FindAnswer {
        straddling,
        positions,
    }
}
