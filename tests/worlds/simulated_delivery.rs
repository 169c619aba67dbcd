//! Messages cross a network that loses 5 % of all datagrams, each once, in order, both ways; and the same seed gives the same run.

use std::collections::BTreeSet;
use std::time::Duration;

use paratox::sim::wires::WireConfig;
use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;

/// Of the full size; and of a size that has circuits of the same length and takes a third of the time.
const NODES: usize = 60;
const FEWER: usize = 24;
const LOSS: f64 = 0.05;
/// Long enough for every late copy.
const LATE: Duration = Duration::from_secs(20);

fn lossy(seed: u64, nodes: usize, loss: f64, stagger: Duration) -> World {
    World::new(WorldConfig {
        wires: WireConfig {
            loss,
            ..WireConfig::default()
        },
        class: Class::Fast,
        stagger,
        ..WorldConfig::new(seed, nodes)
    })
}

/// Every message of somebody's that is marked delivered and forward secret.
fn marked(world: &mut World, who: usize) -> BTreeSet<u64> {
    let delivered = world.delivered(who).into_iter();
    let secret = delivered.filter(|(_, level)| *level == 3);
    secret.map(|(number, _)| number).collect()
}

fn every_message_arrives_once(
    seed: u64,
    nodes: usize,
    messages: usize,
    stagger: Duration,
    limit: Duration,
) {
    let (alice, bob) = (nodes - 2, nodes - 1);
    let mut world = lossy(seed, nodes, LOSS, stagger);
    world.add_acquainted(&[(alice, "Alice"), (bob, "Bob")]);
    // They come last, to a network that is there. What is written before anybody is found waits.
    world.run_for(stagger * nodes as u32);
    let mut numbers = [BTreeSet::new(), BTreeSet::new()];
    for i in 0..messages {
        numbers[0].insert(world.say(alice, bob, &format!("from Alice {i}")));
        numbers[1].insert(world.say(bob, alice, &format!("from Bob {i}")));
        world.run_for(Duration::from_secs(1));
    }
    let done = world.run_until(limit, Duration::from_secs(1), |world| {
        marked(world, alice) == numbers[0] && marked(world, bob) == numbers[1]
    });
    println!(
        "seed {seed}, {nodes} nodes: Alice's {} and Bob's {} of {messages} delivered and forward secret after {} s; {} of {} datagrams lost",
        marked(&mut world, alice).len(),
        marked(&mut world, bob).len(),
        world.now().at.0 / 1_000_000,
        world.lost,
        world.eve.seen
    );
    assert!(done, "not every message is delivered and forward secret");
    world.run_for(LATE);
    let expected =
        |name: &str| -> Vec<String> { (0..messages).map(|i| format!("from {name} {i}")).collect() };
    assert_eq!(world.heard(alice), expected("Bob"), "each once, in order");
    assert_eq!(world.heard(bob), expected("Alice"), "each once, in order");
    assert!(
        world.lost as f64 > 0.8 * LOSS * world.eve.seen as f64,
        "only {} of {} datagrams were lost",
        world.lost,
        world.eve.seen
    );
}

#[test]
fn every_message_arrives_once_across_a_network_that_loses_five_per_cent() {
    if std::env::var_os("PARATOX_LONG").is_some() {
        for seed in 7..10 {
            let (stagger, limit) = (Duration::from_secs(1), Duration::from_secs(1200));
            every_message_arrives_once(seed, NODES, 100, stagger, limit);
        }
    } else {
        let (stagger, limit) = (Duration::from_millis(250), Duration::from_secs(600));
        every_message_arrives_once(7, FEWER, 20, stagger, limit);
    }
}

/// What the two of a run write to each other, one message each in three seconds.
const WRITTEN: usize = 10;

/// All there is to know of a run: every datagram of it to the bit (up to each message), what the two people were shown, how every node stands at the
/// end.
#[derive(Debug, PartialEq)]
struct Run {
    digests: Vec<[u8; 32]>,
    seen: u64,
    lost: u64,
    shown: [String; 2],
    nodes: Vec<String>,
}

fn run(seed: u64, nodes: usize, loss: f64, messages: usize) -> Run {
    let people = [3, 7];
    let mut world = lossy(seed, nodes, loss, Duration::from_millis(100));
    world.add_acquainted(&[(people[0], "Alice"), (people[1], "Bob")]);
    let mut digests = Vec::new();
    for i in 0..messages {
        world.say(people[0], people[1], &format!("from Alice {i}"));
        world.say(people[1], people[0], &format!("from Bob {i}"));
        world.run_for(Duration::from_secs(3));
        digests.push(world.eve.digest());
    }
    let now = world.now();
    Run {
        digests,
        seen: world.eve.seen,
        lost: world.lost,
        shown: people.map(|who| format!("{:?}", world.events(who))),
        nodes: (0..nodes)
            .map(|index| format!("{:?}", world.node(index).map(|node| node.info(now))))
            .collect(),
    }
}

#[test]
fn the_same_seed_gives_the_same_run_bit_for_bit() {
    let first = run(3, 10, LOSS, WRITTEN);
    assert!(first.seen > 10_000 && first.lost > 500);
    assert!(first.shown.iter().all(|shown| shown.contains("from ")));
    assert_eq!(first.nodes.len(), 10);
    // In a thread of its own: nothing of a run lies outside it.
    let again = std::thread::spawn(|| run(3, 10, LOSS, WRITTEN));
    let again = again.join().expect("the same run");
    assert!(first == again, "the second run differs from the first");
    // What differs is to be seen from the start.
    for (what, other) in [
        ("seed", run(4, 10, LOSS, 1)),
        ("number of nodes", run(3, 11, LOSS, 1)),
        ("loss", run(3, 10, 0.0, 1)),
    ] {
        assert_ne!(
            first.digests[0], other.digests[0],
            "another {what} changes nothing"
        );
    }
}
