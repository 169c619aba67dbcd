//! A hop that drops Alice's cells stops deliveries only until the circuit is rebuilt.

use std::time::Duration;

use paratox::messenger::Command;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::sim::world::{World, WorldConfig};

const ALICE: usize = 4;
const BOB: usize = 9;
const NODES: usize = 24;

fn chatting() -> World {
    let mut world = World::new(WorldConfig::new(11, NODES));
    world.add_person(ALICE, "Alice");
    world.add_person(BOB, "Bob");
    world.run_for(Duration::from_secs(60));
    let (alice, bob) = (world.account(ALICE), world.account(BOB));
    world
        .command(
            ALICE,
            Command::Add {
                id: bob.to_string(),
                name: "Bob".into(),
                text: "Hello".into(),
            },
        )
        .expect("a valid id");
    let asked = world.run_until(Duration::from_secs(600), Duration::from_secs(1), |w| {
        w.events(BOB)
            .iter()
            .any(|e| matches!(e, ChatEvent::Request(_)))
    });
    assert!(asked, "the request never arrived");
    world
        .command(
            BOB,
            Command::Accept {
                id: alice.to_string(),
            },
        )
        .expect("a request waits");
    let first = send(&mut world, "before");
    assert!(
        delivered_within(&mut world, first, 300),
        "the first message never arrived"
    );
    world
}

fn send(world: &mut World, text: &str) -> u64 {
    let bob = world.account(BOB);
    match world.command(
        ALICE,
        Command::Send {
            to: bob.to_string(),
            text: text.into(),
            allow_no_fs: false,
        },
    ) {
        Ok(paratox::messenger::Reply::Saved(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn delivered_within(world: &mut World, message: u64, seconds: u64) -> bool {
    world.run_until(Duration::from_secs(seconds), Duration::from_secs(1), |w| {
        w.events(ALICE)
            .iter()
            .any(|e| matches!(e, ChatEvent::Delivery { number, delivery: Delivery::Delivered, .. } if *number == message))
    })
}

#[test]
fn a_dropping_hop_stops_deliveries_until_the_circuit_is_rebuilt() {
    if std::env::var_os("PARATOX_LONG").is_none() {
        eprintln!("only with PARATOX_LONG=1: three worlds of 24 nodes take minutes");
        return;
    }
    for hop in 0..3 {
        let mut world = chatting();
        let path = world.node(ALICE).expect("she runs").path_of("outbound");
        if hop >= path.len() {
            break; // Built while she knew few nodes: two hops.
        }
        let index = world
            .index_of(path[hop])
            .expect("hops are nodes of this world");
        if index == BOB {
            continue; // Nothing to learn: he would not receive either.
        }
        world.set_mute(index, true);
        // Everything on its way has passed or is gone.
        world.run_for(Duration::from_secs(2));
        let message = send(&mut world, "through a broken circuit");
        assert!(
            !delivered_within(&mut world, message, 8),
            "hop {hop} drops everything and yet the message arrived"
        );
        assert!(
            delivered_within(&mut world, message, 900),
            "hop {hop}: the circuit was never rebuilt"
        );
    }
}
