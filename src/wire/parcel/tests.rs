use super::*;

#[test]
fn a_piece_says_after_the_way_what_it_said_before() {
    let body = Body::piece(
        Piece::whole(Kind::Text).code(),
        7,
        3,
        &[9; 8],
        "grüße".as_bytes(),
    );
    let read = Body::from_bytes(body.bytes());
    assert_eq!(
        (read.sequence(), read.have(), read.previous()),
        (7, 3, [9; 8])
    );
    assert!(read.in_sequence());
    match read.meaning() {
        Ok(Meaning::Piece { piece, text }) => {
            assert_eq!(piece, Piece::whole(Kind::Text));
            assert_eq!(text, "grüße".as_bytes());
        }
        _ => panic!("a piece"),
    }
}

#[test]
fn the_link_covers_place_type_text_and_the_past_but_not_the_receipt_that_rides_along() {
    let one = |code, sequence, have, previous: &Link, text: &[u8]| {
        Body::piece(code, sequence, have, previous, text).link()
    };
    let link = one(0x31, 7, 3, &[9; 8], b"hello");
    assert_eq!(link, one(0x31, 7, 4, &[9; 8], b"hello"));
    for other in [
        one(0x11, 7, 3, &[9; 8], b"hello"),
        one(0x31, 8, 3, &[9; 8], b"hello"),
        one(0x31, 7, 3, &[8; 8], b"hello"),
        one(0x31, 7, 3, &[9; 8], b"hello\0"),
        one(0x31, 7, 3, &[9; 8], b"hullo"),
    ] {
        assert_ne!(link, other);
    }
}

#[test]
fn a_receipt_names_what_is_held() {
    let receipt = Receipt {
        number: 5,
        ahead: 0b101,
        links: (0..RECEIPT_LINKS as u8).map(|i| [i; 8]).collect(),
    };
    let body = Body::receipt(40, &receipt);
    assert!(!body.in_sequence());
    match body.meaning() {
        Ok(Meaning::Receipt(read)) => assert_eq!(read, receipt),
        _ => panic!("a receipt"),
    }
    assert_eq!(body.have(), 40);
}

#[test]
fn an_introduction_says_in_a_session_what_a_descriptor_says() {
    use crate::crypto::keys::{CookieKey, NodeKey};
    use crate::wire::introduction::IntroPoint;
    let mut random = crate::crypto::random::Stream::from_seed([4; 32]);
    let mut point = || IntroPoint {
        node: NodeKey::generate(&mut random).id(),
        addr: ([9, 8, 7, 6], 5).into(),
        cookie_key: *CookieKey::generate(&mut random).public(),
        cookie: random.bytes(),
    };
    for points in [vec![], vec![point()], vec![point(), point()]] {
        let introduction = Introduction {
            day: 20_000,
            revision: 1 << 40,
            points,
        };
        let body = Body::introduction(3, &introduction);
        assert!(!body.in_sequence());
        assert_eq!(body.have(), 3);
        match Body::from_bytes(body.bytes()).meaning() {
            Ok(Meaning::Introduction(read)) => assert_eq!(read, introduction),
            _ => panic!("an introduction"),
        }
        let bytes = introduction.encode();
        assert!(Introduction::decode(&bytes[..INTRODUCTION - 1]).is_err());
        assert!(Introduction::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn any_299_bytes_are_read_without_a_panic() {
    let mut random = crate::crypto::random::Stream::from_seed([3; 32]);
    for round in 0..4000 {
        let mut bytes: [u8; PARCEL_BODY] = random.bytes();
        if round % 2 == 0 {
            bytes[0] = [0x31, 0x81, 0x82, 0x83, 0x32, 0x7f, 0xff][round % 7];
            bytes[CONTENT] = 0;
        }
        let body = Body::from_bytes(&bytes);
        let _ = (body.link(), body.sequence());
        if let Ok(Meaning::Piece { text, .. }) = body.meaning() {
            let _ = Request::decode(text);
        }
    }
}

#[test]
fn hidden_bytes_behind_the_text_are_refused() {
    let mut bytes = *Body::piece(0x31, 1, 0, &START, b"hi").bytes();
    bytes[PARCEL_BODY - 1] = 1;
    assert!(Body::from_bytes(&bytes).meaning().is_err());
}

#[test]
fn a_long_text_splits_between_letters_and_joins_again() {
    let text = "ä€😀x".repeat(400);
    let pieces = split(&text);
    assert!(
        pieces
            .iter()
            .all(|piece| piece.len() <= TEXT && !piece.is_empty())
    );
    assert_eq!(pieces.concat(), text);
    assert_eq!(split(""), [""]);
}

#[test]
fn a_request_fits_one_parcel_or_is_not_made() {
    let request = Request {
        name: "n".repeat(REQUEST_NAME),
        text: "t".repeat(REQUEST_TEXT),
    };
    let bytes = request.encode().expect("at the limit");
    assert!(bytes.len() <= TEXT);
    assert_eq!(Request::decode(&bytes), Ok(request));
    assert_eq!(
        Request {
            name: String::new(),
            text: "t".repeat(REQUEST_TEXT + 1)
        }
        .encode(),
        None
    );
}
