//! The pinned first and second hops of the own circuits: a fresh first hop for each circuit would meet every hostile node in time.
//!
//! Not here: the hops behind them (`path`), and when circuits are built (`own`).

use std::collections::{BTreeMap, BTreeSet};

use super::base::Base;
use crate::crypto::id::NodeId;
use crate::node::link::AssocId;
use crate::wire::peer::Peer;
use crate::wire::time::Moment;

/// Seconds a pinned guard may be gone until another node takes its place for this run.
const GUARD_PATIENCE: f64 = 600.0;
/// Second hops pinned behind one guard: one alone often has no room for all four circuits.
const SECONDS: usize = 2;

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
