//! A message is never lost, never doubled, and never shown in a state that it has not reached.

mod switch;

use paratox::crypto::ratchet::Ratchet;
use paratox::messenger::Command;
use paratox::messenger::persistence::{Batch, Change, Persistence};
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
use paratox::wire::parcel::{Body, Kind, Piece};
use switch::{CALM, Network, ROUGH, World, copy};

fn numbered(who: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{who} says {i}")).collect()
}

#[test]
fn two_people_who_know_each_others_ids_talk() {
    let mut world = World::new(1, 2, CALM);
    world.befriend(0, 1);
    world.send(0, 1, "hello bob");
    world.send(1, 0, "hello alice");
    assert!(world.run_until(60.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)));
    assert_eq!(world.said(1, 0, false), ["hello bob"]);
    assert_eq!(world.said(0, 1, false), ["hello alice"]);
}

#[test]
fn twenty_messages_each_way_arrive_once_each_and_in_order_under_loss_and_copies() {
    for seed in 10..14 {
        let mut world = World::new(seed, 2, ROUGH);
        world.befriend(0, 1);
        let (ours, theirs) = (numbered("alice", 20), numbered("bob", 20));
        for i in 0..20 {
            world.send(0, 1, &ours[i]);
            world.send(1, 0, &theirs[i]);
            world.run(2.0);
        }
        assert!(
            world.run_until(3600.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)),
            "seed {seed}: something is missing"
        );
        assert_eq!(world.said(1, 0, false), ours, "seed {seed}");
        assert_eq!(world.said(0, 1, false), theirs, "seed {seed}");
        println!("seed {seed}: all delivered at {} s", world.at.0 / 1_000_000);
    }
}

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

/// Writes `text` as a person would: if the program dies at that moment, it is written again after the restart unless it is there.
/// Whether it died.
fn say(world: &mut World, from: usize, to: usize, text: &str, survived: bool) -> bool {
    let command = Command::Send {
        to: world.id(to),
        text: text.to_owned(),
        allow_no_fs: false,
    };
    if world.command(from, command).is_err() {
        assert!(!world.is_alive(from), "only death may refuse it");
        world.restart(from, survived);
        if !world.said(from, to, true).iter().any(|said| said == text) {
            world.send(from, to, text);
        }
        return true;
    }
    false
}

#[test]
fn a_program_killed_in_any_commit_loses_nothing_and_doubles_nothing() {
    let long = "long ".repeat(150).trim_end().to_owned();
    let mut kills = 0;
    for (person, survived) in [(0, false), (0, true), (1, false), (1, true)] {
        for n in 0..30 {
            let case = format!("person {person}, commit {n}, survived {survived}");
            let mut world = World::new(20, 2, CALM);
            world.run(3.0);
            world.add(0, 1, "may I?");
            let target = world.store(person).commits() + n;
            let mut armed = false;
            let mut texts = vec!["one", "two", &long, "four"];
            let mut expected = vec!["may I?".to_owned()];
            for _ in 0..2000 {
                if !armed && world.is_alive(person) && world.store(person).commits() >= target {
                    world.store(person).stop_in_next_commit();
                    armed = true;
                }
                world.run(0.3);
                if !world.is_alive(person) {
                    world.restart(person, survived);
                    kills += 1;
                }
                if world.state(1, 0) == Some(ContactState::Asking) {
                    let id = world.id(0);
                    // It may be the commit to die in.
                    let _ = world.command(1, Command::Accept { id });
                } else if world.state(0, 1) == Some(ContactState::Accepted) && !texts.is_empty() {
                    let text = texts.remove(0);
                    kills += u32::from(say(&mut world, 0, 1, text, survived));
                    expected.push(text.to_owned());
                }
                if texts.is_empty() && world.is_alive(person) && world.all_delivered(0, 1) {
                    break;
                }
            }
            assert!(world.run_until(900.0, |w| w.all_delivered(0, 1)), "{case}");
            assert_eq!(world.said(1, 0, false), expected, "{case}");
        }
    }
    assert!(kills > 45, "only {kills} kills");
    println!("{kills} kills");
}

#[test]
fn many_kills_under_loss_lose_nothing_and_double_nothing() {
    for seed in 60..64 {
        let mut world = World::new(seed, 2, ROUGH);
        world.befriend(0, 1);
        let (ours, theirs) = (numbered("alice", 30), numbered("bob", 30));
        for i in 0..30 {
            let (victim, survived) = (i % 2, i % 3 == 0);
            let target = world.store(victim).commits() + (i % 5) as u64;
            say(&mut world, 0, 1, &ours[i], survived);
            say(&mut world, 1, 0, &theirs[i], survived);
            if world.run_until(20.0, |w| w.store(victim).commits() >= target) {
                world.store(victim).stop_in_next_commit();
                if world.run_until(20.0, |w| !w.is_alive(victim)) {
                    world.restart(victim, survived);
                }
            }
        }
        for person in 0..2 {
            // One may still be armed.
            world.restart(person, false);
        }
        assert!(
            world.run_until(7200.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)),
            "seed {seed}"
        );
        assert_eq!(world.said(1, 0, false), ours, "seed {seed}");
        assert_eq!(world.said(0, 1, false), theirs, "seed {seed}");
    }
}

#[test]
fn a_long_text_arrives_whole_and_one_byte_more_is_refused_before_it_is_kept() {
    let mut world = World::new(31, 2, ROUGH);
    world.befriend(0, 1);
    let text = "äö€".repeat(1000)[..4000 - 1].to_owned() + "x";
    assert_eq!(text.len(), 4000);
    world.send(0, 1, &text);
    assert!(world.run_until(3600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), [text.as_str()]);
    let command = Command::Send {
        to: world.id(1),
        text: text + "y",
        allow_no_fs: false,
    };
    let error = world.command(0, command).expect_err("too long");
    assert_eq!(error.code, "too-long");
    assert_eq!(world.history(0, 1).len(), 1);
}

#[test]
fn delivered_is_said_only_when_the_other_disk_has_it() {
    let mut world = World::new(32, 2, CALM);
    world.befriend(0, 1);
    let number = world.send(0, 1, "important");
    world.store(1).fail_next(1000);
    world.run(300.0);
    assert_eq!(world.history(0, 1)[0].delivery, Delivery::Sent);
    assert_eq!(world.history(0, 1)[0].secrecy.level(), 2);
    assert!(world.said(1, 0, false).is_empty());
    assert!(
        world.people[1]
            .events
            .iter()
            .any(|e| matches!(e, ChatEvent::Notice(text) if text.contains("disk is full")))
    );
    world.store(1).fail_next(0);
    assert!(world.run_until(600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["important"]);
    assert!(world.people[0].events.iter().any(
        |e| matches!(e, ChatEvent::Delivery { number: n, delivery: Delivery::Delivered, .. } if *n == number)
    ));
}

#[test]
fn a_full_disk_refuses_a_message_and_the_next_try_works() {
    let mut world = World::new(33, 2, CALM);
    world.befriend(0, 1);
    world.store(0).fail_next(1);
    let command = Command::Send {
        to: world.id(1),
        text: "kept in the composer".into(),
        allow_no_fs: false,
    };
    let error = world.command(0, command.clone()).expect_err("no room");
    assert_eq!(error.code, "store-full");
    assert!(world.history(0, 1).is_empty());
    world.command(0, command).expect("room again");
    assert!(world.run_until(60.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["kept in the composer"]);
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
fn a_sender_restored_from_a_copy_loses_and_doubles_nothing_and_says_so() {
    let mut world = World::new(51, 2, CALM);
    world.befriend(0, 1);
    world.send(0, 1, "before the copy");
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
    let backup = copy(world.store(0));
    for text in ["lost one", "lost two"] {
        world.send(0, 1, text);
    }
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
    world.kill(0);
    world.start(0, backup);
    for text in ["new one", "new two", "new three"] {
        world.send(0, 1, text);
    }
    assert!(world.run_until(1800.0, |w| w.all_delivered(0, 1)));
    assert_eq!(
        world.said(1, 0, false),
        [
            "before the copy",
            "lost one",
            "lost two",
            "new one",
            "new two",
            "new three"
        ]
    );
    assert!(
        world.people[0]
            .events
            .iter()
            .any(|e| matches!(e, ChatEvent::Notice(text) if text.contains("restored from a copy")))
    );
    world.send(1, 0, "back");
    assert!(world.run_until(1800.0, |w| w.all_delivered(1, 0)));
    assert_eq!(world.said(0, 1, false), ["back"]);
}

#[test]
fn a_receiver_restored_from_a_copy_sees_the_gap() {
    let mut world = World::new(52, 2, CALM);
    world.befriend(0, 1);
    world.send(0, 1, "before the copy");
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
    let backup = copy(world.store(1));
    for text in ["lost one", "lost two"] {
        world.send(0, 1, text);
    }
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
    world.kill(1);
    world.start(1, backup);
    world.send(0, 1, "after");
    assert!(world.run_until(1800.0, |w| w.all_delivered(0, 1)));
    let history = world.history(1, 0);
    let last = history.last().expect("it arrived");
    assert_eq!((last.text.as_str(), last.gap_before), ("after", 2));
    assert!(
        world.people[0]
            .events
            .iter()
            .any(|e| matches!(e, ChatEvent::Notice(text) if text.contains("older state")))
    );
}

#[test]
fn a_lost_session_is_replaced_and_what_waited_arrives() {
    for person in 0..2 {
        let mut world = World::new(53, 2, CALM);
        world.befriend(0, 1);
        world.send(0, 1, "one");
        assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
        let mut store = world.kill(person);
        let mut batch = Batch::new();
        for row in store.load().expect("readable").sessions {
            batch.push(Change::RemoveSession {
                contact: row.contact,
                slot: row.slot,
            });
        }
        store.commit(batch).expect("room");
        world.start(person, store);
        world.send(0, 1, "two");
        world.send(1, 0, "three");
        assert!(
            world.run_until(1800.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0)),
            "person {person}"
        );
        assert_eq!(world.said(1, 0, false), ["one", "two"]);
        assert_eq!(world.said(0, 1, false), ["three"]);
    }
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
fn a_poisoned_parcel_is_put_aside_once_and_the_next_message_arrives_with_the_gap_shown() {
    let mut world = World::new(55, 2, CALM);
    world.befriend(0, 1);
    world.send(0, 1, "one");
    assert!(world.run_until(120.0, |w| w.all_delivered(0, 1)));
    world.run(30.0);
    // Alice's program is replaced by one that seals what nobody can read.
    let mut store = world.kill(0);
    let snapshot = store.load().expect("readable");
    let mut contact = snapshot.contacts[0].clone();
    let session = snapshot
        .sessions
        .iter()
        .find(|row| row.slot == 0)
        .expect("a session");
    let mut ratchet = Ratchet::from_bytes(session.state.as_slice()).expect("a ratchet");
    let mut random = paratox::crypto::random::Stream::from_seed([9; 32]);
    let code = Piece::whole(Kind::Text).code();
    let poison = Body::piece(
        code,
        contact.sent + 1,
        0,
        &contact.sent_hash,
        b"\xff\xfe\xfd",
    );
    let (parcel, _) = ratchet
        .encrypt(poison.bytes(), &mut random)
        .expect("confirmed");
    contact.sent += 1;
    contact.sent_hash = poison.link();
    let mut batch = Batch::new();
    let account = contact.account;
    batch.push(Change::PutContact(contact));
    batch.push(Change::PutSession(
        paratox::messenger::persistence::SessionRow {
            contact: account,
            slot: 0,
            state: ratchet.to_bytes().into(),
        },
    ));
    store.commit(batch).expect("room");
    world.start(0, store);
    for _ in 0..3 {
        world.deliver(1, Box::new(parcel));
    }
    world.restart(1, false);
    world.deliver(1, Box::new(parcel));
    world.send(0, 1, "two");
    assert!(world.run_until(1800.0, |w| w.all_delivered(0, 1)));
    let history = world.history(1, 0);
    let shown: Vec<(&str, u32)> = history
        .iter()
        .map(|m| (m.text.as_str(), m.gap_before))
        .collect();
    assert_eq!(shown, [("one", 0), ("two", 1)]);
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
fn a_message_outlives_an_intro_point_that_refuses_it_for_a_while() {
    let mut world = World::new(
        58,
        2,
        Network {
            loss: 0.0,
            copies: 0.0,
            delay: (0.3, 0.0),
        },
    );
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
fn a_request_whose_receipt_and_session_were_lost_is_acknowledged_in_the_next_session() {
    let mut world = World::new(70, 2, CALM);
    world.run(3.0);
    world.add(0, 1, "hello?");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    let mut store = world.kill(0);
    let mut batch = Batch::new();
    for row in store.load().expect("readable").sessions {
        batch.push(Change::RemoveSession {
            contact: row.contact,
            slot: row.slot,
        });
    }
    store.commit(batch).expect("room");
    world.start(0, store);
    assert_ne!(world.history(0, 1)[0].delivery, Delivery::Delivered);
    assert!(world.run_until(600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["hello?"]);
    assert_eq!(world.state(1, 0), Some(ContactState::Asking));
}

#[test]
fn a_profile_never_gets_a_second_account() {
    let mut world = World::new(71, 1, CALM);
    let now = world.now();
    let store = world.kill(0);
    let random = paratox::crypto::random::Stream::from_seed([1; 32]);
    assert!(paratox::messenger::Messenger::create(store, "other", random, now).is_err());
}
