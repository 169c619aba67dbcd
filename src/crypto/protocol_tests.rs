//! The formulas of the protocol text, written a second time from primitives alone: what other programs would compute.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::{Aead, Payload};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::aead::Key;
use super::keys::{AccountKey, Ephemeral, NodeKey, Static};
use super::mqv::{Agreed, Side, Transcript, anonymous_from, anonymous_to, known_answer};
use super::onion::{END, HopKeys};
use super::packet::{INNER, PacketSealer};
use super::random::Stream;

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn part(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// HKDF-Expand for at most 32 bytes is one HMAC.
fn derive(key: &[u8], label: &str, context: &[u8]) -> [u8; 32] {
    hmac(
        key,
        &[
            b"paratox key v1".as_slice(),
            &part(label.as_bytes()),
            &part(context),
            &[1],
        ]
        .concat(),
    )
}

fn gcm(key: &[u8; 32], nonce: [u8; 12], plain: &[u8]) -> Vec<u8> {
    let cipher = aes_gcm::Aes256Gcm::new(key.into());
    cipher
        .encrypt(
            &nonce.into(),
            Payload {
                msg: plain,
                aad: b"",
            },
        )
        .unwrap()
}

fn nonce(iv: [u8; 32], number: u64) -> [u8; 12] {
    let mut nonce: [u8; 12] = iv[..12].try_into().unwrap();
    nonce[4..]
        .iter_mut()
        .zip(number.to_be_bytes())
        .for_each(|(byte, n)| *byte ^= n);
    nonce
}

/// An agreement of a circuit and its secret and transcript, the second way.
fn agreed() -> (Agreed, Agreed, [u8; 32], [u8; 32]) {
    let mut random = Stream::from_seed([1; 32]);
    let relay = NodeKey::generate(&mut random);
    let (t, y) = (random.bytes::<32>(), random.bytes::<32>());
    let (throwaway, fresh) = (
        Ephemeral::from_bytes(&t).unwrap(),
        Ephemeral::from_bytes(&y).unwrap(),
    );
    let (tp, bp, yp) = (*throwaway.public(), *relay.public_point(), *fresh.public());
    let mut transcript = Transcript::new("a use");
    transcript.absorb(b"a flight");

    let hashed = [
        b"paratox mqv v1".as_slice(),
        b"a use",
        &[1],
        b"a flight",
        &[2],
        tp.bytes(),
        bp.bytes(),
        tp.bytes(),
        yp.bytes(),
    ];
    let name: [u8; 32] = Sha256::digest(
        hashed
            .iter()
            .flat_map(|bytes| part(bytes))
            .collect::<Vec<u8>>(),
    )
    .into();
    let z = known_answer::z(&t, &t, &bp, &yp).unwrap();
    let secret = hmac(&name, z.as_slice());
    let near = anonymous_to(&throwaway, &bp, &yp, transcript.clone()).unwrap();
    (
        near,
        anonymous_from(&relay, fresh, &tp, transcript).unwrap(),
        secret,
        name,
    )
}

#[test]
fn keys_and_confirmations_of_an_agreement_are_what_the_protocol_says() {
    let (near, _, secret, name) = agreed();
    assert_eq!(
        *near.key("purpose").to_bytes(),
        derive(&secret, "purpose", b"")
    );
    let key = derive(&secret, "confirm responder", b"crypto");
    assert_eq!(
        near.confirm(Side::Responder),
        hmac(&key, &[b"r".as_slice(), &name].concat())[..16]
    );
    assert_eq!(
        *Key::from_bytes(&secret)
            .derive("label", b"context")
            .to_bytes(),
        derive(&secret, "label", b"context")
    );
}

#[test]
fn packets_are_what_the_protocol_says() {
    let (near, _, secret, _) = agreed();
    let mut sealer = PacketSealer::new(&near, Side::Responder);
    let direction = derive(&secret, "packet responder", b"crypto");
    let mut key = derive(&direction, "packet key", b"");
    for number in 0..600u64 {
        if number > 0 && number % 256 == 0 {
            key = derive(&key, "packet next", b"");
        }
        let inner = [number as u8; INNER];
        let sealed = gcm(
            &key,
            nonce(derive(&direction, "packet iv", b""), number),
            &inner,
        );
        let mut mask = aes::Block::try_from(&sealed[INNER..]).unwrap();
        aes::Aes256::new(&derive(&direction, "packet mask", b"").into()).encrypt_block(&mut mask);
        let masked: Vec<u8> = number
            .to_be_bytes()
            .iter()
            .zip(mask)
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        assert_eq!(
            sealer.seal(&inner).unwrap().0.as_slice(),
            [masked, sealed].concat()
        );
    }
}

#[test]
fn onion_blocks_are_what_the_protocol_says() {
    let (near, far, secret, _) = agreed();
    let (mut near, mut far) = (HopKeys::initiator(near), HopKeys::relay(far));
    for (sealer, layer, end, name) in [
        (
            &mut near.sealer,
            &near.forward,
            "end forward",
            "layer forward",
        ),
        (
            &mut far.sealer,
            &far.backward,
            "end backward",
            "layer backward",
        ),
    ] {
        let end = derive(&secret, end, b"crypto");
        for sequence in 0..3u64 {
            let mut block = sealer.seal(&[5; END]).unwrap();
            let sealed = gcm(
                &derive(&end, "end key", b""),
                nonce(derive(&end, "end iv", b""), sequence),
                &[5; END],
            );
            assert_eq!(
                block.as_slice(),
                [&sealed[END..], &sequence.to_be_bytes(), &sealed[..END]].concat()
            );
            let mut expected = block.to_vec();
            hctr2_rs::Hctr2_256::new(&derive(&secret, name, b"crypto"))
                .encrypt(&block, b"", &mut expected)
                .unwrap();
            layer.encrypt(&mut block);
            assert_eq!(block.as_slice(), expected);
        }
    }
}

/// Parcels are functions of keys and random stream: if this hash changes, the protocol has changed, and its version must too.
#[test]
fn parcels_of_a_session_do_not_change_by_accident() {
    use super::ratchet::BODY;
    use super::session::{ANSWER, OFFER, SessionOffer, SessionStart};
    let mut random = Stream::from_seed([2; 32]);
    let (alice, bob) = (
        AccountKey::generate(&mut random),
        AccountKey::generate(&mut random),
    );
    let (start, first) = SessionStart::new(&alice, &bob.id(), &[1; OFFER], &mut random);
    let (_, second) = SessionOffer::read(&bob, &first)
        .unwrap()
        .answer(&bob, &[2; ANSWER], &mut random)
        .unwrap();
    let (mut ratchet, _) = start.finish(&alice, &second, &mut random).unwrap();
    let (third, _) = ratchet.encrypt(&[3; BODY], &mut random).unwrap();
    let (sealed, _) =
        super::sealed::seal(&alice, &bob.id(), &[4; super::sealed::BODY], &mut random);
    let all = Sha256::digest([first, second, third, sealed].concat());
    assert_eq!(
        hex::encode(all),
        "54d3e281c0e1974da7fb4b182619be5e5fc0c69e04efa74ad55b96bd6ef1e34d"
    );
}
