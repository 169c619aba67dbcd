//! Messages cross a network of 60 nodes that loses 5 % of all datagrams, each once, both ways; and the same seed gives the same run.

use std::time::Duration;

use paratox::messenger::Command;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::sim::wires::WireConfig;
use paratox::sim::world::{World, WorldConfig};

const ALICE: usize = 20;
const BOB: usize = 41;

/// Alice and Bob become contacts. Panics if that takes more than `minutes` of the world's time.
fn meet(world: &mut World, minutes: u64) {
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
    let limit = Duration::from_secs(60 * minutes);
    let asked = world.run_until(limit, Duration::from_secs(1), |w| {
        w.events(BOB)
            .iter()
            .any(|e| matches!(e, ChatEvent::Request(r) if r.request_text == "Hello"))
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
}

fn received(world: &mut World, who: usize) -> Vec<String> {
    world
        .events(who)
        .into_iter()
        .filter_map(|e| match e {
            ChatEvent::Message(m) if !m.mine => Some(m.text),
            _ => None,
        })
        .collect()
}

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
    meet(&mut world, 10);
    let (alice, bob) = (world.account(ALICE), world.account(BOB));
    for i in 0..messages {
        world
            .command(
                ALICE,
                Command::Send {
                    to: bob.to_string(),
                    text: format!("from Alice {i}"),
                    allow_no_fs: false,
                },
            )
            .expect("there is room");
        // Bob can write as soon as he accepted; Alice's side may still wait for his answer.
        world
            .command(
                BOB,
                Command::Send {
                    to: alice.to_string(),
                    text: format!("from Bob {i}"),
                    allow_no_fs: false,
                },
            )
            .expect("there is room");
        world.run_for(Duration::from_secs(3));
    }
    let done = world.run_until(Duration::from_secs(60 * 20), Duration::from_secs(5), |w| {
        received(w, ALICE).len() >= messages && received(w, BOB).len() >= messages
    });
    let expected =
        |name: &str| -> Vec<String> { (0..messages).map(|i| format!("from {name} {i}")).collect() };
    assert!(
        done,
        "Alice has {:?}, Bob has {:?}",
        received(&mut world, ALICE).len(),
        received(&mut world, BOB).len()
    );
    // Long enough for every late copy.
    world.run_for(Duration::from_secs(120));
    assert_eq!(received(&mut world, ALICE), expected("Bob"));
    assert_eq!(received(&mut world, BOB), expected("Alice"));
    let delivered = world
        .events(ALICE)
        .into_iter()
        .filter(|e| matches!(e, ChatEvent::Delivery { delivery: Delivery::Delivered, secrecy, .. } if secrecy.level() == 3))
        .count();
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
