//! Who may call, who is answered, and what comes of it.

use super::*;

#[test]
fn an_entry_is_called_by_its_key_and_secret_and_proves_its_current_node_id() {
    let secret = EntrySecret([5; 16]);
    let key = || EntryKey::generate(&mut Stream::from_seed([42; 32]));
    let mut world = World::of(11, 1);
    let entry = world.add(11, 7, Class::Normal, Some((key(), secret)));
    let target = |secret| DialTarget {
        key: DialKey::Entry(key().id(), secret),
        addr: SocketAddr::from(([9, 8, 0, 1], 4000)),
    };
    let now = world.time();
    let unknown = world.nodes[0]
        .links
        .dial(now, target(EntrySecret::NONE), Purpose::Link);
    let known = world.nodes[0]
        .links
        .dial(now, target(secret), Purpose::Link);
    world.drain(0);
    world.run(20.0);
    assert_eq!(world.nodes[0].failures, [(unknown, DialFailure::NoAnswer)]);
    let (id, peer, _, dialled, observed) = world.nodes[0].ups[0];
    assert_eq!((id, peer, dialled), (known, world.peer(entry), true));
    assert_eq!(observed, Some(world.nodes[0].addr));
    assert_eq!(world.nodes[entry].ups[0].4, Some(world.nodes[entry].addr));
}

#[test]
fn two_who_call_each_other_at_once_have_one_link_and_the_smaller_node_id_is_its_caller() {
    for purpose in [Purpose::Link, Purpose::Contact] {
        let mut world = World::of(12, 2);
        if purpose == Purpose::Link {
            world.dial(0, 1, purpose);
            world.dial(1, 0, purpose);
        } else {
            assert_eq!(world.send_contact(0, 1, 1), Ok(()));
            assert_eq!(world.send_contact(1, 0, 2), Ok(()));
        }
        world.run(20.0);
        let smaller = usize::from(world.nodes[1].id < world.nodes[0].id);
        if purpose == Purpose::Link {
            for n in 0..2 {
                assert_eq!(world.nodes[n].ups.len(), 1);
                assert_eq!(world.nodes[n].ups[0].3, n == smaller);
                assert!(world.nodes[n].failures.is_empty() && world.nodes[n].downs.is_empty());
                let id = world.nodes[n].up();
                assert_eq!(world.nodes[n].links.send(id, 0, &body(n as u32)), Ok(()));
            }
            world.run(5.0);
            assert_eq!((got(&world, 0), got(&world, 1)), (vec![1], vec![0]));
        } else {
            for n in 0..2 {
                assert_eq!(world.nodes[n].links.contact_sessions(), 1);
                assert_eq!(world.nodes[n].contacts.len(), 1);
            }
        }
    }
}

#[test]
fn a_link_comes_up_through_heavy_loss() {
    for seed in 0..20 {
        let mut world = World::of(seed, 2);
        world.loss = 0.3;
        world.dial(0, 1, Purpose::Link);
        world.run(20.0);
        let up = world.nodes[0].ups.len();
        assert_eq!(up + world.nodes[0].failures.len(), 1, "seed {seed}");
        assert_eq!(world.nodes[1].ups.len(), up, "seed {seed}");
    }
}

#[test]
fn a_full_node_says_so_and_a_second_link_from_one_network_is_refused() {
    let mut world = World::of(25, 12);
    for n in 1..=8 {
        world.link(n, 0, Purpose::Link);
    }
    world.dial(9, 0, Purpose::Link);
    world.run(2.0);
    assert_eq!(
        world.nodes[9].failures[0].1,
        DialFailure::Refused(Refusal::Full)
    );
    let one = world.nodes[0].ups[3].0;
    world.close(0, one);
    world.move_beside(10, 2);
    world.dial(10, 0, Purpose::Link);
    world.run(2.0);
    assert_eq!(
        world.nodes[10].failures[0].1,
        DialFailure::Refused(Refusal::Network)
    );
    world.dial(11, 0, Purpose::Link);
    world.run(2.0);
    assert_eq!(world.nodes[11].ups.len(), 1);
}

#[test]
fn a_caller_who_has_forgotten_its_link_gets_a_new_one_in_its_place() {
    let mut world = World::of(26, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    world.nodes[0].links.forget(a);
    world.dial(0, 1, Purpose::Link);
    world.run(3.0);
    assert_eq!(world.nodes[1].downs, [(b, DownReason::Replaced)]);
    assert_eq!((world.nodes[0].ups.len(), world.nodes[1].ups.len()), (2, 2));
}

#[test]
fn a_call_forged_in_a_nodes_name_does_not_end_our_own_call_to_it() {
    let mut world = World::of(35, 2);
    let larger = usize::from(world.nodes[1].id > world.nodes[0].id);
    let smaller = 1 - larger;
    world.cut = true;
    world.dial(larger, smaller, Purpose::Link);
    let forged = handshake::Call {
        caller: world.nodes[smaller].id,
        purpose: Purpose::Link,
        class: Class::Normal,
        dialled: Address::NONE,
        unix: world.time().unix,
    };
    let callee = DialKey::Node(world.nodes[larger].id);
    let mut random = Stream::from_seed([35; 32]);
    let init = handshake::Calling::new(&forged, callee, &mut random).map(|(_, cell)| cell);
    let from = world.nodes[smaller].addr;
    let init = init.expect("a good key");
    assert_eq!(world.inject(larger, from, &init[..]), 1);
    world.cut = false;
    world.run(5.0);
    assert_eq!(world.nodes[larger].ups.len(), 1);
    assert!(world.nodes[larger].ups[0].3);
}

#[test]
fn half_open_calls_take_no_place_and_who_comes_too_late_is_told_good_bye() {
    let mut world = World::of(36, 11);
    world.delay = (0.3, 0.0);
    for n in 1..=10 {
        world.dial(n, 0, Purpose::Link);
    }
    world.run(20.0);
    assert_eq!(world.nodes[0].ups.len(), ACCEPTED_LINKS);
    let left = |n: &usize| {
        world.nodes[*n]
            .downs
            .iter()
            .any(|(_, why)| *why == DownReason::ClosedByPeer)
    };
    assert_eq!((1..=10).filter(left).count(), 2);
}

#[test]
fn half_open_associations_have_bounds_and_a_flood_does_not_stop_a_caller() {
    let mut world = World::of(30, 2);
    world.cut = true;
    world.keep_cells = true;
    for n in 0..HALF_OPEN + 50 {
        let seed = 30 + (n / 200) as u8;
        let caller = world.add(seed, 10 + (n % 200) as u8, Class::Normal, None);
        // Each caller is another node, a spur each, from an address of its own.
        world.dial(caller, 1, Purpose::Spur);
        let init = world.cells.last().expect("an INIT left").1.clone();
        let from = SocketAddr::from(([7, (n % 250) as u8, (n / 250) as u8, 1], 1));
        world.inject(1, from, &init[..]);
        world.nodes.pop();
        world.now = world.now.after_seconds(0.02);
    }
    assert_eq!(world.nodes[1].links.assocs.len(), HALF_OPEN);
    world.cut = false;
    world.run(16.0);
    world.dial(0, 1, Purpose::Link);
    world.run(3.0);
    assert_eq!(world.nodes[0].ups.len(), 1);
}

#[test]
fn two_from_one_network_who_call_at_once_get_one_link_and_on_a_local_network_two() {
    for (lan, links) in [(false, 1), (true, 2)] {
        let mut world = World::new(41);
        world.lan = lan;
        for n in 0..3 {
            world.add(41, n, Class::Normal, None);
        }
        world.delay = (0.3, 0.0);
        world.move_beside(2, 1);
        world.dial(1, 0, Purpose::Link);
        world.dial(2, 0, Purpose::Link);
        world.run(20.0);
        assert_eq!(world.nodes[0].ups.len(), links);
        assert!(world.nodes[0].downs.is_empty());
        let refused = [1, 2].into_iter().filter(|n| {
            let downs = &world.nodes[*n].downs;
            downs
                .iter()
                .any(|(_, why)| *why == DownReason::ClosedByPeer)
        });
        assert_eq!(refused.count(), 2 - links);
    }
}

#[test]
fn who_calls_out_into_a_network_while_another_of_it_calls_in_gets_one_link() {
    let mut world = World::of(42, 3);
    world.delay = (0.3, 0.0);
    world.move_beside(2, 1);
    // The call in is up before the answer to the call out is there.
    world.dial(2, 0, Purpose::Link);
    world.run(0.5);
    let out = world.dial(0, 1, Purpose::Link);
    world.run(20.0);
    assert_eq!(world.nodes[0].ups.len(), 1);
    let refused = DialFailure::Refused(Refusal::Network);
    assert_eq!(world.nodes[0].failures, [(out, refused)]);
    assert!(world.nodes[1].ups.is_empty());
}

#[test]
fn of_two_who_call_each_other_none_gets_a_second_link_into_a_network() {
    for from in 0..3u8 {
        let mut world = World::of(43 + from, 3);
        world.delay = (0.3, 0.0);
        world.move_beside(2, 1);
        let (larger, smaller) = match world.nodes[0].id > world.nodes[1].id {
            true => (0, 1),
            false => (1, 0),
        };
        // The larger one waits for the call of the smaller to be confirmed; meanwhile a third comes in.
        world.nodes[2].addr = world.nodes[smaller].addr;
        world.nodes[2].addr.set_port(5000);
        world.dial(2, larger, Purpose::Link);
        world.run(0.5);
        world.dial(larger, smaller, Purpose::Link);
        world.dial(smaller, larger, Purpose::Link);
        world.run(20.0);
        assert_eq!(world.nodes[larger].ups.len(), 1);
        assert_eq!(
            world.nodes[larger].failures[0].1,
            DialFailure::Refused(Refusal::Network)
        );
    }
}

#[test]
fn calls_made_in_a_callers_name_do_not_end_the_callers_own() {
    let mut world = World::of(46, 2);
    world.delay = (0.1, 0.0);
    world.dial(0, 1, Purpose::Link);
    world.run(0.15);
    let forged = handshake::Call {
        caller: world.nodes[0].id,
        purpose: Purpose::Link,
        class: Class::Normal,
        dialled: Address::NONE,
        unix: world.time().unix,
    };
    let callee = DialKey::Node(world.nodes[1].id);
    let mut random = Stream::from_seed([46; 32]);
    for n in 0..20 {
        let init = handshake::Calling::new(&forged, callee, &mut random).map(|(_, cell)| cell);
        let from = SocketAddr::from(([8, n, 0, 1], 9));
        assert_eq!(world.inject(1, from, &init.expect("a good key")[..]), 1);
    }
    world.run(0.6);
    assert_eq!((world.nodes[0].ups.len(), world.nodes[1].ups.len()), (1, 1));
    assert_eq!(world.nodes[1].ups[0].1, world.peer(0));
}

#[test]
fn one_source_has_few_half_open_calls_and_the_newest_stay() {
    let mut world = World::of(52, 2);
    let callee = DialKey::Node(world.nodes[1].id);
    let mut random = Stream::from_seed([52; 32]);
    for n in 0..2 * HALF_OPEN_PER_SOURCE {
        let caller = NodeKey::generate(&mut random).id();
        let call = handshake::Call {
            caller,
            purpose: Purpose::Link,
            class: Class::Normal,
            dialled: Address::NONE,
            unix: world.time().unix,
        };
        let init = handshake::Calling::new(&call, callee, &mut random).map(|(_, cell)| cell);
        assert_eq!(
            world.inject(1, stranger(), &init.expect("a good key")[..]),
            1
        );
        let assocs = &world.nodes[1].links.assocs;
        assert_eq!(assocs.len(), (n + 1).min(HALF_OPEN_PER_SOURCE));
        let newest = assocs.values().next_back().map(|assoc| assoc.peer.node);
        assert_eq!(newest, Some(caller));
    }
}

#[test]
fn calls_beyond_their_bounds_fail_at_once_and_each_purpose_has_its_own() {
    let mut world = World::of(55, 1);
    let mut random = Stream::from_seed([55; 32]);
    let now = world.time();
    let mut called = 0;
    let mut target = || {
        called += 1;
        DialTarget {
            key: DialKey::Node(NodeKey::generate(&mut random).id()),
            addr: SocketAddr::from(([8, called, 0, 1], 9)),
        }
    };
    let links = &mut world.nodes[0].links;
    for (purpose, bound) in [(Purpose::Link, CALLED_LINKS), (Purpose::Spur, DIALS)] {
        for _ in 0..bound + 2 {
            links.dial(now, target(), purpose);
        }
        let under_way = links.dials.values().filter(|d| d.purpose == purpose);
        assert_eq!(under_way.count(), bound);
    }
    for plane in [Purpose::Contact, Purpose::Errand] {
        let results: Vec<_> = (0..CONTACT_DIALS + 2)
            .map(|_| {
                let target = target();
                let DialKey::Node(node) = target.key else {
                    unreachable!("made above")
                };
                let peer = Peer {
                    node,
                    addr: target.addr,
                };
                links.send_contact(now, plane, peer, &body(1))
            })
            .collect();
        assert!(results[..CONTACT_DIALS].iter().all(Result::is_ok));
        assert_eq!(results[CONTACT_DIALS..], [Err(Full), Err(Full)]);
    }
    world.drain(0);
    let failures = &world.nodes[0].failures;
    assert!(failures.iter().all(|(_, why)| *why == DialFailure::TooMany));
    assert_eq!(failures.len(), 4);
}

#[test]
fn a_node_that_is_linked_is_not_called_for_a_link_again() {
    let mut world = World::of(59, 2);
    world.link(0, 1, Purpose::Link);
    let before = world.seen.len();
    let again = world.dial(0, 1, Purpose::Link);
    assert_eq!(world.nodes[0].failures, [(again, DialFailure::Linked)]);
    assert_eq!(world.seen.len(), before);
    world.dial(0, 1, Purpose::Spur);
    assert_eq!(world.seen.len(), before + 1);
}
