use super::*;
use crate::crypto::keys::{AccountKey, NodeKey};
use crate::crypto::random::Stream;

fn same(one: &Agreed, other: &Agreed) -> bool {
    let same = one.key("x").to_bytes() == other.key("x").to_bytes();
    assert_eq!(
        one.confirms(Side::Responder, &other.confirm(Side::Responder)),
        same
    );
    assert_eq!(
        other.confirms(Side::Initiator, &one.confirm(Side::Initiator)),
        same
    );
    assert_ne!(one.confirm(Side::Initiator), one.confirm(Side::Responder));
    same
}

fn transcript(bytes: &[u8]) -> Transcript {
    let mut t = Transcript::new("test");
    t.absorb(bytes);
    t
}

#[test]
fn both_sides_of_every_pattern_agree_and_no_two_patterns_do() {
    let mut r = Stream::from_seed([3; 32]);
    let (a, b) = (AccountKey::generate(&mut r), NodeKey::generate(&mut r));
    let (x, y) = (r.bytes::<32>(), r.bytes::<32>());
    let eph = |bytes: &[u8; 32]| Ephemeral::from_bytes(bytes).unwrap();
    let (xp, yp) = (*eph(&x).public(), *eph(&y).public());
    let (ap, bp) = (a.public_point(), b.public_point());
    let t = || transcript(b"flight");
    let pairs = [
        (
            full(Side::Initiator, &a, eph(&x), bp, &yp, t()).unwrap(),
            full(Side::Responder, &b, eph(&y), ap, &xp, t()).unwrap(),
        ),
        (
            anonymous_to(&eph(&x), bp, &yp, t()).unwrap(),
            anonymous_from(&b, eph(&y), &xp, t()).unwrap(),
        ),
        (
            one_pass_anonymous_to(&eph(&x), bp, t()).unwrap(),
            one_pass_anonymous_from(&b, &xp, t()).unwrap(),
        ),
        (
            one_pass_to(&a, eph(&x), bp, t()).unwrap(),
            one_pass_from(&b, ap, &xp, t()).unwrap(),
        ),
        (
            es_to(&eph(&x), bp, t()).unwrap(),
            es_from(&b, &xp, t()).unwrap(),
        ),
    ];
    for (i, (one, _)) in pairs.iter().enumerate() {
        for (j, (_, other)) in pairs.iter().enumerate() {
            assert_eq!(same(one, other), i == j, "patterns {i} and {j}");
        }
    }
}

#[test]
fn one_changed_bit_of_a_flight_makes_both_sides_fail() {
    let mut r = Stream::from_seed([4; 32]);
    let (a, b) = (AccountKey::generate(&mut r), AccountKey::generate(&mut r));
    let (x, y) = (Ephemeral::generate(&mut r), Ephemeral::generate(&mut r));
    let flight: [u8; 24] = r.bytes();
    let initiator =
        |t| full_kept(Side::Initiator, &a, &x, b.public_point(), y.public(), t).unwrap();
    let responder = full_kept(
        Side::Responder,
        &b,
        &y,
        a.public_point(),
        x.public(),
        transcript(&flight),
    )
    .unwrap();
    assert!(same(&initiator(transcript(&flight)), &responder));
    for bit in 0..flight.len() * 8 {
        let mut changed = flight;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !same(&initiator(transcript(&changed)), &responder),
            "bit {bit}"
        );
    }
    let mut split = transcript(&flight[..12]);
    split.absorb(&flight[12..]);
    assert!(
        !same(&initiator(split), &responder),
        "where one flight ends and the next begins counts too"
    );
    let swapped = full_kept(
        Side::Responder,
        &a,
        &x,
        b.public_point(),
        y.public(),
        transcript(&flight),
    )
    .unwrap();
    assert!(!same(&swapped, &responder), "roles count");
}

#[test]
fn a_mixed_secret_needs_both_and_their_order() {
    let mut r = Stream::from_seed([6; 32]);
    let b = NodeKey::generate(&mut r);
    let x = Ephemeral::generate(&mut r);
    let es = || es_to(&x, b.public_point(), transcript(b"")).unwrap();
    let one_pass = || one_pass_anonymous_to(&x, b.public_point(), transcript(b"")).unwrap();
    assert!(same(&es().mix(&one_pass()), &es().mix(&one_pass())));
    assert!(!same(&es().mix(&one_pass()), &one_pass().mix(&es())));
    assert!(!same(&es().mix(&one_pass()), &es()));
}
