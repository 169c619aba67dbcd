use super::super::pace::{Boost, Pace};
use super::admission::MAX_RELAYED_OF_ONE;
use super::*;
use crate::crypto::keys::NodeKey;
use crate::crypto::onion::HopKeys;
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
            silent: false,
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
fn one_link_cannot_take_all_circuits_by_naming_the_least_of_rates() {
    let (mut base, mut relays, mut random) = relay();
    base.links.get_mut(&AssocId(1)).expect("the link").rate = 20.0;
    let least = Rates::new(0.01, 0.01);
    let taken = (0..200).filter(|id| ask(&mut base, &mut relays, &mut random, *id, least));
    assert_eq!(taken.count(), MAX_RELAYED_OF_ONE);
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

/// A relay at which a circuit with this purpose ends, and that circuit's keys.
fn begun(rates: Rates, channel: Channel) -> (Base, Relays, Stream, HopKeys) {
    let (mut base, mut relays, mut random) = relay();
    let asked = hop::Asked::new(base.id, rates, &mut random);
    let block = hop::fill(asked.head(), &mut random);
    relays.create(&mut base, Now::default(), (AssocId(1), 1), &block);
    let created = next_block(&mut base).expect("a CREATED");
    let mut keys = asked.finish(&hop::head(&created)).expect("its keys");
    let begin = BuildForward::Begin { channel }.encode();
    say(&mut base, &mut relays, &mut keys, 0.0, &begin);
    let answer = hear(&mut base, &mut keys).expect("a Begun");
    assert_eq!(BuildBack::decode(&answer), Ok(BuildBack::Begun { channel }));
    (base, relays, random, keys)
}

fn next_block(base: &mut Base) -> Option<[u8; BLOCK]> {
    while let Some(output) = base.poll() {
        if let CircuitOutput::Send {
            kind: BodyKind::Circuit,
            body,
            ..
        } = output
        {
            let mut block = [0; BLOCK];
            block.copy_from_slice(&body[4..]);
            return Some(block);
        }
    }
    None
}

/// Sends a command down the circuit at this second.
fn say(base: &mut Base, relays: &mut Relays, keys: &mut HopKeys, seconds: f64, cell: &[u8; END]) {
    let mut block = Box::new(keys.sealer.seal(cell).expect("a fresh sealer"));
    keys.forward.encrypt(&mut block);
    let at = Moment(0).after_seconds(seconds);
    let now = Now {
        at,
        ..Now::default()
    };
    relays.forward(base, now, 0, block);
}

fn hear(base: &mut Base, keys: &mut HopKeys) -> Option<[u8; END]> {
    let mut block = next_block(base)?;
    keys.backward.decrypt(&mut block);
    keys.opener.open(&block).ok().map(|(_, command)| command)
}

#[test]
fn a_circuit_carries_no_more_than_it_named_whatever_its_origin_sends() {
    let (mut base, mut relays, _, mut keys) = begun(Rates::new(0.1, 0.1), Channel::Outbound);
    let dummy = OutboundForward::Dummy.encode();
    // A tenth of a cell a second was asked for; ten a second come, for ten minutes.
    for n in 1..=6000 {
        say(
            &mut base,
            &mut relays,
            &mut keys,
            f64::from(n) / 10.0,
            &dummy,
        );
    }
    let taken = 6000 - relays.excess;
    let most = BURST + BURST_SECONDS * 0.1 + 600.0 * SLACK * 0.1;
    assert!((taken as f64) <= most && taken > 60, "{taken} of {most}");
    // One that keeps to its rates loses nothing, from its first ten seconds at six times them on.
    let (mut base, mut relays, _, mut keys) = begun(Rates::new(1.0, 0.1), Channel::Utility);
    let mut pace = Pace::new(
        Stream::from_seed([9; 32]),
        1.0,
        Boost::of(Channel::Utility),
        Moment(0),
    );
    while pace.next() < Moment(0).after_seconds(7200.0) {
        let at = pace.next();
        assert!(pace.tick(at));
        let seconds = at.since(Moment(0)).as_secs_f64();
        say(
            &mut base,
            &mut relays,
            &mut keys,
            seconds,
            &UtilityForward::Dummy.encode(),
        );
    }
    assert_eq!(relays.excess, 0);
}

/// An order to open a spur in `slot` to this address.
fn spur_to(random: &mut Stream, slot: u8, addr: SocketAddr) -> [u8; END] {
    OutboundForward::SpurOpen {
        slot,
        node: NodeKey::generate(random).id(),
        addr: addr.into(),
        key: Box::new(*CookieKey::generate(random).public()),
    }
    .encode()
}

fn dials(base: &mut Base) -> usize {
    std::iter::from_fn(|| base.poll())
        .filter(|output| matches!(output, CircuitOutput::DialSpur { .. }))
        .count()
}

#[test]
fn an_end_calls_an_address_that_never_answered_once_a_minute_whoever_names_it() {
    let (mut base, mut relays, mut random, mut keys) =
        begun(Rates::new(1.0, 0.5), Channel::Outbound);
    let victim = SocketAddr::from(([127, 0, 0, 9], 53));
    let mut order = |base: &mut Base, relays: &mut Relays, seconds: f64, addr| {
        for slot in 0..SPUR_SLOTS {
            let cell = spur_to(&mut random, slot, addr);
            say(base, relays, &mut keys, seconds, &cell);
        }
        dials(base)
    };
    assert_eq!(order(&mut base, &mut relays, 1.0, victim), 1);
    assert_eq!(order(&mut base, &mut relays, 30.0, victim), 0);
    assert_eq!(order(&mut base, &mut relays, 62.0, victim), 1);
    // Whoever answers may be called as often as the circuit's own allowance has it.
    relays.heard(&mut base, victim);
    assert_eq!(order(&mut base, &mut relays, 63.0, victim), 4);
}

#[test]
fn one_address_takes_half_of_the_spurs_that_may_end_here() {
    let (mut base, mut relays, mut random) = relay();
    let now = Now::default();
    let closed = |base: &mut Base| {
        std::iter::from_fn(|| base.poll())
            .filter(|output| matches!(output, CircuitOutput::CloseSpur { .. }))
            .count()
    };
    let mut peer = |port| Peer {
        node: NodeKey::generate(&mut random).id(),
        addr: SocketAddr::from(([127, 0, 0, 1], port)),
    };
    let greedy = peer(1);
    for n in 0..100 {
        relays.spur_up(&mut base, now, AssocId(100 + n), greedy, false);
    }
    assert_eq!(closed(&mut base), 76);
    for n in 0..24 {
        relays.spur_up(&mut base, now, AssocId(300 + n), peer(2 + n as u16), false);
    }
    assert_eq!(closed(&mut base), 0);
}
