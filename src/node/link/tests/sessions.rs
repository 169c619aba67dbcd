//! Contact sessions: unshaped, made when needed, forgotten when not.

use super::*;

#[test]
fn a_first_message_to_a_node_waits_for_the_session_and_the_next_ones_leave_at_once() {
    let mut world = World::of(27, 2);
    for n in 0..4 {
        assert_eq!(world.send_contact(0, 1, n), Ok(()));
    }
    assert_eq!(world.send_contact(0, 1, 9), Err(Full));
    world.run(0.1);
    let bodies: Vec<_> = world.nodes[1]
        .contacts
        .iter()
        .map(|(peer, b)| (*peer, b[0]))
        .collect();
    assert_eq!(
        bodies,
        (0..4).map(|n| (world.peer(0), n)).collect::<Vec<_>>()
    );
    let before = world.seen.len();
    assert_eq!(world.send_contact(1, 0, 5), Ok(()));
    assert_eq!(world.seen.len(), before + 1);
    world.run(0.03);
    assert_eq!(world.nodes[0].contacts[0].1[0], 5);
}

#[test]
fn an_idle_contact_session_ends_at_both_ends_and_comes_back_when_needed() {
    let mut world = World::of(28, 2);
    assert_eq!(world.send_contact(0, 1, 1), Ok(()));
    world.run(100.0);
    assert_eq!(
        (
            world.nodes[0].links.contact_sessions(),
            world.nodes[1].links.contact_sessions()
        ),
        (1, 1)
    );
    world.run(30.0);
    assert_eq!(
        (
            world.nodes[0].links.contact_sessions(),
            world.nodes[1].links.contact_sessions()
        ),
        (0, 0)
    );
    assert_eq!(world.send_contact(1, 0, 2), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[0].contacts.len(), 1);
}

#[test]
fn a_contact_session_that_the_other_end_forgot_is_made_again() {
    let mut world = World::of(29, 2);
    assert_eq!(world.send_contact(0, 1, 1), Ok(()));
    world.run(1.0);
    let forgotten = *world.nodes[1]
        .links
        .contacts
        .values()
        .next()
        .expect("a session");
    world.nodes[1].links.forget(forgotten);
    assert_eq!(world.send_contact(0, 1, 2), Ok(()));
    world.run(4.0);
    assert_eq!(world.nodes[1].contacts.len(), 1);
    assert_eq!(world.send_contact(0, 1, 3), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[1].contacts.last().expect("it arrived").1[0], 3);
}

#[test]
fn a_contact_session_with_one_way_traffic_needs_no_second_handshake() {
    let mut world = World::of(33, 2);
    for n in 0..20 {
        assert_eq!(world.send_contact(0, 1, n), Ok(()));
        world.run(2.5);
    }
    assert_eq!(world.nodes[1].contacts.len(), 20);
    assert_eq!(world.nodes[1].links.calls_opened(), 1);
    // At most one empty cell answers each.
    assert!(sent_by(&world, 1).len() <= 21);
}

#[test]
fn a_contact_session_asked_for_is_told_and_serves_both_ends() {
    let mut world = World::of(34, 2);
    let id = world.dial(0, 1, Purpose::Contact);
    world.run(1.0);
    assert_eq!(world.nodes[0].ups[0].0, id);
    assert!(world.nodes[1].ups.is_empty());
    assert_eq!(world.send_contact(1, 0, 7), Ok(()));
    world.run(1.0);
    assert_eq!(world.nodes[0].contacts.len(), 1);
    assert_eq!(
        world.nodes[0].links.calls_opened() + world.nodes[1].links.calls_opened(),
        1
    );
}

#[test]
fn contact_sessions_beyond_the_bound_push_the_least_recently_used_out() {
    let mut world = World::of(31, 1);
    for n in 0..(CONTACTS + 10) as u32 {
        let caller = world.add(n as u8, 1 + (n / 256) as u8, Class::Normal, None);
        world.nodes[caller].addr = SocketAddr::from(([7, (n % 250) as u8, (n / 250) as u8, 1], 1));
        assert_eq!(world.send_contact(caller, 0, 1), Ok(()));
        world.run(0.1);
    }
    assert_eq!(world.nodes[0].links.contact_sessions(), CONTACTS);
    assert_eq!(world.nodes[0].contacts.len(), CONTACTS + 10);
    assert_eq!(world.nodes[1].links.contact_sessions(), 0);
    assert_eq!(world.nodes[CONTACTS].links.contact_sessions(), 1);
}

#[test]
fn one_address_with_many_ids_pushes_out_only_its_own_contact_sessions() {
    let mut world = World::of(32, 1);
    let honest = 5;
    for n in 0..honest + (CONTACTS + 10) as u32 {
        let caller = world.add(n as u8, 1 + (n / 256) as u8, Class::Normal, None);
        let network = if n < honest { n as u8 } else { 99 };
        world.nodes[caller].addr = SocketAddr::from(([7, network, 1, 1], n as u16 + 1));
        assert_eq!(world.send_contact(caller, 0, 1), Ok(()));
        world.run(0.1);
    }
    let sessions = world.nodes[0].links.contact_sessions();
    assert_eq!(sessions, honest as usize + CONTACTS_A_NETWORK);
    for n in 1..=honest as usize {
        assert_eq!(world.nodes[n].links.contact_sessions(), 1);
    }
}

#[test]
fn a_contact_session_in_use_has_new_keys_after_forty_minutes() {
    let mut world = World::of(60, 2);
    for minute in 0..50u8 {
        assert_eq!(world.send_contact(0, 1, minute), Ok(()));
        world.run(60.0);
        assert_eq!(world.nodes[1].contacts.len(), usize::from(minute) + 1);
        let handshakes = if minute < 40 { 1 } else { 2 };
        assert!(world.nodes[1].links.calls_opened() <= handshakes);
    }
    assert_eq!(world.nodes[1].links.calls_opened(), 2);
}
