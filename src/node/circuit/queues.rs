//! Parcels that wait for a clock, in queues that are served in turn, so that nobody with much to say holds up another.
//!
//! A copy of what waits is let go: it would come right behind it, and on a way that is full each copy would make the next one due. Not here: the
//! clocks, and who may put what into which queue.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::wire::size::PARCEL;

pub(super) type Parcel = Box<[u8; PARCEL]>;

/// How many parcels wait at most.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub queues: usize,
    pub a_queue: usize,
    pub all: usize,
}

/// One queue for each `K`; with each parcel a mark `M`, which says for example whence it came.
pub(super) struct Queues<K, M> {
    room: Room,
    /// Never an empty one.
    queues: BTreeMap<K, VecDeque<(M, Parcel)>>,
    served: Option<K>,
}

impl<K: Ord + Copy, M> Queues<K, M> {
    pub fn new(room: Room) -> Queues<K, M> {
        Queues {
            room,
            queues: BTreeMap::new(),
            served: None,
        }
    }

    /// Puts a parcel behind the others of its queue. A copy that waits keeps its place and gets the new mark. False if there is no room.
    pub fn push(&mut self, key: K, mark: M, parcel: Parcel) -> bool {
        if let Some(queue) = self.queues.get_mut(&key)
            && let Some((known, _)) = queue.iter_mut().find(|(_, held)| *held == parcel)
        {
            *known = mark;
            return true;
        }
        let of_one = self.queues.get(&key).map_or(0, VecDeque::len);
        let all: usize = self.queues.values().map(VecDeque::len).sum();
        let queues = self.queues.len() + usize::from(of_one == 0);
        if of_one >= self.room.a_queue || all >= self.room.all || queues > self.room.queues {
            return false;
        }
        let queue = self.queues.entry(key).or_default();
        queue.push_back((mark, parcel));
        true
    }

    /// The next parcel of a queue that may be served now.
    pub fn next(&mut self, may: impl Fn(&K) -> bool) -> Option<(K, M, Parcel)> {
        let behind = match self.served {
            Some(served) => (Bound::Excluded(served), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let in_turn = self.queues.range(behind).chain(&self.queues);
        let mut keys = in_turn.map(|(key, _)| *key);
        let key = keys.find(|key| may(key))?;
        self.served = Some(key);
        let queue = self.queues.get_mut(&key)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&key);
        }
        next.map(|(mark, parcel)| (key, mark, parcel))
    }

    /// Empties a queue.
    pub fn remove(&mut self, key: &K) -> impl Iterator<Item = Parcel> {
        let queue = self.queues.remove(key).unwrap_or_default();
        queue.into_iter().map(|(_, parcel)| parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        queues: 2,
        a_queue: 3,
        all: 5,
    };

    fn parcel(fill: u8) -> Parcel {
        Box::new([fill; PARCEL])
    }

    fn order(queues: &mut Queues<u8, char>) -> Vec<(u8, char, u8)> {
        std::iter::from_fn(|| queues.next(|_| true))
            .map(|(key, mark, parcel)| (key, mark, parcel[0]))
            .collect()
    }

    #[test]
    fn queues_are_served_in_turn_and_each_in_its_order() {
        let mut queues = Queues::new(ROOM);
        for (key, fill) in [(1, 10), (1, 11), (1, 12), (2, 20)] {
            assert!(queues.push(key, 'a', parcel(fill)));
        }
        let expected = [(1, 'a', 10), (2, 'a', 20), (1, 'a', 11), (1, 'a', 12)];
        assert_eq!(order(&mut queues), expected);
    }

    #[test]
    fn a_queue_that_may_not_be_served_waits_and_loses_nothing() {
        let mut queues = Queues::new(ROOM);
        assert!(queues.push(1, (), parcel(10)) && queues.push(2, (), parcel(20)));
        assert!(queues.next(|_| false).is_none());
        let served = queues.next(|key| *key == 2).map(|(key, ..)| key);
        assert_eq!(served, Some(2));
        assert_eq!(queues.remove(&1).count(), 1);
    }

    #[test]
    fn a_copy_of_what_waits_takes_no_place_and_brings_its_mark() {
        let mut queues = Queues::new(ROOM);
        for (mark, fill) in [('a', 10), ('a', 11), ('b', 10), ('c', 11)] {
            assert!(queues.push(1, mark, parcel(fill)));
        }
        assert_eq!(order(&mut queues), [(1, 'b', 10), (1, 'c', 11)]);
        assert!(queues.push(1, 'd', parcel(10)), "it waits no more");
        assert_eq!(order(&mut queues), [(1, 'd', 10)]);
    }

    #[test]
    fn what_finds_no_room_is_refused() {
        let mut queues = Queues::new(ROOM);
        let took: Vec<bool> = [
            (1, 1),
            (1, 2),
            (1, 3),
            (1, 4),
            (2, 5),
            (3, 6),
            (2, 7),
            (2, 8),
        ]
        .into_iter()
        .map(|(key, fill)| queues.push(key, (), parcel(fill)))
        .collect();
        assert_eq!(took, [true, true, true, false, true, false, true, false]);
    }
}
