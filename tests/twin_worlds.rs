//! Eve cannot tell a world in which Alice chats with Bob from one in which she does nothing.
//!
//! Two worlds with the same seed. In one Alice adds Bob and they chat; in the other nobody touches a key. Every datagram that their nodes start, and
//! every one on their own shaped links, must be the same in time, ends and length, record by record. Answers to other nodes' requests are left aside:
//! those are other people's clocks. Incoming requests never change what a node itself starts; the spurs and look-ups that their nodes carry for others
//! are others' business too: they are left aside, and the seeds in which they differ are counted.

use std::time::Duration;

use paratox::node::{Cause, Shaping};
use paratox::sim::eve::Sighting;
use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;

const ALICE: usize = 5;
const BOB: usize = 11;
const NODES: usize = 14;
/// Records to compare at least, in all.
const RECORDS: usize = 10_000;
/// Deliveries in the busy world at least, in all.
const DELIVERIES: usize = 20;

struct Seen {
    own: [Vec<Sighting>; 2],
    foreign: [Vec<Sighting>; 2],
    deliveries: usize,
}

fn run(seed: u64, busy: bool, shaping: Shaping, minutes: u64) -> Seen {
    let mut world = World::new(WorldConfig {
        shaping,
        class: Class::Fast,
        log: 10_000_000,
        ..WorldConfig::new(seed, NODES)
    });
    world.add_person(ALICE, "Alice");
    world.add_person(BOB, "Bob");
    world.run_for(Duration::from_secs(30));
    let limit = Duration::from_secs(60 * (minutes - 1));
    if busy && world.befriend(ALICE, BOB, limit) {
        for round in 0..15 {
            for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
                world.say(from, to, &format!("message {round}"));
            }
            world.run_for(Duration::from_secs(2));
        }
    }
    let end = Duration::from_secs(60 * minutes);
    let rest = end.saturating_sub(Duration::from_micros(world.now().at.0));
    world.run_for(rest);
    let deliveries = world.delivered(ALICE).len() + world.delivered(BOB).len();
    let within = |s: &Sighting| s.at <= end.as_micros() as u64;
    // Two cells may leave in the same microsecond; which of them is written down first says nothing.
    let of = |who: usize| -> Vec<Sighting> {
        let mut seen: Vec<Sighting> = world.eve.own_clocks_of(who as u32);
        seen.retain(within);
        seen.sort_by_key(|s| (s.at, s.source, s.target, s.cause as u8));
        seen
    };
    let foreign = |who: usize| -> Vec<Sighting> {
        world
            .eve
            .log
            .iter()
            .filter(|s| {
                within(s)
                    && s.source == who as u32
                    && matches!(s.cause, Cause::Spur | Cause::Forward)
            })
            .copied()
            .collect()
    };
    Seen {
        own: [of(ALICE), of(BOB)],
        foreign: [foreign(ALICE), foreign(BOB)],
        deliveries,
    }
}

/// The first record in which two logs differ.
fn difference(
    a: &[Sighting],
    b: &[Sighting],
) -> Option<(usize, Option<Sighting>, Option<Sighting>)> {
    let n = a.len().max(b.len());
    (0..n)
        .map(|i| (i, a.get(i).copied(), b.get(i).copied()))
        .find(|(_, x, y)| x != y)
}

#[test]
fn eve_cannot_tell_chatting_from_silence() {
    let (seeds, minutes) = if std::env::var_os("PARATOX_LONG").is_some() {
        (1..=10, 20)
    } else {
        (1..=2, 3)
    };
    let (mut records, mut deliveries, mut touched) = (0, 0, 0);
    for seed in seeds {
        let idle = run(seed, false, Shaping::On, minutes);
        let busy = run(seed, true, Shaping::On, minutes);
        assert_eq!(
            idle.deliveries, 0,
            "nobody wrote anything in the idle world"
        );
        for (who, name) in [(0, "Alice"), (1, "Bob")] {
            if let Some(first) = difference(&idle.own[who], &busy.own[who]) {
                panic!("seed {seed}: {name}'s node gives her away: {first:?}");
            }
        }
        touched += usize::from(idle.foreign != busy.foreign);
        records += idle.own[0].len() + idle.own[1].len();
        deliveries += busy.deliveries;
    }
    println!(
        "{records} records compared, {deliveries} deliveries in the busy worlds, {touched} seeds in which others' spurs or look-ups touched them in another way"
    );
    assert!(records >= RECORDS, "only {records} records compared");
    assert!(
        deliveries >= DELIVERIES,
        "only {deliveries} deliveries in the busy worlds"
    );
}

/// The positive control: a test that cannot find a leak proves nothing.
#[test]
fn without_shaping_eve_sees_it_at_once() {
    let idle = run(1, false, Shaping::OffForPositiveControl, 3);
    let busy = run(1, true, Shaping::OffForPositiveControl, 3);
    assert!(
        difference(&idle.own[0], &busy.own[0]).is_some(),
        "the comparison finds nothing even where there is something to find"
    );
}
