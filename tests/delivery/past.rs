//! Two sides whose pasts differ: restored copies, lost sessions, parcels that nobody can read.

use crate::switch::{CALM, World, copy};
use paratox::crypto::ratchet::Ratchet;
use paratox::messenger::persistence::{Batch, Change, Persistence};
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
use paratox::wire::parcel::{Body, Kind, Piece};

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
        world.lose_sessions(person);
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
fn a_request_whose_receipt_and_session_were_lost_is_acknowledged_in_the_next_session() {
    let mut world = World::new(70, 2, CALM);
    world.run(3.0);
    world.add(0, 1, "hello?");
    assert!(world.run_until(120.0, |w| w.state(1, 0) == Some(ContactState::Asking)));
    world.lose_sessions(0);
    assert_ne!(world.history(0, 1)[0].delivery, Delivery::Delivered);
    assert!(world.run_until(600.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.said(1, 0, false), ["hello?"]);
    assert_eq!(world.state(1, 0), Some(ContactState::Asking));
}
