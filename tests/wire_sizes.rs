//! What Eve reads off the sockets of a real network: one size, and a rate that does not tell when its person writes.
//!
//! Over real sockets chance decides with; that a person's writing moves no datagram at all is shown in virtual time (`twin_worlds`).

mod loopback;

#[cfg(target_os = "linux")]
mod tap;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use loopback::{Network, Someone, meet, pass, wait};
use paratox::node::person::NetworkInfo;

const RELAYS: usize = 8;
/// What the person writes while Eve counts.
const MESSAGES: usize = 50;
/// Bytes of one of them: ten parcels.
const LENGTH: usize = 2_700;
/// Text bytes of a parcel, as PROTOCOL.md says.
const PARCEL_TEXT: usize = 280;
/// One stretch of counting.
const STRETCH: Duration = Duration::from_secs(10);
/// Standard deviations that chance is granted: one honest run in 1.7 million is beyond.
const CHANCE: f64 = 5.0;
/// Chosen and accepted links are made and replaced on the network's clocks. A comparison across such a change says nothing; so many may be
/// started anew, and if links change each time the test fails: they would follow the person.
const ATTEMPTS: usize = 6;

/// Counts of a Poisson clock in two stretches of equal length.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    idle: u64,
    busy: u64,
}

impl Comparison {
    /// Standard deviation of the difference if one clock made both: the sum of two Poisson counts has its mean as variance.
    fn sigma(&self) -> f64 {
        ((self.idle + self.busy) as f64).sqrt()
    }

    fn difference(&self) -> f64 {
        self.busy as f64 - self.idle as f64
    }

    fn agrees(&self) -> bool {
        self.difference().abs() <= CHANCE * self.sigma()
    }

    /// The same with so many more packets while the person wrote.
    fn with_more(&self, packets: u64) -> Comparison {
        Comparison {
            busy: self.busy + packets,
            ..*self
        }
    }
}

#[test]
fn a_rate_that_follows_the_person_is_told_from_chance() {
    let of = |idle, busy| Comparison { idle, busy };
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
}

/// Who is linked with the node now: links and spurs, each with its state.
fn neighbours(network: &NetworkInfo) -> BTreeSet<String> {
    let links = network.links.iter().filter(|link| link.purpose == "link");
    links
        .map(|link| format!("{:?} {}", link.node, link.state))
        .collect()
}

/// Cells the person's socket sends in one stretch.
fn stretch(a: &mut Someone, b: &mut Someone) -> u64 {
    let before = a.counts().sent;
    pass(STRETCH, a, b);
    a.counts().sent - before
}

/// One stretch in which nobody writes, one in which Alice writes all the messages, without a change of links in between.
fn compare(alice: &mut Someone, bob: &mut Someone) -> (Comparison, usize) {
    let text: String = "x".repeat(LENGTH);
    for attempt in 1..=ATTEMPTS {
        // What was written before has to be gone, or the idle stretch would not be idle.
        pass(Duration::from_secs(2), alice, bob);
        let links = neighbours(&alice.network);
        let idle = stretch(alice, bob);
        if neighbours(&alice.network) != links {
            println!("attempt {attempt}: links changed while nobody wrote");
            continue;
        }
        let start = Instant::now();
        let numbers: Vec<u64> = (0..MESSAGES)
            .map(|n| alice.say(&bob.id, &format!("{n} {text}")))
            .collect();
        let writing = start.elapsed();
        let busy = stretch(alice, bob);
        let arrived = numbers.iter().filter(|n| alice.confirmed(**n).is_some());
        let arrived = arrived.count();
        println!(
            "attempt {attempt}: writing took {writing:?}, {arrived} messages confirmed within"
        );
        if neighbours(&alice.network) == links {
            let first = numbers[0];
            wait("the first of the messages", alice, bob, |a, _| {
                a.confirmed(first)
            });
            return (Comparison { idle, busy }, numbers.len());
        }
        println!("attempt {attempt}: links changed while Alice wrote");
        wait("the messages", alice, bob, |a, _| {
            numbers
                .iter()
                .all(|n| a.confirmed(*n).is_some())
                .then_some(())
        });
    }
    panic!("the links of the node changed in each of {ATTEMPTS} attempts");
}

#[test]
fn every_socket_sends_512_bytes_and_nothing_else_and_no_faster_while_its_person_writes() {
    if std::env::var_os("PARATOX_LONG").is_none() {
        eprintln!("only with PARATOX_LONG=1: a whole network and 500 parcels take minutes");
        return;
    }
    #[cfg(target_os = "linux")]
    let tap = tap::Tap::open();
    let network = Network::start(RELAYS);
    let [mut alice, mut bob] = network.acquainted(["Alice", "Bob"]);
    meet(&mut alice, &mut bob);

    let (comparison, messages) = compare(&mut alice, &mut bob);
    println!(
        "Alice's socket in {STRETCH:?}: {} packets idle, {} while she wrote {messages} messages of {LENGTH} bytes; \
         difference {:+}, sigma {:.1}: {:+.2} sigma",
        comparison.idle,
        comparison.busy,
        comparison.difference(),
        comparison.sigma(),
        comparison.difference() / comparison.sigma()
    );
    assert!(comparison.agrees(), "{comparison:?}");
    let parcels = (messages * LENGTH.div_ceil(PARCEL_TEXT)) as u64;
    assert!(
        !Comparison {
            busy: comparison.idle,
            ..comparison
        }
        .with_more(parcels)
        .agrees(),
        "a program that sends a packet for each of {parcels} parcels would not be noticed: {comparison:?}"
    );

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
