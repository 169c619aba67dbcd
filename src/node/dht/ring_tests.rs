//! What the ring promises, played by many nodes in virtual time.

use super::world::World;
use super::*;
use crate::crypto::blind::BlindedSigner;
use crate::wire::codec::Writer;
use crate::wire::descriptor::{SIGNED, VERSION, place};
use crate::wire::dht::Digest;
use crate::wire::query::{Answer, POSITIONS_MAX, Put, Refusal, Request, TTL_HOURS_MAX};
use crate::wire::size::{CHUNK, VALUE};

fn key(n: u64) -> Position {
    Position::hash("test key", &[&n.to_be_bytes()])
}

/// Look-ups from all over the ring: how many reached the true owner, and by how many hops.
fn look_up(world: &mut World, count: u64) -> (usize, f64) {
    let mut asked = Vec::new();
    let living = world.living();
    for n in 0..count {
        let from = living[(n as usize * 7919) % living.len()];
        asked.push((from, world.lookup(from, key(n)), key(n)));
        world.run(0.05);
    }
    world.run(8.0);
    let mut right = 0;
    let mut hops_sum = 0;
    for (from, id, key) in &asked {
        let owner = world.owner(key);
        let answer = world.events.iter().find_map(|(node, event)| match event {
            DhtOutput::Found {
                lookup,
                owner,
                hops,
                ..
            } if node == from && lookup == id => Some((owner.node(), *hops)),
            _ => None,
        });
        if let Some((found, hops)) = answer {
            hops_sum += u64::from(hops);
            if world.index(&found) == owner {
                right += 1;
            }
        }
    }
    (right, hops_sum as f64 / count as f64)
}

#[test]
fn two_hundred_nodes_join_through_one_gateway_and_find_every_owner() {
    let mut world = World::ring_of(1, 200, 0.5);
    world.run(60.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
    let (right, hops) = look_up(&mut world, 1000);
    assert!(right >= 999, "{right} of 1000");
    assert!(hops > 1.0 && hops < 3.0, "{hops} hops");
    for node in 0..200 {
        let known = world.nodes[node].known();
        assert!(known < 100, "node {node} knows {known}");
        let estimate = world.nodes[node].estimate();
        assert!((70..600).contains(&estimate), "{estimate} of 200");
    }
}

#[test]
fn small_rings_agree_on_every_owner() {
    for size in 1..=17 {
        let mut world = World::ring_of(size as u8, size, 0.3);
        world.run(20.0);
        assert_eq!(world.wrong_leaf_sets(), 0, "ring of {size}");
        for n in 0..1000 {
            let owner = world.owner(&key(n));
            for node in 0..size {
                let own_view = world.nodes[node].owner_of(&key(n)).expect("a ready node");
                assert_eq!(
                    world.index(&own_view.node()),
                    owner,
                    "ring of {size}, key {n}"
                );
            }
        }
        let (right, _) = look_up(&mut world, 20);
        assert_eq!(right, 20, "ring of {size}");
        for node in 0..size {
            assert_eq!(world.nodes[node].estimate(), size);
        }
    }
}

#[test]
fn a_newcomer_is_online_within_a_second_or_two() {
    let mut world = World::ring_of(3, 40, 0.5);
    world.run(20.0);
    world.add(&[5, 9, 13]);
    world.run(2.0);
    assert!(world.nodes[40].is_ready());
    world.run(3.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn two_dozen_nodes_that_start_together_agree_within_seconds() {
    let mut world = World::ring_of(19, 24, 0.02);
    world.run(8.0);
    assert!(world.nodes.iter().all(Dht::is_ready));
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn a_ring_that_loses_three_bodies_in_a_hundred_still_finds_owners() {
    let mut world = World::ring_of(4, 70, 0.5);
    world.run(40.0);
    world.loss = 0.03;
    let (right, _) = look_up(&mut world, 1000);
    assert!(right >= 998, "{right} of 1000");
}

#[test]
fn a_dead_intermediate_hop_is_passed_over_at_its_first_timeout() {
    let mut world = World::ring_of(5, 90, 0.3);
    world.run(60.0);
    // A look-up whose first hop is not the owner.
    let from = 7;
    let found = (0..500).find_map(
        |n| match world.nodes[from].members.next(&key(n), &[], None) {
            members::Next::Hop {
                position,
                deciding: false,
            } => {
                let hop = (0..90).find(|m| world.position(*m) == position)?;
                (world.owner(&key(n)) != hop).then_some((n, hop))
            }
            _ => None,
        },
    );
    let (n, hop) = found.expect("ninety nodes need two hops for some key");
    let rto = {
        let position = world.position(hop);
        let member = world.nodes[from].members.get(&position);
        member.expect("it is the next hop").rto.timeout()
    };
    world.kill(hop);
    let began = world.at;
    world.lookup(from, key(n));
    let owner = world.owner(&key(n));
    let mut answered = None;
    for _ in 0..400 {
        world.run(0.005);
        let done = world.events.iter().any(|(node, event)| {
            *node == from
                && matches!(event, DhtOutput::Found { owner: o, .. } if world.index(&o.node()) == owner)
        });
        if done {
            answered = Some(world.at.since(began));
            break;
        }
    }
    let took = answered.expect("the look-up goes round the dead node");
    // One timeout, then the new way there and back: at most four hops each way of at most 80 ms.
    assert!(took >= rto, "{took:?} in less than {rto:?}");
    assert!(
        took < rto + std::time::Duration::from_millis(640),
        "{took:?}, timeout {rto:?}"
    );
}

#[test]
fn a_record_from_hearsay_never_makes_a_member_without_a_round_trip() {
    let mut world = World::ring_of(6, 6, 0.3);
    world.run(10.0);
    let ghost = NodeKey::generate(&mut Stream::from_seed([99; 32]));
    let addr = ([10, 9, 9, 9], 4000).into();
    let record = NodeRecord::make(&ghost, addr, world.now().unix, 120, 0);
    let tag = Tag {
        nonce: 1,
        attempt: 0,
    };
    let ping = Message::Ping {
        tag,
        ready: true,
        record: record.bytes(),
    };
    let sender = world.peer(1);
    let before = world.trace.len();
    for _ in 0..20 {
        world.inject(0, sender, &ping.encode());
        world.run(1.0);
        assert_eq!(world.nodes[0].members.find(&ghost.id()), None);
    }
    // One probe in the minute, with its tries.
    let probes = world.trace[before..]
        .iter()
        .filter(|(_, to, _)| *to == ghost.id())
        .count();
    assert!((1..=8).contains(&probes), "{probes}");
    for node in 0..6 {
        assert_eq!(world.nodes[node].members.find(&ghost.id()), None);
    }
}

#[test]
fn a_node_that_answers_for_another_address_is_no_member() {
    let mut world = World::ring_of(7, 3, 0.3);
    world.run(5.0);
    let liar = NodeKey::generate(&mut Stream::from_seed([98; 32]));
    // The record names a victim; the answer comes from elsewhere.
    let record = NodeRecord::make(&liar, ([10, 8, 8, 8], 1).into(), world.now().unix, 120, 0);
    let real = Peer {
        node: liar.id(),
        addr: ([10, 7, 7, 7], 1).into(),
    };
    let now = world.now();
    let nonce = {
        let dht = &mut world.nodes[0];
        dht.ping(now, real, requests::Why::Candidate);
        *dht.requests.last_key_value().expect("just asked").0
    };
    let nonces: Vec<u64> = world.nodes[0].requests.keys().copied().collect();
    assert!(nonces.contains(&nonce));
    for nonce in nonces {
        let tag = Tag { nonce, attempt: 0 };
        let pong = Message::Pong {
            tag,
            ready: true,
            record: record.bytes(),
        };
        world.inject(0, real, &pong.encode());
    }
    assert_eq!(world.nodes[0].members.find(&liar.id()), None);
}

#[test]
fn a_node_frozen_for_four_seconds_stays_and_one_frozen_for_ninety_goes_and_comes_back() {
    let mut world = World::ring_of(8, 12, 0.3);
    world.run(60.0);
    world.kill(4);
    world.run(4.0);
    world.thaw(4);
    let everybody_knows = |world: &World| (0..12).all(|n| n == 4 || world.health(4, n).is_some());
    assert!(everybody_knows(&world));
    world.run(20.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
    world.kill(4);
    world.run(90.0);
    assert!((0..12).all(|n| n == 4 || world.health(4, n).is_none()));
    world.thaw(4);
    world.run(180.0);
    assert!(everybody_knows(&world));
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn two_halves_become_one_ring_again() {
    let mut world = World::ring_of(9, 30, 0.3);
    world.run(40.0);
    world.cut = Some(Box::new(|a, b| a % 2 != b % 2));
    world.run(600.0);
    assert!(world.wrong_leaf_sets() > 0);
    world.cut = None;
    world.run(180.0);
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn a_third_of_the_ring_dies_at_once_and_the_rest_finds_owners_half_a_minute_later() {
    let mut world = World::ring_of(10, 100, 0.3);
    world.run(60.0);
    let before = world.sent;
    world.run(30.0);
    let steady = (world.sent - before) as f64 / 100.0;
    for node in (0..99).filter(|n| n % 3 == 1) {
        world.kill(node);
    }
    let before = world.sent;
    world.run(30.0);
    let after = (world.sent - before) as f64 / 67.0;
    assert!(after < 2.0 * steady, "{after} a node after {steady}");
    let (right, _) = look_up(&mut world, 500);
    assert!(right >= 495, "{right} of 500");
}

#[test]
fn two_nodes_that_wait_for_each_other_form_a_ring() {
    let mut world = World::new(11);
    world.add(&[]);
    world.kill(0);
    // Both know only a dead node and each other.
    let first = world.add(&[0]);
    let second = world.add(&[0, first]);
    let now = world.now();
    let peer = world.peer(second);
    world.nodes[first].start(now, &[peer]);
    world.run(30.0);
    assert!(world.nodes[first].is_ready() && world.nodes[second].is_ready());
    assert_eq!(world.wrong_leaf_sets(), 0);
}

#[test]
fn a_changed_address_moves_the_node_and_the_ring_follows() {
    let mut world = World::ring_of(12, 10, 0.3);
    world.run(20.0);
    let old = world.position(3);
    world.readdress(3, ([9, 9, 9, 9], 4000).into());
    assert_ne!(world.position(3), old);
    world.run(90.0);
    assert!(world.nodes[3].is_ready());
    assert_eq!(world.wrong_leaf_sets(), 0);
    assert!(world.nodes.iter().all(|n| n.members.get(&old).is_none()));
}

/// What node 0 starts by itself, by kind.
fn own_starts(world: &World) -> Vec<(Moment, NodeId, u8)> {
    let own = |kind: u8| matches!(kind, 0x01 | 0x07 | 0x09 | 0x0b | 0x0d);
    let starts = world.trace.iter().filter(|(_, _, kind)| own(*kind));
    starts.copied().collect()
}

#[test]
fn what_a_node_starts_does_not_depend_on_what_it_is_asked() {
    let play = |asked: bool| {
        let mut world = World::ring_of(13, 40, 0.3);
        world.run(40.0);
        let stranger = Peer {
            node: NodeKey::generate(&mut Stream::from_seed([77; 32])).id(),
            addr: ([10, 200, 0, 1], 4000).into(),
        };
        for n in 0..400u64 {
            if asked {
                let (query, place) = ([n as u8; 8], key(n).0);
                world.ask(0, &Request::Find { query, key: place });
                world.ask(
                    0,
                    &Request::Get {
                        query,
                        key: place,
                        index: 0,
                    },
                );
                let (value, place) = descriptor(n as u8, 1);
                for put in puts(&place, &value, 24, 1, [n as u8; 8]) {
                    world.ask(0, &Request::Put(put));
                }
                let tag = Tag {
                    nonce: n + 1,
                    attempt: 0,
                };
                let route = Message::Route {
                    tag,
                    ttl: 12,
                    key: key(n).0,
                };
                world.inject(0, stranger, &route.encode());
                if n == 200 {
                    // A dead node, noticed by what is carried for others too.
                    world.kill(17);
                }
            } else if n == 200 {
                world.kill(17);
            }
            world.run(0.3);
        }
        (own_starts(&world), world.nodes[0].stored())
    };
    let (quiet, none) = play(false);
    let (busy, some) = play(true);
    assert!(quiet.len() > 100);
    assert_eq!(quiet, busy);
    assert!(none == 0 && some > 0);
}

/// A signed value of nobody and its place.
fn descriptor(seed: u8, revision: u64) -> (Box<[u8; VALUE]>, Position) {
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

fn puts(key: &Position, value: &[u8; VALUE], ttl: u16, revision: u32, query: [u8; 8]) -> [Put; 2] {
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

#[test]
fn no_damaged_message_or_question_stops_a_node() {
    let mut world = World::ring_of(17, 8, 0.3);
    world.run(10.0);
    let mut dice = Stream::from_seed([3; 32]);
    let record = world.nodes[1].own_bytes().expect("a ready node");
    let known: Vec<u64> = (0..4).map(|_| dice.u64()).collect();
    for round in 0..6000u64 {
        let open: Vec<u64> = world.nodes[0].requests.keys().copied().collect();
        let nonce = match dice.below(3) {
            0 => known[dice.below(4) as usize],
            _ => open.get(dice.below(9) as usize).copied().unwrap_or(1),
        };
        let tag = Tag { nonce, attempt: 0 };
        let digests = vec![
            Digest {
                prefix: dice.bytes(),
                created: 1
            };
            dice.below(24) as usize
        ];
        let records = vec![record; dice.below(4) as usize];
        let message = match dice.below(13) {
            0 => Message::Ping {
                tag,
                ready: true,
                record,
            },
            1 => Message::Pong {
                tag,
                ready: true,
                record,
            },
            2 => Message::Route {
                tag,
                ttl: 3,
                key: dice.bytes(),
            },
            3 => Message::RouteAck { tag },
            4 => Message::Found {
                tag,
                back: 1,
                verdict: Verdict::Owner,
                hops: 255,
                records,
            },
            5 => Message::Found {
                tag,
                back: 0,
                verdict: Verdict::NotReady,
                hops: 0,
                records,
            },
            6 => Message::FoundAck { tag },
            7 => Message::Leaves {
                tag,
                ready: true,
                record,
                digests,
            },
            8 => Message::LeavesAnswer {
                tag,
                ready: true,
                record,
                digests,
            },
            9 => Message::Row {
                tag,
                row: dice.u32() as u8,
            },
            10 => Message::RowAnswer { tag, digests },
            11 => Message::Want {
                tag,
                prefixes: vec![dice.bytes(); 3],
            },
            _ => Message::Records { tag, records },
        };
        let mut body = message.encode();
        for _ in 0..dice.below(4) {
            body[dice.below(BODY as u64) as usize] = dice.u32() as u8;
        }
        let from = world.peer(dice.below(8) as usize);
        world.inject(0, from, &body);
        let mut question: [u8; QUERY] = [0; QUERY];
        dice.fill(&mut question[..80]);
        question[0] = 1 + dice.below(4) as u8;
        question[41] &= 1;
        let now = world.now();
        world.nodes[0].answer(now, &question);
        if round % 50 == 0 {
            world.run(0.2);
        }
    }
    world.run(60.0);
    assert!(world.nodes[0].is_ready());
    let (right, _) = look_up(&mut world, 50);
    assert!(right >= 49, "{right} of 50");
}

#[test]
fn the_same_seed_plays_the_same_run() {
    let play = || {
        let mut world = World::ring_of(18, 20, 0.3);
        world.loss = 0.02;
        world.run(30.0);
        (world.trace, world.sent)
    };
    assert_eq!(play(), play());
}
