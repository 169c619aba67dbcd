//! A message is never lost, never doubled, and never shown in a state that it has not reached.

mod heals;
mod kills;
mod past;
mod people;
mod reachable;
#[path = "../switch/mod.rs"]
mod switch;
mod ways;

use paratox::messenger::Command;
use paratox::messenger::view::{ChatEvent, Delivery};
use switch::{CALM, ROUGH, World};

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
    // Said once for all the refusals, and again when it is over.
    let troubles = |world: &World| -> Vec<bool> {
        let events = world.people[1].events.iter();
        events
            .filter_map(|event| match event {
                ChatEvent::Trouble(why) => {
                    Some(why.as_ref().is_some_and(|why| why.contains("disk is full")))
                }
                _ => None,
            })
            .collect()
    };
    assert_eq!(troubles(&world), [true]);
    world.store(1).fail_next(0);
    assert!(world.run_until(600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(troubles(&world), [true, false]);
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
