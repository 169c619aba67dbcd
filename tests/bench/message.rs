//! How long a message takes from one person's Enter to the other's screen, in a network as `paratox demo` makes it.
//!
//! `cargo bench --bench message` prints the figures. Nodes, sockets, disks and clocks are the real ones; the delay of a wire is missing,
//! because loopback has none. One message at a time: the next is written at a random moment after the one before has arrived, so that no
//! message waits for another and none keeps step with a clock.

#[path = "../loopback/mod.rs"]
mod loopback;

use std::time::{Duration, Instant};

use loopback::{Network, meet, pass, wait};
use paratox::cli::demo;
use paratox::crypto::random::Stream;
use paratox::net::seed;

/// Messages that are timed, and those written before the clock counts.
const MESSAGES: usize = 50;
const WARM: usize = 5;
/// Links leave their quick start behind before anything is timed.
const SETTLE: Duration = Duration::from_secs(20);
/// The random pause between two messages, in milliseconds.
const PAUSE_MS: u64 = 700;

/// The value below which this share of the sorted times lies (nearest rank).
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    println!(
        "{what:<46} p50 {:>6.0} ms   p95 {:>6.0} ms   longest {:>6.0} ms   ({} messages)",
        percentile(times, 0.50).as_secs_f64() * 1e3,
        percentile(times, 0.95).as_secs_f64() * 1e3,
        percentile(times, 1.0).as_secs_f64() * 1e3,
        times.len()
    );
}

fn main() {
    let start = Instant::now();
    let network = Network::start(demo::RELAYS);
    let watcher = network.person("Watcher");
    let [mut user, mut echo] = network.acquainted(["You", "Echo"]);
    println!(
        "{} nodes of class fast, three of them with a person",
        demo::RELAYS + 3
    );
    meet(&mut user, &mut echo);
    println!(
        "start to the first message confirmed each way   {:.1} s",
        start.elapsed().as_secs_f64()
    );
    pass(SETTLE, &mut user, &mut echo);

    let mut random = Stream::from_seed(*seed::fresh().expect("the system gives randomness"));
    let (mut one_way, mut confirmed) = (Vec::new(), Vec::new());
    for n in 0..WARM + MESSAGES {
        let text = format!("message {n}");
        let written = Instant::now();
        let number = user.say(&echo.id, &text);
        let (shown, receipt) = wait("a message", &mut user, &mut echo, |user, echo| {
            Some((echo.heard(&text)?, user.confirmed(number)?))
        });
        if n >= WARM {
            one_way.push(shown.duration_since(written));
            confirmed.push(receipt.duration_since(written));
        }
        let pause = Duration::from_millis(random.below(PAUSE_MS));
        pass(pause, &mut user, &mut echo);
    }
    print("one way, written to shown", &mut one_way);
    print("and back, written to confirmed", &mut confirmed);
    let late = user.counts();
    println!(
        "the user's socket: {} cells sent, {} of them later than 20 ms",
        late.sent, late.late
    );
    drop(watcher);
}
