//! Messages cross a network of 60 nodes that loses 5 % of all datagrams, each once, both ways; and the same seed gives the same run.

use std::time::Duration;

use paratox::messenger::Command;
use paratox::sim::wires::WireConfig;
use paratox::sim::world::{World, WorldConfig};

const ALICE: usize = 20;
const BOB: usize = 41;

#[test]
fn every_message_arrives_once_across_sixty_nodes_and_five_per_cent_loss() {
    if std::env::var_os("PARATOX_LONG").is_none() {
        eprintln!("only with PARATOX_LONG=1: sixty nodes take minutes");
        return;
    }
    let long = std::env::var_os("PARATOX_LONG").is_some();
    let nodes = 60;
    let messages = if long { 100 } else { 20 };
    let wires = WireConfig {
        loss: 0.05,
        ..WireConfig::default()
    };
    let mut world = World::new(WorldConfig {
        wires,
        ..WorldConfig::new(7, nodes)
    });
    world.add_person(ALICE, "Alice");
    world.add_person(BOB, "Bob");
    world.run_for(Duration::from_secs(60));
    assert!(
        world.befriend(ALICE, BOB, Duration::from_secs(600)),
        "the request never arrived"
    );
    for i in 0..messages {
        world.say(ALICE, BOB, &format!("from Alice {i}"));
        world.say(BOB, ALICE, &format!("from Bob {i}"));
        world.run_for(Duration::from_secs(3));
    }
    let done = world.run_until(Duration::from_secs(60 * 20), Duration::from_secs(5), |w| {
        w.heard(ALICE).len() >= messages && w.heard(BOB).len() >= messages
    });
    let expected =
        |name: &str| -> Vec<String> { (0..messages).map(|i| format!("from {name} {i}")).collect() };
    assert!(
        done,
        "Alice has {:?}, Bob has {:?}",
        world.heard(ALICE).len(),
        world.heard(BOB).len()
    );
    // Long enough for every late copy.
    world.run_for(Duration::from_secs(120));
    assert_eq!(world.heard(ALICE), expected("Bob"));
    assert_eq!(world.heard(BOB), expected("Alice"));
    let delivered = world.delivered(ALICE).into_iter();
    let delivered = delivered.filter(|(_, level)| *level == 3).count();
    assert!(
        delivered >= messages,
        "only {delivered} of {messages} are marked delivered and forward secret"
    );
}

#[test]
fn the_same_seed_gives_the_same_run_bit_for_bit() {
    let run = |seed| {
        let mut world = World::new(WorldConfig::new(seed, 12));
        world.add_person(3, "Alice");
        world.add_person(7, "Bob");
        world.run_for(Duration::from_secs(30));
        let bob = world.account(7);
        world
            .command(
                3,
                Command::Add {
                    id: bob.to_string(),
                    name: "Bob".into(),
                    text: "Hello".into(),
                },
            )
            .expect("a valid id");
        world.run_for(Duration::from_secs(90));
        (world.eve.digest(), world.eve.seen)
    };
    let (first, again, other) = (run(3), run(3), run(4));
    assert!(first.1 > 10_000);
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
}
