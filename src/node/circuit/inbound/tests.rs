use super::*;
use crate::wire::size::PARCEL;

#[test]
fn registration_comes_first_then_tokens_then_answers_in_turn() {
    let mut tokens = Tokens::none();
    tokens.replace(&[[1; 16]; 30], &mut Stream::from_seed([1; 32]));
    let mut inbound = Inbound::new([9; 16]);
    for (spur, fill) in [(1, 10), (1, 11), (2, 20)] {
        assert!(inbound.answer(spur, Box::new([fill; PARCEL])));
    }
    assert_eq!(
        inbound.next(&tokens),
        InboundForward::Establish { cookie: [9; 16] }
    );
    let key = crate::crypto::keys::CookieKey::generate(&mut Stream::from_seed([2; 32]));
    inbound.established = Some(*key.public());
    for expected in [0, 1, 0, 1] {
        let InboundForward::Tokens {
            index,
            cells,
            tokens,
            ..
        } = inbound.next(&tokens)
        else {
            panic!("not tokens")
        };
        assert_eq!((index, cells, tokens.len()), (expected, 2, TOKENS_A_CELL));
    }
    let order: Vec<u8> = (0..3)
        .map(|_| match inbound.next(&tokens) {
            InboundForward::Answer { parcel, .. } => parcel[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [10, 20, 11]);
    let idle: Vec<InboundForward> = (0..8).map(|_| inbound.next(&tokens)).collect();
    assert_eq!(
        idle.iter()
            .filter(|cell| **cell != InboundForward::Dummy)
            .count(),
        2
    );
}
