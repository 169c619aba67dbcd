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

    /// Whether she kept every sighting there was.
    pub fn is_whole(&self) -> bool {
        self.log.len() as u64 == self.seen
    }

    /// Her records of what the nodes' own clocks decide: every datagram of a shaped link, of the ring and of calls for links, and the answers to these
    /// calls. What the ends of circuits do for these, and what others answer to that, is left out.
    pub fn clocks(&self) -> impl Iterator<Item = &Sighting> {
        let own = |s: &&Sighting| match s.cause {
            Cause::Shaped | Cause::Dial | Cause::Ring | Cause::Response => true,
            Cause::Spur | Cause::Forward | Cause::Welcome | Cause::Answer => false,
        };
        self.log.iter().filter(own)
    }

    /// The same of one node: all that comes and goes over its shaped links, and all else that it starts.
    pub fn clocks_of(&self, node: u32) -> impl Iterator<Item = &Sighting> {
        self.clocks()
            .filter(move |s| s.source == node || s.cause == Cause::Shaped && s.target == node)
    }

    /// All that one node sent, for whatever reason.
    pub fn sent_by(&self, node: u32) -> impl Iterator<Item = &Sighting> {
        self.log.iter().filter(move |s| s.source == node)
    }
}
