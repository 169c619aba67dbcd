use super::*;
use crate::crypto::keys::NodeKey;

const OWN: Position = Position([7; 32]);
const DAY: u32 = 20_000;

fn peer(n: u8) -> Peer {
    Peer {
        node: NodeKey::generate(&mut Stream::from_seed([n; 32])).id(),
        addr: std::net::SocketAddr::from(([n, 1, 1, 1], 4000)),
    }
}

fn topology() -> Topology {
    Topology::new(Stream::from_seed([1; 32]), Moment(0))
}

/// The next tick of a node in the ring.
fn tick(topology: &mut Topology) -> (Moment, Option<Wish>) {
    let at = topology.next_timeout();
    (at, topology.handle_timeout(at, Some(OWN), DAY, |_| true))
}

/// Ticks until every slot has a link; the nodes 1 to 4 own their positions.
fn linked() -> Topology {
    let mut topology = topology();
    for n in 0..CHOSEN {
        let Some(Wish::Seek { slot, position }) = tick(&mut topology).1 else {
            panic!("a free slot is sought for");
        };
        assert_eq!((slot, position), (n, link_position(&OWN, n, DAY)));
        let owner = peer(n as u8 + 1);
        assert_eq!(topology.handle_owner(slot, &[owner], |_| true), Some(owner));
        topology.handle_dialling(slot, AssocId(n as u64), owner);
        topology.handle_up(Moment(0), AssocId(n as u64));
    }
    assert_eq!(topology.chosen().count(), CHOSEN);
    assert_eq!(tick(&mut topology).1, None);
    topology
}

#[test]
fn a_link_goes_to_the_owner_of_its_position_or_to_one_of_the_two_beside_it() {
    let candidates: Vec<Peer> = (1..=5).map(peer).collect();
    let choose = |fits: &dyn Fn(&Peer) -> bool| {
        let mut topology = topology();
        tick(&mut topology);
        topology.handle_owner(0, &candidates, fits)
    };
    assert_eq!(choose(&|_| true), Some(candidates[0]));
    assert_eq!(choose(&|p| *p != candidates[0]), Some(candidates[1]));
    assert_eq!(
        choose(&|p| candidates[2..].contains(p)),
        Some(candidates[2])
    );
    assert_eq!(
        choose(&|p| candidates[3..].contains(p)),
        None,
        "nobody else"
    );
}

#[test]
fn the_position_of_a_link_depends_on_place_slot_and_day_alone() {
    let mut places = std::collections::BTreeSet::new();
    for own in [OWN, Position([8; 32])] {
        for slot in 0..CHOSEN {
            for day in [DAY, DAY + 1] {
                places.insert(link_position(&own, slot, day));
            }
        }
    }
    assert_eq!(places.len(), 2 * CHOSEN * 2);
    assert!(places.contains(&link_position(&OWN, 3, DAY)));
}

#[test]
fn nothing_is_sought_before_the_ring_is_joined() {
    let mut topology = topology();
    for _ in 0..50 {
        let at = topology.next_timeout();
        assert_eq!(topology.handle_timeout(at, None, DAY, |_| true), None);
    }
}

#[test]
fn a_neighbour_that_fell_silent_is_called_again_once_and_then_left_alone_for_two_minutes() {
    let mut topology = linked();
    let (at, _) = tick(&mut topology);
    topology.handle_down(at, AssocId(2), Ending::FellSilent, false);
    let again = Wish::CallAgain {
        slot: 2,
        peer: peer(3),
    };
    let (at, wish) = tick(&mut topology);
    assert_eq!(wish, Some(again));
    topology.handle_dialling(2, AssocId(9), peer(3));
    topology.handle_down(at, AssocId(9), Ending::NoAnswer, false);
    let (_, wish) = tick(&mut topology);
    assert!(matches!(wish, Some(Wish::Seek { slot: 2, .. })), "{wish:?}");
    let candidates = [peer(3), peer(8)];
    let instead = topology.handle_owner(2, &candidates, |_| true);
    assert_eq!(instead, Some(peer(8)));
    // Two minutes later it may be taken again.
    let mut topology = linked();
    let (at, _) = tick(&mut topology);
    topology.handle_down(at, AssocId(2), Ending::Said, false);
    let mut later = at;
    while later < at.after_seconds(SHUN) {
        let (now, wish) = tick(&mut topology);
        if let Some(Wish::Seek { slot, .. }) = wish {
            let chosen = topology.handle_owner(slot, &candidates, |_| true);
            assert_eq!(chosen == Some(peer(3)), now >= at.after_seconds(SHUN));
        }
        later = now;
    }
}

#[test]
fn a_node_that_has_lost_all_its_links_calls_its_neighbours_within_seconds_and_not_for_ever() {
    let mut topology = linked();
    let hours = Moment(0).after_seconds(7200.0);
    while topology.next_timeout() < hours {
        tick(&mut topology);
    }
    for n in 0..CHOSEN {
        topology.handle_down(hours, AssocId(n as u64), Ending::FellSilent, true);
    }
    let mut calls = 0;
    let mut called_at = |topology: &mut Topology, answers: bool| {
        let (now, Some(Wish::CallAgain { slot, peer })) = tick(topology) else {
            panic!("a neighbour is known");
        };
        calls += 1;
        topology.handle_dialling(slot, AssocId(100 + calls), peer);
        if answers {
            topology.handle_up(now, AssocId(100 + calls));
        } else {
            topology.handle_down(now, AssocId(100 + calls), Ending::NoAnswer, true);
        }
        now
    };
    for _ in 0..CHOSEN {
        assert!(called_at(&mut topology, false) < hours.after_seconds(5.0));
    }
    let mut last = hours;
    while last < hours.after_seconds(600.0) {
        last = called_at(&mut topology, false);
    }
    let slowly = (0..20).map(|_| {
        let before = last;
        last = called_at(&mut topology, false);
        last.since(before).as_secs_f64()
    });
    let mean = slowly.sum::<f64>() / 20.0;
    assert!((5.0..20.0).contains(&mean), "{mean} s");
    // The network is back: after the first answer the others follow.
    let back = called_at(&mut topology, true);
    for _ in 1..CHOSEN {
        assert!(called_at(&mut topology, true) < back.after_seconds(5.0));
    }
}

#[test]
fn an_outage_of_the_own_network_costs_no_neighbour() {
    let mut topology = linked();
    let (at, _) = tick(&mut topology);
    for n in 0..CHOSEN {
        topology.handle_down(at, AssocId(n as u64), Ending::FellSilent, true);
    }
    // An hour of calls that nobody answers: one after the other, each neighbour is tried.
    let mut called = [0; CHOSEN];
    let mut calls = 100;
    let mut now = at;
    while now < at.after_seconds(3600.0) {
        let (moment, wish) = tick(&mut topology);
        now = moment;
        let Some(Wish::CallAgain { slot, peer: old }) = wish else {
            panic!("{wish:?}");
        };
        assert_eq!(old, peer(slot as u8 + 1));
        called[slot] += 1;
        calls += 1;
        topology.handle_dialling(slot, AssocId(calls), old);
        topology.handle_down(now, AssocId(calls), Ending::NoAnswer, true);
    }
    assert!(called.iter().all(|calls| *calls > 40), "{called:?}");
    // The network is back.
    for n in 0..CHOSEN {
        let Some(Wish::CallAgain { slot, peer }) = tick(&mut topology).1 else {
            panic!("a neighbour is still known");
        };
        topology.handle_dialling(slot, AssocId(1000 + n as u64), peer);
        topology.handle_up(now, AssocId(1000 + n as u64));
    }
    assert_eq!(topology.chosen().count(), CHOSEN);
}
