//! A message is never lost, never doubled, and never shown in a state that it has not reached.

mod switch;

use paratox::messenger::Command;
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
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
