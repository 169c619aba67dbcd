//! A program that stood still (Ctrl+Z, a lid that was shut) goes on within seconds.
//!
//! Where all nodes stand still together, as those of `paratox demo` do, nothing has happened and nothing is to be built again. Where one stands
//! still alone, the others have given its links up, and it finds out soon instead of waiting for what its own clock calls silence.

use std::time::Duration;

use paratox::sim::world::World;

use crate::chatting::{ALICE, BOB, LOOK, NODES, chatting};

/// Longer than a link bears silence.
const STANDSTILL: Duration = Duration::from_secs(45);
/// Words said one after the other, each after the one before it has arrived.
const WORDS: usize = 3;
const LIMIT: Duration = Duration::from_secs(600);

/// How long each of Alice's words needs from now on.
fn waits(world: &mut World) -> Vec<Duration> {
    let mut waits = Vec::new();
    for word in 0..WORDS {
        let start = world.now().at;
        let number = world.say(ALICE, BOB, &format!("word {word}"));
        let arrived = world.run_until(LIMIT, LOOK, |world| {
            let delivered = world.delivered(ALICE);
            delivered.iter().any(|(of, _)| *of == number)
        });
        assert!(arrived, "word {word} never arrived");
        waits.push(world.now().at.since(start));
    }
    waits
}

fn stand_still(world: &mut World, who: &[usize]) {
    for index in who {
        world.stand_still(*index, STANDSTILL);
    }
    world.run_for(STANDSTILL);
}

#[test]
fn who_stood_still_goes_on_where_it_was_or_has_new_links_within_seconds() {
    let mut world = chatting(31);
    let ways = |world: &World| {
        let node = world.node(ALICE).expect("it runs");
        ["outbound", "inbound", "standby"].map(|role| node.path_of(role))
    };
    let before = ways(&world);
    stand_still(&mut world, &(0..NODES).collect::<Vec<_>>());
    let together = waits(&mut world);
    println!("everybody stood still for {STANDSTILL:?}; then {together:?}");
    assert!(before.iter().all(|way| !way.is_empty()));
    assert_eq!(ways(&world), before, "circuits were built anew");
    assert!(together.iter().all(|wait| *wait < Duration::from_secs(20)));

    stand_still(&mut world, &[ALICE]);
    let alone = waits(&mut world);
    println!("Alice stood still for {STANDSTILL:?}; then {alone:?}");
    assert!(alone.iter().all(|wait| *wait < Duration::from_secs(60)));
}
