//! Figures of the cryptography: ECMQV against one ECDH, HCTR2 against AES-GCM, a relay's work per cell against copying it.
//!
//! `cargo bench --bench crypto`; ratios of lines of one run are what counts, absolute times are the machine's.

use std::hint::black_box;

use aes_gcm::aead::{AeadInOut, KeyInit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use paratox::crypto::aead::Key;
use paratox::crypto::curve::Point;
use paratox::crypto::hctr2::Hctr2;
use paratox::crypto::keys::{Ephemeral, NodeKey, Static};
use paratox::crypto::mqv::{
    Agreed, Side, Transcript, anonymous_from, anonymous_to, es_to, known_answer,
};
use paratox::crypto::onion::{BLOCK, HopKeys};
use paratox::crypto::packet::{CELL, INNER, PacketOpener, PacketSealer};
use paratox::crypto::random::Stream;

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
    let mut random = Stream::from_seed([2; 32]);
    let (relay, throwaway) = (
        NodeKey::generate(&mut random),
        Ephemeral::generate(&mut random),
    );
    group.bench_function("ecmqv with transcript and key", |b| {
        b.iter(|| {
            anonymous_to(
                black_box(&throwaway),
                relay.public_point(),
                &peer_ephemeral,
                Transcript::new("bench"),
            )
            .unwrap()
        })
    });
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

fn link_secret(random: &mut Stream) -> Agreed {
    let (key, x) = (NodeKey::generate(random), Ephemeral::generate(random));
    es_to(&x, key.public_point(), Transcript::new("bench")).unwrap()
}

/// Goal: `relay work` at most 1.5 µs per cell. Cells are sealed in batches beforehand, since each opens only once.
fn relay(c: &mut Criterion) {
    const BATCH: usize = 1024;
    let mut random = Stream::from_seed([3; 32]);
    let (incoming, outgoing) = (link_secret(&mut random), link_secret(&mut random));
    let relay = NodeKey::generate(&mut random);
    let (throwaway, fresh) = (
        Ephemeral::generate(&mut random),
        Ephemeral::generate(&mut random),
    );
    let fresh_public = *fresh.public();
    let keys = HopKeys::initiator(
        anonymous_to(
            &throwaway,
            relay.public_point(),
            &fresh_public,
            Transcript::new("bench"),
        )
        .unwrap(),
    );
    let hop = HopKeys::relay(
        anonymous_from(&relay, fresh, throwaway.public(), Transcript::new("bench")).unwrap(),
    );

    let mut group = c.benchmark_group("per cell");
    group.throughput(Throughput::Elements(BATCH as u64));
    let start = || {
        let mut sealer = PacketSealer::new(&incoming, Side::Initiator);
        let cells: Vec<[u8; CELL]> = (0..BATCH)
            .map(|i| sealer.seal(&[i as u8; INNER]).unwrap().0)
            .collect();
        (
            cells,
            PacketOpener::new(&incoming, Side::Initiator),
            PacketSealer::new(&outgoing, Side::Initiator),
        )
    };
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
            |(cells, opener, sealer)| {
                for cell in cells.iter() {
                    let (_, mut inner) = opener.open(cell).unwrap();
                    let block = inner.last_chunk_mut::<BLOCK>().unwrap();
                    hop.forward.decrypt(block);
                    black_box(sealer.seal(&inner).unwrap());
                }
            },
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
        b.iter(|| (0..3 * BATCH).for_each(|_| keys.forward.encrypt(black_box(&mut block))))
    });
    group.finish();
}

criterion_group!(benches, agreement, ciphers, relay);
criterion_main!(benches);
