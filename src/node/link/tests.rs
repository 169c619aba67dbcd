//! What links promise.

use super::world::World;
use super::*;

fn body(n: u32) -> [u8; BODY] {
    let mut body = [0; BODY];
    body[..4].copy_from_slice(&n.to_be_bytes());
    body
}

fn number(body: &[u8; BODY]) -> u32 {
    u32::from_be_bytes([body[0], body[1], body[2], body[3]])
}

#[test]
fn two_nodes_exchange_bodies_over_a_link() {
    let mut world = World::of(1, 2);
    let (a, b) = world.link(0, 1, Purpose::Link);
    for n in 0..10 {
        assert_eq!(world.nodes[0].links.send(a, 1, &body(n)), Ok(()));
        assert_eq!(world.nodes[1].links.send(b, 1, &body(100 + n)), Ok(()));
    }
    world.run(5.0);
    let got = |n: usize| {
        world.nodes[n]
            .bodies
            .iter()
            .map(|(_, _, b)| number(b))
            .collect::<Vec<_>>()
    };
    assert_eq!(got(1), (0..10).collect::<Vec<_>>());
    assert_eq!(got(0), (100..110).collect::<Vec<_>>());
    assert_eq!(world.nodes[0].ups[0].3, true);
    assert_eq!(world.nodes[1].ups[0].3, false);
}
