//! Eve cannot tell a world in which Alice chats with Bob from one in which she does nothing.
//!
//! Two worlds with the same seed. In one Alice adds Bob and they chat; in the other nobody touches a key. Three comparisons, record by record in
//! time, ends and length:
//!
//! 1. Every datagram of Alice's and Bob's own links, every one their nodes start on their own clocks, and every answer of theirs to calls of others'
//!    clocks, is the same in both worlds.
//! 2. So is every one of every other node: whoever helps them unknowingly, guard, middle hop or intro point, gives nothing away either.
//! 3. What a node does for others (spurs, forwarded requests, answers) follows what comes in, and that soon differs between two worlds. So it is not
//!    compared between them but with a replay: Alice's node once more with the very cells that came in, and without Alice. All that it sends is
//!    the same, whatever the reason. No seed has to be skipped, no record to be set aside.
//!
//! What remains is how much the others do for others: that a talk makes them do no more of it is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use paratox::node::{Cause, Shaping};
use paratox::sim::eve::Sighting;
use paratox::sim::wires::WireConfig;
use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;

const ALICE: usize = 5;
const BOB: usize = 11;
const PEOPLE: [(usize, &str); 2] = [(ALICE, "Alice"), (BOB, "Bob")];
const NODES: usize = 14;
/// Records to compare at least, in all.
const RECORDS: usize = 10_000;
/// Deliveries in the busy world at least, in all.
const DELIVERIES: usize = 20;
/// And of one seed: they talk until so many are there.
const DELIVERIES_EACH: usize = 25;
/// How long it may take them.
const PATIENCE: Duration = Duration::from_secs(600);
/// Sightings that Eve keeps of a world: of an hour of it.
const LOG: usize = 20_000_000;
/// Cells that are lost in the worlds of every second seed: what is sent again, and when, must say as little.
const LOSS: f64 = 0.02;
/// When Alice begins to look for Bob.
const BEGIN: Duration = Duration::from_secs(12);
/// Between two rounds of the talk, and what is left for the last answers.
const ROUND: Duration = Duration::from_secs(2);
const END: Duration = Duration::from_secs(15);
/// Standard deviations that chance is granted in what nodes do for others.
const CHANCE: f64 = 5.0;
/// Share of all spurs that may be missing in one world: two of the 56 that a network of this size holds.
const SPURS: f64 = 2.0 / (4 * NODES) as f64;

/// A world that has been lived to its end.
struct Lived {
    world: World,
    deliveries: usize,
}

fn begin(seed: u64, shaping: Shaping) -> World {
    let mut world = World::new(WorldConfig {
        shaping,
        class: Class::Fast,
        wires: WireConfig {
            loss: if seed.is_multiple_of(2) { LOSS } else { 0.0 },
            ..WireConfig::default()
        },
        log: LOG,
        ..WorldConfig::new(seed, NODES)
    });
    for (who, name) in PEOPLE {
        world.add_person(who, name);
        world.record(who);
    }
    world
}

fn passed(world: &World) -> Duration {
    Duration::from_micros(world.now().at.0)
}

fn deliveries(world: &mut World) -> usize {
    PEOPLE
        .map(|(who, _)| world.delivered(who).len())
        .iter()
        .sum()
}

fn end(mut world: World) -> Lived {
    assert!(world.eve.is_whole(), "Eve's book is too thin");
    let deliveries = deliveries(&mut world);
    Lived { world, deliveries }
}

/// Alice adds Bob and they talk, for `span` and until so many deliveries are there.
fn talk(seed: u64, shaping: Shaping, span: Duration, least: usize) -> Lived {
    let mut world = begin(seed, shaping);
    world.run_for(BEGIN);
    let met = world.befriend(ALICE, BOB, PATIENCE - BEGIN);
    assert!(met, "seed {seed}: Bob never got the request");
    for round in 0.. {
        if passed(&world) + END >= span && deliveries(&mut world) >= least {
            break;
        }
        assert!(
            passed(&world) < span + PATIENCE,
            "seed {seed}: they have been talking for long, and little came of it"
        );
        world.say(ALICE, BOB, &format!("Alice's message {round}"));
        world.say(BOB, ALICE, &format!("Bob's message {round}"));
        world.run_for(ROUND);
    }
    world.run_for(END);
    end(world)
}

/// Both worlds of a seed: the one of the talk first, since it says how long they last.
fn twins(seed: u64, shaping: Shaping, span: Duration, least: usize) -> [Lived; 2] {
    let busy = talk(seed, shaping, span, least);
    let mut idle = begin(seed, shaping);
    idle.run_for(passed(&busy.world));
    [end(idle), busy]
}

/// Records in an order of their own: of cells that leave in the same microsecond, which is written down first says nothing. A cell is sealed a few
/// milliseconds before it leaves, so the last of a log are those of its end.
fn ordered<'a>(records: impl Iterator<Item = &'a Sighting>, lived: &Lived) -> Vec<Sighting> {
    let end = lived.world.now().at.0;
    let mut records: Vec<Sighting> = records.filter(|s| s.at <= end).copied().collect();
    records.sort_by_key(|s| (s.at, s.source, s.target, s.cause as u8));
    records
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

/// Where the node of one person gives her away between two worlds.
fn own_clocks_differ(
    worlds: &[Lived; 2],
    who: usize,
) -> Option<(usize, Option<Sighting>, Option<Sighting>)> {
    let [idle, busy] =
        [0, 1].map(|n| ordered(worlds[n].world.eve.clocks_of(who as u32), &worlds[n]));
    difference(&idle, &busy)
}

/// Where the own clocks of any node differ between two worlds.
fn some_clock_differs(worlds: &[Lived; 2]) -> Option<(usize, Option<Sighting>, Option<Sighting>)> {
    let [idle, busy] = [0, 1].map(|n| ordered(worlds[n].world.eve.clocks(), &worlds[n]));
    difference(&idle, &busy)
}

/// Where the node of one person sends something else than it would without her.
fn replay_differs(
    lived: &Lived,
    who: usize,
) -> Option<(usize, Option<Sighting>, Option<Sighting>)> {
    let sent = ordered(lived.world.eve.sent_by(who as u32), lived);
    let replayed = ordered(lived.world.replay(who).iter(), lived);
    difference(&replayed, &sent)
}

/// How many datagrams the whole network sent for each reason.
fn counts(lived: &Lived) -> BTreeMap<u8, (Cause, u64)> {
    let mut counts = BTreeMap::new();
    for sighting in &lived.world.eve.log {
        let count = counts.entry(sighting.cause as u8);
        count.or_insert((sighting.cause, 0)).1 += 1;
    }
    counts
}

/// Whether the busy world's count is no more and no less than chance allows. Most of it is ticks of clocks, so its variance is its mean at most;
/// those of a spur come and go together, whole lives of it, when somebody has no room for one.
fn agree(cause: Cause, idle: u64, busy: u64) -> bool {
    let (idle, busy) = (idle as f64, busy as f64);
    let lives = if cause == Cause::Spur {
        SPURS * idle
    } else {
        0.0
    };
    (busy - idle).abs() <= CHANCE * (idle + busy).sqrt() + lives
}

/// The worlds of all seeds in order, those of two seeds lived at a time.
fn side_by_side(
    seeds: std::ops::RangeInclusive<u64>,
    span: Duration,
) -> impl Iterator<Item = (u64, [Lived; 2])> {
    let seeds: Vec<u64> = seeds.collect();
    let pairs: Vec<Vec<u64>> = seeds.chunks(2).map(<[u64]>::to_vec).collect();
    pairs.into_iter().flat_map(move |pair| {
        let lives = pair.into_iter().map(|seed| {
            let life = move || twins(seed, Shaping::On, span, DELIVERIES_EACH);
            (seed, std::thread::spawn(life))
        });
        let lives: Vec<_> = lives.collect();
        let joined = lives.into_iter().map(|(seed, life)| {
            let worlds = life.join();
            (
                seed,
                worlds.unwrap_or_else(|_| panic!("seed {seed} says why")),
            )
        });
        joined.collect::<Vec<_>>()
    })
}

fn spans() -> (std::ops::RangeInclusive<u64>, Duration) {
    match std::env::var_os("PARATOX_LONG") {
        Some(_) => (1..=10, Duration::from_secs(20 * 60)),
        None => (1..=2, Duration::from_secs(80)),
    }
}

#[test]
fn eve_cannot_tell_chatting_from_silence() {
    let (seeds, span) = spans();
    let (mut of_people, mut of_all, mut replayed, mut delivered, mut touched) = (0, 0, 0, 0, 0);
    let mut others: BTreeMap<u8, (Cause, u64, u64)> = BTreeMap::new();
    for (seed, worlds) in side_by_side(seeds, span) {
        let [idle, busy] = &worlds;
        assert_eq!(
            idle.deliveries, 0,
            "nobody wrote anything in the idle world"
        );
        for (who, name) in PEOPLE {
            let first = own_clocks_differ(&worlds, who);
            assert!(
                first.is_none(),
                "seed {seed}: {name}'s node gives her away: {first:?}"
            );
            of_people += busy.world.eve.clocks_of(who as u32).count();
            for lived in &worlds {
                let first = replay_differs(lived, who);
                assert!(
                    first.is_none(),
                    "seed {seed}: {name}'s node would not have done so without her: {first:?}"
                );
                replayed += lived.world.eve.sent_by(who as u32).count();
            }
        }
        let first = some_clock_differs(&worlds);
        assert!(
            first.is_none(),
            "seed {seed}: another node gives them away: {first:?}"
        );
        of_all += ordered(busy.world.eve.clocks(), busy).len();
        delivered += busy.deliveries;
        // Their own nodes carried others' business in another way: what came in did not change what they started.
        let foreign = |lived: &Lived| {
            let foreign = |s: &&Sighting| {
                let theirs = PEOPLE.iter().any(|(who, _)| s.target == *who as u32);
                theirs && matches!(s.cause, Cause::Spur | Cause::Forward)
            };
            ordered(lived.world.eve.log.iter().filter(foreign), lived)
        };
        touched += usize::from(foreign(idle) != foreign(busy));
        for (lived, is_busy) in [(idle, false), (busy, true)] {
            for (code, (cause, count)) in counts(lived) {
                let sums = others.entry(code).or_insert((cause, 0, 0));
                *(if is_busy { &mut sums.2 } else { &mut sums.1 }) += count;
            }
        }
    }
    println!(
        "{of_people} records of Alice's and Bob's nodes and {of_all} of all nodes equal in both worlds, {replayed} equal in a replay without \
         their person; {delivered} deliveries in the busy worlds; {touched} seeds in which others' spurs or look-ups came to them in another way"
    );
    for (cause, idle, busy) in others.values() {
        println!("{cause:?}: {idle} datagrams idle, {busy} busy");
        assert!(
            agree(*cause, *idle, *busy),
            "{cause:?}: {idle} in the idle worlds, {busy} in the busy ones"
        );
    }
    assert!(of_people >= RECORDS, "only {of_people} records compared");
    assert!(
        delivered >= DELIVERIES,
        "only {delivered} deliveries in the busy worlds"
    );
    assert!(
        touched > 0,
        "no request of others differed: nothing shows that requests change nothing"
    );
}

/// The positive control: a test that cannot find a leak proves nothing.
#[test]
fn without_shaping_eve_sees_it_at_once() {
    let span = Duration::from_secs(60);
    let worlds = twins(1, Shaping::OffForPositiveControl, span, 1);
    assert!(some_clock_differs(&worlds).is_some());
    for (who, name) in PEOPLE {
        assert!(
            own_clocks_differ(&worlds, who).is_some(),
            "{name}: the worlds are equal even where there is something to find"
        );
        assert!(
            replay_differs(&worlds[1], who).is_some(),
            "{name}: the replay finds nothing even where there is something to find"
        );
        assert!(
            replay_differs(&worlds[0], who).is_none(),
            "{name}: the replay finds something where nobody did anything"
        );
    }
}
