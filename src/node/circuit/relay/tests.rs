use super::*;
use crate::crypto::keys::NodeKey;
use crate::crypto::random::{Stream, Streams};
use crate::node::circuit::CircuitOutput;
use crate::node::circuit::CircuitStreams;
use crate::node::circuit::base::Shaped;
use crate::node::link::BodyKind;
use crate::wire::class::Class;
use crate::wire::peer::Peer;
use std::sync::Arc;

fn relay() -> (Base, Relays, Stream) {
    let streams = Streams::from_seed([1; 32]);
    let mut random = Stream::from_seed([2; 32]);
    let key = Arc::new(NodeKey::generate(&mut random));
    let mut base = Base::new(Class::Normal, true, key, CircuitStreams::of(&streams));
    let peer = Peer {
        node: NodeKey::generate(&mut random).id(),
        addr: SocketAddr::from(([127, 0, 0, 1], 7)),
    };
    base.links.insert(
        AssocId(1),
        Shaped {
            peer,
            dialled: true,
            rate: 6.0,
        },
    );
    let relays = Relays::new(&base, CookieKey::generate(&mut random));
    (base, relays, random)
}

fn ask(base: &mut Base, relays: &mut Relays, random: &mut Stream, id: u32, rates: Rates) -> bool {
    let asked = hop::Asked::new(base.id, rates, random);
    let block = hop::fill(asked.head(), random);
    relays.create(base, Now::default(), (AssocId(1), id), &block);
    match base.poll() {
        Some(CircuitOutput::Send { kind, body, .. }) => {
            let mut block = [0; BLOCK];
            block.copy_from_slice(&body[4..]);
            kind == BodyKind::Circuit && asked.finish(&hop::head(&block)).is_ok()
        }
        _ => false,
    }
}

#[test]
fn a_relay_refuses_what_does_not_fit_the_link() {
    let (mut base, mut relays, mut random) = relay();
    // 6 cells a second: 3.36 for answers.
    let taken: Vec<bool> = (0..6)
        .map(|id| {
            ask(
                &mut base,
                &mut relays,
                &mut random,
                id,
                Rates::new(0.1, 0.7),
            )
        })
        .collect();
    assert_eq!(taken, [true, true, true, true, false, false]);
    assert!((relays.load(AssocId(1)).1 - 2.8).abs() < 1e-9);
    assert!(
        ask(&mut base, &mut relays, &mut random, 9, Rates::new(5.0, 0.1)),
        "what it asks for is what counts"
    );
}

#[test]
fn a_block_that_is_no_create_is_answered_by_silence() {
    let (mut base, mut relays, mut random) = relay();
    for id in 0..50 {
        relays.create(&mut base, Now::default(), (AssocId(1), id), &random.bytes());
    }
    assert!(base.poll().is_none());
    assert_eq!(relays.count(), 0);
}

#[test]
fn circuits_go_down_with_their_link_and_leave_nothing() {
    let (mut base, mut relays, mut random) = relay();
    assert!(ask(
        &mut base,
        &mut relays,
        &mut random,
        1,
        Rates::new(0.1, 0.1)
    ));
    base.links.remove(&AssocId(1));
    relays.link_down(&mut base, AssocId(1));
    assert_eq!(relays.count(), 0);
    assert!(base.routes.is_empty());
    assert_eq!(base.timers.next(), Moment::NEVER);
}
