//! What links promise, each promise in its file; here what these tests share.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::world::{Seen, World};
use super::*;
use crate::wire::time::UnixMs;

mod bodies;
mod calls;
mod clock;
mod protocol;
mod sessions;
mod silence;

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
