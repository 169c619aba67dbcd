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
/// the pool by others than that hop. As long as the pool knows fewer than half of the nodes there are, it is not asked: a hop's neighbours would
/// mostly be strangers to it.
pub(super) fn may_follow(base: &Base, pool: &Pool, path: &[Peer], next: &Peer) -> bool {
    let network = |peer: &Peer| Address::from(peer.addr).network();
    next.node != base.id
        && path.iter().all(|hop| hop.node != next.node)
        && (base.lan || path.iter().all(|hop| network(hop) != network(next)))
        && (base.nodes < TINY
            || 2 * pool.placed() < base.nodes
            || path
                .last()
                .is_none_or(|last| pool.vouches(&next.node, &last.node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circuits_grow_with_the_network() {
        let lengths: Vec<usize> = [1, 2, 3, 4, 8, 9, 63, 64, 1999, 2000].map(length).to_vec();
        assert_eq!(lengths, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    }
}
