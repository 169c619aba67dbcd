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

pub(crate) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn part(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// HKDF-Expand for at most 32 bytes is one HMAC.
pub(crate) fn derive(key: &[u8], label: &str, context: &[u8]) -> [u8; 32] {
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
    gcm_with(key, nonce, b"", plain)
}

fn gcm_with(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = aes_gcm::Aes256Gcm::new(key.into());
    let payload = Payload { msg: plain, aad };
    cipher.encrypt(&nonce.into(), payload).unwrap()
}

/// `seal(key, aad, bytes)` of the protocol text.
pub(crate) fn seal(key: &[u8; 32], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    gcm_with(key, [0; 12], aad, plain)
}

pub(crate) fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    open_with(key, [0; 12], aad, sealed)
}

fn open_with(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    let cipher = aes_gcm::Aes256Gcm::new(key.into());
    let payload = Payload { msg: sealed, aad };
    cipher.decrypt(&nonce.into(), payload).unwrap()
}

/// `mask(key, iv, bytes)` of the protocol text.
pub(crate) fn mask(key: &[u8; 32], iv: [u8; 16], bytes: &[u8]) -> Vec<u8> {
    let cipher = aes::Aes256::new(key.into());
    let mut counter = u128::from_be_bytes(iv);
    let mut out = Vec::new();
    for chunk in bytes.chunks(16) {
        let mut block = aes::Block::from(counter.to_be_bytes());
        cipher.encrypt_block(&mut block);
        out.extend(chunk.iter().zip(block).map(|(byte, mask)| byte ^ mask));
        counter = counter.wrapping_add(1);
    }
    out
}

/// t of an agreement, and its secret. `parts`: label, then what is absorbed. `keys`: statics of initiator and responder, their ephemerals.
pub(crate) fn agreement(
    parts: &[&[u8]],
    pattern: u8,
    keys: [&[u8]; 4],
    z: &[u8],
) -> ([u8; 32], [u8; 32]) {
    let (label, absorbed) = parts.split_first().unwrap();
    let mut hashed = [part(b"paratox mqv v1"), part(label), part(&[1])].concat();
    absorbed.iter().for_each(|bytes| hashed.extend(part(bytes)));
    hashed.extend(part(&[pattern]));
    keys.iter().for_each(|key| hashed.extend(part(key)));
    let name: [u8; 32] = Sha256::digest(hashed).into();
    (name, hmac(&name, z))
}

/// Two agreements mixed: t' and the secret.
pub(crate) fn mixed(one: ([u8; 32], [u8; 32]), other: ([u8; 32], [u8; 32])) -> [u8; 32] {
    let hashed = [
        b"paratox mqv v1".as_slice(),
        b"paratox mix v1",
        &[1],
        &one.0,
        &other.0,
    ]
    .map(part)
    .concat();
    let name: [u8; 32] = Sha256::digest(hashed).into();
    hmac(&name, &[one.1, other.1].concat())
}

/// x of secret · point.
pub(crate) fn dh(secret: &[u8], point: &[u8]) -> [u8; 32] {
    let secret = p256::SecretKey::from_slice(secret).unwrap();
    let point = p256::PublicKey::from_sec1_bytes(point).unwrap();
    let shared = secret.diffie_hellman(&point);
    (*shared.raw_secret_bytes()).into()
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

    let z = known_answer::z(&t, &t, &bp, &yp).unwrap();
    let keys: [&[u8]; 4] = [tp.bytes(), bp.bytes(), tp.bytes(), yp.bytes()];
    let (name, secret) = agreement(&[b"a use", b"a flight"], 2, keys, z.as_slice());
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

#[test]
fn signatures_and_blinded_keys_are_what_the_protocol_says() {
    use super::blind::Purpose;
    use super::keys::Domain;
    use p256::ecdsa::signature::Verifier;
    use p256::elliptic_curve::PrimeField;
    let mut random = Stream::from_seed([4; 32]);
    let signed = |label: &str, signer: &[u8; 33], signature: super::keys::Signature| {
        let message = [&[label.len() as u8], label.as_bytes(), signer, b"message"].concat();
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(signer).unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&signature.0).unwrap();
        key.verify(&message, &signature).is_ok()
    };
    let node = NodeKey::generate(&mut random);
    for (domain, label) in [
        (Domain::NodeRecord, "paratox node record v1"),
        (Domain::LinkCertificate, "paratox link certificate v1"),
        (Domain::EntryAnswer, "paratox entry answer v1"),
    ] {
        let signature = node.sign(domain, b"message");
        assert!(signed(label, node.id().bytes(), signature));
    }

    let account = AccountKey::generate(&mut random);
    for (purpose, code) in [(Purpose::Descriptor, 1), (Purpose::Mailbox, 2)] {
        let signer = account.blind(20_000, purpose);
        let signature = signer.sign(b"message");
        assert!(signed(
            "paratox blinded signature v1",
            signer.id().bytes(),
            signature
        ));
        let message = [account.id().bytes(), &20_000u32.to_be_bytes()[..], &[code]].concat();
        // Modulo the order of the group, digit by digit.
        let h = expand_message(&message, b"paratox v1 blind")
            .iter()
            .fold(p256::Scalar::ZERO, |h, byte| {
                h * p256::Scalar::from(256u64) + p256::Scalar::from(u64::from(*byte))
            });
        let secret = p256::Scalar::from_repr((*account.to_bytes()).into()).unwrap();
        let blinded = known_answer::public(&(h * secret).to_repr()).unwrap();
        assert_eq!(signer.id().bytes(), blinded.bytes());
    }
}

/// expand_message_xmd (RFC 9380, 5.3.1) with SHA-256, for 48 bytes.
fn expand_message(message: &[u8], tag: &[u8]) -> [u8; 48] {
    let tag = [tag, &[tag.len() as u8]].concat();
    let sha = |parts: &[&[u8]]| -> [u8; 32] { Sha256::digest(parts.concat()).into() };
    let b0 = sha(&[&[0; 64], message, &[0, 48], &[0], &tag]);
    let b1 = sha(&[&b0, &[1], &tag]);
    let mixed: Vec<u8> = b0.iter().zip(b1).map(|(a, b)| a ^ b).collect();
    let b2 = sha(&[&mixed, &[2], &tag]);
    [&b1[..], &b2[..16]].concat().try_into().unwrap()
}

/// S1, S2 and a ratchet's first parcel, opened with the formulas and the secrets of both people.
#[test]
fn parcels_of_a_session_are_what_the_protocol_says() {
    use super::ratchet::BODY;
    use super::session::{ANSWER, OFFER, SessionOffer, SessionStart};
    let mut random = Stream::from_seed([3; 32]);
    let (alice, bob) = (
        AccountKey::generate(&mut random),
        AccountKey::generate(&mut random),
    );
    let (a, b) = (alice.to_bytes(), bob.to_bytes());
    let (ap, bp) = (*alice.public_point(), *bob.public_point());

    let (start, s1) = SessionStart::new(&alice, &bob.id(), &[1; OFFER], &mut random);
    let mask_key = derive(
        &hmac(b"paratox parcel mask v1", bp.bytes()),
        "paratox parcel mask v1",
        b"",
    );
    let head = mask(&mask_key, s1[37..53].try_into().unwrap(), &s1[..37]);
    let (x, kind) = head.split_at(33);
    assert_eq!(kind, [0; 4]);
    let (_, secret) = agreement(
        &[b"session offer"],
        5,
        [&[], bp.bytes(), x, &[]],
        &dh(&*b, x),
    );
    let sender = open(
        &derive(&secret, "parcel sender", b"crypto"),
        &head,
        &s1[37..86],
    );
    assert_eq!(sender, ap.bytes());
    let xp = super::curve::Point::decode(x).unwrap();
    let z = known_answer::z(&*b, &*b, &ap, &xp).unwrap();
    let parts: [&[u8]; 3] = [b"session offer", &head, &s1[37..86]];
    let (_, secret) = agreement(&parts, 4, [ap.bytes(), bp.bytes(), x, &[]], z.as_slice());
    let body = open(&derive(&secret, "parcel body", b"crypto"), b"", &s1[86..]);
    assert_eq!(body, [1; OFFER]);

    let offer = SessionOffer::read(&bob, &s1).unwrap();
    let (_, s2) = offer.answer(&bob, &[2; ANSWER], &mut random).unwrap();
    let session_mask = derive(&secret, "session mask", b"crypto");
    let y = mask(&session_mask, s2[33..49].try_into().unwrap(), &s2[..33]);
    let yp = super::curve::Point::decode(&y).unwrap();
    // The initiator's ephemeral, out of its stored form: version 1, peer 33, ephemeral 32.
    let stored = start.to_bytes();
    let ephemeral = &stored[34..66];
    let z = known_answer::z(&*a, ephemeral, &bp, &yp).unwrap();
    let f = Sha256::digest([part(b"session offer"), part(&s1)].concat());
    let (name, secret) = agreement(
        &[b"session agreement", &f],
        1,
        [ap.bytes(), bp.bytes(), x, &y],
        z.as_slice(),
    );
    let confirming = derive(&secret, "confirm responder", b"crypto");
    let confirmation = hmac(&confirming, &[b"r".as_slice(), &name].concat());
    assert_eq!(s2[33..49], confirmation[..16]);
    let plain = open(
        &derive(&secret, "session answer", b"crypto"),
        b"",
        &s2[49..],
    );
    let (r, payload) = plain.split_at(33);
    assert_eq!(payload, [2; ANSWER]);

    let (mut ratchet, _) = start.finish(&alice, &s2, &mut random).unwrap();
    let name = &name[..16];
    assert_eq!(ratchet.session_id(), name);
    let root = derive(&secret, "session root", b"crypto");
    // Its first ratchet key, out of its stored form: version 1, flags 1, name 16, key 32.
    let d: [u8; 32] = ratchet.to_bytes()[18..50].try_into().unwrap();
    let step = derive(&hmac(&root, &dh(&d, r)), "ratchet root", b"");
    let chain = derive(&step, "ratchet chain", b"");
    for number in 0..3u8 {
        let mut key = chain;
        (0..number).for_each(|_| key = derive(&key, "ratchet chain", b""));
        let message = derive(&key, "ratchet message", b"");
        let (parcel, _) = ratchet.encrypt(&[7; BODY], &mut random).unwrap();
        let (nonce, rest) = parcel.split_first_chunk::<12>().unwrap();
        let header_key = derive(&root, "ratchet header initiator", b"");
        let header = open_with(&header_key, *nonce, name, &rest[..57]);
        let own = known_answer::public(&d).unwrap();
        let expected = [own.bytes().as_slice(), &[0; 7], &[number]].concat();
        assert_eq!(header, expected);
        let context = [name, nonce].concat();
        let commitment = derive(&message, "ratchet commitment", &context);
        assert_eq!(parcel[69..85], commitment[..16]);
        let body_key = derive(&message, "ratchet body", &context);
        assert_eq!(open(&body_key, &parcel[..85], &parcel[85..]), [7; BODY]);
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
