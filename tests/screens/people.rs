//! Meeting people: an AccountID that is pasted or typed, the form around it, and requests of strangers.

use paratox::app::add_contact::Check;
use paratox::app::keymap::{Key, alt, ctrl, plain};
use paratox::app::{Command, Event, Overlay};
use paratox::messenger::view::{ChatEvent, ContactState};
use paratox::tui::theme::Theme;

use crate::scene::{Person, account, boris, contact, node, sentences};

fn add_form(p: &Person) -> &paratox::app::add_contact::AddContact {
    match &p.app.overlay {
        Some(Overlay::Add(add)) => add,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_id_is_taken_with_spaces_breaks_and_in_upper_case() {
    for form in [
        account(9).to_string(),
        account(9).qr_text(),
        format!("  paratox:{}\r\n", account(9)),
        paratox::app::add_contact::groups(&account(9).to_string()).join(" \n"),
    ] {
        let mut p = Person::chatting(80, 24);
        p.press(plain(Key::F(7)));
        p.event(Event::Paste(form.clone()));
        assert_eq!(add_form(&p).check, Check::Good(account(9)), "{form}");
        assert!(p.screen(Theme::MONO).contains("62 of 62 characters"));
    }
}

#[test]
fn every_typo_is_refused_with_a_reason_and_most_with_a_place() {
    let id: Vec<char> = account(9).to_string().chars().collect();
    let mut placed = 0;
    for at in 4..id.len() {
        let mut wrong = id.clone();
        wrong[at] = if wrong[at] == 'z' { 'x' } else { 'z' };
        let mut p = Person::chatting(80, 24);
        p.press(plain(Key::F(7)));
        p.event(Event::Paste(wrong.into_iter().collect()));
        match &add_form(&p).check {
            Check::Bad { reason, position } => {
                assert!(!reason.is_empty());
                if *position == Some(at) {
                    placed += 1;
                }
            }
            other => panic!("{other:?}"),
        }
        for _ in 0..4 {
            p.press(plain(Key::Enter));
        }
        assert!(
            p.asked.is_empty(),
            "nothing is asked for before the id is right"
        );
    }
    assert_eq!(
        placed,
        id.len() - 4,
        "one wrong letter is found where it is"
    );
}

#[test]
fn the_own_id_and_known_contacts_are_recognised() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(7)));
    p.event(Event::Paste(account(1).to_string()));
    assert_eq!(add_form(&p).check, Check::Own);
    assert!(p.screen(Theme::MONO).contains("your own AccountID"));
    p.press(ctrl(Key::Char('u')));
    p.event(Event::Paste(boris().to_string()));
    assert_eq!(add_form(&p).check, Check::Known("boris".into()));
    p.press(ctrl(Key::Char('u')));
    p.event(Event::Paste(node(4).to_string()));
    assert!(
        matches!(add_form(&p).check, Check::Bad { .. }),
        "a NodeId is not a person"
    );
}

#[test]
fn typing_an_id_is_not_called_wrong_before_it_is_over() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(7)));
    for letter in account(9).to_string().chars() {
        p.type_letters(&letter.to_string());
        assert!(matches!(add_form(&p).check, Check::Short | Check::Good(_)));
    }
    assert_eq!(add_form(&p).check, Check::Good(account(9)));
}

#[test]
fn a_contact_is_added_with_name_and_words() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(7)));
    p.event(Event::Paste(account(9).to_string()));
    p.press(plain(Key::Enter));
    p.type_letters("fyodor");
    p.press(plain(Key::Enter));
    p.type_letters("It is me");
    p.press(plain(Key::Enter));
    p.press(plain(Key::Enter));
    assert_eq!(
        p.asked.pop_front(),
        Some(Command::Add {
            tag: 1,
            id: account(9),
            name: "fyodor".into(),
            text: "It is me".into()
        })
    );
    assert_eq!(p.app.overlay, None);
}

#[test]
fn an_id_pasted_where_nothing_takes_text_opens_the_form() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(4)));
    p.event(Event::Paste(account(9).to_string()));
    assert_eq!(add_form(&p).check, Check::Good(account(9)));
    // in a conversation it is text: one may send a friend's id to a friend
    let mut p = Person::chatting(80, 24);
    p.event(Event::Paste(account(9).to_string()));
    assert_eq!(p.app.overlay, None);
    assert_eq!(p.app.composer.text(), account(9).to_string());
}

#[test]
fn requests_are_accepted_declined_and_blocked() {
    for (key, wanted) in [
        ('a', Command::Accept(account(7))),
        ('d', Command::Decline(account(7))),
        ('b', Command::Block(account(7))),
    ] {
        let mut p = Person::chatting(80, 24);
        p.press(plain(Key::F(6)));
        assert!(p.screen(Theme::MONO).contains("May I write to you here?"));
        p.press(plain(Key::Char(key)));
        assert_eq!(p.asked.pop_front(), Some(wanted));
    }
}

#[test]
fn a_request_under_a_known_name_is_pointed_out() {
    let mut p = Person::chatting(80, 24);
    let mut false_boris = contact(8, "boris");
    false_boris.state = ContactState::Asking;
    false_boris.added = paratox::wire::time::UnixMs(0);
    p.event(Event::Chat(ChatEvent::Request(false_boris)));
    p.press(plain(Key::F(6)));
    assert!(p.screen(Theme::MONO).contains("with another AccountID"));
}

/// Fills the form for account 9 and presses Add; the messenger answers.
fn add_fyodor(p: &mut Person) {
    p.press(plain(Key::F(7)));
    p.event(Event::Paste(account(9).to_string()));
    for _ in 0..4 {
        p.press(plain(Key::Enter));
    }
    let mut fyodor = contact(9, "fyodor");
    fyodor.state = ContactState::Asked;
    p.event(Event::Chat(ChatEvent::Contact(fyodor)));
}

#[test]
fn whoever_is_added_is_open_unless_somebody_else_is() {
    let mut p = Person::open(80, 24);
    add_fyodor(&mut p);
    assert_eq!(p.app.current, Some(account(9)));
    let mut p = Person::chatting(80, 24);
    add_fyodor(&mut p);
    assert_eq!(p.app.current, Some(boris()));
}

#[test]
fn what_was_written_to_nobody_goes_to_whoever_is_opened() {
    let mut p = Person::open(80, 24);
    p.type_letters("already written");
    p.press(plain(Key::Enter));
    assert!(p.screen(Theme::MONO).contains("F7 adds, F2 lists"));
    p.press_action(paratox::app::keymap::Action::Switch(1));
    assert_eq!(p.app.composer.text(), "already written");
}

#[test]
fn an_endless_paste_is_not_counted_as_what_was_kept_of_it() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(7)));
    p.event(Event::Paste("a".repeat(100_000)));
    assert!(p.screen(Theme::MONO).contains("256 or more of 62"));
}

#[test]
fn what_holds_for_a_contact_can_be_read_beside_a_long_name() {
    let mut p = Person::open(80, 24);
    p.event(Event::Chat(ChatEvent::Contact(contact(
        2,
        &"a very long name ".repeat(8),
    ))));
    p.press(plain(Key::F(2)));
    assert!(
        p.screen(Theme::MONO)
            .contains("Alt+P: without forward secrecy ask (this version always waits)")
    );
}

#[test]
fn where_nobody_asks_no_answer_is_offered() {
    for (width, height) in [(80, 24), (48, 20)] {
        let mut p = Person::open(width, height);
        p.event(Event::Contacts(Vec::new()));
        p.press(plain(Key::F(6)));
        let screen = p.screen(Theme::MONO);
        assert!(
            sentences(&screen).contains("can ask to talk to you. Esc close"),
            "{screen}"
        );
        assert!(!screen.contains("accept"), "{screen}");
    }
}

#[test]
fn nothing_is_said_to_be_asked_before_it_is_on_disk_and_a_refused_form_comes_back() {
    let mut p = Person::open(80, 24);
    p.press(plain(Key::F(7)));
    p.event(Event::Paste(account(9).to_string()));
    p.press(plain(Key::Enter));
    p.type_letters("fyodor");
    p.press(plain(Key::Enter));
    p.type_letters("words that took a while");
    p.press(plain(Key::Enter));
    p.press(plain(Key::Enter));
    assert_eq!(p.app.notices.shown(), None);
    let text = "the disk is full: free some space and try again".to_owned();
    p.event(Event::CommandFailed {
        tag: Some(1),
        text,
        position: None,
    });
    let screen = p.screen(Theme::MONO);
    for kept in [
        "fyodor",
        "words that took a while",
        "62 of 62",
        "the disk is full",
    ] {
        assert!(screen.contains(kept), "{kept}: {screen}");
    }
    // and once more, when there is room
    p.asked.clear();
    p.press(plain(Key::Enter));
    assert!(matches!(
        p.asked.pop_front(),
        Some(Command::Add { tag: 2, .. })
    ));
    p.event(Event::Saved { tag: 2 });
    assert!(p.screen(Theme::MONO).contains("! added"));
}

#[test]
fn whoever_is_accepted_is_open_and_one_who_is_not_accepted_is_not() {
    let mut p = Person::chatting(80, 24);
    p.type_letters("half a thought");
    p.press(plain(Key::F(6)));
    p.press(plain(Key::Char('a')));
    assert_eq!(p.app.overlay, None, "nobody else asks");
    assert_eq!(p.app.current, Some(boris()), "it is not done yet");
    let maria = contact(7, "Maria");
    p.event(Event::Chat(ChatEvent::Contact(maria)));
    assert_eq!(p.app.current, Some(account(7)));
    p.press(alt(Key::Char('1')));
    assert_eq!(p.app.composer.text(), "half a thought");
    // declined: the box closes nothing and opens nobody
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(6)));
    p.press(plain(Key::Char('d')));
    let mut maria = contact(7, "Maria");
    maria.state = ContactState::Declined;
    p.event(Event::Chat(ChatEvent::Contact(maria)));
    assert_eq!(p.app.current, Some(boris()));
}

#[test]
fn adding_somebody_who_asks_accepts_them() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(7)));
    p.event(Event::Paste(account(7).to_string()));
    let screen = sentences(&p.screen(Theme::MONO));
    assert!(
        screen.contains("Maria from the library has asked to talk to you"),
        "{screen}"
    );
    for _ in 0..4 {
        p.press(plain(Key::Enter));
    }
    assert_eq!(
        p.asked.pop_front(),
        Some(Command::Add {
            tag: 1,
            id: account(7),
            name: "Maria from the library".into(),
            text: String::new()
        })
    );
}

#[test]
fn blocking_a_contact_is_asked_about_and_can_be_taken_back() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(2)));
    p.press(alt(Key::Char('b')));
    assert!(p.asked.is_empty(), "a slip of the finger blocks nobody");
    let screen = sentences(&p.screen(Theme::MONO));
    assert!(
        screen.contains("Block boris?") && screen.contains("is given up"),
        "{screen}"
    );
    p.press(plain(Key::Char('n')));
    assert!(p.asked.is_empty());
    p.press(plain(Key::F(2)));
    p.press(alt(Key::Char('b')));
    p.press(plain(Key::Char('y')));
    assert_eq!(p.asked.pop_front(), Some(Command::Block(boris())));
    let mut blocked = contact(2, "boris");
    blocked.state = ContactState::Blocked;
    p.event(Event::Chat(ChatEvent::Contact(blocked)));
    p.press(plain(Key::F(2)));
    assert!(
        p.screen(Theme::MONO)
            .contains("Alt+A takes this contact back")
    );
    p.press(alt(Key::Char('a')));
    assert_eq!(p.asked.pop_back(), Some(Command::Accept(boris())));
}

#[test]
fn a_request_without_a_name_has_something_to_be_called_by() {
    let mut p = Person::chatting(80, 24);
    let mut nameless = contact(8, "\u{200B}\u{202E}");
    nameless.state = ContactState::Asking;
    p.event(Event::Chat(ChatEvent::Request(nameless)));
    let name = paratox::app::add_contact::short_id(&account(8));
    assert!(p.screen(Theme::MONO).contains(&name));
}

#[test]
fn what_a_request_cannot_carry_is_said_before_it_is_lost() {
    let mut p = Person::chatting(80, 24);
    p.press(plain(Key::F(7)));
    p.event(Event::Paste(account(9).to_string()));
    p.press(plain(Key::Tab));
    p.press(plain(Key::Tab));
    p.event(Event::Paste("x".repeat(150)));
    assert!(p.screen(Theme::MONO).contains("150/200"));
    p.event(Event::Paste("y".repeat(100)));
    let screen = p.screen(Theme::MONO);
    assert!(
        screen.contains("200/200") && screen.contains("the rest was left out"),
        "{screen}"
    );
}
