//! Who opens the program reaches the people they know within seconds, even where a whole network starts with them, and talks with them from then on.
//!
//! The network of `paratox demo`, in virtual time: 24 relays and three people who know each other, all started within a second. One of them types from
//! the first second on, and another repeats what comes. What the start is made of is printed, so that a second lost can be found.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paratox::messenger::view::{ChatEvent, ContactView, Delivery};
use paratox::sim::diary::Entry;
use paratox::sim::wires::WireConfig;
use paratox::sim::world::{World, WorldConfig};
use paratox::wire::class::Class;

const RELAYS: usize = 24;
const NODES: usize = RELAYS + 3;
const CONTACTS: [usize; 2] = [RELAYS, RELAYS + 1];
const USER: usize = RELAYS + 2;
/// How often the world is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long it is looked at at most, in seconds.
const WATCHED: f64 = 60.0;
/// Starts that are watched, each of which was once a bad one: a contact's standby intro point was found alone and talked along at a tenth of the rate
/// (6); there was no utility circuit for minutes, because the pool knew nobody behind either guard (16); both intro points of a contact were one node,
/// which took one registration's parcels for the other's (28). Words took 10 s and more, or never came.
const SEEDS: [u64; 3] = [6, 16, 28];
/// Words that the user types, one in two seconds from the first second on.
const WORDS: usize = 15;
const PAUSE: f64 = 2.0;
/// Each of them is delivered and repeated so many seconds later, those of the start as well.
const REPEATED: f64 = 30.0;
/// Those typed from this second on find a session. The middle one of half of their times to the repetition is at most so many seconds, in the mean of all
/// starts.
const SETTLED: f64 = 20.0;
const ONE_WAY: f64 = 2.5;
/// Both contacts are within reach then, in nine of ten starts.
const REACHED: f64 = 10.0;
/// Cells that may wait on the fullest link at any time: 0.8 s of it.
const WAITING: usize = 24;

/// Seconds from the start of the first relay to each step, in the order in which they are printed.
type Steps = Vec<(String, Option<f64>)>;

struct Start {
    steps: Steps,
    /// Seconds to the first and to the last contact within reach.
    reached: [Option<f64>; 2],
    /// Of each word: when it was typed, was delivered, and was there again.
    words: Vec<Word>,
    fullest: usize,
    displaced: u64,
    /// Times that a contact was out of reach again.
    lost: usize,
}

#[derive(Clone, Copy)]
struct Word {
    typed: f64,
    number: u64,
    delivered: Option<f64>,
    repeated: Option<f64>,
}

/// The user types what is due, and Echo repeats what has come. `list` is kept as the user is shown it.
fn talk(world: &mut World, words: &mut Vec<Word>, list: &mut Vec<ContactView>, at: f64) {
    if words.len() < WORDS && at >= 1.0 + PAUSE * words.len() as f64 {
        let number = world.say(USER, CONTACTS[0], &format!("word {}", words.len()));
        words.push(Word {
            typed: at,
            number,
            delivered: None,
            repeated: None,
        });
    }
    for event in world.take_events(CONTACTS[0]) {
        if let ChatEvent::Message(message) = event
            && !message.mine
        {
            world.say(CONTACTS[0], USER, &message.text);
        }
    }
    for event in world.take_events(USER) {
        match event {
            ChatEvent::Message(message) if !message.mine => {
                let text = message.text.strip_prefix("word ");
                let n = text.and_then(|n| n.parse::<usize>().ok());
                if let Some(word) = n.and_then(|n| words.get_mut(n)) {
                    word.repeated.get_or_insert(at);
                }
            }
            ChatEvent::Delivery {
                number,
                delivery: Delivery::Delivered,
                ..
            } => {
                let word = words.iter_mut().find(|word| word.number == number);
                if let Some(word) = word {
                    word.delivered.get_or_insert(at);
                }
            }
            ChatEvent::Contact(view) => {
                list.retain(|known| known.id != view.id);
                list.push(view);
            }
            _ => {}
        }
    }
}

fn seconds(at: Duration) -> f64 {
    at.as_secs_f64()
}

/// When a person's node had what: first link, the circuits by role.
#[derive(Default)]
struct Standing {
    link: Option<f64>,
    circuits: [Option<f64>; 4],
}

const ROLES: [&str; 4] = ["outbound", "inbound", "utility", "standby"];

fn start(seed: u64) -> Start {
    let mut world = World::new(WorldConfig {
        class: Class::Fast,
        lan: true,
        wires: WireConfig {
            // Loopback has none; this is what the threads of a node need until they wake.
            delay: Duration::from_millis(2),
            jitter: Duration::from_millis(8),
            loss: 0.0,
        },
        stagger: Duration::from_millis(20),
        head_start: Duration::from_millis(300),
        ..WorldConfig::new(seed, NODES)
    });
    world.add_acquainted(&[
        (CONTACTS[0], "Echo"),
        (CONTACTS[1], "Watcher"),
        (USER, "You"),
    ]);
    let people = [USER, CONTACTS[0], CONTACTS[1]];
    let mut standing: [Standing; 3] = Default::default();
    let mut reachable = [None; 2];
    let mut session = [None; 2];
    let mut within = [false; 2];
    let (mut fullest, mut displaced, mut lost) = (0, 0, 0);
    let (mut words, mut list) = (Vec::new(), Vec::new());
    let ids = CONTACTS.map(|contact| world.account(contact));
    let waits = |words: &Vec<Word>| {
        words.len() < WORDS
            || words
                .iter()
                .any(|word| word.delivered.is_none() || word.repeated.is_none())
    };
    while seconds(world.now().at.since(Default::default())) < WATCHED
        && (session.iter().any(Option::is_none) || waits(&words))
    {
        world.run_for(LOOK);
        let now = world.now();
        let at = now.at.0 as f64 / 1e6;
        talk(&mut world, &mut words, &mut list, at);
        for (person, standing) in people.iter().zip(&mut standing) {
            let Some(node) = world.node(*person) else {
                continue;
            };
            let info = node.info(now);
            let up = |link: &&paratox::node::person::LinkRow| {
                link.purpose == "link" && link.state == "up"
            };
            if info.links.iter().any(|link| up(&link)) {
                standing.link.get_or_insert(at);
            }
            for (role, stands) in ROLES.iter().zip(&mut standing.circuits) {
                let mut circuits = info.circuits.iter();
                if circuits.any(|row| row.role == *role && row.state == "ready") {
                    stands.get_or_insert(at);
                }
            }
        }
        displaced = 0;
        for index in 0..NODES {
            let queues = world.node(index).map(|node| node.queues(now));
            let (waiting, gone) = queues.unwrap_or_default();
            fullest = fullest.max(waiting);
            displaced += gone;
        }
        for (i, id) in ids.iter().enumerate() {
            let Some(view) = list.iter().find(|view| view.id == *id) else {
                continue;
            };
            if view.reachable {
                reachable[i].get_or_insert(at);
            }
            if view.session {
                session[i].get_or_insert(at);
            }
            lost += usize::from(within[i] && !view.reachable);
            within[i] = view.reachable;
        }
    }
    let mut steps: Steps = Vec::new();
    for (person, (name, standing)) in people
        .iter()
        .zip(["user", "echo", "watcher"].iter().zip(&standing))
    {
        let diary = world.diary(*person);
        let mut step = |what: &str, at: Option<f64>| steps.push((format!("{name} {what}"), at));
        step("link", standing.link);
        for (role, at) in ROLES.iter().zip(standing.circuits) {
            step(role, at);
        }
        let first = |take: &dyn Fn(&Entry) -> bool, skip: usize| {
            let mut found = diary.iter().filter(|(_, entry)| take(entry)).skip(skip);
            found.next().map(|(at, _)| at.0 as f64 / 1e6)
        };
        step(
            "points",
            first(&|e| matches!(e, Entry::Points(n) if *n > 0), 0),
        );
        step(
            "own way",
            first(
                &|e| {
                    matches!(
                        e,
                        Entry::LookedUp { id: 1, .. } | Entry::LookedUp { id: 0, .. }
                    )
                },
                0,
            ),
        );
        step(
            "published",
            first(&|e| matches!(e, Entry::Published { copies: 1.., .. }), 0),
        );
        let found = |e: &Entry| matches!(e, Entry::LookedUp { found: true, .. });
        let missed = |e: &Entry| matches!(e, Entry::LookedUp { found: false, .. });
        step("found one", first(&found, 0));
        step("found two", first(&found, 1));
        let misses = diary.iter().filter(|(_, e)| missed(e)).count();
        step("(misses)", Some(misses as f64));
        let mut ups: Vec<_> = Vec::new();
        for (at, entry) in &diary {
            if let Entry::SpurUp(tag) = entry
                && ups.iter().all(|(_, known)| known != tag)
            {
                ups.push((at.0 as f64 / 1e6, *tag));
            }
        }
        step("spur one", ups.first().map(|(at, _)| *at));
        step("spur two", ups.get(1).map(|(at, _)| *at));
        step("arrived", first(&|e| *e == Entry::Arrived, 0));
    }
    let mut both = |what: &str, mut times: [Option<f64>; 2]| {
        times.sort_by(|a, b| a.unwrap_or(f64::MAX).total_cmp(&b.unwrap_or(f64::MAX)));
        steps.push((format!("{what} one"), times[0]));
        steps.push((format!("{what} two"), times[1]));
        times
    };
    let reached = both("reachable", reachable);
    both("session", session);
    Start {
        steps,
        reached,
        words,
        fullest,
        displaced,
        lost,
    }
}

/// The value below which this share of the sorted values lies (nearest rank).
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[test]
fn both_contacts_are_within_reach_ten_seconds_after_a_whole_network_starts_and_each_word_arrives() {
    let next = AtomicUsize::new(0);
    let starts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(seed) = SEEDS.get(next.fetch_add(1, Ordering::SeqCst)) else {
                        return;
                    };
                    let start = start(*seed);
                    starts.lock().unwrap().push((*seed, start));
                }
            });
        }
    });
    let mut starts = starts.into_inner().unwrap();
    starts.sort_by_key(|(seed, _)| *seed);
    let (seeds, starts): (Vec<u64>, Vec<Start>) = starts.into_iter().unzip();
    for (i, (name, _)) in starts[0].steps.iter().enumerate() {
        let mut times: Vec<f64> = starts
            .iter()
            .map(|start| start.steps[i].1.unwrap_or(f64::INFINITY))
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{name:<22} p10 {:>6.2}  p50 {:>6.2}  p90 {:>6.2}  max {:>6.2}",
            percentile(&times, 0.1),
            percentile(&times, 0.5),
            percentile(&times, 0.9),
            percentile(&times, 1.0)
        );
    }
    let mut middle = Vec::new();
    for (seed, start) in seeds.iter().zip(&starts) {
        let took = |end: Option<f64>, word: &Word| end.unwrap_or(f64::INFINITY) - word.typed;
        let longest = |of: &dyn Fn(&Word) -> f64| start.words.iter().map(of).fold(0.0, f64::max);
        let delivered = longest(&|word| took(word.delivered, word));
        let repeated = longest(&|word| took(word.repeated, word));
        let settled = start.words.iter().filter(|word| word.typed >= SETTLED);
        let mut ways: Vec<f64> = settled
            .map(|word| took(word.repeated, word) / 2.0)
            .collect();
        ways.sort_by(f64::total_cmp);
        middle.push(percentile(&ways, 0.5));
        println!(
            "seed {seed}: reached {:?}, fullest {}, displaced {}, lost sight {}; words: longest until delivered {delivered:.1} s, until repeated {repeated:.1} s, one way p50 {:.2} s",
            start.reached,
            start.fullest,
            start.displaced,
            start.lost,
            percentile(&ways, 0.5)
        );
        assert_eq!(start.words.len(), WORDS);
        assert!(
            delivered.max(repeated) <= REPEATED,
            "seed {seed}: a word was not heard of"
        );
    }
    let mean = middle.iter().sum::<f64>() / middle.len() as f64;
    assert!(mean <= ONE_WAY, "{middle:?}");
    let late = starts
        .iter()
        .filter(|start| start.reached[1].is_none_or(|at| at > REACHED))
        .count();
    assert!(
        late * 10 <= starts.len(),
        "{late} of {} starts",
        starts.len()
    );
    let fullest = starts.iter().map(|start| start.fullest).max();
    assert!(fullest <= Some(WAITING), "{fullest:?}");
}
