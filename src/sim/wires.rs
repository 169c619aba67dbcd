//! The simulated network between the nodes: delay, jitter and loss.
//!
//! The fate of a datagram is a function of the seed, its two ends and its number on that pair, not a draw from a shared stream: one more datagram
//! somewhere else must not change what happens here, or two worlds could never be compared.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::crypto::random::Stream;

/// How the wires of a world behave, the same between all nodes.
#[derive(Clone, Copy, Debug)]
pub struct WireConfig {
    /// Shortest time from one node to another.
    pub delay: Duration,
    /// Up to this much is added, uniformly.
    pub jitter: Duration,
    /// Share of datagrams that vanish, 0 to 1.
    pub loss: f64,
}

impl Default for WireConfig {
    fn default() -> WireConfig {
        WireConfig {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(20),
            loss: 0.0,
        }
    }
}

/// One stream of fates for each ordered pair of nodes and purpose of the datagram.
pub struct Wires {
    config: WireConfig,
    root: Stream,
    pairs: BTreeMap<(u32, u32, u8), Stream>,
}

impl Wires {
    pub fn new(config: WireConfig, root: Stream) -> Wires {
        Wires {
            config,
            root,
            pairs: BTreeMap::new(),
        }
    }

    pub fn set_loss(&mut self, loss: f64) {
        self.config.loss = loss;
    }

    /// How long the next datagram of this kind from `source` to `target` takes; `None` if it is lost.
    pub fn carry(&mut self, source: u32, target: u32, kind: u8) -> Option<Duration> {
        let root = &self.root;
        let pair = self.pairs.entry((source, target, kind)).or_insert_with(|| {
            let mut context = [kind; 9];
            context[..4].copy_from_slice(&source.to_be_bytes());
            context[4..8].copy_from_slice(&target.to_be_bytes());
            root.fork("wire", &context)
        });
        let fate = pair.unit();
        let jitter = self.config.jitter.mul_f64(pair.unit());
        (fate >= self.config.loss).then(|| self.config.delay + jitter)
    }
}
