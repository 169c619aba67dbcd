//! Programs that die in any of their commits.

use crate::numbered;
use crate::switch::faults::forget_sessions;
use crate::switch::{CALM, ROUGH, World};
use paratox::messenger::Command;
use paratox::messenger::view::ContactState;

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

/// The other side has the new session and no other, we have answered its offer and are gone before its first words: it knows nothing of our new intro
/// point, and we open nothing under the session that we had.
#[test]
fn who_is_killed_between_answer_and_proof_of_a_session_is_reached_along_their_own_spur() {
    for survived in [false, true] {
        let mut world = World::new(91, 2, CALM);
        world.befriend(0, 1);
        // Nothing of theirs waits for a receipt.
        world.run(10.0);
        world.lose_sessions(0);
        world.send(0, 1, "after the loss");
        let has_session = |w: &mut World| w.view(0, 1).is_some_and(|view| view.session);
        assert!(world.run_until(60.0, has_session));
        let store = world.kill(1).crash(survived);
        assert!(!world.all_delivered(0, 1), "the proof was quicker");
        // What leaves along the spur to the old intro point is lost for a long time.
        world.mute(0, true, false);
        world.run(5.0);
        world.start(1, store);
        assert!(world.run_until(15.0, |w| w.all_delivered(0, 1)));
        assert_eq!(world.said(1, 0, false), ["after the loss"]);
    }
}

/// Two people of whom one, the first, comes back without any session; the other has given theirs up and holds a spur that shows a token which
/// nobody knows any more.
fn one_without_sessions(seed: u8) -> World {
    let mut world = World::new(seed, 2, CALM);
    world.befriend(0, 1);
    world.run(10.0);
    let mut store = world.kill(0).crash(false);
    forget_sessions(&mut store);
    world.send(1, 0, "are you there?");
    world.run(400.0);
    world.start(0, store);
    // What they say first is lost.
    world.mute(0, true, true);
    let up = |w: &mut World| !w.handles_of(1).is_empty() && w.shows_tokens(1);
    assert!(world.run_until(180.0, up), "seed {seed}");
    world
}

#[test]
fn who_lost_all_sessions_and_writes_is_answered_along_the_way_they_came() {
    for seed in 150..166 {
        let mut world = one_without_sessions(seed);
        world.mute(0, false, false);
        world.send(0, 1, "I am");
        // They look the descriptor up and open a spur before they offer anything.
        let soon = world.run_until(20.0, |w| w.all_delivered(0, 1) && w.all_delivered(1, 0));
        assert!(soon, "seed {seed}");
    }
}

/// Only along the cookie, which their intro point takes from anybody, does an offer reach somebody who knows no token.
#[test]
fn an_offer_leaves_when_the_spur_begins_to_show_the_cookie() {
    for seed in 150..166 {
        let mut world = one_without_sessions(seed);
        // They can answer and no more.
        world.mute(0, true, false);
        let cookie = |w: &mut World| !w.handles_of(1).is_empty() && !w.shows_tokens(1);
        assert!(world.run_until(60.0, cookie), "seed {seed}");
        let soon = world.run_until(5.0, |w| w.all_delivered(1, 0));
        assert!(soon, "seed {seed}");
    }
}
