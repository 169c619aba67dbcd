//! A relay's work with its sockets: receive a cell, open it, take a layer off, seal it for the next link, send it.
//!
//! Beside it a bare echo of 512 bytes over the same sockets. `cargo bench --bench relay`; their ratio is what counts, cells a second are
//! the machine's. `-- ratio` prints the ratio alone. Only the relay's own thread is timed: cells wait in its socket before the clock
//! starts. On loopback its send also does the receiver's work in the kernel, in both lines alike.

mod keys;
mod ratio;

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use paratox::crypto::mqv::Side;
use paratox::crypto::onion::{BLOCK, HopKeys};
use paratox::crypto::packet::{CELL, INNER, PacketOpener, PacketSealer};
use paratox::crypto::random::Stream;
use paratox::net::socket;

/// Cells that wait at once: what the socket's buffer holds for certain.
const BATCH: usize = 128;

fn bind() -> (UdpSocket, SocketAddr) {
    let socket = socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback");
    socket.set_nonblocking(false).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a duration");
    let addr = socket.local_addr().expect("bound");
    (socket, addr)
}

/// Three sockets: cells come from the first, the second is the relay's, what goes on arrives at the third.
struct Way {
    source: UdpSocket,
    relay: UdpSocket,
    relay_addr: SocketAddr,
    sink: UdpSocket,
    sink_addr: SocketAddr,
}

impl Way {
    fn new() -> Way {
        let ((source, _), (relay, relay_addr), (sink, sink_addr)) = (bind(), bind(), bind());
        Way {
            source,
            relay,
            relay_addr,
            sink,
            sink_addr,
        }
    }

    /// Times `work` on a batch: it turns a received cell into the one that goes on; with its two system calls.
    fn carry(
        &self,
        mut cell: impl FnMut() -> [u8; CELL],
        mut work: impl FnMut(&mut [u8; CELL]),
    ) -> Duration {
        let mut buffer = [0; CELL + 1];
        for _ in 0..BATCH {
            self.source
                .send_to(&cell(), self.relay_addr)
                .expect("loopback takes it");
        }
        let start = Instant::now();
        for _ in 0..BATCH {
            let (length, _) = self.relay.recv_from(&mut buffer).expect("a cell waits");
            assert_eq!(length, CELL);
            let cell = buffer.first_chunk_mut::<CELL>().expect("one longer");
            work(cell);
            self.relay
                .send_to(cell, self.sink_addr)
                .expect("loopback takes it");
        }
        let timed = start.elapsed();
        for _ in 0..BATCH {
            black_box(self.sink.recv_from(&mut buffer).expect("a cell for each"));
        }
        timed
    }

    fn echo(&self) -> Duration {
        self.carry(|| [7; CELL], |_| {})
    }
}

/// A relay's keys of one circuit and its two links.
struct Relay {
    hop: HopKeys,
    before: PacketSealer,
    opener: PacketOpener,
    sealer: PacketSealer,
}

impl Relay {
    fn new() -> Relay {
        let mut random = Stream::from_seed([4; 32]);
        let (_, hop) = keys::hop(&mut random);
        let (incoming, outgoing) = (keys::link(&mut random), keys::link(&mut random));
        Relay {
            hop,
            before: PacketSealer::new(&incoming, Side::Initiator),
            opener: PacketOpener::new(&incoming, Side::Initiator),
            sealer: PacketSealer::new(&outgoing, Side::Initiator),
        }
    }

    fn carry(&mut self, way: &Way) -> Duration {
        let Relay {
            hop,
            before,
            opener,
            sealer,
        } = self;
        way.carry(
            || before.seal(&[7; INNER]).expect("young keys").0,
            |cell| {
                let (_, mut inner) = opener.open(cell).expect("sealed for it");
                let block = inner.last_chunk_mut::<BLOCK>().expect("longer");
                hop.forward.decrypt(block);
                *cell = sealer.seal(&inner).expect("young keys").0;
            },
        )
    }
}

/// Goal: at least 100 000 cells a second of one core, sockets included.
fn relay(c: &mut Criterion) {
    let way = Way::new();
    let mut group = c.benchmark_group("relay over loopback");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("bare echo: receive, send", |b| {
        b.iter_custom(|batches| (0..batches).map(|_| way.echo()).sum());
    });
    group.bench_function("relay: receive, open, layer, seal, send", |b| {
        b.iter_custom(|batches| {
            // Fresh keys each time: they die after 2^23 cells.
            let mut relay = Relay::new();
            (0..batches).map(|_| relay.carry(&way)).sum()
        });
    });
    group.finish();
}

/// What the goal is about, measured in turn.
fn ratios() {
    let (way, mut relay) = (Way::new(), Relay::new());
    let pair = ratio::in_turn(|| relay.carry(&way), || way.echo());
    let a_second = |time: Duration| format!("{:.1} k", BATCH as f64 / time.as_secs_f64() / 1e3);
    ratio::print(
        "cells a second through a relay",
        a_second(pair.one),
        "100 k",
    );
    ratio::print(
        "cells a second through a bare echo",
        a_second(pair.other),
        "none",
    );
    ratio::print(
        "time of the relay / of the echo",
        format!("{:.2}", pair.ratio),
        "none",
    );
}

criterion_group!(benches, relay);

fn main() {
    if !std::env::args().any(|arg| arg == "ratio") {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
    if ratio::wanted() {
        ratios();
    }
}
