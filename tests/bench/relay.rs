//! A relay's work with its sockets: receive a cell, open it, take a layer off, seal it for the next link, send it.
//!
//! Beside it a bare echo of 512 bytes over the same sockets. `cargo bench --bench relay`; their ratio is what counts, cells a second are
//! the machine's. Only the relay's own thread is timed: cells wait in its socket before the clock starts. On loopback its send also does
//! the receiver's work in the kernel, in both lines alike.

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paratox::crypto::keys::{Ephemeral, NodeKey, Static};
use paratox::crypto::mqv::{Agreed, Side, Transcript, anonymous_from, es_to};
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

fn agreed(random: &mut Stream) -> Agreed {
    let (key, x) = (NodeKey::generate(random), Ephemeral::generate(random));
    es_to(&x, key.public_point(), Transcript::new("bench")).expect("an honest key")
}

/// Times `work`, which turns a received cell into the one that goes on, with its two system calls.
fn carry(
    batches: u64,
    mut cell_for: impl FnMut() -> [u8; CELL],
    mut work: impl FnMut(&mut [u8; CELL]),
) -> Duration {
    let (source, _) = bind();
    let (relay, relay_addr) = bind();
    let (sink, sink_addr) = bind();
    let mut buffer = [0; CELL + 1];
    let mut timed = Duration::ZERO;
    for _ in 0..batches {
        for _ in 0..BATCH {
            source
                .send_to(&cell_for(), relay_addr)
                .expect("loopback takes it");
        }
        let start = Instant::now();
        for _ in 0..BATCH {
            let (length, _) = relay.recv_from(&mut buffer).expect("a cell waits");
            assert_eq!(length, CELL);
            let cell = buffer.first_chunk_mut::<CELL>().expect("one longer");
            work(cell);
            relay.send_to(cell, sink_addr).expect("loopback takes it");
        }
        timed += start.elapsed();
        for _ in 0..BATCH {
            black_box(sink.recv_from(&mut buffer).expect("a cell for each"));
        }
    }
    timed
}

/// Goal: at least 100 000 cells a second of one core, sockets included.
fn relay(c: &mut Criterion) {
    let mut random = Stream::from_seed([4; 32]);
    let node = NodeKey::generate(&mut random);
    let (throwaway, fresh) = (
        Ephemeral::generate(&mut random),
        Ephemeral::generate(&mut random),
    );
    let hop = HopKeys::relay(
        anonymous_from(&node, fresh, throwaway.public(), Transcript::new("bench"))
            .expect("an honest key"),
    );
    let (incoming, outgoing) = (agreed(&mut random), agreed(&mut random));

    let mut group = c.benchmark_group("relay over loopback");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("bare echo: receive, send", |b| {
        b.iter_custom(|batches| carry(batches, || [7; CELL], |_| {}));
    });
    group.bench_function("relay: receive, open, layer, seal, send", |b| {
        b.iter_custom(|batches| {
            // Fresh keys each time: they die after 2^23 cells.
            let mut before = PacketSealer::new(&incoming, Side::Initiator);
            let mut opener = PacketOpener::new(&incoming, Side::Initiator);
            let mut sealer = PacketSealer::new(&outgoing, Side::Initiator);
            carry(
                batches,
                || before.seal(&[7; INNER]).expect("young keys").0,
                |cell| {
                    let (_, mut inner) = opener.open(cell).expect("sealed for it");
                    hop.forward
                        .decrypt(inner.last_chunk_mut::<BLOCK>().expect("longer"));
                    *cell = sealer.seal(&inner).expect("young keys").0;
                },
            )
        });
    });
    group.finish();
}

criterion_group!(benches, relay);
criterion_main!(benches);
