use super::super::seal::Asked;
use super::*;

fn peer(random: &mut Stream, port: u16) -> (NodeKey, Peer) {
    let key = NodeKey::generate(random);
    let peer = Peer {
        node: key.id(),
        addr: SocketAddr::from(([127, 0, 0, 1], port)),
    };
    (key, peer)
}

#[test]
fn an_answer_finds_the_circuit_and_only_from_the_node_that_was_asked() {
    let mut random = Stream::from_seed([1; 32]);
    let (end, end_peer) = peer(&mut random, 1);
    let (keeper, keeper_peer) = peer(&mut random, 2);
    let (_, other) = peer(&mut random, 3);
    let mut at_end = Forwarder::new(random.fork("end", b""));
    let mut at_keeper = Forwarder::new(random.fork("keeper", b""));
    let (asked, sealed) = Asked::new(keeper.id(), &[1; QUERY], &mut random).expect("a valid key");
    let request = at_end
        .query(Moment(0), 5, keeper_peer, &sealed, Call::First)
        .expect("the first cell to it");
    assert!(
        at_end
            .request(Moment(0), &end, keeper_peer, &request)
            .is_none(),
        "not sealed to the end"
    );
    let (token, body) = at_keeper
        .request(Moment(0), &keeper, end_peer, &request)
        .expect("sealed to it");
    assert_eq!(*body, [1; QUERY]);
    let Some(Answered::Send { to, body }) = at_keeper.answered(&keeper, token, &[2; QUERY]) else {
        panic!("no answer")
    };
    assert_eq!(to, end_peer);
    assert!(at_end.answer(other, &body).is_none());
    let Some(Answered::Circuit {
        circuit,
        asked: name,
        sealed,
    }) = at_end.answer(keeper_peer, &body)
    else {
        panic!("no way back")
    };
    assert_eq!((circuit, name), (5, asked.name()));
    assert_eq!(*asked.open(&sealed).expect("the answer"), [2; QUERY]);
    assert!(at_end.answer(keeper_peer, &body).is_none(), "once");
}

#[test]
fn what_waits_for_a_silent_address_goes_when_it_is_heard_and_is_forgotten_with_its_next_call() {
    let mut random = Stream::from_seed([2; 32]);
    let (_, silent) = peer(&mut random, 1);
    let mut forwarder = Forwarder::new(random.fork("end", b""));
    let sealed = Box::new([3; SEALED]);
    let ask = |forwarder: &mut Forwarder, call| {
        let asked = forwarder.query(Moment(0), 1, silent, &sealed, call);
        asked.is_some()
    };
    assert!(ask(&mut forwarder, Call::First));
    for _ in 0..9 {
        assert!(!ask(&mut forwarder, Call::NotNow));
    }
    assert_eq!(forwarder.heard(silent.addr).len(), MAX_HELD);
    assert!(forwarder.heard(silent.addr).is_empty());
    assert!(!ask(&mut forwarder, Call::NotNow));
    assert!(ask(&mut forwarder, Call::First));
    assert!(forwarder.heard(silent.addr).is_empty());
    assert!(ask(&mut forwarder, Call::Known));
}

#[test]
fn a_flood_of_questions_costs_a_bounded_number_of_agreements_and_stops_nobody_else() {
    let mut random = Stream::from_seed([3; 32]);
    let (own, _) = peer(&mut random, 1);
    let mut forwarder = Forwarder::new(random.fork("end", b""));
    let mut opened = |from: Peer, times: usize, at: Moment| {
        let mut request = [0; BODY];
        let asked = Asked::new(own.id(), &[1; QUERY], &mut random);
        let (_, sealed) = asked.expect("a valid key");
        request[5..5 + SEALED].copy_from_slice(&sealed[..]);
        let asked = |_: &usize| forwarder.request(at, &own, from, &request).is_some();
        (0..times).filter(asked).count()
    };
    let mut others = Stream::from_seed([4; 32]);
    let mut next = |port| peer(&mut others, port).1;
    assert_eq!(opened(next(1), 500, Moment(0)), 60);
    assert_eq!(opened(next(2), 5, Moment(0)), 5);
    // Many who ask together still cost no more than this node can give.
    let all: usize = (3..10).map(|n| opened(next(n), 60, Moment(0))).sum();
    assert_eq!(all, QUESTIONS_AT_ONCE as usize - 65);
    assert_eq!(opened(next(10), 60, Moment(1_000_000)), 60);
}
