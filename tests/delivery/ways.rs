//! Texts find a way: first parcels, spurs and handles that end, days that change.

use crate::switch::{CALM, FAST, Network, ROUGH, World};
use paratox::messenger::view::{ContactState, Delivery};

/// When the parcels of `person` left, in seconds; those of equal bytes together.
fn copies_sent(world: &World, person: usize) -> Vec<Vec<f64>> {
    let mut kinds: Vec<(Box<[u8; 400]>, Vec<f64>)> = Vec::new();
    for (at, (from, parcel)) in world.recorded_at.iter().zip(&world.recorded) {
        if *from != person {
            continue;
        }
        let seconds = at.0 as f64 / 1e6;
        match kinds.iter_mut().find(|(known, _)| known == parcel) {
            Some((_, times)) => times.push(seconds),
            None => kinds.push((parcel.clone(), vec![seconds])),
        }
    }
    kinds.into_iter().map(|(_, times)| times).collect()
}

fn session(world: &mut World, person: usize, other: usize) -> bool {
    world
        .view(person, other)
        .is_some_and(|view| view.session && view.reachable)
}

/// How many parcels leave until two people have what they first say to each other, on ways on which an answer takes ten to twenty seconds.
fn talk_begins_on_slow_ways(rate: f64) -> usize {
    let network = Network {
        delay: (4.0, 2.0),
        rate,
        ..CALM
    };
    let mut left = 0;
    for seed in 80..90 {
        let mut world = World::new(seed, 0, network);
        world.join_knowing(&["you", "echo"]);
        for n in 0..3 {
            world.send(0, 1, &format!("{n}"));
            world.send(1, 0, &format!("{n}"));
        }
        assert!(
            world.run_until(600.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)),
            "seed {seed}"
        );
        left += world.recorded.len();
    }
    left
}

#[test]
fn whose_node_says_that_its_way_out_is_slow_waits_longer_for_an_answer() {
    let [patient, hasty] = [1.0, FAST].map(talk_begins_on_slow_ways);
    println!("{patient} parcels left, {hasty} without the word of the node");
    assert!(3 * patient < 2 * hasty, "{patient} and {hasty}");
}

#[test]
fn contacts_of_profiles_made_together_have_a_session_before_anybody_writes() {
    for seed in 74..78 {
        let network = if seed % 2 == 0 { CALM } else { ROUGH };
        let mut world = World::new(seed, 0, network);
        world.join_knowing(&["you", "echo", "watcher"]);
        let pairs = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)];
        assert!(
            world.run_until(120.0, |w| pairs.iter().all(|(a, b)| session(w, *a, *b))),
            "seed {seed}"
        );
        let since_start = world.at.0 / 1_000_000;
        println!("seed {seed}: sessions after {since_start} s");
        for (a, b) in pairs {
            assert!(world.history(a, b).is_empty(), "nobody has written");
            assert_eq!(world.state(a, b), Some(ContactState::Accepted));
            world.send(a, b, &format!("{a} to {b}"));
        }
        assert!(
            world.run_until(600.0, |w| pairs
                .iter()
                .all(|(a, b)| w.all_delivered(*a, *b))),
            "seed {seed}"
        );
        for (a, b) in pairs {
            assert_eq!(world.said(b, a, false), [format!("{a} to {b}")]);
        }
    }
}

/// The intro point lets a stranger's parcel pass once in 15 s.
#[test]
fn whose_offers_of_a_session_crossed_are_no_strangers_once_they_talk() {
    let mut strangers = Vec::new();
    for seed in 100..130 {
        let mut world = World::new(seed, 0, ROUGH);
        world.join_knowing(&["you", "echo"]);
        assert!(world.run_until(120.0, |w| session(w, 0, 1) && session(w, 1, 0)));
        for n in 0..20 {
            world.send(0, 1, &format!("{n}"));
            world.send(1, 0, &format!("{n}"));
            world.run(2.0);
        }
        if !(world.shows_tokens(0) && world.shows_tokens(1)) {
            strangers.push(seed);
        }
    }
    assert_eq!(strangers, [0; 0]);
}

#[test]
fn a_contact_that_only_one_side_holds_is_asked_like_a_strangers() {
    let mut world = World::new(78, 1, CALM);
    world.join_knowing(&["bob"]);
    let (stranger, bob) = (0, 1);
    let key = paratox::crypto::keys::AccountKey::generate(
        &mut paratox::crypto::random::Stream::from_seed([3; 32]),
    );
    let contacts = [(world.people[stranger].id, "alice")];
    let carol = world.join_with(key, "carol", &contacts);
    world.run(120.0);
    assert!(
        world.view(stranger, carol).is_none(),
        "nothing is shown of a session alone"
    );
    world.send(carol, stranger, "we know each other");
    assert!(world.run_until(120.0, |w| w.state(stranger, carol)
        == Some(ContactState::Asking)));
    assert_eq!(world.state(bob, carol), None);
}

/// A calm world in which 1 has two ways to 0: a spur of its own, and the handle of the spur by which 0 talks.
fn two_ways(seed: u8) -> World {
    let mut world = World::new(seed, 2, CALM);
    world.befriend(0, 1);
    world.send(0, 1, "hello");
    world.send(1, 0, "one");
    assert!(world.run_until(60.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)));
    world.run(30.0);
    world
}

#[test]
fn a_parcel_that_one_way_refuses_takes_the_other_at_once() {
    for full_spurs in [true, false] {
        let mut world = two_ways(79);
        world.send(1, 0, "two");
        assert!(world.run_until(10.0, |w| w.all_delivered(1, 0)));
        world.full_spurs = full_spurs;
        world.dead_handles = !full_spurs;
        // The spur goes first: a handle is tried only when nothing came of that.
        world.lose_next = if full_spurs { 0 } else { 4 };
        for i in 0..4 {
            world.send(1, 0, &format!("text {i}"));
        }
        world.run(if full_spurs { 0.5 } else { 8.0 });
        let said = world.said(0, 1, false);
        assert_eq!(said.len(), 6, "full spurs: {full_spurs}, {said:?}");
        assert!(world.refused >= 1, "one way refused something");
    }
}

#[test]
fn who_moves_tells_contacts_in_the_session_and_they_need_no_descriptor() {
    let mut world = two_ways(93);
    world.lost_fetches = 1.0;
    // 1 is to reach 0 along its own spur, and not along the handle of the one that 0 talks by.
    world.mute(1, false, true);
    world.move_intro(0, 3.0);
    world.send(1, 0, "to your new place");
    // Nothing is left of what 1 knows, so it is told at once.
    assert!(
        world.run_until(8.0, |w| w.all_delivered(1, 0)),
        "nobody told 1 of it"
    );
}

#[test]
fn what_left_along_a_spur_of_theirs_that_is_gone_takes_another_way_when_that_is_told() {
    let mut waits = Vec::new();
    for told in [false, true] {
        let mut world = two_ways(94);
        let handle = world.handles_of(0)[0];
        world.mute(1, false, true);
        world.end_spurs(1, 2.0);
        world.run(0.1);
        let start = world.at;
        world.send(1, 0, "lost at the intro point");
        world.run(1.0);
        if told {
            world.handle_gone(1, handle);
        }
        assert!(world.run_until(60.0, |w| w.all_delivered(1, 0)));
        waits.push(world.at.since(start).as_secs_f64());
    }
    println!("not told {:.1} s, told {:.1} s", waits[0], waits[1]);
    assert!(waits[1] < waits[0] && waits[1] < 3.5, "{waits:?}");
}

#[test]
fn what_no_way_takes_waits_without_haste_and_leaves_when_one_opens() {
    let mut world = two_ways(80);
    world.full_spurs = true;
    world.dead_handles = true;
    world.send(1, 0, "two");
    world.run(20.0);
    assert!(!world.all_delivered(1, 0));
    assert!(world.refused < 60, "{} refusals", world.refused);
    world.full_spurs = false;
    world.run(2.0);
    assert_eq!(world.said(0, 1, false), ["one", "two"]);
}

#[test]
fn texts_leave_a_dead_handle_that_nobody_reports_dead() {
    let mut world = two_ways(81);
    world.end_spurs(0, 300.0);
    for i in 0..20 {
        world.send(1, 0, &format!("text {i}"));
        world.run(8.0);
        assert_eq!(world.said(0, 1, false).len(), i + 2, "text {i}");
    }
}

#[test]
fn a_first_parcel_that_is_lost_leaves_again_after_two_seconds() {
    let mut world = World::new(72, 2, CALM);
    world.run(3.0);
    world.lose_next = 1;
    world.add(0, 1, "hello");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    let sent = copies_sent(&world, 0);
    assert_eq!(sent[0].len(), 2);
    assert!((sent[0][1] - sent[0][0] - 2.0).abs() < 0.1, "{sent:?}");
    assert_eq!(sent.len(), 2, "the request alone follows: {sent:?}");
}

#[test]
fn a_stranger_sends_at_most_three_first_parcels_in_thirty_seconds_however_often_a_way_opens() {
    let mut world = World::new(73, 2, CALM);
    world.run(3.0);
    world.lose_next = u32::MAX;
    world.add(0, 1, "hello");
    for _ in 0..120 {
        world.run(1.0);
        world.renew_spurs(0);
    }
    let sent = copies_sent(&world, 0);
    assert_eq!(sent.len(), 1, "nothing follows a first parcel unanswered");
    let (times, start) = (&sent[0], sent[0][0]);
    let before = |seconds: f64| times.iter().filter(|at| **at < start + seconds).count();
    assert_eq!(before(29.0), 3, "{times:?}");
    assert!(before(119.0) <= 6, "{times:?}");
    assert!(before(119.0) >= 5, "and it goes on: {times:?}");
}

#[test]
fn a_message_to_somebody_who_is_away_waits_and_arrives_when_they_return() {
    let mut world = World::new(34, 2, CALM);
    world.befriend(0, 1);
    let store = world.kill(1);
    world.run(600.0);
    world.send(0, 1, "see you later");
    world.run(3600.0);
    assert_ne!(world.history(0, 1)[0].delivery, Delivery::Delivered);
    world.start(1, store);
    assert!(world.run_until(600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["see you later"]);
}

#[test]
fn a_change_of_days_keeps_contacts_reachable() {
    let mut world = World::new(35, 2, CALM);
    world.befriend(0, 1);
    for day in 0..3 {
        world.run(86_400.0);
        world.restart(0, false);
        world.restart(1, false);
        world.send(0, 1, &format!("day {day}"));
        world.send(1, 0, &format!("day {day}"));
        assert!(
            world.run_until(900.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)),
            "day {day}"
        );
    }
    assert_eq!(world.said(1, 0, false), ["day 0", "day 1", "day 2"]);
}

#[test]
fn a_message_outlives_an_intro_point_that_refuses_it_for_a_while() {
    let mut world = World::new(58, 2, CALM);
    world.befriend(0, 1);
    world.send(0, 1, "one");
    assert!(world.run_until(60.0, |w| w.all_delivered(0, 1)));
    world.refuse_credentials = true;
    world.send(0, 1, "two");
    world.run(30.0);
    world.refuse_credentials = false;
    assert!(world.run_until(600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["one", "two"]);
}

#[test]
fn an_answer_given_at_once_brings_the_receipt_with_it() {
    let mut world = two_ways(83);
    for i in 0..10 {
        let word = format!("word {i}");
        world.send(0, 1, &word);
        assert!(world.run_until(8.0, |w| w.said(1, 0, false).contains(&word)));
        let before = world.recorded.len();
        world.send(1, 0, &format!("answer {i}"));
        assert!(world.run_until(8.0, |w| w.all_delivered(0, 1)));
        let sent = |from: usize| {
            let since = world.recorded[before..].iter();
            since.filter(|(sender, _)| *sender == from).count()
        };
        assert_eq!(sent(1), 1, "the answer and nothing beside it");
        world.run(2.0);
    }
}
