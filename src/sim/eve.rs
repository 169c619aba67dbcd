//! What Eve sees: every datagram of the world with its time, its two ends and its length, and nothing else.

use sha2::{Digest, Sha256};

use crate::node::Cause;

/// One datagram on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Microseconds since the world began.
    pub at: u64,
    pub source: u32,
    pub target: u32,
    pub length: u16,
    /// Why the node sent it. Eve does not see this; the tests use it to say which of her records must agree.
    pub cause: Cause,
}

/// Her log, bounded: beyond `limit` sightings only the running hash goes on.
pub struct Eve {
    pub log: Vec<Sighting>,
    pub seen: u64,
    limit: usize,
    hash: Sha256,
}

impl Eve {
    pub fn new(limit: usize) -> Eve {
        Eve {
            log: Vec::new(),
            seen: 0,
            limit,
            hash: Sha256::new(),
        }
    }

    pub fn see(&mut self, sighting: Sighting, bytes: &[u8]) {
        self.seen += 1;
        self.hash.update(sighting.at.to_be_bytes());
        self.hash.update(sighting.source.to_be_bytes());
        self.hash.update(sighting.target.to_be_bytes());
        self.hash.update(sighting.length.to_be_bytes());
        self.hash.update(bytes);
        if self.log.len() < self.limit {
            self.log.push(sighting);
        }
    }

    /// A digest of everything seen so far, contents included: equal digests mean equal runs.
    pub fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// Her records of one node's traffic that its own clocks decide: all it starts, and all that comes in over its shaped links. Answers to other
    /// nodes' requests, and what those send it, are left out.
    pub fn own_clocks_of(&self, node: u32) -> Vec<Sighting> {
        let concerns = |s: &&Sighting| match s.cause {
            Cause::Shaped => s.source == node || s.target == node,
            Cause::Dial | Cause::Ring => s.source == node,
            Cause::Spur | Cause::Response | Cause::Answer | Cause::Forward => false,
        };
        self.log.iter().filter(concerns).copied().collect()
    }

    /// Datagrams that other people's business brought to or out of `node`: spurs that ended or began there, requests it forwarded.
    pub fn foreign_business_of(&self, node: u32) -> usize {
        self.log
            .iter()
            .filter(|s| {
                (s.source == node || s.target == node)
                    && matches!(s.cause, Cause::Spur | Cause::Forward)
            })
            .count()
    }
}
