//! Records learnt through circuits.
//!
//! They are used inside circuits only: as further hops, as spurs' random targets and as nodes to ask. They never answer a direct query
//! and never become links, or what a person looks up would shape what the node does. Ring records live in `node::dht`.
//!
//! A node enters by its own signed record, out of the answer to a look-up, or because a hop named it with a certificate. A certificate does not
//! say which of the eight places of its address a node has taken, so such an entry is at no place until its record comes (with a local address
//! the place follows from the NodeId). And a hop that names its friends has not made them known: whether one of them may be the next hop is for
//! others to vouch.

use std::collections::BTreeMap;

use crate::crypto::id::NodeId;
use crate::crypto::random::Stream;
use crate::wire::address::Address;
use crate::wire::peer::Peer;
use crate::wire::position::Position;
use crate::wire::record::place;

/// Enough to be within 8 ranks of any key at 10 000 nodes four times out of five; about 1 MB. When full, the record learnt or confirmed longest ago goes.
pub const MAX_RECORDS: usize = 4096;
/// Below this many records a silent one stays longer.
const SMALL: usize = 16;
/// Unanswered queries in a row after which a record goes; more of them while there are few records, for a lost cell is likelier than a lost node.
const MAX_SILENCES: u8 = 2;
const MAX_SILENCES_SMALL: u8 = 6;

/// How an entry came to be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// By its own record.
    Record,
    /// One hop named it.
    Named(NodeId),
    /// More than one did.
    NamedByMany,
}

struct Entry {
    peer: Peer,
    source: Source,
    /// None while the place is not known.
    position: Option<Position>,
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

    /// Nodes whose place on the ring is known.
    pub fn placed(&self) -> usize {
        self.ring.len()
    }

    /// Whether others than this hop have made the node known.
    pub fn vouches(&self, node: &NodeId, besides: &NodeId) -> bool {
        self.entries
            .get(node)
            .is_some_and(|entry| entry.source != Source::Named(*besides))
    }

    /// A verified record. `own` is never taken: asking oneself through a circuit says who one is.
    pub fn insert(&mut self, peer: Peer, position: Position) {
        self.put(peer, Source::Record, Some(position));
    }

    /// A hop named this node with a certificate that both have signed.
    pub fn name(&mut self, peer: Peer, by: NodeId) {
        match self.entries.get_mut(&peer.node) {
            None => {
                let address = Address::from(peer.addr);
                // All places of a local address are the same.
                let local = address.is_local();
                let position = local.then(|| place(&peer.node, &address, 0));
                self.put(peer, Source::Named(by), position);
            }
            Some(entry) => {
                if matches!(entry.source, Source::Named(first) if first != by) {
                    entry.source = Source::NamedByMany;
                }
            }
        }
    }

    fn put(&mut self, peer: Peer, source: Source, position: Option<Position>) {
        if peer.node == self.own {
            return;
        }
        self.remove(&peer.node);
        // Two nodes at one place cannot both be in the ring's index; the one that is there stays.
        if position.is_some_and(|position| self.ring.contains_key(&position)) {
            return;
        }
        if self.entries.len() >= MAX_RECORDS
            && let Some((_, oldest)) = self.ages.first_key_value()
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
        self.clock += 1;
        if let Some(position) = position {
            self.ring.insert(position, peer.node);
        }
        self.ages.insert(self.clock, peer.node);
        self.entries.insert(
            peer.node,
            Entry {
                peer,
                source,
                position,
                age: self.clock,
                silences: 0,
            },
        );
    }

    pub fn remove(&mut self, node: &NodeId) {
        if let Some(entry) = self.entries.remove(node) {
            if let Some(position) = entry.position {
                self.ring.remove(&position);
            }
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

    /// A node that passes `take` and whose place is not known, the one known longest.
    pub fn without_place(&self, take: impl Fn(&NodeId) -> bool) -> Option<Peer> {
        let entries = self.ages.values().filter_map(|node| self.entries.get(node));
        entries
            .filter(|entry| entry.position.is_none())
            .map(|entry| entry.peer)
            .find(|peer| take(&peer.node))
    }

    /// The `count` records closest to `key` that pass `take`, closest first; only those whose place is known.
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
    fn a_node_that_a_hop_named_has_no_place_until_its_record_comes() {
        let mut random = Stream::from_seed([3; 32]);
        let hop = peer(&mut random, 1).node;
        let mut pool = Pool::new(peer(&mut random, 2).node);
        let named = Peer {
            addr: std::net::SocketAddr::from(([9, 8, 7, 6], 3)),
            ..peer(&mut random, 3)
        };
        pool.name(named, hop);
        assert_eq!((pool.len(), pool.placed()), (1, 0));
        assert!(pool.closest(&Position([0; 32]), 3, |_| true).is_empty());
        assert_eq!(pool.without_place(|_| true), Some(named));
        pool.insert(named, Position([9; 32]));
        assert_eq!((pool.len(), pool.placed()), (1, 1));
        assert_eq!(pool.without_place(|_| true), None);
        // Named again, it keeps the place that its record gave it.
        pool.name(named, hop);
        let closest = pool.closest(&Position([0; 32]), 3, |_| true);
        assert_eq!(closest, [(named, Position([9; 32]))]);
        pool.name(peer(&mut random, 4), hop);
        assert_eq!(pool.placed(), 2, "a local address has but one place");
    }

    #[test]
    fn a_hop_cannot_vouch_for_its_own_friends() {
        let mut random = Stream::from_seed([4; 32]);
        let (liar, other) = (peer(&mut random, 1).node, peer(&mut random, 2).node);
        let mut pool = Pool::new(peer(&mut random, 3).node);
        let friend = peer(&mut random, 4);
        assert!(!pool.vouches(&friend.node, &liar));
        for _ in 0..3 {
            pool.name(friend, liar);
            assert!(!pool.vouches(&friend.node, &liar));
        }
        assert!(pool.vouches(&friend.node, &other));
        pool.name(friend, other);
        assert!(pool.vouches(&friend.node, &liar));
        let honest = peer(&mut random, 5);
        pool.name(honest, liar);
        pool.insert(honest, Position(random.bytes()));
        assert!(pool.vouches(&honest.node, &liar));
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
