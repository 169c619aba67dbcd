//! What strangers get: nothing, or one cell for one cell.

use super::*;

#[test]
fn random_cells_get_no_answer_and_no_curve_work() {
    let mut world = World::of(2, 2);
    world.link(0, 1, Purpose::Link);
    let before = world.nodes[1].links.calls_opened();
    let dropped = world.nodes[1].links.dropped();
    let mut random = Stream::from_seed([1; 32]);
    for n in 0..100_000u32 {
        let cell: Cell = random.bytes();
        let from = if n % 2 == 0 {
            world.nodes[0].addr
        } else {
            stranger()
        };
        assert_eq!(world.inject(1, from, &cell), 0);
    }
    assert_eq!(world.nodes[1].links.calls_opened(), before);
    assert_eq!(world.nodes[1].links.dropped(), dropped + 100_000);
}

#[test]
fn no_flipped_bit_of_an_init_gets_an_answer_and_only_the_unprotected_field_costs_curve_work() {
    let mut world = World::of(3, 2);
    let init = lost_init(&mut world, Purpose::Link);
    for bit in 0..8 * DATAGRAM {
        let mut bad = init.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let unprotected = (32..48).contains(&(bit / 8));
        if !unprotected {
            assert_eq!(
                world.inject(1, world.nodes[0].addr, &bad[..]),
                0,
                "bit {bit}"
            );
        }
    }
    assert_eq!(world.nodes[1].links.calls_opened(), 0);
    assert_eq!(world.inject(1, world.nodes[0].addr, &init[..]), 1);
}

#[test]
fn a_datagram_of_any_other_length_is_dropped() {
    let mut world = World::of(4, 2);
    let init = lost_init(&mut world, Purpose::Link);
    let mut long = init.to_vec();
    long.resize(1500, 0);
    for n in (0..1500).filter(|n| *n != DATAGRAM) {
        assert_eq!(world.inject(1, world.nodes[0].addr, &long[..n]), 0);
    }
    assert_eq!(world.nodes[1].links.dropped(), 1499);
    assert_eq!(world.nodes[1].links.calls_opened(), 0);
}

#[test]
fn a_replayed_init_gets_no_second_answer_from_anywhere_at_any_time() {
    let mut world = World::of(5, 2);
    let init = lost_init(&mut world, Purpose::Link);
    let caller = world.nodes[0].addr;
    assert_eq!(world.inject(1, caller, &init[..]), 1);
    assert_eq!(world.inject(1, caller, &init[..]), 0);
    assert_eq!(world.inject(1, stranger(), &init[..]), 0);
    world.run(9.0 * 60.0);
    assert_eq!(world.inject(1, stranger(), &init[..]), 0);
    world.run(20.0 * 60.0);
    assert_eq!(world.inject(1, stranger(), &init[..]), 0);
    // Started anew, the node has another NodeId.
    let again = world.add(77, 9, Class::Normal, None);
    assert_eq!(world.inject(again, caller, &init[..]), 0);
    assert_eq!(world.nodes[again].links.calls_opened(), 0);
}

#[test]
fn an_init_whose_clock_is_more_than_ten_minutes_off_gets_no_answer() {
    let mut world = World::of(6, 2);
    let init = lost_init(&mut world, Purpose::Link);
    let caller = world.nodes[0].addr;
    let at = world.now;
    for (minutes, answers) in [(-11i64, 0), (11, 0), (-9, 1)] {
        let unix = UnixMs(world.time().unix.0.saturating_add_signed(minutes * 60_000));
        world.nodes[1]
            .links
            .handle_datagram(Now { at, unix }, caller, &init[..]);
        let before = world.seen.len();
        world.drain(1);
        assert_eq!(world.seen.len() - before, answers, "{minutes}");
    }
}

#[test]
fn one_answer_follows_an_init_and_nothing_more_until_the_caller_has_proved_itself() {
    for purpose in [Purpose::Link, Purpose::Spur, Purpose::Contact] {
        let mut world = World::of(7, 2);
        let init = lost_init(&mut world, purpose);
        assert_eq!(world.inject(1, stranger(), &init[..]), 1);
        let sent = sent_by(&world, 1);
        assert_eq!((sent[0].size, sent[0].to), (DATAGRAM, stranger()));
        world.run(60.0);
        assert_eq!(sent_by(&world, 1).len(), 1);
        assert!(world.nodes[1].ups.is_empty());
        assert_eq!(world.nodes[1].links.addresses.at(stranger()).count(), 0);
    }
}

#[test]
fn no_source_gets_more_than_it_gave_before_it_is_proven() {
    let mut world = World::of(8, 2);
    let mut random = Stream::from_seed([8; 32]);
    let (mut given, mut taken) = (0, 0);
    for _ in 0..300 {
        let init = lost_init(&mut world, Purpose::Contact);
        for _ in 0..random.below(4) {
            let mut cell = init.clone();
            if random.below(2) == 0 {
                cell[random.below(512) as usize] ^= random.u32() as u8;
            }
            let from = SocketAddr::from(([8, 8, random.u32() as u8, 8], 53));
            given += cell.len();
            taken += DATAGRAM * world.inject(1, from, &cell[..]);
            assert!(taken <= given);
        }
        world.now = world.now.after_seconds(0.3);
    }
    assert!(taken > 0);
}

#[test]
fn whoever_calls_by_the_wrong_name_hears_nothing() {
    let mut world = World::of(9, 3);
    // The right address with another node's key.
    let target = DialTarget {
        addr: world.nodes[1].addr,
        ..DialTarget::from(world.peer(2))
    };
    let now = world.time();
    let id = world.nodes[0].links.dial(now, target, Purpose::Link);
    world.drain(0);
    world.run(20.0);
    assert_eq!(world.nodes[0].failures, [(id, DialFailure::NoAnswer)]);
    assert!(sent_by(&world, 1).is_empty());
    assert_eq!(world.nodes[1].links.calls_opened(), 0);
}

#[test]
fn a_node_never_calls_itself_nor_an_address_out_of_reach() {
    let mut world = World::of(10, 2);
    let own = DialTarget::from(world.peer(0));
    let home = DialTarget {
        addr: "192.168.1.1:9".parse().expect("a literal"),
        ..DialTarget::from(world.peer(1))
    };
    let now = world.time();
    for target in [own, home] {
        world.nodes[0].links.dial(now, target, Purpose::Link);
    }
    world.drain(0);
    assert!(
        world.nodes[0]
            .failures
            .iter()
            .all(|(_, why)| *why == DialFailure::NotAllowed)
    );
    assert_eq!(world.nodes[0].failures.len(), 2);
    let elsewhere = Peer {
        node: world.nodes[1].id,
        addr: home.addr,
    };
    assert_eq!(
        world.nodes[0]
            .links
            .send_contact(now, Purpose::Contact, elsewhere, &body(1)),
        Err(Full)
    );
    assert!(world.seen.is_empty());
}

#[test]
fn a_call_from_an_address_that_is_never_sent_to_gets_no_answer_and_no_curve_work() {
    let mut world = World::of(47, 2);
    let init = lost_init(&mut world, Purpose::Link);
    for from in ["192.168.1.1:9", "127.0.0.1:9", "9.9.9.9:0", "224.0.0.1:9"] {
        let from: SocketAddr = from.parse().expect("a literal");
        assert_eq!(world.inject(1, from, &init[..]), 0, "{from}");
    }
    assert_eq!(world.nodes[1].links.calls_opened(), 0);
    assert_eq!(world.inject(1, world.nodes[0].addr, &init[..]), 1);
}

#[test]
fn one_source_is_answered_twenty_times_a_second_and_all_together_sixty_four_times() {
    let mut world = World::of(48, 2);
    let mut answers = |source: &dyn Fn(u8) -> SocketAddr| -> usize {
        (0..100u8)
            .map(|n| {
                let init = lost_init(&mut world, Purpose::Contact);
                world.inject(1, source(n), &init[..])
            })
            .sum()
    };
    assert_eq!(
        answers(&|n| SocketAddr::from(([8, 8, 8, 8], u16::from(n) + 1))),
        20
    );
    assert_eq!(answers(&|n| SocketAddr::from(([8, n, 8, 8], 1))), 44);
    assert_eq!(world.nodes[1].links.calls_opened(), 64);
}

/// The callee may write any source on its answer: the caller must not send a whole link's cells there.
#[test]
fn an_answer_from_elsewhere_aims_no_cell_at_the_place_it_came_from() {
    let called = SocketAddr::from(([9, 2, 0, 1], 4000));
    let beside = SocketAddr::from(([9, 2, 0, 200], 4001));
    for (from, to) in [
        (called, called),
        (beside, beside),
        (stranger(), called),
        ("192.168.1.1:9".parse().expect("a literal"), called),
        (SocketAddr::from(([9, 2, 0, 200], 0)), called),
    ] {
        let mut world = World::of(49, 2);
        assert_eq!(world.nodes[1].addr, called);
        world.keep_cells = true;
        world.cut = true;
        world.dial(0, 1, Purpose::Link);
        let init = world.cells.last().expect("an INIT left").1.clone();
        assert_eq!(world.inject(1, world.nodes[0].addr, &init[..]), 1);
        let answer = world.cells.last().expect("an answer left").1.clone();
        world.inject(0, from, &answer[..]);
        assert_eq!(world.nodes[0].ups.len(), 1, "{from}");
        let before = world.seen.len();
        world.run(10.0);
        let sent: BTreeSet<_> = world.seen[before..]
            .iter()
            .filter(|seen| seen.from == world.nodes[0].addr)
            .map(|seen| seen.to)
            .collect();
        assert_eq!(sent, BTreeSet::from([to]), "{from}");
    }
}

#[test]
fn cells_from_unknown_sources_are_tried_within_a_budget() {
    let mut world = World::of(50, 2);
    world.link(0, 1, Purpose::Link);
    world.keep_cells = true;
    world.cut = true;
    world.run(1.0);
    let own = world.nodes[0].addr;
    let mut fresh = world.cells.iter().filter(|(seen, _)| seen.from == own);
    let (first, second) = match (fresh.next(), fresh.next()) {
        (Some((_, first)), Some((_, second))) => (first.clone(), second.clone()),
        _ => unreachable!("twenty cells a second leave at a link's start"),
    };
    let from = SocketAddr::new(own.ip(), 999);
    let mut random = Stream::from_seed([50; 32]);
    // One association, no call: a look for each cell.
    for _ in 0..TRIALS as usize {
        let cell: Cell = random.bytes();
        let now = world.time();
        world.nodes[1].links.handle_datagram(now, stranger(), &cell);
    }
    let dropped = world.nodes[1].links.dropped();
    world.inject(1, from, &first[..]);
    assert_eq!(
        world.nodes[1].links.dropped(),
        dropped + 1,
        "no look is left"
    );
    world.inject(1, own, &first[..]);
    world.now = world.now.after_seconds(0.1);
    world.inject(1, from, &second[..]);
    assert_eq!(world.nodes[1].links.dropped(), dropped + 1);
}

#[test]
fn a_call_to_an_entry_key_is_not_answered_again_after_the_entry_was_started_anew() {
    let key = || EntryKey::generate(&mut Stream::from_seed([51; 32]));
    let mut world = World::of(51, 1);
    let before = world.add(51, 1, Class::Normal, Some((key(), EntrySecret::NONE)));
    let target = DialTarget {
        key: DialKey::Entry(key().id(), EntrySecret::NONE),
        addr: world.nodes[before].addr,
    };
    let call = |world: &mut World| {
        world.keep_cells = true;
        world.cut = true;
        let now = world.time();
        world.nodes[0].links.dial(now, target, Purpose::Contact);
        world.drain(0);
        world.cells.last().expect("an INIT left").1.clone()
    };
    let recorded = call(&mut world);
    let caller = world.nodes[0].addr;
    assert_eq!(world.inject(before, caller, &recorded[..]), 1);
    world.now = world.now.after_seconds(60.0);
    let late = call(&mut world);
    world.now = world.now.after_seconds(9.0);
    let anew = world.add(52, 2, Class::Normal, Some((key(), EntrySecret::NONE)));
    assert_eq!(world.inject(anew, stranger(), &recorded[..]), 0);
    assert_eq!(
        world.inject(anew, caller, &late[..]),
        1,
        "a clock may be ten seconds slow"
    );
    let fresh = call(&mut world);
    assert_eq!(world.inject(anew, caller, &fresh[..]), 1);
}
