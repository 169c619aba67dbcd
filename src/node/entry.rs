//! Coming in: the entry nodes are called one at a time until the ring is joined, and peers tell the own address. Joining itself is the
//! ring's business (`dht::join`).

use super::*;

/// Nodes that must name one address until it is believed, and to believe that it has changed.
const VOICES: usize = 2;
const VOICES_OF_A_MOVE: usize = 3;

impl Node {
    /// Calls the next entry node, one at a time, until the ring is joined.
    pub(super) fn call_entry(&mut self, now: Now) {
        if self.joined {
            self.next_entry = Moment::NEVER;
            return;
        }
        self.entries.rotate_left(1);
        if let Some(ticket) = self.entries.last()
            && let Some(addr) = ticket.address(Reach::of(self.lan))
        {
            let key = DialKey::Entry(ticket.entry, ticket.secret);
            self.links
                .dial(now, DialTarget { key, addr }, Purpose::Contact);
        }
        let young = now.at.since(self.started).as_secs_f64() < YOUNG_ENTRIES;
        let mean = if young {
            YOUNG_ENTRY_RETRY
        } else {
            ENTRY_RETRY
        };
        self.next_entry = now
            .at
            .after_seconds(self.entry_clock.exponential(mean).min(3.0 * mean));
    }

    /// A contact session came up by our own call: while the ring is not joined, that is an entry node under its present NodeId.
    pub(super) fn on_entry(&mut self, now: Now, peer: Peer, dialled: bool) {
        if !dialled
            || self.joined
            || self.entry_peers.contains(&peer)
            || self.entry_peers.len() >= ENTRIES
        {
            return;
        }
        self.entry_peers.push(peer);
        if self.dht.own_record().is_some() {
            self.dht.start(now, &self.entry_peers);
        }
    }

    /// Somebody we called says from where the call came. Without an address given by the owner, the first that two say is taken for ours; later
    /// another one, when the last three who were called all name it: the machine has come to another network.
    pub(super) fn on_observed(&mut self, now: Now, by: NodeId, seen: SocketAddr) {
        if self.address_given {
            return;
        }
        self.reports.retain(|(node, _)| *node != by);
        if self.reports.len() >= REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back((by, seen));
        let believed = match self.address {
            // One voice suffices where nobody else can be asked: an only entry node, a private network.
            None => {
                let voices = self.reports.iter().filter(|(_, said)| *said == seen);
                voices.count() >= VOICES || self.lan || self.entries.len() == 1
            }
            // On a private network a machine may have several addresses, each the right one to somebody.
            Some(current) => {
                let last = self.reports.iter().rev().take(VOICES_OF_A_MOVE);
                current != seen
                    && !self.lan
                    && last.filter(|(_, said)| *said == seen).count() == VOICES_OF_A_MOVE
            }
        };
        if believed {
            self.address = Some(seen);
            self.dht.set_address(now, seen);
            if !self.entry_peers.is_empty() {
                self.dht.start(now, &self.entry_peers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::NodeKey;
    use crate::wire::time::UnixMs;

    fn now() -> Now {
        Now {
            at: Moment(1),
            unix: UnixMs(1_800_000_000_000),
        }
    }

    fn node(address: Option<SocketAddr>, lan: bool) -> Node {
        let config = NodeConfig {
            class: Class::Normal,
            lan,
            address,
            entries: Vec::new(),
            entry_key: None,
            shaping: Shaping::On,
        };
        Node::new(config, &[1; 32], now())
    }

    /// The node believes to be here after these peers named these ports.
    fn told(node: &mut Node, words: &[(u8, u16)]) -> Option<u16> {
        for (by, port) in words {
            let by = NodeKey::generate(&mut Stream::from_seed([*by; 32])).id();
            node.on_observed(now(), by, SocketAddr::from(([9, 8, 7, 6], *port)));
        }
        let record = node.dht.own_record().map(|r| r.address().port());
        assert_eq!(record, node.address.map(|a| a.port()), "the ring is told");
        record
    }

    #[test]
    fn two_peers_tell_the_address_and_three_that_it_has_changed() {
        let mut node = node(None, false);
        assert_eq!(told(&mut node, &[(1, 100)]), None);
        assert_eq!(told(&mut node, &[(1, 100)]), None, "one peer is one voice");
        assert_eq!(told(&mut node, &[(2, 100)]), Some(100));
        assert_eq!(told(&mut node, &[(1, 200), (2, 200)]), Some(100));
        assert_eq!(told(&mut node, &[(3, 100), (4, 200), (5, 200)]), Some(100));
        assert_eq!(told(&mut node, &[(6, 200)]), Some(200));
    }

    #[test]
    fn an_address_given_by_the_owner_and_one_of_a_private_network_stay() {
        let words = [(1, 200), (2, 200), (3, 200), (4, 200)];
        let given = Some(SocketAddr::from(([9, 8, 7, 6], 100)));
        assert_eq!(told(&mut node(given, false), &words), Some(100));
        let mut lan = node(None, true);
        assert_eq!(told(&mut lan, &[(9, 100)]), Some(100));
        assert_eq!(told(&mut lan, &words), Some(100));
    }

    #[test]
    fn a_flood_of_reports_stays_within_its_bound() {
        let mut node = node(None, false);
        for by in 0..200 {
            told(&mut node, &[(by, 1000 + u16::from(by))]);
        }
        assert_eq!(node.reports.len(), REPORTS);
        assert_eq!(node.address, None, "no two said the same");
    }
}
