//! A node's signed statement of where it is reached.

use std::net::{IpAddr, SocketAddr};

use super::address::{Address, Reach};
use super::codec::{Malformed, Reader, Writer, malformed};
use super::peer::Peer;
use super::position::Position;
use super::size::{RECORD, SIGNATURE};
use super::time::UnixMs;
use crate::crypto::id::NodeId;
use crate::crypto::keys::{Domain, NodeKey, Signature};

/// Layout version of a record.
const VERSION: u8 = 1;
/// A record lives a day at most.
pub const MAX_LIFETIME_MINUTES: u16 = 1440;
/// Two hours: a changed address stops being answered for within them.
pub const LIFETIME_MINUTES: u16 = 120;
/// How far a maker's clock may be ahead of ours, in seconds.
pub const AHEAD_SECONDS: u32 = 120;
/// Eight places on the ring for one address: enough for a household, too few to choose a neighbourhood.
pub const SLOTS: u8 = 8;

/// 124 bytes: version 1, flags 1, NodeId 33, address 18, created 4 (Unix seconds), lifetime 2 (minutes), slot 1, signature 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    node: NodeId,
    address: Address,
    created: u32,
    lifetime_minutes: u16,
    slot: u8,
    signature: Signature,
}

/// Why a record is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    #[error("made in the future")]
    Ahead,
    #[error("expired")]
    Expired,
    #[error("an address that is not talked to")]
    Address,
    #[error("not signed by its node")]
    Signature,
}

impl NodeRecord {
    /// Signs a record. `slot` is reduced to `0..8`, `lifetime_minutes` to a day.
    pub fn make(
        key: &NodeKey,
        addr: SocketAddr,
        unix: UnixMs,
        lifetime_minutes: u16,
        slot: u8,
    ) -> NodeRecord {
        let mut record = NodeRecord {
            node: key.id(),
            address: Address::from(addr),
            created: unix.seconds(),
            lifetime_minutes: lifetime_minutes.clamp(1, MAX_LIFETIME_MINUTES),
            slot: slot % SLOTS,
            signature: Signature([0; SIGNATURE]),
        };
        record.signature = key.sign(Domain::NodeRecord, &record.bytes()[..RECORD - SIGNATURE]);
        record
    }

    /// Parses; says nothing about signature and time.
    pub fn read(r: &mut Reader<'_>) -> Result<NodeRecord, Malformed> {
        if r.u8("record version")? != VERSION || r.u8("record flags")? != 0 {
            return malformed("record version");
        }
        let node = NodeId::decode(r.take(NodeId::LEN, "record key")?)
            .map_err(|_| Malformed { what: "record key" })?;
        let address = Address::read(r)?;
        let created = r.u32("record time")?;
        let lifetime_minutes = r.u16("record lifetime")?;
        let slot = r.u8("record slot")?;
        if lifetime_minutes == 0 || lifetime_minutes > MAX_LIFETIME_MINUTES || slot >= SLOTS {
            return malformed("record lifetime");
        }
        Ok(NodeRecord {
            node,
            address,
            created,
            lifetime_minutes,
            slot,
            signature: Signature(r.array("record signature")?),
        })
    }

    pub fn decode(bytes: &[u8]) -> Result<NodeRecord, Malformed> {
        let mut r = Reader::new(bytes);
        let record = NodeRecord::read(&mut r)?;
        r.end("record")?;
        Ok(record)
    }

    pub fn write(&self, w: &mut Writer<'_>) {
        w.u8(VERSION).u8(0).put(self.node.bytes());
        self.address.write(w);
        w.u32(self.created)
            .u16(self.lifetime_minutes)
            .u8(self.slot)
            .put(&self.signature.0);
    }

    pub fn bytes(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        self.write(&mut Writer::new(&mut bytes));
        bytes
    }

    /// Time, address, then the signature (the dear part last).
    pub fn verify(&self, unix: UnixMs, lan: bool) -> Result<(), BadRecord> {
        self.check_time(unix)?;
        if !self.address.is_allowed(Reach::of(lan)) {
            return Err(BadRecord::Address);
        }
        if self.node.verify(
            Domain::NodeRecord,
            &self.bytes()[..RECORD - SIGNATURE],
            &self.signature,
        ) {
            Ok(())
        } else {
            Err(BadRecord::Signature)
        }
    }

    /// Whether it is still, or already, to be used.
    pub fn check_time(&self, unix: UnixMs) -> Result<(), BadRecord> {
        let now = unix.seconds();
        if self.created > now.saturating_add(AHEAD_SECONDS) {
            Err(BadRecord::Ahead)
        } else if self.expires() <= now {
            Err(BadRecord::Expired)
        } else {
            Ok(())
        }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    pub fn address(&self) -> Address {
        self.address
    }

    pub fn peer(&self) -> Peer {
        Peer {
            node: self.node,
            addr: self.address.socket(),
        }
    }

    /// Unix seconds.
    pub fn created(&self) -> u32 {
        self.created
    }

    /// Unix seconds.
    pub fn expires(&self) -> u32 {
        self.created
            .saturating_add(u32::from(self.lifetime_minutes) * 60)
    }

    pub fn slot(&self) -> u8 {
        self.slot
    }

    /// The node's place on the ring.
    pub fn position(&self) -> Position {
        place(&self.node, &self.address, self.slot)
    }
}

/// Where a node with this key, address and slot is on the ring. A public address gives the first 32 bits (one of eight values per masked
/// address, after BEP 42), so that nobody grinds keys for a neighbourhood; a local address gives nothing and the key gives all.
pub fn place(node: &NodeId, address: &Address, slot: u8) -> Position {
    let mut position = Position::hash("paratox position", &[node.bytes()]);
    if !address.is_local() {
        let slot = [slot];
        let masked = match address.ip() {
            IpAddr::V4(ip) => Position::hash(
                "paratox position v4",
                &[&(u32::from(ip) & 0x030f_3fff).to_be_bytes(), &slot],
            ),
            IpAddr::V6(ip) => {
                let network = (u128::from(ip) >> 64) as u64 & 0x0103_070f_1f3f_7fff;
                Position::hash("paratox position v6", &[&network.to_be_bytes(), &slot])
            }
        };
        position.0[..4].copy_from_slice(&masked.0[..4]);
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;

    const UNIX: UnixMs = UnixMs(1_800_000_000_000);

    fn record(addr: &str, slot: u8) -> (NodeKey, NodeRecord) {
        let key = NodeKey::generate(&mut Stream::from_seed([slot; 32]));
        let record = NodeRecord::make(
            &key,
            addr.parse().expect("a literal"),
            UNIX,
            LIFETIME_MINUTES,
            slot,
        );
        (key, record)
    }

    #[test]
    fn a_record_verifies_after_a_round_trip_and_not_after_any_change() {
        let (_, record) = record("9.8.7.6:4000", 3);
        let bytes = record.bytes();
        assert_eq!(NodeRecord::decode(&bytes), Ok(record));
        assert_eq!(record.verify(UNIX, false), Ok(()));
        for i in 0..RECORD {
            let mut bad = bytes;
            bad[i] ^= 1;
            if let Ok(parsed) = NodeRecord::decode(&bad) {
                assert!(parsed.verify(UNIX, true).is_err(), "byte {i}");
            }
        }
        for n in 0..RECORD {
            assert!(NodeRecord::decode(&bytes[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn a_record_is_used_from_two_minutes_before_its_making_until_its_lifetime_is_over() {
        let (_, record) = record("9.8.7.6:4000", 0);
        assert_eq!(
            record.verify(UnixMs(UNIX.0 - 121_000), false),
            Err(BadRecord::Ahead)
        );
        assert_eq!(record.verify(UnixMs(UNIX.0 - 120_000), false), Ok(()));
        assert_eq!(record.verify(UnixMs(UNIX.0 + 7_199_000), false), Ok(()));
        assert_eq!(
            record.verify(UnixMs(UNIX.0 + 7_200_000), false),
            Err(BadRecord::Expired)
        );
    }

    #[test]
    fn a_private_address_is_refused_outside_lan_mode() {
        let (_, record) = record("192.168.0.4:4000", 0);
        assert_eq!(record.verify(UNIX, false), Err(BadRecord::Address));
        assert_eq!(record.verify(UNIX, true), Ok(()));
    }

    #[test]
    fn a_public_address_has_eight_neighbourhoods_whatever_the_key() {
        let mut starts = std::collections::BTreeSet::new();
        for n in 0..64u8 {
            let key = NodeKey::generate(&mut Stream::from_seed([n; 32]));
            let record = NodeRecord::make(
                &key,
                "9.8.7.6:4000".parse().expect("a literal"),
                UNIX,
                10,
                n,
            );
            starts.insert(record.position().0[..4].to_vec());
        }
        assert_eq!(starts.len(), 8);
    }

    #[test]
    fn local_nodes_are_placed_by_their_key() {
        let (_, a) = record("127.0.0.1:4000", 1);
        let (_, b) = record("127.0.0.1:4000", 2);
        assert_ne!(a.position().0[..4], b.position().0[..4]);
    }
}
