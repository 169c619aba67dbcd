use super::*;
use crate::crypto::keys::{CookieKey, NodeKey};
use crate::wire::position::Position;

fn bench() -> (Spurs, Pool, SpurTarget, Stream) {
    let mut random = Stream::from_seed([8; 32]);
    let mut pool = Pool::new(NodeKey::generate(&mut random).id());
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    for _ in 0..8 {
        let node = NodeKey::generate(&mut random).id();
        pool.insert(Peer { node, addr }, Position(random.bytes()));
    }
    let target = SpurTarget {
        contact: ContactTag(5),
        node: NodeKey::generate(&mut random).id(),
        addr,
        cookie_key: *CookieKey::generate(&mut random).public(),
        point: [1; 16],
        credential: [1; 16],
    };
    let spurs = Spurs::new(
        Class::Fast,
        &random.fork("clock", b""),
        1.5,
        random.fork("crypto", b""),
    );
    (spurs, pool, target, random)
}

#[test]
fn lives_are_the_same_whether_a_contact_waits_or_not() {
    let run = |wanted: bool| -> Vec<Moment> {
        let (mut spurs, pool, target, _) = bench();
        let wants = if wanted { vec![target] } else { Vec::new() };
        (0..40u8)
            .map(|n| spurs.birth(Moment(u64::from(n) * 1_000_000), n % 4, &pool, &wants))
            .collect()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_waiting_contact_takes_one_slot_and_gets_deliveries_once_it_is_up() {
    let (mut spurs, pool, target, _) = bench();
    for slot in 0..4 {
        // A slot whose spur is about to end does not count as serving.
        while spurs.birth(Moment(0), slot, &pool, &[target])
            <= Moment(0).after_seconds(YOUNG_OVERLAP_SECONDS)
        {}
    }
    let mut told = Vec::new();
    while let Some(OutboundForward::SpurOpen {
        slot, node, key, ..
    }) = spurs.tell(Moment(0))
    {
        told.push((slot, node, *key));
    }
    let to_contact: Vec<_> = told
        .iter()
        .filter(|(_, node, _)| *node == target.node)
        .collect();
    assert_eq!((told.len(), to_contact.len()), (4, 1));
    let parcel = Box::new([2; PARCEL]);
    assert!(
        spurs
            .deliver(target.contact, &[target], parcel.clone())
            .is_none()
    );
    let (slot, _, key) = *to_contact[0];
    spurs.state(slot, &key, true);
    assert_eq!(
        spurs.up().collect::<Vec<_>>(),
        [(target.contact, target.point)]
    );
    assert!(
        matches!(spurs.deliver(target.contact, &[target], parcel), Some(OutboundForward::Deliver { slot: s, .. }) if s == slot)
    );
}

#[test]
fn a_young_circuit_bears_a_spur_at_every_step_and_serves_whoever_has_none_first() {
    let (mut spurs, pool, target, mut random) = bench();
    let other = SpurTarget {
        contact: ContactTag(6),
        node: NodeKey::generate(&mut random).id(),
        ..target
    };
    let wanted = [target, other];
    let mut births: BTreeSet<(Moment, u8)> = spurs
        .births(Moment(0))
        .into_iter()
        .zip(0..SPUR_SLOTS)
        .collect();
    let mut served = Vec::new();
    let mut moments = Vec::new();
    while let Some((at, slot)) = births.pop_first()
        && at < Moment(0).after_seconds(20.0)
    {
        births.insert((spurs.birth(at, slot, &pool, &wanted), slot));
        let held = spurs.slots[usize::from(slot)].spur.as_ref();
        served.push(held.and_then(|spur| spur.contact.as_ref().map(|((tag, _), _)| tag.0)));
        moments.push(at);
    }
    let expected: Vec<Moment> = (0..moments.len() as u32)
        .map(|n| spurs.births.moment(n))
        .collect();
    assert_eq!(moments, expected);
    assert_eq!(served[..4], [Some(5), Some(6), Some(5), Some(6)]);
    // At any time after the first two births each has at least one of the last four.
    assert!(
        served
            .windows(4)
            .all(|four| four.contains(&Some(5)) && four.contains(&Some(6)))
    );
}

#[test]
fn a_contact_that_moved_gets_a_spur_to_its_new_place_at_the_next_birth_and_deliveries_go_there() {
    let (mut spurs, pool, old, _) = bench();
    let new = SpurTarget {
        point: [2; 16],
        ..old
    };
    let told = |spurs: &mut Spurs, slot: u8, wanted: SpurTarget| {
        spurs.birth(Moment(0), slot, &pool, &[wanted]);
        let Some(OutboundForward::SpurOpen { key, .. }) = spurs.tell(Moment(0)) else {
            panic!("a spur is told");
        };
        spurs.state(slot, &key, true);
    };
    told(&mut spurs, 0, old);
    told(&mut spurs, 1, new);
    let up: Vec<Served> = spurs.up().collect();
    assert_eq!(up, [(old.contact, old.point), (old.contact, new.point)]);
    for (wanted, expected) in [(new, 1), (old, 0)] {
        let parcel = Box::new([2; PARCEL]);
        let delivery = spurs.deliver(old.contact, &[wanted], parcel);
        assert!(
            matches!(delivery, Some(OutboundForward::Deliver { slot, .. }) if slot == expected)
        );
    }
}
