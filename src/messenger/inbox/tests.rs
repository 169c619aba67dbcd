use super::*;
use crate::wire::parcel::{Piece, split};

/// The parcels of a sender that says `texts`.
fn parcels(texts: &[&str]) -> Vec<Body> {
    let mut link = START;
    let mut bodies = Vec::new();
    for text in texts {
        let pieces = split(text);
        for (i, piece) in pieces.iter().enumerate() {
            let code = Piece {
                kind: Kind::Text,
                first: i == 0,
                last: i + 1 == pieces.len(),
            }
            .code();
            let body = Body::piece(code, bodies.len() as u32 + 1, 0, &link, piece.as_bytes());
            link = body.link();
            bodies.push(body);
        }
    }
    bodies
}

fn texts(step: Step) -> Vec<String> {
    match step {
        Step::Took(taken) => taken
            .units
            .iter()
            .map(|unit| String::from_utf8(unit.bytes.to_vec()).expect("text"))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn texts_come_out_whole_once_and_in_their_order_however_they_arrive() {
    let long = "ä".repeat(1000);
    let said = ["one", &long, "two", "three"];
    let bodies = parcels(&said);
    let mut random = crate::crypto::random::Stream::from_seed([5; 32]);
    for _ in 0..50 {
        let mut order: Vec<usize> = (0..bodies.len()).chain(0..bodies.len()).collect();
        random.shuffle(&mut order);
        let mut inbox = Inbox::new();
        let mut heard = Vec::new();
        for i in order {
            heard.extend(texts(inbox.take(bodies[i].clone(), false)));
        }
        assert_eq!(heard, said);
        assert!(inbox.parts.is_empty());
        assert_eq!(inbox.missing, 0);
    }
}

#[test]
fn an_early_parcel_is_named_in_the_map_and_asked_for_no_more() {
    let bodies = parcels(&["a", "b", "c", "d"]);
    let mut inbox = Inbox::new();
    assert!(matches!(inbox.take(bodies[1].clone(), true), Step::Refused));
    assert!(matches!(
        inbox.take(bodies[3].clone(), false),
        Step::Took(_)
    ));
    assert_eq!((inbox.received, inbox.ahead()), (0, 0b100));
    assert!(matches!(inbox.take(bodies[3].clone(), false), Step::Known));
}

#[test]
fn a_body_that_cannot_be_read_is_put_aside_once_and_the_next_text_shows_the_gap() {
    let first = parcels(&["before"]).remove(0);
    let poison = Body::piece(0x3f, 2, 0, &first.link(), b"\xff\xfe");
    let after = Body::piece(
        Piece::whole(Kind::Text).code(),
        3,
        0,
        &poison.link(),
        b"after",
    );
    let mut inbox = Inbox::new();
    inbox.take(first, false);
    match inbox.take(poison.clone(), false) {
        Step::Took(taken) => assert_eq!((taken.units.len(), taken.aside), (0, 1)),
        _ => panic!("it has its place"),
    }
    assert!(matches!(inbox.take(poison, false), Step::Known));
    match inbox.take(after, false) {
        Step::Took(taken) => assert_eq!((taken.units[0].gap, taken.aside), (1, 0)),
        _ => panic!("the next one is read"),
    }
}

#[test]
fn what_the_sender_cannot_give_any_more_is_a_visible_gap() {
    let bodies = parcels(&["a", "b", "c", "d", "e"]);
    let mut inbox = Inbox::new();
    inbox.take(bodies[0].clone(), false);
    inbox.take(bodies[4].clone(), false);
    let taken = inbox.skip(4, bodies[3].link()).expect("ahead of us");
    assert_eq!(taken.units.len(), 1);
    assert_eq!(taken.units[0].gap, 3);
    assert_eq!(inbox.received, 5);
    assert!(inbox.skip(4, bodies[3].link()).is_none());
}

#[test]
fn parcels_of_another_past_are_dropped_and_leave_room_for_the_right_ones() {
    let right = parcels(&["a", "b", "c"]);
    let wrong = parcels(&["x", "y", "z"]);
    let mut inbox = Inbox::new();
    inbox.take(right[0].clone(), false);
    inbox.take(wrong[2].clone(), false);
    assert!(texts(inbox.take(wrong[1].clone(), false)).is_empty());
    assert_eq!((inbox.received, inbox.ahead()), (1, 0));
    assert_eq!(texts(inbox.take(right[1].clone(), false)), ["b"]);
    assert_eq!(texts(inbox.take(right[2].clone(), false)), ["c"]);
}

#[test]
fn a_unit_that_never_ends_does_not_fill_the_store() {
    let mut inbox = Inbox::new();
    let mut link = START;
    for sequence in 1..500 {
        let code = Piece {
            kind: Kind::Text,
            first: sequence == 1,
            last: false,
        }
        .code();
        let body = Body::piece(code, sequence, 0, &link, b"more");
        link = body.link();
        inbox.take(body, false);
        assert!(inbox.parts.len() <= PARTS);
    }
    assert_eq!(inbox.received, 499);
}
