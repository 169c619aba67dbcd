//! The nodes this one knows by own round trips: leaf set and prefix table, and where a key goes from here.
//!
//! Both views are of one ordered map, so that a lost leaf is refilled from the table and the other way round. A member that
//! stands in neither is forgotten. Not here: who may become a member (`admission`), and when members are asked (`upkeep`).

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use crate::crypto::id::NodeId;
use crate::wire::address::Address;
use crate::wire::position::{Distance, Position};
use crate::wire::record::NodeRecord;
use crate::wire::time::Moment;

use super::rto::Rto;

/// Members on each side of the leaf set: as many as a value has keepers.
pub const LEAVES_PER_SIDE: usize = 8;
/// Rows of the prefix table. 16 digits tell 2^64 nodes apart; deeper rows belong to the leaf set.
pub const ROWS: usize = 16;
/// At most so many of one /24 (IPv6 /48) in a row, and in the table. One operator shall not own a row.
const SUBNET_PER_ROW: usize = 2;
const SUBNET_IN_TABLE: usize = 3;
/// Leaf set and table when full: a bound that follows from the two above.
pub const MEMBERS_MAX: usize = 2 * LEAVES_PER_SIDE + ROWS * 15;

/// What is believed of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// One answer is late: not used as an intermediate hop, still an owner.
    Doubtful,
    /// Patience is over: used for nothing, asked again until then, and removed if it stays silent.
    Suspect {
        until: Moment,
    },
}

pub(super) struct Member {
    pub record: NodeRecord,
    pub rto: Rto,
    pub health: Health,
    /// Last own round trip.
    pub heard: Moment,
    /// What carrying for others taught: read when carrying for others, and by nothing else.
    pub shunned: Shunned,
}

/// A member that did not answer in time when something was carried through it for others. It is not evidence for this node's own
/// tables and clocks, which strangers' look-ups must not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shunned {
    pub as_hop: Moment,
    pub as_owner: Moment,
}

impl Shunned {
    pub const NOT: Shunned = Shunned {
        as_hop: Moment(0),
        as_owner: Moment(0),
    };
}

/// Where a key goes from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This node owns the key.
    Here,
    /// `deciding`: the leaf set covers the key, so the next hop is the owner as far as we know.
    Hop { position: Position, deciding: bool },
}

pub(super) struct Members {
    own: Position,
    lan: bool,
    by_position: BTreeMap<Position, Member>,
    by_node: BTreeMap<NodeId, Position>,
    table: BTreeMap<(u8, u8), Position>,
}

impl Members {
    pub fn new(own: Position, lan: bool) -> Members {
        Members {
            own,
            lan,
            by_position: BTreeMap::new(),
            by_node: BTreeMap::new(),
            table: BTreeMap::new(),
        }
    }

    pub fn own(&self) -> Position {
        self.own
    }

    pub fn len(&self) -> usize {
        self.by_position.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_position.is_empty()
    }

    pub fn get(&self, position: &Position) -> Option<&Member> {
        self.by_position.get(position)
    }

    pub fn get_mut(&mut self, position: &Position) -> Option<&mut Member> {
        self.by_position.get_mut(position)
    }

    pub fn find(&self, node: &NodeId) -> Option<Position> {
        self.by_node.get(node).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Position, &Member)> {
        self.by_position.iter()
    }

    /// The member whose position starts with these bytes.
    pub fn with_prefix(&self, prefix: &[u8; 8]) -> Option<&Member> {
        let (from, to) = prefix_range(prefix);
        self.by_position.range(from..=to).next().map(|(_, m)| m)
    }

    fn after(&self) -> impl Iterator<Item = &Position> {
        let beyond = self.by_position.range((Excluded(self.own), Unbounded));
        beyond
            .chain(self.by_position.range(..self.own))
            .map(|(p, _)| p)
    }

    fn before(&self) -> impl Iterator<Item = &Position> {
        let below = self.by_position.range(..self.own).rev();
        below
            .chain(
                self.by_position
                    .range((Excluded(self.own), Unbounded))
                    .rev(),
            )
            .map(|(p, _)| p)
    }

    /// The leaf set, nearest first on each side, without repetition.
    pub fn leaves(&self) -> Vec<Position> {
        let mut leaves: Vec<Position> = self.after().take(LEAVES_PER_SIDE).copied().collect();
        for position in self.before().take(LEAVES_PER_SIDE) {
            if !leaves.contains(position) {
                leaves.push(*position);
            }
        }
        leaves
    }

    /// Whether a node there stands, or would stand, in the leaf set.
    pub fn is_leaf_place(&self, position: &Position) -> bool {
        let clockwise = self.own.clockwise_to(position);
        let counter = position.clockwise_to(&self.own);
        let nearer_after = self
            .after()
            .take(LEAVES_PER_SIDE)
            .filter(|p| self.own.clockwise_to(p) < clockwise)
            .count();
        let nearer_before = self
            .before()
            .take(LEAVES_PER_SIDE)
            .filter(|p| p.clockwise_to(&self.own) < counter)
            .count();
        nearer_after < LEAVES_PER_SIDE || nearer_before < LEAVES_PER_SIDE
    }

    fn slot(&self, position: &Position) -> Option<(u8, u8)> {
        let row = self.own.common_digits(position);
        (row < ROWS).then(|| (row as u8, position.digit(row)))
    }

    /// Whether a node there would be of use: a place in the leaf set or an empty slot of the table.
    pub fn is_promising(&self, position: &Position) -> bool {
        *position != self.own
            && (self.is_leaf_place(position)
                || self
                    .slot(position)
                    .is_some_and(|slot| !self.table.contains_key(&slot)))
    }

    /// Positions in one row of the table.
    pub fn row(&self, row: u8) -> impl Iterator<Item = &Position> {
        self.table.range((row, 0)..=(row, 15)).map(|(_, p)| p)
    }

    /// The deepest row with an entry.
    pub fn top_row(&self) -> u8 {
        self.table.last_key_value().map_or(0, |((row, _), _)| *row)
    }

    /// Takes a node in whose round trip was measured. Returns whether it is a member now, and who had to go.
    pub fn insert(&mut self, record: NodeRecord, rto: Rto, now: Moment) -> (bool, Vec<Position>) {
        self.insert_at(record.position(), record, rto, now)
    }

    fn insert_at(
        &mut self,
        position: Position,
        record: NodeRecord,
        rto: Rto,
        now: Moment,
    ) -> (bool, Vec<Position>) {
        if position == self.own {
            return (false, Vec::new());
        }
        let mut gone = Vec::new();
        if let Some(old) = self.find(&record.node())
            && old != position
        {
            self.remove(&old);
            gone.push(old);
        }
        if let Some(member) = self.by_position.get_mut(&position) {
            if member.record.node() == record.node() {
                member.record = record;
            }
            return (true, gone);
        }
        let member = Member {
            record,
            rto,
            health: Health::Good,
            heard: now,
            shunned: Shunned::NOT,
        };
        self.by_node.insert(record.node(), position);
        self.by_position.insert(position, member);
        self.offer_to_table(position);
        gone.extend(self.trim());
        (self.by_position.contains_key(&position), gone)
    }

    pub fn remove(&mut self, position: &Position) -> Option<Member> {
        let member = self.by_position.remove(position)?;
        self.by_node.remove(&member.record.node());
        if let Some(slot) = self.slot(position)
            && self.table.get(&slot) == Some(position)
        {
            self.table.remove(&slot);
            let heirs: Vec<Position> = self.by_position.keys().copied().collect();
            for heir in heirs {
                if self.slot(&heir) == Some(slot) {
                    self.offer_to_table(heir);
                }
            }
        }
        Some(member)
    }

    /// An empty slot is taken; a full one changes hands only for a nearer class of round trip.
    fn offer_to_table(&mut self, position: Position) {
        let Some(slot) = self.slot(&position) else {
            return;
        };
        if let Some(holder) = self.table.get(&slot) {
            let class_of = |p: &Position| {
                self.by_position
                    .get(p)
                    .map_or(u32::MAX, |member| member.rto.class())
            };
            if *holder == position || class_of(&position) >= class_of(holder) {
                return;
            }
        }
        if !self.lan && !self.subnet_has_room(slot, &position) {
            return;
        }
        self.table.insert(slot, position);
    }

    fn subnet_has_room(&self, slot: (u8, u8), position: &Position) -> bool {
        let subnet_of = |p: &Position| self.by_position.get(p).map(|m| subnet(&m.record.address()));
        let own = subnet_of(position);
        let alike = |(at, p): &(&(u8, u8), &Position)| **at != slot && subnet_of(p) == own;
        let in_table = self.table.iter().filter(alike).count();
        let in_row = self
            .table
            .range((slot.0, 0)..=(slot.0, 15))
            .filter(alike)
            .count();
        in_table < SUBNET_IN_TABLE && in_row < SUBNET_PER_ROW
    }

    /// Forgets members that stand neither in the leaf set nor in the table.
    fn trim(&mut self) -> Vec<Position> {
        if self.by_position.len() <= 2 * LEAVES_PER_SIDE {
            return Vec::new();
        }
        let leaves = self.leaves();
        let useless: Vec<Position> = self
            .by_position
            .keys()
            .filter(|p| {
                !leaves.contains(p) && self.slot(p).and_then(|s| self.table.get(&s)) != Some(p)
            })
            .copied()
            .collect();
        for position in &useless {
            self.remove(position);
        }
        useless
    }

    /// Where a key goes from here, passing over the nodes in `tried` and, if it is carried for others (`foreign`: the time now),
    /// those shunned. Every hop is nearer to the key than this node, so a message cannot go round in a circle.
    pub fn next(&self, key: &Position, tried: &[NodeId], foreign: Option<Moment>) -> Next {
        let mine = nearness(&self.own, key);
        let open = |position: &Position, doubtful: bool| {
            self.by_position.get(position).is_some_and(|m| {
                let healthy = m.health == Health::Good || doubtful && m.health == Health::Doubtful;
                let shunned = foreign.is_some_and(|now| {
                    m.shunned.as_owner > now || !doubtful && m.shunned.as_hop > now
                });
                healthy && !shunned && !tried.contains(&m.record.node())
            })
        };
        if self.leaf_set_covers(key) {
            let nearest = self
                .leaves()
                .into_iter()
                .filter(|p| open(p, true))
                .min_by_key(|p| nearness(p, key));
            return match nearest {
                Some(position) if nearness(&position, key) < mine => Next::Hop {
                    position,
                    deciding: true,
                },
                _ => Next::Here,
            };
        }
        if let Some(slot) = self.slot(key)
            && let Some(position) = self.table.get(&slot)
            && open(position, false)
            && nearness(position, key) < mine
        {
            return Next::Hop {
                position: *position,
                deciding: false,
            };
        }
        for doubtful in [false, true] {
            let nearest = self
                .by_position
                .keys()
                .filter(|p| open(p, doubtful))
                .min_by_key(|p| nearness(p, key));
            if let Some(position) = nearest
                && nearness(position, key) < mine
            {
                return Next::Hop {
                    position: *position,
                    deciding: false,
                };
            }
        }
        Next::Here
    }

    /// The leaf set is consulted first: the longer prefix would lead a key just past a digit boundary astray.
    fn leaf_set_covers(&self, key: &Position) -> bool {
        if self.by_position.len() <= 2 * LEAVES_PER_SIDE {
            return true;
        }
        let first = self.before().nth(LEAVES_PER_SIDE - 1);
        let last = self.after().nth(LEAVES_PER_SIDE - 1);
        match (first, last) {
            (Some(first), Some(last)) => key == first || key.is_between(first, last),
            _ => true,
        }
    }

    /// How many members that are in use lie nearer to `key` than `position`; counting stops at `limit`.
    pub fn count_nearer(&self, key: &Position, position: &Position, limit: usize) -> usize {
        let mine = nearness(position, key);
        let own = usize::from(nearness(&self.own, key) < mine);
        own + self
            .by_position
            .iter()
            .filter(|(p, m)| !matches!(m.health, Health::Suspect { .. }) && nearness(p, key) < mine)
            .take(limit.saturating_sub(own))
            .count()
    }

    /// Estimated number of nodes in the ring, this one included, from the density of the leaf set.
    pub fn estimate(&self) -> usize {
        if self.by_position.len() <= 2 * LEAVES_PER_SIDE {
            return self.by_position.len() + 1;
        }
        let Some(first) = self.before().nth(LEAVES_PER_SIDE - 1) else {
            return self.by_position.len() + 1;
        };
        let Some(last) = self.after().nth(LEAVES_PER_SIDE - 1) else {
            return self.by_position.len() + 1;
        };
        let share = first.clockwise_to(last).share();
        // 16 gaps: their sum is Gamma distributed, whose unbiased inverse has one less in the numerator.
        let estimate = (2.0 * LEAVES_PER_SIDE as f64 - 1.0) / share.max(1e-18);
        (estimate.round() as usize).max(self.by_position.len() + 1)
    }
}

/// Order of nodes by nearness to a key; the position breaks ties, so that all nodes agree.
pub(super) fn nearness(position: &Position, key: &Position) -> (Distance, Position) {
    (position.distance(key), *position)
}

/// First and last position that start with these bytes.
pub(super) fn prefix_range(prefix: &[u8; 8]) -> (Position, Position) {
    let mut from = [0; 32];
    let mut to = [0xff; 32];
    from[..8].copy_from_slice(prefix);
    to[..8].copy_from_slice(prefix);
    (Position(from), Position(to))
}

/// First 8 bytes of a position.
pub(super) fn prefix_of(position: &Position) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&position.0[..8]);
    prefix
}

/// IPv4 /24 or IPv6 /48.
pub(super) fn subnet(address: &Address) -> [u8; 7] {
    match address.ip() {
        std::net::IpAddr::V4(ip) => {
            let o = ip.octets();
            [4, o[0], o[1], o[2], 0, 0, 0]
        }
        std::net::IpAddr::V6(ip) => {
            let o = ip.octets();
            [6, o[0], o[1], o[2], o[3], o[4], o[5]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::NodeKey;
    use crate::crypto::random::Stream;
    use crate::wire::time::UnixMs;
    use std::time::Duration;

    /// A position that starts with these bytes and goes on with `rest`.
    fn at(start: &[u8], rest: u8) -> Position {
        let mut bytes = [rest; 32];
        bytes[..start.len()].copy_from_slice(start);
        Position(bytes)
    }

    fn record(seed: u16, addr: &str) -> NodeRecord {
        let mut label = [0; 32];
        label[..2].copy_from_slice(&seed.to_be_bytes());
        let key = NodeKey::generate(&mut Stream::from_seed(label));
        let addr = addr.parse().expect("a literal");
        NodeRecord::make(&key, addr, UnixMs(1_800_000_000_000), 120, 0)
    }

    fn with_rtt(ms: u64) -> Rto {
        let mut rto = Rto::new();
        rto.sample(Duration::from_millis(ms));
        rto
    }

    fn add(members: &mut Members, position: Position, seed: u16, ms: u64) -> bool {
        let record = record(seed, "10.0.0.1:1");
        members
            .insert_at(position, record, with_rtt(ms), Moment(1))
            .0
    }

    #[test]
    fn a_key_just_past_a_digit_boundary_goes_by_the_leaf_set_and_not_by_the_longer_prefix() {
        let mut members = Members::new(at(&[0x2f], 0xff), true);
        add(&mut members, at(&[0x3f], 0xff), 1, 10);
        // Enough others that the leaf set does not hold everybody.
        for n in 0..20u16 {
            add(&mut members, at(&[0x2e, n as u8], 0), 10 + n, 10);
            add(&mut members, at(&[0x40, n as u8], 0), 50 + n, 10);
        }
        let key = at(&[0x30], 0);
        assert_eq!(members.next(&key, &[], None), Next::Here);
    }

    #[test]
    fn a_slot_changes_hands_for_a_nearer_class_of_round_trip_only() {
        let mut members = Members::new(at(&[0x00], 0), true);
        for n in 0..40u16 {
            add(&mut members, at(&[0x00, 1 + n as u8], 0), 100 + n, 10);
            add(&mut members, at(&[0xff, n as u8], 0), 200 + n, 10);
        }
        let (far, near, nearest) = (at(&[0x81], 0), at(&[0x82], 0), at(&[0x83], 0));
        assert!(add(&mut members, far, 1, 120));
        // 101 and 149 ms are of one class: nothing is won by shaving off milliseconds.
        assert!(!add(&mut members, near, 2, 101));
        assert!(add(&mut members, nearest, 3, 60));
        assert!(members.get(&far).is_none());
        assert_eq!(members.row(0).filter(|p| p.digit(0) == 8).count(), 1);
    }

    #[test]
    fn one_subnet_fills_two_slots_of_a_row_and_three_of_the_table() {
        let mut members = Members::new(at(&[0x00], 0), false);
        let mut seed = 0;
        let mut put = |members: &mut Members, position| {
            seed += 1;
            let record = record(seed, &format!("9.9.9.{seed}:1"));
            members.insert_at(position, record, with_rtt(10), Moment(1));
        };
        for digit in 1..16u8 {
            put(&mut members, at(&[digit << 4], 0));
            put(&mut members, at(&[digit], 0));
        }
        assert_eq!(members.row(0).count(), SUBNET_PER_ROW);
        assert_eq!(
            members.row(0).count() + members.row(1).count(),
            SUBNET_IN_TABLE
        );
    }

    #[test]
    fn a_lost_leaf_is_replaced_and_the_tables_stay_within_their_bound() {
        let mut members = Members::new(at(&[0x80], 0), true);
        let mut stream = Stream::from_seed([1; 32]);
        for n in 0..400 {
            add(
                &mut members,
                Position(stream.bytes()),
                n,
                10 + stream.below(300),
            );
        }
        assert!(members.len() <= MEMBERS_MAX);
        let before = members.leaves();
        assert_eq!(before.len(), 2 * LEAVES_PER_SIDE);
        for lost in &before {
            members.remove(lost);
        }
        assert_eq!(members.leaves().len(), 2 * LEAVES_PER_SIDE);
        let all: Vec<Position> = members.iter().map(|(p, _)| *p).collect();
        for position in all {
            members.remove(&position);
        }
        assert_eq!(members.next(&at(&[1], 0), &[], None), Next::Here);
        assert_eq!(
            (0..ROWS as u8)
                .map(|r| members.row(r).count())
                .sum::<usize>(),
            0
        );
    }
}
