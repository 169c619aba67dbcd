use super::*;
use crate::crypto::keys::{CookieKey, NodeKey};
use crate::crypto::random::Stream;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// One cell of every command there is.
fn cells() -> Vec<[u8; END]> {
    let mut random = Stream::from_seed([1; 32]);
    let node = NodeKey::generate(&mut random).id();
    let key = *CookieKey::generate(&mut random).public();
    let addr = Address::from(SocketAddr::from(([9, 8, 7, 6], 5)));
    let parcel = Box::new([1; PARCEL]);
    let mut cells = vec![
        BuildForward::Neighbours { ask: [1, 2] }.encode(),
        BuildForward::Extend {
            node,
            create: Box::new([3; CREATE_HEAD]),
        }
        .encode(),
        BuildForward::Begin {
            channel: Channel::Utility,
        }
        .encode(),
        BuildBack::Neighbours {
            total: 2,
            named: vec![(0, Box::new([4; NEIGHBOUR]))],
        }
        .encode(),
        BuildBack::Extended {
            created: Box::new([5; CREATED_HEAD]),
        }
        .encode(),
        BuildBack::Refused.encode(),
        BuildBack::Begun {
            channel: Channel::Inbound,
        }
        .encode(),
        OutboundForward::Dummy.encode(),
        OutboundForward::SpurOpen {
            slot: 3,
            node,
            addr,
            key: Box::new(key),
        }
        .encode(),
        OutboundBack::SpurState {
            slot: 1,
            key,
            up: true,
        }
        .encode(),
        InboundForward::Establish { cookie: [6; 16] }.encode(),
        InboundForward::Tokens {
            generation: 1,
            index: 0,
            cells: 2,
            tokens: vec![[7; 16]; TOKENS_A_CELL],
        }
        .encode(),
        InboundForward::Answer {
            spur: 8,
            parcel: parcel.clone(),
        }
        .encode(),
        InboundBack::Established { cookie_key: key }.encode(),
        InboundBack::Arrived {
            spur: 9,
            parcel: parcel.clone(),
        }
        .encode(),
        InboundBack::Gone { spur: 10 }.encode(),
        UtilityForward::Query {
            node,
            addr,
            sealed: Box::new([1; SEALED]),
        }
        .encode(),
        UtilityBack::QueryAnswer {
            asked: [2; POINT],
            sealed: Box::new([3; SEALED]),
        }
        .encode(),
    ];
    for slot in 0..SPUR_SLOTS {
        let block = Box::new([slot; COOKIE_BLOCK]);
        cells.push(
            OutboundForward::Deliver {
                slot,
                block,
                parcel: parcel.clone(),
            }
            .encode(),
        );
        cells.push(
            OutboundBack::Returned {
                slot,
                spur: [7; 4],
                parcel: parcel.clone(),
            }
            .encode(),
        );
    }
    cells
}

/// Which of the eight lists take a cell, each with the cell it writes again.
fn takers(cell: &[u8; END]) -> Vec<(&'static str, [u8; END])> {
    [
        BuildForward::decode(cell)
            .ok()
            .map(|c| ("build forward", c.encode())),
        BuildBack::decode(cell)
            .ok()
            .map(|c| ("build back", c.encode())),
        OutboundForward::decode(cell)
            .ok()
            .map(|c| ("outbound forward", c.encode())),
        OutboundBack::decode(cell)
            .ok()
            .map(|c| ("outbound back", c.encode())),
        InboundForward::decode(cell)
            .ok()
            .map(|c| ("inbound forward", c.encode())),
        InboundBack::decode(cell)
            .ok()
            .map(|c| ("inbound back", c.encode())),
        UtilityForward::decode(cell)
            .ok()
            .map(|c| ("utility forward", c.encode())),
        UtilityBack::decode(cell)
            .ok()
            .map(|c| ("utility back", c.encode())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_command_belongs_to_one_list_and_dummies_to_every_channel() {
    let mut codes = BTreeSet::new();
    for cell in cells() {
        let takers = takers(&cell);
        assert!(
            takers.iter().all(|(_, again)| *again == cell),
            "command {:#x} changes on the way",
            cell[0]
        );
        let expected = if cell[0] == code::DUMMY { 6 } else { 1 };
        assert_eq!(
            takers.len(),
            expected,
            "command {:#x}: {:?}",
            cell[0],
            takers.iter().map(|t| t.0).collect::<Vec<_>>()
        );
        codes.insert(cell[0]);
    }
    for command in 0..=u8::MAX {
        for length in [0, 1, 2, 433] {
            let mut cell = [0; END];
            cell[0] = command;
            cell[1..3].copy_from_slice(&u16::to_be_bytes(length));
            assert!(
                codes.contains(&command) || takers(&cell).is_empty(),
                "unknown command {command:#x} was taken"
            );
        }
    }
}

#[test]
fn a_command_of_another_length_is_refused_and_none_stops_the_program() {
    let mut random = Stream::from_seed([2; 32]);
    for cell in cells() {
        let length = u16::from_be_bytes([cell[1], cell[2]]);
        for other in [length.wrapping_sub(1), length + 1, 434, u16::MAX] {
            let mut bad = cell;
            bad[1..3].copy_from_slice(&other.to_be_bytes());
            assert!(
                takers(&bad).is_empty(),
                "command {:#x} with length {other}",
                cell[0]
            );
        }
        for _ in 0..500 {
            let mut bad = cell;
            for _ in 0..=random.below(4) {
                bad[random.below(END as u64) as usize] = random.u32() as u8;
            }
            takers(&bad);
        }
    }
}

#[test]
fn rates_outside_their_bounds_are_refused() {
    assert_eq!(Rates::decode([0, 0, 0, 1]), malformed("rates"));
    assert_eq!(Rates::decode([0, 1, 0xff, 0xff]), malformed("rates"));
    let rates = Rates::new(0.5, 3.0);
    assert_eq!(Rates::decode(rates.encode()), Ok(rates));
}
