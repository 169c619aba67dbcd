//! When keys change, and when those before are gone.

use super::*;
use crate::crypto::keys::Static;

struct Pair {
    caller: NodeKey,
    callee: NodeKey,
    at_caller: Keys,
    at_callee: Keys,
    random: Stream,
}

const START: Moment = Moment(0);

fn pair() -> Pair {
    let mut random = Stream::from_seed([1; 32]);
    let (caller, callee) = (
        NodeKey::generate(&mut random),
        NodeKey::generate(&mut random),
    );
    let x = Ephemeral::generate(&mut random);
    let t = Transcript::new("test");
    let agreed = mqv::es_to(&x, callee.public_point(), t).expect("a good key");
    let keys = |side, random: &Stream| Keys::new(&agreed, side, START, random.fork("", b""));
    Pair {
        at_caller: keys(Side::Initiator, &random),
        at_callee: keys(Side::Responder, &random),
        caller,
        callee,
        random,
    }
}

impl Pair {
    /// The caller asks at `now`, when it is due.
    fn ask(&mut self, now: Moment) -> Option<[u8; BODY]> {
        self.at_caller.ask(now, &mut self.random)
    }

    fn asked(&mut self, now: Moment, body: &[u8; BODY]) -> Option<[u8; BODY]> {
        let caller = self.caller.id();
        self.at_callee
            .asked(now, &self.callee, &caller, body, &mut self.random)
    }

    fn answered(&mut self, now: Moment, body: &[u8; BODY]) -> bool {
        let callee = self.callee.id();
        self.at_caller.answered(now, &self.caller, &callee, body)
    }

    /// What a cell of the caller opens under at the callee.
    fn reach_callee(&mut self, now: Moment) -> Option<Under> {
        let (cell, _) = self.at_caller.seal(&[0; INNER]).expect("young keys");
        self.at_callee.open(now, &cell).map(|opened| opened.0)
    }

    fn reach_caller(&mut self, now: Moment) -> Option<Under> {
        let (cell, _) = self.at_callee.seal(&[0; INNER]).expect("young keys");
        self.at_caller.open(now, &cell).map(|opened| opened.0)
    }
}

fn minutes(n: f64) -> Moment {
    START.after_seconds(60.0 * n)
}

#[test]
fn the_caller_asks_after_a_quarter_of_an_hour_and_both_switch() {
    let mut pair = pair();
    assert!(pair.ask(minutes(11.9)).is_none());
    let question = pair.ask(minutes(18.1)).expect("due");
    let now = minutes(18.1);
    let answer = pair.asked(now, &question).expect("an answer");
    assert_eq!(
        pair.reach_callee(now),
        Some(Under::Present),
        "before the answer is there"
    );
    assert!(pair.answered(now, &answer));
    assert_eq!(
        pair.reach_caller(now),
        Some(Under::Old),
        "the callee has not heard of it"
    );
    assert_eq!(pair.reach_callee(now), Some(Under::New));
    assert_eq!(pair.reach_callee(now), Some(Under::Present));
    assert_eq!(pair.reach_caller(now), Some(Under::Present));
    assert!(!pair.at_caller.is_over(minutes(50.0)) && !pair.at_callee.is_over(minutes(50.0)));
    assert!(pair.at_caller.is_over(minutes(58.2)) && pair.at_callee.is_over(minutes(58.2)));
}

#[test]
fn the_keys_before_open_for_thirty_seconds_and_are_gone_then_whether_anything_comes_or_not() {
    let mut pair = pair();
    let now = minutes(18.1);
    let late: Vec<_> = (0..3)
        .map(|_| pair.at_callee.seal(&[0; INNER]).expect("young keys").0)
        .collect();
    let question = pair.ask(now).expect("due");
    let answer = pair.asked(now, &question).expect("an answer");
    assert!(pair.answered(now, &answer));
    let within = now.after_seconds(29.0);
    let opened = pair.at_caller.open(within, &late[0]).map(|opened| opened.0);
    assert_eq!(opened, Some(Under::Old));
    let after = now.after_seconds(31.0);
    assert!(pair.at_caller.open(after, &late[1]).is_none());
    assert_eq!(pair.reach_callee(now), Some(Under::New));
    assert!(pair.at_callee.old.is_some());
    pair.at_callee.forget_old(within);
    assert!(pair.at_callee.old.is_some());
    pair.at_callee.forget_old(after);
    assert!(pair.at_callee.old.is_none());
}

#[test]
fn an_answer_without_its_confirmation_or_to_nothing_asked_changes_no_key() {
    let mut pair = pair();
    let now = minutes(18.1);
    let question = pair.ask(now).expect("due");
    let answer = pair.asked(now, &question).expect("an answer");
    let mut forged = answer;
    forged[1 + POINT] ^= 1;
    assert!(!pair.answered(now, &forged));
    assert!(
        !pair.answered(now, &answer),
        "what was asked for is used up"
    );
    assert_eq!(pair.reach_callee(now), Some(Under::Present));
    assert_eq!(pair.reach_caller(now), Some(Under::Present));
    assert!(pair.ask(now.after_seconds(59.0)).is_none());
    let again = now.after_seconds(60.0);
    let question = pair.ask(again).expect("asked again after a minute");
    let answer = pair.asked(again, &question).expect("an answer");
    assert!(pair.answered(again, &answer));
}

#[test]
fn only_the_caller_asks_and_the_callee_answers_once_in_half_a_minute() {
    let mut pair = pair();
    let now = minutes(18.1);
    assert!(pair.at_callee.ask(now, &mut pair.random).is_none());
    let question = pair.ask(now).expect("due");
    let (caller, callee) = (pair.caller.id(), &pair.callee);
    let mut at_caller = |body: &[u8; BODY]| {
        pair.at_caller
            .asked(now, callee, &caller, body, &mut pair.random)
            .is_some()
    };
    assert!(!at_caller(&question), "the caller does not answer");
    assert!(pair.asked(now, &question).is_some());
    assert!(pair.asked(now.after_seconds(29.0), &question).is_none());
    assert!(pair.asked(now.after_seconds(30.0), &question).is_some());
    let mut no_point = question;
    no_point[1] = 4;
    assert!(pair.asked(now.after_seconds(60.0), &no_point).is_none());
}
