//! Bodies, keys and the ends of links.

use super::*;

#[test]
fn two_nodes_exchange_bodies_over_a_link_in_order_when_nothing_is_lost() {
    let mut world = World::of(1, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    for n in 0..DEPTH as u32 {
        assert_eq!(world.nodes[0].links.send(a, 1, &body(n)), Ok(()));
        assert_eq!(world.nodes[1].links.send(b, 1, &body(100 + n)), Ok(()));
    }
    world.run(5.0);
    assert_eq!(got(&world, 1), (0..DEPTH as u32).collect::<Vec<_>>());
    assert_eq!(
        got(&world, 0),
        (100..100 + DEPTH as u32).collect::<Vec<_>>()
    );
    assert!(world.nodes[0].ups[0].3 && !world.nodes[1].ups[0].3);
}

#[test]
fn a_replayed_data_cell_delivers_nothing_again_and_moves_no_link() {
    let mut world = World::of(13, 2);
    let (a, _) = world.link(0, 1, Purpose::Link);
    world.keep_cells = true;
    for n in 0..DEPTH as u32 {
        assert_eq!(world.nodes[0].links.send(a, 1, &body(n)), Ok(()));
    }
    world.run(10.0);
    assert_eq!(got(&world, 1).len(), DEPTH);
    let own = world.nodes[0].addr;
    let near = SocketAddr::new(own.ip(), 5555);
    let cells: Vec<_> = world
        .cells
        .iter()
        .filter(|(s, _)| s.from == own)
        .map(|(_, c)| c.clone())
        .collect();
    // The last of them are on their way yet.
    world.keep_cells = false;
    world.run(1.0);
    let dropped = world.nodes[1].links.dropped();
    for cell in &cells {
        for from in [own, near, stranger()] {
            assert_eq!(world.inject(1, from, &cell[..]), 0);
        }
    }
    assert_eq!(
        world.nodes[1].links.dropped(),
        dropped + 3 * cells.len() as u64
    );
    assert_eq!(got(&world, 1).len(), DEPTH);
    let before = world.seen.len();
    world.run(5.0);
    assert!(
        world.seen[before..]
            .iter()
            .all(|s| s.to == own || s.to == world.nodes[1].addr)
    );
}

#[test]
fn a_changed_port_is_followed_and_a_changed_network_is_not() {
    for (from, follows) in [
        (SocketAddr::from(([9, 1, 0, 1], 999)), true),
        (SocketAddr::from(([9, 1, 0, 1], 0)), false),
        (stranger(), false),
    ] {
        let mut world = World::of(14, 2);
        let (_, b) = world.link(0, 1, Purpose::Link);
        world.keep_cells = true;
        world.cut = true;
        world.run(2.0);
        let fresh = fresh_cells(&world).pop().expect("a cell left");
        world.inject(1, from, &fresh[..]);
        let expected = if follows { from } else { world.nodes[0].addr };
        assert_eq!(reached(&world, b), expected);
    }
}

/// What node 0 has sent, in order.
fn fresh_cells(world: &World) -> Vec<Cell> {
    let own = world.nodes[0].addr;
    let sent = world.cells.iter().filter(|(seen, _)| seen.from == own);
    sent.map(|(_, cell)| **cell).collect()
}

/// Where node 1 reaches the other end of this link.
fn reached(world: &World, id: AssocId) -> SocketAddr {
    let info = world.nodes[1].links.info(world.now);
    let link = info.iter().find(|info| info.assoc == id);
    link.and_then(|info| info.peer)
        .expect("the link is up")
        .addr
}

#[test]
fn a_cell_that_was_overtaken_moves_nothing() {
    let mut world = World::of(53, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    world.keep_cells = true;
    world.cut = true;
    for n in 0..3 {
        assert_eq!(world.nodes[0].links.send(a, 1, &body(n)), Ok(()));
    }
    world.run(2.0);
    let cells = fresh_cells(&world);
    let own = world.nodes[0].addr;
    let near = SocketAddr::new(own.ip(), 999);
    let (last, earlier) = cells.split_last().expect("cells left");
    world.inject(1, own, &last[..]);
    let before = world.nodes[1].links.dropped();
    for cell in earlier {
        world.inject(1, near, &cell[..]);
    }
    assert_eq!(world.nodes[1].links.dropped(), before, "each opens");
    assert_eq!(got(&world, 1).len(), 3);
    assert_eq!(reached(&world, b), own);
}

#[test]
fn at_five_percent_loss_every_body_arrives_once() {
    let mut world = World::of(17, 2);
    let (a, _) = world.link(0, 1, Purpose::Link);
    world.loss = 0.05;
    world.doubled = 0.1;
    world.delay = (0.04, 0.02);
    let mut sent = 0;
    for _ in 0..400 {
        for _ in 0..2 {
            if world.nodes[0].links.send(a, sent % 5, &body(sent)).is_ok() {
                sent += 1;
            }
        }
        world.run(1.0);
    }
    world.run(30.0);
    let mut all = got(&world, 1);
    assert_eq!(all.len(), sent as usize);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), sent as usize);
    let now = world.now;
    let info = &world.nodes[0].links.info(now)[0];
    assert!((0.01..0.12).contains(&info.loss), "{}", info.loss);
    let rtt = info.round_trip.expect("measured").as_secs_f64();
    assert!((0.08..0.2).contains(&rtt), "{rtt}");
}

#[test]
fn a_tick_takes_control_before_circuits_and_circuits_in_turn() {
    let mut world = World::of(18, 2);
    let (a, _) = world.link(0, 1, Purpose::Link);
    for n in 0..4 {
        assert_eq!(world.nodes[0].links.send(a, 1, &body(n)), Ok(()));
    }
    assert_eq!(world.nodes[0].links.send(a, 2, &body(10)), Ok(()));
    let mut control = body(0);
    control[0] = 0x40;
    assert_eq!(world.nodes[0].links.send_control(a, &control), Ok(()));
    world.run(3.0);
    let kinds: Vec<_> = world.nodes[1]
        .bodies
        .iter()
        .map(|(_, kind, b)| (*kind, number(b)))
        .collect();
    let circuit = |n| (BodyKind::Circuit, n);
    assert_eq!(kinds[0], (BodyKind::Control, 0x4000_0000));
    assert_eq!(
        kinds[1..],
        [circuit(0), circuit(10), circuit(1), circuit(2), circuit(3)]
    );
}

#[test]
fn both_ends_hold_the_certificate_of_their_link() {
    let mut world = World::of(19, 2);
    world.loss = 0.2;
    let (a, b) = world.link(0, 1, Purpose::Link);
    world.run(20.0);
    let unix = world.time().unix;
    for (n, id) in [(0, a), (1, b)] {
        let certificate = world.nodes[n].links.certificate(id).expect("both signed");
        assert!(certificate.verify(&world.nodes[n].id, unix));
        assert_eq!(certificate.neighbour, world.nodes[1 - n].id);
        assert_eq!(certificate.address.socket(), world.nodes[1 - n].addr);
    }
}

#[test]
fn new_keys_replace_the_old_ones_under_loss_and_no_body_is_missing() {
    let mut world = World::of(20, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    world.loss = 0.2;
    world.delay = (0.05, 0.02);
    let mut sent = [0u32; 2];
    // Longer than keys may live without being replaced.
    for _ in 0..3000 {
        for (n, id) in [(0, a), (1, b)] {
            if world.nodes[n].links.send(id, 0, &body(sent[n])).is_ok() {
                sent[n] += 1;
            }
        }
        world.run(1.0);
    }
    world.run(30.0);
    assert!(world.nodes.iter().all(|n| n.downs.is_empty()));
    for (n, sent) in sent.into_iter().enumerate() {
        let all = got(&world, 1 - n);
        let distinct: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
        let now = world.now;
        let lost = world.nodes[n].links.info(now)[0].bodies_lost;
        assert!(
            all.len() as u64 + lost >= u64::from(sent),
            "{} of {}, {lost} given up",
            all.len(),
            sent
        );
        assert!(lost <= u64::from(sent) / 1000, "{lost}");
    }
}

#[test]
fn a_closed_link_is_told_in_later_slots_and_goes_on_ticking_for_a_while() {
    let mut world = World::of(21, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    let before = world.seen.len();
    world.close(0, a);
    assert_eq!(world.seen.len(), before);
    assert_eq!(world.nodes[0].downs, [(a, DownReason::Closed)]);
    assert_eq!(world.nodes[0].links.send(a, 1, &body(1)), Err(Full));
    world.run(9.0);
    assert_eq!(world.nodes[1].downs, [(b, DownReason::ClosedByPeer)]);
    let sent = sent_by(&world, 0)
        .iter()
        .filter(|s| s.at.0 > world.now.0 - 2_000_000)
        .count();
    assert!(sent > 10, "{sent}");
    world.run(5.0);
    let (cells, left) = (world.nodes[0].links.counts(), sent_by(&world, 0).len());
    assert_eq!(
        cells.cells_out,
        left as u64 - 1,
        "all but the call, though the link is gone"
    );
    let before = world.seen.len();
    world.run(60.0);
    assert_eq!(world.seen.len(), before);
    assert!(
        world
            .nodes
            .iter()
            .all(|n| n.links.info(n.links.next_timeout()).is_empty())
    );
}

#[test]
fn after_a_standstill_a_link_has_to_be_heard_again_and_what_waited_in_the_socket_does_not_count() {
    for heard in [false, true] {
        let mut world = World::of(26, 2);
        let (link, _) = world.link(0, 1, Purpose::Link);
        world.run(20.0);
        let now = world.time();
        world.nodes[0].links.stood_still(now.at);
        // What comes in the first second was sent before, for all the node knows.
        world.run(0.9);
        world.cut = !heard;
        world.run(1.0);
        assert_eq!(world.nodes[0].downs, [], "not given up at once");
        world.run(3.0);
        let down = if heard {
            vec![]
        } else {
            vec![(link, DownReason::Silent)]
        };
        assert_eq!(world.nodes[0].downs, down);
        assert_eq!(
            world.nodes[1].downs,
            [],
            "who did not stand still waits as ever"
        );
    }
}

#[test]
fn a_link_on_which_nothing_arrives_is_suspected_after_thirty_seconds_and_down_after_forty() {
    let mut world = World::of(22, 2);
    let (a, _) = world.link(0, 1, Purpose::Link);
    world.run(5.0);
    world.cut = true;
    let state = |world: &World| {
        world.nodes[0]
            .links
            .info(world.now)
            .first()
            .map(|i| i.state)
    };
    world.run(29.0);
    assert_eq!(state(&world), Some(LinkState::Up));
    world.run(3.0);
    assert_eq!(state(&world), Some(LinkState::Suspect));
    world.run(10.0);
    assert_eq!(state(&world), None);
    assert_eq!(world.nodes[0].downs, [(a, DownReason::Silent)]);
}

#[test]
fn old_keys_are_gone_in_time_though_nothing_arrives_any_more() {
    let mut world = World::of(54, 2);
    let ends = world.link(0, 1, Purpose::Link);
    let ends = [(0, ends.0), (1, ends.1)];
    let kept =
        |world: &World| ends.map(|(n, id)| world.nodes[n].links.assocs[&id].keys.keeps_old());
    let mut seconds = 0;
    while kept(&world) != [true; 2] {
        world.run(1.0);
        seconds += 1;
        assert!(seconds < 1100, "new keys come within 18 minutes");
    }
    world.cut = true;
    world.run(32.0);
    assert_eq!(kept(&world), [false; 2]);
}

#[test]
fn bodies_that_nobody_takes_are_sent_again_until_somebody_does() {
    let mut world = World::of(56, 2);
    let (a, _) = world.link(0, 1, Purpose::Link);
    assert_eq!(world.send_contact(0, 1, 1), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[1].contacts.len(), 1);
    // As many as there may be wait above.
    world.nodes[1].links.untaken = UNTAKEN;
    for n in 0..3 {
        assert_eq!(world.nodes[0].links.send(a, 1, &body(n)), Ok(()));
    }
    assert_eq!(world.send_contact(0, 1, 2), Ok(()));
    world.run(3.0);
    assert!(got(&world, 1).is_empty());
    assert_eq!(
        world.nodes[1].contacts.len(),
        1,
        "nothing of a session is sent again"
    );
    world.nodes[1].links.untaken = 0;
    world.run(5.0);
    let mut all = got(&world, 1);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
}

#[test]
fn a_link_whose_keys_are_not_replaced_ends_after_forty_minutes() {
    let mut world = World::of(57, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    let assoc = world.nodes[0].links.assocs.get_mut(&a).expect("it is up");
    assoc.keys.never_ask();
    world.run(39.9 * 60.0);
    assert!(world.nodes.iter().all(|node| node.downs.is_empty()));
    world.run(30.0);
    for (n, id) in [(0, a), (1, b)] {
        assert_eq!(world.nodes[n].downs, [(id, DownReason::KeysSpent)]);
    }
}

#[test]
fn links_that_say_good_bye_have_a_bound_and_the_oldest_is_cut_short() {
    let mut world = World::of(58, 2);
    let mut closed = 0;
    while closed <= CLOSING {
        let dialled: Vec<_> = (0..20).map(|_| world.dial(0, 1, Purpose::Spur)).collect();
        world.run(1.1);
        for id in dialled {
            closed += usize::from(world.nodes[0].links.assocs.contains_key(&id));
            world.close(0, id);
        }
        let closing = world.nodes[0].links.assocs.values();
        let closing = closing.filter(|assoc| assoc.closing.is_some()).count();
        assert_eq!(closing, closed.min(CLOSING));
    }
}
