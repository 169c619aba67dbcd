//! What keepers promise: who keeps a value, which one, and for how long.

use super::ring_tests::key;
use super::world::World;
use super::*;
use crate::crypto::blind::BlindedSigner;
use crate::wire::codec::Writer;
use crate::wire::descriptor::{SIGNED, VERSION, place};
use crate::wire::query::{Answer, POSITIONS_MAX, Put, Refusal, Request, TTL_HOURS_MAX};
use crate::wire::size::{CHUNK, VALUE};

/// A signed value of nobody and its place.
pub(super) fn descriptor(seed: u8, revision: u64) -> (Box<[u8; VALUE]>, Position) {
    let signer = BlindedSigner::throwaway(&mut Stream::from_seed([seed; 32]));
    let mut value = Box::new([seed; VALUE]);
    let day = (1_800_000_000_000u64 / 86_400_000) as u32;
    Writer::new(&mut value[..])
        .u8(VERSION)
        .u32(day)
        .put(signer.id().bytes())
        .u64(revision);
    let signature = signer.sign(&value[..SIGNED]);
    value[SIGNED..].copy_from_slice(&signature.0);
    (value, place(&signer.id()))
}

pub(super) fn puts(
    key: &Position,
    value: &[u8; VALUE],
    ttl: u16,
    revision: u32,
    query: [u8; 8],
) -> [Put; 2] {
    [0, 1].map(|index| {
        let mut chunk = [0; CHUNK];
        chunk.copy_from_slice(&value[usize::from(index) * CHUNK..][..CHUNK]);
        Put {
            query,
            key: key.0,
            index,
            ttl,
            revision,
            chunk,
        }
    })
}

fn store(world: &mut World, node: usize, puts: [Put; 2]) -> Answer {
    let [first, second] = puts;
    let half = world.ask(node, &Request::Put(first));
    assert!(matches!(half, Answer::Half { .. }));
    world.ask(node, &Request::Put(second))
}

fn read(world: &mut World, node: usize, key: &Position) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    for index in [0, 1] {
        let request = Request::Get {
            query: [5; 8],
            key: key.0,
            index,
        };
        match world.ask(node, &request) {
            Answer::Chunk { chunk, .. } => value.extend_from_slice(&chunk),
            _ => return None,
        }
    }
    Some(value)
}

#[test]
fn a_value_spreads_to_the_eight_closest_and_survives_the_death_of_four() {
    let mut world = World::ring_of(14, 40, 0.3);
    world.run(40.0);
    let (value, key) = descriptor(1, 1);
    let closest = world.closest(&key, 8);
    for node in &closest[..2] {
        let answer = store(&mut world, *node, puts(&key, &value, 1, 1, [1; 8]));
        assert!(matches!(answer, Answer::Stored { .. }));
    }
    let holders = |world: &mut World| {
        let closest = world.closest(&key, 8);
        let holds = |n: &&usize| read(world, **n, &key).as_deref() == Some(&value[..]);
        closest.iter().filter(holds).count()
    };
    world.run(180.0);
    assert_eq!(holders(&mut world), 8);
    for node in &closest[..4] {
        world.kill(*node);
    }
    world.run(240.0);
    assert_eq!(holders(&mut world), 8);
    // Told on, a value does not live longer than its first keeper was told.
    world.run(3600.0 - 420.0 + 61.0);
    assert_eq!(holders(&mut world), 0);
    world.run(200.0);
    assert!(world.living().iter().all(|n| world.nodes[*n].stored() == 0));
}

#[test]
fn a_publication_is_on_all_eight_within_the_time_of_repair() {
    let mut world = World::ring_of(20, 60, 0.3);
    world.run(60.0);
    // As a person publishes: at three of the closest, one after the other.
    let values: Vec<_> = (0..20).map(|n| descriptor(n, 1)).collect();
    let began = world.at;
    let mut complete: Vec<Option<f64>> = vec![None; values.len()];
    for (n, (value, key)) in values.iter().enumerate() {
        let closest = world.closest(key, 3);
        for node in closest {
            let query = [n as u8; 8];
            let answer = store(&mut world, node, puts(key, value, 24, 1, query));
            assert!(matches!(answer, Answer::Stored { .. }));
        }
    }
    for _ in 0..240 {
        world.run(1.0);
        let seconds = world.at.since(began).as_secs_f64();
        for ((value, key), complete) in values.iter().zip(&mut complete) {
            let closest = world.closest(key, 8);
            let mut held = |n: &usize| read(&mut world, *n, key).as_deref() == Some(&value[..]);
            if complete.is_none() && closest.iter().filter(|n| held(n)).count() == 8 {
                *complete = Some(seconds);
            }
        }
    }
    let mut times: Vec<f64> = complete.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    println!("on all eight after so many seconds: {times:?}");
    assert_eq!(times.len(), values.len(), "some never came to be");
    assert!(
        times[times.len() / 2] <= 60.0,
        "half of them took longer than a minute"
    );
}

#[test]
fn only_the_newest_signed_value_is_kept() {
    let mut world = World::ring_of(15, 3, 0.3);
    world.run(10.0);
    let (second, key) = descriptor(1, 2);
    let refusal = |answer| match answer {
        Answer::Refused { why, .. } => Some(why),
        _ => None,
    };
    let mut forged = second.clone();
    forged[300] ^= 1;
    let answer = store(&mut world, 0, puts(&key, &forged, 1, 2, [1; 8]));
    assert_eq!(refusal(answer), Some(Refusal::Invalid));
    let elsewhere = descriptor(2, 2).1;
    let answer = store(&mut world, 0, puts(&elsewhere, &second, 1, 2, [2; 8]));
    assert_eq!(refusal(answer), Some(Refusal::Invalid));
    for ttl in [0, TTL_HOURS_MAX + 1] {
        let [put, _] = puts(&key, &second, ttl, 2, [3; 8]);
        let answer = world.ask(0, &Request::Put(put));
        assert_eq!(refusal(answer), Some(Refusal::Invalid));
    }
    assert_eq!(read(&mut world, 0, &key), None);
    let answer = store(&mut world, 0, puts(&key, &second, 1, 2, [4; 8]));
    assert!(matches!(answer, Answer::Stored { .. }));
    let (first, _) = descriptor(1, 1);
    let answer = store(&mut world, 0, puts(&key, &first, 1, 1, [5; 8]));
    assert_eq!(refusal(answer), Some(Refusal::Older));
    assert_eq!(read(&mut world, 0, &key).as_deref(), Some(&second[..]));
    let (third, _) = descriptor(1, 3);
    let answer = store(&mut world, 0, puts(&key, &third, 1, 3, [6; 8]));
    assert!(matches!(answer, Answer::Stored { .. }));
    assert_eq!(read(&mut world, 0, &key).as_deref(), Some(&third[..]));
    assert_eq!(world.nodes[0].stored(), 1);
}

#[test]
fn a_find_names_the_nodes_on_both_sides_of_the_key() {
    let mut world = World::ring_of(16, 30, 0.3);
    world.run(60.0);
    for n in 0..50 {
        let place = key(n);
        let node = world.owner(&place);
        let request = Request::Find {
            query: [0; 8],
            key: place.0,
        };
        let Answer::Find(find) = world.ask(node, &request) else {
            panic!("a FIND is answered by a FIND answer");
        };
        let sides: Vec<Position> = find
            .straddling
            .iter()
            .map(|bytes| NodeRecord::decode(bytes).expect("a record").position())
            .collect();
        let between = (0..30)
            .map(|m| world.position(m))
            .filter(|p| p.is_between(&sides[0], &sides[1]) && *p != sides[1])
            .count();
        assert!(place.is_between(&sides[0], &sides[1]) && between == 0);
        assert_eq!(find.positions.len(), POSITIONS_MAX);
    }
}
