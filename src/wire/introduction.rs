//! What only those who know the AccountId can read of a descriptor: where the account can be reached today. Contacts are told the same in their
//! sessions when it changes.
//!
//! Plaintext 430: two intro points of `NodeId 33 | address 18 | cookie key 33 | cookie 16`, an empty place as zeros; then
//! `prekey 33 | id 4 | day 4 | request secret 16`, zeros as long as there is no mailbox; then zeros. The key is derived from AccountId,
//! blinded key, day, revision and nonce. The outside of a descriptor is in `descriptor`.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::address::Address;
use super::codec::{Malformed, Reader, Writer, malformed};
use super::descriptor::{Outside, SEALED_AT, SIGNED, VERSION};
use super::size::{ADDRESS, POINT, TAG, VALUE};
use crate::crypto::aead::{self, OneTimeKey};
use crate::crypto::blind::Purpose;
use crate::crypto::curve::Point;
use crate::crypto::id::{AccountId, NodeId};
use crate::crypto::keys::AccountKey;
use crate::crypto::random::Stream;

/// Intro points a descriptor names.
pub const POINTS: usize = 2;
/// Bytes of one.
const POINT_BYTES: usize = POINT + ADDRESS + POINT + 16;
/// Bytes of what a contact is told in a session.
pub const INTRODUCTION: usize = 4 + 8 + POINTS * POINT_BYTES;
/// Bytes that are sealed.
const PLAIN: usize = 430;
const NONCE: usize = 12;

const _: () = assert!(SEALED_AT + NONCE + PLAIN + TAG == SIGNED);
const _: () = assert!(POINTS * POINT_BYTES <= PLAIN);

/// One of an account's intro points, as its descriptor names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntroPoint {
    pub node: NodeId,
    pub addr: SocketAddr,
    /// Cookie blocks are sealed to this key.
    pub cookie_key: Point,
    /// Names the account's registration at the intro point.
    pub cookie: [u8; 16],
}

/// A descriptor that was opened and whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    pub day: u32,
    pub revision: u64,
    pub points: Vec<IntroPoint>,
}

fn key(account: &AccountId, outside: &[u8], nonce: &[u8; NONCE]) -> OneTimeKey {
    let key = aead::hkdf(outside, account.bytes(), "paratox descriptor");
    OneTimeKey::from(key.derive("paratox descriptor nonce", nonce))
}

/// The descriptor of `account` for `day`; of more than [`POINTS`] intro points the first are taken.
pub fn publish(
    account: &AccountKey,
    day: u32,
    revision: u64,
    points: &[IntroPoint],
    random: &mut Stream,
) -> Box<[u8; VALUE]> {
    let signer = account.blind(day, Purpose::Descriptor);
    let mut plain = Zeroizing::new([0; PLAIN]);
    write_points(&mut Writer::new(&mut plain[..]), points);
    let mut value = Box::new([0; VALUE]);
    let nonce: [u8; NONCE] = random.bytes();
    Writer::new(&mut value[..])
        .u8(VERSION)
        .u32(day)
        .put(signer.id().bytes())
        .u64(revision)
        .put(&nonce);
    let (head, rest) = value.split_at_mut(SEALED_AT);
    let mut sealed = plain.to_vec();
    key(&account.id(), head, &nonce).seal(head, &mut sealed);
    rest[NONCE..NONCE + PLAIN + TAG].copy_from_slice(&sealed);
    let signature = signer.sign(&value[..SIGNED]);
    value[SIGNED..].copy_from_slice(&signature.0);
    value
}

/// Opens what was found at the place of `account` and `day`.
///
/// # Errors
/// If it is another account's, another day's, not signed by the day's blinded key, or not readable.
pub fn open(account: &AccountId, day: u32, value: &[u8; VALUE]) -> Result<Introduction, Malformed> {
    let outside = Outside::read(value)?;
    if outside.day != day || outside.blinded != account.blind(day, Purpose::Descriptor) {
        return malformed("descriptor owner");
    }
    if !outside.verify(value) {
        return malformed("descriptor signature");
    }
    let (head, rest) = value.split_at(SEALED_AT);
    let mut r = Reader::new(rest);
    let nonce: [u8; NONCE] = r.array("descriptor nonce")?;
    let plain = key(account, head, &nonce)
        .open(head, r.take(PLAIN + TAG, "descriptor")?)
        .map_err(|_| Malformed {
            what: "sealed descriptor",
        })?;
    Ok(Introduction {
        day,
        revision: outside.revision,
        points: read_points(&mut Reader::new(&plain))?,
    })
}

/// Of more than [`POINTS`] the first.
fn write_points(w: &mut Writer<'_>, points: &[IntroPoint]) {
    for point in points.iter().take(POINTS) {
        w.put(point.node.bytes());
        Address::from(point.addr).write(w);
        w.put(point.cookie_key.bytes()).put(&point.cookie);
    }
}

fn read_points(r: &mut Reader<'_>) -> Result<Vec<IntroPoint>, Malformed> {
    let mut points = Vec::with_capacity(POINTS);
    for _ in 0..POINTS {
        let bytes = r.take(POINT_BYTES, "intro point")?;
        if bytes.iter().any(|byte| *byte != 0) {
            points.push(point(bytes)?);
        }
    }
    Ok(points)
}

impl Introduction {
    /// As a contact is told in a session: `day 4 | revision 8 | two intro points`, as in a descriptor.
    pub fn encode(&self) -> [u8; INTRODUCTION] {
        let mut bytes = [0; INTRODUCTION];
        let mut w = Writer::new(&mut bytes);
        w.u32(self.day).u64(self.revision);
        write_points(&mut w, &self.points);
        bytes
    }

    /// # Errors
    /// If it is not readable.
    pub fn decode(bytes: &[u8]) -> Result<Introduction, Malformed> {
        let mut r = Reader::new(bytes);
        let (day, revision) = (r.u32("introduction day")?, r.u64("introduction revision")?);
        let points = read_points(&mut r)?;
        r.end("introduction")?;
        Ok(Introduction {
            day,
            revision,
            points,
        })
    }
}

fn point(bytes: &[u8]) -> Result<IntroPoint, Malformed> {
    let mut r = Reader::new(bytes);
    Ok(IntroPoint {
        node: NodeId::decode(r.take(POINT, "intro node")?)
            .map_err(|_| Malformed { what: "intro node" })?,
        addr: Address::read(&mut r)?.socket(),
        cookie_key: r.point("cookie key")?,
        cookie: r.array("cookie")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::{CookieKey, NodeKey};

    fn points(random: &mut Stream, count: u16) -> Vec<IntroPoint> {
        (0..count)
            .map(|i| IntroPoint {
                node: NodeKey::generate(random).id(),
                addr: ([192, 0, 2, 7], 4000 + i).into(),
                cookie_key: *CookieKey::generate(random).public(),
                cookie: random.bytes(),
            })
            .collect()
    }

    #[test]
    fn who_knows_the_account_finds_its_intro_points() {
        let mut random = Stream::from_seed([1; 32]);
        let key = AccountKey::generate(&mut random);
        for count in 0..=2 {
            let points = points(&mut random, count);
            let value = publish(&key, 20_000, 77, &points, &mut random);
            let read = open(&key.id(), 20_000, &value).expect("own descriptor");
            assert_eq!((read.day, read.revision), (20_000, 77));
            assert_eq!(read.points, points);
        }
    }

    #[test]
    fn another_account_another_day_and_every_changed_byte_are_refused() {
        let mut random = Stream::from_seed([2; 32]);
        let key = AccountKey::generate(&mut random);
        let other = AccountKey::generate(&mut random);
        let points = points(&mut random, 2);
        let value = publish(&key, 20_000, 77, &points, &mut random);
        assert!(open(&other.id(), 20_000, &value).is_err());
        assert!(open(&key.id(), 20_001, &value).is_err());
        for at in (0..VALUE).step_by(7) {
            let mut bad = value.clone();
            bad[at] ^= 0x10;
            assert!(open(&key.id(), 20_000, &bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn two_publications_share_no_sealed_bytes() {
        let mut random = Stream::from_seed([3; 32]);
        let key = AccountKey::generate(&mut random);
        let one = publish(&key, 20_000, 77, &[], &mut random);
        let two = publish(&key, 20_000, 77, &[], &mut random);
        let same = one[SEALED_AT..SIGNED]
            .iter()
            .zip(&two[SEALED_AT..SIGNED])
            .filter(|(a, b)| a == b)
            .count();
        assert!(same < 20, "{same} equal bytes");
    }
}
