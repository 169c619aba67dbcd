//! Deadlines by name: one moment for each key, the earliest first.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::time::Moment;

/// At most one deadline per key. Ties fall in the order of the keys, so that a run is a function of its seed.
pub(super) struct Timers<K> {
    at: BTreeMap<K, Moment>,
    queue: BTreeSet<(Moment, K)>,
}

impl<K: Copy + Ord> Timers<K> {
    pub fn new() -> Timers<K> {
        Timers {
            at: BTreeMap::new(),
            queue: BTreeSet::new(),
        }
    }

    /// Sets or moves a deadline; `Moment::NEVER` clears it.
    pub fn set(&mut self, key: K, at: Moment) {
        self.clear(&key);
        if at != Moment::NEVER {
            self.at.insert(key, at);
            self.queue.insert((at, key));
        }
    }

    pub fn clear(&mut self, key: &K) {
        if let Some(old) = self.at.remove(key) {
            self.queue.remove(&(old, *key));
        }
    }

    pub fn get(&self, key: &K) -> Option<Moment> {
        self.at.get(key).copied()
    }

    pub fn next(&self) -> Moment {
        self.queue.first().map_or(Moment::NEVER, |(at, _)| *at)
    }

    /// Takes the earliest deadline that has come.
    pub fn due(&mut self, now: Moment) -> Option<K> {
        let (at, key) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.clear(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_once_and_can_be_moved() {
        let mut timers = Timers::new();
        timers.set('a', Moment(30));
        timers.set('b', Moment(10));
        timers.set('c', Moment(20));
        timers.set('a', Moment(5));
        timers.clear(&'c');
        assert_eq!(timers.next(), Moment(5));
        assert_eq!(timers.due(Moment(4)), None);
        assert_eq!(timers.due(Moment(50)), Some('a'));
        assert_eq!(timers.due(Moment(50)), Some('b'));
        assert_eq!(timers.due(Moment(50)), None);
        assert_eq!(timers.next(), Moment::NEVER);
    }
}
