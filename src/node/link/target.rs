//! Whom this node calls.

use std::net::SocketAddr;

use crate::crypto::curve::Point;
use crate::crypto::id::{EntryId, NodeId};
use crate::wire::peer::Peer;
use crate::wire::ticket::EntrySecret;

/// Under which key the other is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialKey {
    Node(NodeId),
    /// Its answer says, and proves, which NodeId it has now.
    Entry(EntryId, EntrySecret),
}

impl DialKey {
    pub(super) fn parts(&self) -> (Point, EntrySecret) {
        match self {
            DialKey::Node(node) => (*node.point(), EntrySecret::NONE),
            DialKey::Entry(entry, secret) => (*entry.point(), *secret),
        }
    }
}

/// Whom to call, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialTarget {
    pub key: DialKey,
    pub addr: SocketAddr,
}

impl From<Peer> for DialTarget {
    fn from(peer: Peer) -> DialTarget {
        DialTarget {
            key: DialKey::Node(peer.node),
            addr: peer.addr,
        }
    }
}
