//! What the screen says about the secrecy of a message is true: level 2 until the other device has opened it and erased its key, then
//! level 3, never back; and a text leaves only inside a confirmed session.

mod switch;

use std::collections::BTreeMap;

use paratox::crypto::aead::{Key, OneTimeKey};
use paratox::crypto::keys::AccountKey;
use paratox::crypto::random::Stream;
use paratox::crypto::ratchet::Ratchet;
use paratox::crypto::sealed;
use paratox::crypto::secrecy::Secrecy;
use paratox::crypto::session::SessionOffer;
use paratox::messenger::memory::Memory;
use paratox::messenger::persistence::Persistence;
use paratox::messenger::view::{ChatEvent, ContactState, Delivery};
use switch::{CALM, ROUGH, World};

#[test]
fn the_only_rises_are_by_the_two_authenticated_events() {
    let table = [
        // before, after an acknowledgement, after an erasure receipt
        (Secrecy::Sealed, 0, 0),
        (Secrecy::EpochPrekey { erase_day: 9 }, 1, 3),
        (Secrecy::OnceOpened, 3, 2),
        (Secrecy::ForwardSecret, 3, 3),
    ];
    for (before, acknowledged, erased) in table {
        assert_eq!(before.acknowledged().level(), acknowledged, "{before:?}");
        assert_eq!(before.prekey_erased().level(), erased, "{before:?}");
    }
}

/// Follows both columns of every message through a run.
fn assert_columns_rise(events: &[ChatEvent]) {
    let mut last: BTreeMap<u64, (Delivery, u8)> = BTreeMap::new();
    for event in events {
        let (number, delivery, level) = match event {
            ChatEvent::Message(m) if m.mine => (m.number, m.delivery, m.secrecy.level()),
            ChatEvent::Delivery {
                number,
                delivery,
                secrecy,
                ..
            } => (*number, *delivery, secrecy.level()),
            _ => continue,
        };
        if let Some((before, level_before)) = last.get(&number) {
            assert!(
                delivery >= *before,
                "message {number} went back from {before:?} to {delivery:?}"
            );
            assert!(
                level >= *level_before,
                "message {number} fell from {level_before} to {level}"
            );
        }
        assert_eq!(
            level,
            if delivery == Delivery::Delivered {
                3
            } else {
                2
            },
            "message {number} at {delivery:?}"
        );
        last.insert(number, (delivery, level));
    }
}

#[test]
fn a_message_is_level_two_until_it_is_acknowledged_and_three_from_then_on() {
    for (seed, network) in [(1, CALM), (2, ROUGH), (3, ROUGH)] {
        let mut world = World::new(seed, 2, network);
        world.befriend(0, 1);
        for i in 0..8 {
            world.send(0, 1, &format!("{i} {}", "x".repeat(i * 100)));
            world.run(3.0);
            if i == 4 {
                world.restart(1, false);
            }
        }
        assert!(world.run_until(3600.0, |w| w.all_delivered(0, 1)));
        assert_columns_rise(&world.people[0].events);
        assert!(world.history(0, 1).iter().all(|m| m.secrecy.level() == 3));
        assert!(
            world.history(1, 0).iter().all(|m| m.secrecy.level() == 3),
            "both sides show the same"
        );
    }
}

#[test]
fn nobody_acknowledges_what_is_not_on_the_other_disk() {
    let mut world = World::new(4, 2, CALM);
    world.befriend(0, 1);
    let store = world.kill(1);
    world.send(0, 1, "to nobody");
    world.run(1000.0);
    assert_eq!(world.history(0, 1)[0].secrecy.level(), 2);
    world.start(1, store);
    world.store(1).fail_next(u32::MAX);
    world.run(1000.0);
    assert_eq!(world.history(0, 1)[0].secrecy.level(), 2);
    world.store(1).fail_next(0);
    assert!(world.run_until(1000.0, |w| w.all_delivered(0, 1)));
    assert_eq!(world.history(0, 1)[0].secrecy.level(), 3);
}

fn account_key(store: &mut Memory) -> AccountKey {
    let profile = store.load().expect("readable").profile.expect("an account");
    let bytes: [u8; 32] = profile.account_key.as_slice().try_into().expect("32 bytes");
    AccountKey::from_bytes(&bytes).expect("a key")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn the_text_of_a_request_is_in_nothing_that_the_account_keys_open() {
    const TEXT: &str = "a text that must stay between us";
    for seed in 5..8 {
        let mut world = World::new(seed, 2, CALM);
        world.run(3.0);
        world.add(0, 1, TEXT);
        let shown = world.run_until(300.0, |w| w.state(1, 0) == Some(ContactState::Asking));
        assert!(shown && world.said(1, 0, false) == [TEXT]);
        let recorded = world.recorded.clone();
        let keys = [account_key(world.store(0)), account_key(world.store(1))];
        let mut offers = 0;
        for (_, parcel) in &recorded {
            assert!(!contains(&parcel[..], TEXT));
            for key in &keys {
                if let Ok(offer) = SessionOffer::read(key, parcel) {
                    offers += 1;
                    assert!(!contains(&offer.payload, TEXT));
                }
                assert!(sealed::open(key, parcel).is_err(), "nothing is sealed");
            }
        }
        assert!(offers > 0, "the first parcel is among them");
        // The first two parcels are the two flights of the agreement: the text came after both.
        assert!(recorded.len() >= 3);
    }
}

/// Header of a ratchet parcel, before the sealed body.
const HEADER: usize = 85;

/// How many of `parcels` a thief of `stores` opens: with the sessions as they are, and with every 32 bytes of a session taken as the key
/// of a message or of a chain.
fn opened_by(stores: &mut [&mut Memory], parcels: &[[u8; 400]]) -> (usize, usize) {
    let mut random = Stream::from_seed([1; 32]);
    let (mut by_session, mut by_key) = (0, 0);
    for store in stores {
        let found: Vec<Vec<u8>> = store.findable().map(<[u8]>::to_vec).collect();
        for secret in &found {
            // The sessions offered to us stand behind 416 other bytes.
            for start in [0, 416] {
                let Some(Ok(ratchet)) = secret.get(start..).map(Ratchet::from_bytes) else {
                    continue;
                };
                by_session += parcels
                    .iter()
                    .filter(|parcel| ratchet.decrypt(parcel, &mut random).is_ok())
                    .count();
                let name = ratchet.session_id();
                for window in secret.windows(32) {
                    let found = Key::from_bytes(window.try_into().expect("32 bytes"));
                    let of_chain = found.derive("ratchet message", b"");
                    for message in [found, of_chain] {
                        for parcel in parcels {
                            let context = [&name[..], &parcel[..12]].concat();
                            let body = message.derive("ratchet body", &context);
                            let key = OneTimeKey::from(Key::from_bytes(&body.to_bytes()));
                            by_key +=
                                usize::from(key.open(&parcel[..HEADER], &parcel[HEADER..]).is_ok());
                        }
                    }
                }
            }
        }
    }
    (by_session, by_key)
}

#[test]
fn what_was_delivered_opens_with_nothing_that_either_disk_still_holds() {
    for seed in 10..13 {
        let mut world = World::new(seed, 2, if seed == 10 { CALM } else { ROUGH });
        world.befriend(0, 1);
        world.run(60.0);
        world.watch_texts = true;
        for i in 0..6 {
            world.send(0, 1, &format!("secret {i}"));
            world.run(0.1);
        }
        if seed == 10 {
            // A thief who comes while parcels are under way opens them: the check below can fail.
            let texts = world.texts.clone();
            let mut bob = switch::copy(world.store(1));
            let (by_session, by_key) = opened_by(&mut [&mut bob], &texts);
            assert!(by_session > 0 && by_key > 0, "{by_session} and {by_key}");
        }
        assert!(world.run_until(1800.0, |w| w.all_delivered(0, 1)));
        world.run(120.0);
        assert!(world.texts.len() >= 6, "{} texts", world.texts.len());
        let texts = world.texts.clone();
        let (mut alice, mut bob) = (world.kill(0), world.kill(1));
        assert_eq!(
            opened_by(&mut [&mut alice, &mut bob], &texts),
            (0, 0),
            "seed {seed}"
        );
    }
}
