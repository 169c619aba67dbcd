//! The pinned first and second hops of the own circuits: a fresh first hop for each circuit would meet every hostile node in time.
//!
//! Two guards are pinned, a third only when both are gone. Whether one is gone is judged against the other links: when nothing is heard over
//! any of them the fault is this node's own network, and no pin changes. Not here: the hops behind them (`path`), and when circuits are built
//! (`own`).

use std::collections::{BTreeMap, BTreeSet};

use super::base::Base;
use crate::crypto::id::NodeId;
use crate::node::link::AssocId;
use crate::wire::peer::Peer;
use crate::wire::time::Moment;

/// Guards pinned: one for all circuits, another for the standby circuit and for the time the first is gone.
const GUARDS: usize = 2;
/// With the one that stands in while both are gone.
const GUARDS_MAX: usize = 3;
/// Seconds a pinned guard may be gone, while other links are heard, until another node takes its place for this run.
const GUARD_PATIENCE: f64 = 600.0;
/// Seconds both guards may be gone until a third stands in. Each guard that is ever used is one more node that might be hostile, and Eve can cut
/// the links of the first two; but a person waits for this.
const STAND_IN_PATIENCE: f64 = 60.0;
/// Second hops pinned behind one guard: one alone often has no room for all four circuits.
const SECONDS: usize = 2;

struct Pin {
    node: NodeId,
    /// Over a link that this node chose under the link rule. One that others called is a guard only until there is a chosen one: whoever calls a
    /// newcomer first would be its guard.
    chosen: bool,
    gone_since: Option<Moment>,
}

impl Pin {
    fn gone_for(&self, now: Moment) -> f64 {
        self.gone_since
            .map_or(0.0, |since| now.since(since).as_secs_f64())
    }
}

/// The pinned hops.
#[derive(Default)]
pub(super) struct Pins {
    /// The first that is heard is the guard, the next that is heard the backup.
    guards: Vec<Pin>,
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
        let candidates: Vec<(NodeId, bool)> = base
            .guards
            .iter()
            .filter(|guard| base.is_heard(guard.assoc))
            .map(|guard| (guard.peer.node, guard.chosen))
            .collect();
        if candidates.is_empty() {
            self.guards.iter_mut().for_each(|pin| pin.gone_since = None);
            return;
        }
        for pin in &mut self.guards {
            match candidates.iter().find(|(node, _)| *node == pin.node) {
                Some((_, chosen)) => {
                    pin.chosen |= chosen;
                    pin.gone_since = None;
                }
                None => {
                    pin.gone_since.get_or_insert(now);
                }
            }
        }
        self.guards.retain(|pin| pin.gone_for(now) < GUARD_PATIENCE);
        for (node, chosen) in candidates {
            if !self.holds(&node) && self.has_place(chosen, now) {
                let pin = Pin {
                    node,
                    chosen,
                    gone_since: None,
                };
                self.guards.push(pin);
            }
        }
        self.guards.sort_by_key(|pin| !pin.chosen);
        let guards = &self.guards;
        self.second
            .retain(|node, _| guards.iter().any(|pin| pin.node == *node));
    }

    /// Whether one more guard is needed. A pin that others called makes way for a chosen one.
    fn has_place(&mut self, chosen: bool, now: Moment) -> bool {
        if self.guards.len() < GUARDS {
            return true;
        }
        if chosen && let Some(at) = self.guards.iter().rposition(|pin| !pin.chosen) {
            self.guards.remove(at);
            return true;
        }
        let gone = |pin: &Pin| pin.gone_for(now) >= STAND_IN_PATIENCE;
        self.guards.len() < GUARDS_MAX && self.guards.iter().all(gone)
    }

    /// Whether this node is a guard.
    pub fn holds(&self, node: &NodeId) -> bool {
        self.guards.iter().any(|pin| pin.node == *node)
    }

    fn up(base: &Base, pin: &Pin) -> Option<(AssocId, Peer)> {
        let assoc = link_of(base, &pin.node)?;
        Some((assoc, base.links.get(&assoc)?.peer))
    }

    fn heard(&self, base: &Base) -> impl Iterator<Item = (AssocId, Peer)> {
        self.guards
            .iter()
            .filter_map(|pin| Pins::up(base, pin))
            .filter(|(assoc, _)| base.is_heard(*assoc))
    }

    /// The first guard that is heard; where none is, the first whose link is not down yet.
    pub fn guard(&self, base: &Base) -> Option<(AssocId, Peer)> {
        let any = || self.guards.iter().find_map(|pin| Pins::up(base, pin));
        self.heard(base).next().or_else(any)
    }

    /// The next guard that is heard, for the standby circuit.
    pub fn backup(&self, base: &Base) -> Option<(AssocId, Peer)> {
        self.heard(base).nth(1)
    }

    /// Whether a circuit over this link waits for nothing: its guard is silent, and another is heard.
    pub fn has_left(&self, base: &Base, assoc: AssocId) -> bool {
        !base.is_heard(assoc) && self.heard(base).next().is_some()
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

    /// The second hop cannot be reached from the guard any more, or leads nowhere.
    pub fn unpin_second(&mut self, guard: &NodeId, second: &NodeId) {
        if let Some(pinned) = self.second.get_mut(guard) {
            pinned.retain(|peer| peer.node != *second);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::base::Shaped;
    use super::super::{CircuitStreams, Guard};
    use super::*;
    use crate::crypto::keys::NodeKey;
    use crate::crypto::random::{Stream, Streams};
    use crate::wire::class::Class;

    /// A node with links to others, and its pins.
    struct Bench {
        base: Base,
        pins: Pins,
        peers: Vec<Peer>,
    }

    impl Bench {
        /// Links to so many nodes, of which the first `chosen` are chosen.
        fn new(links: u16, chosen: u16) -> Bench {
            let mut random = Stream::from_seed([1; 32]);
            let streams = CircuitStreams::of(&Streams::from_seed([2; 32]));
            let key = Arc::new(NodeKey::generate(&mut random));
            let mut bench = Bench {
                base: Base::new(Class::Normal, true, key, streams),
                pins: Pins::default(),
                peers: Vec::new(),
            };
            for n in 0..links {
                let node = NodeKey::generate(&mut random).id();
                let addr = SocketAddr::from(([127, 0, 0, 1], n));
                bench.peers.push(Peer { node, addr });
                bench.link(n, n < chosen);
            }
            bench
        }

        fn link(&mut self, n: u16, chosen: bool) {
            let (assoc, peer) = (AssocId(u64::from(n)), self.peers[usize::from(n)]);
            let link = Shaped {
                peer,
                dialled: chosen,
                rate: 6.0,
                silent: false,
            };
            self.base.links.insert(assoc, link);
            let guard = Guard {
                assoc,
                peer,
                certificate: None,
                rate: 6.0,
                chosen,
                silence: Duration::ZERO,
            };
            self.base.guards.push(guard);
            self.base.guards.sort_by_key(|guard| !guard.chosen);
        }

        fn silence(&mut self, n: u64, silent: bool) {
            let link = self.base.links.get_mut(&AssocId(n));
            link.expect("a link").silent = silent;
        }

        /// Guard and backup after a tick at this second.
        fn at(&mut self, seconds: f64) -> (Option<u64>, Option<u64>) {
            let now = Moment(0).after_seconds(seconds);
            self.pins.refresh(&self.base, now);
            let number = |guard: Option<(AssocId, Peer)>| guard.map(|(assoc, _)| assoc.0);
            (
                number(self.pins.guard(&self.base)),
                number(self.pins.backup(&self.base)),
            )
        }
    }

    #[test]
    fn a_silent_guard_gives_way_to_the_backup_and_is_taken_again_when_it_is_heard() {
        let mut bench = Bench::new(4, 4);
        assert_eq!(bench.at(0.0), (Some(0), Some(1)));
        bench.silence(0, true);
        assert_eq!(bench.at(10.0), (Some(1), None));
        assert!(bench.pins.has_left(&bench.base, AssocId(0)));
        assert!(!bench.pins.has_left(&bench.base, AssocId(1)));
        bench.silence(0, false);
        assert_eq!(bench.at(500.0), (Some(0), Some(1)));
    }

    #[test]
    fn a_guard_that_is_gone_for_ten_minutes_is_replaced() {
        let mut bench = Bench::new(4, 4);
        bench.at(0.0);
        bench.silence(0, true);
        assert_eq!(bench.at(1.0), (Some(1), None));
        assert_eq!(bench.at(600.0), (Some(1), None));
        assert_eq!(bench.at(601.0), (Some(1), Some(2)));
    }

    #[test]
    fn a_third_guard_stands_in_when_both_were_gone_for_a_minute_and_no_fourth() {
        let mut bench = Bench::new(5, 5);
        bench.at(0.0);
        bench.silence(0, true);
        bench.silence(1, true);
        // A link that is not down yet is the best there is.
        assert_eq!(bench.at(1.0), (Some(0), None));
        assert_eq!(bench.at(60.0), (Some(0), None));
        assert_eq!(bench.at(61.0), (Some(2), None));
        assert_eq!(bench.at(599.0), (Some(2), None));
        bench.silence(2, true);
        bench.silence(3, false);
        assert_eq!(bench.at(600.0), (Some(0), None), "three are enough");
        bench.silence(1, false);
        assert_eq!(bench.at(600.5), (Some(1), None));
    }

    #[test]
    fn an_outage_of_this_nodes_own_network_changes_no_guard() {
        let mut bench = Bench::new(4, 4);
        bench.at(0.0);
        (0..4).for_each(|n| bench.silence(n, true));
        for minute in 0..120 {
            bench.at(60.0 * f64::from(minute));
        }
        // The link of a stranger comes back first.
        bench.silence(3, false);
        assert_eq!(bench.at(7200.0), (Some(0), None));
        bench.silence(0, false);
        bench.silence(1, false);
        assert_eq!(bench.at(7230.0), (Some(0), Some(1)));
    }

    #[test]
    fn a_link_that_others_called_guards_only_until_a_chosen_one_is_there() {
        let mut bench = Bench::new(4, 0);
        assert_eq!(bench.at(0.0), (Some(0), Some(1)));
        let caller = bench.peers[0].node;
        let chosen = |bench: &mut Bench, n: u16| {
            bench.peers.push(Peer {
                node: NodeKey::generate(&mut Stream::from_seed([n as u8; 32])).id(),
                addr: SocketAddr::from(([127, 0, 0, 1], n)),
            });
            bench.link(n, true);
        };
        chosen(&mut bench, 4);
        assert_eq!(bench.at(1.0), (Some(4), Some(0)));
        chosen(&mut bench, 5);
        assert_eq!(bench.at(2.0), (Some(4), Some(5)));
        assert!(!bench.pins.holds(&caller));
        chosen(&mut bench, 6);
        assert_eq!(bench.at(3.0), (Some(4), Some(5)), "chosen ones stay");
    }

    #[test]
    fn two_second_hops_are_kept_behind_a_guard_and_go_with_it() {
        let mut bench = Bench::new(4, 4);
        bench.at(0.0);
        let guard = bench.peers[0].node;
        for n in [2, 3, 2, 1] {
            bench.pins.pin_second(guard, bench.peers[n]);
        }
        let none = BTreeSet::new();
        let first = BTreeSet::from([bench.peers[2].node]);
        assert_eq!(bench.pins.second(&guard, &none), Some(bench.peers[2]));
        assert_eq!(bench.pins.second(&guard, &first), Some(bench.peers[1]));
        bench.silence(0, true);
        bench.at(1.0);
        bench.at(700.0);
        assert_eq!(bench.pins.second(&guard, &none), None);
    }
}
