//! "Reachable" means that what is written now is there in seconds: it comes on with a way, outlasts ways that come and go, and goes off by
//! itself when none comes back or nothing that left is answered.

use crate::switch::{CALM, World};
use paratox::messenger::view::ChatEvent;

/// What the screen of 0 was told of 1 last; nothing is asked, so that only what the messenger says by itself counts.
fn told(world: &World) -> bool {
    let one = world.people[1].id;
    let events = world.people[0].events.iter().rev();
    let mut views = events.filter_map(|event| match event {
        ChatEvent::Contact(view) if view.id == one => Some(view.reachable),
        _ => None,
    });
    views.next().unwrap_or(false)
}

/// Seconds until 0 is told that 1 is reachable (`wanted`) or is not, at most `limit`.
fn until_told(world: &mut World, wanted: bool, limit: f64) -> Option<f64> {
    let start = world.at;
    world
        .run_until(limit, |w| told(w) == wanted)
        .then(|| (world.at.0 - start.0) as f64 / 1e6)
}

/// 0 reaches 1 along its own spur and no other way: what 1 sends along the own spur vanishes, so that 0 knows no handle of it.
fn one_way(seed: u8) -> World {
    let mut world = World::new(seed, 2, CALM);
    world.mute(1, true, false);
    world.befriend(0, 1);
    world.send(0, 1, "hello");
    assert!(world.run_until(60.0, |w| w.all_delivered(0, 1)));
    world
}

#[test]
fn a_contact_is_reachable_once_a_way_is_open_and_not_before() {
    let mut world = World::new(90, 2, CALM);
    world.befriend(0, 1);
    assert!(told(&world), "a session was just made");
    world.restart(0, false);
    world.people[0].events.clear();
    world.births = 30.0;
    world.send(0, 1, "hello");
    let (mut silent, mut on) = (0u32, None);
    for _ in 0..3000 {
        world.run(0.1);
        if told(&world) {
            on = Some(world.at);
            break;
        }
        silent += 1;
        assert!(
            !world.all_delivered(0, 1),
            "delivered, and said to be out of reach"
        );
    }
    assert!(silent > 0 && on.is_some(), "never said to be reachable");
    assert!(world.run_until(5.0, |w| w.all_delivered(0, 1)), "and it is");
}

#[test]
fn ways_that_come_and_go_leave_a_contact_reachable() {
    let mut world = one_way(91);
    for _ in 0..20 {
        // Something waits, so that a spur is wanted, and each is gone for longer than it lived.
        world.end_spurs(0, 8.0);
        assert_eq!(until_told(&mut world, false, 10.0), None);
        world.send(0, 1, "still there?");
        assert!(world.run_until(5.0, |w| w.all_delivered(0, 1)));
    }
}

#[test]
fn a_contact_whose_last_way_has_closed_is_said_to_be_out_of_reach_after_fifteen_seconds() {
    let mut world = one_way(92);
    world.end_spurs(0, 600.0);
    let held = until_told(&mut world, false, 60.0).expect("told by itself");
    assert!((14.9..15.2).contains(&held), "{held} s");
    assert_eq!(until_told(&mut world, true, 500.0), None, "nothing opened");
    assert!(until_told(&mut world, true, 120.0).is_some(), "a new way");
}

#[test]
fn a_way_along_which_nothing_is_answered_counts_for_thirty_seconds() {
    let mut world = one_way(93);
    world.run(1.0);
    world.lose_next = u32::MAX;
    world.send(0, 1, "into the void");
    let held = until_told(&mut world, false, 120.0).expect("told by itself");
    assert!((29.0..31.0).contains(&held), "{held} s");
    world.lose_next = 0;
    assert!(until_told(&mut world, true, 120.0).is_some());
    assert!(world.run_until(5.0, |w| w.all_delivered(0, 1)));
}
