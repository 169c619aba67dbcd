//! When something is due. One entry a timer; setting it again moves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::time::Moment;

/// Which direction of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Forward,
    Back,
}

/// Everything in this room that waits for a moment; numbers are those of the circuits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Build what is missing.
    CircuitClock,
    /// An own circuit: a cell is due.
    OriginTick(u64),
    /// An own circuit: a step of building was not answered.
    OriginStep(u64),
    /// An own circuit: nothing was heard for too long.
    OriginSilence(u64),
    /// An own circuit: its life is over, or the time it was kept beside its successor.
    OriginLife(u64),
    /// An own outbound circuit: a spur is born or dies.
    SpurBirth(u64, u8),
    /// A relayed circuit whose end we are: a cell is due.
    EndTick(u64),
    /// A relayed circuit: nothing came from the origin for too long, or an extension was not answered.
    RelaySilence(u64),
    RelayExtend(u64),
    /// A relayed circuit: a cell is due in this direction and missing.
    Refill(u64, Direction),
    /// An outbound end: the intro point has not answered yet.
    SpurOpen(u64, u8),
}

/// At most one entry a timer, so it is bounded by the circuits there may be.
#[derive(Default)]
pub struct Timers {
    due: BTreeSet<(Moment, Timer)>,
    set: BTreeMap<Timer, Moment>,
}

impl Timers {
    pub fn set(&mut self, timer: Timer, at: Moment) {
        self.clear(timer);
        if at != Moment::NEVER {
            self.due.insert((at, timer));
            self.set.insert(timer, at);
        }
    }

    /// Moves a timer that is set to an earlier moment, if this is one.
    pub fn hasten(&mut self, timer: Timer, at: Moment) {
        if self.set.get(&timer).is_some_and(|set| at < *set) {
            self.set(timer, at);
        }
    }

    pub fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.set.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    pub fn is_set(&self, timer: Timer) -> bool {
        self.set.contains_key(&timer)
    }

    /// When it is due, if it is set.
    pub fn at(&self, timer: Timer) -> Option<Moment> {
        self.set.get(&timer).copied()
    }

    pub fn next(&self) -> Moment {
        self.due.first().map_or(Moment::NEVER, |(at, _)| *at)
    }

    /// The earliest timer that is due, taken out.
    pub fn pop(&mut self, now: Moment) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}
