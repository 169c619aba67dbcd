//! What the ring promises, played by many nodes in virtual time.

use std::collections::BTreeSet;

use super::members::Health;
use super::world::World;
use super::*;

fn key(n: u64) -> Position {
    Position::hash("test key", &[&n.to_be_bytes()])
}

/// Look-ups from all over the ring: how many reached the true owner, and by how many hops.
fn look_up(world: &mut World, count: u64) -> (usize, f64) {
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
    assert!(right >= 999, "{right} of 1000");
    assert!(hops > 1.0 && hops < 3.0, "{hops} hops");
    for node in 0..200 {
        let known = world.nodes[node].known();
        assert!(known < 100, "node {node} knows {known}");
        let estimate = world.nodes[node].estimate();
        assert!((70..600).contains(&estimate), "{estimate} of 200");
    }
}
