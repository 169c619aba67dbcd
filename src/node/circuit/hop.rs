//! How a hop is added: CREATE and CREATED, one block each way.
//!
//! The origin is anonymous: its throwaway key serves as static and ephemeral key, the relay gives its NodeId and a fresh ephemeral key.
//! Nothing in a block looks like a point. Not here: when a hop is added (`origin`) and whether a relay takes it (`relay`).

use crate::crypto::Rejected;
use crate::crypto::aead::{Key, hkdf, mac_eq, mac16, mask33};
use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::crypto::keys::{Ephemeral, NodeKey};
use crate::crypto::mqv::{Side, Transcript, anonymous_from, anonymous_to};
use crate::crypto::onion::HopKeys;
use crate::crypto::random::Stream;
use crate::wire::circuit::{CREATE_HEAD, CREATED_HEAD, Rates};
use crate::wire::size::BLOCK;

const LABEL: &str = "paratox circuit hop";

/// Keys that follow from the relay's NodeId alone: they keep strangers' blocks from costing curve work, and points from being seen.
struct Outer {
    mac: Key,
    mask: Key,
}

impl Outer {
    fn of(node: &NodeId) -> Outer {
        let key = |label| hkdf(b"paratox circuit", node.bytes(), label);
        Outer {
            mac: key("create mac"),
            mask: key("create mask"),
        }
    }

    /// XORs key and rates: two masks, because one is 33 bytes.
    fn mask(&self, iv: &[u8; 16], point: &mut [u8; 33], rates: &mut [u8; 4]) {
        mask33(&self.mask, iv, point);
        let mut second = *iv;
        second[0] ^= 0x80;
        let mut stream = [0; 33];
        mask33(&self.mask, &second, &mut stream);
        rates
            .iter_mut()
            .zip(stream)
            .for_each(|(byte, mask)| *byte ^= mask);
    }

    /// Where the mask of the answer starts: it depends on the question, so no two answers share a mask.
    fn answer_iv(&self, head: &[u8; CREATE_HEAD]) -> [u8; 16] {
        mac16(&self.mac, &[b"created", head])
    }
}

fn transcript(node: &NodeId, head: &[u8; CREATE_HEAD], answer: &Point) -> Transcript {
    let mut transcript = Transcript::new(LABEL);
    transcript.absorb(node.bytes());
    transcript.absorb(head);
    transcript.absorb(answer.bytes());
    transcript
}

/// A hop that was asked and has not answered.
pub(super) struct Asked {
    node: NodeId,
    throwaway: Ephemeral,
    head: [u8; CREATE_HEAD],
}

impl Asked {
    pub fn new(node: NodeId, rates: Rates, random: &mut Stream) -> Asked {
        let throwaway = Ephemeral::generate(random);
        let outer = Outer::of(&node);
        let iv: [u8; 16] = random.bytes();
        let (mut point, mut masked_rates) = (*throwaway.public().bytes(), rates.encode());
        outer.mask(&iv, &mut point, &mut masked_rates);
        let mut head = [0; CREATE_HEAD];
        head[16..32].copy_from_slice(&iv);
        head[32..65].copy_from_slice(&point);
        head[65..].copy_from_slice(&masked_rates);
        let mac = mac16(&outer.mac, &[&head[16..]]);
        head[..16].copy_from_slice(&mac);
        Asked {
            node,
            throwaway,
            head,
        }
    }

    pub fn head(&self) -> &[u8; CREATE_HEAD] {
        &self.head
    }

    /// The relay's answer: the same keys on both sides, or nothing.
    pub fn finish(&self, created: &[u8; CREATED_HEAD]) -> Result<HopKeys, Rejected> {
        let outer = Outer::of(&self.node);
        let (masked, confirmation) = created.split_first_chunk::<33>().ok_or(Rejected)?;
        let mut point = *masked;
        mask33(&outer.mask, &outer.answer_iv(&self.head), &mut point);
        let answer = Point::decode(&point).map_err(|_| Rejected)?;
        let agreed = anonymous_to(
            &self.throwaway,
            self.node.point(),
            &answer,
            transcript(&self.node, &self.head, &answer),
        )?;
        let confirmation = <&[u8; 16]>::try_from(confirmation).map_err(|_| Rejected)?;
        if agreed.confirms(Side::Responder, confirmation) {
            Ok(HopKeys::initiator(agreed))
        } else {
            Err(Rejected)
        }
    }
}

/// Whether a block is a CREATE for this node. Cheap; no curve work.
pub(super) fn is_create(own: &NodeId, head: &[u8; CREATE_HEAD]) -> bool {
    mac_eq(&mac16(&Outer::of(own).mac, &[&head[16..]]), &head[..16])
}

/// What a CREATE asks for, before any curve work. Call after [`is_create`].
pub(super) fn rates(own: &NodeId, head: &[u8; CREATE_HEAD]) -> Result<Rates, Rejected> {
    let (_, rates) = unmask(own, head);
    Rates::decode(rates).map_err(|_| Rejected)
}

fn unmask(own: &NodeId, head: &[u8; CREATE_HEAD]) -> ([u8; 33], [u8; 4]) {
    let (mut iv, mut point, mut rates) = ([0; 16], [0; 33], [0; 4]);
    iv.copy_from_slice(&head[16..32]);
    point.copy_from_slice(&head[32..65]);
    rates.copy_from_slice(&head[65..]);
    Outer::of(own).mask(&iv, &mut point, &mut rates);
    (point, rates)
}

/// The relay's half of the agreement. Call after [`is_create`].
pub(super) fn accept(
    own: &NodeKey,
    head: &[u8; CREATE_HEAD],
    random: &mut Stream,
) -> Result<(HopKeys, [u8; CREATED_HEAD]), Rejected> {
    let id = own.id();
    let throwaway = Point::decode(&unmask(&id, head).0).map_err(|_| Rejected)?;
    let ephemeral = Ephemeral::generate(random);
    let answer = *ephemeral.public();
    let agreed = anonymous_from(own, ephemeral, &throwaway, transcript(&id, head, &answer))?;
    let outer = Outer::of(&id);
    let mut point = *answer.bytes();
    mask33(&outer.mask, &outer.answer_iv(head), &mut point);
    let mut created = [0; CREATED_HEAD];
    created[..33].copy_from_slice(&point);
    created[33..].copy_from_slice(&agreed.confirm(Side::Responder));
    Ok((HopKeys::relay(agreed), created))
}

/// A whole block: what it says, and random bytes to its end.
pub(super) fn fill(head: &[u8], random: &mut Stream) -> [u8; BLOCK] {
    let mut block: [u8; BLOCK] = random.bytes();
    block[..head.len()].copy_from_slice(head);
    block
}

/// The start of a block as a CREATE or CREATED head.
pub(super) fn head<const N: usize>(block: &[u8; BLOCK]) -> [u8; N] {
    let mut head = [0; N];
    head.copy_from_slice(&block[..N]);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::onion::END;

    fn built() -> (NodeKey, Stream, Asked) {
        let mut random = Stream::from_seed([9; 32]);
        let key = NodeKey::generate(&mut random);
        let asked = Asked::new(key.id(), Rates::new(1.0, 0.5), &mut random);
        (key, random, asked)
    }

    #[test]
    fn both_sides_of_a_hop_hold_the_same_keys() {
        let (key, mut random, asked) = built();
        assert!(is_create(&key.id(), asked.head()));
        assert_eq!(
            rates(&key.id(), asked.head()),
            Ok(Rates {
                forward: 100,
                back: 50
            })
        );
        let (mut relay, created) =
            accept(&key, asked.head(), &mut random).expect("an honest CREATE");
        let mut origin = asked.finish(&created).expect("an honest CREATED");
        let cell = [5; END];
        let mut block = origin.sealer.seal(&cell).expect("a fresh sealer");
        origin.forward.encrypt(&mut block);
        relay.forward.decrypt(&mut block);
        assert_eq!(relay.opener.open(&block).expect("the same keys").1, cell);
        let mut block = relay.sealer.seal(&cell).expect("a fresh sealer");
        relay.backward.encrypt(&mut block);
        origin.backward.decrypt(&mut block);
        assert_eq!(origin.opener.open(&block).expect("the same keys").1, cell);
    }

    #[test]
    fn a_changed_create_or_created_is_refused() {
        let (key, mut random, asked) = built();
        for i in 0..CREATE_HEAD {
            let mut bad = *asked.head();
            bad[i] ^= 1;
            assert!(!is_create(&key.id(), &bad), "byte {i}");
        }
        let (_, created) = accept(&key, asked.head(), &mut random).expect("an honest CREATE");
        for i in 0..CREATED_HEAD {
            let mut bad = created;
            bad[i] ^= 1;
            assert!(asked.finish(&bad).is_err(), "byte {i}");
        }
    }

    #[test]
    fn only_the_named_relay_can_answer() {
        let (_, mut random, asked) = built();
        let other = NodeKey::generate(&mut random);
        assert!(!is_create(&other.id(), asked.head()));
        if let Ok((_, created)) = accept(&other, asked.head(), &mut random) {
            assert!(asked.finish(&created).is_err());
        }
    }
}
