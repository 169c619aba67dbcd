//! What a node says about itself, to the screen and to tests. It reads, and changes nothing.

use std::net::SocketAddr;

use super::Node;
use super::link::Purpose;
use super::person::{LinkRow, NetworkInfo};
use crate::wire::peer::Peer;
use crate::wire::time::Now;

impl Node {
    /// A snapshot for the screen.
    pub fn info(&self, now: Now) -> NetworkInfo {
        let links = self.links.info(now.at);
        let cells = self.links.counts();
        let counters = self.circuits.counters();
        NetworkInfo {
            online: self.joined && self.circuits.online(),
            class: Some(self.class),
            node: Some(self.id),
            address: self.address,
            circuits: self.circuits.rows(now.at),
            known_nodes: self.dht.known(),
            estimated_nodes: self.dht.estimate(),
            pool_records: counters.pool_records,
            stored_values: self.dht.stored(),
            contact_sessions: self.links.contact_sessions(),
            cells_out: cells.cells_out,
            cells_in: cells.cells_in,
            chaff_out: cells.chaff_out,
            rate: links.iter().map(|l| l.rate).sum(),
            steady_rate: links.iter().map(|l| l.steady_rate).sum(),
            failure: self.circuits.failure(now.at),
            dropped: self.links.dropped(),
            links: links
                .into_iter()
                .map(|link| LinkRow {
                    node: link.peer.map(|p| p.node),
                    purpose: if link.purpose == Purpose::Spur {
                        "spur"
                    } else {
                        "link"
                    },
                    state: link.state.word(),
                    seconds: now.at.since(link.since).as_secs(),
                    rate: link.rate,
                    rate_in: link.rate_in,
                    loss: link.loss,
                    rtt_ms: link.round_trip.map_or(0, |r| r.as_millis() as u32),
                })
                .collect(),
        }
    }

    /// Cells that wait on the fullest shaped link, and those of all links that had to give way to newer ones. For the simulator.
    pub fn queues(&self, now: Now) -> (usize, u64) {
        let links = self.links.info(now.at);
        let fullest = links.iter().map(|link| link.waiting).max().unwrap_or(0);
        (fullest, links.iter().map(|link| link.displaced).sum())
    }

    /// Hops of the own circuit with this role, first hop first; empty if it does not serve. For the simulator, which knows everything anyway.
    pub fn path_of(&self, role: &str) -> Vec<Peer> {
        self.circuits
            .paths()
            .into_iter()
            .find(|(r, _)| *r == role)
            .map(|(_, path)| path)
            .unwrap_or_default()
    }

    /// For each circuit that passes through, every address this node ties to it. For the test that none ties two people together.
    pub fn relayed_addresses(&self) -> Vec<Vec<SocketAddr>> {
        self.circuits.relayed_addresses()
    }
}
