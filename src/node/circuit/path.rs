//! How long a circuit is, and which nodes may be on it.
//!
//! Hops 1 and 2 are pinned (`guards`). Further hops are random among the neighbours that the hop before names with certificates. Not here: how
//! they are asked (`origin`).

use super::base::Base;
use super::pool::Pool;
use crate::wire::address::Address;
use crate::wire::peer::Peer;

/// Below this many nodes a circuit may end early when no further hop is to be had, and unknown neighbours are taken.
pub const TINY: usize = 17;

/// Hops of a circuit in a network of so many nodes, oneself included: the end points of walks of 3, 4, 5 steps on an 8-link graph of
/// 1000 nodes have 8.3, 9.7 and 9.9 of 9.97 bits of entropy.
pub fn length(nodes: usize) -> usize {
    match nodes {
        0 | 1 => 0,
        2 | 3 => 1,
        4..=8 => 2,
        9..64 => 3,
        64..2000 => 4,
        _ => 5,
    }
}

/// The same, by what this node knows now.
pub(super) fn length_here(base: &Base) -> usize {
    length(base.nodes.max(base.links.len() + 1)).max(1)
}

/// Whether `next` may follow `path`, whose last hop names it: not oneself, no node twice, no two in one /16 (except in LAN mode), and known to
/// the pool by others than that hop. As long as the pool knows fewer than three in four of the nodes there are, it is not asked: at half, one hop in
/// three with six neighbours would have fewer than three that it knows.
pub(super) fn may_follow(base: &Base, pool: Option<&Pool>, path: &[Peer], next: &Peer) -> bool {
    let network = |peer: &Peer| Address::from(peer.addr).network();
    next.node != base.id
        && path.iter().all(|hop| hop.node != next.node)
        && (base.lan || path.iter().all(|hop| network(hop) != network(next)))
        && (base.nodes < TINY
            || pool.is_none_or(|pool| {
                4 * pool.placed() < 3 * base.nodes
                    || path
                        .last()
                        .is_none_or(|last| pool.vouches(&next.node, &last.node))
            }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::CircuitStreams;
    use super::*;
    use crate::crypto::keys::NodeKey;
    use crate::crypto::random::{Stream, Streams};
    use crate::wire::class::Class;
    use crate::wire::position::Position;

    #[test]
    fn circuits_grow_with_the_network() {
        let lengths: Vec<usize> = [1, 2, 3, 4, 8, 9, 63, 64, 1999, 2000].map(length).to_vec();
        assert_eq!(lengths, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    }
    fn peer(random: &mut Stream, ip: [u8; 4]) -> Peer {
        Peer {
            node: NodeKey::generate(random).id(),
            addr: std::net::SocketAddr::from((ip, 4000)),
        }
    }

    #[test]
    fn no_node_twice_never_oneself_no_two_of_one_network_and_no_friend_of_the_hop_alone() {
        let mut random = Stream::from_seed([1; 32]);
        let key = Arc::new(NodeKey::generate(&mut random));
        let base = |lan, nodes| {
            let streams = CircuitStreams::of(&Streams::from_seed([2; 32]));
            let mut base = Base::new(Class::Normal, lan, key.clone(), streams);
            base.nodes = nodes;
            base
        };
        let mut pool = Pool::new(key.id());
        let path = [
            peer(&mut random, [9, 1, 0, 1]),
            peer(&mut random, [9, 2, 0, 1]),
        ];
        let other = peer(&mut random, [9, 3, 0, 1]);
        let near = peer(&mut random, [9, 1, 200, 1]);
        let own = Peer {
            node: key.id(),
            addr: other.addr,
        };
        let small = base(false, 10);
        assert!(may_follow(&small, Some(&pool), &path, &other));
        assert!(!may_follow(&small, Some(&pool), &path, &own));
        assert!(!may_follow(&small, Some(&pool), &path, &path[0]));
        assert!(!may_follow(&small, Some(&pool), &path, &near));
        assert!(may_follow(&base(true, 10), Some(&pool), &path, &near));
        // The pool has a say once it knows three in four of the nodes there are.
        let large = base(false, 40);
        assert!(may_follow(&large, Some(&pool), &path, &other));
        for n in 0..30 {
            let known = peer(&mut random, [8, n, 0, 1]);
            pool.insert(known, Position(random.bytes()));
        }
        assert!(!may_follow(&large, Some(&pool), &path, &other));
        pool.name(other, path[1].node);
        assert!(
            !may_follow(&large, Some(&pool), &path, &other),
            "only the hop itself named it"
        );
        assert!(may_follow(&base(false, 41), Some(&pool), &path, &other));
        assert!(may_follow(&large, None, &path, &other), "it is not asked");
        pool.name(other, path[0].node);
        assert!(may_follow(&large, Some(&pool), &path, &other));
    }
}
