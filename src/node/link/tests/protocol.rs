//! The handshake as the protocol text says it, written a second time: what another program would send and accept.
//!
//! With it, what no honest program sends can be sent too.

use std::sync::Arc;

use super::*;
use crate::crypto::curve::Point;
use crate::crypto::id::EntryId;
use crate::crypto::keys::{Domain, EntryKey};
use crate::crypto::mqv::{Agreed, known_answer};
use crate::crypto::protocol_tests::{agreement, derive, dh, hmac, mask, mixed, open, seal};
use crate::node::link::handshake::{Answer, Call, Calling, Listening, Reply};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const NO_SECRET: [u8; 16] = [0; 16];

fn key(seed: u8) -> NodeKey {
    NodeKey::generate(&mut Stream::from_seed([seed; 32]))
}

fn doors(key: &[u8; 33], secret: &[u8; 16], label: &str) -> [u8; 32] {
    let doors = [key.as_slice(), secret].concat();
    derive(&hmac(b"paratox/1/id", &doors), label, b"")
}

/// t and secret of the agreement that hides the caller. `shared` is x(X·B).
fn es(callee: &[u8; 33], salt: &[u8], x: &[u8], shared: &[u8]) -> ([u8; 32], [u8; 32]) {
    agreement(
        &[b"paratox/1/init", callee, salt],
        5,
        [&[], callee, x, &[]],
        shared,
    )
}

/// An INIT by the text, from the ephemeral `x`.
fn init(x: &[u8; 32], callee: &[u8; 33], secret: &[u8; 16], plain: &[u8]) -> Box<Cell> {
    let public = known_answer::public(x).expect("a scalar");
    let mut cell = Box::new([0x5a; DATAGRAM]);
    let salt = [0x17; 16];
    cell[..16].copy_from_slice(&salt);
    let masked = mask(&doors(callee, secret, "mask"), salt, public.bytes());
    cell[48..81].copy_from_slice(&masked);
    let (_, es_secret) = es(callee, &salt, public.bytes(), &dh(x, callee));
    let aad = [&salt, &cell[48..81]].concat();
    let sealed = seal(&derive(&es_secret, "init", b""), &aad, plain);
    cell[81..].copy_from_slice(&sealed);
    let mac = hmac(
        &doors(callee, secret, "mac1"),
        &[&salt, &cell[48..]].concat(),
    );
    cell[16..32].copy_from_slice(&mac[..16]);
    cell
}

/// Plaintext of an INIT by the text.
fn call_of(caller: &[u8; 33]) -> [u8; 415] {
    let mut plain = [0; 415];
    plain[0] = 1;
    plain[1] = 1;
    plain[2..35].copy_from_slice(caller);
    plain[35..43].copy_from_slice(&NOW.0.to_be_bytes());
    plain[43] = 1;
    plain[46..64].copy_from_slice(&Address::from(stranger()).bytes());
    plain[64] = 1;
    plain
}

/// Plaintext of a RESP by the text.
fn said_of(node: &[u8; 33], proof: &[u8]) -> [u8; 447] {
    let mut plain = [0; 447];
    plain[0] = 1;
    plain[2..20].copy_from_slice(&Address::from(stranger()).bytes());
    plain[20..28].copy_from_slice(&NOW.0.to_be_bytes());
    plain[28] = 2;
    plain[31..64].copy_from_slice(node);
    plain[64] = 1;
    plain[65..65 + proof.len()].copy_from_slice(proof);
    plain
}

/// Both ends of one handshake as the text has them: the keys of RESP and of what follows.
struct ByText {
    answer_mac: [u8; 32],
    answer_mask: [u8; 32],
    agreed: [u8; 32],
}

impl ByText {
    /// `caller` is the static secret of the caller, `x` and `y` the ephemeral ones.
    fn of(
        caller: &[u8; 32],
        x: &[u8; 32],
        callee: &[u8; 33],
        y: &[u8; 32],
        secret: &[u8; 16],
        init: &Cell,
    ) -> ByText {
        let a = *known_answer::public(caller).expect("a scalar").bytes();
        let xp = *known_answer::public(x).expect("a scalar").bytes();
        let yp = known_answer::public(y).expect("a scalar");
        let b = Point::decode(callee).expect("a point");
        let es = es(callee, &init[..16], &xp, &dh(x, callee));
        let z = known_answer::z(caller, x, &b, &yp).expect("not the identity");
        let parts: [&[u8]; 5] = [b"paratox/1/link", &a, callee, secret, init];
        let link = agreement(&parts, 1, [&a, callee, &xp, yp.bytes()], z.as_slice());
        ByText {
            answer_mac: derive(&es.1, "resp mac", b""),
            answer_mask: derive(&es.1, "resp mask", b""),
            agreed: mixed(link, es),
        }
    }

    /// A RESP by the text.
    fn resp(&self, y: &[u8; 32], init: &Cell, plain: &[u8]) -> Box<Cell> {
        let mut cell = Box::new([0; DATAGRAM]);
        let public = known_answer::public(y).expect("a scalar");
        cell[16..49].copy_from_slice(&mask(&self.answer_mask, [0; 16], public.bytes()));
        let sealed = seal(&derive(&self.agreed, "resp", b""), &init[16..32], plain);
        cell[49..].copy_from_slice(&sealed);
        let tag = hmac(&self.answer_mac, &cell[16..]);
        cell[..16].copy_from_slice(&tag[..16]);
        cell
    }
}

/// The program calls `callee`; its ephemeral is the first that its stream gives.
fn program_calls(own: &NodeKey, callee: DialKey) -> (Calling, Box<Cell>, [u8; 32]) {
    let call = Call {
        caller: own.id(),
        purpose: Purpose::Link,
        class: Class::Normal,
        dialled: Address::from(stranger()),
        unix: NOW,
    };
    let mut random = Stream::from_seed([9; 32]);
    let (calling, cell) = Calling::new(&call, callee, &mut random).expect("a good key");
    (calling, cell, Stream::from_seed([9; 32]).bytes())
}

/// The program answers an INIT; its ephemeral is the first that its stream gives.
fn program_answers(
    listening: &Listening,
    own: &NodeKey,
    init: &Cell,
) -> (Agreed, Box<Cell>, [u8; 32]) {
    let called = listening.open(init, NOW).expect("a good INIT");
    let reply = Reply {
        observed: Address::from(stranger()),
        class: Class::Fast,
        refused: None,
        unix: NOW,
    };
    let mut random = Stream::from_seed([8; 32]);
    let (agreed, cell) = listening
        .answer(own, called, init, &reply, &mut random)
        .expect("a good key");
    (agreed, cell, Stream::from_seed([8; 32]).bytes())
}

#[test]
fn an_init_of_the_program_is_what_the_protocol_says() {
    let (own, callee) = (key(1), key(2));
    let (_, cell, x) = program_calls(&own, DialKey::Node(callee.id()));
    let b = callee.id();
    let mac = hmac(
        &doors(b.bytes(), &NO_SECRET, "mac1"),
        &[&cell[..16], &cell[48..]].concat(),
    );
    assert_eq!(cell[16..32], mac[..16]);
    let salt: [u8; 16] = *cell.first_chunk().expect("longer");
    let xp = mask(&doors(b.bytes(), &NO_SECRET, "mask"), salt, &cell[48..81]);
    assert_eq!(xp, known_answer::public(&x).expect("a scalar").bytes());
    let (_, secret) = es(b.bytes(), &salt, &xp, &dh(&callee.to_bytes()[..], &xp));
    let aad = [&salt, &cell[48..81]].concat();
    let plain = open(&derive(&secret, "init", b""), &aad, &cell[81..]);
    assert_eq!(plain, call_of(own.id().bytes()));
}

#[test]
fn an_answer_of_the_program_is_what_the_protocol_says() {
    let (caller, own) = (key(1), key(2));
    let x: [u8; 32] = Stream::from_seed([7; 32]).bytes();
    let b = own.id();
    let first = init(&x, b.bytes(), &NO_SECRET, &call_of(caller.id().bytes()));
    let own = Arc::new(own);
    let listening = Listening::node(own.clone());
    assert!(listening.is_called(&first));
    let (agreed, cell, y) = program_answers(&listening, &own, &first);
    let text = ByText::of(&caller.to_bytes(), &x, b.bytes(), &y, &NO_SECRET, &first);
    assert_eq!(*cell, *text.resp(&y, &first, &said_of(b.bytes(), b"")));
    assert_eq!(
        *agreed.key("any").to_bytes(),
        derive(&text.agreed, "any", b"")
    );
}

#[test]
fn the_program_takes_an_answer_made_by_the_text() {
    let (own, callee) = (key(1), key(2));
    let (calling, first, x) = program_calls(&own, DialKey::Node(callee.id()));
    let y = [0x33; 32];
    let b = callee.id();
    let text = ByText::of(&own.to_bytes(), &x, b.bytes(), &y, &NO_SECRET, &first);
    let answer = text.resp(&y, &first, &said_of(b.bytes(), b""));
    assert!(calling.is_answer(&answer));
    let answer = calling.finish(&own, &answer).expect("as the text says");
    assert_eq!((answer.node, answer.class), (b, Class::Fast));
    assert_eq!(answer.observed.socket(), stranger());
    assert_eq!(
        *answer.agreed.key("any").to_bytes(),
        derive(&text.agreed, "any", b"")
    );
}

/// What the program makes of an answer with this plaintext, sealed as only the callee can.
fn answered(callee: DialKey, plain: &[u8]) -> Result<Answer, crate::crypto::Rejected> {
    let own = key(1);
    let (calling, first, x) = program_calls(&own, callee);
    let y = [0x33; 32];
    let (point, secret) = callee.parts();
    let text = ByText::of(&own.to_bytes(), &x, point.bytes(), &y, &secret.0, &first);
    let answer = text.resp(&y, &first, plain);
    assert!(calling.is_answer(&answer));
    calling.finish(&own, &answer)
}

#[test]
fn an_answer_counts_only_if_all_it_says_can_be_read_and_it_names_the_node_called() {
    let callee = key(2).id();
    let good = said_of(callee.bytes(), b"");
    assert!(answered(DialKey::Node(callee), &good).is_ok());
    let says_of_itself = said_of(key(3).id().bytes(), b"");
    assert!(answered(DialKey::Node(callee), &says_of_itself).is_err());
    for (what, at, value) in [
        ("version", 0, 2),
        ("class", 28, 0),
        ("no point", 31, 4),
        ("suite", 64, 2),
    ] {
        let mut bad = good;
        bad[at] = value;
        assert!(answered(DialKey::Node(callee), &bad).is_err(), "{what}");
    }
}

#[test]
fn an_entry_speaks_for_a_node_only_with_its_signature_over_this_very_call() {
    let entry = EntryKey::generate(&mut Stream::from_seed([4; 32]));
    let callee = DialKey::Entry(entry.id(), EntrySecret([6; 16]));
    let node = key(2);
    let (_, first, _) = program_calls(&key(1), callee);
    let proof = |entry: &EntryId, first: &Cell| {
        let message = crate::crypto::aead::hash(&[b"entry answers", entry.bytes(), first]);
        node.sign(Domain::EntryAnswer, &message).0
    };
    let right = proof(&entry.id(), &first);
    let said = |node: &NodeKey, proof: &[u8]| said_of(node.id().bytes(), proof);
    assert!(answered(callee, &said(&node, &right)).is_ok());
    let mut other = first.clone();
    other[100] ^= 1;
    let other_entry = EntryKey::generate(&mut Stream::from_seed([5; 32])).id();
    for (what, plain) in [
        ("none", said(&node, b"")),
        ("of another call", said(&node, &proof(&entry.id(), &other))),
        (
            "of another entry",
            said(&node, &proof(&other_entry, &first)),
        ),
        ("of another node", said(&key(3), &right)),
    ] {
        assert!(answered(callee, &plain).is_err(), "a signature {what}");
    }
}

#[test]
fn an_answer_that_names_the_caller_itself_is_none() {
    let own = key(1);
    let entry = EntryKey::generate(&mut Stream::from_seed([4; 32]));
    let callee = DialKey::Entry(entry.id(), EntrySecret::NONE);
    let (_, first, _) = program_calls(&own, callee);
    let message = crate::crypto::aead::hash(&[b"entry answers", entry.id().bytes(), &first[..]]);
    let proof = own.sign(Domain::EntryAnswer, &message).0;
    assert!(answered(callee, &said_of(own.id().bytes(), &proof)).is_err());
}

#[test]
fn a_call_counts_only_if_all_it_says_can_be_read_and_its_two_keys_differ() {
    let own = Arc::new(key(2));
    let listening = Listening::node(own.clone());
    let x: [u8; 32] = Stream::from_seed([7; 32]).bytes();
    let opens = |plain: &[u8]| {
        let cell = init(&x, own.id().bytes(), &NO_SECRET, plain);
        assert!(listening.is_called(&cell));
        listening.open(&cell, NOW).is_ok()
    };
    let good = call_of(key(1).id().bytes());
    assert!(opens(&good));
    for (what, at, value) in [
        ("version", 0, 2),
        ("purpose 0", 1, 0),
        ("purpose 5", 1, 5),
        ("no point", 2, 5),
        ("class", 43, 3),
        ("suite", 64, 0),
    ] {
        let mut bad = good;
        bad[at] = value;
        assert!(!opens(&bad), "{what}");
    }
    // A caller whose static key is its ephemeral would be an anonymous one.
    let public = known_answer::public(&x).expect("a scalar");
    assert!(!opens(&call_of(public.bytes())));
}

#[test]
fn a_call_in_the_callees_own_name_gets_no_answer() {
    let mut world = World::of(40, 2);
    let callee = world.nodes[1].id;
    let from = world.nodes[0].addr;
    let x: [u8; 32] = Stream::from_seed([7; 32]).bytes();
    let mut plain = call_of(callee.bytes());
    plain[35..43].copy_from_slice(&world.time().unix.0.to_be_bytes());
    let own_name = init(&x, callee.bytes(), &NO_SECRET, &plain);
    assert_eq!(world.inject(1, from, &own_name[..]), 0);
    plain[2..35].copy_from_slice(world.nodes[0].id.bytes());
    let other_name = init(&x, callee.bytes(), &NO_SECRET, &plain);
    assert_eq!(world.inject(1, from, &other_name[..]), 1);
}
