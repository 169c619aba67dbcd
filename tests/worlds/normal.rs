//! In the class that most people run, two who have just met are heard within seconds, in a network that has just started.
//!
//! `normal` has a third of the rates of `fast`, and an answer takes three times as long. Who is as impatient there fills the ways with copies, and
//! leaves the intro point that serves for the standby, which serves at a tenth of its rate.

use std::collections::BTreeMap;
use std::time::Duration;

use paratox::messenger::view::ContactState;
use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;
use paratox::wire::time::Moment;

use crate::chatting::LOOK;

/// In this world they met after 200 s when they were as impatient as in `fast`, and their words took up to 32 s.
const SEED: u64 = 1;
const NODES: usize = 24;
const ALICE: usize = 22;
const BOB: usize = 23;
/// All nodes have started.
const START: Duration = Duration::from_secs(3);
/// Until her request is there and his answer back.
const MEETING: Duration = Duration::from_secs(120);
/// Each of them says so many words, one in ten seconds.
const WORDS: usize = 12;
const PAUSE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(300);
/// One way is reckoned to take 5 s in the mean and 10 s for 95 of 100, once circuits have their rates; these are the first minutes, in which circuits are still replaced.
const HALF: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(22);

/// How long each word took that arrived.
fn one_way(seed: u64) -> Vec<Duration> {
    let mut world = World::new(WorldConfig {
        class: Class::Normal,
        ..WorldConfig::new(seed, NODES)
    });
    world.add_person(ALICE, "Alice");
    world.add_person(BOB, "Bob");
    world.run_for(START);
    let asked = world.now().at;
    assert!(
        world.befriend(ALICE, BOB, MEETING),
        "seed {seed}: her request"
    );
    let accepted = world.run_until(MEETING, LOOK, |world| {
        let bob = world.listed(ALICE, BOB);
        bob.is_some_and(|bob| bob.state == ContactState::Accepted)
    });
    let met = world.now().at.since(asked);
    assert!(accepted && met < MEETING, "seed {seed}: {met:?}");

    let mut said: BTreeMap<String, Moment> = BTreeMap::new();
    let mut took = Vec::new();
    for word in 0..WORDS {
        for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
            let text = format!("{from} says {word}");
            world.say(from, to, &text);
            said.insert(text, world.now().at);
        }
        let limit = if word + 1 < WORDS { PAUSE } else { LIMIT };
        let next = world.now().at + limit;
        while world.now().at < next && !(word + 1 == WORDS && said.is_empty()) {
            world.run_for(LOOK);
            for text in [ALICE, BOB].map(|who| world.heard(who)).concat() {
                let began = said.remove(&text);
                took.extend(began.map(|began| world.now().at.since(began)));
            }
        }
    }
    println!("seed {seed}: met after {met:?}; {took:?}");
    took
}

#[test]
fn in_the_class_normal_words_arrive_within_seconds_from_the_first_minutes_on() {
    let mut took = one_way(SEED);
    assert_eq!(took.len(), 2 * WORDS, "every word arrives");
    took.sort_unstable();
    let share = |hundredths: usize| took[(took.len() * hundredths).div_ceil(100) - 1];
    println!(
        "{} words: half within {:?}, 95 of 100 within {:?}, the last {:?}",
        took.len(),
        share(50),
        share(95),
        share(100)
    );
    assert!(share(50) <= HALF && share(95) <= MOST);
}
