//! Figures of the cryptography: ECMQV against one ECDH, HCTR2 against AES-GCM, a relay's work per cell against copying it.
//!
//! `cargo bench --bench crypto`; the ratios at its end are what counts, absolute times are the machine's. `-- ratio` prints them alone.

mod keys;
mod ratio;

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm::aead::{AeadInOut, KeyInit};
use criterion::{Criterion, Throughput, criterion_group};
use paratox::crypto::aead::Key;
use paratox::crypto::curve::Point;
use paratox::crypto::hctr2::Hctr2;
use paratox::crypto::keys::{Ephemeral, NodeKey, Static};
use paratox::crypto::mqv::{Agreed, Side, Transcript, anonymous_to, known_answer};
use paratox::crypto::onion::{BLOCK, HopKeys};
use paratox::crypto::packet::{CELL, INNER, PacketOpener, PacketSealer};
use paratox::crypto::random::Stream;

/// Whose agreement is timed: an origin that adds a hop.
struct Hop {
    relay: NodeKey,
    throwaway: Ephemeral,
    answer: Point,
}

impl Hop {
    fn new() -> Hop {
        let mut random = Stream::from_seed([2; 32]);
        Hop {
            relay: NodeKey::generate(&mut random),
            throwaway: Ephemeral::generate(&mut random),
            answer: *Ephemeral::generate(&mut random).public(),
        }
    }

    /// ECMQV, the transcript and the secret of it: all that one side of an agreement computes.
    fn agree(&self) -> Agreed {
        let transcript = Transcript::new("bench");
        anonymous_to(
            black_box(&self.throwaway),
            self.relay.public_point(),
            &self.answer,
            transcript,
        )
        .unwrap()
    }
}

/// Goal: `ecmqv` at most 1.35 times `ecdh`.
fn agreement(c: &mut Criterion) {
    let mut random = Stream::from_seed([1; 32]);
    let mut secret = || loop {
        let bytes: [u8; 32] = random.bytes();
        if known_answer::public(&bytes).is_ok() {
            return bytes;
        }
    };
    let (own, ephemeral) = (secret(), secret());
    let (peer, peer_ephemeral) = (
        known_answer::public(&secret()).unwrap(),
        known_answer::public(&secret()).unwrap(),
    );
    let reference = p256::SecretKey::from_slice(&own).unwrap();
    let reference_peer = p256::PublicKey::from_sec1_bytes(peer.bytes()).unwrap();
    // The program's key types keep public keys ready; the door for vectors computes them, so that cost is shown apart.
    let mut group = c.benchmark_group("agreement");
    group.bench_function("ecdh of p256", |b| {
        b.iter(|| black_box(&reference).diffie_hellman(black_box(&reference_peer)))
    });
    group.bench_function("two public keys", |b| {
        b.iter(|| {
            (
                known_answer::public(black_box(&own)).unwrap(),
                known_answer::public(black_box(&ephemeral)).unwrap(),
            )
        })
    });
    group.bench_function("two public keys and raw ecmqv", |b| {
        b.iter(|| {
            known_answer::z(
                black_box(&own),
                &ephemeral,
                black_box(&peer),
                &peer_ephemeral,
            )
            .unwrap()
        })
    });
    let hop = Hop::new();
    group.bench_function("ecmqv with transcript and key", |b| b.iter(|| hop.agree()));
    let mut random = Stream::from_seed([2; 32]);
    group.bench_function("decode a point", |b| {
        b.iter(|| Point::decode(black_box(peer.bytes())).unwrap())
    });
    group.bench_function("generate a key", |b| {
        b.iter(|| Ephemeral::generate(&mut random))
    });
    group.finish();
}

/// Goal: `hctr2` at most 1.7 times `aes-gcm` over the same bytes.
fn ciphers(c: &mut Criterion) {
    let cipher = Hctr2::new(&Key::from_bytes(&[1; 32]));
    let gcm = aes_gcm::Aes256Gcm::new(&[1; 32].into());
    for length in [BLOCK, INNER] {
        let mut group = c.benchmark_group(format!("{length} bytes"));
        group.throughput(Throughput::Bytes(length as u64));
        let tweak = cipher.tweak(b"", length);
        let mut bytes = vec![7u8; length];
        group.bench_function("hctr2 encrypt", |b| {
            b.iter(|| cipher.encrypt(&tweak, black_box(&mut bytes)))
        });
        group.bench_function("hctr2 decrypt", |b| {
            b.iter(|| cipher.decrypt(&tweak, black_box(&mut bytes)))
        });
        group.bench_function("aes-gcm seal", |b| {
            b.iter(|| {
                gcm.encrypt_inout_detached(
                    &[0; 12].into(),
                    b"",
                    black_box(bytes.as_mut_slice()).into(),
                )
                .unwrap()
            })
        });
        group.finish();
    }
    let mut group = c.benchmark_group("key schedule");
    group.bench_function("hctr2", |b| {
        b.iter(|| Hctr2::new(black_box(&Key::from_bytes(&[1; 32]))))
    });
    group.bench_function("aes-gcm", |b| {
        b.iter(|| aes_gcm::Aes256Gcm::new(black_box(&[1; 32].into())))
    });
    group.finish();
}

/// Cells of one measurement. They are sealed beforehand, since each opens only once.
const BATCH: usize = 1024;

/// A relay between two links, and the two sides of its hop.
struct Relay {
    incoming: Agreed,
    outgoing: Agreed,
    origin: HopKeys,
    hop: HopKeys,
}

/// A batch of cells, and what opens them and seals those that go on.
type Batch = (Vec<[u8; CELL]>, PacketOpener, PacketSealer);

impl Relay {
    fn new(random: &mut Stream) -> Relay {
        let (origin, hop) = keys::hop(random);
        Relay {
            origin,
            hop,
            incoming: keys::link(random),
            outgoing: keys::link(random),
        }
    }

    fn batch(&self) -> Batch {
        let mut sealer = PacketSealer::new(&self.incoming, Side::Initiator);
        let cells = (0..BATCH)
            .map(|i| sealer.seal(&[i as u8; INNER]).unwrap().0)
            .collect();
        (
            cells,
            PacketOpener::new(&self.incoming, Side::Initiator),
            PacketSealer::new(&self.outgoing, Side::Initiator),
        )
    }

    /// Open, take the layer off, seal.
    fn carry(&self, (cells, opener, sealer): &mut Batch) {
        for cell in cells.iter() {
            let (_, mut inner) = opener.open(cell).unwrap();
            let block = inner.last_chunk_mut::<BLOCK>().unwrap();
            self.hop.forward.decrypt(block);
            black_box(sealer.seal(&inner).unwrap());
        }
    }
}

/// Goal: `relay work` at most 1.5 µs per cell.
fn relay(c: &mut Criterion) {
    let mut random = Stream::from_seed([3; 32]);
    let relay = Relay::new(&mut random);

    let mut group = c.benchmark_group("per cell");
    group.throughput(Throughput::Elements(BATCH as u64));
    let start = || relay.batch();
    group.bench_function("copy of 512 bytes", |b| {
        let (cells, ..) = start();
        let mut to = [0; CELL];
        b.iter(|| {
            cells
                .iter()
                .for_each(|cell| to.copy_from_slice(black_box(cell)))
        })
    });
    group.bench_function("packet open", |b| {
        b.iter_batched_ref(
            start,
            |(cells, opener, _)| {
                cells.iter().for_each(|cell| {
                    black_box(opener.open(cell).unwrap());
                })
            },
            criterion::BatchSize::LargeInput,
        )
    });
    group.bench_function("packet seal", |b| {
        b.iter_batched_ref(
            start,
            |(_, _, sealer)| {
                (0..BATCH).for_each(|_| {
                    black_box(sealer.seal(&[1; INNER]).unwrap());
                })
            },
            criterion::BatchSize::LargeInput,
        )
    });
    group.bench_function("relay work: open, layer, seal", |b| {
        b.iter_batched_ref(
            start,
            |batch| relay.carry(batch),
            criterion::BatchSize::LargeInput,
        )
    });
    group.bench_function("recognise a foreign cell", |b| {
        let (_, opener, _) = start();
        let cells: Vec<[u8; CELL]> = (0..BATCH).map(|_| random.bytes()).collect();
        b.iter(|| {
            cells
                .iter()
                .filter(|cell| opener.recognise(black_box(cell)).is_some())
                .count()
        })
    });
    group.bench_function("origin work: three layers", |b| {
        let mut block = [1; BLOCK];
        b.iter(|| (0..3 * BATCH).for_each(|_| relay.origin.forward.encrypt(black_box(&mut block))))
    });
    group.finish();
}

/// How long `work` takes.
fn time(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// What the goals are about, measured in turn.
fn ratios() {
    let hop = Hop::new();
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let peer = p256::PublicKey::from_sec1_bytes(hop.answer.bytes()).unwrap();
    let pair = ratio::in_turn(
        || time(|| drop(black_box(hop.agree()))),
        || time(|| drop(black_box(black_box(&secret).diffie_hellman(&peer)))),
    );
    ratio::print(
        "ecmqv with transcript and key / ecdh of p256",
        format!("{:.2}", pair.ratio),
        "1.35",
    );

    let cipher = Hctr2::new(&Key::from_bytes(&[1; 32]));
    let tweak = cipher.tweak(b"", BLOCK);
    let gcm = aes_gcm::Aes256Gcm::new(&[1; 32].into());
    let (mut block, mut other) = ([7u8; BLOCK], [7u8; BLOCK]);
    let pair = ratio::in_turn(
        || time(|| (0..BATCH).for_each(|_| cipher.decrypt(&tweak, black_box(&mut block)))),
        || {
            time(|| {
                (0..BATCH).for_each(|_| {
                    let bytes = black_box(other.as_mut_slice()).into();
                    gcm.encrypt_inout_detached(&[0; 12].into(), b"", bytes)
                        .unwrap();
                })
            })
        },
    );
    ratio::print(
        "hctr2 / aes-gcm over the same 460 bytes",
        format!("{:.2}", pair.ratio),
        "1.7",
    );

    let relay = Relay::new(&mut Stream::from_seed([3; 32]));
    let mut to = [0; CELL];
    let pair = ratio::in_turn(
        || {
            let mut batch = relay.batch();
            time(|| relay.carry(&mut batch))
        },
        || {
            let (cells, ..) = relay.batch();
            time(|| {
                cells
                    .iter()
                    .for_each(|cell| to.copy_from_slice(black_box(cell)))
            })
        },
    );
    let per_cell = |time: Duration| time.as_secs_f64() * 1e6 / BATCH as f64;
    ratio::print(
        "relay work per cell: open, layer, seal",
        format!("{:.2} µs", per_cell(pair.one)),
        "1.5 µs",
    );
    ratio::print(
        "copy of 512 bytes, and how many of them that is",
        format!("{:.3} µs, {:.0}", per_cell(pair.other), pair.ratio),
        "none",
    );
}

criterion_group!(benches, agreement, ciphers, relay);

fn main() {
    if !std::env::args().any(|arg| arg == "ratio") {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
    if ratio::wanted() {
        ratios();
    }
}
