//! What a person does and what happens: reading, writing, deciding, quitting.

use paratox::app::composer::MESSAGE_MAX;
use paratox::app::keymap::{Action, Key, alt, ctrl, plain};
use paratox::app::{Command, Event, Stage};
use paratox::crypto::secrecy::Secrecy;
use paratox::messenger::view::{ChatEvent, Delivery};
use paratox::tui::theme::Theme;

use crate::scene::{Person, account, boris, contact, message, network, sentences, talk};

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
    assert!(p.app.notice.is_some());
    assert!(p.app.composer.text().len() <= 64 * 1024);
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
    p.wait(5);
    p.press(ctrl(Key::Char('c')));
    assert!(
        p.asked.is_empty(),
        "five seconds later it is a first one again"
    );
    p.press(ctrl(Key::Char('c')));
    assert_eq!(p.asked.pop_back(), Some(Command::Quit));
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
fn network_snapshots_are_drawn_once_a_second_at_most() {
    let mut p = Person::chatting(80, 24);
    p.wait(3);
    p.app.take_changed();
    let mut drawn = 0;
    for n in 0..20 {
        let mut info = network();
        info.cells_out += n;
        p.event(Event::Network(Box::new(info)));
        drawn += u32::from(p.app.take_changed());
    }
    assert!(drawn <= 1, "{drawn}");
    p.wait(1);
    assert!(
        p.app.take_changed(),
        "the last one is drawn with the next tick"
    );
    p.wait(1);
    assert!(!p.app.take_changed(), "nothing changed, nothing is drawn");
    // the word in the header is drawn at once
    p.event(Event::Network(Box::default()));
    assert!(p.app.take_changed());
    assert!(p.screen(Theme::MONO).contains("offline"));
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
fn no_key_is_claimed_for_a_message_that_has_not_left() {
    let mut p = Person::chatting(80, 24);
    p.press_action(Action::SelectUp);
    p.press_action(Action::SelectUp);
    p.press(plain(Key::Enter));
    let screen = sentences(&p.screen(Theme::MONO));
    assert!(screen.contains("None yet: it has not left"), "{screen}");
    assert!(!screen.contains("already erased"), "{screen}");
}

#[test]
fn a_long_notice_is_read_to_its_end() {
    let notice = "The disk is full, so nothing that arrives can be acknowledged: make room on it, and everything that waits comes again.";
    for (width, height) in [(120, 36), (80, 24)] {
        let mut p = Person::chatting(width, height);
        p.event(Event::Chat(ChatEvent::Notice(notice.into())));
        assert!(sentences(&p.screen(Theme::MONO)).contains(notice));
    }
}

#[test]
fn a_notice_stands_over_boxes_and_screens_too() {
    for (width, height) in [(120, 36), (80, 24), (48, 20)] {
        for key in [2, 4, 5, 6, 7] {
            let mut p = Person::chatting(width, height);
            p.press(plain(Key::F(key)));
            p.event(Event::Chat(ChatEvent::Notice("The disk is full.".into())));
            assert!(
                p.screen(Theme::MONO).contains("The disk is full."),
                "F{key}"
            );
        }
    }
}

#[test]
fn a_node_without_links_sends_nothing_and_not_less() {
    for (width, height) in [(120, 36), (80, 24)] {
        let mut p = Person::chatting(width, height);
        let mut info = network();
        info.links.clear();
        info.rate = -0.0;
        p.event(Event::Network(Box::new(info)));
        p.wait(2);
        assert!(!p.screen(Theme::MONO).contains("-0"));
        p.press(plain(Key::F(4)));
        assert!(!p.screen(Theme::MONO).contains("-0"));
    }
}

#[test]
fn entry_nodes_are_shown_as_unknown_and_their_lack_is_told() {
    let mut p = Person::chatting(120, 36);
    p.press(plain(Key::F(4)));
    let screen = p.screen(Theme::MONO);
    assert_eq!(screen.matches(" unknown ").count(), 2, "{screen}");
    assert!(screen.contains("not cross-checked in this version"));
    p.event(Event::Entries(Vec::new()));
    assert!(p.screen(Theme::MONO).contains("--entry TICKET"));
    let mut p = Person::open(80, 24);
    p.event(Event::Entries(Vec::new()));
    p.event(Event::Network(Box::default()));
    assert!(sentences(&p.screen(Theme::MONO)).contains("start paratox with --entry TICKET"));
}
