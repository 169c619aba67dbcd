//! Which INITs are worth a curve operation: rates and replays.
//!
//! What is over a limit is dropped in silence. Not here: the MAC that comes before it, and the bounds on half-open associations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::wire::time::Moment;

/// INITs a second from one IPv4 address or IPv6 /64 (in LAN mode: from one address and port). A household behind one address joins in it.
const PER_SOURCE: f64 = 20.0;
/// INITs a second from everybody: 64 answers are about 3 % of a core.
const IN_ALL: f64 = 64.0;
/// Sources counted at once: no more than `IN_ALL` a second are added, and one is forgotten when its allowance is whole again.
const SOURCES: usize = 1024;
/// Salts kept; at most about `IN_ALL` x `REMEMBER` come in, above this number INITs are dropped until old ones leave.
const SALTS: usize = 65_536;
/// A replay is recognised this long: the span of accepted clocks on both sides, and a little more.
const REMEMBER: Duration = Duration::from_secs(2 * 600 + 60);

/// An allowance that refills at a steady rate up to one second's worth.
#[derive(Clone, Copy)]
pub struct Allowance {
    rate: f64,
    left: f64,
    at: Moment,
}

impl Allowance {
    pub fn new(rate: f64, now: Moment) -> Allowance {
        Allowance {
            rate,
            left: rate,
            at: now,
        }
    }

    fn refill(&mut self, now: Moment) {
        self.left = (self.left + now.since(self.at).as_secs_f64() * self.rate).min(self.rate);
        self.at = self.at.max(now);
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Moment) -> bool {
        self.take_many(now, 1.0)
    }

    /// Takes so many at once, or none.
    pub fn take_many(&mut self, now: Moment, count: f64) -> bool {
        self.refill(now);
        let there = self.left >= count;
        if there {
            self.left -= count;
        }
        there
    }
}

type Source = ([u8; 16], u16);

pub struct Gate {
    lan: bool,
    in_all: Allowance,
    sources: BTreeMap<Source, Allowance>,
    salts: BTreeSet<[u8; 16]>,
    order: VecDeque<(Moment, [u8; 16])>,
}

impl Gate {
    pub fn new(lan: bool) -> Gate {
        Gate {
            lan,
            in_all: Allowance::new(IN_ALL, Moment(0)),
            sources: BTreeMap::new(),
            salts: BTreeSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether an INIT whose MAC fits may be opened.
    pub fn admits(&mut self, now: Moment, from: SocketAddr, salt: &[u8; 16]) -> bool {
        while self
            .order
            .front()
            .is_some_and(|(seen, _)| now.since(*seen) > REMEMBER)
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.salts.remove(&old);
            }
        }
        if self.salts.len() >= SALTS || self.salts.contains(salt) {
            return false;
        }
        self.source_admits(now, from) && self.in_all.take(now)
    }

    /// An INIT opened: it never will again.
    pub fn remember(&mut self, now: Moment, salt: [u8; 16]) {
        if self.salts.insert(salt) {
            self.order.push_back((now, salt));
        }
    }

    fn source_admits(&mut self, now: Moment, from: SocketAddr) -> bool {
        let source = source(from, self.lan);
        if let Some(allowance) = self.sources.get_mut(&source) {
            return allowance.take(now);
        }
        if self.sources.len() >= SOURCES {
            self.sources.retain(|_, a| {
                a.refill(now);
                a.left < a.rate
            });
            if self.sources.len() >= SOURCES {
                return false;
            }
        }
        let mut allowance = Allowance::new(PER_SOURCE, now);
        allowance.take(now);
        self.sources.insert(source, allowance);
        true
    }
}

/// Whom an address is counted with.
pub fn source(from: SocketAddr, lan: bool) -> Source {
    let mut bytes = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    if lan {
        return (bytes, from.port());
    }
    if from.is_ipv6() {
        bytes[8..].fill(0);
    }
    (bytes, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([9, 8, 7, last], port))
    }

    fn salt(n: u32) -> [u8; 16] {
        let mut salt = [0; 16];
        salt[..4].copy_from_slice(&n.to_be_bytes());
        salt
    }

    #[test]
    fn one_source_has_twenty_a_second_and_all_together_sixty_four() {
        let mut gate = Gate::new(false);
        let passed = (0..100)
            .filter(|n| gate.admits(Moment(0), address(1, *n as u16), &salt(*n)))
            .count();
        assert_eq!(passed, 20);
        let passed = (0..100)
            .filter(|n| gate.admits(Moment(0), address(*n as u8 + 2, 1), &salt(*n)))
            .count();
        assert_eq!(passed, 44);
        assert!(gate.admits(Moment(1_000_000), address(1, 1), &salt(7)));
    }

    #[test]
    fn on_a_local_network_ports_are_counted_apart() {
        let mut gate = Gate::new(true);
        let passed = (0..60)
            .filter(|n| gate.admits(Moment(0), address(1, *n as u16), &salt(*n)))
            .count();
        assert_eq!(passed, 60);
    }

    #[test]
    fn a_salt_opens_once_within_the_time_its_clock_would_be_accepted() {
        let mut gate = Gate::new(false);
        gate.remember(Moment(0), salt(1));
        assert!(!gate.admits(Moment(1), address(1, 1), &salt(1)));
        assert!(!gate.admits(Moment(1_200_000_000), address(1, 1), &salt(1)));
        assert!(gate.admits(Moment(1_200_000_000), address(1, 1), &salt(2)));
    }

    #[test]
    fn when_the_salts_are_full_nothing_is_admitted_until_old_ones_leave() {
        let mut gate = Gate::new(false);
        for n in 0..SALTS as u32 {
            gate.remember(Moment(0), salt(n));
        }
        assert!(!gate.admits(Moment(1_000_000), address(1, 1), &salt(u32::MAX)));
        assert!(gate.admits(Moment(1_261_000_000), address(1, 1), &salt(u32::MAX)));
        assert!(gate.salts.is_empty() && gate.order.is_empty());
    }
}
