//! Records learnt through circuits.
//!
//! They are used inside circuits only: as further hops, as spurs' random targets and as nodes to ask. They never answer a direct query
//! and never become links, or what a person looks up would shape what the node does. Ring records live in `node::dht`.

use std::collections::BTreeMap;

use crate::crypto::id::NodeId;
use crate::crypto::random::Stream;
use crate::wire::peer::Peer;
use crate::wire::position::Position;

/// Enough to be within 8 ranks of any key at 10 000 nodes four times out of five; about 1 MB. When full, the record learnt or confirmed longest ago goes.
pub const MAX_RECORDS: usize = 4096;
/// With fewer records than this no candidate is refused for being unknown.
pub const SMALL: usize = 16;
/// Unanswered queries in a row after which a record goes; more of them while there are few records, for a lost cell is likelier than a lost node.
const MAX_SILENCES: u8 = 2;
const MAX_SILENCES_SMALL: u8 = 6;

struct Entry {
    peer: Peer,
    position: Position,
    age: u64,
    silences: u8,
}

pub(super) struct Pool {
    own: NodeId,
    entries: BTreeMap<NodeId, Entry>,
    ring: BTreeMap<Position, NodeId>,
    ages: BTreeMap<u64, NodeId>,
    clock: u64,
}

impl Pool {
    pub fn new(own: NodeId) -> Pool {
        Pool {
            own,
            entries: BTreeMap::new(),
            ring: BTreeMap::new(),
            ages: BTreeMap::new(),
            clock: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn contains(&self, node: &NodeId) -> bool {
        self.entries.contains_key(node)
    }

    /// A verified record. `own` is never taken: asking oneself through a circuit says who one is.
    pub fn insert(&mut self, peer: Peer, position: Position) {
        if peer.node == self.own {
            return;
        }
        self.remove(&peer.node);
        // Two nodes at one place cannot both be in the ring's index; the one that is there stays.
        if self.ring.contains_key(&position) {
            return;
        }
        if self.entries.len() >= MAX_RECORDS
            && let Some((_, oldest)) = self.ages.first_key_value()
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
        self.clock += 1;
        self.ring.insert(position, peer.node);
        self.ages.insert(self.clock, peer.node);
        self.entries.insert(
            peer.node,
            Entry {
                peer,
                position,
                age: self.clock,
                silences: 0,
            },
        );
    }

    pub fn remove(&mut self, node: &NodeId) {
        if let Some(entry) = self.entries.remove(node) {
            self.ring.remove(&entry.position);
            self.ages.remove(&entry.age);
        }
    }

    /// It answered a query.
    pub fn answered(&mut self, node: &NodeId) {
        if let Some(entry) = self.entries.get_mut(node) {
            entry.silences = 0;
        }
    }

    /// It did not answer a query in time.
    pub fn silent(&mut self, node: &NodeId) {
        let most = if self.entries.len() <= SMALL {
            MAX_SILENCES_SMALL
        } else {
            MAX_SILENCES
        };
        if let Some(entry) = self.entries.get_mut(node) {
            entry.silences += 1;
            if entry.silences >= most {
                self.remove(node);
            }
        }
    }

    /// Any record, each as likely as the other.
    pub fn random(&self, choice: &mut Stream) -> Option<Peer> {
        let at = choice.below(self.entries.len() as u64) as usize;
        self.entries.values().nth(at).map(|entry| entry.peer)
    }

    /// The `count` records closest to `key` that pass `take`, closest first.
    pub fn closest(
        &self,
        key: &Position,
        count: usize,
        take: impl Fn(&NodeId) -> bool,
    ) -> Vec<(Peer, Position)> {
        let after = self.ring.range(*key..).chain(self.ring.range(..*key));
        let before = self
            .ring
            .range(..*key)
            .rev()
            .chain(self.ring.range(*key..).rev());
        let near = |side: &mut dyn Iterator<Item = (&Position, &NodeId)>| -> Vec<Position> {
            side.filter(|(_, node)| take(node))
                .take(count)
                .map(|(position, _)| *position)
                .collect()
        };
        let mut found = near(&mut { after });
        found.extend(near(&mut { before }));
        found.sort_by_key(|position| (position.distance(key), *position));
        found.dedup();
        found.truncate(count);
        found
            .iter()
            .filter_map(|position| {
                Some((self.entries.get(self.ring.get(position)?)?.peer, *position))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::NodeKey;

    fn peer(random: &mut Stream, port: u16) -> Peer {
        let node = NodeKey::generate(random).id();
        Peer {
            node,
            addr: std::net::SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    #[test]
    fn the_closest_records_are_found_on_both_sides_and_across_the_end_of_the_ring() {
        let mut random = Stream::from_seed([1; 32]);
        let mut pool = Pool::new(peer(&mut random, 1).node);
        let place = |first: u8| Position([first; 32]);
        for first in [2, 10, 100, 200, 250] {
            let new = peer(&mut random, u16::from(first));
            pool.insert(new, place(first));
        }
        let ports = |key: u8, count| -> Vec<u16> {
            pool.closest(&place(key), count, |_| true)
                .iter()
                .map(|(peer, _)| peer.addr.port())
                .collect()
        };
        assert_eq!(ports(0, 3), [2, 250, 10]);
        assert_eq!(ports(255, 2), [2, 250]);
        assert_eq!(ports(101, 9), [100, 10, 2, 200, 250]);
    }

    #[test]
    fn the_pool_stays_bounded_and_never_holds_its_owner() {
        let mut random = Stream::from_seed([2; 32]);
        let own = peer(&mut random, 1);
        let mut pool = Pool::new(own.node);
        pool.insert(own, Position([1; 32]));
        assert_eq!(pool.len(), 0);
        let one = peer(&mut random, 2);
        for _ in 0..50 {
            pool.insert(one, Position(random.bytes()));
        }
        assert_eq!(pool.len(), 1);
        for _ in 1..MAX_SILENCES_SMALL {
            pool.silent(&one.node);
        }
        pool.answered(&one.node);
        for _ in 1..MAX_SILENCES_SMALL {
            pool.silent(&one.node);
        }
        assert_eq!(pool.len(), 1);
        pool.silent(&one.node);
        assert_eq!(pool.len(), 0);
    }
}
