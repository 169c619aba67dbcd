//! A hop that drops Alice's cells stops deliveries only until her circuits are rebuilt.
//!
//! What Alice writes leaves along her outbound circuit, or back along one of Bob's spurs through the circuits that take in what others send
//! her. So the same hop of all of these goes silent at once: then nothing of hers can pass.

use std::collections::BTreeSet;
use std::time::Duration;

use paratox::sim::world::World;
use paratox::wire::peer::Peer;

use crate::chatting::{ALICE, BOB, LOOK, chatting};

/// The circuits that carry what Alice writes.
const CARRIERS: [&str; 3] = ["outbound", "inbound", "standby"];
/// Their hops, from 9 nodes on.
const HOPS: usize = 3;
/// A circuit whose end is not heard for less than this is not given up (PROTOCOL.md, section 7).
const NOTICED: Duration = Duration::from_secs(7);
/// Both guards are given up after ten minutes, and a contact that comes back is looked for once a minute.
const LIMIT: Duration = Duration::from_secs(1800);
const LATE: Duration = Duration::from_secs(20);

/// The way of each circuit that carries what a person writes, without those that are missing now.
fn carriers(world: &World, person: usize) -> Vec<Vec<usize>> {
    let node = world.node(person).expect("it runs");
    let paths = CARRIERS.map(|role| node.path_of(role));
    let paths = paths.iter().filter(|path| !path.is_empty());
    let index = |peer: &Peer| world.index_of(*peer).expect("hops are nodes of this world");
    paths.map(|path| path.iter().map(index).collect()).collect()
}

fn told(world: &mut World, text: &str) -> usize {
    world
        .heard(BOB)
        .iter()
        .filter(|heard| *heard == text)
        .count()
}

/// Silences the nodes given, and Alice writes: nothing passes while she has no way to Bob, and once she has one it arrives once.
fn goes_silent(world: &mut World, silent: &BTreeSet<usize>) {
    for index in silent {
        world.set_mute(*index, true);
    }
    // What was on its way has passed or is gone.
    world.run_for(Duration::from_secs(1));
    let message = world.say(ALICE, BOB, "through broken circuits");
    let start = world.now().at;
    let passable = |world: &World| {
        let ways = carriers(world, ALICE);
        ways.iter()
            .any(|way| way.iter().all(|hop| !silent.contains(hop)))
    };
    let rebuilt = world.run_until(LIMIT, LOOK, |world| {
        let rebuilt = passable(world);
        assert!(
            rebuilt || told(world, "through broken circuits") == 0,
            "a message passed circuits that {silent:?} had broken"
        );
        rebuilt
    });
    let broken = world.now().at.since(start);
    let delivered = world.run_until(LIMIT, LOOK, |world| {
        world
            .delivered(ALICE)
            .iter()
            .any(|(number, _)| *number == message)
    });
    let arrived = world.now().at.since(start);
    println!(
        "{silent:?} silent: rebuilt {rebuilt} after {broken:?}, delivered {delivered} after {arrived:?}"
    );
    assert!(rebuilt, "the circuits were never rebuilt");
    let node = world.node(ALICE).expect("it runs");
    let failure = node.info(world.now()).failure.expect("some have failed");
    assert!(
        failure.seconds_ago <= arrived.as_secs(),
        "the last failure is from before: {failure:?}"
    );
    assert!(broken >= NOTICED, "nothing was broken: {broken:?}");
    assert!(delivered, "what she wrote never arrived");
    // Long enough for every late copy.
    world.run_for(LATE);
    assert_eq!(told(world, "through broken circuits"), 1);
}

fn a_hop_goes_silent(hop: usize) {
    let seeds = match std::env::var_os("PARATOX_LONG") {
        Some(_) => 11..=13,
        None => 11..=11,
    };
    for seed in seeds {
        a_hop_goes_silent_in(seed, hop);
    }
}

fn a_hop_goes_silent_in(seed: u64, hop: usize) {
    let mut world = chatting(seed);
    let ways = carriers(&world, ALICE);
    println!("seed {seed}: {ways:?}, Bob's {:?}", carriers(&world, BOB));
    assert_eq!(ways.len(), CARRIERS.len(), "seed {seed}");
    assert!(
        ways.iter().all(|way| way.len() == HOPS),
        "seed {seed}: {ways:?}"
    );
    let silent: BTreeSet<usize> = ways.iter().map(|way| way[hop]).collect();
    assert!(!silent.contains(&BOB), "seed {seed}: choose another");
    goes_silent(&mut world, &silent);
}

/// Its circuits have two guards, which are pinned: both go silent, and are given up after ten minutes of this world.
#[test]
fn a_silent_first_hop_stops_deliveries_until_the_circuits_are_rebuilt() {
    a_hop_goes_silent(0);
}

#[test]
fn a_silent_second_hop_stops_deliveries_until_the_circuits_are_rebuilt() {
    a_hop_goes_silent(1);
}

#[test]
fn a_silent_last_hop_stops_deliveries_until_the_circuits_are_rebuilt() {
    a_hop_goes_silent(2);
}

/// The first hops of the circuits that carry what a person writes.
fn guards(world: &World, person: usize) -> BTreeSet<usize> {
    carriers(world, person).iter().map(|way| way[0]).collect()
}

/// Longer than a minute: were only the two guards silent for so long, another node would stand in.
const OUTAGE: Duration = Duration::from_secs(75);

/// A suspended machine, a wireless network that was away: all links fall silent at once, and the pinned guards must not be lost by it.
#[test]
fn an_outage_of_a_persons_network_costs_no_guard_and_what_she_wrote_meanwhile_arrives() {
    let mut world = chatting(21);
    let before = guards(&world, ALICE);
    world.set_cut(ALICE, true);
    world.run_for(OUTAGE);
    let message = world.say(ALICE, BOB, "written without a network");
    world.run_for(Duration::from_secs(5));
    let cut_off = world.node(ALICE).expect("it runs").info(world.now());
    assert!(!cut_off.online, "nothing was cut");
    assert_eq!(told(&mut world, "written without a network"), 0);
    world.set_cut(ALICE, false);
    let back = world.now().at;
    let online = |world: &World| {
        let now = world.now();
        let node = world.node(ALICE).expect("it runs");
        node.info(now).online && !guards(world, ALICE).is_empty()
    };
    let reached = world.run_until(LIMIT, LOOK, |world| online(world));
    let online_after = world.now().at.since(back);
    let first = guards(&world, ALICE);
    let arrived = world.run_until(LIMIT, LOOK, |world| {
        let delivered = world.delivered(ALICE);
        delivered.iter().any(|(number, _)| *number == message)
    });
    let arrived_after = world.now().at.since(back);
    let after = guards(&world, ALICE);
    println!(
        "guards {before:?}, then {first:?} and {after:?}; online {online_after:?} and delivered {arrived_after:?} after the network came back"
    );
    assert!(reached && arrived);
    assert_eq!(told(&mut world, "written without a network"), 1);
    assert!(
        first.is_subset(&before) && after.is_subset(&before),
        "another guard stands in: {first:?} and {after:?}, not of {before:?}"
    );
}
