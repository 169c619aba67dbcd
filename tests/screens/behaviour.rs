//! What a person does and what happens: reading, writing, deciding, quitting.

use paratox::app::composer::{COMPOSER_MAX, MESSAGE_MAX};
use paratox::app::keymap::{Action, Key, alt, ctrl, plain};
use paratox::app::{Command, Event, Stage};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::tui::theme::Theme;

use crate::scene::{Person, account, boris, contact, message, sentences, talk};

fn incoming(p: &mut Person, number: u64, text: &str) {
    p.event(Event::Chat(ChatEvent::Message(message(
        number,
        false,
        0,
        Secrecy::ForwardSecret,
        Delivery::Delivered,
        text,
    ))));
}

#[test]
fn a_message_is_sent_as_it_was_written_and_the_composer_is_empty() {
    let mut p = Person::chatting(80, 24);
    p.type_letters("two");
    p.press(alt(Key::Enter));
    p.type_letters("rows é漢");
    p.press(plain(Key::Enter));
    assert_eq!(
        p.asked.pop_front(),
        Some(Command::Send {
            tag: 1,
            to: boris(),
            text: "two\nrows é漢".into()
        })
    );
    assert!(p.app.composer.is_empty());
    p.press(plain(Key::Enter));
    assert!(p.asked.is_empty(), "an empty line is not a message");
}

#[test]
fn a_text_that_was_not_saved_comes_back() {
    let mut p = Person::chatting(80, 24);
    p.type_letters("first");
    p.press(plain(Key::Enter));
    p.type_letters("second");
    p.event(Event::CommandFailed {
        tag: Some(1),
        text: "the disk is full".into(),
        position: None,
    });
    assert_eq!(p.app.composer.text(), "first\nsecond");
    assert!(p.screen(Theme::MONO).contains("the disk is full"));
    // and into the draft, if another conversation is open by then
    p.press(plain(Key::Enter));
    p.press(alt(Key::Char('3')));
    p.event(Event::CommandFailed {
        tag: Some(2),
        text: "the disk is full".into(),
        position: None,
    });
    assert!(p.app.composer.is_empty());
    p.press(alt(Key::Char('1')));
    assert_eq!(p.app.composer.text(), "first\nsecond");
}

#[test]
fn drafts_stay_with_their_conversation() {
    let mut p = Person::chatting(80, 24);
    p.type_letters("for boris");
    p.press(alt(Key::Char('3')));
    assert!(p.app.composer.is_empty());
    p.press(alt(Key::Char('1')));
    assert_eq!(p.app.composer.text(), "for boris");
}

#[test]
fn too_long_is_said_before_sending() {
    let mut p = Person::chatting(120, 36);
    p.event(Event::Paste("x".repeat(MESSAGE_MAX + 1)));
    assert!(
        p.screen(Theme::MONO)
            .contains("too long: 4001 of 4000 bytes")
    );
    p.press(plain(Key::Enter));
    assert!(p.asked.is_empty());
    assert_eq!(
        p.app.composer.text().len(),
        MESSAGE_MAX + 1,
        "nothing is cut"
    );
    p.press(plain(Key::Backspace));
    p.press(plain(Key::Enter));
    assert!(matches!(p.asked.pop_front(), Some(Command::Send { .. })));
}

#[test]
fn pasted_lines_never_send() {
    let mut p = Person::chatting(80, 24);
    p.event(Event::Paste("one\r\ntwo\r\n\u{1b}[201~three\r".into()));
    assert!(p.asked.is_empty());
    assert_eq!(p.app.composer.text(), "one\ntwo\n[201~three\n");
}

#[test]
fn an_enormous_paste_is_cut_and_said() {
    let mut p = Person::chatting(80, 24);
    p.event(Event::Paste("y".repeat(2_000_000)));
    assert!(p.app.notices.shown().is_some());
    assert_eq!(p.app.composer.text().len(), COMPOSER_MAX);
    // letters of several bytes are cut between two of them, and what fits is taken
    let mut p = Person::chatting(80, 24);
    p.event(Event::Paste("漢".repeat(1_000_000)));
    assert_eq!(p.app.composer.text(), "漢".repeat(COMPOSER_MAX / 3));
}

#[test]
fn read_means_at_the_bottom_in_focus_and_a_second_in_sight() {
    let read = |p: &mut Person| {
        p.asked
            .iter()
            .any(|c| matches!(c, Command::MarkRead { .. }))
    };
    let mut p = Person::chatting(80, 24);
    assert!(!read(&mut p));
    p.event(Event::Focus(false));
    p.wait(5);
    assert!(!read(&mut p), "nobody looks");
    p.event(Event::Focus(true));
    p.press(plain(Key::F(1)));
    p.wait(5);
    assert!(!read(&mut p), "the help is over it");
    p.press(plain(Key::Esc));
    p.wait(2);
    assert!(p.asked.contains(&Command::MarkRead {
        contact: boris(),
        number: 9
    }));
    assert_eq!(p.app.unread(), 0);
}

#[test]
fn nothing_that_arrives_moves_what_is_being_read() {
    let mut p = Person::chatting(80, 24);
    for n in 20..60 {
        incoming(&mut p, n, &format!("line {n}"));
    }
    p.press(plain(Key::PageUp));
    let before = p.app.rows();
    incoming(&mut p, 60, "news");
    incoming(&mut p, 61, "more news");
    assert_eq!(p.app.rows(), before);
    assert!(p.screen(Theme::MONO).contains("2 new below, End to jump"));
    p.press(plain(Key::End));
    assert!(p.screen(Theme::MONO).contains("more news"));
}

#[test]
fn the_reading_place_survives_a_new_size() {
    let mut p = Person::chatting(80, 24);
    for n in 20..90 {
        incoming(
            &mut p,
            n,
            &format!("line {n} with a few more words so that it wraps on a narrow screen"),
        );
    }
    for _ in 0..3 {
        p.press(plain(Key::PageUp));
    }
    let top = p.app.rows()[0].number();
    p.event(Event::Resize {
        width: 48,
        height: 20,
    });
    assert_eq!(p.app.rows()[0].number(), top);
    p.event(Event::Resize {
        width: 120,
        height: 36,
    });
    assert_eq!(p.app.rows()[0].number(), top);
}

#[test]
fn scrolling_up_and_down_shows_every_message_once_and_comes_back() {
    let mut p = Person::chatting(80, 24);
    for n in 20..200 {
        incoming(&mut p, n, &format!("line {n}"));
    }
    let bottom = p.app.rows();
    for _ in 0..40 {
        p.press(plain(Key::PageUp));
    }
    assert_eq!(
        p.app
            .rows()
            .iter()
            .find_map(paratox::app::conversation::Row::number),
        Some(1)
    );
    for _ in 0..40 {
        p.press(plain(Key::PageDown));
    }
    assert_eq!(p.app.rows(), bottom);
    assert!(p.app.conversation().expect("open").at_newest());
}

#[test]
fn older_pages_are_asked_for_once_and_do_not_move_the_reader() {
    let mut p = Person::open(80, 24);
    p.press(alt(Key::Char('1')));
    assert_eq!(
        p.asked.pop_back(),
        Some(Command::LoadHistory {
            contact: boris(),
            before: None
        })
    );
    let page = |from: u64| {
        (from..from + 50)
            .map(|n| {
                message(
                    n,
                    false,
                    500 - n,
                    Secrecy::ForwardSecret,
                    Delivery::Delivered,
                    "x",
                )
            })
            .collect()
    };
    p.event(Event::History {
        contact: boris(),
        messages: page(100),
        older: true,
    });
    p.asked.clear();
    for _ in 0..20 {
        p.press(plain(Key::PageUp));
    }
    let asked: Vec<_> = p.asked.drain(..).collect();
    assert_eq!(
        asked,
        [Command::LoadHistory {
            contact: boris(),
            before: Some(100)
        }]
    );
    let top = p
        .app
        .rows()
        .iter()
        .find_map(paratox::app::conversation::Row::number);
    p.event(Event::History {
        contact: boris(),
        messages: page(50),
        older: false,
    });
    assert_eq!(
        p.app
            .rows()
            .iter()
            .find_map(paratox::app::conversation::Row::number),
        top
    );
}

#[test]
fn delivery_and_secrecy_of_a_message_change_in_place() {
    let mut p = Person::chatting(120, 36);
    p.event(Event::Chat(ChatEvent::Delivery {
        number: 7,
        contact: boris(),
        delivery: Delivery::Delivered,
        secrecy: Secrecy::ForwardSecret,
    }));
    let screen = p.screen(Theme::MONO);
    let row = screen
        .lines()
        .find(|row| row.contains("Telling her."))
        .expect("in sight");
    assert!(row.contains("⬢ fs") && row.contains("✓ delivered"), "{row}");
}

#[test]
fn sending_without_forward_secrecy_needs_an_answer_to_the_question() {
    let mut p = Person::chatting(80, 24);
    p.event(Event::Chat(ChatEvent::Question {
        number: 8,
        contact: boris(),
        reason: "no prekey".into(),
    }));
    p.type_letters("swsw"); // letters typed meanwhile decide nothing
    assert!(p.asked.iter().all(|c| !matches!(c, Command::Answer { .. })));
    p.press(ctrl(Key::Char('g')));
    p.press(plain(Key::Enter));
    p.press(plain(Key::Esc));
    assert!(p.asked.iter().all(|c| !matches!(c, Command::Answer { .. })));
    p.press(ctrl(Key::Char('g')));
    p.press(plain(Key::Char('w')));
    assert_eq!(
        p.asked.pop_back(),
        Some(Command::Answer {
            contact: boris(),
            number: 8,
            send: false
        })
    );
    p.event(Event::Chat(ChatEvent::Question {
        number: 8,
        contact: boris(),
        reason: "no prekey".into(),
    }));
    p.press(ctrl(Key::Char('g')));
    p.press(plain(Key::Char('s')));
    assert_eq!(
        p.asked.pop_back(),
        Some(Command::Answer {
            contact: boris(),
            number: 8,
            send: true
        })
    );
}

#[test]
fn quitting_with_queued_messages_asks_and_says_why() {
    let mut p = Person::chatting(80, 24);
    p.press(ctrl(Key::Char('q')));
    assert!(p.asked.is_empty());
    let screen = p.screen(Theme::MONO);
    assert!(
        screen.contains("1 message waits") && screen.contains("only while paratox runs"),
        "{screen}"
    );
    p.press(plain(Key::Esc));
    p.press(ctrl(Key::Char('q')));
    p.press(plain(Key::Char('q')));
    assert_eq!(p.asked.pop_back(), Some(Command::Quit));
    // nothing waits: no question
    let mut p = Person::open(80, 24);
    p.asked.clear();
    p.press(ctrl(Key::Char('q')));
    assert_eq!(p.asked.pop_back(), Some(Command::Quit));
}

#[test]
fn ctrl_c_clears_and_only_a_second_one_quits() {
    let mut p = Person::open(80, 24);
    p.asked.clear();
    p.type_letters("half a thought");
    p.press(ctrl(Key::Char('c')));
    assert!(p.app.composer.is_empty() && p.asked.is_empty());
    assert!(p.screen(Theme::MONO).contains("Ctrl+C again quits"));
    p.wait(5);
    assert!(!p.screen(Theme::MONO).contains("Ctrl+C again quits"));
    p.press(ctrl(Key::Char('c')));
    assert!(
        p.asked.is_empty(),
        "five seconds later it is a first one again"
    );
    p.press(ctrl(Key::Char('c')));
    assert_eq!(p.asked.pop_back(), Some(Command::Quit));
    // cleared, something else written, cleared again: nobody wants to quit
    p.type_letters("a");
    p.press(ctrl(Key::Char('c')));
    p.type_letters("b");
    p.press(ctrl(Key::Char('c')));
    p.event(Event::Paste("c".into()));
    p.press(ctrl(Key::Char('c')));
    assert!(p.asked.is_empty() && p.app.composer.is_empty());
}

#[test]
fn a_letter_that_does_not_fit_is_not_shown_as_if_it_were_there() {
    let mut p = Person::chatting(80, 24);
    p.event(Event::Paste("y".repeat(COMPOSER_MAX)));
    p.type_letters("z");
    assert!(p.app.notices.shown().is_some());
    assert!(!p.screen(Theme::MONO).contains('z'));
    assert_eq!(p.composer.text(), p.app.composer.text());
    p.press(plain(Key::Backspace));
    p.type_letters("z");
    assert!(p.screen(Theme::MONO).contains("yz"));
    assert_eq!(p.composer.text(), p.app.composer.text());
}

#[test]
fn up_and_the_wheel_scroll_while_nothing_is_written_and_move_the_cursor_otherwise() {
    let mut p = Person::chatting(80, 24);
    let newest = p.screen(Theme::MONO);
    p.press(plain(Key::Up));
    let above = p.screen(Theme::MONO);
    assert!(above.contains("End: to the newest") && above != newest);
    p.press(plain(Key::Down));
    assert_eq!(p.screen(Theme::MONO), newest);
    p.type_letters("one");
    p.press_action(Action::NewLine);
    p.type_letters("two");
    p.press(plain(Key::Up));
    p.type_letters("X");
    assert_eq!(p.app.composer.text(), "oneX\ntwo");
    assert!(!p.screen(Theme::MONO).contains("End: to the newest"));
}

/// Input methods open their windows where the terminal's cursor stands.
#[test]
fn the_hidden_cursor_stands_where_the_next_letter_goes() {
    use ratatui::style::Modifier;
    let reversed = |p: &mut Person| {
        let (picture, cursor) = p.picture_and_cursor(Theme::MONO);
        let at = cursor.expect("something can be written");
        assert!(picture[at].modifier.contains(Modifier::REVERSED), "{at:?}");
        at
    };
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        let mut p = Person::open(width, height);
        let mut last = reversed(&mut p);
        for letters in [
            "a",
            "漢",
            "é",
            " and so on until it wraps".repeat(9).as_str(),
        ] {
            p.type_letters(letters);
            let at = reversed(&mut p);
            assert_ne!(at, last);
            last = at;
        }
        p.press(plain(Key::F(7)));
        reversed(&mut p);
        p.press(plain(Key::F(4)));
        assert_eq!(p.picture_and_cursor(Theme::MONO).1, None);
    }
}

#[test]
fn next_unread_and_the_switcher_find_people() {
    let mut p = Person::open(80, 24);
    let mut dima = contact(4, "dima");
    dima.unread = 1;
    p.event(Event::Chat(ChatEvent::Contact(dima)));
    p.press(alt(Key::Char('u')));
    assert_eq!(p.app.current, Some(boris()));
    p.press(alt(Key::Char('u')));
    assert_eq!(p.app.current, Some(account(4)));
    p.press(ctrl(Key::Char('k')));
    p.type_letters("GRI");
    p.press(plain(Key::Enter));
    assert_eq!(p.app.current, Some(account(6)));
}

#[test]
fn a_bell_rings_for_what_is_not_in_sight_and_titles_hold_no_names() {
    let mut p = Person::chatting(80, 24);
    incoming(&mut p, 30, "seen");
    assert!(p.asked.is_empty());
    p.event(Event::Focus(false));
    incoming(&mut p, 31, "unseen");
    assert_eq!(p.asked.pop_front(), Some(Command::Bell));
    let mut clara = contact(3, "clara");
    clara.unread = 4;
    p.event(Event::Chat(ChatEvent::Contact(clara)));
    assert!(p.asked.contains(&Command::Title("(6) paratox".into())));
}

#[test]
fn more_conversations_than_memory_holds_are_loaded_again() {
    let mut p = Person::chatting(80, 24);
    for n in 10..30 {
        p.event(Event::Chat(ChatEvent::Contact(contact(
            n,
            &format!("c{n}"),
        ))));
        p.event(Event::Chat(ChatEvent::Contact(contact(2, "boris"))));
    }
    let ids: Vec<_> = p
        .app
        .listed()
        .map(|c| c.id)
        .filter(|id| *id != boris())
        .collect();
    for id in ids {
        p.press(ctrl(Key::Char('k')));
        let name = p.app.contact(&id).expect("listed").name.clone();
        p.type_letters(&name);
        p.press(plain(Key::Enter));
    }
    p.asked.clear();
    p.press_action(Action::Switch(1));
    assert_eq!(p.app.current, Some(boris()));
    assert!(p.asked.contains(&Command::LoadHistory {
        contact: boris(),
        before: None
    }));
    p.event(Event::History {
        contact: boris(),
        messages: talk(),
        older: false,
    });
    assert!(p.screen(Theme::MONO).contains("Telling her."));
}

#[test]
fn a_program_may_start_on_a_conversation() {
    let mut p = Person::at(Stage::Chat, 80, 24);
    p.app.current = Some(boris());
    p.event(Event::Tick);
    assert!(
        p.asked
            .iter()
            .all(|c| !matches!(c, Command::LoadHistory { .. }))
    );
    p.event(Event::Contacts(vec![contact(2, "boris")]));
    assert!(p.asked.contains(&Command::LoadHistory {
        contact: boris(),
        before: None
    }));
    incoming(&mut p, 1, "welcome");
    assert!(p.screen(Theme::MONO).contains("welcome"));
}

#[test]
fn a_message_shown_no_longer_waits_for_the_disk() {
    let mut p = Person::chatting(80, 24);
    p.event(Event::History {
        contact: boris(),
        messages: Vec::new(),
        older: false,
    });
    let before = p.app.waiting();
    p.type_letters("hello");
    p.press(plain(Key::Enter));
    assert_eq!(p.app.waiting(), before + 1);
    p.event(Event::Chat(ChatEvent::Message(message(
        50,
        true,
        0,
        Secrecy::OnceOpened,
        Delivery::Sent,
        "hello",
    ))));
    assert_eq!(p.app.waiting(), before);
}

#[test]
fn quitting_asks_before_a_text_that_was_not_sent_is_lost() {
    for (width, height) in [(80, 24), (48, 12)] {
        let mut p = Person::open(width, height);
        p.event(Event::Contacts(vec![contact(2, "boris")]));
        p.press_action(Action::Switch(1));
        p.type_letters("half a thought");
        p.press_action(Action::Quit);
        let screen = sentences(&p.screen(Theme::MONO));
        assert!(screen.contains("not sent is kept nowhere"), "{screen}");
        assert!(!screen.contains("They stay saved"), "{screen}");
        assert!(!p.asked.contains(&Command::Quit));
        p.press(plain(Key::Esc));
        assert_eq!(p.app.composer.text(), "half a thought");
        p.press_action(Action::Quit);
        p.press(plain(Key::Char('q')));
        assert!(p.asked.contains(&Command::Quit));
    }
    let mut p = Person::open(80, 24);
    p.press_action(Action::Quit);
    assert!(p.asked.contains(&Command::Quit), "nothing would be lost");
}
