//! What Eve reads off the sockets of a real network: one size, and a rate that does not tell when its person writes.
//!
//! Over real sockets chance decides with; that a person's writing moves no datagram at all is shown in virtual time (`twin_worlds`).

use std::time::{Duration, Instant};

use crate::loopback::{Network, Someone, meet, pass, wait};
use crate::room;
use paratox::node::person::NetworkInfo;

const RELAYS: usize = 24;
/// What the person writes while Eve counts.
const MESSAGES: usize = 50;
/// Bytes of one of them: ten parcels.
const LENGTH: usize = 2_700;
/// Text bytes of a parcel, as PROTOCOL.md says.
const PARCEL_TEXT: usize = 280;
/// One stretch of counting.
const STRETCH: Duration = Duration::from_secs(15);
/// Between two looks at the links.
const LOOK: Duration = Duration::from_millis(100);
/// Links, circuits and spurs are quicker in their first seconds (20, 15 and 30); this long after the start of the two all of that is over.
const GROWN: Duration = Duration::from_secs(45);
/// Standard deviations that chance is granted: one honest run in 1.7 million is beyond.
const CHANCE: f64 = 5.0;

/// What a socket sent in one stretch, and what the clocks of its links and spurs had to send by their rates.
///
/// Links and spurs come and go, many of them by the clocks of other nodes, so two counts alone cannot be compared: what counts is how far
/// each is from the clocks that ran at that time. What remains besides is the upkeep of the ring, the same at all times. A clock of a computer
/// that has too much to do loses ticks; how many, the relays tell, at whose clocks nobody writes.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    sent: u64,
    clocks: f64,
    /// Sent by all relays together.
    relays: u64,
}

/// A stretch in which nobody writes and one in which Alice does.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    idle: Stretch,
    busy: Stretch,
}

impl Comparison {
    /// Standard deviation of the difference: a Poisson count has its mean as variance, and the clocks' sums are known.
    fn sigma(&self) -> f64 {
        ((self.idle.sent + self.busy.sent) as f64).sqrt()
    }

    /// So many more packets than the clocks explain while she wrote, compared with before.
    fn difference(&self) -> f64 {
        let pace = self.busy.relays as f64 / self.idle.relays as f64;
        let beyond = |stretch: Stretch, pace| stretch.sent as f64 - stretch.clocks * pace;
        beyond(self.busy, pace) - beyond(self.idle, 1.0)
    }

    fn agrees(&self) -> bool {
        self.difference().abs() <= CHANCE * self.sigma()
    }

    /// The same with so many more packets while she wrote.
    fn with_more(mut self, packets: u64) -> Comparison {
        self.busy.sent += packets;
        self
    }
}

#[test]
fn a_rate_that_follows_the_person_is_told_from_chance() {
    let stretch = |sent| Stretch {
        sent,
        clocks: 2000.0,
        relays: 50_000,
    };
    let of = |idle, busy| Comparison {
        idle: stretch(idle),
        busy: stretch(busy),
    };
    assert!(of(2000, 2000).agrees());
    assert!(of(2000, 2300).agrees(), "4.6 sigma are granted");
    assert!(!of(2000, 2330).agrees(), "5.03 sigma are not");
    assert!(
        !of(2330, 2000).agrees(),
        "a rate that falls tells as much as one that rises"
    );
    assert!(!of(0, 26).agrees(), "silence that breaks is seen");
    assert!(!of(2000, 2000).with_more(500).agrees());
    assert!((of(2000, 2500).sigma() - 67.08).abs() < 0.01);
    let more_links = Comparison {
        idle: stretch(2000),
        busy: Stretch {
            sent: 2600,
            clocks: 2600.0,
            relays: 50_000,
        },
    };
    assert!(more_links.agrees(), "a link more is not the person");
    let slow = |sent| Comparison {
        idle: stretch(2000),
        busy: Stretch {
            relays: 40_000,
            ..stretch(sent)
        },
    };
    assert!(slow(1600).agrees(), "a slow computer is not the person");
    assert!(!slow(2000).agrees(), "nor does it hide her");
}

/// Cells per second that the clocks of a node's links and spurs tick now.
fn rate(network: &NetworkInfo) -> f64 {
    let ticking = network.links.iter().filter(|row| row.state != "dialling");
    ticking.map(|row| row.rate).sum()
}

/// Lets a stretch of time pass and counts what the person's socket sends.
fn stretch(network: &Network, a: &mut Someone, b: &mut Someone) -> Stretch {
    let relays = || -> u64 { network.relays.iter().map(|relay| relay.counts().sent).sum() };
    let (start, before, relays_before) = (Instant::now(), a.counts().sent, relays());
    let (mut clocks, mut looked) = (0.0, start);
    while start.elapsed() < STRETCH {
        pass(LOOK, a, b);
        let now = Instant::now();
        clocks += rate(&a.network) * now.duration_since(looked).as_secs_f64();
        looked = now;
    }
    Stretch {
        sent: a.counts().sent - before,
        clocks,
        relays: relays() - relays_before,
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
    meet(&mut alice, &mut bob);
    let young = GROWN.saturating_sub(start.elapsed());
    pass(young, &mut alice, &mut bob);

    let idle = stretch(&network, &mut alice, &mut bob);
    let text = "x".repeat(LENGTH);
    let numbers: Vec<u64> = (0..MESSAGES)
        .map(|n| alice.say(&bob.id, &format!("{n} {text}")))
        .collect();
    let busy = stretch(&network, &mut alice, &mut bob);
    let comparison = Comparison { idle, busy };
    let confirmed = numbers.iter().filter(|n| alice.confirmed(**n).is_some());
    println!(
        "Alice's socket in {STRETCH:?}: {} packets idle where its clocks tick {:.0} times, {} where they tick {:.0} times while {MESSAGES} \
         messages of {LENGTH} bytes wait and leave ({} confirmed), relays' pace {:.3}; difference {:+.0}, sigma {:.1}: {:+.2} sigma",
        idle.sent,
        idle.clocks,
        busy.sent,
        busy.clocks,
        confirmed.count(),
        busy.relays as f64 / idle.relays as f64,
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
        let people = [alice.client.node(), bob.client.node()];
        network.relays.iter().chain(people)
    };
    let sum = |count: fn(&paratox::net::counters::Counts) -> u64| -> u64 {
        sockets().map(|node| count(&node.counts())).sum()
    };
    let (sent, received, odd) = (sum(|c| c.sent), sum(|c| c.received), sum(|c| c.other_sizes));
    println!(
        "{} sockets: {sent} sent, {received} received, {odd} of another size",
        RELAYS + 2
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
