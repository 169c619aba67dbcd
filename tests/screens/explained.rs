//! The details of a message: which key, why, what it means and what it does not, and nothing that the protocol does not keep.

use jiff::tz::TimeZone;
use paratox::app::Event;
use paratox::app::explain::{DELIVERY, KEY, MEANS, MEANS_NOT, SIZE, explain};
use paratox::app::keymap::{Action, Key, plain};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{Delivery, MessageView};
use paratox::tui::theme::Theme;

use crate::scene::{ERASE_DAY, Person, boris, message, sentences};

const LEVELS: [Secrecy; 4] = [
    Secrecy::Sealed,
    Secrecy::EpochPrekey {
        erase_day: ERASE_DAY,
    },
    Secrecy::OnceOpened,
    Secrecy::ForwardSecret,
];
const STATES: [Delivery; 5] = [
    Delivery::Queued,
    Delivery::Sent,
    Delivery::Delivered,
    Delivery::Failed,
    Delivery::Expired,
];

fn all() -> Vec<MessageView> {
    let mut all = Vec::new();
    for secrecy in LEVELS {
        for delivery in STATES {
            all.push(message(1, true, 1, secrecy, delivery, "the text"));
        }
        let theirs = message(1, false, 1, secrecy, Delivery::Delivered, "the text");
        all.push(theirs);
    }
    all
}

/// Title and sentences of each part.
fn parts(message: &MessageView) -> Vec<(&'static str, String)> {
    explain(message, "boris", &TimeZone::UTC)
        .into_iter()
        .map(|section| (section.title, section.points.join(" ")))
        .collect()
}

fn part(message: &MessageView, title: &str) -> String {
    let found = parts(message).into_iter().find(|(t, _)| *t == title);
    found.map(|(_, words)| words).unwrap_or_default()
}

#[test]
fn every_message_has_key_reason_meaning_limits_delivery_and_size() {
    for m in all() {
        let titles: Vec<_> = parts(&m).iter().map(|(title, _)| *title).collect();
        assert_eq!(titles, [KEY, MEANS, MEANS_NOT, DELIVERY, SIZE], "{m:?}");
        let limits = part(&m, MEANS_NOT);
        for words in [
            "protected by your passphrase, not by forward secrecy",
            "may keep remnants",
            "Backups",
            "post-quantum",
        ] {
            assert!(limits.contains(words), "{words}: {m:?}");
        }
    }
}

#[test]
fn what_the_other_device_erased_is_called_its_claim() {
    for m in all() {
        if matches!(
            m.secrecy,
            Secrecy::ForwardSecret | Secrecy::EpochPrekey { .. }
        ) {
            let limits = part(&m, MEANS_NOT);
            assert!(limits.contains("that device's claim"), "{limits}");
        }
        let means = part(&m, MEANS);
        assert!(
            !means.contains("keys are erased on both"),
            "nobody here knows that: {means}"
        );
        if m.secrecy == Secrecy::ForwardSecret && m.mine {
            assert!(means.contains("boris's device says"), "{means}");
        }
    }
}

#[test]
fn only_forward_secrecy_that_is_complete_is_said_to_be_so() {
    for m in all() {
        let whole: String = parts(&m).into_iter().map(|(_, words)| words).collect();
        let complete = whole.contains("cannot be opened later");
        assert_eq!(complete, m.secrecy == Secrecy::ForwardSecret, "{m:?}");
        let not_yet = whole.contains("not forward secret yet");
        assert_eq!(not_yet, m.secrecy == Secrecy::OnceOpened, "{m:?}");
        let forged = whole.contains("can forge such a message");
        assert_eq!(forged, m.secrecy == Secrecy::Sealed, "{m:?}");
    }
}

#[test]
fn delivered_is_said_to_be_no_proof_of_reading_and_the_rest_no_proof_of_arrival() {
    for m in all().into_iter().filter(|m| m.mine) {
        let words = part(&m, DELIVERY);
        assert_eq!(
            words.contains("has it on disk"),
            m.delivery == Delivery::Delivered,
            "{words}"
        );
        assert_eq!(
            words.contains("not proof that a person read it"),
            m.delivery == Delivery::Delivered
        );
        assert_eq!(
            words.contains("only while paratox runs"),
            m.delivery == Delivery::Queued
        );
    }
}

/// The level of a damaged row is a guess downwards; its details must not tell the story of a message that was sealed.
#[test]
fn a_damaged_message_tells_no_story_about_a_key() {
    let mut m = message(
        4,
        false,
        0,
        Secrecy::Sealed,
        Delivery::Failed,
        "(this message cannot be read: its row in the profile is damaged)",
    );
    m.damaged = true;
    m.time = paratox::wire::time::UnixMs(0);
    let whole: String = parts(&m).into_iter().map(|(_, words)| words).collect();
    assert!(whole.contains("damaged") && whole.contains("better protected"));
    assert!(!whole.contains("Sealed to") && !whole.contains("forge"));
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        let mut p = Person::open(width, height);
        p.press_action(Action::Switch(1));
        let mut before = message(
            3,
            true,
            5,
            Secrecy::ForwardSecret,
            Delivery::Delivered,
            "before",
        );
        let mut after = before.clone();
        (before.number, after.number) = (3, 5);
        p.event(Event::History {
            contact: boris(),
            messages: vec![before, m.clone(), after],
            older: false,
        });
        let screen = p.screen(Theme::MONO);
        assert!(screen.contains("--:--"), "{screen}");
        assert!(!screen.contains("1970"), "{screen}");
        assert_eq!(screen.matches("22 November").count(), 1, "{screen}");
        p.press_action(Action::SelectUp);
        p.press_action(Action::SelectUp);
        p.press(plain(Key::Enter));
        let screen = sentences(&p.screen(Theme::MONO));
        assert!(screen.contains("∅ NO forward secrecy"), "{screen}");
        assert!(screen.contains("Not known any more"), "{screen}");
    }
}

#[test]
fn details_say_which_message_they_are_about() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(3)));
    assert!(p.screen(Theme::MONO).contains("This one went nowhere."));
    p.press(plain(Key::Up));
    let screen = p.screen(Theme::MONO);
    assert!(screen.contains("Clara's new number is 4711."), "{screen}");
    p.press(plain(Key::PageDown));
    assert!(p.screen(Theme::MONO).contains("bytes of text, one parcel"));
}

#[test]
fn no_key_is_claimed_for_a_message_that_has_not_left() {
    let mut p = Person::chatting(80, 24);
    p.press_action(Action::SelectUp);
    p.press_action(Action::SelectUp);
    p.press(plain(Key::Enter));
    let screen = sentences(&p.screen(Theme::MONO));
    assert!(screen.contains("None yet: it has not left"), "{screen}");
    assert!(!screen.contains("already erased"), "{screen}");
}
