//! The clocks that keep the tables true: leaf sets, rows, far places, lost members, the own record.
//!
//! Periodic, never reactive: a failure starts nothing but the next period's ordinary questions. Each period is drawn anew as half
//! its mean plus an even share of its mean, so that no two nodes fall into step.

use std::time::Duration;

use crate::wire::dht::{Digest, Message, RECORDS_MAX, RecordBytes, Tag};
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::time::{Moment, Now};

use super::members::{Health, ROWS, prefix_of, prefix_range};
use super::requests::Why;
use super::routing::Origin;
use super::{Dht, Timer};

/// A member that was not heard for so long is not named to others: nobody shall plant a victim's address in the ring.
const NAMED_FOR: Duration = Duration::from_secs(15 * 60);
/// Questions for records after an exchange that this node began (three records each): a whole leaf set, or a row.
const WANTS: usize = 6;
/// The same after an exchange that another node began.
const WANTS_WHEN_ASKED: usize = 1;

/// Mean periods, in seconds.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Push and pull of the leaf set with one random leaf. Two halves of a value, or chaff, go along.
    pub leaves: f64,
    /// A row of the table from one of its members.
    pub near: f64,
    /// A look-up for a random place that differs from the own one at a random digit.
    pub far: f64,
    /// A member that was not heard otherwise.
    pub ping: f64,
    /// A question to a gateway or lost member: is there another ring?
    pub partition: f64,
    /// The same while this node is alone.
    pub alone: f64,
    /// The own record is made anew (its life is two hours).
    pub record: f64,
    /// In its first `young` seconds a node asks for leaves and rows every `quick` seconds, always: what it knows is not yet the
    /// ring.
    pub young: f64,
    pub quick: f64,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            leaves: 4.0,
            near: 10.0,
            far: 20.0,
            ping: 20.0,
            partition: 60.0,
            alone: 10.0,
            record: 1800.0,
            young: 30.0,
            quick: 1.0,
        }
    }
}

fn exchange(why: &Why) -> bool {
    *why == Why::Exchange
}

impl Dht {
    /// A period with this mean: half of it, plus an even share of it.
    pub(super) fn draw(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(mean * (0.5 + self.schedule.unit()))
    }

    fn period(&mut self, now: Moment, mean: f64, quick: f64) -> Duration {
        let young = self.age(now).as_secs_f64() < self.config.timing.young;
        self.draw(if young { quick } else { mean })
    }

    pub(super) fn start_clocks(&mut self, now: Now) {
        let timing = self.config.timing.clone();
        for (timer, mean) in [
            (Timer::Leaves, timing.quick),
            (Timer::Near, timing.quick),
            (Timer::Far, timing.far / 4.0),
            (Timer::Partition, timing.alone),
            (Timer::Sweep, 60.0),
        ] {
            let wait = self.draw(mean);
            self.timers.set(timer, now.at + wait);
        }
    }

    fn a_leaf(&mut self) -> Option<Peer> {
        let leaves: Vec<Peer> = self
            .members
            .leaves()
            .iter()
            .filter_map(|p| self.members.get(p))
            .filter(|m| m.health == Health::Good)
            .map(|m| m.record.peer())
            .collect();
        let choice = self.topology.below(leaves.len() as u64) as usize;
        leaves.get(choice).copied()
    }

    pub(super) fn on_leaves_timer(&mut self, now: Now) {
        let timing = &self.config.timing;
        let (mean, quick) = (timing.leaves, timing.quick);
        let wait = self.period(now.at, mean, quick);
        self.timers.set(Timer::Leaves, now.at + wait);
        let Some(leaf) = self.a_leaf() else {
            return;
        };
        self.ask_leaves(now, leaf);
        let train = self.nonces.u64();
        let cells = self.shelf.due_for(now, &leaf.node, train, &self.members);
        for cell in cells {
            self.send(leaf, &Message::Store(cell));
        }
    }

    /// What others may know of a member: only what this node verified by its own round trip a short while ago.
    fn digest(&self, position: &Position, now: Moment) -> Option<Digest> {
        let member = self.members.get(position)?;
        let fresh = member.health == Health::Good && now.since(member.heard) < NAMED_FOR;
        fresh.then(|| Digest {
            prefix: prefix_of(position),
            created: member.record.created(),
        })
    }

    pub(super) fn leaf_digests(&self, now: Moment) -> Vec<Digest> {
        let leaves = self.members.leaves();
        leaves.iter().filter_map(|p| self.digest(p, now)).collect()
    }

    pub(super) fn on_leaves(
        &mut self,
        now: Now,
        from: Peer,
        tag: Tag,
        ready: bool,
        record: &RecordBytes,
        digests: &[Digest],
    ) {
        let Some(own) = self.own_bytes() else {
            return;
        };
        let answer = Message::LeavesAnswer {
            tag,
            ready: self.is_ready(),
            record: own,
            digests: self.leaf_digests(now.at),
        };
        self.send(from, &answer);
        if !ready || !self.is_ready() {
            return;
        }
        if !self.has(&from.node, record) {
            self.offer(now, record);
        }
        // One question at a time to whoever exchanges with us: a flood of leaf sets must not fill the requests.
        let asked = self.waits_for_peer(&from.node, exchange);
        if self.members.find(&from.node).is_some() && !asked {
            self.want(now, from, digests, WANTS_WHEN_ASKED);
        }
    }

    pub(super) fn on_leaves_answer(
        &mut self,
        now: Now,
        from: Peer,
        tag: Tag,
        ready: bool,
        record: &RecordBytes,
        digests: &[Digest],
    ) {
        let Some(rtt) = self.settle(now, &from, tag, exchange) else {
            return;
        };
        self.admit(now, &from, ready, record, rtt);
        if ready {
            self.want(now, from, digests, WANTS);
            self.owner_answered();
        }
        self.joined_if_gathered(now);
    }

    /// Asks for the records of promising nodes, three a question.
    fn want(&mut self, now: Now, from: Peer, digests: &[Digest], questions: usize) {
        let own = prefix_of(&self.members.own());
        let mut prefixes: Vec<[u8; 8]> = digests
            .iter()
            .map(|digest| digest.prefix)
            .filter(|prefix| {
                *prefix != own
                    && self.members.with_prefix(prefix).is_none()
                    && self.members.is_promising(&prefix_range(prefix).0)
                    && !self.admission.is_cold_place(prefix, now.at)
            })
            .collect();
        prefixes.retain(|prefix| {
            let (first, last) = prefix_range(prefix);
            !self
                .candidates
                .values()
                .any(|r| (first..=last).contains(&r.position()))
        });
        for prefixes in prefixes.chunks(RECORDS_MAX).take(questions) {
            let prefixes = prefixes.to_vec();
            self.ask(now, from, Why::Exchange, false, |tag| Message::Want {
                tag,
                prefixes,
            });
        }
    }

    pub(super) fn on_want(&mut self, now: Now, from: Peer, tag: Tag, prefixes: &[[u8; 8]]) {
        let records = prefixes
            .iter()
            .filter_map(|prefix| self.members.with_prefix(prefix))
            .filter(|m| m.health == Health::Good && now.at.since(m.heard) < NAMED_FOR)
            .map(|m| m.record.bytes())
            .collect();
        self.send(from, &Message::Records { tag, records });
    }

    pub(super) fn on_records(&mut self, now: Now, from: Peer, tag: Tag, records: &[RecordBytes]) {
        if self.settle(now, &from, tag, exchange).is_none() {
            return;
        }
        for record in records {
            self.offer(now, record);
        }
        self.joined_if_gathered(now);
    }

    /// Near tuning: upper rows more often than lower ones, because there is more to choose from.
    pub(super) fn on_near_timer(&mut self, now: Now) {
        let timing = &self.config.timing;
        let (mean, quick) = (timing.near, timing.quick);
        let wait = self.period(now.at, mean, quick);
        self.timers.set(Timer::Near, now.at + wait);
        let rows = u64::from(self.members.top_row()) + 1;
        let mut draw = self.topology.below(rows * (rows + 1) / 2);
        let mut row = 0;
        while row + 1 < rows && draw >= rows - row {
            draw -= rows - row;
            row += 1;
        }
        let row = row as u8;
        let peers: Vec<Peer> = self
            .members
            .row(row)
            .filter_map(|p| self.members.get(p))
            .filter(|m| m.health == Health::Good)
            .map(|m| m.record.peer())
            .collect();
        let choice = self.topology.below(peers.len() as u64) as usize;
        if let Some(peer) = peers.get(choice) {
            self.ask(now, *peer, Why::Exchange, false, |tag| Message::Row {
                tag,
                row,
            });
        }
    }

    pub(super) fn on_row(&mut self, now: Now, from: Peer, tag: Tag, row: u8) {
        let digests = self
            .members
            .row(row)
            .filter_map(|p| self.digest(p, now.at))
            .collect();
        self.send(from, &Message::RowAnswer { tag, digests });
    }

    pub(super) fn on_row_answer(&mut self, now: Now, from: Peer, tag: Tag, digests: &[Digest]) {
        if self.settle(now, &from, tag, exchange).is_some() {
            self.want(now, from, digests, WANTS);
        }
    }

    /// Far tuning: "new nodes are found by searching for random node ids".
    pub(super) fn on_far_timer(&mut self, now: Now) {
        let mean = self.config.timing.far;
        let wait = self.period(now.at, mean, mean / 4.0);
        self.timers.set(Timer::Far, now.at + wait);
        let own = self.members.own();
        let rows = (u64::from(self.members.top_row()) + 2).min(ROWS as u64);
        let row = self.topology.below(rows) as usize;
        let digit = (u64::from(own.digit(row)) + 1 + self.topology.below(15)) as u8 & 15;
        let mut key: [u8; 32] = self.topology.bytes();
        key[..row / 2].copy_from_slice(&own.0[..row / 2]);
        key[row / 2] = if row.is_multiple_of(2) {
            digit << 4 | key[row / 2] & 15
        } else {
            own.0[row / 2] & 0xf0 | digit
        };
        self.launch(now, Position(key), Origin::Far, None);
    }

    pub(super) fn on_partition_timer(&mut self, now: Now) {
        let timing = &self.config.timing;
        let mean = if self.members.is_empty() {
            timing.alone
        } else {
            timing.partition
        };
        let wait = self.draw(mean);
        self.timers.set(Timer::Partition, now.at + wait);
        let strangers = self.strangers();
        let choice = self.topology.below(strangers.len() as u64) as usize;
        if let Some(peer) = strangers.get(choice) {
            self.ping(now, *peer, Why::Candidate);
            let own = self.members.own();
            self.launch(now, own, Origin::Heal, Some(*peer));
        }
    }

    /// Once a minute: what has expired goes.
    pub(super) fn on_sweep_timer(&mut self, now: Now) {
        let wait = self.draw(60.0);
        self.timers.set(Timer::Sweep, now.at + wait);
        let expired: Vec<Position> = self
            .members
            .iter()
            .filter(|(_, m)| m.record.check_time(now.unix).is_err())
            .map(|(p, _)| *p)
            .collect();
        for position in expired {
            self.drop_member(&position);
        }
        self.shelf.sweep(now);
    }
}
