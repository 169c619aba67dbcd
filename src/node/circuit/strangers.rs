//! Addresses that this node sends to only because somebody's circuit says so.
//!
//! Whoever builds a circuit that ends here names addresses, for spurs and for queries. An end must not be a weapon against a third party: an
//! address that never answered is called once a minute, whoever asks and however often. What answered once is no stranger.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::wire::time::Moment;

/// Addresses remembered, of those heard and those only called; the oldest is forgotten, and counts as never heard again.
const MAX_ADDRESSES: usize = 2048;
/// Seconds between two calls of an address that never answered.
const STRANGER_SECONDS: f64 = 60.0;

/// Whether an address may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It has answered before.
    Known,
    /// It never has; this is the one call of the minute.
    First,
    /// It was called less than a minute ago and has not answered.
    NotNow,
}

#[derive(Default)]
pub(super) struct Strangers {
    /// When each address was last called, if it was never heard; `None` once it was heard.
    addresses: BTreeMap<SocketAddr, Option<Moment>>,
    order: VecDeque<SocketAddr>,
}

impl Strangers {
    /// Something that opened came from there.
    pub fn heard(&mut self, addr: SocketAddr) {
        self.remember(addr, None);
    }

    /// Asks leave to call; given, it is used.
    pub fn call(&mut self, now: Moment, addr: SocketAddr) -> Call {
        match self.addresses.get(&addr) {
            Some(None) => Call::Known,
            Some(Some(last)) if now < last.after_seconds(STRANGER_SECONDS) => Call::NotNow,
            _ => {
                self.remember(addr, Some(now));
                Call::First
            }
        }
    }

    fn remember(&mut self, addr: SocketAddr, state: Option<Moment>) {
        if self.addresses.insert(addr, state).is_none() {
            self.order.push_back(addr);
            if self.order.len() > MAX_ADDRESSES
                && let Some(oldest) = self.order.pop_front()
            {
                self.addresses.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_never_answered_is_called_once_a_minute() {
        let mut strangers = Strangers::default();
        let silent = SocketAddr::from(([127, 0, 0, 1], 1));
        let called: Vec<u64> = (0..180u64)
            .filter(|second| strangers.call(Moment(second * 1_000_000), silent) == Call::First)
            .collect();
        assert_eq!(called, [0, 60, 120]);
        strangers.heard(silent);
        for _ in 0..10 {
            assert_eq!(strangers.call(Moment(121_000_000), silent), Call::Known);
        }
    }

    #[test]
    fn a_flood_of_addresses_stays_within_its_bound() {
        let mut strangers = Strangers::default();
        for n in 0..3 * MAX_ADDRESSES as u32 {
            let addr = SocketAddr::from((n.to_be_bytes(), 1));
            assert_eq!(strangers.call(Moment(0), addr), Call::First);
        }
        assert_eq!(strangers.addresses.len(), MAX_ADDRESSES);
        assert_eq!(strangers.order.len(), MAX_ADDRESSES);
    }
}
