//! Which records are believed, and whom not to ask again so soon.
//!
//! A record that passes here is true at most; its node becomes a member only after an own round trip.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::crypto::id::NodeId;
use crate::wire::address::Address;
use crate::wire::dht::RecordBytes;
use crate::wire::record::{BadRecord, NodeRecord};
use crate::wire::size::{RECORD, SIGNATURE};
use crate::wire::time::{Moment, Now};

use super::members::subnet;

/// Signature checks of records per second: a fortieth of a core. Above it records are dropped; the next exchange brings them again.
const CHECKS_PER_SECOND: f64 = 50.0;
/// Checks that may come at once: a joining node meets a whole leaf set and table.
const CHECKS_AT_ONCE: f64 = 150.0;
/// Records whose signatures need no second check; the oldest falls out.
const VERIFIED_MAX: usize = 1024;
/// Nodes whose newest record is remembered; the one that ends first falls out.
const SEEN_MAX: usize = 2048;
/// Nodes caught signing two records for one second; the one that ends first falls out.
const LIARS_MAX: usize = 256;
/// How long a liar is not believed, seconds.
const LIAR_SECONDS: u32 = 24 * 3600;
/// A high-water mark outlives its record by this, seconds.
const SEEN_MARGIN: u32 = 600;
/// An address or place that did not answer is left alone for so long.
const COLD: Duration = Duration::from_secs(60);
/// Cold addresses and places remembered; the oldest falls out.
const COLD_MAX: usize = 512;
/// Probes of unknown nodes in one /24 (IPv6 /48) per minute, outside LAN mode: nobody aims this node at a victim's network.
const PROBES_PER_SUBNET: u8 = 8;

/// Why a record is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed,
    Bad(BadRecord),
    /// A newer record of this node is known.
    Older,
    /// Two records with the same time: the node is not believed for a day.
    Liar,
    /// Too many signature checks in the last second.
    Busy,
}

struct Seen {
    created: u32,
    /// Hash of what was signed. Not of the signature, which anybody can turn into a second valid one.
    content: [u8; 32],
    until: u32,
}

pub(super) struct Admission {
    lan: bool,
    seen: BTreeMap<NodeId, Seen>,
    liars: BTreeMap<NodeId, u32>,
    verified: BTreeSet<[u8; 32]>,
    verified_order: VecDeque<[u8; 32]>,
    checks: f64,
    refilled: Moment,
    cold_places: Recent<[u8; 8]>,
    cold_addresses: Recent<Address>,
    probes: BTreeMap<[u8; 7], (Moment, u8)>,
}

impl Admission {
    pub fn new(lan: bool) -> Admission {
        Admission {
            lan,
            seen: BTreeMap::new(),
            liars: BTreeMap::new(),
            verified: BTreeSet::new(),
            verified_order: VecDeque::new(),
            checks: CHECKS_AT_ONCE,
            refilled: Moment(0),
            cold_places: Recent::new(),
            cold_addresses: Recent::new(),
            probes: BTreeMap::new(),
        }
    }

    /// Everything that can be known of a record without asking its node.
    pub fn check(&mut self, now: Now, bytes: &RecordBytes) -> Result<NodeRecord, Refused> {
        let record = NodeRecord::decode(bytes).map_err(|_| Refused::Malformed)?;
        let node = record.node();
        let seconds = now.unix.seconds();
        if self.liars.get(&node).is_some_and(|until| *until > seconds) {
            return Err(Refused::Liar);
        }
        let before = self.seen.get(&node).filter(|seen| seen.until > seconds);
        let before = before.map(|seen| (seen.created, seen.content));
        if before.is_some_and(|(created, _)| created > record.created()) {
            return Err(Refused::Older);
        }
        let whole: [u8; 32] = Sha256::digest(bytes).into();
        record.check_time(now.unix).map_err(Refused::Bad)?;
        if !self.verified.contains(&whole) {
            self.spend(now.at)?;
            record.verify(now.unix, self.lan).map_err(Refused::Bad)?;
            self.verified.insert(whole);
            self.verified_order.push_back(whole);
            if self.verified_order.len() > VERIFIED_MAX
                && let Some(oldest) = self.verified_order.pop_front()
            {
                self.verified.remove(&oldest);
            }
        }
        let content: [u8; 32] = Sha256::digest(&bytes[..RECORD - SIGNATURE]).into();
        if before.is_some_and(|(created, other)| created == record.created() && other != content) {
            self.seen.remove(&node);
            make_room(&mut self.liars, LIARS_MAX, |until| *until);
            self.liars
                .insert(node, seconds.saturating_add(LIAR_SECONDS));
            return Err(Refused::Liar);
        }
        if !self.seen.contains_key(&node) {
            make_room(&mut self.seen, SEEN_MAX, |seen| seen.until);
        }
        let until = record.expires().saturating_add(SEEN_MARGIN);
        let seen = Seen {
            created: record.created(),
            content,
            until,
        };
        self.seen.insert(node, seen);
        Ok(record)
    }

    pub fn is_liar(&self, node: &NodeId, now: Now) -> bool {
        self.liars
            .get(node)
            .is_some_and(|until| *until > now.unix.seconds())
    }

    fn spend(&mut self, now: Moment) -> Result<(), Refused> {
        let passed = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.checks = (self.checks + passed * CHECKS_PER_SECOND).min(CHECKS_AT_ONCE);
        if self.checks < 1.0 {
            return Err(Refused::Busy);
        }
        self.checks -= 1.0;
        Ok(())
    }

    /// Whether a place on the ring was asked for in vain a short while ago.
    pub fn is_cold_place(&self, prefix: &[u8; 8], now: Moment) -> bool {
        self.cold_places.contains(prefix, now)
    }

    /// Whether this node, known from hearsay, may be asked now; if so, the question is counted.
    pub fn may_probe(&mut self, address: &Address, prefix: &[u8; 8], now: Moment) -> bool {
        if self.cold_addresses.contains(address, now) || self.cold_places.contains(prefix, now) {
            return false;
        }
        if self.lan {
            return true;
        }
        let network = subnet(address);
        if !self.probes.contains_key(&network) {
            make_room(&mut self.probes, COLD_MAX, |(since, _)| *since);
        }
        let (since, count) = self.probes.entry(network).or_insert((now, 0));
        if now.since(*since) >= COLD {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= PROBES_PER_SUBNET
    }

    /// A node known from hearsay did not answer.
    pub fn silent(&mut self, address: Address, prefix: [u8; 8], now: Moment) {
        self.cold_places.mark(prefix, now);
        self.cold_addresses.mark(address, now);
    }
}

/// Keys marked within the last [`COLD`]; at most [`COLD_MAX`].
struct Recent<K> {
    marks: BTreeMap<K, Moment>,
}

impl<K: Copy + Ord> Recent<K> {
    fn new() -> Recent<K> {
        Recent {
            marks: BTreeMap::new(),
        }
    }

    fn contains(&self, key: &K, now: Moment) -> bool {
        self.marks
            .get(key)
            .is_some_and(|marked| now.since(*marked) < COLD)
    }

    fn mark(&mut self, key: K, now: Moment) {
        if !self.marks.contains_key(&key) {
            make_room(&mut self.marks, COLD_MAX, |marked| *marked);
        }
        self.marks.insert(key, now);
    }
}

/// Drops the entry with the least `rank` if the map is full.
pub(super) fn make_room<K: Copy + Ord, V, R: Ord>(
    map: &mut BTreeMap<K, V>,
    limit: usize,
    rank: impl Fn(&V) -> R,
) {
    if map.len() >= limit
        && let Some(key) = map.iter().min_by_key(|(_, v)| rank(v)).map(|(k, _)| *k)
    {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::NodeKey;
    use crate::crypto::random::Stream;
    use crate::wire::time::UnixMs;

    fn now(seconds: u64) -> Now {
        Now {
            at: Moment(seconds * 1_000_000),
            unix: UnixMs(1_800_000_000_000 + seconds * 1000),
        }
    }

    fn record(key: &NodeKey, addr: &str, at: Now) -> RecordBytes {
        let addr = addr.parse().expect("a literal");
        NodeRecord::make(key, addr, at.unix, 120, 0).bytes()
    }

    fn key(seed: u8) -> NodeKey {
        NodeKey::generate(&mut Stream::from_seed([seed; 32]))
    }

    #[test]
    fn a_newer_record_replaces_an_older_one_and_time_never_goes_back() {
        let mut admission = Admission::new(false);
        let key = key(1);
        let old = record(&key, "9.8.7.6:1", now(0));
        let new = record(&key, "9.8.7.6:2", now(10));
        assert!(admission.check(now(10), &old).is_ok());
        assert!(admission.check(now(10), &new).is_ok());
        assert_eq!(admission.check(now(11), &old), Err(Refused::Older));
        assert!(admission.check(now(11), &new).is_ok());
    }

    #[test]
    fn two_records_of_one_second_make_a_liar_for_a_day() {
        let mut admission = Admission::new(false);
        let key = key(1);
        let one = record(&key, "9.8.7.6:1", now(0));
        let other = record(&key, "9.8.7.6:2", now(0));
        assert!(admission.check(now(1), &one).is_ok());
        assert_eq!(admission.check(now(1), &other), Err(Refused::Liar));
        let later = record(&key, "9.8.7.6:1", now(50));
        assert_eq!(admission.check(now(50), &later), Err(Refused::Liar));
        let next_day = now(24 * 3600 + 2);
        let later = record(&key, "9.8.7.6:1", next_day);
        assert!(admission.check(next_day, &later).is_ok());
    }

    #[test]
    fn each_bad_record_is_refused_for_its_own_reason() {
        let mut admission = Admission::new(false);
        let key = key(1);
        let refused = |a: &mut Admission, at, bytes: &RecordBytes| a.check(at, bytes).err();
        let ahead = record(&key, "9.8.7.6:1", now(121));
        assert_eq!(
            refused(&mut admission, now(0), &ahead),
            Some(Refused::Bad(BadRecord::Ahead))
        );
        let good = record(&key, "9.8.7.6:1", now(0));
        assert_eq!(
            refused(&mut admission, now(7200), &good),
            Some(Refused::Bad(BadRecord::Expired))
        );
        let private = record(&key, "10.0.0.1:1", now(0));
        assert_eq!(
            refused(&mut admission, now(0), &private),
            Some(Refused::Bad(BadRecord::Address))
        );
        let mut forged = good;
        forged[RECORD - 1] ^= 1;
        assert_eq!(
            refused(&mut admission, now(0), &forged),
            Some(Refused::Bad(BadRecord::Signature))
        );
        let mut odd = good;
        odd[0] = 9;
        assert_eq!(
            refused(&mut admission, now(0), &odd),
            Some(Refused::Malformed)
        );
        assert!(admission.check(now(0), &good).is_ok());
    }

    #[test]
    fn a_flood_of_records_costs_a_bounded_number_of_checks() {
        let mut admission = Admission::new(false);
        let key = key(1);
        let good = record(&key, "9.8.7.6:1", now(0));
        let mut busy = 0;
        for n in 0..400u16 {
            let mut forged = good;
            forged[RECORD - 2..].copy_from_slice(&n.to_be_bytes());
            if admission.check(now(0), &forged) == Err(Refused::Busy) {
                busy += 1;
            }
        }
        assert_eq!(busy, 400 - CHECKS_AT_ONCE as usize);
        assert!(admission.check(now(1), &good).is_ok());
    }

    #[test]
    fn a_silent_address_is_left_alone_for_a_minute_and_a_subnet_gets_eight_probes() {
        let mut admission = Admission::new(false);
        let address = |n: u8| {
            let addr: std::net::SocketAddr = ([9, 8, 7, n], 1).into();
            Address::from(addr)
        };
        assert!(admission.may_probe(&address(0), &[0; 8], now(1).at));
        admission.silent(address(0), [0; 8], now(2).at);
        assert!(!admission.may_probe(&address(0), &[9; 8], now(3).at));
        let allowed = (1..=20u8)
            .filter(|n| admission.may_probe(&address(*n), &[*n; 8], now(3).at))
            .count();
        assert_eq!(allowed, usize::from(PROBES_PER_SUBNET) - 1);
        assert!(admission.may_probe(&address(0), &[0; 8], now(63).at));
    }
}
