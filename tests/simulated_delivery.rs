//! Messages cross a network that loses 5 % of all datagrams, each once, in order, both ways; and the same seed gives the same run.

use std::collections::BTreeSet;
use std::time::Duration;

use paratox::messenger::Command;
use paratox::sim::wires::WireConfig;
use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;

/// Between the starts of two nodes, where people come to a network that is there.
const STAGGER: Duration = Duration::from_secs(1);
/// Long enough for every late copy.
const LATE: Duration = Duration::from_secs(60);

#[test]
fn every_message_arrives_once_across_a_network_that_loses_five_per_cent() {
    let (nodes, messages, seconds) = match std::env::var_os("PARATOX_LONG") {
        Some(_) => (60, 100, 1200),
        None => (24, 20, 600),
    };
    let (alice, bob) = (nodes - 2, nodes - 1);
    let wires = WireConfig {
        loss: 0.05,
        ..WireConfig::default()
    };
    let mut world = World::new(WorldConfig {
        wires,
        class: Class::Fast,
        stagger: STAGGER,
        ..WorldConfig::new(7, nodes)
    });
    world.add_acquainted(&[(alice, "Alice"), (bob, "Bob")]);
    // As soon as the two are there: what is written before anybody is found waits.
    world.run_for(STAGGER * nodes as u32);
    let mut numbers = [BTreeSet::new(), BTreeSet::new()];
    for i in 0..messages {
        numbers[0].insert(world.say(alice, bob, &format!("from Alice {i}")));
        numbers[1].insert(world.say(bob, alice, &format!("from Bob {i}")));
        world.run_for(Duration::from_secs(1));
    }
    // Every message of hers, or his, that is marked delivered and forward secret.
    let marked = |world: &mut World, who| -> BTreeSet<u64> {
        let delivered = world.delivered(who).into_iter();
        let secret = delivered.filter(|(_, level)| *level == 3);
        secret.map(|(number, _)| number).collect()
    };
    let limit = Duration::from_secs(seconds);
    let done = world.run_until(limit, Duration::from_secs(1), |world| {
        marked(world, alice) == numbers[0] && marked(world, bob) == numbers[1]
    });
    println!(
        "{nodes} nodes: Alice's {} and Bob's {} of {messages} delivered and forward secret after {} s; {} datagrams lost",
        marked(&mut world, alice).len(),
        marked(&mut world, bob).len(),
        world.now().at.0 / 1_000_000,
        world.lost
    );
    assert!(done, "not every message is delivered and forward secret");
    world.run_for(LATE);
    let expected =
        |name: &str| -> Vec<String> { (0..messages).map(|i| format!("from {name} {i}")).collect() };
    assert_eq!(world.heard(alice), expected("Bob"), "each once, in order");
    assert_eq!(world.heard(bob), expected("Alice"), "each once, in order");
    assert!(
        world.lost as f64 > 0.04 * world.eve.seen as f64,
        "only {} of {} datagrams were lost",
        world.lost,
        world.eve.seen
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
