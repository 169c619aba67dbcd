//! What Eve reads off the sockets of a real network: one size, and a rate that does not tell when its person writes.
//!
//! Over real sockets chance decides with; that a person's writing moves no datagram at all is shown in virtual time (`twin_worlds`).

use std::time::{Duration, Instant};

use crate::loopback::{Network, Someone, meet, pass, wait};
use crate::room;
use paratox::node::person::NetworkInfo;

const RELAYS: usize = 24;
/// What the person writes while Eve counts: 4200 parcels. A packet for each would be noticed beside 2000 packets a second. How many spurs of others
/// a node serves is chance: 345 packets a second were seen, for which 700 parcels were too few.
const MESSAGES: usize = 300;
/// Bytes of one of them: fourteen parcels.
const LENGTH: usize = 3_900;
/// Text bytes of a parcel, as PROTOCOL.md says.
const PARCEL_TEXT: usize = 280;
/// One stretch of counting.
const STRETCH: Duration = Duration::from_secs(15);
/// Between two looks at the links.
const LOOK: Duration = Duration::from_millis(100);
/// Links, circuits and spurs are quicker in their first seconds (20, 15 and 30); this long after the start of the two all of that is over.
const GROWN: Duration = Duration::from_secs(45);
/// Standard deviations that chance is granted. They are reckoned as if only ticks were drawn; but how many queries of others a node forwards changes
/// between the stretches, too, and a busy computer loses ticks in bursts: sixteen runs, in five of which nobody wrote, had a spread of 1.6 of them
/// around 0.3. So these are five of their kind: one honest run in 1.7 million is beyond.
const CHANCE: f64 = 8.0;

/// People who write nothing, and whose nodes started with hers.
const BYSTANDERS: usize = 3;

/// What sockets sent in one stretch, and what the clocks of their links and spurs had to send by their rates.
#[derive(Clone, Copy, Debug)]
struct Reading {
    sent: u64,
    clocks: f64,
}

/// Alice's socket and those of the bystanders together.
///
/// Links and spurs come and go, many of them by the clocks of other nodes, so two counts alone cannot be compared: what counts is how far each is
/// from the clocks that ran at that time. What a computer loses that has too much to do, and what nodes of that age send besides (spurs that are
/// opened, the upkeep of the ring), the bystanders tell, at whose clocks nobody writes.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    hers: Reading,
    others: Reading,
}

impl Stretch {
    /// What her socket sends where all is as with the bystanders.
    fn expected(&self) -> f64 {
        self.hers.clocks * self.others.sent as f64 / self.others.clocks
    }

    /// Variance of what she sent beyond it: a Poisson count has its mean as variance, and the clocks' sums are known.
    fn variance(&self) -> f64 {
        self.hers.sent as f64 + self.expected().powi(2) / self.others.sent as f64
    }
}

/// A stretch in which nobody writes and one in which Alice does.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    idle: Stretch,
    busy: Stretch,
}

impl Comparison {
    /// Standard deviation of the difference.
    fn sigma(&self) -> f64 {
        (self.idle.variance() + self.busy.variance()).sqrt()
    }

    /// So many more packets than the clocks explain while she wrote, compared with before.
    fn difference(&self) -> f64 {
        let beyond = |stretch: &Stretch| stretch.hers.sent as f64 - stretch.expected();
        beyond(&self.busy) - beyond(&self.idle)
    }

    fn agrees(&self) -> bool {
        self.difference().abs() <= CHANCE * self.sigma()
    }

    /// The same with so many more packets while she wrote.
    fn with_more(mut self, packets: u64) -> Comparison {
        self.busy.hers.sent += packets;
        self
    }
}

#[test]
fn a_rate_that_follows_the_person_is_told_from_chance() {
    let reading = |sent, clocks| Reading { sent, clocks };
    let stretch = |sent| Stretch {
        hers: reading(sent, 2000.0),
        others: reading(6000, 6000.0),
    };
    let of = |idle, busy| Comparison {
        idle: stretch(idle),
        busy: stretch(busy),
    };
    assert!((of(2000, 2000).sigma() - 73.03).abs() < 0.01);
    assert!(of(2000, 2000).agrees());
    assert!(of(2000, 2600).agrees(), "7.8 sigma are granted");
    assert!(!of(2000, 2660).agrees(), "8.5 sigma are not");
    assert!(
        !of(2660, 2000).agrees(),
        "a rate that falls tells as much as one that rises"
    );
    assert!(!of(2000, 2000).with_more(700).agrees());
    let more_links = Comparison {
        idle: stretch(2000),
        busy: Stretch {
            hers: reading(2600, 2600.0),
            ..stretch(0)
        },
    };
    assert!(more_links.agrees(), "a link more is not the person");
    let slow = |sent| Comparison {
        idle: stretch(2000),
        busy: Stretch {
            others: reading(3600, 6000.0),
            ..stretch(sent)
        },
    };
    assert!(slow(1200).agrees(), "a slow computer is not the person");
    assert!(!slow(2000).agrees(), "nor does it hide her");
}

/// Cells per second that the clocks of a node's links and spurs tick now.
fn rate(network: &NetworkInfo) -> f64 {
    let ticking = network.links.iter().filter(|row| row.state != "dialling");
    ticking.map(|row| row.rate).sum()
}

/// Lets a stretch of time pass and counts what the sockets send.
fn stretch(a: &mut Someone, b: &mut Someone, others: &mut [Someone]) -> Stretch {
    let sent = |others: &[Someone]| others.iter().map(|other| other.counts().sent).sum::<u64>();
    let (start, before, others_before) = (Instant::now(), a.counts().sent, sent(others));
    let (mut hers, mut theirs, mut looked) = (0.0, 0.0, start);
    while start.elapsed() < STRETCH {
        pass(LOOK, a, b);
        others.iter_mut().for_each(Someone::listen);
        let now = Instant::now();
        let span = now.duration_since(looked).as_secs_f64();
        hers += rate(&a.network) * span;
        theirs += others.iter().map(|other| rate(&other.network)).sum::<f64>() * span;
        looked = now;
    }
    Stretch {
        hers: Reading {
            sent: a.counts().sent - before,
            clocks: hers,
        },
        others: Reading {
            sent: sent(others) - others_before,
            clocks: theirs,
        },
    }
}

#[test]
fn every_socket_sends_512_bytes_and_nothing_else_and_no_faster_while_its_person_writes() {
    let _room = room::alone();
    #[cfg(target_os = "linux")]
    let tap = crate::tap::Tap::open();
    let network = Network::start(RELAYS);
    let start = Instant::now();
    let [mut alice, mut bob] = network.acquainted(["Alice", "Bob"]);
    let mut others: Vec<Someone> = (0..BYSTANDERS)
        .map(|n| network.person(&format!("Bystander {n}")))
        .collect();
    meet(&mut alice, &mut bob);
    let young = GROWN.saturating_sub(start.elapsed());
    pass(young, &mut alice, &mut bob);

    let idle = stretch(&mut alice, &mut bob, &mut others);
    let text = "x".repeat(LENGTH);
    let numbers: Vec<u64> = (0..MESSAGES)
        .map(|n| alice.say(&bob.id, &format!("{n} {text}")))
        .collect();
    let busy = stretch(&mut alice, &mut bob, &mut others);
    let comparison = Comparison { idle, busy };
    let confirmed = numbers.iter().filter(|n| alice.confirmed(**n).is_some());
    println!(
        "Alice's socket in {STRETCH:?}: {} packets idle where {:.0} were expected, {} where {:.0} were while {MESSAGES} messages of {LENGTH} bytes \
         wait and leave ({} confirmed); difference {:+.0}, sigma {:.1}: {:+.2} sigma",
        idle.hers.sent,
        idle.expected(),
        busy.hers.sent,
        busy.expected(),
        confirmed.count(),
        comparison.difference(),
        comparison.sigma(),
        comparison.difference() / comparison.sigma()
    );
    assert!(comparison.agrees(), "{comparison:?}");
    let parcels = (MESSAGES * LENGTH.div_ceil(PARCEL_TEXT)) as u64;
    let without = Comparison { busy: idle, idle };
    assert!(
        !without.with_more(parcels).agrees(),
        "a program that sends a packet for each of {parcels} parcels would not be noticed: {comparison:?}"
    );
    let first = numbers[0];
    wait("the first of them", &mut alice, &mut bob, |a, _| {
        a.confirmed(first)
    });

    // All receivers are sockets of this network: what any of them sent in another size, one of them got.
    let sockets = || {
        let people = [&alice, &bob].into_iter().chain(&others);
        let people = people.map(|person| person.client.node());
        network.relays.iter().chain(people)
    };
    let sum = |count: fn(&paratox::net::counters::Counts) -> u64| -> u64 {
        sockets().map(|node| count(&node.counts())).sum()
    };
    let (sent, received, odd) = (sum(|c| c.sent), sum(|c| c.received), sum(|c| c.other_sizes));
    println!(
        "{} sockets: {sent} sent, {received} received, {odd} of another size",
        RELAYS + 2 + BYSTANDERS
    );
    assert_eq!(odd, 0);
    assert!(
        received as f64 > 0.99 * sent as f64,
        "{received} of {sent} arrived: too many were not seen"
    );

    #[cfg(target_os = "linux")]
    match tap {
        Err(error) => println!(
            "no tap on the loopback interface here ({error}): the sockets' own counts stand alone"
        ),
        Ok(tap) => {
            let seen = tap.stop();
            for node in sockets() {
                let lengths = seen.get(&node.local().port()).cloned().unwrap_or_default();
                let total: u64 = lengths.values().sum();
                assert_eq!(
                    lengths.keys().collect::<Vec<_>>(),
                    [&paratox::wire::size::DATAGRAM],
                    "payloads on the wire from {}",
                    node.local()
                );
                let counted = node.counts().sent;
                assert!(
                    total <= counted && total as f64 > 0.95 * counted as f64,
                    "{}: {total} seen on the wire, {counted} counted at the socket",
                    node.local()
                );
            }
            println!("the tap on the loopback interface agrees");
        }
    }
}
