//! What the ring promises, played by many nodes in virtual time.

use super::world::World;
use super::*;

pub(super) fn key(n: u64) -> Position {
    Position::hash("test key", &[&n.to_be_bytes()])
}

/// Look-ups from all over the ring: how many reached the true owner, and by how many hops.
pub(super) fn look_up(world: &mut World, count: u64) -> (usize, f64) {
    let mut asked = Vec::new();
    let living = world.living();
    for n in 0..count {
        let from = living[(n as usize * 7919) % living.len()];
        asked.push((from, world.lookup(from, key(n)), key(n)));
        world.run(0.05);
    }
    world.run(8.0);
    let mut right = 0;
    let mut hops_sum = 0;
    for (from, id, key) in &asked {
        let owner = world.owner(key);
        let answer = world.events.iter().find_map(|(node, event)| match event {
            DhtOutput::Found {
                lookup,
                owner,
                hops,
                ..
            } if node == from && lookup == id => Some((owner.node(), *hops)),
            _ => None,
        });
        if let Some((found, hops)) = answer {
            hops_sum += u64::from(hops);
            if world.index(&found) == owner {
                right += 1;
            }
        }
    }
    (right, hops_sum as f64 / count as f64)
}

#[test]
fn two_hundred_nodes_join_through_one_gateway_and_find_every_owner() {
    let mut world = World::ring_of(1, 200, 0.5);
    world.run(60.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
    let (right, hops) = look_up(&mut world, 1000);
    let known = world.nodes.iter().map(Dht::known);
    let (least, most) = (known.clone().min(), known.max());
    println!(
        "200 nodes: {right} of 1000 look-ups reached the owner, {hops:.2} hops in the mean; a node knows {least:?} to {most:?} others"
    );
    assert!(right >= 999, "{right} of 1000");
    assert!(hops > 1.0 && hops < 3.0, "{hops} hops");
    assert!(most < Some(100), "one node knows {most:?}");
    for node in 0..200 {
        let estimate = world.nodes[node].estimate();
        assert!((70..600).contains(&estimate), "{estimate} of 200");
    }
}

#[test]
fn small_rings_agree_on_every_owner() {
    for size in 1..=17 {
        let mut world = World::ring_of(size as u8, size, 0.3);
        world.run(20.0);
        assert_eq!(world.wrong_leaf_sets(), 0, "ring of {size}");
        for n in 0..1000 {
            let owner = world.owner(&key(n));
            for node in 0..size {
                let own_view = world.nodes[node].owner_of(&key(n)).expect("a ready node");
                assert_eq!(
                    world.index(&own_view.node()),
                    owner,
                    "ring of {size}, key {n}"
                );
            }
        }
        let (right, _) = look_up(&mut world, 20);
        assert_eq!(right, 20, "ring of {size}");
        for node in 0..size {
            assert_eq!(world.nodes[node].estimate(), size);
        }
    }
}

#[test]
fn a_newcomer_is_online_within_a_second_or_two() {
    let mut world = World::ring_of(3, 40, 0.5);
    world.run(20.0);
    world.add(&[5, 9, 13]);
    world.run(2.0);
    assert!(world.nodes[40].is_ready());
    world.run(3.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn two_dozen_nodes_that_start_together_agree_within_seconds() {
    let mut world = World::ring_of(19, 24, 0.02);
    world.run(8.0);
    assert!(world.nodes.iter().all(Dht::is_ready));
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn a_ring_that_loses_three_bodies_in_a_hundred_still_finds_owners() {
    let mut world = World::ring_of(4, 70, 0.5);
    world.run(40.0);
    world.loss = 0.03;
    let (right, _) = look_up(&mut world, 1000);
    assert!(right >= 998, "{right} of 1000");
}

#[test]
fn a_dead_intermediate_hop_is_passed_over_at_its_first_timeout() {
    let mut world = World::ring_of(5, 90, 0.3);
    world.run(60.0);
    // A look-up whose first hop is not the owner.
    let from = 7;
    let found = (0..500).find_map(
        |n| match world.nodes[from].members.next(&key(n), &[], None) {
            members::Next::Hop {
                position,
                deciding: false,
            } => {
                let hop = (0..90).find(|m| world.position(*m) == position)?;
                (world.owner(&key(n)) != hop).then_some((n, hop))
            }
            _ => None,
        },
    );
    let (n, hop) = found.expect("ninety nodes need two hops for some key");
    let rto = {
        let position = world.position(hop);
        let member = world.nodes[from].members.get(&position);
        member.expect("it is the next hop").rto.timeout()
    };
    world.kill(hop);
    let began = world.at;
    world.lookup(from, key(n));
    let owner = world.owner(&key(n));
    let mut answered = None;
    for _ in 0..400 {
        world.run(0.005);
        let done = world.events.iter().any(|(node, event)| {
            *node == from
                && matches!(event, DhtOutput::Found { owner: o, .. } if world.index(&o.node()) == owner)
        });
        if done {
            answered = Some(world.at.since(began));
            break;
        }
    }
    let took = answered.expect("the look-up goes round the dead node");
    // One timeout, then the new way there and back: at most four hops each way of at most 80 ms.
    assert!(took >= rto, "{took:?} in less than {rto:?}");
    assert!(
        took < rto + std::time::Duration::from_millis(640),
        "{took:?}, timeout {rto:?}"
    );
}

#[test]
fn a_node_frozen_for_four_seconds_stays_and_one_frozen_for_ninety_goes_and_comes_back() {
    let mut world = World::ring_of(8, 12, 0.3);
    world.run(60.0);
    world.kill(4);
    world.run(4.0);
    world.thaw(4);
    let everybody_knows = |world: &World| (0..12).all(|n| n == 4 || world.health(4, n).is_some());
    assert!(everybody_knows(&world));
    world.run(20.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
    world.kill(4);
    world.run(90.0);
    assert!((0..12).all(|n| n == 4 || world.health(4, n).is_none()));
    world.thaw(4);
    world.run(180.0);
    assert!(everybody_knows(&world));
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn two_halves_become_one_ring_again() {
    let mut world = World::ring_of(9, 30, 0.3);
    world.run(40.0);
    world.cut = Some(Box::new(|a, b| a % 2 != b % 2));
    world.run(600.0);
    assert!(world.wrong_leaf_sets() > 0);
    world.cut = None;
    world.run(180.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn a_third_of_the_ring_dies_at_once_and_the_rest_finds_owners_half_a_minute_later() {
    let mut world = World::ring_of(10, 100, 0.3);
    world.run(60.0);
    let before = world.sent;
    world.run(30.0);
    let steady = (world.sent - before) as f64 / 100.0;
    for node in (0..99).filter(|n| n % 3 == 1) {
        world.kill(node);
    }
    let before = world.sent;
    world.run(30.0);
    let after = (world.sent - before) as f64 / 67.0;
    assert!(after < 2.0 * steady, "{after} a node after {steady}");
    let (right, _) = look_up(&mut world, 500);
    assert!(right >= 495, "{right} of 500");
}

#[test]
fn two_nodes_that_wait_for_each_other_form_a_ring() {
    let mut world = World::new(11);
    world.add(&[]);
    world.kill(0);
    // Both know only a dead node and each other.
    let first = world.add(&[0]);
    let second = world.add(&[0, first]);
    let now = world.now();
    let peer = world.peer(second);
    world.nodes[first].start(now, &[peer]);
    world.run(30.0);
    assert!(world.nodes[first].is_ready() && world.nodes[second].is_ready());
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn a_changed_address_moves_the_node_and_the_ring_follows() {
    let mut world = World::ring_of(12, 10, 0.3);
    world.run(20.0);
    let old = world.position(3);
    world.readdress(3, ([9, 9, 9, 9], 4000).into());
    assert_ne!(world.position(3), old);
    world.run(90.0);
    assert!(world.nodes[3].is_ready());
    assert_eq!(world.wrong_leaf_sets(), 0);
    assert!(world.nodes.iter().all(|n| n.members.get(&old).is_none()));
}

#[test]
fn the_same_seed_plays_the_same_run() {
    let play = || {
        let mut world = World::ring_of(18, 20, 0.3);
        world.loss = 0.02;
        world.run(30.0);
        (world.trace, world.sent)
    };
    assert_eq!(play(), play());
}
