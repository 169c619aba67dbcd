//! Which association a datagram belongs to, and which is due next.
//!
//! Look-up is by source address first; only what matches nothing is tried on all, within a budget. Not here: what is done with a match.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::AssocId;
use crate::wire::time::Moment;

/// Associations tried for one source address: a link, spurs both ways, a contact session, half-open ones.
pub const AT_ONE_ADDRESS: usize = 32;

/// Ids by address.
#[derive(Default)]
pub struct Addresses(BTreeSet<(SocketAddr, AssocId)>);

impl Addresses {
    pub fn add(&mut self, addr: SocketAddr, id: AssocId) {
        self.0.insert((addr, id));
    }

    pub fn remove(&mut self, addr: SocketAddr, id: AssocId) {
        self.0.remove(&(addr, id));
    }

    /// Ids at this address, lowest first.
    pub fn at(&self, addr: SocketAddr) -> impl Iterator<Item = AssocId> + '_ {
        self.0
            .range((addr, AssocId(0))..=(addr, AssocId(u64::MAX)))
            .map(|(_, id)| *id)
            .take(AT_ONE_ADDRESS)
    }
}

/// One timer for each association and call.
#[derive(Default)]
pub struct Timers {
    order: BTreeSet<(Moment, AssocId)>,
    of: BTreeMap<AssocId, Moment>,
}

impl Timers {
    pub fn set(&mut self, id: AssocId, at: Moment) {
        if let Some(old) = self.of.insert(id, at) {
            self.order.remove(&(old, id));
        }
        self.order.insert((at, id));
    }

    pub fn clear(&mut self, id: AssocId) {
        if let Some(old) = self.of.remove(&id) {
            self.order.remove(&(old, id));
        }
    }

    pub fn next(&self) -> Moment {
        self.order.first().map_or(Moment::NEVER, |(at, _)| *at)
    }

    /// Takes the first that is due.
    pub fn pop(&mut self, now: Moment) -> Option<AssocId> {
        let (at, id) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.clear(id);
        Some(id)
    }
}
