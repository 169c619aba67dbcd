//! Who may write to whom: requests, acceptance, refusal, commands that cannot be done.

use crate::numbered;
use crate::switch::{CALM, ROUGH, World};
use paratox::messenger::Command;
use paratox::messenger::view::{ContactState, Delivery};

#[test]
fn two_who_ask_each_other_at_once_become_contacts_and_read_both_texts() {
    for seed in 40..46 {
        let network = if seed % 2 == 0 { CALM } else { ROUGH };
        let mut world = World::new(seed, 2, network);
        world.run(3.0);
        world.add(0, 1, "it is me, alice");
        world.add(1, 0, "it is me, bob");
        assert!(
            world.run_until(1800.0, |w| w.state(0, 1) == Some(ContactState::Accepted)
                && w.state(1, 0) == Some(ContactState::Accepted)
                && w.all_delivered(0, 1)
                && w.all_delivered(1, 0)),
            "seed {seed}"
        );
        assert_eq!(world.said(0, 1, false), ["it is me, bob"], "seed {seed}");
        assert_eq!(world.said(1, 0, false), ["it is me, alice"], "seed {seed}");
        world.send(0, 1, "good");
        assert!(
            world.run_until(900.0, |w| w.all_delivered(0, 1)),
            "seed {seed}"
        );
    }
}

#[test]
fn to_add_somebody_who_has_asked_is_to_accept() {
    let mut world = World::new(47, 2, CALM);
    world.run(3.0);
    world.add(0, 1, "hi");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    world.add(1, 0, "hi yourself");
    assert!(
        world.run_until(120.0, |w| w.state(0, 1) == Some(ContactState::Accepted)
            && w.all_delivered(1, 0))
    );
    assert_eq!(world.said(0, 1, false), ["hi yourself"]);
}

#[test]
fn messages_written_before_the_acceptance_wait_for_it() {
    let mut world = World::new(48, 2, CALM);
    world.run(3.0);
    world.add(0, 1, "hi");
    world.send(0, 1, "are you there?");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    world.run(120.0);
    assert_eq!(world.said(1, 0, false), ["hi"]);
    assert_eq!(world.history(0, 1)[1].delivery, Delivery::Queued);
    world.accept(1, 0);
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["hi", "are you there?"]);
}

#[test]
fn a_declined_or_blocked_stranger_hears_nothing_more() {
    for block in [false, true] {
        let mut world = World::new(49, 2, CALM);
        world.run(3.0);
        world.add(0, 1, "let me in");
        assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
        let id = world.id(0);
        let command = if block {
            Command::Block { id }
        } else {
            Command::Decline { id }
        };
        world.command(1, command).expect("decided");
        world.run(5.0);
        let before = world.recorded.iter().filter(|(from, _)| *from == 1).count();
        let commits = world.store(1).commits();
        world.restart(0, false);
        world.send(0, 1, "please");
        world.run(7200.0);
        let after = world.recorded.iter().filter(|(from, _)| *from == 1).count();
        assert_eq!(before, after, "block {block}: something was answered");
        assert_eq!(world.store(1).commits(), commits);
        assert_eq!(world.state(0, 1), Some(ContactState::Asked));
    }
}

#[test]
fn somebody_who_was_declined_can_be_accepted_later() {
    let mut world = World::new(50, 2, CALM);
    world.run(3.0);
    world.add(0, 1, "let me in");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    let id = world.id(0);
    world.command(1, Command::Decline { id }).expect("declined");
    world.run(600.0);
    world.accept(1, 0);
    assert!(world.run_until(900.0, |w| w.state(0, 1) == Some(ContactState::Accepted)));
    world.send(0, 1, "thank you");
    assert!(world.run_until(900.0, |w| w.all_delivered(0, 1)));
}

#[test]
fn somebody_removed_and_added_again_is_reached_again() {
    let mut world = World::new(54, 2, CALM);
    world.befriend(0, 1);
    for i in 0..5 {
        world.send(0, 1, &format!("old {i}"));
        world.send(1, 0, &format!("old {i}"));
    }
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)));
    let id = world.id(1);
    world.command(0, Command::Remove { id }).expect("removed");
    assert!(world.history(0, 1).is_empty());
    world.run(60.0);
    world.add(0, 1, "sorry");
    assert!(world.run_until(1800.0, |w| w.state(0, 1) == Some(ContactState::Accepted)));
    world.send(0, 1, "new");
    world.send(1, 0, "new");
    assert!(world.run_until(1800.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)));
    assert_eq!(world.said(0, 1, false), ["new"]);
    assert_eq!(
        world.said(1, 0, false).last().map(String::as_str),
        Some("new")
    );
}

#[test]
fn strangers_fill_a_bounded_list_of_requests_and_the_oldest_gives_way() {
    let mut world = World::new(56, 70, CALM);
    world.run(3.0);
    for stranger in 1..70 {
        world.add(stranger, 0, "hello");
        world.run(5.0);
    }
    world.run(600.0);
    let asking = (1..70)
        .filter(|i| world.state(0, *i) == Some(ContactState::Asking))
        .count();
    assert_eq!(asking, 64);
    assert_eq!(world.state(0, 1), None, "the first is the oldest");
}

#[test]
fn three_people_do_not_get_each_others_messages() {
    let mut world = World::new(57, 3, ROUGH);
    world.befriend(0, 1);
    world.befriend(1, 2);
    world.befriend(2, 0);
    for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)] {
        for text in numbered(&format!("{a} to {b}"), 3) {
            world.send(a, b, &text);
        }
    }
    let all = |w: &mut World| {
        [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)]
            .iter()
            .all(|(a, b)| w.all_delivered(*a, *b))
    };
    assert!(world.run_until(3600.0, all));
    for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)] {
        assert_eq!(world.said(b, a, false), numbered(&format!("{a} to {b}"), 3));
    }
}

#[test]
fn every_command_that_cannot_be_done_says_why_with_a_stable_code() {
    let mut world = World::new(59, 2, CALM);
    let (own, other) = (world.id(0), world.id(1));
    let add = |id: &str, name: &str, text: &str| Command::Add {
        id: id.into(),
        name: name.into(),
        text: text.into(),
    };
    let send = |to: &str, text: &str| Command::Send {
        to: to.into(),
        text: text.into(),
        allow_no_fs: false,
    };
    let mut typo = other.clone();
    typo.replace_range(20..21, if &typo[20..21] == "q" { "p" } else { "q" });
    let mut code = |command| world.command(0, command).map_err(|e| (e.code, e.position));
    assert_eq!(code(add(&own, "me", "")).unwrap_err().0, "own-id");
    let (bad, position) = code(add(&typo, "bob", "")).unwrap_err();
    assert_eq!((bad, position), ("bad-id", Some(20)));
    assert_eq!(code(add(&other, "\u{202e}", "")).unwrap_err().0, "bad-name");
    assert_eq!(
        code(add(&other, "bob", &"x".repeat(201))).unwrap_err().0,
        "too-long"
    );
    assert_eq!(code(send(&other, "hi")).unwrap_err().0, "unknown-contact");
    code(add(&other, "bob", "hi")).expect("added");
    assert_eq!(code(add(&other, "bob", "hi")).unwrap_err().0, "known");
    assert_eq!(code(send(&other, "\u{200b}")).unwrap_err().0, "empty");
    assert_eq!(
        code(Command::Accept { id: other.clone() }).unwrap_err().0,
        "not-asked"
    );
    code(Command::Block { id: other.clone() }).expect("blocked");
    assert_eq!(code(send(&other, "hi")).unwrap_err().0, "not-accepted");
}

#[test]
fn a_profile_never_gets_a_second_account() {
    let mut world = World::new(71, 1, CALM);
    let now = world.now();
    let store = world.kill(0);
    let random = paratox::crypto::random::Stream::from_seed([1; 32]);
    assert!(paratox::messenger::Messenger::create(store, "other", random, now).is_err());
}

#[test]
fn whoever_was_asked_is_no_stranger_when_they_accept_after_a_while() {
    let mut world = World::new(82, 2, CALM);
    world.run(3.0);
    world.add(0, 1, "may I?");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    world.run(10.0);
    // The spur that brought the request is gone, and the answer needs one of its own.
    world.end_spurs(0, 600.0);
    world.accept(1, 0);
    assert!(world.run_until(15.0, |w| w.state(0, 1) == Some(ContactState::Accepted)));
}
