//! A node and where it is reached.

use std::net::SocketAddr;

use crate::crypto::id::NodeId;

/// Whom to talk to, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    pub node: NodeId,
    pub addr: SocketAddr,
}
