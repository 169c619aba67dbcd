//! Coming in: the entry nodes are called one at a time until the ring is joined, and peers tell the own address. Joining itself is the
//! ring's business (`dht::join`).

use super::*;

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

    /// Somebody we called says from where the call came. Without an address given by the owner, the first that two say is taken for ours.
    pub(super) fn on_observed(&mut self, now: Now, seen: SocketAddr) {
        if self.address.is_some() {
            return;
        }
        if self.reports.len() >= REPORTS && !self.reports.contains_key(&seen) {
            self.reports.clear();
        }
        let count = self.reports.entry(seen).or_insert(0);
        *count += 1;
        // One voice suffices where nobody else can be asked: an only entry node, a private network.
        if *count >= 2 || self.lan || self.entries.len() == 1 {
            self.address = Some(seen);
            self.dht.set_address(now, seen);
            if !self.entry_peers.is_empty() {
                self.dht.start(now, &self.entry_peers);
            }
        }
    }
}
