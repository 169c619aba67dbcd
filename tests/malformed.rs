//! Whatever a stranger sends is parsed without panic and answered with silence.
//!
//! Seeded mutations of good bytes, because random bytes alone rarely get past the first check.

use std::net::SocketAddr;
use std::sync::Arc;

use paratox::crypto::keys::NodeKey;
use paratox::crypto::random::Stream;
use paratox::node::link::{DialTarget, LinkConfig, LinkOutput, Links, Purpose};
use paratox::wire::address::Address;
use paratox::wire::cell::InnerHeader;
use paratox::wire::certificate::LinkCertificate;
use paratox::wire::class::Class;
use paratox::wire::codec::Reader;
use paratox::wire::peer::Peer;
use paratox::wire::record::NodeRecord;
use paratox::wire::size::{BODY, DATAGRAM, INNER};
use paratox::wire::ticket::{EntrySecret, Ticket};
use paratox::wire::time::{Moment, Now, UnixMs};

const UNIX: UnixMs = UnixMs(1_800_000_000_000);

/// Flips, sets, cuts, doubles or swaps a few bytes.
fn mutate(random: &mut Stream, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u32() as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
            4 if at < bytes.len() => {
                let other = random.below(bytes.len() as u64) as usize;
                bytes.swap(at, other);
            }
            _ => {
                let tail = bytes[at..].to_vec();
                bytes.extend_from_slice(&tail);
            }
        }
    }
    bytes
}

#[test]
fn no_changed_record_certificate_cell_or_ticket_panics_or_passes_for_another() {
    let mut random = Stream::from_seed([1; 32]);
    let key = NodeKey::generate(&mut random);
    let addr: SocketAddr = "9.8.7.6:4000".parse().expect("a literal");
    let record = NodeRecord::make(&key, addr, UNIX, 120, 3);
    let good = record.bytes();
    let mut bytes = good.to_vec();
    for _ in 0..3000 {
        let changed = mutate(&mut random, &good);
        if let Ok(parsed) = NodeRecord::decode(&changed) {
            let _ = parsed.position();
            assert!(parsed == record || parsed.verify(UNIX, true).is_err());
        }
        let _ = LinkCertificate::read(&mut Reader::new(&changed));
        let _ = Address::read(&mut Reader::new(&changed)).map(|a| a.socket());
        bytes.extend_from_slice(&changed);
        bytes.truncate(4000);
        let by = random.below(bytes.len() as u64) as usize;
        bytes.rotate_left(by);
        let mut inner = [0; INNER];
        inner.copy_from_slice(&[&bytes[..], &[0; INNER]].concat()[..INNER]);
        assert!(InnerHeader::split(&inner).is_ok());
    }
    let entry = paratox::crypto::keys::EntryKey::generate(&mut random);
    let text = Ticket::new(entry.id(), EntrySecret([9; 16]), vec![addr])
        .expect("one address")
        .to_string();
    for _ in 0..20_000 {
        let changed = String::from_utf8_lossy(&mutate(&mut random, text.as_bytes())).into_owned();
        if let Ok(parsed) = changed.parse::<Ticket>() {
            assert_eq!(
                (parsed.entry, parsed.secret),
                (entry.id(), EntrySecret([9; 16]))
            );
        }
    }
}

struct Node {
    links: Links,
    peer: Peer,
}

fn node(n: u8) -> Node {
    let root = Stream::from_seed([n; 32]);
    let key = Arc::new(NodeKey::generate(&mut root.fork("key", b"")));
    let peer = Peer {
        node: key.id(),
        addr: SocketAddr::from(([9, n, 0, 1], 4000)),
    };
    let config = LinkConfig {
        class: Class::Normal,
        lan: false,
        entry: None,
        shaping: paratox::node::Shaping::On,
    };
    Node {
        links: Links::new(
            config,
            key,
            &root.fork("schedule", b""),
            &root.fork("crypto", b""),
        ),
        peer,
    }
}

/// Hands every cell to its receiver at once; returns all that were sent.
fn settle(now: Now, nodes: &mut [Node; 2]) -> Vec<(usize, Box<[u8; DATAGRAM]>)> {
    let mut sent = Vec::new();
    loop {
        let mut quiet = true;
        for n in 0..2 {
            while let Some(output) = nodes[n].links.poll_output() {
                if let LinkOutput::Transmit { cell, .. } = output {
                    let from = nodes[n].peer.addr;
                    nodes[1 - n].links.handle_datagram(now, from, &cell[..]);
                    sent.push((n, cell));
                    quiet = false;
                }
            }
        }
        if quiet {
            return sent;
        }
    }
}

#[test]
fn no_changed_cell_of_a_living_link_panics_is_answered_or_is_taken_for_a_good_one() {
    let mut nodes = [node(1), node(2)];
    let mut random = Stream::from_seed([2; 32]);
    let mut now = Now {
        at: Moment(0),
        unix: UNIX,
    };
    let target = DialTarget::from(nodes[1].peer);
    nodes[0].links.dial(now, target, Purpose::Link);
    let mut good = settle(now, &mut nodes);
    for _ in 0..200 {
        now.at = nodes
            .iter()
            .map(|n| n.links.next_timeout())
            .min()
            .expect("two nodes")
            .max(now.at);
        for node in &mut nodes {
            node.links.handle_timeout(now);
        }
        good.extend(settle(now, &mut nodes));
        let peer = nodes[1].peer;
        let _ = nodes[0]
            .links
            .send_contact(now, Purpose::Contact, peer, &[1; BODY]);
        good.extend(settle(now, &mut nodes));
    }
    assert!(good.len() > 400);
    let mut dropped = nodes[1].links.dropped();
    for round in 0..20_000 {
        let (_, cell) = &good[random.below(good.len() as u64) as usize];
        let changed = mutate(&mut random, &cell[..]);
        let from = if round % 3 == 0 {
            SocketAddr::from(([8, 8, 8, 8], 53))
        } else {
            nodes[0].peer.addr
        };
        nodes[1].links.handle_datagram(now, from, &changed);
        assert!(nodes[1].links.poll_output().is_none(), "round {round}");
        dropped += 1;
        assert_eq!(nodes[1].links.dropped(), dropped, "round {round}");
    }
}
