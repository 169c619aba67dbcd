//! A link certificate: two nodes say together that they are neighbours.
//!
//! A hop of a circuit names its neighbours with them, so that a walk takes only edges that both ends vouch for.

use super::address::Address;
use super::codec::{Malformed, Reader, Writer};
use super::size::{NEIGHBOUR, SIGNATURE};
use super::time::UnixMs;
use crate::crypto::id::NodeId;
use crate::crypto::keys::{Domain, NodeKey, Signature};

/// How far ahead an expiry may lie, in seconds: two days.
pub const MAX_LIFE_SECONDS: u32 = 48 * 3600;

/// What both sign: that `owner` has `neighbour` for a neighbour, at this address, until then.
///
/// The owner's address is not in it: who reads the certificate came to the owner already, and machines with several addresses are known
/// by different ones to different peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub owner: NodeId,
    pub neighbour: NodeId,
    pub address: Address,
    /// Unix seconds.
    pub expires: u32,
}

impl Edge {
    fn message(&self) -> [u8; 33 + 33 + 18 + 4] {
        let mut bytes = [0; 88];
        let mut w = Writer::new(&mut bytes);
        w.put(self.owner.bytes()).put(self.neighbour.bytes());
        self.address.write(&mut w);
        w.u32(self.expires);
        bytes
    }

    pub fn sign(&self, key: &NodeKey) -> Signature {
        key.sign(Domain::LinkCertificate, &self.message())
    }

    pub fn verify(&self, signer: &NodeId, signature: &Signature) -> bool {
        signer.verify(Domain::LinkCertificate, &self.message(), signature)
    }
}

/// 183 bytes: neighbour 33, its address 18, expiry 4 (Unix seconds), the owner's signature 64, the neighbour's 64.
/// The owner is the node that names it and is not in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCertificate {
    pub neighbour: NodeId,
    pub address: Address,
    pub expires: u32,
    pub by_owner: Signature,
    pub by_neighbour: Signature,
}

impl LinkCertificate {
    pub fn read(r: &mut Reader<'_>) -> Result<LinkCertificate, Malformed> {
        let neighbour = NodeId::decode(r.take(NodeId::LEN, "neighbour")?)
            .map_err(|_| Malformed { what: "neighbour" })?;
        Ok(LinkCertificate {
            neighbour,
            address: Address::read(r)?,
            expires: r.u32("certificate expiry")?,
            by_owner: Signature(r.array::<SIGNATURE>("certificate signature")?),
            by_neighbour: Signature(r.array::<SIGNATURE>("certificate signature")?),
        })
    }

    pub fn write(&self, w: &mut Writer<'_>) {
        w.put(self.neighbour.bytes());
        self.address.write(w);
        w.u32(self.expires)
            .put(&self.by_owner.0)
            .put(&self.by_neighbour.0);
    }

    pub fn bytes(&self) -> [u8; NEIGHBOUR] {
        let mut bytes = [0; NEIGHBOUR];
        self.write(&mut Writer::new(&mut bytes));
        bytes
    }

    /// Whether `owner` and the neighbour both signed it and it holds now. Two signature checks.
    pub fn verify(&self, owner: &NodeId, unix: UnixMs) -> bool {
        let edge = Edge {
            owner: *owner,
            neighbour: self.neighbour,
            address: self.address,
            expires: self.expires,
        };
        let now = unix.seconds();
        self.expires > now
            && self.expires <= now.saturating_add(MAX_LIFE_SECONDS + 600)
            && *owner != self.neighbour
            && edge.verify(owner, &self.by_owner)
            && edge.verify(&self.neighbour, &self.by_neighbour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Stream;
    use std::net::SocketAddr;

    const UNIX: UnixMs = UnixMs(1_800_000_000_000);

    fn signed() -> (NodeKey, NodeKey, LinkCertificate) {
        let (a, b) = (
            NodeKey::generate(&mut Stream::from_seed([1; 32])),
            NodeKey::generate(&mut Stream::from_seed([2; 32])),
        );
        let address = Address::from("9.8.7.6:5".parse::<SocketAddr>().expect("a literal"));
        let edge = Edge {
            owner: a.id(),
            neighbour: b.id(),
            address,
            expires: UNIX.seconds() + 3600,
        };
        let certificate = LinkCertificate {
            neighbour: b.id(),
            address,
            expires: edge.expires,
            by_owner: edge.sign(&a),
            by_neighbour: edge.sign(&b),
        };
        (a, b, certificate)
    }

    #[test]
    fn both_ends_must_have_signed() {
        let (a, b, good) = signed();
        assert!(good.verify(&a.id(), UNIX));
        assert!(!good.verify(&b.id(), UNIX));
        let one_sided = LinkCertificate {
            by_neighbour: good.by_owner,
            ..good
        };
        assert!(!one_sided.verify(&a.id(), UNIX));
        let swapped = LinkCertificate {
            by_neighbour: good.by_owner,
            by_owner: good.by_neighbour,
            ..good
        };
        assert!(!swapped.verify(&a.id(), UNIX));
    }

    #[test]
    fn nobody_is_her_own_neighbour() {
        let (a, _, good) = signed();
        let edge = Edge {
            owner: a.id(),
            neighbour: a.id(),
            address: good.address,
            expires: good.expires,
        };
        let mirrored = LinkCertificate {
            neighbour: a.id(),
            by_owner: edge.sign(&a),
            by_neighbour: edge.sign(&a),
            ..good
        };
        assert!(!mirrored.verify(&a.id(), UNIX));
    }

    #[test]
    fn it_holds_until_its_expiry_and_not_for_ever() {
        let (a, _, good) = signed();
        assert!(!good.verify(&a.id(), UnixMs(UNIX.0 + 3_600_000)));
        assert!(!good.verify(&a.id(), UnixMs(UNIX.0 - 1000 * u64::from(MAX_LIFE_SECONDS))));
    }

    #[test]
    fn it_survives_the_wire_and_no_changed_byte() {
        let (a, _, good) = signed();
        let bytes = good.bytes();
        assert_eq!(LinkCertificate::read(&mut Reader::new(&bytes)), Ok(good));
        for i in 0..NEIGHBOUR {
            let mut bad = bytes;
            bad[i] ^= 4;
            if let Ok(parsed) = LinkCertificate::read(&mut Reader::new(&bad)) {
                assert!(!parsed.verify(&a.id(), UNIX), "byte {i}");
            }
        }
        assert!(LinkCertificate::read(&mut Reader::new(&bytes[1..])).is_err());
    }
}
