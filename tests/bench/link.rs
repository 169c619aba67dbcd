//! What a link costs: a tick, a cell from one end to the other, a refused cell, a handshake.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paratox::crypto::keys::NodeKey;
use paratox::crypto::random::Stream;
use paratox::node::link::{AssocId, DialTarget, LinkConfig, LinkOutput, Links, Purpose};
use paratox::wire::class::Class;
use paratox::wire::peer::Peer;
use paratox::wire::size::{BODY, DATAGRAM};
use paratox::wire::time::{Moment, Now, UnixMs};

struct Pair {
    now: Now,
    ends: [Links; 2],
    peers: [Peer; 2],
    up: [Option<AssocId>; 2],
    /// Cells handed over, and bodies that came out.
    cells: u64,
    bodies: u64,
}

fn end(n: u8) -> (Links, Peer) {
    let root = Stream::from_seed([n; 32]);
    let key = Arc::new(NodeKey::generate(&mut root.fork("key", b"")));
    let peer = Peer {
        node: key.id(),
        addr: SocketAddr::from(([9, n, 0, 1], 4000)),
    };
    let config = LinkConfig {
        class: Class::Fast,
        lan: false,
        entry: None,
        shaping: paratox::node::Shaping::On,
    };
    (
        Links::new(
            config,
            key,
            &root.fork("schedule", b""),
            &root.fork("crypto", b""),
        ),
        peer,
    )
}

impl Pair {
    fn new() -> Pair {
        let ((a, peer_a), (b, peer_b)) = (end(1), end(2));
        let now = Now {
            at: Moment(0),
            unix: UnixMs(1_800_000_000_000),
        };
        Pair {
            now,
            ends: [a, b],
            peers: [peer_a, peer_b],
            up: [None; 2],
            cells: 0,
            bodies: 0,
        }
    }

    fn linked() -> Pair {
        let mut pair = Pair::new();
        pair.ends[0].dial(pair.now, DialTarget::from(pair.peers[1]), Purpose::Link);
        pair.exchange();
        while pair.up[1].is_none() || pair.now.at < Moment(20_000_000) {
            pair.step();
        }
        pair
    }

    /// The next tick of either end, and its cell delivered.
    fn step(&mut self) {
        let next = self
            .ends
            .iter()
            .map(Links::next_timeout)
            .min()
            .unwrap_or(Moment::NEVER);
        self.now.at = self.now.at.max(next);
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
        self.exchange();
    }

    fn exchange(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for n in 0..2 {
                while let Some(output) = self.ends[n].poll_output() {
                    match output {
                        LinkOutput::Transmit { cell, .. } => {
                            let from = self.peers[n].addr;
                            self.ends[1 - n].handle_datagram(self.now, from, &cell[..]);
                            self.cells += 1;
                            quiet = false;
                        }
                        LinkOutput::Up { assoc, .. } => self.up[n] = Some(assoc),
                        LinkOutput::Body { .. } => self.bodies += 1,
                        _ => {}
                    }
                }
            }
        }
    }
}

fn link(c: &mut Criterion) {
    let mut group = c.benchmark_group("link");
    group.throughput(Throughput::Elements(1));

    let mut pair = Pair::linked();
    group.bench_function("chaff: tick, seal, open", |b| b.iter(|| pair.step()));

    let mut pair = Pair::linked();
    let mut lane = 0u32;
    group.bench_function("body: queue, tick, seal, open, hand up", |b| {
        b.iter(|| {
            lane = (lane + 1) % 60;
            for n in 0..2 {
                if let Some(id) = pair.up[n] {
                    let _ = black_box(pair.ends[n].send(id, lane, &[7; BODY]));
                }
            }
            pair.step();
        });
    });
    assert!(pair.bodies > 0);

    let mut pair = Pair::linked();
    let mut random = Stream::from_seed([3; 32]);
    let cells: Vec<[u8; DATAGRAM]> = (0..64).map(|_| random.bytes()).collect();
    let stranger = SocketAddr::from(([8, 8, 8, 8], 53));
    let mut n = 0;
    group.bench_function("refuse a random cell", |b| {
        b.iter(|| {
            n = (n + 1) % cells.len();
            pair.ends[1].handle_datagram(pair.now, stranger, black_box(&cells[n]));
        });
    });
    group.finish();
}

fn handshake(c: &mut Criterion) {
    let mut pair = Pair::new();
    c.bench_function("handshake, both ends", |b| {
        b.iter(|| {
            // A second apart, so that no limit on calls is met.
            pair.now.at = pair.now.at.after_seconds(1.0);
            pair.ends[0].dial(pair.now, DialTarget::from(pair.peers[1]), Purpose::Contact);
            pair.exchange();
        });
    });
}

criterion_group!(benches, link, handshake);
criterion_main!(benches);
