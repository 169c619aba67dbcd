//! Which nodes a circuit goes through.
//!
//! Hops 1 and 2 are pinned: a fresh first hop for each circuit would meet every hostile node in time. Further hops are random among
//! the neighbours that the hop before names with certificates. Not here: how they are asked (`origin`).

use std::collections::{BTreeMap, BTreeSet};

use super::base::Base;
use super::pool::{Pool, SMALL};
use crate::crypto::id::NodeId;
use crate::node::link::AssocId;
use crate::wire::address::Address;
use crate::wire::peer::Peer;
use crate::wire::time::Moment;

/// Seconds a pinned guard may be gone until another node takes its place for this run.
const GUARD_PATIENCE: f64 = 600.0;
/// Second hops pinned behind one guard: one alone often has no room for all four circuits.
const SECONDS: usize = 2;
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

struct Pin {
    node: NodeId,
    gone_since: Option<Moment>,
}

/// The pinned hops.
#[derive(Default)]
pub(super) struct Pins {
    primary: Option<Pin>,
    backup: Option<Pin>,
    /// By guard, at most `SECONDS` each.
    second: BTreeMap<NodeId, Vec<Peer>>,
}

fn link_of(base: &Base, node: &NodeId) -> Option<AssocId> {
    base.links
        .iter()
        .find(|(_, link)| link.peer.node == *node)
        .map(|(assoc, _)| *assoc)
}

impl Pins {
    /// Brings the pins up to date with the links there are. Called on the circuit clock only.
    pub fn refresh(&mut self, base: &Base, now: Moment) {
        for pin in [&mut self.primary, &mut self.backup] {
            let Some(held) = pin else { continue };
            if link_of(base, &held.node).is_some() {
                held.gone_since = None;
            } else if now
                >= held
                    .gone_since
                    .get_or_insert(now)
                    .after_seconds(GUARD_PATIENCE)
            {
                self.second.remove(&held.node);
                *pin = None;
            }
        }
        if self.primary.is_none() {
            self.primary = self.backup.take();
        }
        let candidates = base
            .guards
            .iter()
            .filter(|guard| base.links.contains_key(&guard.assoc))
            .map(|guard| guard.peer.node);
        for node in candidates {
            let held = [&self.primary, &self.backup]
                .into_iter()
                .flatten()
                .any(|pin| pin.node == node);
            if held {
                continue;
            }
            let free = if self.primary.is_none() {
                &mut self.primary
            } else {
                &mut self.backup
            };
            if free.is_none() {
                *free = Some(Pin {
                    node,
                    gone_since: None,
                });
            }
        }
    }

    fn up(base: &Base, pin: &Option<Pin>) -> Option<(AssocId, Peer)> {
        let assoc = link_of(base, &pin.as_ref()?.node)?;
        Some((assoc, base.links.get(&assoc)?.peer))
    }

    /// The primary guard, or the backup while the primary is gone.
    pub fn guard(&self, base: &Base) -> Option<(AssocId, Peer)> {
        Pins::up(base, &self.primary).or_else(|| Pins::up(base, &self.backup))
    }

    /// The backup guard, for the standby circuit.
    pub fn backup(&self, base: &Base) -> Option<(AssocId, Peer)> {
        Pins::up(base, &self.backup)
    }

    /// The first pinned second hop behind this guard that was not refused.
    pub fn second(&self, guard: &NodeId, refused: &BTreeSet<NodeId>) -> Option<Peer> {
        let pinned = self.second.get(guard)?;
        pinned
            .iter()
            .find(|peer| !refused.contains(&peer.node))
            .copied()
    }

    /// A circuit went through this second hop. It takes the place of the last pinned one if both had no room.
    pub fn pin_second(&mut self, guard: NodeId, second: Peer) {
        let pinned = self.second.entry(guard).or_default();
        if pinned.iter().any(|peer| peer.node == second.node) {
            return;
        }
        pinned.truncate(SECONDS - 1);
        pinned.push(second);
    }

    /// The second hop cannot be reached from the guard any more.
    pub fn unpin_second(&mut self, guard: &NodeId, second: &NodeId) {
        if let Some(pinned) = self.second.get_mut(guard) {
            pinned.retain(|peer| peer.node != *second);
        }
    }
}

/// Whether `next` may follow `path`: not oneself, no node twice, no two in one /16 (except in LAN mode), and known in the pool once there is one.
pub(super) fn may_follow(base: &Base, pool: &Pool, path: &[Peer], next: &Peer) -> bool {
    let network = |peer: &Peer| Address::from(peer.addr).network();
    next.node != base.id
        && path.iter().all(|hop| hop.node != next.node)
        && (base.lan || path.iter().all(|hop| network(hop) != network(next)))
        && (base.nodes < TINY || pool.len() < SMALL || pool.contains(&next.node))
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
