//! What a hostile member, a liar or a stranger can do to a node of the ring, and what not.

use super::ring_tests::{key, look_up};
use super::value_tests::{descriptor, puts};
use super::world::World;
use super::*;
use crate::wire::dht::{Digest, StoreCell};
use crate::wire::query::Request;

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
        let message = match dice.below(14) {
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
            12 => Message::Records { tag, records },
            _ => Message::Store(StoreCell {
                real: dice.below(2) == 1,
                train: nonce,
                index: dice.below(2) as u8,
                ttl: dice.u32(),
                chunk: dice.bytes(),
            }),
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
    let node = &world.nodes[0];
    assert!(node.members.len() < 8 && node.candidates.len() <= CANDIDATES_MAX);
    assert!(node.requests.len() < 100, "{} open", node.requests.len());
    assert_eq!(node.stored(), 0);
    world.run(60.0);
    assert!(world.nodes[0].is_ready());
    let (right, _) = look_up(&mut world, 50);
    assert!(right >= 49, "{right} of 50");
}

#[test]
fn a_member_that_floods_leaf_sets_and_answers_nothing_has_one_question_open() {
    let mut world = World::ring_of(21, 12, 0.3);
    world.run(30.0);
    let flooder = world.peer(5);
    let record = world.nodes[5].own_bytes().expect("a ready node");
    world.kill(5);
    let mut dice = Stream::from_seed([4; 32]);
    let own = world.position(0);
    for n in 0..2000u64 {
        // Places right beside the node: it would want whoever is there.
        let digests = (0..24u64)
            .map(|_| {
                let mut prefix = members::prefix_of(&own);
                prefix[4..].copy_from_slice(&dice.bytes::<4>());
                Digest { prefix, created: 1 }
            })
            .collect();
        let tag = Tag {
            nonce: n + 1,
            attempt: 0,
        };
        let leaves = Message::Leaves {
            tag,
            ready: true,
            record,
            digests,
        };
        world.inject(0, flooder, &leaves.encode());
    }
    let to_it = |r: &&requests::Request| r.to.node == flooder.node;
    let open = world.nodes[0].requests.values().filter(to_it).count();
    assert!((1..=3).contains(&open), "{open} questions to the flooder");
    let (right, _) = look_up(&mut world, 50);
    assert!(right >= 49, "{right} of 50");
}
