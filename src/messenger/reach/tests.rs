use std::time::Duration;

use super::aim::{CREDENTIAL_PATIENCE, POINT_PATIENCE};
use super::*;
use crate::crypto::keys::{CookieKey, NodeKey};
use crate::crypto::random::Stream;
use crate::node::person::{IntroPoint, ReplyHandle, Way};

const HANDLE: ReplyHandle = ReplyHandle {
    circuit: 1,
    spur: 2,
};

fn second(seconds: f64) -> Moment {
    Moment(0).after_seconds(seconds)
}

fn by_handle(reach: &Reach, seconds: f64, tries: u32) -> bool {
    reach.ways.way(second(seconds), tries) == Some(ReachedBy::Handle(HANDLE))
}

#[test]
fn a_handle_that_nothing_comes_back_by_is_left_for_a_spur_after_its_patience_and_for_nothing_later()
{
    let mut reach = Reach::new();
    reach.heard(ReachedBy::Handle(HANDLE), second(10.0));
    let by = ReachedBy::Handle(HANDLE);
    reach.ways.used(by, second(20.0), Duration::from_secs(8));
    reach.ways.used(by, second(25.0), Duration::from_secs(8));
    assert!(by_handle(&reach, 57.0, 0), "it is the only way");
    assert!(!by_handle(&reach, 58.0, 0));
    reach.spur_up(second(21.0));
    assert!(!by_handle(&reach, 27.0, 0), "a spur goes before");
    assert!(by_handle(&reach, 27.0, 1));
    assert!(!by_handle(&reach, 28.0, 0) && !by_handle(&reach, 28.0, 1));
    reach.heard(ReachedBy::Handle(HANDLE), second(60.0));
    // Heard of later than a spur that has proved nothing, it even goes before that, but for one parcel that is to prove it.
    assert!(by_handle(&reach, 61.0, 0), "a word by it opens it again");
    assert!(!by_handle(&reach, 61.0, 1));
    let proving = |reach: &Reach| reach.ways.proving_way(second(62.0), 0, Moment(0), false);
    assert_eq!(proving(&reach), Some(ReachedBy::Spur));
    reach
        .ways
        .used(ReachedBy::Spur, second(61.0), Duration::from_secs(8));
    assert_eq!(proving(&reach), Some(by));
}

#[test]
fn a_spur_that_nothing_comes_of_is_left_for_a_handle_until_it_is_another_one() {
    let mut reach = Reach::new();
    reach.spur_up(second(1.0));
    reach
        .ways
        .used(ReachedBy::Spur, second(2.0), Duration::from_secs(8));
    assert_eq!(
        reach.ways.way(second(20.0), 0),
        Some(ReachedBy::Spur),
        "it is the only way"
    );
    assert!(reach.heard(ReachedBy::Handle(HANDLE), second(20.0)));
    assert!(!reach.heard(ReachedBy::Handle(HANDLE), second(21.0)));
    assert!(by_handle(&reach, 21.0, 0) && by_handle(&reach, 21.0, 1));
    reach.ways.used(
        ReachedBy::Handle(HANDLE),
        second(21.0),
        Duration::from_secs(8),
    );
    assert_eq!(
        reach.ways.way(second(29.0), 1),
        Some(ReachedBy::Spur),
        "nor of that"
    );
    reach.spur_up(second(30.0));
    reach.heard(ReachedBy::Handle(HANDLE), second(30.0));
    assert!(!by_handle(&reach, 30.0, 0) && by_handle(&reach, 30.0, 1));
    reach.heard(ReachedBy::Handle(HANDLE), second(31.0));
    assert!(by_handle(&reach, 31.0, 0) && !by_handle(&reach, 31.0, 1));
    reach.ways.spur_led_there(second(31.0));
    assert!(!by_handle(&reach, 31.0, 0) && by_handle(&reach, 31.0, 1));
}

#[test]
fn what_was_lost_by_chance_takes_our_spur_if_that_carried_something_later() {
    let mut reach = Reach::new();
    reach.spur_up(second(1.0));
    reach.heard(ReachedBy::Handle(HANDLE), second(1.0));
    let way =
        |reach: &Reach, left: f64| reach.ways.proving_way(second(12.0), 1, second(left), true);
    let (spur, handle) = (Some(ReachedBy::Spur), Some(ReachedBy::Handle(HANDLE)));
    assert_eq!(way(&reach, 10.0), handle, "nothing is known: in turn");
    reach.ways.spur_led_there(second(11.0));
    assert_eq!(way(&reach, 10.0), spur);
    assert_eq!(way(&reach, 11.5), handle, "it left after that");
    assert!(reach.ways.handle_gone(HANDLE));
    assert!(!reach.ways.handle_gone(HANDLE));
    assert_eq!(way(&reach, 11.5), spur);
}

#[test]
fn what_brought_no_answer_by_their_handle_either_takes_the_doubtful_spur_again() {
    let mut reach = Reach::new();
    reach.heard(ReachedBy::Handle(HANDLE), second(1.0));
    reach.spur_up(second(2.0));
    let patience = Duration::from_secs(8);
    reach.ways.used(ReachedBy::Spur, second(10.0), patience);
    let (spur, handle) = (Some(ReachedBy::Spur), Some(ReachedBy::Handle(HANDLE)));
    let way = |reach: &Reach, at: f64, tries: u32, left: f64, by_spur: bool| {
        let (at, left) = (second(at), second(left));
        reach.ways.proving_way(at, tries, left, by_spur)
    };
    assert_eq!(way(&reach, 20.0, 1, 10.0, true), handle);
    let longer = Duration::from_secs(40);
    reach
        .ways
        .used(ReachedBy::Handle(HANDLE), second(20.0), longer);
    assert_eq!(way(&reach, 30.0, 2, 20.0, false), spur);
    assert_eq!(way(&reach, 40.0, 3, 30.0, true), handle, "in turn");
    reach.heard(ReachedBy::Handle(HANDLE), second(41.0));
    assert_eq!(way(&reach, 42.0, 4, 40.0, false), handle, "it was heard of");
}

#[test]
fn what_proved_the_spur_without_an_answer_takes_the_handle_next_and_not_the_spur_again() {
    let mut reach = Reach::new();
    reach.spur_up(second(1.0));
    reach.heard(ReachedBy::Handle(HANDLE), second(2.0));
    let (spur, handle) = (Some(ReachedBy::Spur), Some(ReachedBy::Handle(HANDLE)));
    let way = |reach: &Reach, at: f64, tries: u32, left: f64, by_spur: bool| {
        let (at, left) = (second(at), second(left));
        reach.ways.proving_way(at, tries, left, by_spur)
    };
    assert_eq!(way(&reach, 3.0, 0, 0.0, false), spur, "one proves it");
    // Longer than the first try waits.
    let patience = Duration::from_secs(50);
    reach.ways.used(ReachedBy::Spur, second(3.0), patience);
    assert_eq!(way(&reach, 4.0, 0, 0.0, false), handle, "the others do not");
    assert_eq!(way(&reach, 23.0, 1, 3.0, true), handle);
    assert_eq!(way(&reach, 43.0, 2, 23.0, false), spur, "in turn");
    assert_eq!(
        way(&reach, 53.0, 2, 23.0, false),
        spur,
        "it was in vain, too"
    );
    reach.heard(ReachedBy::Handle(HANDLE), second(54.0));
    assert_eq!(
        way(&reach, 55.0, 2, 23.0, false),
        handle,
        "the spur is doubtful"
    );
}

/// Whether the token is shown, by a contact for whom something waits or not.
fn shows_token(reach: &mut Reach, at: f64, working: bool) -> bool {
    let target = reach.target(
        ContactTag(1),
        Some([7; 16]),
        working,
        second(0.0),
        second(at),
    );
    let target = target.expect("a descriptor was found");
    assert_eq!(reach.shows_cookie(), target.credential == target.point);
    target.credential != target.point
}

/// A way to a contact with one intro point, where the token is shown from second 2 on and nothing comes.
fn one_that_shows_its_token() -> Reach {
    let mut reach = Reach::new();
    reach.found(&introduction(&[1]), second(0.0));
    reach.spur_up(second(1.0));
    assert!(shows_token(&mut reach, 2.0, true));
    reach
}

#[test]
fn after_a_pause_the_token_is_shown_that_was_shown_before_it() {
    let mut reach = Reach::new();
    reach.found(&introduction(&[1]), second(0.0));
    reach.spur_up(second(1.0));
    reach.heard(ReachedBy::Handle(HANDLE), second(2.0));
    assert!(shows_token(&mut reach, 3.0, false));
    assert!(shows_token(&mut reach, 300.0, false), "nobody has written");
    assert!(shows_token(&mut reach, 400.0, true), "nothing is late yet");
    assert_eq!(
        reach.target_due(second(0.0)),
        second(400.0) + CREDENTIAL_PATIENCE
    );
    assert!(shows_token(&mut reach, 414.0, true));
    reach.heard(ReachedBy::Handle(HANDLE), second(414.5));
    assert!(shows_token(&mut reach, 415.0, true));
}

#[test]
fn a_token_of_which_nothing_comes_makes_way_for_the_cookie_and_is_tried_again_in_a_minute() {
    let mut reach = one_that_shows_its_token();
    assert!(shows_token(&mut reach, 16.9, true));
    assert!(!shows_token(&mut reach, 17.0, true));
    for at in 18..77 {
        reach.heard(ReachedBy::Spur, second(f64::from(at)));
        assert!(!shows_token(&mut reach, f64::from(at), true), "it works");
    }
    assert!(shows_token(&mut reach, 77.0, true));
}

#[test]
fn older_words_of_where_they_are_reached_change_nothing() {
    let mut reach = Reach::new();
    reach.found(&introduction(&[1]), second(0.0));
    let point = |reach: &mut Reach| {
        let target = reach.target(ContactTag(1), None, true, second(0.0), second(1.0));
        target.map(|target| target.point[0])
    };
    reach.told(&introduction(&[2]), 1, second(1.0));
    assert_eq!(point(&mut reach), Some(1), "the same revision");
    let newer = Introduction {
        revision: 2,
        ..introduction(&[3])
    };
    let far = Introduction {
        day: 3,
        ..introduction(&[4])
    };
    reach.told(&far, 1, second(1.0));
    assert_eq!(point(&mut reach), Some(1), "the day after tomorrow");
    reach.told(&newer, 1, second(1.0));
    assert_eq!(point(&mut reach), Some(3));
    reach.lookup.begin(1, 1, second(2.0));
    reach.found(&introduction(&[1]), second(3.0));
    assert_eq!(point(&mut reach), Some(3), "an old descriptor");
}

#[test]
fn a_handle_that_refuses_a_parcel_is_left_at_once() {
    let mut reach = Reach::new();
    reach.heard(ReachedBy::Handle(HANDLE), second(1.0));
    let other = Way::Handle(ReplyHandle {
        circuit: 1,
        spur: 3,
    });
    assert_eq!(reach.ways.refused(other, second(2.0)), None);
    assert!(by_handle(&reach, 2.0, 0), "that was an older one");
    assert_eq!(reach.ways.refused(Way::Handle(HANDLE), second(2.0)), None);
    assert!(reach.ways.way(second(2.0), 0).is_none());
}

fn introduction(cookies: &[u8]) -> Introduction {
    let random = &mut Stream::from_seed([3; 32]);
    let (node, cookie_key) = (
        NodeKey::generate(random).id(),
        *CookieKey::generate(random).public(),
    );
    let point = |cookie: &u8| IntroPoint {
        node,
        addr: ([127, 0, 0, 1], 9000).into(),
        cookie_key,
        cookie: [*cookie; 16],
    };
    Introduction {
        day: 1,
        revision: 1,
        points: cookies.iter().map(point).collect(),
    }
}

#[test]
fn a_descriptor_with_one_intro_point_is_looked_up_again_each_time_later_and_a_whole_one_is_not() {
    let mut looked = Vec::new();
    let mut reach = Reach::new();
    for at in (0..400).map(f64::from) {
        let now = second(at);
        // Heard all the time: nothing but the descriptor asks for a look-up.
        reach.heard(ReachedBy::Spur, now);
        if reach.wants_lookup(now) {
            reach.lookup.begin(at as u64, 1, now);
            let points: &[u8] = if at < 200.0 { &[1] } else { &[2, 1] };
            reach.found(&introduction(points), now);
            looked.push(at);
        }
    }
    assert_eq!(looked, [0.0, 10.0, 30.0, 70.0, 150.0, 310.0]);
}

#[test]
fn the_first_intro_point_is_tried_again_a_minute_after_the_second_was_taken() {
    let mut reach = Reach::new();
    reach.found(&introduction(&[1, 2]), second(0.0));
    let mut target = |at: f64, working: bool| {
        let target = reach.target(ContactTag(1), None, working, second(0.0), second(at));
        target.map(|target| target.point[0])
    };
    assert_eq!(target(0.0, true), Some(1));
    assert_eq!(target(21.0, true), Some(2), "nothing was heard");
    assert_eq!(target(80.0, false), Some(2));
    assert_eq!(target(82.0, false), Some(1));
}

#[test]
fn while_nothing_can_leave_no_intro_point_is_given_up() {
    let mut reach = Reach::new();
    reach.found(&introduction(&[1, 2]), second(0.0));
    let mut point = |leaves: Moment, at: f64| {
        let target = reach.target(ContactTag(1), None, true, leaves, second(at));
        (
            target.map(|target| target.point[0]),
            reach.target_due(leaves),
        )
    };
    let without = (Some(1), Moment::NEVER);
    assert_eq!(point(Moment::NEVER, 0.0), without);
    assert_eq!(point(Moment::NEVER, 100.0), without);
    let until = second(101.0) + POINT_PATIENCE;
    assert_eq!(point(second(101.0), 101.0), (Some(1), until));
    assert_eq!(point(second(101.0), 121.0).0, Some(2));
}

#[test]
fn a_token_that_led_nowhere_is_shown_again_at_other_points() {
    let mut reach = one_that_shows_its_token();
    assert!(!shows_token(&mut reach, 17.0, true));
    let elsewhere = Introduction {
        revision: 2,
        ..introduction(&[2])
    };
    reach.found(&elsewhere, second(18.0));
    assert!(shows_token(&mut reach, 18.0, true));
}
