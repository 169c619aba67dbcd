//! What two ends let each other say of their link.

use super::*;
use crate::crypto::random::Stream;
use crate::wire::time::UnixMs;

const UNIX: UnixMs = UnixMs(1_800_000_000_000);

fn after(seconds: u64) -> Now {
    Now {
        at: Moment(seconds * 1_000_000),
        unix: UnixMs(UNIX.0 + seconds * 1000),
    }
}

struct Pair {
    keys: [NodeKey; 2],
    caller: Vouching,
    callee: Vouching,
}

fn pair() -> Pair {
    let keys = [1, 2].map(|n| NodeKey::generate(&mut Stream::from_seed([n; 32])));
    let places = [7, 8].map(|n| Address::from(std::net::SocketAddr::from(([9, n, 0, 1], 40))));
    let [a, b] = [keys[0].id(), keys[1].id()];
    let start = Moment(0);
    Pair {
        caller: Vouching::new(a, places[0], b, places[1], true, start),
        callee: Vouching::new(b, places[1], a, places[0], false, start),
        keys,
    }
}

impl Pair {
    fn offer(&mut self, now: Now) -> Option<[u8; BODY]> {
        self.caller.offer(now, &self.keys[0])
    }

    fn offered(&mut self, now: Now, offer: &[u8; BODY]) -> Option<[u8; BODY]> {
        self.callee.offered(now, &self.keys[1], offer)
    }

    fn answered(&mut self, now: Now, answer: &[u8; BODY]) {
        self.caller.answered(now, &self.keys[0], answer);
    }

    /// An offer with this expiry, signed as it should be.
    fn offer_until(&self, expires: u32) -> [u8; BODY] {
        self.caller.message(OFFER, expires, &self.keys[0])
    }
}

#[test]
fn an_offer_and_its_answer_give_both_ends_a_certificate_that_holds() {
    let mut pair = pair();
    let offer = pair.offer(after(0)).expect("due at once");
    assert!(
        pair.callee.offer(after(0), &pair.keys[1]).is_none(),
        "the callee offers nothing"
    );
    let answer = pair.offered(after(1), &offer).expect("a good offer");
    pair.answered(after(2), &answer);
    let (a, b) = (pair.keys[0].id(), pair.keys[1].id());
    let at_caller = pair.caller.certificate().expect("both signed");
    let at_callee = pair.callee.certificate().expect("both signed");
    assert!(at_caller.verify(&a, UNIX) && at_callee.verify(&b, UNIX));
    assert_eq!((at_caller.neighbour, at_callee.neighbour), (b, a));
    // Half a day later again, and a minute after an offer that was not answered.
    assert!(pair.offer(after(12 * 3600)).is_none());
    assert!(pair.offer(after(12 * 3600 + 3)).is_some());
    assert!(pair.offer(after(12 * 3600 + 62)).is_none());
    assert!(pair.offer(after(12 * 3600 + 63)).is_some());
}

#[test]
fn a_signature_that_is_not_the_neighbours_is_not_kept() {
    let mut pair = pair();
    let offer = pair.offer(after(0)).expect("due at once");
    let mut forged = offer;
    forged[20] ^= 1;
    assert!(pair.offered(after(1), &forged).is_none());
    assert!(pair.callee.certificate().is_none());
    let answer = pair.offered(after(20), &offer).expect("a good offer");
    let mut forged = answer;
    forged[20] ^= 1;
    pair.answered(after(21), &forged);
    assert!(pair.caller.certificate().is_none());
}

#[test]
fn an_offer_that_is_over_or_for_too_long_is_not_signed() {
    let now = UNIX.seconds();
    for (expires, signed) in [
        (now - 1, false),
        (now, false),
        (now + 1, true),
        (now + MAX_LIFE_SECONDS, true),
        (now + MAX_LIFE_SECONDS + 1, false),
        (u32::MAX, false),
    ] {
        let mut pair = pair();
        let offer = pair.offer_until(expires);
        assert_eq!(
            pair.offered(after(0), &offer).is_some(),
            signed,
            "{expires}"
        );
        assert_eq!(pair.callee.certificate().is_some(), signed, "{expires}");
    }
}

#[test]
fn only_the_answer_to_the_last_offer_counts_and_only_once() {
    let mut pair = pair();
    let other = pair
        .callee
        .message(ANSWER, UNIX.seconds() + 100, &pair.keys[1]);
    pair.answered(after(0), &other);
    assert!(pair.caller.certificate().is_none(), "nothing was offered");
    let offer = pair.offer(after(0)).expect("due at once");
    pair.answered(after(1), &other);
    assert!(
        pair.caller.certificate().is_none(),
        "it answers something else"
    );
    let answer = pair.offered(after(2), &offer).expect("a good offer");
    pair.answered(after(3), &answer);
    let expires = pair.caller.certificate().expect("both signed").expires;
    pair.answered(after(4), &other);
    assert_eq!(
        pair.caller.certificate().expect("it stays").expires,
        expires
    );
}

#[test]
fn offers_are_answered_at_most_every_ten_seconds() {
    let mut pair = pair();
    let offer = pair.offer(after(0)).expect("due at once");
    assert!(pair.offered(after(0), &offer).is_some());
    assert!(pair.offered(after(9), &offer).is_none());
    assert!(pair.offered(after(10), &offer).is_some());
}
