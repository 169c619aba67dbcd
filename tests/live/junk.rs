//! A hundred thousand datagrams of junk at a real node on a real socket: it answers none of them, and goes on chatting meanwhile.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::loopback::{self, Network, meet, wait};
use crate::room;
use paratox::cli::demo;
use paratox::crypto::id::NodeId;
use paratox::crypto::keys::NodeKey;
use paratox::crypto::random::Stream;
use paratox::net::driver::{Machine, Output};
use paratox::net::seed;
use paratox::node::link::{DialTarget, LinkConfig, LinkOutput, Links, Purpose};
use paratox::node::person::{NetworkInfo, NodeCommand};
use paratox::node::{Node, Shaping};
use paratox::wire::class::Class;
use paratox::wire::peer::Peer;
use paratox::wire::size::DATAGRAM;
use paratox::wire::time::{Moment, Now};

const RELAYS: usize = 8;
/// Datagrams of junk.
const JUNK: u64 = 100_000;
/// Sent before looking whether they arrived: an eighth of what the node's inbox holds, so that nothing is lost on the way.
const BURST: u64 = 256;
/// Strangers that send them, each with a socket of its own: a source of its own for every limit that counts sources.
const STRANGERS: usize = 8;
/// Cells of the node's own neighbours that Eve has recorded.
const RECORDED: usize = 64;
/// How long a burst may take to arrive before what is missing counts as lost.
const ARRIVAL: Duration = Duration::from_secs(5);

type Cell = [u8; DATAGRAM];

/// What is seen of the node from within, so that a lost datagram cannot pass for an unanswered one.
#[derive(Default)]
struct Watch {
    strangers: Mutex<BTreeSet<SocketAddr>>,
    /// Cells of strangers that the node was given.
    seen: AtomicU64,
    /// Cells that the node made for strangers.
    answered: AtomicU64,
    /// The node's own count of what opened nothing.
    dropped: AtomicU64,
    recorded: Mutex<Vec<Cell>>,
}

impl Watch {
    fn strangers(&self) -> MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.strangers.lock().expect("no panic in between")
    }
}

/// The node, watched.
struct Watched {
    node: Node,
    watch: Arc<Watch>,
}

impl Machine for Watched {
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        self.node.handle_datagram(now, from, bytes);
        self.watch
            .dropped
            .store(self.node.info(now).dropped, Ordering::SeqCst);
        if self.watch.strangers().contains(&from) {
            self.watch.seen.fetch_add(1, Ordering::SeqCst);
        } else {
            let mut recorded = self.watch.recorded.lock().expect("no panic in between");
            if recorded.len() < RECORDED {
                recorded.extend(Cell::try_from(bytes));
            }
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        self.node.handle_timeout(now);
    }

    fn stood_still(&mut self, now: Now) {
        self.node.stood_still(now);
    }

    fn command(&mut self, now: Now, command: NodeCommand) {
        self.node.command(now, command);
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = Machine::poll_output(&mut self.node);
        if let Some(Output::Transmit { to, .. }) = &output
            && self.watch.strangers().contains(to)
        {
            self.watch.answered.fetch_add(1, Ordering::SeqCst);
        }
        output
    }

    fn next_timeout(&self) -> Moment {
        self.node.next_timeout()
    }

    fn info(&self, now: Now) -> NetworkInfo {
        self.node.info(now)
    }
}

fn stranger() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("loopback")
}

/// A real INIT that calls this node, made by the program's own links.
fn init(random: &Stream, network: &Network, node: NodeId, addr: SocketAddr) -> Cell {
    let key = Arc::new(NodeKey::generate(&mut random.fork("key", b"")));
    let config = LinkConfig {
        class: Class::Fast,
        lan: true,
        entry: None,
        shaping: Shaping::On,
    };
    let (schedule, crypto) = (random.fork("schedule", b""), random.fork("crypto", b""));
    let mut links = Links::new(config, key, &schedule, &crypto);
    let target = DialTarget::from(Peer { node, addr });
    links.dial(network.clock.now(), target, Purpose::Contact);
    match links.poll_output() {
        Some(LinkOutput::Transmit { cell, .. }) => *cell,
        other => panic!("a call begins with its first cell, not {other:?}"),
    }
}

/// What came in at a socket since the last look, by length.
fn received(socket: &UdpSocket) -> Vec<usize> {
    socket.set_nonblocking(true).expect("a socket");
    let mut buffer = [0; 2048];
    let mut lengths = Vec::new();
    while let Ok((length, _)) = socket.recv_from(&mut buffer) {
        lengths.push(length);
    }
    lengths
}

/// Calls the node as a stranger who knows its NodeId may: exactly one answer, no longer than the call.
fn is_answered(socket: &UdpSocket, init: &Cell, addr: SocketAddr) {
    socket.send_to(init, addr).expect("loopback takes it");
    let start = Instant::now();
    let mut lengths = Vec::new();
    while lengths.is_empty() {
        assert!(
            start.elapsed() < loopback::PATIENCE,
            "a real call gets an answer"
        );
        std::thread::sleep(Duration::from_millis(5));
        lengths = received(socket);
    }
    assert_eq!(lengths, [DATAGRAM]);
}

/// Changes one to eight bits.
fn flipped(random: &mut Stream, cell: &Cell) -> Cell {
    let mut changed = *cell;
    while changed == *cell {
        for _ in 0..=random.below(8) {
            changed[random.below(DATAGRAM as u64) as usize] ^= 1 << random.below(8);
        }
    }
    changed
}

/// The next piece of junk. Nothing of it is longer than a datagram on a wire may be.
fn junk(random: &mut Stream, inits: &[Cell], recorded: &[Cell]) -> Vec<u8> {
    let one_of =
        |random: &mut Stream, cells: &[Cell]| cells[random.below(cells.len() as u64) as usize];
    match random.below(100) {
        0..40 => random.bytes::<DATAGRAM>().to_vec(),
        40..50 => {
            let length = random.below(1400) as usize;
            let length = if length == DATAGRAM { 0 } else { length };
            let mut bytes = vec![0; length];
            random.fill(&mut bytes);
            bytes
        }
        50..70 => {
            let cell = one_of(random, inits);
            flipped(random, &cell).to_vec()
        }
        70..80 => one_of(random, inits).to_vec(),
        80..90 => one_of(random, recorded).to_vec(),
        _ => {
            let cell = one_of(random, recorded);
            flipped(random, &cell).to_vec()
        }
    }
}

#[test]
fn a_node_answers_none_of_a_hundred_thousand_junk_datagrams_and_its_person_chats_on() {
    let _room = room::shared();
    let network = Network::start(RELAYS);
    let random = Stream::from_seed([42; 32]);
    let (socket, addr) = demo::loopback().expect("loopback");
    let node = Node::new(
        demo::config(addr, &network.entries, None),
        &seed::fresh().expect("the system gives randomness"),
        network.clock.now(),
    );
    let id = node.id();
    let watch = Arc::new(Watch::default());
    let watched = Watched {
        node,
        watch: watch.clone(),
    };
    let [alice, bob] = loopback::keys();
    let (alice_id, bob_id) = (alice.id(), bob.id());
    let mut bob = network.person_with("Bob", bob, &[(alice_id, "Alice")], socket, watched);
    let mut alice = network.person_knowing("Alice", alice, &[(bob_id, "Bob")]);
    meet(&mut alice, &mut bob);

    // The node does answer what deserves it: two real calls, which Eve has captured by that.
    let strangers: Vec<UdpSocket> = (0..STRANGERS).map(|_| stranger()).collect();
    let inits: Vec<Cell> = (0..2u8)
        .map(|n| init(&random.fork("caller", &[n]), &network, id, addr))
        .collect();
    for (socket, init) in strangers.iter().zip(&inits) {
        is_answered(socket, init, addr);
    }
    let recorded = watch.recorded.lock().expect("no panic in between").clone();
    assert_eq!(recorded.len(), RECORDED, "Eve has seen real cells");
    watch.strangers().extend(
        strangers
            .iter()
            .map(|socket| socket.local_addr().expect("bound")),
    );

    let before = bob.counts();
    let dropped_before = watch.dropped.load(Ordering::SeqCst);
    let mut draw = random.fork("junk", b"");
    let (mut cells, mut odd, mut lost) = (0, 0, 0);
    let during = alice.say(&bob.id, "in the middle of it");
    let start = Instant::now();
    for n in 1..=JUNK {
        let bytes = junk(&mut draw, &inits, &recorded);
        match bytes.len() == DATAGRAM {
            true => cells += 1,
            false => odd += 1,
        }
        // Replays come from the socket of the call they repeat as well as from others.
        let socket = &strangers[draw.below(STRANGERS as u64) as usize];
        socket.send_to(&bytes, addr).expect("loopback takes it");
        if n % BURST == 0 || n == JUNK {
            let burst = Instant::now();
            let arrived = || {
                let odd = bob.counts().other_sizes - before.other_sizes;
                watch.seen.load(Ordering::SeqCst) + odd
            };
            while arrived() + lost < n {
                if burst.elapsed() > ARRIVAL {
                    lost = n - arrived();
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
    let took = start.elapsed();

    let seen = watch.seen.load(Ordering::SeqCst);
    let after = bob.counts();
    let odd_seen = after.other_sizes - before.other_sizes;
    let dropped = watch.dropped.load(Ordering::SeqCst) - dropped_before;
    println!(
        "junk: {cells} cells and {odd} of other lengths in {took:?}; the node was given {seen}, dropped {dropped}, \
         its socket refused {odd_seen}; lost on the way {lost}, inbox full {}",
        after.inbox_full - before.inbox_full
    );
    assert!(
        seen + odd_seen >= JUNK - JUNK / 100,
        "only {seen} + {odd_seen} of {JUNK} reached the node: this run shows nothing"
    );
    assert!(
        dropped >= seen,
        "the node took {} junk cells for something",
        seen - dropped
    );

    // Goes on as if nothing had been.
    wait(
        "a message sent into the flood",
        &mut alice,
        &mut bob,
        |a, _| a.confirmed(during),
    );
    for n in 0..5 {
        let (to_bob, to_alice) = (format!("to Bob {n}"), format!("to Alice {n}"));
        let numbers = (alice.say(&bob.id, &to_bob), bob.say(&alice.id, &to_alice));
        wait(
            "a message each way after it",
            &mut alice,
            &mut bob,
            |a, b| {
                a.confirmed(numbers.0)?;
                b.confirmed(numbers.1)?;
                a.heard(&to_alice).and(b.heard(&to_bob))
            },
        );
    }
    let newcomer = stranger();
    let call = init(&random.fork("caller", b"after"), &network, id, addr);
    is_answered(&newcomer, &call, addr);

    // By now every answer would have arrived.
    assert_eq!(watch.answered.load(Ordering::SeqCst), 0);
    for socket in &strangers {
        assert_eq!(received(socket), [0usize; 0], "junk was answered");
    }
}
