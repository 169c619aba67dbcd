//! What links promise.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::world::{Seen, World};
use super::*;
use crate::wire::time::UnixMs;

fn body(n: u32) -> [u8; BODY] {
    let mut body = [0; BODY];
    body[..4].copy_from_slice(&n.to_be_bytes());
    body
}

fn number(body: &[u8; BODY]) -> u32 {
    u32::from_be_bytes([body[0], body[1], body[2], body[3]])
}

fn got(world: &World, n: usize) -> Vec<u32> {
    world.nodes[n]
        .bodies
        .iter()
        .map(|(_, _, b)| number(b))
        .collect()
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([8, 8, 8, 8], 53))
}

/// The INIT of node 0 to node 1, which the network has lost.
fn lost_init(world: &mut World, purpose: Purpose) -> Box<Cell> {
    world.keep_cells = true;
    world.cut = true;
    let id = world.dial(0, 1, purpose);
    world.close(0, id);
    world.cut = false;
    world.keep_cells = false;
    world.cells.last().expect("an INIT left").1.clone()
}

fn sent_by(world: &World, n: usize) -> Vec<Seen> {
    let addr = world.nodes[n].addr;
    world
        .seen
        .iter()
        .filter(|s| s.from == addr)
        .cloned()
        .collect()
}

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
        (stranger(), false),
    ] {
        let mut world = World::of(14, 2);
        let (_, b) = world.link(0, 1, Purpose::Link);
        world.keep_cells = true;
        world.cut = true;
        world.run(2.0);
        let own = world.nodes[0].addr;
        let fresh = world
            .cells
            .iter()
            .rev()
            .find(|(s, _)| s.from == own)
            .expect("a cell left")
            .1
            .clone();
        world.inject(1, from, &fresh[..]);
        let now = world.now;
        let info = world.nodes[1].links.info(now);
        let at = info
            .iter()
            .find(|i| i.assoc == b)
            .and_then(|i| i.peer)
            .expect("the link is up")
            .addr;
        assert_eq!(at, if follows { from } else { own });
    }
}

#[test]
fn eve_sees_the_same_ticks_whatever_is_queued_or_lost() {
    let trace = |queued: u32, loss: f64, spur: bool| {
        let mut world = World::of(15, 2);
        let (a, b) = world.link(0, 1, Purpose::Link);
        world.loss = loss;
        if spur {
            world.dial(0, 1, Purpose::Spur);
            assert_eq!(world.send_contact(1, 0, 1), Ok(()));
        }
        let start = world.seen.len();
        for n in 0..queued {
            let _ = world.nodes[0].links.send(a, n % 64, &body(n));
            let _ = world.nodes[1].links.send_control(b, &[0x40; BODY]);
        }
        world.run(60.0);
        let ticks: Vec<_> = world.seen[start..].to_vec();
        ticks
    };
    let idle = trace(0, 0.0, false);
    assert!(idle.len() > 600);
    assert_eq!(trace(10, 0.0, false), idle);
    assert_eq!(trace(1000, 0.0, false), idle);
    assert_eq!(trace(1000, 0.1, false), idle);
    // With a spur and a contact session beside it, the link's own ticks are still among them.
    let busy: BTreeSet<_> = trace(1000, 0.0, true)
        .into_iter()
        .map(|s| (s.at, s.from))
        .collect();
    assert!(idle.iter().all(|s| busy.contains(&(s.at, s.from))));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::of(16, 3);
        world.keep_cells = true;
        world.loss = 0.05;
        world.delay = (0.02, 0.03);
        world.link(0, 1, Purpose::Link);
        world.link(1, 2, Purpose::Link);
        assert_eq!(world.send_contact(2, 0, 1), Ok(()));
        world.run(60.0);
        world.cells
    };
    assert!(run() == run());
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
fn both_directions_run_at_the_slower_class_after_the_start() {
    let mut world = World::of(23, 1);
    world.add(23, 5, Class::Fast, None);
    world.link(1, 0, Purpose::Link);
    world.run(20.0);
    let before = world.seen.len();
    world.run(500.0);
    for n in 0..2 {
        let sent = world.seen[before..]
            .iter()
            .filter(|s| s.from == world.nodes[n].addr)
            .count();
        assert!((2700..3300).contains(&sent), "{sent}");
    }
}

#[test]
fn a_spur_ticks_once_a_second_from_its_first_moment() {
    let mut world = World::of(24, 2);
    world.link(0, 1, Purpose::Spur);
    let before = world.seen.len();
    world.run(1000.0);
    let sent = world.seen[before..]
        .iter()
        .filter(|s| s.from == world.nodes[0].addr)
        .count();
    assert!((900..1100).contains(&sent), "{sent}");
}

#[test]
fn spurs_to_one_node_that_are_born_in_one_moment_tick_apart() {
    let mut world = World::of(37, 2);
    for _ in 0..4 {
        world.dial(0, 1, Purpose::Spur);
    }
    world.run(15.0);
    assert_eq!(world.nodes[0].ups.len(), 4);
    let before = world.seen.len();
    world.run(100.0);
    let own = world.nodes[0].addr;
    let times: Vec<_> = world.seen[before..]
        .iter()
        .filter(|s| s.from == own)
        .map(|s| s.at)
        .collect();
    let distinct: BTreeSet<_> = times.iter().collect();
    assert!(times.len() > 300 && distinct.len() == times.len());
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
    world.nodes[10].addr = SocketAddr::from(([9, 3, 77, 1], 4000));
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
fn a_first_message_to_a_node_waits_for_the_session_and_the_next_ones_leave_at_once() {
    let mut world = World::of(27, 2);
    for n in 0..4 {
        assert_eq!(world.send_contact(0, 1, n), Ok(()));
    }
    assert_eq!(world.send_contact(0, 1, 9), Err(Full));
    world.run(0.1);
    let bodies: Vec<_> = world.nodes[1]
        .contacts
        .iter()
        .map(|(peer, b)| (*peer, b[0]))
        .collect();
    assert_eq!(
        bodies,
        (0..4).map(|n| (world.peer(0), n)).collect::<Vec<_>>()
    );
    let before = world.seen.len();
    assert_eq!(world.send_contact(1, 0, 5), Ok(()));
    assert_eq!(world.seen.len(), before + 1);
    world.run(0.03);
    assert_eq!(world.nodes[0].contacts[0].1[0], 5);
}

#[test]
fn an_idle_contact_session_ends_at_both_ends_and_comes_back_when_needed() {
    let mut world = World::of(28, 2);
    assert_eq!(world.send_contact(0, 1, 1), Ok(()));
    world.run(100.0);
    assert_eq!(
        (
            world.nodes[0].links.contact_sessions(),
            world.nodes[1].links.contact_sessions()
        ),
        (1, 1)
    );
    world.run(30.0);
    assert_eq!(
        (
            world.nodes[0].links.contact_sessions(),
            world.nodes[1].links.contact_sessions()
        ),
        (0, 0)
    );
    assert_eq!(world.send_contact(1, 0, 2), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[0].contacts.len(), 1);
}

#[test]
fn a_contact_session_that_the_other_end_forgot_is_made_again() {
    let mut world = World::of(29, 2);
    assert_eq!(world.send_contact(0, 1, 1), Ok(()));
    world.run(1.0);
    let forgotten = *world.nodes[1]
        .links
        .contacts
        .values()
        .next()
        .expect("a session");
    world.nodes[1].links.forget(forgotten);
    assert_eq!(world.send_contact(0, 1, 2), Ok(()));
    world.run(4.0);
    assert_eq!(world.nodes[1].contacts.len(), 1);
    assert_eq!(world.send_contact(0, 1, 3), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[1].contacts.last().expect("it arrived").1[0], 3);
}

#[test]
fn a_contact_session_with_one_way_traffic_needs_no_second_handshake() {
    let mut world = World::of(33, 2);
    for n in 0..20 {
        assert_eq!(world.send_contact(0, 1, n), Ok(()));
        world.run(2.5);
    }
    assert_eq!(world.nodes[1].contacts.len(), 20);
    assert_eq!(world.nodes[1].links.calls_opened(), 1);
    // At most one empty cell answers each.
    assert!(sent_by(&world, 1).len() <= 21);
}

#[test]
fn a_contact_session_asked_for_is_told_and_serves_both_ends() {
    let mut world = World::of(34, 2);
    let id = world.dial(0, 1, Purpose::Contact);
    world.run(1.0);
    assert_eq!(world.nodes[0].ups[0].0, id);
    assert!(world.nodes[1].ups.is_empty());
    assert_eq!(world.send_contact(1, 0, 7), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[0].contacts.len(), 1);
    assert_eq!(
        world.nodes[0].links.calls_opened() + world.nodes[1].links.calls_opened(),
        1
    );
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
        let caller = world.add(30, 10 + (n % 200) as u8, Class::Normal, None);
        // Each caller is another node, a spur each, from an address of its own.
        world.dial(caller, 1, Purpose::Spur);
        let init = world.cells.last().expect("an INIT left").1.clone();
        let from = SocketAddr::from(([7, (n % 250) as u8, (n / 250) as u8, 1], 1));
        world.inject(1, from, &init[..]);
        world.nodes.pop();
        world.now = world.now.after_seconds(0.02);
    }
    let links = &world.nodes[1].links;
    assert!(links.assocs.len() <= HALF_OPEN, "{}", links.assocs.len());
    world.cut = false;
    world.run(16.0);
    world.dial(0, 1, Purpose::Link);
    world.run(3.0);
    assert_eq!(world.nodes[0].ups.len(), 1);
}

#[test]
fn contact_sessions_beyond_the_bound_push_the_least_recently_used_out() {
    let mut world = World::of(31, 1);
    for n in 0..(CONTACTS + 10) as u32 {
        let caller = world.add(n as u8, 1 + (n / 256) as u8, Class::Normal, None);
        world.nodes[caller].addr = SocketAddr::from(([7, (n % 250) as u8, (n / 250) as u8, 1], 1));
        assert_eq!(world.send_contact(caller, 0, 1), Ok(()));
        world.run(0.1);
    }
    assert_eq!(world.nodes[0].links.contact_sessions(), CONTACTS);
    assert_eq!(world.nodes[0].contacts.len(), CONTACTS + 10);
    assert_eq!(world.nodes[1].links.contact_sessions(), 0);
    assert_eq!(world.nodes[CONTACTS].links.contact_sessions(), 1);
}

/// Every byte position over many cells, against even distribution: chi-square with 255 degrees of freedom stays below 370 with
/// probability 1 - 3e-6 a position.
#[test]
fn every_byte_of_every_cell_looks_random() {
    let mut kinds: [Vec<Box<Cell>>; 3] = Default::default();
    let mut world = World::of(32, 2);
    world.keep_cells = true;
    for _ in 0..4000 {
        let seen = world.cells.len();
        world.dial(0, 1, Purpose::Contact);
        world.run(0.03);
        kinds[0].push(world.cells[seen].1.clone());
        if let Some((_, answer)) = world.cells.get(seen + 1) {
            kinds[1].push(answer.clone());
        }
        let id = AssocId(world.nodes[0].links.last_id);
        world.close(0, id);
        world.run(0.03);
    }
    world.cells.clear();
    world.link(0, 1, Purpose::Link);
    world.run(400.0);
    kinds[2].extend(world.cells.drain(..).skip(2).map(|(_, cell)| cell));
    for (kind, cells) in kinds.iter().enumerate() {
        assert!(cells.len() > 3000, "{}", cells.len());
        for position in 0..DATAGRAM {
            let mut counts = [0f64; 256];
            for cell in cells {
                counts[usize::from(cell[position])] += 1.0;
            }
            let expected = cells.len() as f64 / 256.0;
            let chi: f64 = counts
                .iter()
                .map(|c| (c - expected).powi(2) / expected)
                .sum();
            assert!(
                (160.0..380.0).contains(&chi),
                "kind {kind}, byte {position}: {chi}"
            );
        }
        let ones: u64 = cells
            .iter()
            .flat_map(|c| c.iter())
            .map(|b| u64::from(b.count_ones()))
            .sum();
        let bits = (cells.len() * DATAGRAM * 8) as f64;
        let sigmas = (ones as f64 - bits / 2.0) / (bits / 4.0).sqrt();
        assert!(sigmas.abs() < 5.0, "kind {kind}: {sigmas}");
    }
}
